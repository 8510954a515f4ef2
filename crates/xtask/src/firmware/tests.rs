use super::{Budget, Chip, Sizes, parse_budget, partitions, report};
use crate::elf::{RamUse, ram_use};

const TABLE: &str = include_str!("../../../../firmware/esp32/partitions.csv");
const BUDGET: &str = include_str!("../../../../firmware/esp32/size-budget.toml");
/// 1.2 MiB: two of them and the rest fit 4 MiB of flash.
const C3_IMAGE_BYTES_MAX: u64 = 1_258_291;

#[test]
fn committed_partition_table_is_sound_and_holds_the_largest_image() {
    assert!(partitions::check(TABLE).unwrap() >= C3_IMAGE_BYTES_MAX);
}

#[test]
fn unsound_partition_tables_are_named() {
    let wrong = |from: &str, to: &str| {
        assert!(TABLE.contains(from), "{from}");
        partitions::check(&TABLE.replace(from, to)).unwrap_err().to_string()
    };
    assert_eq!(wrong("0x12000,  0x4000", "0x10000,  0x4000"), "partition home overlaps the one before it");
    assert_eq!(wrong("0x12000,  0x4000", "0x12000,  0x3000"), "the home needs 0x4000 bytes");
    assert_eq!(wrong("home,     0x40", "house,    0x40"), "no partition home");
    assert_eq!(
        wrong("0x20000,  0x1e0000", "0x21000,  0x1df000"),
        "partition ota_0 must begin at a multiple of 0x10000"
    );
    assert!(wrong("0x200000, 0x1e0000", "0x300000, 0x1e0000").contains("beyond the flash"));
}

#[test]
fn committed_budget_covers_both_chips() {
    assert!(parse_budget(BUDGET, Chip::Esp32c3).unwrap().image_bytes_max <= C3_IMAGE_BYTES_MAX);
    parse_budget(BUDGET, Chip::Esp32c6).unwrap();
    assert!(parse_budget("[esp32c3]\nimage_bytes_max = 1\n", Chip::Esp32c3).is_err());
}

#[test]
fn each_exceeded_limit_fails_the_report() {
    let budget =
        Budget { image_bytes_max: 100, static_ram_bytes_max: 50, stack_bytes_min: 10, frame_bytes_max: 8 };
    let ram = RamUse { static_bytes: 50, reclaimed_bytes: 7, stack_bytes: 10 };
    let good = Sizes { image_bytes: 100, ram, frame_bytes: 8 };
    report(Chip::Esp32c3, good, budget, 100).unwrap();
    let large_image = Sizes { image_bytes: 101, ..good };
    let much_ram = Sizes { ram: RamUse { static_bytes: 51, ..ram }, ..good };
    let little_stack = Sizes { ram: RamUse { stack_bytes: 9, ..ram }, ..good };
    let large_frame = Sizes { frame_bytes: 9, ..good };
    for sizes in [large_image, much_ram, little_stack, large_frame] {
        assert!(report(Chip::Esp32c3, sizes, budget, 200).is_err(), "{sizes:?}");
    }
    assert!(report(Chip::Esp32c3, good, budget, 99).is_err(), "the slot is a limit too");
}

fn word_of(number: usize) -> u32 {
    u32::try_from(number).unwrap()
}

fn half_of(number: usize) -> [u8; 2] {
    u16::try_from(number).unwrap().to_le_bytes()
}

/// An ELF file with sections of this name, flags, address and size.
fn elf_with(sections: &[(&str, u32, u32, u32)]) -> Vec<u8> {
    let mut names = vec![0];
    let mut table = Vec::new();
    for (name, flags, address, size_bytes) in sections {
        let entry = [word_of(names.len()), 1, *flags, *address, 0, *size_bytes, 0, 0, 0, 0];
        table.extend(entry.iter().flat_map(|word| word.to_le_bytes()));
        names.extend(name.bytes().chain([0]));
    }
    let name_entry = [0, 3, 0, 0, 52, word_of(names.len()), 0, 0, 0, 0];
    table.extend(name_entry.iter().flat_map(|word: &u32| word.to_le_bytes()));
    let mut file = vec![0x7F, b'E', b'L', b'F', 1, 1];
    file.resize(52, 0);
    let table_offset = word_of(52 + names.len());
    file[32..36].copy_from_slice(&table_offset.to_le_bytes());
    file[46..48].copy_from_slice(&40_u16.to_le_bytes());
    file[48..50].copy_from_slice(&half_of(sections.len() + 1));
    file[50..52].copy_from_slice(&half_of(sections.len()));
    file.extend(names);
    file.extend(table);
    file
}

#[test]
fn sections_in_ram_are_added_up_by_what_they_are() {
    let program = elf_with(&[
        (".data", 2, 0x3FC8_0000, 100),
        (".bss", 2, 0x3FC8_0100, 1000),
        (".stack", 2, 0x3FC8_1000, 4096),
        (".dram2_uninit", 2, 0x3FCC_0000, 65536),
        (".text", 2, 0x4200_0020, 500_000),
        (".comment", 0, 0x3FC8_0000, 77),
    ]);
    let expected = RamUse { static_bytes: 1100, reclaimed_bytes: 65536, stack_bytes: 4096 };
    assert_eq!(ram_use(&program, Chip::Esp32c3.ram()).unwrap(), expected);
    assert!(ram_use(&program[..60], Chip::Esp32c3.ram()).is_err());
    assert!(ram_use(b"no program", Chip::Esp32c3.ram()).is_err());
}
