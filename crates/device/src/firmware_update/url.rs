//! The address of an update order.

/// Longest address that is accepted, in bytes. Ours: a name of 64, a path, and a token of any sane length.
pub const URL_BYTES_MAX: usize = 384;

/// Where to get an image. The path carries a download token and belongs in no log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FirmwareUrl<'a> {
    /// `https`, not `http`.
    pub is_https: bool,
    /// The server's name or IPv4 address, 1 to 64 bytes of letters, digits, `.`, `-` and `_`.
    pub host: &'a str,
    /// From 1; where none is given the scheme's.
    pub port: u16,
    /// Path and query, beginning with `/`; or only a query, beginning with `?`.
    target: &'a str,
}

/// Why an address cannot be used. It is not repeated: it may carry a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseUrlError {
    /// More than [`URL_BYTES_MAX`].
    #[error("the address is longer than {URL_BYTES_MAX} bytes")]
    TooLong,
    /// Not only visible ASCII.
    #[error("the address has characters that do not belong in one")]
    Characters,
    /// Another scheme, or none.
    #[error("the address begins neither with https:// nor with http://")]
    Scheme,
    /// No host, a user, or characters that no host has.
    #[error("the address names no usable server")]
    Host,
    /// No number from 1 to 65535 behind the colon.
    #[error("the address names no usable port")]
    Port,
}

impl core::fmt::Debug for FirmwareUrl<'_> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("FirmwareUrl")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl<'a> FirmwareUrl<'a> {
    /// Reads an absolute address. Every byte must be visible ASCII, so that none can end a header line.
    ///
    /// # Errors
    /// [`ParseUrlError`].
    pub fn parse(text: &'a str) -> Result<Self, ParseUrlError> {
        if text.len() > URL_BYTES_MAX {
            return Err(ParseUrlError::TooLong);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ParseUrlError::Characters);
        }
        let (scheme, rest) = text.split_once("://").ok_or(ParseUrlError::Scheme)?;
        let is_https = scheme.eq_ignore_ascii_case("https");
        if !is_https && !scheme.eq_ignore_ascii_case("http") {
            return Err(ParseUrlError::Scheme);
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let host_bytes = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(host_bytes).ok_or(ParseUrlError::Host)?;
        let (host, port) = match authority.split_once(':') {
            None => (authority, if is_https { 443 } else { 80 }),
            Some((host, digits)) => (host, parse_port(digits)?),
        };
        let is_host_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if host.is_empty() || host.len() > home_store::HOST_BYTES_MAX || !host.bytes().all(is_host_byte) {
            return Err(ParseUrlError::Host);
        }
        Ok(Self { is_https, host, port, target })
    }

    /// What to ask the server for, in two parts that follow each other.
    #[must_use]
    pub fn target(&self) -> (&'static str, &'a str) {
        if self.target.starts_with('/') { ("", self.target) } else { ("/", self.target) }
    }
}

fn parse_port(digits: &str) -> Result<u16, ParseUrlError> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let port = digits.parse().ok().filter(|port| is_number && *port > 0);
    port.ok_or(ParseUrlError::Port)
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::String;

    use super::{FirmwareUrl, ParseUrlError, URL_BYTES_MAX};

    fn parts(text: &str) -> (bool, &str, u16, String) {
        let url = FirmwareUrl::parse(text).unwrap();
        let (slash, target) = url.target();
        (url.is_https, url.host, url.port, format!("{slash}{target}"))
    }

    #[test]
    fn an_address_is_taken_apart() {
        assert_eq!(
            parts("https://cloud.example/static/f.bin?token=a%20b"),
            (true, "cloud.example", 443, "/static/f.bin?token=a%20b".into())
        );
        assert_eq!(parts("HTTP://h:8080?x=1#part"), (false, "h", 8080, "/?x=1".into()));
        assert_eq!(parts("https://10.0.0.1:8443"), (true, "10.0.0.1", 8443, "/".into()));
        assert_eq!(parts("http://h/a://b:c@d"), (false, "h", 80, "/a://b:c@d".into()));
    }

    #[test]
    fn an_address_that_could_mislead_is_refused() {
        let long = format!("https://h/{}", "a".repeat(URL_BYTES_MAX));
        let cases = [
            (long.as_str(), ParseUrlError::TooLong),
            ("https://h/a b", ParseUrlError::Characters),
            ("https://h/\r\nHost: x", ParseUrlError::Characters),
            ("https://h/\u{e9}", ParseUrlError::Characters),
            ("ftp://h/f", ParseUrlError::Scheme),
            ("h/f.bin", ParseUrlError::Scheme),
            ("https:///f", ParseUrlError::Host),
            ("https://user@h/f", ParseUrlError::Host),
            ("https://[::1]/f", ParseUrlError::Port),
            ("https://h:/f", ParseUrlError::Port),
            ("https://h:0/f", ParseUrlError::Port),
            ("https://h:+80/f", ParseUrlError::Port),
            ("https://h:65536/f", ParseUrlError::Port),
        ];
        for (text, error) in cases {
            assert_eq!(FirmwareUrl::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_token_in_an_address_stays_out_of_logs() {
        let url = FirmwareUrl::parse("https://h/f?token=secret-token").unwrap();
        assert!(!format!("{url:?}").contains("secret-token"));
    }
}
