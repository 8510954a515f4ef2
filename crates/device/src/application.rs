//! The application beside the agent: what the device is for.

use lifecycle::Instant;
use wire::{Values, VirtualPin};

/// Longest value an application writes, in bytes.
pub const OUTGOING_VALUE_BYTES_MAX: usize = 64;

/// A value on its way to the cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingWrite {
    /// Which datastream.
    pub pin: VirtualPin,
    /// Its new value as text.
    pub value: heapless::String<OUTGOING_VALUE_BYTES_MAX>,
}

/// What the device is for. It runs whatever the agent does: unprovisioned, offline and online.
pub trait Application {
    /// The cloud accepted the device; what it should know can be written now.
    fn on_online(&mut self, now: Instant);

    /// The cloud wrote to a pin.
    fn on_write(&mut self, now: Instant, pin: VirtualPin, values: Values<'_>);

    /// Does what is due; called at [`Application::next_poll`] at the latest, online or not.
    fn poll(&mut self, now: Instant);

    /// Returns when [`Application::poll`] is due next.
    fn next_poll(&self) -> Option<Instant>;

    /// Hands over the next value for the cloud; asked only online, until there is none.
    fn next_write(&mut self) -> Option<OutgoingWrite>;
}
