//! A phone in the hotspot of a board, for virtual time: gets an address, asks for names, looks for the portal as real
//! systems do, and speaks HTTP/1.1 with the board's real portal.

mod datagrams;
mod systems;

#[cfg(test)]
mod tests;

use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use portal::{DHCP_SERVER_PORT, DNS_PORT};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::board::BoardId;
use crate::board_core::{BoardCore, JoinHotspotError};
use crate::world::{Bench, ChangeBenchError};
use datagrams::{DhcpKind, dhcp_message, dns_query, read_dhcp_answer, read_dns_answer};

pub use datagrams::Lease;
pub use systems::{NetworkVerdict, PhoneSystem};

/// Bytes in flight between a phone and a board.
const PIPE_BYTES: usize = 4 * 1024;
/// Longest answer of a portal that a phone reads.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// How long a phone waits for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// What a portal answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneAnswer {
    /// HTTP status.
    pub status: u16,
    /// Header lines, as sent.
    pub head: String,
    /// Everything behind the head.
    pub body: Vec<u8>,
}

impl PhoneAnswer {
    /// Returns the value of a header, whatever the case of its name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }

    /// Returns the body as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Why a phone got no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskPortalError {
    /// The board is gone from the bench.
    #[error("there is no such board")]
    NoBoard(#[source] ChangeBenchError),
    /// The hotspot is closed.
    #[error("the hotspot is closed")]
    NoHotspot,
    /// The hotspot refused the passphrase, or asks for one.
    #[error("the hotspot refused the passphrase")]
    PassphraseRefused,
    /// The phone lost the hotspot, which changed its channel; it has to join again.
    #[error("the phone lost the hotspot")]
    HotspotLost,
    /// The hotspot gave the phone no address.
    #[error("the hotspot gave no address")]
    NoAddress,
    /// The name service of the hotspot knows no such name.
    #[error("the name could not be resolved")]
    UnknownName,
    /// The name leads to somebody else, whom nobody in the hotspot can reach.
    #[error("{address} cannot be reached in the hotspot")]
    Elsewhere {
        /// Where it leads.
        address: Ipv4Addr,
    },
    /// The redirects lead to where they began.
    #[error("the redirects go round")]
    RedirectsGoRound,
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[source] std::io::Error),
    /// No complete answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The answer is no HTTP.
    #[error("the answer is no HTTP")]
    NotHttp,
}

/// A phone that joined the hotspot of a board; dropping it leaves.
#[derive(Debug)]
pub struct Phone {
    bench: Bench,
    board: BoardId,
    core: Rc<BoardCore>,
    mac: [u8; 6],
    lease: Lease,
    /// How often the hotspot had moved when the phone joined it.
    joined_at_move: u32,
}

impl Phone {
    /// Joins the open hotspot of a board.
    ///
    /// # Errors
    /// When there is no such board, its hotspot is closed, or it asks for a passphrase.
    pub fn join(bench: &Bench, board: &BoardId) -> Result<Self, AskPortalError> {
        Self::join_with(bench, board, None)
    }

    /// Joins the hotspot of a board with a passphrase, as the QR code of its label does.
    ///
    /// # Errors
    /// When there is no such board, its hotspot is closed, or it refuses the passphrase.
    pub fn join_with(
        bench: &Bench,
        board: &BoardId,
        passphrase: Option<&[u8]>,
    ) -> Result<Self, AskPortalError> {
        let core = bench.core(board).map_err(AskPortalError::NoBoard)?;
        core.join_hotspot(passphrase).map_err(|error| match error {
            JoinHotspotError::Closed => AskPortalError::NoHotspot,
            JoinHotspotError::PassphraseRefused => AskPortalError::PassphraseRefused,
        })?;
        let [.., a, b, c] = bench.clock().now().as_nanos().to_be_bytes();
        let mac = [0x02, 0x50, 0x68, a, b, c];
        let joined_at_move = core.hotspot_moves.get();
        let Some(lease) = ask_for_lease(&core, mac) else {
            core.detach_station();
            return Err(AskPortalError::NoAddress);
        };
        Ok(Self { bench: bench.clone(), board: board.clone(), core, mac, lease, joined_at_move })
    }

    /// Returns what the hotspot told the phone when it joined.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Asks for the same address again, as a phone does after half its lease; returns whether it may keep it.
    #[must_use]
    pub fn renew_lease(&self) -> bool {
        let (request, transaction) = (DhcpKind::Request, 3);
        let message = dhcp_message(request, self.mac, transaction, Some(&self.lease));
        let answer = self.core.answer_datagram(DHCP_SERVER_PORT, &message);
        let read = answer.and_then(|answer| read_dhcp_answer(&answer, self.mac, transaction));
        read.is_some_and(|(kind, lease)| kind == DhcpKind::Ack && lease.address == self.lease.address)
    }

