//! kill -9 at random moments: what was acknowledged is there afterwards.

#[cfg(test)]
mod crash {
    use std::collections::BTreeMap;
    use std::io::{BufRead, BufReader, Write};
    use std::path::Path;
    use std::process::{Command, Stdio};

    use registry::{DeviceId, Epoch, LookedUp, SessionId, TemplateId, Token, TokenRecord, UtcTime};
    use store::{Change, HistoryOf, HistoryQuery, NewDevice, NewSession, NewValue, Page, Store};
    use telemetry::{Pin, Value};

    const FOLDER_VARIABLE: &str = "STORE_CRASH_TEST_FOLDER";
    const ROUND_COUNT: u64 = 10;
    const WRITER_COUNT: u8 = 8;
    const MIXED_PIN: u8 = 100;
    const SEED: u64 = 0x5EED_0001;
    const NOW: UtcTime = UtcTime::from_unix_ms(1_795_000_000_000);

    fn template_id() -> TemplateId {
        TemplateId::from_random([1; 10])
    }

    fn device_id() -> DeviceId {
        DeviceId::from_random([1; 10])
    }

    fn claim_token(claim: u64) -> Token {
        let mut random = [0xC1; 24];
        random[..8].copy_from_slice(&claim.to_be_bytes());
        Token::from_random(random)
    }

    fn claim_id(claim: u64) -> [u8; 10] {
        // Five bits of each byte count, so the number is spread over all ten.
        std::array::from_fn(|index| u8::try_from(claim >> (5 * index) & 31).unwrap())
    }

    fn released_id(owner: u64) -> DeviceId {
        DeviceId::from_random(claim_id(owner + (1 << 48)))
    }

