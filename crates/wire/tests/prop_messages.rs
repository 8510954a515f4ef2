//! Properties of messages: every message that can be built is read back as it was, and is written whole or not at all.

#![cfg(test)]

use proptest::prelude::*;
use wire::{
    Bridge, Claim, DeviceId, DeviceInternal, DeviceMessage, DstChange, EventScope, Frame, Group, Info,
    Legacy, Parsed, PhysicalPin, PinList, PinMode, PinModes, PinWrite, Property, Receipt, ReceiptSecret,
    ReleaseOrder, ReleaseTerms, Secret, ServerHardware, ServerInternal, ServerMessage, Status, Sync,
    UtcAnswer, UtcQuery, Values, VirtualPin,
};

/// What messages are built from; they borrow it.
#[derive(Debug, Clone)]
struct Parts {
    name: String,
    text: Vec<u8>,
    raw: Vec<u8>,
    token: String,
    pins: Vec<VirtualPin>,
    modes: Vec<(PhysicalPin, PinMode)>,
    number: i64,
    small: i16,
    port: u16,
}

fn parts() -> impl Strategy<Value = Parts> {
    let physical =
        prop_oneof![any::<u8>().prop_map(PhysicalPin::Numbered), any::<u8>().prop_map(PhysicalPin::Analog)];
    let mode = prop::sample::select(vec![
        PinMode::Input,
        PinMode::Output,
        PinMode::Pwm,
        PinMode::PullUp,
        PinMode::PullDown,
    ]);
    let bytes = (
        "[a-zA-Z_\u{e0}-\u{ff}][ -~\u{100}-\u{17f}]{0,20}",
        prop::collection::vec(1..=u8::MAX, 1..20),
        prop::collection::vec(any::<u8>(), 0..40),
        "[A-Za-z0-9_-]{32}",
    );
    let lists = (
        prop::collection::vec(any::<u8>().prop_map(VirtualPin), 1..6),
        prop::collection::vec((physical, mode), 0..5),
    );
    let numbers = (any::<i64>(), any::<i16>(), 1..=u16::MAX);
    (bytes, lists, numbers).prop_map(|((name, text, raw, token), (pins, modes), (number, small, port))| {
        Parts { name, text, raw, token, pins, modes, number, small, port }
    })
}

fn pin_writes(parts: &Parts) -> Vec<PinWrite<'_>> {
    let pin = parts.modes.first().map_or(PhysicalPin::Numbered(0), |(pin, _)| *pin);
    vec![
        PinWrite::Virtual { pin: parts.pins[0], values: Values::new(&parts.raw) },
        PinWrite::Digital { pin, value: &parts.text },
        PinWrite::Analog { pin, value: &parts.text },
    ]
}

fn info(parts: &Parts) -> Info<'_> {
    let name = Some(parts.name.as_str());
    let mut info = Info {
        mcu: name,
        ncp: Some("1"),
        fw: name,
        fw_type: Some(&parts.token),
        build: name,
        blynk: name,
        ver: name,
        declared_heartbeat_s: Some(parts.port.into()),
        declared_buffer_bytes: Some(u32::from(parts.port) / 3),
        dev: name,
        cpu: name,
        con: name,
        conn: name,
        tmpl: Some(&parts.token),
        rehome: Some(1),
        epoch: Some(parts.port.into()),
        release_key: Some("0011223344556677"),
        bench: Some(u8::from(parts.small > 7)),
        uid: Some("0011223344556677"),
    };
    if parts.small < 0 {
        info.mcu = None;
        info.declared_heartbeat_s = None;
        info.tmpl = None;
        info.epoch = None;
    }
    info
}

