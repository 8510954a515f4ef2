//! The policy `rehome`: opening the door is cheap, erasing is rare.

use super::*;

#[test]
fn no_network_at_boot_is_30_s_then_error_10_s_then_the_hotspot_with_the_home_kept() {
    let mut bench = Bench::rehome();
    assert!(bench.has(JOIN_STORED) && !bench.machine.is_hotspot_open());
    bench.pass(Duration::from_millis(29_999));
    assert_eq!(bench.state(), State::ConnectingNet);
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.state(), State::Error);
    assert!(bench.has(Output::Leave) && !bench.machine.is_hotspot_open());
    bench.pass(Duration::from_millis(9_999));
    assert_eq!(bench.state(), State::Error);
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.state(), State::ConnectingNet);
    assert!(bench.has(Output::OpenHotspot) && bench.has(JOIN_STORED));
    assert!(bench.machine.is_in_recovery());
}

#[test]
fn in_recovery_the_home_is_tried_for_ever_and_the_first_success_closes_the_hotspot() {
    let mut bench = Bench::rehome();
    bench.pass_s(7 * 24 * 3_600);
    let joins = bench.outputs.iter().filter(|output| **output == JOIN_STORED).count();
    assert!(joins > 7 * 24 * 3_600 / (300 + 25), "{joins} attempts in a week");
    assert!(bench.machine.is_in_recovery());
    loop {
        let due_at = bench.machine.next_timeout().expect("an attempt or a wait");
        bench.pass(Duration::from_millis(due_at.as_millis() - bench.now_ms));
        if bench.has(JOIN_STORED) {
            break;
        }
    }
    bench.send(Input::NetworkJoined);
    bench.send(Input::LoginAccepted);
    assert_eq!(
        (bench.state(), bench.machine.is_hotspot_open()),
        (State::Running, true),
        "a phone may still read"
    );
    // The hotspot lost its reason when the network came back, so it lingers for the longer time.
    bench.pass_s(180);
    assert!(bench.has(Output::CloseHotspot) && !bench.machine.is_hotspot_open());
}

#[test]
fn waits_for_a_lost_network_grow_from_3_s_to_5_min() {
    let mut bench = Bench::rehome();
    bench.pass_s(40);
    let mut waits = Vec::new();
    for _ in 0..9 {
        bench.send(Input::NetworkFailed(NetworkError::NotFound));
        let due_at = bench.machine.next_timeout().expect("a retry is planned").as_millis();
        waits.push((due_at - bench.now_ms) / 1_000);
        bench.pass(Duration::from_millis(due_at - bench.now_ms));
        assert!(bench.has(JOIN_STORED));
    }
    assert!(waits.is_sorted() && waits.last() == Some(&300), "{waits:?}");
}

#[test]
fn a_wrong_password_is_no_reason_to_forget() {
    let mut bench = Bench::rehome();
    bench.send(Input::NetworkFailed(NetworkError::Authentication));
    assert!(bench.has(Output::ReportError(ErrorCode::NetworkAuthentication)));
    bench.pass_s(3_600);
    assert!(bench.machine.has_home() && bench.machine.is_in_recovery());
    assert!(!bench.has(Output::WipeHome));
}

#[test]
fn every_stored_network_is_tried_before_a_wait() {
    let mut bench = Bench::with(settings(RecoveryPolicy::Rehome), 3);
    let mut tried = Vec::new();
    for _ in 0..3 {
        tried.extend(bench.outputs.iter().filter_map(|output| match output {
            Output::Join { network_index, .. } => Some(*network_index),
            _ => None,
        }));
        bench.send(Input::NetworkFailed(NetworkError::NotFound));
    }
    assert_eq!(tried, [0, 1, 2]);
    assert!(bench.outputs.iter().all(|output| !matches!(output, Output::Join { .. })), "{:?}", bench.outputs);
}

