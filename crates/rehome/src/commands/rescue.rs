//! `rehome rescue`: raises a network that is gone, so that a stranded board comes back to be released.

mod event;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use device_linux::{BorrowedRadio, RadioEvent, WifiNetwork};
use provision::{ReleaseStanding, Secret, SessionClient, SessionClientError};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at, sleep};

use self::event::{Event, Teller};
use crate::commands::borrowed_wifi::{GivenBack, give_back, readable, take, with_advice};
use crate::commands::{StopSignals, single_thread_runtime};
use crate::secret_input::{read_file_or_stdin, refuse_shared_stdin, usage_error};

/// Between two questions to the server.
const ASK_EVERY: Duration = Duration::from_secs(3);
/// Between two lines that say how long the board has been waited for.
const TELL_EVERY: Duration = Duration::from_secs(30);
/// HTTP status: there is no such device, or it is not being released.
const NOT_FOUND: u16 = 404;

/// Arguments of `rehome rescue`.
#[derive(Debug, Args)]
pub(crate) struct RescueArguments {
    /// Name of the network that the board knows.
    #[arg(long, value_name = "NAME")]
    ssid: OsString,

    /// File with that network's password, or `-`; without it the network is open.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,

    /// Wi-Fi interface to use [default: the first one].
    #[arg(long, value_name = "NAME")]
    interface: Option<String>,

    /// Address of a Rehome server; the release of `--device` is followed there until the board is safe to ship.
    #[arg(long, value_name = "URL", requires = "device")]
    server: Option<String>,

    /// Id of the device that is being released.
    #[arg(long, value_name = "ID", requires = "server")]
    device: Option<String>,

    /// Release `--device` first, unless that was done already: its account ends, and it is told to erase itself.
    #[arg(long, requires = "device")]
    release: bool,

    /// File with an API key of that server, or `-`.
    #[arg(long, visible_alias = "key-file", value_name = "FILE", requires = "server")]
    api_key_file: Option<PathBuf>,

    /// Environment variable with an API key of that server.
    #[arg(long, value_name = "NAME", requires = "server", conflicts_with = "api_key_file")]
    api_key_env: Option<String>,

    /// File with the certificates (PEM) to trust for that server, instead of the public ones.
    #[arg(long, value_name = "FILE", requires = "server")]
    server_ca: Option<PathBuf>,

    /// Give up after this time, in seconds [default: Ctrl-C ends it].
    #[arg(long, value_name = "SECONDS")]
    for_s: Option<u64>,

    /// Print each event as a JSON object on a line of its own.
    #[arg(long)]
    json: bool,
}

