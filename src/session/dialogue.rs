//! Questions that only a person or a policy can answer, and what has been said so far in one sign-in.

#[cfg(feature = "sealed")]
pub(super) mod ticket;

use super::issued::Issued;
pub(crate) use crate::question::Question as About;
use crate::{
    clock::Now,
    error::{Error, ErrorKind},
    question::{AccessKey, Captcha, SecondFactor, SessionId, SignInPage, StepUp},
    secret::Secret,
};
use std::time::Duration;

/// The answer to a question that stopped a sign-in.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub enum Answer {
    /// What the captcha's picture says.
    Captcha(Secret),
    /// The session that shall end.
    Session(SessionId),
    /// The code is being shown: from now on the vendor is asked whether the person has entered it.
    DeviceCode,
    /// The key that the vendor has sent to a person.
    AccessKey(Secret),
    /// The code of the second factor.
    SecondFactor(Secret),
    /// The whole address that the browser was sent to after the sign-in page.
    Redirect(Secret),
}

/// What stopped a sign-in.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct OpenQuestion {
    pub(crate) about: About,
    /// When the vendor asked (monotonic): what the lives it names are counted from.
    asked: Duration,
}

impl OpenQuestion {
    /// The question an issuer's error carries, if it carries one. `so_far` tells how often it has been asked.
    pub(crate) fn of(error: &Error, so_far: &Conversation, now: Now) -> Option<Self> {
        let about = match error.asked()?.clone() {
            About::Captcha(captcha) => About::Captcha(Captcha { attempt: so_far.captchas + 1, ..captcha }),
            About::AccessKey(key) => About::AccessKey(AccessKey { attempt: so_far.access_keys + 1, ..key }),
            About::SecondFactor(factor) => {
                About::SecondFactor(SecondFactor { attempt: so_far.second_factors + 1, ..factor })
            }
            other => other,
        };
        Some(Self { about, asked: now.monotonic })
    }

    /// Of a page that was asked elsewhere.
    #[cfg(feature = "oauth2")]
    pub(crate) fn of_page(page: SignInPage, now: Now) -> Self {
        Self { about: About::SignInPage(page), asked: now.monotonic }
    }

    /// Until when (monotonic) its answer is taken, if the vendor says.
    pub(crate) fn ends(&self) -> Option<Duration> {
        let expires_in = match &self.about {
            About::Captcha(captcha) => captcha.expires_in,
            About::Device(device) => device.expires_in,
            About::Session(_) | About::AccessKey(_) | About::SecondFactor(_) | About::SignInPage(_) => return None,
        };
        Some(self.asked.saturating_add(expires_in))
    }

    /// For the session's report.
    pub(crate) fn name(&self) -> &'static str {
        match &self.about {
            About::Captcha(_) => "captcha",
            About::Session(_) => "which session may end",
            About::Device(_) => "a device code",
            About::AccessKey(_) => "an access key",
            About::SecondFactor(_) => "a second factor",
            About::SignInPage(_) => "a sign-in at a page",
        }
    }

    /// The kind of the error that asks it.
    pub(crate) fn kind(&self) -> ErrorKind {
        self.about.kind()
    }

    /// What to do about it where no answer came.
    pub(crate) fn advice(&self) -> &'static str {
        match &self.about {
            About::Captcha(_) => "show error.captcha() to a person and hand the answer to error.resume()",
            About::Session(_) => {
                "choose one of error.session_limit() and hand it to error.resume(), or set .session_limit(..) on the builder"
            }
            About::Device(_) => "show error.device_code() to a person and hand Answer::DeviceCode to error.resume()",
            About::AccessKey(_) => "ask the person for the key they were sent and hand it to error.resume()",
            About::SecondFactor(_) => "ask the person for the code of the second factor and hand it to error.resume()",
            About::SignInPage(_) => {
                "lead a person to error.sign_in_page() and hand the address they come back to, as Answer::Redirect, to error.resume()"
            }
        }
    }
}

/// What has been said so far in one sign-in.
#[derive(Debug, Clone, Default)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct Conversation {
    captcha: Option<SolvedCaptcha>,
    /// How many captchas have been asked.
    pub(crate) captchas: u32,
    end_session: Option<SessionId>,
    access_key: Option<(AccessKey, Secret)>,
    /// How many times an access key has been asked for.
    pub(crate) access_keys: u32,
    second_factor: Option<(SecondFactor, Secret)>,
    /// How many times a second factor has been asked for.
    pub(crate) second_factors: u32,
    /// The redirect that led back from a page.
    redirect: Option<(SignInPage, Secret)>,
    /// A device code that is being shown.
    pub(crate) shown: Option<OpenQuestion>,
    /// What a shown device code has led to, and the lineage of that session.
    pub(crate) granted: Option<(Issued, u64)>,
}

/// A captcha with its answer; it is presented only while the vendor still takes it.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub struct SolvedCaptcha {
    pub(crate) key: Secret,
    pub(crate) text: Secret,
    /// Monotonic.
    until: Duration,
}

impl SolvedCaptcha {
    /// The captcha's name at the vendor.
    #[must_use]
    pub fn key(&self) -> &Secret {
        &self.key
    }

    /// What the person read in it.
    #[must_use]
    pub fn text(&self) -> &Secret {
        &self.text
    }
}

