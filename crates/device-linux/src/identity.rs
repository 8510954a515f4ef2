//! What stays the same from boot to boot: the device's id, its hardware address; and whether this is a boot at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use lifecycle::BootReason;
use portal::MacAddress;

use crate::network_manager::parse_mac;
use crate::random::fill_random;

/// Random bytes of an id that was made up.
const UID_BYTES: usize = 8;
/// Characters of an id; longer ones are not read back.
const UID_CHARACTERS_MAX: usize = 64;
/// Name of the file with the id.
const UID_FILE: &str = "uid";
/// Name of the file with the kernel's boot that was seen last.
const BOOT_FILE: &str = "boot-id";
/// Name of the file with the kernel's boot in which the agent was told to stop.
const END_FILE: &str = "orderly-end";
/// Where the kernel names its boot. Source: `random(4)`.
pub(crate) const KERNEL_BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Neither secret nor anybody's business.
const MODE: u32 = 0o600;

/// A file of the device's own cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{action} {path}", path = .path.display())]
pub struct KeepIdentityError {
    action: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Returns the device's id, and makes one up the first time. A wipe does not touch it.
pub(crate) fn uid(state_dir: &Path) -> Result<String, KeepIdentityError> {
    let path = state_dir.join(UID_FILE);
    let error = |action| {
        let path = path.clone();
        move |source| KeepIdentityError { action, path, source }
    };
    match fs::read_to_string(&path) {
        Ok(text) if is_uid(text.trim()) => return Ok(text.trim().to_owned()),
        Ok(_damaged) => {
            tracing::warn!("the device's id in {} cannot be used; making up another", path.display());
        }
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(error("reading")(source)),
    }
    let uid = made_up_uid()?;
    replace(&path, &uid).map_err(error("writing"))?;
    Ok(uid)
}

/// Makes an id up that no other device has.
pub(crate) fn made_up_uid() -> Result<String, KeepIdentityError> {
    let mut bytes = [0; UID_BYTES];
    let filled = fill_random(&mut bytes);
    filled.map_err(|source| KeepIdentityError { action: "making up", path: UID_FILE.into(), source })?;
    Ok(format!("{:016x}", u64::from_be_bytes(bytes)))
}

fn is_uid(text: &str) -> bool {
    !text.is_empty() && text.len() <= UID_CHARACTERS_MAX && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Tells a power-on of the machine from a restart of this program, and from a boot after an orderly end.
///
/// The kernel gives every boot another name. Whether the power was off in between it does not say, but a power cut leaves
/// no time to say goodbye: where the agent was told to stop, what followed was a `reboot` or a shutdown, which are no
/// power-ups of the gesture. Without the kernel's word it is a restart, which never counts for anything.
pub(crate) fn boot_reason(state_dir: &Path) -> BootReason {
    boot_reason_of(state_dir, Path::new(KERNEL_BOOT_ID))
}

fn boot_reason_of(state_dir: &Path, kernel_boot_id: &Path) -> BootReason {
    let Ok(current) = fs::read_to_string(kernel_boot_id) else {
        return BootReason::Restart;
    };
    let (path, end_path) = (state_dir.join(BOOT_FILE), state_dir.join(END_FILE));
    let last = fs::read_to_string(&path).ok();
    let is_end_orderly = last.is_some() && fs::read_to_string(&end_path).ok() == last;
    // From here on the power may go.
    match fs::remove_file(&end_path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "the end of the last run cannot be forgotten");
        }
        Ok(()) | Err(_) => {}
    }
    if last.is_some_and(|last| last == current) {
        return BootReason::Restart;
    }
    match replace(&path, &current) {
        Ok(()) if is_end_orderly => BootReason::Restart,
        Ok(()) => BootReason::PowerOn,
        Err(error) => {
            tracing::warn!(%error, "this boot cannot be remembered");
            BootReason::Restart
        }
    }
}

/// Notes that the agent was told to stop in this boot.
pub(crate) fn note_orderly_end(state_dir: &Path) {
    let noted = fs::read_to_string(state_dir.join(BOOT_FILE))
        .and_then(|boot_id| replace(&state_dir.join(END_FILE), &boot_id));
    if let Err(error) = noted {
        tracing::warn!(%error, "the end cannot be noted; the next boot counts as a power-up");
    }
}

/// Replaces a small file as a whole; it is on the disk when this returns.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Where the kernel lists its interfaces. Source: `sysfs(5)`.
const INTERFACES: &str = "/sys/class/net";

/// Hardware addresses of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Of the interface that joins networks.
    pub station: MacAddress,
    /// Of the hotspot.
    pub hotspot: MacAddress,
}

/// Reads the addresses from the kernel; `None` while there is no Wi-Fi interface.
pub(crate) fn addresses(station: Option<&str>, hotspot: Option<&str>) -> Option<Addresses> {
    addresses_in(Path::new(INTERFACES), station, hotspot)
}

