//! How one signs in to Directus: tokens of a short life, and a refresh token that each renewal replaces.

use keyway::{
    Error, Secret, SignOut,
    custom::{Attempt, Capabilities, Expires, Issued, Issuer, Renewal, Request, Sender, Tokens, TokensAt},
};
use serde_json::json;

const TOKENS: TokensAt = TokensAt::new("/data/access_token")
    .refresh("/data/refresh_token")
    .expires(&[Expires::Milliseconds("/data/expires")]);

/// Where Directus has the code of a failure.
pub const CODE: &str = "/errors/0/extensions/code";

pub struct Directus {
    pub email: String,
    pub password: Secret,
    pub sender: Sender,
}

impl Issuer for Directus {
    fn describe(&self) -> Capabilities {
        Capabilities::new("directus", ".password(..)").renewal(Renewal::RefreshToken { rotates: true })
    }

    fn seed(&self) -> Option<&Secret> {
        Some(&self.password)
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        attempt.present(&self.password)?;
        let body = json!({ "email": self.email, "password": self.password.expose(), "mode": "json" });
        let answer = attempt.send(Request::post("/auth/login").json(&body)).await?;
        answer.tokens(&TOKENS)
    }

    async fn renew(&self, attempt: &Attempt, tokens: &Tokens) -> Result<Issued, Error> {
        let body = json!({ "refresh_token": tokens.refresh().map(Secret::expose), "mode": "json" });
        attempt.send(Request::post("/auth/refresh").json(&body)).await?.tokens(&TOKENS)
    }

    async fn sign_out(&self, tokens: &Tokens) -> Result<SignOut, Error> {
        let Some(refresh) = tokens.refresh() else { return Ok(SignOut::LocalOnly) };
        let body = json!({ "refresh_token": refresh.expose(), "mode": "json" });
        self.sender.send(Request::post("/auth/logout").json(&body)).await?.checked()?;
        Ok(SignOut::Revoked)
    }
}
