//! Claim codes, and devices that are claimed again: same UID, same record, next ownership.

use registry::{
    ClaimCode, DeviceId, Epoch, Ownership, Reclaim, ReclaimPolicy, SessionId, SessionState, StepName,
    TemplateId, Token, UtcTime, decide_reclaim,
};
use rusqlite::{Connection, OptionalExtension};

use crate::provisioning::{session_now, step};
use crate::writer::Work;
use crate::{Change, Claimed, CompleteClaimError, DeviceError, StorageError, Store};

/// What a claim code was worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redeemed {
    /// The session's token. The session is claimed by the first login with it, not by this.
    Token {
        /// The session.
        session: SessionId,
        /// Its token.
        token: Token,
    },
    /// The device has an owner who did not release it; the session says so and stays open.
    Owned {
        /// The session.
        session: SessionId,
    },
    /// No open session has this code for this device.
    Unknown,
}

/// What became of a device that said its UID after it had claimed a session by its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adopted {
    /// Nobody else is known by this UID.
    New,
    /// It is known: its record goes on, the one that was made for this login is gone. Whatever is connected under either
    /// id must log in again.
    Known {
        /// The record that goes on.
        device: DeviceId,
    },
    /// It is known and has an owner who did not release it.
    Owned,
}

/// A claim to be entered.
pub(crate) struct NewClaim<'a> {
    pub(crate) template_id: &'a TemplateId,
    pub(crate) name: &'a str,
    pub(crate) at: UtcTime,
}

impl Store {
    /// Exchanges a claim code for the token of its session.
    ///
    /// The first device that comes has the code to itself: the same UID gets the same token again until the session is
    /// claimed by a login, another UID gets nothing.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn redeem_claim_code(
        &self,
        code: ClaimCode,
        uid: String,
        at: UtcTime,
    ) -> Result<Redeemed, StorageError> {
        let hash = self.hash_claim_code(code);
        let redeemed = self
            .write(move |work| {
                let Some(open) = open_session_of_code(work.conn, &hash, at)? else { return Ok(None) };
                if open.uid.as_ref().is_some_and(|first| *first != uid) {
                    return Ok::<_, StorageError>(None);
                }
                if let Some(known) = known_device(work.conn, &uid, None)?
                    && known.decide() == Reclaim::Refused
                {
                    work.refuse_claim(&open.session, &known, at)?;
                    return Ok(Some((open.session, None)));
                }
                if open.uid.is_none() {
                    work.conn
                        .prepare_cached("UPDATE provisioning_sessions SET code_uid = ?2 WHERE id = ?1")?
                        .execute((open.session.as_str(), &uid))?;
                    let message = format!("A device exchanged the claim code (UID {uid}).");
                    work.add_step(&open.session, &step(at, StepName::CodeExchanged, &message))?;
                }
                Ok(Some((open.session, Some(open.nonce))))
            })
            .await?;
        Ok(match redeemed {
            Some((session, Some(nonce))) => Redeemed::Token { session, token: self.derive_token(&nonce) },
            Some((session, None)) => Redeemed::Owned { session },
            None => Redeemed::Unknown,
        })
    }

    /// Enters the UID of a device that has just claimed a session by its token. See [`Adopted`].
    ///
    /// # Errors
    /// When there is no such device in this epoch or storage fails.
    pub async fn adopt_uid(
        &self,
        id: DeviceId,
        epoch: Epoch,
        uid: String,
        at: UtcTime,
    ) -> Result<Adopted, DeviceError> {
        self.write(move |work| {
            let device = crate::devices::device_now(work.conn, &id)?
                .filter(|device| device.epoch == epoch && device.ownership == Ownership::Owned)
                .ok_or(DeviceError::NotFound)?;
            // It said so before its login, or at an earlier one: everything was decided then.
            if device.uid.as_ref() == Some(&uid) {
                return Ok(Adopted::New);
            }
            work.conn
                .prepare_cached("UPDATE devices SET uid = ?2 WHERE id = ?1")?
                .execute((id.as_str(), &uid))?;
            let Some(known) = known_device(work.conn, &uid, Some(&id))? else { return Ok(Adopted::New) };
            if known.decide() == Reclaim::Refused {
                if let Some(session) = work.session_of_device(&id)? {
                    work.refuse_claim(&session, &known, at)?;
                }
                return Ok(Adopted::Owned);
            }
            let claim = NewClaim { template_id: &device.template_id, name: &device.name, at };
            let next = work.take_over(&known, &claim)?;
            work.move_claim(&id, &known.id, next)?;
            Ok(Adopted::Known { device: known.id })
        })
        .await
    }
}

