//! A session as its users have it: the hot path, and those who wait.

use super::{
    capabilities::{Placement, Renewal},
    core::{CallOutcome, Resumed, WaiterState},
    dialogue::Conversation,
    driver::Engine,
    lease::Lease,
    profile::{Profile, SignOut},
    report::Report,
    resume::{Resumable, Resume},
    run::{RunFailure, WaitTicket},
    settings::Settings,
    tokens::Expiry,
    waiting::{GRACE, Waiting, until},
};
use crate::{BoxFuture, Error, ErrorKind, clock::Now, select::first, store::Generation};
use http::{HeaderName, header::AUTHORIZATION};
use std::{fmt, pin::pin, sync::Arc, time::Duration};
use tokio::runtime::Handle;

/// A session with a vendor. Clones share it.
///
/// It signs in when the first token is wanted, renews while tokens are in use, and never does either twice at once.
///
/// ```no_run
/// # async fn example(client: keyway::custom::Client) -> Result<(), keyway::Error> {
/// let session = client.session();
/// let lease = session.lease().await?;
/// println!("token {} until {:?}", lease.generation(), lease.expiry());
/// println!("{}", session.report());
/// session.sign_out().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[doc(alias("TokenManager", "token cache"))]
pub struct Session(pub(super) Arc<Engine>);

/// What came of asking for a token.
enum Asked {
    Served(Lease),
    Wait(WaitTicket),
}

/// What a caller who waits finds.
enum Looked {
    /// What came of the run; `None` where the caller has to decide anew.
    Over(Option<Result<Lease, Error>>),
    /// Something was done: look again.
    Changed,
    /// Until there is news, or so long.
    Wait(Option<Duration>),
}

/// How often a sign-in that was asked for sees a renewal fail before it takes what comes.
const SIGN_INS: u32 = 2;

/// How often a run may be lost before anything was waited for: then the runtime is ending.
const LOST: u32 = 8;

impl Session {
    pub(crate) fn new(settings: Settings) -> Self {
        Self(Arc::new(settings.engine()))
    }

    /// A token that can be used now. Signs in or renews if it must.
    ///
    /// On a fresh token this is one atomic load and a look at the clock. In the early window the renewal runs behind; in
    /// the late window the caller waits for it, but a token that is still valid is served even if its renewal fails.
    ///
    /// # Errors
    /// Whatever keeps the session from having a token; see [`ErrorKind`]. All who wait for one renewal share its error,
    /// and until the failure has cooled down it is answered from memory ([`Error::is_local`]).
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing: a renewal that is under way goes on and its token is kept.
    #[inline]
    #[doc(alias("access_token", "get_token", "bearer"))]
    pub async fn lease(&self) -> Result<Lease, Error> {
        match self.fresh() {
            Some(lease) => Ok(lease),
            None => self.slow().await,
        }
    }

    /// A token that lives for at least `needed` from now, renewing at most once.
    ///
    /// Where a new token costs another session, none is made while the old one is good.
    ///
    /// # Errors
    /// As [`lease`](Self::lease); a failed renewal is an error here even if a shorter-lived token is at hand.
    /// `ErrorKind::Config` if the vendor's tokens do not live that long, or if it is not known how long they live.
    ///
    /// # Cancel safety
    /// As [`lease`](Self::lease).
    pub async fn lease_for(&self, needed: Duration) -> Result<Lease, Error> {
        let lease = self.obtain(needed).await?;
        let token = &lease.current().token;
        let left = token.deadlines.left(self.now());
        match lease.expiry() {
            Expiry::Never => Ok(lease),
            Expiry::Unknown => Err(Error::config("nobody knows how long this vendor's tokens live")
                .advice("use lease() and be ready for a 401")),
            Expiry::At(_) if left >= needed => Ok(lease),
            Expiry::At(_) => Err(too_short(needed, left, token.life())),
        }
    }

