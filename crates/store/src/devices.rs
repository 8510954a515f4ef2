//! Devices: records, logins, what a device says about itself.

use registry::{DeviceId, Epoch, Ownership, ReleaseRecord, TemplateId, Token, TokenRecord, UtcTime};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::page::Order;
use crate::token_index::token_now;
use crate::writer::Work;
use crate::{Change, ListError, Listed, Page, StorageError, Store, releases};

/// 64 metadata fields are kept per ownership: six times what the hosted service allows, and a board that makes up names
/// cannot fill the disk.
pub const METADATA_FIELDS_MAX: u32 = 64;

/// A device as stored. Whether it is online is known to the gateway, not to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its identifier.
    pub id: DeviceId,
    /// Its template.
    pub template_id: TemplateId,
    /// Name of the template.
    pub template_name: String,
    /// Its name.
    pub name: String,
    /// Identifier that the device gave itself (`Device UID`).
    pub uid: Option<String>,
    /// SSID of its hotspot, as it said (`Hotspot Name`).
    pub hotspot_name: Option<String>,
    /// Number of the current ownership.
    pub epoch: Epoch,
    /// Where the current ownership stands.
    pub ownership: Ownership,
    /// When the record was made.
    pub created_at: UtcTime,
    /// When it was last heard.
    pub last_seen_at: Option<UtcTime>,
    /// What its last info message said.
    pub firmware: Option<Firmware>,
    /// The release of the current ownership, where there is one.
    pub release: Option<ReleaseRecord>,
    /// Epoch of the release key that it holds; none when it is not known to hold one.
    pub key_epoch: Option<Epoch>,
}

/// What a device says in its info message (reference/wire-protocol.md 6.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Firmware {
    /// `mcu` or `fw`.
    pub version: Option<String>,
    /// `fw-type`.
    pub kind: Option<String>,
    /// `build`.
    pub build: Option<String>,
    /// `blynk` or `ver`.
    pub library: Option<String>,
    /// `dev`.
    pub board: Option<String>,
    /// `h-beat`, in seconds.
    pub heartbeat_s: Option<u32>,
}

/// A device to be created with a static token.
#[derive(Debug, Clone)]
pub struct NewDevice {
    /// Its identifier.
    pub id: DeviceId,
    /// Its template.
    pub template_id: TemplateId,
    /// Its name.
    pub name: String,
    /// Its token; only the keyed hash is stored.
    pub token: Token,
}

/// Why a device was not created.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CreateDeviceError {
    /// There is no such template.
    #[error("there is no such template")]
    TemplateNotFound,
    /// Storage failed.
    #[error("storing the device failed")]
    Storage(#[from] StorageError),
}

