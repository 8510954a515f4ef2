//! Makes the Wi-Fi interfaces follow what the agent wishes for.
//!
//! The platform writes its wishes into one place, newest wins, and the task works towards them one step at a time. A
//! radio with an interface of its own for the hotspot keeps the hotspot open beside the network connection; any other
//! radio does both in turn. Reports carry the number of the wish they answer, so that old answers are dropped.

mod turn;

use std::time::Duration;

use device::SeenNetwork;
use home_store::Network;
use lifecycle::NetworkError;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::heard;
use crate::wifi::{HotspotRequest, JoinedLink, Wifi, WifiChange, WifiError};
use turn::Turn;

/// Reports that wait for the agent, which takes them at once.
const REPORT_QUEUE_LEN_MAX: usize = 64;
/// Wait before a hotspot that did not open is tried again.
const HOTSPOT_RETRY_WAIT: Duration = Duration::from_secs(4);
/// Failures beside a network connection after which both take turns.
const BESIDE_FAILURE_COUNT_MAX: u8 = 2;
/// Age from which a scan is no longer good enough for the setup page.
const SCAN_AGE_MAX: Duration = Duration::from_mins(1);
/// How long a scan may delay the hotspot that takes turns.
const SCAN_BEFORE_HOTSPOT: Duration = Duration::from_secs(6);

/// What the agent wishes for at this moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    /// The network to be in.
    pub(crate) station: Option<StationWish>,
    /// The hotspot to be open.
    pub(crate) hotspot: Option<HotspotRequest>,
    /// Counts the scans asked for.
    pub(crate) scan_count: u64,
    /// Counts the portal's connections: somebody uses the hotspot.
    pub(crate) visit_count: u64,
}

/// One attempt to join.
#[derive(Clone, Debug)]
pub(crate) struct StationWish {
    /// Number of the attempt.
    pub(crate) ticket: u64,
    /// Where to.
    pub(crate) network: Network,
}

/// What became of the wishes.
#[derive(Debug)]
pub(crate) enum Report {
    /// A scan ended; `None` when the radio cannot listen now and the last result stands.
    Scanned(Option<Vec<SeenNetwork>>),
    /// An attempt succeeded.
    Joined { ticket: u64 },
    /// An attempt failed.
    JoinFailed { ticket: u64, error: NetworkError },
    /// A joined network is gone.
    LinkLost { ticket: u64 },
    /// The hotspot's address is up; phones come in at this interface and need addresses.
    HotspotOpened { interface: Option<String> },
    /// The hotspot is down, for a while or for good.
    HotspotClosed,
    /// A phone came.
    PhoneAttached,
    /// A phone left.
    PhoneDetached,
    /// Something a person should read.
    Trouble(String),
}

/// The platform's end.
#[derive(Debug)]
pub(crate) struct RadioHandle {
    pub(crate) wishes: watch::Sender<Wishes>,
    pub(crate) reports: mpsc::Receiver<Report>,
}

/// Where the station side stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Station {
    Idle,
    /// The attempt ended; nothing is to be done until another is wished for.
    Done {
        ticket: u64,
    },
    Joined {
        ticket: u64,
        channel: Option<u8>,
    },
}

/// The hotspot that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OpenHotspot {
    /// The radio channel it was asked to be on.
    channel: u8,
    /// It can stay open beside a network connection.
    is_beside: bool,
}

/// The task.
pub(crate) struct RadioTask<W> {
    wifi: W,
    wishes: watch::Receiver<Wishes>,
    reports: mpsc::Sender<Report>,
    station: Station,
    open_hotspot: Option<OpenHotspot>,
    turn: Turn,
    beside_failure_count: u8,
    hotspot_retry_at: Option<Instant>,
    last_trouble: Option<String>,
    scans_done: u64,
    heard: Option<(Instant, Vec<SeenNetwork>)>,
    /// Something changed after which the hotspot may get an interface of its own.
    is_recheck_due: bool,
}

