//! `rehome up`: cloud, console and bench in one process, on a folder that exists already.

use std::fs;
use std::time::Instant;

use serde_json::{Value, json};

use crate::server::{TestServer, ask, http_agent};

const DEMO_BOARDS: [&str; 3] = ["rehome", "edgent-old", "edgent-new"];
const WORKSHOP_SSID: &str = "Workshop";
const WORKSHOP_PASSWORD: &str = "solder-and-coffee";

/// Starts on a new folder, stops, and starts again; prints how long the second start took.
fn up_on_an_existing_folder() -> TestServer {
    let mut server = TestServer::up();
    server.stop();
    let started = Instant::now();
    server.start_again();
    assert_eq!(server.ask("GET", "/", &[], None).unwrap().status, 200);
    println!("`rehome up` answered HTTP {} ms after it was started", started.elapsed().as_millis());
    server
}

fn items(server: &TestServer, path: &str) -> Vec<Value> {
    server.get(path)["items"].as_array().unwrap().clone()
}

#[test]
fn up_on_an_existing_folder_shows_the_demo_world_and_a_link_that_works_once() {
    let server = up_on_an_existing_folder();
    let sign_in = || {
        let body = json!({"code": server.sign_in_code});
        server.ask("POST", "/api/v1/auth/link", &[], Some(body)).unwrap()
    };
    let signed_in = sign_in();
    signed_in.expect(204);
    let cookie = signed_in.set_cookie.split(';').next().unwrap();
    server.note_secret(cookie.split_once('=').unwrap().1);
    assert_eq!(sign_in().expect(401)["code"], "sign_in_link_over");
    let with_cookie = |path| server.ask("GET", path, &[("cookie", cookie)], None).unwrap();
    assert_eq!(with_cookie("/api/v1/server").expect(200)["bench"], true);
    assert_eq!(server.ask("GET", "/api/v1/devices", &[], None).unwrap().status, 401);

    assert_eq!(items(&server, "/api/v1/templates").len(), 1, "the second start makes no second template");
    let places = items(&server, "/bench/v1/places");
    let names: Vec<&str> = places.iter().map(|place| place["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Workshop", "Customer's home"]);
    let boards = items(&server, "/bench/v1/boards");
    let firmware: Vec<&str> = boards.iter().map(|board| board["firmware"].as_str().unwrap()).collect();
    assert_eq!(firmware, DEMO_BOARDS);
    assert!(boards.iter().all(|board| board["powered"] == false), "{boards:#?}");
}

/// A Rehome board that was set up in the workshop, and where the APIs have it.
struct SetUpBoard {
    token: String,
    board_path: String,
    device_path: String,
}

/// Sets the Rehome board up through its portal and waits until it is online.
fn set_up_rehome_board(server: &TestServer) -> SetUpBoard {
    server.note_secret(WORKSHOP_PASSWORD);
    let template_id = items(server, "/api/v1/templates")[0]["id"].clone();
    let session_body = json!({"template_id": template_id, "name": "Air Monitor 1"});
    let session = server.send("POST", "/api/v1/provisioning-sessions", Some(session_body)).expect(201);
    let token = session["token"].as_str().unwrap();
    server.note_secret(token);

    let boards = items(server, "/bench/v1/boards");
    let board = boards.iter().find(|board| board["firmware"] == "rehome").unwrap();
    let board_path = format!("/bench/v1/boards/{}", board["id"].as_str().unwrap());
    server.send("POST", &format!("{board_path}/power"), Some(json!({"on": true}))).expect(200);
    let waiting = server.wait_for(&board_path, |seen| seen["portal_url"].is_string());
    assert_eq!(waiting["state"], "WAIT_CONFIG");
    set_up(waiting["portal_url"].as_str().unwrap(), &session);

    server.wait_for(&board_path, |seen| seen["state"] == "RUNNING" && seen["network_ssid"] == WORKSHOP_SSID);
    let session_path = format!("/api/v1/provisioning-sessions/{}", session["id"].as_str().unwrap());
    let claimed = server.wait_for(&session_path, |seen| seen["state"] == "claimed");
    let device_path = format!("/api/v1/devices/{}", claimed["device_id"].as_str().unwrap());
    let device = server.wait_for(&device_path, |seen| seen["online"] == true);
    assert_eq!((&device["name"], &device["template_id"]), (&json!("Air Monitor 1"), &template_id));
    SetUpBoard { token: token.to_owned(), board_path, device_path }
}

