//! What the emulated machine needs of this computer: Debian's programs and its kernel.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// Programs that make and run the machine, and the Debian packages that bring them.
const PROGRAMS: [(&str, &str); 6] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("modprobe", "kmod"),
    ("xz", "xz-utils"),
    ("strip", "binutils"),
    ("ldd", "libc-bin"),
];
/// Programs that go into the machine. What is not here is an applet of busybox there.
const MACHINE_PROGRAMS: [(&str, &str); 20] = [
    ("grep", "grep"),
    ("install", "coreutils"),
    ("hostapd", "hostapd"),
    ("wpa_supplicant", "wpasupplicant"),
    ("wpa_cli", "wpasupplicant"),
    ("NetworkManager", "network-manager"),
    ("nmcli", "network-manager"),
    ("dbus-daemon", "dbus"),
    ("dbus-send", "dbus"),
    ("/lib/systemd/systemd-udevd", "udev"),
    ("udevadm", "udev"),
    ("/usr/lib/polkit-1/polkitd", "polkitd"),
    ("dnsmasq", "dnsmasq-base"),
    ("iw", "iw"),
    // NetworkManager calls it to share a way to the internet.
    ("nft", "nftables"),
    ("ip", "iproute2"),
    ("setpriv", "util-linux"),
    ("curl", "curl"),
    ("jq", "jq"),
    ("bash", "bash"),
];
const KERNEL_PACKAGE: &str = "linux-image-amd64";
/// Folders of programs that only an administrator's PATH has.
const ADMIN_FOLDERS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];
/// Makes radios out of nothing; without it a kernel is of no use here.
const RADIO_MODULE: &str = "kernel/drivers/net/wireless/mac80211_hwsim.ko";
/// The same where Debian compresses its modules.
const RADIO_MODULE_COMPRESSED: &str = "kernel/drivers/net/wireless/mac80211_hwsim.ko.xz";
/// What a program that needs a loader names in its head; the first program of the machine must not need one.
const LOADER_NAME: &[u8] = b"ld-linux";

/// Where that name stands: the linker puts it behind the program headers. A program's own text may have it as well.
const PROGRAM_HEAD_BYTES: usize = 4096;

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    /// The kernel's image.
    pub(super) kernel: PathBuf,
    /// Its version, which names the folder of its modules.
    pub(super) kernel_version: String,
    /// A busybox that runs alone.
    pub(super) busybox: PathBuf,
    /// The programs that go into the machine.
    pub(super) programs: Vec<PathBuf>,
    /// `modprobe`, which knows what a module needs.
    pub(super) modprobe: PathBuf,
}

/// Looks for everything at once, so that one installation is enough.
///
/// # Errors
/// Names what is missing and the packages that bring it.
pub(super) fn find() -> Result<Found> {
    let folders = program_folders(&std::env::var_os("PATH").unwrap_or_default());
    let mut missing: Vec<(&str, &str)> = PROGRAMS
        .into_iter()
        .chain(MACHINE_PROGRAMS)
        .filter(|(name, _)| program(&folders, name).is_none())
        .collect();
    let programs = MACHINE_PROGRAMS.iter().filter_map(|(name, _)| program(&folders, name)).collect();
    let busybox = program(&folders, "busybox");
    if busybox.as_deref().is_some_and(|path| !runs_alone(path)) {
        missing.push(("a busybox that needs no libraries", "busybox-static"));
    }
    let kernel = newest_kernel(Path::new("/boot"), Path::new("/lib/modules"));
    if kernel.is_none() {
        missing.push(("a readable kernel in /boot with mac80211_hwsim", KERNEL_PACKAGE));
    }
    match (kernel, busybox, program(&folders, "modprobe")) {
        (Some((kernel, kernel_version)), Some(busybox), Some(modprobe)) if missing.is_empty() => {
            Ok(Found { kernel, kernel_version, busybox, programs, modprobe })
        }
        _ => bail!("{}", complaint(&missing)),
    }
}

fn complaint(missing: &[(&str, &str)]) -> String {
    let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
    let mut packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    packages.sort_unstable();
    packages.dedup();
    format!(
        "the Wi-Fi story needs, and this machine lacks: {}; Debian: apt-get install --no-install-recommends {}",
        names.join(", "),
        packages.join(" ")
    )
}

fn program_folders(path: &OsStr) -> Vec<PathBuf> {
    std::env::split_paths(path).chain(ADMIN_FOLDERS.map(PathBuf::from)).collect()
}

