//! The radio: one task that owns the driver and does what it is ordered, one thing at a time.
//!
//! Station and access point share one radio and its channel. While the hotspot is open the driver moves it to the
//! router's channel when the station joins; phones drop off then and come back by themselves. Opening and closing the
//! hotspot restarts the driver, which drops the router: the task joins it again before it tells anybody.
#![expect(unsafe_code, reason = "the driver's wrapper cannot list the hotspot's stations")]

use device::{Event, SeenNetwork};
use embassy_futures::select::{Either, select};
use embassy_net::{ConfigV4, DhcpConfig, Ipv4Cidr, Stack, StaticConfigV4};
use embassy_time::{Duration, Timer, with_timeout};
use esp_radio::wifi::ap::{AccessPointConfig, AccessPointInfo};
use esp_radio::wifi::scan::ScanConfig;
use esp_radio::wifi::sta::StationConfig;
use esp_radio::wifi::{
    AuthenticationMethod, AuthenticationMethodConfig, Config, ConnectionError, DisconnectReason, Password,
    Ssid, WifiController, WifiError,
};
use lifecycle::NetworkError;
use portal::{MacAddress, Security};

use crate::messages::{JoinOrder, MESSAGES, Message, RADIO_ORDERS, RadioOrder, SCAN_LIST};

/// An access point answers within seconds; a wrong password shows after the fourth try of the driver.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(18);
/// How long a DHCP server may take. Source: stock firmware waits as long.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(15);
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A scan of 13 channels takes 2 s; with a station joined the driver takes breaks.
const SCAN_TIMEOUT: Duration = Duration::from_secs(8);
/// How often the hotspot's stations are counted.
const STATION_POLL: Duration = Duration::from_millis(1000);
/// Results the driver may keep, before the strongest are chosen.
const SCAN_RESULT_COUNT_MAX: usize = 40;

/// Owns the driver.
pub(crate) struct Radio {
    controller: WifiController<'static>,
    stack: Stack<'static>,
    hotspot: Option<AccessPointConfig>,
    target: Option<JoinOrder>,
    link: Link,
    is_scan_due: bool,
}

/// Where the station stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// Nothing to join.
    Idle,
    /// The shell waits for an answer.
    Joining,
    /// Joined, as the shell knows.
    Joined,
    /// Joined as far as the shell knows, but the driver was restarted.
    Rejoining,
}

/// Serves orders for ever.
#[embassy_executor::task]
pub(crate) async fn radio_task(mut radio: Radio) -> ! {
    loop {
        radio.turn().await;
    }
}

impl Radio {
    pub(crate) fn new(controller: WifiController<'static>, stack: Stack<'static>) -> Self {
        Self { controller, stack, hotspot: None, target: None, link: Link::Idle, is_scan_due: false }
    }

    async fn turn(&mut self) {
        if core::mem::take(&mut self.is_scan_due) {
            self.scan().await;
        }
        match self.link {
            Link::Idle => {
                let order = RADIO_ORDERS.receive().await;
                self.take(order).await;
            }
            Link::Joining | Link::Rejoining => self.join().await,
            Link::Joined => {
                match select(RADIO_ORDERS.receive(), self.controller.wait_for_disconnect_async()).await {
                    Either::First(order) => self.take(order).await,
                    Either::Second(_) => self.lose_link().await,
                }
            }
        }
    }

    async fn take(&mut self, order: RadioOrder) {
        match order {
            RadioOrder::OpenHotspot { ssid, passphrase } => {
                self.hotspot = hotspot_config(&ssid, passphrase.as_deref());
                if self.hotspot.is_none() {
                    log(format_args!("The hotspot's name or passphrase is not one the radio takes"));
                }
                self.apply_config();
            }
            RadioOrder::CloseHotspot => {
                self.hotspot = None;
                self.apply_config();
            }
            RadioOrder::Join(order) => {
                self.leave().await;
                self.target = Some(order);
                self.link = Link::Joining;
            }
            RadioOrder::Leave => self.leave().await,
            RadioOrder::Scan => self.is_scan_due = true,
        }
    }

    /// Tells the driver what is wanted; it restarts when access point or station come or go.
    fn apply_config(&mut self) {
        let station = self.target.as_ref().and_then(station_config).unwrap_or_default();
        let config = match &self.hotspot {
            Some(hotspot) => Config::AccessPointStation(station, hotspot.clone()),
            None => Config::Station(station),
        };
        if let Err(error) = self.controller.set_config(&config) {
            log(format_args!("The radio refused its settings: {error:?}"));
        }
        if self.link == Link::Joined && !self.controller.is_connected() {
            self.link = Link::Rejoining;
        }
    }

