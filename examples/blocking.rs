//! A program without async: the same client, and `.wait()` in the place of `.await`.
//!
//! ```sh
//! cargo run --example blocking --features blocking
//! ```
//!
//! The vendor is a fake, which a runtime of its own serves.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

use keyway::{blocking::Wait, shopmonkey, testing::FakeShopmonkey};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let vendor = tokio::runtime::Runtime::new()?;
    let fake = vendor.block_on(FakeShopmonkey::start());

    let client =
        shopmonkey::Client::builder(fake.uri()).password(FakeShopmonkey::EMAIL, FakeShopmonkey::PASSWORD).build()?;
    let answer = client.http().get("/v3/user").send().wait()?;
    println!("{} to a free call", answer.status());
    // Threads share the session as tasks do.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| client.session().lease().wait().map(drop));
        }
    });
    println!("{} sign-in for five callers", fake.count("login"));
    println!("signed out: {:?}", client.session().sign_out().wait()?);

    // Where it would block what it waits for, it says so.
    let inside = vendor.block_on(async { client.session().lease().wait().map(drop) });
    println!("inside async code: {}", inside.err().map(|error| error.to_string()).unwrap_or_default());
    Ok(())
}
