//! Puts the parts together and runs them, restart after restart.

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;

use device::{DeviceConfig, DeviceIdentity, RunEnd};
use home_store::StoreLayout;
use lifecycle::BootReason;
use portal::MacAddress;
use tokio::task::LocalSet;

use crate::cloud_link::{Authorities, CloudLink, ReadAuthoritiesError};
use crate::config::{CheckConfigError, Config};
use crate::identity::{Addresses, KeepIdentityError, addresses, boot_reason, uid};
use crate::local_api::{LocalApplication, OpenSocketError, Pins, serve};
use crate::network_manager::{Interfaces, NetworkManager};
use crate::platform::{LinuxPlatform, Parts};
use crate::portal_listener::PortalListener;
use crate::program_slots::{ProgramSlots, SlotName};
use crate::radio::RadioTask;
use crate::state_file::{OpenStateFileError, STATE_FILE_BYTES, StateFile};
use crate::wifi::{Wifi, WifiError};

/// The home store has the state file to itself.
const LAYOUT: StoreLayout = StoreLayout::at(0);
const _: () = assert!(LAYOUT.total_bytes::<StateFile>() as usize <= STATE_FILE_BYTES);
/// Addresses of a device that has no Wi-Fi interface yet; locally administered.
const UNKNOWN: Addresses =
    Addresses { station: MacAddress([2, 0, 0, 0, 0, 0]), hotspot: MacAddress([2, 0, 0, 0, 0, 0]) };
/// When this was built, as firmware tells it. The version says which sources.
const BUILD: &str = "Nov 22 2026 12:00:00";

/// Why the agent does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A setting cannot be used.
    #[error("checking the configuration")]
    Config(#[from] CheckConfigError),
    /// The state file cannot be used.
    #[error("opening the state file")]
    StateFile(#[from] OpenStateFileError),
    /// The device's id cannot be kept.
    #[error("keeping the device's identity")]
    Identity(#[from] KeepIdentityError),
    /// The list of authorities cannot be read.
    #[error("reading the authorities")]
    Authorities(#[from] ReadAuthoritiesError),
    /// The local API's socket cannot be made.
    #[error("opening the local API")]
    Socket(#[from] OpenSocketError),
    /// There is no D-Bus.
    #[error("reaching NetworkManager")]
    Wifi(#[from] WifiError),
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
/// Why the agent cannot run at all. A radio or a cloud that is not there is no error; the agent waits for it.
pub fn run(
    config: &Config,
    slot: Option<SlotName>,
    stop: impl Future<Output = ()>,
) -> Result<Ended, RunError> {
    config.validate()?;
    let interfaces =
        Interfaces { station: config.interface.clone(), hotspot: config.hotspot_interface.clone() };
    on_local_runtime(async {
        let connect = async || {
            let wifi = NetworkManager::on_system_bus(interfaces.clone()).await?;
            Ok((wifi, addresses(interfaces.station.as_deref(), interfaces.hotspot.as_deref())))
        };
        run_program(config, slot, connect, stop).await
    })
}

/// Runs the agent over any radio until `stop` ends. Must be called on a `LocalSet`.
///
/// `connect` hands over the radio and its hardware addresses at every start of the device.
///
/// # Errors
/// Why the agent cannot run at all.
pub async fn run_until<W: Wifi + 'static>(
    config: &Config,
    connect: impl AsyncFnMut() -> Result<(W, Option<Addresses>), RunError>,
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    run_loop(config, None, connect, stop).await.map(drop)
}

/// As [`run_until`], but as a program that can be replaced by others in the slots of the state folder.
///
/// # Errors
/// Why the agent cannot run at all.
pub async fn run_program<W: Wifi + 'static>(
    config: &Config,
    slot: Option<SlotName>,
    connect: impl AsyncFnMut() -> Result<(W, Option<Addresses>), RunError>,
    stop: impl Future<Output = ()>,
) -> Result<Ended, RunError> {
    let mut slots = ProgramSlots::new(&config.state_dir, slot, &config.firmware_version);
    slots.firmware_key = config.firmware_key.map(|key| key.0);
    run_loop(config, Some(slots), connect, stop).await
}

async fn run_loop<W: Wifi + 'static>(
    config: &Config,
    slots: Option<ProgramSlots>,
    mut connect: impl AsyncFnMut() -> Result<(W, Option<Addresses>), RunError>,
    stop: impl Future<Output = ()>,
) -> Result<Ended, RunError> {
    config.validate()?;
    let mut reason = None;
    let wrong_proof_count = Rc::new(Cell::new(0));
    let mut stop = std::pin::pin!(stop);
    loop {
        let (wifi, addresses) = connect().await?;
        let flash = StateFile::open(&config.state_dir.join("home.flash"))?;
        let reason = reason.replace(BootReason::Restart).unwrap_or_else(|| boot_reason(&config.state_dir));
        let pins = Rc::new(Pins::new());
        let (radio_task, radio) = RadioTask::new(wifi);
        let parts = Parts {
            radio,
            link: CloudLink::new(Authorities::read(config.ca_file.as_deref())?),
            portal: PortalListener::new(config.portal_address),
            pins: Rc::clone(&pins),
            slots: slots.clone(),
            wrong_proof_count: Rc::clone(&wrong_proof_count),
        };
        let radio_task = tokio::task::spawn_local(radio_task.run());
        let api_task = serve(&config.socket, Rc::clone(&pins))?;
        let ended = {
            let uid = config.uid.clone().map_or_else(|| uid(&config.state_dir), Ok)?;
            let version =
                slots.as_ref().map_or_else(|| config.firmware_version.clone(), ProgramSlots::version);
            let mut device_config = device_config(config, &uid, addresses.unwrap_or(UNKNOWN));
            device_config.identity.firmware_version = &version;
            let mut platform = LinuxPlatform::new(parts);
            let mut application = LocalApplication(pins);
            // The shell's buffers are too large for the stack of whoever awaits this.
            let running =
                Box::pin(device::run(&mut platform, &mut application, flash, LAYOUT, reason, &device_config));
            tokio::select! {
                biased;
                () = &mut stop => None,
                ended = running => Some(ended),
            }
        };
        api_task.abort();
        // The platform is gone, so the radio's task clears up and ends.
        if let Err(error) = radio_task.await {
            tracing::error!(%error, "the radio's task failed");
        }
        match ended {
            None => return Ok(Ended::Stopped),
            Some(RunEnd::Restart) if slots.as_ref().is_some_and(ProgramSlots::is_other_due) => {
                return Ok(Ended::OtherProgram);
            }
            Some(RunEnd::Restart) => tracing::info!("restarting"),
        }
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
