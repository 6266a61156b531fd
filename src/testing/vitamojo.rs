//! A fake of Vita Mojo's user service, with any sibling service behind the same door.

use super::{
    Fake,
    account::Accounts,
    builders::{a_fake, gives_out_tokens},
    calendar,
    document::{FakeDocument, OTHER},
    exchange::{FakeAnswer, FakeCall, Vendor},
    fake::locked,
    lineage::Lineages,
    mint::jwt,
    time::Time,
};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// The path of the user service below the platform's root.
const PREFIX: &str = "/user";
const DOCUMENT: &str = include_str!(concat!(env!("OUT_DIR"), "/vitamojo.json"));

/// A Vita Mojo platform in memory: users, tokens that end, refresh tokens that may rotate.
///
/// The operations are `auth`, `check_token` and `refresh_token`. Sibling services (`other`) are
/// `/order/v1/orders`, `/tenant/v1/stores` and what [`Fake::serve`] adds: with a valid token they answer 200 and `{"ok": true, "path": …, "tenant": …}`, without one 401.
///
/// ```
/// use keyway::testing::FakeVitaMojo;
/// use serde_json::{Value, json};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), reqwest::Error> {
/// let fake = FakeVitaMojo::start().await;
/// fake.expect("auth", 1); // checked when the fake is dropped
///
/// let credentials = json!({ "email": FakeVitaMojo::EMAIL, "password": FakeVitaMojo::PASSWORD });
/// let http = reqwest::Client::new();
/// let answer = http.post(format!("{}/user/v1/auth", fake.uri())).json(&credentials).send().await?;
/// assert_eq!(answer.status(), 201);
///
/// let token = answer.json::<Value>().await?["payload"]["token"]["value"].as_str().unwrap().to_owned();
/// let orders = http.get(format!("{}/order/v1/orders", fake.uri())).bearer_auth(token).send().await?;
/// assert_eq!(orders.status(), 200);
/// assert_eq!(fake.saw()[1].bearer.as_deref(), Some("token #1"));
/// # Ok(())
/// # }
/// ```
///
/// What [`Fake`] can do, it can do: gates, faults, counts, expectations.
pub struct FakeVitaMojo {
    fake: Fake,
    platform: Arc<Mutex<VitaMojoPlatform>>,
}

/// How the service wants its refresh call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RefreshDialect {
    /// As documented: `PUT`, answered with 200. `POST` is 404.
    #[default]
    PutOk,
    /// As observed on the live service: `POST`, answered with 201. `PUT` is 404.
    PostCreated,
}

/// Says what the platform is like. [`FakeVitaMojo::builder`] makes it.
#[derive(Debug, Clone)]
#[must_use]
pub struct FakeVitaMojoBuilder {
    clock: Time,
    port: u16,
    rules: VitaMojoRules,
    users: Accounts,
}

/// What the platform is like.
#[derive(Debug, Clone)]
struct VitaMojoRules {
    token_life: Duration,
    tenant: Option<String>,
    rotating: bool,
    dialect: RefreshDialect,
    jwt: bool,
    odd_tokens: bool,
}

impl FakeVitaMojo {
    /// The e-mail address of the one user who is always there: that of the vendor's example.
    pub const EMAIL: &'static str = "admin@vitamojo.dev";
    /// That user's password.
    pub const PASSWORD: &'static str = "correct horse battery staple";

    /// A platform that differs from the one that [`start`](Self::start) opens.
    pub fn builder() -> FakeVitaMojoBuilder {
        let rules = VitaMojoRules {
            token_life: Duration::from_secs(600),
            tenant: None,
            rotating: false,
            dialect: RefreshDialect::default(),
            jwt: false,
            odd_tokens: false,
        };
        FakeVitaMojoBuilder {
            clock: Time::default(),
            port: 0,
            rules,
            users: Accounts::with(Self::EMAIL, Self::PASSWORD),
        }
    }

    /// Ends all refresh tokens given out so far: a renewal with one of them is answered with 400 and `US-04`.
    pub fn revoke_refresh_tokens(&self) {
        locked(&self.platform).tokens.revoke_refreshes();
    }

    /// How often a refresh token was used again after it had been rotated away. Each time, all tokens that descend
    /// from the same sign-in were revoked.
    #[must_use]
    pub fn reuses(&self) -> usize {
        locked(&self.platform).tokens.reuses()
    }

    /// Changes the password of a user.
    pub fn set_password(&self, email: &str, password: &str) {
        locked(&self.platform).users.set(email, password);
    }
}

a_fake!(
    /// A platform as documented: tokens live ten minutes, refresh tokens stay the same, renewal is a `PUT`.
    FakeVitaMojo,
    FakeVitaMojoBuilder
);
gives_out_tokens!(FakeVitaMojo);

