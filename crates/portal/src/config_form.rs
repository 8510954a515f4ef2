//! The arguments of `/config`, validated once, here.

use thiserror::Error;
use wire::{ClaimCode, ParseClaimCodeError};

use crate::dialect::{Access, Dialect, PortalMode};
use crate::field_encoding::{Arguments, Decoded, hex_digit};
use crate::static_address::{self, ReadStaticAddressError, StaticAddress};
use crate::token::{self, Token, TokenField};
use crate::{Request, Secret};

/// Longest network name in bytes. Source: IEEE 802.11, SSID element.
pub const SSID_BYTES_MAX: usize = 32;

/// Longest network name that old Edgent stores, in bytes; it cuts what is longer. Source: `reference/edgent-device.md` §2.
pub const SSID_BYTES_STORED_MAX: usize = 33;

/// Longest password in bytes: 63 characters, or 64 hexadecimal digits of a raw key.
pub const PASSWORD_BYTES_MAX: usize = 64;

/// Longest server name in bytes; a stored home holds no more.
pub const HOST_BYTES_MAX: usize = 64;

/// Marks an `ssid` value as hexadecimal, for names that no HTML form can carry (bytes that are not UTF-8, control
/// characters). The prefix alone is as long as the longest SSID, so no real name can be mistaken for it. Our dialect only.
pub const SSID_HEX_PREFIX: &str = "ssid-as-hexadecimal-digits-follow:";

/// Longest `ssid` value in bytes.
const SSID_VALUE_BYTES_MAX: usize = SSID_HEX_PREFIX.len() + 2 * SSID_BYTES_MAX;

/// Longest password that old Edgent stores, in bytes. Source: `reference/edgent-device.md` §2.
const OLD_PASSWORD_BYTES_MAX: usize = 63;

/// Longest server name that old Edgent stores, in bytes. Source: `reference/edgent-device.md` §2.
const OLD_HOST_BYTES_MAX: usize = 33;

/// Longest network name that new Edgent accepts, in bytes. Source: `reference/edgent-device.md` §8, TLV.
const NEW_SSID_BYTES_MAX: usize = 31;

/// Token field, generous for spaces around it, in bytes.
const TOKEN_VALUE_BYTES_MAX: usize = 64;

/// Network name: raw bytes, 1 to 32 of them in our dialect.
pub type Ssid = heapless::Vec<u8, SSID_BYTES_STORED_MAX>;

/// Network password: empty for an open network.
pub type Password = Secret<heapless::Vec<u8, PASSWORD_BYTES_MAX>>;

/// Server name or address.
pub type Host = heapless::String<HOST_BYTES_MAX>;

/// How the device reaches the internet (`if`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interface {
    /// `wifi`, also when nothing is said.
    Wifi,
    /// `cell`.
    Cellular,
    /// `eth`.
    Ethernet,
}

/// A validated set-up request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigForm {
    /// Interface to use; always Wi-Fi in our dialect.
    pub interface: Interface,
    /// Network name. Empty only when `interface` is not Wi-Fi.
    pub ssid: Ssid,
    /// Whether the name was typed in (`ssidManual`), so that the network may be hidden.
    pub is_typed_ssid: bool,
    /// Network password; 8 to 63 bytes, 64 hexadecimal digits, or empty. Stock dialects take what they get.
    pub password: Password,
    /// Device token. Without token and claim code, only in recovery behind a proof of possession, the stored cloud binding
    /// is kept; then host and port are `None` too.
    pub token: Option<Token>,
    /// Claim code in place of a token; its check character is right. Our dialect only.
    pub claim_code: Option<ClaimCode>,
    /// Server, or `None` for the default. New Edgent takes `None` as empty and fails later with code 700.
    pub host: Option<Host>,
    /// TLS port, or `None` for the default.
    pub port: Option<u16>,
    /// Fixed address, or `None` for DHCP.
    pub static_address: Option<StaticAddress>,
    /// `bench=1`: the home is for a test and lives in RAM only. Behind a proof of possession only; stock dialects do not
    /// know it.
    pub is_bench: bool,
    /// `save` was asked for. Old Edgent then stores without a trial; our firmware always tries first.
    pub is_save_requested: bool,
}

