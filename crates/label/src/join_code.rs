//! The text that makes a phone's camera offer to join a network.

use crate::board::Board;

/// Returns the text of the QR code.
///
/// `WIFI:T:WPA;S:<name>;P:<PoP>;;`, or `WIFI:T:nopass;S:<name>;;` for an open hotspot, in UTF-8. Backslash, semicolon,
/// comma, colon and quotation mark are preceded by a backslash. Source: `ZXing`, "Barcode Contents", Wi-Fi network config;
/// the cameras of Android and iOS read the same. `WPA` stands for WPA2 and WPA3 too.
///
/// Some old readers take a name of hexadecimal digits only for a number. Hotspot names hold a `-`, so the quotation marks
/// that the source proposes for that case, and that newer readers take for part of the name, are not needed.
#[must_use]
pub fn join_code(board: &Board) -> String {
    let mut code = String::from("WIFI:T:");
    code.push_str(if board.pop().is_some() { "WPA;S:" } else { "nopass;S:" });
    push_escaped(&mut code, board.ssid());
    if let Some(pop) = board.pop() {
        code.push_str(";P:");
        push_escaped(&mut code, pop.expose());
    }
    code.push_str(";;");
    code
}

fn push_escaped(code: &mut String, text: &str) {
    for character in text.chars() {
        if matches!(character, '\\' | ';' | ',' | ':' | '"') {
            code.push('\\');
        }
        code.push(character);
    }
}

#[cfg(test)]
mod tests {
    use super::join_code;
    use crate::{Board, Pop};

    #[test]
    fn a_hotspot_with_a_pop_is_wpa() {
        let board = Board::new("Blynk Air-1W7R", Some(Pop::parse("abcd1234").unwrap()), None).unwrap();
        assert_eq!(join_code(&board), "WIFI:T:WPA;S:Blynk Air-1W7R;P:abcd1234;;");
    }

    #[test]
    fn a_hotspot_without_a_pop_asks_for_no_password() {
        let board = Board::new("Blynk Air-1W7R", None, Some("u")).unwrap();
        assert_eq!(join_code(&board), "WIFI:T:nopass;S:Blynk Air-1W7R;;");
    }

    #[test]
    fn characters_with_a_meaning_are_escaped() {
        let pop = Pop::parse(r#"p;a,s:s"w\"#).unwrap();
        let board = Board::new(r#"a;b,c:d"e\f"#, Some(pop), None).unwrap();
        assert_eq!(join_code(&board), r#"WIFI:T:WPA;S:a\;b\,c\:d\"e\\f;P:p\;a\,s\:s\"w\\;;"#);
    }
}
