//! The state file behaves like flash, and the home store keeps its word on it.
#![expect(clippy::unwrap_used, reason = "what tests share stops the test when it fails")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use device_linux::{OpenStateFileError, SECTOR_BYTES, STATE_FILE_BYTES, StateFile, WORD_BYTES};
use embedded_storage_async::nor_flash::{NorFlash as _, NorFlashError as _, ReadNorFlash as _};
use home_store::sim_flash::SimFlash;
use home_store::{
    CloudBinding, Home, HomeStore, Host, Network, NetworkSecret, OwnerData, Ssid, StoreLayout, Token,
};
use tempfile::TempDir;

const LAYOUT: StoreLayout = StoreLayout::at(0);

fn home(name: &str) -> Home {
    let network = Network {
        ssid: Ssid::parse(format!("ssid of {name}").as_bytes()).unwrap(),
        secret: NetworkSecret::parse(format!("password of {name}").as_bytes()).unwrap(),
        is_hidden: false,
        static_address: None,
    };
    let token = format!("{name:0>32}");
    Home {
        networks: heapless::Vec::from_iter([network]),
        cloud: CloudBinding {
            host: Host::parse("cloud.test").unwrap(),
            port: 443,
            token: Token::parse(token.as_bytes()).unwrap(),
            uses_tls: true,
            trust_anchor: None,
            release_key: None,
        },
        owner_data: OwnerData::parse(format!("data of {name}").as_bytes()).unwrap(),
    }
}

fn file_in(folder: &TempDir) -> PathBuf {
    folder.path().join("state/home.flash")
}

/// Writes one home over another and returns what is in the file then.
async fn image_with(folder: &TempDir, first: &Home, second: &Home) -> Vec<u8> {
    let path = file_in(folder);
    let mut store = HomeStore::open(StateFile::open(&path).unwrap(), LAYOUT).await.unwrap();
    store.save_home(first).await.unwrap();
    store.save_home(second).await.unwrap();
    drop(store);
    fs::read(&path).unwrap()
}

async fn load(path: &Path) -> Option<Home> {
    let mut store = HomeStore::open(StateFile::open(path).unwrap(), LAYOUT).await.ok()?;
    store.load_home().await.ok()?
}

#[tokio::test]
async fn a_new_file_is_erased_and_only_its_user_may_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = file_in(&folder);
    let mut file = StateFile::open(&path).unwrap();
    let mut bytes = vec![0; STATE_FILE_BYTES];
    file.read(0, &mut bytes).await.unwrap();
    assert!(bytes.iter().all(|&byte| byte == 0xFF));
    assert_eq!(file.capacity(), STATE_FILE_BYTES);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let names: Vec<_> =
        fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["home.flash"]);
}

#[tokio::test]
async fn permissions_that_became_loose_are_tightened() {
    let folder = tempfile::tempdir().unwrap();
    let path = file_in(&folder);
    drop(StateFile::open(&path).unwrap());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    drop(StateFile::open(&path).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_second_agent_is_refused_until_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = file_in(&folder);
    let first = StateFile::open(&path).unwrap();
    assert!(matches!(StateFile::open(&path), Err(OpenStateFileError::InUse { .. })));
    drop(first);
    StateFile::open(&path).unwrap();
}

#[tokio::test]
async fn another_program_s_file_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("home.flash");
    fs::write(&path, vec![b'x'; STATE_FILE_BYTES + 1]).unwrap();
    assert!(matches!(StateFile::open(&path), Err(OpenStateFileError::TooLarge { .. })));
    assert!(fs::read(&path).unwrap().iter().all(|&byte| byte == b'x'));
}

