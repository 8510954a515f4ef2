//! Takes what is left of a home out of an image.

use serde::Serialize;
use thiserror::Error;

use crate::finding::{Certainty, Inspection, Region};
use crate::inspect;

/// Rounds of inspecting and erasing at most. The second is needed where something lay inside something else.
const ROUND_COUNT_MAX: usize = 4;

/// What an erase did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// Ranges that are erased now, in the order in which they were.
    pub regions: Vec<Region>,
    /// What the image holds now.
    pub after: Inspection,
}

/// What is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EraseScope {
    /// What is certainly of a home. On a dump of the whole flash a stray match inside a program then stays untouched.
    Certain,
    /// What is only perhaps of a home too.
    PerhapsToo,
}

/// Sets what is of a home to the erased state (0xFF) and inspects the result.
///
/// Identity, calibration, firmware, and the epoch of a Rehome store stay. This is not a wipe: there is no receipt and the
/// epoch does not grow. With [`EraseScope::PerhapsToo`] and `Ok` nothing of a home is found afterwards; with
/// [`EraseScope::Certain`] look at [`Erased::after`].
///
/// # Errors
/// [`EraseHomesError`] if something that was to be erased is still found, or a part cannot be read.
pub fn erase_homes(image: &mut [u8], scope: EraseScope) -> Result<Erased, EraseHomesError> {
    let mut regions = Vec::new();
    let mut inspection = inspect(image);
    for _ in 0..ROUND_COUNT_MAX {
        let found: Vec<Region> = inspection
            .findings
            .iter()
            .filter(|finding| finding.holds_home)
            .filter(|finding| scope == EraseScope::PerhapsToo || finding.certainty == Certainty::Certain)
            .map(|finding| finding.region)
            .collect();
        if found.is_empty() {
            let is_readable = inspection.notes.is_empty();
            return if is_readable {
                Ok(Erased { regions, after: inspection })
            } else {
                Err(EraseHomesError::Unreadable)
            };
        }
        for region in found {
            if let Some(bytes) = image.get_mut(region.offset..region.end()) {
                bytes.fill(0xFF);
            }
            regions.push(region);
        }
        inspection = inspect(image);
    }
    Err(EraseHomesError::StillFound)
}

/// The image is not known to be clean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EraseHomesError {
    /// Everything found is erased, but a part of the image cannot be read or is missing.
    #[error(
        "a part of the image is encrypted, damaged or missing and may hold a home; erase its whole partition instead"
    )]
    Unreadable,
    /// Every round found more.
    #[error("something of a home is still found after erasing")]
    StillFound,
}
