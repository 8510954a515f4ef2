//! Who this board is: from the compiler, from the chip, and from the factory partition.

use core::fmt::Write as _;

use device::{DeviceConfig, DeviceIdentity};
use esp_hal::efuse::{InterfaceMacAddress, interface_mac_address};
use esp_hal::rtc_cntl::SocResetReason;
use factory_image::{FactoryImage, Pop, UID_BYTES_MAX};
use lifecycle::{BootReason, RecoveryPolicy, Settings};
use portal::{MacAddress, Secret};

use crate::board::BOARD;

/// First word of the hotspot's name.
const VENDOR: &str = match option_env!("REHOME_VENDOR") {
    Some(vendor) => vendor,
    None => "Rehome",
};
/// Template id and name, as the cloud shows them.
const TEMPLATE_ID: &str = match option_env!("REHOME_TEMPLATE_ID") {
    Some(id) => id,
    None => "TMPLexample01",
};
const TEMPLATE_NAME: &str = match option_env!("REHOME_TEMPLATE_NAME") {
    Some(name) => name,
    None => "Relay",
};
/// Server used when the person who sets the board up names none.
const DEFAULT_HOST: &str = match option_env!("REHOME_HOST") {
    Some(host) => host,
    None => "blynk.cloud",
};
const DEFAULT_PORT: u16 = 443;
/// Name of the portal besides `blynk.setup`.
const PORTAL_HOST: &str = match option_env!("REHOME_PORTAL_HOST") {
    Some(name) => name,
    None => portal::HOTSPOT_HOST,
};
/// Ports on which Blynk servers speak plain TCP. Source: wire protocol, section 2.
const PLAIN_PORTS: &[u16] = &[80, 8080];
/// Keep-alive in seconds, as of the newest Edgent release.
const HEARTBEAT_S: u16 = 40;

/// The UID: from the factory, or made of the chip's address.
pub(crate) type UidText = heapless::String<UID_BYTES_MAX>;

/// Returns the board's UID.
pub(crate) fn uid(factory: Option<&FactoryImage>) -> UidText {
    let mut uid = UidText::new();
    if let Some(factory) = factory {
        // Both are at most 32 bytes.
        let _is_written = uid.push_str(factory.uid.as_str());
        return uid;
    }
    for byte in station_mac().0 {
        // 12 digits fit.
        let _is_written = write!(uid, "{byte:02x}");
    }
    uid
}

fn station_mac() -> MacAddress {
    mac(InterfaceMacAddress::Station)
}

fn mac(interface: InterfaceMacAddress) -> MacAddress {
    let mut bytes = [0; 6];
    for (target, source) in bytes.iter_mut().zip(interface_mac_address(interface).as_bytes()) {
        *target = *source;
    }
    MacAddress(bytes)
}

/// Everything the agent must know of this build and board.
pub(crate) fn device_config<'a>(uid: &'a str, pop: Option<&'a Pop>) -> DeviceConfig<'a> {
    DeviceConfig {
        identity: DeviceIdentity {
            vendor: VENDOR,
            template_name: TEMPLATE_NAME,
            template_id: TEMPLATE_ID,
            firmware_type: TEMPLATE_ID,
            firmware_version: env!("CARGO_PKG_VERSION"),
            firmware_build: option_env!("REHOME_BUILD_TIME").unwrap_or("Jan 01 2026 00:00:00"),
            board: BOARD.name,
            uid,
            station_mac: station_mac(),
            hotspot_mac: mac(InterfaceMacAddress::AccessPoint),
            has_5ghz: false,
        },
        lifecycle: Settings { recovery: RecoveryPolicy::Rehome, ..Settings::default() },
        default_host: DEFAULT_HOST,
        default_port: DEFAULT_PORT,
        plain_ports: PLAIN_PORTS,
        heartbeat_s: HEARTBEAT_S,
        pop: pop.map(|pop| Secret::new(pop.expose())),
        portal_host: PORTAL_HOST,
    }
}

/// Says why the chip started. Only a genuine power-on counts for the power-up gesture.
///
/// A supply that sags far enough for the boot loader's detector reads as a power-on; the chip tells them apart no
/// further. Source: ESP-IDF, `RESET_REASON_CHIP_BROWN_OUT` has the code of `RESET_REASON_CHIP_POWER_ON`.
pub(crate) fn boot_reason(reason: Option<SocResetReason>) -> BootReason {
    match reason {
        Some(SocResetReason::ChipPowerOn) => BootReason::PowerOn,
        // The firmware's own restart, and tools on the USB port.
        Some(
            SocResetReason::CoreSw
            | SocResetReason::Cpu0Sw
            | SocResetReason::CoreUsbUart
            | SocResetReason::CoreUsbJtag
            | SocResetReason::CoreDeepSleep,
        ) => BootReason::Restart,
        _ => BootReason::Fault,
    }
}
