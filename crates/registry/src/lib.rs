//! Cloud core without I/O: templates, devices, tokens, releases, provisioning sessions.
//!
//! This crate decides; it never reads a clock, a socket, a file or a random number. Times, random bytes and what the
//! store found are arguments. Read [`decide_login`] first: it says what a device is told when it presents a token, and
//! why status 9 is so rare. Then read [`Release`], which says when a board is safe to ship.

mod claim_code;
mod firmware_tag;
mod forced_delete;
mod ids;
mod login;
mod moment;
mod ownership;
mod provisioning_session;
mod rate_limit;
mod release;
mod shipment;
mod token;

pub use claim_code::{Reclaim, ReclaimPolicy, decide_reclaim};
pub use firmware_tag::{
    ApplyRule, Eligibility, FindTagError, FirmwareTag, RunningFirmware, VERSION_BYTES_MAX,
};
pub use forced_delete::left_behind;
pub use ids::{DeviceId, Epoch, FirmwareId, ParseIdError, SessionId, ShipmentId, TemplateId};
pub use login::{
    LoginDecision, LookedUp, RefusalReason, TokenRecord, TryLaterReason, decide_login, status_code,
};
pub use moment::{Moment, MonoTime, UtcTime};
pub use ownership::Ownership;
pub use provisioning_session::{
    AdvanceSessionError, SESSION_TOKEN_LIFETIME_MS, SessionEvent, SessionState, SessionStep, StepName,
    advance_session, describe_device_error,
};
pub use rate_limit::{Allowance, RateLimit};
pub use release::{
    BoardKey, GREETING_WAIT_MS, ORDER_REPEAT_MS, PROBE_INTERVAL_MS, PROBE_WAIT_MS, Release, ReleaseAction,
    ReleaseEvent, ReleaseRecord, ReleaseState, SILENCE_MAX_MS, SILENCE_MS,
};
pub use shipment::{
    ATTEMPTS_MAX_DEFAULT, ATTEMPTS_WINDOW_MS, Delivery, DeliveryCounts, DeliveryState, Described,
    ORDER_INTERVAL_MS, Review, ShipmentStage, ShipmentState, review,
};
pub use token::{ParseTokenError, SecretPurpose, TOKEN_CHARS, Token, TokenFingerprint, TokenHash, TokenKey};
pub use wire::{ClaimCode, ParseClaimCodeError};
