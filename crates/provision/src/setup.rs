//! The settings, and what each firmware can take of them.

use portal::{ClaimCode, ParseClaimCodeError};
use thiserror::Error;

use crate::board_info::{BoardInfo, Firmware};
use crate::secret::Secret;

/// Bytes of a device token. Source: `reference/edgent-device.md` §5.
pub const TOKEN_BYTES: usize = 32;

/// Longest network name in bytes; new Edgent's store takes one less. Source: `reference/edgent-device.md` §8.
const SSID_BYTES_MAX: usize = 32;
const NEW_SSID_BYTES_MAX: usize = 31;

/// Longest password that old Edgent stores, in bytes. Source: `reference/edgent-device.md` §2.
const OLD_PASSWORD_BYTES_MAX: usize = 63;

/// Longest server name that old Edgent stores, in bytes. Source: `reference/edgent-device.md` §2.
const OLD_HOST_BYTES_MAX: usize = 33;

/// Longest server name of a stored home, in bytes.
const HOST_BYTES_MAX: usize = 64;

/// Where Edgent connects when nobody says otherwise. Source: `reference/edgent-device.md` §2.
const DEFAULT_PORT: u16 = 443;

/// The network that the device shall join, and how it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// Network name: 1 to 32 bytes of any value.
    pub ssid: Vec<u8>,
    /// Network password; empty for an open network.
    pub password: Secret,
    /// Proof of possession from the device's label; `None` where being in the hotspot is proof enough. Rehome only.
    pub pop: Option<Secret>,
    /// Ask old Edgent to store at once instead of after the first connection.
    pub is_save_requested: bool,
    /// The home is for a test: the device keeps it in RAM until its next restart. Rehome with a proof of possession only.
    pub is_for_bench: bool,
}

/// The cloud that the device shall belong to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CloudTarget {
    /// Device token, or a claim code for a Rehome device. In recovery that keeps its own without one.
    pub token: Option<Secret>,
    /// Server; `None` for the firmware's own.
    pub host: Option<String>,
    /// TLS port; `None` for the firmware's own.
    pub port: Option<u16>,
}

impl Setup {
    /// Checks the network against what this board's firmware can store; what it cannot, it would cut silently.
    ///
    /// # Errors
    /// [`RefuseSetupError`], before anything was sent.
    pub fn check(&self, board: &BoardInfo) -> Result<(), RefuseSetupError> {
        let ssid_bytes_max =
            if board.firmware == Firmware::EdgentNew { NEW_SSID_BYTES_MAX } else { SSID_BYTES_MAX };
        if self.ssid.is_empty() || self.ssid.len() > ssid_bytes_max {
            return Err(RefuseSetupError::Ssid { found_bytes: self.ssid.len(), bytes_max: ssid_bytes_max });
        }
        let password = self.password.expose();
        let is_key = password.len() == 64 && password.iter().all(u8::is_ascii_hexdigit);
        if board.firmware == Firmware::EdgentOld && password.len() > OLD_PASSWORD_BYTES_MAX {
            return Err(RefuseSetupError::KeyTooLong);
        }
        if !(matches!(password.len(), 0 | 8..=63) || is_key) || password.iter().any(u8::is_ascii_control) {
            return Err(RefuseSetupError::Password);
        }
        match (self.is_for_bench, board.firmware, board.is_guarded) {
            (true, Firmware::EdgentOld | Firmware::EdgentNew, _) => Err(RefuseSetupError::BenchNotTaken),
            (true, Firmware::Rehome, false) => Err(RefuseSetupError::BenchUnguarded),
            _ => Ok(()),
        }
    }

    /// Makes the body of the `/config` request.
    pub(crate) fn form(&self, cloud: &CloudTarget, board: &BoardInfo) -> Vec<u8> {
        let mut form = Form::default();
        // Old Edgent ignores it, new Edgent refuses without it.
        form.push("if", b"wifi");
        form.push("ssid", &self.ssid);
        form.push("pass", self.password.expose());
        if let Some(pop) = self.pop.as_ref().filter(|_| board.firmware == Firmware::Rehome) {
            form.push("pop", pop.expose());
        }
        if let Some(token) = &cloud.token {
            form.push("blynk", token.expose());
        }
        if let Some(host) = &cloud.host {
            form.push("host", host.as_bytes());
        }
        if let Some(port) = cloud.port {
            form.push("port_ssl", port.to_string().as_bytes());
        }
        // Old Edgent with `save` stores without a trial; only who asked for it gets it. The others store after the trial.
        if self.is_save_requested || board.firmware == Firmware::EdgentNew {
            form.push("save", b"1");
        }
        if self.is_for_bench {
            form.push("bench", b"1");
        }
        form.0
    }
}

