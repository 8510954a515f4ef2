//! The data folder of the SQLite backend: refusals that change nothing, secrets, a full disk.

#[cfg(test)]
mod folder {
    use std::collections::BTreeMap;
    use std::path::Path;

    use registry::{
        DeviceId, Epoch, LoginDecision, LookedUp, SessionId, TemplateId, Token, UtcTime, decide_login,
        status_code,
    };
    use rusqlite::Connection;
    use store::{
        Change, DeviceError, NewDevice, NewSession, OpenStoreError, StorageError, Store, StoreSettings,
        WriteValuesError, check_database,
    };
    use telemetry::{DataType, DatastreamId, DatastreamSettings, EnumRow, Pin, Value};

    const NOW: UtcTime = UtcTime::from_unix_ms(1_795_000_000_000);

    fn template_id() -> TemplateId {
        TemplateId::from_random([1; 10])
    }

    fn device_id(number: u8) -> DeviceId {
        DeviceId::from_random([number; 10])
    }

    fn known_token() -> Token {
        Token::parse(b"Known-secret-token-of-this-test_").unwrap()
    }

    fn owner() -> Change {
        Change::by("owner", NOW)
    }

    async fn add_device(store: &Store) {
        store.create_template(template_id(), "Air Monitor".to_owned(), owner()).await.unwrap();
        let new = NewDevice {
            id: device_id(1),
            template_id: template_id(),
            name: "One".to_owned(),
            token: known_token(),
        };
        store.create_device(new, owner()).await.unwrap();
    }

    fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries
            .map(|entry| {
                let entry = entry.unwrap();
                (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
            })
            .collect()
    }