#[test]
fn a_rehome_board_set_up_through_its_portal_comes_online_and_its_value_is_in_the_cloud() {
    let server = TestServer::up();
    let SetUpBoard { token, board_path, device_path } = set_up_rehome_board(&server);
    let has_value = |seen: &Value| {
        let items = seen["items"].as_array().unwrap();
        items
            .iter()
            .any(|item| item["pin"] == 0 && item["value"].as_str().is_some_and(|text| !text.is_empty()))
    };
    server.wait_for(&format!("{device_path}/datastreams"), has_value);

    let serial = server.send("GET", &format!("{board_path}/serial"), None).text;
    assert!(serial.contains("=> RUNNING"), "{serial}");
    assert!(!serial.contains(&token) && !serial.contains(WORKSHOP_PASSWORD), "a secret is in the serial log");
}

#[test]
fn a_shipped_firmware_is_fetched_over_tls_tried_and_confirmed_by_a_rehome_board() {
    let server = TestServer::up();
    let SetUpBoard { board_path, device_path, .. } = set_up_rehome_board(&server);
    let device = server.wait_for(&device_path, |seen| seen["firmware"]["version"] == "0.1.0");
    let template_id = device["template_id"].as_str().unwrap();
    let tag = format!("blnkinf\0mcu\x009.9.9\0fw-type\0{template_id}\0build\0Nov 22 2026 16:00:00\0\0");
    let image = format!("{}{tag}{}", "code".repeat(2_000), "more".repeat(2_000));
    let uploaded = server.upload("/api/v1/firmware?file_name=new.bin", image).expect(201);
    let body = json!({"name": "Autumn", "template_id": template_id, "firmware_id": uploaded["id"]});
    let shipment = server.send("POST", "/api/v1/shipments", Some(body)).expect(201);

    let deliveries = format!("/api/v1/shipments/{}/deliveries", shipment["id"].as_str().unwrap());
    server.wait_for(&deliveries, |seen| seen["items"][0]["state"] == "success");
    assert_eq!(server.get(&device_path)["firmware"]["version"], "9.9.9");
    let serial = server.send("GET", &format!("{board_path}/serial"), None).text;
    for line in ["This firmware is on trial, after 0.1.0", "Firmware 9.9.9 confirmed"] {
        assert!(serial.contains(line), "{line} is missing:\n{serial}");
    }
}

/// Fills in the portal's form as a phone does, over real HTTP.
fn set_up(portal: &str, session: &Value) {
    let agent = http_agent();
    let info = ask(&agent, "GET", &format!("{portal}board_info.json"), &[], None).unwrap();
    assert_eq!(info.status, 200, "{}", info.text);
    let scan = ask(&agent, "GET", &format!("{portal}wifi_scan.json"), &[], None).unwrap();
    assert!(scan.text.contains(WORKSHOP_SSID), "{}", scan.text);
    let form = format!(
        "ssid={WORKSHOP_SSID}&pass={WORKSHOP_PASSWORD}&blynk={}&host={}&port_ssl={}",
        session["token"].as_str().unwrap(),
        session["host"].as_str().unwrap(),
        session["port"]
    );
    let body = ("application/x-www-form-urlencoded", form);
    let taken = ask(&agent, "POST", &format!("{portal}config"), &[], Some(body)).unwrap();
    assert_eq!(taken.status, 200, "{}", taken.text);
}

#[test]
fn an_idle_server_tells_how_much_memory_it_takes() {
    let server = TestServer::serve();
    assert_eq!(server.ask("GET", "/healthz", &[], None).unwrap().status, 200);
    let status =
        fs::read_to_string(format!("/proc/{}/status", server.process().pid().as_raw_nonzero())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap().trim();
    println!("an idle `rehome serve` has {resident} resident");
}
