//! One download from the first connection to the image that was read back.

use core::time::Duration;

use embedded_storage_async::nor_flash::NorFlash;
use lifecycle::{CloudError, Input, OtaFault};
use sha2::{Digest as _, Sha256};

use super::error::{Remedy, UpdateError};
use super::offer::{Answer, Demands, Offer, judge_answer};
use super::request::{Resumption, request_text};
use super::response_head::{HEAD_BYTES_MAX, read_response_head};
use super::url::FirmwareUrl;
use super::{Known, Step};
use crate::agent::Agent;
use crate::application::Application;
use crate::firmware_slots::Download;
use crate::platform::{CloudAddress, Event, Platform};

/// How long a server may be silent. Source: edgent-device.md, section 8, "30 s read limit".
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Attempts that may fail in a row without anything being received.
const FAILURE_COUNT_MAX: u8 = 5;
/// Wait after the first failed attempt; doubles with each further one.
const RETRY_WAIT_FIRST: Duration = Duration::from_secs(2);
/// Bytes of a request that are handed over at once, as of a frame.
const SEND_PIECE_BYTES: usize = 512;
/// Bytes that are read back at once.
const READ_BACK_BYTES: usize = 512;
/// Reads in one turn; other events have their turn in between.
const READS_PER_TURN: usize = 16;

/// Whether the whole image is in the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    More,
    Whole,
}

