//! What is kept of a release, and the answer to "may I ship this board?".

use super::{CONTRADICTIONS_COUNTED_MAX, SILENCE_MS};
use crate::UtcTime;

/// How far a release has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReleaseState {
    /// The board is not known to have received the order, or could have proved the wipe and did not.
    Pending,
    /// The order went out; whether it was obeyed is not known.
    Sent,
    /// The board, which holds no release key, fell silent after the order: wiped, as far as one can tell.
    Inferred,
    /// The board proved the wipe with a signed receipt.
    Confirmed,
}

impl ReleaseState {
    /// Every value.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Sent, Self::Inferred, Self::Confirmed];

    /// Returns the name used in the API and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Inferred => "inferred",
            Self::Confirmed => "confirmed",
        }
    }

    /// Reads the name used in the API and in the store.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Says whether the board may be handed to somebody else.
    #[must_use]
    pub const fn is_safe_to_ship(self) -> bool {
        matches!(self, Self::Inferred | Self::Confirmed)
    }
}

/// What is kept of a release across restarts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReleaseRecord {
    /// How far it has come.
    pub state: ReleaseState,
    /// When the owner let go.
    pub requested_at: UtcTime,
    /// When the wipe was inferred or confirmed; none before, and none again after a contradiction.
    pub finished_at: Option<UtcTime>,
    /// When the board was last heard, before or during the release.
    pub last_seen_at: Option<UtcTime>,
    /// How many orders went to a board that gave a sign of life; one that nobody may have heard is none.
    pub attempts: u32,
    /// How often the board showed up although its wipe had been inferred.
    pub contradictions: u32,
    /// Whether the latest order went to a board that was known to be alive and holds no release key, as far as is known:
    /// it obeys, and nothing but its silence will tell.
    pub order_reached_live_board: bool,
}

impl ReleaseRecord {
    /// Returns the record of a release that was just requested.
    #[must_use]
    pub const fn requested(now: UtcTime, last_seen_at: Option<UtcTime>) -> Self {
        Self {
            state: ReleaseState::Pending,
            requested_at: now,
            finished_at: None,
            last_seen_at,
            attempts: 0,
            contradictions: 0,
            order_reached_live_board: false,
        }
    }

    /// Returns how long this board must be silent after an order.
    #[must_use]
    pub const fn silence_ms(&self) -> u64 {
        let doublings = if self.contradictions < CONTRADICTIONS_COUNTED_MAX {
            self.contradictions
        } else {
            CONTRADICTIONS_COUNTED_MAX
        };
        SILENCE_MS << doublings
    }

    /// Returns the plain answer to "may I ship this board?".
    #[must_use]
    pub fn explanation(&self) -> String {
        let finished = self.finished_text();
        match (self.state, self.last_seen_at) {
            (ReleaseState::Pending, None) if self.attempts == 0 => {
                "Not safe to ship yet: no board has ever connected with this token. If one has it, it is told to erase \
                 itself when it first connects."
                    .to_owned()
            }
            (ReleaseState::Pending, Some(seen)) if self.attempts == 0 => format!(
                "Not safe to ship yet: the board was last seen {}; it is told to erase itself when it next connects.",
                seen.to_sentence_text()
            ),
            (ReleaseState::Pending, _) => format!(
                "Not safe to ship yet: the board was told to erase itself, and nothing shows that it did.{} It is told \
                 again when it next connects. If it stays away it may be empty already; its button or a cable erases it \
                 for certain.",
                self.last_seen_text()
            ),
            (ReleaseState::Sent, _) if self.attempts > 1 => format!(
                "Not safe to ship yet: the board was told {} times to erase itself and was heard again. If this goes \
                 on, its firmware cannot erase itself: erase its flash over a cable.",
                self.attempts
            ),
            (ReleaseState::Sent, _) if self.order_reached_live_board => {
                "Not safe to ship yet: the board was told to erase itself; waiting for it to fall silent.".to_owned()
            }
            (ReleaseState::Sent, _) => {
                "Not safe to ship yet: the board was told to erase itself; waiting to hear from it.".to_owned()
            }
            (ReleaseState::Inferred, _) => format!(
                "Safe to ship: the board was told to erase itself and has been silent since{finished}. No receipt came, \
                 so this is inferred; its hotspot is open now if it worked."
            ),
            (ReleaseState::Confirmed, _) => {
                format!("Safe to ship: the board erased itself and proved it with a signed receipt{finished}.")
            }
        }
    }

    fn last_seen_text(&self) -> String {
        self.last_seen_at
            .map(|at| format!(" It was last seen {}.", at.to_sentence_text()))
            .unwrap_or_default()
    }

    fn finished_text(&self) -> String {
        self.finished_at.map(|at| format!(" ({})", at.to_sentence_text())).unwrap_or_default()
    }
}
