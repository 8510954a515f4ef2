//! Phones at a board's hotspot: owners who set it up, and people who pass by.

use std::collections::VecDeque;
use std::fmt::Write as _;

use crate::board::{CLOUD_HOST, PLAIN_PORT, TLS_PORT};
use crate::judge::Typed;
use crate::plan::Passerby;

/// How often the page asks how far the trial is before the person gives up.
pub(crate) const WATCHES_MAX: u8 = 20;

/// One person with a phone.
pub(crate) struct Visit {
    pub(crate) who: Visitor,
    pub(crate) step: Step,
    /// What will be typed in, one after the other until one works.
    pub(crate) entries: VecDeque<Typed>,
    pub(crate) is_plain: bool,
    /// What is given as proof where forms ask for it.
    pub(crate) pop: Option<String>,
    /// What the portal answered to the last request.
    pub(crate) answer: Vec<u8>,
    /// The entry that was sent and not yet answered.
    pub(crate) sent: Option<Typed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visitor {
    Owner,
    Passerby(Passerby),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Looks for the hotspot.
    Arrive {
        power_cycles_left: u8,
    },
    ReadInfo,
    Scan,
    Submit {
        tries_left: u8,
    },
    Watch {
        left: u8,
    },
    /// Asks now and then without wanting anything.
    Idle {
        left: u8,
    },
    /// Asks for `/reboot` after `/reset`.
    Reboot,
    Leave,
}

impl Visit {
    pub(crate) fn new(who: Visitor, entries: VecDeque<Typed>, is_plain: bool, pop: Option<String>) -> Self {
        let power_cycles_left = u8::from(who == Visitor::Owner);
        let step = Step::Arrive { power_cycles_left };
        Self { who, step, entries, is_plain, pop, answer: Vec::new(), sent: None }
    }

    pub(crate) fn answered(&self, text: &[u8]) -> bool {
        self.answer.windows(text.len()).any(|part| part == text)
    }

    /// The number after `"last_error":` of a status answer.
    pub(crate) fn told_error(&self) -> u64 {
        const KEY: &[u8] = b"\"last_error\":";
        let position = self.answer.windows(KEY.len()).position(|part| part == KEY);
        let digits =
            position.and_then(|position| self.answer.get(position + KEY.len()..)).unwrap_or_default();
        let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
        digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
    }
}

pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: 192.168.4.1\r\nConnection: close\r\n\r\n").into_bytes()
}

/// The setup page's form.
pub(crate) fn submit(entry: &Typed, is_plain: bool, pop: Option<&str>) -> Vec<u8> {
    let mut body = proof(pop);
    push_field(&mut body, "ssid", &entry.ssid);
    push_field(&mut body, "pass", &entry.password);
    if let Some(token) = &entry.token {
        let shown = entry.code.map(|code| code.shown());
        push_field(&mut body, "blynk", shown.as_ref().map_or(token.as_slice(), <[u8; 9]>::as_slice));
        push_field(&mut body, "host", CLOUD_HOST.as_bytes());
        let port = if is_plain { PLAIN_PORT } else { TLS_PORT };
        push_field(&mut body, "port_ssl", port.to_string().as_bytes());
    }
    post("/config", &body)
}

/// The form field of a proof of possession.
pub(crate) fn proof(pop: Option<&str>) -> String {
    let mut body = String::new();
    if let Some(pop) = pop {
        push_field(&mut body, "pop", pop.as_bytes());
    }
    body
}

pub(crate) fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: 192.168.4.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

fn push_field(body: &mut String, name: &str, value: &[u8]) {
    if !body.is_empty() {
        body.push('&');
    }
    body.push_str(name);
    body.push('=');
    for byte in value {
        if byte.is_ascii_alphanumeric() {
            body.push(char::from(*byte));
        } else {
            // Writing to a string does not fail.
            write!(body, "%{byte:02X}").unwrap_or_default();
        }
    }
}
