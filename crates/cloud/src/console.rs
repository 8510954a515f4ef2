//! Serves the console: files built into the program, with the headers that keep a browser safe.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use rust_embed::RustEmbed;

use crate::errors::{ApiError, ProblemKind};

/// The console's files. In a debug build they are read from the folder at run time.
#[derive(RustEmbed)]
#[folder = "../../console/dist"]
#[allow_missing = true]
struct ConsoleFiles;

/// Shown in place of the console when it was not built.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Rehome</title>\
    <h1>The console is not built into this program</h1>\
    <p>Run <code>cargo xtask up</code>, or <code>npm ci &amp;&amp; npm run build</code> in <code>console/</code> and build again. The HTTP API works without it: see \
    <a href=\"/api/openapi.json\">/api/openapi.json</a>.</p></html>";

/// What a page of ours may load: nothing from elsewhere, nothing inline.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'";

/// Answers every address that no route answers: a file of the console, or its start page.
pub(crate) async fn serve_console(method: Method, uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    if is_for_machines(path) {
        return ApiError::new(ProblemKind::NotFound, "There is nothing at this address.").into_response();
    }
    if method != Method::GET && method != Method::HEAD {
        return ApiError::new(ProblemKind::MethodNotAllowed, "Only GET is possible here.").into_response();
    }
    if let Some(file) = ConsoleFiles::get(path) {
        return file_response(path, file);
    }
    // A missing asset is 404, not the start page: a script answered with HTML is a riddle.
    if path.starts_with("assets/") {
        return ApiError::new(ProblemKind::NotFound, "There is no such file.").into_response();
    }
    match ConsoleFiles::get("index.html") {
        Some(file) => file_response("index.html", file),
        None => Html(NOT_BUILT).into_response(),
    }
}

fn is_for_machines(path: &str) -> bool {
    // `/bench` itself is a page of the console. A device whose TLS fails takes success below `.well-known` for the log-in
    // page of its network (decision 0067).
    ["api", "external", "bench/v1", ".well-known"]
        .iter()
        .any(|first| path == *first || path.strip_prefix(first).is_some_and(|rest| rest.starts_with('/')))
}

fn file_response(path: &str, file: rust_embed::EmbeddedFile) -> Response {
    let mut response = Response::new(Body::from(file.data));
    let headers = response.headers_mut();
    if let Ok(media_type) = HeaderValue::from_str(file.metadata.mimetype()) {
        headers.insert(header::CONTENT_TYPE, media_type);
    }
    // The names of files in `assets/` contain a hash of their content.
    let caching =
        if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    response
}

/// Adds the security headers to every answer.
pub(crate) async fn add_security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let is_switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if !is_switching {
        set_security_headers(response.headers_mut());
    }
    response
}

fn set_security_headers(headers: &mut HeaderMap) {
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            header::HeaderName::from_static("permissions-policy"),
            "camera=(self), geolocation=(), microphone=()",
        ),
    ];
    for (name, value) in fixed {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
