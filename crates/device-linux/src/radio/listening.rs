//! What the radio hears: for the setup page, and for the choice of the hotspot's channel.

use std::time::Duration;

use device::SeenNetwork;
use tokio::time::Instant;

use super::{RadioTask, Report};
use crate::wifi::Wifi;

/// Age from which a scan is no longer good enough for the setup page.
const SCAN_AGE_MAX: Duration = Duration::from_mins(1);
/// How long a scan may delay the hotspot. Radios with both bands need up to 8 s.
const SCAN_BEFORE_HOTSPOT: Duration = Duration::from_secs(10);
/// When a scan delays the hotspot no more after the start: it is wished for after 40 s and must be open after 45 s.
const LISTENING_ENDS_AFTER_START: Duration = Duration::from_secs(43);

impl<W: Wifi> RadioTask<W> {
    /// What was heard last.
    pub(super) fn heard(&self) -> &[SeenNetwork] {
        self.heard.as_ref().map_or(&[], |(_heard_at, heard)| heard)
    }

    pub(super) fn keep_heard(&mut self, heard: Vec<SeenNetwork>) {
        self.heard = Some((Instant::now(), heard));
    }

    pub(super) async fn scan(&mut self, scan_count: u64, is_beside: bool) {
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

    /// The hotspot needs a quiet channel and its setup page a list, and a radio that takes turns is deaf while it is open.
    pub(super) async fn listen_before_hotspot(&mut self) {
        if self.has_heard_lately() {
            return;
        }
        let in_time =
            (self.started_at + LISTENING_ENDS_AFTER_START).saturating_duration_since(Instant::now());
        let limit = if in_time.is_zero() { SCAN_BEFORE_HOTSPOT } else { in_time.min(SCAN_BEFORE_HOTSPOT) };
        if let Ok(Ok(heard)) = tokio::time::timeout(limit, self.wifi.scan(None)).await {
            self.keep_heard(heard);
        }
    }

    /// Listens while nothing else is to be done, so that a hotspot that is wished for soon opens at once.
    pub(super) async fn listen_ahead(&mut self) {
        if self.has_heard_lately() {
            return;
        }
        let mut wishes = self.wishes.clone();
        tokio::select! {
            biased;
            // A sender that is gone ends the loop.
            _changed = wishes.changed() => {}
            heard = self.wifi.scan(None) => match heard {
                Ok(heard) => self.keep_heard(heard),
                Err(error) => tracing::debug!(%error, "listening ahead of the hotspot"),
            },
        }
    }

    fn has_heard_lately(&self) -> bool {
        self.heard.as_ref().is_some_and(|(heard_at, _heard)| heard_at.elapsed() < SCAN_AGE_MAX)
    }
}
