//! All tokens in memory: a login must be answered without waiting for a reader.
//!
//! About 150 bytes per token. The index follows the database: loaded at open, changed after each COMMIT.

use std::collections::HashMap;
use std::sync::RwLock;

use registry::{
    DeviceId, Epoch, LookedUp, ReleaseState, SessionId, SessionState, TokenHash, TokenRecord, UtcTime,
};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::StorageError;

const SELECT: &str =
    "SELECT t.hash, t.kind, t.device_id, t.epoch, t.session_id, s.state, s.expires_at, r.state, d.epoch,
            ifnull(d.ownership = 'reserved' AND d.epoch = t.epoch, 0)
     FROM tokens t
     LEFT JOIN devices d ON d.id = t.device_id
     LEFT JOIN provisioning_sessions s ON s.id = t.session_id
     LEFT JOIN releases r ON r.device_id = t.device_id AND r.epoch = t.epoch";

#[derive(Debug, Default)]
pub(crate) struct TokenIndex {
    records: RwLock<HashMap<TokenHash, Indexed>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Indexed {
    pub(crate) record: TokenRecord,
    /// The device is reserved: its first login turns that into an ownership.
    awaits_first_login: bool,
}

/// A token as it is after a write; none when it is gone.
pub(crate) type TokenChange = (TokenHash, Option<Indexed>);

impl TokenIndex {
    pub(crate) fn load(conn: &Connection) -> Result<Self, StorageError> {
        let mut statement = conn.prepare(SELECT)?;
        let mut rows = statement.query([])?;
        let mut records = HashMap::new();
        while let Some(row) = rows.next()? {
            let (hash, record) = read_token(row)?;
            records.insert(hash, record);
        }
        Ok(Self { records: RwLock::new(records) })
    }

    pub(crate) fn look_up(&self, hash: &TokenHash) -> LookedUp {
        // A poisoned lock means that a thread died while changing the map; what it holds can no longer be trusted, and
        // "unavailable" makes the device try again later.
        let Ok(records) = self.records.read() else { return LookedUp::StoreUnavailable };
        records.get(hash).map_or(LookedUp::Unknown, |indexed| LookedUp::Found(indexed.record.clone()))
    }

    /// Says whether a login with this token changes what is stored. When in doubt it does.
    pub(crate) fn awaits_first_login(&self, hash: &TokenHash) -> bool {
        let Ok(records) = self.records.read() else { return true };
        records.get(hash).is_none_or(|indexed| indexed.awaits_first_login)
    }

    pub(crate) fn apply(&self, changes: Vec<TokenChange>) {
        let Ok(mut records) = self.records.write() else { return };
        for (hash, indexed) in changes {
            match indexed {
                Some(indexed) => records.insert(hash, indexed),
                None => records.remove(&hash),
            };
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.records.read().map_or(0, |records| records.len())
    }
}

/// Reads one token as it is inside the current transaction.
pub(crate) fn token_now(
    conn: &Connection,
    hash: &TokenHash,
) -> Result<Option<(TokenHash, Indexed)>, StorageError> {
    let sql = format!("{SELECT} WHERE t.hash = ?1");
    let mut statement = conn.prepare_cached(&sql)?;
    statement.query_row([hash.as_bytes()], |row| Ok(read_token(row))).optional()?.transpose()
}

fn read_token(row: &Row<'_>) -> Result<(TokenHash, Indexed), StorageError> {
    const DAMAGED: StorageError = StorageError::Damaged { what: "a token" };
    let hash = TokenHash::from_bytes(row.get(0)?);
    let kind: String = row.get(1)?;
    let device =
        || -> Result<DeviceId, StorageError> { DeviceId::parse(&row.get::<_, String>(2)?).or(Err(DAMAGED)) };
    let is_superseded = || -> Result<bool, StorageError> {
        Ok(row
            .get::<_, Option<u32>>(8)?
            .is_some_and(|current| row.get(3).is_ok_and(|epoch: u32| epoch < current)))
    };
    let record = match kind.as_str() {
        "device" if is_superseded()? => TokenRecord::Superseded { device: device()? },
        "device" => TokenRecord::Device { device: device()?, epoch: Epoch::new(row.get(3)?) },
        "tombstone" => {
            let state: String = row.get(7)?;
            let release = ReleaseState::from_name(&state).ok_or(DAMAGED)?;
            // What was proven stays proven.
            if release != ReleaseState::Confirmed && is_superseded()? {
                TokenRecord::Superseded { device: device()? }
            } else {
                TokenRecord::Tombstone { device: device()?, release }
            }
        }
        "session" => TokenRecord::Session {
            session: SessionId::parse(&row.get::<_, String>(4)?).or(Err(DAMAGED))?,
            state: SessionState::from_name(&row.get::<_, String>(5)?).ok_or(DAMAGED)?,
            expires_at: UtcTime::from_unix_ms(row.get(6)?),
        },
        "revoked" => TokenRecord::Revoked,
        _ => return Err(DAMAGED),
    };
    Ok((hash, Indexed { record, awaits_first_login: row.get(9)? }))
}