#[test]
fn a_network_without_the_cloud_is_left_for_another_stored_one_after_three_failures() {
    let mut bench = Bench::with(settings(RecoveryPolicy::Rehome), 2);
    bench.send(Input::NetworkJoined);
    for _ in 0..2 {
        bench.send(Input::CloudFailed(CloudError::Dns));
        bench.pass_s(10);
        assert!(bench.has(Output::ConnectCloud { source: HomeSource::Stored }));
    }
    bench.send(Input::CloudFailed(CloudError::Dns));
    bench.pass_s(10);
    assert!(bench.has(Output::Leave));
    assert!(bench.has(Output::Join { source: HomeSource::Stored, network_index: 1 }));
}

#[test]
fn a_lost_network_opens_the_hotspot_after_the_grace_and_not_before() {
    let mut bench = Bench::running();
    bench.send(Input::NetworkLost);
    assert!(bench.has(JOIN_STORED), "the first attempt does not wait");
    bench.pass_s(599);
    assert!(!bench.machine.is_hotspot_open());
    bench.pass_s(1);
    assert!(bench.machine.is_in_recovery());
}

#[test]
fn a_flickering_network_cannot_push_the_grace_away() {
    let mut bench = Bench::running();
    bench.send(Input::NetworkLost);
    for _ in 0..9 {
        bench.pass_s(60);
        while !bench.has(JOIN_STORED) {
            bench.pass_s(1);
        }
        bench.send(Input::NetworkJoined);
        bench.send(Input::NetworkLost);
    }
    bench.pass_s(600 - bench.now_ms / 1_000);
    assert!(bench.machine.is_in_recovery());
}

#[test]
fn a_lock_stays_shut_while_it_runs_and_opens_after_a_power_cycle() {
    let timings = Timings { run_time_grace: None, jitter_percent: 0, ..Timings::default() };
    let settings = Settings { timings, ..Settings::default() };
    let mut bench = Bench::with(settings.clone(), 1);
    bench.send(Input::NetworkJoined);
    bench.send(Input::LoginAccepted);
    bench.send(Input::NetworkLost);
    bench.pass_s(30 * 24 * 3_600);
    assert!(!bench.machine.is_hotspot_open());
    let mut bench = Bench::with(settings, 1);
    bench.pass_s(40);
    assert!(bench.machine.is_in_recovery());
}

#[test]
fn an_unreachable_cloud_opens_nothing_restarts_nothing_and_wipes_nothing() {
    let mut bench = Bench::rehome();
    bench.send(Input::NetworkJoined);
    bench.pass_s(7 * 24 * 3_600);
    assert_eq!(bench.state(), State::ConnectingCloud);
    for unwanted in [Output::OpenHotspot, Output::Restart, Output::WipeHome, Output::Leave] {
        assert!(!bench.has(unwanted), "{unwanted:?}");
    }
    let attempts =
        bench.outputs.iter().filter(|output| matches!(output, Output::ConnectCloud { .. })).count();
    assert!(attempts > 7 * 24 * 3_600 / (900 + 30), "{attempts} attempts in a week");
}

#[test]
fn a_refused_token_opens_the_hotspot_at_once_and_keeps_the_home() {
    for verified_tls in [true, false] {
        let mut bench = Bench::rehome();
        bench.send(Input::NetworkJoined);
        bench.send(Input::LoginRefused { verified_tls });
        assert!(bench.has(Output::OpenHotspot) && bench.has(Output::ReportError(ErrorCode::TokenRefused)));
        assert!(bench.machine.is_in_recovery() && bench.state() == State::ConnectingCloud);
        bench.pass_s(59);
        assert!(!bench.has(Output::ConnectCloud { source: HomeSource::Stored }));
        bench.pass_s(1);
        assert!(bench.has(Output::ConnectCloud { source: HomeSource::Stored }));
    }
}

#[test]
fn a_token_refused_again_and_again_is_tried_every_hour_and_every_15_min_where_nothing_is_proven() {
    for (verified_tls, longest_s) in [(true, 3_600), (false, 900)] {
        let mut bench = Bench::rehome();
        bench.send(Input::NetworkJoined);
        bench.send(Input::LoginRefused { verified_tls });
        bench.pass_s(31);
        let mut wait_s = 0;
        for _ in 0..9 {
            let due_at = bench.machine.next_timeout().expect("a retry is planned").as_millis();
            wait_s = (due_at - bench.now_ms) / 1_000;
            bench.pass(Duration::from_millis(due_at - bench.now_ms));
            bench.send(Input::LoginRefused { verified_tls });
        }
        assert_eq!(wait_s, longest_s);
        assert!(bench.machine.is_in_recovery());
    }
}

