//! Delivers notifications: takes them from the store, sends them, and tries again until it gives up.
//!
//! What was queued is on disk together with what it tells of, so a restart loses none; a notification whose delivery could
//! not be written down is sent twice, which receivers tell by its number. One delivery per recipient runs at a time, so
//! that one that does not answer holds up nobody else.

mod email;
mod webhook;

use std::collections::HashSet;
use std::sync::Arc;

use metrics::counter;
use registry::MonoTime;
use store::{Notification, NotificationTarget, StorageError};
use telemetry::retry_wait_ms;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::app::App;
use crate::config::Config;
use crate::errors::ErrorChain;
pub use email::OpenNotifierError;
use email::{Mailer, SendEmailError};
pub(crate) use webhook::check_url;
use webhook::{CallWebhookError, WebhookCaller};

/// 8 deliveries at a time.
const DELIVERIES_MAX: usize = 8;

/// 60 s without anything due, then the store is asked again: the wall clock may have been put forward.
const LOOK_EVERY_MS: u64 = 60_000;

/// 5 s after the store could not answer.
const STORE_WAIT_MS: u64 = 5_000;

/// 300 characters of a reason are kept.
const REASON_CHARS_MAX: usize = 300;

/// The ways out of this server.
#[derive(Debug)]
pub(crate) struct Notifier {
    mailer: Option<Mailer>,
    webhooks: WebhookCaller,
}

impl Notifier {
    /// Reads passwords and certificates; nothing is connected to.
    pub(crate) fn open(config: &Config) -> Result<Self, OpenNotifierError> {
        Ok(Self {
            mailer: Mailer::open(config)?,
            webhooks: WebhookCaller::new(config.webhooks_to_private_addresses),
        })
    }
}

/// Why a notification was not delivered.
#[derive(Debug, thiserror::Error)]
enum DeliverError {
    #[error("no mail server is configured; set `smtp_host`, then try again")]
    NoMailServer,
    #[error("the e-mail was not taken")]
    Email(#[from] SendEmailError),
    #[error("the webhook was not called")]
    Webhook(#[from] CallWebhookError),
    #[error("the webhook does not exist any more")]
    NoWebhook,
    #[error("the webhook could not be looked up")]
    Store(#[from] StorageError),
}

impl DeliverError {
    /// Whether waiting cannot help.
    const fn is_final(&self) -> bool {
        matches!(self, Self::NoMailServer | Self::NoWebhook)
    }
}

pub(crate) async fn deliver_notifications(app: Arc<App>, stop: CancellationToken) {
    let mut running: JoinSet<NotificationTarget> = JoinSet::new();
    let mut busy: HashSet<NotificationTarget> = HashSet::new();
    loop {
        let look_at = match start_due(&app, &mut running, &mut busy).await {
            Ok(look_at) => look_at,
            Err(failure) => {
                warn!(error = %ErrorChain(&failure), "notifications could not be read");
                app.clock.now().mono.plus_ms(STORE_WAIT_MS)
            }
        };
        tokio::select! {
            () = stop.cancelled() => {
                // What is cut off here is still in the store, which is free again when this returns.
                running.shutdown().await;
                return;
            }
            () = app.notifications_queued.notified() => {}
            () = app.clock.wait_until(look_at) => {}
            Some(ended) = running.join_next() => match ended {
                Ok(target) => drop(busy.remove(&target)),
                Err(failure) => {
                    warn!(error = %failure, "a delivery ended abnormally");
                    // Whose it was is not known any more, so all of them are begun again.
                    running.shutdown().await;
                    busy.clear();
                }
            },
        }
    }
}

/// Starts what is due and has room; returns when to look again.
async fn start_due(
    app: &Arc<App>,
    running: &mut JoinSet<NotificationTarget>,
    busy: &mut HashSet<NotificationTarget>,
) -> Result<MonoTime, StorageError> {
    let now = app.clock.now();
    let look_at = now.mono.plus_ms(LOOK_EVERY_MS);
    if busy.len() >= DELIVERIES_MAX {
        return Ok(look_at);
    }
    let (due, next_at) = app.store.due_notifications(now.utc).await?;
    for notification in due {
        if busy.len() < DELIVERIES_MAX && busy.insert(notification.target.clone()) {
            running.spawn(deliver(Arc::clone(app), notification));
        }
    }
    let next_ms = next_at.map(|at| u64::try_from(at.ms_since(now.utc)).unwrap_or(0));
    Ok(next_ms.map_or(look_at, |ms| look_at.min(now.mono.plus_ms(ms))))
}

async fn deliver(app: Arc<App>, notification: Notification) -> NotificationTarget {
    let channel = match &notification.target {
        NotificationTarget::Email(_) => "email",
        NotificationTarget::Webhook(_) => "webhook",
    };
    let outcome = try_deliver(&app, &notification).await;
    let id = notification.id;
    let noted = match outcome {
        Ok(()) => {
            counter!("notifications_delivered_total", "channel" => channel).increment(1);
            app.store.delete_notification(id).await.map(|_was_there| ())
        }
        Err(failure) => {
            counter!("notifications_failed_total", "channel" => channel).increment(1);
            // For its owner, not for the log: a mail server's words may name a person.
            let reason: String = ErrorChain(&failure).to_string().chars().take(REASON_CHARS_MAX).collect();
            let failed_count = notification.attempts.saturating_add(1);
            let wait_ms = retry_wait_ms(failed_count, rand::random()).filter(|_wait| !failure.is_final());
            let wait_ms = wait_ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
            if wait_ms.is_none() {
                counter!("notifications_dead_total", "channel" => channel).increment(1);
                warn!(
                    notification.id = id,
                    channel, "notification {id} was given up; the list of notifications says why"
                );
            } else {
                info!(
                    notification.id = id,
                    channel, "notification {id} will be tried again; the list of notifications says why"
                );
            }
            let next_at = wait_ms.map(|ms| app.clock.now().utc.plus_ms(ms));
            app.store.fail_notification(id, reason, next_at).await
        }
    };
    if let Err(failure) = noted {
        warn!(notification.id = id, error = %ErrorChain(&failure), "what became of notification {id} could not be stored");
        // Before the same one is tried again.
        app.clock.wait_until(app.clock.now().mono.plus_ms(STORE_WAIT_MS)).await;
    }
    notification.target
}

async fn try_deliver(app: &App, notification: &Notification) -> Result<(), DeliverError> {
    match &notification.target {
        NotificationTarget::Email(address) => {
            let mailer = app.notifier.mailer.as_ref().ok_or(DeliverError::NoMailServer)?;
            Ok(mailer.send(address, notification).await?)
        }
        NotificationTarget::Webhook(id) => {
            let webhook = app.store.webhook(*id).await?.ok_or(DeliverError::NoWebhook)?;
            let secret = app.store.derive_token(&webhook.nonce);
            let now = app.clock.now().utc;
            Ok(app.notifier.webhooks.call(&webhook.url, &secret, notification, now).await?)
        }
    }
}
