//! What only a person, or a policy in place of one, can answer before a sign-in goes on. Plain data: an error carries one of
//! them, and the session asks it.

mod access_key;
mod captcha;
mod device_code;
mod second_factor;
mod session_limit;
mod sign_in_page;

use crate::{error::ErrorKind, line::clean};
pub use access_key::AccessKey;
pub use captcha::Captcha;
pub use device_code::DeviceCode;
pub use second_factor::SecondFactor;
pub use session_limit::{ActiveSession, SessionId, SessionLimit};
pub use sign_in_page::SignInPage;
pub(crate) use sign_in_page::StepUp;

/// What a sign-in stops with.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) enum Question {
    Captcha(Captcha),
    Session(SessionLimit),
    Device(DeviceCode),
    AccessKey(AccessKey),
    SecondFactor(SecondFactor),
    SignInPage(SignInPage),
}

impl Question {
    /// The kind of the error that asks it.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Captcha(_) => ErrorKind::CaptchaRequired,
            Self::Session(_) => ErrorKind::SessionLimitReached,
            Self::Device(_) => ErrorKind::DeviceCodeRequired,
            Self::AccessKey(_) => ErrorKind::AccessKeyRequired,
            Self::SecondFactor(_) => ErrorKind::SecondFactorRequired,
            Self::SignInPage(_) => ErrorKind::SignInPageRequired,
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
            Self::SignInPage(_) => "a person has to sign in at the provider's own page",
        }
    }

    /// Made fit to be shown, in a terminal as like as not: whatever issuer asks it, its texts come from outside.
    pub(crate) fn fit_to_show(mut self) -> Self {
        let fit = |text: &mut String| *text = clean(text).into_owned();
        match &mut self {
            Self::Captcha(captcha) => fit(&mut captcha.media_type),
            Self::Session(limit) => {
                let texts = limit.sessions.iter_mut().flat_map(|s| [&mut s.client, &mut s.user_agent, &mut s.ip]);
                texts.flatten().for_each(fit);
            }
            Self::Device(device) => {
                fit(&mut device.user_code);
                fit(&mut device.verification_uri);
                device.verification_uri_complete.iter_mut().for_each(fit);
            }
            Self::AccessKey(key) => fit(&mut key.sent_to),
            // They hold no text but addresses, in which none of that can stand.
            Self::SecondFactor(_) | Self::SignInPage(_) => {}
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[apply(leak_checked!)]
    fn what_is_shown_of_a_question_moves_no_cursor_whoever_asks_it() {
        const ESC: &str = "\u{1b}[2Jx\r\n\u{202e}";
        let mut session = ActiveSession::new("1");
        (session.client, session.user_agent, session.ip) = (Some(ESC.into()), Some(ESC.into()), Some(ESC.into()));
        let device = DeviceCode::new("secret", ESC, ESC, Duration::from_secs(600)).with_complete_uri(ESC);
        for question in [
            Question::Captcha(Captcha::new(b"", ESC, "key")),
            Question::Session(SessionLimit::new(vec![session])),
            Question::Device(device),
            Question::AccessKey(AccessKey::new(ESC, "thread")),
        ] {
            let texts = match question.fit_to_show() {
                Question::Captcha(captcha) => vec![captcha.media_type],
                Question::Session(limit) => {
                    let session = limit.sessions.into_iter().next().expect("one");
                    [session.client, session.user_agent, session.ip].into_iter().flatten().collect()
                }
                Question::Device(device) => {
                    let complete = device.verification_uri_complete.into_iter();
                    [device.user_code, device.verification_uri].into_iter().chain(complete).collect()
                }
                Question::AccessKey(key) => vec![key.sent_to],
                Question::SecondFactor(_) | Question::SignInPage(_) => Vec::new(),
            };
            assert!(texts.iter().all(|text| text == "[2Jx  "), "{texts:?}");
        }
    }
}
