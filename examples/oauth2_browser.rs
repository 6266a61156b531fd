//! A program on a person's own machine: the browser signs them in, and comes back to a port that is open for that alone.
//!
//! ```sh
//! cargo run --example oauth2_browser
//! ```
//!
//! Without an account the provider is a fake in this process, whose page allows everything at once. With
//! `KEYWAY_OAUTH2_URL` (the issuer) and `…_CLIENT_ID` it is a real one, at which `http://127.0.0.1/callback` is registered, with
//! any port (RFC 8252, 7.3).
#![allow(clippy::print_stdout, reason = "it is there to be read")]

mod account;

use account::Account;
use keyway::{
    Error,
    oauth2::{Client, Loopback},
    testing::FakeOAuth2 as Fake,
};
use std::io::{self, IsTerminal};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let fake = Fake::start().await;
    let account = Account::of("OAUTH2", fake.uri());
    let loopback = if io::stdout().is_terminal() { Loopback::new() } else { Loopback::showing(nobody_is_here) };
    let client = Client::discover(account.url())
        .public_client(account.get("CLIENT_ID", Fake::PUBLIC_CLIENT))
        .browser(loopback)
        // In a program of yours, so that no person is asked again after a restart:
        // .store(FileStore::for_app("myapp")?).profile("the user of this machine")
        .build()?;

    println!("A browser opens: sign in there.");
    if let Err(error) = client.session().lease().await {
        println!("Not signed in: {error}");
        return Ok(());
    }
    println!("Signed in.");
    client.session().renew().await?;
    println!("Renewed without anybody.\n\nWhat the session did:\n{}", client.session().report());
    client.session().sign_out().await?;
    Ok(())
}

/// Without a terminal, as in a test, the page is opened and read by this program itself.
fn nobody_is_here(url: &str) -> io::Result<()> {
    let page = url.to_owned();
    tokio::spawn(async move {
        let last = reqwest::get(page).await?.text().await?;
        let title = last.split("<h1>").nth(1).and_then(|rest| rest.split("</h1>").next());
        println!("The last page says: {}.", title.unwrap_or("nothing"));
        Ok::<_, reqwest::Error>(())
    });
    Ok(())
}
