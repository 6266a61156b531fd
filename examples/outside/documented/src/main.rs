//! A typed client of a published document that says how one signs in: no issuer, no address of a token endpoint.
//!
//! `acme.yaml` names the flow `clientCredentials` and its `tokenUrl`. The vendor is a fake in this process; with
//! `ACME_ID` and `ACME_SECRET` set, it is the one that the document names.

use keyway::{
    Document as _,
    oauth2::{self, DpopKey},
    testing::FakeOAuth2,
};
use std::env;

keyway::include_document!(acme);

#[tokio::main]
async fn main() -> Result<(), keyway::Error> {
    let fake = FakeOAuth2::start().await;
    fake.serve("/menu");
    let builder = match (env::var("ACME_ID"), env::var("ACME_SECRET")) {
        (Ok(id), Ok(secret)) => oauth2::Client::of_document::<acme::Document>().client(id, secret),
        // The same document at another server.
        _ => oauth2::Client::builder(fake.uri())
            .document::<acme::Document>()
            .client(FakeOAuth2::CLIENT_ID, FakeOAuth2::CLIENT_SECRET),
    };
    let session = builder.client_credentials().scope("menu:read").build()?;
    let acme = acme::Client::new(&session);

    for flow in acme::Document::FLOWS {
        println!("{} offers {:?} with {:?}", acme::Document::TITLE, flow.kind, flow.scopes);
    }
    let menu = acme.api().get_menu().send().await?;
    println!("{} answered: {:?}", menu.path.as_deref().unwrap_or("?"), menu.ok);
    acme.session().sign_out().await?;
    bound_to_a_key().await
}

/// The same calls where the vendor takes no token without a proof that its key is here (DPoP).
async fn bound_to_a_key() -> Result<(), keyway::Error> {
    let fake = FakeOAuth2::builder().needs_dpop(true).dpop_nonces(true).start().await;
    fake.serve("/menu");
    let session = oauth2::Client::builder(fake.uri())
        .document::<acme::Document>()
        .client(FakeOAuth2::CLIENT_ID, FakeOAuth2::CLIENT_SECRET)
        .client_credentials()
        .dpop(DpopKey::generate()?)
        .build()?;
    let acme = acme::Client::new(&session);
    for _ in 0..3 {
        assert_eq!(acme.api().get_menu().send().await?.ok, Some(true));
    }
    fake.revoke_access_tokens();
    assert_eq!(acme.api().get_menu().send().await?.ok, Some(true));
    println!("bound to a key: {} calls with a proof each, {} tokens", fake.count("other"), fake.count("issue_token"));
    Ok(())
}
