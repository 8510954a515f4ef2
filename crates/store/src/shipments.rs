//! Firmware shipments and what became of them on each device.

use std::collections::HashSet;

use registry::{
    ApplyRule, Delivery, DeliveryCounts, DeliveryState, DeviceId, FirmwareId, Review, ShipmentId,
    ShipmentStage, ShipmentState, TemplateId, UtcTime, review,
};
use rusqlite::{OptionalExtension, Row};

use crate::devices::template_exists;
use crate::firmware_images::read_firmware;
use crate::page::Order;
use crate::writer::Work;
use crate::{Change, FirmwareImage, ListError, Listed, Page, StorageError, Store};

/// 10 shipments are looked at for one device: a template has a few types of firmware, each with a shipment or two.
const DUE_MAX: u32 = 10;

/// A shipment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shipment {
    /// Its identifier.
    pub id: ShipmentId,
    /// Its name.
    pub name: String,
    /// The template whose devices it goes to.
    pub template_id: TemplateId,
    /// When a device gets the image.
    pub rule: ApplyRule,
    /// Where it stands.
    pub state: ShipmentState,
    /// Who is told at the moment.
    pub stage: ShipmentStage,
    /// Whether devices that join the template later get it too.
    pub is_open_ended: bool,
    /// It stops by itself above this share of failed devices, in percent.
    pub failure_percent_max: u8,
    /// Downloads for one device in 24 h.
    pub attempts_max: u32,
    /// When it was made.
    pub created_at: UtcTime,
    /// When its state or stage last changed.
    pub updated_at: UtcTime,
    /// The image.
    pub image: FirmwareImage,
    /// How many devices stand where.
    pub counts: DeliveryCounts,
}

/// A shipment to be made.
#[derive(Debug, Clone)]
pub struct NewShipment {
    /// Its identifier.
    pub id: ShipmentId,
    /// Its name.
    pub name: String,
    /// The template whose devices it goes to.
    pub template_id: TemplateId,
    /// The image.
    pub firmware_id: FirmwareId,
    /// When a device gets the image.
    pub rule: ApplyRule,
    /// The devices it goes to.
    pub devices: Vec<DeviceId>,
    /// Those of them that get it first; none for everyone at once.
    pub canaries: Vec<DeviceId>,
    /// Whether devices that join the template later get it too.
    pub is_open_ended: bool,
    /// It stops by itself above this share of failed devices, in percent.
    pub failure_percent_max: u8,
    /// Downloads for one device in 24 h.
    pub attempts_max: u32,
}

/// Why a shipment was not made or changed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ShipmentError {
    /// There is no such template.
    #[error("there is no such template")]
    TemplateNotFound,
    /// There is no such image.
    #[error("there is no such firmware image")]
    FirmwareNotFound,
    /// A device does not exist or belongs to another template.
    #[error("device {id} does not belong to the template")]
    DeviceNotFound {
        /// Which one.
        id: DeviceId,
    },
    /// There is no such shipment.
    #[error("there is no such shipment")]
    NotFound,
    /// The state does not allow it.
    #[error("the shipment is {} and cannot become {}", from.as_str(), to.as_str())]
    NotAllowed {
        /// What it is.
        from: ShipmentState,
        /// What it was to become.
        to: ShipmentState,
    },
    /// Storage failed.
    #[error("storing the shipment failed")]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for ShipmentError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

/// One device of a shipment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShippedDevice {
    /// Which device.
    pub device: DeviceId,
    /// Whether it is one of the first.
    pub is_canary: bool,
    /// How far it has come.
    pub delivery: Delivery,
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedDelivery {
    /// How far it had come.
    pub before: Delivery,
    /// How far it has come; none when it was left as it was.
    pub after: Option<Delivery>,
    /// The shipment, where the change widened, stopped or finished it.
    pub shipment: Option<Shipment>,
}

