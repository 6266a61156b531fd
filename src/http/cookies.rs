//! Cookies as RFC 6265 says that a user agent reads them (5.1.1, 5.2, 5.3), as far as one answer tells.
//!
//! By hand, because the crates that keep cookies bring a calendar and public suffixes with them, and read only some of the
//! dates that 5.1.1 allows. Neither `Domain` nor `Path` is looked at: what an answer sets is for the vendor that sent it,
//! who may stand behind a gateway of another name.

use crate::Secret;
use http::{HeaderMap, header::SET_COOKIE};
use std::time::{Duration, SystemTime};

/// A cookie that an answer set.
#[derive(Debug, Clone)]
pub(crate) struct Cookie {
    pub(crate) name: String,
    pub(crate) value: Secret,
    /// How long it lives, counted from the answer. `None`: it does not say.
    pub(crate) life: Option<Duration>,
}

/// What is left of an answer's cookies when all of its lines have been obeyed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cookies {
    /// The last one of each name.
    pub(crate) set: Vec<Cookie>,
    /// The names of those that were taken away, and not set again after that.
    pub(crate) deleted: Vec<String>,
}

impl Cookies {
    /// `date` is the vendor's clock, if it told; `now` is ours.
    pub(crate) fn of(headers: &HeaderMap, date: Option<SystemTime>, now: SystemTime) -> Self {
        let mut cookies = Self::default();
        for line in headers.get_all(SET_COOKIE) {
            cookies.obey(&String::from_utf8_lossy(line.as_bytes()), date, now);
        }
        cookies
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Cookie> {
        self.set.iter().find(|cookie| cookie.name == name)
    }

    fn obey(&mut self, line: &str, date: Option<SystemTime>, now: SystemTime) {
        let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
        let Some((name, value)) = pair.split_once('=').map(|(name, value)| (trimmed(name), trimmed(value))) else {
            return;
        };
        if name.is_empty() {
            return;
        }
        self.set.retain(|cookie| cookie.name != name);
        self.deleted.retain(|deleted| deleted != name);
        let life = life(attributes, date, now);
        // An empty value cannot carry a session: a vendor that sends one takes the cookie away.
        if life == Some(Duration::ZERO) || value.is_empty() {
            return self.deleted.push(name.to_owned());
        }
        self.set.push(Cookie { name: name.to_owned(), value: Secret::from(value), life });
    }
}

fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Zero means that the cookie has ended. `Max-Age` counts before `Expires`, and of each the last one that can be read.
fn life(attributes: &str, date: Option<SystemTime>, now: SystemTime) -> Option<Duration> {
    let (mut max_age, mut expires) = (None, None);
    for attribute in attributes.split(';') {
        let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        match trimmed(name).to_ascii_lowercase().as_str() {
            "max-age" => max_age = seconds(trimmed(value)).or(max_age),
            "expires" => expires = cookie_date(trimmed(value)).or(expires),
            _ => {}
        }
    }
    max_age.map(Duration::from_secs).or_else(|| left_until(expires?, date, now))
}

/// `-?[0-9]+`; what is not positive has ended.
fn seconds(value: &str) -> Option<u64> {
    let (ended, digits) = value.strip_prefix('-').map_or((false, value), |digits| (true, digits));
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| if ended { 0 } else { digits.parse().unwrap_or(u64::MAX) })
}

fn left_until(end: i64, date: Option<SystemTime>, now: SystemTime) -> Option<Duration> {
    /// An end that is past by less, told by a clock that is not known, may be a clock that differs from ours.
    const A_DAY: i64 = 24 * 3600;
    let left = end.saturating_sub(epoch(date.unwrap_or(now)));
    match u64::try_from(left) {
        Ok(left) => Some(Duration::from_secs(left)),
        Err(_) if date.is_none() && left > -A_DAY => None,
        Err(_) => Some(Duration::ZERO),
    }
}

