//! A label as SVG.

use std::fmt::{self, Write as _};

use crate::layout::{
    BASE_LINE_DOTS, DOTS_PER_MM, LABEL_HEIGHT_DOTS, LABEL_WIDTH_DOTS, LETTER_HEIGHT_DOTS, LETTER_WIDTH_DOTS,
    Label, Line,
};
use crate::letters::{Repertoire, columns_of};

impl Label {
    /// Draws the label as an SVG document with its size in millimetres. Text stays text.
    #[must_use]
    pub fn to_svg(&self) -> String {
        let mut svg = String::new();
        // Writing to a string cannot fail.
        let written = write_svg(self, &mut svg);
        debug_assert!(written.is_ok(), "a string accepts every write");
        svg
    }
}

fn write_svg(label: &Label, svg: &mut String) -> fmt::Result {
    let (width_mm, height_mm) = (LABEL_WIDTH_DOTS / DOTS_PER_MM, LABEL_HEIGHT_DOTS / DOTS_PER_MM);
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width_mm}mm\" height=\"{height_mm}mm\" \
         viewBox=\"0 0 {LABEL_WIDTH_DOTS} {LABEL_HEIGHT_DOTS}\">"
    )?;
    writeln!(svg, "<rect width=\"{LABEL_WIDTH_DOTS}\" height=\"{LABEL_HEIGHT_DOTS}\" fill=\"#fff\"/>")?;
    write_code(label, svg)?;
    writeln!(
        svg,
        "<g font-family=\"'DejaVu Sans Mono','Liberation Mono',Menlo,Consolas,monospace\" xml:space=\"preserve\">"
    )?;
    for line in label.lines(Repertoire::Unicode) {
        write_line(&line, svg)?;
    }
    svg.push_str("</g>\n</svg>\n");
    Ok(())
}

/// One path of rectangles, each a run of dark modules in a row.
fn write_code(label: &Label, svg: &mut String) -> fmt::Result {
    let place = label.code_place();
    svg.push_str("<path shape-rendering=\"crispEdges\" d=\"");
    let mut top = place.top_dots;
    for row in label.matrix().rows() {
        let mut left = place.left_dots;
        for run in row.chunk_by(|first, second| first == second) {
            let width = run.iter().map(|_| place.module_side).sum::<u16>();
            if run.first() == Some(&true) {
                let height = place.module_side;
                write!(svg, "M{left} {top}h{width}v{height}h-{width}z")?;
            }
            left += width;
        }
        top += place.module_side;
    }
    svg.push_str("\"/>\n");
    Ok(())
}

fn write_line(line: &Line, svg: &mut String) -> fmt::Result {
    let base = line.top_dots + BASE_LINE_DOTS * line.scale;
    // A letter of a fixed-width font is 0.6 em wide, so the cell's width fixes the size.
    let size = LETTER_WIDTH_DOTS * line.scale * 5 / 3;
    debug_assert!(size <= LETTER_HEIGHT_DOTS * line.scale, "the line fits its cell");
    write!(svg, "<text x=\"{}\" y=\"{base}\" font-size=\"{size}\"", line.left_dots)?;
    if line.text.is_ascii() && !line.text.is_empty() {
        // Keeps the label's width whichever font the viewer has.
        let width = columns_of(&line.text) * usize::from(LETTER_WIDTH_DOTS * line.scale);
        write!(svg, " textLength=\"{width}\" lengthAdjust=\"spacingAndGlyphs\"")?;
    }
    writeln!(svg, ">{}</text>", XmlText(&line.text))
}

/// Text with the characters replaced that mean something in XML.
struct XmlText<'a>(&'a str);

impl fmt::Display for XmlText<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => formatter.write_str("&amp;")?,
                '<' => formatter.write_str("&lt;")?,
                '>' => formatter.write_str("&gt;")?,
                '"' => formatter.write_str("&quot;")?,
                '\'' => formatter.write_str("&#39;")?,
                _ => formatter.write_char(character)?,
            }
        }
        Ok(())
    }
}
