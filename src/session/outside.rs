//! What the engine talks to: the store, the vendor, and the responder that stands in for a person.

use super::{
    attempt::Attempt,
    dialogue::{About, Answer, Ask},
    eviction::EvictionPolicy,
    issuer::DynIssuer,
    operation::{Event, Purpose, StoreOp, VendorOp},
    responder::DynResponder,
    rules::Rules,
    run::Revocation,
};
use crate::{
    chance::Chance,
    store::{DynStore, Fingerprint, Generation, Key, Record, RecordState, StoreError, StoreLock},
};
use std::sync::Arc;

pub(super) struct Outside {
    pub(super) rules: Arc<Rules>,
    pub(super) store: Arc<dyn DynStore>,
    pub(super) issuer: Arc<dyn DynIssuer>,
    pub(super) responder: Option<Arc<dyn DynResponder>>,
    pub(super) evict: EvictionPolicy,
    pub(super) chance: Chance,
}

/// What the store answers: only a lock is more than plain data.
#[allow(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
pub(super) enum StoreAnswer {
    Event(Event),
    Lock(Result<StoreLock, StoreError>),
}

impl Outside {
    /// `lock`: the one that is held, where it is to be extended or left.
    pub(super) async fn store(&self, what: StoreOp, lock: Option<StoreLock>) -> StoreAnswer {
        let (key, ledger) = (&self.rules.key, &self.rules.ledger);
        StoreAnswer::Event(match what {
            StoreOp::Lock(wait) => return StoreAnswer::Lock(self.store.lock(key, wait).await),
            StoreOp::Extend(needed) => Event::Extended(match lock {
                Some(lock) => lock.extend(needed).await,
                None => false,
            }),
            StoreOp::Unlock => self.unlock(lock).await,
            StoreOp::Load => Event::Loaded(self.load(key).await),
            StoreOp::LoadAttempts => Event::Loaded(self.load(ledger).await),
            StoreOp::Save { expected, record, purpose } => {
                let record = self.with_seed(record, purpose);
                Event::Saved(self.store.compare_and_swap(key, expected, record).await)
            }
            StoreOp::SaveAttempts { expected, attempts } => {
                let generation = expected.map_or_else(|| Generation::first(self.chance.next()), Generation::next);
                let record = Record { attempts, ..Record::new(ledger, generation, RecordState::Nothing) };
                Event::Saved(self.store.compare_and_swap(ledger, expected, record).await)
            }
        })
    }

    async fn unlock(&self, lock: Option<StoreLock>) -> Event {
        if let Some(lock) = lock
            && let Err(error) = lock.release().await
        {
            tracing::debug!(key = %self.rules.key, %error, "keyway: the store's lock was not left; it ends by itself");
        }
        Event::Unlocked
    }

    pub(super) async fn vendor(&self, what: VendorOp, attempt: &Attempt) -> Event {
        match &what {
            VendorOp::SignIn(_) => Event::Issued(what.clone(), self.issuer.sign_in(attempt).await),
            VendorOp::Renew(token) => Event::Issued(what.clone(), self.issuer.renew(attempt, &token.tokens).await),
            VendorOp::Poll(device) => Event::Polled(self.issuer.poll(attempt, device).await),
        }
    }

    pub(super) async fn revoke(&self, what: Revocation) -> Event {
        Event::Revoked(self.issuer.sign_out(&what.token.tokens).await)
    }

    pub(super) async fn person(&self, Ask { question, policy }: Ask) -> Event {
        Event::Answered(match (question.about, &self.responder) {
            (About::Session(limit), _) if policy => self.evict.pick(&limit).await.map(Answer::Session),
            (_, None) => None,
            (About::Captcha(captcha), Some(person)) => person.captcha(captcha).await.map(Answer::Captcha),
            (About::Session(limit), Some(person)) => person.choose_session(limit).await.map(Answer::Session),
            (About::AccessKey(key), Some(person)) => person.access_key(key).await.map(Answer::AccessKey),
            (About::SignInPage(page), Some(person)) => person.sign_in_page(page).await.map(Answer::Redirect),
            (About::SecondFactor(factor), Some(person)) => person.second_factor(factor).await.map(Answer::SecondFactor),
            (About::Device(device), Some(person)) => person.device_code(device).await.map(|()| Answer::DeviceCode),
        })
    }

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
}
