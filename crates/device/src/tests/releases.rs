//! Claim, proven release and receipt, as the shell plays them.

use ed25519_dalek::{Signer as _, SigningKey};
use home_store::sim_flash::{EraseTear, PowerCut};
use home_store::{CloudDeviceId, Epoch, ReceiptSecret, ReleaseKey};
use wire::{Claim, DeviceId, Info, NONCE_BYTES, ReleaseOrder, ReleaseTerms, ServerInternal, ServerMessage};

use super::*;
use crate::release::ReceivedOrder;

const SECRET: [u8; 32] = [0x5A; 32];
const ID: &str = "DEVA9A9HJKLMN";

fn signing_key() -> SigningKey {
    SigningKey::from_bytes(&[3; 32])
}

fn release_key(epoch: u32) -> ReleaseKey {
    ReleaseKey {
        device_id: CloudDeviceId::parse(ID).unwrap(),
        epoch: Epoch(epoch),
        public_key: signing_key().verifying_key().to_bytes(),
        receipt_secret: ReceiptSecret::new(SECRET),
    }
}

fn server_message(message_id: u16, internal: ServerInternal<'_>) -> Vec<u8> {
    let mut bytes = [0; 600];
    let length = ServerMessage::Internal(internal).encode(message_id, &mut bytes).unwrap();
    bytes[..length].to_vec()
}

pub(super) fn claim(epoch: u32) -> Vec<u8> {
    let claim = Claim {
        device_id: DeviceId::parse(ID).unwrap(),
        epoch,
        release_key: signing_key().verifying_key().to_bytes(),
        receipt_secret: wire::ReceiptSecret(SECRET),
    };
    server_message(50, ServerInternal::Claim(claim))
}

fn terms(epoch: u32) -> ReleaseTerms<'static> {
    ReleaseTerms { device_id: DeviceId::parse(ID).unwrap(), epoch, nonce: [8; NONCE_BYTES] }
}

pub(super) fn order(epoch: u32) -> Vec<u8> {
    let terms = terms(epoch);
    let signature = signing_key().sign(terms.canonical_bytes().as_bytes()).to_bytes();
    server_message(51, ServerInternal::Release(ReleaseOrder { terms, signature }))
}

/// A device in epoch 4 whose home holds a release key.
pub(super) fn flash_with_key() -> SharedSimFlash {
    let flash = empty_flash();
    embassy_futures::block_on(async {
        let mut store = HomeStore::open(flash.clone(), LAYOUT).await.unwrap();
        store.raise_epoch(Epoch(4)).await.unwrap();
        store.save_home(&home_with_key()).await.unwrap();
    });
    flash
}

fn home_with_key() -> Home {
    let mut home = home(443);
    home.cloud.release_key = Some(release_key(4));
    home
}

fn epoch_in(flash: &SharedSimFlash) -> u32 {
    embassy_futures::block_on(async { HomeStore::open(flash.clone(), LAYOUT).await.unwrap().epoch().0 })
}

/// The messages of a kind that were sent, with their ids.
fn sent_internal<T>(played: &Played, mut pick: impl FnMut(u16, DeviceInternal<'_>) -> Option<T>) -> Vec<T> {
    let pick_one = |(_, bytes): &(u64, Vec<u8>)| {
        let Ok(Parsed::Complete { frame, .. }) = Frame::parse(bytes, 1024) else { panic!() };
        match DeviceMessage::parse(&frame) {
            Ok(DeviceMessage::Internal(internal)) => pick(frame.message_id(), internal),
            _ => None,
        }
    };
    played.script.sent.iter().filter_map(pick_one).collect()
}

fn told_keys(played: &Played) -> Vec<(Option<u32>, Option<String>)> {
    let pick = |_, internal: DeviceInternal<'_>| match internal {
        DeviceInternal::Info(Info { epoch, release_key, .. }) => Some((epoch, release_key.map(String::from))),
        _ => None,
    };
    sent_internal(played, pick)
}

fn receipt_ids(played: &Played) -> Vec<u16> {
    sent_internal(played, |id, internal| matches!(internal, DeviceInternal::Released(_)).then_some(id))
}