    #[test]
    fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
        if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
            return run_child(Path::new(&folder));
        }
        println!("seed {SEED:#x}");
        let folder = tempfile::tempdir().unwrap();
        let mut random = SEED;
        let mut acknowledged = Acknowledged::default();
        for round in 0..ROUND_COUNT {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let line_count = 1 + (random >> 33) % 400;
            let before = acknowledged.line_count;
            kill_child_after(folder.path(), line_count, &mut acknowledged);
            assert!(
                acknowledged.line_count - before >= line_count,
                "round {round}: the child stopped by itself"
            );
            check(folder.path(), &acknowledged, round);
        }
        assert!(!acknowledged.claims.is_empty() && !acknowledged.released.is_empty());
        assert_eq!(acknowledged.values.len(), usize::from(WRITER_COUNT) + 1);
    }

    #[derive(Debug, Default)]
    struct Acknowledged {
        line_count: u64,
        values: BTreeMap<u8, u64>,
        claims: Vec<u64>,
        released: Vec<u64>,
    }

    impl Acknowledged {
        fn note(&mut self, line: &str) {
            let mut words = line.split(' ');
            match (words.next(), words.next(), words.next()) {
                (Some("value"), Some(pin), Some(number)) => {
                    self.values.insert(pin.parse().unwrap(), number.parse().unwrap());
                }
                (Some("claim"), Some(claim), None) => self.claims.push(claim.parse().unwrap()),
                (Some("released"), Some(owner), None) => self.released.push(owner.parse().unwrap()),
                // The test runner's own lines.
                _ => return,
            }
            self.line_count += 1;
        }
    }

    fn kill_child_after(folder: &Path, line_count: u64, acknowledged: &mut Acknowledged) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::nothing_acknowledged_is_lost_when_the_server_is_killed", "--nocapture"])
            .env(FOLDER_VARIABLE, folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let until = acknowledged.line_count + line_count;
        let mut is_killed = false;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            // The kill may cut a line; without its line feed it still arrives here, so it must be told apart.
            let line = line.unwrap();
            let Some(line) = line.strip_suffix(" .") else { continue };
            acknowledged.note(line);
            if acknowledged.line_count >= until && !is_killed {
                child.kill().unwrap();
                is_killed = true;
            }
        }
        child.wait().unwrap();
    }

    fn check(folder: &Path, acknowledged: &Acknowledged, round: u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let store = Store::open(folder).unwrap();
        let stored: BTreeMap<u8, u64> = runtime
            .block_on(store.last_values(device_id()))
            .unwrap()
            .into_iter()
            .map(|value| (value.pin.number(), value.value.texts().concat().parse().unwrap()))
            .collect();
        for (pin, number) in &acknowledged.values {
            let found = stored.get(pin).copied().unwrap_or(0);
            // One more may have been stored without its answer getting out.
            assert!(
                (*number..=number + 1).contains(&found),
                "round {round}: V{pin} {found}, acknowledged {number}"
            );
        }
        for (pin, number) in acknowledged.values.iter().filter(|(pin, _)| **pin != MIXED_PIN) {
            let found = runtime.block_on(history(&store, *pin));
            let last = u64::try_from(found.len()).unwrap();
            // Each number once and in order, wherever the kill fell while rows were being moved.
            assert_eq!(found, (1..=last).collect::<Vec<_>>(), "round {round}: history of V{pin}");
            assert!(last >= *number, "round {round}: V{pin} ends at {last}, acknowledged {number}");
        }
        for owner in &acknowledged.released {
            let found = runtime.block_on(store.last_values(released_id(*owner))).unwrap();
            assert_eq!(found, [], "round {round}: a value of released device {owner} is back");
        }
        for claim in &acknowledged.claims {
            let found = store.look_up_token(claim_token(*claim).expose().as_bytes());
            assert!(
                matches!(found, LookedUp::Found(TokenRecord::Device { .. })),
                "round {round}: {claim} {found:?}"
            );
        }
    }

    async fn history(store: &Store, pin: u8) -> Vec<u64> {
        let mut query = HistoryQuery {
            device: device_id(),
            of: HistoryOf::CurrentOwnership,
            pin: Pin::new(pin),
            from: NOW,
            to: NOW.plus_ms(1),
            limit: 1_000,
            cursor: None,
        };
        let mut numbers = Vec::new();
        loop {
            let page = store.raw_history(query.clone()).await.unwrap();
            numbers.extend(page.rows.iter().map(|row| row.value.texts().concat().parse::<u64>().unwrap()));
            query.cursor = page.next;
            if query.cursor.is_none() {
                return numbers;
            }
        }
    }

    fn run_child(folder: &Path) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        runtime.block_on(async {
            let store = Store::open(folder).unwrap();
            if store.device(device_id()).await.unwrap().is_none() {
                set_up(&store).await;
            }
            let mut writers = Vec::new();
            for pin in 0..WRITER_COUNT {
                writers.push(tokio::spawn(write_for_ever(store.clone(), Pin::new(pin))));
            }
            writers.push(tokio::spawn(write_every_kind_for_ever(store.clone())));
            writers.push(tokio::spawn(release_for_ever(store.clone())));
            writers.push(tokio::spawn(move_history_for_ever(store.clone())));
            writers.push(tokio::spawn(claim_for_ever(store)));
            for writer in writers {
                writer.await.unwrap();
            }
        });
    }

    async fn set_up(store: &Store) {
        let owner = || Change::by("owner", NOW);
        // A kill may fall between these two.
        if store.template(template_id()).await.unwrap().is_none() {
            store.create_template(template_id(), "Air Monitor".to_owned(), owner()).await.unwrap();
        }
        let new = NewDevice {
            id: device_id(),
            template_id: template_id(),
            name: "One".to_owned(),
            token: Token::from_random([1; 24]),
        };
        store.create_device(new, owner()).await.unwrap();
    }

    async fn write_for_ever(store: Store, pin: Pin) {
        let last = store.last_value(device_id(), pin).await.unwrap();
        let first: u64 = last.map_or(1, |last| last.value.texts().concat().parse::<u64>().unwrap() + 1);
        for number in first.. {
            let write = vec![(pin, Value::from_text(&number.to_string()).unwrap())];
            store.write_values(device_id(), Epoch::FIRST, write, NOW).await.unwrap();
            say(&format!("value {} {number} .\n", pin.number()));
        }
    }

    /// Values that leave rows and values that leave none.
    async fn write_every_kind_for_ever(store: Store) {
        let pin = Pin::new(MIXED_PIN);
        let last = store.last_value(device_id(), pin).await.unwrap();
        let first: u64 = last.map_or(1, |last| last.value.texts().concat().parse::<u64>().unwrap() + 1);
        for number in first.. {
            let value = Value::from_text(&number.to_string()).unwrap();
            let new = match number % 4 {
                0 => NewValue::dated(pin, value, NOW),
                1 => NewValue::live(pin, value).without_history(),
                _ => NewValue::live(pin, value),
            };
            store.write_new_values(device_id(), Epoch::FIRST, vec![new], NOW).await.unwrap();
            say(&format!("value {MIXED_PIN} {number} .\n"));
        }
    }

    /// Devices that get a value of an owner and are released.
    async fn release_for_ever(store: Store) {
        let mut first = 0;
        while store.device(released_id(first)).await.unwrap().is_some() {
            first += 1;
        }
        for owner in first.. {
            let id = released_id(owner);
            let mut random = [0xEE; 24];
            random[..8].copy_from_slice(&owner.to_be_bytes());
            let token = Token::from_random(random);
            let new = NewDevice { id: id.clone(), template_id: template_id(), name: String::new(), token };
            store.create_device(new, Change::by("owner", NOW)).await.unwrap();
            let values =
                (0..3).map(|pin| (Pin::new(pin), Value::from_text("of an owner").unwrap())).collect();
            store.write_values(id.clone(), Epoch::FIRST, values, NOW).await.unwrap();
            assert_eq!(store.last_values(id.clone()).await.unwrap().len(), 3);
            store.begin_release(id, Change::by("owner", NOW)).await.unwrap();
            say(&format!("released {owner} .\n"));
        }
    }

    async fn move_history_for_ever(store: Store) {
        while store.compact_history(50).await.is_ok() {}
    }

    async fn claim_for_ever(store: Store) {
        // Each claim adds one token; a session that was cut off before its claim adds one too.
        let first = u64::try_from(store.token_count()).unwrap();
        for claim in first.. {
            let new = NewSession {
                id: SessionId::from_random(claim_id(claim)),
                template_id: template_id(),
                device_name: None,
                token: claim_token(claim),
                code: None,
                expires_at: NOW.plus_ms(1),
            };
            let session = store.create_session(new, Change::by("owner", NOW)).await.unwrap();
            let device = DeviceId::from_random(claim_id(claim + (1 << 49)));
            store.complete_claim(session.id, device, NOW).await.unwrap();
            say(&format!("claim {claim} .\n"));
        }
    }

    fn say(line: &str) {
        let mut out = std::io::stdout().lock();
        out.write_all(line.as_bytes()).unwrap();
        out.flush().unwrap();
    }

    #[tokio::test]
    async fn waiting_writes_are_finished_when_the_store_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        set_up(&store).await;
        let writes: Vec<_> = (0..100)
            .map(|pin| {
                let store = store.clone();
                tokio::spawn(async move {
                    let write = vec![(Pin::new(pin), Value::from_text("1").unwrap())];
                    store.write_values(device_id(), Epoch::FIRST, write, NOW).await
                })
            })
            .collect();
        drop(store);
        for write in writes {
            write.await.unwrap().unwrap();
        }
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.last_values(device_id()).await.unwrap().len(), 100);
        assert_eq!(store.list_devices(Page::default()).await.unwrap().items.len(), 1);
    }
}