/// Why something could not be done to a device.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// There is no such device, or it is not in this epoch any more.
    #[error("there is no such device")]
    NotFound,
    /// Storage failed.
    #[error("changing the device failed")]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for CreateDeviceError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl From<rusqlite::Error> for DeviceError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl Store {
    /// Creates a device that is reserved for the holder of a static token.
    ///
    /// When the token is a device's already, that device is returned: tokens are random, so this is the same request
    /// again, after a crash between storing the device and answering.
    ///
    /// # Errors
    /// When the template does not exist or storage fails.
    pub async fn create_device(&self, new: NewDevice, change: Change) -> Result<Device, CreateDeviceError> {
        let hash = self.hash_token(&new.token);
        self.write(move |work| {
            let known = token_now(work.conn, &hash)?.map(|(_, indexed)| indexed.record);
            if let Some(TokenRecord::Device { device, .. }) = known {
                let device = device_now(work.conn, &device)?;
                return device.ok_or(CreateDeviceError::Storage(StorageError::Damaged { what: "a device" }));
            }
            if !template_exists(work.conn, &new.template_id)? {
                return Err(CreateDeviceError::TemplateNotFound);
            }
            work.insert_device(&new.id, &new.template_id, &new.name, Ownership::Reserved, change.at)?;
            work.conn
                .prepare_cached(
                    "INSERT INTO tokens (hash, kind, device_id, epoch, created_at) VALUES (?1, 'device', ?2, ?3, ?4)",
                )?
                .execute((hash.as_bytes(), new.id.as_str(), Epoch::FIRST.get(), change.at.unix_ms()))?;
            work.token_changed(&hash)?;
            work.audit(&change, "device.create", new.id.as_str(), "static token")?;
            let device = device_now(work.conn, &new.id)?;
            device.ok_or(CreateDeviceError::Storage(StorageError::Damaged { what: "a new device" }))
        })
        .await
    }

    /// Returns one device.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn device(&self, id: DeviceId) -> Result<Option<Device>, StorageError> {
        self.read(move |conn| device_now(conn, &id)).await
    }

    /// Lists devices, oldest first.
    ///
    /// # Errors
    /// When the cursor is not valid or storage fails.
    pub async fn list_devices(&self, page: Page) -> Result<Listed<Device>, ListError> {
        let window = page.window(Order::OldestFirst)?;
        self.read(move |conn| {
            let sql = format!("{SELECT_DEVICE} WHERE d.seq > ?1 ORDER BY d.seq LIMIT ?2");
            let mut statement = conn.prepare_cached(&sql)?;
            let mut rows = statement.query([window.after, window.rows])?;
            let mut devices = Vec::new();
            while let Some(row) = rows.next()? {
                devices.push((row.get(0)?, read_device(row)?));
            }
            Ok(window.page(devices))
        })
        .await
    }

    /// Renames a device.
    ///
    /// # Errors
    /// When there is no such device or storage fails.
    pub async fn rename_device(
        &self,
        id: DeviceId,
        name: String,
        change: Change,
    ) -> Result<Device, DeviceError> {
        self.write(move |work| {
            work.conn
                .prepare_cached("UPDATE devices SET name = ?2 WHERE id = ?1")?
                .execute((id.as_str(), &name))?;
            let device = device_now(work.conn, &id)?.ok_or(DeviceError::NotFound)?;
            work.audit(&change, "device.rename", id.as_str(), "")?;
            Ok(device)
        })
        .await
    }

    /// Says whether a login with this token has something to store ([`Store::record_login`]): only the first login of an
    /// ownership has.
    #[must_use]
    pub fn awaits_first_login(&self, token: &Token) -> bool {
        self.token_index().awaits_first_login(&self.hash_token(token))
    }

    /// Records an accepted login: the first one turns a reserved ownership into an owned one.
    ///
    /// # Errors
    /// When there is no such device in this epoch with data access (it was released meanwhile: look its token up again),
    /// or storage fails.
    pub async fn record_login(&self, id: DeviceId, epoch: Epoch, at: UtcTime) -> Result<(), DeviceError> {
        self.write(move |work| {
            let owned: Option<bool> = work
                .conn
                .prepare_cached(
                    "SELECT ownership = 'owned' FROM devices
                     WHERE id = ?1 AND epoch = ?2 AND ownership IN ('reserved', 'owned')",
                )?
                .query_row((id.as_str(), epoch.get()), |row| row.get(0))
                .optional()?;
            if !owned.ok_or(DeviceError::NotFound)? {
                work.conn
                    .prepare_cached("UPDATE devices SET ownership = 'owned' WHERE id = ?1")?
                    .execute([id.as_str()])?;
                work.conn
                    .prepare_cached(
                        "UPDATE ownerships SET owned_at = ?3 WHERE device_id = ?1 AND epoch = ?2",
                    )?
                    .execute((id.as_str(), epoch.get(), at.unix_ms()))?;
                work.audit(&Change::by("device", at), "device.first_login", id.as_str(), "")?;
                work.device_tokens_changed(&id)?;
            }
            mark_seen(work.conn, &id, at)?;
            Ok(())
        })
        .await
    }

    /// Records when devices were last heard. Times never go back; unknown devices are passed over.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn record_last_seen(&self, seen: Vec<(DeviceId, UtcTime)>) -> Result<(), StorageError> {
        self.write(move |work| seen.iter().try_for_each(|(id, at)| mark_seen(work.conn, id, *at))).await
    }

    /// Records what a device said in its info message.
    ///
    /// # Errors
    /// When there is no such device or storage fails.
    pub async fn record_firmware(&self, id: DeviceId, firmware: Firmware) -> Result<(), DeviceError> {
        self.write(move |work| {
            let changed_count = work
                .conn
                .prepare_cached(
                    "UPDATE devices SET fw_version = ?2, fw_kind = ?3, fw_build = ?4, fw_library = ?5, fw_board = ?6,
                     fw_heartbeat_s = ?7 WHERE id = ?1",
                )?
                .execute((
                    id.as_str(),
                    &firmware.version,
                    &firmware.kind,
                    &firmware.build,
                    &firmware.library,
                    &firmware.board,
                    firmware.heartbeat_s,
                ))?;
            if changed_count == 0 { Err(DeviceError::NotFound) } else { Ok(()) }
        })
        .await
    }

    /// Stores a metadata field of the current ownership. `Device UID` and `Hotspot Name` are the board's identity and
    /// also go into the device record. Beyond [`METADATA_FIELDS_MAX`] fields a new one is passed over.
    ///
    /// # Errors
    /// When there is no such device in this epoch with data access, or storage fails.
    pub async fn set_metadata(
        &self,
        id: DeviceId,
        epoch: Epoch,
        field: String,
        value: String,
    ) -> Result<(), DeviceError> {
        self.write(move |work| {
            let column_sql = match field.as_str() {
                "Device UID" => Some("UPDATE devices SET uid = ?2 WHERE id = ?1"),
                "Hotspot Name" => Some("UPDATE devices SET hotspot_name = ?2 WHERE id = ?1"),
                _ => None,
            };
            if column_sql.is_none() && has_no_room_for_field(work.conn, &id, epoch, &field)? {
                return Ok(());
            }
            let stored_count = work
                .conn
                .prepare_cached(
                    "INSERT INTO metadata (device_id, epoch, field, value)
                     SELECT id, epoch, ?3, ?4 FROM devices
                     WHERE id = ?1 AND epoch = ?2 AND ownership IN ('reserved', 'owned')
                     ON CONFLICT (device_id, epoch, field) DO UPDATE SET value = excluded.value",
                )?
                .execute((id.as_str(), epoch.get(), &field, &value))?;
            if stored_count == 0 {
                return Err(DeviceError::NotFound);
            }
            work.number_metadata_field(&field)?;
            if let Some(column_sql) = column_sql {
                work.conn.prepare_cached(column_sql)?.execute((id.as_str(), &value))?;
            }
            Ok(())
        })
        .await
    }

    /// Returns a metadata field of one ownership.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn metadata(
        &self,
        id: DeviceId,
        epoch: Epoch,
        field: String,
    ) -> Result<Option<String>, StorageError> {
        self.read(move |conn| {
            Ok(conn
                .prepare_cached(
                    "SELECT value FROM metadata WHERE device_id = ?1 AND epoch = ?2 AND field = ?3",
                )?
                .query_row((id.as_str(), epoch.get(), field), |row| row.get(0))
                .optional()?)
        })
        .await
    }
}

