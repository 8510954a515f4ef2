//! Firmware updates on the bench: our agent on a virtual board, the simulated cloud, virtual time.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a broken stage must stop the test")]

use std::rc::Rc;
use std::time::Duration;

use base64ct::{Base64, Encoding as _};
use bench::air::{AirNetwork, Place, PlaceId, Secret, Security};
use bench::board::BoardId;
use bench::firmware::{Firmware, RecoveryChoice};
use bench::firmware_image::{FirmwareTag, ImageConduct};
use bench::phone::Phone;
use bench::rehome::RehomeFirmware;
use bench::virtual_cloud::{CLOUD_HOST, HostedImage, Mood, Service};
use bench::virtual_time::{VirtualWorld, run_virtual};
use bench::world::{BoardView, NewBoard, NewIdentity};
use ed25519_dalek::{Signer as _, SigningKey};
use home_store::sim_flash::PowerCut;
use sha2::{Digest as _, Sha256};

const SSID: &[u8] = b"Workshop";
const PASSWORD: &[u8] = b"workshop-password";
const TEMPLATE: &str = "TMPLtest";
const PATH: &str = "/static/f.bin";
const URL: &str = "https://blynk.cloud/static/f.bin?token=secret-download-token";
const BUILT_IN: &str = env!("CARGO_PKG_VERSION");
const IMAGE_BYTES: usize = 30_000;
const MINUTE: Duration = Duration::from_mins(1);
const SECOND: Duration = Duration::from_secs(1);

/// Makes an image on the thread that serves it.
type MakeImage = fn() -> Rc<HostedImage>;

struct Stage {
    world: VirtualWorld,
    place: PlaceId,
    board: BoardId,
    token: Secret,
}

impl Stage {
    async fn set_up(world: VirtualWorld, firmware: Rc<dyn Firmware>, port: (&str, &[u8])) -> Self {
        let network = AirNetwork {
            ssid: SSID.to_vec(),
            password: Some(Secret::new(PASSWORD)),
            password_hint: None,
            security: Security::Wpa2,
            has_internet: true,
            is_up: true,
        };
        let place =
            world.bench.add_place(Place { name: "Workshop".to_owned(), networks: vec![network] }).unwrap();
        let identity = NewIdentity {
            mac: None,
            template_id: TEMPLATE.to_owned(),
            template_name: "Test".to_owned(),
            vendor: "Blynk".to_owned(),
            has_button: true,
            pop: None,
        };
        let new = NewBoard { name: "Board".to_owned(), identity, firmware, place: Some(place.clone()) };
        let board = world.bench.add_board(new).unwrap();
        let token = world.cloud.create_device();
        let stage = Self { world, place, board, token };
        stage.world.bench.give_power(&stage.board).unwrap();
        assert!(stage.wait(MINUTE, |view| view.hotspot_ssid.is_some()).await, "{}", stage.log());
        let phone = Phone::join(&stage.world.bench, &stage.board).unwrap();
        let fields = [
            ("ssid", SSID),
            ("pass", PASSWORD),
            ("blynk", stage.token.reveal()),
            ("host", CLOUD_HOST.as_bytes()),
            port,
        ];
        assert_eq!(phone.post_form("/config", &fields).await.unwrap().status, 200);
        stage.expect_state("RUNNING", MINUTE).await;
        stage
    }

    async fn wait(&self, limit: Duration, condition: impl FnMut(&BoardView) -> bool) -> bool {
        self.world.wait_for(&self.board, limit, condition).await
    }

    async fn expect_state(&self, state: &str, limit: Duration) {
        assert!(self.world.wait_for_state(&self.board, state, limit).await, "no {state}:\n{}", self.log());
    }

    fn log(&self) -> String {
        self.world.bench.serial_from(&self.board, 0).unwrap().0
    }

    fn order(&self) {
        self.world.cloud.order_update(&self.token, URL);
    }

