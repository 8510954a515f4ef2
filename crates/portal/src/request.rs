//! Reads one HTTP request from the bytes received so far.

use core::fmt;

use thiserror::Error;

/// Request line and headers together, in bytes. Phones' captive browsers send under 1 kB.
pub const HEADER_BYTES_MAX: usize = 4096;

/// Header lines in one request. Desktop browsers send about 20.
pub const HEADER_COUNT_MAX: usize = 48;

/// Body in bytes: the longest valid form, every byte percent-encoded, stays below this.
pub const BODY_BYTES_MAX: usize = 2048;

/// Receive buffer that holds every acceptable request, in bytes.
pub const REQUEST_BYTES_MAX: usize = HEADER_BYTES_MAX + BODY_BYTES_MAX;

/// Request method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD: answered like GET, without the body.
    Head,
    /// POST.
    Post,
    /// Any other method.
    Other,
}

/// One complete request. Text fields are still percent-encoded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// Method.
    pub method: Method,
    /// Path with its leading `/`, without query; `*` for a server-wide OPTIONS.
    pub path: &'a str,
    /// What follows `?`, or empty. May hold a password.
    pub query: &'a str,
    /// Host and port the client asked for; that of an absolute-form target wins over the header.
    pub host: Option<&'a str>,
    /// `Accept` header.
    pub accept: Option<&'a str>,
    /// `Accept-Encoding` header.
    pub accept_encoding: Option<&'a str>,
    /// `Content-Type` header.
    pub content_type: Option<&'a str>,
    /// `Origin` header: which page sent this.
    pub origin: Option<&'a str>,
    /// Whether the browser said that a page of another site sent this.
    pub is_cross_site: bool,
    /// Body. May hold a password.
    pub body: &'a [u8],
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Query and body may carry a Wi-Fi password and a token.
        formatter
            .debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("query_bytes", &self.query.len())
            .field("host", &self.host)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What the bytes received so far amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParsedRequest<'a> {
    /// More bytes are needed.
    Incomplete,
    /// One request, and how many bytes it took.
    Complete {
        /// The request.
        request: Request<'a>,
        /// Bytes of the input that belong to it.
        consumed_bytes: usize,
    },
    /// Not an acceptable request: answer with the error's status and close.
    Error(ParseRequestError),
}

/// Why bytes are not an acceptable request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum ParseRequestError {
    /// Not HTTP, or contradictory.
    #[error("the request is malformed")]
    Malformed,
    /// Not HTTP/1.0 or HTTP/1.1.
    #[error("the HTTP version is not supported")]
    UnsupportedVersion,
    /// More than [`HEADER_BYTES_MAX`] or [`HEADER_COUNT_MAX`].
    #[error("the request headers are too large")]
    HeadersTooLarge,
    /// More than [`BODY_BYTES_MAX`].
    #[error("the request body is too large")]
    BodyTooLarge,
    /// Chunked or compressed body.
    #[error("the transfer encoding is not supported")]
    UnsupportedTransferEncoding,
}

impl ParseRequestError {
    /// Returns the HTTP status code to answer with.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::BodyTooLarge => 413,
            Self::HeadersTooLarge => 431,
            Self::UnsupportedTransferEncoding => 501,
            Self::UnsupportedVersion => 505,
        }
    }
}

/// Reads the request at the start of `input`, which holds everything received on the connection.
///
/// Call it again with more bytes on [`ParsedRequest::Incomplete`]; the result does not depend on how the bytes were split.
/// A buffer of [`REQUEST_BYTES_MAX`] is always enough. The work is linear in the input.
#[must_use]
pub fn parse_request(input: &[u8]) -> ParsedRequest<'_> {
    match read_request(input) {
        Ok(Some((request, consumed_bytes))) => ParsedRequest::Complete { request, consumed_bytes },
        Ok(None) => ParsedRequest::Incomplete,
        Err(error) => ParsedRequest::Error(error),
    }
}

