//! A fake of the VMS Client API, with any other path of the platform behind the same door.

use super::{
    Fake,
    account::Accounts,
    builders::a_fake,
    calendar,
    captcha::{Captchas, TTL},
    document::{FakeDocument, OTHER},
    exchange::{FakeAnswer, FakeCall, Vendor},
    fake::locked,
    mint::{Mint, random},
    throttle::Throttle,
    time::Time,
};
use serde_json::{Value, json};
use std::{
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

const DOCUMENT: &str = include_str!(concat!(env!("OUT_DIR"), "/vms.json"));
/// The time over which sign-ins and captchas are counted.
const WINDOW: Duration = Duration::from_secs(600);
/// A session that was used less long ago than this is online.
const ONLINE_FOR: Duration = Duration::from_secs(300);

/// A video platform in memory: a limit of sessions, captchas, throttles.
///
/// The operations are those of the document (`get_token`, `get_captcha`, `get_basic_static`, `list_sessions`,
/// `delete_session`, `logout`, `get_self`, `update_self`) and, for calls beside it, `list_cameras`,
/// `GET /api/v1/cameras`: three cameras, `[{"id": 1, "name": "Gate", "online": true}, …]`. Paths that [`Fake::serve`] adds (`other`)
/// answer 200 and `{"ok": true, "path": …}` to a valid token. Without one the answer is 401; and without
/// `Accept: application/json`, errors are redirects or HTML pages, as in the vendor's framework. A `session_id` that is not one
/// of the user's, or has ended meanwhile, is answered with 422.
///
/// ```
/// use keyway::testing::FakeVms;
/// use serde_json::{Value, json};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), reqwest::Error> {
/// let fake = FakeVms::builder().session_limit(2).other_sessions(2).start().await;
///
/// let credentials = json!({ "login": FakeVms::LOGIN, "password": FakeVms::PASSWORD });
/// let request = reqwest::Client::new().post(format!("{}/api/v1/token", fake.uri()));
/// let answer = request.header("accept", "application/json").json(&credentials).send().await?;
///
/// assert_eq!(answer.status(), 419);
/// assert_eq!(answer.json::<Value>().await?["sessions_count"], 2);
/// assert_eq!(fake.count("get_token"), 1);
/// # Ok(())
/// # }
/// ```
///
/// What [`Fake`] can do, it can do: gates, faults, counts, expectations.
#[derive(Debug)]
pub struct FakeVms {
    fake: Fake,
    platform: Arc<Mutex<Platform>>,
}

/// Says what the platform is like. [`FakeVms::builder`] makes it.
#[derive(Debug, Clone)]
#[must_use]
pub struct FakeVmsBuilder {
    clock: Time,
    port: u16,
    rules: Rules,
    users: Accounts,
    other_sessions: usize,
}

#[derive(Debug, Clone)]
struct Rules {
    session_limit: usize,
    /// After how many sign-ins a captcha is needed.
    captcha_after: Option<usize>,
    token_life: Option<Duration>,
    prefixed_token: bool,
    sign_ins_per_address: usize,
    sign_ins_per_login: usize,
    captchas_per_address: usize,
    retry_after: bool,
    empty_429: bool,
}

/// A session as [`FakeVms::sessions`] tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VmsSession {
    /// What `session_id` and `deleteSession` take.
    pub id: String,
    /// Whose it is.
    pub login: String,
    /// Whether it is in use.
    pub online: bool,
    /// When it was last used.
    pub last: SystemTime,
}

impl FakeVms {
    /// The login of the one user who is always there: that of the vendor's example.
    pub const LOGIN: &'static str = "mylogin@mail.com";
    /// That user's password.
    pub const PASSWORD: &'static str = "mypassword";

