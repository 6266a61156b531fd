//! Sets up a second factor for the user who is signed in, with the codes of any authenticator app, and takes it away again.
//!
//! ```sh
//! cargo run --example orderingstack_totp
//! ```
//!
//! Without an account it talks to a fake in this process. With `KEYWAY_ORDERINGSTACK_URL`, `…_TENANT`, `…_CLIENT_ID`,
//! `…_CLIENT_SECRET`, `…_USER` and `…_PASSWORD` it talks to a real one: use that of a test user.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

mod account;

use account::Account;
use keyway::{Clock, Error, SystemClock, orderingstack::Client, testing::FakeOrderingStack as Fake};
use std::time::UNIX_EPOCH;
use totp_rs::Totp;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let fake = Fake::start().await;
    let account = Account::of("ORDERINGSTACK", fake.uri());
    let client = Client::builder(account.url())
        .tenant(account.get("TENANT", Fake::TENANT))
        .client(account.get("CLIENT_ID", Fake::CLIENT_ID), account.get("CLIENT_SECRET", Fake::CLIENT_SECRET))
        .password(account.get("USER", Fake::LOGIN), account.get("PASSWORD", Fake::PASSWORD))
        .build()?;
    let has_factor = async || Ok::<_, Error>(client.api().get_self().send().await?.mfa == Some(true));
    if has_factor().await? {
        println!("This user has a second factor already; it is left alone.");
        return Ok(());
    }

    // The vendor's page does not say what the answer looks like, so both likely shapes are read. Never print it.
    let told = client.api().totp_secret().send().await?;
    let Some(secret) = told.as_str().or(told["secret"].as_str()) else {
        return Err("the vendor's answer holds no secret where this example looks for it".into());
    };
    // Shorter than RFC 4226 wants it, hence without its checks.
    let app: Totp = totp_rs::Builder::new().with_secret(totp_rs::Secret::try_from_base32(secret)?).build_noncompliant();
    let now = SystemClock.wall().duration_since(UNIX_EPOCH)?.as_secs();

    println!("(Nobody is asked here: the code of a person's app is worked out from the secret.)");
    let code = app.generate(now).to_string();
    client.api().totp_configure().body_map(|body| body.secret(secret).code(code)).send().await?;
    println!("The second factor is set up: {}", has_factor().await?);
    client.api().totp_remove().send().await?;
    println!("It is taken away again:      {}", !has_factor().await?);
    Ok(())
}
