//! Claim codes: what a person types in place of a token, and how a device exchanges one.
//!
//! A code is eight characters, shown as `ABCD-2345`: seven random ones and a check character. Source: decision 0027.

use core::fmt;

use crate::body::{BodyWriter, EncodeMessageError, ParseBodyError};
use crate::fields::{Fields, text};
use crate::token::Secret;

/// Characters of a claim code, the check character included, without the hyphen.
pub const CLAIM_CODE_CHARS: usize = 8;

/// Random characters of a claim code: 5 bits each, 35 in all.
pub const CLAIM_CODE_RANDOM_CHARS: usize = CLAIM_CODE_CHARS - 1;

/// Longest device UID in bytes that travels with a claim code.
pub const UID_BYTES_MAX: usize = 64;

/// No 0, O, 1 and I, which look alike. The position of a character is its value.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// A claim code: upper case, without hyphen, its check character right. `Debug` never shows it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClaimCode([u8; CLAIM_CODE_CHARS]);

/// Why a text is not a claim code. The text itself is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ParseClaimCodeError {
    /// Not eight characters besides hyphens and spaces.
    #[error("a claim code has {CLAIM_CODE_CHARS} characters, like ABCD-2345")]
    Length,
    /// A character that no code contains.
    #[error("a claim code consists of letters and digits, without 0, O, 1 and I")]
    Alphabet,
    /// The check character does not fit the others.
    #[error("this claim code has a typing mistake: compare it with the one in your account")]
    Check,
}

impl ClaimCode {
    /// Makes a code from random bytes, of which five bits each are used.
    #[must_use]
    pub fn from_random(random: [u8; CLAIM_CODE_RANDOM_CHARS]) -> Self {
        let mut code = [0; CLAIM_CODE_CHARS];
        for (target, byte) in code.iter_mut().zip(random) {
            *target = character(byte & 31);
        }
        if let Some(check) = code.last_mut() {
            *check = character(check_value(random.iter().map(|byte| byte & 31)));
        }
        Self(code)
    }

    /// Reads what a person typed: in either case, with or without hyphens and spaces.
    ///
    /// # Errors
    /// When it is no claim code or has a typing mistake. Every single wrong character and every swap of two characters
    /// is noticed.
    pub fn parse(typed: &[u8]) -> Result<Self, ParseClaimCodeError> {
        let mut code = [0; CLAIM_CODE_CHARS];
        let mut typed = typed.iter().filter(|byte| !matches!(byte, b'-' | b' ')).map(u8::to_ascii_uppercase);
        for target in &mut code {
            *target = typed.next().ok_or(ParseClaimCodeError::Length)?;
        }
        if typed.next().is_some() {
            return Err(ParseClaimCodeError::Length);
        }
        let mut values = [0; CLAIM_CODE_CHARS];
        for (target, byte) in values.iter_mut().zip(code) {
            *target = value(byte).ok_or(ParseClaimCodeError::Alphabet)?;
        }
        let [random @ .., check] = values;
        if check_value(random.into_iter()) == check {
            Ok(Self(code))
        } else {
            Err(ParseClaimCodeError::Check)
        }
    }

    /// Tells whether a text looks like an attempt at a claim code rather than at a token: as long, whatever is in it.
    #[must_use]
    pub fn is_shaped_like(typed: &[u8]) -> bool {
        typed.iter().filter(|byte| !matches!(byte, b'-' | b' ')).count() == CLAIM_CODE_CHARS
    }

    /// Returns the secret characters without the hyphen, for the exchange only.
    #[must_use]
    pub const fn expose(&self) -> &[u8; CLAIM_CODE_CHARS] {
        &self.0
    }

    /// Returns the code as it is shown to its owner, `ABCD-2345`.
    #[must_use]
    pub fn shown(&self) -> [u8; CLAIM_CODE_CHARS + 1] {
        let mut shown = [b'-'; CLAIM_CODE_CHARS + 1];
        let places = shown.iter_mut().enumerate().filter(|(index, _)| *index != CLAIM_CODE_CHARS / 2);
        for ((_, place), character) in places.zip(self.0) {
            *place = character;
        }
        shown
    }
}

