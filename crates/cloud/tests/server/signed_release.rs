//! Claim, signed order and receipt with a device that holds the release key: the way to `confirmed`, and what is never
//! taken for it.

use std::time::Duration;

use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::{Digest as _, Sha512};

use crate::device_client::{Device, INTERNAL, frame};
use crate::harness::TestServer;
use crate::release::advance_until;

const INFO: &str = "mcu|1.0.0|h-beat|40|buff-in|1024|rehome|1|epoch|";

/// What a device keeps of a claim, taken apart by hand so that the tests do not share code with the server.
#[derive(Clone)]
pub(crate) struct Claimed {
    pub(crate) id: String,
    pub(crate) epoch: u32,
    pub(crate) key: Vec<u8>,
    secret: Vec<u8>,
}

pub(crate) struct Order {
    pub(crate) signed: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

fn bytes(hex: &str) -> Vec<u8> {
    assert_eq!(hex, hex.to_lowercase());
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

impl Claimed {
    fn read(text: &str) -> Self {
        let [kind, id, epoch, key, secret] = text.split('|').collect::<Vec<_>>()[..] else {
            panic!("{text}")
        };
        assert_eq!(kind, "claim");
        Self { id: id.to_owned(), epoch: epoch.parse().unwrap(), key: bytes(key), secret: bytes(secret) }
    }

    /// The info message of a device that holds this claim.
    pub(crate) fn info(&self) -> String {
        format!("{INFO}{}|rkey|{}", self.epoch, hex(&self.key[..8]))
    }

    fn signed_part(&self, domain: &str) -> Vec<u8> {
        let mut signed = format!("{domain}\0").into_bytes();
        signed.push(u8::try_from(self.id.len()).unwrap());
        signed.extend(self.id.as_bytes());
        signed
    }

    pub(crate) fn read_order(&self, text: &str) -> Order {
        let [kind, id, epoch, nonce, signature] = text.split('|').collect::<Vec<_>>()[..] else {
            panic!("{text}")
        };
        assert_eq!((kind, id, epoch), ("release", self.id.as_str(), self.epoch.to_string().as_str()));
        let mut signed = self.signed_part("rehome release order v1");
        signed.extend(self.epoch.to_be_bytes());
        signed.extend(bytes(nonce));
        Order { signed, signature: bytes(signature) }
    }

    pub(crate) fn receipt(&self, order: &Order) -> String {
        let digest = Sha512::digest(&order.signed)[..32].to_vec();
        let mut signed = self.signed_part("rehome release receipt v1");
        signed.extend(&digest);
        let mac = Hmac::<Sha512>::new_from_slice(&self.secret).unwrap().chain_update(&signed).finalize();
        format!("released|{}|{}|{}", self.id, hex(&digest), hex(&mac.into_bytes()[..32]))
    }
}

pub(crate) fn release_path(device: &str) -> String {
    format!("/api/v1/devices/{device}/release")
}

/// Logs in and takes the claim, as a device in `epoch` without a key does.
pub(crate) async fn claim(server: &TestServer, token: &str, epoch: u32) -> (Device, Claimed) {
    let mut device = Device::log_in(server, token).await;
    device.ask(INTERNAL, 2, &format!("{INFO}{epoch}"), 200).await;
    let claimed = Claimed::read(&device.next().await.unwrap().text());
    device.ask(INTERNAL, 3, &claimed.info(), 200).await;
    (device, claimed)
}

/// Reads until an INTERNAL message; answers nothing.
async fn next_internal(device: &mut Device) -> String {
    loop {
        let frame = device.next().await.expect("closed before the order came");
        if frame.command == INTERNAL {
            return frame.text();
        }
    }
}

async fn is_safe(server: &TestServer, id: &str) -> Value {
    server.get(&release_path(id)).await["safe_to_ship"].clone()
}

#[tokio::test]
async fn a_device_that_holds_the_key_gets_a_signed_order_and_its_receipt_confirms_the_wipe() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let (mut device, claimed) = claim(&server, &token, 0).await;
    assert_eq!((claimed.id.as_str(), claimed.epoch), (id.as_str(), 1));
    server.release(&id).await;
    let order = claimed.read_order(&next_internal(&mut device).await);
    let key = VerifyingKey::try_from(claimed.key.as_slice()).unwrap();
    key.verify_strict(&order.signed, &Signature::from_slice(&order.signature).unwrap()).unwrap();
    assert_eq!(is_safe(&server, &id).await, false);

    device.ask(INTERNAL, 9, &claimed.receipt(&order), 200).await;
    let confirmed = server.get(&release_path(&id)).await;
    assert_eq!((&confirmed["state"], &confirmed["safe_to_ship"]), (&"confirmed".into(), &true.into()));
    let explanation = confirmed["explanation"].as_str().unwrap();
    assert!(explanation.contains("proved it with a signed receipt"), "{explanation}");
    device.expect_closed().await;
    let mut back = Device::connect(&server).await;
    assert_eq!(back.try_login(&token).await, Some(9), "the wipe is proven, so the token is refused for good");
}

#[tokio::test]
async fn a_receipt_that_does_not_fit_the_order_counts_for_nothing() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let (_, other_token) = server.create_device().await;
    let (_other_device, other) = claim(&server, &other_token, 0).await;
    let (mut device, claimed) = claim(&server, &token, 0).await;
    server.release(&id).await;
    let order = claimed.read_order(&next_internal(&mut device).await);
    let right = claimed.receipt(&order);
    let mut other_nonce = Order { signed: order.signed.clone(), signature: Vec::new() };
    *other_nonce.signed.last_mut().unwrap() ^= 1;
    let wrong_secret = Claimed { secret: other.secret.clone(), ..claimed.clone() };
    let mut shortened = right.clone();
    let last = shortened.pop().unwrap();
    let flipped = format!("{shortened}{}", if last == '0' { '1' } else { '0' });
    let forgeries = [
        claimed.receipt(&other_nonce),
        wrong_secret.receipt(&order),
        other.receipt(&order),
        flipped,
        shortened,
        "released".to_owned(),
    ];
    for (index, forgery) in forgeries.iter().enumerate() {
        device.send(&frame(INTERNAL, 20 + u16::try_from(index).unwrap(), forgery)).await;
    }
    device.send(&frame(INTERNAL, 40, &right)).await;
    loop {
        let answer = device.next().await.expect("the link was cut by a forgery");
        if answer.id == 40 {
            assert_eq!(answer.status(), Some(200));
            break;
        }
        assert_ne!(answer.status(), Some(200), "a forgery was acknowledged: {answer:?}");
    }
    assert_eq!(server.get(&release_path(&id)).await["state"], "confirmed");
}

