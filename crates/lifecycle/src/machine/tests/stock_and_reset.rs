//! The two policies that `rehome` is compared with.

use super::*;

#[test]
fn stock_tries_500_windows_of_50_s_then_shows_error_and_restarts_with_the_hotspot_closed() {
    let mut bench = Bench::policy(RecoveryPolicy::Stock);
    bench.pass_s(24_999);
    assert_eq!((bench.state(), bench.machine.is_hotspot_open()), (State::ConnectingNet, false));
    bench.pass_s(1);
    assert_eq!(bench.state(), State::Error, "6 h 56 min 40 s, as computed from the sources of Edgent");
    bench.pass_s(9);
    assert!(!bench.has(Output::Restart));
    bench.pass_s(1);
    assert!(bench.has(Output::Restart) && !bench.machine.is_hotspot_open() && bench.machine.has_home());
}

#[test]
fn stock_gives_up_a_refused_token_and_waits_with_the_hotspot_open() {
    let mut bench = Bench::policy(RecoveryPolicy::Stock);
    bench.send(Input::NetworkJoined);
    bench.send(Input::LoginRefused { verified_tls: true });
    assert!(bench.has(Output::StateChanged { from: Some(State::ConnectingCloud), to: State::WaitConfig }));
    assert!(bench.has(Output::OpenHotspot) && bench.machine.has_home());
    assert_eq!(bench.pass_s(1_000_000), []);
}

#[test]
fn stock_retries_an_unreachable_cloud_and_restarts_after_500_windows() {
    let mut bench = Bench::policy(RecoveryPolicy::Stock);
    bench.send(Input::NetworkJoined);
    bench.pass_s(25_009);
    assert_eq!(bench.state(), State::Error);
    assert!(bench.has(Output::ReportError(ErrorCode::CloudTimeout)));
    bench.pass_s(1);
    assert!(bench.has(Output::Restart));
}

#[test]
fn stock_waits_in_error_for_a_held_button() {
    let timings = Timings { stock_window_count: 1, ..Timings::default() };
    let mut bench = Bench::with(Settings { timings, ..settings(RecoveryPolicy::Stock) }, 1);
    bench.pass_s(55);
    bench.send(Input::ButtonPressed);
    bench.pass_s(9);
    assert_eq!(bench.state(), State::Error);
    bench.send(Input::ButtonReleased);
    bench.pass_s(1);
    assert!(bench.has(Output::Restart));
}

#[test]
fn stock_leaves_its_home_by_portal_reset_and_by_config_start() {
    let mut bench = Bench::policy(RecoveryPolicy::Stock);
    bench.send(Input::ConfigStartOrdered);
    assert_eq!((bench.state(), bench.machine.is_hotspot_open()), (State::WaitConfig, true));
    assert!(bench.machine.accepts_portal_reset());
    bench.send(Input::PortalReset);
    assert!(bench.has(Output::WipeHome));
}

#[test]
fn stock_closes_the_hotspot_for_the_trial_and_restarts_after_a_failed_one() {
    let mut bench = Bench::with(settings(RecoveryPolicy::Stock), 0);
    bench.send(SUBMIT);
    assert!(bench.machine.is_hotspot_open(), "the answer is still on its way");
    bench.pass_s(2);
    assert!(bench.has(Output::CloseHotspot));
    bench.send(Input::NetworkFailed(NetworkError::Authentication));
    assert_eq!(bench.state(), State::Error);
    bench.pass_s(10);
    assert!(bench.has(Output::Restart));
}

#[test]
fn reset_erases_after_30_s_without_network_and_10_s_of_error() {
    let mut bench = Bench::policy(RecoveryPolicy::Reset);
    bench.pass_s(30);
    assert_eq!(bench.state(), State::Error);
    bench.pass_s(10);
    assert!(bench.state() == State::ResetConfig && bench.has(Output::WipeHome));
    bench.send(Input::Wiped(Ok(())));
    assert!(bench.has(Output::OpenHotspot));
}

#[test]
fn reset_erases_a_running_board_when_its_router_restarts() {
    let mut bench = Bench::policy(RecoveryPolicy::Reset);
    bench.send(Input::NetworkJoined);
    bench.send(Input::LoginAccepted);
    bench.send(Input::NetworkLost);
    bench.pass_s(40);
    assert!(bench.has(Output::WipeHome));
}

#[test]
fn reset_erases_at_once_when_the_token_is_refused_and_after_40_s_without_cloud() {
    let mut bench = Bench::policy(RecoveryPolicy::Reset);
    bench.send(Input::NetworkJoined);
    bench.send(Input::LoginRefused { verified_tls: false });
    assert_eq!(bench.state(), State::ResetConfig);

    let mut bench = Bench::policy(RecoveryPolicy::Reset);
    bench.send(Input::NetworkJoined);
    bench.pass_s(40);
    assert!(bench.has(Output::WipeHome));
}

#[test]
fn a_failed_update_is_an_error_for_stock_and_reset() {
    for policy in [RecoveryPolicy::Stock, RecoveryPolicy::Reset] {
        let mut bench = Bench::policy(policy);
        bench.send(Input::NetworkJoined);
        bench.send(Input::LoginAccepted);
        bench.send(Input::OtaOrdered);
        bench.pass_s(2);
        bench.send(Input::OtaFinished(Err(OtaFault)));
        assert!(bench.has(Output::StateChanged { from: Some(State::OtaUpgrade), to: State::Error }));
    }
}