    /// Orders the update and waits until the board has restarted for it.
    async fn update(&self) {
        self.order();
        self.expect_restart().await;
    }

    async fn expect_restart(&self) {
        self.expect_state("OTA_UPGRADE", 10 * SECOND).await;
        // A failed download would lead to CONNECTING_CLOUD.
        let has_restarted = |view: &BoardView| ["BOOT", "CONNECTING_NET"].contains(&view.report.state);
        assert!(self.wait(MINUTE, has_restarted).await, "no restart:\n{}", self.log());
    }

    fn version(&self) -> String {
        self.world.cloud.firmware_version(&self.token).unwrap_or_default()
    }

    fn events(&self) -> Vec<String> {
        self.world.cloud.events(&self.token)
    }

    fn set_network_up(&self, is_up: bool) {
        self.world.bench.change_network(&self.place, SSID, |network| network.is_up = is_up).unwrap();
    }

    async fn power_cycle(&self) {
        self.world.bench.cut_power(&self.board).unwrap();
        self.world.pass(2 * SECOND).await;
        self.world.bench.give_power(&self.board).unwrap();
    }

    /// What every story must end with: the home is as it was, nothing secret is in the log.
    fn assert_home_is_kept(&self) {
        let flash = self.world.bench.board(&self.board).unwrap().flash;
        assert!(flash.is_home_stored && flash.is_token_stored, "{}", self.log());
        assert_eq!((flash.network_ssids, flash.epoch), (vec![SSID.to_vec()], Some(1)));
        assert!(!self.log().contains("secret-download-token"));
        assert!(!self.log().contains("RESET_CONFIG"), "{}", self.log());
    }
}

fn image(version: &str, conduct: ImageConduct) -> Vec<u8> {
    let build = "Nov 22 2026 13:00:00".to_owned();
    FirmwareTag { version: version.to_owned(), firmware_type: TEMPLATE.to_owned(), build, conduct }
        .image(IMAGE_BYTES)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).map(char::from).collect()
}

fn good(version: &str) -> Rc<HostedImage> {
    HostedImage::new(image(version, ImageConduct::Works))
}

fn play<R: Future<Output = ()>>(story: impl FnOnce(Stage) -> R + Send + 'static) {
    play_with(|| Rc::new(RehomeFirmware::new(RecoveryChoice::Rehome)), ("port_ssl", b"443"), story);
}

fn play_with<R: Future<Output = ()>>(
    firmware: impl FnOnce() -> Rc<dyn Firmware> + Send + 'static,
    port: (&'static str, &'static [u8]),
    story: impl FnOnce(Stage) -> R + Send + 'static,
) {
    let run = move |world| async move { story(Stage::set_up(world, firmware(), port).await).await };
    run_virtual(1, Service::Rehome, run).expect("the story");
}

#[test]
fn an_ordered_image_runs_stays_and_is_told() {
    play(|stage| async move {
        assert_eq!(stage.version(), BUILT_IN);
        stage.world.cloud.host_image(PATH, good("2.0.0"));
        stage.update().await;
        stage.expect_state("RUNNING", MINUTE).await;
        stage.world.pass(SECOND).await;
        assert_eq!(stage.version(), "2.0.0", "{}", stage.log());
        let updated = format!("sys_ota: Firmware updated from {BUILT_IN} to 2.0.0");
        assert_eq!(stage.events(), ["sys_ota: OTA started".to_owned(), updated]);
        stage.power_cycle().await;
        stage.expect_state("RUNNING", MINUTE).await;
        stage.world.pass(10 * MINUTE).await;
        assert_eq!(stage.version(), "2.0.0", "it boots for good");
        assert_eq!(stage.events().len(), 2, "told once");
        assert!(stage.world.cloud.value(&stage.token, 0).is_some());
        stage.assert_home_is_kept();
    });
}