#[test]
fn a_claim_is_stored_with_the_home_and_acknowledged_by_another_info_message() {
    let flash = flash_with_home();
    let played = play(flash.clone(), Script::new(4_000, &online_and(&[cloud(3_000, &claim(4))])));
    let mut expected = home(443);
    expected.cloud.release_key = Some(release_key(4));
    assert_eq!(played.stored_home(), Some(expected), "{}", played.script.log);
    assert_eq!(epoch_in(&flash), 4);
    let mut digits = [0; 16];
    let key = wire::key_fingerprint(&release_key(4).public_key, &mut digits).to_string();
    assert_eq!(told_keys(&played), [(Some(0), None), (Some(4), Some(key))]);
}

#[test]
fn a_claim_that_is_stored_already_costs_no_erase() {
    let flash = flash_with_key();
    let count = || flash.with(|flash| flash.erase_counts().iter().sum::<u32>());
    let before = count();
    let played = play(flash.clone(), Script::new(4_000, &online_and(&[cloud(3_000, &claim(4))])));
    assert_eq!((count(), told_keys(&played).len()), (before, 2));
}

#[test]
fn a_claim_over_a_link_that_proves_nothing_is_ignored_where_the_home_asks_for_tls() {
    let mut cues = online_and(&[cloud(3_000, &claim(4))]);
    cues[1] = event(1_500, Event::CloudConnected { is_verified_tls: false });
    let played = play(flash_with_home(), Script::new(4_000, &cues));
    assert_eq!(played.stored_home(), Some(home(443)));
    assert!(played.script.log.contains("Claim ignored"), "{}", played.script.log);
}

#[test]
fn a_proven_order_wipes_verifies_and_sends_the_receipt_over_the_same_session() {
    let flash = flash_with_key();
    let before = play(flash_with_key(), Script::new(2_900, &online()));
    let next_id = before.script.sent.len();
    let played = play(flash.clone(), Script::new(3_100, &online_and(&[cloud(3_000, &order(4))])));
    assert_eq!(played.stored_home(), None, "{}", played.script.log);
    assert_eq!(epoch_in(&flash), 5);
    assert_eq!(receipt_ids(&played).len(), 1, "{next_id}: {}", played.script.log);
    let expected = crate::sign_receipt(&terms(4), &SECRET);
    let is_right = sent_internal(&played, |_, internal| match internal {
        DeviceInternal::Released(receipt) => Some(receipt == expected),
        _ => None,
    });
    assert_eq!(is_right, [true]);
    assert!(!played.script.has_called("hang up"), "the acknowledgement is waited for");
    for trace in
        [&SECRET[..], &release_key(4).public_key, ID.as_bytes(), TOKEN.as_bytes(), PASSWORD.as_bytes()]
    {
        let is_clean = flash.with(|flash| !flash.image().windows(trace.len()).any(|window| window == trace));
        assert!(is_clean, "{trace:02x?} is left in flash");
    }
}

#[test]
fn the_acknowledgement_leads_to_set_up_and_without_one_five_seconds_do() {
    let probe = play(flash_with_key(), Script::new(3_100, &online_and(&[cloud(3_000, &order(4))])));
    let receipt_id = receipt_ids(&probe)[0];
    for (answer, at_ms) in [(response(receipt_id, 200), 3_500), (response(receipt_id + 1, 200), 8_000)] {
        let cues = online_and(&[cloud(3_000, &order(4)), cloud(3_500, &answer)]);
        let played = play(flash_with_key(), Script::new(9_000, &cues));
        let line = format!("[{at_ms}] RESET_CONFIG => WAIT_CONFIG");
        assert!(played.script.log.contains(&line), "{line}: {}", played.script.log);
        assert!(played.script.has_called("hang up") && played.script.has_called("leave"));
    }
}

