//! The limit on concurrent sessions, and which session ends for a new one.

use std::{fmt, sync::Arc, time::Duration};

/// The account has as many sessions as the vendor allows; one must end before a new one begins.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
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
#[cfg_attr(test, derive(Hash))]
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

impl ActiveSession {
    /// A session of this id, which is not the one that asks and which nobody is using. Set what else the vendor tells.
    #[must_use]
    pub fn new(id: impl Into<SessionId>) -> Self {
        Self { id: id.into(), is_current: false, online: false, client: None, user_agent: None, ip: None, last: None }
    }
}

impl SessionLimit {
    /// These sessions fill the limit. Set what else the vendor tells.
    #[must_use]
    pub fn new(sessions: Vec<ActiveSession>) -> Self {
        Self { sessions, limit: None, count: None, captcha_valid_for: None }
    }

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

    #[apply(hunted!)]
    fn policies_pick_by_age_and_never_the_session_that_asks() {
        let pick = |policy: Evict| policy.pick(&limit()).map(|id| id.as_str().to_owned());
        assert_eq!(pick(Evict::Never), None);
        assert_eq!(pick(Evict::OldestOffline).as_deref(), Some("early"));
        assert_eq!(pick(Evict::Oldest).as_deref(), Some("busy"));
        assert_eq!(pick(Evict::choose(|limit| Some(limit.sessions[2].id.clone()))).as_deref(), Some("late"));
        assert_eq!(pick(Evict::choose(|_| Some("me".into()))), None);
        assert_eq!(pick(Evict::choose(|_| Some("stranger".into()))), None);
    }

    #[apply(hunted!)]
    fn where_the_vendor_names_no_times_the_first_listed_is_the_oldest() {
        let sessions = vec![session("a", false, None), session("b", false, None)];
        let limit = SessionLimit { sessions, ..limit() };
        assert_eq!(Evict::OldestOffline.pick(&limit), Some("a".into()));
    }
}