    /// Makes sure that there is a session, also after a sign-out or after the vendor refused the credentials: what this
    /// client knows of those is forgotten. A session that is live is not replaced, and one that can still be renewed is; if
    /// that fails, a new one begins. What a new session takes the place of is not revoked at the vendor: there it ends by itself.
    ///
    /// # Errors
    /// As [`lease`](Self::lease).
    ///
    /// # Cancel safety
    /// As [`lease`](Self::lease).
    #[doc(alias("login", "log_in", "authenticate"))]
    pub async fn sign_in(&self) -> Result<Lease, Error> {
        self.0.is_not_called_back()?;
        for _ in 0..SIGN_INS {
            self.0.change(|state, at| state.core.reset_failures(at.now));
            let outcome = self.lease().await;
            match &outcome {
                // A renewal was under way, or was tried first, and has failed: what was asked for is a sign-in.
                Err(error) if error.kind() != ErrorKind::SignedOut && self.has_another_way_in() => {}
                _ => return outcome,
            }
        }
        self.lease().await
    }

    fn has_another_way_in(&self) -> bool {
        self.0.state().core.has_another_way_in()
    }

    /// Renews now, whatever the clock says; but not while a failure cools down.
    ///
    /// # Errors
    /// `ErrorKind::Config` where tokens are not renewed (see `docs/capabilities.md`); else as [`lease`](Self::lease).
    ///
    /// # Cancel safety
    /// As [`lease`](Self::lease).
    #[doc(alias("refresh"))]
    pub async fn renew(&self) -> Result<Lease, Error> {
        self.can_be_renewed()?;
        self.0.is_not_called_back()?;
        Handle::try_current().map_err(|_| Error::no_runtime())?;
        let _waiting = Waiting::of(&self.0);
        for _ in 0..LOST {
            let ticket = self.0.change(|state, at| state.core.renew(at)).map_err(|failure| self.error(failure))?;
            if let Some(outcome) = self.outcome(&ticket).await {
                return outcome;
            }
        }
        Err(Error::runtime_ended())
    }

    fn can_be_renewed(&self) -> Result<(), Error> {
        let capabilities = &self.0.rules.capabilities;
        let advice = match capabilities.renewal {
            Renewal::None => "sign_out() and sign_in() make a new one",
            Renewal::Static => "it does not end by itself; give the builder another one if it is refused",
            Renewal::SignIn | Renewal::RefreshToken { .. } => return Ok(()),
        };
        let (surface, credential) = (capabilities.surface, capabilities.credential);
        Err(Error::config(format!("a {surface} session by {credential} is not renewed")).advice(advice))
    }

    /// Ends the session, here first and then at the vendor. Every clone answers `ErrorKind::SignedOut` from then on,
    /// until [`sign_in`](Self::sign_in) is called. A renewal that is under way loses, and what it obtains is revoked.
    ///
    /// # Errors
    /// `ErrorKind::Store` if the store could not be told; the session is forgotten here all the same, and the store is told
    /// later if it answers again.
    ///
    /// # Cancel safety
    /// Once polled, the sign-out goes on even if this future is dropped.
    #[doc(alias("logout", "log_out", "revoke"))]
    pub async fn sign_out(&self) -> Result<SignOut, Error> {
        self.end(true).await
    }

    /// The session ended at the vendor by a call of the user's own: forget it here.
    pub(crate) async fn ended(&self) -> Result<(), Error> {
        self.end(false).await.map(|_| ())
    }

