//! Who the device is: `/board_info.json`. Source of the fields: `reference/edgent-device.md` §5.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::shown::shown;

/// Which firmware a portal belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Firmware {
    /// Edgent of the C++ library.
    EdgentOld,
    /// Edgent for Arduino.
    EdgentNew,
    /// Ours.
    Rehome,
}

impl fmt::Display for Firmware {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::EdgentOld => "old Edgent",
            Self::EdgentNew => "new Edgent",
            Self::Rehome => "Rehome",
        })
    }
}

/// Who the device says it is. Nothing in here is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BoardInfo {
    /// Its firmware, by the form of the answer.
    pub firmware: Firmware,
    /// Template id, `TMPL…`.
    pub template_id: String,
    /// Name, which is the hotspot's too.
    pub name: String,
    /// Version of its firmware.
    pub firmware_version: String,
    /// UID; old Edgent tells none.
    pub uid: Option<String>,
    /// Code 700 to 732 of the last failure, or 0.
    pub last_error: u16,
    /// A home is stored and kept while a new one is tried. Rehome only.
    pub is_recovery: bool,
    /// A proof of possession guards its hotspot or its forms; only then it keeps its account without a token and takes a
    /// home for the bench. Rehome only; where it does not say, it is left to refuse.
    pub is_guarded: bool,
}

#[derive(Deserialize)]
struct Answer {
    tmpl_id: String,
    #[serde(default)]
    fw_ver: String,
    board: Option<String>,
    name: Option<String>,
    ssid: Option<String>,
    uid: Option<String>,
    #[serde(default)]
    last_error: u16,
    ifs: Option<Vec<serde_json::Value>>,
    rehome: Option<RehomeAnswer>,
}

#[derive(Deserialize)]
struct RehomeAnswer {
    recovery: bool,
    pop: Option<bool>,
}

impl BoardInfo {
    /// Reads the answer.
    ///
    /// # Errors
    /// [`ReadBoardInfoError`] if it is not that of a device.
    pub fn parse(body: &[u8]) -> Result<Self, ReadBoardInfoError> {
        let answer: Answer = serde_json::from_slice(body).or(Err(ReadBoardInfoError::NotADevice))?;
        let firmware = match (&answer.rehome, &answer.ifs, &answer.board) {
            (Some(_), _, _) => Firmware::Rehome,
            (None, Some(_), _) => Firmware::EdgentNew,
            (None, None, Some(_)) => Firmware::EdgentOld,
            (None, None, None) => return Err(ReadBoardInfoError::NotADevice),
        };
        let name = answer.name.or(answer.ssid).or(answer.board).unwrap_or_default();
        Ok(Self {
            firmware,
            template_id: shown(&answer.tmpl_id, &[]),
            name: shown(&name, &[]),
            firmware_version: shown(&answer.fw_ver, &[]),
            uid: answer.uid.map(|uid| shown(&uid, &[])),
            last_error: answer.last_error,
            is_recovery: answer.rehome.as_ref().is_some_and(|rehome| rehome.recovery),
            is_guarded: answer.rehome.is_some_and(|rehome| rehome.pop.unwrap_or(true)),
        })
    }
}

/// The answer is not that of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReadBoardInfoError {
    /// Not the JSON that any of the three firmwares sends.
    #[error("what answers there is not the set-up portal of a device")]
    NotADevice,
}

#[cfg(test)]
mod tests {
    use super::{BoardInfo, Firmware, ReadBoardInfoError};

    #[test]
    fn the_form_of_the_answer_tells_the_firmware() {
        let old = BoardInfo::parse(br#"{"board":"Air","tmpl_id":"TMPL1","fw_type":"TMPL1","fw_ver":"0.1.0","ssid":"Blynk Air-1W7R","bssid":"","mac":"","last_error":703,"wifi_scan":true,"static_ip":true}"#).unwrap();
        assert_eq!(
            (old.firmware, old.name.as_str(), old.last_error),
            (Firmware::EdgentOld, "Blynk Air-1W7R", 703)
        );
        let new = BoardInfo::parse(br#"{"vendor":"Blynk","name":"n","uid":"u","tmpl_id":"TMPL1","fw_type":"a","fw_ver":"1","bssid":"","last_error":0,"ifs":[{"name":"wifi"}]}"#).unwrap();
        assert_eq!((new.firmware, new.uid.as_deref()), (Firmware::EdgentNew, Some("u")));
    }

    #[test]
    fn a_device_that_does_not_say_whether_it_is_guarded_is_asked() {
        let is_guarded = |rehome: &str| {
            let answer = format!(r#"{{"tmpl_id":"TMPL1","rehome":{rehome}}}"#);
            BoardInfo::parse(answer.as_bytes()).unwrap().is_guarded
        };
        assert!(is_guarded(r#"{"recovery":true,"pop":true}"#) && is_guarded(r#"{"recovery":true}"#));
        assert!(!is_guarded(r#"{"recovery":true,"pop":false}"#));
    }

    #[test]
    fn other_pages_are_no_device() {
        for body in
            ["", "<html>Sign in</html>", "{}", "[]", r#"{"tmpl_id":"TMPL1"}"#, r#"{"board":"a","tmpl_id":7}"#]
        {
            assert_eq!(BoardInfo::parse(body.as_bytes()), Err(ReadBoardInfoError::NotADevice));
        }
    }
}
