//! The properties of a tenant; those that are not private make up its public configuration.

use super::answers::{done, needed, object, ok, page, refusal, text};
use crate::testing::exchange::{FakeCall, Outcome};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Clone, Default)]
pub(super) struct TenantProperties {
    /// By name, private or not.
    known: BTreeMap<(String, bool), TenantProperty>,
}

#[derive(Clone)]
struct TenantProperty {
    value: String,
    is_obfuscate: bool,
}

impl TenantProperties {
    pub(super) fn answer(&mut self, ask: &FakeCall<'_>) -> Outcome {
        match ask.operation() {
            "get_public_tenant_config" => Ok(ok(&self.public_config(ask))),
            "update_public_config" => self.update_public_config(ask),
            "get_tenant_properties" => page(ask, self.listed_properties(), &[]),
            "get_tenant_properties_schema" => Ok(ok(&json!({ "properties": [] }))),
            "upsert_tenant_property" => self.upsert_property(ask, Some(ask.parameter(0))),
            "upsert_tenant_property_in_body" => self.upsert_property(ask, None),
            "delete_tenant_property" => self.delete_property(ask),
            "get_catalog_tenant" => Ok(ok(&json!({ "id": ask.parameter(0), "properties": self.public_config(ask) }))),
            operation => unreachable!("the document has a new operation: {operation}"),
        }
    }

    fn public_config(&self, ask: &FakeCall<'_>) -> Value {
        let filter = ask.query("filter").unwrap_or_default();
        let public = self.known.iter().filter(|((name, private), _)| !private && name.starts_with(&filter));
        public.map(|((name, _), property)| (name.clone(), json!(property.value))).collect()
    }

    fn update_public_config(&mut self, ask: &FakeCall<'_>) -> Outcome {
        for (name, value) in object(ask)?.as_object().into_iter().flatten() {
            let value = value.as_str().ok_or_else(|| refusal(400, "The values must be texts"))?.to_owned();
            self.known.insert((name.clone(), false), TenantProperty { value, is_obfuscate: false });
        }
        Ok(done())
    }

    fn listed_properties(&self) -> Vec<Value> {
        let listed = self.known.iter().map(|((name, private), property)| {
            let value = if property.is_obfuscate { "******" } else { &property.value };
            let obfuscate = property.is_obfuscate;
            json!({ "property": name, "value": value, "isPrivate": private, "isObfuscate": obfuscate })
        });
        listed.collect()
    }

    /// The path names the property; where it does not, the body must.
    fn upsert_property(&mut self, ask: &FakeCall<'_>, name: Option<&str>) -> Outcome {
        let body = object(ask)?;
        let name = name.map_or_else(|| text(&body, "property"), Ok)?.to_owned();
        let value = text(&body, "value")?.to_owned();
        let is_obfuscate = body["isObfuscate"] == true;
        self.known.insert((name, body["isPrivate"] == true), TenantProperty { value, is_obfuscate });
        Ok(done())
    }

    fn delete_property(&mut self, ask: &FakeCall<'_>) -> Outcome {
        let private = needed(ask, "isPrivate")? == "true";
        let removed = self.known.remove(&(ask.parameter(0).to_owned(), private));
        removed.map(|_| done()).ok_or_else(|| refusal(404, "No such property"))
    }
}
