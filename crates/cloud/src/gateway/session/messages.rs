//! What each message of a logged-in device does.

use api_types::DeviceChange;
use metrics::counter;
use registry::{BoardKey, Epoch, SessionStep, StepName};
use store::{Adopted, WriteValuesError};
use telemetry::{Heartbeat, Pin, Value, is_property};
use tracing::{debug, warn};
use wire::{
    DeviceInternal, DeviceMessage, Info, Property, Secret, ServerInternal, ServerMessage, Status,
    UID_BYTES_MAX, VirtualPin,
};

use super::group::OpenGroup;
use super::{Flow, Session};
use crate::control::{self, set_property};
use crate::errors::ErrorChain;
use crate::gateway::claim_codes::end_earlier_ownership;
use crate::gateway::connection::Connection;
use crate::gateway::time_answers;
use crate::shipments::running_firmware;

impl Session {
    pub(super) async fn act(
        &mut self,
        connection: &mut Connection,
        message_id: u16,
        message: DeviceMessage<'_>,
    ) -> Flow {
        match message {
            DeviceMessage::Hardware(write) => {
                return self.take_write(message_id, write).await;
            }
            DeviceMessage::Group(group) => {
                self.group = OpenGroup::after(group, self.app.clock.now());
                return Flow::GoOn;
            }
            _ => {}
        }
        // Whatever is answered below comes after the values before it are on disk: a device that gets its ping answered
        // knows that they are safe.
        if self.flush_values(connection).await == Flow::Close {
            return Flow::Close;
        }
        match message {
            DeviceMessage::Hardware(_) | DeviceMessage::Group(_) | DeviceMessage::Response(_) => {}
            DeviceMessage::Ping => self.respond(message_id, Status::Success),
            DeviceMessage::Login { .. } | DeviceMessage::LoginOld { .. } => {
                self.respond(message_id, Status::AlreadyRegistered);
            }
            DeviceMessage::Sync(sync) => return self.send_values(message_id, sync).await,
            DeviceMessage::Internal(internal) => return self.act_on_internal(message_id, internal).await,
            DeviceMessage::Property(property) => return self.take_property(message_id, &property).await,
            DeviceMessage::EventLog { code, description } => return self.take_event(code, description).await,
            DeviceMessage::EventClear { code, scope } => return self.clear_events(code, scope).await,
            DeviceMessage::Bridge(bridge) => self.act_on_bridge(message_id, bridge),
            DeviceMessage::Legacy(_) => self.respond(message_id, Status::NotificationNotAuthorized),
            DeviceMessage::Unknown { .. } => {
                counter!("gateway_frames_refused_total", "reason" => "unknown_command").increment(1);
            }
        }
        Flow::GoOn
    }

    async fn act_on_internal(&mut self, message_id: u16, internal: DeviceInternal<'_>) -> Flow {
        let now = self.app.clock.now().utc;
        let outbox = self.link.outbox();
        let sent = match internal {
            DeviceInternal::Info(info) => return self.take_info(message_id, info).await,
            DeviceInternal::RtcSync => {
                let Some(zone) = self.zone().await else { return Flow::Close };
                time_answers::send_rtc(outbox, message_id, &zone, now)
            }
            DeviceInternal::Utc(query) => {
                let Some(zone) = self.zone().await else { return Flow::Close };
                time_answers::send_utc(outbox, message_id, query, &zone, now)
            }
            DeviceInternal::MetaGet { field } => return self.send_metadata(message_id, field).await,
            DeviceInternal::MetaSet { field, value: Secret(value) } => {
                return self.take_metadata(field, value).await;
            }
            // A receipt without a release proves nothing to anybody.
            // A code is exchanged in place of a login, not after it.
            DeviceInternal::Other { .. } | DeviceInternal::Released(_) | DeviceInternal::ClaimCode(_) => {
                counter!("gateway_unknown_internal_total").increment(1);
                Ok(())
            }
        };
        if let Err(failure) = sent {
            debug!(error = %ErrorChain(&failure), "an answer could not be sent");
        }
        Flow::GoOn
    }

