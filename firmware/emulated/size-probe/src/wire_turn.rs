//! What the cloud says, and what the device tells it.

use embassy_futures::block_on;
use home_store::{CloudDeviceId, Epoch, ReceiptSecret, ReleaseKey};
use lifecycle::Input;
use wire::{
    Claim, DeviceInternal, DeviceMessage, FINGERPRINT_DIGITS, Frame, Info, Parsed, PinWrite,
    REHOME_PROTOCOL_VERSION, Receipt, ReleaseOrder, Secret, ServerHardware, ServerInternal, ServerMessage,
    Status, Values, VirtualPin,
};

use crate::device_registers::Registers;
use crate::{FRAME_BYTES_MAX, Probe};

impl Probe {
    pub(crate) fn log_in(&self) {
        if let Some(home) = &self.home {
            send(&DeviceMessage::Login { token: Secret(home.cloud.token.expose()) });
        }
    }

    pub(crate) fn cloud_received(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let accepted_bytes = self.frames.push(rest);
            rest = rest.get(accepted_bytes..).unwrap_or_default();
            // The frame leaves the buffer, so that handling it may change everything.
            let mut copy = [0; FRAME_BYTES_MAX];
            let frame_bytes = match self.frames.next_frame() {
                Ok(Some(frame)) => frame.encode(&mut copy).unwrap_or_default(),
                Ok(None) => continue,
                Err(_) => return self.feed(Input::CloudLost),
            };
            let copy = copy.get(..frame_bytes).unwrap_or_default();
            if let Ok(Parsed::Complete { frame, .. }) = Frame::parse(copy, FRAME_BYTES_MAX) {
                self.handle(&frame);
            }
        }
    }

    fn handle(&mut self, frame: &Frame<'_>) {
        match ServerMessage::parse(frame) {
            Ok(ServerMessage::Response(status)) if status.accepts_login() => {
                self.feed(Input::LoginAccepted);
                self.introduce();
            }
            Ok(ServerMessage::Response(_)) => self.feed(Input::LoginRefused { verified_tls: true }),
            Ok(ServerMessage::Ping) => send(&DeviceMessage::Response(Status::Success)),
            Ok(ServerMessage::Redirect { host, port }) => {
                Registers.write(host.as_bytes());
                Registers.write(&port.unwrap_or_default().to_le_bytes());
            }
            Ok(ServerMessage::DebugPrint { text }) => Registers.write(text),
            Ok(ServerMessage::Hardware(ServerHardware::Write(PinWrite::Virtual { pin, values }))) => {
                Registers.write(&[pin.0]);
                values.iter().for_each(|value| Registers.write(value));
                let values = Values::new(b"1");
                send(&DeviceMessage::Hardware(PinWrite::Virtual { pin: VirtualPin(2), values }));
            }
            Ok(ServerMessage::Internal(internal)) => self.handle_internal(&internal),
            Ok(_) | Err(_) => send(&DeviceMessage::Response(Status::IllegalCommand)),
        }
    }

    fn handle_internal(&mut self, internal: &ServerInternal<'_>) {
        match internal {
            ServerInternal::Ota { url } => {
                Registers.write(url.0);
                self.feed(Input::OtaOrdered);
            }
            ServerInternal::Dbg { command } if command.0 == b"config erase" => {
                self.feed(Input::ConfigEraseOrdered)
            }
            ServerInternal::Dbg { .. } => self.feed(Input::ConfigStartOrdered),
            ServerInternal::Claim(claim) => self.claim(claim),
            ServerInternal::Release(order) => self.release(order),
            _ => {}
        }
    }

    fn introduce(&self) {
        let mut fingerprint = [0; FINGERPRINT_DIGITS];
        let key = self.home.as_ref().and_then(|home| home.cloud.release_key.as_ref());
        let info = Info {
            mcu: Some("0.1.0"),
            declared_heartbeat_s: Some(Registers.random()),
            tmpl: Some("TMPLexample01"),
            rehome: Some(REHOME_PROTOCOL_VERSION),
            epoch: Some(self.store.epoch().0),
            release_key: key.map(|key| wire::key_fingerprint(&key.public_key, &mut fingerprint)),
            ..Info::default()
        };
        send(&DeviceMessage::Internal(DeviceInternal::Info(info)));
        let value = Secret(b"0");
        send(&DeviceMessage::Internal(DeviceInternal::MetaSet { field: "Device UID", value }));
    }

    fn claim(&mut self, claim: &Claim<'_>) {
        let (Some(home), Some(device_id)) = (&mut self.home, CloudDeviceId::parse(claim.device_id.as_str()))
        else {
            return;
        };
        home.cloud.release_key = Some(ReleaseKey {
            device_id,
            epoch: Epoch(claim.epoch),
            public_key: claim.release_key,
            receipt_secret: ReceiptSecret::new(claim.receipt_secret.0),
        });
        let _raised = block_on(self.store.raise_epoch(Epoch(claim.epoch)));
        let _saved = block_on(self.store.save_home(home));
        self.introduce();
    }

    fn release(&mut self, order: &ReleaseOrder<'_>) {
        let Some(key) = self.home.as_ref().and_then(|home| home.cloud.release_key.clone()) else {
            return;
        };
        if !device::is_order_signed_by(order, &key.public_key) {
            return;
        }
        let receipt: Receipt<'_> = device::sign_receipt(&order.terms, key.receipt_secret.expose());
        self.feed(Input::ReleaseProven);
        if core::mem::take(&mut self.receipt_is_owed) {
            send(&DeviceMessage::Internal(DeviceInternal::Released(receipt)));
            self.feed(Input::ReceiptAcknowledged);
        }
    }
}

fn send(message: &DeviceMessage<'_>) {
    let mut bytes = [0; 512];
    if let Ok(byte_count) = message.encode(1, &mut bytes) {
        Registers.write(bytes.get(..byte_count).unwrap_or_default());
    }
}
