//! What a camera would read from each form is exactly what was put in.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use label::{
    Board, DOTS_PER_MM, LABEL_HEIGHT_DOTS, LABEL_WIDTH_DOTS, Label, Paper, Pop, join_code, render_sheet,
};
use proptest::prelude::*;

const HOSTILE_NAMES: [&str; 9] = [
    "Blynk Air Monitor-1W7R",
    "a;b,c:d\"e\\f",
    ";;;;P:x;;",
    "\\",
    " leading and trailing ",
    "\u{1f600}\u{1f680} caf\u{e9}",
    "\u{c8}\u{415}\u{4e2d}\u{6587}\u{30c6}\u{30b9}",
    "<&>'\"]]>",
    "T:nopass;H:true;P:\"",
];

fn label(ssid: &str, pop: Option<&str>) -> Label {
    let pop = pop.map(|text| Pop::parse(text).unwrap());
    Label::new(Board::new(ssid, pop, Some("board-17")).unwrap()).unwrap()
}

/// Reads the only QR code of a picture.
fn scan(width: usize, height: usize, mut luma: impl FnMut(usize, usize) -> u8) -> String {
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, &mut luma);
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1, "one code on the label");
    grids[0].decode().expect("the code decodes").1
}

fn scan_png(file: &[u8]) -> String {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let (width, height) = (info.width as usize, info.height as usize);
    scan(width, height, |x, y| pixels[y * info.line_size + x])
}

/// Paints the rectangles of the document's path, which are all of its code.
fn scan_svg(document: &str) -> String {
    let path = document.split(" d=\"").nth(1).unwrap().split('"').next().unwrap();
    let (width, height) = (usize::from(LABEL_WIDTH_DOTS), usize::from(LABEL_HEIGHT_DOTS));
    let mut pixels = vec![255_u8; width * height];
    for rectangle in path.split_terminator('z') {
        let numbers: Vec<usize> =
            rectangle.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect();
        let [left, top, run, rise, back] = numbers[..] else { panic!("five numbers in {rectangle}") };
        assert_eq!(run, back);
        for y in top..top + rise {
            pixels[y * width + left..][..run].fill(0);
        }
    }
    // Every third dot is still three for a module.
    scan(width / 3, height / 3, |x, y| pixels[3 * (y * width + x)])
}

/// Reads the pictures of a PDF, which are its codes, with 8 pixels a module and a quiet zone.
fn scan_pdf(file: &[u8]) -> Vec<String> {
    let find = |from: usize, what: &[u8]| {
        file[from..].windows(what.len()).position(|window| window == what).map(|at| from + at + what.len())
    };
    let mut codes = Vec::new();
    let mut position = 0;
    while let Some(image) = find(position, b"/Subtype /Image") {
        let width_at = find(image, b"/Width ").unwrap();
        let digits: String =
            file[width_at..].iter().map(|&byte| char::from(byte)).take_while(char::is_ascii_digit).collect();
        let side: usize = digits.parse().unwrap();
        let data = find(image, b"stream\n").unwrap();
        let row_bytes = side.div_ceil(8);
        let is_light = |x: usize, y: usize| file[data + y * row_bytes + x / 8] >> (7 - x % 8) & 1 == 1;
        let pixels = (side + 8) * 8;
        codes.push(scan(pixels, pixels, |x, y| {
            let (x, y) = (x / 8, y / 8);
            let is_code = (4..side + 4).contains(&x) && (4..side + 4).contains(&y);
            if is_code && !is_light(x - 4, y - 4) { 0 } else { 255 }
        }));
        position = data + row_bytes * side;
    }
    codes
}

/// Undoes the escaping as a phone does; returns name and password.
fn parse_join_code(code: &str) -> (String, Option<String>) {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut characters = code.strip_prefix("WIFI:").unwrap().chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => field.push(characters.next().unwrap()),
            ';' => fields.push(std::mem::take(&mut field)),
            _ => field.push(character),
        }
    }
    assert_eq!(fields.pop().as_deref(), Some(""), "the code ends with two semicolons");
    let value = |name: &str| fields.iter().find_map(|field| field.strip_prefix(name)).map(ToOwned::to_owned);
    let password = value("P:");
    assert_eq!(value("T:").unwrap(), if password.is_some() { "WPA" } else { "nopass" });
    (value("S:").unwrap(), password)
}

