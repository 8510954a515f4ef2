//! Values of one connection on their way to the writer and to those who watch.

use api_types::ValueEvent;
use metrics::counter;
use store::{NewValue, WriteValuesError};
use telemetry::{Pin, Value};
use tracing::{debug, warn};
use wire::{PinWrite, Status, VirtualPin};

use super::{Flow, Session};
use crate::errors::ErrorChain;
use crate::gateway::connection::Connection;
use crate::live::LiveEvent;
use crate::views::{timestamp, value_view};

impl Session {
    /// Checks a value against its datastream and keeps it until the end of what has arrived, so that many are handed over
    /// together.
    pub(super) async fn take_write(&mut self, message_id: u16, write: PinWrite<'_>) -> Flow {
        let PinWrite::Virtual { pin: VirtualPin(pin), values } = write else {
            // Answers to `dr` and `ar`: pins of the chip have no datastream.
            counter!("gateway_pin_answers_total").increment(1);
            return Flow::GoOn;
        };
        let value = match Value::from_wire(values.raw()) {
            Ok(value) => value,
            Err(failure) => {
                debug!(device.id = %self.link.device(), error = %ErrorChain(&failure), "a value was refused");
                self.respond(message_id, Status::IllegalCommand);
                return Flow::GoOn;
            }
        };
        let pin = Pin::new(pin);
        let Some(datastreams) = self.datastreams().await else { return Flow::Close };
        match datastreams.accept(pin, value) {
            Ok(value) => self.keep_value(pin, value),
            Err(reason) => self.reject_value(pin, reason),
        }
        Flow::GoOn
    }

    fn keep_value(&mut self, pin: Pin, value: Value) {
        self.group = self.group.filter(|group| group.is_open(self.app.clock.now().mono));
        self.arrived.push(match self.group {
            Some(group) => NewValue::dated(pin, value, group.at),
            None => NewValue::live(pin, value),
        });
    }

    /// Hands what has arrived to the writer and shows it to those who watch. It is not on disk yet, and nothing that is
    /// answered before [`Session::flush_values`] says that it is.
    ///
    /// Waits while the writer has too much to do: the device is not read meanwhile. When the writer cannot store, the
    /// connection ends without an answer, so that the device learns by its missing ping that its values were not taken.
    pub(super) async fn hand_over_values(&mut self, connection: &mut Connection) -> Flow {
        if self.arrived.is_empty() {
            return Flow::GoOn;
        }
        let values = std::mem::take(&mut self.arrived);
        let Some(epoch) = self.link.epoch().filter(|_| !self.link.is_quarantined()) else {
            return Flow::GoOn;
        };
        let count = u64::try_from(values.len()).unwrap_or(u64::MAX);
        let now = self.app.clock.now().utc;
        let events = self.app.live.is_watched().then(|| values.clone());
        let sink = self
            .sink
            .get_or_insert_with(|| self.app.store.value_sink(self.link.device().clone(), epoch))
            .clone();
        match connection.write_until(sink.accept(values, now)).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => return self.note_failure(&failure),
            Err(_ended) => return Flow::Close,
        }
        self.has_unflushed = true;
        self.app.counters.values.increment(count);
        for new in events.into_iter().flatten() {
            self.app.live.publish(LiveEvent::Value(ValueEvent {
                device_id: self.link.device().as_str().to_owned(),
                pin: new.pin.number(),
                value: value_view(&new.value),
                at: timestamp(new.dated_at.unwrap_or(now)),
            }));
        }
        Flow::GoOn
    }

    /// Returns when everything that has arrived is on disk.
    pub(super) async fn flush_values(&mut self, connection: &mut Connection) -> Flow {
        if self.hand_over_values(connection).await == Flow::Close {
            return Flow::Close;
        }
        let Some(sink) = self.sink.clone().filter(|_| self.has_unflushed) else { return Flow::GoOn };
        match connection.write_until(sink.flush()).await {
            Ok(Ok(())) => {
                self.has_unflushed = false;
                Flow::GoOn
            }
            Ok(Err(failure)) => self.note_failure(&failure),
            Err(_ended) => Flow::Close,
        }
    }

    fn note_failure(&mut self, failure: &WriteValuesError) -> Flow {
        self.has_unflushed = false;
        if matches!(failure, WriteValuesError::NotOwned) {
            // Released or deleted a moment ago: the connection is about to be quarantined or cut, by those who did it.
            return Flow::GoOn;
        }
        let device = self.link.device();
        warn!(device.id = %device, error = %ErrorChain(failure), "values of {device} could not be stored");
        counter!("gateway_links_cut_total", "reason" => "store").increment(1);
        Flow::Close
    }
}
