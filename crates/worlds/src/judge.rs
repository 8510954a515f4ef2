//! Judges one board from outside: what the world did to it, what it did, what its raw flash holds.
//!
//! The same judge looks at all three policies. Under `rehome` the first broken guarantee ends the world; under `stock`
//! and `reset`, which promise nothing, the same findings are counted.

mod broken;
mod door;
mod firmware;
mod homes;

use std::collections::BTreeSet;

pub use broken::Broken;
use home_store::Home;
use lifecycle::{BootReason, State};

use crate::board::CLOUD_HOST;
use crate::raw_flash::{
    TRACE_BYTES_MIN, find_trace, is_identity_whole, is_seal_torn, look, slot_bytes, traces_of,
};
use crate::slots::SlotNote;
use crate::tally::Tally;
use door::Door;
use firmware::Firmware;
pub(crate) use homes::Typed;
use homes::{is_claim_of, is_made_of, remove_parts};

/// Guarantee 1: the hotspot is open within 45 s.
const DOOR_MS: u64 = 45_000;
/// How long a board that lost its networks while running may look for them before the hotspot opens: the grace of
/// 10 min, and a minute for noticing.
const GRACE_MS: u64 = 11 * 60_000;
/// A change of network by the board's own choice may take this long, and so may noticing that a network is gone.
const CHANGE_MS: u64 = 60_000;
/// What an event in the shell may take until the world sees its consequence.
const AT_ONCE_MS: u64 = 1_000;
/// A board without a home opens its hotspot as soon as it has started, or the receipt of a wipe is out.
const EMPTY_MS: u64 = 10_000;
/// Guarantee 3: the old home is tried again within 90 s.
const RETURN_MS: u64 = 90_000;
/// How long the way to the cloud may be free before the board is on it: the longest wait after a refused token is an
/// hour; then come 15 min between attempts at the cloud and 15 min of consideration for visitors. On top of that the
/// board's heartbeat, without which a connection that died silently is not noticed.
const BACK_MS: u64 = 3 * 3_600_000;
/// A board counts as stranded when the hotspot is overdue by this much.
const STRANDED_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;

/// Stands in a home on trial whose token has yet to come.
const TOKEN_TO_COME: [u8; wire::TOKEN_BYTES] = [b'.'; wire::TOKEN_BYTES];

/// Who may erase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authority {
    Release,
    Hand,
}

/// What is true in the world for one board at one moment.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, any combination can be true")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Truth {
    /// One of the stored networks can be joined here.
    pub(crate) is_network_there: bool,
    /// One of them leads to a cloud that would accept the token.
    pub(crate) is_way_free: bool,
    /// The only stored network leads to a cloud that would refuse the token.
    pub(crate) is_token_refused: bool,
    pub(crate) is_online: bool,
}

/// One board as its judge knows it.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, any combination can be true")]
pub(crate) struct Judge {
    pub(crate) tally: Tally,
    /// What the flash holds.
    pub(crate) home: Option<Home>,
    epoch: u32,
    heartbeat_ms: u64,
    /// The policy promises an open hotspot to a board without a home, also while a first home is tried.
    is_promised: bool,
    is_powered: bool,
    off_since: u64,
    is_resetting: bool,
    pub(crate) hotspot_open: bool,
    truth: Truth,
    no_network_since: Option<u64>,
    refused_since: Option<u64>,
    free_since: Option<u64>,
    online_since: Option<u64>,
    homeless_since: u64,
    /// Since the last boot the cloud accepted the stored home.
    was_accepted: bool,
    first_fault_at: Option<u64>,
    told_refused_at: Option<u64>,
    told_captive_at: Option<u64>,
    pub(crate) authority: Option<Authority>,
    pub(crate) has_claim_arrived: bool,
    candidate: Option<Typed>,
    is_candidate_accepted: bool,
    pub(crate) submitted_at: Option<u64>,
    earlier_traces: BTreeSet<Vec<u8>>,
    /// Of homes submitted since the last wipe: a save that was cut in its very last bytes may leave parts of one, until
    /// the next save or wipe. They are the words of who set the board up, not of an earlier home.
    submitted_traces: BTreeSet<Vec<u8>>,
    /// What must live in RAM only: claim codes, and what stands for a token until it comes.
    never_stored: BTreeSet<Vec<u8>>,
    is_search_due: bool,
    seen_slots: Vec<u8>,
    trouble: Option<Episode>,
    explained_erases: u64,
    door: Door,
    firmware: Firmware,
}

