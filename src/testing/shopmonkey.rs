//! A fake of Shopmonkey's auth service, with any other path of its API behind the same door.

use super::{
    Fake,
    account::Accounts,
    builders::a_fake,
    calendar,
    document::{FakeDocument, OTHER},
    exchange::{FakeAnswer, FakeCall, Outcome, Vendor},
    fake::locked,
    lineage::{Lineages, is_over},
    mint::{Mint, jwt, random, uuid},
    throttle::Throttle,
    time::Time,
};
use serde_json::{Value, json};
use std::{
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

const DOCUMENT: &str = include_str!(concat!(env!("OUT_DIR"), "/shopmonkey.json"));
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
/// No list is longer, whatever was asked for.
const LONGEST_PAGE: usize = 100;

/// A Shopmonkey in memory: sign-ins, API keys, and answers that say `success: false`.
///
/// The operations are those of the document: `login`, `logout`, `list_api_keys`, `create_api_key`, `delete_api_key`.
/// Beside them `/v3/order`, `/v3/user` and what [`Fake::serve`] adds (`other`) answer 200 and `{"success": true, "ok": true, "path": …}` to
/// the token of a session and to an API key; without one the answer is 401. Every answer has an `X-Request-Id`.
///
/// ```
/// use keyway::testing::FakeShopmonkey;
/// use serde_json::{Value, json};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), reqwest::Error> {
/// let fake = FakeShopmonkey::builder().failures_in_200(true).start().await;
///
/// let credentials = json!({ "email": FakeShopmonkey::EMAIL, "password": "wrong" });
/// let login = format!("{}/v3/auth/login", fake.uri());
/// let answer = reqwest::Client::new().post(login).json(&credentials).send().await?;
///
/// assert_eq!(answer.status(), 200);
/// assert_eq!(answer.json::<Value>().await?["success"], false);
/// assert_eq!(fake.count("login"), 1);
/// # Ok(())
/// # }
/// ```
///
/// In the log, an API key is `api key #1`, the how-many-th this fake knows: the first is
/// [`API_KEY`](FakeShopmonkey::API_KEY). What [`Fake`] can do, it can do: gates, faults, counts, expectations.
#[derive(Debug)]
pub struct FakeShopmonkey {
    fake: Fake,
    shop: Arc<Mutex<Shop>>,
}

/// Says what the vendor is like. [`FakeShopmonkey::builder`] makes it.
#[derive(Debug, Clone)]
#[must_use]
pub struct FakeShopmonkeyBuilder {
    clock: Time,
    port: u16,
    rules: Rules,
    users: Accounts,
    /// By name.
    keys: Accounts,
}

#[derive(Debug, Clone)]
struct Rules {
    token_life: Option<Duration>,
    jwt: bool,
    whole_profile: bool,
    failures_in_200: bool,
    refused_login: u16,
    without_meta: bool,
    repeat_pages: bool,
    calls_per_minute: Option<usize>,
    retry_after_date: bool,
}

impl FakeShopmonkey {
    /// The e-mail address of the one user who is always there.
    pub const EMAIL: &'static str = "owner@shop.example";
    /// That user's password.
    pub const PASSWORD: &'static str = "three wrenches and a jack";
    /// The API key that is always there: it never expires.
    pub const API_KEY: &'static str = "sm-api-key-0-of-the-shop-at-the-corner";

    /// A vendor as documented: sessions and keys that do not end, failures with a status of their own.
    ///
    /// # Cancel safety
    /// A dropped start leaves nothing behind.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A vendor that differs from that.
    pub fn builder() -> FakeShopmonkeyBuilder {
        let rules = Rules {
            token_life: None,
            jwt: false,
            whole_profile: false,
            failures_in_200: false,
            refused_login: 401,
            without_meta: false,
            repeat_pages: false,
            calls_per_minute: None,
            retry_after_date: false,
        };
        let users = Accounts::with(Self::EMAIL, Self::PASSWORD);
        let keys = Accounts::with("Integration", Self::API_KEY);
        FakeShopmonkeyBuilder { clock: Time::default(), port: 0, rules, users, keys }
    }

    /// Ends all sessions: the next call with a token of theirs is answered with 401. API keys go on.
    pub fn revoke_sessions(&self) {
        locked(&self.shop).sessions.revoke_accesses();
    }

    /// Ends an API key by its value. Says whether there was one.
    pub fn revoke_api_key(&self, key: &str) -> bool {
        locked(&self.shop).end_key(|known| known.value == key)
    }

    /// Changes the password of a user. Sessions go on.
    pub fn set_password(&self, email: &str, password: &str) {
        locked(&self.shop).users.set(email, password);
    }

    /// For which audience the session of `token #<number>` was begun; none if it was not said.
    ///
    /// # Panics
    /// When there were not so many sessions yet, or this one has ended.
    #[must_use]
    pub fn audience(&self, number: usize) -> Option<String> {
        let shop = locked(&self.shop);
        let lineage = shop.sessions.of_access(&shop.sessions.token(number)).expect("the session goes on");
        shop.sessions.owner(lineage).audience.clone()
    }

    /// The session token that the log calls `token #<number>`: the how-many-th was given out, counted from 1.
    ///
    /// # Panics
    /// When there were not so many yet.
    #[must_use]
    pub fn token(&self, number: usize) -> String {
        locked(&self.shop).sessions.token(number)
    }

    /// The API key that the log calls `api key #<number>`: first those that were there at the start, then those made.
    ///
    /// # Panics
    /// When there were not so many yet.
    #[must_use]
    pub fn api_key(&self, number: usize) -> String {
        locked(&self.shop).key_mint.value(number).expect("there were so many API keys")
    }
}

a_fake!(FakeShopmonkey, FakeShopmonkeyBuilder);

impl FakeShopmonkeyBuilder {
    /// One more user.
    pub fn user(mut self, email: &str, password: &str) -> Self {
        self.users.add(email, password);
        self
    }

    /// One more API key that is there from the start.
    pub fn api_key(mut self, name: &str, key: &str) -> Self {
        self.keys.add(name, key);
        self
    }

    /// How long a session lives: for ever, if not told otherwise.
    pub fn token_life(mut self, life: Duration) -> Self {
        self.rules.token_life = Some(life);
        self
    }

    /// Session tokens are JWTs, with an `exp` if sessions end. Their signature is a dummy.
    pub fn jwt(mut self, jwt: bool) -> Self {
        self.rules.jwt = jwt;
        self
    }

    /// A sign-in tells all that the vendor's tables call required, NATS credentials among it. Its example, which is
    /// what else is answered, lacks most of that.
    pub fn whole_profile(mut self, whole: bool) -> Self {
        self.rules.whole_profile = whole;
        self
    }

    /// What goes wrong is told with `success: false` in a 200. A 429 stays what it is.
    pub fn failures_in_200(mut self, inside: bool) -> Self {
        self.rules.failures_in_200 = inside;
        self
    }

    /// The status of a wrong password: 401, if not told otherwise. The vendor's page says 4XX.
    pub fn refused_login(mut self, status: u16) -> Self {
        self.rules.refused_login = status;
        self
    }

    /// Lists have no `meta`, as in the vendor's example.
    pub fn without_meta(mut self, without: bool) -> Self {
        self.rules.without_meta = without;
        self
    }

    /// Lists begin anew, whatever `skip` says, and say that there is more, if they are longer than one page.
    pub fn repeat_pages(mut self, repeat: bool) -> Self {
        self.rules.repeat_pages = repeat;
        self
    }

    /// How many calls each session and each API key has in 60 s; without a limit, if not told otherwise. All answers
    /// to them have `X-RateLimit-Limit-Minute` and `X-RateLimit-Remaining-Minute` then; a 429 has `Retry-After`.
    pub fn calls_per_minute(mut self, limit: usize) -> Self {
        self.rules.calls_per_minute = Some(limit);
        self
    }

    /// `Retry-After` is a date, not a number of seconds.
    pub fn retry_after_date(mut self, date: bool) -> Self {
        self.rules.retry_after_date = date;
        self
    }

    /// Opens the vendor's doors on a free port of 127.0.0.1, or on [its own](Self::port). They close when the fake is dropped.
    ///
    /// # Cancel safety
    /// A dropped start leaves nothing behind.
    pub async fn start(self) -> FakeShopmonkey {
        let document = Arc::new(FakeDocument::read(DOCUMENT, ""));
        let shop = Shop::new(self.rules, self.users, &self.keys, document.clone(), self.clock.now());
        let shop = Arc::new(Mutex::new(shop));
        let fake = Fake::open("FakeShopmonkey", document, self.clock, shop.clone(), self.port).await;
        FakeShopmonkey { fake, shop }
    }
}

/// The state machine.
struct Shop {
    rules: Rules,
    document: Arc<FakeDocument>,
    users: Accounts,
    sessions: Lineages<FakeSession>,
    /// The API keys that were not deleted, the one made first in front.
    keys: Vec<ApiKey>,
    key_mint: Mint,
    /// Ids and credentials that a sign-in tells beside the token.
    others: Mint,
    calls: Throttle,
    answers: usize,
}

struct FakeSession {
    email: String,
    audience: Option<String>,
}

struct ApiKey {
    id: String,
    name: String,
    value: String,
    made: SystemTime,
    ends: Option<SystemTime>,
}

/// Who makes a call.
enum Caller {
    Session(usize),
    Key(String),
}

impl Vendor for Shop {
    fn answer(&mut self, ask: &FakeCall<'_>) -> FakeAnswer {
        let outcome = match ask.operation() {
            "login" => self.login(ask),
            _ => return self.limited(ask),
        };
        self.told(outcome)
    }

    fn unauthorized(&self, _: &FakeCall<'_>) -> FakeAnswer {
        refusal(401, "API-401001", "Unauthorized")
    }

    fn throttled(&self, _: &FakeCall<'_>) -> FakeAnswer {
        refusal(429, "API-429001", "Too many requests")
    }

    fn beside(&self) -> &'static [&'static str] {
        &["/v3/order", "/v3/user"]
    }

    fn unknown(&self, _: &FakeCall<'_>) -> FakeAnswer {
        refusal(404, "API-404001", "Not found")
    }

    fn secrets(&self) -> Vec<String> {
        let tokens = self.sessions.made().chain(self.key_mint.made());
        self.users.secrets().chain(tokens).chain(self.others.made()).collect()
    }

    fn name_of(&self, token: &str) -> Option<String> {
        let session = self.sessions.number(token).map(|number| format!("token #{number}"));
        session.or_else(|| self.key_mint.number(token).map(|number| format!("api key #{number}")))
    }

    fn stamp(&mut self, answer: FakeAnswer) -> FakeAnswer {
        self.answers += 1;
        answer.with("x-request-id", format!("req-{}", self.answers))
    }
}

