//! The bench itself: places, boards, and what a person does to them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use home_store::sim_flash::{PowerCut, SharedSimFlash, SimFlash};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

use crate::air::{
    Air, AirNetwork, NETWORKS_PER_PLACE_MAX, PLACES_MAX, Place, PlaceId, ScanEntry, Secret, Security,
};
use crate::board::{BoardHandle, BoardId, BoardIdentity, BootReason, CloudNet, Led, Report};
use crate::board_core::{BoardCore, BoardParts};
use crate::clock::BenchClock;
use crate::firmware::{Firmware, FirmwareKind, FlashFacts, RunEnd};
use crate::link::BoxPipe;
use crate::seed::SeededRng;

/// Boards that one bench may have.
pub const BOARDS_MAX: usize = 64;
/// Time from power to the first line of firmware: ROM and second-stage loader.
const BOOT_MS: u64 = 350;
/// Longest time a button may be held.
pub const BUTTON_HOLD_MS_MAX: u64 = 60_000;
/// Changes kept for a slow listener before it is told that it lagged.
const CHANGES_LEN_MAX: usize = 256;
/// Flash sectors that a board has for its stored data: 64 KiB, as much as the data partitions of common boards.
const FLASH_SECTORS: usize = 16;
/// Bytes of the simulated flash's erased state. Source: NOR flash erases to ones.
const ERASED: u8 = 0xFF;

/// Something changed that a picture of the bench would show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This place or one of its networks.
    Place(PlaceId),
    /// This board.
    Board(BoardId),
}

/// Why something could not be done on the bench.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeBenchError {
    /// No such board.
    #[error("there is no such board")]
    BoardNotFound,
    /// No such place.
    #[error("there is no such place")]
    PlaceNotFound,
    /// The place has no such network.
    #[error("the place has no such network")]
    NetworkNotFound,
    /// A limit of the bench is reached.
    #[error("the bench holds at most {limit} {what}")]
    Full {
        /// What there are too many of.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// Something given is outside its rules.
    #[error("{what}")]
    Invalid {
        /// The rule, in words.
        what: &'static str,
    },
    /// The board has no button.
    #[error("the board has no button")]
    NoButton,
}

/// A board to be put on the bench.
#[derive(Debug)]
pub struct NewBoard {
    /// Shown to people.
    pub name: String,
    /// What is printed on it. `mac: None` lets the bench choose.
    pub identity: NewIdentity,
    /// What it runs.
    pub firmware: Rc<dyn Firmware>,
    /// Where it lies; `None` is the van.
    pub place: Option<PlaceId>,
}

/// Identity of a board to be put on the bench.
#[derive(Clone, Debug)]
pub struct NewIdentity {
    /// Station MAC address; chosen by the bench when absent.
    pub mac: Option<[u8; 6]>,
    /// `TMPL…`
    pub template_id: String,
    /// Used in the hotspot's name.
    pub template_name: String,
    /// First word of the hotspot's name.
    pub vendor: String,
    /// Whether it has a button.
    pub has_button: bool,
    /// Proof of possession on its label, of 1 to 63 bytes; `None` is a board without one.
    pub pop: Option<Secret>,
}

/// What a person sees of a board.
#[derive(Clone, Debug)]
pub struct BoardView {
    /// Its id.
    pub id: BoardId,
    /// Its name.
    pub name: String,
    /// What it runs.
    pub firmware: FirmwareKind,
    /// What is printed on it.
    pub identity: BoardIdentity,
    /// Whether it has power.
    pub is_powered: bool,
    /// Where it is; `None` is the van.
    pub place: Option<PlaceId>,
    /// State and last error as the firmware reported them.
    pub report: Report,
    /// Name of its open hotspot.
    pub hotspot_ssid: Option<String>,
    /// How that hotspot protects its air; open while it is closed.
    pub hotspot_security: Security,
    /// Its LED.
    pub led: Led,
    /// Time since power-on or restart; zero without power.
    pub uptime: Duration,
    /// Network it is in.
    pub joined_ssid: Option<Vec<u8>>,
    /// What its flash says.
    pub flash: FlashFacts,
}

struct Seat {
    core: Rc<BoardCore>,
    firmware: Rc<dyn Firmware>,
    run: RefCell<Option<JoinHandle<()>>>,
    button: RefCell<Option<JoinHandle<()>>>,
}

