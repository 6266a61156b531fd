//! VTEX ID's storefront beyond the mailed key: passwords, the second factor, the authenticator's routes, signing out.
//!
//! Little of it is in a document of the vendor's; `specs/vtex.json` says of each call who knows it.

use super::vtex_storefront::{AUTHENTICATION, Storefront, StorefrontSession, mailed, signed_in};
use crate::{
    Error, Secret,
    http::transport::{AuthCall, AuthClient, AuthResponse},
};
use serde::Deserialize;

/// A sign-in by password, begun at `startlogin`, and what may follow it.
impl Storefront {
    /// Opens a sign-in by password. The authentication token it gives ties the steps together; nothing is spent by it.
    ///
    /// # Errors
    /// `Protocol` for an answer without the token; else what the network does.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn start_login(&self, account: &str, email: &str) -> Result<Secret, Error> {
        opened(&self.auth.ask(legacy_start(&self.auth, account, email)?).await?)
    }

    /// Signs the shopper in with a password, in the sign-in that [`start_login`](Self::start_login) opened.
    ///
    /// # Errors
    /// `InvalidCredentials` for a wrong password; `SecondFactorRequired` where a second factor is wanted: hand its code
    /// to [`validate_second_factor`](Self::validate_second_factor); `Throttled` for a user who is blocked;
    /// `Api` where the account refuses this route ("legacy routes"): see [`authenticator`](Self::authenticator).
    ///
    /// # Cancel safety
    /// The attempt may count at the vendor when the future is dropped.
    pub async fn sign_in_with_password(
        &self,
        account: &str,
        authentication: &Secret,
        email: &str,
        password: &Secret,
    ) -> Result<StorefrontSession, Error> {
        let call = self.auth.call("validate_password")?.query("an", account);
        signed_in(&self.auth.ask(password_login(call, authentication, email, password)?).await?)
    }

    /// Goes on with a sign-in that wanted a second factor, in the same `authentication`.
    ///
    /// # Errors
    /// `InvalidCredentials` for a wrong or spent code.
    ///
    /// # Cancel safety
    /// The code may be spent when the future is dropped.
    pub async fn validate_second_factor(
        &self,
        authentication: &Secret,
        code: &Secret,
    ) -> Result<StorefrontSession, Error> {
        let form = [("mfaToken", code.expose()), ("recaptcha", "")];
        signed_in(&self.ask_in(authentication, "validate_mfa", Some(&form)).await?)
    }

    /// Sends the code of the second factor again. Each call sends a message.
    ///
    /// # Errors
    /// `Api` with the vendor's `authStatus` as `code()`; else what the network does.
    ///
    /// # Cancel safety
    /// The message may have been sent when the future is dropped.
    pub async fn resend_second_factor(&self, authentication: &Secret) -> Result<(), Error> {
        pending(&self.ask_in(authentication, "resend_mfa", Some(&[("recaptcha", "")])).await?)
    }

    /// Registers a phone as second factor; a code is sent to it, for
    /// [`validate_second_factor`](Self::validate_second_factor).
    ///
    /// # Errors
    /// `Api` with the vendor's `authStatus` as `code()`; else what the network does.
    ///
    /// # Cancel safety
    /// The number may be registered when the future is dropped.
    pub async fn register_phone(&self, authentication: &Secret, phone: &str) -> Result<(), Error> {
        let form = [("phoneNumber", phone), ("recaptcha", "")];
        pending(&self.ask_in(authentication, "register_mfa_phone", Some(&form)).await?)
    }

    /// Registers an authenticator app as second factor. What comes back is the address of a picture that shows its secret:
    /// for its owner's eyes only.
    ///
    /// # Errors
    /// `Protocol` for an answer without the picture; else what the network does.
    ///
    /// # Cancel safety
    /// The secret may have been made when the future is dropped.
    pub async fn register_authenticator_app(&self, authentication: &Secret) -> Result<Secret, Error> {
        #[derive(Deserialize)]
        struct Registered {
            #[serde(rename = "qRCodeUrl")]
            picture: Secret,
        }
        let reply = self.ask_in(authentication, "register_mfa_authenticator", None).await?;
        let Registered { picture } = reply.checked()?.json()?;
        Ok(picture)
    }

    /// Sets a new password, proven by an access key that was mailed in the same `authentication`, and signs in.
    ///
    /// The vendor calls this route deprecated: prefer [`Authenticator::set_password`].
    ///
    /// # Errors
    /// `Validation` for a password that breaks the vendor's rules (`WeakPassword`); `InvalidCredentials` for a wrong key.
    ///
    /// # Cancel safety
    /// The password may be set when the future is dropped.
    pub async fn set_password(
        &self,
        authentication: &Secret,
        email: &str,
        access_key: &Secret,
        new_password: &Secret,
    ) -> Result<StorefrontSession, Error> {
        let call = self.auth.call("set_password")?;
        signed_in(&self.auth.ask(password_change(call, authentication, email, access_key, new_password)?).await?)
    }

    /// Tells the vendor that the shopper signs out. Whether that ends the tokens or only takes a browser's cookies away is
    /// not documented: forget the session either way.
    ///
    /// # Errors
    /// What the network does, and a failure that the vendor reports.
    ///
    /// # Cancel safety
    /// The vendor may have been told when the future is dropped.
    pub async fn sign_out(&self, account: &str, session: &StorefrontSession) -> Result<(), Error> {
        let cookies: Vec<_> = session.cookies.iter().map(|(name, value)| (name.as_str(), value)).collect();
        left(&self.auth.ask(sign_out(&self.auth, account, &cookies)?).await?)
    }

    /// The newer family of sign-in routes, which take user names as well as e-mail addresses. Accounts with *Login with
    /// Alternative Keys* and B2B stores take no others. A sign-in runs in one family from its start to its end.
    #[must_use]
    pub fn authenticator(&self, account: impl Into<String>) -> Authenticator {
        Authenticator { auth: self.auth.clone(), account: account.into() }
    }

    async fn ask_in(
        &self,
        authentication: &Secret,
        operation: &'static str,
        form: Option<&[(&str, &str)]>,
    ) -> Result<AuthResponse, Error> {
        let call = self.auth.call(operation)?.cookies(&[(AUTHENTICATION, authentication)])?;
        let call = match form {
            Some(form) => call.multipart(form)?,
            None => call,
        };
        self.auth.ask(call).await
    }
}

