//! One logged-in device: reads frames in order and acts on each.

mod bridge;
mod datastreams;
mod events;
mod group;
mod messages;
mod metadata;
mod values;

use std::pin::pin;
use std::sync::Arc;

use bytes::Buf as _;
use metrics::counter;
use registry::{Allowance, DeviceId, MonoTime, RateLimit, SessionId, TemplateId, Token};
use store::{NewValue, ValueSink};
use tracing::debug;
use wire::{DeviceInternal, DeviceMessage, Frame, Parsed, ServerMessage, Status};

use super::connection::{Connection, ConnectionEnded};
use super::links::{Link, Turned};
use super::login::LoggedIn;
use super::{NextFrame, next_frame};
use crate::app::App;
use crate::errors::ErrorChain;
use crate::limits::FRAME_BODY_BYTES_MAX;
use bridge::Binding;
pub(crate) use datastreams::with_ages;
use group::OpenGroup;

/// Whether a connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    GoOn,
    /// Close after what is queued has been written.
    Close,
}

pub(super) struct Session {
    app: Arc<App>,
    link: Link,
    /// Kept to answer `meta get` `Auth Token`; never printed.
    token: Token,
    /// The provisioning session that this connection's login claimed; its next step is the info message.
    claimed: Option<SessionId>,
    /// The same session, until the device said its UID: that may belong to a record older than this claim.
    claimed_without_uid: Option<SessionId>,
    /// Values that have arrived and were not handed to the writer yet, in order.
    arrived: Vec<NewValue>,
    /// Where values go; made for the first one.
    sink: Option<ValueSink>,
    /// Values were handed over that are perhaps not on disk yet.
    has_unflushed: bool,
    group: Option<OpenGroup>,
    allowance: Allowance,
    /// The device's template, once a datastream had to be looked up.
    template: Option<TemplateId>,
    rejection_noticed_at: Option<MonoTime>,
    /// Whether marked datastreams were sent on this connection.
    has_synced: bool,
    /// Devices that this one may write to.
    bindings: Vec<Binding>,
    /// The device has said how long it may be silent, which was not looked at yet.
    has_new_heartbeat: bool,
}

impl Session {
    pub(super) fn new(app: Arc<App>, logged_in: LoggedIn) -> Self {
        let allowance = Allowance::full(RateLimit::DEVICE_MESSAGES, app.clock.now().mono);
        let LoggedIn { link, token, claimed_session, turned: _ } = logged_in;
        Self {
            app,
            link,
            token,
            claimed_without_uid: claimed_session.clone(),
            claimed: claimed_session,
            arrived: Vec::new(),
            sink: None,
            has_unflushed: false,
            group: None,
            allowance,
            template: None,
            rejection_noticed_at: None,
            has_synced: false,
            bindings: Vec::new(),
            has_new_heartbeat: false,
        }
    }

    /// Serves the device until its connection ends, then waits until it counts as offline or has come back.
    pub(super) async fn run(mut self, connection: &mut Connection, turned: Option<Turned>) {
        let device = self.link.device().clone();
        self.app.publish_turned(&device, turned);
        self.note_came();
        self.read_until_closed(connection).await;
        debug!(device.id = %device, "the connection of device {device} has ended");
        self.note_left();
        let turned = self.app.links.closed(&self.link, self.app.clock.now());
        self.app.publish_turned(&device, turned);
        // After leaving the table: whoever begins a release from now on finds no connection here.
        if self.link.is_quarantined() {
            self.app.releases.link_closed(device.clone(), &self.link).await;
        }
        self.app.tasks.spawn(wait_until_offline(Arc::clone(&self.app), device));
    }

    /// Leaves a note for the device's status; nothing is written here.
    fn note_came(&self) {
        if let Some(epoch) = self.link.epoch() {
            self.app.contacts.came(self.link.device(), epoch, self.app.clock.now().mono);
        }
    }

