use std::time::Duration;

use home_store::sim_flash::{EraseTear, PowerCut};

use super::{Bench, BoardView, ChangeBenchError, NewBoard, NewIdentity};
use crate::air::{AirNetwork, Place, PlaceId, Secret, Security};
use crate::board::BoardId;
use crate::firmware::{FirmwareSpec, RecoveryChoice};
use crate::phone::Phone;
use crate::virtual_cloud::{CLOUD_HOST, Mood, Service, TokenState};
use crate::virtual_time::{VirtualWorld, run_virtual};

mod claims;

const HOME_SSID: &str = "Nest 🐣 + \"quotes\" & 50%";
const HOME_PASSWORD: &str = "p=a&s+s %word\"7";
const OTHER_SSID: &str = "Other place";
const OTHER_PASSWORD: &str = "another-password";
const RECOVERY_LIMIT: Duration = Duration::from_secs(45);
const MINUTE: Duration = Duration::from_mins(1);
const POP: &str = "label-pop-4711";

struct Stage {
    world: VirtualWorld,
    home: PlaceId,
    other: PlaceId,
    board: BoardId,
}

impl Stage {
    fn new(world: VirtualWorld) -> Self {
        let home = world.bench.add_place(place("Home", HOME_SSID, HOME_PASSWORD)).unwrap();
        let other = world.bench.add_place(place("Other", OTHER_SSID, OTHER_PASSWORD)).unwrap();
        let board = world.bench.add_board(new_board(Some(home.clone()))).unwrap();
        Self { world, home, other, board }
    }

    fn bench(&self) -> &Bench {
        &self.world.bench
    }

    fn view(&self) -> BoardView {
        self.bench().board(&self.board).unwrap()
    }

    fn serial(&self) -> String {
        self.bench().serial_from(&self.board, 0).unwrap().0
    }

    /// A phone in the board's hotspot, whose owner has read the label where there is one.
    fn phone(&self) -> Phone {
        let pop = self.view().identity.pop;
        Phone::join_with(self.bench(), &self.board, pop.as_ref().map(Secret::reveal)).unwrap()
    }

