//! Orders that arrive in an accepted session: erase, firmware update.

use super::Machine;
use super::phase::{CloudStep, LinkWhileSaving, Phase};
use crate::{EraseOrder, HomeSource, Instant, OtaFault, Output, RecoveryPolicy};

impl Machine {
    /// The unsigned order. It counts only in a session that the cloud accepted, so that nobody who merely answers in
    /// place of the cloud can erase a home.
    pub(super) fn config_erase_ordered(&mut self) {
        if self.settings.erase_order == EraseOrder::Ignored {
            return;
        }
        match &mut self.phase {
            Phase::Running { .. } => self.start_wipe(),
            Phase::ConnectingCloud {
                step: CloudStep::Saving { link: LinkWhileSaving::Session, is_erase_ordered },
                ..
            } => *is_erase_ordered = true,
            _ => {}
        }
    }

    pub(super) fn ota_ordered(&mut self, now: Instant) {
        let due_at = now.after(self.settings.timings.ota_delay);
        if let Phase::Running { ota_at } = &mut self.phase {
            ota_at.get_or_insert(due_at);
        }
    }

    pub(super) fn start_ota(&mut self, now: Instant) {
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
}
