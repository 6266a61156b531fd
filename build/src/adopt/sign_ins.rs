//! How one signs in at the vendor, as far as its document says: the flows of its security schemes.

use super::{Adopter, filled_in, members, text_of};
use crate::document::list;
use serde_json::{Value, json};

/// The flows of OpenAPI, and what ours are called.
const FLOWS: [(&str, &str); 5] = [
    ("clientCredentials", "ClientCredentials"),
    ("password", "Password"),
    ("authorizationCode", "AuthorizationCode"),
    ("implicit", "Implicit"),
    ("deviceAuthorization", "Device"),
];

impl Adopter<'_> {
    /// `origin` of the first server, and the `flows`, each with its scheme.
    pub(super) fn sign_ins(&self) -> Value {
        let first = list(&self.raw["servers"]).iter().find(|server| server["url"].is_string());
        let first = first.map(filled_in);
        let origin = first.as_deref().and_then(origin);
        let mut flows = Vec::new();
        for (name, scheme) in members(&self.raw["components"]["securitySchemes"]) {
            let scheme = self.resolved(scheme).unwrap_or(&Value::Null);
            match text_of(&scheme["type"]) {
                "oauth2" => flows.extend(FLOWS.iter().filter_map(|(theirs, ours)| {
                    let flow = scheme["flows"].get(*theirs).filter(|flow| flow.is_object())?;
                    Some(of_flow(name, ours, flow, &scheme["oauth2MetadataUrl"]))
                })),
                "openIdConnect" => flows.push(json!({
                    "scheme": name,
                    "kind": "OpenIdConnect",
                    "metadata": scheme["openIdConnectUrl"],
                    "scopes": [],
                })),
                _ => {}
            }
        }
        json!({ "origin": origin, "flows": flows })
    }
}

fn of_flow(scheme: &str, kind: &str, flow: &Value, metadata: &Value) -> Value {
    let scopes: Vec<&str> = members(&flow["scopes"]).map(|(scope, _)| scope).collect();
    json!({
        "scheme": scheme,
        "kind": kind,
        "token": flow["tokenUrl"],
        "authorization": flow["authorizationUrl"],
        "device": flow["deviceAuthorizationUrl"],
        "refresh": flow["refreshUrl"],
        "metadata": metadata,
        "scopes": scopes,
    })
}

/// Scheme, host and port of a whole address.
fn origin(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let is_whole = matches!(scheme, "https" | "http") && host > 0 && !rest[..host].contains(['{', '@']);
    is_whole.then(|| &url[..scheme.len() + 3 + host])
}
