//! Who may make a call.

use super::marks::{CLIENT, ROLES};
use crate::{
    diagnostic::Diagnostics,
    document::{Document, Operation, list, members, text},
};
use std::collections::BTreeSet;

/// A scheme that no operation names, such as a vendor's client credentials, is satisfied by no session.
pub(super) fn security_schemes(document: &Document, diagnostics: &mut Diagnostics) {
    let alternatives = document.operations().flat_map(|operation| list(&operation.value["security"]));
    let used: BTreeSet<&str> = alternatives.flat_map(members).map(|(scheme, _)| scheme).collect();
    for (name, scheme) in used.iter().filter_map(|name| Some((name, document.security_scheme(name)?))) {
        let place = format!("security scheme `{name}`");
        match scheme["x-role"].as_str() {
            Some(role) if ROLES.contains(&role) => {}
            Some(role) => {
                diagnostics.add(&place, format!("`x-role` is `{role}`"), "say user, service, module, key or client")
            }
            None => diagnostics.add(
                &place,
                "`x-role` is missing",
                "say user, service, module or key: whose session it is; or client, if it is no session's",
            ),
        }
    }
}

pub(super) fn security(document: &Document, operation: Operation<'_>, diagnostics: &mut Diagnostics) {
    let place = operation.place();
    let Some(alternatives) = operation.value["security"].as_array() else {
        let cure = "say `[]` for none, or list one scheme per alternative";
        return diagnostics.add(&place, "`security` is missing", cure);
    };
    for alternative in alternatives {
        let schemes: Vec<&str> = members(alternative).map(|(name, _)| name).collect();
        let role = |scheme: &&str| document.security_scheme(scheme).map(|scheme| text(&scheme["x-role"]));
        let roles: BTreeSet<_> = schemes.iter().filter_map(role).collect();
        if schemes.is_empty() || roles.len() > 1 {
            let what = format!("a security alternative names {} schemes of {} roles", schemes.len(), roles.len());
            let cure = "name schemes of one role in each: one session satisfies all of them or none";
            diagnostics.add(&place, what, cure);
        }
        if roles.contains(CLIENT) && !operation.value["x-session-step"].is_string() {
            let what = "the client's own credentials open it, and it makes no session";
            diagnostics.add(&place, what, "say with `x-session-step` what it does, or name a session's scheme");
        }
        for scheme in schemes.into_iter().filter(|scheme| document.security_scheme(scheme).is_none()) {
            let cure = "declare it under `components/securitySchemes` with its `x-role`";
            diagnostics.add(&place, format!("the security scheme `{scheme}` is not declared"), cure);
        }
    }
}
