//! The door: power-ups that open it, proofs that lock it, visitors who do not count.

use home_store::sim_flash::PowerCut;
use portal::Secret;

use super::*;
use crate::platform::SCAN_COUNT_MAX;

pub(super) const POP: &str = "label-pop-4711";
/// Too short for a passphrase, so the portal asks for it.
const FORM_POP: &str = "pop4711";
const OPEN: &str = "open Blynk Air Monitor-1W7R";

pub(super) fn with_pop(pop: &'static str) -> DeviceConfig<'static> {
    DeviceConfig { pop: Some(Secret::new(pop)), ..config() }
}

fn gesture_count(flash: &SharedSimFlash) -> u8 {
    embassy_futures::block_on(async { HomeStore::open(flash.clone(), LAYOUT).await.unwrap().gesture_count() })
}

/// Gives power for so long, without a network in reach.
fn power_up(flash: &SharedSimFlash, on_ms: u64) -> Script {
    play(flash.clone(), Script::new(on_ms, &[])).script
}

#[test]
fn five_power_ups_of_one_to_eight_seconds_open_the_hotspot_at_the_sixth_and_keep_the_home() {
    let flash = flash_with_home();
    for on_ms in [1_000, 7_999, 3_000, 1_500, 5_000] {
        // A contact that bounces is no power-up.
        assert!(!power_up(&flash, 300).has_called(OPEN));
        assert!(!power_up(&flash, on_ms).has_called(OPEN));
    }
    let stays_on = power_up(&flash, 10_000);
    assert!(stays_on.has_called(OPEN) && stays_on.log.contains("[0] AP SSID:"), "{}", stays_on.log);
    let next = play(flash.clone(), Script::new(20_000, &[]));
    assert!(!next.script.has_called(OPEN), "the device stayed on, so the row is over");
    assert_eq!(next.stored_home(), Some(home(443)));
}

#[test]
fn a_long_power_up_breaks_the_row_and_other_starts_neither_count_nor_break_it() {
    let flash = flash_with_home();
    for on_ms in [2_000, 2_000, 2_000, 2_000, 8_000, 2_000] {
        power_up(&flash, on_ms);
    }
    assert_eq!(gesture_count(&flash), 1);
    for reason in [BootReason::Restart, BootReason::Fault] {
        for _ in 0..6 {
            let played = play_as(&config(), reason, flash.clone(), Script::new(2_000, &[]));
            assert!(!played.script.has_called(OPEN));
        }
    }
    assert_eq!(gesture_count(&flash), 1);
}

#[test]
fn a_power_cut_at_any_byte_of_the_count_costs_neither_the_home_nor_the_row() {
    let before = flash_with_home();
    (0..4).for_each(|_| drop(power_up(&before, 2_000)));
    assert_eq!(gesture_count(&before), 4);
    let image = before.with(|flash| flash.clone());
    let written = |flash: &SharedSimFlash| flash.with(|flash| flash.counters().written_bytes);
    let clean = SharedSimFlash::new(image.clone());
    let start = written(&clean);
    power_up(&clean, 9_000);
    let byte_count = written(&clean) - start;
    assert!(byte_count >= 3 * 8, "boot, count and clear are written: {byte_count} bytes");
    let mut seen = [0_u32; 6];
    for cut_after in 0..=byte_count {
        for torn_mask in [0xFF, 0xA5] {
            let flash = SharedSimFlash::new(image.clone());
            flash.with(|flash| {
                flash.cut_power(PowerCut::InWrite { written_bytes: cut_after, torn_mask });
            });
            power_up(&flash, 9_000);
            flash.with(SimFlash::power_on);
            let count = gesture_count(&flash);
            assert!([0, 4, 5].contains(&count), "cut after {cut_after} bytes: {count}");
            seen[usize::from(count)] += 1;
            let played = play(flash.clone(), Script::new(500, &[]));
            assert_eq!(played.script.has_called(OPEN), count == 5, "cut after {cut_after} bytes");
            assert_eq!(played.stored_home(), Some(home(443)), "cut after {cut_after} bytes");
        }
    }
    assert!(seen[0] > 0 && seen[4] > 0 && seen[5] > 0, "{seen:?}");
}

#[test]
fn ten_years_of_100_power_ups_a_day_and_gestures_leave_nine_tenths_of_the_flash_life() {
    /// Power-ups that are played; the rest is computed.
    const SAMPLE_COUNT: u32 = 1_000;
    const POWER_UP_COUNT: u32 = 100 * 365 * 10;
    let flash = flash_with_home();
    let erases = |flash: &SharedSimFlash| flash.with(|flash| flash.erase_counts().to_vec());
    let before = erases(&flash);
    for index in 0..SAMPLE_COUNT {
        // A day has ten gestures in it: five short ones and one that stays on; the others stay on.
        let on_ms = if index % 10 < 5 { 2_000 } else { 9_000 };
        power_up(&flash, on_ms);
    }
    let after = erases(&flash);
    let worst = after.iter().zip(&before).map(|(after, before)| after - before).max().unwrap();
    assert!(worst >= 3, "the sample is too short to measure: {worst}");
    let in_ten_years = (worst + 1) * (POWER_UP_COUNT / SAMPLE_COUNT);
    assert!(in_ten_years < 10_000, "{in_ten_years} erases in ten years");
}

/// A form with a proof of possession.
fn submission_with(pop: &str) -> String {
    let body = format!("ssid=Home+net&pass={PASSWORD}&blynk={TOKEN}&host=cloud.example&pop={pop}");
    format!("POST /config HTTP/1.1\r\nHost: 192.168.4.1\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn the_pop_is_the_passphrase_of_the_hotspot_and_shows_nowhere() {
    let request = phone(100, 0, "GET / HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n");
    let script = Script::new(3_000, &[request, event(2_000, Event::ScanDone)]);
    let played = play_as(&with_pop(POP), BootReason::PowerOn, empty_flash(), script);
    assert!(played.script.has_called("open Blynk Air Monitor-1W7R wpa2"), "{:?}", played.script.calls);
    assert!(!played.script.log.contains(POP) && !played.script.answers[0].contains(POP));
    assert!(!played.script.answers[0].contains("name=\"pop\""), "who is attached has proven it");
    let shown = format!("{:?} {:?}", with_pop(POP), HotspotRequest { ssid: "x", passphrase: Some(POP) });
    assert!(!shown.contains(POP) && shown.contains("[redacted]"), "{shown}");
}

#[test]
fn a_pop_that_is_no_passphrase_is_asked_for_in_every_form() {
    let cues = [
        phone(100, 0, &submission("Home+net")),
        phone(200, 1, &submission_with("pop4712")),
        phone(300, 2, &submission_with(FORM_POP)),
    ];
    let played = play_as(&with_pop(FORM_POP), BootReason::PowerOn, empty_flash(), Script::new(4_000, &cues));
    assert!(played.script.has_called(OPEN), "the hotspot is open");
    assert!(played.script.answers[0].starts_with("HTTP/1.1 403"), "{}", played.script.answers[0]);
    assert!(played.script.answers[1].starts_with("HTTP/1.1 403"), "{}", played.script.answers[1]);
    assert!(played.script.answers[2].starts_with("HTTP/1.1 200"), "{}", played.script.answers[2]);
    assert!(played.script.has_called("join Home net"));
    assert_eq!(played.script.wrong_proof_count, 1, "a missing proof is not a wrong one");
}

/// Cues of so many wrong proofs, 100 ms apart, on connections of their own.
fn wrong_proofs(count: u64) -> Vec<(u64, Cue)> {
    (0..count)
        .map(|index| phone(100 + index * 100, (index % 4) as usize, &submission_with("guess")))
        .collect()
}

#[test]
fn the_fifth_wrong_proof_is_answered_and_closes_the_hotspot_until_the_next_power_on() {
    let four = play_as(
        &with_pop(FORM_POP),
        BootReason::PowerOn,
        empty_flash(),
        Script::new(60_000, &wrong_proofs(4)),
    );
    assert!(!four.script.has_called("close"));
    let five = play_as(
        &with_pop(FORM_POP),
        BootReason::PowerOn,
        empty_flash(),
        Script::new(3_600_000, &wrong_proofs(5)),
    );
    let close = five.script.calls.iter().position(|call| call == "close").unwrap();
    assert_eq!(five.script.calls[close - 1], "close phone 0", "the phone is told first");
    assert!(five.script.answers[0].contains("HTTP/1.1 403"), "{}", five.script.answers[0]);
    assert_eq!(five.script.calls.iter().filter(|call| call.starts_with("open")).count(), 1);
    for (reason, is_open) in
        [(BootReason::Restart, false), (BootReason::Fault, false), (BootReason::PowerOn, true)]
    {
        let script = Script { wrong_proof_count: five.script.wrong_proof_count, ..Script::new(60_000, &[]) };
        let played = play_as(&with_pop(FORM_POP), reason, empty_flash(), script);
        assert_eq!(played.script.has_called(OPEN), is_open, "{reason:?}");
    }
}

#[test]
fn wrong_passphrases_count_like_wrong_forms_and_a_right_one_does_not_set_them_back() {
    let mut cues: Vec<_> = (0..4).map(|index| event(100 + index * 100, Event::PassphraseRefused)).collect();
    cues.push(event(1_000, Event::StationAttached));
    let four = play_as(&with_pop(POP), BootReason::PowerOn, flash_with_home(), Script::new(40_000, &cues));
    assert_eq!(four.script.wrong_proof_count, 0, "while the hotspot is closed nobody can have tried");
    for (at_ms, _) in &mut cues {
        *at_ms += 41_000;
    }
    cues.push(event(43_000, Event::PassphraseRefused));
    let five = play_as(&with_pop(POP), BootReason::PowerOn, flash_with_home(), Script::new(60_000, &cues));
    assert_eq!(five.script.wrong_proof_count, 5);
    assert!(five.script.has_called("close"), "{:?}", five.script.calls);
    assert_eq!(five.stored_home(), Some(home(443)), "a locked door keeps its home");
}

#[test]
fn in_recovery_the_portal_gives_no_control_shows_no_secret_and_takes_no_firmware() {
    let requests = [
        "POST /reset HTTP/1.1\r\nHost: 192.168.4.1\r\nContent-Length: 0\r\n\r\n",
        "GET /reset HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n",
        "POST /reboot HTTP/1.1\r\nHost: 192.168.4.1\r\nContent-Length: 0\r\n\r\n",
        "POST /update HTTP/1.1\r\nHost: 192.168.4.1\r\nContent-Length: 4\r\n\r\n\u{7f}ELF",
        "GET / HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n",
        "GET /board_info.json HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n",
        "GET /status HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n",
    ];
    let cues: Vec<_> = requests
        .iter()
        .enumerate()
        .map(|(index, request)| phone(45_000 + index as u64 * 100, index % 4, request))
        .collect();
    let played = play(flash_with_home(), Script::new(50_000, &cues));
    let answers = played.script.answers.concat();
    assert_eq!(answers.matches("HTTP/1.1 ").count(), requests.len(), "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 403").count(), 3, "{answers}");
    assert_eq!((played.end, played.stored_home()), (None, Some(home(443))));
    for secret in ["Home net", "cloud.example", TOKEN, PASSWORD] {
        assert!(!answers.contains(secret), "{secret}: {answers}");
    }
}

#[test]
fn without_a_pop_nobody_moves_the_account_into_his_network_or_onto_the_bench() {
    let post = |body: String| {
        format!("POST /config HTTP/1.1\r\nHost: 192.168.4.1\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let strangers = "ssid=Strangers+net&pass=strangers-pw";
    let cues = [
        phone(45_000, 0, &post(strangers.to_string())),
        phone(46_000, 1, &post(format!("{strangers}&blynk={TOKEN}&host=cloud.example&bench=1"))),
        // With the account named, stock clients go on working.
        phone(47_000, 2, &post(format!("ssid=Other+net&pass={PASSWORD}&blynk={TOKEN}&host=cloud.example"))),
    ];
    let open = play(flash_with_home(), Script::new(60_000, &cues)).script;
    assert!(open.answers[0].contains("\"account_unguarded\""), "{}", open.answers[0]);
    assert!(open.answers[1].contains("\"bench_unguarded\""), "{}", open.answers[1]);
    assert!(open.answers[2].starts_with("HTTP/1.1 200"), "{}", open.answers[2]);
    assert!(!open.has_called("join Strangers net") && open.has_called("join Other net"), "{:?}", open.calls);
    // Who has the label may do both.
    let script = Script::new(60_000, &cues[..2]);
    let guarded = play_as(&with_pop(POP), BootReason::PowerOn, flash_with_home(), script).script;
    assert!(guarded.answers.iter().all(|answer| answer.starts_with("HTTP/1.1 200")), "{:?}", guarded.answers);
}

#[test]
fn the_configured_name_leads_to_the_portal() {
    let named = DeviceConfig { portal_host: "boiler.setup", ..config() };
    let asked = |config: &DeviceConfig<'_>, host: &str| {
        let page = format!("http://{host}");
        let request = submission("Home+net")
            .replace("Host: 192.168.4.1\r\n", &format!("Host: {host}\r\nOrigin: {page}\r\n"));
        let script = Script::new(3_000, &[phone(100, 0, &request)]);
        play_as(config, BootReason::PowerOn, empty_flash(), script).script
    };
    for host in ["boiler.setup", "blynk.setup", "192.168.4.1"] {
        let played = asked(&named, host);
        assert!(played.answers[0].starts_with("HTTP/1.1 200"), "{host}: {}", played.answers[0]);
        assert!(played.log.contains("AP URL:  boiler.setup\n"), "{}", played.log);
    }
    for (config, host) in [(&named, "other.setup"), (&config(), "boiler.setup")] {
        assert!(asked(config, host).answers[0].starts_with("HTTP/1.1 403"), "{host}");
    }
}

#[test]
fn a_phone_that_reads_slowly_holds_the_device_up_for_seconds_and_not_for_each_part() {
    // Too much for one part; who says nothing about compression gets no style, so the scan makes it long.
    let request = phone(10_000, 0, "GET /wifi_scan.json HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n");
    let heard: ScanList = (0..SCAN_COUNT_MAX)
        .map(|index| SeenNetwork {
            ssid: heapless::Vec::from_slice(format!("A network with a long name {index:05}").as_bytes())
                .unwrap(),
            bssid: MacAddress([0; 6]),
            rssi_dbm: -50,
            security: Security::Wpa2,
            channel: 1,
        })
        .collect();
    let held_up_ms = |answer_part_ms: u64| {
        let cues = [request.clone(), event(10_500, Event::ScanDone)];
        let script = Script { heard: heard.clone(), answer_part_ms, ..Script::new(60_000, &cues) };
        let played = play(empty_flash(), script).script;
        assert!(played.has_called("close phone 0"), "{:?}", played.calls);
        let is_whole = played.answers[0].ends_with(']');
        (played.answering_ms, is_whole)
    };
    assert_eq!(held_up_ms(0), (0, true));
    let (brisk_ms, is_whole) = held_up_ms(300);
    assert!(is_whole && brisk_ms >= 1_200, "{brisk_ms} ms: several parts");
    // Just short of the 2 s after which the platform gives a part up.
    let (slow_ms, is_whole) = held_up_ms(1_999);
    assert!(!is_whole && slow_ms <= 5_000, "{slow_ms} ms");
}

#[test]
fn a_phone_that_only_probes_does_not_hold_the_radio() {
    let api = "GET /captive.json HTTP/1.1\r\nHost: blynk.setup\r\nAccept: application/captive+json\r\n\r\n";
    let probe = "GET /generate_204 HTTP/1.1\r\nHost: connectivitycheck.gstatic.com\r\n\r\n";
    let page = "GET / HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n";
    let joins_with = |request: Option<&str>| {
        let mut cues = std::vec![event(1_000, Event::JoinFailed(NetworkError::NotFound))];
        for round in 0..200 {
            let at_ms = 45_000 + round * 2_000;
            cues.extend(request.map(|request| phone(at_ms, 0, request)));
            cues.push(event(at_ms + 500, Event::JoinFailed(NetworkError::NotFound)));
        }
        let played = play(flash_with_home(), Script::new(400_000, &cues));
        played.script.calls.iter().filter(|call| call.starts_with("join")).count()
    };
    let alone = joins_with(None);
    assert_eq!((joins_with(Some(api)), joins_with(Some(probe))), (alone, alone));
    assert!(joins_with(Some(page)) < alone, "a person at the page does hold it");
}
