//! `application/x-www-form-urlencoded`, read without copying. Source: WHATWG URL, "parsing".

/// Decodes one name or value: `+` is a space, `%XX` a byte, a malformed escape stands for itself.
#[derive(Debug, Clone)]
pub(crate) struct Decoded<'a> {
    rest: &'a [u8],
    plus: Plus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plus {
    Space,
    Literal,
}

impl<'a> Decoded<'a> {
    pub(crate) const fn form_text(encoded: &'a [u8]) -> Self {
        Self { rest: encoded, plus: Plus::Space }
    }

    /// A path, where `+` stands for itself.
    pub(crate) const fn path(encoded: &'a [u8]) -> Self {
        Self { rest: encoded, plus: Plus::Literal }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        match first {
            b'+' if self.plus == Plus::Space => Some(b' '),
            b'%' => {
                let Some((&[high, low], after)) = rest.split_first_chunk::<2>() else {
                    return Some(b'%');
                };
                let (Some(high), Some(low)) = (hex_digit(high), hex_digit(low)) else {
                    return Some(b'%');
                };
                self.rest = after;
                Some(high << 4 | low)
            }
            other => Some(other),
        }
    }
}

/// Returns the value of a hexadecimal digit.
pub(crate) const fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// The arguments of a request: two encoded forms, of which the first has precedence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arguments<'a> {
    pub(crate) preferred: &'a [u8],
    pub(crate) fallback: &'a [u8],
}

impl<'a> Arguments<'a> {
    /// Returns the first value with this name.
    pub(crate) fn get(&self, name: &str) -> Option<Decoded<'a>> {
        find_field(self.preferred, name).or_else(|| find_field(self.fallback, name))
    }

    /// Returns the first value with this name unless it is empty.
    pub(crate) fn get_filled(&self, name: &str) -> Option<Decoded<'a>> {
        self.get(name).filter(|value| !value.is_empty())
    }
}

fn find_field<'a>(form: &'a [u8], name: &str) -> Option<Decoded<'a>> {
    form.split(|&byte| byte == b'&').find_map(|pair| {
        let mut parts = pair.splitn(2, |&byte| byte == b'=');
        let found = parts.next().unwrap_or_default();
        let value = parts.next().unwrap_or_default();
        Decoded::form_text(found).eq(name.bytes()).then_some(Decoded::form_text(value))
    })
}
