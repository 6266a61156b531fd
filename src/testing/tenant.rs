//! What a tenant of the fake OrderingStack holds: users, modules, properties.

use super::{
    calendar,
    exchange::{FakeAnswer, FakeCall, Outcome},
    mint::{random, uuid},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

/// Who signs in without an account.
pub(super) const ANONYMOUS: &str = "anonymous";

#[derive(Clone, Default)]
pub(super) struct Tenant {
    users: Vec<User>,
    modules: Vec<Value>,
    /// By name, private or not.
    properties: BTreeMap<(String, bool), Property>,
    /// What all modules of a type share.
    common_configs: BTreeMap<String, Value>,
    /// Whatever was told that is a secret: passwords, also former ones and those for other ways to sign in, TOTP secrets.
    told: BTreeSet<String>,
    /// How long an account waits to be deleted. None: it is deleted at once.
    grace: Option<Duration>,
}

#[derive(Clone)]
struct User {
    password: String,
    totp: Option<String>,
    /// As it is answered.
    record: Value,
}

#[derive(Clone)]
struct Property {
    value: String,
    is_obfuscate: bool,
}

/// On whose behalf an operation is done.
pub(super) struct Caller<'a> {
    pub(super) user: &'a str,
    pub(super) module: Option<&'a str>,
}

/// Signing in.
impl Tenant {
    pub(super) fn new(grace: Option<Duration>) -> Self {
        Self { grace, ..Self::default() }
    }

    pub(super) fn add_user(&mut self, id: &str, login: &str, password: &str) {
        self.users.push(User::new(id, login));
        self.set_password(login, password);
    }

    pub(super) fn add_module(&mut self, id: &str, kind: &str, now: SystemTime) {
        let dto = json!({ "id": id, "type": kind, "venue": "venue-1", "config": { "printer": "on" } });
        self.modules.push(module(&dto, "system", now));
    }

    /// Who this is, if the password is right and the account is active.
    pub(super) fn sign_in(&mut self, login: &str, password: &str) -> Option<String> {
        let user = self.users.iter_mut().find(|user| user.record["login"] == login)?;
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
        let known = self.users.iter_mut().find(|user| user.record["login"] == login);
        if let Some(user) = known {
            password.clone_into(&mut user.password);
        } else {
            self.add_user(&uuid(), login, password);
        }
    }

    /// Which user a module acts for, if there is such a module.
    pub(super) fn user_of_module(&self, id: &str) -> Option<String> {
        let module = self.find_module(id).ok()?;
        Some(module["user"].as_str().map_or_else(uuid, str::to_owned))
    }

    pub(super) fn secrets(&self) -> impl Iterator<Item = String> {
        self.told.iter().cloned()
    }
}

/// The operations.
impl Tenant {
    pub(super) fn answer(&mut self, ask: &FakeCall<'_>, caller: &Caller<'_>) -> Outcome {
        match ask.operation() {
            "get_user" | "get_catalog_user" => self.find(ask.parameter(0)).map(|user| ok(&user.record)),
            "upsert_user" => self.upsert_user(ask).map(|_| FakeAnswer::empty(202)), // done later, as far as one knows
            "upsert_user_sync" => self.upsert_user(ask).map(|user| ok(&user)),
            "create_user" => self.create_user(ask).map(|_| FakeAnswer::empty(202)),
            "create_user_sync" => self.create_user(ask).map(|user| ok(&user)),
            "delete_user" => self.delete_user(ask.parameter(0)),
            "get_user_list" => page(ask, self.users.iter().map(|user| user.record.clone()).collect(), &["id", "phone"]),
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
            operation if operation.contains("module") => self.answer_modules(ask, caller),
            _ => self.answer_properties(ask),
        }
    }

    fn answer_modules(&mut self, ask: &FakeCall<'_>, caller: &Caller<'_>) -> Outcome {
        match ask.operation() {
            "get_module" | "get_catalog_module" => self.find_module(ask.parameter(0)).map(|module| ok(&module)),
            "create_module" => self.create_module(ask, caller),
            "update_module" => self.update_module(ask, caller),
            "delete_module" => self.delete_module(ask.parameter(0)),
            "get_modules_list" | "list_all_modules" | "find_module_config" => {
                page(ask, self.modules.clone(), &["id", "type", "venue"])
            }
            "get_module_common_config_of_type" => Ok(ok(&self.common_config(ask.parameter(0)))),
            "set_module_common_config" => self.set_common_config(ask),
            // What ends with it is the token's business.
            "logout_module" => self.find_module(ask.parameter(0)).map(|_| done()),
            "get_module_config" => self.module_config(caller),
            "get_module_common_config" => {
                let kind = self.module_of(caller)?["type"].as_str().unwrap_or_default().to_owned();
                Ok(ok(&json!({ "type": kind, "properties": self.common_config(&kind) })))
            }
            "get_venue_module_config" => self.venue_config(ask),
            operation => unreachable!("the document has a new operation: {operation}"),
        }
    }

