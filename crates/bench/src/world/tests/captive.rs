//! The captive portal as phones and computers find it, and what a phone sees that loses the hotspot for a while.

use super::*;
use crate::phone::{AskPortalError, NetworkVerdict, PhoneSystem};

/// Another channel than the home's and the other place's, so that the radio has to move.
const FAR_SSID: &str = "Far channel";

impl Stage {
    async fn open_empty(&self) -> Phone {
        self.bench().give_power(&self.board).unwrap();
        assert!(self.wait(MINUTE, |view| view.hotspot_ssid.is_some()).await, "{}", self.serial());
        Phone::join(self.bench(), &self.board).unwrap()
    }

    /// Sets the board up, then takes its router away until the hotspot is open.
    async fn open_in_recovery(&self) -> Phone {
        self.set_up().await;
        self.bench().cut_power(&self.board).unwrap();
        self.switch_home_router(false);
        self.open_empty().await
    }

    fn join_count(&self) -> usize {
        self.serial().matches("Connecting to WiFi").count()
    }
}

fn page_of(verdict: NetworkVerdict) -> (String, String) {
    match verdict {
        NetworkVerdict::Portal { page, url } => {
            assert_eq!(page.status, 200, "{}", page.head);
            (url, page.text())
        }
        other => panic!("no portal: {other:?}"),
    }
}

#[test]
fn every_system_opens_the_setup_page_by_itself_empty_and_in_recovery() {
    for is_recovery in [false, true] {
        play(move |stage| async move {
            let phone = if is_recovery { stage.open_in_recovery().await } else { stage.open_empty().await };
            for system in PhoneSystem::ALL {
                let (url, page) = page_of(phone.check_network(system).await.unwrap());
                assert!(url.starts_with("http://192.168.4.1"), "{system:?}: {url}");
                assert!(page.contains("<form"), "{system:?}: {page}");
                assert!(!page.contains(HOME_SSID), "{system:?}: the stored network is shown");
            }
        });
    }
}

#[test]
fn a_head_request_is_answered_like_a_get_without_the_body() {
    play(|stage| async move {
        let phone = stage.open_empty().await;
        let own =
            ["http://192.168.4.1/", "http://blynk.setup/board_info.json", "http://blynk.setup/generate_204"];
        for url in PhoneSystem::ALL.iter().map(|system| system.probe_url()).chain(own) {
            let get = phone.fetch("GET", url, "").await.unwrap();
            let head = phone.fetch("HEAD", url, "").await.unwrap();
            assert_eq!((head.status, head.header("location")), (get.status, get.header("location")), "{url}");
            assert_eq!(head.header("content-length"), get.header("content-length"), "{url}");
            assert!(head.body.is_empty(), "{url}: {}", head.text());
        }
    });
}

#[test]
fn a_phone_learns_of_the_portal_with_its_address_and_asks_the_api_that_option_114_names() {
    play(|stage| async move {
        let phone = stage.open_empty().await;
        let lease = phone.lease().clone();
        assert_eq!((lease.router, lease.name_server), (Some(lease.server), Some(lease.server)));
        assert_eq!(lease.server, portal::HOTSPOT_ADDRESS);
        assert_ne!(lease.address, lease.server);
        let uri = lease.captive_uri.expect("option 114");
        let answer = phone.fetch("GET", &uri, "Accept: application/captive+json\r\n").await.unwrap();
        assert_eq!(answer.header("content-type").as_deref(), Some("application/captive+json"));
        assert!(answer.text().contains("\"captive\":true"), "{}", answer.text());
        let page = "http://192.168.4.1/";
        assert!(answer.text().contains(&format!("\"user-portal-url\":\"{page}\"")), "{}", answer.text());
        assert_eq!(phone.browse(page).await.unwrap().1.status, 200);
        // A person who opens the address in a browser gets the page.
        let (url, opened) = phone.browse(&uri).await.unwrap();
        assert!(opened.text().contains("<form"), "{url}: {}", opened.text());
    });
}

#[test]
fn a_phone_that_stays_connected_without_internet_is_served_for_hours() {
    play(|stage| async move {
        let phone = stage.open_empty().await;
        for _hour in 0..3 {
            stage.world.pass(Duration::from_hours(1)).await;
            assert!(phone.renew_lease() && phone.is_attached());
            // Whatever the phone or its apps want to reach, it finds the page, and never something that looks like
            // the internet.
            for url in [
                "http://example.com/",
                "http://news.example/a/b?c=d",
                "http://blynk.setup/",
                "http://192.168.4.1/",
            ] {
                let (end, page) = phone.browse(url).await.unwrap();
                assert!(page.status == 200 && page.text().contains("<form"), "{url} led to {end}");
            }
            for system in PhoneSystem::ALL {
                let verdict = phone.check_network(system).await.unwrap();
                assert!(matches!(verdict, NetworkVerdict::Portal { .. }), "{system:?}: {verdict:?}");
            }
        }
        let token = stage.world.cloud.create_device();
        stage.submit(HOME_SSID, HOME_PASSWORD, Some(&token)).await;
        assert!(stage.world.wait_for_state(&stage.board, "RUNNING", MINUTE).await, "{}", stage.serial());
    });
}

#[test]
fn stock_firmware_resolves_its_own_name_alone_and_names_no_api() {
    run_virtual(1, Service::Rehome, |world| async move {
        let mut stage = Stage::new(world);
        let mut board = new_board(Some(stage.home.clone()));
        board.firmware = FirmwareSpec::EdgentOld { is_patched: false }.build();
        stage.board = stage.bench().add_board(board).unwrap();
        let phone = stage.open_empty().await;
        assert_eq!(phone.lease().captive_uri, None);
        assert_eq!(phone.resolve("blynk.setup"), Some(portal::HOTSPOT_ADDRESS));
        let android = phone.check_network(PhoneSystem::Android).await;
        assert!(matches!(android, Err(AskPortalError::UnknownName)), "{android:?}");
    })
    .unwrap();
}

