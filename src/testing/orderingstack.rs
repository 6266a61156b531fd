//! A fake of OrderingStack: its token service and Auth API, with any sibling service behind the same door.

use super::{
    Fake,
    account::{Account, Accounts},
    builders::{a_fake, a_token_service, token_service},
    document::FakeDocument,
    fake::locked,
    mint::uuid,
    time::Time,
};
pub use platform::ExpiresIn;
use platform::{OrderingStackHolder, OrderingStackPlatform, OrderingStackRules, RefreshRule, TokenRole};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tenant::Tenant;

mod answers;
mod modules;
mod platform;
mod properties;
mod tenant;
mod users;

const DOCUMENT: &str = include_str!(concat!(env!("OUT_DIR"), "/orderingstack.json"));

/// An OrderingStack platform in memory: all grants of the token service, tenants with users, modules and properties.
///
/// The operations are those of the document, at its paths: the token service is `issue_token` and `start_device`.
/// Sibling services (`other`) are `/menu-api/api/menu` and what [`Fake::serve`](super::Fake::serve) adds: with any valid token
/// they answer 200 and
/// `{"ok": true, "path": …, "tenant": …}`, without one 401. A token of the wrong kind is answered with 403, and so is
/// a user's or module's token with the `X-Tenant` of another tenant; a service's token may choose the tenant.
///
/// ```
/// use base64::{Engine, engine::general_purpose::STANDARD};
/// use keyway::testing::FakeOrderingStack as Fake;
/// use serde_json::Value;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), reqwest::Error> {
/// let fake = Fake::start().await;
///
/// let form = format!("grant_type=password&username={}&password={}&scope=read", Fake::LOGIN, Fake::PASSWORD);
/// let client = STANDARD.encode(format!("{}:{}", Fake::CLIENT_ID, Fake::CLIENT_SECRET));
/// let token = reqwest::Client::new()
///     .post(format!("{}/auth-oauth2/oauth/token", fake.uri()))
///     .header("authorization", format!("Basic {client}"))
///     .header("x-tenant", Fake::TENANT)
///     .header("content-type", "application/x-www-form-urlencoded")
///     .body(form);
///
/// let token: Value = token.send().await?.json().await?;
/// assert_eq!(token["access_token"], fake.token(1));
/// assert_eq!(token["expires_in"], 3600);
/// # Ok(())
/// # }
/// ```
///
/// What [`Fake`] can do, it can do: gates, faults, counts, expectations.
pub struct FakeOrderingStack {
    fake: Fake,
    platform: Arc<Mutex<OrderingStackPlatform>>,
}

/// Says what the platform is like. [`FakeOrderingStack::builder`] makes it.
#[derive(Debug, Clone)]
#[must_use]
pub struct FakeOrderingStackBuilder {
    clock: Time,
    port: u16,
    rules: OrderingStackRules,
    tenants: Vec<String>,
    users: Vec<Account>,
    /// Id and type.
    modules: Vec<(String, String)>,
}

impl FakeOrderingStack {
    /// The tenant that is always there.
    pub const TENANT: &'static str = "3f2b8f6e-9c1d-4a57-8e46-1b7c0d5a2e90";
    /// The id of the client.
    pub const CLIENT_ID: &'static str = "orderingweb";
    /// Its secret.
    pub const CLIENT_SECRET: &'static str = "client-secret-of-the-ordering-web";
    /// The login of the one user whom every tenant has.
    pub const LOGIN: &'static str = "manager";
    /// That user's password.
    pub const PASSWORD: &'static str = "seven soups and a spoon";
    /// That user's id.
    pub const USER: &'static str = "b5a4c1f0-7d38-4f7e-9b53-6f0e2f9d8c41";
    /// The module that every tenant has: a `KIOSK` at `venue-1`.
    pub const MODULE: &'static str = "kiosk-1";

    /// A platform that differs from the one that [`start`](Self::start) opens.
    pub fn builder() -> FakeOrderingStackBuilder {
        let rules = OrderingStackRules {
            client: Accounts::with(Self::CLIENT_ID, Self::CLIENT_SECRET),
            public_clients: Vec::new(),
            token_life: Duration::from_secs(3600),
            refresh_life: None,
            expires_in: ExpiresIn::default(),
            jwt: false,
            renewal: RefreshRule::Rotates,
            without_refresh_token: false,
            device_life: Duration::from_secs(600),
            device_interval: Duration::from_secs(5),
            delete_grace: None,
        };
        FakeOrderingStackBuilder {
            clock: Time::default(),
            port: 0,
            rules,
            tenants: vec![Self::TENANT.to_owned()],
            users: vec![Account::new(Self::LOGIN, Self::PASSWORD)],
            modules: vec![(Self::MODULE.to_owned(), "KIOSK".to_owned())],
        }
    }

    /// A person lets in the device that shows this code. Says whether there was one that waits.
    pub fn approve_user_code(&self, user_code: &str) -> bool {
        locked(&self.platform).devices.decide(Some(user_code), true, self.fake.now())
    }

