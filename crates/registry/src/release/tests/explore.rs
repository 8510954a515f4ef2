//! Every order of events, for every kind of board, with a witness who knows what the board did.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// What the board is. The server learns of it only what the events tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Board {
    /// Obeys the unsigned order and gives no receipt.
    Stock,
    /// Holds this server's key: passes over the unsigned order, obeys the signed one and proves it.
    Keyed,
    /// As [`Board::Keyed`]; at the request it had logged in and not introduced itself yet.
    KeyedUnsaid,
    /// As [`Board::Keyed`]; at the request the key had been offered to it and not been shown yet.
    KeyedLately,
    /// Holds another server's key, or says an epoch that cannot be: obeys no order of this server.
    Foreign,
}

impl Board {
    const ALL: [Self; 5] = [Self::Stock, Self::Keyed, Self::KeyedUnsaid, Self::KeyedLately, Self::Foreign];

    const fn key_at_request(self) -> BoardKey {
        match self {
            Self::Stock => BoardKey::None,
            Self::Keyed | Self::Foreign => BoardKey::Shown,
            Self::KeyedUnsaid => BoardKey::Recorded,
            Self::KeyedLately => BoardKey::Offered,
        }
    }

    const fn key_at_login(self) -> BoardKey {
        match self {
            Self::Stock => BoardKey::None,
            _ => BoardKey::Recorded,
        }
    }

    const fn key_in_greeting(self) -> BoardKey {
        match self {
            Self::Stock => BoardKey::None,
            _ => BoardKey::Shown,
        }
    }
}

/// What a step of the adversary does; times are chosen to hit every limit from both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    RequestWhileConnected,
    LogIn,
    Introduce,
    Talk,
    LoseLink,
    Wait {
        ms: u64,
    },
    RestartServer,
    /// The board erases itself, if its latest order is one that it obeys, and says nothing more.
    Obey,
    /// As [`Step::Obey`], with a receipt.
    ObeyAndProve,
}

/// What happened on a connection so far.
#[derive(Debug, Clone, Copy, Default)]
struct Link {
    /// The board said on it what it is.
    is_introduced: bool,
    /// The latest order on it is one that the board obeys.
    can_obey: bool,
}

/// Watches a release from outside and knows what the board really did.
#[derive(Debug, Clone)]
struct Witness {
    board: Board,
    release: Release,
    now_ms: u64,
    link: Option<Link>,
    /// When the latest order went out.
    order_at_ms: Option<u64>,
    /// Last sure sign of life: a login, bytes, or bytes just before the request.
    alive_at_ms: Option<u64>,
    wiped: bool,
    receipt_seen: bool,
    stored: ReleaseRecord,
}

impl Witness {
    fn new(board: Board) -> Self {
        let release = pending();
        let stored = release.record().clone();
        Self {
            board,
            release,
            now_ms: 0,
            link: None,
            order_at_ms: None,
            alive_at_ms: None,
            wiped: false,
            receipt_seen: false,
            stored,
        }
    }

    fn step(&mut self, step: Step) {
        // A wiped board has neither token nor network.
        let is_there = self.link.is_some() && !self.wiped;
        let can_obey = is_there && self.link.is_some_and(|link| link.can_obey);
        match step {
            Step::RequestWhileConnected if !self.wiped => {
                let key = self.board.key_at_request();
                self.link = Some(Link { is_introduced: key == BoardKey::Shown, can_obey: false });
                self.event(found(key));
            }
            Step::LogIn if !self.wiped => {
                self.link = Some(Link::default());
                self.alive_at_ms = Some(self.now_ms);
                self.event(ReleaseEvent::LoggedIn { key: self.board.key_at_login() });
            }
            Step::Introduce if is_there => {
                self.alive_at_ms = Some(self.now_ms);
                self.event(ReleaseEvent::Heard);
                if let Some(link) = &mut self.link {
                    link.is_introduced = true;
                }
                self.event(ReleaseEvent::Introduced { key: self.board.key_in_greeting() });
            }
            Step::Talk if is_there => {
                self.alive_at_ms = Some(self.now_ms);
                self.event(ReleaseEvent::Heard);
            }
            Step::LoseLink if self.link.is_some() => {
                self.link = None;
                self.event(ReleaseEvent::LinkClosed);
            }
            Step::Obey if can_obey => self.wiped = true,
            Step::ObeyAndProve if can_obey && self.board != Board::Stock => {
                self.wiped = true;
                self.receipt_seen = true;
                self.event(ReleaseEvent::ReceiptVerified);
            }
            Step::Wait { ms } => self.wait(ms),
            Step::RestartServer => {
                self.link = None;
                self.release = Release::resume(self.stored.clone(), MonoTime::from_ms(self.now_ms));
            }
            _ => {}
        }
        self.check();
    }

    fn wait(&mut self, ms: u64) {
        let until_ms = self.now_ms + ms;
        while let Some(due) = self.release.next_timeout().filter(|due| due.ms() <= until_ms) {
            self.now_ms = self.now_ms.max(due.ms());
            let before = self.release.clone();
            self.event(ReleaseEvent::TimerFired);
            assert_ne!(self.release, before, "a due timer changes something, or the shell would spin");
        }
        self.now_ms = until_ms;
    }

