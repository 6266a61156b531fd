//! What a shopper's session at a VTEX store is made of, whatever it began with: the cookies, the end, the renewal.

use super::{
    Capabilities, Issued, Placement, Prose, Renewal,
    vtex_storefront::{self as wire, Opened, REFRESH, SESSION, StorefrontSession},
};
use crate::{
    Error, ErrorKind, Secret,
    clock::Now,
    credential::Credential,
    http::transport::{AuthClient, AuthResponse},
    question::AccessKey,
    session::{
        Attempt,
        tokens::{Lifetime, Tokens, VendorExpiry, jwt_expiry},
    },
};
use http::HeaderName;
use std::{sync::atomic::AtomicBool, time::Duration};

pub(super) const METHOD: &str = ".storefront(..)";

/// What the vendor's page says of user tokens, where neither the token nor the answer says how long it lives.
const LIFE: Duration = Duration::from_secs(24 * 3600);

pub(super) fn capabilities() -> Capabilities {
    Capabilities {
        unattended: false,
        renewal: Renewal::RefreshToken { rotates: true },
        default_life: Some(LIFE),
        placement: Placement::Header(HeaderName::from_static("vtexidclientautcookie")),
        prose: Prose {
            expiry: "the JWT's `exp`; else `expiresIn`; else the cookie's own; else 24 h",
            revocable: "told; what that ends is unknown",
            unauthorized: "the token ended: renewed, sent again once",
            failed_sign_in: "a wrong key: asked again, at most 3 times; `authStatus` otherwise",
            budget: "unknown; a blocked user waits 30 min",
        },
        ..Capabilities::new("vtex", METHOD)
    }
}

pub(super) struct Shopper {
    pub(super) auth: AuthClient,
    pub(super) account: String,
    /// An e-mail address; with a password, a user name too where the account has them.
    pub(super) login: String,
    /// Without one, a key is mailed.
    pub(super) password: Option<Credential>,
    /// The account refuses the older routes: found out once.
    pub(super) is_newer: AtomicBool,
}

impl Shopper {
    /// Opens a sign-in and has a key mailed: the question that stops it.
    pub(super) async fn ask_for_key(&self, attempt: &Attempt) -> Result<Error, Error> {
        let address = Secret::from(self.login.as_str());
        // An address that the vendor has refused is not tried again.
        attempt.present(&address)?;
        let authentication = wire::started(&self.auth.ask(wire::start(&self.auth, &self.account)?).await?)?;
        let mail = wire::mail_key(&self.auth, &authentication, &self.login)?;
        wire::mailed(&self.auth.spend(attempt, mail).await?).map_err(refused_address)?;
        Ok(Error::access_key_required(AccessKey::new(&self.login, authentication)).at("send_access_key"))
    }
}

/// The session that the right key opened; `reply` arrived at `now`.
pub(crate) fn validated(reply: &AuthResponse, account: &str, now: Now) -> Result<Issued, Error> {
    Ok(issued(wire::signed_in(reply)?, account, reply, now))
}

/// The session that goes on with what a renewal answered.
pub(crate) fn renewed(reply: &AuthResponse, old: ShopperCookies, account: &str, now: Now) -> Result<Issued, Error> {
    let session = old.renewed(wire::renewed(reply)?);
    let taken = session.refresh.is_none().then(|| written(None, &session.cookies));
    let mut issued = issued(session, account, reply, now);
    // What the vendor has taken away is no refresh token that still stands: the next renewal says so, and sends nothing.
    issued.tokens.refresh = issued.tokens.refresh.or(taken);
    Ok(issued)
}

/// The session of a shopper at this account; `reply` arrived at `now`.
fn issued(session: StorefrontSession, account: &str, reply: &AuthResponse, now: Now) -> Issued {
    let StorefrontSession { cookies, refresh, expires_in, .. } = session;
    let access = token(&cookies, account);
    let told = jwt_expiry(&access).or(|| {
        expires_in
            .map_or(VendorExpiry::Nothing, |life| VendorExpiry::Seconds(life.as_secs().try_into().unwrap_or(i64::MAX)))
    });
    let life = Lifetime::ingest(told, Some(LIFE), now, reply.date());
    let refresh = refresh.map(|refresh| written(Some(&refresh), &cookies));
    Issued { tokens: Tokens { access, refresh, life, date: reply.date() }, profile: None }
}

/// The cookie named after the account; the first, if none is.
fn token(cookies: &[(String, Secret)], account: &str) -> Secret {
    let named = cookies.iter().find(|(name, _)| name.strip_prefix(SESSION) == Some(account));
    named.or(cookies.first()).map_or_else(|| Secret::from(""), |(_, token)| token.clone())
}

