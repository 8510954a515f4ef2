//! Labels for boards: a QR code that joins the hotspot, and the same in text.
//!
//! A [`Board`] becomes a [`Label`]; a label becomes an SVG or a PNG, several become a PDF sheet. Everything is pure: text
//! and bytes in, bytes out. The crate reads no file and makes up no name or password.
//!
//! The QR code is authoritative: it carries the network name byte for byte. Text shows what its form has letters for: SVG
//! shows any script, PNG and PDF show Western European letters and write other characters as `\u{1f600}`.

mod batch;
mod board;
mod join_code;
mod layout;
mod letters;
mod matrix;
mod pdf;
mod png_image;
mod svg;

pub use batch::{BATCH_ROWS_MAX, ReadBatchError, Shared, find_shared, read_batch};
pub use board::{
    Board, POP_BYTES_MAX, POP_BYTES_MIN, ParseBoardError, ParsePopError, Pop, SSID_BYTES_MAX, UID_BYTES_MAX,
};
pub use join_code::join_code;
pub use layout::{DOTS_PER_MM, LABEL_HEIGHT_DOTS, LABEL_WIDTH_DOTS, Label};
pub use matrix::EncodeJoinCodeError;
pub use pdf::{LABELS_PER_SHEET, Paper, RenderSheetError, render_sheet};
pub use png_image::RenderPngError;
