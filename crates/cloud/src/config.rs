//! What a person can set, validated before anything starts.

mod smtp;

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time_zone::Zone;
pub(crate) use smtp::{PasswordSource, SmtpSettings};
pub use smtp::{SmtpPassword, SmtpTls};

/// Where the server listens, keeps its data and how it names itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Folder of the database, keys and certificates. Made when missing.
    pub data_dir: PathBuf,
    /// HTTP, WebSocket and Blynk binary, told apart on one port. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// The same over TLS.
    pub listen_tls: SocketAddr,
    /// Further addresses like `listen`, for example `0.0.0.0:80`.
    pub listen_extra: Vec<SocketAddr>,
    /// Further addresses like `listen_tls`, for example `0.0.0.0:443`.
    pub listen_tls_extra: Vec<SocketAddr>,
    /// Certificate chain as PEM; together with `tls_key`. Without it the server makes its own.
    pub tls_cert: Option<PathBuf>,
    /// Private key as PEM; together with `tls_cert`.
    pub tls_key: Option<PathBuf>,
    /// Gets a certificate from a public authority and renews it; in place of `tls_cert`.
    pub acme: Option<AcmeSettings>,
    /// The host name or address that devices and people use to reach this server. The listening address when left out.
    pub public_host: Option<String>,
    /// IANA name of the time zone of devices that told none, for example `Europe/Berlin`. UTC when left out.
    pub time_zone: Option<String>,
    /// Sends every device that logs in to another server, as `host:port`. For taking a node out of service.
    pub redirect_devices_to: Option<RedirectTarget>,
    /// The mail server that takes notifications; none are sent by e-mail when left out.
    pub smtp_host: Option<String>,
    /// Its port; 465, 587 or 25 when left out, as `smtp_tls` says.
    pub smtp_port: Option<u16>,
    /// How the connection to it is protected.
    pub smtp_tls: SmtpTls,
    /// The user to sign in as, together with a password.
    pub smtp_user: Option<String>,
    /// The password. A file, or the environment, is a better place for it than the configuration file.
    pub smtp_password: Option<SmtpPassword>,
    /// A file with the password, in place of `smtp_password`.
    pub smtp_password_file: Option<PathBuf>,
    /// Certificates (PEM) of an authority that signs the mail server's, beside those that this machine trusts.
    pub smtp_ca_file: Option<PathBuf>,
    /// The sender of e-mails, as in `Rehome <alerts@example.org>`.
    pub smtp_from: Option<String>,
    /// Lets webhooks call addresses of this machine and its private networks. Whoever may set up a webhook can then reach
    /// whatever this server can.
    pub webhooks_to_private_addresses: bool,
    /// Time limits.
    pub timings: Timings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./rehome-data"),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            listen_tls: SocketAddr::from((Ipv4Addr::LOCALHOST, 8443)),
            listen_extra: Vec::new(),
            listen_tls_extra: Vec::new(),
            tls_cert: None,
            tls_key: None,
            acme: None,
            public_host: None,
            time_zone: None,
            redirect_devices_to: None,
            smtp_host: None,
            smtp_port: None,
            smtp_tls: SmtpTls::default(),
            smtp_user: None,
            smtp_password: None,
            smtp_password_file: None,
            smtp_ca_file: None,
            smtp_from: None,
            webhooks_to_private_addresses: false,
            timings: Timings::default(),
        }
    }
}

/// How a certificate is obtained over ACME (RFC 8555).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcmeSettings {
    /// Address of the authority's directory, `https://…`.
    pub directory: String,
    /// Says that whoever runs this server agrees to the authority's terms of service. Without it there is no account.
    pub terms_of_service_agreed: bool,
    /// Where the authority may write to, for example `mailto:admin@example.org`.
    #[serde(default)]
    pub contact: Vec<String>,
    /// Names of the certificate; `public_host` when left out. No wildcards and no addresses.
    #[serde(default)]
    pub domains: Vec<String>,
    /// How the authority sees that the names lead here.
    #[serde(default)]
    pub challenge: AcmeChallenge,
    /// Certificate (PEM) that the directory itself is trusted by; the system's authorities when left out.
    #[serde(default)]
    pub directory_ca: Option<PathBuf>,
}

