use proptest::prelude::*;

use super::*;

fn image(tag: &[u8]) -> Vec<u8> {
    [b"\xE9\x06\x02\x20code", tag, b"more code\0\0"].concat()
}

fn tag(version: &str, build: &str) -> FirmwareTag {
    FirmwareTag {
        kind: "TMPLabcd1234".to_owned(),
        version: version.to_owned(),
        build: Some(build.to_owned()),
        library: Some("1.3.2".to_owned()),
    }
}

fn running(version: &str, build: &str) -> RunningFirmware {
    RunningFirmware {
        kind: Some("TMPLabcd1234".to_owned()),
        version: Some(version.to_owned()),
        build: Some(build.to_owned()),
        library: Some("1.3.0".to_owned()),
    }
}

#[test]
fn the_tag_of_the_reference_is_read() {
    let bytes =
        b"blnkinf\0mcu\x000.5.0\0fw-type\0TMPLabcd1234\0build\0Mar 05 2024 18:29:27\0blynk\x001.3.2\0\0";
    let found = FirmwareTag::find(&image(bytes)).unwrap();
    assert_eq!(found, tag("0.5.0", "Mar 05 2024 18:29:27"));
}

#[test]
fn a_marker_in_the_code_does_not_hide_the_tag_after_it() {
    let bytes = b"blnkinf\0\0some text blnkinf\0fw-type\0T\0mcu\x001\0\0";
    assert_eq!(FirmwareTag::find(&image(bytes)).unwrap().version, "1");
}

#[test]
fn an_image_without_a_complete_tag_says_what_is_missing() {
    assert_eq!(FirmwareTag::find(&image(b"")), Err(FindTagError::Missing));
    assert_eq!(FirmwareTag::find(&image(b"blnkinf\0mcu\x001\0\0")), Err(FindTagError::Incomplete));
    assert_eq!(FirmwareTag::find(b"blnkinf\0mcu"), Err(FindTagError::Incomplete));
    let long = [b"blnkinf\0mcu\0".as_slice(), &[b'1'; 65], b"\0fw-type\0T\0\0"].concat();
    assert_eq!(FirmwareTag::find(&long), Err(FindTagError::Incomplete));
}

#[test]
fn a_version_that_devices_refuse_is_refused_at_the_upload() {
    let with_version = |bytes: usize| {
        let version = vec![b'1'; bytes];
        FirmwareTag::find(&image(&[b"blnkinf\0mcu\0", version.as_slice(), b"\0fw-type\0T\0\0"].concat()))
    };
    assert_eq!(with_version(32).unwrap().version.len(), 32);
    let error = with_version(33).unwrap_err();
    assert_eq!(error, FindTagError::LongVersion { bytes: 33 });
    let text = error.to_string();
    assert!(text.contains("has 33 bytes") && text.contains("more than 32; shorten"), "{text}");
}

#[test]
fn versions_are_compared_as_numbers() {
    for (lower, higher) in [
        ("0.9", "0.10"),
        ("1.0.0", "1.0.1"),
        ("1", "1.0.1"),
        ("v1.2", "1.3"),
        ("1.0.0-beta", "1.0.0"),
        ("1.0.0-a", "1.0.0-b"),
    ] {
        assert_eq!(compare_versions(lower, higher), Some(Ordering::Less), "{lower} {higher}");
        assert_eq!(compare_versions(higher, lower), Some(Ordering::Greater), "{lower} {higher}");
    }
    assert_eq!(compare_versions("1.0", "1.0.0"), Some(Ordering::Equal));
    for odd in ["", "beta", "1..2", "99999999999999999999999"] {
        assert_eq!(compare_versions(odd, "1.0"), None, "{odd}");
    }
}

#[test]
fn builds_are_compared_as_moments() {
    let (march, december) = ("Mar  5 2024 18:29:27", "Dec 31 2023 23:59:59");
    assert_eq!(compare_builds(december, march), Some(Ordering::Less));
    assert_eq!(compare_builds(march, "Mar 05 2024 18:29:27"), Some(Ordering::Equal));
    assert_eq!(compare_builds(march, "yesterday"), None);
    assert_eq!(compare_builds(march, "Mar 05 2024 99:29:27"), None);
}

#[test]
fn each_rule_judges_what_its_name_says() {
    let new = tag("1.1", "Mar 05 2024 18:29:27");
    let old = running("1.0", "Mar 04 2024 18:29:27");
    let newer = running("1.2", "Mar 06 2024 18:29:27");
    let cases = [
        (ApplyRule::LowerVersion, Eligibility::Eligible, Eligibility::VersionMismatch),
        (ApplyRule::EarlierBuild, Eligibility::Eligible, Eligibility::VersionMismatch),
        (ApplyRule::AnotherBuild, Eligibility::Eligible, Eligibility::Eligible),
        (ApplyRule::LowerLibrary, Eligibility::Eligible, Eligibility::Eligible),
    ];
    for (rule, for_old, for_newer) in cases {
        assert_eq!(rule.judge(&new, &old), for_old, "{rule:?}");
        assert_eq!(rule.judge(&new, &newer), for_newer, "{rule:?}");
        assert_eq!(ApplyRule::from_name(rule.as_str()), Some(rule));
        let foreign = RunningFirmware { kind: Some("TMPLother".to_owned()), ..old.clone() };
        assert_eq!(rule.judge(&new, &foreign), Eligibility::TypeMismatch);
        let silent = RunningFirmware { kind: Some("TMPLabcd1234".to_owned()), ..RunningFirmware::default() };
        assert_eq!(rule.judge(&new, &silent), Eligibility::VersionMismatch);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_search_panic_or_give_an_empty_field(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let bytes = [b"blnkinf\0".as_slice(), &bytes].concat();
        if let Ok(found) = FirmwareTag::find(&bytes) {
            prop_assert!(!found.kind.is_empty() && !found.version.is_empty());
        }
    }

    #[test]
    fn comparing_versions_is_antisymmetric(left in "[0-9]{1,3}(\\.[0-9]{1,3}){0,3}(-[a-z]{1,3})?", right in "[0-9]{1,3}(\\.[0-9]{1,3}){0,3}(-[a-z]{1,3})?") {
        let forward = compare_versions(&left, &right).unwrap();
        prop_assert_eq!(compare_versions(&right, &left).unwrap(), forward.reverse());
    }
}
