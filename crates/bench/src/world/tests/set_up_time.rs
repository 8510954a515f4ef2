//! How long a person waits after pressing Connect.

use std::time::Duration;

use super::{HOME_PASSWORD, HOME_SSID, MINUTE, Stage};
use crate::virtual_cloud::Service;
use crate::virtual_time::run_virtual;

/// Boards that are set up; each has its own seed, and with it its own delays of radio and network.
const BOARD_COUNT: u64 = 200;
/// A person looks for the network in the list and types its password.
const TYPING: Duration = Duration::from_secs(20);
const MEDIAN_LIMIT_MS: u128 = 4_000;
const P95_LIMIT_MS: u128 = 8_000;

#[test]
fn from_config_to_running_takes_below_4_s_in_the_median_and_below_8_s_for_19_of_20() {
    let mut times_ms: Vec<u128> = (0..BOARD_COUNT).map(config_to_running_ms).collect();
    times_ms.sort_unstable();
    let percentile_ms = |percent: usize| times_ms[times_ms.len() * percent / 100];
    let (shortest_ms, median_ms, p95_ms) = (percentile_ms(0), percentile_ms(50), percentile_ms(95));
    assert!(shortest_ms < median_ms && median_ms < p95_ms, "the delays differ");
    assert!(median_ms < MEDIAN_LIMIT_MS, "median {median_ms} ms");
    assert!(p95_ms < P95_LIMIT_MS, "p95 {p95_ms} ms");
}

/// Sets a board up and returns the device time from the form's way to `/config` to the state `RUNNING`.
fn config_to_running_ms(seed: u64) -> u128 {
    run_virtual(seed, Service::Rehome, |world| async move {
        let stage = Stage::new(world);
        stage.bench().give_power(&stage.board).unwrap();
        assert!(stage.wait(MINUTE, |view| view.hotspot_ssid.is_some()).await, "{}", stage.serial());
        let token = stage.world.cloud.create_device();
        stage.world.pass(TYPING).await;
        let clock = stage.bench().clock();
        let sent_at = clock.now();
        stage.submit(HOME_SSID, HOME_PASSWORD, Some(&token)).await;
        assert!(stage.world.wait_for_state(&stage.board, "RUNNING", MINUTE).await, "{}", stage.serial());
        clock.now().saturating_sub(sent_at).as_millis()
    })
    .unwrap()
}
