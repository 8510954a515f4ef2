//! kill -9 at any moment loses no acknowledged value.
//!
//! Devices and programs write as fast as they can; the server is killed at a random moment, now and then once more while it
//! starts, and started again on the same addresses. 10 rounds by day; `cargo xtask kill` plays as many as it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::device_client::{Device, HARDWARE, LOGIN, frame};
use crate::process::{DEADLINE, rehome, run, wait_until};
use crate::server::{TestServer, ask, http_agent};

/// Times the server is killed when `REHOME_KILL_ROUNDS` does not say.
const ROUNDS: u64 = 10;

/// Devices that write over their own sockets, and as many programs that write over HTTP.
const WRITERS: usize = 6;

/// Writes of one connection: below the 100 that a device may send at once, so that it is not slowed down; then it comes
/// again.
const WRITES_PER_CONNECTION_MAX: u64 = 90;

/// Writes that a device sends at once, before the ping that acknowledges them.
const BATCH_MAX: u64 = 20;

/// Pins each writer changes. The HTTP writers use the ones from [`HTTP_PIN_FIRST`] on.
const PINS: u64 = 7;
const HTTP_PIN_FIRST: u64 = 100;

/// A round ends after as many acknowledgements at most.
const ACKNOWLEDGEMENTS_MAX: u64 = 500;

/// A kill falls up to 8 ms after an acknowledgement: longer than the 5 ms between two transactions under load, so that every
/// moment of one can be hit.
const LATER_US_MAX: u64 = 8_000;

/// A start takes some 100 ms; one of four is killed within its first 150 ms.
const START_US_MAX: u64 = 150_000;

/// What one writer knows of one pin: counters, written as text, that only grow.
#[derive(Debug, Clone, Default)]
struct Progress {
    sent: u64,
    /// The last one.
    acknowledged: u64,
    /// How many were acknowledged; the others fell into a kill.
    acknowledged_count: u64,
    /// Acknowledged values whose row of history has not been looked for yet.
    unchecked: Vec<u64>,
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

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Takes the seed from `REHOME_TEST_SEED`, to repeat a run; otherwise from the clock.
fn seed() -> u64 {
    let now = || std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos().into();
    let seed = number("REHOME_TEST_SEED").unwrap_or_else(now);
    println!("REHOME_TEST_SEED={seed}");
    seed.max(1)
}

/// A device with what its two writers know.
struct Known {
    id: String,
    token: String,
    over_socket: Pins,
    over_http: Pins,
    /// The time of the newest row of history that was looked at, as the export writes it.
    checked_until: Option<String>,
    /// Connections that were let in.
    logins: u64,
}

/// What a writer tells.
enum Said {
    /// It is connected again.
    Back,
    /// A write was acknowledged.
    Acknowledged,
}

/// A writer's line to the test: what it says, and the sign to begin.
struct Line {
    say: Sender<Said>,
    begin: Receiver<()>,
}

impl Line {
    fn say(&self, said: Said) {
        self.say.send(said).unwrap();
    }

