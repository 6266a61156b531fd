//! What needs a session, or an app key.

use super::{
    answers::object,
    app_keys::APP_TOKEN,
    names::{ACCOUNT_ID, TOKEN},
    platform::VtexPlatform,
};
use crate::testing::{
    document::OTHER,
    exchange::{FakeAnswer, FakeCall, Outcome, Vendor as _},
};
use serde_json::json;

impl VtexPlatform {
    pub(super) fn signed_in(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let schemes = self.schemes(ask).ok_or_else(|| self.unauthorized(ask))?;
        let admitted = schemes.iter().any(|scheme| self.document.admits(ask.operation(), scheme));
        if schemes.is_empty() || !(admitted || ask.operation() == OTHER) {
            return Err(self.unauthorized(ask));
        }
        if let Some(outcome) = self.about_users(ask) {
            return outcome;
        }
        match ask.operation() {
            "set_repeated_passwords" => self.set_password_rules(ask),
            "expire_user_password" => self.expire_password(ask),
            "get_user_id_by_email" => {
                let email = ask.query("usuario").ok_or_else(|| FakeAnswer::message(400, "usuario is required."))?;
                Ok(FakeAnswer::json(200, &json!(self.user(&email).map(|user| &user.id))))
            }
            "get_storefront_user" => self.storefront_user(ask),
            "start_token_renewal" => self.app_keys.start_renewal(ask),
            "finish_token_renewal" => self.app_keys.finish_renewal(ask),
            "get_organization_unit_settings" => self.units.get(ask),
            "set_organization_unit_settings" => self.units.set(ask),
            "update_organization_unit_settings" => self.units.update(ask),
            "delete_organization_unit_settings" => self.units.delete(ask),
            OTHER => {
                let user = self.user_token(ask).and_then(|token| self.tokens.live(token, ask.now));
                let user = user.map(|lineage| &self.tokens.owner(lineage).user);
                Ok(FakeAnswer::json(200, &json!({ "ok": true, "path": ask.path(), "user": user })))
            }
            operation => unreachable!("the document has a new operation: {operation}"),
        }
    }

    /// The security schemes that the call was made under; none, if anything that came with it is wrong.
    fn schemes(&self, ask: &FakeCall<'_>) -> Option<Vec<&'static str>> {
        let mut schemes = Vec::new();
        match (ask.header("X-VTEX-API-AppKey"), ask.header(APP_TOKEN)) {
            (None, None) => {}
            (Some(key), Some(token)) if self.app_keys.know(key, token) => schemes.push("appToken"),
            _ => return None,
        }
        if let Some(token) = self.user_token(ask) {
            self.tokens.live(token, ask.now)?;
            schemes.push(TOKEN);
        }
        Some(schemes)
    }

    pub(super) fn user_token<'a>(&self, ask: &'a FakeCall<'_>) -> Option<&'a str> {
        ask.header(TOKEN).or_else(|| ask.cookie(TOKEN)).or_else(|| ask.cookie(&self.account_cookie()))
    }

    fn set_password_rules(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let body = object(ask)?;
        let (Some(active), Some(repeated)) = (body["isActive"].as_bool(), body["allowRepeated"].as_bool()) else {
            return Err(FakeAnswer::message(400, "isActive and allowRepeated are required."));
        };
        self.password_rules = Some((active, repeated));
        Ok(FakeAnswer::empty(200))
    }

    fn expire_password(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let email = ask.query("email").ok_or_else(|| FakeAnswer::message(400, "email is required."))?;
        self.expired_passwords.push(email);
        Ok(FakeAnswer::empty(200))
    }

    fn storefront_user(&self, ask: &FakeCall<'_>) -> Outcome {
        let asked = ask.query("user").ok_or_else(|| FakeAnswer::message(400, "user is required."))?;
        let user = self.user(&asked).ok_or_else(|| FakeAnswer::message(404, "User not found."))?; // not documented
        let mut answer = self.document.example("get_storefront_user", 200);
        answer["userId"] = json!(user.id);
        answer["user"] = json!(user.email);
        answer["name"] = json!(user.name);
        answer["accountId"] = json!(ACCOUNT_ID);
        answer["accountName"] = json!(self.account());
        Ok(FakeAnswer::json(200, &answer))
    }
}