/// A trouble that calls for the hotspot, from its beginning to its end.
#[derive(Clone, Copy, Debug)]
struct Episode {
    /// Moves on while the board has no power.
    began_at: u64,
    opened_at: Option<u64>,
    overdue_since: Option<u64>,
    /// Time with power for which the hotspot was overdue, before `overdue_since`.
    overdue_ms: u64,
    has_home: bool,
}

impl Episode {
    fn stop_clock(&mut self, now_ms: u64) {
        self.overdue_ms += self.overdue_since.take().map_or(0, |since| now_ms.saturating_sub(since));
    }
}

/// When the hotspot must be open, since when there is reason for it, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Due {
    began_at: u64,
    at: u64,
    why: &'static str,
}

impl Judge {
    pub(crate) fn new(heartbeat_s: u16, is_promised: bool) -> Self {
        Self {
            is_promised,
            tally: Tally { boards: 1, ..Tally::default() },
            home: None,
            epoch: 0,
            heartbeat_ms: u64::from(heartbeat_s) * 1000,
            is_powered: false,
            off_since: 0,
            is_resetting: false,
            hotspot_open: false,
            truth: Truth::default(),
            no_network_since: None,
            refused_since: None,
            free_since: None,
            online_since: None,
            homeless_since: 0,
            was_accepted: false,
            first_fault_at: None,
            told_refused_at: None,
            told_captive_at: None,
            authority: None,
            has_claim_arrived: false,
            candidate: None,
            is_candidate_accepted: false,
            submitted_at: None,
            earlier_traces: BTreeSet::new(),
            submitted_traces: BTreeSet::new(),
            never_stored: BTreeSet::new(),
            is_search_due: false,
            seen_slots: Vec::new(),
            trouble: None,
            explained_erases: 0,
            door: Door::default(),
            firmware: Firmware::default(),
        }
    }

    pub(crate) fn power_on(&mut self, reason: BootReason, is_on_trial: bool, now_ms: u64) {
        self.is_powered = true;
        let is_gesture = self.is_promised && self.door.begin_run(reason, self.home.is_some(), now_ms);
        self.tally.gestures += u64::from(is_gesture);
        self.firmware.begin_run(is_on_trial, now_ms);
        self.homeless_since = now_ms;
        if let Some(trouble) = &mut self.trouble {
            trouble.began_at += now_ms.saturating_sub(self.off_since);
        }
        self.tally.boots += 1;
        self.truth = Truth::default();
        self.is_search_due = true;
    }

    pub(crate) fn power_off(&mut self, now_ms: u64) {
        if let Some(trouble) = &mut self.trouble {
            trouble.stop_clock(now_ms);
        }
        self.door.end_run(now_ms);
        self.firmware.end_run(&mut self.tally);
        self.off_since = now_ms;
        self.is_powered = false;
        self.hotspot_open = false;
        self.is_resetting = false;
        self.was_accepted = false;
        self.has_claim_arrived = false;
        (self.first_fault_at, self.told_refused_at, self.told_captive_at) = (None, None, None);
        (self.candidate, self.is_candidate_accepted, self.submitted_at) = (None, false, None);
        self.authority = None;
        (self.no_network_since, self.refused_since, self.free_since) = (None, None, None);
        self.note_online(false, now_ms);
    }

    pub(crate) fn note_state(&mut self, state: State) {
        self.is_resetting = state == State::ResetConfig;
    }

    /// The board was told that its network is gone.
    pub(crate) fn note_link_lost(&mut self, now_ms: u64) {
        if self.candidate.is_none() {
            self.first_fault_at.get_or_insert(now_ms);
        }
    }

