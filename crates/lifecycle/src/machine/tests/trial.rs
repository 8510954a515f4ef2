//! A new home on trial: stored only after the cloud accepted the device.

use super::*;

fn empty() -> Bench {
    Bench::with(settings(RecoveryPolicy::Rehome), 0)
}

/// A device in recovery whose owner submitted a new home, up to the trial's join.
fn trying_in_recovery() -> Bench {
    let mut bench = Bench::rehome();
    bench.pass_s(40);
    bench.send(SUBMIT);
    bench.pass(Duration::from_millis(800));
    assert!(bench.has(JOIN_CANDIDATE));
    bench
}

#[test]
fn the_answer_gets_out_before_the_radio_moves() {
    let mut bench = empty();
    bench.send(SUBMIT);
    assert!(bench.has(Output::StateChanged { from: Some(State::WaitConfig), to: State::SwitchToSta }));
    bench.pass(Duration::from_millis(799));
    assert_eq!(bench.outputs, []);
    bench.pass(Duration::from_millis(1));
    assert!(bench.has(JOIN_CANDIDATE));
    assert!(bench.machine.is_hotspot_open(), "the phone sees how it goes");
}

#[test]
fn a_new_home_is_stored_after_the_login_and_running_follows_the_save() {
    let mut bench = empty();
    bench.send(SUBMIT);
    bench.pass_s(2);
    bench.send(Input::NetworkJoined);
    assert!(!bench.has(Output::SaveCandidate));
    assert_eq!(bench.send(Input::LoginAccepted), [Output::SaveCandidate]);
    assert_eq!(bench.state(), State::ConnectingCloud);
    assert!(!bench.machine.accepts_candidate(), "the home being written is not replaced under the store");
    bench.send(Input::Saved(Ok(())));
    assert_eq!((bench.state(), bench.machine.has_home()), (State::Running, true));
    bench.send(Input::ResultRead);
    bench.pass_s(14);
    assert!(bench.machine.is_hotspot_open(), "the page is looked at");
    bench.pass_s(1);
    assert!(!bench.machine.is_hotspot_open());
}

/// A device whose new home was just stored.
fn stored() -> Bench {
    let mut bench = trying_in_recovery();
    joined(&mut bench, Input::LoginAccepted);
    bench.send(Input::Saved(Ok(())));
    assert_eq!(bench.state(), State::Running);
    bench
}

#[test]
fn a_success_that_nobody_has_read_keeps_the_hotspot_open_for_three_minutes() {
    let mut bench = stored();
    bench.pass_s(179);
    assert!(bench.machine.is_hotspot_open(), "the phone may still come back");
    assert_eq!(bench.pass_s(1), [Output::CloseHotspot]);

    let mut bench = stored();
    bench.pass_s(120);
    bench.send(Input::ResultRead);
    bench.pass_s(10);
    bench.send(Input::ResultRead);
    assert_eq!(bench.pass_s(5), [Output::CloseHotspot], "15 s from the first time it was read");

    let mut bench = stored();
    bench.pass_s(175);
    bench.send(Input::ResultRead);
    assert_eq!(bench.pass_s(5), [Output::CloseHotspot], "reading makes nothing longer");
}

#[test]
fn reading_a_result_cuts_no_hotspot_short_that_was_asked_for_otherwise() {
    let mut bench = stored();
    bench.send(Input::ConfigStartOrdered);
    bench.send(Input::ResultRead);
    bench.pass_s(899);
    assert!(bench.machine.is_hotspot_open());
    assert_eq!(bench.pass_s(1), [Output::CloseHotspot]);
    assert_eq!(Bench::running().send(Input::ResultRead), [], "there is no hotspot and no result");
}

#[test]
fn a_failed_trial_of_an_empty_device_shows_why_and_waits_for_the_next_one() {
    let mut bench = empty();
    bench.send(SUBMIT);
    bench.pass_s(2);
    bench.send(Input::NetworkFailed(NetworkError::Authentication));
    assert!(
        bench.has(Output::ReportError(ErrorCode::NetworkAuthentication)) && bench.has(Output::DropCandidate)
    );
    assert_eq!((bench.state(), bench.machine.is_hotspot_open()), (State::WaitConfig, true));
    bench.pass_s(10_000);
    assert_eq!(bench.machine.last_error(), Some(ErrorCode::NetworkAuthentication));
    bench.send(SUBMIT);
    assert_eq!(bench.machine.last_error(), None);
}

