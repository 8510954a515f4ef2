//! `/status.json`: what the setup page shows while a candidate is tried.

use core::fmt::{self, Display, Write};

use crate::dialect::Access;
use crate::explanation::explain_error;
use crate::route::Routed;
use crate::text::JsonText;
use crate::view::{ClaimRefusal, PortalView, Progress, Trial};

/// How far the trial of a candidate got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Waiting,
    Starting,
    Network,
    Cloud,
    Done,
    Failed,
}

impl Step {
    pub(crate) fn of(progress: &Progress<'_>) -> Self {
        match progress.trial {
            Trial::None => Self::Waiting,
            Trial::Failed => Self::Failed,
            Trial::Succeeded => Self::Done,
            Trial::Running => match progress.state {
                "CONNECTING_NET" => Self::Network,
                "CONNECTING_CLOUD" => Self::Cloud,
                _ => Self::Starting,
            },
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Network => "network",
            Self::Cloud => "cloud",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// One or two sentences for a person.
pub(crate) struct Message {
    step: Step,
    last_error: u16,
    claim_refusal: Option<ClaimRefusal>,
}

impl Message {
    pub(crate) fn of(view: &PortalView<'_>) -> Self {
        Self {
            step: Step::of(&view.progress),
            last_error: view.last_error,
            claim_refusal: view.claim_refusal,
        }
    }
}

impl Display for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Step::Failed, Some(refusal)) = (self.step, self.claim_refusal) {
            return formatter.write_str(match refusal {
                ClaimRefusal::Code => {
                    "The server does not know this claim code. Codes are good for 15 minutes and for one device: \
                     get a new one."
                }
                ClaimRefusal::Owned => {
                    "This device still belongs to somebody. Its owner must release it before it can be set up anew."
                }
            });
        }
        match (self.step, explain_error(self.last_error)) {
            (Step::Starting, _) => formatter.write_str("Getting ready to connect."),
            (Step::Network, _) => formatter.write_str("Connecting to the Wi-Fi network."),
            (Step::Cloud, _) => formatter.write_str("Wi-Fi works. Connecting to the server."),
            (Step::Done, _) => formatter.write_str("The device is connected and set up."),
            (Step::Waiting | Step::Failed, Some(explanation)) => {
                write!(formatter, "{} {}", explanation.what, explanation.advice)
            }
            (Step::Waiting, None) => formatter.write_str("Waiting for your settings."),
            (Step::Failed, None) => formatter.write_str("Setting up the device failed. Try again."),
        }
    }
}

pub(crate) fn write_status(routed: &Routed<'_>, view: &PortalView<'_>, out: &mut dyn Write) -> fmt::Result {
    let progress = &view.progress;
    let step = Step::of(progress);
    write!(out, "{{\"state\":{},", JsonText(progress.state.as_bytes()))?;
    write!(out, "\"step\":\"{}\",\"last_error\":{},", step.as_str(), view.last_error)?;
    // The texts are ours and hold nothing that JSON would need escaped; a test parses every one.
    write!(out, "\"message\":\"{}\",", Message::of(view))?;
    match progress.ssid {
        Some(ssid) => write!(out, "\"ssid\":{},", JsonText(ssid))?,
        None => out.write_str("\"ssid\":null,")?,
    }
    write!(out, "\"attempt\":{},\"recovery\":{}}}", progress.attempt, routed.access == Access::Recovery)
}
