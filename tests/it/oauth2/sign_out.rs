//! What a sign-out tells the provider (RFC 7009).

use super::{fixture, told};
use keyway::{
    SignOut,
    oauth2::Client,
    testing::{FakeOAuth2, Fault},
};
use serde_json::json;

#[apply(leak_checked!)]
async fn a_sign_out_revokes_the_refresh_token_first_and_the_access_token_too() {
    let (fake, clock) = fixture().await;
    let client = told(&fake, &clock).password(FakeOAuth2::LOGIN, FakeOAuth2::PASSWORD).build().unwrap();
    let access = client.session().lease().await.unwrap().token().unwrap().expose().to_owned();
    assert_eq!(client.session().sign_out().await.unwrap(), SignOut::Revoked);
    assert_eq!((fake.count("revoke_token"), fake.is_live(&access)), (2, false));
    let client = told(&fake, &clock).client_credentials().build().unwrap();
    client.session().lease().await.unwrap();
    assert_eq!(client.session().sign_out().await.unwrap(), SignOut::Revoked);
    assert_eq!(fake.count("revoke_token"), 3);
}

#[apply(leak_checked!)]
async fn a_provider_that_revokes_refresh_tokens_alone_has_ended_the_session() {
    let (fake, clock) = fixture().await;
    let client = told(&fake, &clock).password(FakeOAuth2::LOGIN, FakeOAuth2::PASSWORD).build().unwrap();
    client.session().lease().await.unwrap();
    fake.next("revoke_token", Fault::Empty(200));
    fake.next("revoke_token", Fault::Json(400, json!({ "error": "unsupported_token_type" })));
    assert_eq!(client.session().sign_out().await.unwrap(), SignOut::Revoked);
}

#[apply(leak_checked!)]
async fn a_provider_that_cannot_be_told_leaves_the_sign_out_local() {
    let (fake, clock) = fixture().await;
    let client = told(&fake, &clock).client_credentials().build().unwrap();
    client.session().lease().await.unwrap();
    fake.always("revoke_token", Fault::Html(503));
    assert_eq!(client.session().sign_out().await.unwrap(), SignOut::LocalOnly);
    let client = Client::builder(fake.uri()).token_endpoint("/token").clock(clock.clone());
    let client = client.client(FakeOAuth2::CLIENT_ID, FakeOAuth2::CLIENT_SECRET).client_credentials().build().unwrap();
    client.session().lease().await.unwrap();
    let before = fake.count("revoke_token");
    assert_eq!(client.session().sign_out().await.unwrap(), SignOut::LocalOnly);
    assert_eq!(fake.count("revoke_token"), before);
}
