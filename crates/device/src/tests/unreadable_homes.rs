//! Homes that cannot be read: nobody erases them, and they are used as soon as they can be.

use core::cell::Cell;

use embedded_storage_async::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use home_store::sim_flash::{SECTOR_BYTES, SimFlashError};

use super::*;

/// A flash one of whose reads fails.
struct FlakyFlash<'a> {
    flash: SharedSimFlash,
    reads_until_fault: &'a Cell<u32>,
}

impl ErrorType for FlakyFlash<'_> {
    type Error = SimFlashError;
}

impl ReadNorFlash for FlakyFlash<'_> {
    const READ_SIZE: usize = SharedSimFlash::<4>::READ_SIZE;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), SimFlashError> {
        let left = self.reads_until_fault.get();
        self.reads_until_fault.set(left.wrapping_sub(1));
        if left == 0 {
            return Err(SimFlashError::PowerOff);
        }
        self.flash.read(offset, bytes).await
    }

    fn capacity(&self) -> usize {
        self.flash.capacity()
    }
}

impl NorFlash for FlakyFlash<'_> {
    const WRITE_SIZE: usize = SharedSimFlash::<4>::WRITE_SIZE;
    const ERASE_SIZE: usize = SharedSimFlash::<4>::ERASE_SIZE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), SimFlashError> {
        self.flash.erase(from, to).await
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), SimFlashError> {
        self.flash.write(offset, bytes).await
    }
}

const RESET: &str = "POST /reset HTTP/1.1\r\nHost: 192.168.4.1\r\nContent-Length: 0\r\n\r\n";

/// Plays a start at which the read after so many others fails; a stranger asks for a reset meanwhile.
fn play_with_fault(flash: &SharedSimFlash, reads_until_fault: &Cell<u32>) -> Played {
    // A home that was read at the second attempt waits for the stranger to be gone: 3 min without a request.
    let mut script = Script::new(200_000, &[phone(500, 0, RESET)]);
    let mut application = Recorder::default();
    let flaky = FlakyFlash { flash: flash.clone(), reads_until_fault };
    let config = config();
    let running = Box::pin(run(&mut script, &mut application, flaky, LAYOUT, BootReason::PowerOn, &config));
    let end = poll_once(running).is_ready().then_some(RunEnd::Restart);
    Played { script, application, end, flash: flash.clone() }
}

#[test]
fn one_read_that_fails_at_any_moment_of_a_start_costs_neither_the_home_nor_its_use() {
    let image = flash_with_home().with(|flash| flash.clone());
    let reads = Cell::new(u32::MAX);
    play_with_fault(&SharedSimFlash::new(image.clone()), &reads);
    let read_count = u32::MAX - reads.get();
    let mut seen_unread = 0;
    for fault in 0..read_count {
        let flash = SharedSimFlash::new(image.clone());
        let reads = Cell::new(fault);
        let played = play_with_fault(&flash, &reads);
        assert!(reads.get() > u32::MAX / 2, "the fault of read {fault} came");
        let log = &played.script.log;
        assert!(
            played.script.answers[0].starts_with("HTTP/1.1 403"),
            "{fault}: {}",
            played.script.answers[0]
        );
        assert!(played.script.has_called("join Home net"), "read {fault}: {log}");
        assert!(!log.contains("erased"), "read {fault}: {log}");
        assert_eq!(played.stored_home(), Some(home(443)), "read {fault}");
        seen_unread += u32::from(log.contains("it is kept and read again"));
    }
    assert!(seen_unread > 10, "{seen_unread} of {read_count} reads were needed");
}

/// Writes the stored home as a newer firmware would: version byte 2 in an intact seal.
fn with_newer_home() -> SharedSimFlash {
    let mut image = flash_with_home().with(|flash| flash.clone()).into_image();
    for slot_offset in [2 * SECTOR_BYTES, 3 * SECTOR_BYTES] {
        let payload_bytes = u32::from_le_bytes(image[slot_offset + 12..][..4].try_into().unwrap()) as usize;
        image[slot_offset + 32] = 2;
        let crc = crc32(&image[slot_offset + 32..][..payload_bytes]);
        image[slot_offset + 16..][..4].copy_from_slice(&crc.to_le_bytes());
        let crc = crc32(&image[slot_offset..][..28]);
        image[slot_offset + 28..][..4].copy_from_slice(&crc.to_le_bytes());
    }
    SharedSimFlash::new(SimFlash::from_image(image))
}

/// Independent of the product's table-driven one.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

fn slots(flash: &SharedSimFlash) -> Vec<u8> {
    flash.with(|flash| flash.image()[2 * SECTOR_BYTES..].to_vec())
}

#[test]
fn a_home_of_a_newer_firmware_stays_whatever_a_stranger_does_and_a_trial_that_fails() {
    let flash = with_newer_home();
    let before = slots(&flash);
    let cues = [
        phone(500, 0, RESET),
        phone(1_000, 1, &submission("Home+net")),
        event(3_000, Event::JoinFailed(NetworkError::Authentication)),
        phone(20_000, 2, RESET),
    ];
    let played = play(flash.clone(), Script::new(400_000, &cues));
    let log = &played.script.log;
    assert!(played.script.has_called("open Blynk Air Monitor-1W7R"), "{log}");
    for index in [0, 2] {
        assert!(played.script.answers[index].starts_with("HTTP/1.1 403"), "{}", played.script.answers[index]);
    }
    assert!(played.script.has_called("join Home net") && log.contains("Error 722"), "{log}");
    assert_eq!(slots(&flash), before, "{log}");
}

#[test]
fn a_home_of_a_newer_firmware_gives_way_to_one_that_the_cloud_accepted() {
    let flash = with_newer_home();
    let cues = [
        phone(500, 0, &submission("Home+net")),
        event(2_000, Event::Joined),
        event(2_100, Event::CloudConnected { is_verified_tls: true }),
        cloud(2_200, &response(1, 200)),
    ];
    let played = play(flash, Script::new(10_000, &cues));
    assert!(played.script.log.contains("Home stored"), "{}", played.script.log);
    assert!(played.stored_home().is_some());
}
