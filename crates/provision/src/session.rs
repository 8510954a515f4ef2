//! A provisioning session at the cloud.

use std::fmt;

use api_types::{CreateProvisioningSession, CreatedProvisioningSession, Problem, ProvisioningSession};
use thiserror::Error;
use ureq::Agent;

use crate::http::{Answer, ParseServerUrlError, ReachError, ServerUrl, answer, server_agent};
use crate::secret::Secret;
use crate::shown::shown;

const SESSIONS_PATH: &str = "/api/v1/provisioning-sessions";

/// A cloud and the key for it.
pub struct SessionClient {
    url: ServerUrl,
    agent: Agent,
    key: Secret,
}

impl fmt::Debug for SessionClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SessionClient").field("url", &self.url).finish_non_exhaustive()
    }
}

impl SessionClient {
    /// Takes a server's address and API key, and the only certificates to trust (PEM) or `None` for the public ones.
    ///
    /// # Errors
    /// [`ParseServerUrlError`]; also if the key would travel in clear text to another computer.
    pub fn new(url: &str, key: Secret, trusted_pem: Option<&[u8]>) -> Result<Self, ParseServerUrlError> {
        let url = ServerUrl::parse(url)?;
        if url.is_clear_text() && !url.is_loopback() {
            return Err(ParseServerUrlError::ClearText);
        }
        Ok(Self { url, agent: server_agent(trusted_pem)?, key })
    }

    /// Opens a session. A second call opens a second one; there is no retry.
    pub(crate) fn open(&self, template_id: &str) -> Result<CreatedProvisioningSession, SessionClientError> {
        let request = CreateProvisioningSession { template_id: template_id.to_owned(), name: None };
        let body = serde_json::to_vec(&request).or(Err(SessionClientError::Unreadable))?;
        self.post_json(SESSIONS_PATH, &body)
    }

    /// Asks where the session stands.
    pub(crate) fn get(&self, id: &str) -> Result<ProvisioningSession, SessionClientError> {
        self.get_json(&format!("{SESSIONS_PATH}/{id}"))
    }

    pub(crate) fn get_json<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<T, SessionClientError> {
        let request = self.agent.get(self.url.at(path));
        self.read(&answer(request.header("Authorization", self.authorization()?).call())?)
    }

    pub(crate) fn post_json<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: &[u8],
    ) -> Result<T, SessionClientError> {
        let request = self.agent.post(self.url.at(path)).header("Authorization", self.authorization()?);
        self.read(&answer(request.content_type("application/json").send(body))?)
    }

    /// Ends the session, so that its token is worth nothing.
    pub(crate) fn cancel(&self, id: &str) -> Result<(), SessionClientError> {
        let request = self.agent.delete(self.url.at(&format!("{SESSIONS_PATH}/{id}")));
        let answer = answer(request.header("Authorization", self.authorization()?).call())?;
        if answer.status < 300 { Ok(()) } else { Err(self.refusal(&answer)) }
    }

    fn authorization(&self) -> Result<String, SessionClientError> {
        let key = str::from_utf8(self.key.expose()).or(Err(SessionClientError::Key))?;
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SessionClientError::Key);
        }
        Ok(format!("Bearer {key}"))
    }

    fn read<T: serde::de::DeserializeOwned>(&self, answer: &Answer) -> Result<T, SessionClientError> {
        if answer.status >= 300 {
            return Err(self.refusal(answer));
        }
        serde_json::from_slice(&answer.body).or(Err(SessionClientError::Unreadable))
    }

    fn refusal(&self, answer: &Answer) -> SessionClientError {
        let problem: Option<Problem> = serde_json::from_slice(&answer.body).ok();
        let detail = problem.map(|problem| problem.detail).unwrap_or_default();
        SessionClientError::Refused { status: answer.status, detail: shown(&detail, &[&self.key]) }
    }
}

/// The cloud did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SessionClientError {
    /// No answer came.
    #[error("the server could not be asked")]
    Reach(#[from] ReachError),
    /// The key file holds no key.
    #[error("the API key must be one line of printable ASCII characters")]
    Key,
    /// What was given as the device's id is none.
    #[error("a device's id has letters, digits, dashes and underscores only")]
    DeviceId,
    /// The server said no.
    #[error("the server refused (status {status}): {detail:?}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What it said.
        detail: String,
    },
    /// Not the answer of a Rehome server.
    #[error("the server's answer is not that of a Rehome server")]
    Unreadable,
}
