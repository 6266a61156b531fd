//! Signs in to a vendor of one's own and lists the orders of one customer: `with-own URL PASSWORD CUSTOMER`.

#[path = "acme.rs"]
#[allow(warnings)]
mod acme;

use keyway::{
    Error, Secret,
    custom::{self, Attempt, Capabilities, Issued, Issuer, Request, TokensAt},
};
use std::env::args;

struct Acme(Secret);

impl Issuer for Acme {
    fn describe(&self) -> Capabilities {
        Capabilities::new("acme", ".password(..)")
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        attempt.present(&self.0)?;
        let body = serde_json::json!({ "password": self.0.expose() });
        attempt.send(Request::post("/v7/login").json(&body)).await?.tokens(&TokensAt::new("/access"))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [url, password, customer] = [1, 2, 3].map(|n| args().nth(n).unwrap_or_default());
    let session = custom::Client::builder(url).issuer(Acme(password.into())).build()?;
    let acme = acme::Client::new(&session);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let orders = runtime.block_on(acme.api().get_orders().filter_customer(customer).send())?;
    for order in orders.iter() {
        println!("{}", order.id.as_deref().unwrap_or("?"));
    }
    Ok(())
}
