//! Values that are sent and never shown.

use std::fmt;

/// A password, token or key. `Debug` never shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the bytes in as they are.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Takes in the content of a file or of standard input: one line end at its end belongs to the file, not the secret.
    #[must_use]
    pub fn from_file(mut content: Vec<u8>) -> Self {
        if content.last() == Some(&b'\n') {
            content.pop();
            if content.last() == Some(&b'\r') {
                content.pop();
            }
        }
        Self(content)
    }

    /// Hands out the bytes, for a request only.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn only_one_line_end_is_taken_off_a_file() {
        for (content, secret) in [("a b \n", "a b "), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a"), ("", "")]
        {
            assert_eq!(Secret::from_file(content.into()).expose(), secret.as_bytes());
        }
    }

    #[test]
    fn debug_output_hides_the_bytes() {
        assert_eq!(format!("{:?}", Secret::new(b"horse battery".to_vec())), "[redacted]");
    }
}
