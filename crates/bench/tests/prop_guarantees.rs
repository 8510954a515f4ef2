//! Random bad luck on the bench: whatever the environment does, a board with our firmware keeps its home and is never
//! stranded (guarantees 1 and 2 of the lifecycle).

#![expect(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    reason = "what tests share stops the test when it fails"
)]

use std::time::Duration;

use bench::air::{AirNetwork, Place, PlaceId, Secret, Security};
use bench::board::BoardId;
use bench::firmware::{FirmwareSpec, FlashFacts, RecoveryChoice};
use bench::phone::Phone;
use bench::virtual_cloud::{CLOUD_HOST, Mood, Service};
use bench::virtual_time::{VirtualWorld, run_virtual};
use bench::world::{NewBoard, NewIdentity};
use home_store::sim_flash::PowerCut;
use proptest::prelude::*;

const SSID: &str = "Home of the property test";
const PASSWORD: &str = "property-password";
/// Guarantee 1.
const RECOVERY_LIMIT: Duration = Duration::from_secs(45);
/// Longest wait after a token refused over verified TLS is an hour.
const RETURN_LIMIT: Duration = Duration::from_mins(70);

/// One piece of bad luck.
#[derive(Clone, Copy, Debug)]
enum Luck {
    Pass {
        seconds: u64,
    },
    RouterUp(bool),
    InternetUp(bool),
    Cloud(Mood),
    AtHome(bool),
    Power(bool),
    /// Power comes for a moment only.
    Flicker {
        milliseconds: u64,
    },
    /// The power fails while the flash is written.
    TornWrite {
        written_bytes: u64,
        torn_mask: u8,
    },
    /// Guarantee 1 is checked here: power-on where network, token or the way to the cloud cannot work.
    BootWithoutNetwork,
    BootWithRefusedToken,
    BootBehindLoginPage,
}

fn luck() -> impl Strategy<Value = Luck> {
    let mood = prop_oneof![
        Just(Mood::Normal),
        Just(Mood::NoName),
        Just(Mood::Down),
        Just(Mood::Silent),
        Just(Mood::BadCertificate),
        Just(Mood::Garbage),
        Just(Mood::CaptivePortal),
        Just(Mood::HangsUp),
        prop_oneof![Just(9), Just(19), Just(5), Just(2), any::<u16>()].prop_map(|code| match code {
            // Success would be an acceptance, which is no bad luck.
            4 | 200 => Mood::LoginStatus(19),
            code => Mood::LoginStatus(code),
        }),
    ];
    prop_oneof![
        3 => (1_u64..1_200).prop_map(|seconds| Luck::Pass { seconds }),
        1 => any::<bool>().prop_map(Luck::RouterUp),
        1 => any::<bool>().prop_map(Luck::InternetUp),
        2 => mood.prop_map(Luck::Cloud),
        1 => any::<bool>().prop_map(Luck::AtHome),
        1 => any::<bool>().prop_map(Luck::Power),
        2 => (1_u64..9_000).prop_map(|milliseconds| Luck::Flicker { milliseconds }),
        1 => (0_u64..40, any::<u8>()).prop_map(|(written_bytes, torn_mask)| Luck::TornWrite { written_bytes, torn_mask }),
        1 => Just(Luck::BootWithoutNetwork),
        1 => Just(Luck::BootWithRefusedToken),
        1 => Just(Luck::BootBehindLoginPage),
    ]
}

struct Stage {
    world: VirtualWorld,
    home: PlaceId,
    board: BoardId,
    token: Secret,
    stored: FlashFacts,
}

impl Stage {
    async fn set(world: VirtualWorld) -> Self {
        let network = AirNetwork {
            ssid: SSID.as_bytes().to_vec(),
            password: Some(Secret::new(PASSWORD)),
            password_hint: None,
            security: Security::Wpa2,
            has_internet: true,
            is_up: true,
        };
        let home = world.bench.add_place(Place { name: "Home".to_owned(), networks: vec![network] }).unwrap();
        let identity = NewIdentity {
            mac: None,
            template_id: "TMPLprop".to_owned(),
            template_name: "Prop".to_owned(),
            vendor: "Blynk".to_owned(),
            has_button: false,
            pop: None,
        };
        let firmware = FirmwareSpec::Rehome(RecoveryChoice::Rehome).build();
        let new = NewBoard { name: "Board".to_owned(), identity, firmware, place: Some(home.clone()) };
        let board = world.bench.add_board(new).unwrap();
        world.bench.give_power(&board).unwrap();
        assert!(world.wait_for(&board, RECOVERY_LIMIT, |view| view.hotspot_ssid.is_some()).await);
        let token = world.cloud.create_device();
        let phone = Phone::join(&world.bench, &board).unwrap();
        let fields: [(&str, &[u8]); 4] = [
            ("ssid", SSID.as_bytes()),
            ("pass", PASSWORD.as_bytes()),
            ("blynk", token.reveal()),
            ("host", CLOUD_HOST.as_bytes()),
        ];
        phone.post_form("/config", &fields).await.unwrap();
        drop(phone);
        assert!(world.wait_for_state(&board, "RUNNING", Duration::from_mins(2)).await);
        let stored = world.bench.board(&board).unwrap().flash;
        assert!(stored.is_home_stored);
        Self { world, home, board, token, stored }
    }

