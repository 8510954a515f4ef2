//! Releases and forced deletes.

use registry::{DeviceId, Epoch, Ownership, ReleaseRecord, ReleaseState, TokenHash, UtcTime};
use rusqlite::{OptionalExtension, Row};

use crate::devices::device_now;
use crate::history::purge_history;
use crate::writer::Work;
use crate::{Change, Device, DeviceError, StorageError, Store};

/// A release that was requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedRelease {
    /// Its record.
    pub record: ReleaseRecord,
    /// False when the device had been released before; nothing was changed then.
    pub is_new: bool,
}

impl Store {
    /// Ends an ownership: data and control end, values, history, metadata and timeline are purged, the token becomes a tombstone, the
    /// release is `pending`. Asking again returns the release as it stands.
    ///
    /// # Errors
    /// When there is no such device or storage fails.
    pub async fn begin_release(&self, id: DeviceId, change: Change) -> Result<StartedRelease, DeviceError> {
        self.write(move |work| {
            let device = device_now(work.conn, &id)?.ok_or(DeviceError::NotFound)?;
            if let Some(record) = device.release {
                return Ok(StartedRelease { record, is_new: false });
            }
            let record = ReleaseRecord::requested(change.at, device.last_seen_at);
            work.purge_owner_data(&id)?;
            work.conn
                .prepare_cached("UPDATE devices SET ownership = 'releasing' WHERE id = ?1")?
                .execute([id.as_str()])?;
            work.conn
                .prepare_cached(
                    "UPDATE ownerships SET release_requested_at = ?3 WHERE device_id = ?1 AND epoch = ?2",
                )?
                .execute((id.as_str(), device.epoch.get(), change.at.unix_ms()))?;
            work.put_release(&id, device.epoch, &record)?;
            work.conn
                .prepare_cached("UPDATE tokens SET kind = 'tombstone' WHERE device_id = ?1 AND epoch = ?2")?
                .execute((id.as_str(), device.epoch.get()))?;
            work.device_tokens_changed(&id)?;
            work.audit(&change, "device.release", id.as_str(), &format!("epoch {}", device.epoch))?;
            Ok(StartedRelease { record, is_new: true })
        })
        .await
    }

    /// Stores how far a release has come ([`registry::ReleaseAction::Store`]). The ownership follows: `released` when the
    /// wipe was inferred or confirmed, `releasing` again when an inference is taken back.
    ///
    /// # Errors
    /// When the device has no release or storage fails.
    pub async fn store_release(
        &self,
        id: DeviceId,
        record: ReleaseRecord,
        at: UtcTime,
    ) -> Result<(), DeviceError> {
        self.write(move |work| {
            let device = device_now(work.conn, &id)?.ok_or(DeviceError::NotFound)?;
            let before = device.release.ok_or(DeviceError::NotFound)?;
            work.put_release(&id, device.epoch, &record)?;
            let ownership =
                if record.state.is_safe_to_ship() { Ownership::Released } else { Ownership::Releasing };
            work.conn
                .prepare_cached("UPDATE devices SET ownership = ?2 WHERE id = ?1")?
                .execute((id.as_str(), ownership.as_str()))?;
            if let Some(seen_at) = record.last_seen_at {
                crate::devices::mark_seen(work.conn, &id, seen_at)?;
            }
            work.device_tokens_changed(&id)?;
            if before.state != record.state {
                let detail = format!("{} to {}", before.state.as_str(), record.state.as_str());
                work.audit(&Change::by("server", at), "device.release_state", id.as_str(), &detail)?;
            }
            Ok(())
        })
        .await
    }

    /// Returns the releases that are in a state; with `Sent` at start-up, to listen for those boards
    /// ([`registry::Release::resume`]).
    ///
    /// # Errors
    /// When storage fails.
    pub async fn releases_in(
        &self,
        state: ReleaseState,
    ) -> Result<Vec<(DeviceId, ReleaseRecord)>, StorageError> {
        self.read(move |conn| {
            let mut statement = conn.prepare_cached(
                "SELECT d.id, r.state, r.requested_at, r.finished_at, r.last_seen_at, r.attempts, r.contradictions,
                        r.order_reached_live_board
                 FROM devices d JOIN releases r ON r.device_id = d.id AND r.epoch = d.epoch
                 WHERE r.state = ?1 ORDER BY d.seq",
            )?;
            let mut rows = statement.query([state.as_str()])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let id = DeviceId::parse(&row.get::<_, String>(0)?).or(Err(DAMAGED))?;
                found.push((id, read_release(row, 1)?.ok_or(DAMAGED)?));
            }
            Ok(found)
        })
        .await
    }

    /// Deletes a device without wiping its board. Everything about it is purged but its tokens' hashes, which are
    /// refused from now on, and the audit. Returns the device as it was; [`registry::left_behind`] says what remains.
    ///
    /// # Errors
    /// When there is no such device or storage fails.
    pub async fn force_delete(&self, id: DeviceId, change: Change) -> Result<Device, DeviceError> {
        self.write(move |work| {
            let device = device_now(work.conn, &id)?.ok_or(DeviceError::NotFound)?;
            let hashes = work.device_tokens(&id)?;
            work.conn
                .prepare_cached(
                    "UPDATE tokens SET kind = 'revoked', device_id = NULL, epoch = NULL WHERE device_id = ?1",
                )?
                .execute([id.as_str()])?;
            // Ownerships and releases go with the row; sessions forget the device.
            work.purge_owner_data(&id)?;
            work.conn.prepare_cached("DELETE FROM devices WHERE id = ?1")?.execute([id.as_str()])?;
            for hash in &hashes {
                work.token_changed(hash)?;
            }
            let release = device.release.as_ref().map_or("none", |record| record.state.as_str());
            let detail = format!("ownership {}, release {release}", device.ownership.as_str());
            work.audit(&change, "device.force_delete", id.as_str(), &detail)?;
            Ok(device)
        })
        .await
    }
}

