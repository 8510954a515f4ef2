//! A radio of a person's computer, taken for a while and given back.
//!
//! What is raised or joined here ends with the connection to the bus, so also when the program is killed; NetworkManager
//! then connects by itself to what it connects to by itself.

use std::collections::VecDeque;
use std::time::Duration;

use home_store::{Network, NetworkSecret, ParseNetworkSecretError, ParseSsidError, Ssid};
use portal::{MacAddress, Security};
use thiserror::Error;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};
use zbus::OwnedObjectPath;

use super::bus::{ACTIVE, DEVICE, MANAGER, MANAGER_PATH, Signal};
use super::profile::{shared_profile, visitor_profile};
use super::radios::Radio;
use super::{ACTIVATION_TIMEOUT, Activation, HOTSPOT_TIMEOUT, NO_PATH, NetworkManager, SCAN_TIMEOUT};
use crate::wifi::{WifiChange, WifiError};
use crate::{heard, neighbours};

/// Between two looks at the table of neighbours. The supplicant tells sooner, but only to root and to its group.
const NEIGHBOURS_EVERY: Duration = Duration::from_secs(2);
/// How long is waited for the former connection to be up again; after that it may still come.
const RESTORE_TIMEOUT: Duration = Duration::from_secs(30);

/// A network with its password.
#[derive(Clone, Debug)]
pub struct WifiNetwork(Network);

impl WifiNetwork {
    /// Takes a name of 1 to 32 bytes and a password: none, a passphrase of 8 to 63 bytes or a key of 64 hexadecimal
    /// digits.
    ///
    /// # Errors
    /// Which of the two is wrong.
    pub fn parse(ssid: &[u8], password: &[u8]) -> Result<Self, ParseWifiNetworkError> {
        let ssid = Ssid::parse(ssid)?;
        let secret = NetworkSecret::parse(password)?;
        Ok(Self(Network { ssid, secret, is_hidden: false, static_address: None }))
    }

    /// Everybody may join.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.secret.is_open()
    }
}

/// Not a network that can be raised or joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseWifiNetworkError {
    /// The name.
    #[error("a network's name has 1 to 32 bytes")]
    Ssid(#[from] ParseSsidError),
    /// The password.
    #[error("a password has 8 to 63 bytes, or is a key of 64 hexadecimal digits")]
    Secret(#[from] ParseNetworkSecretError),
}

/// A network that the radio heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeardNetwork {
    /// Its name in raw bytes.
    pub ssid: Vec<u8>,
    /// It asks for no password.
    pub is_open: bool,
    /// Signal in dBm.
    pub rssi_dbm: i16,
}

/// Something that happened by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RadioEvent {
    /// Somebody joined the raised network.
    Joined(MacAddress),
    /// Somebody left it.
    Left(MacAddress),
    /// The raised or joined network is gone.
    Lost,
}

/// The radio.
#[derive(Debug)]
pub struct BorrowedRadio {
    wifi: NetworkManager,
    radio: Radio,
    before: Option<FormerConnection>,
    neighbours_due: Interval,
    /// Everybody who was told already, or was there before.
    known: Vec<MacAddress>,
    events: VecDeque<RadioEvent>,
}

/// What the radio did before.
#[derive(Clone, Debug)]
struct FormerConnection {
    profile: OwnedObjectPath,
    name: String,
}

impl BorrowedRadio {
    /// Takes the station interface of an adapter and remembers what it does now. Nothing is changed yet.
    ///
    /// # Errors
    /// When NetworkManager or the radio is not there or cannot be used.
    pub async fn take(wifi: NetworkManager) -> Result<Self, WifiError> {
        let radio = wifi.station_radio().await?;
        wifi.require_ready(&radio).await?;
        let mut neighbours_due = interval(NEIGHBOURS_EVERY);
        neighbours_due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut borrowed =
            Self { wifi, radio, before: None, neighbours_due, known: Vec::new(), events: VecDeque::new() };
        borrowed.before = borrowed.active_connection().await?;
        Ok(borrowed)
    }

