//! Signs in a device that has no keyboard, such as a kiosk: a person lets it in with a code on their own phone (RFC 8628).
//!
//! ```sh
//! cargo run --example orderingstack_device
//! ```
//!
//! Without an OAuth2 client it talks to a fake in this process, which lets the device in after a moment. With
//! `KEYWAY_ORDERINGSTACK_URL`, `…_TENANT`, `…_CLIENT_ID`, `…_CLIENT_SECRET` and `…_MODULE` it talks to a real one.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

mod account;
mod person;

use account::Account;
use keyway::{Error, orderingstack::Client, testing::FakeOrderingStack as Fake};
use person::Person;
use std::{sync::Arc, time::Duration};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let fake = Arc::new(Fake::builder().device_interval(Duration::from_secs(1)).start().await);
    let account = Account::of("ORDERINGSTACK", fake.uri());
    let client = Client::builder(account.url())
        .tenant(account.get("TENANT", Fake::TENANT))
        .client(account.get("CLIENT_ID", Fake::CLIENT_ID), account.get("CLIENT_SECRET", Fake::CLIENT_SECRET))
        .device(account.get("MODULE", Fake::MODULE))
        // Shows the code. Without one the first call fails with an error that holds the code and the way on.
        .responder(Person::default())
        // In a program of yours, so that no person is asked again after a restart: .store(FileStore::for_app("myapp")?)
        .build()?;
    if account.is_fake() {
        tokio::spawn(somebody_lets_it_in(fake.clone()));
    }

    let module = match client.api().get_module_config().send().await {
        Ok(module) => module,
        Err(error) => {
            println!("\nNot let in: {error}");
            return Ok(());
        }
    };
    println!("\nThe device is in, as module {}.", module.id.as_deref().unwrap_or("?"));
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
