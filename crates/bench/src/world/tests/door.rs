//! The door of a board: power-ups that open it, and its lock.

use super::*;
use crate::phone::AskPortalError;

impl Stage {
    /// Gives the board power for so long, and takes it away again for a moment.
    async fn power_up_for(&self, on: Duration) {
        self.bench().give_power(&self.board).unwrap();
        self.world.pass(on).await;
        self.bench().cut_power(&self.board).unwrap();
        self.world.pass(Duration::from_secs(1)).await;
    }

    fn is_open(&self) -> bool {
        self.view().hotspot_ssid.is_some()
    }
}

#[test]
fn an_owner_without_a_button_opens_the_door_with_the_plug_and_gives_the_board_another_network() {
    play(|stage| async move {
        let token = stage.set_up().await;
        stage.bench().cut_power(&stage.board).unwrap();
        for seconds in [3, 2, 5, 7, 3] {
            stage.power_up_for(Duration::from_secs(seconds)).await;
        }
        stage.bench().give_power(&stage.board).unwrap();
        // The network is there: nothing but the gesture opens the hotspot, and nothing is wiped.
        assert!(
            stage.wait(Duration::from_secs(2), |view| view.hotspot_ssid.is_some()).await,
            "{}",
            stage.serial()
        );
        assert!(stage.world.wait_for_state(&stage.board, "RUNNING", MINUTE).await, "{}", stage.serial());
        assert!(stage.is_open() && stage.view().flash.is_home_stored);
        let phone = Phone::join(stage.bench(), &stage.board).unwrap();
        let page = phone.get("/").await.unwrap();
        assert_eq!(page.status, 200);
        assert_eq!(phone.post_form("/reset", &[]).await.unwrap().status, 403);
        drop(phone);
        stage.world.pass(14 * MINUTE).await;
        assert!(stage.is_open(), "{}", stage.serial());
        stage.world.pass(2 * MINUTE).await;
        assert!(!stage.is_open() && stage.world.cloud.is_online(&token), "{}", stage.serial());
        assert!(stage.view().flash.is_home_stored);
    });
}

#[test]
fn flickers_long_power_ups_and_four_short_ones_open_nothing() {
    play(|stage| async move {
        stage.set_up().await;
        stage.bench().cut_power(&stage.board).unwrap();
        let rows: [&[u64]; 4] = [
            &[500; 12],
            &[3_000; 4],
            // The fourth is a device that stays on.
            &[3_000, 3_000, 3_000, 9_000, 3_000, 3_000],
            &[9_000; 6],
        ];
        for row in rows {
            for on_ms in row {
                stage.power_up_for(Duration::from_millis(*on_ms)).await;
            }
            stage.bench().give_power(&stage.board).unwrap();
            let opened = stage.wait(MINUTE, |view| view.hotspot_ssid.is_some()).await;
            assert!(!opened, "{row:?}: {}", stage.serial());
            stage.bench().cut_power(&stage.board).unwrap();
        }
        assert!(stage.view().flash.is_home_stored);
    });
}

#[test]
fn a_phone_with_the_label_sets_a_board_up_and_one_without_does_not_get_in() {
    play_with_pop(POP, |stage| async move {
        stage.bench().give_power(&stage.board).unwrap();
        assert!(stage.wait(MINUTE, |view| view.hotspot_ssid.is_some()).await);
        assert_eq!(stage.view().hotspot_security, Security::Wpa2);
        let stranger = Phone::join(stage.bench(), &stage.board);
        assert!(matches!(stranger, Err(AskPortalError::PassphraseRefused)), "{stranger:?}");
        let phone = Phone::join_with(stage.bench(), &stage.board, Some(POP.as_bytes())).unwrap();
        let token = stage.world.cloud.create_device();
        let fields: [(&str, &[u8]); 4] = [
            ("ssid", HOME_SSID.as_bytes()),
            ("pass", HOME_PASSWORD.as_bytes()),
            ("blynk", token.reveal()),
            ("host", CLOUD_HOST.as_bytes()),
        ];
        assert_eq!(phone.post_form("/config", &fields).await.unwrap().status, 200);
        drop(phone);
        assert!(stage.world.wait_for_state(&stage.board, "RUNNING", MINUTE).await, "{}", stage.serial());
        assert!(!stage.serial().contains(POP));
        let image = stage.bench().flash_image(&stage.board).unwrap();
        assert!(
            !image.windows(POP.len()).any(|window| window == POP.as_bytes()),
            "the PoP is not in the home"
        );
    });
}

