//! Firmware updates: the order, the download, and what the cloud is told about both.
//!
//! When a download runs and when a new firmware is taken back is decided in `lifecycle`. What may be installed is
//! decided here, in [`offer`]. The download uses the connection to the cloud, which is down meanwhile; the application
//! goes on. What was received is kept, so that the same image is resumed after a lost network, and after a restart where
//! the platform notes what it is.

mod download;
pub(crate) mod error;
pub(crate) mod offer;
pub(crate) mod request;
pub(crate) mod response_head;
pub(crate) mod url;

use core::fmt::{self, Write as _};

use embedded_storage_async::nor_flash::NorFlash;
use lifecycle::{Input, Instant, OtaFault};
use sha2::Sha256;

use crate::agent::Agent;
use crate::application::Application;
use crate::cloud_session::Phase;
use crate::firmware_slots::{IMAGE_PIECE_BYTES, SlotState};
use crate::platform::Platform;
use error::UpdateError;
use offer::Offer;
use response_head::HEAD_BYTES_MAX;
use url::{FirmwareUrl, ParseUrlError, URL_BYTES_MAX};

// One buffer holds the head of an answer, then one piece of the image after the other.
const _: () = assert!(HEAD_BYTES_MAX == IMAGE_PIECE_BYTES);

/// Code of the event that tells of updates. Source: edgent-device.md, sections 6 and 8.
const EVENT_CODE: &str = "sys_ota";
/// Longest text of such an event, in bytes.
const EVENT_TEXT_BYTES_MAX: usize = 200;

/// The address of an order, copied off the wire. It may carry a download token.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct OrderedUrl(heapless::String<URL_BYTES_MAX>);

impl fmt::Debug for OrderedUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OrderedUrl([redacted])")
    }
}

impl OrderedUrl {
    /// Copies an address; `None` when it is too long.
    pub(crate) fn copy(url: &[u8]) -> Option<Self> {
        let text = core::str::from_utf8(url).ok()?;
        Some(Self(heapless::String::try_from(text).ok()?))
    }
}

/// Everything about updates that outlives one event.
#[derive(Debug, Default)]
pub(crate) struct FirmwareUpdate {
    url: Option<OrderedUrl>,
    step: Step,
    /// The image that is being received, or was until the network went.
    known: Option<Known>,
    received: heapless::Vec<u8, IMAGE_PIECE_BYTES>,
    /// Attempts that failed since anything was received.
    failure_count: u8,
    slot_state: SlotState,
    untold: Option<Untold>,
}

/// An image and how much of it is in the slot.
#[derive(Debug)]
struct Known {
    offer: Offer,
    /// Bytes in the slot; always whole pieces, or the whole image.
    written_bytes: u32,
    /// Digest of these bytes.
    digest: Sha256,
}

/// Where a download stands.
#[derive(Debug, Default)]
enum Step {
    #[default]
    Idle,
    /// What an earlier run left in the slot is read, to go on from there.
    Recalling { known: Known, read_bytes: u32 },
    /// Until the next attempt.
    Waiting { until: Instant },
    /// Until the server has been silent for too long.
    Dialing { until: Instant },
    /// As above.
    ReadingHead { until: Instant },
    /// As above.
    ReadingBody { until: Instant },
    /// The whole image is in the slot; what is there is read back.
    ReadingBack { read_bytes: u32, digest: Sha256 },
}

/// What the cloud is to be told once it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Untold {
    Failed(UpdateError),
    TriedInVain,
}

impl FirmwareUpdate {
    /// Returns when [`Agent::handle_update_time`] is due.
    pub(crate) const fn next_timeout(&self) -> Option<Instant> {
        match self.step {
            Step::Idle => None,
            Step::Waiting { until }
            | Step::Dialing { until }
            | Step::ReadingHead { until }
            | Step::ReadingBody { until } => Some(until),
            Step::Recalling { .. } | Step::ReadingBack { .. } => Some(Instant::BOOT),
        }
    }

    /// Whether the connection to the cloud belongs to a download.
    pub(crate) const fn is_under_way(&self) -> bool {
        !matches!(self.step, Step::Idle)
    }

    /// Forgets what belongs to the home that is going: address, download and failure.
    pub(crate) fn forget(&mut self) {
        self.url = None;
        self.known = None;
        self.untold = self.untold.filter(|untold| *untold == Untold::TriedInVain);
    }
}

