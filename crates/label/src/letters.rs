//! How text is written in a form that has letters for only some characters, and how it is broken into lines.

/// Which characters a form can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repertoire {
    /// ISO 8859-1: what the bitmap font of the PNG and the built-in font of a PDF hold.
    Latin1,
    /// Whatever the viewer's fonts hold.
    Unicode,
}

/// Replaces what cannot be shown, or would be invisible, by `\u{…}`.
pub(crate) fn written(text: &str, repertoire: Repertoire) -> Vec<String> {
    text.chars().map(|character| written_character(character, repertoire)).collect()
}

fn written_character(character: char, repertoire: Repertoire) -> String {
    let is_shown = match character {
        ' '..='~' | '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{ff}' => true,
        _ => repertoire == Repertoire::Unicode && is_visible(character),
    };
    if is_shown { character.to_string() } else { character.escape_unicode().to_string() }
}

/// Marks that join the letter before them, changes of direction and blanks of odd width are escaped: a person must be
/// able to type what the label shows.
fn is_visible(character: char) -> bool {
    character.escape_debug().count() == 1 && !character.is_whitespace()
}

/// Breaks written characters into lines of at most `columns`, never inside one character's replacement unless it alone
/// is longer than a line.
pub(crate) fn broken(written: &[String], columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used_columns = 0;
    for piece in written {
        let width = columns_of(piece);
        if used_columns > 0 && used_columns + width > columns {
            lines.push(String::new());
            used_columns = 0;
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(piece);
        }
        used_columns += width;
    }
    lines
}

/// Columns of a fixed-width font; ideographs and emoji take two.
pub(crate) fn columns_of(text: &str) -> usize {
    text.chars().map(|character| if character >= '\u{1100}' { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::{Repertoire, broken, written};

    fn joined(text: &str, repertoire: Repertoire) -> String {
        written(text, repertoire).concat()
    }

    #[test]
    fn only_what_a_form_has_no_letter_for_is_replaced() {
        assert_eq!(joined(r#"Caf\é "x""#, Repertoire::Latin1), r#"Caf\é "x""#);
        assert_eq!(joined("a\u{1f600}", Repertoire::Latin1), r"a\u{1f600}");
        assert_eq!(joined("a\u{1f600}\u{4e2d}", Repertoire::Unicode), "a\u{1f600}\u{4e2d}");
    }

    #[test]
    fn characters_that_nobody_sees_are_spelled_out_everywhere() {
        for hidden in ["\u{202e}", "\u{ad}", "\u{a0}", "\u{301}", "\u{2003}", "\u{feff}"] {
            assert!(joined(hidden, Repertoire::Unicode).starts_with(r"\u{"), "{hidden:?}");
            assert!(joined(hidden, Repertoire::Latin1).starts_with(r"\u{"), "{hidden:?}");
        }
    }

    #[test]
    fn lines_break_between_characters_and_lose_nothing() {
        let pieces = written("abcdef\u{1f600}g", Repertoire::Latin1);
        let lines = broken(&pieces, 10);
        assert_eq!(lines, ["abcdef", r"\u{1f600}g"]);
        assert_eq!(broken(&[], 10), [""]);
    }
}
