//! Times that an answer tells in its headers: when it was made, and how long to wait.

use crate::session::cooldown::LONGEST_BELIEVED;
use http::{
    HeaderMap,
    header::{AGE, DATE, RETRY_AFTER},
};
use std::time::{Duration, SystemTime};

/// An answer that was kept on its way for longer is not believed to have been.
const OLDEST: u64 = 365 * 24 * 3600;

/// `Retry-After` in seconds or as a date, which is one of the vendor's clock; at most an hour is believed.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match seconds(text) {
        Some(seconds) => Duration::from_secs(seconds),
        None => {
            let end = httpdate::parse_http_date(text).ok()?;
            end.duration_since(date(headers).unwrap_or(now)).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_BELIEVED))
}

/// Whole seconds, also where a server writes parts of them, which the standard does not know: then the next whole one.
fn seconds(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.is_empty() || !is_number(whole) || !is_number(part) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    whole.checked_add(u64::from(part.bytes().any(|digit| digit != b'0')))
}

/// The vendor's clock when its answer arrived: a cache on the way says how long it kept the answer (RFC 9111, 5.1).
pub(crate) fn date(headers: &HeaderMap) -> Option<SystemTime> {
    let made = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    let age = headers.get(AGE).and_then(|age| age.to_str().ok()?.trim().parse().ok()).filter(|age| *age <= OLDEST);
    made.checked_add(Duration::from_secs(age.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn wait(value: &'static str) -> Option<u64> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
        retry_after(&headers, now).map(|wait| wait.as_secs())
    }

    #[apply(leak_checked!)]
    fn retry_after_is_read_as_seconds_or_a_date_and_clamped() {
        assert_eq!(wait("7"), Some(7));
        assert_eq!(wait(" 7 "), Some(7));
        assert_eq!(wait("99999999"), Some(3600));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:47 GMT"), Some(10));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:27 GMT"), Some(0));
        assert_eq!(wait("90.0"), Some(90));
        assert_eq!(wait("0.25"), Some(1));
        for nonsense in ["", "-5", "soon", "1e3", "99999999999999999999999", "1.", "1.2.3", "+7", "inf", "NaN"] {
            assert_eq!(wait(nonsense), None, "{nonsense}");
        }
    }

    #[apply(leak_checked!)]
    fn a_vendors_dates_are_measured_by_the_vendors_clock() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let told = |headers: &[(http::HeaderName, &'static str)]| {
            let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            HeaderMap::from_iter(headers)
        };
        let (at, later) = ("Sun, 06 Nov 1994 07:49:37 GMT", "Sun, 06 Nov 1994 07:59:37 GMT");
        let wait = |headers: &[_]| retry_after(&told(headers), now).map(|wait| wait.as_secs());
        assert_eq!(wait(&[(DATE, at), (RETRY_AFTER, later)]), Some(600), "their clock is an hour behind");
        assert_eq!(wait(&[(DATE, at), (AGE, "240"), (RETRY_AFTER, later)]), Some(360), "it was kept on its way");
        assert_eq!(wait(&[(DATE, later), (RETRY_AFTER, at)]), Some(0));
        let ours = |headers: &[_]| date(&told(headers)).and_then(|date| now.duration_since(date).ok());
        assert_eq!(ours(&[(DATE, at), (AGE, "3600")]), Some(Duration::ZERO));
        for nonsense in ["-5", "soon", "999999999999"] {
            assert_eq!(ours(&[(DATE, at), (AGE, nonsense)]), Some(Duration::from_secs(3600)), "{nonsense}");
        }
    }
}
