//! Many labels on sheets of paper as PDF, with cut marks.

use pdf_writer::types::ColorSpaceOperand;
use pdf_writer::{Content, Finish as _, Name, Pdf, Rect, Ref, Str};
use thiserror::Error;

use crate::layout::{
    BASE_LINE_DOTS, DOTS_PER_MM, LABEL_HEIGHT_DOTS, LABEL_WIDTH_DOTS, LETTER_WIDTH_DOTS, Label, Line,
};
use crate::letters::Repertoire;

const COLUMN_COUNT: u16 = 3;
const ROW_COUNT: u16 = 7;

/// Labels on one sheet, on A4 and Letter alike.
pub const LABELS_PER_SHEET: usize = COLUMN_COUNT as usize * ROW_COUNT as usize;

/// Points in a dot. A point is 1/72 inch, an inch 25.4 mm. Source: ISO 32000-2, 8.3.2.3.
const POINTS_PER_DOT: f32 = 72.0 / 25.4 / DOTS_PER_MM as f32;

/// Length of a cut mark and its distance from the labels: 4 mm and 1 mm.
const MARK_DOTS: u16 = 4 * DOTS_PER_MM;
const MARK_GAP_DOTS: u16 = DOTS_PER_MM;

const FONT: Name<'static> = Name(b"F1");
const CATALOG_ID: Ref = Ref::new(1);
const PAGES_ID: Ref = Ref::new(2);
const FONT_ID: Ref = Ref::new(3);
const FIRST_FREE_ID: i32 = 4;

/// Size of the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paper {
    /// 210 mm × 297 mm. Source: ISO 216.
    A4,
    /// 8.5 in × 11 in. Source: ANSI Y14.1.
    Letter,
}

impl Paper {
    /// Width and height in dots; Letter is rounded down by less than a dot.
    const fn size_dots(self) -> (u16, u16) {
        match self {
            Self::A4 => (210 * DOTS_PER_MM, 297 * DOTS_PER_MM),
            Self::Letter => (2159 * DOTS_PER_MM / 10, 1397 * DOTS_PER_MM / 5),
        }
    }

    /// Left and upper edge of the labels, which lie in the middle of the sheet.
    const fn margins_dots(self) -> (u16, u16) {
        let (width, height) = self.size_dots();
        ((width - COLUMN_COUNT * LABEL_WIDTH_DOTS) / 2, (height - ROW_COUNT * LABEL_HEIGHT_DOTS) / 2)
    }
}

/// Nothing was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RenderSheetError {
    /// A PDF without pages is none.
    #[error("there is no label to print")]
    NoLabel,
    /// More objects than a PDF can number.
    #[error("there are too many labels for one file")]
    TooMany,
}

/// Draws labels on as many sheets as they need, [`LABELS_PER_SHEET`] on each, in rows from the upper left.
///
/// Print at 100 %, without fitting to the page; a label is then 66 mm × 36 mm.
///
/// # Errors
/// [`RenderSheetError`] if there is no label, or more than a file can hold.
pub fn render_sheet(labels: &[Label], paper: Paper) -> Result<Vec<u8>, RenderSheetError> {
    if labels.is_empty() {
        return Err(RenderSheetError::NoLabel);
    }
    let mut ids = Ids(FIRST_FREE_ID);
    let mut pdf = Pdf::new();
    let mut page_ids = Vec::new();
    for labels in labels.chunks(LABELS_PER_SHEET) {
        page_ids.push(write_page(&mut pdf, &mut ids, labels, paper)?);
    }
    pdf.catalog(CATALOG_ID).pages(PAGES_ID);
    let count = i32::try_from(page_ids.len()).or(Err(RenderSheetError::TooMany))?;
    pdf.pages(PAGES_ID).kids(page_ids).count(count);
    // Courier is one of the fonts that every reader has, and its letters have one width. Source: ISO 32000-2, 9.6.2.2.
    pdf.type1_font(FONT_ID).base_font(Name(b"Courier")).encoding_predefined(Name(b"WinAnsiEncoding"));
    Ok(pdf.finish())
}

struct Ids(i32);

impl Ids {
    fn next(&mut self) -> Result<Ref, RenderSheetError> {
        let id = self.0;
        self.0 = id.checked_add(1).ok_or(RenderSheetError::TooMany)?;
        Ok(Ref::new(id))
    }
}