#[test]
fn a_captive_portal_counts_as_no_network_and_never_as_a_refused_token() {
    let mut bench = Bench::rehome();
    bench.send(Input::NetworkJoined);
    bench.send(Input::CloudFailed(CloudError::CaptivePortal));
    assert!(bench.has(Output::ReportError(ErrorCode::CaptivePortal)) && !bench.machine.is_hotspot_open());
    bench.pass_s(40);
    assert!(bench.machine.is_in_recovery());
}

#[test]
fn the_radio_stays_on_its_channel_while_somebody_is_at_the_hotspot_for_3_min_without_a_request() {
    let mut bench = Bench::rehome();
    bench.pass_s(41);
    bench.send(Input::StationAttached);
    bench.send(Input::NetworkFailed(NetworkError::NotFound));
    bench.pass_s(179);
    assert!(!bench.has(JOIN_STORED));
    bench.pass_s(1);
    assert!(bench.has(JOIN_STORED));
}

#[test]
fn a_phone_that_keeps_asking_delays_the_home_by_15_min_at_most() {
    let mut bench = Bench::rehome();
    bench.pass_s(41);
    bench.send(Input::StationAttached);
    bench.send(Input::NetworkFailed(NetworkError::NotFound));
    let mut waited_s = 0;
    while !bench.has(JOIN_STORED) {
        bench.send(Input::PortalRequested);
        bench.pass_s(10);
        waited_s += 10;
        assert!(waited_s < 1_000, "the phone holds the radio for ever");
    }
    assert!(waited_s >= 900, "{waited_s}");
}

/// A device in recovery with three networks whose first one is being tried while a phone is attached.
fn trying_three_beside_a_phone() -> Bench {
    let mut bench = Bench::with(settings(RecoveryPolicy::Rehome), 3);
    bench.pass_s(40);
    assert!(bench.machine.is_in_recovery() && bench.has(join(0)), "{:?}", bench.outputs);
    bench.send(Input::StationAttached);
    bench
}

const fn join(network_index: u8) -> Output {
    Output::Join { source: HomeSource::Stored, network_index }
}

#[test]
fn between_two_networks_of_a_round_the_radio_waits_for_a_visitor_too() {
    for failure in [Some(Input::NetworkFailed(NetworkError::NotFound)), None] {
        let mut bench = trying_three_beside_a_phone();
        if let Some(failure) = failure {
            bench.send(failure);
        } else {
            bench.pass_s(25);
        }
        bench.send(Input::PortalRequested);
        assert!(!bench.has(join(1)) && !bench.pass_s(179).contains(&join(1)), "{failure:?}");
        assert!(bench.pass_s(1).contains(&join(1)), "the round goes on where it stood");
        bench.send(Input::PortalRequested);
        bench.send(Input::NetworkFailed(NetworkError::NotFound));
        bench.pass_s(60);
        assert!(!bench.has(join(2)));
        bench.send(Input::StationDetached);
        assert!(bench.pass_s(0).contains(&join(2)), "nobody is there any more");
    }
}

#[test]
fn a_phone_that_keeps_asking_holds_a_round_up_once_and_not_at_every_network() {
    let mut bench = trying_three_beside_a_phone();
    bench.send(Input::NetworkFailed(NetworkError::NotFound));
    for _ in 0..89 {
        bench.send(Input::PortalRequested);
        assert!(!bench.pass_s(10).contains(&join(1)));
    }
    bench.send(Input::PortalRequested);
    assert!(bench.pass_s(10).contains(&join(1)), "15 min are enough");
    bench.send(Input::PortalRequested);
    assert!(bench.send(Input::NetworkFailed(NetworkError::NotFound)).contains(&join(2)));
    bench.send(Input::NetworkFailed(NetworkError::NotFound));
    assert!(!bench.pass_s(60).contains(&join(0)), "the next round waits again");
}

