//! The order of things: look, check, send, follow.

use std::fmt;
use std::time::Duration;

use api_types::ProvisioningState;
use serde::Serialize;
use thiserror::Error;

use crate::board_info::{BoardInfo, Firmware, ReadBoardInfoError};
use crate::http::ReachError;
use crate::pace::Pace;
use crate::portal_client::{PortalClient, SubmitError};
use crate::secret::Secret;
use crate::session::{SessionClient, SessionClientError};
use crate::setup::{CloudTarget, RefuseSetupError, Setup};
use crate::shown::shown;

/// Between two looks at the device.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What to do besides sending the settings.
#[derive(Debug)]
pub struct ProvisionOptions<'a> {
    /// The template that the device must belong to; `None` takes any.
    pub template_id: Option<&'a str>,
    /// The cloud to open a provisioning session at, for [`Self::template_id`]. Its token is used.
    pub session: Option<&'a SessionClient>,
    /// How long the device is followed after it took the settings. Stock Edgent tries 50 s for the network and 50 s for
    /// the cloud, waits 10 s and restarts, so 150 s see its failure. Source: `reference/edgent-device.md` §1.
    pub follow_for: Duration,
}

/// Something happened. `Display` is a line for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// A device answered.
    Found(BoardInfo),
    /// The cloud opened a session.
    SessionOpened {
        /// Its id.
        id: String,
    },
    /// The device took the settings.
    Sent,
    /// The connection broke after sending; the device may have taken them.
    SentPerhaps,
    /// The device says what it is doing.
    Device(String),
    /// The cloud says what it saw.
    Cloud(String),
    /// The hotspot is gone, which is what a device does while it tries.
    HotspotGone,
    /// The hotspot is back.
    HotspotBack,
}

impl fmt::Display for Progress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found(board) => {
                write!(formatter, "found {:?}: {}", board.name, board.firmware)?;
                write!(
                    formatter,
                    ", template {:?}, firmware {:?}",
                    board.template_id, board.firmware_version
                )?;
                if board.last_error != 0 {
                    write!(formatter, ", last error {}", board.last_error)?;
                }
                formatter.write_str(if board.is_recovery { ", in recovery" } else { "" })
            }
            Self::SessionOpened { id } => write!(formatter, "provisioning session {id} is open"),
            Self::Sent => formatter.write_str("the device took the settings"),
            Self::SentPerhaps => formatter.write_str("the connection broke while the settings were sent"),
            Self::Device(text) => write!(formatter, "device: {text}"),
            Self::Cloud(text) => write!(formatter, "cloud: {text}"),
            Self::HotspotGone => formatter.write_str("the hotspot closed: the device is trying"),
            Self::HotspotBack => formatter.write_str("the hotspot is open again"),
        }
    }
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The device reached its cloud: it says so itself, or the cloud does.
    Connected {
        /// The device at the cloud, where a session was watched.
        device_id: Option<String>,
    },
    /// The device took the settings and showed no failure. Stock firmware does not tell more; the cloud does.
    Accepted,
    /// The device could not use the settings.
    Failed {
        /// Code 700 to 732.
        code: u16,
        /// What the device says about it in words, which may be more than the code tells: stock firmware says nothing.
        #[serde(skip_serializing_if = "Option::is_none")]
        said: Option<String>,
    },
    /// The session ended without the device.
    SessionEnded {
        /// `expired`, `cancelled`, or `open` if the time to follow was over.
        state: ProvisioningState,
    },
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected { device_id: Some(id) } => {
                write!(formatter, "Set up: the device is connected as {:?}.", shown(id, &[]))
            }
            Self::Connected { device_id: None } => {
                formatter.write_str("Set up: the device is connected to its server.")
            }
            Self::Accepted => formatter.write_str(
                "The device took the settings and showed no failure. Whether it is connected, its server tells.",
            ),
            Self::Failed { code, said: Some(said) } => write!(formatter, "Failed with code {code}. {said}"),
            Self::Failed { code, said: None } => match portal::explain_error(*code) {
                Some(explanation) => write!(
                    formatter,
                    "Failed with code {code}. {} {}",
                    explanation.what, explanation.advice
                ),
                None => formatter.write_str("Failed: the device gave no reason."),
            },
            Self::SessionEnded { .. } => {
                formatter.write_str("Failed: no device logged in with the session's token.")
            }
        }
    }
}

