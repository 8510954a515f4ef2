//! Notifications on their way: stored together with what they tell of, and kept until they are delivered or given up.

use registry::{DeviceId, UtcTime};
use rusqlite::Row;

use crate::page::Order;
use crate::template_notices::WebhookId;
use crate::writer::Work;
use crate::{ListError, Listed, Page, StorageError, Store};

/// 10,000 notifications may wait; what comes then is dropped and counted.
pub const NOTIFICATIONS_WAITING_MAX: u32 = 10_000;

/// 1,000 dead letters are kept; the oldest go.
pub const DEAD_LETTERS_MAX: u32 = 1_000;

/// Where a notification goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NotificationTarget {
    /// To a mailbox.
    Email(String),
    /// To a webhook.
    Webhook(WebhookId),
}

/// A notification to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNotification {
    /// Where it goes.
    pub target: NotificationTarget,
    /// One line.
    pub subject: String,
    /// Text for a person, or JSON for a webhook.
    pub body: String,
}

/// A notification that was not delivered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Its number. Never given out twice.
    pub id: i64,
    /// The device of which it tells.
    pub device: DeviceId,
    /// Where it goes.
    pub target: NotificationTarget,
    /// One line.
    pub subject: String,
    /// Text for a person, or JSON for a webhook.
    pub body: String,
    /// When it was made.
    pub created_at: UtcTime,
    /// Attempts that failed.
    pub attempts: u32,
    /// When the next attempt is due; none for a dead letter.
    pub next_at: Option<UtcTime>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}

/// How many notifications there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NotificationCounts {
    /// Waiting to be delivered.
    pub waiting: u32,
    /// Given up.
    pub dead: u32,
}

impl Store {
    /// Returns the notifications that are due, the oldest of each target, and when the next other one is due.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn due_notifications(
        &self,
        now: UtcTime,
    ) -> Result<(Vec<Notification>, Option<UtcTime>), StorageError> {
        self.read(move |conn| {
            let sql = format!(
                "{SELECT} WHERE seq IN (SELECT min(seq) FROM notifications WHERE next_at <= ?1
                                        GROUP BY address, webhook_id) ORDER BY seq"
            );
            let mut statement = conn.prepare_cached(&sql)?;
            let mut rows = statement.query([now.unix_ms()])?;
            let mut due = Vec::new();
            while let Some(row) = rows.next()? {
                due.push(read_notification(row)?);
            }
            let next_at: Option<i64> = conn
                .prepare_cached("SELECT min(next_at) FROM notifications WHERE next_at > ?1")?
                .query_row([now.unix_ms()], |row| row.get(0))?;
            Ok((due, next_at.map(UtcTime::from_unix_ms)))
        })
        .await
    }

    /// Forgets a notification: it was delivered, or nobody wants it any more. Says whether there was one.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn delete_notification(&self, id: i64) -> Result<bool, StorageError> {
        self.write(move |work| {
            let deleted_count =
                work.conn.prepare_cached("DELETE FROM notifications WHERE seq = ?1")?.execute([id])?;
            Ok(deleted_count > 0)
        })
        .await
    }

    /// Notes that an attempt failed. Without `next_at` the notification becomes a dead letter.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn fail_notification(
        &self,
        id: i64,
        reason: String,
        next_at: Option<UtcTime>,
    ) -> Result<(), StorageError> {
        self.write(move |work| {
            work.conn
                .prepare_cached(
                    "UPDATE notifications SET attempts = attempts + 1, last_error = ?2, next_at = ?3 WHERE seq = ?1",
                )?
                .execute((id, reason, next_at.map(UtcTime::unix_ms)))?;
            if next_at.is_none() {
                work.conn
                    .prepare_cached(
                        "DELETE FROM notifications WHERE next_at IS NULL AND seq <= (
                            SELECT seq FROM notifications WHERE next_at IS NULL ORDER BY seq DESC LIMIT 1 OFFSET ?1)",
                    )?
                    .execute([DEAD_LETTERS_MAX])?;
            }
            Ok(())
        })
        .await
    }

    /// Makes a notification due at once, with all its attempts before it. Returns it; none when there is no such one.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn retry_notification(
        &self,
        id: i64,
        at: UtcTime,
    ) -> Result<Option<Notification>, StorageError> {
        self.write(move |work| {
            work.conn
                .prepare_cached("UPDATE notifications SET attempts = 0, next_at = ?2 WHERE seq = ?1")?
                .execute((id, at.unix_ms()))?;
            let sql = format!("{SELECT} WHERE seq = ?1");
            let mut statement = work.conn.prepare_cached(&sql)?;
            let mut rows = statement.query([id])?;
            rows.next()?.map(read_notification).transpose()
        })
        .await
    }

    /// Lists notifications that wait, or dead letters, newest first.
    ///
    /// # Errors
    /// When the cursor is not valid or storage fails.
    pub async fn list_notifications(
        &self,
        is_dead: bool,
        page: Page,
    ) -> Result<Listed<Notification>, ListError> {
        let window = page.window(Order::NewestFirst)?;
        self.read(move |conn| {
            let sql =
                format!("{SELECT} WHERE seq < ?1 AND (next_at IS NULL) = ?3 ORDER BY seq DESC LIMIT ?2");
            let mut statement = conn.prepare_cached(&sql)?;
            let mut rows = statement.query((window.after, window.rows, is_dead))?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let notification = read_notification(row)?;
                found.push((notification.id, notification));
            }
            Ok(window.page(found))
        })
        .await
    }

    /// Returns how many notifications there are, for metrics.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn notification_counts(&self) -> Result<NotificationCounts, StorageError> {
        self.read(|conn| {
            Ok(conn
                .prepare_cached("SELECT count(next_at), count(*) - count(next_at) FROM notifications")?
                .query_row([], |row| Ok(NotificationCounts { waiting: row.get(0)?, dead: row.get(1)? }))?)
        })
        .await
    }
}