/// How an authority sees that a name leads to this server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AcmeChallenge {
    /// Over TLS on port 443 (RFC 8737).
    #[default]
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
    /// Over HTTP on port 80 (RFC 8555, section 8.3).
    #[serde(rename = "http-01")]
    Http01,
}

/// Where devices are sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedirectTarget {
    /// Host name, 1 to 63 bytes: the library cuts longer ones (reference/wire-protocol.md 10).
    pub host: String,
    /// Port.
    pub port: u16,
}

/// Time limits in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timings {
    /// How long a TLS handshake may take.
    pub tls_handshake_ms: u64,
    /// How long a new connection may stay without its first bytes, and a device without its login.
    pub first_bytes_ms: u64,
    /// How long the head of an HTTP request may take to arrive.
    pub http_head_ms: u64,
    /// How long a device or an HTTP client may take nothing of what is written to it before its connection is cut.
    pub write_ms: u64,
}

impl Default for Timings {
    fn default() -> Self {
        // An ESP8266 needs up to 5 s for a TLS handshake at 80 MHz; the others are generous for a mobile network.
        Self { tls_handshake_ms: 15_000, first_bytes_ms: 10_000, http_head_ms: 10_000, write_ms: 15_000 }
    }
}

impl Timings {
    pub(crate) fn tls_handshake(&self) -> Duration {
        Duration::from_millis(self.tls_handshake_ms)
    }

    pub(crate) fn first_bytes(&self) -> Duration {
        Duration::from_millis(self.first_bytes_ms)
    }

    pub(crate) fn http_head(&self) -> Duration {
        Duration::from_millis(self.http_head_ms)
    }

    pub(crate) fn write(&self) -> Duration {
        Duration::from_millis(self.write_ms)
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValidateConfigError {
    /// One of the two TLS files is missing.
    #[error(
        "`tls_cert` and `tls_key` belong together: set both, or none to let the server make its own certificate"
    )]
    HalfTls,
    /// Two listeners cannot have one address.
    #[error(
        "{address} is given twice: `listen`, `listen_tls` and the extra addresses need one of their own each"
    )]
    SharedAddress {
        /// The address.
        address: SocketAddr,
    },
    /// The public host is empty, too long or has characters that no host name has.
    #[error(
        "`public_host` must be a host name or an address without port or scheme, for example `cloud.example.org`"
    )]
    PublicHost,
    /// There are two sources for one certificate.
    #[error("`acme` and `tls_cert` exclude each other: keep one of them")]
    AcmeAndSupplied,
    /// The directory cannot be asked.
    #[error("`acme.directory` must begin with `https://`; the authority says where it is")]
    AcmeDirectory,
    /// Without consent there is no account.
    #[error("set `acme.terms_of_service_agreed = true` once you have read the terms of the authority")]
    AcmeTerms,
    /// A name that no certificate can be obtained for here.
    #[error(
        "`acme.domains` (or `public_host`, when it is left out) must hold host names, for example \
         `cloud.example.org`: no addresses, no wildcards"
    )]
    AcmeDomains,
    /// There is no such time zone.
    #[error("`time_zone` must be the IANA name of a time zone, for example `Europe/Berlin`")]
    TimeZone,
    /// The redirect host does not fit into what devices can hold.
    #[error("`redirect_devices_to.host` must be a host name of 1 to 63 characters")]
    RedirectHost,
    /// The mail server cannot be used as it is configured.
    #[error("the mail server cannot be used: {reason}")]
    Smtp {
        /// What is wrong, with the key.
        reason: &'static str,
    },
    /// A time limit is out of range.
    #[error("`timings.{key}` must be between 1 and 600000 ms")]
    Timing {
        /// The key.
        key: &'static str,
    },
}

