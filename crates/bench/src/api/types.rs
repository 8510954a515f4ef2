//! Request and response types of the bench API.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::air::{AirNetwork, Place, PlaceId, Secret, Security};
use crate::board::{Led, LedPattern};
use crate::firmware::FirmwareKind;
use crate::world::BoardView;

/// How a network protects its air.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NetworkSecurity {
    /// No password.
    Open,
    /// WPA2.
    Wpa2,
    /// WPA3.
    Wpa3,
}

/// A network to be set up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNetwork {
    /// 1 to 32 bytes.
    pub ssid: String,
    /// 8 to 64 bytes; absent or null on an open network.
    #[serde(default)]
    pub password: Option<String>,
    /// What a note on the wall says about the password; shown to everybody who sees the bench.
    #[serde(default)]
    pub password_hint: Option<String>,
    /// How the air is protected.
    pub security: NetworkSecurity,
    /// Whether the router reaches the internet.
    pub internet: bool,
}

/// A place to be set up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPlace {
    /// 1 to 64 characters.
    pub name: String,
    /// At most 32.
    pub networks: Vec<NewNetwork>,
}

/// A network of a place; its password is never told.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NetworkBody {
    /// Its name; bytes that are not UTF-8 are replaced.
    pub ssid: String,
    /// What a note on the wall says about the password; null without a note.
    pub password_hint: Option<String>,
    /// How the air is protected.
    pub security: NetworkSecurity,
    /// Whether the router reaches the internet.
    pub internet: bool,
    /// Whether the router is switched on.
    pub up: bool,
}

/// A place with its networks.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PlaceBody {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its networks, strongest first.
    pub networks: Vec<NetworkBody>,
}

/// What is to change about a network; absent fields stay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkChange {
    /// Switch the router on or off.
    #[serde(default)]
    pub up: Option<bool>,
    /// Connect the router to the internet or cut it off.
    #[serde(default)]
    pub internet: Option<bool>,
}

/// All places.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PlaceList {
    /// Ordered by id.
    pub items: Vec<PlaceBody>,
    /// Always null: a bench is small enough for one page.
    pub next_cursor: Option<String>,
}

/// Firmware of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BoardFirmware {
    /// Stock Edgent of the C++ library.
    EdgentOld,
    /// Stock Edgent for Arduino.
    EdgentNew,
    /// Ours.
    Rehome,
}

/// Recovery policy of a board with our firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BoardRecovery {
    /// As Edgent ships.
    Stock,
    /// The forum's workaround.
    Reset,
    /// Opens the hotspot, keeps the home.
    Rehome,
}

/// A board to be put on the bench.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBoardBody {
    /// What it runs.
    pub firmware: BoardFirmware,
    /// `TMPL…`, at most 32 characters.
    pub template_id: String,
    /// Used in the hotspot's name; `Demo` when absent.
    #[serde(default)]
    pub template_name: Option<String>,
    /// `24:6F:28:AA:BB:CC`; chosen by the bench when absent.
    #[serde(default)]
    pub mac: Option<String>,
    /// Whether it has a button.
    #[serde(default)]
    pub button: bool,
    /// Id of the place where it lies; absent or null is the van.
    #[serde(default)]
    pub place: Option<String>,
    /// Shown to people; made up when absent.
    #[serde(default)]
    pub name: Option<String>,
    /// Only with `rehome`; `rehome` when absent.
    #[serde(default)]
    pub recovery: Option<BoardRecovery>,
    /// Proof of possession for its label, 1 to 63 bytes; only with `rehome`. None when absent.
    #[serde(default)]
    pub pop: Option<String>,
    /// Only with `edgent-old`: with the two changes that the forum recommends.
    #[serde(default)]
    pub patched: Option<bool>,
}

/// An open hotspot.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HotspotBody {
    /// Always true; a closed hotspot is null.
    pub open: bool,
    /// Its name.
    pub ssid: String,
    /// `wpa2` when it asks for the board's proof of possession, `open` otherwise.
    pub security: NetworkSecurity,
}

