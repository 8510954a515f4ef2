//! Draws a world from its seed: places, boards, and everything that will befall them.
//!
//! The plan is the same for every policy. What people do about it (an owner who looks after a board that is offline) is
//! decided while the world runs, from dice of their own.

use home_store::sim_flash::{EraseTear, PowerCut, SECTOR_BYTES};

use crate::dice::Dice;
use crate::files::{HostFault, PlannedUpdate};
use crate::place::{AccessPoint, ApId, Beyond, Place, Trouble, draw_password, draw_router};
use crate::slots::{Conduct, SlotTrouble};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Places in a world; the first is the workshop.
const PLACE_COUNT: usize = 12;
/// Keep-alives in seconds. The longest that the protocol allows comes most often: a board that is online and has
/// nothing to say is then quiet for an hour, and what is searched happens between such stretches.
const HEARTBEATS_S: [u16; 8] = [3600, 3600, 3600, 3600, 1800, 900, 300, 45];

/// A whole world before it begins.
pub(crate) struct Plan {
    pub(crate) places: Vec<Place>,
    pub(crate) boards: Vec<BoardPlan>,
    /// In no order; each with its time.
    pub(crate) events: Vec<(u64, WorldEvent)>,
    pub(crate) length_ms: u64,
}

/// One board as it leaves the maker.
#[derive(Clone, Debug)]
pub(crate) struct BoardPlan {
    pub(crate) place: usize,
    pub(crate) heartbeat_s: u16,
    /// Its homes use TCP without TLS.
    pub(crate) is_plain: bool,
    pub(crate) mac: [u8; 6],
    /// Proof of possession on its label. One of 8 characters and more is the passphrase of its hotspot, a shorter one
    /// is asked for in every form.
    pub(crate) pop: Option<String>,
    /// It installs only what its maker signed.
    pub(crate) is_firmware_signed: bool,
}

/// Something that befalls a place, the cloud or a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorldEvent {
    Begin(usize, Trouble),
    End(usize, Trouble),
    NewPassword(usize, usize),
    NewName(usize, usize),
    TwinComes { place: usize, of: usize, twin: Twin, id: ApId },
    TwinGoes { place: usize, id: ApId },
    CloudBegins(CloudTrouble),
    CloudEnds(CloudTrouble),
    Board(usize, Fate),
}

/// A foreign access point with the name of a known one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Twin {
    /// Open, with a login page.
    OpenCaptive,
    /// Open, with a false cloud behind it.
    OpenImpostor,
    /// Secured like the true one, with another password.
    OtherPassword,
}

/// A trouble of the cloud, for everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloudTrouble {
    /// Nothing listens.
    Down,
    /// Connections are accepted, nothing is said.
    Silent,
    /// Bytes that are no protocol.
    Garbage,
    /// "Come back later."
    Busy,
    /// A lost database at a service that calls unknown tokens invalid.
    RefusesAll,
    /// Connections are cut soon after the login.
    HangsUp,
}

impl CloudTrouble {
    pub(crate) const ALL: [Self; 6] =
        [Self::Down, Self::Silent, Self::Garbage, Self::Busy, Self::RefusesAll, Self::HangsUp];
}

/// What befalls one board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Power comes for the first time; the owner is there.
    FirstPower,
    PowerOff {
        off_ms: u64,
    },
    Flicker {
        count: u8,
        on_ms: u64,
        off_ms: u64,
    },
    /// The power fails in the middle of a flash operation, this or some later time.
    TornFlash {
        cut: PowerCut,
        restart: Restart,
    },
    Move {
        to: usize,
        off_ms: u64,
    },
    /// Given away: released, carried to somebody else, set up there.
    Sold {
        to: usize,
        off_ms: u64,
        is_off_first: bool,
    },
    /// Deleted at a service that then calls its token invalid.
    Deleted,
    /// The token is refused for a while by mistake.
    RefusedFor {
        wait_ms: u64,
    },
    Passerby(Passerby),
    /// Somebody tries passphrases at the hotspot, or proofs in its forms.
    Guesser {
        count: u8,
    },
    /// A supply that dips: the chip restarts, and it is no power-on.
    BrownOut,
    /// Five power-ups of this length, then it stays on, because somebody wants the hotspot.
    Gesture {
        on_ms: u64,
        off_ms: u64,
    },
    /// The maker wants another firmware on it.
    Update(PlannedUpdate),
    Button {
        held_ms: u64,
    },
    Console(Console),
    Hostile(Hostile),
    WrongClock {
        wait_ms: u64,
    },
    /// The connection to the cloud breaks off.
    Disconnected,
    /// The owner has a look at the board.
    OwnerLooks,
}