impl<W: Wifi> RadioTask<W> {
    /// Makes the task and the platform's end of it.
    pub(crate) fn new(wifi: W) -> (Self, RadioHandle) {
        let (wish_sender, wishes) = watch::channel(Wishes::default());
        let (report_sender, reports) = mpsc::channel(REPORT_QUEUE_LEN_MAX);
        let task = Self {
            wifi,
            wishes,
            reports: report_sender,
            station: Station::Idle,
            open_hotspot: None,
            turn: Turn::default(),
            beside_failure_count: 0,
            hotspot_retry_at: None,
            last_trouble: None,
            scans_done: 0,
            heard: None,
            is_recheck_due: false,
        };
        (task, RadioHandle { wishes: wish_sender, reports })
    }

    /// Runs until the platform is dropped, then leaves the radio as it found it.
    pub(crate) async fn run(mut self) {
        while !self.reports.is_closed() && self.wishes.has_changed().is_ok() {
            let wishes = self.wishes.borrow_and_update().clone();
            // One moment for both: what is not yet due in the step must wake the wait.
            let now = Instant::now();
            if !self.step(&wishes, now).await {
                self.wait(&wishes, now).await;
            }
        }
        self.wifi.leave().await;
        self.wifi.close_hotspot().await;
    }

    /// Does the next thing that is to be done; `false` when there is none.
    async fn step(&mut self, wishes: &Wishes, now: Instant) -> bool {
        if wishes.hotspot.is_none() {
            self.turn.note_no_hotspot_wish();
        } else {
            self.turn.note_hotspot_wish(self.joined_ticket().map(|_joined| now));
        }
        if self.must_leave(wishes) {
            self.station = Station::Idle;
            self.wifi.leave().await;
            return true;
        }
        if self.open_hotspot.is_some() && wishes.hotspot.is_none() {
            self.shut_hotspot().await;
            return true;
        }
        if std::mem::take(&mut self.is_recheck_due) && self.can_move_hotspot(wishes.visit_count).await {
            self.shut_hotspot().await;
            return true;
        }
        let is_beside = self.is_beside().await;
        if let Some(wish) = wishes.station.as_ref().filter(|wish| !self.is_tried(wish.ticket)) {
            if is_beside || !self.turn.holds_join(self.open_hotspot.is_some(), wishes.visit_count, now) {
                self.try_join(wish, is_beside).await;
                return true;
            }
        } else if wishes.scan_count != self.scans_done {
            self.scan(wishes.scan_count, is_beside).await;
            return true;
        }
        if let Some(hotspot) = &wishes.hotspot {
            return self.keep_hotspot(hotspot, is_beside, wishes.visit_count, now).await;
        }
        false
    }

    /// Waits for another wish, for something that happens by itself, or for the time of the next try.
    async fn wait(&mut self, wishes: &Wishes, now: Instant) {
        let turn_ends_at = self.turn.next_change(self.joined_ticket().is_some());
        let until = [self.hotspot_retry_at.filter(|_due| wishes.hotspot.is_some()), turn_ends_at];
        // What is due and was not done waits for something else.
        let until = until.into_iter().flatten().filter(|until| *until > now).min();
        let timer = async {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            // A sender that is gone ends the loop.
            _changed = self.wishes.changed() => {}
            _closed = self.reports.closed() => {}
            change = self.wifi.next_change() => self.handle_change(change).await,
            () = timer => {}
        }
    }

    async fn handle_change(&mut self, change: WifiChange) {
        match change {
            WifiChange::StationLost => {
                if let Station::Joined { ticket, .. } = self.station {
                    self.station = Station::Done { ticket };
                    self.report(Report::LinkLost { ticket }).await;
                }
            }
            WifiChange::HotspotLost => {
                if self.open_hotspot.take().is_some() {
                    self.hotspot_retry_at = Some(Instant::now() + HOTSPOT_RETRY_WAIT);
                    self.report(Report::HotspotClosed).await;
                }
            }
            WifiChange::PhoneAttached => self.report(Report::PhoneAttached).await,
            WifiChange::PhoneDetached => self.report(Report::PhoneDetached).await,
            WifiChange::Recheck => {
                self.hotspot_retry_at = None;
                self.is_recheck_due = true;
            }
        }
    }

