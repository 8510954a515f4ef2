//! Gives each device its status, and writes down what changed: all of it at once, every second.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use registry::{DeviceId, Epoch, Moment, MonoTime, TemplateId, UtcTime};
use store::{DeviceStanding, StatusWrite, StorageError, StoredStatus, TemplateNotices, ToldStatus};
use telemetry::{ConnectionStatus, StatusChange, StatusIndex};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::app::App;
use crate::contacts::Contact;
use crate::errors::ErrorChain;
use crate::notices::{News, Subject, write_notifications};

/// 1 s: the finest wait that can be set.
const EVERY_MS: u64 = 1_000;

/// 1,000 devices are read, or written, in one go; values that arrive meanwhile get between the parts.
const PART: usize = 1_000;

/// 1,000, as the store takes it.
const PART_ROWS: u16 = 1_000;

/// 8 changes of one device are kept while the store cannot write; older ones are left out.
const TOLD_KEPT_MAX: usize = 8;

pub(crate) async fn keep_statuses(app: Arc<App>, stop: CancellationToken) {
    let mut statuses = Statuses {
        change_count: app.notices.change_count(),
        app,
        by_device: HashMap::new(),
        due: BTreeSet::new(),
        unwritten: BTreeMap::new(),
    };
    let mut is_loaded = false;
    loop {
        let next = statuses.app.clock.now().mono.plus_ms(EVERY_MS);
        tokio::select! {
            () = stop.cancelled() => return,
            () = statuses.app.clock.wait_until(next) => {}
        }
        let work = async {
            if !is_loaded {
                statuses.load().await?;
                is_loaded = true;
            }
            statuses.round().await
        };
        let outcome = tokio::select! {
            () = stop.cancelled() => return,
            outcome = work => outcome,
        };
        if let Err(failure) = outcome {
            warn!(error = %ErrorChain(&failure), "the statuses of devices could not be written down; they will be");
        }
    }
}

/// A device that is connected, or whose status time will change.
struct Known {
    epoch: Epoch,
    template: TemplateId,
    status: ConnectionStatus,
    due_ms: Option<i64>,
}

struct Statuses {
    app: Arc<App>,
    by_device: HashMap<DeviceId, Known>,
    /// When time changes the status of which device; milliseconds of the clock that does not jump.
    due: BTreeSet<(i64, DeviceId)>,
    /// What the store has not taken yet.
    unwritten: BTreeMap<DeviceId, StatusWrite>,
    /// The state of the templates' lifecycles that `due` follows from.
    change_count: u64,
}

impl Statuses {
    /// Takes over what was stored before the server started. Whoever was online then counts as gone from now on: nobody
    /// could come while there was no server.
    async fn load(&mut self) -> Result<(), StorageError> {
        let mut after = None;
        loop {
            let standings = self.app.store.unsettled_standings(after, PART_ROWS).await?;
            let Some(last) = standings.last() else { return Ok(()) };
            after = Some(last.device.clone());
            let now = self.app.clock.now();
            for standing in standings {
                self.enter(standing, now);
            }
        }
    }

    async fn round(&mut self) -> Result<(), StorageError> {
        let contacts = self.app.contacts.take();
        if let Err(failure) = self.look_up(&contacts).await {
            self.app.contacts.put_back(contacts);
            return Err(failure);
        }
        self.follow_templates();
        let now = self.app.clock.now();
        for (device, contact) in contacts {
            self.apply_contact(&device, contact, now);
        }
        self.apply_time(now);
        self.write().await
    }

    /// Enters anew when time changes statuses, once the waits of a template were changed.
    fn follow_templates(&mut self) {
        let change_count = self.app.notices.change_count();
        if std::mem::replace(&mut self.change_count, change_count) == change_count {
            return;
        }
        let due: Vec<DeviceId> = self.due.iter().map(|(_due_ms, device)| device.clone()).collect();
        for device in due {
            self.note_due(&device);
        }
    }

    /// Reads the devices that are not known yet, or have another owner since.
    async fn look_up(&mut self, contacts: &BTreeMap<DeviceId, Contact>) -> Result<(), StorageError> {
        let is_unknown = |(device, contact): &(&DeviceId, &Contact)| {
            self.by_device.get(*device).is_none_or(|known| known.epoch != contact.epoch)
        };
        let unknown: Vec<DeviceId> =
            contacts.iter().filter(is_unknown).map(|(device, _)| device.clone()).collect();
        for part in unknown.chunks(PART) {
            let standings = self.app.store.standings(part.to_vec()).await?;
            let now = self.app.clock.now();
            for standing in standings {
                self.enter(standing, now);
            }
        }
        Ok(())
    }

