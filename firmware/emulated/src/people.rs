//! What a person's phone says to the portal.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use crate::air::AirNetwork;

pub(crate) const CLOUD_HOST: &str = "cloud.example.net";
pub(crate) const CLOUD_PORT: u16 = 443;

/// What somebody will submit as soon as the hotspot is open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SetUp {
    pub(crate) network: AirNetwork,
    pub(crate) token: &'static str,
}

/// The requests of one set-up, with the time after joining the hotspot in ms.
pub(crate) fn requests(set_up: SetUp) -> Vec<(u64, Vec<u8>)> {
    let body = form(&[
        ("ssid", set_up.network.ssid),
        ("pass", set_up.network.password),
        ("blynk", set_up.token),
        ("host", CLOUD_HOST),
        ("port_ssl", &format!("{CLOUD_PORT}")),
    ]);
    let submit = format!(
        "POST /config HTTP/1.1\r\nHost: 192.168.4.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n").into_bytes();
    [(1_000, get("/board_info.json")), (2_000, get("/wifi_scan.json")), (12_000, submit.into_bytes())].into()
}

/// Encodes a form as browsers do.
fn form(fields: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (index, (name, value)) in fields.iter().enumerate() {
        let separator = if index == 0 { "" } else { "&" };
        write!(out, "{separator}{name}=").expect("a string takes everything");
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() {
                out.push(char::from(byte));
            } else {
                write!(out, "%{byte:02X}").expect("a string takes everything");
            }
        }
    }
    out
}
