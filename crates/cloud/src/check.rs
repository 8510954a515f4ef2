//! Looks a data folder over: database, keys, firmware files, permissions. Nothing is changed.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use store::{DATABASE_FILE, DatabaseCheck, OpenStoreError, TOKEN_KEY_FILE, check_database};

use crate::acme;
use crate::admin_key::{ADMIN_KEY_FILE, AdminKey, OpenAdminKeyError};
use crate::backup::{file_digest, image_name};
use crate::errors::ErrorChain;
use crate::firmware_signer::{FIRMWARE_KEY_FILE, FirmwareSigner};
use crate::release_signer::{OpenReleaseKeyError, RELEASE_KEY_FILE, ReleaseSigner};
use crate::secret_file::hex;
use crate::tls::{Certificate, OpenTlsError, check_certificates};

/// Files that nobody but their owner may read.
const SECRET_FILES: [&str; 8] = [
    TOKEN_KEY_FILE,
    RELEASE_KEY_FILE,
    ADMIN_KEY_FILE,
    FIRMWARE_KEY_FILE,
    "tls/ca-key.pem",
    "tls/server-key.pem",
    "acme/account.json",
    "acme/certificate.pem",
];

/// Bits of a mode that let anybody but the owner in.
const OTHERS: u32 = 0o077;

const RESTORE: &str =
    "Stop the server, move the data folder away and restore the last good backup with `rehome restore`.";

/// Something that is wrong in a data folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Which kind: `database`, `reference`, `key`, `firmware`, `permissions`.
    pub kind: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

/// Why a data folder could not be looked over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// It is not there or may not be entered.
    #[error("cannot look into {}; check the name, and run this as the user of the server", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Looks a data folder over, whether a server uses it or not; returns what is wrong.
///
/// # Errors
/// When the folder cannot be entered.
pub fn check_data_folder(data_dir: &Path) -> Result<Vec<Problem>, CheckError> {
    fs::read_dir(data_dir)
        .map_err(|source| CheckError::Folder { path: data_dir.to_owned(), source })
        .map(drop)?;
    let mut problems = Vec::new();
    match check_database(data_dir) {
        Ok(checked) => note_database(data_dir, checked, &mut problems),
        Err(error) => problems.push(unusable(data_dir.join(DATABASE_FILE), "database", &error)),
    }
    note_keys(data_dir, &mut problems);
    note_certificates(data_dir, &mut problems);
    note_permissions(data_dir, &mut problems);
    Ok(problems)
}

fn unusable(path: PathBuf, kind: &'static str, error: &OpenStoreError) -> Problem {
    let problem = match error {
        OpenStoreError::DamagedDatabase { .. } => "the database is damaged".to_owned(),
        error => ErrorChain(error).to_string(),
    };
    Problem { kind, path, problem, remedy: RESTORE.to_owned() }
}

fn note_database(data_dir: &Path, checked: DatabaseCheck, problems: &mut Vec<Problem>) {
    let path = data_dir.join(DATABASE_FILE);
    let database = |kind, problem| Problem { kind, path: path.clone(), problem, remedy: RESTORE.to_owned() };
    problems.extend(checked.damage.into_iter().map(|line| database("database", line)));
    problems.extend(checked.broken_references.into_iter().map(|row| {
        let number = row.row.map_or_else(String::new, |number| format!(" {number}"));
        database(
            "reference",
            format!("row{number} of {} refers to a missing row of {}", row.table, row.refers_to),
        )
    }));
    if let Some(error) = &checked.key_problem {
        problems.push(unusable(data_dir.join(TOKEN_KEY_FILE), "key", error));
    }
    for image in &checked.images {
        let path = data_dir.join(image_name(image));
        let problem = match file_digest(&path) {
            Ok(found) if found == (hex(&image.sha256), image.size_bytes) => continue,
            Ok(_) => format!("the file of the firmware image {} is not as it was uploaded", image.file_name),
            Err(error) => {
                format!("the file of the firmware image {} cannot be read: {error}", image.file_name)
            }
        };
        let remedy = "Put the file back from a backup, or upload the same image again in the console: it takes its place."
            .to_owned();
        problems.push(Problem { kind: "firmware", path, problem, remedy });
    }
}

