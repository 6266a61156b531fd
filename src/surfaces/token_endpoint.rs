//! What a token endpoint and a device authorization endpoint answer (RFC 6749, RFC 8628), of any vendor.

use super::{Issued, Polled};
use crate::{
    Error, ErrorKind, Secret,
    clock::Now,
    http::{transport::AuthResponse, verdict::is_transient},
    question::DeviceCode,
    session::{
        Profile,
        tokens::{Lifetime, Tokens, VendorExpiry, jwt_expiry, present},
    },
};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

pub(super) const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// How long a device code is polled for where its life is not told. The vendor says by itself when it has ended.
const DEVICE_LIFE: Duration = Duration::from_secs(10 * 60);

/// No more of the answer than a session needs. What may be of any type is read as any JSON.
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Secret,
    #[serde(default)]
    refresh_token: Value,
    #[serde(default)]
    expires_in: Value,
}

/// The session that an answer of a token endpoint holds; it arrived at `now`. `about` are the members that say whose it is.
pub(super) fn issued(reply: &AuthResponse, now: Now, about: &[&'static str]) -> Result<Issued, Error> {
    let answer: TokenAnswer = reply.json()?;
    let date = reply.date();
    let access = reply.token(answer.access_token)?;
    let told = VendorExpiry::seconds(&answer.expires_in).or(|| jwt_expiry(&access));
    let life = Lifetime::ingest(told, None, now, date);
    let refresh = present(answer.refresh_token.as_str().map(Secret::from));
    let profile = Some(Profile::of(&reply.value(), about));
    Ok(Issued { tokens: Tokens { access, refresh, life, date }, profile })
}

/// A refused refresh token with which the session was to begin: the builder was given it.
pub(super) fn seed_refused(error: Error) -> Error {
    match refuses_the_token(&error) {
        true => error
            .with_kind(ErrorKind::InvalidCredentials)
            .message("the vendor refused the refresh token: it has ended or was used before")
            .advice("give .refresh_token(..) a new one; this one is not tried again until sign_in() is called"),
        false => error,
    }
}

/// A refused refresh token of a session: it is dead, and nothing else is.
pub(super) fn renewal_refused(error: Error) -> Error {
    match refuses_the_token(&error) {
        true => error.with_kind(ErrorKind::SignInRequired),
        false => error,
    }
}

/// The same answer refuses a password and a refresh token; only the question tells them apart.
fn refuses_the_token(error: &Error) -> bool {
    match (error.kind(), error.code()) {
        (ErrorKind::InvalidCredentials, Some("invalid_grant")) => true,
        (_, Some("invalid_token")) => error.status().is_some_and(|status| status < 500 && !is_transient(status)),
        _ => false,
    }
}

#[derive(Deserialize)]
struct DeviceAnswer {
    device_code: Secret,
    #[serde(default)]
    user_code: String,
    /// Some say `verification_url`, as a draft did.
    #[serde(default, alias = "verification_url")]
    verification_uri: String,
    #[serde(default)]
    verification_uri_complete: Option<String>,
    #[serde(default)]
    interval: Value,
    #[serde(default)]
    expires_in: Value,
}

/// What a person needs to let this device in.
pub(super) fn device_code(reply: &AuthResponse) -> Result<DeviceCode, Error> {
    reply.json::<DeviceAnswer>()?.code()
}

impl DeviceAnswer {
    fn code(self) -> Result<DeviceCode, Error> {
        if self.user_code.is_empty() && self.verification_uri_complete.is_none() {
            return Err(Error::protocol("the answer holds no code that a person could enter"));
        }
        let life = seconds(&self.expires_in).unwrap_or(DEVICE_LIFE);
        let code = DeviceCode::new(self.device_code, self.user_code, self.verification_uri, life);
        let code = code.with_interval(seconds(&self.interval).unwrap_or_default());
        Ok(self.verification_uri_complete.into_iter().fold(code, DeviceCode::with_complete_uri))
    }
}

/// A positive number of seconds; anything else counts as not told.
fn seconds(value: &Value) -> Option<Duration> {
    match VendorExpiry::seconds(value) {
        VendorExpiry::Seconds(seconds) => {
            u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
        }
        _ => None,
    }
}

/// What asking for the token of a device code was answered with (RFC 8628, 3.5).
pub(super) fn polled(reply: &AuthResponse, issued: impl FnOnce() -> Result<Issued, Error>) -> Result<Polled, Error> {
    let declined = |message: &'static str| {
        let error = reply.failure().with_kind(ErrorKind::Declined);
        error.message(message).advice("the next call asks for a new device code")
    };
    match reply.value().get("error").and_then(Value::as_str) {
        Some("authorization_pending") => Ok(Polled::Pending),
        Some("slow_down") => Ok(Polled::SlowDown),
        Some("access_denied") => Err(declined("the person did not let this device in")),
        Some("expired_token") => Err(declined("the device code ended before a person let this device in")),
        Some("invalid_grant") => Err(declined("the vendor takes this device code no longer")),
        _ => issued().map(Polled::Issued),
    }
}