impl Store {
    /// Returns the devices of a template that have an owner or wait for one, oldest first.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn devices_of_template(&self, id: TemplateId) -> Result<Vec<DeviceId>, StorageError> {
        self.read(move |conn| {
            let mut statement = conn.prepare_cached(
                "SELECT id FROM devices WHERE template_id = ?1 AND ownership IN ('reserved', 'owned') ORDER BY seq",
            )?;
            let mut rows = statement.query([id.as_str()])?;
            let mut devices = Vec::new();
            while let Some(row) = rows.next()? {
                devices.push(read_device_id(row, 0)?);
            }
            Ok(devices)
        })
        .await
    }

    /// Makes a shipment; it runs from the start.
    ///
    /// # Errors
    /// When template, image or a device does not exist, or storage fails.
    pub async fn create_shipment(&self, new: NewShipment, change: Change) -> Result<Shipment, ShipmentError> {
        self.write(move |work| {
            if !template_exists(work.conn, &new.template_id)? {
                return Err(ShipmentError::TemplateNotFound);
            }
            let has_image = work
                .conn
                .prepare_cached("SELECT 1 FROM firmware_images WHERE id = ?1")?
                .exists([new.firmware_id.as_str()])?;
            if !has_image {
                return Err(ShipmentError::FirmwareNotFound);
            }
            work.insert_shipment(&new, change.at)?;
            let canaries: HashSet<&DeviceId> = new.canaries.iter().collect();
            for device in &new.devices {
                work.insert_delivery(&new, device, canaries.contains(device), change.at)?;
            }
            work.audit(
                &change,
                "shipment.create",
                new.id.as_str(),
                &format!("{} devices", new.devices.len()),
            )?;
            work.shipment_now(&new.id)?.ok_or(ShipmentError::NotFound)
        })
        .await
    }

    /// Returns one shipment.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn shipment(&self, id: ShipmentId) -> Result<Option<Shipment>, StorageError> {
        self.read(move |conn| shipment_now(conn, &id)).await
    }

    /// Lists shipments, newest first.
    ///
    /// # Errors
    /// When the cursor is not valid or storage fails.
    pub async fn list_shipments(&self, page: Page) -> Result<Listed<Shipment>, ListError> {
        let window = page.window(Order::NewestFirst)?;
        self.read(move |conn| {
            let sql = format!("{SELECT_SHIPMENT} WHERE s.seq < ?1 ORDER BY s.seq DESC LIMIT ?2");
            let mut statement = conn.prepare_cached(&sql)?;
            let mut rows = statement.query([window.after, window.rows])?;
            let mut shipments = Vec::new();
            while let Some(row) = rows.next()? {
                let mut shipment = read_shipment(row)?;
                shipment.counts = count_deliveries(conn, &shipment.id, Among::All)?;
                shipments.push((row.get(SHIPMENT_SEQ_COLUMN)?, shipment));
            }
            Ok(window.page(shipments))
        })
        .await
    }

    /// Lists the devices of a shipment, in the order in which they were added.
    ///
    /// # Errors
    /// When the cursor is not valid or storage fails.
    pub async fn list_deliveries(
        &self,
        id: ShipmentId,
        page: Page,
    ) -> Result<Listed<ShippedDevice>, ListError> {
        let window = page.window(Order::OldestFirst)?;
        self.read(move |conn| {
            let mut statement = conn.prepare_cached(
                "SELECT state, attempts, window_from, ordered_at, updated_at, seq, device_id, is_canary
                 FROM deliveries WHERE shipment_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
            )?;
            let mut rows = statement.query((id.as_str(), window.after, window.rows))?;
            let mut devices = Vec::new();
            while let Some(row) = rows.next()? {
                let device = ShippedDevice {
                    device: read_device_id(row, 6)?,
                    is_canary: row.get(7)?,
                    delivery: read_delivery(row, 0)?,
                };
                devices.push((row.get(5)?, device));
            }
            Ok(window.page(devices))
        })
        .await
    }

    /// Changes where a shipment stands by its owner's wish.
    ///
    /// # Errors
    /// When there is no such shipment, its state does not allow it, or storage fails.
    pub async fn set_shipment_state(
        &self,
        id: ShipmentId,
        state: ShipmentState,
        change: Change,
    ) -> Result<Shipment, ShipmentError> {
        self.write(move |work| {
            let shipment = work.shipment_now(&id)?.ok_or(ShipmentError::NotFound)?;
            if !shipment.state.may_become(state) {
                return Err(ShipmentError::NotAllowed { from: shipment.state, to: state });
            }
            work.put_standing(&id, (state, shipment.stage), change.at)?;
            work.audit(&change, "shipment.state", id.as_str(), state.as_str())?;
            work.shipment_now(&id)?.ok_or(ShipmentError::NotFound)
        })
        .await
    }

    /// Returns the shipments that reach a device, newest first, each with how far it has come; a device that joined the
    /// template after an open-ended shipment was made is waiting.
    ///
    /// Paused and stopped ones are among them: what was under way may end, only nobody is told any more.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn due_deliveries(
        &self,
        device: DeviceId,
        now: UtcTime,
    ) -> Result<Vec<(Shipment, Delivery)>, StorageError> {
        self.read(move |conn| {
            let sql = format!(
                "{SELECT_SHIPMENT}
                 JOIN devices d ON d.template_id = s.template_id AND d.id = ?1
                 LEFT JOIN deliveries v ON v.shipment_id = s.id AND v.device_id = d.id
                 WHERE s.state IN ('running', 'paused', 'stopped') AND (v.seq IS NOT NULL OR s.is_open_ended)
                   AND (s.stage = 'everyone' OR v.is_canary)
                 ORDER BY s.seq DESC LIMIT {DUE_MAX}"
            );
            let mut statement = conn.prepare_cached(&sql)?;
            let mut rows = statement.query([device.as_str()])?;
            let mut due = Vec::new();
            while let Some(row) = rows.next()? {
                let shipment = read_shipment(row)?;
                let delivery = delivery_now(conn, &shipment.id, &device)?;
                due.push((shipment, delivery.unwrap_or_else(|| Delivery::waiting(now))));
            }
            Ok(due)
        })
        .await
    }

    /// Returns how far one shipment has come on one device.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn delivery(
        &self,
        id: ShipmentId,
        device: DeviceId,
    ) -> Result<Option<(Shipment, Delivery)>, StorageError> {
        self.read(move |conn| {
            let Some(shipment) = shipment_now(conn, &id)? else { return Ok(None) };
            Ok(delivery_now(conn, &id, &device)?.map(|delivery| (shipment, delivery)))
        })
        .await
    }

    /// Changes how far a shipment has come on one device, then looks at the whole shipment: it is widened, stopped or
    /// finished in the same transaction. `change` sees the delivery as it is then and may leave it as it is by `None`.
    ///
    /// # Errors
    /// When there is no such shipment or device, or storage fails.
    pub async fn change_delivery(
        &self,
        id: ShipmentId,
        device: DeviceId,
        at: UtcTime,
        change: impl FnOnce(Delivery) -> Option<Delivery> + Send + 'static,
    ) -> Result<ChangedDelivery, ShipmentError> {
        self.write(move |work| {
            let before = delivery_now(work.conn, &id, &device)?.unwrap_or_else(|| Delivery::waiting(at));
            let Some(after) = change(before) else {
                return Ok(ChangedDelivery { before, after: None, shipment: None });
            };
            work.put_delivery(&id, &device, &after)?;
            let has_moved = after.state != before.state;
            let shipment = if has_moved { work.review_shipment(&id, at)? } else { None };
            Ok(ChangedDelivery { before, after: Some(after), shipment })
        })
        .await
    }
}

