//! A scripted device over a plain socket; takes frames apart by hand so that the tests share no code with the server.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::process::DEADLINE;

pub(crate) const RESPONSE: u8 = 0;
pub(crate) const LOGIN_OLD: u8 = 2;
pub(crate) const PING: u8 = 6;
pub(crate) const SYNC: u8 = 16;
pub(crate) const INTERNAL: u8 = 17;
pub(crate) const HARDWARE: u8 = 20;
pub(crate) const LOGIN: u8 = 29;
pub(crate) const DEBUG_PRINT: u8 = 55;

/// Status of a token that the server refuses for good. Source: reference/wire-protocol.md.
pub(crate) const INVALID_TOKEN: u16 = 9;

/// A frame as it travels; a response's body is its status in two bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) command: u8,
    pub(crate) id: u16,
    pub(crate) body: Vec<u8>,
}

impl Frame {
    pub(crate) fn status(&self) -> Option<u16> {
        let [high, low] = self.body.as_slice() else { return None };
        (self.command == RESPONSE).then(|| u16::from_be_bytes([*high, *low]))
    }

    /// The body with bars in place of the separators.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).replace('\0', "|")
    }
}

/// Builds a frame; bars in `body` become separators.
pub(crate) fn frame(command: u8, id: u16, body: &str) -> Vec<u8> {
    let body = body.replace('|', "\0");
    let mut bytes = vec![command];
    bytes.extend(id.to_be_bytes());
    bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend(body.as_bytes());
    bytes
}

/// A connection of a device.
pub(crate) struct Device {
    stream: TcpStream,
}

impl Device {
    /// Connects; `None` when nobody listens.
    pub(crate) fn try_connect(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(DEADLINE)).ok()?;
        stream.set_nodelay(true).ok()?;
        Some(Self { stream })
    }

    /// Connects and logs in; the answer must be 200.
    pub(crate) fn log_in(address: SocketAddr, token: &str) -> Self {
        let mut device = Self::try_connect(address).expect("nobody listens");
        assert_eq!(device.try_login(LOGIN, token), Some(200));
        device
    }

    /// Sends a login and returns the status of its answer; `None` when the connection was closed instead.
    pub(crate) fn try_login(&mut self, command: u8, token: &str) -> Option<u16> {
        self.try_send(&frame(command, 1, token))?;
        loop {
            let frame = self.try_next()?;
            if frame.command != DEBUG_PRINT {
                return Some(frame.status().unwrap_or_else(|| panic!("{frame:?}")));
            }
        }
    }

    /// Sends bytes; `None` when the connection is gone.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> Option<()> {
        self.stream.write_all(bytes).ok()
    }

    /// Returns the next frame; `None` when the connection is gone. Nothing at all until the deadline is a failure.
    pub(crate) fn try_next(&mut self) -> Option<Frame> {
        let mut head = [0; 5];
        self.read(&mut head)?;
        let [command, id_high, id_low, high, low] = head;
        let id = u16::from_be_bytes([id_high, id_low]);
        if command == RESPONSE {
            return Some(Frame { command, id, body: vec![high, low] });
        }
        let mut body = vec![0; usize::from(u16::from_be_bytes([high, low]))];
        self.read(&mut body)?;
        Some(Frame { command, id, body })
    }

    fn read(&mut self, buffer: &mut [u8]) -> Option<()> {
        match self.stream.read_exact(buffer) {
            Ok(()) => Some(()),
            Err(error) => {
                assert_ne!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock,
                    "nothing arrived and nothing was closed"
                );
                None
            }
        }
    }

    /// Sends bytes and a ping, and waits for the answer to the ping: the server has dealt with the bytes then.
    /// Returns what came before it; `None` when the connection is gone.
    pub(crate) fn try_send_acknowledged(&mut self, bytes: &[u8], ping_id: u16) -> Option<Vec<Frame>> {
        let mut all = bytes.to_vec();
        all.extend(frame(PING, ping_id, ""));
        self.try_send(&all)?;
        let mut before = Vec::new();
        loop {
            let frame = self.try_next()?;
            if frame.id == ping_id && frame.command == RESPONSE {
                assert_eq!(frame.status(), Some(200));
                return Some(before);
            }
            before.push(frame);
        }
    }
}
