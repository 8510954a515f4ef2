//! Reports that a device's token asked for: what is in them, not their content, which is made when they are fetched.

use registry::{DeviceId, Epoch, UtcTime};
use rusqlite::OptionalExtension;

use crate::values::WriteValuesError;
use crate::{StorageError, Store};

/// 20 reports per ownership; the oldest goes when another is asked for.
pub const REPORTS_KEPT_MAX: u32 = 20;

/// A report as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whose history.
    pub device: DeviceId,
    /// What was asked, in the asker's own writing.
    pub question: String,
    /// When it was asked; the report ends there.
    pub at: UtcTime,
}

impl Store {
    /// Notes a report of the current ownership under an unguessable key.
    ///
    /// # Errors
    /// When the ownership has ended or storage fails.
    pub async fn add_report(
        &self,
        epoch: Epoch,
        key: String,
        report: Report,
    ) -> Result<(), WriteValuesError> {
        self.write(move |work| {
            if !work.takes_data(&report.device, epoch)? {
                return Err(WriteValuesError::NotOwned);
            }
            let device = report.device.as_str();
            work.conn
                .prepare_cached(
                    "INSERT INTO reports (key, device_id, epoch, question, at) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute((&key, device, epoch.get(), &report.question, report.at.unix_ms()))?;
            work.conn
                .prepare_cached(
                    "DELETE FROM reports WHERE device_id = ?1 AND seq <= (
                        SELECT seq FROM reports WHERE device_id = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)",
                )?
                .execute((device, REPORTS_KEPT_MAX))?;
            Ok(())
        })
        .await
    }

    /// Returns a report that was asked for after `oldest_at`, in the ownership that holds now.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn report(&self, key: String, oldest_at: UtcTime) -> Result<Option<Report>, StorageError> {
        const DAMAGED: StorageError = StorageError::Damaged { what: "a report" };
        self.read(move |conn| {
            let row: Option<(String, String, i64)> = conn
                .prepare_cached(
                    "SELECT r.device_id, r.question, r.at FROM reports r
                     JOIN devices d ON d.id = r.device_id AND d.epoch = r.epoch
                     WHERE r.key = ?1 AND r.at > ?2",
                )?
                .query_row((key, oldest_at.unix_ms()), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()?;
            row.map(|(device, question, at)| {
                let device = DeviceId::parse(&device).or(Err(DAMAGED))?;
                Ok(Report { device, question, at: UtcTime::from_unix_ms(at) })
            })
            .transpose()
        })
        .await
    }
}
