//! What is in the emulated machine: Debian's programs with their libraries, the story, and the program under test.
//!
//! All of it goes into memory before the machine starts. Nothing is read from this computer afterwards: the machine's
//! clock runs on while a disk is slow, and the story's deadlines would depend on how busy this computer is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::archive::Archive;
use super::requirements::{Found, module_files};
use super::{GUEST_FOLDER, PACKAGING_FOLDER};

/// Modules of the kernel, loaded in this order: the folder for the logs, the ciphers of the radios, what NetworkManager
/// needs to share a laptop's cable, the radios, the routers' lines.
const MODULES: [&str; 13] = [
    "virtio_pci",
    "9pnet_virtio",
    "9p",
    "ctr",
    "ccm",
    "cmac",
    "nf_tables",
    "nft_chain_nat",
    "nft_masq",
    "nft_ct",
    "nft_reject_ipv4",
    "mac80211_hwsim",
    "veth",
];
/// The last two are loaded by the story, with its own settings.
const MODULES_FOR_LATER: [&str; 2] = ["mac80211_hwsim", "veth"];
/// Where the story's files are in the machine.
const STORY: &str = "/story";
/// Files of the Linux package, and where it puts them.
const PACKAGED: [(&str, &str); 2] = [
    ("50-rehome-device.rules", "/usr/share/polkit-1/rules.d/50-rehome-device.rules"),
    ("make-hotspot-interface", "/usr/lib/rehome/make-hotspot-interface"),
];
/// Settings of Debian's programs, as Debian ships them; of each line the first that exists.
const SETTINGS: [&[&str]; 8] = [
    &["/usr/share/dbus-1/system.conf"],
    &["/usr/share/dbus-1/system.d/org.freedesktop.NetworkManager.conf"],
    &["/usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf"],
    &["/usr/share/dbus-1/system.d/wpa_supplicant.conf", "/etc/dbus-1/system.d/wpa_supplicant.conf"],
    &["/usr/share/polkit-1/actions/org.freedesktop.NetworkManager.policy"],
    &["/usr/share/polkit-1/actions/org.freedesktop.policykit.policy"],
    &["/usr/share/polkit-1/rules.d/50-default.rules", "/etc/polkit-1/rules.d/50-default.rules"],
    &["/usr/lib/udev/rules.d/85-nm-unmanaged.rules"],
];
/// Letters outside ASCII in networks' names.
const LOCALE: &str = "/usr/lib/locale/C.utf8";
/// NetworkManager's plugins, in a folder per version.
const PLUGINS: &str = "/usr/lib/x86_64-linux-gnu/NetworkManager";
const WIFI_PLUGIN: &str = "libnm-device-plugin-wifi.so";
/// Folders that programs expect.
const FOLDERS: [&str; 11] = [
    "/dev",
    "/proc",
    "/sys",
    "/tmp",
    "/run",
    "/root",
    "/exchange",
    "/applets",
    "/var/lib/NetworkManager",
    "/var/lib/polkit-1",
    "/etc/polkit-1/rules.d",
];
/// Who is known in the machine. The package's own user is made by `systemd-sysusers` on a real one.
const USERS: &str = "root:x:0:0::/root:/bin/sh
messagebus:x:101:101::/nonexistent:/bin/false
polkitd:x:102:102::/nonexistent:/bin/false
rehome-device:x:103:103::/var/lib/rehome-device:/bin/false
nobody:x:65534:65534::/nonexistent:/bin/false
";
const GROUPS: &str = "root:x:0:
messagebus:x:101:
polkitd:x:102:
rehome-device:x:103:
netdev:x:104:rehome-device
nogroup:x:65534:
";
const NAME_SERVICES: &str = "passwd: files\ngroup: files\nhosts: files dns\n";
const HOSTS: &str = "127.0.0.1 localhost emulated-device\n";
/// D-Bus wants to tell machines apart.
const MACHINE_ID: &str = "00000000000000000000000000000001\n";
const FILE_MODE: u32 = 0o644;
const PROGRAM_MODE: u32 = 0o755;

/// Makes the image and returns its path.
pub(super) fn make(root: &Path, found: &Found, program: &Path, target: &Path) -> Result<PathBuf> {
    let image = target.join("wifi.cpio");
    let mut archive = Archive::create(&image)?;
    for folder in FOLDERS {
        archive.add_folder(Path::new(folder))?;
    }
    add_system(&mut archive, found, program)?;
    add_story(&mut archive, root, program, target)?;
    add_modules(&mut archive, root, found)?;
    archive.finish()?;
    Ok(image)
}

