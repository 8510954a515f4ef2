//! The archive from which a kernel fills its first file system.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result};
use cpio::newc::{Builder, ModeFileType, trailer};

/// Folders that Debian made links of.
const MERGED_FOLDERS: [&str; 4] = ["bin", "lib", "lib64", "sbin"];
/// Permissions of what the archive itself brings.
const FOLDER_MODE: u32 = 0o755;
const LINK_MODE: u32 = 0o777;
const PERMISSION_BITS: u32 = 0o777;

/// An archive that is being written. Everything in it belongs to root, whoever writes it.
pub(super) struct Archive {
    out: BufWriter<fs::File>,
    names: BTreeSet<PathBuf>,
}

impl Archive {
    /// Begins an archive.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file = fs::File::create(path).with_context(|| format!("making {}", path.display()))?;
        let mut archive = Self { out: BufWriter::new(file), names: BTreeSet::new() };
        for name in MERGED_FOLDERS {
            archive.add_link(&Path::new("/").join(name), &format!("usr/{name}"))?;
        }
        Ok(archive)
    }

    /// Adds a file of this computer at a path; what is there already stays.
    pub(super) fn add_file(&mut self, source: &Path, at: &Path) -> Result<()> {
        let reading = || format!("reading {}", source.display());
        let bytes = fs::read(source).with_context(reading)?;
        let mode = fs::metadata(source).with_context(reading)?.permissions().mode();
        self.add_bytes(&bytes, mode & PERMISSION_BITS, at)
    }

    /// Adds a file of this computer at the same path.
    pub(super) fn add_same(&mut self, source: &Path) -> Result<()> {
        self.add_file(source, source)
    }

    /// Adds a file with these bytes.
    pub(super) fn add_bytes(&mut self, bytes: &[u8], mode: u32, at: &Path) -> Result<()> {
        self.add(at, ModeFileType::Regular, mode, bytes)
    }

    /// Adds a folder and those above it.
    pub(super) fn add_folder(&mut self, at: &Path) -> Result<()> {
        self.add(at, ModeFileType::Directory, FOLDER_MODE, &[])
    }

    /// Adds a link.
    pub(super) fn add_link(&mut self, at: &Path, to: &str) -> Result<()> {
        self.add(at, ModeFileType::Symlink, LINK_MODE, to.as_bytes())
    }

    /// Ends the archive.
    pub(super) fn finish(self) -> Result<()> {
        trailer(self.out).and_then(|mut out| out.flush()).context("ending the archive")
    }

    fn add(&mut self, at: &Path, kind: ModeFileType, mode: u32, bytes: &[u8]) -> Result<()> {
        let at = merged(at);
        let folders: Vec<PathBuf> = at.ancestors().skip(1).map(Path::to_path_buf).collect();
        for folder in folders.into_iter().rev().filter(|folder| !folder.as_os_str().is_empty()) {
            if self.names.insert(folder.clone()) {
                self.write(&folder, ModeFileType::Directory, FOLDER_MODE, &[])?;
            }
        }
        if self.names.insert(at.clone()) {
            self.write(&at, kind, mode, bytes)?;
        }
        Ok(())
    }

    fn write(&mut self, name: &Path, kind: ModeFileType, mode: u32, bytes: &[u8]) -> Result<()> {
        let packing = || format!("packing {}", name.display());
        let name = name.to_str().with_context(packing)?;
        let byte_count = u32::try_from(bytes.len()).with_context(packing)?;
        // Two entries with one number would be one file under two names.
        let number = u32::try_from(self.names.len()).with_context(packing)?;
        let entry = Builder::new(name).ino(number).mode(mode).set_mode_file_type(kind);
        let mut writer = entry.write(&mut self.out, byte_count);
        writer.write_all(bytes).and_then(|()| writer.finish().map(|_out| ())).with_context(packing)
    }
}

/// A path as it is stored: without the first slash, and below `usr` where Debian's links lead there.
fn merged(path: &Path) -> PathBuf {
    let relative: PathBuf = path.components().filter(|part| matches!(part, Component::Normal(_))).collect();
    let is_inside =
        MERGED_FOLDERS.iter().any(|folder| relative.starts_with(folder) && relative != Path::new(folder));
    if is_inside { Path::new("usr").join(relative) } else { relative }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, mode and content of every entry, as another reader of the format sees them.
    fn entries(path: &Path) -> Vec<(String, u32, Vec<u8>)> {
        let mut input = std::io::BufReader::new(fs::File::open(path).unwrap());
        let mut entries = Vec::new();
        loop {
            let reader = cpio::NewcReader::new(input).unwrap();
            if reader.entry().is_trailer() {
                return entries;
            }
            let (name, mode) = (reader.entry().name().to_owned(), reader.entry().mode());
            let mut bytes = Vec::new();
            input = reader.to_writer(&mut bytes).unwrap();
            entries.push((name, mode, bytes));
        }
    }

    #[test]
    fn a_file_brings_its_folders_and_keeps_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let (source, image) = (folder.path().join("tool"), folder.path().join("image"));
        fs::write(&source, "text").unwrap();
        fs::set_permissions(&source, fs::Permissions::from_mode(0o750)).unwrap();
        let mut archive = Archive::create(&image).unwrap();
        archive.add_file(&source, Path::new("/lib/rehome/tool")).unwrap();
        archive.add_bytes(b"twice", 0o644, Path::new("/usr/lib/rehome/tool")).unwrap();
        archive.finish().unwrap();
        let entries = entries(&image);
        assert!(entries.contains(&("lib".to_owned(), 0o120_777, b"usr/lib".to_vec())), "{entries:?}");
        assert!(entries.contains(&("usr/lib/rehome".to_owned(), 0o040_755, Vec::new())), "{entries:?}");
        let files: Vec<_> = entries.iter().filter(|(name, ..)| name == "usr/lib/rehome/tool").collect();
        assert_eq!(files, [&("usr/lib/rehome/tool".to_owned(), 0o100_750, b"text".to_vec())]);
    }

    #[test]
    fn paths_follow_debian_s_links() {
        assert_eq!(merged(Path::new("/lib64/ld.so")), Path::new("usr/lib64/ld.so"));
        assert_eq!(merged(Path::new("/lib")), Path::new("lib"));
        assert_eq!(merged(Path::new("/library/x")), Path::new("library/x"));
        assert_eq!(merged(Path::new("/usr/bin/x")), Path::new("usr/bin/x"));
    }
}
