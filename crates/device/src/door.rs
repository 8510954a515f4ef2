//! The door: how the hotspot is protected, who used up the proofs, and the power-ups that open it.

use embedded_storage_async::nor_flash::NorFlash;
use lifecycle::{BootReason, Input, PowerUpGesture};
use portal::{ProofLock, Secret};

use crate::agent::Agent;
use crate::application::Application;
use crate::platform::Platform;

/// Lengths of a WPA2 passphrase in bytes. Source: IEEE 802.11-2020, annex J.4.
const PASSPHRASE_BYTES: core::ops::RangeInclusive<usize> = 8..=portal::PROOF_BYTES_MAX;

/// How visitors show that they hold the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door<'a> {
    /// Nobody has to: the device has no PoP.
    Open,
    /// By joining the hotspot, whose passphrase is the PoP.
    Passphrase(&'a str),
    /// In every form: the PoP cannot be a passphrase, so the hotspot is open.
    Forms(&'a str),
}

impl<'a> Door<'a> {
    pub(crate) fn of(pop: Option<&Secret<&'a str>>) -> Self {
        let Some(pop) = pop.map(|pop| *pop.expose()).filter(|pop| !pop.is_empty()) else {
            return Self::Open;
        };
        let is_printable = pop.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        if is_printable && PASSPHRASE_BYTES.contains(&pop.len()) {
            Self::Passphrase(pop)
        } else {
            Self::Forms(pop)
        }
    }

    /// Whether visitors have to show that they hold the device.
    pub(crate) const fn is_guarded(self) -> bool {
        !matches!(self, Self::Open)
    }

    pub(crate) const fn passphrase(self) -> Option<&'a str> {
        match self {
            Self::Passphrase(pop) => Some(pop),
            Self::Open | Self::Forms(_) => None,
        }
    }

    /// What every change must carry.
    pub(crate) fn own_proof(self) -> Option<&'a [u8]> {
        match self {
            Self::Forms(pop) => Some(pop.as_bytes()),
            Self::Open | Self::Passphrase(_) => None,
        }
    }
}

impl<P: Platform, A: Application, F: NorFlash> Agent<'_, P, A, F> {
    /// Takes up what happened at the door before this start: the proofs used since power-on, and the short power-ups in
    /// a row, which it returns.
    pub(crate) fn open_up(&mut self, reason: BootReason) -> u8 {
        self.lock = match reason {
            BootReason::PowerOn => ProofLock::new(),
            BootReason::Restart | BootReason::Fault => {
                ProofLock::with_wrong_count(self.platform.wrong_proof_count())
            }
        };
        self.platform.keep_wrong_proof_count(self.lock.wrong_count());
        let stored_count = self.store.as_ref().map_or(0, home_store::HomeStore::gesture_count);
        let timings = &self.config.lifecycle.timings;
        self.gesture = Some(PowerUpGesture::begin(self.platform.now(), reason, stored_count, timings));
        stored_count
    }

    /// Stores the number of short power-ups when its time has come.
    pub(crate) async fn count_power_up(&mut self) {
        let now = self.platform.now();
        let Some(gesture) =
            self.gesture.as_mut().filter(|gesture| gesture.next_timeout().is_some_and(|at| at <= now))
        else {
            return;
        };
        if let Some(count) = gesture.take_due(now)
            && let Some(store) = &mut self.store
            && store.set_gesture_count(count).await.is_err()
        {
            self.log_now(format_args!("The power-ups could not be counted"));
        }
    }

    /// A phone tried a wrong passphrase.
    pub(crate) async fn passphrase_refused(&mut self) {
        if self.machine.is_hotspot_open() {
            self.lock.count_wrong();
            self.proof_counted().await;
        }
    }

    /// Keeps the count, and closes the door after the last wrong proof.
    pub(crate) async fn proof_counted(&mut self) {
        self.platform.keep_wrong_proof_count(self.lock.wrong_count());
        if self.lock.is_closed() {
            if self.machine.is_hotspot_open() {
                self.log_now(format_args!("Too many wrong proofs: the hotspot stays closed until power-on"));
            }
            self.feed(Input::ProofsUsedUp).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use portal::Secret;

    use super::Door;

    #[test]
    fn a_pop_that_wpa2_takes_is_the_passphrase_and_any_other_is_asked_for() {
        assert_eq!(Door::of(None), Door::Open);
        assert_eq!(Door::of(Some(&Secret::new(""))), Door::Open);
        for pop in ["12345678", "with spaces ~!", &"x".repeat(63)] {
            assert_eq!(Door::of(Some(&Secret::new(pop))), Door::Passphrase(pop));
        }
        for pop in ["1234567", "tab\tinside", "na\u{ef}ve-enough", &"x".repeat(64)] {
            assert_eq!(Door::of(Some(&Secret::new(pop))), Door::Forms(pop));
        }
    }
}
