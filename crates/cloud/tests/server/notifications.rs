//! Notifications: signed calls of webhooks and e-mails, tried again until they are delivered or given up.

use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::events::{device_of, put_event};
use crate::harness::{DEADLINE, TestServer, captured_logs};
use crate::hook_listener::{MailTls, Received, listen_for_calls, listen_for_mail};
use crate::http_client::request;

const PASSWORD: &str = "horse-battery-of-this-test";

async fn local_listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn allow_private(config: &mut cloud::Config) {
    config.webhooks_to_private_addresses = true;
}

/// A template whose event `alarm` notifies by every way, with one device.
struct Watched {
    template: String,
    id: String,
    token: String,
}

impl Watched {
    async fn new(server: &TestServer) -> Self {
        let template = server.create_template().await;
        let notifying = json!({"email": true, "webhooks": true});
        let settings = json!({"type": "critical", "show_on_timeline": true, "notifying": notifying});
        put_event(server, &template, "alarm", settings, 201).await;
        let (id, token) = device_of(server, &template).await;
        Self { template, id, token }
    }

    async fn add_webhook(&self, server: &TestServer, port: u16) -> (u64, String) {
        let path = format!("/api/v1/templates/{}/webhooks", self.template);
        let body = json!({"name": "Hook", "url": format!("http://127.0.0.1:{port}/in?a=b")});
        let answer = server.send("POST", &path, Some(body)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let created = answer.json();
        (created["webhook"]["id"].as_u64().unwrap(), created["secret"].as_str().unwrap().to_owned())
    }

    async fn set_recipients(&self, server: &TestServer, addresses: &[&str]) {
        let path = format!("/api/v1/templates/{}/recipients", self.template);
        let answer = server.send("PUT", &path, Some(json!({"email": addresses}))).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    async fn log(&self, server: &TestServer, description: &str) {
        let path =
            format!("/external/api/logEvent?token={}&code=alarm&description={description}", self.token);
        assert_eq!(request(server.running.plain_addr, "GET", &path, &[], None).await.status, 200);
    }
}

async fn notifications(server: &TestServer, state: &str) -> Vec<Value> {
    let page = server.get(&format!("/api/v1/notifications?state={state}")).await;
    page["items"].as_array().unwrap().clone()
}

/// Waits until so many notifications failed so often.
async fn wait_for_attempts(server: &TestServer, attempts: u64) -> Value {
    let path = "/api/v1/notifications?state=waiting";
    let page = server.wait_for(path, |page| page["items"][0]["attempts"] == attempts).await;
    page["items"][0].clone()
}

async fn wait_until_none_waits(server: &TestServer) {
    server.wait_for("/api/v1/notifications?state=waiting", |page| page["items"] == json!([])).await;
}

fn header<'a>(call: &'a str, name: &str) -> &'a str {
    let prefix = format!("{name}: ");
    call.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_else(|| panic!("{name}: {call}"))
}

