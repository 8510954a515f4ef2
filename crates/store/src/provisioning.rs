//! Provisioning sessions and claims.

use registry::{
    AdvanceSessionError, ClaimCode, DeviceId, Epoch, SessionEvent, SessionId, SessionState, SessionStep,
    StepName, TemplateId, Token, TokenHash, TokenRecord, UtcTime, advance_session,
};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::claims::NewClaim;
use crate::devices::{mark_seen, template_exists};
use crate::page::Order;
use crate::token_index::token_now;
use crate::writer::Work;
use crate::{Change, ListError, Listed, Page, StorageError, Store};

/// 200 steps are kept per session; a board in a retry loop must not fill the disk.
const STEPS_MAX: i64 = 200;

/// A provisioning session as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its identifier.
    pub id: SessionId,
    /// Template of the device to come.
    pub template_id: TemplateId,
    /// Name for the device to come, where one was given.
    pub device_name: Option<String>,
    /// The state as stored; see [`SessionState::seen_at`].
    pub state: SessionState,
    /// When it was opened.
    pub created_at: UtcTime,
    /// When the token stops being good for a claim.
    pub expires_at: UtcTime,
    /// The device that claimed it.
    pub device_id: Option<DeviceId>,
    /// Whether a claim code stands for its token.
    pub has_claim_code: bool,
    /// Its steps, oldest first.
    pub steps: Vec<SessionStep>,
}

/// A session to be opened.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its identifier.
    pub id: SessionId,
    /// Template of the device to come.
    pub template_id: TemplateId,
    /// Name for the device to come.
    pub device_name: Option<String>,
    /// Its token; only the keyed hash is stored.
    pub token: Token,
    /// A claim code for the token. `None` where the token cannot be made again, so that no code can stand for it.
    pub code: Option<SessionCode>,
    /// When the token stops being good for a claim.
    pub expires_at: UtcTime,
}

/// A claim code to be opened with a session. Code and token belong to `nonce`, see [`Store::derive_token`].
#[derive(Debug, Clone)]
pub struct SessionCode {
    /// The code; only the keyed hash is stored.
    pub code: ClaimCode,
    /// Stored until the session ends.
    pub nonce: [u8; 16],
}

/// A claim that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The device that now owns the token.
    pub device: DeviceId,
    /// The ownership that begins.
    pub epoch: Epoch,
    /// The device was known before by its UID: what is connected under its id belongs to an ownership that has ended.
    pub was_known: bool,
}

/// Why a session was not opened.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CreateSessionError {
    /// There is no such template.
    #[error("there is no such template")]
    TemplateNotFound,
    /// Storage failed.
    #[error("storing the session failed")]
    Storage(#[from] StorageError),
}

