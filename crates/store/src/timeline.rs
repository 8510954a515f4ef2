//! What happened to a device, as people read it. An entry belongs to one ownership and ends with it.

use registry::{DeviceId, Epoch, UtcTime};
use rusqlite::{Connection, OptionalExtension, Row};
use telemetry::{DeviceMeter, EventMeter, EventType, Notifying, RefuseEventError, TemplateEvent, day_of};

use crate::notifications::NewNotification;
use crate::page::Order;
use crate::values::WriteValuesError;
use crate::writer::Work;
use crate::{Change, DeviceError, ListError, Listed, Page, StorageError, Store};

/// 1,000 entries are kept for one ownership; the oldest go. At the quota of events that is ten days at least, and years
/// for a device that behaves.
pub const TIMELINE_ENTRIES_MAX: u32 = 1_000;

/// 20 comments on one entry.
pub const COMMENTS_MAX: u32 = 20;

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// The device logged an event.
    Event(EventType),
    /// The device came online.
    Online,
    /// The device went offline.
    Offline,
    /// A custom status began to apply.
    CustomStatus,
    /// A person wrote it.
    Note,
}

impl EntryKind {
    /// Returns the name in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event(event_type) => event_type.as_str(),
            Self::Online => "online",
            Self::Offline => "offline",
            Self::CustomStatus => "status",
            Self::Note => "note",
        }
    }

    /// Reads what [`EntryKind::as_str`] wrote.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "online" => Some(Self::Online),
            "offline" => Some(Self::Offline),
            "status" => Some(Self::CustomStatus),
            "note" => Some(Self::Note),
            event_type => EventType::from_name(event_type).map(Self::Event),
        }
    }

    /// Says whether somebody may resolve it.
    #[must_use]
    pub const fn can_be_resolved(self) -> bool {
        matches!(self, Self::Event(event_type) if event_type.can_be_resolved())
    }
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineEntry {
    /// Its number, in the order in which entries were written.
    pub id: i64,
    /// What it is about.
    pub kind: EntryKind,
    /// The code of an event.
    pub code: Option<String>,
    /// The name of the event or the status, as it was then.
    pub title: String,
    /// More; may be empty.
    pub description: String,
    /// When it happened.
    pub at: UtcTime,
    /// When it was resolved, and by whom.
    pub resolved: Option<(UtcTime, String)>,
    /// Whether it was put away.
    pub is_archived: bool,
    /// What people wrote about it, oldest first.
    pub comments: Vec<Comment>,
}

/// What a person wrote about an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// When.
    pub at: UtcTime,
    /// Who.
    pub actor: String,
    /// What.
    pub text: String,
}

/// An event that a device logs.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Which device.
    pub device: DeviceId,
    /// In which ownership.
    pub epoch: Epoch,
    /// What its template says about the event.
    pub event: TemplateEvent,
    /// What is to be read.
    pub description: String,
    /// When.
    pub at: UtcTime,
    /// What is sent if the event notifies.
    pub notifications: Vec<NewNotification>,
}

/// What became of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Its entry; none where the event is not kept on the timeline.
    pub entry: Option<TimelineEntry>,
    /// Notifications that wait to be delivered now.
    pub queued_count: usize,
    /// Notifications for which there was no room.
    pub dropped_count: usize,
}

/// Why an event was not logged.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LogEventError {
    /// There is no such device, or the ownership has ended.
    #[error("the device has no ownership that allows data")]
    NotOwned,
    /// The device logs too much.
    #[error(transparent)]
    Quota(#[from] RefuseEventError),
    /// Storage failed.
    #[error("storing the event failed")]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for LogEventError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

/// Which events of a code a device resolves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResolveScope {
    /// The newest that is open.
    Newest,
    /// All that are open.
    All,
}

/// Which entries are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimelineFilter {
    /// Of one kind; all when none.
    pub kind: Option<EntryKind>,
    /// Resolved ones, or those that are not; both when none. Only warnings and critical events are ever resolved.
    pub is_resolved: Option<bool>,
    /// Those that were put away instead of the others.
    pub is_archived: bool,
    /// Not before this time.
    pub from: Option<UtcTime>,
    /// Before this time.
    pub to: Option<UtcTime>,
}

/// What a person does to an entry; what is none stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EntryChange {
    /// Resolves it, or opens it again.
    pub resolves: Option<bool>,
    /// Puts it away, or brings it back.
    pub archives: Option<bool>,
}