fn read_request(input: &[u8]) -> Result<Option<(Request<'_>, usize)>, ParseRequestError> {
    let mut header_space = [httparse::EMPTY_HEADER; HEADER_COUNT_MAX];
    let mut head = httparse::Request::new(&mut header_space);
    // Never looking past the limit makes the verdict independent of how much has arrived already.
    let head_input = input.get(..HEADER_BYTES_MAX).unwrap_or(input);
    let head_bytes = match head.parse(head_input) {
        Ok(httparse::Status::Complete(bytes)) => bytes,
        Ok(httparse::Status::Partial) if head_input.len() == HEADER_BYTES_MAX => {
            return Err(ParseRequestError::HeadersTooLarge);
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(ParseRequestError::HeadersTooLarge),
        Err(httparse::Error::Version) => return Err(ParseRequestError::UnsupportedVersion),
        Err(_) => return Err(ParseRequestError::Malformed),
    };
    let (Some(method), Some(target)) = (head.method, head.path) else {
        return Err(ParseRequestError::Malformed);
    };
    let fields = HeaderFields::read(head.headers)?;
    let body_bytes = fields.body_bytes.unwrap_or(0);
    if body_bytes > BODY_BYTES_MAX {
        return Err(ParseRequestError::BodyTooLarge);
    }
    let consumed_bytes = head_bytes + body_bytes;
    let target = split_target(target)?;
    let Some(body) = input.get(head_bytes..consumed_bytes) else {
        return Ok(None);
    };
    let request = Request {
        method: match method {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            _ => Method::Other,
        },
        path: target.path,
        query: target.query,
        host: target.host.or(fields.host),
        accept: fields.accept,
        accept_encoding: fields.accept_encoding,
        content_type: fields.content_type,
        origin: fields.origin,
        is_cross_site: fields.is_cross_site,
        body,
    };
    Ok(Some((request, consumed_bytes)))
}

#[derive(Default)]
struct HeaderFields<'a> {
    host: Option<&'a str>,
    accept: Option<&'a str>,
    accept_encoding: Option<&'a str>,
    content_type: Option<&'a str>,
    origin: Option<&'a str>,
    is_cross_site: bool,
    body_bytes: Option<usize>,
}

impl<'a> HeaderFields<'a> {
    fn read(headers: &[httparse::Header<'a>]) -> Result<Self, ParseRequestError> {
        let mut fields = Self::default();
        for header in headers {
            let name = header.name;
            // A header we use but cannot read as text is treated as absent.
            let text = core::str::from_utf8(header.value).ok().map(str::trim_ascii);
            if name.eq_ignore_ascii_case("content-length") {
                let bytes = read_content_length(text)?;
                if fields.body_bytes.is_some_and(|earlier| earlier != bytes) {
                    return Err(ParseRequestError::Malformed);
                }
                fields.body_bytes = Some(bytes);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                return Err(ParseRequestError::UnsupportedTransferEncoding);
            } else if name.eq_ignore_ascii_case("host") {
                fields.host = fields.host.or(text);
            } else if name.eq_ignore_ascii_case("accept") {
                fields.accept = fields.accept.or(text);
            } else if name.eq_ignore_ascii_case("accept-encoding") {
                fields.accept_encoding = fields.accept_encoding.or(text);
            } else if name.eq_ignore_ascii_case("content-type") {
                fields.content_type = fields.content_type.or(text);
            } else if name.eq_ignore_ascii_case("origin") {
                fields.origin = fields.origin.or(text);
            } else if name.eq_ignore_ascii_case("sec-fetch-site") {
                fields.is_cross_site = text == Some("cross-site");
            }
        }
        Ok(fields)
    }
}

fn read_content_length(text: Option<&str>) -> Result<usize, ParseRequestError> {
    let text = text.ok_or(ParseRequestError::Malformed)?;
    // `parse` alone would accept a leading plus sign.
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ParseRequestError::Malformed);
    }
    // Only an overflow is left.
    text.parse().or(Err(ParseRequestError::BodyTooLarge))
}

struct Target<'a> {
    path: &'a str,
    query: &'a str,
    host: Option<&'a str>,
}

/// Splits an origin-form, absolute-form or `*` target. Source: RFC 9112 §3.2.
fn split_target(target: &str) -> Result<Target<'_>, ParseRequestError> {
    let target = target.split_once('#').map_or(target, |(before, _)| before);
    if target == "*" {
        return Ok(Target { path: target, query: "", host: None });
    }
    if target.starts_with('/') {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        return Ok(Target { path, query, host: None });
    }
    let Some((scheme, rest)) = target.split_once(':') else {
        return Err(ParseRequestError::Malformed);
    };
    let rest = rest.strip_prefix("//").ok_or(ParseRequestError::Malformed)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(ParseRequestError::Malformed);
    }
    let (before_query, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path_start = before_query.find('/').unwrap_or(before_query.len());
    let (host, path) = before_query.split_at(path_start);
    if host.is_empty() {
        return Err(ParseRequestError::Malformed);
    }
    Ok(Target { path: if path.is_empty() { "/" } else { path }, query, host: Some(host) })
}

#[cfg(test)]
mod tests;
