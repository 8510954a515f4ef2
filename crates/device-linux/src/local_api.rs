//! The socket by which an application on the same machine takes part: it writes and reads virtual pins and learns of
//! writes from the cloud and of the device's states.
//!
//! One request per line, one JSON object each; every request gets one line of answer, in order. Events come between
//! answers once they were asked for. The whole language:
//!
//! ```text
//! {"do":"write","pin":1,"value":"21.5"}  -> {"ok":true}
//! {"do":"read","pin":1}                  -> {"ok":true,"pin":1,"values":["21.5"]}    values: null when there is none
//! {"do":"state"}                         -> {"ok":true,"state":"RUNNING","last_error":0,"online":true,"led":{...}}
//! {"do":"subscribe"}                     -> {"ok":true}                              with "led":true to the light too
//! {"do":"console","line":"status"}       -> {"ok":true}                              what it prints goes to the log
//! anything else                          -> {"ok":false,"error":"..."}
//!
//! {"event":"write","pin":2,"values":["1"]}                          the cloud wrote to a pin
//! {"event":"state","state":"RUNNING","last_error":0,"online":true}  the device's state changed
//! {"event":"led","led":{"pattern":"blink","colour":"#0d36ff","on_ms":50,"off_ms":500}}   so did its light
//! ```
//!
//! The light is what a board shows on its LED: `blink`, `double_blink` (with `between_ms`) or `wave` (with `period_ms`).
//!
//! A pin is a number from 0 to 255; a value is text of at most 64 bytes, or a number. Values that are written while the
//! device is offline wait, up to 64 of them; then a write is refused until there is room. A wipe forgets every value.
//! What the agent has to do without, for instance a state file that it cannot open, is told by `state` as `"problems":["..."]`.
//! The console takes the commands of the serial line, `help` names them; a line has at most 255 bytes, and 8 may wait.
//!
//! Lines over 4096 bytes end the connection, and so does a subscriber that does not read.

mod conversation;
mod message;
mod pins;
mod server;

#[cfg(test)]
mod tests;

pub use conversation::Conversation;
pub use message::LINE_BYTES_MAX;
pub(crate) use pins::{LocalApplication, Pins};
pub use server::OpenSocketError;
pub(crate) use server::serve;
