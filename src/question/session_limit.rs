//! The limit on concurrent sessions: which session of the account may end for a new one.

use std::{fmt, time::Duration};

/// The account has as many sessions as the vendor allows; one must end before a new one begins.
///
/// ```
/// # async fn example(client: keyway::custom::Client) -> Result<(), keyway::Error> {
/// use keyway::Answer;
///
/// if let Err(error) = client.session().lease().await
///     && let (Some(limit), Some(resume)) = (error.session_limit(), error.resume())
/// {
///     let idle = limit.sessions.iter().find(|session| !session.online && !session.is_current);
///     if let Some(session) = idle {
///         resume.answer(Answer::Session(session.id.clone())).await?;
///     }
/// }
/// # Ok(()) }
/// ```
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
    /// Whether it is in use now.
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

impl ActiveSession {
    /// A session of this id, which is not the one that asks and is not in use. Set what else the vendor tells.
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
