//! OrderingStack, as the laws see it.

use crate::laws::{PATH, Surface};
use keyway::{
    Http, Session,
    testing::{ClientSetup, Fake, FakeOrderingStack, ManualClock, SessionFactory},
};
use std::time::Duration;

pub(crate) struct Vendor(FakeOrderingStack);

impl SessionFactory for Vendor {
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

impl Surface for Vendor {
    const RENEWS_BY_ROTATION: bool = true;

    fn forget_refresh(&self) {
        self.0.revoke_refresh_tokens();
    }
}