impl FakeVitaMojoBuilder {
    /// How long access tokens live: ten minutes, if not told otherwise.
    pub fn token_life(mut self, life: Duration) -> Self {
        self.rules.token_life = life;
        self
    }

    /// One more user.
    pub fn user(mut self, email: &str, password: &str) -> Self {
        self.users.add(email, password);
        self
    }

    /// Refuses, with 400, sign-ins and calls to sibling services whose header `tenant` is not this.
    pub fn require_tenant(mut self, uuid: &str) -> Self {
        self.rules.tenant = Some(uuid.to_owned());
        self
    }

    /// Each renewal gives a new refresh token and spends the old one; using a spent one revokes all its descendants.
    pub fn rotating(mut self, rotating: bool) -> Self {
        self.rules.rotating = rotating;
        self
    }

    /// How renewals are asked for.
    pub fn refresh_dialect(mut self, dialect: RefreshDialect) -> Self {
        self.rules.dialect = dialect;
        self
    }

    /// Access tokens are JWTs with an `exp`, as on the live service. Their signature is a dummy.
    pub fn jwt(mut self, jwt: bool) -> Self {
        self.rules.jwt = jwt;
        self
    }

    /// Refresh tokens contain `/`, `%`, `+`, `?`, `#`, a blank and a letter that is not ASCII.
    pub fn odd_tokens(mut self, odd: bool) -> Self {
        self.rules.odd_tokens = odd;
        self
    }

    fn document() -> FakeDocument {
        FakeDocument::read(DOCUMENT, PREFIX).also("refresh_token", "POST", "/user/v1/auth/refresh/{value}")
    }

    fn platform(self, document: Arc<FakeDocument>) -> VitaMojoPlatform {
        VitaMojoPlatform { rules: self.rules, document, users: self.users, tokens: Lineages::default() }
    }
}

/// The state machine.
struct VitaMojoPlatform {
    rules: VitaMojoRules,
    document: Arc<FakeDocument>,
    users: Accounts,
    /// By the e-mail address of the user who signed in.
    tokens: Lineages<String>,
}

impl Vendor for VitaMojoPlatform {
    fn answer(&mut self, ask: &FakeCall<'_>) -> FakeAnswer {
        let answer = match ask.operation() {
            "auth" => self.sign_in(ask),
            "check_token" => self.check(ask),
            "refresh_token" => self.refresh(ask),
            OTHER => self.sibling(ask),
            operation => unreachable!("the document has a new operation: {operation}"),
        };
        if answer.content_type == "application/json" {
            return FakeAnswer { content_type: "application/json; charset=utf-8", ..answer };
        }
        answer
    }

    /// Documented without a body.
    fn unauthorized(&self, _: &FakeCall<'_>) -> FakeAnswer {
        FakeAnswer::empty(401)
    }

    fn beside(&self) -> &'static [&'static str] {
        &["/order/v1/orders", "/tenant/v1/stores"]
    }

    /// What the service's framework says where it has no route: without a `vmosCode`.
    fn unknown(&self, ask: &FakeCall<'_>) -> FakeAnswer {
        let path = ask.path().strip_prefix(PREFIX).unwrap_or(ask.path());
        let message = format!("Cannot {} {path}", ask.request.method);
        FakeAnswer::json(404, &json!({ "statusCode": 404, "error": "Not Found", "message": message }))
    }

    fn secrets(&self) -> Vec<String> {
        self.users.secrets().chain(self.tokens.made()).collect()
    }

    fn name_of(&self, token: &str) -> Option<String> {
        self.tokens.name(token)
    }
}

impl VitaMojoPlatform {
    fn sign_in(&mut self, ask: &FakeCall<'_>) -> FakeAnswer {
        let Some(body) = ask.json() else {
            return refusal(ask, 400, json!("Unexpected token in JSON"), None);
        };
        let (Some(email), Some(password)) = (body["email"].as_str(), body["password"].as_str()) else {
            return refusal(ask, 400, missing_fields(&body), None);
        };
        if !self.tenant_is_right(ask) {
            return refusal(ask, 400, json!("Tenant not found"), None);
        }
        if !self.users.know(email, password) {
            return refusal(ask, 400, json!("User not found"), None); // the same for a wrong password
        }
        let lineage = self.tokens.begin(email.to_owned());
        let refresh = self.new_refresh_token(lineage);
        self.pair(ask, 201, lineage, &refresh)
    }