impl Shop {
    fn new(rules: Rules, users: Accounts, keys: &Accounts, document: Arc<FakeDocument>, now: SystemTime) -> Self {
        let mut shop = Self {
            document,
            users,
            sessions: Lineages::default(),
            keys: Vec::new(),
            key_mint: Mint::default(),
            others: Mint::default(),
            calls: Throttle::new(rules.calls_per_minute.unwrap_or(usize::MAX), MINUTE),
            answers: 0,
            rules,
        };
        for key in keys.iter() {
            shop.key_mint.adopt(&key.secret);
            shop.keep_key(&key.name, key.secret.clone(), now, None);
        }
        shop
    }

    fn told(&self, outcome: Outcome) -> FakeAnswer {
        match outcome {
            Err(refusal) if self.rules.failures_in_200 => FakeAnswer { status: 200, ..refusal },
            Ok(answer) | Err(answer) => answer,
        }
    }

    fn login(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let body = object(ask)?;
        let (Some(email), Some(password)) = (body["email"].as_str(), body["password"].as_str()) else {
            return Err(invalid("email and password are required"));
        };
        let audience = body["audience"].as_str().map(str::to_owned);
        if !body["audience"].is_null() && !audience.as_deref().is_some_and(is_login_audience) {
            return Err(invalid("audience is not one of the known ones"));
        }
        if !self.users.know(email, password) {
            return Err(refusal(self.rules.refused_login, "API-401002", "Invalid email or password"));
        }
        let lineage = self.sessions.begin(FakeSession { email: email.to_owned(), audience });
        Ok(self.new_session(lineage, email, ask.now))
    }

