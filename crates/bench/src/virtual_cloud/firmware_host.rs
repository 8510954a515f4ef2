//! Firmware images that the simulated cloud hands out over HTTP, and the ways in which a server can misbehave.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use base64ct::{Base64, Encoding as _};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncWriteExt as _, DuplexStream};

use crate::clock::BenchClock;
use crate::firmware_image::FirmwareTag;

/// Bytes that are handed out at once.
const PIECE_BYTES: usize = 1024;
/// Time between two of them: about 50 KiB a second, as small chips write their flash.
const PIECE_TIME: Duration = Duration::from_millis(20);
/// Longest request that is read.
const REQUEST_BYTES_MAX: usize = 4096;

/// An image that the simulated cloud serves.
#[derive(Debug)]
pub struct HostedImage {
    bytes: Vec<u8>,
    headers: String,
    /// Image bytes after which the coming connections break, the next one first.
    breaks: RefCell<VecDeque<usize>>,
    ignores_ranges: Cell<bool>,
    /// Headers of each request, tokens and all.
    requests: RefCell<Vec<String>>,
}

impl HostedImage {
    /// Serves an image with the headers that belong to its tag.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Rc<Self> {
        let headers = headers_of(&bytes);
        Rc::new(Self::with_headers(bytes, headers))
    }

    /// Serves an image with one more header, or with one in place of what belongs to its tag.
    #[must_use]
    pub fn with_header(bytes: Vec<u8>, name: &str, value: &str) -> Rc<Self> {
        let mut headers = headers_without(&bytes, name);
        headers.extend([name, ": ", value, "\r\n"]);
        Rc::new(Self::with_headers(bytes, headers))
    }

    /// Serves an image without one of the headers that belong to its tag.
    #[must_use]
    pub fn without_header(bytes: Vec<u8>, name: &str) -> Rc<Self> {
        let headers = headers_without(&bytes, name);
        Rc::new(Self::with_headers(bytes, headers))
    }

    fn with_headers(bytes: Vec<u8>, headers: String) -> Self {
        let (breaks, requests) = (RefCell::default(), RefCell::default());
        Self { bytes, headers, breaks, ignores_ranges: Cell::new(false), requests }
    }

    /// Lets the coming connections break after so many bytes of the image each.
    pub fn break_after(&self, image_bytes: &[usize]) {
        self.breaks.borrow_mut().extend(image_bytes);
    }

    /// Answers every request with the whole image from now on.
    pub fn ignore_ranges(&self) {
        self.ignores_ranges.set(true);
    }

    /// Returns the requests so far, as text.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.requests.borrow().clone()
    }
}

fn headers_of(image: &[u8]) -> String {
    let digest = Base64::encode_string(&Sha256::digest(image));
    let mut headers = format!("X-SHA256: {digest}\r\nETag: \"{digest}\"\r\n");
    if let Some(FirmwareTag { version, firmware_type, build, .. }) = FirmwareTag::find(image) {
        let facts = [("X-FW-Type", firmware_type), ("X-FW-Ver", version), ("X-FW-Build", build)];
        headers.extend(facts.map(|(name, value)| format!("{name}: {value}\r\n")));
    }
    headers
}

fn headers_without(image: &[u8], name: &str) -> String {
    let left_out = format!("{}:", name.to_ascii_lowercase());
    let is_other = |line: &&str| !line.to_ascii_lowercase().starts_with(&left_out);
    headers_of(image).split_inclusive("\r\n").filter(is_other).collect()
}

/// Whether what a connection begins with is a request for a download.
pub(super) fn is_request(received: &[u8]) -> bool {
    received.starts_with(b"GET ")
}

/// Answers one request, once it is whole; `None` when more is needed.
pub(super) async fn serve_request(
    received: &[u8],
    find: impl FnOnce(&str) -> Option<Rc<HostedImage>>,
    pipe: &mut DuplexStream,
    clock: &BenchClock,
) -> Option<()> {
    let text = String::from_utf8_lossy(received).into_owned();
    if !text.contains("\r\n\r\n") && received.len() < REQUEST_BYTES_MAX {
        return None;
    }
    let path = text.split(' ').nth(1).and_then(|target| target.split('?').next()).unwrap_or_default();
    let Some(image) = find(path) else {
        // A broken pipe ends the connection, which ends here anyway.
        drop(pipe.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await);
        return Some(());
    };
    image.requests.borrow_mut().push(text.clone());
    let first_byte =
        range_start(&text).filter(|start| !image.ignores_ranges.get() && *start < image.bytes.len());
    let body = image.bytes.get(first_byte.unwrap_or(0)..).unwrap_or_default();
    let (whole_bytes, length) = (image.bytes.len(), body.len());
    let status = match first_byte {
        Some(first) => format!(
            "206 Partial Content\r\nContent-Range: bytes {first}-{}/{whole_bytes}",
            whole_bytes.saturating_sub(1)
        ),
        None => "200 OK".to_owned(),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{}\r\n", image.headers);
    let sent_bytes = image.breaks.borrow_mut().pop_front().unwrap_or(length).min(length);
    drop(pipe.write_all(head.as_bytes()).await);
    for piece in body.get(..sent_bytes).unwrap_or_default().chunks(PIECE_BYTES) {
        if pipe.write_all(piece).await.is_err() {
            break;
        }
        clock.sleep(PIECE_TIME).await;
    }
    Some(())
}

fn range_start(request: &str) -> Option<usize> {
    let line = request.lines().find(|line| line.to_ascii_lowercase().starts_with("range: bytes="))?;
    line.split_once('=')?.1.trim_end_matches('-').parse().ok()
}
