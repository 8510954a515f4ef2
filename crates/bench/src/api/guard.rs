//! Keeps web pages of other machines away from the bench.

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::problem::Problem;

/// Refuses requests that name another machine in `Host`, or come from a page of another origin.
pub(super) async fn refuse_foreign_pages(request: Request, next: Next) -> Response {
    if let Some(refusal) = refusal(request.headers()) {
        return refusal.into_response();
    }
    next.run(request).await
}

fn refusal(headers: &HeaderMap) -> Option<Problem> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    let host = text(header::HOST)?;
    if !is_this_machine(host) {
        let detail = "The bench answers only requests to localhost.";
        return Some(Problem::new(StatusCode::MISDIRECTED_REQUEST, "foreign_host", detail));
    }
    let origin = text(header::ORIGIN)?;
    let is_same_origin = origin.parse::<Uri>().ok().and_then(|uri| Some(uri.authority()?.as_str() == host));
    if is_same_origin == Some(true) {
        return None;
    }
    let detail = "The bench answers no pages of other origins.";
    Some(Problem::new(StatusCode::FORBIDDEN, "foreign_origin", detail))
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::refusal;

    fn headers(host: &'static str, origin: Option<&'static str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        headers
    }

    #[test]
    fn scripts_and_our_own_pages_are_let_through() {
        for (host, origin) in [
            ("127.0.0.1:8080", None),
            ("localhost", None),
            ("[::1]:8080", None),
            ("127.0.0.1:8080", Some("http://127.0.0.1:8080")),
        ] {
            assert!(refusal(&headers(host, origin)).is_none(), "{host} {origin:?}");
        }
    }

    #[test]
    fn a_rebound_name_and_a_foreign_page_are_refused() {
        for (host, origin, code) in [
            ("attacker.example:8080", None, "foreign_host"),
            ("127.0.0.1.attacker.example", None, "foreign_host"),
            ("127.0.0.1:8080", Some("http://attacker.example"), "foreign_origin"),
            ("127.0.0.1:8080", Some("http://127.0.0.1:9999"), "foreign_origin"),
            ("127.0.0.1:8080", Some("null"), "foreign_origin"),
        ] {
            let refused = refusal(&headers(host, origin));
            assert_eq!(refused.map(|problem| problem.code), Some(code), "{host} {origin:?}");
        }
    }
}
