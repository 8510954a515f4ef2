//! Wi-Fi through NetworkManager over D-Bus.
//!
//! Profiles are volatile: they live in NetworkManager's memory, belong to this process and go with the connection, so
//! that a network on trial and a wiped home leave nothing behind there.

mod access_points;
mod borrowed;
mod bus;
mod profile;
mod radios;
mod state;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use device::SeenNetwork;
use home_store::{Network, Ssid};
use tokio::time::{Instant, sleep, timeout_at};
use zbus::{Connection, OwnedObjectPath, Variant};

pub use access_points::HeardAccessPoint;
pub(crate) use access_points::parse_mac;
pub use borrowed::{
    BorrowedRadio, GiveBackError, HeardNetwork, ParseWifiNetworkError, RadioEvent, WifiNetwork,
};
pub use bus::{Signal, read_signal};

use crate::heard;
use crate::wifi::{HotspotRequest, JoinedLink, OpenedHotspot, Wifi, WifiChange, WifiError};
use bus::{ACCESS_POINT, ACTIVE, Bus, MANAGER, MANAGER_PATH, WIRELESS};
use profile::{Profile, hotspot_profile, own, station_profile};
use radios::Radio;

/// How long one scan may take. Radios with both bands need up to 8 s.
const SCAN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a network is looked for before it counts as not found. An attempt to join is given 25 s in all.
const FIND_TIMEOUT: Duration = Duration::from_secs(12);
/// Wait before a scan that the radio refused, or that did not hear the network, is repeated.
const SCAN_RETRY_WAIT: Duration = Duration::from_millis(800);
/// Age until which a scan is good enough to find a network in: the agent often listens right before it joins, and
/// radios refuse to listen again at once.
const SCAN_AGE_MAX: Duration = Duration::from_secs(10);
/// Longest activation. Above every limit of the lifecycle, so that it only catches what never ends.
const ACTIVATION_TIMEOUT: Duration = Duration::from_mins(1);
/// How long the hotspot may take to come up.
const HOTSPOT_TIMEOUT: Duration = Duration::from_secs(20);
/// How long NetworkManager may take to take an order.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Access points read of one scan; more than the agent keeps, because one network may have many.
const ACCESS_POINT_COUNT_MAX: usize = 128;
/// The path that stands for none.
const NO_PATH: &str = "/";

/// Which interfaces to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// Joins networks; `None` takes the first Wi-Fi interface.
    pub station: Option<String>,
    /// Opens the hotspot while there is such an interface and it can be used; else the station's interface does both
    /// in turn.
    pub hotspot: Option<String>,
}

/// The adapter.
#[derive(Debug)]
pub struct NetworkManager {
    bus: Bus,
    interfaces: Interfaces,
    station: Option<Activation>,
    hotspot: Option<Activation>,
    /// An order that NetworkManager was given and that nobody waited for to the end.
    ordered: Option<tokio::task::JoinHandle<Result<OwnedObjectPath, WifiError>>>,
    changes: VecDeque<WifiChange>,
    /// Which device finished a scan last, and when.
    scanned: Option<(OwnedObjectPath, Instant)>,
    find_timeout: Duration,
    /// How often in a row the hotspot did not come up on its own interface. Only a hotspot that does ends the count: a
    /// failure itself may take the interface away and bring it back.
    own_interface_failure_count: u8,
}

#[derive(Clone, Debug)]
struct Activation {
    device: OwnedObjectPath,
    active: OwnedObjectPath,
}

impl NetworkManager {
    /// Connects to the system bus.
    ///
    /// # Errors
    /// When there is no bus. NetworkManager itself may come later.
    pub async fn on_system_bus(interfaces: Interfaces) -> Result<Self, WifiError> {
        Self::on_bus(Connection::system().await?, interfaces).await
    }

    /// Uses a connection to any bus.
    ///
    /// # Errors
    /// When the bus does not let us listen.
    pub async fn on_bus(connection: Connection, interfaces: Interfaces) -> Result<Self, WifiError> {
        Ok(Self {
            bus: Bus::new(connection).await?,
            interfaces,
            station: None,
            hotspot: None,
            ordered: None,
            changes: VecDeque::new(),
            scanned: None,
            find_timeout: FIND_TIMEOUT,
            own_interface_failure_count: 0,
        })
    }

