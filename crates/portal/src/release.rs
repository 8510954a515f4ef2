//! Release without a network: the order that somebody's phone hands over, and what became of it.
//!
//! The portal reads the text; whether an order counts is decided by the device against the key it stored at its claim.
//! This is the only thing that the portal of a device with a home obeys, because an order proves itself.

use core::fmt::{self, Display, Write};

use wire::{ReadReleaseTextError, ReleaseText};

use crate::Request;
use crate::config_form::form_arguments;
use crate::dialect::Access;
use crate::pages::{PAGE_START, PAGE_STYLE};
use crate::text::HtmlText;

const RELEASE_PAGE: &str = include_str!("release_page.html");

/// What became of the last release order that was handed over here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseOutcome<'a> {
    /// None was.
    None,
    /// It counts for nothing.
    Refused(RefusedRelease),
    /// It was proven; the home is still being erased.
    Erasing,
    /// The home is erased, and that was checked by reading the flash back.
    Erased {
        /// The receipt as text, for the person who asked for the release.
        receipt: &'a str,
    },
}

/// Why a well-formed order changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum RefusedRelease {
    /// Nothing is stored.
    #[error("this device holds no settings, there is nothing to erase")]
    NoHome,
    /// The home came without a release key.
    #[error("this device has no release key from its account: only its button can erase it")]
    NoKey,
    /// It names another device.
    #[error("this release code is for another device")]
    OtherDevice,
    /// It is for an ownership that has ended, or for one that has not begun.
    #[error("this release code is for another owner's time with this device: ask for a new one")]
    OtherEpoch,
    /// The signature is not that of the account.
    #[error("this release code was not made by the account that this device belongs to, or it was changed")]
    Signature,
}

impl RefusedRelease {
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::NoHome => "no_home",
            Self::NoKey => "no_key",
            Self::OtherDevice => "other_device",
            Self::OtherEpoch => "other_epoch",
            Self::Signature => "signature",
        }
    }
}

/// Reads the order of a request.
pub(crate) fn read_release(request: &Request<'_>) -> Result<ReleaseText, ReadReleaseTextError> {
    let typed = form_arguments(request).get("order").ok_or(ReadReleaseTextError::Empty)?;
    let text = ReleaseText::collect(typed)?;
    text.order()?;
    Ok(text)
}

/// Writes the page on which an order is entered, or what became of the last one that counted.
pub(crate) fn write_release_page(
    access: Access,
    outcome: &ReleaseOutcome<'_>,
    out: &mut dyn Write,
) -> fmt::Result {
    match outcome {
        ReleaseOutcome::Erasing | ReleaseOutcome::Erased { .. } => write_outcome_page(outcome, out),
        ReleaseOutcome::None | ReleaseOutcome::Refused(_) if access == Access::Provisioning => {
            write_result(&"Nothing to erase", &RefusedRelease::NoHome, out)
        }
        ReleaseOutcome::None | ReleaseOutcome::Refused(_) => out.write_str(RELEASE_PAGE),
    }
}

/// Writes what became of an order.
pub(crate) fn write_outcome_page(outcome: &ReleaseOutcome<'_>, out: &mut dyn Write) -> fmt::Result {
    match outcome {
        ReleaseOutcome::Erased { receipt } => {
            write!(out, "{PAGE_START}{PAGE_STYLE}<h1>Erased</h1>")?;
            out.write_str(
                "<p role=\"status\">The device erased its networks and its account, and checked that they are gone. \
                 It can be set up anew.</p><p>This is the receipt. Copy it into the account that released the device, \
                 or send it to its former owner. It stays here until the device is switched off.</p>",
            )?;
            let receipt = HtmlText(receipt.as_bytes());
            write!(out, "<p><code style=\"overflow-wrap:anywhere;user-select:all\">{receipt}</code></p>")?;
            out.write_str("<p><a href=\"/\">Set the device up</a></p></html>\n")
        }
        ReleaseOutcome::Erasing => {
            write_result(&"Erasing", &"The release code is right. Load this page again for the receipt", out)
        }
        ReleaseOutcome::Refused(refused) => write_result(&"Not erased", refused, out),
        ReleaseOutcome::None => write_result(&"Not erased", &"Enter the release code", out),
    }
}

/// Writes the same for scripts.
pub(crate) fn write_outcome_json(outcome: &ReleaseOutcome<'_>, out: &mut dyn Write) -> fmt::Result {
    match outcome {
        ReleaseOutcome::Erased { receipt } => {
            write!(out, "{{\"status\":\"ok\",\"msg\":\"Erased\",\"receipt\":\"{receipt}\"}}")
        }
        ReleaseOutcome::Erasing => out.write_str("{\"status\":\"ok\",\"msg\":\"Erasing\"}"),
        ReleaseOutcome::Refused(refused) => write_refusal_json(refused.reason(), refused, out),
        ReleaseOutcome::None => write_refusal_json("empty", &ReadReleaseTextError::Empty, out),
    }
}

/// Writes a refusal for scripts; the texts are ours and need no escaping.
pub(crate) fn write_refusal_json(reason: &str, detail: &dyn Display, out: &mut dyn Write) -> fmt::Result {
    write!(
        out,
        "{{\"status\":\"error\",\"msg\":\"Not erased\",\"reason\":\"{reason}\",\"detail\":\"{detail}\"}}"
    )
}

/// Writes a page for a text that could not be read.
pub(crate) fn write_unreadable_page(error: ReadReleaseTextError, out: &mut dyn Write) -> fmt::Result {
    write_result(&"Not erased", &error, out)
}

fn write_result(heading: &dyn Display, sentence: &dyn Display, out: &mut dyn Write) -> fmt::Result {
    write!(
        out,
        "{PAGE_START}{PAGE_STYLE}<h1>{heading}</h1><p role=\"alert\">{}.</p>",
        Capitalised(sentence)
    )?;
    out.write_str("<p><a href=\"/release\">Enter a release code</a></p><p><a href=\"/\">Back to the settings</a></p></html>\n")
}

/// A sentence whose first letter is made a capital.
struct Capitalised<'a>(&'a dyn Display);

impl Display for Capitalised<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(FirstUp { out: formatter, is_first: true }, "{}", self.0)
    }
}

struct FirstUp<'a, 'b> {
    out: &'a mut fmt::Formatter<'b>,
    is_first: bool,
}

impl Write for FirstUp<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut letters = text.chars();
        if self.is_first
            && let Some(first) = letters.next()
        {
            self.is_first = false;
            self.out.write_char(first.to_ascii_uppercase())?;
        }
        self.out.write_str(letters.as_str())
    }
}

#[cfg(test)]
mod tests;
