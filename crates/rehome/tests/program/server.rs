//! `rehome serve` and `rehome up` with a data folder of their own, and what a person or program asks them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Ended, Process, rehome, wait_until};

/// A data folder, the server that runs on it at the moment, and the secrets it must never print.
pub(crate) struct TestServer {
    process: Option<Process>,
    command: &'static str,
    has_fixed_ports: bool,
    log: &'static str,
    pub(crate) plain_addr: SocketAddr,
    pub(crate) tls_addr: SocketAddr,
    pub(crate) key: String,
    /// The one-time code of the sign-in link.
    pub(crate) sign_in_code: String,
    agent: ureq::Agent,
    secrets: Mutex<Vec<String>>,
    folder: TempDir,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) set_cookie: String,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The JSON of an answer that must have this status.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }
}

/// Asks without any credentials; `None` when no answer came.
pub(crate) fn ask(
    agent: &ureq::Agent,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Option<(&str, String)>,
) -> Option<Answer> {
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let outcome = match body {
        Some((content_type, body)) => {
            agent.run(request.header("content-type", content_type).body(body).unwrap())
        }
        None => agent.run(request.body(()).unwrap()),
    };
    let mut response = outcome.ok()?;
    let set_cookie =
        response.headers().get("set-cookie").map_or("", |value| value.to_str().unwrap()).to_owned();
    let text = response.body_mut().read_to_string().ok()?;
    Some(Answer { status: response.status().as_u16(), set_cookie, text })
}

/// A client that takes every status as an answer.
pub(crate) fn http_agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(crate::process::DEADLINE))
        .build();
    config.new_agent()
}

/// Two addresses that nobody uses, below the ports that the system gives to connections (32768 on Linux): between two starts of
/// a server no connection takes them. Processes of one test run begin far from each other.
pub(crate) fn free_ports() -> [SocketAddr; 2] {
    let mut candidate = 10_000 + u16::try_from(u64::from(std::process::id()) * 37 % 20_000).unwrap();
    let mut next_free = || loop {
        candidate = if candidate < 32_000 { candidate + 1 } else { 10_000 };
        let address = SocketAddr::from(([127, 0, 0, 1], candidate));
        if std::net::TcpListener::bind(address).is_ok() {
            return address;
        }
    };
    [next_free(), next_free()]
}

/// The arguments that put a server on free ports and on a data folder.
pub(crate) fn arguments(command: &'static str, data_dir: &str) -> Vec<String> {
    let words = [command, "--data-dir", data_dir, "--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0"];
    words.map(str::to_owned).to_vec()
}

impl TestServer {
    /// Starts `rehome serve` on a new folder.
    pub(crate) fn serve() -> Self {
        Self::start("serve", tempfile::tempdir().unwrap())
    }

    /// Starts `rehome up` on a new folder.
    pub(crate) fn up() -> Self {
        Self::start("up", tempfile::tempdir().unwrap())
    }

    /// Starts `rehome serve` on a new folder and on ports that stay the same when it is started again. It logs as it does
    /// for a person, so that nothing but its work slows it down.
    pub(crate) fn serve_on_fixed_ports() -> Self {
        let [plain_addr, tls_addr] = free_ports();
        Self::start_on("serve", tempfile::tempdir().unwrap(), plain_addr, tls_addr, "info")
    }

    /// Starts `rehome serve` on the folder `data` in `folder`, which may exist.
    pub(crate) fn serve_in(folder: TempDir) -> Self {
        Self::start("serve", folder)
    }

    fn start(command: &'static str, folder: TempDir) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start_on(command, folder, any, any, "trace")
    }

    fn start_on(
        command: &'static str,
        folder: TempDir,
        plain_addr: SocketAddr,
        tls_addr: SocketAddr,
        log: &'static str,
    ) -> Self {
        let mut server = Self {
            process: None,
            command,
            plain_addr,
            tls_addr,
            has_fixed_ports: plain_addr.port() != 0,
            log,
            key: String::new(),
            sign_in_code: String::new(),
            agent: http_agent(),
            secrets: Mutex::default(),
            folder,
        };
        server.start_again();
        server
    }

    /// Starts the program on the same folder after [`TestServer::stop`] or [`TestServer::kill`].
    pub(crate) fn start_again(&mut self) {
        let process = self.spawn();
        self.read_addresses(&process);
        self.process = Some(process);
        self.key = std::fs::read_to_string(self.data_dir().join("admin-api-key")).unwrap().trim().to_owned();
        self.note_secret(&self.key);
        self.note_secret(&self.sign_in_code);
    }

    /// Starts the program and kills it after a time, whatever it is doing then.
    pub(crate) fn kill_while_it_starts(&self, after: std::time::Duration) {
        let process = self.spawn();
        std::thread::sleep(after);
        let ended = process.kill();
        assert!(!ended.stderr.contains("panicked at"), "{}", ended.stderr);
    }

