//! The one type for everything that must not be seen, and the one place that lets it out.

use bytes::Bytes;
use secrecy::{
    ExposeSecret, SecretString,
    zeroize::{Zeroize, Zeroizing},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Visitor, ser::Error as _};
use serde_json::{Map, Value};
use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    fmt,
    sync::Arc,
};
use url::{Position, Url};

/// A password, token, captcha answer or key.
///
/// It has no `Display`, its `Debug` shows nothing, and its memory is wiped when it is dropped. Clones share that memory, so that
/// a process holds it once; the last of them wipes it.
/// The only way to read it is [`expose`](Secret::expose).
///
/// `Serialize` works only while Keyway writes a request: anywhere else it is an error, so that
/// logging a request type as JSON cannot leak what is in it.
///
/// ```
/// use keyway::Secret;
///
/// let password = Secret::from("hunter2");
/// assert_eq!(format!("{password:?}"), "Secret(***)");
/// assert!(serde_json::to_string(&password).is_err());
/// assert_eq!(password.expose(), "hunter2");
/// ```
#[derive(Clone)]
#[doc(alias("SecretString", "password"))]
pub struct Secret(Arc<SecretString>);

impl Secret {
    fn new(secret: SecretString) -> Self {
        #[cfg(feature = "testing")]
        if let Some(witness) = crate::witness::witness() {
            witness.secret(secret.expose_secret());
        }
        Self(Arc::new(secret))
    }

    /// The secret itself. The caller answers for where it goes next.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Generated code renders parameters with `.to_string()`; an inherent method serves it without a `Display`.
    #[allow(
        clippy::inherent_to_string,
        dead_code,
        reason = "called by generated code, if an operation has a secret parameter"
    )]
    pub(crate) fn to_string(&self) -> String {
        note(self);
        self.expose().to_owned()
    }
}

/// An address that holds a secret, taken apart. It is wiped when it is dropped.
pub(crate) struct SecretUrl(Option<Url>);

impl SecretUrl {
    pub(crate) fn parse(secret: &Secret) -> Option<Self> {
        Url::parse(secret.expose()).ok().map(|url| Self(Some(url)))
    }

    /// Up to and without the query.
    pub(crate) fn before_query(&self) -> &str {
        self.0.as_ref().map_or("", |url| &url[..Position::AfterPath])
    }

    /// What its query says, by name.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.0.iter().flat_map(Url::query_pairs)
    }
}

impl Drop for SecretUrl {
    fn drop(&mut self) {
        self.0.take().map(String::from).zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl From<String> for Secret {
    fn from(mut secret: String) -> Self {
        if secret.capacity() == secret.len() {
            return Self::new(secret.into());
        }
        // Giving back what is too much may move it, and would leave a copy where it was.
        let exact = Self::from(&*secret);
        secret.zeroize();
        exact
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Self::new(secret.into())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By its name, those who read with patience know that this must be a text.
        deserializer.deserialize_newtype_struct(NAME, Text).map(Self::from)
    }
}

/// What a secret is called in serde's words.
pub(crate) const NAME: &str = "keyway::Secret";

struct Text;

impl<'de> Visitor<'de> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        String::deserialize(deserializer)
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_string<E>(self, text: String) -> Result<String, E> {
        Ok(text)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if WRITING.get() {
            note(self);
            serializer.serialize_str(self.expose())
        } else {
            Err(S::Error::custom("a keyway::Secret is written only into a request that Keyway sends"))
        }
    }
}

thread_local! {
    static WRITING: Cell<bool> = const { Cell::new(false) };
    /// What was written on this thread since it was last asked for.
    static WRITTEN: RefCell<Carried> = const { RefCell::new(Carried(Vec::new())) };
}

/// Requests that are never sent must not make it grow for ever.
const MOST_WRITTEN: usize = 64;

fn note(secret: &Secret) {
    WRITTEN.with_borrow_mut(|written| {
        if written.0.len() == MOST_WRITTEN {
            written.0.clear();
        }
        written.add(secret);
    });
}

/// The secrets that were written on this thread since this was asked before. A request is made and handed over without an
/// await in between, so they are those of the request; a request that was made and never sent adds its own to the next,
/// which then hides more than it has to.
pub(crate) fn take_written() -> Carried {
    WRITTEN.take()
}

/// Runs `write` with secrets serialisable on this thread. `write` cannot await, so nothing else gets in between.
pub(crate) fn writing<T>(write: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            WRITING.set(self.0);
        }
    }
    let _restore = Restore(WRITING.replace(true));
    write()
}

/// Bytes that are wiped when the last of those who share them drops them.
pub(crate) fn wiped(bytes: Vec<u8>) -> Bytes {
    Bytes::from_owner(Zeroizing::new(bytes))
}

/// The secrets that a request carries. A vendor that repeats one in its answer, as a code or as a field, does not make it
/// less secret.
#[derive(Debug, Clone, Default)]
pub(crate) struct Carried(Vec<Secret>);

/// A shorter secret hides only what is the same: in other texts it may stand by chance.
const TELLING: usize = 4;
/// In a code, which is a word, a part tells less.
const TELLING_IN_A_CODE: usize = 8;

impl IntoIterator for Carried {
    type Item = Secret;
    type IntoIter = std::vec::IntoIter<Secret>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Carried {
    pub(crate) fn add(&mut self, secret: &Secret) {
        if !secret.expose().is_empty() {
            self.0.push(secret.clone());
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn of(secrets: Vec<Secret>) -> Self {
        Self(secrets)
    }

    /// Whether a vendor's code, or a name, is one of the secrets or holds one.
    pub(crate) fn is_told_by(&self, word: &str) -> bool {
        let is_in = |secret: &str| word == secret || secret.len() >= TELLING_IN_A_CODE && word.contains(secret);
        self.0.iter().any(|secret| is_in(secret.expose()))
    }

    /// This text without the secrets.
    pub(crate) fn masked(&self, mut text: String) -> String {
        for secret in self.0.iter().map(Secret::expose) {
            if text.trim() == secret || secret.len() >= TELLING && text.contains(secret) {
                text = text.replace(secret, "***");
            }
        }
        text
    }

    /// This answer without the secrets, in values and in names.
    pub(crate) fn masked_value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.masked(text)),
            Value::Array(items) => items.into_iter().map(|item| self.masked_value(item)).collect(),
            Value::Object(members) => {
                let mut masked = Map::new();
                for (name, value) in members {
                    masked.insert(self.masked(name), self.masked_value(value));
                }
                Value::Object(masked)
            }
            Value::Number(number) if self.is_told_by(&number.to_string()) => Value::from("***"),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn a_secret_is_serialised_only_inside_writing() {
        let secret = Secret::from("hunter2");
        assert!(serde_json::to_string(&secret).is_err());
        assert_eq!(writing(|| serde_json::to_string(&secret)).expect("inside"), "\"hunter2\"");
        assert!(serde_json::to_string(&secret).is_err());
    }

    #[apply(leak_checked!)]
    fn a_clone_is_no_second_copy_in_memory() {
        let secret = Secret::from("hunter2");
        assert_eq!(secret.clone().expose().as_ptr(), secret.expose().as_ptr());
    }

    #[apply(leak_checked!)]
    fn a_panic_while_writing_closes_the_door_again() {
        let panicked = std::panic::catch_unwind(|| writing(|| panic!("while writing")));
        assert!(panicked.is_err());
        assert!(serde_json::to_string(&Secret::from("hunter2")).is_err());
    }
}
