//! Signs in a device without a keyboard at any provider of OAuth 2.0: a person lets it in on their own phone (RFC 8628).
//!
//! ```sh
//! cargo run --example oauth2_device
//! ```
//!
//! Without an account it talks to a fake in this process, which lets the device in after a moment. With
//! `KEYWAY_OAUTH2_URL` (the issuer) and `…_CLIENT_ID` it talks to a real provider.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

mod account;
mod person;

use account::Account;
use keyway::{Error, oauth2::Client, testing::FakeOAuth2 as Fake};
use person::Person;
use std::{sync::Arc, time::Duration};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let fake = Arc::new(Fake::builder().device_interval(Duration::from_secs(1)).start().await);
    let account = Account::of("OAUTH2", fake.uri());
    let client = Client::discover(account.url())
        .public_client(account.get("CLIENT_ID", Fake::PUBLIC_CLIENT))
        .device()
        // Shows the code. Without one the first call fails with an error that holds the code and the way on.
        .responder(Person::default())
        // In a program of yours, so that no person is asked again after a restart:
        // .store(FileStore::for_app("myapp")?).profile("this device")
        .build()?;
    if account.is_fake() {
        tokio::spawn(somebody_lets_it_in(fake.clone()));
    }

    if let Err(error) = client.session().lease().await {
        println!("\nNot let in: {error}");
        return Ok(());
    }
    println!("\nThe device is in.");
    client.session().renew().await?;
    println!("Its session is renewed without anybody.\n\nWhat the session did:\n{}", client.session().report());
    Ok(())
}

/// On a fake there is no page where a code could be entered.
async fn somebody_lets_it_in(fake: Arc<Fake>) {
    fake.until("start_device", 1).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    fake.approve_device();
}
