//! Makes an API key at Shopmonkey with one client, uses it with another, and deletes it.
//!
//! ```sh
//! cargo run --example shopmonkey_api_key
//! ```
//!
//! Without an account it talks to a fake in this process. With `KEYWAY_SHOPMONKEY_URL` and `KEYWAY_SHOPMONKEY_API_KEY`
//! (an admin's) it talks to a real one, and takes away only the key it has made.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

use keyway::{
    Error, Secret,
    shopmonkey::{Client, filter},
    testing::FakeShopmonkey,
};
use serde_json::json;
use std::env;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let variable = |name: &str| env::var(format!("KEYWAY_SHOPMONKEY_{name}")).ok();
    if let (Some(url), Some(key)) = (variable("URL"), variable("API_KEY")) {
        return life_of_a_key(&url, key.into()).await;
    }
    println!("No account in the environment: a fake in this process answers.");
    let fake = FakeShopmonkey::start().await;
    life_of_a_key(&fake.uri(), FakeShopmonkey::API_KEY.into()).await
}

async fn life_of_a_key(url: &str, key: Secret) -> Result<(), Error> {
    let name = format!("keyway example {}", std::process::id());
    let admin = Client::builder(url).api_key(key).build()?;
    let made =
        admin.api().create_api_key().body_map(|body| body.name(&name).audience("shop").expires(1)).send().await?;
    println!("made a key for a day: {name}");

    let till = Client::builder(url).api_key(made.data.token.clone()).build()?;
    println!("it is used: GET /v3/order answered {}", till.http().get("/v3/order").send().await?.status());

    let condition = filter(&json!({ "name": { "equals": name } }))?;
    let mut keys = admin.api_keys(move |call| call.where_(condition.clone()));
    while let Some(key) = keys.next().await {
        let Some(id) = key?.id else { continue };
        admin.api().delete_api_key().id(id).send().await?;
        println!("deleted it");
    }
    println!("it is used again: GET /v3/order answered {}", till.http().get("/v3/order").send().await?.status());
    if let Err(error) = till.http().get("/v3/order").send().await {
        println!("and once more, without asking the vendor: {error}");
    }
    Ok(())
}
