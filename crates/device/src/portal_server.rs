//! Serves the portal: collects requests, acts on them, and sends what `portal` renders.

use core::time::Duration;

use embedded_storage_async::nor_flash::NorFlash;
use lifecycle::Input;
use portal::{
    Access, ClaimRefusal, Dialect, Identity, ParsedRequest, PortalMode, PortalView, Progress,
    REQUEST_BYTES_MAX, Route, Routed, ScanEntry, ScanView, Trial, parse_request, respond_chunk,
    route_parse_error, route_with_lock,
};

use crate::agent::Agent;
use crate::application::Application;
use crate::door::Door;
use crate::platform::{
    ConnectionIndex, PORTAL_CONNECTION_COUNT_MAX, Platform, SCAN_COUNT_MAX, ScanList, SeenNetwork,
};
use crate::portal_release::PortalRelease;

/// Part of an answer that is rendered and sent at once.
const ANSWER_CHUNK_BYTES: usize = 1024;

/// How long a phone may take for an answer until no further part is begun. With the 2 s that a platform gives the part
/// under way, nothing else waits longer than 5 s for a phone that reads slowly; our page takes less than one. Ours.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(3);

/// Answer when the device is storing, erasing or restarting and can take no candidate.
const BUSY_ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n\
Content-Length: 70\r\nRetry-After: 5\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n\
{\"status\":\"error\",\"msg\":\"The device is busy, try again in a moment.\"}\n";

/// What the portal remembers between requests.
#[derive(Debug)]
pub(crate) struct PortalServer {
    slots: [Slot; PORTAL_CONNECTION_COUNT_MAX],
    pub(crate) scan: Option<ScanList>,
    pub(crate) is_scanning: bool,
    pub(crate) trial: Trial,
    pub(crate) attempt: u32,
    pub(crate) trial_ssid: heapless::Vec<u8, 32>,
    /// Why the candidate got no token for its claim code.
    pub(crate) claim_refusal: Option<ClaimRefusal>,
    pub(crate) release: PortalRelease,
}

#[derive(Debug, Default)]
struct Slot {
    request: heapless::Vec<u8, REQUEST_BYTES_MAX>,
    is_waiting_for_scan: bool,
}

impl PortalServer {
    pub(crate) fn new() -> Self {
        Self {
            slots: core::array::from_fn(|_| Slot::default()),
            scan: None,
            is_scanning: false,
            trial: Trial::None,
            attempt: 0,
            trial_ssid: heapless::Vec::new(),
            claim_refusal: None,
            release: PortalRelease::None,
        }
    }

    pub(crate) fn clear_slot(&mut self, connection: ConnectionIndex) {
        if let Some(slot) = self.slots.get_mut(connection.0) {
            // Requests carry passwords and tokens.
            slot.request.iter_mut().for_each(|byte| *byte = 0);
            slot.request.clear();
            slot.is_waiting_for_scan = false;
        }
    }

    pub(crate) fn clear_slots(&mut self) {
        (0..PORTAL_CONNECTION_COUNT_MAX).for_each(|index| self.clear_slot(ConnectionIndex(index)));
    }
}

/// What a request asks the shell to do.
enum Act {
    Answer,
    AnswerThen(Input),
    CountProof,
    Submit,
    Release,
    Busy,
    WaitForScan,
}

impl<P: Platform, A: Application, F: NorFlash> Agent<'_, P, A, F> {
    /// Takes bytes of a portal connection; answers when a request is complete.
    pub(crate) async fn portal_received(&mut self, connection: ConnectionIndex, bytes: &[u8]) {
        let Some(slot) = self.portal.slots.get_mut(connection.0) else {
            return;
        };
        // A request that does not fit is refused by the parser, which sees the limit before the end of the buffer.
        let room = slot.request.capacity().saturating_sub(slot.request.len());
        if slot.request.extend_from_slice(bytes.get(..bytes.len().min(room)).unwrap_or_default()).is_ok() {
            self.serve_slot(connection).await;
        }
    }

    /// Answers everybody who waits for a scan.
    pub(crate) async fn portal_scan_done(&mut self) {
        self.portal.scan = Some(self.platform.scan_list());
        self.portal.is_scanning = false;
        for index in 0..PORTAL_CONNECTION_COUNT_MAX {
            if self.portal.slots.get(index).is_some_and(|slot| slot.is_waiting_for_scan) {
                self.serve_slot(ConnectionIndex(index)).await;
            }
        }
    }

    async fn serve_slot(&mut self, connection: ConnectionIndex) {
        let Some(slot) = self.portal.slots.get_mut(connection.0) else {
            return;
        };
        let was_waiting = slot.is_waiting_for_scan;
        // The request leaves its slot while it is served, so that serving may change everything else.
        let request_bytes = core::mem::take(&mut slot.request);
        let access = if self.machine.has_home() { Access::Recovery } else { Access::Provisioning };
        let door = Door::of(self.config.pop.as_ref());
        let mode = PortalMode {
            dialect: Dialect::Rehome,
            access,
            is_guarded: door.is_guarded(),
            host_name: self.config.portal_host,
        };
        let routed = match parse_request(&request_bytes) {
            ParsedRequest::Incomplete => return self.put_back(connection, request_bytes, false),
            ParsedRequest::Complete { request, .. } => {
                route_with_lock(&request, &mode, &mut self.lock, door.own_proof())
            }
            ParsedRequest::Error(error) => route_parse_error(error, &mode),
        };
        match self.act(&routed, was_waiting).await {
            Act::WaitForScan => return self.put_back(connection, request_bytes, true),
            Act::Busy => self.send_portal(connection, BUSY_ANSWER).await,
            Act::Answer => {
                self.render(connection, &routed).await;
            }
            Act::Submit => {
                self.submit(&routed).await;
                self.render(connection, &routed).await;
            }
            Act::Release => {
                if let Route::Release(text) = &routed.route {
                    self.take_portal_order(text).await;
                }
                self.render(connection, &routed).await;
            }
            Act::AnswerThen(input) => {
                let is_sent = self.render(connection, &routed).await;
                self.platform.close_portal(connection);
                if is_sent || input != Input::ResultRead {
                    self.feed(input).await;
                }
            }
            Act::CountProof => {
                // The answer first: the last wrong proof closes the hotspot.
                self.render(connection, &routed).await;
                self.platform.close_portal(connection);
                self.proof_counted().await;
            }
        }
        self.platform.close_portal(connection);
        self.portal.clear_slot(connection);
    }

    fn put_back(
        &mut self,
        connection: ConnectionIndex,
        request: heapless::Vec<u8, REQUEST_BYTES_MAX>,
        is_waiting_for_scan: bool,
    ) {
        if let Some(slot) = self.portal.slots.get_mut(connection.0) {
            *slot = Slot { request, is_waiting_for_scan };
        }
    }

    async fn act(&mut self, routed: &Routed<'_>, was_waiting: bool) -> Act {
        // Phones send probes by themselves, for as long as they are attached.
        if !matches!(routed.route, Route::Redirect(_) | Route::CaptiveApi) {
            self.feed(Input::PortalRequested).await;
        }
        match &routed.route {
            Route::BoardInfo => {
                self.feed(Input::BoardInfoRead).await;
                Act::Answer
            }
            Route::WifiScan if !was_waiting => {
                self.start_scan();
                Act::WaitForScan
            }
            Route::Config(_) if !self.machine.accepts_candidate() => Act::Busy,
            Route::Config(_) => Act::Submit,
            Route::Release(_) => Act::Release,
            Route::Reset if !self.machine.accepts_portal_reset() => Act::Busy,
            Route::Reset => Act::AnswerThen(Input::PortalReset),
            Route::Reboot => Act::AnswerThen(Input::PortalReboot),
            Route::Status if self.portal.trial == Trial::Succeeded && !routed.is_head => {
                Act::AnswerThen(Input::ResultRead)
            }
            Route::ProofWrong { .. } | Route::DoorClosed => Act::CountProof,
            _ => Act::Answer,
        }
    }

    pub(crate) fn start_scan(&mut self) {
        if !core::mem::replace(&mut self.portal.is_scanning, true) {
            self.platform.start_scan();
        }
    }

    /// Puts the submitted home on trial. The form was checked when it was read, so it makes a home unless it asks to
    /// keep a binding that is gone by now; then the trial fails at once.
    async fn submit(&mut self, routed: &Routed<'_>) {
        let Route::Config(form) = &routed.route else {
            return;
        };
        self.portal.attempt = self.portal.attempt.wrapping_add(1);
        self.portal.trial_ssid = form.ssid.iter().copied().take(32).collect();
        self.portal.claim_refusal = None;
        self.homes.claim_code = form.claim_code;
        let network_count = self.homes.take_candidate(form, self.config);
        match u8::try_from(network_count) {
            Ok(network_count) if network_count > 0 => {
                self.portal.trial = Trial::Running;
                self.feed(Input::CandidateSubmitted { network_count }).await;
            }
            _ => self.portal.trial = Trial::Failed,
        }
    }

    /// Sends an answer; returns whether all of it went out.
    async fn render(&mut self, connection: ConnectionIndex, routed: &Routed<'_>) -> bool {
        if !routed.is_answered() {
            return false;
        }
        let mut chunk = [0; ANSWER_CHUNK_BYTES];
        let mut offset_bytes = 0;
        let until = self.platform.now().after(ANSWER_TIME_MAX);
        while offset_bytes == 0 || self.platform.now() < until {
            let rendered = self.render_chunk(routed, offset_bytes, &mut chunk);
            let bytes = chunk.get(..rendered.written_bytes).unwrap_or_default();
            if bytes.is_empty() || self.platform.answer_portal(connection, bytes).await.is_err() {
                return false;
            }
            offset_bytes = offset_bytes.saturating_add(rendered.written_bytes);
            if offset_bytes >= rendered.total_bytes {
                return true;
            }
        }
        false
    }

    async fn send_portal(&mut self, connection: ConnectionIndex, bytes: &[u8]) {
        if self.platform.answer_portal(connection, bytes).await.is_err() {
            let now = self.platform.now().as_millis();
            self.platform.log(format_args!("[{now}] A portal connection broke"));
        }
    }

    fn render_chunk(&self, routed: &Routed<'_>, offset_bytes: usize, out: &mut [u8]) -> portal::Chunk {
        let seen = self.portal.scan.as_deref().unwrap_or_default();
        let entries: heapless::Vec<ScanEntry<'_>, SCAN_COUNT_MAX> = seen.iter().map(scan_entry).collect();
        let receipt = self.portal.release.receipt_text();
        let identity = &self.config.identity;
        let ssid = (!self.portal.trial_ssid.is_empty()).then_some(self.portal.trial_ssid.as_slice());
        let view = PortalView {
            identity: Identity {
                vendor: identity.vendor,
                template_name: identity.template_name,
                template_id: identity.template_id,
                firmware_type: identity.firmware_type,
                firmware_version: identity.firmware_version,
                uid: identity.uid,
                hotspot_name: &self.hotspot_name,
                hotspot_mac: identity.hotspot_mac,
                station_mac: identity.station_mac,
                has_5ghz: identity.has_5ghz,
            },
            last_error: self.machine.last_error().map_or(0, lifecycle::ErrorCode::code),
            scan: if self.portal.scan.is_some() { ScanView::Found(&entries) } else { ScanView::Unknown },
            progress: Progress {
                state: self.machine.state().as_str(),
                trial: self.portal.trial,
                attempt: self.portal.attempt,
                ssid,
            },
            epoch: self.epoch(),
            claim_refusal: self.portal.claim_refusal,
            release: self.portal.release.outcome(receipt.as_ref(), self.homes.stored.is_some()),
        };
        respond_chunk(routed, &view, offset_bytes, out)
    }
}

fn scan_entry(seen: &SeenNetwork) -> ScanEntry<'_> {
    ScanEntry {
        ssid: &seen.ssid,
        bssid: seen.bssid,
        rssi_dbm: seen.rssi_dbm,
        security: seen.security,
        channel: seen.channel,
    }
}

#[cfg(test)]
mod tests {
    use super::BUSY_ANSWER;

    #[test]
    fn the_busy_answer_announces_its_true_length() {
        let text = core::str::from_utf8(BUSY_ANSWER).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&std::format!("Content-Length: {}\r\n", body.len())), "{}", body.len());
    }
}
