//! A service that signs in as itself at any provider of OAuth 2.0: client credentials, found by the provider's metadata.
//!
//! ```sh
//! cargo run --example oauth2_service
//! ```
//!
//! Without an account it talks to a fake in this process. With `KEYWAY_OAUTH2_URL` (the issuer), `…_CLIENT_ID` and
//! `…_CLIENT_SECRET` it talks to a real provider; `…_SCOPE` and `…_API` (an address to call) are for those that need them.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

mod account;

use account::Account;
use keyway::{Error, oauth2::Client, testing::FakeOAuth2 as Fake};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let fake = Fake::start().await;
    fake.serve("/menu");
    let account = Account::of("OAUTH2", fake.uri());
    let mut builder = Client::discover(account.url())
        .client(account.get("CLIENT_ID", Fake::CLIENT_ID), account.get("CLIENT_SECRET", Fake::CLIENT_SECRET))
        .client_credentials();
    if let Some(scope) = account.maybe("SCOPE") {
        builder = builder.scope(scope);
    }
    let api = account.maybe("API").unwrap_or_else(|| format!("{}/menu", fake.uri()));
    if !account.is_fake() {
        // An API at another origin gets the session because it is named here.
        builder = builder.also_origin(api.split('/').take(3).collect::<Vec<_>>().join("/"));
    }
    let client = builder.build()?;

    let answer = client.http().get(api).send().await?;
    println!("The API answers {}.", answer.status());
    match client.introspect().await {
        Ok(known) => println!("The provider says of the token: active {}, scope {}.", known["active"], known["scope"]),
        Err(error) => println!("The provider tells nothing of its tokens: {error}"),
    }
    println!(
        "Signed out: {:?}.\n\nWhat the session did:\n{}",
        client.session().sign_out().await?,
        client.session().report()
    );
    Ok(())
}