    pub(crate) fn note_leave(&mut self) {
        self.told_captive_at = None;
    }

    pub(crate) fn note_captive(&mut self, now_ms: u64) {
        if self.candidate.is_none() {
            self.told_captive_at.get_or_insert(now_ms);
        }
    }

    /// A session with this token was accepted.
    pub(crate) fn note_accepted(&mut self, token: &[u8; wire::TOKEN_BYTES]) {
        self.tally.logins += 1;
        self.firmware.note_accepted();
        let is_stored = self.stored_token() == Some(token);
        if self.is_tried(token) {
            self.is_candidate_accepted = true;
            self.door.note_saved();
            self.explained_erases += 2;
        } else if is_stored {
            // The stored home is in use again, so the trial is over, whatever became of it.
            (self.candidate, self.submitted_at) = (None, None);
        }
        if is_stored {
            self.note_home_works();
        }
    }

    pub(crate) fn note_refused(&mut self, token: &[u8; wire::TOKEN_BYTES], now_ms: u64) {
        self.tally.refusals += 1;
        if self.is_tried(token) {
            self.end_trial();
        } else if self.stored_token() == Some(token) {
            self.told_refused_at.get_or_insert(now_ms);
        }
    }

    /// The claim code of the home on trial is not exchanged.
    pub(crate) fn note_no_token(&mut self) {
        if self.candidate.as_ref().is_some_and(|candidate| candidate.code.is_some()) {
            self.end_trial();
        }
    }

    /// Somebody at the open hotspot gave a wrong proof.
    pub(crate) fn note_wrong_proof(&mut self, now_ms: u64) {
        self.tally.locks += u64::from(self.door.note_wrong_proof(now_ms));
    }

    /// The power failed in the middle of a flash operation.
    pub(crate) const fn note_torn(&mut self) {
        self.tally.torn_operations += 1;
        self.door.note_torn();
    }

    /// Something happened to the firmware slots; `offered` are the images that may be installed at present.
    pub(crate) fn note_slots(&mut self, note: &SlotNote, offered: &[&[u8]]) -> Option<Broken> {
        self.firmware.note(note, offered, &mut self.tally)
    }

    fn is_tried(&self, token: &[u8; wire::TOKEN_BYTES]) -> bool {
        self.candidate
            .as_ref()
            .is_some_and(|candidate| candidate.token.as_ref().or(self.stored_token()) == Some(token))
    }

    fn end_trial(&mut self) {
        if self.candidate.take().is_some() && self.home.is_some() {
            self.tally.trials_failed += 1;
        }
    }

    fn note_home_works(&mut self) {
        self.was_accepted = true;
        (self.first_fault_at, self.told_refused_at, self.told_captive_at) = (None, None, None);
    }

    /// The portal took a new home for its trial.
    pub(crate) fn note_submitted(&mut self, typed: Typed, now_ms: u64) {
        let is_distinct = self.home.as_ref().is_some_and(|home| {
            home.networks.iter().all(|network| {
                network.ssid.as_bytes() != typed.ssid || network.secret.expose() != typed.password
            })
        });
        self.submitted_at = is_distinct.then_some(now_ms);
        let words = [
            Some(typed.ssid.as_slice()),
            Some(&typed.password),
            typed.token.as_ref().map(<[u8; 32]>::as_slice),
        ];
        self.submitted_traces.extend(words.into_iter().flatten().map(<[u8]>::to_vec));
        self.submitted_traces.insert(CLOUD_HOST.as_bytes().to_vec());
        if let Some(code) = &typed.code {
            self.never_stored.extend([code.expose().to_vec(), code.shown().to_vec(), TOKEN_TO_COME.to_vec()]);
        }
        self.candidate = Some(typed);
        self.is_candidate_accepted = false;
    }

