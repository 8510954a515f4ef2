//! NetworkManager's numbers and what they mean for us. Source: its D-Bus types, version 1.42.

use crate::wifi::WifiError;

/// `NM_DEVICE_STATE_UNMANAGED`.
pub(crate) const DEVICE_UNMANAGED: u32 = 10;
/// `NM_DEVICE_STATE_UNAVAILABLE`: no supplicant, or switched off.
pub(crate) const DEVICE_UNAVAILABLE: u32 = 20;
/// `NM_DEVICE_STATE_PREPARE`: an activation begins.
pub(crate) const DEVICE_PREPARE: u32 = 40;
/// `NM_DEVICE_STATE_SECONDARIES`: the last state of an activation.
pub(crate) const DEVICE_SECONDARIES: u32 = 90;
/// `NM_DEVICE_STATE_ACTIVATED`.
pub(crate) const DEVICE_ACTIVATED: u32 = 100;
/// `NM_DEVICE_STATE_FAILED`.
pub(crate) const DEVICE_FAILED: u32 = 120;
/// `NM_ACTIVE_CONNECTION_STATE_ACTIVATED`.
pub(crate) const ACTIVE_ACTIVATED: u32 = 2;
/// `NM_ACTIVE_CONNECTION_STATE_DEACTIVATING`; everything from here on is the end.
pub(crate) const ACTIVE_DEACTIVATING: u32 = 3;
/// `NM_DEVICE_TYPE_WIFI`.
pub(crate) const DEVICE_TYPE_WIFI: u32 = 2;
/// `NM_WIFI_DEVICE_CAP_AP`.
pub(crate) const CAPABILITY_ACCESS_POINT: u32 = 0x40;

/// Says whether a device in this state can be told to do something: it is ours, switched on, and has a supplicant.
pub(crate) fn is_usable(device_state: u32) -> bool {
    device_state > DEVICE_UNAVAILABLE
}

/// Names the failure behind an `NMDeviceStateReason`.
///
/// A wrong password shows as 7: NetworkManager asks for another one, and nobody is there to give it. Some access
/// points just stop answering in the handshake, which shows as 8 or 11.
pub(crate) fn failure(reason: u32, interface: &str) -> WifiError {
    match reason {
        // NO_SECRETS, SUPPLICANT_DISCONNECT, SUPPLICANT_FAILED, SUPPLICANT_TIMEOUT.
        7 | 8 | 10 | 11 => WifiError::PasswordRefused,
        // SUPPLICANT_CONFIG_FAILED, CONFIG_FAILED: the radio does not take such settings.
        4 | 9 => WifiError::BadSettings { what: format!("NetworkManager's reason {reason}") },
        // IP_CONFIG_UNAVAILABLE, IP_CONFIG_EXPIRED, DHCP_START_FAILED, DHCP_ERROR, DHCP_FAILED.
        5 | 6 | 15 | 16 | 17 => WifiError::NoAddress,
        // SSID_NOT_FOUND.
        53 => WifiError::NotFound,
        // NOW_UNMANAGED, SLEEPING.
        3 | 37 => WifiError::RadioOff { interface: interface.to_owned() },
        // REMOVED.
        36 => WifiError::NoRadio { interface: Some(interface.to_owned()) },
        _ => WifiError::Failed { reason },
    }
}

#[cfg(test)]
mod tests {
    use lifecycle::ErrorCode;

    use super::*;

    #[test]
    fn reasons_become_the_codes_that_the_portal_explains() {
        let code = |reason| failure(reason, "wlan0").network_error().code();
        assert_eq!(code(53), ErrorCode::NetworkNotFound);
        assert_eq!(code(7), ErrorCode::NetworkAuthentication);
        assert_eq!(code(17), ErrorCode::NoAddress);
        assert_eq!(code(5), ErrorCode::NoAddress);
        assert_eq!(code(9), ErrorCode::BadConfig);
        assert_eq!(code(36), ErrorCode::Network);
        assert_eq!(code(9_999), ErrorCode::Network);
    }
}
