use serde_json::{Value, json};

use crate::device_client::{Device, INTERNAL};
use crate::harness::TestServer;
use crate::http_client::{Answer, request, send_raw};

const SIZE_BYTES: usize = 40_000;

/// An image whose bytes say where they are, with a tag in the middle.
fn image(kind: &str, version: &str) -> String {
    let tag = format!("blnkinf\0mcu\0{version}\0fw-type\0{kind}\0build\0Nov 22 2026 10:00:00\0\0");
    let mut image: String = (0..)
        .map(|number| format!("{number:06};"))
        .flat_map(String::into_bytes)
        .map(char::from)
        .take(SIZE_BYTES - tag.len())
        .collect();
    image.insert_str(20_000, &tag);
    image
}

async fn upload(server: &TestServer, image: String) -> Answer {
    let key = format!("Bearer {}", server.key);
    let path = "/api/v1/firmware?file_name=lamp.bin";
    let headers = [("authorization", key.as_str()), ("content-type", "application/octet-stream")];
    send_raw(server.running.plain_addr, "POST", path, &headers, image).await
}

struct Workshop {
    server: TestServer,
    template: String,
    firmware: Value,
}

impl Workshop {
    async fn open() -> Self {
        let server = TestServer::start().await;
        let template = server.create_template().await;
        let uploaded = upload(&server, image(&template, "2.0")).await;
        assert_eq!(uploaded.status, 201, "{}", uploaded.text());
        Self { firmware: uploaded.json(), server, template }
    }

    async fn device(&self) -> (String, String) {
        let body = json!({"template_id": self.template, "name": "Lamp"});
        let created = self.server.send("POST", "/api/v1/devices", Some(body)).await.json();
        (created["id"].as_str().unwrap().to_owned(), created["token"].as_str().unwrap().to_owned())
    }

