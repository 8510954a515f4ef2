//! INTERNAL bodies that a device sends.

use crate::body::{BodyWriter, EncodeMessageError, ParseBodyError};
use crate::claim_code::ClaimRequest;
use crate::fields::{split_field, text};
use crate::info::Info;
use crate::release::Receipt;
use crate::token::Secret;
use crate::utc::UtcQuery;

/// What a device says or asks with INTERNAL. Source: reference §6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceInternal<'a> {
    /// What the device is; answer with status 200, some libraries wait for it.
    Info(Info<'a>),
    /// Asks for the local time.
    RtcSync,
    /// Asks for time or time zone.
    Utc(UtcQuery),
    /// Asks for a metadata field.
    MetaGet {
        /// Name of the field; `Auth Token` is reserved.
        field: &'a str,
    },
    /// Sets a metadata field.
    MetaSet {
        /// Name of the field.
        field: &'a str,
        /// The new value.
        value: Secret<'a>,
    },
    /// `released`: the receipt of a proven release. Ours; answer with status 200.
    Released(Receipt<'a>),
    /// `claim-code`: asks for a token, in place of the login. Ours; answer with `token` or `no-token`.
    ClaimCode(ClaimRequest<'a>),
    /// Anything else: no action, no reply.
    Other {
        /// The whole body.
        body: Secret<'a>,
    },
}

impl<'a> DeviceInternal<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, ParseBodyError> {
        let (kind, rest) = split_field(body);
        match kind {
            b"" => Err(ParseBodyError::MissingField { name: "kind" }),
            b"rtc" => Ok(Self::RtcSync),
            b"utc" => {
                let query = split_field(rest.unwrap_or_default()).0;
                if query.is_empty() {
                    return Err(ParseBodyError::MissingField { name: "query" });
                }
                Ok(UtcQuery::parse(query).map_or(Self::Other { body: Secret(body) }, Self::Utc))
            }
            b"meta" => Self::parse_meta(body, rest.unwrap_or_default()),
            b"released" => Receipt::parse(rest.unwrap_or_default()).map(Self::Released),
            b"claim-code" => ClaimRequest::parse(rest.unwrap_or_default()).map(Self::ClaimCode),
            _ => Ok(Info::parse(body).map_or(Self::Other { body: Secret(body) }, Self::Info)),
        }
    }

    fn parse_meta(body: &'a [u8], rest: &'a [u8]) -> Result<Self, ParseBodyError> {
        let (action, rest) = split_field(rest);
        let (field, rest) = split_field(rest.unwrap_or_default());
        match action {
            b"" => Err(ParseBodyError::MissingField { name: "action" }),
            b"get" => Ok(Self::MetaGet { field: text(field, "metadata field")? }),
            b"set" => {
                let field = text(field, "metadata field")?;
                let value = rest.ok_or(ParseBodyError::MissingField { name: "metadata value" })?;
                Ok(Self::MetaSet { field, value: Secret(split_field(value).0) })
            }
            _ => Ok(Self::Other { body: Secret(body) }),
        }
    }

    pub(crate) fn write(&self, writer: &mut BodyWriter<'_>) -> Result<(), EncodeMessageError> {
        match self {
            Self::Info(info) => info.write(writer),
            Self::RtcSync => {
                writer.raw(b"rtc")?;
                writer.raw(b"sync")
            }
            Self::Utc(query) => {
                writer.raw(b"utc")?;
                writer.raw(query.as_str().as_bytes())
            }
            Self::MetaGet { field } => {
                writer.raw(b"meta")?;
                writer.raw(b"get")?;
                writer.name(field, "metadata field")
            }
            Self::MetaSet { field, value: Secret(value) } => {
                writer.raw(b"meta")?;
                writer.raw(b"set")?;
                writer.name(field, "metadata field")?;
                writer.field(value)
            }
            Self::Released(receipt) => receipt.write(writer),
            Self::ClaimCode(request) => request.write(writer),
            Self::Other { body: Secret(body) } => match Self::parse(body) {
                Ok(Self::Other { .. }) => writer.raw(body),
                _ => Err(EncodeMessageError::Ambiguous { name: "internal body" }),
            },
        }
    }
}
