//! One try to get a token: what an issuer needs to know, and whom it asks before it sends.

use super::dialogue::{Conversation, SolvedCaptcha};
use crate::{
    BoxFuture,
    clock::{Clock, Now},
    credential::Credential,
    error::{Error, ErrorKind},
    question::{AccessKey, SecondFactor, SessionId, SignInPage},
    retry::Timeouts,
    secret::Secret,
    select::{First, first},
    store::Key,
};
use std::{
    any::Any,
    fmt,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

/// Whom an attempt asks before it does something that counts: the engine that it is made for.
pub(super) trait Gatekeeper: Send + Sync {
    /// Which session it is about, for logs.
    fn key(&self) -> &Key;
    fn clock(&self) -> &dyn Clock;
    fn timeouts(&self) -> &Timeouts;
    /// Gives the operation of this number so much time from now on.
    fn extend(&self, id: u64, wait: Duration);
    /// This credential is about to be presented.
    fn present(&self, secret: &Secret) -> Result<(), Error>;
    /// Grants a request that spends something, and names the attempt that was counted.
    fn acquire(&self, id: u64) -> BoxFuture<'_, Result<Option<SystemTime>, Error>>;
    /// An attempt that was counted did not reach the vendor.
    fn release(&self, made: SystemTime);
    /// Asks the source of a credential, which must not call the client that waits for it.
    fn ask<'a>(&'a self, credential: &'a Credential) -> BoxFuture<'a, Result<Secret, Error>>;
}

/// Given to an [`Issuer`](crate::custom::Issuer) for each sign-in or renewal.
pub struct Attempt {
    engine: Box<dyn Gatekeeper>,
    /// The operation that it belongs to.
    id: u64,
    conversation: Conversation,
    /// What the issuer's surface sends with: nothing here knows what that is.
    equipment: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl Attempt {
    pub(super) fn new(engine: impl Gatekeeper + 'static, id: u64, conversation: Conversation) -> Self {
        Self { engine: Box::new(engine), id, conversation, equipment: OnceLock::new() }
    }

    pub(crate) fn equip(&self, with: impl Any + Send + Sync) {
        let _ = self.equipment.set(Box::new(with)); // once, by the surface that made the issuer
    }

    pub(crate) fn equipment<T: Any>(&self) -> Option<&T> {
        self.equipment.get()?.downcast_ref()
    }

    /// The captcha a person answered, if it is still good.
    #[must_use]
    pub fn captcha(&self) -> Option<&SolvedCaptcha> {
        self.conversation.captcha(self.now())
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

    /// The code of the second factor that was asked for, with what ties the sign-in together.
    #[must_use]
    pub fn second_factor(&self) -> Option<(&SecondFactor, &Secret)> {
        self.conversation.second_factor()
    }

    /// The page at which a person has signed in, and the whole address that led back from it. It fits the page.
    #[must_use]
    pub fn redirect(&self) -> Option<(&SignInPage, &Secret)> {
        self.conversation.redirect()
    }

    /// Both clocks, for what an answer says about time.
    pub(crate) fn now(&self) -> Now {
        Now::read(self.engine.clock())
    }

    pub(crate) async fn pause(&self, wait: Duration) {
        self.engine.clock().sleep(wait).await;
    }

    /// The secret of a credential, asked anew from its source. One that the vendor has refused is not tried again.
    pub(crate) async fn credential(&self, credential: &Credential) -> Result<Secret, Error> {
        let secret = self.secret_of(credential).await?;
        self.present(&secret)?;
        Ok(secret)
    }

    /// The same for a secret that is presented beside the one that a refusal is about.
    pub(crate) async fn secret_of(&self, credential: &Credential) -> Result<Secret, Error> {
        let Timeouts { person: wait, renewal, .. } = *self.engine.timeouts();
        self.extend(wait.saturating_add(renewal));
        let secret = first(self.engine.ask(credential), self.engine.clock().sleep(wait)).await;
        self.extend(renewal);
        match secret {
            First::One(secret) => secret,
            First::Other(()) => Err(Error::new(ErrorKind::Timeout, "the credential source did not answer in time")),
        }
    }

    fn extend(&self, wait: Duration) {
        self.engine.extend(self.id, wait);
    }

    /// Says which credential is about to be presented. Call it once per sign-in, so that refused credentials are never
    /// tried again, by no process that shares the store.
    ///
    /// # Errors
    /// The vendor's refusal, if it refused this very credential before.
    pub fn present(&self, secret: &Secret) -> Result<(), Error> {
        self.engine.present(secret)
    }

    /// Asks leave to send a request that spends something: a token, an attempt. Refused when this attempt is superseded,
    /// when the session was signed out, when the store's lock was lost, and when the vendor's budget is used up. The lock is
    /// made sure of for as long as [`Timeouts::sign_in`](crate::Timeouts::sign_in): the request must not take longer.
    ///
    /// # Errors
    /// `SignedOut`, `Timeout`, `Store` or `Throttled`, in this order of causes; return it as it is.
    ///
    /// # Cancel safety
    /// An attempt that was counted stays counted.
    pub async fn acquire(&self) -> Result<SendPermit, Error> {
        self.engine.acquire(self.id).await.map(SendPermit)
    }

    /// What [`acquire`](Self::acquire) granted never reached the vendor: it does not count.
    ///
    /// # Cancel safety
    /// Once called, it is done even if the future is dropped.
    pub async fn release(&self, permit: SendPermit) {
        if let Some(made) = permit.0 {
            self.engine.release(made);
        }
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("key", &format_args!("{}", self.engine.key())).finish_non_exhaustive()
    }
}

/// Leave to send once; names the attempt that was counted, where a budget is kept.
#[derive(Debug)]
#[must_use = "hand it back with `release` if nothing was sent"]
pub struct SendPermit(Option<SystemTime>);
