//! Every exchange with a fake, held against the vendor's document: what Keyway asks, and what the fake answers.

mod request;

use super::document::{Answer, Document, Operation, list, members};
use jsonschema::{Draft, Validator};
use keyway::testing::witness::Exchange;
use request::Request;
use serde_json::{Map, Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

/// What a fake does and its document does not say.
struct OnPurpose {
    fake: &'static str,
    /// The operations; none: all.
    operations: &'static [&'static str],
    /// What the answer says, or the beginning of it.
    says: &'static [&'static str],
    #[expect(dead_code, reason = "it is there to be read")]
    why: &'static str,
}

const ON_PURPOSE: &[OnPurpose] = &[
    OnPurpose {
        fake: "FakeVitaMojo",
        operations: &["refresh_token"],
        says: &["is 400, which is not documented", "is 404, which is not documented"],
        why: "a dead refresh token is a 400 on the live service; 404 is what its framework says where it has no route, \
              in the dialect that renews by POST",
    },
    OnPurpose {
        fake: "FakeOrderingStack",
        operations: &[],
        says: &[
            "is 400, which is not documented",
            "is 401, which is not documented",
            "is 403, which is not documented",
            "is 404, which is not documented",
        ],
        why: "the vendor's page documents no refusal; these are those of the framework that made the page",
    },
    OnPurpose {
        fake: "FakeShopmonkey",
        operations: &[],
        says: &["is 200, whose `` \"data\"", "is 200, whose `/message` is not", "is 200, whose `/code` is not"],
        why: "`failures_in_200` puts a failure's envelope into a 200, as `success` suggests",
    },
    OnPurpose {
        fake: "FakeShopmonkey",
        operations: &["logout"],
        says: &["is 400, which is not documented", "is 401, which is not documented"],
        why: "every write must have a body of JSON, if only `{}`; and a session that has ended cannot be ended",
    },
    OnPurpose {
        fake: "FakeVms",
        operations: &["get_token"],
        says: &["is 429 as ``"],
        why: "`empty_429`: the body of a throttle is not documented upstream",
    },
    OnPurpose {
        fake: "FakeVms",
        operations: &[],
        says: &["is 419 as `text/html", "is 302, which is not documented"],
        why: "who does not ask for JSON is taken for a browser, as by the vendor's framework",
    },
    OnPurpose {
        fake: "FakeVtex",
        operations: &[],
        says: &["is 400, which is not documented"],
        why: "the account is another's, or a parameter is missing: what is said then is not documented",
    },
    OnPurpose {
        fake: "FakeVtex",
        operations: &["generate_authentication_token", "exchange_oauth_access_token"],
        says: &["is 401, which is not documented"],
        why: "`refusals_in_401`: how a refusal is told is not documented",
    },
    OnPurpose {
        fake: "FakeVtex",
        operations: &["exchange_oauth_access_token"],
        says: &["is 200, whose `/authStatus` is not documented"],
        why: "how a refusal is told is not documented; its sibling tells it so",
    },
    OnPurpose {
        fake: "FakeVtex",
        operations: &["validate_password", "set_password"],
        says: &["is 400 as `text/plain"],
        why: "an account without the older routes says so in words, as a client saw it",
    },
    OnPurpose {
        fake: "FakeVtex",
        operations: &["expire_user_password"],
        says: &["is 401, which is not documented"],
        why: "a call without a session is refused",
    },
    OnPurpose {
        fake: "FakeVtex",
        operations: &["get_storefront_user"],
        says: &["is 404, which is not documented"],
        why: "what is said of an unknown user is not documented",
    },
    OnPurpose {
        fake: "FakeVms",
        operations: &["get_self", "logout"],
        says: &["is 401, which is not documented"],
        why: "a session that has ended can neither be asked nor ended, and its framework says so",
    },
];

struct Contract {
    document: Document,
    /// The schemas as JSON Schema has them.
    components: Value,
}

