//! The one engine. It knows no vendor and no HTTP client; it decides when a vendor is asked.

pub(crate) mod attempt;
mod budget;
pub(crate) mod cooldown;
pub(crate) mod course;
pub(crate) mod decide;
mod device;
pub(crate) mod evict;
pub(crate) mod flight;
mod header;
pub(crate) mod interact;
#[cfg(test)]
mod model;
pub(crate) mod questions;
pub(crate) mod report;
mod save;
pub(crate) mod tokens;
pub(crate) mod windows;

pub(crate) use attempt::Attempt;

use crate::{
    BoxFuture, Error, ErrorKind, Secret,
    chance::Chance,
    clock::{Clock, Now},
    retry::Timeouts,
    store::{DynStore, Ends, Fingerprint, Generation, Kept, Key, Record, RecordState, StoreError, StoreLock},
    surfaces::{Capabilities, DynIssuer, Placement, Renewal},
    telemetry::Telemetry,
};
use arc_swap::{ArcSwapOption, Guard};
use cooldown::{Attempts, Cooldown};
use decide::{Deadlines, Decision, Reason, Refusal, View, decide};
use evict::Evict;
use flight::{Boarding, Born, First, Flight, first};
use header::Copies;
use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use interact::{Conversation, DynResponder};
use report::{Report, What};
use save::Unsaved;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokens::{Expiry, Life, Tokens};
use windows::Windows;

/// A session with a vendor. Clones share it.
///
/// It signs in when the first token is wanted, renews while tokens are in use, and never does either twice at once.
#[derive(Clone)]
pub struct Session(Arc<Engine>);

/// Everything one session is and may do.
pub(crate) struct Engine {
    key: Key,
    /// Where the attempts at this vendor's address are counted.
    ledger: Key,
    issuer: Arc<dyn DynIssuer>,
    capabilities: Capabilities,
    telemetry: Telemetry,
    store: Arc<dyn DynStore>,
    clock: Arc<dyn Clock>,
    /// Whether the monotonic clock alone tells if a token is fresh.
    one_clock: bool,
    responder: Option<Arc<dyn DynResponder>>,
    evict: Evict,
    windows: Windows,
    timeouts: Patience,
    /// Sent with every token, such as the tenant's header.
    constant: HeaderMap,
    chance: Chance,
    salt: u64,
    /// What the hot path serves: the held token unless it was rejected.
    current: ArcSwapOption<Held>,
    /// Everything else. Never locked across an await.
    state: Mutex<State>,
}

/// What a session is made from.
pub(crate) struct Settings {
    pub(crate) key: Key,
    pub(crate) ledger: Key,
    pub(crate) issuer: Arc<dyn DynIssuer>,
    pub(crate) store: Arc<dyn DynStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) responder: Option<Arc<dyn DynResponder>>,
    pub(crate) evict: Evict,
    pub(crate) windows: Windows,
    pub(crate) timeouts: Patience,
    pub(crate) constant: HeaderMap,
    pub(crate) chance: Chance,
}

/// How long the engine waits for whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// With the vendor, for one request of a sign-in or renewal.
    pub(crate) request: Duration,
    pub(crate) flight: Duration,
    pub(crate) store_lock: Duration,
    pub(crate) person: Duration,
}

impl From<Timeouts> for Patience {
    fn from(timeouts: Timeouts) -> Self {
        let Timeouts { sign_in: request, flight, store_lock, person, .. } = timeouts;
        Self { request, flight, store_lock, person }
    }
}

#[derive(Default)]
struct State {
    held: Option<Arc<Held>>,
    /// Whether the vendor has refused the held token.
    rejected: bool,
    /// The held token with its refresh token.
    tokens: Option<Tokens>,
    /// What the store has not taken yet.
    unsaved: Option<Unsaved>,
    profile: Option<Profile>,
    flight: Option<Arc<Flight>>,
    flights: u64,
    cooldown: Cooldown,
    attempts: Attempts,
    /// Fingerprints of the credential that was presented last, and of the one the vendor refused with its refusal.
    presented: Option<String>,
    refused: Option<(String, Error)>,
    /// The refresh token that was spent last, or refused: it may still stand in the store.
    spent: Option<String>,
    /// The next flight signs in, whatever refresh token there is.
    skip_refresh: bool,
    /// The last flight failed before it came to signing in.
    renewal_failed: bool,
    signed_out: bool,
    /// The lineage that was signed out last: it may still stand in the store.
    ended: Option<u64>,
    /// The seed credential has begun a session.
    seed_spent: bool,
    /// A session for which another one had been ended was lost again at once: whoever lost theirs takes it back.
    lost_what_was_evicted: bool,
    /// How often in a row a token that was born of a 401 was rejected in its turn.
    streak: u32,
    /// Counts sign-outs.
    epoch: u64,
    /// Which flight met a store that did not answer, until when (monotonic) it is not asked, and what it said at last.
    silent: Option<(u64, Duration, StoreError)>,
    report: Report,
}

