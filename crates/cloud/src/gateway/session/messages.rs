//! What each message of a logged-in device does.

use api_types::{DeviceChange, ValueEvent};
use metrics::counter;
use registry::{Epoch, SessionStep, StepName, UtcTime};
use store::{Adopted, WriteValuesError};
use telemetry::{Heartbeat, Pin, Value};
use tracing::{debug, warn};
use wire::{
    DeviceInternal, DeviceMessage, Group, Info, PinWrite, Property, Secret, ServerHardware, ServerInternal,
    ServerMessage, Status, Sync, UID_BYTES_MAX, Values, VirtualPin,
};

use super::{Flow, Session};
use crate::control;
use crate::errors::ErrorChain;
use crate::gateway::claim_codes::end_earlier_ownership;
use crate::gateway::time_answers;
use crate::live::LiveEvent;
use crate::views::{timestamp, value_view};

/// The reserved metadata field that holds the device's own token. Source: reference/wire-protocol.md 6.2.
const AUTH_TOKEN_FIELD: &str = "Auth Token";

/// The metadata field in which Edgent, old and new, says its UID. Source: reference/edgent-device.md 8.
const UID_FIELD: &str = "Device UID";

/// Properties that widgets have. Source: reference/http-api.md 6.
const PROPERTIES: [&str; 29] = [
    "label",
    "color",
    "isDisabled",
    "isHidden",
    "onLabel",
    "offLabel",
    "onColor",
    "offColor",
    "onBackColor",
    "offBackColor",
    "labels",
    "isOnPlay",
    "url",
    "urls",
    "opacity",
    "scale",
    "rotation",
    "step",
    "isMuted",
    "autoplay",
    "loop",
    "onImageUrl",
    "offImageUrl",
    "page",
    "min",
    "max",
    "suffix",
    "valueFormatting",
    "maximumFractionDigits",
];

/// Which release key a device says it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeldKey {
    None,
    Ours,
    Other,
}

impl Session {
    pub(super) async fn act(&mut self, message_id: u16, message: DeviceMessage<'_>) -> Flow {
        if let DeviceMessage::Hardware(write) = message {
            self.take_write(message_id, write);
            return Flow::GoOn;
        }
        // Whatever is answered below comes after the values before it are on disk: a device that gets its ping answered
        // knows that they are safe.
        if self.write_values().await == Flow::Close {
            return Flow::Close;
        }
        match message {
            DeviceMessage::Hardware(_) | DeviceMessage::Response(_) => {}
            DeviceMessage::Ping => self.respond(message_id, Status::Success),
            DeviceMessage::Login { .. } | DeviceMessage::LoginOld { .. } => {
                self.respond(message_id, Status::AlreadyRegistered);
            }
            DeviceMessage::Sync(sync) => return self.send_values(message_id, sync).await,
            DeviceMessage::Internal(internal) => return self.act_on_internal(message_id, internal).await,
            DeviceMessage::Property(property) => self.take_property(message_id, &property),
            DeviceMessage::EventLog { .. } | DeviceMessage::EventClear { .. } => {
                counter!("gateway_events_total").increment(1);
            }
            DeviceMessage::Group(group) => self.take_group(group),
            // No device may write to another one yet: 6 is the answer to a bridge that is not bound.
            DeviceMessage::Bridge(_) => self.respond(message_id, Status::NotAllowed),
            DeviceMessage::Legacy(_) => self.respond(message_id, Status::NotificationNotAuthorized),
            DeviceMessage::Unknown { .. } => {
                counter!("gateway_frames_refused_total", "reason" => "unknown_command").increment(1);
            }
        }
        Flow::GoOn
    }

    /// Keeps a value until the end of what has arrived, so that many values share one commit.
    fn take_write(&mut self, message_id: u16, write: PinWrite<'_>) {
        let PinWrite::Virtual { pin: VirtualPin(pin), values } = write else {
            // Answers to `dr` and `ar`: pins of the chip have no datastream.
            counter!("gateway_pin_answers_total").increment(1);
            return;
        };
        match Value::from_wire(values.raw()) {
            Ok(value) => self.unwritten.push((Pin::new(pin), value)),
            Err(failure) => {
                debug!(device.id = %self.link.device(), error = %ErrorChain(&failure), "a value was refused");
                self.respond(message_id, Status::IllegalCommand);
            }
        }
    }

