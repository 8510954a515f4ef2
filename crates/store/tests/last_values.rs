//! Last values: whatever was written how, moved, erased, deleted or released, and wherever the store was closed without
//! a word, they are what the writes in their order say.

#[cfg(test)]
mod last_values {
    use std::collections::BTreeMap;
    use std::future::poll_fn;
    use std::path::Path;
    use std::pin::Pin as Pinned;
    use std::task::Poll;

    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};
    use registry::{DeviceId, Epoch, TemplateId, Token, UtcTime};
    use store::{
        Change, HistoryOf, HistorySettings, Maintained, NewDevice, NewValue, Store, StoreSettings,
        WriteValuesError,
    };
    use telemetry::{Pin, Value};

    const NOW: UtcTime = UtcTime::from_unix_ms(1_795_000_000_000);
    const DEVICE_COUNT: u8 = 3;
    const PIN_COUNT: u8 = 3;

    fn open(folder: &Path) -> Store {
        let history = HistorySettings { step_rows_max: 2, ..HistorySettings::default() };
        Store::open_with(folder, &StoreSettings { history, ..StoreSettings::default() }).unwrap()
    }

    fn device_id(number: u8) -> DeviceId {
        DeviceId::from_random([number; 10])
    }

    fn owner() -> Change {
        Change::by("owner", NOW)
    }

    fn at(offset_ms: i64) -> UtcTime {
        NOW.plus_ms(offset_ms)
    }

    #[derive(Debug, Clone)]
    struct Written {
        pin: u8,
        dated_at: Option<i64>,
        keeps_history: bool,
    }

    /// What happens to one device.
    #[derive(Debug, Clone)]
    enum Act {
        /// The clock may go back, so each write has a time of its own.
        Write(i64, Vec<Written>),
        Erase(u8),
        DeleteHistory(Option<u8>, i64, i64),
        Release,
    }

    #[derive(Debug, Clone)]
    enum Step {
        /// Queued one after the other before any of them is waited for, so that they share transactions.
        Together(Vec<(u8, Act)>),
        Compact,
        OneStepOfCompacting,
        Restart,
    }

    fn any_act() -> impl Strategy<Value = Act> {
        let pin = 0..PIN_COUNT;
        let time = -6..6_i64;
        let written = (pin.clone(), proptest::option::weighted(0.3, time.clone()), prop::bool::weighted(0.8))
            .prop_map(|(pin, dated_at, keeps_history)| Written { pin, dated_at, keeps_history });
        prop_oneof![
            20 => (time.clone(), proptest::collection::vec(written, 1..4))
                .prop_map(|(arrived_at, written)| Act::Write(arrived_at, written)),
            3 => pin.clone().prop_map(Act::Erase),
            4 => (proptest::option::of(pin), -9..3_i64, 3..15_i64)
                .prop_map(|(pin, from, length)| Act::DeleteHistory(pin, from, from + length)),
            1 => Just(Act::Release),
        ]
    }

    fn any_step() -> impl Strategy<Value = Step> {
        let acts = proptest::collection::vec((0..DEVICE_COUNT, any_act()), 1..6);
        prop_oneof![
            8 => acts.prop_map(Step::Together),
            1 => Just(Step::Compact),
            2 => Just(Step::OneStepOfCompacting),
            3 => Just(Step::Restart),
        ]
    }

    /// Last values by device and pin, with their times; none for a device that was released.
    type Model = BTreeMap<u8, Option<BTreeMap<u8, (i64, String)>>>;

    fn expect(model: &mut Model, device: u8, act: &Act, texts: &[String]) {
        let Some(values) = model.get_mut(&device).unwrap() else { return };
        match act {
            Act::Write(arrived_at, written) => {
                for (written, text) in written.iter().zip(texts) {
                    let at = written.dated_at.map_or(*arrived_at, |at| at.min(*arrived_at));
                    let is_older = values.get(&written.pin).is_some_and(|(last_at, _)| at < *last_at);
                    if written.dated_at.is_none() || !is_older {
                        values.insert(written.pin, (at, text.clone()));
                    }
                }
            }
            Act::Erase(pin) => {
                values.remove(pin);
            }
            Act::DeleteHistory(..) => {}
            Act::Release => *model.get_mut(&device).unwrap() = None,
        }
    }

    async fn act(store: Store, device: u8, act: Act, texts: Vec<String>) -> Result<(), WriteValuesError> {
        let id = device_id(device);
        match act {
            Act::Write(arrived_at, written) => {
                let new = |(written, text): (&Written, String)| NewValue {
                    pin: Pin::new(written.pin),
                    value: Value::from_text(&text).unwrap(),
                    dated_at: written.dated_at.map(at),
                    keeps_history: written.keeps_history,
                };
                let values = written.iter().zip(texts).map(new).collect();
                return store.write_new_values(id, Epoch::FIRST, values, at(arrived_at)).await;
            }
            Act::Erase(pin) => store.erase_value(id, Pin::new(pin)).await.unwrap(),
            Act::DeleteHistory(pin, from, to) => store
                .delete_history(
                    id,
                    HistoryOf::CurrentOwnership,
                    pin.map(Pin::new),
                    Some((at(from), at(to))),
                    owner(),
                )
                .await
                .unwrap(),
            Act::Release => drop(store.begin_release(id, owner()).await.unwrap()),
        }
        Ok(())
    }

    #[test]
    fn they_are_what_the_writes_say_through_moving_erasing_releasing_and_restarts() {
        let config = Config { cases: 20, failure_persistence: None, ..Config::default() };
        TestRunner::new(config)
            .run(&proptest::collection::vec(any_step(), 1..25), |steps| {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(live(steps));
                Ok(())
            })
            .unwrap();
    }

    async fn live(steps: Vec<Step>) {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path());
        add_devices(&store).await;
        let mut model: Model = (0..DEVICE_COUNT).map(|number| (number, Some(BTreeMap::new()))).collect();
        let mut written_count = 0;
        for step in steps {
            match step {
                Step::Together(acts) => together(&store, &mut model, acts, &mut written_count).await,
                Step::Compact => while store.compact_history(1).await.unwrap() == Maintained::More {},
                Step::OneStepOfCompacting => drop(store.compact_history(1).await.unwrap()),
                // Closing settles nothing, so what comes back was read from the rows.
                Step::Restart => {
                    drop(store);
                    store = open(folder.path());
                }
            }
            check(&store, &model).await;
        }
    }

    async fn together(store: &Store, model: &mut Model, acts: Vec<(u8, Act)>, written_count: &mut u32) {
        type Outcome = Result<(), WriteValuesError>;
        type Acting = Pinned<Box<dyn Future<Output = Outcome>>>;
        let mut waiting: Vec<(bool, Poll<Outcome>, Acting)> = Vec::new();
        for (device, next) in acts {
            let count = if let Act::Write(_, written) = &next { written.len() } else { 0 };
            let texts: Vec<String> = (0..count)
                .map(|_| {
                    *written_count += 1;
                    written_count.to_string()
                })
                .collect();
            let is_owned = model.get(&device).unwrap().is_some();
            expect(model, device, &next, &texts);
            let mut acting: Acting = Box::pin(act(store.clone(), device, next, texts));
            // One poll puts it into the queue.
            let first_look = poll_fn(|context| Poll::Ready(acting.as_mut().poll(context))).await;
            waiting.push((is_owned || count == 0, first_look, acting));
        }
        for (is_taken, first_look, acting) in waiting {
            let outcome = if let Poll::Ready(outcome) = first_look { outcome } else { acting.await };
            assert_eq!(outcome.is_ok(), is_taken, "{outcome:?}");
        }
    }

    async fn add_devices(store: &Store) {
        let template_id = TemplateId::from_random([1; 10]);
        store.create_template(template_id.clone(), "Air Monitor".to_owned(), owner()).await.unwrap();
        for number in 0..DEVICE_COUNT {
            let new = NewDevice {
                id: device_id(number),
                template_id: template_id.clone(),
                name: String::new(),
                token: Token::from_random([number; 24]),
            };
            store.create_device(new, owner()).await.unwrap();
        }
    }

    async fn check(store: &Store, model: &Model) {
        for (number, expected) in model {
            let stored = store.last_values(device_id(*number)).await.unwrap();
            let found: BTreeMap<u8, (i64, String)> = stored
                .iter()
                .map(|value| {
                    let offset_ms = value.at.unix_ms() - NOW.unix_ms();
                    (value.pin.number(), (offset_ms, value.value.texts().concat()))
                })
                .collect();
            assert_eq!(found.len(), stored.len(), "one for each pin");
            assert_eq!(found, expected.clone().unwrap_or_default(), "device {number}");
            for pin in 0..PIN_COUNT {
                let one = store.last_value(device_id(*number), Pin::new(pin)).await.unwrap();
                assert_eq!(one.as_ref(), stored.iter().find(|value| value.pin.number() == pin));
            }
        }
    }

    #[tokio::test]
    async fn a_copy_of_the_database_holds_the_newest_and_a_reader_never_misses_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        add_devices(&store).await;
        let write = |number: u32| {
            let value = NewValue::live(Pin::new(1), Value::from_text(&number.to_string()).unwrap());
            store.write_new_values(device_id(1), Epoch::FIRST, vec![value], NOW)
        };
        let last = async |store: &Store| -> u32 {
            let last = store.last_value(device_id(1), Pin::new(1)).await.unwrap().unwrap();
            last.value.texts().concat().parse().unwrap()
        };
        for number in 1..100 {
            write(number).await.unwrap();
            // Beginning a round settles: the value goes from memory to the table while it is read.
            let (seen, compacted) = tokio::join!(last(&store), store.compact_history(1));
            compacted.unwrap();
            assert_eq!(seen, number);
        }
        write(100).await.unwrap();
        let copy = tempfile::tempdir().unwrap();
        store::copy_database(folder.path(), &copy.path().join(store::DATABASE_FILE)).unwrap();
        let key = store::TOKEN_KEY_FILE;
        std::fs::copy(folder.path().join(key), copy.path().join(key)).unwrap();
        drop(store);
        assert_eq!(last(&open(copy.path())).await, 100);
    }
}
