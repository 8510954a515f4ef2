//! The wire as a server sees it. Source of every expectation: wire-protocol.md and observed-clients.md.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::board::{CloudNet, DialSecurity, Dialing};
use crate::edgent_lab::{Lab, MINUTE, PASSWORD};
use crate::edgent_new::EdgentNew;
use crate::edgent_old::EdgentOld;
use crate::firmware::Firmware;
use crate::virtual_cloud::Service;
use crate::virtual_time::{VirtualWorld, run_virtual};
use crate::world::Bench;

const LOGIN_BYTES: usize = 37;
const ACCEPTED: &[u8] = &[0, 0, 1, 0, 200];
const SECOND: Duration = Duration::from_secs(1);

/// A server that answers each login with the next prepared bytes (the last ones repeat) and then only listens.
#[derive(Clone, Default)]
struct ScriptedCloud {
    answers: Rc<RefCell<Vec<Vec<u8>>>>,
    dials: Rc<RefCell<Vec<String>>>,
    /// What each connection received.
    heard: Rc<RefCell<Vec<Vec<u8>>>>,
}

impl CloudNet for ScriptedCloud {
    fn dial(&self, host: &str, port: u16, security: DialSecurity) -> Dialing {
        assert_eq!(security, DialSecurity::VerifiedTls, "Edgent speaks TLS only");
        self.dials.borrow_mut().push(format!("{host}:{port}"));
        let (near, mut far) = tokio::io::duplex(4096);
        let mut answers = self.answers.borrow_mut();
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        let heard = Rc::clone(&self.heard);
        let index = heard.borrow().len();
        heard.borrow_mut().push(Vec::new());
        tokio::task::spawn_local(async move {
            let mut login = [0; LOGIN_BYTES];
            if far.read_exact(&mut login).await.is_err() || far.write_all(&answer).await.is_err() {
                return;
            }
            heard.borrow_mut()[index].extend(login);
            let mut chunk = [0; 512];
            while let Ok(count @ 1..) = far.read(&mut chunk).await {
                heard.borrow_mut()[index].extend(&chunk[..count]);
            }
        });
        Box::pin(async move { Ok(Box::new(near) as crate::link::BoxPipe) })
    }
}

impl ScriptedCloud {
    /// Returns the whole frames of a connection.
    fn frames(&self, connection: usize) -> Vec<Vec<u8>> {
        let heard = self.heard.borrow();
        let mut rest = heard[connection].as_slice();
        let mut frames = Vec::new();
        while let [command, _, _, high, low, ..] = rest {
            let body_bytes = if *command == 0 { 0 } else { usize::from(u16::from_be_bytes([*high, *low])) };
            let (frame, tail) = rest.split_at((5 + body_bytes).min(rest.len()));
            frames.push(frame.to_vec());
            rest = tail;
        }
        frames
    }
}

fn message(command: u8, message_id: u16, body: &str) -> Vec<u8> {
    let mut frame = vec![command];
    frame.extend(message_id.to_be_bytes());
    frame.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    frame.extend(body.as_bytes());
    frame
}

fn after_login(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = ACCEPTED.to_vec();
    bytes.extend(frames.concat());
    bytes
}

fn old() -> Rc<dyn Firmware> {
    Rc::new(EdgentOld::new(false))
}

fn new() -> Rc<dyn Firmware> {
    Rc::new(EdgentNew::new())
}

/// Sets a board up against the script and tells the story from the first login on.
fn script<R: Future<Output = ()>>(
    firmware: fn() -> Rc<dyn Firmware>,
    answers: Vec<Vec<u8>>,
    story: impl FnOnce(Lab, ScriptedCloud) -> R + Send + 'static,
) {
    run_virtual(7, Service::Hosted, async move |world| {
        let cloud = ScriptedCloud { answers: Rc::new(RefCell::new(answers)), ..ScriptedCloud::default() };
        let bench = Bench::new(7, world.bench.clock().clone(), Rc::new(cloud.clone()));
        let lab = Lab::new(VirtualWorld { bench, cloud: world.cloud }, firmware());
        lab.submit(PASSWORD, lab.token.reveal(), &[]).await;
        lab.expect_state("CONNECTING_CLOUD", MINUTE).await;
        lab.world.pass(3 * SECOND).await;
        story(lab, cloud).await;
    })
    .unwrap();
}

fn meta(message_id: u16, field: &str, value: &str) -> Vec<u8> {
    message(17, message_id, &format!("meta\0set\0{field}\0{value}"))
}

