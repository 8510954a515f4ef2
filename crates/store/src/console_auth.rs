//! Sign-in to the console: password hash, one-time codes, sessions. Codes and cookies are stored as keyed hashes.

use registry::{SecretPurpose, UtcTime};
use rusqlite::OptionalExtension;

use crate::{Change, StorageError, Store};

impl Store {
    /// Stores the owner's password hash (a PHC string) and ends all console sessions but `kept_cookie`'s.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn set_password_hash(
        &self,
        password_hash: String,
        kept_cookie: Option<&str>,
        change: Change,
    ) -> Result<(), StorageError> {
        let kept = kept_cookie.map(|cookie| self.hash_secret(SecretPurpose::ConsoleSession, cookie));
        self.write(move |work| {
            work.conn
                .prepare_cached(
                    "INSERT INTO settings (name, value) VALUES ('password_hash', ?1)
                     ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                )?
                .execute([password_hash.as_bytes()])?;
            work.conn
                .prepare_cached("DELETE FROM console_sessions WHERE ?1 IS NULL OR hash <> ?1")?
                .execute([kept])?;
            work.audit(&change, "auth.set_password", "owner", "")
        })
        .await
    }

    /// Returns the owner's password hash; none when no password was set.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn password_hash(&self) -> Result<Option<String>, StorageError> {
        self.read(|conn| {
            let bytes: Option<Vec<u8>> = conn
                .prepare_cached("SELECT value FROM settings WHERE name = 'password_hash'")?
                .query_row([], |row| row.get(0))
                .optional()?;
            let text = bytes.map(String::from_utf8).transpose();
            text.or(Err(StorageError::Damaged { what: "the password hash" }))
        })
        .await
    }

    /// Stores a one-time sign-in code.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn create_sign_in_code(&self, code: &str, expires_at: UtcTime) -> Result<(), StorageError> {
        let hash = self.hash_secret(SecretPurpose::SignInCode, code);
        self.write(move |work| {
            work.conn
                .prepare_cached("INSERT OR REPLACE INTO sign_in_codes (hash, expires_at) VALUES (?1, ?2)")?
                .execute((hash, expires_at.unix_ms()))?;
            Ok(())
        })
        .await
    }

    /// Uses up a one-time sign-in code; says whether it was good. Expired codes are forgotten on the way.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn redeem_sign_in_code(&self, code: &str, now: UtcTime) -> Result<bool, StorageError> {
        let hash = self.hash_secret(SecretPurpose::SignInCode, code);
        self.write(move |work| {
            work.conn
                .prepare_cached("DELETE FROM sign_in_codes WHERE expires_at <= ?1")?
                .execute([now.unix_ms()])?;
            let used_count =
                work.conn.prepare_cached("DELETE FROM sign_in_codes WHERE hash = ?1")?.execute([hash])?;
            Ok(used_count == 1)
        })
        .await
    }

    /// Stores a console session, identified by its cookie.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn create_console_session(
        &self,
        cookie: &str,
        expires_at: UtcTime,
        change: Change,
    ) -> Result<(), StorageError> {
        let hash = self.hash_secret(SecretPurpose::ConsoleSession, cookie);
        self.write(move |work| {
            work.conn
                .prepare_cached("DELETE FROM console_sessions WHERE expires_at <= ?1")?
                .execute([change.at.unix_ms()])?;
            work.conn
                .prepare_cached(
                    "INSERT INTO console_sessions (hash, created_at, expires_at) VALUES (?1, ?2, ?3)",
                )?
                .execute((hash, change.at.unix_ms(), expires_at.unix_ms()))?;
            work.audit(&change, "auth.sign_in", "owner", "")
        })
        .await
    }

    /// Says whether a cookie belongs to a console session that is still good.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn has_console_session(&self, cookie: &str, now: UtcTime) -> Result<bool, StorageError> {
        let hash = self.hash_secret(SecretPurpose::ConsoleSession, cookie);
        self.read(move |conn| {
            Ok(conn
                .prepare_cached("SELECT 1 FROM console_sessions WHERE hash = ?1 AND expires_at > ?2")?
                .exists((hash, now.unix_ms()))?)
        })
        .await
    }

    /// Ends a console session.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn delete_console_session(&self, cookie: &str) -> Result<(), StorageError> {
        let hash = self.hash_secret(SecretPurpose::ConsoleSession, cookie);
        self.write(move |work| {
            work.conn.prepare_cached("DELETE FROM console_sessions WHERE hash = ?1")?.execute([hash])?;
            Ok(())
        })
        .await
    }
}
