//! Brings firmware to devices: tells them where the image lies, and notes what becomes of it.
//!
//! What to do is decided by [`registry::Delivery`]; this is the part that reads and writes the store and talks to the device.

use std::sync::Arc;

use api_types::DeviceChange;
use metrics::counter;
use registry::{Delivery, DeliveryState, DeviceId, RunningFirmware, ShipmentId, ShipmentState};
use store::{Shipment, ShipmentError};
use tracing::{info, warn};
use wire::{Secret, ServerInternal, ServerMessage};

use crate::app::App;
use crate::errors::ErrorChain;
use crate::gateway::Link;

/// 50 ms between two devices that are told at once: 20 downloads a second begin at most, so that a shipment to ten thousand
/// devices does not take the server's whole line.
const ORDER_PACE_MS: u64 = 50;

impl App {
    /// Takes what a device says it runs: the proof of an update, or the moment to tell it of one.
    pub(crate) async fn firmware_described(self: &Arc<Self>, link: &Link, running: RunningFirmware) {
        let device = link.device();
        let due = match self.store.due_deliveries(device.clone(), self.clock.now().utc).await {
            Ok(due) => due,
            Err(failure) => {
                warn!(device.id = %device, error = %ErrorChain(&failure), "shipments for {device} could not be read");
                return;
            }
        };
        for (shipment, delivery) in due {
            let state = self.judge(link, &shipment, delivery, &running).await;
            // A template may have several types of board; the newest shipment of the right type is the one that counts.
            if state != DeliveryState::TypeMismatch {
                break;
            }
        }
    }

    async fn judge(
        self: &Arc<Self>,
        link: &Link,
        shipment: &Shipment,
        delivery: Delivery,
        running: &RunningFirmware,
    ) -> DeliveryState {
        let now = self.clock.now().utc;
        let image = &shipment.image.tag;
        let described = delivery.described(image, shipment.rule, shipment.attempts_max, running, now);
        let next = described.delivery;
        if !described.is_to_be_told || shipment.state != ShipmentState::Running {
            if next != delivery || next.state.is_over() {
                self.note_delivery(&shipment.id, link.device(), delivery.state, next).await;
            }
            return next.state;
        }
        // First on disk, then to the device, which may ask for the file at once.
        let ordered = next.ordered(now);
        self.note_delivery(&shipment.id, link.device(), delivery.state, ordered).await;
        if self.tell(link, shipment) {
            return ordered.state;
        }
        self.note_delivery(&shipment.id, link.device(), ordered.state, next).await;
        next.state
    }

    /// Sends INTERNAL `ota` with the address of the image. Source: reference/wire-protocol.md 6.3.
    fn tell(&self, link: &Link, shipment: &Shipment) -> bool {
        let url = self.download_url(link, shipment);
        let message = ServerMessage::Internal(ServerInternal::Ota { url: Secret(url.as_bytes()) });
        if message.body_bytes().is_ok_and(|bytes| bytes > link.body_bytes_max()) {
            warn!(device.id = %link.device(), "the address of the image is longer than what the device takes");
            return false;
        }
        match link.send(&message) {
            Ok(()) => {
                counter!("shipment_orders_total").increment(1);
                true
            }
            Err(_closed) => false,
        }
    }

    /// The device fetches over what it trusts: TLS when it came over TLS. New Edgent rewrites the scheme unless the address
    /// ends in `&s=0` or `&s=1` (reference/http-api.md 8).
    fn download_url(&self, link: &Link, shipment: &Shipment) -> String {
        let token = self.store.download_token(&shipment.id, link.device());
        let (scheme, port, secure) = if link.is_over_tls() {
            ("https", self.addresses.tls_port, 1)
        } else {
            ("http", self.addresses.plain_port, 0)
        };
        let (host, id, device) = (&self.addresses.host, &shipment.id, link.device());
        format!("{scheme}://{host}:{port}/static/fw/{id}/{device}.bin?token={}&s={secure}", token.expose())
    }

    /// Stores how far a shipment has come on one device; when that widens the shipment, the other devices are told.
    pub(crate) async fn note_delivery(
        self: &Arc<Self>,
        id: &ShipmentId,
        device: &DeviceId,
        before: DeliveryState,
        delivery: Delivery,
    ) {
        if delivery.state != before {
            let state = delivery.state.as_str();
            counter!("shipment_deliveries_total", "state" => state).increment(1);
            info!(device.id = %device, shipment.id = %id, state, "shipment {id} on {device}: {state}");
        }
        let now = self.clock.now().utc;
        match self.store.store_delivery(id.clone(), device.clone(), delivery, now).await {
            Ok(None) | Err(ShipmentError::NotFound) => {}
            Ok(Some(changed)) => {
                info!(
                    shipment.id = %id, state = changed.state.as_str(), stage = changed.stage.as_str(),
                    "shipment {id} is {} now, for {}", changed.state.as_str(), changed.stage.as_str()
                );
                if changed.state == ShipmentState::Running {
                    self.offer(changed);
                }
            }
            Err(failure) => {
                warn!(device.id = %device, error = %ErrorChain(&failure), "the state of {device} in {id} could not be stored");
            }
        }
        self.publish_device(device, DeviceChange::Updated);
    }

    /// Tells the devices that are connected now, one after the other; the rest is told when it next logs in.
    pub(crate) fn offer(self: &Arc<Self>, shipment: Shipment) {
        let app = Arc::clone(self);
        self.tasks.spawn(async move {
            for link in app.links.connected() {
                if app.stop.is_cancelled() {
                    return;
                }
                let Ok(Some(device)) = app.store.device(link.device().clone()).await else { continue };
                let Some(firmware) = device.firmware.filter(|_| device.template_id == shipment.template_id)
                else {
                    continue;
                };
                app.firmware_described(&link, running_firmware(firmware)).await;
                let next = app.clock.now().mono.plus_ms(ORDER_PACE_MS);
                tokio::select! {
                    () = app.stop.cancelled() => return,
                    () = app.clock.wait_until(next) => {}
                }
            }
        });
    }
}

/// What a device's record says of its firmware.
pub(crate) fn running_firmware(firmware: store::Firmware) -> RunningFirmware {
    RunningFirmware {
        kind: firmware.kind,
        version: firmware.version,
        build: firmware.build,
        library: firmware.library,
    }
}
