//! Goes on with a Vita Mojo session that was begun elsewhere: all there is is its refresh token. Whatever replaces it is kept
//! in a store, for the next start of the program.
//!
//! ```sh
//! cargo run --example vitamojo_refresh_token
//! ```
//!
//! Without an account it talks to a fake in this process. With `KEYWAY_VITAMOJO_URL`, `…_REFRESH_TOKEN` and, where the
//! vendor wants one, `…_TENANT`, it goes on with a real session.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

mod account;
mod tidy;

use account::Account;
use keyway::{Error, FileStore, Secret, testing::FakeVitaMojo as Fake, vitamojo::Client};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let fake = Fake::builder().rotating(true).start().await;
    let account = Account::of("VITAMOJO", fake.uri());
    let token = match account.is_fake() {
        true => begun_elsewhere(&fake).await?,
        false => account.get("REFRESH_TOKEN", "").into(),
    };
    let folder = tempfile::tempdir()?;
    tidy::removed_at_ctrl_c(folder.path());
    let start = || -> Result<Client, Error> {
        // A refresh token does not say whose it is, and the store must know.
        let mut builder = Client::builder(account.url()).refresh_token(token.clone()).profile("till-7");
        if let Some(tenant) = account.maybe("TENANT") {
            builder = builder.tenant(tenant);
        }
        match account.is_fake() {
            true => builder.store(FileStore::at(folder.path())).build(),
            false => builder.store(FileStore::for_app("keyway-example")?).build(),
        }
    };

    let client = start()?;
    let stores = client.http().get("/tenant/v1/stores").send().await?;
    println!("GET /tenant/v1/stores answered {}.\n{}", stores.status(), client.session().report());
    client.session().close().await?;
    drop(client);

    println!("\nThe program starts again, with the same refresh token; the store knows better:");
    let client = start()?;
    client.session().renew().await?;
    println!("{}", client.session().report());
    if account.is_fake() {
        println!("\nRefresh tokens that were used twice: {}", fake.reuses());
    }
    // Says if the store has not taken the newest token: the next start would have none.
    client.session().close().await?;
    Ok(())
}

/// Another program has signed in, and hands over its refresh token.
async fn begun_elsewhere(fake: &Fake) -> Result<Secret, Error> {
    let elsewhere = Client::builder(fake.uri()).password(Fake::EMAIL, Fake::PASSWORD).build()?;
    let pair = elsewhere.api().auth().body_map(|body| body.email(Fake::EMAIL).password(Fake::PASSWORD)).send().await?;
    pair.into_inner().payload.token.refresh.ok_or_else(|| Error::refresh_refused("no refresh token was handed out"))
}
