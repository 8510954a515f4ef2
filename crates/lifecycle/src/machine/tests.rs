//! Each transition and each refusal, one at a time.

mod rehome;
mod stock_and_reset;
mod trial;
mod update;

use core::time::Duration;
use std::vec::Vec;

use crate::*;

const BOOT: u64 = 0;

/// A machine with a clock that a test moves, and the outputs of the latest input.
struct Bench {
    machine: Machine,
    now_ms: u64,
    outputs: Vec<Output>,
}

impl Bench {
    fn with(settings: Settings, stored_network_count: u8) -> Self {
        let machine = Machine::new(settings, 1);
        let mut bench = Self { machine, now_ms: BOOT, outputs: Vec::new() };
        bench.send(Input::Booted(Boot {
            reason: BootReason::PowerOn,
            stored_network_count,
            last_error: None,
            short_power_up_count: 0,
            is_door_locked: false,
        }));
        bench
    }

    fn rehome() -> Self {
        Self::with(settings(RecoveryPolicy::Rehome), 1)
    }

    fn policy(recovery: RecoveryPolicy) -> Self {
        Self::with(settings(recovery), 1)
    }

    /// A device with a home that the cloud has accepted.
    fn running() -> Self {
        let mut bench = Self::rehome();
        bench.send(Input::NetworkJoined);
        bench.send(Input::LoginAccepted);
        assert_eq!(bench.state(), State::Running);
        bench
    }

    fn send(&mut self, input: Input) -> &[Output] {
        self.outputs.clear();
        self.deliver(input);
        &self.outputs
    }

    fn deliver(&mut self, input: Input) {
        let now = Instant::from_millis(self.now_ms);
        self.machine.handle_input(now, input);
        while let Some(output) = self.machine.poll_output(now) {
            self.outputs.push(output);
        }
    }

    /// Lets time pass and fires every timer on the way; keeps all their outputs.
    fn pass(&mut self, wait: Duration) -> &[Output] {
        self.outputs.clear();
        let end_ms = self.now_ms + u64::try_from(wait.as_millis()).expect("a short wait");
        while let Some(due_at) = self.machine.next_timeout().filter(|due_at| due_at.as_millis() <= end_ms) {
            self.now_ms = self.now_ms.max(due_at.as_millis());
            self.deliver(Input::TimerFired);
        }
        self.now_ms = end_ms;
        &self.outputs
    }

    fn pass_s(&mut self, seconds: u64) -> &[Output] {
        self.pass(Duration::from_secs(seconds))
    }

    fn state(&self) -> State {
        self.machine.state()
    }

    fn has(&self, wanted: Output) -> bool {
        self.outputs.contains(&wanted)
    }
}

fn settings(recovery: RecoveryPolicy) -> Settings {
    let timings = Timings { jitter_percent: 0, ..Timings::default() };
    Settings { recovery, timings, ..Settings::default() }
}

const JOIN_STORED: Output = Output::Join { source: HomeSource::Stored, network_index: 0 };
const JOIN_CANDIDATE: Output = Output::Join { source: HomeSource::Candidate, network_index: 0 };
const SUBMIT: Input = Input::CandidateSubmitted { network_count: 1 };

#[test]
fn the_nine_states_have_the_names_of_edgent() {
    let names: Vec<&str> = State::ALL.into_iter().map(State::as_str).collect();
    assert_eq!(
        names,
        [
            "WAIT_CONFIG",
            "CONFIGURING",
            "CONNECTING_NET",
            "CONNECTING_CLOUD",
            "RUNNING",
            "OTA_UPGRADE",
            "SWITCH_TO_STA",
            "RESET_CONFIG",
            "ERROR"
        ]
    );
}

#[test]
fn every_error_code_is_found_by_its_number_and_no_other_number_is() {
    for code in ErrorCode::ALL {
        assert_eq!(ErrorCode::from_code(code.code()), Some(code));
    }
    assert_eq!((0..2_000).filter(|code| ErrorCode::from_code(*code).is_some()).count(), ErrorCode::ALL.len());
}

#[test]
fn default_times_open_the_hotspot_within_45_s_and_try_the_old_home_within_90_s() {
    let timings = Timings::default();
    assert!(timings.boot_window + timings.error + Duration::from_secs(5) <= Duration::from_secs(45));
    assert!(timings.trial_return < Duration::from_secs(90));
    let longest_trial = timings.switch_to_sta + timings.trial_join + timings.trial_cloud;
    assert!(longest_trial < timings.trial_return, "a trial is over before the old home is due");
    assert_eq!(timings.button_wipe, Duration::from_secs(10));
    assert_eq!(timings.run_time_grace, Some(Duration::from_mins(10)));
}

