//! The API keys of the fake Shopmonkey, and the operations that list, make and delete them.

use super::answers::{invalid, object, refusal};
use crate::testing::{
    account::Accounts,
    calendar,
    document::FakeDocument,
    exchange::{FakeAnswer, FakeCall, Outcome},
    lineage::is_over,
    mint::{Mint, uuid},
};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

const DAY: Duration = Duration::from_secs(86_400);
/// No list is longer, whatever was asked for.
const LONGEST_PAGE: usize = 100;

pub(super) struct ApiKeys {
    document: Arc<FakeDocument>,
    /// Those that were not deleted, the one made first in front.
    known: Vec<ApiKey>,
    pub(super) mint: Mint,
    without_meta: bool,
    repeat_pages: bool,
}

pub(super) struct ApiKey {
    pub(super) id: String,
    name: String,
    pub(super) value: String,
    made: SystemTime,
    ends: Option<SystemTime>,
}

impl ApiKeys {
    /// Those that are there from the start never end.
    pub(super) fn new(
        known: &Accounts,
        document: Arc<FakeDocument>,
        now: SystemTime,
        (without_meta, repeat_pages): (bool, bool),
    ) -> Self {
        let mut keys = Self { document, known: Vec::new(), mint: Mint::default(), without_meta, repeat_pages };
        for key in known.iter() {
            keys.mint.adopt(&key.secret);
            keys.keep(&key.name, key.secret.clone(), now, None);
        }
        keys
    }

    /// The id of the key with this value, if it is good.
    pub(super) fn live(&self, value: &str, now: SystemTime) -> Option<String> {
        let mut good = self.known.iter().filter(|key| key.value == value && !is_over(key.ends, now));
        good.next().map(|key| key.id.clone())
    }

    /// Says whether there was one.
    pub(super) fn end(&mut self, which: impl Fn(&ApiKey) -> bool) -> bool {
        let before = self.known.len();
        self.known.retain(|key| !which(key));
        self.known.len() < before
    }

    pub(super) fn list(&self, ask: &FakeCall<'_>) -> Outcome {
        if ask.query("orderby").is_some() {
            return Err(invalid("orderby is not a known parameter")); // as observed at a sibling: it is orderBy
        }
        let limit = number(ask, "limit")?.unwrap_or(LONGEST_PAGE).min(LONGEST_PAGE);
        let skip = if self.repeat_pages { 0 } else { number(ask, "skip")?.unwrap_or(0) };
        let (condition, ids) = (json_text(ask, "where")?, ask.queries("ids").collect::<Vec<_>>());
        let mut keys: Vec<Value> = self.known.iter().map(|key| self.listed(key)).collect();
        keys.retain(|key| ids.is_empty() || ids.iter().any(|id| key["id"] == *id));
        keys.retain(|key| fulfils(key, &condition));
        if let Some(order) = json_text(ask, "orderBy")?["id"].as_str() {
            keys.sort_by_key(|key| key["id"].to_string());
            if order == "desc" {
                keys.reverse();
            }
        }
        let total = keys.len();
        let page: Vec<Value> = keys.into_iter().skip(skip).take(limit).collect();
        let mut body = self.document.example("list_api_keys", 200);
        if !self.without_meta {
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

    pub(super) fn create(&mut self, ask: &FakeCall<'_>) -> Outcome {
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
        let value = self.mint.make(|number, random| format!("sm-api-key-{number}-{random}"));
        let ends = (days > 0).then(|| ask.now + DAY * days); // 0: never
        self.keep(name, value.clone(), ask.now, ends);
        let mut answer = self.document.example("create_api_key", 200);
        answer["data"]["token"] = json!(value);
        Ok(FakeAnswer::json(200, &answer))
    }

    pub(super) fn delete(&mut self, ask: &FakeCall<'_>) -> Outcome {
        object(ask)?;
        match self.end(|key| key.id == ask.parameter(0)) {
            true => Ok(FakeAnswer::json(200, &self.document.example("delete_api_key", 200))),
            false => Err(refusal(404, "API-404001", "API key not found")),
        }
    }

    fn keep(&mut self, name: &str, value: String, made: SystemTime, ends: Option<SystemTime>) {
        self.known.push(ApiKey { id: uuid(), name: name.to_owned(), value, made, ends });
    }
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
