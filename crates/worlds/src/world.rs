//! A world while it runs: one clock, one queue of what comes next, no waiting.

mod fates;
mod links;
mod updates;
mod visits;

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;

use lifecycle::{BootReason, RecoveryPolicy};

use crate::board::{Board, Turn};
use crate::cloud::Cloud;
use crate::dice::Dice;
use crate::io::{Request, Signal};
use crate::judge::{Broken, Truth};
use crate::place::{Beyond, JoinOutcome, Place, Trouble};
use crate::plan::{BoardPlan, Plan, WorldEvent};
use crate::raw_flash::leave_remnant;
use crate::slots::Conduct;
use crate::tally::Tally;
use crate::{Finding, Outcome, Sabotage, WorldSpec};

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// An event of the plan.
    Planned(usize),
    Wake {
        board: usize,
        generation: u32,
    },
    Check {
        board: usize,
    },
    Power {
        board: usize,
        generation: u32,
        is_on: bool,
    },
    Reboot {
        board: usize,
        generation: u32,
    },
    Scanned {
        board: usize,
        generation: u32,
    },
    JoinAnswer {
        board: usize,
        generation: u32,
    },
    LinkLost {
        board: usize,
        generation: u32,
    },
    Dialed {
        board: usize,
        generation: u32,
    },
    DialFailed {
        board: usize,
        generation: u32,
        is_captive: bool,
    },
    Downlink {
        board: usize,
        generation: u32,
    },
    Closed {
        board: usize,
        generation: u32,
    },
    Phone {
        board: usize,
        generation: u32,
    },
    /// A faulty firmware ends its run.
    Crash {
        board: usize,
        run_generation: u32,
    },
    /// Somebody at the hotspot tries another passphrase.
    Guess {
        board: usize,
        run_generation: u32,
    },
    ButtonUp {
        board: usize,
        generation: u32,
        is_long: bool,
    },
    Clock {
        board: usize,
    },
    /// Something about the board's account changes by time.
    Account {
        board: usize,
    },
    OwnerLooks {
        board: usize,
    },
    /// The owner wants the board in another network, or under another account.
    NewHome {
        board: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    at_ms: u64,
    sequence: u64,
    what: What,
}

/// One world of one policy.
pub(crate) struct World {
    spec: WorldSpec,
    clock: Rc<Cell<u64>>,
    queue: BinaryHeap<Reverse<Entry>>,
    sequence: u64,
    events: Vec<WorldEvent>,
    length_ms: u64,
    places: Vec<Place>,
    boards: Vec<Board>,
    cloud: Cloud,
    finding: Option<Finding>,
}

impl World {
    pub(crate) fn new(spec: &WorldSpec) -> Self {
        let plan = Plan::draw(spec.seed, spec.board_count, spec.day_count);
        let clock = Rc::new(Cell::new(0));
        let settings = spec.settings();
        let speaks_rehome = spec.policy == RecoveryPolicy::Rehome;
        let cloud = Cloud::new(Dice::for_part(spec.seed, "accounts", 0), speaks_rehome);
        let firmware_key = cloud.keys().0.verifying_key().to_bytes();
        let make_board = |(index, mut board_plan): (usize, BoardPlan)| {
            if !speaks_rehome {
                // Hotspots of stock firmware are open.
                board_plan.pop = None;
            }
            let is_traced = spec.traced_board == Some(index);
            let board =
                Board::new(board_plan, settings.clone(), &clock, spec.seed, index, firmware_key, is_traced);
            board.io.slots.borrow_mut().is_reading_from_cache =
                spec.sabotage == Some(Sabotage::FalseReadBack);
            board.io.is_forgetting.set(spec.sabotage == Some(Sabotage::ForgetfulLock));
            board
        };
        let boards = plan.boards.into_iter().enumerate().map(make_board).collect();
        let mut world = Self {
            spec: spec.clone(),
            clock: Rc::clone(&clock),
            queue: BinaryHeap::new(),
            sequence: 0,
            events: Vec::new(),
            length_ms: plan.length_ms,
            places: plan.places,
            boards,
            cloud,
            finding: None,
        };
        for (at_ms, event) in plan.events {
            world.push_at(at_ms, What::Planned(world.events.len()));
            world.events.push(event);
        }
        world
    }

