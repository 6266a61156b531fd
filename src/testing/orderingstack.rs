//! A fake of OrderingStack: its token service and Auth API, with any sibling service behind the same door.

use super::{
    Fake,
    account::{Account, Accounts},
    builders::{a_fake, token_service},
    calendar,
    device::{Devices, begun},
    document::{FakeDocument, OTHER},
    exchange::{FakeAnswer, FakeCall, Outcome, Vendor},
    fake::locked,
    lineage::Lineages,
    mint::{jwt, uuid},
    tenant::{ANONYMOUS, Caller, Tenant, no_module, refusal},
    time::Time,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

const DOCUMENT: &str = include_str!(concat!(env!("OUT_DIR"), "/orderingstack.json"));
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

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
#[derive(Debug)]
pub struct FakeOrderingStack {
    fake: Fake,
    platform: Arc<Mutex<Platform>>,
}

/// How the token service tells the life of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ExpiresIn {
    /// `"expires_in": 3600`
    #[default]
    Number,
    /// `"expires_in": "3600"`, as some of the vendor's packages have it.
    Text,
    /// Not at all.
    Absent,
}

/// Says what the platform is like. [`FakeOrderingStack::builder`] makes it.
#[derive(Debug, Clone)]
#[must_use]
pub struct FakeOrderingStackBuilder {
    clock: Time,
    port: u16,
    rules: Rules,
    tenants: Vec<String>,
    users: Vec<Account>,
    /// Id and type.
    modules: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
struct Rules {
    client: Accounts,
    /// The ids of clients without a secret.
    public_clients: Vec<String>,
    token_life: Duration,
    refresh_life: Option<Duration>,
    expires_in: ExpiresIn,
    jwt: bool,
    renewal: RefreshRule,
    without_refresh_token: bool,
    device_life: Duration,
    device_interval: Duration,
    delete_grace: Option<Duration>,
}

/// What a renewal does to the refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RefreshRule {
    Rotates,
    Repeats,
    Keeps,
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

    /// A platform as documented: tokens live an hour, refresh tokens rotate, `expires_in` is a number.
    ///
    /// # Cancel safety
    /// A dropped start leaves nothing behind.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A platform that differs from that.
    pub fn builder() -> FakeOrderingStackBuilder {
        let rules = Rules {
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

    /// A person lets in the device that asked last and still waits. Says whether there was one.
    pub fn approve_device(&self) -> bool {
        locked(&self.platform).devices.decide(None, true, self.fake.now())
    }

    /// A person turns away the device that asked last and still waits. Says whether there was one.
    pub fn deny_device(&self) -> bool {
        locked(&self.platform).devices.decide(None, false, self.fake.now())
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
        let lineage = platform.tokens.begin(Holder::new(Self::TENANT, TokenRole::User, Self::USER, "read"));
        platform.new_refresh_token(lineage, now)
    }

    /// Ends all access tokens given out so far: the next call with one of them is answered with 401.
    pub fn revoke_access_tokens(&self) {
        locked(&self.platform).tokens.revoke_accesses();
    }

    /// Ends all refresh tokens given out so far: a renewal with one of them is answered with 400 and `invalid_grant`.
    pub fn revoke_refresh_tokens(&self) {
        locked(&self.platform).tokens.revoke_refreshes();
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
        platform.tenants.values_mut().for_each(|tenant| tenant.set_password(login, password));
    }

    /// Changes the client's secret.
    pub fn set_client_secret(&self, secret: &str) {
        let client = &mut locked(&self.platform).rules.client;
        let id = client.iter().map(|client| client.name.clone()).next().unwrap_or_default();
        client.set(&id, secret);
    }

    /// The access token that the log calls `token #<number>`: the how-many-th was given out, counted from 1.
    ///
    /// # Panics
    /// When there were not so many yet.
    #[must_use]
    pub fn token(&self, number: usize) -> String {
        locked(&self.platform).tokens.token(number)
    }
}

a_fake!(FakeOrderingStack, FakeOrderingStackBuilder);

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

    /// Opens the platform on a free port of 127.0.0.1, or on [its own](Self::port). It closes when the fake is dropped.
    ///
    /// # Cancel safety
    /// A dropped start leaves nothing behind.
    pub async fn start(self) -> FakeOrderingStack {
        let document = Arc::new(FakeDocument::read(DOCUMENT, ""));
        let platform = Arc::new(Mutex::new(self.platform(document.clone())));
        let fake = Fake::open("FakeOrderingStack", document, self.clock, platform.clone(), self.port).await;
        FakeOrderingStack { fake, platform }
    }

    fn platform(&self, document: Arc<FakeDocument>) -> Platform {
        let mut tenant = Tenant::new(self.rules.delete_grace);
        for user in &self.users {
            let is_default = user.name == FakeOrderingStack::LOGIN;
            let id = if is_default { FakeOrderingStack::USER.to_owned() } else { uuid() };
            tenant.add_user(&id, &user.name, &user.secret);
        }
        for (id, kind) in &self.modules {
            tenant.add_module(id, kind, self.clock.now());
        }
        let tenants = self.tenants.iter().map(|id| (id.clone(), tenant.clone())).collect();
        let rules = self.rules.clone();
        Platform { rules, document, tenants, tokens: Lineages::default(), devices: Devices::default() }
    }
}

/// The state machine.
struct Platform {
    rules: Rules,
    document: Arc<FakeDocument>,
    tenants: BTreeMap<String, Tenant>,
    tokens: Lineages<Holder>,
    devices: Devices,
}

/// Whose a token is.
#[derive(Clone)]
struct Holder {
    tenant: String,
    role: TokenRole,
    user: String,
    module: Option<String>,
    scope: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TokenRole {
    User,
    Anonymous,
    Service,
    Module,
}

impl Vendor for Platform {
    fn answer(&mut self, ask: &FakeCall<'_>) -> FakeAnswer {
        let outcome = match ask.operation() {
            "issue_token" => self.issue_token(ask),
            "start_device" => self.start_device(ask),
            _ => self.signed_in(ask),
        };
        outcome.unwrap_or_else(|refusal| refusal)
    }

