//! What a linked program takes, from its section table. Source: System V ABI, edition 4.1, chapter 4.

use std::ops::Range;

use anyhow::{Context as _, Result, ensure};

/// ELF, 32 bit, little-endian.
const MAGIC: [u8; 6] = [0x7F, b'E', b'L', b'F', 1, 1];
const SECTION_TABLE_OFFSET: usize = 32;
const SECTION_ENTRY_BYTES: usize = 46;
const SECTION_COUNT: usize = 48;
const NAME_SECTION_INDEX: usize = 50;
/// The section has no bytes in the file: it is memory that starts as zeros.
const TYPE_NO_BITS: u32 = 8;
/// The program writes to the section.
const FLAG_WRITE: u32 = 1;
/// The section takes memory while the program runs.
const FLAG_ALLOC: u32 = 2;
/// What the linker script leaves to the stack. Source: esp-hal, `ld/sections/stack.x`.
const STACK_SECTION: &str = ".stack";
/// Memory of the bootloader that the program takes over. Source: esp-hal, `ld/sections/dram2.x`.
const RECLAIMED_SECTION: &str = ".dram2_uninit";

/// Source: esp-hal, `ld/sections/text.x`.
const CODE_SECTION: &str = ".text";

/// RAM in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "quantities end in their unit")]
pub(crate) struct RamUse {
    /// Everything that is there from start to end, code included.
    pub(crate) static_bytes: u64,
    /// Taken over from the bootloader.
    pub(crate) reclaimed_bytes: u64,
    /// Left for the stack.
    pub(crate) stack_bytes: u64,
}

/// Adds up the sections of `program` that lie in `ram`.
///
/// Code in RAM has two addresses on some chips; the linker script reserves it under its data address, so it is counted
/// once.
///
/// # Errors
/// When `program` is no 32-bit little-endian ELF file or is cut off.
pub(crate) fn ram_use(program: &[u8], ram: Range<u32>) -> Result<RamUse> {
    let mut found = RamUse::default();
    for section in sections(program)? {
        if section.flags & FLAG_ALLOC == 0 || !ram.contains(&section.address) {
            continue;
        }
        match section.name {
            STACK_SECTION => found.stack_bytes += u64::from(section.size_bytes),
            RECLAIMED_SECTION => found.reclaimed_bytes += u64::from(section.size_bytes),
            _ => found.static_bytes += u64::from(section.size_bytes),
        }
    }
    Ok(found)
}

/// Returns the machine code that runs from flash.
///
/// # Errors
/// As [`ram_use`], and when there is none.
pub(crate) fn code(program: &[u8]) -> Result<&[u8]> {
    let sections = sections(program)?;
    let section =
        sections.iter().find(|section| section.name == CODE_SECTION).context("the program has no code")?;
    let from = section.offset as usize;
    program.get(from..from + section.size_bytes as usize).context("the code is cut off")
}

/// A section that is in memory while the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loaded<'a> {
    pub(crate) name: &'a str,
    pub(crate) size_bytes: u64,
    /// Its bytes are in the image, and so in flash.
    pub(crate) is_stored: bool,
    /// It is in RAM.
    pub(crate) is_writable: bool,
}

/// Returns the sections that are in memory while the program runs.
///
/// # Errors
/// As [`ram_use`].
pub(crate) fn loaded_sections(program: &[u8]) -> Result<Vec<Loaded<'_>>> {
    let sections = sections(program)?.into_iter().filter(|section| section.flags & FLAG_ALLOC != 0);
    let loaded = sections.map(|section| Loaded {
        name: section.name,
        size_bytes: u64::from(section.size_bytes),
        is_stored: section.kind != TYPE_NO_BITS,
        is_writable: section.flags & FLAG_WRITE != 0,
    });
    Ok(loaded.collect())
}

/// Returns the addresses of the machine code.
///
/// # Errors
/// As [`code`].
pub(crate) fn code_range(program: &[u8]) -> Result<Range<u32>> {
    let sections = sections(program)?;
    let section =
        sections.iter().find(|section| section.name == CODE_SECTION).context("the program has no code")?;
    let end =
        section.address.checked_add(section.size_bytes).context("the code ends beyond the last address")?;
    Ok(section.address..end)
}

struct Section<'a> {
    name: &'a str,
    kind: u32,
    flags: u32,
    address: u32,
    offset: u32,
    size_bytes: u32,
}

fn sections(program: &[u8]) -> Result<Vec<Section<'_>>> {
    ensure!(program.starts_with(&MAGIC), "the program is no 32-bit little-endian ELF file");
    let table = word(program, SECTION_TABLE_OFFSET)? as usize;
    let entry_bytes = half(program, SECTION_ENTRY_BYTES)?;
    let entry = |index: usize| -> Result<&[u8]> {
        program.get(table + index * entry_bytes..).context("the section table is cut off")
    };
    let names = word(entry(half(program, NAME_SECTION_INDEX)?)?, 16)? as usize;
    let section = |index: usize| -> Result<Section<'_>> {
        let entry = entry(index)?;
        Ok(Section {
            name: text(program, names + word(entry, 0)? as usize)?,
            kind: word(entry, 4)?,
            flags: word(entry, 8)?,
            address: word(entry, 12)?,
            offset: word(entry, 16)?,
            size_bytes: word(entry, 20)?,
        })
    };
    (0..half(program, SECTION_COUNT)?).map(section).collect()
}

fn word(bytes: &[u8], offset: usize) -> Result<u32> {
    let field = bytes.get(offset..).and_then(<[u8]>::first_chunk).context("the file is cut off")?;
    Ok(u32::from_le_bytes(*field))
}

fn half(bytes: &[u8], offset: usize) -> Result<usize> {
    let field = bytes.get(offset..).and_then(<[u8]>::first_chunk).context("the file is cut off")?;
    Ok(usize::from(u16::from_le_bytes(*field)))
}

fn text(bytes: &[u8], offset: usize) -> Result<&str> {
    let rest = bytes.get(offset..).context("a section's name lies outside the file")?;
    let name = rest.split(|&byte| byte == 0).next().context("a section's name has no end")?;
    std::str::from_utf8(name).context("reading a section's name")
}