impl Work<'_> {
    /// Stores a claim code; a code that another open session has by chance is left out.
    pub(crate) fn put_claim_code(
        &self,
        session: &SessionId,
        hash: &[u8; 32],
        nonce: &[u8; 16],
        at: UtcTime,
    ) -> Result<(), StorageError> {
        // Sessions whose time has come may not have been swept yet.
        self.conn
            .prepare_cached(
                "UPDATE provisioning_sessions SET code_hash = NULL, code_nonce = NULL
                 WHERE code_hash = ?1 AND expires_at <= ?2",
            )?
            .execute((hash, at.unix_ms()))?;
        self.conn
            .prepare_cached(
                "UPDATE provisioning_sessions SET code_hash = ?2, code_nonce = ?3 WHERE id = ?1
                 AND NOT EXISTS (SELECT 1 FROM provisioning_sessions WHERE code_hash = ?2)",
            )?
            .execute((session.as_str(), hash, nonce))?;
        Ok(())
    }

    /// Forgets the code and everything it and the token could be made from.
    pub(crate) fn drop_claim_code(&self, session: &SessionId) -> Result<(), StorageError> {
        self.conn
            .prepare_cached(
                "UPDATE provisioning_sessions SET code_hash = NULL, code_nonce = NULL, code_uid = NULL WHERE id = ?1",
            )?
            .execute([session.as_str()])?;
        Ok(())
    }

    /// Returns the UID of the device that exchanged the session's code.
    pub(crate) fn uid_of_session(&self, session: &SessionId) -> Result<Option<String>, StorageError> {
        Ok(self
            .conn
            .prepare_cached("SELECT code_uid FROM provisioning_sessions WHERE id = ?1")?
            .query_row([session.as_str()], |row| row.get(0))?)
    }

    /// Enters a device that said its UID before its first login; none when it has an owner who must let it go first.
    pub(crate) fn claim_by_uid(
        &mut self,
        new_id: &DeviceId,
        uid: &str,
        claim: &NewClaim<'_>,
    ) -> Result<Option<Claimed>, CompleteClaimError> {
        let Some(known) = known_device(self.conn, uid, None)? else {
            return Ok(Some(self.claim_new_device(new_id, Some(uid), claim)?));
        };
        if known.decide() == Reclaim::Refused {
            return Ok(None);
        }
        let epoch = self.take_over(&known, claim)?;
        Ok(Some(Claimed { device: known.id, epoch, was_known: true }))
    }

    /// Enters a device that nobody knows.
    pub(crate) fn claim_new_device(
        &self,
        id: &DeviceId,
        uid: Option<&str>,
        claim: &NewClaim<'_>,
    ) -> Result<Claimed, StorageError> {
        self.insert_device(id, claim.template_id, claim.name, Ownership::Owned, claim.at)?;
        self.conn.prepare_cached("UPDATE devices SET uid = ?2 WHERE id = ?1")?.execute((id.as_str(), uid))?;
        Ok(Claimed { device: id.clone(), epoch: Epoch::FIRST, was_known: false })
    }

    /// Begins the next ownership of a known device. Nothing of the earlier ones stays visible, and no release order of
    /// theirs fits the keys of this one.
    fn take_over(&mut self, known: &KnownDevice, claim: &NewClaim<'_>) -> Result<Epoch, StorageError> {
        let epoch = known.epoch.next();
        let id = &known.id;
        self.purge_owner_data(id)?;
        self.conn
            .prepare_cached(
                "UPDATE devices SET epoch = ?2, ownership = 'owned', template_id = ?3, name = ?4,
                    key_epoch_first = max(ifnull(key_epoch, 0), key_epoch_first) + 1, key_epoch = NULL
                 WHERE id = ?1",
            )?
            .execute((id.as_str(), epoch.get(), claim.template_id.as_str(), claim.name))?;
        self.conn
            .prepare_cached(
                "INSERT INTO ownerships (device_id, epoch, reserved_at, owned_at) VALUES (?1, ?2, ?3, ?3)",
            )?
            .execute((id.as_str(), epoch.get(), claim.at.unix_ms()))?;
        self.device_tokens_changed(id)?;
        let detail = match known.decide() {
            Reclaim::TakesOver => format!("epoch {epoch}; epoch {} was not released", known.epoch),
            Reclaim::Free | Reclaim::Refused => {
                format!("epoch {epoch}; epoch {} had been released", known.epoch)
            }
        };
        self.audit(&Change::by("device", claim.at), "device.rehomed", id.as_str(), &detail)?;
        Ok(epoch)
    }

    /// Moves what a login has just claimed from the record made for it to the record that goes on.
    fn move_claim(&mut self, from: &DeviceId, to: &DeviceId, epoch: Epoch) -> Result<(), StorageError> {
        let ids = (from.as_str(), to.as_str());
        self.purge_owner_data(from)?;
        self.conn
            .prepare_cached("UPDATE tokens SET device_id = ?2, epoch = ?3 WHERE device_id = ?1")?
            .execute((ids.0, ids.1, epoch.get()))?;
        self.conn
            .prepare_cached("UPDATE provisioning_sessions SET device_id = ?2 WHERE device_id = ?1")?
            .execute(ids)?;
        self.conn
            .prepare_cached(
                "UPDATE devices SET last_seen_at = (SELECT last_seen_at FROM devices WHERE id = ?1) WHERE id = ?2",
            )?
            .execute(ids)?;
        self.conn.prepare_cached("DELETE FROM devices WHERE id = ?1")?.execute([ids.0])?;
        self.device_tokens_changed(to)
    }

    fn refuse_claim(
        &self,
        session: &SessionId,
        known: &KnownDevice,
        at: UtcTime,
    ) -> Result<(), StorageError> {
        let message = format!(
            "This board is device {} and was not released by its owner. Its template is locked: it can be set up anew \
             after that.",
            known.id
        );
        self.add_step(session, &step(at, StepName::ClaimRefused, &message))?;
        self.audit(&Change::by("device", at), "device.claim_refused", known.id.as_str(), session.as_str())
    }

    fn session_of_device(&self, device: &DeviceId) -> Result<Option<SessionId>, StorageError> {
        crate::provisioning::session_of_device(self.conn, device)
    }
}

