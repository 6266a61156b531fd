//! Who renews: one detached task per session, whatever happens to those who wait for it.
//!
//! A *flight* is that task. Callers board it and wait for its signal; dropping every one of them changes nothing. If its
//! runtime dies, or it stays silent beyond its patience, the next caller starts another flight, and the old one, should
//! it wake up, finds that it has been overtaken before it sends and before it saves.

use super::{
    Engine, Held, Lease, Profile, Session, SignOut, State,
    attempt::Attempt,
    decide::Reason,
    interact::{About, Answer, Conversation, Question, Resume},
    report::What,
    save::Unsaved,
    tokens::Tokens,
};
use crate::{
    Error, ErrorKind,
    clock::Now,
    store::{Generation, Record, StoreError, StoreLock, fingerprint},
    surfaces::Issued,
};
use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};
use tokio::sync::watch;
use tracing::Instrument;

/// How often a flight takes the store's lock if it loses it again before it could send.
const ROUNDS: u32 = 3;

/// About how often those who wait for the store's lock look whether the token is there already, and how long one look may
/// take.
const LOOK: Duration = Duration::from_secs(1);

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
    /// Whether it has sent something that spends a token or an attempt.
    pub(super) sent: AtomicBool,
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
    /// Whether this flight may still act.
    pub(super) fn check(&self, flight: &Flight) -> Result<(), Error> {
        if self.epoch != flight.epoch {
            return Err(Error::signed_out());
        }
        if self.flight.as_ref().is_none_or(|current| current.id != flight.id) {
            return Err(
                Error::new(ErrorKind::Timeout, "this renewal took too long and another one took its place").local()
            );
        }
        Ok(())
    }
}

impl Engine {
    /// Joins the flight that is under way or starts one. Called with the state locked, so that what was decided still holds.
    pub(super) fn board(
        self: &Arc<Self>,
        state: &mut State,
        reason: Reason,
        conversation: Conversation,
    ) -> Result<Boarding, Error> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| Error::no_runtime())?;
        if let Some(flight) = state.flight.clone() {
            if !flight.patience_left(self.now()).is_zero() {
                return Ok(Boarding { flight, started: false });
            }
            state.give_up(&flight);
        }
        state.flights += 1;
        let started = self.now();
        let flight = Arc::new(Flight {
            id: state.flights,
            epoch: state.epoch,
            reason,
            started,
            left: state.held.as_ref().map(|held| held.deadlines.left(started)),
            signal: watch::Sender::new(Signal::Flying),
            waiting: AtomicUsize::new(0),
            patience: AtomicU64::new(0),
            sent: AtomicBool::new(false),
            lost_lock: AtomicBool::new(false),
            lock: Mutex::new(None),
        });
        flight.be_patient(started, self.timeouts.flight);
        state.flight = Some(flight.clone());
        let pilot = Pilot { engine: self.clone(), flight: flight.clone() };
        let span = tracing::debug_span!("keyway.renewal", key = %self.key, flight = state.flights, ?reason);
        runtime.spawn(pilot.fly(conversation).instrument(span));
        Ok(Boarding { flight, started: true })
    }

    /// Waits for a flight's outcome; `None` when it is lost or silent for too long, and out of the way.
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
                self.state().give_up(flight);
                return None;
            }
            let _ = first(signal.changed(), self.clock.sleep(patience)).await;
        }
    }
}

impl State {
    fn give_up(&mut self, flight: &Flight) {
        if self.flight.as_ref().is_some_and(|current| current.id == flight.id) {
            self.flight = None;
            flight.unlock();
        }
    }
}

impl Flight {
    fn keep_lock(&self, lock: StoreLock) {
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = Some(lock);
    }

    /// Lets go of the store's lock. A flight that lost its place checks that before it sends and before it saves.
    pub(super) fn unlock(&self) {
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(lock);
    }