    fn unauthorized(&self, ask: &FakeCall<'_>) -> FakeAnswer {
        match ask.operation() {
            "issue_token" | "start_device" => {
                let refused = oauth_error(401, "invalid_client", "Bad client credentials");
                refused.with("www-authenticate", "Basic realm=\"oauth2/client\"")
            }
            _ => oauth_error(401, "invalid_token", "The token is missing, has ended or is not known"),
        }
    }

    /// Nothing is known of it.
    fn throttled(&self, _: &FakeCall<'_>) -> FakeAnswer {
        FakeAnswer::empty(429)
    }

    fn beside(&self) -> &'static [&'static str] {
        &["/menu-api/api/menu"]
    }

    fn unknown(&self, _: &FakeCall<'_>) -> FakeAnswer {
        refusal(404, "Not Found")
    }

    fn secrets(&self) -> Vec<String> {
        let tenants = self.tenants.values().flat_map(Tenant::secrets);
        self.rules.client.secrets().chain(tenants).chain(self.tokens.made()).chain(self.devices.secrets()).collect()
    }

    fn name_of(&self, token: &str) -> Option<String> {
        self.tokens.number(token).map(|number| format!("token #{number}"))
    }
}

/// The token service.
impl Platform {
    fn issue_token(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let tenant = self.check_client(ask)?;
        let lineage = match form(ask, "grant_type")?.as_str() {
            "password" => self.by_password(ask, &tenant)?,
            "client_credentials" => {
                self.tokens.begin(Holder::new(&tenant, TokenRole::Service, &uuid(), &scope(ask, "read")))
            }
            DEVICE_GRANT => self.by_device(ask, &tenant)?,
            "refresh_token" => return self.renew(ask, &tenant),
            _ => return Err(oauth_error(400, "unsupported_grant_type", "There is no such grant")),
        };
        let renews = matches!(self.tokens.owner(lineage).role, TokenRole::User | TokenRole::Module);
        let refresh = (renews && !self.rules.without_refresh_token).then(|| self.new_refresh_token(lineage, ask.now));
        Ok(self.token(ask, lineage, refresh.as_deref()))
    }

    /// Client and tenant come first, whatever is asked for.
    fn check_client(&self, ask: &FakeCall<'_>) -> Result<String, FakeAnswer> {
        let known = match ask.basic() {
            Some((id, secret)) => self.rules.client.know(&id, &secret),
            None => {
                let is_public = ask.form("client_id").is_some_and(|id| self.rules.public_clients.contains(&id));
                is_public && ask.form("grant_type").as_deref() != Some("client_credentials")
            }
        };
        if !known {
            return Err(self.unauthorized(ask));
        }
        let tenant = ask.header("x-tenant").filter(|tenant| self.tenants.contains_key(*tenant));
        let tenant = tenant.ok_or_else(|| oauth_error(400, "invalid_request", "X-Tenant names no tenant"))?;
        Ok(tenant.to_owned())
    }