/// A token ready to be served, its headers made once.
#[derive(Debug)]
struct Held {
    headers: HeaderMap,
    /// The one of them that carries the token.
    header: Copies,
    token: Option<Secret>,
    expiry: Expiry,
    generation: Generation,
    deadlines: Deadlines,
    published: Now,
    /// When its life began.
    received: Now,
    born: Born,
    /// Another session was ended for this one.
    evicted: bool,
}

impl Held {
    /// How long ago its life began.
    #[inline]
    fn age(&self, monotonic: Duration) -> Duration {
        monotonic.saturating_sub(self.received.monotonic)
    }
}

/// A token that could be used when it was handed out, with the headers that carry it.
///
/// Cheap to clone. A lease is a snapshot: its token and its tenant belong together and never change.
// The one of the hot path borrows the published token and counts nothing, so that cores do not fight over a counter; every
// other one, and a clone, owns a share of it. Nothing but `Some` is in it.
pub struct Lease(Guard<Option<Arc<Held>>>);

impl Lease {
    fn of(held: Arc<Held>) -> Self {
        Self(Guard::from_inner(Some(held)))
    }

    #[cold]
    fn owned(self) -> Self {
        Self(Guard::from_inner(Guard::into_inner(self.0)))
    }

    #[inline]
    fn held(&self) -> &Arc<Held> {
        self.0.as_ref().expect("a lease is of a token")
    }

    /// The headers that carry the session: the token's and, where there is one, the tenant's. Marked sensitive.
    #[must_use]
    #[inline]
    pub fn headers(&self) -> &HeaderMap {
        &self.held().headers
    }

    /// The value of the header that carries the token, such as `Bearer …`. Marked sensitive.
    #[must_use]
    #[inline]
    pub fn header(&self) -> &HeaderValue {
        self.held().header.mine()
    }

    /// The bare token, for what is not HTTP (streams, message brokers). `None` where a session is more than one value.
    #[must_use]
    pub fn token(&self) -> Option<&Secret> {
        self.held().token.as_ref()
    }

    /// Until when it can be used, by this machine's wall clock.
    #[must_use]
    pub fn expiry(&self) -> Expiry {
        self.held().expiry
    }

    /// Which token of which session this is.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.held().generation
    }
}

impl Clone for Lease {
    fn clone(&self) -> Self {
        Self::of(self.held().clone())
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("generation", &format_args!("{}", self.held().generation))
            .field("expiry", &self.held().expiry)
            .finish_non_exhaustive()
    }
}

/// What a sign-in told about the user. Not stored: there is none after a session came out of a store.
#[derive(Clone, Default)]
pub struct Profile {
    facts: Value,
    secrets: BTreeMap<&'static str, Secret>,
}

impl Profile {
    pub(crate) fn new(facts: Value) -> Self {
        Self { facts, secrets: BTreeMap::new() }
    }

    /// These members of what the vendor said, and nothing else.
    pub(crate) fn of(said: &Value, members: &[&'static str]) -> Self {
        let told = members.iter().filter_map(|name| Some(((*name).to_owned(), said.get(*name)?.clone())));
        Self::new(Value::Object(told.collect()))
    }

    /// Takes these members, which are secrets, and the token out of what the vendor said.
    pub(crate) fn without(mut facts: Value, secrets: &[&'static str]) -> Self {
        let Some(members) = facts.as_object_mut() else { return Self::default() };
        members.remove("token");
        let taken = secrets.iter().filter_map(|name| match members.remove(*name) {
            Some(Value::String(secret)) => Some((*name, Secret::from(secret))),
            _ => None,
        });
        let secrets = taken.collect();
        Self { facts, secrets }
    }

    /// What the vendor said, without its secrets.
    #[must_use]
    pub fn facts(&self) -> &Value {
        &self.facts
    }

    /// A secret the vendor handed out besides the token, by the vendor's own name.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<&Secret> {
        self.secrets.get(name)
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.facts.as_object().into_iter().flat_map(serde_json::Map::keys).collect();
        f.debug_struct("Profile").field("facts", &names).field("secrets", &self.secrets.keys()).finish()
    }
}

/// How a sign-out ended: in one of two ways, so a `match` needs no further arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignOut {
    /// The vendor ended the session.
    Revoked,
    /// It is forgotten here; the vendor offers no way to end it, or could not be reached: then the session still counts
    /// there until it ends by itself.
    LocalOnly,
}

/// A 401 to a token that was itself made because of a 401 this recently is about permissions, not about the token. It
/// doubles each time that happens again, up to about an hour: an endpoint that always answers 401 must not burn sign-ins.
const PERMISSION_401: Duration = Duration::from_secs(30);

/// A session that took another one's place and is lost so soon was ended in its turn. Nothing is sent for as long.
const EVICTION_WAR: Duration = Duration::from_secs(10 * 60);

/// How long a refused static key is not sent again.
const STATIC_401: Duration = Duration::from_secs(30);