    /// Boxed, so that it is compiled here and not where it is waited for.
    fn end(&self, tell: bool) -> BoxFuture<'_, Result<SignOut, Error>> {
        Box::pin(async move {
            Handle::try_current().map_err(|_| Error::no_runtime())?;
            self.0.is_not_called_back()?;
            let id = self.0.change(|state, at| state.core.sign_out(tell, at));
            until(&self.0, |engine| engine.state().core.sign_out_ended(id)).await
        })
    }

    /// Waits until nothing is under way, and offers the store once more what it has not taken: for an orderly end of the
    /// program. When it returns, no lock of a store is held. It does not sign out.
    ///
    /// # Errors
    /// `ErrorKind::Store` if something could not be saved: a new token, or that the session was signed out.
    ///
    /// # Cancel safety
    /// Dropping the future ends the wait and nothing else.
    pub async fn close(&self) -> Result<(), Error> {
        if Handle::try_current().is_err() || self.0.is_not_called_back().is_err() {
            return Ok(());
        }
        // What is under way comes to its end first.
        until(&self.0, |engine| engine.state().core.is_quiet().then_some(())).await;
        self.0.change(|state, at| state.core.close(at));
        until(&self.0, |engine| engine.state().core.is_at_rest().then_some(())).await;
        self.0.state().core.unsaved()
    }

    /// What the last sign-in told about the user; `None` if the session came out of a store.
    #[must_use]
    pub fn profile(&self) -> Option<Profile> {
        self.0.state().core.profile.clone()
    }

    /// The last decisions, one line each, without secrets.
    #[must_use]
    pub fn report(&self) -> Report {
        self.0.state().report.clone()
    }

    /// The vendor answered 401 to this token, at this endpoint. Tells whether a new lease is worth a try.
    pub(crate) fn reject(&self, refused: Generation, endpoint: u64) -> bool {
        let worked = self.0.worked.has(endpoint);
        let worth_it = self.0.change(|state, at| state.core.reject(refused, worked, at));
        if !worth_it {
            self.0.worked.forget(endpoint);
        }
        worth_it
    }

    /// This endpoint has taken a token.
    #[inline]
    pub(crate) fn worked(&self, endpoint: u64) {
        self.0.worked.mark(endpoint);
    }

    /// Continues a sign-in with an answer. If the question has been answered before, joins what came of that.
    async fn go_on(&self, id: u64, conversation: Conversation) -> Result<Lease, Error> {
        self.0.is_not_called_back()?;
        Handle::try_current().map_err(|_| Error::no_runtime())?;
        let _waiting = Waiting::of(&self.0);
        let steps_up = conversation.step_up().is_some();
        loop {
            let answer = conversation.clone();
            let resumed = self.0.change(|state, at| state.core.resume(id, answer, at));
            match resumed.map_err(|failure| self.error(failure))? {
                Resumed::Serve => return self.held().ok_or_else(Error::signed_out),
                Resumed::Late => return self.lease().await,
                Resumed::Started(ticket) => match self.outcome(&ticket).await {
                    Some(outcome) => return outcome,
                    None => self.0.change(|state, _| state.core.reopen(id)),
                },
                // What was under way before the answer came cannot have known it: it can be given again.
                Resumed::Joined(ticket) => match self.outcome(&ticket).await {
                    Some(Err(error)) if error.resume().is_some() => {}
                    Some(outcome) if !steps_up => return outcome,
                    _ => {}
                },
            }
        }
    }

    pub(crate) fn now(&self) -> Now {
        self.0.now()
    }

    /// The current token, whether it is fresh or not.
    pub(crate) fn held(&self) -> Option<Lease> {
        let now = self.now();
        let state = self.0.state();
        state.core.usable(now)?;
        state.held.clone().map(Lease::of)
    }

    /// The builder's method that gave a key which is used as it is.
    pub(crate) fn static_credential(&self) -> Option<&'static str> {
        let rules = &self.0.rules;
        rules.is_static().then_some(rules.capabilities.credential)
    }

    /// The header that carries the token.
    pub(crate) fn header(&self) -> &HeaderName {
        match &self.0.rules.capabilities.placement {
            Placement::Bearer | Placement::Scheme(_) => &AUTHORIZATION,
            Placement::Header(name) | Placement::Pair { secret: name, .. } => name,
        }
    }

    /// The hot path: no lock, no await, no allocation.
    #[inline]
    fn fresh(&self) -> Option<Lease> {
        let current = self.0.current.load();
        let held = current.as_ref()?;
        let monotonic = if self.0.one_clock {
            let said = self.0.clock.monotonic();
            // A machine that was paused from outside stops this clock, too: once a second the other one is looked at.
            if !held.was_found_fresh(said) {
                return self.look_at_both(current);
            }
            Now::monotonic_of(said)
        } else {
            let now = self.now();
            held.is_fresh(now).then_some(now.monotonic)?
        };
        self.0.log.telemetry.lent(|| held.age(monotonic));
        Some(Lease::borrowed(current))
    }

    /// By both clocks.
    #[cold]
    fn look_at_both(&self, current: arc_swap::Guard<Option<Arc<super::lease::CurrentToken>>>) -> Option<Lease> {
        let now = self.now();
        let held = current.as_ref().filter(|held| held.is_found_fresh(now))?;
        self.0.log.telemetry.lent(|| held.age(now.monotonic));
        Some(Lease::borrowed(current))
    }

    /// Boxed behind a pointer, so that the future of the fast path stays small, and so does its code.
    #[cold]
    fn slow(&self) -> BoxFuture<'_, Result<Lease, Error>> {
        Box::pin(self.obtain(Duration::ZERO))
    }

    async fn obtain(&self, needed: Duration) -> Result<Lease, Error> {
        let outcome = self.wait(needed).await;
        match &outcome {
            Ok(lease) => self.0.log.telemetry.lent(|| lease.current().age(Now::monotonic(&*self.0.clock))),
            Err(error) => self.0.log.telemetry.refused(error),
        }
        outcome
    }

    async fn wait(&self, needed: Duration) -> Result<Lease, Error> {
        self.0.is_not_called_back()?;
        let starts = Handle::try_current().is_ok();
        let mut waiting = None;
        let mut lost = 0;
        // Thousands may wait: what is known for a moment only is no part of this future.
        loop {
            let ticket = match self.ask(needed, starts, lost)? {
                Asked::Served(lease) => return Ok(lease),
                Asked::Wait(ticket) => ticket,
            };
            waiting.get_or_insert_with(|| Waiting::of(&self.0));
            if let Some(outcome) = self.outcome(&ticket).await {
                return outcome;
            }
            // Whatever is started on a runtime that is ending is lost at once.
            lost = if self.0.state().core.was_lost(ticket) { lost + 1 } else { 0 };
        }
    }

    fn ask(&self, needed: Duration, starts: bool, lost: u32) -> Result<Asked, Error> {
        let step = self.0.change(|state, at| {
            let step = state.core.call(needed, starts && lost < LOST, at)?;
            if let (CallOutcome::Wait(_), Some(held)) = (&step, &state.held) {
                held.is_looked_at_again();
            }
            Ok((step, state.held.clone()))
        });
        let failed = |failure: RunFailure| if lost < LOST { self.error(failure) } else { Error::runtime_ended() };
        match step.map_err(failed)? {
            (CallOutcome::Serve, Some(held)) => Ok(Asked::Served(Lease::of(held))),
            (CallOutcome::Serve, None) => Err(Error::protocol("a token vanished")),
            (CallOutcome::Wait(ticket), _) => Ok(Asked::Wait(ticket)),
        }
    }

    /// Waits for what comes of a run; `None` where the caller has to decide anew.
    async fn outcome(&self, ticket: &WaitTicket) -> Option<Result<Lease, Error>> {
        let _told = self.0.log.telemetry.waiting();
        loop {
            let mut changed = pin!(self.0.changed.notified());
            // Enrolled before looking, so that a change in between is heard of.
            changed.as_mut().enable();
            let pause = match self.look(ticket) {
                Looked::Over(outcome) => return outcome,
                Looked::Changed => continue,
                Looked::Wait(pause) => pause,
            };
            match pause {
                None => changed.await,
                Some(pause) => _ = first(changed, self.0.clock.sleep(pause)).await,
            }
        }
    }

    fn look(&self, ticket: &WaitTicket) -> Looked {
        let now = self.now();
        let (look, wake, late) = {
            let state = self.0.state();
            let elsewhere = self.0.runs_elsewhere(&state);
            let ends = state.core.wakes_at().filter(|_| elsewhere).map(|at| at.saturating_add(GRACE));
            let look = state.core.look(ticket, now);
            if let WaiterState::Serve = look {
                return Looked::Over(state.held.clone().map(|held| Ok(Lease::of(held))));
            }
            let late = ends.is_some_and(|ends| ends <= now.monotonic);
            // Once the token it would be served instead has ended, that moment is no reason to wake.
            let serves = ticket.serve_from.filter(|from| *from > now.monotonic);
            (look, serves.into_iter().chain(ends).min(), late)
        };
        match look {
            WaiterState::Failed(failure) => Looked::Over(Some(Err(self.error(failure)))),
            WaiterState::Again | WaiterState::Serve => Looked::Over(None),
            WaiterState::Waiting if late => {
                // The runtime that it runs on is driven by no thread.
                self.0.change(|state, at| state.core.tick(true, at));
                Looked::Changed
            }
            WaiterState::Waiting => Looked::Wait(wake.map(|wake| wake.saturating_sub(now.monotonic))),
        }
    }

    /// As a caller sees it, with the way to go on.
    fn error(&self, failure: RunFailure) -> Error {
        let RunFailure { error, question } = failure;
        let Some(id) = question else { return error };
        match self.0.state().core.memory.open.clone() {
            Some((open, question, conversation)) if open == id => {
                error.with_resume(Resume::new(self.clone(), id, question, conversation))
            }
            _ => error,
        }
    }
}

