//! A vendor of your own as a server, made from its OpenAPI document: try your program against it by hand.
//!
//! ```sh
//! cargo run --example fake -- acme.json --port 8080
//! ```
//!
//! Without a document it fakes the vendor of `examples/outside/orders`, asks it once and ends.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

use keyway::testing::FakeApi;
use std::{env, error::Error, fs, time::Duration};

const SMALL: &str = r#"{ "openapi": "3.0.3", "paths": { "/orders": { "get": { "responses": { "200": { "content": { "application/json": {
    "example": [{ "id": "1", "status": "paid" }] } } } } } } } }"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let port = arguments.windows(2).find(|pair| pair[0] == "--port").map_or(Ok(0), |pair| pair[1].parse())?;
    let file = arguments.first().filter(|first| !first.starts_with("--"));
    let document = file.map_or_else(|| Ok(SMALL.to_owned()), fs::read_to_string)?;
    let fake = FakeApi::builder(document).port(port).start().await;
    println!("{} listens; operations it knows: {}", fake.uri(), fake.operations().len());
    if file.is_none() {
        println!("GET /orders: {}", reqwest::get(format!("{}/orders", fake.uri())).await?.text().await?);
        println!("GET /order: {}", reqwest::get(format!("{}/order", fake.uri())).await?.text().await?);
        return Ok(());
    }
    let mut told = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let seen = fake.saw();
        seen.iter().skip(told).for_each(|seen| println!("{seen}"));
        told = seen.len();
    }
}
