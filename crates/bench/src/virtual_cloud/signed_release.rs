//! The simulated cloud's release key: claims, signed orders, receipts.

use std::cell::Cell;

use ed25519_dalek::{Signer as _, SigningKey};
use wire::{
    Claim, DeviceId, FINGERPRINT_DIGITS, Info, KEY_BYTES, NONCE_BYTES, Receipt, ReceiptSecret, ReleaseOrder,
    ReleaseTerms,
};

use crate::seed::SeededRng;

/// The epoch of every ownership as this cloud records it; a board that counts further is followed.
const RECORDED_EPOCH: u32 = 1;

/// The key pair of the simulated cloud.
pub(super) struct Signer {
    key: SigningKey,
    receipt_secret: [u8; KEY_BYTES],
    nonce: [u8; NONCE_BYTES],
}

/// What the cloud knows of one device's claim.
pub(super) struct ReleaseKeys {
    device_id: String,
    /// The epoch of the key that the device said it holds.
    held_epoch: Cell<Option<u32>>,
}

impl ReleaseKeys {
    /// Names a device that has claimed nothing yet.
    pub(super) fn new(device_index: usize) -> Self {
        Self { device_id: format!("DEV{device_index:010}"), held_epoch: Cell::new(None) }
    }

    /// Returns the epoch that a signed order must name; none for a device that would not understand one.
    pub(super) fn held_epoch(&self) -> Option<u32> {
        self.held_epoch.get()
    }

    fn device_id(&self) -> Option<DeviceId<'_>> {
        DeviceId::parse(&self.device_id)
    }
}

impl Signer {
    pub(super) fn new(rng: &SeededRng) -> Self {
        let key = SigningKey::from_bytes(&random_bytes(rng));
        Self { key, receipt_secret: random_bytes(rng), nonce: random_bytes(rng) }
    }

    /// Takes what a device says about itself; returns the claim for one that speaks of releases and holds no key.
    pub(super) fn claim<'a>(&self, keys: &'a ReleaseKeys, info: &Info<'_>) -> Option<Claim<'a>> {
        let public_key = self.key.verifying_key().to_bytes();
        let mut own = [0; FINGERPRINT_DIGITS];
        if let Some(fingerprint) = info.release_key {
            let is_ours = wire::key_fingerprint(&public_key, &mut own) == fingerprint;
            keys.held_epoch.set(info.epoch.filter(|_| is_ours));
            return None;
        }
        info.rehome?;
        Some(Claim {
            device_id: keys.device_id()?,
            epoch: info.epoch.unwrap_or_default().max(RECORDED_EPOCH),
            release_key: public_key,
            receipt_secret: ReceiptSecret(self.receipt_secret),
        })
    }

    /// Everything of a claim that a device stores.
    pub(super) fn traces(&self, keys: &ReleaseKeys) -> Vec<Vec<u8>> {
        let public_key = self.key.verifying_key().to_bytes();
        vec![keys.device_id.clone().into_bytes(), public_key.to_vec(), self.receipt_secret.to_vec()]
    }

    /// Signs an order.
    pub(super) fn order<'a>(&self, keys: &'a ReleaseKeys, epoch: u32) -> Option<ReleaseOrder<'a>> {
        let terms = ReleaseTerms { device_id: keys.device_id()?, epoch, nonce: self.nonce };
        let signature = self.key.sign(terms.canonical_bytes().as_bytes()).to_bytes();
        Some(ReleaseOrder { terms, signature })
    }

    /// Tells whether a receipt answers this device's order.
    pub(super) fn is_receipt_for(&self, keys: &ReleaseKeys, receipt: &Receipt<'_>) -> bool {
        let order = keys.held_epoch().and_then(|epoch| self.order(keys, epoch));
        order.is_some_and(|order| device::sign_receipt(&order.terms, &self.receipt_secret) == *receipt)
    }
}

fn random_bytes<const N: usize>(rng: &SeededRng) -> [u8; N] {
    core::array::from_fn(|_| rng.next_u64().to_le_bytes().first().copied().unwrap_or_default())
}
