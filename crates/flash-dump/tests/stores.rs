//! Images as the firmwares leave them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use embassy_futures::block_on;
use flash_dump::{
    Certainty, Content, EraseHomesError, EraseScope, Finding, Inspection, Liveness, Note, SecretLength,
    Verdict, erase_homes, inspect,
};
use home_store::sim_flash::{EraseTear, PowerCut, SimFlash};
use home_store::{
    CloudBinding, Home, HomeStore, Host, Network, NetworkSecret, OwnerData, Ssid, StoreLayout, Token,
};

const SSID: &str = "Workshop Wi-Fi";
const PASSWORD: &str = "password-secret-1";
const TOKEN: &str = "TOKEN-SECRET-0123456789abcdefXYZ";
const SECTOR: usize = 4096;

/// The record of a board that was set up, as old Edgent packs it, followed by erased flash.
const OLD_RECORD: &[u8] = include_bytes!("../../../fuzz/corpus/flash_dump/old_record_in_eeprom");
const OLD_RECORD_OF_DEFAULTS: &[u8] =
    include_bytes!("../../../fuzz/corpus/flash_dump/old_record_of_defaults");

/// First page of a partition that Espressif's own generator made, with keys of both Edgents and of the radio driver.
const NVS_PAGE: &[u8] = include_bytes!("../../../fuzz/corpus/flash_dump/nvs_page");

fn home() -> Home {
    let network = Network {
        ssid: Ssid::parse(SSID.as_bytes()).unwrap(),
        secret: NetworkSecret::parse(PASSWORD.as_bytes()).unwrap(),
        is_hidden: false,
        static_address: None,
    };
    Home {
        networks: [network].into_iter().collect(),
        cloud: CloudBinding {
            host: Host::parse("cloud.example").unwrap(),
            port: 443,
            token: Token::parse(TOKEN.as_bytes()).unwrap(),
            uses_tls: true,
            trust_anchor: None,
            release_key: None,
        },
        owner_data: OwnerData::parse(b"owner").unwrap(),
    }
}

/// A flash whose store begins in its second sector and holds a home.
fn flash_with_home() -> SimFlash {
    let mut flash = SimFlash::erased(6);
    let mut store = open(&mut flash);
    block_on(store.record_boot()).unwrap();
    block_on(store.save_home(&home())).unwrap();
    flash
}

fn open(flash: &mut SimFlash) -> HomeStore<&mut SimFlash> {
    block_on(HomeStore::open(flash, StoreLayout::at(4096))).unwrap()
}