    /// Name of the interface.
    #[must_use]
    pub fn interface(&self) -> &str {
        &self.radio.interface
    }

    /// Says whether the computer has a way to the internet or another network; `None` if that is not known.
    pub async fn has_way_out(&self) -> Option<bool> {
        let primary: Result<OwnedObjectPath, _> =
            self.wifi.bus.property(MANAGER_PATH, MANAGER, "PrimaryConnection").await;
        primary.ok().map(|path| path.as_str() != NO_PATH)
    }

    /// Listens once and returns what was heard, strongest first.
    ///
    /// # Errors
    /// When the radio cannot listen.
    pub async fn scan(&mut self) -> Result<Vec<HeardNetwork>, WifiError> {
        self.wifi.scan_once(&self.radio, None, Instant::now() + SCAN_TIMEOUT).await?;
        let heard = self.wifi.heard(&self.radio).await?;
        let heard = heard.into_iter().map(|access_point| HeardNetwork {
            ssid: access_point.seen.ssid.to_vec(),
            is_open: matches!(access_point.seen.security, Security::Open | Security::Owe),
            rssi_dbm: access_point.seen.rssi_dbm,
        });
        Ok(heard.collect())
    }

    /// Raises a network for boards that know it: WPA2 or open, in the 2.4 GHz band, with addresses, names and a way to
    /// wherever this computer can go.
    ///
    /// # Errors
    /// Why it is not up; nothing of the attempt is left then.
    ///
    /// # Cancel safety
    /// After the future was dropped, [`Self::give_back`] cleans up.
    pub async fn raise(&mut self, network: &WifiNetwork) -> Result<(), WifiError> {
        self.wifi.require_access_point(&self.radio).await?;
        // A radio that cannot listen now may still speak.
        let heard = match self.wifi.scan_once(&self.radio, None, Instant::now() + SCAN_TIMEOUT).await {
            Ok(()) => self.wifi.heard(&self.radio).await.unwrap_or_default(),
            Err(_deaf) => Vec::new(),
        };
        let heard: Vec<_> = heard.into_iter().map(|access_point| access_point.seen).collect();
        self.known = self.neighbours();
        let radio = self.radio.clone();
        let profile = shared_profile(&network.0, heard::quietest_channel(&heard), &radio.interface)?;
        let activation = self.wifi.activate(&profile, &radio, None).await?;
        match self.until_up(&activation, HOTSPOT_TIMEOUT).await {
            Ok(()) => self.wifi.hotspot = Some(activation),
            // What an access point without its address server ends with; `NM_DEVICE_STATE_REASON_SHARED_*` are 18 and 19.
            Err(WifiError::NoAddress | WifiError::Failed { reason: 18 | 19 }) => {
                return Err(WifiError::SharingFailed);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Joins a device's hotspot. The computer keeps its other ways to the internet.
    ///
    /// # Errors
    /// Why it was not joined; nothing of the attempt is left then.
    ///
    /// # Cancel safety
    /// After the future was dropped, [`Self::give_back`] cleans up.
    pub async fn join(&mut self, hotspot: &WifiNetwork) -> Result<(), WifiError> {
        let radio = self.radio.clone();
        let found = self.wifi.find(&radio, &hotspot.0).await?.ok_or(WifiError::NotFound)?;
        let profile = visitor_profile(&hotspot.0, &radio.interface)?;
        let activation = self.wifi.activate(&profile, &radio, Some(&found.path)).await?;
        self.until_up(&activation, ACTIVATION_TIMEOUT).await?;
        self.wifi.station = Some(activation);
        Ok(())
    }

    /// Waits for the next thing that happens by itself.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next_event(&mut self) -> RadioEvent {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            tokio::select! {
                signal = self.wifi.bus.next_signal() => self.note(&signal),
                _due = self.neighbours_due.tick() => self.note_neighbours(),
            }
        }
    }

