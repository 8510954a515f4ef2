//! Where everything lies on a label, in dots; the three forms draw the same layout.

use crate::board::Board;
use crate::join_code::join_code;
use crate::letters::{Repertoire, broken, written};
use crate::matrix::{EncodeJoinCodeError, Matrix};

/// Dots in a millimetre, 610 dpi: a whole number of dots for every module and letter, finer than label printers need.
pub const DOTS_PER_MM: u16 = 24;

/// Width of a label in dots: 66 mm, so that three fit on A4 and Letter with margins that every printer keeps.
pub const LABEL_WIDTH_DOTS: u16 = 66 * DOTS_PER_MM;

/// Height of a label in dots: 36 mm.
pub const LABEL_HEIGHT_DOTS: u16 = 36 * DOTS_PER_MM;

/// Light modules around a code. Source: ISO/IEC 18004:2015, 6.3.8.
const QUIET_MODULES: u16 = 4;

/// Square for code and quiet zone: 31 mm.
const CODE_SIDE_DOTS: u16 = 31 * DOTS_PER_MM;
const CODE_LEFT_DOTS: u16 = DOTS_PER_MM;
const TEXT_LEFT_DOTS: u16 = 33 * DOTS_PER_MM;
const TEXT_WIDTH_DOTS: u16 = 31 * DOTS_PER_MM;
const TEXT_TOP_DOTS: u16 = 3 * DOTS_PER_MM;

/// Height given to each of the three entries: a heading, up to 180 dots of text and a gap.
const ENTRY_HEIGHT_DOTS: u16 = 250;

/// Cell of the fixed-width letters at scale 1, in dots. Source: the bitmap font of the PNG; Courier has the same shape.
pub(crate) const LETTER_WIDTH_DOTS: u16 = 10;
/// See [`LETTER_WIDTH_DOTS`].
pub(crate) const LETTER_HEIGHT_DOTS: u16 = 20;
/// Distance of the base line from the top of a letter's cell at scale 1, in dots.
pub(crate) const BASE_LINE_DOTS: u16 = 15;

const HEADING_SCALE: u16 = 2;

/// Scales that are tried for an entry, and lines that it may then take: the largest that fits is used.
const SCALES: [(u16, usize); 3] = [(4, 2), (3, 3), (2, 4)];

/// A label, ready to be drawn.
#[derive(Debug, Clone)]
pub struct Label {
    board: Board,
    matrix: Matrix,
}

impl Label {
    /// Lays out the label of a board.
    ///
    /// # Errors
    /// [`EncodeJoinCodeError`] if the QR code cannot be made; a checked board always fits.
    pub fn new(board: Board) -> Result<Self, EncodeJoinCodeError> {
        let matrix = Matrix::encode(&join_code(&board))?;
        Ok(Self { board, matrix })
    }

    /// The board it was made for.
    #[must_use]
    pub fn board(&self) -> &Board {
        &self.board
    }

    pub(crate) fn matrix(&self) -> &Matrix {
        &self.matrix
    }

    /// Side of one module, and the left and upper edge of the code without its quiet zone.
    pub(crate) fn code_place(&self) -> CodePlace {
        let side_modules = self.matrix.side_modules();
        let module_dots = CODE_SIDE_DOTS / (side_modules + 2 * QUIET_MODULES);
        let side_dots = module_dots * side_modules;
        CodePlace {
            module_side: module_dots,
            left_dots: CODE_LEFT_DOTS + (CODE_SIDE_DOTS - side_dots) / 2,
            top_dots: (LABEL_HEIGHT_DOTS - side_dots) / 2,
        }
    }

    /// The lines of text.
    pub(crate) fn lines(&self, repertoire: Repertoire) -> Vec<Line> {
        let pop = self.board.pop().map_or("none (open)", |pop| pop.expose());
        let mut entries = vec![("Wi-Fi network", self.board.ssid()), ("Wi-Fi password (PoP)", pop)];
        if let Some(uid) = self.board.uid() {
            entries.push(("Device UID", uid));
        }
        let mut lines = Vec::new();
        let mut entry_top_dots = TEXT_TOP_DOTS;
        for (heading, text) in entries {
            push_entry(&mut lines, entry_top_dots, heading, &written(text, repertoire));
            entry_top_dots += ENTRY_HEIGHT_DOTS;
        }
        lines
    }
}

