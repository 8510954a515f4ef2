//! The device's life: events in, actions out; no I/O, no clock, no randomness of its own.
