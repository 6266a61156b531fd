//! A shopper's session at the fake VTEX store: the mailed key, the cookies, and what renews them.

use super::{
    answers::{auth_status, field, id_cookie, set_cookie, unknown_account},
    platform::{VtexHolder, VtexPlatform, VtexUser},
    storefront::Family,
};
use crate::testing::{
    calendar,
    exchange::{FakeAnswer, FakeCall, Outcome},
};
use serde_json::json;

impl VtexPlatform {
    pub(super) fn start_authentication(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let scope = ask.query("scope").ok_or_else(|| FakeAnswer::message(400, "scope is required."))?;
        if self.rules.account.as_ref().is_some_and(|account| *account != scope) {
            return Err(unknown_account());
        }
        let mut answer = self.document.example("start_authentication", 200);
        answer["authenticationToken"] = json!(self.storefront.begin(ask.query("fingerprint"), ask.now));
        Ok(FakeAnswer::json(200, &answer))
    }

    pub(super) fn mail_key(&mut self, ask: &FakeCall<'_>, email: Option<String>, family: Family) -> Outcome {
        let email = email.filter(|email| email.contains('@'));
        let session = ask.cookie("_vss").unwrap_or_default();
        let email = email.ok_or_else(|| auth_status(400, "InvalidEmail"))?;
        match self.storefront.send(family, session, &email, ask.now) {
            true => Ok(FakeAnswer::empty(200)),
            false => Err(auth_status(400, "InvalidToken")),
        }
    }

    pub(super) fn redeem_key(&mut self, ask: &FakeCall<'_>, family: Family) -> Outcome {
        let refuse = |status: &str| {
            if family == Family::Authenticator {
                return auth_status(400, status);
            }
            let mut body = self.document.example("validate_access_key", 400);
            body["authStatus"] = json!(status);
            FakeAnswer::json(400, &body)
        };
        let (email, key) = (field(ask, "login").unwrap_or_default(), field(ask, "accesskey").unwrap_or_default());
        let session = ask.cookie("_vss").unwrap_or_default();
        let redeemed = self.storefront.redeem_in(family, session, &email, &key, ask.now);
        let fingerprint = redeemed.map_err(refuse)?;
        Ok(self.sign_in(ask, &email, fingerprint))
    }

    /// A shopper's session, in body and cookies.
    pub(super) fn sign_in(&mut self, ask: &FakeCall<'_>, email: &str, fingerprint: Option<String>) -> FakeAnswer {
        if self.user(email).is_none() {
            self.users.push(VtexUser::new(email, email));
        }
        let lineage = self.tokens.begin(VtexHolder { fingerprint, ..VtexHolder::new(email, "webstore") });
        let (token, cookie) = self.storefront_tokens(ask, lineage);
        let mut answer = self.document.example("validate_access_key", 200);
        answer["authCookie"] = json!({ "Name": self.account_cookie(), "Value": token });
        answer["accountAuthCookie"] = json!({ "Name": id_cookie(), "Value": token });
        answer["expiresIn"] = json!(self.rules.storefront_life.as_secs());
        answer["userId"] = json!(self.user(email).map(|user| &user.id));
        FakeAnswer::json(200, &answer).with("set-cookie", cookie)
    }

    /// Failures are answers with 200, as documented.
    pub(super) fn refresh(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let fail = |status: &str| FakeAnswer::json(200, &json!({ "status": status }));
        let fingerprint = ask.json().and_then(|body| body["fingerprint"].as_str().map(str::to_owned));
        let refresh = ask.cookie("vid_rt").unwrap_or_default();
        let lineage = self.tokens.of_refresh(refresh).ok_or_else(|| fail("InvalidToken"))?;
        let cookies = [id_cookie(), self.account_cookie()];
        let belong = |name: &String| self.tokens.of_access(ask.cookie(name)?);
        if cookies.iter().any(|name| belong(name) != Some(lineage)) {
            return Err(fail("InvalidSession")); // both cookies are required, and must be of the same sign-in
        }
        if self.tokens.owner(lineage).fingerprint != fingerprint {
            return Err(fail("InvalidSession"));
        }
        let lineage = self.tokens.redeem(refresh, true, ask.now).ok_or_else(|| fail("InvalidToken"))?;
        let (token, refresh) = self.storefront_tokens(ask, lineage);
        let ends = ask.now + self.rules.storefront_life;
        let mut answer = self.document.example("refresh_storefront_token", 200);
        answer["userId"] = json!(self.user(&self.tokens.owner(lineage).user).map(|user| &user.id));
        answer["refreshAfter"] = json!(calendar::iso(ask.now + self.rules.storefront_life / 2));
        let mut answer = FakeAnswer::json(200, &answer).with("set-cookie", refresh);
        for name in cookies {
            answer = answer.with("set-cookie", set_cookie(ask, &name, &token, ends, "/"));
        }
        Ok(answer)
    }

    /// A user token, and the line that sets the refresh token's cookie.
    fn storefront_tokens(&mut self, ask: &FakeCall<'_>, lineage: usize) -> (String, String) {
        let ends = ask.now + self.rules.refresh_life;
        let refresh = self.tokens.refresh(lineage, Some(ends), |number, random| format!("vtex-rt-{number}-{random}"));
        let token = self.new_token(lineage, ask.now + self.rules.storefront_life, Some(&refresh));
        (token, set_cookie(ask, "vid_rt", &refresh, ends, "/api/vtexid/refreshtoken/webstore"))
    }
}
