//! One try to get a token: what an issuer needs to know, and whom it asks before it sends.

use super::{
    dialogue::{Conversation, SolvedCaptcha},
    driver::Engine,
    evict::SessionId,
    questions::AccessKey,
};
use crate::{
    Error, ErrorKind, Secret,
    clock::Now,
    credential::Credential,
    select::{First, first},
};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Given to an [`Issuer`](crate::custom::Issuer) for each sign-in or renewal.
pub struct Attempt {
    engine: Arc<Engine>,
    /// The operation that it belongs to.
    id: u64,
    conversation: Conversation,
}

impl Attempt {
    pub(super) fn new(engine: Arc<Engine>, id: u64, conversation: Conversation) -> Self {
        Self { engine, id, conversation }
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

    pub(crate) async fn pause(&self, wait: Duration) {
        self.engine.clock.sleep(wait).await;
    }

    /// The secret of a credential, asked anew from its source. One that the vendor has refused is not tried again.
    pub(crate) async fn credential(&self, credential: &Credential) -> Result<Secret, Error> {
        let (wait, renewal) = (self.engine.rules.timeouts.person, self.engine.rules.timeouts.renewal);
        self.extend(wait.saturating_add(renewal));
        let source = self.engine.calling_back("the credential source", credential.get());
        let secret = first(source, self.engine.clock.sleep(wait)).await;
        self.extend(renewal);
        let secret = match secret {
            First::One(secret) => secret?,
            First::Other(()) => {
                return Err(Error::new(ErrorKind::Timeout, "the credential source did not answer in time"));
            }
        };
        self.present(&secret)?;
        Ok(secret)
    }

    fn extend(&self, wait: Duration) {
        self.engine.change(|state, at| state.core.extend(self.id, wait, at.now));
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
            self.engine.change(|state, _| state.core.release(made));
        }
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("key", &format_args!("{}", self.engine.rules.key)).finish_non_exhaustive()
    }
}

/// Leave to send once; names the attempt that was counted, where a budget is kept.
#[derive(Debug)]
#[must_use = "hand it back with `release` if nothing was sent"]
pub struct SendPermit(Option<SystemTime>);
