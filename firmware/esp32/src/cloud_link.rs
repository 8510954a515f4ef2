//! The connection to the cloud: one task that connects, protects, reads and writes, for the newest order only.

use core::cell::RefCell;
use core::ffi::CStr;
use core::net::Ipv4Addr;

use cloud_tls::{Client, OpenTlsError, TrustAnchors};
use device::Event;
use device::captive_portal::{
    self, PROBE_ANSWER_BYTES_MAX, PROBE_PORT, ProbeAnswer, is_http, may_be_login_page, probe_request,
    read_probe_answer,
};
use embassy_futures::select::{Either, select};
use embassy_net::dns::DnsQueryType;
use embassy_net::tcp::{TcpReader, TcpSocket, TcpWriter};
use embassy_net::{IpAddress, Stack};
use embassy_time::{Duration, Instant, Timer, with_deadline, with_timeout};
use embedded_io_async::{ErrorType, Read, Write};
use lifecycle::CloudError;

use crate::messages::{
    CHUNK_BYTES, Chunk, DIAL_ORDER, DialOrder, DialSecurity, MESSAGES, Message, OUTBOX, Ticket,
};

const RX_BYTES: usize = 4096;
const TX_BYTES: usize = 2048;
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(6);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// From the name to the end of the handshake, of which key exchange and chain take some seconds of computing.
const DIAL_TIMEOUT: Duration = Duration::from_secs(captive_portal::DIAL_TIMEOUT.as_secs());
const PROBE_TIMEOUT: Duration = Duration::from_secs(captive_portal::PROBE_TIMEOUT.as_secs());
/// A time server usually answers within one second of joining.
const CLOCK_WAIT_COUNT: u32 = 20;
const CLOCK_WAIT: Duration = Duration::from_millis(200);

/// The authorities that vouch for clouds, from `trust-anchors/`.
const BUILT_IN_ANCHORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/trust_anchors.pem"));

/// Serves the newest order for ever.
#[embassy_executor::task]
pub(crate) async fn cloud_task(stack: Stack<'static>, client: &'static Client) -> ! {
    let mut next = None;
    loop {
        let order = match next.take() {
            Some(order) => order,
            None => DIAL_ORDER.wait().await,
        };
        let Some(order) = order else {
            continue;
        };
        OUTBOX.clear();
        match select(DIAL_ORDER.wait(), serve(stack, client, &order)).await {
            Either::First(newer) => next = Some(newer),
            Either::Second(event) => MESSAGES.send(Message::Cloud(order.ticket, event)).await,
        }
    }
}

/// Runs one connection to its end and returns how it ended.
async fn serve(stack: Stack<'static>, client: &'static Client, order: &DialOrder) -> Event {
    let (mut rx_buffer, mut tx_buffer) = ([0; RX_BYTES], [0; TX_BYTES]);
    let error = match connect_and_carry(stack, client, order, &mut rx_buffer, &mut tx_buffer).await {
        Ok(()) => return Event::CloudClosed,
        Err(error) => error,
    };
    let question = ask_at_port_80(stack, &order.host, &mut rx_buffer, &mut tx_buffer);
    if may_be_login_page(error)
        && with_timeout(PROBE_TIMEOUT, question).await == Ok(Some(ProbeAnswer::LoginPage))
    {
        return Event::CloudFailed(CloudError::CaptivePortal);
    }
    Event::CloudFailed(error)
}

/// Serves one connection until it ends; an error says why there is none.
async fn connect_and_carry(
    stack: Stack<'static>,
    client: &'static Client,
    order: &DialOrder,
    rx_buffer: &mut [u8],
    tx_buffer: &mut [u8],
) -> Result<(), CloudError> {
    let deadline = Instant::now() + DIAL_TIMEOUT;
    let mut socket = TcpSocket::new(stack, rx_buffer, tx_buffer);
    let address = resolve(stack, &order.host).await.ok_or(CloudError::Dns)?;
    match with_timeout(CONNECT_TIMEOUT, socket.connect((address, order.port))).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) | Err(_) => return Err(CloudError::Timeout),
    }
    let anchor = match &order.security {
        DialSecurity::Plain => {
            tell_connected(order.ticket, false).await;
            let (mut reader, mut writer) = socket.split();
            carry(order.ticket, &mut reader, &mut writer).await;
            return Ok(());
        }
        DialSecurity::Tls(anchor) => anchor.as_ref(),
    };
    wait_for_clock().await;
    let anchors: Option<TrustAnchors<'_>> = match anchor {
        Some(anchor) => Some(TrustAnchors::Only(anchor.as_bytes())),
        None => built_in_anchors(),
    };
    let anchors = anchors.ok_or(CloudError::Certificate)?;
    let first_bytes = RefCell::default();
    let stream = Splittable { socket, first_bytes: &first_bytes };
    let mut opened = match with_deadline(deadline, client.open(stream, &order.host, anchors)).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(_)) if is_http(&first_bytes.borrow()) => return Err(CloudError::CaptivePortal),
        Ok(Err(error)) => return Err(tls_failure(error)),
        Err(_) => return Err(CloudError::Timeout),
    };
    tell_connected(order.ticket, opened.is_verified).await;
    if let Ok((mut reader, mut writer)) = opened.session.split().await {
        carry(order.ticket, &mut reader, &mut writer).await;
    }
    Ok(())
}