    async fn leave(&mut self) {
        self.target = None;
        self.link = Link::Idle;
        self.stack.set_config_v4(ConfigV4::None);
        // Not being connected is what is wanted.
        let _left = with_timeout(DISCONNECT_TIMEOUT, self.controller.disconnect_async()).await;
    }

    async fn join(&mut self) {
        self.apply_config();
        let is_static = self.target.as_ref().and_then(|target| target.static_address);
        let stack = self.stack;
        let controller = &mut self.controller;
        let mut interrupting = None;
        let joined = {
            let joining = core::pin::pin!(async {
                with_timeout(CONNECT_TIMEOUT, controller.connect_async())
                    .await
                    .or(Err(NetworkError::Timeout))?
                    .map_err(|error| network_error(&error))?;
                stack.set_config_v4(address_config(is_static));
                with_timeout(ADDRESS_TIMEOUT, stack.wait_config_up()).await.or(Err(NetworkError::NoAddress))
            });
            let mut joining = joining;
            loop {
                match select(RADIO_ORDERS.receive(), &mut joining).await {
                    // A scan would break the attempt off, and can wait.
                    Either::First(RadioOrder::Scan) => self.is_scan_due = true,
                    Either::First(order) => {
                        interrupting = Some(order);
                        break Err(NetworkError::Other);
                    }
                    Either::Second(joined) => break joined,
                }
            }
        };
        match interrupting {
            // The attempt begins again, unless the order ended it.
            Some(order) => self.take(order).await,
            None => self.answer(joined).await,
        }
    }

    async fn answer(&mut self, joined: Result<(), NetworkError>) {
        let Some(ticket) = self.target.as_ref().map(|target| target.ticket) else {
            return;
        };
        let was_rejoining = self.link == Link::Rejoining;
        let event = match joined {
            Ok(()) => {
                self.link = Link::Joined;
                if was_rejoining {
                    return;
                }
                Event::Joined
            }
            Err(error) => {
                self.leave().await;
                if was_rejoining { Event::LinkLost } else { Event::JoinFailed(error) }
            }
        };
        MESSAGES.send(Message::Radio(ticket, event)).await;
    }

    async fn lose_link(&mut self) {
        let ticket = self.target.as_ref().map(|target| target.ticket);
        self.leave().await;
        if let Some(ticket) = ticket {
            MESSAGES.send(Message::Radio(ticket, Event::LinkLost)).await;
        }
    }

    async fn scan(&mut self) {
        let config = ScanConfig::default().with_max(SCAN_RESULT_COUNT_MAX);
        let scanned = with_timeout(SCAN_TIMEOUT, self.controller.scan_async(&config)).await;
        if let Ok(Ok(mut found)) = scanned {
            found.sort_unstable_by_key(|network| core::cmp::Reverse(network.signal_strength));
            SCAN_LIST.lock(|list| {
                let mut list = list.borrow_mut();
                list.clear();
                // What is beyond the list's end is the weakest.
                list.extend(found.iter().map(seen_network).take(device::SCAN_COUNT_MAX));
            });
        }
        MESSAGES.send(Message::Plain(Event::ScanDone)).await;
    }
}

fn hotspot_config(ssid: &[u8], passphrase: Option<&str>) -> Option<AccessPointConfig> {
    let authentication = match passphrase {
        Some(passphrase) => AuthenticationMethodConfig::Wpa2Personal(Password::try_from(passphrase).ok()?),
        None => AuthenticationMethodConfig::Open,
    };
    let config = AccessPointConfig::default().with_ssid(Ssid::try_from(ssid).ok()?);
    Some(config.with_authentication(authentication).with_max_connections(4))
}

fn station_config(order: &JoinOrder) -> Option<StationConfig> {
    let ssid = Ssid::try_from(order.ssid.as_slice()).ok()?;
    // The least security that is accepted: a network with a secret never matches an open one of the same name.
    let authentication = if order.secret.is_empty() {
        AuthenticationMethodConfig::Open
    } else {
        AuthenticationMethodConfig::Wpa2Personal(Password::try_from(order.secret.as_slice()).ok()?)
    };
    let config = StationConfig::default().with_ssid(ssid).with_authentication(authentication);
    // A channel is where the driver begins to listen; it goes on with the others. Source: ESP-IDF, `wifi_sta_config_t`.
    Some(match order.channel {
        Some(channel) => config.with_channel(channel),
        None => config,
    })
}

