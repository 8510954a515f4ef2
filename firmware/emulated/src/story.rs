//! The founding story and what may go wrong in it, through the `device` shell in virtual time.

use alloc::vec::Vec;

use home_store::sim_flash::{EraseTear, PowerCut, SharedSimFlash, SimFlash};
use lifecycle::{RecoveryPolicy, State};

use crate::Transcript;
use crate::air::{Air, CUSTOMER, Place, WORKSHOP};
use crate::board::{SECTOR_COUNT, World};
use crate::cloud::Worth;
use crate::people::SetUp;
use crate::transcript::digest_of;

// The tokens share no eight characters, so that a trace names its owner.
const MAKER_TOKEN: &str = "MakerSecret-0123456789abcdefghij";
const CUSTOMER_TOKEN: &str = "Berger_Zugang_zyxwvutsrqponmlkji";
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
/// Guarantee 1: the hotspot is open within 45 s of power-on.
const HOTSPOT_LIMIT_MS: u64 = 45_000;
/// Distance between two power cuts in the save of a whole set-up, in bytes. A prime, so that cells and words are cut
/// at every place within them.
const CUT_STRIDE_BYTES: usize = 3;
/// More bytes than one set-up writes.
const SET_UP_BYTES_MAX: u64 = 4096;
/// Sectors that one set-up erases: both copies of the home.
const SET_UP_ERASE_COUNT: u64 = 2;

/// Plays every chapter.
///
/// # Panics
/// When a chapter ends otherwise than the device promises.
pub fn run_story(transcript: &mut Transcript<'_>) {
    founding(transcript);
    given_away_while_offline(transcript, RecoveryPolicy::Rehome);
    given_away_while_offline(transcript, RecoveryPolicy::Stock);
    router_away(transcript);
    power_cut_while_saving(transcript);
}

fn maker_set_up() -> SetUp {
    SetUp { network: WORKSHOP, token: MAKER_TOKEN }
}

fn customer_set_up() -> SetUp {
    SetUp { network: CUSTOMER, token: CUSTOMER_TOKEN }
}

fn new_flash() -> SharedSimFlash {
    SharedSimFlash::new(SimFlash::erased(SECTOR_COUNT))
}

/// A board that the maker set up in his workshop; it is powered off.
fn set_up_in_the_workshop<'a, 't>(transcript: &'a mut Transcript<'t>) -> World<'a, 't> {
    let mut world = World::new(transcript, new_flash(), Air::at(Place::Workshop));
    world.cloud.set_worth(MAKER_TOKEN, Worth::Valid);
    world.cloud.set_worth(CUSTOMER_TOKEN, Worth::Valid);
    world.set_up = Some(maker_set_up());
    world
}

/// The maker tests, releases, ships; the customer plugs in and is online.
fn founding(transcript: &mut Transcript<'_>) {
    transcript.line(format_args!("==== The founding story"));
    let mut world = set_up_in_the_workshop(transcript);
    world.note("the maker plugs the board in, sets it up, and releases it ten minutes later");
    world.order_erase_in(10 * MINUTE_MS);
    world.power_for(12 * MINUTE_MS, RecoveryPolicy::Rehome);
    assert!(world.cloud.write_count > 0, "the application was heard in the workshop");
    assert_eq!(world.state, State::WaitConfig);
    assert_no_trace(&world, &[WORKSHOP.ssid, WORKSHOP.password, MAKER_TOKEN]);
    close_chapter(&mut world, "wiped; the board travels");
    world.air.place = Place::Van;
    world.wait_unpowered(26 * HOUR_MS);
    arrive_at_the_customer(&mut world, RecoveryPolicy::Rehome);
    assert_eq!(world.state, State::Running);
    close_chapter(&mut world, "the customer is online");
}

/// The maker pulled the plug before he gave the device away, so the board still has his home.
fn given_away_while_offline(transcript: &mut Transcript<'_>, recovery: RecoveryPolicy) {
    transcript.line(format_args!("==== Given away while offline, recovery {recovery:?}"));
    let mut world = set_up_in_the_workshop(transcript);
    world.power_for(10 * MINUTE_MS, recovery);
    assert_eq!(world.state, State::Running);
    world.cloud.set_worth(MAKER_TOKEN, Worth::Refused);
    world.wait_unpowered(26 * HOUR_MS);
    arrive_at_the_customer(&mut world, recovery);
    let traces = [WORKSHOP.ssid, WORKSHOP.password, MAKER_TOKEN];
    if recovery == RecoveryPolicy::Stock {
        assert_eq!(world.hotspot_opened_at_ms, None, "stock firmware leaves its customer without a hotspot");
        assert!(has_trace(&world, traces[1]), "and it still knows the maker's password");
        close_chapter(&mut world, "stranded, as stock firmware is");
        return;
    }
    assert_eq!(world.state, State::Running);
    assert_no_trace(&world, &traces);
    close_chapter(&mut world, "the customer is online, the maker's home is gone");
}

/// The router is away for an hour: nothing is forgotten.
fn router_away(transcript: &mut Transcript<'_>) {
    transcript.line(format_args!("==== The router is away for an hour"));
    let mut world = set_up_in_the_workshop(transcript);
    world.switch_router_in(20 * MINUTE_MS, false);
    world.switch_router_in(80 * MINUTE_MS, true);
    world.power_for(2 * HOUR_MS, RecoveryPolicy::Rehome);
    assert_eq!(world.state, State::Running);
    assert!(has_trace(&world, MAKER_TOKEN), "the home is still stored");
    close_chapter(&mut world, "online again with the same home");
}