    /// Whether the lock this flight took is still its own, and will be for as long as is needed. A flight that took none
    /// has nothing to lose.
    pub(super) async fn still_locks(&self, needed: Duration) -> bool {
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(StoreLock::share);
        match lock {
            Some(lock) if !lock.extend(needed).await => {
                self.lost_lock.store(true, Ordering::Release);
                false
            }
            _ => true,
        }
    }

    pub(super) fn be_patient(&self, now: Now, wait: Duration) {
        let until = now.monotonic.saturating_add(wait).as_millis();
        self.patience.store(u64::try_from(until).unwrap_or(u64::MAX), Ordering::Release);
    }

    fn patience_left(&self, now: Now) -> Duration {
        Duration::from_millis(self.patience.load(Ordering::Acquire)).saturating_sub(now.monotonic)
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
            let error = Error::protocol(
                "a sign-in or renewal panicked, in a responder, credential source or store, or in Keyway",
            )
            .advice("see the panic's own message; the next call tries anew");
            self.land(Err(error));
        } else {
            self.engine.state().give_up(&self.flight);
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
        {
            let mut state = engine.state();
            let current = state.flight.as_ref().is_some_and(|current| current.id == self.flight.id);
            if current {
                state.flight = None;
                match &mut outcome {
                    Ok(_) => {
                        state.skip_refresh = false;
                        state.cooldown.succeeded();
                        state.presented = None;
                    }
                    Err(error) => *error = self.failed(&mut state, error.clone(), now),
                }
            }
        }
        self.tell(&outcome, now);
        self.flight.signal.send_replace(Signal::Landed(outcome));
    }