    fn note_left(&self) {
        let left_at = self.app.links.away_since(&self.link, self.app.clock.now().mono);
        if let (Some(epoch), Some(at)) = (self.link.epoch(), left_at) {
            self.app.contacts.left(self.link.device(), epoch, at);
        }
    }

    async fn read_until_closed(&mut self, connection: &mut Connection) {
        let app = Arc::clone(&self.app);
        loop {
            // One timer for the whole time of silence: setting it anew for each message would cost more than most messages
            // do. When it fires, the table asks when the device was last heard.
            let timeout_at = self.app.links.next_timeout(self.link.device());
            self.has_new_heartbeat = false;
            let mut silence = pin!(wait_for(&app, timeout_at));
            loop {
                // Frames may have arrived together with the login.
                if !connection.buffer.is_empty()
                    && Box::pin(self.act_on_frames(connection)).await == Flow::Close
                {
                    return;
                }
                if self.has_new_heartbeat {
                    break;
                }
                tokio::select! {
                    // What has arrived comes before a verdict of silence.
                    biased;
                    read = connection.read() => match read {
                        Err(ConnectionEnded) | Ok(Ok(0)) => return,
                        Ok(Ok(_)) => self.note_heard().await,
                        Ok(Err(error)) => {
                            debug!(%error, "reading from a device failed");
                            return;
                        }
                    },
                    () = &mut silence => {
                        let turned = self.app.links.timer_fired(self.link.device(), self.app.clock.now().mono);
                        self.app.publish_turned(self.link.device(), turned);
                        break;
                    }
                }
            }
        }
    }

    async fn note_heard(&mut self) {
        self.link.heard(self.app.clock.now().mono);
        if self.link.is_quarantined() {
            self.app.releases.heard(self.link.device().clone(), &self.link).await;
        }
    }

    /// Acts on every whole frame that has arrived; values are with the writer when this returns.
    async fn act_on_frames(&mut self, connection: &mut Connection) -> Flow {
        // Taken out, because the connection is written to meanwhile.
        let mut buffer = std::mem::take(&mut connection.buffer);
        let mut frame_count = 0;
        let flow = loop {
            match next_frame(&buffer) {
                NextFrame::Incomplete => break self.hand_over_values(connection).await,
                NextFrame::Complete { frame_bytes } => {
                    // Read where it lies: taking it out would share the buffer, which then could not be used again.
                    frame_count += 1;
                    let flow = self.act_on_frame(connection, &buffer).await;
                    buffer.advance(frame_bytes);
                    if flow == Flow::Close {
                        break flow;
                    }
                }
                NextFrame::TooLarge { message_id } => {
                    counter!("gateway_frames_refused_total", "reason" => "too_large").increment(1);
                    if self.flush_values(connection).await == Flow::GoOn {
                        self.respond(message_id, Status::IllegalCommand);
                    }
                    break Flow::Close;
                }
                NextFrame::Malformed => {
                    counter!("gateway_frames_refused_total", "reason" => "malformed").increment(1);
                    break Flow::Close;
                }
            }
        };
        self.app.counters.frames.increment(frame_count);
        if flow == Flow::Close {
            // Values that stood before the frame that ended the connection are no worse for it.
            self.hand_over_values(connection).await;
        }
        connection.buffer = buffer;
        flow
    }

