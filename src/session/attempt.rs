//! One try to get a token: what an issuer needs to know, and whom it asks before it sends.

use super::{
    Engine,
    flight::{First, Flight, first},
    interact::{Conversation, SolvedCaptcha},
    questions::AccessKey,
};
use crate::{
    Error, ErrorKind, Secret, clock::Now, credential::Credential, session::evict::SessionId, store::fingerprint,
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::SystemTime,
};

/// Given to an [`Issuer`](crate::custom::Issuer) for each sign-in or renewal.
pub struct Attempt {
    engine: Arc<Engine>,
    flight: Arc<Flight>,
    conversation: Conversation,
}

impl Attempt {
    pub(super) fn new(engine: Arc<Engine>, flight: Arc<Flight>, conversation: Conversation) -> Self {
        Self { engine, flight, conversation }
    }

    /// The captcha a person answered, if it is still good.
    #[must_use]
    pub fn captcha(&self) -> Option<&SolvedCaptcha> {
        self.conversation.captcha(self.engine.now())
    }

    /// The session that shall end so that this one can begin.
    #[must_use]
    pub fn end_session(&self) -> Option<&SessionId> {
        self.conversation.end_session()
    }

    /// The key that was sent to a person and has come back, with what ties the sign-in together.
    #[must_use]
    pub fn access_key(&self) -> Option<(&AccessKey, &Secret)> {
        self.conversation.access_key()
    }

    /// Both clocks, for what an answer says about time.
    pub(crate) fn now(&self) -> Now {
        self.engine.now()
    }

    pub(crate) async fn pause(&self, wait: std::time::Duration) {
        self.engine.clock.sleep(wait).await;
    }

    /// The secret of a credential, asked anew from its source. One that the vendor has refused is not tried again.
    pub(crate) async fn credential(&self, credential: &Credential) -> Result<Secret, Error> {
        let (wait, flight) = (self.engine.timeouts.person, self.engine.timeouts.flight);
        self.flight.stay_patient(self.engine.now(), wait.saturating_add(flight));
        let secret = first(credential.get(), self.engine.clock.sleep(wait)).await;
        self.flight.be_patient(self.engine.now(), flight);
        let secret = match secret {
            First::One(secret) => secret?,
            First::Other(()) => {
                return Err(Error::new(ErrorKind::Timeout, "the credential source did not answer in time"));
            }
        };
        self.present(&secret)?;
        Ok(secret)
    }

    /// Says which credential is about to be presented. Call it once per sign-in, so that refused credentials are never
    /// tried again.
    ///
    /// # Errors
    /// The vendor's refusal, if it refused this very credential before.
    pub fn present(&self, secret: &Secret) -> Result<(), Error> {
        let mark = fingerprint(self.engine.salt, secret);
        let mut state = self.engine.state();
        if let Some((refused, error)) = &state.refused
            && *refused == mark
        {
            return Err(error.clone().local());
        }
        state.presented = Some(mark);
        Ok(())
    }

    /// Asks leave to send a request that spends something: a token, an attempt. Refused when this attempt has been
    /// overtaken, when somebody signed out, when the store's lock was lost, and when the vendor's budget is used up.
    /// The lock is made sure of for as long as [`Timeouts::sign_in`](crate::Timeouts::sign_in): the request must not take longer.
    ///
    /// # Errors
    /// `SignedOut`, `Timeout`, `Store` or `Throttled`, in this order of causes; return it as it is.
    ///
    /// # Cancel safety
    /// An attempt that was counted stays counted.
    pub async fn spend(&self) -> Result<Leave, Error> {
        let leave = Leave(self.engine.budgeted().await?);
        if let Err(error) = self.cleared_to_send().await {
            self.refund(leave).await;
            return Err(error);
        }
        Ok(leave)
    }

    /// Whether nobody took this flight's place or its lock. Nobody does while its request is out, unless it is silent for
    /// longer than a request may take.
    async fn cleared_to_send(&self) -> Result<(), Error> {
        if !self.flight.still_locks(self.engine.timeouts.request).await {
            return Err(Error::lock_lost());
        }
        // Last, so that nothing happens between it and the sending.
        let state = self.engine.state();
        state.check(&self.flight)?;
        self.flight.stay_patient(self.engine.now(), self.engine.timeouts.flight);
        self.flight.sent.store(true, Ordering::Release);
        Ok(())
    }

    /// What [`spend`](Self::spend) granted never reached the vendor.
    ///
    /// # Cancel safety
    /// Dropped midway it may stay counted, which is the safe side.
    pub async fn refund(&self, leave: Leave) {
        if let Some(made) = leave.0 {
            self.engine.refund(made).await;
        }
    }
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attempt").field("key", &format_args!("{}", self.engine.key)).finish_non_exhaustive()
    }
}

/// The engine's leave to send once; names the attempt that it counted, where a budget is kept.
#[derive(Debug)]
#[must_use = "hand it back with `refund` if nothing was sent"]
pub struct Leave(Option<SystemTime>);

impl Error {
    pub(super) fn lock_lost() -> Self {
        Self::new(ErrorKind::Store, "the session store's lock was lost; nothing was sent")
            .advice("another process may be renewing: try again")
            .local()
    }
}
