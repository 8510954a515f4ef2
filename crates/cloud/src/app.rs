//! What every part of the running server shares.

use std::net::IpAddr;
use std::sync::Arc;

use api_types::{DeviceChange, DeviceEvent, SessionEvent};
use metrics_exporter_prometheus::PrometheusHandle;
use registry::{DeviceId, RateLimit, SessionId, TokenFingerprint};
use store::Store;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::acme::{Acme, Challenges};
use crate::admin_key::AdminKey;
use crate::catalogue::Catalogue;
use crate::clock::Clock;
use crate::config::Config;
use crate::contacts::Contacts;
use crate::errors::ErrorChain;
use crate::firmware_folder::FirmwareFolder;
use crate::firmware_signer::FirmwareSigner;
use crate::gateway::{Links, Turned};
use crate::hot_counters::HotCounters;
use crate::jobs::release_driver::ReleaseDriver;
use crate::large_bodies::LargeBodies;
use crate::limits::PASSWORD_HASHES_MAX;
use crate::live::{Live, LiveEvent};
use crate::notices::Notices;
use crate::notifier::Notifier;
use crate::rate_limits::RateLimits;
use crate::release_signer::ReleaseSigner;
use crate::time_zone::Zone;
use crate::tls::Tls;
use crate::views::{session_state_view, timestamp};

/// 60 logins at once, then one a second, for one token: a device that logs in more often is in a loop.
const LOGINS_PER_TOKEN: RateLimit = RateLimit { burst: 60, per_minute: 60 };

/// The shared parts.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) addresses: Addresses,
    /// Of devices that told none.
    pub(crate) zone: Zone,
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) links: Links,
    pub(crate) catalogue: Catalogue,
    pub(crate) notices: Notices,
    /// When devices came and went, for the job that gives them their status.
    pub(crate) contacts: Contacts,
    pub(crate) notifier: Notifier,
    /// Something is due to be delivered.
    pub(crate) notifications_queued: Notify,
    pub(crate) live: Live,
    pub(crate) releases: ReleaseDriver,
    pub(crate) admin_key: AdminKey,
    pub(crate) release_signer: ReleaseSigner,
    pub(crate) firmware_folder: FirmwareFolder,
    pub(crate) firmware_signer: Option<FirmwareSigner>,
    pub(crate) tls: Arc<Tls>,
    /// Where the certificate comes from, when that is an ACME server.
    pub(crate) acme: Option<Arc<Acme>>,
    pub(crate) challenges: Challenges,
    pub(crate) has_bench: bool,
    pub(crate) metrics: Option<PrometheusHandle>,
    pub(crate) counters: HotCounters,
    pub(crate) limits: ClientLimits,
    /// Cancelled when the server shuts down.
    pub(crate) stop: CancellationToken,
    /// Every task that holds this; the server waits for them when it shuts down, so that the data folder is free after.
    pub(crate) tasks: TaskTracker,
    /// Password hashing takes much memory; few at a time.
    pub(crate) password_places: Arc<Semaphore>,
    /// Large requests of devices are held in memory; few at a time.
    pub(crate) large_bodies: LargeBodies,
}

/// Where the server listens, once port 0 has become a number.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    pub(crate) host: String,
    pub(crate) plain_port: u16,
    pub(crate) tls_port: u16,
}

impl Addresses {
    /// The start of addresses that are given out to be fetched later.
    pub(crate) fn https_origin(&self) -> String {
        // An IPv6 address stands in brackets in an address of this kind.
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("https://{host}:{}", self.tls_port)
    }
}

/// Rate limits of clients.
pub(crate) struct ClientLimits {
    /// Logins that were turned away, per address.
    pub(crate) refused_logins: RateLimits<IpAddr>,
    /// Claim codes that are tried, per address.
    pub(crate) claim_codes: RateLimits<IpAddr>,
    /// Claim codes that are tried by everybody together.
    pub(crate) claim_codes_in_all: RateLimits<()>,
    /// All logins, per token.
    pub(crate) logins: RateLimits<TokenFingerprint>,
    /// Attempts to sign in at the console, per address.
    pub(crate) sign_ins: RateLimits<IpAddr>,
    /// Calls of the Device HTTPS API with a token that is not valid, per address.
    pub(crate) refused_tokens: RateLimits<IpAddr>,
    /// Calls of the Device HTTPS API with a valid token, per device.
    pub(crate) device_calls: RateLimits<DeviceId>,
    /// Points with times of their own, per device.
    pub(crate) imported_points: RateLimits<DeviceId>,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            refused_logins: RateLimits::new(RateLimit::REFUSED_LOGINS),
            claim_codes: RateLimits::new(RateLimit::CLAIM_CODES),
            claim_codes_in_all: RateLimits::new(RateLimit::CLAIM_CODES_IN_ALL),
            logins: RateLimits::new(LOGINS_PER_TOKEN),
            sign_ins: RateLimits::new(RateLimit::SIGN_INS),
            refused_tokens: RateLimits::new(RateLimit::REFUSED_LOGINS),
            device_calls: RateLimits::new(RateLimit::DEVICE_MESSAGES),
            imported_points: RateLimits::new(RateLimit::IMPORTED_POINTS),
        }
    }
}

impl App {
    /// Returns a device as it is known now: when it was last heard is stored some seconds later.
    pub(crate) fn as_heard(&self, device: store::Device) -> store::Device {
        let last_seen_at = device.last_seen_at.max(self.links.last_heard(&device.id, self.clock.now()));
        store::Device { last_seen_at, ..device }
    }

    /// Tells watchers that something happened to a device.
    pub(crate) fn publish_device(&self, device: &DeviceId, change: DeviceChange) {
        let at = timestamp(self.clock.now().utc);
        self.live.publish(LiveEvent::Device(DeviceEvent { device_id: device.to_string(), change, at }));
    }

    /// Tells watchers that a device came online or went offline.
    pub(crate) fn publish_turned(&self, device: &DeviceId, turned: Option<Turned>) {
        match turned {
            Some(Turned::Online) => self.publish_device(device, DeviceChange::Online),
            Some(Turned::Offline) => self.publish_device(device, DeviceChange::Offline),
            None => {}
        }
    }

    /// Tells watchers how a provisioning session stands now.
    pub(crate) async fn publish_session(&self, id: &SessionId) {
        if !self.live.is_watched() {
            return;
        }
        match self.store.session(id.clone()).await {
            Ok(Some(session)) => {
                let now = self.clock.now().utc;
                self.live.publish(LiveEvent::Session(SessionEvent {
                    session_id: id.to_string(),
                    state: session_state_view(session.state.seen_at(session.expires_at, now)),
                    device_id: session.device_id.map(|device| device.to_string()),
                    at: timestamp(now),
                }));
            }
            Ok(None) => {}
            Err(failure) => warn!(error = %ErrorChain(&failure), "a provisioning session could not be read"),
        }
    }
}

pub(crate) fn password_places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(PASSWORD_HASHES_MAX))
}
