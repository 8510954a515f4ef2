//! Walks through everything that can happen to a device and judges the guarantees in every state.
//!
//! The environment is an adversary: networks and the cloud come and go, passwords and tokens are refused, captive
//! portals and garbage answer, people submit good and bad homes, press the button and walk away, the power is cut at
//! any step. Searches over the whole life use shorter waits than a device (the order of the waits is kept), so that
//! they end; the first 45 s after power-on are searched with the real ones.

#[cfg(test)]
mod environment;
#[cfg(test)]
mod guarantees;
#[cfg(test)]
mod observer;
#[cfg(test)]
mod search;
#[cfg(test)]
mod world;
