//! What a run of the agent has to do without, and when it need not any more.
//!
//! A device that ended for want of a file would never open its hotspot. It runs on what it has, says what it lacks in the
//! log and in the local API, and starts anew once that can be had.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use crate::cloud_link::Authorities;
use crate::config::Config;
use crate::identity::{KeepIdentityError, made_up_uid, uid};
use crate::local_api::Pins;
use crate::state_file::{OpenStateFileError, StateFile};

/// How often a file that could not be used is looked at. Each look may be an error in the kernel's log.
const LOOK_AT_FILES_EVERY: Duration = Duration::from_secs(30);

/// What one run lacks.
#[derive(Debug)]
pub(crate) struct Lacks {
    pins: Rc<Pins>,
    state_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
}

impl Lacks {
    /// Lacks nothing yet; what it will is told to `pins`.
    pub(crate) fn new(pins: Rc<Pins>) -> Self {
        Self { pins, state_file: None, ca_file: None }
    }

    /// Opens the state file, or goes on without a home.
    ///
    /// # Errors
    /// When another agent uses it: two would fight for the radio.
    pub(crate) fn open_state_file(&mut self, path: &Path) -> Result<StateFile, OpenStateFileError> {
        match StateFile::open(path) {
            Ok(file) => {
                if !file.is_writable() {
                    self.state_file = Some(path.to_owned());
                    let path = path.display();
                    self.note(format!("{path} may only be read: no change of the home can be stored"));
                }
                Ok(file)
            }
            Err(error @ OpenStateFileError::InUse { .. }) => Err(error),
            Err(error) => {
                self.state_file = Some(path.to_owned());
                self.note(format!("running without a home: {}", chain(&error)));
                Ok(StateFile::unusable())
            }
        }
    }

    /// Reads the list of authorities, or trusts nobody.
    pub(crate) fn read_authorities(&mut self, config: &Config) -> Authorities {
        Authorities::read(config.ca_file.as_deref()).unwrap_or_else(|error| {
            self.ca_file.clone_from(&config.ca_file);
            self.note(format!("no server can be trusted: {}", chain(&error)));
            Authorities::nobody()
        })
    }

    /// Returns the device's id, or one for as long as `stand_in` lives.
    ///
    /// # Errors
    /// When the system has no random numbers to make one up.
    pub(crate) fn uid(
        &self,
        config: &Config,
        stand_in: &mut Option<String>,
    ) -> Result<String, KeepIdentityError> {
        if let Some(uid) = &config.uid {
            return Ok(uid.clone());
        }
        match uid(&config.state_dir) {
            Ok(uid) => Ok(uid),
            Err(error) => {
                self.note(format!("the device has another id until it can be kept: {}", chain(&error)));
                if stand_in.is_none() {
                    *stand_in = Some(made_up_uid()?);
                }
                stand_in.clone().ok_or(error)
            }
        }
    }

    /// Waits until a new run would lack less.
    pub(crate) async fn until_less(&self) {
        if self.state_file.is_none() && self.ca_file.is_none() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(LOOK_AT_FILES_EVERY).await;
            let has_state_file = self.state_file.as_deref().is_some_and(can_be_used);
            let has_authorities =
                self.ca_file.is_some() && Authorities::read(self.ca_file.as_deref()).is_ok();
            if has_state_file || has_authorities {
                tracing::info!("what was missing is there: starting again");
                return;
            }
        }
    }

    fn note(&self, problem: String) {
        tracing::error!("{problem}");
        self.pins.note_problem(problem);
    }
}

/// Says whether the state file can be opened and written by now. A run that only reads it holds its lock, which says no
/// more than that the file was opened.
fn can_be_used(path: &Path) -> bool {
    match StateFile::open(path) {
        Ok(file) => file.is_writable(),
        Err(OpenStateFileError::InUse { .. }) => std::fs::OpenOptions::new().write(true).open(path).is_ok(),
        Err(_unusable) => false,
    }
}

/// An error with its reasons, for people.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut reason = error.source();
    while let Some(error) = reason {
        // Writing to a text never fails.
        write!(text, ": {error}").unwrap_or_default();
        reason = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A state file that is a folder, and a list of authorities that is not there.
    fn bad_config(folder: &Path) -> (Config, PathBuf) {
        let path = folder.join("home.flash");
        fs::create_dir(&path).unwrap();
        let config = Config { ca_file: Some(folder.join("ca.pem")), ..Config::default() };
        (config, path)
    }

    async fn lacks_less_within(lacks: &Lacks, wait: Duration) -> bool {
        tokio::time::timeout(wait, lacks.until_less()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_starts_again_when_its_state_file_can_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let (_config, path) = bad_config(folder.path());
        let pins = Rc::new(Pins::new());
        let mut lacks = Lacks::new(Rc::clone(&pins));
        assert!(!lacks_less_within(&lacks, Duration::from_hours(1)).await, "nothing is missing");
        assert!(!lacks.open_state_file(&path).unwrap().is_writable());
        assert!(!lacks_less_within(&lacks, Duration::from_hours(1)).await, "it is a folder still");
        fs::remove_dir(&path).unwrap();
        assert!(lacks_less_within(&lacks, Duration::from_mins(1)).await);
        assert!(lacks.open_state_file(&path).unwrap().is_writable());
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_starts_again_when_its_authorities_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let (config, _path) = bad_config(folder.path());
        let mut lacks = Lacks::new(Rc::new(Pins::new()));
        lacks.read_authorities(&config);
        assert!(!lacks_less_within(&lacks, Duration::from_hours(1)).await);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
        fs::write(config.ca_file.as_ref().unwrap(), certificate.pem()).unwrap();
        assert!(lacks_less_within(&lacks, Duration::from_mins(1)).await);
    }

    #[test]
    fn another_agent_is_no_lack() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("home.flash");
        let _other = StateFile::open(&path).unwrap();
        let opened = Lacks::new(Rc::new(Pins::new())).open_state_file(&path);
        assert!(matches!(opened, Err(OpenStateFileError::InUse { .. })), "{opened:?}");
    }
}
