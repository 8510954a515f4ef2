//! The shell over a platform that plays a script: events with times in, calls out.

use std::boxed::Box;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::format;
use std::string::{String, ToString as _};
use std::vec::Vec;

use embassy_futures::poll_once;
use home_store::sim_flash::{SharedSimFlash, SimFlash};
use home_store::{
    CloudBinding, Home, HomeStore, Host, Network, NetworkSecret, OwnerData, Ssid, StaticAddress, StoreLayout,
    Token,
};
use lifecycle::{BootReason, CloudError, Instant, NetworkError, Pattern, Settings, State};
use portal::{MacAddress, Security};
use wire::{Command, DeviceInternal, DeviceMessage, Frame, Parsed, PinWrite, Status, Values, VirtualPin};

use crate::platform::{
    ConnectionIndex, Event, JoinRequest, PortalClosedError, ScanList, SeenNetwork, SendError,
};
use crate::{
    Application, CloudAddress, CloudWire, DeviceConfig, DeviceIdentity, Hotspot, HotspotRequest,
    OutgoingWrite, Panel, Platform, Radio, RunEnd, Timing, WarmMemory, run,
};

const TOKEN: &str = "TokenTokenTokenTokenTokenToken01";
const PASSWORD: &str = "known-secret-pw";
const LAYOUT: StoreLayout = StoreLayout::at(0);

/// One thing in a script.
#[derive(Clone, Debug)]
enum Cue {
    Event(Event),
    /// Bytes from the cloud.
    Cloud(Vec<u8>),
    /// Bytes from a phone.
    Phone(usize, Vec<u8>),
}

/// Plays events at their times and writes down what the shell does.
#[derive(Default)]
struct Script {
    cues: VecDeque<(u64, Cue)>,
    now_ms: u64,
    ends_at_ms: u64,
    log: String,
    calls: Vec<String>,
    sent: Vec<(u64, Vec<u8>)>,
    answers: Vec<String>,
    /// How long a phone takes for each part of an answer, and what that came to.
    answer_part_ms: u64,
    answering_ms: u64,
    heard: ScanList,
    slots: updates::TestSlots,
    wrong_proof_count: u8,
    joined_at: Option<StaticAddress>,
    joined_channel: Option<u8>,
}

impl Script {
    fn new(ends_at_ms: u64, cues: &[(u64, Cue)]) -> Self {
        Self { cues: cues.iter().cloned().collect(), ends_at_ms, ..Self::default() }
    }

    fn has_called(&self, call: &str) -> bool {
        self.calls.iter().any(|known| known == call)
    }

    fn sent_commands(&self) -> Vec<Command> {
        self.sent.iter().map(|(_, bytes)| command_of(bytes)).collect()
    }
}

fn command_of(bytes: &[u8]) -> Command {
    match Frame::parse(bytes, 4096).unwrap() {
        Parsed::Complete { frame: Frame::Message { command, .. }, consumed_bytes }
            if consumed_bytes == bytes.len() =>
        {
            command
        }
        Parsed::Complete { frame: Frame::Response { .. }, .. } => Command::Response,
        parsed => panic!("not one whole frame: {parsed:?}"),
    }
}

impl Platform for Script {
    async fn next_event(&mut self, until: Option<Instant>, buffer: &mut [u8]) -> Event {
        let until_ms = until.map_or(u64::MAX, Instant::as_millis);
        let next_ms = self.cues.front().map_or(u64::MAX, |(at_ms, _)| *at_ms);
        if until_ms < next_ms && until_ms <= self.ends_at_ms {
            self.now_ms = self.now_ms.max(until_ms);
            return Event::TimedOut;
        }
        let Some((at_ms, cue)) = self.cues.pop_front() else {
            return core::future::pending().await;
        };
        self.now_ms = self.now_ms.max(at_ms);
        match cue {
            Cue::Event(event) => event,
            Cue::Cloud(bytes) => {
                buffer[..bytes.len()].copy_from_slice(&bytes);
                Event::CloudReceived(bytes.len())
            }
            Cue::Phone(index, bytes) => {
                buffer[..bytes.len()].copy_from_slice(&bytes);
                Event::PortalReceived { connection: ConnectionIndex(index), byte_count: bytes.len() }
            }
        }
    }
}

impl Timing for Script {
    fn now(&self) -> Instant {
        Instant::from_millis(self.now_ms)
    }

    fn unix_ms(&self) -> Option<u64> {
        Some(1_646_674_126_000)
    }

    fn random_u32(&mut self) -> u32 {
        7
    }
}

impl Radio for Script {
    fn start_scan(&mut self) {
        self.calls.push("scan".to_string());
    }