    fn spawn(&self) -> Process {
        assert!(self.process.is_none(), "the server runs");
        let mut words = arguments(self.command, self.data_dir().to_str().unwrap());
        if self.has_fixed_ports {
            let addresses = [("--listen", self.plain_addr), ("--listen-tls", self.tls_addr)];
            for (flag, address) in addresses {
                let place = words.iter().position(|word| word == flag).unwrap();
                words[place + 1] = address.to_string();
            }
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Process::spawn(rehome(self.folder.path(), &words).env("REHOME_LOG", self.log))
    }

    fn read_addresses(&mut self, process: &Process) {
        let devices = process.stdout.wait_for_line("the addresses", |line| {
            let rest = line.trim().strip_prefix("devices")?.trim().strip_suffix(" (TLS)")?;
            let (plain, tls) = rest.split_once(" (plain), ")?;
            Some((plain.parse().ok()?, tls.parse().ok()?))
        });
        (self.plain_addr, self.tls_addr) =
            devices.unwrap_or_else(|seen| panic!("{seen}\n{}", process.stderr.text()));
        let code = process.stdout.wait_for_line("the sign-in link", |line| {
            let (url, code) = line.trim().strip_prefix("sign in")?.trim().split_once("#sign-in=")?;
            Some((url.to_owned(), code.to_owned()))
        });
        let (url, code) = code.unwrap();
        assert_eq!(url, format!("http://{}/", self.plain_addr));
        self.sign_in_code = code;
    }

    pub(crate) fn process(&self) -> &Process {
        self.process.as_ref().unwrap()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Remembers what must not be printed.
    pub(crate) fn note_secret(&self, secret: &str) {
        assert!(secret.len() >= 8, "too short to look for");
        self.secrets.lock().unwrap().push(secret.to_owned());
    }

    /// Stops the server; it must end well.
    pub(crate) fn stop(&mut self) {
        let ended = self.process.take().unwrap().stop();
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
        self.look_for_secrets_and_panics(&ended.stdout, &ended.stderr);
    }

    /// Kills the server.
    pub(crate) fn kill(&mut self) {
        let ended: Ended = self.process.take().unwrap().kill();
        self.look_for_secrets_and_panics(&ended.stdout, &ended.stderr);
    }

    fn look_for_secrets_and_panics(&self, stdout: &str, stderr: &str) {
        assert!(stderr.contains("the server listens on"), "the log was captured: {stderr}");
        assert!(!stderr.contains("panicked at"), "{stderr}");
        for secret in self.secrets.lock().unwrap().iter() {
            let line = stderr.lines().find(|line| line.contains(secret.as_str()));
            assert_eq!(line, None, "a secret is in the log");
            let is_link = |line: &str| line.contains("#sign-in=") && *secret == self.sign_in_code;
            let line = stdout.lines().find(|line| line.contains(secret.as_str()) && !is_link(line));
            assert_eq!(line, None, "a secret was printed");
        }
    }

    /// Asks with the admin key; `None` when no answer came.
    pub(crate) fn try_send(&self, method: &str, path: &str, body: Option<Value>) -> Option<Answer> {
        let authorization = format!("Bearer {}", self.key);
        let headers = [("authorization", authorization.as_str())];
        self.ask(method, path, &headers, body)
    }

    /// Sends a file with the admin key.
    #[track_caller]
    pub(crate) fn upload(&self, path: &str, content: String) -> Answer {
        let (url, authorization) =
            (format!("http://{}{path}", self.plain_addr), format!("Bearer {}", self.key));
        let headers = [("authorization", authorization.as_str())];
        let body = Some(("application/octet-stream", content));
        ask(&self.agent, "POST", &url, &headers, body).unwrap_or_else(|| panic!("POST {path}: no answer"))
    }

    /// Asks without the admin key; `None` when no answer came.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Option<Answer> {
        let url = format!("http://{}{path}", self.plain_addr);
        let body = body.map(|body| ("application/json", body.to_string()));
        ask(&self.agent, method, &url, headers, body)
    }

    #[track_caller]
    pub(crate) fn send(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.try_send(method, path, body).unwrap_or_else(|| panic!("{method} {path}: no answer"))
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        self.send("GET", path, None).expect(200)
    }

    /// Waits until what a path answers has the wanted property.
    pub(crate) fn wait_for(&self, path: &str, is_reached: impl Fn(&Value) -> bool) -> Value {
        wait_until(path, || {
            let answer = self.send("GET", path, None);
            let seen = answer.json();
            if answer.status == 200 && is_reached(&seen) { Ok(seen) } else { Err(format!("{seen:#}")) }
        })
    }

    pub(crate) fn create_template(&self) -> String {
        let created = self.send("POST", "/api/v1/templates", Some(json!({"name": "Lamp"}))).expect(201);
        created["id"].as_str().unwrap().to_owned()
    }

    /// Creates a device with a static token; returns its id and token.
    pub(crate) fn create_device(&self) -> (String, String) {
        let body = json!({"template_id": self.create_template(), "name": "Lamp 1"});
        let created = self.send("POST", "/api/v1/devices", Some(body)).expect(201);
        let token = created["token"].as_str().unwrap();
        self.note_secret(token);
        (created["id"].as_str().unwrap().to_owned(), token.to_owned())
    }

    /// The value of a pin, as text.
    pub(crate) fn value(&self, device: &str, pin: u16) -> String {
        let stored = self.get(&format!("/api/v1/devices/{device}/datastreams/{pin}"));
        stored["value"].as_str().unwrap().to_owned()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if self.process.is_some() && !std::thread::panicking() {
            self.stop();
        }
    }
}

/// Every file of a folder with its content, for comparing.
pub(crate) fn content_of(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut content = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            content.extend(content_of(&path));
        } else {
            content.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    content
}

/// Every file is as it was, byte for byte, and there is none more, except what SQLite needs to look into a database without
/// writing to it: an empty log and its index.
#[track_caller]
pub(crate) fn unchanged(before: &BTreeMap<PathBuf, Vec<u8>>, folder: &Path) {
    let mut after = content_of(folder);
    for (path, content) in before {
        let now = after.remove(path);
        assert!(now.as_ref() == Some(content), "{} was changed or removed", path.display());
    }
    for (path, content) in after {
        let is_empty_log = path.ends_with("rehome.db-wal") && content.is_empty();
        assert!(is_empty_log || path.ends_with("rehome.db-shm"), "{} was made", path.display());
    }
}
