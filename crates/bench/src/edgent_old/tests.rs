//! What stock firmware does with a stored home, dead ends included. Source of every expectation: edgent-device.md.

use std::rc::Rc;
use std::time::Duration;

use super::EdgentOld;
use crate::edgent_lab::{HOUR, Lab, MINUTE, PASSWORD, SSID, run_lab};
use crate::firmware::Firmware;
use crate::phone::Phone;
use crate::virtual_cloud::{Mood, Service};

fn stock_firmware() -> Rc<dyn Firmware> {
    Rc::new(EdgentOld::new(false))
}

fn patched_firmware() -> Rc<dyn Firmware> {
    Rc::new(EdgentOld::new(true))
}

fn stock<R: Future<Output = ()>>(story: impl FnOnce(Lab) -> R + Send + 'static) {
    run_lab(Service::Hosted, stock_firmware, story);
}

#[test]
fn an_unprovisioned_board_waits_in_its_hotspot_for_ever_under_its_own_name() {
    stock(async |lab| {
        lab.expect_state("WAIT_CONFIG", MINUTE).await;
        lab.expect_hotspot(MINUTE).await;
        assert_eq!(lab.view().hotspot_ssid.as_deref(), Some("Blynk Air Monitor-P5UH"));
        lab.world.pass(Duration::from_secs(1)).await;
        let log = lab.log();
        assert!(log.contains("] INIT => WAIT_CONFIG\n"), "{log}");
        assert!(log.contains("] AP SSID: Blynk Air Monitor-P5UH\n"), "{log}");
        assert!(
            log.contains("] AP IP:   192.168.4.1\n") && log.contains("] AP URL:  blynk.setup\n"),
            "{log}"
        );
        lab.world.pass(24 * HOUR).await;
        assert_eq!(lab.view().report.state, "WAIT_CONFIG");
        assert!(lab.view().hotspot_ssid.is_some());
    });
}

#[test]
fn a_setup_through_the_portal_reaches_running_and_stores_the_home() {
    stock(async |lab| {
        lab.expect_hotspot(MINUTE).await;
        assert!(!lab.view().flash.is_home_stored);
        lab.provision().await;
        let view = lab.view();
        assert_eq!((view.hotspot_ssid, view.report.last_error), (None, 0));
        assert!(view.flash.is_home_stored && view.flash.is_token_stored);
        assert_eq!(view.flash.network_ssids, [SSID]);
        let log = lab.log();
        for line in [
            "WAIT_CONFIG => CONFIGURING",
            "CONFIGURING => SWITCH_TO_STA",
            "SWITCH_TO_STA => CONNECTING_NET",
            "CONNECTING_NET => CONNECTING_CLOUD",
            "Connecting to blynk.cloud:443",
            "Current time: Mon Mar  2 09:00",
            "CONNECTING_CLOUD => RUNNING",
        ] {
            assert!(log.contains(&format!("] {line}")), "{line} is missing:\n{log}");
        }
        assert!(!log.contains(std::str::from_utf8(PASSWORD).unwrap()));
        assert!(!log.contains(std::str::from_utf8(lab.token.reveal()).unwrap()));
    });
}

#[test]
fn a_running_board_reports_values_and_its_relay_answers() {
    stock(async |lab| {
        lab.provision().await;
        lab.world.pass(6 * MINUTE).await;
        let uptime: u64 =
            String::from_utf8(lab.world.cloud.value(&lab.token, 0).unwrap()).unwrap().parse().unwrap();
        assert!((350..400).contains(&uptime), "{uptime}");
        assert!(lab.world.cloud.value(&lab.token, 2).is_some());
        lab.world.cloud.write_pin(&lab.token, 1, b"1");
        lab.world.pass(Duration::from_secs(2)).await;
        assert_eq!(lab.world.cloud.value(&lab.token, 1), Some(b"1".to_vec()));
        assert_eq!(lab.world.cloud.login_count(&lab.token), 1, "one session all the time");
    });
}

#[test]
fn a_wrong_password_at_setup_leaves_701_and_an_empty_record_and_the_hotspot_comes_back() {
    stock(async |lab| {
        lab.submit(b"wrong-password", lab.token.reveal(), &[]).await;
        lab.expect_state("ERROR", 2 * MINUTE).await;
        assert_eq!(lab.view().report.last_error, 701);
        lab.expect_state("WAIT_CONFIG", MINUTE).await;
        lab.expect_hotspot(MINUTE).await;
        let phone = Phone::join(&lab.world.bench, &lab.board).unwrap();
        let info = phone.get("/board_info.json").await.unwrap().text();
        assert!(info.contains("\"last_error\":701"), "{info}");
        assert!(!lab.world.bench.holds_secrets(&lab.board).unwrap());
    });
}

#[test]
fn an_unreachable_cloud_at_setup_leaves_702() {
    stock(async |lab| {
        lab.world.cloud.set_mood(Mood::Down);
        lab.submit(PASSWORD, lab.token.reveal(), &[]).await;
        lab.expect_state("ERROR", 3 * MINUTE).await;
        assert_eq!(lab.view().report.last_error, 702);
        lab.expect_state("WAIT_CONFIG", MINUTE).await;
    });
}

