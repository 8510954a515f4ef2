//! Server-sent events.

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::device_client::{Device, HARDWARE, frame};
use crate::harness::{DEADLINE, TestServer};

/// A watcher that reads the stream line by line.
struct Watcher {
    lines: tokio::io::Lines<BufReader<TcpStream>>,
}

impl Watcher {
    async fn start(server: &TestServer) -> Self {
        let mut stream = TcpStream::connect(server.running.plain_addr).await.unwrap();
        let request = format!(
            "GET /api/v1/events HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
            server.running.plain_addr, server.key
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

    /// Reads until the wanted event and returns its data.
    async fn wait_for(
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
