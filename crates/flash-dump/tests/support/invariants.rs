//! What must hold for any bytes at all. Shared by the property tests, the corpus replay and the fuzz target.

use flash_dump::{Certainty, EraseHomesError, EraseScope, Region, Verdict, erase_homes, inspect};

/// Inspects and erases; every range lies in the image, and erasing changes those ranges and nothing else.
pub(crate) fn check_image(image: &[u8]) {
    let inspection = inspect(image);
    assert!(!inspection.to_string().is_empty());
    let found: Vec<Region> = inspection.findings.iter().map(|finding| finding.region).collect();
    assert!(found.iter().all(|region| region.length_bytes > 0 && region.end() <= image.len()), "{found:?}");
    let is_certain = |certainty| {
        inspection.findings.iter().any(|finding| finding.holds_home && finding.certainty == certainty)
    };
    assert_eq!(inspection.verdict() == Verdict::HomeLeft, is_certain(Certainty::Certain));

    let mut erased_image = image.to_vec();
    let result = erase_homes(&mut erased_image, EraseScope::PerhapsToo);
    for (offset, (&before, &after)) in image.iter().zip(&erased_image).enumerate() {
        assert!(before == after || after == 0xFF, "byte {offset} is neither kept nor erased");
    }
    match result {
        Ok(erased) => {
            assert_eq!(erased.after.verdict(), Verdict::NothingFound);
            for region in &erased.regions {
                assert!(
                    erased_image
                        .get(region.offset..region.end())
                        .is_some_and(|bytes| bytes.iter().all(|&byte| byte == 0xFF))
                );
            }
            if inspection.verdict() == Verdict::NothingFound {
                assert_eq!(erased_image, image, "a clean image is left alone");
            }
        }
        Err(error) => assert_eq!(error, EraseHomesError::Unreadable),
    }
}
