//! Blynk's Device HTTPS API, call by call as reference/http-api.md lists them.

use std::io::Read;

use cloud::{Clock, ServerOptions};
use serde_json::{Value, json};

use crate::datastreams::device_with;
use crate::device_client::{Device, HARDWARE, INTERNAL, frame};
use crate::harness::TestServer;
use crate::http_client::{Answer, request, send_raw};

pub(crate) async fn call(server: &TestServer, path: &str) -> Answer {
    request(server.running.plain_addr, "GET", &format!("/external/api/{path}"), &[], None).await
}

/// Every error has this shape.
#[track_caller]
fn expect_error(answer: &Answer, status: u16, message: &str, path: &str) {
    assert_eq!(answer.status, status, "{path}: {}", answer.text());
    assert_eq!(answer.json(), json!({"error": {"message": message}}), "{path}");
}

fn every_type() -> Vec<(u8, Value)> {
    let rows = json!([{"number": 0, "text": "Off"}, {"number": 1, "text": "On"}]);
    vec![
        (1, json!({"name": "Level", "type": "integer", "min": 0, "max": 100})),
        (2, json!({"name": "Temperature", "type": "double", "decimals": "#.#"})),
        (3, json!({"name": "Place", "type": "location"})),
        (4, json!({"name": "Mode", "type": "enum", "enum_rows": rows})),
        (5, json!({"name": "Code", "type": "string"})),
        (6, json!({"name": "Secret", "type": "integer", "hidden_from_http": true})),
        (7, json!({"name": "Unset", "type": "integer"})),
        (8, json!({"name": "Switch", "type": "boolean"})),
    ]
}

#[tokio::test]
async fn values_are_written_read_and_reach_the_device() {
    let server = TestServer::start().await;
    let (_, token) = server.create_device().await;
    let connected = async || call(&server, &format!("isHardwareConnected?token={token}")).await.text();
    assert_eq!(connected().await, "false");
    let mut device = Device::log_in(&server, &token).await;
    device.ping(2).await;
    assert_eq!(connected().await, "true");

    for (path, on_the_wire) in [
        ("update?token=T&v1=42", "vw|1|42"),
        ("update?token=T&pin=V2&value=hello%20world", "vw|2|hello world"),
        ("update?pin=v3&value=1&value=2&token=T", "vw|3|1|2"),
        ("batch/update?token=T&v4=a", "vw|4|a"),
    ] {
        let answer = call(&server, &path.replace('T', &token)).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, ""), "{path}");
        let frame = device.next().await.unwrap();
        assert_eq!((frame.command, frame.text().as_str()), (HARDWARE, on_the_wire));
    }
    assert_eq!(call(&server, &format!("get?token={token}&v1")).await.text(), "42");
    assert_eq!(call(&server, &format!("get?token={token}&pin=V2")).await.text(), "hello world");
    assert_eq!(
        call(&server, &format!("get?token={token}&v1&v2")).await.json(),
        json!({"v1": 42, "v2": "hello world"})
    );
    let all = call(&server, &format!("getAll?token={token}")).await.json();
    assert_eq!(all, json!({"v1": 42, "v2": "hello world", "v3": [1, 2], "v4": "a"}));
}

#[tokio::test]
async fn values_are_parsed_by_the_type_of_their_datastream() {
    let server = TestServer::start().await;
    let (template, _, token) = device_with(&server, &every_type()).await;
    let list = server.get(&format!("/api/v1/templates/{template}/datastreams")).await;
    let id = list["items"][0]["id"].as_u64().unwrap();
    for (path, pin, kept) in [
        ("update?token=T&v1=42", "v1", "42"),
        ("update?token=T&v1=142", "v1", "100"),
        ("update?token=T&v1=-1", "v1", "0"),
        ("update?token=T&v1=7.000", "v1", "7"),
        (&format!("update?token=T&dataStreamId={id}&value=33"), "v1", "33"),
        ("update?token=T&v2=12.346", "v2", "12.3"),
        ("update?token=T&v3=30.5&v3=50.4", "v3", "[30.5,50.4]"),
        ("update?token=T&pin=V3&value=30.6&value=50.4", "v3", "[30.6,50.4]"),
        ("batch/update?token=T&v3=30.7,50.4&v1=5", "v3", "[30.7,50.4]"),
        ("update?token=T&v4=On", "v4", "1"),
        ("update?token=T&v5=007", "v5", "007"),
        ("update?token=T&v8=false", "v8", "0"),
        ("update?token=T&v8=1", "v8", "1"),
    ] {
        let written = call(&server, &path.replace('T', &token)).await;
        assert_eq!((written.status, written.text().as_str()), (200, ""), "{path}");
        assert_eq!(call(&server, &format!("get?token={token}&{pin}")).await.text(), kept, "{path}");
    }
    assert_eq!(call(&server, &format!("get?token={token}&dataStreamId={id}")).await.text(), "5");
    assert_eq!(call(&server, &format!("get?token={token}&v7")).await.text(), "", "set up and never written");
    let all = call(&server, &format!("getAll?token={token}")).await.json();
    let expected = json!({"v1": 5, "v2": 12.3, "v3": [30.7, 50.4], "v4": 1, "v5": "007", "v8": 1});
    assert_eq!(all, expected, "a text of digits stays a text");
}

