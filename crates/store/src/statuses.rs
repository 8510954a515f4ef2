//! The status of devices, written in batches: a login and the end of a connection store nothing themselves.

use registry::{DeviceId, Epoch, TemplateId, UtcTime};
use rusqlite::{Connection, OptionalExtension, Row};
use telemetry::{Notifying, StatusIndex};

use crate::notifications::NewNotification;
use crate::timeline::{EntryKind, NewEntry, STATUS_KIND_PREFIX, TimelineEntry};
use crate::writer::Work;
use crate::{StorageError, Store};

/// What is stored of a device's status. See [`telemetry::ConnectionStatus`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredStatus {
    /// What is shown.
    pub shown: StatusIndex,
    /// Since when.
    pub shown_at: UtcTime,
    /// What was told last.
    pub told: Option<StatusIndex>,
    /// Since when the device is away, where that is known.
    pub away_since: Option<UtcTime>,
    /// Whether time alone changes nothing any more.
    pub is_settled: bool,
}

/// Whose a device is and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceStanding {
    /// The device.
    pub device: DeviceId,
    /// Number of its current ownership.
    pub epoch: Epoch,
    /// Its template.
    pub template: TemplateId,
    /// Its name.
    pub name: String,
    /// Its status; none while this ownership has not seen it.
    pub status: Option<StoredStatus>,
}

/// A status to be stored.
#[derive(Debug, Clone)]
pub struct StatusWrite {
    /// The device.
    pub device: DeviceId,
    /// The ownership to which it belongs.
    pub epoch: Epoch,
    /// What to store.
    pub status: StoredStatus,
    /// Changes that are told.
    pub told: Vec<ToldStatus>,
}

/// A change of status that belongs on the timeline and may notify.
#[derive(Debug, Clone)]
pub struct ToldStatus {
    /// Which status.
    pub status: StatusIndex,
    /// Its name.
    pub title: String,
    /// More; may be empty.
    pub description: String,
    /// Since when it applies.
    pub at: UtcTime,
    /// Whether it is kept on the timeline.
    pub is_on_timeline: bool,
    /// Who is told, and when.
    pub notifying: Notifying,
    /// What is sent then.
    pub notifications: Vec<NewNotification>,
}

/// What became of a [`StatusWrite`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WrittenStatus {
    /// False when the ownership has ended: nothing was stored.
    pub is_stored: bool,
    /// New entries of the timeline.
    pub entries: Vec<TimelineEntry>,
    /// Notifications that wait to be delivered now.
    pub queued_count: usize,
    /// Notifications for which there was no room.
    pub dropped_count: usize,
}

impl Store {
    /// Stores several statuses in one transaction; what became of each, in the same order.
    ///
    /// # Errors
    /// When storage fails; nothing was stored then.
    pub async fn write_statuses(&self, writes: Vec<StatusWrite>) -> Result<Vec<WrittenStatus>, StorageError> {
        self.write(move |work| writes.iter().map(|write| work.write_status(write)).collect()).await
    }

    /// Returns how some devices stand; unknown devices and those that were released are left out.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn standings(&self, devices: Vec<DeviceId>) -> Result<Vec<DeviceStanding>, StorageError> {
        self.read(move |conn| {
            let sql = format!("{SELECT_STANDING} WHERE d.id = ?1 AND d.ownership IN ('reserved', 'owned')");
            let mut statement = conn.prepare_cached(&sql)?;
            let mut standings = Vec::new();
            for device in &devices {
                let found =
                    statement.query_row([device.as_str()], |row| Ok(read_standing(row))).optional()?;
                standings.extend(found.transpose()?);
            }
            Ok(standings)
        })
        .await
    }

    /// Returns the devices whose status time alone may change, by id, beginning after one; at the start of a server.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn unsettled_standings(
        &self,
        after: Option<DeviceId>,
        count_max: u16,
    ) -> Result<Vec<DeviceStanding>, StorageError> {
        self.read(move |conn| {
            let sql = format!(
                "{SELECT_STANDING} WHERE s.is_settled = 0 AND s.device_id > ?1
                 AND d.ownership IN ('reserved', 'owned') ORDER BY s.device_id LIMIT ?2"
            );
            let mut statement = conn.prepare_cached(&sql)?;
            let mut rows = statement.query((after.as_ref().map_or("", DeviceId::as_str), count_max))?;
            let mut standings = Vec::new();
            while let Some(row) = rows.next()? {
                standings.push(read_standing(row)?);
            }
            Ok(standings)
        })
        .await
    }
}

