//! One logged-in device: reads frames in order and acts on each.

mod messages;

use std::sync::Arc;

use bytes::BytesMut;
use metrics::counter;
use registry::{Allowance, DeviceId, MonoTime, RateLimit, SessionId, Token, UtcTime};
use telemetry::{Pin, Value};
use tracing::{debug, info, warn};
use wire::{DeviceInternal, DeviceMessage, Frame, Parsed, ServerMessage, Status};

use super::links::{Link, Turned};
use super::login::LoggedIn;
use super::socket::Inbound;
use super::{NextFrame, next_frame};
use crate::app::App;
use crate::errors::ErrorChain;
use crate::limits::FRAME_BODY_BYTES_MAX;
use messages::HeldKey;

/// A device over its quota hears of it once a minute. Source: reference/wire-protocol.md 1, srv19 quota.
const QUOTA_NOTICE_EVERY_MS: u64 = 60_000;

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
    /// Values that arrived and are not on disk yet, in order.
    unwritten: Vec<(Pin, Value)>,
    /// The time of the group of writes that is open.
    group_at: Option<UtcTime>,
    allowance: Allowance,
    quota_noticed_at: Option<MonoTime>,
}

impl Session {
    pub(super) fn new(app: Arc<App>, logged_in: LoggedIn) -> Self {
        let allowance = Allowance::full(RateLimit::DEVICE_MESSAGES, app.clock.now().mono);
        let LoggedIn { link, token, claimed_session, turned: _ } = logged_in;
        let unwritten = Vec::new();
        Self {
            app,
            link,
            token,
            claimed_without_uid: claimed_session.clone(),
            claimed: claimed_session,
            unwritten,
            group_at: None,
            allowance,
            quota_noticed_at: None,
        }
    }

    /// Serves the device until its connection ends, then waits until it counts as offline or has come back.
    pub(super) async fn run(mut self, inbound: &mut Inbound, mut buffer: BytesMut, turned: Option<Turned>) {
        let device = self.link.device().clone();
        self.app.publish_turned(&device, turned);
        self.read_until_closed(inbound, &mut buffer).await;
        drop(buffer);
        let last_heard = self.last_heard_utc();
        if let Err(failure) = self.app.store.record_last_seen(vec![(device.clone(), last_heard)]).await {
            warn!(device.id = %device, error = %ErrorChain(&failure), "the last sign of {device} could not be stored");
        }
        info!(device.id = %device, "the connection of device {device} has ended");
        let turned = self.app.links.closed(&self.link, self.app.clock.now().mono);
        self.app.publish_turned(&device, turned);
        // After leaving the table: whoever begins a release from now on finds no connection here.
        if self.link.is_quarantined() {
            self.app.releases.link_closed(device.clone(), &self.link).await;
        }
        self.link.close_after_flush();
        self.app.tasks.spawn(wait_until_offline(Arc::clone(&self.app), device));
    }

    async fn read_until_closed(&mut self, inbound: &mut Inbound, buffer: &mut BytesMut) {
        loop {
            // Frames may have arrived together with the login.
            if self.act_on_frames(buffer).await == Flow::Close {
                return;
            }
            let due = self.app.links.next_timeout(self.link.device());
            let outbox = self.link.outbox().clone();
            tokio::select! {
                () = outbox.until_cut() => return,
                () = wait_for(&self.app, due) => {
                    let turned = self.app.links.timer_fired(self.link.device(), self.app.clock.now().mono);
                    self.app.publish_turned(self.link.device(), turned);
                }
                read = inbound.read(buffer) => match read {
                    Ok(0) => return,
                    Ok(_) => self.note_heard().await,
                    Err(error) => {
                        debug!(%error, "reading from a device failed");
                        return;
                    }
                },
            }
        }
    }

    async fn note_heard(&self) {
        self.app.links.heard(&self.link, self.app.clock.now().mono);
        if self.link.is_quarantined() {
            self.app.releases.heard(self.link.device().clone(), &self.link).await;
        }
    }

    /// Acts on every whole frame in the buffer; values are on disk when this returns.
    async fn act_on_frames(&mut self, buffer: &mut BytesMut) -> Flow {
        loop {
            match next_frame(buffer) {
                NextFrame::Incomplete => return self.write_values().await,
                NextFrame::Complete { frame_bytes } => {
                    let frame = buffer.split_to(frame_bytes).freeze();
                    if self.act_on_frame(&frame).await == Flow::Close {
                        return Flow::Close;
                    }
                }
                NextFrame::TooLarge { message_id } => {
                    counter!("gateway_frames_refused_total", "reason" => "too_large").increment(1);
                    self.write_values().await;
                    self.respond(message_id, Status::IllegalCommand);
                    return Flow::Close;
                }
                NextFrame::Malformed => {
                    counter!("gateway_frames_refused_total", "reason" => "malformed").increment(1);
                    self.write_values().await;
                    return Flow::Close;
                }
            }
        }
    }

    async fn act_on_frame(&mut self, bytes: &[u8]) -> Flow {
        let Ok(Parsed::Complete { frame, .. }) = Frame::parse(bytes, FRAME_BODY_BYTES_MAX) else {
            return Flow::Close;
        };
        counter!("gateway_frames_total").increment(1);
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
        if self.link.is_quarantined() {
            self.act_in_quarantine(message_id, &message).await;
            return Flow::GoOn;
        }
        if !self.is_within_quota(message_id, &message) {
            return Flow::GoOn;
        }
        self.act(message_id, message).await
    }

    /// In quarantine a device gets what keeps it connected, and nothing else: no data, no time, no metadata.
    async fn act_in_quarantine(&self, message_id: u16, message: &DeviceMessage<'_>) {
        match message {
            DeviceMessage::Ping => self.respond(message_id, Status::Success),
            DeviceMessage::Internal(DeviceInternal::Info(info)) => {
                self.respond(message_id, Status::Success);
                if self.note_release_key(info).await == HeldKey::Ours {
                    self.app.releases.key_shown(self.link.device().clone(), &self.link).await;
                }
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

    /// Drops messages of a device that sends too many, except those that keep the connection alive.
    fn is_within_quota(&mut self, message_id: u16, message: &DeviceMessage<'_>) -> bool {
        if matches!(message, DeviceMessage::Ping | DeviceMessage::Response(_)) {
            return true;
        }
        let now = self.app.clock.now().mono;
        if self.allowance.take(RateLimit::DEVICE_MESSAGES, now).is_ok() {
            return true;
        }
        counter!("gateway_frames_refused_total", "reason" => "quota").increment(1);
        if self.quota_noticed_at.is_none_or(|at| now.since_ms(at) >= QUOTA_NOTICE_EVERY_MS) {
            self.quota_noticed_at = Some(now);
            self.respond(message_id, Status::QuotaLimit);
        }
        false
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

    fn last_heard_utc(&self) -> UtcTime {
        let now = self.app.clock.now();
        let silent_ms = now.mono.since_ms(self.link.last_heard_at());
        now.utc.plus_ms(i64::try_from(silent_ms).map_or(i64::MIN, |ms| -ms))
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