    /// The vendor's example, with the token and the id of this session in it.
    fn new_session(&mut self, lineage: usize, email: &str, now: SystemTime) -> FakeAnswer {
        let ends = self.rules.token_life.map(|life| now + life);
        let (jwts, issued) = (self.rules.jwt, calendar::epoch(now));
        let token = self.sessions.access(lineage, None, ends, |number, random| {
            let mut claims = json!({ "aud": "shop", "sid": random, "iat": issued });
            if let Some(ends) = ends {
                claims["exp"] = json!(calendar::epoch(ends));
            }
            if jwts { jwt(&claims) } else { format!("sm-session-{number}-{random}") }
        });
        let mut body = self.document.example("login", 200);
        let data = &mut body["data"];
        data["token"] = json!(token);
        data["sessionId"] = json!(self.others.make(|_, random| format!("sid-{random}")));
        if self.rules.whole_profile {
            data["branch"] = json!("main");
            data["entitlements"] = json!([]);
            data["algoliaAuthToken"] = json!(self.others.make(|_, random| format!("algolia-{random}")));
            data["natsUserCredentials"] = json!(self.others.make(|_, random| format!("nats-{random}")));
            complete(&mut data["user"], email, now);
        }
        FakeAnswer::json(200, &body)
    }

    /// Everything that needs a session or an API key.
    fn limited(&mut self, ask: &FakeCall<'_>) -> FakeAnswer {
        let Some(caller) = self.caller(ask) else {
            let refused = self.unauthorized(ask);
            return self.told(Err(refused));
        };
        let Some(limit) = self.rules.calls_per_minute else {
            let outcome = self.signed_in(ask, caller);
            return self.told(outcome);
        };
        let who = ask.bearer().unwrap_or_default();
        let answer = match self.calls.wait(who, ask.now) {
            Some(wait) => self.wait(ask, wait),
            None => {
                self.calls.count(who, ask.now);
                let outcome = self.signed_in(ask, caller);
                self.told(outcome)
            }
        };
        let left = self.calls.left(who, ask.now);
        answer
            .with("x-ratelimit-limit-minute", limit.to_string())
            .with("x-ratelimit-remaining-minute", left.to_string())
    }