    fn enter(&mut self, standing: DeviceStanding, now: Moment) {
        let status = standing.status.map_or(ConnectionStatus::NEW, |stored| {
            let away_since = stored.away_since.filter(|_since| stored.shown != StatusIndex::ONLINE);
            let away_since_ms = away_since.map_or(mono_ms(now.mono), |since| since_start_ms(since, now));
            ConnectionStatus::resume(
                stored.shown,
                since_start_ms(stored.shown_at, now),
                stored.told,
                away_since_ms,
            )
        });
        let known = Known { epoch: standing.epoch, template: standing.template, status, due_ms: None };
        self.forget(&standing.device);
        self.by_device.insert(standing.device.clone(), known);
        self.note_due(&standing.device);
    }

    fn apply_contact(&mut self, device: &DeviceId, contact: Contact, now: Moment) {
        let Some(known) = self.by_device.get_mut(device).filter(|known| known.epoch == contact.epoch) else {
            return;
        };
        let lifecycle = &self.app.notices.of(&known.template).lifecycle;
        let (came_at, left_at) = (contact.came_at.map(mono_ms), contact.left_at.map(mono_ms));
        let mut changes = Vec::new();
        // The latest of each; which came last decides where the device is now.
        if left_at < came_at {
            if let Some(at) = left_at {
                known.status.left(at);
            }
            changes.extend(came_at.into_iter().flat_map(|at| known.status.connected(lifecycle, at)));
        } else {
            changes.extend(came_at.into_iter().flat_map(|at| known.status.connected(lifecycle, at)));
            if let Some(at) = left_at {
                known.status.left(at);
            }
        }
        let reported_at = contact.reported_at.map(mono_ms);
        changes.extend(reported_at.into_iter().flat_map(|at| known.status.reported(lifecycle, at)));
        self.note_changes(device, &changes, now);
        self.note_due(device);
        self.forget_settled(device);
    }

    fn apply_time(&mut self, now: Moment) {
        let now_ms = mono_ms(now.mono);
        while let Some((due_ms, device)) = self.due.pop_first() {
            if due_ms > now_ms {
                self.due.insert((due_ms, device));
                return;
            }
            let Some(known) = self.by_device.get_mut(&device) else { continue };
            known.due_ms = None;
            let notices = self.app.notices.of(&known.template);
            let is_here = self.app.links.get(&device).is_some_and(|link| link.epoch() == Some(known.epoch));
            // Two notes of the same millisecond say nothing about their order; the connection itself does.
            let changes = if is_here {
                known.status.connected(&notices.lifecycle, now_ms)
            } else {
                known.status.advance(&notices.lifecycle, now_ms)
            };
            self.note_changes(&device, &changes, now);
            self.note_due(&device);
            self.forget_settled(&device);
        }
    }

    /// Notes what has to be written; nothing for a device that came back before anybody could notice.
    fn note_changes(&mut self, device: &DeviceId, changes: &[StatusChange], now: Moment) {
        let Some(known) = self.by_device.get(device).filter(|_known| !changes.is_empty()) else { return };
        let Some(shown_at_ms) = known.status.shown_at_ms() else { return };
        let notices = self.app.notices.of(&known.template);
        let is_away = known.status.away_since_ms().is_some();
        let status = StoredStatus {
            shown: known.status.shown(),
            shown_at: utc_of(shown_at_ms, now),
            told: known.status.told(),
            away_since: known.status.away_since_ms().map(|since_ms| utc_of(since_ms, now)),
            is_settled: is_away && known.status.next_timeout_ms(&notices.lifecycle).is_none(),
        };
        let new = StatusWrite { device: device.clone(), epoch: known.epoch, status, told: Vec::new() };
        let write = self.unwritten.entry(device.clone()).or_insert_with(|| new.clone());
        if write.epoch != new.epoch {
            *write = new;
        }
        write.status = status;
        write.told.extend(changes.iter().filter_map(|change| match change {
            StatusChange::Told { status, at_ms } => told(&notices, *status, utc_of(*at_ms, now)),
            StatusChange::Shown { .. } => None,
        }));
        let excess_count = write.told.len().saturating_sub(TOLD_KEPT_MAX);
        write.told.drain(..excess_count);
    }

