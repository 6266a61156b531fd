//! Who renews: one detached task per session, whatever happens to those who wait for it.
//!
//! A *flight* is that task. Callers board it and wait for its signal; dropping every one of them changes nothing. If its
//! runtime dies, or it stays silent beyond its patience, the next caller starts another flight, and the old one, should
//! it wake up, finds that it has been overtaken before it sends and before it saves.
//!
//! A second task beside it, its *watch*, has the one timer that tells everybody who waits that it has fallen silent.

use super::{
    Engine, Held, Lease, Profile, Session, SignOut, State,
    attempt::Attempt,
    course::{
        self, Beaten, Course, Fate, Known, Overtaken, Sight, Source, Stored, course, fate, is_one_too_many, overtaken,
    },
    decide::Reason,
    interact::{About, Answer, Conversation, Question, Resume},
    report::What,
    save::Unsaved,
    tokens::Tokens,
};
use crate::{
    Error, ErrorKind, Secret,
    clock::{Clock, Now},
    store::{Generation, Record, StoreError, StoreLock, fingerprint},
    surfaces::{Capabilities, Issued, Renewal},
};
use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};
use tokio::{
    runtime::{self, Handle},
    sync::watch,
};
use tracing::Instrument;

/// How often a flight takes the store's lock if it loses it again before it could send.
pub(super) const ROUNDS: u32 = 3;

/// About how often those who wait for the store's lock look whether the token is there already, and how long one look may
/// take.
const LOOK: Duration = Duration::from_secs(1);

/// How often it looks into the store under one lock: again after a refresh token was refused, after a torn answer, and
/// when somebody signed out meanwhile.
pub(super) const LOOKS: u32 = 4;

/// How often a token is offered to a store that keeps changing.
pub(super) const SAVES: u32 = 3;

/// A token with less than this is of no use to anybody: asking for one after the other would never end.
const SHORTEST: Duration = Duration::from_millis(100);

/// How many captchas, or access keys, one sign-in asks for before it gives up.
const MOST_ANSWERS: u32 = 3;

/// One renewal or sign-in under way.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(super) id: u64,
    /// Sign-outs so far when it started: a later one beats it.
    pub(super) epoch: u64,
    pub(super) reason: Reason,
    started: Now,
    /// How long the token that was held then had left.
    left: Option<Duration>,
    signal: watch::Sender<Signal>,
    /// How many wait for the outcome.
    waiting: AtomicUsize,
    /// When those who wait stop believing in it: monotonic milliseconds.
    patience: AtomicU64,
    /// Where it flies.
    runtime: runtime::Id,
    /// Whether its watch will tell, there, when it falls silent.
    watched: AtomicBool,
    /// Whether it has sent something that spends a token or an attempt.
    pub(super) sent: AtomicBool,
    /// Whether it has come to signing in.
    signs_in: AtomicBool,
    /// The store's lock ended before something was to be sent.
    lost_lock: AtomicBool,
    /// The store's lock while a round is under way: here, so that whoever takes this flight's place can let go of it.
    lock: Mutex<Option<StoreLock>>,
}

#[derive(Debug, Clone)]
enum Signal {
    Flying,
    Landed(Result<Lease, Error>),
    /// Its task is gone without an outcome.
    Lost,
}

/// Who boarded, and whether the flight is the caller's own.
pub(super) struct Boarding {
    pub(super) flight: Arc<Flight>,
    pub(super) started: bool,
}

impl State {
    /// Whether there is a flight to join.
    pub(super) fn is_flying(&self, now: Now) -> bool {
        self.flight.as_ref().is_some_and(|flight| !flight.is_silent(now))
    }

    /// Whether this flight may still act.
    pub(super) fn check(&self, flight: &Flight) -> Result<(), Error> {
        self.beaten(flight).map_or(Ok(()), |beaten| Err(beaten.error()))
    }

    fn beaten(&self, flight: &Flight) -> Option<Beaten> {
        if self.epoch != flight.epoch {
            return Some(Beaten::BySignOut);
        }
        let replaced = self.flight.as_ref().is_none_or(|current| current.id != flight.id);
        replaced.then_some(Beaten::BySuccessor)
    }
}

impl Beaten {
    fn error(self) -> Error {
        match self {
            Self::BySignOut => Error::signed_out(),
            Self::BySuccessor => {
                Error::new(ErrorKind::Timeout, "this renewal took too long and another one took its place").local()
            }
        }
    }
}

impl Engine {
    /// Joins the flight that is under way or starts one. Called with the state locked, so that what was decided still holds;
    /// unlocks it.
    pub(super) fn board(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State>,
        reason: Reason,
        conversation: Conversation,
    ) -> Result<Boarding, Error> {
        let runtime = Handle::try_current().map_err(|_| Error::no_runtime())?;
        if let Some(flight) = state.flight.clone().filter(|flight| !flight.is_silent(self.now())) {
            return Ok(Boarding { flight, started: false });
        }
        let started = self.now();
        state.flights += 1;
        let flight = Arc::new(Flight {
            id: state.flights,
            epoch: state.epoch,
            reason,
            started,
            left: state.held.as_ref().map(|held| held.deadlines.left(started)),
            signal: watch::Sender::new(Signal::Flying),
            waiting: AtomicUsize::new(0),
            patience: AtomicU64::new(0),
            runtime: runtime.id(),
            watched: AtomicBool::new(true),
            sent: AtomicBool::new(false),
            signs_in: AtomicBool::new(false),
            lost_lock: AtomicBool::new(false),
            lock: Mutex::new(None),
        });
        flight.be_patient(started, self.timeouts.flight);
        let watch = runtime.spawn(Watch(flight.clone()).keep(self.clock.clone(), self.timeouts.flight));
        // A runtime that is ending drops what it is given before it returns.
        if watch.is_finished() && !flight.is_silent(self.now()) {
            return Err(Error::runtime_ended());
        }
        let silent = state.flight.replace(flight.clone());
        // Nobody else gets the lock in between: what the silent flight has obtained may not be in the store yet.
        if let Some(lock) = silent.and_then(|silent| silent.take_lock()) {
            flight.keep_lock(lock);
        }
        let pilot = Pilot { engine: self.clone(), flight: flight.clone() };
        let span = tracing::debug_span!("keyway.renewal", key = %self.key, flight = flight.id, ?reason);
        // A pilot that is dropped looks at the state.
        drop(state);
        runtime.spawn(pilot.fly(conversation).instrument(span));
        Ok(Boarding { flight, started: true })
    }

