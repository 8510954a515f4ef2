//! Idempotency keys: the same request gets the same answer for 24 hours.

use rand::TryRng;
use rand::rngs::SysRng;
use registry::UtcTime;
use rusqlite::OptionalExtension;

use crate::{StorageError, Store};

/// 24 h. Source: the HTTP contract, `Idempotency-Key`.
const LIFETIME_MS: i64 = 24 * 60 * 60 * 1_000;

/// 60 s: a request that has not been finished by then was cut off by a crash; the next one with its key takes
/// over.
const UNFINISHED_MS: i64 = 60_000;

/// An answer that was given before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotentAnswer {
    /// HTTP status.
    pub status: u16,
    /// Body as stored: it must not contain a token (see [`IdempotentStart::First`]).
    pub body: String,
    /// The nonce of the first request, to make its token again.
    pub nonce: [u8; 16],
}

/// What a request with an idempotency key finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdempotentStart {
    /// Nobody finished it before: do it, then call [`Store::finish_request`].
    ///
    /// An answer that contains a token must not be stored. Take the token from [`Store::derive_token`] with this nonce,
    /// store the answer without it, and put it back in when the answer is repeated.
    First {
        /// Random; stored as long as the key.
        nonce: [u8; 16],
    },
    /// The same request was answered before.
    Answered(IdempotentAnswer),
    /// The same request is being worked on right now.
    InProgress,
    /// The key was used for another request.
    KeyReused,
}

/// Why an answer could not be stored.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum FinishRequestError {
    /// The key is not there any more.
    #[error("there is no such idempotency key")]
    NotFound,
    /// Storage failed.
    #[error("storing the answer failed")]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for FinishRequestError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

type Row = ([u8; 32], [u8; 16], Option<u16>, Option<String>, i64);

impl Store {
    /// Starts a request with an idempotency key. `request_hash` stands for method, path and body.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn start_request(
        &self,
        key: String,
        request_hash: [u8; 32],
        now: UtcTime,
    ) -> Result<IdempotentStart, StorageError> {
        let mut new_nonce = [0_u8; 16];
        SysRng
            .try_fill_bytes(&mut new_nonce)
            .or(Err(StorageError::Damaged { what: "the system's random numbers" }))?;
        self.write(move |work| {
            work.conn
                .prepare_cached("DELETE FROM idempotency_keys WHERE created_at <= ?1")?
                .execute([now.plus_ms(-LIFETIME_MS).unix_ms()])?;
            let found: Option<Row> = work
                .conn
                .prepare_cached("SELECT request_hash, nonce, status, body, created_at FROM idempotency_keys WHERE key = ?1")?
                .query_row([&key], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
                })
                .optional()?;
            match found {
                Some((hash, ..)) if hash != request_hash => Ok(IdempotentStart::KeyReused),
                Some((_, nonce, Some(status), Some(body), _)) => {
                    Ok(IdempotentStart::Answered(IdempotentAnswer { status, body, nonce }))
                }
                Some((.., started_at)) if now.unix_ms() < started_at.saturating_add(UNFINISHED_MS) => {
                    Ok(IdempotentStart::InProgress)
                }
                // Cut off by a crash. The nonce stays: should the first attempt have got as far as making something, the
                // second makes the same token and finds it (see `create_device`).
                Some((_, nonce, ..)) => {
                    work.conn
                        .prepare_cached("UPDATE idempotency_keys SET created_at = ?2 WHERE key = ?1")?
                        .execute((&key, now.unix_ms()))?;
                    Ok(IdempotentStart::First { nonce })
                }
                None => {
                    work.conn
                        .prepare_cached(
                            "INSERT INTO idempotency_keys (key, request_hash, nonce, created_at) VALUES (?1, ?2, ?3, ?4)",
                        )?
                        .execute((&key, request_hash, new_nonce, now.unix_ms()))?;
                    Ok(IdempotentStart::First { nonce: new_nonce })
                }
            }
        })
        .await
    }

    /// Stores the answer of a request. `body` must not contain a token.
    ///
    /// # Errors
    /// When the key is gone or storage fails.
    pub async fn finish_request(
        &self,
        key: String,
        status: u16,
        body: String,
    ) -> Result<(), FinishRequestError> {
        self.write(move |work| {
            let changed_count = work
                .conn
                .prepare_cached("UPDATE idempotency_keys SET status = ?2, body = ?3 WHERE key = ?1")?
                .execute((&key, status, &body))?;
            if changed_count == 0 { Err(FinishRequestError::NotFound) } else { Ok(()) }
        })
        .await
    }

    /// Forgets a request that failed, so that it can be tried again with the same key.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn abandon_request(&self, key: String) -> Result<(), StorageError> {
        self.write(move |work| {
            work.conn
                .prepare_cached("DELETE FROM idempotency_keys WHERE key = ?1 AND status IS NULL")?
                .execute([&key])?;
            Ok(())
        })
        .await
    }
}
