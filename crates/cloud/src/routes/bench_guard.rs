//! Keeps the bench's own routes to this machine: it holds Wi-Fi passwords of make-believe homes and needs no key.

use std::net::IpAddr;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};

use super::access::{Origin, require_same_origin};
use crate::errors::{ApiError, ProblemKind};
use crate::listener::Peer;

/// Puts the guard around a router.
pub(super) fn guard(router: Router) -> Router {
    router.layer(from_fn(local_only))
}

async fn local_only(request: Request, next: Next) -> Response {
    let is_local =
        request.extensions().get::<Peer>().is_some_and(|peer| is_from_here(peer, request.headers()));
    if !is_local {
        return ApiError::new(ProblemKind::Forbidden, "The bench answers on this machine only.")
            .into_response();
    }
    if let Err(error) = require_same_origin(request.headers(), Origin::WhenPresent) {
        return error.into_response();
    }
    next.run(request).await
}

/// Whether a request comes from this machine and was meant for it.
pub(super) fn is_from_here(peer: &Peer, headers: &HeaderMap) -> bool {
    peer.address.ip().to_canonical().is_loopback() && names_this_machine(headers)
}

/// A page of another site that makes its own name point to 127.0.0.1 (DNS rebinding) still sends its own name as host.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn only_names_of_this_machine_pass() {
        let check = |host: &'static str| {
            names_this_machine(&HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]))
        };
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.0.0.1", "[::1]:8080", "[::1]"] {
            assert!(check(host), "{host}");
        }
        for host in ["evil.example", "evil.example:8080", "localhost.evil.example", "10.0.0.1:8080", ""] {
            assert!(!check(host), "{host}");
        }
    }
}