    /// A platform as documented: five sessions, no captcha, tokens that do not end, ten sign-ins in ten minutes.
    ///
    /// # Cancel safety
    /// A dropped start leaves nothing behind.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A platform that differs from that.
    pub fn builder() -> FakeVmsBuilder {
        let rules = Rules {
            session_limit: 5,
            captcha_after: None,
            token_life: None,
            prefixed_token: false,
            sign_ins_per_address: 10,
            sign_ins_per_login: 10,
            captchas_per_address: 20,
            retry_after: false,
            empty_429: false,
        };
        let users = Accounts::with(Self::LOGIN, Self::PASSWORD);
        FakeVmsBuilder { clock: Time::default(), port: 0, rules, users, other_sessions: 0 }
    }

    /// What stands in the newest captcha's picture.
    ///
    /// # Panics
    /// When no captcha was asked for yet.
    #[must_use]
    pub fn captcha_answer(&self) -> String {
        locked(&self.platform).captchas.newest_text().expect("a captcha was asked for")
    }

    /// What stands in the picture of the captcha with this key.
    #[must_use]
    pub fn captcha_answer_for(&self, key: &str) -> Option<String> {
        locked(&self.platform).captchas.text_of(key)
    }

    /// The sessions of all users, the one begun first in front.
    #[must_use]
    pub fn sessions(&self) -> Vec<VmsSession> {
        let mut platform = locked(&self.platform);
        let now = self.fake.now();
        platform.end_what_is_over(now);
        platform.sessions.iter().map(|session| session.shown(now)).collect()
    }

    /// Ends a session, as if its user had done so elsewhere. Says whether there was one.
    pub fn end_session(&self, id: &str) -> bool {
        locked(&self.platform).end(|session| session.id == id)
    }

    /// Ends all sessions: the next call with a token of theirs is answered with 401.
    pub fn revoke_all(&self) {
        locked(&self.platform).sessions.clear();
    }

    /// Changes the password of a user. Sessions go on.
    pub fn set_password(&self, login: &str, password: &str) {
        locked(&self.platform).users.set(login, password);
    }

    /// The access token that the log calls `token #<number>`: the how-many-th was given out, counted from 1.
    ///
    /// # Panics
    /// When there were not so many yet.
    #[must_use]
    pub fn token(&self, number: usize) -> String {
        locked(&self.platform).tokens.value(number).expect("so many tokens were given out")
    }
}

a_fake!(FakeVms, FakeVmsBuilder);

impl FakeVmsBuilder {
    /// How many sessions each user may have: five, if not told otherwise.
    pub fn session_limit(mut self, limit: usize) -> Self {
        self.rules.session_limit = limit;
        self
    }

    /// Sessions that the default user already has elsewhere: `other-1`, the one used longest ago, `other-2` and so on.
    /// The odd ones are online, the even ones are not.
    pub fn other_sessions(mut self, count: usize) -> Self {
        self.other_sessions = count;
        self
    }

    /// Sign-in needs a captcha.
    pub fn captcha(mut self, needed: bool) -> Self {
        self.rules.captcha_after = needed.then_some(0);
        self
    }

    /// Sign-in needs a captcha after so many were tried, by any client and with any outcome.
    pub fn captcha_after(mut self, sign_ins: usize) -> Self {
        self.rules.captcha_after = Some(sign_ins);
        self
    }

    /// How long a session lives: for ever, if not told otherwise.
    pub fn token_life(mut self, life: Duration) -> Self {
        self.rules.token_life = Some(life);
        self
    }

    /// The `access_token` of the answer reads `Bearer …`, as in the vendor's example.
    pub fn prefixed_token(mut self, prefixed: bool) -> Self {
        self.rules.prefixed_token = prefixed;
        self
    }

    /// One more user.
    pub fn user(mut self, login: &str, password: &str) -> Self {
        self.users.add(login, password);
        self
    }

    /// How many sign-ins one address has in ten minutes: ten, if not told otherwise. The address is the one in
    /// `X-Forwarded-For`; without that header, all calls come from 127.0.0.1.
    pub fn sign_ins_per_address(mut self, limit: usize) -> Self {
        self.rules.sign_ins_per_address = limit;
        self
    }

    /// How many sign-ins one login has in ten minutes: ten, if not told otherwise.
    pub fn sign_ins_per_login(mut self, limit: usize) -> Self {
        self.rules.sign_ins_per_login = limit;
        self
    }