fn device_messages(parts: &Parts) -> Vec<DeviceMessage<'_>> {
    let (name, text, token) = (parts.name.as_str(), &parts.text[..], Secret(parts.token.as_bytes()));
    let slot = parts.pins[0].0;
    let pins = PinList::new(&parts.pins);
    let mut messages = vec![
        DeviceMessage::Response(Status::from(parts.port)),
        DeviceMessage::Login { token },
        DeviceMessage::LoginOld { token },
        DeviceMessage::Ping,
        DeviceMessage::Sync(Sync::All),
        DeviceMessage::Sync(Sync::Pins(pins)),
        DeviceMessage::Internal(DeviceInternal::Info(info(parts))),
        DeviceMessage::Internal(DeviceInternal::RtcSync),
        DeviceMessage::Internal(DeviceInternal::Utc(UtcQuery::DstNext)),
        DeviceMessage::Internal(DeviceInternal::MetaGet { field: name }),
        DeviceMessage::Internal(DeviceInternal::MetaSet { field: name, value: Secret(text) }),
        DeviceMessage::Internal(DeviceInternal::MetaSet { field: name, value: Secret(b"") }),
        DeviceMessage::Internal(DeviceInternal::Other { body: Secret(b"zzz\0\0") }),
        DeviceMessage::Internal(DeviceInternal::Released(Receipt {
            device_id: DeviceId::parse("DEV1").unwrap(),
            digest: [slot; 32],
            signature: [!slot; 32],
        })),
        DeviceMessage::Property(Property { pins, property: name, values: Values::new(&parts.raw) }),
        DeviceMessage::EventLog { code: name, description: None },
        DeviceMessage::EventLog { code: name, description: Some(b"") },
        DeviceMessage::EventLog { code: name, description: Some(text) },
        DeviceMessage::EventClear { code: name, scope: EventScope::Newest },
        DeviceMessage::EventClear { code: name, scope: EventScope::All },
        DeviceMessage::Group(Group::Begin),
        DeviceMessage::Group(Group::BeginAt { unix_ms: parts.number.unsigned_abs() }),
        DeviceMessage::Group(Group::End),
        DeviceMessage::Bridge(Bridge::Bind { slot, token }),
        DeviceMessage::Legacy(Legacy::Tweet(text)),
        DeviceMessage::Legacy(Legacy::Notify(text)),
        DeviceMessage::Legacy(Legacy::Sms(text)),
        DeviceMessage::Legacy(Legacy::Email { to: None, subject: text, text }),
        DeviceMessage::Legacy(Legacy::Email { to: Some(text), subject: b"", text }),
        DeviceMessage::Unknown { command: wire::Command::Unknown(101), body: Secret(&parts.raw) },
    ];
    messages.extend(pin_writes(parts).into_iter().map(DeviceMessage::Hardware));
    let forward = |write| DeviceMessage::Bridge(Bridge::Forward { slot, write });
    messages.extend(pin_writes(parts).into_iter().map(forward));
    messages
}

fn server_messages(parts: &Parts) -> Vec<ServerMessage<'_>> {
    let (name, text) = (parts.name.as_str(), &parts.text[..]);
    let (device_id, slot) = (DeviceId::parse("DEV1").unwrap(), parts.pins[0].0);
    let change = Some(DstChange { at: parts.number, dst_minutes: parts.small });
    let internals = [
        ServerInternal::Ota { url: Secret(name.as_bytes()) },
        ServerInternal::Dbg { command: Secret(text) },
        ServerInternal::AppConnected,
        ServerInternal::AppDisconnected,
        ServerInternal::Rtc { local_s: parts.number },
        ServerInternal::Utc(UtcAnswer::Time { unix_ms: parts.number }),
        ServerInternal::Utc(UtcAnswer::Iso(name)),
        ServerInternal::Utc(UtcAnswer::Zone { zone_minutes: parts.small, dst_minutes: 60 }),
        ServerInternal::Utc(UtcAnswer::ZoneName(name)),
        ServerInternal::Utc(UtcAnswer::ZoneRule(name)),
        ServerInternal::Utc(UtcAnswer::DstNext([None, None])),
        ServerInternal::Utc(UtcAnswer::DstNext([change, None])),
        ServerInternal::Utc(UtcAnswer::DstNext([change, change])),
        ServerInternal::Meta { field: name, value: Secret(text) },
        ServerInternal::Meta { field: name, value: Secret(b"") },
        ServerInternal::Claim(Claim {
            device_id,
            epoch: parts.port.into(),
            release_key: [slot; 32],
            receipt_secret: ReceiptSecret([!slot; 32]),
        }),
        ServerInternal::Release(ReleaseOrder {
            terms: ReleaseTerms { device_id, epoch: parts.port.into(), nonce: [slot; 16] },
            signature: [!slot; 64],
        }),
        ServerInternal::Other { body: Secret(b"vfs\0a") },
    ];
    let pin = parts.modes.first().map_or(PhysicalPin::Analog(0), |(pin, _)| *pin);
    let hardware = [
        ServerHardware::DigitalRead(pin),
        ServerHardware::AnalogRead(pin),
        ServerHardware::PinModes(PinModes::new(&parts.modes)),
    ];
    let mut messages = vec![
        ServerMessage::Response(Status::from(parts.port)),
        ServerMessage::Ping,
        ServerMessage::Redirect { host: &parts.token, port: Some(parts.port) },
        ServerMessage::Redirect { host: &parts.token, port: None },
        ServerMessage::DebugPrint { text },
        ServerMessage::DebugPrint { text: b"" },
        ServerMessage::Unknown { command: wire::Command::Login, body: Secret(&parts.raw) },
    ];
    messages.extend(internals.map(ServerMessage::Internal));
    messages.extend(hardware.map(ServerMessage::Hardware));
    messages.extend(pin_writes(parts).into_iter().map(ServerHardware::Write).map(ServerMessage::Hardware));
    messages.extend(pin_writes(parts).into_iter().map(ServerHardware::Write).map(ServerMessage::Bridge));
    messages
}

