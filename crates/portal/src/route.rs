//! Decides what a request wants, and whether it may have it.

use wire::{ReadReleaseTextError, ReleaseText};

use crate::captive_api::{CAPTIVE_API_PATH, wants_captive_api};
use crate::config_form::{ConfigForm, ReadConfigFormError, read_config_form};
use crate::dialect::{Access, Dialect, PortalMode};
use crate::field_encoding::Decoded;
use crate::host::{is_foreign_origin, is_own_host};
use crate::probes::is_probe_path;
use crate::release::read_release;
use crate::request::{Method, ParseRequestError, Request};

/// What a request asks for. The shell acts on the variants marked *act*, then renders every one with `respond`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route<'a> {
    /// The setup page.
    SetupPage,
    /// `/board_info.json`. *Act*: the lifecycle learns that somebody is configuring.
    BoardInfo,
    /// `/wifi_scan.json`. *Act*: scan, and put the result into the view.
    WifiScan,
    /// `/config`. *Act*: hand the candidate over, before rendering.
    Config(ConfigForm),
    /// `/config` with arguments that were refused.
    ConfigRefused(ReadConfigFormError),
    /// GET `/release`: where somebody enters a release order.
    ReleasePage,
    /// POST `/release`. *Act*: prove the order and wipe, before rendering; nothing about it is proven yet.
    Release(ReleaseText),
    /// POST `/release` with something that is no order.
    ReleaseUnreadable(ReadReleaseTextError),
    /// `/reset`. *Act*: forget everything, after rendering.
    Reset,
    /// `/reboot`. *Act*: restart, after rendering. Stock dialects answer nothing: see [`Routed::is_answered`].
    Reboot,
    /// `/reset` or `/reboot` in recovery, where the portal gives no control of the device.
    ControlRefused,
    /// `/status.json`, or `/status` for people without JavaScript: see [`Routed::format`].
    Status,
    /// `/captive.json`, asked for as RFC 8908 has it. A phone asks by itself: nobody is at the page because of it.
    CaptiveApi,
    /// A change without the proof of possession that it needs.
    ProofMissing,
    /// A change with a wrong proof of possession.
    ProofWrong {
        /// How many more wrong ones the lock takes.
        tries_left: u8,
    },
    /// Five wrong proofs have closed the portal until the next power-on.
    DoorClosed,
    /// GET `/update` of stock firmware: an upload form.
    FirmwareForm,
    /// Any other method on `/update` of stock firmware. A bench has no image to take, so the answer is `FAIL`.
    FirmwareUpload,
    /// A captive-portal probe, or a page of a server that the phone believes to reach.
    Redirect(RedirectTarget),
    /// No such path; it is still percent-encoded.
    NotFound {
        /// Path as it was asked for.
        path: &'a str,
    },
    /// The path does not support the method.
    MethodNotAllowed {
        /// Value of the `Allow` header.
        allow: &'static str,
    },
    /// A page of another site tried to change this device.
    ForeignOrigin,
    /// Not an acceptable HTTP request.
    Bad(ParseRequestError),
}

/// Where a redirect leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RedirectTarget {
    /// `/` on the host that was asked: it is this device.
    SameHost,
    /// The hotspot's own address.
    Hotspot,
}

/// Form of an answer that exists as JSON and as a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnswerFormat {
    /// As stock firmware answers.
    Json,
    /// For a browser without JavaScript.
    Html,
}

/// How visitors show that they hold the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Guard {
    /// Not at all.
    None,
    /// By joining the hotspot.
    Hotspot,
    /// By the proof of possession in each form.
    Forms,
}

impl Guard {
    const fn of(mode: &PortalMode<'_>) -> Self {
        if mode.is_guarded { Self::Hotspot } else { Self::None }
    }
}

/// A route and all that the answer depends on besides the view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routed<'a> {
    /// What is asked for.
    pub route: Route<'a>,
    /// Whether the body is left out (HEAD).
    pub is_head: bool,
    /// JSON or page, for `/config`, `/reset`, `/reboot` and the status.
    pub format: AnswerFormat,
    /// Whether the client said that it reads the `deflate` coding, in which our setup page is kept.
    pub accepts_deflate: bool,
    /// Firmware to answer as.
    pub dialect: Dialect,
    /// Whether a home is stored.
    pub access: Access,
    /// How visitors show that they hold the device; the page asks for it where the forms must carry it.
    pub guard: Guard,
}

impl Routed<'_> {
    /// Whether anything is answered at all: stock firmware restarts on `/reboot` without a reply.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        !(self.dialect != Dialect::Rehome && matches!(self.route, Route::Reboot))
    }

    /// Whether an empty account field keeps the stored account.
    pub(crate) fn keeps_account(&self) -> bool {
        self.guard != Guard::None && self.access == Access::Recovery
    }
}