impl Work<'_> {
    /// Looks at a running shipment; returns it where that changed something.
    fn review_shipment(&self, id: &ShipmentId, at: UtcTime) -> Result<Option<Shipment>, ShipmentError> {
        let shipment = self.shipment_now(id)?.ok_or(ShipmentError::NotFound)?;
        if shipment.state != ShipmentState::Running {
            return Ok(None);
        }
        let canaries = count_deliveries(self.conn, id, Among::Canaries)?;
        let standing = match review(
            shipment.stage,
            shipment.failure_percent_max,
            shipment.is_open_ended,
            &canaries,
            &shipment.counts,
        ) {
            Review::GoOn => return Ok(None),
            Review::Widen => (ShipmentState::Running, ShipmentStage::Everyone),
            Review::Stop => (ShipmentState::Stopped, shipment.stage),
            Review::Finish => (ShipmentState::Finished, shipment.stage),
        };
        self.put_standing(id, standing, at)?;
        let detail = format!("{}, {}", standing.0.as_str(), standing.1.as_str());
        self.audit(&Change::by("server", at), "shipment.review", id.as_str(), &detail)?;
        Ok(self.shipment_now(id)?)
    }

    fn shipment_now(&self, id: &ShipmentId) -> Result<Option<Shipment>, StorageError> {
        shipment_now(self.conn, id)
    }

    fn insert_shipment(&self, new: &NewShipment, at: UtcTime) -> Result<(), StorageError> {
        let stage = if new.canaries.is_empty() { ShipmentStage::Everyone } else { ShipmentStage::Canary };
        self.conn
            .prepare_cached(
                "INSERT INTO shipments (id, name, template_id, firmware_id, rule, state, stage, is_open_ended,
                                        failure_percent_max, attempts_max, created_at, updated_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11)",
            )?
            .execute((
                new.id.as_str(),
                &new.name,
                new.template_id.as_str(),
                new.firmware_id.as_str(),
                new.rule.as_str(),
                ShipmentState::Running.as_str(),
                stage.as_str(),
                new.is_open_ended,
                new.failure_percent_max,
                new.attempts_max,
                at.unix_ms(),
            ))?;
        Ok(())
    }

    fn insert_delivery(
        &self,
        new: &NewShipment,
        device: &DeviceId,
        is_canary: bool,
        at: UtcTime,
    ) -> Result<(), ShipmentError> {
        let added_count = self
            .conn
            .prepare_cached(
                "INSERT INTO deliveries (shipment_id, device_id, is_canary, state, attempts, updated_at)
                 SELECT ?1, id, ?3, 'waiting', 0, ?4 FROM devices
                 WHERE id = ?2 AND template_id = ?5 AND ownership IN ('reserved', 'owned')
                 ON CONFLICT (shipment_id, device_id) DO NOTHING",
            )?
            .execute((new.id.as_str(), device.as_str(), is_canary, at.unix_ms(), new.template_id.as_str()))?;
        if added_count == 0 { Err(ShipmentError::DeviceNotFound { id: device.clone() }) } else { Ok(()) }
    }

    fn put_standing(
        &self,
        id: &ShipmentId,
        standing: (ShipmentState, ShipmentStage),
        at: UtcTime,
    ) -> Result<(), StorageError> {
        self.conn
            .prepare_cached("UPDATE shipments SET state = ?2, stage = ?3, updated_at = ?4 WHERE id = ?1")?
            .execute((id.as_str(), standing.0.as_str(), standing.1.as_str(), at.unix_ms()))?;
        Ok(())
    }

    fn put_delivery(
        &self,
        id: &ShipmentId,
        device: &DeviceId,
        delivery: &Delivery,
    ) -> Result<(), ShipmentError> {
        let stored_count = self
            .conn
            .prepare_cached(
                "INSERT INTO deliveries (shipment_id, device_id, is_canary, state, attempts, window_from, ordered_at, updated_at)
                 SELECT s.id, d.id, 0, ?3, ?4, ?5, ?6, ?7 FROM shipments s, devices d WHERE s.id = ?1 AND d.id = ?2
                 ON CONFLICT (shipment_id, device_id) DO UPDATE SET state = excluded.state, attempts = excluded.attempts,
                    window_from = excluded.window_from, ordered_at = excluded.ordered_at, updated_at = excluded.updated_at",
            )?
            .execute((
                id.as_str(),
                device.as_str(),
                delivery.state.as_str(),
                delivery.attempts,
                delivery.window_from.map(UtcTime::unix_ms),
                delivery.ordered_at.map(UtcTime::unix_ms),
                delivery.updated_at.unix_ms(),
            ))?;
        if stored_count == 0 { Err(ShipmentError::NotFound) } else { Ok(()) }
    }
}