#[tokio::test]
async fn errors_have_the_shape_and_the_words_of_the_reference() {
    let server = TestServer::start().await;
    let (_, _, token) = device_with(&server, &every_type()).await;
    let missing = "Requested dataStream doesn't exist in the product Lamp";
    let mismatch = "Value doesn't match the Datastream data type.";
    for (path, message) in [
        ("get?token=wrong&v1", "Invalid token."),
        ("get?v1", "Invalid token."),
        ("getAll?token=wrong", "Invalid token."),
        ("get?token=T&x1", "Wrong pin format."),
        ("get?token=T&v256", "Wrong pin format."),
        ("get?token=T&1", "Wrong pin format."),
        ("get?token=T", "Wrong pin format."),
        ("get?token=T&v9", missing),
        ("get?token=T&a0", missing),
        ("get?token=T&v6", missing),
        ("get?token=T&dataStreamId=99999", missing),
        ("get?token=T&dataStreamId=x", "Wrong dataStreamId format."),
        ("update?token=wrong&v1=1", "Invalid token."),
        ("update?token=T", "Wrong pin format."),
        ("update?token=T&pin=V1", mismatch),
        ("update?token=T&v1=warm", mismatch),
        ("update?token=T&v1=1&v1=2", mismatch),
        ("update?token=T&v3=30.5", mismatch),
        ("update?token=T&v4=5", mismatch),
        ("update?token=T&d0=1", "No datastream setup for that pin."),
        ("update?token=T&v6=1", "No datastream setup for that pin."),
        ("update?token=T&dataStreamId=x&value=1", "Wrong dataStreamId format."),
        ("batch/update?token=T", "Wrong pin format."),
        ("batch/update?token=T&v1=5&w1=5", "Wrong pin format."),
        ("batch/update?token=T&v2=5&v1=x", mismatch),
        ("update/property?token=T&pin=x&color=1", "Wrong pin format."),
        ("update/property?token=T&color=1", "Wrong pin format."),
        ("update/property?token=T&pin=V1", mismatch),
        ("update/property?token=T&pin=V1&nonsense=1", mismatch),
        ("logEvent?token=wrong&code=x", "Invalid token."),
        ("logEvent?token=T", "Event code is not provided."),
        ("logEvent?token=T&code=x&description=y", "Can't find Event with this code in Product template"),
        ("logevent?token=T&code=x", "Can't find Event with this code in Product template"),
        ("data/get", "No token provided."),
        ("data/get?token=wrong", "Invalid token."),
        ("data/get?token=T&period=YEAR", "Request with incorrect parameters"),
        ("data/get?token=T&granularityType=WEEKLY", "Request with incorrect parameters"),
        ("data/get?token=T&sourceType=MEDIAN", "Request with incorrect parameters"),
        ("data/get?token=T&format=CSV", "Request with incorrect parameters"),
        ("data/get?token=T&tzName=Europe/Atlantis", "Request with incorrect parameters"),
        ("data/get?token=T&period=THREE_MONTHS", "Request with incorrect parameters"),
        ("data/get?token=T&pin=x", "Wrong pin format."),
        ("device/meta?token=T", "Wrong metaField format."),
        ("device/meta?token=T&metaFieldId=x", "Wrong metaField format."),
        ("device/meta?token=T&metaFieldId=9999", "MetaField doesn't exist."),
        ("device/meta?token=T&metaFieldName=Nothing", "MetaField doesn't exist."),
        ("device/meta/update?token=T&metaFieldId=1", "Wrong value"),
        ("device/meta/update?token=T&metaFieldId=4&value=Europe/Atlantis", "Wrong value"),
        ("provision?token=wrong&templateId=TMPLx", "Invalid token."),
    ] {
        expect_error(
            &call(&server, &path.replace("token=T", &format!("token={token}"))).await,
            400,
            message,
            path,
        );
    }
    let nothing = call(&server, &format!("data/get?token={token}&pin=V1")).await;
    expect_error(&nothing, 500, "No data", "data/get without data");
    // Of a batch with one wrong value nothing is stored.
    assert_eq!(call(&server, &format!("getAll?token={token}")).await.json(), json!({}));
    assert_eq!(call(&server, "nothing").await.status, 404);
}

