//! The guarantees, proved for `rehome`, and what breaks them under `stock` and `reset`.

use core::time::Duration;
use std::collections::BTreeSet;

use crate::environment::{
    everything, gesture_alphabet, gesture_waits, real_waits, rehome_searches, settings, short_waits,
};
use crate::search::{Coverage, Judgement, OUTPUT_NAMES, search, transition_log};
use crate::world::{Action, Alphabet, Horizon, Networks};
use lifecycle::{ErrorCode, Input, RecoveryPolicy, Settings, State, Timings};

/// Issue "Foundation": "The exploration covers at least 10^5 distinct states in the test run".
const STATE_COUNT_MIN: usize = 100_000;

#[test]
fn rehome_is_never_stranded_never_forgets_and_always_finds_home() {
    let searches = rehome_searches();
    let coverages: Vec<Coverage> = std::thread::scope(|scope| {
        let running: Vec<_> = searches
            .iter()
            .map(|(name, settings, alphabet)| scope.spawn(move || explore(name, settings, alphabet)))
            .collect();
        running.into_iter().map(|thread| thread.join().expect("the guarantees hold")).collect()
    });
    let mut total = Coverage::default();
    for coverage in coverages {
        total.add(coverage);
    }
    println!("{} distinct states, {} transitions in all", total.states.len(), total.transition_count);

    let states: BTreeSet<State> = total.situations.iter().map(|(state, ..)| *state).collect();
    assert_eq!(states, BTreeSet::from(State::ALL), "every state was reached");
    for state in [State::ConnectingNet, State::ConnectingCloud, State::Running, State::Error] {
        for is_hotspot_open in [false, true] {
            assert!(
                total.situations.contains(&(state, is_hotspot_open, true)),
                "{state} with a stored home and the hotspot {is_hotspot_open} was reached"
            );
        }
    }
    assert!(total.situations.contains(&(State::WaitConfig, true, false)), "an empty device was reached");
    assert!(
        !total.situations.contains(&(State::WaitConfig, false, false)),
        "and its hotspot is never closed"
    );
    assert_eq!(total.errors, BTreeSet::from(ErrorCode::ALL), "every error code was raised");
    assert_eq!(total.outputs, BTreeSet::from(OUTPUT_NAMES), "every kind of output was asked for");
    assert!(total.has_seen_gesture_end, "the gesture was made, and its time ran out");
    assert!(total.output_count_max < 16, "{} outputs for one event", total.output_count_max);
    assert!(total.states.len() >= STATE_COUNT_MIN, "{} states", total.states.len());
}

#[test]
fn stock_strands_a_board_whose_network_is_gone() {
    let settings = settings(RecoveryPolicy::Stock, real_waits());
    let alphabet = Alphabet { network_errors: &[], networks: Networks::Gone, ..everything() };
    let found = search(&settings, &alphabet, Judgement::StopAtFirst);
    let example = found.counter_example.expect("guarantee 1 does not hold for stock");
    println!("shortest way to a stranded board: {:?}", example.path);
    println!("{}", transition_log(&settings, &alphabet, &example.path).join("\n"));
    assert!(
        example.path.iter().all(|action| matches!(action, Action::Pass { .. })),
        "nothing but time has to pass: {:?}",
        example.path
    );
    assert_eq!(example.world.machine.state(), State::ConnectingNet);
    assert!(!example.world.is_hotspot_open && example.world.stored_network_count > 0);

    let for_ever = search(&settings, &alphabet, Judgement::Ignore);
    println!("and everything that can follow without a button: {:?}", for_ever.coverage.situations);
    assert!(
        for_ever
            .coverage
            .situations
            .iter()
            .all(|(_, is_hotspot_open, has_home)| !is_hotspot_open && *has_home),
        "no restart and no power cycle ever opens the hotspot: {:?}",
        for_ever.coverage.situations
    );
    assert!(
        for_ever.coverage.outputs.contains("Restart"),
        "the restarts after the last attempt were covered"
    );
}