#[test]
fn the_first_session_is_login_then_info_then_the_hotspot_name_on_the_first_setup_only() {
    script(old, vec![ACCEPTED.to_vec()], async |lab, cloud| {
        lab.expect_state("RUNNING", MINUTE).await;
        let frames = cloud.frames(0);
        let mut login = vec![29, 0, 1, 0, 32];
        login.extend(lab.token.reveal());
        assert_eq!(frames[0], login);
        let info = "mcu\x001.0.0\0fw-type\0TMPLabcdef\0build\0Nov  2 2026 12:00:00\0blynk\x001.4.0\
                    \0h-beat\x0040\0buff-in\x00256\0dev\0ESP8266\0tmpl\0TMPLabcdef";
        assert_eq!(frames[1], message(17, 2, info));
        assert_eq!(frames[2], meta(3, "Hotspot Name", "Blynk Air Monitor-P5UH"));
        lab.power_cycle().await;
        lab.expect_state("RUNNING", MINUTE).await;
        lab.world.pass(SECOND).await;
        let again = cloud.frames(cloud.heard.borrow().len() - 1);
        assert!(again.iter().all(|frame| !frame.ends_with(b"P5UH")), "only once in a board's life");
    });
}

#[test]
fn new_edgent_tells_uid_and_hotspot_name_after_every_boot() {
    script(new, vec![ACCEPTED.to_vec()], async |lab, cloud| {
        for _ in 0..2 {
            lab.expect_state("RUNNING", MINUTE).await;
            lab.world.pass(SECOND).await;
            let frames = cloud.frames(cloud.heard.borrow().len() - 1);
            assert!(
                frames[2].starts_with(&[17, 0, 3]) && frames[2][5..].starts_with(b"meta\0set\0Device UID\0")
            );
            assert_eq!(frames[3], meta(4, "Hotspot Name", "Blynk Air Monitor-P5XH"));
            lab.power_cycle().await;
        }
    });
}

#[test]
fn already_registered_counts_as_success_too() {
    script(old, vec![vec![0, 0, 1, 0, 4]], async |lab, _| lab.expect_state("RUNNING", MINUTE).await);
}

#[test]
fn an_answer_with_another_id_is_no_answer() {
    script(old, vec![vec![0, 0, 2, 0, 200], ACCEPTED.to_vec()], async |lab, cloud| {
        lab.expect_state("RUNNING", MINUTE).await;
        assert!(lab.log().contains("] Login timeout\n"), "{}", lab.log());
        assert_eq!(cloud.dials.borrow().len(), 2);
    });
}

#[test]
fn every_other_status_is_tried_again_five_seconds_later() {
    for status in [3, 5, 19] {
        script(old, vec![vec![0, 0, 1, 0, status], ACCEPTED.to_vec()], async |lab, cloud| {
            assert_eq!(cloud.dials.borrow().len(), 1);
            lab.world.pass(5 * SECOND).await;
            lab.expect_state("RUNNING", MINUTE).await;
            assert_eq!(cloud.dials.borrow().len(), 2);
        });
    }
}

#[test]
fn a_silent_server_is_pinged_after_40_seconds_and_dropped_after_58() {
    script(old, vec![ACCEPTED.to_vec()], async |lab, cloud| {
        lab.expect_state("RUNNING", MINUTE).await;
        lab.world.pass(35 * SECOND).await;
        let pings = |cloud: &ScriptedCloud| cloud.frames(0).iter().filter(|frame| frame[0] == 6).count();
        assert_eq!(pings(&cloud), 0);
        lab.world.pass(6 * SECOND).await;
        assert_eq!(pings(&cloud), 1);
        assert_eq!(lab.view().report.state, "RUNNING");
        lab.world.pass(18 * SECOND).await;
        assert!(lab.log().contains("] RUNNING => CONNECTING_CLOUD\n"), "{}", lab.log());
        assert!(pings(&cloud) <= 3, "not more often than every 6 s");
        assert_eq!(cloud.dials.borrow().len(), 2);
    });
}

#[test]
fn what_a_device_cannot_accept_ends_the_session_and_a_new_one_follows() {
    let too_big = message(20, 9, &format!("vw\x001\0{}", "x".repeat(300)));
    let unacceptable = [
        message(77, 9, ""),
        message(20, 0, "vw\x001\x001"),
        too_big,
        vec![0, 0, 9, 0, 5],
        message(41, 9, "other\x00443"),
    ];
    for frame in unacceptable {
        script(old, vec![after_login(&[frame]), ACCEPTED.to_vec()], async |lab, cloud| {
            lab.world.pass(10 * SECOND).await;
            assert_eq!(lab.view().report.state, "RUNNING");
            assert_eq!(cloud.dials.borrow().as_slice(), ["blynk.cloud:443", "blynk.cloud:443"]);
        });
    }
}

#[test]
fn what_a_device_does_not_know_or_need_is_answered_or_ignored_and_the_session_goes_on() {
    let frames = [
        message(6, 11, ""),
        message(20, 12, "zz\x001\x001"),
        message(17, 13, "unheard\0of"),
        vec![0, 0, 14, 0, 2],
        vec![0, 0, 14, 0, 9],
        message(20, 15, "vw\x001\x001"),
        message(20, 16, "dw\x005\x001"),
        message(20, 17, "dr\x005"),
        message(55, 18, "flood"),
    ];
    script(old, vec![after_login(&frames)], async |lab, cloud| {
        lab.world.pass(SECOND).await;
        let heard = cloud.frames(0);
        let expected = [
            vec![0, 0, 11, 0, 200],
            vec![0, 0, 12, 0, 2],
            message(20, 15, "vw\x001\x001"),
            message(20, 17, "dw\x005\x001"),
        ];
        for frame in expected {
            assert!(heard.contains(&frame), "{frame:?} is missing");
        }
        assert!(lab.log().contains("] flood\n") && lab.log().contains("] Relay on\n"), "{}", lab.log());
        assert_eq!((cloud.dials.borrow().len(), lab.view().report.state), (1, "RUNNING"));
    });
}

