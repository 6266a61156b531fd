//! The session under a stack of `tower` services, such as that of a client which is built on hyper.
//!
//! ```sh
//! cargo run --example tower_layer --features tower
//! ```
#![allow(clippy::print_stdout, reason = "it is there to be read")]

use http::{Request, Response};
use http_body_util::Empty;
use keyway::{
    BoxFuture,
    testing::{FakeVms, ManualClock},
    vms,
};
use std::{
    task::{Context, Poll},
    time::Duration,
};
use tower_layer::Layer;
use tower_service::Service;

type Nothing = Empty<&'static [u8]>;

/// Whatever sends requests: here reqwest, for which `client.http()` would be simpler.
#[derive(Clone)]
struct Wire(reqwest::Client);

impl Service<Request<Nothing>> for Wire {
    type Response = Response<String>;
    type Error = reqwest::Error;
    type Future = BoxFuture<'static, Result<Response<String>, reqwest::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), reqwest::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Nothing>) -> Self::Future {
        let sent =
            self.0.request(request.method().clone(), request.uri().to_string()).headers(request.headers().clone());
        Box::pin(async move {
            let answer = sent.send().await?;
            let mut response = Response::new(String::new());
            *response.status_mut() = answer.status();
            *response.body_mut() = answer.text().await?;
            Ok(response)
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    let vms =
        vms::Client::builder(fake.uri()).password(FakeVms::LOGIN, FakeVms::PASSWORD).clock(clock.clone()).build()?;
    let mut stack = vms.layer().layer(Wire(reqwest::Client::new()));
    let get = || Request::get(format!("{}/api/v1/cameras", fake.uri())).body(Nothing::new());

    println!("{}", stack.call(get()?).await?.status());
    clock.advance(Duration::from_secs(120));
    fake.revoke_all();
    println!(
        "{} after all sessions were ended: signed in {} times",
        stack.call(get()?).await?.status(),
        fake.count("get_token")
    );
    Ok(())
}
