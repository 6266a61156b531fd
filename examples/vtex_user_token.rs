//! Uses the token of a VTEX user who is signed in already, from a browser's cookie for instance. Nothing renews it: it serves
//! until it ends.
//!
//! ```sh
//! cargo run --example vtex_user_token
//! ```
//!
//! Without an account it talks to a fake in this process. With `KEYWAY_VTEX_ACCOUNT` and `KEYWAY_VTEX_USER_TOKEN` it talks
//! to that account.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

use keyway::{Error, testing::FakeVtex as Fake, vtex::Client};
use std::{env, time::Duration};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let variable = |name: &str| env::var(format!("KEYWAY_VTEX_{name}")).ok();
    if let (Some(account), Some(token)) = (variable("ACCOUNT"), variable("USER_TOKEN")) {
        return call(&Client::for_account(account).user_token(token).build()?).await;
    }
    println!("No account in the environment: a fake in this process answers.");
    let fake = Fake::start().await;
    let client = Client::builder(fake.uri()).user_token(fake.new_user_token(Duration::from_secs(3600))).build()?;
    call(&client).await?;
    fake.revoke_tokens();
    println!("The vendor has ended the token:");
    call(&client).await?;
    if let Err(error) = call(&client).await {
        println!("  and once more, without asking the vendor: {error}");
    }
    Ok(())
}

async fn call(client: &Client) -> Result<(), Error> {
    let orders = client.http().get("/api/oms/user/orders").send().await?;
    println!("  GET /api/oms/user/orders answered {}", orders.status());
    Ok(())
}
