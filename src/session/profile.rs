//! What a session tells its user besides its token.

use crate::Secret;
use serde_json::{Map, Value};
use std::fmt;

/// What a sign-in told about the user. Not stored: there is none after a session came out of a store.
#[derive(Clone, Default)]
#[cfg_attr(test, derive(PartialEq, Eq))]
pub struct Profile {
    facts: Value,
    secrets: Vec<(&'static str, Secret)>,
}

impl Profile {
    pub(crate) fn new(facts: Value) -> Self {
        Self { facts, secrets: Vec::new() }
    }

    /// These members of what the vendor said, and nothing else.
    pub(crate) fn of(said: &Value, members: &[&'static str]) -> Self {
        let mut told = Map::new();
        for name in members {
            if let Some(value) = said.get(*name) {
                told.insert((*name).to_owned(), value.clone());
            }
        }
        Self::new(Value::Object(told))
    }

    /// Takes these members, which are secrets, and the token out of what the vendor said.
    pub(crate) fn without(mut facts: Value, secrets: &[&'static str]) -> Self {
        let Some(members) = facts.as_object_mut() else { return Self::default() };
        members.remove("token");
        let taken = secrets.iter().filter_map(|name| match members.remove(*name) {
            Some(Value::String(secret)) => Some((*name, Secret::from(secret))),
            _ => None,
        });
        let secrets = taken.collect();
        Self { facts, secrets }
    }

    /// What the vendor said, without its secrets.
    #[must_use]
    pub fn facts(&self) -> &Value {
        &self.facts
    }

    /// A secret the vendor handed out besides the token, by the vendor's own name.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<&Secret> {
        self.secrets.iter().find(|(known, _)| *known == name).map(|(_, secret)| secret)
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.facts.as_object().map_or_else(Vec::new, |facts| facts.keys().collect());
        let secrets: Vec<_> = self.secrets.iter().map(|(name, _)| name).collect();
        f.debug_struct("Profile").field("facts", &names).field("secrets", &secrets).finish()
    }
}

/// How a sign-out ended: in one of two ways, so a `match` needs no further arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignOut {
    /// The vendor ended the session.
    Revoked,
    /// It is forgotten here; the vendor offers no way to end it, or could not be reached: then the session still counts
    /// there until it ends by itself.
    LocalOnly,
}

/// Profiles that are equal have equal names: enough for the model, which makes none.
#[cfg(test)]
impl std::hash::Hash for Profile {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.secrets.iter().for_each(|(name, _)| name.hash(state));
    }
}
