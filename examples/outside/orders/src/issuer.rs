//! How one signs in to Acme.

use keyway::{
    Error, Secret,
    custom::{Attempt, Capabilities, Issued, Issuer},
};
use serde_json::{Value, json};
use std::time::Duration;

pub struct Acme {
    root: String,
    http: reqwest::Client,
    password: Secret,
}

impl Acme {
    pub fn new(root: String, password: &str) -> Result<Self, Error> {
        // A redirect must not take the password elsewhere.
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { root, http, password: password.into() })
    }
}

impl Issuer for Acme {
    fn describe(&self) -> Capabilities {
        Capabilities::new("acme", ".password(..)").default_life(Duration::from_secs(600))
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        attempt.present(&self.password)?;
        let _permit = attempt.acquire().await?;
        let call =
            self.http.post(format!("{}/v7/login", self.root)).json(&json!({ "password": self.password.expose() }));
        let answer = call.send().await?;
        match answer.status().as_u16() {
            200 => {
                let body: Value = answer.json().await?;
                Ok(Issued::new(body["access"].as_str().unwrap_or_default()))
            }
            401 => Err(Error::invalid_credentials("Acme refused the password")),
            status => Err(Error::unexpected_status(status)),
        }
    }
}
