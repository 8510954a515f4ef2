use bytes::Bytes;
use proptest::prelude::*;
use telemetry::{DataType, DatastreamId, DatastreamSettings, Pin};
use wire::{Frame, Parsed};

use super::*;

fn datastreams() -> DatastreamSet {
    let names = [(1, "Temperature"), (2, "Power"), (3, "Set Temperature"), (4, "a/erase")];
    names
        .into_iter()
        .map(|(pin, name)| {
            let settings = DatastreamSettings {
                pin: Pin::new(pin),
                name: name.to_owned(),
                alias: None,
                data_type: DataType::Text,
                default: None,
                unit: None,
                is_synced: false,
                saves_raw_data: true,
                invalidate: None,
                is_hidden_from_http: false,
            };
            Datastream::new(DatastreamId(u32::from(pin)), settings)
        })
        .filter_map(Result::ok)
        .collect()
}

fn translated(topic: &str, payload: &[u8]) -> Result<Uplink, UplinkError> {
    let message = Message { topic: topic.to_owned(), payload: Bytes::copy_from_slice(payload) };
    let mut id = 1;
    translate(&message, &datastreams(), &mut || {
        id += 1;
        id
    })
}

/// The bodies of the frames, with `|` for NUL and the command before it.
fn frames(topic: &str, payload: &[u8]) -> Vec<String> {
    let Uplink::Frames(bytes) = translated(topic, payload).unwrap() else {
        panic!("{topic} gives no frames")
    };
    let mut rest = bytes.as_slice();
    let mut texts = Vec::new();
    while !rest.is_empty() {
        let Ok(Parsed::Complete { frame: Frame::Message { command, body, .. }, consumed_bytes }) =
            Frame::parse(rest, 65_535)
        else {
            panic!("{rest:?} is no frame");
        };
        texts.push(format!("{command:?} {}", String::from_utf8_lossy(body).replace('\0', "|")));
        rest = &rest[consumed_bytes..];
    }
    texts
}

#[test]
fn each_uplink_topic_becomes_what_a_blynk_device_would_send() {
    for (topic, payload, expected) in [
        ("ds/Temperature", "21.5", vec!["Hardware vw|1|21.5"]),
        ("ds/Set Temperature", "a\0b", vec!["Hardware vw|3|a|b"]),
        (
            "batch_ds",
            r#"{"Power":true,"Temperature":[30.52,50.45]}"#,
            vec!["Hardware vw|2|1", "Hardware vw|1|30.52|50.45"],
        ),
        (
            "ds/Temperature/timestamped_batch",
            "[[1700000000000,1],[1700000001000,\"2\"]]",
            vec![
                "Group t|1700000000000",
                "Hardware vw|1|1",
                "Group e",
                "Group t|1700000001000",
                "Hardware vw|1|2",
                "Group e",
            ],
        ),
        ("ds/Power/prop/color", "#23C48E", vec!["Property 2|color|#23C48E"]),
        ("event/overheat", "91 degrees", vec!["EventLog overheat|91 degrees"]),
        ("event/overheat", "", vec!["EventLog overheat"]),
        ("meta/Serial", "SN 1", vec!["Internal meta|set|Serial|SN 1"]),
        ("get/ds", "Power, Temperature", vec!["HardwareSync vr|2|1"]),
        ("get/ds", "", vec![]),
        ("get/ds/all", "", vec!["HardwareSync "]),
        ("get/meta", "Serial,Device Name", vec!["Internal meta|get|Serial", "Internal meta|get|Device Name"]),
    ] {
        assert_eq!(frames(topic, payload.as_bytes()), expected, "{topic}");
    }
    assert_eq!(translated("get/utc/all/json", b""), Ok(Uplink::Time));
    assert_eq!(translated("ds/Power/erase", b""), Ok(Uplink::EraseValue(2)));
}

#[test]
fn info_carries_what_updates_need() {
    let payload =
        br#"{"tmpl":"TMPLabcd1234","ver":"0.1.2","build":"Jan 19 2024 12:25:30","type":"T2","rxbuff":512}"#;
    let [info] = <[String; 1]>::try_from(frames("info/mcu", payload)).unwrap();
    for pair in ["mcu|0.1.2", "fw-type|T2", "build|Jan 19 2024 12:25:30", "tmpl|TMPLabcd1234", "buff-in|512"]
    {
        assert!(info.contains(pair), "{pair} in {info}");
    }
}

#[test]
fn what_names_nothing_is_refused_by_name() {
    let no_such = |name: &str| Err(UplinkError::Datastream { name: name.to_owned() });
    assert_eq!(translated("ds/temperature", b"1"), no_such("temperature"));
    assert_eq!(translated("ds/Nothing/prop/color", b"1"), no_such("Nothing"));
    assert_eq!(translated("get/ds", b"Power,Nothing"), no_such("Nothing"));
    assert_eq!(translated("batch_ds", b"{\"Nothing\":1}"), no_such("Nothing"));
    for topic in ["", "x", "ds", "event/", "meta/", "info/x", "get/x", "downlink/ds/Power", "batch_ds/x"] {
        assert!(translated(topic, b"1").is_err(), "{topic}");
    }
}

#[test]
fn payloads_of_the_wrong_shape_are_refused() {
    for (topic, payload) in [
        ("batch_ds", "[]"),
        ("batch_ds", "{\"Power\":null}"),
        ("batch_ds", "{\"Power\":{}}"),
        ("batch_ds", "{\"Power\":[]}"),
        ("ds/Power/timestamped_batch", "[[\"x\",1]]"),
        ("ds/Power/timestamped_batch", "{}"),
        ("info/mcu", "1"),
    ] {
        assert!(
            matches!(translated(topic, payload.as_bytes()), Err(UplinkError::Payload { .. })),
            "{topic} {payload}"
        );
    }
    assert_eq!(translated("get/meta", b"\xFF"), Err(UplinkError::Text));
}

proptest! {
    #[test]
    fn no_topic_and_no_payload_give_a_broken_frame(
        topic in prop_oneof!["[ -~]{0,40}", "(ds|get|meta|event|info|batch_ds)/[ -~]{0,30}", "ds/(Power|Set Temperature)(/[a-z_]{0,20}){0,3}"],
        payload in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        if let Ok(Uplink::Frames(bytes)) = translated(&topic, &payload) {
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                match Frame::parse(rest, 65_535) {
                    Ok(Parsed::Complete { consumed_bytes, .. }) => rest = &rest[consumed_bytes..],
                    other => prop_assert!(false, "{other:?}"),
                }
            }
        }
    }
}
