//! The whole agent in one process: simulated radio, real portal, real TLS, real state file, real local API.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what tests share stops the test when it fails"
)]

mod broken_files;
mod simulated_wifi;
mod small_cloud;

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use device_linux::{Config, Ended, SlotName, WifiError, run_program, run_until};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use simulated_wifi::{Air, SimulatedWifi};
use small_cloud::SmallCloud;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

const TOKEN: &str = "TokenTokenTokenTokenTokenToken01";
const SSID: &str = "Known Home Network";
const PASSWORD: &str = "known-secret-pw";
/// How long any story may take, on a clock that may be paused.
const DEADLINE: Duration = Duration::from_mins(10);

/// A device with its radio and its cloud.
struct World {
    folder: TempDir,
    config: Config,
    air: Rc<Air>,
    cloud: SmallCloud,
    stop: Option<oneshot::Sender<()>>,
    device: Option<tokio::task::JoinHandle<()>>,
    has_hotspot_interface: bool,
}

impl World {
    async fn new(certificate_name: &str, has_hotspot_interface: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cloud = SmallCloud::start(TOKEN, certificate_name).await;
        let ca_file = folder.path().join("ca.pem");
        std::fs::write(&ca_file, &cloud.ca_pem).unwrap();
        let config = Config {
            state_dir: folder.path().join("state"),
            socket: folder.path().join("run/device.sock"),
            portal_address: free_address().await,
            portal_host: "greenhouse.setup".to_owned(),
            host: "localhost".to_owned(),
            port: cloud.port,
            // Nothing listens there.
            login_page_port: 1,
            ca_file: Some(ca_file),
            ..Config::default()
        };
        let air = Air::new(SSID.as_bytes(), PASSWORD.as_bytes());
        Self { folder, config, air, cloud, stop: None, device: None, has_hotspot_interface }
    }

    fn start(&mut self) {
        let (stop, stopped) = oneshot::channel::<()>();
        let (config, air) = (self.config.clone(), Rc::clone(&self.air));
        let has_hotspot_interface = self.has_hotspot_interface;
        let running = async move {
            let connect = async || {
                air.facts.borrow_mut().is_gone = false;
                let refusal_count = air.facts.borrow().refusal_count;
                if let Some(left_count) = refusal_count.checked_sub(1) {
                    air.facts.borrow_mut().refusal_count = left_count;
                    return Err(WifiError::NotRunning.into());
                }
                Ok(SimulatedWifi { air: Rc::clone(&air), has_hotspot_interface })
            };
            let addresses = || air.facts.borrow().addresses;
            let stopped = async { stopped.await.unwrap_or_default() };
            run_until(&config, connect, addresses, stopped).await.unwrap();
        };
        self.device = Some(tokio::task::spawn_local(running));
        self.stop = Some(stop);
    }

    async fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.device.take().unwrap().await.unwrap();
    }

    async fn application(&self) -> Application {
        let stream = until_ok(async || UnixStream::connect(&self.config.socket).await).await;
        let (reader, writer) = stream.into_split();
        Application { lines: BufReader::new(reader).lines(), writer }
    }

    async fn submit(&self, ssid: &str, password: &str, token: &str) -> String {
        let body = format!(
            "ssid={}&pass={password}&blynk={token}&host=localhost&port_ssl={}&save=1",
            ssid.replace(' ', "%20"),
            self.cloud.port
        );
        let head = "Content-Type: application/x-www-form-urlencoded\r\n";
        self.ask(&format!(
            "POST /config HTTP/1.1\r\nHost: 192.168.4.1\r\n{head}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await
    }

    async fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: greenhouse.setup\r\n\r\n")).await
    }

    async fn ask(&self, request: &str) -> String {
        let mut stream = until_ok(async || TcpStream::connect(self.config.portal_address).await).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn image(&self) -> Vec<u8> {
        std::fs::read(self.state_file()).unwrap()
    }

    fn state_file(&self) -> PathBuf {
        self.config.state_dir.join("home.flash")
    }
}

/// An application on the local API.
struct Application {
    lines: Lines<BufReader<OwnedReadHalf>>,
    writer: OwnedWriteHalf,
}

impl Application {
    async fn ask(&mut self, request: &Value) -> Value {
        self.writer.write_all(format!("{request}\n").as_bytes()).await.unwrap();
        self.next().await
    }

    async fn next(&mut self) -> Value {
        let line = self.lines.next_line().await.unwrap().expect("the device closed the connection");
        serde_json::from_str(&line).unwrap()
    }

    /// Waits for the event of a state.
    async fn until_state(&mut self, state: &str) -> Value {
        loop {
            let event = self.next().await;
            if event["event"] == "state" && event["state"] == state {
                return event;
            }
        }
    }

    async fn subscribe(&mut self) {
        assert_eq!(self.ask(&json!({"do": "subscribe"})).await, json!({"ok": true}));
    }
}

async fn free_address() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    listener.local_addr().unwrap()
}

