//! The button of an Edgent board: how long it is held, and what its LED says meanwhile.

use crate::board::{BoardHandle, ButtonEvent, Led, LedPattern};
use crate::edgent_board::{blink, color};

/// How one generation treats its button. Source: edgent-device.md §6.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ButtonRules {
    /// Indication starts after this long, in milliseconds.
    pub(crate) indicate_ms: u64,
    /// Releasing after this long resets, in milliseconds.
    pub(crate) reset_ms: u64,
    /// Holding longer than this does nothing, in milliseconds.
    pub(crate) cancel_ms: Option<u64>,
    /// What the LED shows when releasing would reset.
    pub(crate) reset_led: Led,
}

/// Old Edgent.
pub(crate) const OLD_RULES: ButtonRules = ButtonRules {
    indicate_ms: 3_000,
    reset_ms: 10_000,
    cancel_ms: None,
    reset_led: blink(color::WHITE, 100, 100),
};

/// New Edgent's example sketch.
pub(crate) const NEW_RULES: ButtonRules = ButtonRules {
    indicate_ms: 4_000,
    reset_ms: 10_000,
    cancel_ms: Some(20_000),
    reset_led: blink(color::WHITE, 50, 200),
};

const INDICATION_LED: Led = Led { pattern: LedPattern::Wave { period_ms: 1000 }, color: color::WHITE };

/// What the button wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ButtonSign {
    /// Show this for now.
    Show(Led),
    /// Released without an action: show the state again.
    Released,
    /// Released after long enough: reset.
    Reset,
}

/// Watches one button.
#[derive(Debug)]
pub(crate) struct ButtonWatch {
    board: BoardHandle,
    rules: ButtonRules,
    hold: Option<Hold>,
}

#[derive(Clone, Copy, Debug)]
struct Hold {
    since_ms: u64,
    shown: usize,
}

impl ButtonWatch {
    pub(crate) fn new(board: BoardHandle, rules: ButtonRules) -> Self {
        Self { board, rules, hold: None }
    }

    /// Waits for the next sign.
    ///
    /// # Cancel safety
    /// What was seen of a hold is kept.
    pub(crate) async fn next_sign(&mut self) -> ButtonSign {
        loop {
            let due = self.next_indication();
            let waiting = async {
                match due {
                    Some((at_ms, _)) => self.board.sleep_until_uptime_ms(at_ms).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = self.board.next_button_event() => match event {
                    ButtonEvent::Pressed => {
                        self.hold = Some(Hold { since_ms: self.board.uptime_ms(), shown: 0 });
                    }
                    ButtonEvent::Released => if let Some(hold) = self.hold.take() {
                        return self.verdict(self.board.uptime_ms().saturating_sub(hold.since_ms));
                    },
                },
                () = waiting => if let (Some(hold), Some((_, led))) = (&mut self.hold, due) {
                    hold.shown += 1;
                    return ButtonSign::Show(led);
                },
            }
        }
    }

    fn next_indication(&self) -> Option<(u64, Led)> {
        let hold = self.hold?;
        let steps = [(self.rules.indicate_ms, INDICATION_LED), (self.rules.reset_ms, self.rules.reset_led)];
        let (after_ms, led) = steps.get(hold.shown).copied()?;
        Some((hold.since_ms.saturating_add(after_ms), led))
    }

    fn verdict(&self, held_ms: u64) -> ButtonSign {
        let is_cancelled = self.rules.cancel_ms.is_some_and(|limit| held_ms > limit);
        if held_ms >= self.rules.reset_ms && !is_cancelled { ButtonSign::Reset } else { ButtonSign::Released }
    }
}
