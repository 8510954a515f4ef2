//! Rehome for ESP32-C3 and ESP32-C6: the platform of `device` on the bare chip.
//!
//! Read `application.rs` to make the board do something, `board.rs` to run on another board, and `main` for how it all
//! starts. Tasks own the hardware and talk to the shell through `messages`; `platform.rs` is the shell's side of that.
#![no_std]
#![no_main]

extern crate alloc;

mod application;
mod board;
mod cloud_link;
mod console;
mod flash;
mod hotspot;
mod identity;
mod messages;
mod panel;
mod platform;
mod radio;
mod slots;
mod time;

use alloc::boxed::Box;

use cloud_tls::Client;
use device::ConnectionIndex;
use embassy_executor::Spawner;
use embassy_net::{Config, Ipv4Cidr, Runner, Stack, StackResources, StaticConfigV4};
use embassy_time::Timer;
use esp_backtrace as _;
use esp_hal::clock::CpuClock;
use esp_hal::peripherals::TIMG1;
use esp_hal::rng::{Trng, TrngSource};
use esp_hal::timer::timg::{MwdtStage, TimerGroup, Wdt};
use esp_radio::wifi::{ControllerConfig, Interface, WifiController};
use esp_storage::FlashStorage;
use factory_image::FactoryImage;
use firmware_slots::{SlotError, Standing};
use home_store::StoreLayout;
use portal::HOTSPOT_ADDRESS;
use static_cell::StaticCell;

use crate::board::BOARD;
use crate::slots::{ChipSlots, SharedFlash};

esp_bootloader_esp_idf::esp_app_desc!();

/// Memory of the second-stage bootloader, which nobody needs any more.
const RECLAIMED_HEAP_BYTES: usize = 64 * 1024;
/// Together 174 KiB: the radio's driver needs up to 90 KiB, the shell 50 KiB, a TLS connection 32 KiB. Sources: sizes of
/// the buffers that the driver and Mbed TLS are configured for, the shell's allocation in the machine code. Budget: `size-budget.toml`.
const HEAP_BYTES: usize = 110 * 1024;
/// Cloud, time, DNS and DHCP client.
const STATION_SOCKET_COUNT: usize = 6;
/// DHCP server, DNS and four portal connections.
const HOTSPOT_SOCKET_COUNT: usize = 8;
/// Longer than any stretch of computing or erasing, short enough for a person who waits.
const WATCHDOG_TIMEOUT: esp_hal::time::Duration = esp_hal::time::Duration::from_secs(30);
const WATCHDOG_FEED_S: u64 = 5;

/// Keeps what lives as long as the program.
macro_rules! forever {
    ($type:ty, $value:expr) => {{
        static CELL: StaticCell<$type> = StaticCell::new();
        CELL.init($value)
    }};
}

