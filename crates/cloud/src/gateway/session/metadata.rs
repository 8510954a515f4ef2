//! Metadata that a device asks for or sets, and the time zone that follows from it.

use api_types::DeviceChange;
use metrics::counter;
use store::Device;
use tracing::warn;
use wire::{Secret, ServerInternal, ServerMessage};

use super::{Flow, Session};
use crate::errors::ErrorChain;
use crate::metadata::{self, AUTH_TOKEN, SetMetadataError};
use crate::time_zone::Zone;

/// The metadata field in which Edgent, old and new, says its UID. Source: reference/edgent-device.md 8.
const UID_FIELD: &str = "Device UID";

impl Session {
    pub(super) async fn send_metadata(&self, message_id: u16, field: &str) -> Flow {
        let Some(epoch) = self.link.epoch() else { return Flow::GoOn };
        let Some(device) = self.read_device().await else { return Flow::Close };
        let stored = match metadata::read(&self.app, &device, epoch, field).await {
            Ok(stored) => stored,
            Err(failure) => {
                warn!(error = %ErrorChain(&failure), "metadata could not be read");
                return Flow::Close;
            }
        };
        let value = match (&stored, field) {
            (Some(value), _) => value.as_str(),
            (None, AUTH_TOKEN) => self.token.expose(),
            (None, _) => "",
        };
        let answer = ServerInternal::Meta { field, value: Secret(value.as_bytes()) };
        let message = ServerMessage::Internal(answer);
        if message.body_bytes().is_ok_and(|bytes| bytes > self.link.body_bytes_max()) {
            // As with values: the device would disconnect on it and ask again for ever.
            counter!("gateway_values_too_large_total").increment(1);
            return Flow::GoOn;
        }
        self.send(message_id, &message);
        Flow::GoOn
    }

    pub(super) async fn take_metadata(&mut self, field: &str, value: &[u8]) -> Flow {
        if field == UID_FIELD
            && let Ok(uid) = std::str::from_utf8(value)
            && self.adopt_uid(uid).await == Flow::Close
        {
            return Flow::Close;
        }
        if self.link.is_quarantined() {
            // The UID was that of somebody else's device: this one has just been released.
            return Flow::GoOn;
        }
        let Some(epoch) = self.link.epoch() else { return Flow::GoOn };
        let Ok(value) = std::str::from_utf8(value) else {
            counter!("gateway_frames_refused_total", "reason" => "metadata").increment(1);
            return Flow::GoOn;
        };
        let Some(device) = self.read_device().await else { return Flow::Close };
        match metadata::set(&self.app, "device", &device, epoch, field, value).await {
            Ok(()) => self.app.publish_device(&device.id, DeviceChange::Updated),
            Err(SetMetadataError::Field | SetMetadataError::Value) => {
                counter!("gateway_frames_refused_total", "reason" => "metadata").increment(1);
            }
            Err(failure) => {
                let id = &device.id;
                warn!(device.id = %id, error = %ErrorChain(&failure), "metadata of {id} could not be stored");
                return Flow::Close;
            }
        }
        Flow::GoOn
    }

    /// The zone of the device, from its metadata; the server's when it has none. `None` when it cannot be told.
    pub(super) async fn zone(&self) -> Option<Zone> {
        let Some(epoch) = self.link.epoch() else { return Some(Zone::utc()) };
        match metadata::zone_of(&self.app, self.link.device(), epoch).await {
            Ok(zone) => Some(zone),
            Err(failure) => {
                warn!(error = %ErrorChain(&failure), "the time zone of a device could not be read");
                None
            }
        }
    }

    pub(super) async fn read_device(&self) -> Option<Device> {
        match self.app.store.device(self.link.device().clone()).await {
            Ok(found) => found,
            Err(failure) => {
                warn!(error = %ErrorChain(&failure), "a device could not be read");
                None
            }
        }
    }
}