#[test]
fn an_older_image_may_follow_and_the_epoch_stays() {
    play(|stage| async move {
        for version in ["3.0.0", "2.0.0", "1.9.9"] {
            stage.world.cloud.host_image(PATH, good(version));
            stage.update().await;
            stage.expect_state("RUNNING", MINUTE).await;
            stage.world.pass(SECOND).await;
            assert_eq!(stage.version(), version, "{}", stage.log());
            stage.assert_home_is_kept();
        }
        let last = stage.events().pop();
        assert_eq!(last.as_deref(), Some("sys_ota: Firmware updated from 2.0.0 to 1.9.9"));
    });
}

#[test]
fn an_image_that_crashes_gives_way_to_the_former_one_which_tells() {
    play(|stage| async move {
        stage.world.cloud.host_image(PATH, HostedImage::new(image("2.0.0", ImageConduct::Crashes)));
        stage.update().await;
        stage.expect_state("RUNNING", MINUTE).await;
        stage.world.pass(SECOND).await;
        assert!(stage.log().contains("Guru Meditation"), "{}", stage.log());
        assert_eq!(stage.version(), BUILT_IN);
        let told = format!("sys_ota: OTA failed: firmware 2.0.0 did not prove itself, {BUILT_IN} is back");
        assert_eq!(stage.events(), ["sys_ota: OTA started".to_owned(), told]);
        stage.power_cycle().await;
        stage.expect_state("RUNNING", MINUTE).await;
        assert_eq!(stage.events().len(), 2, "told once");
        stage.assert_home_is_kept();
    });
}

#[test]
fn an_image_that_never_reaches_its_cloud_gives_way_after_five_minutes() {
    play(|stage| async move {
        stage.world.cloud.host_image(PATH, HostedImage::new(image("2.0.0", ImageConduct::Deaf)));
        stage.update().await;
        stage.world.pass(4 * MINUTE + 50 * SECOND).await;
        assert!(stage.log().contains("Rehome 2.0.0 for TMPLtest"), "{}", stage.log());
        assert!(!stage.log().contains("going back"), "not before its time");
        stage.expect_state("RUNNING", MINUTE).await;
        assert_eq!(stage.version(), BUILT_IN);
        stage.assert_home_is_kept();
    });
}

#[test]
fn a_power_cut_during_the_trial_brings_the_former_image_back() {
    play(|stage| async move {
        stage.world.cloud.host_image(PATH, good("2.0.0"));
        stage.update().await;
        stage.expect_state("CONNECTING_NET", MINUTE).await;
        stage.power_cycle().await;
        stage.expect_state("RUNNING", MINUTE).await;
        stage.world.pass(SECOND).await;
        assert_eq!(stage.version(), BUILT_IN, "{}", stage.log());
        stage.world.cloud.host_image(PATH, good("2.0.1"));
        stage.update().await;
        stage.expect_state("RUNNING", MINUTE).await;
        stage.world.pass(SECOND).await;
        assert_eq!(stage.version(), "2.0.1", "the next update works");
        stage.assert_home_is_kept();
    });
}

#[test]
fn a_download_over_a_bad_connection_is_resumed() {
    play(|stage| async move {
        let hosted = good("2.0.0");
        hosted.break_after(&[10_000, 5_000, 100]);
        stage.world.cloud.host_image(PATH, Rc::clone(&hosted));
        stage.update().await;
        stage.expect_state("RUNNING", MINUTE).await;
        stage.world.pass(SECOND).await;
        assert_eq!(stage.version(), "2.0.0", "{}", stage.log());
        let ranges: Vec<_> =
            hosted.requests().iter().map(|text| text.contains("\r\nRange: bytes=")).collect();
        assert_eq!(ranges, [false, true, true, true]);
    });
}

#[test]
fn a_server_without_ranges_is_asked_for_all_again() {
    play(|stage| async move {
        let hosted = good("2.0.0");
        hosted.break_after(&[10_000]);
        hosted.ignore_ranges();
        stage.world.cloud.host_image(PATH, hosted);
        stage.update().await;
        stage.expect_state("RUNNING", MINUTE).await;
        stage.world.pass(SECOND).await;
        assert_eq!(stage.version(), "2.0.0", "{}", stage.log());
    });
}

