//! Phones that try a wrong passphrase at the hotspot, as the supplicant tells on its control socket.
//!
//! Neither NetworkManager nor the supplicant's D-Bus interface tells. Debian starts the supplicant with a control socket
//! for each interface, for members of the group `netdev`; datagrams, of which an unsolicited one begins with its level in
//! angle brackets. Source: `wpa_supplicant`'s developer documentation, "Control interface".

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram as BlockingDatagram};
use std::path::Path;
use std::task::{Context, Poll};
use std::time::Duration;

use portal::MacAddress;
use tokio::net::UnixDatagram;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::network_manager::parse_mac;
use crate::random::random_u32;

/// Says which station's handshake did not fit the passphrase. Source: `wpa_ctrl.h` of `wpa_supplicant`.
const EVENT: &str = "AP-STA-POSSIBLE-PSK-MISMATCH ";
/// One wrong passphrase fails several handshakes, and phones try it again by themselves.
const ATTEMPT: Duration = Duration::from_secs(30);
/// Stations whose attempts are told apart; more than the door takes.
const STATION_COUNT_MAX: usize = 16;
/// Longest message that is read; what is longer is cut and is none that counts.
const MESSAGE_BYTES_MAX: usize = 256;

/// What the supplicant tells of one hotspot; nothing is heard after it is dropped.
#[derive(Debug)]
pub(crate) struct RefusedPassphrases {
    refusals: mpsc::Receiver<()>,
    _watch: JoinSet<()>,
}

impl RefusedPassphrases {
    /// Watches the hotspot of a control socket.
    pub(crate) fn watch(control: &Path) -> Self {
        let control = control.to_owned();
        let (sender, refusals) = mpsc::channel(1);
        let mut watch = JoinSet::new();
        watch.spawn(async move {
            if let Err(error) = follow(&control, &sender).await {
                let control = control.display();
                tracing::warn!(%error, %control, "wrong passphrases at the hotspot are not counted");
            }
        });
        Self { refusals, _watch: watch }
    }

