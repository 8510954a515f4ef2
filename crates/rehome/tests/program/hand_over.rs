//! A restart in which nobody is refused: the listening sockets belong to whoever starts the server, as with systemd.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use tempfile::TempDir;

use crate::device_client::{Device, HARDWARE, LOGIN, frame};
use crate::process::{DEADLINE, Process, isolate, wait_until};
use crate::server::{Answer, ask, http_agent};

/// Restarts while everybody keeps connecting.
const RESTARTS: u64 = 3;

/// Threads that connect as fast as they can.
const STRANGERS: u64 = 3;

/// The first number for copies of the sockets, above those that programs use by themselves.
const COPIES_FROM: i32 = 100;

/// Plays the service manager: holds the sockets, starts the server with them, and hears when it is ready.
struct ServiceManager {
    folder: TempDir,
    plain_addr: SocketAddr,
    tls_addr: SocketAddr,
    sockets: [OwnedFd; 2],
    notices: UnixDatagram,
}

impl ServiceManager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listeners = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let [plain_addr, tls_addr] = [0, 1].map(|index: usize| listeners[index].local_addr().unwrap());
        // Copies that a program that is started inherits.
        let sockets = listeners.map(|listener| {
            let copy = fcntl_dupfd_cloexec(listener.as_fd(), COPIES_FROM).unwrap();
            fcntl_setfd(&copy, FdFlags::empty()).unwrap();
            copy
        });
        let notices = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        notices.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { folder, plain_addr, tls_addr, sockets, notices }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the server as systemd does: the sockets are its files from 3 on, and `LISTEN_PID` is its own number.
    fn start(&self) -> Process {
        let [plain, tls] = self.sockets.each_ref().map(AsRawFd::as_raw_fd);
        let script = format!(
            "exec 3<&{plain} 4<&{tls} {plain}<&- {tls}<&-; LISTEN_PID=$$ LISTEN_FDS=2 exec \"$0\" \"$@\""
        );
        let mut command = Command::new("bash");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_rehome"), "serve", "--data-dir"]);
        command.arg(self.folder().join("data"));
        command.args(["--listen", &self.plain_addr.to_string(), "--listen-tls", &self.tls_addr.to_string()]);
        isolate(&mut command, self.folder());
        Process::spawn(command.env("NOTIFY_SOCKET", self.folder().join("notify")).env("REHOME_LOG", "info"))
    }

    /// The next thing that the server says to its service manager.
    fn next_notice(&self) -> String {
        let mut notice = [0; 256];
        let length = self.notices.recv(&mut notice).expect("the server says something");
        String::from_utf8_lossy(&notice[..length]).trim().to_owned()
    }

    fn ask(&self, method: &str, path: &str, body: Option<serde_json::Value>) -> Answer {
        let key = std::fs::read_to_string(self.folder().join("data/admin-api-key")).unwrap();
        let authorization = format!("Bearer {}", key.trim());
        let headers = [("authorization", authorization.as_str())];
        let body = body.map(|body| ("application/json", body.to_string()));
        ask(&http_agent(), method, &format!("http://{}{path}", self.plain_addr), &headers, body).unwrap()
    }

    /// Makes a device; its id and token.
    fn create_device(&self) -> (String, String) {
        let template = self.ask("POST", "/api/v1/templates", Some(serde_json::json!({"name": "Lamp"})));
        let body = serde_json::json!({"template_id": template.expect(201)["id"], "name": "Lamp 1"});
        let created = self.ask("POST", "/api/v1/devices", Some(body)).expect(201);
        let text = |name: &str| created[name].as_str().unwrap().to_owned();
        (text("id"), text("token"))
    }
}

/// What happened to connections while the server was started again and again.
#[derive(Debug, Default)]
struct Tally {
    is_over: AtomicBool,
    connected: AtomicU64,
    answered: AtomicU64,
    /// Accepted by the old process and closed when it stopped, before an answer.
    closed: AtomicU64,
}

