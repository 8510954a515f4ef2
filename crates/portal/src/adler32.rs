//! The checksum at the end of a `deflate` body. Source: RFC 1950 §8.2, §9.
//!
//! It is written out here because what was compressed at build time and what is filled in per request need one sum, and
//! the libraries do not join two.

const MODULUS: u32 = 65_521;

/// The sum of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Adler32 {
    pub(crate) low: u32,
    pub(crate) high: u32,
}

impl Adler32 {
    /// The sum of no bytes.
    pub(crate) const EMPTY: Self = Self { low: 1, high: 0 };

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.low = (self.low + u32::from(*byte)) % MODULUS;
            self.high = (self.high + self.low) % MODULUS;
        }
    }

    /// Goes on with `other`, the sum of the `other_bytes` that follow.
    pub(crate) fn append(&mut self, other: Self, other_bytes: u16) {
        // Below 65,536 × 65,521, which fits.
        let carried = u32::from(other_bytes) * ((self.low + MODULUS - 1) % MODULUS) % MODULUS;
        self.high = (self.high + other.high + carried) % MODULUS;
        self.low = (self.low + other.low + MODULUS - 1) % MODULUS;
    }

    pub(crate) fn to_be_bytes(self) -> [u8; 4] {
        (self.high << 16 | self.low).to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::Adler32;

    fn sum_of(bytes: &[u8]) -> Adler32 {
        let mut sum = Adler32::EMPTY;
        sum.add(bytes);
        sum
    }

    #[test]
    fn the_sum_is_the_one_of_the_rfc() {
        // The example of RFC 1950's companion literature: "Wikipedia" has this sum.
        assert_eq!(sum_of(b"Wikipedia").to_be_bytes(), 0x11E6_0398_u32.to_be_bytes());
    }

    proptest! {
        #[test]
        fn two_sums_join_into_that_of_the_whole(first: Vec<u8>, second in prop::collection::vec(any::<u8>(), 0..3_000)) {
            let mut joined = sum_of(&first);
            joined.append(sum_of(&second), u16::try_from(second.len()).unwrap());
            prop_assert_eq!(joined, sum_of(&[first, second].concat()));
        }
    }
}
