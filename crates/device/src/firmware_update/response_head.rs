//! Reads the head of an HTTP answer: status line and headers.

use base64ct::{Base64, Encoding as _};

/// Longest head that is accepted, in bytes. Ours: servers behind proxies send about 1 kB.
pub const HEAD_BYTES_MAX: usize = 2048;
/// Most header lines in it. Ours.
pub const HEAD_LINE_COUNT_MAX: usize = 40;
/// Longest entity tag that is remembered, in bytes, quotes included.
pub const ETAG_BYTES_MAX: usize = 80;

/// What an answer says about the bytes that follow. Values that are absent are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseHead<'a> {
    /// Status code.
    pub status: u16,
    /// `Content-Length` in bytes.
    pub content_bytes: Option<u64>,
    /// `Content-Range`, when the answer is a part.
    pub range: Option<ContentRange>,
    /// `Transfer-Encoding` names anything but `identity`.
    pub is_chunked: bool,
    /// `Content-Encoding` names anything but `identity`.
    pub is_compressed: bool,
    /// `ETag`, when it is a strong one of at most [`ETAG_BYTES_MAX`] bytes.
    pub etag: Option<&'a str>,
    /// `X-SHA256`.
    pub sha256: Option<[u8; 32]>,
    /// `X-Rehome-Signature`.
    pub signature: Option<[u8; 64]>,
    /// `X-FW-Type`.
    pub firmware_type: Option<&'a str>,
    /// `X-FW-Ver`.
    pub firmware_version: Option<&'a str>,
    /// `X-FW-Build`.
    pub firmware_build: Option<&'a str>,
}

/// A part of a whole, in bytes. `first_byte <= last_byte < whole_bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// Position of the first byte.
    pub first_byte: u64,
    /// Position of the last byte.
    pub last_byte: u64,
    /// Size of the whole.
    pub whole_bytes: u64,
}

/// Why bytes are no acceptable head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadHeadError {
    /// Not HTTP/1.
    #[error("it is not HTTP")]
    Malformed,
    /// More than [`HEAD_BYTES_MAX`] or [`HEAD_LINE_COUNT_MAX`].
    #[error("its head is too long")]
    TooLong,
    /// A header that must be unique came twice with different values.
    #[error("{name} came twice")]
    Twice {
        /// Which header.
        name: &'static str,
    },
    /// A header's value is not what it should be.
    #[error("{name} is malformed")]
    Value {
        /// Which header.
        name: &'static str,
    },
}

/// Reads the head at the start of `input`, which holds everything received since the request; `None` = more is needed.
/// The number says how many bytes the head takes.
///
/// The result does not depend on how the bytes were split. The work is linear in the input.
///
/// # Errors
/// When no further byte could make an acceptable head of it.
pub fn read_response_head(input: &[u8]) -> Result<Option<(ResponseHead<'_>, usize)>, ReadHeadError> {
    let input = input.get(..HEAD_BYTES_MAX).unwrap_or(input);
    let mut lines = [httparse::EMPTY_HEADER; HEAD_LINE_COUNT_MAX];
    let mut parsed = httparse::Response::new(&mut lines);
    let head_bytes = match parsed.parse(input) {
        Ok(httparse::Status::Complete(head_bytes)) => head_bytes,
        Ok(httparse::Status::Partial) if input.len() >= HEAD_BYTES_MAX => return Err(ReadHeadError::TooLong),
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(ReadHeadError::TooLong),
        Err(_) => return Err(ReadHeadError::Malformed),
    };
    let mut head = ResponseHead { status: parsed.code.unwrap_or_default(), ..ResponseHead::default() };
    for line in parsed.headers.iter() {
        head.take(line.name, line.value)?;
    }
    Ok(Some((head, head_bytes)))
}

impl<'a> ResponseHead<'a> {
    fn take(&mut self, name: &str, value: &'a [u8]) -> Result<(), ReadHeadError> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("content-length") {
            keep_one(&mut self.content_bytes, decimal(value), "Content-Length")
        } else if is("content-range") {
            keep_one(&mut self.range, content_range(value), "Content-Range")
        } else if is("transfer-encoding") {
            self.is_chunked |= !value.trim_ascii().eq_ignore_ascii_case(b"identity");
            Ok(())
        } else if is("content-encoding") {
            self.is_compressed |= !value.trim_ascii().eq_ignore_ascii_case(b"identity");
            Ok(())
        } else if is("etag") {
            // One that cannot be used only costs the chance to resume.
            self.etag = text(value).filter(|etag| is_strong(etag));
            Ok(())
        } else if is("x-sha256") {
            keep_one(&mut self.sha256, base64(value), "X-SHA256")
        } else if is("x-rehome-signature") {
            keep_one(&mut self.signature, base64(value), "X-Rehome-Signature")
        } else if is("x-fw-type") {
            keep_one(&mut self.firmware_type, text(value), "X-FW-Type")
        } else if is("x-fw-ver") {
            keep_one(&mut self.firmware_version, text(value), "X-FW-Ver")
        } else if is("x-fw-build") {
            keep_one(&mut self.firmware_build, text(value), "X-FW-Build")
        } else {
            Ok(())
        }
    }
}

/// Two different lengths or digests mean that somebody on the way reads the answer differently.
fn keep_one<T: PartialEq>(
    slot: &mut Option<T>,
    value: Option<T>,
    name: &'static str,
) -> Result<(), ReadHeadError> {
    let value = value.ok_or(ReadHeadError::Value { name })?;
    match slot {
        Some(known) if *known != value => Err(ReadHeadError::Twice { name }),
        _ => {
            *slot = Some(value);
            Ok(())
        }
    }
}

fn text(value: &[u8]) -> Option<&str> {
    let value = value.trim_ascii();
    let is_text = !value.is_empty() && value.iter().all(|byte| *byte == b' ' || byte.is_ascii_graphic());
    core::str::from_utf8(value).ok().filter(|_| is_text)
}

pub(crate) fn is_strong(etag: &str) -> bool {
    let quoted = etag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    etag.len() <= ETAG_BYTES_MAX && quoted.is_some_and(|inner| !inner.contains('"'))
}

fn decimal(value: &[u8]) -> Option<u64> {
    let digits = core::str::from_utf8(value.trim_ascii()).ok()?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

/// `bytes 100-199/200`. A whole of unknown size cannot be resumed.
fn content_range(value: &[u8]) -> Option<ContentRange> {
    let value = core::str::from_utf8(value.trim_ascii()).ok()?;
    let (unit, rest) = value.split_once(' ')?;
    let (span, whole) = rest.trim_start().split_once('/')?;
    let (first, last) = span.split_once('-')?;
    let range = ContentRange {
        first_byte: decimal(first.as_bytes())?,
        last_byte: decimal(last.as_bytes())?,
        whole_bytes: decimal(whole.as_bytes())?,
    };
    let is_part = range.first_byte <= range.last_byte && range.last_byte < range.whole_bytes;
    (unit.eq_ignore_ascii_case("bytes") && is_part).then_some(range)
}

fn base64<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let decoded_bytes = Base64::decode(value.trim_ascii(), &mut bytes).ok()?.len();
    (decoded_bytes == N).then_some(bytes)
}

#[cfg(test)]
mod tests;
