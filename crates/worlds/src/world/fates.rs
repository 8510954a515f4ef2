//! What befalls places, the cloud and boards, as the plan has it.

use device::Event;

use super::{What, World};
use crate::cloud::AccountState;
use crate::io::Signal;
use crate::judge::Authority;
use crate::place::{ApId, Trouble, draw_name, draw_password};
use crate::plan::{CloudTrouble, Console, Fate, Restart, WorldEvent};

/// From here on a held button wipes when it is let go.
const BUTTON_WIPE_MS: u64 = 10_000;

impl World {
    pub(super) fn befall(&mut self, event: WorldEvent) {
        match event {
            WorldEvent::Begin(place, trouble) => {
                if let Some(found) = self.places.get_mut(place) {
                    found.begin(trouble);
                }
                if matches!(trouble, Trouble::LineDown | Trouble::Captive) {
                    self.break_sessions(Some(place), false);
                }
                self.check_links(place);
            }
            WorldEvent::End(place, trouble) => {
                if let Some(found) = self.places.get_mut(place) {
                    found.end(trouble);
                }
                self.check_links(place);
            }
            WorldEvent::NewPassword(place, router) | WorldEvent::NewName(place, router) => {
                self.change_router(place, router, matches!(event, WorldEvent::NewName(..)));
            }
            WorldEvent::TwinComes { place, of, twin, id } => {
                let mut dice = crate::dice::Dice::for_part(self.spec.seed, "twin", id.0 as usize);
                if let Some(found) = self.places.get_mut(place)
                    && let Some(original) = found.own(of).cloned()
                {
                    found.access_points.push(twin.of(&original, id, &mut dice));
                }
                self.check_links(place);
            }
            WorldEvent::TwinGoes { place, id } => {
                if let Some(found) = self.places.get_mut(place) {
                    found.access_points.retain(|ap| ap.id != id);
                }
                self.check_links(place);
            }
            WorldEvent::CloudBegins(trouble) => {
                self.cloud.begin(trouble);
                match trouble {
                    CloudTrouble::Down | CloudTrouble::HangsUp => self.break_sessions(None, true),
                    CloudTrouble::RefusesAll => self.break_sessions(None, false),
                    CloudTrouble::Silent | CloudTrouble::Garbage | CloudTrouble::Busy => {}
                }
                self.judge_everybody();
            }
            WorldEvent::CloudEnds(trouble) => {
                self.cloud.end(trouble);
                self.judge_everybody();
            }
            WorldEvent::Board(board, fate) => self.befall_board(board, fate),
        }
    }

    fn change_router(&mut self, place: usize, router: usize, is_name: bool) {
        // Above every number of the plan.
        let id = ApId(1_000_000 + u32::try_from(self.sequence % 1_000_000).unwrap_or_default());
        let part = if is_name { "new name" } else { "new password" };
        let salt = usize::try_from(self.now()).unwrap_or_default();
        let mut dice = crate::dice::Dice::for_part(self.spec.seed, part, salt);
        if let Some(ap) = self.places.get_mut(place).and_then(|place| place.own_mut(router)) {
            if is_name {
                ap.ssid = draw_name(&mut dice);
            } else if !ap.password.is_empty() {
                ap.password = draw_password(&mut dice);
            }
            // Who is joined is thrown out.
            ap.id = id;
        }
        self.check_links(place);
    }

    fn befall_board(&mut self, index: usize, fate: Fate) {
        if let Some(board) = self.boards.get(index) {
            board.io.note(format_args!("fate: {fate:?}"));
        }
        match fate {
            Fate::FirstPower => self.power_on(index),
            Fate::PowerOff { off_ms } => {
                if self.is_powered(index) {
                    self.power_cycle(index, off_ms);
                }
            }
            Fate::Flicker { count, on_ms, off_ms } => self.flicker(index, count, on_ms, off_ms),
            Fate::TornFlash { cut, restart } => {
                if restart == Restart::Now && self.is_powered(index) {
                    self.power_off(index);
                    self.arm_and_boot(index, cut);
                } else if let Some(board) = self.boards.get(index).filter(|board| board.is_powered()) {
                    board.flash.with(|flash| flash.cut_power(cut));
                }
            }
            Fate::Move { to, off_ms } => self.carry(index, to, off_ms),
            Fate::Sold { to, off_ms, is_off_first } => self.sell(index, to, off_ms, is_off_first),
            Fate::Deleted => {
                self.set_account(index, |account| account.state = AccountState::Deleted);
                self.disconnect(index);
            }
            Fate::RefusedFor { wait_ms } => {
                let until_ms = self.now() + wait_ms;
                self.set_account(index, |account| account.refused_until_ms = until_ms);
                self.disconnect(index);
                self.push_in(wait_ms + 1, What::Account { board: index });
            }
            Fate::Guesser { count } => self.begin_guessing(index, count),
            Fate::BrownOut => self.brown_out(index),
            Fate::Gesture { on_ms, off_ms } => self.make_gesture(index, on_ms, off_ms),
            Fate::Update(planned) => self.plan_update(index, &planned),
            Fate::Passerby(passerby) => self.passerby(index, passerby),
            Fate::Button { held_ms } => self.press_button(index, held_ms),
            Fate::Console(command) => {
                let command: &[u8] = match command {
                    Console::Reboot => b"reboot",
                    Console::ConfigStart => b"config start",
                };
                if let Some(board) = self.boards.get_mut(index).filter(|board| board.session.is_online()) {
                    board.session.push_command(command);
                }
                self.flush(index);
            }
            Fate::Hostile(hostile) => {
                if let Some(board) = self.boards.get_mut(index).filter(|board| board.session.is_online()) {
                    self.cloud.push_hostile(&mut board.session, hostile);
                }
                self.flush(index);
            }
            Fate::WrongClock { wait_ms } => {
                if let Some(board) = self.boards.get(index) {
                    board.io.is_clock_wrong.set(true);
                }
                self.push_in(wait_ms, What::Clock { board: index });
            }
            Fate::Disconnected => self.disconnect(index),
            Fate::OwnerLooks => self.owner_looks(index),
        }
        self.judge(index);
    }

