//! Claim, release order and receipt: what the shell does with what `release` has decided.

use embedded_storage_async::nor_flash::NorFlash;
use home_store::Home;
use lifecycle::{EraseOrder, Input};

use crate::agent::Agent;
use crate::application::Application;
use crate::cloud_session::Ownership;
use crate::platform::Platform;
use crate::release::{ClaimContext, ReceivedClaim, ReceivedOrder};

impl<P: Platform, A: Application, F: NorFlash> Agent<'_, P, A, F> {
    /// Tells the cloud who this is, and which release key the home of this session holds.
    pub(crate) fn introduce(&mut self) {
        let is_trial = self.machine.is_trying_candidate();
        let home = if is_trial { &self.homes.candidate } else { &self.homes.stored };
        let release_key = home.as_ref().and_then(|home| home.cloud.release_key.as_ref());
        let epoch = home_store::Epoch(self.epoch());
        let is_on_bench =
            if is_trial { self.homes.is_candidate_on_bench } else { self.homes.is_stored_on_bench };
        let ownership = Ownership { epoch, release_key, is_on_bench };
        self.session.introduce(self.platform, self.config, &self.hotspot_name, ownership);
    }

    /// Lets unsigned erase orders count exactly while the stored home holds no release key.
    pub(crate) fn follow_release_key(&mut self) {
        let has_key = self.homes.stored.as_ref().is_some_and(|home| home.cloud.release_key.is_some());
        let unsigned = self.config.lifecycle.erase_order;
        self.machine.set_erase_order(if has_key { EraseOrder::Ignored } else { unsigned });
    }

    /// Stores a release key with the home, or says in the log why not.
    pub(crate) async fn take_claim(&mut self, claim: ReceivedClaim) {
        let Some(home) = &self.homes.stored else {
            return;
        };
        if self.homes.is_stored_on_bench {
            self.log_now(format_args!("Claim ignored: the home is on the bench"));
            return;
        }
        let context = ClaimContext {
            stored: home.cloud.release_key.as_ref(),
            epoch: home_store::Epoch(self.epoch()),
            uses_tls: home.cloud.uses_tls,
            is_verified_tls: self.session.is_verified_tls(),
        };
        match claim.decide(context) {
            Ok(None) => self.acknowledge_claim(),
            Ok(Some(key)) => {
                let mut home = home.clone();
                home.cloud.release_key = Some(key);
                if self.store_claimed_home(&home).await.is_some() {
                    self.log_now(format_args!("Release key stored, epoch {}", self.epoch()));
                    self.acknowledge_claim();
                } else {
                    self.log_now(format_args!("The release key could not be stored"));
                }
            }
            Err(reason) => self.log_now(format_args!("Claim ignored: {reason}")),
        }
    }

    /// Wipes on a proven order; anything else changes nothing but the log.
    pub(crate) async fn take_release_order(&mut self, order: &ReceivedOrder) {
        let stored = self.homes.stored.as_ref().and_then(|home| home.cloud.release_key.as_ref());
        match order.prove(stored, home_store::Epoch(self.epoch())) {
            Ok(receipt) => {
                self.log_now(format_args!("Release proven"));
                self.owed_receipt = Some(receipt);
                self.feed(Input::ReleaseProven).await;
            }
            Err(reason) => self.log_now(format_args!("Release order ignored: {reason}")),
        }
    }

    /// Sends the receipt; without a way to the cloud there is nothing to wait for.
    pub(crate) fn send_receipt(&mut self) -> Option<Input> {
        let receipt = self.owed_receipt.take()?;
        match self.session.send_receipt(self.platform, &receipt) {
            Ok(()) => {
                self.log_now(format_args!("Receipt sent"));
                None
            }
            Err(_) => Some(Input::ReceiptAcknowledged),
        }
    }

    /// The epoch first: a home whose key is of a later epoch than the device would not obey its own order.
    async fn store_claimed_home(&mut self, home: &Home) -> Option<()> {
        let epoch = home.cloud.release_key.as_ref()?.epoch;
        let store = self.store.as_mut()?;
        store.raise_epoch(epoch).await.ok()?;
        let saved = store.save_home(home).await;
        // Persist before acknowledging: what counts is what can be read back. If the save failed, either home may be
        // the stored one now, and both are whole.
        let stored = store.load_home().await.ok()?;
        let is_stored = saved.is_ok() && stored.as_ref() == Some(home);
        if stored.is_some() {
            self.homes.stored = stored;
        }
        self.follow_release_key();
        is_stored.then_some(())
    }

    fn acknowledge_claim(&mut self) {
        let release_key = self.homes.stored.as_ref().and_then(|home| home.cloud.release_key.as_ref());
        let epoch = home_store::Epoch(self.epoch());
        let ownership = Ownership { epoch, release_key, is_on_bench: self.homes.is_stored_on_bench };
        self.session.send_info(self.platform, self.config, ownership);
    }
}
