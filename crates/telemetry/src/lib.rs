//! Cloud core without I/O: pins, values, connection lifecycle.
//!
//! No clock, no socket, no store: times come in as milliseconds. Read [`Value`] for what a datastream holds and
//! [`Presence`] for when a device counts as online.

mod heartbeat;
mod pin;
mod presence;
mod rollup;
mod value;

pub use heartbeat::{HEARTBEAT_ASSUMED_S, HEARTBEAT_MAX_S, HEARTBEAT_MIN_S, Heartbeat, SILENCE_MARGIN_MS};
pub use pin::{ParsePinError, Pin};
pub use presence::{ConnectionNumber, OFFLINE_WAIT_DEFAULT_MS, Presence, PresenceChange, PresenceEvent};
pub use rollup::{Rollup, RollupStep, number_of};
pub use value::{FIELD_BYTES_MAX, MakeValueError, VALUE_BYTES_MAX, VALUE_FIELDS_MAX, Value};