/// Whether the power is cut to get there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restart {
    /// The board is switched off and on, so the cut comes while it boots.
    Now,
    /// The cut waits for the next operation.
    Never,
}

/// Somebody at an open hotspot who is not the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passerby {
    /// Submits a home of his own invention.
    Guesses,
    /// Submits a network that exists and a token that does not.
    WrongToken,
    /// Asks for `/reset`, then `/reboot`.
    Resets,
    /// Sends bytes that are no request.
    Garbage,
    /// Stays attached for an hour and asks now and then.
    Stays,
}

/// A command of the maintenance console, sent by the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Console {
    Reboot,
    ConfigStart,
}

/// An order in the device's own session that must change nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hostile {
    /// Signed by another key.
    ForeignOrder,
    /// For the epoch before.
    OldOrder,
    /// One bit is wrong.
    BentOrder,
    /// Another key for a home that has one.
    ForeignClaim,
    /// Unsigned, to a home that has a key.
    ConfigErase,
    /// Bytes that are no frame.
    Garbage,
}

impl Plan {
    /// Draws the world of `seed`.
    pub(crate) fn draw(seed: u64, board_count: usize, day_count: u64) -> Self {
        let length_ms = day_count * DAY;
        let mut plan = Self { places: Vec::new(), boards: Vec::new(), events: Vec::new(), length_ms };
        let mut next_ap = 1;
        for index in 0..PLACE_COUNT {
            plan.draw_place(&mut Dice::for_part(seed, "place", index), index, &mut next_ap);
        }
        plan.draw_cloud(&mut Dice::for_part(seed, "cloud", 0));
        for index in 0..board_count {
            plan.draw_board(&mut Dice::for_part(seed, "board", index), index);
        }
        plan
    }

    /// Moments at which something happens that happens on average once in `every_ms`.
    fn moments(&self, dice: &mut Dice, from_ms: u64, every_ms: u64) -> Vec<u64> {
        let mut moments = Vec::new();
        let mut at_ms = from_ms;
        loop {
            at_ms = at_ms.saturating_add(dice.between(1, every_ms * 2));
            if at_ms >= self.length_ms {
                return moments;
            }
            moments.push(at_ms);
        }
    }

    fn draw_place(&mut self, dice: &mut Dice, place: usize, next_ap: &mut u32) {
        let mut new_id = || {
            *next_ap += 1;
            ApId(*next_ap)
        };
        let router_count = dice.between(1, 2);
        let routers: Vec<AccessPoint> = (0..router_count).map(|_| draw_router(dice, new_id())).collect();
        self.places.push(Place::new(routers));
        let troubles = [
            (Trouble::RouterDown, 10 * DAY, 90 * SECOND, 5 * MINUTE),
            (Trouble::RouterDown, 7 * DAY, MINUTE, 30 * MINUTE),
            (Trouble::RouterDown, 20 * DAY, 2 * HOUR, 4 * DAY),
            (Trouble::NoAddress, 20 * DAY, 5 * MINUTE, 12 * HOUR),
            (Trouble::Mute, 25 * DAY, 5 * MINUTE, 6 * HOUR),
            (Trouble::LineDown, 7 * DAY, MINUTE, 12 * HOUR),
            (Trouble::NoDns, 12 * DAY, 5 * MINUTE, 6 * HOUR),
            (Trouble::Captive, 12 * DAY, 10 * MINUTE, 2 * DAY),
            (Trouble::BadCertificate, 15 * DAY, 10 * MINUTE, 2 * DAY),
        ];
        for (trouble, every_ms, shortest_ms, longest_ms) in troubles {
            for at_ms in self.moments(dice, 0, every_ms) {
                let end_ms = at_ms + dice.spread(shortest_ms, longest_ms);
                self.events.push((at_ms, WorldEvent::Begin(place, trouble)));
                self.events.push((end_ms, WorldEvent::End(place, trouble)));
            }
        }
        for at_ms in self.moments(dice, DAY, 25 * DAY) {
            self.events.push((at_ms, WorldEvent::NewPassword(place, dice.index(2))));
        }
        for at_ms in self.moments(dice, DAY, 30 * DAY) {
            self.events.push((at_ms, WorldEvent::NewName(place, dice.index(2))));
        }
        for at_ms in self.moments(dice, HOUR, 8 * DAY) {
            let twins = [Twin::OpenCaptive, Twin::OpenImpostor, Twin::OtherPassword];
            let twin = dice.pick(&twins).unwrap_or(Twin::OpenCaptive);
            let (id, of) = (new_id(), dice.index(2));
            self.events.push((at_ms, WorldEvent::TwinComes { place, of, twin, id }));
            self.events.push((at_ms + dice.spread(10 * MINUTE, DAY), WorldEvent::TwinGoes { place, id }));
        }
    }

