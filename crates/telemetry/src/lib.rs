//! Cloud core without I/O: pins, values, connection lifecycle.
//!
//! No clock, no socket, no store: times come in as milliseconds. Read [`Value`] for what a datastream holds,
//! [`accept_value`] for which values a datastream takes, [`Presence`] for when a device counts as connected,
//! [`ConnectionStatus`] for which status people see, and [`EventMeter`] for how often events count.

mod accept;
mod connection_lifecycle;
mod datastream;
mod delivery_retry;
mod event_meter;
mod heartbeat;
mod pin;
mod presence;
mod property;
mod rollup;
mod template_event;
mod value;

pub use accept::{RejectValueError, accept_value};
pub use connection_lifecycle::{
    CUSTOM_STATUS_WAIT_S_MAX, CUSTOM_STATUSES_MAX, ConnectionLifecycle, ConnectionStatus,
    IGNORE_PERIOD_S_MAX, OFFLINE_STATUS_WAIT_S_DEFAULT, OFFLINE_STATUS_WAIT_S_MAX, StatusChange, StatusIndex,
    StatusSettings,
};
pub use datastream::{
    DATASTREAM_NAME_CHARS_MAX, DECIMALS_MAX, DataType, Datastream, DatastreamId, DatastreamSet,
    DatastreamSettings, Decimals, ENUM_ROWS_MAX, EnumRow, INVALIDATE_AFTER_S_MAX, InvalidShows, Invalidate,
    MakeDatastreamError, UNIT_CHARS_MAX,
};
pub use delivery_retry::{DELIVERY_ATTEMPTS_MAX, RETRY_WAIT_MAX_MS, RETRY_WAIT_MIN_MS, retry_wait_ms};
pub use event_meter::{
    DeviceMeter, EVENT_SPACING_MS, EVENTS_PER_DAY_MAX, EventMeter, MeteredEvent, NOTIFICATION_SPACING_MS,
    RefuseEventError, day_of,
};
pub use heartbeat::{HEARTBEAT_ASSUMED_S, HEARTBEAT_MAX_S, HEARTBEAT_MIN_S, Heartbeat, SILENCE_MARGIN_MS};
pub use pin::{ParsePinError, Pin};
pub use presence::{ConnectionNumber, OFFLINE_WAIT_DEFAULT_MS, Presence, PresenceChange, PresenceEvent};
pub use property::is_property;
pub use rollup::{Rollup, RollupStep, number_of};
pub use template_event::{
    Channels, EVENT_DESCRIPTION_CHARS_MAX, EVENT_NAME_CHARS_MAX, EVENTS_PER_TEMPLATE_MAX, EventCode,
    EventSettings, EventType, LIMIT_PERIOD_S_MAX, MakeEventError, NOTIFY_AFTER_MAX, Notifying,
    RECIPIENTS_MAX, REPORTED_DESCRIPTION_CHARS_MAX, TemplateEvent, WEBHOOKS_PER_TEMPLATE_MAX,
    check_recipients,
};
pub use value::{FIELD_BYTES_MAX, MakeValueError, VALUE_BYTES_MAX, VALUE_FIELDS_MAX, Value};
