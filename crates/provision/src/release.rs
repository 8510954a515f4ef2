//! Where a device's release stands at the cloud.

use api_types::{Release, ReleaseState};
use serde::Serialize;

use crate::session::{SessionClient, SessionClientError};
use crate::shown::shown;

/// How far a release has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReleaseStanding {
    /// `pending`, `sent`, `inferred` or `confirmed`.
    pub state: ReleaseState,
    /// Whether the board can be given away now.
    pub safe_to_ship: bool,
    /// The state as a sentence for a person.
    pub explanation: String,
}

impl SessionClient {
    /// Asks how far the release of a device has come.
    ///
    /// # Errors
    /// [`SessionClientError`]; status 404 if there is no such device or it is not being released.
    pub fn release(&self, device_id: &str) -> Result<ReleaseStanding, SessionClientError> {
        self.get_json::<Release>(&release_path(device_id)?).map(ReleaseStanding::from)
    }

    /// Releases a device; one that is being released already goes on as it was.
    ///
    /// # Errors
    /// [`SessionClientError`]; status 404 if there is no such device.
    pub fn order_release(&self, device_id: &str) -> Result<ReleaseStanding, SessionClientError> {
        self.post_json::<Release>(&release_path(device_id)?, b"{}").map(ReleaseStanding::from)
    }
}

fn release_path(device_id: &str) -> Result<String, SessionClientError> {
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if device_id.is_empty() || !device_id.bytes().all(is_id) {
        return Err(SessionClientError::DeviceId);
    }
    Ok(format!("/api/v1/devices/{device_id}/release"))
}

impl From<Release> for ReleaseStanding {
    fn from(release: Release) -> Self {
        Self {
            state: release.state,
            safe_to_ship: release.safe_to_ship,
            explanation: shown(&release.explanation, &[]),
        }
    }
}
