//! Tokens: their shape, and how text that must not be shown is carried.

use core::fmt;

/// Length of a token in characters and bytes. Source: reference §4.
pub const TOKEN_BYTES: usize = 32;

/// Borrowed bytes that must not appear in logs, errors or `Debug` output.
///
/// The bytes are public on purpose: `let Secret(token) = token` is visible in review, an accidental print is not possible.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret<'a>(pub &'a [u8]);

impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Tells whether `text` has the shape of a token: 32 of `A-Z a-z 0-9 - _`.
///
/// Covers the tokens of the hosted service and the hexadecimal ones of the old server. Source: reference §4.
#[must_use]
pub fn is_token_shaped(text: &[u8]) -> bool {
    text.len() == TOKEN_BYTES
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Returns the token of a login body without white space around it and without one trailing NUL.
///
/// The old server trims as well. Source: reference §4.
#[must_use]
pub fn trim_token(body: &[u8]) -> &[u8] {
    body.strip_suffix(b"\0").unwrap_or(body).trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::{Secret, is_token_shaped, trim_token};

    const TOKEN: &[u8] = b"AbCdEfGhIjKlMnOpQrStUvWxYz012345";

    #[test]
    fn the_shape_is_32_characters_of_url_safe_base64() {
        assert!(is_token_shaped(TOKEN));
        assert!(is_token_shaped(b"--__----____----____----____----"));
        assert!(!is_token_shaped(&TOKEN[1..]));
        assert!(!is_token_shaped(b"AbCdEfGhIjKlMnOpQrStUvWxYz0123456"));
        assert!(!is_token_shaped(b"AbCdEfGhIjKlMnOpQrStUvWxYz01234+"));
        assert!(!is_token_shaped(b"AbCdEfGhIjKlMnOpQrStUvWxYz01234\0"));
    }

    #[test]
    fn white_space_and_one_nul_around_a_token_are_dropped() {
        assert_eq!(trim_token(b" AbCdEfGhIjKlMnOpQrStUvWxYz012345\r\n"), TOKEN);
        assert_eq!(trim_token(b"AbCdEfGhIjKlMnOpQrStUvWxYz012345\0"), TOKEN);
        assert_eq!(trim_token(b"ab\0\0"), b"ab\0");
    }

    #[test]
    fn a_secret_prints_nothing_of_itself() {
        extern crate std;
        assert_eq!(std::format!("{:?}", Secret(TOKEN)), "[redacted]");
    }
}
