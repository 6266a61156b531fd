//! Signs in to Shopmonkey by e-mail address and password, and signs out again.
//!
//! ```sh
//! cargo run --example shopmonkey_login
//! ```
//!
//! Without an account it talks to a fake in this process. With `KEYWAY_SHOPMONKEY_URL`, `KEYWAY_SHOPMONKEY_EMAIL` and
//! `KEYWAY_SHOPMONKEY_PASSWORD` it talks to a real one.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

use keyway::{Error, shopmonkey::Client, testing::FakeShopmonkey};
use std::env;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let variable = |name: &str| env::var(format!("KEYWAY_SHOPMONKEY_{name}")).ok();
    if let (Some(url), Some(email), Some(password)) = (variable("URL"), variable("EMAIL"), variable("PASSWORD")) {
        return visit(Client::builder(url).password(email, password).build()?).await;
    }
    println!("No account in the environment: a fake in this process answers.");
    let fake = FakeShopmonkey::start().await;
    let client = Client::builder(fake.uri()).password(FakeShopmonkey::EMAIL, FakeShopmonkey::PASSWORD).build()?;
    visit(client.clone()).await?;
    client.session().sign_in().await?;
    fake.revoke_sessions();
    println!("The vendor has ended the session. The next call notices, signs in again and is sent once more:");
    visit(client).await
}

async fn visit(client: Client) -> Result<(), Error> {
    let orders = client.http().get("/v3/order").send().await?;
    println!("  GET /v3/order answered {}", orders.status());
    println!("  signed out: {:?}", client.session().sign_out().await?);
    Ok(())
}
