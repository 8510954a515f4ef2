//! Request and response types of the HTTP API, and the OpenAPI document that describes it.
//!
//! The types are what travels as JSON: they hold no rules and know neither the store nor the registry; `cloud`
//! converts. Requests refuse unknown fields, so that a misspelt field is an answer and not a silent nothing.
//! [`openapi::document`] is the contract; a committed copy lies in `crates/api-types/openapi.json`, and clients are
//! generated from it. Read [`Device`] and [`Release`] first.

mod access;
mod audit;
mod datastream;
mod device;
mod device_command;
mod device_data;
mod firmware;
mod history;
mod live;
mod notification;
pub mod openapi;
mod page;
mod problem;
mod provisioning;
mod secret_text;
mod server;
mod template;
mod template_datastream;
mod template_event;
mod timeline;
mod timestamp;

pub use access::{OwnerSession, PasswordSignIn, SessionKind, SetPassword, SignInLink};
pub use audit::AuditEntry;
pub use datastream::{Datastream, DatastreamList, DatastreamValue, SetDatastream, StoredValue};
pub use device::{
    CreateDevice, CreatedDevice, Device, DeviceQuery, Firmware, ForcedDelete, HandInReceipt, Ownership,
    Release, ReleaseOrder, ReleaseState, RenameDevice,
};
pub use device_command::{CommandDevice, DeviceCommand};
pub use device_data::{
    DeviceFile, DeviceFileKind, DeviceFileList, DeviceProperty, DevicePropertyList, ExportQuery, ExportStep,
    MetadataField, MetadataList, SetMetadata, SetProperty,
};
pub use firmware::{
    ApplyRule, ChangeShipment, CreateShipment, Delivery, DeliveryState, FirmwareImage, Shipment,
    ShipmentCounts, ShipmentStage, ShipmentState, UploadFirmware,
};
pub use history::{
    HistoryNumbers, HistoryPeriod, HistoryPoint, HistoryQuery, ImportedPoints, StretchQuery, parse_query_time,
};
pub use live::{
    DeviceChange, DeviceEvent, LaggedEvent, PropertyEvent, RejectedEvent, ReleaseEvent, SessionEvent,
    ValueEvent,
};
pub use notification::{Notification, NotificationQuery, NotificationState};
pub use page::{Page, PageQuery};
pub use problem::Problem;
pub use provisioning::{
    CreateProvisioningSession, CreatedProvisioningSession, ProvisioningSession, ProvisioningState,
    ProvisioningStep, UnknownToken,
};
pub use secret_text::SecretText;
pub use server::ServerInfo;
pub use template::{CreateTemplate, ReclaimPolicy, Template, UpdateTemplate};
pub use template_datastream::{
    DatastreamEnumRow, DatastreamSettings, DatastreamType, InvalidValueShows, InvalidateValue,
    TemplateDatastream, TemplateDatastreamList,
};
pub use template_event::{
    ConnectionLifecycle, CreateWebhook, CreatedWebhook, EventType, LifecycleStatus, Notifying, Recipients,
    TemplateEvent, TemplateEventList, TemplateEventSettings, Webhook, WebhookList,
};
pub use timeline::{
    ChangeTimelineEntry, DeviceStatus, DeviceStatusKind, StatusEvent, TimelineComment, TimelineEntry,
    TimelineEntryType, TimelineEvent, TimelineQuery, WriteTimelineText,
};
pub use timestamp::Timestamp;