#[test]
fn every_step_of_a_trial_may_fail_and_leads_back_to_the_old_home_with_its_code() {
    type Step = fn(&mut Bench);
    let steps: [(Step, ErrorCode); 7] = [
        (|bench| unjoined(bench, NetworkError::NotFound), ErrorCode::NetworkNotFound),
        (|bench| unjoined(bench, NetworkError::Timeout), ErrorCode::NetworkTimeout),
        (|bench| joined(bench, Input::NetworkLost), ErrorCode::NetworkTimeout),
        (|bench| joined(bench, Input::LoginRefused { verified_tls: true }), ErrorCode::TokenRefused),
        (|bench| joined(bench, Input::CloudFailed(CloudError::Certificate)), ErrorCode::CloudCertificate),
        (
            |bench| {
                bench.send(Input::NetworkJoined);
                bench.pass_s(25);
            },
            ErrorCode::CloudTimeout,
        ),
        (
            |bench| {
                joined(bench, Input::LoginAccepted);
                bench.send(Input::Saved(Err(StoreFault)));
            },
            ErrorCode::BadConfig,
        ),
    ];
    for (step, code) in steps {
        let mut bench = trying_in_recovery();
        let submitted_ms = bench.now_ms - 800;
        step(&mut bench);
        assert!(bench.has(Output::ReportError(code)) && bench.has(Output::DropCandidate), "{code:?}");
        assert!(!bench.machine.is_trying_candidate() && bench.machine.has_home());
        while !bench.has(JOIN_STORED) {
            bench.pass_s(1);
            assert!(bench.now_ms - submitted_ms < 90_000, "{code:?}");
        }
        bench.send(Input::NetworkFailed(NetworkError::Other));
        assert_eq!(bench.machine.last_error(), Some(code), "the person still reads why the new home failed");
    }
}

fn unjoined(bench: &mut Bench, error: NetworkError) {
    if error == NetworkError::Timeout {
        // A shell that never answers.
        bench.pass_s(30);
    } else {
        bench.send(Input::NetworkFailed(error));
    }
}

fn joined(bench: &mut Bench, then: Input) {
    bench.send(Input::NetworkJoined);
    bench.send(then);
}

#[test]
fn somebody_reading_the_error_delays_the_old_home_but_not_past_90_s() {
    let mut bench = trying_in_recovery();
    let submitted_ms = bench.now_ms - 800;
    bench.send(Input::StationAttached);
    bench.send(Input::NetworkFailed(NetworkError::Authentication));
    bench.pass_s(30);
    assert!(!bench.has(JOIN_STORED), "the page is being read");
    while !bench.has(JOIN_STORED) {
        bench.send(Input::PortalRequested);
        bench.pass_s(1);
    }
    let waited_ms = bench.now_ms - submitted_ms;
    assert!((80_000..90_000).contains(&waited_ms), "{waited_ms}");
}

#[test]
fn a_second_submission_replaces_the_first_at_any_step_of_its_trial() {
    let mut bench = trying_in_recovery();
    bench.send(SUBMIT);
    assert!(
        bench.has(Output::Leave) && !bench.has(Output::DropCandidate),
        "the shell's slot holds the new one"
    );
    assert_eq!(bench.state(), State::SwitchToSta);
    bench.pass_s(2);
    bench.send(Input::NetworkJoined);
    bench.send(SUBMIT);
    assert!(bench.has(Output::DisconnectCloud) && bench.has(Output::Leave));
}

#[test]
fn an_unusable_submission_is_code_700_and_ends_a_trial_whose_place_it_took() {
    let unusable = Input::CandidateSubmitted { network_count: 0 };
    let mut bench = empty();
    assert_eq!(bench.send(unusable), [Output::DropCandidate, Output::ReportError(ErrorCode::BadConfig)]);
    let mut bench = trying_in_recovery();
    bench.send(unusable);
    assert!(bench.has(Output::DropCandidate) && !bench.machine.is_trying_candidate());
}

#[test]
fn nobody_can_submit_a_home_while_the_hotspot_is_closed() {
    let mut bench = Bench::running();
    assert!(!bench.machine.accepts_candidate());
    assert_eq!(bench.send(SUBMIT), []);
}

#[test]
fn a_link_that_ends_during_the_save_is_set_up_again_with_the_new_home() {
    let mut bench = trying_in_recovery();
    joined(&mut bench, Input::LoginAccepted);
    bench.send(Input::CloudLost);
    bench.send(Input::Saved(Ok(())));
    assert_eq!(bench.state(), State::ConnectingCloud);

    let mut bench = trying_in_recovery();
    joined(&mut bench, Input::LoginAccepted);
    bench.send(Input::NetworkLost);
    bench.send(Input::Saved(Ok(())));
    assert!(bench.state() == State::ConnectingNet && bench.has(JOIN_STORED));
}

#[test]
fn an_erase_order_during_the_save_erases_the_home_just_stored_and_never_the_old_one() {
    let mut bench = trying_in_recovery();
    joined(&mut bench, Input::LoginAccepted);
    assert_eq!(bench.send(Input::ConfigEraseOrdered), []);
    bench.send(Input::Saved(Ok(())));
    assert_eq!(bench.state(), State::ResetConfig);

    let mut bench = trying_in_recovery();
    joined(&mut bench, Input::LoginAccepted);
    bench.send(Input::ConfigEraseOrdered);
    bench.send(Input::Saved(Err(StoreFault)));
    assert!(bench.machine.has_home() && !bench.has(Output::WipeHome), "the order was for the other home");

    let mut bench = trying_in_recovery();
    joined(&mut bench, Input::LoginAccepted);
    bench.send(Input::CloudLost);
    bench.send(Input::ConfigEraseOrdered);
    bench.send(Input::Saved(Ok(())));
    assert_eq!(bench.state(), State::ConnectingCloud, "the session had ended before the order");
}
