//! Goes on with an OrderingStack session that was begun elsewhere, in a browser for instance: all there is is its refresh
//! token. It is spent by its first use, so its successors are kept in a store, for the next start of the program.
//!
//! ```sh
//! cargo run --example orderingstack_refresh_token
//! ```
//!
//! Without an account it talks to a fake in this process. With `KEYWAY_ORDERINGSTACK_URL`, `…_TENANT`, `…_CLIENT_ID`,
//! `…_CLIENT_SECRET` and `…_REFRESH_TOKEN` it goes on with a real session.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

mod account;
mod tidy;

use account::Account;
use keyway::{Error, FileStore, orderingstack::Client, testing::FakeOrderingStack as Fake};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let fake = Fake::builder().rotating(true).start().await;
    let account = Account::of("ORDERINGSTACK", fake.uri());
    let token = account.get("REFRESH_TOKEN", &fake.new_refresh_token());
    let folder = tempfile::tempdir()?;
    tidy::removed_at_ctrl_c(folder.path());
    let store = || match account.is_fake() {
        true => Ok(FileStore::at(folder.path())),
        false => FileStore::for_app("keyway-example"),
    };
    let start = || -> Result<Client, Error> {
        Client::builder(account.url())
            .tenant(account.get("TENANT", Fake::TENANT))
            .client(account.get("CLIENT_ID", Fake::CLIENT_ID), account.get("CLIENT_SECRET", Fake::CLIENT_SECRET))
            .refresh_token(token.as_str())
            .store(store()?)
            // A refresh token does not say whose it is, and the store must know.
            .profile("till-7")
            .build()
    };

    let client = start()?;
    let me = client.api().get_self().send().await?;
    println!("Signed in as {}.\n{}", me.login.as_deref().unwrap_or("somebody"), client.session().report());
    client.session().close().await?;
    drop(client);

    println!("\nThe program starts again, with the same refresh token; the store knows better:");
    let client = start()?;
    client.api().get_self().send().await?;
    client.session().renew().await?;
    println!("{}", client.session().report());
    if account.is_fake() {
        println!("\nRefresh tokens that were used twice: {}", fake.reuses());
    }
    // Says if the store has not taken the newest token: the next start would have none.
    client.session().close().await?;
    Ok(())
}
