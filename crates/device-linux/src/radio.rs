//! Makes the Wi-Fi interfaces follow what the agent wishes for.
//!
//! The platform writes its wishes into one place, newest wins, and the task works towards them one step at a time. A
//! radio with an interface of its own for the hotspot keeps the hotspot open beside the network connection; any other
//! radio does both in turn. Reports carry the number of the wish they answer, so that old answers are dropped.

mod listening;
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
/// Age from which an attempt to join no longer counts as new: the lifecycle gives each 25 s, and one that waited may be
/// given up half way.
const NEW_JOIN_AGE_MAX: Duration = Duration::from_secs(5);

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
    /// Since when.
    pub(crate) wished_at: Instant,
    /// [`Wishes::visit_count`] when the attempt was wished for, or the first of the round that it goes on with.
    pub(crate) visit_count: u64,
}

impl StationWish {
    /// Says whether the lifecycle still gives the attempt most of its time.
    fn is_new(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.wished_at) < NEW_JOIN_AGE_MAX
    }
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

/// What is to be done when nothing else is.
#[derive(Clone, Copy, Debug, Default)]
struct Due {
    /// A network was not joined, so that the hotspot is likely to be wished for.
    listening: bool,
    /// Something changed after which the hotspot may get an interface of its own.
    recheck: bool,
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
    /// The hotspot did not open, so that the next attempt to join need not wait for it.
    is_join_first: bool,
    started_at: Instant,
    scans_done: u64,
    heard: Option<(Instant, Vec<SeenNetwork>)>,
    due: Due,
    /// The radio cannot be reached any more.
    is_gone: bool,
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
            is_join_first: false,
            started_at: Instant::now(),
            scans_done: 0,
            heard: None,
            due: Due::default(),
            is_gone: false,
        };
        (task, RadioHandle { wishes: wish_sender, reports })
    }

    /// Runs until the platform is dropped, then leaves the radio as it found it. Ends earlier only when the radio cannot be
    /// reached any more.
    pub(crate) async fn run(mut self) {
        while !self.is_gone && !self.reports.is_closed() && self.wishes.has_changed().is_ok() {
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
        self.turn.note_visits(wishes.visit_count, now);
        if self.must_leave(wishes) {
            self.station = Station::Idle;
            self.wifi.leave().await;
            return true;
        }
        if self.open_hotspot.is_some() && wishes.hotspot.is_none() {
            self.shut_hotspot().await;
            return true;
        }
        if std::mem::take(&mut self.due.recheck) && self.can_move_hotspot(wishes.visit_count).await {
            self.shut_hotspot().await;
            return true;
        }
        let is_beside = self.is_beside().await;
        // Looking for networks takes half a minute, and whoever stands in front of the device waits for the hotspot.
        if self.open_hotspot.is_none()
            && !self.is_join_first
            && self.keep_hotspot(wishes, is_beside, now).await
        {
            return true;
        }
        if let Some(wish) = wishes.station.as_ref().filter(|wish| !self.is_tried(wish.ticket)) {
            let is_held = self.open_hotspot.is_some() && self.turn.holds_join(wish, wishes.visit_count, now);
            if is_beside || !is_held {
                self.try_join(wish, wishes, is_beside).await;
                return true;
            }
        } else if wishes.scan_count != self.scans_done {
            self.scan(wishes.scan_count, is_beside).await;
            return true;
        } else if wishes.hotspot.is_none() && std::mem::take(&mut self.due.listening) {
            self.listen_ahead().await;
            return true;
        }
        self.keep_hotspot(wishes, is_beside, now).await
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
                self.due.recheck = true;
            }
            WifiChange::Gone => self.is_gone = true,
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

    /// Joins until that ends, or until something else is wished for: another network, or a hotspot that was not.
    async fn try_join(&mut self, wish: &StationWish, wishes: &Wishes, is_beside: bool) {
        let ticket = wish.ticket;
        let is_new = wish.is_new(Instant::now());
        let is_hotspot_wished = wishes.hotspot.is_some();
        let mut newer = self.wishes.clone();
        let given_up = newer.wait_for(|wishes| {
            wishes.station.as_ref().map(|wish| wish.ticket) != Some(ticket)
                || (!is_hotspot_wished && wishes.hotspot.is_some())
        });
        let outcome = tokio::select! {
            biased;
            _other_wish = given_up => None,
            joined = self.join(&wish.network, is_beside) => Some(joined),
        };
        if is_new {
            self.is_join_first = false;
        }
        match outcome {
            None => {
                self.due.listening = true;
                self.wifi.leave().await;
                self.station = Station::Idle;
            }
            Some(Ok(link)) => {
                self.station = Station::Joined { ticket, channel: link.channel };
                self.turn.note_joined(Instant::now());
                self.report(Report::Joined { ticket }).await;
            }
            Some(Err(error)) => {
                self.due.listening = true;
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
            self.turn.note_way_given(Instant::now());
            self.shut_hotspot().await;
        }
        self.wifi.join(network).await
    }

    /// Opens the hotspot where that is possible now; `false` when nothing changed.
    async fn keep_hotspot(&mut self, wishes: &Wishes, is_beside: bool, now: Instant) -> bool {
        let Some(hotspot) = &wishes.hotspot else { return false };
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
        // Beside a network connection its channel is given, and the list can be had at any time.
        if !is_beside || (station_channel.is_none() && self.heard.is_none()) {
            self.listen_before_hotspot().await;
        }
        let channel = station_channel.unwrap_or_else(|| heard::quietest_channel(self.heard()));
        let request = HotspotRequest { channel: Some(channel), ..hotspot.clone() };
        match self.wifi.open_hotspot(&request).await {
            Ok(opened) => {
                self.hotspot_retry_at = None;
                self.is_join_first = false;
                self.last_trouble = None;
                self.open_hotspot = Some(OpenHotspot { channel, is_beside: opened.is_beside });
                self.turn.note_hotspot(Instant::now(), wishes.visit_count);
                self.report(Report::HotspotOpened { interface: opened.interface }).await;
            }
            Err(error) => {
                if is_beside && self.joined_ticket().is_some() {
                    self.beside_failure_count = self.beside_failure_count.saturating_add(1);
                }
                self.hotspot_retry_at = Some(Instant::now() + HOTSPOT_RETRY_WAIT);
                self.is_join_first = true;
                self.note_trouble(&error).await;
            }
        }
        true
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
