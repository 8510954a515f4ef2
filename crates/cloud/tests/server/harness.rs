//! Starts a server for one test and knows how to ask it things.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Once;
use std::time::Duration;

use cloud::{Clock, Config, RunningServer, Server, ServerOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http_client::{Answer, request};

/// How long a test waits for a state before it fails and says what it saw last.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A running server with its folder.
pub(crate) struct TestServer {
    pub(crate) running: RunningServer,
    pub(crate) clock: Clock,
    pub(crate) key: String,
    folder: TempDir,
}

pub(crate) fn config(folder: &Path) -> Config {
    Config {
        data_dir: folder.to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
        listen_tls: ([127, 0, 0, 1], 0).into(),
        ..Config::default()
    }
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_config| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_with_options(ServerOptions::default(), change).await
    }

    /// Starts a server on sockets that are bound already: the plain one and the one for TLS.
    pub(crate) async fn start_on(sockets: Vec<TcpListener>, change: impl FnOnce(&mut Config)) -> Self {
        let addresses: Vec<_> = sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
        Self::start_with_options(ServerOptions { sockets, ..ServerOptions::default() }, |config| {
            (config.listen, config.listen_tls) = (addresses[0], addresses[1]);
            change(config);
        })
        .await
    }

    pub(crate) async fn start_with_options(options: ServerOptions, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = options.clock.clone().unwrap_or_else(Clock::system);
        Self::start_in(folder, clock, options, change).await
    }

    async fn start_in(
        folder: TempDir,
        clock: Clock,
        options: ServerOptions,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let mut config = config(folder.path());
        change(&mut config);
        let options = ServerOptions { clock: Some(clock.clone()), ..options };
        let running = Server::start(config, options).await.unwrap();
        let key = std::fs::read_to_string(folder.path().join("admin-api-key")).unwrap().trim().to_owned();
        Self { running, clock, key, folder }
    }

    /// Stops the server and starts it again on the same folder; the clock goes on.
    pub(crate) async fn restart(self) -> Self {
        self.restart_with(|_config| {}).await
    }

    /// Like [`TestServer::restart`], with another configuration.
    pub(crate) async fn restart_with(self, change: impl FnOnce(&mut Config)) -> Self {
        let Self { running, clock, key: _, folder } = self;
        running.shutdown().await;
        Self::start_in(folder, clock, ServerOptions::default(), change).await
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Sends a request with the admin key.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let authorization = format!("Bearer {}", self.key);
        request(self.running.plain_addr, method, path, &[("authorization", &authorization)], body).await
    }

    /// Posts with the admin key and an idempotency key.
    pub(crate) async fn send_keyed(&self, path: &str, once: &str, body: Value) -> Answer {
        let authorization = format!("Bearer {}", self.key);
        let headers: &[(&str, &str)] = &[("authorization", &authorization), ("idempotency-key", once)];
        request(self.running.plain_addr, "POST", path, headers, Some(body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.send("GET", path, None).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    pub(crate) async fn create_template(&self) -> String {
        let answer = self.send("POST", "/api/v1/templates", Some(json!({"name": "Lamp"}))).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// Creates a device with a static token.
    pub(crate) async fn create_device(&self) -> (String, String) {
        let template_id = self.create_template().await;
        let body = json!({"template_id": template_id, "name": "Lamp 1"});
        let answer = self.send("POST", "/api/v1/devices", Some(body)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let created = answer.json();
        let text = |name: &str| created[name].as_str().unwrap().to_owned();
        (text("id"), text("token"))
    }

    /// Waits until what a path answers has the wanted property.
    pub(crate) async fn wait_for(&self, path: &str, is_reached: impl Fn(&Value) -> bool) -> Value {
        let started = tokio::time::Instant::now();
        loop {
            let seen = self.get(path).await;
            if is_reached(&seen) {
                return seen;
            }
            assert!(started.elapsed() < DEADLINE, "{path} was last {seen:#}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn release(&self, device: &str) -> Value {
        let answer = self.send("POST", &format!("/api/v1/devices/{device}/release"), None).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.json()
    }
}

/// Collects everything the server logs in this process.
pub(crate) fn captured_logs() -> &'static logs::Captured {
    static ONCE: Once = Once::new();
    ONCE.call_once(logs::install);
    logs::captured()
}

mod logs {
    use std::io;
    use std::sync::{Mutex, OnceLock, PoisonError};

    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::fmt;
    use tracing_subscriber::prelude::*;

    #[derive(Debug, Default)]
    pub(crate) struct Captured(Mutex<Vec<u8>>);

    impl Captured {
        pub(crate) fn text(&self) -> String {
            String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
        }
    }

    struct Sink;

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut collected = captured().0.lock().unwrap_or_else(PoisonError::into_inner);
            collected.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    pub(super) fn captured() -> &'static Captured {
        static CAPTURED: OnceLock<Captured> = OnceLock::new();
        CAPTURED.get_or_init(Captured::default)
    }

    pub(super) fn install() {
        // As loud as a person can make it.
        let quiet = cloud::LOG_TARGETS_WITH_PAYLOADS.map(|target| (target, LevelFilter::INFO));
        let filter = Targets::new().with_default(LevelFilter::TRACE).with_targets(quiet);
        let sink = fmt::layer().with_writer(|| Sink).with_ansi(false);
        tracing_subscriber::registry().with(sink.with_filter(filter)).init();
    }
}