/// Why a set-up request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum ReadConfigFormError {
    /// The body is not a form.
    #[error("the request body is not a web form")]
    NotAForm,
    /// The interface is unknown or this device has no such interface.
    #[error("this device has no such network interface")]
    UnsupportedInterface,
    /// No network name.
    #[error("choose a network or type its name")]
    SsidMissing,
    /// More than 32 bytes.
    #[error("the network name is longer than 32 bytes")]
    SsidTooLong,
    /// The value after [`SSID_HEX_PREFIX`] is not hexadecimal.
    #[error("the network name could not be read")]
    SsidMalformed,
    /// Neither empty, 8 to 63 characters, nor 64 hexadecimal digits.
    #[error(
        "the password must have 8 to 63 characters, or 64 hexadecimal digits, or be empty for an open network"
    )]
    PasswordLength,
    /// Control characters, such as a line break.
    #[error("the password contains a character that cannot be typed")]
    PasswordCharacter,
    /// No token, and no home whose token could be kept.
    #[error("enter the device token or the claim code")]
    TokenMissing,
    /// Nothing shows that whoever asks holds the device, so the stored account is not carried into another network.
    #[error(
        "this device has no label code that guards its stored account: enter the device token or a claim code"
    )]
    AccountUnguarded,
    /// `bench=1` where nothing shows that whoever asks holds the device.
    #[error("only a device with a label code takes a home for a test: leave bench out")]
    BenchUnguarded,
    /// Not 32 characters of the token alphabet.
    #[error(
        "a device token has exactly 32 letters, digits, dashes or underscores, a claim code has 8 like ABCD-2345"
    )]
    TokenMalformed,
    /// A claim code with a typing mistake.
    #[error(transparent)]
    ClaimCode(#[from] ParseClaimCodeError),
    /// Not a host name or address.
    #[error("the server name is not valid")]
    HostMalformed,
    /// Not 1 to 65535.
    #[error("the port must be a number from 1 to 65535")]
    PortMalformed,
    /// A fixed address that cannot work.
    #[error("the static address is not valid")]
    StaticAddress(#[from] ReadStaticAddressError),
}

impl ReadConfigFormError {
    /// Returns the stable machine code that the JSON answer carries as `reason`.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotAForm => "not_a_form",
            Self::UnsupportedInterface => "unsupported_interface",
            Self::SsidMissing => "ssid_missing",
            Self::SsidTooLong => "ssid_too_long",
            Self::SsidMalformed => "ssid_malformed",
            Self::PasswordLength => "password_length",
            Self::PasswordCharacter => "password_character",
            Self::TokenMissing => "token_missing",
            Self::AccountUnguarded => "account_unguarded",
            Self::BenchUnguarded => "bench_unguarded",
            Self::TokenMalformed => "token_malformed",
            Self::ClaimCode(_) => "claim_code_malformed",
            Self::HostMalformed => "host_malformed",
            Self::PortMalformed => "port_malformed",
            Self::StaticAddress(_) => "static_address",
        }
    }
}

/// Reads and validates the arguments of a `/config` request.
pub(crate) fn read_config_form(
    request: &Request<'_>,
    mode: &PortalMode<'_>,
) -> Result<ConfigForm, ReadConfigFormError> {
    let (query, body) = (request.query.as_bytes(), form_body(request));
    match mode.dialect {
        Dialect::Rehome => {
            let body = body.ok_or(ReadConfigFormError::NotAForm)?;
            // A body is preferred: it leaves no password in a URL.
            read_own(&Arguments { preferred: body, fallback: query }, mode)
        }
        // The Arduino web server looks at the query first and ignores a body that is no form.
        Dialect::EdgentOld => read_old(&Arguments { preferred: query, fallback: body.unwrap_or_default() }),
        Dialect::EdgentNew => read_new(&Arguments { preferred: query, fallback: body.unwrap_or_default() }),
    }
}

