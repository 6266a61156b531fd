//! How one signs in to a homeserver: tokens of a short life, and a refresh token that counts until its successor is used.

use keyway::{
    Error, Secret, SignOut,
    custom::{Attempt, Capabilities, Expires, Failure, Issued, Issuer, Renewal, Request, Sender, Tokens, TokensAt},
};
use serde_json::json;

const TOKENS: TokensAt =
    TokensAt::new("/access_token").refresh("/refresh_token").expires(&[Expires::Milliseconds("/expires_in_ms")]);

pub struct Matrix {
    pub user: String,
    pub password: Secret,
    pub sender: Sender,
}

/// A wrong password is a 403 here.
pub fn judge(failure: &Failure<'_>) -> Option<Error> {
    let refused = failure.operation() == "sign_in" && failure.code() == Some("M_FORBIDDEN");
    refused.then(|| Error::invalid_credentials("the homeserver refused user or password"))
}

impl Issuer for Matrix {
    fn describe(&self) -> Capabilities {
        Capabilities::new("matrix", ".password(..)").renewal(Renewal::RefreshToken { rotates: true })
    }

    fn seed(&self) -> Option<&Secret> {
        Some(&self.password)
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        attempt.present(&self.password)?;
        let body = json!({
            "type": "m.login.password",
            "identifier": { "type": "m.id.user", "user": self.user },
            "password": self.password.expose(),
            "refresh_token": true,
        });
        attempt.send(Request::post("/_matrix/client/v3/login").json(&body)).await?.tokens(&TOKENS)
    }

    async fn renew(&self, attempt: &Attempt, tokens: &Tokens) -> Result<Issued, Error> {
        let body = json!({ "refresh_token": tokens.refresh().map(Secret::expose) });
        attempt.send(Request::post("/_matrix/client/v3/refresh").json(&body)).await?.tokens(&TOKENS)
    }

    async fn sign_out(&self, tokens: &Tokens) -> Result<SignOut, Error> {
        let request = Request::post("/_matrix/client/v3/logout").bearer(tokens.access()).json(&json!({}));
        self.sender.send(request).await?.checked()?;
        Ok(SignOut::Revoked)
    }
}