impl<P: Platform, A: Application, F: NorFlash> Agent<'_, P, A, F> {
    /// Tells the lifecycle when this boot is a trial.
    pub(crate) async fn begin_firmware_trial(&mut self) {
        self.update.slot_state = self.platform.slot_state().with_usable_versions();
        match &self.update.slot_state {
            SlotState::Confirmed => {}
            SlotState::OnTrial { former } => {
                let now = self.platform.now().as_millis();
                self.platform.log(format_args!("[{now}] This firmware is on trial, after {former}"));
                self.feed(Input::FirmwareOnTrial).await;
            }
            SlotState::Restored { tried } => {
                let now = self.platform.now().as_millis();
                self.platform.log(format_args!("[{now}] Firmware {tried} did not prove itself"));
                self.update.untold = Some(Untold::TriedInVain);
            }
        }
    }

    /// Takes an order, or tells the cloud at once why it cannot be followed.
    pub(crate) async fn take_ota_order(&mut self) {
        let url = self.session.ordered_url.take();
        match self.check_order(url) {
            Ok(url) => {
                self.update.url = Some(url);
                self.feed(Input::OtaOrdered).await;
            }
            Err(error) => self.send_update_event(format_args!("OTA failed: {error}")),
        }
    }

    fn check_order(&self, url: Option<OrderedUrl>) -> Result<OrderedUrl, UpdateError> {
        self.platform.slot_bytes().ok_or(UpdateError::NoSlots)?;
        if self.homes.is_stored_on_bench {
            return Err(UpdateError::OnBench);
        }
        let url = url.ok_or(ParseUrlError::TooLong)?;
        let uses_tls = self.homes.stored.as_ref().is_none_or(|home| home.cloud.uses_tls);
        self.check_scheme(&FirmwareUrl::parse(&url.0)?, uses_tls)?;
        Ok(url)
    }

    /// Something must prove where an image comes from: the server's certificate, or a signature.
    fn check_scheme(&self, url: &FirmwareUrl<'_>, uses_tls: bool) -> Result<(), UpdateError> {
        if url.is_https {
            Ok(())
        } else if uses_tls {
            Err(UpdateError::NotEncrypted)
        } else if self.platform.firmware_key().is_none() {
            Err(UpdateError::NothingProven)
        } else {
            Ok(())
        }
    }

    pub(crate) fn announce_update(&mut self) {
        self.send_update_event(format_args!("OTA started"));
    }

    /// The machine gave the download up.
    pub(crate) fn abort_update(&mut self) {
        self.end_download();
        self.note_failure(UpdateError::TimeLimit);
    }

    /// The network went; the machine knows already and joins again.
    pub(crate) async fn update_network_lost(&mut self) {
        if self.update.is_under_way() {
            self.finish_update(Err(UpdateError::NetworkLost)).await;
        }
    }

    async fn finish_update(&mut self, result: Result<(), UpdateError>) {
        self.end_download();
        match result {
            Ok(()) => self.feed(Input::OtaFinished(Ok(()))).await,
            Err(error) => {
                self.note_failure(error);
                self.feed(Input::OtaFinished(Err(OtaFault))).await;
            }
        }
    }

    fn end_download(&mut self) {
        if self.update.is_under_way() {
            self.platform.hang_up();
        }
        self.update.step = Step::Idle;
        self.update.received.clear();
        self.update.url = None;
    }

    fn note_failure(&mut self, error: UpdateError) {
        self.log_now(format_args!("OTA failed: {error}"));
        if !error.keeps_progress() {
            self.forget_download();
        }
        self.update.untold = Some(Untold::Failed(error));
    }

    /// The next download begins at the beginning.
    pub(crate) fn forget_download(&mut self) {
        self.update.known = None;
        self.platform.note_download(None);
    }

    /// The running firmware reached its cloud: it boots from now on.
    pub(crate) async fn confirm_firmware(&mut self) -> Input {
        let confirmed = self.platform.confirm_firmware().await;
        if confirmed.is_ok() {
            let current = self.config.identity.firmware_version;
            self.log_now(format_args!("Firmware {current} confirmed"));
            if let SlotState::OnTrial { former } = core::mem::take(&mut self.update.slot_state)
                && former != current
            {
                let former = if former.is_empty() { "an unknown version" } else { &former };
                self.send_update_event(format_args!("Firmware updated from {former} to {current}"));
            }
        } else {
            self.log_now(format_args!("The firmware could not be confirmed"));
        }
        Input::FirmwareConfirmed(confirmed)
    }

    pub(crate) async fn roll_back_firmware(&mut self) {
        let current = self.config.identity.firmware_version;
        self.log_now(format_args!("Firmware {current} did not prove itself, going back"));
        if self.platform.roll_back_firmware().await.is_err() {
            // The boot loader does not start a firmware on trial twice.
            self.log_now(format_args!("The firmware slots could not be changed; the restart will do it"));
        }
    }

    /// Tells the cloud what became of an update while it could not be told.
    pub(crate) async fn tell_update(&mut self) {
        let is_online = matches!(self.session.phase, Phase::Online { .. });
        // A cloud on the bench is told nothing: that a failed trial was told is noted in flash.
        if !is_online || self.machine.is_trying_candidate() || self.homes.is_stored_on_bench {
            return;
        }
        match self.update.untold.take() {
            None => {}
            Some(Untold::Failed(error)) => self.send_update_event(format_args!("OTA failed: {error}")),
            Some(Untold::TriedInVain) => {
                let current = self.config.identity.firmware_version;
                if let SlotState::Restored { tried } = core::mem::take(&mut self.update.slot_state) {
                    self.send_update_event(format_args!(
                        "OTA failed: firmware {tried} did not prove itself, {current} is back"
                    ));
                }
                if self.platform.confirm_firmware().await.is_err() {
                    self.log_now(format_args!("The failed trial could not be forgotten"));
                }
            }
        }
    }

    fn send_update_event(&mut self, text: fmt::Arguments<'_>) {
        let mut description = heapless::String::<EVENT_TEXT_BYTES_MAX>::new();
        // What does not fit is cut; the beginning says what happened.
        if description.write_fmt(text).is_err() {
            self.log_now(format_args!("The event's text is cut"));
        }
        self.log_now(format_args!("{description}"));
        self.session.log_event(self.platform, EVENT_CODE, &description);
    }
}
