//! The one place that tells a token, a claim code and a mistake apart.

use wire::{ClaimCode, ParseClaimCodeError};

use crate::Secret;

/// Length of a device token in bytes. Source: `reference/edgent-device.md` §5.
pub const TOKEN_BYTES: usize = 32;

/// A device token: the cloud lets in whoever holds it.
pub type Token = Secret<heapless::String<TOKEN_BYTES>>;

/// What was typed into the token field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenField {
    Empty,
    Token(Token),
    /// A claim code whose check character is right.
    ClaimCode(ClaimCode),
    /// As long as a claim code, and none.
    MistypedCode(ParseClaimCodeError),
    Malformed,
}

/// Reads a token field: exactly 32 characters of `A-Za-z0-9-_`, or a claim code, `ABCD-2345`, in either case
/// and with or without its hyphen.
pub(crate) fn read_token_field(text: &[u8]) -> TokenField {
    let text = text.trim_ascii();
    if text.is_empty() {
        return TokenField::Empty;
    }
    if ClaimCode::is_shaped_like(text) {
        return ClaimCode::parse(text).map_or_else(TokenField::MistypedCode, TokenField::ClaimCode);
    }
    let is_token_character = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if text.len() != TOKEN_BYTES || !text.iter().all(is_token_character) {
        return TokenField::Malformed;
    }
    stored_token(text).map_or(TokenField::Malformed, TokenField::Token)
}

/// Takes 32 characters of any kind, as stock firmware does.
pub(crate) fn read_stock_token(text: &[u8]) -> Option<Token> {
    (text.len() == TOKEN_BYTES).then(|| stored_token(text)).flatten()
}

fn stored_token(text: &[u8]) -> Option<Token> {
    let text = core::str::from_utf8(text).ok()?;
    heapless::String::try_from(text).ok().map(Secret::new)
}
