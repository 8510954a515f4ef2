//! TLS towards devices and browsers: versions, record size, certificate.

mod facts;
mod self_signed;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};

use registry::UtcTime;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{Acceptor, ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, ServerConfig, version};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::error;

pub(crate) use facts::CertificateFacts;

use crate::acme::{self, Challenges};
use crate::config::Config;
use crate::errors::ErrorChain;
use crate::limits::TLS_FRAGMENT_BYTES_MAX;

/// Folder of the server's own certificates inside the data folder.
const FOLDER: &str = "tls";

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenTlsError {
    /// A file cannot be read or written.
    #[error("cannot read or write {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file holds no usable PEM.
    #[error("{path} holds no certificate or key in PEM form")]
    Pem {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key do not belong together, or the key is of an unknown kind.
    #[error("the certificate and the key cannot be used together")]
    Pair {
        /// What the library said.
        #[source]
        source: rustls::Error,
    },
    /// Making the server's own certificate failed.
    #[error(
        "making the server's own certificate failed; check the host names, or remove the folder {folder}"
    )]
    Generate {
        /// The folder of the certificate.
        folder: PathBuf,
        /// What the library said.
        #[source]
        source: rcgen::Error,
    },
    /// The folder holds a CA key without its certificate, or the other way round.
    #[error(
        "{folder} is incomplete; remove it and start again: devices that trust the old one need the new one"
    )]
    HalfCa {
        /// The folder of the certificate.
        folder: PathBuf,
    },
}

/// Which of a data folder's certificates cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certificate {
    /// That of the server's own authority.
    Authority,
    /// The one which that authority signed.
    Own,
    /// The one of the last ACME order.
    Obtained,
}

/// Looks at the certificates and keys in a data folder as the server will do at its start; makes and changes none. One that
/// is not there is no fault: it is made anew.
pub(crate) fn check_certificates(data_dir: &Path) -> Vec<(Certificate, OpenTlsError)> {
    let folder = data_dir.join(FOLDER);
    let (own, own_key) = (folder.join(self_signed::LEAF_FILE), folder.join(self_signed::LEAF_KEY_FILE));
    let obtained = acme::certificate_path(data_dir);
    let pair = |cert: &Path, key: &Path| {
        if cert.exists() && key.exists() { load_pair(cert, key).map(drop) } else { Ok(()) }
    };
    let looked_at = [
        (Certificate::Authority, self_signed::read_authority(&folder).map(drop)),
        (Certificate::Own, pair(&own, &own_key)),
        (Certificate::Obtained, pair(&obtained, &obtained)),
    ];
    looked_at.into_iter().filter_map(|(which, result)| Some((which, result.err()?))).collect()
}

/// The server's side of TLS.
#[derive(Debug)]
pub(crate) struct Tls {
    handshake: Handshake,
    slot: Arc<CertificateSlot>,
    origin: Origin,
}

/// Where the certificate comes from.
#[derive(Debug)]
enum Origin {
    Own(OwnCertificate),
    Supplied {
        cert: PathBuf,
        key: PathBuf,
    },
    /// Over ACME; until there is one, the server's own.
    Acme {
        is_stand_in: AtomicBool,
    },
}

/// Where the server's own certificate lies and which names it carries.
#[derive(Debug)]
struct OwnCertificate {
    folder: PathBuf,
    names: Vec<String>,
    ca_pem: String,
}

impl Tls {
    /// Loads the configured certificate, or the server's own one, which is made when there is none.
    pub(crate) fn open(config: &Config, challenges: Challenges, now: UtcTime) -> Result<Self, OpenTlsError> {
        let stored = acme::certificate_path(&config.data_dir);
        let (certified, origin) = if let (Some(cert), Some(key)) = (&config.tls_cert, &config.tls_key) {
            (load_pair(cert, key)?, Origin::Supplied { cert: cert.clone(), key: key.clone() })
        } else if config.acme.is_some()
            && let Some(certified) = load_obtained(&stored)
        {
            (certified, Origin::Acme { is_stand_in: AtomicBool::new(false) })
        } else {
            let folder = config.data_dir.join(FOLDER);
            let names = own_names(config);
            let own = self_signed::open(&folder, &names, now)?;
            let certified = load_pair(&own.leaf_path, &own.leaf_key_path)?;
            let origin = match config.acme {
                Some(_) => Origin::Acme { is_stand_in: AtomicBool::new(true) },
                None => Origin::Own(OwnCertificate { folder, names, ca_pem: own.ca_pem }),
            };
            (certified, origin)
        };
        let slot = Arc::new(CertificateSlot(RwLock::new(Arc::new(certified))));
        let handshake = Handshake::new(&slot, challenges)?;
        Ok(Self { handshake, slot, origin })
    }