/// The customer's set-up replaces the maker's home; the power fails somewhere in the middle, at every few bytes.
fn power_cut_while_saving(transcript: &mut Transcript<'_>) {
    transcript.line(format_args!("==== The power fails while the customer's home replaces the maker's"));
    let before = in_silence(|transcript| {
        let mut world = set_up_in_the_workshop(transcript);
        world.power_for(10 * MINUTE_MS, RecoveryPolicy::Rehome);
        world.flash.with(|flash| flash.clone())
    });
    let (mut old_count, mut new_count) = (0, 0);
    let in_writes = (0..SET_UP_BYTES_MAX)
        .step_by(CUT_STRIDE_BYTES)
        .map(|written_bytes| PowerCut::InWrite { written_bytes, torn_mask: 0xA5 });
    let tear = EraseTear::RandomBits { seed: 2026 };
    let in_erases = (0..SET_UP_ERASE_COUNT).map(|erased_sectors| PowerCut::InErase { erased_sectors, tear });
    for cut in in_erases.chain(in_writes) {
        let Some(is_new) = in_silence(|transcript| cut_one_set_up(transcript, &before, cut)) else {
            break;
        };
        let count = if is_new { &mut new_count } else { &mut old_count };
        *count += 1;
        let which = if is_new { "new" } else { "old" };
        transcript.line(format_args!("{cut:?}: the whole {which} home"));
    }
    assert!(old_count > 50 && new_count > 50, "{old_count} cuts kept the old home, {new_count} the new one");
}

/// Cuts the power there and says which home is whole then; `None` when the set-up never gets there.
fn cut_one_set_up(transcript: &mut Transcript<'_>, before: &SimFlash, cut: PowerCut) -> Option<bool> {
    let mut flash = before.clone();
    flash.cut_power(cut);
    let mut world = World::new(transcript, SharedSimFlash::new(flash), Air::at(Place::Customer));
    world.cloud.set_worth(CUSTOMER_TOKEN, Worth::Valid);
    world.set_up = Some(customer_set_up());
    world.power_for(5 * MINUTE_MS, RecoveryPolicy::Rehome);
    if world.flash.with(|flash| flash.is_powered()) {
        return None;
    }
    world.flash.with(SimFlash::power_on);
    // Whatever is stored now, one of the two clouds and networks must take the device.
    world.set_up = None;
    world.cloud.set_worth(MAKER_TOKEN, Worth::Valid);
    world.power_for(5 * MINUTE_MS, RecoveryPolicy::Rehome);
    let is_new = world.state == State::Running;
    let (present, gone) = if is_new { (CUSTOMER_TOKEN, MAKER_TOKEN) } else { (MAKER_TOKEN, CUSTOMER_TOKEN) };
    assert!(has_trace(&world, present) && !has_trace(&world, gone), "half a home after {cut:?}");
    if !is_new {
        world.air.place = Place::Workshop;
        world.power_for(5 * MINUTE_MS, RecoveryPolicy::Rehome);
        assert_eq!(world.state, State::Running, "the old home works after {cut:?}");
    }
    Some(is_new)
}

fn arrive_at_the_customer(world: &mut World<'_, '_>, recovery: RecoveryPolicy) {
    world.air.place = Place::Customer;
    world.set_up = Some(customer_set_up());
    world.note("the customer plugs the board in");
    world.power_for(10 * MINUTE_MS, recovery);
    if recovery != RecoveryPolicy::Stock {
        let opened_at_ms = world.hotspot_opened_at_ms.expect("the hotspot opens");
        assert!(opened_at_ms <= HOTSPOT_LIMIT_MS, "the hotspot opened after {opened_at_ms} ms");
    }
}

fn close_chapter(world: &mut World<'_, '_>, end: &str) {
    let digest = world.flash.with(|flash| digest_of(flash.image()));
    let counters = world.flash.with(|flash| flash.counters());
    world.note(end);
    world.transcript.line(format_args!(
        "     flash {digest:016x}, {} bytes written, {} sectors erased",
        counters.written_bytes, counters.erased_sectors
    ));
}

fn has_trace(world: &World<'_, '_>, secret: &str) -> bool {
    let windows = |image: &[u8]| image.windows(secret.len()).any(|window| window == secret.as_bytes());
    world.flash.with(|flash| windows(flash.image()))
}

fn assert_no_trace(world: &World<'_, '_>, secrets: &[&str]) {
    for secret in secrets {
        // Half a secret is a secret.
        let pieces: Vec<&[u8]> = secret.as_bytes().windows(8).collect();
        let is_found = |image: &[u8]| image.windows(8).any(|window| pieces.contains(&window));
        assert!(!world.flash.with(|flash| is_found(flash.image())), "{secret} is still in the flash");
    }
}

/// Plays without writing to the transcript that counts.
fn in_silence<R>(play: impl FnOnce(&mut Transcript<'_>) -> R) -> R {
    let mut nothing = Nothing;
    play(&mut Transcript::new(&mut nothing))
}

struct Nothing;

impl core::fmt::Write for Nothing {
    fn write_str(&mut self, _text: &str) -> core::fmt::Result {
        Ok(())
    }
}
