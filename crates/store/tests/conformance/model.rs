//! Random lives of a few devices, with restarts in between, against a map.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use registry::{Epoch, LookedUp, ReleaseState, TokenRecord};
use store::Store;
use telemetry::{Pin, Value};

use crate::backend::{Backend, NOW, add_device, device_id, look_up, owner, with_template};

const DEVICE_COUNT: u8 = 3;

#[derive(Debug, Clone)]
enum Step {
    Create(u8),
    LogIn(u8),
    Write(u8, Vec<(u8, u8)>),
    Release(u8),
    InferWipe(u8),
    ForceDelete(u8),
    Restart,
}

/// What the store should know of a device that exists or existed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Model {
    Live(BTreeMap<u8, u8>),
    Released(ReleaseState),
    Deleted,
}

fn any_step() -> impl Strategy<Value = Step> {
    let device = 0..DEVICE_COUNT;
    let pins = proptest::collection::vec((0..4_u8, any::<u8>()), 0..5);
    prop_oneof![
        2 => device.clone().prop_map(Step::Create),
        1 => device.clone().prop_map(Step::LogIn),
        6 => (device.clone(), pins).prop_map(|(device, pins)| Step::Write(device, pins)),
        1 => device.clone().prop_map(Step::Release),
        1 => device.clone().prop_map(Step::InferWipe),
        1 => device.prop_map(Step::ForceDelete),
        1 => Just(Step::Restart),
    ]
}

pub(crate) async fn the_store_agrees_with_a_map<B: Backend + 'static>(_backend: &B) {
    // The runner is synchronous and needs a runtime of its own for each case.
    let outcome = tokio::task::spawn_blocking(|| {
        let mut runner =
            TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
        runner.run(&proptest::collection::vec(any_step(), 0..40), |steps| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(live::<B>(steps));
            Ok(())
        })
    });
    outcome.await.unwrap().unwrap();
}

async fn live<B: Backend>(steps: Vec<Step>) {
    let backend = B::new();
    let mut store = with_template(&backend).await;
    let mut model = BTreeMap::new();
    for step in steps {
        if matches!(step, Step::Restart) {
            drop(store);
            store = backend.open();
        } else {
            apply(&store, &mut model, step).await;
        }
        check(&store, &model).await;
    }
}

async fn apply(store: &Store, model: &mut BTreeMap<u8, Model>, step: Step) {
    match step {
        Step::Create(number) => {
            // A token is never given out twice, so a number that was used once stays used.
            if let Entry::Vacant(vacant) = model.entry(number) {
                add_device(store, number).await;
                vacant.insert(Model::Live(BTreeMap::new()));
            }
        }
        Step::LogIn(number) => {
            let outcome = store.record_login(device_id(number), Epoch::FIRST, NOW).await;
            assert_eq!(outcome.is_ok(), matches!(model.get(&number), Some(Model::Live(_))));
        }
        Step::Write(number, pins) => {
            let values: Vec<_> = pins
                .iter()
                .map(|(pin, byte)| (Pin::new(*pin), Value::from_text(&byte.to_string()).unwrap()))
                .collect();
            let outcome = store.write_values(device_id(number), Epoch::FIRST, values, NOW).await;
            if let Some(Model::Live(values)) = model.get_mut(&number) {
                outcome.unwrap();
                values.extend(pins);
            } else {
                assert!(outcome.is_err());
            }
        }
        Step::Release(number) => {
            let outcome = store.begin_release(device_id(number), owner()).await;
            match model.get_mut(&number) {
                Some(live @ Model::Live(_)) => {
                    assert!(outcome.unwrap().is_new);
                    *live = Model::Released(ReleaseState::Pending);
                }
                Some(Model::Released(state)) => assert_eq!(outcome.unwrap().record.state, *state),
                Some(Model::Deleted) | None => assert!(outcome.is_err()),
            }
        }
        Step::InferWipe(number) => {
            if let Some(Model::Released(state)) = model.get_mut(&number) {
                let device = store.device(device_id(number)).await.unwrap().unwrap();
                let mut record = device.release.unwrap();
                record.state = ReleaseState::Inferred;
                store.store_release(device_id(number), record, NOW).await.unwrap();
                *state = ReleaseState::Inferred;
            }
        }
        Step::ForceDelete(number) => {
            let outcome = store.force_delete(device_id(number), owner()).await;
            match model.get_mut(&number) {
                Some(known) if *known != Model::Deleted => {
                    outcome.unwrap();
                    *known = Model::Deleted;
                }
                _ => assert!(outcome.is_err()),
            }
        }
        Step::Restart => {}
    }
}

async fn check(store: &Store, model: &BTreeMap<u8, Model>) {
    for number in 0..DEVICE_COUNT {
        let device = device_id(number);
        let expected = match model.get(&number) {
            None => LookedUp::Unknown,
            Some(Model::Deleted) => LookedUp::Found(TokenRecord::Revoked),
            Some(Model::Live(_)) => LookedUp::Found(TokenRecord::Device { device, epoch: Epoch::FIRST }),
            Some(Model::Released(state)) => {
                LookedUp::Found(TokenRecord::Tombstone { device, release: *state })
            }
        };
        assert_eq!(look_up(store, number), expected);

        let stored: BTreeMap<u8, u8> = store
            .last_values(device_id(number))
            .await
            .unwrap()
            .into_iter()
            .map(|stored| (stored.pin.number(), stored.value.texts().concat().parse().unwrap()))
            .collect();
        match model.get(&number) {
            Some(Model::Live(values)) => assert_eq!(&stored, values),
            _ => assert!(stored.is_empty()),
        }
    }
}