/// What the LED does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LedPatternName {
    /// Dark.
    Off,
    /// Lit.
    On,
    /// `times_ms` is on, off.
    Blink,
    /// `times_ms` is on, off, on, off.
    DoubleBlink,
    /// `times_ms` is the length of one swell and fade.
    Wave,
}

/// The LED.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LedBody {
    /// What it does.
    pub pattern: LedPatternName,
    /// Times of the pattern, in milliseconds of bench time.
    pub times_ms: Vec<u16>,
    /// `#RRGGBB`.
    pub color: String,
}

/// A board.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, named as the API names them")]
#[derive(Clone, Serialize, ToSchema)]
pub struct BoardBody {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it runs.
    pub firmware: BoardFirmware,
    /// `TMPL…`
    pub template_id: String,
    /// Station MAC address.
    pub mac: String,
    /// Whether it has a button.
    pub button: bool,
    /// Proof of possession on its label; null without one. The bench is the desk of the maker who printed the label.
    pub pop: Option<String>,
    /// Whether it has power.
    pub powered: bool,
    /// Id of the place where it is; null is the van.
    pub place: Option<String>,
    /// State as in its serial log; `OFF` without power, `BOOT` while it starts.
    pub state: String,
    /// Its open hotspot; null when closed.
    pub hotspot: Option<HotspotBody>,
    /// Whether the hotspot is open although a home is stored.
    pub recovery_open: bool,
    /// Its LED.
    pub led: LedBody,
    /// Its setup portal while the hotspot is open; open it in a browser to be the phone.
    pub portal_url: Option<String>,
    /// 0, or a code from 700 to 732.
    pub last_error: u16,
    /// Bench time since power-on or restart; 0 without power.
    pub uptime_ms: u64,
    /// Whether its flash holds a token.
    pub token_stored: bool,
    /// Whether its flash holds a home.
    pub home_stored: bool,
    /// The network it is in.
    pub network_ssid: Option<String>,
}

/// All boards.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BoardList {
    /// Ordered by id.
    pub items: Vec<BoardBody>,
    /// Always null: a bench is small enough for one page.
    pub next_cursor: Option<String>,
}

/// A line typed on the serial port.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SerialLine {
    /// At most 255 bytes, without a line end; `help` lists the commands.
    pub line: String,
}

/// Plug in or unplug.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PowerChange {
    /// Whether the board shall have power.
    pub on: bool,
}

/// Carry a board.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveChange {
    /// Id of the place; null is the van.
    pub place: Option<String>,
}

/// Hold the button.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ButtonPress {
    /// For how long, in milliseconds of bench time, at most 60000.
    pub hold_ms: u64,
}

/// Speed of bench time.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeChange {
    /// Bench seconds per real second, 0.01 to 100; values outside are brought to the nearest end.
    pub scale: f64,
}

/// Bench time.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TimeBody {
    /// Bench seconds per real second.
    pub scale: f64,
    /// Bench time since the bench started.
    pub bench_ms: u64,
}

/// What a flash image holds, without any secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FlashSummary {
    /// Size of the image.
    pub image_bytes: u64,
    /// Whether a home is stored.
    pub home_stored: bool,
    /// Number of the ownership; null where the firmware knows no such thing.
    pub epoch: Option<u32>,
    /// Names of the stored networks.
    pub networks: Vec<String>,
    /// Whether any password, token or network name that ever reached this board is somewhere in the image.
    pub secrets_found: bool,
}

/// A thing that is gone, in an event.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Removed {
    /// Its id.
    pub id: String,
    /// Always true.
    pub removed: bool,
}

impl From<NetworkSecurity> for Security {
    fn from(security: NetworkSecurity) -> Self {
        match security {
            NetworkSecurity::Open => Self::Open,
            NetworkSecurity::Wpa2 => Self::Wpa2,
            NetworkSecurity::Wpa3 => Self::Wpa3,
        }
    }
}

impl From<Security> for NetworkSecurity {
    fn from(security: Security) -> Self {
        match security {
            Security::Open => Self::Open,
            Security::Wpa2 => Self::Wpa2,
            Security::Wpa3 => Self::Wpa3,
        }
    }
}

