//! Time since boot, and the wall clock once a time server was heard.

use core::cell::Cell;
use core::net::Ipv4Addr;

use embassy_net::dns::DnsQueryType;
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{IpAddress, Stack};
use embassy_sync::blocking_mutex::CriticalSectionMutex;
use embassy_time::{Duration, Instant, Timer, with_timeout};

/// A pool of many servers; a maker with his own changes this line.
const TIME_SERVER: &str = "pool.ntp.org";
const TIME_PORT: u16 = 123;
/// Any free port; answers come back to it.
const LOCAL_PORT: u16 = 12_300;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);
const RETRY_WAIT: Duration = Duration::from_secs(20);
/// A crystal of 50 ppm is off by 1 s in that time.
const REFRESH_WAIT: Duration = Duration::from_secs(6 * 3600);
/// Seconds from 1900 (NTP) to 1970 (Unix). Source: RFC 5905, figure 4.
const NTP_TO_UNIX_S: u64 = 2_208_988_800;
const PACKET_BYTES: usize = 48;
/// Version 4, mode 3 (client). Source: RFC 5905, section 7.3.
const CLIENT_HEADER: u8 = 0x23;
/// Answers before the firmware was written are wrong: 2026-01-01.
const UNIX_S_MIN: u64 = 1_767_225_600;

/// Unix time at boot in ms, once known.
static BOOT_UNIX_MS: CriticalSectionMutex<Cell<Option<u64>>> = CriticalSectionMutex::new(Cell::new(None));

/// Time since boot in ms.
pub(crate) fn uptime_ms() -> u64 {
    Instant::now().as_millis()
}

/// The wall clock in ms since 1970.
pub(crate) fn unix_ms() -> Option<u64> {
    BOOT_UNIX_MS.lock(Cell::get)?.checked_add(uptime_ms())
}

/// The clock that certificates are judged by.
pub(crate) struct CertificateClock;

impl cloud_tls::Clock for CertificateClock {
    fn unix_s(&self) -> Option<u64> {
        unix_ms().map(|ms| ms / 1000)
    }

    fn uptime_ms(&self) -> u64 {
        uptime_ms()
    }
}

/// Asks for the time whenever there is a network and the last answer is old.
#[embassy_executor::task]
pub(crate) async fn time_task(stack: Stack<'static>) -> ! {
    loop {
        stack.wait_config_up().await;
        let wait = match ask(stack).await {
            Some(unix_ms) => {
                BOOT_UNIX_MS.lock(|cell| cell.set(unix_ms.checked_sub(uptime_ms())));
                REFRESH_WAIT
            }
            None => RETRY_WAIT,
        };
        Timer::after(wait).await;
    }
}

async fn ask(stack: Stack<'static>) -> Option<u64> {
    let found =
        with_timeout(ANSWER_TIMEOUT, stack.dns_query(TIME_SERVER, DnsQueryType::A)).await.ok()?.ok()?;
    let server = found.first().copied()?;
    let (mut rx_meta, mut tx_meta) = ([PacketMetadata::EMPTY; 2], [PacketMetadata::EMPTY; 2]);
    let (mut rx_buffer, mut tx_buffer) = ([0; 2 * PACKET_BYTES], [0; 2 * PACKET_BYTES]);
    let mut socket = UdpSocket::new(stack, &mut rx_meta, &mut rx_buffer, &mut tx_meta, &mut tx_buffer);
    socket.bind(LOCAL_PORT).ok()?;
    let mut packet = [0; PACKET_BYTES];
    // The server repeats what stands in the transmit time; a random number there tells its answer from a stranger's.
    let mut cookie = [0; 8];
    esp_hal::rng::Rng::new().read(&mut cookie);
    *packet.first_mut()? = CLIENT_HEADER;
    packet.get_mut(40..48)?.copy_from_slice(&cookie);
    socket.send_to(&packet, (server, TIME_PORT)).await.ok()?;
    let (byte_count, from) = with_timeout(ANSWER_TIMEOUT, socket.recv_from(&mut packet)).await.ok()?.ok()?;
    let is_answer =
        byte_count >= PACKET_BYTES && from.endpoint.addr == server && packet.get(24..32)? == cookie;
    if !is_answer || from.endpoint.addr == IpAddress::Ipv4(Ipv4Addr::UNSPECIFIED) {
        return None;
    }
    let seconds = u64::from(u32::from_be_bytes(*packet.get(40..)?.first_chunk()?));
    let fraction = u64::from(u32::from_be_bytes(*packet.get(44..)?.first_chunk()?));
    let unix_s = seconds.checked_sub(NTP_TO_UNIX_S)?;
    (unix_s >= UNIX_S_MIN).then(|| unix_s * 1000 + ((fraction * 1000) >> 32))
}