    /// Waits for a flight's outcome; `None` when it is lost, or silent for so long that the next one may take its place.
    pub(super) async fn outcome(&self, flight: &Arc<Flight>) -> Option<Result<Lease, Error>> {
        let _told = self.telemetry.waiting();
        let _waiting = Waiting::for_outcome(flight);
        let mut signal = flight.signal.subscribe();
        loop {
            match &*signal.borrow_and_update() {
                Signal::Flying => {}
                Signal::Landed(outcome) => return Some(outcome.clone()),
                Signal::Lost => return None,
            }
            let patience = flight.patience_left(self.now());
            if patience.is_zero() {
                return None;
            }
            // Pinned where it stands: ten thousand may wait, and a future that is moved takes its place twice.
            let mut changed = pin!(signal.changed());
            let mut timer = None;
            poll_fn(|context| {
                if changed.as_mut().poll(context).is_ready() {
                    return Poll::Ready(());
                }
                // Its watch is on another runtime, which nobody may drive any more, or has told that it is silent before.
                if flight.is_watched_here() {
                    return Poll::Pending;
                }
                let pause = patience.min(self.timeouts.flight);
                timer.get_or_insert_with(|| self.clock.sleep(pause)).as_mut().poll(context)
            })
            .await;
        }
    }
}

/// Tells those who wait when the flight has fallen silent, once: one timer for all of them. The flight wakes it at its end
/// only: whom it wakes waits for the same thread, and an issuer may block that. Its drop tells when the task ends otherwise.
struct Watch(Arc<Flight>);

