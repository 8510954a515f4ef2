//! CRC-32 for records and homes.

/// Reflected form of the polynomial 0x04C11DB7. Source: IEEE 802.3-2018, 3.2.9.
const POLYNOMIAL: u32 = 0xEDB8_8320;

/// Remainders of the sixteen half-bytes: 64 bytes of table, a home is checked in well under a millisecond.
const REMAINDERS: [u32; 16] = remainders();

/// CRC-32 over bytes that arrive in pieces.
#[derive(Clone, Copy)]
pub(crate) struct Crc32(u32);

impl Crc32 {
    pub(crate) fn new() -> Self {
        Self(u32::MAX)
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 ^= u32::from(byte);
            self.0 = (self.0 >> 4) ^ remainder(self.0);
            self.0 = (self.0 >> 4) ^ remainder(self.0);
        }
    }

    pub(crate) fn finish(self) -> u32 {
        !self.0
    }

    pub(crate) fn of(bytes: &[u8]) -> u32 {
        let mut crc = Self::new();
        crc.update(bytes);
        crc.finish()
    }
}

fn remainder(crc: u32) -> u32 {
    // The mask keeps the position below 16, so there is always a value.
    REMAINDERS.get((crc & 0xF) as usize).copied().unwrap_or_default()
}

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated at compile time, where a wrong index does not compile"
)]
const fn remainders() -> [u32; 16] {
    let mut table = [0; 16];
    let mut half_byte = 0;
    while half_byte < 16_u32 {
        let mut value = half_byte;
        let mut bit = 0;
        while bit < 4 {
            value = if value & 1 == 1 { (value >> 1) ^ POLYNOMIAL } else { value >> 1 };
            bit += 1;
        }
        table[half_byte as usize] = value;
        half_byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::Crc32;

    #[test]
    fn check_value_of_the_standard_is_met() {
        assert_eq!(Crc32::of(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn pieces_give_the_same_as_the_whole() {
        let mut crc = Crc32::new();
        crc.update(b"1234");
        crc.update(b"");
        crc.update(b"56789");
        assert_eq!(crc.finish(), 0xCBF4_3926);
    }
}