    /// Changes how long a network is looked for before it counts as not found.
    #[must_use]
    pub fn with_find_timeout(mut self, find_timeout: Duration) -> Self {
        self.find_timeout = find_timeout;
        self
    }

    /// Finds the name of the station's interface.
    ///
    /// # Errors
    /// When there is no Wi-Fi interface, or NetworkManager does not run.
    pub async fn station_interface(&self) -> Result<String, WifiError> {
        Ok(self.station_radio().await?.interface)
    }

    /// Handles what waits already, so that an old signal is not taken for an answer to what comes next.
    fn drain_signals(&mut self) {
        while let Some(signal) = self.bus.try_signal() {
            self.note(&signal);
        }
    }

    /// Takes note of what happened by itself.
    fn note(&mut self, signal: &Signal) {
        let ends = |activation: &Option<Activation>| {
            activation.as_ref().is_some_and(|activation| match signal {
                Signal::OwnerChanged { is_running } => !is_running,
                Signal::DeviceRemoved { device } => activation.device == *device,
                // The states of coming up may still be on their way when the connection is up already; another
                // connection that takes the device ends ours with a signal of its own.
                Signal::DeviceState { device, new, .. } => {
                    activation.device == *device
                        && !(state::DEVICE_PREPARE..=state::DEVICE_ACTIVATED).contains(new)
                }
                Signal::ActiveState { active, state } => {
                    activation.active == *active && *state >= state::ACTIVE_DEACTIVATING
                }
                _ => false,
            })
        };
        if ends(&self.station) {
            self.station = None;
            self.changes.push_back(WifiChange::StationLost);
        }
        if ends(&self.hotspot) {
            self.hotspot = None;
            self.changes.push_back(WifiChange::HotspotLost);
        }
        match signal {
            Signal::Scanned { device } => self.scanned = Some((device.clone(), Instant::now())),
            Signal::PhoneAttached { .. } => self.changes.push_back(WifiChange::PhoneAttached),
            Signal::PhoneDetached { .. } => self.changes.push_back(WifiChange::PhoneDetached),
            Signal::DeviceAdded | Signal::OwnerChanged { is_running: true } => {
                self.changes.push_back(WifiChange::Recheck);
            }
            Signal::DeviceState { old, new, .. } if state::is_usable(*old) != state::is_usable(*new) => {
                self.changes.push_back(WifiChange::Recheck);
            }
            Signal::DeviceState { .. }
            | Signal::ActiveState { .. }
            | Signal::DeviceRemoved { .. }
            | Signal::OwnerChanged { is_running: false } => {}
        }
    }

