//! The state machine of the fake VMS.

use super::captcha::{Captchas, TTL};
use crate::testing::{
    account::Accounts,
    calendar,
    document::{FakeDocument, OTHER},
    exchange::{FakeAnswer, FakeCall, Vendor},
    mint::{Mint, random},
    throttle::{Throttle, whole_seconds},
};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

/// The time over which sign-ins and captchas are counted.
const WINDOW: Duration = Duration::from_secs(600);
/// A session that was used less long ago than this is online.
const ONLINE_FOR: Duration = Duration::from_secs(300);

/// What the platform is like.
#[derive(Debug, Clone)]
pub(super) struct VmsRules {
    pub(super) session_limit: usize,
    /// After how many sign-ins a captcha is needed.
    pub(super) captcha_after: Option<usize>,
    pub(super) token_life: Option<Duration>,
    pub(super) prefixed_token: bool,
    pub(super) sign_ins_per_address: usize,
    pub(super) sign_ins_per_login: usize,
    pub(super) captchas_per_address: usize,
    pub(super) retry_after: bool,
    pub(super) empty_429: bool,
}

pub(super) struct VmsPlatform {
    rules: VmsRules,
    document: Arc<FakeDocument>,
    pub(super) users: Accounts,
    pub(super) sessions: Vec<HeldSession>,
    pub(super) tokens: Mint,
    pub(super) captchas: Captchas,
    /// How many were tried.
    sign_ins: usize,
    sign_ins_by_address: Throttle,
    sign_ins_by_login: Throttle,
    captchas_by_address: Throttle,
}

/// A session that a user has.
pub(super) struct HeldSession {
    pub(super) id: String,
    pub(super) login: String,
    /// None: it began elsewhere, and its token is not known here.
    token: Option<String>,
    /// None: it depends on when it was last used.
    online: Option<bool>,
    pub(super) last: SystemTime,
    ends: Option<SystemTime>,
}

impl VmsPlatform {
    pub(super) fn new(rules: VmsRules, users: Accounts, document: Arc<FakeDocument>) -> Self {
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

    /// Sessions that this user has elsewhere: `other-1`, the one used longest ago, `other-2` and so on.
    pub(super) fn add_other_sessions(&mut self, login: &str, count: usize, now: SystemTime) {
        for number in 1..=count {
            let hours_ago = u32::try_from(count + 1 - number).unwrap_or(u32::MAX);
            self.sessions.push(HeldSession {
                id: format!("other-{number}"),
                login: login.to_owned(),
                token: None,
                online: Some(number % 2 == 1),
                last: now - Duration::from_secs(3600) * hours_ago,
                ends: None,
            });
        }
    }

    fn sessions_of(&self, login: &str) -> impl Iterator<Item = &HeldSession> {
        self.sessions.iter().filter(move |session| session.login == login)
    }

    /// Says whether there was one.
    pub(super) fn end(&mut self, which: impl Fn(&HeldSession) -> bool) -> bool {
        let before = self.sessions.len();
        self.sessions.retain(|session| !which(session));
        self.sessions.len() < before
    }

    pub(super) fn end_what_is_over(&mut self, now: SystemTime) {
        self.end(|session| session.ends.is_some_and(|ends| ends <= now));
    }

    /// The vendor's example of a user, with ours in it.
    fn user(&self, session: &HeldSession) -> Value {
        let mut user = self.document.example("get_token", 200)["user"].take();
        user["login"] = json!(session.login);
        user["access_token_id"] = json!(session.id);
        user
    }

    /// The vendor's example of a session, with ours in it.
    fn listed(&self, session: &HeldSession, current: Option<&HeldSession>, now: SystemTime) -> Value {
        let mut listed = self.document.example("get_token", 419)["sessions"][0].take();
        listed["id"] = json!(session.id);
        listed["is_current"] = json!(current.is_some_and(|current| current.id == session.id));
        listed["online"] = json!(session.is_online(now));
        listed["last"] = json!(calendar::epoch(session.last));
        listed
    }
}

impl Vendor for VmsPlatform {
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
        self.tokens.name("token", token)
    }
}

/// What needs no token.
impl VmsPlatform {
    fn sign_in(&mut self, ask: &FakeCall<'_>) -> FakeAnswer {
        let request = SignInForm::read(ask);
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
    fn attempt_refused(&mut self, ask: &FakeCall<'_>, request: &SignInForm) -> Option<Duration> {
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

    fn refuse(&mut self, request: &SignInForm, captcha: bool, now: SystemTime) -> Option<FakeAnswer> {
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

    fn limit_reached(&mut self, request: &SignInForm, captcha: bool, now: SystemTime) -> FakeAnswer {
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

    fn begin_session(&mut self, request: &SignInForm, now: SystemTime) -> FakeAnswer {
        let token = self.tokens.make(|number, random| format!("{number}|vms-{random}"));
        let session = HeldSession {
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
        if self.rules.retry_after { answer.with("retry-after", whole_seconds(wait)) } else { answer }
    }

    /// The vendor's example of a refusal, with our field in it.
    fn invalid(&self, field: &str, reason: &str) -> FakeAnswer {
        let mut body = self.document.example("get_token", 422);
        body["errors"] = json!({ field: [reason] });
        FakeAnswer::json(422, &body)
    }
}

/// What needs a token.
impl VmsPlatform {
    fn signed_in(&mut self, ask: &FakeCall<'_>) -> FakeAnswer {
        let live = |session: &HeldSession| session.token.is_some() && session.token.as_deref() == ask.bearer();
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

/// The members of a sign-in's body; empty where there is none, as the vendor's framework sees them.
struct SignInForm {
    login: String,
    password: String,
    session_id: Option<String>,
    captcha: String,
    key: String,
}

impl SignInForm {
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

impl HeldSession {
    pub(super) fn is_online(&self, now: SystemTime) -> bool {
        self.online.unwrap_or(now < self.last + ONLINE_FOR)
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
