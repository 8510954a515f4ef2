//! What a template says about events: which there are, which statuses devices have, and who is told.

use std::collections::BTreeMap;

use registry::{TemplateId, UtcTime};
use rusqlite::{Connection, OptionalExtension, Row};
use telemetry::{
    Channels, ConnectionLifecycle, EVENTS_PER_TEMPLATE_MAX, EventCode, EventSettings, EventType, Notifying,
    StatusSettings, TemplateEvent, WEBHOOKS_PER_TEMPLATE_MAX,
};

use crate::devices::template_exists;
use crate::{Change, StorageError, Store};

/// Everything that one template says about events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TemplateNotices {
    /// Its events, by code.
    pub events: BTreeMap<EventCode, TemplateEvent>,
    /// The statuses of its devices.
    pub lifecycle: ConnectionLifecycle,
    /// Who gets e-mails.
    pub recipients: Vec<String>,
    /// What is called, oldest first.
    pub webhooks: Vec<Webhook>,
}

/// Number of a webhook. Never given out twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WebhookId(pub u32);

/// An address that is called when an event notifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its number.
    pub id: WebhookId,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// What its secret is made from; see [`Store::derive_token`].
    pub nonce: [u8; 16],
    /// When it was made.
    pub created_at: UtcTime,
}

/// A webhook to be made.
#[derive(Debug, Clone)]
pub struct NewWebhook {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// What its secret is made from.
    pub nonce: [u8; 16],
}

