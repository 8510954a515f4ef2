//! The setup portal of the emulated Edgent boards: phones' requests in, answers out, and what a request wants done.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use portal::{
    Access, ConfigForm, Dialect, Identity, MacAddress, ParsedRequest, PortalMode, PortalView, Progress,
    REQUEST_BYTES_MAX, Route, Routed, ScanEntry, ScanView, Security, Trial, parse_request, respond_chunk,
    route, route_parse_error,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::air;
use crate::board::BoardHandle;
use crate::edgent_board::{firmware_version, say};
use crate::link::BoxPipe;

/// Time that a phone has for its request, and again for taking the answer, in milliseconds.
const VISIT_PART_MS: u64 = 10_000;
/// Bit of a hardware address that marks it as locally administered; the chip's hotspot uses it.
const LOCAL_ADDRESS_BIT: u8 = 0x02;

/// What a phone wants done; its answer was sent already.
#[derive(Debug)]
pub(crate) enum PortalAction {
    /// Nothing.
    None,
    /// Somebody reads about the board: they are configuring it.
    BoardInfoRead,
    /// New credentials.
    Config(Box<ConfigForm>),
    /// Forget.
    Reset,
    /// Restart.
    Reboot,
    /// A firmware image was sent, and refused.
    FirmwareRefused,
}

/// What the portal tells about the board; shared with the firmware that changes it.
#[derive(Debug)]
pub(crate) struct PortalSheet {
    pub(crate) dialect: Dialect,
    pub(crate) hotspot_name: String,
    pub(crate) uid: String,
    pub(crate) last_error: Cell<u16>,
    pub(crate) state: Cell<&'static str>,
}

impl PortalSheet {
    pub(crate) fn new(board: &BoardHandle, dialect: Dialect, uid: String) -> Rc<Self> {
        let identity = board.identity();
        let (vendor, template) = (&identity.vendor, &identity.template_name);
        // The ESP8266 makes its name from the six bytes of its station address. Source: edgent-device.md §4.
        let name = portal::hotspot_name_from_id(dialect, vendor, template, &identity.mac);
        Rc::new(Self {
            dialect,
            hotspot_name: name.as_str().to_owned(),
            uid,
            last_error: Cell::new(0),
            state: Cell::new("INIT"),
        })
    }
}

type Visit = Pin<Box<dyn Future<Output = PortalAction>>>;

/// Serves every phone that asks, side by side, while somebody waits for [`PortalService::next_action`].
pub(crate) struct PortalService {
    board: BoardHandle,
    sheet: Rc<PortalSheet>,
    visits: FuturesUnordered<Visit>,
}

impl PortalService {
    pub(crate) fn new(board: BoardHandle, sheet: Rc<PortalSheet>) -> Self {
        Self { board, sheet, visits: FuturesUnordered::new() }
    }

    /// Waits until a phone wants something done.
    ///
    /// # Cancel safety
    /// Visits in progress are kept.
    pub(crate) async fn next_action(&mut self) -> PortalAction {
        loop {
            tokio::select! {
                pipe = self.board.accept_phone() => {
                    self.visits.push(Box::pin(serve_visit(self.board.clone(), Rc::clone(&self.sheet), pipe)));
                }
                Some(action) = self.visits.next() => if !matches!(action, PortalAction::None) {
                    return action;
                },
            }
        }
    }

    /// Drops the visits in progress; the hotspot is gone.
    pub(crate) fn drop_visits(&mut self) {
        self.visits.clear();
    }
}

