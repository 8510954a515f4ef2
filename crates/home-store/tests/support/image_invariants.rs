//! What must hold for a store on any flash image. Shared by the replayed corpus and the fuzz target.

use embassy_futures::block_on;
use home_store::sim_flash::{EraseTear, PowerCut, SECTOR_BYTES, SimFlash};
use home_store::{
    AppendRecordError, CloudBinding, Epoch, Home, HomeStore, Host, LoadHomeError, Network, NetworkSecret,
    OpenHomeStoreError, OwnerData, Redundancy, Ssid, StoreLayout, Token, decode_home, encode_home,
};

/// A sector before and after the store's four, so that writes outside the layout are noticed.
const SECTOR_COUNT: usize = 6;
const LAYOUT: StoreLayout = StoreLayout::at(0x1000);
const JOURNAL: std::ops::Range<usize> = SECTOR_BYTES..3 * SECTOR_BYTES;
const SLOTS: std::ops::Range<usize> = 3 * SECTOR_BYTES..5 * SECTOR_BYTES;
const CELL_BYTES: usize = 32;
/// What every field of the home that this check saves begins with, and no input of the corpus holds.
const TRACE: &[u8] = b"trace-of";
/// Its fields.
const FIELDS: [&str; 5] = [
    "trace-of-ssid",
    "trace-of-password",
    "trace-of-host",
    "trace-of-token-0123456789abcdef0",
    "trace-of-owner",
];

/// An input: how to take it, when the power goes, and what is written where on erased flash.
struct Case {
    image: Vec<u8>,
    cut: PowerCut,
}

/// Opens, reads, writes and wipes a store on what the input makes of the flash.
pub(crate) fn check_image(input: &[u8]) {
    // The payload of a slot, without the slot.
    if let Ok(home) = decode_home(input) {
        assert_eq!(encode_home(&home).as_slice(), input, "a home has one form");
    }
    let Some(case) = Case::read(input) else { return };
    let mut flash = SimFlash::from_image(case.image.clone());
    let Some(seen) = check_opened(&mut flash) else { return };
    check_wipe(&mut flash.clone(), seen);
    check_facts(&mut flash, seen);
    check_save(&mut flash);
    check_cut_wipe(flash.clone(), case.cut);
    let seen = Seen::of(&mut open(&mut flash));
    check_wipe(&mut flash, seen);
    if !holds_trace(&case.image[JOURNAL]) {
        assert!(!holds_trace(flash.image()), "bytes of a wiped home are left");
    }
    check_save(&mut flash);
    let (before, after) = (&case.image, flash.image());
    assert!(before[..JOURNAL.start] == after[..JOURNAL.start] && before[SLOTS.end..] == after[SLOTS.end..]);
}

/// What a store shows of its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    epoch: Epoch,
    boot_count: u32,
    gesture_count: u8,
    last_error: Option<u16>,
}

impl Seen {
    fn of(store: &mut HomeStore<&mut SimFlash>) -> Self {
        Self {
            epoch: store.epoch(),
            boot_count: store.boot_count(),
            gesture_count: store.gesture_count(),
            last_error: store.last_error(),
        }
    }
}

fn open(flash: &mut SimFlash) -> HomeStore<&mut SimFlash> {
    block_on(HomeStore::open(flash, LAYOUT)).expect("a store that opened once opens again")
}

/// Opens the image for the first time; `None` when it says that a newer firmware wrote it.
fn check_opened(flash: &mut SimFlash) -> Option<Seen> {
    let before = flash.clone();
    match block_on(HomeStore::open(&mut *flash, LAYOUT)) {
        Ok(_) => {}
        Err(OpenHomeStoreError::Journal(AppendRecordError::NewerVersion { found })) => {
            assert!(found > 1);
            assert_eq!(*flash, before, "the journal of a newer firmware is left as it is");
            return None;
        }
        Err(error) => panic!("{error:?}"),
    }
    let opened = flash.clone();
    let mut store = open(flash);
    let (seen, home) = (Seen::of(&mut store), block_on(store.load_home()));
    match &home {
        Ok(None) => assert_eq!(store.redundancy(), Redundancy::Empty),
        Ok(Some(home)) => {
            assert_eq!(store.redundancy(), Redundancy::Full);
            assert_eq!(decode_home(&encode_home(home)).as_ref(), Ok(home));
        }
        // Bytes whose checksums are right and that this firmware cannot read are kept for one that can.
        Err(LoadHomeError::Decode(_)) => assert_eq!(store.redundancy(), Redundancy::Full),
        Err(error) => panic!("{error:?}"),
    }
    assert_eq!(*flash, opened, "opening again and reading writes nothing");
    let mut store = open(flash);
    assert_eq!((Seen::of(&mut store), block_on(store.load_home())), (seen, home));
    Some(seen)
}

fn check_facts(flash: &mut SimFlash, seen: Seen) {
    let mut store = open(flash);
    let boot_count = block_on(store.record_boot()).expect("a boot is counted");
    assert_eq!(boot_count, seen.boot_count.saturating_add(1));
    block_on(store.set_last_error(Some(722))).expect("an error is kept");
    block_on(store.set_gesture_count(3)).expect("a gesture is kept");
    let expected = Seen { boot_count, last_error: Some(722), gesture_count: 3, ..seen };
    assert_eq!(Seen::of(&mut store), expected);
    assert_eq!(Seen::of(&mut open(flash)), expected, "what was acknowledged outlives a restart");
}

