//! Chooses the board's file and collects the trust anchors.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

const BOARD_VARIABLE: &str = "REHOME_BOARD";
const ANCHOR_FOLDER_VARIABLE: &str = "REHOME_TRUST_ANCHORS";
const FIRMWARE_KEY_VARIABLE: &str = "REHOME_FIRMWARE_KEY";
const FIRMWARE_KEY_BYTES: usize = 32;
const ANCHOR_FOLDER: &str = "trust-anchors";
const PEM_BEGIN: &str = "-----BEGIN CERTIFICATE-----";

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo::rerun-if-env-changed={BOARD_VARIABLE}");
    println!("cargo::rerun-if-env-changed={ANCHOR_FOLDER_VARIABLE}");
    println!("cargo::rerun-if-env-changed={FIRMWARE_KEY_VARIABLE}");
    choose_board(&root, &out)?;
    build_in_firmware_key(&out)?;
    let folder = env::var_os(ANCHOR_FOLDER_VARIABLE).map_or_else(|| root.join(ANCHOR_FOLDER), PathBuf::from);
    collect_anchors(&folder, &out)?;
    Ok(())
}

fn choose_board(root: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let is_c6 = env::var_os("CARGO_FEATURE_ESP32C6").is_some();
    let default = if is_c6 { "esp32c6_devkitc_1" } else { "esp32c3_devkitm_1" };
    let name = env::var(BOARD_VARIABLE).unwrap_or_else(|_| default.to_owned());
    let path = root.join("boards").join(format!("{name}.rs"));
    if !path.is_file() {
        return Err(format!("{BOARD_VARIABLE}={name}: there is no file boards/{name}.rs").into());
    }
    println!("cargo::rerun-if-changed={}", path.display());
    fs::copy(path, out.join("board.rs"))?;
    Ok(())
}

fn build_in_firmware_key(out: &Path) -> Result<(), Box<dyn Error>> {
    let key = match env::var(FIRMWARE_KEY_VARIABLE).ok().filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => Some(read_hex(text.trim()).ok_or_else(|| {
            format!("{FIRMWARE_KEY_VARIABLE}: {} hexadecimal digits, the public half of the key", 2 * FIRMWARE_KEY_BYTES)
        })?),
    };
    fs::write(
        out.join("firmware_key.rs"),
        format!("pub(crate) const FIRMWARE_KEY: Option<[u8; {FIRMWARE_KEY_BYTES}]> = {key:?};\n"),
    )?;
    Ok(())
}

fn read_hex(text: &str) -> Option<Vec<u8>> {
    let is_key = text.len() == 2 * FIRMWARE_KEY_BYTES && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let digits = text.as_bytes().chunks(2);
    is_key.then(|| digits.filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect())
}

fn collect_anchors(folder: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .map_err(|error| format!("reading {}: {error}", folder.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "pem"));
    paths.sort();
    let mut anchors = String::new();
    for path in &paths {
        let text = fs::read_to_string(path)?;
        // Text around the certificate is for people.
        let begin = text.find(PEM_BEGIN).ok_or_else(|| format!("{}: no certificate", path.display()))?;
        anchors.push_str(text.get(begin..).unwrap_or_default());
        anchors.push('\n');
    }
    if paths.is_empty() {
        println!(
            "cargo::warning=no trust anchor in {}: TLS works only for homes that bring their own",
            folder.display()
        );
    }
    // A C string, as the TLS library reads it.
    anchors.push('\0');
    fs::write(out.join("trust_anchors.pem"), anchors)?;
    Ok(())
}
