//! What must hold for anything that a person types, pastes or scans: claim codes, release orders, receipts. Shared by the
//! property tests, the replay and the fuzz target.

use wire::{ClaimCode, ReleaseText};

/// Reads `typed` in every way; what is understood means the same once it is written again.
pub(crate) fn check_typed(typed: &[u8]) {
    if let Ok(code) = ClaimCode::parse(typed) {
        assert!(ClaimCode::is_shaped_like(typed));
        assert_eq!(ClaimCode::parse(&code.shown()), Ok(code));
        assert_eq!(ClaimCode::parse(code.expose()), Ok(code));
    }
    let Ok(text) = ReleaseText::collect(typed.iter().copied()) else { return };
    assert!(text.order().is_err() || text.receipt().is_err(), "nothing is both");
    if let Ok(order) = text.order() {
        let written = ReleaseText::from_order(&order);
        assert_eq!(written.order(), Ok(order));
        assert_eq!(written.as_str(), text.as_str(), "an order has one form");
    }
    if let Ok(receipt) = text.receipt() {
        let written = ReleaseText::from_receipt(&receipt);
        assert_eq!(written.receipt(), Ok(receipt));
        assert_eq!(written.as_str(), text.as_str(), "a receipt has one form");
    }
}