impl From<NewPlace> for Place {
    fn from(place: NewPlace) -> Self {
        Self { name: place.name, networks: place.networks.into_iter().map(AirNetwork::from).collect() }
    }
}

impl From<NewNetwork> for AirNetwork {
    fn from(network: NewNetwork) -> Self {
        Self {
            ssid: network.ssid.into_bytes(),
            password: network.password.filter(|password| !password.is_empty()).map(Secret::new),
            password_hint: network.password_hint,
            security: network.security.into(),
            has_internet: network.internet,
            is_up: true,
        }
    }
}

impl PlaceBody {
    pub(crate) fn new(id: PlaceId, place: Place) -> Self {
        let network_body = |network: AirNetwork| NetworkBody {
            ssid: String::from_utf8_lossy(&network.ssid).into_owned(),
            password_hint: network.password_hint,
            security: network.security.into(),
            internet: network.has_internet,
            up: network.is_up,
        };
        Self { id: id.0, name: place.name, networks: place.networks.into_iter().map(network_body).collect() }
    }
}

impl BoardBody {
    pub(crate) fn new(view: BoardView, portal_url: Option<String>) -> Self {
        let security = view.hotspot_security.into();
        let recovery_open = view.hotspot_ssid.is_some() && view.flash.is_home_stored;
        Self {
            id: view.id.0,
            name: view.name,
            firmware: view.firmware.into(),
            template_id: view.identity.template_id,
            mac: mac_text(view.identity.mac),
            button: view.identity.has_button,
            powered: view.is_powered,
            place: view.place.map(|place| place.0),
            state: view.report.state.to_owned(),
            pop: view.identity.pop.map(|pop| String::from_utf8_lossy(pop.reveal()).into_owned()),
            hotspot: view.hotspot_ssid.map(|ssid| HotspotBody { open: true, ssid, security }),
            recovery_open,
            led: view.led.into(),
            portal_url,
            last_error: view.report.last_error,
            uptime_ms: u64::try_from(view.uptime.as_millis()).unwrap_or(u64::MAX),
            token_stored: view.flash.is_token_stored,
            home_stored: view.flash.is_home_stored,
            network_ssid: view.joined_ssid.map(|ssid| String::from_utf8_lossy(&ssid).into_owned()),
        }
    }
}

impl From<FirmwareKind> for BoardFirmware {
    fn from(kind: FirmwareKind) -> Self {
        match kind {
            FirmwareKind::EdgentOld => Self::EdgentOld,
            FirmwareKind::EdgentNew => Self::EdgentNew,
            FirmwareKind::Rehome => Self::Rehome,
        }
    }
}

impl From<Led> for LedBody {
    fn from(led: Led) -> Self {
        let (pattern, times_ms) = match led.pattern {
            LedPattern::Off => (LedPatternName::Off, Vec::new()),
            LedPattern::On => (LedPatternName::On, Vec::new()),
            LedPattern::Blink { on_ms, off_ms } => (LedPatternName::Blink, vec![on_ms, off_ms]),
            LedPattern::DoubleBlink { times_ms } => (LedPatternName::DoubleBlink, times_ms.to_vec()),
            LedPattern::Wave { period_ms } => (LedPatternName::Wave, vec![period_ms]),
        };
        Self { pattern, times_ms, color: format!("#{:06X}", led.color) }
    }
}

/// Returns a MAC address as people write it.
#[must_use]
pub fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02X}")).join(":")
}

/// Reads a MAC address as people write it, with colons or dashes.
#[must_use]
pub fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let bytes: Option<Vec<u8>> = text
        .split([':', '-'])
        .map(|part| (part.len() == 2).then(|| u8::from_str_radix(part, 16).ok())?)
        .collect();
    bytes?.try_into().ok()
}

impl std::fmt::Debug for NewNetwork {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("NewNetwork").field("ssid", &self.ssid).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for NewPlace {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = formatter.debug_struct("NewPlace");
        out.field("name", &self.name).field("networks", &self.networks).finish()
    }
}

impl std::fmt::Debug for NewBoardBody {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("NewBoardBody").field("name", &self.name).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for BoardBody {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("BoardBody").field("id", &self.id).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for SerialLine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SerialLine([redacted])")
    }
}