/// The authenticator's sign-in, by [`Storefront::authenticator`]. Its `authentication` is good here alone.
pub struct Authenticator {
    auth: AuthClient,
    account: String,
}

impl Authenticator {
    /// Opens a sign-in. `user` is an e-mail address or a user name; the vendor answers alike whether it exists or not.
    ///
    /// # Errors
    /// `Protocol` for an answer without the authentication token; else what the network does.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn start(&self, user: &str) -> Result<Secret, Error> {
        let call = authenticator_start(self.call("start_authenticator")?, &self.account, user)?;
        opened(&self.auth.ask(call).await?)
    }

    /// Signs in with a password.
    ///
    /// # Errors
    /// As [`Storefront::sign_in_with_password`]; `Forbidden` with the code `InvalidB2BClaims` where the user's organization
    /// has no active contract.
    ///
    /// # Cancel safety
    /// The attempt may count at the vendor when the future is dropped.
    pub async fn sign_in_with_password(
        &self,
        authentication: &Secret,
        user: &str,
        password: &Secret,
    ) -> Result<StorefrontSession, Error> {
        let call = self.call("validate_authenticator_password")?;
        signed_in(&self.auth.ask(password_login(call, authentication, user, password)?).await?)
    }

    /// Mails an access key. Each call sends a mail.
    ///
    /// # Errors
    /// As [`Storefront::send_access_key`].
    ///
    /// # Cancel safety
    /// The mail may have been sent when the future is dropped.
    pub async fn send_access_key(&self, authentication: &Secret, email: &str) -> Result<(), Error> {
        let call = self.call("send_authenticator_access_key")?.cookies(&[(AUTHENTICATION, authentication)])?;
        mailed(&self.auth.ask(call.form(&[("email", email)])).await?)
    }

    /// Signs in with the access key from the mail.
    ///
    /// # Errors
    /// As [`Storefront::validate_access_key`].
    ///
    /// # Cancel safety
    /// The access key may be spent when the future is dropped.
    pub async fn validate_access_key(
        &self,
        authentication: &Secret,
        user: &str,
        access_key: &Secret,
    ) -> Result<StorefrontSession, Error> {
        let call = self.call("validate_authenticator_access_key")?.cookies(&[(AUTHENTICATION, authentication)])?;
        signed_in(&self.auth.ask(call.multipart(&[("accesskey", access_key.expose()), ("login", user)])?).await?)
    }

    /// Sets a new password, proven by an access key that was mailed in the same `authentication` or given out by an
    /// administrator, and signs in. A refusal changes nothing.
    ///
    /// # Errors
    /// `Validation` for a password that breaks the vendor's rules (`WeakPassword`): 8 characters, a digit, a capital and a
    /// small letter; `InvalidCredentials` for a wrong key.
    ///
    /// # Cancel safety
    /// The password may be set when the future is dropped.
    pub async fn set_password(
        &self,
        authentication: &Secret,
        user: &str,
        access_key: &Secret,
        new_password: &Secret,
    ) -> Result<StorefrontSession, Error> {
        let call = self.call("set_authenticator_password")?;
        signed_in(&self.auth.ask(password_change(call, authentication, user, access_key, new_password)?).await?)
    }

    fn call(&self, operation: &'static str) -> Result<AuthCall, Error> {
        Ok(self.auth.call(operation)?.query("an", &self.account))
    }
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator").field("account", &self.account).finish_non_exhaustive()
    }
}

