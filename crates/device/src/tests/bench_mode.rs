//! A home on the bench: in RAM, with no trace in flash.

use super::*;

fn bench_submission(more: &str) -> String {
    let body = format!("ssid=Bench+net&pass=another-password&bench=1{more}");
    format!("POST /config HTTP/1.1\r\nHost: 192.168.4.1\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A device with a label: one without takes no home for the bench.
pub(super) fn labelled() -> DeviceConfig<'static> {
    door::with_pop(door::POP)
}

fn play(flash: SharedSimFlash, script: Script) -> Played {
    play_as(&labelled(), BootReason::PowerOn, flash, script)
}

fn image(flash: &SharedSimFlash) -> Vec<u8> {
    flash.with(|flash| flash.image().to_vec())
}

/// From the submission at 10 s, when the power-up is counted, to an accepted login at 20 s.
pub(super) fn accepted(more: &str) -> Vec<(u64, Cue)> {
    std::vec![
        phone(10_000, 0, &bench_submission(more)),
        event(15_000, Event::Joined),
        event(16_000, Event::CloudConnected { is_verified_tls: true }),
        cloud(20_000, &response(1, 200)),
    ]
}

pub(super) fn with_token() -> String {
    format!("&blynk={TOKEN}&host=cloud.example")
}

#[test]
fn a_home_on_the_bench_runs_and_not_one_byte_of_flash_changes() {
    let flash = empty_flash();
    play(flash.clone(), Script::new(9_000, &[]));
    let mut cues = accepted(&with_token());
    // Everything that is recorded of a device at home: a claim, an error before a restart.
    cues.push(cloud(30_000, &message(Command::Internal, 9, b"dbg\0reboot")));
    let before = play(flash.clone(), Script::new(9_999, &cues)).flash;
    let image_before = image(&before);
    let played = play_as(&labelled(), BootReason::Restart, flash.clone(), Script::new(40_000, &cues));
    assert!(played.script.log.contains("=> RUNNING"), "{}", played.script.log);
    assert_eq!(played.end, Some(RunEnd::Restart));
    // Only the boot itself was counted, by one record.
    let differing = image(&flash).iter().zip(&image_before).filter(|(after, before)| after != before).count();
    assert!((1..=32).contains(&differing), "{differing} bytes differ");
    let after = play_as(&labelled(), BootReason::Restart, flash, Script::new(50_000, &[]));
    assert_eq!(after.stored_home(), None);
    assert!(after.script.log.contains("INIT => WAIT_CONFIG"), "{}", after.script.log);
}

#[test]
fn the_cloud_is_told_and_its_claim_is_not_stored() {
    let claim = releases::claim(1);
    let mut cues = accepted(&with_token());
    cues.push(cloud(21_000, &claim));
    let flash = empty_flash();
    let played = play(flash.clone(), Script::new(30_000, &cues));
    let (_, info) = &played.script.sent[1];
    assert!(info.windows(9).any(|window| window == b"\0bench\x001\0"), "{}", info.escape_ascii());
    assert!(played.script.log.contains("Claim ignored: the home is on the bench"), "{}", played.script.log);
    assert_eq!(played.stored_home(), None);
    let stored = play(flash_with_home(), Script::new(2_100, &online()));
    assert!(!stored.script.sent[1].1.windows(5).any(|window| window == b"bench"));
}

#[test]
fn an_erase_order_from_the_bench_cloud_forgets_the_bench_home_and_brings_the_stored_one_back() {
    let flash = flash_with_home();
    let mut cues = Vec::new();
    // The stored home's network is gone; the hotspot opens after 40 s.
    for (at_ms, cue) in accepted(&with_token()) {
        cues.push((at_ms + 40_000, cue));
    }
    cues.push(cloud(70_000, &message(Command::Internal, 9, b"dbg\0config erase")));
    let played = play(flash, Script::new(80_000, &cues));
    assert!(played.script.log.contains("Home on the bench forgotten"), "{}", played.script.log);
    assert_eq!(played.end, Some(RunEnd::Restart));
    assert_eq!(played.stored_home(), Some(home(443)), "another cloud has no say over it");
}

#[test]
fn the_button_wipes_what_the_flash_holds_although_the_home_in_use_is_on_the_bench() {
    let mut cues = Vec::new();
    for (at_ms, cue) in accepted(&with_token()) {
        cues.push((at_ms + 40_000, cue));
    }
    cues.push(event(70_000, Event::ButtonPressed));
    cues.push(event(81_000, Event::ButtonReleased));
    let played = play(flash_with_home(), Script::new(90_000, &cues));
    assert!(played.script.log.contains("Home erased"), "{}", played.script.log);
    assert_eq!((played.end, played.stored_home()), (None, None));
}

#[test]
fn another_network_for_a_bench_home_stays_on_the_bench() {
    let mut cues = accepted(&with_token());
    cues.push(event(30_000, Event::LinkLost));
    // After the grace of ten minutes the hotspot is open; the form keeps the account and says nothing of the bench.
    let body = "ssid=Third+net&pass=third-password";
    let request =
        format!("POST /config HTTP/1.1\r\nHost: 192.168.4.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    cues.push(phone(700_000, 0, &request));
    cues.push(event(705_000, Event::Joined));
    cues.push(event(706_000, Event::CloudConnected { is_verified_tls: true }));
    cues.push(cloud(707_000, &response(1, 200)));
    let played = play(empty_flash(), Script::new(710_000, &cues));
    assert_eq!(played.script.log.matches("=> RUNNING").count(), 2, "{}", played.script.log);
    assert_eq!(played.stored_home(), None);
}

#[test]
fn a_claim_code_after_a_test_on_the_bench_makes_a_home_that_is_stored() {
    let mut cues = accepted(&with_token());
    cues.push(event(30_000, Event::LinkLost));
    cues.push(phone(700_000, 0, &claim_codes::code_submission(claim_codes::CODE, "443")));
    cues.push(event(705_000, Event::Joined));
    cues.push(event(706_000, Event::CloudConnected { is_verified_tls: true }));
    cues.push(cloud(706_300, &claim_codes::token_answer()));
    cues.push(cloud(707_000, &response(1, 200)));
    let played = play(empty_flash(), Script::new(710_000, &cues));
    assert_eq!(played.script.log.matches("=> RUNNING").count(), 2, "{}", played.script.log);
    assert_eq!(played.stored_home(), Some(home(443)), "the code is used up: nobody can enter it again");
}

#[test]
fn a_release_order_for_the_stored_home_is_not_answered_while_its_account_is_used_on_the_bench() {
    let mut cues = Vec::new();
    // Without a token the form keeps the stored account, which holds a release key.
    for (at_ms, cue) in accepted("") {
        cues.push((at_ms + 40_000, cue));
    }
    cues.push(cloud(70_000, &releases::order(4)));
    let played = play(releases::flash_with_key(), Script::new(80_000, &cues));
    assert!(played.script.log.contains("on the bench, a restart forgets it"), "{}", played.script.log);
    assert!(
        played.script.log.contains("Release order ignored: no release key is stored"),
        "{}",
        played.script.log
    );
    assert!(!played.script.log.contains("Receipt sent"), "{}", played.script.log);
    assert!(
        played.stored_home().is_some_and(|home| home.cloud.release_key.is_some()),
        "the flash is as it was"
    );
}

#[test]
fn a_failed_test_on_the_bench_leaves_no_error_in_flash() {
    let reboot = "POST /reboot HTTP/1.1\r\nHost: 192.168.4.1\r\nContent-Length: 0\r\n\r\n";
    let last_error_after = |request: &str| {
        let cues = [
            phone(10_000, 0, request),
            event(15_000, Event::JoinFailed(NetworkError::Authentication)),
            phone(30_000, 1, reboot),
        ];
        let played = play(empty_flash(), Script::new(40_000, &cues));
        assert_eq!(
            (played.end, played.stored_home()),
            (Some(RunEnd::Restart), None),
            "{}",
            played.script.log
        );
        let flash = played.flash.clone();
        embassy_futures::block_on(async { HomeStore::open(flash, LAYOUT).await.unwrap().last_error() })
    };
    assert_eq!(last_error_after(&bench_submission(&with_token())), None);
    assert_eq!(
        last_error_after(&submission("Home+net")),
        Some(722),
        "of a home that was to be stored it is kept"
    );
}