    fn is_powered(&self, index: usize) -> bool {
        self.boards.get(index).is_some_and(crate::board::Board::is_powered)
    }

    /// Power-ups of the same length one after the other; the last one stays.
    fn flicker(&mut self, index: usize, count: u8, on_ms: u64, off_ms: u64) {
        if !self.is_powered(index) {
            return;
        }
        self.power_cycle(index, off_ms);
        let Some(generation) = self.boards.get(index).map(|board| board.power_generation) else { return };
        let mut wait_ms = off_ms;
        for _ in 0..count {
            wait_ms += on_ms;
            self.push_in(wait_ms, What::Power { board: index, generation, is_on: false });
            wait_ms += off_ms;
            self.push_in(wait_ms, What::Power { board: index, generation, is_on: true });
        }
    }

    /// What somebody does who wants the hotspot of a board without a button; then comes with a phone.
    fn make_gesture(&mut self, index: usize, on_ms: u64, off_ms: u64) {
        if !self.is_powered(index) {
            return;
        }
        self.flicker(index, 5, on_ms, off_ms);
        let over_ms = 5 * on_ms + 6 * off_ms;
        self.push_in(over_ms + 20_000, What::NewHome { board: index });
    }

    /// Boots with a power cut that waits for the flash.
    fn arm_and_boot(&mut self, index: usize, cut: home_store::sim_flash::PowerCut) {
        let Some(board) = self.boards.get_mut(index) else { return };
        board.power_generation += 1;
        board.boot(lifecycle::BootReason::PowerOn);
        board.flash.with(|flash| flash.cut_power(cut));
        self.begin_run(index, lifecycle::BootReason::PowerOn);
        self.turn(index);
    }

    fn carry(&mut self, index: usize, to: usize, off_ms: u64) {
        self.power_cycle(index, off_ms);
        let Some(board) = self.boards.get_mut(index) else { return };
        board.place = to;
        let wait_ms = off_ms + board.dice.between(2 * 60_000, 40 * 60_000);
        self.push_in(wait_ms, What::OwnerLooks { board: index });
    }

    fn sell(&mut self, index: usize, to: usize, off_ms: u64, is_off_first: bool) {
        if is_off_first {
            self.power_off(index);
        }
        self.set_account(index, |account| {
            if account.state == AccountState::Active {
                account.state = AccountState::Releasing;
            }
        });
        let Some(board) = self.boards.get_mut(index) else { return };
        if board.session.is_online() {
            self.cloud.order_erase(&mut board.session);
            // Somebody who waits for the receipt before pulling the plug; not everybody does.
            let is_patient = board.dice.chance(800);
            self.flush(index);
            if is_patient {
                let fate = Fate::Move { to, off_ms };
                let position = self.events.len();
                self.events.push(WorldEvent::Board(index, fate));
                self.push_in(60_000, What::Planned(position));
                self.forget_account(index);
                return;
            }
        }
        self.forget_account(index);
        self.carry(index, to, off_ms);
    }

    fn forget_account(&mut self, index: usize) {
        if let Some(board) = self.boards.get_mut(index) {
            board.account = None;
        }
    }

    fn set_account(&mut self, index: usize, change: impl FnOnce(&mut crate::cloud::Account)) {
        let account = self.boards.get(index).and_then(|board| board.account);
        if let Some(account) = account.and_then(|account| self.cloud.accounts.get_mut(account)) {
            change(account);
        }
    }

    fn disconnect(&mut self, index: usize) {
        if let Some(generation) = self.boards.get(index).map(|board| board.session.generation) {
            self.push_in(1, What::Closed { board: index, generation });
        }
    }

    fn press_button(&mut self, index: usize, held_ms: u64) {
        self.signal(index, Signal::Event(Event::ButtonPressed));
        let Some(board) = self.boards.get_mut(index).filter(|board| board.is_powered()) else { return };
        board.button_generation += 1;
        let generation = board.button_generation;
        let is_long = held_ms >= BUTTON_WIPE_MS;
        self.push_in(held_ms, What::ButtonUp { board: index, generation, is_long });
    }

    pub(super) fn button_up(&mut self, index: usize, generation: u32, is_long: bool) {
        let Some(board) = self.boards.get_mut(index).filter(|board| board.button_generation == generation)
        else {
            return;
        };
        if is_long {
            match board.judge.home {
                Some(_) => board.judge.authority = Some(Authority::Hand),
                None => board.judge.explain_erases(2),
            }
        }
        self.signal(index, Signal::Event(Event::ButtonReleased));
    }
}