#[tokio::test]
async fn a_token_that_calls_too_often_is_slowed_down_and_another_one_is_not() {
    let clock = Some(Clock::standing());
    let server =
        TestServer::start_with_options(ServerOptions { clock, ..ServerOptions::default() }, |_config| {})
            .await;
    let (_, token) = server.create_device().await;
    let (_, other) = server.create_device().await;
    let mut refused = None;
    for _ in 0..1_000 {
        let answer = call(&server, &format!("isHardwareConnected?token={token}")).await;
        if answer.status != 200 {
            refused = Some(answer.status);
            break;
        }
    }
    assert_eq!(refused, Some(429));
    assert_eq!(call(&server, &format!("isHardwareConnected?token={other}")).await.status, 200);
    server.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(call(&server, &format!("isHardwareConnected?token={token}")).await.status, 200);
}

#[tokio::test]
async fn properties_metadata_and_connections_are_served() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let ok = async |path: &str| {
        let answer = call(&server, &path.replace('T', &token)).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.text()
    };
    ok("update/property?token=T&pin=v1&color=%23D3435C").await;
    ok("update/property?token=T&pin=v1&labels=A&labels=B").await;
    let stored = server.get(&format!("/api/v1/devices/{id}/properties")).await;
    assert_eq!(stored["items"][0]["value"], "#D3435C");
    assert_eq!(stored["items"][1]["value"], json!(["A", "B"]));

    assert_eq!(ok("device/meta?token=T&metaFieldId=1").await, "Lamp 1");
    ok("device/meta/update?token=T&metaFieldName=Room&value=Kitchen").await;
    assert_eq!(ok("device/meta?token=T&metaFieldName=Room").await, "Kitchen");
    let list = server.get(&format!("/api/v1/devices/{id}/metadata")).await;
    let number = list["items"][1]["id"].as_u64().unwrap();
    assert_eq!(ok(&format!("device/meta?token=T&metaFieldId={number}")).await, "Kitchen");
    ok("device/meta/update?token=T&metaFieldId=1&value=Renamed").await;
    assert_eq!(server.get(&format!("/api/v1/devices/{id}")).await["name"], "Renamed");
    assert_eq!(ok("isAppConnected?token=T").await, "false");
    let _watcher = crate::live_updates::Watcher::start(&server).await;
    assert_eq!(ok("isAppConnected?token=T").await, "true");
}

async fn import(server: &TestServer, query: &str, content_type: &str, body: String) -> Answer {
    let path = format!("/external/api/batch/update?{query}");
    send_raw(server.running.plain_addr, "POST", &path, &[("content-type", content_type)], body).await
}

