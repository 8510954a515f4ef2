//! Radio and cloud connections of boards.

use super::{What, World};
use crate::Sabotage;
use crate::board::CLOUD_HOST;
use crate::cloud::{Meaning, Peer, Session};
use crate::dice::Dice;
use crate::io::{Dialed, Signal};
use crate::judge::Authority;
use crate::place::{Beyond, JoinOutcome, Trouble};
use crate::plan::CloudTrouble;
use crate::slots::Conduct;
use device::captive_portal::{ProbeAnswer, may_be_login_page, read_probe_answer};
use device::{Event, ScanList, SeenNetwork};
use home_store::Network;
use lifecycle::{CloudError, NetworkError};

/// How long a frame is under way, in milliseconds. The same for all, so that none overtakes another.
pub(super) const LATENCY_MS: u64 = 60;

impl World {
    pub(super) fn start_scan(&mut self, index: usize) {
        let Some(board) = self.boards.get_mut(index) else { return };
        let (wait_ms, generation) = (board.dice.between(1_500, 2_500), board.power_generation);
        self.push_in(wait_ms, What::Scanned { board: index, generation });
    }

    pub(super) fn scanned(&mut self, index: usize, generation: u32) {
        let Some(board) = self.boards.get_mut(index).filter(|board| board.power_generation == generation)
        else {
            return;
        };
        let Some(place) = self.places.get(board.place) else { return };
        let mut heard: Vec<_> = place.audible().collect();
        heard.sort_by_key(|ap| (std::cmp::Reverse(ap.rssi_dbm), ap.id.0));
        let scan: ScanList = heard
            .into_iter()
            .map(|ap| SeenNetwork {
                ssid: ap.ssid.iter().copied().take(32).collect(),
                bssid: ap.bssid(),
                rssi_dbm: ap.rssi_dbm,
                security: ap.security,
                channel: 6,
            })
            .take(device::SCAN_COUNT_MAX)
            .collect();
        board.io.scan.replace(scan);
        self.signal(index, Signal::Event(Event::ScanDone));
    }

    pub(super) fn start_join(&mut self, index: usize, network: Network) {
        let Some(board) = self.boards.get_mut(index) else { return };
        board.join_generation += 1;
        board.joined = None;
        board.session.close();
        board.judge.note_join(&network);
        let (wait_ms, generation) = (board.dice.between(1_000, 4_000), board.join_generation);
        board.joining = Some(network);
        self.push_in(wait_ms, What::JoinAnswer { board: index, generation });
    }

    pub(super) fn join_answered(&mut self, index: usize, generation: u32) {
        let Some(board) = self.boards.get_mut(index).filter(|board| board.join_generation == generation)
        else {
            return;
        };
        let (Some(place), Some(network)) = (self.places.get(board.place), board.joining.take()) else {
            return;
        };
        let outcome =
            if board.conduct == Conduct::Deaf { JoinOutcome::NotFound } else { place.join(&network) };
        let event = match outcome {
            JoinOutcome::Joined(id) => {
                board.joined = Some(id);
                board.io.is_joined.set(true);
                Event::Joined
            }
            JoinOutcome::NotFound => Event::JoinFailed(NetworkError::NotFound),
            JoinOutcome::Refused => Event::JoinFailed(NetworkError::Authentication),
            JoinOutcome::NoAddress => Event::JoinFailed(NetworkError::NoAddress),
            // The shell's own limit ends the attempt.
            JoinOutcome::Silence => return,
        };
        self.signal(index, Signal::Event(event));
    }

    pub(super) fn leave(&mut self, index: usize) {
        let Some(board) = self.boards.get_mut(index) else { return };
        board.join_generation += 1;
        board.joined = None;
        board.joining = None;
        board.session.close();
        board.judge.note_leave();
    }

    /// After a place changed: boards whose access point is gone will notice.
    pub(super) fn check_links(&mut self, place: usize) {
        for index in 0..self.boards.len() {
            let Some(board) = self.boards.get_mut(index).filter(|board| board.place == place) else {
                continue;
            };
            let is_gone = board
                .joined
                .is_some_and(|id| self.places.get(place).is_none_or(|place| place.find(id).is_none()));
            if is_gone {
                board.session.is_broken = true;
                let (wait_ms, generation) = (board.dice.between(500, 8_000), board.join_generation);
                self.push_in(wait_ms, What::LinkLost { board: index, generation });
            }
            self.judge(index);
        }
    }