impl Work<'_> {
    /// Adds a device with its first ownership.
    pub(crate) fn insert_device(
        &self,
        id: &DeviceId,
        template_id: &TemplateId,
        name: &str,
        ownership: Ownership,
        at: UtcTime,
    ) -> Result<(), StorageError> {
        let epoch = Epoch::FIRST.get();
        self.conn
            .prepare_cached(
                "INSERT INTO devices (id, template_id, name, epoch, ownership, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((id.as_str(), template_id.as_str(), name, epoch, ownership.as_str(), at.unix_ms()))?;
        let owned_at = (ownership == Ownership::Owned).then_some(at.unix_ms());
        self.conn
            .prepare_cached(
                "INSERT INTO ownerships (device_id, epoch, reserved_at, owned_at) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute((id.as_str(), epoch, at.unix_ms(), owned_at))?;
        Ok(())
    }
}

impl Work<'_> {
    /// Says whether an ownership is the current one and allows data.
    pub(crate) fn takes_data(&self, id: &DeviceId, epoch: Epoch) -> Result<bool, StorageError> {
        let takes_data = self
            .conn
            .prepare_cached(
                "SELECT 1 FROM devices WHERE id = ?1 AND epoch = ?2 AND ownership IN ('reserved', 'owned')",
            )?
            .exists((id.as_str(), epoch.get()))?;
        Ok(takes_data)
    }
}