/// No secret may appear in anything that is shown.
fn assert_masked(inspection: &Inspection) {
    let json = serde_json::to_string(inspection).unwrap();
    for shown in [json, format!("{inspection}"), format!("{inspection:?}")] {
        for secret in [PASSWORD, TOKEN, "password1"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

fn homes(inspection: &Inspection) -> Vec<&Finding> {
    inspection.findings.iter().filter(|finding| finding.holds_home).collect()
}

#[test]
fn both_copies_of_a_rehome_home_are_shown_without_secrets() {
    let image = flash_with_home().into_image();
    let inspection = inspect(&image);
    assert_masked(&inspection);
    assert_eq!(inspection.verdict(), Verdict::HomeLeft);
    let offsets: Vec<usize> = homes(&inspection).iter().map(|finding| finding.region.offset).collect();
    assert_eq!(offsets, [3 * SECTOR, 4 * SECTOR]);
    let Content::RehomeHome { home: Some(home), generation: 1, epoch: 0 } = &inspection.findings[0].content
    else {
        panic!("{inspection:?}");
    };
    assert_eq!((home.networks[0].ssid.as_str(), home.networks[0].password), (SSID, SecretLength(17)));
    assert_eq!((home.host.as_str(), home.port, home.token), ("cloud.example", 443, SecretLength(32)));
    assert_eq!((inspection.stores[0].offset, inspection.stores[0].boot_count), (SECTOR, 1));
}

#[test]
fn a_wiped_rehome_store_is_clean_and_still_shows_its_epoch() {
    let mut flash = flash_with_home();
    block_on(open(&mut flash).wipe()).unwrap();
    let inspection = inspect(flash.image());
    assert_eq!(inspection.verdict(), Verdict::NothingFound);
    assert_eq!((inspection.stores[0].epoch, inspection.stores[0].is_wipe_pending), (1, false));
}

#[test]
fn whatever_an_interrupted_wipe_leaves_is_found_at_every_kind_of_tear() {
    let tears = [
        EraseTear::NotBegun,
        EraseTear::HeadErased { bytes: 64 },
        EraseTear::TailErased { bytes: 40 },
        EraseTear::SomeBitsErased { seed: 7 },
    ];
    for erased_sectors in [0, 1] {
        for tear in tears {
            let mut flash = flash_with_home();
            flash.cut_power(PowerCut::InErase { erased_sectors, tear });
            assert!(block_on(open(&mut flash).wipe()).is_err());
            flash.power_on();
            let inspection = inspect(flash.image());
            assert_eq!(inspection.verdict(), Verdict::HomeLeft, "{erased_sectors} {tear:?}");
            assert!(inspection.stores[0].is_wipe_pending);
        }
    }
}

#[test]
fn erasing_a_rehome_home_leaves_no_byte_of_it_and_keeps_the_journal() {
    let mut image = flash_with_home().into_image();
    let journal = image[SECTOR..3 * SECTOR].to_vec();
    let erased = erase_homes(&mut image, EraseScope::PerhapsToo).unwrap();
    assert_eq!(erased.regions.len(), 2);
    assert_eq!(&image[SECTOR..3 * SECTOR], journal);
    for secret in [SSID, PASSWORD, TOKEN, "cloud.example", "owner"] {
        assert!(!image.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }
    let mut flash = SimFlash::from_image(image);
    let mut store = open(&mut flash);
    assert_eq!(block_on(store.load_home()).unwrap(), None);
    assert_eq!(store.boot_count(), 1);
}

#[test]
fn an_old_record_is_found_at_the_start_and_anywhere_in_a_full_dump() {
    for offset in [0, 5, 3 * SECTOR] {
        let mut image = vec![0x5A; offset];
        image.extend_from_slice(OLD_RECORD);
        let inspection = inspect(&image);
        assert_masked(&inspection);
        assert_eq!(inspection.verdict(), Verdict::HomeLeft);
        let [finding] = inspection.findings.as_slice() else { panic!("{inspection:?}") };
        assert_eq!((finding.region.offset, finding.region.length_bytes), (offset, 212));
        let Content::EdgentOldRecord(record) = &finding.content else { panic!("{finding:?}") };
        assert_eq!(
            (record.ssid.as_str(), record.password, record.token),
            (SSID, SecretLength(17), SecretLength(32))
        );
        assert!(record.is_valid);
        erase_homes(&mut image, EraseScope::PerhapsToo).unwrap();
        assert!(image[offset..].iter().all(|&byte| byte == 0xFF));
        assert!(image[..offset].iter().all(|&byte| byte == 0x5A));
    }
}

#[test]
fn a_record_of_defaults_is_no_home_and_is_left_alone() {
    let mut image = OLD_RECORD_OF_DEFAULTS.to_vec();
    let inspection = inspect(&image);
    assert_eq!(inspection.verdict(), Verdict::NothingFound);
    assert!(
        matches!(&inspection.findings[0].content, Content::EdgentOldRecord(record) if record.last_error == 722)
    );
    assert!(erase_homes(&mut image, EraseScope::PerhapsToo).unwrap().regions.is_empty());
    assert_eq!(image, OLD_RECORD_OF_DEFAULTS);
}

#[test]
fn the_end_of_a_longer_password_behind_a_shorter_one_counts_as_left() {
    for offset in [30, 100, 140, 200] {
        let mut image = OLD_RECORD_OF_DEFAULTS.to_vec();
        image[offset] = b'x';
        assert_eq!(inspect(&image).verdict(), Verdict::HomeLeft, "byte {offset}");
    }
}

#[test]
fn the_keys_of_both_edgents_and_the_radio_driver_are_found_in_a_real_nvs_page() {
    let inspection = inspect(NVS_PAGE);
    assert_masked(&inspection);
    assert_eq!(inspection.notes, []);
    assert!(inspection.findings.iter().all(|finding| finding.liveness == Liveness::Live));
    assert!(inspection.findings.iter().all(|finding| finding.certainty == Certainty::Certain));
    let networks: Vec<(&str, SecretLength, bool)> = inspection
        .findings
        .iter()
        .filter_map(|finding| match &finding.content {
            Content::EdgentNewNetwork { network: Some(network) } => Some(network),
            _ => None,
        })
        .map(|network| (network.ssid.as_str(), network.password, network.has_static_address))
        .collect();
    assert_eq!(networks, [("Home", SecretLength(9), false), ("Lab", SecretLength(0), true)]);
    let has = |wanted: &dyn Fn(&Content) -> bool| {
        inspection.findings.iter().any(|finding| wanted(&finding.content))
    };
    assert!(has(&|content| matches!(content, Content::EdgentNewToken { token: SecretLength(32) })));
    assert!(has(&|content| matches!(content, Content::EdgentNewHost { host } if host == "blynk.cloud")));
    assert!(has(&|content| matches!(content, Content::EdgentOldRecord(record) if record.ssid == SSID)));
    assert!(has(
        &|content| matches!(content, Content::RadioDriver { ssid: Some(ssid), .. } if ssid == "Workshop")
    ));
}

/// Sets the states of all entries of the page to deleted, as the firmware does when it clears the keys.
fn delete_all(page: &mut [u8]) {
    for state in &mut page[32..64] {
        // 11 stays free, 10 becomes 00.
        let free = *state & (*state >> 1) & 0x55;
        *state = free | free << 1;
    }
}

#[test]
fn deleted_keys_whose_bytes_are_still_there_count_as_left() {
    let mut page = NVS_PAGE.to_vec();
    delete_all(&mut page);
    let inspection = inspect(&page);
    assert_eq!(inspection.verdict(), Verdict::HomeLeft);
    assert_eq!(homes(&inspection).len(), homes(&inspect(NVS_PAGE)).len());
    assert!(inspection.findings.iter().all(|finding| finding.liveness == Liveness::Deleted));
}

#[test]
fn erasing_an_nvs_page_takes_the_secrets_and_keeps_the_uid() {
    for deleted in [false, true] {
        let mut page = NVS_PAGE.to_vec();
        if deleted {
            delete_all(&mut page);
        }
        erase_homes(&mut page, EraseScope::PerhapsToo).unwrap();
        let holds = |text: &[u8]| page.windows(text.len()).any(|window| window == text);
        for secret in
            [SSID.as_bytes(), PASSWORD.as_bytes(), TOKEN.as_bytes(), b"password1", b"Home", b"Workshop"]
        {
            assert!(!holds(secret), "{}", secret.escape_ascii());
        }
        assert!(holds(b"5f0c9d1e-57a5-4d53-8f6b-2b8a0f0c1d2e"));
    }
}

#[test]
fn entries_that_cannot_be_read_are_never_called_clean() {
    let mut page = NVS_PAGE.to_vec();
    for byte in &mut page[64..] {
        if *byte != 0xFF {
            *byte ^= 0x5A;
        }
    }
    let inspection = inspect(&page);
    assert_eq!(inspection.verdict(), Verdict::PerhapsLeft);
    assert!(matches!(inspection.notes[..], [Note::UnreadableNvsPage { offset: 0, entry_count: 1.. }]));
    assert_eq!(erase_homes(&mut page, EraseScope::PerhapsToo), Err(EraseHomesError::Unreadable));
}

#[test]
fn a_network_entry_outside_any_store_is_only_perhaps_one() {
    let inspection = inspect(b"\x00\x01\x05\x01\x04Home\x02\x09password1\x03\x24");
    assert_masked(&inspection);
    assert_eq!(inspection.verdict(), Verdict::PerhapsLeft);
    let [finding] = inspection.findings.as_slice() else { panic!("{inspection:?}") };
    assert_eq!((finding.region.offset, finding.region.length_bytes), (3, 17));
}

#[test]
fn what_is_only_perhaps_of_a_home_can_be_left_alone() {
    let mut image = [OLD_RECORD, b"\x01\x04Home\x02\x09password1"].concat();
    let erased = erase_homes(&mut image, EraseScope::Certain).unwrap();
    assert_eq!(erased.regions.len(), 1);
    assert_eq!(erased.after.verdict(), Verdict::PerhapsLeft);
    assert!(image.ends_with(b"\x02\x09password1"));
    assert_eq!(
        erase_homes(&mut image, EraseScope::PerhapsToo).unwrap().after.verdict(),
        Verdict::NothingFound
    );
}

#[test]
fn a_dump_that_ends_before_the_homes_of_its_store_is_never_called_clean() {
    let mut flash = flash_with_home();
    block_on(open(&mut flash).wipe()).unwrap();
    let image = flash.image().to_vec();
    assert_eq!(inspect(&image).verdict(), Verdict::NothingFound);
    for sectors in [2, 3] {
        let inspection = inspect(&image[..sectors * SECTOR]);
        assert_eq!(inspection.verdict(), Verdict::PerhapsLeft, "{sectors} sectors");
        assert!(inspection.to_string().contains("the dump ends before this home slot"), "{inspection}");
    }
}

#[test]
fn stores_are_recognised_and_other_bytes_are_not() {
    let mut flash = flash_with_home();
    block_on(open(&mut flash).wipe()).unwrap();
    assert!(inspect(flash.image()).recognises_a_store());
    for image in [vec![], vec![0xFF; SECTOR], vec![0; SECTOR], b"no flash at all ".repeat(1_024)] {
        let inspection = inspect(&image);
        assert_eq!(inspection.verdict(), Verdict::NothingFound);
        assert!(!inspection.recognises_a_store());
    }
}

#[test]
fn an_empty_and_an_erased_dump_hold_nothing() {
    for image in [vec![], vec![0xFF; 3 * SECTOR]] {
        let inspection = inspect(&image);
        assert_eq!(inspection, Inspection::default());
        assert!(inspection.to_string().starts_with("Nothing of a home was found."));
    }
}