/// The same operations on the file and on the strict flash of the home store's own tests.
#[tokio::test]
async fn every_operation_does_what_the_strict_flash_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = file_in(&folder);
    let mut file = StateFile::open(&path).unwrap();
    let mut flash = SimFlash::<WORD_BYTES>::erased(STATE_FILE_BYTES / SECTOR_BYTES);
    let mut random: u64 = 0x5EED;
    let mut next = |limit: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % limit
    };
    let mut refused_count = 0;
    for _ in 0..600 {
        // Some are not aligned, some reach beyond the end, some write where something is.
        let offset = u32::try_from(next(STATE_FILE_BYTES as u64 / 2 + 40)).unwrap() * 2;
        let (ours, theirs) = if next(8) == 0 {
            let from = if next(2) == 0 { offset } else { offset / 4096 * 4096 };
            let to = from + u32::try_from(next(3)).unwrap() * 4096;
            (
                file.erase(from, to).await.map_err(|e| e.kind()),
                flash.erase(from, to).await.map_err(|e| e.kind()),
            )
        } else {
            // Never erased bytes: a chip may count them as written, and no reader can tell.
            let bytes = vec![u8::try_from(next(255)).unwrap(); usize::try_from(next(40)).unwrap() * 2];
            let ours = file.write(offset, &bytes).await.map_err(|e| e.kind());
            (ours, flash.write(offset, &bytes).await.map_err(|e| e.kind()))
        };
        assert_eq!(ours, theirs, "at {offset:#x}");
        refused_count += usize::from(ours.is_err());
        assert_eq!(fs::read(&path).unwrap(), flash.image(), "after an operation at {offset:#x}");
    }
    assert!((50..550).contains(&refused_count), "{refused_count} of 600 were refused");
}

#[tokio::test]
async fn a_home_is_found_by_the_next_process_and_a_wipe_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (home("first"), home("second"));
    let image = image_with(&folder, &first, &second).await;
    let holds = |image: &[u8], text: &str| image.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds(&image, "password of second") && !holds(&image, "password of first"));
    let path = file_in(&folder);
    assert_eq!(load(&path).await, Some(second));

    let mut store = HomeStore::open(StateFile::open(&path).unwrap(), LAYOUT).await.unwrap();
    store.wipe().await.unwrap();
    assert_eq!(store.epoch().0, 1);
    drop(store);
    let image = fs::read(&path).unwrap();
    for secret in ["ssid of", "password of", "data of", "cloud.test", "0second"] {
        assert!(!holds(&image, secret), "{secret}");
    }
}

/// A file system that was repaired may have cut the file anywhere.
#[tokio::test]
async fn a_file_that_lost_its_end_keeps_the_home_as_long_as_one_copy_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (home("first"), home("second"));
    let image = image_with(&folder, &first, &second).await;
    let path = file_in(&folder);
    for length_bytes in (0..=STATE_FILE_BYTES).step_by(97) {
        fs::write(&path, &image[..length_bytes]).unwrap();
        let loaded = load(&path).await;
        // The first copy ends with the third sector.
        if length_bytes >= 3 * SECTOR_BYTES {
            assert_eq!(loaded.as_ref(), Some(&second), "cut at {length_bytes}");
        }
        assert_ne!(loaded.as_ref(), Some(&first), "cut at {length_bytes}");
        assert_eq!(fs::metadata(&path).unwrap().len(), STATE_FILE_BYTES as u64);
    }
}

/// A write that only reached the disk in part: every prefix of every operation that changes the home.
#[tokio::test]
async fn a_change_that_was_cut_short_anywhere_leaves_the_old_or_the_new_home() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (home("first"), home("second"));
    let path = file_in(&folder);
    let mut store = HomeStore::open(StateFile::open(&path).unwrap(), LAYOUT).await.unwrap();
    store.save_home(&first).await.unwrap();
    drop(store);
    let before = fs::read(&path).unwrap();

    // The strict flash says how the bytes change one by one; the file is put into each of these states.
    let flash = SimFlash::<WORD_BYTES>::from_image(before);
    let mut whole = HomeStore::open(flash.clone(), LAYOUT).await.unwrap();
    whole.save_home(&second).await.unwrap();
    let written_bytes = whole.into_flash().counters().written_bytes;
    let mut seen = [0; 2];
    for cut in (0..written_bytes).step_by(3) {
        let mut torn = flash.clone();
        torn.cut_power(home_store::sim_flash::PowerCut::InWrite { written_bytes: cut, torn_mask: 0xF0 });
        let mut store = HomeStore::open(torn, LAYOUT).await.unwrap();
        let saved = store.save_home(&second).await;
        fs::write(&path, store.into_flash().image()).unwrap();
        let loaded = load(&path).await;
        let index = [&first, &second].iter().position(|home| Some(*home) == loaded.as_ref());
        assert!(saved.is_err() || index == Some(1), "a saved home was lost after a cut at {cut}");
        seen[index.unwrap_or_else(|| panic!("neither home after a cut at {cut}"))] += 1;
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}
