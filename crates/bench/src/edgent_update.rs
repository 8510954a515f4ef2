//! Firmware updates of the emulated Edgent boards: the download, its checks, and the installation without a trial.
//! Source of every rule: edgent-device.md §6 and §8, http-api.md §8, observed-clients.md "OTA and MQTT".

use base64ct::{Base64, Encoding as _};
use md5::Md5;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::board::{BoardHandle, DialSecurity};
use crate::edgent_board::say;
use crate::firmware_slots::{SLOT_BYTES, SlotStore};

/// Longest head of an answer; the ESP8266 reads line by line, so it knows no limit of its own.
const HEAD_BYTES_MAX: usize = 4096;
/// Smallest image that the new generation takes.
const NEW_IMAGE_BYTES_MIN: usize = 1024;
/// Bytes written at once: one flash sector holds two of them.
const PIECE_BYTES: usize = 2048;

/// Whose rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpdateRules {
    /// The C++ library: HTTP/1.0, MD5 if given, any status on an ESP8266.
    Old,
    /// Edgent for Arduino: 2xx, SHA-256, 1,024 bytes and more; http unless the address ends in `&s=1`.
    New,
}

/// Why an update failed, as the serial log says it. The address stays out: it may carry a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UpdateError {
    #[error("the address is no http address")]
    Address,
    #[error("no connection")]
    Connect,
    #[error("the connection broke or fell silent")]
    Read,
    #[error("the answer is not HTTP")]
    Head,
    #[error("the server answered {0}")]
    Status(u16),
    #[error("Content-Length is missing or too small")]
    Length,
    #[error("X-SHA256 is missing")]
    NoDigest,
    #[error("the digest is another one")]
    Digest,
    #[error("not enough space")]
    Space,
}

/// Downloads and installs what is at `url`; the next start runs it.
pub(crate) async fn update(board: &BoardHandle, rules: UpdateRules, url: &str) -> Result<(), UpdateError> {
    let image = download(board, rules, url).await?;
    install(&board.firmware_slots(), &image).await.ok_or(UpdateError::Space)?;
    say(board, &format!("OTA: {} bytes written", image.len()));
    Ok(())
}

async fn download(board: &BoardHandle, rules: UpdateRules, url: &str) -> Result<Vec<u8>, UpdateError> {
    let (scheme, rest) = url.split_once("://").ok_or(UpdateError::Address)?;
    let security = match (rules, scheme) {
        (UpdateRules::Old, "https") => DialSecurity::VerifiedTls,
        (UpdateRules::New, "http" | "https") if url.ends_with("&s=1") => DialSecurity::VerifiedTls,
        (_, "http" | "https") => DialSecurity::Plain,
        _ => return Err(UpdateError::Address),
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, port.parse().map_err(|_no_number| UpdateError::Address)?),
        None => (authority, if security == DialSecurity::Plain { 80 } else { 443 }),
    };
    let mut pipe = board.dial(host, port, security).await.map_err(|_failed| UpdateError::Connect)?;
    let version = if rules == UpdateRules::Old { "1.0" } else { "1.1" };
    let request = format!("GET /{path} HTTP/{version}\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    pipe.write_all(request.as_bytes()).await.map_err(|_broken| UpdateError::Read)?;

    let silence_ms = if rules == UpdateRules::Old { 10_000 } else { 30_000 };
    let mut received = Vec::new();
    let mut announced = None;
    loop {
        let mut chunk = [0_u8; 1024];
        let read = tokio::select! {
            biased;
            read = pipe.read(&mut chunk) => read,
            () = board.sleep_ms(silence_ms) => return Err(UpdateError::Read),
        };
        let Ok(read_bytes @ 1..) = read else { return Err(UpdateError::Read) };
        received.extend(chunk.iter().take(read_bytes));
        if announced.is_none() {
            announced = read_head(rules, &received)?;
        }
        if let Some(Announced { head_bytes, image_bytes, check }) = &announced
            && let Some(image) = received.get(*head_bytes..head_bytes.saturating_add(*image_bytes))
        {
            return if check.holds_for(image) { Ok(image.to_vec()) } else { Err(UpdateError::Digest) };
        }
    }
}

/// What the head of an answer says.
struct Announced {
    head_bytes: usize,
    image_bytes: usize,
    check: Check,
}

enum Check {
    None,
    Md5(String),
    Sha256(String),
}

impl Check {
    fn holds_for(&self, image: &[u8]) -> bool {
        match self {
            Self::None => true,
            Self::Md5(digits) => {
                let digest = Md5::digest(image);
                let found: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                digits.eq_ignore_ascii_case(&found.concat())
            }
            Self::Sha256(text) => *text == Base64::encode_string(&Sha256::digest(image)),
        }
    }
}

fn read_head(rules: UpdateRules, received: &[u8]) -> Result<Option<Announced>, UpdateError> {
    let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") else {
        return if received.len() > HEAD_BYTES_MAX { Err(UpdateError::Head) } else { Ok(None) };
    };
    let text = String::from_utf8_lossy(received.get(..end).unwrap_or_default()).into_owned();
    let mut lines = text.split("\r\n");
    let status_line = lines.next().filter(|line| line.starts_with("HTTP/")).ok_or(UpdateError::Head)?;
    let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(UpdateError::Head)?;
    let headers: Vec<(String, &str)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
        .collect();
    let find = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value);
    if rules == UpdateRules::New && !(200..300).contains(&status) {
        return Err(UpdateError::Status(status));
    }
    let image_bytes: usize =
        find("content-length").and_then(|value| value.parse().ok()).ok_or(UpdateError::Length)?;
    let is_too_small = match rules {
        UpdateRules::Old => image_bytes == 0,
        UpdateRules::New => image_bytes < NEW_IMAGE_BYTES_MIN,
    };
    if is_too_small {
        return Err(UpdateError::Length);
    }
    if image_bytes > SLOT_BYTES as usize {
        return Err(UpdateError::Space);
    }
    let check = match rules {
        UpdateRules::Old => find("x-md5").map_or(Check::None, |digits| Check::Md5(digits.to_owned())),
        UpdateRules::New => Check::Sha256(find("x-sha256").ok_or(UpdateError::NoDigest)?.to_owned()),
    };
    Ok(Some(Announced { head_bytes: end.saturating_add(4), image_bytes, check }))
}

async fn install(slots: &SlotStore, image: &[u8]) -> Option<()> {
    let image_bytes = u32::try_from(image.len()).ok()?;
    slots.begin_image(image_bytes).await.ok()?;
    let mut offset = 0_u32;
    for piece in image.chunks(PIECE_BYTES) {
        slots.write_image(offset, piece).await.ok()?;
        offset = offset.checked_add(u32::try_from(piece.len()).ok()?)?;
    }
    slots.install_untried(image_bytes).await.ok()
}

#[cfg(test)]
mod tests;