impl<P: Platform, A: Application, F: NorFlash> Agent<'_, P, A, F> {
    /// Begins the download; an answer only when it ends at once.
    pub(crate) fn start_update(&mut self) -> Option<Input> {
        self.update.failure_count = 0;
        if self.update.known.is_none()
            && let Some((download, written_bytes)) = self.platform.noted_download()
            && download.is_usable()
        {
            let Download { image, etag } = download;
            let offer = Offer { image, etag: Some(etag) };
            let known = Known { offer, written_bytes, digest: Sha256::new() };
            self.update.step = Step::Recalling { known, read_bytes: 0 };
            return None;
        }
        let error = self.dial_for_image().err()?;
        self.end_download();
        self.note_failure(error);
        Some(Input::OtaFinished(Err(OtaFault)))
    }

    /// Handles what happens on the connection while it belongs to a download; `false` = the event is no such thing.
    pub(crate) async fn take_update_event(&mut self, event: Event, buffer: &[u8]) -> bool {
        if !self.update.is_under_way() {
            return false;
        }
        let result = match event {
            Event::CloudConnected { is_verified_tls } => self.ask_for_image(is_verified_tls),
            Event::CloudFailed(CloudError::Certificate) => Err(UpdateError::Certificate),
            Event::CloudFailed(_) => Err(UpdateError::Unreachable),
            Event::CloudReceived(byte_count) => {
                self.take_answer(buffer.get(..byte_count).unwrap_or(buffer)).await
            }
            Event::CloudClosed => match self.update.step {
                // The server has sent everything and may go.
                Step::Recalling { .. } | Step::ReadingBack { .. } | Step::Waiting { .. } => Ok(()),
                _ => Err(UpdateError::Interrupted),
            },
            _ => return false,
        };
        if let Err(error) = result {
            self.attempt_failed(error).await;
        }
        true
    }

    /// Does what time asks for: the next attempt, the end of a silent one, a piece of the reading back.
    pub(crate) async fn handle_update_time(&mut self) {
        let now = self.platform.now();
        if self.update.next_timeout().is_none_or(|due_at| now < due_at) {
            return;
        }
        let result = match self.update.step {
            Step::Idle => Ok(()),
            Step::Waiting { .. } => self.dial_for_image(),
            Step::Dialing { .. } => Err(UpdateError::Unreachable),
            Step::ReadingHead { .. } | Step::ReadingBody { .. } => Err(UpdateError::Silence),
            Step::Recalling { .. } => self.recall().await,
            Step::ReadingBack { .. } => self.read_back().await,
        };
        if let Err(error) = result {
            self.attempt_failed(error).await;
        }
    }

    fn dial_for_image(&mut self) -> Result<(), UpdateError> {
        let home = self.homes.stored.as_ref().ok_or(UpdateError::Unreachable)?;
        let url = self.update.url.as_ref().ok_or(UpdateError::Unreachable)?;
        let url = FirmwareUrl::parse(&url.0)?;
        let (host, port) = (url.host, url.port);
        self.check_scheme(&url, home.cloud.uses_tls)?;
        if url.is_https == home.cloud.uses_tls {
            self.platform.start_dial(CloudAddress { host, port, binding: &home.cloud });
        } else {
            let mut binding = home.cloud.clone();
            binding.uses_tls = true;
            self.platform.start_dial(CloudAddress { host, port, binding: &binding });
        }
        self.update.received.clear();
        self.update.step = Step::Dialing { until: self.platform.now().after(SILENCE_MAX) };
        self.log_now(format_args!("OTA: asking for the image"));
        Ok(())
    }

    fn ask_for_image(&mut self, is_verified_tls: bool) -> Result<(), UpdateError> {
        let url = self.update.url.as_ref().ok_or(UpdateError::Unreachable)?;
        let url = FirmwareUrl::parse(&url.0)?;
        if url.is_https && !is_verified_tls {
            return Err(UpdateError::NotEncrypted);
        }
        let resumption = self.update.known.as_ref().and_then(|known| {
            let etag = known.offer.etag.as_deref()?;
            let written_bytes = known.written_bytes;
            let is_part = written_bytes > 0 && written_bytes < known.offer.image.image_bytes;
            is_part.then_some(Resumption { written_bytes, etag })
        });
        let version = self.config.identity.firmware_version;
        let text = request_text(&url, version, resumption).ok_or(UpdateError::Unreachable)?;
        for piece in text.as_bytes().chunks(SEND_PIECE_BYTES) {
            self.platform.send(piece).or(Err(UpdateError::Interrupted))?;
        }
        self.update.step = Step::ReadingHead { until: self.platform.now().after(SILENCE_MAX) };
        Ok(())
    }

    async fn take_answer(&mut self, bytes: &[u8]) -> Result<(), UpdateError> {
        let until = self.platform.now().after(SILENCE_MAX);
        let body = match &mut self.update.step {
            // Bytes of a server that sends more than it announced.
            Step::Idle
            | Step::Recalling { .. }
            | Step::Waiting { .. }
            | Step::Dialing { .. }
            | Step::ReadingBack { .. } => {
                return Ok(());
            }
            Step::ReadingBody { until: silent_until } => {
                *silent_until = until;
                bytes
            }
            Step::ReadingHead { until: silent_until } => {
                *silent_until = until;
                let Some(body) = self.take_head(bytes).await? else {
                    return Ok(());
                };
                self.update.step = Step::ReadingBody { until };
                body
            }
        };
        if self.take_body(body).await? == Progress::Whole {
            self.check_digest()?;
        }
        Ok(())
    }

    /// Returns the bytes behind the head's buffer once the head is whole and its image is acceptable. The beginning of
    /// the image that shared the buffer with the head is left there.
    async fn take_head<'b>(&mut self, bytes: &'b [u8]) -> Result<Option<&'b [u8]>, UpdateError> {
        let free_bytes = HEAD_BYTES_MAX.saturating_sub(self.update.received.len());
        let (fitting, rest) = bytes.split_at(free_bytes.min(bytes.len()));
        // Fits by the line above.
        self.update.received.extend_from_slice(fitting).or(Err(UpdateError::Slot))?;
        let Some((head, head_bytes)) = read_response_head(&self.update.received)? else {
            return Ok(None);
        };
        let demands = Demands {
            firmware_type: self.config.identity.firmware_type,
            slot_bytes: self.platform.slot_bytes().ok_or(UpdateError::NoSlots)?,
            firmware_key: self.platform.firmware_key(),
        };
        let known = self.update.known.as_ref().map(|known| (&known.offer, known.written_bytes));
        let answer = judge_answer(&head, known, demands)?;
        self.update.received.rotate_left(head_bytes);
        let body_bytes = self.update.received.len().saturating_sub(head_bytes);
        self.update.received.truncate(body_bytes);
        if let Answer::Whole(offer) = answer {
            let (image_bytes, version) = (offer.image.image_bytes, offer.image.version.clone());
            self.update.known = None;
            self.platform.begin_image(image_bytes).await.or(Err(UpdateError::Slot))?;
            let image = &offer.image;
            let download = offer.etag.clone().map(|etag| Download { image: image.clone(), etag });
            self.platform.note_download(download.as_ref());
            self.update.known = Some(Known { offer, written_bytes: 0, digest: Sha256::new() });
            self.log_now(format_args!("OTA: downloading {version}, {image_bytes} bytes"));
        } else if let Some(known) = &self.update.known {
            let (written_bytes, image_bytes) = (known.written_bytes, known.offer.image.image_bytes);
            self.log_now(format_args!("OTA: resuming at {written_bytes} of {image_bytes} bytes"));
        }
        Ok(Some(rest))
    }

    /// Fills the buffer and writes it whenever it holds a whole piece or the image's end.
    async fn take_body(&mut self, bytes: &[u8]) -> Result<Progress, UpdateError> {
        let mut rest = bytes;
        loop {
            let Some(known) = &mut self.update.known else {
                return Err(UpdateError::Slot);
            };
            let received = &mut self.update.received;
            let missing_bytes = known.offer.image.image_bytes.saturating_sub(known.written_bytes) as usize;
            received.truncate(missing_bytes);
            let free_bytes = received.capacity().min(missing_bytes).saturating_sub(received.len());
            let (fitting, later) = rest.split_at(free_bytes.min(rest.len()));
            rest = later;
            received.extend_from_slice(fitting).or(Err(UpdateError::Slot))?;
            if !received.is_full() && received.len() < missing_bytes {
                return Ok(Progress::More);
            }
            if !received.is_empty() {
                let written = self.platform.write_image(known.written_bytes, received).await;
                written.or(Err(UpdateError::Slot))?;
                known.digest.update(&received);
                let piece_bytes = u32::try_from(received.len()).unwrap_or(u32::MAX);
                known.written_bytes = known.written_bytes.saturating_add(piece_bytes);
                received.clear();
                self.update.failure_count = 0;
            }
            if known.written_bytes >= known.offer.image.image_bytes {
                return Ok(Progress::Whole);
            }
        }
    }

    fn check_digest(&mut self) -> Result<(), UpdateError> {
        self.platform.hang_up();
        let known = self.update.known.as_ref().ok_or(UpdateError::Slot)?;
        if known.digest.clone().finalize().as_slice() != known.offer.image.sha256 {
            return Err(UpdateError::Digest);
        }
        self.update.step = Step::ReadingBack { read_bytes: 0, digest: Sha256::new() };
        Ok(())
    }

    /// Reads some of what an earlier run left in the slot; at its end the rest is asked for.
    async fn recall(&mut self) -> Result<(), UpdateError> {
        let Step::Recalling { known, read_bytes } = &mut self.update.step else {
            return Err(UpdateError::Slot);
        };
        let mut buffer = [0; READ_BACK_BYTES];
        for _ in 0..READS_PER_TURN {
            if *read_bytes >= known.written_bytes {
                break;
            }
            if self.platform.read_image(*read_bytes, &mut buffer).await.is_err() {
                // What cannot be read is fetched anew.
                self.forget_download();
                return self.dial_for_image();
            }
            known.digest.update(buffer);
            *read_bytes = read_bytes.saturating_add(u32::try_from(READ_BACK_BYTES).unwrap_or(u32::MAX));
        }
        if *read_bytes < known.written_bytes {
            return Ok(());
        }
        if let Step::Recalling { known, .. } = core::mem::take(&mut self.update.step) {
            self.update.known = Some(known);
        }
        self.dial_for_image()
    }

    /// Reads some of the slot; at its end the image is booted if it is the announced one.
    async fn read_back(&mut self) -> Result<(), UpdateError> {
        let (Step::ReadingBack { read_bytes, digest }, Some(known)) =
            (&mut self.update.step, &self.update.known)
        else {
            return Err(UpdateError::Slot);
        };
        let image = &known.offer.image;
        let mut buffer = [0; READ_BACK_BYTES];
        for _ in 0..READS_PER_TURN {
            let left_bytes = image.image_bytes.saturating_sub(*read_bytes) as usize;
            let piece = buffer.get_mut(..left_bytes.min(READ_BACK_BYTES)).unwrap_or_default();
            if piece.is_empty() {
                break;
            }
            self.platform.read_image(*read_bytes, piece).await.or(Err(UpdateError::Slot))?;
            digest.update(&piece);
            *read_bytes = read_bytes.saturating_add(u32::try_from(piece.len()).unwrap_or(u32::MAX));
        }
        if *read_bytes < image.image_bytes {
            return Ok(());
        }
        if digest.clone().finalize().as_slice() != image.sha256 {
            return Err(UpdateError::ReadBack);
        }
        self.platform.boot_on_trial(image).await.or(Err(UpdateError::Slot))?;
        let version = image.version.clone();
        self.log_now(format_args!("OTA: {version} is installed, to be tried at the next start"));
        self.finish_update(Ok(())).await;
        Ok(())
    }

    /// Tries again where that can help, and not for ever.
    async fn attempt_failed(&mut self, error: UpdateError) {
        let remedy = error.remedy();
        if remedy == Remedy::StartOver {
            self.forget_download();
        }
        if remedy == Remedy::GiveUp || self.update.failure_count >= FAILURE_COUNT_MAX {
            self.finish_update(Err(error)).await;
            return;
        }
        self.platform.hang_up();
        self.update.received.clear();
        let wait_ms = RETRY_WAIT_FIRST.as_millis() << self.update.failure_count;
        let wait_ms = u64::try_from(wait_ms).unwrap_or(u64::MAX);
        // Up to a quarter more, so that a fleet does not come back together.
        let jitter_ms = u64::from(self.platform.random_u32()) % (wait_ms / 4).max(1);
        self.update.failure_count = self.update.failure_count.saturating_add(1);
        let wait = Duration::from_millis(wait_ms.saturating_add(jitter_ms));
        self.update.step = Step::Waiting { until: self.platform.now().after(wait) };
        self.log_now(format_args!("OTA: {error}, trying again in {} s", wait.as_secs()));
    }
}