    async fn suffer(&self, luck: Luck) -> Result<(), String> {
        let bench = &self.world.bench;
        match luck {
            Luck::Pass { seconds } => self.world.pass(Duration::from_secs(seconds)).await,
            Luck::RouterUp(is_up) => self.change_network(|network| network.is_up = is_up),
            Luck::InternetUp(is_up) => self.change_network(|network| network.has_internet = is_up),
            Luck::Cloud(mood) => self.world.cloud.set_mood(mood),
            Luck::AtHome(is_home) => {
                bench.move_board(&self.board, is_home.then(|| self.home.clone())).unwrap();
            }
            Luck::Power(true) => bench.give_power(&self.board).unwrap(),
            Luck::Power(false) => bench.cut_power(&self.board).unwrap(),
            Luck::Flicker { milliseconds } => self.flicker(milliseconds).await,
            Luck::TornWrite { written_bytes, torn_mask } => {
                bench.cut_power(&self.board).unwrap();
                bench.give_power(&self.board).unwrap();
                bench
                    .arm_flash_power_cut(&self.board, PowerCut::InWrite { written_bytes, torn_mask })
                    .unwrap();
                self.world.pass(Duration::from_secs(1)).await;
                bench.cut_power(&self.board).unwrap();
                bench.give_power(&self.board).unwrap();
            }
            Luck::BootWithoutNetwork => {
                self.change_network(|network| network.is_up = false);
                self.boot_and_look("no network").await?;
            }
            Luck::BootWithRefusedToken => {
                self.calm_down();
                self.world.cloud.set_mood(Mood::LoginStatus(9));
                self.boot_and_look("a refused token").await?;
            }
            Luck::BootBehindLoginPage => {
                self.calm_down();
                self.world.cloud.set_mood(Mood::CaptivePortal);
                self.boot_and_look("a captive portal").await?;
            }
        }
        self.check_home(luck)
    }

    async fn flicker(&self, milliseconds: u64) {
        self.world.bench.cut_power(&self.board).unwrap();
        self.world.bench.give_power(&self.board).unwrap();
        self.world.pass(Duration::from_millis(milliseconds)).await;
        self.world.bench.cut_power(&self.board).unwrap();
        self.world.bench.give_power(&self.board).unwrap();
    }

    async fn boot_and_look(&self, why: &str) -> Result<(), String> {
        self.world.bench.cut_power(&self.board).unwrap();
        self.world.bench.give_power(&self.board).unwrap();
        self.world.pass(RECOVERY_LIMIT).await;
        let is_open = self.world.bench.board(&self.board).unwrap().hotspot_ssid.is_some();
        if is_open { Ok(()) } else { Err(format!("stranded by {why}:\n{}", self.serial())) }
    }

    fn check_home(&self, luck: Luck) -> Result<(), String> {
        let facts = self.world.bench.board(&self.board).unwrap().flash;
        if facts == self.stored {
            Ok(())
        } else {
            Err(format!("{luck:?} changed the home:\n{}", self.serial()))
        }
    }

    fn calm_down(&self) {
        self.world.cloud.set_mood(Mood::Normal);
        self.change_network(|network| (network.is_up, network.has_internet) = (true, true));
        self.world.bench.move_board(&self.board, Some(self.home.clone())).unwrap();
    }

    async fn recover(&self) -> Result<(), String> {
        self.calm_down();
        self.world.bench.give_power(&self.board).unwrap();
        let is_back = self.world.wait_for_state(&self.board, "RUNNING", RETURN_LIMIT).await;
        let is_online = is_back && self.world.cloud.is_online(&self.token);
        if is_online { Ok(()) } else { Err(format!("not back after the bad luck ended:\n{}", self.serial())) }
    }

    fn change_network(&self, change: impl FnOnce(&mut AirNetwork)) {
        self.world.bench.change_network(&self.home, SSID.as_bytes(), change).unwrap();
    }

    fn serial(&self) -> String {
        self.world.bench.serial_from(&self.board, 0).unwrap().0
    }
}

fn play(seed: u64, lucks: Vec<Luck>) -> Result<(), String> {
    let played = run_virtual(seed, Service::Rehome, |world| async move {
        let stage = Stage::set(world).await;
        for luck in lucks {
            stage.suffer(luck).await?;
        }
        stage.recover().await
    });
    played.unwrap_or_else(|error| Err(error.to_string()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bad_luck_strands_a_board_or_takes_its_home(seed: u64, lucks in prop::collection::vec(luck(), 1..25)) {
        if let Err(why) = play(seed, lucks) {
            prop_assert!(false, "{why}");
        }
    }
}