    fn draw_cloud(&mut self, dice: &mut Dice) {
        for trouble in CloudTrouble::ALL {
            let (every_ms, longest_ms) = match trouble {
                CloudTrouble::RefusesAll => (60 * DAY, HOUR),
                _ => (10 * DAY, 3 * HOUR),
            };
            for at_ms in self.moments(dice, DAY, every_ms) {
                self.events.push((at_ms, WorldEvent::CloudBegins(trouble)));
                self.events.push((at_ms + dice.spread(MINUTE, longest_ms), WorldEvent::CloudEnds(trouble)));
            }
        }
    }

    fn draw_board(&mut self, dice: &mut Dice, board: usize) {
        let mut mac = dice.bytes::<6>();
        // Locally administered, so that no maker's number is used.
        mac[0] = 0x02;
        self.boards.push(BoardPlan {
            place: dice.index(PLACE_COUNT),
            heartbeat_s: dice.pick(&HEARTBEATS_S).unwrap_or(3600),
            is_plain: dice.chance(150),
            mac,
            pop: match dice.between(0, 9) {
                0..=3 => Some(dice.text(10)),
                4 => Some(dice.text(6)),
                _ => None,
            },
            is_firmware_signed: dice.chance(500),
        });
        let mut push = |at_ms: u64, fate: Fate| self.events.push((at_ms, WorldEvent::Board(board, fate)));
        let born_ms = dice.between(SECOND, 12 * HOUR);
        push(born_ms, Fate::FirstPower);
        push(born_ms + 2 * MINUTE, Fate::OwnerLooks);
        for (every_ms, draw) in FATES {
            for at_ms in self.moments(dice, born_ms + HOUR, every_ms) {
                let fate = draw(dice);
                self.events.push((at_ms, WorldEvent::Board(board, fate)));
            }
        }
    }
}

type DrawFate = fn(&mut Dice) -> Fate;