fn address_config(address: Option<home_store::StaticAddress>) -> ConfigV4 {
    let Some(address) = address else {
        return ConfigV4::Dhcp(DhcpConfig::default());
    };
    let prefix_bits = u32::from(address.mask).leading_ones();
    ConfigV4::Static(StaticConfigV4 {
        // A mask has at most 32 ones.
        address: Ipv4Cidr::new(address.address, u8::try_from(prefix_bits).unwrap_or(24)),
        gateway: Some(address.gateway),
        dns_servers: address.dns.into_iter().flatten().collect(),
    })
}

fn network_error(error: &ConnectionError) -> NetworkError {
    let ConnectionError::Failed(info) = error else {
        return if matches!(
            error,
            ConnectionError::WifiError(WifiError::InvalidPassword | WifiError::InvalidSsid)
        ) {
            NetworkError::BadConfig
        } else {
            NetworkError::Other
        };
    };
    match info.reason {
        DisconnectReason::NoAccessPointFound
        | DisconnectReason::NoAccessPointFoundWithCompatibleSecurity
        | DisconnectReason::NoAccessPointFoundInAuthmodeThreshold
        | DisconnectReason::NoAccessPointFoundInRssiThreshold => NetworkError::NotFound,
        DisconnectReason::AuthenticationFailed
        | DisconnectReason::AuthenticationExpired
        | DisconnectReason::FourWayHandshakeTimeout
        | DisconnectReason::HandshakeTimeout
        | DisconnectReason::MicFailure => NetworkError::Authentication,
        _ => NetworkError::Other,
    }
}

fn seen_network(network: &AccessPointInfo) -> SeenNetwork {
    let ssid = network.ssid.as_str();
    // The driver shows names that are no UTF-8 only in part; half a name is worse than none, the owner types it in.
    let shown = if ssid.len() == network.ssid.len() { ssid } else { "" };
    SeenNetwork {
        ssid: shown.bytes().take(32).collect(),
        bssid: MacAddress(network.bssid),
        rssi_dbm: i16::from(network.signal_strength),
        security: security(network.auth_method),
        channel: network.channel,
    }
}

fn security(method: Option<AuthenticationMethod>) -> Security {
    match method {
        Some(AuthenticationMethod::None) => Security::Open,
        Some(AuthenticationMethod::Wep) => Security::Wep,
        Some(AuthenticationMethod::Wpa) => Security::Wpa,
        Some(AuthenticationMethod::Wpa2Personal) => Security::Wpa2,
        Some(AuthenticationMethod::WpaWpa2Personal) => Security::WpaWpa2,
        Some(AuthenticationMethod::Wpa3Personal) => Security::Wpa3,
        Some(AuthenticationMethod::Wpa2Wpa3Personal) => Security::Wpa2Wpa3,
        Some(AuthenticationMethod::Wpa2Enterprise) => Security::Wpa2Enterprise,
        Some(AuthenticationMethod::WapiPersonal) => Security::Wapi,
        Some(AuthenticationMethod::Owe) => Security::Owe,
        _ => Security::Unknown,
    }
}

/// Tells when phones come and go. The driver's own events are missed while it is busy, so the stations are counted.
#[embassy_executor::task]
pub(crate) async fn station_task() -> ! {
    let mut known_count = 0;
    loop {
        Timer::after(STATION_POLL).await;
        let count = station_count();
        if count == known_count {
            continue;
        }
        let event = if count > known_count { Event::StationAttached } else { Event::StationDetached };
        for _ in 0..count.abs_diff(known_count) {
            MESSAGES.send(Message::Plain(event)).await;
        }
        known_count = count;
    }
}

fn station_count() -> u32 {
    #[cfg(feature = "esp32c3")]
    use esp_wifi_sys_esp32c3 as sys;
    #[cfg(feature = "esp32c6")]
    use esp_wifi_sys_esp32c6 as sys;

    let mut list = core::mem::MaybeUninit::<sys::include::wifi_sta_list_t>::zeroed();
    // SAFETY: the driver fills the list it is given, and answers with an error when it is not running.
    let result = unsafe { sys::include::esp_wifi_ap_get_sta_list(list.as_mut_ptr()) };
    // 0 is ESP_OK; anything else means that there is no access point.
    if result != 0 {
        return 0;
    }
    // SAFETY: the list is plain numbers, for which all zeros are a value, and the driver filled it.
    let list = unsafe { list.assume_init() };
    u32::try_from(list.num).unwrap_or_default()
}

fn log(line: core::fmt::Arguments<'_>) {
    esp_println::println!("[{}] {line}", crate::time::uptime_ms());
}