/// Why an entry was not changed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeEntryError {
    /// The present ownership of the device has no such entry.
    #[error("there is no such entry")]
    NotFound,
    /// Only warnings and critical events can be resolved.
    #[error("only warnings and critical events can be resolved")]
    NotResolvable,
    /// It has as many comments as it may have.
    #[error("an entry has at most {COMMENTS_MAX} comments")]
    TooManyComments,
    /// Storage failed.
    #[error("changing the entry failed")]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for ChangeEntryError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl Store {
    /// Logs an event of the current ownership: quota, timeline and notifications in one transaction.
    ///
    /// # Errors
    /// When the ownership has ended, a quota is used up, or storage fails.
    pub async fn log_event(&self, new: NewEvent) -> Result<LoggedEvent, LogEventError> {
        self.write(move |work| {
            if !work.takes_data(&new.device, new.epoch)? {
                return Err(LogEventError::NotOwned);
            }
            let settings = new.event.settings();
            let owner = (&new.device, new.epoch);
            let code = new.event.code().as_str();
            let notifies = work.count_event(owner, code, &settings.notifying, new.at)??;
            let mut logged = LoggedEvent::default();
            if settings.is_on_timeline {
                logged.entry = Some(work.add_entry(
                    owner,
                    NewEntry {
                        kind: EntryKind::Event(settings.event_type),
                        code: Some(code),
                        title: &settings.name,
                        description: &new.description,
                        at: new.at,
                    },
                )?);
            }
            if notifies {
                logged.queued_count = work.queue_notifications(&new.device, &new.notifications, new.at)?;
                logged.dropped_count = new.notifications.len() - logged.queued_count;
            }
            Ok(logged)
        })
        .await
    }

    /// Resolves events of a code as the device asks for; returns those that were open.
    ///
    /// # Errors
    /// When the ownership has ended or storage fails.
    pub async fn resolve_events(
        &self,
        device: DeviceId,
        epoch: Epoch,
        code: String,
        scope: ResolveScope,
        at: UtcTime,
    ) -> Result<Vec<TimelineEntry>, WriteValuesError> {
        self.write(move |work| {
            if !work.takes_data(&device, epoch)? {
                return Err(WriteValuesError::NotOwned);
            }
            let mut statement = work.conn.prepare_cached(
                "SELECT seq FROM timeline WHERE device_id = ?1 AND epoch = ?2 AND code = ?3
                 AND resolved_at IS NULL AND kind IN ('warning', 'critical') ORDER BY seq DESC LIMIT ?4",
            )?;
            let count_max = match scope {
                ResolveScope::Newest => 1,
                ResolveScope::All => TIMELINE_ENTRIES_MAX,
            };
            let open =
                statement.query_map((device.as_str(), epoch.get(), &code, count_max), |row| row.get(0))?;
            let open: Vec<i64> = open.collect::<Result<_, _>>()?;
            let mut resolved = Vec::new();
            for id in open {
                resolve(work.conn, id, Some((at, "device")))?;
                resolved.extend(entry_now(work.conn, &device, id)?);
            }
            Ok(resolved)
        })
        .await
    }

    /// Lists the timeline of the current ownership, newest first.
    ///
    /// # Errors
    /// When the cursor is not valid or storage fails.
    pub async fn list_timeline(
        &self,
        device: DeviceId,
        filter: TimelineFilter,
        page: Page,
    ) -> Result<Listed<TimelineEntry>, ListError> {
        let window = page.window(Order::NewestFirst)?;
        self.read(move |conn| {
            let sql = format!(
                "{SELECT_ENTRY} WHERE d.id = ?1 AND t.seq < ?2 AND t.is_archived = ?4
                   AND (?5 IS NULL OR t.kind = ?5) AND (?6 IS NULL OR (t.resolved_at IS NOT NULL) = ?6)
                   AND t.at >= ?7 AND t.at < ?8
                 ORDER BY t.seq DESC LIMIT ?3"
            );
            let mut statement = conn.prepare_cached(&sql)?;
            let mut rows = statement.query((
                device.as_str(),
                window.after,
                window.rows,
                filter.is_archived,
                filter.kind.map(EntryKind::as_str),
                filter.is_resolved,
                filter.from.map_or(i64::MIN, UtcTime::unix_ms),
                filter.to.map_or(i64::MAX, UtcTime::unix_ms),
            ))?;
            let mut entries = Vec::new();
            while let Some(row) = rows.next()? {
                let entry = read_entry(conn, row)?;
                entries.push((entry.id, entry));
            }
            Ok(window.page(entries))
        })
        .await
    }

    /// Resolves an entry, puts it away, or takes that back.
    ///
    /// # Errors
    /// When there is no such entry, it cannot be resolved, or storage fails.
    pub async fn change_entry(
        &self,
        device: DeviceId,
        id: i64,
        entry_change: EntryChange,
        change: Change,
    ) -> Result<TimelineEntry, ChangeEntryError> {
        self.write(move |work| {
            let before = entry_now(work.conn, &device, id)?.ok_or(ChangeEntryError::NotFound)?;
            if let Some(resolves) = entry_change.resolves {
                if !before.kind.can_be_resolved() {
                    return Err(ChangeEntryError::NotResolvable);
                }
                // Who resolved it first keeps the credit.
                if resolves != before.resolved.is_some() {
                    resolve(work.conn, id, resolves.then_some((change.at, &change.actor)))?;
                }
            }
            if let Some(archives) = entry_change.archives {
                work.conn
                    .prepare_cached("UPDATE timeline SET is_archived = ?2 WHERE seq = ?1")?
                    .execute((id, archives))?;
            }
            entry_now(work.conn, &device, id)?.ok_or(ChangeEntryError::NotFound)
        })
        .await
    }

    /// Adds a comment to an entry.
    ///
    /// # Errors
    /// When there is no such entry, it has too many comments, or storage fails.
    pub async fn comment_entry(
        &self,
        device: DeviceId,
        id: i64,
        text: String,
        change: Change,
    ) -> Result<TimelineEntry, ChangeEntryError> {
        self.write(move |work| {
            entry_now(work.conn, &device, id)?.ok_or(ChangeEntryError::NotFound)?;
            let added_count = work
                .conn
                .prepare_cached(
                    "INSERT INTO timeline_comments (entry, number, at, actor, text)
                     SELECT ?1, count(*), ?2, ?3, ?4 FROM timeline_comments WHERE entry = ?1 HAVING count(*) < ?5",
                )?
                .execute((id, change.at.unix_ms(), &change.actor, &text, COMMENTS_MAX))?;
            if added_count == 0 {
                return Err(ChangeEntryError::TooManyComments);
            }
            entry_now(work.conn, &device, id)?.ok_or(ChangeEntryError::NotFound)
        })
        .await
    }

    /// Adds a person's note to the timeline of the current ownership.
    ///
    /// # Errors
    /// When there is no such device, its ownership has ended, or storage fails.
    pub async fn add_note(
        &self,
        device: DeviceId,
        text: String,
        change: Change,
    ) -> Result<TimelineEntry, DeviceError> {
        self.write(move |work| {
            let found = crate::devices::device_now(work.conn, &device)?.ok_or(DeviceError::NotFound)?;
            if !work.takes_data(&device, found.epoch)? {
                return Err(DeviceError::NotFound);
            }
            let (kind, at) = (EntryKind::Note, change.at);
            let note = NewEntry { kind, code: None, title: "Note", description: &text, at };
            Ok(work.add_entry((&device, found.epoch), note)?)
        })
        .await
    }
}

