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
use crate::firmware_image::{FirmwareTag, ImageConduct};
use crate::rehome_platform::BenchPlatform;
use crate::rehome_slots::BenchSlots;

/// Server of a board that is told no other. Source: stock firmware.
const DEFAULT_HOST: &str = "blynk.cloud";
/// Its TLS port.
const DEFAULT_PORT: u16 = 443;
/// Ports on which Blynk servers speak plain TCP. Source: wire-protocol.md, section 2.
const PLAIN_PORTS: &[u16] = &[80, 8080];
/// Keep-alive, as of the newest Edgent release.
const HEARTBEAT_S: u16 = 40;
/// When the firmware that a board is built with was built.
const BUILD: &str = "Nov 22 2026 12:00:00";
/// How soon an image that crashes does so, in milliseconds.
const CRASH_MS: u64 = 400;
/// The home store has the flash of a bench board to itself.
const LAYOUT: StoreLayout = StoreLayout::at(0);

/// Our firmware with one recovery policy.
#[derive(Clone, Copy, Debug)]
pub struct RehomeFirmware {
    recovery: RecoveryPolicy,
    /// The key that must have signed an image.
    firmware_key: Option<[u8; 32]>,
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
        Self { recovery, firmware_key: None }
    }

    /// The same firmware, which takes only images that this Ed25519 key signed.
    #[must_use]
    pub fn with_firmware_key(self, key: [u8; 32]) -> Self {
        Self { firmware_key: Some(key), ..self }
    }
}

impl Firmware for RehomeFirmware {
    fn kind(&self) -> FirmwareKind {
        FirmwareKind::Rehome
    }

    fn run(&self, board: BoardHandle) -> FirmwareRun {
        Box::pin(run(board, *self))
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

async fn run(board: BoardHandle, firmware: RehomeFirmware) -> RunEnd {
    let RehomeFirmware { recovery, firmware_key } = firmware;
    let identity = board.identity().clone();
    let started = board.firmware_slots().boot(env!("CARGO_PKG_VERSION")).await;
    let tag = running_tag(started.image.as_deref(), &identity.template_id);
    if tag.conduct == ImageConduct::Crashes {
        board.sleep_ms(CRASH_MS).await;
        board.log("Guru Meditation Error: this image crashes");
        return RunEnd::Restart;
    }
    let uid = identity.mac.map(|byte| format!("{byte:02x}")).concat();
    let config = DeviceConfig {
        identity: DeviceIdentity {
            vendor: &identity.vendor,
            template_name: &identity.template_name,
            template_id: &identity.template_id,
            firmware_type: &tag.firmware_type,
            firmware_version: &tag.version,
            firmware_build: &tag.build,
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
        portal_host: portal::HOTSPOT_HOST,
    };
    let boot_reason = match board.boot_reason() {
        BootReason::PowerOn => lifecycle::BootReason::PowerOn,
        BootReason::Restart => lifecycle::BootReason::Restart,
    };
    let flash = board.flash();
    let mut application = DemoApplication::new(board.rng().next_u64());
    let slots = BenchSlots { store: board.firmware_slots(), state: started.state, key: firmware_key };
    let mut platform = BenchPlatform::new(board, slots, tag.conduct);
    // The shell's buffers are too large for the stack of whoever awaits this.
    let run = Box::pin(device::run(&mut platform, &mut application, flash, LAYOUT, boot_reason, &config));
    match run.await {
        device::RunEnd::Restart => RunEnd::Restart,
    }
}

/// What runs, as its image tells it.
fn running_tag(image: Option<&[u8]>, template_id: &str) -> FirmwareTag {
    image.and_then(FirmwareTag::find).unwrap_or_else(|| FirmwareTag {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        firmware_type: template_id.to_owned(),
        build: BUILD.to_owned(),
        conduct: ImageConduct::Works,
    })
}

/// The access point's address is the station's plus one, as on ESP32.
fn hotspot_mac(station: [u8; 6]) -> [u8; 6] {
    let mut address = station;
    if let Some(last) = address.last_mut() {
        *last = last.wrapping_add(1);
    }
    address
}