fn parse_whole(bytes: &[u8]) -> Frame<'_> {
    match Frame::parse(bytes, wire::BODY_BYTES_MAX) {
        Ok(Parsed::Complete { frame, consumed_bytes }) if consumed_bytes == bytes.len() => frame,
        other => panic!("not one whole frame: {other:?}"),
    }
}

proptest! {
    // The smallest failing input is printed; it becomes a named test, not a file of seeds.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_device_message_survives_the_way_to_bytes_and_back(parts in parts(), message_id in 1..=u16::MAX) {
        for message in device_messages(&parts) {
            let mut out = vec![0; message.encoded_bytes().unwrap()];
            prop_assert_eq!(message.encode(message_id, &mut out), Ok(out.len()), "{:?}", message);
            let frame = parse_whole(&out);
            prop_assert_eq!(frame.message_id(), message_id);
            prop_assert_eq!(DeviceMessage::parse(&frame), Ok(message));
        }
    }

    #[test]
    fn a_server_message_survives_the_way_to_bytes_and_back(parts in parts(), message_id in 1..=u16::MAX) {
        for message in server_messages(&parts) {
            let mut out = vec![0; message.encoded_bytes().unwrap()];
            prop_assert_eq!(message.encode(message_id, &mut out), Ok(out.len()), "{:?}", message);
            let frame = parse_whole(&out);
            prop_assert_eq!(frame.message_id(), message_id);
            prop_assert_eq!(ServerMessage::parse(&frame), Ok(message));
        }
    }

    #[test]
    fn a_buffer_one_byte_too_small_stays_as_it_was(parts in parts()) {
        let untouched = |out: &[u8]| out.iter().all(|byte| *byte == 0xAA);
        for message in device_messages(&parts) {
            let mut out = vec![0xAA; message.encoded_bytes().unwrap() - 1];
            prop_assert!(message.encode(1, &mut out).is_err() && untouched(&out), "{:?}", message);
        }
        for message in server_messages(&parts) {
            let mut out = vec![0xAA; message.encoded_bytes().unwrap() - 1];
            prop_assert!(message.encode(1, &mut out).is_err() && untouched(&out), "{:?}", message);
        }
    }

    #[test]
    fn the_debug_output_of_a_message_shows_no_token(parts in parts()) {
        for message in device_messages(&parts) {
            if matches!(
                message,
                DeviceMessage::Login { .. } | DeviceMessage::LoginOld { .. } | DeviceMessage::Bridge(Bridge::Bind { .. })
            ) {
                let shown = format!("{message:?}");
                prop_assert!(!shown.contains(&parts.token));
            }
        }
        let orders = [
            ServerInternal::Ota { url: Secret(parts.token.as_bytes()) },
            ServerInternal::Dbg { command: Secret(parts.token.as_bytes()) },
            ServerInternal::Meta { field: "Auth Token", value: Secret(parts.token.as_bytes()) },
        ];
        for order in orders {
            let shown = format!("{order:?}");
            prop_assert!(!shown.contains(&parts.token));
        }
    }
}