#[test]
fn a_network_lost_under_a_visitor_is_not_looked_for_under_him() {
    let mut bench = Bench::running();
    bench.send(Input::ConfigStartOrdered);
    bench.send(Input::StationAttached);
    for lost_while_connecting in [false, true] {
        if lost_while_connecting {
            bench.send(Input::NetworkJoined);
            bench.send(Input::StationAttached);
        }
        bench.send(Input::NetworkLost);
        assert!(!bench.has(JOIN_STORED) && !bench.pass_s(179).contains(&JOIN_STORED));
        bench.send(Input::StationDetached);
        assert!(bench.pass_s(1).contains(&JOIN_STORED));
    }
}

#[test]
fn a_visitor_who_leaves_ends_the_pause_at_once() {
    let mut bench = Bench::rehome();
    bench.pass_s(41);
    bench.send(Input::StationAttached);
    bench.send(Input::NetworkFailed(NetworkError::NotFound));
    bench.pass_s(60);
    bench.send(Input::StationDetached);
    bench.pass_s(0);
    assert!(bench.has(JOIN_STORED));
}

#[test]
fn the_portal_cannot_reset_a_device_that_has_a_home() {
    let mut bench = Bench::rehome();
    bench.pass_s(40);
    assert!(!bench.machine.accepts_portal_reset());
    assert_eq!(bench.send(Input::PortalReset), []);
    let mut empty = Bench::with(settings(RecoveryPolicy::Rehome), 0);
    assert!(empty.machine.accepts_portal_reset());
    assert!(empty.send(Input::PortalReset).contains(&Output::WipeHome));
}

/// A device whose stored home could not be read at boot.
fn unreadable() -> Bench {
    let mut bench = Bench::with(settings(RecoveryPolicy::Rehome), 0);
    bench.send(Input::HomeRead(Err(StoreFault)));
    bench
}

#[test]
fn a_home_that_cannot_be_read_is_recovery_and_nobody_at_the_hotspot_can_erase_it() {
    let mut bench = unreadable();
    assert!(bench.machine.is_in_recovery() && bench.machine.has_home());
    assert!(!bench.machine.accepts_portal_reset());
    assert_eq!(bench.send(Input::PortalReset), []);
    bench.send(SUBMIT);
    bench.pass_s(1);
    bench.send(Input::NetworkFailed(NetworkError::NotFound));
    assert!(
        bench.machine.has_home() && !bench.machine.accepts_portal_reset(),
        "a failed trial changes nothing"
    );
    bench.send(SUBMIT);
    bench.pass_s(1);
    for input in [Input::NetworkJoined, Input::LoginAccepted, Input::Saved(Ok(()))] {
        bench.send(input);
    }
    assert_eq!(bench.state(), State::Running, "a home that the cloud accepted takes its place");
    assert!(!bench.pass_s(1_000).contains(&Output::LoadHome));
}

#[test]
fn a_home_that_cannot_be_read_is_read_again_after_growing_waits_and_then_used() {
    let mut bench = unreadable();
    let mut waits_s = Vec::new();
    for _ in 0..9 {
        let began_ms = bench.now_ms;
        while !bench.has(Output::LoadHome) {
            bench.pass_s(1);
        }
        waits_s.push((bench.now_ms - began_ms) / 1_000);
        bench.send(Input::HomeRead(Err(StoreFault)));
    }
    assert_eq!(waits_s, [3, 6, 12, 24, 48, 96, 192, 300, 300]);
    assert!(bench.machine.is_in_recovery());
    bench.pass_s(300);
    bench.send(Input::HomeRead(Ok(2)));
    assert!(bench.has(JOIN_STORED) && bench.machine.is_in_recovery(), "{:?}", bench.outputs);
    bench.send(Input::NetworkJoined);
    bench.send(Input::LoginAccepted);
    assert_eq!(bench.state(), State::Running);

    let mut bench = unreadable();
    bench.pass_s(3);
    bench.send(Input::HomeRead(Ok(0)));
    assert!(!bench.machine.has_home() && bench.machine.accepts_portal_reset(), "there was none after all");
    assert_eq!(bench.pass_s(1_000), []);
    assert_eq!(bench.send(Input::HomeRead(Ok(1))), [], "an answer nobody asked for");
}