#[test]
fn nothing_happens_before_boot_and_nothing_after_a_restart() {
    let mut machine = Machine::new(settings(RecoveryPolicy::Rehome), 1);
    machine.handle_input(Instant::BOOT, Input::NetworkJoined);
    assert_eq!((machine.poll_output(Instant::BOOT), machine.next_timeout()), (None, None));

    let mut bench = Bench::with(settings(RecoveryPolicy::Rehome), 0);
    assert_eq!(bench.send(Input::PortalReboot), [Output::Restart]);
    assert_eq!(bench.send(Input::StationAttached), []);
    assert_eq!(bench.machine.next_timeout(), None);
}

#[test]
fn an_empty_device_opens_its_hotspot_at_once_and_waits_for_ever() {
    let mut bench = Bench::with(settings(RecoveryPolicy::Rehome), 0);
    assert_eq!(
        bench.outputs,
        [
            Output::StateChanged { from: None, to: State::WaitConfig },
            Output::OpenHotspot,
            Output::Indicate(Indication::State(State::WaitConfig))
        ]
    );
    assert_eq!(bench.pass_s(100_000), []);
    assert!(bench.machine.is_hotspot_open());
}

#[test]
fn reading_the_board_info_is_configuring_until_the_last_station_leaves() {
    let mut bench = Bench::with(settings(RecoveryPolicy::Rehome), 0);
    bench.send(Input::StationAttached);
    bench.send(Input::StationAttached);
    bench.send(Input::BoardInfoRead);
    assert_eq!(bench.state(), State::Configuring);
    bench.pass_s(100_000);
    assert_eq!(bench.state(), State::Configuring, "a silent station is still there");
    bench.send(Input::StationDetached);
    assert_eq!(bench.state(), State::Configuring);
    bench.send(Input::StationDetached);
    assert_eq!(bench.state(), State::WaitConfig);
}

#[test]
fn configuring_by_somebody_who_is_no_station_ends_three_minutes_after_the_last_request() {
    let mut bench = Bench::with(settings(RecoveryPolicy::Rehome), 0);
    bench.send(Input::BoardInfoRead);
    bench.pass_s(100);
    bench.send(Input::PortalRequested);
    bench.pass_s(179);
    assert_eq!(bench.state(), State::Configuring);
    bench.pass_s(1);
    assert_eq!(bench.state(), State::WaitConfig);
}

#[test]
fn the_button_shows_at_3_s_warns_at_10_s_and_wipes_only_on_release() {
    let mut bench = Bench::running();
    bench.send(Input::ButtonPressed);
    bench.pass(Duration::from_millis(2_999));
    assert_eq!(bench.outputs, []);
    assert_eq!(bench.pass(Duration::from_millis(1)), [Output::Indicate(Indication::ButtonHeld)]);
    assert_eq!(bench.pass_s(7), [Output::Indicate(Indication::ButtonWipes)]);
    assert_eq!(bench.pass_s(60), [], "a jammed button never wipes");
    bench.send(Input::ButtonReleased);
    assert_eq!(bench.state(), State::ResetConfig);
    assert!(bench.has(Output::WipeHome) && bench.has(Output::DisconnectCloud) && bench.has(Output::Leave));
}

#[test]
fn a_button_let_go_before_10_s_changes_nothing() {
    let mut bench = Bench::running();
    bench.send(Input::ButtonPressed);
    bench.pass(Duration::from_millis(9_999));
    bench.send(Input::ButtonPressed);
    assert_eq!(bench.send(Input::ButtonReleased), [Output::Indicate(Indication::State(State::Running))]);
    assert_eq!(bench.state(), State::Running);
}

#[test]
fn a_release_that_comes_before_a_late_timer_still_wipes() {
    let mut bench = Bench::running();
    bench.send(Input::ButtonPressed);
    bench.now_ms += 12_000;
    bench.send(Input::ButtonReleased);
    assert_eq!(bench.state(), State::ResetConfig);
}

#[test]
fn an_erase_order_wipes_in_an_accepted_session_and_leads_back_to_set_up() {
    let mut bench = Bench::running();
    bench.send(Input::ConfigEraseOrdered);
    assert!(bench.has(Output::StateChanged { from: Some(State::Running), to: State::ResetConfig }));
    assert!(bench.has(Output::WipeHome) && !bench.machine.is_hotspot_open());
    bench.send(Input::Wiped(Ok(())));
    assert!(bench.has(Output::StateChanged { from: Some(State::ResetConfig), to: State::WaitConfig }));
    assert!(bench.has(Output::OpenHotspot) && !bench.machine.has_home());
}

