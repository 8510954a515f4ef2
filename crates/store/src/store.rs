//! The store: opening, looking tokens up, closing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use registry::{ClaimCode, DeviceId, LookedUp, SecretPurpose, ShipmentId, Token, TokenHash, TokenKey};
use rusqlite::{Connection, OptionalExtension};

use crate::data_folder::DataFolder;
use crate::database::{self, Found};
use crate::history::PlanPlace;
use crate::last_values::UnsettledValues;
use crate::readers::Readers;
use crate::token_index::TokenIndex;
use crate::value_lane::ValueLane;
use crate::writer::{Work, Writer};
use crate::{HistorySettings, OpenStoreError, StorageError, WriterHealth, WriterStatistics};

/// 2 readers: lists and pages are short; more would only add memory (about 2 MB of cache each).
const READER_COUNT: usize = 2;

/// 2 s for a trial write: a device waits 6 s for the answer to its login. Source: reference/wire-protocol.md 4.
const TRIAL_TIME_MAX: Duration = Duration::from_secs(2);

/// How a store is opened.
#[derive(Debug, Clone, Default)]
pub struct StoreSettings {
    /// Largest size of the database in pages of 4,096 bytes; none for as much as the disk holds.
    pub page_count_max: Option<u32>,
    /// How history is kept.
    pub history: HistorySettings,
    /// Called before every COMMIT; for tests of what a slow disk or a fault costs.
    pub before_commit: Option<CommitHook>,
}

/// Something that is called on the writer's thread, inside a transaction. It may take its time, as a slow disk does, and it
/// may panic, as a fault in this program would.
#[derive(Clone)]
pub struct CommitHook(Arc<dyn Fn() + Send + Sync>);

impl CommitHook {
    /// Makes a hook.
    pub fn new(call: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(call))
    }

    pub(crate) fn call(&self) {
        (self.0)();
    }
}

impl std::fmt::Debug for CommitHook {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("CommitHook")
    }
}

/// Durable storage. Cheap to clone; all clones are the same store.
///
/// Every method that changes something returns after its change is on disk. When the last clone is dropped, waiting
/// writes are finished and the data folder is free again.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    key: TokenKey,
    index: Arc<TokenIndex>,
    history_settings: HistorySettings,
    history_plan: Arc<PlanPlace>,
    unsettled_values: Arc<UnsettledValues>,
    // Before `writer`: fields are dropped in order, and the lock goes with the writer.
    readers: Readers,
    writer: Writer,
}

impl Store {
    /// Opens the data folder at `path`; makes it, with an empty database and a new token key, when there is none.
    ///
    /// # Errors
    /// See [`OpenStoreError`]; each says what to do.
    pub fn open(path: &Path) -> Result<Self, OpenStoreError> {
        Self::open_with(path, &StoreSettings::default())
    }

    /// Opens the data folder with settings.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(path: &Path, settings: &StoreSettings) -> Result<Self, OpenStoreError> {
        let folder = DataFolder::open(path)?;
        let database_path = folder.database_path();
        let found = database::inspect(&database_path)?;
        let key = match (found, folder.read_key()?) {
            (_, Some(key)) => key,
            (Found::Nothing, None) => folder.create_key()?,
            (Found::Ours, None) => return Err(OpenStoreError::TokenKeyMissing { path: folder.key_path() }),
        };
        let at_database = |error: StorageError| database::open_error(&database_path, error);
        let conn = database::open_writer(&database_path, settings).map_err(at_database)?;
        if !key_fits(&conn, &key).map_err(at_database)? {
            return Err(OpenStoreError::TokenKeyMismatch { path: folder.key_path() });
        }
        let index = Arc::new(TokenIndex::load(&conn).map_err(at_database)?);
        let connections = (0..READER_COUNT)
            .map(|_| database::open_reader(&database_path))
            .collect::<Result<_, _>>()
            .map_err(at_database)?;
        let folder_path = folder.path().to_owned();
        let at_folder = |source| OpenStoreError::Folder { path: folder_path.clone(), source };
        let readers = Readers::start(connections).map_err(at_folder)?;
        let lane = ValueLane::open(&conn).map_err(at_database)?;
        let unsettled_values = lane.last_values.unsettled();
        let hook = settings.before_commit.clone();
        let writer =
            Writer::start(conn, lane, Arc::clone(&index), hook, folder.into_lock()).map_err(at_folder)?;
        let (history_settings, history_plan) = (settings.history, Arc::default());
        let inner = Inner { key, index, history_settings, history_plan, unsettled_values, readers, writer };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Looks a presented token up, without waiting. Feed the result to [`registry::decide_login`].
    #[must_use]
    pub fn look_up_token(&self, presented: &[u8]) -> LookedUp {
        match Token::parse(presented) {
            Ok(token) => self.inner.index.look_up(&self.hash_token(&token)),
            Err(reason) => LookedUp::Malformed(reason),
        }
    }