/// Tries until it works; what is tried becomes possible within the test's deadline.
async fn until_ok<T, E>(attempt: impl AsyncFn() -> Result<T, E>) -> T {
    loop {
        if let Ok(done) = attempt().await {
            return done;
        }
        tokio::task::yield_now().await;
    }
}

/// Runs a story on one thread, as the agent needs it.
fn play(story: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        tokio::time::timeout(DEADLINE, story).await.expect("the story ends in time");
    });
}

fn contains(image: &[u8], needle: &str) -> bool {
    image.windows(needle.len()).any(|window| window == needle.as_bytes())
}

/// Sets the device up and waits until the cloud accepted it.
async fn set_up(world: &World, application: &mut Application) {
    application.subscribe().await;
    let answer = world.submit(SSID, PASSWORD, TOKEN).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let running = application.until_state("RUNNING").await;
    assert_eq!(running["online"], true);
}

#[test]
fn a_device_is_set_up_serves_its_application_and_is_wiped_on_release() {
    play(async {
        let mut world = World::new("localhost", true).await;
        world.start();
        let board_info = world.get("/board_info.json").await;
        assert!(board_info.contains("02:00:00:00:00:07"), "{board_info}");
        assert!(world.get("/wifi_scan.json").await.contains(SSID));
        let mut application = world.application().await;
        set_up(&world, &mut application).await;

        let written = application.ask(&json!({"do": "write", "pin": 1, "value": 21.5})).await;
        assert_eq!(written, json!({"ok": true}));
        world.cloud.seen.until(|seen| seen.writes.borrow().contains(&(1, "21.5".to_owned()))).await;
        world.cloud.write_pin(2, "on");
        assert_eq!(application.next().await, json!({"event": "write", "pin": 2, "values": ["on"]}));
        let read = application.ask(&json!({"do": "read", "pin": 2})).await;
        assert_eq!(read, json!({"ok": true, "pin": 2, "values": ["on"]}));
        assert!(contains(&world.image(), TOKEN) && contains(&world.image(), PASSWORD));

        world.cloud.order_erase();
        application.until_state("RESET_CONFIG").await;
        // The device restarts, the application finds it again, and the hotspot is open for the next owner.
        let mut application = world.application().await;
        let image = until_image(&world, |image| !contains(image, TOKEN)).await;
        for secret in [TOKEN, PASSWORD, SSID, "localhost", "21.5"] {
            assert!(!contains(&image, secret), "{secret} is left in the state file");
        }
        let read = application.ask(&json!({"do": "read", "pin": 2})).await;
        assert_eq!(read["values"], Value::Null);
        assert!(world.get("/board_info.json").await.contains("02:00:00:00:00:07"));
        world.stop().await;
    });
}

