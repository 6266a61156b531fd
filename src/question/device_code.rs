//! A code that a person enters on another device.

use crate::secret::Secret;
use std::{fmt, time::Duration};

/// A code that a person enters on a device of their own, to let this one in (RFC 8628).
///
/// Show [`user_code`](Self::user_code) and [`verification_uri`](Self::verification_uri), or
/// [`verification_uri_complete`](Self::verification_uri_complete) as a QR code.
///
/// ```
/// # async fn example(client: keyway::custom::Client) -> Result<(), keyway::Error> {
/// use keyway::Answer;
///
/// if let Err(error) = client.session().lease().await
///     && let (Some(device), Some(resume)) = (error.device_code(), error.resume())
/// {
///     println!("enter {} at {}", device.user_code(), device.verification_uri());
///     resume.answer(Answer::DeviceCode).await?; // waits until the person has done so
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub struct DeviceCode {
    pub(crate) device_code: Secret,
    pub(crate) user_code: String,
    pub(crate) verification_uri: String,
    pub(crate) verification_uri_complete: Option<String>,
    pub(crate) expires_in: Duration,
    pub(crate) interval: Duration,
}

/// How often to ask where the vendor does not say (RFC 8628, 3.2).
const INTERVAL: Duration = Duration::from_secs(5);

impl DeviceCode {
    /// `device_code` is what the vendor is asked with, `user_code` what the person enters at `verification_uri`.
    #[must_use]
    pub fn new(
        device_code: impl Into<Secret>,
        user_code: impl Into<String>,
        verification_uri: impl Into<String>,
        expires_in: Duration,
    ) -> Self {
        Self {
            device_code: device_code.into(),
            user_code: user_code.into(),
            verification_uri: verification_uri.into(),
            verification_uri_complete: None,
            expires_in,
            interval: INTERVAL,
        }
    }

    /// With an address that holds the user code already.
    #[must_use]
    pub fn with_complete_uri(self, uri: impl Into<String>) -> Self {
        Self { verification_uri_complete: Some(uri.into()), ..self }
    }

    /// How long to wait between two requests, as the vendor says. Zero and anything else that is no interval count as not
    /// said: five seconds.
    #[must_use]
    pub fn with_interval(self, interval: Duration) -> Self {
        Self { interval: if interval.is_zero() { INTERVAL } else { interval }, ..self }
    }

    /// What the vendor is asked with. A secret: a process that has it gets the session.
    #[must_use]
    pub fn device_code(&self) -> &Secret {
        &self.device_code
    }

    /// What the person enters.
    #[must_use]
    pub fn user_code(&self) -> &str {
        &self.user_code
    }

    /// Where the person enters it.
    #[must_use]
    pub fn verification_uri(&self) -> &str {
        &self.verification_uri
    }

    /// An address that holds the user code already, if the vendor gave one: made for a QR code.
    #[must_use]
    pub fn verification_uri_complete(&self) -> Option<&str> {
        self.verification_uri_complete.as_deref()
    }

    /// How long the code can be entered, counted from when the vendor made it.
    #[must_use]
    pub fn expires_in(&self) -> Duration {
        self.expires_in
    }

    /// How long Keyway waits between two requests.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval
    }
}

impl fmt::Debug for DeviceCode {
    /// Neither the codes nor an address that may hold one: who enters the user code decides for whom the device is let in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceCode")
            .field("expires_in", &self.expires_in)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn a_device_code_shows_neither_of_its_codes() {
        let device =
            DeviceCode::new("dev-secret", "WDJB-MJHT", "https://vendor.example/?c=WDJB-MJHT", Duration::from_secs(600));
        let shown = format!("{device:?}");
        assert!(!shown.contains("secret") && !shown.contains("WDJB") && !shown.contains("vendor"), "{shown}");
    }

    #[apply(leak_checked!)]
    fn no_interval_is_five_seconds() {
        let device = DeviceCode::new("d", "u", "https://vendor.example", Duration::from_secs(600));
        assert_eq!(device.interval(), Duration::from_secs(5));
        assert_eq!(device.clone().with_interval(Duration::ZERO).interval(), Duration::from_secs(5));
        assert_eq!(device.with_interval(Duration::from_secs(2)).interval(), Duration::from_secs(2));
    }
}
