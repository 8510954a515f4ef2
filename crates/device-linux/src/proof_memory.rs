//! How many wrong proofs of possession were given since power-on, over every end of this process.
//!
//! On a chip this is memory that a restart leaves alone. Here a process may crash, be updated or be restarted by the
//! service manager, and none of that is a power-on: the count is in a file, together with the kernel's boot that it
//! belongs to.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use crate::identity::{KERNEL_BOOT_ID, replace};

/// Name of the file: the count, a space, the boot.
const FILE: &str = "wrong-proofs";

/// The count of one boot of the machine.
#[derive(Debug)]
pub(crate) struct ProofMemory {
    path: PathBuf,
    /// `None` = the kernel does not name its boot; the count then lasts as long as this process.
    boot_id: Option<String>,
    count: Cell<u8>,
}

impl ProofMemory {
    /// Takes up the count of this boot.
    pub(crate) fn open(state_dir: &Path) -> Self {
        Self::open_in(state_dir, Path::new(KERNEL_BOOT_ID))
    }

    fn open_in(state_dir: &Path, kernel_boot_id: &Path) -> Self {
        let path = state_dir.join(FILE);
        let boot_id = fs::read_to_string(kernel_boot_id).ok().map(|id| id.trim().to_owned());
        let count = boot_id.as_deref().and_then(|boot_id| read(&path, boot_id)).unwrap_or(0);
        Self { path, boot_id, count: Cell::new(count) }
    }

    pub(crate) const fn count(&self) -> u8 {
        self.count.get()
    }

    /// Keeps the count; it is on the disk when this returns, where the disk can be written.
    pub(crate) fn keep(&self, count: u8) {
        if self.count.replace(count) == count {
            return;
        }
        if let Some(boot_id) = &self.boot_id
            && let Err(error) = replace(&self.path, &format!("{count} {boot_id}\n"))
        {
            tracing::warn!(%error, "wrong proofs are counted only as long as this process runs");
        }
    }
}

/// Reads the count of this boot; that of an earlier one, or of nobody knows which, is none.
fn read(path: &Path, boot_id: &str) -> Option<u8> {
    let text = fs::read_to_string(path).ok()?;
    let (count, counted_in) = text.trim_end().split_once(' ')?;
    count.parse().ok().filter(|_count| counted_in == boot_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_proofs_outlive_the_process_and_not_the_boot() {
        let folder = tempfile::tempdir().unwrap();
        let kernel = folder.path().join("kernel");
        let open = || ProofMemory::open_in(folder.path(), &kernel);
        fs::write(&kernel, "one\n").unwrap();
        assert_eq!(open().count(), 0);
        open().keep(4);
        assert_eq!(open().count(), 4);
        fs::write(&kernel, "two\n").unwrap();
        assert_eq!(open().count(), 0, "power-on opens the door");
        fs::write(&kernel, "one\n").unwrap();
        assert_eq!(open().count(), 4);
        open().keep(0);
        assert_eq!(open().count(), 0);
    }

    #[test]
    fn what_is_no_count_of_this_boot_locks_nobody_out() {
        let folder = tempfile::tempdir().unwrap();
        let kernel = folder.path().join("kernel");
        fs::write(&kernel, "one\n").unwrap();
        for text in ["", "5", "5 ", "5 two\n", "-1 one\n", "256 one\n", " one\n", "five one\n"] {
            fs::write(folder.path().join(FILE), text).unwrap();
            assert_eq!(ProofMemory::open_in(folder.path(), &kernel).count(), 0, "{text:?}");
        }
        fs::write(folder.path().join(FILE), "5 one\n").unwrap();
        assert_eq!(ProofMemory::open_in(folder.path(), &kernel).count(), 5);
        fs::remove_file(&kernel).unwrap();
        assert_eq!(ProofMemory::open_in(folder.path(), &kernel).count(), 0, "no boot is named");
    }

    #[test]
    fn a_count_that_cannot_be_written_counts_as_long_as_the_process_runs() {
        let folder = tempfile::tempdir().unwrap();
        let memory = ProofMemory::open(&folder.path().join("missing"));
        memory.keep(5);
        assert_eq!(memory.count(), 5);
    }
}
