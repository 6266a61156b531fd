//! A service that acts for many: one client per tenant, few of them alive, and no tenant signs in twice.
//!
//! ```sh
//! cargo run --example many_sessions --features sessions
//! ```
#![allow(clippy::print_stdout, reason = "it is there to be read")]

use keyway::{MemoryStore, Sessions, testing::FakeVitaMojo, vitamojo};

const TENANT: &str = "c36578d8-ffa6-4a5e-a808-400ee422028a";

#[tokio::main]
async fn main() -> Result<(), keyway::Error> {
    let fake = FakeVitaMojo::start().await;
    let uri = fake.uri();

    // One store for all of them: what is forgotten sleeps there. And one HTTP client, whose connections they share.
    let store = MemoryStore::new();
    let builder =
        move || vitamojo::Client::builder(&uri).tenant(TENANT).password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD);
    let first = builder().build()?;
    let shops = Sessions::new(8, move |shop: &u32| {
        builder().http_of(&first).store(store.clone()).profile(format!("shop {shop}")).build()
    });

    for round in 1..=3 {
        for shop in 0..40 {
            shops.get(&shop)?.http().get("/order/v1/orders").send().await?;
        }
        println!(
            "round {round}: {} clients are alive, {} sign-ins, {} calls",
            shops.len(),
            fake.count("auth"),
            fake.count("other")
        );
    }
    Ok(())
}
