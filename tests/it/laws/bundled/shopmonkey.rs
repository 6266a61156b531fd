//! Shopmonkey, as the laws see it.

use crate::laws::{PATH, Surface};
use keyway::{
    Http, Session,
    testing::{ClientSetup, Fake, FakeShopmonkey, ManualClock, SessionFactory},
};
use std::time::Duration;

pub(crate) struct Vendor(FakeShopmonkey);

impl SessionFactory for Vendor {
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

impl Surface for Vendor {}
