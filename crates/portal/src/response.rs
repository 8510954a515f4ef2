//! Renders complete HTTP/1.1 answers.

use core::fmt::{self, Write};

use crate::captive_api::{CAPTIVE_API_TYPE, write_captive_api};
use crate::dialect::{Dialect, HOTSPOT_ADDRESS};
use crate::lock::WRONG_PROOF_COUNT_MAX;
use crate::release::{self, ReleaseOutcome};
use crate::route::{AnswerFormat, RedirectTarget, Route, Routed};
use crate::text::HtmlText;
use crate::view::PortalView;
use crate::window::Window;
use crate::{board_info, pages, setup_page, status, wifi_scan};

/// What [`respond_chunk`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chunk {
    /// Bytes written to the start of the buffer.
    pub written_bytes: usize,
    /// Length of the whole answer in bytes.
    pub total_bytes: usize,
}

/// Writes the part of the answer that starts at `offset_bytes` and fits into `out`.
///
/// Call it with growing offsets until `offset_bytes + written_bytes == total_bytes`, with the same route and view. Each
/// call renders the answer anew and keeps only its window: time instead of memory. Nothing is written where stock
/// firmware would not reply.
#[must_use]
pub fn respond_chunk(
    routed: &Routed<'_>,
    view: &PortalView<'_>,
    offset_bytes: usize,
    out: &mut [u8],
) -> Chunk {
    let mut window = Window::new(out, offset_bytes);
    let rendered = write_answer(routed, view, &mut window);
    debug_assert!(rendered.is_ok(), "a window accepts every write");
    Chunk { written_bytes: window.written_bytes(), total_bytes: window.position_bytes() }
}

fn write_answer(routed: &Routed<'_>, view: &PortalView<'_>, out: &mut Window<'_>) -> fmt::Result {
    if !routed.is_answered() {
        return Ok(());
    }
    let mut body = Window::nothing();
    write_body(routed, view, &mut body)?;
    write_head(routed, view, body.position_bytes(), out)?;
    if routed.is_head { Ok(()) } else { write_body(routed, view, out) }
}

fn write_head(
    routed: &Routed<'_>,
    view: &PortalView<'_>,
    body_bytes: usize,
    out: &mut dyn Write,
) -> fmt::Result {
    let status = status_code(routed, view);
    write!(out, "HTTP/1.1 {status} {}\r\n", reason_phrase(status))?;
    write!(out, "Content-Type: {}\r\nContent-Length: {body_bytes}\r\n", content_type(routed))?;
    out.write_str("Connection: close\r\n")?;
    if routed.dialect == Dialect::Rehome {
        out.write_str(OWN_HEADERS)?;
    }
    if is_setup_page_compressed(routed) {
        out.write_str("Content-Encoding: deflate\r\n")?;
    }
    if routed.dialect == Dialect::Rehome && routed.route == Route::SetupPage {
        out.write_str("Vary: Accept-Encoding\r\n")?;
    }
    match &routed.route {
        Route::Redirect(RedirectTarget::SameHost) => out.write_str("Location: /\r\n")?,
        Route::Redirect(RedirectTarget::Hotspot) => write!(out, "Location: http://{HOTSPOT_ADDRESS}/\r\n")?,
        Route::MethodNotAllowed { allow } => write!(out, "Allow: {allow}\r\n")?,
        _ => {}
    }
    // One path answers both, by what the client accepts. Source: RFC 8910 §2.
    if matches!(routed.route, Route::Redirect(_) | Route::CaptiveApi) {
        out.write_str("Vary: Accept\r\n")?;
    }
    out.write_str("\r\n")
}

fn is_setup_page_compressed(routed: &Routed<'_>) -> bool {
    routed.route == Route::SetupPage && routed.dialect == Dialect::Rehome && routed.accepts_deflate
}

/// `same-origin` and not `no-referrer`: the latter makes browsers send `Origin: null` with the page's own form.
const OWN_HEADERS: &str = "Cache-Control: no-store\r\n\
    X-Content-Type-Options: nosniff\r\n\
    X-Frame-Options: DENY\r\n\
    Referrer-Policy: same-origin\r\n\
    Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'\r\n";