    async fn submit(&self, ssid: &str, password: &str, token: Option<&Secret>) {
        let phone = self.phone();
        let mut fields: Vec<(&str, &[u8])> = vec![("ssid", ssid.as_bytes()), ("pass", password.as_bytes())];
        if let Some(token) = token {
            fields.extend([("blynk", token.reveal()), ("host", CLOUD_HOST.as_bytes()), ("port_ssl", b"443")]);
        }
        let answer = phone.post_form("/config", &fields).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Gives power, sets the board up at home and waits until its hotspot is closed again.
    async fn set_up(&self) -> Secret {
        self.bench().give_power(&self.board).unwrap();
        assert!(self.wait(MINUTE, |view| view.hotspot_ssid.is_some()).await, "{}", self.serial());
        let token = self.world.cloud.create_device();
        self.submit(HOME_SSID, HOME_PASSWORD, Some(&token)).await;
        let is_settled = |view: &BoardView| view.report.state == "RUNNING" && view.hotspot_ssid.is_none();
        assert!(self.wait(5 * MINUTE, is_settled).await, "{}", self.serial());
        assert!(self.world.cloud.is_online(&token));
        token
    }

    /// Sets the board up by the other place's network and waits until its hotspot is closed again.
    async fn set_up_at_the_other_place(&self) -> Secret {
        let token = self.world.cloud.create_device();
        self.submit(OTHER_SSID, OTHER_PASSWORD, Some(&token)).await;
        let is_settled = |view: &BoardView| view.report.state == "RUNNING" && view.hotspot_ssid.is_none();
        assert!(self.wait(5 * MINUTE, is_settled).await, "{}", self.serial());
        token
    }

    async fn wait(&self, limit: Duration, condition: impl FnMut(&BoardView) -> bool) -> bool {
        self.world.wait_for(&self.board, limit, condition).await
    }

    fn switch_home_router(&self, is_up: bool) {
        let change = |network: &mut AirNetwork| network.is_up = is_up;
        self.bench().change_network(&self.home, HOME_SSID.as_bytes(), change).unwrap();
    }
}

fn place(name: &str, ssid: &str, password: &str) -> Place {
    let network = AirNetwork {
        ssid: ssid.as_bytes().to_vec(),
        password: Some(Secret::new(password)),
        password_hint: None,
        security: Security::Wpa2,
        has_internet: true,
        is_up: true,
    };
    Place { name: name.to_owned(), networks: vec![network] }
}

fn new_board(place: Option<PlaceId>) -> NewBoard {
    NewBoard {
        name: "Board".to_owned(),
        identity: NewIdentity {
            mac: None,
            template_id: "TMPLtest".to_owned(),
            template_name: "Test".to_owned(),
            vendor: "Blynk".to_owned(),
            has_button: true,
            pop: None,
        },
        firmware: FirmwareSpec::Rehome(RecoveryChoice::Rehome).build(),
        place,
    }
}

/// Plays on a stage of its own, against the Rehome service.
fn play<R: Future<Output = ()>>(act: impl FnOnce(Stage) -> R + Send + 'static) {
    run_virtual(1, Service::Rehome, move |world| act(Stage::new(world))).unwrap();
}

/// Plays with a board that has a label: its hotspot asks for the PoP.
fn play_with_pop<R: Future<Output = ()>>(pop: &'static str, act: impl FnOnce(Stage) -> R + Send + 'static) {
    run_virtual(1, Service::Rehome, move |world| {
        let mut stage = Stage::new(world);
        let mut board = new_board(Some(stage.home.clone()));
        board.identity.pop = Some(Secret::new(pop));
        stage.board = stage.bench().add_board(board).unwrap();
        act(stage)
    })
    .unwrap();
}

#[test]
fn a_board_is_set_up_through_its_portal_and_shows_live_values() {
    play(|stage| async move {
        let token = stage.set_up().await;
        stage.world.pass(MINUTE).await;
        assert!(stage.world.cloud.value(&token, 0).is_some_and(|uptime| uptime != b"0"));
        assert!(stage.world.cloud.value(&token, 2).is_some());
        stage.world.cloud.write_pin(&token, 1, b"1");
        stage.world.pass(Duration::from_secs(1)).await;
        assert_eq!(stage.world.cloud.value(&token, 1).as_deref(), Some(&b"1"[..]), "the relay confirms");
        assert_eq!(stage.world.cloud.login_count(&token), 1);
    });
}

#[test]
fn a_board_online_for_a_day_logs_in_once() {
    play(|stage| async move {
        let token = stage.set_up().await;
        stage.world.pass(Duration::from_hours(24)).await;
        assert_eq!(stage.world.cloud.login_count(&token), 1, "{}", stage.serial());
        assert!(stage.world.cloud.is_online(&token));
    });
}

#[test]
fn a_board_moved_to_another_home_opens_its_hotspot_in_45_s_and_keeps_its_home() {
    play_with_pop(POP, |stage| async move {
        stage.set_up().await;
        stage.bench().cut_power(&stage.board).unwrap();
        stage.bench().move_board(&stage.board, Some(stage.other.clone())).unwrap();
        stage.bench().give_power(&stage.board).unwrap();
        assert!(stage.wait(RECOVERY_LIMIT, |view| view.hotspot_ssid.is_some()).await, "{}", stage.serial());
        assert!(stage.view().flash.is_home_stored);
        assert_eq!(stage.view().flash.network_ssids, [HOME_SSID.as_bytes()]);
        // Same owner, new router: the token is kept.
        stage.submit(OTHER_SSID, OTHER_PASSWORD, None).await;
        assert!(stage.world.wait_for_state(&stage.board, "RUNNING", 2 * MINUTE).await, "{}", stage.serial());
        let facts = stage.view().flash;
        assert_eq!(facts.network_ssids, [OTHER_SSID.as_bytes(), HOME_SSID.as_bytes()]);
        assert_eq!(facts.epoch, Some(1));
    });
}

#[test]
fn a_wrong_password_is_told_to_the_phone_and_the_old_home_is_tried_again_within_90_s() {
    play_with_pop(POP, |stage| async move {
        stage.set_up().await;
        stage.switch_home_router(false);
        assert!(stage.wait(20 * MINUTE, |view| view.hotspot_ssid.is_some()).await, "{}", stage.serial());
        stage.bench().move_board(&stage.board, Some(stage.other.clone())).unwrap();
        stage.submit(OTHER_SSID, "wrong-password", None).await;
        assert!(stage.wait(MINUTE, |view| view.report.last_error == 722).await, "{}", stage.serial());
        let phone = stage.phone();
        let status = phone.get("/status.json").await.unwrap().text();
        assert!(status.contains("\"last_error\":722") && status.contains("\"step\":\"failed\""), "{status}");
        assert_eq!(stage.view().flash.network_ssids, [HOME_SSID.as_bytes()]);
        drop(phone);
        stage.bench().move_board(&stage.board, Some(stage.home.clone())).unwrap();
        stage.switch_home_router(true);
        assert!(stage.world.wait_for_state(&stage.board, "RUNNING", 2 * MINUTE).await, "{}", stage.serial());
    });
}

#[test]
fn a_release_wipes_the_board_and_no_byte_of_the_home_is_left_in_flash() {
    play(|stage| async move {
        let token = stage.set_up().await;
        assert!(
            stage.bench().holds_secrets(&stage.board).unwrap(),
            "the search must be able to find something"
        );
        stage.world.cloud.give_away(&token);
        stage.world.pass(MINUTE).await;
        assert_eq!(stage.world.cloud.token_state(&token), Some(TokenState::ReleaseConfirmed));
        assert_eq!(stage.view().report.state, "WAIT_CONFIG");
        assert!(!stage.bench().holds_secrets(&stage.board).unwrap());
        let facts = stage.view().flash;
        assert!(!facts.is_home_stored && !facts.is_token_stored && facts.network_ssids.is_empty());
        assert_eq!(facts.epoch, Some(2), "the claim began epoch 1, the wipe epoch 2");
    });
}

#[test]
fn after_the_receipt_no_byte_of_the_release_key_is_left_and_the_token_is_refused() {
    play(|stage| async move {
        let token = stage.set_up().await;
        let has_trace = |stage: &Stage| {
            let image = stage.bench().flash_image(&stage.board).unwrap();
            let traces = stage.world.cloud.release_traces(&token);
            traces.iter().any(|trace| image.windows(trace.len()).any(|window| window == trace))
        };
        assert!(has_trace(&stage), "the search must be able to find something");
        stage.world.cloud.give_away(&token);
        let is_reset = |view: &BoardView| view.report.state == "WAIT_CONFIG";
        assert!(stage.wait(MINUTE, is_reset).await, "{}", stage.serial());
        assert_eq!(stage.world.cloud.token_state(&token), Some(TokenState::ReleaseConfirmed));
        assert!(!has_trace(&stage));
        for line in ["Release proven", "Home erased, epoch 2", "Receipt sent"] {
            assert!(stage.serial().contains(line), "{line}: {}", stage.serial());
        }
        stage.submit(HOME_SSID, HOME_PASSWORD, Some(&token)).await;
        stage.world.pass(MINUTE).await;
        assert!(stage.serial().contains("Invalid auth token"), "{}", stage.serial());
    });
}

#[test]
fn an_order_of_an_earlier_owner_changes_nothing_for_the_next() {
    play(|stage| async move {
        let first = stage.set_up().await;
        let old_order = stage.world.cloud.signed_order(&first, 1).unwrap();
        stage.world.cloud.give_away(&first);
        let is_open = |view: &BoardView| view.hotspot_ssid.is_some();
        assert!(stage.wait(MINUTE, is_open).await, "{}", stage.serial());
        let second = stage.set_up().await;
        let others = [1, 3].map(|epoch| stage.world.cloud.signed_order(&second, epoch).unwrap());
        for order in [old_order, others[0].clone(), others[1].clone()] {
            stage.world.cloud.send_raw(&second, order);
            stage.world.pass(MINUTE).await;
            assert!(stage.view().flash.is_home_stored, "{}", stage.serial());
            assert!(stage.world.cloud.is_online(&second));
        }
        assert!(stage.serial().contains("it names another device"), "{}", stage.serial());
        assert!(stage.serial().contains("it is for epoch 1, this is epoch 2"), "{}", stage.serial());
        assert!(stage.serial().contains("it is for epoch 3, this is epoch 2"), "{}", stage.serial());
        let right = stage.world.cloud.signed_order(&second, 2).unwrap();
        stage.world.cloud.send_raw(&second, right);
        stage.world.pass(MINUTE).await;
        assert!(!stage.view().flash.is_home_stored, "the same key with the right device and epoch is obeyed");
    });
}

#[test]
fn a_wipe_on_a_proven_order_that_loses_its_power_ends_at_the_next_boot() {
    play(|stage| async move {
        let token = stage.set_up().await;
        let order = stage.world.cloud.signed_order(&token, 1).unwrap();
        let cut = PowerCut::InErase { erased_sectors: 0, tear: EraseTear::NotBegun };
        stage.bench().arm_flash_power_cut(&stage.board, cut).unwrap();
        stage.world.cloud.send_raw(&token, order);
        stage.world.pass(MINUTE).await;
        stage.bench().cut_power(&stage.board).unwrap();
        stage.bench().give_power(&stage.board).unwrap();
        assert!(stage.wait(MINUTE, |view| view.hotspot_ssid.is_some()).await, "{}", stage.serial());
        assert!(!stage.bench().holds_secrets(&stage.board).unwrap());
        assert_eq!(stage.view().flash.epoch, Some(2), "the wipe is the same one, not a second");
    });
}

#[test]
fn a_board_released_while_it_was_off_is_wiped_when_it_comes_back() {
    play(|stage| async move {
        let token = stage.set_up().await;
        stage.bench().cut_power(&stage.board).unwrap();
        stage.world.cloud.give_away(&token);
        stage.world.pass(Duration::from_hours(3)).await;
        assert_eq!(stage.world.cloud.token_state(&token), Some(TokenState::ReleasePending));
        stage.bench().give_power(&stage.board).unwrap();
        stage.world.pass(2 * MINUTE).await;
        assert_eq!(stage.world.cloud.token_state(&token), Some(TokenState::ReleaseConfirmed));
        assert!(!stage.bench().holds_secrets(&stage.board).unwrap());
    });
}

#[test]
fn a_refused_token_opens_the_hotspot_and_keeps_the_home() {
    play(|stage| async move {
        let token = stage.set_up().await;
        stage.world.cloud.set_mood(Mood::LoginStatus(9));
        assert!(stage.wait(MINUTE, |view| view.hotspot_ssid.is_some()).await, "{}", stage.serial());
        assert_eq!(stage.view().report.last_error, 703);
        assert!(stage.view().flash.is_home_stored);
        assert!(stage.serial().contains("Invalid auth token"));
        stage.world.cloud.set_mood(Mood::Normal);
        assert!(stage.world.wait_for_state(&stage.board, "RUNNING", Duration::from_hours(1)).await);
        assert!(stage.world.cloud.is_online(&token));
    });
}

#[test]
fn a_bad_day_of_the_cloud_opens_no_hotspot_and_costs_no_home() {
    for mood in [
        Mood::NoName,
        Mood::Down,
        Mood::Silent,
        Mood::BadCertificate,
        Mood::Garbage,
        Mood::LoginStatus(19),
        Mood::HangsUp,
    ] {
        play(move |stage| async move {
            let token = stage.set_up().await;
            stage.world.cloud.set_mood(mood);
            let hotspot = stage.wait(Duration::from_hours(5), |view| view.hotspot_ssid.is_some()).await;
            assert!(!hotspot, "{mood:?}: {}", stage.serial());
            stage.world.cloud.set_mood(Mood::Normal);
            assert!(stage.world.wait_for_state(&stage.board, "RUNNING", 20 * MINUTE).await, "{mood:?}");
            assert!(stage.world.cloud.is_online(&token) && stage.view().flash.is_home_stored);
        });
    }
}

#[test]
fn a_captive_portal_opens_the_hotspot_after_the_grace_as_a_lost_network_does() {
    play(|stage| async move {
        let token = stage.set_up().await;
        stage.world.cloud.set_mood(Mood::CaptivePortal);
        assert!(stage.wait(MINUTE, |view| view.report.last_error == 712).await, "{}", stage.serial());
        // The minute that was waited for and this together stay below the grace.
        let is_early = stage.wait(8 * MINUTE, |view| view.hotspot_ssid.is_some()).await;
        assert!(!is_early, "{}", stage.serial());
        assert!(stage.wait(3 * MINUTE, |view| view.hotspot_ssid.is_some()).await, "{}", stage.serial());
        assert_eq!(stage.view().report.last_error, 712);
        assert!(stage.view().flash.is_home_stored);
        stage.world.cloud.set_mood(Mood::Normal);
        let is_home = |view: &BoardView| view.report.state == "RUNNING" && view.hotspot_ssid.is_none();
        assert!(stage.wait(20 * MINUTE, is_home).await, "{}", stage.serial());
        assert!(stage.world.cloud.is_online(&token));
    });
}

#[test]
fn a_board_that_starts_behind_a_captive_portal_opens_its_hotspot_in_45_s_and_keeps_its_home() {
    play(|stage| async move {
        stage.set_up().await;
        stage.bench().cut_power(&stage.board).unwrap();
        stage.world.cloud.set_mood(Mood::CaptivePortal);
        stage.bench().give_power(&stage.board).unwrap();
        assert!(stage.wait(RECOVERY_LIMIT, |view| view.hotspot_ssid.is_some()).await, "{}", stage.serial());
        assert_eq!(stage.view().report.last_error, 712);
        assert!(stage.view().flash.is_home_stored && stage.view().joined_ssid.is_some());
    });
}

#[test]
fn a_new_home_behind_a_captive_portal_is_refused_with_its_code() {
    play(|stage| async move {
        stage.bench().give_power(&stage.board).unwrap();
        assert!(stage.wait(MINUTE, |view| view.hotspot_ssid.is_some()).await, "{}", stage.serial());
        stage.world.cloud.set_mood(Mood::CaptivePortal);
        let token = stage.world.cloud.create_device();
        stage.submit(HOME_SSID, HOME_PASSWORD, Some(&token)).await;
        assert!(stage.wait(MINUTE, |view| view.report.last_error == 712).await, "{}", stage.serial());
        assert!(!stage.view().flash.is_home_stored);
    });
}

#[test]
fn a_button_held_for_ten_seconds_wipes_and_a_short_press_does_not() {
    play(|stage| async move {
        stage.set_up().await;
        stage.bench().press_button(&stage.board, Duration::from_secs(5)).unwrap();
        stage.world.pass(MINUTE).await;
        assert!(stage.view().flash.is_home_stored);
        stage.bench().press_button(&stage.board, Duration::from_secs(11)).unwrap();
        stage.world.pass(MINUTE).await;
        assert!(!stage.view().flash.is_home_stored, "{}", stage.serial());
        assert!(stage.view().hotspot_ssid.is_some());
    });
}

#[test]
fn an_open_network_with_the_name_of_the_stored_one_is_not_joined() {
    play(|stage| async move {
        stage.set_up().await;
        stage.bench().cut_power(&stage.board).unwrap();
        let twin = AirNetwork {
            ssid: HOME_SSID.as_bytes().to_vec(),
            password: None,
            password_hint: None,
            security: Security::Open,
            has_internet: true,
            is_up: true,
        };
        let trap = stage.bench().add_place(Place { name: "Trap".to_owned(), networks: vec![twin] }).unwrap();
        stage.bench().move_board(&stage.board, Some(trap)).unwrap();
        stage.bench().give_power(&stage.board).unwrap();
        let joined = stage.wait(5 * MINUTE, |view| view.joined_ssid.is_some()).await;
        assert!(!joined, "{}", stage.serial());
        assert!(stage.view().hotspot_ssid.is_some());
    });
}

#[test]
fn the_portal_answers_a_phone_that_sends_its_request_byte_by_byte() {
    play(|stage| async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        stage.bench().give_power(&stage.board).unwrap();
        assert!(stage.wait(MINUTE, |view| view.hotspot_ssid.is_some()).await);
        let (idle, idle_far) = tokio::io::duplex(64);
        assert!(stage.bench().offer_phone(&stage.board, Box::new(idle_far)).unwrap());
        let (mut near, far) = tokio::io::duplex(64);
        assert!(stage.bench().offer_phone(&stage.board, Box::new(far)).unwrap());
        for byte in b"GET /board_info.json HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n" {
            near.write_all(&[*byte]).await.unwrap();
        }
        let mut answer = String::new();
        near.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("TMPLtest"), "{answer}");
        drop(idle);
    });
}

#[test]
fn the_bench_refuses_what_cannot_be() {
    play(|stage| async move {
        let bench = stage.bench();
        assert_eq!(bench.give_power(&BoardId("nope".to_owned())), Err(ChangeBenchError::BoardNotFound));
        let nowhere = Some(PlaceId("nope".to_owned()));
        assert_eq!(bench.move_board(&stage.board, nowhere), Err(ChangeBenchError::PlaceNotFound));
        let too_long = bench.add_place(place("X", &"s".repeat(33), "long-enough"));
        assert!(matches!(too_long, Err(ChangeBenchError::Invalid { .. })));
        let too_short = bench.add_place(place("X", "ssid", "short"));
        assert!(matches!(too_short, Err(ChangeBenchError::Invalid { .. })));
        let hold = bench.press_button(&stage.board, Duration::from_secs(61));
        assert!(matches!(hold, Err(ChangeBenchError::Invalid { .. })));
    });
}

mod bench_mode;
mod captive;
mod console;
mod door;
mod set_up_time;
