//! A firmware update: the order, the download's end, and the trial of what was downloaded.

use super::Machine;
use super::phase::{CloudStep, OtaWait, Phase};
use crate::firmware_trial::FirmwareTrial;
use crate::{HomeSource, Instant, OtaFault, Output, RecoveryPolicy, SlotFault};

impl Machine {
    /// A firmware that is on trial itself takes no other: the slot it would be written to holds the only proven one.
    pub(super) fn ota_ordered(&mut self, now: Instant) {
        let timings = &self.settings.timings;
        let (announce_at, start_at) = (now.after(timings.ota_announce), now.after(timings.ota_delay));
        if let Phase::Running { ota: ota @ OtaWait::None } = &mut self.phase
            && self.firmware_trial == FirmwareTrial::Over
        {
            *ota = OtaWait::Ordered { announce_at, start_at };
        }
    }

    pub(super) fn ota_due(&mut self, now: Instant) {
        match self.phase {
            Phase::Running { ota: OtaWait::Ordered { start_at, .. } } => {
                self.push(Output::AnnounceOta);
                self.phase = Phase::Running { ota: OtaWait::Announced { start_at } };
            }
            Phase::Running { ota: OtaWait::Announced { .. } } => self.start_ota(now),
            _ => {}
        }
    }

    fn start_ota(&mut self, now: Instant) {
        self.push(Output::DisconnectCloud);
        let until = now.after(self.settings.timings.ota_limit);
        self.enter(Phase::OtaUpgrade { until, is_joined: true });
        self.push(Output::StartOta);
    }

    pub(super) fn ota_finished(&mut self, now: Instant, result: Result<(), OtaFault>) {
        let Phase::OtaUpgrade { is_joined, .. } = self.phase else { return };
        match (result, self.recovery()) {
            (Ok(()), _) => self.restart(),
            (Err(OtaFault), RecoveryPolicy::Rehome) if is_joined => {
                self.connect_cloud(now, HomeSource::Stored, 0);
            }
            (Err(OtaFault), RecoveryPolicy::Rehome) => self.start_stored_round(now),
            (Err(OtaFault), RecoveryPolicy::Stock | RecoveryPolicy::Reset) => {
                self.push(Output::Leave);
                self.show_error(now);
            }
        }
    }

    pub(super) fn ota_timed_out(&mut self, now: Instant) {
        self.push(Output::AbortOta);
        self.ota_finished(now, Err(OtaFault));
    }

    pub(super) fn start_firmware_trial(&mut self, now: Instant) {
        if self.firmware_trial == FirmwareTrial::Over {
            let ends_at = now.after(self.settings.timings.firmware_trial);
            self.firmware_trial = FirmwareTrial::OnTrial { ends_at };
        }
    }

    /// When an unproven firmware must give way; not while the home store works, whose answer comes first.
    pub(super) const fn firmware_trial_ends_at(&self) -> Option<Instant> {
        match (self.firmware_trial, &self.phase) {
            (
                FirmwareTrial::OnTrial { .. },
                Phase::Restarting { .. }
                | Phase::ResetConfig { .. }
                | Phase::ConnectingCloud { step: CloudStep::Saving { .. }, .. },
            )
            | (FirmwareTrial::Over | FirmwareTrial::Confirming, _) => None,
            (FirmwareTrial::OnTrial { ends_at }, _) => Some(ends_at),
        }
    }

    /// `RUNNING` is the proof that a new firmware can be reached, and so can be replaced again.
    pub(super) fn settle_firmware_trial(&mut self) {
        if matches!(self.phase, Phase::Running { .. })
            && matches!(self.firmware_trial, FirmwareTrial::OnTrial { .. })
        {
            self.firmware_trial = FirmwareTrial::Confirming;
            self.push(Output::ConfirmFirmware);
        }
    }

    pub(super) fn firmware_confirmed(&mut self, result: Result<(), SlotFault>) {
        if self.firmware_trial != FirmwareTrial::Confirming {
            return;
        }
        match result {
            Ok(()) => self.firmware_trial = FirmwareTrial::Over,
            // Nobody knows what the next boot would start; going back is the one answer that is always safe.
            Err(SlotFault) => self.firmware_trial_failed(),
        }
    }

    pub(super) fn firmware_trial_failed(&mut self) {
        self.firmware_trial = FirmwareTrial::Over;
        self.push(Output::RollBackFirmware);
        self.restart();
    }
}
