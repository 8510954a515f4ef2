//! Answers that our own portal never gives, and a cloud with provisioning sessions.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::fake_portal::{CountedPace, FakePortal, Look};
use portal::{Access, Dialect, Trial};
use provision::{
    CloudTarget, Outcome, ParseServerUrlError, PortalClient, Progress, ProvisionError, ProvisionOptions,
    Secret, SessionClient, SessionClientError, Setup, SubmitError, provision,
};

const PASSWORD: &str = "correct horse";
const TOKEN: &str = "TOKEN-SECRET-0123456789abcdefXYZ";
const KEY: &str = "api-key-secret-0123456789";
const OLD_BOARD: &str =
    r#"{"board":"Air","tmpl_id":"TMPL1","fw_ver":"1","ssid":"Blynk Air-1W7R","last_error":0}"#;

/// Answers each request with the next answer and keeps what was asked. The last answer is given again and again.
struct Script {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Script {
    fn start(answers: Vec<(u16, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        // The thread ends with the test's process.
        std::thread::spawn(move || {
            for (index, stream) in listener.incoming().enumerate() {
                let (status, body) = &answers[index.min(answers.len() - 1)];
                let mut stream = stream.unwrap();
                kept.lock().unwrap().push(read_request(&mut stream));
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
                stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut received = Vec::new();
    let mut byte = [0];
    while !received.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        received.push(byte[0]);
    }
    let head = String::from_utf8(received).unwrap().to_ascii_lowercase();
    let length =
        head.split("content-length: ").nth(1).map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    head + str::from_utf8(&body).unwrap()
}

fn setup() -> Setup {
    Setup {
        ssid: b"Home".to_vec(),
        password: Secret::new(PASSWORD.into()),
        pop: None,
        is_save_requested: true,
        is_for_bench: false,
    }
}

fn target() -> CloudTarget {
    CloudTarget { token: Some(Secret::new(TOKEN.into())), host: None, port: None }
}

fn options(session: Option<&SessionClient>) -> ProvisionOptions<'_> {
    let template_id = session.is_some().then_some("TMPL2pVxKmZq");
    ProvisionOptions { template_id, session, follow_for: Duration::from_secs(10) }
}

fn run(portal_url: &str, session: Option<&SessionClient>) -> (Result<Outcome, ProvisionError>, Vec<String>) {
    let portal = PortalClient::new(portal_url).unwrap();
    let target = if session.is_some() { CloudTarget::default() } else { target() };
    let mut lines = Vec::new();
    let mut report = |step: &Progress| lines.push(step.to_string());
    let pace = &mut CountedPace::default();
    let result = provision(&portal, &setup(), &target, &options(session), pace, &mut report);
    for secret in [PASSWORD, TOKEN, KEY] {
        assert!(!format!("{result:?} {lines:?}").contains(secret), "{result:?} {lines:?}");
    }
    (result, lines)
}

#[test]
fn configuration_invalid_is_told_with_its_status() {
    let refusal = r#"{"status":"error","msg":"Configuration invalid"}"#;
    let portal = Script::start(vec![(200, OLD_BOARD.into()), (500, refusal.into())]);
    let (result, _lines) = run(&portal.url, None);
    let error = SubmitError::Refused { status: 500, said: "Configuration invalid".into() };
    assert_eq!(error.to_string(), "the device refused the settings (status 500): \"Configuration invalid\"");
    assert_eq!(result, Err(ProvisionError::Submit(error)));
    assert!(portal.asked()[1].contains("&save=1"));
}

#[test]
fn a_device_that_repeats_secrets_does_not_bring_them_to_the_screen() {
    let refusal = format!(r#"{{"status":"error","msg":"bad {PASSWORD} {TOKEN}"}}"#);
    let portal = Script::start(vec![(200, OLD_BOARD.into()), (500, refusal)]);
    let (result, _lines) = run(&portal.url, None);
    let said = "bad [redacted] [redacted]".into();
    assert_eq!(result, Err(ProvisionError::Submit(SubmitError::Refused { status: 500, said })));
}

#[test]
fn a_captive_portal_is_no_device() {
    let portal = Script::start(vec![(200, "<html>Please sign in</html>".into())]);
    let (result, _lines) = run(&portal.url, None);
    assert!(matches!(result, Err(ProvisionError::NotADevice(_))), "{result:?}");
}

fn created() -> String {
    format!(
        r#"{{"id":"S1","template_id":"TMPL2pVxKmZq","token":"{TOKEN}","claim_code":null,"host":"cloud.example","port":8443,
        "uses_tls":true,"expires_at":"2026-11-22T10:15:30.250Z","deep_link":"http://192.168.4.1/#blynk={TOKEN}"}}"#
    )
}

fn session(state: &str, device_id: &str) -> String {
    format!(
        r#"{{"id":"S1","template_id":"TMPL2pVxKmZq","state":"{state}","device_id":{device_id},
        "steps":[{{"at":"2026-11-22T10:15:30.250Z","step":"device_logged_in","code":null,"message":"The device logged in."}}],
        "created_at":"2026-11-22T10:15:30.250Z","expires_at":"2026-11-22T10:15:30.250Z"}}"#
    )
}

fn quiet_portal() -> FakePortal {
    let quiet = Look::Says { state: "CONNECTING_NET", trial: Trial::Running, last_error: 0 };
    FakePortal::start(Dialect::Rehome, Access::Provisioning, vec![quiet])
}

fn client(url: &str) -> SessionClient {
    SessionClient::new(url, Secret::new(KEY.into()), None).unwrap()
}

#[test]
fn a_session_gives_token_and_server_and_is_watched_to_the_end() {
    let cloud = Script::start(vec![
        (201, created()),
        (200, session("open", "null")),
        (200, session("claimed", "\"D1\"")),
    ]);
    let portal = quiet_portal();
    let (result, lines) = run(&portal.url, Some(&client(&cloud.url)));
    assert_eq!(result, Ok(Outcome::Connected { device_id: Some("D1".into()) }));
    assert_eq!(lines.iter().filter(|line| *line == "cloud: The device logged in.").count(), 1);
    let form = portal.submitted()[0].form.clone().unwrap();
    assert_eq!(form.token.unwrap().expose().as_str(), TOKEN);
    assert_eq!((form.host.unwrap().as_str(), form.port), ("cloud.example", Some(8443)));
    let asked = cloud.asked();
    assert!(asked[0].starts_with("post /api/v1/provisioning-sessions "));
    assert!(asked[0].contains(&format!("authorization: bearer {KEY}")));
    assert!(asked[0].ends_with(r#"{"template_id":"TMPL2pVxKmZq","name":null}"#));
    assert!(asked[2].starts_with("get /api/v1/provisioning-sessions/s1 "));
    assert_eq!(asked.len(), 3);
}

#[test]
fn a_session_that_no_device_claims_is_cancelled_at_the_end() {
    let cloud = Script::start(vec![(201, created()), (200, session("open", "null"))]);
    let portal = quiet_portal();
    let (result, _lines) = run(&portal.url, Some(&client(&cloud.url)));
    assert!(matches!(result, Ok(Outcome::SessionEnded { .. })), "{result:?}");
    assert!(cloud.asked().last().unwrap().starts_with("delete /api/v1/provisioning-sessions/s1 "));
}

#[test]
fn a_refusal_of_the_cloud_is_told_in_its_words_and_nothing_is_sent_to_the_device() {
    let problem = r#"{"type":"about:blank","title":"t","status":404,"code":"template_not_found","detail":"No template."}"#;
    let cloud = Script::start(vec![(404, problem.into())]);
    let portal = quiet_portal();
    let (result, _lines) = run(&portal.url, Some(&client(&cloud.url)));
    let error = SessionClientError::Refused { status: 404, detail: "No template.".into() };
    assert_eq!(result, Err(ProvisionError::Session(error)));
    assert!(portal.submitted().is_empty());
}

#[test]
fn the_key_travels_in_clear_text_to_this_computer_only() {
    let key = || Secret::new(KEY.into());
    let refused = SessionClient::new("http://rehome.example", key(), None);
    assert!(matches!(refused, Err(ParseServerUrlError::ClearText)));
    assert!(SessionClient::new("https://rehome.example", key(), None).is_ok());
    assert!(SessionClient::new("http://127.0.0.1:8080", key(), None).is_ok());
    let no_certificate = SessionClient::new("https://rehome.example", key(), Some(b"no PEM"));
    assert!(matches!(no_certificate, Err(ParseServerUrlError::Certificates)));
}
