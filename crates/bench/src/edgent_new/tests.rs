//! What stock firmware does with a stored home, dead ends included. Source of every expectation: edgent-device.md.

use std::rc::Rc;
use std::time::Duration;

use super::EdgentNew;
use crate::air::{AirNetwork, Place, PlaceId, Secret, Security};
use crate::edgent_lab::{HOUR, Lab, MINUTE, PASSWORD, SSID, run_lab};
use crate::firmware::Firmware;
use crate::phone::Phone;
use crate::virtual_cloud::{Mood, Service};

fn with_defaults() -> Rc<dyn Firmware> {
    Rc::new(EdgentNew::new())
}

fn as_in_the_example() -> Rc<dyn Firmware> {
    Rc::new(EdgentNew::without_skip_limit())
}

fn stock<R: Future<Output = ()>>(story: impl FnOnce(Lab) -> R + Send + 'static) {
    run_lab(Service::Hosted, with_defaults, story);
}

fn add_place(lab: &Lab, ssid: &[u8]) -> PlaceId {
    let network = AirNetwork {
        ssid: ssid.to_vec(),
        password: Some(Secret::new(PASSWORD)),
        password_hint: None,
        security: Security::Wpa2,
        has_internet: true,
        is_up: true,
    };
    lab.world.bench.add_place(Place { name: "Elsewhere".to_owned(), networks: vec![network] }).unwrap()
}

#[test]
fn the_hotspot_has_a_name_of_the_new_alphabet_and_the_board_tells_its_uid() {
    stock(async |lab| {
        lab.expect_hotspot(MINUTE).await;
        assert_eq!(lab.view().hotspot_ssid.as_deref(), Some("Blynk Air Monitor-P5XH"));
        let phone = Phone::join(&lab.world.bench, &lab.board).unwrap();
        let info = phone.get("/board_info.json").await.unwrap().text();
        assert!(info.contains("\"name\":\"Blynk Air Monitor-P5XH\""), "{info}");
        let uid = |info: &str| {
            info.split("\"uid\":\"").nth(1).map(|rest| rest.chars().take(36).collect::<String>()).unwrap()
        };
        let first = uid(&info);
        drop(phone);
        lab.power_cycle().await;
        lab.expect_hotspot(MINUTE).await;
        let phone = Phone::join(&lab.world.bench, &lab.board).unwrap();
        assert_eq!(uid(&phone.get("/board_info.json").await.unwrap().text()), first, "the UID is stored");
    });
}

#[test]
fn a_setup_through_the_portal_reaches_running_and_closes_the_hotspot_when_the_phone_leaves() {
    stock(async |lab| {
        lab.provision().await;
        lab.world.pass(Duration::from_secs(2)).await;
        let view = lab.view();
        assert_eq!((view.report.state, view.hotspot_ssid), ("RUNNING", None));
        assert!(view.flash.is_home_stored);
        assert_eq!(view.flash.network_ssids, [SSID]);
        let log = lab.log();
        assert!(log.contains("] WAIT_CONFIG => CONNECTING_NET\n"), "{log}");
        assert!(log.contains("] CONNECTING_CLOUD => RUNNING\n"), "{log}");
        assert!(!log.contains(std::str::from_utf8(PASSWORD).unwrap()));
        assert!(!log.contains(std::str::from_utf8(lab.token.reveal()).unwrap()));
    });
}

#[test]
fn the_hotspot_stays_while_a_phone_is_in_it() {
    stock(async |lab| {
        lab.expect_hotspot(MINUTE).await;
        // The network is on the hotspot's channel, so the phone does not lose it.
        let channel = lab.world.bench.place(&lab.place).unwrap().networks[0].channel();
        lab.world.bench.core(&lab.board).unwrap().hotspot_channel.set(channel);
        let phone = Phone::join(&lab.world.bench, &lab.board).unwrap();
        lab.provision().await;
        lab.world.pass(HOUR).await;
        assert!(lab.view().hotspot_ssid.is_some());
        assert_eq!(phone.get("/board_info.json").await.unwrap().status, 200);
        drop(phone);
        lab.world.pass(Duration::from_secs(2)).await;
        assert_eq!((lab.view().report.state, lab.view().hotspot_ssid), ("RUNNING", None));
    });
}

