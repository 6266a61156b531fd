//! Performs what the core wants done. It decides nothing: it is a loop over [`Core::next`].
//!
//! Each operation is a task of its own, so that one that blocks or hangs can be given up; its answer goes back to the core
//! under its number. Two more tasks keep the time while anything is out or owed: they have the only timers, however many wait.
//! Nothing of a user's (clock, store, issuer, responder, subscriber, the drop of a lock) runs while the state is locked.

use super::{
    Attempt,
    capabilities::Placement,
    core::{Core, Revocation},
    decide::Reason,
    dialogue::{About, Answer},
    evict::Evict,
    issuer::DynIssuer,
    lease::CurrentToken,
    operation::{Ask, Event, Note, Operation, Purpose, StoreOp, VendorOp},
    report::{Report, What},
    responder::DynResponder,
    rules::Rules,
    token::Moment,
};
use crate::{
    Error, Secret,
    chance::Chance,
    clock::{Clock, Now},
    select::{First, first},
    session::telemetry::Telemetry,
    store::{DynStore, Fingerprint, Generation, Key, Record, RecordState, StoreError, StoreLock},
};
use arc_swap::ArcSwapOption;
use http::HeaderMap;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, atomic::AtomicU64},
    time::{Duration, SystemTime},
};
use tokio::{
    runtime::{self, Handle},
    sync::{Notify, oneshot},
    task::AbortHandle,
};
use tracing::Instrument;