    pub(super) fn link_lost(&mut self, index: usize, generation: u32) {
        let now_ms = self.now();
        let Some(board) = self.boards.get_mut(index).filter(|board| board.join_generation == generation)
        else {
            return;
        };
        let Some(id) = board.joined else { return };
        if self.places.get(board.place).is_some_and(|place| place.find(id).is_some()) {
            // It was back before anybody noticed.
            return;
        }
        board.joined = None;
        board.io.is_joined.set(false);
        board.io.is_connected.set(false);
        board.session.close();
        board.judge.note_link_lost(now_ms);
        self.signal(index, Signal::Event(Event::LinkLost));
    }

    /// The line of a place went: some connections are reset, others just fall silent.
    pub(super) fn break_sessions(&mut self, place: Option<usize>, is_told: bool) {
        for index in 0..self.boards.len() {
            let Some(board) = self.boards.get_mut(index) else { continue };
            if place.is_some_and(|place| place != board.place) || board.session.peer.is_none() {
                continue;
            }
            if is_told || board.dice.chance(500) {
                let (wait_ms, generation) = (board.dice.between(500, 20_000), board.session.generation);
                self.push_in(wait_ms, What::Closed { board: index, generation });
            } else {
                board.session.is_broken = true;
            }
        }
    }

    pub(super) fn start_dial(&mut self, index: usize, dialed: Dialed) {
        let Some(board) = self.boards.get_mut(index) else { return };
        board.session.close();
        let generation = board.session.generation;
        let Dialed { token, is_tls, is_download } = dialed;
        board.session = Session { generation, token, is_tls, is_download, ..Session::default() };
        let wait_ms = board.dice.between(200, 2_500);
        self.push_in(wait_ms, What::Dialed { board: index, generation });
    }

    pub(super) fn dialed(&mut self, index: usize, generation: u32) {
        let Some(board) = self.boards.get_mut(index).filter(|board| board.session.generation == generation)
        else {
            return;
        };
        let Some(place) = self.places.get(board.place) else { return };
        let Some(ap) = board.joined.and_then(|id| place.find(id)) else { return };
        let is_tls = board.session.is_tls;
        let peer = if board.conduct == Conduct::Mute {
            // Nobody's answers reach such a firmware, an impostor's no more than the cloud's: it must not be confirmed.
            Err(CloudError::Timeout)
        } else if ap.beyond == Beyond::Captive || (ap.is_own && place.has(Trouble::Captive)) {
            if is_tls { Err(CloudError::CaptivePortal) } else { Ok(Peer::Captive) }
        } else if ap.beyond == Beyond::Impostor {
            if is_tls { Err(CloudError::Certificate) } else { Ok(Peer::Impostor) }
        } else if place.has(Trouble::LineDown) {
            Err(CloudError::Timeout)
        } else if place.has(Trouble::NoDns) {
            Err(CloudError::Dns)
        } else if is_tls && (place.has(Trouble::BadCertificate) || board.io.is_clock_wrong.get()) {
            Err(CloudError::Certificate)
        } else {
            match self.cloud.trouble() {
                None | Some(CloudTrouble::RefusesAll) if board.session.is_download => Ok(Peer::Files),
                None | Some(CloudTrouble::RefusesAll) => Ok(Peer::Cloud),
                Some(CloudTrouble::Down) => Err(CloudError::Timeout),
                Some(CloudTrouble::Silent) => Ok(Peer::Silent),
                Some(CloudTrouble::Garbage) => Ok(Peer::Garbage),
                Some(CloudTrouble::Busy) => Ok(Peer::Busy),
                Some(CloudTrouble::HangsUp) => Ok(Peer::HangsUp),
            }
        };
        match peer {
            Ok(peer) => {
                board.session.peer = Some(peer);
                board.io.is_connected.set(true);
                self.signal(index, Signal::Event(Event::CloudConnected { is_verified_tls: is_tls }));
            }
            // Some stacks never report a connection that nobody answers; then the shell's own limit ends the attempt.
            Err(CloudError::Timeout) if board.dice.chance(500) => {}
            Err(CloudError::Timeout) => {
                let wait_ms = board.dice.between(3_000, 20_000);
                self.push_in(wait_ms, What::DialFailed { board: index, generation, is_captive: false });
            }
            Err(CloudError::CaptivePortal) => {
                // One that lets TLS run into silence is found after the dial's own limit and the question.
                let wait_ms = if board.dice.chance(300) { board.dice.between(3_000, 24_000) } else { 0 };
                self.push_in(wait_ms, What::DialFailed { board: index, generation, is_captive: true });
            }
            Err(error) => self.signal(index, Signal::Event(Event::CloudFailed(error))),
        }
    }

