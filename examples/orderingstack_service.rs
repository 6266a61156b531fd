//! Signs in to OrderingStack as the OAuth2 client itself: a service, which may choose the tenant of each call.
//!
//! ```sh
//! cargo run --example orderingstack_service
//! ```
//!
//! Without an OAuth2 client it talks to a fake in this process. With `KEYWAY_ORDERINGSTACK_URL`, `…_TENANT`,
//! `…_CLIENT_ID` and `…_CLIENT_SECRET` it talks to a real one, and with `…_OTHER_TENANT` about a second tenant too.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

mod account;

use account::Account;
use keyway::{Error, orderingstack::Client, testing::FakeOrderingStack as Fake};

const OTHER_TENANT: &str = "9cbe650a-1fb7-4b06-912b-cead8a013e8b";

#[tokio::main]
async fn main() -> Result<(), Error> {
    let fake = Fake::builder().tenant(OTHER_TENANT).start().await;
    let account = Account::of("ORDERINGSTACK", fake.uri());
    let client = Client::builder(account.url())
        .tenant(account.get("TENANT", Fake::TENANT))
        .client(account.get("CLIENT_ID", Fake::CLIENT_ID), account.get("CLIENT_SECRET", Fake::CLIENT_SECRET))
        .client_credentials()
        .build()?;

    // A list is a stream that asks for page after page.
    let mut modules = client.modules(|call| call);
    println!("The tenant's modules:");
    while let Some(module) = modules.next().await {
        let module = module?;
        println!("  {:<12} {}", module["id"].as_str().unwrap_or("?"), module["type"].as_str().unwrap_or("?"));
    }

    let other = if account.is_fake() { Some(OTHER_TENANT.to_owned()) } else { account.maybe("OTHER_TENANT") };
    if let Some(other) = other {
        let menu = client.http().get("/menu-api/api/menu").tenant(other).send().await?;
        println!("Another tenant, by the same session: GET /menu-api/api/menu answered {}.", menu.status());
    }
    // What needs a user fails before anything is sent, and says who could.
    if let Err(error) = client.api().get_self().send().await {
        println!("And what a service may not do: {error}");
    }
    Ok(())
}
