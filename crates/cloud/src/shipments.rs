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
        seen: Delivery,
        running: &RunningFirmware,
    ) -> DeliveryState {
        let now = self.clock.now().utc;
        let (image, running) = (shipment.image.tag.clone(), running.clone());
        let (rule, attempts_max) = (shipment.rule, shipment.attempts_max);
        let may_tell = shipment.state == ShipmentState::Running;
        let change = move |delivery: Delivery| {
            let described = delivery.described(&image, rule, attempts_max, &running, now);
            let is_told = described.is_to_be_told && may_tell;
            Some(if is_told { described.delivery.ordered(now) } else { described.delivery })
                .filter(|next| *next != delivery)
        };
        // Devices that have their firmware log in again and again; they cost the writer nothing.
        if change(seen).is_none() {
            return seen.state;
        }
        // First on disk, then to the device, which may ask for the file at once.
        let Some(after) = self.change_delivery(&shipment.id, link.device(), change).await else {
            return seen.state;
        };
        let is_ordered_now = after.state == DeliveryState::RequestSent && after.ordered_at == Some(now);
        if is_ordered_now && !self.tell(link, shipment) {
            let failed = move |delivery: Delivery| Some(delivery.order_failed(now));
            self.change_delivery(&shipment.id, link.device(), failed).await;
        }
        after.state
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

    /// Changes how far a shipment has come on one device; when that widens the shipment, the other devices are told. Returns
    /// the delivery as it is then; none when `change` left it as it was, or it could not be stored.
    pub(crate) async fn change_delivery(
        self: &Arc<Self>,
        id: &ShipmentId,
        device: &DeviceId,
        change: impl FnOnce(Delivery) -> Option<Delivery> + Send + 'static,
    ) -> Option<Delivery> {
        let now = self.clock.now().utc;
        let changed = match self.store.change_delivery(id.clone(), device.clone(), now, change).await {
            Ok(changed) => changed,
            // The device was deleted meanwhile.
            Err(ShipmentError::NotFound) => return None,
            Err(failure) => {
                warn!(device.id = %device, error = %ErrorChain(&failure), "the state of {device} in {id} could not be stored");
                return None;
            }
        };
        let after = changed.after?;
        if after.state != changed.before.state {
            let state = after.state.as_str();
            counter!("shipment_deliveries_total", "state" => state).increment(1);
            info!(device.id = %device, shipment.id = %id, state, "shipment {id} on {device}: {state}");
        }
        if let Some(shipment) = changed.shipment {
            info!(
                shipment.id = %id, state = shipment.state.as_str(), stage = shipment.stage.as_str(),
                "shipment {id} is {} now, for {}", shipment.state.as_str(), shipment.stage.as_str()
            );
            if shipment.state == ShipmentState::Running {
                self.offer(shipment);
            }
        }
        self.publish_device(device, DeviceChange::Updated);
        Some(after)
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
