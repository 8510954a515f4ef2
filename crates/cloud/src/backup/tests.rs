use std::os::unix::fs::PermissionsExt as _;

use registry::{FirmwareId, FirmwareTag, UtcTime};
use sha2::{Digest as _, Sha256};
use store::{Change, FirmwareImage, Store};

use super::manifest::is_backup_name;
use super::*;

const NOW: UtcTime = UtcTime::from_unix_ms(1_795_000_000_000);
const IMAGE: &[u8] = b"the bytes of an image";

/// A data folder with one image whose file is there.
async fn filled() -> (TempDir, String) {
    let data_dir = tempfile::tempdir().unwrap();
    let store = Store::open(data_dir.path()).unwrap();
    let tag = |text: &str| text.to_owned();
    let image = FirmwareImage {
        id: FirmwareId::from_random([1; 10]),
        file_name: "lamp.bin".to_owned(),
        tag: FirmwareTag { kind: tag("TMPL1"), version: tag("1.0"), build: None, library: None },
        size_bytes: IMAGE.len() as u64,
        sha256: Sha256::digest(IMAGE).into(),
        md5: [0; 16],
        created_at: NOW,
    };
    let name = format!("firmware/{}", hex(&image.sha256));
    store.add_firmware(image, Change::by("owner", NOW)).await.unwrap();
    fs::create_dir(data_dir.path().join("firmware")).unwrap();
    fs::write(data_dir.path().join(&name), IMAGE).unwrap();
    fs::write(data_dir.path().join("firmware/ab.upload"), "unfinished").unwrap();
    (data_dir, name)
}

#[tokio::test]
async fn images_come_along_in_folder_and_file_and_unfinished_uploads_do_not() {
    let (data_dir, name) = filled().await;
    let place = tempfile::tempdir().unwrap();
    for (backup, target) in [("folder", "first"), ("file.tar", "second")] {
        let summary = back_up(data_dir.path(), &place.path().join(backup)).unwrap();
        assert_eq!((summary.file_count, summary.missing_images), (3, vec![]));
        let target = place.path().join(target);
        let restored = restore(&place.path().join(backup), &target).unwrap();
        assert_eq!((restored.file_count, restored.missing_images), (3, vec![]));
        assert_eq!(fs::read(target.join(&name)).unwrap(), IMAGE);
        assert_eq!(fs::metadata(target.join(&name)).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(target.join("firmware")).unwrap().count(), 1);
        Store::open(&target).unwrap();
    }
}

#[tokio::test]
async fn an_image_without_a_file_is_named_and_stops_nothing() {
    let (data_dir, name) = filled().await;
    fs::remove_file(data_dir.path().join(&name)).unwrap();
    let place = tempfile::tempdir().unwrap();
    let backup = place.path().join("backup.tar");
    assert_eq!(back_up(data_dir.path(), &backup).unwrap().missing_images, ["lamp.bin"]);
    assert_eq!(restore(&backup, &place.path().join("data")).unwrap().missing_images, ["lamp.bin"]);
}

#[test]
fn a_folder_without_a_database_makes_no_backup() {
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("backup");
    let refused = back_up(place.path(), &to);
    assert!(matches!(refused, Err(BackUpError::Database(CopyDatabaseError::Nothing { .. }))), "{refused:?}");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "nothing temporary is left");
}

#[tokio::test]
async fn an_archive_may_hold_nothing_but_files_of_a_backup() {
    let (data_dir, _) = filled().await;
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("folder");
    back_up(data_dir.path(), &folder).unwrap();
    let foreign = place.path().join("foreign.tar");
    let mut archive = tar::Builder::new(File::create(&foreign).unwrap());
    archive.append_path_with_name(folder.join(TOKEN_KEY_FILE), "tls/another.pem").unwrap();
    archive.finish().unwrap();
    let target = place.path().join("data");
    assert!(matches!(restore(&foreign, &target), Err(RestoreError::NotABackup { .. })));

    let mut archive = tar::Builder::new(File::create(&foreign).unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    archive.append_link(&mut header, "token-key", "/etc/hostname").unwrap();
    archive.finish().unwrap();
    assert!(matches!(restore(&foreign, &target), Err(RestoreError::NotABackup { .. })));
}

#[test]
fn names_that_lead_out_of_a_backup_are_none_of_its_names() {
    let digest = "0a".repeat(32);
    assert!(is_backup_name("token-key") && is_backup_name(&format!("firmware/{digest}")));
    let others = ["", "../token-key", "/token-key", "firmware/", "firmware/../../x", "rehome.lock", "tls"];
    assert!(!others.iter().any(|name| is_backup_name(name)));
    assert!(!is_backup_name(&format!("firmware/{}", digest.to_uppercase())));
}

#[tokio::test]
async fn a_token_key_that_does_not_belong_to_the_database_is_refused_even_when_the_list_names_it() {
    let ((first, _), (second, _)) = (filled().await, filled().await);
    let place = tempfile::tempdir().unwrap();
    let [first, second] = [(first, "first"), (second, "second")].map(|(data_dir, name)| {
        let backup = place.path().join(name);
        back_up(data_dir.path(), &backup).unwrap();
        backup
    });
    let key = first.join(TOKEN_KEY_FILE);
    fs::copy(second.join(TOKEN_KEY_FILE), &key).unwrap();
    let manifest_path = first.join(MANIFEST_FILE);
    let mut manifest: Manifest = serde_json::from_slice(&fs::read(&manifest_path).unwrap()).unwrap();
    let listed = manifest.files.iter_mut().find(|file| file.name == TOKEN_KEY_FILE).unwrap();
    *listed = digest_of(&key, TOKEN_KEY_FILE).unwrap();
    fs::write(&manifest_path, manifest.to_json()).unwrap();
    let refused = restore(&first, &place.path().join("data"));
    let is_mismatch =
        matches!(refused, Err(RestoreError::Database(store::OpenStoreError::TokenKeyMismatch { .. })));
    assert!(is_mismatch, "{refused:?}");
}