/// How many own a share of a token when it is borrowed no more. A thread can borrow eight things at a time by `arc_swap`,
/// whoever uses it: where leases are kept, across calls for instance, they must not take all of that.
const MANY: usize = 8;

/// A store that fails after so long has not answered, and is not asked again for as long: a flight asks it several times.
const SILENT: Duration = Duration::from_secs(2);
const LEFT_ALONE: Duration = Duration::from_secs(5);

/// How often a sign-in that was asked for sees a renewal fail before it takes what comes.
const SIGN_INS: u32 = 2;

/// How often a sign-out meets a newer token in the store before it gives up.
const BURIALS: u32 = 10;

impl Session {
    pub(crate) fn new(settings: Settings) -> Self {
        let Settings { key, ledger, issuer, store, clock, responder, evict, windows, timeouts, constant, chance } =
            settings;
        let capabilities = issuer.describe();
        Self(Arc::new(Engine {
            key,
            ledger,
            telemetry: Telemetry::new(capabilities.surface),
            capabilities,
            issuer,
            store,
            one_clock: clock.counts_sleep(),
            clock,
            responder,
            evict,
            windows,
            timeouts,
            constant,
            salt: chance.next(),
            chance,
            current: ArcSwapOption::empty(),
            state: Mutex::default(),
        }))
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
    /// `ErrorKind::Config` if the vendor's tokens do not live that long, or if nobody knows how long they live.
    ///
    /// # Cancel safety
    /// As [`lease`](Self::lease).
    pub async fn lease_for(&self, needed: Duration) -> Result<Lease, Error> {
        let lease = self.obtain(needed).await?;
        let left = lease.held().deadlines.left(self.now());
        match lease.expiry() {
            Expiry::Never => Ok(lease),
            Expiry::Unknown => Err(Error::config("nobody knows how long this vendor's tokens live")
                .advice("use lease() and be ready for a 401")),
            Expiry::At(_) if left >= needed => Ok(lease),
            Expiry::At(_) => Err(lease.held().too_short(needed, left)),
        }
    }

    /// Makes sure that there is a session, also after a sign-out or after the vendor refused the credentials: those are
    /// forgotten. A session that is live is not replaced, and one that can still be renewed is; if that fails, a new one
    /// begins.
    ///
    /// # Errors
    /// As [`lease`](Self::lease).
    ///
    /// # Cancel safety
    /// As [`lease`](Self::lease).
    pub async fn sign_in(&self) -> Result<Lease, Error> {
        for _ in 0..SIGN_INS {
            self.0.forgive();
            let outcome = self.lease().await;
            match &outcome {
                // A renewal was under way, or was tried first, and has failed: what was asked for is a sign-in.
                Err(error) if error.kind() != ErrorKind::SignedOut && self.0.another_way_in() => {}
                _ => return outcome,
            }
        }
        self.lease().await
    }

    /// Renews now, whatever the clock says; but not while a failure cools down.
    ///
    /// # Errors
    /// `ErrorKind::Config` where tokens are not renewed (see the capability table); else as [`lease`](Self::lease).
    ///
    /// # Cancel safety
    /// As [`lease`](Self::lease).
    pub async fn renew(&self) -> Result<Lease, Error> {
        let capabilities = &self.0.capabilities;
        let advice = match capabilities.renewal {
            Renewal::None => Some("sign_out() and sign_in() make a new one"),
            Renewal::Static => Some("it does not end by itself; give the builder another one if it is refused"),
            Renewal::SignIn | Renewal::RefreshToken { .. } => None,
        };
        if let Some(advice) = advice {
            let (surface, credential) = (capabilities.surface, capabilities.credential);
            return Err(Error::config(format!("a {surface} session by {credential} is not renewed")).advice(advice));
        }
        loop {
            let boarding = {
                let state = self.0.state();
                if state.signed_out {
                    return Err(Error::signed_out());
                }
                if !state.is_flying(self.now()) && state.cooldown.failure(self.now()).is_some() {
                    return Err(state.cooling_error(self.now()));
                }
                self.0.board(state, Reason::Asked, Conversation::default())?
            };
            if let Some(outcome) = self.0.outcome(&boarding.flight).await {
                return outcome;
            }
        }
    }

    /// Ends the session, here first and then at the vendor. Every clone answers `ErrorKind::SignedOut` from then on,
    /// until [`sign_in`](Self::sign_in) is called. A renewal that is under way loses, and what it obtains is revoked.
    ///
    /// # Errors
    /// `ErrorKind::Store` if the store could not be told; the session is forgotten here all the same.
    ///
    /// # Cancel safety
    /// Once polled, the sign-out goes on even if this future is dropped.
    pub async fn sign_out(&self) -> Result<SignOut, Error> {
        self.end(true).await
    }

    /// The session ended at the vendor by a call of the user's own: forget it here.
    pub(crate) async fn ended(&self) -> Result<(), Error> {
        self.end(false).await.map(|_| ())
    }

    async fn end(&self, tell_vendor: bool) -> Result<SignOut, Error> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| Error::no_runtime())?;
        let forgotten = self.0.forget();
        let engine = self.0.clone();
        let task = runtime.spawn(async move { engine.end(forgotten, tell_vendor).await });
        task.await.unwrap_or_else(|_| Err(Error::protocol("the sign-out was cut off").advice("call sign_out() again")))
    }

    /// Waits until no renewal is under way, and offers the store once more what it has not taken: for an orderly end of
    /// the program. It does not sign out.
    ///
    /// # Cancel safety
    /// Dropping the future ends the wait and nothing else.
    pub async fn close(&self) {
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        loop {
            let flight = self.0.state().flight.clone();
            let Some(flight) = flight else { return self.0.save_now().await };
            let patience = self.0.clock.sleep(self.0.timeouts.flight);
            if let First::Other(()) = first(flight.landed(), patience).await {
                return;
            }
        }
    }

    /// What the last sign-in told about the user; `None` if the session came out of a store.
    #[must_use]
    pub fn profile(&self) -> Option<Profile> {
        self.0.state().profile.clone()
    }

    /// The last decisions, one line each, without secrets.
    #[must_use]
    pub fn report(&self) -> Report {
        self.0.state().report.clone()
    }

    /// The vendor answered 401 to this token. Tells whether a new lease is worth a try.
    pub(crate) fn reject(&self, refused: Generation) -> bool {
        let now = self.now();
        let mut state = self.0.state();
        if self.0.capabilities.renewal == Renewal::Static {
            self.0.note(&mut state, now, What::Rejected { generation: refused.to_string() });
            self.0.remember_refusal(&mut state, now);
            return false;
        }
        let Some(held) = state.held.clone() else { return true };
        if held.generation != refused {
            // A late 401 to an older token: the newer one has not been tried yet.
            return true;
        }
        if state.rejected {
            return true;
        }
        if held.evicted && held.age(now.monotonic) < EVICTION_WAR {
            self.0.keep_the_peace(&mut state, now);
        }
        let age = now.monotonic.saturating_sub(held.published.monotonic);
        if !held.was_born_of_rejection() {
            state.streak = 0;
        } else if age < PERMISSION_401.saturating_mul(1 << state.streak.min(7)) {
            return false;
        } else {
            state.streak += 1;
        }
        state.rejected = true;
        self.0.current.store(None);
        self.0.note(&mut state, now, What::Rejected { generation: held.generation.to_string() });
        true
    }

    /// Continues a sign-in with an answer. If the question has been answered before, joins what came of that.
    pub(crate) async fn resume(&self, answered: &AtomicBool, conversation: Conversation) -> Result<Lease, Error> {
        loop {
            let boarding = {
                let state = self.0.state();
                if state.signed_out {
                    return Err(Error::signed_out());
                }
                if let Some(lease) = state.usable(self.now()) {
                    return Ok(lease);
                }
                // A person's answer does not shorten it. The question stays open: the answer can be given again.
                if !state.is_flying(self.now()) && state.cooldown.is_throttled(self.now()) {
                    return Err(state.cooling_error(self.now()));
                }
                // Within the critical section, so that whoever comes second finds the first one's flight.
                if answered.swap(true, Ordering::AcqRel) {
                    None
                } else {
                    let boarding = self.0.board(state, Reason::Answered, conversation.clone());
                    Some(boarding.inspect_err(|_| answered.store(false, Ordering::Release))?)
                }
            };
            let Some(boarding) = boarding else { return self.lease().await };
            let given_up = conversation.shown.is_some().then_some(Reopen(answered));
            let outcome = self.0.outcome(&boarding.flight).await;
            std::mem::forget(given_up);
            // A flight that was under way before the answer came cannot have known it: it can be given again.
            let unheard = !boarding.started && !matches!(outcome, Some(Ok(_)));
            if unheard || outcome.is_none() {
                answered.store(false, Ordering::Release);
            }
            match outcome {
                Some(Err(error)) if unheard && error.resume().is_some() => {}
                Some(outcome) => return outcome,
                None => {}
            }
        }
    }

    pub(crate) fn now(&self) -> Now {
        self.0.now()
    }

    /// The token that is held, whether it is fresh or not.
    pub(crate) fn held(&self) -> Option<Lease> {
        self.0.state().usable(self.now())
    }

    /// The header that carries the token.
    pub(crate) fn header(&self) -> &HeaderName {
        match &self.0.capabilities.placement {
            Placement::Bearer => &AUTHORIZATION,
            Placement::Header(name) | Placement::Pair { secret: name, .. } => name,
        }
    }

    /// The hot path: no lock, no await, no allocation.
    #[inline]
    fn fresh(&self) -> Option<Lease> {
        let current = self.0.current.load();
        let held = current.as_ref()?;
        let now = self.0.fresh_at(&held.deadlines)?;
        self.0.telemetry.lent(|| held.age(now));
        let kept = Arc::strong_count(held) > MANY;
        let lease = Lease(current);
        Some(if kept { lease.owned() } else { lease })
    }

    /// Boxed behind a pointer, so that the future of the fast path stays small, and so does its code.
    #[cold]
    fn slow(&self) -> BoxFuture<'_, Result<Lease, Error>> {
        Box::pin(self.obtain(Duration::ZERO))
    }

    async fn obtain(&self, needed: Duration) -> Result<Lease, Error> {
        let outcome = self.wait(needed).await;
        match &outcome {
            Ok(lease) => self.0.telemetry.lent(|| lease.held().age(Now::monotonic(&*self.0.clock))),
            Err(error) => self.0.telemetry.refused(error),
        }
        outcome
    }

    async fn wait(&self, needed: Duration) -> Result<Lease, Error> {
        loop {
            match self.0.next_step(needed)? {
                Next::Serve(lease) => return Ok(lease),
                Next::Wait { flight, meanwhile: None } => match self.0.outcome(&flight).await {
                    // What was found in the store may be near its end: it is looked at like any other.
                    Some(Ok(lease)) if lease.held().born == Born::Elsewhere => {}
                    Some(outcome) => return outcome,
                    None => {}
                },
                Next::Wait { flight, meanwhile: Some((lease, patience)) } => {
                    let outcome = pin!(self.0.outcome(&flight));
                    match first(outcome, self.0.clock.sleep(patience)).await {
                        First::One(Some(Ok(renewed))) => return Ok(renewed),
                        // Not if it was rejected or signed out meanwhile.
                        _ if self.0.state().still_holds(&lease) => return Ok(lease),
                        _ => {}
                    }
                }
            }
        }
    }
}

