//! How one device is set up: the options file of `rehome device`.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use lifecycle::{RecoveryPolicy, Settings, Timings};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

/// Shortest passphrase of a WPA2 network in bytes. Source: IEEE 802.11-2020, annex J.4.
const PASSPHRASE_BYTES_MIN: usize = 8;
/// Longest passphrase of a WPA2 network in bytes. Source: as above.
const PASSPHRASE_BYTES_MAX: usize = 63;
/// Shortest and longest keep-alive in seconds. Source: wire-protocol.md, section 8.
const HEARTBEAT_S: std::ops::RangeInclusive<u16> = 10..=3600;

/// Shortest and longest time in seconds after its start within which a power cut counts for the power-up gesture. Ours.
const POWER_UP_WINDOW_S: std::ops::RangeInclusive<u16> = 8..=300;

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Wi-Fi interface that joins networks; the first one without it.
    pub interface: Option<String>,
    /// Wi-Fi interface of the hotspot, made beforehand on the same radio; while it does not exist, the hotspot and the
    /// network take turns.
    pub hotspot_interface: Option<String>,
    /// Folder of the state file and the device's id; only the agent's user may read it.
    pub state_dir: PathBuf,
    /// Socket of the local API.
    pub socket: PathBuf,
    /// Folder of the supplicant's control sockets, which tell of wrong passphrases at the hotspot.
    pub supplicant_dir: PathBuf,
    /// Where the portal listens.
    pub portal_address: SocketAddr,
    /// First word of the hotspot's name.
    pub vendor: String,
    /// Name of the template.
    pub template_name: String,
    /// Id of the template, `TMPL…`.
    pub template_id: String,
    /// Version of the application this device runs, shown in the cloud.
    pub firmware_version: String,
    /// Name of the hardware, shown in the cloud.
    pub board: String,
    /// The device's id; one is made up and kept without it.
    pub uid: Option<String>,
    /// Proof of possession from the device's label: passphrase of the hotspot. Without it the hotspot is open.
    pub pop: Option<Passphrase>,
    /// Name of the portal besides `blynk.setup`, such as `boiler.setup`.
    pub portal_host: String,
    /// Server used when the portal is given none.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Ports on which the cloud is spoken to without TLS.
    pub plain_ports: Vec<u16>,
    /// File (PEM) with the authorities to trust in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// Ed25519 public key (64 hexadecimal digits) that must have signed new programs; without it the digest that came
    /// over verified TLS is enough.
    pub firmware_key: Option<FirmwareKey>,
    /// Keep-alive of the cloud connection in seconds, 10 to 3600.
    pub heartbeat_s: u16,
    /// What happens when the device cannot reach its cloud.
    pub recovery: Recovery,
    /// How long a network lost while running may be away before the hotspot opens, in seconds; `"never"` for locks and
    /// garage doors.
    pub run_time_grace_s: Grace,
    /// Power-up gesture: a power-up counts when the power goes within this time after the agent's start, 8 to 300 s. A
    /// person cannot see when a machine that boots for half a minute gets there, so the 8 s of a chip would be too short.
    pub power_up_window_s: u16,
    /// Button of the device: held for 10 s and let go, it erases the home.
    pub button: Option<ButtonConfig>,
    /// Folder of a light that shows where the device stands, such as `/sys/class/leds/ACT`.
    pub led: Option<PathBuf>,
    /// Port at which a log-in page of the network is looked for. No setting of the file: only tests move it.
    #[serde(skip)]
    pub login_page_port: u16,
}

/// One key of an input device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ButtonConfig {
    /// The kernel's device, such as `/dev/input/event0`.
    pub device: PathBuf,
    /// Code of the key, as `evtest` shows it.
    pub key: u16,
}

/// `stock`, `reset` or `rehome`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recovery {
    /// As Edgent ships.
    Stock,
    /// Every failure erases the home.
    Reset,
    /// The hotspot opens and the home is kept.
    #[default]
    Rehome,
}

/// Seconds, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Grace {
    /// This many seconds.
    Seconds(u32),
    /// Never.
    Never(Never),
}