#[test]
fn the_code_of_a_png_decodes_to_the_input() {
    for name in HOSTILE_NAMES {
        let label = label(name, Some("p;a,s:s\"w\\d"));
        let code = scan_png(&label.to_png().unwrap());
        assert_eq!(code, join_code(label.board()));
        assert_eq!(parse_join_code(&code), (name.to_owned(), Some("p;a,s:s\"w\\d".to_owned())));
    }
}

#[test]
fn the_code_of_an_svg_decodes_to_the_input() {
    for name in HOSTILE_NAMES {
        let label = label(name, None);
        let code = scan_svg(&label.to_svg());
        assert_eq!(code, join_code(label.board()));
        assert_eq!(parse_join_code(&code), (name.to_owned(), None));
    }
}

#[test]
fn every_code_of_a_sheet_decodes_to_its_input_in_order() {
    let labels: Vec<Label> = (0..25)
        .map(|index| label(&format!("{}{index}", HOSTILE_NAMES[index % 9]), Some("correct horse")))
        .collect();
    let expected: Vec<String> = labels.iter().map(|label| join_code(label.board())).collect();
    for (paper, width_points, height_points) in [(Paper::A4, 595.28, 841.89), (Paper::Letter, 612.0, 792.0)] {
        let file = render_sheet(&labels, paper).unwrap();
        assert_eq!(scan_pdf(&file), expected);
        let text = String::from_utf8_lossy(&file);
        let media_box = text.split("/MediaBox [").nth(1).unwrap().split(']').next().unwrap();
        let sides: Vec<f32> = media_box.split_ascii_whitespace().map(|side| side.parse().unwrap()).collect();
        assert!((sides[2] - width_points).abs() < 0.2 && (sides[3] - height_points).abs() < 0.2, "{sides:?}");
        assert!(text.contains("/Count 2"), "25 labels need two sheets");
    }
}

#[test]
fn a_sheet_without_labels_is_refused() {
    assert_eq!(render_sheet(&[], Paper::A4), Err(label::RenderSheetError::NoLabel));
}

#[test]
fn an_svg_shows_name_pop_and_uid_as_escaped_text() {
    let svg = label("<&>'\"\u{1f600}", Some("correct horse")).to_svg();
    for text in [">&lt;&amp;&gt;&#39;&quot;\u{1f600}<", ">correct horse<", ">board-17<"] {
        assert!(svg.contains(text), "{text} in {svg}");
    }
    assert!(svg.contains("width=\"66mm\" height=\"36mm\""));
}

#[test]
fn a_png_states_its_resolution_so_that_it_prints_at_its_size() {
    let file = label("a", None).to_png().unwrap();
    let reader = png::Decoder::new(std::io::Cursor::new(file.as_slice())).read_info().unwrap();
    let dimensions = reader.info().pixel_dims.unwrap();
    assert_eq!(
        (dimensions.xppu, dimensions.yppu),
        (u32::from(DOTS_PER_MM) * 1000, u32::from(DOTS_PER_MM) * 1000)
    );
}

#[test]
fn a_png_shows_the_text_beside_the_code() {
    let draw = |uid| Label::new(Board::new("a", None, uid).unwrap()).unwrap().to_png().unwrap();
    assert_ne!(draw(Some("one")), draw(Some("two")));
    assert_ne!(draw(Some("one")), draw(None));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_name_and_pop_come_back_from_the_code(name in "\\PC{1,8}", pop in "[ -~]{8,63}") {
        let code = scan_svg(&label(&name, Some(&pop)).to_svg());
        prop_assert_eq!(parse_join_code(&code), (name, Some(pop)));
    }

    #[test]
    fn any_file_is_read_or_refused(file in proptest::collection::vec(any::<u8>(), 0..200)) {
        // Only that it returns: the result is checked by the unit tests.
        let read = label::read_batch(&file);
        prop_assert!(read.is_err() || read.is_ok_and(|boards| !boards.is_empty()));
    }
}