/// Routes a complete request.
#[must_use]
pub fn route<'a>(request: &Request<'a>, mode: &PortalMode<'_>) -> Routed<'a> {
    let is_rehome = mode.dialect == Dialect::Rehome;
    let format = if is_rehome && (is_path(request, "/status") || prefers_html(request.accept)) {
        AnswerFormat::Html
    } else {
        AnswerFormat::Json
    };
    let route = if is_rehome { route_own(request, mode) } else { route_stock(request, mode) };
    // Only the JSON path is asked for by scripts of every kind, whatever they accept.
    let format = if is_path(request, "/status.json") { AnswerFormat::Json } else { format };
    Routed {
        route,
        is_head: request.method == Method::Head,
        format,
        accepts_deflate: accepts_deflate(request.accept_encoding),
        dialect: mode.dialect,
        access: mode.access,
        guard: Guard::of(mode),
    }
}

/// Turns a parse error into something that `respond` can render.
#[must_use]
pub fn route_parse_error(error: ParseRequestError, mode: &PortalMode<'_>) -> Routed<'static> {
    Routed {
        route: Route::Bad(error),
        is_head: false,
        format: AnswerFormat::Json,
        accepts_deflate: false,
        dialect: mode.dialect,
        access: mode.access,
        guard: Guard::of(mode),
    }
}

const READ_METHODS: &str = "GET, HEAD";
const WRITE_METHODS: &str = "GET, POST";
const RELEASE_METHODS: &str = "GET, HEAD, POST";

fn route_own<'a>(request: &Request<'a>, mode: &PortalMode<'_>) -> Route<'a> {
    let endpoint = own_endpoint(request);
    if !is_own_host(request, mode) {
        return route_foreign_host(request, endpoint);
    }
    match endpoint {
        Some(Endpoint::Root) => read_only(request, Route::SetupPage),
        Some(Endpoint::BoardInfo) => read_only(request, Route::BoardInfo),
        Some(Endpoint::WifiScan) => read_only(request, Route::WifiScan),
        Some(Endpoint::Status) => read_only(request, Route::Status),
        Some(endpoint @ (Endpoint::Config | Endpoint::Reset | Endpoint::Reboot)) => {
            if !matches!(request.method, Method::Get | Method::Post) {
                return Route::MethodNotAllowed { allow: WRITE_METHODS };
            }
            if is_foreign_origin(request) {
                return Route::ForeignOrigin;
            }
            route_write(endpoint, request, mode)
        }
        Some(Endpoint::Release) => route_release(request),
        None if is_path(request, CAPTIVE_API_PATH) && wants_captive_api(request.accept) => {
            read_only(request, Route::CaptiveApi)
        }
        // A person who mistyped a path wants the page; a script wants to know that there is nothing.
        None if is_path(request, CAPTIVE_API_PATH)
            || is_probe_path(request.path)
            || prefers_html(request.accept) =>
        {
            read_only(request, Route::Redirect(RedirectTarget::SameHost))
        }
        None => Route::NotFound { path: request.path },
    }
}

/// Routes what a phone believes to send to somebody else: every path leads to the setup page, ours included, so that
/// neither a probe nor another site's page ever gets an answer of this device.
fn route_foreign_host(request: &Request<'_>, endpoint: Option<Endpoint>) -> Route<'static> {
    let is_change =
        matches!(endpoint, Some(Endpoint::Config | Endpoint::Reset | Endpoint::Reboot | Endpoint::Release));
    let is_visit = matches!(request.method, Method::Get | Method::Head)
        && request.origin.is_none()
        && !request.is_cross_site;
    if is_change && !is_visit {
        return Route::ForeignOrigin;
    }
    read_only(request, Route::Redirect(RedirectTarget::Hotspot))
}

fn read_only<'a>(request: &Request<'_>, route: Route<'a>) -> Route<'a> {
    match request.method {
        Method::Get | Method::Head => route,
        Method::Post | Method::Other => Route::MethodNotAllowed { allow: READ_METHODS },
    }
}

fn route_write(endpoint: Endpoint, request: &Request<'_>, mode: &PortalMode<'_>) -> Route<'static> {
    match (endpoint, mode.access) {
        (Endpoint::Reset | Endpoint::Reboot, Access::Recovery) => Route::ControlRefused,
        (Endpoint::Reset, Access::Provisioning) => Route::Reset,
        (Endpoint::Reboot, Access::Provisioning) => Route::Reboot,
        _ => route_config(request, mode),
    }
}

fn route_config(request: &Request<'_>, mode: &PortalMode<'_>) -> Route<'static> {
    match read_config_form(request, mode) {
        Ok(form) => Route::Config(form),
        Err(error) => Route::ConfigRefused(error),
    }
}