/// Why something was not set up.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeNoticesError {
    /// There is no such template.
    #[error("there is no such template")]
    TemplateNotFound,
    /// The template has as many as it may have.
    #[error("the template has {max} of them already")]
    TooMany {
        /// How many it may have.
        max: u32,
    },
    /// Storage failed.
    #[error("storing it failed")]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for ChangeNoticesError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl Store {
    /// Sets up an event of a template, anew or again. Says whether it is new.
    ///
    /// # Errors
    /// When the template does not exist or has too many, or storage fails.
    pub async fn put_event(
        &self,
        template: TemplateId,
        event: TemplateEvent,
        change: Change,
    ) -> Result<bool, ChangeNoticesError> {
        self.write(move |work| {
            let (template, code) = (template.as_str(), event.code().as_str());
            check_template(work.conn, template)?;
            let is_known = work
                .conn
                .prepare_cached("SELECT 1 FROM template_events WHERE template_id = ?1 AND code = ?2")?
                .exists((template, code))?;
            let sql = "SELECT count(*) FROM template_events WHERE template_id = ?1";
            if !is_known && count(work.conn, sql, template)? >= EVENTS_PER_TEMPLATE_MAX {
                return Err(ChangeNoticesError::TooMany { max: EVENTS_PER_TEMPLATE_MAX });
            }
            let settings = event.settings();
            let notifying = settings.notifying;
            work.conn
                .prepare_cached(
                    "INSERT OR REPLACE INTO template_events (template_id, code, name, type, description, is_on_timeline,
                        sends_email, calls_webhooks, limit_period_s, after_count)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                )?
                .execute((
                    template,
                    code,
                    &settings.name,
                    settings.event_type.as_str(),
                    &settings.description,
                    settings.is_on_timeline,
                    notifying.channels.email,
                    notifying.channels.webhooks,
                    notifying.limit_period_s,
                    notifying.after_count,
                ))?;
            work.audit(&change, "event.put", template, code)?;
            Ok(!is_known)
        })
        .await
    }

    /// Takes an event away from a template; timelines keep what was logged. Says whether there was one.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn delete_event(
        &self,
        template: TemplateId,
        code: EventCode,
        change: Change,
    ) -> Result<bool, StorageError> {
        self.write(move |work| {
            let deleted_count = work
                .conn
                .prepare_cached("DELETE FROM template_events WHERE template_id = ?1 AND code = ?2")?
                .execute((template.as_str(), code.as_str()))?;
            if deleted_count > 0 {
                work.audit(&change, "event.delete", template.as_str(), code.as_str())?;
            }
            Ok(deleted_count > 0)
        })
        .await
    }

    /// Sets the statuses of a template's devices.
    ///
    /// # Errors
    /// When the template does not exist or storage fails.
    pub async fn put_lifecycle(
        &self,
        template: TemplateId,
        lifecycle: ConnectionLifecycle,
        change: Change,
    ) -> Result<(), ChangeNoticesError> {
        self.write(move |work| {
            let id = template.as_str();
            check_template(work.conn, id)?;
            work.conn
                .prepare_cached(
                    "UPDATE templates SET offline_ignore_s = ?2, reports_count = ?3 WHERE id = ?1",
                )?
                .execute((id, lifecycle.ignore_period_s(), lifecycle.reports_count()))?;
            work.conn
                .prepare_cached("DELETE FROM template_statuses WHERE template_id = ?1")?
                .execute([id])?;
            let mut insert = work.conn.prepare_cached(
                "INSERT INTO template_statuses (template_id, position, name, color, wait_s, description,
                    is_on_timeline, sends_email, calls_webhooks, limit_period_s, after_count)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?;
            for (position, status) in (0_u8..).zip(lifecycle.statuses()) {
                let notifying = status.notifying;
                insert.execute((
                    id,
                    position,
                    &status.name,
                    &status.color,
                    status.wait_s,
                    &status.description,
                    status.is_on_timeline,
                    notifying.channels.email,
                    notifying.channels.webhooks,
                    notifying.limit_period_s,
                    notifying.after_count,
                ))?;
            }
            work.audit(&change, "lifecycle.put", id, "")?;
            Ok(())
        })
        .await
    }

    /// Sets who gets a template's e-mails.
    ///
    /// # Errors
    /// When the template does not exist or storage fails.
    pub async fn put_recipients(
        &self,
        template: TemplateId,
        addresses: Vec<String>,
        change: Change,
    ) -> Result<(), ChangeNoticesError> {
        self.write(move |work| {
            let id = template.as_str();
            check_template(work.conn, id)?;
            work.conn
                .prepare_cached("DELETE FROM template_recipients WHERE template_id = ?1")?
                .execute([id])?;
            let mut insert = work.conn.prepare_cached(
                "INSERT INTO template_recipients (template_id, position, address) VALUES (?1, ?2, ?3)",
            )?;
            for (position, address) in (0_u32..).zip(&addresses) {
                insert.execute((id, position, address))?;
            }
            work.audit(&change, "recipients.put", id, &format!("{} addresses", addresses.len()))?;
            Ok(())
        })
        .await
    }

    /// Adds a webhook to a template. The same nonce again is the same request again, and gets the webhook that it made.
    ///
    /// # Errors
    /// When the template does not exist or has too many, or storage fails.
    pub async fn add_webhook(
        &self,
        template: TemplateId,
        new: NewWebhook,
        change: Change,
    ) -> Result<Webhook, ChangeNoticesError> {
        self.write(move |work| {
            let id = template.as_str();
            check_template(work.conn, id)?;
            let known = work
                .conn
                .prepare_cached("SELECT id, name, url, nonce, created_at FROM webhooks WHERE nonce = ?1")?
                .query_row([new.nonce], read_webhook)
                .optional()?;
            if let Some(known) = known {
                return Ok(known);
            }
            let sql = "SELECT count(*) FROM webhooks WHERE template_id = ?1";
            if count(work.conn, sql, id)? >= WEBHOOKS_PER_TEMPLATE_MAX {
                return Err(ChangeNoticesError::TooMany { max: WEBHOOKS_PER_TEMPLATE_MAX });
            }
            let webhook = work
                .conn
                .prepare_cached(
                    "INSERT INTO webhooks (template_id, name, url, nonce, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
                     RETURNING id, name, url, nonce, created_at",
                )?
                .query_row((id, &new.name, &new.url, new.nonce, change.at.unix_ms()), read_webhook)?;
            work.audit(&change, "webhook.create", id, &webhook.id.0.to_string())?;
            Ok(webhook)
        })
        .await
    }

    /// Takes a webhook away, with what still waits for it. Says whether there was one.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn delete_webhook(
        &self,
        template: TemplateId,
        webhook: WebhookId,
        change: Change,
    ) -> Result<bool, StorageError> {
        self.write(move |work| {
            let deleted_count = work
                .conn
                .prepare_cached("DELETE FROM webhooks WHERE template_id = ?1 AND id = ?2")?
                .execute((template.as_str(), webhook.0))?;
            if deleted_count > 0 {
                work.audit(&change, "webhook.delete", template.as_str(), &webhook.0.to_string())?;
            }
            Ok(deleted_count > 0)
        })
        .await
    }

    /// Returns one webhook.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn webhook(&self, id: WebhookId) -> Result<Option<Webhook>, StorageError> {
        self.read(move |conn| {
            Ok(conn
                .prepare_cached("SELECT id, name, url, nonce, created_at FROM webhooks WHERE id = ?1")?
                .query_row([id.0], read_webhook)
                .optional()?)
        })
        .await
    }

    /// Returns what one template, or every template that says anything, says about events.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn template_notices(
        &self,
        template: Option<TemplateId>,
    ) -> Result<BTreeMap<TemplateId, TemplateNotices>, StorageError> {
        self.read(move |conn| {
            let mut found = BTreeMap::new();
            let only = template.as_ref().map(TemplateId::as_str);
            read_events(conn, only, &mut found)?;
            read_lifecycles(conn, only, &mut found)?;
            read_targets(conn, only, &mut found)?;
            Ok(found)
        })
        .await
    }
}

type Found = BTreeMap<TemplateId, TemplateNotices>;

const DAMAGED: StorageError = StorageError::Damaged { what: "the events of a template" };