/// Our own tests read what every session would have told, when it goes.
#[cfg(feature = "testing")]
impl Drop for Engine {
    fn drop(&mut self) {
        crate::testing::witness::shown("a session", || {
            let state = self.state();
            format!("{} {} {} {:?}", self.key, self.ledger, state.report, state.profile)
        });
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("key", &format_args!("{}", self.0.key)).finish_non_exhaustive()
    }
}

/// A code is shown only as long as somebody waits for what comes of it: whoever gives that up may show it again.
struct Reopen<'a>(&'a AtomicBool);

impl Drop for Reopen<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// What a caller does next.
enum Next {
    Serve(Lease),
    /// Waits for the flight; with a token that is still valid, only for so long.
    Wait {
        flight: Arc<Flight>,
        meanwhile: Option<(Lease, Duration)>,
    },
}

impl Engine {
    fn now(&self) -> Now {
        Now::read(&*self.clock)
    }

    /// The monotonic time, if a token with these deadlines is fresh now. Clocks are most of what a lease costs, so no more
    /// of them are read than it takes.
    #[inline]
    fn fresh_at(&self, deadlines: &Deadlines) -> Option<Duration> {
        if self.one_clock {
            let monotonic = Now::monotonic(&*self.clock);
            return deadlines.is_fresh_by(monotonic).then_some(monotonic);
        }
        let now = self.now();
        deadlines.is_fresh(now).then_some(now.monotonic)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the state is changed, so a poisoned one is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Into the diary and into the numbers.
    fn note(&self, state: &mut State, now: Now, what: What) {
        self.telemetry.happened(&what);
        state.report.add(now.wall, what);
    }

    /// What the store keeps under this key. A store that does not answer is one that fails.
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let stored = self.in_time(self.store.load(key)).await?;
        match stored {
            Some(record) if !record.belongs_to(key) => {
                Err(StoreError::new("it answered with another session's record"))
            }
            stored => Ok(stored),
        }
    }