fn check_save(flash: &mut SimFlash) {
    let home = home();
    let mut store = open(flash);
    let seen = Seen::of(&mut store);
    block_on(store.save_home(&home)).expect("a home is saved");
    let mut store = open(flash);
    assert_eq!(block_on(store.load_home()), Ok(Some(home)));
    assert_eq!((Seen::of(&mut store), store.redundancy()), (seen, Redundancy::Full));
}

fn check_wipe(flash: &mut SimFlash, seen: Seen) {
    let report = block_on(open(flash).wipe()).expect("a store is wiped");
    assert_wiped(flash, seen);
    assert_eq!(report.epoch, open(flash).epoch());
}

fn assert_wiped(flash: &mut SimFlash, before: Seen) {
    let mut store = open(flash);
    assert_eq!(block_on(store.load_home()), Ok(None));
    let epoch = Epoch(before.epoch.0.saturating_add(1));
    assert_eq!(Seen::of(&mut store), Seen { epoch, gesture_count: 0, last_error: None, ..before });
    assert!(flash.image()[SLOTS].iter().all(|&byte| byte == 0xFF), "a slot holds bytes after a wipe");
}

/// A wipe in whose middle the power goes has not begun, or is finished by the next start.
fn check_cut_wipe(mut flash: SimFlash, cut: PowerCut) {
    let before = Seen::of(&mut open(&mut flash));
    flash.cut_power(cut);
    let result = block_on(async {
        let mut store = HomeStore::open(&mut flash, LAYOUT).await.ok()?;
        store.wipe().await.ok()
    });
    flash.power_on();
    if block_on(open(&mut flash).load_home()) == Ok(None) {
        assert_wiped(&mut flash, before);
    } else {
        assert_eq!(result, None, "a wipe that was reported as done is done");
        let mut store = open(&mut flash);
        assert_eq!(block_on(store.load_home()), Ok(Some(home())));
        assert_eq!(store.epoch(), before.epoch);
    }
}

fn home() -> Home {
    let [ssid, password, host, token, owner] = FIELDS;
    let network = Network {
        ssid: Ssid::parse(ssid.as_bytes()).expect("a name"),
        secret: NetworkSecret::parse(password.as_bytes()).expect("a password"),
        is_hidden: false,
        static_address: None,
    };
    let cloud = CloudBinding {
        host: Host::parse(host).expect("a host"),
        port: 443,
        token: Token::parse(token.as_bytes()).expect("a token"),
        uses_tls: true,
        trust_anchor: None,
        release_key: None,
    };
    let owner_data = OwnerData::parse(owner.as_bytes()).expect("an owner's data");
    Home { networks: [network].into_iter().collect(), cloud, owner_data }
}

fn holds_trace(image: &[u8]) -> bool {
    image.windows(TRACE.len()).any(|window| window == TRACE)
}

impl Case {
    /// Byte 0: whether checksums are made right (1), whether the power goes in an erase (2). Bytes 1 and 2: when it goes.
    /// Then pieces: two bytes of offset, one of length, the bytes; length 0: a byte, and two of how often.
    fn read(input: &[u8]) -> Option<Self> {
        let ([flags, cut_low, cut_high], mut rest) = input.split_first_chunk::<3>()?;
        let mut image = vec![0xFF; SECTOR_COUNT * SECTOR_BYTES];
        let area = &mut image[JOURNAL.start..SLOTS.end];
        while let Some(([low, high, length_bytes], more)) = rest.split_first_chunk::<3>() {
            let offset = usize::from(u16::from_le_bytes([*low, *high])) % area.len();
            rest = match (*length_bytes, more.split_first_chunk::<3>()) {
                (0, Some(([value, low, high], more))) => {
                    let count = usize::from(u16::from_le_bytes([*low, *high]));
                    area[offset..].iter_mut().take(count).for_each(|byte| *byte = *value);
                    more
                }
                (0, None) => break,
                (length_bytes, _) => {
                    let (bytes, more) = more.split_at(usize::from(length_bytes).min(more.len()));
                    area[offset..].iter_mut().zip(bytes).for_each(|(byte, new)| *byte = *new);
                    more
                }
            };
        }
        if flags & 1 != 0 {
            make_checksums_right(&mut image);
        }
        let when = u16::from_le_bytes([*cut_low, *cut_high]);
        let cut = if flags & 2 == 0 {
            PowerCut::InWrite { written_bytes: u64::from(when) % 80, torn_mask: 0x3C }
        } else {
            let tear = EraseTear::RandomBits { seed: u64::from(when) };
            PowerCut::InErase { erased_sectors: u64::from(when) % 3, tear }
        };
        Some(Self { image, cut })
    }
}

/// Checksums are no secret; without this hardly any input would get past them.
fn make_checksums_right(image: &mut [u8]) {
    for cell in image[JOURNAL].chunks_mut(CELL_BYTES).filter(|cell| cell.starts_with(b"rhJ1")) {
        close_cell(cell);
    }
    for slot in image[SLOTS].chunks_mut(SECTOR_BYTES).filter(|slot| slot.starts_with(b"rhH1")) {
        let (seal, payload) = slot.split_at_mut(CELL_BYTES);
        let payload_bytes = u32::from_le_bytes([seal[12], seal[13], seal[14], seal[15]]) as usize;
        if let Some(payload) = payload.get(..payload_bytes) {
            seal[16..20].copy_from_slice(&crc32(payload).to_le_bytes());
        }
        close_cell(seal);
    }
}

fn close_cell(cell: &mut [u8]) {
    let crc = crc32(&cell[..28]);
    cell[28..32].copy_from_slice(&crc.to_le_bytes());
}

/// Independent of the product's table-driven one.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}