    fn scan_list(&self) -> ScanList {
        self.heard.clone()
    }

    fn start_join(&mut self, request: JoinRequest<'_>) {
        self.calls.push(format!("join {}", request.network.ssid));
        self.joined_at = request.network.static_address;
        self.joined_channel = request.channel;
    }

    fn leave(&mut self) {
        self.calls.push("leave".to_string());
    }
}

impl Hotspot for Script {
    fn open_hotspot(&mut self, request: HotspotRequest<'_>) {
        let protection = request.passphrase.map_or("", |_| " wpa2");
        self.calls.push(format!("open {}{protection}", request.ssid));
    }

    fn close_hotspot(&mut self) {
        self.calls.push("close".to_string());
    }

    async fn answer_portal(
        &mut self,
        connection: ConnectionIndex,
        bytes: &[u8],
    ) -> Result<(), PortalClosedError> {
        self.now_ms += self.answer_part_ms;
        self.answering_ms += self.answer_part_ms;
        let index = connection.0;
        self.answers.resize(self.answers.len().max(index + 1), String::new());
        self.answers[index].push_str(core::str::from_utf8(bytes).unwrap_or("?"));
        Ok(())
    }

    fn close_portal(&mut self, connection: ConnectionIndex) {
        self.calls.push(format!("close phone {}", connection.0));
    }
}

impl CloudWire for Script {
    fn start_dial(&mut self, address: CloudAddress<'_>) {
        let security = if address.binding.uses_tls { "tls" } else { "plain" };
        self.calls.push(format!("dial {}:{} {security}", address.host, address.port));
    }

    fn hang_up(&mut self) {
        self.calls.push("hang up".to_string());
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), SendError> {
        self.sent.push((self.now_ms, frame.to_vec()));
        Ok(())
    }
}

impl WarmMemory for Script {
    fn wrong_proof_count(&self) -> u8 {
        self.wrong_proof_count
    }

    fn keep_wrong_proof_count(&mut self, wrong_proof_count: u8) {
        self.wrong_proof_count = wrong_proof_count;
    }
}

impl Panel for Script {
    fn log(&mut self, line: core::fmt::Arguments<'_>) {
        writeln!(self.log, "{line}").unwrap();
    }

    fn indicate(&mut self, _pattern: Pattern) {}

    fn show_state(&mut self, state: State, last_error: u16) {
        self.calls.push(format!("show {state} {last_error}"));
    }
}

/// Writes down what reaches it, and writes pin 0 every 5 s.
#[derive(Default)]
struct Recorder {
    writes: Vec<(u8, String)>,
    poll_count: u32,
    next_poll_ms: u64,
    is_due: bool,
}

impl Application for Recorder {
    fn on_online(&mut self, _now: Instant) {
        self.is_due = true;
    }

    fn on_write(&mut self, _now: Instant, pin: VirtualPin, values: Values<'_>) {
        self.writes.push((pin.0, String::from_utf8_lossy(values.raw()).into_owned()));
    }

    fn poll(&mut self, now: Instant) {
        self.poll_count += 1;
        self.next_poll_ms = now.as_millis() + 5_000;
        self.is_due = true;
    }

    fn next_poll(&self) -> Option<Instant> {
        Some(Instant::from_millis(self.next_poll_ms))
    }

    fn next_write(&mut self) -> Option<OutgoingWrite> {
        let is_due = core::mem::take(&mut self.is_due);
        is_due.then(|| OutgoingWrite { pin: VirtualPin(0), value: heapless::String::try_from("1").unwrap() })
    }
}

struct Played {
    script: Script,
    application: Recorder,
    end: Option<RunEnd>,
    flash: SharedSimFlash,
}

impl Played {
    fn stored_home(&self) -> Option<Home> {
        embassy_futures::block_on(async {
            HomeStore::open(self.flash.clone(), LAYOUT).await.unwrap().load_home().await.unwrap()
        })
    }
}

fn config() -> DeviceConfig<'static> {
    DeviceConfig {
        identity: DeviceIdentity {
            vendor: "Blynk",
            template_name: "Air Monitor",
            template_id: "TMPLtest",
            firmware_type: "TMPLtest",
            firmware_version: "1.2.3",
            firmware_build: "Mar  7 2022 17:28:46",
            board: "Script",
            uid: "uid-1",
            station_mac: MacAddress([0x24, 0x6F, 0x28, 0xAA, 0xBB, 0xCC]),
            hotspot_mac: MacAddress([0x24, 0x6F, 0x28, 0xAA, 0xBB, 0xCD]),
            has_5ghz: false,
        },
        lifecycle: Settings::default(),
        default_host: "default.example",
        default_port: 443,
        plain_ports: &[80],
        heartbeat_s: 40,
        pop: None,
        portal_host: portal::HOTSPOT_HOST,
    }
}

