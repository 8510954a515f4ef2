//! The radio task over a scripted radio, in paused time.

use std::cell::RefCell;
use std::rc::Rc;

use home_store::{NetworkSecret, Ssid};
use portal::{MacAddress, Security};
use tokio::sync::Notify;
use tokio::task::LocalSet;

use std::collections::VecDeque;

use super::*;
use crate::wifi::OpenedHotspot;

const HOME_CHANNEL: u8 = 11;

/// What goes by the network's name.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Air {
    #[default]
    Nothing,
    Home,
    /// An access point that asks for no password.
    Twin,
}

/// What the script says and what was done.
#[derive(Default)]
struct Script {
    has_hotspot_interface: bool,
    air: Air,
    /// Joining never ends by itself.
    is_join_endless: bool,
    hotspot_failures: usize,
    scan_takes: Duration,
    done: Vec<String>,
}

#[derive(Clone)]
struct ScriptedWifi {
    script: Rc<RefCell<Script>>,
    changes: Rc<RefCell<VecDeque<WifiChange>>>,
    changed: Rc<Notify>,
}

impl ScriptedWifi {
    fn note(&self, what: impl Into<String>) {
        self.script.borrow_mut().done.push(what.into());
    }
}

impl Wifi for ScriptedWifi {
    async fn has_hotspot_interface(&mut self) -> bool {
        self.script.borrow().has_hotspot_interface
    }

    async fn scan(&mut self, _hidden: Option<&Ssid>) -> Result<Vec<SeenNetwork>, WifiError> {
        let (air, scan_takes) = (self.script.borrow().air, self.script.borrow().scan_takes);
        tokio::time::sleep(scan_takes).await;
        let seen = SeenNetwork {
            ssid: heapless::Vec::from_slice(b"Home").unwrap(),
            bssid: MacAddress([1; 6]),
            rssi_dbm: -40,
            security: if air == Air::Twin { Security::Open } else { Security::Wpa2 },
            channel: HOME_CHANNEL,
        };
        Ok(if air == Air::Nothing { Vec::new() } else { vec![seen] })
    }

    async fn join(&mut self, network: &Network) -> Result<JoinedLink, WifiError> {
        self.note(format!("join {}", network.ssid));
        let (is_endless, is_there) =
            (self.script.borrow().is_join_endless, self.script.borrow().air == Air::Home);
        if is_endless {
            std::future::pending::<()>().await;
        }
        if is_there { Ok(JoinedLink { channel: Some(HOME_CHANNEL) }) } else { Err(WifiError::NotFound) }
    }

    async fn leave(&mut self) {
        self.note("leave");
    }

    async fn open_hotspot(&mut self, hotspot: &HotspotRequest) -> Result<OpenedHotspot, WifiError> {
        if self.script.borrow().hotspot_failures > 0 {
            self.script.borrow_mut().hotspot_failures -= 1;
            self.note("no hotspot");
            return Err(WifiError::Timeout);
        }
        self.note(format!("open on {:?}", hotspot.channel));
        Ok(OpenedHotspot { interface: None, is_beside: self.script.borrow().has_hotspot_interface })
    }

    async fn close_hotspot(&mut self) {
        self.note("close");
    }

    async fn next_change(&mut self) -> WifiChange {
        loop {
            if let Some(change) = self.changes.borrow_mut().pop_front() {
                return change;
            }
            self.changed.notified().await;
        }
    }
}

/// A running task and its strings.
struct Bench {
    wifi: ScriptedWifi,
    handle: RadioHandle,
}

impl Bench {
    fn start(script: Script) -> Self {
        let wifi = ScriptedWifi {
            script: Rc::new(RefCell::new(script)),
            changes: Rc::default(),
            changed: Rc::new(Notify::new()),
        };
        let (task, handle) = RadioTask::new(wifi.clone());
        tokio::task::spawn_local(task.run());
        Self { wifi, handle }
    }

    fn wish(&self, change: impl FnOnce(&mut Wishes)) {
        self.handle.wishes.send_modify(change);
    }

    fn wish_hotspot(&self) {
        let request = HotspotRequest { ssid: "Lamp".to_owned(), passphrase: None, channel: None };
        self.wish(|wishes| wishes.hotspot = Some(request));
    }

