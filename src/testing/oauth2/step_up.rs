//! How people have signed in, and how the API wants them to have (RFC 9470).

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

pub(super) const CODE: &str = "insufficient_user_authentication";

/// How a person has signed in, and when.
#[derive(Clone)]
pub(super) struct SignedIn {
    acr: Option<String>,
    at: SystemTime,
}

impl SignedIn {
    /// In the first of these ways.
    pub(super) fn now(acr_values: Option<&String>, at: SystemTime) -> Self {
        let first = acr_values.and_then(|values| values.split(' ').next());
        Self { acr: first.map(str::to_owned), at }
    }
}

/// What the API wants, by path.
#[derive(Default)]
pub(super) struct Demands(HashMap<String, Demand>);

struct Demand {
    acr_values: Option<String>,
    max_age: Option<Duration>,
}

impl Demands {
    pub(super) fn add(&mut self, path: &str, acr_values: Option<&str>, max_age: Option<Duration>) {
        self.0.insert(path.to_owned(), Demand { acr_values: acr_values.map(str::to_owned), max_age });
    }

    /// What this path wants, unless it has it.
    pub(super) fn challenge(&self, path: &str, person: Option<&SignedIn>, now: SystemTime) -> Option<String> {
        let demand = self.0.get(path)?;
        let is_one = |values: &String| {
            let acr = person.and_then(|person| person.acr.as_deref());
            acr.is_some_and(|acr| values.split(' ').any(|value| value == acr))
        };
        let is_new = |age: &Duration| person.is_some_and(|person| now <= person.at + *age);
        if demand.acr_values.as_ref().is_none_or(is_one) && demand.max_age.as_ref().is_none_or(is_new) {
            return None;
        }
        let mut challenge = format!("error=\"{CODE}\", error_description=\"Another sign-in, please\"");
        if let Some(values) = &demand.acr_values {
            challenge.push_str(&format!(", acr_values=\"{values}\""));
        }
        if let Some(age) = &demand.max_age {
            challenge.push_str(&format!(", max_age=\"{}\"", age.as_secs()));
        }
        Some(challenge)
    }
}
