//! Signs in to OrderingStack without an account, as the vendor's own web shop does for guests.
//!
//! ```sh
//! cargo run --example orderingstack_anonymous
//! ```
//!
//! Without an OAuth2 client it talks to a fake in this process. With `KEYWAY_ORDERINGSTACK_URL`, `…_TENANT`,
//! `…_CLIENT_ID` and `…_CLIENT_SECRET` it talks to a real one.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

mod account;

use account::Account;
use keyway::{Error, orderingstack::Client, testing::FakeOrderingStack as Fake};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let fake = Fake::start().await;
    let account = Account::of("ORDERINGSTACK", fake.uri());
    let client = Client::builder(account.url())
        .tenant(account.get("TENANT", Fake::TENANT))
        .client(account.get("CLIENT_ID", Fake::CLIENT_ID), account.get("CLIENT_SECRET", Fake::CLIENT_SECRET))
        .anonymous()
        .build()?;

    browse(&client).await?;
    if account.is_fake() {
        fake.revoke_access_tokens();
        println!("The vendor has ended the session. Another sign-in makes another guest:");
        browse(&client).await?;
    }
    Ok(())
}

async fn browse(client: &Client) -> Result<(), Error> {
    let menu = client.http().get("/menu-api/api/menu").send().await?;
    // What the sign-in told about whom it made.
    let profile = client.session().profile();
    let guest = profile.as_ref().and_then(|profile| profile.facts()["UUID"].as_str()).unwrap_or("of no name");
    println!("Guest {guest}: GET /menu-api/api/menu answered {}.", menu.status());
    Ok(())
}
