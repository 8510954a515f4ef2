//! The environments that are searched, and the waits they are searched with.

use core::time::Duration;

use lifecycle::{CloudError, EraseOrder, NetworkError, RecoveryPolicy, Settings, Timings};

use crate::observer::GESTURE_OPEN_MS;
use crate::world::{Alphabet, Horizon, Networks};

const STEP: Duration = Duration::from_secs(10);

const NETWORK_ERRORS: [NetworkError; 10] = [
    NetworkError::BadConfig,
    NetworkError::Timeout,
    NetworkError::NotFound,
    NetworkError::Authentication,
    NetworkError::NoAddress,
    NetworkError::NoCable,
    NetworkError::SimMissing,
    NetworkError::SimLocked,
    NetworkError::SimWrongPin,
    NetworkError::Other,
];

const CLOUD_ERRORS: [CloudError; 5] = [
    CloudError::Timeout,
    CloudError::Dns,
    CloudError::Certificate,
    CloudError::CaptivePortal,
    CloudError::Other,
];

/// Everything that is searched for `rehome`, each with its name.
pub(crate) fn rehome_searches() -> Vec<(&'static str, Settings, Alphabet)> {
    let rehome = |timings| settings(RecoveryPolicy::Rehome, timings);
    let stepwise = Alphabet { time_step: Some(STEP), ..everything() };
    let lock = Timings { run_time_grace: None, ..equal_waits() };
    vec![
        ("outages at every step of time", rehome(short_waits()), stepwise.clone()),
        (
            "two networks",
            rehome(equal_waits()),
            Alphabet { stored_network_count: 2, submissions: &[2], ..everything() },
        ),
        (
            "firmware updates and a serial console",
            rehome(equal_waits()),
            Alphabet { has_ota: true, has_console: true, ..stepwise.clone() },
        ),
        ("button", rehome(equal_waits()), Alphabet { has_button: true, has_release: true, ..everything() }),
        ("power-up gesture", rehome(gesture_waits()), gesture_alphabet()),
        (
            "a home that cannot be read",
            rehome(equal_waits()),
            Alphabet { has_unreadable_home: true, has_button: true, ..everything() },
        ),
        ("wrong proofs", rehome(equal_waits()), Alphabet { has_lock: true, ..everything() }),
        ("visitors", rehome(equal_waits()), Alphabet { has_visitors: true, ..stepwise.clone() }),
        (
            "visitors of a device with two networks",
            rehome(equal_waits()),
            Alphabet { stored_network_count: 2, cloud_errors: &[], has_visitors: true, ..everything() },
        ),
        ("a lock, whose hotspot opens only at boot", rehome(lock), stepwise),
        (
            "an empty device",
            rehome(equal_waits()),
            Alphabet { stored_network_count: 0, submissions: &[0, 1], ..everything() },
        ),
        (
            "the first 45 s with the real waits",
            rehome(real_waits()),
            Alphabet { submissions: &[], horizon: Horizon::Start, ..everything() },
        ),
        (
            "the first 45 s with every error",
            rehome(equal_waits()),
            Alphabet {
                network_errors: &NETWORK_ERRORS,
                cloud_errors: &CLOUD_ERRORS,
                submissions: &[0, 1],
                horizon: Horizon::Start,
                ..everything()
            },
        ),
    ]
}

/// The waits of a device, without their random part.
pub(crate) fn real_waits() -> Timings {
    Timings { jitter_percent: 0, ..Timings::default() }
}

pub(crate) fn settings(recovery: RecoveryPolicy, timings: Timings) -> Settings {
    Settings { recovery, erase_order: EraseOrder::FromAcceptedSession, timings }
}

/// One stored network and all that can go wrong with it and with the cloud; people are added by the searches.
pub(crate) fn everything() -> Alphabet {
    Alphabet {
        network_errors: &[NetworkError::NotFound],
        cloud_errors: &[CloudError::Timeout, CloudError::CaptivePortal],
        submissions: &[1],
        has_visitors: false,
        has_button: false,
        has_ota: false,
        has_console: false,
        has_release: false,
        has_gesture: false,
        has_lock: false,
        has_unreadable_home: false,
        time_step: None,
        networks: Networks::ComeAndGo,
        horizon: Horizon::Unlimited,
        stored_network_count: 1,
    }
}

/// Waits in steps of 10 s. Boot window and ERROR are the real ones, the others shorter, in the same order.
pub(crate) fn short_waits() -> Timings {
    let steps = |count: u32| STEP * count;
    Timings {
        boot_window: steps(3),
        error: steps(1),
        run_time_grace: Some(steps(6)),
        join_attempt: steps(2),
        network_retry_first: steps(1),
        network_retry_max: steps(2),
        cloud_attempt: steps(2),
        cloud_retry_first: steps(1),
        cloud_retry_max: steps(2),
        cloud_failures_per_network: 2,
        network_change: steps(3),
        token_retry_first: steps(1),
        token_retry_max: steps(4),
        unproven_token_retry_max: steps(2),
        jitter_percent: 0,
        switch_to_sta: steps(1),
        trial_join: steps(2),
        trial_cloud: steps(2),
        trial_return: steps(8),
        trial_result: steps(1),
        stock_window: steps(5),
        stock_window_count: 3,
        reset_window: steps(3),
        window_retry: steps(1),
        visitor_idle: steps(2),
        visitor_pause_max: steps(6),
        hotspot_linger_online: steps(1),
        hotspot_linger: steps(2),
        config_start: steps(3),
        short_power_up_min: steps(1),
        short_power_up_max: steps(2),
        button_indication: steps(1),
        button_wipe: steps(2),
        ota_announce: steps(1),
        ota_delay: steps(2),
        ota_limit: steps(2),
        firmware_trial: steps(6),
        wipe_retry: steps(1),
        receipt_wait: steps(1),
        wipe_attempts: 2,
    }
}

/// As [`short_waits`], but waits do not grow, which leaves room for more kinds of events.
fn equal_waits() -> Timings {
    Timings {
        network_retry_max: STEP,
        cloud_retry_max: STEP,
        token_retry_max: STEP,
        unproven_token_retry_max: STEP,
        ..short_waits()
    }
}

/// As [`equal_waits`], with a hotspot that the gesture opens for longer than every other reason.
pub(crate) fn gesture_waits() -> Timings {
    Timings { config_start: Duration::from_millis(GESTURE_OPEN_MS), ..equal_waits() }
}

/// Outages and power-ups of every length that matters to the gesture.
pub(crate) fn gesture_alphabet() -> Alphabet {
    Alphabet { has_gesture: true, cloud_errors: &[], time_step: Some(STEP), ..everything() }
}