    fn by_password(&mut self, ask: &FakeCall<'_>, tenant: &str) -> Result<usize, FakeAnswer> {
        let (username, password) = (form(ask, "username")?, form(ask, "password")?);
        let scope = scope(ask, "read");
        if username == ANONYMOUS && password.is_empty() {
            return Ok(self.tokens.begin(Holder::new(tenant, TokenRole::Anonymous, &uuid(), &scope)));
        }
        let user = self.tenants.get_mut(tenant).and_then(|tenant| tenant.sign_in(&username, &password));
        let user = user.ok_or_else(|| oauth_error(400, "invalid_grant", "Bad credentials"))?;
        Ok(self.tokens.begin(Holder::new(tenant, TokenRole::User, &user, &scope)))
    }

    fn renew(&mut self, ask: &FakeCall<'_>, tenant: &str) -> Outcome {
        let token = form(ask, "refresh_token")?;
        let dead = || oauth_error(400, "invalid_grant", "The refresh token has ended or is not known");
        let holder = self.tokens.of_refresh(&token).map(|lineage| self.tokens.owner(lineage)).ok_or_else(dead)?;
        if holder.tenant != tenant || !self.is_there(holder) {
            return Err(dead());
        }
        let rotates = self.rules.renewal == RefreshRule::Rotates;
        let lineage = self.tokens.redeem(&token, rotates, ask.now).ok_or_else(dead)?;
        let refresh = match self.rules.renewal {
            _ if self.rules.without_refresh_token => None,
            RefreshRule::Rotates => Some(self.new_refresh_token(lineage, ask.now)),
            RefreshRule::Repeats => Some(token),
            RefreshRule::Keeps => None,
        };
        Ok(self.token(ask, lineage, refresh.as_deref()))
    }

    fn start_device(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let tenant = self.check_client(ask)?;
        let (module, scope) = (form(ask, "module")?, scope(ask, "pos role.MENU"));
        self.tenants[&tenant].user_of_module(&module).ok_or_else(no_module)?;
        let Rules { device_life: life, device_interval: interval, .. } = self.rules;
        let codes = self.devices.begin(&tenant, &module, &scope, interval, ask.now + life);
        let page = format!("http://{}/user-service/device-code/{tenant}", ask.header("host").unwrap_or_default());
        Ok(FakeAnswer::json(200, &begun(codes, &page, "code", (life, interval))))
    }

    fn by_device(&mut self, ask: &FakeCall<'_>, tenant: &str) -> Result<usize, FakeAnswer> {
        let waits = |error: &str| {
            let mut body = json!({ "error": error });
            if error == "authorization_pending" {
                body["error_uri"] = json!("https://www.rfc-editor.org/rfc/rfc8628#section-3.5");
            }
            FakeAnswer::json(400, &body)
        };
        let approved = self.devices.poll(tenant, &form(ask, "device_code")?, ask.now).map_err(waits)?;
        let user = self.tenants[tenant].user_of_module(&approved.module).ok_or_else(|| waits("invalid_grant"))?;
        let holder = Holder::new(tenant, TokenRole::Module, &user, &approved.scope);
        Ok(self.tokens.begin(Holder { module: Some(approved.module), ..holder }))
    }

    fn new_refresh_token(&mut self, lineage: usize, now: SystemTime) -> String {
        let ends = self.rules.refresh_life.map(|life| now + life);
        self.tokens.refresh(lineage, ends, |number, random| format!("os-refresh-{number}-{random}"))
    }

    /// Answers with a new access token, and this refresh token if there is one to tell.
    fn token(&mut self, ask: &FakeCall<'_>, lineage: usize, refresh: Option<&str>) -> FakeAnswer {
        let (holder, life) = (self.tokens.owner(lineage).clone(), self.rules.token_life);
        let ends = ask.now + life;
        let claims = self.rules.jwt.then(|| self.claims(&holder, ends));
        let token = self.tokens.access(lineage, refresh, Some(ends), |number, random| match claims {
            Some(mut claims) => {
                claims["jti"] = json!(random);
                jwt(&claims)
            }
            None => format!("os-access-{number}-{random}"),
        });
        let mut body = json!({
            "access_token": token,
            "token_type": "bearer",
            "scope": holder.scope,
            "UUID": holder.user,
            "TENANT": holder.tenant,
            "TRUST": "T",
            "MFA": if self.tenants[&holder.tenant].has_second_factor(&holder.user) { "T" } else { "F" },
        });
        match self.rules.expires_in {
            ExpiresIn::Number => body["expires_in"] = json!(life.as_secs()),
            ExpiresIn::Text => body["expires_in"] = json!(life.as_secs().to_string()),
            ExpiresIn::Absent => {}
        }
        if let Some(refresh) = refresh {
            body["refresh_token"] = json!(refresh);
        }
        FakeAnswer::json(200, &body)
    }

