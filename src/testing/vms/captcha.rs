//! The captchas of the fake VMS.

use super::picture;
use crate::testing::mint::{Mint, random};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::time::{Duration, SystemTime};

/// How long a captcha may be answered.
pub(super) const TTL: Duration = Duration::from_secs(60);
/// How long an answered captcha stays good after a session limit.
pub(super) const LEASE: Duration = Duration::from_secs(120);

#[derive(Default)]
pub(super) struct Captchas {
    keys: Mint,
    issued: Vec<IssuedCaptcha>,
}

struct IssuedCaptcha {
    key: String,
    text: String,
    state: CaptchaState,
}

#[derive(Clone, Copy)]
enum CaptchaState {
    /// May be answered once, until then.
    Fresh {
        until: SystemTime,
    },
    /// Was answered rightly, but the session limit came in between: the same answer counts again, until then.
    Leased {
        until: SystemTime,
    },
    Spent,
}

impl Captchas {
    /// A new captcha: its key, and its picture as a data URI.
    pub(super) fn issue(&mut self, now: SystemTime) -> (String, String) {
        // The shape of the vendor's keys: bcrypt's, with `$` and `/`.
        let key = self.keys.make(|number, random| format!("$2y$10$/{random}.{number:019}"));
        let text = random()[..5].to_owned();
        let picture = format!("data:image/png;base64,{}", STANDARD.encode(picture::png(&text)));
        self.issued.push(IssuedCaptcha { key: key.clone(), text, state: CaptchaState::Fresh { until: now + TTL } });
        (key, picture)
    }

    /// Is this the right text for that key, in time? Right or wrong, a fresh captcha is spent by the attempt.
    pub(super) fn accepts(&mut self, key: &str, text: &str, now: SystemTime) -> bool {
        let Some(captcha) = self.find(key) else {
            return false;
        };
        let in_time = match captcha.state {
            CaptchaState::Fresh { until } | CaptchaState::Leased { until } => now < until,
            CaptchaState::Spent => false,
        };
        let accepted = in_time && captcha.text == text;
        if !(accepted && matches!(captcha.state, CaptchaState::Leased { .. })) {
            captcha.state = CaptchaState::Spent;
        }
        accepted
    }

    /// Keeps an accepted captcha good beyond a session limit, and says for how long. A second limit prolongs nothing.
    pub(super) fn lease(&mut self, key: &str, now: SystemTime) -> Duration {
        match self.find(key) {
            Some(IssuedCaptcha { state: CaptchaState::Leased { until }, .. }) => {
                until.duration_since(now).unwrap_or_default()
            }
            Some(captcha) => {
                captcha.state = CaptchaState::Leased { until: now + LEASE };
                LEASE
            }
            None => Duration::ZERO,
        }
    }

    /// Ends what is left of a captcha, once it has led to a session.
    pub(super) fn spend(&mut self, key: &str) {
        if let Some(captcha) = self.find(key) {
            captcha.state = CaptchaState::Spent;
        }
    }

    /// The text of the captcha with this key.
    pub(super) fn text_of(&self, key: &str) -> Option<String> {
        self.issued.iter().find(|captcha| captcha.key == key).map(|captcha| captcha.text.clone())
    }

    /// The text of the newest captcha.
    pub(super) fn newest_text(&self) -> Option<String> {
        self.issued.last().map(|captcha| captcha.text.clone())
    }

    /// All keys and texts.
    pub(super) fn secrets(&self) -> impl Iterator<Item = String> {
        self.issued.iter().flat_map(|captcha| [captcha.key.clone(), captcha.text.clone()])
    }

    fn find(&mut self, key: &str) -> Option<&mut IssuedCaptcha> {
        self.issued.iter_mut().find(|captcha| captcha.key == key)
    }
}