    /// Lets the failure cool down, and has it say until when.
    fn failed(&self, state: &mut State, error: Error, now: Now) -> Error {
        // A refusal that was remembered presents nothing and changes nothing.
        if matches!(error.kind(), ErrorKind::InvalidCredentials | ErrorKind::Validation)
            && let Some(mark) = state.presented.take()
        {
            state.refused = Some((mark, error.clone()));
        }
        let given = self.engine.issuer.seed().is_some();
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
                let (kind, wait) = (error.kind(), error.retry_after());
                tracing::warn!(%key, flight = id, sign_outs = epoch, ?reason, left_ms, took_ms, sent, ?kind, ?wait, "keyway: {error}");
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
        let what = What::Asked { question: question.name(), kind: question.kind() };
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
        }
        self.round_under_lock(conversation).await
    }

    async fn round_under_lock(&self, conversation: &Conversation) -> Result<(), Error> {
        if self.find(conversation).await {
            return Ok(());
        }
        let unlocked = match self.lock(conversation).await {
            Ok(Some(lock)) => {
                self.flight.keep_lock(lock);
                None
            }
            Ok(None) => return Ok(()),
            Err(error) => Some(error),
        };
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
        let engine = &self.engine;
        let stored = engine.load(&engine.key).await;
        let stored = match stored {
            Ok(stored) => stored,
            // Without a refresh token there is nothing that could be spent twice.
            Err(error) if !self.would_spend_a_refresh_token(None) => {
                tracing::warn!(key = %engine.key, %error, "keyway: the store failed");
                None
            }
            Err(error) => self.without_store(&error)?,
        };
        if let Some(record) = &stored
            && self.take_over(record, conversation).await
        {
            return Ok(());
        }
        if let Some(granted) = conversation.granted.clone() {
            return self.keep(granted, stored, false, conversation).await;
        }
        if let Some(error) = &unlocked
            && self.would_spend_a_refresh_token(stored.as_ref())
        {
            self.without_store::<()>(error)?;
        }
        let refresh = self.tokens_to_renew(stored.as_ref());
        let had_refresh = refresh.is_some();
        let (issued, renewed) = self.issue(conversation, refresh, stored.as_ref()).await?;
        self.keep(issued, stored, renewed && had_refresh, conversation).await
    }

    /// Waits for the store's lock and looks meanwhile for what its holder obtains: with that nobody needs the lock any more,
    /// and a fleet does not queue for it one by one. `None` if it was found.
    async fn lock(&self, conversation: &Conversation) -> Result<Option<StoreLock>, StoreError> {
        let engine = &self.engine;
        let wait = engine.timeouts.store_lock;
        let until = engine.now().monotonic.saturating_add(wait);
        let mut lock = pin!(engine.store.lock(&engine.key, wait));
        loop {
            let left = until.saturating_sub(engine.now().monotonic);
            let pause = LOOK.mul_f64(0.5 + engine.chance.share()).min(left);
            match first(lock.as_mut(), engine.clock.sleep(pause)).await {
                First::One(lock) => return lock.map(Some),
                First::Other(()) if self.find(conversation).await => return Ok(None),
                First::Other(()) if pause == left => return Err(StoreError::new("its lock was not free in time")),
                First::Other(()) => {}
            }
        }
    }

    /// Looks, without the lock, whether somebody else has put a live token into the store, and takes it over.
    async fn find(&self, conversation: &Conversation) -> bool {
        let engine = &self.engine;
        match first(engine.load(&engine.key), engine.clock.sleep(LOOK)).await {
            First::One(Ok(Some(record))) => self.take_over(&record, conversation).await,
            _ => false,
        }
    }

    fn would_spend_a_refresh_token(&self, stored: Option<&Record>) -> bool {
        self.engine.capabilities.spent_by_sign_in || self.tokens_to_renew(stored).is_some()
    }

    /// A token that rotates must not be spent without the store: two processes would spend the same one.
    fn without_store<T>(&self, error: &StoreError) -> Result<Option<T>, Error> {
        tracing::warn!(key = %self.engine.key, %error, "keyway: the store failed");
        if self.engine.capabilities.renewal.rotates() {
            return Err(Error::new(ErrorKind::Store, format!("the session store failed: {error}"))
                .advice("the session is not renewed without it, because its refresh token may only be spent once"));
        }
        Ok(None)
    }

    /// Adopts what is stored, if that is live. What the vendor handed out to this flight meanwhile is one session too many.
    async fn take_over(&self, record: &Record, conversation: &Conversation) -> bool {
        let adopted = self.adopt(record);
        if adopted && let Some(granted) = &conversation.granted {
            self.give_back(&granted.tokens, false).await;
        }
        adopted
    }

    /// Takes over a live token that somebody else has put into the store.
    fn adopt(&self, record: &Record) -> bool {
        let engine = &self.engine;
        let now = engine.now();
        if !engine.is_ours(record) {
            return false;
        }
        let mut state = engine.state();
        let known = state.held.as_ref().map(|held| held.generation);
        if state.is_replaced(Some(record.generation)) || state.is_ahead_of(record) {
            return false;
        }
        if known == Some(record.generation) || (known.is_none() && self.flight.reason == Reason::Asked) {
            return false;
        }
        let Some((tokens, received)) = record.tokens(now) else { return false };
        let Ok(held) = engine.hold(&tokens, record.generation, received, Born::Elsewhere) else { return false };
        let held = Held { evicted: record.session.as_ref().is_some_and(|kept| kept.evicted), ..held };
        if !held.deadlines.is_fresh(now) || state.check(&self.flight).is_err() {
            return false;
        }
        engine.note(&mut state, now, What::Adopted { generation: record.generation.to_string() });
        engine.publish(&mut state, held, tokens);
        true
    }

    /// The tokens to renew, with their refresh token: the store's, unless the store went back to older ones than ours.
    fn tokens_to_renew(&self, stored: Option<&Record>) -> Option<Tokens> {
        let engine = &self.engine;
        if !engine.capabilities.renewal.has_refresh_token() {
            return None;
        }
        let now = engine.now();
        let state = engine.state();
        if state.skip_refresh {
            return None;
        }
        let tokens = match (&state.unsaved, stored) {
            (Some(unsaved), _) => unsaved.record.tokens(now)?.0,
            (None, Some(record)) if state.is_ahead_of(record) => state.tokens.clone()?,
            (None, Some(record)) if engine.is_ours(record) => record.tokens(now)?.0,
            (None, Some(_)) => return None,
            (None, None) => state.tokens.clone()?,
        };
        let spent = state.spent.as_ref() == Some(&fingerprint(engine.salt, tokens.refresh()?));
        (!spent).then_some(tokens)
    }

    /// Asks the vendor. `true` if the answer continues the session, `false` if it begins a new one.
    async fn issue(
        &self,
        conversation: &Conversation,
        tokens: Option<Tokens>,
        stored: Option<&Record>,
    ) -> Result<(Issued, bool), Error> {
        let engine = &self.engine;
        if let Some(tokens) = tokens {
            match self.renew(&tokens).await {
                Err(refused) if refused.kind() == ErrorKind::SignInRequired => {
                    tracing::info!(key = %engine.key, "keyway: the vendor refused the refresh token");
                    engine.state().spent = tokens.refresh().map(|refresh| fingerprint(engine.salt, refresh));
                    if engine.capabilities.spent_by_sign_in {
                        return Err(refused);
                    }
                }
                outcome => return outcome.map(|issued| (issued, true)),
            }
        }
        if self.can_wait() {
            return Err(Error::used_to_its_end());
        }
        if engine.capabilities.spent_by_sign_in && self.seed_is_spent(stored) {
            return Err(Error::seed_spent(engine.capabilities.credential));
        }
        let attempt = Attempt::new(engine.clone(), self.flight.clone(), conversation.clone());
        let outcome = engine.issuer.sign_in(&attempt).await;
        engine.telemetry.signed_in(self.flight.reason, outcome.as_ref().err());
        outcome.map(|issued| (issued, false))
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

    /// If the answer was torn, the vendor may have rotated the token or not: one further try tells.
    async fn renew(&self, tokens: &Tokens) -> Result<Issued, Error> {
        let engine = &self.engine;
        let attempt = Attempt::new(engine.clone(), self.flight.clone(), Conversation::default());
        let ask = async || {
            let outcome = engine.issuer.renew(&attempt, tokens).await;
            engine.telemetry.renewed(self.flight.reason, outcome.as_ref().err());
            outcome
        };
        let outcome = match ask().await {
            // Whatever is wrong with the values, it is nothing a person typed.
            Err(refused) if refused.kind() == ErrorKind::Validation => Err(refused.with_kind(ErrorKind::Api)),
            Err(torn) if torn.is_outcome_unknown() && engine.capabilities.renewal.rotates() => ask().await,
            outcome => outcome,
        };
        outcome.map(|issued| Issued { tokens: issued.tokens.keeping(tokens.refresh()), ..issued })
    }

    /// Saved before it is served. A store that fails now costs nobody a sign-in: the token is kept in memory.
    async fn keep(
        &self,
        issued: Issued,
        stored: Option<Record>,
        renewed: bool,
        conversation: &Conversation,
    ) -> Result<(), Error> {
        let engine = &self.engine;
        let now = engine.now();
        let Issued { tokens, profile } = issued;
        let expected = stored.as_ref().map(Record::generation);
        let generation = engine.next_generation(expected, renewed);
        let evicted = conversation.end_session().is_some();
        let record = engine.record(&tokens, generation, now, evicted);
        let born = if self.flight.reason == Reason::Rejected { Born::OfRejection } else { Born::Here };
        // First, so that a token no header can carry is neither saved nor served.
        let held = Held { evicted, ..engine.hold(&tokens, generation, now, born)? };
        let overtaken = engine.state().check(&self.flight).err();
        if let Some(beaten) = overtaken {
            self.give_back(&tokens, renewed).await;
            return Err(beaten);
        }
        let saved = matches!(engine.swap(&engine.key, expected, record.clone()).await, Ok(true));
        let arrived_dead = !held.deadlines.is_valid(now);
        let unsaved = (!saved).then_some(Unsaved { record, over: expected });
        let beaten = {
            let mut state = engine.state();
            match state.check(&self.flight) {
                Ok(()) => {
                    self.serve(&mut state, Kept { held, tokens, profile, unsaved, renewed }, now);
                    return if arrived_dead { Err(Error::dead_on_arrival()) } else { Ok(()) };
                }
                Err(beaten) => beaten,
            }
        };
        self.give_back(&tokens, renewed).await;
        if saved && engine.state().signed_out {
            // The sign-out looked into the store before this was in it.
            let _ = engine.bury().await;
        }
        Err(beaten)
    }

    /// Publishes what was obtained. A token that is dead on arrival displaces none that is alive.
    fn serve(&self, state: &mut State, kept: Kept, now: Now) {
        let engine = &self.engine;
        let Kept { held, tokens, profile, unsaved, renewed } = kept;
        let (generation, saved) = (held.generation, unsaved.is_none());
        if held.evicted {
            engine.note(state, now, What::Evicted);
        }
        state.unsaved.clone_from(&unsaved);
        state.seed_spent |= !renewed;
        if let Some(unsaved) = unsaved {
            engine.save_later(unsaved);
        }
        state.note_success(engine, &self.flight, generation, renewed, saved, now);
        if profile.is_some() {
            state.profile = profile;
        }
        if held.deadlines.is_valid(now) || state.usable(now).is_none() {
            engine.publish(state, held, tokens);
        } else {
            state.tokens = Some(tokens);
        }
    }

    /// A token that came too late: the vendor is told, so that no session is left behind. One that was renewed
    /// continues a session that somebody else may be using by now, unless that was signed out.
    async fn give_back(&self, tokens: &Tokens, renewed: bool) {
        let signed_out = self.engine.state().epoch != self.flight.epoch;
        if (signed_out || !renewed) && !matches!(self.engine.issuer.sign_out(tokens).await, Ok(SignOut::Revoked)) {
            tracing::warn!(key = %self.engine.key, "keyway: a token that came too late could not be revoked");
        }
    }
}