    /// The code that the device which asked last shows to a person.
    ///
    /// # Panics
    /// When none has asked yet.
    #[must_use]
    pub fn user_code(&self) -> String {
        locked(&self.platform).devices.newest_user_code().expect("a device has asked")
    }

    /// A refresh token of the default user, for clients that are given one.
    #[must_use]
    pub fn new_refresh_token(&self) -> String {
        let now = self.fake.now();
        let mut platform = locked(&self.platform);
        let lineage =
            platform.tokens.begin(OrderingStackHolder::new(Self::TENANT, TokenRole::User, Self::USER, "read"));
        platform.new_refresh_token(lineage, now)
    }

    /// How often a refresh token was used again after it had been rotated away. Each time, all tokens that descend
    /// from the same sign-in were revoked.
    #[must_use]
    pub fn reuses(&self) -> usize {
        locked(&self.platform).tokens.reuses()
    }

    /// Changes the password of a user, in all tenants.
    pub fn set_password(&self, login: &str, password: &str) {
        let mut platform = locked(&self.platform);
        platform.tenants.values_mut().for_each(|tenant| tenant.users.set_password(login, password));
    }

    /// Changes the client's secret.
    pub fn set_client_secret(&self, secret: &str) {
        let client = &mut locked(&self.platform).rules.client;
        let id = client.iter().map(|client| client.name.clone()).next().unwrap_or_default();
        client.set(&id, secret);
    }
}

a_fake!(
    /// A platform as documented: tokens live an hour, refresh tokens rotate, `expires_in` is a number.
    FakeOrderingStack,
    FakeOrderingStackBuilder
);
a_token_service!(FakeOrderingStack);

impl FakeOrderingStackBuilder {
    /// A client without a secret, beside the usual one: it says in `client_id` who it is, and may do all but
    /// `client_credentials`.
    pub fn public_client(mut self, id: &str) -> Self {
        self.rules.public_clients.push(id.to_owned());
        self
    }

    /// Another client in the place of the usual one. In `Authorization: Basic`, id and secret are form-encoded, as
    /// OAuth wants it.
    pub fn client(mut self, id: &str, secret: &str) -> Self {
        self.rules.client = Accounts::with(id, secret);
        self
    }

    /// One more tenant. It begins with the same users and modules, and from then on shares nothing.
    pub fn tenant(mut self, uuid: &str) -> Self {
        self.tenants.push(uuid.to_owned());
        self
    }

    /// One more user.
    pub fn user(mut self, login: &str, password: &str) -> Self {
        self.users.push(Account::new(login, password));
        self
    }

    /// One more module.
    pub fn module(mut self, id: &str, kind: &str) -> Self {
        self.modules.push((id.to_owned(), kind.to_owned()));
        self
    }

    token_service!();

    /// How the life of a token is told.
    pub fn expires_in(mut self, dialect: ExpiresIn) -> Self {
        self.rules.expires_in = dialect;
        self
    }

    /// Access tokens are JWTs with an `exp`, as on the live service. Their signature is a dummy.
    pub fn jwt(mut self, jwt: bool) -> Self {
        self.rules.jwt = jwt;
        self
    }

    /// Each renewal gives a new refresh token and spends the old one; using a spent one revokes all its descendants.
    /// So it is, if not told otherwise. Else a renewal repeats the old one.
    pub fn rotating(mut self, rotating: bool) -> Self {
        self.rules.renewal = if rotating { RefreshRule::Rotates } else { RefreshRule::Repeats };
        self
    }

    /// A renewal's answer has no refresh token: the old one stays good.
    pub fn keeps_refresh_token(mut self, keeps: bool) -> Self {
        self.rules.renewal = if keeps { RefreshRule::Keeps } else { RefreshRule::Rotates };
        self
    }

    /// A user who deletes the account is told in `deleteAfter` when it will go, as newer servers do. Else it goes at
    /// once, and the answer is `true`.
    pub fn delete_grace(mut self, grace: Duration) -> Self {
        self.rules.delete_grace = Some(grace);
        self
    }

    fn document() -> FakeDocument {
        FakeDocument::read(DOCUMENT, "")
    }

    fn platform(self, document: Arc<FakeDocument>) -> OrderingStackPlatform {
        let mut tenant = Tenant::new(self.rules.delete_grace);
        for user in &self.users {
            let is_default = user.name == FakeOrderingStack::LOGIN;
            let id = if is_default { FakeOrderingStack::USER.to_owned() } else { uuid() };
            tenant.users.add(&id, &user.name, &user.secret);
        }
        for (id, kind) in &self.modules {
            tenant.modules.add(id, kind, self.clock.now());
        }
        let tenants = self.tenants.into_iter().map(|id| (id, tenant.clone())).collect();
        OrderingStackPlatform::new(self.rules, tenants, document)
    }
}
