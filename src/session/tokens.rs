//! What a vendor hands out, and the one place where its way of telling an expiry becomes ours.

use crate::{Error, Secret, clock::Now};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::Value;
use std::time::{Duration, SystemTime};

/// Until when a lease can be used, by this machine's wall clock. There is no fourth answer, so a `match` needs no further
/// arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub enum Expiry {
    /// Until then. A vendor's epoch is corrected by the `Date` of its answer, so that a wrong local clock does no harm.
    At(SystemTime),
    /// It does not end by itself.
    Never,
    /// The vendor does not say; it is used until it is refused.
    Unknown,
}

/// What a sign-in or a renewal yields, as far as the vendor told.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub struct Tokens {
    pub(crate) access: Secret,
    /// Never an empty one.
    pub(crate) refresh: Option<Secret>,
    pub(crate) life: Lifetime,
    /// The vendor's clock when it answered, if the answer had a `Date`.
    pub(crate) date: Option<SystemTime>,
}

impl Tokens {
    /// The access token.
    #[must_use]
    pub fn access(&self) -> &Secret {
        &self.access
    }

    /// The refresh token, if there is one.
    #[must_use]
    pub fn refresh(&self) -> Option<&Secret> {
        self.refresh.as_ref()
    }

    /// The refresh token of a renewal; without one nothing can be renewed.
    pub(crate) fn refresh_to_spend(&self) -> Result<&Secret, Error> {
        self.refresh.as_ref().ok_or_else(|| Error::refresh_refused("there is no refresh token"))
    }

    /// A renewal that names no new refresh token leaves the old one valid.
    pub(crate) fn keeping(mut self, old: Option<&Secret>) -> Self {
        if self.refresh.is_none() {
            self.refresh = old.cloned();
        }
        self
    }
}

/// A missing, null or empty refresh token is none.
pub(crate) fn present(secret: Option<Secret>) -> Option<Secret> {
    secret.filter(|secret| !secret.expose().is_empty())
}

/// How long a token lives from the moment its answer arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) enum Lifetime {
    For(Duration),
    Never,
    Unknown,
}

/// How a vendor tells the end of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VendorExpiry {
    /// Seconds from now.
    Seconds(i64),
    /// The end as seconds since 1970.
    Epoch(i64),
    Nothing,
}

/// An epoch that is smaller counts seconds since the answer: no vendor's clock stands before September 2001.
const FIRST_EPOCH: f64 = 1e9;
/// An epoch that is larger counts milliseconds.
const FIRST_MILLISECONDS: f64 = 1e11;

impl VendorExpiry {
    /// A number of seconds, or a text that holds one.
    pub(crate) fn seconds(value: &Value) -> Self {
        number(value).map_or(Self::Nothing, |seconds| Self::Seconds(seconds as i64))
    }

    /// The same in another unit.
    pub(crate) fn seconds_times(value: &Value, factor: f64) -> Self {
        number(value).map_or(Self::Nothing, |count| Self::Seconds((count * factor) as i64))
    }

    /// An epoch in seconds or milliseconds, or a number of seconds: told apart by their size.
    pub(crate) fn epoch_or_seconds(value: &Value) -> Self {
        match number(value) {
            None => Self::Nothing,
            Some(n) if n >= FIRST_MILLISECONDS => Self::Epoch((n / 1000.0) as i64),
            Some(n) if n >= FIRST_EPOCH => Self::Epoch(n as i64),
            Some(n) => Self::Seconds(n as i64),
        }
    }

    /// This, or what comes next if nothing was told.
    pub(crate) fn or(self, next: impl FnOnce() -> Self) -> Self {
        if self == Self::Nothing { next() } else { self }
    }
}

fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number: &f64| number.is_finite())
}

/// No token is believed to live longer than this; a larger figure is a unit we misread.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

impl Lifetime {
    /// `received` is when the answer arrived, `date` the vendor's own clock in that answer. Without that, an end that is past
    /// already tells of two clocks that differ, and of nothing else: no vendor hands out what has ended.
    pub(crate) fn ingest(
        told: VendorExpiry,
        default: Option<Duration>,
        received: Now,
        date: Option<SystemTime>,
    ) -> Self {
        let default = || default.map_or(Self::Unknown, Self::For);
        match told {
            VendorExpiry::Seconds(seconds) => Self::For(seconds_of(seconds)),
            VendorExpiry::Epoch(end) => match SystemTime::UNIX_EPOCH.checked_add(seconds_of(end)) {
                Some(end) => match (end.duration_since(date.unwrap_or(received.wall)), date) {
                    (Ok(life), _) => Self::For(life),
                    (Err(_), Some(_)) => Self::For(Duration::ZERO),
                    (Err(_), None) => default(),
                },
                None => Self::Never,
            },
            VendorExpiry::Nothing => default(),
        }
        .sensible()
    }

    pub(crate) fn sensible(self) -> Self {
        match self {
            Self::For(life) if life > LONGEST => Self::Never,
            life => life,
        }
    }

    pub(crate) fn expiry(self, received: Now) -> Expiry {
        match self {
            Self::For(life) => Expiry::At(received.wall + life),
            Self::Never => Expiry::Never,
            Self::Unknown => Expiry::Unknown,
        }
    }
}

