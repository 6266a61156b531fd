//! Dates as the vendors write them.

use std::time::{Duration, SystemTime};

/// Seconds since 1970, none before it.
pub(super) fn epoch(at: SystemTime) -> u64 {
    since_1970(at).as_secs()
}

/// `2026-01-01T00:00:00.000Z`
pub(super) fn iso(at: SystemTime) -> String {
    let CalendarTime { year, month, day, hour, minute, second, millisecond, .. } = CalendarTime::of(at);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

/// `Thu, 01 Jan 2026 00:00:00 GMT`, as in the header `Date`.
pub(super) fn http_date(at: SystemTime) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]; // 1970-01-01 was a Thursday
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let CalendarTime { days, year, month, day, hour, minute, second, .. } = CalendarTime::of(at);
    let weekday = WEEKDAYS[(days % 7) as usize];
    let month = MONTHS[month as usize - 1];
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

struct CalendarTime {
    days: u64,
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    millisecond: u32,
}

impl CalendarTime {
    fn of(at: SystemTime) -> Self {
        let since = since_1970(at);
        let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
        let (year, month, day) = date_of(days);
        Self {
            days,
            year,
            month,
            day,
            hour: seconds / 3600,
            minute: seconds % 3600 / 60,
            second: seconds % 60,
            millisecond: since.subsec_millis(),
        }
    }
}

/// Year, month and day, `days` after 1970-01-01. Counts in years that begin in March, so that the leap day comes last.
fn date_of(days: u64) -> (u64, u64, u64) {
    let since_march_of_0 = days + 719_468;
    let (era, day_of_era) = (since_march_of_0 / 146_097, since_march_of_0 % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

fn since_1970(at: SystemTime) -> Duration {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn dates_are_written_as_the_vendors_write_them() {
        let leap_day = SystemTime::UNIX_EPOCH + Duration::from_millis(1_709_208_000_007);
        assert_eq!(iso(leap_day), "2024-02-29T12:00:00.007Z");
        assert_eq!(http_date(leap_day), "Thu, 29 Feb 2024 12:00:00 GMT");
        let example = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(http_date(example), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