    async fn scan_once(
        &mut self,
        radio: &Radio,
        hidden: Option<&Ssid>,
        deadline: Instant,
    ) -> Result<(), WifiError> {
        let mut options: HashMap<&str, Variant<'_>> = HashMap::new();
        if let Some(ssid) = hidden {
            options.insert("ssids", Variant::from(vec![ssid.as_bytes().to_vec()]));
        }
        self.drain_signals();
        loop {
            match self.bus.call(&radio.path, WIRELESS, "RequestScan", &(&options,)).await {
                Ok(_) => break,
                // "Not allowed" right after another scan, or while the radio is busy; it passes.
                Err(WifiError::Bus(error)) if Instant::now() + SCAN_RETRY_WAIT < deadline => {
                    tracing::debug!(%error, "the radio refused a scan");
                    sleep(SCAN_RETRY_WAIT).await;
                }
                Err(WifiError::Bus(_)) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        while let Ok(signal) = timeout_at(deadline, self.bus.next_signal()).await {
            self.note(&signal);
            match signal {
                Signal::Scanned { device } if device == radio.path => return Ok(()),
                Signal::OwnerChanged { is_running: false } => return Err(WifiError::NotRunning),
                Signal::DeviceRemoved { device } if device == radio.path => {
                    return Err(WifiError::NoRadio { interface: Some(radio.interface.clone()) });
                }
                _ => {}
            }
        }
        // Without an end of the scan, what is known has to do.
        Ok(())
    }

    /// Reads what the radio heard, strongest first.
    async fn heard(&self, radio: &Radio) -> Result<Vec<HeardAccessPoint>, WifiError> {
        let answer = self.bus.call(&radio.path, WIRELESS, "GetAllAccessPoints", &()).await?;
        let paths: Vec<OwnedObjectPath> = answer.body().deserialize()?;
        let mut heard = Vec::new();
        for path in paths.into_iter().take(ACCESS_POINT_COUNT_MAX) {
            // An access point may fade away while we ask.
            let Ok(answer) = self.bus.properties(&path, ACCESS_POINT).await else {
                continue;
            };
            heard.extend(HeardAccessPoint::read(path, &answer));
        }
        heard.sort_by_key(|access_point| std::cmp::Reverse(access_point.seen.rssi_dbm));
        Ok(heard)
    }

    /// Looks for a network until it is heard or the time is up.
    async fn find(
        &mut self,
        radio: &Radio,
        network: &Network,
    ) -> Result<Option<HeardAccessPoint>, WifiError> {
        let deadline = Instant::now() + self.find_timeout;
        let hidden = network.is_hidden.then_some(&network.ssid);
        let has_just_listened = self
            .scanned
            .as_ref()
            .is_some_and(|(device, at)| *device == radio.path && at.elapsed() < SCAN_AGE_MAX);
        let mut is_scan_due = !has_just_listened || network.is_hidden;
        loop {
            if is_scan_due {
                self.scan_once(radio, hidden, deadline).await?;
            }
            let heard = self.heard(radio).await?;
            let is_it = |access_point: &HeardAccessPoint| heard::is_network(&access_point.seen, network);
            if let Some(found) = heard.into_iter().find(is_it) {
                return Ok(Some(found));
            }
            if !std::mem::replace(&mut is_scan_due, true) {
                continue;
            }
            if Instant::now() + SCAN_RETRY_WAIT >= deadline {
                return Ok(None);
            }
            sleep(SCAN_RETRY_WAIT).await;
        }
    }

    /// Orders an activation. The order runs to its end even when nobody waits for it, so that it can be undone.
    async fn activate(
        &mut self,
        profile: &Profile<'_>,
        radio: &Radio,
        access_point: Option<&OwnedObjectPath>,
    ) -> Result<Activation, WifiError> {
        let owned = own(profile)?;
        let connection = self.bus.connection();
        let device = radio.path.clone();
        let access_point = access_point.map_or_else(|| NO_PATH.to_owned(), |path| path.as_str().to_owned());
        self.drain_signals();
        let order =
            tokio::spawn(
                async move { bus::add_and_activate(&connection, owned, &device, &access_point).await },
            );
        let order = self.ordered.insert(order);
        let answered = timeout_at(Instant::now() + CALL_TIMEOUT, &mut *order).await;
        let active = match answered {
            Ok(Ok(active)) => active,
            Ok(Err(_aborted)) => Err(WifiError::Timeout),
            Err(_elapsed) => return Err(WifiError::Timeout),
        };
        self.ordered = None;
        Ok(Activation { device: radio.path.clone(), active: active? })
    }

    /// Waits until an activation is up.
    async fn wait_until_up(
        &mut self,
        radio: &Radio,
        activation: &Activation,
        limit: Duration,
    ) -> Result<(), WifiError> {
        let deadline = Instant::now() + limit;
        let mut has_begun = false;
        if self.is_up(activation).await {
            return Ok(());
        }
        loop {
            let Ok(signal) = timeout_at(deadline, self.bus.next_signal()).await else {
                return Err(WifiError::Timeout);
            };
            self.note(&signal);
            match signal {
                Signal::DeviceState { device, new, reason, .. } if device == activation.device => match new {
                    state::DEVICE_PREPARE..=state::DEVICE_SECONDARIES => has_begun = true,
                    state::DEVICE_ACTIVATED if self.is_up(activation).await => return Ok(()),
                    state::DEVICE_FAILED => return Err(state::failure(reason, &radio.interface)),
                    state::DEVICE_UNMANAGED | state::DEVICE_UNAVAILABLE => {
                        return Err(WifiError::RadioOff { interface: radio.interface.clone() });
                    }
                    _ if has_begun => return Err(state::failure(reason, &radio.interface)),
                    _ => {}
                },
                Signal::ActiveState { active, state: state::ACTIVE_ACTIVATED }
                    if active == activation.active =>
                {
                    return Ok(());
                }
                Signal::DeviceRemoved { device } if device == activation.device => {
                    return Err(WifiError::NoRadio { interface: Some(radio.interface.clone()) });
                }
                Signal::OwnerChanged { is_running: false } => return Err(WifiError::NotRunning),
                _ => {}
            }
        }
    }

    async fn is_up(&self, activation: &Activation) -> bool {
        let active_state = self.bus.property::<u32>(&activation.active, ACTIVE, "State").await;
        matches!(active_state, Ok(state::ACTIVE_ACTIVATED))
    }

    async fn deactivate(&self, activation: &Activation) {
        let body = (&activation.active,);
        let call = self.bus.call(MANAGER_PATH, MANAGER, "DeactivateConnection", &body);
        // A connection that is gone already is what was wanted.
        match timeout_at(Instant::now() + CALL_TIMEOUT, call).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "deactivating a connection"),
            Err(_elapsed) => tracing::warn!("NetworkManager does not answer"),
        }
    }