    /// How many captchas one address has in ten minutes: twenty, if not told otherwise.
    pub fn captchas_per_address(mut self, limit: usize) -> Self {
        self.rules.captchas_per_address = limit;
        self
    }

    /// A 429 tells in `Retry-After` how many seconds to wait. Not documented, but usual in the vendor's framework.
    pub fn retry_after(mut self, told: bool) -> Self {
        self.rules.retry_after = told;
        self
    }

    /// A 429 has no body. Its body is not documented; else it is that of the vendor's framework.
    pub fn empty_429(mut self, empty: bool) -> Self {
        self.rules.empty_429 = empty;
        self
    }

    /// Opens the platform on a free port of 127.0.0.1, or on [its own](Self::port). It closes when the fake is dropped.
    ///
    /// # Cancel safety
    /// A dropped start leaves nothing behind.
    pub async fn start(self) -> FakeVms {
        let document = Arc::new(FakeDocument::read(DOCUMENT, "").also("list_cameras", "GET", "/api/v1/cameras"));
        let mut platform = Platform::new(self.rules, self.users, document.clone());
        platform.add_other_sessions(self.other_sessions, self.clock.now());
        let platform = Arc::new(Mutex::new(platform));
        let fake = Fake::open("FakeVms", document, self.clock, platform.clone(), self.port).await;
        FakeVms { fake, platform }
    }
}

/// The state machine.
struct Platform {
    rules: Rules,
    document: Arc<FakeDocument>,
    users: Accounts,
    sessions: Vec<FakeSession>,
    tokens: Mint,
    captchas: Captchas,
    /// How many were tried.
    sign_ins: usize,
    sign_ins_by_address: Throttle,
    sign_ins_by_login: Throttle,
    captchas_by_address: Throttle,
}

struct FakeSession {
    id: String,
    login: String,
    /// None: it began elsewhere, and its token is not known here.
    token: Option<String>,
    /// None: it depends on when it was last used.
    online: Option<bool>,
    last: SystemTime,
    ends: Option<SystemTime>,
}

impl Vendor for Platform {
    fn answer(&mut self, ask: &FakeCall<'_>) -> FakeAnswer {
        self.end_what_is_over(ask.now);
        let answer = match ask.operation() {
            "get_token" => self.sign_in(ask),
            "get_captcha" => self.captcha(ask),
            "get_basic_static" => self.basic_static(),
            OTHER if ask.path() == "/login" => FakeAnswer::html(200, "Sign in"),
            _ => self.signed_in(ask),
        };
        for_people_unless_json(ask, answer)
    }

    fn unauthorized(&self, _: &FakeCall<'_>) -> FakeAnswer {
        FakeAnswer::message(401, "Unauthenticated.")
    }

    fn throttled(&self, _: &FakeCall<'_>) -> FakeAnswer {
        if self.rules.empty_429 { FakeAnswer::empty(429) } else { FakeAnswer::message(429, "Too Many Attempts.") }
    }

    /// Where its framework leads people who have no session.
    fn beside(&self) -> &'static [&'static str] {
        &["/login"]
    }

    fn unknown(&self, ask: &FakeCall<'_>) -> FakeAnswer {
        let route = ask.path().trim_start_matches('/');
        for_people_unless_json(ask, FakeAnswer::message(404, &format!("The route {route} could not be found.")))
    }

    fn secrets(&self) -> Vec<String> {
        self.users.secrets().chain(self.tokens.made()).chain(self.captchas.secrets()).collect()
    }

    fn name_of(&self, token: &str) -> Option<String> {
        self.tokens.number(token).map(|number| format!("token #{number}"))
    }
}

