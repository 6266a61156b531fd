//! Passwords, second factors, the authenticator's routes and its users: the fake VTEX store beyond the mailed key.

use super::{
    answers::{auth_status, field, id_cookie, object, text},
    platform::{VtexPlatform, VtexUser},
    storefront::Family,
};
use crate::testing::exchange::{FakeAnswer, FakeCall, Outcome};
use serde_json::{Value, json};

impl VtexPlatform {
    /// Answers what is about passwords, second factors and the authenticator; none, if it is another call.
    pub(super) fn about_passwords(&mut self, ask: &FakeCall<'_>) -> Option<Outcome> {
        Some(match ask.operation() {
            "start_login" => self.start_login(ask, Family::Legacy, 200),
            "start_authenticator" => self.start_login(ask, Family::Authenticator, 204),
            "validate_password" if self.rules.refuses_legacy_routes => Err(legacy_routes()),
            "validate_password" => self.validate_password(ask, Family::Legacy),
            "validate_authenticator_password" => self.validate_password(ask, Family::Authenticator),
            "send_authenticator_access_key" => self.mail_key(ask, field(ask, "email"), Family::Authenticator),
            "validate_authenticator_access_key" => self.redeem_key(ask, Family::Authenticator),
            "set_password" if self.rules.refuses_legacy_routes => Err(legacy_routes()),
            "set_password" => self.change_password(ask, Family::Legacy),
            "set_authenticator_password" => self.change_password(ask, Family::Authenticator),
            "validate_mfa" => self.validate_second_factor(ask),
            "resend_mfa" | "register_mfa_phone" => self.in_sign_in(ask).map(|()| auth_status(200, "Pending")),
            "register_mfa_authenticator" => self.in_sign_in(ask).map(|()| {
                FakeAnswer::json(200, &json!({ "qRCodeUrl": "https://pictures.example/chart?chs=150x150&chl=otpauth" }))
            }),
            "logout" => Ok(self.log_out(ask)),
            _ => return None,
        })
    }

    /// The users of the authenticator, and what it is told about a former system.
    pub(super) fn about_users(&mut self, ask: &FakeCall<'_>) -> Option<Outcome> {
        Some(match ask.operation() {
            "start_mfa_setup" => Ok(FakeAnswer::json(200, &json!({}))),
            "create_storefront_user" => self.create_user(ask),
            "set_password_migration" => self.migrate(ask, true),
            "switch_password_migration" => self.switch_migration(ask),
            "delete_password_migration" => self.feature(ask).map(|()| {
                self.passwords.migration = None;
                FakeAnswer::empty(204)
            }),
            _ => return None,
        })
    }

    fn start_login(&mut self, ask: &FakeCall<'_>, family: Family, status: u16) -> Outcome {
        let session = self.storefront.begin_in(family, field(ask, "fingerprint"), ask.now);
        let line = format!("_vss={session}; path=/; secure; samesite=none; httponly");
        Ok(FakeAnswer::empty(status).with("set-cookie", line))
    }

    fn in_sign_in(&self, ask: &FakeCall<'_>) -> Result<(), FakeAnswer> {
        let session = ask.cookie("_vss").unwrap_or_default();
        let is_live =
            [Family::Legacy, Family::Authenticator].iter().any(|f| self.storefront.is_open(*f, session, ask.now));
        if is_live { Ok(()) } else { Err(auth_status(200, "InvalidToken")) }
    }

    fn validate_password(&mut self, ask: &FakeCall<'_>, family: Family) -> Outcome {
        let session = ask.cookie("_vss").unwrap_or_default();
        if !self.storefront.is_open(family, session, ask.now) {
            return Err(auth_status(400, "InvalidToken"));
        }
        let (user, password) = (field(ask, "login").unwrap_or_default(), field(ask, "password").unwrap_or_default());
        if family == Family::Legacy && !user.contains('@') {
            return Err(auth_status(400, "InvalidEmail"));
        }
        if !self.passwords.known.know(&user, &password) {
            return Err(auth_status(400, "WrongCredentials"));
        }
        if self.passwords.second_factors.have(&user) {
            self.passwords.waiting.push((session.to_owned(), user));
            let mut answer = self.refused_form();
            answer["authStatus"] = json!("RequiresMFA");
            return Ok(FakeAnswer::json(200, &answer));
        }
        Ok(self.sign_in(ask, &user, None))
    }

    fn validate_second_factor(&mut self, ask: &FakeCall<'_>) -> Outcome {
        self.in_sign_in(ask)?;
        let session = ask.cookie("_vss").unwrap_or_default();
        let waiting = self.passwords.waiting.iter().position(|(waiting, _)| waiting == session);
        let place = waiting.ok_or_else(|| auth_status(200, "InvalidToken"))?;
        let (_, user) = self.passwords.waiting[place].clone();
        let code = field(ask, "mfaToken").unwrap_or_default();
        if !self.passwords.second_factors.know(&user, &code) {
            return Err(auth_status(200, "WrongCredentials"));
        }
        self.passwords.waiting.remove(place);
        Ok(self.sign_in(ask, &user, None))
    }