#[test]
fn reset_erases_the_home_of_a_board_whose_router_is_away() {
    let settings = settings(RecoveryPolicy::Reset, real_waits());
    let alphabet = Alphabet { network_errors: &[], networks: Networks::Gone, ..everything() };
    let found = search(&settings, &alphabet, Judgement::StopAtFirst);
    let example = found.counter_example.expect("guarantee 2 does not hold for reset");
    println!("shortest way to a forgotten home: {:?}", example.path);
    println!("{}", transition_log(&settings, &alphabet, &example.path).join("\n"));
    assert_eq!(example.violation, "a home is erased without anybody's authority");
    assert!(example.path.iter().all(|action| matches!(action, Action::Pass { .. })), "{:?}", example.path);
    assert_eq!(example.world.machine.state(), State::ResetConfig);
}

#[test]
fn reset_erases_a_home_for_one_refused_token() {
    let settings = settings(RecoveryPolicy::Reset, real_waits());
    let found = search(&settings, &everything(), Judgement::StopAtFirst);
    let example = found.counter_example.expect("guarantee 2 does not hold for reset");
    assert_eq!(example.violation, "a home is erased without anybody's authority");
    assert!(
        matches!(example.path.last(), Some(Action::Event(Input::LoginRefused { .. }))),
        "{:?}",
        example.path
    );
}

#[test]
fn the_search_notices_a_door_that_opens_too_late() {
    let timings = Timings { boot_window: Duration::from_secs(40), ..short_waits() };
    let settings = settings(RecoveryPolicy::Rehome, timings);
    let found = search(&settings, &everything(), Judgement::StopAtFirst);
    let example = found.counter_example.expect("50 s are too long");
    assert!(example.violation.starts_with("45 s after power-on"), "{}", example.violation);
}

#[test]
fn the_search_notices_a_gesture_that_opens_nothing() {
    let timings = Timings { config_start: Duration::ZERO, ..gesture_waits() };
    let settings = settings(RecoveryPolicy::Rehome, timings);
    let found = search(&settings, &gesture_alphabet(), Judgement::StopAtFirst);
    let example = found.counter_example.expect("five short power-ups must open the hotspot");
    assert_eq!(example.violation, "five short power-ups were made and the hotspot is closed");
    let cuts = example.path.iter().filter(|action| matches!(action, Action::PowerCut { .. })).count();
    assert_eq!(cuts, 5, "{:?}", example.path);
}

#[test]
fn the_search_notices_an_old_home_that_is_tried_too_late() {
    let timings = Timings {
        trial_return: Duration::from_secs(100),
        trial_result: Duration::from_secs(100),
        hotspot_linger: Duration::from_secs(100),
        ..short_waits()
    };
    let settings = settings(RecoveryPolicy::Rehome, timings);
    let found = search(&settings, &everything(), Judgement::StopAtFirst);
    let example = found.counter_example.expect("100 s are too long");
    assert!(example.violation.starts_with("90 s after a new home"), "{}", example.violation);
}

#[test]
fn the_search_notices_a_firmware_that_never_gives_way() {
    let timings = Timings { firmware_trial: Duration::from_secs(100), ..short_waits() };
    let settings = settings(RecoveryPolicy::Rehome, timings);
    let alphabet = Alphabet { has_ota: true, ..everything() };
    let found = search(&settings, &alphabet, Judgement::StopAtFirst);
    let example = found.counter_example.expect("100 s are too long");
    assert_eq!(example.violation, "a firmware that never reached its cloud still runs");
}

fn explore(name: &str, settings: &Settings, alphabet: &Alphabet) -> Coverage {
    let found = search(settings, alphabet, Judgement::StopAtFirst);
    if let Some(example) = found.counter_example {
        panic!(
            "{name}: {}\nby {:?}\n{}",
            example.violation,
            example.path,
            transition_log(settings, alphabet, &example.path).join("\n")
        );
    }
    if alphabet.horizon == Horizon::Unlimited {
        match found.longest_way_home() {
            Ok(steps) => println!("{name}: RUNNING is at most {steps} steps away once all is well"),
            Err(path) => panic!(
                "{name}: not back although all is well, after {path:?}\n{}",
                transition_log(settings, alphabet, &path).join("\n")
            ),
        }
    }
    println!(
        "{name}: {} states, {} transitions",
        found.coverage.states.len(),
        found.coverage.transition_count
    );
    found.coverage
}
