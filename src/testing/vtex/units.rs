//! The organization units of the fake VTEX store: which ways of signing in each of them has.

use crate::testing::{
    document::FakeDocument,
    exchange::{FakeAnswer, FakeCall, Outcome},
};
use serde_json::{Value, json};
use std::{collections::HashMap, sync::Arc};

/// The organization unit that is always there.
pub(super) const UNIT: &str = "7c1fd2a6-5b1c-4b0e-9f57-0d1f1d6f7a11";

/// The ways of signing in, by unit. They begin as in the vendor's example: by password, and by `PingFederate`.
pub(super) struct Units {
    document: Arc<FakeDocument>,
    methods: HashMap<String, Vec<Value>>,
}

impl Units {
    pub(super) fn new(document: Arc<FakeDocument>) -> Self {
        let example = document.example("get_organization_unit_settings", 200);
        let methods = example["authenticationMethods"].as_array().cloned().unwrap_or_default();
        Self { document, methods: HashMap::from([(UNIT.to_owned(), methods)]) }
    }

    pub(super) fn get(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let methods = self.methods(ask)?;
        Ok(FakeAnswer::json(200, &json!({ "authenticationMethods": methods })))
    }

    /// Adds ways, none of which may be there already.
    pub(super) fn set(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let (invalid, conflict) = (self.refusal("set", 400), self.refusal("set", 409));
        let methods = self.methods(ask)?;
        let complete = |way: &Value| is_way(way) && way["name"].is_string() && is_status(way);
        let ways = ways(ask, complete).ok_or(invalid)?;
        if ways.iter().any(|way| methods.iter().any(|known| known["type"] == way["type"])) {
            return Err(conflict);
        }
        methods.extend(ways);
        Ok(FakeAnswer::json(200, &self.document.example("set_organization_unit_settings", 200)))
    }

    /// Switches ways on or off, all of which must be there. The password cannot be switched.
    pub(super) fn update(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let (invalid, missing) = (self.refusal("set", 400), self.refusal("update", 400));
        let methods = self.methods(ask)?;
        let ways = ways(ask, |way| way["type"] == "OAuth" && is_status(way)).ok_or(invalid)?;
        for way in ways {
            let known = methods.iter_mut().find(|known| known["type"] == way["type"]).ok_or(missing.clone())?;
            known["status"] = way["status"].clone();
        }
        self.get(ask)
    }

    /// Removes ways, all of which must be there.
    pub(super) fn delete(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let (invalid, missing) = (self.refusal("set", 400), self.refusal("delete", 400));
        let methods = self.methods(ask)?;
        let ways = ways(ask, is_way).ok_or(invalid)?;
        let is_there = |way: &Value| methods.iter().any(|known| known["type"] == way["type"]);
        if !ways.iter().all(is_there) {
            return Err(missing);
        }
        methods.retain(|known| !ways.iter().any(|way| known["type"] == way["type"]));
        Ok(FakeAnswer::empty(204))
    }

    fn methods(&mut self, ask: &FakeCall<'_>) -> Result<&mut Vec<Value>, FakeAnswer> {
        let unknown = self.refusal("get", 404);
        self.methods.get_mut(ask.parameter(0)).ok_or(unknown)
    }

    /// The vendor's example of a refusal.
    fn refusal(&self, verb: &str, status: u16) -> FakeAnswer {
        FakeAnswer::json(status, &self.document.example(&format!("{verb}_organization_unit_settings"), status))
    }
}

/// The ways that a body lists; none, if it lists nothing, or something that is not as it must be.
fn ways(ask: &FakeCall<'_>, is_right: impl Fn(&Value) -> bool) -> Option<Vec<Value>> {
    let ways = ask.json()?["settings"].as_array()?.clone();
    (!ways.is_empty() && ways.iter().all(is_right)).then_some(ways)
}

fn is_way(way: &Value) -> bool {
    way["type"] == "Password" || way["type"] == "OAuth"
}

fn is_status(way: &Value) -> bool {
    way["status"] == "Enabled" || way["status"] == "Disabled"
}
