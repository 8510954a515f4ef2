//! The two HTTP clients: one for the portal, in clear text, one for the cloud, with TLS.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use ureq::Agent;
use ureq::http::Uri;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// Longest answer that is read, in bytes. A scan of 15 networks takes 2 kB.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// A scan or a busy radio keeps a device from answering for seconds. Source: `reference/edgent-device.md` §5, 20 s.
const ANSWER_WAIT: Duration = Duration::from_secs(25);

/// A device in the same hotspot answers at once or is not there.
const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// An address without path, such as `http://192.168.4.1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerUrl {
    scheme: &'static str,
    authority: String,
    is_loopback: bool,
}

impl ServerUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, ParseServerUrlError> {
        let uri: Uri = text.parse().or(Err(ParseServerUrlError::Malformed))?;
        let scheme = match uri.scheme_str() {
            Some("http") => "http",
            Some("https") => "https",
            _ => return Err(ParseServerUrlError::Scheme),
        };
        let authority = uri.authority().ok_or(ParseServerUrlError::Malformed)?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(ParseServerUrlError::Path);
        }
        if authority.as_str().contains('@') {
            return Err(ParseServerUrlError::UserInformation);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let is_loopback =
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        Ok(Self { scheme, authority: authority.to_string(), is_loopback })
    }

    pub(crate) fn is_clear_text(&self) -> bool {
        self.scheme == "http"
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.is_loopback
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.authority)
    }
}

/// Not the address of a portal or a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseServerUrlError {
    /// Not a URL.
    #[error("the address is not a URL such as http://192.168.4.1")]
    Malformed,
    /// Neither http nor https, or https for a portal.
    #[error("the address must begin with http:// (a server's with https:// too)")]
    Scheme,
    /// More than a server.
    #[error("the address must have no path")]
    Path,
    /// A name or password in the address would be seen by everybody on this computer.
    #[error("the address must hold no user name")]
    UserInformation,
    /// The key would be readable on the way.
    #[error("the API key may not travel in clear text: use https://, or a server on this computer")]
    ClearText,
    /// The certificates are not PEM.
    #[error("the file of trusted certificates holds none in PEM form")]
    Certificates,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// No answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReachError {
    /// The server's name leads nowhere.
    #[error("its name cannot be looked up")]
    UnknownName,
    /// Nobody is at that address.
    #[error("nobody answers there")]
    NotThere,
    /// The certificate is not trusted, or TLS failed otherwise.
    #[error("no secure connection could be made; for a self-signed server name its certificate as trusted")]
    Tls,
    /// The connection ended, or the time, before the whole answer came.
    #[error("the connection broke before the answer came")]
    Broken,
    /// What came is no HTTP answer, or too long.
    #[error("the answer is not HTTP, or too long")]
    NotHttp,
}

impl ReachError {
    /// Whether the request may have arrived nevertheless.
    pub(crate) fn may_have_arrived(self) -> bool {
        matches!(self, Self::Broken | Self::NotHttp)
    }
}

/// A client for portals: no proxy, because the hotspot is next door, and no redirect, because a portal sends none.
pub(crate) fn portal_agent() -> Agent {
    let config = Agent::config_builder().proxy(None).timeout_connect(Some(CONNECT_WAIT));
    agent(config)
}

/// A client for servers, with the public certificate authorities or only the given ones (PEM).
pub(crate) fn server_agent(trusted_pem: Option<&[u8]>) -> Result<Agent, ParseServerUrlError> {
    let mut tls = TlsConfig::builder();
    if let Some(pem) = trusted_pem {
        let mut certificates = Vec::new();
        for item in parse_pem(pem) {
            if let PemItem::Certificate(certificate) = item.or(Err(ParseServerUrlError::Certificates))? {
                certificates.push(certificate);
            }
        }
        if certificates.is_empty() {
            return Err(ParseServerUrlError::Certificates);
        }
        tls = tls.root_certs(RootCerts::Specific(Arc::new(certificates)));
    }
    Ok(agent(Agent::config_builder().tls_config(tls.build()).timeout_connect(Some(CONNECT_WAIT))))
}

fn agent(config: ureq::config::ConfigBuilder<ureq::typestate::AgentScope>) -> Agent {
    config
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(0)
        .timeout_global(Some(ANSWER_WAIT))
        .user_agent("rehome")
        .build()
        .new_agent()
}

/// Reads the whole answer, or says why there is none.
pub(crate) fn answer(
    sent: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Answer, ReachError> {
    let mut response = sent.map_err(|error| reach_error(&error))?;
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
    let body = body.map_err(|error| reach_error(&error))?;
    Ok(Answer { status, body })
}

/// The library's error is not kept: its text may repeat an address with what follows it.
fn reach_error(error: &ureq::Error) -> ReachError {
    use io::ErrorKind::{AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkUnreachable};
    match error {
        ureq::Error::HostNotFound => ReachError::UnknownName,
        ureq::Error::Io(error) if is_failed_lookup(error) => ReachError::UnknownName,
        ureq::Error::ConnectionFailed
        | ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => ReachError::NotThere,
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::Pem(_) => ReachError::Tls,
        ureq::Error::Io(error) => match error.kind() {
            AddrNotAvailable | ConnectionRefused | HostUnreachable | NetworkUnreachable => {
                ReachError::NotThere
            }
            io::ErrorKind::InvalidData => ReachError::Tls,
            _ => ReachError::Broken,
        },
        ureq::Error::Timeout(_) => ReachError::Broken,
        _ => ReachError::NotHttp,
    }
}

/// The standard library gives such an error no kind of its own, and `getaddrinfo` no number that is one of the system.
fn is_failed_lookup(error: &io::Error) -> bool {
    error.raw_os_error().is_none() && error.to_string().starts_with("failed to lookup address information")
}

#[cfg(test)]
mod tests {
    use super::{ParseServerUrlError, ReachError, ServerUrl, answer, portal_agent};

    #[test]
    fn a_name_that_cannot_be_looked_up_is_no_broken_connection() {
        // A label has at most 63 letters, so nobody is asked for this one.
        let url = format!("http://{}.invalid/", "a".repeat(64));
        let error = answer(portal_agent().get(url).call()).unwrap_err();
        assert_eq!(error, ReachError::UnknownName);
        assert!(!error.may_have_arrived());
    }

    #[test]
    fn only_a_scheme_and_a_server_make_an_address() {
        let url = ServerUrl::parse("http://192.168.4.1/").unwrap();
        assert_eq!(url.at("/config"), "http://192.168.4.1/config");
        assert!(!url.is_loopback() && url.is_clear_text());
        assert!(ServerUrl::parse("http://[::1]:8080").unwrap().is_loopback());
        assert_eq!(ServerUrl::parse("ftp://a"), Err(ParseServerUrlError::Scheme));
        assert_eq!(ServerUrl::parse("http://a/b"), Err(ParseServerUrlError::Path));
        assert_eq!(ServerUrl::parse("http://user:secret@a"), Err(ParseServerUrlError::UserInformation));
        assert!(ServerUrl::parse("192.168.4.1").is_err());
    }
}