    /// Puts the values that have arrived on disk; when that fails the connection ends without an answer, so that the
    /// device learns by its missing ping that they were not taken.
    pub(super) async fn write_values(&mut self) -> Flow {
        if self.unwritten.is_empty() {
            return Flow::GoOn;
        }
        let values = std::mem::take(&mut self.unwritten);
        let device = self.link.device();
        let Some(epoch) = self.link.epoch().filter(|_| !self.link.is_quarantined()) else {
            return Flow::GoOn;
        };
        let count = u64::try_from(values.len()).unwrap_or(u64::MAX);
        let events = self.app.live.is_watched().then(|| values.clone());
        // Group messages flush first, so all of these share one time.
        let at = self.group_at.unwrap_or_else(|| self.app.clock.now().utc);
        let written = self.app.store.write_values(device.clone(), epoch, values, at).await;
        if let Err(WriteValuesError::NotOwned) = written {
            // Released or deleted a moment ago: the connection is about to be quarantined or cut, by those who did it.
            return Flow::GoOn;
        }
        if let Err(failure) = written {
            warn!(device.id = %device, error = %ErrorChain(&failure), "values of {device} could not be stored");
            counter!("gateway_values_lost_total").increment(count);
            return Flow::Close;
        }
        counter!("gateway_values_total").increment(count);
        for (pin, value) in events.into_iter().flatten() {
            let value = value_view(&value);
            self.app.live.publish(LiveEvent::Value(ValueEvent {
                device_id: device.as_str().to_owned(),
                pin: pin.number(),
                value,
                at: timestamp(at),
            }));
        }
        Flow::GoOn
    }

    /// Answers a sync: one `vw` for each pin that has a value, with the id of the request.
    async fn send_values(&self, message_id: u16, sync: Sync<'_>) -> Flow {
        let device = self.link.device();
        let stored = match self.app.store.last_values(device.clone()).await {
            Ok(stored) => stored,
            Err(failure) => {
                warn!(device.id = %device, error = %ErrorChain(&failure), "values of {device} could not be read");
                return Flow::Close;
            }
        };
        let is_wanted = |pin: u8| match sync {
            Sync::All => true,
            Sync::Pins(pins) => pins.iter().any(|VirtualPin(wanted)| wanted == pin),
        };
        for entry in stored.iter().filter(|entry| is_wanted(entry.pin.number())) {
            let write = PinWrite::Virtual {
                pin: VirtualPin(entry.pin.number()),
                values: Values::new(entry.value.as_wire()),
            };
            let message = ServerMessage::Hardware(ServerHardware::Write(write));
            if message.body_bytes().is_ok_and(|bytes| bytes > self.link.body_bytes_max()) {
                // The device would disconnect on it and ask again for ever.
                counter!("gateway_values_too_large_total").increment(1);
                continue;
            }
            self.send(message_id, &message);
        }
        Flow::GoOn
    }