#[tokio::test]
async fn points_with_times_are_imported_within_bounds() {
    let server = TestServer::start().await;
    let (_, id, token) = device_with(&server, &every_type()).await;
    let now = server.get(&format!("/api/v1/devices/{id}")).await["created_at"].as_str().unwrap().to_owned();
    let now_ms = unix_ms(&now);
    let json_type = "application/json; charset=utf-8";
    let of = |pin: &str| format!("token={token}&pin={pin}");
    for (pin, body) in [
        ("v1", json!([[now_ms - 60_000, 41], [now_ms - 120_000, 40.0], [now_ms - 30_000, true]])),
        ("V3", json!([[now_ms - 1_000, [30.5, 50.4]]])),
        ("v5", json!([[now_ms - 1_000, "text"]])),
        ("v9", json!([[now_ms - 1_000, "no datastream"], [now_ms + 86_400_000, "later"]])),
    ] {
        let answer = import(&server, &of(pin), json_type, body.to_string()).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "OK"), "{pin}");
    }
    let value = async |pin: u8| server.get(&format!("/api/v1/devices/{id}/datastreams/{pin}")).await;
    assert_eq!(value(1).await["value"], "1", "the newest point");
    assert_eq!(value(3).await["value"], json!(["30.5", "50.4"]));
    assert!(value(9).await["at"].as_str().unwrap() < "2100");

    let many = vec![json!([now_ms, 1]); 10_001];
    let too_old = json!([[now_ms - 93 * 86_400_000_i64, 1]]);
    for (pin, content_type, body, status, message) in [
        ("v1", "text/plain", "[]".to_owned(), 400, "Unknown content type."),
        ("x", json_type, "[]".to_owned(), 400, "Wrong pin format."),
        ("v1", json_type, "[[1,2,3]]".to_owned(), 400, "Value doesn't match the Datastream data type."),
        ("v1", json_type, "no json".to_owned(), 400, "Value doesn't match the Datastream data type."),
        (
            "v1",
            json_type,
            json!([[now_ms, "x"]]).to_string(),
            400,
            "Value doesn't match the Datastream data type.",
        ),
        (
            "v1",
            json_type,
            json!([[now_ms, null]]).to_string(),
            400,
            "Value doesn't match the Datastream data type.",
        ),
        ("v1", json_type, too_old.to_string(), 400, "A point is older than 3 months."),
        (
            "v1",
            json_type,
            json!(many).to_string(),
            400,
            "Too much data in batch. Maximum batch size is 10000 points.",
        ),
        ("v1", json_type, " ".repeat(2 * 1024 * 1024 + 1), 413, "The request is too large."),
    ] {
        expect_error(&import(&server, &of(pin), content_type, body).await, status, message, message);
    }
    let unknown = import(&server, "token=wrong&pin=v1", json_type, "[]".to_owned()).await;
    expect_error(&unknown, 400, "Invalid token.", "import");
}

#[tokio::test]
async fn a_device_imports_a_bounded_number_of_points_a_day() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let now = server.get(&format!("/api/v1/devices/{id}")).await["created_at"].as_str().unwrap().to_owned();
    let points: Vec<_> = (0..10_000).map(|index| json!([unix_ms(&now) - index, index])).collect();
    let body = json!(points).to_string();
    let mut statuses = Vec::new();
    for _ in 0..11 {
        let answer =
            import(&server, &format!("token={token}&pin=v1"), "application/json", body.clone()).await;
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [[200; 10].as_slice(), &[429]].concat());
}

fn unix_ms(timestamp: &str) -> i64 {
    let format = &time::format_description::well_known::Rfc3339;
    let at = time::OffsetDateTime::parse(timestamp, format).unwrap();
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap()
}

fn unzip(archive: &[u8]) -> String {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).unwrap();
    assert_eq!(archive.len(), 1);
    let mut text = String::new();
    archive.by_index(0).unwrap().read_to_string(&mut text).unwrap();
    text
}

#[tokio::test]
async fn a_report_is_linked_made_when_it_is_fetched_and_ends_with_the_ownership() {
    let server = TestServer::start().await;
    let raw = json!({"name": "Level \"total\"", "type": "integer", "save_raw_data": true});
    let (_, id, token) = device_with(&server, &[(1, raw)]).await;
    let now = unix_ms(server.get(&format!("/api/v1/devices/{id}")).await["created_at"].as_str().unwrap());
    let start = now - now % 86_400_000 - 86_400_000;
    let body = json!([[start, 1], [start + 1_000, 2], [start + 3_600_000, 9]]).to_string();
    assert_eq!(import(&server, &format!("token={token}&pin=v1"), "application/json", body).await.status, 200);
    let fetch = async |query: &str| {
        let asked = call(&server, &format!("data/get?token={token}&{query}")).await;
        assert_eq!(asked.status, 200, "{query}: {}", asked.text());
        let link = asked.json()["link"].as_str().unwrap().to_owned();
        let (origin, path) = link.split_at(link.find("/device_reports/").unwrap());
        assert!(origin.starts_with("https://127.0.0.1:"), "{origin}");
        assert!(!link.contains(&token), "the link holds no token");
        let file = request(server.running.plain_addr, "GET", path, &[], None).await;
        assert_eq!(file.status, 200, "{}", file.text());
        (path.to_owned(), unzip(&file.body))
    };
    let line = |at: i64, value: &str| format!("{at},V1,\"Level \"\"total\"\"\",{value}\n");
    let head = "time,pin,name,value\n";
    let (path, text) = fetch("period=WEEK&granularityType=RAW_DATA").await;
    assert_eq!(
        text,
        [head, &line(start, "1"), &line(start + 1_000, "2"), &line(start + 3_600_000, "9")].concat()
    );
    let (_, hourly) = fetch("period=MONTH&granularityType=HOURLY&pin=V1").await;
    assert_eq!(hourly, [head, &line(start, "1.5"), &line(start + 3_600_000, "9")].concat());
    for (source, total) in [("SUM", "12"), ("MIN", "1"), ("MAX", "9"), ("COUNT", "3"), ("AVG", "4")] {
        let (_, daily) =
            fetch(&format!("period=THREE_MONTHS&granularityType=DAILY&sourceType={source}")).await;
        assert_eq!(daily, [head, &line(start, total)].concat(), "{source}");
    }
    let (_, local) = fetch("period=WEEK&format=ISO_SIMPLE&tzName=Asia/Kolkata").await;
    assert!(local.lines().nth(1).unwrap().contains(" 05:30:00,V1"), "{local}");
    let (_, us) = fetch("period=WEEK&format=ISO_US&tzName=UTC").await;
    assert!(us.lines().nth(1).unwrap().contains(" 12:00:00 AM,V1"), "{us}");

    let gone = async |path: &str| request(server.running.plain_addr, "GET", path, &[], None).await.status;
    assert_eq!(gone("/device_reports/unknown.zip").await, 404);
    server.release(&id).await;
    assert_eq!(gone(&path).await, 404);
}

