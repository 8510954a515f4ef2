//! History as the maker and the owner reach it: read, imported, erased; and files and properties beside it.

use serde_json::{Value, json};

use crate::datastreams::device_with;
use crate::harness::TestServer;
use crate::http_client::{Answer, send_raw};

const MINUTE_MS: i64 = 60_000;

/// A whole hour at least two hours ago, in Unix milliseconds.
fn an_hour_ago(server: &TestServer) -> i64 {
    let now = server.clock.now().utc.unix_ms();
    now - now % 3_600_000 - 2 * 3_600_000
}

async fn import(server: &TestServer, id: &str, file: String) -> Answer {
    import_as(server, id, file, &[("content-type", "text/csv")]).await
}

async fn import_as(server: &TestServer, id: &str, file: String, headers: &[(&str, &str)]) -> Answer {
    let authorization = format!("Bearer {}", server.key);
    let headers = [headers, &[("authorization", authorization.as_str())]].concat();
    send_raw(server.running.plain_addr, "POST", &format!("/api/v1/devices/{id}/history"), &headers, file)
        .await
}

async fn points(server: &TestServer, path: &str) -> Vec<Value> {
    server.get(path).await["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn history_is_read_raw_and_by_minute_hour_and_day() {
    let server = TestServer::start().await;
    let (_, id, _) = device_with(&server, &[]).await;
    let start = an_hour_ago(&server);
    let lines = [(0, "1"), (30_000, "3"), (MINUTE_MS, "on"), (61 * MINUTE_MS, "8")];
    let file: Vec<String> =
        lines.iter().map(|(after, value)| format!("{},V1,{value}\n", start + after)).collect();
    assert_eq!(import(&server, &id, file.concat()).await.json(), json!({"points": 4}));

    let path = format!("/api/v1/devices/{id}/datastreams/V1/history");
    let raw = points(&server, &path).await;
    let values: Vec<&Value> = raw.iter().map(|point| &point["value"]).collect();
    assert_eq!(values, ["1", "3", "on", "8"]);
    assert!(raw.iter().all(|point| point["numbers"].is_null()));

    let minutes = points(&server, &format!("{path}?period=minute")).await;
    assert_eq!(minutes.len(), 2, "{minutes:?}");
    assert_eq!(minutes[0]["at"], raw[0]["at"]);
    let first = json!({"count": 2, "min": 1.0, "max": 3.0, "mean": 2.0, "last": 3.0});
    assert_eq!((&minutes[0]["numbers"], &minutes[0]["value"]), (&first, &Value::Null));
    assert_eq!(points(&server, &format!("{path}?period=hour")).await.len(), 2);
    let days = points(&server, &format!("{path}?period=day")).await;
    let counted: u64 = days.iter().map(|day| day["numbers"]["count"].as_u64().unwrap()).sum();
    assert_eq!(counted, 3, "{days:?}");

    // Both ways to write a time; `to` counts no more.
    let from = raw[1]["at"].as_str().unwrap();
    let stretch = points(&server, &format!("{path}?from={from}&to={}", start + 61 * MINUTE_MS)).await;
    assert_eq!(stretch, raw[1..3]);
    // Page by page it is the same.
    let mut cursor = String::new();
    for point in &raw {
        let page = server.get(&format!("{path}?limit=1{cursor}")).await;
        assert_eq!(page["items"], json!([point]));
        cursor = format!("&cursor={}", page["next_cursor"].as_str().unwrap_or_default());
    }
    assert_eq!(cursor, "&cursor=", "the last page says that it is the last");
}

#[tokio::test]
async fn a_question_about_history_that_makes_no_sense_is_refused() {
    let server = TestServer::start().await;
    let (_, id, _) = device_with(&server, &[]).await;
    let path = format!("/api/v1/devices/{id}/datastreams/V1/history");
    assert_eq!(points(&server, &path).await, [] as [Value; 0]);
    for query in ["period=week", "from=yesterday", "from=2&to=1", "limit=0", "limit=10001", "cursor=x", "x=1"]
    {
        let answer = server.send("GET", &format!("{path}?{query}"), None).await;
        assert_eq!((answer.status, answer.problem_code().as_str()), (422, "invalid_request"), "{query}");
    }
    let pin = server.send("GET", &path.replace("V1", "V256"), None).await;
    assert_eq!(pin.problem_code(), "invalid_request");
    let nobody = server.send("GET", &path.replace(&id, "DEV0000000000000000"), None).await;
    assert_eq!(nobody.problem_code(), "device_not_found");
    let refused = server.send("DELETE", &format!("{path}?from=soon"), None).await;
    assert_eq!(refused.problem_code(), "invalid_request");
}

#[tokio::test]
async fn a_stretch_or_everything_is_erased_and_the_audit_says_who_did_it() {
    let server = TestServer::start().await;
    let (_, id, _) = device_with(&server, &[]).await;
    let start = an_hour_ago(&server);
    let file = (0..4).flat_map(|minute| {
        ["V1", "V2"].map(|pin| format!("{},{pin},{minute}\n", start + minute * MINUTE_MS))
    });
    assert_eq!(import(&server, &id, file.collect()).await.status, 200);
    let path = |pin: u8| format!("/api/v1/devices/{id}/datastreams/{pin}/history");
    let counts = async || (points(&server, &path(1)).await.len(), points(&server, &path(2)).await.len());

    let stretch = format!("{}?from={}&to={}", path(1), start + MINUTE_MS, start + 3 * MINUTE_MS);
    assert_eq!(server.send("DELETE", &stretch, None).await.status, 204);
    assert_eq!(counts().await, (2, 4));
    let hours = points(&server, &format!("{}?period=hour", path(1))).await;
    assert_eq!(hours[0]["numbers"]["count"], 2, "hours are made again from what is left");
    assert_eq!(server.send("DELETE", &path(1), None).await.status, 204);
    assert_eq!(counts().await, (0, 4));
    assert_eq!(server.send("DELETE", &format!("/api/v1/devices/{id}/history"), None).await.status, 204);
    assert_eq!(counts().await, (0, 0));
    let last = server.get(&format!("/api/v1/devices/{id}/datastreams/2")).await;
    assert_eq!(last["value"], "3", "last values stay");

    let audit = server.get("/api/v1/audit").await;
    let erased: Vec<_> = audit["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["action"] == "history.erase")
        .collect();
    let details: Vec<&Value> = erased.iter().map(|entry| &entry["detail"]).collect();
    assert_eq!(details, ["every pin", "V1", "V1"]);
    assert!(erased.iter().all(|entry| entry["subject"] == json!(id)));
}

#[tokio::test]
async fn an_import_takes_what_an_export_wrote_and_nothing_of_a_file_with_a_mistake() {
    let server = TestServer::start().await;
    let level = json!({"name": "Level", "type": "integer", "max": 100, "save_raw_data": true});
    let (_, id, _) = device_with(&server, &[(1, level.clone())]).await;
    let start = an_hour_ago(&server);
    let file = format!("time,pin,value\n{start},V1,250\n{},V2,\"a, b\"\n", start + 1);
    assert_eq!(import(&server, &id, file.clone()).await.status, 200);
    assert_eq!(server.get(&format!("/api/v1/devices/{id}/datastreams/1")).await["value"], "100");

    let bad = import(&server, &id, format!("{file}{start},V1,warm\n{start},V3,1\nsoon,V3,1\n")).await;
    assert_eq!((bad.status, bad.problem_code().as_str()), (422, "invalid_request"));
    let detail = bad.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.starts_with("Nothing was stored, because line 4: the datastream takes numbers; line 6:"),
        "{detail}"
    );
    assert_eq!(
        points(&server, &format!("/api/v1/devices/{id}/datastreams/3/history")).await,
        [] as [Value; 0]
    );

    let export =
        async |id: &str| server.send("GET", &format!("/api/v1/devices/{id}/export"), None).await.text();
    let exported = export(&id).await;
    let (_, other, _) = device_with(&server, &[(1, level)]).await;
    assert_eq!(import(&server, &other, exported.clone()).await.json(), json!({"points": 2}));
    assert_eq!(export(&other).await, exported);
}

#[tokio::test]
async fn an_import_is_bounded_counts_once_and_ends_with_the_ownership() {
    let server = TestServer::start().await;
    let (_, id, _) = device_with(&server, &[]).await;
    let start = an_hour_ago(&server);
    // Larger than any JSON body may be.
    let file: Vec<String> = (0..5_000).map(|number| format!("{},V1,{number}\n", start + number)).collect();
    let file = file.concat();
    assert!(file.len() > 64 * 1024);
    for replayed in ["", "true"] {
        let headers = [("content-type", "text/csv"), ("idempotency-key", "import-1")];
        let answer = import_as(&server, &id, file.clone(), &headers).await;
        assert_eq!(answer.json(), json!({"points": 5_000}));
        assert_eq!(answer.header("idempotent-replayed"), replayed);
    }
    let hours = points(&server, &format!("/api/v1/devices/{id}/datastreams/1/history?period=hour")).await;
    assert_eq!(hours[0]["numbers"]["count"], 5_000);

    let json = import_as(&server, &id, "[]".to_owned(), &[("content-type", "application/json")]).await;
    assert_eq!(json.problem_code(), "unsupported_media_type");
    let large = import(&server, &id, "x".repeat(2 * 1024 * 1024 + 1)).await;
    assert_eq!(large.problem_code(), "body_too_large");
    server.release(&id).await;
    assert_eq!(import(&server, &id, format!("{start},V1,1\n")).await.problem_code(), "device_released");
}

#[tokio::test]
async fn a_property_is_set_and_reset_by_the_maker() {
    let server = TestServer::start().await;
    let (_, id, _) = device_with(&server, &[]).await;
    let path = |property: &str| format!("/api/v1/devices/{id}/datastreams/V1/properties/{property}");
    let set = server.send("PUT", &path("color"), Some(json!({"value": "#FF0000"}))).await;
    assert_eq!((set.status, &set.json()["value"]), (200, &json!("#FF0000")), "{}", set.text());
    assert_eq!(server.send("PUT", &path("labels"), Some(json!({"value": ["A", "B"]}))).await.status, 200);
    let listed = async || points(&server, &format!("/api/v1/devices/{id}/properties")).await;
    let all = listed().await;
    assert_eq!(all[0], set.json());
    assert_eq!(all[1]["value"], json!(["A", "B"]));
    let unknown = server.send("PUT", &path("nonsense"), Some(json!({"value": "x"}))).await;
    assert_eq!(unknown.problem_code(), "invalid_request");
    for _ in 0..2 {
        assert_eq!(server.send("DELETE", &path("color"), None).await.status, 204);
    }
    assert_eq!(listed().await, all[1..]);
    server.release(&id).await;
    let late = server.send("PUT", &path("color"), Some(json!({"value": "#FF0000"}))).await;
    assert_eq!(late.problem_code(), "device_released");
}
