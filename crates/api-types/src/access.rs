//! Signing in.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::SecretText;

/// Signs in with the code of a one-time link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInLink {
    /// The code after `#sign-in=`.
    pub code: SecretText,
}

/// Signs in with the owner's password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordSignIn {
    /// The password.
    pub password: SecretText,
}

/// Sets the owner's password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetPassword {
    /// The new password, 10 to 1024 bytes.
    pub password: SecretText,
}

/// Whose session it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SessionKind {
    /// An owner of the root organisation.
    Owner,
}

/// Who is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnerSession {
    /// Whose session it is.
    pub kind: SessionKind,
    /// Whether a password has been set.
    pub has_password: bool,
}