#[tokio::test]
async fn history_is_exported_as_csv() {
    let server = TestServer::start().await;
    let averaged = json!({"name": "Averaged", "type": "double"});
    let (_, id, token) = device_with(&server, &[(1, averaged)]).await;
    let now = unix_ms(server.get(&format!("/api/v1/devices/{id}")).await["created_at"].as_str().unwrap());
    let start = now - now % 60_000 - 600_000;
    for (pin, body) in [
        ("v1", json!([[start, 1], [start + 1, 2]])),
        ("v2", json!([[start, ["a", "b"]], [start + 5, "text \"quoted\""]])),
    ] {
        let answer =
            import(&server, &format!("token={token}&pin={pin}"), "application/json", body.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let path = format!("/api/v1/devices/{id}/export");
    let answer = server.send("GET", &path, None).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/csv; charset=utf-8"));
    let lines: Vec<String> =
        answer.text().lines().map(|line| line.split_once(',').unwrap().1.to_owned()).collect();
    assert_eq!(
        lines,
        [
            "pin,name,value",
            "V1,Averaged,1.5",
            "V2,V2,\"[\"\"a\"\",\"\"b\"\"]\"",
            "V2,V2,\"text \"\"quoted\"\"\"",
        ],
        "raw data is not saved for V1: one mean a minute"
    );
    let one = server.send("GET", &format!("{path}?pin=V2&to=2020-01-01T00:00:00Z"), None).await;
    assert_eq!(one.text(), "time,pin,name,value\n");
    let wrong = server.send("GET", &format!("{path}?step=week"), None).await;
    assert_eq!(wrong.problem_code(), "invalid_request");
}

fn form(boundary: &str, field: &str, name: &str, content: &str) -> String {
    format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n{content}\r\n--{boundary}--\r\n"
    )
}

async fn upload(server: &TestServer, query: &str, boundary: &str, body: String) -> Answer {
    let content_type = format!("multipart/form-data; boundary={boundary}");
    let path = format!("/external/api/upload?{query}");
    send_raw(server.running.plain_addr, "POST", &path, &[("content-type", &content_type)], body).await
}

#[tokio::test]
async fn a_file_is_kept_and_served_by_its_address() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let query = format!("token={token}");
    let answer = upload(&server, &query, "xyz", form("xyz", "upfile", "photo.html", "<script>")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let address = answer.text();
    let path = address.split_at(address.find("/device_uploads/").unwrap()).1.to_owned();
    assert!(path.starts_with(&format!("/device_uploads/{id}/")), "{path}");
    assert_eq!(path.rsplit('.').next(), Some("html"));
    let file = request(server.running.plain_addr, "GET", &path, &[], None).await;
    assert_eq!((file.status, file.text().as_str()), (200, "<script>"));
    assert_eq!(file.header("content-type"), "application/octet-stream");
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"photo.html\"");
    assert_eq!(file.header("x-content-type-options"), "nosniff");

    // The form of a crash dump as new Edgent sends it.
    let dump = form("blynk-esp32-coredump", "upfile", "coredump.bin", "memory");
    let answer = upload(&server, &format!("{query}&type=DUMP"), "blynk-esp32-coredump", dump).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    let files = server.get(&format!("/api/v1/devices/{id}/files")).await;
    assert_eq!(files["items"][0]["kind"], "dump");
    assert_eq!(files["items"][1]["name"], "photo.html");
    let key = files["items"][0]["key"].as_str().unwrap();
    let public = format!("/device_uploads/{id}/{key}.bin");
    assert_eq!(request(server.running.plain_addr, "GET", &public, &[], None).await.status, 404);
    assert_eq!(server.send("GET", &format!("/api/v1/devices/{id}/files/{key}"), None).await.text(), "memory");

    let deleted = async || server.send("DELETE", &format!("/api/v1/devices/{id}/files/{key}"), None).await;
    assert_eq!(deleted().await.status, 204);
    assert_eq!(deleted().await.problem_code(), "file_not_found");
    let left = server.get(&format!("/api/v1/devices/{id}/files")).await;
    assert_eq!(left["items"].as_array().unwrap().len(), 1);

    server.release(&id).await;
    assert_eq!(request(server.running.plain_addr, "GET", &path, &[], None).await.status, 404);
}

