//! A portal on a real socket that answers through our `portal` crate, and a clock that only counts.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use portal::{
    Access, Dialect, Identity, MacAddress, Method, ParsedRequest, PortalMode, PortalView, Progress, Route,
    ScanView, Trial, parse_request, respond_chunk, route,
};
use provision::Pace;

/// What the device does at one look after it took a candidate; the last one stays.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Look {
    /// The hotspot is closed: the connection breaks.
    Gone,
    /// It answers with this.
    Says { state: &'static str, trial: Trial, last_error: u16 },
}

/// A request for `/config` as the portal saw it.
#[derive(Debug, Clone)]
pub(crate) struct Submitted {
    pub(crate) is_post: bool,
    pub(crate) query: String,
    pub(crate) body: String,
    /// The form that the portal read, or nothing if it refused.
    pub(crate) form: Option<portal::ConfigForm>,
}

pub(crate) struct FakePortal {
    pub(crate) url: String,
    address: SocketAddr,
    submitted: Arc<Mutex<Vec<Submitted>>>,
    server: Option<JoinHandle<()>>,
}

impl FakePortal {
    /// Starts the portal of a device that has a label.
    pub(crate) fn start(dialect: Dialect, access: Access, looks: Vec<Look>) -> Self {
        Self::start_as(dialect, access, true, looks)
    }

    /// Starts the portal of a device without a label.
    pub(crate) fn start_unguarded(dialect: Dialect, access: Access, looks: Vec<Look>) -> Self {
        Self::start_as(dialect, access, false, looks)
    }

    fn start_as(dialect: Dialect, access: Access, is_guarded: bool, looks: Vec<Look>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let submitted = Arc::new(Mutex::new(Vec::new()));
        let device =
            Device { dialect, access, is_guarded, looks, submitted: Arc::clone(&submitted), attempt: 0 };
        let server = std::thread::spawn(move || device.serve(&listener));
        Self { url: format!("http://{address}"), address, submitted, server: Some(server) }
    }

    pub(crate) fn submitted(&self) -> Vec<Submitted> {
        self.submitted.lock().unwrap().clone()
    }
}

impl Drop for FakePortal {
    fn drop(&mut self) {
        // A connection without a request ends the server.
        drop(TcpStream::connect(self.address));
        if let Some(server) = self.server.take() {
            assert!(server.join().is_ok() || std::thread::panicking(), "the fake portal panicked");
        }
    }
}

struct Device {
    dialect: Dialect,
    access: Access,
    is_guarded: bool,
    looks: Vec<Look>,
    submitted: Arc<Mutex<Vec<Submitted>>>,
    attempt: u32,
}

impl Device {
    fn serve(mut self, listener: &TcpListener) {
        for stream in listener.incoming() {
            if !self.serve_one(stream.unwrap()) {
                return;
            }
        }
    }

    fn serve_one(&mut self, mut stream: TcpStream) -> bool {
        let mut received = Vec::new();
        let mut piece = [0; 1024];
        loop {
            if let ParsedRequest::Complete { request, .. } = parse_request(&received) {
                let answer = self.answer(&request);
                stream.write_all(answer.as_bytes()).unwrap();
                drop(stream.shutdown(Shutdown::Both));
                return true;
            }
            match stream.read(&mut piece) {
                Ok(0) | Err(_) => return false,
                Ok(read_bytes) => received.extend_from_slice(&piece[..read_bytes]),
            }
        }
    }

    fn answer(&mut self, request: &portal::Request<'_>) -> String {
        let mode = PortalMode { is_guarded: self.is_guarded, ..PortalMode::new(self.dialect, self.access) };
        let routed = route(request, &mode);
        if request.path == "/config" {
            let form = match &routed.route {
                Route::Config(form) => Some(form.clone()),
                _ => None,
            };
            self.attempt += u32::from(form.is_some());
            self.submitted.lock().unwrap().push(Submitted {
                is_post: request.method == Method::Post,
                query: request.query.to_owned(),
                body: String::from_utf8(request.body.to_vec()).unwrap(),
                form,
            });
        }
        let is_look = self.attempt > 0 && request.path != "/config";
        let look = if is_look {
            self.next_look()
        } else {
            Look::Says { state: "CONFIGURING", trial: Trial::None, last_error: 0 }
        };
        let Look::Says { state, trial, last_error } = look else { return String::new() };
        let mut answer = vec![0; 65_536];
        let chunk = respond_chunk(&routed, &self.view(state, trial, last_error), 0, &mut answer);
        answer.truncate(chunk.written_bytes);
        String::from_utf8(answer).unwrap()
    }

    fn next_look(&mut self) -> Look {
        if self.looks.len() > 1 { self.looks.remove(0) } else { self.looks[0] }
    }

    fn view(&self, state: &'static str, trial: Trial, last_error: u16) -> PortalView<'static> {
        let submitted = self.submitted.lock().unwrap();
        let form = submitted.last().and_then(|submitted| submitted.form.as_ref());
        let is_code_refused = last_error == 703 && form.is_some_and(|form| form.claim_code.is_some());
        PortalView {
            identity: Identity {
                vendor: "Blynk",
                template_name: "Air Monitor",
                template_id: "TMPL2pVxKmZq",
                firmware_type: "TMPL2pVxKmZq",
                firmware_version: "0.1.0",
                uid: "5f0c9d1e",
                hotspot_name: "Blynk Air Monitor-1W7R",
                hotspot_mac: MacAddress([0x26, 0x6F, 0x28, 0xAA, 0xBB, 0xCC]),
                station_mac: MacAddress([0x24, 0x6F, 0x28, 0xAA, 0xBB, 0xCC]),
                has_5ghz: false,
            },
            last_error,
            scan: ScanView::Unknown,
            progress: Progress { state, trial, attempt: self.attempt, ssid: None },
            epoch: 0,
            claim_refusal: is_code_refused.then_some(portal::ClaimRefusal::Code),
            release: portal::ReleaseOutcome::None,
        }
    }
}

/// Waits in no time.
#[derive(Debug, Default)]
pub(crate) struct CountedPace(Duration);

impl Pace for CountedPace {
    fn wait(&mut self, wait: Duration) {
        self.0 += wait;
    }

    fn elapsed(&self) -> Duration {
        self.0
    }
}