    fn answer_properties(&mut self, ask: &FakeCall<'_>) -> Outcome {
        match ask.operation() {
            "get_public_tenant_config" => Ok(ok(&self.public_config(ask))),
            "update_public_config" => self.update_public_config(ask),
            "get_tenant_properties" => page(ask, self.listed_properties(), &[]),
            "get_tenant_properties_schema" => Ok(ok(&json!({ "properties": [] }))),
            "upsert_tenant_property" => self.upsert_property(ask, Some(ask.parameter(0))),
            "upsert_tenant_property_in_body" => self.upsert_property(ask, None),
            "delete_tenant_property" => self.delete_property(ask),
            "get_catalog_tenant" => Ok(ok(&json!({ "id": ask.parameter(0), "properties": self.public_config(ask) }))),
            operation => unreachable!("the document has a new operation: {operation}"),
        }
    }
}

/// Users.
impl Tenant {
    fn find(&self, id: &str) -> Result<&User, FakeAnswer> {
        self.users.iter().find(|user| user.id() == Some(id)).ok_or_else(|| refusal(404, "No such user"))
    }

    fn find_mut(&mut self, id: &str) -> Result<&mut User, FakeAnswer> {
        self.users.iter_mut().find(|user| user.id() == Some(id)).ok_or_else(|| refusal(404, "No such user"))
    }

    fn create_user(&mut self, ask: &FakeCall<'_>) -> Result<Value, FakeAnswer> {
        let body = object(ask)?;
        let login = text(&body, "login")?;
        let id = body["id"].as_str().map_or_else(uuid, str::to_owned);
        if self.users.iter().any(|user| user.record["login"] == login || user.id() == Some(&id)) {
            return Err(refusal(400, "There is such a user already"));
        }
        self.users.push(User::new(&id, login));
        self.change(&id, &body, ask.now)
    }