/// The bench. Lives on one thread inside a `tokio::task::LocalSet`; cheap to clone, all clones are the same bench.
#[derive(Clone)]
pub struct Bench {
    inner: Rc<Inner>,
}

struct Inner {
    clock: BenchClock,
    air: Air,
    cloud: Rc<dyn CloudNet>,
    seats: RefCell<BTreeMap<BoardId, Rc<Seat>>>,
    changes: broadcast::Sender<Change>,
    seed: u64,
    next_number: Cell<u32>,
}

impl std::fmt::Debug for Bench {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Bench")
            .field("boards", &self.inner.seats.borrow().len())
            .finish_non_exhaustive()
    }
}

impl Bench {
    /// Creates an empty bench whose boards reach `cloud`.
    #[must_use]
    pub fn new(seed: u64, clock: BenchClock, cloud: Rc<dyn CloudNet>) -> Self {
        let (changes, _) = broadcast::channel(CHANGES_LEN_MAX);
        let inner = Inner {
            clock,
            air: Air::default(),
            cloud,
            seats: RefCell::default(),
            changes,
            seed,
            next_number: Cell::new(1),
        };
        Self { inner: Rc::new(inner) }
    }

    /// Returns the bench's clock.
    #[must_use]
    pub fn clock(&self) -> &BenchClock {
        &self.inner.clock
    }

    /// Follows the changes from now on.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.inner.changes.subscribe()
    }

    fn announce(&self, change: Change) {
        // Nobody listening is fine.
        drop(self.inner.changes.send(change));
    }

    fn take_number(&self) -> u32 {
        let number = self.inner.next_number.get();
        self.inner.next_number.set(number.wrapping_add(1));
        number
    }
}

/// Places.
impl Bench {
    /// Adds a place.
    ///
    /// # Errors
    /// When the bench is full or the place breaks a rule.
    pub fn add_place(&self, place: Place) -> Result<PlaceId, ChangeBenchError> {
        if self.inner.air.places().len() >= PLACES_MAX {
            return Err(ChangeBenchError::Full { what: "places", limit: PLACES_MAX });
        }
        if place.networks.len() > NETWORKS_PER_PLACE_MAX {
            return Err(ChangeBenchError::Full {
                what: "networks in a place",
                limit: NETWORKS_PER_PLACE_MAX,
            });
        }
        check_name(&place.name)?;
        place.networks.iter().try_for_each(check_network)?;
        let id = PlaceId(format!("place-{}", self.take_number()));
        self.inner.air.insert(id.clone(), place);
        self.announce(Change::Place(id.clone()));
        Ok(id)
    }

    /// Returns one place.
    #[must_use]
    pub fn place(&self, id: &PlaceId) -> Option<Place> {
        self.inner.air.place(id)
    }

    /// Returns all places, ordered by id.
    #[must_use]
    pub fn places(&self) -> Vec<(PlaceId, Place)> {
        self.inner.air.places()
    }

    /// Changes one network; boards that can no longer reach it lose their link at once.
    ///
    /// # Errors
    /// When there is no such place or network.
    pub fn change_network(
        &self,
        id: &PlaceId,
        ssid: &[u8],
        change: impl FnOnce(&mut AirNetwork),
    ) -> Result<(), ChangeBenchError> {
        self.inner.air.place(id).ok_or(ChangeBenchError::PlaceNotFound)?;
        if !self.inner.air.change_network(id, ssid, change) {
            return Err(ChangeBenchError::NetworkNotFound);
        }
        self.refresh_links();
        self.announce(Change::Place(id.clone()));
        Ok(())
    }

    /// Returns what a radio at this place hears.
    #[must_use]
    pub fn scan_at(&self, id: &PlaceId) -> Vec<ScanEntry> {
        self.inner.air.scan(Some(id))
    }

    fn refresh_links(&self) {
        self.inner.seats.borrow().values().for_each(|seat| seat.core.refresh_link());
    }
}

