//! Signs in to Shopmonkey by e-mail address and password, and signs out again.
//!
//! ```sh
//! cargo run --example shopmonkey_login
//! ```
//!
//! Without an account it talks to a fake in this process. With `KEYWAY_SHOPMONKEY_URL`, `KEYWAY_SHOPMONKEY_EMAIL` and
//! `KEYWAY_SHOPMONKEY_PASSWORD` it talks to a real one.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

mod account;
mod person;

use account::Account;
use keyway::{Error, shopmonkey::Client, testing::FakeShopmonkey as Fake};
use person::while_turning;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let fake = Fake::start().await;
    let account = Account::of("SHOPMONKEY", fake.uri());
    let client = Client::builder(account.url())
        .password(account.get("EMAIL", Fake::EMAIL), account.get("PASSWORD", Fake::PASSWORD))
        .build()?;

    while_turning("Signing in", client.session().sign_in()).await?;
    println!("Signed in.");
    if account.is_fake() {
        fake.revoke_sessions();
        println!("The vendor has ended the session. The next call notices, signs in again and is sent once more.");
    }
    let orders = client.http().get("/v3/order").send().await?;
    println!("GET /v3/order answered {}.", orders.status());
    println!("Signed out: {:?}", client.session().sign_out().await?);
    println!("\nWhat the session did:\n{}", client.session().report());
    Ok(())
}
