//! From what the cores and the store know to what the API says.

pub(crate) mod timeline;

use api_types::{DatastreamValue, Ownership, ProvisioningState, ReleaseState, Timestamp};
use registry::{ReleaseRecord, SessionState, UtcTime};
use telemetry::Value;

use crate::gateway::Standing;
use crate::secret_file::hex;

pub(crate) fn timestamp(at: UtcTime) -> Timestamp {
    Timestamp::from_unix_ms(at.unix_ms())
}

pub(crate) fn template_view(template: store::Template) -> api_types::Template {
    api_types::Template {
        id: template.id.to_string(),
        name: template.name,
        created_at: timestamp(template.created_at),
        reclaim: match template.reclaim {
            registry::ReclaimPolicy::Open => api_types::ReclaimPolicy::Open,
            registry::ReclaimPolicy::Locked => api_types::ReclaimPolicy::Locked,
        },
        gateway_api: template.gateway_api,
    }
}

pub(crate) fn device_view(device: store::Device, standing: Standing) -> api_types::Device {
    api_types::Device {
        id: device.id.to_string(),
        name: device.name,
        template_id: device.template_id.to_string(),
        template_name: device.template_name,
        uid: device.uid,
        epoch: device.epoch.get().into(),
        ownership: ownership_view(device.ownership),
        online: standing.is_online,
        on_bench: standing.is_on_bench,
        last_seen_at: device.last_seen_at.map(timestamp),
        created_at: timestamp(device.created_at),
        firmware: device.firmware.map(firmware_view),
        hotspot_name: device.hotspot_name,
        has_release_key: device.key_epoch.is_some(),
        release: device.release.as_ref().map(release_view),
    }
}

fn ownership_view(ownership: registry::Ownership) -> Ownership {
    match ownership {
        registry::Ownership::Reserved => Ownership::Reserved,
        registry::Ownership::Owned => Ownership::Owned,
        registry::Ownership::Releasing => Ownership::Releasing,
        registry::Ownership::Released => Ownership::Released,
    }
}

fn firmware_view(firmware: store::Firmware) -> api_types::Firmware {
    api_types::Firmware {
        version: firmware.version,
        kind: firmware.kind,
        build: firmware.build,
        library: firmware.library,
        board: firmware.board,
        heartbeat_s: firmware.heartbeat_s,
    }
}

pub(crate) fn release_view(record: &ReleaseRecord) -> api_types::Release {
    api_types::Release {
        state: match record.state {
            registry::ReleaseState::Pending => ReleaseState::Pending,
            registry::ReleaseState::Sent => ReleaseState::Sent,
            registry::ReleaseState::Inferred => ReleaseState::Inferred,
            registry::ReleaseState::Confirmed => ReleaseState::Confirmed,
        },
        requested_at: timestamp(record.requested_at),
        finished_at: record.finished_at.map(timestamp),
        safe_to_ship: record.state.is_safe_to_ship(),
        last_seen_at: record.last_seen_at.map(timestamp),
        attempts: record.attempts,
        explanation: record.explanation(),
    }
}

pub(crate) fn firmware_image_view(image: store::FirmwareImage) -> api_types::FirmwareImage {
    api_types::FirmwareImage {
        id: image.id.to_string(),
        file_name: image.file_name,
        kind: image.tag.kind,
        version: image.tag.version,
        build: image.tag.build,
        library: image.tag.library,
        size_bytes: image.size_bytes,
        sha256: hex(&image.sha256),
        created_at: timestamp(image.created_at),
    }
}

fn apply_rule_view(rule: registry::ApplyRule) -> api_types::ApplyRule {
    use registry::ApplyRule as Core;
    match rule {
        Core::LowerVersion => api_types::ApplyRule::LowerVersion,
        Core::EarlierBuild => api_types::ApplyRule::EarlierBuild,
        Core::AnotherBuild => api_types::ApplyRule::AnotherBuild,
        Core::LowerLibrary => api_types::ApplyRule::LowerLibrary,
    }
}

pub(crate) fn apply_rule(rule: api_types::ApplyRule) -> registry::ApplyRule {
    use registry::ApplyRule as Core;
    match rule {
        api_types::ApplyRule::LowerVersion => Core::LowerVersion,
        api_types::ApplyRule::EarlierBuild => Core::EarlierBuild,
        api_types::ApplyRule::AnotherBuild => Core::AnotherBuild,
        api_types::ApplyRule::LowerLibrary => Core::LowerLibrary,
    }
}

