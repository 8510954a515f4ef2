//! Starts the servers under measurement, each afresh for each run, and the load generator beside them.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::rows::Row;

/// Devices of the real server: as many as the largest row has connections.
const DEVICE_COUNT: usize = 10_000;

/// A server that does not listen after this long does not start.
const START_TIME_MAX: Duration = Duration::from_secs(20);

/// A server that has not stopped after this long is killed.
const STOP_TIME_MAX: Duration = Duration::from_secs(20);

/// How often a server is asked whether it listens, or has stopped.
const POLL_EVERY: Duration = Duration::from_millis(50);

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(super) enum Kind {
    /// The least that a server can do.
    Floor,
    /// The real one.
    Rehome,
    /// Debian's MQTT broker.
    Mosquitto,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Rehome => "rehome",
            Self::Mosquitto => "mosquitto",
        }
    }

    /// Ports of its own, so that a connection of one server in its closing minute is not in another's way.
    const fn ports(self) -> (u16, u16) {
        match self {
            Self::Floor => (18_080, 18_443),
            Self::Rehome => (18_081, 18_444),
            Self::Mosquitto => (18_082, 18_445),
        }
    }

    fn addresses(self) -> (String, String) {
        let (plain, tls) = self.ports();
        (format!("127.0.0.1:{plain}"), format!("127.0.0.1:{tls}"))
    }
}

/// What the measurement needs.
#[derive(Debug)]
pub(super) struct Bed {
    pub(super) floor_program: PathBuf,
    pub(super) rehome_program: PathBuf,
    /// The program whose `load` is used; the same for every server.
    pub(super) load_program: PathBuf,
    /// Where certificates, tokens and the server's data lie.
    pub(super) folder: PathBuf,
    pub(super) server_core: u32,
    pub(super) load_core: u32,
}

/// A server that runs; dropping it stops it.
#[derive(Debug)]
pub(super) struct Server {
    kind: Kind,
    process: Child,
}

impl Bed {
    /// Makes certificates where there are none, and a data folder with devices by the program that is measured: another
    /// version may not read the folder of the one before.
    pub(super) fn prepare(&self, kinds: &[Kind]) -> Result<()> {
        // The floor server makes the certificates that all of them use.
        drop(self.start(Kind::Floor)?);
        if !kinds.contains(&Kind::Rehome) {
            return Ok(());
        }
        remove_folder(&self.prepared())?;
        remove_folder(&self.data())?;
        // Tokens are never written over, and those of the folder that is gone are good for nothing.
        if self.tokens().exists() {
            fs::remove_file(self.tokens()).context("removing the tokens of an earlier run")?;
        }
        let server = self.start(Kind::Rehome)?;
        let (api, _tls) = Kind::Rehome.addresses();
        let made = Command::new(&self.load_program)
            .args([
                "load",
                "devices",
                "--api",
                &api,
                "--count",
                &DEVICE_COUNT.to_string(),
                "--admin-key-file",
            ])
            .arg(self.admin_key())
            .arg("--output")
            .arg(self.tokens())
            .status()
            .context("creating devices")?;
        if !made.success() {
            bail!("the devices could not be created");
        }
        // The first login of a device is stored. It happens once in a device's life and is not what the rows measure.
        let count = DEVICE_COUNT.to_string();
        let logged_in = Command::new(&self.load_program)
            .args([
                "load",
                "login",
                "--target",
                &api,
                "--count",
                &count,
                "--in-flight",
                "32",
                "--json",
                "--tokens",
            ])
            .arg(self.tokens())
            .stdout(Stdio::null())
            .status()
            .context("logging the devices in")?;
        if !logged_in.success() {
            bail!("the devices could not log in");
        }
        drop(server);
        fs::rename(self.data(), self.prepared())
            .with_context(|| format!("keeping {}", self.prepared().display()))
    }

    /// Starts a server for one run. The real one gets the devices and nothing else: values of the run before, which would
    /// still be moved, are not charged to this one.
    pub(super) fn start_afresh(&self, kind: Kind) -> Result<Server> {
        if kind == Kind::Rehome {
            remove_folder(&self.data())?;
            copy_folder(&self.prepared(), &self.data())?;
        }
        self.start(kind)
    }

