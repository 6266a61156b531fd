//! Questions that only a person or a policy can answer, and how a sign-in goes on once they are.

use super::{
    Lease, Session,
    evict::{SessionId, SessionLimit},
    questions::{AccessKey, Captcha, DeviceCode},
};
use crate::{BoxFuture, Error, ErrorKind, Secret, clock::Now, surfaces::Issued};
use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

/// Who answers when a sign-in needs a person. Every question may be declined with `None`; that is the default.
///
/// A question is asked once for everybody who waits for the sign-in, and never while a store's lock is held. Captchas are
/// asked at most three times per sign-in ([`Captcha::attempt`] tells which this is), and each answer is waited for as long
/// as [`Timeouts::person`](crate::Timeouts::person) says. A declined question ends the sign-in with
/// `ErrorKind::Declined`, which can still be resumed.
///
/// ```
/// use keyway::{Captcha, Responder, Secret};
///
/// struct Terminal;
/// impl Responder for Terminal {
///     async fn captcha(&self, captcha: Captcha) -> Option<Secret> {
///         std::fs::write("captcha.png", captcha.image()).ok()?;
///         // Reading a terminal blocks, so it is done off Tokio's workers.
///         let line = tokio::task::spawn_blocking(|| std::io::stdin().lines().next()).await.ok()??.ok()?;
///         Some(Secret::from(line.trim()))
///     }
/// }
/// ```
pub trait Responder: Send + Sync + 'static {
    /// Returns what the picture says; `None` declines.
    fn captcha(&self, captcha: Captcha) -> impl Future<Output = Option<Secret>> + Send {
        let _ = captcha;
        async { None }
    }

    /// Returns which session is to end so that a new one can begin; `None` declines. Asked only where the policy is
    /// [`Evict::Never`](crate::Evict::Never).
    fn choose_session(&self, limit: SessionLimit) -> impl Future<Output = Option<SessionId>> + Send {
        let _ = limit;
        async { None }
    }

    /// Shows a code that lets this device in, and returns `Some(())` once it is shown; `None` declines.
    ///
    /// The vendor is asked meanwhile. This may go on showing it for as long as it likes, with a countdown for instance: it
    /// is dropped when the person has decided or the code has ended.
    fn device_code(&self, device: DeviceCode) -> impl Future<Output = Option<()>> + Send {
        let _ = device;
        async { None }
    }

    /// Returns the key that the vendor has sent to a person; `None` declines.
    fn access_key(&self, key: AccessKey) -> impl Future<Output = Option<Secret>> + Send {
        let _ = key;
        async { None }
    }
}

/// [`Responder`] behind a pointer.
pub(crate) trait DynResponder: Send + Sync {
    fn captcha(&self, captcha: Captcha) -> BoxFuture<'_, Option<Secret>>;
    fn choose_session(&self, limit: SessionLimit) -> BoxFuture<'_, Option<SessionId>>;
    fn device_code(&self, device: DeviceCode) -> BoxFuture<'_, Option<()>>;
    fn access_key(&self, key: AccessKey) -> BoxFuture<'_, Option<Secret>>;
}

impl<R: Responder> DynResponder for R {
    fn captcha(&self, captcha: Captcha) -> BoxFuture<'_, Option<Secret>> {
        Box::pin(Responder::captcha(self, captcha))
    }

    fn choose_session(&self, limit: SessionLimit) -> BoxFuture<'_, Option<SessionId>> {
        Box::pin(Responder::choose_session(self, limit))
    }

    fn device_code(&self, device: DeviceCode) -> BoxFuture<'_, Option<()>> {
        Box::pin(Responder::device_code(self, device))
    }

    fn access_key(&self, key: AccessKey) -> BoxFuture<'_, Option<Secret>> {
        Box::pin(Responder::access_key(self, key))
    }
}

/// The answer to a question that stopped a sign-in.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub enum Answer {
    /// What the captcha's picture says.
    Captcha(Secret),
    /// The session that shall end.
    Session(SessionId),
    /// The code is being shown: from now on the vendor is asked whether somebody has entered it.
    DeviceCode,
    /// The key that the vendor has sent to a person.
    AccessKey(Secret),
}

/// Continues a sign-in that stopped with a question, from any task, whenever the answer is there.
///
/// The first answer wins; whoever answers later joins the sign-in that the first one continued.
#[derive(Clone)]
pub struct Resume(pub(crate) Arc<Challenge>);

pub(crate) struct Challenge {
    session: Session,
    question: Question,
    conversation: Conversation,
    answered: AtomicBool,
}

impl Resume {
    pub(crate) fn new(session: Session, question: Question, conversation: Conversation) -> Self {
        Self(Arc::new(Challenge { session, question, conversation, answered: AtomicBool::new(false) }))
    }

    /// Hands in the answer and waits for the session that comes of it.
    ///
    /// # Errors
    /// `ErrorKind::Config` when the answer does not fit the question; else whatever the sign-in ends with: a wrong
    /// captcha comes back as `ErrorKind::CaptchaRequired` with a new picture.
    ///
    /// # Cancel safety
    /// Once polled, the sign-in goes on even if this future is dropped.
    pub async fn answer(&self, answer: Answer) -> Result<Lease, Error> {
        let conversation = self.0.conversation.clone().answered(&self.0.question, answer)?;
        self.0.session.resume(&self.0.answered, conversation).await
    }
}

