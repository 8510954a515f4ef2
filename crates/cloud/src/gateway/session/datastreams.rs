//! What the datastreams of a device's template mean for its session.

use std::sync::Arc;

use metrics::counter;
use registry::Moment;
use store::StoredValue;
use telemetry::{DatastreamSet, Pin, RejectValueError, Value};
use tracing::{debug, warn};
use wire::{PinWrite, ServerHardware, ServerMessage, Sync, Values, VirtualPin};

use super::{Flow, Session};
use crate::control::report_rejected;
use crate::errors::ErrorChain;

/// A device hears at most once in 10 s that something was not taken, so that a loop of it does not become a flood.
const REJECTION_NOTICE_EVERY_MS: u64 = 10_000;

impl Session {
    /// The datastreams of the device's template. `None` when they cannot be told; nothing may be stored unchecked then.
    pub(super) async fn datastreams(&mut self) -> Option<Arc<DatastreamSet>> {
        if self.app.catalogue.is_empty() {
            return Some(self.app.catalogue.nothing());
        }
        if self.template.is_none() {
            match self.app.store.device(self.link.device().clone()).await {
                Ok(Some(device)) => self.template = Some(device.template_id),
                // Deleted a moment ago: the connection is about to be cut.
                Ok(None) => {}
                Err(failure) => {
                    warn!(error = %ErrorChain(&failure), "the template of a device could not be read");
                }
            }
        }
        self.template.as_ref().map(|template| self.app.catalogue.of(template))
    }

    /// Lets the maker know; a wrong value never ends a connection (reference/console-features.md 2, "Data type").
    pub(super) fn reject_value(&mut self, pin: Pin, reason: RejectValueError) {
        report_rejected(&self.app, self.link.device(), pin, reason, "device");
        self.send_notice(&format!("{pin}: not stored, {reason}"));
    }

    /// Tells the maker what was not taken, over the device's own serial line.
    pub(super) fn send_notice(&mut self, text: &str) {
        let now = self.app.clock.now().mono;
        let is_due = self.rejection_noticed_at.is_none_or(|at| now.since_ms(at) >= REJECTION_NOTICE_EVERY_MS);
        if !self.link.takes_debug_print() || !is_due {
            return;
        }
        self.rejection_noticed_at = Some(now);
        if text.len() > self.link.body_bytes_max() {
            return;
        }
        if let Err(failure) = self.link.send(&ServerMessage::DebugPrint { text: text.as_bytes() }) {
            debug!(error = %ErrorChain(&failure), "a notice could not be sent");
        }
    }

    /// Answers a sync: one `vw` for each pin that has a value, with the id of the request.
    pub(super) async fn send_values(&mut self, message_id: u16, sync: Sync<'_>) -> Flow {
        let Some(datastreams) = self.datastreams().await else { return Flow::Close };
        let is_wanted = |pin: Pin| match sync {
            Sync::All => datastreams.is_synced(pin),
            Sync::Pins(pins) => pins.iter().any(|VirtualPin(wanted)| wanted == pin.number()),
        };
        let Some(stored) = self.last_values().await else { return Flow::Close };
        let now = self.app.clock.now();
        for (pin, value) in datastreams.current(with_ages(&stored, now)) {
            if is_wanted(pin) {
                self.send_pin(Some(message_id), pin, value);
            }
        }
        Flow::GoOn
    }

    /// Sends what datastreams are marked to be synced, once per connection: after the info message, which says how large
    /// a body may be.
    pub(super) async fn sync_on_connect(&mut self) -> Flow {
        if std::mem::replace(&mut self.has_synced, true) {
            return Flow::GoOn;
        }
        let Some(datastreams) = self.datastreams().await else { return Flow::Close };
        if !datastreams.iter().any(|datastream| datastream.settings().is_synced) {
            return Flow::GoOn;
        }
        let Some(stored) = self.last_values().await else { return Flow::Close };
        let now = self.app.clock.now();
        for (pin, value) in datastreams.current(with_ages(&stored, now)) {
            // Not pins without a datastream: nobody asked for those to be sent unasked.
            if datastreams.on_pin(pin).is_some_and(|datastream| datastream.settings().is_synced) {
                self.send_pin(None, pin, value);
            }
        }
        Flow::GoOn
    }

    async fn last_values(&self) -> Option<Vec<StoredValue>> {
        let device = self.link.device();
        match self.app.store.last_values(device.clone()).await {
            Ok(stored) => Some(stored),
            Err(failure) => {
                warn!(device.id = %device, error = %ErrorChain(&failure), "values of {device} could not be read");
                None
            }
        }
    }

    fn send_pin(&self, message_id: Option<u16>, pin: Pin, value: &Value) {
        let write = PinWrite::Virtual { pin: VirtualPin(pin.number()), values: Values::new(value.as_wire()) };
        let message = ServerMessage::Hardware(ServerHardware::Write(write));
        if message.body_bytes().is_ok_and(|bytes| bytes > self.link.body_bytes_max()) {
            // The device would disconnect on it and ask again for ever.
            counter!("gateway_values_too_large_total").increment(1);
            return;
        }
        match message_id {
            Some(message_id) => self.send(message_id, &message),
            None => {
                if let Err(failure) = self.link.send(&message) {
                    debug!(error = %ErrorChain(&failure), "a value could not be sent");
                }
            }
        }
    }
}

/// Stored values with their ages in milliseconds; a value from the future is new.
pub(crate) fn with_ages(stored: &[StoredValue], now: Moment) -> impl Iterator<Item = (Pin, &Value, u64)> {
    stored.iter().map(move |entry| {
        let age_ms = now.utc.unix_ms().saturating_sub(entry.at.unix_ms());
        (entry.pin, &entry.value, u64::try_from(age_ms).unwrap_or(0))
    })
}
