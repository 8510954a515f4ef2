//! People at a board's hotspot.

use std::collections::VecDeque;

use device::{ConnectionIndex, EVENT_BUFFER_BYTES, Event};

use super::{What, World};
use crate::cloud::AccountState;
use crate::io::Signal;
use crate::judge::{Judge, Typed};
use crate::place::{draw_name, draw_password};
use crate::plan::Passerby;
use crate::visit::{Step, Visit, Visitor, WATCHES_MAX, get, post, proof, submit};

impl World {
    /// The owner looks whether the board does its work, and sets it up where it does not.
    pub(super) fn owner_looks(&mut self, index: usize) {
        let truth = self.truth(index);
        let Some(board) = self.boards.get(index).filter(|board| board.is_powered() && board.visit.is_none())
        else {
            return;
        };
        let is_content = truth.is_online || (board.judge.home.is_some() && truth.is_way_free);
        // Where the owner's own telephone finds no way out there is nothing to be set up.
        let is_place_fine = self.places.get(board.place).is_some_and(crate::place::Place::is_in_order);
        if is_content || !is_place_fine || self.cloud.trouble().is_some() {
            return;
        }
        self.owner_sets_up(index);
    }

    /// The owner comes to a board that may well work, and wants it to work otherwise.
    pub(super) fn owner_changes(&mut self, index: usize) {
        let is_free = self.boards.get(index).is_some_and(|board| board.is_powered() && board.visit.is_none());
        if is_free && self.cloud.trouble().is_none() {
            self.owner_sets_up(index);
        }
    }

    fn owner_sets_up(&mut self, index: usize) {
        let account = self.account_for(index);
        let entries = self.owner_entries(index, account);
        self.begin_visit(index, Visitor::Owner, entries);
    }

    /// The owner's account for a board; a new one where the old was given away or deleted.
    fn account_for(&mut self, index: usize) -> usize {
        let known = self.boards.get(index).and_then(|board| board.account);
        let is_active = |account: &usize| {
            self.cloud.accounts.get(*account).is_some_and(|account| account.state == AccountState::Active)
        };
        let account = known.filter(is_active).unwrap_or_else(|| self.cloud.create_account());
        if let Some(board) = self.boards.get_mut(index) {
            board.account = Some(account);
        }
        account
    }

    fn owner_entries(&mut self, index: usize, account: usize) -> VecDeque<Typed> {
        let mut entries = VecDeque::new();
        let token = self.cloud.accounts.get(account).map(|account| account.token);
        let now_ms = self.now();
        let (Some(board), Some(token)) = (self.boards.get_mut(index), token) else { return entries };
        let router = board.dice.index(2);
        let Some(ap) = self.places.get(board.place).and_then(|place| place.own(router)) else {
            return entries;
        };
        let stored_token = board.judge.home.as_ref().map(|home| *home.cloud.token.expose());
        // Without a label nothing shows who asks, so the account has to be named again (decision 0068).
        let keeps_binding = stored_token == Some(token) && board.dice.chance(500) && board.plan.pop.is_some();
        let right = Typed {
            ssid: ap.ssid.clone(),
            password: ap.password.clone(),
            token: (!keeps_binding).then_some(token),
            code: None,
        };
        let types_code = board.dice.chance(400) && !keeps_binding && self.cloud.speaks_rehome();
        let code = types_code.then(|| self.cloud.open_code(account, now_ms));
        // A code from last week, or somebody else's.
        if types_code && board.dice.chance(150) {
            let code = Some(wire::ClaimCode::from_random(board.dice.bytes()));
            let token = board.dice.text(wire::TOKEN_BYTES).into_bytes().try_into().ok();
            entries.push_back(Typed { token: token.or(right.token), code, ..right.clone() });
        }
        let right = Typed { code, ..right };
        if board.dice.chance(200) {
            entries.push_back(Typed { password: draw_password(&mut board.dice), ..right.clone() });
        }
        if board.dice.chance(100) {
            let token = board.dice.text(wire::TOKEN_BYTES).into_bytes().try_into().ok();
            entries.push_back(Typed { token: token.or(right.token), code: None, ..right.clone() });
        }
        // One in ten goes away before anything was typed in.
        if !board.dice.chance(100) {
            entries.push_back(right);
        }
        entries
    }

    pub(super) fn passerby(&mut self, index: usize, passerby: Passerby) {
        let Some(board) = self.boards.get_mut(index) else { return };
        if !board.is_powered() || board.visit.is_some() || !board.judge.hotspot_open {
            return;
        }
        if board.is_hotspot_secured() {
            // Nobody gets in without the label.
            return self.begin_guessing(index, 1);
        }
        let token = board.dice.text(wire::TOKEN_BYTES).into_bytes().try_into().ok();
        let entry = match passerby {
            Passerby::Guesses => Some(Typed {
                ssid: draw_name(&mut board.dice),
                password: draw_password(&mut board.dice),
                token,
                code: None,
            }),
            Passerby::WrongToken => self
                .places
                .get(board.place)
                .and_then(|place| place.own(0))
                .map(|ap| Typed { ssid: ap.ssid.clone(), password: ap.password.clone(), token, code: None }),
            Passerby::Resets | Passerby::Garbage | Passerby::Stays => None,
        };
        self.begin_visit(index, Visitor::Passerby(passerby), entry.into_iter().collect());
    }