    fn check(&self, ask: &FakeCall<'_>) -> FakeAnswer {
        match self.access(ask) {
            Some((token, lineage)) => {
                let refresh = self.tokens.beside(token).unwrap_or_default();
                FakeAnswer::json(200, &self.auth_res(("check_token", 200), token, refresh, self.tokens.owner(lineage)))
            }
            None => self.unauthorized(ask),
        }
    }

    fn refresh(&mut self, ask: &FakeCall<'_>) -> FakeAnswer {
        let (method, status) = match self.rules.dialect {
            RefreshDialect::PutOk => ("PUT", 200),
            RefreshDialect::PostCreated => ("POST", 201),
        };
        if ask.request.method != method {
            return self.unknown(ask);
        }
        let Some(lineage) = self.tokens.redeem(ask.parameter(0), self.rules.rotating, ask.now) else {
            return dead_refresh_token(ask);
        };
        let refresh = match self.rules.rotating {
            true => self.new_refresh_token(lineage),
            false => ask.parameter(0).to_owned(),
        };
        self.pair(ask, status, lineage, &refresh)
    }

    /// Whatever else the platform offers.
    fn sibling(&self, ask: &FakeCall<'_>) -> FakeAnswer {
        if self.access(ask).is_none() {
            return self.unauthorized(ask);
        }
        if !self.tenant_is_right(ask) {
            return refusal(ask, 400, json!("Tenant not found"), None);
        }
        FakeAnswer::json(200, &json!({ "ok": true, "path": ask.path(), "tenant": ask.header("tenant") }))
    }

    fn tenant_is_right(&self, ask: &FakeCall<'_>) -> bool {
        self.rules.tenant.is_none() || self.rules.tenant.as_deref() == ask.header("tenant")
    }

    /// The live access token that came with the request, and what it descends from.
    fn access<'a>(&self, ask: &'a FakeCall<'_>) -> Option<(&'a str, usize)> {
        let token = ask.bearer()?;
        Some((token, self.tokens.live(token, ask.now)?))
    }

    /// Answers with a new access token beside this refresh token.
    fn pair(&mut self, ask: &FakeCall<'_>, status: u16, lineage: usize, refresh: &str) -> FakeAnswer {
        let (email, ends) = (self.tokens.owner(lineage).clone(), ask.now + self.rules.token_life);
        let (jwts, issued, expires) = (self.rules.jwt, calendar::epoch(ask.now), calendar::epoch(ends));
        let shape = |number: usize, random: &str| match jwts {
            true => jwt(&json!({ "user": { "email": email }, "iat": issued, "exp": expires, "jti": random })),
            false => format!("vm-access-{number}-{random}"),
        };
        let token = self.tokens.access(lineage, Some(refresh), Some(ends), shape);
        let example = if ask.operation() == "auth" { ("auth", 201) } else { ("refresh_token", 200) };
        FakeAnswer::json(status, &self.auth_res(example, &token, refresh, &email))
    }

    /// The vendor's example, with our tokens and our user in it.
    fn auth_res(&self, (operation, status): (&str, u16), token: &str, refresh: &str, email: &str) -> Value {
        let mut body = self.document.example(operation, status);
        body["payload"]["token"]["value"] = json!(token);
        body["payload"]["token"]["refresh"] = json!(refresh);
        body["payload"]["user"]["email"] = json!(email);
        if let Some(tenant) = &self.rules.tenant {
            body["payload"]["user"]["tenantUUID"] = json!(tenant);
        }
        body
    }

    fn new_refresh_token(&mut self, lineage: usize) -> String {
        let odd = self.rules.odd_tokens;
        self.tokens.refresh(lineage, None, |number, random| match odd {
            true => format!("vm/refresh {number}+%2F?#é/../{random}"),
            false => format!("vm-refresh-{number}-{random}"),
        })
    }
}

/// The error body of the live service. Its path is the one that was asked for: with a refresh token in it, if need be.
fn refusal(ask: &FakeCall<'_>, status: u16, message: Value, code: Option<&str>) -> FakeAnswer {
    let mut body = json!({
        "message": message,
        "statusCode": status,
        "timestamp": calendar::iso(ask.now),
        "path": ask.path().strip_prefix(PREFIX).unwrap_or(ask.path()),
    });
    if let Some(code) = code {
        body["vmosCode"] = json!(code);
    }
    FakeAnswer::json(status, &body)
}

fn dead_refresh_token(ask: &FakeCall<'_>) -> FakeAnswer {
    refusal(ask, 400, json!("Refresh token not found"), Some("US-04"))
}

fn missing_fields(body: &Value) -> Value {
    let missing = ["email", "password"].into_iter().filter(|field| !body[field].is_string());
    missing.map(|field| json!({ "value": field, "constraints": [format!("{field} must be a string")] })).collect()
}
