//! Firmware updates: the order, the download's end, the trial of a new firmware.

use super::*;

/// A device whose present boot is the trial of a new firmware.
fn on_trial(stored_network_count: u8) -> Bench {
    let mut bench = Bench::with(settings(RecoveryPolicy::Rehome), stored_network_count);
    bench.send(Input::FirmwareOnTrial);
    bench
}

#[test]
fn an_update_is_announced_leaves_the_cloud_after_2_s_and_restarts_when_done() {
    let mut bench = Bench::running();
    assert_eq!(bench.send(Input::OtaOrdered), []);
    assert_eq!(bench.pass_s(1), [Output::AnnounceOta]);
    bench.pass_s(1);
    assert_eq!(
        bench.outputs,
        [
            Output::DisconnectCloud,
            Output::StateChanged { from: Some(State::Running), to: State::OtaUpgrade },
            Output::StartOta,
            Output::Indicate(Indication::State(State::OtaUpgrade))
        ]
    );
    assert_eq!(bench.send(Input::OtaFinished(Ok(()))), [Output::Restart]);
}

#[test]
fn a_second_order_changes_nothing_and_a_lost_session_forgets_the_first() {
    let mut bench = Bench::running();
    bench.send(Input::OtaOrdered);
    bench.pass(Duration::from_millis(1_900));
    bench.send(Input::OtaOrdered);
    bench.pass(Duration::from_millis(100));
    assert_eq!(bench.state(), State::OtaUpgrade);

    let mut bench = Bench::running();
    bench.send(Input::OtaOrdered);
    bench.send(Input::CloudLost);
    bench.pass_s(3);
    assert!(bench.has(Output::ConnectCloud { source: HomeSource::Stored }) && !bench.has(Output::StartOta));
    bench.send(Input::LoginAccepted);
    bench.pass_s(60);
    assert_eq!(bench.state(), State::Running, "the cloud orders again if it still wants it");
}

#[test]
fn a_failed_or_hanging_update_goes_back_to_the_cloud() {
    for has_failed in [true, false] {
        let mut bench = Bench::running();
        bench.send(Input::OtaOrdered);
        bench.pass_s(2);
        if has_failed {
            bench.send(Input::OtaFinished(Err(OtaFault)));
        } else {
            bench.pass_s(15 * 60);
            assert!(bench.has(Output::AbortOta));
        }
        assert_eq!(bench.state(), State::ConnectingCloud);
        assert!(bench.has(Output::ConnectCloud { source: HomeSource::Stored }));
    }
}

#[test]
fn an_update_that_loses_its_network_joins_again_before_it_asks_the_cloud() {
    let mut bench = Bench::running();
    bench.send(Input::OtaOrdered);
    bench.pass_s(2);
    bench.send(Input::NetworkLost);
    assert_eq!(bench.state(), State::OtaUpgrade);
    bench.send(Input::OtaFinished(Err(OtaFault)));
    assert_eq!(bench.state(), State::ConnectingNet);
    assert!(bench.has(JOIN_STORED));
}

#[test]
fn a_new_firmware_is_confirmed_when_it_runs_and_not_before() {
    let mut bench = on_trial(1);
    bench.pass_s(4 * 60);
    assert!(!bench.has(Output::ConfirmFirmware));
    bench.send(Input::NetworkJoined);
    assert!(!bench.has(Output::ConfirmFirmware));
    bench.send(Input::LoginAccepted);
    assert!(bench.has(Output::ConfirmFirmware));
    bench.send(Input::OtaOrdered);
    assert_eq!(bench.send(Input::FirmwareConfirmed(Ok(()))), []);
    bench.pass_s(60 * 60);
    assert_eq!(bench.state(), State::Running, "an order that came before the proof counts for nothing");
    bench.send(Input::OtaOrdered);
    bench.pass_s(2);
    assert_eq!(bench.state(), State::OtaUpgrade);
}

#[test]
fn a_new_firmware_that_does_not_run_within_five_minutes_gives_way_to_the_old_one() {
    let mut bench = on_trial(1);
    bench.pass_s(5 * 60 - 1);
    assert!(!bench.has(Output::RollBackFirmware));
    assert!(bench.machine.is_hotspot_open(), "a firmware on trial has its door as any other");
    bench.pass_s(1);
    assert!(bench.has(Output::RollBackFirmware) && bench.has(Output::Restart), "{:?}", bench.outputs);
}

#[test]
fn a_new_firmware_that_cannot_be_confirmed_gives_way_to_the_old_one() {
    let mut bench = on_trial(1);
    bench.send(Input::NetworkJoined);
    bench.send(Input::LoginAccepted);
    let outputs = bench.send(Input::FirmwareConfirmed(Err(SlotFault)));
    assert_eq!(outputs, [Output::RollBackFirmware, Output::Restart]);
}

#[test]
fn the_end_of_a_trial_waits_for_the_home_store() {
    let mut bench = on_trial(1);
    bench.pass_s(4 * 60);
    bench.send(Input::ReleaseProven);
    bench.pass_s(10 * 60);
    assert!(!bench.has(Output::Restart), "the wipe is not answered yet");
    bench.send(Input::Wiped(Ok(())));
    bench.pass_s(0);
    assert!(bench.has(Output::RollBackFirmware) && bench.has(Output::Restart));
}

#[test]
fn a_firmware_that_is_not_on_trial_stays_whatever_happens() {
    let mut bench = Bench::rehome();
    bench.pass_s(24 * 60 * 60);
    assert!(!bench.has(Output::RollBackFirmware) && !bench.has(Output::Restart));
    assert_eq!(bench.send(Input::FirmwareConfirmed(Err(SlotFault))), []);
}
