//! What stands in the place of the vendor: it answers and counts.

use crate::{
    Error, Secret,
    clock::{Clock, PausedClock},
    custom::{Attempt, Capabilities, Issued, Issuer, Renewal, Tokens},
};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

/// What a sign-in or renewal takes.
const TO_VENDOR: Duration = Duration::from_millis(300);
pub(super) const LIFE: Duration = Duration::from_secs(600);

/// A vendor whose refresh tokens rotate, and whose sessions end when a spent one comes again.
pub(super) struct SimulatedVendor {
    pub(super) clock: PausedClock,
    pub(super) ledger: Mutex<VendorBooks>,
}

#[derive(Default)]
pub(super) struct VendorBooks {
    /// It answers 503 to everything, after a while.
    pub(super) down: bool,
    /// It refuses the password.
    pub(super) refuses: bool,
    issued: u64,
    /// The refresh token that is good now.
    good: Option<String>,
    spent: HashSet<String>,
    pub(super) sign_ins: u64,
    pub(super) renewals: u64,
    pub(super) reuses: u64,
}

impl VendorBooks {
    fn sign_in(&mut self) -> Result<Issued, Error> {
        self.sign_ins += 1;
        if self.down {
            return Err(Error::unexpected_status(503));
        }
        if self.refuses {
            return Err(Error::invalid_credentials("the password is wrong"));
        }
        Ok(self.issue())
    }

    fn issue(&mut self) -> Issued {
        self.issued += 1;
        let refresh = format!("refresh-{}", self.issued);
        self.good = Some(refresh.clone());
        Issued::new(format!("access-{}", self.issued)).with_refresh(refresh).lives_for(LIFE)
    }

    fn renew(&mut self, refresh: &str) -> Result<Issued, Error> {
        self.renewals += 1;
        if self.down {
            return Err(Error::unexpected_status(503));
        }
        if self.good.as_deref() == Some(refresh) {
            self.spent.insert(refresh.to_owned());
            return Ok(self.issue());
        }
        if self.spent.contains(refresh) {
            self.reuses += 1;
            self.good = None;
        }
        Err(Error::refresh_refused("it was spent before"))
    }
}

impl SimulatedVendor {
    pub(super) fn ledger(&self) -> MutexGuard<'_, VendorBooks> {
        self.ledger.lock().expect("nobody panics here")
    }

    /// Half of the way there, half of it back.
    async fn ask<T>(&self, act: impl FnOnce(&mut VendorBooks) -> T) -> T {
        self.clock.sleep(TO_VENDOR / 2).await;
        let answer = act(&mut self.ledger());
        self.clock.sleep(TO_VENDOR / 2).await;
        answer
    }
}

pub(super) struct SimulatedIssuer {
    pub(super) vendor: Arc<SimulatedVendor>,
    /// Where refusals are looked at. Its digest is slow, and the other figures are about what is sent.
    pub(super) password: Option<Secret>,
}

impl Issuer for SimulatedIssuer {
    fn describe(&self) -> Capabilities {
        Capabilities::new("simulated", ".password(..)").renewal(Renewal::RefreshToken { rotates: true })
    }

    fn seed(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        if let Some(password) = &self.password {
            attempt.present(password)?;
        }
        let _permit = attempt.acquire().await?;
        self.vendor.ask(VendorBooks::sign_in).await
    }

    async fn renew(&self, attempt: &Attempt, tokens: &Tokens) -> Result<Issued, Error> {
        let refresh = tokens.refresh_to_spend()?.expose().to_owned();
        let _permit = attempt.acquire().await?;
        self.vendor.ask(|ledger| ledger.renew(&refresh)).await
    }
}
