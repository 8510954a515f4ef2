//! What the hotspot offers: addresses, names, and the portal's connections. Pages are rendered in `portal`.

use core::net::Ipv4Addr;
use core::time::Duration as CoreDuration;

use device::{ConnectionIndex, Event};
use embassy_futures::select::{Either3, select3};
use embassy_net::tcp::TcpSocket;
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{IpListenEndpoint, Stack};
use embassy_time::Duration;
use portal::{
    Access, DHCP_CLIENT_PORT, DHCP_REPLY_BYTES_MAX, DHCP_SERVER_PORT, DNS_MESSAGE_BYTES_MAX, DNS_PORT,
    DhcpDestination, DhcpServer, Dialect, PortalMode,
};

use crate::fail;
use crate::messages::{ANSWERS, AnswerPart, CHUNK_BYTES, Chunk, HANG_UPS, MESSAGES, Message};
use crate::time::uptime_ms;

/// Packets that may wait while one is answered.
const WAITING_PACKET_COUNT: usize = 4;
/// What a phone asks fits one Ethernet frame with room to spare.
const DHCP_PACKET_BYTES: usize = 1024;
const HTTP_PORT: u16 = 80;
const PORTAL_RX_BYTES: usize = 1024;
/// Two parts of an answer. More would be faster on paper only and is taken from the stack.
const PORTAL_TX_BYTES: usize = 1024;
/// A browser that keeps a connection for later gives its place up after this.
const PORTAL_IDLE: Duration = Duration::from_secs(30);

/// Gives addresses to phones, and itself as their name server and router.
#[embassy_executor::task]
pub(crate) async fn dhcp_task(stack: Stack<'static>) -> ! {
    let (mut rx_meta, mut tx_meta) =
        ([PacketMetadata::EMPTY; WAITING_PACKET_COUNT], [PacketMetadata::EMPTY; WAITING_PACKET_COUNT]);
    let (mut rx_buffer, mut tx_buffer) = ([0; DHCP_PACKET_BYTES], [0; DHCP_PACKET_BYTES]);
    let mut socket = UdpSocket::new(stack, &mut rx_meta, &mut rx_buffer, &mut tx_meta, &mut tx_buffer);
    if socket.bind(DHCP_SERVER_PORT).is_err() {
        fail("the DHCP port is taken")
    }
    let mut server = DhcpServer::new();
    let mut packet = [0; DHCP_PACKET_BYTES];
    let mut reply_bytes = [0; DHCP_REPLY_BYTES_MAX];
    loop {
        let Ok((byte_count, _)) = socket.recv_from(&mut packet).await else {
            continue;
        };
        let received = packet.get(..byte_count).unwrap_or_default();
        let now = CoreDuration::from_millis(uptime_ms());
        let Some(reply) = server.handle(received, now, &mut reply_bytes) else {
            continue;
        };
        let to = match reply.destination {
            DhcpDestination::Address(address) => address,
            // The network stack cannot send to a client that does not answer ARP yet; everybody hears a broadcast.
            DhcpDestination::Broadcast | DhcpDestination::Hardware { .. } => Ipv4Addr::BROADCAST,
        };
        let reply = reply_bytes.get(..reply.written_bytes).unwrap_or_default();
        // A lost answer is asked for again.
        let _sent = socket.send_to(reply, (to, DHCP_CLIENT_PORT)).await;
    }
}

