//! What only a person, or a policy in place of one, can answer before a sign-in goes on. Plain data: an error carries one of
//! them, and the session asks it.

mod access_key;
mod captcha;
mod device_code;
mod second_factor;
mod session_limit;

use crate::error::ErrorKind;
pub use access_key::AccessKey;
pub use captcha::Captcha;
pub use device_code::DeviceCode;
pub use second_factor::SecondFactor;
pub use session_limit::{ActiveSession, SessionId, SessionLimit};

/// What a sign-in stops with.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) enum Question {
    Captcha(Captcha),
    Session(SessionLimit),
    Device(DeviceCode),
    AccessKey(AccessKey),
    SecondFactor(SecondFactor),
}

impl Question {
    /// The kind of the error that asks it.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Captcha(_) => ErrorKind::CaptchaRequired,
            Self::Session(_) => ErrorKind::SessionLimit,
            Self::Device(_) => ErrorKind::DeviceCode,
            Self::AccessKey(_) => ErrorKind::AccessKey,
            Self::SecondFactor(_) => ErrorKind::SecondFactorRequired,
        }
    }

    /// What the error that asks it says.
    pub(crate) fn message(&self) -> &'static str {
        match self {
            Self::Captcha(_) => "the vendor wants a captcha answered before it signs in",
            Self::Session(_) => "the account has as many sessions as it may have",
            Self::Device(_) => "a person has to enter a code to let this device in",
            Self::AccessKey(_) => "the vendor has sent a key to a person and wants to have it back",
            Self::SecondFactor(_) => "the vendor wants a second factor before it signs in",
        }
    }
}
