//! The homes the shell holds in RAM: the stored one, and a submitted one on trial.

use core::fmt::Write as _;

use home_store::{CloudBinding, Home, Host, Network, NetworkSecret, OwnerData, Ssid, StaticAddress, Token};
use lifecycle::HomeSource;
use portal::{ConfigForm, Security};
use wire::ClaimCode;

use crate::claims::TOKEN_TO_COME;
use crate::identity::DeviceConfig;
use crate::platform::{ScanList, SeenNetwork};

/// Positions in a home's network list, the best to try first.
pub(crate) type Ranking = heapless::Vec<usize, { home_store::NETWORK_COUNT_MAX }>;

/// Name of a network.
pub(crate) type SsidBytes = heapless::Vec<u8, { home_store::SSID_BYTES_MAX }>;

/// A network that worked last is preferred to one that is louder by less than this, in dB. The signal of the same
/// access point varies by as much from one scan to the next. Ours.
const LAST_SUCCESS_BONUS_DB: i16 = 10;

/// The home in use and the candidate.
#[derive(Debug, Default)]
pub(crate) struct Homes {
    /// The home that the lifecycle knows as the stored one.
    pub(crate) stored: Option<Home>,
    pub(crate) candidate: Option<Home>,
    /// `stored` is on the bench: in RAM only, whatever the flash holds.
    pub(crate) is_stored_on_bench: bool,
    /// `candidate` is to be kept in RAM only.
    pub(crate) is_candidate_on_bench: bool,
    /// A home on the bench was tried or used since the flash last changed its home; the last error may come of it.
    pub(crate) was_on_bench: bool,
    /// What the candidate has in place of a token until the cloud gave it one.
    pub(crate) claim_code: Option<ClaimCode>,
    /// The network over which the cloud accepted the device last.
    pub(crate) last_success: Option<SsidBytes>,
}

impl Homes {
    pub(crate) fn get(&self, source: HomeSource) -> Option<&Home> {
        match source {
            HomeSource::Stored => self.stored.as_ref(),
            HomeSource::Candidate => self.candidate.as_ref(),
        }
    }

    /// Puts a submitted home on trial; returns how many networks it has, 0 when the form makes no home.
    pub(crate) fn take_candidate(&mut self, form: &ConfigForm, config: &DeviceConfig<'_>) -> usize {
        self.candidate = self.build_candidate(form, config);
        // Without token and claim code it goes on with the home in use, which may have to leave no trace.
        let is_account_kept = form.token.is_none() && form.claim_code.is_none();
        self.is_candidate_on_bench = form.is_bench || (is_account_kept && self.is_stored_on_bench);
        self.was_on_bench |= self.is_candidate_on_bench;
        if self.is_candidate_on_bench
            && let Some(candidate) = &mut self.candidate
        {
            // A proven release would be answered with a receipt, and the flash would still hold what it is for.
            candidate.cloud.release_key = None;
        }
        self.candidate.as_ref().map_or(0, |home| home.networks.len())
    }

    /// Returns the positions of a home's networks, the best to try first: those heard by signal and last success, then
    /// the others (which may be hidden), the last success first. A submitted network stays first: it is the one on trial.
    pub(crate) fn rank_networks(&self, source: HomeSource, heard: &ScanList) -> Ranking {
        let networks = self.get(source).map(|home| home.networks.as_slice()).unwrap_or_default();
        let mut ranking: Ranking = (0..networks.len()).collect();
        if source == HomeSource::Stored {
            let merit = |position: &usize| {
                let network = networks.get(*position)?;
                let has_worked = self.last_success.as_deref() == Some(network.ssid.as_bytes());
                let bonus_db = if has_worked { LAST_SUCCESS_BONUS_DB } else { 0 };
                let signal_dbm = loudest_access_point(network, heard).map(|seen| seen.rssi_dbm);
                Some((signal_dbm.map(|signal| signal.saturating_add(bonus_db)), has_worked))
            };
            // The position keeps equals in their stored order.
            ranking.sort_unstable_by_key(|position| (core::cmp::Reverse(merit(position)), *position));
        }
        ranking
    }

