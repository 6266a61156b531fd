//! VTEX ID's storefront: sign-in by mail, in cookies and multipart forms that the generator cannot express.

use super::vtex_refusals::second_factor;
use crate::{
    Error, ErrorKind, Secret,
    http::{
        transport::{AuthCall, AuthClient, AuthResponse},
        verdict::is_transient,
    },
};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

/// How shoppers sign in at the store. Begin with `api().start_authentication()`, whose answer has the authentication
/// token that ties the steps together.
///
/// The page it follows: *VTEX ID API*, "Refresh token headless" (`specs/vtex.md` names the edition).
pub struct Storefront {
    pub(super) auth: AuthClient,
}

/// A shopper's session: the cookies that carry it, and the refresh token that renews it once.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct StorefrontSession {
    /// The cookies that carry the session, by name: one named after the account, one after the account's id.
    pub cookies: Vec<(String, Secret)>,
    /// Renews the session, once: the renewal hands out the next one.
    pub refresh: Option<Secret>,
    /// How long the cookies live, counted from the answer: what it says itself, else what its cookies say. `None` where
    /// neither does.
    pub expires_in: Option<Duration>,
    /// The shopper's id.
    pub user_id: Option<String>,
}

/// The cookie of the authentication token.
pub(super) const AUTHENTICATION: &str = "_vss";
/// How the names of the session's cookies begin; the account's name or its id follows.
pub(super) const SESSION: &str = "VtexIdclientAutCookie_";
/// The cookie of the refresh token.
pub(super) const REFRESH: &str = "vid_rt";
/// What an answer hands out, and what it takes away.
pub(super) struct Opened {
    pub(super) session: StorefrontSession,
    pub(super) deleted: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Started {
    authentication_token: Secret,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Validated {
    #[serde(default)]
    auth_cookie: Option<NamedCookie>,
    #[serde(default)]
    account_auth_cookie: Option<NamedCookie>,
    #[serde(default)]
    expires_in: Option<u64>,
    #[serde(default)]
    user_id: Option<String>,
    #[serde(default, rename = "promptMFA")]
    prompt_mfa: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NamedCookie {
    name: String,
    value: Secret,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refreshed {
    #[serde(default)]
    user_id: Option<String>,
}

impl Storefront {
    pub(crate) fn new(auth: AuthClient) -> Self {
        Self { auth }
    }

    /// Mails an access key to this address. The vendor's success is an empty answer, and even then there may be no mail,
    /// where the store's reCAPTCHA or origin check does not pass.
    ///
    /// # Errors
    /// `Api` with the vendor's `authStatus` as `code()` (`InvalidEmail`, `InvalidToken`), also where it comes in a 200; else
    /// what the network does.
    ///
    /// # Cancel safety
    /// The mail may have been sent when the future is dropped.
    pub async fn send_access_key(&self, authentication: &Secret, email: &str) -> Result<(), Error> {
        mailed(&self.auth.ask(mail_key(&self.auth, authentication, email)?).await?)
    }

    /// Signs the shopper in with the access key from the mail.
    ///
    /// # Errors
    /// `InvalidCredentials` for a wrong or spent key; `SignInRequired` where a second factor is wanted, with the vendor's
    /// code `RequiresMFA` if it gave that: hand it to [`validate_second_factor`](Self::validate_second_factor); `Protocol`
    /// for an answer without cookies.
    ///
    /// # Cancel safety
    /// The access key may be spent when the future is dropped: ask for another one.
    pub async fn validate_access_key(
        &self,
        authentication: &Secret,
        email: &str,
        access_key: &Secret,
    ) -> Result<StorefrontSession, Error> {
        signed_in(&self.auth.ask(validate_key(&self.auth, authentication, email, access_key)?).await?)
    }

    /// Renews the session. Its refresh token is spent by this: keep what comes back, and nothing of the old one.
    /// `fingerprint` is the one given at the start, if one was.
    ///
    /// # Errors
    /// `SignInRequired` when the vendor refuses the session or its refresh token, or if it has none.
    ///
    /// # Cancel safety
    /// The refresh token may be spent when the future is dropped: let it finish, in a task of its own if need be.
    pub async fn refresh(
        &self,
        session_now: &StorefrontSession,
        fingerprint: Option<&str>,
    ) -> Result<StorefrontSession, Error> {
        let Some(refresh) = &session_now.refresh else {
            return Err(Error::new(ErrorKind::SignInRequired, "the session has no refresh token").local());
        };
        let cookies = session_now.cookies.iter().map(|(name, value)| (name.as_str(), value));
        let cookies: Vec<_> = [(REFRESH, refresh)].into_iter().chain(cookies).collect();
        Ok(renewed(&self.auth.ask(renew(&self.auth, &cookies, fingerprint)?).await?)?.session)
    }
}

/// Opens a sign-in. Nothing is spent by it.
pub(super) fn start(auth: &AuthClient, account: &str) -> Result<AuthCall, Error> {
    Ok(auth.call("start_authentication")?.query("scope", account))
}

/// The authentication token of a sign-in that was opened: what ties its steps together.
pub(super) fn started(reply: &AuthResponse) -> Result<Secret, Error> {
    let Started { authentication_token } = reply.json()?;
    reply.token(authentication_token)
}

pub(super) fn mail_key(auth: &AuthClient, authentication: &Secret, email: &str) -> Result<AuthCall, Error> {
    auth.call("send_access_key")?.query("email", email).cookies(&[(AUTHENTICATION, authentication)])
}

/// The vendor mails a key "if the response is empty with 200 OK": a 200 that says anything has sent none.
pub(super) fn mailed(reply: &AuthResponse) -> Result<(), Error> {
    match reply.checked()?.value().get("authStatus") {
        Some(_) => Err(reply.failure()),
        None => Ok(()),
    }
}

pub(super) fn validate_key(
    auth: &AuthClient,
    authentication: &Secret,
    email: &str,
    access_key: &Secret,
) -> Result<AuthCall, Error> {
    let call = auth.call("validate_access_key")?.cookies(&[(AUTHENTICATION, authentication)])?;
    // Spelled as the vendor's guide, its own front end and nearly every client do. A server that ignores capitals in names
    // would read the reference's spelling beside it as a second value.
    call.multipart(&[("accesskey", access_key.expose()), ("login", email)])
}

/// The session that a sign-in opened. Its cookies stand in the body; where they do not, in the headers.
pub(super) fn signed_in(reply: &AuthResponse) -> Result<StorefrontSession, Error> {
    let Validated { auth_cookie, account_auth_cookie, expires_in, user_id, prompt_mfa } = reply.json()?;
    let cookies = [auth_cookie, account_auth_cookie].into_iter().flatten();
    let cookies = cookies.map(|cookie| (cookie.name, cookie.value));
    let cookies: Vec<_> = cookies.filter(|(name, value)| is_of_session(name) && !value.expose().is_empty()).collect();
    if cookies.is_empty() && prompt_mfa == Some(true) {
        return Err(reply.said(second_factor()));
    }
    Ok(session(reply, cookies, expires_in.map(Duration::from_secs), user_id)?.session)
}

/// Carries the refresh token and the session's cookies.
pub(super) fn renew(
    auth: &AuthClient,
    cookies: &[(&str, &Secret)],
    fingerprint: Option<&str>,
) -> Result<AuthCall, Error> {
    auth.call("refresh_storefront_token")?.cookies(cookies)?.json(&json!({ "fingerprint": fingerprint }))
}

pub(super) fn renewed(reply: &AuthResponse) -> Result<Opened, Error> {
    let refused = |error: Error| match error.code() {
        Some("InvalidSession" | "InvalidToken" | "InvalidEmail" | "InvalidScope") if !is_transient(reply.status()) => {
            error
                .with_kind(ErrorKind::SignInRequired)
                .message("the vendor refused the shopper's session")
                .advice("sign the shopper in again")
        }
        _ => error,
    };
    reply.checked().map_err(refused)?;
    let Refreshed { user_id } = reply.json()?;
    session(reply, Vec::new(), None, user_id)
}

fn is_of_session(name: &str) -> bool {
    name.len() > SESSION.len() && name.starts_with(SESSION)
}

/// What an answer hands out, in its body or else as cookies; without either it is no session.
fn session(
    reply: &AuthResponse,
    in_body: Vec<(String, Secret)>,
    expires_in: Option<Duration>,
    user_id: Option<String>,
) -> Result<Opened, Error> {
    let answered = reply.cookies();
    let set = answered.set.iter().filter(|cookie| is_of_session(&cookie.name));
    let shortest = set.clone().filter_map(|cookie| cookie.life).min();
    let cookies = match in_body.is_empty() {
        true => set.map(|cookie| (cookie.name.clone(), cookie.value.clone())).collect(),
        false => in_body,
    };
    if cookies.is_empty() {
        return Err(Error::protocol("the vendor answered with success and without the session's cookies")
            .with_status(reply.status())
            .with_unknown_outcome()
            .advice("the vendor changed its answer, or something between you and the vendor answered"));
    }
    let refresh = answered.get(REFRESH).map(|cookie| cookie.value.clone());
    let session = StorefrontSession { cookies, refresh, expires_in: expires_in.or(shortest), user_id };
    Ok(Opened { session, deleted: answered.deleted })
}

impl std::fmt::Debug for Storefront {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Storefront")
    }
}