#[test]
fn orders_that_are_not_for_this_device_in_this_epoch_change_nothing() {
    let whole = order(4);
    let mut wrong: Vec<Vec<u8>> = std::vec![order(3), order(5), order(0)];
    // Every kind of damage to the body; the frame around it stays whole.
    for at in 5..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        wrong.push(flipped);
        wrong.push(message(Command::Internal, 51, &whole[5..at]));
    }
    wrong.push(message(Command::Internal, 51, &[&whole[5..], b"\0x"].concat()));
    wrong.push(message(Command::Internal, 9, b"dbg\0config erase"));
    for body in wrong {
        let flash = flash_with_key();
        let played = play(flash.clone(), Script::new(4_000, &online_and(&[cloud(3_000, &body)])));
        assert_eq!(played.stored_home(), Some(home_with_key()), "{}", body.escape_ascii());
        assert_eq!(epoch_in(&flash), 4);
        assert!(receipt_ids(&played).is_empty());
    }
}

#[test]
fn an_order_before_the_login_was_accepted_changes_nothing() {
    let mut cues = online();
    cues.insert(2, cloud(1_900, &order(4)));
    let played = play(flash_with_key(), Script::new(1_950, &cues[..3]));
    assert_eq!(played.stored_home(), Some(home_with_key()));
}

#[test]
fn an_order_without_a_stored_key_changes_nothing() {
    let played = play(flash_with_home(), Script::new(4_000, &online_and(&[cloud(3_000, &order(0))])));
    assert_eq!(played.stored_home(), Some(home(443)));
    assert!(played.script.log.contains("no release key is stored"), "{}", played.script.log);
}

#[test]
fn a_new_home_of_another_owner_takes_no_key_over() {
    let cues = online_and(&[
        event(2_500, Event::LinkLost),
        phone(700_000, 0, &submission("Home+net")),
        event(703_000, Event::Joined),
        event(703_500, Event::CloudConnected { is_verified_tls: true }),
        cloud(704_000, &response(1, 200)),
    ]);
    let played = play(flash_with_key(), Script::new(704_100, &cues));
    assert_eq!(played.stored_home(), Some(home(443)), "{}", played.script.log);
}

fn order_text(epoch: u32) -> String {
    let terms = terms(epoch);
    let signature = signing_key().sign(terms.canonical_bytes().as_bytes()).to_bytes();
    wire::ReleaseText::from_order(&ReleaseOrder { terms, signature }).as_str().to_string()
}

fn post_order(at_ms: u64, slot: usize, text: &str) -> (u64, Cue) {
    let body = format!("order={text}");
    let head =
        format!("POST /release HTTP/1.1\r\nHost: 192.168.4.1\r\nContent-Length: {}\r\n\r\n", body.len());
    phone(at_ms, slot, &(head + &body))
}

/// A device whose network is gone opens its hotspot; the phone comes after that.
fn in_recovery(more: &[(u64, Cue)]) -> Vec<(u64, Cue)> {
    let mut cues = std::vec![event(30_000, Event::JoinFailed(NetworkError::NotFound))];
    cues.extend_from_slice(more);
    cues
}

#[test]
fn without_a_network_an_order_at_the_portal_wipes_and_the_answer_carries_the_receipt() {
    let flash = flash_with_key();
    let cues = in_recovery(&[
        post_order(60_000, 0, &order_text(4)),
        // The answer was lost: the phone sends the order again, and somebody looks at the page.
        post_order(61_000, 1, &order_text(4)),
        phone(62_000, 2, "GET /release HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n"),
    ]);
    let played = play(flash.clone(), Script::new(63_000, &cues));
    assert_eq!(played.stored_home(), None, "{}", played.script.log);
    assert_eq!(epoch_in(&flash), 5);
    let receipt = wire::ReleaseText::from_receipt(&crate::sign_receipt(&terms(4), &SECRET));
    for answer in &played.script.answers[..3] {
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(receipt.as_str()), "{answer}");
    }
    assert!(played.script.sent.is_empty(), "there is no cloud to tell");
    assert_eq!(played.end, None, "no restart");
    for trace in [&SECRET[..], &release_key(4).public_key, TOKEN.as_bytes(), PASSWORD.as_bytes()] {
        let is_clean = flash.with(|flash| !flash.image().windows(trace.len()).any(|window| window == trace));
        assert!(is_clean, "{trace:02x?} is left in flash");
    }
}