    fn wish_join(&self, ticket: u64, ssid: &str) {
        let network = Network {
            ssid: Ssid::parse(ssid.as_bytes()).unwrap(),
            secret: NetworkSecret::parse(b"secret-password").unwrap(),
            is_hidden: false,
            static_address: None,
        };
        let wished_at = Instant::now();
        self.wish(|wishes| {
            let visit_count = wishes.visit_count;
            wishes.station = Some(StationWish { ticket, network, wished_at, visit_count });
        });
    }

    fn visit(&self) {
        self.wish(|wishes| wishes.visit_count += 1);
    }

    fn happen(&self, change: WifiChange) {
        self.wifi.changes.borrow_mut().push_back(change);
        self.wifi.changed.notify_one();
    }

    /// Lets so much time pass, and returns the reports and what was done meanwhile.
    async fn pass(&mut self, seconds: u64) -> (Vec<String>, Vec<String>) {
        let until = Instant::now() + Duration::from_secs(seconds);
        let mut reports = Vec::new();
        while let Ok(Some(report)) = tokio::time::timeout_at(until, self.handle.reports.recv()).await {
            reports.push(format!("{report:?}"));
        }
        (reports, std::mem::take(&mut self.wifi.script.borrow_mut().done))
    }
}

async fn play(script: Script, story: impl AsyncFnOnce(Bench)) {
    LocalSet::new().run_until(async { story(Bench::start(script)).await }).await;
}

fn has(lines: &[String], part: &str) -> bool {
    lines.iter().any(|line| line.contains(part))
}

