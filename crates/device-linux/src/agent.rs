//! Puts the parts together and runs them, restart after restart.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use device::{DeviceConfig, DeviceIdentity, RunEnd};
use home_store::StoreLayout;
use lifecycle::BootReason;
use portal::MacAddress;
use tokio::task::LocalSet;

use crate::button::Button;
use crate::cloud_link::CloudLink;
use crate::config::{CheckConfigError, Config};
use crate::identity::{Addresses, KeepIdentityError, addresses, boot_reason, note_orderly_end};
use crate::lacks::Lacks;
use crate::led::Led;
use crate::local_api::{LocalApplication, OpenSocketError, Pins, serve};
use crate::network_manager::{Interfaces, NetworkManager};
use crate::platform::{LinuxPlatform, Parts};
use crate::portal_listener::PortalListener;
use crate::program_slots::{ProgramSlots, SlotName};
use crate::proof_memory::ProofMemory;
use crate::radio::RadioTask;
use crate::state_file::{OpenStateFileError, STATE_FILE_BYTES, StateFile};
use crate::wifi::{Wifi, WifiError};

/// The home store has the state file to itself.
const LAYOUT: StoreLayout = StoreLayout::at(0);
const _: () = assert!(LAYOUT.total_bytes::<StateFile>() as usize <= STATE_FILE_BYTES);
/// Addresses of a device that has no Wi-Fi interface yet; locally administered.
const UNKNOWN: Addresses =
    Addresses { station: MacAddress([2, 0, 0, 0, 0, 0]), hotspot: MacAddress([2, 0, 0, 0, 0, 0]) };
/// First and longest wait before a radio that cannot be reached is tried again: a bus that restarts is back in a moment.
const CONNECT_WAIT_FIRST: Duration = Duration::from_secs(1);
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(30);
/// How often a radio is looked for that was not there at the start. Longer than a power-up must last to count for the
/// gesture, so that starting again loses none.
const LOOK_FOR_RADIO_EVERY: Duration = Duration::from_millis(1_500);
/// When this was built, as firmware tells it. The version says which sources.
const BUILD: &str = "Nov 22 2026 12:00:00";

