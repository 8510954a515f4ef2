//! Metadata of a device, whoever asks: the device itself, its token over HTTP, or the maker.

use registry::{DeviceId, Epoch};
use store::{Change, Device, DeviceError, StorageError};
use tracing::debug;
use wire::{Secret, ServerInternal, ServerMessage};

use crate::app::App;
use crate::errors::ErrorChain;
use crate::time_zone::Zone;

/// The reserved field that holds the device's own token. Source: reference/wire-protocol.md 6.2.
pub(crate) const AUTH_TOKEN: &str = "Auth Token";

/// The field that is the device's name.
pub(crate) const DEVICE_NAME: &str = "Device Name";

/// The field with the IANA name of the device's time zone.
pub(crate) const DEVICE_TIMEZONE: &str = "Device Timezone";

/// Bytes of a field's name.
pub(crate) const FIELD_BYTES_MAX: usize = 64;

/// Bytes of a value; as for the value of a datastream (reference/wire-protocol.md 1).
pub(crate) const VALUE_BYTES_MAX: usize = 1_024;

/// Characters of a device's name. Source: reference/console-features.md 7; 80 is what the console allows.
const NAME_CHARS_MAX: usize = 80;

/// Returns the time zone of a device in an ownership: its own, or the server's while it has told none.
pub(crate) async fn zone_of(app: &App, device: &DeviceId, epoch: Epoch) -> Result<Zone, StorageError> {
    let name = app.store.metadata(device.clone(), epoch, DEVICE_TIMEZONE.to_owned()).await?;
    Ok(name.and_then(|name| Zone::named(&name)).unwrap_or_else(|| app.zone.clone()))
}

/// Why a metadata field was not set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetMetadataError {
    /// The name is empty, too long or reserved.
    #[error("the name of the field has 1 to {FIELD_BYTES_MAX} bytes and is not reserved")]
    Field,
    /// The value is too long or not of the field's kind.
    #[error("the value does not fit the field")]
    Value,
    /// The store did not take it.
    #[error("the field could not be stored")]
    Store(#[from] DeviceError),
}

/// Returns the value of a field in an ownership; none when it was never set. Not for [`AUTH_TOKEN`], which no store knows.
pub(crate) async fn read(
    app: &App,
    device: &Device,
    epoch: Epoch,
    field: &str,
) -> Result<Option<String>, StorageError> {
    if field == DEVICE_NAME {
        return Ok(Some(device.name.clone()));
    }
    app.store.metadata(device.id.clone(), epoch, field.to_owned()).await
}

/// Tells a connected device that a field was changed by somebody else, if it follows that.
pub(crate) fn tell(app: &App, device: &Device, field: &str, value: &str) {
    let Some(link) = app.links.get(&device.id) else { return };
    if !link.follows_metadata() || link.is_quarantined() || link.epoch() != Some(device.epoch) {
        return;
    }
    let change = ServerInternal::Meta { field, value: Secret(value.as_bytes()) };
    if let Err(failure) = link.send(&ServerMessage::Internal(change)) {
        debug!(device.id = %device.id, error = %ErrorChain(&failure), "a change of metadata could not be sent");
    }
}

/// Sets a field of the current ownership. `actor` is who does it, for the audit.
pub(crate) async fn set(
    app: &App,
    actor: &str,
    device: &Device,
    epoch: Epoch,
    field: &str,
    value: &str,
) -> Result<(), SetMetadataError> {
    if !(1..=FIELD_BYTES_MAX).contains(&field.len())
        || field == AUTH_TOKEN
        || field.chars().any(char::is_control)
    {
        return Err(SetMetadataError::Field);
    }
    if value.len() > VALUE_BYTES_MAX || value.contains('\0') {
        return Err(SetMetadataError::Value);
    }
    if field == DEVICE_TIMEZONE && !value.is_empty() && Zone::named(value).is_none() {
        return Err(SetMetadataError::Value);
    }
    if field == DEVICE_NAME {
        let name = value.trim();
        if !(1..=NAME_CHARS_MAX).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            return Err(SetMetadataError::Value);
        }
        let change = Change::by(actor, app.clock.now().utc);
        app.store.rename_device(device.id.clone(), name.to_owned(), change).await?;
        return Ok(());
    }
    Ok(app.store.set_metadata(device.id.clone(), epoch, field.to_owned(), value.to_owned()).await?)
}
