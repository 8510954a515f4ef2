//! Secrets come from files, standard input or the environment: a command line is read by everybody on the computer.

use std::fs::File;
use std::io::{Read as _, stdin};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::error::ErrorKind;

/// Largest secret file that is read, in bytes; keys and passwords have fewer than a hundred.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Mode of files that hold secrets: their owner reads and writes them.
pub(crate) const OWNER_ONLY: u32 = 0o600;

/// Stands for standard input.
const STANDARD_INPUT: &str = "-";

/// Reads a file, or standard input for `-`.
///
/// Names the file in its errors only if it exists: what was given in place of a file name may be the secret itself.
pub(crate) fn read_file_or_stdin(path: &Path) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let limit = FILE_BYTES_MAX.saturating_add(1);
    if path == Path::new(STANDARD_INPUT) {
        stdin().take(limit).read_to_end(&mut content).context("reading standard input")?;
    } else {
        let file = File::open(path).with_context(|| {
            if path.exists() {
                format!("opening {}", path.display())
            } else {
                "the file that was named for a secret cannot be opened (the option takes the name of a file, or `-` for \
                 standard input, never the secret itself)"
                    .to_owned()
            }
        })?;
        file.take(limit).read_to_end(&mut content).with_context(|| format!("reading {}", path.display()))?;
    }
    if content.len() as u64 > FILE_BYTES_MAX {
        bail!("{} is too large for a secret", path.display());
    }
    Ok(content)
}

/// Ends the program with a usage error if more than one argument wants standard input.
pub(crate) fn refuse_shared_stdin<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) {
    if paths.into_iter().filter(|path| path.as_path() == Path::new(STANDARD_INPUT)).count() > 1 {
        usage_error("only one argument can be `-`: there is one standard input");
    }
}

/// Ends the program as clap does: the message on standard error, exit code 2.
pub(crate) fn usage_error(message: &str) -> ! {
    clap::Error::raw(ErrorKind::ValueValidation, format!("{message}\n")).exit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_given_in_place_of_its_file_is_not_repeated() {
        let error = format!("{:#}", read_file_or_stdin(Path::new("ABCD-2345")).unwrap_err());
        assert!(error.contains("name of a file") && !error.contains("ABCD"), "{error}");
    }

    #[test]
    fn a_file_that_exists_and_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = format!("{:#}", read_file_or_stdin(folder.path()).unwrap_err());
        assert!(error.contains(folder.path().to_str().unwrap()), "{error}");
    }
}
