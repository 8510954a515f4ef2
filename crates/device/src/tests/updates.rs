//! Firmware updates, as the shell plays them.

use lifecycle::SlotFault;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::firmware_slots::{Download, FirmwareVersion, IMAGE_PIECE_BYTES, ImageFacts, SlotState};

/// The address carries a download token, which is a secret.
const URL: &str = "https://files.example/static/f.bin?token=secret-download";
const ETAG: &str = "\"image-2\"";

/// The other slot, and what was done to it.
#[derive(Default)]
pub(super) struct TestSlots {
    slot_bytes: Option<u32>,
    state: SlotState,
    image: Vec<u8>,
    installed: Option<ImageFacts>,
    noted: Option<Download>,
    calls: Vec<&'static str>,
    /// Alters what is read back.
    is_worn: bool,
    is_confirm_failing: bool,
}

impl crate::FirmwareSlots for Script {
    fn slot_bytes(&self) -> Option<u32> {
        self.slots.slot_bytes
    }

    fn slot_state(&self) -> SlotState {
        self.slots.state.clone()
    }

    async fn begin_image(&mut self, _image_bytes: u32) -> Result<(), SlotFault> {
        self.slots.calls.push("begin");
        self.slots.image.clear();
        Ok(())
    }

    fn note_download(&mut self, download: Option<&Download>) {
        self.slots.noted = download.cloned();
    }

    fn noted_download(&self) -> Option<(Download, u32)> {
        let written_bytes = self.slots.image.len() / IMAGE_PIECE_BYTES * IMAGE_PIECE_BYTES;
        let noted = self.slots.noted.clone().filter(|_| written_bytes > 0)?;
        Some((noted, u32::try_from(written_bytes).unwrap()))
    }

    async fn write_image(&mut self, offset: u32, bytes: &[u8]) -> Result<(), SlotFault> {
        assert_eq!(offset as usize, self.slots.image.len(), "pieces follow each other");
        assert!((offset as usize).is_multiple_of(IMAGE_PIECE_BYTES) && bytes.len() <= IMAGE_PIECE_BYTES);
        self.slots.image.extend_from_slice(bytes);
        Ok(())
    }

    async fn read_image(&mut self, offset: u32, buffer: &mut [u8]) -> Result<(), SlotFault> {
        assert!(offset.is_multiple_of(512));
        let offset = offset as usize;
        buffer.copy_from_slice(&self.slots.image[offset..offset + buffer.len()]);
        buffer[0] ^= u8::from(self.slots.is_worn);
        Ok(())
    }

    async fn boot_on_trial(&mut self, image: &ImageFacts) -> Result<(), SlotFault> {
        self.slots.calls.push("boot on trial");
        self.slots.installed = Some(image.clone());
        Ok(())
    }

    async fn confirm_firmware(&mut self) -> Result<(), SlotFault> {
        self.slots.calls.push("confirm");
        if self.slots.is_confirm_failing { Err(SlotFault) } else { Ok(()) }
    }

    async fn roll_back_firmware(&mut self) -> Result<(), SlotFault> {
        self.slots.calls.push("roll back");
        Ok(())
    }
}

fn image(image_bytes: usize) -> Vec<u8> {
    (0..image_bytes).map(|index| u8::try_from((index * 7 + index / 256) % 256).unwrap()).collect()
}

fn base64(bytes: &[u8]) -> String {
    use base64ct::Encoding as _;
    let mut text = [0; 128];
    base64ct::Base64::encode(bytes, &mut text).unwrap().to_string()
}

fn order(url: &str) -> Vec<u8> {
    message(Command::Internal, 7_777, format!("ota\0{url}").as_bytes())
}

fn head(status: &str, image: &[u8], more: &str) -> Vec<u8> {
    let digest = base64(&Sha256::digest(image));
    format!(
        "HTTP/1.1 {status}\r\nX-SHA256: {digest}\r\nETag: {ETAG}\r\nX-FW-Type: TMPLtest\r\nX-FW-Ver: 2.0.0\r\n{more}\r\n"
    )
    .into_bytes()
}

fn whole(image: &[u8]) -> Vec<u8> {
    head("200 OK", image, &format!("Content-Length: {}\r\n", image.len()))
}

/// Bytes from the server in portions as a network delivers them, one each millisecond.
fn portions(at_ms: u64, bytes: &[u8]) -> Vec<(u64, Cue)> {
    (at_ms..).zip(bytes.chunks(700)).map(|(at_ms, portion)| cloud(at_ms, portion)).collect()
}

