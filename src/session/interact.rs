//! Questions that only a person or a policy can answer, and how a sign-in goes on once they are.

use super::{Lease, Session};
use crate::{BoxFuture, Error, Secret, clock::Now};
use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

/// A captcha the vendor wants answered before it signs anybody in.
#[derive(Clone)]
pub struct Captcha {
    pub(crate) image: Arc<[u8]>,
    pub(crate) media_type: String,
    pub(crate) expires_in: Duration,
    pub(crate) attempt: u32,
    pub(crate) key: Secret,
}

impl Captcha {
    /// The picture's bytes.
    #[must_use]
    pub fn image(&self) -> &[u8] {
        &self.image
    }

    /// The picture's media type, such as `image/png`.
    #[must_use]
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// How long the vendor accepts an answer, counted from when the picture was fetched.
    #[must_use]
    pub fn expires_in(&self) -> Duration {
        self.expires_in
    }

    /// 1 for the first captcha of a sign-in, 2 when the first answer was wrong, and so on.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
}

impl fmt::Debug for Captcha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Captcha")
            .field("media_type", &self.media_type)
            .field("bytes", &self.image.len())
            .field("expires_in", &self.expires_in)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

/// The account has as many sessions as the vendor allows; one must end before a new one begins.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionLimit {
    /// The sessions that fill the limit.
    pub sessions: Vec<ActiveSession>,
    /// How many sessions the account may have, if the vendor says.
    pub limit: Option<u32>,
    /// How many it has, if the vendor says.
    pub count: Option<u32>,
    /// How long the captcha that was just answered stays good. `None` if no captcha is involved.
    pub captcha_valid_for: Option<Duration>,
}

/// One of the sessions of a [`SessionLimit`].
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveSession {
    /// The id to answer with.
    pub id: SessionId,
    /// Whether this is the session that asks. Never end this one.
    pub is_current: bool,
    /// Whether somebody is using it now.
    pub online: bool,
    /// The kind of client, such as `web` or `android`.
    pub client: Option<String>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// Its address.
    pub ip: Option<String>,
    /// When it was last used, in the vendor's own unit; larger is later.
    pub last: Option<i64>,
}

/// The id of an [`ActiveSession`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionId(String);

impl SessionId {
    /// The id as the vendor writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for SessionId {
    fn from(id: String) -> Self {
        Self(id)
    }
}

impl From<&str> for SessionId {
    fn from(id: &str) -> Self {
        Self(id.to_owned())
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

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

    /// Returns which session is to end so that a new one can begin; `None` declines. Asked only where the policy is [`Evict::Never`].
    fn choose_session(&self, limit: SessionLimit) -> impl Future<Output = Option<SessionId>> + Send {
        let _ = limit;
        async { None }
    }
}

/// [`Responder`] behind a pointer.
pub(crate) trait DynResponder: Send + Sync {
    fn captcha(&self, captcha: Captcha) -> BoxFuture<'_, Option<Secret>>;
    fn choose_session(&self, limit: SessionLimit) -> BoxFuture<'_, Option<SessionId>>;
}

impl<R: Responder> DynResponder for R {
    fn captcha(&self, captcha: Captcha) -> BoxFuture<'_, Option<Secret>> {
        Box::pin(Responder::captcha(self, captcha))
    }

    fn choose_session(&self, limit: SessionLimit) -> BoxFuture<'_, Option<SessionId>> {
        Box::pin(Responder::choose_session(self, limit))
    }
}

/// Which session ends when the account has as many as it may have. Never the one that asks, and one at most per sign-in.
#[derive(Clone, Default)]
pub struct Evict(Policy);

type Choose = dyn Fn(&SessionLimit) -> Option<SessionId> + Send + Sync;

#[derive(Clone, Default)]
enum Policy {
    #[default]
    Never,
    OldestOffline,
    Oldest,
    Choose(Arc<Choose>),
}

#[allow(non_upper_case_globals, reason = "they read as the choices they are")]
impl Evict {
    /// None: the responder is asked, or the sign-in fails with `ErrorKind::SessionLimit`. The default.
    pub const Never: Self = Self(Policy::Never);
    /// The one that was used longest ago, of those nobody is using now.
    pub const OldestOffline: Self = Self(Policy::OldestOffline);
    /// The one that was used longest ago, even if somebody is using it.
    pub const Oldest: Self = Self(Policy::Oldest);

    /// Whatever `choose` answers; `None` declines.
    pub fn choose(choose: impl Fn(&SessionLimit) -> Option<SessionId> + Send + Sync + 'static) -> Self {
        Self(Policy::Choose(Arc::new(choose)))
    }

    pub(crate) fn is_never(&self) -> bool {
        matches!(self.0, Policy::Never)
    }

    pub(crate) fn pick(&self, limit: &SessionLimit) -> Option<SessionId> {
        match &self.0 {
            Policy::Never => None,
            Policy::OldestOffline => oldest(limit, |session| !session.online),
            Policy::Oldest => oldest(limit, |_| true),
            Policy::Choose(choose) => choose(limit).filter(|id| limit.may_end(id)),
        }
    }
}

