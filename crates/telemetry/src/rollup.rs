//! Roll-ups: what is kept of many numbers in one stretch of time.

use crate::Value;

/// A stretch of time that values are rolled up over. Days are days of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RollupStep {
    /// 60 s.
    Minute,
    /// 3,600 s.
    Hour,
    /// 86,400 s.
    Day,
}

impl RollupStep {
    /// Returns the length in milliseconds.
    #[must_use]
    pub const fn ms(self) -> i64 {
        match self {
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
        }
    }

    /// Returns the start of the stretch that holds `unix_ms`; times before 1970 included.
    #[must_use]
    pub const fn start_of(self, unix_ms: i64) -> i64 {
        unix_ms.saturating_sub(unix_ms.rem_euclid(self.ms()))
    }

    /// Returns the first start at or after `unix_ms`.
    #[must_use]
    pub const fn end_of(self, unix_ms: i64) -> i64 {
        let start = self.start_of(unix_ms);
        if start == unix_ms { start } else { start.saturating_add(self.ms()) }
    }
}

/// The numbers of one stretch of time, folded together.
///
/// Folding is the same for every order of arrival, but for the rounding of the sum: `last` is the number with the latest
/// time, and of several with that time the one that came last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rollup {
    /// How many numbers; at least 1.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The latest.
    pub last: f64,
    /// Time of the latest, Unix milliseconds.
    pub last_at_ms: i64,
}

impl Rollup {
    /// Makes the roll-up of one number.
    #[must_use]
    pub const fn of(at_ms: i64, number: f64) -> Self {
        Self { count: 1, sum: number, min: number, max: number, last: number, last_at_ms: at_ms }
    }

    /// Adds what arrived later; its times may be earlier.
    pub fn absorb(&mut self, arrived_later: &Self) {
        self.count = self.count.saturating_add(arrived_later.count);
        self.sum += arrived_later.sum;
        self.min = self.min.min(arrived_later.min);
        self.max = self.max.max(arrived_later.max);
        if arrived_later.last_at_ms >= self.last_at_ms {
            self.last = arrived_later.last;
            self.last_at_ms = arrived_later.last_at_ms;
        }
    }

    /// Returns the mean.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    pub fn mean(&self) -> f64 {
        self.sum / self.count.max(1) as f64
    }
}

impl Value {
    /// Returns the number that this value is; none for text, for several fields, and for what is not finite.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        number_of(self.as_wire())
    }
}

/// Returns the number that a value's bytes are; as [`Value::as_number`].
#[must_use]
pub fn number_of(wire: &[u8]) -> Option<f64> {
    let number: f64 = std::str::from_utf8(wire).ok()?.parse().ok()?;
    number.is_finite().then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_stretch_starts_at_or_before_its_times_also_before_1970() {
        assert_eq!(RollupStep::Hour.start_of(3_600_000), 3_600_000);
        assert_eq!(RollupStep::Hour.start_of(3_599_999), 0);
        assert_eq!(RollupStep::Minute.start_of(-1), -60_000);
        assert_eq!(RollupStep::Day.end_of(1), 86_400_000);
        assert_eq!(RollupStep::Day.end_of(86_400_000), 86_400_000);
    }

    #[test]
    fn only_one_finite_number_is_a_number() {
        for (text, number) in [("1", Some(1.0)), ("-2.50", Some(-2.5)), ("1e3", Some(1_000.0))] {
            assert_eq!(Value::from_text(text).unwrap().as_number(), number, "{text}");
        }
        for text in ["", "on", "nan", "inf", "1 2", "1,5"] {
            assert_eq!(Value::from_text(text).unwrap().as_number(), None, "{text}");
        }
        assert_eq!(Value::from_fields([b"1".as_slice(), b"2"]).unwrap().as_number(), None);
    }

    proptest! {
        #[test]
        fn folding_in_any_grouping_gives_what_the_numbers_give(
            samples in proptest::collection::vec((0..1_000_i64, -100..100_i32), 1..50),
            cut in 0..50_usize,
        ) {
            let fold = |samples: &[(i64, i32)]| {
                let mut rollups = samples.iter().map(|(at, number)| Rollup::of(*at, f64::from(*number)));
                let mut folded = rollups.next()?;
                rollups.for_each(|rollup| folded.absorb(&rollup));
                Some(folded)
            };
            let (early, late) = samples.split_at(cut.min(samples.len()));
            let folded = match (fold(early), fold(late)) {
                (Some(mut early), Some(late)) => { early.absorb(&late); early }
                (early, late) => early.or(late).unwrap(),
            };
            let numbers = || samples.iter().map(|(_, number)| f64::from(*number));
            let last = samples.iter().rev().max_by_key(|(at, _)| *at).unwrap();
            // Of several maxima `max_by_key` returns the last one it meets, which reversed is the first: look again.
            let last = samples.iter().rfind(|(at, _)| *at == last.0).unwrap();
            let expected = Rollup {
                count: samples.len() as u64,
                sum: numbers().sum(),
                min: numbers().fold(f64::INFINITY, f64::min),
                max: numbers().fold(f64::NEG_INFINITY, f64::max),
                last: f64::from(last.1),
                last_at_ms: last.0,
            };
            prop_assert_eq!(folded, expected);
        }
    }
}