async fn until_image(world: &World, is_done: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    loop {
        let image = world.image();
        if is_done(&image) {
            return image;
        }
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_home_survives_the_end_of_the_process() {
    play(async {
        let mut world = World::new("localhost", true).await;
        world.start();
        let mut application = world.application().await;
        set_up(&world, &mut application).await;
        world.stop().await;
        assert!(world.air.facts.borrow().open_hotspot.is_none() && !world.air.facts.borrow().is_joined);
        world.start();
        world.cloud.seen.until(|seen| *seen.logins.borrow() == 2).await;
        world.stop().await;
    });
}

#[test]
fn a_wrong_password_is_explained_and_nothing_is_stored() {
    play(async {
        let mut world = World::new("localhost", true).await;
        world.start();
        let mut application = world.application().await;
        application.subscribe().await;
        world.submit(SSID, "wrong-password", TOKEN).await;
        loop {
            let event = application.next().await;
            if event["last_error"] == 722 {
                break;
            }
        }
        let status = world.get("/status.json").await;
        assert!(status.contains("722") && !status.contains("wrong-password"), "{status}");
        assert!(!contains(&world.image(), TOKEN) && !contains(&world.image(), "wrong-password"));
        world.stop().await;
    });
}

#[test]
fn a_cloud_with_a_strangers_certificate_never_sees_the_token() {
    play(async {
        let mut world = World::new("stranger.test", true).await;
        world.start();
        let mut application = world.application().await;
        application.subscribe().await;
        world.submit(SSID, PASSWORD, TOKEN).await;
        loop {
            let event = application.next().await;
            if event["last_error"] == 711 {
                break;
            }
        }
        assert_eq!(*world.cloud.seen.logins.borrow(), 0);
        assert!(!contains(&world.image(), TOKEN));
        world.stop().await;
    });
}

/// Answers every request as the log-in page of a network does; returns its port.
async fn log_in_page() -> u16 {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::task::spawn_local(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = [0; 1024];
            let read_bytes = stream.read(&mut bytes).await.unwrap();
            assert!(read_bytes > 0, "a question");
            stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: http://login.test/\r\n\r\n").await.unwrap();
        }
    });
    port
}

#[test]
fn a_log_in_page_of_the_network_is_told_from_a_bad_certificate_and_costs_no_home() {
    play(async {
        let mut world = World::new("localhost", true).await;
        world.start();
        let mut application = world.application().await;
        set_up(&world, &mut application).await;
        world.stop().await;
        // From now on a stranger answers at the cloud's port, and a page at the port for HTTP.
        std::fs::write(world.config.ca_file.as_ref().unwrap(), SmallCloud::start(TOKEN, "x").await.ca_pem)
            .unwrap();
        world.config.login_page_port = log_in_page().await;
        world.start();
        let mut application = world.application().await;
        application.subscribe().await;
        loop {
            let event = application.next().await;
            assert_ne!(event["last_error"], 711, "{event}");
            if event["last_error"] == 712 {
                break;
            }
        }
        assert_eq!(*world.cloud.seen.logins.borrow(), 1);
        assert!(contains(&world.image(), TOKEN) && contains(&world.image(), PASSWORD));
        world.stop().await;
    });
}

#[test]
fn a_radio_that_takes_turns_sets_up_too_and_never_does_both() {
    play(async {
        let mut world = World::new("localhost", false).await;
        world.start();
        let mut application = world.application().await;
        set_up(&world, &mut application).await;
        assert!(world.air.facts.borrow().is_joined);
        assert!(world.air.facts.borrow().open_hotspot.is_none());
        world.stop().await;
    });
}

#[test]
fn the_hotspot_opens_again_when_the_network_goes_and_the_home_is_kept() {
    play(async {
        let mut world = World::new("localhost", false).await;
        world.config.run_time_grace_s = device_linux::Grace::Seconds(0);
        world.start();
        let mut application = world.application().await;
        set_up(&world, &mut application).await;
        assert!(world.air.facts.borrow().open_hotspot.is_none());
        world.air.take_network_away();
        let lost = application.until_state("CONNECTING_NET").await;
        assert_eq!(lost["online"], false);
        let is_open = || world.air.facts.borrow().open_hotspot.is_some().then_some(()).ok_or(());
        until_ok(async || is_open()).await;
        assert!(world.get("/board_info.json").await.starts_with("HTTP/1.1 200"));
        assert!(contains(&world.image(), TOKEN));
        world.stop().await;
    });
}

