#![deny(unused_must_use)]

use keyway::{Key, Store, StoreError};
use std::time::Duration;

async fn locked(store: &impl Store, key: &Key) -> Result<(), StoreError> {
    store.lock(key, Duration::from_secs(1)).await?;
    Ok(())
}

fn main() {}