    /// An access key or the old password proves it; a refusal changes nothing.
    fn change_password(&mut self, ask: &FakeCall<'_>, family: Family) -> Outcome {
        let part = |name: &str| field(ask, name).filter(|value| !value.is_empty());
        let Some(new) = part("newPassword") else {
            let errors = json!({ "newPassword": ["The newPassword field is required."] });
            return Err(FakeAnswer::json(400, &json!({ "errors": errors })));
        };
        let (user, session) = (part("login").unwrap_or_default(), ask.cookie("_vss").unwrap_or_default());
        if !is_strong(&new) {
            return Err(self.refused_in(family, "WeakPassword"));
        }
        let proof = match (part("accesskey"), part("currentPassword")) {
            (Some(key), _) => self.storefront.redeem_in(family, session, &user, &key, ask.now).map(drop),
            (None, Some(old)) if self.passwords.known.know(&user, &old) => Ok(()),
            _ => Err("WrongCredentials"),
        };
        proof.map_err(|said| self.refused_in(family, said))?;
        self.passwords.known.set(&user, &new);
        Ok(self.sign_in(ask, &user, None))
    }

    /// The authenticator refuses with a 400, the older routes inside a 200.
    fn refused_in(&self, family: Family, said: &str) -> FakeAnswer {
        match family {
            Family::Authenticator => auth_status(400, said),
            Family::Legacy => {
                let mut answer = self.refused_form();
                answer["authStatus"] = json!(said);
                FakeAnswer::json(200, &answer)
            }
        }
    }

    fn refused_form(&self) -> Value {
        self.document.example("validate_access_key", 400)
    }

    /// What that ends at the vendor is not known: here, the cookies of a browser.
    fn log_out(&self, ask: &FakeCall<'_>) -> FakeAnswer {
        let gone = |name: &str| format!("{name}=; expires=Thu, 01 Jan 1970 00:00:00 GMT; path=/");
        let answer = match ask.query("returnUrl").filter(|url| !url.is_empty()) {
            Some(url) => FakeAnswer::empty(302).with("location", url),
            None => FakeAnswer::empty(200),
        };
        answer.with("set-cookie", gone(&self.account_cookie())).with("set-cookie", gone(&id_cookie()))
    }

    fn create_user(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let body = object(ask)?;
        let refuse = |status, why: &str| FakeAnswer::json(status, &json!({ "error": why }));
        let identifiers = body["identifiers"].as_array().filter(|identifiers| !identifiers.is_empty());
        let identifiers = identifiers.ok_or_else(|| refuse(400, "Missing identifiers"))?;
        let mut values = Vec::new();
        for identifier in identifiers {
            let kind = identifier["type"].as_str().unwrap_or_default();
            let value = identifier["value"].as_str().unwrap_or_default();
            if !["username", "email", "phoneNumber"].contains(&kind) || value.is_empty() {
                return Err(refuse(400, "Invalid identifier type"));
            }
            if self.user(value).is_some() {
                return Err(refuse(409, "User already exists"));
            }
            values.push(value);
        }
        let user = VtexUser::new(values[0], values[0]);
        let mut answer = self.document.example("create_storefront_user", 201);
        answer["userId"] = json!(user.id);
        answer["identifier"] = json!(values[0]);
        self.users.push(user);
        Ok(FakeAnswer::json(201, &answer))
    }

    fn feature(&self, ask: &FakeCall<'_>) -> Result<(), FakeAnswer> {
        if ask.parameter(0) == "PasswordMigration" { Ok(()) } else { Err(FakeAnswer::empty(400)) }
    }

    fn migrate(&mut self, ask: &FakeCall<'_>, enabled: bool) -> Outcome {
        self.feature(ask)?;
        let body = object(ask)?;
        for member in ["clientId", "idpEndpoint", "secret"] {
            text(&body, member).map_err(|_| FakeAnswer::empty(400))?;
        }
        self.passwords.migration = Some(enabled);
        Ok(FakeAnswer::empty(200))
    }

    fn switch_migration(&mut self, ask: &FakeCall<'_>) -> Outcome {
        self.feature(ask)?;
        let enabled = object(ask)?["enabled"].as_bool().ok_or_else(|| FakeAnswer::empty(400))?;
        let known = self.passwords.migration.as_mut().ok_or_else(|| FakeAnswer::empty(404))?;
        *known = enabled;
        Ok(FakeAnswer::empty(200))
    }
}

/// Help pages of the vendor: 8 characters, a digit, a capital and a small letter.
fn is_strong(password: &str) -> bool {
    let has = |is: fn(&char) -> bool| password.chars().any(|c| is(&c));
    password.chars().count() >= 8
        && has(char::is_ascii_digit)
        && has(char::is_ascii_uppercase)
        && has(char::is_ascii_lowercase)
}

fn legacy_routes() -> FakeAnswer {
    let body = b"Accounts with this feature should not rely on legacy routes.".to_vec();
    FakeAnswer { content_type: "text/plain; charset=utf-8", body, ..FakeAnswer::empty(400) }
}
