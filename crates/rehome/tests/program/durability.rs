//! kill -9 at any moment loses no acknowledged value.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use serde_json::json;

use crate::device_client::{Device, HARDWARE, frame};
use crate::process::DEADLINE;
use crate::server::{TestServer, ask, http_agent};

/// Times the server is killed.
const ROUNDS: u64 = 6;

/// Devices that write over their own sockets, and as many programs that write over HTTP.
const WRITERS: usize = 3;

/// Writes of one connection: below the 100 that a device may send at once, so that none is dropped for the quota.
const WRITES_PER_CONNECTION_MAX: u64 = 90;

/// Pins each writer changes. The HTTP writers use the ones from [`HTTP_PIN_FIRST`] on.
const PINS: u64 = 7;
const HTTP_PIN_FIRST: u64 = 100;

/// What one writer knows of one pin: counters, written as text, that only grow.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    sent: u64,
    acknowledged: u64,
}

type Pins = BTreeMap<u64, Progress>;

/// A small generator, so that a seed says which moments and sizes were tried.
struct Random(u64);

impl Random {
    /// Returns a number below `bound`. Source of the numbers: xorshift64, G. Marsaglia 2003.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Takes the seed from `REHOME_TEST_SEED`, to repeat a run; otherwise from the clock.
fn seed() -> u64 {
    let given = std::env::var("REHOME_TEST_SEED").ok().map(|text| text.parse().expect("a number"));
    let now = || std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos().into();
    let seed: u64 = given.unwrap_or_else(now);
    println!("REHOME_TEST_SEED={seed}");
    seed.max(1)
}

/// Writes over a device's own socket until the server is gone.
fn write_as_device(server: &TestServer, token: &str, pins: &mut Pins, mut random: Random, done: &Sender<()>) {
    while let Some(mut device) = Device::try_connect(server.plain_addr) {
        match device.try_login(crate::device_client::LOGIN, token) {
            Some(status) => assert_eq!(status, 200, "the same device logs in again"),
            None => return,
        }
        let mut left = WRITES_PER_CONNECTION_MAX;
        while left > 0 {
            let count = (1 + random.below(6)).min(left);
            left -= count;
            let mut bytes = Vec::new();
            let mut written = Vec::new();
            for _ in 0..count {
                let pin = random.below(PINS);
                let progress = pins.entry(pin).or_default();
                progress.sent += 1;
                written.push((pin, progress.sent));
                bytes.extend(frame(HARDWARE, 2, &format!("vw|{pin}|{}", progress.sent)));
            }
            let Some(frames) = device.try_send_acknowledged(&bytes, 3) else { return };
            let refused = frames.iter().find(|frame| frame.status().is_some());
            assert_eq!(refused, None, "a write was refused");
            for (pin, value) in written {
                pins.get_mut(&pin).unwrap().acknowledged = value;
            }
            done.send(()).unwrap();
        }
    }
}

/// Writes over HTTP until the server is gone.
fn write_over_http(
    server: &TestServer,
    device: &str,
    pins: &mut Pins,
    mut random: Random,
    done: &Sender<()>,
) {
    let agent = http_agent();
    let authorization = format!("Bearer {}", server.key);
    let headers = [("authorization", authorization.as_str())];
    loop {
        let pin = HTTP_PIN_FIRST + random.below(PINS);
        let progress = pins.entry(pin).or_default();
        progress.sent += 1;
        let url = format!("http://{}/api/v1/devices/{device}/datastreams/{pin}", server.plain_addr);
        let body = ("application/json", json!({"value": progress.sent.to_string()}).to_string());
        let Some(answer) = ask(&agent, "PUT", &url, &headers, Some(body)) else { return };
        answer.expect(200);
        progress.acknowledged = progress.sent;
        done.send(()).unwrap();
    }
}

/// Lets everybody write and kills the server after `moment` acknowledgements.
fn kill_under_load(
    server: &mut TestServer,
    devices: &[(String, String)],
    known: &mut [(Pins, Pins)],
    random: &mut Random,
    moment: u64,
) {
    let (done, acknowledgements) = channel();
    thread::scope(|scope| {
        let running: &TestServer = server;
        for ((id, token), (over_socket, over_http)) in devices.iter().zip(known) {
            let (first, second) = (done.clone(), done.clone());
            let (first_random, second_random) =
                (Random(random.below(u64::MAX) | 1), Random(random.below(u64::MAX) | 1));
            scope.spawn(move || write_as_device(running, token, over_socket, first_random, &first));
            scope.spawn(move || write_over_http(running, id, over_http, second_random, &second));
        }
        drop(done);
        wait_for(&acknowledgements, moment);
        rustix::process::kill_process(running.process().pid(), rustix::process::Signal::KILL).unwrap();
    });
    server.kill();
}

fn wait_for(acknowledgements: &Receiver<()>, count: u64) {
    for seen in 0..count {
        let next = acknowledgements.recv_timeout(DEADLINE);
        assert!(next.is_ok(), "only {seen} of {count} writes were acknowledged");
    }
}

/// Every pin holds what was acknowledged last, or what was sent after it.
fn check(server: &TestServer, device: &str, pins: &Pins) -> u64 {
    let items = server.get(&format!("/api/v1/devices/{device}/datastreams"));
    let stored: BTreeMap<u64, u64> = items["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["pin"].as_u64().unwrap(), item["value"].as_str().unwrap().parse().unwrap()))
        .collect();
    let mut acknowledged_count = 0;
    for (pin, progress) in pins {
        let value = stored.get(pin).copied().unwrap_or(0);
        assert!(
            (progress.acknowledged..=progress.sent).contains(&value),
            "V{pin} of {device} is {value} after {progress:?}"
        );
        acknowledged_count += progress.acknowledged;
    }
    acknowledged_count
}

#[test]
fn a_server_killed_under_load_has_every_acknowledged_value_after_its_restart() {
    let mut random = Random(seed());
    let mut server = TestServer::serve();
    let devices: Vec<(String, String)> = (0..WRITERS).map(|_| server.create_device()).collect();
    let mut known: Vec<(Pins, Pins)> = vec![(Pins::new(), Pins::new()); WRITERS];
    for round in 0..ROUNDS {
        let moment = 1 + random.below(300);
        kill_under_load(&mut server, &devices, &mut known, &mut random, moment);
        server.start_again();
        let mut count = 0;
        for ((id, token), (over_socket, over_http)) in devices.iter().zip(&known) {
            count += check(&server, id, over_socket) + check(&server, id, over_http);
            Device::log_in(server.plain_addr, token);
        }
        println!(
            "round {round}: killed after {moment} more acknowledgements, {count} acknowledged values since the start"
        );
    }
    let over_socket: u64 = known.iter().flat_map(|(pins, _)| pins.values()).map(|pin| pin.acknowledged).sum();
    let over_http: u64 = known.iter().flat_map(|(_, pins)| pins.values()).map(|pin| pin.acknowledged).sum();
    assert!(over_socket > 0 && over_http > 0, "both ways were under load: {over_socket}, {over_http}");
}
