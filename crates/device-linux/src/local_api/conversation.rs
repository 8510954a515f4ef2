//! An application's lines and the answers to them, without a socket.

use std::io;

use futures_util::FutureExt as _;

use super::pins::Pins;
use super::server::{Lines, Subscription, handle};

/// What one application says and is answered.
#[derive(Debug)]
pub struct Conversation {
    pins: Pins,
    notices: Option<Subscription>,
}

impl Default for Conversation {
    fn default() -> Self {
        Self { pins: Pins::new(), notices: None }
    }
}

impl Conversation {
    /// Takes everything that an application sends until it closes the connection, and returns the answers, a line each.
    ///
    /// # Errors
    /// The answers before a line that is too long; it ends the connection.
    pub fn answer(&mut self, sent: &[u8]) -> Result<Vec<String>, Vec<String>> {
        let mut lines = Lines::of(sent);
        let mut answers = Vec::new();
        loop {
            // Bytes in memory never keep a reader waiting.
            match lines.next().now_or_never().unwrap_or_else(|| Err(io::ErrorKind::WouldBlock.into())) {
                Ok(Some(line)) => answers.push(handle(&line, &self.pins, &mut self.notices)),
                Ok(None) => return Ok(answers),
                Err(_too_long) => return Err(answers),
            }
        }
    }
}
