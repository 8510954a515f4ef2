//! A cloud that knows one token: real TCP, real TLS, real frames.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio_rustls::TlsAcceptor;
use wire::{
    DeviceInternal, DeviceMessage, Frame, Parsed, PinWrite, Secret, ServerHardware, ServerInternal,
    ServerMessage, Status, Values, VirtualPin,
};

const BODY_BYTES_MAX: usize = 4096;

/// The cloud.
pub(crate) struct SmallCloud {
    pub(crate) port: u16,
    /// Its authority, as a file would hold it.
    pub(crate) ca_pem: String,
    pub(crate) seen: Rc<Seen>,
    orders: watch::Sender<Vec<Vec<u8>>>,
}

/// What the cloud saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) logins: RefCell<usize>,
    pub(crate) writes: RefCell<Vec<(u8, String)>>,
    /// Texts of recorded events.
    pub(crate) events: RefCell<Vec<String>>,
    /// Firmware versions as they were told.
    pub(crate) versions: RefCell<Vec<String>>,
    /// What is answered to a download, head and all.
    pub(crate) download: RefCell<Vec<u8>>,
    changed: Notify,
}

impl Seen {
    /// Waits until something is true.
    pub(crate) async fn until(&self, is_true: impl Fn(&Self) -> bool) {
        while !is_true(self) {
            self.changed.notified().await;
        }
    }
}

impl SmallCloud {
    /// Starts the cloud on the caller's `LocalSet`. Its certificate is for `name`.
    pub(crate) async fn start(token: &'static str, name: &str) -> Self {
        let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key"))
            .expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(vec![name.to_owned()])
            .expect("parameters")
            .signed_by(&key, &authority)
            .expect("a certificate");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a usable certificate");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (orders, _) = watch::channel(Vec::new());
        let seen = Rc::new(Seen::default());
        tokio::task::spawn_local(serve(listener, acceptor, token, Rc::clone(&seen), orders.clone()));
        Self { port, ca_pem: authority.pem(), seen, orders }
    }

    /// Writes to one of the device's pins.
    pub(crate) fn write_pin(&self, pin: u8, value: &str) {
        let write = PinWrite::Virtual { pin: VirtualPin(pin), values: Values::new(value.as_bytes()) };
        self.order(&ServerMessage::Hardware(ServerHardware::Write(write)));
    }

    /// Ends the ownership.
    pub(crate) fn order_erase(&self) {
        self.order(&ServerMessage::Internal(ServerInternal::Dbg { command: Secret(b"config erase") }));
    }

    /// Orders an update from this cloud itself.
    pub(crate) fn order_update(&self) {
        let url = format!("https://localhost:{}/static/f.bin?token=secret-download", self.port);
        self.order(&ServerMessage::Internal(ServerInternal::Ota { url: Secret(url.as_bytes()) }));
    }

    fn order(&self, message: &ServerMessage<'_>) {
        let mut bytes = vec![0; 256];
        let frame_bytes = message.encode(7, &mut bytes).expect("a short message");
        bytes.truncate(frame_bytes);
        self.orders.send_modify(|orders| orders.push(bytes));
    }
}

async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    token: &'static str,
    seen: Rc<Seen>,
    orders: watch::Sender<Vec<Vec<u8>>>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, seen) = (acceptor.clone(), Rc::clone(&seen));
        // Earlier orders were for earlier connections.
        let sent_count = orders.borrow().len();
        tokio::task::spawn_local(talk(stream, acceptor, token, seen, orders.subscribe(), sent_count));
    }
}

async fn talk(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    token: &'static str,
    seen: Rc<Seen>,
    mut orders: watch::Receiver<Vec<Vec<u8>>>,
    mut sent_count: usize,
) {
    // A device that does not trust us hangs up.
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let mut received = Vec::new();
    let mut chunk = [0; 1024];
    loop {
        tokio::select! {
            read = stream.read(&mut chunk) => {
                let Ok(read_bytes @ 1..) = read else { return };
                received.extend_from_slice(&chunk[..read_bytes]);
                if received.starts_with(b"GET ") {
                    let answer = seen.download.borrow().clone();
                    // A device that has all it wants hangs up first.
                    drop(stream.write_all(&answer).await);
                    drop(stream.shutdown().await);
                    return;
                }
                while let Some((answer, consumed_bytes)) = take_frame(&received, token, &seen) {
                    received.drain(..consumed_bytes);
                    if stream.write_all(&answer).await.is_err() {
                        return;
                    }
                }
            }
            changed = orders.changed() => {
                if changed.is_err() {
                    return;
                }
                let new: Vec<Vec<u8>> = orders.borrow().iter().skip(sent_count).cloned().collect();
                sent_count += new.len();
                for order in new {
                    if stream.write_all(&order).await.is_err() {
                        return;
                    }
                }
            }
        }
        if stream.flush().await.is_err() {
            return;
        }
    }
}

fn take_frame(received: &[u8], token: &str, seen: &Seen) -> Option<(Vec<u8>, usize)> {
    let Parsed::Complete { frame, consumed_bytes } = Frame::parse(received, BODY_BYTES_MAX).expect("frames")
    else {
        return None;
    };
    let status = match DeviceMessage::parse(&frame) {
        Ok(DeviceMessage::Login { token: given }) => {
            let is_known = given.0 == token.as_bytes();
            *seen.logins.borrow_mut() += usize::from(is_known);
            Some(if is_known { Status::Success } else { Status::InvalidToken })
        }
        Ok(DeviceMessage::Ping) => Some(Status::Success),
        Ok(DeviceMessage::EventLog { description, .. }) => {
            let text = String::from_utf8_lossy(description.unwrap_or_default()).into_owned();
            seen.events.borrow_mut().push(text);
            None
        }
        Ok(DeviceMessage::Internal(DeviceInternal::Info(info))) => {
            seen.versions.borrow_mut().extend(info.mcu.map(str::to_owned));
            None
        }
        Ok(DeviceMessage::Hardware(PinWrite::Virtual { pin, values })) => {
            let value = values.iter().next().unwrap_or_default();
            seen.writes.borrow_mut().push((pin.0, String::from_utf8_lossy(value).into_owned()));
            None
        }
        _ => None,
    };
    seen.changed.notify_one();
    let mut answer = vec![0; 16];
    let answer_bytes = status.map_or(0, |status| {
        let response = Frame::Response { message_id: frame.message_id(), status };
        response.encode(&mut answer).expect("a response")
    });
    answer.truncate(answer_bytes);
    Some((answer, consumed_bytes))
}
