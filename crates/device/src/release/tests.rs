use ed25519_dalek::{Signer as _, SigningKey};
use std::vec::Vec;

use super::*;

const EPOCH: Epoch = Epoch(7);

fn signing_key() -> SigningKey {
    // The seed of the committed vectors, docs/vectors/wire/release.hex.
    SigningKey::from_bytes(&core::array::from_fn(|index| u8::try_from(index).unwrap()))
}

fn stored_key() -> ReleaseKey {
    ReleaseKey {
        device_id: CloudDeviceId::parse("DEVA9A9HJKLMN").unwrap(),
        epoch: EPOCH,
        public_key: signing_key().verifying_key().to_bytes(),
        receipt_secret: ReceiptSecret::new(core::array::from_fn(|index| 0x40 + u8::try_from(index).unwrap())),
    }
}

fn order(device_id: &str, epoch: u32, nonce: [u8; NONCE_BYTES], key: &SigningKey) -> ReceivedOrder {
    let terms = ReleaseTerms { device_id: DeviceId::parse(device_id).unwrap(), epoch, nonce };
    let signature = key.sign(terms.canonical_bytes().as_bytes()).to_bytes();
    ReceivedOrder::copy(&ReleaseOrder { terms, signature }).unwrap()
}

fn right_order() -> ReceivedOrder {
    let nonce = core::array::from_fn(|index| 0xA0 + u8::try_from(index).unwrap());
    order("DEVA9A9HJKLMN", EPOCH.0, nonce, &signing_key())
}

fn claim() -> ReceivedClaim {
    ReceivedClaim(stored_key())
}

fn context(stored: Option<&ReleaseKey>) -> ClaimContext<'_> {
    ClaimContext { stored, epoch: Epoch(6), uses_tls: true, is_verified_tls: true }
}

fn hex(bytes: &[u8]) -> std::string::String {
    let digits: Vec<_> = bytes.iter().map(|byte| std::format!("{byte:02x}")).collect();
    digits.concat()
}

#[test]
fn the_right_order_is_proven_and_its_receipt_is_that_of_the_committed_vector() {
    let receipt = right_order().prove(Some(&stored_key()), EPOCH).unwrap();
    let expected = "cae839dee823c878f68e7ccd2247e776fcd1804b3cd78246e430732bf578d6cb";
    assert_eq!(hex(&receipt.signature), expected);
    assert_eq!(receipt.as_receipt().unwrap().device_id.as_str(), "DEVA9A9HJKLMN");
}

#[test]
fn no_single_bit_of_an_order_can_be_another() {
    let right = right_order();
    for bit in 0..SIGNATURE_BYTES * 8 {
        let mut flipped = right.clone();
        flipped.signature[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            flipped.prove(Some(&stored_key()), EPOCH),
            Err(ProveOrderError::Signature),
            "signature bit {bit}"
        );
    }
    for bit in 0..NONCE_BYTES * 8 {
        let mut flipped = right.clone();
        flipped.nonce[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            flipped.prove(Some(&stored_key()), EPOCH),
            Err(ProveOrderError::Signature),
            "nonce bit {bit}"
        );
    }
    for bit in 0..32 {
        // Even where device and key agree on the other epoch, the signature was made for this one.
        let epoch = EPOCH.0 ^ 1 << bit;
        let key = ReleaseKey { epoch: Epoch(epoch), ..stored_key() };
        let moved = ReceivedOrder { epoch, ..right.clone() };
        assert_eq!(moved.prove(Some(&key), Epoch(epoch)), Err(ProveOrderError::Signature), "epoch bit {bit}");
    }
}

#[test]
fn foreign_orders_are_refused_and_say_why() {
    let (key, other_key) = (stored_key(), SigningKey::from_bytes(&[9; 32]));
    let right = right_order();
    assert_eq!(right.prove(None, EPOCH), Err(ProveOrderError::NoKey));
    let foreign = order("DEVA9A9HJKLMM", EPOCH.0, right.nonce, &signing_key());
    assert_eq!(foreign.prove(Some(&key), EPOCH), Err(ProveOrderError::OtherDevice));
    let forged = order("DEVA9A9HJKLMN", EPOCH.0, right.nonce, &other_key);
    assert_eq!(forged.prove(Some(&key), EPOCH), Err(ProveOrderError::Signature));
    for epoch in [0, EPOCH.0 - 1, EPOCH.0 + 1, u32::MAX] {
        let odd = order("DEVA9A9HJKLMN", epoch, right.nonce, &signing_key());
        let refused = Err(ProveOrderError::OtherEpoch { ordered: epoch, current: EPOCH.0 });
        assert_eq!(odd.prove(Some(&key), EPOCH), refused);
    }
    // The device has moved on since its key was stored, which no sequence of steps should lead to.
    let refused = Err(ProveOrderError::OtherEpoch { ordered: EPOCH.0, current: EPOCH.0 + 1 });
    assert_eq!(right.prove(Some(&key), Epoch(EPOCH.0 + 1)), refused);
}

