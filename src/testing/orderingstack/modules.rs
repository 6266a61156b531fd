//! The modules of a tenant, such as kiosks, and their settings.

use super::answers::{TenantCaller, done, needed, no_module, object, ok, page, refusal, set, text};
use crate::testing::{
    calendar,
    exchange::{FakeAnswer, FakeCall, Outcome},
    mint::uuid,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::SystemTime};

#[derive(Clone, Default)]
pub(super) struct TenantModules {
    known: Vec<Value>,
    /// What all modules of a type share.
    common_configs: BTreeMap<String, Value>,
}

impl TenantModules {
    pub(super) fn add(&mut self, id: &str, kind: &str, now: SystemTime) {
        let dto = json!({ "id": id, "type": kind, "venue": "venue-1", "config": { "printer": "on" } });
        self.known.push(module(&dto, "system", now));
    }

    /// Which user a module acts for, if there is such a module.
    pub(super) fn user_of(&self, id: &str) -> Option<String> {
        let module = self.find(id).ok()?;
        Some(module["user"].as_str().map_or_else(uuid, str::to_owned))
    }

    pub(super) fn answer(&mut self, ask: &FakeCall<'_>, caller: &TenantCaller<'_>) -> Outcome {
        match ask.operation() {
            "get_module" | "get_catalog_module" => self.find(ask.parameter(0)).map(|module| ok(&module)),
            "create_module" => self.create_module(ask, caller),
            "update_module" => self.update_module(ask, caller),
            "delete_module" => self.delete_module(ask.parameter(0)),
            "get_modules_list" | "list_all_modules" | "find_module_config" => {
                page(ask, self.known.clone(), &["id", "type", "venue"])
            }
            "get_module_common_config_of_type" => Ok(ok(&self.common_config(ask.parameter(0)))),
            "set_module_common_config" => self.set_common_config(ask),
            // What ends with it is the token's business.
            "logout_module" => self.find(ask.parameter(0)).map(|_| done()),
            "get_module_config" => self.module_config(caller),
            "get_module_common_config" => {
                let kind = self.module_of(caller)?["type"].as_str().unwrap_or_default().to_owned();
                Ok(ok(&json!({ "type": kind, "properties": self.common_config(&kind) })))
            }
            "get_venue_module_config" => self.venue_config(ask),
            operation => unreachable!("the document has a new operation: {operation}"),
        }
    }

    fn find(&self, id: &str) -> Result<Value, FakeAnswer> {
        let module = self.known.iter().find(|module| module["id"] == id);
        module.cloned().ok_or_else(|| refusal(404, "No such module"))
    }

    /// The module that the token names.
    fn module_of(&self, caller: &TenantCaller<'_>) -> Result<Value, FakeAnswer> {
        let module = caller.module.and_then(|id| self.find(id).ok());
        module.ok_or_else(no_module)
    }

    fn create_module(&mut self, ask: &FakeCall<'_>, caller: &TenantCaller<'_>) -> Outcome {
        let body = object(ask)?;
        text(&body, "id")?;
        text(&body, "type")?;
        if self.known.iter().any(|module| module["id"] == body["id"]) {
            return Err(refusal(400, "There is such a module already"));
        }
        self.known.push(module(&body, caller.user, ask.now));
        Ok(done())
    }

    fn update_module(&mut self, ask: &FakeCall<'_>, caller: &TenantCaller<'_>) -> Outcome {
        let body = object(ask)?;
        text(&body, "id")?;
        text(&body, "type")?;
        let mut known = self.known.iter_mut().filter(|module| module["id"] == ask.parameter(0));
        let module = known.next().ok_or_else(|| refusal(404, "No such module"))?;
        set(module, &body, &["type", "production", "user", "venue", "config", "extra"]);
        module["updated"] = json!(calendar::iso(ask.now));
        module["updatedBy"] = json!(caller.user);
        Ok(done())
    }

    fn delete_module(&mut self, id: &str) -> Outcome {
        self.find(id)?;
        self.known.retain(|module| module["id"] != id);
        Ok(done())
    }

    fn module_config(&self, caller: &TenantCaller<'_>) -> Outcome {
        let mut module = self.module_of(caller)?;
        module["configSignature"] = json!(format!("signature of {}", module["config"]));
        Ok(ok(&module))
    }

    fn venue_config(&self, ask: &FakeCall<'_>) -> Outcome {
        let kind = needed(ask, "type")?;
        let (name, value) = (ask.query("filterConfigName"), ask.query("filterConfigValue"));
        let fits = |module: &&Value| match (&name, &value) {
            (Some(name), Some(value)) => module["config"][name] == *value.as_str(),
            _ => true,
        };
        let here = self.known.iter().filter(|module| module["venue"] == ask.parameter(0) && module["type"] == *kind);
        here.filter(fits).map(ok).next().ok_or_else(|| refusal(404, "No such module"))
    }

    fn common_config(&self, kind: &str) -> Value {
        self.common_configs.get(kind).cloned().unwrap_or_else(|| json!({}))
    }

    fn set_common_config(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let config = object(ask)?;
        self.common_configs.insert(ask.parameter(0).to_owned(), config);
        Ok(done())
    }
}

/// The module that a request describes.
fn module(dto: &Value, by: &str, now: SystemTime) -> Value {
    let mut module = json!({ "id": dto["id"], "production": false, "venue": "", "config": {}, "extra": {} });
    set(&mut module, dto, &["type", "production", "user", "venue", "config", "extra"]);
    module["created"] = json!(calendar::iso(now));
    module["createdBy"] = json!(by);
    module
}
