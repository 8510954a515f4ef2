//! What a person can set, validated before anything starts.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time_zone::Zone;

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
    /// The host name or address that devices and people use to reach this server. The listening address when left out.
    pub public_host: Option<String>,
    /// IANA name of the time zone of devices that told none, for example `Europe/Berlin`. UTC when left out.
    pub time_zone: Option<String>,
    /// Sends every device that logs in to another server, as `host:port`. For taking a node out of service.
    pub redirect_devices_to: Option<RedirectTarget>,
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
            public_host: None,
            time_zone: None,
            redirect_devices_to: None,
            timings: Timings::default(),
        }
    }
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
    /// The public host is empty, too long or has characters that no host name has.
    #[error(
        "`public_host` must be a host name or an address without port or scheme, for example `cloud.example.org`"
    )]
    PublicHost,
    /// There is no such time zone.
    #[error("`time_zone` must be the IANA name of a time zone, for example `Europe/Berlin`")]
    TimeZone,
    /// The redirect host does not fit into what devices can hold.
    #[error("`redirect_devices_to.host` must be a host name of 1 to 63 characters")]
    RedirectHost,
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
        if self.public_host.as_deref().is_some_and(|host| !is_host(host, 253)) {
            return Err(ValidateConfigError::PublicHost);
        }
        if self.time_zone.as_deref().is_some_and(|name| Zone::named(name).is_none()) {
            return Err(ValidateConfigError::TimeZone);
        }
        if self.redirect_devices_to.as_ref().is_some_and(|target| !is_host(&target.host, 63)) {
            return Err(ValidateConfigError::RedirectHost);
        }
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
