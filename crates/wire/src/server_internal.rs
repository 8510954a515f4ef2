//! INTERNAL bodies that a server sends.

use crate::body::{BodyWriter, EncodeMessageError, ParseBodyError};
use crate::claim_code::{NoToken, parse_token};
use crate::fields::{decimal, split_field, text};
use crate::release::{Claim, ReleaseOrder};
use crate::token::{Secret, is_token_shaped};
use crate::utc::{UtcAnswer, UtcQuery};

/// What a server orders or answers with INTERNAL. Source: reference §6.2 and §6.3. A device sends no reply to any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerInternal<'a> {
    /// `ota`: download and install a firmware.
    Ota {
        /// Where from; may carry a download token.
        url: Secret<'a>,
    },
    /// `dbg`: run one console command, such as `reboot` or `config erase`.
    Dbg {
        /// The command.
        command: Secret<'a>,
    },
    /// `acon`: an app is looking.
    AppConnected,
    /// `adis`: no app is looking any more.
    AppDisconnected,
    /// `rtc`: the answer to [`crate::DeviceInternal::RtcSync`].
    Rtc {
        /// Local wall time counted as if it were UTC, in seconds since 1970. Devices ignore it below 1357041600.
        local_s: i64,
    },
    /// `utc`: the answer to [`crate::DeviceInternal::Utc`].
    Utc(UtcAnswer<'a>),
    /// `meta`: the answer to [`crate::DeviceInternal::MetaGet`], or a change that is pushed.
    Meta {
        /// Name of the field.
        field: &'a str,
        /// Its value; empty when it has none.
        value: Secret<'a>,
    },
    /// `claim`: the key that will sign release orders. Ours; only to firmware that declares `rehome`.
    Claim(Claim<'a>),
    /// `release`: the signed order to wipe. Ours; only to firmware that holds a key.
    Release(ReleaseOrder<'a>),
    /// `token`: the answer to a claim code; the login follows. Ours.
    Token {
        /// The device's token.
        token: Secret<'a>,
    },
    /// `no-token`: the other answer to a claim code; the connection ends. Ours.
    NoToken(NoToken),
    /// `vfs`, or anything else: passed on as it is.
    Other {
        /// The whole body.
        body: Secret<'a>,
    },
}

impl<'a> ServerInternal<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, ParseBodyError> {
        let (kind, rest) = split_field(body);
        let rest = rest.unwrap_or_default();
        let (first, after_first) = split_field(rest);
        match kind {
            b"" => Err(ParseBodyError::MissingField { name: "kind" }),
            b"ota" => text(first, "address").map(|url| Self::Ota { url: Secret(url.as_bytes()) }),
            b"dbg" => Ok(Self::Dbg { command: Secret(first) }),
            b"acon" => Ok(Self::AppConnected),
            b"adis" => Ok(Self::AppDisconnected),
            b"rtc" => Ok(Self::Rtc { local_s: decimal(first, "time")? }),
            b"utc" => match UtcQuery::parse(first) {
                Some(query) => UtcAnswer::parse(query, after_first.unwrap_or_default()).map(Self::Utc),
                None => Ok(Self::Other { body: Secret(body) }),
            },
            b"meta" => Ok(Self::Meta {
                field: text(first, "metadata field")?,
                value: Secret(split_field(after_first.unwrap_or_default()).0),
            }),
            b"claim" => Claim::parse(rest).map(Self::Claim),
            b"release" => ReleaseOrder::parse(rest).map(Self::Release),
            b"token" => parse_token(rest).map(|token| Self::Token { token }),
            b"no-token" => Ok(Self::NoToken(NoToken::parse(rest))),
            _ => Ok(Self::Other { body: Secret(body) }),
        }
    }

    pub(crate) fn write(&self, writer: &mut BodyWriter<'_>) -> Result<(), EncodeMessageError> {
        match self {
            Self::Ota { url: Secret(url) } => {
                if url.is_empty() {
                    return Err(EncodeMessageError::MissingField { name: "address" });
                }
                writer.raw(b"ota")?;
                writer.field(url)
            }
            Self::Dbg { command: Secret(command) } => {
                writer.raw(b"dbg")?;
                writer.field(command)
            }
            Self::AppConnected => writer.raw(b"acon"),
            Self::AppDisconnected => writer.raw(b"adis"),
            Self::Rtc { local_s } => {
                writer.raw(b"rtc")?;
                writer.integer(*local_s)
            }
            Self::Utc(answer) => {
                writer.raw(b"utc")?;
                answer.write(writer)
            }
            Self::Meta { field, value: Secret(value) } => {
                writer.raw(b"meta")?;
                writer.name(field, "metadata field")?;
                writer.field(value)
            }
            Self::Claim(claim) => claim.write(writer),
            Self::Release(order) => order.write(writer),
            Self::Token { token: Secret(token) } => {
                if !is_token_shaped(token) {
                    return Err(EncodeMessageError::MissingField { name: "token" });
                }
                writer.raw(b"token")?;
                writer.field(token)
            }
            Self::NoToken(reason) => reason.write(writer),
            Self::Other { body: Secret(body) } => match Self::parse(body) {
                Ok(Self::Other { .. }) => writer.raw(body),
                _ => Err(EncodeMessageError::Ambiguous { name: "internal body" }),
            },
        }
    }
}
