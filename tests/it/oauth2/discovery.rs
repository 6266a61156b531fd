//! Metadata: asked for once, believed for as long as it says, and only as far as it deserves.

use super::{discovering, fixture};
use keyway::{
    ErrorKind, SignOut,
    oauth2::Client,
    testing::{FakeOAuth2, Fault},
};
use serde_json::json;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

#[apply(leak_checked!)]
async fn the_endpoints_are_looked_up_once_at_the_first_sign_in() {
    let (fake, clock) = fixture().await;
    let client = discovering(&fake, &clock).password(FakeOAuth2::LOGIN, FakeOAuth2::PASSWORD).build().unwrap();
    assert_eq!(fake.saw().len(), 0);
    for _ in 0..5 {
        assert_eq!(client.http().get("/menu").send().await.unwrap().status(), 200);
        clock.advance(HOUR);
    }
    assert_eq!((fake.count("discover"), fake.count("discover_oauth"), fake.count("issue_token")), (1, 0, 5));
    // A day later they are looked up again; a provider that cannot tell costs nobody the session.
    clock.advance(24 * HOUR);
    fake.always("discover", Fault::Html(503));
    client.session().lease().await.unwrap();
    assert_eq!((fake.count("discover"), fake.count("issue_token")), (2, 6));
    assert_eq!(client.session().sign_out().await.unwrap(), SignOut::Revoked);
}

#[apply(leak_checked!)]
async fn a_provider_without_openid_connect_is_found_at_its_other_address() {
    let (_, clock) = fixture().await;
    let fake = FakeOAuth2::builder().clock(clock.clone()).openid(false).start().await;
    let client = discovering(&fake, &clock).client_credentials().build().unwrap();
    client.session().lease().await.unwrap();
    assert_eq!((fake.count("discover"), fake.count("discover_oauth")), (1, 1));
}

#[apply(leak_checked!)]
async fn what_the_builder_names_counts_for_more_than_what_is_discovered() {
    let (fake, clock) = fixture().await;
    let client = discovering(&fake, &clock).token_endpoint("/token").client_credentials().build().unwrap();
    client.session().lease().await.unwrap();
    assert_eq!((fake.count("discover"), fake.count("issue_token")), (0, 1));
    let known = client.introspect().await.unwrap();
    assert_eq!((known["active"].as_bool(), known["client_id"].as_str()), (Some(true), Some(FakeOAuth2::CLIENT_ID)));
    assert_eq!((fake.count("discover"), fake.count("introspect_token")), (1, 1));
}

#[apply(leak_checked!)]
async fn the_issuer_may_be_another_origin_than_the_api() {
    let (fake, clock) = fixture().await;
    let (api, _) = fixture().await;
    let client = Client::builder(api.uri()).issuer(fake.uri()).clock(clock.clone());
    let client = client.client(FakeOAuth2::CLIENT_ID, FakeOAuth2::CLIENT_SECRET).client_credentials().build().unwrap();
    crate::leak_check::trusts(&api);
    // The API is another fake, which knows no token of this one.
    assert_eq!(client.http().get("/menu").send().await.unwrap().status(), 401);
    assert_eq!((fake.count("discover"), api.count("discover"), api.count("issue_token")), (1, 0, 0));
}

#[apply(leak_checked!)]
async fn an_endpoint_at_another_origin_gets_nothing_unless_the_user_names_that_origin() {
    let (fake, clock) = fixture().await;
    let (other, _) = fixture().await;
    let elsewhere = Fault::Member("/token_endpoint".into(), json!(format!("{}/token", other.uri())));
    fake.always("discover", elsewhere);
    let client = || discovering(&fake, &clock).client_credentials();
    let error = client().build().unwrap().session().lease().await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Config, Some("discover")), "{error}");
    assert!(error.to_string().contains(".also_origin(..)") && error.to_string().contains("token endpoint"), "{error}");
    assert_eq!((other.saw().len(), fake.count("issue_token")), (0, 0));
    crate::leak_check::trusts(&other);
    client().also_origin(other.uri()).build().unwrap().session().lease().await.unwrap();
    assert_eq!((other.count("issue_token"), fake.count("issue_token")), (1, 0));
}