    /// Asks the hotspot's name service for an address.
    #[must_use]
    pub fn resolve(&self, name: &str) -> Option<Ipv4Addr> {
        let query = dns_query(name, 0x5248)?;
        let answer = self.core.answer_datagram(DNS_PORT, &query)?;
        read_dns_answer(&answer, &query)
    }

    /// Whether the hotspot is still the one that the phone joined, on the same channel.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        self.core.hotspot_ssid().is_some() && self.core.hotspot_moves.get() == self.joined_at_move
    }

    /// Gets a path of the portal.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn get(&self, path: &str) -> Result<PhoneAnswer, AskPortalError> {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: 192.168.4.1\r\nConnection: close\r\n\r\n")).await
    }

    /// Posts a form to the portal; names and values are percent-encoded here.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn post_form(
        &self,
        path: &str,
        fields: &[(&str, &[u8])],
    ) -> Result<PhoneAnswer, AskPortalError> {
        let body = encode_form(fields);
        let length = body.len();
        self.ask(&format!(
            "POST {path} HTTP/1.1\r\nHost: 192.168.4.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ))
        .await
    }

    async fn ask(&self, request: &str) -> Result<PhoneAnswer, AskPortalError> {
        let (mut near, far) = tokio::io::duplex(PIPE_BYTES);
        if self.core.hotspot_ssid().is_some() && !self.is_attached() {
            return Err(AskPortalError::HotspotLost);
        }
        if !self.bench.offer_phone(&self.board, Box::new(far)).map_err(AskPortalError::NoBoard)? {
            return Err(AskPortalError::NoHotspot);
        }
        let mut answer = Vec::new();
        let exchange = async {
            near.write_all(request.as_bytes()).await.map_err(AskPortalError::Broken)?;
            read_answer(&mut near, &mut answer).await
        };
        tokio::select! {
            biased;
            exchanged = exchange => exchanged?,
            () = self.bench.clock().sleep(ANSWER_TIMEOUT) => return Err(AskPortalError::Timeout),
        }
        parse_answer(&answer)
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        if self.is_attached() {
            self.core.detach_station();
        }
    }
}

fn ask_for_lease(core: &BoardCore, mac: [u8; 6]) -> Option<Lease> {
    let ask = |kind: DhcpKind, transaction: u32, wanted: Option<&Lease>| {
        let answer = core.answer_datagram(DHCP_SERVER_PORT, &dhcp_message(kind, mac, transaction, wanted))?;
        read_dhcp_answer(&answer, mac, transaction)
    };
    let (_, offer) = ask(DhcpKind::Discover, 1, None).filter(|(kind, _)| *kind == DhcpKind::Offer)?;
    let (_, lease) = ask(DhcpKind::Request, 2, Some(&offer)).filter(|(kind, _)| *kind == DhcpKind::Ack)?;
    Some(lease)
}

async fn read_answer(near: &mut tokio::io::DuplexStream, answer: &mut Vec<u8>) -> Result<(), AskPortalError> {
    let mut limited = near.take(ANSWER_BYTES_MAX as u64);
    let mut chunk = [0_u8; 1024];
    loop {
        let count = limited.read(&mut chunk).await.map_err(AskPortalError::Broken)?;
        answer.extend(chunk.iter().take(count));
        if count == 0 || is_complete(answer) {
            return Ok(());
        }
    }
}

fn split_head(answer: &[u8]) -> Option<(String, &[u8])> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, rest) = answer.split_at_checked(end)?;
    Some((String::from_utf8_lossy(head).into_owned(), rest.get(4..)?))
}

fn is_complete(answer: &[u8]) -> bool {
    let Some((head, body)) = split_head(answer) else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    length.is_some_and(|length| body.len() >= length)
}

fn parse_answer(answer: &[u8]) -> Result<PhoneAnswer, AskPortalError> {
    let (head, body) = split_head(answer).ok_or(AskPortalError::NotHttp)?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(AskPortalError::NotHttp)?;
    Ok(PhoneAnswer { status, head, body: body.to_vec() })
}

/// Encodes form fields as `application/x-www-form-urlencoded`.
#[must_use]
pub fn encode_form(fields: &[(&str, &[u8])]) -> String {
    let encode = |bytes: &[u8]| -> String {
        bytes
            .iter()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
                    char::from(*byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect()
    };
    let pairs: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}={}", encode(name.as_bytes()), encode(value))).collect();
    pairs.join("&")
}
