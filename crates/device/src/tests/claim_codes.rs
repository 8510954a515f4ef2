//! A claim code on trial, as the shell plays it.

use wire::{ClaimCode, NoToken, Secret, ServerInternal, ServerMessage};

use super::*;

pub(super) const CODE: &str = "9EF5-4D64";

fn answer(internal: ServerInternal<'_>) -> Vec<u8> {
    let mut bytes = [0; 100];
    let length = ServerMessage::Internal(internal).encode(1, &mut bytes).unwrap();
    bytes[..length].to_vec()
}

pub(super) fn token_answer() -> Vec<u8> {
    answer(ServerInternal::Token { token: Secret(TOKEN.as_bytes()) })
}

pub(super) fn code_submission(code: &str, port: &str) -> String {
    let body = format!("ssid=Home+net&pass={PASSWORD}&blynk={code}&host=cloud.example&port_ssl={port}");
    format!(
        "POST /config HTTP/1.1\r\nHost: 192.168.4.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn status(at_ms: u64) -> (u64, Cue) {
    phone(at_ms, 1, "GET /status.json HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n")
}

/// Cues up to the connection, at 3.5 s.
fn connected(code: &str, port: &str, is_verified_tls: bool) -> Vec<(u64, Cue)> {
    std::vec![
        phone(100, 0, &code_submission(code, port)),
        event(3_000, Event::Joined),
        event(3_500, Event::CloudConnected { is_verified_tls }),
    ]
}

fn with(mut cues: Vec<(u64, Cue)>, more: &[(u64, Cue)]) -> Vec<(u64, Cue)> {
    cues.extend_from_slice(more);
    cues
}

fn sent_codes(played: &Played) -> Vec<(ClaimCode, String)> {
    let read = |(_, bytes): &(u64, Vec<u8>)| {
        let Ok(Parsed::Complete { frame, .. }) = Frame::parse(bytes, 1024) else { panic!() };
        match DeviceMessage::parse(&frame) {
            Ok(DeviceMessage::Internal(DeviceInternal::ClaimCode(request))) => {
                Some((request.code, request.uid.to_string()))
            }
            _ => None,
        }
    };
    played.script.sent.iter().filter_map(read).collect()
}

#[test]
fn a_code_is_exchanged_and_the_home_is_stored_with_the_token_after_the_login() {
    let cues = with(
        connected("9ef54d64", "443", true),
        &[cloud(3_800, &token_answer()), cloud(4_000, &response(1, 200))],
    );
    let before = play(empty_flash(), Script::new(3_900, &cues[..4]));
    assert_eq!(before.stored_home(), None, "nothing is stored before the cloud accepted the device");
    assert_eq!(sent_codes(&before), [(ClaimCode::parse(CODE.as_bytes()).unwrap(), "uid-1".to_string())]);
    assert_eq!(before.script.sent_commands(), [Command::Internal, Command::Login]);
    assert_eq!(&before.script.sent[1].1[5..], TOKEN.as_bytes());
    let played = play(empty_flash(), Script::new(4_100, &cues));
    assert_eq!(played.stored_home(), Some(home(443)), "{}", played.script.log);
    assert_eq!(sent_codes(&played).len(), 1);
    for shown in [CODE, "9EF54D64"] {
        assert!(!played.script.log.contains(shown), "{}", played.script.log);
        assert!(played.script.answers.iter().all(|answer| !answer.contains(shown)));
    }
}

#[test]
fn a_refused_code_ends_the_trial_with_words_and_keeps_the_stored_home() {
    for (reason, words, code) in [
        (NoToken::Code, "does not know this claim code", 703),
        (NoToken::Owned, "still belongs to somebody", 703),
        (NoToken::Later, "Something went wrong between the device and the server", 705),
    ] {
        let refusal = cloud(3_800, &answer(ServerInternal::NoToken(reason)));
        let cues = with(connected(CODE, "443", true), &[refusal, status(3_900)]);
        let played = play(empty_flash(), Script::new(4_000, &cues));
        let answer = &played.script.answers[1];
        assert!(answer.contains(words) && answer.contains(&format!("\"last_error\":{code}")), "{answer}");
        assert_eq!(played.stored_home(), None);
        assert_eq!(played.script.sent_commands(), [Command::Internal], "{reason:?}: no login follows");
        assert!(played.script.has_called("hang up"));
    }
}

#[test]
fn in_recovery_a_refused_code_changes_nothing_in_flash() {
    let before = flash_with_home();
    let image = before.with(|flash| flash.image().to_vec());
    let mut cues = std::vec![event(30_000, Event::JoinFailed(NetworkError::NotFound))];
    cues.extend(connected(CODE, "443", true).into_iter().map(|(at_ms, cue)| (at_ms + 60_000, cue)));
    cues.push(cloud(63_800, &answer(ServerInternal::NoToken(NoToken::Code))));
    let played = play(before.clone(), Script::new(64_000, &cues));
    assert_eq!(sent_codes(&played).len(), 1, "{}", played.script.log);
    assert_eq!(played.stored_home(), Some(home(443)));
    // Boot and last error are counted; the home is not touched.
    assert_eq!(before.with(|flash| flash.image().len()), image.len());
}

#[test]
fn a_code_never_leaves_over_a_link_that_proves_nothing_unless_plain_was_asked_for() {
    let unproven = play(empty_flash(), Script::new(3_600, &connected(CODE, "443", false)));
    assert!(unproven.script.sent.is_empty(), "{:?}", unproven.script.sent);
    assert!(unproven.script.log.contains("Error 711"), "{}", unproven.script.log);
    let plain = play(empty_flash(), Script::new(3_600, &connected(CODE, "80", false)));
    assert_eq!(sent_codes(&plain).len(), 1);
}

#[test]
fn silence_a_status_and_a_malformed_token_end_the_exchange() {
    let silent = play(empty_flash(), Script::new(10_000, &connected(CODE, "443", true)));
    assert!(silent.script.log.contains("Error 702"), "{}", silent.script.log);
    for body in [response(1, 200), response(1, 9), message(Command::Internal, 1, b"token\0short")] {
        let cues =
            with(connected(CODE, "443", true), &[cloud(3_800, &body), cloud(3_900, &response(1, 200))]);
        let played = play(empty_flash(), Script::new(10_000, &cues));
        assert_eq!(played.stored_home(), None, "{}", body.escape_ascii());
        assert_eq!(played.script.sent_commands(), [Command::Internal], "{}", body.escape_ascii());
    }
}

#[test]
fn a_power_cut_between_exchange_and_save_leaves_nothing_behind() {
    let cues = with(connected(CODE, "443", true), &[cloud(3_800, &token_answer())]);
    let flash = empty_flash();
    drop(play(flash.clone(), Script::new(3_900, &cues)));
    let after = play(flash, Script::new(1_000, &[]));
    assert_eq!(after.stored_home(), None);
    assert!(after.script.log.contains("INIT => WAIT_CONFIG"), "{}", after.script.log);
    let image_has = |trace: &[u8]| {
        after.flash.with(|flash| flash.image().windows(trace.len()).any(|window| window == trace))
    };
    assert!(
        !image_has(TOKEN.as_bytes()) && !image_has(b"9EF54D64") && !image_has(&crate::claims::TOKEN_TO_COME)
    );
}