    /// The board begins to join a network.
    pub(crate) fn note_join(&mut self, network: &home_store::Network) {
        self.told_captive_at = None;
        let is_stored = self.home.as_ref().is_some_and(|home| home.networks.contains(network));
        let is_candidate = self.candidate.as_ref().is_some_and(|candidate| {
            network.ssid.as_bytes() == candidate.ssid && network.secret.expose() == candidate.password
        });
        if is_stored && !is_candidate {
            self.end_trial();
            self.submitted_at = None;
        }
    }

    /// The phone was told that the trial failed.
    pub(crate) fn judge_told_error(last_error: u64) -> Option<Broken> {
        (!(700..=732).contains(&last_error)).then_some(Broken::NoReasonShown)
    }

    /// Takes what is true in the world now.
    pub(crate) fn note_truth(&mut self, truth: Truth, now_ms: u64) {
        if !self.is_powered {
            return;
        }
        self.truth = truth;
        follow(&mut self.no_network_since, !truth.is_network_there, now_ms);
        follow(&mut self.refused_since, truth.is_token_refused, now_ms);
        follow(&mut self.free_since, truth.is_way_free, now_ms);
        self.note_online(truth.is_online, now_ms);
        if truth.is_online && self.free_since.is_some() {
            self.free_since = Some(now_ms);
        }
    }

    fn note_online(&mut self, is_online: bool, now_ms: u64) {
        if let Some(since) = self.online_since.filter(|_| !is_online) {
            self.tally.online_ms += now_ms.saturating_sub(since);
        }
        follow(&mut self.online_since, is_online, now_ms);
    }

    fn stored_token(&self) -> Option<&[u8; wire::TOKEN_BYTES]> {
        self.home.as_ref().map(|home| home.cloud.token.expose())
    }

    fn due(&self) -> Option<Due> {
        // Whoever locked the door has to switch the board off and on; until then it keeps what it has.
        if !self.is_powered || self.is_resetting || self.door.is_locked() {
            return None;
        }
        if self.home.is_none() && !self.is_promised {
            return None;
        }
        if self.home.is_none() {
            let (began_at, at) = (self.homeless_since, self.homeless_since + EMPTY_MS);
            return Some(Due { began_at, at, why: "no home is stored" });
        }
        let cut_off = |began_at: u64, why| {
            let fault_at = self.first_fault_at.unwrap_or(began_at).min(began_at);
            let at = if self.was_accepted {
                (fault_at + GRACE_MS).max(began_at + CHANGE_MS)
            } else {
                began_at + DOOR_MS
            };
            Due { began_at, at, why }
        };
        let at_once =
            |began_at: u64| Due { began_at, at: began_at + AT_ONCE_MS, why: "the token was refused" };
        let captive = self.told_captive_at.map(|told_at| {
            let due = cut_off(told_at, "a captive portal answers instead of the cloud");
            // Told so after the first 45 s, a board that never got through has no time left.
            let at = if self.was_accepted {
                due.at
            } else {
                (self.homeless_since + DOOR_MS).max(told_at + AT_ONCE_MS)
            };
            Due { at, ..due }
        });
        [
            self.no_network_since.map(|since| cut_off(since, "no stored network can be joined")),
            self.told_refused_at.map(at_once),
            self.refused_since.filter(|since| !self.was_accepted && *since == self.homeless_since).map(
                |since| Due {
                    began_at: since,
                    at: since + DOOR_MS,
                    why: "the cloud refuses the stored token",
                },
            ),
            captive,
        ]
        .into_iter()
        .flatten()
        .min_by_key(|due| due.at)
    }

    /// The next moment at which time alone can break a guarantee.
    pub(crate) fn next_check(&self, now_ms: u64) -> Option<u64> {
        let door_at = self.due().filter(|_| !self.hotspot_open).map(|due| due.at);
        let return_at = self.submitted_at.map(|since| since + RETURN_MS);
        let back_at = self.free_since.filter(|_| !self.truth.is_online).map(|since| since + self.back_ms());
        // What is overdue already has been judged.
        let locked_or_held_at = self.door.next_check(self.hotspot_open);
        let trial_ends_at = self.firmware.next_check();
        [door_at, return_at, back_at, locked_or_held_at, trial_ends_at]
            .into_iter()
            .flatten()
            .filter(|at| *at >= now_ms)
            .map(|at| at + 1)
            .min()
    }