/// Whose deliveries are counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Among {
    Canaries,
    All,
}

const SELECT_SHIPMENT: &str = "SELECT f.seq, f.id, f.file_name, f.kind, f.version, f.build, f.library, f.size_bytes,
            f.sha256, f.md5, f.created_at,
            s.seq, s.id, s.name, s.template_id, s.rule, s.state, s.stage, s.is_open_ended, s.failure_percent_max,
            s.attempts_max, s.created_at, s.updated_at
     FROM shipments s JOIN firmware_images f ON f.id = s.firmware_id";

/// Column of [`SELECT_SHIPMENT`] where the shipment starts; the image is before it.
const SHIPMENT_SEQ_COLUMN: usize = 11;

const DAMAGED: StorageError = StorageError::Damaged { what: "a shipment" };

fn shipment_now(conn: &rusqlite::Connection, id: &ShipmentId) -> Result<Option<Shipment>, StorageError> {
    let sql = format!("{SELECT_SHIPMENT} WHERE s.id = ?1");
    let found = conn
        .prepare_cached(&sql)?
        .query_row([id.as_str()], |row| Ok(read_shipment(row)))
        .optional()?
        .transpose()?;
    found
        .map(|mut shipment| {
            shipment.counts = count_deliveries(conn, id, Among::All)?;
            Ok(shipment)
        })
        .transpose()
}

