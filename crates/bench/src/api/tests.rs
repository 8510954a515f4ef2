#[test]
fn the_committed_openapi_document_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let current = super::openapi_json();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == current, "openapi.json is stale: run this test with UPDATE_OPENAPI=1");
}

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::handle::BenchHandle;
use crate::live_stage::start;

async fn call(handle: &BenchHandle, method: Method, path: &str, body: Option<Value>) -> Response {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "127.0.0.1:8080")
        .header(header::CONTENT_TYPE, "application/json")
        .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))
        .unwrap();
    super::router(handle.clone()).oneshot(request).await.unwrap()
}

async fn call_json(
    handle: &BenchHandle,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> (StatusCode, Value) {
    let response = call(handle, method, path, body).await;
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

async fn add_place(handle: &BenchHandle) -> Value {
    let place = json!({"name": "Desk", "networks": [
        {"ssid": "Desk net", "password": "secret-of-the-desk", "security": "wpa2", "internet": true},
        {"ssid": "Guests", "security": "open", "internet": false},
    ]});
    let (status, body) = call_json(handle, Method::POST, "/bench/v1/places", Some(place)).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    body
}

async fn add_board(handle: &BenchHandle, place: &Value) -> Value {
    let board = json!({"firmware": "rehome", "template_id": "TMPLapi", "mac": "24:6F:28:AA:BB:CC", "button": true,
        "place": place["id"], "name": "Board"});
    let (status, body) = call_json(handle, Method::POST, "/bench/v1/boards", Some(board)).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    body
}

#[tokio::test]
async fn places_and_routers_are_set_up_and_no_answer_tells_a_password() {
    let handle = start(None, None, "");
    let place = add_place(&handle).await;
    assert!(!place.to_string().contains("secret-of-the-desk"), "{place}");
    let path = format!("/bench/v1/places/{}/networks/Desk%20net", place["id"].as_str().unwrap());
    let (status, changed) = call_json(&handle, Method::POST, &path, Some(json!({"up": false}))).await;
    assert_eq!((status, &changed["networks"][0]["up"]), (StatusCode::OK, &json!(false)));
    assert_eq!(changed["networks"][0]["internet"], json!(true));
    let (_, list) = call_json(&handle, Method::GET, "/bench/v1/places", None).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["next_cursor"], Value::Null);
}

#[tokio::test]
async fn a_board_is_made_powered_moved_read_and_removed() {
    let handle = start(None, None, "");
    let place = add_place(&handle).await;
    let board = add_board(&handle, &place).await;
    assert_eq!((&board["state"], &board["powered"]), (&json!("OFF"), &json!(false)));
    let path = format!("/bench/v1/boards/{}", board["id"].as_str().unwrap());
    let (_, on) = call_json(&handle, Method::POST, &format!("{path}/power"), Some(json!({"on": true}))).await;
    assert_eq!(on["powered"], json!(true));
    let id = crate::board::BoardId(board["id"].as_str().unwrap().to_owned());
    crate::live_stage::portal_address(&handle, &id).await;
    let (_, shown) = call_json(&handle, Method::GET, &path, None).await;
    assert_eq!(shown["hotspot"]["ssid"], json!("Blynk Demo-1W7R"));
    assert!(shown["portal_url"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    assert_eq!(shown["recovery_open"], json!(false));
    let (_, moved) =
        call_json(&handle, Method::POST, &format!("{path}/move"), Some(json!({"place": null}))).await;
    assert_eq!(moved["place"], Value::Null);
    let (status, _) =
        call_json(&handle, Method::POST, &format!("{path}/button"), Some(json!({"hold_ms": 50}))).await;
    assert_eq!(status, StatusCode::OK);
    let (_, summary) = call_json(&handle, Method::GET, &format!("{path}/flash/summary"), None).await;
    assert_eq!((&summary["home_stored"], &summary["secrets_found"]), (&json!(false), &json!(false)));
    let serial = call(&handle, Method::GET, &format!("{path}/serial"), None).await;
    let serial = axum::body::to_bytes(serial.into_body(), 1 << 20).await.unwrap();
    assert!(String::from_utf8_lossy(&serial).contains("AP SSID: Blynk Demo-1W7R"));
    let flash = call(&handle, Method::GET, &format!("{path}/flash"), None).await;
    assert_eq!(flash.headers()[header::CONTENT_TYPE], "application/octet-stream");
    let image = axum::body::to_bytes(flash.into_body(), 1 << 20).await.unwrap();
    assert_eq!(json!(image.len()), summary["image_bytes"]);
    let (status, _) = call_json(&handle, Method::DELETE, &path, None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, problem) = call_json(&handle, Method::GET, &path, None).await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("board_not_found")));
}

#[tokio::test]
async fn refusals_are_problem_documents_with_a_stable_code() {
    let handle = start(None, None, "");
    let place = add_place(&handle).await;
    let board = json!({"firmware": "rehome", "template_id": "TMPLapi"});
    let with = |key: &str, value: Value| {
        let mut board = board.clone();
        board[key] = value;
        board
    };
    for (path, body, status, code) in [
        ("/bench/v1/boards", with("mac", json!("24:6F")), 422, "invalid_input"),
        ("/bench/v1/boards", with("template_id", json!("nope")), 422, "invalid_input"),
        ("/bench/v1/boards", with("place", json!("nowhere")), 404, "place_not_found"),
        ("/bench/v1/boards", with("firmware", json!("toaster")), 422, "invalid_input"),
        ("/bench/v1/boards", with("patched", json!(true)), 422, "invalid_input"),
        ("/bench/v1/boards", with("colour", json!("red")), 422, "invalid_input"),
        ("/bench/v1/boards/none/power", json!({"on": true}), 404, "board_not_found"),
        ("/bench/v1/places", json!({"name": "", "networks": []}), 422, "invalid_input"),
    ] {
        let response = call(&handle, Method::POST, path, Some(body.clone())).await;
        assert_eq!(response.status().as_u16(), status, "{body}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let problem: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(problem["code"], code, "{body}");
    }
    let path = format!("/bench/v1/places/{}/networks/Nope", place["id"].as_str().unwrap());
    let (status, problem) = call_json(&handle, Method::POST, &path, Some(json!({"up": true}))).await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("network_not_found")));
}

