//! Sessions at rest that no other program can read, and how the key that seals them is replaced while the program runs.
//!
//! ```sh
//! cargo run --example sealed_store --features sealed
//! ```
#![allow(clippy::print_stdout, reason = "it is there to be read")]

mod tidy;

use keyway::{FileStore, Sealed, SealingKey, SealingKeys, testing::FakeVitaMojo, vitamojo};
use std::fs;

const TENANT: &str = "c36578d8-ffa6-4a5e-a808-400ee422028a";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let home = tempfile::tempdir()?;
    tidy::removed_at_ctrl_c(home.path());
    let fake = FakeVitaMojo::builder().rotating(true).start().await;
    let client = |keys: &SealingKeys| {
        let store = Sealed::new(FileStore::at(home.path().join("sessions")), keys.clone());
        let client = vitamojo::Client::builder(fake.uri()).tenant(TENANT);
        client.password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD).store(store).build()
    };

    // Once, at the installation; later SealingKey::from_file. The file is this user's alone.
    let old = SealingKey::create_file(home.path().join("old.key"))?;
    let keys = SealingKeys::new(old.clone());
    let vita = client(&keys)?;
    vita.session().lease().await?;
    for file in fs::read_dir(home.path().join("sessions"))?.flatten() {
        let text = fs::read_to_string(file.path())?;
        if !text.is_empty() {
            println!("in the folder: {:.190}…", text);
        }
    }

    // First the new key can be read by all, then it seals, then the old one goes.
    let new = SealingKey::create_file(home.path().join("new.key"))?;
    keys.replace(&SealingKeys::new(old.clone()).also(new.clone()));
    keys.replace(&SealingKeys::new(new.clone()).also(old.clone()));
    vita.session().renew().await?;
    keys.replace(&SealingKeys::new(new.clone()));
    println!("sealed anew with {}: {} sign-in, {} renewal", new.id(), fake.count("auth"), fake.count("refresh_token"));

    // A process with the old key alone opens nothing, and begins no session over this one.
    if let Err(error) = client(&SealingKeys::new(old))?.session().lease().await {
        println!("with the old key: {error}");
    }
    Ok(())
}
