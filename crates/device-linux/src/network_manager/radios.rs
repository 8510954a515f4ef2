//! Which interface does what, and whether it can.

use zbus::OwnedObjectPath;

use super::NetworkManager;
use super::bus::{DEVICE, MANAGER, MANAGER_PATH, WIRELESS};
use super::state;
use crate::wifi::WifiError;

/// Hotspots in a row that did not come up on their own interface, after which the station's interface does both in turn.
/// Some drivers offer a second interface and then refuse to use it.
const OWN_INTERFACE_FAILURE_COUNT_MAX: u8 = 2;

/// A Wi-Fi interface.
#[derive(Clone, Debug)]
pub(super) struct Radio {
    pub(super) path: OwnedObjectPath,
    pub(super) interface: String,
}

impl NetworkManager {
    pub(super) async fn station_radio(&self) -> Result<Radio, WifiError> {
        match &self.interfaces.station {
            Some(interface) => self.radio_named(interface).await,
            None => self.first_radio().await,
        }
    }

    /// Returns the hotspot's own interface if it can be used now. That it exists is not enough: a driver may never let
    /// it come up beside the station's, and a device that waited for it would open no hotspot at all.
    pub(super) async fn own_hotspot_radio(&self) -> Option<Radio> {
        let interface = self.interfaces.hotspot.as_ref()?;
        if self.own_interface_failure_count >= OWN_INTERFACE_FAILURE_COUNT_MAX {
            return None;
        }
        let radio = self.radio_named(interface).await.ok()?;
        self.require_access_point(&radio).await.ok()?;
        Some(radio)
    }

    /// Returns the station's interface if it can be an access point now.
    pub(super) async fn access_point_radio(&self) -> Result<Radio, WifiError> {
        let radio = self.station_radio().await?;
        self.require_access_point(&radio).await?;
        Ok(radio)
    }

    /// Refuses a radio that is switched off or not ours to use.
    pub(super) async fn require_ready(&self, radio: &Radio) -> Result<(), WifiError> {
        let device_state: u32 = self.bus.property(&radio.path, DEVICE, "State").await?;
        if !state::is_usable(device_state) {
            return Err(WifiError::RadioOff { interface: radio.interface.clone() });
        }
        Ok(())
    }

    /// Refuses a radio that cannot be an access point now.
    pub(super) async fn require_access_point(&self, radio: &Radio) -> Result<(), WifiError> {
        self.require_ready(radio).await?;
        let capabilities: u32 = self.bus.property(&radio.path, WIRELESS, "WirelessCapabilities").await?;
        if capabilities & state::CAPABILITY_ACCESS_POINT == 0 {
            return Err(WifiError::NoAccessPointMode { interface: radio.interface.clone() });
        }
        Ok(())
    }

    async fn radio_named(&self, interface: &str) -> Result<Radio, WifiError> {
        let no_radio = || WifiError::NoRadio { interface: Some(interface.to_owned()) };
        let answer = self.bus.call(MANAGER_PATH, MANAGER, "GetDeviceByIpIface", &interface).await;
        let path: OwnedObjectPath = match answer {
            Ok(answer) => answer.body().deserialize()?,
            Err(WifiError::NoRadio { .. }) => return Err(no_radio()),
            Err(error) => return Err(error),
        };
        let kind: u32 = self.bus.property(&path, DEVICE, "DeviceType").await?;
        if kind != state::DEVICE_TYPE_WIFI {
            return Err(no_radio());
        }
        Ok(Radio { path, interface: interface.to_owned() })
    }

    async fn first_radio(&self) -> Result<Radio, WifiError> {
        let answer = self.bus.call(MANAGER_PATH, MANAGER, "GetDevices", &()).await?;
        let devices: Vec<OwnedObjectPath> = answer.body().deserialize()?;
        let mut radios = Vec::new();
        for path in devices {
            // A device may be unplugged while we ask.
            let kind = self.bus.property::<u32>(&path, DEVICE, "DeviceType").await;
            let name = self.bus.property::<String>(&path, DEVICE, "Interface").await;
            if let (Ok(state::DEVICE_TYPE_WIFI), Ok(interface)) = (kind, name)
                && Some(&interface) != self.interfaces.hotspot.as_ref()
            {
                radios.push(Radio { path, interface });
            }
        }
        radios.sort_by(|a, b| a.interface.cmp(&b.interface));
        radios.into_iter().next().ok_or(WifiError::NoRadio { interface: None })
    }
}