impl Config {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Names the first setting that cannot be used.
    pub fn validate(&self) -> Result<(), ValidateConfigError> {
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            return Err(ValidateConfigError::HalfTls);
        }
        let mut addresses = HashSet::new();
        let listeners = [self.listen, self.listen_tls];
        for address in listeners.iter().chain(&self.listen_extra).chain(&self.listen_tls_extra) {
            // Port 0 is any free one.
            if address.port() != 0 && !addresses.insert(address) {
                return Err(ValidateConfigError::SharedAddress { address: *address });
            }
        }
        if self.public_host.as_deref().is_some_and(|host| !is_host(host, 253)) {
            return Err(ValidateConfigError::PublicHost);
        }
        self.validate_acme()?;
        if self.time_zone.as_deref().is_some_and(|name| Zone::named(name).is_none()) {
            return Err(ValidateConfigError::TimeZone);
        }
        if self.redirect_devices_to.as_ref().is_some_and(|target| !is_host(&target.host, 63)) {
            return Err(ValidateConfigError::RedirectHost);
        }
        self.smtp()?;
        let timings = &self.timings;
        for (key, value_ms) in [
            ("tls_handshake_ms", timings.tls_handshake_ms),
            ("first_bytes_ms", timings.first_bytes_ms),
            ("http_head_ms", timings.http_head_ms),
            ("write_ms", timings.write_ms),
        ] {
            if !(1..=600_000).contains(&value_ms) {
                return Err(ValidateConfigError::Timing { key });
            }
        }
        Ok(())
    }

    fn validate_acme(&self) -> Result<(), ValidateConfigError> {
        let Some(acme) = &self.acme else { return Ok(()) };
        if self.tls_cert.is_some() {
            return Err(ValidateConfigError::AcmeAndSupplied);
        }
        if !acme.directory.starts_with("https://") {
            return Err(ValidateConfigError::AcmeDirectory);
        }
        if !acme.terms_of_service_agreed {
            return Err(ValidateConfigError::AcmeTerms);
        }
        let domains = self.acme_domains();
        let is_name = |name: &String| {
            is_host(name, 253) && name.contains('.') && name.parse::<std::net::IpAddr>().is_err()
        };
        if domains.is_empty() || !domains.iter().all(is_name) {
            return Err(ValidateConfigError::AcmeDomains);
        }
        Ok(())
    }

    /// The names of the ACME certificate, in small letters; none without ACME.
    pub(crate) fn acme_domains(&self) -> Vec<String> {
        let Some(acme) = &self.acme else { return Vec::new() };
        let names = if acme.domains.is_empty() {
            self.public_host.iter().collect::<Vec<_>>()
        } else {
            acme.domains.iter().collect()
        };
        names.into_iter().map(|name| name.to_ascii_lowercase()).collect()
    }

    /// The time zone of devices that told none.
    pub(crate) fn zone(&self) -> Zone {
        self.time_zone.as_deref().and_then(Zone::named).unwrap_or_else(Zone::utc)
    }

    /// Returns the host that devices are told to connect to, together with the port of `listen_tls`.
    #[must_use]
    pub fn host_for_devices(&self) -> String {
        if let Some(host) = &self.public_host {
            return host.clone();
        }
        let address = self.listen_tls.ip();
        if address.is_unspecified() { "localhost".to_owned() } else { address.to_string() }
    }
}

