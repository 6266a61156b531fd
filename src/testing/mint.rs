//! Makes the tokens that a fake hands out, and knows them again.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher, RandomState},
};

/// Hands out values that exist nowhere else, so that a test which finds one in a log has found a leak.
#[derive(Default)]
pub(super) struct Mint {
    numbers: HashMap<String, usize>,
}

impl Mint {
    /// A new value, made by `shape` of its number and something random.
    pub(super) fn make(&mut self, shape: impl FnOnce(usize, &str) -> String) -> String {
        let number = self.numbers.len() + 1;
        let value = shape(number, &random());
        self.numbers.insert(value.clone(), number);
        value
    }

    /// Takes a value that comes from elsewhere for the next one of ours.
    pub(super) fn adopt(&mut self, value: &str) {
        self.make(|_, _| value.to_owned());
    }

    /// The how-many-th value this was, counted from 1.
    pub(super) fn number(&self, value: &str) -> Option<usize> {
        self.numbers.get(value).copied()
    }

    /// What the log calls this value, if it is one of ours: `token #2`.
    pub(super) fn name(&self, what: &str, value: &str) -> Option<String> {
        self.number(value).map(|number| format!("{what} #{number}"))
    }

    /// The value with that number.
    pub(super) fn value(&self, number: usize) -> Option<String> {
        self.numbers.iter().find(|(_, known)| **known == number).map(|(value, _)| value.clone())
    }

    /// Everything that was ever made.
    pub(super) fn made(&self) -> impl Iterator<Item = String> {
        self.numbers.keys().cloned()
    }
}

/// 32 hexadecimal digits. Not for cryptography: for tests.
pub(super) fn random() -> String {
    let word = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", word(), word())
}

/// A JWT with these claims, in the shape that vendors give them. Its signature is a dummy.
pub(super) fn jwt(claims: &Value) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}.dummy-signature", part(&json!({ "alg": "HS256", "typ": "JWT" })), part(claims))
}

/// Something random in the shape of a UUID.
pub(super) fn uuid() -> String {
    let random = random();
    let digits = |from: usize, to: usize| &random[from..to];
    format!("{}-{}-4{}-a{}-{}", digits(0, 8), digits(8, 12), digits(13, 16), digits(17, 20), digits(20, 32))
}