#[esp_rtos::main]
async fn main(spawner: Spawner) {
    let peripherals = esp_hal::init(esp_hal::Config::default().with_cpu_clock(CpuClock::max()));
    esp_alloc::heap_allocator!(#[esp_hal::ram(reclaimed)] size: RECLAIMED_HEAP_BYTES);
    esp_alloc::heap_allocator!(size: HEAP_BYTES);
    let reset_reason = esp_hal::system::reset_reason();
    esp_println::println!("Rehome on {}, started by {reset_reason:?}", BOARD.name);
    esp_rtos::start(TimerGroup::new(peripherals.TIMG0).timer0, peripherals.FROM_CPU_INTR0);
    spawn(spawner, watchdog_task(TimerGroup::new(peripherals.TIMG1).wdt));

    let flash = forever!(SharedFlash, SharedFlash::new(FlashStorage::new(peripherals.FLASH)));
    // Before anything that may fail: an image on trial that gets no further has had its only boot.
    let slots = show_slots(ChipSlots::start(flash));
    let factory = read_factory(&mut flash.borrow_mut());
    let Some(home) = flash::find_partition(&mut flash.borrow_mut(), "home") else {
        fail("there is no partition named home; flash with partitions.csv")
    };

    let Ok(controller) = WifiController::new(peripherals.WIFI, ControllerConfig::default()) else {
        fail("the radio does not start")
    };
    // The radio makes the noise that the random numbers for keys are made of.
    forever!(TrngSource<'static>, TrngSource::new(peripherals.RNG, peripherals.ADC1));
    let Ok(trng) = Trng::try_new() else { fail("there are no random numbers fit for keys") };
    let rng = forever!(rand_core::UnwrapErr<Trng>, rand_core::UnwrapErr(trng));
    let Ok(client) = Client::new(rng, &time::CertificateClock) else { fail("TLS does not start") };
    let client = forever!(Client, client);

    let station = start_station(spawner);
    let hotspot = start_hotspot(spawner);
    spawn(spawner, radio::radio_task(radio::Radio::new(controller, station)));
    spawn(spawner, radio::station_task());
    spawn(spawner, time::time_task(station));
    spawn(spawner, cloud_link::cloud_task(station, client));
    spawn(spawner, hotspot::dhcp_task(hotspot));
    spawn(spawner, hotspot::dns_task(hotspot));
    for index in 0..device::PORTAL_CONNECTION_COUNT_MAX {
        spawn(spawner, hotspot::portal_task(hotspot, ConnectionIndex(index)));
    }
    spawn(spawner, panel::light_task(panel::Light::new(&BOARD, peripherals.RMT)));
    spawn(spawner, console::usb_task(peripherals.USB_DEVICE));
    if let Some(rx_pin) = BOARD.serial_rx_pin {
        spawn(spawner, console::uart_task(peripherals.UART0, rx_pin));
    }
    if let Some(button) = BOARD.button {
        spawn(spawner, panel::button_task(button));
    }

    let uid = identity::uid(factory.as_ref());
    let pop = factory.and_then(|factory| factory.pop);
    let config = identity::device_config(&uid, pop.as_ref());
    let mut application = application::RelayAndTemperature::new(&BOARD, peripherals.TSENS);
    let mut platform = platform::EspPlatform::new(slots);
    let home = flash::PartitionFlash::new(flash, home);
    let reason = identity::boot_reason(reset_reason);
    let layout = StoreLayout::at(0);
    // The shell's state is tens of kilobytes: it is made where it stays, since the stack has no room for it.
    let run = Box::write(
        Box::new_uninit(),
        device::run(&mut platform, &mut application, home, layout, reason, &config),
    );
    match Box::into_pin(run).await {
        device::RunEnd::Restart => restart().await,
    }
}

fn show_slots(started: Result<Option<ChipSlots>, SlotError>) -> Option<ChipSlots> {
    let slots = match started {
        Ok(slots) => slots,
        Err(error) => {
            esp_println::println!("The firmware slots cannot be used: {error}");
            return None;
        }
    };
    match slots.as_ref().map(|slots| (slots.standing(), slots.other_version())) {
        Some((Standing::Confirmed, _)) => {}
        Some((Standing::OnTrial, version)) => {
            esp_println::println!("Firmware on trial; before it: {version}")
        }
        Some((Standing::Restored, version)) => {
            esp_println::println!("Firmware restored; tried in vain: {version}");
        }
        None => esp_println::println!("This board has no second slot for firmware"),
    }
    slots
}

fn read_factory(flash: &mut FlashStorage<'static>) -> Option<FactoryImage> {
    match flash::read_factory_image(flash)? {
        Ok(image) => Some(image),
        Err(error) => {
            esp_println::println!("No UID and PoP of this board's own: {error}");
            None
        }
    }
}

fn start_station(spawner: Spawner) -> Stack<'static> {
    let resources = forever!(StackResources<STATION_SOCKET_COUNT>, StackResources::new());
    let (stack, runner) = embassy_net::new(Interface::station(), Config::default(), resources, seed());
    spawn(spawner, net_task(runner));
    stack
}

fn start_hotspot(spawner: Spawner) -> Stack<'static> {
    let address = StaticConfigV4 {
        address: Ipv4Cidr::new(HOTSPOT_ADDRESS, 24),
        gateway: None,
        dns_servers: heapless::Vec::new(),
    };
    let resources = forever!(StackResources<HOTSPOT_SOCKET_COUNT>, StackResources::new());
    let (stack, runner) =
        embassy_net::new(Interface::access_point(), Config::ipv4_static(address), resources, seed());
    spawn(spawner, net_task(runner));
    stack
}

/// Port numbers and the like begin somewhere else at each start.
fn seed() -> u64 {
    let rng = esp_hal::rng::Rng::new();
    u64::from(rng.random()) << 32 | u64::from(rng.random())
}

/// Each task has a place of its own in memory, which is taken only if it runs already.
fn spawn<S>(spawner: Spawner, task: Result<embassy_executor::SpawnToken<S>, embassy_executor::SpawnError>) {
    match task {
        Ok(token) => spawner.spawn(token),
        Err(_busy) => fail("a task was started twice"),
    }
}

#[embassy_executor::task(pool_size = 2)]
async fn net_task(mut runner: Runner<'static, Interface>) -> ! {
    runner.run().await
}

/// Feeds the watchdog as long as tasks get their turn.
#[embassy_executor::task]
async fn watchdog_task(mut watchdog: Wdt<TIMG1<'static>>) -> ! {
    watchdog.set_timeout(MwdtStage::Stage0, WATCHDOG_TIMEOUT);
    watchdog.enable();
    loop {
        watchdog.feed();
        Timer::after_secs(WATCHDOG_FEED_S).await;
    }
}

async fn restart() {
    // The last line leaves the serial port before the chip starts again.
    Timer::after_millis(100).await;
    esp_hal::system::software_reset()
}

/// Says what is wrong and starts again: nothing on this board can repair it, but power or parts may.
pub(crate) fn fail(what: &str) -> ! {
    esp_println::println!("Cannot run: {what}");
    esp_hal::system::software_reset()
}

/// Called by the panic handler after its message: the home stays as it is, and the next start is counted as a fault.
#[expect(unsafe_code, reason = "the panic handler finds it by this name")]
#[unsafe(no_mangle)]
extern "Rust" fn custom_halt() -> ! {
    esp_hal::system::software_reset()
}
