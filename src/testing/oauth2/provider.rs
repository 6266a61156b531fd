//! The fake as tests hold it.

use super::super::{
    Fake,
    account::{Account, Accounts},
    builders::{a_fake, a_token_service, token_service},
    document::FakeDocument,
    fake::locked,
    time::Time,
};
use super::{
    assertions::Signers,
    names,
    platform::{OAuth2Platform, OAuth2Rules},
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

const DOCUMENT: &str = include_str!("provider.json");

/// A provider in memory that keeps to the standards: metadata, all grants, PKCE, refresh tokens that rotate and take their
/// family with them when one comes back, devices, pushed requests, tokens that are bound to keys, revocation and introspection.
///
/// Its operations are `discover` (and `discover_oauth`, RFC 8414's address), `issue_token`, `authorize`,
/// `push_authorization`, `start_device`, `revoke_token` and `introspect_token`. Paths that [`Fake::serve`](super::super::Fake::serve)
/// adds (`other`) are an API: with any valid token they answer 200 and `{"ok": true, "path": …}`, without one 401.
///
/// The person at `authorize` allows everything at once, unless told otherwise.
///
/// ```
/// use keyway::testing::FakeOAuth2 as Fake;
/// use serde_json::Value;
/// use url::form_urlencoded::Serializer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), reqwest::Error> {
/// let fake = Fake::start().await;
///
/// let mut form = Serializer::new(String::from("grant_type=client_credentials"));
/// form.append_pair("client_id", Fake::CLIENT_ID).append_pair("client_secret", Fake::CLIENT_SECRET);
/// let token = reqwest::Client::new()
///     .post(format!("{}/token", fake.uri()))
///     .header("content-type", "application/x-www-form-urlencoded")
///     .body(form.finish());
///
/// let token: Value = token.send().await?.json().await?;
/// assert_eq!(token["access_token"], fake.token(1));
/// # Ok(())
/// # }
/// ```
///
/// What [`Fake`] can do, it can do: gates, faults, counts, expectations.
pub struct FakeOAuth2 {
    fake: Fake,
    platform: Arc<Mutex<OAuth2Platform>>,
}

/// Says what the provider is like. [`FakeOAuth2::builder`] makes it.
#[derive(Debug, Clone)]
#[must_use]
pub struct FakeOAuth2Builder {
    clock: Time,
    port: u16,
    rules: OAuth2Rules,
}

impl FakeOAuth2 {
    /// The id of the client that has a secret.
    pub const CLIENT_ID: &'static str = names::CLIENT_ID;
    /// Its secret. As a form writes it, it is another one: clients that forget to are refused.
    pub const CLIENT_SECRET: &'static str = names::CLIENT_SECRET;
    /// The id of a client without a secret.
    pub const PUBLIC_CLIENT: &'static str = names::PUBLIC_CLIENT;
    /// The login of the one user.
    pub const LOGIN: &'static str = names::LOGIN;
    /// That user's password.
    pub const PASSWORD: &'static str = names::PASSWORD;
    /// A scope that no client may ask for.
    pub const FORBIDDEN_SCOPE: &'static str = names::FORBIDDEN_SCOPE;

    /// A provider that differs from the one that [`start`](Self::start) opens.
    pub fn builder() -> FakeOAuth2Builder {
        let rules = OAuth2Rules {
            clients: Accounts::with(Self::CLIENT_ID, Self::CLIENT_SECRET),
            public_clients: vec![Self::PUBLIC_CLIENT.to_owned()],
            users: vec![Account::new(Self::LOGIN, Self::PASSWORD)],
            token_life: Duration::from_secs(3600),
            refresh_life: None,
            rotating: true,
            without_refresh_token: false,
            device_life: Duration::from_secs(600),
            device_interval: Duration::from_secs(5),
            code_life: Duration::from_secs(60),
            tells_iss: true,
            openid: true,
            needs_pushed: false,
            signers: Signers::default(),
            dpop_nonces: false,
            needs_dpop: false,
            honours_acr: true,
        };
        FakeOAuth2Builder { clock: Time::default(), port: 0, rules }
    }

    /// From now on the person at `authorize` says no.
    pub fn deny_authorizations(&self) {
        locked(&self.platform).denies = true;
    }

    /// From now on the API answers this path only to tokens for which the person has signed in in one of these ways
    /// (`acr_values`, separated by blanks), not longer ago than this. Others get 401 and `insufficient_user_authentication`
    /// (RFC 9470).
    pub fn demand_step_up(&self, path: &str, acr_values: Option<&str>, max_age: Option<Duration>) {
        locked(&self.platform).demands.add(path, acr_values, max_age);
    }

    /// A refresh token of the user, for clients that are given one.
    #[must_use]
    pub fn new_refresh_token(&self) -> String {
        locked(&self.platform).new_seed(self.fake.now())
    }

    /// How often a refresh token was used again after it had been rotated away, or a code after it had been exchanged. Each
    /// time, all tokens that descend from the same sign-in were revoked.
    #[must_use]
    pub fn reuses(&self) -> usize {
        locked(&self.platform).reuses()
    }

    /// Whether this token, of either kind, is good for something still.
    #[must_use]
    pub fn is_live(&self, token: &str) -> bool {
        locked(&self.platform).is_live(token, self.fake.now())
    }

    /// From now on proofs must have other nonces.
    pub fn change_dpop_nonces(&self) {
        locked(&self.platform).proofs.turn();
    }

    /// From now on no proof's nonce is good enough.
    pub fn refuse_dpop_nonces(&self) {
        locked(&self.platform).proofs.never_content = true;
    }

    /// Changes the client's secret.
    pub fn set_client_secret(&self, secret: &str) {
        locked(&self.platform).rules.clients.set(Self::CLIENT_ID, secret);
    }

    /// What the last token request said in its form, by name. Secrets are in it.
    #[must_use]
    pub fn last_form(&self) -> Vec<(String, String)> {
        locked(&self.platform).last_form.clone()
    }
}

a_fake!(
    /// A provider as the standards have it: tokens live an hour, refresh tokens rotate.
    FakeOAuth2,
    FakeOAuth2Builder
);
a_token_service!(FakeOAuth2);

impl FakeOAuth2Builder {
    token_service!();

    /// Each renewal gives a new refresh token and spends the old one; using a spent one revokes all its descendants.
    /// So it is, if not told otherwise. Else a renewal's answer has none: the old one stays good.
    pub fn rotating(mut self, rotating: bool) -> Self {
        self.rules.rotating = rotating;
        self
    }

    /// Whether the way back from `authorize` says in `iss` who answers (RFC 9207), and the metadata that it does. It does,
    /// if not told otherwise.
    pub fn tells_iss(mut self, tells: bool) -> Self {
        self.rules.tells_iss = tells;
        self
    }

    /// Whether metadata stands at OpenID Connect's address too, and not at RFC 8414's alone. It does, if not told otherwise.
    pub fn openid(mut self, openid: bool) -> Self {
        self.rules.openid = openid;
        self
    }

    /// `authorize` takes pushed requests alone (RFC 9126).
    pub fn needs_pushed_requests(mut self, needs: bool) -> Self {
        self.rules.needs_pushed = needs;
        self
    }

    /// One more client, which signs who it is with a key on P-256 (`private_key_jwt`): this is its public point.
    pub fn client_key(mut self, id: &str, point: &[u8]) -> Self {
        self.rules.signers.add_point(id, point);
        self
    }

    /// One more client, which signs who it is with a secret of 32 bytes or more (`client_secret_jwt`).
    pub fn client_shared_key(mut self, id: &str, secret: &str) -> Self {
        self.rules.signers.add_secret(id, secret);
        self
    }

    /// Tokens are bound to a key, and no request for one is taken without a proof of it (RFC 9449). If not told otherwise, they
    /// are bound where a request has a proof.
    pub fn needs_dpop(mut self, needs: bool) -> Self {
        self.rules.needs_dpop = needs;
        self
    }

    /// Proofs must have the nonce of the moment: the provider's, or its API's. None is asked for, if not told otherwise.
    pub fn dpop_nonces(mut self, asks: bool) -> Self {
        self.rules.dpop_nonces = asks;
        self
    }

    /// Whether people sign in in the first of the ways that `acr_values` asks for. They do, if not told otherwise; else the
    /// provider does not look at it.
    pub fn honours_acr(mut self, honours: bool) -> Self {
        self.rules.honours_acr = honours;
        self
    }

    fn document() -> FakeDocument {
        FakeDocument::read(DOCUMENT, "")
    }

    fn platform(self, _: Arc<FakeDocument>) -> OAuth2Platform {
        OAuth2Platform::new(self.rules)
    }
}