/// Why the agent does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A setting cannot be used.
    #[error("checking the configuration")]
    Config(#[from] CheckConfigError),
    /// Another agent uses the state file.
    #[error("opening the state file")]
    StateFile(#[from] OpenStateFileError),
    /// The device has no id, and none can be made up.
    #[error("giving the device an id")]
    Identity(#[from] KeepIdentityError),
    /// The local API's socket cannot be made.
    #[error("opening the local API")]
    Socket(#[from] OpenSocketError),
    /// There is no D-Bus; it is tried again.
    #[error("reaching NetworkManager")]
    Wifi(#[from] WifiError),
    /// The button cannot be watched.
    #[error("watching the button")]
    Button(#[source] std::io::Error),
    /// The runtime cannot be started.
    #[error("starting the runtime")]
    Runtime(#[source] std::io::Error),
}

/// Why the agent ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was told to.
    Stopped,
    /// The device restarts, and another program is due: see [`crate::Launcher`].
    OtherProgram,
}

/// Runs the agent over NetworkManager until `stop` ends.
///
/// A restart of the device is a restart of everything in here, in the same process, unless it starts another program.
/// `slot` says from where this process was started; `None` is the installed program.
///
/// # Errors
/// Why the agent cannot run at all. A radio or a cloud that is not there is no error; the agent waits for it. Files that
/// cannot be used are none either; it runs without them and says so.
pub fn run(
    config: &Config,
    slot: Option<SlotName>,
    stop: impl Future<Output = ()>,
) -> Result<Ended, RunError> {
    config.validate()?;
    let interfaces =
        Interfaces { station: config.interface.clone(), hotspot: config.hotspot_interface.clone() };
    let find = || addresses(interfaces.station.as_deref(), interfaces.hotspot.as_deref());
    on_local_runtime(async {
        let connect = async || Ok(NetworkManager::on_system_bus(interfaces.clone()).await?);
        run_program(config, slot, connect, find, stop).await
    })
}

/// Runs the agent over any radio until `stop` ends. Must be called on a `LocalSet`.
///
/// `connect` hands over the radio at every start of the device, `addresses` finds its hardware addresses once it is there.
///
/// # Errors
/// Why the agent cannot run at all.
pub async fn run_until<W: Wifi + 'static>(
    config: &Config,
    connect: impl AsyncFnMut() -> Result<W, RunError>,
    addresses: impl Fn() -> Option<Addresses>,
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    run_loop(config, None, connect, addresses, stop).await.map(drop)
}

/// As [`run_until`], but as a program that can be replaced by others in the slots of the state folder.
///
/// # Errors
/// Why the agent cannot run at all.
pub async fn run_program<W: Wifi + 'static>(
    config: &Config,
    slot: Option<SlotName>,
    connect: impl AsyncFnMut() -> Result<W, RunError>,
    addresses: impl Fn() -> Option<Addresses>,
    stop: impl Future<Output = ()>,
) -> Result<Ended, RunError> {
    let mut slots = ProgramSlots::new(&config.state_dir, slot, &config.firmware_version);
    slots.firmware_key = config.firmware_key.map(|key| key.0);
    run_loop(config, Some(slots), connect, addresses, stop).await
}

async fn run_loop<W: Wifi + 'static>(
    config: &Config,
    slots: Option<ProgramSlots>,
    mut connect: impl AsyncFnMut() -> Result<W, RunError>,
    addresses: impl Fn() -> Option<Addresses>,
    stop: impl Future<Output = ()>,
) -> Result<Ended, RunError> {
    config.validate()?;
    let mut runs = Runs {
        config,
        slots,
        addresses,
        button: config.button.as_ref().map(Button::watch).transpose().map_err(RunError::Button)?.map(Rc::new),
        led: config.led.as_deref().map(Led::take).map(Rc::new),
        wrong_proofs: Rc::new(ProofMemory::open(&config.state_dir)),
        stand_in_uid: None,
        reason: None,
    };
    let mut stop = std::pin::pin!(stop);
    let mut wait = Duration::ZERO;
    loop {
        let connected = tokio::select! {
            biased;
            () = &mut stop => return Ok(Ended::Stopped),
            connected = connected(&mut connect, wait) => connected?,
        };
        wait = Duration::ZERO;
        match runs.run(connected, stop.as_mut()).await? {
            RunEnded::Stopped => {
                note_orderly_end(&config.state_dir);
                return Ok(Ended::Stopped);
            }
            RunEnded::Restart if runs.slots.as_ref().is_some_and(ProgramSlots::is_other_due) => {
                return Ok(Ended::OtherProgram);
            }
            RunEnded::Restart => tracing::info!("restarting"),
            RunEnded::RadioGone => {
                tracing::error!("NetworkManager's bus is gone; connecting again");
                wait = CONNECT_WAIT_FIRST;
            }
        }
    }
}

/// Connects to whatever manages the radio, as often as it takes; the first time after `wait`.
async fn connected<C>(
    connect: &mut impl AsyncFnMut() -> Result<C, RunError>,
    mut wait: Duration,
) -> Result<C, RunError> {
    loop {
        tokio::time::sleep(wait).await;
        match connect().await {
            Err(RunError::Wifi(error)) => {
                wait = wait.saturating_mul(2).clamp(CONNECT_WAIT_FIRST, CONNECT_WAIT_MAX);
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "{error}; next try in {} s",
                    wait.as_secs()
                );
            }
            done => return done,
        }
    }
}

/// Waits until a radio that came late tells its addresses. Name of the hotspot and what the cloud is told are made of them
/// at the start of a run; without a radio, nothing of the run is lost with it.
async fn until_radio(addresses: &impl Fn() -> Option<Addresses>) {
    loop {
        tokio::time::sleep(LOOK_FOR_RADIO_EVERY).await;
        if addresses().is_some() {
            break;
        }
    }
    tracing::info!("the radio is there: starting again with its address");
}

/// Waits until a button that was down is gone, which leaves a run with a press that never ended.
async fn until_button_lost(button: Option<&Button>) {
    match button {
        Some(button) => button.until_lost().await,
        None => std::future::pending().await,
    }
    tracing::warn!("the button is gone while it was held: starting again");
}

/// What one run of the device hands on to the next.
struct Runs<'a, A> {
    config: &'a Config,
    slots: Option<ProgramSlots>,
    /// Finds the radio's addresses.
    addresses: A,
    button: Option<Rc<Button>>,
    led: Option<Rc<Led>>,
    wrong_proofs: Rc<ProofMemory>,
    /// The device's id while it cannot be kept.
    stand_in_uid: Option<String>,
    /// Why the next run starts; `None` before the first.
    reason: Option<BootReason>,
}