/// Boards.
impl Bench {
    /// Puts a board on the bench, without power.
    ///
    /// # Errors
    /// When the bench is full, the place is unknown or a name breaks a rule.
    pub fn add_board(&self, new: NewBoard) -> Result<BoardId, ChangeBenchError> {
        if self.inner.seats.borrow().len() >= BOARDS_MAX {
            return Err(ChangeBenchError::Full { what: "boards", limit: BOARDS_MAX });
        }
        check_name(&new.name)?;
        check_template(&new.identity)?;
        self.check_place(new.place.as_ref())?;
        let id = BoardId(format!("board-{}", self.take_number()));
        let announcer = self.inner.changes.clone();
        let core = BoardCore::new(BoardParts {
            identity: self.complete_identity(&id, new.identity),
            name: new.name,
            clock: self.inner.clock.clone(),
            air: self.inner.air.clone(),
            cloud: Rc::clone(&self.inner.cloud),
            flash: SharedSimFlash::new(SimFlash::erased(FLASH_SECTORS)),
            place: new.place,
            seed: self.inner.seed,
            // Nobody listening is fine.
            changed: Rc::new(move |id: &BoardId| drop(announcer.send(Change::Board(id.clone())))),
            id: id.clone(),
        });
        let seat = Seat { core, firmware: new.firmware, run: RefCell::default(), button: RefCell::default() };
        self.inner.seats.borrow_mut().insert(id.clone(), Rc::new(seat));
        self.announce(Change::Board(id.clone()));
        Ok(id)
    }

    /// Takes a board off the bench, power and all.
    ///
    /// # Errors
    /// When there is no such board.
    pub fn remove_board(&self, id: &BoardId) -> Result<(), ChangeBenchError> {
        self.cut_power(id)?;
        self.inner.seats.borrow_mut().remove(id);
        self.announce(Change::Board(id.clone()));
        Ok(())
    }

    /// Gives a board power; its firmware starts after the boot time. Does nothing when it has power already.
    ///
    /// # Errors
    /// When there is no such board.
    pub fn give_power(&self, id: &BoardId) -> Result<(), ChangeBenchError> {
        let seat = self.seat(id)?;
        if seat.core.is_powered.replace(true) {
            return Ok(());
        }
        seat.core.flash.with(SimFlash::power_on);
        seat.core.slots.power_on();
        seat.core.wrong_proof_count.set(0);
        let core = Rc::clone(&seat.core);
        let firmware = Rc::clone(&seat.firmware);
        let task = tokio::task::spawn_local(run_board(core, firmware));
        *seat.run.borrow_mut() = Some(task);
        seat.core.notify();
        Ok(())
    }

    /// Cuts a board's power at once, whatever it is doing. Flash stays as it is.
    ///
    /// # Errors
    /// When there is no such board.
    pub fn cut_power(&self, id: &BoardId) -> Result<(), ChangeBenchError> {
        let seat = self.seat(id)?;
        if !seat.core.is_powered.replace(false) {
            return Ok(());
        }
        if let Some(run) = seat.run.borrow_mut().take() {
            run.abort();
        }
        seat.core.report.set(Report { state: "OFF", last_error: 0 });
        seat.core.end_run();
        Ok(())
    }

    /// Lets the power of a board's flash fail in the middle of a coming operation, until the board gets power anew.
    ///
    /// # Errors
    /// When there is no such board.
    pub fn arm_flash_power_cut(&self, id: &BoardId, cut: PowerCut) -> Result<(), ChangeBenchError> {
        self.seat(id)?.core.flash.with(|flash| flash.cut_power(cut));
        Ok(())
    }

    /// As [`Bench::arm_flash_power_cut`], but in the flash of the firmware slots.
    ///
    /// # Errors
    /// When there is no such board.
    pub fn arm_slot_power_cut(&self, id: &BoardId, cut: PowerCut) -> Result<(), ChangeBenchError> {
        self.seat(id)?.core.slots.cut_power(cut);
        Ok(())
    }

    /// Carries a board to another place, or into the van.
    ///
    /// # Errors
    /// When there is no such board or place.
    pub fn move_board(&self, id: &BoardId, place: Option<PlaceId>) -> Result<(), ChangeBenchError> {
        self.check_place(place.as_ref())?;
        let seat = self.seat(id)?;
        *seat.core.place.borrow_mut() = place;
        // A network of the same name elsewhere is another network.
        seat.core.drop_link();
        seat.core.notify();
        Ok(())
    }