    fn begin_visit(&mut self, index: usize, who: Visitor, entries: VecDeque<Typed>) {
        let Some(board) = self.boards.get_mut(index) else { return };
        board.io.note(format_args!("visit: {who:?}"));
        // Strangers guess where a form asks for a proof.
        let pop = match who {
            Visitor::Owner => board.plan.pop.clone(),
            Visitor::Passerby(_) => board.plan.pop.as_ref().map(|_| board.dice.text(6)),
        };
        board.visit = Some(Visit::new(who, entries, board.plan.is_plain, pop));
        board.visit_generation += 1;
        let generation = board.visit_generation;
        self.push_in(1, What::Phone { board: index, generation });
    }

    /// One step of a visit.
    pub(super) fn phone(&mut self, index: usize, generation: u32) {
        let Some(board) = self.boards.get_mut(index).filter(|board| board.visit_generation == generation)
        else {
            return;
        };
        let is_open = board.judge.hotspot_open;
        let Some(visit) = &board.visit else { return };
        match visit.step {
            Step::Arrive { power_cycles_left } => self.arrive(index, power_cycles_left),
            Step::Leave => self.leave_hotspot(index),
            // The phone lost the hotspot.
            _ if !is_open => self.end_visit(index),
            Step::ReadInfo => self.ask(index, &get("/board_info.json"), Step::Scan, 3_000),
            Step::Scan => {
                let wait_ms = board.dice.between(4_000, 40_000);
                self.ask(index, &get("/wifi_scan.json"), Step::Submit { tries_left: 5 }, wait_ms);
            }
            Step::Submit { tries_left } => self.type_in(index, tries_left),
            Step::Watch { left } => self.watch(index, left),
            Step::Idle { left } => {
                let next = if left == 0 { Step::Leave } else { Step::Idle { left: left - 1 } };
                self.ask(index, &get("/status.json"), next, 60_000);
            }
            Step::Reboot => {
                let body = proof(visit.pop.as_deref());
                self.change(index, &post("/reboot", &body), Step::Leave, 2_000);
            }
        }
    }

    fn arrive(&mut self, index: usize, power_cycles_left: u8) {
        let Some(board) = self.boards.get_mut(index) else { return };
        if board.judge.hotspot_open {
            let next = match board.visit.as_ref().map(|visit| visit.who) {
                Some(Visitor::Passerby(Passerby::Stays)) => Step::Idle { left: 60 },
                Some(Visitor::Passerby(Passerby::Garbage | Passerby::Resets)) => {
                    Step::Submit { tries_left: 1 }
                }
                _ => Step::ReadInfo,
            };
            self.signal(index, Signal::Event(Event::StationAttached));
            self.go_on(index, next, 2_000);
            return;
        }
        if power_cycles_left == 0 {
            if !board.session.is_online() {
                board.judge.tally.visits_in_vain += 1;
            }
            self.end_visit(index);
            return;
        }
        // What everybody tries: unplug it, plug it in, wait a minute.
        let visit = board.visit.take();
        let off_ms = board.dice.between(9_000, 20_000);
        self.power_cycle(index, off_ms);
        if let Some(board) = self.boards.get_mut(index) {
            board.visit = visit;
            self.go_on(index, Step::Arrive { power_cycles_left: power_cycles_left - 1 }, off_ms + 75_000);
        }
    }

    fn type_in(&mut self, index: usize, tries_left: u8) {
        let Some(board) = self.boards.get_mut(index) else { return };
        let Some(visit) = &mut board.visit else { return };
        match visit.who {
            Visitor::Passerby(Passerby::Resets) => {
                let is_allowed = board.judge.home.is_none() && board.plan.pop.is_none();
                let body = proof(visit.pop.as_deref());
                if is_allowed {
                    // Erases an empty store, which costs what every wipe costs.
                    board.judge.explain_erases(2);
                }
                return self.change(index, &post("/reset", &body), Step::Reboot, 3_000);
            }
            Visitor::Passerby(Passerby::Garbage) => {
                let mut noise = board.dice.bytes::<64>().to_vec();
                noise.extend_from_slice(b"\r\n\r\n");
                return self.ask(index, &noise, Step::Leave, 3_000);
            }
            _ => {}
        }
        let Some(entry) = visit.entries.front().cloned().filter(|_| tries_left > 0) else {
            return self.leave_hotspot(index);
        };
        let request = submit(&entry, visit.is_plain, visit.pop.as_deref());
        visit.sent = Some(entry.clone());
        self.change(index, &request, Step::Watch { left: WATCHES_MAX }, 5_000);
        // What the portal answered stands in the visit by now; the trial begins a second later.
        let now_ms = self.now();
        let Some(board) = self.boards.get_mut(index) else { return };
        let Some(visit) = &mut board.visit else { return };
        if visit.answered(b"\"status\":\"ok\"") {
            visit.entries.pop_front();
            board.judge.note_submitted(entry, now_ms);
            self.judge(index);
        } else {
            visit.sent = None;
            self.go_on(index, Step::Submit { tries_left: tries_left - 1 }, 10_000);
        }
    }