#[test]
fn without_a_label_a_stranger_cannot_take_the_account_into_his_network_and_the_owner_names_it_again() {
    play(|stage| async move {
        let token = stage.set_up().await;
        stage.switch_home_router(false);
        assert!(stage.wait(20 * MINUTE, |view| view.hotspot_ssid.is_some()).await, "{}", stage.serial());
        // The stranger's own network reaches the cloud, so a kept account would be accepted and stored there.
        stage.bench().move_board(&stage.board, Some(stage.other.clone())).unwrap();
        let network: [(&str, &[u8]); 2] =
            [("ssid", OTHER_SSID.as_bytes()), ("pass", OTHER_PASSWORD.as_bytes())];
        let answer = stage.phone().post_form("/config", &network).await.unwrap();
        assert!(answer.text().contains("enter the device token or a claim code"), "{}", answer.text());
        stage.world.pass(5 * MINUTE).await;
        assert_eq!(stage.view().flash.network_ssids, [HOME_SSID.as_bytes()]);
        assert!(!stage.world.cloud.is_online(&token), "{}", stage.serial());
        stage.submit(OTHER_SSID, OTHER_PASSWORD, Some(&token)).await;
        assert!(stage.world.wait_for_state(&stage.board, "RUNNING", 2 * MINUTE).await, "{}", stage.serial());
        assert!(stage.world.cloud.is_online(&token));
    });
}

#[test]
fn five_strangers_close_the_door_until_the_next_power_on_and_a_restart_does_not_open_it() {
    play_with_pop(POP, |stage| async move {
        stage.bench().give_power(&stage.board).unwrap();
        assert!(stage.wait(MINUTE, |view| view.hotspot_ssid.is_some()).await);
        for guess in 0..4 {
            let guess = format!("guess-number-{guess}");
            let stranger = Phone::join_with(stage.bench(), &stage.board, Some(guess.as_bytes()));
            assert!(matches!(stranger, Err(AskPortalError::PassphraseRefused)));
            stage.world.pass(Duration::from_secs(1)).await;
        }
        let phone = Phone::join_with(stage.bench(), &stage.board, Some(POP.as_bytes())).unwrap();
        assert_eq!(phone.get("/").await.unwrap().status, 200, "four are not five");
        // An empty device may be restarted by who is in; that buys nobody more guesses.
        assert_eq!(phone.post_form("/reboot", &[]).await.unwrap().status, 200);
        drop(phone);
        stage.world.pass(Duration::from_secs(2)).await;
        assert!(stage.serial().contains("boot 2"), "{}", stage.serial());
        assert!(stage.wait(MINUTE, |view| view.hotspot_ssid.is_some()).await, "{}", stage.serial());
        assert!(Phone::join_with(stage.bench(), &stage.board, Some(b"guess-number-5")).is_err());
        stage.world.pass(Duration::from_hours(1)).await;
        assert!(!stage.is_open(), "{}", stage.serial());
        assert!(stage.serial().contains("the hotspot stays closed until power-on"), "{}", stage.serial());
        stage.power_up_for(Duration::from_secs(20)).await;
        stage.bench().give_power(&stage.board).unwrap();
        assert!(stage.wait(MINUTE, |view| view.hotspot_ssid.is_some()).await, "{}", stage.serial());
    });
}

#[test]
fn a_locked_door_does_not_keep_a_board_from_going_home() {
    play_with_pop(POP, |stage| async move {
        stage.bench().give_power(&stage.board).unwrap();
        assert!(stage.wait(MINUTE, |view| view.hotspot_ssid.is_some()).await);
        let phone = Phone::join_with(stage.bench(), &stage.board, Some(POP.as_bytes())).unwrap();
        let token = stage.world.cloud.create_device();
        let fields: [(&str, &[u8]); 4] = [
            ("ssid", HOME_SSID.as_bytes()),
            ("pass", HOME_PASSWORD.as_bytes()),
            ("blynk", token.reveal()),
            ("host", CLOUD_HOST.as_bytes()),
        ];
        assert_eq!(phone.post_form("/config", &fields).await.unwrap().status, 200);
        drop(phone);
        assert!(stage.world.wait_for_state(&stage.board, "RUNNING", MINUTE).await);
        stage.switch_home_router(false);
        assert!(stage.wait(20 * MINUTE, |view| view.hotspot_ssid.is_some()).await, "{}", stage.serial());
        for _ in 0..5 {
            assert!(Phone::join_with(stage.bench(), &stage.board, Some(b"not-the-label")).is_err());
        }
        assert!(stage.wait(MINUTE, |view| view.hotspot_ssid.is_none()).await, "{}", stage.serial());
        stage.switch_home_router(true);
        assert!(stage.world.wait_for_state(&stage.board, "RUNNING", 6 * MINUTE).await, "{}", stage.serial());
        assert!(stage.world.cloud.is_online(&token) && stage.view().flash.is_home_stored);
    });
}
