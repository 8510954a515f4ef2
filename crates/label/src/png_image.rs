//! A label as PNG: black and white, one dot a pixel.

use std::convert::Infallible;

use embedded_graphics::Drawable as _;
use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::iso_8859_1::FONT_10X20;
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::text::{Baseline, Text};
use thiserror::Error;

use crate::layout::{DOTS_PER_MM, LABEL_HEIGHT_DOTS, LABEL_WIDTH_DOTS, Label, Line};
use crate::letters::Repertoire;

/// Pixels in a metre, for the resolution that the file states.
const DOTS_PER_M: u32 = DOTS_PER_MM as u32 * 1000;

impl Label {
    /// Draws the label as a PNG of 1584 × 864 pixels that states its resolution.
    ///
    /// # Errors
    /// [`RenderPngError`] if the encoder fails, which memory as a target gives it no reason for.
    pub fn to_png(&self) -> Result<Vec<u8>, RenderPngError> {
        let mut canvas = Canvas::white();
        canvas.draw_code(self);
        for line in self.lines(Repertoire::Latin1) {
            canvas.draw_line(&line);
        }
        canvas.into_png().map_err(RenderPngError)
    }
}

/// The PNG could not be encoded.
#[derive(Debug, Error)]
#[error("encoding the PNG failed")]
pub struct RenderPngError(#[source] png::EncodingError);

/// Pixels of a label, `true` for black.
struct Canvas {
    is_black: Vec<bool>,
}

impl Canvas {
    fn white() -> Self {
        Self { is_black: vec![false; usize::from(LABEL_WIDTH_DOTS) * usize::from(LABEL_HEIGHT_DOTS)] }
    }

    fn blacken(&mut self, left: u32, top: u32, side: u32) {
        let width = usize::from(LABEL_WIDTH_DOTS);
        let (Ok(left), Ok(top), Ok(side)) =
            (usize::try_from(left), usize::try_from(top), usize::try_from(side))
        else {
            return;
        };
        for row in self.is_black.chunks_mut(width).skip(top).take(side) {
            row.iter_mut().skip(left).take(side).for_each(|pixel| *pixel = true);
        }
    }

    fn draw_code(&mut self, label: &Label) {
        let place = label.code_place();
        let module_dots = u32::from(place.module_side);
        let mut top = u32::from(place.top_dots);
        for row in label.matrix().rows() {
            let mut left = u32::from(place.left_dots);
            for &is_dark in row {
                if is_dark {
                    self.blacken(left, top, module_dots);
                }
                left += module_dots;
            }
            top += module_dots;
        }
    }

    fn draw_line(&mut self, line: &Line) {
        let style = MonoTextStyle::new(&FONT_10X20, BinaryColor::On);
        let text = Text::with_baseline(&line.text, Point::zero(), style, Baseline::Top);
        let drawn = text.draw(&mut Enlarged { canvas: self, line });
        debug_assert!(drawn.is_ok(), "the canvas accepts every pixel");
    }

    fn into_png(self) -> Result<Vec<u8>, png::EncodingError> {
        let mut file = Vec::new();
        let mut encoder =
            png::Encoder::new(&mut file, u32::from(LABEL_WIDTH_DOTS), u32::from(LABEL_HEIGHT_DOTS));
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        encoder.set_pixel_dims(Some(png::PixelDimensions {
            xppu: DOTS_PER_M,
            yppu: DOTS_PER_M,
            unit: png::Unit::Meter,
        }));
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.packed())?;
        writer.finish()?;
        Ok(file)
    }

    /// One bit a pixel, 1 is white; a row is a whole number of bytes.
    fn packed(&self) -> Vec<u8> {
        let pack =
            |pixels: &[bool]| pixels.iter().fold(0_u8, |byte, &is_black| byte << 1 | u8::from(!is_black));
        self.is_black.chunks(8).map(pack).collect()
    }
}

const _: () = assert!(LABEL_WIDTH_DOTS.is_multiple_of(8), "rows are packed without padding");

/// Draws a small font large: each of its pixels becomes a square.
struct Enlarged<'a> {
    canvas: &'a mut Canvas,
    line: &'a Line,
}

impl OriginDimensions for Enlarged<'_> {
    fn size(&self) -> Size {
        Size::new(u32::from(LABEL_WIDTH_DOTS), u32::from(LABEL_HEIGHT_DOTS))
    }
}

impl DrawTarget for Enlarged<'_> {
    type Color = BinaryColor;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        let scale = u32::from(self.line.scale);
        for Pixel(point, color) in pixels {
            let (Ok(column), Ok(row)) = (u32::try_from(point.x), u32::try_from(point.y)) else { continue };
            if color == BinaryColor::On {
                let left = u32::from(self.line.left_dots).saturating_add(column.saturating_mul(scale));
                let top = u32::from(self.line.top_dots).saturating_add(row.saturating_mul(scale));
                self.canvas.blacken(left, top, scale);
            }
        }
        Ok(())
    }
}
