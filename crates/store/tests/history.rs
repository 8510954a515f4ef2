//! History: whatever the order of arrival and wherever rows were moved, pages and roll-ups are those of the raw values.

#[cfg(test)]
mod history {
    use std::collections::BTreeMap;
    use std::path::Path;

    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};
    use registry::{DeviceId, Epoch, TemplateId, Token, UtcTime};
    use store::{
        Change, Expired, HistoryOf, HistoryPage, HistoryQuery, HistoryRollup, HistorySettings, HistoryValue,
        Maintained, NewDevice, NewValue, Store, StoreSettings, WriteValuesError,
    };
    use telemetry::{Pin, Rollup, RollupStep, Value};

    const NOW: UtcTime = UtcTime::from_unix_ms(1_795_000_000_000);
    const DAY_MS: i64 = 86_400_000;
    const PIN: Pin = Pin::new(1);

    /// A store whose chunks hold a few points, so that a few dozen values meet every border.
    fn open(folder: &Path) -> Store {
        let history = HistorySettings {
            chunk_bytes_max: 12,
            step_rows_max: 3,
            scan_values_max: 5,
            ..HistorySettings::default()
        };
        Store::open_with(folder, &StoreSettings { history, ..StoreSettings::default() }).unwrap()
    }

    fn device_id(number: u8) -> DeviceId {
        DeviceId::from_random([number; 10])
    }

    fn owner() -> Change {
        Change::by("owner", NOW)
    }

    async fn add_device(store: &Store, number: u8) {
        let template_id = TemplateId::from_random([1; 10]);
        if store.template(template_id.clone()).await.unwrap().is_none() {
            store.create_template(template_id.clone(), "Air Monitor".to_owned(), owner()).await.unwrap();
        }
        let token = Token::from_random([number; 24]);
        let new = NewDevice { id: device_id(number), template_id, name: String::new(), token };
        store.create_device(new, owner()).await.unwrap();
    }

    fn text(text: &str) -> Value {
        Value::from_text(text).unwrap()
    }

    fn query(from_ms: i64, to_ms: i64, limit: u32) -> HistoryQuery {
        HistoryQuery {
            device: device_id(1),
            of: HistoryOf::CurrentOwnership,
            pin: PIN,
            from: UtcTime::from_unix_ms(from_ms),
            to: UtcTime::from_unix_ms(to_ms),
            limit,
            cursor: None,
        }
    }

    async fn write(store: &Store, number: u8, values: Vec<NewValue>) -> Result<(), WriteValuesError> {
        store.write_new_values(device_id(number), Epoch::FIRST, values, NOW).await
    }

    /// Reads every page.
    async fn raw(store: &Store, mut query: HistoryQuery) -> Vec<(i64, String)> {
        let mut all = Vec::new();
        loop {
            let HistoryPage { rows, next } = store.raw_history(query.clone()).await.unwrap();
            assert!(rows.len() <= usize::try_from(query.limit).unwrap());
            let shown = |row: HistoryValue| (row.at.unix_ms(), row.value.texts().concat());
            all.extend(rows.into_iter().map(shown));
            // As a client would send it back.
            let Some(next) = next else { return all };
            query.cursor = Some(next.to_string().parse().unwrap());
        }
    }

    async fn rolled(store: &Store, mut query: HistoryQuery, step: RollupStep) -> Vec<HistoryRollup> {
        let mut all = Vec::new();
        loop {
            let HistoryPage { rows, next } = store.rolled_history(query.clone(), step).await.unwrap();
            all.extend(rows);
            if next.is_none() {
                return all;
            }
            query.cursor = next;
        }
    }

    /// One transaction of moving rows, or a whole round.
    async fn compact(store: &Store) {
        while store.compact_history(1).await.unwrap() == Maintained::More {}
    }

    /// What happens to a stream; times are in steps of 20 minutes before now.
    #[derive(Debug, Clone)]
    enum Step {
        Write(Vec<(i64, i16)>),
        WriteText(i64),
        OtherPin(u8),
        Compact,
        OneStepOfCompacting,
        Delete(i64, i64),
        DeleteAll,
        Restart,
    }

    fn any_step() -> impl Strategy<Value = Step> {
        let times = 0..100_i64;
        prop_oneof![
            8 => proptest::collection::vec((times.clone(), -50..50_i16), 1..8).prop_map(Step::Write),
            1 => times.clone().prop_map(Step::WriteText),
            1 => (2..5_u8).prop_map(Step::OtherPin),
            2 => Just(Step::Compact),
            2 => Just(Step::OneStepOfCompacting),
            1 => (times, 0..40_i64).prop_map(|(from, length)| Step::Delete(from, from + length)),
            1 => Just(Step::DeleteAll),
            1 => Just(Step::Restart),
        ]
    }

    fn time_of(number: i64) -> i64 {
        NOW.unix_ms() - 100 * 1_200_000 + number * 1_200_000
    }

    #[test]
    fn pages_and_roll_ups_are_those_of_the_raw_values_in_every_order_and_at_every_moment_of_moving() {
        let config = Config { cases: 60, failure_persistence: None, ..Config::default() };
        let steps = proptest::collection::vec(any_step(), 1..25);
        TestRunner::new(config)
            .run(&steps, |steps| {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(live(steps));
                Ok(())
            })
            .unwrap();
    }

    async fn live(steps: Vec<Step>) {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path());
        add_device(&store, 1).await;
        // In the order of arrival.
        let mut model: Vec<(i64, String)> = Vec::new();
        for step in steps {
            match step {
                Step::Write(samples) => {
                    let new = |(at, number): &(i64, i16)| {
                        let at = UtcTime::from_unix_ms(time_of(*at));
                        NewValue::dated(PIN, text(&format!("{number}.5")), at)
                    };
                    write(&store, 1, samples.iter().map(new).collect()).await.unwrap();
                    model.extend(samples.iter().map(|(at, number)| (time_of(*at), format!("{number}.5"))));
                }
                Step::WriteText(at) => {
                    let at = time_of(at);
                    let new = NewValue::dated(PIN, text("no number"), UtcTime::from_unix_ms(at));
                    write(&store, 1, vec![new]).await.unwrap();
                    model.push((at, "no number".to_owned()));
                }
                Step::OtherPin(pin) => {
                    write(&store, 1, vec![NewValue::live(Pin::new(pin), text("1"))]).await.unwrap();
                }
                Step::Compact => compact(&store).await,
                Step::OneStepOfCompacting => drop(store.compact_history(1).await.unwrap()),
                Step::Delete(from, to) => {
                    let range = (UtcTime::from_unix_ms(time_of(from)), UtcTime::from_unix_ms(time_of(to)));
                    store
                        .delete_history(
                            device_id(1),
                            HistoryOf::CurrentOwnership,
                            Some(PIN),
                            Some(range),
                            owner(),
                        )
                        .await
                        .unwrap();
                    model.retain(|(at, _)| !(time_of(from)..time_of(to)).contains(at));
                }
                Step::DeleteAll => {
                    let of = HistoryOf::CurrentOwnership;
                    store.delete_history(device_id(1), of, None, None, owner()).await.unwrap();
                    model.clear();
                }
                Step::Restart => {
                    drop(store);
                    store = open(folder.path());
                }
            }
            check(&store, &model).await;
        }
    }

    async fn check(store: &Store, model: &[(i64, String)]) {
        let mut sorted = model.to_vec();
        sorted.sort_by_key(|(at, _)| *at);
        for limit in [1, 3, 10_000] {
            assert_eq!(raw(store, query(i64::MIN, i64::MAX, limit)).await, sorted, "pages of {limit}");
        }
        let (from, to) = (time_of(30), time_of(60));
        let inside: Vec<_> = sorted.iter().filter(|(at, _)| (from..to).contains(at)).cloned().collect();
        assert_eq!(raw(store, query(from, to, 4)).await, inside, "a stretch");
        for step in [RollupStep::Minute, RollupStep::Hour, RollupStep::Day] {
            let mut naive: BTreeMap<i64, Vec<(i64, f64)>> = BTreeMap::new();
            for (at, value) in &sorted {
                if let Ok(number) = value.parse() {
                    naive.entry(step.start_of(*at)).or_default().push((*at, number));
                }
            }
            let rollups = rolled(store, query(time_of(0), time_of(100), 7), step).await;
            assert_eq!(rollups.len(), naive.len(), "{step:?}");
            for (rollup, (start, numbers)) in rollups.iter().zip(naive) {
                let all = || numbers.iter().map(|(_, number)| *number);
                assert_eq!(rollup.at.unix_ms(), start);
                let (last_at_ms, last) = *numbers.last().unwrap();
                let expected = Rollup {
                    count: u64::try_from(numbers.len()).unwrap(),
                    // Halves are exact in binary, so the order of adding makes no difference.
                    sum: all().sum(),
                    min: all().fold(f64::INFINITY, f64::min),
                    max: all().fold(f64::NEG_INFINITY, f64::max),
                    last,
                    last_at_ms,
                };
                assert_eq!(rollup.numbers, expected, "{step:?}");
            }
        }
    }

    #[tokio::test]
    async fn many_values_of_one_millisecond_stay_in_the_order_of_their_arrival() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        add_device(&store, 1).await;
        let mut expected = Vec::new();
        for round in 0..6 {
            let numbers = round * 20..(round + 1) * 20;
            let values = numbers.clone().map(|number| NewValue::live(PIN, text(&number.to_string())));
            write(&store, 1, values.collect()).await.unwrap();
            expected.extend(numbers.map(|number| (NOW.unix_ms(), number.to_string())));
            // Something later, then something earlier, so that the run is cut from both sides.
            if round == 3 {
                let earlier = UtcTime::from_unix_ms(NOW.unix_ms() - 1);
                write(&store, 1, vec![NewValue::dated(PIN, text("earlier"), earlier)]).await.unwrap();
                expected.insert(0, (earlier.unix_ms(), "earlier".to_owned()));
            }
            compact(&store).await;
            assert_eq!(raw(&store, query(0, i64::MAX, 7)).await, expected, "round {round}");
        }
    }

    #[tokio::test]
    async fn a_live_value_always_becomes_the_last_one_and_a_dated_one_only_when_it_is_newer() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        add_device(&store, 1).await;
        let last = async || store.last_value(device_id(1), PIN).await.unwrap().unwrap();
        write(&store, 1, vec![NewValue::live(PIN, text("now"))]).await.unwrap();
        write(&store, 1, vec![NewValue::dated(PIN, text("old"), NOW.plus_ms(-1))]).await.unwrap();
        assert_eq!(last().await.value, text("now"));
        // A future date counts as now.
        write(&store, 1, vec![NewValue::dated(PIN, text("future"), NOW.plus_ms(DAY_MS))]).await.unwrap();
        assert_eq!((last().await.value, last().await.at), (text("future"), NOW));
        // The server's clock was put back: what is written now is the truth all the same.
        let earlier = NOW.plus_ms(-DAY_MS);
        let values = vec![NewValue::live(PIN, text("after")).without_history()];
        store.write_new_values(device_id(1), Epoch::FIRST, values, earlier).await.unwrap();
        assert_eq!(last().await.value, text("after"));
        let all = raw(&store, query(0, i64::MAX, 100)).await;
        assert_eq!(all.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), ["old", "now", "future"]);
    }

    #[tokio::test]
    async fn the_history_of_an_ownership_ends_with_it_and_leaves_no_bytes_behind() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        add_device(&store, 1).await;
        add_device(&store, 2).await;
        for number in [1, 2] {
            for part in ["former-owner-in-a-chunk", "former-owner-in-recent"] {
                let values = vec![NewValue::live(PIN, text(part)), NewValue::live(PIN, text("2.5"))];
                write(&store, number, values).await.unwrap();
                if part.ends_with("chunk") {
                    compact(&store).await;
                }
            }
        }
        // In the middle of a round: the rows of device 2 are still named by the plan.
        write(&store, 1, vec![NewValue::live(PIN, text("3.5"))]).await.unwrap();
        assert_eq!(store.compact_history(1).await.unwrap(), Maintained::More);
        store.begin_release(device_id(1), owner()).await.unwrap();
        assert_eq!(raw(&store, query(0, i64::MAX, 100)).await, []);
        assert_eq!(rolled(&store, query(0, i64::MAX, 100), RollupStep::Day).await, []);
        assert_eq!(store.history_pins(device_id(1), HistoryOf::Epoch(Epoch::FIRST)).await.unwrap(), []);
        let other = HistoryQuery { device: device_id(2), ..query(0, i64::MAX, 100) };
        assert_eq!(raw(&store, other).await.len(), 4);
        store.force_delete(device_id(2), owner()).await.unwrap();
        drop(store);
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let content = std::fs::read(entry.unwrap().path()).unwrap();
            assert!(!content.windows(12).any(|window| window == b"former-owner"));
        }
    }

    #[tokio::test]
    async fn what_is_past_its_time_goes_and_hours_stay_longer_than_values() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        add_device(&store, 1).await;
        let at = |days: i64| NOW.plus_ms(-days * DAY_MS);
        let values = (0..90).rev().map(|days| NewValue::dated(PIN, text(&days.to_string()), at(days)));
        write(&store, 1, values.collect()).await.unwrap();
        compact(&store).await;
        assert_eq!(store.expire_history(0, NOW).await.unwrap(), Expired::UpTo(1));
        assert_eq!(store.expire_history(1, NOW).await.unwrap(), Expired::All);
        let left = raw(&store, query(0, i64::MAX, 10_000)).await;
        assert!((32..36).contains(&left.len()), "{}", left.len());
        assert_eq!(left.last().unwrap().1, "0");
        assert_eq!(rolled(&store, query(0, NOW.unix_ms(), 10_000), RollupStep::Hour).await.len(), 90);
        store.expire_history(0, NOW.plus_ms(1_095 * DAY_MS)).await.unwrap();
        assert_eq!(rolled(&store, query(0, NOW.unix_ms(), 10_000), RollupStep::Day).await.len(), 1);
        assert_eq!(raw(&store, query(0, i64::MAX, 10_000)).await, []);
    }

    #[tokio::test]
    async fn a_sink_answers_for_everything_it_accepted_and_ends_with_the_ownership() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        add_device(&store, 1).await;
        let sink = store.value_sink(device_id(1), Epoch::FIRST);
        for number in 0..50 {
            sink.accept(vec![NewValue::live(PIN, text(&number.to_string()))], NOW).await.unwrap();
        }
        sink.flush().await.unwrap();
        assert_eq!(raw(&store, query(0, i64::MAX, 100)).await.len(), 50);
        store.begin_release(device_id(1), owner()).await.unwrap();
        sink.accept(vec![NewValue::live(PIN, text("late"))], NOW).await.unwrap();
        assert!(matches!(sink.flush().await, Err(WriteValuesError::NotOwned)));
        let refused = sink.accept(vec![NewValue::live(PIN, text("later"))], NOW).await;
        assert!(matches!(refused, Err(WriteValuesError::NotOwned)));
        assert_eq!(raw(&store, query(0, i64::MAX, 100)).await, []);
    }
}
