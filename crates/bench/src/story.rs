//! The founding story, played in virtual time.
//!
//! A maker sets up a board in his workshop, gives it away in the console, ships it, and a customer sets it up at home.
//! With Edgent as it ships the customer finds no hotspot; see the verdict.

use std::fmt;
use std::time::Duration;

use crate::air::{AirNetwork, Place, PlaceId, Secret, Security};
use crate::board::BoardId;
use crate::firmware::{FirmwareSpec, RecoveryChoice};
use crate::phone::{AskPortalError, Phone};
use crate::virtual_cloud::{CLOUD_HOST, Service, TokenState};
use crate::virtual_time::{RunVirtualError, VirtualWorld, run_virtual};
use crate::world::{BoardView, ChangeBenchError, NewBoard, NewIdentity};

/// A first set-up takes scan, join, TLS and login.
const SETUP_LIMIT: Duration = Duration::from_mins(2);
/// How long the maker watches his board before he gives it away.
const WORKSHOP_STAY: Duration = Duration::from_mins(5);
/// How long the maker waits after giving it away before he pulls the plug.
const RELEASE_STAY: Duration = Duration::from_mins(2);
/// How long a board must stay online to count, and its hotspot has to close.
const ONLINE_STAY: Duration = Duration::from_mins(5);
/// How long the board lies in a drawer: longer than any silence that could be taken for a wipe.
const DRAWER_STAY: Duration = Duration::from_hours(1);
/// How long the board is in the van.
const SHIPPING: Duration = Duration::from_hours(26);
/// How long the customer waits for a hotspot.
const CUSTOMER_PATIENCE: Duration = Duration::from_mins(10);
/// How long the router is away.
const ROUTER_OUTAGE: Duration = Duration::from_hours(1);
/// How long after the router's return the board may take: the longest wait between attempts, and some.
const RETURN_LIMIT: Duration = Duration::from_mins(15);
/// TLS port of the simulated cloud.
const CLOUD_PORT: &str = "443";

const WORKSHOP_SSID: &str = "Workshop 2.4";
const WORKSHOP_PASSWORD: &str = "soldering-iron-42";
const CUSTOMER_SSID: &str = "Familie Berger";
const CUSTOMER_PASSWORD: &str = "gartenzwerg!2026";

/// Which firmware the board runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoryFirmware {
    /// Old Edgent.
    Edgent,
    /// Ours.
    Rehome,
}

/// What happens when a device cannot reach its owner, or is given away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoryPolicy {
    /// As Edgent ships, against the hosted service.
    Stock,
    /// The forum's workaround, against the hosted service.
    Reset,
    /// Released by the Rehome cloud.
    Rehome,
}

/// What is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Set up, given away, shipped, set up again.
    Founding,
    /// The same, set up by claim codes where the firmware takes them.
    FoundingByCode,
    /// Stays at home; its router is away for an hour.
    RouterReboot,
}

/// Which story is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoryOptions {
    /// What the board runs.
    pub firmware: StoryFirmware,
    /// Who cares for it, and how.
    pub policy: StoryPolicy,
    /// What happens.
    pub scenario: Scenario,
    /// Seed of everything random; the same seed tells the same story.
    pub seed: u64,
}

/// How it ended for one board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is online with the home it should have.
    Online,
    /// It neither reaches its cloud nor offers a hotspot.
    Stranded,
    /// Its home is gone although nobody asked for that.
    Erased,
    /// It waits with an open hotspot.
    Waiting,
}

/// What became of one board.
#[derive(Clone, Debug)]
pub struct BoardReport {
    /// Its name.
    pub name: String,
    /// Everything it printed, with times since its last start.
    pub serial: String,
    /// What people did meanwhile, in order.
    pub diary: Vec<String>,
    /// The state it ended in.
    pub final_state: String,
    /// Whether its hotspot is open.
    pub is_hotspot_open: bool,
    /// Whether a home is stored.
    pub is_home_stored: bool,
    /// How it ended.
    pub verdict: Verdict,
}

/// How a story ended.
#[derive(Clone, Debug)]
pub struct StoryReport {
    /// What was told.
    pub options: StoryOptions,
    /// One report for each board.
    pub boards: Vec<BoardReport>,
    /// Whether every board ended as its people wished.
    pub is_ok: bool,
}