impl Work<'_> {
    /// Adds notifications that are due at once; returns how many there was room for.
    pub(crate) fn queue_notifications(
        &self,
        device: &DeviceId,
        new: &[NewNotification],
        at: UtcTime,
    ) -> Result<usize, StorageError> {
        if new.is_empty() {
            return Ok(0);
        }
        let waiting: u32 = self
            .conn
            .prepare_cached("SELECT count(*) FROM notifications WHERE next_at IS NOT NULL")?
            .query_row([], |row| row.get(0))?;
        let room = usize::try_from(NOTIFICATIONS_WAITING_MAX.saturating_sub(waiting)).unwrap_or(usize::MAX);
        // A webhook that was taken away meanwhile is passed over.
        let mut insert = self.conn.prepare_cached(
            "INSERT INTO notifications (device_id, address, webhook_id, subject, body, created_at, attempts, next_at)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, 0, ?6
             WHERE ?3 IS NULL OR EXISTS (SELECT 1 FROM webhooks WHERE id = ?3)",
        )?;
        for notification in new.iter().take(room) {
            let (address, webhook) = match &notification.target {
                NotificationTarget::Email(address) => (Some(address), None),
                NotificationTarget::Webhook(WebhookId(id)) => (None, Some(*id)),
            };
            let (subject, body) = (&notification.subject, &notification.body);
            insert.execute((device.as_str(), address, webhook, subject, body, at.unix_ms()))?;
        }
        Ok(new.len().min(room))
    }
}

const SELECT: &str =
    "SELECT seq, device_id, address, webhook_id, subject, body, created_at, attempts, next_at, last_error
     FROM notifications";

fn read_notification(row: &Row<'_>) -> Result<Notification, StorageError> {
    const DAMAGED: StorageError = StorageError::Damaged { what: "a notification" };
    let target = match (row.get(2)?, row.get(3)?) {
        (Some(address), None) => NotificationTarget::Email(address),
        (None, Some(id)) => NotificationTarget::Webhook(WebhookId(id)),
        _ => return Err(DAMAGED),
    };
    Ok(Notification {
        id: row.get(0)?,
        device: DeviceId::parse(&row.get::<_, String>(1)?).or(Err(DAMAGED))?,
        target,
        subject: row.get(4)?,
        body: row.get(5)?,
        created_at: UtcTime::from_unix_ms(row.get(6)?),
        attempts: row.get(7)?,
        next_at: row.get::<_, Option<i64>>(8)?.map(UtcTime::from_unix_ms),
        last_error: row.get(9)?,
    })
}