    fn wait(&self, ask: &FakeCall<'_>, wait: Duration) -> FakeAnswer {
        let seconds = wait.as_millis().div_ceil(1000); // rounded up: who waits as long as told must get in
        let told = match self.rules.retry_after_date {
            true => calendar::http_date(ask.now + wait + Duration::from_millis(999)),
            false => seconds.to_string(),
        };
        self.throttled(ask).with("retry-after", told)
    }

    fn caller(&self, ask: &FakeCall<'_>) -> Option<Caller> {
        let token = ask.bearer()?;
        let session = self.sessions.live(token, ask.now).map(Caller::Session);
        let mut keys = self.keys.iter().filter(|key| key.value == token && !is_over(key.ends, ask.now));
        session.or_else(|| keys.next().map(|key| Caller::Key(key.id.clone())))
    }

    fn signed_in(&mut self, ask: &FakeCall<'_>, caller: Caller) -> Outcome {
        match ask.operation() {
            "logout" => self.logout(ask, caller),
            "list_api_keys" => self.list_keys(ask),
            "create_api_key" => self.create_key(ask),
            "delete_api_key" => self.delete_key(ask),
            OTHER => {
                let user = match caller {
                    Caller::Session(lineage) => Some(&self.sessions.owner(lineage).email),
                    Caller::Key(_) => None,
                };
                let answer = json!({ "success": true, "ok": true, "path": ask.path(), "user": user });
                Ok(FakeAnswer::json(200, &answer))
            }
            operation => unreachable!("the document has a new operation: {operation}"),
        }
    }