    /// Takes what a device says about itself; some libraries wait for the answer.
    async fn take_info(&mut self, message_id: u16, info: Info<'_>) -> Flow {
        let device = self.link.device();
        let now = self.app.clock.now();
        let text =
            |value: Option<&str>| value.map(|value| value.chars().take(INFO_CHARS_MAX).collect::<String>());
        let heartbeat = info.heartbeat_s().map(|seconds| seconds.to_string());
        let heartbeat = Heartbeat::from_info(heartbeat.as_deref(), None);
        self.app.links.declared(&self.link, heartbeat, now.mono);
        self.has_new_heartbeat = true;
        self.link.set_body_bytes_max(info.body_bytes_max());
        self.link.set_takes_debug_print(info.mcu.is_some() || info.ncp.is_some());
        let firmware = store::Firmware {
            version: text(info.firmware_version()),
            kind: text(info.fw_type),
            build: text(info.build),
            library: text(info.library_version()),
            board: text(info.dev),
            heartbeat_s: Some(heartbeat.seconds()),
        };
        let running = running_firmware(firmware.clone());
        if let Err(failure) = self.app.store.record_firmware(device.clone(), firmware).await {
            warn!(device.id = %device, error = %ErrorChain(&failure), "the description of {device} could not be stored");
            return Flow::Close;
        }
        self.link.set_on_bench(info.is_on_bench());
        self.app.publish_device(device, DeviceChange::Updated);
        if let Some(session) = self.claimed.take() {
            let message = "The device said what it is.".to_owned();
            let step = SessionStep { at: now.utc, step: StepName::InfoReceived, code: None, message };
            if let Err(failure) = self.app.store.add_session_step(session.clone(), step).await {
                warn!(session.id = %session, error = %ErrorChain(&failure), "a step of {session} could not be noted");
            }
            self.app.publish_session(&session).await;
        }
        self.respond(message_id, Status::Success);
        if let Some(uid) = info.uid
            && self.adopt_uid(uid).await == Flow::Close
        {
            return Flow::Close;
        }
        self.offer_claim(&info).await;
        if !self.link.is_quarantined() {
            self.app.firmware_described(&self.link, running).await;
        }
        self.sync_on_connect().await
    }

    /// Finds out whether a board that claimed by a token is known by its UID. If so, its older record goes on, and the
    /// board must log in again to be that device. A board that exchanged a claim code said its UID before.
    pub(super) async fn adopt_uid(&mut self, uid: &str) -> Flow {
        let is_uid = (1..=UID_BYTES_MAX).contains(&uid.len());
        if !is_uid {
            return Flow::GoOn;
        }
        let Some(session) = self.claimed_without_uid.take() else { return Flow::GoOn };
        let device = self.link.device().clone();
        let Some(epoch) = self.link.epoch() else { return Flow::GoOn };
        let at = self.app.clock.now().utc;
        match self.app.store.adopt_uid(device.clone(), epoch, uid.to_owned(), at).await {
            Ok(Adopted::New) => Flow::GoOn,
            Ok(Adopted::Known { device: known }) => {
                end_earlier_ownership(&self.app, &known).await;
                self.app.publish_device(&device, DeviceChange::Deleted);
                self.app.publish_device(&known, DeviceChange::Created);
                // Whoever watches the session is about to open the device.
                self.app.publish_session(&session).await;
                Flow::Close
            }
            Ok(Adopted::Owned) => {
                // The board took its new home before it could be refused. It is wiped, so that it serves neither.
                match control::release_device(&self.app, "server", &device).await {
                    Ok(_) => Flow::GoOn,
                    Err(_) => Flow::Close,
                }
            }
            Err(failure) => {
                warn!(device.id = %device, error = %ErrorChain(&failure), "the UID of {device} could not be stored");
                Flow::Close
            }
        }
    }

