//! What tests of the live bench share: a tiny cloud on a real socket, and a phone on a real socket.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::board::BoardId;
use crate::firmware::{FirmwareSpec, RecoveryChoice};
use crate::handle::{BenchHandle, LiveConfig, start_live};
use crate::live_net::LiveCloudConfig;
use crate::phone::encode_form;
use crate::world::{BoardView, NewBoard, NewIdentity};

/// Longest a test waits for something, in real time.
const DEADLINE: Duration = Duration::from_secs(30);
/// Fast enough for tests, slow enough for a busy machine to answer within a device's time-outs.
const SCALE: f64 = 10.0;

pub(crate) const TOKEN: &str = "LiveTokenLiveTokenLiveToken-0001";
pub(crate) const SSID: &str = "Live network";
pub(crate) const PASSWORD: &str = "live-password";

/// Starts a live bench whose cloud is at the given addresses.
pub(crate) fn start(
    plain: Option<SocketAddr>,
    tls: Option<SocketAddr>,
    trust_anchors_pem: &str,
) -> BenchHandle {
    let cloud = LiveCloudConfig {
        hosts: vec!["localhost".to_owned()],
        plain,
        tls,
        trust_anchors_pem: trust_anchors_pem.to_owned(),
    };
    start_live(LiveConfig { cloud, seed: 3, time_scale: SCALE }).unwrap()
}

/// Accepts every login, answers every ping and info, and tells what it received: `login` or a message's command byte.
pub(crate) async fn serve_device<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    seen: mpsc::UnboundedSender<String>,
) {
    let mut header = [0_u8; 5];
    while stream.read_exact(&mut header).await.is_ok() {
        let [command, id_high, id_low, length_high, length_low] = header;
        let mut body = vec![0; usize::from(u16::from_be_bytes([length_high, length_low]))];
        if command == 0 || stream.read_exact(&mut body).await.is_err() {
            continue;
        }
        let is_login = command == 29 && body == TOKEN.as_bytes();
        seen.send(if is_login { "login".to_owned() } else { command.to_string() }).unwrap();
        if command != 20 {
            stream.write_all(&[0, id_high, id_low, 0, 200]).await.unwrap();
        }
    }
    drop(seen.send("gone".to_owned()));
}

/// A plain cloud; returns its address and what it sees.
pub(crate) async fn plain_cloud() -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, sights) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_device(stream, seen.clone()));
        }
    });
    (address, sights)
}

/// Waits until the cloud sees `what`.
pub(crate) async fn wait_for_sight(sights: &mut mpsc::UnboundedReceiver<String>, what: &str) {
    let waiting = async {
        while let Some(sight) = sights.recv().await {
            if sight == what {
                return;
            }
        }
    };
    assert!(tokio::time::timeout(DEADLINE, waiting).await.is_ok(), "the cloud never saw {what}");
}

/// Waits until `condition` holds for a board.
pub(crate) async fn wait_for(
    handle: &BenchHandle,
    id: &BoardId,
    condition: impl Fn(&BoardView) -> bool,
) -> BoardView {
    let mut changes = handle.changes();
    let waiting = async {
        loop {
            let asked = id.clone();
            let view = handle.call(move |live| live.bench().board(&asked)).await.unwrap().unwrap();
            if condition(&view) {
                return view;
            }
            drop(changes.recv().await);
        }
    };
    let waited = tokio::time::timeout(DEADLINE, waiting).await;
    let Ok(view) = waited else {
        let asked = id.clone();
        let (serial, _) =
            handle.call(move |live| live.bench().serial_from(&asked, 0)).await.unwrap().unwrap();
        panic!("the board never got there:\n{serial}");
    };
    view
}

/// Puts a board with our firmware into a place with one network and gives it power.
pub(crate) async fn add_board(handle: &BenchHandle) -> BoardId {
    handle
        .call(|live| {
            let network = crate::air::AirNetwork {
                ssid: SSID.as_bytes().to_vec(),
                password: Some(crate::air::Secret::new(PASSWORD)),
                password_hint: None,
                security: crate::air::Security::Wpa2,
                has_internet: true,
                is_up: true,
            };
            let place = crate::air::Place { name: "Desk".to_owned(), networks: vec![network] };
            let place = live.bench().add_place(place).unwrap();
            let identity = NewIdentity {
                mac: None,
                template_id: "TMPLlive".to_owned(),
                template_name: "Live".to_owned(),
                vendor: "Blynk".to_owned(),
                has_button: false,
                pop: None,
            };
            let firmware = FirmwareSpec::Rehome(RecoveryChoice::Rehome).build();
            let new = NewBoard { name: "Live".to_owned(), identity, firmware, place: Some(place) };
            let id = live.add_board(new).unwrap();
            live.bench().give_power(&id).unwrap();
            id
        })
        .await
        .unwrap()
}

/// Sets a board up over its portal's real socket.
pub(crate) async fn set_up(handle: &BenchHandle, id: &BoardId, port: &str) {
    wait_for(handle, id, |view| view.hotspot_ssid.is_some()).await;
    let address = portal_address(handle, id).await;
    let fields: [(&str, &[u8]); 5] = [
        ("ssid", SSID.as_bytes()),
        ("pass", PASSWORD.as_bytes()),
        ("blynk", TOKEN.as_bytes()),
        ("host", b"localhost"),
        ("port_ssl", port.as_bytes()),
    ];
    let body = encode_form(&fields);
    let request = format!(
        "POST /config HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = ask(address, &request).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// Waits until the portal of a board listens.
pub(crate) async fn portal_address(handle: &BenchHandle, id: &BoardId) -> SocketAddr {
    let mut changes = handle.changes();
    let waiting = async {
        loop {
            let asked = id.clone();
            if let Some(address) = handle.call(move |live| live.portal_address(&asked)).await.unwrap() {
                return address;
            }
            drop(changes.recv().await);
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap()
}

/// Sends one request and reads the answer to its end.
pub(crate) async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