    /// What becomes of an API key is not documented; the worst is assumed, so that a test sees it was sent.
    fn logout(&mut self, ask: &FakeCall<'_>, caller: Caller) -> Outcome {
        object(ask)?;
        match caller {
            Caller::Session(lineage) => self.sessions.revoke(|known, _| known == lineage),
            Caller::Key(id) => self.end_key(|key| key.id == id),
        };
        Ok(FakeAnswer::json(200, &self.document.example("logout", 200)))
    }

    fn list_keys(&self, ask: &FakeCall<'_>) -> Outcome {
        if ask.query("orderby").is_some() {
            return Err(invalid("orderby is not a known parameter")); // as observed at a sibling: it is orderBy
        }
        let limit = number(ask, "limit")?.unwrap_or(LONGEST_PAGE).min(LONGEST_PAGE);
        let skip = if self.rules.repeat_pages { 0 } else { number(ask, "skip")?.unwrap_or(0) };
        let (condition, ids) = (json_text(ask, "where")?, ask.queries("ids").collect::<Vec<_>>());
        let mut keys: Vec<Value> = self.keys.iter().map(|key| self.listed(key)).collect();
        keys.retain(|key| ids.is_empty() || ids.iter().any(|id| key["id"] == *id));
        keys.retain(|key| fulfils(key, &condition));
        match json_text(ask, "orderBy")?["id"].as_str() {
            None => {}
            Some(order) => {
                keys.sort_by_key(|key| key["id"].to_string());
                if order == "desc" {
                    keys.reverse();
                }
            }
        }
        let total = keys.len();
        let page: Vec<Value> = keys.into_iter().skip(skip).take(limit).collect();
        let mut body = self.document.example("list_api_keys", 200);
        if !self.rules.without_meta {
            body["meta"] = json!({ "hasMore": skip.saturating_add(page.len()) < total, "total": total });
        }
        body["data"] = json!(page);
        Ok(FakeAnswer::json(200, &body))
    }

    /// The vendor's example of a key, with ours in it.
    fn listed(&self, key: &ApiKey) -> Value {
        let mut listed = self.document.example("list_api_keys", 200)["data"][0].take();
        listed["id"] = json!(key.id);
        listed["name"] = json!(key.name);
        listed["createdDate"] = json!(calendar::iso(key.made));
        // What stands here for a key that never ends is not told; `null` the vendor shows for a name alone.
        match key.ends {
            Some(ends) => listed["expirationDate"] = json!(calendar::iso(ends)),
            None => drop(listed.as_object_mut().and_then(|listed| listed.remove("expirationDate"))),
        }
        listed
    }

    fn create_key(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let body = object(ask)?;
        let Some(name) = body["name"].as_str() else {
            return Err(invalid("name is required"));
        };
        if !matches!(body["audience"].as_str(), Some("shop" | "hq")) {
            return Err(invalid("audience must be shop or hq"));
        }
        let days = match &body["expires"] {
            Value::Null => 0,
            days => days.as_u64().and_then(|days| u32::try_from(days).ok()).ok_or_else(|| {
                invalid("expires must be a number of days") // `30d` is none
            })?,
        };
        let value = self.key_mint.make(|number, random| format!("sm-api-key-{number}-{random}"));
        let ends = (days > 0).then(|| ask.now + DAY * days); // 0: never
        self.keep_key(name, value.clone(), ask.now, ends);
        let mut answer = self.document.example("create_api_key", 200);
        answer["data"]["token"] = json!(value);
        Ok(FakeAnswer::json(200, &answer))
    }