    async fn swap(&self, key: &Key, expected: Option<Generation>, record: Record) -> Result<bool, StoreError> {
        self.in_time(self.store.compare_and_swap(key, expected, record)).await
    }

    /// The store's lock of this session. The wait ends by our own clock too.
    async fn lock(&self) -> Result<StoreLock, StoreError> {
        let wait = self.timeouts.store_lock;
        let asked = self.store_may_answer()?;
        let lock = match first(self.store.lock(&self.key, wait), self.clock.sleep(wait)).await {
            First::One(lock) => lock,
            First::Other(()) => Err(StoreError::not_in_time()),
        };
        self.note_silence(asked, lock.as_ref().err());
        lock
    }

    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let asked = self.store_may_answer()?;
        let answer = match first(answer, self.clock.sleep(self.timeouts.store_lock)).await {
            First::One(answer) => answer,
            First::Other(()) => Err(StoreError::new("it did not answer in time")),
        };
        self.note_silence(asked, answer.as_ref().err());
        answer
    }

    /// The last answer once more, of a store that has just been waited for in vain; the next flight tries anew.
    fn store_may_answer(&self) -> Result<Asked, StoreError> {
        let now = self.now().monotonic;
        let state = self.state();
        let silent = state.silent.as_ref().filter(|(flight, until, _)| *flight == state.flights && now < *until);
        silent.map_or(Ok(Asked { at: now, flight: state.flights }), |(.., error)| Err(error.clone()))
    }

    fn note_silence(&self, asked: Asked, failure: Option<&StoreError>) {
        let now = self.now().monotonic;
        let silent = failure.filter(|error| now.saturating_sub(asked.at) >= SILENT && !error.is_busy());
        if let Some(error) = silent {
            self.state().silent = Some((asked.flight, now.saturating_add(LEFT_ALONE), error.clone()));
        }
    }

    /// Decides and boards in one critical section: a flight that lands in between is seen.
    fn next_step(self: &Arc<Self>, needed: Duration) -> Result<Next, Error> {
        let now = self.now();
        let state = self.state();
        let held = state.held.clone();
        let needed = if self.may_last(&state, needed) { needed } else { Duration::ZERO };
        let decision = decide(&View {
            now,
            held: held.as_ref().map(|held| &held.deadlines),
            rejected: state.rejected,
            signed_out: state.signed_out,
            // Joining a flight that is under way asks nobody anything.
            cooling: state.cooldown.cooling().filter(|_| !state.is_flying(now)),
            needed,
        });
        match (decision, held) {
            (Decision::Serve, Some(held)) => Ok(Next::Serve(Lease::of(held))),
            (Decision::ServeAndRenewBehind, Some(held)) => {
                // Nobody waits for it, so nobody is told if it cannot start.
                let _ = self.board(state, Reason::Early, Conversation::default());
                Ok(Next::Serve(Lease::of(held)))
            }
            (Decision::Wait(reason), held) => {
                // In the late window the token is still good: half of what is left is spent on waiting for a better one.
                let meanwhile = held.filter(|_| reason == Reason::Late).map(|held| {
                    let patience = held.deadlines.left(now) / 2;
                    (Lease::of(held), patience)
                });
                match (self.board(state, reason, Conversation::default()), meanwhile) {
                    (Ok(Boarding { flight, .. }), meanwhile) => Ok(Next::Wait { flight, meanwhile }),
                    (Err(_), Some((lease, _))) if self.state().still_holds(&lease) => Ok(Next::Serve(lease)),
                    (Err(error), _) => Err(error),
                }
            }
            (Decision::Refuse(Refusal::SignedOut), _) => Err(Error::signed_out()),
            (Decision::Refuse(Refusal::CoolingDown(_)), _) => Err(state.cooling_error(now)),
            (Decision::Serve | Decision::ServeAndRenewBehind, None) => Err(Error::protocol("a token vanished")),
        }
    }

    /// Whether a renewal could make a token that lives so long: not where none is made while this one is good, and not if
    /// this one was made for the same need.
    fn may_last(&self, state: &State, needed: Duration) -> bool {
        let (Some(held), Some(tokens)) = (&state.held, &state.tokens) else { return false };
        let made_for_it = held.born == Born::OfNeed && held.life() < needed;
        matches!(held.expiry, Expiry::At(_)) && self.renews_quietly(tokens) && !made_for_it
    }

    /// What an explicit sign-in forgets.
    fn forgive(&self) {
        let now = self.now();
        let mut state = self.state();
        state.signed_out = false;
        state.refused = None;
        state.lost_what_was_evicted = false;
        state.cooldown.forgive();
        // A refresh token whose renewal failed, for whatever reason, must not stand in the way of another way in.
        let another_way = state.renewal_failed && !self.capabilities.spent_by_sign_in;
        state.skip_refresh = another_way && state.usable(now).is_none();
    }

    /// Whether a sign-in may work where a renewal has failed.
    fn another_way_in(&self) -> bool {
        !self.capabilities.spent_by_sign_in && self.state().renewal_failed
    }

    /// Whether a stored session began with the credential this client has.
    fn is_ours(&self, record: &Record) -> bool {
        match (self.issuer.seed(), &record.seed) {
            (Some(seed), Some(stored)) => stored.is_of(seed, record.generation.lineage),
            // The same account, whose secret comes from a source on one side at least: its name is in the key.
            _ => true,
        }
    }

    fn record(&self, tokens: &Tokens, generation: Generation, now: Now, evicted: bool) -> Record {
        let issued = tokens.date.unwrap_or(now.wall);
        let ends = match tokens.life {
            Life::For(life) => Ends::At(issued + life),
            Life::Never => Ends::Never,
            Life::Unknown => Ends::Unknown,
        };
        let (access, refresh) = (tokens.access.clone(), tokens.refresh.clone());
        let seed = self.issuer.seed().map(Fingerprint::of);
        let (received, began) = (now.wall, now.wall);
        let kept = Kept { access, refresh, issued, received, ends, evicted, rejections: 0, began };
        Record { seed, ..Record::new(&self.key, generation, RecordState::Live(kept)) }
    }

    fn hold(&self, tokens: &Tokens, generation: Generation, received: Now, born: Born) -> Result<Held, Error> {
        let mut headers = self.constant.clone();
        let bare = || tokens.access.expose().to_owned();
        let (name, value) = match &self.capabilities.placement {
            Placement::Bearer => (AUTHORIZATION, format!("Bearer {}", tokens.access.expose())),
            Placement::Header(name) => (name.clone(), bare()),
            Placement::Pair { name, value, secret } => {
                headers.insert(name.clone(), value.clone());
                (secret.clone(), bare())
            }
        };
        let header = Copies::of(&value).filter(|_| !tokens.access.expose().is_empty()).ok_or_else(|| {
            Error::protocol("the token is empty or holds characters that no header can carry")
                .advice("if it was given to the builder, check it for a line break at its end")
        })?;
        headers.insert(name, header.mine().clone());
        // A header value allocates when it is cloned for the first time: not in a caller's hot path.
        let _ = headers.clone();
        Ok(Held {
            headers,
            header,
            token: (!matches!(self.capabilities.placement, Placement::Pair { .. })).then(|| tokens.access.clone()),
            expiry: tokens.life.expiry(received),
            generation,
            deadlines: match self.renews_quietly(tokens) {
                true => Deadlines::new(tokens.life, received, &self.windows, self.chance.share()),
                false => Deadlines::without_windows(tokens.life, received),
            },
            published: self.now(),
            received,
            born,
            evicted: false,
        })
    }

    /// Whether the next token can be had while this one is still good, at no cost but a request. Where it takes another
    /// session or a person, that is left for when it has ended.
    fn renews_quietly(&self, tokens: &Tokens) -> bool {
        match self.capabilities.renewal {
            Renewal::None | Renewal::Static => false,
            Renewal::SignIn => self.capabilities.signs_in_quietly(),
            Renewal::RefreshToken { .. } => tokens.refresh.is_some() || self.capabilities.signs_in_quietly(),
        }
    }

    fn publish(&self, state: &mut State, held: Held, tokens: Tokens) {
        let held = Arc::new(held);
        state.held = Some(held.clone());
        state.tokens = Some(tokens);
        state.rejected = false;
        self.current.store(Some(held));
    }

    /// A key that never changes was refused: sending it again at once would not help, and some vendors lock for it.
    fn remember_refusal(&self, state: &mut State, now: Now) {
        let credential = self.capabilities.credential;
        let error =
            Error::new(ErrorKind::Unauthorized, format!("the vendor refused what {credential} gave, moments ago"))
                .advice("check it; nothing is sent with it for a while")
                .with_retry_after(Some(STATIC_401));
        state.rejected = true;
        state.cooldown.failed(&error, now, 0.0, true);
        self.current.store(None);
    }

    /// Two fleets at one account must not end each other's sessions for ever: no sign-in for a while, and after that none
    /// that ends a session, until somebody asks for it.
    fn keep_the_peace(&self, state: &mut State, now: Now) {
        let error = Error::new(
            ErrorKind::SessionLimit,
            "a session was ended for this one, and this one was lost again within ten minutes: others use the account",
        )
        .advice("free a session, or call sign_in() to end one all the same")
        .with_retry_after(Some(EVICTION_WAR));
        state.lost_what_was_evicted = true;
        state.cooldown.failed(&error, now, 0.0, false);
    }

    /// The local half of a sign-out: from now on nobody is served and no flight may keep what it gets.
    fn forget(&self) -> Forgotten {
        let now = self.now();
        let mut state = self.state();
        state.signed_out = true;
        state.epoch += 1;
        // Whoever signs out wants it tried, whatever has just failed.
        state.silent = None;
        state.ended = state.held.as_ref().map(|held| held.generation.lineage).or(state.ended);
        state.held = None;
        state.profile = None;
        state.rejected = false;
        self.current.store(None);
        self.note(&mut state, now, What::SignedOut);
        let flight = state.flight.take();
        Forgotten {
            tokens: state.tokens.take(),
            _lock: flight.and_then(|flight| flight.take_lock()),
            _unsaved: state.unsaved.take(),
        }
    }

    /// The rest of a sign-out: the store's tombstone first, then the vendor.
    async fn end(&self, mut forgotten: Forgotten, tell_vendor: bool) -> Result<SignOut, Error> {
        let (told, stored) = self.bury(None).await;
        let tokens = forgotten.tokens.take().or_else(|| stored?.tokens(self.now()).map(|(tokens, _)| tokens));
        drop(forgotten);
        let outcome = match tokens {
            Some(tokens) if tell_vendor => match self.issuer.sign_out(&tokens).await {
                Ok(outcome) => outcome,
                Err(error) => {
                    tracing::warn!(key = %self.key, kind = ?error.kind(), "keyway: the vendor was not told of the sign-out");
                    SignOut::LocalOnly
                }
            },
            _ => SignOut::LocalOnly,
        };
        told.map(|()| outcome)
    }

    /// Puts a tombstone in the place of the stored session, and answers what was there. Without the store's lock: a
    /// renewal that holds it must not hold up a sign-out, and finds the tombstone when it wants to save. `only`: nothing but
    /// this token.
    async fn bury(&self, only: Option<Generation>) -> (Result<(), Error>, Option<Record>) {
        let failed = |error| {
            Error::new(ErrorKind::Store, format!("the session store failed: {error}"))
                .advice("this client has forgotten the session, but others that share the store may still use it")
        };
        let mut lineage = None;
        for _ in 0..BURIALS {
            let stored = match self.load(&self.key).await {
                Ok(Some(record)) if !record.is_tombstone() => record,
                Ok(_) => return (Ok(()), None),
                Err(error) => return (Err(failed(error)), None),
            };
            // What somebody has begun since is another session.
            let another = *lineage.get_or_insert(stored.generation.lineage) != stored.generation.lineage;
            if another || only.is_some_and(|only| only != stored.generation) {
                return (Ok(()), None);
            }
            self.state().ended = Some(stored.generation.lineage);
            let tombstone = stored.tombstone();
            match self.swap(&self.key, Some(stored.generation), tombstone).await {
                Ok(true) => return (Ok(()), Some(stored)),
                // Somebody saved a newer token of it in between: that one is to be buried.
                Ok(false) => {}
                Err(error) => return (Err(failed(error)), Some(stored)),
            }
        }
        (Err(failed(StoreError::new("others keep saving newer tokens"))), None)
    }
}

