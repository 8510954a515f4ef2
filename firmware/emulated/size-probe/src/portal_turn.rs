//! What phones at the hotspot ask.

use core::time::Duration;

use home_store::{CloudBinding, Home, Host, Network, NetworkSecret, OwnerData, Ssid, StaticAddress, Token};
use lifecycle::{ErrorCode, Input};
use portal::{
    Access, ConfigForm, DHCP_REPLY_BYTES_MAX, DNS_MESSAGE_BYTES_MAX, Dialect, Identity, MacAddress,
    ParsedRequest, PortalMode, PortalView, Progress, REQUEST_BYTES_MAX, ReleaseOutcome, Route, Routed,
    ScanEntry, ScanView, Security, Trial, answer_dns, hotspot_name, parse_request, respond_chunk,
    route_parse_error, route_with_lock,
};

use crate::Probe;
use crate::device_registers::Registers;

/// Networks shown of a scan.
const SCAN_COUNT: usize = 15;

impl Probe {
    pub(crate) fn serve_portal(&mut self) {
        let mut request = [0; REQUEST_BYTES_MAX];
        let byte_count = Registers.read(&mut request);
        let access = if self.machine.has_home() { Access::Recovery } else { Access::Provisioning };
        let mut pop = [0; 16];
        let pop_bytes = Registers.read(&mut pop);
        let is_guarded = pop_bytes > 0;
        let mode = PortalMode { is_guarded, ..PortalMode::new(Dialect::Rehome, access) };
        let routed = match parse_request(request.get(..byte_count).unwrap_or_default()) {
            ParsedRequest::Incomplete => return,
            ParsedRequest::Complete { request, .. } => {
                route_with_lock(&request, &mode, &mut self.lock, pop.get(..pop_bytes))
            }
            ParsedRequest::Error(error) => route_parse_error(error, &mode),
        };
        self.feed(Input::PortalRequested);
        match &routed.route {
            Route::BoardInfo => self.feed(Input::BoardInfoRead),
            Route::Config(form) if self.machine.accepts_candidate() => {
                self.home = home_of(form);
                self.feed(Input::CandidateSubmitted { network_count: 1 });
            }
            Route::Reset if self.machine.accepts_portal_reset() => self.feed(Input::PortalReset),
            Route::Reboot => self.feed(Input::PortalReboot),
            _ => {}
        }
        self.render(&routed);
    }

    fn render(&self, routed: &Routed<'_>) {
        let mut names = [[0; 32]; SCAN_COUNT];
        let mut entries = heapless::Vec::<ScanEntry<'_>, SCAN_COUNT>::new();
        for name in &mut names {
            let name_bytes = Registers.read(name);
            let security = match Registers.random() {
                0 => Security::Open,
                1 => Security::Wpa2,
                _ => Security::Wpa3,
            };
            let ssid = name.get(..name_bytes).unwrap_or_default();
            let rssi_dbm = Registers.random() as i16;
            let _kept = entries.push(ScanEntry { ssid, bssid: mac(), rssi_dbm, security, channel: 1 });
        }
        let hotspot_mac = mac();
        let name = hotspot_name(Dialect::Rehome, "Rehome", "Relay", hotspot_mac.0);
        let view = PortalView {
            identity: Identity {
                vendor: "Rehome",
                template_name: "Relay",
                template_id: "TMPLexample01",
                firmware_type: "TMPLexample01",
                firmware_version: "0.1.0",
                uid: "0",
                hotspot_name: &name,
                hotspot_mac,
                station_mac: mac(),
                has_5ghz: false,
            },
            last_error: self.machine.last_error().map_or(0, ErrorCode::code),
            scan: ScanView::Found(&entries),
            progress: Progress {
                state: self.machine.state().as_str(),
                trial: if self.machine.is_trying_candidate() { Trial::Running } else { Trial::None },
                attempt: Registers.random(),
                ssid: entries.first().map(|entry| entry.ssid),
            },
            epoch: self.store.epoch().0,
            // Claim codes and releases handed over need the shell, which this measurement leaves out.
            claim_refusal: None,
            release: ReleaseOutcome::None,
        };
        let mut chunk = [0; 512];
        let mut offset_bytes = 0;
        loop {
            let part = respond_chunk(routed, &view, offset_bytes, &mut chunk);
            Registers.write(chunk.get(..part.written_bytes).unwrap_or_default());
            offset_bytes += part.written_bytes;
            if part.written_bytes == 0 || offset_bytes >= part.total_bytes {
                return;
            }
        }
    }

    pub(crate) fn answer_name(&self, query: &[u8]) {
        let mode = PortalMode::new(Dialect::Rehome, Access::Provisioning);
        let mut answer = [0; DNS_MESSAGE_BYTES_MAX];
        if let Some(byte_count) = answer_dns(query, &mode, &mut answer) {
            Registers.write(answer.get(..byte_count).unwrap_or_default());
        }
    }

    pub(crate) fn give_address(&mut self, packet: &[u8]) {
        let mut answer = [0; DHCP_REPLY_BYTES_MAX];
        let now = Duration::from_secs(u64::from(Registers.random()));
        if let Some(reply) = self.dhcp.handle(packet, now, &mut answer) {
            Registers.write(answer.get(..reply.written_bytes).unwrap_or_default());
        }
    }
}

fn mac() -> MacAddress {
    let mut bytes = [0; 6];
    Registers.read(&mut bytes);
    MacAddress(bytes)
}

fn home_of(form: &ConfigForm) -> Option<Home> {
    let static_address = form.static_address.map(|address| StaticAddress {
        address: address.address,
        mask: address.mask,
        gateway: address.gateway,
        dns: address.dns,
    });
    let network = Network {
        ssid: Ssid::parse(&form.ssid).ok()?,
        secret: NetworkSecret::parse(form.password.expose()).ok()?,
        is_hidden: form.is_typed_ssid,
        static_address,
    };
    let mut networks = heapless::Vec::new();
    networks.push(network).ok()?;
    let port = form.port.unwrap_or(443);
    let cloud = CloudBinding {
        host: Host::parse(form.host.as_deref().unwrap_or("blynk.cloud")).ok()?,
        port,
        token: Token::parse(form.token.as_ref()?.expose().as_bytes()).ok()?,
        uses_tls: port != 80,
        trust_anchor: None,
        release_key: None,
    };
    Some(Home { networks, cloud, owner_data: OwnerData::default() })
}
