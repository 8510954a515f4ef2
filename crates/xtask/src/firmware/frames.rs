//! Finds the largest stack frame in RISC-V machine code.
//!
//! Nothing on the chip notices a stack that grows into other memory before it is too late, and a large value that is
//! copied once too often makes a frame larger than the whole stack without any warning. Frames above 2 KiB are opened
//! with `lui`, mostly `addi`, and `sub` or `add` on the stack pointer; that sequence is looked for. Source: The RISC-V
//! Instruction Set Manual, volume I, chapters 2.4 and 16.

/// Instructions between loading the size and moving the stack pointer; the compiler saves registers there.
const WINDOW_LEN: usize = 16;
/// More than the chips have RAM; such a number is an address that the register held before.
const FRAME_BYTES_LIMIT: u64 = 512 * 1024;
/// The stack pointer, `x2`.
const SP: u32 = 2;

/// What one instruction does, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Loads the upper bits of a constant.
    Load {
        register: u32,
        value: i32,
    },
    /// Adds to a register.
    Add {
        register: u32,
        value: i32,
    },
    /// Moves the stack pointer by a register.
    MoveStack {
        register: u32,
    },
    Other,
}

/// Returns the bytes of the largest frame in `code`, 0 when none is above 2 KiB.
pub(crate) fn largest_frame_bytes(code: &[u8]) -> u64 {
    let steps: Vec<Step> = decode(code);
    let moves = steps.iter().enumerate().filter_map(|(index, step)| match step {
        Step::MoveStack { register } => {
            let before = steps.get(index.saturating_sub(WINDOW_LEN)..index).unwrap_or_default();
            constant_in(before, *register)
        }
        _ => None,
    });
    let sizes = moves.map(|value| u64::from(value.unsigned_abs()));
    sizes.filter(|size_bytes| *size_bytes < FRAME_BYTES_LIMIT).max().unwrap_or_default()
}

/// The constant that these steps leave in the register, when they load one.
fn constant_in(steps: &[Step], wanted: u32) -> Option<i32> {
    let mut found = None;
    for step in steps {
        match *step {
            Step::Load { register, value } if register == wanted => found = Some(value),
            Step::Add { register, value } if register == wanted => {
                found = found.and_then(|sum: i32| sum.checked_add(value));
            }
            _ => {}
        }
    }
    found
}

fn decode(code: &[u8]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = code;
    while let Some((low, after_low)) = rest.split_first_chunk() {
        let low = u32::from(u16::from_le_bytes(*low));
        // Instructions whose lowest two bits are set have four bytes, all others here have two.
        if low & 0b11 != 0b11 {
            steps.push(decode_short(low));
            rest = after_low;
            continue;
        }
        let Some((high, after_high)) = after_low.split_first_chunk() else {
            break;
        };
        steps.push(decode_long(low | u32::from(u16::from_le_bytes(*high)) << 16));
        rest = after_high;
    }
    steps
}

const fn decode_long(instruction: u32) -> Step {
    let register = instruction >> 7 & 0x1F;
    let source = instruction >> 15 & 0x1F;
    match instruction & 0x7F {
        0x37 => Step::Load { register, value: (instruction & 0xFFFF_F000).cast_signed() },
        0x13 if instruction & 0x7000 == 0 && source == register => {
            Step::Add { register, value: instruction.cast_signed() >> 20 }
        }
        // `add sp, sp, register` and `sub sp, sp, register`.
        0x33 if instruction & 0xBE0F_FFFF == SP << 15 | SP << 7 | 0x33 => {
            Step::MoveStack { register: instruction >> 20 & 0x1F }
        }
        _ => Step::Other,
    }
}

const fn decode_short(instruction: u32) -> Step {
    let register = instruction >> 7 & 0x1F;
    let low_bits = instruction >> 2 & 0x1F;
    // Six bits with sign: bit 12, then bits 6 to 2.
    let value = (((instruction >> 12 & 1) << 5 | low_bits) << 26).cast_signed() >> 26;
    match instruction & 0xE003 {
        0x6001 if register != 0 && register != SP => Step::Load { register, value: value << 12 },
        0x0001 if register != 0 => Step::Add { register, value },
        // `c.add sp, register`; without a register it would be a jump.
        0x8002 if instruction & 0x1F80 == 0x1100 && low_bits != 0 => Step::MoveStack { register: low_bits },
        _ => Step::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::largest_frame_bytes;

    fn code(instructions: &[u32]) -> Vec<u8> {
        let bytes = |instruction: &u32| {
            let length = if instruction & 0b11 == 0b11 { 4 } else { 2 };
            instruction.to_le_bytes().into_iter().take(length).collect::<Vec<_>>()
        };
        instructions.iter().flat_map(bytes).collect()
    }

    /// Encodings as LLVM's assembler writes them.
    const LUI_T0_13: u32 = 0x0000_D2B7;
    const ADDI_T0_1008: u32 = 0x3F02_8293;
    const ADDI_T0_MINUS_16: u32 = 0xFF02_8293;
    const SUB_SP_SP_T0: u32 = 0x4051_0133;
    const C_LUI_A0_3: u32 = 0x650D;
    const C_ADDI_A0_16: u32 = 0x0541;
    const C_ADD_SP_A0: u32 = 0x912A;
    const NOP: u32 = 0x0001;

    #[test]
    fn frame_of_a_long_sequence_is_found() {
        assert_eq!(largest_frame_bytes(&code(&[LUI_T0_13, ADDI_T0_1008, SUB_SP_SP_T0])), 13 * 4096 + 1008);
        assert_eq!(
            largest_frame_bytes(&code(&[LUI_T0_13, NOP, ADDI_T0_MINUS_16, SUB_SP_SP_T0])),
            13 * 4096 - 16
        );
    }

    #[test]
    fn frame_of_a_compressed_sequence_is_found() {
        assert_eq!(largest_frame_bytes(&code(&[C_LUI_A0_3, C_ADDI_A0_16, C_ADD_SP_A0])), 3 * 4096 + 16);
    }

    #[test]
    fn constants_that_never_reach_the_stack_pointer_are_no_frames() {
        assert_eq!(largest_frame_bytes(&code(&[LUI_T0_13, ADDI_T0_1008, NOP, C_ADD_SP_A0])), 0);
        let far_away = [vec![LUI_T0_13], vec![NOP; 20], vec![SUB_SP_SP_T0]].concat();
        assert_eq!(largest_frame_bytes(&code(&far_away)), 0);
        assert_eq!(largest_frame_bytes(&[0x37]), 0);
    }
}
