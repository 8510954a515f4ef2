//! Stock boards that are updated by the simulated cloud.

use std::rc::Rc;
use std::time::Duration;

use md5::{Digest as _, Md5};

use crate::edgent_lab::{Lab, MINUTE, run_lab};
use crate::edgent_new::EdgentNew;
use crate::edgent_old::EdgentOld;
use crate::firmware::Firmware;
use crate::firmware_image::{FirmwareTag, ImageConduct};
use crate::virtual_cloud::{HostedImage, Service};

const PATH: &str = "/static/f.bin";
const STARTED: &str = "sys_ota: OTA started";

fn old() -> Rc<dyn Firmware> {
    Rc::new(EdgentOld::new(false))
}

fn new() -> Rc<dyn Firmware> {
    Rc::new(EdgentNew::new())
}

fn image() -> Vec<u8> {
    let tag = FirmwareTag {
        version: "2.0.0".to_owned(),
        firmware_type: "TMPLabcdef".to_owned(),
        build: "Nov 22 2026 13:00:00".to_owned(),
        conduct: ImageConduct::Works,
    };
    tag.image(9_001)
}

/// Orders what is hosted and waits until the board runs again.
async fn update(lab: &Lab, hosted: Rc<HostedImage>, url: &str) {
    lab.provision().await;
    lab.world.cloud.host_image(PATH, hosted);
    lab.world.cloud.order_update(&lab.token, url);
    lab.expect_state("OTA_UPGRADE", MINUTE).await;
    lab.expect_state("RUNNING", 2 * MINUTE).await;
    lab.world.pass(Duration::from_secs(5)).await;
    assert!(lab.view().flash.is_home_stored);
    assert!(!lab.log().contains("secret-download"), "{}", lab.log());
}

fn version(lab: &Lab) -> String {
    lab.world.cloud.firmware_version(&lab.token).unwrap()
}

#[test]
fn an_old_board_installs_an_image_whose_md5_fits_or_is_not_given() {
    let digest: Vec<String> = Md5::digest(image()).iter().map(|byte| format!("{byte:02X}")).collect();
    for md5 in [Some(digest.concat()), None] {
        run_lab(Service::Hosted, old, move |lab| async move {
            let hosted = match &md5 {
                Some(digits) => HostedImage::with_header(image(), "X-MD5", digits),
                None => HostedImage::new(image()),
            };
            update(&lab, Rc::clone(&hosted), "https://blynk.cloud/static/f.bin?token=secret-download").await;
            assert_eq!(version(&lab), "2.0.0", "{}", lab.log());
            assert_eq!(lab.world.cloud.events(&lab.token), [STARTED], "the old one tells no success");
            assert!(hosted.requests()[0].starts_with("GET /static/f.bin?token=secret-download HTTP/1.0\r\n"));
            lab.power_cycle().await;
            lab.expect_state("RUNNING", MINUTE).await;
            assert_eq!(version(&lab), "2.0.0");
        });
    }
}

#[test]
fn an_old_board_refuses_another_md5_and_starts_again_as_it_was() {
    run_lab(Service::Hosted, old, |lab| async move {
        let hosted = HostedImage::with_header(image(), "X-MD5", &"0".repeat(32));
        update(&lab, hosted, "http://blynk.cloud/static/f.bin").await;
        assert_eq!(version(&lab), "1.0.0");
        assert!(lab.log().contains("OTA: the digest is another one"), "{}", lab.log());
    });
}

#[test]
fn a_new_board_installs_over_http_and_tells_the_versions() {
    run_lab(Service::Hosted, new, |lab| async move {
        update(&lab, HostedImage::new(image()), "https://blynk.cloud/static/f.bin?token=secret-download")
            .await;
        assert_eq!(version(&lab), "2.0.0", "{}", lab.log());
        let events = lab.world.cloud.events(&lab.token);
        assert_eq!(events, [STARTED, "sys_ota: Firmware updated from 1.0.0 to 2.0.0"]);
        lab.power_cycle().await;
        lab.expect_state("RUNNING", MINUTE).await;
        lab.world.pass(Duration::from_secs(5)).await;
        assert_eq!(lab.world.cloud.events(&lab.token).len(), 2, "told once");
    });
}

#[test]
fn a_new_board_refuses_what_has_no_sha256_or_is_too_small() {
    let cases = [
        ("X-SHA256", 9_001, "X-SHA256 is missing"),
        ("X-Other", 1_000, "Content-Length is missing or too small"),
    ];
    for (left_out, image_bytes, told) in cases {
        run_lab(Service::Hosted, new, move |lab| async move {
            let mut bytes = image();
            bytes.truncate(image_bytes);
            let hosted = HostedImage::without_header(bytes, left_out);
            update(&lab, hosted, "http://blynk.cloud/static/f.bin").await;
            assert_eq!(version(&lab), "1.0.0");
            assert!(lab.log().contains(told), "{}", lab.log());
        });
    }
}