impl fmt::Debug for Evict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Policy::Never => "Never",
            Policy::OldestOffline => "OldestOffline",
            Policy::Oldest => "Oldest",
            Policy::Choose(_) => "Choose(..)",
        })
    }
}

impl SessionLimit {
    /// Whether this id names one of the sessions and not the one that asks.
    pub(crate) fn may_end(&self, id: &SessionId) -> bool {
        self.sessions.iter().any(|session| session.id == *id && !session.is_current)
    }
}

/// The vendor lists sessions in no stated order: `last` decides, and the list's own order where it is missing.
fn oldest(limit: &SessionLimit, eligible: impl Fn(&ActiveSession) -> bool) -> Option<SessionId> {
    let sessions = limit.sessions.iter().filter(|session| !session.is_current && eligible(session));
    sessions.min_by_key(|session| session.last.unwrap_or(i64::MIN)).map(|session| session.id.clone())
}

/// The answer to a question that stopped a sign-in.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub enum Answer {
    /// What the captcha's picture says.
    Captcha(Secret),
    /// The session that shall end.
    Session(SessionId),
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
}

impl Question {
    /// The question an issuer's error carries, if it carries one.
    pub(crate) fn of(error: &Error, now: Now) -> Option<Self> {
        let captcha = error.captcha().cloned().map(About::Captcha);
        let about = captcha.or_else(|| error.session_limit().cloned().map(About::Session))?;
        Some(Self { about, asked: now.monotonic })
    }
}

/// What has been said so far in one sign-in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conversation {
    captcha: Option<SolvedCaptcha>,
    /// How many captchas have been asked.
    pub(crate) captchas: u32,
    end_session: Option<SessionId>,
}

/// A captcha with its answer; it is presented only while the vendor still takes it.
#[derive(Debug, Clone)]
pub(crate) struct SolvedCaptcha {
    pub(crate) key: Secret,
    pub(crate) text: Secret,
    /// Monotonic.
    until: Duration,
}

impl Conversation {
    /// The answered captcha, unless it is too old to be taken.
    pub(crate) fn captcha(&self, now: Now) -> Option<&SolvedCaptcha> {
        self.captcha.as_ref().filter(|captcha| now.monotonic < captcha.until)
    }

    pub(crate) fn end_session(&self) -> Option<&SessionId> {
        self.end_session.as_ref()
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
        }
    }

    /// This conversation with the answer added, or what is wrong with the answer.
    pub(crate) fn answered(mut self, question: &Question, answer: Answer) -> Result<Self, Error> {
        match (&question.about, answer) {
            (About::Captcha(captcha), Answer::Captcha(text)) => {
                let until = question.asked.saturating_add(captcha.expires_in);
                self.captcha = Some(SolvedCaptcha { key: captcha.key.clone(), text, until });
                Ok(self)
            }
            (About::Session(limit), Answer::Session(id)) if limit.may_end(&id) => {
                self.end_session = Some(id);
                Ok(self)
            }
            (About::Session(_), Answer::Session(_)) => Err(Error::config("the chosen session is not one that may end")
                .advice("answer with the id of a listed session whose `is_current` is false")),
            (About::Captcha(_), _) => Err(Error::config("this question is answered with Answer::Captcha")),
            (About::Session(_), _) => Err(Error::config("this question is answered with Answer::Session")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: &str, online: bool, last: Option<i64>) -> ActiveSession {
        ActiveSession { id: id.into(), is_current: false, online, client: None, user_agent: None, ip: None, last }
    }

    fn limit() -> SessionLimit {
        let current = ActiveSession { is_current: true, ..session("me", false, Some(0)) };
        SessionLimit {
            sessions: vec![
                current,
                session("busy", true, Some(1)),
                session("late", false, Some(9)),
                session("early", false, Some(5)),
            ],
            limit: Some(4),
            count: Some(4),
            captcha_valid_for: None,
        }
    }

    #[test]
    fn policies_pick_by_age_and_never_the_session_that_asks() {
        let pick = |policy: Evict| policy.pick(&limit()).map(|id| id.as_str().to_owned());
        assert_eq!(pick(Evict::Never), None);
        assert_eq!(pick(Evict::OldestOffline).as_deref(), Some("early"));
        assert_eq!(pick(Evict::Oldest).as_deref(), Some("busy"));
        assert_eq!(pick(Evict::choose(|limit| Some(limit.sessions[2].id.clone()))).as_deref(), Some("late"));
        assert_eq!(pick(Evict::choose(|_| Some("me".into()))), None);
        assert_eq!(pick(Evict::choose(|_| Some("stranger".into()))), None);
    }

    #[test]
    fn where_the_vendor_names_no_times_the_first_listed_is_the_oldest() {
        let sessions = vec![session("a", false, None), session("b", false, None)];
        let limit = SessionLimit { sessions, ..limit() };
        assert_eq!(Evict::OldestOffline.pick(&limit), Some("a".into()));
    }
}
