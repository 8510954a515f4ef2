//! Our setup page: compressed at build time, with gaps that each answer fills.
//!
//! The body is one `deflate` stream. What stands in the file is there in compressed blocks, each of which begins anew,
//! and what fills a gap stands between them in blocks that are stored as they are. Sources: RFC 1950, RFC 1951 §3.2.4.

use core::fmt::{self, Write};

use crate::adler32::Adler32;
use crate::pages::{PROOF_FIELD, token_hint, write_network_options, write_notice};
use crate::route::{Guard, Routed};
use crate::text::HtmlText;
use crate::view::PortalView;
use crate::window::Window;

/// Made of `setup_page.html` by the build script.
const PARTS: &[Part] = &include!(concat!(env!("OUT_DIR"), "/setup_page.rs"));

/// 32 KiB window, slowest compression. Source: RFC 1950 §2.2.
const ZLIB_HEADER: [u8; 2] = [0x78, 0xDA];

/// An empty stored block that is the last one. Source: RFC 1951 §3.2.3.
const LAST_BLOCK: [u8; 5] = [1, 0, 0, 0xFF, 0xFF];

/// A stretch of the file, and the gap that follows it.
struct Part {
    /// Whole blocks, none of them the last.
    deflated: &'static [u8],
    /// Length before compression.
    bytes: u16,
    sum: Adler32,
    gap: Option<Gap>,
}

/// What an answer fills in.
#[derive(Clone, Copy)]
enum Gap {
    Name,
    Notice,
    Access,
    Networks,
    TokenHint,
    Proof,
}

pub(crate) fn write_setup_page(
    routed: &Routed<'_>,
    view: &PortalView<'_>,
    out: &mut Window<'_>,
) -> fmt::Result {
    out.write_bytes(&ZLIB_HEADER);
    let mut sum = Adler32::EMPTY;
    for part in PARTS {
        out.write_bytes(part.deflated);
        sum.append(part.sum, part.bytes);
        if let Some(gap) = part.gap {
            let mut counted = Window::nothing();
            fill(gap, routed, view, &mut counted)?;
            let length = u16::try_from(counted.position_bytes()).or(Err(fmt::Error))?;
            let [low, high] = length.to_le_bytes();
            out.write_bytes(&[0, low, high, !low, !high]);
            fill(gap, routed, view, &mut Summed { out, sum: &mut sum })?;
        }
    }
    out.write_bytes(&LAST_BLOCK);
    out.write_bytes(&sum.to_be_bytes());
    Ok(())
}

/// Adds up what it hands on.
struct Summed<'a, 'b> {
    out: &'a mut Window<'b>,
    sum: &'a mut Adler32,
}

impl Write for Summed<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.sum.add(text.as_bytes());
        self.out.write_str(text)
    }
}

fn fill(gap: Gap, routed: &Routed<'_>, view: &PortalView<'_>, out: &mut dyn Write) -> fmt::Result {
    match gap {
        Gap::Name => write!(out, "{}", HtmlText(view.identity.hotspot_name.as_bytes())),
        Gap::Notice => write_notice(routed.access, view.last_error, out),
        Gap::Access => out.write_str(if routed.keeps_account() { "recovery" } else { "new" }),
        Gap::Networks => write_network_options(view, out),
        Gap::TokenHint => out.write_str(token_hint(routed)),
        Gap::Proof if routed.guard == Guard::Forms => out.write_str(PROOF_FIELD),
        Gap::Proof => Ok(()),
    }
}
