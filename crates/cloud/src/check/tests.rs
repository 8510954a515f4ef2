use registry::{FirmwareId, FirmwareTag, UtcTime};
use sha2::{Digest as _, Sha256};
use store::{Change, FirmwareImage, Store};

use super::*;
use crate::acme::Challenges;
use crate::config::Config;
use crate::secret_file::write_secret_file;
use crate::tls::Tls;

const NOW: UtcTime = UtcTime::from_unix_ms(1_795_000_000_000);

#[tokio::test]
async fn a_firmware_file_that_is_missing_or_changed_is_a_problem() {
    let data_dir = tempfile::tempdir().unwrap();
    fs::set_permissions(data_dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let kinds = || -> Vec<&'static str> {
        check_data_folder(data_dir.path()).unwrap().iter().map(|problem| problem.kind).collect()
    };
    let store = Store::open(data_dir.path()).unwrap();
    ReleaseSigner::open(data_dir.path()).unwrap();
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

/// The files with which a server would refuse to start, and what is said of each.
#[test]
fn a_key_or_certificate_with_which_no_server_starts_is_a_problem() {
    let data_dir = tempfile::tempdir().unwrap();
    fs::set_permissions(data_dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let config = Config { data_dir: data_dir.path().to_owned(), ..Config::default() };
    drop(Store::open(data_dir.path()).unwrap());
    ReleaseSigner::open(data_dir.path()).unwrap();
    AdminKey::open(data_dir.path()).unwrap();
    Tls::open(&config, Challenges::default(), NOW).unwrap();
    assert_eq!(check_data_folder(data_dir.path()).unwrap(), []);
    write_secret_file(&data_dir.path().join(FIRMWARE_KEY_FILE), "07".repeat(32).as_bytes()).unwrap();
    assert_eq!(check_data_folder(data_dir.path()).unwrap(), []);

    let names = [
        RELEASE_KEY_FILE,
        ADMIN_KEY_FILE,
        FIRMWARE_KEY_FILE,
        "tls/ca.pem",
        "tls/ca-key.pem",
        "tls/server.pem",
        "tls/server-key.pem",
    ];
    for name in names {
        let path = data_dir.path().join(name);
        let right = fs::read(&path).unwrap();
        fs::write(&path, "garbage").unwrap();
        let problems = check_data_folder(data_dir.path()).unwrap();
        assert_eq!(
            problems.iter().map(|problem| (problem.kind, &problem.path)).collect::<Vec<_>>(),
            [("key", &path)]
        );
        assert!(!problems[0].problem.contains("garbage"));
        assert_eq!(fs::read(&path).unwrap(), b"garbage", "nothing is changed");
        fs::write(&path, right).unwrap();
    }
    fs::remove_file(data_dir.path().join("tls/ca-key.pem")).unwrap();
    let problems = check_data_folder(data_dir.path()).unwrap();
    assert_eq!(problems.iter().map(|problem| problem.kind).collect::<Vec<_>>(), ["key"]);
    assert!(!data_dir.path().join("tls/ca-key.pem").exists(), "nothing is made");
}

#[tokio::test]
async fn a_damaged_database_is_called_damaged() {
    let data_dir = tempfile::tempdir().unwrap();
    drop(Store::open(data_dir.path()).unwrap());
    let path = data_dir.path().join(DATABASE_FILE);
    let mut bytes = fs::read(&path).unwrap();
    bytes[100..4_096].fill(0x5A);
    fs::write(&path, bytes).unwrap();
    let problems = check_data_folder(data_dir.path()).unwrap();
    assert_eq!((problems[0].kind, problems[0].problem.as_str()), ("database", "the database is damaged"));
    assert!(problems[0].remedy.contains("rehome restore"));
}

#[test]
fn a_folder_that_is_not_there_is_an_error_and_an_empty_one_holds_no_database() {
    let place = tempfile::tempdir().unwrap();
    assert!(matches!(check_data_folder(&place.path().join("none")), Err(CheckError::Folder { .. })));
    let problems = check_data_folder(place.path()).unwrap();
    assert_eq!(problems[0].kind, "database");
}