    async fn ship(&self, more: Value) -> String {
        let mut body =
            json!({"name": "Autumn", "template_id": self.template, "firmware_id": self.firmware["id"]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = self.server.send("POST", "/api/v1/shipments", Some(body)).await;
        assert_eq!(made.status, 201, "{}", made.text());
        format!("/api/v1/shipments/{}", made.json()["id"].as_str().unwrap())
    }

    /// Logs in and says which version runs.
    async fn connect(&self, token: &str, version: &str) -> Device {
        let mut device = Device::log_in(&self.server, token).await;
        self.describe(&mut device, version).await;
        device
    }

    async fn describe(&self, device: &mut Device, version: &str) {
        let info = format!("mcu|{version}|fw-type|{}|h-beat|45|buff-in|1024", self.template);
        device.ask(INTERNAL, 2, &info, 200).await;
    }

    async fn wait_for_state(&self, shipment: &str, device: &str, state: &str) -> Value {
        let path = format!("{shipment}/deliveries");
        let of_device = |list: &Value| {
            list["items"].as_array().unwrap().iter().find(|item| item["device_id"] == device).cloned()
        };
        let list = self
            .server
            .wait_for(&path, |list| of_device(list).is_some_and(|item| item["state"] == state))
            .await;
        of_device(&list).unwrap()
    }

    async fn fetch(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        request(self.server.running.plain_addr, "GET", path, headers, None).await
    }
}

/// Reads the order and returns the path of the file, whose scheme and port must be those the device came by.
async fn ordered_path(device: &mut Device, server: &TestServer) -> String {
    let order = device.next().await.unwrap();
    let text = order.text();
    let url = text.strip_prefix("ota|").unwrap_or_else(|| panic!("{order:?}"));
    assert_eq!(order.command, INTERNAL);
    assert!(url.ends_with("&s=0"), "new Edgent would rewrite it: {url}");
    let origin = format!("http://{}", server.running.plain_addr);
    url.strip_prefix(&origin).unwrap_or_else(|| panic!("{url} is not at {origin}")).to_owned()
}

#[tokio::test]
async fn an_upload_is_described_by_its_tag_and_anything_else_is_refused_with_the_reason() {
    let shop = Workshop::open().await;
    assert_eq!(shop.firmware["version"], "2.0");
    assert_eq!(shop.firmware["kind"], shop.template);
    assert_eq!(shop.firmware["build"], "Nov 22 2026 10:00:00");
    assert_eq!(shop.firmware["size_bytes"], SIZE_BYTES);
    let untagged = upload(&shop.server, "x".repeat(5_000)).await;
    assert_eq!((untagged.status, untagged.problem_code().as_str()), (422, "firmware_not_usable"));
    let detail = untagged.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("The file holds no firmware tag") && detail.ends_with('.'), "{detail}");
    assert_eq!(upload(&shop.server, "short".to_owned()).await.problem_code(), "firmware_not_usable");
    let stranger = send_raw(
        shop.server.running.plain_addr,
        "POST",
        "/api/v1/firmware?file_name=a",
        &[],
        image("T", "1"),
    )
    .await;
    assert_eq!(stranger.status, 401);
    assert_eq!(shop.server.get("/api/v1/firmware").await["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_connected_device_is_told_fetches_the_file_and_succeeds_with_its_new_version() {
    let shop = Workshop::open().await;
    let (id, token) = shop.device().await;
    let mut device = shop.connect(&token, "1.0").await;
    let shipment = shop.ship(json!({})).await;
    let path = ordered_path(&mut device, &shop.server).await;
    shop.wait_for_state(&shipment, &id, "request_sent").await;

    let file = shop.fetch(&path, &[]).await;
    assert_eq!((file.status, file.text()), (200, image(&shop.template, "2.0")));
    assert_eq!(file.header("content-length"), SIZE_BYTES.to_string());
    // 44 characters of base64 and 32 hexadecimal digits, as new and old Edgent expect.
    assert_eq!((file.header("x-sha256").len(), file.header("x-md5").len()), (44, 32));
    assert_eq!(file.header("x-fw-ver"), "2.0");
    shop.wait_for_state(&shipment, &id, "downloaded").await;

    drop(device);
    let _device = shop.connect(&token, "2.0").await;
    shop.wait_for_state(&shipment, &id, "success").await;
    assert_eq!(
        shop.server.get(&shipment).await["counts"],
        json!({"succeeded": 1, "failed": 0, "passed_over": 0, "open": 0})
    );
}

#[tokio::test]
async fn a_download_that_broke_goes_on_where_it_stopped() {
    let shop = Workshop::open().await;
    let (id, token) = shop.device().await;
    let shipment = shop.ship(json!({})).await;
    let mut device = shop.connect(&token, "1.0").await;
    let path = ordered_path(&mut device, &shop.server).await;
    let first = shop.fetch(&path, &[("range", "bytes=0-9999")]).await;
    assert_eq!((first.status, first.body.len()), (206, 10_000));
    assert_eq!(first.header("content-range"), format!("bytes 0-9999/{SIZE_BYTES}"));
    shop.wait_for_state(&shipment, &id, "upload_failure").await;
    let etag = first.header("etag").to_owned();
    let rest = shop.fetch(&path, &[("range", "bytes=10000-"), ("if-range", &etag)]).await;
    assert_eq!(rest.status, 206);
    assert_eq!(first.text() + &rest.text(), image(&shop.template, "2.0"));
    let delivery = shop.wait_for_state(&shipment, &id, "downloaded").await;
    assert_eq!(delivery["attempts"], 1);
}

#[tokio::test]
async fn a_device_that_comes_back_with_the_old_version_rolled_back_and_stops_the_shipment() {
    let shop = Workshop::open().await;
    let (id, token) = shop.device().await;
    let shipment = shop.ship(json!({"device_ids": [id]})).await;
    let mut device = shop.connect(&token, "1.0").await;
    let path = ordered_path(&mut device, &shop.server).await;
    assert_eq!(shop.fetch(&path, &[]).await.status, 200);
    shop.wait_for_state(&shipment, &id, "downloaded").await;
    shop.describe(&mut device, "1.0").await;
    shop.wait_for_state(&shipment, &id, "rollback").await;
    shop.server.wait_for(&shipment, |shipment| shipment["state"] == "stopped").await;
    assert_eq!(shop.fetch(&path, &[]).await.status, 403);
}

#[tokio::test]
async fn canaries_are_told_first_and_the_rest_once_they_run_it() {
    let shop = Workshop::open().await;
    let mut boards = Vec::new();
    for _ in 0..2 {
        let (id, token) = shop.device().await;
        let device = shop.connect(&token, "1.0").await;
        boards.push((id, token, device));
    }
    let shipment = shop.ship(json!({"canary_percent": 50})).await;
    let list = shop.server.get(&format!("{shipment}/deliveries")).await;
    let canary = list["items"].as_array().unwrap().iter().find(|item| item["canary"] == true).unwrap();
    boards.sort_by_key(|(id, ..)| *id != canary["device_id"].as_str().unwrap());
    let [(first, first_token, mut first_device), (second, _, mut second_device)] =
        <[_; 2]>::try_from(boards).ok().unwrap();

    let path = ordered_path(&mut first_device, &shop.server).await;
    shop.describe(&mut second_device, "1.0").await;
    second_device.ping(3).await;
    shop.wait_for_state(&shipment, &second, "waiting").await;
    assert_eq!(shop.fetch(&path, &[]).await.status, 200);
    shop.wait_for_state(&shipment, &first, "downloaded").await;
    drop(first_device);
    let _first_device = shop.connect(&first_token, "2.0").await;
    shop.wait_for_state(&shipment, &first, "success").await;
    ordered_path(&mut second_device, &shop.server).await;
    assert_eq!(shop.server.get(&shipment).await["stage"], "everyone");
}

#[tokio::test]
async fn a_paused_shipment_tells_nobody_until_it_is_resumed_and_a_cancelled_one_gives_nothing_out() {
    let shop = Workshop::open().await;
    let (id, token) = shop.device().await;
    let shipment = shop.ship(json!({})).await;
    let change = |state: &'static str| shop.server.send("PATCH", &shipment, Some(json!({"state": state})));
    assert_eq!(change("paused").await.status, 200);
    let mut device = shop.connect(&token, "1.0").await;
    device.ping(3).await;
    shop.wait_for_state(&shipment, &id, "waiting").await;
    assert_eq!(change("running").await.status, 200);
    let path = ordered_path(&mut device, &shop.server).await;
    assert_eq!(change("cancelled").await.status, 200);
    assert_eq!(shop.fetch(&path, &[]).await.status, 403);
    assert_eq!(change("running").await.problem_code(), "shipment_state_fixed");
}

#[tokio::test]
async fn the_address_is_good_for_one_device_and_a_day_has_three_attempts() {
    let shop = Workshop::open().await;
    let (id, token) = shop.device().await;
    let (other, _) = shop.device().await;
    shop.ship(json!({})).await;
    let mut device = shop.connect(&token, "1.0").await;
    let path = ordered_path(&mut device, &shop.server).await;
    assert_eq!(shop.fetch(&path.replace(&id, &other), &[]).await.status, 403);
    let (bare, _) = path.split_once('?').unwrap();
    assert_eq!(shop.fetch(bare, &[]).await.status, 403);
    assert_eq!(shop.fetch(&path.replace("token=", "token=x"), &[]).await.status, 403);
    for attempt in 0..3 {
        assert_eq!(shop.fetch(&path, &[]).await.status, 200, "attempt {attempt}");
    }
    assert_eq!(shop.fetch(&path, &[]).await.status, 429);
}

#[tokio::test]
async fn requests_that_make_no_sense_make_nothing() {
    let shop = Workshop::open().await;
    let (id, _) = shop.device().await;
    for more in [
        json!({"device_ids": []}),
        json!({"device_ids": ["DEVZZZZZZZZZZ"]}),
        json!({"device_ids": [id], "percent": 10}),
        json!({"percent": 0}),
        json!({"canary_percent": 101}),
        json!({"attempts_max": 0}),
        json!({"failure_percent_max": 101}),
        json!({"name": ""}),
        json!({"rule": "whenever"}),
    ] {
        let mut body = json!({"name": "A", "template_id": shop.template, "firmware_id": shop.firmware["id"]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = shop.server.send("POST", "/api/v1/shipments", Some(body)).await;
        assert_eq!(answer.problem_code(), "invalid_request", "{more}");
    }
    assert_eq!(shop.server.get("/api/v1/shipments").await["items"], json!([]));
    let shipped = shop.ship(json!({})).await;
    let image = format!("/api/v1/firmware/{}", shop.firmware["id"].as_str().unwrap());
    assert_eq!(shop.server.send("DELETE", &image, None).await.problem_code(), "firmware_in_use");
    assert_eq!(shop.server.get(&shipped).await["open_ended"], true);
}