    /// Holds the board's button for `hold` of bench time; returns at once.
    ///
    /// # Errors
    /// When there is no such board, it has no button, or `hold` is above [`BUTTON_HOLD_MS_MAX`].
    pub fn press_button(&self, id: &BoardId, hold: Duration) -> Result<(), ChangeBenchError> {
        let seat = self.seat(id)?;
        if !seat.core.identity.has_button {
            return Err(ChangeBenchError::NoButton);
        }
        if hold > Duration::from_millis(BUTTON_HOLD_MS_MAX) {
            return Err(ChangeBenchError::Invalid { what: "a button can be held for at most 60000 ms" });
        }
        let core = Rc::clone(&seat.core);
        core.set_button(true);
        let task = tokio::task::spawn_local(async move {
            core.clock.sleep(hold).await;
            core.set_button(false);
        });
        if let Some(former) = seat.button.borrow_mut().replace(task) {
            former.abort();
        }
        Ok(())
    }

    /// Types a line on a board's serial port. A board without power does not hear it.
    ///
    /// # Errors
    /// When there is no such board, the line is no single line of at most 255 bytes, or the firmware reads none.
    pub fn type_line(&self, id: &BoardId, line: &str) -> Result<(), ChangeBenchError> {
        let seat = self.seat(id)?;
        if seat.firmware.kind() != FirmwareKind::Rehome {
            return Err(ChangeBenchError::Invalid {
                what: "on the bench, only boards with Rehome's firmware read their serial port",
            });
        }
        if line.len() > device::CONSOLE_LINE_BYTES_MAX || line.contains(['\r', '\n']) {
            return Err(ChangeBenchError::Invalid { what: "a line has at most 255 bytes and no line end" });
        }
        if seat.core.is_powered.get() {
            seat.core.console_lines.push(line.as_bytes().to_vec());
        }
        Ok(())
    }

    /// Returns what a person sees of a board.
    ///
    /// # Errors
    /// When there is no such board.
    pub fn board(&self, id: &BoardId) -> Result<BoardView, ChangeBenchError> {
        let seat = self.seat(id)?;
        let core = &seat.core;
        let is_powered = core.is_powered.get();
        let uptime = self.inner.clock.now().saturating_sub(core.booted_at.get());
        Ok(BoardView {
            id: id.clone(),
            name: core.name.clone(),
            firmware: seat.firmware.kind(),
            identity: core.identity.clone(),
            is_powered,
            place: core.place.borrow().clone(),
            report: core.report.get(),
            hotspot_ssid: core.hotspot_ssid(),
            hotspot_security: if core.is_hotspot_protected() { Security::Wpa2 } else { Security::Open },
            led: core.led.get(),
            uptime: if is_powered { uptime } else { Duration::ZERO },
            joined_ssid: core.joined_ssid(),
            flash: core.flash.with(|flash| seat.firmware.inspect_flash(flash)),
        })
    }

    /// Returns all boards, ordered by id.
    #[must_use]
    pub fn boards(&self) -> Vec<BoardView> {
        let ids: Vec<BoardId> = self.inner.seats.borrow().keys().cloned().collect();
        ids.iter().filter_map(|id| self.board(id).ok()).collect()
    }

    /// Returns what a board printed from position `offset` on, and the position behind it.
    ///
    /// # Errors
    /// When there is no such board.
    pub fn serial_from(&self, id: &BoardId, offset: u64) -> Result<(String, u64), ChangeBenchError> {
        let seat = self.seat(id)?;
        let serial = seat.core.serial.borrow();
        Ok((serial.text_from(offset), serial.end_offset()))
    }

    /// Follows the end of a board's serial log.
    ///
    /// # Errors
    /// When there is no such board.
    pub fn serial_end(&self, id: &BoardId) -> Result<tokio::sync::watch::Receiver<u64>, ChangeBenchError> {
        Ok(self.seat(id)?.core.serial_end.subscribe())
    }

    /// Returns the raw flash image of a board.
    ///
    /// # Errors
    /// When there is no such board.
    pub fn flash_image(&self, id: &BoardId) -> Result<Vec<u8>, ChangeBenchError> {
        Ok(self.seat(id)?.core.flash.with(|flash| flash.image().to_vec()))
    }

    /// Returns whether the flash image holds any secret or network name that ever reached this board.
    ///
    /// # Errors
    /// When there is no such board.
    pub fn holds_secrets(&self, id: &BoardId) -> Result<bool, ChangeBenchError> {
        let seat = self.seat(id)?;
        let image = seat.core.flash.with(|flash| flash.image().to_vec());
        let is_blank = image.iter().all(|byte| *byte == ERASED);
        let secrets = seat.core.secrets.borrow();
        Ok(!is_blank && secrets.iter().any(|secret| contains(&image, secret.reveal())))
    }