/// What needs no token.
impl Platform {
    fn sign_in(&mut self, ask: &FakeCall<'_>) -> FakeAnswer {
        let request = SignIn::read(ask);
        if let Some(wait) = self.attempt_refused(ask, &request) {
            return self.wait(ask, wait);
        }
        let captcha = self.needs_captcha();
        self.sign_ins += 1;
        if let Some(refusal) = self.refuse(&request, captcha, ask.now) {
            return refusal;
        }
        if let Some(id) = &request.session_id
            && !self.sessions_of(&request.login).any(|session| session.id == *id)
        {
            return self.invalid("session_id", "The selected session id is invalid.");
        }
        self.end(|session| session.login == request.login && Some(&session.id) == request.session_id.as_ref());
        if self.sessions_of(&request.login).count() >= self.rules.session_limit {
            return self.limit_reached(&request, captcha, ask.now);
        }
        self.captchas.spend(&request.key);
        self.begin_session(&request, ask.now)
    }

    /// Both throttles count every attempt that they let pass, whatever comes of it.
    fn attempt_refused(&mut self, ask: &FakeCall<'_>, request: &SignIn) -> Option<Duration> {
        let address = address(ask);
        let waits =
            [self.sign_ins_by_address.wait(address, ask.now), self.sign_ins_by_login.wait(&request.login, ask.now)];
        if waits.iter().all(Option::is_none) {
            self.sign_ins_by_address.count(address, ask.now);
            self.sign_ins_by_login.count(&request.login, ask.now);
        }
        waits.into_iter().flatten().max()
    }

    fn needs_captcha(&self) -> bool {
        self.rules.captcha_after.is_some_and(|free| self.sign_ins >= free)
    }

    fn refuse(&mut self, request: &SignIn, captcha: bool, now: SystemTime) -> Option<FakeAnswer> {
        for (field, value) in [("login", &request.login), ("password", &request.password)] {
            if value.is_empty() {
                return Some(self.invalid(field, &format!("The {field} field is required.")));
            }
        }
        if captcha && request.captcha.is_empty() {
            return Some(self.invalid("captcha", "The captcha field is required."));
        }
        if captcha && !self.captchas.accepts(&request.key, &request.captcha, now) {
            return Some(self.invalid("captcha", "The captcha is not right, or too old."));
        }
        let known = self.users.know(&request.login, &request.password);
        (!known).then(|| self.invalid("login", "These credentials do not match our records."))
    }

    fn limit_reached(&mut self, request: &SignIn, captcha: bool, now: SystemTime) -> FakeAnswer {
        let mut body = self.document.example("get_token", 419);
        let sessions: Vec<Value> =
            self.sessions_of(&request.login).map(|session| self.listed(session, None, now)).collect();
        body["sessions_limit"] = json!(self.rules.session_limit);
        body["sessions_count"] = json!(sessions.len());
        body["sessions"] = json!(sessions);
        if captcha {
            body["captcha_will_required_in"] = json!(self.captchas.lease(&request.key, now).as_secs());
        } else {
            body.as_object_mut().map(|body| body.remove("captcha_will_required_in"));
        }
        FakeAnswer::json(419, &body)
    }

    fn begin_session(&mut self, request: &SignIn, now: SystemTime) -> FakeAnswer {
        let token = self.tokens.make(|number, random| format!("{number}|vms-{random}"));
        let session = FakeSession {
            // As long as the vendor's ids, and not to be guessed from the token.
            id: format!("{}{}", random(), random()),
            login: request.login.clone(),
            token: Some(token.clone()),
            online: None,
            last: now,
            ends: self.rules.token_life.map(|life| now + life),
        };
        let mut body = self.document.example("get_token", 200);
        body["user"] = self.user(&session);
        body["access_token"] = json!(if self.rules.prefixed_token { format!("Bearer {token}") } else { token });
        self.sessions.push(session);
        FakeAnswer::json(200, &body)
    }

    fn captcha(&mut self, ask: &FakeCall<'_>) -> FakeAnswer {
        let address = address(ask);
        if let Some(wait) = self.captchas_by_address.wait(address, ask.now) {
            return self.wait(ask, wait);
        }
        self.captchas_by_address.count(address, ask.now);
        let mut body = self.document.example("get_captcha", 200);
        let (key, picture) = self.captchas.issue(ask.now);
        body["key"] = json!(key);
        body["img"] = json!(picture);
        body["ttl"] = json!(TTL.as_secs());
        FakeAnswer::json(200, &body)
    }

