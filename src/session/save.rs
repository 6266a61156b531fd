//! Saved is part of renewed. When the store does not take a token now, it is kept in memory and offered again.

use super::{
    Engine, State,
    course::{self, Known, Token},
};
use crate::{
    clock::Clock,
    store::{Generation, Record, StoreError, StoreLock},
};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};

/// The first wait before a token is offered again; it doubles.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// How often a lock is kept up meanwhile.
const EXTEND: Duration = Duration::from_secs(5);
/// How often it is offered before that is left to the next renewal: about a quarter of an hour in all.
const OFFERS: u32 = 20;

/// What the store has not taken.
pub(super) struct Unsaved {
    pub(super) record: Record,
    /// What stood there when it was to be saved.
    pub(super) over: Option<Generation>,
    /// Whether it continues a session. If not, it began one.
    pub(super) renewed: bool,
    /// The store's lock, where what it replaces is spent: nobody else may come by that.
    pub(super) lock: Option<StoreLock>,
}

impl Clone for Unsaved {
    fn clone(&self) -> Self {
        let lock = self.lock.as_ref().map(StoreLock::share);
        Self { record: self.record.clone(), over: self.over, renewed: self.renewed, lock }
    }
}

impl Unsaved {
    pub(super) fn generation(&self) -> Generation {
        self.record.generation()
    }
}

impl Unsaved {
    /// A lock that would end by itself meanwhile is kept up.
    async fn wait(&self, clock: &dyn Clock, wait: Duration) {
        let mut left = wait;
        while let Some(lock) = self.lock.as_ref().filter(|_| left > EXTEND) {
            clock.sleep(EXTEND).await;
            left -= EXTEND;
            lock.extend(2 * EXTEND).await;
        }
        clock.sleep(left).await;
    }
}

impl State {
    /// It is not offered any more: others shall not wait for it.
    fn let_go(&mut self, generation: Generation) {
        if let Some(unsaved) = self.unsaved.as_mut().filter(|unsaved| unsaved.generation() == generation) {
            unsaved.lock = None;
        }
    }
}

impl Engine {
    /// Offers an unsaved record to the store from time to time, for as long as it is the newest and somebody holds the session.
    pub(super) fn save_later(self: &Arc<Self>, unsaved: Unsaved) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (engine, clock) = (Arc::downgrade(self), self.clock.clone());
        runtime.spawn(async move {
            let mut wait = FIRST;
            for _ in 0..OFFERS {
                unsaved.wait(&*clock, wait).await;
                wait = (wait * 2).min(LONGEST);
                if offer(&engine, &unsaved).await {
                    return;
                }
            }
            if let Some(engine) = engine.upgrade() {
                engine.state().let_go(unsaved.generation());
            }
        });
    }

    /// Under the store's lock, so that nobody spends its refresh token in between. `None`: it is not the newest any more.
    async fn try_to_save(&self, unsaved: &Unsaved) -> Result<Option<bool>, StoreError> {
        let lock = match &unsaved.lock {
            Some(lock) if lock.extend(self.timeouts.store_lock).await => lock.share(),
            _ => self.lock().await?,
        };
        if self.state().unsaved.as_ref().map(Unsaved::generation) != Some(unsaved.generation()) {
            return Ok(None);
        }
        let there = self.load(&self.key).await?.map(|record| self.read(&self.state(), &record).stored);
        // What its token is still good for makes no difference here.
        let known = Known { generation: unsaved.generation(), token: Token::Ended, refresh: false };
        if !(course::Unsaved { known, over: unsaved.over }).succeeds(there) {
            return Ok(Some(false));
        }
        if !lock.extend(self.timeouts.store_lock).await {
            return Err(StoreError::new("its lock was lost"));
        }
        let there = there.map(|stored| stored.generation());
        match self.swap(&self.key, there, unsaved.record.clone()).await? {
            true => Ok(Some(true)),
            // Whether it is still wanted is seen when it is offered again.
            false => Err(StoreError::new("somebody else was faster")),
        }
    }

    /// Offers what the store has not taken once more, at once.
    pub(super) async fn save_now(self: &Arc<Self>) {
        let unsaved = self.state().unsaved.clone();
        if let Some(unsaved) = unsaved {
            offer(&Arc::downgrade(self), &unsaved).await;
        }
    }
}

/// `true` when there is nothing left to do.
async fn offer(engine: &Weak<Engine>, unsaved: &Unsaved) -> bool {
    let Some(engine) = engine.upgrade() else { return true };
    let generation = unsaved.generation();
    let epoch = engine.state().epoch;
    match engine.try_to_save(unsaved).await {
        Ok(None) => true,
        Ok(Some(saved)) => {
            let signed_out = {
                let mut state = engine.state();
                state.unsaved.take_if(|unsaved| unsaved.generation() == generation);
                state.epoch != epoch
            };
            if saved && signed_out {
                // The sign-out looked into the store before this was in it.
                let _ = engine.bury(Some(generation)).await;
            }
            tracing::info!(key = %engine.key, saved, "keyway: the store answers again");
            true
        }
        Err(error) => {
            tracing::debug!(key = %engine.key, %error, "keyway: the store still fails");
            false
        }
    }
}