/// Finds a program by its name, or a file by its path.
fn program(folders: &[PathBuf], name: &str) -> Option<PathBuf> {
    // Joining an absolute path replaces the folder.
    folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn runs_alone(program: &Path) -> bool {
    fs::read(program).is_ok_and(|bytes| {
        let head = bytes.get(..PROGRAM_HEAD_BYTES).unwrap_or(&bytes);
        !head.windows(LOADER_NAME.len()).any(|window| window == LOADER_NAME)
    })
}

/// Returns image and version of the newest kernel that has virtual radios.
fn newest_kernel(boot: &Path, modules: &Path) -> Option<(PathBuf, String)> {
    let mut versions: Vec<String> = fs::read_dir(boot)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_prefix("vmlinuz-").map(str::to_owned))
        .filter(|version| {
            let folder = modules.join(version);
            [RADIO_MODULE, RADIO_MODULE_COMPRESSED].iter().any(|module| folder.join(module).is_file())
                && fs::File::open(boot.join(format!("vmlinuz-{version}"))).is_ok()
        })
        .collect();
    versions.sort_by_key(|version| version_numbers(version));
    let version = versions.pop()?;
    Some((boot.join(format!("vmlinuz-{version}")), version))
}

/// `6.1.0-10` is newer than `6.1.0-9`.
fn version_numbers(version: &str) -> Vec<u64> {
    version
        .split(|character: char| !character.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

/// Reads the files of the modules that `names` need, in the order in which they are loaded.
///
/// # Errors
/// When `modprobe` does not know one.
pub(super) fn module_files(root: &Path, found: &Found, names: &[&str]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for name in names {
        let arguments = ["--set-version", &found.kernel_version, "--show-depends", name];
        let output = std::process::Command::new(&found.modprobe)
            .current_dir(root)
            .args(arguments)
            .output()
            .with_context(|| format!("starting {}", found.modprobe.display()))?;
        if !output.status.success() {
            bail!("the kernel {} has no module {name}", found.kernel_version);
        }
        let text = String::from_utf8(output.stdout).context("reading the list of modules")?;
        for file in needed_modules(&text) {
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    Ok(files)
}

/// Takes the paths out of lines like `insmod /lib/modules/…/9p.ko `; what is built in needs no file.
fn needed_modules(text: &str) -> Vec<PathBuf> {
    text.lines()
        .filter_map(|line| line.strip_prefix("insmod "))
        .filter_map(|rest| rest.split_ascii_whitespace().next())
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_once_with_its_package() {
        let text =
            complaint(&[("wpa_cli", "wpasupplicant"), ("jq", "jq"), ("wpa_supplicant", "wpasupplicant")]);
        assert!(text.contains("wpa_cli, jq, wpa_supplicant"), "{text}");
        assert!(text.ends_with("apt-get install --no-install-recommends jq wpasupplicant"), "{text}");
    }

    #[test]
    fn the_newest_kernel_with_virtual_radios_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let (boot, modules) = (folder.path().join("boot"), folder.path().join("modules"));
        fs::create_dir_all(&boot).unwrap();
        for (version, module) in [
            ("6.1.0-9-amd64", Some(RADIO_MODULE)),
            ("6.1.0-10-amd64", Some(RADIO_MODULE_COMPRESSED)),
            ("6.2.0-1-cloud-amd64", None),
        ] {
            fs::write(boot.join(format!("vmlinuz-{version}")), "").unwrap();
            if let Some(module) = module {
                let file = modules.join(version).join(module);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, "").unwrap();
            }
        }
        assert_eq!(newest_kernel(&boot, &modules).unwrap().1, "6.1.0-10-amd64");
        assert_eq!(newest_kernel(&boot, folder.path()), None);
    }

    #[test]
    fn a_program_is_found_by_name_and_a_file_by_path() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("iw");
        fs::write(&file, "").unwrap();
        let folders = program_folders(folder.path().as_os_str());
        assert_eq!(program(&folders, "iw"), Some(file.clone()));
        assert_eq!(program(&folders, file.to_str().unwrap()), Some(file));
        assert_eq!(program(&folders, "/nonexistent/polkitd"), None);
    }

    #[test]
    fn a_program_that_names_a_loader_does_not_run_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("busybox");
        fs::write(&file, b"\x7fELF..../lib64/ld-linux-x86-64.so.2....").unwrap();
        assert!(!runs_alone(&file));
        let mut text_of_its_own = b"\x7fELF".to_vec();
        text_of_its_own.resize(PROGRAM_HEAD_BYTES, 0);
        text_of_its_own.extend(LOADER_NAME);
        fs::write(&file, text_of_its_own).unwrap();
        assert!(runs_alone(&file));
    }

    #[test]
    fn modules_are_read_in_order_without_what_is_built_in() {
        let text =
            "builtin virtio\ninsmod /lib/modules/6/9pnet.ko \ninsmod /lib/modules/6/9p.ko cache=loose\n";
        let expected: Vec<PathBuf> =
            ["/lib/modules/6/9pnet.ko", "/lib/modules/6/9p.ko"].map(PathBuf::from).into();
        assert_eq!(needed_modules(text), expected);
    }
}