/// Asks whether a log-in page answers in place of the cloud, in the buffers of the connection that failed. Silence and
/// every failure are `None`.
async fn ask_at_port_80(
    stack: Stack<'static>,
    host: &str,
    rx_buffer: &mut [u8; RX_BYTES],
    tx_buffer: &mut [u8],
) -> Option<ProbeAnswer> {
    let request = probe_request(host, esp_hal::rng::Rng::new().random())?;
    let address = resolve(stack, host).await?;
    let (answer, rx_buffer) = rx_buffer.split_at_mut_checked(PROBE_ANSWER_BYTES_MAX)?;
    let mut socket = TcpSocket::new(stack, rx_buffer, tx_buffer);
    socket.connect((address, PROBE_PORT)).await.ok()?;
    socket.write_all(request.as_bytes()).await.ok()?;
    let mut answer_bytes: usize = 0;
    loop {
        let read_bytes = socket.read(answer.get_mut(answer_bytes..)?).await.ok()?;
        answer_bytes = answer_bytes.saturating_add(read_bytes);
        let told = read_probe_answer(answer.get(..answer_bytes)?, host);
        // A full buffer is never incomplete.
        if told != ProbeAnswer::Incomplete || read_bytes == 0 {
            return Some(told);
        }
    }
}

/// Certificates have dates. A time server that does not answer must not keep the device from its cloud for ever.
async fn wait_for_clock() {
    for _ in 0..CLOCK_WAIT_COUNT {
        if crate::time::unix_ms().is_some() {
            return;
        }
        Timer::after(CLOCK_WAIT).await;
    }
}

fn built_in_anchors() -> Option<TrustAnchors<'static>> {
    let pem = CStr::from_bytes_with_nul(BUILT_IN_ANCHORS).ok()?;
    (!pem.is_empty()).then_some(TrustAnchors::AnyOf(pem))
}

fn tls_failure(error: OpenTlsError) -> CloudError {
    esp_println::println!("[{}] TLS: {error}", crate::time::uptime_ms());
    match error {
        OpenTlsError::Certificate | OpenTlsError::TrustAnchor => CloudError::Certificate,
        _ => CloudError::Other,
    }
}

async fn resolve(stack: Stack<'static>, host: &str) -> Option<IpAddress> {
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Some(IpAddress::Ipv4(address));
    }
    let found = with_timeout(RESOLVE_TIMEOUT, stack.dns_query(host, DnsQueryType::A)).await.ok()?.ok()?;
    found.first().copied()
}

async fn tell_connected(ticket: Ticket, is_verified_tls: bool) {
    MESSAGES.send(Message::Cloud(ticket, Event::CloudConnected { is_verified_tls })).await;
}

/// Carries bytes both ways until one of them ends.
async fn carry(ticket: Ticket, reader: &mut impl Read, writer: &mut impl Write) {
    let reading = async {
        let mut buffer = [0; CHUNK_BYTES];
        while let Ok(byte_count) = reader.read(&mut buffer).await {
            let bytes = buffer.get(..byte_count).unwrap_or_default();
            if bytes.is_empty() {
                return;
            }
            // A chunk is as large as the buffer.
            MESSAGES.send(Message::CloudBytes(ticket, Chunk::from_slice(bytes).unwrap_or_default())).await;
        }
    };
    let writing = async {
        loop {
            let frame = OUTBOX.receive().await;
            if writer.write_all(&frame).await.is_err() || writer.flush().await.is_err() {
                return;
            }
        }
    };
    select(reading, writing).await;
}

/// A socket that the TLS client can read and write at the same time. It remembers how the other end began.
struct Splittable<'a> {
    socket: TcpSocket<'a>,
    /// As many as `HTTP/` has.
    first_bytes: &'a RefCell<heapless::Vec<u8, 5>>,
}

impl ErrorType for Splittable<'_> {
    type Error = embassy_net::tcp::Error;
}

impl Read for Splittable<'_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        let read_bytes = self.socket.read(buffer).await?;
        let mut first_bytes = self.first_bytes.borrow_mut();
        let room = first_bytes.capacity().saturating_sub(first_bytes.len());
        first_bytes.extend(buffer.iter().take(read_bytes.min(room)).copied());
        Ok(read_bytes)
    }
}

impl Write for Splittable<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        self.socket.write(bytes).await
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        self.socket.flush().await
    }
}

impl cloud_tls::Split for Splittable<'_> {
    type Read<'b>
        = TcpReader<'b>
    where
        Self: 'b;
    type Write<'b>
        = TcpWriter<'b>
    where
        Self: 'b;

    fn split(&mut self) -> (TcpReader<'_>, TcpWriter<'_>) {
        self.socket.split()
    }
}