#[test]
fn a_download_that_loses_its_network_goes_on_with_the_next_order() {
    play(|stage| async move {
        let hosted = good("2.0.0");
        stage.world.cloud.host_image(PATH, Rc::clone(&hosted));
        stage.order();
        stage.expect_state("OTA_UPGRADE", 10 * SECOND).await;
        stage.world.pass(Duration::from_millis(1_400)).await;
        stage.set_network_up(false);
        stage.expect_state("CONNECTING_NET", SECOND).await;
        stage.set_network_up(true);
        stage.expect_state("RUNNING", MINUTE).await;
        stage.world.pass(SECOND).await;
        assert_eq!(stage.events(), ["sys_ota: OTA started", "sys_ota: OTA failed: the network was lost"]);
        stage.update().await;
        stage.expect_state("RUNNING", MINUTE).await;
        stage.world.pass(SECOND).await;
        assert_eq!(stage.version(), "2.0.0", "{}", stage.log());
        assert!(hosted.requests()[1].contains("\r\nRange: bytes="), "{:?}", hosted.requests());
        stage.assert_home_is_kept();
    });
}

#[test]
fn a_power_cut_during_the_download_costs_the_download_and_nothing_else() {
    for written_bytes in [0, 24, 5_000, 25_000] {
        play(move |stage| async move {
            stage.world.cloud.host_image(PATH, good("2.0.0"));
            let cut = PowerCut::InWrite { written_bytes, torn_mask: 0x3C };
            stage.world.bench.arm_slot_power_cut(&stage.board, cut).unwrap();
            stage.order();
            stage.expect_state("OTA_UPGRADE", 10 * SECOND).await;
            stage.world.pass(3 * SECOND).await;
            stage.power_cycle().await;
            stage.expect_state("RUNNING", MINUTE).await;
            stage.world.pass(SECOND).await;
            assert_eq!(stage.version(), BUILT_IN, "{}", stage.log());
            stage.update().await;
            stage.expect_state("RUNNING", MINUTE).await;
            stage.world.pass(SECOND).await;
            assert_eq!(stage.version(), "2.0.0", "{}", stage.log());
            stage.assert_home_is_kept();
        });
    }
}

#[test]
fn what_must_not_be_installed_is_refused_in_words() {
    let cases: [(MakeImage, &str); 4] = [
        (
            || HostedImage::with_header(image("2.0.0", ImageConduct::Works), "X-FW-Type", "TMPLother"),
            "sys_ota: OTA failed: the image is of another firmware type",
        ),
        (
            || {
                let other = Base64::encode_string(&[1; 32]);
                HostedImage::with_header(image("2.0.0", ImageConduct::Works), "X-SHA256", &other)
            },
            "sys_ota: OTA failed: the image's SHA-256 is not the announced one",
        ),
        (
            || HostedImage::new(vec![0; 70_000]),
            "sys_ota: OTA failed: the image has 70000 bytes, the slot 65536",
        ),
        (|| HostedImage::new(vec![0; 1_000]), "sys_ota: OTA failed: an image of 1000 bytes is too short"),
    ];
    for (hosted, told) in cases {
        play(move |stage| async move {
            stage.world.cloud.host_image(PATH, hosted());
            stage.order();
            stage.expect_state("OTA_UPGRADE", 10 * SECOND).await;
            stage.expect_state("RUNNING", MINUTE).await;
            stage.world.pass(SECOND).await;
            assert_eq!(stage.events().last().map(String::as_str), Some(told), "{}", stage.log());
            assert_eq!(stage.version(), BUILT_IN);
            stage.assert_home_is_kept();
        });
    }
}

