//! Errors as RFC 9457 problem documents.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An error answer, sent as `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A URI reference that names the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in a few words, the same for every occurrence.
    pub title: String,
    /// The HTTP status, repeated.
    pub status: u16,
    /// A stable machine code, for example `device_not_found`.
    #[schema(example = "device_not_found")]
    pub code: String,
    /// What went wrong this time and what to do about it.
    pub detail: String,
    /// What a forced delete would leave behind, in sentences; only with `confirmation_required`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_behind: Option<Vec<String>>,
}
