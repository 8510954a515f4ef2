//! What a forced delete leaves behind, in words: said before it is confirmed and again when it is done.

use crate::{Ownership, ReleaseState, UtcTime};

/// Returns what is left behind when this device's record is deleted without wiping its board.
#[must_use]
pub fn left_behind(
    ownership: Ownership,
    release: Option<ReleaseState>,
    last_seen_at: Option<UtcTime>,
) -> Vec<String> {
    let mut sentences = Vec::new();
    if release.is_some_and(ReleaseState::is_safe_to_ship) {
        sentences.push("Nothing on the board, as far as is known: it was told to erase itself.".to_owned());
    } else if ownership == Ownership::Reserved && last_seen_at.is_none() {
        sentences
            .push("Whatever board was given this token, if any: it keeps the token in its flash.".to_owned());
    } else {
        let seen =
            last_seen_at.map(|at| format!(" (last seen {})", at.to_sentence_text())).unwrap_or_default();
        sentences.push(format!(
            "The board{seen} keeps its Wi-Fi name, Wi-Fi password and token in flash. This server can no longer wipe it."
        ));
        sentences.push(
            "When the board connects it is refused: its hotspot opens, without a password on stock firmware. Erase it \
             there, by its button or over a cable."
                .to_owned(),
        );
    }
    sentences
        .push("An audit line with the device's identifier, without personal data, stays here.".to_owned());
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: Option<UtcTime> = Some(UtcTime::from_unix_ms(0));

    #[test]
    fn a_board_that_was_not_wiped_is_said_to_keep_its_password() {
        for release in [None, Some(ReleaseState::Pending), Some(ReleaseState::Sent)] {
            for ownership in [Ownership::Owned, Ownership::Releasing] {
                let text = left_behind(ownership, release, SEEN).join(" ");
                assert!(text.contains("Wi-Fi password") && text.contains("1970-01-01 00:00 UTC"), "{text}");
            }
        }
    }

    #[test]
    fn a_wiped_board_is_said_to_keep_nothing() {
        let text = left_behind(Ownership::Released, Some(ReleaseState::Inferred), SEEN).join(" ");
        assert!(text.contains("Nothing on the board") && !text.contains("keeps its"), "{text}");
    }
}