fn write_page(pdf: &mut Pdf, ids: &mut Ids, labels: &[Label], paper: Paper) -> Result<Ref, RenderSheetError> {
    let mut sheet = Sheet { content: Content::new(), height_dots: paper.size_dots().1 };
    sheet.draw_cut_marks(paper);
    let (left_margin, top_margin) = paper.margins_dots();
    let places = (0..ROW_COUNT).flat_map(|row| (0..COLUMN_COUNT).map(move |column| (row, column)));
    let mut codes = Vec::new();
    for (label, (row, column)) in labels.iter().zip(places) {
        let left = left_margin + column * LABEL_WIDTH_DOTS;
        let top = top_margin + row * LABEL_HEIGHT_DOTS;
        let code_id = ids.next()?;
        write_code_image(pdf, code_id, label);
        let name = format!("Q{}", codes.len());
        sheet.draw_code(label, &name, (left, top));
        codes.push((name, code_id));
        for line in label.lines(Repertoire::Latin1) {
            sheet.draw_line(&line, (left, top));
        }
    }
    let (page_id, content_id) = (ids.next()?, ids.next()?);
    pdf.stream(content_id, &sheet.content.finish());
    let (width, height) = paper.size_dots();
    let mut page = pdf.page(page_id);
    page.parent(PAGES_ID).contents(content_id);
    page.media_box(Rect::new(0.0, 0.0, points(width), points(height)));
    let mut resources = page.resources();
    resources.fonts().pair(FONT, FONT_ID);
    let mut images = resources.x_objects();
    for (name, code_id) in &codes {
        images.pair(Name(name.as_bytes()), *code_id);
    }
    images.finish();
    resources.finish();
    page.finish();
    Ok(page_id)
}

/// A picture of one bit a module: readers draw its edges sharp, while rectangles side by side get hairlines between them.
fn write_code_image(pdf: &mut Pdf, id: Ref, label: &Label) {
    let pack = |modules: &[bool]| {
        let bits = modules.iter().map(|&is_dark| u8::from(!is_dark)).chain(std::iter::repeat(1));
        bits.take(8).fold(0_u8, |byte, bit| byte << 1 | bit)
    };
    let bytes: Vec<u8> = label.matrix().rows().flat_map(|row| row.chunks(8).map(pack)).collect();
    let side = i32::from(label.matrix().side_modules());
    let mut image = pdf.image_xobject(id, &bytes);
    image.width(side).height(side).bits_per_component(1).interpolate(false);
    image.color_space().device_gray();
}

struct Sheet {
    content: Content,
    height_dots: u16,
}

impl Sheet {
    /// PDF counts from the lower edge, the layout from the upper one.
    fn above_bottom(&self, top_dots: u16) -> f32 {
        points(self.height_dots) - points(top_dots)
    }

    fn draw_code(&mut self, label: &Label, name: &str, (left, top): (u16, u16)) {
        let place = label.code_place();
        let side = place.module_side * label.matrix().side_modules();
        let bottom = self.above_bottom(top + place.top_dots + side);
        self.content.save_state();
        self.content.transform([
            points(side),
            0.0,
            0.0,
            points(side),
            points(left + place.left_dots),
            bottom,
        ]);
        self.content.x_object(Name(name.as_bytes()));
        self.content.restore_state();
    }

    fn draw_line(&mut self, line: &Line, (left, top): (u16, u16)) {
        // A letter of Courier is 0.6 of the font's size wide.
        let size = points(LETTER_WIDTH_DOTS * line.scale) / 0.6;
        let base = self.above_bottom(top + line.top_dots + BASE_LINE_DOTS * line.scale);
        let bytes: Vec<u8> = line.text.chars().map(|letter| u8::try_from(letter).unwrap_or(b'?')).collect();
        self.content.begin_text();
        self.content.set_font(FONT, size);
        self.content.set_text_matrix([1.0, 0.0, 0.0, 1.0, points(left + line.left_dots), base]);
        self.content.show(Str(&bytes));
        self.content.end_text();
    }

    /// Lines outside the labels at every edge, to lay a ruler along.
    fn draw_cut_marks(&mut self, paper: Paper) {
        let (left, top) = paper.margins_dots();
        let right = left + COLUMN_COUNT * LABEL_WIDTH_DOTS;
        let bottom = top + ROW_COUNT * LABEL_HEIGHT_DOTS;
        self.content.set_stroke_color_space(ColorSpaceOperand::DeviceGray).set_stroke_gray(0.0);
        self.content.set_line_width(0.25);
        for column in 0..=COLUMN_COUNT {
            let x = left + column * LABEL_WIDTH_DOTS;
            self.draw_mark((x, top - MARK_GAP_DOTS - MARK_DOTS), (x, top - MARK_GAP_DOTS));
            self.draw_mark((x, bottom + MARK_GAP_DOTS), (x, bottom + MARK_GAP_DOTS + MARK_DOTS));
        }
        for row in 0..=ROW_COUNT {
            let y = top + row * LABEL_HEIGHT_DOTS;
            self.draw_mark((left - MARK_GAP_DOTS - MARK_DOTS, y), (left - MARK_GAP_DOTS, y));
            self.draw_mark((right + MARK_GAP_DOTS, y), (right + MARK_GAP_DOTS + MARK_DOTS, y));
        }
    }

    fn draw_mark(&mut self, from: (u16, u16), to: (u16, u16)) {
        let (from_y, to_y) = (self.above_bottom(from.1), self.above_bottom(to.1));
        self.content.move_to(points(from.0), from_y);
        self.content.line_to(points(to.0), to_y);
        self.content.stroke();
    }
}

fn points(dots: u16) -> f32 {
    f32::from(dots) * POINTS_PER_DOT
}