fn check_template(conn: &Connection, id: &str) -> Result<(), ChangeNoticesError> {
    let id = TemplateId::parse(id).map_err(|_source| ChangeNoticesError::TemplateNotFound)?;
    if template_exists(conn, &id)? { Ok(()) } else { Err(ChangeNoticesError::TemplateNotFound) }
}

fn count(conn: &Connection, sql: &str, template: &str) -> Result<u32, StorageError> {
    Ok(conn.prepare_cached(sql)?.query_row([template], |row| row.get(0))?)
}

fn read_template(row: &Row<'_>) -> Result<TemplateId, StorageError> {
    TemplateId::parse(&row.get::<_, String>(0)?).or(Err(DAMAGED))
}

fn read_events(conn: &Connection, only: Option<&str>, found: &mut Found) -> Result<(), StorageError> {
    let mut statement = conn.prepare_cached(
        "SELECT template_id, sends_email, calls_webhooks, limit_period_s, after_count, code, name, type, description,
                is_on_timeline
         FROM template_events WHERE ?1 IS NULL OR template_id = ?1 ORDER BY template_id, code",
    )?;
    let mut rows = statement.query([only])?;
    while let Some(row) = rows.next()? {
        let settings = EventSettings {
            name: row.get(6)?,
            event_type: EventType::from_name(&row.get::<_, String>(7)?).ok_or(DAMAGED)?,
            description: row.get(8)?,
            is_on_timeline: row.get(9)?,
            notifying: read_notifying(row)?,
        };
        let code = EventCode::parse(&row.get::<_, String>(5)?).or(Err(DAMAGED))?;
        let event = TemplateEvent::new(code.clone(), settings).or(Err(DAMAGED))?;
        found.entry(read_template(row)?).or_default().events.insert(code, event);
    }
    Ok(())
}

/// Columns 1 to 4 of both tables.
fn read_notifying(row: &Row<'_>) -> Result<Notifying, StorageError> {
    Ok(Notifying {
        channels: Channels { email: row.get(1)?, webhooks: row.get(2)? },
        limit_period_s: row.get(3)?,
        after_count: row.get(4)?,
    })
}

fn read_lifecycles(conn: &Connection, only: Option<&str>, found: &mut Found) -> Result<(), StorageError> {
    let mut statement = conn.prepare_cached(
        "SELECT s.template_id, s.sends_email, s.calls_webhooks, s.limit_period_s, s.after_count, s.name, s.color,
                s.wait_s, s.description, s.is_on_timeline, t.offline_ignore_s, t.reports_count
         FROM template_statuses s JOIN templates t ON t.id = s.template_id
         WHERE ?1 IS NULL OR s.template_id = ?1 ORDER BY s.template_id, s.position",
    )?;
    let mut rows = statement.query([only])?;
    let mut lists: BTreeMap<TemplateId, (Vec<StatusSettings>, Option<u32>, bool)> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let status = StatusSettings {
            name: row.get(5)?,
            color: row.get(6)?,
            wait_s: row.get(7)?,
            description: row.get(8)?,
            is_on_timeline: row.get(9)?,
            notifying: read_notifying(row)?,
        };
        let (statuses, ignore_s, reports_count) = lists.entry(read_template(row)?).or_default();
        statuses.push(status);
        (*ignore_s, *reports_count) = (row.get(10)?, row.get(11)?);
    }
    for (template, (statuses, ignore_s, reports_count)) in lists {
        let lifecycle = ConnectionLifecycle::new(statuses, ignore_s, reports_count).or(Err(DAMAGED))?;
        found.entry(template).or_default().lifecycle = lifecycle;
    }
    Ok(())
}

fn read_targets(conn: &Connection, only: Option<&str>, found: &mut Found) -> Result<(), StorageError> {
    let mut statement = conn.prepare_cached(
        "SELECT template_id, address FROM template_recipients WHERE ?1 IS NULL OR template_id = ?1
         ORDER BY template_id, position",
    )?;
    let mut rows = statement.query([only])?;
    while let Some(row) = rows.next()? {
        found.entry(read_template(row)?).or_default().recipients.push(row.get(1)?);
    }
    let mut statement = conn.prepare_cached(
        "SELECT id, name, url, nonce, created_at, template_id FROM webhooks WHERE ?1 IS NULL OR template_id = ?1
         ORDER BY id",
    )?;
    let mut rows = statement.query([only])?;
    while let Some(row) = rows.next()? {
        let template = TemplateId::parse(&row.get::<_, String>(5)?).or(Err(DAMAGED))?;
        found.entry(template).or_default().webhooks.push(read_webhook(row)?);
    }
    Ok(())
}

fn read_webhook(row: &Row<'_>) -> Result<Webhook, rusqlite::Error> {
    Ok(Webhook {
        id: WebhookId(row.get(0)?),
        name: row.get(1)?,
        url: row.get(2)?,
        nonce: row.get(3)?,
        created_at: UtcTime::from_unix_ms(row.get(4)?),
    })
}
