//! Where an answer of a vendor of your own has its tokens, and how it tells their end.

use crate::{
    secret::Secret,
    session::tokens::{VendorExpiry, jwt_expiry},
};
use serde_json::Value;

/// How a vendor tells when a token ends: a JSON pointer into its answer, and the unit.
///
/// An end that is a point in time is measured by the `Date` of the answer, so that a wrong local clock does no harm.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expires {
    /// Seconds from now: `Expires::Seconds("/expires_in")`.
    Seconds(&'static str),
    /// Minutes from now.
    Minutes(&'static str),
    /// Milliseconds from now.
    Milliseconds(&'static str),
    /// A point in time, in seconds since 1970, or in milliseconds: told apart by their size. A number that is too small for
    /// either counts seconds from now.
    Epoch(&'static str),
    /// The `exp` of the access token, if it is a JWT.
    Jwt,
}

impl Expires {
    fn told(self, body: &Value, access: &Secret) -> VendorExpiry {
        let at = |pointer: &str| body.pointer(pointer).unwrap_or(&Value::Null);
        let times = |pointer, factor: f64| match VendorExpiry::seconds_times(at(pointer), factor) {
            VendorExpiry::Seconds(seconds) => VendorExpiry::Seconds(seconds),
            _ => VendorExpiry::Nothing,
        };
        match self {
            Self::Seconds(pointer) => times(pointer, 1.0),
            Self::Minutes(pointer) => times(pointer, 60.0),
            Self::Milliseconds(pointer) => times(pointer, 0.001),
            Self::Epoch(pointer) => VendorExpiry::epoch_or_seconds(at(pointer)),
            Self::Jwt => jwt_expiry(access),
        }
    }
}

/// Where an answer has its tokens, as JSON pointers.
///
/// ```
/// use keyway::custom::{Expires, TokensAt};
///
/// const TOKENS: TokensAt = TokensAt::new("/data/access_token")
///     .refresh("/data/refresh_token")
///     .expires(&[Expires::Milliseconds("/data/expires"), Expires::Jwt]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TokensAt {
    pub(super) access: &'static str,
    pub(super) refresh: Option<&'static str>,
    expires: &'static [Expires],
}

impl TokensAt {
    /// The access token stands here. `""` is the whole answer, if that is a text.
    #[must_use]
    pub const fn new(access: &'static str) -> Self {
        Self { access, refresh: None, expires: &[] }
    }

    /// A refresh token stands here. Where an answer has none, a renewal keeps the old one.
    #[must_use]
    pub const fn refresh(self, refresh: &'static str) -> Self {
        Self { refresh: Some(refresh), ..self }
    }

    /// How the end is told; the first of these that the answer has counts. Default: not at all, and
    /// [`Capabilities::default_life`](super::Capabilities::default_life) counts.
    #[must_use]
    pub const fn expires(self, expires: &'static [Expires]) -> Self {
        Self { expires, ..self }
    }

    pub(super) fn end(&self, body: &Value, access: &Secret) -> VendorExpiry {
        self.expires.iter().fold(VendorExpiry::Nothing, |told, next| told.or(|| next.told(body, access)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[apply(leak_checked!)]
    fn every_dialect_of_an_end_is_read_and_the_first_that_is_told_counts() {
        let access = Secret::from("e30.eyJleHAiOjE3MDAwMDA2MDB9.s");
        let body = json!({ "life": { "s": 600, "m": "10", "ms": 600_000 }, "at": 1_700_000_600_i64, "at_ms": 1_700_000_600_000_i64, "none": null });
        let (life, point) = (VendorExpiry::Seconds(600), VendorExpiry::Epoch(1_700_000_600));
        for (expires, told) in [
            (Expires::Seconds("/life/s"), life),
            (Expires::Minutes("/life/m"), life),
            (Expires::Milliseconds("/life/ms"), life),
            (Expires::Epoch("/at"), point),
            (Expires::Epoch("/at_ms"), point),
            (Expires::Jwt, point),
            (Expires::Seconds("/none"), VendorExpiry::Nothing),
            (Expires::Minutes("/nowhere"), VendorExpiry::Nothing),
        ] {
            assert_eq!(expires.told(&body, &access), told, "{expires:?}");
        }
        const SEVERAL: TokensAt = TokensAt::new("/a").expires(&[
            Expires::Seconds("/none"),
            Expires::Epoch("/at"),
            Expires::Minutes("/life/m"),
        ]);
        assert_eq!(SEVERAL.end(&body, &access), point);
    }
}
