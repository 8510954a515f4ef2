//! The TLS client of the firmware: the server's chain, its name and its dates are checked against a trust anchor.
//!
//! Start at [`Client`] and [`Client::open`]. The protocol is Mbed TLS's (TLS 1.2 and 1.3); this crate decides what is
//! trusted, and when a connection counts as verified:
//!
//! - chain and name must be right, always; without a trust anchor there is no connection;
//! - dates must be right whenever the time is known. A device that does not know the time yet may connect, but the
//!   connection is then not [`Opened::is_verified`], and a refused token on it proves nothing.
//!
//! It has no socket and no clock of its own, and the same code runs in the tests against another TLS implementation.

#![no_std]

mod clock;

use core::ffi::CStr;

use embedded_io_async::{Read, Write};
use mbedtls_rs::sys::{
    MBEDTLS_ERR_X509_CERT_VERIFY_FAILED, MBEDTLS_X509_BADCERT_EXPIRED, MBEDTLS_X509_BADCERT_FUTURE,
};
use mbedtls_rs::{AuthMode, Certificate, ClientSessionConfig, SessionConfig, SessionError, Tls, X509};
use rand_core::CryptoRng;

pub use clock::Clock;
pub use mbedtls_rs::{Session, SessionRead, SessionWrite, Split};

/// Longest host name with its closing NUL. Source: RFC 1035, section 2.3.4: 255 octets.
const HOST_BYTES_MAX: usize = 256;

/// Which authorities may vouch for the server.
#[derive(Clone, Copy, Debug)]
pub enum TrustAnchors<'a> {
    /// One certificate in DER; nobody else.
    Only(&'a [u8]),
    /// Any of these certificates, in PEM one after the other.
    AnyOf(&'a CStr),
}

/// The one TLS client of a program.
pub struct Client {
    tls: Tls<'static>,
    clock: &'static dyn Clock,
}

impl core::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("Client")
    }
}

/// A connection whose handshake is done.
pub struct Opened<'a, T: Read + Write> {
    /// The connection.
    pub session: Session<'a, T>,
    /// Chain, name and dates are right.
    pub is_verified: bool,
}

impl<T: Read + Write> core::fmt::Debug for Opened<'_, T> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("Opened").field("is_verified", &self.is_verified).finish_non_exhaustive()
    }
}

impl Client {
    /// Prepares the library; `rng` must be fit for keys.
    ///
    /// # Errors
    /// When there is a client already.
    pub fn new(
        rng: &'static mut (dyn CryptoRng + Send),
        clock: &'static dyn Clock,
    ) -> Result<Self, CreateClientError> {
        clock::install(clock);
        match Tls::new(rng) {
            Ok(tls) => Ok(Self { tls, clock }),
            Err(_already_created) => Err(CreateClientError),
        }
    }

    /// Shakes hands over `stream`.
    ///
    /// # Errors
    /// [`OpenTlsError`]; nothing but the handshake was sent then.
    ///
    /// # Timing
    /// The handshake computes for up to some seconds on a chip at 160 MHz, in stretches without an await.
    pub async fn open<'a, T: Read + Write>(
        &'a self,
        stream: T,
        host: &str,
        anchors: TrustAnchors<'_>,
    ) -> Result<Opened<'a, T>, OpenTlsError> {
        let certificate = match anchors {
            TrustAnchors::Only(der) => Certificate::new(X509::DER(der)),
            TrustAnchors::AnyOf(pem) => Certificate::new(X509::PEM(pem)),
        };
        let certificate = certificate.or(Err(OpenTlsError::TrustAnchor))?;
        let mut buffer = [0; HOST_BYTES_MAX];
        let server_name = c_string(host, &mut buffer).ok_or(OpenTlsError::HostName)?;
        let knows_time = self.clock.unix_s().is_some();
        let config = SessionConfig::Client(ClientSessionConfig {
            ca_chain: Some(certificate),
            // Without the time every date is wrong. Everything else is judged after the handshake, before any data.
            auth_mode: if knows_time { AuthMode::Required } else { AuthMode::Optional },
            ..ClientSessionConfig::new()
        });
        let mut session = Session::new(self.tls.reference(), stream, &config)?;
        // The name that is asked for and checked.
        session.set_server_name(server_name)?;
        session.connect().await?;
        let date_faults = MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE;
        let tolerated_faults = if knows_time { 0 } else { date_faults };
        if session.tls_verification_details() & !tolerated_faults != 0 {
            return Err(OpenTlsError::Certificate);
        }
        Ok(Opened { session, is_verified: knows_time })
    }
}

fn c_string<'b>(text: &str, buffer: &'b mut [u8; HOST_BYTES_MAX]) -> Option<&'b CStr> {
    let (target, end) = buffer.split_at_mut_checked(text.len())?;
    target.copy_from_slice(text.as_bytes());
    *end.first_mut()? = 0;
    // A NUL inside would cut the name that is checked.
    let name = CStr::from_bytes_until_nul(buffer).ok()?;
    (name.count_bytes() == text.len() && !text.is_empty()).then_some(name)
}

/// There is a client already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is a TLS client already")]
pub struct CreateClientError;

/// A connection was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenTlsError {
    /// The host name cannot be a host name.
    #[error("the host name is empty, too long or has a NUL")]
    HostName,
    /// The trust anchor is no certificate.
    #[error("the trust anchor is no certificate")]
    TrustAnchor,
    /// Chain, name or dates of the server's certificate are not acceptable.
    #[error("the server's certificate is not acceptable")]
    Certificate,
    /// The stream broke.
    #[error("the connection broke during the handshake")]
    Broken,
    /// The server speaks no TLS, or none that this client speaks; the number is Mbed TLS's.
    #[error("the handshake failed ({code:#x})")]
    Handshake {
        /// Error of Mbed TLS, negative.
        code: i32,
    },
}

impl From<SessionError> for OpenTlsError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Io(_) => Self::Broken,
            SessionError::MbedTls(error) if error.code() == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED => {
                Self::Certificate
            }
            SessionError::MbedTls(error) => Self::Handshake { code: error.code() },
        }
    }
}
