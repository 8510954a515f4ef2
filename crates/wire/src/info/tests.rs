//! Tests of the info message.

use super::Info;

#[test]
fn values_of_heartbeat_and_buffer_that_were_swapped_are_put_right() {
    let info = Info::parse(b"ver\x000.2.6\0h-beat\x001024\0buff-in\x0010").unwrap();
    assert_eq!((info.heartbeat_s(), info.body_bytes_max()), (Some(10), 1024));
}

#[test]
fn a_long_heartbeat_with_a_usual_buffer_is_not_taken_for_a_swap() {
    let info = Info::parse(b"h-beat\x003600\0buff-in\x00256").unwrap();
    assert_eq!((info.heartbeat_s(), info.body_bytes_max()), (Some(3600), 256));
}

#[test]
fn absurd_numbers_are_brought_into_range_and_missing_ones_assumed() {
    let info = Info::parse(b"h-beat\x001\0buff-in\x00100000").unwrap();
    assert_eq!((info.heartbeat_s(), info.body_bytes_max()), (Some(10), 65_535));
    let info = Info::parse(b"h-beat\x0099999\0buff-in\x00soon").unwrap();
    assert_eq!((info.heartbeat_s(), info.body_bytes_max()), (Some(3600), 250));
    let info = Info::parse(b"dev\0js\0buff-in\x000").unwrap();
    assert_eq!((info.heartbeat_s(), info.body_bytes_max()), (None, 250));
}

#[test]
fn the_order_of_keys_does_not_matter() {
    let forward = Info::parse(b"mcu\x000.1.0\0h-beat\x0040\0tmpl\0TMPLabc").unwrap();
    let backward = Info::parse(b"tmpl\0TMPLabc\0h-beat\x0040\0mcu\x000.1.0\0").unwrap();
    assert_eq!(forward, backward);
    assert_eq!(forward.firmware_version(), Some("0.1.0"));
}

#[test]
fn the_tag_of_a_firmware_image_reads_the_same_with_its_extra_nul() {
    let info =
        Info::parse(b"mcu\x000.1.0\0fw-type\0TMPLabc\0build\0Nov 22 2026 10:00:00\0blynk\x001.4.0\0\0")
            .unwrap();
    assert_eq!(
        (info.firmware_version(), info.fw_type, info.build, info.library_version()),
        (Some("0.1.0"), Some("TMPLabc"), Some("Nov 22 2026 10:00:00"), Some("1.4.0"))
    );
}

#[test]
fn a_key_without_value_and_broken_text_are_left_out() {
    let info = Info::parse(b"ver\x001.4.0\0dev\0\xff\xfe\0fw").unwrap();
    assert_eq!(info, Info { ver: Some("1.4.0"), ..Info::default() });
}

#[test]
fn a_body_without_any_known_key_is_no_info() {
    assert_eq!(Info::parse(b"zzz\x001\0yyy\0mcu"), None);
}

#[test]
fn only_a_device_that_says_so_is_on_the_bench() {
    for (body, is_on_bench) in [
        (&b"mcu\x001.0.0\0bench\x001"[..], true),
        (b"mcu\x001.0.0\0bench\x000", false),
        (b"mcu\x001.0.0\0bench\0yes", false),
        (b"mcu\x001.0.0", false),
    ] {
        assert_eq!(Info::parse(body).unwrap().is_on_bench(), is_on_bench, "{body:?}");
    }
}