#[test]
fn a_key_of_small_order_proves_nothing() {
    // The neutral point: with it, the signature of zeros and the neutral point would fit every message.
    let mut neutral = [0; KEY_BYTES];
    neutral[0] = 1;
    let mut signature = [0; SIGNATURE_BYTES];
    signature[0] = 1;
    let forged = ReceivedOrder { signature, ..right_order() };
    let key = ReleaseKey { public_key: neutral, ..stored_key() };
    assert_eq!(forged.prove(Some(&key), EPOCH), Err(ProveOrderError::Signature));
}

#[test]
fn receipts_differ_with_order_and_secret() {
    let key = stored_key();
    let other_secret = ReleaseKey { receipt_secret: ReceiptSecret::new([1; 32]), ..key.clone() };
    let other_nonce = order("DEVA9A9HJKLMN", EPOCH.0, [1; 16], &signing_key());
    let receipts: Vec<_> = [
        right_order().prove(Some(&key), EPOCH),
        right_order().prove(Some(&other_secret), EPOCH),
        other_nonce.prove(Some(&key), EPOCH),
    ]
    .into_iter()
    .map(|receipt| receipt.unwrap().signature)
    .collect();
    assert!(receipts[0] != receipts[1] && receipts[0] != receipts[2] && receipts[1] != receipts[2]);
}

#[test]
fn the_first_claim_is_taken_and_the_same_one_again_changes_nothing() {
    assert_eq!(claim().decide(context(None)), Ok(Some(stored_key())));
    assert_eq!(claim().decide(context(Some(&stored_key()))), Ok(None));
}

#[test]
fn no_other_key_id_epoch_or_secret_takes_the_place_of_a_stored_one() {
    let key = stored_key();
    let others = [
        ReleaseKey { public_key: SigningKey::from_bytes(&[9; 32]).verifying_key().to_bytes(), ..key.clone() },
        ReleaseKey { device_id: CloudDeviceId::parse("DEV2").unwrap(), ..key.clone() },
        ReleaseKey { epoch: Epoch(8), ..key.clone() },
        ReleaseKey { receipt_secret: ReceiptSecret::new([0; 32]), ..key.clone() },
    ];
    for other in others {
        assert_eq!(ReceivedClaim(other).decide(context(Some(&key))), Err(TakeClaimError::OtherKey));
    }
}

#[test]
fn a_home_that_asks_for_tls_takes_a_claim_over_verified_tls_only() {
    let unverified = ClaimContext { is_verified_tls: false, ..context(None) };
    assert_eq!(claim().decide(unverified), Err(TakeClaimError::UnverifiedLink));
    let plain = ClaimContext { uses_tls: false, ..unverified };
    assert_eq!(claim().decide(plain), Ok(Some(stored_key())), "trust on first use");
}

#[test]
fn a_claim_never_takes_the_epoch_back_nor_far_ahead() {
    let at = |claimed: u32, current: u32| {
        let key = ReleaseKey { epoch: Epoch(claimed), ..stored_key() };
        ReceivedClaim(key).decide(ClaimContext { epoch: Epoch(current), ..context(None) }).is_ok()
    };
    assert!(at(0, 0) && at(5, 5) && at(6, 5) && at(5 + 65_536, 5));
    assert!(!at(4, 5) && !at(0, 1) && !at(5 + 65_537, 5));
    assert!(!at(u32::MAX, u32::MAX), "the wipe needs an epoch to go to");
}

#[test]
fn a_claim_without_a_point_on_the_curve_is_refused() {
    // No point of the curve has this encoding: y = 2 has no x.
    let mut public_key = [0; KEY_BYTES];
    public_key[0] = 2;
    let key = ReleaseKey { public_key, ..stored_key() };
    assert_eq!(ReceivedClaim(key).decide(context(None)), Err(TakeClaimError::NotAKey));
}