    fn must_leave(&self, wishes: &Wishes) -> bool {
        let wanted = wishes.station.as_ref().map(|wish| wish.ticket);
        match self.station {
            Station::Idle => false,
            Station::Done { ticket } | Station::Joined { ticket, .. } => wanted != Some(ticket),
        }
    }

    fn is_tried(&self, wished: u64) -> bool {
        match self.station {
            Station::Idle => false,
            Station::Done { ticket } | Station::Joined { ticket, .. } => ticket == wished,
        }
    }

    fn joined_ticket(&self) -> Option<u64> {
        match self.station {
            Station::Joined { ticket, .. } => Some(ticket),
            Station::Idle | Station::Done { .. } => None,
        }
    }

    /// Says whether hotspot and network connection need not take turns. An interface that appears while the hotspot
    /// is open on the other one is taken when it opens the next time.
    async fn is_beside(&mut self) -> bool {
        if self.beside_failure_count >= BESIDE_FAILURE_COUNT_MAX {
            return false;
        }
        match self.open_hotspot {
            Some(open) => open.is_beside,
            None => self.wifi.has_hotspot_interface().await,
        }
    }

    /// Says whether the hotspot, which is open where it takes turns, could be open beside a network connection by now
    /// and nobody would notice the move. At start the interface of its own often comes a moment too late.
    async fn can_move_hotspot(&mut self, visit_count: u64) -> bool {
        self.beside_failure_count < BESIDE_FAILURE_COUNT_MAX
            && self.open_hotspot.is_some_and(|open| !open.is_beside)
            && !self.turn.was_visited(visit_count)
            && self.wifi.has_hotspot_interface().await
    }

    async fn try_join(&mut self, wish: &StationWish, is_beside: bool) {
        let ticket = wish.ticket;
        let mut wishes = self.wishes.clone();
        let given_up =
            wishes.wait_for(|wishes| wishes.station.as_ref().map(|wish| wish.ticket) != Some(ticket));
        let outcome = tokio::select! {
            biased;
            _other_wish = given_up => None,
            joined = self.join(&wish.network, is_beside) => Some(joined),
        };
        match outcome {
            None => {
                self.wifi.leave().await;
                self.station = Station::Idle;
            }
            Some(Ok(link)) => {
                self.station = Station::Joined { ticket, channel: link.channel };
                self.turn.note_joined(Instant::now());
                self.report(Report::Joined { ticket }).await;
            }
            Some(Err(error)) => {
                self.station = Station::Done { ticket };
                self.note_trouble(&error).await;
                self.report(Report::JoinFailed { ticket, error: error.network_error() }).await;
            }
        }
    }

    /// Joins; a hotspot that would hinder it gives way and comes back afterwards. One radio is on one channel at a time.
    async fn join(&mut self, network: &Network, is_beside: bool) -> Result<JoinedLink, WifiError> {
        if is_beside && self.open_hotspot.is_some() {
            // Listening does not disturb the hotspot, so that it stays open while the network is not there.
            let hidden = network.is_hidden.then_some(&network.ssid);
            let heard = self.wifi.scan(hidden).await?;
            self.keep_heard(heard);
            if !network.is_hidden && !self.heard().iter().any(|seen| heard::is_network(seen, network)) {
                return Err(WifiError::NotFound);
            }
        }
        let is_in_the_way = self.open_hotspot.is_some_and(|hotspot| {
            !is_beside || heard::channel_of(self.heard(), network) != Some(hotspot.channel)
        });
        if is_in_the_way {
            self.shut_hotspot().await;
        }
        self.wifi.join(network).await
    }

