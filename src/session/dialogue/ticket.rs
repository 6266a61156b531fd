//! A question, and what was said before it, as a text that goes to another process and back.

use super::{About, Conversation, OpenQuestion, SolvedCaptcha};
use crate::{
    clock::Now,
    error::Error,
    question::{AccessKey, ActiveSession, Captcha, DeviceCode, SecondFactor, SessionId, SessionLimit, SignInPage},
    secret::{Secret, writing},
};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};

/// No question is open for longer.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Plain data, as it is sealed.
#[derive(Serialize, Deserialize)]
struct Ticket {
    /// When it was made.
    at_ms: u64,
    asked: WrittenQuestion,
    said: WrittenConversation,
}

#[derive(Serialize, Deserialize)]
struct WrittenQuestion {
    /// How long ago it was asked when the ticket was made.
    ago_ms: u64,
    about: WrittenAbout,
}

/// Without the picture of a captcha, which has been shown.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WrittenAbout {
    Captcha { media_type: String, expires_in_ms: u64, attempt: u32, key: Secret },
    Session { sessions: Vec<ListedSession>, limit: Option<u32>, count: Option<u32>, captcha_valid_ms: Option<u64> },
    Device { code: Secret, user: Secret, uri: String, complete: Option<Secret>, expires_in_ms: u64, interval_ms: u64 },
    AccessKey { sent_to: String, attempt: u32, thread: Secret },
    SecondFactor { attempt: u32, thread: Secret },
    SignInPage { page: Secret },
}

/// Of a listed session only what an answer is held against.
#[derive(Serialize, Deserialize)]
struct ListedSession {
    id: String,
    is_current: bool,
}

#[derive(Serialize, Deserialize)]
struct WrittenConversation {
    captcha: Option<WrittenCaptcha>,
    captchas: u32,
    end_session: Option<String>,
    access_key: Option<(WrittenAbout, Secret)>,
    access_keys: u32,
    second_factor: Option<(WrittenAbout, Secret)>,
    second_factors: u32,
    redirect: Option<(Secret, Secret)>,
}

/// An answered captcha, and how long it was still good.
#[derive(Serialize, Deserialize)]
struct WrittenCaptcha {
    key: Secret,
    text: Secret,
    left_ms: u64,
}

/// The text that is sealed. A device that was let in already holds a session, and is not carried.
pub(crate) fn write(question: &OpenQuestion, said: &Conversation, now: Now) -> Result<Secret, Error> {
    if said.shown.is_some() || said.granted.is_some() {
        return Err(Error::config("a sign-in whose device code is being shown goes on where it is shown")
            .advice("make the ticket before the code is shown"));
    }
    let ticket = Ticket {
        at_ms: millis(now.wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()),
        asked: WrittenQuestion::of(question, now),
        said: WrittenConversation::of(said, now),
    };
    let text = writing(|| serde_json::to_string(&ticket));
    text.map(Secret::from).map_err(|_| Error::config("the question cannot be written as a ticket"))
}

/// What [`write`] wrote. `None` if it is none, or too old.
pub(crate) fn read(text: &Secret, now: Now) -> Option<(OpenQuestion, Conversation)> {
    let Ticket { at_ms, asked, said } = serde_json::from_slice(text.expose().as_bytes()).ok()?;
    let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(at_ms))?;
    // A moment ahead is another machine's clock.
    let ago = now.wall.duration_since(at).unwrap_or_default();
    let question = asked.question(ago, now).filter(|_| ago <= LONGEST)?;
    Some((question, said.conversation(ago, now)))
}

impl WrittenQuestion {
    fn of(question: &OpenQuestion, now: Now) -> Self {
        let about = WrittenAbout::of(&question.about);
        Self { ago_ms: millis(now.monotonic.saturating_sub(question.asked)), about }
    }

    fn question(self, ago: Duration, now: Now) -> Option<OpenQuestion> {
        let ago = ago.saturating_add(Duration::from_millis(self.ago_ms));
        // A machine that has just started cannot name a moment before that: then less of the answer's time is left.
        let (early, asked) = (ago.saturating_sub(now.monotonic), now.monotonic.saturating_sub(ago));
        Some(OpenQuestion { about: self.about.about(early)?, asked })
    }
}

