//! VMS, as the laws see it.

use crate::laws::{PATH, Surface};
use keyway::{
    Http, Session,
    testing::{ClientSetup, Fake, FakeVms, ManualClock, SessionFactory},
};
use std::time::Duration;

pub(crate) struct Vendor(FakeVms);

impl SessionFactory for Vendor {
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

impl Surface for Vendor {}
