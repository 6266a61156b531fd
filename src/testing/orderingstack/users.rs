//! The users of a tenant: who may sign in, and what can be done to accounts.

use super::answers::{TenantCaller, done, needed, object, ok, page, refusal, set, text};
use crate::testing::{
    calendar,
    exchange::{FakeAnswer, FakeCall, Outcome},
    mint::{random, uuid},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

/// Who signs in without an account.
pub(super) const ANONYMOUS: &str = "anonymous";

#[derive(Clone, Default)]
pub(super) struct TenantUsers {
    known: Vec<TenantUser>,
    /// Whatever was told that is a secret: passwords, also former ones and those for other ways to sign in, TOTP secrets.
    told: BTreeSet<String>,
    /// How long an account waits to be deleted. None: it is deleted at once.
    grace: Option<Duration>,
}

#[derive(Clone)]
struct TenantUser {
    password: String,
    totp: Option<String>,
    /// As it is answered.
    record: Value,
}

/// Signing in.
impl TenantUsers {
    pub(super) fn new(grace: Option<Duration>) -> Self {
        Self { grace, ..Self::default() }
    }

    pub(super) fn add(&mut self, id: &str, login: &str, password: &str) {
        self.known.push(TenantUser::new(id, login));
        self.set_password(login, password);
    }

    /// Who this is, if the password is right and the account is active.
    pub(super) fn sign_in(&mut self, login: &str, password: &str) -> Option<String> {
        let user = self.known.iter_mut().find(|user| user.record["login"] == login)?;
        if user.password != password || user.record["active"] != true {
            user.record["failedAttempts"] = json!(user.record["failedAttempts"].as_u64().unwrap_or_default() + 1);
            return None;
        }
        user.record["failedAttempts"] = json!(0);
        user.id().map(str::to_owned)
    }

    /// Whether there is such a user, and may sign in.
    pub(super) fn is_active(&self, id: &str) -> bool {
        self.find(id).is_ok_and(|user| user.record["active"] == true)
    }

    pub(super) fn has_second_factor(&self, id: &str) -> bool {
        self.find(id).is_ok_and(|user| user.record["mfa"] == true)
    }

    /// The roles of a user, as a token names them.
    pub(super) fn authorities(&self, id: &str) -> Value {
        self.find(id).map_or(json!([]), |user| {
            user.record["roles"].as_array().into_iter().flatten().map(|role| role["role"].clone()).collect()
        })
    }

    pub(super) fn set_password(&mut self, login: &str, password: &str) {
        self.told.insert(password.to_owned());
        let known = self.known.iter_mut().find(|user| user.record["login"] == login);
        if let Some(user) = known {
            password.clone_into(&mut user.password);
        } else {
            self.add(&uuid(), login, password);
        }
    }

    pub(super) fn secrets(&self) -> impl Iterator<Item = String> {
        self.told.iter().cloned()
    }
}

/// The operations.
impl TenantUsers {
    /// None, if the operation is not about users.
    pub(super) fn answer(&mut self, ask: &FakeCall<'_>, caller: &TenantCaller<'_>) -> Option<Outcome> {
        Some(match ask.operation() {
            "get_user" | "get_catalog_user" => self.find(ask.parameter(0)).map(|user| ok(&user.record)),
            "upsert_user" => self.upsert_user(ask).map(|_| FakeAnswer::empty(202)), // done later, as far as one knows
            "upsert_user_sync" => self.upsert_user(ask).map(|user| ok(&user)),
            "create_user" => self.create_user(ask).map(|_| FakeAnswer::empty(202)),
            "create_user_sync" => self.create_user(ask).map(|user| ok(&user)),
            "delete_user" => self.delete_user(ask.parameter(0)),
            "get_user_list" => page(ask, self.known.iter().map(|user| user.record.clone()).collect(), &["id", "phone"]),
            "get_user_contact" => self.contact(ask.parameter(0)),
            "by_auth_strategy" => self.by_auth_strategy(ask),
            "upsert_auth_strategy" => self.upsert_auth_strategy(ask),
            "revoke_roles_globally" => self.revoke_roles(ask, caller),
            "grant_role_by_logins" => self.grant_role(ask),
            "get_self" => self.own(caller),
            "update_self" => self.update_self(ask, caller),
            "delete_self" => self.delete_self(ask, caller),
            "update_consents" => self.update_consents(ask, caller),
            "totp_secret" => self.totp_secret(caller),
            "totp_configure" => self.totp_configure(ask, caller),
            "totp_remove" => self.totp_remove(caller),
            _ => return None,
        })
    }

    fn find(&self, id: &str) -> Result<&TenantUser, FakeAnswer> {
        self.known.iter().find(|user| user.id() == Some(id)).ok_or_else(|| refusal(404, "No such user"))
    }

    fn find_mut(&mut self, id: &str) -> Result<&mut TenantUser, FakeAnswer> {
        self.known.iter_mut().find(|user| user.id() == Some(id)).ok_or_else(|| refusal(404, "No such user"))
    }

    fn create_user(&mut self, ask: &FakeCall<'_>) -> Result<Value, FakeAnswer> {
        let body = object(ask)?;
        let login = text(&body, "login")?;
        let id = body["id"].as_str().map_or_else(uuid, str::to_owned);
        if self.known.iter().any(|user| user.record["login"] == login || user.id() == Some(&id)) {
            return Err(refusal(400, "There is such a user already"));
        }
        self.known.push(TenantUser::new(&id, login));
        self.change(&id, &body, ask.now)
    }

    fn upsert_user(&mut self, ask: &FakeCall<'_>) -> Result<Value, FakeAnswer> {
        let (body, id) = (object(ask)?, ask.parameter(0));
        let login = text(&body, "login")?;
        if self.find(id).is_err() {
            self.known.push(TenantUser::new(id, login));
        }
        self.change(id, &body, ask.now)
    }

    /// Changes what the body says, and leaves the rest. What upstream does with the rest is not known.
    fn change(&mut self, id: &str, body: &Value, now: SystemTime) -> Result<Value, FakeAnswer> {
        const PLAIN: [&str; 9] =
            ["login", "trusted", "active", "firstName", "lastName", "phone", "pushId", "roles", "properties"];
        let user = self.find_mut(id)?;
        user.set(body, &PLAIN);
        if let Some(password) = body["password"].as_str() {
            password.clone_into(&mut user.password);
        }
        if let Some(names) = body["consents"].as_array() {
            let before = user.record["consents"].take();
            user.record["consents"] = json!({});
            for name in names.iter().filter_map(Value::as_str) {
                let since = before[name].as_str().map_or_else(|| calendar::iso(now), str::to_owned);
                user.record["consents"][name] = json!(since);
            }
        }
        let strategies = || body["authStrategies"].as_array().into_iter().flatten();
        strategies().for_each(|strategy| user.add_strategy(strategy));
        let record = user.record.clone();
        let passwords = strategies().chain([body]).filter_map(|told| told["password"].as_str());
        self.told.extend(passwords.map(str::to_owned));
        Ok(record)
    }

    fn delete_user(&mut self, id: &str) -> Outcome {
        self.find(id)?;
        self.known.retain(|user| user.id() != Some(id));
        Ok(done())
    }

    fn contact(&self, id: &str) -> Outcome {
        let record = &self.find(id)?.record;
        let members = ["id", "login", "firstName", "lastName", "phone", "pushId"];
        Ok(ok(&members.into_iter().map(|name| (name.to_owned(), record[name].clone())).collect()))
    }

    /// The address is required, but may be empty.
    fn by_auth_strategy(&self, ask: &FakeCall<'_>) -> Outcome {
        let (strategy, id, email) = (needed(ask, "strategy")?, needed(ask, "id")?, needed(ask, "email")?);
        let has = |user: &&TenantUser| {
            let mut known = user.record["authStrategies"].as_array().into_iter().flatten();
            known.any(|known| known["strategy"] == *strategy && known["id"] == *id)
        };
        let found = self.known.iter().find(has);
        let found =
            found.or_else(|| self.known.iter().find(|user| !email.is_empty() && user.record["login"] == *email));
        found.map(|user| ok(&user.record)).ok_or_else(|| refusal(404, "No such user"))
    }

    fn upsert_auth_strategy(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let body = object(ask)?;
        text(&body, "strategy")?;
        text(&body, "id")?;
        self.find_mut(ask.parameter(0))?.add_strategy(&body);
        self.told.extend(body["password"].as_str().map(str::to_owned));
        Ok(done())
    }

    /// Neither the superuser's role goes, nor those of who asks.
    fn revoke_roles(&mut self, ask: &FakeCall<'_>, caller: &TenantCaller<'_>) -> Outcome {
        let names = ask.json().and_then(|names| names.as_array().cloned()).unwrap_or_default();
        if names.is_empty() || names.len() > 5 || !names.iter().all(Value::is_string) {
            return Err(refusal(400, "1 to 5 roles are required"));
        }
        for user in self.known.iter_mut().filter(|user| user.id() != Some(caller.user)) {
            if let Some(roles) = user.record["roles"].as_array_mut() {
                roles.retain(|role| role["role"] == "ROLE_SU" || !names.contains(&role["role"]));
            }
        }
        Ok(done())
    }

    fn grant_role(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let body = object(ask)?;
        let mut role = json!({ "role": text(&body, "role")? });
        if body["venue"].is_string() {
            role["venue"] = body["venue"].clone();
        }
        let logins = body["logins"].as_array().filter(|logins| (1..=100).contains(&logins.len()));
        let logins = logins.ok_or_else(|| refusal(400, "1 to 100 logins are required"))?;
        for user in self.known.iter_mut().filter(|user| logins.contains(&user.record["login"])) {
            if let Some(roles) = user.record["roles"].as_array_mut().filter(|roles| !roles.contains(&role)) {
                roles.push(role.clone());
            }
        }
        Ok(done())
    }
}

/// The user who is signed in.
impl TenantUsers {
    fn own(&self, caller: &TenantCaller<'_>) -> Outcome {
        let record = self.find(caller.user).map(|user| user.record.clone());
        Ok(ok(&record.unwrap_or_else(|_| TenantUser::new(caller.user, ANONYMOUS).record)))
    }

    fn update_self(&mut self, ask: &FakeCall<'_>, caller: &TenantCaller<'_>) -> Outcome {
        let body = object(ask)?;
        self.find_mut(caller.user)?.set(&body, &["firstName", "lastName", "phone", "pushId", "properties"]);
        Ok(done())
    }

    /// The login is repeated in the body: a safeguard.
    fn delete_self(&mut self, ask: &FakeCall<'_>, caller: &TenantCaller<'_>) -> Outcome {
        let (body, grace) = (object(ask)?, self.grace);
        let user = self.find_mut(caller.user)?;
        if user.record["login"] != text(&body, "login")? {
            return Err(refusal(400, "This is not the login of the account"));
        }
        let Some(grace) = grace else {
            return self.delete_user(caller.user);
        };
        user.record["deleteAfter"] = json!(calendar::iso(ask.now + grace));
        Ok(ok(&json!({ "deleteAfter": user.record["deleteAfter"] })))
    }

    /// A list comes in, and a map is shown.
    fn update_consents(&mut self, ask: &FakeCall<'_>, caller: &TenantCaller<'_>) -> Outcome {
        let body = object(ask)?;
        let names = |member: &str| body[member].as_array().cloned().unwrap_or_default();
        let consents = self.find_mut(caller.user)?.record["consents"].as_object_mut();
        if let Some(consents) = consents {
            for name in names("set").iter().filter_map(Value::as_str) {
                consents.entry(name).or_insert_with(|| json!(calendar::iso(ask.now)));
            }
            for name in names("unset").iter().filter_map(Value::as_str) {
                consents.remove(name);
            }
        }
        Ok(done())
    }

    /// A new secret, which takes the place of the last: 16 letters and digits, as authenticator apps read them.
    fn totp_secret(&mut self, caller: &TenantCaller<'_>) -> Outcome {
        let secret = totp_rs::Secret::from(&random().as_bytes()[..10]).to_base32();
        self.told.insert(secret.clone());
        self.find_mut(caller.user)?.totp = Some(secret.clone());
        Ok(ok(&json!({ "secret": secret })))
    }

    /// The code must be the one that an app shows now, or showed or will show half a minute away.
    fn totp_configure(&mut self, ask: &FakeCall<'_>, caller: &TenantCaller<'_>) -> Outcome {
        let body = object(ask)?;
        let (secret, code) = (text(&body, "secret")?, text(&body, "code")?);
        let user = self.find_mut(caller.user)?;
        if user.totp.as_deref() != Some(secret) || !is_shown(secret, code, ask.now) {
            return Err(refusal(400, "The code is not right"));
        }
        user.record["mfa"] = json!(true);
        Ok(done())
    }

    fn totp_remove(&mut self, caller: &TenantCaller<'_>) -> Outcome {
        let user = self.find_mut(caller.user)?;
        user.totp = None;
        user.record["mfa"] = json!(false);
        Ok(done())
    }
}

impl TenantUser {
    fn new(id: &str, login: &str) -> Self {
        let record = json!({
            "id": id, "UUID": id, "login": login, "active": true, "trusted": true, "mfa": false, "failedAttempts": 0,
            "roles": [], "authStrategies": [], "consents": {}, "properties": {},
        });
        // The password of a user who was made without one is known to none.
        Self { password: random(), totp: None, record }
    }

    fn id(&self) -> Option<&str> {
        self.record["id"].as_str()
    }

    fn set(&mut self, body: &Value, members: &[&str]) {
        set(&mut self.record, body, members);
    }

    /// Its password does not show.
    fn add_strategy(&mut self, strategy: &Value) {
        let active = strategy["active"].as_bool().unwrap_or(true);
        let shown = json!({ "strategy": strategy["strategy"], "id": strategy["id"], "active": active });
        if let Some(strategies) = self.record["authStrategies"].as_array_mut() {
            strategies.retain(|known| known["strategy"] != shown["strategy"]);
            strategies.push(shown);
        }
    }
}

/// Whether an authenticator app that knows this secret shows this code. Ours are shorter than RFC 4226 wants them.
fn is_shown(secret: &str, code: &str, now: SystemTime) -> bool {
    let secret = totp_rs::Secret::try_from_base32(secret);
    let app = secret.map(|secret| totp_rs::Builder::new().with_secret(secret).build_noncompliant());
    app.is_ok_and(|app| app.check(code, calendar::epoch(now)).is_some())
}