    fn claims(&self, holder: &Holder, ends: SystemTime) -> Value {
        let mut claims = json!({
            "iss": "keyway-fake",
            "exp": calendar::epoch(ends),
            "UUID": holder.user,
            "TENANT": holder.tenant,
            "authorities": self.tenants[&holder.tenant].authorities(&holder.user),
            "scope": holder.scope.split(' ').collect::<Vec<_>>(),
        });
        if let Some(module) = &holder.module {
            claims["MODULE"] = json!(module);
        }
        claims
    }
}

/// What needs a token.
impl Platform {
    fn signed_in(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let lineage = ask.bearer().and_then(|token| self.tokens.live(token, ask.now));
        let holder = lineage.map(|lineage| self.tokens.owner(lineage).clone());
        let holder = holder.filter(|holder| self.is_there(holder)).ok_or_else(|| self.unauthorized(ask))?;
        self.check_role(&holder, ask.operation())?;
        let tenant = self.tenant_of_call(&holder, ask)?;
        if ask.operation() == OTHER {
            return Ok(FakeAnswer::json(200, &json!({ "ok": true, "path": ask.path(), "tenant": tenant })));
        }
        let caller = Caller { user: &holder.user, module: holder.module.as_deref() };
        let known = self.tenants.get_mut(&tenant).ok_or_else(|| refusal(404, "No such tenant"))?;
        let answer = known.answer(ask, &caller)?;
        if ask.operation() == "logout_module" {
            let module = Some(ask.parameter(0));
            self.tokens.revoke(|_, holder| holder.tenant == tenant && holder.module.as_deref() == module);
        }
        Ok(answer)
    }

    /// Whether the user who signed in is still known, and may.
    fn is_there(&self, holder: &Holder) -> bool {
        holder.role != TokenRole::User || self.tenants[&holder.tenant].is_active(&holder.user)
    }

    fn check_role(&self, holder: &Holder, operation: &str) -> Result<(), FakeAnswer> {
        let admitted = match holder.role {
            _ if operation == OTHER => true,
            TokenRole::User => self.document.admits(operation, "oauth2"),
            TokenRole::Anonymous => ["get_self", "get_public_tenant_config"].contains(&operation),
            TokenRole::Service => self.document.admits(operation, "oauth2-client"),
            TokenRole::Module => self.document.admits(operation, "moduleToken"),
        };
        let wants_module = self.document.admits(operation, "moduleToken");
        match holder.role {
            _ if admitted => Ok(()),
            // Upstream these are for users' tokens, too, as long as they name a module.
            TokenRole::User | TokenRole::Anonymous if wants_module => Err(no_module()),
            _ => Err(refusal(403, "Access is denied")),
        }
    }

    /// The tenant in which a call is made. Only services may choose it, and one operation wants them to.
    fn tenant_of_call(&self, holder: &Holder, ask: &FakeCall<'_>) -> Result<String, FakeAnswer> {
        let chosen = match (ask.header("x-tenant"), ask.operation()) {
            (None, "get_catalog_user") => return Err(refusal(400, "x-tenant is required")),
            (_, "get_catalog_tenant") => ask.parameter(0), // the path chooses
            (None, _) => &holder.tenant,
            (Some(chosen), _) => chosen,
        };
        if holder.role != TokenRole::Service && chosen != holder.tenant {
            return Err(refusal(403, "The token is for another tenant"));
        }
        let known = self.tenants.contains_key(chosen);
        known.then(|| chosen.to_owned()).ok_or_else(|| refusal(404, "No such tenant"))
    }
}

impl Holder {
    fn new(tenant: &str, role: TokenRole, user: &str, scope: &str) -> Self {
        Self { tenant: tenant.to_owned(), role, user: user.to_owned(), module: None, scope: scope.to_owned() }
    }
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform").field("rules", &self.rules).finish_non_exhaustive()
    }
}

fn oauth_error(status: u16, error: &str, description: &str) -> FakeAnswer {
    FakeAnswer::json(status, &json!({ "error": error, "error_description": description }))
}

/// A field that must be there, if only with an empty value.
fn form(ask: &FakeCall<'_>, name: &str) -> Result<String, FakeAnswer> {
    ask.form(name).ok_or_else(|| oauth_error(400, "invalid_request", &format!("{name} is missing")))
}

fn scope(ask: &FakeCall<'_>, usual: &str) -> String {
    ask.form("scope").unwrap_or_else(|| usual.to_owned())
}
