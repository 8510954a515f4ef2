//! The unsigned order that arrives in an accepted session: erase.

use super::Machine;
use super::phase::{CloudStep, LinkWhileSaving, Phase};
use crate::EraseOrder;

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
}
