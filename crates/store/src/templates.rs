//! Templates.

use registry::{ReclaimPolicy, TemplateId, TokenHash, UtcTime};
use rusqlite::{OptionalExtension, Row, ToSql};

use crate::devices::template_exists;
use crate::page::Order;
use crate::writer::Work;
use crate::{Change, ListError, Listed, Page, StorageError, Store};

/// A template: the kind of product that devices are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Its identifier; firmware carries it.
    pub id: TemplateId,
    /// Its name; part of the hotspot's SSID.
    pub name: String,
    /// When it was made.
    pub created_at: UtcTime,
    /// What becomes of its devices when they are claimed again without having been released.
    pub reclaim: ReclaimPolicy,
    /// Whether its devices may speak MQTT for other devices.
    pub gateway_api: bool,
}

/// What a template is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateUse {
    /// A device is one of its kind, a released one included.
    Device,
    /// A shipment names it, and shipments stay on record.
    Shipment,
    /// A provisioning session is open for it.
    Session,
}

/// Why a template was not deleted.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DeleteTemplateError {
    /// There is no such template.
    #[error("there is no such template")]
    NotFound,
    /// Something still needs it.
    #[error("the template is in use")]
    InUse(TemplateUse),
    /// Storage failed.
    #[error("deleting the template failed")]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for DeleteTemplateError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl Store {
    /// Creates a template.
    ///
    /// # Errors
    /// When storage fails; an identifier that exists already is such a failure.
    pub async fn create_template(
        &self,
        id: TemplateId,
        name: String,
        change: Change,
    ) -> Result<Template, StorageError> {
        self.write(move |work| {
            work.conn
                .prepare_cached("INSERT INTO templates (id, name, created_at) VALUES (?1, ?2, ?3)")?
                .execute((id.as_str(), &name, change.at.unix_ms()))?;
            work.audit(&change, "template.create", id.as_str(), "")?;
            Ok(Template {
                id,
                name,
                created_at: change.at,
                reclaim: ReclaimPolicy::default(),
                gateway_api: false,
            })
        })
        .await
    }

    /// Returns one template.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn template(&self, id: TemplateId) -> Result<Option<Template>, StorageError> {
        self.read(move |conn| {
            conn.prepare_cached(
                "SELECT seq, id, name, created_at, reclaim, gateway_api FROM templates WHERE id = ?1",
            )?
            .query_row([id.as_str()], |row| Ok(read_template(row)))
            .optional()?
            .transpose()
            .map(|found| found.map(|(_, template)| template))
        })
        .await
    }

    /// Renames a template. Returns it; none when there is no such one. Boards keep the name that their firmware carries.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn rename_template(
        &self,
        id: TemplateId,
        name: String,
        change: Change,
    ) -> Result<Option<Template>, StorageError> {
        let statement = "UPDATE templates SET name = ?2 WHERE id = ?1";
        self.change_template(id, statement, name, ("template.rename", ""), change).await
    }

    /// Deletes a template that nothing needs any more, with its datastreams, events, statuses, recipients and webhooks.
    ///
    /// Its finished provisioning sessions go too. Tokens that were never claimed are forgotten with them: a board that
    /// presents one is told to try later, as before, because an unknown token is never answered with status 9.
    ///
    /// # Errors
    /// When there is no such template, something still needs it, or storage fails.
    pub async fn delete_template(&self, id: TemplateId, change: Change) -> Result<(), DeleteTemplateError> {
        self.write(move |work| {
            if !template_exists(work.conn, &id)? {
                return Err(DeleteTemplateError::NotFound);
            }
            if let Some(in_use) = work.use_of_template(&id, change.at)? {
                return Err(DeleteTemplateError::InUse(in_use));
            }
            work.delete_sessions_of_template(&id)?;
            for statement in [
                "DELETE FROM datastreams WHERE template_id = ?1",
                "DELETE FROM template_events WHERE template_id = ?1",
                "DELETE FROM template_statuses WHERE template_id = ?1",
                "DELETE FROM template_recipients WHERE template_id = ?1",
                "DELETE FROM webhooks WHERE template_id = ?1",
                "DELETE FROM templates WHERE id = ?1",
            ] {
                work.conn.prepare_cached(statement)?.execute([id.as_str()])?;
            }
            Ok(work.audit(&change, "template.delete", id.as_str(), "")?)
        })
        .await
    }

    /// Sets what becomes of a template's devices when they are claimed again. Returns the template; none when there is no
    /// such one.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn set_reclaim_policy(
        &self,
        id: TemplateId,
        policy: ReclaimPolicy,
        change: Change,
    ) -> Result<Option<Template>, StorageError> {
        let statement = "UPDATE templates SET reclaim = ?2 WHERE id = ?1";
        let audited = ("template.reclaim", policy.as_str());
        self.change_template(id, statement, policy.as_str(), audited, change).await
    }

    /// Sets whether a template's devices may speak MQTT for other devices. Returns the template; none when there is no such
    /// one.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn set_gateway_api(
        &self,
        id: TemplateId,
        is_on: bool,
        change: Change,
    ) -> Result<Option<Template>, StorageError> {
        let statement = "UPDATE templates SET gateway_api = ?2 WHERE id = ?1";
        let audited = ("template.gateway_api", if is_on { "on" } else { "off" });
        self.change_template(id, statement, is_on, audited, change).await
    }

    async fn change_template(
        &self,
        id: TemplateId,
        statement: &'static str,
        value: impl ToSql + Send + 'static,
        (action, detail): (&'static str, &'static str),
        change: Change,
    ) -> Result<Option<Template>, StorageError> {
        let changed_id = id.clone();
        let is_changed = self
            .write(move |work| {
                let changed_count =
                    work.conn.prepare_cached(statement)?.execute((changed_id.as_str(), &value))?;
                if changed_count > 0 {
                    work.audit(&change, action, changed_id.as_str(), detail)?;
                }
                Ok::<_, StorageError>(changed_count > 0)
            })
            .await?;
        if is_changed { self.template(id).await } else { Ok(None) }
    }

    /// Lists templates, oldest first.
    ///
    /// # Errors
    /// When the cursor is not valid or storage fails.
    pub async fn list_templates(&self, page: Page) -> Result<Listed<Template>, ListError> {
        let window = page.window(Order::OldestFirst)?;
        self.read(move |conn| {
            let mut statement = conn.prepare_cached(
                "SELECT seq, id, name, created_at, reclaim, gateway_api FROM templates WHERE seq > ?1 ORDER BY seq LIMIT ?2",
            )?;
            let mut rows = statement.query([window.after, window.rows])?;
            let mut templates = Vec::new();
            while let Some(row) = rows.next()? {
                templates.push(read_template(row)?);
            }
            Ok(window.page(templates))
        })
        .await
    }
}

