//! What the server says about itself.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The server's addresses and version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerInfo {
    /// Version of the server.
    pub version: String,
    /// The host name devices are told to connect to.
    pub host: String,
    /// The port without TLS.
    pub plain_port: u16,
    /// The port with TLS.
    pub tls_port: u16,
    /// The server's own certificate authority; `null` when a certificate was supplied.
    #[schema(required)]
    pub ca_certificate_pem: Option<String>,
    /// IANA name of the time zone of devices that told none.
    pub time_zone: String,
    /// Largest firmware image that is taken, in bytes.
    pub firmware_bytes_max: u64,
    /// Largest CSV file that is imported in one go, in bytes.
    pub import_bytes_max: u64,
    /// Whether a virtual bench runs beside this server.
    pub bench: bool,
}