async fn serve_visit(board: BoardHandle, sheet: Rc<PortalSheet>, mut pipe: BoxPipe) -> PortalAction {
    let mut received = Vec::new();
    let mode = PortalMode::new(sheet.dialect, Access::Provisioning);
    let is_read = tokio::select! {
        is_read = read_request(&mut pipe, &mut received) => is_read,
        () = board.sleep_ms(VISIT_PART_MS) => false,
    };
    if !is_read {
        return PortalAction::None;
    }
    let routed = match parse_request(&received) {
        ParsedRequest::Complete { request, .. } => route(&request, &mode),
        ParsedRequest::Error(error) => route_parse_error(error, &mode),
        ParsedRequest::Incomplete => return PortalAction::None,
    };
    let heard = if matches!(routed.route, Route::WifiScan) { board.scan().await } else { Vec::new() };
    let answer = render(&board, &sheet, &routed, &heard);
    let sending = async {
        // A phone that went away still asked for what it asked for.
        let sent = pipe.write_all(&answer).await;
        let closed = pipe.shutdown().await;
        sent.is_ok() && closed.is_ok()
    };
    let is_sent = tokio::select! {
        is_sent = sending => is_sent,
        () = board.sleep_ms(VISIT_PART_MS) => false,
    };
    if !is_sent {
        say(&board, "Portal: the phone left before its answer");
    }
    action_of(routed.route)
}

/// Returns whether a whole request, or one that will never be acceptable, arrived.
async fn read_request(pipe: &mut BoxPipe, received: &mut Vec<u8>) -> bool {
    let mut chunk = [0_u8; 512];
    while received.len() <= REQUEST_BYTES_MAX {
        let Ok(count @ 1..) = pipe.read(&mut chunk).await else {
            return false;
        };
        received.extend(chunk.iter().take(count));
        if !matches!(parse_request(received), ParsedRequest::Incomplete) {
            return true;
        }
    }
    false
}

fn action_of(route: Route<'_>) -> PortalAction {
    match route {
        Route::BoardInfo => PortalAction::BoardInfoRead,
        Route::Config(form) => PortalAction::Config(Box::new(form)),
        Route::Reset => PortalAction::Reset,
        Route::Reboot => PortalAction::Reboot,
        Route::FirmwareUpload => PortalAction::FirmwareRefused,
        _ => PortalAction::None,
    }
}

fn render(
    board: &BoardHandle,
    sheet: &PortalSheet,
    routed: &Routed<'_>,
    heard: &[air::ScanEntry],
) -> Vec<u8> {
    let identity = board.identity();
    let entries: Vec<ScanEntry<'_>> = heard.iter().map(scan_entry).collect();
    let mut hotspot_mac = identity.mac;
    if let Some(first) = hotspot_mac.first_mut() {
        *first |= LOCAL_ADDRESS_BIT;
    }
    let version = firmware_version(board);
    let view = PortalView {
        identity: Identity {
            vendor: &identity.vendor,
            template_name: &identity.template_name,
            template_id: &identity.template_id,
            firmware_type: &identity.template_id,
            firmware_version: &version,
            uid: &sheet.uid,
            hotspot_name: &sheet.hotspot_name,
            hotspot_mac: MacAddress(hotspot_mac),
            station_mac: MacAddress(identity.mac),
            has_5ghz: false,
        },
        last_error: sheet.last_error.get(),
        scan: ScanView::Found(&entries),
        progress: Progress { state: sheet.state.get(), trial: Trial::None, attempt: 0, ssid: None },
        epoch: 0,
        claim_refusal: None,
        release: portal::ReleaseOutcome::None,
    };
    let answer_bytes = respond_chunk(routed, &view, 0, &mut []).total_bytes;
    let mut answer = vec![0; answer_bytes];
    let chunk = respond_chunk(routed, &view, 0, &mut answer);
    answer.truncate(chunk.written_bytes);
    answer
}

fn scan_entry(heard: &air::ScanEntry) -> ScanEntry<'_> {
    ScanEntry {
        ssid: &heard.ssid,
        bssid: MacAddress(heard.bssid),
        rssi_dbm: i16::from(heard.rssi_dbm),
        security: match heard.security {
            air::Security::Open => Security::Open,
            air::Security::Wpa2 => Security::Wpa2,
            air::Security::Wpa3 => Security::Wpa3,
        },
        channel: heard.channel,
    }
}