/// The word `never`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Never {
    /// Never.
    Never,
}

/// A passphrase of 8 to 63 printable ASCII characters. `Debug` never shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "String")]
pub struct Passphrase(String);

/// What stands in a file for a passphrase. The usual error for a wrong type would repeat it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Other(IgnoredAny),
}

/// A passphrase is a number, a list or something else that is no text. It is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pop: text in quotes")]
pub struct ParsePassphraseError;

impl TryFrom<Written> for Passphrase {
    type Error = ParsePassphraseError;

    fn try_from(written: Written) -> Result<Self, ParsePassphraseError> {
        match written {
            Written::Text(text) => Ok(Self(text)),
            Written::Other(IgnoredAny) => Err(ParsePassphraseError),
        }
    }
}

impl From<Passphrase> for String {
    fn from(passphrase: Passphrase) -> Self {
        passphrase.0
    }
}

impl Passphrase {
    /// Hands it out, for the radio only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

/// An Ed25519 public key, written as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FirmwareKey(pub [u8; 32]);

/// A key is not written as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("firmware_key: 64 hexadecimal digits")]
pub struct ParseFirmwareKeyError;

impl TryFrom<String> for FirmwareKey {
    type Error = ParseFirmwareKeyError;

    fn try_from(text: String) -> Result<Self, ParseFirmwareKeyError> {
        let byte = |pair: &[u8]| {
            let digits = std::str::from_utf8(pair).ok().filter(|digits| !digits.starts_with('+'))?;
            u8::from_str_radix(digits, 16).ok()
        };
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
        let is_length_right = text.len() == 64;
        let key = bytes.filter(|_| is_length_right).and_then(|bytes| bytes.try_into().ok());
        key.map(Self).ok_or(ParseFirmwareKeyError)
    }
}

impl From<FirmwareKey> for String {
    fn from(key: FirmwareKey) -> Self {
        key.0.map(|byte| format!("{byte:02x}")).concat()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interface: None,
            hotspot_interface: Some("rehome-ap0".to_owned()),
            state_dir: PathBuf::from("/var/lib/rehome-device"),
            socket: PathBuf::from("/run/rehome-device/device.sock"),
            // Source: the option `-O` in the supplicant's unit of Debian.
            supplicant_dir: PathBuf::from("/run/wpa_supplicant"),
            portal_address: SocketAddr::from((portal::HOTSPOT_ADDRESS, 80)),
            vendor: "Rehome".to_owned(),
            template_name: "Linux device".to_owned(),
            template_id: "TMPL00000000".to_owned(),
            firmware_version: env!("CARGO_PKG_VERSION").to_owned(),
            board: "Linux".to_owned(),
            uid: None,
            pop: None,
            portal_host: portal::HOTSPOT_HOST.to_owned(),
            host: "blynk.cloud".to_owned(),
            port: 443,
            // Ports on which Blynk servers speak plain TCP. Source: wire-protocol.md, section 2.
            plain_ports: vec![80, 8080],
            ca_file: None,
            firmware_key: None,
            heartbeat_s: 40,
            recovery: Recovery::Rehome,
            run_time_grace_s: Grace::Seconds(600),
            power_up_window_s: 30,
            button: None,
            led: None,
            login_page_port: device::captive_portal::PROBE_PORT,
        }
    }
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckConfigError {
    /// The hotspot's passphrase has the wrong length or characters. It is not repeated.
    #[error("pop: {PASSPHRASE_BYTES_MIN} to {PASSPHRASE_BYTES_MAX} printable ASCII characters")]
    Passphrase,
    /// The keep-alive is out of range.
    #[error("heartbeat_s: {0} is not in 10..=3600")]
    Heartbeat(u16),
    /// The time for the power-up gesture is out of range.
    #[error("power_up_window_s: {0} is not in 8..=300")]
    PowerUpWindow(u16),
    /// A text is empty or has characters that do not travel.
    #[error("{key}: 1 to 64 printable characters")]
    Text {
        /// Which.
        key: &'static str,
    },
    /// The hotspot's interface is the station's.
    #[error("hotspot_interface: name another interface than the station's, or none")]
    SameInterface,
    /// Everybody could use the portal.
    #[error("portal_address: {0} is no single address")]
    PortalAddress(SocketAddr),
}

impl Config {
    /// Checks what the types alone do not.
    ///
    /// # Errors
    /// Names the key.
    pub fn validate(&self) -> Result<(), CheckConfigError> {
        if let Some(pop) = &self.pop {
            let is_length_right = (PASSPHRASE_BYTES_MIN..=PASSPHRASE_BYTES_MAX).contains(&pop.0.len());
            if !is_length_right || !pop.0.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
                return Err(CheckConfigError::Passphrase);
            }
        }
        if !HEARTBEAT_S.contains(&self.heartbeat_s) {
            return Err(CheckConfigError::Heartbeat(self.heartbeat_s));
        }
        if !POWER_UP_WINDOW_S.contains(&self.power_up_window_s) {
            return Err(CheckConfigError::PowerUpWindow(self.power_up_window_s));
        }
        let texts = [
            ("vendor", self.vendor.as_str()),
            ("template_name", &self.template_name),
            ("template_id", &self.template_id),
            ("firmware_version", &self.firmware_version),
            ("board", &self.board),
            ("host", &self.host),
            ("portal_host", &self.portal_host),
            ("uid", self.uid.as_deref().unwrap_or("-")),
        ];
        for (key, text) in texts {
            if text.is_empty() || text.len() > 64 || text.chars().any(char::is_control) {
                return Err(CheckConfigError::Text { key });
            }
        }
        if self.interface.is_some() && self.interface == self.hotspot_interface {
            return Err(CheckConfigError::SameInterface);
        }
        if self.portal_address.ip() == Ipv4Addr::UNSPECIFIED || self.portal_address.ip().is_multicast() {
            return Err(CheckConfigError::PortalAddress(self.portal_address));
        }
        Ok(())
    }