/// An entry to be written.
#[derive(Clone, Copy)]
pub(crate) struct NewEntry<'a> {
    pub(crate) kind: EntryKind,
    pub(crate) code: Option<&'a str>,
    pub(crate) title: &'a str,
    pub(crate) description: &'a str,
    pub(crate) at: UtcTime,
}

impl Work<'_> {
    /// Adds an entry; beyond [`TIMELINE_ENTRIES_MAX`] the oldest goes.
    pub(crate) fn add_entry(
        &self,
        (device, epoch): (&DeviceId, Epoch),
        new: NewEntry<'_>,
    ) -> Result<TimelineEntry, StorageError> {
        let owner = (device.as_str(), epoch.get());
        self.conn
            .prepare_cached(
                "INSERT INTO timeline (device_id, epoch, kind, code, title, description, at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute((
                owner.0,
                owner.1,
                new.kind.as_str(),
                new.code,
                new.title,
                new.description,
                new.at.unix_ms(),
            ))?;
        let id = self.conn.last_insert_rowid();
        self.conn
            .prepare_cached(
                "DELETE FROM timeline WHERE device_id = ?1 AND epoch = ?2 AND seq <= (
                    SELECT seq FROM timeline WHERE device_id = ?1 AND epoch = ?2 ORDER BY seq DESC LIMIT 1 OFFSET ?3)",
            )?
            .execute((owner.0, owner.1, TIMELINE_ENTRIES_MAX))?;
        Ok(TimelineEntry {
            id,
            kind: new.kind,
            code: new.code.map(str::to_owned),
            title: new.title.to_owned(),
            description: new.description.to_owned(),
            at: new.at,
            resolved: None,
            is_archived: false,
            comments: Vec::new(),
        })
    }

    /// Counts one more event of a kind; says whether it notifies. Statuses and events have quotas of their own, so that a
    /// device with a bad network can still raise an alarm.
    pub(crate) fn count_event(
        &self,
        (device, epoch): (&DeviceId, Epoch),
        kind: &str,
        notifying: &Notifying,
        at: UtcTime,
    ) -> Result<Result<bool, RefuseEventError>, StorageError> {
        let owner = (device.as_str(), epoch.get());
        let meter = self
            .conn
            .prepare_cached(
                "SELECT day, logged_count, logged_at, counted, notified_at FROM event_meters
                 WHERE device_id = ?1 AND epoch = ?2 AND kind = ?3",
            )?
            .query_row((owner.0, owner.1, kind), |row| {
                Ok(EventMeter {
                    day: row.get(0)?,
                    logged_count: row.get(1)?,
                    logged_at_ms: row.get(2)?,
                    counted: row.get(3)?,
                    notified_at_ms: row.get(4)?,
                })
            })
            .optional()?
            .unwrap_or_default();
        let is_status = kind.starts_with(STATUS_KIND_PREFIX);
        let whole_device = self
            .conn
            .prepare_cached(
                "SELECT ifnull(sum(CASE WHEN day = ?3 AND (kind LIKE 'status:%') = ?4 THEN logged_count END), 0),
                        max(notified_at)
                 FROM event_meters WHERE device_id = ?1 AND epoch = ?2",
            )?
            .query_row((owner.0, owner.1, day_of(at.unix_ms()), is_status), |row| {
                Ok(DeviceMeter { logged_count: row.get(0)?, notified_at_ms: row.get(1)? })
            })?;
        let counted = match meter.count(whole_device, notifying, at.unix_ms()) {
            Ok(counted) => counted,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let meter = counted.meter;
        self.conn
            .prepare_cached(
                "INSERT OR REPLACE INTO event_meters (device_id, epoch, kind, day, logged_count, logged_at, counted,
                    notified_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute((
                owner.0,
                owner.1,
                kind,
                meter.day,
                meter.logged_count,
                meter.logged_at_ms,
                meter.counted,
                meter.notified_at_ms,
            ))?;
        Ok(Ok(counted.notifies))
    }
}

/// No code of an event has a colon.
pub(crate) const STATUS_KIND_PREFIX: &str = "status:";

/// Entries of the ownership that holds now, and of no other.
const SELECT_ENTRY: &str =
    "SELECT t.seq, t.kind, t.code, t.title, t.description, t.at, t.resolved_at, t.resolved_by, t.is_archived
     FROM devices d JOIN timeline t ON t.device_id = d.id AND t.epoch = d.epoch";

fn resolve(conn: &Connection, id: i64, by: Option<(UtcTime, &str)>) -> Result<(), StorageError> {
    conn.prepare_cached("UPDATE timeline SET resolved_at = ?2, resolved_by = ?3 WHERE seq = ?1")?
        .execute((id, by.map(|(at, _)| at.unix_ms()), by.map(|(_, actor)| actor)))?;
    Ok(())
}

fn entry_now(conn: &Connection, device: &DeviceId, id: i64) -> Result<Option<TimelineEntry>, StorageError> {
    let sql = format!("{SELECT_ENTRY} WHERE d.id = ?1 AND t.seq = ?2");
    conn.prepare_cached(&sql)?
        .query_row((device.as_str(), id), |row| Ok(read_entry(conn, row)))
        .optional()?
        .transpose()
}

fn read_entry(conn: &Connection, row: &Row<'_>) -> Result<TimelineEntry, StorageError> {
    const DAMAGED: StorageError = StorageError::Damaged { what: "an entry of a timeline" };
    let id = row.get(0)?;
    let resolved_at: Option<i64> = row.get(6)?;
    let resolved_by: Option<String> = row.get(7)?;
    let mut statement = conn
        .prepare_cached("SELECT at, actor, text FROM timeline_comments WHERE entry = ?1 ORDER BY number")?;
    let comments = statement.query_map([id], |row| {
        Ok(Comment { at: UtcTime::from_unix_ms(row.get(0)?), actor: row.get(1)?, text: row.get(2)? })
    })?;
    Ok(TimelineEntry {
        id,
        kind: EntryKind::from_name(&row.get::<_, String>(1)?).ok_or(DAMAGED)?,
        code: row.get(2)?,
        title: row.get(3)?,
        description: row.get(4)?,
        at: UtcTime::from_unix_ms(row.get(5)?),
        resolved: resolved_at.map(|at| (UtcTime::from_unix_ms(at), resolved_by.unwrap_or_default())),
        is_archived: row.get(8)?,
        comments: comments.collect::<Result<_, _>>()?,
    })
}