impl Work<'_> {
    fn write_status(&self, write: &StatusWrite) -> Result<WrittenStatus, StorageError> {
        if !self.takes_data(&write.device, write.epoch)? {
            return Ok(WrittenStatus::default());
        }
        put_status(self.conn, write)?;
        let mut written = WrittenStatus { is_stored: true, ..WrittenStatus::default() };
        let owner = (&write.device, write.epoch);
        for told in &write.told {
            let kind = format!("{STATUS_KIND_PREFIX}{}", told.status.number());
            // Over the quota it is neither kept nor sent; the status itself is right all the same.
            let Ok(notifies) = self.count_event(owner, &kind, &told.notifying, told.at)? else { continue };
            if told.is_on_timeline {
                let (title, description, at) = (told.title.as_str(), told.description.as_str(), told.at);
                let new = NewEntry { kind: kind_of(told.status), code: None, title, description, at };
                written.entries.push(self.add_entry(owner, new)?);
            }
            if notifies {
                let queued_count = self.queue_notifications(&write.device, &told.notifications, told.at)?;
                written.queued_count += queued_count;
                written.dropped_count += told.notifications.len() - queued_count;
            }
        }
        Ok(written)
    }
}

const fn kind_of(status: StatusIndex) -> EntryKind {
    match status.number() {
        0 => EntryKind::Online,
        1 => EntryKind::Offline,
        _ => EntryKind::CustomStatus,
    }
}

fn put_status(conn: &Connection, write: &StatusWrite) -> Result<(), StorageError> {
    let StoredStatus { shown, shown_at, told, away_since, is_settled } = write.status;
    conn.prepare_cached(
        "INSERT OR REPLACE INTO device_statuses (device_id, epoch, shown, shown_at, told, away_since, is_settled)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute((
        write.device.as_str(),
        write.epoch.get(),
        shown.number(),
        shown_at.unix_ms(),
        told.map(StatusIndex::number),
        away_since.map(UtcTime::unix_ms),
        is_settled,
    ))?;
    Ok(())
}

const SELECT_STANDING: &str =
    "SELECT d.id, d.epoch, d.template_id, d.name, s.shown, s.shown_at, s.told, s.away_since, s.is_settled
     FROM devices d LEFT JOIN device_statuses s ON s.device_id = d.id AND s.epoch = d.epoch";

fn read_standing(row: &Row<'_>) -> Result<DeviceStanding, StorageError> {
    const DAMAGED: StorageError = StorageError::Damaged { what: "the status of a device" };
    let time = |column: usize| -> Result<Option<UtcTime>, StorageError> {
        Ok(row.get::<_, Option<i64>>(column)?.map(UtcTime::from_unix_ms))
    };
    let status = match row.get::<_, Option<u8>>(4)? {
        None => None,
        Some(shown) => Some(StoredStatus {
            shown: StatusIndex::new(shown),
            shown_at: time(5)?.ok_or(DAMAGED)?,
            told: row.get::<_, Option<u8>>(6)?.map(StatusIndex::new),
            away_since: time(7)?,
            is_settled: row.get(8)?,
        }),
    };
    Ok(DeviceStanding {
        device: DeviceId::parse(&row.get::<_, String>(0)?).or(Err(DAMAGED))?,
        epoch: Epoch::new(row.get(1)?),
        template: TemplateId::parse(&row.get::<_, String>(2)?).or(Err(DAMAGED))?,
        name: row.get(3)?,
        status,
    })
}