    /// Waits until the test drops its end.
    fn wait_for_begin(&self) {
        assert!(self.begin.recv().is_err(), "nothing is ever sent");
    }
}

/// Connects until it is let in, as a device does whose server is gone: nobody tells it that there is one again. While the
/// server starts, it may be told to try later, never that its token is invalid.
fn come_back(address: SocketAddr, token: &str) -> Device {
    wait_until("a login", || {
        let mut device = Device::try_connect(address).ok_or("nobody listens")?;
        match device.try_login(LOGIN, token) {
            Some(200) => Ok(device),
            status => {
                assert!(matches!(status, None | Some(19)), "the same device is told {status:?}");
                Err(format!("{status:?}"))
            }
        }
    })
}

/// Writes over a device's own socket until the server is gone. Returns how often it was let in.
fn write_as_device(
    address: SocketAddr,
    token: &str,
    pins: &mut Pins,
    random: &mut Random,
    line: &Line,
) -> u64 {
    let mut device = come_back(address, token);
    line.say(Said::Back);
    line.wait_for_begin();
    let mut logins = 1;
    loop {
        let mut left = WRITES_PER_CONNECTION_MAX;
        while left > 0 {
            let count = (1 + random.below(BATCH_MAX)).min(left);
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
            let Some(frames) = device.try_send_acknowledged(&bytes, 3) else { return logins };
            let refused = frames.iter().find(|frame| frame.status().is_some());
            assert_eq!(refused, None, "a write was refused");
            for (pin, value) in written {
                acknowledge(pins, pin, value);
            }
            line.say(Said::Acknowledged);
        }
        let Some(next) = Device::try_connect(address) else { return logins };
        device = next;
        match device.try_login(LOGIN, token) {
            Some(200) => logins += 1,
            Some(status) => panic!("the same device is told {status}"),
            None => return logins,
        }
    }
}

fn acknowledge(pins: &mut Pins, pin: u64, value: u64) {
    let progress = pins.get_mut(&pin).unwrap();
    progress.acknowledged = value;
    progress.acknowledged_count += 1;
    progress.unchecked.push(value);
}

/// Writes over HTTP until the server is gone.
fn write_over_http(server: &TestServer, device: &str, pins: &mut Pins, random: &mut Random, line: &Line) {
    let agent = http_agent();
    let authorization = format!("Bearer {}", server.key);
    let headers = [("authorization", authorization.as_str())];
    line.say(Said::Back);
    line.wait_for_begin();
    loop {
        let pin = HTTP_PIN_FIRST + random.below(PINS);
        let progress = pins.entry(pin).or_default();
        progress.sent += 1;
        let value = progress.sent;
        let url = format!("http://{}/api/v1/devices/{device}/datastreams/{pin}", server.plain_addr);
        let body = ("application/json", json!({"value": value.to_string()}).to_string());
        let Some(answer) = ask(&agent, "PUT", &url, &headers, Some(body)) else { return };
        answer.expect(200);
        acknowledge(pins, pin, value);
        line.say(Said::Acknowledged);
    }
}

/// Lets the devices come back to a server that is being started, looks whether everything acknowledged is there, lets
/// everybody write, and kills the server at a random moment.
fn play_round(server: &mut TestServer, devices: &mut [Known], random: &mut Random) -> u64 {
    let moment = 1 + random.below(ACKNOWLEDGEMENTS_MAX);
    let later = Duration::from_micros(random.below(LATER_US_MAX));
    let address = server.plain_addr;
    let (say, said) = channel();
    thread::scope(|scope| {
        let mut begins = Vec::new();
        let mut line = || {
            let (held, begin) = channel();
            begins.push(held);
            Line { say: say.clone(), begin }
        };
        // The devices look for their server before it is there.
        let mut left = Vec::new();
        for known in devices.iter_mut() {
            let mut random = Random(random.below(u64::MAX) | 1);
            let (line, Known { id, token, over_socket, over_http, logins, .. }) = (line(), known);
            scope.spawn(move || *logins += write_as_device(address, token, over_socket, &mut random, &line));
            left.push((&*id, over_http));
        }
        server.start_again();
        let running: &TestServer = server;
        for (id, over_http) in left {
            let mut random = Random(random.below(u64::MAX) | 1);
            let line = line();
            scope.spawn(move || write_over_http(running, id, over_http, &mut random, &line));
        }
        drop(say);
        wait_for(&said, 2 * u64::try_from(WRITERS).unwrap(), |said| matches!(said, Said::Back));
        drop(begins);
        wait_for(&said, moment, |said| matches!(said, Said::Acknowledged));
        thread::sleep(later);
        rustix::process::kill_process(running.process().pid(), rustix::process::Signal::KILL).unwrap();
    });
    server.kill();
    moment
}

fn wait_for(said: &Receiver<Said>, count: u64, is_it: impl Fn(&Said) -> bool) {
    let mut seen = 0;
    while seen < count {
        let next = said.recv_timeout(DEADLINE);
        let next = next.unwrap_or_else(|_| panic!("only {seen} of {count} came"));
        seen += u64::from(is_it(&next));
    }
}

/// Every pin holds what was acknowledged last, or what was sent after it, and its history has a row for each value that was
/// acknowledged since the last look.
fn check(server: &TestServer, known: &mut Known) {
    let items = server.get(&format!("/api/v1/devices/{}/datastreams", known.id));
    let stored: BTreeMap<u64, u64> = items["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["pin"].as_u64().unwrap(), item["value"].as_str().unwrap().parse().unwrap()))
        .collect();
    let (rows, newest) = history(server, &known.id, known.checked_until.as_deref());
    for (pin, progress) in known.over_socket.iter_mut().chain(&mut known.over_http) {
        let value = stored.get(pin).copied().unwrap_or(0);
        assert!(
            (progress.acknowledged..=progress.sent).contains(&value),
            "V{pin} of {} is {value} after {progress:?}",
            known.id
        );
        let kept = rows.get(pin);
        for value in progress.unchecked.drain(..) {
            assert!(
                kept.is_some_and(|kept| kept.contains(&value)),
                "{value} of V{pin} has no row of history"
            );
        }
    }
    known.checked_until = newest.or(known.checked_until.take());
}

/// Rows of history by pin, each value once, and the time of the newest.
fn history(
    server: &TestServer,
    device: &str,
    from: Option<&str>,
) -> (BTreeMap<u64, BTreeSet<u64>>, Option<String>) {
    let from = from.map_or_else(String::new, |from| format!("?from={from}"));
    let export = server.send("GET", &format!("/api/v1/devices/{device}/export{from}"), None);
    assert_eq!(export.status, 200, "{}", export.text);
    let mut rows: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    let mut newest: Option<String> = None;
    for line in export.text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let [at, pin, _name, value] = fields.as_slice() else { panic!("{line}") };
        let pin = pin.trim_start_matches(['V', 'v']).parse().unwrap();
        let is_new = rows.entry(pin).or_default().insert(value.parse().unwrap());
        assert!(is_new, "two rows of history for one value: {line}");
        newest = newest.max(Some((*at).to_owned()));
    }
    (rows, newest)
}

/// The folder as a kill left it: nothing is wrong with it, although nobody has opened the database since.
fn look_over(server: &TestServer) {
    let data_dir = server.data_dir();
    let ended =
        run(&mut rehome(data_dir.parent().unwrap(), &["check", "--data-dir", data_dir.to_str().unwrap()]));
    assert_eq!(ended.code(), 0, "{}{}", ended.stdout, ended.stderr);
}

#[test]
fn a_server_killed_under_load_has_every_acknowledged_value_after_its_restart() {
    let rounds = number("REHOME_KILL_ROUNDS").unwrap_or(ROUNDS);
    let mut random = Random(seed());
    let mut server = TestServer::serve_on_fixed_ports();
    let mut devices: Vec<Known> = (0..WRITERS)
        .map(|_| {
            let (id, token) = server.create_device();
            let (over_socket, over_http) = (Pins::new(), Pins::new());
            Known { id, token, over_socket, over_http, checked_until: None, logins: 0 }
        })
        .collect();
    server.kill();
    for round in 1..=rounds {
        if random.below(4) == 0 {
            server.kill_while_it_starts(Duration::from_micros(random.below(START_US_MAX)));
        }
        let moment = play_round(&mut server, &mut devices, &mut random);
        look_over(&server);
        server.start_again();
        for known in &mut devices {
            check(&server, known);
        }
        server.kill();
        let logins: u64 = devices.iter().map(|known| known.logins).sum();
        println!("round {round}: killed after {moment} acknowledgements, {logins} logins since the start");
    }
    server.start_again();
    // Once more everything from the beginning: no row twice, and none gone that was there before.
    for known in &devices {
        let (rows, _) = history(&server, &known.id, None);
        for (way, pins) in [("socket", &known.over_socket), ("HTTP", &known.over_http)] {
            let row_count: usize = pins.keys().map(|pin| rows.get(pin).map_or(0, BTreeSet::len)).sum();
            let acknowledged_count: u64 = pins.values().map(|pin| pin.acknowledged_count).sum();
            let sent_count: u64 = pins.values().map(|pin| pin.sent).sum();
            println!(
                "{} over {way}: {sent_count} sent, {acknowledged_count} acknowledged, {row_count} kept",
                known.id
            );
            assert!(acknowledged_count > 0, "both ways were under load");
            assert!(
                (acknowledged_count..=sent_count).contains(&u64::try_from(row_count).unwrap()),
                "{row_count}"
            );
        }
    }
}
