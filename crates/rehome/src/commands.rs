//! The subcommands, one file each.

mod backup;
mod bench;
mod borrowed_wifi;
mod check;
mod device;
mod flash;
mod label;
mod load;
mod provision;
mod rescue;
mod serve;
mod service_manager;
mod story;
mod up;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A cloud and device agent for Wi-Fi devices that can always be given a new home.
#[derive(Debug, Parser)]
#[command(name = "rehome", version, propagate_version = true)]
pub(crate) enum Command {
    /// Starts cloud, console and virtual bench on this machine, with an embedded database.
    Up(up::UpArguments),
    /// Starts the cloud with its console.
    Serve(serve::ServeArguments),
    /// Starts the virtual bench alone, against any server.
    Bench(bench::BenchArguments),
    /// Runs the device agent on this machine's Wi-Fi.
    Device(device::DeviceArguments),
    /// Plays the founding story in virtual time; exits with 1 when a board ends badly.
    Story(story::StoryArguments),
    /// Sets up a device over its hotspot: old Edgent, new Edgent or Rehome.
    ///
    /// Finds the hotspot by its name, joins it over NetworkManager, and brings the former connection back afterwards. With
    /// `--portal-url` this computer must have joined it already. Secrets are read from files, standard input (`-`) or the
    /// environment, never from the command line.
    Provision(provision::ProvisionArguments),
    /// Raises a network that is gone, so that a board that still looks for it comes back and can be released.
    ///
    /// Over NetworkManager, on 2.4 GHz, WPA2 or open. The board gets an address and a way to its server, so this computer
    /// needs another way out, such as a cable, unless the server runs here. Ctrl-C takes the network down; what was
    /// connected before is connected again. Needs root or a person at this machine's screen.
    Rescue(rescue::RescueArguments),
    /// Draws QR labels for boards, as SVG, PNG or PDF sheet.
    ///
    /// The code joins a board's hotspot; name, PoP and UID stand beside it in text. Keep the files as carefully as the boards:
    /// the PoP opens a board's door.
    Label(label::LabelArguments),
    /// Shows what a flash dump holds of a home, or erases it.
    ///
    /// Understands Rehome's home store and the stored settings of old and new Edgent, in a dump of the whole flash or of one
    /// partition. File systems and encrypted flash are not looked into.
    Flash(flash::FlashArguments),
    /// Plays many devices against a server on this machine and reports what they cost it.
    ///
    /// Log-ins, idle connections, values, live updates and reconnect storms, in Blynk's binary protocol or MQTT. Only
    /// loopback addresses are accepted.
    Load(load::LoadArguments),
    /// Backs up a server's data folder, also while the server runs.
    ///
    /// The backup holds database, keys, authority and firmware images. It appears whole or not at all, for its owner alone.
    Backup(backup::BackupArguments),
    /// Restores a backup into an empty data folder.
    ///
    /// Run it as the user of the server. Nothing is written over; files, database and token key are checked first.
    Restore(backup::RestoreArguments),
    /// Looks a data folder over and says what to do; exits with 1 when anything is wrong.
    ///
    /// Database, references, keys, firmware files and permissions; also while the server runs. Nothing is changed.
    Check(check::CheckArguments),
}

impl Command {
    /// Runs the subcommand to its end.
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Story(arguments) => story::run(&arguments),
            Self::Provision(arguments) => provision::run(arguments),
            Self::Rescue(arguments) => rescue::run(arguments),
            Self::Label(arguments) => label::run(&arguments),
            Self::Flash(arguments) => flash::run(&arguments),
            Self::Backup(arguments) => backup::back_up(&arguments),
            Self::Restore(arguments) => backup::restore(&arguments),
            Self::Check(arguments) => check::run(&arguments),
            Self::Device(arguments) => device::run(&arguments),
            Self::Up(arguments) => runtime()?.block_on(up::run(arguments)),
            Self::Serve(arguments) => {
                let sockets = service_manager::take_sockets()?;
                runtime()?.block_on(serve::run(arguments, sockets))
            }
            Self::Bench(arguments) => runtime()?.block_on(bench::run(arguments)),
            // One thread: it has one processor core beside the server's, and fewer threads disturb the measurement less.
            Self::Load(arguments) => single_thread_runtime()?.block_on(load::run(arguments)),
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")?;
    survive_file_size_limits(&runtime)?;
    allow_many_connections();
    Ok(runtime)
}

/// Takes as many open files as the system grants: each connection is one, and the usual soft limit is 1,024.
fn allow_many_connections() {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is: {error}");
    }
}

/// Lets a write beyond `ulimit -f` fail, as one on a full disk does. Unhandled, its signal ends the process (`signal(7)`).
fn survive_file_size_limits(runtime: &tokio::runtime::Runtime) -> Result<()> {
    let _inside = runtime.enter();
    let kind = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
    // The handler outlives its receiver; that it exists is all that is needed.
    drop(signal(kind).context("handling the signal of too large files")?);
    Ok(())
}

/// Ctrl-C, and the signal by which a service manager stops a program.
#[derive(Debug)]
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    /// Takes the signals over. Do it before telling anybody that the program is ready: until then they end it at once.
    ///
    /// # Errors
    /// When the process may not handle signals.
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("listening for the stop signals");
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// Waits for one of them.
    async fn wait(mut self) {
        tokio::select! {
            _interrupted = self.interrupt.recv() => {}
            _terminated = self.terminate.recv() => {}
        }
    }
}

fn single_thread_runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")
}