    fn delete_key(&mut self, ask: &FakeCall<'_>) -> Outcome {
        object(ask)?;
        match self.end_key(|key| key.id == ask.parameter(0)) {
            true => Ok(FakeAnswer::json(200, &self.document.example("delete_api_key", 200))),
            false => Err(refusal(404, "API-404001", "API key not found")),
        }
    }

    fn keep_key(&mut self, name: &str, value: String, made: SystemTime, ends: Option<SystemTime>) {
        self.keys.push(ApiKey { id: uuid(), name: name.to_owned(), value, made, ends });
    }

    fn end_key(&mut self, which: impl Fn(&ApiKey) -> bool) -> bool {
        let before = self.keys.len();
        self.keys.retain(|key| !which(key));
        self.keys.len() < before
    }
}

impl fmt::Debug for Shop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shop").field("rules", &self.rules).field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

/// The vendor's envelope for what went wrong.
fn refusal(status: u16, code: &str, message: &str) -> FakeAnswer {
    FakeAnswer::json(status, &json!({ "success": false, "code": code, "message": message }))
}

fn invalid(message: &str) -> FakeAnswer {
    refusal(400, "API-400001", message)
}

/// The body, which every write must have, if only `{}`.
fn object(ask: &FakeCall<'_>) -> Result<Value, FakeAnswer> {
    ask.json().filter(Value::is_object).ok_or_else(|| invalid("the body must be a JSON object"))
}

fn number(ask: &FakeCall<'_>, name: &str) -> Result<Option<usize>, FakeAnswer> {
    let number = ask.query(name).map(|text| text.parse());
    number.transpose().map_err(|_| invalid(&format!("{name} must be a whole number")))
}

/// A parameter that holds JSON; null, if there is none.
fn json_text(ask: &FakeCall<'_>, name: &str) -> Result<Value, FakeAnswer> {
    let json = ask.query(name).map(|text| serde_json::from_str(&text).ok().filter(Value::is_object));
    json.unwrap_or(Some(Value::Null)).ok_or_else(|| invalid(&format!("{name} must be JSON")))
}

/// Whether all members are as wanted: `{"name": "x"}` or `{"name": {"equals": "x"}}`. Operators that begin with `$` are
/// silently ignored, as at the vendor's.
fn fulfils(key: &Value, condition: &Value) -> bool {
    condition.as_object().into_iter().flatten().all(|(member, wanted)| match wanted.as_object() {
        None => key[member] == *wanted,
        Some(operators) => operators.iter().filter(|(operator, _)| !operator.starts_with('$')).all(
            |(operator, wanted)| operator == "equals" && key[member] == *wanted, // others are beyond this fake
        ),
    })
}

fn is_login_audience(audience: &str) -> bool {
    let known = ["admin", "api", "api_hq", "app", "hq", "mobile", "mobile_android", "mobile_ios", "ops", "shop"];
    known.contains(&audience)
}

/// Adds what the vendor's table of a user calls required, and its example leaves out.
fn complete(user: &mut Value, email: &str, now: SystemTime) {
    user["email"] = json!(email);
    user["createdDate"] = json!(calendar::iso(now));
    user["companyWideAccess"] = json!(true);
    user["customPhotoId"] = json!(format!("photo-{}", &random()[..8]));
    user["customPhotoUrl"] = json!("https://shop.example/photo.png");
    user["googlePhotoDisabled"] = json!(true);
    user["googlePhotoUrl"] = json!("");
    user["preferredLanguage"] = json!("en_US");
}
