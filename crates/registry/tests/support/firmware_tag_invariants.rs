//! What must hold for the tag of any firmware image. Shared by the replayed corpus and the fuzz target.

use registry::{ApplyRule, Eligibility, FindTagError, FirmwareTag, RunningFirmware};

const MARKER: &[u8] = b"blnkinf\0";

/// Looks for a tag in an uploaded image and judges it as each rule does.
pub(crate) fn check_upload(image: &[u8]) {
    let has_marker = image.windows(MARKER.len()).any(|window| window == MARKER);
    let tag = match FirmwareTag::find(image) {
        Ok(tag) => tag,
        Err(FindTagError::LongVersion { bytes }) => {
            assert!(has_marker && (33..=64).contains(&bytes), "{bytes}");
            return;
        }
        Err(error) => {
            assert_eq!(error, if has_marker { FindTagError::Incomplete } else { FindTagError::Missing });
            return;
        }
    };
    assert!(has_marker);
    let texts = [Some(&tag.kind), Some(&tag.version), tag.build.as_ref(), tag.library.as_ref()];
    assert!(tag.version.len() <= 32, "{}", tag.version);
    for text in texts.into_iter().flatten() {
        assert!(
            (1..=64).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
            "{text:?}"
        );
    }
    assert_eq!(FirmwareTag::find(&[b"code\xE9\0", written(&tag).as_slice()].concat()).as_ref(), Ok(&tag));
    check_rules(&tag);
}

/// The tag as libraries write it.
fn written(tag: &FirmwareTag) -> Vec<u8> {
    let pairs = [
        ("mcu", Some(&tag.version)),
        ("fw-type", Some(&tag.kind)),
        ("build", tag.build.as_ref()),
        ("blynk", tag.library.as_ref()),
    ];
    let pairs = pairs.iter().filter_map(|(key, value)| Some(format!("{key}\0{}\0", (*value)?)));
    [MARKER, pairs.collect::<String>().as_bytes(), b"\0"].concat()
}

/// A device that runs this very image is told so by no rule to take it again, and one of another type by none at all.
fn check_rules(tag: &FirmwareTag) {
    let same = RunningFirmware {
        kind: Some(tag.kind.clone()),
        version: Some(tag.version.clone()),
        build: tag.build.clone(),
        library: tag.library.clone(),
    };
    assert!(tag.is_running(&same));
    let other = RunningFirmware { kind: Some(format!("{}x", tag.kind)), ..same.clone() };
    for rule in ApplyRule::ALL {
        assert_eq!(rule.judge(tag, &same), Eligibility::VersionMismatch, "{rule:?}");
        assert_eq!(rule.judge(tag, &other), Eligibility::TypeMismatch, "{rule:?}");
    }
}
