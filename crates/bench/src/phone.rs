//! A phone in the hotspot of a board, for virtual time: speaks HTTP/1.1 with the board's real portal.

use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::board::BoardId;
use crate::board_core::{BoardCore, JoinHotspotError};
use crate::world::{Bench, ChangeBenchError};

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
        Ok(Self { bench: bench.clone(), board: board.clone(), core })
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
        self.core.detach_station();
    }
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

#[cfg(test)]
mod tests {
    use super::encode_form;

    #[test]
    fn forms_keep_every_byte_apart() {
        let encoded = encode_form(&[("ssid", "Café + 50% & \"co\"".as_bytes()), ("pass", b"a=b")]);
        assert_eq!(encoded, "ssid=Caf%C3%A9%20%2B%2050%25%20%26%20%22co%22&pass=a%3Db");
    }
}