#[test]
fn config_start_opens_the_hotspot_for_15_min_beside_a_running_session() {
    let mut bench = Bench::running();
    bench.send(Input::ConfigStartOrdered);
    assert_eq!(bench.outputs, [Output::OpenHotspot]);
    bench.pass_s(899);
    assert!(bench.machine.is_hotspot_open() && bench.state() == State::Running);
    assert_eq!(bench.pass_s(1), [Output::CloseHotspot]);
}

#[test]
fn config_stop_takes_config_start_back_and_never_shuts_a_hotspot_that_is_needed() {
    let mut bench = Bench::running();
    bench.send(Input::ConfigStartOrdered);
    assert_eq!(bench.send(Input::ConfigStopOrdered), [Output::CloseHotspot]);
    assert_eq!(bench.send(Input::ConfigStopOrdered), []);

    let mut bench = Bench::rehome();
    bench.send(Input::ConfigStartOrdered);
    bench.pass_s(41);
    assert_eq!(bench.send(Input::ConfigStopOrdered), [], "the networks fail");
    assert!(bench.machine.is_in_recovery());
    let mut bench = Bench::with(settings(RecoveryPolicy::Rehome), 0);
    assert_eq!(bench.send(Input::ConfigStopOrdered), [], "an empty device");
}

fn after_short_power_ups(short_power_up_count: u8, settings: Settings) -> Bench {
    let machine = Machine::new(settings, 1);
    let mut bench = Bench { machine, now_ms: BOOT, outputs: Vec::new() };
    bench.send(Input::Booted(Boot {
        reason: BootReason::PowerOn,
        stored_network_count: 1,
        last_error: None,
        short_power_up_count,
        is_door_locked: false,
    }));
    bench
}

#[test]
fn five_short_power_ups_open_the_hotspot_at_once_for_15_min_and_the_home_is_used_meanwhile() {
    let mut bench = after_short_power_ups(5, settings(RecoveryPolicy::Rehome));
    assert!(bench.has(Output::OpenHotspot) && bench.has(JOIN_STORED), "{:?}", bench.outputs);
    assert!(bench.machine.is_in_recovery() && !bench.has(Output::WipeHome));
    bench.send(Input::NetworkJoined);
    bench.send(Input::LoginAccepted);
    assert_eq!(bench.state(), State::Running);
    assert_eq!(bench.pass_s(899), []);
    assert_eq!(bench.pass_s(1), [Output::CloseHotspot]);
}

#[test]
fn four_short_power_ups_and_the_other_policies_open_nothing() {
    assert!(!after_short_power_ups(4, settings(RecoveryPolicy::Rehome)).machine.is_hotspot_open());
    for recovery in [RecoveryPolicy::Stock, RecoveryPolicy::Reset] {
        assert!(!after_short_power_ups(5, settings(recovery)).machine.is_hotspot_open());
    }
}

#[test]
fn a_network_that_comes_and_goes_does_not_cut_the_15_min_short() {
    let mut bench = after_short_power_ups(5, settings(RecoveryPolicy::Rehome));
    // The networks fail for long enough to need the hotspot, then one is back.
    bench.send(Input::NetworkFailed(NetworkError::NotFound));
    bench.pass_s(60);
    while bench.state() != State::Running {
        bench.send(Input::NetworkJoined);
        bench.send(Input::LoginAccepted);
        bench.pass_s(1);
    }
    let rest_s = 899 - bench.now_ms / 1_000;
    bench.pass_s(rest_s);
    assert!(bench.machine.is_hotspot_open(), "open at {} ms", bench.now_ms);
    bench.pass_s(2);
    assert!(!bench.machine.is_hotspot_open(), "closed at {} ms", bench.now_ms);
}

#[test]
fn a_home_accepted_after_the_gesture_closes_the_hotspot_like_any_other() {
    let mut bench = after_short_power_ups(5, settings(RecoveryPolicy::Rehome));
    bench.send(SUBMIT);
    bench.pass_s(2);
    for input in [Input::NetworkJoined, Input::LoginAccepted, Input::Saved(Ok(()))] {
        bench.send(input);
    }
    assert_eq!(bench.state(), State::Running);
    bench.send(Input::ResultRead);
    assert!(bench.pass_s(16).contains(&Output::CloseHotspot));
}

