//! What the laws have to know of a vendor, and what they give to its clients.

use super::store::LawStore;
use crate::{
    CredentialSource, Error, Http, Secret, Session, SourceError, Store,
    custom::{Attempt, Capabilities, Issued, Issuer, Polled, Tokens},
    question::DeviceCode,
    session::SignOut,
    testing::{Fake, ManualClock},
};
use std::{
    fmt,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// A vendor as [`session_laws!`](crate::testing::session_laws) sees it: a fake of it, and clients of that.
///
/// [`FakeApi`](crate::testing::FakeApi) makes a fake of any OpenAPI document, so also of twenty lines written for this. There is an example at
/// [`session_laws!`](crate::testing::session_laws).
pub trait SessionFactory: Sized + Send + Sync + 'static {
    /// The operations of the fake that obtain tokens: the one a client without a session signs in by, then the one it renews
    /// by, where that is another.
    const OBTAIN: &'static [&'static str];

    /// How long a token lives, a minute or more; `None` where the vendor does not say.
    const LIFE: Option<Duration>;

    /// Whether the next token can be had while this one is still good. If not, each token is used to its end.
    const RENEWS_QUIETLY: bool = true;

    /// Whether processes that share a store and sign in at the same time are one sign-in. They are not where a person lets each of
    /// them in, with a code of its own: there the session of the first is found by those who come later, and all of them renew it
    /// once.
    const SHARES_SIGN_IN: bool = true;

    /// The path of a `GET` that needs a session, and is answered with 401 without one.
    const PATH: &'static str;

    /// The operation of the fake which that call is: `other` where the fake's document does not have it.
    const CALL: &'static str = "other";

    /// Starts the fake on this clock. Its tokens live as long as `life`, which is [`LIFE`](Self::LIFE) for most laws and zero
    /// for one; `None` where the vendor does not say.
    fn start(clock: &ManualClock, life: Option<Duration>) -> impl Future<Output = Self> + Send;

    /// The fake that was started.
    fn fake(&self) -> &Fake;

    /// A new client of the vendor at [`ClientSetup::root`], with the clock and the store of this setup, and with its
    /// [`source`](ClientSetup::source) or its [`issuer`](ClientSetup::issuer): each client is another process to the laws.
    fn client(&self, setup: &ClientSetup) -> (Http, Session);

    /// Makes the vendor forget every access token: the next call with one is answered with 401.
    fn forget(&self);

    /// How often tokens were asked for. Default: the requests for each of [`OBTAIN`](Self::OBTAIN). Yours to count where one sign-in
    /// takes several of them.
    fn asked(&self) -> usize {
        Self::OBTAIN.iter().map(|operation| self.fake().count(operation)).sum()
    }

    /// Every secret of this vendor, so that the laws can search for it: what the fake gave out, and what your clients know.
    /// Default: what the fake gave out.
    fn secrets(&self) -> Vec<String> {
        self.fake().secrets()
    }
}

/// What a client of a law is made with. [`SessionFactory::client`] gets it.
#[derive(Clone)]
pub struct ClientSetup {
    root: String,
    clock: ManualClock,
    store: LawStore,
    panics: Arc<AtomicBool>,
}

impl ClientSetup {
    pub(super) fn of(root: String, clock: &ManualClock, store: &LawStore) -> Self {
        Self { root, clock: clock.clone(), store: store.clone(), panics: Arc::default() }
    }

    /// For our own tests, which put something between a client and its fake.
    #[doc(hidden)]
    #[must_use]
    pub fn at(root: impl Into<String>, clock: &ManualClock) -> Self {
        Self::of(root.into(), clock, &LawStore::in_memory())
    }

    /// The address for `Client::builder(..)`.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The clock for `.clock(..)`.
    #[must_use]
    pub fn clock(&self) -> ManualClock {
        self.clock.clone()
    }

    /// The store for `.store(..)`. It can be slow, and fail, as laws want it to.
    #[must_use]
    pub fn store(&self) -> impl Store + Clone + use<> {
        self.store.clone()
    }

    /// A source of this secret for `.password_from(..)` and its like. It panics while a law wants to see what comes of that.
    #[must_use]
    pub fn source(&self, secret: &str) -> impl CredentialSource + Clone + use<> {
        let (setup, secret) = (self.clone(), Secret::from(secret));
        move || {
            setup.panic_if_wanted();
            std::future::ready(Ok::<_, SourceError>(secret.clone()))
        }
    }

    /// This issuer for `.issuer(..)`. Its sign-in panics while a law wants to see what comes of that.
    #[must_use]
    pub fn issuer<I: Issuer>(&self, issuer: I) -> impl Issuer + use<I> {
        Stumbling { issuer, setup: self.clone() }
    }

    /// Panics while a law wants that: for clients that ask for no secret and have no issuer, in whatever of yours a sign-in
    /// calls.
    ///
    /// # Panics
    /// As said.
    pub fn panic_if_wanted(&self) {
        assert!(!self.panics.load(Ordering::SeqCst), "the sign-in panics, as the law wants");
    }

    pub(super) fn panics(&self, panics: bool) {
        self.panics.store(panics, Ordering::SeqCst);
    }
}

impl fmt::Debug for ClientSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSetup").field("root", &self.root).finish_non_exhaustive()
    }
}

/// An issuer whose sign-in panics while a law wants that.
struct Stumbling<I> {
    issuer: I,
    setup: ClientSetup,
}

impl<I: Issuer> Issuer for Stumbling<I> {
    fn describe(&self) -> Capabilities {
        self.issuer.describe()
    }

    fn seed(&self) -> Option<&Secret> {
        self.issuer.seed()
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        self.setup.panic_if_wanted();
        self.issuer.sign_in(attempt).await
    }

    async fn renew(&self, attempt: &Attempt, tokens: &Tokens) -> Result<Issued, Error> {
        self.issuer.renew(attempt, tokens).await
    }

    async fn poll(&self, attempt: &Attempt, device: &DeviceCode) -> Result<Polled, Error> {
        self.issuer.poll(attempt, device).await
    }

    async fn sign_out(&self, tokens: &Tokens) -> Result<SignOut, Error> {
        self.issuer.sign_out(tokens).await
    }
}
