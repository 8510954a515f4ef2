//! What the crate makes of what others wrote: answers and signals on D-Bus, lines of the local API, records of the program
//! slots. [`crate::run`] does it by itself; this is for who checks it: the replayed corpus and the fuzz targets.

pub use crate::local_api::Conversation;
pub use crate::network_manager::{HeardAccessPoint, Signal, read_signal};
pub use crate::program_slots::{Choice, ProgramSlots};