/// A good image with the signature of a maker.
fn signed(version: &str, key: &SigningKey) -> Rc<HostedImage> {
    let bytes = image(version, ImageConduct::Works);
    let digest = hex(&Sha256::digest(&bytes));
    let text = format!("rehome-firmware-1\n{TEMPLATE}\n{version}\n{}\n{digest}\n", bytes.len());
    let signature = Base64::encode_string(&key.sign(text.as_bytes()).to_bytes());
    HostedImage::with_header(bytes, "X-Rehome-Signature", &signature)
}

#[test]
fn a_board_with_a_firmware_key_takes_signed_images_alone() {
    let key = SigningKey::from_bytes(&[9; 32]);
    let public_key = key.verifying_key().to_bytes();
    let firmware = move || -> Rc<dyn Firmware> {
        Rc::new(RehomeFirmware::new(RecoveryChoice::Rehome).with_firmware_key(public_key))
    };
    play_with(firmware, ("port_ssl", b"443"), move |stage| async move {
        stage.world.cloud.host_image(PATH, good("2.0.0"));
        stage.order();
        stage.expect_state("OTA_UPGRADE", 10 * SECOND).await;
        stage.expect_state("RUNNING", MINUTE).await;
        stage.world.pass(SECOND).await;
        assert_eq!(stage.events().last().unwrap(), "sys_ota: OTA failed: the image is not signed");

        let hosted = signed("2.0.1", &key);
        stage.world.cloud.host_image(PATH, hosted);
        stage.update().await;
        stage.expect_state("RUNNING", MINUTE).await;
        stage.world.pass(SECOND).await;
        assert_eq!(stage.version(), "2.0.1", "{}", stage.log());
    });
}

/// A home on a plain port, and an image that comes over the same.
const PLAIN_URL: &str = "http://blynk.cloud/static/f.bin";

#[test]
fn without_tls_a_signature_proves_whose_image_it_is() {
    let key = SigningKey::from_bytes(&[9; 32]);
    let public_key = key.verifying_key().to_bytes();
    let firmware = move || -> Rc<dyn Firmware> {
        Rc::new(RehomeFirmware::new(RecoveryChoice::Rehome).with_firmware_key(public_key))
    };
    play_with(firmware, ("port_ssl", b"80"), move |stage| async move {
        stage.world.cloud.host_image(PATH, signed("2.0.0", &key));
        stage.world.cloud.order_update(&stage.token, PLAIN_URL);
        stage.expect_restart().await;
        stage.expect_state("RUNNING", MINUTE).await;
        stage.world.pass(SECOND).await;
        assert_eq!(stage.version(), "2.0.0", "{}", stage.log());
    });
}

#[test]
fn with_neither_tls_nor_a_firmware_key_no_image_is_taken() {
    let firmware = || -> Rc<dyn Firmware> { Rc::new(RehomeFirmware::new(RecoveryChoice::Rehome)) };
    play_with(firmware, ("port_ssl", b"80"), |stage| async move {
        stage.world.cloud.host_image(PATH, good("2.0.0"));
        stage.world.cloud.order_update(&stage.token, PLAIN_URL);
        stage.world.pass(MINUTE).await;
        let told = "sys_ota: OTA failed: the address is not https, and this device has no firmware key";
        assert_eq!(stage.events().last().map(String::as_str), Some(told), "{}", stage.log());
        assert_eq!(stage.version(), BUILT_IN);
        stage.assert_home_is_kept();
    });
}

#[test]
fn a_cloud_that_is_down_after_the_restart_costs_the_update_and_not_the_home() {
    play(|stage| async move {
        stage.world.cloud.host_image(PATH, good("2.0.0"));
        stage.update().await;
        stage.world.cloud.set_mood(Mood::Down);
        stage.world.pass(6 * MINUTE).await;
        stage.world.cloud.set_mood(Mood::Normal);
        stage.expect_state("RUNNING", 20 * MINUTE).await;
        stage.world.pass(SECOND).await;
        assert_eq!(stage.version(), BUILT_IN, "{}", stage.log());
        stage.assert_home_is_kept();
    });
}