fn shipment_state_view(state: registry::ShipmentState) -> api_types::ShipmentState {
    use registry::ShipmentState as Core;
    match state {
        Core::Running => api_types::ShipmentState::Running,
        Core::Paused => api_types::ShipmentState::Paused,
        Core::Stopped => api_types::ShipmentState::Stopped,
        Core::Cancelled => api_types::ShipmentState::Cancelled,
        Core::Finished => api_types::ShipmentState::Finished,
    }
}

pub(crate) fn shipment_state(state: api_types::ShipmentState) -> registry::ShipmentState {
    use registry::ShipmentState as Core;
    match state {
        api_types::ShipmentState::Running => Core::Running,
        api_types::ShipmentState::Paused => Core::Paused,
        api_types::ShipmentState::Stopped => Core::Stopped,
        api_types::ShipmentState::Cancelled => Core::Cancelled,
        api_types::ShipmentState::Finished => Core::Finished,
    }
}

pub(crate) fn shipment_view(shipment: store::Shipment) -> api_types::Shipment {
    let counts = shipment.counts;
    api_types::Shipment {
        id: shipment.id.to_string(),
        name: shipment.name,
        template_id: shipment.template_id.to_string(),
        firmware: firmware_image_view(shipment.image),
        rule: apply_rule_view(shipment.rule),
        state: shipment_state_view(shipment.state),
        stage: match shipment.stage {
            registry::ShipmentStage::Canary => api_types::ShipmentStage::Canary,
            registry::ShipmentStage::Everyone => api_types::ShipmentStage::Everyone,
        },
        open_ended: shipment.is_open_ended,
        failure_percent_max: shipment.failure_percent_max,
        attempts_max: shipment.attempts_max,
        counts: api_types::ShipmentCounts {
            succeeded: counts.succeeded,
            failed: counts.failed,
            passed_over: counts.passed_over,
            open: counts.open,
        },
        created_at: timestamp(shipment.created_at),
        updated_at: timestamp(shipment.updated_at),
    }
}

pub(crate) fn delivery_view(shipped: store::ShippedDevice) -> api_types::Delivery {
    use api_types::DeliveryState as View;
    use registry::DeliveryState as Core;
    let store::ShippedDevice { device, is_canary, delivery } = shipped;
    api_types::Delivery {
        device_id: device.as_str().to_owned(),
        canary: is_canary,
        state: match delivery.state {
            Core::Waiting => View::Waiting,
            Core::RequestSent => View::RequestSent,
            Core::Requested => View::Requested,
            Core::Downloaded => View::Downloaded,
            Core::Success => View::Success,
            Core::UploadFailure => View::UploadFailure,
            Core::DownloadLimit => View::DownloadLimit,
            Core::Rollback => View::Rollback,
            Core::TypeMismatch => View::TypeMismatch,
            Core::VersionMismatch => View::VersionMismatch,
        },
        attempts: delivery.attempts,
        updated_at: timestamp(delivery.updated_at),
    }
}

pub(crate) fn value_view(value: &Value) -> DatastreamValue {
    let mut texts = value.texts();
    match (texts.pop(), texts.is_empty()) {
        (Some(only), true) => DatastreamValue::One(only),
        (last, _) => DatastreamValue::Many(texts.into_iter().chain(last).collect()),
    }
}

pub(crate) fn session_state_view(state: SessionState) -> ProvisioningState {
    match state {
        SessionState::Open => ProvisioningState::Open,
        SessionState::Claimed => ProvisioningState::Claimed,
        SessionState::Expired => ProvisioningState::Expired,
        SessionState::Cancelled => ProvisioningState::Cancelled,
    }
}

pub(crate) fn session_view(session: store::Session, now: UtcTime) -> api_types::ProvisioningSession {
    api_types::ProvisioningSession {
        id: session.id.to_string(),
        template_id: session.template_id.to_string(),
        state: session_state_view(session.state.seen_at(session.expires_at, now)),
        steps: session
            .steps
            .into_iter()
            .map(|step| api_types::ProvisioningStep {
                at: timestamp(step.at),
                step: step.step.as_str().to_owned(),
                code: step.code,
                message: step.message,
            })
            .collect(),
        device_id: session.device_id.map(|device| device.to_string()),
        created_at: timestamp(session.created_at),
        expires_at: timestamp(session.expires_at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_field_is_a_text_and_several_are_a_list_in_order() {
        let one = Value::from_text("42").unwrap();
        assert_eq!(value_view(&one), DatastreamValue::One("42".to_owned()));
        let many = Value::from_wire(b"a\0b\0c").unwrap();
        assert_eq!(value_view(&many), DatastreamValue::Many(["a", "b", "c"].map(str::to_owned).to_vec()));
    }
}