fn is_host(host: &str, bytes_max: usize) -> bool {
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    (1..=bytes_max).contains(&host.len()) && (is_address || is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_stay_on_this_machine() {
        let config = Config::default();
        assert_eq!(config.validate(), Ok(()));
        assert!(config.listen.ip().is_loopback() && config.listen_tls.ip().is_loopback());
    }

    #[test]
    fn two_listeners_on_one_address_are_named_as_what_they_are() {
        let address = Config::default().listen_tls;
        let refused = Err(ValidateConfigError::SharedAddress { address });
        let same = Config { listen: address, ..Config::default() };
        assert_eq!(same.validate(), refused);
        assert_eq!(Config { listen_extra: vec![address], ..Config::default() }.validate(), refused);
        let any = ([127, 0, 0, 1], 0).into();
        assert_eq!(Config { listen: any, listen_tls: any, ..Config::default() }.validate(), Ok(()));
    }

    #[test]
    fn devices_are_told_the_address_that_their_port_belongs_to() {
        let config = Config { listen_tls: ([192, 168, 1, 5], 8443).into(), ..Config::default() };
        assert_eq!(config.host_for_devices(), "192.168.1.5");
        let named = Config { public_host: Some("cloud.example.org".to_owned()), ..config };
        assert_eq!(named.host_for_devices(), "cloud.example.org");
    }

    #[test]
    fn half_a_certificate_is_refused() {
        let config = Config { tls_cert: Some("cert.pem".into()), ..Config::default() };
        assert_eq!(config.validate(), Err(ValidateConfigError::HalfTls));
    }

    #[test]
    fn hosts_with_scheme_port_or_line_feed_are_refused() {
        for host in ["", "http://a", "a:1", "a\r\nb", "a b"] {
            let config = Config { public_host: Some(host.to_owned()), ..Config::default() };
            assert_eq!(config.validate(), Err(ValidateConfigError::PublicHost), "{host:?}");
        }
        for host in ["cloud.example.org", "192.168.1.5", "::1"] {
            let config = Config { public_host: Some(host.to_owned()), ..Config::default() };
            assert_eq!(config.validate(), Ok(()), "{host:?}");
        }
    }

    #[test]
    fn acme_needs_a_directory_consent_and_names() {
        let acme = AcmeSettings {
            directory: "https://acme.example.org/directory".to_owned(),
            terms_of_service_agreed: true,
            contact: Vec::new(),
            domains: vec!["Cloud.example.org".to_owned()],
            challenge: AcmeChallenge::default(),
            directory_ca: None,
        };
        let with = |acme: AcmeSettings| Config { acme: Some(acme), ..Config::default() };
        assert_eq!(with(acme.clone()).validate(), Ok(()));
        assert_eq!(with(acme.clone()).acme_domains(), ["cloud.example.org"]);
        let plain = AcmeSettings { directory: "http://acme.example.org".to_owned(), ..acme.clone() };
        assert_eq!(with(plain).validate(), Err(ValidateConfigError::AcmeDirectory));
        let silent = AcmeSettings { terms_of_service_agreed: false, ..acme.clone() };
        assert_eq!(with(silent).validate(), Err(ValidateConfigError::AcmeTerms));
        for name in ["*.example.org", "192.0.2.1", "localhost", ""] {
            let named = AcmeSettings { domains: vec![name.to_owned()], ..acme.clone() };
            assert_eq!(with(named).validate(), Err(ValidateConfigError::AcmeDomains), "{name}");
        }
        let nameless = with(AcmeSettings { domains: Vec::new(), ..acme.clone() });
        assert_eq!(nameless.validate(), Err(ValidateConfigError::AcmeDomains));
        let named = Config { public_host: Some("cloud.example.org".to_owned()), ..nameless };
        assert_eq!(named.validate(), Ok(()));
        let pair = (Some("cert.pem".into()), Some("key.pem".into()));
        let twice = Config { tls_cert: pair.0, tls_key: pair.1, ..with(acme) };
        assert_eq!(twice.validate(), Err(ValidateConfigError::AcmeAndSupplied));
    }

    #[test]
    fn a_time_zone_is_one_that_exists() {
        let config = |name: &str| Config { time_zone: Some(name.to_owned()), ..Config::default() };
        assert_eq!(config("Europe/Berlin").validate(), Ok(()));
        for name in ["", "Berlin", "UTC+1"] {
            assert_eq!(config(name).validate(), Err(ValidateConfigError::TimeZone), "{name}");
        }
    }

    #[test]
    fn a_time_limit_of_zero_is_refused() {
        let timings = Timings { write_ms: 0, ..Timings::default() };
        let config = Config { timings, ..Config::default() };
        assert_eq!(config.validate(), Err(ValidateConfigError::Timing { key: "write_ms" }));
    }
}
