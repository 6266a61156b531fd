//! Signs in to Vita Mojo by e-mail address and password. Its tokens live ten minutes, and are renewed by refresh token.
//!
//! ```sh
//! cargo run --example vitamojo_password
//! ```
//!
//! Without an account it talks to a fake in this process. With `KEYWAY_VITAMOJO_URL`, `…_EMAIL`, `…_PASSWORD` and, where
//! the vendor wants one, `…_TENANT`, it talks to a real one.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

mod account;
mod person;

use account::Account;
use keyway::{Error, testing::FakeVitaMojo as Fake, vitamojo::Client};
use person::while_turning;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let fake = Fake::start().await;
    let account = Account::of("VITAMOJO", fake.uri());
    let mut builder = Client::builder(account.url())
        .password(account.get("EMAIL", Fake::EMAIL), account.get("PASSWORD", Fake::PASSWORD));
    if let Some(tenant) = account.maybe("TENANT") {
        builder = builder.tenant(tenant);
    }
    let client = builder.build()?;

    // The first call signs in.
    let check = while_turning("Signing in", client.api().check_token().send()).await?;
    let email = check.payload.user.as_ref().and_then(|user| user.email.as_deref());
    println!("Signed in as {}.", email.unwrap_or("somebody"));
    if account.is_fake() {
        fake.revoke_access_tokens();
        println!("The vendor has ended the token. The next call notices, renews it and is sent once more.");
    }
    let stores = client.http().get("/tenant/v1/stores").send().await?;
    println!("GET /tenant/v1/stores answered {}.", stores.status());
    println!("\nWhat the session did:\n{}", client.session().report());
    client.session().sign_out().await.map(drop)
}