fn play(flash: SharedSimFlash, script: Script) -> Played {
    play_as(&config(), BootReason::PowerOn, flash, script)
}

fn play_as(
    config: &DeviceConfig<'_>,
    reason: BootReason,
    flash: SharedSimFlash,
    mut script: Script,
) -> Played {
    let mut application = Recorder::default();
    let end = {
        let running = Box::pin(run(&mut script, &mut application, flash.clone(), LAYOUT, reason, config));
        match poll_once(running) {
            core::task::Poll::Ready(end) => Some(end),
            core::task::Poll::Pending => None,
        }
    };
    for secret in [TOKEN, PASSWORD] {
        assert!(!script.log.contains(secret), "a secret is in the log:\n{}", script.log);
        assert!(script.answers.iter().all(|answer| !answer.contains(secret)), "a secret is in an answer");
    }
    Played { script, application, end, flash }
}

fn empty_flash() -> SharedSimFlash {
    SharedSimFlash::new(SimFlash::erased(8))
}

fn home(port: u16) -> Home {
    let network = Network {
        ssid: Ssid::parse(b"Home net").unwrap(),
        secret: NetworkSecret::parse(PASSWORD.as_bytes()).unwrap(),
        is_hidden: false,
        static_address: None,
    };
    let cloud = CloudBinding {
        host: Host::parse("cloud.example").unwrap(),
        port,
        token: Token::parse(TOKEN.as_bytes()).unwrap(),
        uses_tls: port != 80,
        trust_anchor: None,
        release_key: None,
    };
    let mut networks = heapless::Vec::new();
    networks.push(network).unwrap();
    Home { networks, cloud, owner_data: OwnerData::default() }
}

fn flash_with_home() -> SharedSimFlash {
    let flash = empty_flash();
    embassy_futures::block_on(async {
        let mut store = HomeStore::open(flash.clone(), LAYOUT).await.unwrap();
        store.save_home(&home(443)).await.unwrap();
    });
    flash
}

fn event(at_ms: u64, event: Event) -> (u64, Cue) {
    (at_ms, Cue::Event(event))
}

fn cloud(at_ms: u64, bytes: &[u8]) -> (u64, Cue) {
    (at_ms, Cue::Cloud(bytes.to_vec()))
}

fn phone(at_ms: u64, index: usize, text: &str) -> (u64, Cue) {
    (at_ms, Cue::Phone(index, text.as_bytes().to_vec()))
}

fn response(message_id: u16, status: u16) -> Vec<u8> {
    let mut bytes = [0; 5];
    Frame::Response { message_id, status: Status::from(status) }.encode(&mut bytes).unwrap();
    bytes.to_vec()
}

fn message(command: Command, message_id: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = [0; 600];
    let length = Frame::Message { message_id, command, body }.encode(&mut bytes).unwrap();
    bytes[..length].to_vec()
}

/// Cues that bring a device with a stored home online at 2 s.
fn online() -> Vec<(u64, Cue)> {
    std::vec![
        event(1_000, Event::Joined),
        event(1_500, Event::CloudConnected { is_verified_tls: true }),
        cloud(2_000, &response(1, 200)),
    ]
}

fn online_and(more: &[(u64, Cue)]) -> Vec<(u64, Cue)> {
    let mut cues = online();
    cues.extend_from_slice(more);
    cues
}