/// What a round obtained, on its way to being served.
struct Kept {
    held: Held,
    tokens: Tokens,
    profile: Option<Profile>,
    /// If the store did not take it.
    unsaved: Option<Unsaved>,
    renewed: bool,
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
        Self::protocol("the vendor issued a token that had already expired")
            .advice("check this machine's clock and the vendor's")
    }
}

impl State {
    fn note_success(
        &mut self,
        engine: &Engine,
        flight: &Flight,
        generation: Generation,
        renewed: bool,
        saved: bool,
        now: Now,
    ) {
        let took = now.monotonic.saturating_sub(flight.started.monotonic);
        let (reason, generation) = (flight.reason, generation.to_string());
        let what = match renewed {
            true => What::Renewed { reason, took, generation },
            false => What::SignedIn { reason, took, generation },
        };
        engine.note(self, now, what);
        if !saved {
            tracing::warn!(key = %engine.key, "keyway: the store did not take the new token; it is kept in memory");
            engine.note(self, now, What::NotSaved);
        }
    }

    /// Whether the store has gone back to an earlier token of our session, as a restored backup does.
    fn is_ahead_of(&self, record: &Record) -> bool {
        let held = self.held.as_ref().map(|held| held.generation);
        held.is_some_and(|held| held.lineage == record.generation.lineage && held.counter > record.generation.counter)
    }

    fn held_lease(&self) -> Option<Lease> {
        self.held.as_ref().filter(|_| !self.signed_out).map(|held| Lease(held.clone()))
    }
}

/// Where a token came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Born {
    Here,
    /// Because the vendor answered 401 to its predecessor.
    OfRejection,
    /// Put into the store by somebody else.
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
    std::future::poll_fn(move |context| {
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