/// When the store was asked (monotonic), and what the newest flight was.
#[derive(Clone, Copy)]
struct Asked {
    at: Duration,
    flight: u64,
}

/// What a sign-out took away. The store's lock is left once the tombstone is there, however soon the beaten flight ends:
/// nobody may renew in between what that flight has renewed.
struct Forgotten {
    tokens: Option<Tokens>,
    _lock: Option<StoreLock>,
    /// May hold the lock as well.
    _unsaved: Option<Unsaved>,
}

impl Held {
    /// How long it lived, or lives, in all.
    fn life(&self) -> Duration {
        self.deadlines.left(self.received)
    }

    fn too_short(&self, needed: Duration, left: Duration) -> Error {
        let (needed, left, life) = (needed.as_secs(), left.as_secs(), self.life().as_secs());
        if life < needed {
            let what = format!("a token that lives {needed} s was asked for, and this vendor's live {life} s");
            return Error::config(what).advice("ask for less, or renew during the work");
        }
        let what = format!("a token that lives {needed} s was asked for, and this session has {left} s left");
        Error::config(what).advice("it is not renewed before its end: sign_out() and sign_in() make a new one")
    }
}

impl State {
    /// The failure that cools down, as the answer to somebody who comes meanwhile.
    fn cooling_error(&self, now: Now) -> Error {
        match self.cooldown.failure(now) {
            Some((error, wait)) if error.resume().is_none() => {
                error.clone().with_retry_after(wait.or(error.retry_after())).local()
            }
            Some((question, _)) => question.clone().local(),
            None => Error::new(ErrorKind::Throttled, "a failure is cooling down").local(),
        }
    }