#[test]
fn a_replayed_foreign_or_older_order_at_the_portal_changes_nothing_and_is_told_in_words() {
    let foreign = order_text(4).replace("DEVA9", "DEVB9");
    let forged = order_text(4).replace(".08", ".09");
    for (text, reason) in [
        (order_text(3), "other_epoch"),
        (order_text(5), "other_epoch"),
        (foreign, "other_device"),
        (forged, "signature"),
    ] {
        let flash = flash_with_key();
        let played = play(flash.clone(), Script::new(61_000, &in_recovery(&[post_order(60_000, 0, &text)])));
        assert_eq!(played.stored_home(), Some(home_with_key()), "{text}");
        assert_eq!(epoch_in(&flash), 4);
        let answer = &played.script.answers[0];
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains(reason), "{answer}");
    }
    let played =
        play(flash_with_home(), Script::new(61_000, &in_recovery(&[post_order(60_000, 0, &order_text(0))])));
    assert_eq!(played.stored_home(), Some(home(443)));
    assert!(played.script.answers[0].contains("no_key"), "{}", played.script.answers[0]);
    let played = play(empty_flash(), Script::new(61_000, &[post_order(60_000, 0, &order_text(0))]));
    assert!(played.script.answers[0].contains("no_home"), "{}", played.script.answers[0]);
}

#[test]
fn no_flipped_bit_and_no_cut_of_an_order_text_is_proven() {
    let text = order_text(4);
    let key = release_key(4);
    let proves = |bytes: &[u8]| {
        let Ok(text) = wire::ReleaseText::collect(bytes.iter().copied()) else { return false };
        let Some(order) = text.order().ok().and_then(|order| ReceivedOrder::copy(&order)) else {
            return false;
        };
        order.prove(Some(&key), Epoch(4)).is_ok()
    };
    assert!(proves(text.as_bytes()));
    for at in 0..text.len() {
        assert!(!proves(&text.as_bytes()[..at]), "cut at {at}");
        for bit in 0..8 {
            let mut flipped = text.clone().into_bytes();
            flipped[at] ^= 1 << bit;
            assert!(!proves(&flipped), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn a_wipe_ordered_at_the_portal_and_cut_off_is_finished_at_the_next_boot() {
    let cues = in_recovery(&[post_order(60_000, 0, &order_text(4))]);
    let counters = |flash: &SharedSimFlash| flash.with(|flash| flash.counters());
    let uncut = flash_with_key();
    let before = counters(&uncut);
    drop(play(uncut.clone(), Script::new(59_000, &cues[..1])));
    let booted = counters(&uncut);
    let whole = flash_with_key();
    drop(play(whole.clone(), Script::new(61_000, &cues)));
    let after = counters(&whole);
    let first_write = booted.written_bytes - before.written_bytes;
    let first_erase = booted.erased_sectors - before.erased_sectors;
    let writes = after.written_bytes - before.written_bytes;
    let erases = after.erased_sectors - before.erased_sectors;
    let in_write =
        (first_write..writes).map(|written_bytes| PowerCut::InWrite { written_bytes, torn_mask: 0x5A });
    let in_erase = (first_erase..erases).flat_map(|erased_sectors| {
        [EraseTear::NotBegun, EraseTear::HeadErased { bytes: 100 }, EraseTear::SomeBitsErased { seed: 9 }]
            .map(|tear| PowerCut::InErase { erased_sectors, tear })
    });
    let (mut kept, mut wiped) = (0, 0);
    for cut in in_write.chain(in_erase) {
        let flash = flash_with_key();
        flash.with(|flash| flash.cut_power(cut));
        let played = play(flash.clone(), Script::new(61_000, &cues));
        assert!(!played.script.answers.iter().any(|answer| answer.contains("rehome-receipt")), "{cut:?}");
        flash.with(SimFlash::power_on);
        if let Some(home) = played.stored_home() {
            assert_eq!(home, home_with_key(), "{cut:?}");
            kept += 1;
        } else {
            assert_eq!(epoch_in(&flash), 5, "{cut:?}");
            let has = |trace: &[u8]| {
                flash.with(|flash| flash.image().windows(trace.len()).any(|window| window == trace))
            };
            assert!(!has(&SECRET) && !has(TOKEN.as_bytes()) && !has(PASSWORD.as_bytes()), "{cut:?}");
            wiped += 1;
        }
    }
    assert!(kept > 0 && wiped > 0, "{kept} kept, {wiped} wiped");
}