    async fn act_on_frame(&mut self, connection: &mut Connection, bytes: &[u8]) -> Flow {
        let Ok(Parsed::Complete { frame, .. }) = Frame::parse(bytes, FRAME_BODY_BYTES_MAX) else {
            return Flow::Close;
        };
        let message_id = frame.message_id();
        let message = match DeviceMessage::parse(&frame) {
            Ok(message) => message,
            Err(failure) => {
                counter!("gateway_frames_refused_total", "reason" => "body").increment(1);
                debug!(device.id = %self.link.device(), error = %ErrorChain(&failure), "a message makes no sense");
                // Only the first frame is a login; a second one with a bad token must not make the device give up.
                let status = match failure.reply_status() {
                    Status::InvalidToken => Status::AlreadyRegistered,
                    status => status,
                };
                self.respond(message_id, status);
                return Flow::GoOn;
            }
        };
        if message.command().closes_device_connection() {
            counter!("gateway_frames_refused_total", "reason" => "unknown_command").increment(1);
            return Flow::Close;
        }
        if !self.link.is_quarantined() && self.wait_for_quota(connection, &message).await == Flow::Close {
            return Flow::Close;
        }
        // Asked again: a release may have begun meanwhile.
        if self.link.is_quarantined() {
            self.act_in_quarantine(message_id, &message).await;
            return Flow::GoOn;
        }
        self.act(connection, message_id, message).await
    }

    /// In quarantine a device gets what keeps it connected, and nothing else: no data, no time, no metadata.
    async fn act_in_quarantine(&self, message_id: u16, message: &DeviceMessage<'_>) {
        match message {
            DeviceMessage::Ping => self.respond(message_id, Status::Success),
            DeviceMessage::Internal(DeviceInternal::Info(info)) => {
                self.respond(message_id, Status::Success);
                self.note_release_key(info).await;
            }
            DeviceMessage::Internal(DeviceInternal::Released(receipt)) => {
                let device = self.link.device().clone();
                self.app.releases.receipt(device, &self.link, message_id, receipt).await;
            }
            DeviceMessage::Login { .. } | DeviceMessage::LoginOld { .. } => {
                self.respond(message_id, Status::AlreadyRegistered);
            }
            _ => counter!("gateway_quarantined_messages_total").increment(1),
        }
    }

    /// Reads no further while a device is over its quota, so that what it sends waits in its own socket: nothing is
    /// dropped, and no ping is answered before what was sent ahead of it is stored.
    async fn wait_for_quota(&mut self, connection: &mut Connection, message: &DeviceMessage<'_>) -> Flow {
        if matches!(message, DeviceMessage::Ping | DeviceMessage::Response(_)) {
            return Flow::GoOn;
        }
        while let Err(wait_ms) = self.allowance.take(RateLimit::DEVICE_MESSAGES, self.app.clock.now().mono) {
            counter!("gateway_quota_waits_total").increment(1);
            // What has been taken does not wait with the rest.
            if self.hand_over_values(connection).await == Flow::Close {
                return Flow::Close;
            }
            let app = Arc::clone(&self.app);
            let until = app.clock.now().mono.plus_ms(wait_ms);
            if connection.write_until(app.clock.wait_until(until)).await.is_err() {
                return Flow::Close;
            }
            // It has been heard, only not listened to.
            self.link.heard(self.app.clock.now().mono);
        }
        Flow::GoOn
    }

    fn respond(&self, message_id: u16, status: Status) {
        self.send(message_id, &ServerMessage::Response(status));
    }

    /// Queues a message; a failure has cut the connection already, or concerns this message alone.
    fn send(&self, message_id: u16, message: &ServerMessage<'_>) {
        if let Err(failure) = self.link.outbox().send(message_id, message) {
            debug!(device.id = %self.link.device(), error = %ErrorChain(&failure), "a message could not be sent");
        }
    }
}

/// Waits out the time after which a device without a connection counts as offline.
async fn wait_until_offline(app: Arc<App>, device: DeviceId) {
    while app.links.get(&device).is_none()
        && let Some(due) = app.links.next_timeout(&device)
    {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = app.clock.wait_until(due) => {}
        }
        if app.links.get(&device).is_some() {
            return;
        }
        let turned = app.links.timer_fired(&device, app.clock.now().mono);
        app.publish_turned(&device, turned);
    }
}

async fn wait_for(app: &App, due: Option<MonoTime>) {
    match due {
        Some(at) => app.clock.wait_until(at).await,
        None => std::future::pending().await,
    }
}
