//! Compresses the setup page, so that a small chip keeps and sends a third of it.
#![expect(
    clippy::disallowed_methods,
    reason = "Cargo tells a build script by the environment where to write"
)]

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

use flate2::write::ZlibEncoder;
use flate2::{Compress, Compression, FlushCompress};

const PAGE: &str = "src/setup_page.html";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={PAGE}");
    let folder = PathBuf::from(env::var("OUT_DIR")?);
    let page = fs::read_to_string(PAGE)?;
    let mut compress = Compress::new(Compression::best(), false);
    let mut parts = String::from("[");
    let mut rest = page.as_str();
    let mut index = 0;
    while !rest.is_empty() {
        let (text, gap, after) = split_at_gap(rest)?;
        // A full flush ends the block at a byte and lets nothing behind it refer to what stands before it, so that
        // the text of a gap fits in between. Incompressible text grows by a few bytes.
        let mut deflated = Vec::with_capacity(text.len() + 1_024);
        compress.compress_vec(text.as_bytes(), &mut deflated, FlushCompress::Full)?;
        let file = format!("setup_page_{index}.deflate");
        fs::write(folder.join(&file), &deflated)?;
        let [low, high] = adler32(text)?;
        writeln!(
            parts,
            "Part {{ deflated: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{file}\")), bytes: {}, \
             sum: Adler32 {{ low: {low}, high: {high} }}, gap: {gap} }},",
            u16::try_from(text.len())?
        )?;
        rest = after;
        index += 1;
    }
    parts.push(']');
    fs::write(folder.join("setup_page.rs"), parts)?;
    Ok(())
}

/// Returns the text before the next gap, the gap as Rust, and the text behind it.
fn split_at_gap(text: &str) -> Result<(&str, &'static str, &str), Box<dyn Error>> {
    let Some((before, rest)) = text.split_once("<!--{") else { return Ok((text, "None", "")) };
    let (name, after) = rest.split_once("}-->").ok_or("a gap of the setup page has no end")?;
    let gap = match name {
        "name" => "Some(Gap::Name)",
        "notice" => "Some(Gap::Notice)",
        "access" => "Some(Gap::Access)",
        "networks" => "Some(Gap::Networks)",
        "token_hint" => "Some(Gap::TokenHint)",
        "proof" => "Some(Gap::Proof)",
        unknown => {
            return Err(format!("the setup page has a gap named {unknown}, which nothing fills").into());
        }
    };
    Ok((before, gap, after))
}

/// Returns the low and the high half of the checksum, which ends every stream in zlib's format.
fn adler32(text: &str) -> Result<[u16; 2], Box<dyn Error>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::none());
    std::io::Write::write_all(&mut encoder, text.as_bytes())?;
    let stream = encoder.finish()?;
    match stream.as_slice() {
        [.., a, b, c, d] => Ok([u16::from_be_bytes([*c, *d]), u16::from_be_bytes([*a, *b])]),
        _ => Err("zlib made no stream".into()),
    }
}
