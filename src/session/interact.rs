//! Questions that only a person or a policy can answer, and how a sign-in goes on once they are.

use crate::{BoxFuture, Error, Lease, Secret};
use std::{fmt, sync::Arc, time::Duration};

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
