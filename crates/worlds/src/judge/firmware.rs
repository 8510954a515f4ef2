//! Updates: what may be installed, when it may stay, and until when it must have proven itself.

use super::Broken;
use crate::slots::SlotNote;
use crate::tally::Tally;

/// A firmware on trial reaches `RUNNING` within 5 min, or the former one comes back. Half a minute on top for what
/// may not be interrupted: a save, a wipe with its receipt.
const TRIAL_MS: u64 = 5 * 60_000 + 30_000;

/// The firmware of one board, as its judge knows it.
#[derive(Debug, Default)]
pub(super) struct Firmware {
    trial_began_at: Option<u64>,
    /// Since the start of this run a cloud accepted the board.
    has_run: bool,
}

impl Firmware {
    pub(super) fn begin_run(&mut self, is_on_trial: bool, now_ms: u64) {
        self.trial_began_at = is_on_trial.then_some(now_ms);
        self.has_run = false;
    }

    pub(super) const fn end_run(&mut self, tally: &mut Tally) {
        if self.trial_began_at.take().is_some() {
            tally.trials_of_firmware_failed += 1;
        }
    }

    pub(super) const fn note_accepted(&mut self) {
        self.has_run = true;
    }

    /// `offered` are the images that the board may install at present.
    pub(super) fn note(&mut self, note: &SlotNote, offered: &[&[u8]], tally: &mut Tally) -> Option<Broken> {
        match note {
            SlotNote::Installed(image) => {
                tally.images_installed += 1;
                (!offered.contains(&image.as_slice())).then_some(Broken::WrongImage)
            }
            SlotNote::Confirmed => {
                tally.images_confirmed += 1;
                self.trial_began_at = None;
                (!self.has_run).then_some(Broken::UnprovenFirmware)
            }
            SlotNote::RolledBack => None,
        }
    }

    pub(super) fn next_check(&self) -> Option<u64> {
        self.trial_began_at.map(|began_at| began_at + TRIAL_MS)
    }

    pub(super) fn judge(&self, now_ms: u64) -> Option<Broken> {
        self.next_check().filter(|ends_at| now_ms > *ends_at).map(|_| Broken::TrialWithoutEnd)
    }
}

#[cfg(test)]
mod tests {
    use super::{Firmware, TRIAL_MS};
    use crate::judge::Broken;
    use crate::slots::SlotNote;
    use crate::tally::Tally;

    #[test]
    fn only_what_was_offered_is_installed_and_only_what_ran_is_kept() {
        let (mut firmware, mut tally) = (Firmware::default(), Tally::default());
        let image = SlotNote::Installed(b"new".to_vec());
        assert_eq!(firmware.note(&image, &[b"new"], &mut tally), None);
        assert_eq!(firmware.note(&image, &[b"nex"], &mut tally), Some(Broken::WrongImage));
        assert_eq!(firmware.note(&image, &[], &mut tally), Some(Broken::WrongImage));
        firmware.begin_run(true, 0);
        assert_eq!(firmware.judge(TRIAL_MS), None);
        assert_eq!(firmware.judge(TRIAL_MS + 1), Some(Broken::TrialWithoutEnd));
        assert_eq!(firmware.note(&SlotNote::Confirmed, &[], &mut tally), Some(Broken::UnprovenFirmware));
        firmware.begin_run(true, 0);
        firmware.note_accepted();
        assert_eq!(firmware.note(&SlotNote::Confirmed, &[], &mut tally), None);
        assert_eq!(firmware.judge(TRIAL_MS + 1), None);
    }
}