tokio::task_local! {
    /// Which engine waits for the callback that runs in this task, and what that is called.
    static CALLBACK: (usize, &'static str);
}

/// Leave to send, with the attempt that was counted for it; or why not.
type Leave = Result<Option<SystemTime>, Error>;

/// What users bring: where sessions are kept, the time, and whoever stands in for a person.
pub(super) type Parts = (Arc<dyn DynStore>, Arc<dyn Clock>, Option<Arc<dyn DynResponder>>);

/// Everything one session is and may do.
pub(super) struct Engine {
    pub(super) rules: Arc<Rules>,
    pub(super) issuer: Arc<dyn DynIssuer>,
    pub(super) telemetry: Telemetry,
    pub(super) store: Arc<dyn DynStore>,
    pub(super) clock: Arc<dyn Clock>,
    /// Whether the monotonic clock alone tells if a token is fresh.
    pub(super) one_clock: bool,
    /// When (monotonic milliseconds) the other clock was looked at as well.
    pub(super) wall_seen: AtomicU64,
    pub(super) responder: Option<Arc<dyn DynResponder>>,
    pub(super) evict: Evict,
    /// Sent with every token, such as the tenant's header.
    pub(super) constant: HeaderMap,
    pub(super) chance: Chance,
    /// Which endpoints have taken a token.
    pub(super) worked: super::worked::Worked,
    /// What the hot path serves: the current token unless it was rejected.
    pub(super) current: ArcSwapOption<CurrentToken>,
    /// Tells those who wait that what they wait for may be there.
    pub(super) changed: Notify,
    /// What the log shows of the run that began last.
    span: Mutex<tracing::Span>,
    /// Tell the tasks that keep the time: one for deadlines, one for what is due.
    timers: [Arc<Notify>; 2],
    /// Everything else. Never locked across an await.
    state: Mutex<State>,
}

/// What the lock guards: the core, and what it cannot hold because it is not plain data.
pub(super) struct State {
    pub(super) core: Core,
    pub(super) report: Report,
    /// What is published, also if it was rejected.
    pub(super) held: Option<Arc<CurrentToken>>,
    lock: Option<StoreLock>,
    tasks: Vec<(u64, AbortHandle)>,
    permits: Vec<(u64, oneshot::Sender<Leave>)>,
    /// Until when (monotonic) the tasks that keep the time sleep.
    armed: [Option<Duration>; 2],
    /// Where it, and what is out, runs.
    pub(super) runtime: Option<runtime::Id>,
    /// What those who wait have been told of.
    told: (u64, u64, u64),
}

/// What is to be done once the state is no longer locked.
#[derive(Default)]
struct Work {
    operations: Vec<Operation>,
    unlocks: Option<StoreLock>,
    dropped: Option<StoreLock>,
    notes: Vec<Note>,
    aborts: Vec<AbortHandle>,
    permits: Vec<(oneshot::Sender<Leave>, Leave)>,
    arms: [Option<bool>; 2],
    tells: bool,
}

impl Engine {
    pub(super) fn new(
        rules: Arc<Rules>,
        issuer: Arc<dyn DynIssuer>,
        parts: Parts,
        evict: Evict,
        constant: HeaderMap,
        chance: Chance,
    ) -> Self {
        let (store, clock, responder) = parts;
        let state = State {
            core: Core::new(rules.clone()),
            report: Report::default(),
            held: None,
            lock: None,
            tasks: Vec::new(),
            permits: Vec::new(),
            armed: [None; 2],
            runtime: None,
            told: (0, 0, 0),
        };
        Self {
            telemetry: Telemetry::new(rules.capabilities.surface),
            rules,
            issuer,
            store,
            one_clock: clock.counts_sleep(),
            clock,
            wall_seen: AtomicU64::new(0),
            responder,
            evict,
            constant,
            chance,
            worked: super::worked::Worked::default(),
            current: ArcSwapOption::empty(),
            changed: Notify::new(),
            span: Mutex::new(tracing::Span::none()),
            timers: Default::default(),
            state: Mutex::new(state),
        }
    }

    pub(super) fn now(&self) -> Now {
        Now::read(&*self.clock)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the state is changed, so a poisoned one is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// A callback that uses the client it works for would wait for itself.
    pub(super) fn is_not_called_back(&self) -> Result<(), Error> {
        let name = CALLBACK.try_with(|(engine, name)| (*engine == self.address()).then_some(*name));
        match name.ok().flatten() {
            Some(name) => Err(Error::called_from_callback(name)),
            None => Ok(()),
        }
    }

    pub(super) async fn calling_back<T>(&self, name: &'static str, work: impl Future<Output = T>) -> T {
        CALLBACK.scope((self.address(), name), work).await
    }

    /// Tells the core what has happened, and does what it wants done next.
    pub(super) fn change<T>(self: &Arc<Self>, happened: impl FnOnce(&mut State, Moment) -> T) -> T {
        let at = Moment { now: self.now(), dice: self.chance.next() };
        let (outcome, work) = {
            let mut state = self.state();
            let outcome = happened(&mut state, at);
            let mut work = Work::default();
            while let Some(operation) = state.core.next(Moment { dice: self.chance.next(), ..at }) {
                work.operations.push(operation);
            }
            state.settle(self, at.now, &mut work);
            (outcome, work)
        };
        self.perform(work);
        outcome
    }

    /// The same where nothing can be done any more, because the runtime ends: the next caller goes on.
    fn lost(self: &Arc<Self>, happened: impl FnOnce(&mut State, Moment)) {
        let at = Moment { now: self.now(), dice: self.chance.next() };
        let work = {
            let mut state = self.state();
            happened(&mut state, at);
            let mut work = Work::default();
            state.settle(self, at.now, &mut work);
            work
        };
        self.tell(work.notes);
        drop((work.dropped, work.unlocks));
        self.changed.notify_waiters();
    }

    fn perform(self: &Arc<Self>, work: Work) {
        let Work { operations, mut unlocks, dropped, notes, aborts, permits, arms, tells } = work;
        drop(dropped);
        aborts.iter().for_each(AbortHandle::abort);
        self.tell(notes);
        if tells {
            self.changed.notify_waiters();
        }
        for (asks, answer) in permits {
            // Whoever has asked may have been given up.
            let _ = asks.send(answer);
        }
        match Handle::try_current() {
            Ok(runtime) => {
                for operation in operations {
                    self.start(&runtime, operation, &mut unlocks);
                }
                for (time, arms) in Time::BOTH.into_iter().zip(arms) {
                    match arms {
                        Some(true) => drop(runtime.spawn(keep_time(TimerTask::of(self, time, &runtime)))),
                        Some(false) => self.timers[time as usize].notify_one(),
                        None => {}
                    }
                }
            }
            Err(_) => operations
                .iter()
                .filter_map(Operation::id)
                .for_each(|id| self.lost(|state, at| _ = state.core.on(id, Event::Lost, at))),
        }
    }

    fn start(self: &Arc<Self>, runtime: &Handle, operation: Operation, unlocks: &mut Option<StoreLock>) {
        let Some(id) = operation.id() else { return };
        let task = Task { engine: self.clone(), id, answered: false };
        let span = self.span();
        let handle = match operation {
            Operation::Store(_, StoreOp::Unlock) => {
                let lock = unlocks.take();
                runtime.spawn(async move { task.unlock(lock).await }.instrument(span))
            }
            Operation::Store(_, what) => runtime.spawn(async move { task.store(what).await }.instrument(span)),
            Operation::Vendor(_, what) => runtime.spawn(async move { task.vendor(what).await }.instrument(span)),
            Operation::Revoke(_, what) => runtime.spawn(async move { task.revoke(what).await }.instrument(span)),
            Operation::Person(_, what) => runtime.spawn(async move { task.person(what).await }.instrument(span)),
            Operation::Permit(..) | Operation::Abort(_) => return,
        };
        let mut state = self.state();
        state.tasks.retain(|(_, task)| !task.is_finished());
        state.tasks.push((id, handle.abort_handle()));
        state.runtime = Some(runtime.id());
    }

    /// Whatever the caller is in, a run is in none of it: it outlives its caller.
    fn begin_span(&self, run: u64, reason: Reason) {
        let span = tracing::debug_span!(parent: None, "keyway.renewal", key = %self.rules.key, attempt = run, ?reason);
        let before = std::mem::replace(&mut *self.span.lock().unwrap_or_else(PoisonError::into_inner), span);
        drop(before);
    }

    fn span(&self) -> tracing::Span {
        self.span.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether what is out was started on another runtime, which nobody may drive any more.
    pub(super) fn runs_elsewhere(&self, state: &State) -> bool {
        let here = Handle::try_current().map(|runtime| runtime.id()).ok();
        state.runtime.is_some() && state.runtime != here
    }

    // ---- The store ----

    async fn load(&self, key: &Key) -> Result<Option<(Record, bool)>, StoreError> {
        match self.store.load(key).await? {
            Some(record) if !record.belongs_to(key) => {
                Err(StoreError::new("it answered with another session's record"))
            }
            Some(record) => {
                let ours = self.is_ours(&record).await;
                Ok(Some((record, ours)))
            }
            None => Ok(None),
        }
    }

    /// Whether a stored session began with the credential this client has.
    async fn is_ours(&self, record: &Record) -> bool {
        match (self.issuer.seed(), &record.seed) {
            (Some(seed), Some(stored)) => stored.matches(seed, record.generation().lineage).await,
            // The same account, whose secret comes from a source on one side at least: its name is in the key.
            _ => true,
        }
    }

    /// The core knows no credential: which one a session began with is added here.
    fn with_seed(&self, record: Record, purpose: Purpose) -> Record {
        match (purpose, self.issuer.seed()) {
            (Purpose::Token, seed) => Record { seed: seed.map(Fingerprint::of), ..record },
            _ => record,
        }
    }

    /// This credential is about to be presented.
    pub(super) fn present(self: &Arc<Self>, secret: &Secret) -> Result<(), Error> {
        let refused = self.state().core.refused_elsewhere();
        let elsewhere = refused.is_some_and(|refused| refused.is_of(secret, 0));
        let mark = super::token::Mark::of(self.rules.salt, secret);
        self.change(|state, _| state.core.present(mark, Fingerprint::of(secret), elsewhere))
    }

    pub(super) async fn acquire(self: &Arc<Self>, asks: u64) -> Result<Option<SystemTime>, Error> {
        let (sender, answer) = oneshot::channel();
        self.change(|state, _| {
            state.permits.push((asks, sender));
            state.core.acquire(asks);
        });
        answer.await.unwrap_or_else(|_| Err(Error::superseded()))
    }
}

impl State {
    /// After each change: what is served is published, what was done is told, and what is to be done is collected.
    fn settle(&mut self, engine: &Engine, now: Now, work: &mut Work) {
        self.publish(engine);
        work.notes = std::mem::take(&mut self.core.notes);
        for note in &work.notes {
            if let Note::Happened(what) = note {
                self.report.add(now.wall, what.clone());
            }
        }
        for operation in &work.operations {
            match operation {
                Operation::Abort(id) => self.abort(*id, work_aborts(&mut work.aborts)),
                Operation::Store(_, StoreOp::Unlock) => work.unlocks = self.lock.take(),
                _ => {}
            }
        }
        let permits = work.operations.extract_if(.., |operation| matches!(operation, Operation::Permit(..)));
        for permit in permits {
            let Operation::Permit(asks, answer) = permit else { continue };
            if let Some(at) = self.permits.iter().position(|(id, _)| *id == asks) {
                work.permits.push((self.permits.swap_remove(at).1, answer));
            }
        }
        if !self.core.locked {
            work.dropped = self.lock.take();
        }
        let told = (self.core.runs, self.core.ended.as_ref().map_or(0, |(id, _)| *id), self.core.sign_outs);
        let at_rest = self.core.is_at_rest() || self.core.sign_out_ended.is_some();
        work.tells = at_rest || std::mem::replace(&mut self.told, told) != told;
        work.arms = Time::BOTH.map(|time| self.arm(time));
    }

    fn abort(&mut self, id: u64, aborts: &mut Vec<AbortHandle>) {
        if let Some(at) = self.tasks.iter().position(|(task, _)| *task == id) {
            aborts.push(self.tasks.swap_remove(at).1);
        }
    }

    /// `Some(true)`: a task that keeps the time is to be started; `Some(false)`: the one there is is to look again.
    fn arm(&mut self, time: Time) -> Option<bool> {
        let wakes = self.wakes(time);
        let armed = &mut self.armed[time as usize];
        match (wakes, *armed) {
            (Some(wakes), None) => {
                *armed = Some(wakes);
                Some(true)
            }
            (Some(wakes), Some(before)) if wakes < before => {
                *armed = Some(wakes);
                Some(false)
            }
            (None, Some(_)) => Some(false),
            _ => None,
        }
    }

    fn wakes(&self, time: Time) -> Option<Duration> {
        match time {
            Time::Deadline => self.core.deadline(),
            Time::Due => self.core.due(),
        }
    }

    fn publish(&mut self, engine: &Engine) {
        let rejected = self.core.rejected;
        let same = match (&self.core.current, &self.held) {
            (Some(token), Some(held)) => Arc::ptr_eq(token, &held.token),
            (None, None) => true,
            _ => false,
        };
        if !same {
            let placement: &Placement = &engine.rules.capabilities.placement;
            let current = self.core.current.clone();
            self.held = current.and_then(|token| CurrentToken::new(token, placement, &engine.constant)).map(Arc::new);
        }
        let served = self.held.clone().filter(|_| !rejected);
        let there = engine.current.load();
        let published = match (&*there, &served) {
            (Some(there), Some(served)) => Arc::ptr_eq(there, served),
            (None, None) => true,
            _ => false,
        };
        if !published {
            engine.current.store(served);
        }
    }
}

fn work_aborts(aborts: &mut Vec<AbortHandle>) -> &mut Vec<AbortHandle> {
    aborts
}

impl Operation {
    fn id(&self) -> Option<u64> {
        match self {
            Self::Store(id, _) | Self::Vendor(id, _) | Self::Revoke(id, _) | Self::Person(id, _) => Some(*id),
            Self::Permit(..) | Self::Abort(_) => None,
        }
    }
}

/// One operation under way. Its drop tells when it ends without an answer.
struct Task {
    engine: Arc<Engine>,
    id: u64,
    answered: bool,
}

impl Task {
    fn answer(mut self, event: Event) {
        self.answered = true;
        let id = self.id;
        self.engine.change(|state, at| state.core.on(id, event, at));
    }

    async fn store(self, what: StoreOp) {
        let engine = self.engine.clone();
        let (key, ledger) = (&engine.rules.key, &engine.rules.ledger);
        let work = async {
            match what {
                StoreOp::Lock(wait) => return Err(engine.store.lock(key, wait).await),
                StoreOp::Extend(needed) => {
                    let lock = engine.state().lock.as_ref().map(StoreLock::share);
                    Ok(Event::Extended(match lock {
                        Some(lock) => lock.extend(needed).await,
                        None => false,
                    }))
                }
                StoreOp::Load => Ok(Event::Loaded(engine.load(key).await)),
                StoreOp::LoadAttempts => Ok(Event::Loaded(engine.load(ledger).await)),
                StoreOp::Save { over, record, purpose } => {
                    let record = engine.with_seed(record, purpose);
                    Ok(Event::Saved(engine.store.compare_and_swap(key, over, record).await))
                }
                StoreOp::SaveAttempts { over, attempts } => {
                    let generation = over.map_or_else(|| Generation::first(engine.chance.next()), Generation::next);
                    let record = Record { attempts, ..Record::new(ledger, generation, RecordState::Nothing) };
                    Ok(Event::Saved(engine.store.compare_and_swap(ledger, over, record).await))
                }
                StoreOp::Unlock => Ok(Event::Unlocked),
            }
        };
        match engine.calling_back(".store(..)", work).await {
            Ok(event) => self.answer(event),
            Err(lock) => self.locked(lock),
        }
    }

    /// A lock that is not wanted any more is left at once.
    fn locked(mut self, lock: Result<StoreLock, StoreError>) {
        self.answered = true;
        let id = self.id;
        let unwanted = self.engine.change(|state, at| match lock {
            Err(error) => {
                state.core.on(id, Event::Locked(Err(error)), at);
                None
            }
            Ok(lock) if state.core.on(id, Event::Locked(Ok(())), at) => state.lock.replace(lock),
            Ok(lock) => Some(lock),
        });
        drop(unwanted);
    }

    async fn unlock(self, lock: Option<StoreLock>) {
        if let Some(lock) = lock
            && let Err(error) = self.engine.calling_back(".store(..)", lock.release()).await
        {
            tracing::debug!(key = %self.engine.rules.key, %error, "keyway: the store's lock was not left; it ends by itself");
        }
        self.answer(Event::Unlocked);
    }

    async fn vendor(self, what: VendorOp) {
        let engine = self.engine.clone();
        let conversation =
            if let VendorOp::SignIn(conversation) = &what { conversation.clone() } else { Default::default() };
        let attempt = Attempt::new(engine.clone(), self.id, conversation);
        let work = async {
            match &what {
                VendorOp::SignIn(_) => Event::Issued(what.clone(), engine.issuer.sign_in(&attempt).await),
                VendorOp::Renew(token) => {
                    Event::Issued(what.clone(), engine.issuer.renew(&attempt, &token.tokens).await)
                }
                VendorOp::Poll(device) => Event::Polled(engine.issuer.poll(&attempt, device).await),
            }
        };
        let event = engine.calling_back(".issuer(..)", work).await;
        self.answer(event);
    }

    async fn revoke(self, what: Revocation) {
        let engine = self.engine.clone();
        let outcome = engine.calling_back(".issuer(..)", engine.issuer.sign_out(&what.token.tokens)).await;
        self.answer(Event::Revoked(outcome));
    }

    async fn person(self, Ask { question, policy }: Ask) {
        let engine = self.engine.clone();
        let about = question.about.clone();
        let work = async {
            match (about, &engine.responder) {
                (About::Session(limit), _) if policy => engine.evict.pick(&limit).map(Answer::Session),
                (_, None) => None,
                (About::Captcha(captcha), Some(person)) => person.captcha(captcha).await.map(Answer::Captcha),
                (About::Session(limit), Some(person)) => person.choose_session(limit).await.map(Answer::Session),
                (About::AccessKey(key), Some(person)) => person.access_key(key).await.map(Answer::AccessKey),
                (About::Device(device), Some(person)) => person.device_code(device).await.map(|()| Answer::DeviceCode),
            }
        };
        let answer = engine.calling_back(".responder(..)", work).await;
        self.answer(Event::Answered(answer));
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        let id = self.id;
        if std::thread::panicking() {
            self.engine.change(|state, at| state.core.on(id, Event::Panicked, at));
        } else {
            self.engine.lost(|state, at| _ = state.core.on(id, Event::Lost, at));
        }
    }
}

/// What is waited for by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Time {
    Deadline,
    Due,
}

impl Time {
    const BOTH: [Self; 2] = [Self::Deadline, Self::Due];
}

/// A task that keeps the time. It holds no session: when the last client is gone, it ends.
struct TimerTask {
    time: Time,
    engine: Weak<Engine>,
    signal: Arc<Notify>,
    clock: Arc<dyn Clock>,
    /// It has come to its end, and another one may have begun.
    done: bool,
}

impl TimerTask {
    fn of(engine: &Arc<Engine>, time: Time, runtime: &Handle) -> Self {
        engine.state().runtime = Some(runtime.id());
        let (signal, clock) = (engine.timers[time as usize].clone(), engine.clock.clone());
        Self { time, engine: Arc::downgrade(engine), signal, clock, done: false }
    }

    /// How long nothing is to be done. `None`: for ever, or there is no session any more.
    fn pause(&self) -> Option<Duration> {
        let engine = self.engine.upgrade()?;
        let now = engine.now().monotonic;
        let mut state = engine.state();
        let wakes = state.wakes(self.time);
        state.armed[self.time as usize] = wakes;
        wakes.map(|wakes| wakes.saturating_sub(now))
    }
}

async fn keep_time(mut task: TimerTask) {
    while let Some(pause) = task.pause() {
        if pause.is_zero() {
            let Some(engine) = task.engine.upgrade() else { return };
            engine.change(|state, at| state.core.tick(false, at));
            // What is due and cannot be done now is not asked for again and again.
            tokio::task::yield_now().await;
            continue;
        }
        if let First::Other(()) = first(task.signal.notified(), task.clock.sleep(pause)).await {
            let Some(engine) = task.engine.upgrade() else { return };
            engine.change(|state, at| state.core.tick(false, at));
        }
    }
    task.done = true;
}

impl Drop for TimerTask {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.upgrade().filter(|_| !self.done) {
            engine.lost(|state, _| {
                state.armed[self.time as usize] = None;
                state.core.abandoned();
            });
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.timers.iter().for_each(|timer| timer.notify_one());
        // Our own tests read what every session would have told, when it goes.
        #[cfg(feature = "testing")]
        crate::witness::shown("a session", || {
            let state = self.state();
            format!("{} {} {} {:?}", self.rules.key, self.rules.ledger, state.report, state.core.profile)
        });
    }
}

impl Engine {
    /// Into the numbers and into the log.
    fn tell(&self, notes: Vec<Note>) {
        let key = &self.rules.key;
        for note in notes {
            match note {
                Note::Happened(what) => {
                    self.telemetry.happened(&what);
                    if let What::NotSaved { why } = what {
                        tracing::warn!(%key, error = %why, "keyway: the store did not take the new token; it is kept in memory");
                    }
                }
                Note::Wanted { run, reason } => {
                    self.begin_span(run, reason);
                    self.span().in_scope(|| tracing::debug!("keyway: a token is wanted"));
                }
                Note::Asked { renewal: true, reason, failure } => self.telemetry.renewed(reason, failure.as_ref()),
                Note::Asked { renewal: false, reason, failure } => self.telemetry.signed_in(reason, failure.as_ref()),
                Note::Ended { .. } => self.tell_end(&note),
                Note::StoreFailed(error) => tracing::warn!(%key, %error, "keyway: the store failed"),
                Note::LockLost => tracing::warn!(%key, "keyway: the store's lock was lost; looking again"),
                Note::RefreshRefused => tracing::info!(%key, "keyway: the vendor refused the refresh token"),
                Note::SavedLate(saved) => tracing::info!(%key, saved, "keyway: the store answers again"),
                Note::StillUnsaved(error) => tracing::debug!(%key, %error, "keyway: the store still fails"),
                Note::Uncounted(error) => {
                    tracing::warn!(key = %self.rules.ledger, %error, "keyway: the store failed; sign-in attempts are counted in this process only");
                }
                Note::NotRevoked { kind, asked_for: true } => {
                    if kind.is_some() {
                        tracing::warn!(%key, ?kind, "keyway: the vendor was not told of the sign-out");
                    }
                }
                Note::NotRevoked { .. } => {
                    tracing::warn!(%key, "keyway: a token that came too late could not be revoked");
                }
            }
        }
    }

    /// One event per run, with everything the decision was made from. A renewal that works is nobody's news.
    fn tell_end(&self, note: &Note) {
        let Note::Ended { run, sign_outs, reason, left, took, sent, outcome } = note else { return };
        let span = self.span();
        let _inside = span.enter();
        let key = &self.rules.key;
        self.telemetry.landed(*reason, outcome.as_ref().err(), *took);
        let took_ms = took.as_millis() as u64;
        let left_ms = left.map(|left| left.as_millis() as u64);
        match outcome {
            Ok(token) => {
                let (generation, expiry) = (token.map(|(generation, _)| generation), token.map(|(_, expiry)| expiry));
                let generation = generation.map(tracing::field::display);
                tracing::debug!(%key, attempt = run, sign_outs, ?reason, left_ms, took_ms, sent, generation, ?expiry, "keyway: a token was obtained");
            }
            Err(error) => {
                let (kind, wait) = (error.kind(), error.retry_after().map(tracing::field::debug));
                tracing::warn!(%key, attempt = run, sign_outs, ?reason, left_ms, took_ms, sent, ?kind, wait, "keyway: {error}");
            }
        }
    }
}