fn add_system(archive: &mut Archive, found: &Found, program: &Path) -> Result<()> {
    archive.add_file(&found.busybox, Path::new("/usr/bin/busybox"))?;
    archive.add_link(Path::new("/usr/bin/sh"), "busybox")?;
    archive.add_link(Path::new("/var/run"), "/run")?;
    let mut binaries = found.programs.clone();
    binaries.extend(wifi_plugins()?);
    for binary in &binaries {
        archive.add_same(binary)?;
    }
    binaries.push(program.to_owned());
    for library in libraries(&binaries)? {
        archive.add_same(&library)?;
    }
    for choices in SETTINGS {
        let Some(settings) = choices.iter().map(Path::new).find(|path| path.is_file()) else {
            bail!("none of these settings is there: {}; install the packages again", choices.join(", "));
        };
        archive.add_same(settings)?;
    }
    for file in files_below(Path::new(LOCALE))? {
        archive.add_same(&file)?;
    }
    for (text, at) in [
        (USERS, "/etc/passwd"),
        (GROUPS, "/etc/group"),
        (NAME_SERVICES, "/etc/nsswitch.conf"),
        (HOSTS, "/etc/hosts"),
        (MACHINE_ID, "/etc/machine-id"),
        ("", "/etc/resolv.conf"),
    ] {
        archive.add_bytes(text.as_bytes(), FILE_MODE, Path::new(at))?;
    }
    Ok(())
}

fn add_story(archive: &mut Archive, root: &Path, program: &Path, target: &Path) -> Result<()> {
    let scripts = root.join(GUEST_FOLDER);
    for file in files_below(&scripts)? {
        let name = file.file_name().with_context(|| format!("naming {}", file.display()))?;
        archive.add_file(&file, &Path::new(STORY).join(name))?;
    }
    let init = fs::read(scripts.join("machine-init")).context("reading machine-init")?;
    archive.add_bytes(&init, PROGRAM_MODE, Path::new("/init"))?;
    for (name, at) in PACKAGED {
        archive.add_file(&root.join(PACKAGING_FOLDER).join(name), Path::new(at))?;
    }
    // What a debugger would want is most of the file, and the machine has only memory.
    let stripped = target.join("wifi-rehome");
    let stripping = Command::new("strip").arg("-o").arg(&stripped).arg(program).status();
    if !stripping.context("starting strip")?.success() {
        bail!("{} cannot be stripped", program.display());
    }
    archive.add_file(&stripped, Path::new("/usr/bin/rehome"))
}

/// Adds the modules and two lists of them, in the order in which they are loaded.
fn add_modules(archive: &mut Archive, root: &Path, found: &Found) -> Result<()> {
    let mut order = String::new();
    for module in module_files(root, found, &MODULES)? {
        let name = module.file_name().and_then(|name| name.to_str()).context("naming a module")?;
        let plain_name = name.strip_suffix(".xz").unwrap_or(name);
        let bytes = if plain_name == name { fs::read(&module) } else { unpacked(&module) };
        let bytes = bytes.with_context(|| format!("reading {}", module.display()))?;
        archive.add_bytes(&bytes, FILE_MODE, &Path::new("/modules").join(plain_name))?;
        let is_for_later =
            MODULES_FOR_LATER.iter().any(|later| plain_name.strip_suffix(".ko") == Some(later));
        if !is_for_later {
            order.push_str(plain_name);
            order.push('\n');
        }
    }
    archive.add_bytes(order.as_bytes(), FILE_MODE, Path::new("/modules/order"))
}

fn unpacked(module: &Path) -> std::io::Result<Vec<u8>> {
    let output = Command::new("xz")
        .args(["--decompress", "--stdout"])
        .arg(module)
        .stderr(Stdio::inherit())
        .output()?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(std::io::Error::other("xz cannot unpack it"))
    }
}

fn wifi_plugins() -> Result<Vec<PathBuf>> {
    let mut plugins = files_below(Path::new(PLUGINS))?;
    plugins.retain(|path| path.ends_with(WIFI_PLUGIN));
    if plugins.is_empty() {
        bail!("NetworkManager has no {WIFI_PLUGIN} below {PLUGINS}");
    }
    Ok(plugins)
}

/// Asks the loader which libraries programs need.
fn libraries(binaries: &[PathBuf]) -> Result<BTreeSet<PathBuf>> {
    let output = Command::new("ldd").args(binaries).output().context("starting ldd")?;
    if !output.status.success() {
        bail!("ldd: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let text = String::from_utf8(output.stdout).context("reading the list of libraries")?;
    if let Some(line) = text.lines().find(|line| line.contains("not found")) {
        bail!("a library is missing: {}", line.trim());
    }
    Ok(library_paths(&text))
}

/// Takes the paths out of lines like `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f…)`.
fn library_paths(text: &str) -> BTreeSet<PathBuf> {
    text.lines()
        .filter(|line| !line.ends_with(':'))
        .filter_map(|line| line.split_ascii_whitespace().find(|word| word.starts_with('/')))
        .map(PathBuf::from)
        .collect()
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let reading = || format!("reading {}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(reading)? {
        let path = entry.with_context(reading)?.path();
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_the_loader_s_list() {
        let text = "/usr/bin/bash:\n\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x2)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x3)\n/usr/bin/curl:\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x4)\n";
        let expected: BTreeSet<PathBuf> =
            ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from).into();
        assert_eq!(library_paths(text), expected);
    }

    #[test]
    fn the_machine_knows_the_user_of_the_packaged_service() {
        let unit = include_str!("../../../device-linux/packaging/rehome-device.service");
        let user = unit.lines().find_map(|line| line.strip_prefix("User=")).unwrap();
        assert!(USERS.lines().any(|line| line.starts_with(&format!("{user}:"))), "{user}");
    }
}
