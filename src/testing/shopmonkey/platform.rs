//! The state machine of the fake Shopmonkey.

use super::{
    answers::{invalid, object, refusal},
    api_keys::ApiKeys,
};
use crate::testing::{
    account::Accounts,
    calendar,
    document::{FakeDocument, OTHER},
    exchange::{FakeAnswer, FakeCall, Outcome, Vendor},
    lineage::Lineages,
    mint::{Mint, jwt, random},
    throttle::{Throttle, whole_seconds},
};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

const MINUTE: Duration = Duration::from_secs(60);

/// What the vendor is like.
#[derive(Debug, Clone)]
pub(super) struct ShopmonkeyRules {
    pub(super) token_life: Option<Duration>,
    pub(super) jwt: bool,
    pub(super) whole_profile: bool,
    pub(super) failures_in_200: bool,
    pub(super) refused_login: u16,
    pub(super) without_meta: bool,
    pub(super) repeat_pages: bool,
    pub(super) calls_per_minute: Option<usize>,
    pub(super) retry_after_date: bool,
}

pub(super) struct ShopmonkeyPlatform {
    rules: ShopmonkeyRules,
    document: Arc<FakeDocument>,
    pub(super) users: Accounts,
    pub(super) sessions: Lineages<SessionOwner>,
    pub(super) keys: ApiKeys,
    /// Ids and credentials that a sign-in tells beside the token.
    others: Mint,
    calls: Throttle,
    answers: usize,
}

pub(super) struct SessionOwner {
    email: String,
    pub(super) audience: Option<String>,
}

/// Who makes a call.
enum ShopCaller {
    Session(usize),
    Key(String),
}

impl Vendor for ShopmonkeyPlatform {
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
        let tokens = self.sessions.made().chain(self.keys.mint.made());
        self.users.secrets().chain(tokens).chain(self.others.made()).collect()
    }

    fn name_of(&self, token: &str) -> Option<String> {
        self.sessions.name(token).or_else(|| self.keys.mint.name("api key", token))
    }

    fn stamp(&mut self, answer: FakeAnswer) -> FakeAnswer {
        self.answers += 1;
        answer.with("x-request-id", format!("req-{}", self.answers))
    }
}

impl ShopmonkeyPlatform {
    pub(super) fn new(
        rules: ShopmonkeyRules,
        users: Accounts,
        keys: &Accounts,
        document: Arc<FakeDocument>,
        now: SystemTime,
    ) -> Self {
        Self {
            keys: ApiKeys::new(keys, document.clone(), now, (rules.without_meta, rules.repeat_pages)),
            document,
            users,
            sessions: Lineages::default(),
            others: Mint::default(),
            calls: Throttle::new(rules.calls_per_minute.unwrap_or(usize::MAX), MINUTE),
            answers: 0,
            rules,
        }
    }

    /// Some installations tell what went wrong inside a 200.
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
        let lineage = self.sessions.begin(SessionOwner { email: email.to_owned(), audience });
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
        let told = match self.rules.retry_after_date {
            true => calendar::http_date(ask.now + wait + Duration::from_millis(999)),
            false => whole_seconds(wait),
        };
        self.throttled(ask).with("retry-after", told)
    }

    fn caller(&self, ask: &FakeCall<'_>) -> Option<ShopCaller> {
        let token = ask.bearer()?;
        let session = self.sessions.live(token, ask.now).map(ShopCaller::Session);
        session.or_else(|| self.keys.live(token, ask.now).map(ShopCaller::Key))
    }

    fn signed_in(&mut self, ask: &FakeCall<'_>, caller: ShopCaller) -> Outcome {
        match ask.operation() {
            "logout" => self.logout(ask, caller),
            "list_api_keys" => self.keys.list(ask),
            "create_api_key" => self.keys.create(ask),
            "delete_api_key" => self.keys.delete(ask),
            OTHER => {
                let user = match caller {
                    ShopCaller::Session(lineage) => Some(&self.sessions.owner(lineage).email),
                    ShopCaller::Key(_) => None,
                };
                let answer = json!({ "success": true, "ok": true, "path": ask.path(), "user": user });
                Ok(FakeAnswer::json(200, &answer))
            }
            operation => unreachable!("the document has a new operation: {operation}"),
        }
    }

    /// What becomes of an API key is not documented; the worst is assumed, so that a test sees it was sent.
    fn logout(&mut self, ask: &FakeCall<'_>, caller: ShopCaller) -> Outcome {
        object(ask)?;
        match caller {
            ShopCaller::Session(lineage) => self.sessions.revoke(|known, _| known == lineage),
            ShopCaller::Key(id) => self.keys.end(|key| key.id == id),
        };
        Ok(FakeAnswer::json(200, &self.document.example("logout", 200)))
    }
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
