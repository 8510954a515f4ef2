//! Server-sent events.

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::access::sign_in;
use crate::device_client::{Device, HARDWARE, frame};
use crate::harness::{DEADLINE, TestServer};
use crate::http_client::request;

/// A watcher that reads the stream line by line.
pub(crate) struct Watcher {
    lines: tokio::io::Lines<BufReader<TcpStream>>,
}

impl Watcher {
    pub(crate) async fn start(server: &TestServer) -> Self {
        Self::start_as(server, &format!("Authorization: Bearer {}", server.key)).await
    }

    async fn start_as(server: &TestServer, credential: &str) -> Self {
        let mut stream = TcpStream::connect(server.running.plain_addr).await.unwrap();
        let request = format!(
            "GET /api/v1/events HTTP/1.1\r\nHost: {}\r\n{credential}\r\n\r\n",
            server.running.plain_addr
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut watcher = Self { lines: BufReader::new(stream).lines() };
        assert_eq!(watcher.next_line().await, "HTTP/1.1 200 OK");
        while !watcher.next_line().await.starts_with("retry:") {}
        watcher
    }

    async fn next_line(&mut self) -> String {
        tokio::time::timeout(DEADLINE, self.lines.next_line()).await.expect("no event came").unwrap().unwrap()
    }

    /// Reads until the stream ends.
    async fn expect_end(&mut self) {
        let rest = async { while matches!(self.lines.next_line().await, Ok(Some(_))) {} };
        tokio::time::timeout(DEADLINE, rest).await.expect("the stream goes on");
    }

    /// Reads until the wanted event and returns its data.
    pub(crate) async fn wait_for(
        &mut self,
        name: &str,
        is_wanted: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        loop {
            if self.next_line().await != format!("event: {name}") {
                continue;
            }
            let data = self.next_line().await;
            let data = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            if is_wanted(&data) {
                return data;
            }
        }
    }
}

#[tokio::test]
async fn a_watcher_sees_devices_values_sessions_and_releases() {
    let server = TestServer::start().await;
    let (id, token) = server.create_device().await;
    let mut watcher = Watcher::start(&server).await;
    let mut device = Device::log_in(&server, &token).await;
    watcher.wait_for("device", |data| data["device_id"] == id.as_str() && data["change"] == "online").await;
    device.send(&frame(HARDWARE, 2, "vw|4|1|2")).await;
    let value = watcher.wait_for("value", |data| data["pin"] == 4).await;
    assert_eq!((&value["device_id"], &value["value"]), (&json!(id), &json!(["1", "2"])));
    let template = server.create_template().await;
    let opened =
        server.send("POST", "/api/v1/provisioning-sessions", Some(json!({"template_id": template}))).await;
    let session = watcher.wait_for("session", |_| true).await;
    assert_eq!(session["session_id"], opened.json()["id"]);
    assert!(!session.to_string().contains(opened.json()["token"].as_str().unwrap()));
    server.release(&id).await;
    let release = watcher.wait_for("release", |data| data["release"]["state"] == "sent").await;
    assert_eq!(release["device_id"], id.as_str());
}

#[tokio::test]
async fn a_watch_ends_when_its_owner_signs_out_or_the_password_changes() {
    let server = TestServer::start().await;
    let address = server.running.plain_addr;
    let cookie = sign_in(&server).await;
    let mut watcher = Watcher::start_as(&server, &format!("Cookie: {cookie}")).await;
    let origin = format!("http://{address}");
    let headers: &[(&str, &str)] = &[("cookie", &cookie), ("origin", &origin)];
    assert_eq!(request(address, "DELETE", "/api/v1/auth/session", headers, None).await.status, 204);
    watcher.expect_end().await;

    let cookie = sign_in(&server).await;
    let mut watcher = Watcher::start_as(&server, &format!("Cookie: {cookie}")).await;
    let password = Some(json!({"password": "correct horse battery"}));
    assert_eq!(server.send("PUT", "/api/v1/auth/password", password).await.status, 204);
    watcher.expect_end().await;
}
