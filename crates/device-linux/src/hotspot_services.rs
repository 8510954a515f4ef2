//! What a phone in the hotspot needs besides the portal: an address and a name service in which every name is ours.
//!
//! NetworkManager could do both ("shared" addressing), but then it also routes: whoever joins an open hotspot would be
//! in the owner's network. These services give a phone the portal and nothing else.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use portal::{
    Access, DHCP_CLIENT_PORT, DHCP_REPLY_BYTES_MAX, DHCP_SERVER_PORT, DNS_MESSAGE_BYTES_MAX, DNS_PORT,
    DhcpDestination, DhcpServer, Dialect, HOTSPOT_ADDRESS, PortalMode, answer_dns,
};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Largest packet that is read. Source: RFC 2131 §2; longer ones are cut and then malformed.
const PACKET_BYTES_MAX: usize = 1500;
/// Wait before a port that could not be had is tried again: the hotspot's address may need a moment.
const RETRY_WAIT: Duration = Duration::from_millis(500);

/// The services of one hotspot; they end when dropped.
#[derive(Debug)]
pub(crate) struct HotspotServices {
    _tasks: JoinSet<()>,
}

impl HotspotServices {
    /// Starts both services on an interface.
    pub(crate) fn start(interface: &str) -> Self {
        let mut tasks = JoinSet::new();
        tasks.spawn(keep_running("name service", interface.to_owned(), serve_names));
        tasks.spawn(keep_running("address service", interface.to_owned(), serve_addresses));
        Self { _tasks: tasks }
    }
}

/// Runs a service again when it ends, which it does only when its socket fails.
#[expect(clippy::infinite_loop, reason = "it ends when its task is dropped with the services")]
async fn keep_running(what: &'static str, interface: String, serve: impl AsyncFn(&str) -> io::Result<()>) {
    let mut last_kind = None;
    loop {
        if let Err(error) = serve(&interface).await {
            let is_early = error.kind() == io::ErrorKind::AddrNotAvailable;
            if !is_early && last_kind.replace(error.kind()) != Some(error.kind()) {
                tracing::error!(%error, "the hotspot's {what} cannot run");
            }
        }
        tokio::time::sleep(RETRY_WAIT).await;
    }
}

async fn serve_names(interface: &str) -> io::Result<()> {
    let socket = UdpSocket::bind((HOTSPOT_ADDRESS, DNS_PORT)).await?;
    socket.bind_device(Some(interface.as_bytes()))?;
    answer_names(&socket).await
}

/// Answers until the socket fails.
async fn answer_names(socket: &UdpSocket) -> io::Result<()> {
    // The answer does not depend on what is stored.
    let mode = PortalMode::new(Dialect::Rehome, Access::Provisioning);
    let mut query = [0; PACKET_BYTES_MAX];
    let mut answer = [0; DNS_MESSAGE_BYTES_MAX];
    loop {
        let (query_bytes, phone) = receive(socket, &mut query).await?;
        let query = query.get(..query_bytes).unwrap_or_default();
        let written_bytes = answer_dns(query, &mode, &mut answer);
        if let Some(answer) = written_bytes.and_then(|written_bytes| answer.get(..written_bytes)) {
            send(socket, answer, phone).await;
        }
    }
}

async fn serve_addresses(interface: &str) -> io::Result<()> {
    // A phone without an address sends to everybody, so the socket takes every address, but only this interface.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, DHCP_SERVER_PORT)).await?;
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.set_broadcast(true)?;
    let started_at = Instant::now();
    let mut server = DhcpServer::new();
    let mut packet = [0; PACKET_BYTES_MAX];
    let mut reply = [0; DHCP_REPLY_BYTES_MAX];
    loop {
        let (packet_bytes, _phone) = receive(&socket, &mut packet).await?;
        let packet = packet.get(..packet_bytes).unwrap_or_default();
        let Some(answer) = server.handle(packet, started_at.elapsed(), &mut reply) else {
            continue;
        };
        let address = match answer.destination {
            DhcpDestination::Address(address) => address,
            // Addressing hardware directly needs more rights than the agent has; everybody hears it instead.
            DhcpDestination::Broadcast | DhcpDestination::Hardware { .. } => Ipv4Addr::BROADCAST,
        };
        let reply = reply.get(..answer.written_bytes).unwrap_or_default();
        send(&socket, reply, SocketAddr::from((address, DHCP_CLIENT_PORT))).await;
    }
}

/// Receives one packet. A phone that is gone can answer with an error, which says nothing about the socket.
async fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    loop {
        match socket.recv_from(buffer).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            received => return received,
        }
    }
}

async fn send(socket: &UdpSocket, bytes: &[u8], to: SocketAddr) {
    if let Err(error) = socket.send_to(bytes, to).await {
        tracing::debug!(%error, "a phone could not be answered");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A query for the A record of `example.org`.
    const QUERY: &[u8] =
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03org\x00\x00\x01\x00\x01";

    #[tokio::test]
    async fn every_name_is_the_device_and_noise_is_not_answered() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let serving = tokio::spawn(async move { answer_names(&socket).await });
        let phone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for noise in [b"".as_slice(), b"noise", &[0xFF; PACKET_BYTES_MAX]] {
            phone.send_to(noise, address).await.unwrap();
        }
        phone.send_to(QUERY, address).await.unwrap();
        let mut answer = [0; DNS_MESSAGE_BYTES_MAX];
        let answer_bytes = loop {
            let answer_bytes = phone.recv(&mut answer).await.unwrap();
            if answer.starts_with(b"\x12\x34") {
                break answer_bytes;
            }
        };
        assert!(answer[..answer_bytes].ends_with(&HOTSPOT_ADDRESS.octets()));
        serving.abort();
    }
}
