//! Standard sign-ins, against a provider that keeps to the standards, and against some that do not.

mod bad_providers;
mod code;
mod device;
mod discovery;
mod documents;
mod dpop;
mod grants;
mod keys;
mod loopback;
mod sign_out;
mod step_up;

use crate::laws::follow as follow_url;
use keyway::{
    Secret, SignInPage,
    oauth2::{Client, ClientBuilder},
    testing::{FakeOAuth2, ManualClock},
};

/// A client whose endpoints are named one by one.
fn told(fake: &FakeOAuth2, clock: &ManualClock) -> ClientBuilder {
    Client::builder(fake.uri())
        .token_endpoint("/token")
        .device_endpoint("/device_authorization")
        .revocation_endpoint(format!("{}/revoke", fake.uri()))
        .introspection_endpoint("/introspect")
        .client(FakeOAuth2::CLIENT_ID, FakeOAuth2::CLIENT_SECRET)
        .clock(clock.clone())
}

/// A client that looks them up.
fn discovering(fake: &FakeOAuth2, clock: &ManualClock) -> ClientBuilder {
    Client::discover(fake.uri())
        .client(FakeOAuth2::CLIENT_ID, Secret::from(FakeOAuth2::CLIENT_SECRET))
        .clock(clock.clone())
}

async fn fixture() -> (FakeOAuth2, ManualClock) {
    let clock = ManualClock::new();
    let fake = FakeOAuth2::builder().clock(clock.clone()).start().await;
    fake.serve("/menu");
    (fake, clock)
}

/// Where the browser of a person is led who opens this page and allows everything.
async fn follow(page: &SignInPage) -> Secret {
    follow_url(page.url()).await
}

/// What the last token request said under this name.
fn said(fake: &FakeOAuth2, name: &str) -> Vec<String> {
    fake.last_form().into_iter().filter(|(known, _)| known == name).map(|(_, value)| value).collect()
}