    fn basic_static(&self) -> FakeAnswer {
        let body = json!({
            "available_locales": ["en", "ru"],
            "is_captcha_available": self.needs_captcha(),
            "is_external_auth_enabled": false,
            "version": "24.03.0.0",
        });
        FakeAnswer::json(200, &body)
    }

    fn wait(&self, ask: &FakeCall<'_>, wait: Duration) -> FakeAnswer {
        let answer = self.throttled(ask);
        if self.rules.retry_after {
            let seconds = wait.as_millis().div_ceil(1000); // rounded up: who waits as long as told must get in
            return answer.with("retry-after", seconds.to_string());
        }
        answer
    }

    /// The vendor's example of a refusal, with our field in it.
    fn invalid(&self, field: &str, reason: &str) -> FakeAnswer {
        let mut body = self.document.example("get_token", 422);
        body["errors"] = json!({ field: [reason] });
        FakeAnswer::json(422, &body)
    }
}

/// What needs a token.
impl Platform {
    fn signed_in(&mut self, ask: &FakeCall<'_>) -> FakeAnswer {
        let live = |session: &FakeSession| session.token.is_some() && session.token.as_deref() == ask.bearer();
        let Some(current) = self.sessions.iter().position(live) else {
            return self.unauthorized(ask);
        };
        self.sessions[current].last = ask.now;
        match ask.operation() {
            "list_sessions" => self.list_sessions(current, ask.now),
            "delete_session" => self.delete_session(current, ask.parameter(0)),
            "logout" => self.logout(current),
            "get_self" => FakeAnswer::json(200, &self.user(&self.sessions[current])),
            "update_self" => self.update_self(current, &ask.json().unwrap_or_default()),
            "list_cameras" => FakeAnswer::json(200, &cameras()),
            OTHER => FakeAnswer::json(200, &json!({ "ok": true, "path": ask.path() })),
            operation => unreachable!("the document has a new operation: {operation}"),
        }
    }

    fn list_sessions(&self, current: usize, now: SystemTime) -> FakeAnswer {
        let current = &self.sessions[current];
        let sessions = self.sessions_of(&current.login).map(|session| self.listed(session, Some(current), now));
        FakeAnswer::json(200, &sessions.collect())
    }

    fn delete_session(&mut self, current: usize, id: &str) -> FakeAnswer {
        let login = self.sessions[current].login.clone();
        match self.end(|session| session.login == login && session.id == id) {
            true => FakeAnswer::json(200, &self.document.example("delete_session", 200)),
            false => FakeAnswer::message(404, "No such session."), // not documented
        }
    }

    fn logout(&mut self, current: usize) -> FakeAnswer {
        self.sessions.remove(current);
        FakeAnswer::json(200, &json!({ "status": "ok" })) // not documented; as its sibling answers
    }

    fn update_self(&mut self, current: usize, change: &Value) -> FakeAnswer {
        let login = self.sessions[current].login.clone();
        if let Some(password) = change["password"].as_str() {
            if !self.users.know(&login, change["current_password"].as_str().unwrap_or_default()) {
                return self.invalid("current_password", "The password is not right.");
            }
            if change["password_confirmation"].as_str() != Some(password) {
                return self.invalid("password", "The password confirmation does not match.");
            }
            self.users.set(&login, password);
        } else if !change["language"].is_string() {
            return self.invalid("language", "The language field is required.");
        }
        FakeAnswer::json(200, &self.user(&self.sessions[current]))
    }
}

impl Platform {
    fn new(rules: Rules, users: Accounts, document: Arc<FakeDocument>) -> Self {
        Self {
            document,
            users,
            sessions: Vec::new(),
            tokens: Mint::default(),
            captchas: Captchas::default(),
            sign_ins: 0,
            sign_ins_by_address: Throttle::new(rules.sign_ins_per_address, WINDOW),
            sign_ins_by_login: Throttle::new(rules.sign_ins_per_login, WINDOW),
            captchas_by_address: Throttle::new(rules.captchas_per_address, WINDOW),
            rules,
        }
    }