fn connected(at_ms: u64) -> (u64, Cue) {
    event(at_ms, Event::CloudConnected { is_verified_tls: true })
}

/// A device that is online at 2 s, is ordered to update at 3 s, and whose download connects at 6 s.
fn ordered(url: &str) -> Vec<(u64, Cue)> {
    online_and(&[cloud(3_000, &order(url)), connected(6_000)])
}

/// From a failed download back online: the machine dials the cloud at once.
fn online_again(at_ms: u64) -> [(u64, Cue); 2] {
    [connected(at_ms), cloud(at_ms + 100, &response(1, 200))]
}

fn script(ends_at_ms: u64, cues: &[Vec<(u64, Cue)>]) -> Script {
    let mut script = Script::new(ends_at_ms, &cues.concat());
    script.slots.slot_bytes = Some(65_536);
    script
}

fn events_of(script: &Script) -> Vec<String> {
    let text_of = |(_, bytes): &(u64, Vec<u8>)| {
        let Ok(Parsed::Complete { frame, .. }) = Frame::parse(bytes, 4096) else { return None };
        match DeviceMessage::parse(&frame) {
            Ok(DeviceMessage::EventLog { code: "sys_ota", description }) => {
                Some(String::from_utf8(description.unwrap().to_vec()).unwrap())
            }
            _ => None,
        }
    };
    script.sent.iter().filter_map(text_of).collect()
}

fn requests_of(script: &Script) -> Vec<String> {
    let is_request = |bytes: &&(u64, Vec<u8>)| bytes.1.starts_with(b"GET ");
    let text_of = |bytes: &(u64, Vec<u8>)| String::from_utf8(bytes.1.clone()).unwrap();
    script.sent.iter().filter(is_request).map(text_of).collect()
}

fn play_update(script: Script) -> Played {
    let flash = flash_with_home();
    let played = play(flash, script);
    assert_eq!(played.stored_home(), Some(home(443)), "an update never touches the home");
    assert!(!played.script.log.contains("secret-download"), "{}", played.script.log);
    played
}

/// Plays a download that must fail, and returns what the cloud is told afterwards.
fn told_failure(answer: &[u8], change: impl FnOnce(&mut Script)) -> String {
    let mut script = script(30_000, &[ordered(URL), portions(6_100, answer), online_again(20_000).to_vec()]);
    change(&mut script);
    let played = play_update(script);
    assert_eq!(played.script.slots.installed, None, "{}", played.script.log);
    assert_eq!(played.end, None);
    let events = events_of(&played.script);
    assert_eq!((events.len(), events[0].as_str()), (2, "OTA started"), "{}", played.script.log);
    events[1].clone()
}

#[test]
fn an_image_is_downloaded_read_back_and_booted_on_trial() {
    for image_bytes in [1024, 2048, 2049, 10_000] {
        let image = image(image_bytes);
        let answer = [whole(&image), image.clone()].concat();
        let played = play_update(script(20_000, &[ordered(URL), portions(6_100, &answer)]));
        let Script { slots, calls, log, .. } = &played.script;
        assert_eq!(played.end, Some(RunEnd::Restart), "{log}");
        assert_eq!(slots.image, image);
        assert_eq!(slots.calls, ["begin", "boot on trial"]);
        let installed = slots.installed.as_ref().unwrap();
        assert_eq!((installed.image_bytes as usize, installed.version.as_str()), (image_bytes, "2.0.0"));
        assert!(calls.contains(&"dial files.example:443 tls".to_string()), "{calls:?}");
        assert_eq!(events_of(&played.script), ["OTA started"]);
        assert!(
            requests_of(&played.script)[0]
                .starts_with("GET /static/f.bin?token=secret-download HTTP/1.1\r\n")
        );
        let told_ms =
            played.script.sent.iter().find(|(_, bytes)| bytes.windows(7).any(|part| part == b"sys_ota"));
        assert_eq!(told_ms.unwrap().0, 4_000, "a second before the connection closes");
        assert!(log.contains("[5000] RUNNING => OTA_UPGRADE\n"), "{log}");
    }
}

#[test]
fn the_application_runs_while_an_image_is_downloaded() {
    let answer = [whole(&image(4096)), image(100)].concat();
    let played = play_update(script(26_000, &[ordered(URL), portions(6_100, &answer)]));
    assert!(played.script.log.contains("OTA: downloading 2.0.0, 4096 bytes"), "{}", played.script.log);
    assert_eq!(played.application.poll_count, 6, "every 5 s, from 0 to 25 s");
}