    /// Ends what was raised or joined, and brings back what was active before. Returns the name of that connection.
    ///
    /// # Errors
    /// When there was one and it did not come back in time; what was raised or joined is gone nevertheless.
    pub async fn give_back(mut self) -> Result<Option<String>, GiveBackError> {
        self.wifi.undo_order().await;
        for activation in [self.wifi.hotspot.take(), self.wifi.station.take()].into_iter().flatten() {
            self.wifi.deactivate(&activation).await;
        }
        let Some(before) = self.before.take() else {
            return Ok(None);
        };
        match self.restore(&before).await {
            Ok(()) => Ok(Some(before.name)),
            Err(source) => Err(GiveBackError { name: before.name, source }),
        }
    }

    async fn restore(&mut self, before: &FormerConnection) -> Result<(), WifiError> {
        let now = self.active_connection().await?;
        if now.is_some_and(|now| now.profile == before.profile) {
            return Ok(());
        }
        self.wifi.drain_signals();
        let no_object = zbus::ObjectPath::try_from(NO_PATH)?;
        let body = (&before.profile, &self.radio.path, no_object);
        let answer = self.wifi.bus.call(MANAGER_PATH, MANAGER, "ActivateConnection", &body).await?;
        let active: OwnedObjectPath = answer.body().deserialize()?;
        let activation = Activation { device: self.radio.path.clone(), active };
        self.wifi.wait_until_up(&self.radio, &activation, RESTORE_TIMEOUT).await
    }

    async fn until_up(&mut self, activation: &Activation, limit: Duration) -> Result<(), WifiError> {
        // Until it is up it is an order, which is undone when nobody waits any more.
        self.wifi.ordered = Some(tokio::spawn(std::future::ready(Ok(activation.active.clone()))));
        let outcome = self.wifi.wait_until_up(&self.radio, activation, limit).await;
        self.wifi.ordered = None;
        if outcome.is_err() {
            self.wifi.deactivate(activation).await;
        }
        outcome
    }

    async fn active_connection(&self) -> Result<Option<FormerConnection>, WifiError> {
        let bus = &self.wifi.bus;
        let active: OwnedObjectPath = bus.property(&self.radio.path, DEVICE, "ActiveConnection").await?;
        if active.as_str() == NO_PATH {
            return Ok(None);
        }
        let profile: OwnedObjectPath = bus.property(&active, ACTIVE, "Connection").await?;
        let name = bus.property(&active, ACTIVE, "Id").await.unwrap_or_default();
        Ok(Some(FormerConnection { profile, name }))
    }

    fn note(&mut self, signal: &Signal) {
        match signal {
            Signal::PhoneAttached { address: Some(address) } => self.note_joined(*address, true),
            Signal::PhoneDetached { address: Some(address) } => {
                self.events.push_back(RadioEvent::Left(*address));
            }
            _ => {}
        }
        self.wifi.note(signal);
        while let Some(change) = self.wifi.changes.pop_front() {
            if matches!(change, WifiChange::HotspotLost | WifiChange::StationLost) {
                self.events.push_back(RadioEvent::Lost);
            }
        }
    }

    /// The table keeps those who left, so it tells of each only once.
    fn note_neighbours(&mut self) {
        if self.wifi.hotspot.is_some() {
            for address in self.neighbours() {
                self.note_joined(address, false);
            }
        }
    }

    fn note_joined(&mut self, address: MacAddress, is_sure: bool) {
        let is_known = self.known.contains(&address);
        if !is_known {
            self.known.push(address);
        }
        if is_sure || !is_known {
            self.events.push_back(RadioEvent::Joined(address));
        }
    }

    fn neighbours(&self) -> Vec<MacAddress> {
        // A system without the table leaves the supplicant's word.
        let table = std::fs::read_to_string(neighbours::TABLE).unwrap_or_default();
        neighbours::on_interface(&self.radio.interface, &table)
    }
}

/// The former connection did not come back.
#[derive(Debug, Error)]
#[error("the connection {name:?} did not come back; `nmcli connection up` brings it back by hand")]
pub struct GiveBackError {
    name: String,
    source: WifiError,
}