/// Nothing was changed at the device, unless the text says so.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProvisionError {
    /// Nobody at the address.
    #[error("the portal could not be reached: is this computer in the device's hotspot?")]
    Portal(#[source] ReachError),
    /// Somebody else at the address.
    #[error("this is no device")]
    NotADevice(#[source] ReadBoardInfoError),
    /// Another kind of device than was expected.
    #[error("the device belongs to template {found:?}, not to {expected:?}")]
    WrongTemplate {
        /// What the device says.
        found: String,
        /// What was asked for.
        expected: String,
    },
    /// A session is for one template.
    #[error("a provisioning session needs a template")]
    TemplateMissing,
    /// The settings do not suit the device.
    #[error("the settings do not suit this device")]
    Setup(#[source] RefuseSetupError),
    /// The cloud opened no session.
    #[error("no provisioning session could be opened")]
    Session(#[source] SessionClientError),
    /// The device took nothing.
    #[error("the device did not take the settings")]
    Submit(#[source] SubmitError),
}

/// Sets up the device behind a portal.
///
/// `target` is what the device connects to; with a session its token replaces the target's, and its host and port fill
/// what the target leaves out. A session that was opened is cancelled when the device could not be set up.
///
/// # Errors
/// [`ProvisionError`] up to the moment in which the device took the settings; from then on there is an [`Outcome`].
pub fn provision(
    portal: &PortalClient,
    setup: &Setup,
    target: &CloudTarget,
    options: &ProvisionOptions<'_>,
    pace: &mut impl Pace,
    report: &mut dyn FnMut(&Progress),
) -> Result<Outcome, ProvisionError> {
    let board = portal.board_info().map_err(ProvisionError::Portal)?.map_err(ProvisionError::NotADevice)?;
    report(&Progress::Found(board.clone()));
    if let Some(expected) = options.template_id.filter(|expected| **expected != board.template_id) {
        let found = board.template_id;
        return Err(ProvisionError::WrongTemplate { found, expected: expected.to_owned() });
    }
    setup.check(&board).map_err(ProvisionError::Setup)?;
    let Some(client) = options.session else {
        let mut follower = Follower::new(portal, &board, pace, report);
        follower.submit(setup, target)?;
        return Ok(follower.follow(options.follow_for, None));
    };
    let template_id = options.template_id.ok_or(ProvisionError::TemplateMissing)?;
    let session = client.open(template_id).map_err(ProvisionError::Session)?;
    let id = shown(&session.id, &[]);
    report(&Progress::SessionOpened { id: id.clone() });
    let target = CloudTarget {
        token: Some(Secret::new(session.token.expose().as_bytes().to_vec())),
        host: target.host.clone().or(Some(session.host)),
        port: target.port.or(Some(session.port)),
    };
    let mut follower = Follower::new(portal, &board, pace, report);
    let result = follower
        .submit(setup, &target)
        .map(|()| follower.follow(options.follow_for, Some(&mut Watch { client, id: &id, seen_steps: 0 })));
    if !matches!(result, Ok(Outcome::Connected { .. })) {
        // Best effort: an open session ends by itself.
        drop(client.cancel(&id));
    }
    result
}

/// Looks at the device again and again.
struct Follower<'a, P> {
    portal: &'a PortalClient,
    board: &'a BoardInfo,
    pace: &'a mut P,
    report: &'a mut dyn FnMut(&Progress),
    /// Candidates that a Rehome device had been given before this one.
    attempts_before: u32,
    has_closed: bool,
    is_gone: bool,
    last_message: String,
}

impl<'a, P: Pace> Follower<'a, P> {
    fn new(
        portal: &'a PortalClient,
        board: &'a BoardInfo,
        pace: &'a mut P,
        report: &'a mut dyn FnMut(&Progress),
    ) -> Self {
        let last_message = String::new();
        Self {
            portal,
            board,
            pace,
            report,
            attempts_before: 0,
            has_closed: false,
            is_gone: false,
            last_message,
        }
    }

    fn submit(&mut self, setup: &Setup, target: &CloudTarget) -> Result<(), ProvisionError> {
        target.check(self.board).map_err(ProvisionError::Setup)?;
        if self.board.firmware == Firmware::Rehome {
            let status = self.portal.status().map_err(ProvisionError::Portal)?;
            self.attempts_before = status.map_or(0, |status| status.attempt);
        }
        let secrets: Vec<&Secret> = target.token.iter().chain([&setup.password]).chain(&setup.pop).collect();
        match self.portal.submit(&setup.form(target, self.board), &secrets) {
            Ok(()) => {
                (self.report)(&Progress::Sent);
            }
            Err(SubmitError::Reach(error)) if error.may_have_arrived() => {
                (self.report)(&Progress::SentPerhaps);
            }
            Err(error) => return Err(ProvisionError::Submit(error)),
        }
        Ok(())
    }

    fn follow(&mut self, follow_for: Duration, mut watch: Option<&mut Watch<'_>>) -> Outcome {
        let end = self.pace.elapsed().saturating_add(follow_for);
        loop {
            if let Some(outcome) = watch.as_mut().and_then(|watch| watch.look(self.report)) {
                return outcome;
            }
            match self.look() {
                // The cloud's word names the device, so it is waited for where there is a session.
                Some(Outcome::Connected { .. }) if watch.is_some() => {}
                Some(outcome) => return outcome,
                None => {}
            }
            if self.pace.elapsed() >= end {
                let is_watched = watch.is_some();
                let state = ProvisioningState::Open;
                return if is_watched { Outcome::SessionEnded { state } } else { Outcome::Accepted };
            }
            self.pace.wait(LOOK_EVERY);
        }
    }

    fn look(&mut self) -> Option<Outcome> {
        let seen = if self.board.firmware == Firmware::Rehome {
            self.look_at_rehome()
        } else {
            self.look_at_stock()
        };
        match seen {
            Ok(outcome) => {
                if std::mem::take(&mut self.is_gone) {
                    (self.report)(&Progress::HotspotBack);
                }
                outcome
            }
            Err(_gone) => {
                if !std::mem::replace(&mut self.is_gone, true) {
                    (self.report)(&Progress::HotspotGone);
                }
                self.has_closed = true;
                None
            }
        }
    }

    fn look_at_rehome(&mut self) -> Result<Option<Outcome>, ReachError> {
        let Some(status) = self.portal.status()? else { return Ok(None) };
        // A restart sets the count back; a status of an earlier candidate says nothing about this one.
        if status.attempt <= self.attempts_before {
            return Ok(None);
        }
        let message = shown(&status.message, &[]);
        if message != self.last_message {
            (self.report)(&Progress::Device(message.clone()));
            self.last_message.clone_from(&message);
        }
        Ok(match status.step.as_str() {
            "done" => Some(Outcome::Connected { device_id: None }),
            "failed" => {
                let said = Some(message).filter(|message| !message.is_empty());
                Some(Outcome::Failed { code: status.last_error, said })
            }
            _ => None,
        })
    }

    /// Stock firmware tells nothing while it tries. Its last error is a new one if it changed, or if the hotspot closed
    /// and came back, which happens only after a failure.
    fn look_at_stock(&mut self) -> Result<Option<Outcome>, ReachError> {
        let Ok(board) = self.portal.board_info()? else { return Ok(None) };
        let is_new = board.last_error != self.board.last_error || self.has_closed;
        let failed = Outcome::Failed { code: board.last_error, said: None };
        Ok((board.last_error != 0 && is_new).then_some(failed))
    }
}

/// Watches the session. A server that cannot be reached is asked again: the computer may be in the hotspot only.
struct Watch<'a> {
    client: &'a SessionClient,
    id: &'a str,
    seen_steps: usize,
}

impl Watch<'_> {
    fn look(&mut self, report: &mut dyn FnMut(&Progress)) -> Option<Outcome> {
        let session = self.client.get(self.id).ok()?;
        for step in session.steps.iter().skip(self.seen_steps) {
            report(&Progress::Cloud(shown(&step.message, &[])));
        }
        self.seen_steps = self.seen_steps.max(session.steps.len());
        match session.state {
            ProvisioningState::Open => None,
            ProvisioningState::Claimed => Some(Outcome::Connected { device_id: session.device_id }),
            state @ (ProvisioningState::Expired | ProvisioningState::Cancelled) => {
                Some(Outcome::SessionEnded { state })
            }
        }
    }
}