fn addresses_in(interfaces: &Path, station: Option<&str>, hotspot: Option<&str>) -> Option<Addresses> {
    let station = match station {
        Some(name) => name.to_owned(),
        None => first_radio(interfaces, hotspot)?,
    };
    // NetworkManager gives an interface that only listens a new address all the time; the radio's own one stays.
    let station = mac_in(interfaces, &station, "phy80211/macaddress")
        .or_else(|| mac_in(interfaces, &station, "address"))?;
    let hotspot = hotspot.and_then(|name| mac_in(interfaces, name, "address")).unwrap_or(station);
    Some(Addresses { station, hotspot })
}

fn first_radio(interfaces: &Path, hotspot: Option<&str>) -> Option<String> {
    let entries = fs::read_dir(interfaces).ok()?.filter_map(Result::ok);
    let radios = entries.filter(|entry| entry.path().join("phy80211").exists());
    radios
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| Some(name.as_str()) != hotspot)
        .min()
}

fn mac_in(interfaces: &Path, interface: &str, file: &str) -> Option<MacAddress> {
    // A name with a slash is no interface, but could be a path.
    if interface.contains('/') {
        return None;
    }
    parse_mac(&fs::read_to_string(interfaces.join(interface).join(file)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_made_up_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let first = uid(folder.path()).unwrap();
        assert_eq!(first.len(), 2 * UID_BYTES);
        assert_eq!(uid(folder.path()).unwrap(), first);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(uid(other.path()).unwrap(), first);
    }

    #[test]
    fn a_damaged_id_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(UID_FILE), "a b\0").unwrap();
        let made = uid(folder.path()).unwrap();
        assert!(is_uid(&made));
        assert_eq!(uid(folder.path()).unwrap(), made);
    }

    #[test]
    fn only_another_boot_of_the_kernel_is_a_boot() {
        let folder = tempfile::tempdir().unwrap();
        let kernel = folder.path().join("kernel");
        fs::write(&kernel, "one\n").unwrap();
        assert_eq!(boot_reason_of(folder.path(), &kernel), BootReason::PowerOn);
        assert_eq!(boot_reason_of(folder.path(), &kernel), BootReason::Restart);
        fs::write(&kernel, "two\n").unwrap();
        assert_eq!(boot_reason_of(folder.path(), &kernel), BootReason::PowerOn);
        fs::remove_file(&kernel).unwrap();
        assert_eq!(boot_reason_of(folder.path(), &kernel), BootReason::Restart);
    }

    #[test]
    fn a_boot_after_an_orderly_end_is_no_power_on() {
        let folder = tempfile::tempdir().unwrap();
        let kernel = folder.path().join("kernel");
        let boot = |id: &str| {
            fs::write(&kernel, id).unwrap();
            boot_reason_of(folder.path(), &kernel)
        };
        note_orderly_end(folder.path());
        assert_eq!(boot("one\n"), BootReason::PowerOn, "nothing was there to end");
        note_orderly_end(folder.path());
        assert_eq!(boot("two\n"), BootReason::Restart, "`reboot`");
        assert_eq!(boot("three\n"), BootReason::PowerOn, "the power went");
        note_orderly_end(folder.path());
        assert_eq!(boot("three\n"), BootReason::Restart, "the service was restarted");
        assert_eq!(boot("four\n"), BootReason::PowerOn, "and then the power went");
    }

    #[test]
    fn the_radio_s_own_address_counts_and_not_the_one_it_listens_with() {
        let folder = tempfile::tempdir().unwrap();
        let make = |interface: &str, address: &str| {
            fs::create_dir_all(folder.path().join(interface).join("phy80211")).unwrap();
            fs::write(folder.path().join(interface).join("phy80211/macaddress"), "02:00:00:00:00:01\n")
                .unwrap();
            fs::write(folder.path().join(interface).join("address"), address).unwrap();
        };
        make("wlan0", "fe:dc:ba:98:76:54\n");
        make("ap0", "02:00:00:00:00:02\n");
        fs::create_dir(folder.path().join("eth0")).unwrap();
        let found = addresses_in(folder.path(), None, Some("ap0")).unwrap();
        assert_eq!(found.station, MacAddress([2, 0, 0, 0, 0, 1]));
        assert_eq!(found.hotspot, MacAddress([2, 0, 0, 0, 0, 2]));
        assert_eq!(addresses_in(folder.path(), Some("wlan0"), None).unwrap().hotspot, found.station);
        assert_eq!(addresses_in(folder.path(), Some("wlan9"), None), None);
    }

    #[test]
    fn a_path_is_no_interface() {
        assert_eq!(addresses(Some("../../../etc"), None), None);
    }
}
