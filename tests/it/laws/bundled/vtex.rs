//! VTEX by an app key, and a shopper of a VTEX store, as the laws see it.

use crate::laws::{PATH, Surface};
use keyway::{
    AccessKey, Http, Responder, Secret, Session,
    testing::{ClientSetup, Fake, FakeVtex, ManualClock, SessionFactory},
};
use std::{sync::Arc, time::Duration};

pub(crate) struct Vendor(FakeVtex);

impl SessionFactory for Vendor {
    const OBTAIN: &'static [&'static str] = &["generate_authentication_token"];
    const LIFE: Option<Duration> = Some(Duration::from_secs(6 * 3600));
    const PATH: &'static str = PATH;

    async fn start(clock: &ManualClock, life: Option<Duration>) -> Self {
        Self(FakeVtex::builder().clock(clock.clone()).token_life(life.unwrap_or_default()).start().await)
    }

    fn fake(&self) -> &Fake {
        &self.0
    }

    fn client(&self, setup: &ClientSetup) -> (Http, Session) {
        let builder = keyway::vtex::Client::builder(setup.root()).clock(setup.clock()).store(setup.store());
        let client = builder.app_key_from(FakeVtex::APP_KEY, setup.source(FakeVtex::APP_TOKEN)).build().unwrap();
        (client.http(), client.session().clone())
    }

    fn forget(&self) {
        self.0.revoke_tokens();
    }
}

impl Surface for Vendor {}

/// A shopper of a VTEX store, who reads every mail at once.
pub(crate) struct Shopper(Arc<FakeVtex>);

struct Mailbox {
    fake: Arc<FakeVtex>,
    setup: ClientSetup,
}

impl Responder for Mailbox {
    async fn access_key(&self, _: AccessKey) -> Option<Secret> {
        self.setup.panic_if_wanted();
        Some(Secret::from(self.fake.access_key()))
    }
}

impl SessionFactory for Shopper {
    const OBTAIN: &'static [&'static str] = &["validate_access_key", "refresh_storefront_token"];
    const LIFE: Option<Duration> = Some(Duration::from_secs(24 * 3600));
    const PATH: &'static str = PATH;

    async fn start(clock: &ManualClock, life: Option<Duration>) -> Self {
        let builder = FakeVtex::builder().clock(clock.clone()).storefront_life(life.unwrap_or_default());
        Self(Arc::new(builder.start().await))
    }

    fn fake(&self) -> &Fake {
        &self.0
    }

    fn client(&self, setup: &ClientSetup) -> (Http, Session) {
        let builder = keyway::vtex::Client::builder(setup.root()).clock(setup.clock()).store(setup.store());
        let mailbox = Mailbox { fake: self.0.clone(), setup: setup.clone() };
        let builder = builder.account(FakeVtex::ACCOUNT).storefront(FakeVtex::EMAIL).responder(mailbox);
        let client = builder.build().unwrap();
        (client.http(), client.session().clone())
    }

    fn forget(&self) {
        self.0.revoke_tokens();
    }
}

impl Surface for Shopper {
    fn forget_refresh(&self) {
        self.0.revoke_refresh_tokens();
    }
}