#[test]
fn a_wrong_token_at_setup_leaves_703_and_an_empty_record() {
    stock(async |lab| {
        lab.submit(PASSWORD, &[b'x'; 32], &[]).await;
        let has_703 = lab.world.wait_for(&lab.board, MINUTE, |view| view.report.last_error == 703).await;
        assert!(has_703, "{}", lab.log());
        lab.expect_state("WAIT_CONFIG", MINUTE).await;
        assert!(!lab.world.bench.holds_secrets(&lab.board).unwrap());
    });
}

#[test]
fn a_network_name_of_33_bytes_is_kept_and_refused_by_the_radio_with_700() {
    stock(async |lab| {
        let long = [b'n'; 33];
        lab.submit(PASSWORD, lab.token.reveal(), &[("ssidManual", &long)]).await;
        let has_700 = lab.world.wait_for(&lab.board, MINUTE, |view| view.report.last_error == 700).await;
        assert!(has_700, "{}", lab.log());
    });
}

#[test]
fn a_token_refused_later_opens_a_hotspot_that_nothing_ever_leaves() {
    stock(async |lab| {
        lab.provision().await;
        lab.world.cloud.give_away(&lab.token);
        lab.expect_state("WAIT_CONFIG", 2 * MINUTE).await;
        lab.expect_hotspot(MINUTE).await;
        let view = lab.view();
        assert_eq!(view.joined_ssid, None, "the station is off");
        assert_eq!(view.report.last_error, 703, "shown by the hotspot although the record stays as it was");
        assert!(view.flash.is_home_stored, "the home is kept");
        let log = lab.log();
        assert!(log.contains("] RUNNING => CONNECTING_CLOUD\n"), "{log}");
        assert!(log.contains("] Invalid auth token\n"), "{log}");
        assert!(log.contains("] CONNECTING_CLOUD => WAIT_CONFIG\n"), "{log}");
        lab.world.pass(24 * HOUR).await;
        assert_eq!(lab.view().report.state, "WAIT_CONFIG", "no retry");
    });
}

#[test]
fn a_restart_elsewhere_after_a_refused_token_strands_the_board_without_a_hotspot() {
    stock(async |lab| {
        lab.provision().await;
        lab.world.cloud.give_away(&lab.token);
        lab.expect_state("WAIT_CONFIG", 2 * MINUTE).await;
        lab.world.bench.move_board(&lab.board, None).unwrap();
        lab.power_cycle().await;
        lab.expect_state("CONNECTING_NET", MINUTE).await;
        let opens = lab.world.wait_for(&lab.board, 24 * HOUR, |view| view.hotspot_ssid.is_some()).await;
        assert!(!opens, "stock firmware never opens the hotspot here:\n{}", lab.log());
        assert!(lab.log().contains("] CONNECTING_NET => ERROR\n"));
        assert!(lab.view().flash.is_home_stored);
    });
}

#[test]
fn a_lost_network_is_tried_500_times_before_the_first_restart() {
    stock(async |lab| {
        lab.provision().await;
        lab.set_network_up(false);
        lab.expect_state("CONNECTING_NET", MINUTE).await;
        // 500 tries of 50 s: 6 h 56 min 40 s.
        lab.world.pass(Duration::from_secs(25_000 - 10)).await;
        assert_eq!(lab.view().report.state, "CONNECTING_NET");
        lab.expect_state("ERROR", Duration::from_secs(20)).await;
        lab.expect_state("CONNECTING_NET", MINUTE).await;
        assert_eq!(lab.view().hotspot_ssid, None);
        lab.set_network_up(true);
        lab.expect_state("RUNNING", 2 * MINUTE).await;
    });
}

#[test]
fn an_unreachable_cloud_is_retried_for_hours_and_then_restarts_the_board() {
    stock(async |lab| {
        lab.provision().await;
        lab.world.cloud.set_mood(Mood::NoName);
        lab.expect_state("CONNECTING_CLOUD", MINUTE).await;
        lab.world.pass(Duration::from_secs(25_000 - 10)).await;
        assert_eq!(lab.view().report.state, "CONNECTING_CLOUD");
        lab.expect_state("ERROR", Duration::from_secs(30)).await;
        assert_eq!(lab.view().hotspot_ssid, None);
        assert!(lab.view().flash.is_home_stored);
    });
}

#[test]
fn setting_a_working_board_up_again_with_wrong_data_erases_the_good_home() {
    stock(async |lab| {
        lab.provision().await;
        lab.world.cloud.give_away(&lab.token);
        lab.expect_state("WAIT_CONFIG", 2 * MINUTE).await;
        lab.submit(b"wrong-password", lab.token.reveal(), &[]).await;
        lab.expect_state("ERROR", 2 * MINUTE).await;
        assert!(!lab.view().flash.is_home_stored);
        assert!(!lab.world.bench.holds_secrets(&lab.board).unwrap());
    });
}