    pub(crate) fn handshake(&self) -> Handshake {
        self.handshake.clone()
    }

    /// Returns the certificate of the server's own authority; `None` when a certificate was supplied.
    pub(crate) fn ca_certificate_pem(&self) -> Option<&str> {
        match &self.origin {
            Origin::Own(own) => Some(&own.ca_pem),
            Origin::Supplied { .. } | Origin::Acme { .. } => None,
        }
    }

    /// What the certificate in use says about itself; `None` while the server's own one stands in for one that is yet to be
    /// obtained.
    pub(crate) fn facts(&self) -> Option<CertificateFacts> {
        if let Origin::Acme { is_stand_in } = &self.origin
            && is_stand_in.load(Ordering::Acquire)
        {
            return None;
        }
        self.slot.facts()
    }

    /// When the certificate in use ends.
    pub(crate) fn expires_at(&self) -> Option<UtcTime> {
        self.slot.facts().map(|facts| facts.not_after)
    }

    /// Takes a certificate over that was obtained; new handshakes get it.
    ///
    /// # Errors
    /// When the file holds no pair that fits together; then the certificate in use stays.
    pub(crate) fn take_over(&self, obtained: &Path) -> Result<(), OpenTlsError> {
        let certified = load_pair(obtained, obtained)?;
        self.slot.replace(certified);
        if let Origin::Acme { is_stand_in } = &self.origin {
            is_stand_in.store(false, Ordering::Release);
        }
        Ok(())
    }

    /// Renews the server's own certificate when it is about to expire; new handshakes get the new one.
    pub(crate) fn renew_when_due(&self, now: UtcTime) -> Result<(), OpenTlsError> {
        let Origin::Own(own) = &self.origin else { return Ok(()) };
        let renewed = self_signed::open(&own.folder, &own.names, now)?;
        let certified = load_pair(&renewed.leaf_path, &renewed.leaf_key_path)?;
        self.slot.replace(certified);
        Ok(())
    }

    /// Reads a supplied certificate again; new handshakes get it when it has changed. Returns whether it has.
    ///
    /// # Errors
    /// When the files hold no pair that fits together; then the certificate in use stays.
    pub(crate) fn reload_supplied(&self) -> Result<bool, OpenTlsError> {
        let Origin::Supplied { cert, key } = &self.origin else { return Ok(false) };
        let certified = load_pair(cert, key)?;
        // Another key needs another certificate, so the certificates say it all.
        let has_changed = certified.cert != self.slot.current().cert;
        if has_changed {
            self.slot.replace(certified);
        }
        Ok(has_changed)
    }
}

/// The certificate in use; replaced when it is renewed or its files have changed.
#[derive(Debug)]
struct CertificateSlot(RwLock<Arc<CertifiedKey>>);

impl CertificateSlot {
    fn current(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn facts(&self) -> Option<CertificateFacts> {
        self.current().cert.first().and_then(|leaf| CertificateFacts::read(leaf))
    }

    fn replace(&self, certified: CertifiedKey) {
        // A poisoned lock still holds a whole certificate: the assignment below is the only write.
        let mut slot = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        *slot = Arc::new(certified);
    }
}

impl ResolvesServerCert for CertificateSlot {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

/// Makes TLS connections out of TCP connections.
#[derive(Debug, Clone)]
pub(crate) struct Handshake {
    /// AES-128-GCM first: the cheapest here, where the processor has instructions for it.
    fast_here: Arc<ServerConfig>,
    /// For clients that put `ChaCha20` first: small boards without such instructions, for which AES is slow.
    as_client_asks: Arc<ServerConfig>,
    challenges: Challenges,
}

impl Handshake {
    fn new(slot: &Arc<CertificateSlot>, challenges: Challenges) -> Result<Self, OpenTlsError> {
        let mut fast_here = build_server_config(Arc::clone(slot))?;
        let as_client_asks = Arc::new(fast_here.clone());
        fast_here.ignore_client_order = true;
        Ok(Self { fast_here: Arc::new(fast_here), as_client_asks, challenges })
    }