#[tokio::test]
async fn a_receipt_outside_a_release_changes_nothing() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let (mut device, claimed) = claim(&server, &token, 0).await;
    let order = Order { signed: vec![0; 4], signature: Vec::new() };
    device.send(&frame(INTERNAL, 8, &claimed.receipt(&order))).await;
    device.ping(9).await;
    assert_eq!(server.get(&format!("/api/v1/devices/{id}")).await["ownership"], "owned");
}

#[tokio::test]
async fn a_released_device_that_shows_its_key_in_quarantine_gets_the_signed_order_even_after_a_restart() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let (device, claimed) = claim(&server, &token, 41).await;
    assert_eq!(claimed.epoch, 41, "the device counts further than this server's record");
    drop(device);
    let server = server.restart().await;
    server.release(&id).await;
    let mut device = Device::log_in(&server, &token).await;
    device.ping(2).await;
    device.send(&frame(INTERNAL, 3, &claimed.info())).await;
    // The first order is the signed one: what is recorded of the device says that it would pass over another.
    let order = claimed.read_order(&next_internal(&mut device).await);
    device.ask(INTERNAL, 9, &claimed.receipt(&order), 200).await;
    assert_eq!(server.get(&release_path(&id)).await["state"], "confirmed");
}

/// Lets ten minutes pass; the board is never called safe, and the release ends up `pending`.
async fn stays_pending(server: &TestServer, id: &str) -> Value {
    for _ in 0..60 {
        server.clock.advance(Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(2)).await;
        let seen = server.get(&release_path(id)).await;
        assert_eq!(seen["safe_to_ship"], false, "{seen:#}");
    }
    advance_until(server, id, "pending").await
}

#[tokio::test]
async fn a_keyed_device_that_falls_silent_without_a_receipt_is_not_called_safe() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let (mut device, claimed) = claim(&server, &token, 0).await;
    device.ping(7).await;
    server.release(&id).await;
    let order = claimed.read_order(&next_internal(&mut device).await);
    // The plug is pulled; whether before or after the wipe, nobody knows.
    let _socket_stays_open = device.fall_silent();
    server.wait_for(&release_path(&id), |seen| seen["state"] == "sent").await;
    advance_until(&server, &id, "pending").await;
    let seen = stays_pending(&server, &id).await;
    let explanation = seen["explanation"].as_str().unwrap();
    assert!(explanation.contains("nothing shows that it did"), "{explanation}");
    assert_eq!(server.get(&format!("/api/v1/devices/{id}")).await["ownership"], "releasing");
    // It was before: it comes back, and now it proves what it does.
    let mut back = Device::log_in(&server, &token).await;
    back.send(&frame(INTERNAL, 2, &claimed.info())).await;
    let again = claimed.read_order(&next_internal(&mut back).await);
    assert_eq!(again.signed, order.signed);
    back.ask(INTERNAL, 9, &claimed.receipt(&again), 200).await;
    assert_eq!(server.get(&release_path(&id)).await["state"], "confirmed");
}

#[tokio::test]
async fn a_keyed_device_that_leaves_before_it_introduced_itself_is_not_called_safe() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let (device, _) = claim(&server, &token, 0).await;
    drop(device);
    let server = server.restart().await;
    server.release(&id).await;
    let mut device = Device::log_in(&server, &token).await;
    device.ping(2).await;
    drop(device);
    // The server may notice the end of the connection only after its patience: an order sent then is none that counts.
    stays_pending(&server, &id).await;
}

