//! What happens during a rescue, for a person and for a program.

use std::fmt;
use std::io::{Write as _, stdout};

use provision::ReleaseStanding;
use serde::Serialize;

/// Something happened. `Display` is a line for a person.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event {
    /// The network is up.
    NetworkUp { ssid: String, interface: String, is_open: bool },
    /// Boards will join and reach nobody.
    NoWayOut,
    /// Somebody joined.
    BoardJoined { mac: String, waited_s: u64 },
    /// Somebody left.
    BoardLeft { mac: String },
    /// Nothing happened for a while.
    Waiting { waited_s: u64, joined_count: usize },
    /// The release came further.
    Release(ReleaseStanding),
    /// The server does not answer.
    ServerSilent { reason: String },
    /// The time that was given is over.
    TimeOver,
    /// Somebody pressed Ctrl-C.
    Stopped,
    /// The board is wiped.
    SafeToShip,
    /// The network is down again.
    NetworkDown { restored: Option<String>, problem: Option<String> },
}

impl fmt::Display for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NetworkUp { ssid, interface, is_open } => {
                write!(formatter, "The network {ssid:?} is up on {interface}. Waiting for the board; power it up near here.")?;
                if *is_open {
                    formatter.write_str(" The network is open: anybody in reach can join it.")?;
                }
                Ok(())
            }
            Self::NoWayOut => formatter.write_str(
                "This computer has no other network now. A board that joins reaches its server only if that runs here; else \
                 plug in a cable.",
            ),
            Self::BoardJoined { mac, waited_s } => {
                write!(formatter, "A board joined after {}: MAC {mac}.", Waited(*waited_s))
            }
            Self::BoardLeft { mac } => write!(formatter, "The board with MAC {mac} left."),
            Self::Waiting { waited_s, joined_count: 0 } => {
                write!(formatter, "Waiting for {}; no board has joined yet.", Waited(*waited_s))
            }
            Self::Waiting { waited_s, joined_count } => {
                write!(formatter, "Waiting for {}; {joined_count} joined.", Waited(*waited_s))
            }
            Self::Release(standing) => write!(formatter, "Server: {}", standing.explanation),
            Self::ServerSilent { reason } => {
                write!(formatter, "The server does not answer ({reason}); it is asked again.")
            }
            Self::TimeOver => formatter.write_str("The time is over."),
            Self::Stopped => formatter.write_str("Stopping."),
            Self::SafeToShip => formatter.write_str("The board is wiped: safe to ship."),
            Self::NetworkDown { problem: Some(problem), .. } => {
                write!(formatter, "The network is down again, but {problem}.")
            }
            Self::NetworkDown { restored: Some(connection), .. } => {
                write!(formatter, "The network is down again; {connection:?} is connected as before.")
            }
            Self::NetworkDown { .. } => formatter.write_str("The network is down again."),
        }
    }
}

/// Seconds, for a person.
struct Waited(u64);

impl fmt::Display for Waited {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 60, self.0 % 60) {
            (0, seconds) => write!(formatter, "{seconds} s"),
            (minutes, 0) => write!(formatter, "{minutes} min"),
            (minutes, seconds) => write!(formatter, "{minutes} min {seconds} s"),
        }
    }
}

/// Tells what happens, in words or as one JSON object a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Teller {
    pub(super) is_json: bool,
}

impl Teller {
    pub(super) fn tell(self, event: &Event) {
        let line = if self.is_json { serde_json::json!(event).to_string() } else { event.to_string() };
        let mut stdout = stdout().lock();
        // A reader who went away must not keep the network from being taken down.
        drop(writeln!(stdout, "{line}").and_then(|()| stdout.flush()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_told_in_words_and_as_json() {
        let joined = Event::BoardJoined { mac: "24:6F:28:AA:BB:CC".to_owned(), waited_s: 95 };
        assert_eq!(joined.to_string(), "A board joined after 1 min 35 s: MAC 24:6F:28:AA:BB:CC.");
        let expected =
            serde_json::json!({ "event": "board_joined", "mac": "24:6F:28:AA:BB:CC", "waited_s": 95 });
        assert_eq!(serde_json::json!(joined), expected);
        let waiting = Event::Waiting { waited_s: 60, joined_count: 0 };
        assert_eq!(waiting.to_string(), "Waiting for 1 min; no board has joined yet.");
        assert_eq!(serde_json::json!(Event::SafeToShip), serde_json::json!({ "event": "safe_to_ship" }));
    }
}