    /// Starts a server on its core and waits until it listens.
    fn start(&self, kind: Kind) -> Result<Server> {
        let (plain, tls) = kind.addresses();
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &self.server_core.to_string()]);
        match kind {
            Kind::Floor => {
                command.arg(&self.floor_program).args([
                    "--listen",
                    &plain,
                    "--listen-tls",
                    &tls,
                    "--certificates",
                ]);
                command.arg(self.certificates());
            }
            Kind::Rehome => {
                command.arg(&self.rehome_program).args(["serve", "--listen", &plain, "--listen-tls", &tls]);
                command.arg("--data-dir").arg(self.data());
                command.arg("--tls-cert").arg(self.certificates().join("cert.pem"));
                command.arg("--tls-key").arg(self.certificates().join("key.pem"));
            }
            Kind::Mosquitto => {
                command.args(["mosquitto", "-c"]).arg(self.mosquitto_configuration()?);
            }
        }
        let log_path = self.folder.join(format!("{}.log", kind.name()));
        let log = File::create(&log_path).with_context(|| format!("making {}", log_path.display()))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = command.spawn().with_context(|| format!("starting {}", kind.name()))?;
        let mut server = Server { kind, process };
        server.wait_until_it_listens(&log_path)?;
        Ok(server)
    }

    /// Runs one row against a server and returns the report.
    pub(super) fn load(&self, row: &Row, server: &Server) -> Result<serde_json::Value> {
        let (plain, tls) = server.kind.addresses();
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &self.load_core.to_string()]).arg(&self.load_program).arg("load");
        command.args(row.arguments).args(["--json", "--server-pid", &server.process.id().to_string()]);
        if row.uses_tls {
            command.args(["--target", &tls, "--trust"]).arg(self.certificates().join("ca.pem"));
        } else {
            command.args(["--target", &plain]);
        }
        match server.kind {
            Kind::Floor => {}
            Kind::Rehome => {
                command.arg("--tokens").arg(self.tokens());
                if row.name == "latency" {
                    command.args(["--api", &plain, "--admin-key-file"]).arg(self.admin_key());
                }
            }
            Kind::Mosquitto => {
                command.args(["--protocol", "mqtt"]);
            }
        }
        // Exit code 1 says that something failed; the report says what, and the table shows it.
        let output = command.stderr(Stdio::inherit()).output().context("starting the load generator")?;
        serde_json::from_slice(&output.stdout).context("reading the report")
    }

    fn certificates(&self) -> PathBuf {
        self.folder.join("certificates")
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn prepared(&self) -> PathBuf {
        self.folder.join("data-prepared")
    }

    fn admin_key(&self) -> PathBuf {
        self.data().join("admin-api-key")
    }

    fn tokens(&self) -> PathBuf {
        self.folder.join("tokens")
    }

    fn mosquitto_configuration(&self) -> Result<PathBuf> {
        let (plain, tls) = Kind::Mosquitto.ports();
        let certificates = self.certificates();
        let text = format!(
            "per_listener_settings false\nallow_anonymous true\nset_tcp_nodelay true\npersistence false\nuser root\n\
             log_type error\nlistener {plain} 127.0.0.1\nlistener {tls} 127.0.0.1\ncertfile {certificate}\nkeyfile {key}\n",
            certificate = certificates.join("cert.pem").display(),
            key = certificates.join("key.pem").display(),
        );
        let path = self.folder.join("mosquitto.conf");
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }
}

fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Copies a folder with its permissions, which the server insists on.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    // `cp` and not a walk of ours: modes of folders and files come along.
    let copied = Command::new("cp").arg("--archive").arg(from).arg(to).status().context("starting cp")?;
    if !copied.success() {
        bail!("{} could not be copied to {}", from.display(), to.display());
    }
    Ok(())
}

impl Server {
    fn wait_until_it_listens(&mut self, log_path: &Path) -> Result<()> {
        let deadline = Instant::now() + START_TIME_MAX;
        let (plain, _tls) = self.kind.ports();
        while TcpStream::connect(("127.0.0.1", plain)).is_err() {
            let has_ended = self.process.try_wait().context("looking after the server")?.is_some();
            if has_ended || Instant::now() > deadline {
                bail!("{} does not start; see {}", self.kind.name(), log_path.display());
            }
            std::thread::sleep(POLL_EVERY);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The signal of service managers, so that the data is left tidy.
        let pid = self.process.id().to_string();
        drop(Command::new("kill").args(["-TERM", &pid]).status());
        let deadline = Instant::now() + STOP_TIME_MAX;
        while Instant::now() < deadline && !matches!(self.process.try_wait(), Ok(Some(_)) | Err(_)) {
            std::thread::sleep(POLL_EVERY);
        }
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
