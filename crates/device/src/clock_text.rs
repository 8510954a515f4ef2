//! Wall-clock time as it stands in serial logs.

use core::fmt;

const DAY_NAMES: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTH_NAMES: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY_SECONDS: u64 = 86_400;

/// Prints Unix seconds as the C library's `asctime` does: `Mon Mar  7 17:28:46 2022`.
pub(crate) struct ClockText(pub(crate) u64);

impl fmt::Display for ClockText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second_of_day) = (self.0 / DAY_SECONDS, self.0 % DAY_SECONDS);
        let day_name = usize::try_from(days % 7).ok().and_then(|index| DAY_NAMES.get(index)).unwrap_or(&"?");
        let (year, month, day) = civil_date(days);
        let month_name = MONTH_NAMES.get(month.saturating_sub(1)).unwrap_or(&"?");
        let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
        write!(formatter, "{day_name} {month_name} {day:>2} {hour:02}:{minute:02}:{second:02} {year}")
    }
}

/// Turns days since 1970-01-01 into year, month (from 1) and day (from 1) of the Gregorian calendar.
fn civil_date(days_since_1970: u64) -> (u64, usize, u64) {
    let mut days = days_since_1970;
    let mut year = 1970;
    loop {
        let year_days = if is_leap(year) { 366 } else { 365 };
        if days < year_days {
            break;
        }
        days -= year_days;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let month_days = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in month_days {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::ClockText;

    #[test]
    fn times_read_as_users_know_them_from_their_serial_logs() {
        assert_eq!(ClockText(1_646_674_126).to_string(), "Mon Mar  7 17:28:46 2022");
        assert_eq!(ClockText(0).to_string(), "Thu Jan  1 00:00:00 1970");
        assert_eq!(ClockText(1_709_251_199).to_string(), "Thu Feb 29 23:59:59 2024");
        assert_eq!(ClockText(1_735_689_599).to_string(), "Tue Dec 31 23:59:59 2024");
    }
}
