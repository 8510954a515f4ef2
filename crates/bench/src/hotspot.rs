//! An open hotspot as a phone's radio and its UDP sockets see it.
//!
//! What answers is `portal`'s own code, as on hardware; only the wires between it and the phone are the bench's.

use std::time::Duration;

use portal::{
    Access, DHCP_REPLY_BYTES_MAX, DHCP_SERVER_PORT, DNS_MESSAGE_BYTES_MAX, DNS_PORT, DhcpServer, Dialect,
    PortalMode, answer_dns,
};

use crate::air::Secret;

/// A hotspot from its opening to its end.
#[derive(Debug)]
pub(crate) struct OpenHotspot {
    pub(crate) ssid: String,
    /// `None` is an open network.
    pub(crate) passphrase: Option<Secret>,
    dialect: Dialect,
    dhcp: DhcpServer,
}

impl OpenHotspot {
    pub(crate) fn new(ssid: &str, passphrase: Option<&str>, dialect: Dialect) -> Self {
        // Stock firmware does not know the option. Source: edgent-device.md, section 5.
        let dhcp = match dialect {
            Dialect::Rehome => DhcpServer::new(),
            Dialect::EdgentOld | Dialect::EdgentNew => DhcpServer::new().with_captive_uri(None),
        };
        Self { ssid: ssid.to_owned(), passphrase: passphrase.map(Secret::new), dialect, dhcp }
    }

    /// Takes one UDP payload of a phone and returns the answer, or nothing where the board is silent.
    pub(crate) fn answer_datagram(&mut self, port: u16, payload: &[u8], uptime: Duration) -> Option<Vec<u8>> {
        let mut answer = vec![0; DHCP_REPLY_BYTES_MAX.max(DNS_MESSAGE_BYTES_MAX)];
        let answer_bytes = match port {
            DHCP_SERVER_PORT => self.dhcp.handle(payload, uptime, &mut answer)?.written_bytes,
            DNS_PORT => {
                answer_dns(payload, &PortalMode::new(self.dialect, Access::Provisioning), &mut answer)?
            }
            _ => return None,
        };
        answer.truncate(answer_bytes);
        Some(answer)
    }
}