/// An order proves itself, so it needs no proof of possession and counts in recovery too.
fn route_release(request: &Request<'_>) -> Route<'static> {
    match request.method {
        Method::Get | Method::Head => Route::ReleasePage,
        Method::Post if is_foreign_origin(request) => Route::ForeignOrigin,
        Method::Post => read_release(request).map_or_else(Route::ReleaseUnreadable, Route::Release),
        Method::Other => Route::MethodNotAllowed { allow: RELEASE_METHODS },
    }
}

/// Stock firmware takes any method everywhere. Source: `reference/edgent-device.md` §5.
fn route_stock<'a>(request: &Request<'a>, mode: &PortalMode<'_>) -> Route<'a> {
    match own_endpoint(request) {
        Some(Endpoint::Root) => Route::SetupPage,
        Some(Endpoint::BoardInfo) => Route::BoardInfo,
        Some(Endpoint::WifiScan) => Route::WifiScan,
        Some(Endpoint::Config) => route_config(request, mode),
        Some(Endpoint::Reset) => Route::Reset,
        Some(Endpoint::Reboot) => Route::Reboot,
        Some(Endpoint::Status | Endpoint::Release) | None if is_path(request, "/update") => {
            match request.method {
                Method::Get | Method::Head => Route::FirmwareForm,
                Method::Post | Method::Other => Route::FirmwareUpload,
            }
        }
        Some(Endpoint::Status | Endpoint::Release) | None => Route::NotFound { path: request.path },
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Root,
    BoardInfo,
    WifiScan,
    Config,
    Reset,
    Reboot,
    Status,
    Release,
}

fn own_endpoint(request: &Request<'_>) -> Option<Endpoint> {
    [
        ("/", Endpoint::Root),
        ("/board_info.json", Endpoint::BoardInfo),
        ("/wifi_scan.json", Endpoint::WifiScan),
        ("/config", Endpoint::Config),
        ("/reset", Endpoint::Reset),
        ("/reboot", Endpoint::Reboot),
        ("/release", Endpoint::Release),
        ("/status", Endpoint::Status),
        ("/status.json", Endpoint::Status),
    ]
    .into_iter()
    .find_map(|(path, endpoint)| is_path(request, path).then_some(endpoint))
}

fn is_path(request: &Request<'_>, path: &str) -> bool {
    Decoded::path(request.path.as_bytes()).eq(path.bytes())
}

/// Whether `Accept` names `text/html`, not below JSON. Source: RFC 9110 §12.5.1.
///
/// Scripts that take anything, or name JSON as well, get what stock firmware answers.
fn prefers_html(accept: Option<&str>) -> bool {
    let (mut html, mut json, mut anything) = (0, None, 0);
    for_each_weighted(accept, |media_type, weight| match media_type {
        "text/html" => html = weight,
        "application/json" => json = Some(weight),
        "*/*" | "application/*" => anything = weight.max(anything),
        _ => {}
    });
    html > 0 && json.map_or(html >= anything, |json| html > json)
}

/// Whether `Accept-Encoding` names `deflate` without refusing it. Source: RFC 9110 §12.5.3.
///
/// A client that says nothing might take anything, but is a script that wants to read what it gets; browsers always say.
fn accepts_deflate(accept_encoding: Option<&str>) -> bool {
    let mut is_accepted = false;
    for_each_weighted(accept_encoding, |coding, weight| {
        if coding.eq_ignore_ascii_case("deflate") {
            is_accepted = weight > 0;
        }
    });
    is_accepted
}

/// Reads a list of names with weights in thousandths. Source: RFC 9110 §12.4.2.
fn for_each_weighted(list: Option<&str>, mut each: impl FnMut(&str, u32)) {
    for item in list.unwrap_or_default().split(',') {
        let mut parts = item.split(';').map(str::trim_ascii);
        let name = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1000, weight_thousandths);
        each(name, weight);
    }
}

/// Reads `0.8` as 800; anything unreadable counts as nothing wanted.
fn weight_thousandths(text: &str) -> u32 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digit = |index: usize| match fraction.as_bytes().get(index) {
        Some(digit @ b'0'..=b'9') => u32::from(digit - b'0'),
        _ => 0,
    };
    let thousandths = digit(0) * 100 + digit(1) * 10 + digit(2);
    if whole == "1" { 1000 } else { thousandths }
}

#[cfg(test)]
mod tests;