#[test]
fn saved_without_a_trial_a_wrong_password_keeps_the_hotspot_closed() {
    stock(async |lab| {
        let answer = lab.submit(b"wrong-password", lab.token.reveal(), &[("save", b"1")]).await;
        assert_eq!(answer, r#"{"status":"ok","msg":"Configuration saved"}"#);
        lab.expect_state("ERROR", 2 * MINUTE).await;
        assert_eq!(lab.view().report.last_error, 0);
        lab.expect_state("CONNECTING_NET", MINUTE).await;
        assert!(lab.view().flash.is_home_stored);
    });
}

#[test]
fn config_erase_from_the_cloud_leaves_no_secret_and_an_open_hotspot() {
    run_lab(Service::Rehome, stock_firmware, async |lab| {
        lab.provision().await;
        assert!(lab.world.bench.holds_secrets(&lab.board).unwrap());
        lab.world.cloud.give_away(&lab.token);
        lab.expect_state("WAIT_CONFIG", MINUTE).await;
        lab.expect_hotspot(MINUTE).await;
        let log = lab.log();
        assert!(log.contains("] RUNNING => RESET_CONFIG\n"), "{log}");
        assert!(log.contains("] RESET_CONFIG => WAIT_CONFIG\n"), "{log}");
        assert!(!lab.view().flash.is_home_stored && !lab.view().flash.is_token_stored);
        assert!(!lab.world.bench.holds_secrets(&lab.board).unwrap());
        assert!(lab.world.cloud.is_online(&lab.token), "the board said no goodbye");
    });
}

#[test]
fn the_portal_resets_and_restarts_the_board() {
    stock(async |lab| {
        lab.provision().await;
        lab.world.cloud.give_away(&lab.token);
        lab.expect_state("WAIT_CONFIG", 2 * MINUTE).await;
        lab.expect_hotspot(MINUTE).await;
        let phone = Phone::join(&lab.world.bench, &lab.board).unwrap();
        let answer = phone.get("/reset").await.unwrap().text();
        assert_eq!(answer, r#"{"status":"ok","msg":"Configuration reset"}"#);
        lab.expect_hotspot(MINUTE).await;
        assert!(!lab.view().flash.is_home_stored);
        lab.world.pass(MINUTE).await;
        let before = lab.view().uptime;
        drop(Phone::join(&lab.world.bench, &lab.board).unwrap().get("/reboot").await);
        lab.world.pass(Duration::from_secs(5)).await;
        assert!(lab.view().uptime < before, "restarted");
    });
}

#[test]
fn a_button_held_ten_seconds_resets_and_a_shorter_press_does_nothing() {
    stock(async |lab| {
        lab.provision().await;
        let running_led = lab.view().led;
        lab.world.bench.press_button(&lab.board, Duration::from_millis(9_500)).unwrap();
        lab.world.pass(Duration::from_secs(4)).await;
        assert_ne!(lab.view().led, running_led, "indication from 3 s");
        lab.world.pass(Duration::from_secs(7)).await;
        assert_eq!((lab.view().report.state, lab.view().led), ("RUNNING", running_led));
        lab.world.bench.press_button(&lab.board, Duration::from_secs(10)).unwrap();
        lab.expect_state("WAIT_CONFIG", MINUTE).await;
        assert!(!lab.world.bench.holds_secrets(&lab.board).unwrap());
    });
}

#[test]
fn somebody_who_leaves_the_hotspot_ends_configuring() {
    stock(async |lab| {
        lab.expect_hotspot(MINUTE).await;
        let phone = Phone::join(&lab.world.bench, &lab.board).unwrap();
        phone.get("/board_info.json").await.unwrap();
        lab.expect_state("CONFIGURING", MINUTE).await;
        let scan = phone.get("/wifi_scan.json").await.unwrap().text();
        assert!(scan.contains("\"ssid\":\"Brewery\""), "{scan}");
        drop(phone);
        lab.expect_state("WAIT_CONFIG", MINUTE).await;
        assert!(lab.view().hotspot_ssid.is_some());
    });
}

#[test]
fn patched_a_refused_token_resets_the_board() {
    run_lab(Service::Hosted, patched_firmware, async |lab| {
        lab.provision().await;
        lab.world.cloud.give_away(&lab.token);
        lab.expect_state("WAIT_CONFIG", MINUTE).await;
        assert!(lab.log().contains("] CONNECTING_CLOUD => RESET_CONFIG\n"), "{}", lab.log());
        assert!(!lab.view().flash.is_home_stored);
    });
}

#[test]
fn patched_forty_seconds_without_a_network_erase_the_good_home() {
    run_lab(Service::Hosted, patched_firmware, async |lab| {
        lab.provision().await;
        lab.set_network_up(false);
        lab.expect_state("ERROR", Duration::from_secs(31)).await;
        lab.expect_state("WAIT_CONFIG", Duration::from_secs(11)).await;
        assert!(lab.log().contains("] ERROR => RESET_CONFIG\n"), "{}", lab.log());
        lab.expect_hotspot(MINUTE).await;
        assert!(!lab.view().flash.is_home_stored);
        assert!(!lab.world.bench.holds_secrets(&lab.board).unwrap());
    });
}