fn epoch(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

// ---- RFC 6265, 5.1.1 ----

/// Seconds since 1970. Every order of the parts is read, and every way of dividing them.
fn cookie_date(text: &str) -> Option<i64> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in text.split(is_delimiter).filter(|token| !token.is_empty()) {
        if time.is_none()
            && let Some(found) = time_of_day(token)
        {
            time = Some(found);
        } else if day.is_none()
            && let Some(found) = number(token, 1, 2)
        {
            day = Some(found);
        } else if month.is_none()
            && let Some(found) = month_of(token)
        {
            month = Some(found);
        } else if year.is_none() {
            year = number(token, 2, 4);
        }
    }
    let ((hour, minute, second), day, month, year) = (time?, day?, month?, year?);
    let year = match year {
        0..=69 => year + 2000,
        70..=99 => year + 1900,
        _ => year,
    };
    let is_sane = (1..=31).contains(&day) && year >= 1601 && hour <= 23 && minute <= 59 && second <= 59;
    is_sane.then(|| days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

fn is_delimiter(c: char) -> bool {
    matches!(c, '\t' | ' '..='/' | ';'..='@' | '['..='`' | '{'..='~')
}

/// So many digits, and behind them anything but one more.
fn number(token: &str, least: usize, most: usize) -> Option<i64> {
    let digits = token.bytes().take_while(u8::is_ascii_digit).count();
    (least..=most).contains(&digits).then(|| token[..digits].parse().ok()).flatten()
}

fn time_of_day(token: &str) -> Option<(i64, i64, i64)> {
    let mut parts = token.splitn(3, ':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = |part: &str| number(part, 1, 2).filter(|_| part.bytes().all(|byte| byte.is_ascii_digit()));
    Some((whole(hour)?, whole(minute)?, number(second, 1, 2)?))
}

fn month_of(token: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let begin = token.get(..3)?.to_ascii_lowercase();
    MONTHS.iter().zip(1..).find(|(month, _)| **month == begin).map(|(_, number)| number)
}

/// Of the Gregorian calendar, by Howard Hinnant's algorithm: years that begin in March have their leap day at the end.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const NOW: u64 = 1_700_000_000;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
    }

    /// `name=value life`, and `-name` for those that were taken away.
    fn read(lines: &[&'static str]) -> Vec<String> {
        let headers = lines.iter().map(|line| (SET_COOKIE, HeaderValue::from_static(line))).collect();
        told(&Cookies::of(&headers, Some(now()), now()))
    }

    fn told(cookies: &Cookies) -> Vec<String> {
        let set = cookies.set.iter().map(|Cookie { name, value, life }| {
            let life = life.map_or(String::new(), |life| format!(" {}", life.as_secs()));
            format!("{name}={}{life}", value.expose())
        });
        set.chain(cookies.deleted.iter().map(|name| format!("-{name}"))).collect()
    }

    #[apply(leak_checked!)]
    fn the_last_cookie_of_a_name_counts() {
        let past = "Thu, 01 Jan 1970 00:00:00 GMT";
        assert!(past.len() > 1);
        assert_eq!(read(&["a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/", "a=new; Path=/"]), ["a=new"]);
        assert_eq!(read(&["a=new; Path=/", "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/"]), ["-a"]);
        assert_eq!(read(&["a=old", "b=1", "a=new; Max-Age=60"]), ["b=1", "a=new 60"]);
        assert_eq!(read(&["A=1", "a=2"]), ["A=1", "a=2"]);
    }

    #[apply(leak_checked!)]
    fn a_cookie_is_taken_away_by_its_end_and_by_an_empty_value() {
        for line in
            ["a=x; Max-Age=0", "a=x; max-age=-1", "a=x; Expires=Thu, 01-Jan-70 00:00:01 GMT", "a=", "a= ;Path=/"]
        {
            assert_eq!(read(&["a=before", Box::leak(line.to_owned().into_boxed_str())]), ["-a"], "{line}");
        }
    }

    #[apply(leak_checked!)]
    fn the_last_attribute_that_can_be_read_counts() {
        for (line, wanted) in [
            ("a=x; Max-Age=60; Max-Age=90", "a=x 90"),
            ("a=x; Max-Age=60; Max-Age=soon", "a=x 60"),
            ("a=x; Max-Age=60; Max-Age=", "a=x 60"),
            ("a=x; Max-Age=+60", "a=x"),
            ("a=x; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "a=x 60"),
            ("a=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Expires=Tue, 14 Nov 2023 22:14:20 GMT", "a=x 60"),
            ("a=x; MAX-AGE = 60 ", "a=x 60"),
            ("a=x; Max-Age=99999999999999999999999", "a=x 18446744073709551615"),
            (" a = \"x y,z\" ; Secure", "a=\"x y,z\""),
            ("a=x=y==", "a=x=y=="),
        ] {
            assert_eq!(read(&[line]), [wanted], "{line}");
        }
        for nothing in ["a", "", "=x", ";a=x"] {
            assert!(read(&[nothing]).is_empty(), "{nothing}");
        }
    }

    #[apply(leak_checked!)]
    fn every_date_of_the_standard_is_read() {
        for date in [
            "Tue, 14 Nov 2023 22:14:20 GMT",
            "Tuesday, 14-Nov-23 22:14:20 GMT",
            "Tue, 14-Nov-2023 22:14:20 GMT",
            "Tue Nov 14 22:14:20 2023",
            "14 november 2023 22:14:20",
            "22:14:20 14 Nov 2023",
            "Tue, 14 Nov 2023 22:14:20 +0000",
        ] {
            assert_eq!(cookie_date(date), Some(NOW as i64 + 60), "{date}");
        }
        assert_eq!(cookie_date("Thu, 29 Feb 2024 00:00:00 GMT"), Some(1_709_164_800));
        assert_eq!(cookie_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(cookie_date("Fri, 31 Dec 1999 23:59:59 GMT"), Some(946_684_799));
        for nonsense in
            ["", "soon", "14 Nov 2023", "32 Nov 2023 22:14:20", "14 Nov 1600 22:14:20", "14 Nov 2023 24:00:00"]
        {
            assert_eq!(cookie_date(nonsense), None, "{nonsense}");
        }
    }

    #[apply(leak_checked!)]
    fn an_end_that_is_just_past_on_a_clock_nobody_knows_is_no_end() {
        let headers = HeaderMap::from_iter([(
            SET_COOKIE,
            HeaderValue::from_static("a=x; Expires=Tue, 14 Nov 2023 21:14:20 GMT"),
        )]);
        assert_eq!(told(&Cookies::of(&headers, None, now())), ["a=x"]);
        assert_eq!(told(&Cookies::of(&headers, Some(now()), now())), ["-a"]);
    }
}