    /// Undoes an order that was given up half way.
    async fn undo_order(&mut self) {
        let Some(order) = self.ordered.take() else {
            return;
        };
        if let Ok(Ok(Ok(active))) = timeout_at(Instant::now() + CALL_TIMEOUT, order).await {
            self.deactivate(&Activation { device: active.clone(), active }).await;
        }
    }
}

impl Wifi for NetworkManager {
    async fn has_hotspot_interface(&mut self) -> bool {
        self.own_hotspot_radio().await.is_some()
    }

    async fn scan(&mut self, hidden: Option<&Ssid>) -> Result<Vec<SeenNetwork>, WifiError> {
        let radio = self.station_radio().await?;
        self.require_ready(&radio).await?;
        self.scan_once(&radio, hidden, Instant::now() + SCAN_TIMEOUT).await?;
        Ok(self.heard(&radio).await?.into_iter().map(|access_point| access_point.seen).collect())
    }

    async fn join(&mut self, network: &Network) -> Result<JoinedLink, WifiError> {
        let radio = self.station_radio().await?;
        self.require_ready(&radio).await?;
        let found = self.find(&radio, network).await?;
        if found.is_none() && !network.is_hidden {
            return Err(WifiError::NotFound);
        }
        let takes_only_sae = found.as_ref().is_some_and(|access_point| access_point.takes_only_sae);
        let profile = station_profile(network, &radio.interface, takes_only_sae)?;
        let path = found.as_ref().map(|access_point| &access_point.path);
        let activation = self.activate(&profile, &radio, path).await?;
        // Until it is up it is an attempt, whose end is no loss.
        self.ordered = Some(tokio::spawn(std::future::ready(Ok(activation.active.clone()))));
        let outcome = self.wait_until_up(&radio, &activation, ACTIVATION_TIMEOUT).await;
        self.ordered = None;
        if let Err(error) = outcome {
            self.deactivate(&activation).await;
            return Err(error);
        }
        self.station = Some(activation);
        let channel = found.map(|access_point| access_point.seen.channel).filter(|channel| *channel != 0);
        Ok(JoinedLink { channel })
    }

    async fn leave(&mut self) {
        self.undo_order().await;
        if let Some(activation) = self.station.take() {
            self.deactivate(&activation).await;
        }
        self.drain_signals();
    }

    async fn open_hotspot(&mut self, hotspot: &HotspotRequest) -> Result<OpenedHotspot, WifiError> {
        let own_radio = self.own_hotspot_radio().await;
        let is_beside = own_radio.is_some();
        let radio = match own_radio {
            Some(radio) => radio,
            None => self.access_point_radio().await?,
        };
        let profile = hotspot_profile(hotspot, &radio.interface);
        let activation = self.activate(&profile, &radio, None).await?;
        let outcome = self.wait_until_up(&radio, &activation, HOTSPOT_TIMEOUT).await;
        if is_beside {
            let failure_count = self.own_interface_failure_count.saturating_add(1);
            self.own_interface_failure_count = if outcome.is_ok() { 0 } else { failure_count };
        }
        if let Err(error) = outcome {
            self.deactivate(&activation).await;
            return Err(error);
        }
        self.hotspot = Some(activation);
        Ok(OpenedHotspot { interface: Some(radio.interface), is_beside })
    }

    async fn close_hotspot(&mut self) {
        if let Some(activation) = self.hotspot.take() {
            self.deactivate(&activation).await;
        }
        self.drain_signals();
    }

    async fn next_change(&mut self) -> WifiChange {
        loop {
            if let Some(change) = self.changes.pop_front() {
                return change;
            }
            let Some(signal) = self.bus.next_signal_or_end().await else {
                return WifiChange::Gone;
            };
            self.note(&signal);
        }
    }
}
