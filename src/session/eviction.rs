//! Which session ends for a new one, where the account has as many as it may have.

use crate::{
    BoxFuture,
    question::{ActiveSession, SessionId, SessionLimit},
};
use std::{fmt, future::Future, sync::Arc};

/// Which session ends when the account has as many as it may have. Never the one that asks, and one at most per sign-in.
///
/// ```
/// use keyway::{EvictionPolicy, custom::Client};
///
/// let builder = Client::builder("https://acme.example").session_limit(EvictionPolicy::OldestOffline);
/// // Or: the one with the least to lose, as you see it.
/// let web_first = EvictionPolicy::choose(|limit| {
///     limit.sessions.iter().find(|session| session.client.as_deref() == Some("web")).map(|session| session.id.clone())
/// });
/// # let _ = builder.session_limit(web_first);
/// ```
#[non_exhaustive]
#[derive(Clone, Default)]
#[doc(alias("concurrent sessions", "device limit"))]
pub enum EvictionPolicy {
    /// None: the responder is asked, or the sign-in fails with `ErrorKind::SessionLimitReached`. The default.
    #[default]
    Never,
    /// The one that was used longest ago, of those that are not in use.
    OldestOffline,
    /// The one that was used longest ago, even if it is in use.
    Oldest,
    /// The one that this function picks: [`choose`](Self::choose) makes it.
    Choose(Arc<Choose>),
    /// The one that this future picks: [`choose_async`](Self::choose_async) makes it.
    ChooseAsync(Arc<ChooseAsync>),
}

type Choose = dyn Fn(&SessionLimit) -> Option<SessionId> + Send + Sync;
type ChooseAsync = dyn Fn(SessionLimit) -> BoxFuture<'static, Option<SessionId>> + Send + Sync;

impl EvictionPolicy {
    /// Whichever session `choose` picks; `None` declines.
    pub fn choose(choose: impl Fn(&SessionLimit) -> Option<SessionId> + Send + Sync + 'static) -> Self {
        Self::Choose(Arc::new(choose))
    }

    /// The session that the future of `choose` picks, for a choice that has to ask another service first: a list of devices
    /// in a database, the service that knows who is on shift. `None` declines. It may take as long as a person may
    /// ([`Timeouts::person`](crate::Timeouts)).
    ///
    /// ```
    /// # async fn is_retired(_: &keyway::SessionId) -> bool { true }
    /// let evict = keyway::EvictionPolicy::choose_async(|limit| async move {
    ///     for session in &limit.sessions {
    ///         if is_retired(&session.id).await {
    ///             return Some(session.id.clone());
    ///         }
    ///     }
    ///     None
    /// });
    /// ```
    ///
    /// # Cancel safety
    /// The future is dropped when it takes too long, and when its runtime ends.
    pub fn choose_async<F>(choose: impl Fn(SessionLimit) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Option<SessionId>> + Send + 'static,
    {
        Self::ChooseAsync(Arc::new(move |limit| Box::pin(choose(limit))))
    }

    pub(crate) fn is_never(&self) -> bool {
        matches!(self, Self::Never)
    }

    pub(crate) async fn pick(&self, limit: &SessionLimit) -> Option<SessionId> {
        match self {
            Self::Never => None,
            Self::OldestOffline => oldest(limit, |session| !session.online),
            Self::Oldest => oldest(limit, |_| true),
            Self::Choose(choose) => choose(limit).filter(|id| limit.may_end(id)),
            Self::ChooseAsync(choose) => choose(limit.clone()).await.filter(|id| limit.may_end(id)),
        }
    }
}

impl fmt::Debug for EvictionPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "Never",
            Self::OldestOffline => "OldestOffline",
            Self::Oldest => "Oldest",
            Self::Choose(_) | Self::ChooseAsync(_) => "Choose(..)",
        })
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

    #[apply(leak_checked!)]
    async fn policies_pick_by_age_and_never_the_session_that_asks() {
        let pick = async |policy: EvictionPolicy| policy.pick(&limit()).await.map(|id| id.as_str().to_owned());
        assert_eq!(pick(EvictionPolicy::Never).await, None);
        assert_eq!(pick(EvictionPolicy::OldestOffline).await.as_deref(), Some("early"));
        assert_eq!(pick(EvictionPolicy::Oldest).await.as_deref(), Some("busy"));
        assert_eq!(
            pick(EvictionPolicy::choose(|limit| Some(limit.sessions[2].id.clone()))).await.as_deref(),
            Some("late")
        );
        let later = |answer: Option<&'static str>| {
            EvictionPolicy::choose_async(move |_| async move {
                tokio::task::yield_now().await;
                answer.map(SessionId::from)
            })
        };
        assert_eq!(pick(later(Some("late"))).await.as_deref(), Some("late"));
        assert_eq!(pick(later(None)).await, None);
        for other in ["me", "stranger"] {
            assert_eq!(pick(EvictionPolicy::choose(move |_| Some(other.into()))).await, None);
            assert_eq!(pick(later(Some(other))).await, None);
        }
    }

    #[apply(leak_checked!)]
    async fn where_the_vendor_names_no_times_the_first_listed_is_the_oldest() {
        let sessions = vec![session("a", false, None), session("b", false, None)];
        let limit = SessionLimit { sessions, ..limit() };
        assert_eq!(EvictionPolicy::OldestOffline.pick(&limit).await, Some("a".into()));
    }
}