const DAMAGED: StorageError = StorageError::Damaged { what: "a release" };

impl Work<'_> {
    pub(crate) fn purge_owner_data(&mut self, id: &DeviceId) -> Result<(), StorageError> {
        self.purged_streams(&purge_history(self.conn, id)?);
        self.conn.prepare_cached("DELETE FROM values_last WHERE device_id = ?1")?.execute([id.as_str()])?;
        self.conn.prepare_cached("DELETE FROM metadata WHERE device_id = ?1")?.execute([id.as_str()])?;
        self.conn.prepare_cached("DELETE FROM properties WHERE device_id = ?1")?.execute([id.as_str()])?;
        self.conn.prepare_cached("DELETE FROM reports WHERE device_id = ?1")?.execute([id.as_str()])?;
        self.conn.prepare_cached("DELETE FROM uploads WHERE device_id = ?1")?.execute([id.as_str()])?;
        self.conn.prepare_cached("DELETE FROM timeline WHERE device_id = ?1")?.execute([id.as_str()])?;
        self.conn.prepare_cached("DELETE FROM event_meters WHERE device_id = ?1")?.execute([id.as_str()])?;
        self.conn
            .prepare_cached("DELETE FROM device_statuses WHERE device_id = ?1")?
            .execute([id.as_str()])?;
        // What was not delivered yet tells of the owner who goes.
        self.conn.prepare_cached("DELETE FROM notifications WHERE device_id = ?1")?.execute([id.as_str()])?;
        self.purged();
        Ok(())
    }

    fn put_release(&self, id: &DeviceId, epoch: Epoch, record: &ReleaseRecord) -> Result<(), StorageError> {
        self.conn
            .prepare_cached(
                "INSERT INTO releases (device_id, epoch, state, requested_at, finished_at, last_seen_at, attempts,
                                       contradictions, order_reached_live_board)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                 ON CONFLICT (device_id, epoch) DO UPDATE SET state = excluded.state, finished_at = excluded.finished_at,
                    last_seen_at = excluded.last_seen_at, attempts = excluded.attempts,
                    contradictions = excluded.contradictions,
                    order_reached_live_board = excluded.order_reached_live_board",
            )?
            .execute((
                id.as_str(),
                epoch.get(),
                record.state.as_str(),
                record.requested_at.unix_ms(),
                record.finished_at.map(UtcTime::unix_ms),
                record.last_seen_at.map(UtcTime::unix_ms),
                record.attempts,
                record.contradictions,
                record.order_reached_live_board,
            ))?;
        Ok(())
    }

    fn device_tokens(&self, id: &DeviceId) -> Result<Vec<TokenHash>, StorageError> {
        let mut statement =
            self.conn.prepare_cached("SELECT hash FROM tokens WHERE device_id = ?1 ORDER BY hash")?;
        let hashes = statement.query_map([id.as_str()], |row| row.get(0).map(TokenHash::from_bytes))?;
        Ok(hashes.collect::<Result<_, _>>()?)
    }

    pub(crate) fn device_tokens_changed(&mut self, id: &DeviceId) -> Result<(), StorageError> {
        self.device_tokens(id)?.iter().try_for_each(|hash| self.token_changed(hash))
    }
}

/// Reads a release whose columns start at `first`; none when the row has none (outer join).
pub(crate) fn read_release(row: &Row<'_>, first: usize) -> Result<Option<ReleaseRecord>, StorageError> {
    let Some(state) = row.get::<_, Option<String>>(first).optional()?.flatten() else { return Ok(None) };
    let time = |offset: usize| -> Result<Option<UtcTime>, rusqlite::Error> {
        Ok(row.get::<_, Option<i64>>(first + offset)?.map(UtcTime::from_unix_ms))
    };
    Ok(Some(ReleaseRecord {
        state: ReleaseState::from_name(&state).ok_or(DAMAGED)?,
        requested_at: time(1)?.ok_or(DAMAGED)?,
        finished_at: time(2)?,
        last_seen_at: time(3)?,
        attempts: row.get(first + 4)?,
        contradictions: row.get(first + 5)?,
        order_reached_live_board: row.get(first + 6)?,
    }))
}