impl Conversation {
    /// The answered captcha, unless it is too old to be taken.
    pub(crate) fn captcha(&self, now: Now) -> Option<&SolvedCaptcha> {
        self.captcha.as_ref().filter(|captcha| now.monotonic < captcha.until)
    }

    pub(crate) fn end_session(&self) -> Option<&SessionId> {
        self.end_session.as_ref()
    }

    pub(crate) fn access_key(&self) -> Option<(&AccessKey, &Secret)> {
        self.access_key.as_ref().map(|(asked, key)| (asked, key))
    }

    pub(crate) fn second_factor(&self) -> Option<(&SecondFactor, &Secret)> {
        self.second_factor.as_ref().map(|(asked, code)| (asked, code))
    }

    pub(crate) fn redirect(&self) -> Option<(&SignInPage, &Secret)> {
        self.redirect.as_ref().map(|(page, redirect)| (page, redirect))
    }

    /// What its redirect is for, if a session was there when its page was asked.
    pub(crate) fn step_up(&self) -> Option<&StepUp> {
        self.redirect.as_ref().and_then(|(page, _)| page.step_up())
    }

    /// The session that was chosen is none that can be ended any more.
    pub(crate) fn choose_again(&mut self) {
        self.end_session = None;
    }

    /// Takes note of what the vendor asked: a captcha was spent, or its life was set anew.
    pub(crate) fn asked(&mut self, question: &OpenQuestion) {
        match &question.about {
            About::Captcha(_) => {
                self.captcha = None;
                self.captchas += 1;
            }
            About::Session(limit) => {
                if let (Some(captcha), Some(valid)) = (&mut self.captcha, limit.captcha_valid_for) {
                    captcha.until = question.asked.saturating_add(valid);
                }
            }
            About::AccessKey(_) => {
                // What went before begins anew.
                (self.access_key, self.second_factor) = (None, None);
                self.access_keys += 1;
            }
            About::SecondFactor(_) => {
                self.second_factor = None;
                self.second_factors += 1;
            }
            About::SignInPage(_) => self.redirect = None,
            About::Device(_) => {}
        }
    }

    /// This conversation with the answer added, or what is wrong with the answer.
    pub(crate) fn answered(mut self, question: &OpenQuestion, answer: Answer) -> Result<Self, Error> {
        match (&question.about, answer) {
            (About::Captcha(captcha), Answer::Captcha(text)) => {
                let until = question.asked.saturating_add(captcha.expires_in);
                self.captcha = Some(SolvedCaptcha { key: captcha.key.clone(), text, until });
            }
            (About::Session(limit), Answer::Session(id)) if limit.may_end(&id) => self.end_session = Some(id),
            (About::Device(_), Answer::DeviceCode) => self.shown = Some(question.clone()),
            (About::AccessKey(asked), Answer::AccessKey(key)) => self.access_key = Some((asked.clone(), key)),
            (About::SecondFactor(asked), Answer::SecondFactor(code)) => {
                self.second_factor = Some((asked.clone(), code));
            }
            (About::SignInPage(page), Answer::Redirect(redirect)) => {
                page.accepts(&redirect).map_err(Error::no_answer_to_page)?;
                self.redirect = Some((page.clone(), redirect));
            }
            (About::Session(_), Answer::Session(_)) => {
                return Err(Error::config("the chosen session is not one that may end")
                    .advice("answer with the id of a listed session whose `is_current` is false"));
            }
            (About::Captcha(_), _) => return Err(Error::config("this question is answered with Answer::Captcha")),
            (About::Session(_), _) => return Err(Error::config("this question is answered with Answer::Session")),
            (About::Device(_), _) => return Err(Error::config("this question is answered with Answer::DeviceCode")),
            (About::AccessKey(_), _) => return Err(Error::config("this question is answered with Answer::AccessKey")),
            (About::SecondFactor(_), _) => {
                return Err(Error::config("this question is answered with Answer::SecondFactor"));
            }
            (About::SignInPage(_), _) => return Err(Error::config("this question is answered with Answer::Redirect")),
        }
        Ok(self)
    }
}

/// Why a question stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenReason {
    /// There is no responder.
    Unattended,
    Declined,
    /// A person was asked and is still thinking.
    TooLate,
    /// One answer after the other was wrong.
    TooOften,
    /// The policy picked no session.
    NoneFits,
    /// The person has answered, and no caller waits any more.
    Nobody,
}

impl OpenReason {
    pub(crate) fn word(self, error: Error) -> Error {
        match self {
            Self::Unattended => error,
            Self::Declined => error.with_kind(ErrorKind::Declined).message("the responder was asked and declined"),
            Self::TooLate => error
                .with_kind(ErrorKind::Declined)
                .message("the responder was asked and did not answer in time (.timeouts(..), `person`)"),
            Self::TooOften => error.message("the vendor refused every answer; the sign-in was given up"),
            Self::NoneFits => error
                .message("the account has as many sessions as it may have, and .session_limit(..) found none to end"),
            Self::Nobody => error.message("the responder answered when no caller waited any more; nothing was sent"),
        }
    }
}

/// What a person, or a policy in place of one, is asked.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct Ask {
    pub(crate) question: OpenQuestion,
    pub(crate) policy: bool,
}