impl Work<'_> {
    /// What still needs a template; none when it can go.
    fn use_of_template(&self, id: &TemplateId, now: UtcTime) -> Result<Option<TemplateUse>, StorageError> {
        let is_named_in = |statement| self.conn.prepare_cached(statement)?.exists([id.as_str()]);
        if is_named_in("SELECT 1 FROM devices WHERE template_id = ?1")? {
            return Ok(Some(TemplateUse::Device));
        }
        if is_named_in("SELECT 1 FROM shipments WHERE template_id = ?1")? {
            return Ok(Some(TemplateUse::Shipment));
        }
        let has_open_session = self
            .conn
            .prepare_cached(
                "SELECT 1 FROM provisioning_sessions WHERE template_id = ?1 AND state = 'open' AND expires_at > ?2",
            )?
            .exists((id.as_str(), now.unix_ms()))?;
        Ok(has_open_session.then_some(TemplateUse::Session))
    }

    fn delete_sessions_of_template(&mut self, id: &TemplateId) -> Result<(), StorageError> {
        let hashes: Vec<[u8; 32]> = self
            .conn
            .prepare_cached(
                "DELETE FROM tokens WHERE session_id IN (SELECT id FROM provisioning_sessions WHERE template_id = ?1)
                 RETURNING hash",
            )?
            .query_map([id.as_str()], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        self.conn
            .prepare_cached("DELETE FROM provisioning_sessions WHERE template_id = ?1")?
            .execute([id.as_str()])?;
        hashes.into_iter().try_for_each(|hash| self.token_changed(&TokenHash::from_bytes(hash)))
    }
}

fn read_template(row: &Row<'_>) -> Result<(i64, Template), StorageError> {
    let id: String = row.get(1)?;
    let id = TemplateId::parse(&id).or(Err(StorageError::Damaged { what: "a template" }))?;
    let reclaim = ReclaimPolicy::from_name(&row.get::<_, String>(4)?)
        .ok_or(StorageError::Damaged { what: "a template" })?;
    let created_at = UtcTime::from_unix_ms(row.get(3)?);
    Ok((row.get(0)?, Template { id, name: row.get(2)?, created_at, reclaim, gateway_api: row.get(5)? }))
}
