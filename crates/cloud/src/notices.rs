//! What templates say about events, in memory, and the messages that follow from it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use registry::{DeviceId, TemplateId, UtcTime};
use serde_json::json;
use store::{NewNotification, NotificationTarget, StorageError, Store, TemplateNotices};
use telemetry::{Channels, TemplateEvent};

/// What every template says that says anything.
#[derive(Debug)]
pub(crate) struct Notices {
    by_template: RwLock<BTreeMap<TemplateId, Arc<TemplateNotices>>>,
    /// Spares callers of the Device HTTPS API a look while no template counts their reports.
    counts_reports: AtomicBool,
    none: Arc<TemplateNotices>,
    /// How often anything was changed.
    change_count: AtomicU64,
    /// Held from a change in the store to its entry here, so that two changes cannot overtake each other.
    changing: tokio::sync::Mutex<()>,
}

impl Notices {
    /// Reads everything.
    pub(crate) async fn load(store: &Store) -> Result<Self, StorageError> {
        let found = store.template_notices(None).await?;
        let by_template: BTreeMap<_, _> =
            found.into_iter().map(|(template, notices)| (template, Arc::new(notices))).collect();
        Ok(Self {
            counts_reports: AtomicBool::new(some_count_reports(&by_template)),
            by_template: RwLock::new(by_template),
            none: Arc::default(),
            change_count: AtomicU64::new(0),
            changing: tokio::sync::Mutex::default(),
        })
    }

    /// Returns what a template says.
    pub(crate) fn of(&self, template: &TemplateId) -> Arc<TemplateNotices> {
        let by_template = self.by_template.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(by_template.get(template).unwrap_or(&self.none))
    }

    /// Says whether a device of this template counts as connected when it sends data without a connection.
    pub(crate) fn counts_reports(&self, template: &TemplateId) -> bool {
        self.counts_reports.load(Ordering::Acquire) && self.of(template).lifecycle.reports_count()
    }

    /// Returns how often anything was changed, so that whoever keeps what follows from it notices.
    pub(crate) fn change_count(&self) -> u64 {
        self.change_count.load(Ordering::Acquire)
    }

    /// Makes a change in the store and takes over what it led to.
    pub(crate) async fn change<T, E: From<StorageError>>(
        &self,
        store: &Store,
        template: &TemplateId,
        change: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let _changing = self.changing.lock().await;
        let outcome = change.await?;
        let found = store.template_notices(Some(template.clone())).await?.remove(template);
        let mut by_template = self.by_template.write().unwrap_or_else(PoisonError::into_inner);
        match found {
            Some(notices) => by_template.insert(template.clone(), Arc::new(notices)),
            None => by_template.remove(template),
        };
        self.counts_reports.store(some_count_reports(&by_template), Ordering::Release);
        self.change_count.fetch_add(1, Ordering::AcqRel);
        Ok(outcome)
    }
}

fn some_count_reports(by_template: &BTreeMap<TemplateId, Arc<TemplateNotices>>) -> bool {
    by_template.values().any(|notices| notices.lifecycle.reports_count())
}

/// Finds the event that a code names; firmware updates are an event of every template.
pub(crate) fn event_of(notices: &TemplateNotices, code: &str) -> Option<TemplateEvent> {
    let found = notices.events.values().find(|event| event.code().as_str() == code).cloned();
    found.or_else(|| (code == TemplateEvent::FIRMWARE_UPDATE_CODE).then(TemplateEvent::firmware_update))
}

/// What people are told.
pub(crate) struct News<'a> {
    /// The type of an event, or `online`, `offline`, `status`.
    pub(crate) kind: &'static str,
    pub(crate) code: Option<&'a str>,
    pub(crate) title: &'a str,
    pub(crate) description: &'a str,
    pub(crate) at: UtcTime,
}

/// Of whom they are told.
pub(crate) struct Subject<'a> {
    pub(crate) device: &'a DeviceId,
    pub(crate) name: &'a str,
    pub(crate) template: &'a TemplateId,
}

/// Writes one message for each recipient and webhook of a template.
pub(crate) fn write_notifications(
    notices: &TemplateNotices,
    channels: Channels,
    subject: &Subject<'_>,
    news: &News<'_>,
) -> Vec<NewNotification> {
    let headline = format!("[{}] {}: {}", news.kind, subject.name, news.title);
    let text = email_text(subject, news);
    let mails = notices.recipients.iter().filter(|_address| channels.email).map(|address| NewNotification {
        target: NotificationTarget::Email(address.clone()),
        subject: headline.clone(),
        body: text.clone(),
    });
    let body = webhook_body(subject, news);
    let calls = notices.webhooks.iter().filter(|_webhook| channels.webhooks).map(|webhook| NewNotification {
        target: NotificationTarget::Webhook(webhook.id),
        subject: headline.clone(),
        body: body.clone(),
    });
    mails.chain(calls).collect()
}

fn email_text(subject: &Subject<'_>, news: &News<'_>) -> String {
    let more = if news.description.is_empty() { String::new() } else { format!("{}\n", news.description) };
    format!(
        "{}\n{more}\nDevice: {} ({})\nType: {}\nTime: {}\n",
        news.title,
        subject.name,
        subject.device,
        news.kind,
        news.at.to_sentence_text()
    )
}

fn webhook_body(subject: &Subject<'_>, news: &News<'_>) -> String {
    json!({
        "type": news.kind,
        "code": news.code,
        "title": news.title,
        "description": news.description,
        "at": news.at.to_rfc3339(),
        "device": { "id": subject.device.as_str(), "name": subject.name },
        "template": { "id": subject.template.as_str() },
    })
    .to_string()
}
