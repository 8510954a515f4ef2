//! The time as Mbed TLS wants it.
#![expect(unsafe_code, reason = "the library's hooks are global")]

use core::cell::Cell;

use critical_section::Mutex;
use mbedtls_rs::sys::hook::timer::{MbedtlsTimer, hook_timer};
use mbedtls_rs::sys::hook::wall_clock::{MbedtlsWallClock, hook_wall_clock};
use mbedtls_rs::sys::tm;

const DAY_S: u64 = 86_400;
/// Given to Mbed TLS while the time is unknown, since without any it breaks the handshake off: 2026-01-01. What it then
/// says about dates means nothing, and [`crate::Client::open`] neither refuses nor trusts for it.
const STAND_IN_UNIX_S: u64 = 1_767_225_600;

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// Returns the wall clock in seconds since 1970, once it is known.
    fn unix_s(&self) -> Option<u64>;

    /// Returns the time since boot in ms.
    fn uptime_ms(&self) -> u64;
}

static CLOCK: Mutex<Cell<Option<&'static dyn Clock>>> = Mutex::new(Cell::new(None));

struct Hook;

pub(crate) fn install(clock: &'static dyn Clock) {
    critical_section::with(|token| CLOCK.borrow(token).set(Some(clock)));
    // SAFETY: the hooks live for ever, and no Mbed TLS function was called yet: this runs before the client exists.
    unsafe { hook_timer(Some(&Hook)) };
    // SAFETY: as above.
    unsafe { hook_wall_clock(Some(&Hook)) };
}

fn clock() -> Option<&'static dyn Clock> {
    critical_section::with(|token| CLOCK.borrow(token).get())
}

impl MbedtlsTimer for Hook {
    fn now(&self) -> i64 {
        clock().map_or(0, |clock| i64::try_from(clock.uptime_ms()).unwrap_or(i64::MAX))
    }
}

impl MbedtlsWallClock for Hook {
    fn instant(&self) -> Option<tm> {
        broken_down(clock()?.unix_s().unwrap_or(STAND_IN_UNIX_S))
    }
}

/// Turns Unix seconds into calendar fields. Day and month follow Howard Hinnant's description of the proleptic
/// Gregorian calendar with years that begin in March, so that the leap day is a year's last.
fn broken_down(unix_s: u64) -> Option<tm> {
    let (days, second_of_day) = (unix_s / DAY_S, unix_s % DAY_S);
    // Days since 0000-03-01, of which 719 468 lie before 1970-01-01.
    let days_since_march_0 = days.checked_add(719_468)?;
    let (era, day_of_era) = (days_since_march_0 / 146_097, days_since_march_0 % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month_index = (month_from_march + 2) % 12;
    let year = year_of_era + era * 400 + u64::from(month_index < 2);
    let number = |value: u64| i32::try_from(value).ok();
    Some(tm {
        tm_sec: number(second_of_day % 60)?,
        tm_min: number(second_of_day / 60 % 60)?,
        tm_hour: number(second_of_day / 3600)?,
        tm_mday: number(day_of_month)?,
        tm_mon: number(month_index)?,
        tm_year: number(year)?.checked_sub(1900)?,
        // Nothing that compares certificate dates looks at these.
        tm_wday: 0,
        tm_yday: 0,
        tm_isdst: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::broken_down;

    fn fields(unix_s: u64) -> (i32, i32, i32, i32, i32, i32) {
        let tm = broken_down(unix_s).unwrap();
        (tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec)
    }

    #[test]
    fn seconds_become_calendar_fields() {
        assert_eq!(fields(0), (1970, 1, 1, 0, 0, 0));
        assert_eq!(fields(951_782_400), (2000, 2, 29, 0, 0, 0));
        assert_eq!(fields(1_709_251_199), (2024, 2, 29, 23, 59, 59));
        assert_eq!(fields(1_735_689_599), (2024, 12, 31, 23, 59, 59));
        assert_eq!(fields(1_795_348_800), (2026, 11, 22, 12, 0, 0));
        assert_eq!(fields(4_102_444_800), (2100, 1, 1, 0, 0, 0));
    }
}
