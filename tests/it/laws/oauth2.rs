//! Four kinds of clients of a provider that speaks OAuth 2.0.

use super::{PATH, Surface};
use keyway::{
    DeviceCode, Http, Responder, Secret, Session, SignInPage,
    testing::{ClientSetup, Fake, FakeOAuth2, ManualClock, SessionFactory},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

struct Reader(ClientSetup);

impl Responder for Reader {
    async fn sign_in_page(&self, page: SignInPage) -> Option<Secret> {
        self.0.panic_if_wanted();
        Some(follow(page.url()).await)
    }
}

/// Where the browser of a person is led who opens this page and allows everything.
pub(crate) async fn follow(url: &str) -> Secret {
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = browser.get(url).send().await.unwrap();
    Secret::from(answer.headers()["location"].to_str().unwrap())
}

async fn provider(clock: &ManualClock, life: Option<Duration>) -> FakeOAuth2 {
    FakeOAuth2::builder().clock(clock.clone()).token_life(life.unwrap_or_default()).start().await
}

/// A session at a provider of its own: what it is called, and the builder of its client.
macro_rules! at_a_provider {
    ($(#[$doc:meta])* $name:ident, renews: $renews:literal, |$setup:ident| $builder:block) => {
        $(#[$doc])*
        pub(crate) struct $name(FakeOAuth2);

        impl SessionFactory for $name {
            const OBTAIN: &'static [&'static str] = &["issue_token"];
            const LIFE: Option<Duration> = Some(Duration::from_secs(3600));
            const PATH: &'static str = PATH;

            async fn start(clock: &ManualClock, life: Option<Duration>) -> Self {
                Self(provider(clock, life).await)
            }

            fn fake(&self) -> &Fake {
                &self.0
            }

            fn client(&self, $setup: &ClientSetup) -> (Http, Session) {
                let client = $builder.clock($setup.clock()).store($setup.store()).build().unwrap();
                (client.http(), client.session().clone())
            }

            fn forget(&self) {
                self.0.revoke_access_tokens();
            }
        }

        impl Surface for $name {
            const RENEWS_BY_ROTATION: bool = $renews;
            const HAS_DOCUMENT: bool = false;

            fn forget_refresh(&self) {
                self.0.revoke_refresh_tokens();
            }
        }
    };
}

at_a_provider! {
    /// A user of a provider that speaks OAuth 2.0, whose token endpoint is named.
    OAuthUser, renews: true, |setup| {
        let builder = keyway::oauth2::Client::builder(setup.root()).token_endpoint("/token");
        let builder = builder.client(FakeOAuth2::CLIENT_ID, FakeOAuth2::CLIENT_SECRET);
        builder.password_from(FakeOAuth2::LOGIN, setup.source(FakeOAuth2::PASSWORD))
    }
}

at_a_provider! {
    /// A person who signs in at the page of such a provider, and allows everything. Its endpoints are discovered.
    OAuthPerson, renews: true, |setup| {
        let builder = keyway::oauth2::Client::discover(setup.root()).public_client(FakeOAuth2::PUBLIC_CLIENT);
        builder.authorization_code("https://till.example/back").responder(Reader(setup.clone())).profile("ann")
    }
}

at_a_provider! {
    /// A service of such a provider.
    OAuthService, renews: false, |setup| {
        let builder = keyway::oauth2::Client::builder(setup.root()).token_endpoint("/token");
        builder.client_from(FakeOAuth2::CLIENT_ID, setup.source(FakeOAuth2::CLIENT_SECRET)).client_credentials()
    }
}

/// A device that a person lets in before it asks for the first time.
pub(crate) struct OAuthDevice {
    fake: Arc<FakeOAuth2>,
    /// How many codes a person has let in. Each is polled for once.
    let_in: Arc<AtomicUsize>,
}

struct Phone {
    fake: Arc<FakeOAuth2>,
    let_in: Arc<AtomicUsize>,
    clock: ManualClock,
}

impl Responder for Phone {
    async fn device_code(&self, device: DeviceCode) -> Option<()> {
        // A code that is shown again was let in before.
        if self.fake.approve_device() {
            self.let_in.fetch_add(1, Ordering::SeqCst);
        }
        self.clock.advance(device.interval());
        Some(())
    }
}

impl SessionFactory for OAuthDevice {
    const OBTAIN: &'static [&'static str] = &["start_device", "issue_token"];
    const LIFE: Option<Duration> = Some(Duration::from_secs(3600));
    const SHARES_SIGN_IN: bool = false;
    const PATH: &'static str = PATH;

    async fn start(clock: &ManualClock, life: Option<Duration>) -> Self {
        Self { fake: Arc::new(provider(clock, life).await), let_in: Arc::default() }
    }

    fn fake(&self) -> &Fake {
        &self.fake
    }

    fn client(&self, setup: &ClientSetup) -> (Http, Session) {
        let phone = Phone { fake: self.fake.clone(), let_in: self.let_in.clone(), clock: setup.clock() };
        let source = setup.source(FakeOAuth2::CLIENT_SECRET);
        let builder = keyway::oauth2::Client::discover(setup.root()).client_from(FakeOAuth2::CLIENT_ID, source);
        let builder = builder.device().responder(phone).profile("ann").clock(setup.clock());
        let client = builder.store(setup.store()).build().unwrap();
        (client.http(), client.session().clone())
    }

    fn forget(&self) {
        self.fake.revoke_access_tokens();
    }

    /// Each sign-in is a code and a token, each renewal a token.
    fn asked(&self) -> usize {
        let (codes, tokens) = (self.fake.count("start_device"), self.fake.count("issue_token"));
        codes + tokens - self.let_in.load(Ordering::SeqCst)
    }
}

impl Surface for OAuthDevice {
    const RENEWS_BY_ROTATION: bool = true;
    const HAS_DOCUMENT: bool = false;

    fn forget_refresh(&self) {
        self.fake.revoke_refresh_tokens();
    }
}