/// What a renewal carries. Kept as one refresh token, so that a session that slept in a store can be renewed: it is
/// written as the line of cookies that the renewal sends, `vid_rt=…; VtexIdclientAutCookie_…=…; …`.
pub(crate) struct ShopperCookies {
    refresh: Secret,
    pub(super) session: Vec<(String, Secret)>,
}

/// As one refresh token.
fn written(refresh: Option<&Secret>, session: &[(String, Secret)]) -> Secret {
    let session = session.iter().map(|(name, value)| (name.as_str(), value));
    let cookies = refresh.map(|refresh| (REFRESH, refresh)).into_iter().chain(session);
    cookies.map(|(name, value)| format!("{name}={}", value.expose())).collect::<Vec<_>>().join("; ").into()
}

impl ShopperCookies {
    pub(crate) fn read(line: &Secret) -> Result<Self, Error> {
        let pairs = line.expose().split("; ").filter_map(|cookie| cookie.split_once('='));
        let pairs = pairs.map(|(name, value)| (name.to_owned(), Secret::from(value)));
        let (refresh, session): (Vec<_>, Vec<_>) = pairs.partition(|(name, _)| name == REFRESH);
        match refresh.into_iter().next() {
            Some((_, refresh)) => Ok(Self { refresh, session }),
            None => Err(Error::refresh_refused(
                "the session has no refresh token any more: the vendor took it away, or what was stored is damaged",
            )),
        }
    }

    /// What the session is after this renewal: a cookie that was neither set anew nor taken away still stands.
    fn renewed(self, Opened { mut session, deleted }: Opened) -> StorefrontSession {
        let still_stands = |name: &str| !deleted.iter().any(|deleted| deleted == name);
        if still_stands(REFRESH) {
            session.refresh.get_or_insert(self.refresh);
        }
        let kept = self.session.into_iter().filter(|(name, _)| still_stands(name));
        let kept = kept.filter(|(name, _)| session.cookies.iter().all(|(set, _)| set != name));
        let kept: Vec<_> = kept.collect();
        session.cookies.extend(kept);
        session
    }

    pub(super) fn borrowed(&self) -> Vec<(&str, &Secret)> {
        let session = self.session.iter().map(|(name, value)| (name.as_str(), value));
        [(REFRESH, &self.refresh)].into_iter().chain(session).collect()
    }
}

pub(super) fn refused_address(error: Error) -> Error {
    match error.code() {
        Some("InvalidEmail") => error
            .with_kind(ErrorKind::InvalidCredentials)
            .message("the vendor refused the shopper's e-mail address")
            .advice("check what .storefront(..) was given; it is not tried again until sign_in() is called"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surfaces::vtex::SURFACE;
    use std::time::SystemTime;

    fn refused(status: u16) -> ErrorKind {
        let now = SystemTime::UNIX_EPOCH;
        let reply = AuthResponse::with(&SURFACE, "refresh_storefront_token", status, r#"{"status":"InvalidSession"}"#);
        let old = ShopperCookies { refresh: "r".into(), session: Vec::new() };
        renewed(&reply, old, "store", Now { wall: now, monotonic: Duration::ZERO }).expect_err("refused").kind()
    }

    #[apply(leak_checked!)]
    fn a_session_is_ended_by_the_vendor_and_not_by_a_bad_day_of_it() {
        for status in [200, 400, 401, 403] {
            assert_eq!(refused(status), ErrorKind::SignInRequired, "{status}");
        }
        for (status, expected) in
            [(408, ErrorKind::Timeout), (429, ErrorKind::Throttled), (500, ErrorKind::Outage), (503, ErrorKind::Outage)]
        {
            assert_eq!(refused(status), expected, "{status}");
        }
    }

    #[apply(leak_checked!)]
    fn what_a_renewal_needs_survives_in_one_refresh_token() {
        let session = vec![("VtexIdclientAutCookie_a".to_owned(), Secret::from("x=y==")), ("b".to_owned(), "z".into())];
        let line = written(Some(&"r=t".into()), &session);
        assert_eq!(line.expose(), "vid_rt=r=t; VtexIdclientAutCookie_a=x=y==; b=z");
        let read = ShopperCookies::read(&line).expect("its own writing");
        assert_eq!(written(Some(&read.refresh), &read.session).expose(), line.expose());
        for damaged in ["", "vid_rt", "a=b"] {
            let error = ShopperCookies::read(&Secret::from(damaged)).err().expect("damaged");
            assert_eq!(error.kind(), ErrorKind::SignInRequired);
        }
    }
}