/// What ended a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RunEnded {
    Stopped,
    Restart,
    RadioGone,
}

impl<A: Fn() -> Option<Addresses>> Runs<'_, A> {
    /// Runs the device from its start to its restart.
    async fn run<W: Wifi + 'static>(
        &mut self,
        wifi: W,
        stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<RunEnded, RunError> {
        let config = self.config;
        let addresses = (self.addresses)();
        let pins = Rc::new(Pins::new());
        let mut lacks = Lacks::new(Rc::clone(&pins));
        let flash = lacks.open_state_file(&config.state_dir.join("home.flash"))?;
        // Behind the state file's lock, because it notes the boot.
        let reason =
            self.reason.replace(BootReason::Restart).unwrap_or_else(|| boot_reason(&config.state_dir));
        let uid = lacks.uid(config, &mut self.stand_in_uid)?;
        let (radio_task, radio) = RadioTask::new(wifi);
        let parts = Parts {
            radio,
            link: CloudLink::new(lacks.read_authorities(config), config.login_page_port),
            portal: PortalListener::new(config.portal_address),
            pins: Rc::clone(&pins),
            slots: self.slots.clone(),
            wrong_proofs: Rc::clone(&self.wrong_proofs),
            supplicant_dir: config.supplicant_dir.clone(),
            button: self.button.clone(),
            led: self.led.clone(),
        };
        let mut radio_task = tokio::task::spawn_local(radio_task.run());
        let api_task = serve(&config.socket, Rc::clone(&pins))?;
        let ended = {
            let version =
                self.slots.as_ref().map_or_else(|| config.firmware_version.clone(), ProgramSlots::version);
            let mut device_config = device_config(config, &uid, addresses.unwrap_or(UNKNOWN));
            device_config.identity.firmware_version = &version;
            let mut platform = LinuxPlatform::new(parts);
            let mut application = LocalApplication(pins);
            // The shell's buffers are too large for the stack of whoever awaits this.
            let running =
                Box::pin(device::run(&mut platform, &mut application, flash, LAYOUT, reason, &device_config));
            tokio::select! {
                biased;
                () = stop => RunEnded::Stopped,
                RunEnd::Restart = running => RunEnded::Restart,
                () = lacks.until_less() => RunEnded::Restart,
                () = until_radio(&self.addresses), if addresses.is_none() => RunEnded::Restart,
                () = until_button_lost(self.button.as_deref()) => RunEnded::Restart,
                _gone = &mut radio_task => RunEnded::RadioGone,
            }
        };
        api_task.abort();
        // The platform is gone, so the radio's task clears up and ends.
        if ended != RunEnded::RadioGone
            && let Err(error) = radio_task.await
        {
            tracing::error!(%error, "the radio's task failed");
        }
        Ok(ended)
    }
}

fn on_local_runtime<T>(work: impl Future<Output = Result<T, RunError>>) -> Result<T, RunError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Runtime)?;
    LocalSet::new().block_on(&runtime, work)
}

fn device_config<'a>(config: &'a Config, uid: &'a str, addresses: Addresses) -> DeviceConfig<'a> {
    DeviceConfig {
        identity: DeviceIdentity {
            vendor: &config.vendor,
            template_name: &config.template_name,
            template_id: &config.template_id,
            firmware_type: &config.template_id,
            firmware_version: &config.firmware_version,
            firmware_build: BUILD,
            board: &config.board,
            uid,
            station_mac: addresses.station,
            hotspot_mac: addresses.hotspot,
            has_5ghz: false,
        },
        lifecycle: config.lifecycle_settings(),
        default_host: &config.host,
        default_port: config.port,
        plain_ports: &config.plain_ports,
        heartbeat_s: config.heartbeat_s,
        pop: config.pop.as_ref().map(|pop| portal::Secret::new(pop.expose())),
        portal_host: &config.portal_host,
    }
}
