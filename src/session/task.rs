//! One operation under way, as a task of its own: so that one that blocks or hangs can be given up.

use super::{
    Attempt,
    core::Revocation,
    dialogue::{About, Answer},
    driver::Engine,
    operation::{Ask, Event, Purpose, StoreOp, VendorOp},
};
use crate::store::{Fingerprint, Generation, Key, Record, RecordState, StoreError, StoreLock};
use std::sync::Arc;

/// One operation under way. Its drop tells when it ends without an answer.
pub(super) struct Task {
    engine: Arc<Engine>,
    id: u64,
    answered: bool,
}

impl Task {
    pub(super) fn of(engine: Arc<Engine>, id: u64) -> Self {
        Self { engine, id, answered: false }
    }

    fn answer(mut self, event: Event) {
        self.answered = true;
        let id = self.id;
        self.engine.change(|state, at| state.core.on(id, event, at));
    }

    pub(super) async fn store(self, what: StoreOp) {
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
                StoreOp::Load => Ok(Event::Loaded(self.load(key).await)),
                StoreOp::LoadAttempts => Ok(Event::Loaded(self.load(ledger).await)),
                StoreOp::Save { over, record, purpose } => {
                    let record = self.with_seed(record, purpose);
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

    pub(super) async fn unlock(self, lock: Option<StoreLock>) {
        if let Some(lock) = lock
            && let Err(error) = self.engine.calling_back(".store(..)", lock.release()).await
        {
            tracing::debug!(key = %self.engine.rules.key, %error, "keyway: the store's lock was not left; it ends by itself");
        }
        self.answer(Event::Unlocked);
    }

    pub(super) async fn vendor(self, what: VendorOp) {
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

    pub(super) async fn revoke(self, what: Revocation) {
        let engine = self.engine.clone();
        let outcome = engine.calling_back(".issuer(..)", engine.issuer.sign_out(&what.token.tokens)).await;
        self.answer(Event::Revoked(outcome));
    }

    pub(super) async fn person(self, Ask { question, policy }: Ask) {
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

    // ---- What is stored ----

    async fn load(&self, key: &Key) -> Result<Option<(Record, bool)>, StoreError> {
        match self.engine.store.load(key).await? {
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
        match (self.engine.issuer.seed(), &record.seed) {
            (Some(seed), Some(stored)) => stored.matches(seed, record.generation().lineage).await,
            // The same account, whose secret comes from a source on one side at least: its name is in the key.
            _ => true,
        }
    }

    /// The core knows no credential: which one a session began with is added here.
    fn with_seed(&self, record: Record, purpose: Purpose) -> Record {
        match (purpose, self.engine.issuer.seed()) {
            (Purpose::Token, seed) => Record { seed: seed.map(Fingerprint::of), ..record },
            _ => record,
        }
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