#[tokio::test]
async fn a_keyed_device_that_does_not_introduce_itself_is_ordered_and_not_called_safe() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let (device, _) = claim(&server, &token, 0).await;
    drop(device);
    let server = server.restart().await;
    server.release(&id).await;
    let mut device = Device::log_in(&server, &token).await;
    device.ping(2).await;
    server.clock.advance(Duration::from_secs(5));
    assert_eq!(next_internal(&mut device).await, "dbg|config erase");
    let _socket_stays_open = device.fall_silent();
    server.wait_for(&release_path(&id), |seen| seen["state"] == "sent").await;
    advance_until(&server, &id, "pending").await;
    stays_pending(&server, &id).await;
}

#[tokio::test]
async fn a_device_with_another_servers_key_is_not_called_safe() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let mut device = Device::log_in(&server, &token).await;
    device.ask(INTERNAL, 2, &format!("{INFO}3|rkey|0123456789abcdef"), 200).await;
    server.release(&id).await;
    assert_eq!(next_internal(&mut device).await, "dbg|config erase");
    let _socket_stays_open = device.fall_silent();
    server.wait_for(&release_path(&id), |seen| seen["state"] == "sent").await;
    advance_until(&server, &id, "pending").await;
    stays_pending(&server, &id).await;
}

#[tokio::test]
async fn a_device_that_was_just_offered_the_key_is_ordered_by_a_signed_order_only() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let mut device = Device::log_in(&server, &token).await;
    device.ask(INTERNAL, 2, &format!("{INFO}0"), 200).await;
    let claimed = Claimed::read(&device.next().await.unwrap().text());
    server.release(&id).await;
    device.send(&frame(INTERNAL, 3, &claimed.info())).await;
    let order = claimed.read_order(&next_internal(&mut device).await);
    device.ask(INTERNAL, 9, &claimed.receipt(&order), 200).await;
    assert_eq!(server.get(&release_path(&id)).await["state"], "confirmed");
}

#[tokio::test]
async fn stock_firmware_on_a_board_that_held_the_key_is_still_inferred_from_its_silence() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let (device, _) = claim(&server, &token, 0).await;
    drop(device);
    let server = server.restart().await;
    server.release(&id).await;
    let mut device = Device::log_in(&server, &token).await;
    device.send(&frame(INTERNAL, 2, "ver|1.3.2|h-beat|45|buff-in|1024|dev|ESP32")).await;
    assert_eq!(next_internal(&mut device).await, "dbg|config erase");
    let _socket_stays_open = device.fall_silent();
    server.wait_for(&release_path(&id), |seen| seen["state"] == "sent").await;
    let inferred = advance_until(&server, &id, "inferred").await;
    assert_eq!(inferred["safe_to_ship"], true);
}

#[tokio::test]
async fn stock_firmware_never_sees_a_claim_and_a_stranger_to_the_key_is_left_alone() {
    let server = TestServer::start().await;
    let (_, token) = server.create_device().await;
    let mut device = Device::log_in(&server, &token).await;
    device.ask(INTERNAL, 2, "ver|1.3.2|h-beat|45|buff-in|1024|dev|ESP32", 200).await;
    device.ping(3).await;
    let other_key = format!("{INFO}3|rkey|0123456789abcdef");
    device.ask(INTERNAL, 4, &other_key, 200).await;
    device.ping(5).await;
}

#[tokio::test]
async fn the_same_device_and_epoch_get_the_same_claim_after_a_restart() {
    let server = TestServer::start().await;
    let (_, token) = server.create_device().await;
    let (device, first) = claim(&server, &token, 0).await;
    drop(device);
    let server = server.restart().await;
    let (_device, second) = claim(&server, &token, 0).await;
    assert_eq!((first.key, first.secret, first.epoch), (second.key, second.secret, second.epoch));
}

#[tokio::test]
async fn a_device_on_the_bench_is_marked_as_such_and_offered_no_claim() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let path = format!("/api/v1/devices/{id}");
    assert_eq!(server.get(&path).await["on_bench"], false);
    let mut device = Device::log_in(&server, &token).await;
    device.ask(INTERNAL, 2, &format!("{INFO}0|bench|1"), 200).await;
    let shown = server.get(&path).await;
    assert_eq!((&shown["online"], &shown["on_bench"]), (&true.into(), &true.into()));
    let listed = server.get("/api/v1/devices").await;
    assert_eq!(listed["items"][0]["on_bench"], true);
    // The next message would be the claim; the answer to a question in its place shows that there is none.
    device.ask(INTERNAL, 3, &format!("{INFO}0"), 200).await;
    let claimed = Claimed::read(&device.next().await.unwrap().text());
    assert_eq!(claimed.id, id, "a home in flash is offered the claim, once");
    assert_eq!(server.get(&path).await["on_bench"], false);
}