impl CloudTarget {
    /// Checks the cloud against what this board's firmware can store.
    ///
    /// # Errors
    /// [`RefuseSetupError`], before anything was sent.
    pub fn check(&self, board: &BoardInfo) -> Result<(), RefuseSetupError> {
        match &self.token {
            Some(typed) if is_claim_code_shaped(typed.expose()) => {
                if board.firmware != Firmware::Rehome {
                    return Err(RefuseSetupError::ClaimCodeNotTaken);
                }
                check_claim_code(typed)?;
            }
            Some(token) if !is_token(token.expose()) => return Err(RefuseSetupError::Token),
            None if !board.is_recovery || self.host.is_some() || self.port.is_some() => {
                return Err(RefuseSetupError::TokenMissing);
            }
            None if !board.is_guarded => return Err(RefuseSetupError::AccountUnguarded),
            _ => {}
        }
        let host_bytes_max =
            if board.firmware == Firmware::EdgentOld { OLD_HOST_BYTES_MAX } else { HOST_BYTES_MAX };
        match &self.host {
            Some(host) if host.len() > host_bytes_max => {
                return Err(RefuseSetupError::HostTooLong { bytes_max: host_bytes_max });
            }
            Some(host) if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_graphic()) => {
                return Err(RefuseSetupError::Host);
            }
            None if board.firmware == Firmware::EdgentNew => return Err(RefuseSetupError::HostMissing),
            _ => {}
        }
        match self.port {
            Some(port) if board.firmware == Firmware::EdgentNew && port != DEFAULT_PORT => {
                Err(RefuseSetupError::PortNotTaken { port })
            }
            _ => Ok(()),
        }
    }
}

/// Checks what somebody gave as a claim code.
///
/// # Errors
/// [`RefuseSetupError::ClaimCode`], which does not repeat it.
pub fn check_claim_code(typed: &Secret) -> Result<(), RefuseSetupError> {
    ClaimCode::parse(typed.expose().trim_ascii()).map(drop).map_err(RefuseSetupError::ClaimCode)
}

fn is_claim_code_shaped(text: &[u8]) -> bool {
    ClaimCode::is_shaped_like(text.trim_ascii())
}

fn is_token(text: &[u8]) -> bool {
    let is_character = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.len() == TOKEN_BYTES && text.iter().all(is_character)
}

/// A web form. Everything that could mean something is percent-encoded, the space too: every firmware reads that.
#[derive(Default)]
struct Form(Vec<u8>);

impl Form {
    fn push(&mut self, name: &str, value: &[u8]) {
        if !self.0.is_empty() {
            self.0.push(b'&');
        }
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(b'=');
        for &byte in value {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
                self.0.push(byte);
            } else {
                self.0.extend_from_slice(format!("%{byte:02X}").as_bytes());
            }
        }
    }
}

/// This board cannot take these settings; nothing was sent. No secret is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RefuseSetupError {
    /// No name, or a longer one than the firmware stores.
    #[error("the network name is {found_bytes} bytes; this firmware takes 1 to {bytes_max}")]
    Ssid {
        /// Bytes that were given.
        found_bytes: usize,
        /// Bytes that it takes.
        bytes_max: usize,
    },
    /// No network can have it.
    #[error(
        "the password must have 8 to 63 characters, or 64 hexadecimal digits, or be empty for an open network"
    )]
    Password,
    /// Old Edgent would cut it.
    #[error(
        "old Edgent stores 63 characters of a password: a key of 64 digits would be cut; give the passphrase"
    )]
    KeyTooLong,
    /// Not the form of a token.
    #[error("a device token has exactly {TOKEN_BYTES} letters, digits, dashes or underscores")]
    Token,
    /// A claim code with a typing mistake.
    #[error("the claim code cannot be right")]
    ClaimCode(#[source] ParseClaimCodeError),
    /// Stock firmware logs in with a token only.
    #[error("stock Edgent takes no claim codes: give the 32-character token")]
    ClaimCodeNotTaken,
    /// Only a Rehome device in recovery keeps the token it has.
    #[error("this device needs a token")]
    TokenMissing,
    /// Anybody may stand at its hotspot, so it does not carry its account into another network.
    #[error(
        "this device has no proof of possession that guards its stored account: give a token or a claim code"
    )]
    AccountUnguarded,
    /// Stock firmware would store the settings.
    #[error("stock Edgent has no bench mode: it would store these settings")]
    BenchNotTaken,
    /// As [`Self::AccountUnguarded`], for a home that is not stored.
    #[error("only a device with a proof of possession takes a home for the bench")]
    BenchUnguarded,
    /// New Edgent takes no server for an empty one and fails with code 700.
    #[error("new Edgent needs the server's name")]
    HostMissing,
    /// Not a name.
    #[error("the server's name is not a host name")]
    Host,
    /// The firmware would cut it.
    #[error("the server's name is longer than the {bytes_max} bytes that this firmware stores")]
    HostTooLong {
        /// Bytes that it takes.
        bytes_max: usize,
    },
    /// New Edgent does not read the port.
    #[error(
        "new Edgent always connects to port {DEFAULT_PORT}, it cannot be sent to port {port}; if the server answers its devices \
         on port {DEFAULT_PORT} too, give `--port {DEFAULT_PORT}`"
    )]
    PortNotTaken {
        /// The port that was given.
        port: u16,
    },
}