#[test]
fn used_up_proofs_close_the_hotspot_until_the_next_power_on_whatever_happens() {
    let mut bench = Bench::rehome();
    bench.pass_s(40);
    assert!(bench.machine.is_hotspot_open());
    bench.send(Input::StationAttached);
    assert!(bench.send(Input::ProofsUsedUp).contains(&Output::CloseHotspot));
    for input in [Input::ConfigStartOrdered, SUBMIT, Input::NetworkFailed(NetworkError::NotFound)] {
        bench.send(input);
        assert!(!bench.machine.is_hotspot_open() && !bench.has(Output::OpenHotspot), "{input:?}");
    }
    assert!(!bench.pass_s(3_600).contains(&Output::OpenHotspot), "and the home is tried all the while");
    while bench.state() != State::Running {
        bench.send(Input::NetworkJoined);
        bench.send(Input::LoginAccepted);
        bench.pass_s(1);
    }

    for (is_door_locked, stored_network_count) in [(true, 0), (true, 1), (false, 0), (false, 1)] {
        let machine = Machine::new(settings(RecoveryPolicy::Rehome), 1);
        let mut bench = Bench { machine, now_ms: BOOT, outputs: Vec::new() };
        bench.send(Input::Booted(Boot {
            reason: BootReason::Restart,
            stored_network_count,
            last_error: None,
            short_power_up_count: 5,
            is_door_locked,
        }));
        bench.pass_s(60);
        assert_eq!(bench.machine.is_hotspot_open(), !is_door_locked, "{stored_network_count} networks");
    }
}

/// Leads a device with a home into a situation.
type Lead = fn(&mut Bench);

/// Situations that a person can find a device in, each with what its LED shows.
const SITUATIONS: [(&str, Lead, Indication); 7] = [
    ("joining", |_| {}, Indication::State(State::ConnectingNet)),
    ("error", |bench| drop(bench.pass_s(30).to_vec()), Indication::State(State::Error)),
    ("recovery", |bench| drop(bench.pass_s(41).to_vec()), Indication::Recovery),
    (
        "trial in recovery",
        |bench| {
            bench.pass_s(41);
            bench.send(SUBMIT);
            bench.pass_s(2);
        },
        Indication::State(State::ConnectingNet),
    ),
    (
        "token refused",
        |bench| {
            bench.send(Input::NetworkJoined);
            bench.send(Input::LoginRefused { verified_tls: true });
        },
        Indication::Recovery,
    ),
    (
        "running",
        |bench| {
            bench.send(Input::NetworkJoined);
            bench.send(Input::LoginAccepted);
        },
        Indication::State(State::Running),
    ),
    (
        "firmware update",
        |bench| {
            bench.send(Input::NetworkJoined);
            bench.send(Input::LoginAccepted);
            bench.send(Input::OtaOrdered);
            bench.pass_s(3);
        },
        Indication::State(State::OtaUpgrade),
    ),
];

#[test]
fn in_every_situation_the_led_tells_it_and_the_button_is_shown_and_wipes() {
    for (name, lead, indication) in SITUATIONS {
        let last = |bench: &Bench| bench.machine.indication;
        let mut bench = Bench::rehome();
        lead(&mut bench);
        assert_eq!(last(&bench), Some(indication), "{name}");
        bench.send(Input::ButtonPressed);
        bench.pass_s(3);
        assert_eq!(last(&bench), Some(Indication::ButtonHeld), "{name}");
        bench.send(Input::ButtonReleased);
        assert!(!bench.has(Output::WipeHome) && last(&bench) != Some(Indication::ButtonHeld), "{name}");
        bench.send(Input::ButtonPressed);
        bench.pass_s(10);
        assert_eq!(last(&bench), Some(Indication::ButtonWipes), "{name}");
        bench.send(Input::ButtonReleased);
        assert!(bench.has(Output::WipeHome) && bench.state() == State::ResetConfig, "{name}");
        assert_eq!(last(&bench), Some(Indication::State(State::ResetConfig)), "{name}");
    }
}
