use super::*;

const OWN: &[u8] = b"K7QX-31PZ";

#[test]
fn the_fifth_wrong_proof_closes_the_lock_for_the_right_one_too() {
    let mut lock = ProofLock::new();
    for tries_left in [4, 3, 2, 1] {
        assert_eq!(lock.check(OWN, b"wrong"), ProofVerdict::Wrong { tries_left });
        assert!(!lock.is_closed());
    }
    assert_eq!(lock.check(OWN, b"wrong"), ProofVerdict::Closed);
    assert!(lock.is_closed());
    assert_eq!(lock.check(OWN, OWN), ProofVerdict::Closed);
}

#[test]
fn a_right_proof_opens_and_gives_no_new_tries() {
    let mut lock = ProofLock::new();
    assert_eq!(lock.check(OWN, b"K7QX-31PY"), ProofVerdict::Wrong { tries_left: 4 });
    assert_eq!(lock.check(OWN, OWN), ProofVerdict::Accepted);
    assert_eq!(lock.check(OWN, b"K7QX-31PY"), ProofVerdict::Wrong { tries_left: 3 });
}

#[test]
fn only_the_same_bytes_of_the_same_length_are_right() {
    let longest = [b'a'; PROOF_BYTES_MAX];
    let too_long = [b'a'; PROOF_BYTES_MAX + 1];
    for (own, given, is_right) in [
        (OWN, OWN, true),
        (&longest[..], &longest[..], true),
        (OWN, b"k7qx-31pz".as_slice(), false),
        (OWN, b"K7QX-31P".as_slice(), false),
        (OWN, b"K7QX-31PZ\0".as_slice(), false),
        (OWN, b"".as_slice(), false),
        (b"".as_slice(), b"".as_slice(), false),
        (&longest[..], &too_long[..], false),
        (&too_long[..], &too_long[..], false),
    ] {
        let verdict = ProofLock::new().check(own, given);
        assert_eq!(verdict == ProofVerdict::Accepted, is_right, "{own:?} {given:?}");
    }
}

#[test]
fn a_restart_without_a_power_cycle_keeps_the_count() {
    let mut lock = ProofLock::new();
    for _ in 0..3 {
        lock.count_wrong();
    }
    let mut after = ProofLock::with_wrong_count(lock.wrong_count());
    assert_eq!(after.count_wrong(), ProofVerdict::Wrong { tries_left: 1 });
    assert_eq!(after.count_wrong(), ProofVerdict::Closed);
    // Garbage in the memory that survives a restart shuts the door, it does not open it.
    assert!(ProofLock::with_wrong_count(u8::MAX).is_closed());
    assert_eq!(ProofLock::with_wrong_count(u8::MAX).wrong_count(), WRONG_PROOF_COUNT_MAX);
}