#[test]
fn an_erase_order_outside_an_accepted_session_changes_nothing() {
    let mut bench = Bench::rehome();
    assert_eq!(bench.send(Input::ConfigEraseOrdered), []);
    bench.send(Input::NetworkJoined);
    assert_eq!(bench.send(Input::ConfigEraseOrdered), []);
    let mut bench = Bench::running();
    bench.send(Input::CloudLost);
    assert_eq!(bench.send(Input::ConfigEraseOrdered), []);
}

#[test]
fn a_device_that_ignores_unsigned_orders_is_wiped_by_a_proven_release_only() {
    let settings = Settings { erase_order: EraseOrder::Ignored, ..settings(RecoveryPolicy::Rehome) };
    let mut bench = Bench::with(settings, 1);
    bench.send(Input::NetworkJoined);
    bench.send(Input::LoginAccepted);
    assert_eq!(bench.send(Input::ConfigEraseOrdered), []);
    bench.send(Input::ReleaseProven);
    assert_eq!(bench.state(), State::ResetConfig);
}

/// A device whose home was wiped on a proven order and whose receipt is out.
fn waiting_for_acknowledgement() -> Bench {
    let mut bench = Bench::running();
    bench.send(Input::ReleaseProven);
    assert!(bench.has(Output::WipeHome));
    assert!(
        !bench.has(Output::DisconnectCloud) && !bench.has(Output::Leave),
        "the receipt needs the session"
    );
    assert_eq!(bench.send(Input::Wiped(Ok(()))), [Output::SendReceipt]);
    assert!(!bench.machine.has_home());
    bench
}

const RELEASED: [Output; 3] = [
    Output::Leave,
    Output::StateChanged { from: Some(State::ResetConfig), to: State::WaitConfig },
    Output::OpenHotspot,
];

#[test]
fn the_receipt_of_a_proven_release_leaves_after_the_wipe_and_its_acknowledgement_ends_the_session() {
    let mut bench = waiting_for_acknowledgement();
    let outputs = bench.send(Input::ReceiptAcknowledged).to_vec();
    assert_eq!(outputs[0], Output::DisconnectCloud);
    assert_eq!(outputs[1..4], RELEASED);
    assert_eq!(bench.send(Input::ReceiptAcknowledged), []);
}

#[test]
fn a_receipt_that_nobody_acknowledges_delays_the_hotspot_by_five_seconds() {
    let mut bench = waiting_for_acknowledgement();
    bench.pass(Duration::from_millis(4_999));
    assert_eq!(bench.state(), State::ResetConfig);
    bench.pass(Duration::from_millis(1));
    assert!(bench.has(Output::DisconnectCloud) && bench.has(Output::OpenHotspot));
}

#[test]
fn a_session_that_ends_before_the_acknowledgement_leads_to_set_up_at_once() {
    let mut bench = waiting_for_acknowledgement();
    assert_eq!(bench.send(Input::CloudLost)[..3], RELEASED);
    let mut bench = waiting_for_acknowledgement();
    bench.send(Input::NetworkLost);
    assert!(bench.has(Output::DisconnectCloud) && bench.has(Output::OpenHotspot));
}

#[test]
fn a_session_that_ends_during_the_wipe_costs_the_receipt_and_not_the_wipe() {
    for (lost, left_over) in
        [(Input::CloudLost, Output::Leave), (Input::NetworkLost, Output::DisconnectCloud)]
    {
        let mut bench = Bench::running();
        bench.send(Input::ReleaseProven);
        assert_eq!(bench.send(lost), [left_over]);
        bench.send(Input::Wiped(Ok(())));
        assert!(!bench.has(Output::SendReceipt));
        assert_eq!(bench.state(), State::WaitConfig);
    }
}

#[test]
fn a_failed_wipe_sends_no_receipt_until_a_later_one_succeeds() {
    let mut bench = Bench::running();
    bench.send(Input::ReleaseProven);
    assert_eq!(bench.send(Input::Wiped(Err(StoreFault))), []);
    assert_eq!(bench.send(Input::ReceiptAcknowledged), [], "nothing was sent that could be acknowledged");
    assert_eq!(bench.pass_s(1), [Output::WipeHome]);
    assert_eq!(bench.send(Input::Wiped(Ok(()))), [Output::SendReceipt]);
}

