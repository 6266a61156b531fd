//! Two ways to use an app key at VTEX: exchanged for a token that is renewed by itself, or sent with every call as it is.
//!
//! ```sh
//! cargo run --example vtex_app_key
//! ```
//!
//! Without an account it talks to a fake in this process. With `KEYWAY_VTEX_ACCOUNT`, `KEYWAY_VTEX_APPKEY` and
//! `KEYWAY_VTEX_APPTOKEN` it talks to that account.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

use keyway::{
    Error, Expiry, Secret,
    testing::FakeVtex,
    vtex::{Client, ClientBuilder},
};
use std::{env, time::SystemTime};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let variable = |name: &str| env::var(format!("KEYWAY_VTEX_{name}")).ok();
    if let (Some(account), Some(key), Some(token)) = (variable("ACCOUNT"), variable("APPKEY"), variable("APPTOKEN")) {
        return both_ways(|| Client::for_account(&account), &key, &token.into()).await;
    }
    println!("No account in the environment: a fake in this process answers.");
    let fake = FakeVtex::start().await;
    both_ways(|| Client::builder(fake.uri()), FakeVtex::APP_KEY, &FakeVtex::APP_TOKEN.into()).await
}

async fn both_ways(begin: impl Fn() -> ClientBuilder, key: &str, token: &Secret) -> Result<(), Error> {
    println!("Exchanged:");
    show(&begin().app_key(key, token.clone()).build()?).await?;
    println!("As it is:");
    show(&begin().app_key_headers(key, token.clone()).build()?).await
}

async fn show(client: &Client) -> Result<(), Error> {
    let orders = client.http().get("/api/oms/pvt/orders").send().await?;
    println!("  GET /api/oms/pvt/orders answered {}", orders.status());
    let lease = client.session().lease().await?;
    let names: Vec<_> = lease.headers().keys().map(|name| name.as_str()).collect();
    let ends = match lease.expiry() {
        Expiry::At(end) => {
            format!("in {} min", end.duration_since(SystemTime::now()).unwrap_or_default().as_secs() / 60)
        }
        Expiry::Never => "never".to_owned(),
        Expiry::Unknown => "unknown: used until refused".to_owned(),
    };
    println!("  carried by {}; ends: {ends}", names.join(" and "));
    Ok(())
}