pub(super) fn legacy_start(auth: &AuthClient, account: &str, email: &str) -> Result<AuthCall, Error> {
    auth.call("start_login")?.multipart(&[("accountName", account), ("scope", account), ("user", email)])
}

pub(super) fn authenticator_start(call: AuthCall, account: &str, user: &str) -> Result<AuthCall, Error> {
    call.multipart(&[("user", user), ("scope", account), ("accountName", account), ("returnUrl", "/")])
}

pub(super) fn password_login(
    call: AuthCall,
    authentication: &Secret,
    user: &str,
    password: &Secret,
) -> Result<AuthCall, Error> {
    let call = call.cookies(&[(AUTHENTICATION, authentication)])?;
    Ok(call.form(&[("login", user), ("password", password.expose())]))
}

fn password_change(
    call: AuthCall,
    authentication: &Secret,
    user: &str,
    access_key: &Secret,
    new_password: &Secret,
) -> Result<AuthCall, Error> {
    let call = call.cookies(&[(AUTHENTICATION, authentication)])?;
    call.multipart(&[
        ("login", user),
        ("newPassword", new_password.expose()),
        ("currentPassword", ""),
        ("accesskey", access_key.expose()),
        ("recaptcha", ""),
    ])
}

/// Carries the session's cookies. With an empty `returnUrl`, as clients send it, there is no redirection.
pub(super) fn sign_out(auth: &AuthClient, account: &str, cookies: &[(&str, &Secret)]) -> Result<AuthCall, Error> {
    let call = auth.call("logout")?.query("scope", account).query("returnUrl", "");
    if cookies.is_empty() { Ok(call) } else { call.cookies(cookies) }
}

/// The vendor was told. A redirection is a browser's next page, and no failure.
pub(super) fn left(reply: &AuthResponse) -> Result<(), Error> {
    match reply.status() {
        302 => Ok(()),
        _ => reply.checked().map(|_| ()),
    }
}

/// The authentication token of a sign-in that was opened, which comes as a cookie.
pub(super) fn opened(reply: &AuthResponse) -> Result<Secret, Error> {
    let cookies = reply.checked()?.cookies();
    cookies.get(AUTHENTICATION).map(|cookie| cookie.value.clone()).ok_or_else(|| {
        Error::protocol("the vendor opened a sign-in and sent no authentication token").with_status(reply.status())
    })
}

/// `Pending` is the front end's success, and so is an answer that says nothing.
fn pending(reply: &AuthResponse) -> Result<(), Error> {
    let value = reply.checked()?.value();
    match value.get("authStatus").and_then(serde_json::Value::as_str) {
        Some(said) if !said.eq_ignore_ascii_case("pending") && !said.eq_ignore_ascii_case("success") => {
            Err(reply.failure())
        }
        _ => Ok(()),
    }
}