/// By what the fake is called after `Fake`, in small letters: that is the document's name.
static CONTRACTS: LazyLock<HashMap<&str, Contract>> = LazyLock::new(|| {
    let bundled: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/documents.rs"));
    let provider = ("oauth2", include_str!("../../src/testing/oauth2/provider.json"));
    bundled.iter().copied().chain([provider]).map(|(name, document)| (name, Contract::of(document))).collect()
});

fn contract_of(fake: &str) -> Option<&'static Contract> {
    CONTRACTS.get(fake.strip_prefix("Fake").unwrap_or(fake).to_lowercase().as_str())
}

/// Whether the document says that a secret stands in the address.
pub(crate) fn has_secret_url(exchange: &Exchange<'_>) -> bool {
    operation_of(exchange).is_some_and(|operation| operation.has_secret_url())
}

/// What is wrong with an exchange, in sentences.
pub(crate) fn breaches(exchange: &Exchange<'_>) -> Vec<String> {
    // It holds every request against its own document.
    if exchange.fake == "FakeApi" {
        return Vec::new();
    }
    let Some(contract) = contract_of(exchange.fake) else {
        return vec![format!(
            "no document is known for `{}`: call the fake as its document is called, or add it in tests/leak_check/contract.rs",
            exchange.fake
        )];
    };
    let Some(operation) = operation_of(exchange).filter(|operation| operation.method() == exchange.method) else {
        return Vec::new(); // beside the document
    };
    let mut breaches = Vec::new();
    if exchange.headers.get("user-agent").is_some_and(|agent| agent.as_bytes().starts_with(b"keyway/")) {
        super::wire_log::keep(exchange.method, exchange.target, exchange.headers, exchange.body);
        let request = Request { contract, operation, exchange };
        breaches.extend(
            request.breaches().into_iter().map(|what| format!("the request for `{}` {what}", exchange.operation)),
        );
    }
    if !exchange.is_faulty {
        let answer = contract.answer(operation, exchange).into_iter().filter(|what| !is_on_purpose(exchange, what));
        let cure = "document it, or say in ON_PURPOSE of tests/leak_check/contract.rs why the fake does so";
        breaches.extend(answer.map(|what| format!("the answer to `{}` {what}; {cure}", exchange.operation)));
    }
    breaches
}

fn is_on_purpose(exchange: &Exchange<'_>, what: &str) -> bool {
    ON_PURPOSE.iter().any(|on_purpose| {
        let OnPurpose { fake, operations, says, .. } = on_purpose;
        *fake == exchange.fake
            && (operations.is_empty() || operations.contains(&exchange.operation))
            && says.iter().any(|begins| what.starts_with(begins))
    })
}

/// The documents, each by its name.
pub(crate) fn documents() -> impl Iterator<Item = (&'static str, &'static Document)> {
    CONTRACTS.iter().map(|(fake, contract)| (*fake, &contract.document))
}

/// The schema of a documented answer.
pub(crate) fn answer_schema(fake: &str, operation: &str, key: &str) -> &'static Value {
    documented(fake, operation, key).schema.expect("it has a body")
}

/// The vendor's example of an answer.
pub(crate) fn example(fake: &str, operation: &str, key: &str) -> Value {
    documented(fake, operation, key).examples[0].clone()
}

/// What is wrong with an answer of this schema.
pub(crate) fn wrong(fake: &str, schema: &'static Value, body: &Value) -> Vec<String> {
    contract_of(fake).expect("a document").check(schema, body, "it is")
}

fn documented(fake: &str, operation: &str, key: &str) -> Answer<'static> {
    let operations = contract_of(fake).expect("a document").document.operations();
    let operation = operations.into_iter().find(|known| known.id() == operation).expect("an operation");
    operation.answers().into_iter().find(|answer| answer.key == key).expect("an answer")
}

