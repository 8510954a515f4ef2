//! Who hands out firmware over HTTP, and the ways in which that goes wrong.

use std::fmt;

use base64ct::{Base64, Encoding as _};
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest as _, Sha256};

use crate::board::FIRMWARE_TYPE;
use crate::dice::Dice;
use crate::slots::{Conduct, SLOT_BYTES, SlotTrouble, make_image};

/// Host of every download.
pub(crate) const FILE_HOST: &str = "files.blynk.cloud";
/// Bytes of an answer that travel together.
const PIECE_BYTES: usize = 1024;
/// Orders of one update, until the cloud leaves it at that.
const ORDER_COUNT: u8 = 3;

/// What is wrong with the server or with what it hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostFault {
    None,
    /// The first two connections break in the middle; what is missing can be asked for.
    Breaks,
    /// The same at a server that always begins at the beginning.
    BreaksAndIgnoresRanges,
    /// The first connection falls silent in the middle.
    Stalls,
    /// It always ends too early.
    Truncates,
    /// Some byte is not what the digest was made of.
    Altered,
    NoDigest,
    OtherType,
    TooLarge,
    NotSigned,
    ForeignSignature,
    NotFound,
    Busy,
}

impl HostFault {
    pub(crate) const ALL: [Self; 13] = [
        Self::None,
        Self::Breaks,
        Self::BreaksAndIgnoresRanges,
        Self::Stalls,
        Self::Truncates,
        Self::Altered,
        Self::NoDigest,
        Self::OtherType,
        Self::TooLarge,
        Self::NotSigned,
        Self::ForeignSignature,
        Self::NotFound,
        Self::Busy,
    ];
}

/// An update as the plan has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlannedUpdate {
    pub(crate) conduct: Conduct,
    pub(crate) host: HostFault,
    pub(crate) slot: SlotTrouble,
}

/// An update on offer to one board.
pub(crate) struct Update {
    pub(crate) image: Vec<u8>,
    version: String,
    fault: HostFault,
    /// The device may install it.
    pub(crate) is_acceptable: bool,
    pub(crate) orders_left: u8,
    connection_count: u8,
    signature: [u8; 64],
}

/// What the server says to a request.
pub(crate) struct Answer {
    pub(crate) pieces: Vec<Vec<u8>>,
    /// The connection is closed behind it.
    pub(crate) is_closing: bool,
}

impl Update {
    /// Puts an image on offer. `key` signs what is to be installed, `foreign_key` is somebody else's.
    pub(crate) fn new(
        planned: &PlannedUpdate,
        number: u64,
        (key, foreign_key): (&SigningKey, &SigningKey),
        is_key_checked: bool,
        dice: &mut Dice,
    ) -> Self {
        let version = format!("2.0.{number}");
        let image = make_image(&version, planned.conduct, dice);
        let signer = if planned.host == HostFault::ForeignSignature { foreign_key } else { key };
        let signature = signer.sign(signed_text(&version, &image).as_bytes()).to_bytes();
        let is_acceptable = match planned.host {
            HostFault::None
            | HostFault::Breaks
            | HostFault::BreaksAndIgnoresRanges
            | HostFault::Stalls
            | HostFault::Busy => true,
            HostFault::NotSigned | HostFault::ForeignSignature => !is_key_checked,
            _ => false,
        };
        Self {
            image,
            version,
            fault: planned.host,
            is_acceptable,
            orders_left: ORDER_COUNT,
            connection_count: 0,
            signature,
        }
    }

    pub(crate) fn url(is_tls: bool) -> String {
        let scheme = if is_tls { "https" } else { "http" };
        format!("{scheme}://{FILE_HOST}/firmware/world.bin?token=download-of-this-world")
    }

    /// Answers a whole request.
    pub(crate) fn answer(&mut self, request: &[u8], dice: &mut Dice) -> Answer {
        self.connection_count = self.connection_count.saturating_add(1);
        let is_first = self.connection_count == 1;
        let refusal = match self.fault {
            HostFault::NotFound => Some("404 Not Found"),
            HostFault::Busy if is_first => Some("503 Service Unavailable"),
            _ => None,
        };
        if let Some(status) = refusal {
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            return Answer { pieces: vec![head.into_bytes()], is_closing: true };
        }
        let first_byte = match self.fault {
            HostFault::BreaksAndIgnoresRanges => 0,
            _ => range_start(request).filter(|start| *start < self.image.len()).unwrap_or(0),
        };
        let mut body = self.image.get(first_byte..).unwrap_or_default().to_vec();
        let head = self.head(first_byte, body.len());
        let middle = dice.index(body.len());
        let breaks = matches!(self.fault, HostFault::Breaks | HostFault::BreaksAndIgnoresRanges);
        match self.fault {
            HostFault::Truncates => body.truncate(middle),
            HostFault::Altered => {
                if let Some(byte) = body.get_mut(middle) {
                    *byte ^= 1;
                }
            }
            _ if breaks && self.connection_count <= 2 => body.truncate(middle),
            HostFault::Stalls if is_first => body.truncate(middle),
            _ => {}
        }
        let is_stalling = self.fault == HostFault::Stalls && is_first;
        let whole = [head.into_bytes(), body].concat();
        Answer { pieces: whole.chunks(PIECE_BYTES).map(<[u8]>::to_vec).collect(), is_closing: !is_stalling }
    }

    fn head(&self, first_byte: usize, body_bytes: usize) -> String {
        let whole_bytes = self.image.len();
        let digest = Base64::encode_string(&Sha256::digest(&self.image));
        let (status, length) = match (self.fault, first_byte) {
            (HostFault::TooLarge, _) => ("200 OK".to_owned(), SLOT_BYTES as usize + 1),
            (_, 0) => ("200 OK".to_owned(), body_bytes),
            (_, first) => {
                let last = whole_bytes.saturating_sub(1);
                let status =
                    format!("206 Partial Content\r\nContent-Range: bytes {first}-{last}/{whole_bytes}");
                (status, body_bytes)
            }
        };
        let firmware_type = if self.fault == HostFault::OtherType { "TMPLother" } else { FIRMWARE_TYPE };
        let mut head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nETag: \"{digest}\"\r\n\
             X-FW-Type: {firmware_type}\r\nX-FW-Ver: {}\r\n",
            self.version
        );
        if self.fault != HostFault::NoDigest {
            head.extend(["X-SHA256: ", &digest, "\r\n"]);
        }
        if self.fault != HostFault::NotSigned {
            head.extend(["X-Rehome-Signature: ", &Base64::encode_string(&self.signature), "\r\n"]);
        }
        head + "\r\n"
    }
}

/// What a firmware signature covers. Source: decision 0025 and the tool that signs images.
fn signed_text(version: &str, image: &[u8]) -> String {
    let digest = Sha256::digest(image);
    let digest = Base16(&digest);
    format!("rehome-firmware-1\n{FIRMWARE_TYPE}\n{version}\n{}\n{digest}\n", image.len())
}

/// Bytes as hexadecimal digits.
struct Base16<'a>(&'a [u8]);

impl fmt::Display for Base16<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

fn range_start(request: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(request);
    let line = text.lines().find(|line| line.to_ascii_lowercase().starts_with("range: bytes="))?;
    line.split_once('=')?.1.trim_end_matches('-').parse().ok()
}