/// Raises the network, waits, and takes it down again.
pub(crate) fn run(arguments: RescueArguments) -> Result<ExitCode> {
    refuse_shared_stdin(
        [&arguments.password_file, &arguments.api_key_file, &arguments.server_ca].into_iter().flatten(),
    );
    let followed = followed(&arguments)?;
    let ssid = arguments.ssid.into_vec();
    let password = arguments.password_file.as_deref().map(read_file_or_stdin).transpose()?;
    if password.as_ref().is_some_and(|content| Secret::from_file(content.clone()).expose().is_empty()) {
        usage_error("--password-file: the file is empty; leave the argument out for an open network");
    }
    let password = Secret::from_file(password.unwrap_or_default());
    let network = match WifiNetwork::parse(&ssid, password.expose()) {
        Ok(network) => network,
        Err(error) => usage_error(&error.to_string()),
    };
    let rescue = Rescue {
        ssid: readable(&ssid),
        network,
        interface: arguments.interface,
        followed,
        time_max: arguments.for_s.map(Duration::from_secs),
        teller: Teller { is_json: arguments.json },
    };
    let runtime = single_thread_runtime()?;
    let outcome = runtime.block_on(rescue.run());
    // A question to the server may still be under way; nobody waits for its answer.
    runtime.shutdown_background();
    Ok(if outcome? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn followed(arguments: &RescueArguments) -> Result<Option<Followed>> {
    let (Some(server), Some(device)) = (&arguments.server, &arguments.device) else {
        return Ok(None);
    };
    let key = match (&arguments.api_key_file, &arguments.api_key_env) {
        (Some(file), _) => read_file_or_stdin(file)?,
        (None, Some(name)) => std::env::var_os(name)
            .with_context(|| format!("the environment has no variable {name}"))?
            .into_vec(),
        (None, None) => usage_error("--server needs an API key: --api-key-file or --api-key-env"),
    };
    let trusted = arguments.server_ca.as_deref().map(read_file_or_stdin).transpose()?;
    match SessionClient::new(server, Secret::from_file(key), trusted.as_deref()) {
        Ok(client) => Ok(Some(Followed {
            client: Arc::new(client),
            device: device.clone(),
            may_order: arguments.release,
        })),
        Err(error) => usage_error(&format!("--server: {error}")),
    }
}

/// A release that is watched at a server.
#[derive(Debug, Clone)]
struct Followed {
    client: Arc<SessionClient>,
    device: String,
    /// The device is released where it is not yet.
    may_order: bool,
}

impl Followed {
    async fn ask(&self) -> Result<Result<ReleaseStanding, SessionClientError>> {
        let Self { client, device, .. } = self.clone();
        tokio::task::spawn_blocking(move || client.release(&device)).await.context("asking the server")
    }

    /// Asks for the first time, and orders the release where there is none.
    async fn begin(&self) -> Result<ReleaseStanding> {
        let Self { client, device, may_order } = self.clone();
        match self.ask().await? {
            Err(SessionClientError::Refused { status: NOT_FOUND, .. }) if may_order => {
                let ordered = tokio::task::spawn_blocking(move || client.order_release(&device));
                let ordered = ordered.await.context("asking the server")?;
                ordered.with_context(|| format!("{:?} cannot be released", self.device))
            }
            Err(error @ SessionClientError::Refused { status: NOT_FOUND, .. }) => Err(error).with_context(|| {
                format!("{device:?} is not being released; `--release` does that, where the server has this device")
            }),
            answer => answer.with_context(|| format!("the release of {device:?} cannot be followed")),
        }
    }

    /// Asks again and again.
    fn watch(self) -> mpsc::Receiver<Result<ReleaseStanding, SessionClientError>> {
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Ok(answer) = self.ask().await {
                if sender.send(answer).await.is_err() {
                    return;
                }
                sleep(ASK_EVERY).await;
            }
        });
        receiver
    }
}

struct Rescue {
    ssid: String,
    network: WifiNetwork,
    interface: Option<String>,
    followed: Option<Followed>,
    time_max: Option<Duration>,
    teller: Teller,
}

impl Rescue {
    /// Returns whether the board was rescued: safe to ship where a release is followed, else joined.
    async fn run(mut self) -> Result<bool> {
        let mut last_told = None;
        if let Some(followed) = &self.followed {
            let standing = followed.begin().await?;
            let is_over = standing.safe_to_ship;
            self.tell_answer(Ok(standing), &mut last_told);
            if is_over {
                self.teller.tell(&Event::SafeToShip);
                return Ok(true);
            }
        }
        let stop = StopSignals::listen()?;
        let mut radio = take(self.interface.take()).await?;
        // Whatever happens from here on, the radio is given back.
        let ended = tokio::select! {
            ended = self.raise_and_wait(&mut radio, last_told) => ended,
            () = stop.wait() => Ok(Ended::Stopped),
        };
        let is_rescued = ended.as_ref().map(|ended| self.tell_end(*ended));
        let (restored, problem) = match give_back(radio).await {
            GivenBack::NothingBefore => (None, None),
            GivenBack::Restored { connection } => (Some(connection), None),
            GivenBack::NotRestored { problem } => (None, Some(problem)),
        };
        self.teller.tell(&Event::NetworkDown { restored, problem });
        let is_rescued = is_rescued.is_ok_and(|is_rescued| is_rescued);
        ended.map(|_ended| is_rescued)
    }

