//! Writes from one device to another. Source: reference/wire-protocol.md 9.

use metrics::counter;
use registry::{DeviceId, Epoch, LookedUp, TokenRecord};
use wire::{Bridge, PinWrite, Secret, ServerHardware, ServerMessage, Status};

use super::Session;

/// 64 bindings of one device; the reference allows 100 slots and its example is number 64, real sketches use a few.
const BINDINGS_MAX: usize = 64;

/// Another device under the number that this one gave it. The token itself is not kept.
#[derive(Debug)]
pub(super) struct Binding {
    slot: u8,
    device: DeviceId,
    epoch: Epoch,
}

impl Session {
    pub(super) fn act_on_bridge(&mut self, message_id: u16, bridge: Bridge<'_>) {
        match bridge {
            Bridge::Bind { slot, token: Secret(token) } => {
                let status = self.bind(slot, token);
                self.respond(message_id, status);
            }
            Bridge::Forward { slot, write } => {
                // A write that arrived is not answered, as for HARDWARE.
                if let Err(status) = self.forward(message_id, slot, write) {
                    self.respond(message_id, status);
                }
            }
        }
    }

    /// Every device of this server belongs to the same account today; accounts of their own must be compared here.
    fn bind(&mut self, slot: u8, token: &[u8]) -> Status {
        let found = self.app.store.look_up_token(token);
        let LookedUp::Found(TokenRecord::Device { device, epoch }) = found else {
            return Status::NotAllowed;
        };
        let binding = Binding { slot, device, epoch };
        self.bindings.retain(|known| known.slot != slot);
        if self.bindings.len() >= BINDINGS_MAX {
            return Status::NotAllowed;
        }
        self.bindings.push(binding);
        Status::Success
    }

    fn forward(&self, message_id: u16, slot: u8, write: PinWrite<'_>) -> Result<(), Status> {
        let binding = self.bindings.iter().find(|known| known.slot == slot).ok_or(Status::NotAllowed)?;
        let link = self.app.links.get(&binding.device).ok_or(Status::DeviceNotInNetwork)?;
        if link.is_quarantined() || link.epoch() != Some(binding.epoch) {
            return Err(Status::NotAllowed);
        }
        let message = ServerMessage::Bridge(ServerHardware::Write(write));
        if message.body_bytes().is_ok_and(|bytes| bytes > link.body_bytes_max()) {
            counter!("gateway_values_too_large_total").increment(1);
            return Err(Status::IllegalCommand);
        }
        counter!("gateway_bridged_total").increment(1);
        link.outbox().send(message_id, &message).map_err(|_source| Status::DeviceNotInNetwork)
    }
}
