//! The vendors whose documents come with the crate.

use super::{PATH, Surface};
use keyway::{
    AccessKey, Http, Responder, Secret, Session,
    testing::{
        ClientSetup, Fake, FakeOrderingStack, FakeShopmonkey, FakeVitaMojo, FakeVms, FakeVtex, ManualClock,
        SessionFactory,
    },
};
use std::{sync::Arc, time::Duration};

pub(crate) struct VitaMojo(pub(super) FakeVitaMojo);

impl SessionFactory for VitaMojo {
    const OBTAIN: &'static [&'static str] = &["auth", "refresh_token"];
    const LIFE: Option<Duration> = Some(Duration::from_secs(600));
    const PATH: &'static str = PATH;

    async fn start(clock: &ManualClock, life: Option<Duration>) -> Self {
        let builder = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).jwt(true);
        Self(builder.token_life(life.unwrap_or_default()).start().await)
    }

    fn fake(&self) -> &Fake {
        &self.0
    }

    fn client(&self, setup: &ClientSetup) -> (Http, Session) {
        let builder = keyway::vitamojo::Client::builder(setup.root()).tenant(crate::TENANT).clock(setup.clock());
        let builder = builder.password_from(FakeVitaMojo::EMAIL, setup.source(FakeVitaMojo::PASSWORD));
        let client = builder.store(setup.store()).build().unwrap();
        (client.http(), client.session().clone())
    }

    fn forget(&self) {
        self.0.revoke_access_tokens();
    }
}

impl Surface for VitaMojo {
    fn forget_refresh(&self) {
        self.0.revoke_refresh_tokens();
    }
}

pub(crate) struct OrderingStack(FakeOrderingStack);

impl SessionFactory for OrderingStack {
    const OBTAIN: &'static [&'static str] = &["issue_token"];
    const LIFE: Option<Duration> = Some(Duration::from_secs(3600));
    const PATH: &'static str = PATH;

    async fn start(clock: &ManualClock, life: Option<Duration>) -> Self {
        let builder = FakeOrderingStack::builder().clock(clock.clone()).rotating(true);
        Self(builder.token_life(life.unwrap_or_default()).start().await)
    }

    fn fake(&self) -> &Fake {
        &self.0
    }

    fn client(&self, setup: &ClientSetup) -> (Http, Session) {
        let client = keyway::orderingstack::Client::builder(setup.root())
            .tenant(FakeOrderingStack::TENANT)
            .client(FakeOrderingStack::CLIENT_ID, FakeOrderingStack::CLIENT_SECRET)
            .password_from(FakeOrderingStack::LOGIN, setup.source(FakeOrderingStack::PASSWORD))
            .store(setup.store())
            .clock(setup.clock())
            .build()
            .unwrap();
        (client.http(), client.session().clone())
    }

    fn forget(&self) {
        self.0.revoke_access_tokens();
    }
}

impl Surface for OrderingStack {
    const RENEWS_BY_ROTATION: bool = true;

    fn forget_refresh(&self) {
        self.0.revoke_refresh_tokens();
    }
}

pub(crate) struct Shopmonkey(FakeShopmonkey);

impl SessionFactory for Shopmonkey {
    const OBTAIN: &'static [&'static str] = &["login"];
    const LIFE: Option<Duration> = Some(Duration::from_secs(3600));
    const RENEWS_QUIETLY: bool = false;
    const PATH: &'static str = PATH;

    async fn start(clock: &ManualClock, life: Option<Duration>) -> Self {
        let builder = FakeShopmonkey::builder().clock(clock.clone()).jwt(true);
        Self(builder.token_life(life.unwrap_or_default()).start().await)
    }

    fn fake(&self) -> &Fake {
        &self.0
    }

    fn client(&self, setup: &ClientSetup) -> (Http, Session) {
        let builder = keyway::shopmonkey::Client::builder(setup.root()).clock(setup.clock()).store(setup.store());
        let source = setup.source(FakeShopmonkey::PASSWORD);
        let client = builder.password_from(FakeShopmonkey::EMAIL, source).build().unwrap();
        (client.http(), client.session().clone())
    }

    fn forget(&self) {
        self.0.revoke_sessions();
    }
}

impl Surface for Shopmonkey {}

pub(crate) struct Vms(FakeVms);

impl SessionFactory for Vms {
    const OBTAIN: &'static [&'static str] = &["get_token"];
    const LIFE: Option<Duration> = None;
    const PATH: &'static str = PATH;

    async fn start(clock: &ManualClock, _: Option<Duration>) -> Self {
        Self(FakeVms::builder().clock(clock.clone()).start().await)
    }

    fn fake(&self) -> &Fake {
        &self.0
    }

    fn client(&self, setup: &ClientSetup) -> (Http, Session) {
        let builder = keyway::vms::Client::builder(setup.root()).clock(setup.clock()).store(setup.store());
        let client = builder.password_from(FakeVms::LOGIN, setup.source(FakeVms::PASSWORD)).build().unwrap();
        (client.http(), client.session().clone())
    }

    fn forget(&self) {
        self.0.revoke_all();
    }
}

impl Surface for Vms {}

pub(crate) struct Vtex(FakeVtex);

impl SessionFactory for Vtex {
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

impl Surface for Vtex {}

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