    fn back_ms(&self) -> u64 {
        BACK_MS + self.heartbeat_ms + 30_000
    }

    /// Looks at the clock.
    pub(crate) fn judge(&mut self, now_ms: u64) -> Option<Broken> {
        let due = self.due();
        self.follow_trouble(due, now_ms);
        if let Some(due) = due
            && !self.hotspot_open
            && now_ms > due.at
        {
            return Some(Broken::Stranded(due.why));
        }
        if self.submitted_at.is_some_and(|since| now_ms > since + RETURN_MS) {
            self.submitted_at = None;
            return Some(Broken::OldHomeNotTried);
        }
        if !self.truth.is_online && self.free_since.is_some_and(|since| now_ms > since + self.back_ms()) {
            self.free_since = Some(now_ms);
            return Some(Broken::NotBack);
        }
        if !self.is_powered || !self.is_promised {
            return None;
        }
        let is_held = !self.is_resetting;
        self.door.judge(self.hotspot_open, now_ms).filter(|_| is_held).or_else(|| self.firmware.judge(now_ms))
    }

    fn follow_trouble(&mut self, due: Option<Due>, now_ms: u64) {
        if !self.is_powered {
            return;
        }
        let Some(due) = due else { return self.end_trouble(now_ms) };
        let has_home = self.home.is_some();
        if self.trouble.is_some_and(|trouble| trouble.has_home != has_home) {
            self.end_trouble(now_ms);
        }
        let fresh =
            Episode { began_at: due.began_at, opened_at: None, overdue_since: None, overdue_ms: 0, has_home };
        let trouble = self.trouble.get_or_insert(fresh);
        if self.hotspot_open {
            trouble.opened_at.get_or_insert(now_ms);
            trouble.stop_clock(now_ms);
        } else if now_ms > due.at && trouble.opened_at.is_none() {
            trouble.overdue_since.get_or_insert(due.at);
        }
    }

    fn end_trouble(&mut self, now_ms: u64) {
        let Some(mut trouble) = self.trouble.take() else { return };
        trouble.stop_clock(now_ms);
        if trouble.has_home {
            match trouble.opened_at {
                Some(opened_at) => self.tally.count_door(opened_at.saturating_sub(trouble.began_at)),
                None if trouble.overdue_ms > 0 => self.tally.doors_never_opened += 1,
                None => {}
            }
        }
        if trouble.overdue_ms > STRANDED_MS {
            self.tally.stranded_boards = 1;
            self.tally.stranded_ms += trouble.overdue_ms;
            self.tally.stranded_ms_max = self.tally.stranded_ms_max.max(trouble.overdue_ms);
            if trouble.overdue_ms >= DAY_MS {
                self.tally.stranded_for_a_day_boards = 1;
            }
        }
    }

    /// Looks at the flash after something was written or erased. `is_alive` is `false` right after a power cut, when an
    /// interrupted operation still waits for the next boot.
    pub(crate) fn inspect(&mut self, image: &[u8], is_alive: bool, now_ms: u64) -> Option<Broken> {
        if is_alive && !self.is_search_due && slot_bytes(image) == self.seen_slots {
            // Only the journal was written. An intention to wipe is in there only together with the wipe.
            return None;
        }
        self.seen_slots = slot_bytes(image).to_vec();
        let found = match look(image) {
            Ok(found) => found,
            Err(why) => return Some(Broken::StoreUnusable(why)),
        };
        let mut broken = (found.epoch < self.epoch).then_some(Broken::EpochWentBack);
        self.epoch = found.epoch;
        if found.home != self.home {
            broken = broken.or(self.note_change(found.home, now_ms));
            self.is_search_due = true;
        }
        if self.is_search_due {
            // What a cut left behind is cleared by the next boot, which the copy has been through.
            let searched = if is_alive { image } else { found.repaired.as_slice() };
            self.is_search_due = !is_alive;
            broken = broken.or_else(|| self.search(searched));
        }
        if std::mem::take(&mut self.is_candidate_accepted) {
            // It is stored now, or could not be.
            (self.candidate, self.submitted_at) = (None, None);
        }
        broken
    }