    /// What was heard last.
    fn heard(&self) -> &[SeenNetwork] {
        self.heard.as_ref().map_or(&[], |(_heard_at, heard)| heard)
    }

    async fn scan(&mut self, scan_count: u64, is_beside: bool) {
        self.scans_done = scan_count;
        if self.open_hotspot.is_some() && !is_beside {
            // Listening would throw every phone out of the hotspot.
            let last = self.heard.as_ref().map(|(_heard_at, heard)| heard.clone());
            self.report(Report::Scanned(last)).await;
            return;
        }
        match self.wifi.scan(None).await {
            Ok(heard) => {
                self.keep_heard(heard.clone());
                self.report(Report::Scanned(Some(heard))).await;
            }
            Err(error) => {
                self.note_trouble(&error).await;
                self.report(Report::Scanned(None)).await;
            }
        }
    }

    fn keep_heard(&mut self, heard: Vec<SeenNetwork>) {
        self.heard = Some((Instant::now(), heard));
    }

    /// Opens the hotspot where that is possible now; `false` when nothing changed.
    async fn keep_hotspot(
        &mut self,
        hotspot: &HotspotRequest,
        is_beside: bool,
        visit_count: u64,
        now: Instant,
    ) -> bool {
        let station_channel = match self.station {
            Station::Joined { ticket, channel } => {
                if !is_beside {
                    if !self.turn.ends_station(now) {
                        return false;
                    }
                    self.station = Station::Done { ticket };
                    self.wifi.leave().await;
                    self.report(Report::LinkLost { ticket }).await;
                    return true;
                }
                channel
            }
            Station::Idle | Station::Done { .. } => None,
        };
        if self.open_hotspot.is_some() || self.hotspot_retry_at.is_some_and(|retry_at| now < retry_at) {
            return false;
        }
        if !is_beside {
            self.listen_before_hotspot().await;
        }
        let channel = station_channel.unwrap_or_else(|| heard::quietest_channel(self.heard()));
        let request = HotspotRequest { channel: Some(channel), ..hotspot.clone() };
        match self.wifi.open_hotspot(&request).await {
            Ok(opened) => {
                self.hotspot_retry_at = None;
                self.last_trouble = None;
                self.open_hotspot = Some(OpenHotspot { channel, is_beside: opened.is_beside });
                self.turn.note_hotspot(Instant::now(), visit_count);
                self.report(Report::HotspotOpened { interface: opened.interface }).await;
            }
            Err(error) => {
                if is_beside && self.joined_ticket().is_some() {
                    self.beside_failure_count = self.beside_failure_count.saturating_add(1);
                }
                self.hotspot_retry_at = Some(Instant::now() + HOTSPOT_RETRY_WAIT);
                self.note_trouble(&error).await;
            }
        }
        true
    }

    /// A radio that takes turns is deaf while its hotspot is open, and the setup page needs a list.
    async fn listen_before_hotspot(&mut self) {
        let is_fresh =
            self.heard.as_ref().is_some_and(|(heard_at, _heard)| heard_at.elapsed() < SCAN_AGE_MAX);
        if is_fresh {
            return;
        }
        if let Ok(Ok(heard)) = tokio::time::timeout(SCAN_BEFORE_HOTSPOT, self.wifi.scan(None)).await {
            self.keep_heard(heard);
        }
    }

    async fn shut_hotspot(&mut self) {
        self.open_hotspot = None;
        self.wifi.close_hotspot().await;
        self.report(Report::HotspotClosed).await;
    }

    /// Says what is wrong once, not at every try.
    async fn note_trouble(&mut self, error: &WifiError) {
        let text = match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        if self.last_trouble.as_ref() != Some(&text) {
            self.last_trouble = Some(text.clone());
            self.report(Report::Trouble(text)).await;
        }
    }

    async fn report(&self, report: Report) {
        // When the platform is gone the loop ends.
        if self.reports.send(report).await.is_err() {
            tracing::debug!("nobody takes the radio's reports any more");
        }
    }
}

#[cfg(test)]
mod tests;
