//! From what the cores and the store know to what the API says.

use api_types::{DatastreamValue, Ownership, ProvisioningState, ReleaseState, Timestamp};
use registry::{ReleaseRecord, SessionState, UtcTime};
use telemetry::Value;

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
    }
}

pub(crate) fn device_view(device: store::Device, is_online: bool) -> api_types::Device {
    api_types::Device {
        id: device.id.to_string(),
        name: device.name,
        template_id: device.template_id.to_string(),
        template_name: device.template_name,
        uid: device.uid,
        epoch: device.epoch.get().into(),
        ownership: ownership_view(device.ownership),
        online: is_online,
        last_seen_at: device.last_seen_at.map(timestamp),
        created_at: timestamp(device.created_at),
        firmware: device.firmware.map(firmware_view),
        hotspot_name: device.hotspot_name,
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
