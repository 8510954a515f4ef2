//! When devices came and went, until the job of the connection lifecycle takes it up.
//!
//! A login and the end of a connection leave a note here and write nothing. There is one note for a device, however often
//! it comes and goes, so that a storm of reconnects fills neither memory nor timelines.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use registry::{DeviceId, Epoch, MonoTime};

/// What happened to a device since its note was taken up last: the latest of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contact {
    pub(crate) epoch: Epoch,
    /// It logged in.
    pub(crate) came_at: Option<MonoTime>,
    /// Its connection ended.
    pub(crate) left_at: Option<MonoTime>,
    /// It sent data without a connection.
    pub(crate) reported_at: Option<MonoTime>,
}

/// One note for each device about which there is something to say.
#[derive(Debug, Default)]
pub(crate) struct Contacts {
    by_device: Mutex<HashMap<DeviceId, Contact>>,
}

impl Contacts {
    pub(crate) fn came(&self, device: &DeviceId, epoch: Epoch, at: MonoTime) {
        self.note(device, epoch, |contact| contact.came_at = Some(at));
    }

    pub(crate) fn left(&self, device: &DeviceId, epoch: Epoch, at: MonoTime) {
        self.note(device, epoch, |contact| contact.left_at = Some(at));
    }

    pub(crate) fn reported(&self, device: &DeviceId, epoch: Epoch, at: MonoTime) {
        self.note(device, epoch, |contact| contact.reported_at = Some(at));
    }

    /// Takes every note, by device.
    pub(crate) fn take(&self) -> BTreeMap<DeviceId, Contact> {
        let taken = std::mem::take(&mut *self.by_device.lock().unwrap_or_else(PoisonError::into_inner));
        taken.into_iter().collect()
    }

    /// Puts notes back that could not be taken up; what was noted since is newer.
    pub(crate) fn put_back(&self, earlier: BTreeMap<DeviceId, Contact>) {
        let mut by_device = self.by_device.lock().unwrap_or_else(PoisonError::into_inner);
        for (device, earlier) in earlier {
            let contact = by_device.entry(device).or_insert(earlier);
            if contact.epoch == earlier.epoch {
                contact.came_at = contact.came_at.or(earlier.came_at);
                contact.left_at = contact.left_at.or(earlier.left_at);
                contact.reported_at = contact.reported_at.or(earlier.reported_at);
            }
        }
    }

    fn note(&self, device: &DeviceId, epoch: Epoch, change: impl FnOnce(&mut Contact)) {
        let new = Contact { epoch, came_at: None, left_at: None, reported_at: None };
        let mut by_device = self.by_device.lock().unwrap_or_else(PoisonError::into_inner);
        let contact = by_device.entry(device.clone()).or_insert(new);
        // What was noted of an earlier ownership is of no use any more; what comes late from one is none either.
        if contact.epoch < epoch {
            *contact = new;
        }
        if contact.epoch == epoch {
            change(contact);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_comings_and_goings_leave_one_note_with_the_latest() {
        let contacts = Contacts::default();
        let device = DeviceId::from_random([1; 10]);
        for ms in 0..10_000 {
            contacts.came(&device, Epoch::FIRST, MonoTime::from_ms(2 * ms));
            contacts.left(&device, Epoch::FIRST, MonoTime::from_ms(2 * ms + 1));
        }
        let taken = contacts.take();
        let contact = taken[&device];
        assert_eq!(taken.len(), 1);
        assert_eq!(
            (contact.came_at, contact.left_at),
            (Some(MonoTime::from_ms(19_998)), Some(MonoTime::from_ms(19_999)))
        );
        assert!(contacts.take().is_empty());
    }

    #[test]
    fn nothing_of_an_earlier_ownership_is_left_in_a_note() {
        let contacts = Contacts::default();
        let (device, at) = (DeviceId::from_random([1; 10]), MonoTime::from_ms(1));
        contacts.came(&device, Epoch::FIRST, at);
        contacts.came(&device, Epoch::new(2), at);
        contacts.left(&device, Epoch::FIRST, at);
        let contact = contacts.take()[&device];
        assert_eq!((contact.epoch, contact.came_at, contact.left_at), (Epoch::new(2), Some(at), None));
    }
}
