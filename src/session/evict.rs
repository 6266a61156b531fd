//! Which session ends for a new one, where the account has as many as it may have.

use crate::{
    BoxFuture,
    question::{ActiveSession, SessionId, SessionLimit},
};
use std::{fmt, future::Future, sync::Arc};

/// Which session ends when the account has as many as it may have. Never the one that asks, and one at most per sign-in.
#[derive(Clone, Default)]
pub struct Evict(Policy);

type Choose = dyn Fn(&SessionLimit) -> Option<SessionId> + Send + Sync;
type ChooseLater = dyn Fn(SessionLimit) -> BoxFuture<'static, Option<SessionId>> + Send + Sync;

#[derive(Clone, Default)]
enum Policy {
    #[default]
    Never,
    OldestOffline,
    Oldest,
    Choose(Arc<Choose>),
    ChooseLater(Arc<ChooseLater>),
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

    /// Whatever the future answers that `choose` makes, for a choice that has to ask somebody else first: a list of devices
    /// in a database, the service that knows who is on shift. `None` declines. It may take as long as a person may
    /// ([`Timeouts::person`](crate::Timeouts)).
    ///
    /// ```
    /// # async fn is_retired(_: &keyway::SessionId) -> bool { true }
    /// let evict = keyway::Evict::choose_async(|limit| async move {
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
        Self(Policy::ChooseLater(Arc::new(move |limit| Box::pin(choose(limit)))))
    }

    pub(crate) fn is_never(&self) -> bool {
        matches!(self.0, Policy::Never)
    }

    pub(crate) async fn pick(&self, limit: &SessionLimit) -> Option<SessionId> {
        match &self.0 {
            Policy::Never => None,
            Policy::OldestOffline => oldest(limit, |session| !session.online),
            Policy::Oldest => oldest(limit, |_| true),
            Policy::Choose(choose) => choose(limit).filter(|id| limit.may_end(id)),
            Policy::ChooseLater(choose) => choose(limit.clone()).await.filter(|id| limit.may_end(id)),
        }
    }
}

impl fmt::Debug for Evict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Policy::Never => "Never",
            Policy::OldestOffline => "OldestOffline",
            Policy::Oldest => "Oldest",
            Policy::Choose(_) | Policy::ChooseLater(_) => "Choose(..)",
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

    #[apply(hunted!)]
    async fn policies_pick_by_age_and_never_the_session_that_asks() {
        let pick = async |policy: Evict| policy.pick(&limit()).await.map(|id| id.as_str().to_owned());
        assert_eq!(pick(Evict::Never).await, None);
        assert_eq!(pick(Evict::OldestOffline).await.as_deref(), Some("early"));
        assert_eq!(pick(Evict::Oldest).await.as_deref(), Some("busy"));
        assert_eq!(pick(Evict::choose(|limit| Some(limit.sessions[2].id.clone()))).await.as_deref(), Some("late"));
        let later = |answer: Option<&'static str>| {
            Evict::choose_async(move |_| async move {
                tokio::task::yield_now().await;
                answer.map(SessionId::from)
            })
        };
        assert_eq!(pick(later(Some("late"))).await.as_deref(), Some("late"));
        assert_eq!(pick(later(None)).await, None);
        for other in ["me", "stranger"] {
            assert_eq!(pick(Evict::choose(move |_| Some(other.into()))).await, None);
            assert_eq!(pick(later(Some(other))).await, None);
        }
    }

    #[apply(hunted!)]
    async fn where_the_vendor_names_no_times_the_first_listed_is_the_oldest() {
        let sessions = vec![session("a", false, None), session("b", false, None)];
        let limit = SessionLimit { sessions, ..limit() };
        assert_eq!(Evict::OldestOffline.pick(&limit).await, Some("a".into()));
    }
}