/// A device that was set up, powered up where its network is not, on a radio that takes 4 s for each step; time is
/// paused. Waits for the hotspot and returns how long that took.
async fn power_up_elsewhere(world: &mut World) -> Duration {
    world.start();
    let mut application = world.application().await;
    set_up(world, &mut application).await;
    world.stop().await;
    drop(application);
    world.air.take_network_away();
    world.air.facts.borrow_mut().pace = Duration::from_secs(4);
    tokio::time::pause();
    let powered_up_at = tokio::time::Instant::now();
    world.start();
    // Until then the hotspot of the time before counts.
    tokio::task::yield_now().await;
    while world.air.facts.borrow().open_hotspot.is_none() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    powered_up_at.elapsed()
}

#[test]
fn a_device_powered_up_elsewhere_opens_its_hotspot_within_45_s_on_every_radio() {
    for has_hotspot_interface in [false, true] {
        play(async {
            let mut world = World::new("localhost", has_hotspot_interface).await;
            let waited = power_up_elsewhere(&mut world).await;
            assert!(waited <= Duration::from_secs(45), "{waited:?}, beside: {has_hotspot_interface}");
            world.stop().await;
        });
    }
}

#[test]
fn a_visitor_of_a_radio_that_takes_turns_stays_though_the_home_was_to_be_tried_and_the_home_comes_after() {
    play(async {
        let mut world = World::new("localhost", false).await;
        power_up_elsewhere(&mut world).await;
        world.air.facts.borrow_mut().ssid = SSID.as_bytes().to_vec();
        assert!(world.get("/board_info.json").await.starts_with("HTTP/1.1 200"));
        for _second in 0..170 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(world.air.facts.borrow().open_hotspot.is_some(), "the visitor was thrown out");
        }
        while !world.air.facts.borrow().is_joined {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        world.stop().await;
    });
}

#[test]
fn a_bus_that_goes_is_connected_to_again_and_the_home_is_used() {
    play(async {
        let mut world = World::new("localhost", true).await;
        world.start();
        let mut application = world.application().await;
        set_up(&world, &mut application).await;
        world.air.facts.borrow_mut().refusal_count = 1;
        world.air.cut_off();
        world.cloud.seen.until(|seen| *seen.logins.borrow() == 2).await;
        assert_eq!(world.air.facts.borrow().refusal_count, 0, "the first try failed");
        world.stop().await;
    });
}

#[test]
fn a_radio_that_comes_late_gives_the_hotspot_its_name() {
    play(async {
        let mut world = World::new("localhost", true).await;
        let addresses = world.air.facts.borrow_mut().addresses.take();
        world.start();
        until_ok(async || world.air.facts.borrow().open_hotspot.is_some().then_some(()).ok_or(())).await;
        let stopgap = world.air.facts.borrow().open_hotspot.as_ref().unwrap().ssid.clone();
        world.air.facts.borrow_mut().addresses = addresses;
        let is_renamed = || {
            let facts = world.air.facts.borrow();
            facts.open_hotspot.as_ref().is_some_and(|hotspot| hotspot.ssid != stopgap).then_some(()).ok_or(())
        };
        until_ok(async || is_renamed()).await;
        assert!(world.get("/board_info.json").await.contains("02:00:00:00:00:07"));
        world.stop().await;
    });
}

