//! Sessions on disk that whoever copies the disk cannot read: the key that seals them is in the keyring of the operating system,
//! and a program that starts again finds both.
//!
//! ```sh
//! cargo run --example keyring --features keyring
//! ```
//!
//! Where no keyring runs, as on most servers, it says so and what to do instead. The sessions are in the folder of an app
//! called `keyway-example`, and the key is the keyring's entry of the service `keyway` for that folder: remove both when you are done.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

use keyway::{FileStore, testing::FakeVitaMojo, vitamojo};

const TENANT: &str = "c36578d8-ffa6-4a5e-a808-400ee422028a";

#[tokio::main]
async fn main() -> Result<(), keyway::Error> {
    let fake = FakeVitaMojo::start().await;
    // As two runs of a program: each has its store from the beginning.
    for run in ["the first run", "the second run"] {
        // It may wait for a person who unlocks the keyring, so it is asked off Tokio's workers.
        let opened = tokio::task::spawn_blocking(|| FileStore::for_app("keyway-example")?.sealed_by_keyring()).await;
        let Ok(opened) = opened else { return Ok(()) }; // the runtime ends
        let store = match opened {
            Ok(store) => store,
            Err(error) => {
                println!("no keyring here: {error}");
                return Ok(());
            }
        };
        let vita = vitamojo::Client::builder(fake.uri())
            .tenant(TENANT)
            .password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD)
            .store(store)
            .build()?;
        let lease = vita.session().lease().await?;
        println!("{run}: token {}, {} sign-in so far", lease.generation(), fake.count("auth"));
        if run == "the second run" {
            vita.session().sign_out().await?;
        }
    }
    Ok(())
}