fn operation_of(exchange: &Exchange<'_>) -> Option<Operation<'static>> {
    let operations = contract_of(exchange.fake)?.document.operations();
    operations.into_iter().find(|operation| operation.id() == exchange.operation)
}

impl Contract {
    fn of(text: &str) -> Self {
        let document = Document::parse(text);
        let components = json_schema(&document.root["components"]);
        Self { document, components }
    }

    fn answer(&self, operation: Operation<'static>, exchange: &Exchange<'_>) -> Vec<String> {
        let status = exchange.status;
        let answers = operation.answers();
        let fits = |key: &str| key == status.to_string() || key == format!("{}XX", status / 100);
        let Some(answer) = answers.iter().find(|answer| fits(answer.key)) else {
            return vec![format!("is {status}, which is not documented")];
        };
        let Some((media_type, content)) = answer.content else {
            let is_empty = exchange.answer.is_empty();
            return if is_empty {
                Vec::new()
            } else {
                vec![format!("is {status} with a body, and none is documented")]
            };
        };
        if exchange.answer.is_empty() && self.document.is_anything(&content["schema"]) {
            return Vec::new();
        }
        if essence(exchange.content_type) != media_type {
            return vec![format!("is {status} as `{}`, documented is `{media_type}`", exchange.content_type)];
        }
        match serde_json::from_slice(exchange.answer) {
            Ok(body) => self.check(&content["schema"], &body, &format!("is {status}")),
            Err(_) => vec![format!("is {status} without JSON")],
        }
    }

    /// What is wrong with a value, without quoting it.
    fn check(&self, schema: &'static Value, value: &Value, what: &str) -> Vec<String> {
        let validator = self.validator(schema);
        let wrong = validator.iter_errors(value);
        let mut wrong: Vec<_> =
            wrong.map(|error| format!("{what}, whose `{}` {}", error.instance_path(), error.masked())).collect();
        self.find_unknown(schema, value, "", &mut |at| wrong.push(format!("{what}, whose `{at}` is not documented")));
        wrong
    }

    /// Made once for each schema: there are few, and making one takes longer than using it.
    fn validator(&self, schema: &'static Value) -> Arc<Validator> {
        static MADE: LazyLock<Mutex<HashMap<usize, Arc<Validator>>>> = LazyLock::new(Mutex::default);
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let mut root = json_schema(schema);
            root["components"] = self.components.clone();
            let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
            Arc::new(options.build(&root).expect("the document's schemas are schemas"))
        };
        made.entry(std::ptr::from_ref(schema).addr()).or_insert_with(make).clone()
    }

    /// Members that the schema does not name, where it names any.
    fn find_unknown(&self, schema: &Value, value: &Value, at: &str, tell: &mut impl FnMut(&str)) {
        let schema = self.document.resolve(schema);
        for (index, item) in list(value).iter().enumerate() {
            self.find_unknown(&schema["items"], item, &format!("{at}/{index}"), tell);
        }
        let named = self.document.members(schema);
        for (name, member) in members(value) {
            let at = format!("{at}/{name}");
            match named.iter().find(|(known, _)| *known == name) {
                Some((_, schema)) => self.find_unknown(schema, member, &at, tell),
                None if named.is_empty() || schema.get("additionalProperties").is_some() => {}
                None => tell(&at),
            }
        }
    }
}

/// A media type without its parameters.
fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

/// A schema of OpenAPI 3.0 as one of JSON Schema: the two differ in how they say `null`.
fn json_schema(schema: &Value) -> Value {
    match schema {
        Value::Array(items) => items.iter().map(json_schema).collect(),
        Value::Object(members) => {
            let schema: Map<_, _> = members.iter().map(|(name, value)| (name.clone(), json_schema(value))).collect();
            match schema.get("nullable") {
                Some(Value::Bool(true)) => json!({ "anyOf": [{ "type": "null" }, schema] }),
                _ => Value::Object(schema),
            }
        }
        other => other.clone(),
    }
}