/// Returns the arguments of a request in our dialect, of which the body is preferred; a body that is no form is left out.
pub(crate) fn form_arguments<'a>(request: &Request<'a>) -> Arguments<'a> {
    Arguments { preferred: form_body(request).unwrap_or_default(), fallback: request.query.as_bytes() }
}

fn form_body<'a>(request: &Request<'a>) -> Option<&'a [u8]> {
    let content_type = request.content_type.unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim_ascii();
    let is_form =
        media_type.is_empty() || media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    (is_form || request.body.is_empty()).then_some(request.body)
}

fn read_own(arguments: &Arguments<'_>, mode: &PortalMode<'_>) -> Result<ConfigForm, ReadConfigFormError> {
    if arguments.get_filled("if").is_some_and(|value| read_interface(&value) != Some(Interface::Wifi)) {
        return Err(ReadConfigFormError::UnsupportedInterface);
    }
    let typed = arguments.get_filled("ssidManual");
    let is_typed_ssid = typed.is_some();
    let ssid = read_own_ssid(typed.or_else(|| arguments.get_filled("ssid")))?;
    let password = read_own_password(arguments.get("pass"))?;
    let host = arguments.get("host").map(read_own_host).transpose()?.flatten();
    let port = arguments.get("port_ssl").map(read_own_port).transpose()?.flatten();
    let (token, claim_code) = match read_token_value(arguments) {
        TokenField::Token(token) => (Some(token), None),
        TokenField::ClaimCode(code) => (None, Some(code)),
        // A stored token must never travel to a server that a visitor names, nor, where anybody may be the visitor, into
        // a network that a visitor names.
        TokenField::Empty if mode.access == Access::Recovery && host.is_none() && port.is_none() => {
            if !mode.is_guarded {
                return Err(ReadConfigFormError::AccountUnguarded);
            }
            (None, None)
        }
        TokenField::Empty => return Err(ReadConfigFormError::TokenMissing),
        TokenField::MistypedCode(error) => return Err(error.into()),
        TokenField::Malformed => return Err(ReadConfigFormError::TokenMalformed),
    };
    let is_bench = arguments.get("bench").is_some_and(is_one_or_true);
    if is_bench && !mode.is_guarded {
        return Err(ReadConfigFormError::BenchUnguarded);
    }
    Ok(ConfigForm {
        interface: Interface::Wifi,
        ssid,
        is_typed_ssid,
        password,
        token,
        claim_code,
        host,
        port,
        static_address: static_address::read_static_address(arguments)?,
        is_bench,
        is_save_requested: arguments.get("save").is_some_and(is_one_or_true),
    })
}

fn read_old(arguments: &Arguments<'_>) -> Result<ConfigForm, ReadConfigFormError> {
    let (ssid, is_typed_ssid) = read_stock_ssid(arguments, SSID_BYTES_STORED_MAX);
    if ssid.is_empty() {
        return Err(ReadConfigFormError::SsidMissing);
    }
    Ok(ConfigForm {
        interface: Interface::Wifi,
        ssid,
        is_typed_ssid,
        password: Secret::new(cut(arguments.get("pass"), OLD_PASSWORD_BYTES_MAX)),
        token: Some(read_stock_token(arguments)?),
        claim_code: None,
        host: arguments.get_filled("host").and_then(|value| stock_host(value, OLD_HOST_BYTES_MAX)),
        port: arguments.get_filled("port_ssl").map(read_stock_port),
        static_address: static_address::read_stock_static_address(arguments),
        is_bench: false,
        is_save_requested: arguments.get("save").is_some_and(|value| leading_integer(value) != 0),
    })
}