fn status_code(routed: &Routed<'_>, view: &PortalView<'_>) -> u16 {
    match &routed.route {
        Route::Bad(error) => error.status(),
        Route::Redirect(_) => 302,
        Route::ControlRefused
        | Route::ForeignOrigin
        | Route::ProofMissing
        | Route::ProofWrong { .. }
        | Route::DoorClosed => 403,
        Route::Release(_) if matches!(view.release, ReleaseOutcome::Refused(_)) => 403,
        Route::ReleaseUnreadable(_) => 400,
        Route::NotFound { .. } => 404,
        Route::MethodNotAllowed { .. } => 405,
        // Clients expect 500 with the JSON answer; a page may tell the truth, that the input was wrong.
        Route::ConfigRefused(_) if routed.format == AnswerFormat::Html => 400,
        Route::ConfigRefused(_) | Route::FirmwareUpload => 500,
        _ => 200,
    }
}

const fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        302 => "Found",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    }
}

fn content_type(routed: &Routed<'_>) -> &'static str {
    const HTML: &str = "text/html; charset=utf-8";
    const JSON: &str = "application/json";
    const PLAIN: &str = "text/plain; charset=utf-8";
    let is_stock = routed.dialect != Dialect::Rehome;
    match &routed.route {
        Route::SetupPage | Route::FirmwareForm if is_stock => "text/html",
        // The server library of old Edgent answers so.
        Route::NotFound { .. } if routed.dialect == Dialect::EdgentOld => "text/html",
        Route::FirmwareUpload | Route::NotFound { .. } if is_stock => "text/plain",
        Route::SetupPage | Route::FirmwareForm | Route::ReleasePage => HTML,
        Route::BoardInfo | Route::WifiScan => JSON,
        Route::CaptiveApi => CAPTIVE_API_TYPE,
        Route::Config(_)
        | Route::ConfigRefused(_)
        | Route::Reset
        | Route::Reboot
        | Route::ControlRefused
        | Route::ForeignOrigin
        | Route::ProofMissing
        | Route::ProofWrong { .. }
        | Route::DoorClosed
        | Route::Release(_)
        | Route::ReleaseUnreadable(_)
        | Route::Status => match routed.format {
            AnswerFormat::Json => JSON,
            AnswerFormat::Html => HTML,
        },
        Route::FirmwareUpload
        | Route::Redirect(_)
        | Route::NotFound { .. }
        | Route::MethodNotAllowed { .. }
        | Route::Bad(_) => PLAIN,
    }
}

fn write_body(routed: &Routed<'_>, view: &PortalView<'_>, out: &mut Window<'_>) -> fmt::Result {
    let is_page = routed.format == AnswerFormat::Html;
    match &routed.route {
        Route::SetupPage if is_setup_page_compressed(routed) => {
            setup_page::write_setup_page(routed, view, out)
        }
        Route::SetupPage if routed.dialect == Dialect::Rehome => pages::write_plain_page(routed, view, out),
        Route::SetupPage => pages::write_stock_page(routed.dialect, view, out),
        Route::BoardInfo => board_info::write_board_info(routed, view, out),
        Route::WifiScan => wifi_scan::write_wifi_scan(routed.dialect, &view.scan, out),
        Route::Status | Route::Config(_) if is_page => pages::write_status_page(view, out),
        Route::Status => status::write_status(routed, view, out),
        Route::CaptiveApi => write_captive_api(out),
        Route::FirmwareForm => out.write_str(pages::FIRMWARE_PAGE),
        Route::FirmwareUpload => out.write_str("FAIL"),
        Route::Redirect(_) => out.write_str("Open the setup page.\n"),
        Route::NotFound { path } if routed.dialect == Dialect::EdgentOld => {
            write!(out, "Not found: {}", HtmlText(path.as_bytes()))
        }
        Route::NotFound { .. } => out.write_str("Not found"),
        Route::MethodNotAllowed { .. } => out.write_str("Method not allowed\n"),
        Route::Bad(error) => writeln!(out, "{error}"),
        Route::ConfigRefused(error) if is_page => {
            pages::write_notice_page("Check your settings", &format_args!("{error}."), out)
        }
        Route::ReleasePage => release::write_release_page(routed.access, &view.release, out),
        Route::Release(_) if is_page => release::write_outcome_page(&view.release, out),
        Route::Release(_) => release::write_outcome_json(&view.release, out),
        Route::ReleaseUnreadable(error) if is_page => release::write_unreadable_page(*error, out),
        Route::ReleaseUnreadable(error) => release::write_refusal_json("unreadable", error, out),
        Route::Reset | Route::Reboot | Route::ControlRefused | Route::ForeignOrigin if is_page => {
            let (heading, text) = verdict_texts(&routed.route);
            pages::write_notice_page(heading, &text, out)
        }
        Route::ProofMissing | Route::ProofWrong { .. } | Route::DoorClosed if is_page => {
            let refusal = ProofRefusal(&routed.route);
            pages::write_notice_page("Not possible now", &format_args!("{refusal}."), out)
        }
        _ => write_json_verdict(routed, out),
    }
}

fn verdict_texts(route: &Route<'_>) -> (&'static str, &'static str) {
    match route {
        Route::Reset => ("Settings erased", "The device forgot its networks and its account."),
        Route::Reboot => ("Restarting", "The hotspot comes back in a few seconds."),
        Route::ControlRefused => (
            "Not possible now",
            "This device belongs to somebody. You can give it another network, nothing else.",
        ),
        _ => ("Not possible", "This request came from a page of another site."),
    }
}

/// The `status` and `msg` pairs that clients of stock firmware know. Source: `reference/edgent-device.md` §5.
fn write_json_verdict(routed: &Routed<'_>, out: &mut dyn Write) -> fmt::Result {
    let is_rehome = routed.dialect == Dialect::Rehome;
    match &routed.route {
        Route::Config(form) if form.is_save_requested && routed.dialect == Dialect::EdgentOld => {
            out.write_str("{\"status\":\"ok\",\"msg\":\"Configuration saved\"}")
        }
        Route::Config(_) => out.write_str("{\"status\":\"ok\",\"msg\":\"Trying to connect...\"}"),
        Route::ConfigRefused(error) if is_rehome => write!(
            out,
            "{{\"status\":\"error\",\"msg\":\"Configuration invalid\",\"reason\":\"{}\",\"detail\":\"{error}\"}}",
            error.reason()
        ),
        Route::ConfigRefused(_) => out.write_str("{\"status\":\"error\",\"msg\":\"Configuration invalid\"}"),
        Route::Reset => out.write_str("{\"status\":\"ok\",\"msg\":\"Configuration reset\"}"),
        Route::Reboot => out.write_str("{\"status\":\"ok\",\"msg\":\"Restarting\"}"),
        Route::ProofMissing => write_proof_refusal("proof_missing", routed, out),
        Route::ProofWrong { .. } => write_proof_refusal("proof_wrong", routed, out),
        Route::DoorClosed => write_proof_refusal("door_closed", routed, out),
        Route::ControlRefused => out
            .write_str("{\"status\":\"error\",\"msg\":\"Not allowed in recovery\",\"reason\":\"recovery\"}"),
        _ => out.write_str("{\"status\":\"error\",\"msg\":\"Not allowed\",\"reason\":\"foreign_origin\"}"),
    }
}

fn write_proof_refusal(reason: &str, routed: &Routed<'_>, out: &mut dyn Write) -> fmt::Result {
    let detail = ProofRefusal(&routed.route);
    write!(
        out,
        "{{\"status\":\"error\",\"msg\":\"Not allowed\",\"reason\":\"{reason}\",\"detail\":\"{detail}\"}}"
    )
}

/// Why a change was refused at the lock, and what the person can do, without a full stop at the end.
struct ProofRefusal<'a>(&'a Route<'a>);

impl fmt::Display for ProofRefusal<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Route::ProofMissing => formatter.write_str("Enter the code from the label of the device"),
            Route::ProofWrong { tries_left: 1 } => {
                formatter.write_str("This is not the code from the label of the device. One more try is left")
            }
            Route::ProofWrong { tries_left } => write!(
                formatter,
                "This is not the code from the label of the device. {tries_left} more tries are left"
            ),
            _ => write!(
                formatter,
                "The code was wrong {WRONG_PROOF_COUNT_MAX} times, so the device takes no settings any more. \
                 Switch it off and on, then try again"
            ),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