#[test]
fn new_edgent_knows_no_pins_of_the_chip() {
    script(new, vec![after_login(&[message(20, 17, "dr\x005")])], async |lab, cloud| {
        lab.world.pass(SECOND).await;
        assert!(cloud.frames(0).contains(&vec![0, 0, 17, 0, 2]));
        assert_eq!(lab.view().report.state, "RUNNING");
    });
}

#[test]
fn a_redirect_in_place_of_the_login_answer_is_followed_and_not_stored() {
    let redirect = message(41, 1, "ny3.blynk.cloud\x009443");
    script(old, vec![redirect, ACCEPTED.to_vec()], async |lab, cloud| {
        lab.expect_state("RUNNING", MINUTE).await;
        assert_eq!(cloud.dials.borrow().as_slice(), ["blynk.cloud:443", "ny3.blynk.cloud:9443"]);
        lab.power_cycle().await;
        lab.expect_state("RUNNING", MINUTE).await;
        assert_eq!(cloud.dials.borrow().last().map(String::as_str), Some("blynk.cloud:443"));
    });
}

#[test]
fn new_edgent_ignores_the_port_of_a_redirect() {
    let redirect = message(41, 1, "ny3.blynk.cloud\x008888");
    script(new, vec![redirect, ACCEPTED.to_vec()], async |lab, cloud| {
        lab.expect_state("RUNNING", MINUTE).await;
        assert_eq!(cloud.dials.borrow().as_slice(), ["blynk.cloud:443", "ny3.blynk.cloud:443"]);
    });
}

#[test]
fn two_servers_that_redirect_to_each_other_do_not_keep_a_device_in_one_attempt_for_ever() {
    script(old, vec![message(41, 1, "a.example\x00443")], async |lab, _| {
        lab.expect_state("ERROR", 2 * MINUTE).await;
        assert_eq!(lab.view().report.last_error, 702);
    });
}

#[test]
fn the_console_is_reached_through_the_cloud() {
    let restart = after_login(&[message(17, 9, "dbg\0REBOOT")]);
    script(old, vec![restart, ACCEPTED.to_vec()], async |lab, _| {
        lab.world.pass(SECOND).await;
        assert!(lab.log().contains("rebooting wifi module"), "{}", lab.log());
        lab.expect_state("RUNNING", MINUTE).await;
    });
    for firmware in [old as fn() -> Rc<dyn Firmware>, new] {
        let lines = ["dbg\0devinfo", "dbg\0nonsense", "dbg\0config start"].map(|line| message(17, 9, line));
        script(firmware, vec![after_login(&lines)], async |lab, _| {
            lab.expect_state("WAIT_CONFIG", MINUTE).await;
            lab.expect_hotspot(MINUTE).await;
            assert!(lab.log().contains("\"tmpl_id\":\"TMPLabcdef\""), "{}", lab.log());
            assert!(lab.log().contains("Command not found.\n"));
            assert!(lab.view().flash.is_home_stored, "opening the hotspot costs no home");
        });
    }
}

#[test]
fn an_update_order_is_told_as_an_event_and_ends_as_a_failed_update() {
    let order = after_login(&[message(17, 9, "ota\0https://h/f.bin")]);
    // An ESP8266 does not look at the status, but needs a length.
    let no_image = b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec();
    script(old, vec![order, no_image, ACCEPTED.to_vec()], async |lab, cloud| {
        lab.expect_state("OTA_UPGRADE", MINUTE).await;
        lab.expect_state("RUNNING", MINUTE).await;
        assert!(cloud.frames(0).iter().any(|frame| frame[5..].starts_with(b"sys_ota\0OTA started")));
        assert!(lab.log().contains("OTA: Content-Length is missing or too small"), "{}", lab.log());
        assert!(!lab.log().contains("//h/f.bin"), "the address may carry a token");
    });
}

#[test]
fn connect_on_the_console_replaces_the_old_configuration_in_ram() {
    let token = "T".repeat(32);
    let line = message(17, 9, &format!("dbg\0connect {token} Brewery hops-and-malt"));
    script(old, vec![after_login(&[line]), ACCEPTED.to_vec()], async |lab, cloud| {
        lab.world.pass(10 * SECOND).await;
        assert!(lab.log().contains("] RUNNING => SWITCH_TO_STA\n"), "{}", lab.log());
        lab.expect_state("RUNNING", MINUTE).await;
        assert!(cloud.frames(1)[0].ends_with("T".repeat(32).as_bytes()));
    });
}