impl WrittenAbout {
    fn of(about: &About) -> Self {
        match about {
            About::Captcha(Captcha { media_type, expires_in, attempt, key, .. }) => Self::Captcha {
                media_type: media_type.clone(),
                expires_in_ms: millis(*expires_in),
                attempt: *attempt,
                key: key.clone(),
            },
            About::Session(SessionLimit { sessions, limit, count, captcha_valid_for }) => Self::Session {
                sessions: sessions.iter().map(ListedSession::of).collect(),
                limit: *limit,
                count: *count,
                captcha_valid_ms: captcha_valid_for.map(millis),
            },
            About::Device(device) => Self::Device {
                code: device.device_code.clone(),
                user: device.user_code.as_str().into(),
                uri: device.verification_uri.clone(),
                complete: device.verification_uri_complete.as_deref().map(Secret::from),
                expires_in_ms: millis(device.expires_in),
                interval_ms: millis(device.interval),
            },
            About::AccessKey(AccessKey { sent_to, attempt, thread }) => {
                Self::AccessKey { sent_to: sent_to.clone(), attempt: *attempt, thread: thread.clone() }
            }
            About::SecondFactor(SecondFactor { attempt, thread }) => {
                Self::SecondFactor { attempt: *attempt, thread: thread.clone() }
            }
            About::SignInPage(page) => Self::SignInPage { page: page.ticket() },
        }
    }

    /// `early` of the time that an answer has is over already.
    fn about(self, early: Duration) -> Option<About> {
        let left = |ms| Duration::from_millis(ms).saturating_sub(early);
        Some(match self {
            Self::Captcha { media_type, expires_in_ms, attempt, key } => {
                let captcha = Captcha::new(Vec::new(), media_type, key).valid_for(left(expires_in_ms));
                About::Captcha(Captcha { attempt, ..captcha })
            }
            Self::Session { sessions, limit, count, captcha_valid_ms } => About::Session(SessionLimit {
                sessions: sessions.into_iter().map(ListedSession::session).collect(),
                limit,
                count,
                captcha_valid_for: captcha_valid_ms.map(left),
            }),
            Self::Device { code, user, uri, complete, expires_in_ms, interval_ms } => About::Device(DeviceCode {
                verification_uri_complete: complete.map(|complete| complete.expose().to_owned()),
                interval: Duration::from_millis(interval_ms),
                ..DeviceCode::new(code, user.expose(), uri, left(expires_in_ms))
            }),
            Self::AccessKey { sent_to, attempt, thread } => {
                About::AccessKey(AccessKey { attempt, ..AccessKey::new(sent_to, thread) })
            }
            Self::SecondFactor { attempt, thread } => {
                About::SecondFactor(SecondFactor { attempt, ..SecondFactor::new(thread) })
            }
            Self::SignInPage { page } => About::SignInPage(SignInPage::from_ticket(&page)?),
        })
    }
}

impl ListedSession {
    fn of(session: &ActiveSession) -> Self {
        Self { id: session.id.as_str().to_owned(), is_current: session.is_current }
    }

    fn session(self) -> ActiveSession {
        ActiveSession { is_current: self.is_current, ..ActiveSession::new(self.id) }
    }
}

impl WrittenConversation {
    fn of(said: &Conversation, now: Now) -> Self {
        let access_key = said.access_key.as_ref().map(|(asked, key)| (About::AccessKey(asked.clone()), key));
        let second_factor = said.second_factor.as_ref().map(|(asked, code)| (About::SecondFactor(asked.clone()), code));
        let written = |(about, answer): (About, &Secret)| (WrittenAbout::of(&about), answer.clone());
        Self {
            captcha: said.captcha.as_ref().map(|captcha| WrittenCaptcha {
                key: captcha.key.clone(),
                text: captcha.text.clone(),
                left_ms: millis(captcha.until.saturating_sub(now.monotonic)),
            }),
            captchas: said.captchas,
            end_session: said.end_session.as_ref().map(|id| id.as_str().to_owned()),
            access_key: access_key.map(written),
            access_keys: said.access_keys,
            second_factor: second_factor.map(written),
            second_factors: said.second_factors,
            redirect: said.redirect.as_ref().map(|(page, to)| (page.ticket(), to.clone())),
        }
    }

    fn conversation(self, ago: Duration, now: Now) -> Conversation {
        let captcha = self.captcha.map(|captcha| {
            let left = Duration::from_millis(captcha.left_ms).saturating_sub(ago);
            SolvedCaptcha { key: captcha.key, text: captcha.text, until: now.monotonic.saturating_add(left) }
        });
        let asked = |written: WrittenAbout| written.about(Duration::ZERO);
        let access_key = self.access_key.and_then(|(written, key)| match asked(written)? {
            About::AccessKey(asked) => Some((asked, key)),
            _ => None,
        });
        let second_factor = self.second_factor.and_then(|(written, code)| match asked(written)? {
            About::SecondFactor(asked) => Some((asked, code)),
            _ => None,
        });
        let redirect = self.redirect.and_then(|(page, to)| Some((SignInPage::from_ticket(&page)?, to)));
        Conversation {
            captcha,
            captchas: self.captchas,
            end_session: self.end_session.map(SessionId::from),
            access_key,
            access_keys: self.access_keys,
            second_factor,
            second_factors: self.second_factors,
            redirect,
            shown: None,
            granted: None,
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
