//! Release without a network: an order that a phone hands over at the portal.
//!
//! The order proves itself against the key that was stored at the claim, so nothing else is asked for and it counts in
//! recovery too. The home is erased and read back before the phone gets its answer. Source: decision 0028.

use embedded_storage_async::nor_flash::NorFlash;
use home_store::Epoch;
use lifecycle::Input;
use portal::{RefusedRelease, ReleaseOutcome};
use wire::ReleaseText;

use crate::agent::Agent;
use crate::application::Application;
use crate::platform::Platform;
use crate::release::{OwedReceipt, ProveOrderError, ReceivedOrder};

/// What became of the last order that was handed over here; in RAM alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PortalRelease {
    None,
    Refused(RefusedRelease),
    /// The receipt may be shown once no home is stored any more.
    Proven(OwedReceipt),
}

impl PortalRelease {
    /// Returns the receipt as text.
    pub(crate) fn receipt_text(&self) -> Option<ReleaseText> {
        match self {
            Self::Proven(receipt) => Some(ReleaseText::from_receipt(&receipt.as_receipt()?)),
            Self::None | Self::Refused(_) => None,
        }
    }

    /// Returns what the portal shows of it.
    pub(crate) fn outcome<'a>(&self, receipt: Option<&'a ReleaseText>, has_home: bool) -> ReleaseOutcome<'a> {
        match (self, receipt) {
            (Self::None, _) => ReleaseOutcome::None,
            (Self::Refused(refused), _) => ReleaseOutcome::Refused(*refused),
            (Self::Proven(_), Some(receipt)) if !has_home => {
                ReleaseOutcome::Erased { receipt: receipt.as_str() }
            }
            (Self::Proven(_), _) => ReleaseOutcome::Erasing,
        }
    }
}

impl From<ProveOrderError> for RefusedRelease {
    fn from(error: ProveOrderError) -> Self {
        match error {
            ProveOrderError::NoKey => Self::NoKey,
            ProveOrderError::OtherDevice => Self::OtherDevice,
            ProveOrderError::OtherEpoch { .. } => Self::OtherEpoch,
            ProveOrderError::Signature => Self::Signature,
        }
    }
}

impl<P: Platform, A: Application, F: NorFlash> Agent<'_, P, A, F> {
    /// Wipes on a proven order; anything else changes nothing. The wipe has ended, or is to be repeated, when this
    /// returns; a restart waits until the answer is out.
    pub(crate) async fn take_portal_order(&mut self, text: &ReleaseText) {
        let Some(home) = &self.homes.stored else {
            // The same order again, because its answer did not arrive: the receipt is still there.
            if !matches!(self.portal.release, PortalRelease::Proven(_)) {
                self.portal.release = PortalRelease::Refused(RefusedRelease::NoHome);
            }
            return;
        };
        let Some(order) = text.order().ok().and_then(|order| ReceivedOrder::copy(&order)) else {
            return;
        };
        match order.prove(home.cloud.release_key.as_ref(), Epoch(self.epoch())) {
            Ok(receipt) => {
                self.log_now(format_args!("Release proven at the portal"));
                self.portal.release = PortalRelease::Proven(receipt.clone());
                // If a session stands, the cloud gets the receipt as well.
                self.owed_receipt = Some(receipt);
                self.feed(Input::ReleaseProven).await;
            }
            Err(reason) => {
                self.log_now(format_args!("Release order at the portal ignored: {reason}"));
                self.portal.release = PortalRelease::Refused(reason.into());
            }
        }
    }
}
