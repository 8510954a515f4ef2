//! A certificate from a public authority, obtained and renewed over ACME (RFC 8555).
//!
//! The folder `acme` of the data folder holds the account and the certificate with its key, each written whole. Until the first
//! certificate is there, the server's own one is shown. A failure never takes the certificate in use away.

mod challenges;
mod order;

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use registry::UtcTime;

pub(crate) use challenges::Challenges;
pub(crate) use order::ObtainCertificateError;

use crate::config::{AcmeSettings, Config};
use crate::tls::CertificateFacts;

/// Folder inside the data folder.
const FOLDER: &str = "acme";

/// Certificate and key in one file, so that no crash leaves half a pair.
const CERTIFICATE_FILE: &str = "certificate.pem";

/// The account's key and address.
const ACCOUNT_FILE: &str = "account.json";

/// First line of [`CERTIFICATE_FILE`]: which directory the certificate came from. PEM allows text before the first block
/// (RFC 7468, section 2).
const DIRECTORY_LINE: &str = "Directory: ";

/// What obtaining a certificate needs, and how it went last time.
#[derive(Debug)]
pub(crate) struct Acme {
    settings: AcmeSettings,
    domains: Vec<String>,
    folder: PathBuf,
    challenges: Challenges,
    failing_since: Mutex<Option<UtcTime>>,
}

/// Where the certificate of a data folder lies, whether there is one or not.
pub(crate) fn certificate_path(data_dir: &Path) -> PathBuf {
    data_dir.join(FOLDER).join(CERTIFICATE_FILE)
}

impl Acme {
    /// Takes what the configuration says; `None` when it does not ask for ACME.
    pub(crate) fn new(config: &Config, challenges: Challenges) -> Option<Self> {
        let settings = config.acme.clone()?;
        Some(Self {
            settings,
            domains: config.acme_domains(),
            folder: config.data_dir.join(FOLDER),
            challenges,
            failing_since: Mutex::new(None),
        })
    }

    pub(crate) fn certificate_path(&self) -> PathBuf {
        self.folder.join(CERTIFICATE_FILE)
    }

    /// Says whether a certificate is to be obtained: there is none yet, it is of another directory or for other names, or two
    /// thirds of its life are over (what Let's Encrypt asks for: 30 days before the end of 90).
    pub(crate) fn is_due(&self, in_use: Option<&CertificateFacts>, now: UtcTime) -> bool {
        let Ok(stored) = fs::read_to_string(self.certificate_path()) else { return true };
        let of_directory = stored.lines().next().and_then(|line| line.strip_prefix(DIRECTORY_LINE));
        let Some(facts) = in_use else { return true };
        let lifetime_ms = facts.not_after.unix_ms().saturating_sub(facts.not_before.unix_ms());
        let left_ms = facts.not_after.unix_ms().saturating_sub(now.unix_ms());
        let has_every_name = self.domains.iter().all(|name| facts.names.contains(name));
        of_directory != Some(&self.settings.directory) || !has_every_name || left_ms < lifetime_ms / 3
    }

    /// Notes how an attempt ended.
    pub(crate) fn note(&self, failed_at: Option<UtcTime>) {
        let mut since = self.failing_since.lock().unwrap_or_else(PoisonError::into_inner);
        *since = failed_at.map(|now| since.unwrap_or(now));
    }

    /// Since when every attempt has failed; `None` when the last one did not.
    pub(crate) fn failing_since(&self) -> Option<UtcTime> {
        *self.failing_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make_folder(&self) -> std::io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AcmeChallenge;

    const DAY_MS: i64 = 24 * 3_600 * 1_000;
    const NOW: UtcTime = UtcTime::from_unix_ms(1_795_000_000_000);
    const DIRECTORY: &str = "https://acme.example.org/directory";

    fn acme(folder: &Path) -> Acme {
        let settings = AcmeSettings {
            directory: DIRECTORY.to_owned(),
            terms_of_service_agreed: true,
            contact: Vec::new(),
            domains: vec!["a.example.org".to_owned(), "b.example.org".to_owned()],
            challenge: AcmeChallenge::default(),
            directory_ca: None,
        };
        let config = Config { data_dir: folder.to_owned(), acme: Some(settings), ..Config::default() };
        Acme::new(&config, Challenges::default()).unwrap()
    }

    fn facts(names: &[&str], left_days: i64) -> CertificateFacts {
        CertificateFacts {
            not_before: NOW.plus_ms((left_days - 90) * DAY_MS),
            not_after: NOW.plus_ms(left_days * DAY_MS),
            names: names.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    #[test]
    fn a_certificate_is_due_in_its_last_third_and_when_the_configuration_asks_for_another() {
        let folder = tempfile::tempdir().unwrap();
        let acme = acme(folder.path());
        let both = ["b.example.org", "a.example.org"];
        assert!(acme.is_due(Some(&facts(&both, 90)), NOW), "none was obtained");
        acme.make_folder().unwrap();
        let write =
            |directory| fs::write(acme.certificate_path(), format!("Directory: {directory}\n-----")).unwrap();
        write(DIRECTORY);
        assert!(!acme.is_due(Some(&facts(&both, 31)), NOW));
        assert!(acme.is_due(Some(&facts(&both, 29)), NOW));
        assert!(acme.is_due(Some(&facts(&both, -1)), NOW));
        assert!(acme.is_due(Some(&facts(&["a.example.org"], 90)), NOW));
        write("https://acme-staging.example.org/directory");
        assert!(acme.is_due(Some(&facts(&both, 90)), NOW));
    }

    #[test]
    fn the_first_failure_of_a_row_is_remembered_until_a_success() {
        let folder = tempfile::tempdir().unwrap();
        let acme = acme(folder.path());
        acme.note(Some(NOW));
        acme.note(Some(NOW.plus_ms(1)));
        assert_eq!(acme.failing_since(), Some(NOW));
        acme.note(None);
        assert_eq!(acme.failing_since(), None);
    }
}