    fn add_other_sessions(&mut self, count: usize, now: SystemTime) {
        for number in 1..=count {
            let hours_ago = u32::try_from(count + 1 - number).unwrap_or(u32::MAX);
            self.sessions.push(FakeSession {
                id: format!("other-{number}"),
                login: FakeVms::LOGIN.to_owned(),
                token: None,
                online: Some(number % 2 == 1),
                last: now - Duration::from_secs(3600) * hours_ago,
                ends: None,
            });
        }
    }

    fn sessions_of(&self, login: &str) -> impl Iterator<Item = &FakeSession> {
        self.sessions.iter().filter(move |session| session.login == login)
    }

    fn end(&mut self, which: impl Fn(&FakeSession) -> bool) -> bool {
        let before = self.sessions.len();
        self.sessions.retain(|session| !which(session));
        self.sessions.len() < before
    }

    fn end_what_is_over(&mut self, now: SystemTime) {
        self.end(|session| session.ends.is_some_and(|ends| ends <= now));
    }

    /// The vendor's example of a user, with ours in it.
    fn user(&self, session: &FakeSession) -> Value {
        let mut user = self.document.example("get_token", 200)["user"].take();
        user["login"] = json!(session.login);
        user["access_token_id"] = json!(session.id);
        user
    }

    /// The vendor's example of a session, with ours in it.
    fn listed(&self, session: &FakeSession, current: Option<&FakeSession>, now: SystemTime) -> Value {
        let mut listed = self.document.example("get_token", 419)["sessions"][0].take();
        listed["id"] = json!(session.id);
        listed["is_current"] = json!(current.is_some_and(|current| current.id == session.id));
        listed["online"] = json!(session.is_online(now));
        listed["last"] = json!(calendar::epoch(session.last));
        listed
    }
}

/// The members of a sign-in's body; empty where there is none, as the vendor's framework sees them.
struct SignIn {
    login: String,
    password: String,
    session_id: Option<String>,
    captcha: String,
    key: String,
}

impl SignIn {
    fn read(ask: &FakeCall<'_>) -> Self {
        let body = ask.json().unwrap_or_default();
        let text = |member: &str| body[member].as_str().unwrap_or_default().to_owned();
        Self {
            login: text("login"),
            password: text("password"),
            session_id: Some(text("session_id")).filter(|id| !id.is_empty()),
            captcha: text("captcha"),
            key: text("key"),
        }
    }
}

impl FakeSession {
    fn is_online(&self, now: SystemTime) -> bool {
        self.online.unwrap_or(now < self.last + ONLINE_FOR)
    }

    fn shown(&self, now: SystemTime) -> VmsSession {
        VmsSession { id: self.id.clone(), login: self.login.clone(), online: self.is_online(now), last: self.last }
    }
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform").field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// The vendor's framework takes a request that does not ask for JSON for a browser's: it shows people a page, or sends
/// them to the one where they sign in.
fn for_people_unless_json(ask: &FakeCall<'_>, answer: FakeAnswer) -> FakeAnswer {
    let asks_for_json = ask.header("accept").is_some_and(|accept| accept.contains("/json") || accept.contains("+json"));
    match answer.status {
        _ if asks_for_json => answer,
        401 | 422 => FakeAnswer::html(302, "Redirecting to /login").with("location", "/login"),
        419 => FakeAnswer::html(419, "Page Expired"),
        400.. => FakeAnswer { headers: answer.headers, ..FakeAnswer::html(answer.status, "Error") },
        _ => answer,
    }
}

fn address<'a>(ask: &'a FakeCall<'_>) -> &'a str {
    ask.header("x-forwarded-for").unwrap_or("127.0.0.1")
}

fn cameras() -> Value {
    json!([
        { "id": 1, "name": "Gate", "online": true },
        { "id": 2, "name": "Yard", "online": true },
        { "id": 3, "name": "Roof", "online": false },
    ])
}