    fn still_holds(&self, lease: &Lease) -> bool {
        let held = self.held.as_ref().filter(|_| !self.rejected && !self.signed_out);
        held.is_some_and(|held| held.generation == lease.generation())
    }

    /// The held token, if it could be served.
    fn usable(&self, now: Now) -> Option<Lease> {
        let held = self.held.as_ref().filter(|held| !self.rejected && held.deadlines.is_valid(now))?;
        Some(Lease::of(held.clone()))
    }
}

impl Record {
    /// The kept tokens and the moment, on our clocks, at which their life began. `None` for a tombstone.
    pub(crate) fn tokens(&self, now: Now) -> Option<(Tokens, Now)> {
        let kept = self.kept()?;
        let age = now.wall.duration_since(kept.received).unwrap_or_default();
        let received = Now { wall: now.wall - age, monotonic: now.monotonic.saturating_sub(age) };
        let life = match kept.ends {
            Ends::At(end) => Life::For(end.duration_since(kept.issued).unwrap_or_default()),
            Ends::Never => Life::Never,
            Ends::Unknown => Life::Unknown,
        };
        let (access, refresh) = (kept.access.clone(), kept.refresh.clone());
        Some((Tokens { access, refresh, life, date: Some(kept.issued) }, received))
    }
}

impl Error {
    fn signed_out() -> Self {
        Self::new(ErrorKind::SignedOut, "this session was signed out")
            .advice("call sign_in() to begin a new one")
            .local()
    }

    pub(crate) fn no_runtime() -> Self {
        Self::config("Keyway was called outside a Tokio runtime")
            .advice("call it from async code that Tokio runs, such as #[tokio::main]")
    }

    fn runtime_ended() -> Self {
        Self::config("Keyway was called on a Tokio runtime that is ending")
            .advice("let calls end before their runtime does, or call it from another one")
    }
}

const _: () = {
    const fn promised<T: Send + Sync + Clone + 'static>() {}
    promised::<Session>();
    promised::<Lease>();
};
