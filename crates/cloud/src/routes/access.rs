//! Who may call: the admin key, or the cookie of a console session.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::errors::{ApiError, ProblemKind};

/// Name of the session cookie.
pub(super) const SESSION_COOKIE: &str = "rehome_session";

/// Who calls, as it is written into the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Actor {
    AdminKey,
    Owner,
}

impl Actor {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::AdminKey => "admin-key",
            Self::Owner => "owner",
        }
    }
}

/// Lets owners through and says who they are.
pub(super) async fn require_owner(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    match identify(&app, request.method(), request.headers()).await {
        Ok(actor) => {
            request.extensions_mut().insert(actor);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

pub(super) async fn identify(app: &App, method: &Method, headers: &HeaderMap) -> Result<Actor, ApiError> {
    if let Some(authorization) = headers.get(header::AUTHORIZATION) {
        let presented = authorization.to_str().ok().and_then(|text| text.split_once(' '));
        let presented = presented.filter(|(scheme, _key)| scheme.eq_ignore_ascii_case("Bearer"));
        // A wrong key is never rescued by a cookie: whoever sends one means it.
        return if presented.is_some_and(|(_scheme, key)| app.admin_key.matches(key.trim())) {
            Ok(Actor::AdminKey)
        } else {
            Err(ApiError::new(
                ProblemKind::Unauthenticated,
                "The key is not valid. It stands in `<data-dir>/admin-api-key`.",
            ))
        };
    }
    let signed_out = || {
        ApiError::new(ProblemKind::Unauthenticated, "Sign in, or send `Authorization: Bearer <admin key>`.")
    };
    let cookie = session_cookie(headers).ok_or_else(signed_out)?;
    if !app.store.has_console_session(cookie, app.clock.now().utc).await? {
        return Err(signed_out());
    }
    if !method.is_safe() {
        require_same_origin(headers, Origin::Required)?;
    }
    Ok(Actor::Owner)
}

/// Whether a request without `Origin` passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Required,
    /// For sign-in, which programs other than browsers may use too.
    WhenPresent,
}

/// Refuses requests that another site made a browser send. Browsers set `Origin` on every writing request.
pub(super) fn require_same_origin(headers: &HeaderMap, origin: Origin) -> Result<(), ApiError> {
    let refused = || ApiError::new(ProblemKind::Forbidden, "The request comes from another site.");
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).ok_or_else(refused)?;
    let Some(sent) = headers.get(header::ORIGIN) else {
        return if origin == Origin::WhenPresent { Ok(()) } else { Err(refused()) };
    };
    // Behind a proxy that ends TLS the scheme differs, so only the host counts.
    let sent_host = sent.to_str().ok().and_then(|text| text.split_once("://")).map(|(_scheme, host)| host);
    if sent_host == Some(host) { Ok(()) } else { Err(refused()) }
}

/// Returns the session cookie's value.
pub(super) fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| *name == SESSION_COOKIE && !value.is_empty())
        .map(|(_name, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_session_cookie_is_found_among_others() {
        let found = headers(&[(header::COOKIE, "a=b; rehome_session=xyz; c=d")]);
        assert_eq!(session_cookie(&found), Some("xyz"));
        for other in ["xrehome_session=xyz", "rehome_session=", ""] {
            assert_eq!(session_cookie(&headers(&[(header::COOKIE, other)])), None, "{other}");
        }
    }

    #[test]
    fn only_the_own_origin_may_write() {
        let check = |origin: Option<&'static str>, rule| {
            let mut all = headers(&[(header::HOST, "127.0.0.1:8080")]);
            if let Some(origin) = origin {
                all.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            require_same_origin(&all, rule).is_ok()
        };
        assert!(check(Some("http://127.0.0.1:8080"), Origin::Required));
        assert!(check(None, Origin::WhenPresent));
        assert!(!check(None, Origin::Required));
        for foreign in
            ["http://127.0.0.1:9090", "http://evil.example", "null", "https://127.0.0.1:8080.evil.example"]
        {
            assert!(!check(Some(foreign), Origin::WhenPresent), "{foreign}");
        }
    }
}
