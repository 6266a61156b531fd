//! How one signs in to Acme.

use keyway::{
    Error, Secret,
    custom::{Attempt, Capabilities, Issued, Issuer, Request, TokensAt},
};
use serde_json::json;
use std::time::Duration;

pub struct Acme {
    pub password: Secret,
}

impl Issuer for Acme {
    fn describe(&self) -> Capabilities {
        Capabilities::new("acme", ".password(..)").default_life(Duration::from_secs(600))
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        attempt.present(&self.password)?;
        let body = json!({ "password": self.password.expose() });
        attempt.send(Request::post("/v7/login").json(&body)).await?.tokens(&TokensAt::new("/access"))
    }
}