/// A form as our setup page sends it.
fn submission(ssid: &str) -> String {
    let body = format!("ssid={ssid}&pass={PASSWORD}&blynk={TOKEN}&host=cloud.example");
    format!(
        "POST /config HTTP/1.1\r\nHost: 192.168.4.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn an_unprovisioned_device_opens_its_hotspot_and_its_application_runs() {
    let played = play(empty_flash(), Script::new(60_000, &[]));
    assert!(played.script.has_called("open Blynk Air Monitor-1W7R"), "{:?}", played.script.calls);
    assert!(played.script.log.contains("[0] INIT => WAIT_CONFIG\n[0] AP SSID: Blynk Air Monitor-1W7R\n"));
    assert_eq!(played.application.poll_count, 13, "every 5 s, from 0 to 60 s");
    assert!(played.script.sent.is_empty());
}

#[test]
fn a_submitted_home_is_tried_then_stored_and_the_device_introduces_itself() {
    let cues = [
        phone(100, 0, &submission("Home+net")),
        event(3_000, Event::Joined),
        event(3_500, Event::CloudConnected { is_verified_tls: true }),
        cloud(4_000, &response(1, 200)),
    ];
    let before_answer = play(empty_flash(), Script::new(3_900, &cues[..3]));
    assert_eq!(before_answer.stored_home(), None, "nothing is stored before the cloud accepted the device");
    let played = play(empty_flash(), Script::new(4_100, &cues));
    assert!(played.script.answers[0].starts_with("HTTP/1.1 200"), "{}", played.script.answers[0]);
    assert!(
        played.script.has_called("join Home net") && played.script.has_called("dial cloud.example:443 tls")
    );
    assert_eq!(played.stored_home(), Some(home(443)));
    let commands = played.script.sent_commands();
    assert_eq!(commands[..3], [Command::Login, Command::Internal, Command::Internal], "{commands:?}");
    assert_eq!(&played.script.sent[0].1[..5], [29, 0, 1, 0, 32]);
    let Parsed::Complete { frame, .. } = Frame::parse(&played.script.sent[1].1, 1024).unwrap() else {
        panic!()
    };
    let DeviceMessage::Internal(DeviceInternal::Info(info)) = DeviceMessage::parse(&frame).unwrap() else {
        panic!()
    };
    assert_eq!((info.mcu, info.tmpl, info.heartbeat_s()), (Some("1.2.3"), Some("TMPLtest"), Some(40)));
    assert_eq!(info.body_bytes_max(), crate::CLOUD_BODY_BYTES_MAX);
    assert!(played.script.log.contains("Current time: Mon Mar  7 17:28:46 2022\n"));
}

#[test]
fn a_new_home_is_told_who_the_device_is_although_it_did_not_restart_in_between() {
    let erase = message(Command::Internal, 9, b"dbg\0config erase");
    let set_up_at = |at_ms| {
        [
            phone(at_ms, 0, &submission("Home+net")),
            event(at_ms + 3_000, Event::Joined),
            event(at_ms + 3_500, Event::CloudConnected { is_verified_tls: true }),
            cloud(at_ms + 4_000, &response(1, 200)),
        ]
    };
    let mut cues = set_up_at(1_000).to_vec();
    cues.push(cloud(6_000, &erase));
    cues.extend(set_up_at(30_000));
    let played = play(empty_flash(), Script::new(35_000, &cues));
    let says_uid = |frame: &[u8]| frame.windows(10).any(|part| part == b"Device UID");
    let uid_count = played.script.sent.iter().filter(|(_, frame)| says_uid(frame)).count();
    assert_eq!(uid_count, 2, "{}", played.script.log);
}

#[test]
fn a_corrected_submission_replaces_the_one_on_trial() {
    let cues = [
        phone(100, 0, &submission("Typo+net")),
        phone(2_000, 1, &submission("Home+net")),
        event(4_000, Event::Joined),
        event(4_500, Event::CloudConnected { is_verified_tls: true }),
        cloud(5_000, &response(1, 200)),
    ];
    let played = play(empty_flash(), Script::new(5_100, &cues));
    assert!(played.script.has_called("join Typo net") && played.script.has_called("join Home net"));
    assert_eq!(played.stored_home(), Some(home(443)));
}

#[test]
fn a_failed_trial_is_told_by_the_status_and_nothing_is_stored() {
    let cues = [
        phone(100, 0, &submission("Home+net")),
        event(3_000, Event::JoinFailed(NetworkError::Authentication)),
        phone(3_500, 1, "GET /status.json HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n"),
    ];
    let played = play(empty_flash(), Script::new(3_600, &cues));
    let status = &played.script.answers[1];
    assert!(status.contains("\"last_error\":722") && status.contains("\"step\":\"failed\""), "{status}");
    assert_eq!(played.stored_home(), None);
}

#[test]
fn a_refused_token_opens_the_hotspot_and_keeps_the_home() {
    let mut cues = online();
    cues[2] = cloud(2_000, &response(1, 9));
    let played = play(flash_with_home(), Script::new(2_100, &cues));
    assert!(played.script.log.contains("[2000] Invalid auth token\n"), "{}", played.script.log);
    assert!(played.script.has_called("open Blynk Air Monitor-1W7R"));
    assert_eq!(played.stored_home(), Some(home(443)));
}

#[test]
fn an_answer_with_another_id_is_not_the_logins_answer() {
    let mut cues = online();
    cues[2] = cloud(2_000, &response(2, 9));
    let played = play(flash_with_home(), Script::new(2_100, &cues));
    assert!(!played.script.log.contains("Invalid auth token"));
}

#[test]
fn a_login_without_answer_is_given_up_after_six_seconds() {
    let cues = &online()[..2];
    let played = play(flash_with_home(), Script::new(7_499, cues));
    assert!(!played.script.log.contains("Error 702"));
    let played = play(flash_with_home(), Script::new(7_500, cues));
    assert!(played.script.log.contains("[7500] Error 702"), "{}", played.script.log);
}

#[test]
fn a_captive_portals_bytes_are_no_refusal() {
    let mut cues = online();
    cues[2] = cloud(2_000, b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n");
    let played = play(flash_with_home(), Script::new(2_100, &cues));
    assert!(played.script.log.contains("Error 712"), "{}", played.script.log);
    assert!(!played.script.calls.iter().any(|call| call.starts_with("open")));
    assert_eq!(played.stored_home(), Some(home(443)));
}

#[test]
fn a_redirect_is_followed_with_the_same_token_and_never_stored() {
    let cues = [
        event(1_000, Event::Joined),
        event(1_500, Event::CloudConnected { is_verified_tls: true }),
        cloud(2_000, &message(Command::Redirect, 1, b"ny3.example\x009443")),
        event(2_500, Event::CloudConnected { is_verified_tls: true }),
        cloud(3_000, &response(1, 200)),
    ];
    let played = play(flash_with_home(), Script::new(3_100, &cues));
    assert!(played.script.has_called("dial ny3.example:9443 tls"), "{:?}", played.script.calls);
    let logins = played.script.sent_commands().iter().filter(|command| **command == Command::Login).count();
    assert_eq!(logins, 2);
    assert!(played.script.log.contains("=> RUNNING"));
    assert_eq!(played.stored_home(), Some(home(443)));
}

#[test]
fn endless_redirects_are_a_failure_of_the_cloud() {
    let mut cues = std::vec![event(1_000, Event::Joined)];
    for turn in 0..10 {
        cues.push(event(1_100 + turn * 100, Event::CloudConnected { is_verified_tls: true }));
        cues.push(cloud(1_150 + turn * 100, &message(Command::Redirect, 1, b"ny3.example\x00443")));
    }
    let played = play(flash_with_home(), Script::new(1_900, &cues));
    assert!(played.script.log.contains("Error 705"), "{}", played.script.log);
    assert_eq!(played.script.calls.iter().filter(|call| call.starts_with("dial ny3")).count(), 3);
}

#[test]
fn frames_in_any_split_reach_the_application() {
    let write = message(Command::Hardware, 5, b"vw\x001\x00on");
    let mut cues = online();
    for (index, byte) in write.iter().chain(&write).enumerate() {
        cues.push(cloud(2_010 + index as u64, &[*byte]));
    }
    let mut both = write.clone();
    both.extend_from_slice(&write);
    cues.push(cloud(2_500, &both));
    let played = play(flash_with_home(), Script::new(2_600, &cues));
    assert_eq!(played.application.writes, std::vec![(1, "on".to_string()); 4]);
}

#[test]
fn pings_are_answered_and_unknown_operations_refused_with_the_same_id() {
    let cues = online_and(&[
        cloud(2_100, &message(Command::Ping, 77, b"")),
        cloud(2_200, &message(Command::Hardware, 78, b"zz\x001\x001")),
    ]);
    let played = play(flash_with_home(), Script::new(2_300, &cues));
    let sent: Vec<&[u8]> = played.script.sent.iter().map(|(_, bytes)| bytes.as_slice()).collect();
    assert!(sent.contains(&&response(77, 200)[..]) && sent.contains(&&response(78, 2)[..]), "{sent:?}");
}

#[test]
fn a_device_that_writes_all_the_time_still_sends_its_keep_alive() {
    let played = play(flash_with_home(), Script::new(43_000, &online()));
    let pings: Vec<u64> = played
        .script
        .sent
        .iter()
        .filter(|(_, bytes)| command_of(bytes) == Command::Ping)
        .map(|(at_ms, _)| *at_ms)
        .collect();
    assert_eq!(pings, [42_000], "40 s after the last byte from the cloud");
}

#[test]
fn a_cloud_that_fell_silent_is_left_after_the_keep_alive_and_18_s() {
    let before = play(flash_with_home(), Script::new(59_999, &online()));
    assert!(!before.script.log.contains("RUNNING => CONNECTING_CLOUD"));
    let played = play(flash_with_home(), Script::new(60_000, &online()));
    assert!(played.script.log.contains("[60000] RUNNING => CONNECTING_CLOUD"), "{}", played.script.log);
}

#[test]
fn config_erase_from_the_cloud_wipes_and_other_words_do_not() {
    for words in ["config erase", " CONFIG   ERASE ", "config erase\0x"] {
        let body = format!("dbg\0{words}");
        let order = cloud(3_000, &message(Command::Internal, 9, body.as_bytes()));
        let played = play(flash_with_home(), Script::new(4_000, &online_and(&[order])));
        assert_eq!(played.stored_home(), None, "{words:?}: {}", played.script.log);
        assert!(played.script.log.contains("RUNNING => RESET_CONFIG"));
    }
    for words in ["config eras", "config erase now", "erase", "config", "help", ""] {
        let body = format!("dbg\0{words}");
        let order = cloud(3_000, &message(Command::Internal, 9, body.as_bytes()));
        let played = play(flash_with_home(), Script::new(4_000, &online_and(&[order])));
        assert_eq!(played.stored_home(), Some(home(443)), "{words:?}");
    }
}

#[test]
fn reboot_from_the_cloud_restarts_and_keeps_the_home() {
    let order = cloud(3_000, &message(Command::Internal, 9, b"dbg\0reboot"));
    let played = play(flash_with_home(), Script::new(4_000, &online_and(&[order])));
    assert_eq!(played.end, Some(RunEnd::Restart));
    assert_eq!(played.stored_home(), Some(home(443)));
}

#[test]
fn a_lost_link_ends_the_session_with_it() {
    let cues = online_and(&[event(5_000, Event::LinkLost)]);
    let played = play(flash_with_home(), Script::new(5_100, &cues));
    assert!(played.script.log.contains("[5000] RUNNING => CONNECTING_NET"), "{}", played.script.log);
    assert!(played.script.has_called("hang up"));
}

#[test]
fn a_failed_dial_is_reported_with_its_code() {
    for (error, code) in [(CloudError::Dns, 710), (CloudError::Certificate, 711), (CloudError::Timeout, 702)]
    {
        let cues = [event(1_000, Event::Joined), event(1_500, Event::CloudFailed(error))];
        let played = play(flash_with_home(), Script::new(1_600, &cues));
        assert!(played.script.log.contains(&format!("Error {code}")), "{}", played.script.log);
    }
}

#[test]
fn requests_in_pieces_on_several_connections_do_not_mix() {
    let cues = [
        event(100, Event::PortalOpened(ConnectionIndex(0))),
        phone(110, 0, "GET /board_in"),
        event(120, Event::PortalOpened(ConnectionIndex(1))),
        phone(130, 1, "GET /status.json HTTP/1.1\r\n"),
        phone(140, 0, "fo.json HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n"),
        phone(150, 1, "Host: 192.168.4.1\r\n\r\n"),
    ];
    let played = play(empty_flash(), Script::new(200, &cues));
    assert!(played.script.answers[0].contains("TMPLtest"), "{}", played.script.answers[0]);
    assert!(played.script.answers[1].contains("\"step\":\"waiting\""), "{}", played.script.answers[1]);
    assert!(played.script.has_called("close phone 0") && played.script.has_called("close phone 1"));
}

#[test]
fn a_scan_request_waits_for_the_scan() {
    let request = phone(100, 0, "GET /wifi_scan.json HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n");
    let waiting = play(empty_flash(), Script::new(200, core::slice::from_ref(&request)));
    assert!(waiting.script.answers.is_empty());
    let played = play(empty_flash(), Script::new(3_000, &[request, event(2_000, Event::ScanDone)]));
    assert!(played.script.answers[0].ends_with("[]"), "{}", played.script.answers[0]);
}

#[test]
fn a_request_that_never_ends_is_refused_and_its_connection_closed() {
    let header = format!("X-Filler: {}\r\n", "x".repeat(900));
    let mut cues = std::vec![phone(100, 0, "GET / HTTP/1.1\r\n")];
    cues.extend((0..8).map(|index| phone(110 + index, 0, &header)));
    let played = play(empty_flash(), Script::new(300, &cues));
    assert!(played.script.answers[0].starts_with("HTTP/1.1 431"), "{:?}", played.script.answers);
    assert!(played.script.has_called("close phone 0"));
}

fn heard(ssid: &str, rssi_dbm: i16, security: Security) -> SeenNetwork {
    let ssid = ssid.bytes().collect();
    SeenNetwork { ssid, bssid: MacAddress::default(), rssi_dbm, security, channel: 1 }
}

#[test]
fn the_radio_is_told_where_the_last_scan_heard_the_network_and_not_where_a_twin_is() {
    let seen = |security, channel, rssi_dbm| SeenNetwork { channel, ..heard("Home net", rssi_dbm, security) };
    for (is_heard, expected) in [(true, Some(6)), (false, None)] {
        let mut script =
            Script::new(3_000, &[event(1_000, Event::ScanDone), phone(1_500, 0, &submission("Home+net"))]);
        if is_heard {
            let around =
                [seen(Security::Open, 1, -20), seen(Security::Wpa2, 6, -50), seen(Security::Wpa2, 11, -70)];
            script.heard.extend(around);
        }
        let played = play(empty_flash(), script);
        assert!(played.script.has_called("join Home net"), "{:?}", played.script.calls);
        assert_eq!(played.script.joined_channel, expected);
    }
}

#[test]
fn of_several_networks_the_strongest_is_tried_first_and_an_open_twin_does_not_count() {
    let flash = empty_flash();
    embassy_futures::block_on(async {
        let mut home = home(443);
        for ssid in ["Hidden", "Near", "Far"] {
            let ssid = Ssid::parse(ssid.as_bytes()).unwrap();
            home.networks.push(Network { ssid, ..home.networks[0].clone() }).unwrap();
        }
        HomeStore::open(flash.clone(), LAYOUT).await.unwrap().save_home(&home).await.unwrap();
    });
    let failed = Event::JoinFailed(NetworkError::NotFound);
    let cues =
        [event(2_000, Event::ScanDone), event(3_000, failed), event(4_000, failed), event(5_000, failed)];
    let mut script = Script::new(5_100, &cues);
    script.heard.push(heard("Far", -80, Security::Wpa2)).unwrap();
    script.heard.push(heard("Near", -50, Security::Wpa2)).unwrap();
    script.heard.push(heard("Home net", -20, Security::Open)).unwrap();
    let played = play(flash, script);
    let joins: Vec<&String> = played.script.calls.iter().filter(|call| call.starts_with("join")).collect();
    assert_eq!(joins, ["join Near", "join Far", "join Home net", "join Hidden"]);
}

/// A flash with a home of the networks "Near" and "Far".
fn flash_with_two_networks() -> SharedSimFlash {
    let flash = empty_flash();
    embassy_futures::block_on(async {
        let mut two = home(443);
        two.networks.clear();
        for ssid in ["Near", "Far"] {
            let ssid = Ssid::parse(ssid.as_bytes()).unwrap();
            two.networks.push(Network { ssid, ..home(443).networks[0].clone() }).unwrap();
        }
        HomeStore::open(flash.clone(), LAYOUT).await.unwrap().save_home(&two).await.unwrap();
    });
    flash
}

/// Plays a start where "Near" is heard so loud and "Far" at -60 dBm; returns the networks that were tried.
fn play_between_two(
    flash: SharedSimFlash,
    near_dbm: i16,
    ends_at_ms: u64,
    cues: &[(u64, Cue)],
) -> Vec<String> {
    let mut script = Script::new(ends_at_ms, cues);
    script.heard.push(heard("Near", near_dbm, Security::Wpa2)).unwrap();
    script.heard.push(heard("Far", -60, Security::Wpa2)).unwrap();
    let calls = play(flash, script).script.calls;
    calls.into_iter().filter(|call| call.starts_with("join")).collect()
}

/// The cloud is reached over "Far", because "Near" fails.
fn success_over_far() -> [(u64, Cue); 5] {
    [
        event(2_000, Event::ScanDone),
        event(3_000, Event::JoinFailed(NetworkError::NotFound)),
        event(4_000, Event::Joined),
        event(4_100, Event::CloudConnected { is_verified_tls: true }),
        cloud(4_200, &response(1, 200)),
    ]
}

#[test]
fn a_network_that_worked_is_preferred_to_one_that_is_a_little_louder_and_not_to_a_much_louder_one() {
    for (near_dbm, first) in [(-52, "join Far"), (-45, "join Near")] {
        let flash = flash_with_two_networks();
        let mut cues = success_over_far().to_vec();
        cues.extend([event(5_000, Event::LinkLost), event(7_000, Event::ScanDone)]);
        let joins = play_between_two(flash.clone(), near_dbm, 8_000, &cues);
        assert_eq!(joins, ["join Near", "join Far", first], "{near_dbm} dBm");
        let joins = play_between_two(flash, near_dbm, 3_000, &[event(2_000, Event::ScanDone)]);
        assert_eq!(joins, [first], "after a restart, {near_dbm} dBm");
    }
}

#[test]
fn a_network_from_which_the_cloud_was_not_reached_has_not_worked() {
    let cues = [
        event(2_000, Event::ScanDone),
        event(3_000, Event::JoinFailed(NetworkError::NotFound)),
        event(4_000, Event::Joined),
        event(4_100, Event::CloudFailed(CloudError::Dns)),
        event(5_000, Event::LinkLost),
        event(7_000, Event::ScanDone),
    ];
    let joins = play_between_two(flash_with_two_networks(), -52, 8_000, &cues);
    assert_eq!(joins, ["join Near", "join Far", "join Near"]);
}

#[test]
fn a_device_between_two_networks_writes_its_last_success_once_an_hour_at_most() {
    let flash = flash_with_two_networks();
    let written = || flash.with(|flash| flash.counters().written_bytes);
    // The radio joins whatever it is told to; every minute the network goes and the other one is tried first.
    let mut cues = Vec::new();
    for minute in 0..30 {
        let at = |ms: u64| minute * 60_000 + ms;
        cues.push(event(at(2_000), Event::ScanDone));
        if minute % 2 == 0 {
            cues.push(event(at(3_000), Event::JoinFailed(NetworkError::NotFound)));
        }
        cues.push(event(at(4_000), Event::Joined));
        cues.push(event(at(4_100), Event::CloudConnected { is_verified_tls: true }));
        cues.push(cloud(at(4_200), &response(1, 200)));
        cues.push(event(at(59_000), Event::LinkLost));
    }
    play_between_two(flash.clone(), -20, 1_000, &[]);
    let before = written();
    play_between_two(flash.clone(), -20, 1_000, &[]);
    let ordinary_start = written() - before;
    let before = written();
    let joins = play_between_two(flash.clone(), -20, 30 * 60_000, &cues);
    assert!(joins.len() > 40, "{joins:?}");
    // A start that stays on clears the power-ups it had counted: at most two records more, and one for the network.
    assert!(written() - before <= ordinary_start + 3 * 32, "{} bytes", written() - before);
}

#[test]
fn a_static_address_is_part_of_the_trial_and_is_stored_with_the_network() {
    let form = "&ip=192.168.1.50&mask=255.255.255.0&gw=192.168.1.1&dns=9.9.9.9";
    let body = format!("ssid=Home+net&pass={PASSWORD}&blynk={TOKEN}&host=cloud.example{form}");
    let request =
        format!("POST /config HTTP/1.1\r\nHost: 192.168.4.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let cues = [
        phone(100, 0, &request),
        event(3_000, Event::Joined),
        event(3_500, Event::CloudConnected { is_verified_tls: true }),
        cloud(4_000, &response(1, 200)),
    ];
    let tried = play(empty_flash(), Script::new(2_000, &cues[..1]));
    let address = tried.script.joined_at.expect("a static address is tried");
    assert_eq!((address.address.octets(), address.gateway.octets()), ([192, 168, 1, 50], [192, 168, 1, 1]));
    assert_eq!(tried.stored_home(), None);
    let played = play(empty_flash(), Script::new(4_100, &cues));
    assert_eq!(played.stored_home().unwrap().networks[0].static_address, Some(address));
}

#[test]
fn every_error_that_a_device_can_have_is_explained_to_a_person() {
    for code in lifecycle::ErrorCode::ALL {
        let explanation = portal::explain_error(code.code()).unwrap_or_else(|| panic!("{code:?}"));
        assert!(!explanation.what.is_empty() && !explanation.advice.is_empty(), "{code:?}");
    }
    assert!(portal::explain_error(0).is_none(), "no error, no explanation");
}

#[test]
fn a_certificate_error_is_never_a_refused_token_however_often_it_comes() {
    let mut cues = std::vec![event(1_000, Event::Joined)];
    cues.extend(
        (0..60).map(|turn| event(1_500 + turn * 60_000, Event::CloudFailed(CloudError::Certificate))),
    );
    let played = play(flash_with_home(), Script::new(3_600_000, &cues));
    assert!(played.script.log.contains("Error 711"), "{}", played.script.log);
    assert!(!played.script.log.contains("Invalid auth token") && !played.script.log.contains("AP SSID"));
    assert_eq!(played.stored_home(), Some(home(443)));
}

#[test]
fn a_value_write_is_one_whole_frame() {
    let played = play(flash_with_home(), Script::new(2_100, &online()));
    let (_, write) = played.script.sent.last().unwrap();
    let Parsed::Complete { frame, .. } = Frame::parse(write, 1024).unwrap() else { panic!() };
    let Ok(DeviceMessage::Hardware(PinWrite::Virtual { pin, values })) = DeviceMessage::parse(&frame) else {
        panic!()
    };
    assert_eq!((pin, values.raw()), (VirtualPin(0), &b"1"[..]));
}

#[test]
fn unusable_flash_is_no_home_and_no_reason_to_stop() {
    // Too small for the store's layout.
    let played = play(SharedSimFlash::new(SimFlash::erased(1)), Script::new(1_000, &[]));
    assert!(played.script.log.contains("The home store cannot be used"));
    assert!(played.script.has_called("open Blynk Air Monitor-1W7R"));
}

mod bench_mode;
mod claim_codes;
mod door;
mod releases;
mod unreadable_homes;
mod updates;
