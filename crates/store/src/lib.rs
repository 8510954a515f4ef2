//! The only crate with SQL: durable storage of the cloud.
//!
//! One writer thread collects the writes that are waiting, puts them into one transaction and answers each of them after
//! COMMIT (group commit); what was answered is on disk. Reads run on their own threads. Read [`Store`] first.
//!
//! What lies in the data folder:
//!
//! * `rehome.db` (and `rehome.db-wal`, `rehome.db-shm` while running): the database;
//! * `token-key`: the secret key of all token hashes, mode 0600. It is kept out of the database so that a stolen copy of
//!   the database alone says nothing about any token. **A backup needs both files**: without the key no stored token can
//!   be recognised, and the server refuses to start rather than treat every board as unknown;
//! * `rehome.lock`: held while a server uses the folder.
//!
//! The store refuses to do: anything with the network, the clock or a decision about the product. Times are arguments;
//! decisions are made by `registry`.

mod audit;
mod backup;
mod check;
mod claims;
mod console_auth;
mod data_folder;
mod database;
mod datastreams;
mod devices;
mod error;
mod firmware_images;
mod history;
mod idempotency;
mod key_epochs;
mod last_values;
mod metadata;
mod notifications;
mod page;
mod properties;
mod provisioning;
mod readers;
mod releases;
mod reports;
mod shipments;
mod statuses;
mod store;
mod template_notices;
mod templates;
mod timeline;
mod token_index;
mod unknown_tokens;
mod uploads;
mod value_lane;
mod values;
mod writer;

pub use audit::AuditEntry;
pub use backup::{CopyDatabaseError, copy_database};
pub use check::{BrokenReference, DatabaseCheck, StoredImage, check_database};
pub use claims::{Adopted, Redeemed};
pub use data_folder::{DATABASE_FILE, FolderLock, LOCK_FILE, TOKEN_KEY_FILE, lock_folder};
pub use datastreams::PutDatastreamError;
pub use devices::{CreateDeviceError, Device, DeviceError, Firmware, METADATA_FIELDS_MAX, NewDevice};
pub use error::{OpenStoreError, StorageError};
pub use firmware_images::{DeleteFirmwareError, FirmwareImage};
pub use history::{
    DATED_PAST_MAX_MS, Expired, HISTORY_PAGE_ROWS_MAX, HistoryCursor, HistoryOf, HistoryPage, HistoryQuery,
    HistoryRollup, HistorySettings, HistoryValue, Maintained, ParseHistoryCursorError,
};
pub use idempotency::{FinishRequestError, IdempotentAnswer, IdempotentStart};
pub use metadata::MetadataField;
pub use notifications::{
    DEAD_LETTERS_MAX, NOTIFICATIONS_WAITING_MAX, NewNotification, Notification, NotificationCounts,
    NotificationTarget,
};
pub use page::{ListError, Listed, PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX, Page};
pub use properties::{PROPERTIES_PER_PIN_MAX, StoredProperty};
pub use provisioning::{
    Claimed, CompleteClaimError, CreateSessionError, NewSession, Session, SessionCode, SessionError,
};
pub use releases::StartedRelease;
pub use reports::{REPORTS_KEPT_MAX, Report};
pub use shipments::{ChangedDelivery, NewShipment, Shipment, ShipmentError, ShippedDevice};
pub use statuses::{DeviceStanding, StatusWrite, StoredStatus, ToldStatus, WrittenStatus};
pub use store::{CommitHook, Store, StoreSettings};
pub use template_notices::{ChangeNoticesError, NewWebhook, TemplateNotices, Webhook, WebhookId};
pub use templates::{DeleteTemplateError, Template, TemplateUse};
pub use timeline::{
    COMMENTS_MAX, ChangeEntryError, Comment, EntryChange, EntryKind, LogEventError, LoggedEvent, NewEvent,
    ResolveScope, TIMELINE_ENTRIES_MAX, TimelineEntry, TimelineFilter,
};
pub use unknown_tokens::UnknownToken;
pub use uploads::{AddUploadError, NewUpload, UPLOADS_EVER_MAX, UPLOADS_KEPT_MAX, Upload, UploadKind};
pub use values::{NewValue, StoredValue, ValueSink, WriteValuesError};
pub use writer::{WriterHealth, WriterStatistics};

/// Who changes something, for the audit, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Who: `owner`, `admin-key`, `device`, `server`.
    pub actor: String,
    /// When.
    pub at: registry::UtcTime,
}

impl Change {
    /// Makes a change by `actor` at `at`.
    #[must_use]
    pub fn by(actor: &str, at: registry::UtcTime) -> Self {
        Self { actor: actor.to_owned(), at }
    }
}