fn read_shipment(row: &Row<'_>) -> Result<Shipment, StorageError> {
    let first = SHIPMENT_SEQ_COLUMN;
    let name = |offset: usize| row.get::<_, String>(first + offset);
    Ok(Shipment {
        id: ShipmentId::parse(&name(1)?).or(Err(DAMAGED))?,
        name: name(2)?,
        template_id: TemplateId::parse(&name(3)?).or(Err(DAMAGED))?,
        rule: ApplyRule::from_name(&name(4)?).ok_or(DAMAGED)?,
        state: ShipmentState::from_name(&name(5)?).ok_or(DAMAGED)?,
        stage: ShipmentStage::from_name(&name(6)?).ok_or(DAMAGED)?,
        is_open_ended: row.get(first + 7)?,
        failure_percent_max: row.get(first + 8)?,
        attempts_max: row.get(first + 9)?,
        created_at: UtcTime::from_unix_ms(row.get(first + 10)?),
        updated_at: UtcTime::from_unix_ms(row.get(first + 11)?),
        image: read_firmware(row, 0)?,
        counts: DeliveryCounts::default(),
    })
}

fn count_deliveries(
    conn: &rusqlite::Connection,
    id: &ShipmentId,
    among: Among,
) -> Result<DeliveryCounts, StorageError> {
    let mut statement = conn.prepare_cached(
        "SELECT state, count(*) FROM deliveries WHERE shipment_id = ?1 AND is_canary >= ?2 GROUP BY state",
    )?;
    let mut rows = statement.query((id.as_str(), among == Among::Canaries))?;
    let mut counts = DeliveryCounts::default();
    while let Some(row) = rows.next()? {
        let state = DeliveryState::from_name(&row.get::<_, String>(0)?).ok_or(DAMAGED)?;
        counts.add(state, row.get::<_, i64>(1)?.unsigned_abs());
    }
    Ok(counts)
}

fn delivery_now(
    conn: &rusqlite::Connection,
    id: &ShipmentId,
    device: &DeviceId,
) -> Result<Option<Delivery>, StorageError> {
    conn.prepare_cached(
        "SELECT state, attempts, window_from, ordered_at, updated_at FROM deliveries
         WHERE shipment_id = ?1 AND device_id = ?2",
    )?
    .query_row((id.as_str(), device.as_str()), |row| Ok(read_delivery(row, 0)))
    .optional()?
    .transpose()
}

fn read_delivery(row: &Row<'_>, first: usize) -> Result<Delivery, StorageError> {
    let time = |offset: usize| -> Result<Option<UtcTime>, rusqlite::Error> {
        Ok(row.get::<_, Option<i64>>(first + offset)?.map(UtcTime::from_unix_ms))
    };
    Ok(Delivery {
        state: DeliveryState::from_name(&row.get::<_, String>(first)?).ok_or(DAMAGED)?,
        attempts: row.get(first + 1)?,
        window_from: time(2)?,
        ordered_at: time(3)?,
        updated_at: time(4)?.ok_or(DAMAGED)?,
    })
}

fn read_device_id(row: &Row<'_>, column: usize) -> Result<DeviceId, StorageError> {
    DeviceId::parse(&row.get::<_, String>(column)?).or(Err(StorageError::Damaged { what: "a device" }))
}