/// What is wrong with the key files, found by what the server reads them with.
fn note_keys(data_dir: &Path, problems: &mut Vec<Problem>) {
    const NOT_A_KEY: &str = "it does not hold a key, 64 hexadecimal digits";
    let said = |error: &OpenReleaseKeyError| match error {
        OpenReleaseKeyError::NotAKey { .. } => NOT_A_KEY.to_owned(),
        error => ErrorChain(error).to_string(),
    };
    let mut note = |name: &str, problem: String, remedy: &str| {
        problems.push(Problem { kind: "key", path: data_dir.join(name), problem, remedy: remedy.to_owned() });
    };
    match ReleaseSigner::read(data_dir) {
        Ok(Some(_)) => {}
        Ok(None) => note(
            RELEASE_KEY_FILE,
            "the key of release orders is missing".to_owned(),
            "Put it back from a backup before the server starts again: it would make another one, and boards that \
             were set up before would obey no release order.",
        ),
        Err(error) => note(
            RELEASE_KEY_FILE,
            said(&error),
            "Put it back from a backup: boards that were set up before obey no release order without it.",
        ),
    }
    if let Err(error) = FirmwareSigner::open(data_dir) {
        note(
            FIRMWARE_KEY_FILE,
            said(&error),
            "Put it back from a backup. Without the file images go out unsigned, and boards with a firmware key take none.",
        );
    }
    match AdminKey::read(data_dir) {
        Ok(_) => {}
        Err(OpenAdminKeyError::NotAKey { .. }) => note(
            ADMIN_KEY_FILE,
            NOT_A_KEY.to_owned(),
            "Remove it: the server makes a new one when it starts. Programs that use the old one need the new one.",
        ),
        Err(error) => note(
            ADMIN_KEY_FILE,
            ErrorChain(&error).to_string(),
            "Look at its owner and permissions, and run this as the user of the server.",
        ),
    }
}

fn note_certificates(data_dir: &Path, problems: &mut Vec<Problem>) {
    for (which, error) in check_certificates(data_dir) {
        let (otherwise, remedy) = match which {
            Certificate::Authority => (
                data_dir.join("tls"),
                "Put tls/ca.pem and tls/ca-key.pem back from a backup. Without one remove the folder tls: the server makes a \
                 new authority, and whatever trusts the old one has to be given the new one.",
            ),
            Certificate::Own => (
                data_dir.join("tls"),
                "Remove tls/server.pem and tls/server-key.pem: the server makes them anew when it starts.",
            ),
            Certificate::Obtained => {
                (acme::certificate_path(data_dir), "Remove it: the server obtains another one.")
            }
        };
        let problem = ErrorChain(&error).to_string();
        let path = match error {
            OpenTlsError::File { path, .. } | OpenTlsError::Pem { path } => path,
            _ => otherwise,
        };
        problems.push(Problem { kind: "key", path, problem, remedy: remedy.to_owned() });
    }
}

fn note_permissions(data_dir: &Path, problems: &mut Vec<Problem>) {
    let files = SECRET_FILES.iter().map(|name| (data_dir.join(name), "chmod 600"));
    for (path, command) in files.chain([(data_dir.to_owned(), "chmod 700")]) {
        let mode = match fs::metadata(&path) {
            Ok(metadata) => metadata.permissions().mode(),
            // What must exist is looked for elsewhere.
            Err(_) => continue,
        };
        if mode & OTHERS != 0 {
            let problem = format!("other users may use it (mode {:03o})", mode & 0o777);
            let remedy = format!("{command} {}", path.display());
            problems.push(Problem { kind: "permissions", path, problem, remedy });
        }
    }
}

#[cfg(test)]
mod tests;
