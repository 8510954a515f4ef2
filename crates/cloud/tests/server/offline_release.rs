//! Release without a network: the exported order, and the receipt that comes back by hand.

use serde_json::{Value, json};

use crate::device_client::{Device, INTERNAL};
use crate::harness::TestServer;
use crate::http_client::Answer;
use crate::signed_release::{Claimed, claim, release_path};

async fn hand_in(server: &TestServer, id: &str, receipt: &str) -> Answer {
    let path = format!("{}/receipt", release_path(id));
    server.send("POST", &path, Some(json!({"receipt": receipt}))).await
}

async fn order(server: &TestServer, id: &str) -> Answer {
    server.send("GET", &format!("{}/order", release_path(id)), None).await
}

/// The order as it travels over a connection, so that the same code takes it apart.
fn on_the_wire(exported: &Value) -> String {
    exported["order"].as_str().unwrap().replacen("rehome-release-1", "release", 1).replace('.', "|")
}

fn receipt_text(claimed: &Claimed, exported: &Value) -> String {
    let order = claimed.read_order(&on_the_wire(exported));
    claimed.receipt(&order).replacen("released", "rehome-receipt-1", 1).replace('|', ".")
}

/// A device that was claimed, went away and was released.
async fn released_device(server: &TestServer) -> (String, String, Claimed) {
    let (id, token) = server.create_device().await;
    let (device, claimed) = claim(server, &token, 6).await;
    drop(device);
    server.release(&id).await;
    (id, token, claimed)
}

#[tokio::test]
async fn an_exported_order_comes_back_as_a_receipt_and_the_wipe_is_confirmed() {
    let server = TestServer::start().await;
    let (id, token, claimed) = released_device(&server).await;
    assert_eq!(server.get(&format!("/api/v1/devices/{id}")).await["has_release_key"], true);
    let exported = order(&server, &id).await.json();
    let text = exported["order"].as_str().unwrap();
    assert!(text.starts_with(&format!("rehome-release-1.{id}.6.")), "{text}");
    assert_eq!(exported["link"], format!("http://192.168.4.1/release#{text}"));
    assert!(exported["qr_svg"].as_str().unwrap().starts_with("<svg "), "{exported:#}");
    assert_eq!(server.get(&release_path(&id)).await["state"], "pending", "an export changes nothing");

    // After a restart the order is the same, so the receipt for it still counts.
    let server = server.restart().await;
    assert_eq!(order(&server, &id).await.json(), exported);
    let receipt = receipt_text(&claimed, &exported);
    let (first, second) = receipt.split_at(50);
    let answer = hand_in(&server, &id, &format!(" {first}\n{second}\n")).await;
    assert_eq!((answer.status, &answer.json()["state"]), (200, &json!("confirmed")), "{}", answer.text());
    assert_eq!(answer.json()["safe_to_ship"], true);
    assert_eq!(hand_in(&server, &id, &receipt).await.status, 200, "twice is once");
    let over = order(&server, &id).await;
    assert_eq!((over.status, &over.json()["code"]), (409, &json!("release_over")));
    let mut back = Device::connect(&server).await;
    assert_eq!(back.try_login(&token).await, Some(9), "the wipe is proven");
}

#[tokio::test]
async fn the_order_over_a_connection_is_the_exported_one() {
    let server = TestServer::start().await;
    let (id, token, claimed) = released_device(&server).await;
    let exported = order(&server, &id).await.json();
    let mut device = Device::log_in(&server, &token).await;
    device.send(&crate::device_client::frame(INTERNAL, 2, &claimed.info())).await;
    loop {
        let next = device.next().await.unwrap();
        if next.command == INTERNAL && next.text().starts_with("release|") {
            assert_eq!(next.text(), on_the_wire(&exported));
            break;
        }
    }
}

#[tokio::test]
async fn a_receipt_that_does_not_fit_leaves_the_release_as_it_is() {
    let server = TestServer::start().await;
    let (id, _, claimed) = released_device(&server).await;
    let (other_id, _, other) = released_device(&server).await;
    let exported = order(&server, &id).await.json();
    let right = receipt_text(&claimed, &exported);
    let foreign = receipt_text(&other, &order(&server, &other_id).await.json());
    let earlier = {
        let mut order = claimed.read_order(&on_the_wire(&exported));
        *order.signed.last_mut().unwrap() ^= 1;
        claimed.receipt(&order).replacen("released", "rehome-receipt-1", 1).replace('|', ".")
    };
    for forgery in [foreign, earlier, right.replace(&id, &other_id)] {
        let answer = hand_in(&server, &id, &forgery).await;
        assert_eq!((answer.status, &answer.json()["code"]), (422, &json!("receipt_not_proven")), "{forgery}");
    }
    for unreadable in
        ["", "rehome-receipt-1", right.split_at(right.len() - 1).0, exported["order"].as_str().unwrap()]
    {
        let answer = hand_in(&server, &id, unreadable).await;
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (422, &json!("receipt_not_readable")),
            "{unreadable}"
        );
    }
    // Every digit counts.
    for at in right.len() - 128..right.len() {
        let mut flipped = right.clone().into_bytes();
        flipped[at] = if flipped[at] == b'0' { b'1' } else { b'0' };
        let answer = hand_in(&server, &id, &String::from_utf8(flipped).unwrap()).await;
        assert_ne!(answer.status, 200, "digit {at}");
    }
    assert_eq!(server.get(&release_path(&id)).await["state"], "pending");
}

#[tokio::test]
async fn there_is_no_order_without_a_release_or_without_a_key() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    assert_eq!(order(&server, &id).await.json()["code"], "release_not_found");
    let mut stock = Device::log_in(&server, &token).await;
    stock.ask(INTERNAL, 2, "ver|1.3.2|h-beat|45", 200).await;
    drop(stock);
    server.release(&id).await;
    assert_eq!(server.get(&format!("/api/v1/devices/{id}")).await["has_release_key"], false);
    for answer in [order(&server, &id).await, hand_in(&server, &id, "rehome-receipt-1.D").await] {
        assert_eq!((answer.status, &answer.json()["code"]), (409, &json!("no_release_key")));
    }
    assert_eq!(order(&server, "DEVNOBODY").await.status, 404);
}