/// Why a session could not be changed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// There is no such session.
    #[error("there is no such session")]
    NotFound,
    /// The session is over.
    #[error("the session cannot be changed")]
    State(#[from] AdvanceSessionError),
    /// Storage failed.
    #[error("changing the session failed")]
    Storage(#[from] StorageError),
}

/// Why a claim failed. The device is told to try later in every case.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CompleteClaimError {
    /// There is no such session.
    #[error("there is no such session")]
    NotFound,
    /// The session is over, claimed by another login included.
    #[error("the session cannot be claimed")]
    State(#[from] AdvanceSessionError),
    /// The device has an owner who did not release it, and its template says that this counts.
    #[error("the device has an owner")]
    Owned,
    /// Storage failed.
    #[error("storing the claim failed")]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for CreateSessionError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl From<rusqlite::Error> for SessionError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl From<rusqlite::Error> for CompleteClaimError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl Store {
    /// Opens a session.
    ///
    /// When the token was given to a session already, that session is returned: this is the same request again, after a
    /// crash between storing the session and answering.
    ///
    /// # Errors
    /// When the template does not exist or storage fails.
    pub async fn create_session(
        &self,
        new: NewSession,
        change: Change,
    ) -> Result<Session, CreateSessionError> {
        let hash = self.hash_token(&new.token);
        let code = new.code.as_ref().map(|code| (self.hash_claim_code(code.code), code.nonce));
        self.write(move |work| {
            if let Some(session) = session_of_token(work.conn, &hash)? {
                return Ok(session);
            }
            if !template_exists(work.conn, &new.template_id)? {
                return Err(CreateSessionError::TemplateNotFound);
            }
            let id = new.id.as_str();
            let (created_at, expires_at) = (change.at.unix_ms(), new.expires_at.unix_ms());
            work.conn
                .prepare_cached(
                    "INSERT INTO provisioning_sessions (id, template_id, device_name, state, created_at, expires_at)
                     VALUES (?1, ?2, ?3, 'open', ?4, ?5)",
                )?
                .execute((id, new.template_id.as_str(), &new.device_name, created_at, expires_at))?;
            work.conn
                .prepare_cached("INSERT INTO tokens (hash, kind, session_id, created_at) VALUES (?1, 'session', ?2, ?3)")?
                .execute((hash.as_bytes(), id, created_at))?;
            work.token_changed(&hash)?;
            if let Some((code_hash, nonce)) = &code {
                work.put_claim_code(&new.id, code_hash, nonce, change.at)?;
            }
            work.add_step(&new.id, &step(change.at, StepName::Opened, "Session opened."))?;
            work.audit(&change, "session.create", id, "")?;
            session_now(work.conn, &new.id)?.ok_or(CreateSessionError::Storage(DAMAGED))
        })
        .await
    }

    /// Returns one session with its steps.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn session(&self, id: SessionId) -> Result<Option<Session>, StorageError> {
        self.read(move |conn| session_now(conn, &id)).await
    }

    /// Lists sessions, newest first.
    ///
    /// # Errors
    /// When the cursor is not valid or storage fails.
    pub async fn list_sessions(&self, page: Page) -> Result<Listed<Session>, ListError> {
        let window = page.window(Order::NewestFirst)?;
        self.read(move |conn| {
            let sql = format!("{SELECT_SESSION} WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2");
            let mut statement = conn.prepare_cached(&sql)?;
            let mut rows = statement.query([window.after, window.rows])?;
            let mut sessions = Vec::new();
            while let Some(row) = rows.next()? {
                let mut session = read_session(row)?;
                session.steps = steps_now(conn, &session.id)?;
                sessions.push((row.get(0)?, session));
            }
            Ok(window.page(sessions))
        })
        .await
    }

    /// Adds a step to a session, whatever its state; beyond 200 steps it is passed over.
    ///
    /// # Errors
    /// When there is no such session or storage fails.
    pub async fn add_session_step(&self, id: SessionId, step: SessionStep) -> Result<(), SessionError> {
        self.write(move |work| {
            let is_there = work
                .conn
                .prepare_cached("SELECT 1 FROM provisioning_sessions WHERE id = ?1")?
                .exists([id.as_str()])?;
            if !is_there {
                return Err(SessionError::NotFound);
            }
            Ok(work.add_step(&id, &step)?)
        })
        .await
    }

    /// Returns the session that a device was claimed through, to show the device's next steps there.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn session_of_device(&self, device: DeviceId) -> Result<Option<SessionId>, StorageError> {
        self.read(move |conn| {
            let id: Option<String> = conn
                .prepare_cached(
                    "SELECT id FROM provisioning_sessions WHERE device_id = ?1 ORDER BY seq DESC LIMIT 1",
                )?
                .query_row([device.as_str()], |row| row.get(0))
                .optional()?;
            id.map(|id| SessionId::parse(&id).or(Err(DAMAGED))).transpose()
        })
        .await
    }

    /// Cancels an open session.
    ///
    /// # Errors
    /// When there is no such session, it is over, or storage fails.
    pub async fn cancel_session(&self, id: SessionId, change: Change) -> Result<Session, SessionError> {
        self.write(move |work| {
            let session = session_now(work.conn, &id)?.ok_or(SessionError::NotFound)?;
            let state = advance_session(session.state, session.expires_at, change.at, SessionEvent::Cancel)?;
            work.set_session_state(&id, state)?;
            work.add_step(&id, &step(change.at, StepName::Cancelled, "Session cancelled."))?;
            work.audit(&change, "session.cancel", id.as_str(), "")?;
            session_now(work.conn, &id)?.ok_or(SessionError::NotFound)
        })
        .await
    }

    /// Marks the open sessions whose time has passed as expired and returns them.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn expire_sessions(&self, now: UtcTime) -> Result<Vec<SessionId>, StorageError> {
        self.write(move |work| {
            let mut statement = work.conn.prepare_cached(
                "SELECT id FROM provisioning_sessions WHERE state = 'open' AND expires_at <= ?1 ORDER BY seq",
            )?;
            let ids: Vec<String> =
                statement.query_map([now.unix_ms()], |row| row.get(0))?.collect::<Result<_, _>>()?;
            drop(statement);
            let mut expired = Vec::new();
            for id in ids {
                let id = SessionId::parse(&id).or(Err(DAMAGED))?;
                work.set_session_state(&id, SessionState::Expired)?;
                work.add_step(&id, &step(now, StepName::Expired, "Nobody used the token in time."))?;
                expired.push(id);
            }
            Ok(expired)
        })
        .await
    }

    /// Completes a claim: the session's token becomes the token of a device. All of it or nothing, on disk when this
    /// returns; of two logins at once only one succeeds.
    ///
    /// A device that exchanged the session's claim code said its UID. When it is known, its record goes on with the next
    /// ownership, which sees nothing of the earlier ones; otherwise `device` becomes a new record.
    ///
    /// # Errors
    /// When the session is over or unknown, the device has an owner who must let it go first, or storage fails.
    pub async fn complete_claim(
        &self,
        session: SessionId,
        device: DeviceId,
        at: UtcTime,
    ) -> Result<Claimed, CompleteClaimError> {
        self.write(move |work| {
            let found = session_now(work.conn, &session)?.ok_or(CompleteClaimError::NotFound)?;
            let state = advance_session(found.state, found.expires_at, at, SessionEvent::Claim)?;
            let name = match &found.device_name {
                Some(name) => name.clone(),
                None => work
                    .conn
                    .prepare_cached("SELECT name FROM templates WHERE id = ?1")?
                    .query_row([found.template_id.as_str()], |row| row.get(0))?,
            };
            let hash: [u8; 32] = work
                .conn
                .prepare_cached("SELECT hash FROM tokens WHERE session_id = ?1")?
                .query_row([session.as_str()], |row| row.get(0))?;
            let uid = work.uid_of_session(&session)?;
            let claim = NewClaim { template_id: &found.template_id, name: &name, at };
            let claimed = match &uid {
                Some(uid) => work.claim_by_uid(&device, uid, &claim)?.ok_or(CompleteClaimError::Owned)?,
                None => work.claim_new_device(&device, None, &claim)?,
            };
            let device = &claimed.device;
            mark_seen(work.conn, device, at)?;
            work.conn
                .prepare_cached(
                    "UPDATE tokens SET kind = 'device', device_id = ?2, epoch = ?3, session_id = NULL WHERE hash = ?1",
                )?
                .execute((hash, device.as_str(), claimed.epoch.get()))?;
            work.conn
                .prepare_cached("UPDATE provisioning_sessions SET state = ?2, device_id = ?3 WHERE id = ?1")?
                .execute((session.as_str(), state.as_str(), device.as_str()))?;
            work.drop_claim_code(&session)?;
            work.token_changed(&TokenHash::from_bytes(hash))?;
            work.add_step(&session, &step(at, StepName::Claimed, "The device logged in; the claim is complete."))?;
            work.audit(&Change::by("device", at), "device.claim", device.as_str(), session.as_str())?;
            Ok(claimed)
        })
        .await
    }
}