    fn event(&mut self, event: ReleaseEvent) {
        let was_inferred = self.release.record().state == ReleaseState::Inferred;
        for action in self.release.handle(at(self.now_ms), event) {
            match action {
                ReleaseAction::Store(record) => self.stored = record,
                ReleaseAction::SendOrder => {
                    assert_eq!(
                        self.stored.state,
                        ReleaseState::Sent,
                        "the order is on disk before it is sent"
                    );
                    self.order_at_ms = Some(self.now_ms);
                    let link = self.link.as_mut().expect("an order needs a link");
                    link.can_obey = match self.board {
                        Board::Stock => true,
                        // The order is signed when the board has shown its key on this link.
                        Board::Keyed | Board::KeyedUnsaid | Board::KeyedLately => link.is_introduced,
                        Board::Foreign => false,
                    };
                }
                ReleaseAction::SendProbe => assert!(self.link.is_some(), "a probe needs a link"),
                ReleaseAction::CloseLink => self.link = None,
            }
        }
        if !was_inferred && self.release.record().state == ReleaseState::Inferred {
            self.check_inference();
        }
    }

    fn check_inference(&self) {
        assert_eq!(self.board, Board::Stock, "inferred although the board could have proved its wipe");
        let order_at_ms = self.order_at_ms.expect("inferred without an order");
        let alive_at_ms = self.alive_at_ms.expect("inferred although the board never gave a sign of life");
        assert!(self.now_ms - alive_at_ms >= SILENCE_MS, "inferred although it was heard just now");
        assert!(alive_at_ms >= order_at_ms, "inferred from an order to a board that may have gone before");
    }

    fn check(&self) {
        let state = self.release.record().state;
        // A stock board that was alive when its order came obeys it, as far as anybody can tell. The others prove it.
        assert!(!state.is_safe_to_ship() || self.wiped || self.board == Board::Stock, "not wiped: {self:?}");
        assert_eq!(state == ReleaseState::Confirmed, self.receipt_seen);
        assert_eq!(login_status(self.stored.state) == 9, self.receipt_seen, "a 9 needs a proven wipe");
        assert_eq!(state.is_safe_to_ship(), self.release.record().finished_at.is_some());
        assert_eq!(self.stored.state, state, "what is on disk is what counts");
    }
}

const STEPS: [Step; 13] = [
    Step::RequestWhileConnected,
    Step::LogIn,
    Step::Introduce,
    Step::Talk,
    Step::LoseLink,
    Step::Wait { ms: 1 },
    Step::Wait { ms: PROBE_WAIT_MS },
    Step::Wait { ms: SILENCE_MS - 1 },
    Step::Wait { ms: SILENCE_MS },
    Step::Wait { ms: LISTEN_AFTER_RESTART_MS },
    Step::RestartServer,
    Step::Obey,
    Step::ObeyAndProve,
];

/// Walks every order of steps to a depth of 5 for every kind of board; [`Witness`] asserts after each step.
#[test]
fn no_order_of_events_makes_an_unwiped_board_safe_or_refused() {
    for board in Board::ALL {
        let mut seen = BTreeSet::new();
        let mut open = vec![(Witness::new(board), 0)];
        while let Some((witness, depth)) = open.pop() {
            seen.insert(witness.release.record().state);
            if depth < 5 {
                for step in STEPS {
                    let mut next = witness.clone();
                    next.step(step);
                    open.push((next, depth + 1));
                }
            }
        }
        let ends = match board {
            Board::Stock => vec![ReleaseState::Inferred],
            Board::Keyed | Board::KeyedUnsaid | Board::KeyedLately => vec![ReleaseState::Confirmed],
            Board::Foreign => Vec::new(),
        };
        let expected: BTreeSet<_> =
            [ReleaseState::Pending, ReleaseState::Sent].into_iter().chain(ends).collect();
        assert_eq!(seen, expected, "the walk must reach every state that {board:?} can reach");
    }
}

proptest! {
    #[test]
    fn long_lives_keep_the_promise_too(
        board in proptest::sample::select(&Board::ALL[..]),
        steps in proptest::collection::vec(
            prop_oneof![
                8 => proptest::sample::select(&STEPS[..11]),
                2 => (0_u64..700_000).prop_map(|ms| Step::Wait { ms }),
            ],
            0..120,
        ),
    ) {
        let mut witness = Witness::new(board);
        for step in steps {
            witness.step(step);
        }
        // Once the board obeys, the release comes to its end; a board that cannot is never called wiped.
        witness.step(Step::LogIn);
        witness.step(Step::Introduce);
        witness.step(if board == Board::Stock { Step::Obey } else { Step::ObeyAndProve });
        witness.step(Step::LoseLink);
        witness.step(Step::Wait { ms: SILENCE_MAX_MS });
        let expected = match board {
            Board::Stock => ReleaseState::Inferred,
            Board::Keyed | Board::KeyedUnsaid | Board::KeyedLately => ReleaseState::Confirmed,
            Board::Foreign => ReleaseState::Pending,
        };
        prop_assert_eq!(witness.release.record().state, expected);
    }
}
