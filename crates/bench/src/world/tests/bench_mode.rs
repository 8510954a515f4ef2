//! A maker tests a board and ships it with no trace of the test.

use super::*;

impl Stage {
    async fn submit_on_bench(&self, ssid: &str, password: &str, token: &Secret) {
        let phone = self.phone();
        let fields: [(&str, &[u8]); 5] = [
            ("ssid", ssid.as_bytes()),
            ("pass", password.as_bytes()),
            ("blynk", token.reveal()),
            ("host", CLOUD_HOST.as_bytes()),
            ("bench", b"1"),
        ];
        let answer = phone.post_form("/config", &fields).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    fn image_of(&self, board: &BoardId) -> Vec<u8> {
        self.bench().flash_image(board).unwrap()
    }
}

#[test]
fn a_board_tested_on_the_bench_is_byte_for_byte_the_board_that_never_was() {
    play_with_pop(POP, |stage| async move {
        // The twin gets the same power and nothing else.
        let twin = stage.bench().add_board(new_board(None)).unwrap();
        let both = [stage.board.clone(), twin.clone()];
        for board in &both {
            stage.bench().give_power(board).unwrap();
        }
        stage.world.pass(MINUTE).await;
        assert_eq!(stage.image_of(&stage.board), stage.image_of(&twin));
        let before = stage.image_of(&stage.board);

        let token = stage.world.cloud.create_device();
        stage.submit_on_bench(HOME_SSID, HOME_PASSWORD, &token).await;
        assert!(stage.world.wait_for_state(&stage.board, "RUNNING", MINUTE).await, "{}", stage.serial());
        stage.world.pass(10 * MINUTE).await;
        assert!(stage.world.cloud.is_online(&token) && stage.world.cloud.is_on_bench(&token));
        assert!(stage.world.cloud.value(&token, 0).is_some(), "it works like any other board");
        // A bad day on the bench: outage, refusal, another network, errors of every kind.
        stage.switch_home_router(false);
        assert!(stage.wait(20 * MINUTE, |view| view.hotspot_ssid.is_some()).await, "{}", stage.serial());
        stage.switch_home_router(true);
        assert!(stage.world.wait_for_state(&stage.board, "RUNNING", 10 * MINUTE).await, "{}", stage.serial());
        stage.world.cloud.set_mood(Mood::LoginStatus(9));
        stage.world.pass(10 * MINUTE).await;
        stage.world.cloud.set_mood(Mood::Normal);
        assert!(stage.world.wait_for_state(&stage.board, "RUNNING", Duration::from_hours(2)).await);
        assert_eq!(stage.image_of(&stage.board), before, "{}", stage.serial());
        assert!(!stage.bench().holds_secrets(&stage.board).unwrap());

        for board in &both {
            stage.bench().cut_power(board).unwrap();
            stage.bench().give_power(board).unwrap();
        }
        stage.world.pass(MINUTE).await;
        assert_eq!(stage.image_of(&stage.board), stage.image_of(&twin));
        assert_eq!(stage.view().report.state, "WAIT_CONFIG", "the power cycle has forgotten it");
    });
}

#[test]
fn a_stored_home_survives_a_test_on_the_bench_and_the_bench_clouds_release() {
    play_with_pop(POP, |stage| async move {
        let owner = stage.set_up().await;
        stage.bench().cut_power(&stage.board).unwrap();
        stage.bench().move_board(&stage.board, Some(stage.other.clone())).unwrap();
        stage.bench().give_power(&stage.board).unwrap();
        assert!(stage.wait(RECOVERY_LIMIT, |view| view.hotspot_ssid.is_some()).await, "{}", stage.serial());
        let token = stage.world.cloud.create_device();
        stage.submit_on_bench(OTHER_SSID, OTHER_PASSWORD, &token).await;
        assert!(stage.world.wait_for_state(&stage.board, "RUNNING", MINUTE).await, "{}", stage.serial());
        let before = stage.image_of(&stage.board);
        stage.world.cloud.give_away(&token);
        stage.world.pass(MINUTE).await;
        assert!(stage.serial().contains("Home on the bench forgotten"), "{}", stage.serial());
        assert_eq!(stage.view().flash.network_ssids, [HOME_SSID.as_bytes()]);
        assert_eq!(stage.view().flash.epoch, Some(1));
        assert!(stage.image_of(&stage.board).len() == before.len());
        stage.bench().move_board(&stage.board, Some(stage.home.clone())).unwrap();
        assert!(stage.world.wait_for_state(&stage.board, "RUNNING", 10 * MINUTE).await, "{}", stage.serial());
        assert!(stage.world.cloud.is_online(&owner) && !stage.world.cloud.is_on_bench(&owner));
    });
}
