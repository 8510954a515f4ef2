//! Proves release orders, signs receipts, and decides whether a claim is taken. Source: decision 0012.

use hmac::{Hmac, KeyInit as _, Mac as _};
use home_store::{CloudDeviceId, Epoch, ReceiptSecret, ReleaseKey};
use sha2::{Digest as _, Sha512};
use wire::{Claim, DeviceId, KEY_BYTES, NONCE_BYTES, Receipt, ReleaseOrder, ReleaseTerms, SIGNATURE_BYTES};

use crate::signature::{is_public_key, is_signed_by};

/// How far a claim may put the epoch forward. A cloud that knows of that many ownerships which this device has never
/// heard of is wrong or hostile; without a limit one claim could use up all epochs there will ever be.
const EPOCH_STEP_MAX: u32 = 1 << 16;

/// A claim that was read off the wire, in a form that can be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReceivedClaim(ReleaseKey);

/// An order that was read off the wire and is not proven yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReceivedOrder {
    device_id: CloudDeviceId,
    epoch: u32,
    nonce: [u8; NONCE_BYTES],
    signature: [u8; SIGNATURE_BYTES],
}

/// A receipt that waits in RAM for the end of the wipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwedReceipt {
    device_id: CloudDeviceId,
    digest: [u8; KEY_BYTES],
    signature: [u8; KEY_BYTES],
}

/// Why an order changes nothing. Its text goes to the log, where a person looks for the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProveOrderError {
    #[error("no release key is stored")]
    NoKey,
    #[error("it names another device")]
    OtherDevice,
    #[error("it is for epoch {ordered}, this is epoch {current}")]
    OtherEpoch { ordered: u32, current: u32 },
    #[error("its signature is not that of the stored key")]
    Signature,
}

/// Why a claim changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TakeClaimError {
    #[error("the connection is not the one that this home asks for")]
    UnverifiedLink,
    #[error("another key is stored")]
    OtherKey,
    #[error("it is for epoch {claimed}, this is epoch {current}")]
    Epoch { claimed: u32, current: u32 },
    #[error("its key is no Ed25519 public key")]
    NotAKey,
}

/// What is known about the place where a claim arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClaimContext<'a> {
    /// The key that is stored already.
    pub(crate) stored: Option<&'a ReleaseKey>,
    pub(crate) epoch: Epoch,
    /// The home asks for TLS.
    pub(crate) uses_tls: bool,
    pub(crate) is_verified_tls: bool,
}

impl ReceivedClaim {
    /// Copies a claim; `None` when it cannot be stored, which a parsed one always can.
    pub(crate) fn copy(claim: &Claim<'_>) -> Option<Self> {
        Some(Self(ReleaseKey {
            device_id: CloudDeviceId::parse(claim.device_id.as_str())?,
            epoch: Epoch(claim.epoch),
            public_key: claim.release_key,
            receipt_secret: ReceiptSecret::new(claim.receipt_secret.0),
        }))
    }

    /// Returns the key to store; `None` when it is stored already.
    ///
    /// The first claim of a home counts, over verified TLS or, where the home asks for plain TCP, over that: trust on
    /// first use. While the home lives no other key takes its place.
    ///
    /// # Errors
    ///
    /// [`TakeClaimError`]; nothing may change then.
    pub(crate) fn decide(self, context: ClaimContext<'_>) -> Result<Option<ReleaseKey>, TakeClaimError> {
        if context.uses_tls && !context.is_verified_tls {
            return Err(TakeClaimError::UnverifiedLink);
        }
        match context.stored {
            Some(stored) if *stored == self.0 => return Ok(None),
            Some(_) => return Err(TakeClaimError::OtherKey),
            None => {}
        }
        let (claimed, current) = (self.0.epoch.0, context.epoch.0);
        if claimed.checked_sub(current).is_none_or(|step| step > EPOCH_STEP_MAX) || claimed == u32::MAX {
            return Err(TakeClaimError::Epoch { claimed, current });
        }
        if is_public_key(&self.0.public_key) { Ok(Some(self.0)) } else { Err(TakeClaimError::NotAKey) }
    }
}

impl ReceivedOrder {
    /// Copies an order; `None` when its id is too long to be this device's.
    pub(crate) fn copy(order: &ReleaseOrder<'_>) -> Option<Self> {
        Some(Self {
            device_id: CloudDeviceId::parse(order.terms.device_id.as_str())?,
            epoch: order.terms.epoch,
            nonce: order.terms.nonce,
            signature: order.signature,
        })
    }

    /// Checks the order against the stored key and signs the receipt, which must not leave before the wipe was
    /// verified: afterwards the secret that signs it is gone.
    ///
    /// # Errors
    ///
    /// [`ProveOrderError`]; nothing may change then.
    pub(crate) fn prove(
        &self,
        stored: Option<&ReleaseKey>,
        current: Epoch,
    ) -> Result<OwedReceipt, ProveOrderError> {
        let key = stored.ok_or(ProveOrderError::NoKey)?;
        if self.device_id != key.device_id {
            return Err(ProveOrderError::OtherDevice);
        }
        if self.epoch != key.epoch.0 || self.epoch != current.0 {
            return Err(ProveOrderError::OtherEpoch { ordered: self.epoch, current: current.0 });
        }
        let device_id = DeviceId::parse(key.device_id.as_str()).ok_or(ProveOrderError::OtherDevice)?;
        let terms = ReleaseTerms { device_id, epoch: self.epoch, nonce: self.nonce };
        let order = ReleaseOrder { terms, signature: self.signature };
        if !is_order_signed_by(&order, &key.public_key) {
            return Err(ProveOrderError::Signature);
        }
        let receipt = sign_receipt(&terms, key.receipt_secret.expose());
        Ok(OwedReceipt {
            device_id: key.device_id.clone(),
            digest: receipt.digest,
            signature: receipt.signature,
        })
    }
}

impl OwedReceipt {
    /// The receipt as it travels; `None` cannot happen, the id was read off the wire.
    pub(crate) fn as_receipt(&self) -> Option<Receipt<'_>> {
        let device_id = DeviceId::parse(self.device_id.as_str())?;
        Some(Receipt { device_id, digest: self.digest, signature: self.signature })
    }
}

/// Tells whether an order was signed with the key that belongs to `public_key`.
///
/// Strict: a signature has one form, and a key of small order, with which one signature would fit many orders, fits
/// none.
#[must_use]
pub fn is_order_signed_by(order: &ReleaseOrder<'_>, public_key: &[u8; KEY_BYTES]) -> bool {
    is_signed_by(order.terms.canonical_bytes().as_bytes(), &order.signature, public_key)
}

/// Signs the receipt of a release with the secret that came with the claim.
#[must_use]
pub fn sign_receipt<'a>(terms: &ReleaseTerms<'a>, secret: &[u8; KEY_BYTES]) -> Receipt<'a> {
    let digest = first_half(&Sha512::digest(terms.canonical_bytes().as_bytes()));
    let device_id = terms.device_id;
    // A key of 32 bytes is shorter than a block of SHA-512, so the slow path of over-long keys is never taken.
    let signature = match Hmac::<Sha512>::new_from_slice(secret) {
        Ok(mac) => {
            let signed = mac.chain_update(wire::receipt_bytes(device_id, &digest).as_bytes());
            first_half(&signed.finalize().into_bytes())
        }
        // HMAC takes keys of every length; a receipt of zeros would prove nothing to anybody.
        Err(_) => [0; KEY_BYTES],
    };
    Receipt { device_id, digest, signature }
}

fn first_half(output: &[u8]) -> [u8; KEY_BYTES] {
    output.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