fn read_new(arguments: &Arguments<'_>) -> Result<ConfigForm, ReadConfigFormError> {
    let interface = arguments
        .get("if")
        .as_ref()
        .and_then(read_interface)
        .ok_or(ReadConfigFormError::UnsupportedInterface)?;
    let (ssid, is_typed_ssid) = read_stock_ssid(arguments, SSID_BYTES_STORED_MAX);
    let password: heapless::Vec<u8, PASSWORD_BYTES_MAX> = cut(arguments.get("pass"), PASSWORD_BYTES_MAX);
    if interface == Interface::Wifi {
        if ssid.is_empty() {
            return Err(ReadConfigFormError::SsidMissing);
        }
        if ssid.len() > NEW_SSID_BYTES_MAX {
            return Err(ReadConfigFormError::SsidTooLong);
        }
        if !password.is_empty() && password.len() < 8 {
            return Err(ReadConfigFormError::PasswordLength);
        }
    }
    Ok(ConfigForm {
        interface,
        ssid,
        is_typed_ssid,
        password: Secret::new(password),
        token: Some(read_stock_token(arguments)?),
        claim_code: None,
        host: arguments.get_filled("host").and_then(|value| stock_host(value, HOST_BYTES_MAX)),
        port: None,
        static_address: static_address::read_stock_static_address(arguments),
        is_bench: false,
        is_save_requested: arguments.get("save").is_some_and(is_one_or_true),
    })
}

fn read_own_ssid(value: Option<Decoded<'_>>) -> Result<Ssid, ReadConfigFormError> {
    let value = value.ok_or(ReadConfigFormError::SsidMissing)?;
    let text: heapless::Vec<u8, SSID_VALUE_BYTES_MAX> =
        take_all(value).ok_or(ReadConfigFormError::SsidTooLong)?;
    if let Some(digits) = text.strip_prefix(SSID_HEX_PREFIX.as_bytes()) {
        return read_hex_ssid(digits).ok_or(ReadConfigFormError::SsidMalformed);
    }
    if text.len() > SSID_BYTES_MAX {
        return Err(ReadConfigFormError::SsidTooLong);
    }
    Ssid::from_slice(&text).or(Err(ReadConfigFormError::SsidTooLong))
}

fn read_hex_ssid(digits: &[u8]) -> Option<Ssid> {
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let mut ssid = Ssid::new();
    for &[high, low] in pairs {
        ssid.push(hex_digit(high)? << 4 | hex_digit(low)?).ok()?;
    }
    (1..=SSID_BYTES_MAX).contains(&ssid.len()).then_some(ssid)
}

fn read_own_password(value: Option<Decoded<'_>>) -> Result<Password, ReadConfigFormError> {
    let Some(value) = value else { return Ok(Secret::new(heapless::Vec::new())) };
    let password: heapless::Vec<u8, PASSWORD_BYTES_MAX> =
        take_all(value).ok_or(ReadConfigFormError::PasswordLength)?;
    if password.iter().any(u8::is_ascii_control) {
        return Err(ReadConfigFormError::PasswordCharacter);
    }
    match password.len() {
        0 | 8..=63 => {}
        64 if password.iter().all(u8::is_ascii_hexdigit) => {}
        _ => return Err(ReadConfigFormError::PasswordLength),
    }
    Ok(Secret::new(password))
}

fn read_own_host(value: Decoded<'_>) -> Result<Option<Host>, ReadConfigFormError> {
    let text: heapless::Vec<u8, HOST_BYTES_MAX> =
        take_all(value).ok_or(ReadConfigFormError::HostMalformed)?;
    let text = core::str::from_utf8(&text).or(Err(ReadConfigFormError::HostMalformed))?.trim_ascii();
    let is_host_character = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if !text.bytes().all(is_host_character) || text.starts_with(['-', '.']) {
        return Err(ReadConfigFormError::HostMalformed);
    }
    let host = Host::try_from(text).or(Err(ReadConfigFormError::HostMalformed))?;
    Ok((!host.is_empty()).then_some(host))
}

