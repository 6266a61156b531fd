//! A token that is lent to a call, with the headers that carry it.

use super::{capabilities::Placement, decide::Deadlines, per_core::PerCoreHeader, token::Token, tokens::Expiry};
use crate::{Secret, clock::Now, store::Generation};
use arc_swap::Guard;
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// How many own a share of a token when it is borrowed no more. A thread can borrow eight things at a time by `arc_swap`,
/// whichever crate does so: where leases are kept, across calls for instance, they must not take all of that.
const MANY: usize = 8;

/// The token that is served, its headers made once.
#[derive(Debug)]
pub(super) struct CurrentToken {
    headers: HeaderMap,
    /// The one of them that carries the token.
    header: PerCoreHeader,
    bare: Option<Secret>,
    pub(super) token: Arc<Token>,
    /// A copy, so that the hot path follows one pointer less.
    deadlines: Deadlines,
    /// The second, as the monotonic clock itself says it, from which on both clocks are looked at again: the next one, or that
    /// in which it is fresh no more. So the hot path compares one number.
    look_again: AtomicU64,
    received: Duration,
}

impl CurrentToken {
    /// `constant`: the headers that are sent with every token. `None` if no header can carry it.
    pub(super) fn new(token: Arc<Token>, placement: &Placement, constant: &HeaderMap) -> Option<Self> {
        let access = &token.tokens.access;
        let mut headers = constant.clone();
        let bare = || access.expose().to_owned();
        let (name, value) = match placement {
            Placement::Bearer => (AUTHORIZATION, format!("Bearer {}", access.expose())),
            Placement::Scheme(scheme) => (AUTHORIZATION, format!("{scheme} {}", access.expose())),
            Placement::Header(name) => (name.clone(), bare()),
            Placement::Pair { name, value, secret } => {
                headers.insert(name.clone(), value.clone());
                (secret.clone(), bare())
            }
        };
        let header = PerCoreHeader::of(&value)?;
        headers.insert(name, header.mine().clone());
        // A header value allocates when it is cloned for the first time: not in a caller's hot path.
        let _ = headers.clone();
        let bare = (!matches!(placement, Placement::Pair { .. })).then(|| access.clone());
        let (deadlines, received) = (token.deadlines, token.received.monotonic);
        Some(Self { headers, header, bare, token, deadlines, look_again: AtomicU64::new(0), received })
    }

    /// How long ago its life began.
    #[inline]
    pub(super) fn age(&self, monotonic: Duration) -> Duration {
        monotonic.saturating_sub(self.received)
    }

    /// By what a clock says that counts sleep, in a second in which somebody has looked at both.
    #[inline]
    pub(super) fn was_found_fresh(&self, said: Duration) -> bool {
        said.as_secs() < self.look_again.load(Ordering::Relaxed)
    }

    /// By both clocks. Only a look that found it fresh counts for the others: a token that one caller finds to be over is
    /// served to none.
    pub(super) fn is_found_fresh(&self, now: Now) -> bool {
        let fresh = self.is_fresh(now);
        if fresh {
            let [said, over] = [now.monotonic, self.deadlines.fresh_until()].map(|at| Now::said_at(at).as_secs());
            self.look_again.store(over.min(said.saturating_add(1)), Ordering::Relaxed);
        }
        fresh
    }

    /// Somebody has found it to be over, or too short: whoever comes next looks at both clocks, too.
    pub(super) fn is_looked_at_again(&self) {
        self.look_again.store(0, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn is_fresh(&self, now: Now) -> bool {
        self.deadlines.is_fresh(now)
    }
}

/// A token that could be used when it was handed out, with the headers that carry it.
///
/// Cheap to clone. A lease is a snapshot: its token and its tenant belong together and never change.
///
/// ```no_run
/// # async fn example(session: &keyway::Session) -> Result<(), keyway::Error> {
/// let lease = session.lease().await?;
/// let request = http::Request::get("https://vendor.example/").header("authorization", lease.header());
/// # let _ = request; Ok(()) }
/// ```
// The one of the hot path borrows the published token and counts nothing, so that cores do not fight over a counter; every
// other one, and a clone, owns a share of it. Nothing but `Some` is in it.
#[doc(alias("access token", "bearer"))]
pub struct Lease(Guard<Option<Arc<CurrentToken>>>);

impl Lease {
    pub(super) fn of(current: Arc<CurrentToken>) -> Self {
        Self(Guard::from_inner(Some(current)))
    }

    /// Of what is published now, which is known to be something.
    #[inline]
    pub(super) fn borrowed(current: Guard<Option<Arc<CurrentToken>>>) -> Self {
        let many = current.as_ref().is_some_and(|current| Arc::strong_count(current) > MANY);
        let lease = Self(current);
        if many { lease.owned() } else { lease }
    }

    #[cold]
    fn owned(self) -> Self {
        Self(Guard::from_inner(Guard::into_inner(self.0)))
    }

    #[inline]
    pub(super) fn current(&self) -> &Arc<CurrentToken> {
        self.0.as_ref().expect("a lease is of a token")
    }

    /// The headers that carry the session: the token's and, where there is one, the tenant's. Marked sensitive.
    #[must_use]
    #[inline]
    pub fn headers(&self) -> &HeaderMap {
        &self.current().headers
    }

    /// The value of the header that carries the token, such as `Bearer …`. Marked sensitive.
    #[must_use]
    #[inline]
    pub fn header(&self) -> &HeaderValue {
        self.current().header.mine()
    }

    /// The bare token, for what is not HTTP (streams, message brokers). `None` where a session is more than one value.
    #[must_use]
    pub fn token(&self) -> Option<&Secret> {
        self.current().bare.as_ref()
    }

    /// Until when it can be used, by this machine's wall clock.
    #[must_use]
    pub fn expiry(&self) -> Expiry {
        self.current().token.expiry()
    }

    /// Which token of which session this is.
    #[must_use]
    #[inline]
    pub fn generation(&self) -> Generation {
        self.current().token.generation
    }
}

impl Clone for Lease {
    fn clone(&self) -> Self {
        Self::of(self.current().clone())
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("generation", &format_args!("{}", self.generation()))
            .field("expiry", &self.expiry())
            .finish_non_exhaustive()
    }
}

const _: () = {
    const fn promised<T: Send + Sync + Clone + 'static>() {}
    promised::<Lease>();
};