    /// Reads the client's greeting and completes the handshake; `None` when that was all the client wanted, an authority that
    /// looks whether a name leads here (RFC 8737, section 3).
    ///
    /// # Errors
    /// When the connection ends or client and server have no version or cipher suite in common.
    pub(crate) async fn accept<S>(&self, stream: S) -> io::Result<Option<TlsStream<S>>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        if let Some(answer) = self.challenges.tls_answer(&start.client_hello()) {
            let mut stream = start.into_stream(answer).await?;
            stream.shutdown().await?;
            return Ok(None);
        }
        let server_config = if prefers_chacha20(start.client_hello().cipher_suites()) {
            &self.as_client_asks
        } else {
            &self.fast_here
        };
        start.into_stream(Arc::clone(server_config)).await.map(Some)
    }
}

/// Says whether `ChaCha20` comes before every AES-GCM suite of the client's list.
fn prefers_chacha20(suites: &[CipherSuite]) -> bool {
    let first =
        suites.iter().find(|suite| ring::DEFAULT_CIPHER_SUITES.iter().any(|ours| ours.suite() == **suite));
    matches!(
        first,
        Some(
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
        )
    )
}

fn build_server_config(slot: Arc<CertificateSlot>) -> Result<ServerConfig, OpenTlsError> {
    let mut provider = ring::default_provider();
    provider.cipher_suites.sort_by_key(|suite| {
        !matches!(
            suite.suite(),
            CipherSuite::TLS13_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        )
    });
    let builder = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(|source| OpenTlsError::Pair { source })?;
    let mut server_config = builder.with_no_client_auth().with_cert_resolver(slot);
    // Each ticket is encrypted, written and remembered, and resumption saves nothing measurable.
    server_config.send_tls13_tickets = 0;
    server_config.session_storage = Arc::new(NoServerSessionStorage {});
    server_config.max_fragment_size = Some(TLS_FRAGMENT_BYTES_MAX);
    server_config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(server_config)
}

/// A certificate that was obtained earlier. One that cannot be used is said and obtained anew: nobody else has it.
fn load_obtained(path: &Path) -> Option<CertifiedKey> {
    if !path.exists() {
        return None;
    }
    load_pair(path, path)
        .inspect_err(|failure| {
            error!(error = %ErrorChain(failure), "the certificate of the last ACME order cannot be used");
        })
        .ok()
}

fn load_pair(cert_path: &Path, key_path: &Path) -> Result<CertifiedKey, OpenTlsError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&read(cert_path)?)
        .collect::<Result<_, _>>()
        .map_err(|_ignored| OpenTlsError::Pem { path: cert_path.to_owned() })?;
    if chain.is_empty() {
        return Err(OpenTlsError::Pem { path: cert_path.to_owned() });
    }
    let key = PrivateKeyDer::from_pem_slice(&read(key_path)?)
        .map_err(|_ignored| OpenTlsError::Pem { path: key_path.to_owned() })?;
    CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map_err(|source| OpenTlsError::Pair { source })
}

fn read(path: &Path) -> Result<Vec<u8>, OpenTlsError> {
    std::fs::read(path).map_err(|source| OpenTlsError::File { path: path.to_owned(), source })
}

