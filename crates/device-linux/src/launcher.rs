//! Starts the program that the slots name, in place of the installed one: the boot loader of a Linux device.
//!
//! A confirmed program takes this process over. A new one runs beside it, watched: whatever it does, the former one is
//! back after [`TRIAL_LIMIT`] at the latest unless it was confirmed.

use std::ffi::OsString;
use std::future::Future;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::config::Config;
use crate::program_slots::{Choice, ProgramSlots, SlotName};
use crate::state_file::{OpenStateFileError, StateFile};

/// Environment variable that tells a program from which slot it was started: `a` or `b`.
pub const SLOT_VARIABLE: &str = "REHOME_SLOT";
/// Environment variable with the path of the installed program, for a program that took its process over.
pub const LAUNCHER_VARIABLE: &str = "REHOME_LAUNCHER";
/// How long a new program may go unconfirmed: the 5 min of the lifecycle, and time to say so.
pub const TRIAL_LIMIT: Duration = Duration::from_secs(330);
/// How long a program may take to end when it is told to.
const END_LIMIT: Duration = Duration::from_secs(10);
/// How often a trial is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How to start programs.
#[derive(Clone, Debug)]
pub struct Launcher {
    /// The installed program, which runs this.
    pub program: PathBuf,
    /// Arguments for every program.
    pub arguments: Vec<OsString>,
    /// See [`TRIAL_LIMIT`].
    pub trial_limit: Duration,
}

/// What is left to be done by the installed program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Launched {
    /// It must run itself: no slot holds anything better.
    RunInstalled,
    /// Nothing: it was told to stop while another program ran.
    Stopped,
}

/// Why nothing can be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// Another agent runs.
    #[error("looking for another agent")]
    StateFile(#[from] OpenStateFileError),
}

/// What ended a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TrialEnd {
    Ended,
    Stopped,
}

impl Launcher {
    /// Starts programs of the slots until only the installed one is left, or `stop` ends. Must be called on a runtime.
    ///
    /// # Errors
    /// [`LaunchError`]; nothing was started then.
    pub async fn launch(
        &self,
        config: &Config,
        stop: impl Future<Output = ()>,
    ) -> Result<Launched, LaunchError> {
        let slots = ProgramSlots::new(&config.state_dir, None, &config.firmware_version);
        let mut stop = pin!(stop);
        loop {
            let choice = {
                // While an agent runs, its trial is not over. A file that cannot be used is no agent.
                let _alone = match StateFile::open(&config.state_dir.join("home.flash")) {
                    Err(error @ OpenStateFileError::InUse { .. }) => return Err(error.into()),
                    alone => alone,
                };
                slots.choose()
            };
            match choice {
                Choice::Installed => return Ok(Launched::RunInstalled),
                Choice::Confirmed { slot, path } => {
                    tracing::info!(slot = slot.as_str(), "starting the program of a slot");
                    let error = self.command(&path, slot).exec();
                    tracing::error!(%error, "the program cannot be started; the installed one runs");
                    return Ok(Launched::RunInstalled);
                }
                Choice::Trial { slot, path } => {
                    tracing::info!(slot = slot.as_str(), "trying the new program of a slot");
                    if self.watch_trial(&slots, &path, slot, &mut stop).await == TrialEnd::Stopped {
                        return Ok(Launched::Stopped);
                    }
                }
            }
        }
    }

    fn command(&self, path: &Path, slot: SlotName) -> std::process::Command {
        let mut command = std::process::Command::new(path);
        command.args(&self.arguments).env(SLOT_VARIABLE, slot.as_str()).env(LAUNCHER_VARIABLE, &self.program);
        command
    }

    /// Runs a new program until it ends, or has had its time without being confirmed.
    async fn watch_trial(
        &self,
        slots: &ProgramSlots,
        path: &Path,
        slot: SlotName,
        mut stop: impl Future<Output = ()> + Unpin,
    ) -> TrialEnd {
        let mut command = Command::from(self.command(path, slot));
        // Watched programs end; they do not start the installed one themselves.
        command.env_remove(LAUNCHER_VARIABLE).kill_on_drop(true);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                tracing::error!(%error, "the new program cannot be started");
                return TrialEnd::Ended;
            }
        };
        let give_up_at = tokio::time::Instant::now() + self.trial_limit;
        loop {
            tokio::select! {
                biased;
                () = &mut stop => {
                    end(&mut child).await;
                    return TrialEnd::Stopped;
                }
                ended = child.wait() => {
                    tracing::info!(?ended, "the new program ended");
                    return TrialEnd::Ended;
                }
                () = tokio::time::sleep(LOOK_EVERY.min(self.trial_limit)) => {}
            }
            if tokio::time::Instant::now() >= give_up_at && slots.is_trying(slot) {
                tracing::error!("the new program was not confirmed in time");
                end(&mut child).await;
                return TrialEnd::Ended;
            }
        }
    }
}

/// Asks a program to end, then ends it.
async fn end(child: &mut Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid
        && let Err(error) = kill_process(pid, Signal::TERM)
    {
        tracing::warn!(%error, "the program cannot be asked to end");
    }
    if tokio::time::timeout(END_LIMIT, child.wait()).await.is_err()
        && let Err(error) = child.kill().await
    {
        tracing::error!(%error, "the program cannot be ended");
    }
}

/// Lets the installed program take this process over, which runs the program of a slot. Returns only when that fails.
#[must_use]
pub fn hand_back(launcher: &Path, arguments: &[OsString]) -> std::io::Error {
    std::process::Command::new(launcher)
        .args(arguments)
        .env_remove(SLOT_VARIABLE)
        .env_remove(LAUNCHER_VARIABLE)
        .exec()
}