    /// Runs to the end, or to the first broken guarantee where that ends the world.
    pub(crate) fn run(mut self) -> Outcome {
        while let Some(Reverse(entry)) = self.queue.pop() {
            if entry.at_ms > self.length_ms {
                break;
            }
            self.clock.set(entry.at_ms);
            self.happen(entry.what);
            if self.finding.is_some() {
                break;
            }
        }
        let now_ms = self.now();
        let mut tally = Tally::default();
        for board in &mut self.boards {
            board.judge.end(now_ms);
            tally.add(&board.judge.tally);
        }
        tally.receipts = self.cloud.receipt_count;
        Outcome { tally, finding: self.finding }
    }

    fn now(&self) -> u64 {
        self.clock.get()
    }

    fn push_at(&mut self, at_ms: u64, what: What) {
        self.sequence += 1;
        self.queue.push(Reverse(Entry { at_ms, sequence: self.sequence, what }));
    }

    fn push_in(&mut self, wait_ms: u64, what: What) {
        self.push_at(self.now().saturating_add(wait_ms), what);
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Planned(index) => {
                if let Some(event) = self.events.get(index).copied() {
                    self.befall(event);
                }
            }
            What::Wake { board, generation } => {
                if self.boards.get(board).is_some_and(|board| board.wake_generation == generation) {
                    self.turn(board);
                }
            }
            What::Check { board } => {
                if let Some(board) = self.boards.get_mut(board) {
                    board.check_at = u64::MAX;
                }
                self.judge(board);
            }
            What::Power { board, generation, is_on } => {
                if self.boards.get(board).is_some_and(|board| board.power_generation == generation) {
                    if is_on {
                        self.power_on(board);
                    } else {
                        self.power_off(board);
                    }
                }
            }
            What::Reboot { board, generation } => {
                if self.boards.get(board).is_some_and(|board| board.power_generation == generation) {
                    self.boot(board, BootReason::Restart);
                }
            }
            What::Scanned { board, generation } => self.scanned(board, generation),
            What::JoinAnswer { board, generation } => self.join_answered(board, generation),
            What::LinkLost { board, generation } => self.link_lost(board, generation),
            What::Dialed { board, generation } => self.dialed(board, generation),
            What::DialFailed { board, generation, is_captive } => {
                self.dial_failed(board, generation, is_captive);
            }
            What::Downlink { board, generation } => self.deliver(board, generation),
            What::Closed { board, generation } => self.closed(board, generation),
            What::Phone { board, generation } => self.phone(board, generation),
            What::Crash { board, run_generation } => self.crash(board, run_generation),
            What::Guess { board, run_generation } => self.guess(board, run_generation),
            What::ButtonUp { board, generation, is_long } => self.button_up(board, generation, is_long),
            What::Clock { board } => {
                if let Some(board) = self.boards.get(board) {
                    board.io.is_clock_wrong.set(false);
                }
                self.judge(board);
            }
            What::Account { board } => self.judge(board),
            What::OwnerLooks { board } => self.owner_looks(board),
            What::NewHome { board } => self.owner_changes(board),
        }
    }

    fn power_on(&mut self, index: usize) {
        if self.boards.get(index).is_some_and(|board| !board.is_powered()) {
            self.boot(index, BootReason::PowerOn);
        }
    }

    fn boot(&mut self, index: usize, reason: BootReason) {
        let Some(board) = self.boards.get_mut(index) else { return };
        board.io.note(format_args!("boots: {reason:?}"));
        board.boot(reason);
        self.begin_run(index, reason);
        self.turn(index);
    }

    /// Tells the judge of a run that begins, and plans the end of one that has a fault.
    fn begin_run(&mut self, index: usize, reason: BootReason) {
        let now_ms = self.now();
        let Some(board) = self.boards.get_mut(index) else { return };
        let is_on_trial = board.io.slots.borrow().is_on_trial();
        board.judge.power_on(reason, is_on_trial, now_ms);
        let (run_generation, conduct) = (board.run_generation, board.conduct);
        if conduct != Conduct::Good {
            board.io.note(format_args!("runs a firmware with a fault: {conduct:?}"));
        }
        // A fault that shows later is found by others; this one shows while the firmware is on trial.
        if let Conduct::Crashes { after_ms } = conduct
            && is_on_trial
        {
            self.push_in(after_ms, What::Crash { board: index, run_generation });
        }
    }

    fn crash(&mut self, index: usize, run_generation: u32) {
        if self.boards.get(index).is_some_and(|board| board.run_generation == run_generation) {
            self.brown_out(index);
        }
    }

    /// The chip starts anew by a fault, without a power-on.
    fn brown_out(&mut self, index: usize) {
        if self.boards.get(index).is_some_and(Board::is_powered) {
            self.power_off(index);
            self.boot(index, BootReason::Fault);
        }
    }

    fn power_off(&mut self, index: usize) {
        let now_ms = self.now();
        let Some(board) = self.boards.get_mut(index) else { return };
        if !board.is_powered() {
            return;
        }
        board.io.note(format_args!("power goes"));
        board.stop();
        board.judge.power_off(now_ms);
    }

    /// Power goes now and comes back after a while; whatever was planned for the power before is off.
    fn power_cycle(&mut self, index: usize, off_ms: u64) {
        self.power_off(index);
        let Some(board) = self.boards.get_mut(index) else { return };
        board.power_generation += 1;
        let generation = board.power_generation;
        self.push_in(off_ms, What::Power { board: index, generation, is_on: true });
    }

    /// Gives the shell something that happened, and lets it run.
    fn signal(&mut self, index: usize, signal: Signal) {
        if let Some(board) = self.boards.get(index).filter(|board| board.is_powered()) {
            board.io.signal(signal);
            self.turn(index);
        }
    }

    /// Lets the shell run, does what it asks for, and judges what became of it.
    fn turn(&mut self, index: usize) {
        let now_ms = self.now();
        let Some(board) = self.boards.get_mut(index).filter(|board| board.is_powered()) else { return };
        board.io.wake_ms.set(None);
        let turn = board.turn();
        let mut requests = board.io.requests.take();
        for request in requests.drain(..) {
            self.serve(index, request);
        }
        let Some(board) = self.boards.get_mut(index) else { return };
        // The buffer goes back, so that quiet turns allocate nothing.
        board.io.requests.replace(requests);
        let broken = inspect(board, turn != Turn::Died, now_ms).or_else(|| judge_slots(board));
        if self.spec.sabotage == Some(Sabotage::Remnant)
            && let Some(network) = board.judge.home.as_ref().and_then(|home| home.networks.first())
        {
            leave_remnant(&board.flash, network.secret.expose());
        }
        match turn {
            Turn::Waiting => {
                board.wake_generation += 1;
                let (generation, wake_ms) = (board.wake_generation, board.io.wake_ms.get());
                if let Some(wake_ms) = wake_ms {
                    self.push_at(wake_ms.max(now_ms), What::Wake { board: index, generation });
                }
            }
            Turn::Restart => {
                self.power_off(index);
                if let Some(board) = self.boards.get_mut(index) {
                    board.power_generation += 1;
                    let generation = board.power_generation;
                    self.push_in(300, What::Reboot { board: index, generation });
                }
            }
            Turn::Died => {
                board.io.note(format_args!("power fails in the middle of a flash operation"));
                if board.flash.with(|flash| flash.is_powered()) {
                    board.judge.tally.torn_updates += 1;
                } else {
                    board.judge.note_torn();
                }
                let off_ms = board.dice.between(100, 60_000);
                self.power_cycle(index, off_ms);
            }
        }
        if let Some(broken) = broken {
            self.find(index, broken);
        }
        self.judge(index);
    }

    fn serve(&mut self, index: usize, request: Request) {
        match request {
            Request::Scan => self.start_scan(index),
            Request::Join(network) => self.start_join(index, *network),
            Request::Leave => self.leave(index),
            Request::Dial(dialed) => self.start_dial(index, dialed),
            Request::HangUp => self.hang_up(index),
            Request::Send(frame) => self.uplink(index, &frame),
            Request::OpenHotspot | Request::CloseHotspot => {
                let Some(board) = self.boards.get_mut(index) else { return };
                board.judge.hotspot_open = matches!(request, Request::OpenHotspot);
                let verb = if board.judge.hotspot_open { "opens" } else { "closes" };
                board.io.note(format_args!("hotspot {verb}"));
            }
            Request::State(state) => {
                if let Some(board) = self.boards.get_mut(index) {
                    board.judge.note_state(state);
                }
            }
            Request::Answer(bytes) => {
                if let Some(visit) = self.boards.get_mut(index).and_then(|board| board.visit.as_mut()) {
                    visit.answer.extend(bytes);
                }
            }
        }
    }

    /// Tells the judge of a board what is true now, and asks for its verdict.
    fn judge(&mut self, index: usize) {
        let now_ms = self.now();
        let truth = self.truth(index);
        let Some(board) = self.boards.get_mut(index) else { return };
        board.judge.note_truth(truth, now_ms);
        let broken = board.judge.judge(now_ms);
        if let Some(check_at) = board.judge.next_check(now_ms).filter(|at| *at < board.check_at) {
            board.check_at = check_at;
            self.push_at(check_at, What::Check { board: index });
        }
        if let Some(broken) = broken {
            self.find(index, broken);
        }
    }

    fn judge_everybody(&mut self) {
        (0..self.boards.len()).for_each(|index| self.judge(index));
    }

    fn find(&mut self, index: usize, broken: Broken) {
        if self.spec.is_judged && self.finding.is_none() {
            let trace = self.boards.get(index).map(|board| board.io.take_trace()).unwrap_or_default();
            self.finding = Some(Finding { board: index, at_ms: self.now(), broken, trace });
        }
    }

    fn truth(&self, index: usize) -> Truth {
        let Some(board) = self.boards.get(index).filter(|board| board.is_powered()) else {
            return Truth::default();
        };
        let (Some(place), Some(home)) = (self.places.get(board.place), &board.judge.home) else {
            return Truth { is_online: board.session.is_online(), ..Truth::default() };
        };
        let now_ms = self.now();
        let joined = board.joined.and_then(|id| place.find(id));
        let token = home.cloud.token.expose();
        let is_certificate_bad = place.has(Trouble::BadCertificate) || board.io.is_clock_wrong.get();
        let is_line_cut = [Trouble::LineDown, Trouble::NoDns, Trouble::Captive]
            .into_iter()
            .any(|trouble| place.has(trouble));
        let is_tls_refused = home.cloud.uses_tls && is_certificate_bad;
        let is_line_fine = !is_line_cut && !is_tls_refused;
        let mut truth = Truth {
            is_network_there: joined.is_some(),
            is_online: board.session.is_online(),
            ..Truth::default()
        };
        let is_misled = joined.is_some_and(|ap| ap.beyond != Beyond::Line);
        for network in &home.networks {
            let JoinOutcome::Joined(id) = place.join(network) else { continue };
            truth.is_network_there = true;
            let leads_out = place.find(id).is_some_and(|ap| ap.beyond == Beyond::Line) && is_line_fine;
            truth.is_way_free |= leads_out && !is_misled && self.cloud.accepts(token, now_ms);
            truth.is_token_refused |=
                leads_out && home.networks.len() == 1 && self.cloud.refuses(token, now_ms);
        }
        truth
    }
}

/// Tells the judge what was done to the firmware slots.
fn judge_slots(board: &mut Board) -> Option<Broken> {
    let notes = board.io.slots.borrow_mut().take_notes();
    let updates = [&board.update, &board.former_update].into_iter().flatten();
    let offered: Vec<&[u8]> =
        updates.filter(|update| update.is_acceptable).map(|update| update.image.as_slice()).collect();
    let judge = &mut board.judge;
    notes.iter().fold(None, |broken, note| broken.or(judge.note_slots(note, &offered)))
}

/// Lets the judge look at the flash where something was written or erased.
fn inspect(board: &mut Board, is_alive: bool, now_ms: u64) -> Option<Broken> {
    let counters = board.flash.with(|flash| flash.counters());
    if counters == board.seen_operations && is_alive {
        return None;
    }
    board.seen_operations = counters;
    let judge = &mut board.judge;
    board.flash.with(|flash| {
        judge.inspect(flash.image(), is_alive, now_ms).or_else(|| judge.judge_wear(flash.erase_counts()))
    })
}