/// How often what befalls a board, on average.
const FATES: [(u64, DrawFate); 19] = [
    (8 * HOUR, |_| Fate::OwnerLooks),
    (2 * DAY, |dice| {
        let longest_ms = dice.pick(&[MINUTE, MINUTE, 2 * HOUR, 4 * DAY]).unwrap_or(MINUTE);
        Fate::PowerOff { off_ms: dice.spread(SECOND, longest_ms) }
    }),
    (4 * DAY, |dice| Fate::Flicker {
        count: u8::try_from(dice.between(1, 7)).unwrap_or(1),
        on_ms: dice.between(100, 9_000),
        off_ms: dice.between(50, 3_000),
    }),
    (5 * DAY, |dice| Fate::TornFlash { cut: draw_cut(dice), restart: Restart::Now }),
    (5 * DAY, |dice| Fate::TornFlash { cut: draw_cut(dice), restart: Restart::Never }),
    (12 * DAY, |dice| Fate::Move { to: dice.index(PLACE_COUNT), off_ms: dice.spread(10 * MINUTE, 2 * DAY) }),
    (10 * DAY, |dice| Fate::Sold {
        to: dice.index(PLACE_COUNT),
        off_ms: dice.spread(10 * MINUTE, 5 * DAY),
        is_off_first: dice.chance(400),
    }),
    (40 * DAY, |_| Fate::Deleted),
    (20 * DAY, |dice| Fate::RefusedFor { wait_ms: dice.spread(10 * MINUTE, DAY) }),
    (2 * DAY, |dice| {
        let all =
            [Passerby::Guesses, Passerby::WrongToken, Passerby::Resets, Passerby::Garbage, Passerby::Stays];
        Fate::Passerby(dice.pick(&all).unwrap_or(Passerby::Guesses))
    }),
    (8 * DAY, |dice| Fate::Button {
        held_ms: if dice.chance(250) { dice.between(10_500, 15_000) } else { dice.between(50, 9_500) },
    }),
    (10 * DAY, |dice| {
        Fate::Console(dice.pick(&[Console::Reboot, Console::ConfigStart]).unwrap_or(Console::Reboot))
    }),
    (5 * DAY, |dice| {
        let all = [
            Hostile::ForeignOrder,
            Hostile::OldOrder,
            Hostile::BentOrder,
            Hostile::ForeignClaim,
            Hostile::ConfigErase,
            Hostile::Garbage,
        ];
        Fate::Hostile(dice.pick(&all).unwrap_or(Hostile::ForeignOrder))
    }),
    (20 * DAY, |dice| Fate::WrongClock { wait_ms: dice.spread(10 * MINUTE, DAY) }),
    (3 * DAY, |_| Fate::Disconnected),
    (2 * DAY, |dice| Fate::Guesser { count: u8::try_from(dice.between(1, 7)).unwrap_or(1) }),
    (6 * DAY, |_| Fate::BrownOut),
    (8 * DAY, |dice| Fate::Gesture { on_ms: dice.between(1_200, 7_800), off_ms: dice.between(300, 4_000) }),
    (5 * DAY, |dice| Fate::Update(draw_update(dice))),
];

fn draw_update(dice: &mut Dice) -> PlannedUpdate {
    let conduct = match dice.between(0, 9) {
        0 => Conduct::Deaf,
        1 => Conduct::Mute,
        2 => Conduct::Crashes { after_ms: dice.spread(200, 4 * MINUTE) },
        _ => Conduct::Good,
    };
    let host = if dice.chance(400) {
        HostFault::None
    } else {
        dice.pick(&HostFault::ALL).unwrap_or(HostFault::None)
    };
    // An image takes one operation to begin, one for each of up to six pieces, one to be installed and one to be
    // confirmed.
    let operation = u8::try_from(dice.between(0, 8)).unwrap_or_default();
    let slot = match dice.between(0, 9) {
        0..=3 => SlotTrouble::Cut { operation, is_done: dice.chance(500) },
        4 => SlotTrouble::Fails { operation },
        _ => SlotTrouble::None,
    };
    PlannedUpdate { conduct, host, slot }
}

fn draw_cut(dice: &mut Dice) -> PowerCut {
    if dice.chance(600) {
        let torn_mask = dice.bytes::<1>().first().copied().unwrap_or_default();
        return PowerCut::InWrite { written_bytes: dice.spread(1, 1024) - 1, torn_mask };
    }
    let bytes = dice.index(SECTOR_BYTES);
    let seed = dice.next_u64();
    let tears = [
        EraseTear::NotBegun,
        EraseTear::Cleared,
        EraseTear::HeadErased { bytes },
        EraseTear::TailErased { bytes },
        EraseTear::SomeBitsErased { seed },
        EraseTear::RandomBits { seed },
        EraseTear::Completed,
    ];
    let tear = dice.pick(&tears).unwrap_or(EraseTear::NotBegun);
    PowerCut::InErase { erased_sectors: dice.between(0, 3), tear }
}

impl Twin {
    /// Makes the twin of an access point.
    pub(crate) fn of(self, original: &AccessPoint, id: ApId, dice: &mut Dice) -> AccessPoint {
        // It wants to be heard first.
        let rssi_dbm = original.rssi_dbm.saturating_add(if dice.chance(700) { 15 } else { -10 });
        let twin = AccessPoint { id, is_own: false, rssi_dbm, ..original.clone() };
        let open = |beyond| AccessPoint {
            password: Vec::new(),
            security: portal::Security::Open,
            beyond,
            ..twin.clone()
        };
        match self {
            Self::OpenCaptive => open(Beyond::Captive),
            Self::OpenImpostor => open(Beyond::Impostor),
            Self::OtherPassword => AccessPoint {
                password: draw_password(dice),
                security: portal::Security::Wpa2,
                ..twin.clone()
            },
        }
    }
}