struct OpenSession {
    session: SessionId,
    nonce: [u8; 16],
    uid: Option<String>,
}

/// A device that is known by its UID.
struct KnownDevice {
    id: DeviceId,
    epoch: Epoch,
    ownership: Ownership,
    policy: ReclaimPolicy,
}

impl KnownDevice {
    fn decide(&self) -> Reclaim {
        decide_reclaim(self.policy, self.ownership)
    }
}

fn open_session_of_code(
    conn: &Connection,
    hash: &[u8; 32],
    at: UtcTime,
) -> Result<Option<OpenSession>, StorageError> {
    let found: Option<(String, [u8; 16], Option<String>)> = conn
        .prepare_cached("SELECT id, code_nonce, code_uid FROM provisioning_sessions WHERE code_hash = ?1")?
        .query_row([hash], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((id, nonce, uid)) = found else { return Ok(None) };
    let session = SessionId::parse(&id).or(Err(DAMAGED))?;
    let is_open = session_now(conn, &session)?
        .is_some_and(|found| found.state.seen_at(found.expires_at, at) == SessionState::Open);
    Ok(is_open.then_some(OpenSession { session, nonce, uid }))
}

fn known_device(
    conn: &Connection,
    uid: &str,
    except: Option<&DeviceId>,
) -> Result<Option<KnownDevice>, StorageError> {
    let found: Option<(String, u32, String, String)> = conn
        .prepare_cached(
            "SELECT d.id, d.epoch, d.ownership, t.reclaim FROM devices d JOIN templates t ON t.id = d.template_id
             WHERE d.uid = ?1 AND d.id IS NOT ?2 ORDER BY d.seq DESC LIMIT 1",
        )?
        .query_row((uid, except.map(DeviceId::as_str)), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((id, epoch, ownership, policy)) = found else { return Ok(None) };
    Ok(Some(KnownDevice {
        id: DeviceId::parse(&id).or(Err(DAMAGED))?,
        epoch: Epoch::new(epoch),
        ownership: Ownership::from_name(&ownership).ok_or(DAMAGED)?,
        policy: ReclaimPolicy::from_name(&policy).ok_or(DAMAGED)?,
    }))
}

const DAMAGED: StorageError = StorageError::Damaged { what: "a claim" };
