//! Tokens that were presented and that nobody knows: only fingerprints.

use registry::{Token, UtcTime};

use crate::{ListError, Listed, Page, StorageError, Store};

/// 1,000 fingerprints are kept, the latest seen. Guessing must not fill the disk.
const UNKNOWN_TOKENS_MAX: i64 = 1_000;

/// A token that was presented and that the store does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownToken {
    /// First 12 hexadecimal digits of its keyed hash.
    pub fingerprint: String,
    /// When it was first presented.
    pub first_seen_at: UtcTime,
    /// When it was last presented.
    pub last_seen_at: UtcTime,
    /// How often.
    pub attempts: u64,
    /// Address it last came from.
    pub remote: String,
}

impl Store {
    /// Records that an unknown token was presented.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn record_unknown_token(
        &self,
        token: &Token,
        remote: String,
        at: UtcTime,
    ) -> Result<(), StorageError> {
        let fingerprint = self.hash_token(token).fingerprint().to_string();
        self.write(move |work| {
            work.conn
                .prepare_cached(
                    "INSERT INTO unknown_tokens (fingerprint, first_seen_at, last_seen_at, attempts, remote)
                     VALUES (?1, ?2, ?2, 1, ?3)
                     ON CONFLICT (fingerprint) DO UPDATE SET last_seen_at = max(last_seen_at, excluded.last_seen_at),
                        attempts = attempts + 1, remote = excluded.remote",
                )?
                .execute((fingerprint, at.unix_ms(), remote))?;
            work.conn
                .prepare_cached(
                    "DELETE FROM unknown_tokens WHERE fingerprint IN (
                        SELECT fingerprint FROM unknown_tokens ORDER BY last_seen_at DESC, fingerprint LIMIT -1 OFFSET ?1)",
                )?
                .execute([UNKNOWN_TOKENS_MAX])?;
            Ok(())
        })
        .await
    }

    /// Lists unknown tokens, latest seen first. The list moves while boards retry, so it has one page: its cursor is
    /// always none, and `page.cursor` must be none.
    ///
    /// # Errors
    /// When a cursor is given or storage fails.
    pub async fn list_unknown_tokens(&self, page: Page) -> Result<Listed<UnknownToken>, ListError> {
        if page.cursor.is_some() {
            return Err(ListError::BadCursor);
        }
        let limit = page.limit.clamp(1, crate::PAGE_ITEMS_MAX);
        self.read(move |conn| {
            let mut statement = conn.prepare_cached(
                "SELECT fingerprint, first_seen_at, last_seen_at, attempts, remote FROM unknown_tokens
                 ORDER BY last_seen_at DESC, fingerprint LIMIT ?1",
            )?;
            let rows = statement.query_map([limit], |row| {
                Ok(UnknownToken {
                    fingerprint: row.get(0)?,
                    first_seen_at: UtcTime::from_unix_ms(row.get(1)?),
                    last_seen_at: UtcTime::from_unix_ms(row.get(2)?),
                    attempts: row.get::<_, i64>(3)?.unsigned_abs(),
                    remote: row.get(4)?,
                })
            })?;
            Ok(Listed { items: rows.collect::<Result<_, _>>()?, next_cursor: None })
        })
        .await
    }
}