#[tokio::test(start_paused = true)]
async fn only_the_newest_attempt_is_answered() {
    play(Script { is_join_endless: true, air: Air::Home, ..Script::default() }, async |mut bench| {
        bench.wish_join(1, "Old");
        let (reports, done) = bench.pass(1).await;
        assert!(reports.is_empty(), "{reports:?}");
        assert_eq!(done, ["join Old"]);
        bench.wifi.script.borrow_mut().is_join_endless = false;
        bench.wish_join(2, "Home");
        let (reports, done) = bench.pass(1).await;
        assert!(has(&reports, "Joined { ticket: 2 }") && !has(&reports, "ticket: 1"), "{reports:?}");
        assert_eq!(done, ["leave", "join Home"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_hotspot_of_its_own_stays_open_while_the_network_is_not_heard_and_follows_it_to_its_channel() {
    play(Script { has_hotspot_interface: true, ..Script::default() }, async |mut bench| {
        bench.wish_hotspot();
        assert_eq!(bench.pass(1).await.1, ["open on Some(1)"]);
        bench.wish_join(1, "Home");
        let (reports, done) = bench.pass(1).await;
        assert!(has(&reports, "JoinFailed { ticket: 1, error: NotFound }"), "{reports:?}");
        assert!(done.is_empty(), "{done:?}");
        bench.wifi.script.borrow_mut().air = Air::Home;
        bench.wish_join(2, "Home");
        let (reports, done) = bench.pass(1).await;
        assert!(has(&reports, "Joined { ticket: 2 }"), "{reports:?}");
        assert_eq!(done, ["leave", "close", "join Home", "open on Some(11)"]);
        // Now both are on one channel, and the next attempt disturbs nobody.
        bench.wish_join(3, "Home");
        assert_eq!(bench.pass(1).await.1, ["leave", "join Home"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_evil_twin_does_not_close_the_hotspot() {
    let script = Script { has_hotspot_interface: true, air: Air::Twin, ..Script::default() };
    play(script, async |mut bench| {
        bench.wish_hotspot();
        bench.pass(1).await;
        bench.wish_join(1, "Home");
        let (reports, done) = bench.pass(60).await;
        assert!(has(&reports, "JoinFailed { ticket: 1, error: NotFound }"), "{reports:?}");
        assert!(done.is_empty(), "{done:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_hotspot_moves_to_its_own_interface_once_there_is_one_and_nobody_would_notice() {
    play(Script::default(), async |mut bench| {
        bench.wish_hotspot();
        bench.pass(1).await;
        bench.wifi.script.borrow_mut().has_hotspot_interface = true;
        bench.happen(WifiChange::Recheck);
        assert_eq!(bench.pass(1).await.1, ["close", "open on Some(1)"]);
        // There it stays.
        bench.happen(WifiChange::Recheck);
        assert!(bench.pass(1).await.1.is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_visited_hotspot_stays_where_it_is() {
    play(Script::default(), async |mut bench| {
        bench.wish_hotspot();
        bench.pass(1).await;
        bench.visit();
        bench.wifi.script.borrow_mut().has_hotspot_interface = true;
        bench.happen(WifiChange::Recheck);
        assert!(bench.pass(1).await.1.is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_hotspot_whose_own_interface_cannot_be_used_any_more_takes_turns() {
    let script = Script { has_hotspot_interface: true, air: Air::Home, ..Script::default() };
    play(script, async |mut bench| {
        bench.wish_hotspot();
        bench.pass(1).await;
        bench.wifi.script.borrow_mut().has_hotspot_interface = false;
        bench.happen(WifiChange::HotspotLost);
        bench.happen(WifiChange::Recheck);
        assert_eq!(bench.pass(5).await.1, ["open on Some(1)"]);
        bench.wish_join(1, "Home");
        assert!(bench.pass(30).await.1.is_empty());
        bench.pass(20).await;
        bench.wish_join(2, "Home");
        assert_eq!(bench.pass(1).await.1, ["close", "join Home"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_radio_that_takes_turns_gives_a_phone_time_to_find_the_hotspot() {
    play(Script { air: Air::Home, ..Script::default() }, async |mut bench| {
        bench.wish_hotspot();
        assert_eq!(bench.pass(5).await.1, ["open on Some(1)"]);
        bench.wish_join(1, "Home");
        bench.pass(37).await;
        bench.wish_join(2, "Home");
        let (reports, done) = bench.pass(2).await;
        assert!(reports.is_empty() && done.is_empty(), "{reports:?} {done:?}");
        let (reports, done) = bench.pass(2).await;
        assert!(has(&reports, "HotspotClosed") && has(&reports, "Joined { ticket: 2 }"), "{reports:?}");
        assert_eq!(done, ["close", "join Home"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_visitor_s_new_home_is_tried_at_once() {
    play(Script { air: Air::Home, ..Script::default() }, async |mut bench| {
        bench.wish_hotspot();
        bench.pass(5).await;
        bench.visit();
        bench.wish_join(1, "Home");
        let (reports, done) = bench.pass(1).await;
        assert!(has(&reports, "Joined { ticket: 1 }"), "{reports:?}");
        assert_eq!(done, ["close", "join Home"]);
    })
    .await;
}

/// The lifecycle gives an attempt 25 s. One that is half over would only take the hotspot away.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_waited_for_long_does_not_close_the_hotspot_and_the_next_one_does() {
    play(Script { air: Air::Home, ..Script::default() }, async |mut bench| {
        bench.wish_hotspot();
        bench.pass(30).await;
        bench.wish_join(1, "Home");
        assert!(bench.pass(24).await.1.is_empty());
        bench.wish(|wishes| wishes.station = None);
        bench.pass(3).await;
        bench.wish_join(2, "Home");
        assert_eq!(bench.pass(1).await.1, ["close", "join Home"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_wished_hotspot_is_opened_before_a_network_is_joined() {
    for has_hotspot_interface in [false, true] {
        let script =
            Script { has_hotspot_interface, is_join_endless: true, air: Air::Home, ..Script::default() };
        play(script, async |mut bench| {
            // As the lifecycle does it at the end of ERROR, with the scan for the setup page.
            bench.wish_join(1, "Home");
            bench.wish_hotspot();
            bench.wish(|wishes| wishes.scan_count += 1);
            let (reports, done) = bench.pass(1).await;
            assert!(has(&reports, "HotspotOpened"), "{reports:?}");
            assert_eq!(done.first().map(String::as_str), Some("open on Some(1)"), "{done:?}");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_hotspot_that_is_wished_for_ends_an_attempt_to_join() {
    for has_hotspot_interface in [false, true] {
        let script = Script { has_hotspot_interface, is_join_endless: true, ..Script::default() };
        play(script, async |mut bench| {
            bench.wish_join(1, "Home");
            assert_eq!(bench.pass(5).await.1, ["join Home"]);
            bench.wish_hotspot();
            assert_eq!(bench.pass(1).await.1, ["leave", "open on Some(1)"]);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_attempt_does_not_overtake_the_hotspot_that_made_room() {
    play(Script { is_join_endless: true, ..Script::default() }, async |mut bench| {
        bench.wish_hotspot();
        bench.pass(50).await;
        bench.wish_join(1, "Home");
        assert_eq!(bench.pass(25).await.1, ["close", "join Home"]);
        bench.wish_join(2, "Home");
        assert_eq!(bench.pass(1).await.1, ["leave", "open on Some(1)"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_hotspot_that_does_not_open_lets_the_network_be_joined() {
    let script = Script { air: Air::Home, hotspot_failures: usize::MAX, ..Script::default() };
    play(script, async |mut bench| {
        bench.wish_hotspot();
        bench.wish_join(1, "Home");
        let (reports, done) = bench.pass(1).await;
        assert!(has(&reports, "Joined { ticket: 1 }"), "{reports:?}");
        assert_eq!(done, ["no hotspot", "join Home"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_radio_has_listened_before_the_hotspot_is_wished_for() {
    for has_hotspot_interface in [false, true] {
        let scan_takes = Duration::from_secs(5);
        play(Script { has_hotspot_interface, scan_takes, ..Script::default() }, async |mut bench| {
            bench.wish_join(1, "Home");
            bench.pass(10).await;
            bench.wish_hotspot();
            assert_eq!(bench.pass(1).await.1, ["open on Some(1)"]);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_hotspot_waits_for_what_the_radio_hears() {
    for has_hotspot_interface in [false, true] {
        let scan_takes = Duration::from_secs(5);
        play(Script { has_hotspot_interface, scan_takes, ..Script::default() }, async |mut bench| {
            bench.wish_hotspot();
            assert!(bench.pass(4).await.1.is_empty());
            assert_eq!(bench.pass(2).await.1, ["open on Some(1)"]);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn slow_listening_does_not_delay_the_hotspot_past_45_s_after_the_start() {
    for has_hotspot_interface in [false, true] {
        let scan_takes = Duration::from_mins(1);
        play(Script { has_hotspot_interface, scan_takes, ..Script::default() }, async |mut bench| {
            bench.wish_join(1, "Home");
            bench.pass(40).await;
            bench.wish(|wishes| wishes.station = None);
            bench.wish_hotspot();
            assert_eq!(bench.pass(4).await.1, ["leave", "open on Some(1)"]);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_wished_for_before_the_visit_does_not_throw_the_visitor_out() {
    play(Script { air: Air::Home, ..Script::default() }, async |mut bench| {
        bench.wish_hotspot();
        bench.pass(5).await;
        bench.wish_join(1, "Home");
        bench.pass(5).await;
        bench.visit();
        let (reports, done) = bench.pass(60).await;
        assert!(reports.is_empty() && done.is_empty(), "{reports:?} {done:?}");
        // What the lifecycle wishes for afterwards is for the visitor, or comes when the visit is over.
        bench.wish_join(2, "Home");
        assert_eq!(bench.pass(1).await.1, ["close", "join Home"]);
    })
    .await;
}

/// The old home is to be tried within 90 s of the submission, and a trial may take 56 s.
#[tokio::test(start_paused = true)]
async fn the_hotspot_that_comes_back_from_a_trial_makes_room_for_the_old_home_sooner() {
    play(Script::default(), async |mut bench| {
        bench.wish_hotspot();
        bench.pass(5).await;
        bench.visit();
        bench.wish_join(1, "New");
        assert_eq!(bench.pass(1).await.1, ["close", "join New", "open on Some(1)"]);
        bench.pass(9).await;
        bench.wish_join(2, "Home");
        assert_eq!(bench.pass(8).await.1, ["leave"]);
        assert_eq!(bench.pass(3).await.1, ["close", "join Home", "open on Some(1)"]);
        // That was the exception.
        bench.wish_join(3, "Home");
        assert_eq!(bench.pass(40).await.1, ["leave"]);
    })
    .await;
}

/// A device whose token is refused is in its network and still needs its hotspot.
#[tokio::test(start_paused = true)]
async fn a_network_that_does_not_help_makes_room_for_the_hotspot() {
    play(Script { air: Air::Home, ..Script::default() }, async |mut bench| {
        bench.wish_join(1, "Home");
        bench.pass(5).await;
        bench.wish_hotspot();
        let (reports, done) = bench.pass(1).await;
        assert!(has(&reports, "LinkLost { ticket: 1 }") && has(&reports, "HotspotOpened"), "{reports:?}");
        assert_eq!(done, ["leave", "open on Some(1)"]);
        // Whatever is joined after that gets a minute, again and again.
        bench.pass(50).await;
        bench.wish_join(2, "Home");
        assert_eq!(bench.pass(50).await.1, ["leave", "close", "join Home"]);
        let (reports, done) = bench.pass(60).await;
        assert!(has(&reports, "LinkLost { ticket: 2 }") && has(&reports, "HotspotOpened"), "{reports:?}");
        assert_eq!(done, ["leave", "open on Some(1)"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_hotspot_that_does_not_open_is_tried_for_ever_and_the_reason_told_once() {
    play(Script { hotspot_failures: 20, ..Script::default() }, async |mut bench| {
        bench.wish_hotspot();
        let (reports, _done) = bench.pass(60).await;
        assert_eq!(reports.iter().filter(|report| report.contains("Trouble")).count(), 1, "{reports:?}");
        let (reports, _done) = bench.pass(60).await;
        assert!(has(&reports, "HotspotOpened"), "{reports:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_radio_that_cannot_do_both_after_all_takes_turns() {
    let script =
        Script { has_hotspot_interface: true, air: Air::Home, hotspot_failures: 2, ..Script::default() };
    play(script, async |mut bench| {
        bench.wish_join(1, "Home");
        bench.pass(1).await;
        bench.wish_hotspot();
        let (reports, done) = bench.pass(20).await;
        assert!(has(&reports, "LinkLost { ticket: 1 }") && has(&reports, "HotspotOpened"), "{reports:?}");
        assert_eq!(done, ["no hotspot", "no hotspot", "leave", "open on Some(1)"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_hotspot_that_fell_over_is_opened_again() {
    play(Script { has_hotspot_interface: true, ..Script::default() }, async |mut bench| {
        bench.wish_hotspot();
        bench.pass(1).await;
        bench.happen(WifiChange::HotspotLost);
        let (reports, done) = bench.pass(10).await;
        assert!(has(&reports, "HotspotClosed") && has(&reports, "HotspotOpened"), "{reports:?}");
        assert_eq!(done, ["open on Some(1)"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_network_is_told_once_and_only_while_it_is_wished_for() {
    play(Script { air: Air::Home, ..Script::default() }, async |mut bench| {
        bench.wish_join(1, "Home");
        bench.pass(1).await;
        bench.happen(WifiChange::StationLost);
        bench.happen(WifiChange::StationLost);
        let (reports, _done) = bench.pass(1).await;
        assert_eq!(reports, ["LinkLost { ticket: 1 }"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_open_hotspot_that_takes_turns_answers_a_scan_with_what_was_heard_before() {
    play(Script { air: Air::Home, ..Script::default() }, async |mut bench| {
        bench.wish_hotspot();
        bench.pass(1).await;
        bench.wish(|wishes| wishes.scan_count += 1);
        let (reports, done) = bench.pass(1).await;
        assert!(has(&reports, "Scanned(Some"), "{reports:?}");
        assert!(done.is_empty(), "{done:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_agent_leaves_the_radio_clean() {
    play(Script { has_hotspot_interface: true, air: Air::Home, ..Script::default() }, async |mut bench| {
        bench.wish_hotspot();
        bench.wish_join(1, "Home");
        bench.pass(5).await;
        let script = Rc::clone(&bench.wifi.script);
        drop(bench);
        tokio::time::timeout(Duration::from_secs(5), async {
            while script.borrow().done != ["leave", "close"] {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("everything is closed");
    })
    .await;
}