    /// Ready once for each wrong passphrase.
    pub(crate) fn poll_refused(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self.refusals.poll_recv(context) {
            Poll::Ready(Some(())) => Poll::Ready(()),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

async fn follow(control: &Path, refusals: &mpsc::Sender<()>) -> io::Result<()> {
    let socket = reply_socket()?;
    socket.connect(control)?;
    socket.send(b"ATTACH").await?;
    let mut attempts = Attempts::default();
    let mut message = [0; MESSAGE_BYTES_MAX];
    loop {
        let byte_count = socket.recv(&mut message).await?;
        let station = refused_station(message.get(..byte_count).unwrap_or_default());
        if station.is_some_and(|station| attempts.begins(station, Instant::now()))
            && refusals.send(()).await.is_err()
        {
            return Ok(());
        }
    }
}

/// The supplicant answers to where a request came from. A name without a file needs no folder that both may use.
fn reply_socket() -> io::Result<UnixDatagram> {
    let name = format!("rehome-device-{}-{}", std::process::id(), random_u32());
    let socket = BlockingDatagram::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
    socket.set_nonblocking(true)?;
    UnixDatagram::from_std(socket)
}

/// Returns the station of a message about a wrong passphrase.
fn refused_station(message: &[u8]) -> Option<MacAddress> {
    let (_level, text) = std::str::from_utf8(message).ok()?.strip_prefix('<')?.split_once('>')?;
    parse_mac(text.strip_prefix(EVENT)?.trim_end())
}

/// Tells the first failed handshake of a wrong passphrase from those that follow it.
#[derive(Debug, Default)]
struct Attempts {
    under_way: Vec<(MacAddress, Instant)>,
}

impl Attempts {
    /// Whether a failed handshake is the first of an attempt.
    fn begins(&mut self, station: MacAddress, now: Instant) -> bool {
        self.under_way.retain(|(_, begun_at)| now.saturating_duration_since(*begun_at) < ATTEMPT);
        if self.under_way.iter().any(|(known, _)| *known == station) {
            return false;
        }
        if self.under_way.len() < STATION_COUNT_MAX {
            self.under_way.push((station, now));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const PHONE: MacAddress = MacAddress([0x02, 0, 0, 0, 3, 0]);
    const OTHER: MacAddress = MacAddress([0x02, 0, 0, 0, 3, 1]);

    #[test]
    fn only_a_mismatch_with_an_address_counts() {
        assert_eq!(refused_station(b"<3>AP-STA-POSSIBLE-PSK-MISMATCH 02:00:00:00:03:00"), Some(PHONE));
        for other in [
            b"".as_slice(),
            b"OK\n",
            b"FAIL\n",
            b"<3>",
            b"AP-STA-POSSIBLE-PSK-MISMATCH 02:00:00:00:03:00",
            b"<3>AP-STA-CONNECTED 02:00:00:00:03:00",
            b"<3>AP-STA-POSSIBLE-PSK-MISMATCH ",
            b"<3>AP-STA-POSSIBLE-PSK-MISMATCH 02:00:00:00:03",
            b"<3>AP-STA-POSSIBLE-PSK-MISMATCH 02:00:00:00:03:00:11",
            b"<3>AP-STA-POSSIBLE-PSK-MISMATCH \xFF",
        ] {
            assert_eq!(refused_station(other), None, "{}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn repeated_handshakes_are_one_attempt_of_each_station_and_a_later_one_is_another() {
        let mut attempts = Attempts::default();
        let start = Instant::now();
        let begins_at = |attempts: &mut Attempts, station, after_s| {
            attempts.begins(station, start + Duration::from_secs(after_s))
        };
        assert!(begins_at(&mut attempts, PHONE, 0));
        assert!(!begins_at(&mut attempts, PHONE, 1));
        assert!(begins_at(&mut attempts, OTHER, 1));
        assert!(!begins_at(&mut attempts, PHONE, 29));
        assert!(begins_at(&mut attempts, PHONE, 30));
    }

    #[test]
    fn changing_addresses_hide_no_attempt() {
        let mut attempts = Attempts::default();
        let now = Instant::now();
        for number in 0..=u8::MAX {
            assert!(attempts.begins(MacAddress([2, 0, 0, 0, 0, number]), now));
        }
        assert_eq!(attempts.under_way.len(), STATION_COUNT_MAX);
    }

    #[tokio::test]
    async fn refusals_come_from_the_supplicants_socket() {
        let folder = tempfile::tempdir().unwrap();
        let control = folder.path().join("wlan0");
        let supplicant = BlockingDatagram::bind(&control).unwrap();
        let mut refused = RefusedPassphrases::watch(&control);
        let received = tokio::task::spawn_blocking(move || {
            let mut request = [0; 16];
            let (byte_count, agent) = supplicant.recv_from(&mut request).unwrap();
            assert_eq!(&request[..byte_count], b"ATTACH");
            (supplicant, agent)
        });
        let (supplicant, agent) = received.await.unwrap();
        for message in [
            "OK\n",
            "<3>AP-STA-POSSIBLE-PSK-MISMATCH 02:00:00:00:03:00",
            "<3>AP-STA-POSSIBLE-PSK-MISMATCH 02:00:00:00:03:00",
            "<3>AP-STA-CONNECTED 02:00:00:00:03:00",
            "<3>AP-STA-POSSIBLE-PSK-MISMATCH 02:00:00:00:03:01",
        ] {
            supplicant.send_to_addr(message.as_bytes(), &agent).unwrap();
        }
        poll_fn(|context| refused.poll_refused(context)).await;
        poll_fn(|context| refused.poll_refused(context)).await;
        assert!(poll_fn(|context| Poll::Ready(refused.poll_refused(context))).await.is_pending());
    }

    #[tokio::test]
    async fn a_supplicant_without_a_socket_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let (sender, _refusals) = mpsc::channel(1);
        let error = follow(&folder.path().join("wlan0"), &sender).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
