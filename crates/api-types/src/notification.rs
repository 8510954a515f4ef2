//! Notifications that were not delivered yet.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::Timestamp;

/// Where a notification stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NotificationState {
    /// It waits for its next attempt.
    Waiting,
    /// It was given up after the last attempt.
    #[default]
    Dead,
}

/// A notification. What was delivered is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Notification {
    /// Its number.
    pub id: i64,
    /// The device of which it tells.
    pub device_id: String,
    /// Where it stands.
    pub state: NotificationState,
    /// The mailbox it goes to.
    #[schema(required)]
    pub email: Option<String>,
    /// The webhook it goes to.
    #[schema(required)]
    pub webhook_id: Option<u32>,
    /// What it is about, in one line.
    pub subject: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Attempts that failed.
    pub attempts: u32,
    /// When the next attempt is due.
    #[schema(required)]
    pub next_attempt_at: Option<Timestamp>,
    /// Why the last attempt failed.
    #[schema(required)]
    pub last_error: Option<String>,
}

/// Which notifications are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct NotificationQuery {
    /// Largest number of entries, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// `dead` when left out.
    #[param(inline)]
    pub state: Option<NotificationState>,
}
