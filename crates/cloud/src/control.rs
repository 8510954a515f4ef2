//! What people and programs do to devices: write a value, release, delete. Shared by the routes.

use api_types::{DeviceChange, ReleaseEvent as ReleaseNews, ValueEvent};
use metrics::counter;
use registry::{DeviceId, Epoch, ReleaseEvent, ReleaseRecord, UtcTime};
use store::{Change, DeviceError, WriteValuesError};
use telemetry::{Pin, Value};
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
        app.live.publish(LiveEvent::Value(ValueEvent {
            device_id: device.to_string(),
            pin: pin.number(),
            value: value_view(&value),
            at: timestamp(at),
        }));
    }
    Ok(at)
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
    let started = app.store.begin_release(device.clone(), Change::by(actor, now.utc)).await?;
    // Looked up again: a login that was decided before the release may have entered its connection since, and one that
    // enters it from now on finds the tombstone. A release that is not new may find a connection that is still open to
    // data as well, when the request that began it was cut off after it was stored.
    if let Some(link) = app.links.get(device).filter(|link| started.is_new || !link.is_quarantined()) {
        link.quarantine();
        let event = Some(ReleaseEvent::LinkFound { last_heard_at: link.last_heard_at() });
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
