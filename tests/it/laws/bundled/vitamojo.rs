//! Vita Mojo, as the laws see it.

use crate::laws::{PATH, Surface};
use keyway::{
    Http, Session,
    testing::{ClientSetup, Fake, FakeVitaMojo, ManualClock, SessionFactory},
};
use std::time::Duration;

pub(crate) struct Vendor(pub(in crate::laws) FakeVitaMojo);

impl SessionFactory for Vendor {
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

impl Surface for Vendor {
    fn forget_refresh(&self) {
        self.0.revoke_refresh_tokens();
    }
}
