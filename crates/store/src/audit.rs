//! The audit: who did what when. Lines carry identifiers, never names, values or secrets.

use registry::UtcTime;

use crate::page::Order;
use crate::writer::Work;
use crate::{Change, ListError, Listed, Page, StorageError, Store};

/// One line of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub at: UtcTime,
    /// Who: `owner`, `admin-key`, `device`, `server`.
    pub actor: String,
    /// What, as in `device.release`.
    pub action: String,
    /// The identifier of the thing it was done to.
    pub subject: String,
    /// More, without personal data.
    pub detail: String,
}

impl Store {
    /// Adds a line for something that happened outside the store, such as a sign-in.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn record_audit(
        &self,
        change: Change,
        action: &'static str,
        subject: String,
        detail: String,
    ) -> Result<(), StorageError> {
        self.write(move |work| work.audit(&change, action, &subject, &detail)).await
    }

    /// Lists the audit, newest first.
    ///
    /// # Errors
    /// When the cursor is not valid or storage fails.
    pub async fn list_audit(&self, page: Page) -> Result<Listed<AuditEntry>, ListError> {
        let window = page.window(Order::NewestFirst)?;
        self.read(move |conn| {
            let mut statement = conn.prepare_cached(
                "SELECT seq, at, actor, action, subject, detail FROM audit WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2",
            )?;
            let rows = statement.query_map([window.after, window.rows], |row| {
                Ok((
                    row.get(0)?,
                    AuditEntry {
                        at: UtcTime::from_unix_ms(row.get(1)?),
                        actor: row.get(2)?,
                        action: row.get(3)?,
                        subject: row.get(4)?,
                        detail: row.get(5)?,
                    },
                ))
            })?;
            Ok(window.page(rows.collect::<Result<_, _>>()?))
        })
        .await
    }
}

impl Work<'_> {
    pub(crate) fn audit(
        &self,
        change: &Change,
        action: &str,
        subject: &str,
        detail: &str,
    ) -> Result<(), StorageError> {
        self.conn
            .prepare_cached(
                "INSERT INTO audit (at, actor, action, subject, detail) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((change.at.unix_ms(), &change.actor, action, subject, detail))?;
        Ok(())
    }
}