/// The names that people and devices may reach this server by.
fn own_names(config: &Config) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let mut add = |name: String| {
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    };
    if let Some(host) = &config.public_host {
        add(host.clone());
    }
    for address in [config.listen_tls, config.listen].iter().chain(&config.listen_tls_extra) {
        if !address.ip().is_unspecified() {
            add(address.ip().to_string());
        }
    }
    if let Ok(Some(host_name)) = crate::secret_file::read_text_file(Path::new("/proc/sys/kernel/hostname")) {
        let host_name = host_name.trim();
        if host_name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')) {
            add(host_name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UtcTime = UtcTime::from_unix_ms(1_795_000_000_000);

    fn config(folder: &Path, pair: Option<(&str, &str)>) -> Config {
        let path = |name: &str| folder.join(name);
        let (tls_cert, tls_key) =
            pair.map_or((None, None), |(cert, key)| (Some(path(cert)), Some(path(key))));
        Config { data_dir: folder.to_owned(), tls_cert, tls_key, ..Config::default() }
    }

    #[test]
    fn a_supplied_certificate_is_used_and_none_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let own = rcgen::generate_simple_self_signed(["cloud.example.org".to_owned()]).unwrap();
        std::fs::write(folder.path().join("cert.pem"), own.cert.pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), own.signing_key.serialize_pem()).unwrap();
        let tls =
            Tls::open(&config(folder.path(), Some(("cert.pem", "key.pem"))), Challenges::default(), NOW)
                .unwrap();
        assert_eq!(tls.ca_certificate_pem(), None);
        assert!(!folder.path().join("tls").exists());
        tls.renew_when_due(NOW.plus_ms(i64::MAX / 2)).unwrap();
    }

    #[test]
    fn a_supplied_certificate_that_changes_is_taken_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let pair = || rcgen::generate_simple_self_signed(["cloud.example.org".to_owned()]).unwrap();
        let (first, second) = (pair(), pair());
        write("cert.pem", &first.cert.pem());
        write("key.pem", &first.signing_key.serialize_pem());
        let tls =
            Tls::open(&config(folder.path(), Some(("cert.pem", "key.pem"))), Challenges::default(), NOW)
                .unwrap();
        let in_use = || tls.slot.current().cert.clone();
        assert!(!tls.reload_supplied().unwrap());

        // Half of a new pair, as a program leaves it between its two writes.
        write("cert.pem", &second.cert.pem());
        assert!(matches!(tls.reload_supplied(), Err(OpenTlsError::Pair { .. })));
        assert_eq!(in_use(), vec![first.cert.der().clone()]);
        write("key.pem", "");
        assert!(matches!(tls.reload_supplied(), Err(OpenTlsError::Pem { .. })));
        std::fs::remove_file(folder.path().join("key.pem")).unwrap();
        assert!(matches!(tls.reload_supplied(), Err(OpenTlsError::File { .. })));
        assert_eq!(in_use(), vec![first.cert.der().clone()]);

        write("key.pem", &second.signing_key.serialize_pem());
        assert!(tls.reload_supplied().unwrap());
        assert_eq!(in_use(), vec![second.cert.der().clone()]);
        assert!(!tls.reload_supplied().unwrap());
    }

    #[test]
    fn files_that_do_not_belong_together_or_hold_no_pem_are_named() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["first", "second"] {
            let own = rcgen::generate_simple_self_signed(["a.example.org".to_owned()]).unwrap();
            std::fs::write(folder.path().join(format!("{name}.pem")), own.cert.pem()).unwrap();
            std::fs::write(folder.path().join(format!("{name}-key.pem")), own.signing_key.serialize_pem())
                .unwrap();
        }
        std::fs::write(folder.path().join("text.pem"), "no certificate").unwrap();
        let open = |cert, key| {
            Tls::open(&config(folder.path(), Some((cert, key))), Challenges::default(), NOW).map(|_tls| ())
        };
        assert!(matches!(open("first.pem", "second-key.pem"), Err(OpenTlsError::Pair { .. })));
        assert!(matches!(open("text.pem", "first-key.pem"), Err(OpenTlsError::Pem { .. })));
        assert!(matches!(open("first.pem", "text.pem"), Err(OpenTlsError::Pem { .. })));
        assert!(matches!(open("none.pem", "first-key.pem"), Err(OpenTlsError::File { .. })));
    }

    #[test]
    fn only_a_client_that_puts_chacha20_before_aes_gets_its_own_order() {
        const CHACHA20: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256;
        const AES_256: CipherSuite = CipherSuite::TLS13_AES_256_GCM_SHA384;
        const NOT_OURS: CipherSuite = CipherSuite::TLS_RSA_WITH_AES_128_CBC_SHA;
        assert!(prefers_chacha20(&[CHACHA20, AES_256]));
        assert!(prefers_chacha20(&[NOT_OURS, CHACHA20, AES_256]));
        assert!(!prefers_chacha20(&[AES_256, CHACHA20]));
        assert!(!prefers_chacha20(&[NOT_OURS]));
        assert!(!prefers_chacha20(&[]));
    }

    #[test]
    fn new_handshakes_get_the_renewed_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let tls = Tls::open(&config(folder.path(), None), Challenges::default(), NOW).unwrap();
        let current = || tls.slot.0.read().unwrap().cert.clone();
        let before = current();
        tls.renew_when_due(NOW.plus_ms(1)).unwrap();
        assert_eq!(before, current());
        tls.renew_when_due(NOW.plus_ms(390 * 24 * 3_600 * 1_000)).unwrap();
        assert_ne!(before, current());
    }
}
