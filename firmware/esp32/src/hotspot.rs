//! What the hotspot offers: addresses, names, and the portal's connections. Pages are rendered in `portal`.

use core::net::Ipv4Addr;
use core::time::Duration as CoreDuration;

use device::{ConnectionIndex, Event};
use edge_dhcp::server::{Server, ServerOptions};
use edge_dhcp::{Options, Packet};
use embassy_futures::select::{Either3, select3};
use embassy_net::tcp::TcpSocket;
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{IpListenEndpoint, Stack};
use embassy_time::Duration;
use portal::HOTSPOT_ADDRESS;

use crate::fail;
use crate::messages::{ANSWERS, AnswerPart, CHUNK_BYTES, Chunk, HANG_UPS, MESSAGES, Message};

/// Source: RFC 2131, section 4.1.
const DHCP_SERVER_PORT: u16 = 67;
const DHCP_CLIENT_PORT: u16 = 68;
const DHCP_PACKET_BYTES: usize = 1024;
/// The radio takes four stations; some phones come under two addresses.
const LEASE_COUNT_MAX: usize = 8;
const DNS_PORT: u16 = 53;
/// Source: RFC 1035, section 4.2.1.
const DNS_PACKET_BYTES: usize = 512;
/// A name that led here must lead elsewhere as soon as the phone is home again.
const DNS_TIME_TO_LIVE: CoreDuration = CoreDuration::from_secs(10);
const HTTP_PORT: u16 = 80;
const PORTAL_RX_BYTES: usize = 1024;
const PORTAL_TX_BYTES: usize = 2048;
/// A browser that keeps a connection for later gives its place up after this.
const PORTAL_IDLE: Duration = Duration::from_secs(30);

/// Gives addresses to phones, and itself as their name server and router.
#[embassy_executor::task]
pub(crate) async fn dhcp_task(stack: Stack<'static>) -> ! {
    let (mut rx_meta, mut tx_meta) = ([PacketMetadata::EMPTY; 4], [PacketMetadata::EMPTY; 4]);
    let (mut rx_buffer, mut tx_buffer) = ([0; DHCP_PACKET_BYTES], [0; DHCP_PACKET_BYTES]);
    let mut socket = UdpSocket::new(stack, &mut rx_meta, &mut rx_buffer, &mut tx_meta, &mut tx_buffer);
    if socket.bind(DHCP_SERVER_PORT).is_err() {
        fail("the DHCP port is taken")
    }
    let address = HOTSPOT_ADDRESS;
    let mut server = Server::<_, LEASE_COUNT_MAX>::new(|| crate::time::uptime_ms() / 1000, address);
    let mut request_bytes = [0; DHCP_PACKET_BYTES];
    let mut answer_bytes = [0; DHCP_PACKET_BYTES];
    loop {
        let Ok((byte_count, _)) = socket.recv_from(&mut request_bytes).await else {
            continue;
        };
        let received = request_bytes.get(..byte_count).unwrap_or_default();
        let Ok(request) = Packet::decode(received) else {
            continue;
        };
        let mut gateway = [Ipv4Addr::UNSPECIFIED];
        let name_servers = [address];
        let mut options = ServerOptions::new(address, Some(&mut gateway));
        options.dns = &name_servers;
        let mut option_buffer = Options::buf();
        let Some(answer) = server.handle_request(&mut option_buffer, &options, &request) else {
            continue;
        };
        if let Ok(bytes) = answer.encode(&mut answer_bytes) {
            // The phone has no address yet. A lost answer is asked for again.
            let _sent = socket.send_to(bytes, (Ipv4Addr::BROADCAST, DHCP_CLIENT_PORT)).await;
        }
    }
}

/// Answers every name with the portal's address, so that phones find it by themselves.
#[embassy_executor::task]
pub(crate) async fn dns_task(stack: Stack<'static>) -> ! {
    let (mut rx_meta, mut tx_meta) = ([PacketMetadata::EMPTY; 4], [PacketMetadata::EMPTY; 4]);
    let (mut rx_buffer, mut tx_buffer) = ([0; DNS_PACKET_BYTES], [0; DNS_PACKET_BYTES]);
    let mut socket = UdpSocket::new(stack, &mut rx_meta, &mut rx_buffer, &mut tx_meta, &mut tx_buffer);
    if socket.bind(DNS_PORT).is_err() {
        fail("the DNS port is taken")
    }
    let mut question = [0; DNS_PACKET_BYTES];
    let mut answer = [0; DNS_PACKET_BYTES];
    loop {
        let Ok((byte_count, from)) = socket.recv_from(&mut question).await else {
            continue;
        };
        let received = question.get(..byte_count).unwrap_or_default();
        let replied = edge_captive::reply(received, &HOTSPOT_ADDRESS.octets(), DNS_TIME_TO_LIVE, &mut answer);
        if let Ok(byte_count) = replied
            && let Some(bytes) = answer.get(..byte_count)
        {
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