const DAMAGED: StorageError = StorageError::Damaged { what: "a provisioning session" };

impl Work<'_> {
    fn set_session_state(&mut self, id: &SessionId, state: SessionState) -> Result<(), StorageError> {
        self.drop_claim_code(id)?;
        self.conn
            .prepare_cached("UPDATE provisioning_sessions SET state = ?2 WHERE id = ?1")?
            .execute((id.as_str(), state.as_str()))?;
        let hashes: Vec<[u8; 32]> = self
            .conn
            .prepare_cached("SELECT hash FROM tokens WHERE session_id = ?1 ORDER BY hash")?
            .query_map([id.as_str()], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        hashes.into_iter().try_for_each(|hash| self.token_changed(&TokenHash::from_bytes(hash)))
    }

    pub(crate) fn add_step(&self, id: &SessionId, step: &SessionStep) -> Result<(), StorageError> {
        self.conn
            .prepare_cached(
                "INSERT INTO session_steps (session_id, at, step, code, message)
                 SELECT ?1, ?2, ?3, ?4, ?5 WHERE (SELECT count(*) FROM session_steps WHERE session_id = ?1) < ?6",
            )?
            .execute((id.as_str(), step.at.unix_ms(), step.step.as_str(), step.code, &step.message, STEPS_MAX))?;
        Ok(())
    }
}

