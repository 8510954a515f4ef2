//! Calls of webhooks, signed, to addresses that were checked.
//!
//! The address is resolved once and the connection goes to what was checked, so that a name which changes its meaning in
//! between leads nowhere else. Redirects are not followed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::http::uri::Scheme;
use hyper::{Method, Request, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use registry::{Token, UtcTime};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use sha2::Sha256;
use store::Notification;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::secret_file::hex;

/// 1,024 characters. Source: reference/http-api.md 13, webhooks.
const URL_BYTES_MAX: usize = 1_024;

/// 5 s until a connection stands.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// 15 s for the whole call.
const CALL_TIME_MAX: Duration = Duration::from_secs(15);

/// 16 kB of an answer's head are read; nothing of its body.
const ANSWER_HEAD_BYTES_MAX: usize = 16 * 1024;

/// Number of the notification; the same in each attempt.
const ID_HEADER: &str = "rehome-notification";

/// Seconds since 1970 at which the call was signed.
const TIMESTAMP_HEADER: &str = "rehome-timestamp";

/// `v1=` and HMAC-SHA-256 over timestamp, a full stop and body, in hexadecimal digits; the key is the webhook's secret.
const SIGNATURE_HEADER: &str = "rehome-signature";

/// Why an address cannot be that of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CheckUrlError {
    #[error("an address has 1 to {URL_BYTES_MAX} characters")]
    Length,
    #[error(
        "an address is written `https://host/path` or `http://host/path`, without user name and fragment"
    )]
    Form,
    #[error(
        "the address leads to this machine or a private network, which `webhooks_to_private_addresses` does not allow"
    )]
    Private,
}