fn read_own_port(value: Decoded<'_>) -> Result<Option<u16>, ReadConfigFormError> {
    let text: heapless::Vec<u8, 16> = take_all(value).ok_or(ReadConfigFormError::PortMalformed)?;
    let digits = text.trim_ascii();
    if digits.is_empty() {
        return Ok(None);
    }
    let is_number = digits.iter().all(u8::is_ascii_digit);
    let port = core::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u16>().ok());
    match port {
        Some(port) if is_number && port != 0 => Ok(Some(port)),
        _ => Err(ReadConfigFormError::PortMalformed),
    }
}

fn read_token_value(arguments: &Arguments<'_>) -> TokenField {
    let Some(value) = arguments.get("blynk") else { return TokenField::Empty };
    take_all::<TOKEN_VALUE_BYTES_MAX>(value)
        .map_or(TokenField::Malformed, |text| token::read_token_field(&text))
}

fn read_stock_token(arguments: &Arguments<'_>) -> Result<Token, ReadConfigFormError> {
    let value = arguments.get_filled("blynk").ok_or(ReadConfigFormError::TokenMissing)?;
    take_all::<TOKEN_VALUE_BYTES_MAX>(value)
        .and_then(|text| token::read_stock_token(&text))
        .ok_or(ReadConfigFormError::TokenMalformed)
}

fn read_stock_ssid(arguments: &Arguments<'_>, bytes_max: usize) -> (Ssid, bool) {
    let typed = arguments.get_filled("ssidManual");
    let is_typed = typed.is_some();
    (cut(typed.or_else(|| arguments.get("ssid")), bytes_max), is_typed)
}

fn stock_host(value: Decoded<'_>, bytes_max: usize) -> Option<Host> {
    let text: heapless::Vec<u8, HOST_BYTES_MAX> = cut(Some(value), bytes_max);
    Host::try_from(core::str::from_utf8(&text).ok()?).ok()
}

/// Like C's `atoi`, then cut to 16 bits, which is what stock firmware stores.
fn read_stock_port(value: Decoded<'_>) -> u16 {
    let [.., high, low] = leading_integer(value).to_be_bytes();
    u16::from_be_bytes([high, low])
}

fn leading_integer(value: Decoded<'_>) -> u32 {
    value
        .skip_while(u8::is_ascii_whitespace)
        .take_while(u8::is_ascii_digit)
        .fold(0_u32, |number, digit| number.wrapping_mul(10).wrapping_add(u32::from(digit - b'0')))
}

fn is_one_or_true(value: Decoded<'_>) -> bool {
    value.clone().eq(*b"1") || value.eq(*b"true")
}

fn read_interface(value: &Decoded<'_>) -> Option<Interface> {
    [("wifi", Interface::Wifi), ("cell", Interface::Cellular), ("eth", Interface::Ethernet)]
        .into_iter()
        .find_map(|(name, interface)| value.clone().eq(name.bytes()).then_some(interface))
}

/// Collects a value, or returns nothing if it has more than `N` bytes.
fn take_all<const N: usize>(value: Decoded<'_>) -> Option<heapless::Vec<u8, N>> {
    let mut bytes = heapless::Vec::new();
    for byte in value {
        bytes.push(byte).ok()?;
    }
    Some(bytes)
}

/// Collects a value and drops what is beyond `bytes_max`, as stock firmware does.
fn cut<const N: usize>(value: Option<Decoded<'_>>, bytes_max: usize) -> heapless::Vec<u8, N> {
    value.into_iter().flatten().take(bytes_max.min(N)).collect()
}

#[cfg(test)]
mod tests;