#[test]
fn a_broken_download_is_resumed_where_it_broke_off() {
    let image = image(9_000);
    let first = [whole(&image), image[..5_000].to_vec()].concat();
    let range = "Content-Range: bytes 4096-8999/9000\r\nContent-Length: 4904\r\n";
    let second = [head("206 Partial Content", &image, range), image[4_096..].to_vec()].concat();
    let played = play_update(script(
        30_000,
        &[
            ordered(URL),
            portions(6_100, &first),
            std::vec![event(6_500, Event::CloudClosed), connected(10_000)],
            portions(10_100, &second),
        ],
    ));
    assert_eq!(played.end, Some(RunEnd::Restart), "{}", played.script.log);
    assert_eq!(played.script.slots.image, image);
    assert_eq!(played.script.slots.calls, ["begin", "boot on trial"], "the slot is not begun anew");
    let requests = requests_of(&played.script);
    assert!(!requests[0].contains("Range"), "{requests:?}");
    let range = format!("Range: bytes=4096-\r\nIf-Range: {ETAG}\r\n\r\n");
    assert!(requests[1].ends_with(&range), "{requests:?}");
}

#[test]
fn a_server_that_answers_200_to_a_range_starts_over() {
    let image = image(5_000);
    let first = [whole(&image), image[..4_500].to_vec()].concat();
    let second = [whole(&image), image.clone()].concat();
    let played = play_update(script(
        30_000,
        &[
            ordered(URL),
            portions(6_100, &first),
            std::vec![event(6_500, Event::CloudClosed), connected(10_000)],
            portions(10_100, &second),
        ],
    ));
    assert_eq!(played.script.slots.image, image, "{}", played.script.log);
    assert_eq!(played.script.slots.calls, ["begin", "begin", "boot on trial"]);
}

#[test]
fn a_download_cut_off_by_the_network_goes_on_with_the_next_order() {
    let image = image(9_000);
    let first = [whole(&image), image[..5_000].to_vec()].concat();
    let range = "Content-Range: bytes 4096-8999/9000\r\nContent-Length: 4904\r\n";
    let second = [head("206 Partial Content", &image, range), image[4_096..].to_vec()].concat();
    let back = std::vec![
        event(6_500, Event::LinkLost),
        event(9_000, Event::Joined),
        connected(9_500),
        cloud(10_000, &response(1, 200)),
        cloud(11_000, &order("https://files.example/static/f.bin?token=secret-download-2")),
        connected(14_000),
    ];
    let played = play_update(script(
        30_000,
        &[ordered(URL), portions(6_100, &first), back, portions(14_100, &second)],
    ));
    assert_eq!(played.end, Some(RunEnd::Restart), "{}", played.script.log);
    assert_eq!(played.script.slots.image, image);
    assert_eq!(played.script.slots.calls, ["begin", "boot on trial"]);
    let events = events_of(&played.script);
    assert_eq!(events, ["OTA started", "OTA failed: the network was lost", "OTA started"]);
}

#[test]
fn a_server_that_never_answers_is_given_up_after_a_few_attempts() {
    let mut cues = online_and(&[cloud(3_000, &order(URL))]);
    for at_ms in [6_000, 10_000, 20_000, 30_000, 50_000, 90_000] {
        cues.push(event(at_ms, Event::CloudFailed(CloudError::Timeout)));
    }
    cues.extend(online_again(100_000));
    let played = play_update(script(110_000, &[cues]));
    let events = events_of(&played.script);
    assert_eq!(
        events,
        ["OTA started", "OTA failed: the server could not be reached"],
        "{}",
        played.script.log
    );
    let dials = played.script.calls.iter().filter(|call| call.starts_with("dial files.example"));
    assert_eq!(dials.count(), 6);
}

#[test]
fn every_unacceptable_answer_is_told_in_words_and_installs_nothing() {
    let good = image(4_096);
    let redirect = b"HTTP/1.1 302 Found\r\nLocation: https://other.example/\r\nContent-Length: 0\r\n\r\n";
    let cases: [(Vec<u8>, &str); 6] = [
        (redirect.to_vec(), "OTA failed: the server redirects, which is not followed"),
        (
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
            "OTA failed: the server answered 404",
        ),
        (
            head("200 OK", &good, "Transfer-Encoding: chunked\r\n"),
            "OTA failed: the image is sent in chunks of unknown number",
        ),
        (
            head("200 OK", &good, "Content-Length: 70000\r\n"),
            "OTA failed: the image has 70000 bytes, the slot 65536",
        ),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n".to_vec(), "OTA failed: the answer makes no sense: it is not HTTP"),
        (
            [whole(&good), image(4_097)[1..].to_vec()].concat(),
            "OTA failed: the image's SHA-256 is not the announced one",
        ),
    ];
    for (answer, told) in cases {
        assert_eq!(told_failure(&answer, |_| {}), told);
    }
}

