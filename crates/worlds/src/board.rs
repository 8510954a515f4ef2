//! One board: flash, power, radio state, and the shell that runs on it.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use device::{DeviceConfig, DeviceIdentity, RunEnd};
use home_store::Network;
use home_store::sim_flash::{OperationCounters, SharedSimFlash};
use lifecycle::{BootReason, RecoveryPolicy, Settings};
use portal::{MacAddress, Secret};

use crate::cloud::Session;
use crate::dice::Dice;
use crate::files::Update;
use crate::io::{Io, QuietApplication, WorldFlash, WorldPlatform};
use crate::judge::Judge;
use crate::place::ApId;
use crate::plan::BoardPlan;
use crate::raw_flash::{LAYOUT, new_flash};
use crate::slots::Conduct;
use crate::visit::Visit;

/// Server that every home names.
pub(crate) const CLOUD_HOST: &str = "blynk.cloud";
/// Its port for TLS.
pub(crate) const TLS_PORT: u16 = 443;
/// Its port without.
pub(crate) const PLAIN_PORT: u16 = 80;

/// Shortest passphrase of WPA2. Source: IEEE 802.11-2020, annex J.4.
const PASSPHRASE_BYTES_MIN: usize = 8;
/// Firmware type of every board.
pub(crate) const FIRMWARE_TYPE: &str = "TMPLworlds";

/// One board of a world.
pub(crate) struct Board {
    pub(crate) io: Rc<Io>,
    pub(crate) flash: SharedSimFlash,
    pub(crate) seen_operations: OperationCounters,
    run: Option<Pin<Box<dyn Future<Output = RunEnd>>>>,
    pub(crate) plan: BoardPlan,
    settings: Settings,
    pub(crate) place: usize,
    /// Raised when power comes or goes, so that what was planned before does not happen.
    pub(crate) power_generation: u32,
    /// Raised at every boot.
    pub(crate) run_generation: u32,
    pub(crate) wake_generation: u32,
    pub(crate) join_generation: u32,
    pub(crate) joining: Option<Network>,
    pub(crate) joined: Option<ApId>,
    pub(crate) session: Session,
    pub(crate) visit: Option<Visit>,
    pub(crate) visit_generation: u32,
    pub(crate) button_generation: u32,
    /// The owner's account for this board.
    pub(crate) account: Option<usize>,
    /// The firmware that the cloud wants on it.
    pub(crate) update: Option<Update>,
    /// The one before it, which may still be under way.
    pub(crate) former_update: Option<Update>,
    /// What the running firmware does.
    pub(crate) conduct: Conduct,
    pub(crate) judge: Judge,
    pub(crate) check_at: u64,
    /// What happens to this board between planned events.
    pub(crate) dice: Dice,
}

/// How one turn of the shell ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Waiting,
    Restart,
    Died,
}

impl Board {
    pub(crate) fn new(
        plan: BoardPlan,
        settings: Settings,
        clock: &Rc<Cell<u64>>,
        seed: u64,
        index: usize,
        firmware_key: [u8; 32],
        is_traced: bool,
    ) -> Self {
        let io_dice = Dice::for_part(seed, "shell", index);
        let firmware_key = plan.is_firmware_signed.then_some(firmware_key);
        Self {
            io: Rc::new(Io::new(Rc::clone(clock), io_dice, firmware_key, is_traced)),
            flash: new_flash(),
            seen_operations: OperationCounters::default(),
            run: None,
            place: plan.place,
            judge: Judge::new(plan.heartbeat_s, settings.recovery == RecoveryPolicy::Rehome),
            plan,
            settings,
            power_generation: 0,
            run_generation: 0,
            wake_generation: 0,
            join_generation: 0,
            joining: None,
            joined: None,
            session: Session::default(),
            visit: None,
            visit_generation: 0,
            button_generation: 0,
            account: None,
            update: None,
            former_update: None,
            conduct: Conduct::Good,
            check_at: u64::MAX,
            dice: Dice::for_part(seed, "life", index),
        }
    }

    /// The hotspot takes nobody without the passphrase on the label.
    pub(crate) fn is_hotspot_secured(&self) -> bool {
        self.plan.pop.as_ref().is_some_and(|pop| pop.len() >= PASSPHRASE_BYTES_MIN)
    }

    pub(crate) const fn is_powered(&self) -> bool {
        self.run.is_some()
    }

    /// Starts the shell; it runs at the next [`Board::turn`].
    pub(crate) fn boot(&mut self, reason: BootReason) {
        self.io.boot();
        self.flash.with(home_store::sim_flash::SimFlash::power_on);
        self.run_generation += 1;
        if reason == BootReason::PowerOn {
            self.io.wrong_proof_count.set(0);
        }
        self.io.slots.borrow_mut().boot();
        let firmware_version = self.io.slots.borrow().running_version();
        self.conduct = self.io.slots.borrow().conduct();
        let io = Rc::clone(&self.io);
        let flash = WorldFlash { flash: self.flash.clone(), io: Rc::clone(&io) };
        let (settings, plan) = (self.settings.clone(), self.plan.clone());
        self.run = Some(Box::pin(run_shell(io, flash, settings, plan, firmware_version, reason)));
    }

    /// Takes the power away from everything that hangs on it.
    pub(crate) fn stop(&mut self) {
        self.run = None;
        self.io.clear();
        (self.joined, self.joining) = (None, None);
        self.join_generation += 1;
        self.wake_generation += 1;
        self.session.close();
        self.visit = None;
        self.visit_generation += 1;
        self.button_generation += 1;
    }

    /// Lets the shell run until it waits again.
    pub(crate) fn turn(&mut self) -> Turn {
        let Some(run) = &mut self.run else { return Turn::Waiting };
        match run.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(RunEnd::Restart) => Turn::Restart,
            Poll::Pending if self.io.has_died.get() => Turn::Died,
            Poll::Pending => Turn::Waiting,
        }
    }
}

async fn run_shell(
    io: Rc<Io>,
    flash: WorldFlash,
    lifecycle: Settings,
    plan: BoardPlan,
    firmware_version: String,
    reason: BootReason,
) -> RunEnd {
    let uid = plan.mac.map(|byte| format!("{byte:02x}")).concat();
    let config = DeviceConfig {
        identity: DeviceIdentity {
            vendor: "Blynk",
            template_name: "World",
            template_id: "TMPLworlds",
            firmware_type: FIRMWARE_TYPE,
            firmware_version: &firmware_version,
            firmware_build: "Nov 22 2026 12:00:00",
            board: "Rehome virtual board",
            uid: &uid,
            station_mac: MacAddress(plan.mac),
            hotspot_mac: MacAddress(plan.mac),
            has_5ghz: false,
        },
        lifecycle,
        default_host: CLOUD_HOST,
        default_port: TLS_PORT,
        plain_ports: &[PLAIN_PORT],
        heartbeat_s: plan.heartbeat_s,
        pop: plan.pop.as_deref().map(Secret::new),
        portal_host: portal::HOTSPOT_HOST,
    };
    let mut platform = WorldPlatform(io);
    let mut application = QuietApplication;
    // The shell's buffers are too large for the stack of whoever awaits this.
    Box::pin(device::run(&mut platform, &mut application, flash, LAYOUT, reason, &config)).await
}