pub(crate) fn template_exists(conn: &Connection, id: &TemplateId) -> Result<bool, StorageError> {
    let found = conn.prepare_cached("SELECT 1 FROM templates WHERE id = ?1")?.exists([id.as_str()])?;
    Ok(found)
}

fn has_no_room_for_field(
    conn: &Connection,
    id: &DeviceId,
    epoch: Epoch,
    field: &str,
) -> Result<bool, StorageError> {
    let is_full = conn
        .prepare_cached(
            "SELECT count(*) >= ?4 AND total(field = ?3) = 0 FROM metadata WHERE device_id = ?1 AND epoch = ?2",
        )?
        .query_row((id.as_str(), epoch.get(), field, METADATA_FIELDS_MAX), |row| row.get(0))?;
    Ok(is_full)
}

pub(crate) fn mark_seen(conn: &Connection, id: &DeviceId, at: UtcTime) -> Result<(), StorageError> {
    conn.prepare_cached("UPDATE devices SET last_seen_at = max(ifnull(last_seen_at, ?2), ?2) WHERE id = ?1")?
        .execute((id.as_str(), at.unix_ms()))?;
    Ok(())
}

pub(crate) fn device_now(conn: &Connection, id: &DeviceId) -> Result<Option<Device>, StorageError> {
    let sql = format!("{SELECT_DEVICE} WHERE d.id = ?1");
    conn.prepare_cached(&sql)?.query_row([id.as_str()], |row| Ok(read_device(row))).optional()?.transpose()
}

const SELECT_DEVICE: &str =
    "SELECT d.seq, d.id, d.template_id, t.name, d.name, d.uid, d.hotspot_name, d.epoch,
            d.ownership, d.created_at, d.last_seen_at,
            d.fw_version, d.fw_kind, d.fw_build, d.fw_library, d.fw_board, d.fw_heartbeat_s,
            r.state, r.requested_at, r.finished_at, r.last_seen_at, r.attempts, r.contradictions,
            r.order_reached_live_board, d.key_epoch
     FROM devices d
     JOIN templates t ON t.id = d.template_id
     LEFT JOIN releases r ON r.device_id = d.id AND r.epoch = d.epoch";

/// Column of [`SELECT_DEVICE`] where the release starts.
const RELEASE_COLUMN: usize = 17;

/// Column of [`SELECT_DEVICE`] after the release.
const KEY_EPOCH_COLUMN: usize = 24;

fn read_device(row: &Row<'_>) -> Result<Device, StorageError> {
    const DAMAGED: StorageError = StorageError::Damaged { what: "a device" };
    let firmware = Firmware {
        version: row.get(11)?,
        kind: row.get(12)?,
        build: row.get(13)?,
        library: row.get(14)?,
        board: row.get(15)?,
        heartbeat_s: row.get(16)?,
    };
    Ok(Device {
        id: DeviceId::parse(&row.get::<_, String>(1)?).or(Err(DAMAGED))?,
        template_id: TemplateId::parse(&row.get::<_, String>(2)?).or(Err(DAMAGED))?,
        template_name: row.get(3)?,
        name: row.get(4)?,
        uid: row.get(5)?,
        hotspot_name: row.get(6)?,
        epoch: Epoch::new(row.get(7)?),
        ownership: Ownership::from_name(&row.get::<_, String>(8)?).ok_or(DAMAGED)?,
        created_at: UtcTime::from_unix_ms(row.get(9)?),
        last_seen_at: row.get::<_, Option<i64>>(10)?.map(UtcTime::from_unix_ms),
        firmware: (firmware != Firmware::default()).then_some(firmware),
        release: releases::read_release(row, RELEASE_COLUMN)?,
        key_epoch: row.get::<_, Option<u32>>(KEY_EPOCH_COLUMN)?.map(Epoch::new),
    })
}