#[test]
fn a_slot_that_holds_something_else_than_was_written_is_never_booted() {
    let image = image(4_096);
    let answer = [whole(&image), image].concat();
    let told = told_failure(&answer, |script| script.slots.is_worn = true);
    assert_eq!(told, "OTA failed: the image read back is not the one that was written");
}

/// A device that starts with 4096 bytes of the image in its slot, is ordered the same image, and gets the rest of it.
fn resumed_after_a_restart(left: &[u8], image: &[u8]) -> Played {
    play_noted(left, image, "2.0.0", ETAG)
}

fn play_noted(left: &[u8], image: &[u8], version: &str, etag: &str) -> Played {
    let (first, last) = (4_096, image.len() - 1);
    let more = format!(
        "Content-Range: bytes {first}-{last}/{}\r\nContent-Length: {}\r\n",
        image.len(),
        image.len() - first
    );
    let answer = [head("206 Partial Content", image, &more), image[first..].to_vec()].concat();
    let mut script = script(30_000, &[ordered(URL), portions(6_100, &answer), online_again(20_000).to_vec()]);
    script.slots.image = left.to_vec();
    script.slots.noted = Some(Download {
        image: ImageFacts {
            image_bytes: u32::try_from(image.len()).unwrap(),
            sha256: Sha256::digest(image).into(),
            version: version.try_into().unwrap(),
        },
        etag: etag.try_into().unwrap(),
    });
    play_update(script)
}

#[test]
fn a_noted_tag_that_would_add_lines_to_the_request_is_no_note() {
    let image = image(10_000);
    let cases = [
        ("2.0.0", "\"a\"\r\nHost: elsewhere.example\r\nX: \"b\""),
        ("2.0.0", "\"a\r\nX: b\""),
        ("2.0.0", "W/\"weak\""),
        ("2.0.0\n[0] lie", ETAG),
        ("", ETAG),
    ];
    for (version, etag) in cases {
        let played = play_noted(&image[..4_096], &image, version, etag);
        let asked = &requests_of(&played.script)[0];
        assert!(!asked.contains("If-Range") && !asked.contains("elsewhere"), "{version:?} {etag:?}: {asked}");
        assert!(!played.script.log.contains("lie"), "{}", played.script.log);
    }
}

#[test]
fn a_version_in_a_slot_that_is_no_text_is_an_unknown_one() {
    let mut script = script(20_000, &[online_and(&[])]);
    script.slots.state = SlotState::OnTrial { former: FirmwareVersion::try_from("1\n[0] lie").unwrap() };
    let played = play_update(script);
    assert_eq!(events_of(&played.script), ["Firmware updated from an unknown version to 1.2.3"]);
    assert!(!played.script.log.contains("lie"), "{}", played.script.log);
}

#[test]
fn a_noted_download_goes_on_after_a_restart() {
    let image = image(10_000);
    let played = resumed_after_a_restart(&image[..4_096], &image);
    let asked = &requests_of(&played.script)[0];
    assert!(asked.ends_with(&format!("Range: bytes=4096-\r\nIf-Range: {ETAG}\r\n\r\n")), "{asked}");
    assert_eq!(played.end, Some(RunEnd::Restart), "{}", played.script.log);
    assert_eq!(
        (&played.script.slots.image, &played.script.slots.calls),
        (&image, &std::vec!["boot on trial"])
    );
}

#[test]
fn what_is_left_of_a_download_is_not_trusted() {
    let image = image(10_000);
    let mut left = image[..4_096].to_vec();
    left[100] ^= 1;
    let played = resumed_after_a_restart(&left, &image);
    assert_eq!((played.end, &played.script.slots.installed), (None, &None));
    assert_eq!(played.script.slots.noted, None, "the next order begins at the beginning");
    assert!(events_of(&played.script)[1].contains("SHA-256 is not the announced one"));
}