    /// Notes which release key a device says it holds, and tells its release, if there is one.
    pub(super) async fn note_release_key(&self, info: &Info<'_>) -> BoardKey {
        let key = match info.release_key {
            None => BoardKey::None,
            Some(fingerprint) if self.app.release_signer.has_fingerprint(fingerprint) => {
                self.note_key_epoch(Epoch::new(info.epoch.unwrap_or_default())).await;
                BoardKey::Shown
            }
            Some(_) => {
                let device = self.link.device();
                warn!(device.id = %device, "device {device} holds the release key of another server; it can be wiped at its portal or button only");
                BoardKey::Shown
            }
        };
        self.link.note_key(key);
        if self.link.is_quarantined() {
            self.app.releases.introduced(self.link.device().clone(), &self.link, key).await;
        }
        key
    }

    /// Lets orders be signed for the epoch that a device says it is in, once that is recorded.
    async fn note_key_epoch(&self, shown: Epoch) {
        let device = self.link.device();
        match self.app.store.show_key_epoch(device.clone(), shown).await {
            Ok(Some(epoch)) => self.link.set_release_epoch(epoch),
            Ok(None) => {
                warn!(device.id = %device, "device {device} says that it is in epoch {shown}, which cannot be; it gets no signed order");
            }
            Err(failure) => {
                warn!(device.id = %device, error = %ErrorChain(&failure), "the release key of {device} could not be noted");
            }
        }
    }

    /// Offers the release key to a device that declares `rehome` and holds none. It acknowledges with another info
    /// message that shows the key.
    ///
    /// The epoch of the claim is the higher one of what the device counts and what the record says: the device's count
    /// covers owners this server knows nothing of, the record's covers boards whose flash was erased over a cable.
    ///
    /// A device on the bench stores nothing, so it is offered nothing.
    async fn offer_claim(&self, info: &Info<'_>) {
        if self.note_release_key(info).await != BoardKey::None
            || info.is_on_bench()
            || info.rehome.is_none_or(|version| version == 0)
        {
            return;
        }
        if self.link.is_quarantined() {
            return;
        }
        // A release that begins from here on knows that the device may hold a key; one that began before is found now.
        self.link.note_key(BoardKey::Offered);
        if self.link.is_quarantined() {
            return;
        }
        let (device, counted) = (self.link.device(), Epoch::new(info.epoch.unwrap_or_default()));
        let epoch = match self.app.store.claim_key_epoch(device.clone(), counted).await {
            Ok(Some(epoch)) => epoch,
            Ok(None) => {
                warn!(device.id = %device, "device {device} says that it is in epoch {counted}, which cannot be; it gets no release key");
                return;
            }
            Err(failure) => {
                warn!(device.id = %device, error = %ErrorChain(&failure), "no release key could be given to {device}");
                return;
            }
        };
        let Some(claim) = self.app.release_signer.claim(self.link.device(), epoch) else { return };
        if let Err(failure) = self.link.send(&ServerMessage::Internal(ServerInternal::Claim(claim))) {
            debug!(device.id = %self.link.device(), error = %ErrorChain(&failure), "a claim could not be sent");
        }
    }

    /// Stores how a datastream is to be shown. Source of the answers: reference/wire-protocol.md 7.
    async fn take_property(&self, message_id: u16, property: &Property<'_>) -> Flow {
        let pins: Vec<Pin> = property.pins.iter().map(|VirtualPin(pin)| Pin::new(pin)).collect();
        counter!("gateway_properties_total").increment(1);
        let value = Value::from_wire(property.values.raw());
        let (Ok(value), true, false) = (value, is_property(property.property), pins.is_empty()) else {
            self.respond(message_id, Status::IllegalCommandBody);
            return Flow::GoOn;
        };
        let Some(epoch) = self.link.epoch() else { return Flow::GoOn };
        let set = set_property(&self.app, self.link.device(), epoch, pins, property.property, value);
        match set.await {
            Ok(_at) => {
                self.respond(message_id, Status::Success);
                Flow::GoOn
            }
            // As for values: those who ended the ownership end the connection too.
            Err(WriteValuesError::NotOwned) => Flow::GoOn,
            Err(failure) => {
                warn!(error = %ErrorChain(&failure), "a property could not be stored");
                Flow::Close
            }
        }
    }
}

/// 128 characters of any one info field are kept; the longest known one is a build date of 20.
const INFO_CHARS_MAX: usize = 128;
