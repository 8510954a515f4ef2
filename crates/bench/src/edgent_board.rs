//! What both generations of Edgent have in common on a board: the form of the serial log, the hotspot, who they are.

use portal::Dialect;
use time::OffsetDateTime;
use time::macros::format_description;

use crate::board::{BoardHandle, Led, LedPattern};

/// Version of the demo firmware, as `fw_ver` and `mcu` tell it.
pub(crate) const FIRMWARE_VERSION: &str = "1.0.0";
/// When the demo firmware was built, in the form that C compilers give.
pub(crate) const FIRMWARE_BUILD: &str = "Nov  2 2026 12:00:00";
/// Both emulations are an ESP8266: its records and limits differ from the ESP32's.
pub(crate) const BOARD_NAME: &str = "ESP8266";

/// Time that the radio stays off before the hotspot starts. Source: edgent-device.md §1, AP start.
const RADIO_OFF_MS: u64 = 100;
/// Time that the hotspot needs to come up. Source: as above.
const HOTSPOT_START_MS: u64 = 500;

/// Colours of the old indicator; the new one uses the same. Source: edgent-device.md §6.
pub(crate) mod color {
    pub(crate) const BLUE: u32 = 0x000D_36FF;
    pub(crate) const BLYNK: u32 = 0x002E_FFB9;
    pub(crate) const RED: u32 = 0x00FF_1008;
    pub(crate) const MAGENTA: u32 = 0x00A7_00FF;
    pub(crate) const WHITE: u32 = 0x00FF_FFE7;
    /// The source names the colour, not its number.
    pub(crate) const YELLOW: u32 = 0x00FF_FF00;
}

/// The error pattern, the same in both generations. Source: edgent-device.md §6.
pub(crate) const LED_ERROR: Led =
    Led { pattern: LedPattern::DoubleBlink { times_ms: [80, 100, 80, 1000] }, color: color::RED };

/// The pattern of a running device, the same in both generations. Source: edgent-device.md §6.
pub(crate) const LED_RUNNING: Led =
    Led { pattern: LedPattern::Wave { period_ms: 5000 }, color: color::BLYNK };

/// Returns a blinking LED.
pub(crate) const fn blink(color: u32, on_ms: u16, off_ms: u16) -> Led {
    Led { pattern: LedPattern::Blink { on_ms, off_ms }, color }
}

/// Returns the version of the running firmware.
pub(crate) fn firmware_version(board: &BoardHandle) -> String {
    board.firmware_slots().running_tag().map_or_else(|| FIRMWARE_VERSION.to_owned(), |tag| tag.version)
}

/// Returns when the running firmware was built.
pub(crate) fn firmware_build(board: &BoardHandle) -> String {
    board.firmware_slots().running_tag().map_or_else(|| FIRMWARE_BUILD.to_owned(), |tag| tag.build)
}

/// Prints a line with the time since boot, as Edgent does.
pub(crate) fn say(board: &BoardHandle, text: &str) {
    board.log(&format!("[{}] {text}", board.uptime_ms()));
}

/// Returns whether the sketch names a template; Edgent refuses to start without. Source: edgent-device.md §1.
pub(crate) fn has_template(board: &BoardHandle) -> bool {
    let identity = board.identity();
    identity.template_id.starts_with("TMPL") && !identity.template_name.is_empty()
}

/// Opens the hotspot and prints what a maker looks for.
///
/// Phones are let in only after all waiting, because the portal serves nobody earlier either.
pub(crate) async fn open_hotspot(board: &BoardHandle, name: &str) {
    board.sleep_ms(RADIO_OFF_MS + HOTSPOT_START_MS).await;
    board.open_hotspot(name, None, Dialect::EdgentOld);
    say(board, &format!("AP SSID: {name}"));
    say(board, &format!("AP IP:   {}", portal::HOTSPOT_ADDRESS));
    say(board, &format!("AP URL:  {}", portal::HOTSPOT_HOST));
}

/// Returns the wall clock as C's `asctime` prints it.
pub(crate) fn wall_clock_text(utc_ms: u64) -> String {
    let seconds = i64::try_from(utc_ms / 1000).unwrap_or_default();
    let form = format_description!(
        "[weekday repr:short] [month repr:short] [day padding:space] [hour]:[minute]:[second] [year]"
    );
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    at.format(form).unwrap_or_default()
}

/// Returns the form of an address of hardware that people read.
pub(crate) fn mac_text(mac: [u8; 6]) -> String {
    portal::MacAddress(mac).to_string()
}

#[cfg(test)]
mod tests {
    use super::wall_clock_text;

    #[test]
    fn the_wall_clock_looks_as_in_the_log_of_a_board_in_the_field() {
        assert_eq!(wall_clock_text(1_646_674_126_000), "Mon Mar  7 17:28:46 2022");
    }
}