#[tokio::test]
async fn pages_of_other_origins_and_rebound_names_are_refused_on_every_route() {
    let handle = start(None, None, "");
    for (host, origin) in [("evil.example", None), ("127.0.0.1:8080", Some("http://evil.example"))] {
        let mut request = Request::builder().uri("/bench/v1/boards").header(header::HOST, host);
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        let response =
            super::router(handle.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert!(response.status().is_client_error(), "{host} {origin:?}");
    }
}

#[tokio::test]
async fn followers_see_changes_and_serial_output_as_they_happen() {
    use futures_util::StreamExt as _;
    let handle = start(None, None, "");
    let place = add_place(&handle).await;
    let board = add_board(&handle, &place).await;
    let path = format!("/bench/v1/boards/{}", board["id"].as_str().unwrap());
    let mut events =
        call(&handle, Method::GET, "/bench/v1/events", None).await.into_body().into_data_stream();
    let mut serial = call(&handle, Method::GET, &format!("{path}/serial?follow"), None)
        .await
        .into_body()
        .into_data_stream();
    call(&handle, Method::POST, &format!("{path}/power"), Some(json!({"on": true}))).await;
    let deadline = std::time::Duration::from_secs(20);
    for (stream, wanted) in
        [(&mut events, "\"state\":\"WAIT_CONFIG\""), (&mut serial, "AP URL:  blynk.setup")]
    {
        let mut text = String::new();
        while !text.contains(wanted) {
            let chunk = tokio::time::timeout(deadline, stream.next()).await.unwrap().unwrap().unwrap();
            text.push_str(&String::from_utf8_lossy(&chunk));
        }
    }
}

#[tokio::test]
async fn bench_time_runs_as_fast_as_it_is_told() {
    let handle = start(None, None, "");
    let (_, time) = call_json(&handle, Method::POST, "/bench/v1/time", Some(json!({"scale": 50.0}))).await;
    assert_eq!(time["scale"], json!(50.0));
    let (_, time) = call_json(&handle, Method::GET, "/bench/v1/time", None).await;
    assert_eq!(time["scale"], json!(50.0));
}
