//! The request for an image, or for what is missing of it.

use core::fmt::Write as _;

use super::url::{FirmwareUrl, URL_BYTES_MAX};

/// Room for the address and everything around it.
const REQUEST_BYTES_MAX: usize = URL_BYTES_MAX + 448;

/// A request as text.
pub type RequestText = heapless::String<REQUEST_BYTES_MAX>;

/// What is in the slot already.
#[derive(Clone, Copy, Debug)]
pub struct Resumption<'a> {
    /// Bytes of the image, from its start.
    pub written_bytes: u32,
    /// A strong entity tag, quotes included.
    pub etag: &'a str,
}

/// Writes the request; `None` when it does not fit, which a checked address always does.
#[must_use]
pub fn request_text(
    url: &FirmwareUrl<'_>,
    firmware_version: &str,
    resumption: Option<Resumption<'_>>,
) -> Option<RequestText> {
    let mut text = RequestText::new();
    let (slash, target) = url.target();
    let (host, port) = (url.host, url.port);
    write!(text, "GET {slash}{target} HTTP/1.1\r\nHost: {host}").ok()?;
    let port_default = if url.is_https { 443 } else { 80 };
    if port != port_default {
        write!(text, ":{port}").ok()?;
    }
    let version = firmware_version.get(..64).unwrap_or(firmware_version);
    write!(
        text,
        "\r\nUser-Agent: Rehome/{version}\r\nAccept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n"
    )
    .ok()?;
    if let Some(Resumption { written_bytes, etag }) = resumption {
        write!(text, "Range: bytes={written_bytes}-\r\nIf-Range: {etag}\r\n").ok()?;
    }
    text.push_str("\r\n").ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::{Resumption, request_text};
    use crate::firmware_update::url::{FirmwareUrl, URL_BYTES_MAX};

    #[test]
    fn a_whole_image_is_asked_for_without_a_range() {
        let url = FirmwareUrl::parse("https://h.example/f.bin?token=t").unwrap();
        assert_eq!(
            request_text(&url, "1.2.3", None).unwrap().as_str(),
            "GET /f.bin?token=t HTTP/1.1\r\nHost: h.example\r\nUser-Agent: Rehome/1.2.3\r\nAccept: */*\r\n\
             Accept-Encoding: identity\r\nConnection: close\r\n\r\n"
        );
    }

    #[test]
    fn the_rest_is_asked_for_only_if_the_image_is_still_the_same() {
        let url = FirmwareUrl::parse("http://h:8080").unwrap();
        let rest = Resumption { written_bytes: 4096, etag: "\"v2\"" };
        let text = request_text(&url, "1", Some(rest)).unwrap();
        assert!(text.starts_with("GET / HTTP/1.1\r\nHost: h:8080\r\n"), "{text}");
        assert!(text.ends_with("Range: bytes=4096-\r\nIf-Range: \"v2\"\r\n\r\n"), "{text}");
    }

    #[test]
    fn the_longest_request_fits() {
        let host = "h".repeat(64);
        let path = "p".repeat(URL_BYTES_MAX - 64 - "https://:65535/".len());
        let text = std::format!("https://{host}:65535/{path}");
        let url = FirmwareUrl::parse(&text).unwrap();
        let etag = std::format!("\"{}\"", "e".repeat(78));
        let rest = Resumption { written_bytes: u32::MAX, etag: &etag };
        assert!(request_text(&url, &"v".repeat(100), Some(rest)).is_some());
    }
}