#[test]
fn a_release_proven_without_a_session_wipes_and_owes_no_receipt() {
    let mut bench = Bench::rehome();
    bench.send(Input::ReleaseProven);
    assert!(bench.has(Output::Leave) && bench.has(Output::WipeHome));
    bench.send(Input::Wiped(Ok(())));
    assert!(!bench.has(Output::SendReceipt) && bench.has(Output::OpenHotspot));
}

#[test]
fn a_home_that_gains_a_release_key_stops_obeying_unsigned_orders() {
    let mut bench = Bench::running();
    bench.machine.set_erase_order(EraseOrder::Ignored);
    assert_eq!(bench.send(Input::ConfigEraseOrdered), []);
    bench.machine.set_erase_order(EraseOrder::FromAcceptedSession);
    bench.send(Input::ConfigEraseOrdered);
    assert_eq!(bench.state(), State::ResetConfig);
}

#[test]
fn a_wipe_that_fails_is_repeated_and_then_left_to_the_next_boot() {
    let mut bench = Bench::running();
    bench.send(Input::ConfigEraseOrdered);
    for _ in 0..2 {
        assert_eq!(bench.send(Input::Wiped(Err(StoreFault))), []);
        assert_eq!(bench.send(Input::Wiped(Ok(()))), [], "an answer nobody asked for");
        assert_eq!(bench.pass_s(1), [Output::WipeHome]);
    }
    assert_eq!(bench.send(Input::Wiped(Err(StoreFault))), [Output::Restart]);
}

#[test]
fn the_same_seed_repeats_every_wait_and_another_seed_does_not() {
    let retry_at = |seed| {
        let mut machine = Machine::new(Settings::default(), seed);
        let boot = Boot {
            reason: BootReason::PowerOn,
            stored_network_count: 1,
            last_error: None,
            short_power_up_count: 0,
            is_door_locked: false,
        };
        machine.handle_input(Instant::BOOT, Input::Booted(boot));
        machine.handle_input(Instant::BOOT, Input::NetworkJoined);
        machine.handle_input(Instant::BOOT, Input::LoginRefused { verified_tls: true });
        // The boot window is still running; the retry is the timer after it.
        machine.handle_input(Instant::from_millis(30_000), Input::TimerFired);
        machine.next_timeout()
    };
    assert_eq!(retry_at(7), retry_at(7));
    assert_ne!(retry_at(7), retry_at(8));
}

#[test]
fn a_machine_moved_in_time_does_the_same_after_the_same_waits() {
    // A fixed walk through many situations; the moved machine is moved to zero before every event.
    let mut seed: u32 = 1;
    let mut draw = |limit: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) % limit
    };
    let inputs = [
        Input::TimerFired,
        Input::NetworkJoined,
        Input::NetworkFailed(NetworkError::NotFound),
        Input::NetworkLost,
        Input::LoginAccepted,
        Input::LoginRefused { verified_tls: true },
        Input::CloudFailed(CloudError::CaptivePortal),
        Input::CloudLost,
        Input::StationAttached,
        Input::StationDetached,
        Input::PortalRequested,
        SUBMIT,
        Input::ConfigStartOrdered,
        Input::OtaOrdered,
        Input::ButtonPressed,
        Input::Saved(Ok(())),
        Input::OtaFinished(Err(OtaFault)),
        Input::FirmwareOnTrial,
        Input::FirmwareConfirmed(Ok(())),
    ];
    let mut fixed = Bench::with(Settings::default(), 2);
    let mut moved = fixed.machine.clone();
    for step in 0..20_000_u32 {
        let wait_ms = match (draw(3), fixed.machine.next_timeout()) {
            (0, Some(due_at)) => due_at.as_millis().saturating_sub(fixed.now_ms),
            (1, _) => u64::from(draw(20_000)),
            _ => 0,
        };
        fixed.now_ms += wait_ms;
        let input = inputs[draw(u32::try_from(inputs.len()).expect("a few inputs")) as usize];
        let expected = fixed.send(input).to_vec();
        let now = Instant::from_millis(wait_ms);
        moved.handle_input(now, input);
        let got: Vec<Output> = core::iter::from_fn(|| moved.poll_output(now)).collect();
        assert_eq!(got, expected, "step {step}, {input:?}");
        moved = moved.relative_to(now);
        let fixed_at_zero = fixed.machine.relative_to(Instant::from_millis(fixed.now_ms));
        assert_eq!(moved, fixed_at_zero, "step {step}, {input:?}");
    }
}
