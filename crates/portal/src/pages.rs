//! HTML pages: ours, the ones for browsers without JavaScript, and the plain form that stands in for stock firmware.

use core::fmt::{self, Display, Write};

use crate::config_form::SSID_HEX_PREFIX;
use crate::dialect::{Access, Dialect};
use crate::explanation::explain_error;
use crate::route::{Guard, Routed};
use crate::status::{Message, Step};
use crate::text::{HexText, HtmlText};
use crate::view::{PortalView, ScanEntry, Security};
use crate::wifi_scan::listed_networks;

/// Writes the setup page for clients that take no compressed one: the same fields without style or script.
pub(crate) fn write_plain_page(
    routed: &Routed<'_>,
    view: &PortalView<'_>,
    out: &mut dyn Write,
) -> fmt::Result {
    let name = HtmlText(view.identity.hotspot_name.as_bytes());
    write!(out, "{PAGE_START}{PAGE_STYLE}<h1>Connect this device</h1><p>{name}</p>")?;
    write_notice(routed.access, view.last_error, out)?;
    out.write_str(
        "<form method=\"post\" action=\"/config\" accept-charset=\"utf-8\" autocomplete=\"off\">\
         <p><label>Network <select name=\"ssid\"><option value=\"\">Choose a network</option>",
    )?;
    write_network_options(view, out)?;
    out.write_str(
        "</select></label></p><p><label>Hidden network <input name=\"ssidManual\"></label></p>\
         <p><label>Password <input name=\"pass\" type=\"password\"></label></p>\
         <p><label>Device token or claim code <input name=\"blynk\"></label></p>",
    )?;
    write!(out, "<p>{}</p>", token_hint(routed))?;
    if routed.guard == Guard::Forms {
        out.write_str(PROOF_FIELD)?;
    }
    out.write_str("<p><button>Connect</button></p></form></html>\n")
}

pub(crate) fn token_hint(routed: &Routed<'_>) -> &'static str {
    if routed.keeps_account() {
        "Leave empty to keep the stored account."
    } else {
        "Both are on the page where you added the device. A claim code looks like ABCD-2345."
    }
}

pub(crate) const PROOF_FIELD: &str = "<label for=\"pop\">Code on the label of the device</label>\
    <input id=\"pop\" name=\"pop\" class=\"mono\" maxlength=\"63\" autocapitalize=\"none\" autocorrect=\"off\" \
    spellcheck=\"false\">";

pub(crate) fn write_notice(access: Access, last_error: u16, out: &mut dyn Write) -> fmt::Result {
    if access == Access::Recovery {
        out.write_str(
            "<p class=\"note\">This device is set up but cannot reach its account right now. \
             Its settings are kept, and it goes on trying. You can give it another network here.</p>",
        )?;
    }
    if let Some(explanation) = explain_error(last_error) {
        write!(out, "<p class=\"note bad\"><b>{}</b> {}", explanation.what, explanation.advice)?;
        write!(out, " <small>Code {last_error}</small></p>")?;
    }
    Ok(())
}

pub(crate) fn write_network_options(view: &PortalView<'_>, out: &mut dyn Write) -> fmt::Result {
    for entry in &listed_networks(Dialect::Rehome, &view.scan) {
        let lock = if entry.security == Security::Open { " (open)" } else { "" };
        write!(out, "<option value=\"{}\">{}{lock}</option>", FormSsid(entry), HtmlText(entry.ssid))?;
    }
    Ok(())
}

/// A network's name as a form value that comes back with the same bytes.
struct FormSsid<'a>(&'a ScanEntry<'a>);

impl Display for FormSsid<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ssid = self.0.ssid;
        // Browsers change line breaks and cannot carry NUL or broken UTF-8.
        if core::str::from_utf8(ssid).is_ok() && !ssid.iter().any(u8::is_ascii_control) {
            write!(formatter, "{}", HtmlText(ssid))
        } else {
            write!(formatter, "{SSID_HEX_PREFIX}{}", HexText(ssid))
        }
    }
}

pub(crate) const PAGE_START: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
    <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
    <meta name=\"color-scheme\" content=\"light dark\"><title>Device setup</title>";