/// Where the code lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CodePlace {
    /// Side of one module in dots.
    pub(crate) module_side: u16,
    pub(crate) left_dots: u16,
    pub(crate) top_dots: u16,
}

/// One line of fixed-width text.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) left_dots: u16,
    pub(crate) top_dots: u16,
    /// Letters are [`LETTER_WIDTH_DOTS`] times this wide.
    pub(crate) scale: u16,
    pub(crate) text: String,
}

fn push_entry(lines: &mut Vec<Line>, top_dots: u16, heading: &str, written: &[String]) {
    let mut push = |top_dots, scale, text| {
        lines.push(Line { left_dots: TEXT_LEFT_DOTS, top_dots, scale, text });
    };
    push(top_dots, HEADING_SCALE, heading.to_owned());
    let (scale, broken) = fitting(written);
    let mut line_top_dots = top_dots + HEADING_SCALE * LETTER_HEIGHT_DOTS + LETTER_HEIGHT_DOTS / 4;
    for text in broken {
        push(line_top_dots, scale, text);
        line_top_dots += scale * LETTER_HEIGHT_DOTS;
    }
}

/// The largest scale at which the text fits. The smallest always does: 4 lines of 37 letters hold the longest name, which
/// is 16 characters of 7 letters each.
fn fitting(text: &[String]) -> (u16, Vec<String>) {
    let at_scale = |scale: u16| broken(text, usize::from(TEXT_WIDTH_DOTS / (LETTER_WIDTH_DOTS * scale)));
    SCALES
        .into_iter()
        .map(|(scale, line_count_max)| (scale, line_count_max, at_scale(scale)))
        .find(|(_, line_count_max, lines)| lines.len() <= *line_count_max)
        .map_or_else(|| (1, at_scale(1)), |(scale, _, lines)| (scale, lines))
}

#[cfg(test)]
mod tests {
    use super::{
        ENTRY_HEIGHT_DOTS, LABEL_HEIGHT_DOTS, LABEL_WIDTH_DOTS, LETTER_WIDTH_DOTS, Label, TEXT_TOP_DOTS,
    };
    use crate::letters::{Repertoire, columns_of};
    use crate::{Board, Pop};

    /// The longest of everything that a board may have.
    fn widest_boards() -> Vec<Board> {
        let names = [
            "\u{448}".repeat(16),
            "\u{1f600}".repeat(8),
            "\u{4e2d}".repeat(10),
            "W".repeat(32),
            "\u{a0}".repeat(16),
        ];
        names
            .iter()
            .map(|name| {
                Board::new(name, Some(Pop::parse(&"\\".repeat(63)).unwrap()), Some(&"U".repeat(64))).unwrap()
            })
            .collect()
    }

    #[test]
    fn the_longest_texts_stay_inside_the_label_and_inside_their_entry() {
        for board in widest_boards() {
            let label = Label::new(board).unwrap();
            for repertoire in [Repertoire::Latin1, Repertoire::Unicode] {
                for line in label.lines(repertoire) {
                    let width =
                        u16::try_from(columns_of(&line.text)).unwrap() * LETTER_WIDTH_DOTS * line.scale;
                    assert!(line.scale >= 2, "{line:?}");
                    assert!(line.left_dots + width <= LABEL_WIDTH_DOTS, "{line:?}");
                    let bottom = line.top_dots + 20 * line.scale;
                    assert!(bottom <= LABEL_HEIGHT_DOTS, "{line:?}");
                    let entry_index = (line.top_dots - TEXT_TOP_DOTS) / ENTRY_HEIGHT_DOTS;
                    assert!(bottom <= TEXT_TOP_DOTS + (entry_index + 1) * ENTRY_HEIGHT_DOTS, "{line:?}");
                }
            }
        }
    }

    #[test]
    fn the_code_keeps_its_quiet_zone_from_the_edge_and_from_the_text() {
        for board in widest_boards() {
            let label = Label::new(board).unwrap();
            let place = label.code_place();
            let quiet = 4 * place.module_side;
            let right = place.left_dots + label.matrix().side_modules() * place.module_side;
            assert!(place.left_dots >= quiet && place.top_dots >= quiet);
            assert!(right + quiet <= label.lines(Repertoire::Latin1).first().unwrap().left_dots);
            // 0.375 mm: cameras of phones resolve it at a hand's width.
            assert!(place.module_side >= 9, "{place:?}");
        }
    }
}