impl Tally {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Connects and asks, again and again; to be refused is a failure.
    fn connect_as_stranger(&self, address: SocketAddr) {
        while !self.is_over() {
            let mut stream = TcpStream::connect(address)
                .unwrap_or_else(|error| panic!("a connection was refused during a restart: {error}"));
            self.connected.fetch_add(1, Ordering::Relaxed);
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            let mut answer = Vec::new();
            let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            let ended = asked.and_then(|()| stream.read_to_end(&mut answer));
            if answer.starts_with(b"HTTP/1.1 200") {
                self.answered.fetch_add(1, Ordering::Relaxed);
            } else {
                let kind = ended.err().map(|error| error.kind());
                assert_ne!(kind, Some(ErrorKind::WouldBlock), "a connection was left without answer or end");
                self.closed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Is a device: writes, and comes back by itself when its connection ends. Returns the last acknowledged value.
    fn write_as_device(&self, address: SocketAddr, token: &str, logins: &AtomicU64) -> u64 {
        let (mut value, mut acknowledged) = (0, 0);
        while !self.is_over() {
            let mut device = Device::try_connect(address).expect("a device was refused during a restart");
            match device.try_login(LOGIN, token) {
                Some(200) => {}
                // Accepted by the old process in its last moment.
                None => continue,
                Some(status) => panic!("the device is told {status}"),
            }
            logins.fetch_add(1, Ordering::Release);
            // As fast as the server answers; it slows a device that writes too much down.
            while !self.is_over() {
                value += 1;
                let write = frame(HARDWARE, 2, &format!("vw|1|{value}"));
                if device.try_send_acknowledged(&write, 3).is_none() {
                    break;
                }
                acknowledged = value;
            }
        }
        acknowledged
    }
}

#[test]
fn while_the_server_is_started_again_no_connection_is_refused() {
    let manager = ServiceManager::new();
    let first = manager.start();
    assert_eq!(manager.next_notice(), "READY=1");
    let (id, token) = manager.create_device();
    let (tally, logins) = (Tally::default(), AtomicU64::new(0));
    let (acknowledged, last) = thread::scope(|scope| {
        let mut server = first;
        for _ in 0..STRANGERS {
            scope.spawn(|| tally.connect_as_stranger(manager.plain_addr));
        }
        let device = scope.spawn(|| tally.write_as_device(manager.plain_addr, &token, &logins));
        for restart in 1..=RESTARTS {
            let answered = tally.answered.load(Ordering::Relaxed);
            wait_until("the device and answers", || {
                let logins = logins.load(Ordering::Acquire);
                let is_busy = tally.answered.load(Ordering::Relaxed) > answered + 20;
                if logins >= restart && is_busy { Ok(()) } else { Err(format!("{logins} logins, {tally:?}")) }
            });
            let ended = server.stop();
            assert_eq!(ended.code(), 0, "{}", ended.stderr);
            assert_eq!(manager.next_notice(), "STOPPING=1");
            // Nobody serves now, and everybody who connects waits.
            let connected = tally.connected.load(Ordering::Relaxed);
            let waiting = TcpStream::connect(manager.plain_addr);
            assert!(waiting.is_ok(), "{waiting:?}");
            server = manager.start();
            assert_eq!(manager.next_notice(), "READY=1");
            println!("restart {restart}: {connected} connections before it, {tally:?}");
        }
        wait_until("the device at the last server", || {
            let logins = logins.load(Ordering::Acquire);
            if logins > RESTARTS { Ok(()) } else { Err(format!("{logins} logins")) }
        });
        tally.is_over.store(true, Ordering::Release);
        (device.join().unwrap(), server)
    });
    let stored = manager.ask("GET", &format!("/api/v1/devices/{id}/datastreams/1"), None).expect(200);
    let stored: u64 = stored["value"].as_str().unwrap().parse().unwrap();
    assert!(
        acknowledged > 0 && stored >= acknowledged,
        "{stored} is stored, {acknowledged} was acknowledged"
    );
    assert_eq!(last.stop().code(), 0);
    // The same connection is refused once nobody holds the sockets.
    let plain_addr = manager.plain_addr;
    drop(manager);
    assert_eq!(TcpStream::connect(plain_addr).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_socket_that_the_configuration_does_not_know_is_named() {
    let manager = ServiceManager::new();
    let stray = manager.tls_addr;
    let manager = ServiceManager { tls_addr: ([127, 0, 0, 1], 0).into(), ..manager };
    let mut process = manager.start();
    let ended = process.wait_for_end();
    assert_eq!(ended.code(), 1, "{}", ended.stderr);
    let message = ended.message();
    assert!(message.contains(&stray.to_string()) && message.contains("listen_tls"), "{message}");
}
