//! A vendor that keeps books, and says so of every answer that was on its way.

use keyway::{
    DeviceCode, Error, Generation, Key, MemoryStore, Record, Session, Store, StoreError, StoreLock,
    custom::{self, Attempt, Capabilities, Issued, Issuer, Polled, Renewal, Tokens},
    testing::ManualClock,
};
use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

/// A vendor in this process, whose refresh tokens rotate: how often a run was polled says exactly where it is.
#[derive(Clone, Default)]
pub(super) struct Vendor(pub(super) Arc<Mutex<Books>>);

#[derive(Default)]
pub(super) struct Books {
    pub(super) by_device: bool,
    /// The one refresh token that is good.
    pub(super) current: usize,
    pub(super) sign_ins: usize,
    pub(super) renewals: usize,
    pub(super) reuses: usize,
    /// Answers that never arrived.
    pub(super) lost: usize,
}

/// An answer on its way.
struct Letter(Vendor, bool);

impl Drop for Letter {
    fn drop(&mut self) {
        if !self.1 {
            self.0.0.lock().unwrap().lost += 1;
        }
    }
}

impl Vendor {
    /// With a budget, so that attempts are counted in the store too.
    pub(super) fn client(&self, store: MemoryStore, clock: &ManualClock) -> Session {
        let builder = custom::Client::builder("https://vendor.example").issuer(self.clone()).principal("till-7");
        builder.store(Stepping(store)).clock(clock.clone()).build().unwrap().session().clone()
    }

    async fn answer(&self) -> Issued {
        let number = {
            let mut books = self.0.lock().unwrap();
            books.current = books.sign_ins + books.renewals;
            books.current
        };
        let mut letter = Letter(self.clone(), false);
        tokio::task::yield_now().await;
        letter.1 = true;
        Issued::new(format!("access-{number}")).with_refresh(number.to_string()).lives_for(Duration::from_secs(600))
    }
}

impl Issuer for Vendor {
    fn describe(&self) -> Capabilities {
        let capabilities = Capabilities::new("vendor", ".password(..)").budget(10, Duration::from_secs(600));
        capabilities.renewal(Renewal::RefreshToken { rotates: true })
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        if self.0.lock().unwrap().by_device {
            let device = DeviceCode::new("device-code", "WDJB", "https://vendor.example", Duration::from_secs(600));
            return Err(Error::device_code_required(device));
        }
        let _permit = attempt.acquire().await?;
        tokio::task::yield_now().await;
        self.0.lock().unwrap().sign_ins += 1;
        Ok(self.answer().await)
    }

    async fn renew(&self, attempt: &Attempt, tokens: &Tokens) -> Result<Issued, Error> {
        let _permit = attempt.acquire().await?;
        tokio::task::yield_now().await;
        {
            let mut books = self.0.lock().unwrap();
            if tokens.refresh().unwrap().expose() != books.current.to_string() {
                books.reuses += 1;
                return Err(Error::refresh_refused("it was used before"));
            }
            books.renewals += 1;
        }
        Ok(self.answer().await)
    }

    async fn poll(&self, attempt: &Attempt, _: &DeviceCode) -> Result<Polled, Error> {
        let _permit = attempt.acquire().await?;
        self.0.lock().unwrap().sign_ins += 1;
        Ok(Polled::Issued(self.answer().await))
    }
}

/// A store in memory that takes a step before and after each deed.
#[derive(Clone)]
struct Stepping(MemoryStore);

async fn step<T>(deed: impl Future<Output = T>) -> T {
    tokio::task::yield_now().await;
    let done = deed.await;
    tokio::task::yield_now().await;
    done
}

impl Store for Stepping {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        step(self.0.load(key)).await
    }

    async fn compare_and_swap(&self, key: &Key, old: Option<Generation>, new: Record) -> Result<bool, StoreError> {
        step(self.0.compare_and_swap(key, old, new)).await
    }

    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        step(self.0.remove(key)).await
    }

    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        step(self.0.lock(key, wait)).await
    }
}
