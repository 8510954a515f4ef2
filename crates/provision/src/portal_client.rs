//! The requests to a portal.

use std::fmt;

use serde::Deserialize;
use thiserror::Error;
use ureq::Agent;

use crate::board_info::{BoardInfo, ReadBoardInfoError};
use crate::http::{ParseServerUrlError, ReachError, ServerUrl, answer, portal_agent};
use crate::secret::Secret;
use crate::shown::shown;

/// Address of every hotspot's portal. Source: `reference/edgent-device.md` §5.
pub const DEFAULT_PORTAL_URL: &str = "http://192.168.4.1";

/// A portal at an address.
pub struct PortalClient {
    url: ServerUrl,
    agent: Agent,
}

impl fmt::Debug for PortalClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PortalClient").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What `/status.json` says. Rehome only.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct TrialStatus {
    pub(crate) step: String,
    pub(crate) last_error: u16,
    pub(crate) message: String,
    pub(crate) attempt: u32,
}

impl PortalClient {
    /// Takes the address of a portal, such as [`DEFAULT_PORTAL_URL`]. Connects to nothing.
    ///
    /// # Errors
    /// [`ParseServerUrlError`] if it is not `http://` and a server.
    pub fn new(url: &str) -> Result<Self, ParseServerUrlError> {
        let url = ServerUrl::parse(url)?;
        if url.is_clear_text() {
            Ok(Self { url, agent: portal_agent() })
        } else {
            Err(ParseServerUrlError::Scheme)
        }
    }

    /// Asks who the device is.
    pub(crate) fn board_info(&self) -> Result<Result<BoardInfo, ReadBoardInfoError>, ReachError> {
        let answer = answer(self.agent.get(self.url.at("/board_info.json")).call())?;
        Ok(BoardInfo::parse(&answer.body))
    }

    /// Asks how far a trial is; `None` for an answer of another form.
    pub(crate) fn status(&self) -> Result<Option<TrialStatus>, ReachError> {
        let answer = answer(self.agent.get(self.url.at("/status.json")).call())?;
        Ok(serde_json::from_slice(&answer.body).ok())
    }

    /// Sends the settings in the body of a POST, which every firmware takes and no log of addresses keeps.
    pub(crate) fn submit(&self, form: &[u8], secrets: &[&Secret]) -> Result<(), SubmitError> {
        let request = self
            .agent
            .post(self.url.at("/config"))
            .content_type("application/x-www-form-urlencoded")
            .header("Accept", "application/json");
        let answer = answer(request.send(form)).map_err(SubmitError::Reach)?;
        let verdict: Option<Verdict> = serde_json::from_slice(&answer.body).ok();
        match verdict {
            Some(verdict) if answer.status == 200 && verdict.status == "ok" => Ok(()),
            verdict => {
                let said = verdict.map(|verdict| verdict.detail.unwrap_or(verdict.msg)).unwrap_or_default();
                Err(SubmitError::Refused { status: answer.status, said: shown(&said, secrets) })
            }
        }
    }
}

#[derive(Deserialize)]
struct Verdict {
    #[serde(default)]
    status: String,
    #[serde(default)]
    msg: String,
    detail: Option<String>,
}

/// The device did not take the settings.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// No answer came.
    #[error("sending the settings failed")]
    Reach(#[source] ReachError),
    /// The device said no.
    #[error("the device refused the settings (status {status}): {said:?}")]
    Refused {
        /// HTTP status; stock firmware answers 500 to settings that it cannot use.
        status: u16,
        /// What it said.
        said: String,
    },
}