    /// Position of the last success in the stored home.
    pub(crate) fn last_success_position(&self) -> Option<u8> {
        let ssid = self.last_success.as_deref()?;
        let networks = &self.stored.as_ref()?.networks;
        u8::try_from(networks.iter().position(|network| network.ssid.as_bytes() == ssid)?).ok()
    }

    /// Takes up what the flash remembers of the stored home's last success.
    pub(crate) fn recall_success(&mut self, position: Option<u8>) {
        let networks = self.stored.as_ref().map(|home| home.networks.as_slice()).unwrap_or_default();
        let network = position.and_then(|position| networks.get(usize::from(position)));
        self.last_success = network.and_then(|network| SsidBytes::from_slice(network.ssid.as_bytes()).ok());
    }

    /// Makes a home of what a person submitted. Its first network is the submitted one.
    ///
    /// Without a token or claim code the stored binding is kept, and so are the other stored networks and the owner's data: it is
    /// the same owner with a new router. With a credential it is a new home, which takes nothing over.
    fn build_candidate(&self, form: &ConfigForm, config: &DeviceConfig<'_>) -> Option<Home> {
        let network = network_of(form)?;
        let token = match (&form.token, &form.claim_code) {
            (Some(token), _) => Token::parse(token.expose().as_bytes()).ok()?,
            (None, Some(_)) => Token::parse(&TOKEN_TO_COME).ok()?,
            (None, None) => return with_network_first(self.stored.as_ref()?, &network),
        };
        let mut networks = heapless::Vec::new();
        networks.push(network).ok()?;
        let port = form.port.unwrap_or(config.default_port);
        let cloud = CloudBinding {
            host: Host::parse(form.host.as_deref().unwrap_or(config.default_host)).ok()?,
            port,
            token,
            uses_tls: !config.plain_ports.contains(&port),
            trust_anchor: None,
            release_key: None,
        };
        Some(Home { networks, cloud, owner_data: OwnerData::default() })
    }
}

/// Returns the strongest access point of a network. An open one of the same name is another network.
pub(crate) fn loudest_access_point<'a>(network: &Network, heard: &'a ScanList) -> Option<&'a SeenNetwork> {
    let matches = |seen: &&SeenNetwork| {
        let is_open = matches!(seen.security, Security::Open | Security::Owe);
        seen.ssid == network.ssid.as_bytes() && is_open == network.secret.is_open()
    };
    heard.iter().filter(matches).max_by_key(|seen| seen.rssi_dbm)
}

fn with_network_first(stored: &Home, network: &Network) -> Option<Home> {
    let mut networks = heapless::Vec::new();
    let others = stored.networks.iter().filter(|known| known.ssid != network.ssid).cloned();
    networks.push(network.clone()).ok()?;
    for other in others {
        // The oldest give way when there is no room.
        if networks.push(other).is_err() {
            break;
        }
    }
    Some(Home { networks, ..stored.clone() })
}

fn network_of(form: &ConfigForm) -> Option<Network> {
    let static_address = form.static_address.map(|address| StaticAddress {
        address: address.address,
        mask: address.mask,
        gateway: address.gateway,
        dns: address.dns,
    });
    Some(Network {
        ssid: Ssid::parse(&form.ssid).ok()?,
        secret: NetworkSecret::parse(form.password.expose()).ok()?,
        is_hidden: form.is_typed_ssid,
        static_address,
    })
}

/// Host of a redirect; it is never stored.
pub(crate) fn redirect_host(host: &str) -> Option<heapless::String<{ home_store::HOST_BYTES_MAX }>> {
    let mut copy = heapless::String::new();
    copy.write_str(host).ok()?;
    Some(copy)
}
