//! The app keys of the fake VTEX store, and the renewal of their tokens.

use crate::testing::{
    account::Accounts,
    calendar,
    document::FakeDocument,
    exchange::{FakeAnswer, FakeCall, Outcome},
    mint::{Mint, uuid},
};
use serde_json::json;
use std::{sync::Arc, time::SystemTime};

/// The secret of an app key, where it is sent with a call.
pub(super) const APP_TOKEN: &str = "X-VTEX-API-AppToken";

pub(super) struct AppKeys {
    document: Arc<FakeDocument>,
    known: Vec<AppKey>,
    pub(super) tokens: Mint,
}

struct AppKey {
    id: String,
    key: String,
    token: String,
    made: SystemTime,
    /// While a renewal is under way, the second token, which works too.
    new_token: Option<(String, SystemTime)>,
}

impl AppKeys {
    pub(super) fn new(known: &Accounts, document: Arc<FakeDocument>, now: SystemTime) -> Self {
        let mut keys = Self { document, known: Vec::new(), tokens: Mint::default() };
        for account in known.iter() {
            keys.add(&account.name, &account.secret, now);
        }
        keys
    }

    fn add(&mut self, key: &str, token: &str, now: SystemTime) {
        self.tokens.adopt(token);
        self.known.push(AppKey::new(key, token, now));
    }

    /// Gives this key, known or not, this token instead of all others.
    pub(super) fn set(&mut self, key: &str, token: &str) {
        self.known.retain(|known| known.key != key);
        self.add(key, token, SystemTime::UNIX_EPOCH);
    }

    pub(super) fn know(&self, key: &str, token: &str) -> bool {
        self.known.iter().any(|known| known.key == key && known.has(token))
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.known.iter().any(|known| known.key == key)
    }

    pub(super) fn start_renewal(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let mut answer = self.document.example("start_token_renewal", 200);
        let key = find(&mut self.known, ask)?;
        if key.new_token.is_some() {
            return Err(FakeAnswer::empty(409));
        }
        let token = self.tokens.make(|number, random| format!("vtex-app-token-{number}-{random}"));
        answer["id"] = json!(key.id);
        answer["keyName"] = json!(key.key);
        answer["creationDateToken"] = json!(calendar::iso(key.made));
        answer["creationDateNewToken"] = json!(calendar::iso(ask.now));
        answer["newToken"] = json!(token);
        key.new_token = Some((token, ask.now));
        Ok(FakeAnswer::json(200, &answer))
    }

    pub(super) fn finish_renewal(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let mut answer = self.document.example("finish_token_renewal", 200);
        let key = find(&mut self.known, ask)?;
        (key.token, key.made) = key.new_token.take().ok_or(FakeAnswer::empty(404))?;
        answer["id"] = json!(key.id);
        answer["creationDateToken"] = json!(calendar::iso(key.made));
        Ok(FakeAnswer::json(200, &answer))
    }
}

/// The key that the path names.
fn find<'k>(known: &'k mut [AppKey], ask: &FakeCall<'_>) -> Result<&'k mut AppKey, FakeAnswer> {
    known.iter_mut().find(|key| key.key == ask.parameter(0)).ok_or(FakeAnswer::empty(400))
}

impl AppKey {
    fn new(key: &str, token: &str, made: SystemTime) -> Self {
        Self { id: uuid(), key: key.to_owned(), token: token.to_owned(), made, new_token: None }
    }

    fn has(&self, token: &str) -> bool {
        self.token == token || self.new_token.as_ref().is_some_and(|(new, _)| new == token)
    }
}