    /// Returns the keyed hash of a token; its fingerprint may be shown.
    #[must_use]
    pub fn hash_token(&self, token: &Token) -> TokenHash {
        self.inner.key.hash_token(token)
    }

    /// Returns the token that belongs to a nonce; see [`registry::TokenKey::derive_token`].
    #[must_use]
    pub fn derive_token(&self, nonce: &[u8; 16]) -> Token {
        self.inner.key.derive_token(nonce)
    }

    /// Returns what lets one device fetch the image of one shipment; see [`registry::TokenKey::download_token`].
    #[must_use]
    pub fn download_token(&self, shipment: &ShipmentId, device: &DeviceId) -> Token {
        self.inner.key.download_token(shipment, device)
    }

    /// Returns the claim code that belongs to a nonce; see [`registry::TokenKey::derive_claim_code`].
    #[must_use]
    pub fn derive_claim_code(&self, nonce: &[u8; 16]) -> ClaimCode {
        self.inner.key.derive_claim_code(nonce)
    }

    pub(crate) fn hash_claim_code(&self, code: ClaimCode) -> [u8; 32] {
        self.inner.key.hash_claim_code(&code)
    }

    /// Returns how many tokens the store knows, tombstones included.
    #[must_use]
    pub fn token_count(&self) -> usize {
        self.inner.index.len()
    }

    /// Writes something and waits until it is on disk, 2 s at most: whoever gets `Ok` knows that the store works.
    ///
    /// # Errors
    /// When the store cannot write, or not in time.
    pub async fn check_health(&self) -> Result<(), StorageError> {
        let trying = self.write(|work| {
            work.conn
                .prepare_cached(
                    "INSERT INTO settings (name, value) VALUES ('health_check', x'00')
                     ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                )?
                .execute([])?;
            Ok(())
        });
        tokio::time::timeout(TRIAL_TIME_MAX, trying).await.unwrap_or(Err(StorageError::Stalled))
    }

    /// Says how the writer is, without writing anything.
    #[must_use]
    pub fn writer_health(&self) -> WriterHealth {
        self.inner.writer.health()
    }

    /// Returns what the writer has done, for metrics.
    #[must_use]
    pub fn writer_statistics(&self) -> WriterStatistics {
        self.inner.writer.statistics()
    }

    pub(crate) fn token_index(&self) -> &TokenIndex {
        &self.inner.index
    }

    pub(crate) fn writer(&self) -> &Writer {
        &self.inner.writer
    }

    pub(crate) fn history_settings(&self) -> HistorySettings {
        self.inner.history_settings
    }

    pub(crate) fn history_plan(&self) -> Arc<PlanPlace> {
        Arc::clone(&self.inner.history_plan)
    }

    pub(crate) fn unsettled_values(&self) -> Arc<UnsettledValues> {
        Arc::clone(&self.inner.unsettled_values)
    }

    pub(crate) fn hash_secret(&self, purpose: SecretPurpose, secret: &str) -> [u8; 32] {
        self.inner.key.hash(purpose, secret.as_bytes())
    }

    pub(crate) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: Send + From<StorageError> + 'static,
        F: FnOnce(&mut Work<'_>) -> Result<T, E> + Send + 'static,
    {
        self.inner.writer.write(work).await
    }

    pub(crate) async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: Send + From<StorageError> + 'static,
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    {
        self.inner.readers.read(work).await
    }
}

/// Says whether the key belongs to the database; a new database takes the key it is opened with.
fn key_fits(conn: &Connection, key: &TokenKey) -> Result<bool, StorageError> {
    if let Some(fits) = known_key_fits(conn, key)? {
        return Ok(fits);
    }
    let expected = key.hash(SecretPurpose::KeyCheck, b"");
    conn.execute("INSERT INTO settings (name, value) VALUES ('key_check', ?1)", [&expected])?;
    Ok(true)
}

/// Says whether the key belongs to the database without writing to it; none where the database has had no key yet.
pub(crate) fn known_key_fits(conn: &Connection, key: &TokenKey) -> Result<Option<bool>, StorageError> {
    let expected = key.hash(SecretPurpose::KeyCheck, b"");
    let stored: Option<Vec<u8>> = conn
        .query_row("SELECT value FROM settings WHERE name = 'key_check'", [], |row| row.get(0))
        .optional()?;
    Ok(stored.map(|stored| stored == expected))
}