    fn tell_end(&self, ended: Ended) -> bool {
        match ended {
            Ended::SafeToShip => self.teller.tell(&Event::SafeToShip),
            Ended::TimeOver { .. } => self.teller.tell(&Event::TimeOver),
            Ended::Stopped => self.teller.tell(&Event::Stopped),
        }
        match ended {
            Ended::SafeToShip => true,
            Ended::TimeOver { has_joined } => has_joined && self.followed.is_none(),
            Ended::Stopped => self.followed.is_none(),
        }
    }

    async fn raise_and_wait(&self, radio: &mut BorrowedRadio, last_told: Option<Answer>) -> Result<Ended> {
        let raised = radio.raise(&self.network).await;
        raised.map_err(|error| with_advice(error, "the network cannot be raised"))?;
        let interface = radio.interface().to_owned();
        let is_open = self.network.is_open();
        self.teller.tell(&Event::NetworkUp { ssid: self.ssid.clone(), interface, is_open });
        if radio.has_way_out().await == Some(false) {
            self.teller.tell(&Event::NoWayOut);
        }
        self.wait(radio, last_told).await
    }

    async fn wait(&self, radio: &mut BorrowedRadio, mut last_told: Option<Answer>) -> Result<Ended> {
        let started = Instant::now();
        let mut told = interval_at(started + TELL_EVERY, TELL_EVERY);
        let mut watched = self.followed.clone().map(Followed::watch);
        let mut joined: Vec<String> = Vec::new();
        loop {
            let waited_s = || started.elapsed().as_secs();
            tokio::select! {
                event = radio.next_event() => match event {
                    RadioEvent::Joined(mac) => {
                        let mac = mac.to_string();
                        self.teller.tell(&Event::BoardJoined { mac: mac.clone(), waited_s: waited_s() });
                        if !joined.contains(&mac) {
                            joined.push(mac);
                        }
                    }
                    RadioEvent::Left(mac) => self.teller.tell(&Event::BoardLeft { mac: mac.to_string() }),
                    RadioEvent::Lost => bail!("the network went down by itself: the radio was unplugged or used by another"),
                },
                answer = next_answer(&mut watched) => {
                    if answer.as_ref().is_ok_and(|standing| standing.safe_to_ship) {
                        self.tell_answer(answer, &mut last_told);
                        return Ok(Ended::SafeToShip);
                    }
                    self.tell_answer(answer, &mut last_told);
                }
                _due = told.tick() => {
                    self.teller.tell(&Event::Waiting { waited_s: waited_s(), joined_count: joined.len() });
                }
                () = at_end(started, self.time_max) => return Ok(Ended::TimeOver { has_joined: !joined.is_empty() }),
            }
        }
    }

    /// Says what the server answered, if it is something else than the last time.
    fn tell_answer(&self, answer: Answer, last_told: &mut Option<Answer>) {
        if last_told.as_ref() == Some(&answer) {
            return;
        }
        *last_told = Some(answer.clone());
        self.teller.tell(&match answer {
            Ok(standing) => Event::Release(standing),
            Err(error) => Event::ServerSilent { reason: format!("{:#}", anyhow::Error::new(error)) },
        });
    }
}

type Answer = Result<ReleaseStanding, SessionClientError>;

/// Why the waiting ended.
#[derive(Debug, Clone, Copy)]
enum Ended {
    SafeToShip,
    TimeOver { has_joined: bool },
    Stopped,
}

/// Waits for the server's next answer; for ever where none is asked.
async fn next_answer(watched: &mut Option<mpsc::Receiver<Answer>>) -> Answer {
    let answer = match watched {
        Some(answers) => answers.recv().await,
        None => None,
    };
    match answer {
        Some(answer) => answer,
        None => std::future::pending().await,
    }
}

async fn at_end(started: Instant, time_max: Option<Duration>) {
    match time_max.and_then(|time_max| started.checked_add(time_max)) {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}
