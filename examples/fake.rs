//! A vendor as a server, for a program of yours that you run by hand: a bundled one, or one made from its OpenAPI document.
//!
//! ```sh
//! cargo run --example fake -- vms --port 8080
//! cargo run --example fake -- acme.json --port 8080
//! ```
//!
//! The bundled ones are vitamojo, orderingstack, shopmonkey, vms, vtex and oauth2. It says what to give to the client's builder,
//! then what it is asked, until Ctrl-C ends it. Without an argument it fakes the vendor of a document of five lines, asks it
//! twice and ends.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

use keyway::testing::{Fake, FakeApi, FakeOAuth2, FakeOrderingStack, FakeShopmonkey, FakeVitaMojo, FakeVms, FakeVtex};
use std::{env, error::Error, fs, ops::Deref, time::Duration};

/// Any of the fakes.
type Opened = Box<dyn Deref<Target = Fake>>;

const SMALL: &str = r#"{ "openapi": "3.0.3", "paths": { "/orders": { "get": { "responses": { "200": { "content": { "application/json": {
    "example": [{ "id": "1", "status": "paid" }] } } } } } } } }"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let port = match arguments.iter().position(|argument| argument == "--port") {
        Some(at) => {
            arguments.get(at + 1).and_then(|port| port.parse().ok()).ok_or("--port wants a number, such as 8080")?
        }
        None => 0,
    };
    let Some(vendor) = arguments.first().filter(|first| !first.starts_with("--")) else { return small(port).await };
    let (fake, credential) = opened(vendor, port).await?;
    match vendor.as_str() {
        "oauth2" => println!("oauth2::Client::discover({:?}){credential}", fake.uri()),
        "vitamojo" | "orderingstack" | "shopmonkey" | "vms" | "vtex" => {
            println!("{vendor}::Client::builder({:?}){credential}", fake.uri());
        }
        _ => println!("{} is the vendor's address.", fake.uri()),
    }
    println!("\nWhat it is asked (Ctrl-C ends it):");
    let mut told = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let seen = fake.saw();
        seen.iter().skip(told).for_each(|seen| println!("{seen}"));
        told = seen.len();
    }
}

/// The vendor of this name or of this document, and what a client's builder wants beside its address.
async fn opened(vendor: &str, port: u16) -> Result<(Opened, String), Box<dyn Error>> {
    let password = |name: &str, password: &str| format!("\n    .password({name:?}, {password:?})");
    Ok(match vendor {
        "vitamojo" => (
            Box::new(FakeVitaMojo::builder().port(port).start().await),
            password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD),
        ),
        "orderingstack" => (
            Box::new(FakeOrderingStack::builder().port(port).start().await),
            format!(
                "\n    .tenant({:?})\n    .client({:?}, {:?}){}",
                FakeOrderingStack::TENANT,
                FakeOrderingStack::CLIENT_ID,
                FakeOrderingStack::CLIENT_SECRET,
                password(FakeOrderingStack::LOGIN, FakeOrderingStack::PASSWORD)
            ),
        ),
        "shopmonkey" => (
            Box::new(FakeShopmonkey::builder().port(port).start().await),
            password(FakeShopmonkey::EMAIL, FakeShopmonkey::PASSWORD),
        ),
        "vms" => (Box::new(FakeVms::builder().port(port).start().await), password(FakeVms::LOGIN, FakeVms::PASSWORD)),
        "vtex" => (
            Box::new(FakeVtex::builder().port(port).start().await),
            format!("\n    .app_key({:?}, {:?})", FakeVtex::APP_KEY, FakeVtex::APP_TOKEN),
        ),
        "oauth2" => (
            Box::new(FakeOAuth2::builder().port(port).start().await),
            format!(
                "\n    .client({:?}, {:?})\n    .client_credentials()",
                FakeOAuth2::CLIENT_ID,
                FakeOAuth2::CLIENT_SECRET
            ),
        ),
        document => {
            let text = fs::read_to_string(document)
                .map_err(|error| format!("{document} is no vendor, and no document: {error}"))?;
            (Box::new(FakeApi::builder(text).port(port).start().await), String::new())
        }
    })
}

/// Asks for a path that the document has, and for one that it has not.
async fn small(port: u16) -> Result<(), Box<dyn Error>> {
    let fake = FakeApi::builder(SMALL).port(port).start().await;
    println!("{} listens; operations it knows: {}", fake.uri(), fake.operations().len());
    println!("GET /orders: {}", reqwest::get(format!("{}/orders", fake.uri())).await?.text().await?);
    println!("GET /order: {}", reqwest::get(format!("{}/order", fake.uri())).await?.text().await?);
    Ok(())
}