impl fmt::Debug for ClaimCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// `claim-code`: sent in place of a login; asks for the token that the code stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimRequest<'a> {
    /// The code.
    pub code: ClaimCode,
    /// The device's UID, 1 to [`UID_BYTES_MAX`] bytes.
    pub uid: &'a str,
}

impl<'a> ClaimRequest<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, ParseBodyError> {
        let mut fields = Fields::new(body);
        let code = fields.next().ok_or(ParseBodyError::MissingField { name: "claim code" })?;
        let code = ClaimCode::parse(code).or(Err(ParseBodyError::Unknown { name: "claim code" }))?;
        let uid = text(fields.next().unwrap_or_default(), "uid")?;
        if uid.is_empty() {
            return Err(ParseBodyError::MissingField { name: "uid" });
        }
        if uid.len() > UID_BYTES_MAX || fields.next().is_some() {
            return Err(ParseBodyError::TooLong { name: "uid" });
        }
        Ok(Self { code, uid })
    }

    pub(crate) fn write(&self, writer: &mut BodyWriter<'_>) -> Result<(), EncodeMessageError> {
        writer.raw(b"claim-code")?;
        writer.field(self.code.expose())?;
        writer.name(self.uid, "uid")
    }
}

/// `no-token`: why a code was not exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoToken {
    /// The server does not know the code: mistyped, used, or past its time.
    Code,
    /// The device belongs to an owner who did not release it, and its template says that this counts.
    Owned,
    /// The server cannot tell now, or too many codes were tried.
    Later,
}

impl NoToken {
    /// Every value.
    pub const ALL: [Self; 3] = [Self::Code, Self::Owned, Self::Later];

    const fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Code => b"code",
            Self::Owned => b"owned",
            Self::Later => b"later",
        }
    }

    pub(crate) fn parse(body: &[u8]) -> Self {
        // A reason that a later server may give: nothing is lost by trying again.
        let reason = Fields::new(body).next().unwrap_or_default();
        Self::ALL.into_iter().find(|known| known.as_bytes() == reason).unwrap_or(Self::Later)
    }

    pub(crate) fn write(self, writer: &mut BodyWriter<'_>) -> Result<(), EncodeMessageError> {
        writer.raw(b"no-token")?;
        writer.raw(self.as_bytes())
    }
}

/// Reads the token of `token`: exactly 32 characters of its alphabet.
pub(crate) fn parse_token(body: &[u8]) -> Result<Secret<'_>, ParseBodyError> {
    let mut fields = Fields::new(body);
    let token = fields.next().filter(|token| crate::is_token_shaped(token));
    match (token, fields.next()) {
        (Some(token), None) => Ok(Secret(token)),
        _ => Err(ParseBodyError::Unknown { name: "token" }),
    }
}

fn character(value: u8) -> u8 {
    ALPHABET.get(usize::from(value)).copied().unwrap_or(b'A')
}

fn value(character: u8) -> Option<u8> {
    ALPHABET.iter().position(|known| *known == character).and_then(|index| u8::try_from(index).ok())
}

/// Sum of the values, each multiplied by another power of two of the field with 32 elements. The powers differ, so one
/// wrong character and two swapped ones always change the sum; the check character itself has the power 0.
fn check_value(values: impl Iterator<Item = u8>) -> u8 {
    // Horner's scheme: the first character is doubled most often.
    values.fold(0, |sum, value| double(sum ^ value))
}

/// Doubles in the field of the polynomial x^5 + x^2 + 1, in which 2 generates all 31 elements but zero.
const fn double(value: u8) -> u8 {
    let doubled = value << 1;
    if doubled & 32 == 0 { doubled } else { (doubled & 31) ^ 0b0_0101 }
}

#[cfg(test)]
mod tests;