#[test]
fn an_order_that_cannot_be_followed_is_answered_at_once_and_the_session_stays() {
    let long = format!("https://h/{}", "a".repeat(400));
    let cases = [
        ("http://files.example/f.bin", Some(65_536), "OTA failed: the address is not https"),
        (
            "file:///etc/passwd",
            Some(65_536),
            "OTA failed: the address begins neither with https:// nor with http://",
        ),
        (long.as_str(), Some(65_536), "OTA failed: the address is longer than 384 bytes"),
        (URL, None, "OTA failed: this device has no second firmware slot"),
    ];
    for (url, slot_bytes, told) in cases {
        let mut script = script(20_000, &[online_and(&[cloud(3_000, &order(url))])]);
        script.slots.slot_bytes = slot_bytes;
        let played = play_update(script);
        assert_eq!(events_of(&played.script), [told]);
        assert!(!played.script.log.contains("OTA_UPGRADE"), "{}", played.script.log);
    }
}

#[test]
fn a_download_over_a_connection_that_is_not_verified_asks_for_nothing() {
    let mut cues = online_and(&[cloud(3_000, &order(URL))]);
    cues.push(event(6_000, Event::CloudConnected { is_verified_tls: false }));
    let played = play_update(script(10_000, &[cues]));
    assert!(requests_of(&played.script).is_empty());
    assert!(played.script.log.contains("OTA failed: the address is not https"), "{}", played.script.log);
}

#[test]
fn a_new_firmware_is_confirmed_once_it_is_online_and_tells_from_where_it_came() {
    let mut script = script(10_000, &[online()]);
    script.slots.state = SlotState::OnTrial { former: FirmwareVersion::try_from("1.0.0").unwrap() };
    let played = play_update(script);
    assert_eq!(played.script.slots.calls, ["confirm"]);
    assert_eq!(events_of(&played.script), ["Firmware updated from 1.0.0 to 1.2.3"]);
}

#[test]
fn an_update_ordered_on_the_bench_is_refused_with_words_and_no_slot_is_touched() {
    let mut cues = bench_mode::accepted(&bench_mode::with_token());
    cues.extend([cloud(30_000, &order(URL)), connected(36_000)]);
    let mut script = script(50_000, &[cues]);
    script.slots.state = SlotState::Restored { tried: FirmwareVersion::try_from("2.0.0").unwrap() };
    let played = play_as(&bench_mode::labelled(), BootReason::PowerOn, empty_flash(), script);
    let Script { slots, log, .. } = &played.script;
    let told =
        "OTA failed: this device is on the bench, where nothing is written: set it up without bench first";
    assert_eq!(events_of(&played.script), [told], "{log}");
    assert!(slots.calls.is_empty() && slots.noted.is_none(), "{:?}", slots.calls);
    assert_eq!(played.end, None, "{log}");
}

#[test]
fn a_new_firmware_that_stays_offline_goes_back_after_five_minutes() {
    let mut script = script(400_000, &[]);
    script.slots.state = SlotState::OnTrial { former: FirmwareVersion::new() };
    let played = play_update(script);
    assert_eq!(played.end, Some(RunEnd::Restart));
    assert_eq!(played.script.slots.calls, ["roll back"]);
    assert!(played.script.log.contains("[300000] Firmware 1.2.3 did not prove itself, going back\n"));
}

#[test]
fn a_new_firmware_that_cannot_be_confirmed_goes_back() {
    let mut script = script(10_000, &[online()]);
    script.slots.state = SlotState::OnTrial { former: FirmwareVersion::new() };
    script.slots.is_confirm_failing = true;
    let played = play_update(script);
    assert_eq!(played.end, Some(RunEnd::Restart));
    assert_eq!(played.script.slots.calls, ["confirm", "roll back"]);
    assert!(events_of(&played.script).is_empty());
}

#[test]
fn a_firmware_that_is_back_tells_once_what_was_tried_in_vain() {
    let mut cues = online();
    cues.push(event(5_000, Event::CloudClosed));
    cues.extend([connected(8_000), cloud(8_100, &response(1, 200))]);
    let mut script = script(10_000, &[cues]);
    script.slots.state = SlotState::Restored { tried: FirmwareVersion::try_from("2.0.0").unwrap() };
    let played = play_update(script);
    assert_eq!(played.script.slots.calls, ["confirm"]);
    assert_eq!(
        events_of(&played.script),
        ["OTA failed: firmware 2.0.0 did not prove itself, 1.2.3 is back"],
        "{}",
        played.script.log
    );
}