#[test]
fn an_old_client_that_names_no_interface_is_refused() {
    stock(async |lab| {
        lab.expect_hotspot(MINUTE).await;
        let phone = Phone::join(&lab.world.bench, &lab.board).unwrap();
        let fields = [("ssid", SSID), ("pass", PASSWORD), ("blynk", lab.token.reveal())];
        let answer = phone.post_form("/config", &fields).await.unwrap();
        assert_eq!(answer.status, 500);
        assert_eq!(answer.text(), r#"{"status":"error","msg":"Configuration invalid"}"#);
    });
}

#[test]
fn the_port_of_the_form_is_ignored() {
    stock(async |lab| {
        lab.submit(PASSWORD, lab.token.reveal(), &[("port_ssl", b"8443")]).await;
        lab.expect_state("RUNNING", MINUTE).await;
        assert!(lab.log().contains("] Connecting to blynk.cloud:443\n"), "{}", lab.log());
    });
}

#[test]
fn nobody_comes_and_the_board_goes_idle_with_its_radios_off() {
    run_lab(Service::Hosted, as_in_the_example, async |lab| {
        lab.expect_hotspot(MINUTE).await;
        lab.expect_state("IDLE", 11 * MINUTE).await;
        assert_eq!(lab.view().hotspot_ssid, None);
        lab.world.pass(24 * HOUR).await;
        assert_eq!(lab.view().report.state, "IDLE");
        for _ in 0..12 {
            lab.power_cycle().await;
            lab.expect_hotspot(MINUTE).await;
            lab.expect_state("IDLE", 11 * MINUTE).await;
        }
    });
}

#[test]
fn after_ten_skipped_setups_the_board_is_idle_at_every_boot_until_the_button_resets_it() {
    stock(async |lab| {
        for _ in 0..10 {
            lab.expect_hotspot(MINUTE).await;
            lab.expect_state("IDLE", 11 * MINUTE).await;
            lab.power_cycle().await;
        }
        lab.expect_state("IDLE", Duration::from_secs(5)).await;
        assert!(lab.log().ends_with("[0] INIT => IDLE\n"), "{}", lab.log());
        lab.world.bench.press_button(&lab.board, Duration::from_secs(21)).unwrap();
        lab.world.pass(Duration::from_secs(22)).await;
        assert_eq!(lab.view().report.state, "IDLE", "held too long");
        lab.world.bench.press_button(&lab.board, Duration::from_secs(12)).unwrap();
        lab.expect_hotspot(MINUTE).await;
    });
}

#[test]
fn a_phone_in_the_hotspot_keeps_the_setup_open() {
    stock(async |lab| {
        lab.expect_hotspot(MINUTE).await;
        let phone = Phone::join(&lab.world.bench, &lab.board).unwrap();
        lab.world.pass(HOUR).await;
        assert_eq!(lab.view().report.state, "WAIT_CONFIG");
        drop(phone);
        lab.expect_state("IDLE", 11 * MINUTE).await;
    });
}

#[test]
fn a_wrong_password_at_setup_leads_back_to_the_setup_at_once_with_701() {
    stock(async |lab| {
        lab.submit(b"wrong-password", lab.token.reveal(), &[]).await;
        lab.expect_state("CONNECTING_NET", MINUTE).await;
        lab.expect_state("WAIT_CONFIG", MINUTE).await;
        lab.expect_hotspot(MINUTE).await;
        let view = lab.view();
        assert_eq!(view.report.last_error, 701);
        assert!(!view.flash.is_token_stored);
        assert_eq!(view.flash.network_ssids, [SSID], "the network was stored before the trial");
        let phone = Phone::join(&lab.world.bench, &lab.board).unwrap();
        assert!(phone.get("/board_info.json").await.unwrap().text().contains("\"last_error\":701"));
        lab.power_cycle().await;
        lab.expect_hotspot(MINUTE).await;
        assert_eq!(lab.view().report.last_error, 0, "a restart forgets the error");
    });
}

#[test]
fn an_unreachable_cloud_at_setup_leads_back_to_the_setup_with_702() {
    stock(async |lab| {
        lab.world.cloud.set_mood(Mood::Down);
        lab.submit(PASSWORD, lab.token.reveal(), &[]).await;
        let has_702 = lab.world.wait_for(&lab.board, 2 * MINUTE, |view| view.report.last_error == 702).await;
        assert!(has_702, "{}", lab.log());
        assert_eq!(lab.view().report.state, "WAIT_CONFIG");
    });
}

#[test]
fn a_save_without_a_host_fails_with_700() {
    stock(async |lab| {
        lab.submit(PASSWORD, lab.token.reveal(), &[("host", b""), ("save", b"1")]).await;
        let has_700 = lab.world.wait_for(&lab.board, MINUTE, |view| view.report.last_error == 700).await;
        assert!(has_700, "{}", lab.log());
        assert!(lab.log().contains("failed to store configuration"));
        assert!(!lab.view().flash.is_token_stored);
    });
}

#[test]
fn a_token_refused_later_alternates_between_setup_and_the_old_home_for_ever() {
    stock(async |lab| {
        lab.provision().await;
        lab.world.cloud.give_away(&lab.token);
        lab.expect_state("WAIT_CONFIG", 2 * MINUTE).await;
        lab.expect_hotspot(MINUTE).await;
        assert_eq!(lab.view().report.last_error, 703);
        for _ in 0..3 {
            lab.expect_state("CONNECTING_CLOUD", 11 * MINUTE).await;
            lab.expect_state("WAIT_CONFIG", 2 * MINUTE).await;
        }
        assert!(lab.view().flash.is_home_stored);
        lab.world.bench.move_board(&lab.board, None).unwrap();
        lab.power_cycle().await;
        lab.expect_state("CONNECTING_NET", MINUTE).await;
        let opens = lab.world.wait_for(&lab.board, 24 * HOUR, |view| view.hotspot_ssid.is_some()).await;
        assert!(!opens, "stranded away from its network:\n{}", lab.log());
    });
}

#[test]
fn a_lost_network_never_opens_the_hotspot_and_is_found_again_later() {
    stock(async |lab| {
        lab.provision().await;
        lab.set_network_up(false);
        lab.expect_state("CONNECTING_NET", MINUTE).await;
        lab.world.pass(Duration::from_secs(25_000 - 10)).await;
        assert_eq!((lab.view().report.state, lab.view().hotspot_ssid), ("CONNECTING_NET", None));
        lab.expect_state("ERROR", Duration::from_secs(20)).await;
        lab.expect_state("CONNECTING_NET", MINUTE).await;
        lab.set_network_up(true);
        lab.expect_state("RUNNING", 6 * MINUTE).await;
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
        assert!(lab.log().contains("] Connecting to blynk.cloud:9443\n"), "the second port is tried");
    });
}

#[test]
fn a_second_setup_with_a_wrong_password_keeps_the_token_but_replaces_the_good_network() {
    stock(async |lab| {
        lab.provision().await;
        lab.world.cloud.set_mood(Mood::LoginStatus(9));
        lab.expect_state("WAIT_CONFIG", 2 * MINUTE).await;
        lab.set_network_up(false);
        lab.set_network_up(true);
        lab.world.cloud.set_mood(Mood::Normal);
        lab.submit(b"wrong-password", lab.token.reveal(), &[]).await;
        let has_701 = lab.world.wait_for(&lab.board, 2 * MINUTE, |view| view.report.last_error == 701).await;
        assert!(has_701, "{}", lab.log());
        assert!(lab.view().flash.is_home_stored, "token and host are kept");
        let image = lab.world.bench.flash_image(&lab.board).unwrap();
        assert!(!image.windows(PASSWORD.len()).any(|window| window == PASSWORD), "the good password is gone");
        assert!(!lab.world.wait_for_state(&lab.board, "RUNNING", 24 * HOUR).await);
    });
}

#[test]
fn a_wrong_setup_goes_on_over_the_network_that_is_still_joined() {
    stock(async |lab| {
        lab.provision().await;
        lab.world.cloud.give_away(&lab.token);
        lab.expect_state("WAIT_CONFIG", 2 * MINUTE).await;
        let second = lab.world.cloud.create_device();
        lab.submit(b"wrong-password", second.reveal(), &[]).await;
        lab.expect_state("RUNNING", MINUTE).await;
    });
}

#[test]
fn seventeen_networks_overwrite_the_oldest_and_any_known_one_is_joined() {
    stock(async |lab| {
        lab.provision().await;
        for number in 0..15 {
            lab.world.cloud.set_mood(Mood::LoginStatus(9));
            lab.expect_state("WAIT_CONFIG", 2 * MINUTE).await;
            lab.world.cloud.set_mood(Mood::Normal);
            let ssid = format!("Net {number}");
            lab.submit(PASSWORD, lab.token.reveal(), &[("ssidManual", ssid.as_bytes())]).await;
            lab.expect_state("RUNNING", MINUTE).await;
        }
        assert_eq!(lab.view().flash.network_ssids.len(), 16);
        lab.world.bench.move_board(&lab.board, Some(add_place(&lab, b"Net 7"))).unwrap();
        lab.expect_state("CONNECTING_NET", MINUTE).await;
        lab.expect_state("RUNNING", MINUTE).await;
        lab.world.cloud.set_mood(Mood::LoginStatus(9));
        lab.expect_state("WAIT_CONFIG", 2 * MINUTE).await;
        lab.submit(PASSWORD, lab.token.reveal(), &[("ssidManual", b"Net 16")]).await;
        let ssids = lab.view().flash.network_ssids;
        assert_eq!(ssids.len(), 16);
        assert!(!ssids.contains(&SSID.to_vec()) && ssids.contains(&b"Net 16".to_vec()));
    });
}

#[test]
fn config_erase_from_the_cloud_leaves_no_secret_and_an_open_hotspot() {
    run_lab(Service::Rehome, with_defaults, async |lab| {
        lab.provision().await;
        assert!(lab.world.bench.holds_secrets(&lab.board).unwrap());
        lab.world.cloud.give_away(&lab.token);
        lab.expect_state("WAIT_CONFIG", MINUTE).await;
        lab.expect_hotspot(MINUTE).await;
        assert!(lab.log().contains("] RUNNING => RESET_CONFIG\n"), "{}", lab.log());
        assert!(!lab.world.bench.holds_secrets(&lab.board).unwrap());
        assert!(!lab.view().flash.is_home_stored);
    });
}

#[test]
fn the_portals_reset_clears_the_networks_only() {
    stock(async |lab| {
        lab.provision().await;
        lab.world.cloud.give_away(&lab.token);
        lab.expect_state("WAIT_CONFIG", 2 * MINUTE).await;
        lab.expect_hotspot(MINUTE).await;
        let phone = Phone::join(&lab.world.bench, &lab.board).unwrap();
        let answer = phone.get("/reset").await.unwrap().text();
        assert_eq!(answer, r#"{"status":"ok","msg":"Configuration reset"}"#);
        lab.world.pass(Duration::from_secs(1)).await;
        let facts = lab.view().flash;
        assert!(facts.network_ssids.is_empty() && facts.is_token_stored);
        assert_eq!(lab.view().report.state, "WAIT_CONFIG");
    });
}
