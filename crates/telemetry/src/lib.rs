//! Cloud core without I/O: pins, values, connection lifecycle.
//!
//! No clock, no socket, no store: times come in as milliseconds. Read [`Value`] for what a datastream holds and
//! [`Presence`] for when a device counts as online, [`accept_value`] for which values a datastream takes.

mod accept;
mod datastream;
mod heartbeat;
mod pin;
mod presence;
mod property;
mod rollup;
mod value;

pub use accept::{RejectValueError, accept_value};
pub use datastream::{
    DATASTREAM_NAME_CHARS_MAX, DECIMALS_MAX, DataType, Datastream, DatastreamId, DatastreamSet,
    DatastreamSettings, Decimals, ENUM_ROWS_MAX, EnumRow, INVALIDATE_AFTER_S_MAX, InvalidShows, Invalidate,
    MakeDatastreamError, UNIT_CHARS_MAX,
};
pub use heartbeat::{HEARTBEAT_ASSUMED_S, HEARTBEAT_MAX_S, HEARTBEAT_MIN_S, Heartbeat, SILENCE_MARGIN_MS};
pub use pin::{ParsePinError, Pin};
pub use presence::{ConnectionNumber, OFFLINE_WAIT_DEFAULT_MS, Presence, PresenceChange, PresenceEvent};
pub use property::is_property;
pub use rollup::{Rollup, RollupStep, number_of};
pub use value::{FIELD_BYTES_MAX, MakeValueError, VALUE_BYTES_MAX, VALUE_FIELDS_MAX, Value};