impl Watch {
    /// Looks again after each `pause`, at the latest: the patience may have become shorter.
    async fn keep(self, clock: Arc<dyn Clock>, pause: Duration) {
        loop {
            let patience = self.0.patience_left(Now::read(&*clock));
            if patience.is_zero() {
                return;
            }
            if let First::One(()) = first(self.0.landed(), clock.sleep(patience.min(pause))).await {
                return;
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.watched.store(false, Ordering::Release);
        self.0.signal.send_modify(|_| ());
    }
}

impl Flight {
    fn keep_lock(&self, lock: StoreLock) {
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = Some(lock);
    }

    /// Lets go of the store's lock.
    pub(super) fn unlock(&self) {
        drop(self.take_lock());
    }

    /// For whoever takes this flight's place, or signs out. It checks that before it sends and before it saves.
    pub(super) fn take_lock(&self) -> Option<StoreLock> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn share_lock(&self) -> Option<StoreLock> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(StoreLock::share)
    }

    fn has_lock(&self) -> bool {
        self.share_lock().is_some()
    }

    /// Whether the lock this flight took is still its own, and will be for as long as is needed. A flight that took none
    /// has nothing to lose.
    pub(super) async fn still_locks(&self, needed: Duration) -> bool {
        match self.share_lock() {
            Some(lock) if !lock.extend(needed).await => {
                self.lost_lock.store(true, Ordering::Release);
                false
            }
            _ => true,
        }
    }

    pub(super) fn be_patient(&self, now: Now, wait: Duration) {
        self.patience.store(until(now, wait), Ordering::Release);
    }

    /// A sign of life: it is waited for at least this much longer.
    pub(super) fn stay_patient(&self, now: Now, wait: Duration) {
        self.patience.fetch_max(until(now, wait), Ordering::AcqRel);
    }

    fn patience_left(&self, now: Now) -> Duration {
        Duration::from_millis(self.patience.load(Ordering::Acquire)).saturating_sub(now.monotonic)
    }

    fn is_silent(&self, now: Now) -> bool {
        self.patience_left(now).is_zero()
    }

    fn is_watched_here(&self) -> bool {
        let is_here = |runtime: Handle| runtime.id() == self.runtime;
        self.watched.load(Ordering::Acquire) && Handle::try_current().is_ok_and(is_here)
    }

    /// Whether somebody waits for the outcome. Whoever waits for the end, whatever it is, does not.
    pub(super) fn is_awaited(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    pub(super) async fn landed(&self) {
        let mut signal = self.signal.subscribe();
        let _ = signal.wait_for(|signal| !matches!(signal, Signal::Flying)).await;
    }
}

fn until(now: Now, wait: Duration) -> u64 {
    u64::try_from(now.monotonic.saturating_add(wait).as_millis()).unwrap_or(u64::MAX)
}

/// Somebody who waits for the outcome of a flight, as long as this lives.
struct Waiting<'a>(&'a Flight);

impl<'a> Waiting<'a> {
    fn for_outcome(flight: &'a Flight) -> Self {
        flight.waiting.fetch_add(1, Ordering::AcqRel);
        Self(flight)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Flies one flight. Its drop tells the waiters when the task ends without an outcome.
pub(super) struct Pilot {
    pub(super) engine: Arc<Engine>,
    pub(super) flight: Arc<Flight>,
}

impl Drop for Pilot {
    fn drop(&mut self) {
        if !matches!(*self.flight.signal.borrow(), Signal::Flying) {
            return;
        }
        self.flight.unlock();
        if std::thread::panicking() {
            let Capabilities { surface, credential, .. } = &self.engine.capabilities;
            let error = Error::protocol(format!(
                "a sign-in or renewal of `{surface}` by `{credential}` panicked, in an issuer, responder, credential source or store, or in Keyway",
            ))
            .advice("see the panic's own message; the next call tries anew");
            self.land(Err(error));
        } else {
            self.engine.state().flight.take_if(|current| current.id == self.flight.id);
            self.flight.signal.send_replace(Signal::Lost);
        }
    }
}

impl Pilot {
    async fn fly(self, conversation: Conversation) {
        tracing::debug!("keyway: a token is wanted");
        let outcome = self.converse(conversation).await;
        self.land(outcome);
    }

    /// The outcome counts only if nobody took this flight's place.
    fn land(&self, mut outcome: Result<Lease, Error>) {
        let engine = &self.engine;
        let now = engine.now();
        let replaced = {
            let mut state = engine.state();
            let current = state.flight.as_ref().is_some_and(|current| current.id == self.flight.id);
            if current {
                state.flight = None;
                match &mut outcome {
                    Ok(_) => {
                        state.skip_refresh = false;
                        state.renewal_failed = false;
                        state.cooldown.succeeded();
                        state.presented = None;
                    }
                    Err(error) => *error = self.failed(&mut state, error.clone(), now),
                }
            }
            !current && state.epoch == self.flight.epoch
        };
        self.tell(&outcome, now);
        self.flight.signal.send_replace(match outcome {
            // Those who waited for it wait for whoever took its place.
            Err(_) if replaced => Signal::Lost,
            outcome => Signal::Landed(outcome),
        });
    }

    /// Lets the failure cool down, and has it say until when.
    fn failed(&self, state: &mut State, error: Error, now: Now) -> Error {
        // A refusal that was remembered presents nothing and changes nothing.
        let refused =
            matches!(error.kind(), ErrorKind::InvalidCredentials | ErrorKind::Validation) && !error.is_local();
        let presented = state.presented.take_if(|_| refused);
        let unnamed = refused && presented.is_none();
        if let Some(mark) = presented {
            state.refused = Some((mark, error.clone()));
        }
        state.renewal_failed = !self.flight.signs_in.load(Ordering::Acquire);
        // An issuer that does not say what it presents presents the same thing again, as far as anybody knows.
        let given = self.engine.issuer.seed().is_some() || unnamed;
        state.cooldown.failed(&error, now, self.engine.chance.share(), given);
        let took = now.monotonic.saturating_sub(self.flight.started.monotonic);
        self.engine.note(state, now, What::Failed { reason: self.flight.reason, kind: error.kind(), took });
        match state.cooldown.failure(now) {
            Some((_, Some(wait))) if error.is_temporary() => error.with_retry_after(Some(wait)),
            _ => error,
        }
    }

    /// One event per flight, with everything the decision was made from. A renewal that works is nobody's news.
    fn tell(&self, outcome: &Result<Lease, Error>, now: Now) {
        let Flight { id, epoch, reason, started, left, .. } = &*self.flight;
        let took = now.monotonic.saturating_sub(started.monotonic);
        self.engine.telemetry.landed(*reason, outcome.as_ref().err(), took);
        let took_ms = took.as_millis() as u64;
        let left_ms = left.map(|left| left.as_millis() as u64);
        let sent = self.flight.sent.load(Ordering::Acquire);
        let key = &self.engine.key;
        match outcome {
            Ok(lease) => {
                let (generation, expiry) = (lease.generation(), lease.expiry());
                tracing::debug!(%key, flight = id, sign_outs = epoch, ?reason, left_ms, took_ms, sent, %generation, ?expiry, "keyway: a token was obtained");
            }
            Err(error) => {
                let (kind, wait) = (error.kind(), error.retry_after().map(tracing::field::debug));
                tracing::warn!(%key, flight = id, sign_outs = epoch, ?reason, left_ms, took_ms, sent, ?kind, wait, "keyway: {error}");
            }
        }
    }

    /// Round after round, until there is a token, a failure, or a question nobody answers.
    async fn converse(&self, mut conversation: Conversation) -> Result<Lease, Error> {
        if let Some(shown) = conversation.shown.take() {
            conversation.granted = Some(self.poll_until_decided(&shown).await?);
        }
        loop {
            let Err(error) = self.round(&conversation).await else {
                return self.engine.state().held_lease().ok_or_else(Error::signed_out);
            };
            let Some(question) = Question::of(&error, &conversation, self.engine.now()) else { return Err(error) };
            conversation.asked(&question);
            // The store's lock is free again: a person may take minutes.
            match self.ask(&question, &conversation).await? {
                Asked::Answered(answer) => conversation = conversation.answered(&question, answer)?,
                Asked::Granted(issued) => conversation.granted = Some(issued),
                Asked::Nobody(why) => return Err(self.resumable(why.word(error), question, conversation)),
            }
        }
    }

    fn resumable(&self, error: Error, question: Question, conversation: Conversation) -> Error {
        let error = error.asking(&question.about).advice(question.advice());
        error.with_resume(Resume::new(Session(self.engine.clone()), question, conversation))
    }

    async fn ask(&self, question: &Question, so_far: &Conversation) -> Result<Asked, Error> {
        let engine = &self.engine;
        let policy = matches!(question.about, About::Session(_)) && !engine.evict.is_never();
        let what = What::Asked { question: question.name(), kind: question.kind(), policy };
        engine.note(&mut engine.state(), engine.now(), what);
        let too_often = match &question.about {
            About::Captcha(_) => so_far.captchas > MOST_ANSWERS,
            About::AccessKey(_) => so_far.access_keys > MOST_ANSWERS,
            // One session at most ends per sign-in, and two fleets must not end each other's for ever.
            About::Session(_) if so_far.end_session().is_some() => return Ok(Asked::Nobody(Why::Unattended)),
            About::Session(limit) if !engine.evict.is_never() && !engine.state().lost_what_was_evicted => {
                return Ok(match engine.evict.pick(limit) {
                    Some(id) => Asked::Answered(Answer::Session(id)),
                    None => Asked::Nobody(Why::NoneFits),
                });
            }
            About::Session(_) | About::Device(_) => false,
        };
        if too_often {
            return Ok(Asked::Nobody(Why::TooOften));
        }
        let Some(responder) = &engine.responder else { return Ok(Asked::Nobody(Why::Unattended)) };
        match &question.about {
            About::Captcha(captcha) => Ok(self.person(responder.captcha(captcha.clone()), Answer::Captcha).await),
            About::Session(limit) => Ok(self.person(responder.choose_session(limit.clone()), Answer::Session).await),
            About::AccessKey(key) => Ok(self.person(responder.access_key(key.clone()), Answer::AccessKey).await),
            About::Device(device) => self.show(question, responder.device_code(device.clone())).await,
        }
    }

    /// Waits for a person, but not for ever.
    async fn person<T>(&self, reply: impl Future<Output = Option<T>> + Send, answer: fn(T) -> Answer) -> Asked {
        let wait = self.engine.timeouts.person;
        self.flight.be_patient(self.engine.now(), wait.saturating_add(self.engine.timeouts.flight));
        let reply = first(reply, self.engine.clock.sleep(wait)).await;
        self.flight.be_patient(self.engine.now(), self.engine.timeouts.flight);
        match reply {
            First::One(Some(reply)) => Asked::Answered(answer(reply)),
            First::One(None) => Asked::Nobody(Why::Declined),
            First::Other(()) => Asked::Nobody(Why::TooLate),
        }
    }

    /// One round, begun anew if the store's lock was lost in it before anything was sent: then somebody else may have
    /// renewed, and that is found in the store.
    async fn round(&self, conversation: &Conversation) -> Result<(), Error> {
        for _ in 1..ROUNDS {
            let outcome = self.round_under_lock(conversation).await;
            if !self.flight.lost_lock.swap(false, Ordering::AcqRel) {
                return outcome;
            }
            tracing::warn!(key = %self.engine.key, "keyway: the store's lock was lost; looking again");
            self.engine.state().unsaved.iter_mut().for_each(|unsaved| unsaved.lock = None);
        }
        self.round_under_lock(conversation).await
    }

    /// The lock that was kept together with a token the store has not taken.
    fn shares_lock(&self) -> bool {
        let kept = self.engine.state().unsaved.as_ref().and_then(|unsaved| unsaved.lock.as_ref().map(StoreLock::share));
        kept.map(|lock| self.flight.keep_lock(lock)).is_some()
    }

    async fn round_under_lock(&self, conversation: &Conversation) -> Result<(), Error> {
        // From the flight whose place this one took, or with the token that is not saved yet.
        let mut unlocked = None;
        if !self.flight.has_lock() && !self.shares_lock() {
            if self.find(conversation).await {
                return Ok(());
            }
            match self.lock(conversation).await {
                Ok(Some(lock)) => {
                    self.flight.keep_lock(lock);
                }
                Ok(None) => return Ok(()),
                Err(error) => unlocked = Some(error),
            }
        }
        // Overtaken while it waited: whoever took its place has looked for the lock already and must find it free.
        let overtaken = self.engine.state().check(&self.flight).err();
        if let Some(beaten) = overtaken {
            self.flight.unlock();
            return Err(beaten);
        }
        let outcome = self.locked_round(conversation, unlocked).await;
        self.flight.unlock();
        outcome
    }

    /// Looks whether somebody else was faster, else asks the vendor, and keeps what comes. `unlocked` says why the
    /// store's lock could not be had.
    async fn locked_round(&self, conversation: &Conversation, unlocked: Option<StoreError>) -> Result<(), Error> {
        let (mut torn, mut refused) = (false, None);
        for _ in 0..LOOKS {
            let look = self.look(unlocked.as_ref()).await;
            let settled = match (course(&look.sight), &conversation.granted) {
                (Course::Adopt, _) => {
                    self.take_over(look, conversation).await?;
                    Settled::Served
                }
                (Course::Salvage, granted) => {
                    let settled = self.salvage(&look).await?;
                    if let Some(granted) = granted {
                        self.give_back(&granted.tokens).await;
                    }
                    settled
                }
                (_, Some(granted)) => self.keep(granted.clone(), self.new_session(), &look, conversation).await?,
                (Course::Refuse, None) => return Err(look.refusal()),
                (Course::Renew { with, next }, None) => {
                    let tokens = look.tokens(with).ok_or_else(Error::signed_out)?;
                    match self.renew(&tokens).await {
                        Ok(issued) => self.keep(issued, Place::after(next), &look, conversation).await?,
                        Err(error) if error.kind() == ErrorKind::SignInRequired => {
                            tracing::info!(key = %self.engine.key, "keyway: the vendor refused the refresh token");
                            self.remember_spent(&tokens);
                            refused = Some(error);
                            Settled::LookAgain
                        }
                        // The vendor may have rotated the token or not: one further try tells.
                        Err(error) if error.is_outcome_unknown() && self.rotates() && !torn => {
                            torn = true;
                            Settled::LookAgain
                        }
                        Err(error) => return Err(error),
                    }
                }
                (Course::SignIn, None) => {
                    let issued = self.sign_in(conversation, &look, refused.take()).await?;
                    self.keep(issued, self.new_session(), &look, conversation).await?
                }
            };
            if let Settled::Served = settled {
                return Ok(());
            }
        }
        Err(Error::new(ErrorKind::Store, "others keep changing what is stored").advice("try again").local())
    }

    /// Waits for the store's lock and looks meanwhile for what its holder obtains: with that nobody needs the lock any more,
    /// and a fleet does not queue for it one by one. `None` if it was found.
    async fn lock(&self, conversation: &Conversation) -> Result<Option<StoreLock>, StoreError> {
        let engine = &self.engine;
        let wait = engine.timeouts.store_lock;
        let until = engine.now().monotonic.saturating_add(wait);
        let asked = engine.store_may_answer()?;
        let mut lock = pin!(engine.store.lock(&engine.key, wait));
        loop {
            let left = until.saturating_sub(engine.now().monotonic);
            let pause = LOOK.mul_f64(0.5 + engine.chance.share()).min(left);
            match first(lock.as_mut(), engine.clock.sleep(pause)).await {
                First::One(lock) => {
                    engine.note_silence(asked, lock.as_ref().err());
                    return lock.map(Some);
                }
                First::Other(()) if self.find(conversation).await => return Ok(None),
                First::Other(()) if pause == left => return Err(StoreError::not_in_time()),
                First::Other(()) => {}
            }
        }
    }

    /// Looks, without the lock, whether somebody else has put a live token into the store, and takes it over.
    async fn find(&self, conversation: &Conversation) -> bool {
        let engine = &self.engine;
        let First::One(Ok(Some(record))) = first(engine.load(&engine.key), engine.clock.sleep(LOOK)).await else {
            return false;
        };
        let look = self.see(Some(record), None);
        course(&look.sight) == Course::Adopt && self.take_over(look, conversation).await.is_ok()
    }

    /// Looks into the store, and at what this client has at that moment.
    async fn look(&self, unlocked: Option<&StoreError>) -> Look {
        let engine = &self.engine;
        let (record, trouble) = match engine.load(&engine.key).await {
            Ok(record) => (record, unlocked.cloned()),
            Err(error) => (None, Some(error)),
        };
        if let Some(error) = &trouble {
            tracing::warn!(key = %engine.key, %error, "keyway: the store failed");
        }
        self.see(record, trouble)
    }

    fn see(&self, record: Option<Record>, trouble: Option<StoreError>) -> Look {
        let engine = &self.engine;
        let now = engine.now();
        let mut state = engine.state();
        let found = record.as_ref().map(|record| engine.read(&state, record));
        if let Some(Found { stored: Stored::Tombstone(there), .. }) = &found {
            // Also for a store that forgets it.
            state.ended = Some(there.lineage);
        }
        let unsaved = state.unsaved.clone().zip(state.unsaved.as_ref().and_then(|unsaved| {
            let known = engine.read(&state, &unsaved.record).stored;
            if let Stored::Session(known) = known { Some(known) } else { None }
        }));
        let sight = Sight {
            stored: found.as_ref().map(|found| found.stored),
            held: state.held.as_ref().map(|held| Known {
                generation: held.generation,
                token: if state.rejected { course::Token::Ended } else { held.deadlines.token(now) },
                refresh: state.tokens.as_ref().is_some_and(|tokens| state.may_present(engine.salt, tokens)),
            }),
            unsaved: unsaved.as_ref().map(|(unsaved, known)| course::Unsaved { known: *known, over: unsaved.over }),
            ended: state.ended,
            asked: self.flight.reason == Reason::Asked,
            may_refresh: engine.capabilities.renewal.has_refresh_token() && !state.skip_refresh,
            may_spend: trouble.is_none() || !self.rotates(),
            sign_in_spends: engine.capabilities.spent_by_sign_in,
        };
        let held = state.tokens.clone();
        Look { at: now, sight, record, found, held, unsaved: unsaved.map(|(unsaved, _)| unsaved), trouble }
    }

    fn rotates(&self) -> bool {
        self.engine.capabilities.renewal.rotates()
    }

    /// Adopts what is stored. What the vendor handed out to this flight meanwhile is one session too many.
    async fn take_over(&self, look: Look, conversation: &Conversation) -> Result<(), Error> {
        self.adopt(look).await?;
        if let Some(granted) = &conversation.granted {
            self.give_back(&granted.tokens).await;
        }
        Ok(())
    }

    /// Whatever was not saved of ours, the session goes on with theirs; a session that nobody has used is ended.
    async fn adopt(&self, look: Look) -> Result<(), Error> {
        let engine = &self.engine;
        let Some(Found { held: Some(held), tokens: Some(tokens), .. }) = look.found else {
            return Err(Error::protocol("a stored token vanished"));
        };
        let needless = {
            let mut state = engine.state();
            state.check(&self.flight)?;
            let needless = state.take_aside(held.generation);
            engine.note(&mut state, look.at, What::Adopted { generation: held.generation.to_string() });
            engine.publish(&mut state, held, tokens);
            needless
        };
        self.end(needless).await;
        Ok(())
    }

    /// Asks the vendor for a new session.
    async fn sign_in(&self, conversation: &Conversation, look: &Look, refused: Option<Error>) -> Result<Issued, Error> {
        let engine = &self.engine;
        if engine.capabilities.spent_by_sign_in
            && let Some(refused) = refused
        {
            return Err(refused);
        }
        if self.can_wait() {
            return Err(Error::used_to_its_end());
        }
        if engine.capabilities.spent_by_sign_in && self.seed_is_spent(look.record.as_ref()) {
            return Err(Error::seed_spent(engine.capabilities.credential));
        }
        self.flight.signs_in.store(true, Ordering::Release);
        let attempt = Attempt::new(engine.clone(), self.flight.clone(), conversation.clone());
        let outcome = engine.issuer.sign_in(&attempt).await;
        engine.telemetry.signed_in(self.flight.reason, outcome.as_ref().err());
        engine.state().seed_spent |= outcome.is_ok();
        outcome
    }

    /// Where a sign-in takes a person, or leads to another account, none is made while the old token is still good.
    fn can_wait(&self) -> bool {
        let engine = &self.engine;
        let behind = matches!(self.flight.reason, Reason::Early | Reason::Late);
        behind && !engine.capabilities.signs_in_quietly() && engine.state().usable(engine.now()).is_some()
    }

    /// A credential that is itself a refresh token begins one session: what the store or this client has had from it, if
    /// only a tombstone, says that it is spent.
    fn seed_is_spent(&self, stored: Option<&Record>) -> bool {
        let engine = &self.engine;
        stored.is_some_and(|record| record.seed.is_some() && engine.is_ours(record)) || engine.state().seed_spent
    }

    async fn renew(&self, tokens: &Tokens) -> Result<Issued, Error> {
        let attempt = Attempt::new(self.engine.clone(), self.flight.clone(), Conversation::default());
        let outcome = self.engine.issuer.renew(&attempt, tokens).await;
        self.engine.telemetry.renewed(self.flight.reason, outcome.as_ref().err());
        let outcome = outcome.map_err(|error| match error.kind() {
            // Whatever is wrong with the values, it is nothing a person typed.
            ErrorKind::Validation => error.with_kind(ErrorKind::Api),
            _ => error,
        });
        let issued = outcome?;
        // One that comes back is not spent by being used.
        let (used, next) = (tokens.refresh(), issued.tokens.refresh());
        if self.rotates() && next.is_some() && next.map(Secret::expose) != used.map(Secret::expose) {
            self.remember_spent(tokens);
        }
        Ok(Issued { tokens: issued.tokens.keeping(tokens.refresh()), ..issued })
    }

    /// This refresh token is not presented again, wherever it turns up.
    fn remember_spent(&self, tokens: &Tokens) {
        let engine = &self.engine;
        engine.state().spent = tokens.refresh().map(|refresh| fingerprint(engine.salt, refresh));
    }

    fn new_session(&self) -> Place {
        Place { generation: Generation::first(self.engine.chance.next()), renewed: false }
    }

    /// Makes of what the vendor issued something that can be saved and served.
    async fn keep(
        &self,
        issued: Issued,
        place: Place,
        look: &Look,
        conversation: &Conversation,
    ) -> Result<Settled, Error> {
        let engine = &self.engine;
        let now = engine.now();
        let Issued { tokens, profile } = issued;
        let evicted = conversation.end_session().is_some();
        let record = engine.record(&tokens, place.generation, now, evicted);
        let born = match self.flight.reason {
            Reason::Rejected => Born::OfRejection,
            Reason::TooShort => Born::OfNeed,
            _ => Born::Here,
        };
        // First, so that a token no header can carry is neither saved nor served.
        let held = Held { evicted, ..engine.hold(&tokens, place.generation, now, born)? };
        let Place { renewed, .. } = place;
        let obtained =
            Obtained { record, held, tokens, profile, renewed, replaces: look.held_generation(), was_aside: false };
        self.settle(obtained, look.stored_generation()).await
    }

    /// A flight that was lost had obtained this, and had not come to saving or serving it.
    async fn salvage(&self, look: &Look) -> Result<Settled, Error> {
        let engine = &self.engine;
        let obtained = look.unsaved.as_ref().and_then(|unsaved| {
            let found = engine.read(&engine.state(), &unsaved.record);
            let (record, replaces) = (unsaved.record.clone(), look.held_generation());
            let (held, tokens) = (found.held?, found.tokens?);
            Some(Obtained { record, held, tokens, profile: None, renewed: unsaved.renewed, replaces, was_aside: true })
        });
        let obtained = obtained.ok_or_else(|| Error::protocol("an unsaved token vanished"))?;
        self.settle(obtained, look.stored_generation()).await
    }

    /// Saved before it is served. A store that fails now costs nobody a sign-in: the token is kept in memory.
    async fn settle(&self, mut obtained: Obtained, mut expected: Option<Generation>) -> Result<Settled, Error> {
        let engine = &self.engine;
        for _ in 0..SAVES {
            self.put_aside(&mut obtained, expected).await?;
            match engine.swap(&engine.key, expected, obtained.record.clone()).await {
                Ok(true) => return self.serve_saved(obtained).await,
                Ok(false) => {}
                Err(error) => return self.serve_unsaved(obtained, expected, error).await,
            }
            let look = self.look(None).await;
            if let Some(trouble) = look.trouble {
                return self.serve_unsaved(obtained, expected, trouble).await;
            }
            match overtaken(obtained.generation(), obtained.replaces, look.sight.stored) {
                Overtaken::SaveOver(there) => expected = there,
                Overtaken::Keep => return self.serve_unsaved(obtained, expected, StoreError::taken()).await,
                Overtaken::Adopt => {
                    let (ours, theirs) = (obtained.generation(), look.stored_generation());
                    let needless = theirs.is_some_and(|theirs| is_one_too_many(ours, obtained.renewed, theirs));
                    let adopted = self.adopt(look).await;
                    // It was aside, and a sign-out has dropped that.
                    if adopted.is_err() && needless && self.is_signed_out() {
                        self.give_back(&obtained.tokens).await;
                    }
                    return adopted.map(|()| Settled::Served);
                }
                Overtaken::Withdraw => {
                    self.drop_aside(&obtained);
                    self.give_back(&obtained.tokens).await;
                    return Ok(Settled::LookAgain);
                }
            }
        }
        self.serve_unsaved(obtained, expected, StoreError::taken()).await
    }

    /// Until it is saved or served, whoever flies next finds it here: a runtime may end at any await. A flight whose place
    /// was taken may still save what nobody can obtain again: what it was obtained with is spent.
    async fn put_aside(&self, obtained: &mut Obtained, over: Option<Generation>) -> Result<(), Error> {
        let (beaten, needless) = {
            let mut state = self.engine.state();
            let beaten = state.beaten(&self.flight);
            let ends = beaten.is_some_and(|beaten| self.fate(beaten, obtained) == Fate::Withdraw);
            if ends || (beaten.is_some() && state.knows_better_than(obtained.generation())) {
                (beaten, ends.then(|| obtained.record.clone()))
            } else {
                let unsaved = Unsaved { record: obtained.record.clone(), over, renewed: obtained.renewed, lock: None };
                obtained.was_aside = true;
                (None, state.put_aside(unsaved))
            }
        };
        self.end(needless).await;
        beaten.map_or(Ok(()), |beaten| Err(beaten.error()))
    }

    fn fate(&self, beaten: Beaten, obtained: &Obtained) -> Fate {
        // Whether another one can be had with what this one was obtained with.
        let replaceable = !obtained.renewed && !self.engine.capabilities.spent_by_sign_in;
        fate(beaten, replaceable, obtained.was_aside)
    }

    fn is_signed_out(&self) -> bool {
        self.engine.state().beaten(&self.flight) == Some(Beaten::BySignOut)
    }

    fn drop_aside(&self, obtained: &Obtained) {
        self.engine.state().unsaved.take_if(|unsaved| unsaved.generation() == obtained.generation());
    }

    async fn serve_saved(&self, obtained: Obtained) -> Result<Settled, Error> {
        self.drop_aside(&obtained);
        self.serve_or_withdraw(obtained, None).await
    }

    async fn serve_unsaved(
        &self,
        obtained: Obtained,
        over: Option<Generation>,
        why: StoreError,
    ) -> Result<Settled, Error> {
        // What it replaces is spent and still stands in the store: nobody else may find it there.
        let lock = self.flight.share_lock().filter(|_| obtained.renewed && self.rotates());
        let unsaved = Unsaved { record: obtained.record.clone(), over, renewed: obtained.renewed, lock };
        self.serve_or_withdraw(obtained, Some((unsaved, why))).await
    }

    /// What was signed out meanwhile is ended. What another flight has taken the place of is in the store or aside, or that
    /// flight has it by now.
    async fn serve_or_withdraw(
        &self,
        obtained: Obtained,
        unsaved: Option<(Unsaved, StoreError)>,
    ) -> Result<Settled, Error> {
        let (generation, tokens) = (obtained.generation(), obtained.tokens.clone());
        let beaten = match self.serve(obtained, unsaved) {
            Ok(outcome) => return outcome.map(|()| Settled::Served),
            Err(beaten) => beaten,
        };
        if beaten == Beaten::BySignOut {
            self.withdraw(&tokens, generation).await;
        }
        Err(beaten.error())
    }

    /// Publishes what was obtained, unless this flight is beaten: that is the outer error. A token that is dead on arrival
    /// displaces none that is alive.
    fn serve(&self, obtained: Obtained, unsaved: Option<(Unsaved, StoreError)>) -> Result<Result<(), Error>, Beaten> {
        let engine = &self.engine;
        let now = engine.now();
        let Obtained { held, tokens, profile, renewed, .. } = obtained;
        let mut state = engine.state();
        if let Some(beaten) = state.beaten(&self.flight) {
            return Err(beaten);
        }
        if held.evicted {
            engine.note(&mut state, now, What::Evicted);
        }
        state.note_success(engine, &self.flight, held.generation, renewed, now);
        state.unsaved = None;
        if let Some((unsaved, why)) = unsaved {
            state.note_unsaved(engine, &why, now);
            state.unsaved = Some(unsaved.clone());
            engine.save_later(unsaved);
        }
        if profile.is_some() {
            state.profile = profile;
        }
        let dead = held.deadlines.left(now) < SHORTEST;
        if !dead || state.usable(now).is_none() {
            engine.publish(&mut state, held, tokens);
        }
        Ok(if dead { Err(Error::dead_on_arrival()) } else { Ok(()) })
    }

    /// Ends what was obtained, also in the store: a sign-out may have looked there before this was in it.
    async fn withdraw(&self, tokens: &Tokens, generation: Generation) {
        let _ = self.engine.bury(Some(generation)).await;
        self.give_back(tokens).await;
    }

    /// Ends a session that never got into the store and that nobody has used.
    async fn end(&self, needless: Option<Record>) {
        if let Some((tokens, _)) = needless.and_then(|record| record.tokens(self.engine.now())) {
            self.give_back(&tokens).await;
        }
    }

    /// The vendor is told of a token that nobody will use, so that no session is left behind.
    async fn give_back(&self, tokens: &Tokens) {
        if !matches!(self.engine.issuer.sign_out(tokens).await, Ok(SignOut::Revoked)) {
            tracing::warn!(key = %self.engine.key, "keyway: a token that came too late could not be revoked");
        }
    }
}

/// What a flight has found in the store, and what this client had at that moment.
struct Look {
    at: Now,
    sight: Sight,
    record: Option<Record>,
    found: Option<Found>,
    /// The held token with its refresh token.
    held: Option<Tokens>,
    unsaved: Option<Unsaved>,
    /// Why the store cannot be relied on.
    trouble: Option<StoreError>,
}

impl Look {
    fn held_generation(&self) -> Option<Generation> {
        self.sight.held.map(|held| held.generation)
    }

    fn stored_generation(&self) -> Option<Generation> {
        self.sight.stored.map(|stored| stored.generation())
    }

    fn tokens(&self, source: Source) -> Option<Tokens> {
        match source {
            Source::Held => self.held.clone(),
            Source::Stored => self.found.as_ref()?.tokens.clone(),
            Source::Unsaved => self.unsaved.as_ref()?.record.tokens(self.at).map(|(tokens, _)| tokens),
        }
    }

    /// A token that rotates must not be spent without the store: two processes would spend the same one.
    fn refusal(&self) -> Error {
        let what = self.trouble.as_ref().map(ToString::to_string).unwrap_or_default();
        Error::new(ErrorKind::Store, format!("the session store failed: {what}"))
            .advice("the session is not renewed without it, because its refresh token may only be spent once")
    }
}

/// A record as this client sees it.
pub(super) struct Found {
    pub(super) stored: Stored,
    /// Ready to be served, if it is a session of ours.
    held: Option<Held>,
    tokens: Option<Tokens>,
}

impl Engine {
    /// What a record is to this client.
    pub(super) fn read(&self, state: &State, record: &Record) -> Found {
        let (generation, now) = (record.generation, self.now());
        let nothing = |stored| Found { stored, held: None, tokens: None };
        let Some((tokens, received)) = record.tokens(now) else { return nothing(Stored::Tombstone(generation)) };
        if !self.is_ours(record) {
            return nothing(Stored::Foreign(generation));
        }
        let evicted = record.kept().is_some_and(|kept| kept.evicted);
        let held = self.hold(&tokens, generation, received, Born::Elsewhere).ok();
        let held = held.map(|held| Held { evicted, ..held });
        // A token that no header can carry may still have a refresh token.
        let token = held.as_ref().map_or(course::Token::Ended, |held| held.deadlines.token(now));
        let known = Known { generation, token, refresh: state.may_present(self.salt, &tokens) };
        Found { stored: Stored::Session(known), held, tokens: Some(tokens) }
    }
}

/// Where a token belongs.
struct Place {
    generation: Generation,
    /// Whether it continues a session.
    renewed: bool,
}

impl Place {
    fn after(generation: Generation) -> Self {
        Self { generation, renewed: true }
    }
}

/// What a flight obtained, on its way to being saved and served.
struct Obtained {
    record: Record,
    held: Held,
    tokens: Tokens,
    profile: Option<Profile>,
    renewed: bool,
    /// What was held when it was asked for.
    replaces: Option<Generation>,
    /// It has stood aside: whoever takes this flight's place goes on with it, or ends it.
    was_aside: bool,
}

impl Obtained {
    fn generation(&self) -> Generation {
        self.held.generation
    }
}

/// How it ended for what was obtained.
enum Settled {
    Served,
    /// It is of no use any more.
    LookAgain,
}

impl StoreError {
    /// Why it has not taken a token although it works.
    fn taken() -> Self {
        Self::new("others keep changing what is stored")
    }
}

impl Error {
    fn seed_spent(credential: &str) -> Self {
        Self::new(ErrorKind::SignInRequired, format!("what {credential} gave has begun a session before and is spent"))
            .advice("give the builder a new one")
            .local()
    }

    fn used_to_its_end() -> Self {
        Self::new(ErrorKind::SignInRequired, "the session can be renewed no longer, and is used to its end")
            .advice("nothing is to be done before that")
    }

    fn dead_on_arrival() -> Self {
        Self::protocol("the vendor issued a token that ends at once, or had ended before")
            .advice("check this machine's clock and the vendor's")
    }
}

impl State {
    fn note_success(&mut self, engine: &Engine, flight: &Flight, generation: Generation, renewed: bool, now: Now) {
        let took = now.monotonic.saturating_sub(flight.started.monotonic);
        let (reason, generation) = (flight.reason, generation.to_string());
        let what = match renewed {
            true => What::Renewed { reason, took, generation },
            false if engine.capabilities.renewal == Renewal::Static => What::Given { generation },
            false => What::SignedIn { reason, took, generation },
        };
        engine.note(self, now, what);
    }

    fn note_unsaved(&mut self, engine: &Engine, why: &StoreError, now: Now) {
        tracing::warn!(key = %engine.key, error = %why, "keyway: the store did not take the new token; it is kept in memory");
        engine.note(self, now, What::NotSaved { why: why.to_string() });
    }

    /// Whether this refresh token, if it is one, has not been refused.
    fn may_present(&self, salt: u64, tokens: &Tokens) -> bool {
        let refresh = tokens.refresh().map(|refresh| fingerprint(salt, refresh));
        refresh.is_some() && refresh != self.spent
    }

    /// Whether what is held or not saved yet makes this one needless.
    fn knows_better_than(&self, generation: Generation) -> bool {
        let held = self.held.as_ref().map(|held| held.generation);
        let unsaved = self.unsaved.as_ref().map(Unsaved::generation);
        held.into_iter().chain(unsaved).any(|known| !generation.is_after(known))
    }

    /// Answers what was aside until now, if it is one too many.
    fn put_aside(&mut self, unsaved: Unsaved) -> Option<Record> {
        let needless = self.take_aside(unsaved.generation());
        self.unsaved = Some(unsaved);
        needless
    }

    /// Nothing is aside any more, because of another token. If that leaves a session that nobody has used, it has to be
    /// ended.
    fn take_aside(&mut self, other: Generation) -> Option<Record> {
        let unsaved = self.unsaved.take()?;
        let (ours, used) = (unsaved.generation(), self.held.as_ref().map(|held| held.generation));
        let needless = used != Some(ours) && is_one_too_many(ours, unsaved.renewed, other);
        needless.then_some(unsaved.record)
    }

    fn held_lease(&self) -> Option<Lease> {
        self.held.as_ref().filter(|_| !self.signed_out).map(|held| Lease::of(held.clone()))
    }
}

/// Where a token came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Born {
    Here,
    /// Because the vendor answered 401 to its predecessor.
    OfRejection,
    /// Because somebody needed a token for longer than its predecessor would live.
    OfNeed,
    /// Found in the store, or aside: it may be near its end.
    Elsewhere,
}

pub(super) enum Asked {
    Answered(Answer),
    /// The vendor handed out the session meanwhile.
    Granted(Issued),
    Nobody(Why),
}

/// Why a question stays open.
pub(super) enum Why {
    /// There is nobody to ask.
    Unattended,
    Declined,
    /// Somebody was asked and is still thinking.
    TooLate,
    /// One answer after the other was wrong.
    TooOften,
    /// The policy picked no session.
    NoneFits,
}

impl Why {
    fn word(&self, error: Error) -> Error {
        match self {
            Self::Unattended => error,
            Self::Declined => error.with_kind(ErrorKind::Declined).message("the responder was asked and declined"),
            Self::TooLate => error
                .with_kind(ErrorKind::Declined)
                .message("the responder was asked and did not answer in time (.timeouts(..), `person`)"),
            Self::TooOften => error.message("the vendor refused every answer; the sign-in was given up"),
            Self::NoneFits => error
                .message("the account has as many sessions as it may have, and .session_limit(..) found none to end"),
        }
    }
}

/// What came first.
pub(crate) enum First<A, B> {
    One(A),
    Other(B),
}

/// Waits for whichever completes first; if both have, the first one counts.
pub(crate) async fn first<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> First<A, B> {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(move |context| {
        if let Poll::Ready(done) = Pin::as_mut(&mut one).poll(context) {
            return Poll::Ready(First::One(done));
        }
        Pin::as_mut(&mut other).poll(context).map(First::Other)
    })
    .await
}

impl Held {
    pub(super) fn was_born_of_rejection(&self) -> bool {
        self.born == Born::OfRejection
    }
}