#[test]
fn button_and_light_of_the_options_are_the_device_s() {
    play(async {
        let mut world = World::new("localhost", true).await;
        let (led, fifo) = (world.folder.path().join("led"), world.folder.path().join("event0"));
        std::fs::create_dir(&led).unwrap();
        std::fs::write(led.join("brightness"), "").unwrap();
        std::fs::write(led.join("max_brightness"), "200").unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        world.config.led = Some(led.clone());
        world.config.button = Some(device_linux::ButtonConfig { device: fifo.clone(), key: 148 });
        world.start();
        let shines = || std::fs::read_to_string(led.join("brightness")).is_ok_and(|level| level == "200");
        until_ok(async || shines().then_some(()).ok_or(())).await;
        let mut application = world.application().await;
        application.ask(&json!({"do": "subscribe", "led": true})).await;
        // One `input_event`: two words of time, a key, this one, down.
        let time = vec![0; 2 * size_of::<usize>()];
        let press = [time, vec![1, 0, 148, 0, 1, 0, 0, 0]].concat();
        let mut kernel = std::fs::File::options().write(true).open(&fifo).unwrap();
        std::io::Write::write_all(&mut kernel, &press).unwrap();
        // From 3 s on the light shows that the button is held.
        while application.next().await["led"]["colour"] != "#ffffe7" {}
        world.stop().await;
        assert_eq!(std::fs::read_to_string(led.join("brightness")).unwrap(), "0");
    });
}

#[test]
fn two_agents_never_share_a_state_file() {
    play(async {
        let mut world = World::new("localhost", true).await;
        world.start();
        world.application().await;
        let opened = device_linux::StateFile::open(&world.state_file());
        assert!(matches!(opened, Err(device_linux::OpenStateFileError::InUse { .. })), "{opened:?}");
        assert!(Path::new(world.folder.path()).exists());
        world.stop().await;
    });
}

/// Runs the agent as the program of a slot until another program is due, or `until` ends.
async fn run_as(world: &World, slot: Option<SlotName>, until: impl Future<Output = ()>) -> Ended {
    let connect = async || Ok(SimulatedWifi { air: Rc::clone(&world.air), has_hotspot_interface: true });
    let addresses = || world.air.facts.borrow().addresses;
    run_program(&world.config, slot, connect, addresses, until).await.unwrap()
}

#[test]
fn a_program_is_installed_over_the_air_and_confirmed_by_reaching_the_cloud() {
    use base64ct::Encoding as _;
    play(async {
        let mut world = World::new("localhost", true).await;
        world.start();
        let mut application = world.application().await;
        set_up(&world, &mut application).await;
        world.stop().await;

        let program: Vec<u8> = b"#!/bin/sh\n".iter().copied().chain((0..20_000).map(|_| b'#')).collect();
        let digest = base64ct::Base64::encode_string(&Sha256::digest(&program));
        let template = &world.config.template_id;
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nX-SHA256: {digest}\r\nX-FW-Type: {template}\r\nX-FW-Ver: 9.9.9\r\n\r\n",
            program.len()
        );
        *world.cloud.seen.download.borrow_mut() = [head.as_bytes(), &program].concat();
        let seen = Rc::clone(&world.cloud.seen);
        let order = async {
            seen.until(|seen| *seen.logins.borrow() == 2).await;
            world.cloud.order_update();
            std::future::pending::<()>().await;
        };
        assert_eq!(run_as(&world, None, order).await, Ended::OtherProgram);
        assert_eq!(std::fs::read(world.config.state_dir.join("slots/a")).unwrap(), program);

        // What the launcher notes before it starts the program.
        let record = world.config.state_dir.join("slots/active");
        let text = std::fs::read_to_string(&record).unwrap();
        assert!(text.contains("\"new\""), "{text}");
        std::fs::write(&record, text.replace("\"new\"", "\"trying\"")).unwrap();
        let built = world.config.firmware_version.clone();
        let updated = format!("Firmware updated from {built} to 9.9.9");
        let told = seen.until(|seen| seen.events.borrow().contains(&updated));
        assert_eq!(run_as(&world, Some(SlotName::A), told).await, Ended::Stopped);
        assert_eq!(seen.versions.borrow().last().map(String::as_str), Some("9.9.9"));
        let text = std::fs::read_to_string(&record).unwrap();
        assert!(text.contains("\"candidate\":null") && text.contains("9.9.9"), "{text}");
        assert!(contains(&world.image(), TOKEN), "the home is kept");
    });
}