/// Answers every name with the portal's address, so that phones find it by themselves.
#[embassy_executor::task]
pub(crate) async fn dns_task(stack: Stack<'static>) -> ! {
    let (mut rx_meta, mut tx_meta) =
        ([PacketMetadata::EMPTY; WAITING_PACKET_COUNT], [PacketMetadata::EMPTY; WAITING_PACKET_COUNT]);
    let (mut rx_buffer, mut tx_buffer) = ([0; 2 * DNS_MESSAGE_BYTES_MAX], [0; DNS_MESSAGE_BYTES_MAX]);
    let mut socket = UdpSocket::new(stack, &mut rx_meta, &mut rx_buffer, &mut tx_meta, &mut tx_buffer);
    if socket.bind(DNS_PORT).is_err() {
        fail("the DNS port is taken")
    }
    // Names are answered alike with and without a home.
    let mode = PortalMode::new(Dialect::Rehome, Access::Provisioning);
    let mut query = [0; DNS_MESSAGE_BYTES_MAX];
    let mut answer = [0; DNS_MESSAGE_BYTES_MAX];
    loop {
        let Ok((byte_count, from)) = socket.recv_from(&mut query).await else {
            continue;
        };
        let received = query.get(..byte_count).unwrap_or_default();
        if let Some(written_bytes) = portal::answer_dns(received, &mode, &mut answer) {
            let bytes = answer.get(..written_bytes).unwrap_or_default();
            // A lost answer is asked for again.
            let _sent = socket.send_to(bytes, from).await;
        }
    }
}

/// One of the portal's connections, again and again.
#[embassy_executor::task(pool_size = device::PORTAL_CONNECTION_COUNT_MAX)]
pub(crate) async fn portal_task(stack: Stack<'static>, connection: ConnectionIndex) -> ! {
    let (Some(answers), Some(hang_up)) = (ANSWERS.get(connection.0), HANG_UPS.get(connection.0)) else {
        fail("there are more portal tasks than connections")
    };
    let (mut rx_buffer, mut tx_buffer) = ([0; PORTAL_RX_BYTES], [0; PORTAL_TX_BYTES]);
    loop {
        let mut socket = TcpSocket::new(stack, &mut rx_buffer, &mut tx_buffer);
        socket.set_timeout(Some(PORTAL_IDLE));
        if socket.accept(IpListenEndpoint::from(HTTP_PORT)).await.is_err() {
            continue;
        }
        // What was meant for the phone before is not for this one.
        answers.clear();
        hang_up.reset();
        MESSAGES.send(Message::Plain(Event::PortalOpened(connection))).await;
        let end = serve_phone(&mut socket, connection).await;
        match end {
            PhoneEnd::Gone => {
                socket.abort();
                MESSAGES.send(Message::Plain(Event::PortalClosed(connection))).await;
            }
            PhoneEnd::Answered => {
                socket.close();
                // The last bytes are on their way; a phone that does not take them within the idle time is gone.
                let _flushed = socket.flush().await;
            }
            PhoneEnd::HungUp => socket.abort(),
        }
    }
}

/// Why a connection ended.
enum PhoneEnd {
    /// The phone ended it.
    Gone,
    /// The shell ended it after its answer.
    Answered,
    /// The shell ended it at once.
    HungUp,
}

async fn serve_phone(socket: &mut TcpSocket<'_>, connection: ConnectionIndex) -> PhoneEnd {
    let (Some(answers), Some(hang_up)) = (ANSWERS.get(connection.0), HANG_UPS.get(connection.0)) else {
        return PhoneEnd::HungUp;
    };
    let mut buffer = [0; CHUNK_BYTES];
    loop {
        match select3(hang_up.wait(), answers.receive(), socket.read(&mut buffer)).await {
            Either3::First(()) => return PhoneEnd::HungUp,
            Either3::Second(AnswerPart::End) => return PhoneEnd::Answered,
            Either3::Second(AnswerPart::Bytes(bytes)) => {
                if write_all(socket, &bytes).await.is_err() {
                    return PhoneEnd::Gone;
                }
            }
            Either3::Third(Ok(byte_count)) if byte_count > 0 => {
                let bytes = buffer.get(..byte_count).unwrap_or_default();
                // A chunk is as large as the buffer.
                let chunk = Chunk::from_slice(bytes).unwrap_or_default();
                MESSAGES.send(Message::PortalBytes(connection, chunk)).await;
            }
            Either3::Third(_) => return PhoneEnd::Gone,
        }
    }
}

async fn write_all(socket: &mut TcpSocket<'_>, bytes: &[u8]) -> Result<(), embassy_net::tcp::Error> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let written_bytes = socket.write(rest).await?;
        rest = rest.get(written_bytes..).unwrap_or_default();
    }
    Ok(())
}
