//! Signs in to OrderingStack as a user, and stays signed in by refresh token.
//!
//! ```sh
//! cargo run --example orderingstack_password
//! ```
//!
//! Without an account it talks to a fake in this process. With `KEYWAY_ORDERINGSTACK_URL`, `…_TENANT`, `…_CLIENT_ID`,
//! `…_CLIENT_SECRET`, `…_USER` and `…_PASSWORD` it talks to a real one.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

mod account;
mod person;

use account::Account;
use keyway::{Error, orderingstack::Client, testing::FakeOrderingStack as Fake};
use person::while_turning;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let fake = Fake::start().await;
    let account = Account::of("ORDERINGSTACK", fake.uri());
    let client = Client::builder(account.url())
        .tenant(account.get("TENANT", Fake::TENANT))
        .client(account.get("CLIENT_ID", Fake::CLIENT_ID), account.get("CLIENT_SECRET", Fake::CLIENT_SECRET))
        .password(account.get("USER", Fake::LOGIN), account.get("PASSWORD", Fake::PASSWORD))
        .build()?;

    // The first call signs in.
    let me = while_turning("Signing in", client.api().get_self().send()).await?;
    println!("Signed in as {}.", me.login.as_deref().unwrap_or("somebody"));
    if account.is_fake() {
        fake.revoke_access_tokens();
        println!("The vendor has ended the token. The next call notices, renews it and is sent once more.");
    }
    let menu = client.http().get("/menu-api/api/menu").send().await?;
    println!("GET /menu-api/api/menu answered {}.", menu.status());
    println!("\nWhat the session did:\n{}", client.session().report());
    client.session().sign_out().await.map(drop)
}