/// Why a webhook was not called, or did not answer as it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallWebhookError {
    #[error(transparent)]
    Url(#[from] CheckUrlError),
    #[error("the host could not be found")]
    Resolve(#[source] std::io::Error),
    #[error("the host has no address")]
    NoAddress,
    #[error("no connection could be made")]
    Connect(#[source] std::io::Error),
    #[error("no connection could be made within {} s", CONNECT_TIME_MAX.as_secs())]
    ConnectTooSlow,
    #[error("it did not answer within {} s", CALL_TIME_MAX.as_secs())]
    TooSlow,
    #[error("the call failed")]
    Http(#[from] hyper::Error),
    #[error("the call could not be written")]
    Write(#[from] hyper::http::Error),
    #[error("it answered {status}{}", if status.is_redirection() { "; redirects are not followed" } else { "" })]
    Status { status: StatusCode },
}

/// An address in its parts.
struct Target {
    is_tls: bool,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    uri: Uri,
}

/// Checks what can be checked without asking anybody; a host name is looked up when it is called.
pub(crate) fn check_url(url: &str, allows_private: bool) -> Result<(), CheckUrlError> {
    let target = parse_url(url)?;
    match target.host.parse::<IpAddr>() {
        Ok(address) if !allows_private && !is_public(address) => Err(CheckUrlError::Private),
        _ => Ok(()),
    }
}

fn parse_url(url: &str) -> Result<Target, CheckUrlError> {
    if !(1..=URL_BYTES_MAX).contains(&url.len()) {
        return Err(CheckUrlError::Length);
    }
    let uri: Uri = url.parse().map_err(|_source| CheckUrlError::Form)?;
    let is_tls = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        Some(scheme) if *scheme == Scheme::HTTP => false,
        _ => return Err(CheckUrlError::Form),
    };
    let authority = uri.authority().ok_or(CheckUrlError::Form)?;
    if authority.as_str().contains('@') || authority.host().is_empty() || url.contains('#') {
        return Err(CheckUrlError::Form);
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    Ok(Target { is_tls, host, port, uri })
}

/// Calls webhooks.
#[derive(Debug)]
pub(super) struct WebhookCaller {
    allows_private: bool,
    /// Made for the first call over TLS: it reads the certificates that this machine trusts.
    tls: OnceLock<Arc<ClientConfig>>,
}

impl WebhookCaller {
    pub(super) const fn new(allows_private: bool) -> Self {
        Self { allows_private, tls: OnceLock::new() }
    }

    /// Posts a notification; any status from 200 to 299 counts as taken.
    pub(super) async fn call(
        &self,
        url: &str,
        secret: &Token,
        notification: &Notification,
        now: UtcTime,
    ) -> Result<(), CallWebhookError> {
        let target = parse_url(url)?;
        let request = write_request(&target, secret, notification, now)?;
        let calling = tokio::time::timeout(CALL_TIME_MAX, self.send(&target, request));
        let status = calling.await.map_err(|_elapsed| CallWebhookError::TooSlow)??;
        if status.is_success() { Ok(()) } else { Err(CallWebhookError::Status { status }) }
    }

    async fn send(
        &self,
        target: &Target,
        request: Request<Full<Bytes>>,
    ) -> Result<StatusCode, CallWebhookError> {
        let address = self.resolve(target).await?;
        let connecting = tokio::time::timeout(CONNECT_TIME_MAX, self.connect(target, address));
        let stream = connecting.await.map_err(|_elapsed| CallWebhookError::ConnectTooSlow)?;
        let stream = stream.map_err(CallWebhookError::Connect)?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(ANSWER_HEAD_BYTES_MAX);
        let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        // The connection is driven here and dropped with this call: nothing of the answer's body is read.
        tokio::pin!(connection);
        let answer = sender.send_request(request);
        tokio::pin!(answer);
        tokio::select! {
            answer = &mut answer => Ok(answer?.status()),
            ended = &mut connection => {
                ended?;
                Ok(answer.await?.status())
            }
        }
    }

    async fn resolve(&self, target: &Target) -> Result<SocketAddr, CallWebhookError> {
        let found = tokio::net::lookup_host((target.host.as_str(), target.port)).await;
        let found: Vec<SocketAddr> = found.map_err(CallWebhookError::Resolve)?.collect();
        if found.is_empty() {
            return Err(CallWebhookError::NoAddress);
        }
        let allowed = found.into_iter().find(|address| self.allows_private || is_public(address.ip()));
        Ok(allowed.ok_or(CheckUrlError::Private)?)
    }

    async fn connect(&self, target: &Target, address: SocketAddr) -> Result<Box<dyn Stream>, std::io::Error> {
        let stream = TcpStream::connect(address).await?;
        if !target.is_tls {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from(target.host.clone()).map_err(std::io::Error::other)?;
        let connector = TlsConnector::from(Arc::clone(self.tls()?));
        Ok(Box::new(connector.connect(name, stream).await?))
    }

    fn tls(&self) -> Result<&Arc<ClientConfig>, std::io::Error> {
        if let Some(config) = self.tls.get() {
            return Ok(config);
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(std::io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(self.tls.get_or_init(|| Arc::new(config)))
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

fn write_request(
    target: &Target,
    secret: &Token,
    notification: &Notification,
    now: UtcTime,
) -> Result<Request<Full<Bytes>>, CallWebhookError> {
    let timestamp_s = now.unix_ms().div_euclid(1_000);
    let path = target.uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = target.uri.authority().map_or("", |authority| authority.as_str());
    Ok(Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::HOST, authority)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, concat!("Rehome/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .header(ID_HEADER, notification.id)
        .header(TIMESTAMP_HEADER, timestamp_s)
        .header(SIGNATURE_HEADER, sign(secret, timestamp_s, &notification.body))
        .body(Full::new(Bytes::from(notification.body.clone())))?)
}

/// Signs a call. The timestamp is signed too, so that a receiver can refuse what is old.
fn sign(secret: &Token, timestamp_s: i64, body: &str) -> String {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else {
        return String::new();
    };
    mac.update(timestamp_s.to_string().as_bytes());
    mac.update(b".");
    mac.update(body.as_bytes());
    format!("v1={}", hex(&mac.finalize().into_bytes()))
}

/// Says whether an address is one of the public network. Source: the special-purpose registries of RFC 6890.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let is_local = address.is_private() || address.is_loopback() || address.is_link_local();
    let [a, b, c, _] = address.octets();
    // "This network", and from multicast on everything.
    let is_outside = matches!(a, 0 | 224..=255);
    // Shared by the customers of a provider, protocol assignments, benchmarks.
    let is_special = matches!((a, b, c), (100, 64..=127, _) | (192, 0, 0) | (198, 18..=19, _));
    !(is_local || is_outside || is_special || address.is_documentation())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let embedded = |high: u16, low: u16| is_public_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match address.segments() {
        // Translated to IPv4 on the way (RFC 6052), or carried over it (RFC 3056).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => embedded(high, low),
        // Documentation, and protocol assignments such as Teredo.
        [0x2001, 0xdb8 | 0..=0x1ff, ..] => false,
        // Only this eighth is given out for the public network.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests;
