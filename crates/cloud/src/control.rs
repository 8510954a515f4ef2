//! What people and programs do to devices: write a value, release, delete. Shared by the routes.

use api_types::{DeviceChange, PropertyEvent, RejectedEvent, ReleaseEvent as ReleaseNews, ValueEvent};
use metrics::counter;
use registry::{BoardKey, DeviceId, Epoch, ReleaseEvent, ReleaseRecord, UtcTime};
use store::{Change, DeviceError, StorageError, WriteValuesError};
use telemetry::{DatastreamSet, Pin, RejectValueError, Value};
use tracing::{debug, info};
use wire::{PinWrite, ServerHardware, ServerMessage, Values, VirtualPin};

use crate::app::App;
use crate::errors::ErrorChain;
use crate::gateway::Link;
use crate::live::LiveEvent;
use crate::views::{release_view, timestamp, value_view};

/// Writes values for a device: on disk first, then to the device when it is connected. Returns when they were stored.
pub(crate) async fn write_values(
    app: &App,
    device: &DeviceId,
    epoch: Epoch,
    values: Vec<(Pin, Value)>,
) -> Result<UtcTime, WriteValuesError> {
    let at = app.clock.now().utc;
    app.store.write_values(device.clone(), epoch, values.clone(), at).await?;
    if let Some(link) = app.links.get(device) {
        for (pin, value) in &values {
            send_value(&link, epoch, *pin, value);
        }
    }
    for (pin, value) in values {
        publish_value(app, device, pin, &value, at);
    }
    Ok(at)
}

/// Tells watchers about a value.
pub(crate) fn publish_value(app: &App, device: &DeviceId, pin: Pin, value: &Value, at: UtcTime) {
    app.live.publish(LiveEvent::Value(ValueEvent {
        device_id: device.to_string(),
        pin: pin.number(),
        value: value_view(value),
        at: timestamp(at),
    }));
}

fn send_value(link: &Link, epoch: Epoch, pin: Pin, value: &Value) {
    if link.is_quarantined() || link.epoch() != Some(epoch) {
        return;
    }
    let write = PinWrite::Virtual { pin: VirtualPin(pin.number()), values: Values::new(value.as_wire()) };
    let message = ServerMessage::Hardware(ServerHardware::Write(write));
    if message.body_bytes().is_ok_and(|bytes| bytes > link.body_bytes_max()) {
        // The device would disconnect; it can still ask for its values another way.
        counter!("gateway_values_too_large_total").increment(1);
        return;
    }
    if let Err(failure) = link.send(&message) {
        debug!(error = %ErrorChain(&failure), "a value could not be sent");
    }
}

/// A value that a datastream does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RejectedValue {
    pub(crate) pin: Pin,
    pub(crate) reason: RejectValueError,
}

/// Brings values into the form in which they are kept; one that is not taken is reported, and none are stored then.
pub(crate) fn accept_values(
    app: &App,
    device: &DeviceId,
    datastreams: &DatastreamSet,
    values: Vec<(Pin, Value)>,
) -> Result<Vec<(Pin, Value)>, RejectedValue> {
    let accept = |(pin, value): (Pin, Value)| match datastreams.accept(pin, value) {
        Ok(value) => Ok((pin, value)),
        Err(reason) => {
            report_rejected(app, device, pin, reason, "http");
            Err(RejectedValue { pin, reason })
        }
    };
    values.into_iter().map(accept).collect()
}

/// Makes a value that was not taken visible to the maker: a counter and a live update. `source` is who sent it.
pub(crate) fn report_rejected(
    app: &App,
    device: &DeviceId,
    pin: Pin,
    reason: RejectValueError,
    source: &'static str,
) {
    counter!("values_rejected_total", "reason" => reason.as_str(), "source" => source).increment(1);
    debug!(device.id = %device, %pin, reason = reason.as_str(), "a value does not fit its datastream");
    if !app.live.is_watched() {
        return;
    }
    app.live.publish(LiveEvent::Rejected(RejectedEvent {
        device_id: device.to_string(),
        pin: pin.number(),
        reason: reason.to_string(),
        at: timestamp(app.clock.now().utc),
    }));
}

/// Stores how datastreams are to be shown, and tells watchers. Returns when it was stored.
pub(crate) async fn set_property(
    app: &App,
    device: &DeviceId,
    epoch: Epoch,
    pins: Vec<Pin>,
    property: &str,
    value: Value,
) -> Result<UtcTime, WriteValuesError> {
    let at = app.clock.now().utc;
    let name = property.to_owned();
    app.store.set_property(device.clone(), epoch, pins.clone(), name, value.clone(), at).await?;
    for pin in pins {
        app.live.publish(LiveEvent::Property(PropertyEvent {
            device_id: device.to_string(),
            pin: pin.number(),
            property: property.to_owned(),
            value: value_view(&value),
            at: timestamp(at),
        }));
    }
    Ok(at)
}

/// Says what the record knows of a release key on a device that has not introduced itself.
pub(crate) async fn recorded_key(app: &App, device: &DeviceId) -> Result<BoardKey, StorageError> {
    let epoch = app.store.key_epoch(device.clone()).await?;
    Ok(if epoch.is_some() { BoardKey::Recorded } else { BoardKey::None })
}

/// Begins a release, or returns the one that is under way: control and data end before this returns.
pub(crate) async fn release_device(
    app: &App,
    actor: &str,
    device: &DeviceId,
) -> Result<ReleaseRecord, DeviceError> {
    let now = app.clock.now();
    if let Some(heard_at) = app.links.last_heard(device, now) {
        app.store.record_last_seen(vec![(device.clone(), heard_at)]).await?;
    }
    let recorded = recorded_key(app, device).await?;
    let started = app.store.begin_release(device.clone(), Change::by(actor, now.utc)).await?;
    // Looked up again: a login that was decided before the release may have entered its connection since, and one that
    // enters it from now on finds the tombstone. A release that is not new may find a connection that is still open to
    // data as well, when the request that began it was cut off after it was stored.
    if let Some(link) = app.links.get(device).filter(|link| started.is_new || !link.is_quarantined()) {
        link.quarantine();
        let event = Some(ReleaseEvent::LinkFound { key: recorded });
        app.releases.attach(device.clone(), started.record.clone(), Some(link), event).await;
    }
    if !started.is_new {
        return Ok(started.record);
    }
    info!(device.id = %device, "release of {device} begins");
    counter!("releases_total", "state" => "pending").increment(1);
    let news = ReleaseNews { device_id: device.to_string(), release: release_view(&started.record) };
    app.live.publish(LiveEvent::Release(news));
    app.publish_device(device, DeviceChange::Updated);
    Ok(started.record)
}

/// Cuts a device that was deleted by force.
pub(crate) async fn forget_device(app: &App, device: &DeviceId) {
    info!(device.id = %device, "device {device} was deleted by force");
    app.releases.forget(device.clone()).await;
    if let Some(link) = app.links.get(device) {
        link.quarantine();
        link.cut();
    }
    app.publish_device(device, DeviceChange::Deleted);
}