impl fmt::Debug for Resume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resume({:?})", self.0.question)
    }
}

/// What stopped a sign-in.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) about: About,
    /// When the vendor asked (monotonic): what the lives it names are counted from.
    asked: Duration,
}

#[derive(Debug, Clone)]
pub(crate) enum About {
    Captcha(Captcha),
    Session(SessionLimit),
    Device(DeviceCode),
    AccessKey(AccessKey),
}

impl Question {
    /// The question an issuer's error carries, if it carries one. `so_far` tells how often it has been asked.
    pub(crate) fn of(error: &Error, so_far: &Conversation, now: Now) -> Option<Self> {
        let attempt = so_far.captchas + 1;
        let captcha = || error.captcha().map(|captcha| About::Captcha(Captcha { attempt, ..captcha.clone() }));
        let session = || error.session_limit().cloned().map(About::Session);
        let device = || error.device_code().cloned().map(About::Device);
        let attempt = so_far.access_keys + 1;
        let key = || error.access_key().map(|key| About::AccessKey(AccessKey { attempt, ..key.clone() }));
        let about = captcha().or_else(session).or_else(device).or_else(key)?;
        Some(Self { about, asked: now.monotonic })
    }

    /// Until when (monotonic) its answer is taken, if the vendor says.
    pub(crate) fn ends(&self) -> Option<Duration> {
        let expires_in = match &self.about {
            About::Captcha(captcha) => captcha.expires_in,
            About::Device(device) => device.expires_in,
            About::Session(_) | About::AccessKey(_) => return None,
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
        }
    }

    /// The kind of the error that asks it.
    pub(crate) fn kind(&self) -> ErrorKind {
        match &self.about {
            About::Captcha(_) => ErrorKind::CaptchaRequired,
            About::Session(_) => ErrorKind::SessionLimit,
            About::Device(_) => ErrorKind::DeviceCode,
            About::AccessKey(_) => ErrorKind::AccessKey,
        }
    }

    /// What to do about it where nobody has answered.
    pub(crate) fn advice(&self) -> &'static str {
        match &self.about {
            About::Captcha(_) => "show error.captcha() to a person and hand the answer to error.resume()",
            About::Session(_) => {
                "choose one of error.session_limit() and hand it to error.resume(), or set .session_limit(..) on the builder"
            }
            About::Device(_) => "show error.device_code() to a person and hand Answer::DeviceCode to error.resume()",
            About::AccessKey(_) => "ask the person for the key they were sent and hand it to error.resume()",
        }
    }
}

/// What has been said so far in one sign-in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conversation {
    captcha: Option<SolvedCaptcha>,
    /// How many captchas have been asked.
    pub(crate) captchas: u32,
    end_session: Option<SessionId>,
    access_key: Option<(AccessKey, Secret)>,
    /// How many times an access key has been asked for.
    pub(crate) access_keys: u32,
    /// A device code that is being shown.
    pub(crate) shown: Option<Question>,
    /// What a shown device code has led to.
    pub(crate) granted: Option<Issued>,
}

/// A captcha with its answer; it is presented only while the vendor still takes it.
#[derive(Debug, Clone)]
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

    /// Takes note of what the vendor asked: a captcha was spent, or its life was set anew.
    pub(crate) fn asked(&mut self, question: &Question) {
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
                self.access_key = None;
                self.access_keys += 1;
            }
            About::Device(_) => {}
        }
    }

    /// This conversation with the answer added, or what is wrong with the answer.
    pub(crate) fn answered(mut self, question: &Question, answer: Answer) -> Result<Self, Error> {
        match (&question.about, answer) {
            (About::Captcha(captcha), Answer::Captcha(text)) => {
                let until = question.asked.saturating_add(captcha.expires_in);
                self.captcha = Some(SolvedCaptcha { key: captcha.key.clone(), text, until });
            }
            (About::Session(limit), Answer::Session(id)) if limit.may_end(&id) => self.end_session = Some(id),
            (About::Device(_), Answer::DeviceCode) => self.shown = Some(question.clone()),
            (About::AccessKey(asked), Answer::AccessKey(key)) => self.access_key = Some((asked.clone(), key)),
            (About::Session(_), Answer::Session(_)) => {
                return Err(Error::config("the chosen session is not one that may end")
                    .advice("answer with the id of a listed session whose `is_current` is false"));
            }
            (About::Captcha(_), _) => return Err(Error::config("this question is answered with Answer::Captcha")),
            (About::Session(_), _) => return Err(Error::config("this question is answered with Answer::Session")),
            (About::Device(_), _) => return Err(Error::config("this question is answered with Answer::DeviceCode")),
            (About::AccessKey(_), _) => return Err(Error::config("this question is answered with Answer::AccessKey")),
        }
        Ok(self)
    }
}
