//! What the shell knows and the answers show.

use core::fmt;

use crate::release::ReleaseOutcome;

/// A hardware address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            write!(formatter, "{}{byte:02X}", if index == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

/// Who the device is. Nothing in here is secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity<'a> {
    /// Vendor prefix, such as `Blynk`.
    pub vendor: &'a str,
    /// Template name, uncut.
    pub template_name: &'a str,
    /// Template id, `TMPL…`.
    pub template_id: &'a str,
    /// Firmware type.
    pub firmware_type: &'a str,
    /// Firmware version.
    pub firmware_version: &'a str,
    /// Device UID.
    pub uid: &'a str,
    /// Full name, which is the hotspot's SSID.
    pub hotspot_name: &'a str,
    /// Hardware address of the hotspot.
    pub hotspot_mac: MacAddress,
    /// Hardware address in a home's network.
    pub station_mac: MacAddress,
    /// Whether the radio knows the 5 GHz band.
    pub has_5ghz: bool,
}

/// How a network is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Security {
    /// None.
    Open,
    /// WEP.
    Wep,
    /// WPA with a password.
    Wpa,
    /// WPA2 with a password.
    Wpa2,
    /// WPA or WPA2 with a password.
    WpaWpa2,
    /// WPA3 with a password.
    Wpa3,
    /// WPA2 or WPA3 with a password.
    Wpa2Wpa3,
    /// WPA with a log-in server.
    WpaEnterprise,
    /// WPA2 with a log-in server.
    Wpa2Enterprise,
    /// WPA3 with a log-in server.
    Wpa3Enterprise,
    /// WAPI.
    Wapi,
    /// Encrypted without a password.
    Owe,
    /// Something else.
    Unknown,
}

/// One network of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanEntry<'a> {
    /// Name: any bytes; empty for a hidden network.
    pub ssid: &'a [u8],
    /// Hardware address of the access point.
    pub bssid: MacAddress,
    /// Signal in dBm.
    pub rssi_dbm: i16,
    /// Protection.
    pub security: Security,
    /// Radio channel.
    pub channel: u8,
}

/// The networks around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanView<'a> {
    /// Nobody has scanned yet.
    Unknown,
    /// Result, in the order of the radio.
    Found(&'a [ScanEntry<'a>]),
}

impl<'a> ScanView<'a> {
    pub(crate) const fn entries(&self) -> &'a [ScanEntry<'a>] {
        match self {
            Self::Unknown => &[],
            Self::Found(entries) => entries,
        }
    }
}

/// What became of the last candidate that the portal accepted since power-on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trial {
    /// None was given.
    None,
    /// Being tried. Set before the answer to `/config` is rendered.
    Running,
    /// Failed with [`PortalView::last_error`].
    Failed,
    /// The cloud accepted the device.
    Succeeded,
}

/// Where the device stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// State of the lifecycle, such as `CONNECTING_NET`.
    pub state: &'a str,
    /// What became of the last candidate.
    pub trial: Trial,
    /// How many candidates were given since power-on; tells a page a new result from an old one.
    pub attempt: u32,
    /// Network name of the last candidate. Never that of a stored home.
    pub ssid: Option<&'a [u8]>,
}

/// Why the cloud gave no token for a claim code, where that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClaimRefusal {
    /// It does not know the code: used, too old, or made by another server.
    Code,
    /// The device belongs to somebody who did not release it.
    Owned,
}

/// Everything that answers are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortalView<'a> {
    /// Who the device is.
    pub identity: Identity<'a>,
    /// Code 700 to 732 of the last failure, or 0.
    pub last_error: u16,
    /// The networks around.
    pub scan: ScanView<'a>,
    /// Where the device stands.
    pub progress: Progress<'a>,
    /// Ownership epoch.
    pub epoch: u32,
    /// Why the last candidate got no token for its claim code.
    pub claim_refusal: Option<ClaimRefusal>,
    /// What became of the last release order that was handed over here.
    pub release: ReleaseOutcome<'a>,
}
