//! What is compiled into a device.

use lifecycle::Settings;
use portal::{MacAddress, Secret};

/// Who the device is; nothing in here is secret.
#[derive(Clone, Copy, Debug)]
pub struct DeviceIdentity<'a> {
    /// First word of the hotspot's name.
    pub vendor: &'a str,
    /// Template name, uncut.
    pub template_name: &'a str,
    /// `TMPL…`
    pub template_id: &'a str,
    /// Firmware type; the template id unless there are variants.
    pub firmware_type: &'a str,
    /// Firmware version.
    pub firmware_version: &'a str,
    /// When the firmware was built, `Mmm dd yyyy hh:mm:ss`.
    pub firmware_build: &'a str,
    /// Name of the board.
    pub board: &'a str,
    /// Unique id of the device.
    pub uid: &'a str,
    /// Address of the station side of the radio.
    pub station_mac: MacAddress,
    /// Address of the access point side of the radio.
    pub hotspot_mac: MacAddress,
    /// Whether the radio knows the 5 GHz band.
    pub has_5ghz: bool,
}

/// How the device is set up when it leaves the compiler.
#[derive(Clone, Debug)]
pub struct DeviceConfig<'a> {
    /// Who it is.
    pub identity: DeviceIdentity<'a>,
    /// How it behaves.
    pub lifecycle: Settings,
    /// Server used when the portal is given none.
    pub default_host: &'a str,
    /// Port used when the portal is given none.
    pub default_port: u16,
    /// Ports on which the cloud is spoken to without TLS; on every other port TLS is required.
    pub plain_ports: &'a [u16],
    /// Keep-alive of the cloud link, 10 to 3600 s.
    pub heartbeat_s: u16,
    /// Proof of possession from the device's label. One of 8 to 63 printable ASCII characters is the passphrase of the
    /// hotspot; any other is asked for by the portal. Without one the hotspot is open.
    pub pop: Option<Secret<&'a str>>,
    /// Name of the portal besides `blynk.setup` ([`portal::HOTSPOT_HOST`], which it may also be), such as `boiler.setup`.
    pub portal_host: &'a str,
}
