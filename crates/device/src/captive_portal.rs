//! Tells the log-in page of a network from a cloud that is down.
//!
//! Behind a captive portal a TLS connection fails in the same ways as one to a cloud that is down or whose certificate
//! ran out. Such pages catch plain HTTP, so a platform whose dial failed asks once, at port 80 of the cloud's host, for
//! something that no server has. Who answers with a page, or sends the device elsewhere, is no cloud. Decision 0067.
//!
//! What is read here comes from anybody. It can only choose between two error codes, of which neither touches a home.

use core::fmt::Write as _;
use core::time::Duration;

use home_store::HOST_BYTES_MAX;
use lifecycle::CloudError;

/// Port of the question: plain HTTP, which log-in pages catch.
pub const PROBE_PORT: u16 = 80;
/// Longest part of an answer that is looked at, in bytes. Ours: status and redirect stand in the first lines.
pub const PROBE_ANSWER_BYTES_MAX: usize = 1024;
/// How long the question may take, from the name to the answer. Ours: a log-in page is near, and answers at once.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(4);
/// How long a platform may take to find out that there is no connection, so that [`PROBE_TIMEOUT`] fits into what the
/// lifecycle gives an attempt (`trial_cloud`, 25 s).
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of the question around the host.
const PROBE_FRAME_BYTES: usize = 128;
/// `HTTP/1.1 200`.
const STATUS_LINE_BYTES: usize = 12;

/// The question as text.
pub type ProbeRequest = heapless::String<{ HOST_BYTES_MAX + PROBE_FRAME_BYTES }>;

/// What an answer says, as far as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeAnswer {
    /// It takes more bytes to tell. When none come, nothing was said.
    Incomplete,
    /// The network answered in place of the cloud.
    LoginPage,
    /// Anything else: what the dial found out stands.
    Other,
}

/// Says whether a log-in page may be behind a dial that failed so.
///
/// A name without an address leaves nobody to ask.
#[must_use]
pub const fn may_be_login_page(error: CloudError) -> bool {
    matches!(error, CloudError::Timeout | CloudError::Certificate | CloudError::Other)
}

/// Says whether bytes that answered a TLS hello are HTTP: no cloud does that, and nothing else need be asked.
#[must_use]
pub fn is_http(first_bytes: &[u8]) -> bool {
    first_bytes.starts_with(b"HTTP/")
}

/// Writes the question, for a path that `random` makes unknown to every server and every cache on the way.
///
/// `None` when the host cannot stand in a request.
#[must_use]
pub fn probe_request(host: &str, random: u32) -> Option<ProbeRequest> {
    if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let mut text = ProbeRequest::new();
    write!(text, "GET /.well-known/rehome-{random:08x} HTTP/1.1\r\nHost: {host}\r\n").ok()?;
    text.push_str("User-Agent: Rehome\r\nConnection: close\r\n\r\n").ok()?;
    Some(text)
}

/// Reads the answer to [`probe_request`] for `host`; `received` holds everything since the request.
///
/// A log-in page is status 511, success for a path that nobody serves, or a redirect to another host. Once it is told,
/// further bytes change nothing. The work is linear in [`PROBE_ANSWER_BYTES_MAX`]. Heads are read leniently and by the
/// line, since such pages are written by anybody and the first lines of a long head must do.
#[must_use]
pub fn read_probe_answer(received: &[u8], host: &str) -> ProbeAnswer {
    let received = received.get(..PROBE_ANSWER_BYTES_MAX).unwrap_or(received);
    match read_status(received).unwrap_or_else(|| judge_redirect(received, host)) {
        ProbeAnswer::Incomplete if received.len() >= PROBE_ANSWER_BYTES_MAX => ProbeAnswer::Other,
        answer => answer,
    }
}

/// Reads as much as the status can tell; `None` is a redirect.
fn read_status(received: &[u8]) -> Option<ProbeAnswer> {
    let pattern = b"HTTP/1.d ddd";
    let matches = |(byte, wanted): (&u8, &u8)| match wanted {
        b'd' => byte.is_ascii_digit(),
        wanted => byte == wanted,
    };
    if !received.iter().zip(pattern).all(matches) {
        return Some(ProbeAnswer::Other);
    }
    let Some((line, rest)) = received.split_at_checked(STATUS_LINE_BYTES) else {
        return Some(ProbeAnswer::Incomplete);
    };
    match (rest.first(), line.last_chunk::<3>()) {
        (None, _) => Some(ProbeAnswer::Incomplete),
        (Some(b' ' | b'\r' | b'\n'), Some(b"511" | [b'2', ..])) => Some(ProbeAnswer::LoginPage),
        (Some(b' ' | b'\r' | b'\n'), Some([b'3', ..])) => None,
        _ => Some(ProbeAnswer::Other),
    }
}

fn judge_redirect(received: &[u8], host: &str) -> ProbeAnswer {
    for line in received.split_inclusive(|byte| *byte == b'\n').skip(1) {
        let is_whole = line.ends_with(b"\n");
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next());
        match value {
            Some(value) if name.trim_ascii().eq_ignore_ascii_case(b"location") => {
                return judge_target(value, is_whole, host);
            }
            // The end of the head; whatever follows is no header.
            None if is_whole && name.trim_ascii().is_empty() => return ProbeAnswer::Other,
            _ => {}
        }
    }
    ProbeAnswer::Incomplete
}

/// Says where a redirect leads. A target without a host leads to the host that was asked.
fn judge_target(value: &[u8], is_whole: bool, host: &str) -> ProbeAnswer {
    let unsure = if is_whole { ProbeAnswer::Other } else { ProbeAnswer::Incomplete };
    let value = value.trim_ascii();
    // `scheme://host…` or `//host…`; a path or a query before the slashes makes it a relative address.
    let Some(slash) = value.iter().position(|byte| *byte == b'/') else { return unsure };
    let (scheme, rest) = value.split_at(slash);
    let is_scheme = match scheme.split_last() {
        None => true,
        Some((last, name)) => *last == b':' && name.iter().all(u8::is_ascii_alphanumeric),
    };
    if !is_scheme || (rest.len() > 1 && !rest.starts_with(b"//")) {
        return ProbeAnswer::Other;
    }
    let Some(rest) = rest.strip_prefix(b"//") else { return unsure };
    let end =
        rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#' | b'\\') || byte.is_ascii_whitespace());
    let authority = match end {
        Some(end) => rest.get(..end).unwrap_or_default(),
        None if is_whole => rest,
        None => return ProbeAnswer::Incomplete,
    };
    let target = host_of(authority);
    if target.is_empty() || target.eq_ignore_ascii_case(host_of(host.as_bytes())) {
        ProbeAnswer::Other
    } else {
        ProbeAnswer::LoginPage
    }
}

/// Takes user, port and closing dot off: `user@host.example.:8080`.
fn host_of(authority: &[u8]) -> &[u8] {
    let host = authority.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
    // Colons inside brackets belong to an address.
    let address_end =
        host.iter().position(|byte| *byte == b']').map_or(0, |position| position.saturating_add(1));
    let (address, rest) = host.split_at_checked(address_end).unwrap_or((host, b""));
    if !address.is_empty() {
        return address;
    }
    let name = rest.split(|byte| *byte == b':').next().unwrap_or_default();
    name.strip_suffix(b".").unwrap_or(name)
}

#[cfg(test)]
mod tests;