pub(crate) fn step(at: UtcTime, step: StepName, message: &str) -> SessionStep {
    SessionStep { at, step, code: None, message: message.to_owned() }
}

const SELECT_SESSION: &str =
    "SELECT seq, id, template_id, device_name, state, created_at, expires_at, device_id,
            code_hash IS NOT NULL
     FROM provisioning_sessions";

pub(crate) fn session_now(conn: &Connection, id: &SessionId) -> Result<Option<Session>, StorageError> {
    let sql = format!("{SELECT_SESSION} WHERE id = ?1");
    let found = conn
        .prepare_cached(&sql)?
        .query_row([id.as_str()], |row| Ok(read_session(row)))
        .optional()?
        .transpose()?;
    let Some(mut session) = found else { return Ok(None) };
    session.steps = steps_now(conn, id)?;
    Ok(Some(session))
}

pub(crate) fn session_of_device(
    conn: &Connection,
    device: &DeviceId,
) -> Result<Option<SessionId>, StorageError> {
    let id: Option<String> = conn
        .prepare_cached(
            "SELECT id FROM provisioning_sessions WHERE device_id = ?1 ORDER BY seq DESC LIMIT 1",
        )?
        .query_row([device.as_str()], |row| row.get(0))
        .optional()?;
    id.map(|id| SessionId::parse(&id).or(Err(DAMAGED))).transpose()
}

/// Returns the session that a token was made for, whether or not it has been claimed since.
fn session_of_token(conn: &Connection, hash: &TokenHash) -> Result<Option<Session>, StorageError> {
    let id = match token_now(conn, hash)?.map(|(_, indexed)| indexed.record) {
        Some(TokenRecord::Session { session, .. }) => Some(session),
        Some(TokenRecord::Device { device, .. }) => session_of_device(conn, &device)?,
        _ => None,
    };
    id.map_or(Ok(None), |id| session_now(conn, &id))
}

fn read_session(row: &Row<'_>) -> Result<Session, StorageError> {
    let device: Option<String> = row.get(7)?;
    Ok(Session {
        id: SessionId::parse(&row.get::<_, String>(1)?).or(Err(DAMAGED))?,
        template_id: TemplateId::parse(&row.get::<_, String>(2)?).or(Err(DAMAGED))?,
        device_name: row.get(3)?,
        state: SessionState::from_name(&row.get::<_, String>(4)?).ok_or(DAMAGED)?,
        created_at: UtcTime::from_unix_ms(row.get(5)?),
        expires_at: UtcTime::from_unix_ms(row.get(6)?),
        device_id: device.map(|id| DeviceId::parse(&id).or(Err(DAMAGED))).transpose()?,
        has_claim_code: row.get(8)?,
        steps: Vec::new(),
    })
}

fn steps_now(conn: &Connection, id: &SessionId) -> Result<Vec<SessionStep>, StorageError> {
    let mut statement = conn.prepare_cached(
        "SELECT at, step, code, message FROM session_steps WHERE session_id = ?1 ORDER BY seq",
    )?;
    let mut rows = statement.query([id.as_str()])?;
    let mut steps = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(1)?;
        steps.push(SessionStep {
            at: UtcTime::from_unix_ms(row.get(0)?),
            step: StepName::from_name(&name).ok_or(DAMAGED)?,
            code: row.get(2)?,
            message: row.get(3)?,
        });
    }
    Ok(steps)
}
