//! Places for requests whose body is held in memory whole: few at a time, and one for each device, so that no device can
//! take them all by sending slowly.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use registry::DeviceId;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::limits::LARGE_BODIES_MAX;

/// The places.
#[derive(Debug)]
pub(crate) struct LargeBodies {
    places: Semaphore,
    senders: Mutex<BTreeSet<DeviceId>>,
}

/// One taken place; dropping it frees it.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    bodies: &'a LargeBodies,
    sender: DeviceId,
    _permit: SemaphorePermit<'a>,
}

impl Default for LargeBodies {
    fn default() -> Self {
        Self { places: Semaphore::new(LARGE_BODIES_MAX), senders: Mutex::default() }
    }
}

impl LargeBodies {
    /// Takes a place; none when all are taken or the device has one.
    pub(crate) fn enter(&self, sender: &DeviceId) -> Option<Place<'_>> {
        let permit = self.places.try_acquire().ok()?;
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = senders.insert(sender.clone());
        is_new.then(|| Place { bodies: self, sender: sender.clone(), _permit: permit })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut senders = self.bodies.senders.lock().unwrap_or_else(PoisonError::into_inner);
        senders.remove(&self.sender);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(number: u8) -> DeviceId {
        DeviceId::from_random([number; 10])
    }

    #[test]
    fn a_device_has_one_place_and_gives_it_back() {
        let bodies = LargeBodies::default();
        let place = bodies.enter(&device(1)).unwrap();
        assert!(bodies.enter(&device(1)).is_none());
        let other = bodies.enter(&device(2)).unwrap();
        drop(place);
        assert!(bodies.enter(&device(2)).is_none());
        assert!(bodies.enter(&device(1)).is_some());
        drop(other);
        assert_eq!(bodies.places.available_permits(), LARGE_BODIES_MAX);
    }

    #[test]
    fn places_are_few() {
        let bodies = LargeBodies::default();
        let places: Vec<_> =
            (0..u8::try_from(LARGE_BODIES_MAX).unwrap()).map(|n| bodies.enter(&device(n)).unwrap()).collect();
        assert!(bodies.enter(&device(200)).is_none());
        drop(places);
        assert!(bodies.enter(&device(200)).is_some());
    }
}
