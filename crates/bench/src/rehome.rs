//! Our firmware on a virtual board: the shell of `device` over the bench.

use device::{DeviceConfig, DeviceIdentity};
use futures_util::FutureExt as _;
use home_store::sim_flash::SimFlash;
use home_store::{Home, HomeStore, StoreLayout};
use lifecycle::{RecoveryPolicy, Settings};
use portal::{MacAddress, Secret};

use crate::board::{BoardHandle, BootReason};
use crate::demo::DemoApplication;
use crate::firmware::{Firmware, FirmwareKind, FirmwareRun, FlashFacts, RecoveryChoice, RunEnd};
use crate::rehome_platform::BenchPlatform;

/// Server of a board that is told no other. Source: stock firmware.
const DEFAULT_HOST: &str = "blynk.cloud";
/// Its TLS port.
const DEFAULT_PORT: u16 = 443;
/// Ports on which Blynk servers speak plain TCP. Source: wire-protocol.md, section 2.
const PLAIN_PORTS: &[u16] = &[80, 8080];
/// Keep-alive, as of the newest Edgent release.
const HEARTBEAT_S: u16 = 40;
/// The home store has the flash of a bench board to itself.
const LAYOUT: StoreLayout = StoreLayout::at(0);

/// Our firmware with one recovery policy.
#[derive(Clone, Copy, Debug)]
pub struct RehomeFirmware {
    recovery: RecoveryPolicy,
}

impl RehomeFirmware {
    /// Creates the firmware.
    #[must_use]
    pub fn new(recovery: RecoveryChoice) -> Self {
        let recovery = match recovery {
            RecoveryChoice::Stock => RecoveryPolicy::Stock,
            RecoveryChoice::Reset => RecoveryPolicy::Reset,
            RecoveryChoice::Rehome => RecoveryPolicy::Rehome,
        };
        Self { recovery }
    }
}

impl Firmware for RehomeFirmware {
    fn kind(&self) -> FirmwareKind {
        FirmwareKind::Rehome
    }

    fn run(&self, board: BoardHandle) -> FirmwareRun {
        Box::pin(run(board, self.recovery))
    }

    fn inspect_flash(&self, flash: &SimFlash) -> FlashFacts {
        let inspected = async {
            let mut store = HomeStore::open(flash.clone(), LAYOUT).await.ok()?;
            let home = store.load_home().await.ok()?;
            Some(facts(store.epoch().0, home.as_ref()))
        };
        // The simulated flash never waits.
        inspected.now_or_never().flatten().unwrap_or_default()
    }
}

fn facts(epoch: u32, home: Option<&Home>) -> FlashFacts {
    let ssid_of = |network: &home_store::Network| network.ssid.as_bytes().to_vec();
    FlashFacts {
        is_home_stored: home.is_some(),
        is_token_stored: home.is_some(),
        epoch: Some(epoch),
        network_ssids: home.map_or_else(Vec::new, |home| home.networks.iter().map(ssid_of).collect()),
    }
}

async fn run(board: BoardHandle, recovery: RecoveryPolicy) -> RunEnd {
    let identity = board.identity().clone();
    let uid = identity.mac.map(|byte| format!("{byte:02x}")).concat();
    let config = DeviceConfig {
        identity: DeviceIdentity {
            vendor: &identity.vendor,
            template_name: &identity.template_name,
            template_id: &identity.template_id,
            firmware_type: &identity.template_id,
            firmware_version: env!("CARGO_PKG_VERSION"),
            firmware_build: "Nov 22 2026 12:00:00",
            board: "Rehome virtual board",
            uid: &uid,
            station_mac: MacAddress(identity.mac),
            hotspot_mac: MacAddress(hotspot_mac(identity.mac)),
            has_5ghz: false,
        },
        lifecycle: Settings { recovery, ..Settings::default() },
        default_host: DEFAULT_HOST,
        default_port: DEFAULT_PORT,
        plain_ports: PLAIN_PORTS,
        heartbeat_s: HEARTBEAT_S,
        pop: identity.pop.as_ref().and_then(|pop| std::str::from_utf8(pop.reveal()).ok()).map(Secret::new),
    };
    let boot_reason = match board.boot_reason() {
        BootReason::PowerOn => lifecycle::BootReason::PowerOn,
        BootReason::Restart => lifecycle::BootReason::Restart,
    };
    let flash = board.flash();
    let mut application = DemoApplication::new(board.rng().next_u64());
    let mut platform = BenchPlatform::new(board);
    // The shell's buffers are too large for the stack of whoever awaits this.
    let run = Box::pin(device::run(&mut platform, &mut application, flash, LAYOUT, boot_reason, &config));
    match run.await {
        device::RunEnd::Restart => RunEnd::Restart,
    }
}

/// The access point's address is the station's plus one, as on ESP32.
fn hotspot_mac(station: [u8; 6]) -> [u8; 6] {
    let mut address = station;
    if let Some(last) = address.last_mut() {
        *last = last.wrapping_add(1);
    }
    address
}