#[tokio::test]
async fn an_upload_is_bounded_and_refused_without_a_token() {
    let server = TestServer::start().await;
    let (_, token) = server.create_device().await;
    let query = format!("token={token}");
    let large = "x".repeat(5 * 1024 * 1024 + 1);
    for (query, body, status, message) in [
        ("token=wrong", form("b", "upfile", "a.bin", "x"), 400, "Invalid token."),
        (&query, form("b", "other", "a.bin", "x"), 400, "No file in the field upfile."),
        (&query, form("b", "upfile", "...", "x"), 400, "No file in the field upfile."),
        (&query, "no form".to_owned(), 400, "No file in the field upfile."),
        (&query, form("b", "upfile", "a.bin", &large), 413, "The file is too large."),
        (&format!("{query}&type=OTHER"), form("b", "upfile", "a.bin", "x"), 400, "Wrong type."),
    ] {
        expect_error(&upload(&server, query, "b", body).await, status, message, message);
    }
    let fits = "x".repeat(5 * 1024 * 1024);
    assert_eq!(upload(&server, &query, "b", form("b", "upfile", "a.bin", &fits)).await.status, 200);
}

#[tokio::test]
async fn a_device_that_speaks_http_alone_ends_its_set_up() {
    let server = TestServer::start().await;
    let template = server.create_template().await;
    let session = json!({"template_id": template, "name": "Sensor"});
    let session = server.send("POST", "/api/v1/provisioning-sessions", Some(session)).await.json();
    let token = session["token"].as_str().unwrap();
    expect_error(&call(&server, &format!("get?token={token}&v1")).await, 400, "Invalid token.", "before");
    let wrong = call(&server, &format!("provision?token={token}&templateId=TMPLother")).await;
    expect_error(&wrong, 400, "Wrong templateId.", "another template");
    let extra = "build=Nov%2022%202026&ver=1.2.3&fwType=sensor&blVer=1.4.0&boType=ESP32";
    for _ in 0..2 {
        let answer = call(&server, &format!("provision?token={token}&templateId={template}&{extra}")).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    }
    let id = session["id"].as_str().unwrap();
    let session = server.get(&format!("/api/v1/provisioning-sessions/{id}")).await;
    assert_eq!(session["state"], "claimed");
    let device = server.get(&format!("/api/v1/devices/{}", session["device_id"].as_str().unwrap())).await;
    assert_eq!((&device["ownership"], &device["firmware"]["version"]), (&json!("owned"), &json!("1.2.3")));
    assert_eq!(call(&server, &format!("update?token={token}&v1=1")).await.status, 200);
}

#[tokio::test]
async fn what_the_device_sets_over_one_way_is_there_over_the_other() {
    let server = TestServer::start().await;
    let (_, token) = server.create_device().await;
    let mut device = Device::log_in(&server, &token).await;
    device.send(&frame(INTERNAL, 2, "meta|set|Serial|SN-1")).await;
    device.send(&frame(HARDWARE, 3, "vw|1|12.340")).await;
    device.ping(4).await;
    assert_eq!(
        call(&server, &format!("device/meta?token={token}&metaFieldName=Serial")).await.text(),
        "SN-1"
    );
    assert_eq!(call(&server, &format!("get?token={token}&v1")).await.text(), "12.340");
}