    async fn act_on_internal(&mut self, message_id: u16, internal: DeviceInternal<'_>) -> Flow {
        let now = self.app.clock.now().utc;
        let outbox = self.link.outbox();
        let sent = match internal {
            DeviceInternal::Info(info) => return self.take_info(message_id, info).await,
            DeviceInternal::RtcSync => time_answers::send_rtc(outbox, message_id, now),
            DeviceInternal::Utc(query) => time_answers::send_utc(outbox, message_id, query, now),
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
        self.link.set_body_bytes_max(info.body_bytes_max());
        let firmware = store::Firmware {
            version: text(info.firmware_version()),
            kind: text(info.fw_type),
            build: text(info.build),
            library: text(info.library_version()),
            board: text(info.dev),
            heartbeat_s: Some(heartbeat.seconds()),
        };
        if let Err(failure) = self.app.store.record_firmware(device.clone(), firmware).await {
            warn!(device.id = %device, error = %ErrorChain(&failure), "the description of {device} could not be stored");
            return Flow::Close;
        }
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
        Flow::GoOn
    }

    /// Finds out whether a board that claimed by a token is known by its UID. If so, its older record goes on, and the
    /// board must log in again to be that device. A board that exchanged a claim code said its UID before.
    async fn adopt_uid(&mut self, uid: &str) -> Flow {
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

    /// Notes which release key a device says it holds.
    pub(super) async fn note_release_key(&self, info: &Info<'_>) -> HeldKey {
        match info.release_key {
            None => HeldKey::None,
            Some(fingerprint) if self.app.release_signer.has_fingerprint(fingerprint) => {
                self.note_key_epoch(Epoch::new(info.epoch.unwrap_or_default())).await;
                HeldKey::Ours
            }
            Some(_) => {
                let device = self.link.device();
                warn!(device.id = %device, "device {device} holds the release key of another server; it can be wiped at its portal or button only");
                HeldKey::Other
            }
        }
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
    async fn offer_claim(&self, info: &Info<'_>) {
        if self.note_release_key(info).await != HeldKey::None
            || info.rehome.is_none_or(|version| version == 0)
        {
            return;
        }
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

    async fn send_metadata(&self, message_id: u16, field: &str) -> Flow {
        let Some(epoch) = self.link.epoch() else { return Flow::GoOn };
        let stored = match self.app.store.metadata(self.link.device().clone(), epoch, field.to_owned()).await
        {
            Ok(stored) => stored,
            Err(failure) => {
                warn!(error = %ErrorChain(&failure), "metadata could not be read");
                return Flow::Close;
            }
        };
        let value = match (&stored, field) {
            (Some(value), _) => value.as_str(),
            (None, AUTH_TOKEN_FIELD) => self.token.expose(),
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

    async fn take_metadata(&mut self, field: &str, value: &[u8]) -> Flow {
        if field == UID_FIELD
            && let Ok(uid) = std::str::from_utf8(value)
            && self.adopt_uid(uid).await == Flow::Close
        {
            return Flow::Close;
        }
        let device = self.link.device();
        let Some(epoch) = self.link.epoch() else { return Flow::GoOn };
        let (Ok(value), true) = (std::str::from_utf8(value), value.len() <= METADATA_BYTES_MAX) else {
            counter!("gateway_frames_refused_total", "reason" => "metadata").increment(1);
            return Flow::GoOn;
        };
        if field.len() > METADATA_FIELD_BYTES_MAX || field == AUTH_TOKEN_FIELD {
            counter!("gateway_frames_refused_total", "reason" => "metadata").increment(1);
            return Flow::GoOn;
        }
        if let Err(failure) =
            self.app.store.set_metadata(device.clone(), epoch, field.to_owned(), value.to_owned()).await
        {
            warn!(device.id = %device, error = %ErrorChain(&failure), "metadata of {device} could not be stored");
            return Flow::Close;
        }
        self.app.publish_device(device, DeviceChange::Updated);
        Flow::GoOn
    }

    /// Answers whether the property exists; what widgets look like is kept once there are dashboards.
    fn take_property(&self, message_id: u16, property: &Property<'_>) {
        let is_known = PROPERTIES.contains(&property.property) && property.pins.iter().next().is_some();
        counter!("gateway_properties_total").increment(1);
        self.respond(message_id, if is_known { Status::Success } else { Status::IllegalCommandBody });
    }

    fn take_group(&mut self, group: Group) {
        let now = self.app.clock.now().utc;
        self.group_at = match group {
            Group::Begin => Some(now),
            // A time in the future would hide the values that come after it.
            Group::BeginAt { unix_ms } => {
                i64::try_from(unix_ms).ok().map(|unix_ms| UtcTime::from_unix_ms(unix_ms).min(now))
            }
            Group::End => None,
        };
    }
}

/// 128 characters of any one info field are kept; the longest known one is a build date of 20.
const INFO_CHARS_MAX: usize = 128;

/// Bytes of a metadata field's name.
const METADATA_FIELD_BYTES_MAX: usize = 64;

/// Bytes of a metadata value; as for the value of a datastream (reference/wire-protocol.md 1).
const METADATA_BYTES_MAX: usize = 1_024;
