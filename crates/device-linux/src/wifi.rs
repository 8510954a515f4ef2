//! What the agent asks of whatever manages the Wi-Fi interfaces.
//!
//! The seam between the agent and NetworkManager: tests put a simulated radio here.

use std::future::Future;

use device::SeenNetwork;
use home_store::{Network, Ssid};
use lifecycle::NetworkError;

/// Manages one station interface and one hotspot interface, which may be the same.
pub trait Wifi {
    /// Says whether a hotspot that is opened now can stay open beside a network connection: it has an interface of its
    /// own, which can be used.
    fn has_hotspot_interface(&mut self) -> impl Future<Output = bool>;

    /// Listens for networks and returns what was heard, strongest first. A hidden network answers only to its name.
    ///
    /// # Errors
    /// When there is no radio that can listen.
    fn scan(&mut self, hidden: Option<&Ssid>) -> impl Future<Output = Result<Vec<SeenNetwork>, WifiError>>;

    /// Joins a network and waits for an address.
    ///
    /// # Errors
    /// Why the network was not joined; nothing of the attempt is left then.
    ///
    /// # Cancel safety
    /// After the future was dropped, [`Wifi::leave`] cleans up.
    fn join(&mut self, network: &Network) -> impl Future<Output = Result<JoinedLink, WifiError>>;

    /// Leaves the network, or clears away an attempt that was given up.
    fn leave(&mut self) -> impl Future<Output = ()>;

    /// Opens the hotspot and waits until its address is set.
    ///
    /// # Errors
    /// Why there is no hotspot.
    fn open_hotspot(
        &mut self,
        hotspot: &HotspotRequest,
    ) -> impl Future<Output = Result<OpenedHotspot, WifiError>>;

    /// Closes the hotspot.
    fn close_hotspot(&mut self) -> impl Future<Output = ()>;

    /// Waits for the next thing that happens by itself.
    ///
    /// # Cancel safety
    /// No change is lost when the future is dropped.
    fn next_change(&mut self) -> impl Future<Output = WifiChange>;
}

/// A joined network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinedLink {
    /// Its radio channel, if known.
    pub channel: Option<u8>,
}

/// A hotspot that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedHotspot {
    /// Where phones come in; they are given addresses and names there. `None` where that is done already.
    pub interface: Option<String>,
    /// It has an interface of its own and can stay open beside a network connection.
    pub is_beside: bool,
}

/// A hotspot to open at 192.168.4.1.
#[derive(Clone, PartialEq, Eq)]
pub struct HotspotRequest {
    /// Its name, up to 31 bytes.
    pub ssid: String,
    /// Its WPA2 passphrase; `None` opens it to everybody.
    pub passphrase: Option<String>,
    /// Radio channel on which it must be; `None` takes one that every phone listens to.
    pub channel: Option<u8>,
}

/// Without the passphrase.
impl std::fmt::Debug for HotspotRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("HotspotRequest")
            .field("ssid", &self.ssid)
            .field("passphrase", &self.passphrase.as_ref().map(|_secret| "[redacted]"))
            .field("channel", &self.channel)
            .finish()
    }
}

/// Something that happened by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WifiChange {
    /// The joined network is gone.
    StationLost,
    /// The hotspot is gone.
    HotspotLost,
    /// A phone joined the hotspot.
    PhoneAttached,
    /// A phone left the hotspot.
    PhoneDetached,
    /// Conditions changed, for instance a radio appeared: what failed before may work now.
    Recheck,
    /// Whatever manages the radio cannot be reached any more; only a new connection to it helps.
    Gone,
}

/// Why the radio could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WifiError {
    /// The service that manages the radio does not run.
    #[error("NetworkManager does not run")]
    NotRunning,
    /// There is no such interface.
    #[error("there is no Wi-Fi interface{}", of(.interface.as_deref()))]
    NoRadio {
        /// The interface that was configured, if one was.
        interface: Option<String>,
    },
    /// The interface is there and cannot be used.
    #[error("the Wi-Fi interface {interface} is switched off or not managed by NetworkManager")]
    RadioOff {
        /// The interface.
        interface: String,
    },
    /// The radio cannot be an access point.
    #[error("the radio of {interface} cannot be an access point")]
    NoAccessPointMode {
        /// The interface.
        interface: String,
    },
    /// The system does not let this process do that.
    #[error("the system does not permit it (is the polkit rule installed?)")]
    PermissionDenied,
    /// No network of that name with the stored kind of security is in reach.
    #[error("the network is not in reach")]
    NotFound,
    /// The network refused the password.
    #[error("the network refused the password")]
    PasswordRefused,
    /// The network gave no address.
    #[error("the network gave no address")]
    NoAddress,
    /// The network is up and those who join it get no address.
    #[error("NetworkManager could not give addresses to those who join (is dnsmasq installed?)")]
    SharingFailed,
    /// The settings cannot be applied.
    #[error("the settings cannot be applied: {what}")]
    BadSettings {
        /// Which and why, without any secret.
        what: String,
    },
    /// Nothing happened in time.
    #[error("nothing happened in time")]
    Timeout,
    /// The activation failed for another reason.
    #[error("the activation failed with NetworkManager's reason {reason}")]
    Failed {
        /// `NMDeviceStateReason`.
        reason: u32,
    },
    /// The answer was not what was expected.
    #[error("talking to NetworkManager failed")]
    Bus(#[from] zbus::Error),
}

fn of(interface: Option<&str>) -> String {
    interface.map_or_else(String::new, |name| format!(" {name}"))
}

impl WifiError {
    /// The failure as the lifecycle knows it.
    #[must_use]
    pub fn network_error(&self) -> NetworkError {
        match self {
            Self::NotFound => NetworkError::NotFound,
            Self::PasswordRefused => NetworkError::Authentication,
            Self::NoAddress => NetworkError::NoAddress,
            Self::BadSettings { .. } => NetworkError::BadConfig,
            Self::Timeout => NetworkError::Timeout,
            Self::NotRunning
            | Self::NoRadio { .. }
            | Self::RadioOff { .. }
            | Self::NoAccessPointMode { .. }
            | Self::PermissionDenied
            | Self::SharingFailed
            | Self::Failed { .. }
            | Self::Bus(_) => NetworkError::Other,
        }
    }
}