/// Why a story could not be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TellStoryError {
    /// Virtual time did not run.
    #[error("running virtual time failed")]
    Run(#[from] RunVirtualError),
    /// The bench refused something.
    #[error("setting up the bench failed")]
    Bench(#[from] ChangeBenchError),
    /// A phone got no answer from a portal that should answer.
    #[error("the setup portal did not answer")]
    Portal(#[from] AskPortalError),
    /// The maker could not set up his board in the first place.
    #[error("the board did not come online in the workshop; it ended in {state}")]
    FirstSetup {
        /// Its state.
        state: String,
    },
}

/// Tells a story.
///
/// # Errors
/// When the stage itself fails; a sad ending is a report, not an error.
pub fn tell(options: StoryOptions) -> Result<StoryReport, TellStoryError> {
    let service = match options.policy {
        StoryPolicy::Stock | StoryPolicy::Reset => Service::Hosted,
        StoryPolicy::Rehome => Service::Rehome,
    };
    let acts: &[Act] = match options.scenario {
        Scenario::Founding | Scenario::FoundingByCode => &[Act::GivenAwayOnline, Act::GivenAwayUnplugged],
        Scenario::RouterReboot => &[Act::RouterAway],
    };
    let told: Result<Vec<BoardReport>, TellStoryError> = acts
        .iter()
        .map(|&act| run_virtual(options.seed, service, move |world| play(world, options, act))?)
        .collect();
    let boards = told?;
    Ok(StoryReport { options, is_ok: boards.iter().all(|board| board.verdict == Verdict::Online), boards })
}

/// What happens to one board; each board has a world of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Plugged in and online when its owner gives it away.
    GivenAwayOnline,
    /// In a drawer when its owner gives it away.
    GivenAwayUnplugged,
    /// Never given away; loses its router for an hour.
    RouterAway,
}

async fn play(world: VirtualWorld, options: StoryOptions, act: Act) -> Result<BoardReport, TellStoryError> {
    let mut stage = Stage::set(world, options, act)?;
    let verdict = match act {
        Act::GivenAwayOnline | Act::GivenAwayUnplugged => stage.play_founding(act).await?,
        Act::RouterAway => stage.play_router_reboot().await?,
    };
    stage.report(verdict)
}

/// Everything a story needs.
struct Stage {
    world: VirtualWorld,
    options: StoryOptions,
    workshop: PlaceId,
    customer: PlaceId,
    board: BoardId,
    diary: Vec<String>,
}

impl Stage {
    fn set(world: VirtualWorld, options: StoryOptions, act: Act) -> Result<Self, TellStoryError> {
        let workshop = world.bench.add_place(place("Workshop", WORKSHOP_SSID, WORKSHOP_PASSWORD))?;
        let customer = world.bench.add_place(place("Customer's home", CUSTOMER_SSID, CUSTOMER_PASSWORD))?;
        let firmware = match (options.firmware, options.policy) {
            // Against the Rehome cloud the stock firmware stays as it is.
            (StoryFirmware::Edgent, StoryPolicy::Stock | StoryPolicy::Rehome) => {
                FirmwareSpec::EdgentOld { is_patched: false }
            }
            (StoryFirmware::Edgent, StoryPolicy::Reset) => FirmwareSpec::EdgentOld { is_patched: true },
            (StoryFirmware::Rehome, StoryPolicy::Stock) => FirmwareSpec::Rehome(RecoveryChoice::Stock),
            (StoryFirmware::Rehome, StoryPolicy::Reset) => FirmwareSpec::Rehome(RecoveryChoice::Reset),
            (StoryFirmware::Rehome, StoryPolicy::Rehome) => FirmwareSpec::Rehome(RecoveryChoice::Rehome),
        };
        let board = world.bench.add_board(NewBoard {
            name: format!("{}, {}", firmware.title(), act.title()),
            identity: NewIdentity {
                mac: Some([0x24, 0x6F, 0x28, 0xAA, 0xBB, 0xCC]),
                template_id: "TMPLstory0001".to_owned(),
                template_name: "Air Monitor".to_owned(),
                vendor: "Blynk".to_owned(),
                has_button: false,
                pop: None,
            },
            firmware: firmware.build(),
            place: Some(workshop.clone()),
        })?;
        Ok(Self { world, options, workshop, customer, board, diary: Vec::new() })
    }

    async fn play_founding(&mut self, act: Act) -> Result<Verdict, TellStoryError> {
        let token = self.set_up_in_the_workshop().await?;
        self.world.pass(WORKSHOP_STAY).await;
        if act == Act::GivenAwayUnplugged {
            self.note("the maker puts the board into a drawer");
            self.world.bench.cut_power(&self.board)?;
            self.world.pass(DRAWER_STAY).await;
        }
        self.note("the maker gives the device away in the console");
        self.world.cloud.give_away(&token);
        self.world.pass(RELEASE_STAY).await;
        if self.options.policy == StoryPolicy::Rehome && !self.is_safe_to_ship(&token) {
            self.note("the maker plugs the board in again, as the console asks");
            self.world.bench.give_power(&self.board)?;
            self.world.pass(RELEASE_STAY).await;
            self.is_safe_to_ship(&token);
        }
        self.note("the maker ships the board");
        self.world.bench.cut_power(&self.board)?;
        self.world.bench.move_board(&self.board, None)?;
        self.world.pass(SHIPPING).await;
        self.world.bench.move_board(&self.board, Some(self.customer.clone()))?;
        self.note("the customer plugs the board in at home");
        self.world.bench.give_power(&self.board)?;
        self.wait_as_the_customer().await
    }

    /// Reads the console's answer aloud.
    fn is_safe_to_ship(&mut self, token: &Secret) -> bool {
        let (is_safe, says) = match self.world.cloud.token_state(token) {
            Some(TokenState::ReleaseConfirmed) => (
                true,
                "the console says: safe to ship, the board proved with a receipt that it erased itself",
            ),
            Some(TokenState::ReleaseInferred) => (true, "the console says: safe to ship"),
            _ => (false, "the console says: not safe to ship yet, the board is wiped when it next connects"),
        };
        self.note(says);
        is_safe
    }

    async fn wait_as_the_customer(&mut self) -> Result<Verdict, TellStoryError> {
        let has_hotspot = |view: &BoardView| view.hotspot_ssid.is_some();
        if !self.world.wait_for(&self.board, CUSTOMER_PATIENCE, has_hotspot).await {
            self.note("the customer waited ten minutes for a hotspot and gave up");
            return Ok(Verdict::Stranded);
        }
        self.note("the customer finds the hotspot and sets the board up");
        let (token, typed) = self.credential();
        let is_online = self.set_up(CUSTOMER_SSID, CUSTOMER_PASSWORD, &token, &typed).await?;
        self.note(if is_online { "the board is online at the customer's" } else { "the set-up failed" });
        self.world.pass(ONLINE_STAY).await;
        let is_online = is_online && self.world.cloud.is_online(&token);
        Ok(if is_online { Verdict::Online } else { self.verdict_offline()? })
    }

    async fn play_router_reboot(&mut self) -> Result<Verdict, TellStoryError> {
        let token = self.set_up_in_the_workshop().await?;
        self.world.pass(WORKSHOP_STAY).await;
        self.note("the router goes away for an hour");
        self.switch_router(false)?;
        self.world.pass(ROUTER_OUTAGE).await;
        self.note("the router is back");
        self.switch_router(true)?;
        let is_running = self.world.wait_for_state(&self.board, "RUNNING", RETURN_LIMIT).await;
        let is_online = is_running && self.world.cloud.is_online(&token);
        self.note(if is_online { "the board is online again" } else { "the board did not come back" });
        self.world.pass(ONLINE_STAY).await;
        let is_online = is_online && self.world.cloud.is_online(&token);
        if is_online { Ok(Verdict::Online) } else { self.verdict_offline() }
    }

    fn switch_router(&self, is_up: bool) -> Result<(), ChangeBenchError> {
        self.world
            .bench
            .change_network(&self.workshop, WORKSHOP_SSID.as_bytes(), |network| network.is_up = is_up)
    }

    async fn set_up_in_the_workshop(&mut self) -> Result<Secret, TellStoryError> {
        self.note("the maker plugs the board in at his workshop");
        self.world.bench.give_power(&self.board)?;
        let has_hotspot = |view: &BoardView| view.hotspot_ssid.is_some();
        self.world.wait_for(&self.board, SETUP_LIMIT, has_hotspot).await;
        self.note("the maker sets the board up through its hotspot");
        let (token, typed) = self.credential();
        if self.set_up(WORKSHOP_SSID, WORKSHOP_PASSWORD, &token, &typed).await? {
            self.note("the board is online in the workshop");
            return Ok(token);
        }
        let state = self.world.bench.board(&self.board)?.report.state.to_owned();
        Err(TellStoryError::FirstSetup { state })
    }

    /// Makes a device in the console; returns its token and what its owner types.
    fn credential(&self) -> (Secret, Secret) {
        let takes_codes = self.options.firmware == StoryFirmware::Rehome;
        if takes_codes && self.options.scenario == Scenario::FoundingByCode {
            return self.world.cloud.create_claim_code();
        }
        let token = self.world.cloud.create_device();
        (token.clone(), token)
    }

    /// Sets the board up as a phone does; returns whether it came online with the new token.
    async fn set_up(
        &self,
        ssid: &str,
        password: &str,
        token: &Secret,
        typed: &Secret,
    ) -> Result<bool, TellStoryError> {
        let phone = Phone::join(&self.world.bench, &self.board)?;
        phone.get("/board_info.json").await?;
        phone.get("/wifi_scan.json").await?;
        let fields: [(&str, &[u8]); 5] = [
            ("ssid", ssid.as_bytes()),
            ("pass", password.as_bytes()),
            ("blynk", typed.reveal()),
            ("host", CLOUD_HOST.as_bytes()),
            ("port_ssl", CLOUD_PORT.as_bytes()),
        ];
        phone.post_form("/config", &fields).await?;
        drop(phone);
        let is_running = self.world.wait_for_state(&self.board, "RUNNING", SETUP_LIMIT).await;
        Ok(is_running && self.world.cloud.is_online(token))
    }

    fn verdict_offline(&self) -> Result<Verdict, TellStoryError> {
        let view = self.world.bench.board(&self.board)?;
        Ok(match (view.flash.is_home_stored, view.hotspot_ssid.is_some()) {
            (false, _) => Verdict::Erased,
            (true, true) => Verdict::Waiting,
            (true, false) => Verdict::Stranded,
        })
    }

    fn note(&mut self, what: &str) {
        let elapsed_s = self.world.bench.clock().now().as_secs();
        let (hours, minutes, seconds) = (elapsed_s / 3600, elapsed_s / 60 % 60, elapsed_s % 60);
        self.diary.push(format!("{hours:02}:{minutes:02}:{seconds:02}  {what}"));
        if let Ok(core) = self.world.bench.core(&self.board) {
            let line = format!("---- {hours:02}:{minutes:02}:{seconds:02} {what}");
            core.serial.borrow_mut().push_line(&line);
        }
    }

    fn report(self, verdict: Verdict) -> Result<BoardReport, TellStoryError> {
        let view = self.world.bench.board(&self.board)?;
        Ok(BoardReport {
            name: view.name,
            serial: self.world.bench.serial_from(&self.board, 0)?.0,
            diary: self.diary,
            final_state: view.report.state.to_owned(),
            is_hotspot_open: view.hotspot_ssid.is_some(),
            is_home_stored: view.flash.is_home_stored,
            verdict,
        })
    }
}

fn place(name: &str, ssid: &str, password: &str) -> Place {
    let network = AirNetwork {
        ssid: ssid.as_bytes().to_vec(),
        password: Some(Secret::new(password)),
        password_hint: None,
        security: Security::Wpa2,
        has_internet: true,
        is_up: true,
    };
    Place { name: name.to_owned(), networks: vec![network] }
}

impl Act {
    fn title(self) -> &'static str {
        match self {
            Self::GivenAwayOnline => "plugged in when it is given away",
            Self::GivenAwayUnplugged => "in a drawer when it is given away",
            Self::RouterAway => "its router away for an hour",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Online => "ONLINE",
            Self::Stranded => "STRANDED",
            Self::Erased => "ERASED",
            Self::Waiting => "WAITING FOR SET-UP",
        })
    }
}

impl fmt::Display for StoryReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for board in &self.boards {
            writeln!(formatter, "==== {} ====", board.name)?;
            formatter.write_str(&board.serial)?;
            let hotspot = if board.is_hotspot_open { "open" } else { "closed" };
            let home = if board.is_home_stored { "stored" } else { "none" };
            writeln!(formatter, "---- ended in {}, hotspot {hotspot}, home {home}", board.final_state)?;
            writeln!(formatter, "VERDICT {}: {}", board.name, board.verdict)?;
        }
        writeln!(formatter, "{}", if self.is_ok { "The story ends well." } else { "The story ends badly." })
    }
}

#[cfg(test)]
mod tests;
