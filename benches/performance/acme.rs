//! A vendor inside this process, for what is to be measured without a network.

use keyway::{
    Clock, Error, SystemClock,
    custom::{Attempt, Capabilities, Client, ClientBuilder, Issued, Issuer, Renewal, Tokens},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

#[derive(Clone)]
pub(crate) struct Acme {
    pub(crate) life: Duration,
    pub(crate) takes: Duration,
    pub(crate) issued: Arc<AtomicUsize>,
}

impl Acme {
    pub(crate) fn new(life: Duration, takes: Duration) -> Self {
        Self { life, takes, issued: Arc::default() }
    }

    /// A client of it, whose session may sleep in a store.
    pub(crate) fn client(&self) -> ClientBuilder {
        Client::builder("https://acme.example").issuer(self.clone()).principal("bench")
    }

    pub(crate) fn issued(&self) -> usize {
        self.issued.load(Ordering::SeqCst)
    }

    async fn issue(&self, attempt: &Attempt) -> Result<Issued, Error> {
        let _permit = attempt.acquire().await?;
        if !self.takes.is_zero() {
            SystemClock.sleep(self.takes).await;
        }
        let number = self.issued.fetch_add(1, Ordering::SeqCst);
        let token = format!("{}{number:08}", "t".repeat(32));
        Ok(Issued::new(token).with_refresh(format!("r{number}")).lives_for(self.life))
    }
}

impl Issuer for Acme {
    fn describe(&self) -> Capabilities {
        Capabilities::new("acme", ".password(..)").renewal(Renewal::RefreshToken { rotates: true })
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        self.issue(attempt).await
    }

    async fn renew(&self, attempt: &Attempt, _: &Tokens) -> Result<Issued, Error> {
        self.issue(attempt).await
    }
}