    /// Enters when time changes the device's status next.
    fn note_due(&mut self, device: &DeviceId) {
        let Some(known) = self.by_device.get_mut(device) else { return };
        if let Some(due_ms) = known.due_ms.take() {
            self.due.remove(&(due_ms, device.clone()));
        }
        let lifecycle = &self.app.notices.of(&known.template).lifecycle;
        known.due_ms = known.status.next_timeout_ms(lifecycle);
        if let Some(due_ms) = known.due_ms {
            self.due.insert((due_ms, device.clone()));
        }
    }

    /// Forgets a device that is gone for good: the store has everything about it.
    fn forget_settled(&mut self, device: &DeviceId) {
        let is_settled = |known: &Known| known.due_ms.is_none() && !known.status.is_connected();
        if self.by_device.get(device).is_some_and(is_settled) {
            self.by_device.remove(device);
        }
    }

    fn forget(&mut self, device: &DeviceId) {
        if let Some(due_ms) = self.by_device.remove(device).and_then(|known| known.due_ms) {
            self.due.remove(&(due_ms, device.clone()));
        }
    }

    /// Writes what has changed; what the store does not take is kept for the next round.
    async fn write(&mut self) -> Result<(), StorageError> {
        while !self.unwritten.is_empty() {
            let devices: Vec<DeviceId> = self.unwritten.keys().take(PART).cloned().collect();
            // Names and templates as they are now; devices that were released meanwhile are left out.
            let standings = self.app.store.standings(devices.clone()).await?;
            let writes: Vec<(StatusWrite, TemplateId)> = standings
                .into_iter()
                .filter_map(|standing| {
                    let mut write = self.unwritten.get(&standing.device)?.clone();
                    let notices = self.app.notices.of(&standing.template);
                    for told in &mut write.told {
                        told.notifications = messages(&notices, &standing, told);
                    }
                    Some((write, standing.template))
                })
                .collect();
            let batch = writes.iter().map(|(write, _)| write.clone()).collect();
            let written = self.app.store.write_statuses(batch).await?;
            for device in &devices {
                self.unwritten.remove(device);
            }
            for ((write, template), written) in writes.iter().zip(written) {
                if !written.is_stored {
                    self.forget(&write.device);
                    continue;
                }
                self.app.note_queued(written.queued_count, written.dropped_count);
                self.app.publish_status(&write.device, template, write.status.shown, write.status.shown_at);
                for entry in written.entries {
                    self.app.publish_entry(write.device.as_str(), entry);
                }
            }
        }
        Ok(())
    }
}

fn told(notices: &TemplateNotices, status: StatusIndex, at: UtcTime) -> Option<ToldStatus> {
    let settings = notices.lifecycle.status(status)?;
    Some(ToldStatus {
        status,
        title: settings.name.clone(),
        description: settings.description.clone(),
        at,
        is_on_timeline: settings.is_on_timeline,
        notifying: settings.notifying,
        notifications: Vec::new(),
    })
}

fn messages(
    notices: &TemplateNotices,
    standing: &DeviceStanding,
    told: &ToldStatus,
) -> Vec<store::NewNotification> {
    let kind = match told.status.number() {
        0 => "online",
        1 => "offline",
        _ => "status",
    };
    let subject = Subject { device: &standing.device, name: &standing.name, template: &standing.template };
    let news = News { kind, code: None, title: &told.title, description: &told.description, at: told.at };
    write_notifications(notices, told.notifying.channels, &subject, &news)
}

fn mono_ms(at: MonoTime) -> i64 {
    i64::try_from(at.ms()).unwrap_or(i64::MAX)
}

/// Brings a wall-clock time onto the clock that does not jump; what was before its start is negative.
fn since_start_ms(at: UtcTime, now: Moment) -> i64 {
    mono_ms(now.mono).saturating_sub(now.utc.ms_since(at))
}

fn utc_of(at_ms: i64, now: Moment) -> UtcTime {
    now.utc.plus_ms(at_ms.saturating_sub(mono_ms(now.mono)))
}