fn seconds_of(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// The `exp` of a token that happens to be a JWT. Nothing is verified: the vendor verifies, we only look at the clock.
pub(crate) fn jwt_expiry(token: &Secret) -> VendorExpiry {
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
    }
    let mut parts = token.expose().split('.');
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return VendorExpiry::Nothing;
    };
    let Ok(claims) = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')) else { return VendorExpiry::Nothing };
    match serde_json::from_slice::<Claims>(&claims) {
        Ok(Claims { exp }) if exp.is_finite() => VendorExpiry::Epoch(exp as i64),
        _ => VendorExpiry::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: u64 = 1_700_000_000;

    fn received() -> Now {
        Now { wall: SystemTime::UNIX_EPOCH + Duration::from_secs(T), monotonic: Duration::from_secs(5) }
    }

    fn ingest(told: VendorExpiry) -> Lifetime {
        Lifetime::ingest(told, Some(Duration::from_secs(600)), received(), None)
    }

    #[apply(leak_checked!)]
    fn every_dialect_becomes_a_life() {
        let seconds = |n| Lifetime::For(Duration::from_secs(n));
        for (told, life) in [
            (VendorExpiry::Nothing, seconds(600)),
            (VendorExpiry::Seconds(21_600), seconds(21_600)),
            (VendorExpiry::Seconds(0), seconds(0)),
            (VendorExpiry::Seconds(-5), seconds(0)),
            (VendorExpiry::Seconds(i64::MAX), Lifetime::Never),
            (VendorExpiry::Epoch(T as i64 + 60), seconds(60)),
            (VendorExpiry::Epoch(T as i64), seconds(0)),
        ] {
            assert_eq!(ingest(told), life, "{told:?}");
        }
        assert_eq!(Lifetime::ingest(VendorExpiry::Nothing, None, received(), None), Lifetime::Unknown);
    }

    #[apply(leak_checked!)]
    fn numbers_and_texts_are_read_by_their_size() {
        use serde_json::json;
        for (value, seconds, epoch) in [
            (json!(3600), VendorExpiry::Seconds(3600), VendorExpiry::Seconds(3600)),
            (json!("3600"), VendorExpiry::Seconds(3600), VendorExpiry::Seconds(3600)),
            (json!(" 86399 "), VendorExpiry::Seconds(86_399), VendorExpiry::Seconds(86_399)),
            (json!(1.5), VendorExpiry::Seconds(1), VendorExpiry::Seconds(1)),
            (json!(-1), VendorExpiry::Seconds(-1), VendorExpiry::Seconds(-1)),
            (json!(1_669_770_737), VendorExpiry::Seconds(1_669_770_737), VendorExpiry::Epoch(1_669_770_737)),
            (
                json!(1_669_770_737_000_i64),
                VendorExpiry::Seconds(1_669_770_737_000),
                VendorExpiry::Epoch(1_669_770_737),
            ),
            (json!("soon"), VendorExpiry::Nothing, VendorExpiry::Nothing),
            (json!(null), VendorExpiry::Nothing, VendorExpiry::Nothing),
            (json!({}), VendorExpiry::Nothing, VendorExpiry::Nothing),
        ] {
            assert_eq!(VendorExpiry::seconds(&value), seconds, "{value}");
            assert_eq!(VendorExpiry::epoch_or_seconds(&value), epoch, "{value}");
        }
    }

    #[apply(leak_checked!)]
    fn an_epoch_is_measured_by_the_vendors_own_clock() {
        let a_day_behind = SystemTime::UNIX_EPOCH + Duration::from_secs(T - 86_400);
        let told = VendorExpiry::Epoch(T as i64 - 86_400 + 600);
        assert_eq!(
            Lifetime::ingest(told, None, received(), Some(a_day_behind)),
            Lifetime::For(Duration::from_secs(600))
        );
    }

    #[apply(leak_checked!)]
    fn without_that_clock_an_end_that_is_past_tells_nothing() {
        let past = VendorExpiry::Epoch(T as i64 - 1);
        assert_eq!(ingest(past), Lifetime::For(Duration::from_secs(600)));
        assert_eq!(Lifetime::ingest(past, None, received(), None), Lifetime::Unknown);
        let (default, ours) = (Some(Duration::from_secs(600)), Some(received().wall));
        assert_eq!(Lifetime::ingest(past, default, received(), ours), Lifetime::For(Duration::ZERO));
    }

    #[apply(leak_checked!)]
    fn a_jwt_tells_its_own_end_and_an_opaque_token_tells_nothing() {
        let claims = URL_SAFE_NO_PAD.encode(r#"{"exp":1700000600,"user":{"uuid":"u"}}"#);
        assert_eq!(jwt_expiry(&Secret::from(format!("e30.{claims}.sig"))), VendorExpiry::Epoch(1_700_000_600));
        for opaque in ["", "abc", "a.b", "a.b.c", "a.b.c.d", "..", "e30.e30.x"] {
            assert_eq!(jwt_expiry(&Secret::from(opaque)), VendorExpiry::Nothing, "{opaque}");
        }
    }
}