fn expected_signature(secret: &str, call: &str) -> String {
    let (_, body) = call.split_once("\r\n\r\n").unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{}.{body}", header(call, "rehome-timestamp")).as_bytes());
    let bytes = mac.finalize().into_bytes();
    bytes.iter().fold("v1=".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

#[tokio::test]
async fn a_webhook_is_called_with_a_signature_that_its_secret_verifies() {
    let server = TestServer::start_with(allow_private).await;
    let watched = Watched::new(&server).await;
    let (listener, port) = local_listener().await;
    let calls = listen_for_calls(listener, &[]).await;
    let (_, secret) = watched.add_webhook(&server, port).await;
    watched.log(&server, "T%3D36").await;
    let call = calls.wait_for(1).await.remove(0);
    assert!(call.starts_with("POST /in?a=b HTTP/1.1\r\n"), "{call}");
    assert_eq!(header(&call, "host"), format!("127.0.0.1:{port}"));
    assert_eq!(header(&call, "rehome-signature"), expected_signature(&secret, &call));
    let signed_at: i64 = header(&call, "rehome-timestamp").parse().unwrap();
    assert!((server.clock.now().utc.unix_ms() / 1_000 - signed_at).abs() < 60);
    let body: Value = serde_json::from_str(call.split_once("\r\n\r\n").unwrap().1).unwrap();
    let expected = json!({
        "type": "critical", "code": "alarm", "title": "Too hot", "description": "T=36", "at": body["at"],
        "device": {"id": watched.id, "name": "Lamp 1"}, "template": {"id": watched.template},
    });
    assert_eq!(body, expected);
    wait_until_none_waits(&server).await;
    assert_eq!(notifications(&server, "dead").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_secret_is_shown_once_and_again_only_to_the_same_request() {
    let server = TestServer::start_with(allow_private).await;
    let watched = Watched::new(&server).await;
    let path = format!("/api/v1/templates/{}/webhooks", watched.template);
    let body = json!({"name": "Hook", "url": "https://example.org/in"});
    let first = server.send_keyed(&path, "once", body.clone()).await;
    let again = server.send_keyed(&path, "once", body).await;
    assert_eq!((first.status, &first.body), (201, &again.body));
    let listed = server.get(&path).await;
    assert_eq!(listed["items"], json!([first.json()["webhook"]]));
    assert!(!listed.to_string().contains(first.json()["secret"].as_str().unwrap()));
}

#[tokio::test]
async fn a_call_that_failed_is_repeated_after_a_wait_and_redirects_are_not_followed() {
    let server = TestServer::start_with(allow_private).await;
    let watched = Watched::new(&server).await;
    let (listener, port) = local_listener().await;
    let calls = listen_for_calls(listener, &[500, 307]).await;
    watched.add_webhook(&server, port).await;
    watched.log(&server, "first").await;
    let waiting = wait_for_attempts(&server, 1).await;
    assert!(waiting["last_error"].as_str().unwrap().contains("it answered 500"), "{waiting}");
    assert_eq!(calls.count(), 1, "not before its time");
    server.clock.advance(Duration::from_secs(38));
    let waiting = wait_for_attempts(&server, 2).await;
    assert!(waiting["last_error"].as_str().unwrap().contains("redirects are not followed"), "{waiting}");
    server.clock.advance(Duration::from_secs(76));
    let calls = calls.wait_for(3).await;
    wait_until_none_waits(&server).await;
    let ids: Vec<&str> = calls.iter().map(|call| header(call, "rehome-notification")).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert!(calls.iter().all(|call| call.starts_with("POST /in?a=b ")), "{calls:?}");
}

#[tokio::test]
async fn a_notification_is_given_up_after_twelve_attempts_and_can_be_tried_again_or_deleted() {
    let server = TestServer::start_with(allow_private).await;
    let watched = Watched::new(&server).await;
    let (listener, port) = local_listener().await;
    let calls = listen_for_calls(listener, &[503; 12]).await;
    watched.add_webhook(&server, port).await;
    watched.log(&server, "x").await;
    for attempt in 1..12 {
        wait_for_attempts(&server, attempt).await;
        server.clock.advance(Duration::from_hours(5));
    }
    let dead =
        server.wait_for("/api/v1/notifications", |page| page["items"] != json!([])).await["items"][0].clone();
    assert_eq!((calls.count(), &dead["attempts"], &dead["state"]), (12, &json!(12), &json!("dead")));
    assert_eq!(dead["device_id"], watched.id.as_str());
    server.clock.advance(Duration::from_hours(24));
    let retry = format!("/api/v1/notifications/{}/retry", dead["id"]);
    let retried = server.send("POST", &retry, None).await;
    assert_eq!((retried.status, &retried.json()["state"]), (202, &json!("waiting")));
    calls.wait_for(13).await;
    wait_until_none_waits(&server).await;
    let gone = server.send("POST", &retry, None).await;
    assert_eq!((gone.status, gone.problem_code().as_str()), (404, "notification_not_found"));

    // No mail server is configured: waiting would not help.
    watched.set_recipients(&server, &["owner@example.org"]).await;
    watched.log(&server, "y").await;
    let dead =
        server.wait_for("/api/v1/notifications", |page| page["items"] != json!([])).await["items"][0].clone();
    assert_eq!(dead["email"], "owner@example.org");
    assert!(dead["last_error"].as_str().unwrap().contains("smtp_host"), "{dead}");
    let path = format!("/api/v1/notifications/{}", dead["id"]);
    assert_eq!(server.send("DELETE", &path, None).await.status, 204);
    assert_eq!(server.send("DELETE", &path, None).await.status, 404);
}

#[tokio::test]
async fn what_waits_outlives_a_restart_and_ends_with_the_ownership() {
    let server = TestServer::start_with(allow_private).await;
    let watched = Watched::new(&server).await;
    let (listener, port) = local_listener().await;
    drop(listener);
    watched.add_webhook(&server, port).await;
    watched.log(&server, "kept").await;
    let waiting = wait_for_attempts(&server, 1).await;
    assert!(waiting["last_error"].as_str().unwrap().contains("no connection could be made"), "{waiting}");
    let server = server.restart_with(allow_private).await;
    assert_eq!(notifications(&server, "waiting").await, [waiting]);
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let calls = listen_for_calls(listener, &[200, 500]).await;
    server.clock.advance(Duration::from_secs(38));
    assert!(calls.wait_for(1).await[0].contains("kept"));
    wait_until_none_waits(&server).await;

    watched.log(&server, "of-the-earlier-owner").await;
    wait_for_attempts(&server, 1).await;
    server.release(&watched.id).await;
    assert_eq!(notifications(&server, "waiting").await, Vec::<Value>::new());
    server.clock.advance(Duration::from_hours(1));
    assert_eq!(calls.count(), 2);
}

#[tokio::test]
async fn webhooks_to_this_machine_are_refused_unless_the_configuration_allows_them() {
    let server = TestServer::start().await;
    let watched = Watched::new(&server).await;
    let path = format!("/api/v1/templates/{}/webhooks", watched.template);
    for url in
        ["http://127.0.0.1/", "https://10.1.2.3/", "http://[::1]/", "http://169.254.169.254/", "file:///x"]
    {
        let refused = server.send("POST", &path, Some(json!({"name": "x", "url": url}))).await;
        assert_eq!((refused.status, refused.problem_code().as_str()), (422, "invalid_request"), "{url}");
    }
    // A name says nothing until it is looked up.
    let (listener, port) = local_listener().await;
    let calls = listen_for_calls(listener, &[]).await;
    let body = json!({"name": "x", "url": format!("http://localhost:{port}/")});
    assert_eq!(server.send("POST", &path, Some(body)).await.status, 201);
    watched.log(&server, "x").await;
    let waiting = wait_for_attempts(&server, 1).await;
    assert!(waiting["last_error"].as_str().unwrap().contains("private network"), "{waiting}");
    assert_eq!(calls.count(), 0);
}

/// An authority and a certificate of the mail server, the latter as a ready acceptor.
fn mail_tls() -> (String, TlsAcceptor) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (made.cert.pem(), TlsAcceptor::from(Arc::new(config)))
}

#[tokio::test]
async fn an_e_mail_goes_over_tls_to_each_recipient_and_again_after_a_refusal() {
    let logs = captured_logs();
    let (listener, port) = local_listener().await;
    let (ca, acceptor) = mail_tls();
    let mails = listen_for_mail(listener, MailTls::FromTheStart(acceptor), 1).await;
    let files = tempfile::tempdir().unwrap();
    let (ca_file, password_file) = (files.path().join("ca.pem"), files.path().join("password"));
    std::fs::write(&ca_file, ca).unwrap();
    std::fs::write(&password_file, format!("{PASSWORD}\n")).unwrap();
    let server = TestServer::start_with(|config| {
        config.smtp_host = Some("localhost".to_owned());
        config.smtp_port = Some(port);
        config.smtp_user = Some("alerts".to_owned());
        config.smtp_password_file = Some(password_file);
        config.smtp_ca_file = Some(ca_file);
        config.smtp_from = Some("Rehome <alerts@example.org>".to_owned());
        config.public_host = Some("cloud.example.org".to_owned());
    })
    .await;
    let watched = Watched::new(&server).await;
    watched.set_recipients(&server, &["owner@example.org"]).await;
    watched.log(&server, "T%3D36").await;
    let waiting = wait_for_attempts(&server, 1).await;
    assert!(waiting["last_error"].as_str().unwrap().contains("451"), "{waiting}");
    server.clock.advance(Duration::from_secs(38));
    let mail = mails.wait_for(2).await.remove(1);
    wait_until_none_waits(&server).await;
    for line in [
        "EHLO cloud.example.org",
        "MAIL FROM:<alerts@example.org>",
        "RCPT TO:<owner@example.org>",
        "Subject: [critical] Lamp 1: Too hot",
        "From: Rehome <alerts@example.org>",
        "Auto-Submitted: auto-generated",
        "T=36",
        &format!("Device: Lamp 1 ({})", watched.id),
    ] {
        assert!(mail.lines().any(|heard| heard.trim_end() == line), "{line} is not in {mail}");
    }
    assert!(mail.contains("AUTH PLAIN "), "{mail}");
    let text = logs.text();
    assert!(!text.contains(PASSWORD) && !text.contains("T=36"), "the log holds a secret");
}

/// A certificate that nobody vouches for gets neither a password nor an e-mail.
#[tokio::test]
async fn a_mail_server_with_an_unknown_certificate_gets_nothing() {
    let (listener, port) = local_listener().await;
    let (_, acceptor) = mail_tls();
    let mails: Received = listen_for_mail(listener, MailTls::FromTheStart(acceptor), 0).await;
    let server = TestServer::start_with(|config| {
        config.smtp_host = Some("localhost".to_owned());
        config.smtp_port = Some(port);
        config.smtp_user = Some("alerts".to_owned());
        config.smtp_password = Some(cloud::SmtpPassword::new(PASSWORD.to_owned()));
        config.smtp_from = Some("alerts@example.org".to_owned());
    })
    .await;
    let watched = Watched::new(&server).await;
    watched.set_recipients(&server, &["owner@example.org"]).await;
    watched.log(&server, "x").await;
    wait_for_attempts(&server, 1).await;
    let heard = mails.wait_for(1).await.remove(0);
    assert!(!heard.contains("EHLO") && !heard.contains("AUTH"), "{heard}");
}

#[tokio::test]
async fn starttls_protects_what_is_sent_and_without_it_nothing_is() {
    let (listener, port) = local_listener().await;
    let (plain_listener, plain_port) = local_listener().await;
    let (ca, acceptor) = mail_tls();
    let mails = listen_for_mail(listener, MailTls::AfterStarttls(acceptor), 0).await;
    let plain_mails = listen_for_mail(plain_listener, MailTls::None, 0).await;
    let files = tempfile::tempdir().unwrap();
    let ca_file = files.path().join("ca.pem");
    std::fs::write(&ca_file, ca).unwrap();
    let with_port = |port: u16| {
        let ca_file = ca_file.clone();
        move |config: &mut cloud::Config| {
            config.smtp_host = Some("localhost".to_owned());
            config.smtp_port = Some(port);
            config.smtp_tls = cloud::SmtpTls::Starttls;
            config.smtp_user = Some("alerts".to_owned());
            config.smtp_password = Some(cloud::SmtpPassword::new(PASSWORD.to_owned()));
            config.smtp_ca_file = Some(ca_file);
            config.smtp_from = Some("alerts@example.org".to_owned());
        }
    };
    let server = TestServer::start_with(with_port(plain_port)).await;
    let watched = Watched::new(&server).await;
    watched.set_recipients(&server, &["owner@example.org"]).await;
    watched.log(&server, "x").await;
    wait_for_attempts(&server, 1).await;
    let heard = plain_mails.wait_for(1).await.remove(0);
    assert!(heard.starts_with("EHLO") && !heard.contains("AUTH") && !heard.contains("MAIL"), "{heard}");

    let server = server.restart_with(with_port(port)).await;
    server.clock.advance(Duration::from_secs(38));
    let mail = mails.wait_for(1).await.remove(0);
    assert!(mail.contains("AUTH PLAIN ") && mail.contains("RCPT TO:<owner@example.org>"), "{mail}");
    wait_until_none_waits(&server).await;
}

/// Whoever does not answer holds up nobody else.
#[tokio::test]
async fn a_webhook_that_does_not_answer_holds_up_no_other() {
    let server = TestServer::start_with(allow_private).await;
    let watched = Watched::new(&server).await;
    let (silent, silent_port) = local_listener().await;
    watched.add_webhook(&server, silent_port).await;
    let (listener, port) = local_listener().await;
    let calls = listen_for_calls(listener, &[]).await;
    watched.add_webhook(&server, port).await;
    for number in 0..3 {
        watched.log(&server, &format!("n{number}")).await;
        server.clock.advance(Duration::from_secs(6));
    }
    let started = tokio::time::Instant::now();
    calls.wait_for(3).await;
    assert!(started.elapsed() < DEADLINE / 2);
    let path = "/api/v1/notifications?state=waiting";
    server.wait_for(path, |page| page["items"].as_array().is_some_and(|items| items.len() == 3)).await;
    drop(silent);
}