    /// Hands a phone's connection to a board's setup portal; `false` when its hotspot is closed.
    ///
    /// # Errors
    /// When there is no such board.
    pub fn offer_phone(&self, id: &BoardId, pipe: BoxPipe) -> Result<bool, ChangeBenchError> {
        Ok(self.seat(id)?.core.offer_phone(pipe))
    }

    pub(crate) fn core(&self, id: &BoardId) -> Result<Rc<BoardCore>, ChangeBenchError> {
        Ok(Rc::clone(&self.seat(id)?.core))
    }

    fn seat(&self, id: &BoardId) -> Result<Rc<Seat>, ChangeBenchError> {
        self.inner.seats.borrow().get(id).cloned().ok_or(ChangeBenchError::BoardNotFound)
    }

    fn check_place(&self, place: Option<&PlaceId>) -> Result<(), ChangeBenchError> {
        let is_known = place.is_none_or(|id| self.inner.air.place(id).is_some());
        if is_known { Ok(()) } else { Err(ChangeBenchError::PlaceNotFound) }
    }

    fn complete_identity(&self, id: &BoardId, new: NewIdentity) -> BoardIdentity {
        let rng = SeededRng::for_part(self.inner.seed, &format!("mac of {}", id.0));
        let [.., a, b, c] = rng.next_u64().to_be_bytes();
        BoardIdentity {
            // 24:6F:28 is an address block of the chips' maker, as on the boards in the field.
            mac: new.mac.unwrap_or([0x24, 0x6F, 0x28, a, b, c]),
            template_id: new.template_id,
            template_name: new.template_name,
            vendor: new.vendor,
            has_button: new.has_button,
            pop: new.pop,
        }
    }
}

async fn run_board(core: Rc<BoardCore>, firmware: Rc<dyn Firmware>) {
    let mut reason = BootReason::PowerOn;
    loop {
        core.clock.sleep(Duration::from_millis(BOOT_MS)).await;
        core.begin_boot(reason);
        let end = firmware.run(BoardHandle::new(Rc::clone(&core))).await;
        core.end_run();
        if end == RunEnd::Halt {
            return;
        }
        reason = BootReason::Restart;
    }
}

/// Shorter network names are not searched for: they occur by chance.
const SECRET_BYTES_MIN: usize = 4;

fn contains(image: &[u8], secret: &[u8]) -> bool {
    secret.len() >= SECRET_BYTES_MIN && image.windows(secret.len()).any(|window| window == secret)
}

fn check_name(name: &str) -> Result<(), ChangeBenchError> {
    let is_fine = !name.trim().is_empty() && name.chars().count() <= 64;
    if is_fine { Ok(()) } else { Err(ChangeBenchError::Invalid { what: "a name has 1 to 64 characters" }) }
}

fn check_template(identity: &NewIdentity) -> Result<(), ChangeBenchError> {
    let is_fine = identity.template_id.starts_with("TMPL") && identity.template_id.len() <= 32;
    if !is_fine {
        return Err(ChangeBenchError::Invalid {
            what: "a template id starts with TMPL and has at most 32 characters",
        });
    }
    let pop_bytes = identity.pop.as_ref().map_or(1, |pop| pop.reveal().len());
    if !(1..=portal::PROOF_BYTES_MAX).contains(&pop_bytes) {
        return Err(ChangeBenchError::Invalid { what: "a proof of possession has 1 to 63 bytes" });
    }
    check_name(&identity.template_name)
}

fn check_network(network: &AirNetwork) -> Result<(), ChangeBenchError> {
    if network.ssid.is_empty() || network.ssid.len() > 32 {
        return Err(ChangeBenchError::Invalid { what: "a network name has 1 to 32 bytes" });
    }
    let password_bytes = network.password.as_ref().map(|password| password.reveal().len());
    match (network.security, password_bytes) {
        (Security::Open, None) | (Security::Wpa2 | Security::Wpa3, Some(8..=64)) => Ok(()),
        (Security::Open, Some(_)) => {
            Err(ChangeBenchError::Invalid { what: "an open network has no password" })
        }
        (Security::Wpa2 | Security::Wpa3, _) => {
            Err(ChangeBenchError::Invalid { what: "a protected network has a password of 8 to 64 bytes" })
        }
    }
}

#[cfg(test)]
mod tests;