    /// The platform found out that there is no connection; behind a log-in page it asked once more.
    pub(super) fn dial_failed(&mut self, index: usize, generation: u32, is_captive: bool) {
        let now_ms = self.now();
        let is_current = |board: &&mut crate::board::Board| {
            board.session.generation == generation && board.session.peer.is_none() && board.joined.is_some()
        };
        let Some(board) = self.boards.get_mut(index).filter(is_current) else { return };
        let mut error = CloudError::Timeout;
        if is_captive {
            board.judge.note_captive(now_ms);
            let failures = [CloudError::Certificate, CloudError::Timeout, CloudError::Other];
            error = board.dice.pick(&failures).unwrap_or(CloudError::Other);
            if may_be_login_page(error)
                && self.spec.sabotage != Some(Sabotage::NoQuestion)
                && finds_login_page(&mut board.dice)
            {
                error = CloudError::CaptivePortal;
            }
        }
        self.signal(index, Signal::Event(Event::CloudFailed(error)));
    }

    pub(super) fn hang_up(&mut self, index: usize) {
        if let Some(board) = self.boards.get_mut(index) {
            board.session.close();
        }
    }

    pub(super) fn uplink(&mut self, index: usize, frame: &[u8]) {
        let now_ms = self.now();
        let Some(board) = self.boards.get_mut(index) else { return };
        let is_own =
            self.places.get(board.place).and_then(|place| place.find(board.joined?).map(|ap| (place, ap)));
        let is_line_down = is_own.is_none_or(|(place, ap)| {
            ap.is_own
                && (place.has(Trouble::LineDown)
                    || (place.has(Trouble::Captive) && board.session.is_online()))
        });
        board.session.is_broken |= is_line_down;
        if board.session.is_broken {
            return;
        }
        if board.session.peer == Some(Peer::Files) {
            return self.serve_file(index, frame);
        }
        self.cloud.receive(&mut board.session, frame, now_ms);
        self.flush(index);
    }

    /// Sends what stands in the downlink on its way.
    pub(super) fn flush(&mut self, index: usize) {
        let Some(board) = self.boards.get_mut(index) else { return };
        let generation = board.session.generation;
        let waiting = board.session.downlink.len().saturating_sub(board.session.under_way);
        board.session.under_way += waiting;
        let closes_in = board.session.is_closing.then_some(match board.session.peer {
            Some(Peer::HangsUp) => 3_000,
            _ => LATENCY_MS + 1,
        });
        for _ in 0..waiting {
            self.push_in(LATENCY_MS, What::Downlink { board: index, generation });
        }
        if let Some(wait_ms) = closes_in {
            self.push_in(wait_ms, What::Closed { board: index, generation });
        }
    }

    pub(super) fn deliver(&mut self, index: usize, generation: u32) {
        let now_ms = self.now();
        let Some(board) = self.boards.get_mut(index).filter(|board| board.session.generation == generation)
        else {
            return;
        };
        let Some((bytes, meaning)) = board.session.downlink.pop_front() else { return };
        board.session.under_way = board.session.under_way.saturating_sub(1);
        if board.session.is_broken {
            return;
        }
        let token = board.session.token;
        let has_key = board.judge.home.as_ref().is_some_and(|home| home.cloud.release_key.is_some());
        match meaning {
            Meaning::Nothing => {}
            Meaning::Accepted => board.judge.note_accepted(&token),
            Meaning::NoToken => board.judge.note_no_token(),
            Meaning::Refused => board.judge.note_refused(&token, now_ms),
            Meaning::Claim => board.judge.has_claim_arrived = true,
            Meaning::Erase if has_key => {}
            Meaning::TrueOrder | Meaning::Erase => board.judge.authority = Some(Authority::Release),
        }
        if meaning != Meaning::Nothing {
            board.io.note(format_args!("cloud says: {meaning:?}"));
        }
        self.signal(index, Signal::CloudBytes(bytes));
        if meaning == Meaning::Accepted {
            self.order_update(index);
        }
    }

    pub(super) fn closed(&mut self, index: usize, generation: u32) {
        let is_current = |board: &&mut crate::board::Board| {
            board.session.generation == generation && board.session.peer.is_some()
        };
        let Some(board) = self.boards.get_mut(index).filter(is_current) else { return };
        board.session.close();
        board.io.is_connected.set(false);
        self.signal(index, Signal::Event(Event::CloudClosed));
    }
}

/// What a platform makes of the page that answers for the cloud.
fn finds_login_page(dice: &mut Dice) -> bool {
    let pages = [
        "HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<html>",
        "HTTP/1.1 511 Network Authentication Required\r\n\r\n",
    ];
    let page = dice.pick(&pages).unwrap_or_default();
    read_probe_answer(page.as_bytes(), CLOUD_HOST) == ProbeAnswer::LoginPage
}