    fn watch(&mut self, index: usize, left: u8) {
        let next = if left == 0 { Step::Leave } else { Step::Watch { left: left - 1 } };
        self.ask(index, &get("/status.json"), next, 5_000);
        let Some(board) = self.boards.get_mut(index) else { return };
        let Some(visit) = &mut board.visit else { return };
        if visit.answered(b"\"step\":\"done\"") {
            self.go_on(index, Step::Leave, 2_000);
        } else if visit.answered(b"\"step\":\"failed\"") {
            let broken = Judge::judge_told_error(visit.told_error());
            // Some try again, some leave, and some sit there reading.
            let is_reader = visit.entries.is_empty() && board.dice.chance(500);
            let next = if is_reader { Step::Idle { left: 5 } } else { Step::Submit { tries_left: 5 } };
            self.go_on(index, next, 8_000);
            if let Some(broken) = broken {
                self.find(index, broken);
            }
        }
    }

    fn go_on(&mut self, index: usize, step: Step, wait_ms: u64) {
        let Some(board) = self.boards.get_mut(index) else { return };
        let Some(visit) = &mut board.visit else { return };
        visit.step = step;
        board.visit_generation += 1;
        let generation = board.visit_generation;
        self.push_in(wait_ms, What::Phone { board: index, generation });
    }

    /// Sends a request over a new connection and goes on to another step after a while.
    fn ask(&mut self, index: usize, request: &[u8], next: Step, wait_ms: u64) {
        if let Some(visit) = self.boards.get_mut(index).and_then(|board| board.visit.as_mut()) {
            visit.answer.clear();
        }
        self.go_on(index, next, wait_ms);
        self.signal(index, Signal::Event(Event::PortalOpened(ConnectionIndex(0))));
        for part in request.chunks(EVENT_BUFFER_BYTES) {
            self.signal(index, Signal::PortalBytes(0, part.to_vec()));
        }
    }

    /// Asks for a change, which is where a proof is looked at. In recovery nobody is asked for the proof of what is refused
    /// in any case.
    fn change(&mut self, index: usize, request: &[u8], next: Step, wait_ms: u64) {
        let now_ms = self.now();
        if let Some(board) = self.boards.get_mut(index)
            && let Some(visit) = &board.visit
            && let Some(given) = &visit.pop
            && board.plan.pop.as_ref().is_some_and(|pop| pop != given)
            && board.judge.hotspot_open
            && !board.is_hotspot_secured()
            && (request.starts_with(b"POST /config") || board.judge.home.is_none())
        {
            board.judge.note_wrong_proof(now_ms);
        }
        self.ask(index, request, next, wait_ms);
    }

    /// Somebody tries passphrases, or proofs in the forms of a hotspot that has none.
    pub(super) fn begin_guessing(&mut self, index: usize, count: u8) {
        let Some(board) = self.boards.get_mut(index) else { return };
        if !board.is_powered() || !board.is_hotspot_secured() {
            return;
        }
        let (run_generation, is_resetting) = (board.run_generation, board.dice.chance(300));
        for turn in 0..count {
            let wait_ms = 1_000 + u64::from(turn) * 15_000;
            self.push_in(wait_ms, What::Guess { board: index, run_generation });
        }
        // Who fails tries what makes many a device forget.
        if is_resetting {
            let wait_ms = 20_000 + u64::from(count) * 15_000;
            self.push_in(wait_ms, What::Crash { board: index, run_generation });
        }
    }

    /// One wrong passphrase, where a hotspot is there to be tried.
    pub(super) fn guess(&mut self, index: usize, run_generation: u32) {
        let now_ms = self.now();
        let is_current = |board: &&mut crate::board::Board| {
            board.is_powered() && board.run_generation == run_generation && board.judge.hotspot_open
        };
        let Some(board) = self.boards.get_mut(index).filter(is_current) else { return };
        board.judge.note_wrong_proof(now_ms);
        self.signal(index, Signal::Event(Event::PassphraseRefused));
    }

    fn leave_hotspot(&mut self, index: usize) {
        self.signal(index, Signal::Event(Event::StationDetached));
        self.end_visit(index);
    }

    fn end_visit(&mut self, index: usize) {
        if let Some(board) = self.boards.get_mut(index) {
            board.visit = None;
            board.visit_generation += 1;
        }
    }
}