    /// The settings of the lifecycle.
    #[must_use]
    pub fn lifecycle_settings(&self) -> Settings {
        let recovery = match self.recovery {
            Recovery::Stock => RecoveryPolicy::Stock,
            Recovery::Reset => RecoveryPolicy::Reset,
            Recovery::Rehome => RecoveryPolicy::Rehome,
        };
        let run_time_grace = match self.run_time_grace_s {
            Grace::Seconds(seconds) => Some(Duration::from_secs(u64::from(seconds))),
            Grace::Never(Never::Never) => None,
        };
        let short_power_up_max = Duration::from_secs(u64::from(self.power_up_window_s));
        Settings {
            recovery,
            timings: Timings { run_time_grace, short_power_up_max, ..Timings::default() },
            ..Settings::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{CheckConfigError, Config, FirmwareKey};

    #[test]
    fn a_power_up_counts_for_as_long_as_a_person_needs_to_see_the_machine_boot() {
        let window = |seconds| Config { power_up_window_s: seconds, ..Config::default() };
        let timings = Config::default().lifecycle_settings().timings;
        assert_eq!(timings.short_power_up_max, Duration::from_secs(30));
        assert_eq!(timings.short_power_up_min, Duration::from_secs(1));
        assert_eq!(window(60).lifecycle_settings().timings.short_power_up_max, Duration::from_mins(1));
        for seconds in [0, 7, 301] {
            let checked = window(seconds).validate();
            assert!(matches!(checked, Err(CheckConfigError::PowerUpWindow(_))), "{seconds}: {checked:?}");
        }
    }

    #[test]
    fn a_firmware_key_is_64_hexadecimal_digits_and_nothing_else() {
        let digits = "0a".repeat(31) + "Ff";
        let key = FirmwareKey::try_from(digits.clone()).unwrap();
        assert_eq!((key.0[0], key.0[31]), (10, 255));
        assert_eq!(String::from(key), digits.to_ascii_lowercase());
        let wrong =
            [String::new(), "0".repeat(63), "0".repeat(66), "0g".repeat(32), "+1".repeat(32), "é".repeat(32)];
        for text in wrong {
            assert!(FirmwareKey::try_from(text.clone()).is_err(), "{text}");
        }
    }
}