    fn upsert_user(&mut self, ask: &FakeCall<'_>) -> Result<Value, FakeAnswer> {
        let (body, id) = (object(ask)?, ask.parameter(0));
        let login = text(&body, "login")?;
        if self.find(id).is_err() {
            self.users.push(User::new(id, login));
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
        self.users.retain(|user| user.id() != Some(id));
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
        let has = |user: &&User| {
            let mut known = user.record["authStrategies"].as_array().into_iter().flatten();
            known.any(|known| known["strategy"] == *strategy && known["id"] == *id)
        };
        let found = self.users.iter().find(has);
        let found =
            found.or_else(|| self.users.iter().find(|user| !email.is_empty() && user.record["login"] == *email));
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
    fn revoke_roles(&mut self, ask: &FakeCall<'_>, caller: &Caller<'_>) -> Outcome {
        let names = ask.json().and_then(|names| names.as_array().cloned()).unwrap_or_default();
        if names.is_empty() || names.len() > 5 || !names.iter().all(Value::is_string) {
            return Err(refusal(400, "1 to 5 roles are required"));
        }
        for user in self.users.iter_mut().filter(|user| user.id() != Some(caller.user)) {
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
        for user in self.users.iter_mut().filter(|user| logins.contains(&user.record["login"])) {
            if let Some(roles) = user.record["roles"].as_array_mut().filter(|roles| !roles.contains(&role)) {
                roles.push(role.clone());
            }
        }
        Ok(done())
    }
}

/// The user who is signed in.
impl Tenant {
    fn own(&self, caller: &Caller<'_>) -> Outcome {
        let record = self.find(caller.user).map(|user| user.record.clone());
        Ok(ok(&record.unwrap_or_else(|_| User::new(caller.user, ANONYMOUS).record)))
    }

    fn update_self(&mut self, ask: &FakeCall<'_>, caller: &Caller<'_>) -> Outcome {
        let body = object(ask)?;
        self.find_mut(caller.user)?.set(&body, &["firstName", "lastName", "phone", "pushId", "properties"]);
        Ok(done())
    }

    /// The login is repeated in the body: a safeguard.
    fn delete_self(&mut self, ask: &FakeCall<'_>, caller: &Caller<'_>) -> Outcome {
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
    fn update_consents(&mut self, ask: &FakeCall<'_>, caller: &Caller<'_>) -> Outcome {
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
    fn totp_secret(&mut self, caller: &Caller<'_>) -> Outcome {
        let secret = totp_rs::Secret::from(&random().as_bytes()[..10]).to_base32();
        self.told.insert(secret.clone());
        self.find_mut(caller.user)?.totp = Some(secret.clone());
        Ok(ok(&json!({ "secret": secret })))
    }

    /// The code must be the one that an app shows now, or showed or will show half a minute away.
    fn totp_configure(&mut self, ask: &FakeCall<'_>, caller: &Caller<'_>) -> Outcome {
        let body = object(ask)?;
        let (secret, code) = (text(&body, "secret")?, text(&body, "code")?);
        let user = self.find_mut(caller.user)?;
        if user.totp.as_deref() != Some(secret) || !is_shown(secret, code, ask.now) {
            return Err(refusal(400, "The code is not right"));
        }
        user.record["mfa"] = json!(true);
        Ok(done())
    }

    fn totp_remove(&mut self, caller: &Caller<'_>) -> Outcome {
        let user = self.find_mut(caller.user)?;
        user.totp = None;
        user.record["mfa"] = json!(false);
        Ok(done())
    }
}

/// Whether an authenticator app that knows this secret shows this code. Ours are shorter than RFC 4226 wants them.
fn is_shown(secret: &str, code: &str, now: SystemTime) -> bool {
    let secret = totp_rs::Secret::try_from_base32(secret);
    let app = secret.map(|secret| totp_rs::Builder::new().with_secret(secret).build_noncompliant());
    app.is_ok_and(|app| app.check(code, calendar::epoch(now)).is_some())
}

/// Modules.
impl Tenant {
    fn find_module(&self, id: &str) -> Result<Value, FakeAnswer> {
        let module = self.modules.iter().find(|module| module["id"] == id);
        module.cloned().ok_or_else(|| refusal(404, "No such module"))
    }

    /// The module that the token names.
    fn module_of(&self, caller: &Caller<'_>) -> Result<Value, FakeAnswer> {
        let module = caller.module.and_then(|id| self.find_module(id).ok());
        module.ok_or_else(no_module)
    }

    fn create_module(&mut self, ask: &FakeCall<'_>, caller: &Caller<'_>) -> Outcome {
        let body = object(ask)?;
        text(&body, "id")?;
        text(&body, "type")?;
        if self.modules.iter().any(|module| module["id"] == body["id"]) {
            return Err(refusal(400, "There is such a module already"));
        }
        self.modules.push(module(&body, caller.user, ask.now));
        Ok(done())
    }

    fn update_module(&mut self, ask: &FakeCall<'_>, caller: &Caller<'_>) -> Outcome {
        let body = object(ask)?;
        text(&body, "id")?;
        text(&body, "type")?;
        let mut known = self.modules.iter_mut().filter(|module| module["id"] == ask.parameter(0));
        let module = known.next().ok_or_else(|| refusal(404, "No such module"))?;
        set(module, &body, &["type", "production", "user", "venue", "config", "extra"]);
        module["updated"] = json!(calendar::iso(ask.now));
        module["updatedBy"] = json!(caller.user);
        Ok(done())
    }

    fn delete_module(&mut self, id: &str) -> Outcome {
        self.find_module(id)?;
        self.modules.retain(|module| module["id"] != id);
        Ok(done())
    }

    fn module_config(&self, caller: &Caller<'_>) -> Outcome {
        let mut module = self.module_of(caller)?;
        module["configSignature"] = json!(format!("signature of {}", module["config"]));
        Ok(ok(&module))
    }

    fn venue_config(&self, ask: &FakeCall<'_>) -> Outcome {
        let kind = needed(ask, "type")?;
        let (name, value) = (ask.query("filterConfigName"), ask.query("filterConfigValue"));
        let fits = |module: &&Value| match (&name, &value) {
            (Some(name), Some(value)) => module["config"][name] == *value.as_str(),
            _ => true,
        };
        let here = self.modules.iter().filter(|module| module["venue"] == ask.parameter(0) && module["type"] == *kind);
        here.filter(fits).map(ok).next().ok_or_else(|| refusal(404, "No such module"))
    }

    fn common_config(&self, kind: &str) -> Value {
        self.common_configs.get(kind).cloned().unwrap_or_else(|| json!({}))
    }

    fn set_common_config(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let config = object(ask)?;
        self.common_configs.insert(ask.parameter(0).to_owned(), config);
        Ok(done())
    }
}

/// Properties; those that are not private make up the public configuration.
impl Tenant {
    fn public_config(&self, ask: &FakeCall<'_>) -> Value {
        let filter = ask.query("filter").unwrap_or_default();
        let public = self.properties.iter().filter(|((name, private), _)| !private && name.starts_with(&filter));
        public.map(|((name, _), property)| (name.clone(), json!(property.value))).collect()
    }

    fn update_public_config(&mut self, ask: &FakeCall<'_>) -> Outcome {
        for (name, value) in object(ask)?.as_object().into_iter().flatten() {
            let value = value.as_str().ok_or_else(|| refusal(400, "The values must be texts"))?.to_owned();
            self.properties.insert((name.clone(), false), Property { value, is_obfuscate: false });
        }
        Ok(done())
    }

    fn listed_properties(&self) -> Vec<Value> {
        let listed = self.properties.iter().map(|((name, private), property)| {
            let value = if property.is_obfuscate { "******" } else { &property.value };
            let obfuscate = property.is_obfuscate;
            json!({ "property": name, "value": value, "isPrivate": private, "isObfuscate": obfuscate })
        });
        listed.collect()
    }

    /// The path names the property; where it does not, the body must.
    fn upsert_property(&mut self, ask: &FakeCall<'_>, name: Option<&str>) -> Outcome {
        let body = object(ask)?;
        let name = name.map_or_else(|| text(&body, "property"), Ok)?.to_owned();
        let value = text(&body, "value")?.to_owned();
        let is_obfuscate = body["isObfuscate"] == true;
        self.properties.insert((name, body["isPrivate"] == true), Property { value, is_obfuscate });
        Ok(done())
    }

    fn delete_property(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let private = needed(ask, "isPrivate")? == "true";
        let removed = self.properties.remove(&(ask.parameter(0).to_owned(), private));
        removed.map(|_| done()).ok_or_else(|| refusal(404, "No such property"))
    }
}

impl User {
    fn new(id: &str, login: &str) -> Self {
        let record = json!({
            "id": id, "UUID": id, "login": login, "active": true, "trusted": true, "mfa": false, "failedAttempts": 0,
            "roles": [], "authStrategies": [], "consents": {}, "properties": {},
        });
        // Nobody knows the password of a user who was made without one.
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

/// The module that a request describes.
fn module(dto: &Value, by: &str, now: SystemTime) -> Value {
    let mut module = json!({ "id": dto["id"], "production": false, "venue": "", "config": {}, "extra": {} });
    set(&mut module, dto, &["type", "production", "user", "venue", "config", "extra"]);
    module["created"] = json!(calendar::iso(now));
    module["createdBy"] = json!(by);
    module
}

fn set(record: &mut Value, body: &Value, members: &[&str]) {
    for member in members.iter().filter(|member| body.get(**member).is_some()) {
        record[*member] = body[*member].clone();
    }
}

fn ok(body: &Value) -> FakeAnswer {
    FakeAnswer::json(200, body)
}

/// The literal `true`, as the vendor answers where its answer to a write is known.
fn done() -> FakeAnswer {
    ok(&Value::Bool(true))
}

/// One page, in the dialect of admin-on-rest's client for JSON servers.
fn page(ask: &FakeCall<'_>, mut rows: Vec<Value>, filters: &[&str]) -> Outcome {
    for filter in filters {
        if let Some(wanted) = ask.query(filter) {
            rows.retain(|row| row[*filter] == *wanted);
        }
    }
    if let Some(field) = ask.query("_sort") {
        rows.sort_by_key(|row| row[&field].to_string());
        if ask.query("_order").as_deref() == Some("DESC") {
            rows.reverse();
        }
    }
    let total = rows.len();
    let index = |name: &str| ask.query(name).and_then(|index| index.parse::<usize>().ok());
    let (start, end) = (index("_start").unwrap_or(0), index("_end").unwrap_or(total));
    let rows: Vec<Value> = rows.into_iter().take(end).skip(start).collect();
    Ok(ok(&json!(rows)).with("x-total-count", total.to_string()))
}

/// A token names no module, or one that is gone.
pub(super) fn no_module() -> FakeAnswer {
    FakeAnswer::json(404, &json!({ "error": "Not Found", "description": "Cannot determine module" }))
}

/// What went wrong, in the members in which the vendor's clients look for it.
pub(super) fn refusal(status: u16, message: &str) -> FakeAnswer {
    FakeAnswer::message(status, message)
}

fn object(ask: &FakeCall<'_>) -> Result<Value, FakeAnswer> {
    ask.json().filter(Value::is_object).ok_or_else(|| refusal(400, "A JSON object is required"))
}

fn text<'a>(body: &'a Value, member: &str) -> Result<&'a str, FakeAnswer> {
    body[member].as_str().ok_or_else(|| refusal(400, &format!("{member} is required")))
}

fn needed(ask: &FakeCall<'_>, parameter: &str) -> Result<String, FakeAnswer> {
    ask.query(parameter).ok_or_else(|| refusal(400, &format!("{parameter} is required")))
}
