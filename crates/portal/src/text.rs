//! Writes foreign text into JSON and HTML so that it stays text.

use core::fmt::{self, Display, Write};

/// Bytes as a JSON string with its quotes; what is not UTF-8 becomes U+FFFD.
pub(crate) struct JsonText<'a>(pub(crate) &'a [u8]);

impl Display for JsonText<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_char('"')?;
        for character in lossy_characters(self.0) {
            match character {
                '"' => formatter.write_str("\\\"")?,
                '\\' => formatter.write_str("\\\\")?,
                '\n' => formatter.write_str("\\n")?,
                '\r' => formatter.write_str("\\r")?,
                '\t' => formatter.write_str("\\t")?,
                // The rest of the control characters; and `<`, in case a browser is talked into reading it as a page.
                '\0'..='\x1f' | '\x7f' | '<' => write!(formatter, "\\u{:04x}", u32::from(character))?,
                other => formatter.write_char(other)?,
            }
        }
        formatter.write_char('"')
    }
}

/// Bytes as they are, between quotes, which is what old Edgent sends; what is not UTF-8 becomes U+FFFD.
pub(crate) struct UnescapedText<'a>(pub(crate) &'a [u8]);

impl Display for UnescapedText<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"")?;
        for character in lossy_characters(self.0) {
            formatter.write_char(character)?;
        }
        formatter.write_char('"')
    }
}

/// Bytes as HTML text or attribute value; what is not UTF-8 becomes U+FFFD.
pub(crate) struct HtmlText<'a>(pub(crate) &'a [u8]);

impl Display for HtmlText<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in lossy_characters(self.0) {
            match character {
                '&' => formatter.write_str("&amp;")?,
                '<' => formatter.write_str("&lt;")?,
                '>' => formatter.write_str("&gt;")?,
                '"' => formatter.write_str("&quot;")?,
                '\'' => formatter.write_str("&#39;")?,
                // HTML cannot carry these; the page says that something is there.
                '\0'..='\x1f' | '\x7f' => formatter.write_char(char::REPLACEMENT_CHARACTER)?,
                other => formatter.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) struct HexText<'a>(pub(crate) &'a [u8]);

impl Display for HexText<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

fn lossy_characters(bytes: &[u8]) -> impl Iterator<Item = char> + '_ {
    bytes.utf8_chunks().flat_map(|chunk| {
        let replacement = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
        chunk.valid().chars().chain(replacement)
    })
}
