//! Looks a data folder over: database, keys, firmware files, permissions. Nothing is changed.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use store::{DATABASE_FILE, DatabaseCheck, OpenStoreError, TOKEN_KEY_FILE, check_database};

use crate::admin_key::ADMIN_KEY_FILE;
use crate::backup::{file_digest, image_name};
use crate::firmware_signer::FIRMWARE_KEY_FILE;
use crate::release_signer::RELEASE_KEY_FILE;
use crate::secret_file::hex;

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
    note_release_key(data_dir, &mut problems);
    note_permissions(data_dir, &mut problems);
    Ok(problems)
}

fn unusable(path: PathBuf, kind: &'static str, error: &OpenStoreError) -> Problem {
    let problem = crate::errors::ErrorChain(error).to_string();
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

fn note_release_key(data_dir: &Path, problems: &mut Vec<Problem>) {
    let path = data_dir.join(RELEASE_KEY_FILE);
    if !path.exists() {
        problems.push(Problem {
            kind: "key",
            path,
            problem: "the key of release orders is missing".to_owned(),
            remedy: "Put it back from a backup before the server starts again: it would make another one, and boards \
                     that were set up before would obey no release order."
                .to_owned(),
        });
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
