//! Checks the partition table: what the firmware relies on, and what the bootloader refuses.

use anyhow::{Context as _, Result, bail, ensure};

/// The first byte after the table. Source: ESP-IDF programming guide, "Partition Tables".
const FIRST_OFFSET: u64 = 0x9000;
const FLASH_BYTES: u64 = 4 * 1024 * 1024;
const SECTOR_BYTES: u64 = 0x1000;
/// Firmware is mapped in pages of this size. Source: as above.
const APP_ALIGNMENT_BYTES: u64 = 0x1_0000;
/// Two journal sectors and two home slots. Source: `home_store::StoreLayout`.
const HOME_BYTES: u64 = 0x4000;
const FACTORY_BYTES: u64 = 0x1000;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Partition {
    name: String,
    kind: String,
    offset: u64,
    size_bytes: u64,
}

/// Returns the size of a firmware slot.
///
/// # Errors
/// Names the first thing that is wrong.
pub(crate) fn check(table: &str) -> Result<u64> {
    let lines = table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let partitions: Vec<Partition> = lines.map(parse_line).collect::<Result<_>>()?;
    let mut end = FIRST_OFFSET;
    for partition in &partitions {
        let Partition { name, kind, offset, size_bytes } = partition;
        ensure!(*offset >= end, "partition {name} overlaps the one before it");
        let alignment = if kind == "app" { APP_ALIGNMENT_BYTES } else { SECTOR_BYTES };
        ensure!(
            offset.is_multiple_of(alignment),
            "partition {name} must begin at a multiple of {alignment:#x}"
        );
        ensure!(size_bytes.is_multiple_of(SECTOR_BYTES), "partition {name} must consist of whole sectors");
        end = offset + size_bytes;
    }
    ensure!(end <= FLASH_BYTES, "the partitions end at {end:#x}, beyond the flash");
    let find = |name: &str| {
        partitions
            .iter()
            .find(|partition| partition.name == name)
            .with_context(|| format!("no partition {name}"))
    };
    ensure!(find("home")?.size_bytes == HOME_BYTES, "the home needs {HOME_BYTES:#x} bytes");
    ensure!(
        find("factory_data")?.size_bytes == FACTORY_BYTES,
        "the factory image has {FACTORY_BYTES:#x} bytes"
    );
    find("otadata")?;
    let (first, second) = (find("ota_0")?.size_bytes, find("ota_1")?.size_bytes);
    ensure!(first == second, "both firmware slots must have the same size");
    Ok(first)
}

fn parse_line(line: &str) -> Result<Partition> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let [name, kind, _subtype, offset, size] = fields.as_slice() else {
        bail!("'{line}' does not have five fields");
    };
    Ok(Partition {
        name: (*name).to_owned(),
        kind: (*kind).to_owned(),
        offset: parse_number(offset)?,
        size_bytes: parse_number(size)?,
    })
}

fn parse_number(text: &str) -> Result<u64> {
    let digits = text.strip_prefix("0x").with_context(|| format!("'{text}' is not written as 0x…"))?;
    u64::from_str_radix(digits, 16).with_context(|| format!("reading '{text}'"))
}
