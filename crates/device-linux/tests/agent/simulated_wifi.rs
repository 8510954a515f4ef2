//! A radio without a radio: one network in reach, a hotspot on the loopback interface.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use device::SeenNetwork;
use device_linux::{Addresses, HotspotRequest, JoinedLink, OpenedHotspot, Wifi, WifiChange, WifiError};
use home_store::{Network, Ssid};
use portal::{MacAddress, Security};
use tokio::sync::Notify;

/// What test and radio share.
#[derive(Debug, Default)]
pub(crate) struct Air {
    pub(crate) facts: RefCell<Facts>,
    changed: Notify,
}

#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) ssid: Vec<u8>,
    pub(crate) password: Vec<u8>,
    pub(crate) is_joined: bool,
    pub(crate) open_hotspot: Option<HotspotRequest>,
    pub(crate) hotspots_opened: usize,
    /// How long it takes to listen, and to open the hotspot; a network is looked for three times as long.
    pub(crate) pace: Duration,
    was_lost: bool,
    /// The way to the radio is cut until it is connected to anew.
    pub(crate) is_gone: bool,
    pub(crate) addresses: Option<Addresses>,
    /// So many connections will fail.
    pub(crate) refusal_count: usize,
}

impl Air {
    pub(crate) fn new(ssid: &[u8], password: &[u8]) -> Rc<Self> {
        let mac = MacAddress([2, 0, 0, 0, 0, 7]);
        let addresses = Some(Addresses { station: mac, hotspot: mac });
        let facts = Facts { ssid: ssid.to_vec(), password: password.to_vec(), addresses, ..Facts::default() };
        Rc::new(Self { facts: RefCell::new(facts), changed: Notify::new() })
    }

    /// Cuts the way to the radio, which then does nothing that is asked.
    pub(crate) fn cut_off(&self) {
        let mut facts = self.facts.borrow_mut();
        (facts.is_gone, facts.is_joined, facts.open_hotspot) = (true, false, None);
        drop(facts);
        self.changed.notify_one();
    }

    /// Lets so much time pass as the radio takes for a step. Without a pace everything happens at once.
    async fn take(&self, step_count: u32) {
        let takes = self.facts.borrow().pace * step_count;
        if !takes.is_zero() {
            tokio::time::sleep(takes).await;
        }
    }

    /// Takes the network out of reach.
    pub(crate) fn take_network_away(&self) {
        let mut facts = self.facts.borrow_mut();
        facts.ssid.clear();
        facts.was_lost = std::mem::take(&mut facts.is_joined);
        drop(facts);
        self.changed.notify_one();
    }
}

pub(crate) struct SimulatedWifi {
    pub(crate) air: Rc<Air>,
    pub(crate) has_hotspot_interface: bool,
}

impl Wifi for SimulatedWifi {
    async fn has_hotspot_interface(&mut self) -> bool {
        self.has_hotspot_interface
    }

    async fn scan(&mut self, _hidden: Option<&Ssid>) -> Result<Vec<SeenNetwork>, WifiError> {
        self.air.take(1).await;
        let facts = self.air.facts.borrow();
        let seen = SeenNetwork {
            ssid: heapless::Vec::from_slice(&facts.ssid).expect("a short name"),
            bssid: MacAddress([2; 6]),
            rssi_dbm: -40,
            security: Security::Wpa2,
            channel: 6,
        };
        Ok(if facts.ssid.is_empty() { Vec::new() } else { vec![seen] })
    }

    async fn join(&mut self, network: &Network) -> Result<JoinedLink, WifiError> {
        self.air.take(3).await;
        let mut facts = self.air.facts.borrow_mut();
        assert!(self.has_hotspot_interface || facts.open_hotspot.is_none(), "the hotspot is in the way");
        if facts.ssid != network.ssid.as_bytes() {
            return Err(WifiError::NotFound);
        }
        if facts.password != network.secret.expose() {
            return Err(WifiError::PasswordRefused);
        }
        facts.is_joined = true;
        Ok(JoinedLink { channel: Some(6) })
    }

    async fn leave(&mut self) {
        self.air.facts.borrow_mut().is_joined = false;
    }

    async fn open_hotspot(&mut self, hotspot: &HotspotRequest) -> Result<OpenedHotspot, WifiError> {
        self.air.take(1).await;
        let mut facts = self.air.facts.borrow_mut();
        assert!(self.has_hotspot_interface || !facts.is_joined, "the network is in the way");
        facts.open_hotspot = Some(hotspot.clone());
        facts.hotspots_opened += 1;
        // The loopback interface needs no addresses from us.
        Ok(OpenedHotspot { interface: None, is_beside: self.has_hotspot_interface })
    }

    async fn close_hotspot(&mut self) {
        self.air.facts.borrow_mut().open_hotspot = None;
    }

    async fn next_change(&mut self) -> WifiChange {
        loop {
            if self.air.facts.borrow().is_gone {
                return WifiChange::Gone;
            }
            if std::mem::take(&mut self.air.facts.borrow_mut().was_lost) {
                return WifiChange::StationLost;
            }
            self.air.changed.notified().await;
        }
    }
}