pub(crate) const PAGE_STYLE: &str = "<style>body{font:17px/1.5 system-ui,sans-serif;max-width:26rem;margin:3rem auto;padding:0 1.2rem}\
    a{color:#0a6e78}@media(prefers-color-scheme:dark){a{color:#5cc8d2}}</style>";

/// Writes the result page for browsers without JavaScript; it reloads itself until the trial has ended.
pub(crate) fn write_status_page(view: &PortalView<'_>, out: &mut dyn Write) -> fmt::Result {
    let step = Step::of(&view.progress);
    out.write_str(PAGE_START)?;
    if matches!(step, Step::Starting | Step::Network | Step::Cloud) {
        out.write_str("<meta http-equiv=\"refresh\" content=\"2;url=/status\">")?;
    }
    let heading = match step {
        Step::Waiting => "Not set up yet",
        Step::Starting | Step::Network | Step::Cloud => "Connecting",
        Step::Done => "Done",
        Step::Failed => "That did not work",
    };
    write!(out, "{PAGE_STYLE}<h1>{heading}</h1><p role=\"status\">{}</p>", Message::of(view))?;
    if let Some(ssid) = view.progress.ssid {
        write!(out, "<p>Network: {}</p>", HtmlText(ssid))?;
    }
    match step {
        Step::Starting | Step::Network | Step::Cloud => out.write_str(
            "<p>This page reloads by itself. If it stops answering, join the hotspot again. \
             If the hotspot is gone for good, the device is connected.</p>",
        )?,
        Step::Waiting => out.write_str("<p><a href=\"/\">Back to the settings</a></p>")?,
        Step::Failed => {
            write!(out, "<p>Code {}</p><p><a href=\"/\">Back to the settings</a></p>", view.last_error)?;
        }
        Step::Done => out.write_str("<p>You can close this page.</p>")?,
    }
    out.write_str("</html>\n")
}

/// Writes a page with one heading and one sentence.
pub(crate) fn write_notice_page(heading: &str, text: &dyn Display, out: &mut dyn Write) -> fmt::Result {
    write!(out, "{PAGE_START}{PAGE_STYLE}<h1>{heading}</h1><p role=\"alert\">{text}</p>")?;
    out.write_str("<p><a href=\"/\">Back to the settings</a></p></html>\n")
}

/// Writes the form that stands in for stock firmware's own: same fields, our words.
pub(crate) fn write_stock_page(dialect: Dialect, view: &PortalView<'_>, out: &mut dyn Write) -> fmt::Result {
    let name = HtmlText(view.identity.hotspot_name.as_bytes());
    write!(out, "<!doctype html><html><head><title>{name}</title></head><body><h1>{name}</h1>")?;
    out.write_str("<form method=\"get\" action=\"config\">")?;
    if dialect == Dialect::EdgentNew {
        out.write_str("<input type=\"hidden\" name=\"if\" value=\"wifi\">")?;
    }
    out.write_str(
        "<p><label>Network <input name=\"ssid\" maxlength=\"64\" required></label></p>\
         <p><label>Password <input name=\"pass\" type=\"password\" maxlength=\"64\"></label></p>\
         <p><label>Token <input name=\"blynk\" minlength=\"32\" maxlength=\"32\" required></label></p>\
         <p><label>Server <input name=\"host\" value=\"blynk.cloud\"></label></p>",
    )?;
    if dialect == Dialect::EdgentOld {
        out.write_str(
            "<p><label>Port <input name=\"port_ssl\" type=\"number\" min=\"1\" max=\"65535\" value=\"443\">\
             </label></p>",
        )?;
    }
    out.write_str("<p><button>Apply</button></p></form></body></html>\n")
}

/// The upload form of stock firmware, in our words.
pub(crate) const FIRMWARE_PAGE: &str = "<!doctype html><html><body><form method=\"post\" action=\"\" \
    enctype=\"multipart/form-data\"><p><label>Firmware <input type=\"file\" name=\"update\"></label></p>\
    <p><button>Upload</button></p></form></body></html>\n";
