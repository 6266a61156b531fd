//! A shopper's session at a VTEX store: begun by an access key that is mailed or by a password, renewed by cookies.

use super::{
    Capabilities, Issued, Issuer, vtex_password,
    vtex_shopper_password::capabilities as by_password,
    vtex_shopper_session::{Shopper, ShopperCookies, capabilities, refused_address, renewed},
    vtex_storefront::{self as wire, SESSION},
};
use crate::{
    Error, ErrorKind, Secret,
    http::{json, transport::AuthResponse},
    question::AccessKey,
    session::{Attempt, SignOut, tokens::Tokens},
};

impl Shopper {
    async fn sign_in_with(&self, attempt: &Attempt, asked: &AccessKey, key: &Secret) -> Result<Issued, Error> {
        let call = wire::validate_key(&self.auth, asked.thread(), &self.login, key)?;
        let reply = self.auth.spend(attempt, call).await?;
        match self.completed(&reply, asked.thread(), attempt) {
            Ok(issued) => Ok(issued),
            Err(error) => Err(self.after_refusal(attempt, asked, &reply, error).await?),
        }
    }

    /// A wrong key is asked for again; one that came too late, or after the last try, is replaced by a new one.
    async fn after_refusal(
        &self,
        attempt: &Attempt,
        asked: &AccessKey,
        reply: &AuthResponse,
        error: Error,
    ) -> Result<Error, Error> {
        if error.kind() != ErrorKind::InvalidCredentials {
            return Ok(error);
        }
        let none_left = reply.value().get("lastAttemptAvailable").and_then(json::integer) == Some(0);
        match error.code() {
            Some("InvalidEmail") => Ok(refused_address(error)),
            Some("InvalidToken") => {
                let anew = self.ask_for_key(attempt).await?;
                Ok(anew.message("the access key came too late, and another one has been sent"))
            }
            _ if none_left => {
                let anew = self.ask_for_key(attempt).await?;
                Ok(anew.message("the access key was wrong for the last time, and another one has been sent"))
            }
            _ => Ok(Error::access_key_required(asked.clone())
                .message("the access key was wrong")
                .at("validate_access_key")),
        }
    }

    async fn renew_with(&self, attempt: &Attempt, tokens: &Tokens) -> Result<Issued, Error> {
        let old = ShopperCookies::read(tokens.refresh_to_spend()?)?;
        let call = wire::renew(&self.auth, &old.borrowed(), None)?;
        let reply = self.auth.spend(attempt, call).await?;
        renewed(&reply, old, &self.account, attempt.now())
    }
}

impl Issuer for Shopper {
    fn describe(&self) -> Capabilities {
        if self.password.is_some() { by_password() } else { capabilities() }
    }

    fn seed(&self) -> Option<&Secret> {
        self.password.as_ref()?.given()
    }

    async fn sign_in(&self, attempt: &Attempt) -> Result<Issued, Error> {
        if let Some((asked, code)) = attempt.second_factor() {
            return self.sign_in_with_code(attempt, asked, code).await;
        }
        match (&self.password, attempt.access_key()) {
            (Some(password), _) => self.sign_in_by_password(attempt, password).await,
            (None, Some((asked, key))) => self.sign_in_with(attempt, asked, key).await,
            (None, None) => Err(self.ask_for_key(attempt).await?),
        }
    }

    async fn renew(&self, attempt: &Attempt, tokens: &Tokens) -> Result<Issued, Error> {
        self.renew_with(attempt, tokens).await
    }

    /// The vendor is told as its own front end tells it. That this ends its tokens is not shown, so no more is said
    /// than that the session is forgotten here.
    async fn sign_out(&self, tokens: &Tokens) -> Result<SignOut, Error> {
        let own = [(format!("{SESSION}{}", self.account), tokens.access.clone())];
        let session = match &tokens.refresh {
            Some(line) => ShopperCookies::read(line)?.session,
            None => own.into(),
        };
        let cookies: Vec<_> = session.iter().map(|(name, value)| (name.as_str(), value)).collect();
        let call = vtex_password::sign_out(&self.auth, &self.account, &cookies)?;
        vtex_password::left(&self.auth.ask(call).await?)?;
        Ok(SignOut::LocalOnly)
    }
}