#[cfg(feature = "sealed")]
impl Session {
    /// Names the session, in a store and in a ticket.
    pub(super) fn key(&self) -> String {
        self.0.rules.key.to_string()
    }
}

#[cfg(any(feature = "oauth2", feature = "sealed"))]
impl Session {
    /// A question that was asked elsewhere is one of this session's.
    pub(super) fn open(&self, question: super::dialogue::OpenQuestion, said: Conversation) -> Resume {
        let id = self.0.state().core.number_question();
        Resume::new(self.clone(), id, question, said)
    }

    /// What is done before an explicit sign-in.
    #[cfg(feature = "oauth2")]
    pub(super) fn forget_failures(&self) {
        self.0.change(|state, at| state.core.reset_failures(at.now));
    }
}

impl Resumable for Session {
    #[cfg(feature = "audit")]
    fn answered(&self, kind: ErrorKind) {
        super::audit::answered(&self.0.rules, kind, super::audit::By::Person, true);
    }

    #[cfg(feature = "sealed")]
    fn written(
        &self,
        question: &super::dialogue::OpenQuestion,
        said: &Conversation,
    ) -> Result<(crate::Secret, String), Error> {
        Ok((super::dialogue::ticket::write(question, said, self.now())?, self.key()))
    }

    fn resume(&self, id: u64, conversation: Conversation) -> BoxFuture<'_, Result<Lease, Error>> {
        Box::pin(self.go_on(id, conversation))
    }
}

fn too_short(needed: Duration, left: Duration, life: Duration) -> Error {
    let (needed, left, life) = (needed.as_secs(), left.as_secs(), life.as_secs());
    if life < needed {
        let what = format!("a token that lives {needed} s was asked for, and this vendor's live {life} s");
        return Error::config(what).advice("ask for less, or renew during the work");
    }
    let what = format!("a token that lives {needed} s was asked for, and this session has {left} s left");
    Error::config(what).advice("it is not renewed before its end: sign_out() and sign_in() make a new one")
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("key", &format_args!("{}", self.0.rules.key)).finish_non_exhaustive()
    }
}

const _: () = {
    const fn promised<T: Send + Sync + Clone + 'static>() {}
    promised::<Session>();
};

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn who_waits_holds_little() {
        fn size<'s, F: Future>(_: impl FnOnce(&'s Session) -> F) -> usize {
            size_of::<F>()
        }
        let (waits, asks) = (size(|session| session.obtain(Duration::ZERO)), size(Session::lease));
        assert!(waits <= 400 && asks <= 64, "{waits}, {asks}");
    }
}