    fn format_of(conn: &Connection) -> u32 {
        conn.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    /// Makes a database of an older format, with the key of its folder, from the migrations up to it.
    fn make_older(folder: &Path, migrations: &[&str]) -> Connection {
        let database = folder.join("rehome.db");
        drop(Store::open(folder).unwrap());
        let conn = Connection::open(&database).unwrap();
        let key_check: Vec<u8> = conn
            .query_row("SELECT value FROM settings WHERE name = 'key_check'", [], |row| row.get(0))
            .unwrap();
        let application_id: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0)).unwrap();
        drop(conn);
        std::fs::remove_file(&database).unwrap();
        let conn = Connection::open(&database).unwrap();
        for migration in migrations {
            conn.execute_batch(migration).unwrap();
        }
        conn.pragma_update(None, "application_id", application_id).unwrap();
        conn.pragma_update(None, "user_version", u32::try_from(migrations.len()).unwrap()).unwrap();
        conn.execute("INSERT INTO settings (name, value) VALUES ('key_check', ?1)", [&key_check]).unwrap();
        let (template, device) = (template_id(), device_id(1));
        conn.execute_batch(&format!(
            "INSERT INTO templates (id, name, created_at) VALUES ('{template}', 'Air Monitor', 0);
             INSERT INTO devices (id, template_id, name, epoch, ownership, created_at)
             VALUES ('{device}', '{template}', 'One', 1, 'owned', 0);
             INSERT INTO ownerships (device_id, epoch, reserved_at) VALUES ('{device}', 1, 0);"
        ))
        .unwrap();
        conn
    }

    const FIRST_FORMATS: [&str; 5] = [
        include_str!("../migrations/0001_foundation.sql"),
        include_str!("../migrations/0002_history.sql"),
        include_str!("../migrations/0003_datastreams_and_files.sql"),
        include_str!("../migrations/0004_shipments.sql"),
        include_str!("../migrations/0005_claim_codes.sql"),
    ];

    /// The second format had no numbers for metadata fields; those that devices had set get one.
    #[tokio::test]
    async fn a_database_of_the_second_format_is_brought_up_to_date() {
        let folder = tempfile::tempdir().unwrap();
        let conn = make_older(folder.path(), &FIRST_FORMATS[..2]);
        let device = device_id(1);
        conn.execute_batch(&format!(
            "INSERT INTO metadata (device_id, epoch, field, value)
             VALUES ('{device}', 1, 'Serial', 'x'), ('{device}', 1, 'Hotspot Name', 'x');"
        ))
        .unwrap();
        drop(conn);

        let store = Store::open(folder.path()).unwrap();
        let fields = store.metadata_fields(device_id(1), Epoch::FIRST).await.unwrap();
        let names: Vec<_> = fields.iter().map(|field| (field.id > 5, field.name.as_str())).collect();
        assert_eq!(names, [(false, "Hotspot Name"), (true, "Serial")]);
    }

    /// The table of datastreams is made anew for booleans: nothing in it is lost, and no number is given out twice.
    #[tokio::test]
    async fn datastreams_and_their_numbers_outlive_the_change_that_brought_booleans() {
        let folder = tempfile::tempdir().unwrap();
        let conn = make_older(folder.path(), &FIRST_FORMATS);
        let template = template_id();
        conn.execute_batch(&format!(
            "INSERT INTO datastreams (id, template_id, pin, name, data_type, is_synced, saves_raw_data,
                invalid_shows_default, is_hidden_from_http)
             VALUES (3, '{template}', 1, 'Mode', 'enum', 1, 0, 0, 0), (8, '{template}', 2, 'Gone', 'string', 0, 0, 0, 0);
             INSERT INTO datastream_enum_rows (datastream_id, number, text) VALUES (3, 0, 'Off'), (3, 1, 'On');
             DELETE FROM datastreams WHERE id = 8;"
        ))
        .unwrap();
        drop(conn);

        let store = Store::open(folder.path()).unwrap();
        let kept = store.datastreams(None).await.unwrap();
        let [(_, mode)] = kept.as_slice() else { panic!("{kept:?}") };
        let rows = [(0, "Off"), (1, "On")].map(|(number, text)| EnumRow { number, text: text.to_owned() });
        assert_eq!(mode.settings().data_type, DataType::Enum { rows: rows.to_vec(), fallback: None });
        assert_eq!((mode.id(), mode.settings().is_synced), (DatastreamId(3), true));
        let switch = DatastreamSettings {
            pin: Pin::new(2),
            name: "Switch".to_owned(),
            data_type: DataType::Boolean,
            ..mode.settings().clone()
        };
        let (switch, _) = store.put_datastream(template_id(), switch, owner()).await.unwrap();
        assert_eq!(switch.id(), DatastreamId(9));
        assert!(store.delete_datastream(template_id(), Pin::new(1), owner()).await.unwrap());
        drop(store);
        let conn = Connection::open(folder.path().join("rehome.db")).unwrap();
        let left: u32 =
            conn.query_row("SELECT count(*) FROM datastream_enum_rows", [], |row| row.get(0)).unwrap();
        assert_eq!(left, 0, "rows of an enum still go with it");
    }

    /// Devices of a database without events get the timeline and the lifecycle of everybody else.
    #[tokio::test]
    async fn a_database_of_the_fifth_format_is_brought_up_to_date() {
        let folder = tempfile::tempdir().unwrap();
        drop(make_older(folder.path(), &FIRST_FORMATS));

        let store = Store::open(folder.path()).unwrap();
        assert!(store.template_notices(None).await.unwrap().is_empty());
        let standings = store.standings(vec![device_id(1)]).await.unwrap();
        assert_eq!(standings.first().map(|standing| standing.status), Some(None));
        store.add_note(device_id(1), "hello".to_owned(), owner()).await.unwrap();
        drop(store);
    }

    #[tokio::test]
    async fn a_database_of_a_newer_version_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        drop(Store::open(folder.path()).unwrap());
        let database = folder.path().join("rehome.db");
        let conn = Connection::open(&database).unwrap();
        let current = format_of(&conn);
        conn.pragma_update(None, "user_version", 99).unwrap();
        drop(conn);
        let before = files(folder.path());

        let error = Store::open(folder.path()).unwrap_err();
        let is_newer =
            matches!(error, OpenStoreError::NewerVersion { found: 99, known, .. } if known == current);
        assert!(is_newer, "{error}");
        assert!(error.to_string().contains("update this program"), "{error}");
        assert_eq!(files(folder.path()).get("rehome.db"), before.get("rehome.db"));
        assert_eq!(files(folder.path()).get("token-key"), before.get("token-key"));
    }

    #[tokio::test]
    async fn a_newer_version_that_stands_only_in_the_log_is_refused_too() {
        let folder = tempfile::tempdir().unwrap();
        drop(Store::open(folder.path()).unwrap());
        let database = folder.path().join("rehome.db");
        let newer = Connection::open(&database).unwrap();
        let current = format_of(&newer);
        newer.pragma_update(None, "user_version", 99).unwrap();
        // Copied while the other version still runs, as a kill would leave it.
        let copy = tempfile::tempdir().unwrap();
        for name in ["rehome.db", "rehome.db-wal", "token-key"] {
            std::fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
        }
        let before = files(copy.path());
        let header_version = &before["rehome.db"][60..64];
        assert_eq!(header_version, current.to_be_bytes(), "the file itself does not know yet");

        let error = Store::open(copy.path()).unwrap_err();
        assert!(matches!(error, OpenStoreError::NewerVersion { found: 99, .. }), "{error}");
        for name in ["rehome.db", "rehome.db-wal", "token-key"] {
            assert_eq!(files(copy.path()).get(name), before.get(name), "{name}");
        }
    }

    #[tokio::test]
    async fn a_folder_in_use_is_refused_and_free_again_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let first = Store::open(folder.path()).unwrap();
        let error = Store::open(folder.path()).unwrap_err();
        assert!(matches!(error, OpenStoreError::InUse { .. }), "{error}");
        first.check_health().await.unwrap();
        drop(first);
        Store::open(folder.path()).unwrap();
    }

    #[test]
    fn what_is_not_our_database_is_refused_and_left_as_it_is() {
        let other_application = {
            let file = tempfile::NamedTempFile::new().unwrap();
            Connection::open(file.path()).unwrap().execute_batch("CREATE TABLE theirs (a)").unwrap();
            std::fs::read(file.path()).unwrap()
        };
        let mut damaged = other_application.clone();
        damaged[100..].fill(0xFF);
        for content in [b"short".to_vec(), vec![b'x'; 5_000], other_application, damaged] {
            let folder = tempfile::tempdir().unwrap();
            let database = folder.path().join("rehome.db");
            std::fs::write(&database, &content).unwrap();
            let error = Store::open(folder.path()).unwrap_err();
            assert!(matches!(error, OpenStoreError::NotADatabase { .. }), "{error:?}");
            assert_eq!(std::fs::read(&database).unwrap(), content);
            assert!(!folder.path().join("token-key").exists());
        }
    }

    #[test]
    fn a_damaged_database_of_ours_is_called_damaged_and_a_backup_is_advised() {
        let folder = tempfile::tempdir().unwrap();
        drop(Store::open(folder.path()).unwrap());
        let database = folder.path().join("rehome.db");
        let whole = std::fs::read(&database).unwrap();
        // The first page without its header; the second and third; a later one, with which it opens.
        for pages in [100..4_096, 4_096..12_288, whole.len() - 4_096..whole.len()] {
            let mut damaged = whole.clone();
            damaged[pages.clone()].fill(0x5A);
            std::fs::write(&database, &damaged).unwrap();
            let said = match check_database(folder.path()) {
                Ok(checked) => checked.damage.len(),
                Err(OpenStoreError::DamagedDatabase { .. }) => 1,
                Err(other) => panic!("{pages:?}: {other:?}"),
            };
            assert!(said > 0, "{pages:?}");
            match Store::open(folder.path()) {
                Err(error @ OpenStoreError::DamagedDatabase { .. }) => {
                    assert!(error.to_string().contains("rehome restore"), "{error}");
                    assert_eq!(std::fs::read(&database).unwrap(), damaged);
                }
                Err(other) => panic!("{pages:?}: {other:?}"),
                Ok(_opened) => assert_ne!(pages.start, 100),
            }
        }
    }

    #[test]
    fn a_data_folder_that_is_a_file_is_named_in_the_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Store::open(file.path()).unwrap_err();
        assert!(matches!(error, OpenStoreError::Folder { .. }), "{error:?}");
        assert!(error.to_string().contains(&file.path().display().to_string()), "{error}");
    }

    #[test]
    fn a_missing_or_foreign_key_is_refused_instead_of_forgetting_every_board() {
        let folder = tempfile::tempdir().unwrap();
        drop(Store::open(folder.path()).unwrap());
        let key = folder.path().join("token-key");
        let right = std::fs::read_to_string(&key).unwrap();

        std::fs::remove_file(&key).unwrap();
        assert!(matches!(Store::open(folder.path()), Err(OpenStoreError::TokenKeyMissing { .. })));
        assert!(!key.exists(), "no new key may take its place");
        for wrong in ["", "zz", &"0".repeat(64), &right.trim_end().repeat(2)] {
            std::fs::write(&key, wrong).unwrap();
            assert!(
                matches!(Store::open(folder.path()), Err(OpenStoreError::TokenKeyMismatch { .. })),
                "{wrong}"
            );
        }
        std::fs::write(&key, right).unwrap();
        Store::open(folder.path()).unwrap();
    }

    #[tokio::test]
    async fn a_lost_database_makes_every_token_unknown_and_none_invalid() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        add_device(&store).await;
        drop(store);
        std::fs::remove_file(folder.path().join("rehome.db")).unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.look_up_token(known_token().expose().as_bytes()), LookedUp::Unknown);
    }

    /// A backup made at a bad moment: one session open, one device not yet released. Whatever happened since is forgotten,
    /// but no board that is owned in truth may be told that its token is invalid, and no board may be wiped.
    #[tokio::test]
    async fn a_restored_backup_refuses_and_wipes_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        add_device(&store).await;
        let claimed_later = Token::from_random([2; 24]);
        let session = NewSession {
            id: SessionId::from_random([2; 10]),
            template_id: template_id(),
            device_name: None,
            token: claimed_later.clone(),
            code: None,
            expires_at: NOW.plus_ms(1_000),
        };
        store.create_session(session, owner()).await.unwrap();
        drop(store);
        let backup = files(folder.path());

        let store = Store::open(folder.path()).unwrap();
        store.complete_claim(SessionId::from_random([2; 10]), device_id(2), NOW).await.unwrap();
        let created_later = Token::from_random([3; 24]);
        let new = NewDevice {
            id: device_id(3),
            template_id: template_id(),
            name: "Three".to_owned(),
            token: created_later.clone(),
        };
        store.create_device(new, owner()).await.unwrap();
        drop(store);
        for (name, content) in backup {
            std::fs::write(folder.path().join(name), content).unwrap();
        }

        let store = Store::open(folder.path()).unwrap();
        let later = NOW.plus_ms(100_000);
        store.expire_sessions(later).await.unwrap();
        for (token, status) in [(known_token(), 200), (claimed_later, 19), (created_later, 19)] {
            let decision = decide_login(store.look_up_token(token.expose().as_bytes()), later);
            assert_eq!(status_code(&decision), status, "{decision:?}");
            assert!(!matches!(decision, LoginDecision::Quarantine { .. }));
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn secrets_are_in_no_file_and_the_key_is_private() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        add_device(&store).await;
        store.create_sign_in_code("known-sign-in-code", NOW).await.unwrap();
        store.create_console_session("known-cookie", NOW, owner()).await.unwrap();
        store.record_unknown_token(&Token::from_random([9; 24]), String::new(), NOW).await.unwrap();
        let unknown = Token::from_random([9; 24]);
        let secrets = [known_token().expose(), unknown.expose(), "known-sign-in-code", "known-cookie"]
            .map(str::to_owned);
        for (name, content) in files(folder.path()) {
            for secret in &secrets {
                let is_found = content.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!is_found, "{secret} in {name}");
            }
        }
        let mode = std::fs::metadata(folder.path().join("token-key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(store);
    }

    #[tokio::test]
    async fn purged_values_leave_no_bytes_behind() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        add_device(&store).await;
        let secret = "value-of-the-former-owner";
        let write = vec![(Pin::new(1), Value::from_text(secret).unwrap())];
        store.write_values(device_id(1), Epoch::FIRST, write, NOW).await.unwrap();
        let has_secret = |folder: &Path| {
            files(folder)
                .values()
                .any(|content| content.windows(secret.len()).any(|w| w == secret.as_bytes()))
        };
        assert!(has_secret(folder.path()));
        store.begin_release(device_id(1), owner()).await.unwrap();
        drop(store);
        assert!(!has_secret(folder.path()));
    }

    #[tokio::test]
    async fn a_full_disk_is_named_acknowledges_nothing_and_heals() {
        let folder = tempfile::tempdir().unwrap();
        let settings = StoreSettings { page_count_max: Some(120), ..StoreSettings::default() };
        let store = Store::open_with(folder.path(), &settings).unwrap();
        add_device(&store).await;
        let mut acknowledged = Vec::new();
        let big = "x".repeat(1_000);
        let error = loop {
            let pin = Pin::new(u8::try_from(acknowledged.len()).unwrap());
            let fields = [big.as_bytes(), big.as_bytes(), big.as_bytes()];
            let write = vec![(pin, Value::from_fields(fields).unwrap())];
            match store.write_values(device_id(1), Epoch::FIRST, write, NOW).await {
                Ok(()) => acknowledged.push(pin),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, WriteValuesError::Storage(StorageError::DiskFull)), "{error:?}");
        assert!(acknowledged.len() > 5, "{acknowledged:?}");
        let stored = |values: Vec<store::StoredValue>| values.iter().map(|v| v.pin).collect::<Vec<_>>();
        assert_eq!(stored(store.last_values(device_id(1)).await.unwrap()), acknowledged);

        // Whoever is known stays known, and what needs no room still works.
        let looked_up = store.look_up_token(known_token().expose().as_bytes());
        assert!(matches!(looked_up, LookedUp::Found(_)));
        store.begin_release(device_id(1), owner()).await.unwrap();
        store.check_health().await.unwrap();
        let renamed = store.rename_device(device_id(2), String::new(), owner()).await;
        assert!(matches!(renamed, Err(DeviceError::NotFound)), "not a storage error any more");
        drop(store);
        Store::open(folder.path()).unwrap().check_health().await.unwrap();
    }

    #[test]
    fn a_database_larger_than_its_limit_still_opens() {
        let folder = tempfile::tempdir().unwrap();
        drop(Store::open(folder.path()).unwrap());
        Store::open_with(
            folder.path(),
            &StoreSettings { page_count_max: Some(1), ..StoreSettings::default() },
        )
        .unwrap();
    }
}