    fn search(&mut self, image: &[u8]) -> Option<Broken> {
        self.tally.image_searches += 1;
        let mut gone = self.earlier_traces.clone();
        if let Some(home) = &self.home {
            // The same host, or the same network in another home; and what is part of what is stored.
            remove_parts(&mut gone, &traces_of(home));
        } else if is_seal_torn(image) {
            remove_parts(&mut gone, &self.submitted_traces);
        }
        if !is_identity_whole(image) {
            return Some(Broken::IdentityLost);
        }
        let never =
            find_trace(image, &self.never_stored).map(|(offset, _)| Broken::NeverToBeStored { offset });
        never.or_else(|| {
            find_trace(image, &gone).map(|(offset, length_bytes)| Broken::TraceLeft { offset, length_bytes })
        })
    }

    fn note_change(&mut self, home: Option<Home>, now_ms: u64) -> Option<Broken> {
        let before = std::mem::replace(&mut self.home, home);
        if let Some(before) = &before {
            self.earlier_traces.append(&mut traces_of(before));
        }
        self.explained_erases += 2;
        match (&before, &self.home) {
            (_, None) => {
                self.door.note_wiped();
                self.earlier_traces.append(&mut self.submitted_traces);
                self.earlier_traces.retain(|trace| trace.len() >= TRACE_BYTES_MIN);
                self.homeless_since = now_ms;
                (self.told_refused_at, self.told_captive_at, self.first_fault_at) = (None, None, None);
                (self.candidate, self.submitted_at) = (None, None);
                match self.authority.take() {
                    Some(Authority::Release) => self.tally.wipes_released += 1,
                    Some(Authority::Hand) => self.tally.wipes_by_hand += 1,
                    None => return Some(self.count_lost(Broken::HomeLost)),
                }
                None
            }
            (Some(before), Some(after)) if self.has_claim_arrived && is_claim_of(before, after) => None,
            (_, Some(after)) => {
                let candidate = self.candidate.take();
                self.submitted_at = None;
                self.tally.claims += u64::from(candidate.as_ref().is_some_and(|typed| typed.code.is_some()));
                let is_expected = self.is_candidate_accepted
                    && candidate.is_some_and(|typed| is_made_of(after, &typed, before.as_ref()));
                if !is_expected {
                    return Some(self.count_lost(Broken::HomeAltered));
                }
                self.tally.homes_accepted += 1;
                self.note_home_works();
                None
            }
        }
    }

    fn count_lost(&mut self, broken: Broken) -> Broken {
        self.tally.lost_homes += 1;
        self.tally.lost_home_boards = 1;
        broken
    }

    /// A wipe that a portal or a button asked of a board without a home erases too, and so does every repair.
    pub(crate) fn explain_erases(&mut self, count: u64) {
        self.explained_erases += count;
    }

    /// Guarantee 9, at any time: homes and wipes cost two erases of a slot each, boots one of a journal sector in a
    /// hundred.
    pub(crate) fn judge_wear(&mut self, erases: &[u32]) -> Option<Broken> {
        let worst = erases.iter().copied().max().unwrap_or_default();
        self.tally.sector_erases_max = self.tally.sector_erases_max.max(u64::from(worst));
        let erases_max = self.explained_erases + self.tally.torn_operations * 3 + self.tally.boots / 50 + 4;
        (u64::from(worst) > erases_max).then_some(Broken::FlashWorn { erases: worst, erases_max })
    }

    /// Ends the board's life.
    pub(crate) fn end(&mut self, now_ms: u64) {
        self.end_trouble(now_ms);
        self.note_online(false, now_ms);
        self.tally.lived_ms += now_ms;
    }
}

fn follow(since: &mut Option<u64>, is_true: bool, now_ms: u64) {
    *since = is_true.then(|| since.unwrap_or(now_ms));
}

#[cfg(test)]
mod tests;