impl Stage {
    /// Sets the board up at home, moves it to a place that has a network on another channel too, and opens its hotspot
    /// with the plug while it is online.
    async fn open_online_beside_a_far_channel(&self) -> Phone {
        self.set_up().await;
        let far = AirNetwork {
            ssid: FAR_SSID.as_bytes().to_vec(),
            password: Some(Secret::new(OTHER_PASSWORD)),
            password_hint: None,
            security: Security::Wpa2,
            has_internet: true,
            is_up: true,
        };
        let home = self.bench().place(&self.home).unwrap().networks.remove(0);
        assert_ne!(far.channel(), home.channel());
        let both = Place { name: "Both".to_owned(), networks: vec![home, far] };
        let place = self.bench().add_place(both).unwrap();
        self.bench().cut_power(&self.board).unwrap();
        self.bench().move_board(&self.board, Some(place)).unwrap();
        for _ in 0..5 {
            self.bench().give_power(&self.board).unwrap();
            self.world.pass(Duration::from_secs(3)).await;
            self.bench().cut_power(&self.board).unwrap();
        }
        self.bench().give_power(&self.board).unwrap();
        assert!(self.world.wait_for_state(&self.board, "RUNNING", MINUTE).await, "{}", self.serial());
        Phone::join(self.bench(), &self.board).unwrap()
    }

    /// Submits the far network, loses the hotspot, comes back after a while, and returns what the status says then.
    async fn status_after_losing_the_hotspot(&self, password: &str, away_s: u64) -> String {
        let phone = self.open_online_beside_a_far_channel().await;
        let token = self.world.cloud.create_device();
        let fields: [(&str, &[u8]); 5] = [
            ("ssid", FAR_SSID.as_bytes()),
            ("pass", password.as_bytes()),
            ("blynk", token.reveal()),
            ("host", CLOUD_HOST.as_bytes()),
            ("port_ssl", b"443"),
        ];
        assert_eq!(phone.post_form("/config", &fields).await.unwrap().status, 200);
        self.world.pass(Duration::from_secs(4)).await;
        let lost = phone.get("/status.json").await;
        assert!(matches!(lost, Err(AskPortalError::HotspotLost)), "{lost:?}: {}", self.serial());
        drop(phone);
        self.world.pass(Duration::from_secs(away_s)).await;
        assert!(self.view().hotspot_ssid.is_some(), "nobody has read the result: {}", self.serial());
        let phone = Phone::join(self.bench(), &self.board).unwrap();
        let status = phone.get("/status.json").await.unwrap().text();
        if !status.contains("\"step\":\"network\"") {
            return status;
        }
        self.world.pass(Duration::from_secs(5)).await;
        phone.get("/status.json").await.unwrap().text()
    }
}

/// Back as soon as a phone looks again, when the old home has just been tried, and when the board has been online again
/// for a while.
const AWAY_S: [u64; 3] = [5, 30, 90];

#[test]
fn a_phone_that_lost_the_hotspot_to_the_change_of_channel_comes_back_and_is_told_what_happened() {
    for away_s in AWAY_S {
        play(move |stage| async move {
            let status = stage.status_after_losing_the_hotspot("wrong-password", away_s).await;
            assert!(
                status.contains("\"step\":\"failed\"") && status.contains("\"last_error\":722"),
                "{status}"
            );
            assert!(
                stage.world.wait_for_state(&stage.board, "RUNNING", 2 * MINUTE).await,
                "{}",
                stage.serial()
            );
            assert_eq!(stage.view().flash.network_ssids, [HOME_SSID.as_bytes()]);
        });
    }
}

#[test]
fn a_phone_that_lost_the_hotspot_is_told_of_success_too_and_then_the_hotspot_closes() {
    for away_s in AWAY_S {
        play(move |stage| async move {
            let status = stage.status_after_losing_the_hotspot(OTHER_PASSWORD, away_s).await;
            assert!(status.contains("\"step\":\"done\""), "after {away_s} s: {status}");
            assert_eq!(stage.view().flash.network_ssids, [FAR_SSID.as_bytes()]);
            let is_closed = |view: &BoardView| view.hotspot_ssid.is_none();
            assert!(stage.wait(Duration::from_secs(20), is_closed).await, "{}", stage.serial());
        });
    }
}

#[test]
fn a_visitor_holds_the_radio_for_three_minutes_without_a_request_and_not_for_ever_with_them() {
    play(|stage| async move {
        let phone = stage.open_in_recovery().await;
        assert_eq!(phone.get("/").await.unwrap().status, 200);
        // What was due before the visitor came may still be under way.
        stage.world.pass(Duration::from_secs(30)).await;
        let before = stage.join_count();
        stage.world.pass(Duration::from_secs(140)).await;
        assert_eq!(stage.join_count(), before, "the radio stays with the visitor: {}", stage.serial());
        stage.world.pass(MINUTE).await;
        assert!(stage.join_count() > before, "3 min without a request: {}", stage.serial());
        let before = stage.join_count();
        for _ in 0..20 {
            // The phone follows the hotspot to its channel.
            assert_eq!(phone.get("/status.json").await.unwrap().status, 200);
            stage.world.pass(MINUTE).await;
        }
        assert!(stage.join_count() > before, "20 min of requests: {}", stage.serial());
        stage.switch_home_router(true);
        assert!(stage.world.wait_for_state(&stage.board, "RUNNING", 16 * MINUTE).await, "{}", stage.serial());
    });
}
