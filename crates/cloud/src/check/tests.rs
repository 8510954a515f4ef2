use registry::{FirmwareId, FirmwareTag, UtcTime};
use sha2::{Digest as _, Sha256};
use store::{Change, FirmwareImage, Store};

use super::*;

const NOW: UtcTime = UtcTime::from_unix_ms(1_795_000_000_000);

#[tokio::test]
async fn a_firmware_file_that_is_missing_or_changed_is_a_problem() {
    let data_dir = tempfile::tempdir().unwrap();
    fs::set_permissions(data_dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let kinds = || -> Vec<&'static str> {
        check_data_folder(data_dir.path()).unwrap().iter().map(|problem| problem.kind).collect()
    };
    let store = Store::open(data_dir.path()).unwrap();
    fs::write(data_dir.path().join(RELEASE_KEY_FILE), "key").unwrap();
    fs::set_permissions(data_dir.path().join(RELEASE_KEY_FILE), fs::Permissions::from_mode(0o600)).unwrap();
    assert!(kinds().is_empty());
    let image = FirmwareImage {
        id: FirmwareId::from_random([1; 10]),
        file_name: "lamp.bin".to_owned(),
        tag: FirmwareTag { kind: "TMPL1".to_owned(), version: "1.0".to_owned(), build: None, library: None },
        size_bytes: 5,
        sha256: Sha256::digest(b"image").into(),
        md5: [0; 16],
        created_at: NOW,
    };
    let path = data_dir.path().join("firmware").join(hex(&image.sha256));
    store.add_firmware(image, Change::by("owner", NOW)).await.unwrap();
    assert_eq!(kinds(), ["firmware"]);
    fs::create_dir(data_dir.path().join("firmware")).unwrap();
    fs::write(&path, "imagf").unwrap();
    assert_eq!(kinds(), ["firmware"]);
    fs::write(&path, "image").unwrap();
    assert!(kinds().is_empty());
    fs::remove_file(data_dir.path().join(RELEASE_KEY_FILE)).unwrap();
    assert_eq!(kinds(), ["key"]);
}

#[test]
fn a_folder_that_is_not_there_is_an_error_and_an_empty_one_holds_no_database() {
    let place = tempfile::tempdir().unwrap();
    assert!(matches!(check_data_folder(&place.path().join("none")), Err(CheckError::Folder { .. })));
    let problems = check_data_folder(place.path()).unwrap();
    assert_eq!(problems[0].kind, "database");
}
