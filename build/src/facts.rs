//! The facts table: what the document says about each operation, as data.

use super::{
    diagnostic::Diagnosed,
    document::{
        Document, Operation, contents, is_json, is_secret, list, members, reference, schema_name, text, wire_name,
    },
    limits::{Limits, OperationLimits, pattern_tokens, rule_tokens},
    names,
    prepare::has_secret_in_url,
    reach::{Reach, all_members, is_named_type, is_union},
    shape::{Shaper, Side},
};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// Adds the table to the generated code, sorted by operation.
pub(crate) fn add(code: &mut syn::File, document: &Document, reach: &Reach, limits: &Limits) -> Diagnosed<()> {
    let operations = sorted(document);
    let none = OperationLimits::default();
    let mut shapes = Shapes::default();
    let rows = operations.iter().map(|operation| {
        let limits = limits.operations.get(operation.id()).unwrap_or(&none);
        row(document, reach, *operation, limits, &mut shapes)
    });
    let rows: Vec<_> = rows.collect();
    let shapes = shapes.tokens();
    let patterns = limits.patterns.iter().enumerate().filter_map(|(number, source)| pattern_tokens(number, source));
    let rules = limits.rules.iter().enumerate().map(|(number, rule)| rule_tokens(number, rule));
    let server_path = document.server_path();
    let table: syn::File = syn::parse_quote! {
        use crate::http::facts::*;

        /// The path of the document's first server: it stands between the platform's root and an operation's path.
        pub(crate) const SERVER_PATH: &str = #server_path;

        /// What the document says about each operation, sorted by operation.
        pub(crate) static FACTS: &[Facts] = &[#(#rows),*];

        #(#shapes)*
        #(#rules)*
        #(#patterns)*
    };
    code.items.extend(table.items);
    Ok(())
}

/// The operations in the order of the table.
fn sorted(document: &Document) -> Vec<Operation<'_>> {
    let mut operations: Vec<_> = document.operations().collect();
    operations.sort_by_cached_key(|operation| names::snake(operation.id()));
    operations
}

/// The row of each operation in the table, by its id.
pub(crate) fn rows(document: &Document) -> BTreeMap<&str, usize> {
    sorted(document).iter().enumerate().map(|(row, operation)| (operation.id(), row)).collect()
}

fn row<'d>(
    document: &'d Document,
    reach: &Reach,
    operation: Operation<'d>,
    limits: &OperationLimits,
    shapes: &mut Shapes<'d>,
) -> TokenStream {
    let id = names::snake(operation.id());
    let method = operation.method.to_uppercase();
    let path = format!("{}{}", document.server_path(), operation.path);
    let roles = roles(document, operation).into_iter().map(|role| format_ident!("{}", names::pascal(role)));
    let resend = operation.value["x-resend"] == true;
    let secret_url = has_secret_in_url(document, operation);
    let certainty = format_ident!("{}", names::pascal(text(&operation.value["x-certainty"])));
    let step = match operation.value["x-session-step"].as_str() {
        Some(step) => format_ident!("{}", names::pascal(step)),
        None => format_ident!("Call"),
    };
    let tenant = tenant(document, operation);
    let client = schemes(document, operation).any(|role| role == "client");
    // The wire of a hand-written operation reads its failures itself: nothing generated speaks of their types.
    let failures = if operation.is_hand_written() { Vec::new() } else { failures(document, reach, operation) };
    let answers = answers(document, operation, shapes);
    let body = optional(limits.body.as_ref().map(|rule| rule.tokens()).map(|rule| quote!(&#rule)));
    let parameters = limits.parameters.iter().map(|(place, name, rule)| {
        let (place, rule) = (format_ident!("{place}"), rule.tokens());
        quote!(LimitedParameter { place: ParameterPlace::#place, name: #name, rule: #rule })
    });
    let success = optional(success_member(document, operation).map(|(member, value)| quote!((#member, #value))));
    quote! {
        Facts {
            operation: #id,
            method: #method,
            path: #path,
            roles: &[#(Role::#roles),*],
            resend: #resend,
            secret_url: #secret_url,
            certainty: Certainty::#certainty,
            step: Step::#step,
            tenant: #tenant,
            client: #client,
            failures: &[#(#failures),*],
            answers: &[#(#answers),*],
            body: #body,
            parameters: &[#(#parameters),*],
            success: #success,
        }
    }
}

fn optional(value: Option<TokenStream>) -> TokenStream {
    match value {
        Some(value) => quote!(Some(#value)),
        None => quote!(None),
    }
}

/// Whose session may call the operation, in the document's order; no session's, if the client's own credentials open it.
pub(crate) fn roles<'d>(document: &'d Document, operation: Operation<'d>) -> Vec<&'d str> {
    let mut roles = Vec::new();
    for role in schemes(document, operation) {
        // The client's own credentials are no session's.
        if role != "client" && !roles.contains(&role) {
            roles.push(role);
        }
    }
    roles
}

/// The role of every scheme that an operation names.
fn schemes<'d>(document: &'d Document, operation: Operation<'d>) -> impl Iterator<Item = &'d str> {
    let named = list(&operation.value["security"]).iter().flat_map(members);
    named.filter_map(|(scheme, _)| document.security_scheme(scheme)).map(|scheme| text(&scheme["x-role"]))
}

fn tenant(document: &Document, operation: Operation<'_>) -> TokenStream {
    let declared = operation.parameters(document).into_iter().find(|p| p["x-tenant"] == true);
    let Some(header) = declared else { return quote!(TenantHeader::Undeclared) };
    let name = text(&header["name"]);
    if header["required"] == true {
        quote!(TenantHeader::Required(#name))
    } else {
        quote!(TenantHeader::Optional(#name))
    }
}

/// Typed bodies of the documented failures: exact statuses first, then ranges, `default` last.
fn failures(document: &Document, reach: &Reach, operation: Operation<'_>) -> Vec<TokenStream> {
    let mut found: Vec<(u16, u16, TokenStream)> = Vec::new();
    for (status, response) in operation.responses(document) {
        let Some((from, to)) = failure_range(status) else { continue };
        let is_json = |(media_type, _): &(&str, &Value)| is_json(media_type);
        let Some((_, schema)) = contents(response).into_iter().find(is_json) else { continue };
        found.push((from, to, rust_type(document, reach, schema)));
    }
    found.sort_by_key(|(from, to, _)| (to - from, *from));
    let rows = found.into_iter().map(
        |(from, to, body)| quote!(DocumentedFailure { from: #from, to: #to, body: ::std::any::TypeId::of::<#body> }),
    );
    rows.collect()
}

fn failure_range(status: &str) -> Option<(u16, u16)> {
    match range(status)? {
        _ if status == "default" => Some((400, 599)),
        (from, to) => (!(200..300).contains(&from) && (from == to || from >= 400)).then_some((from, to)),
    }
}

/// As deep as any answer is looked at: a schema may contain itself.
const DEEPEST: usize = 8;

/// Every documented answer and its shape: exact statuses first, then ranges, `default` last.
fn answers<'d>(document: &'d Document, operation: Operation<'d>, shapes: &mut Shapes<'d>) -> Vec<TokenStream> {
    // What makes a session is looked at to the bottom, everything else at its surface.
    let depth = if operation.value["x-session-step"].is_string() { DEEPEST } else { 1 };
    let mut found: Vec<(u16, u16, TokenStream)> = Vec::new();
    for (status, response) in operation.responses(document) {
        let Some((from, to)) = range(status) else { continue };
        let is_json = |(media_type, _): &(&str, &Value)| is_json(media_type);
        let schema = contents(response).into_iter().find(is_json).map(|(_, schema)| schema);
        let shape = schema.map_or_else(|| quote!(Shape::Anything), |schema| shapes.of(document, schema, depth));
        found.push((from, to, shapes.named(shape)));
    }
    found.sort_by_key(|(from, to, _)| (to - from, *from));
    found.into_iter().map(|(from, to, shape)| quote!((#from..=#to, &#shape))).collect()
}

fn range(status: &str) -> Option<(u16, u16)> {
    if status == "default" {
        return Some((100, 599));
    }
    if let Some(hundreds) = status.strip_suffix("XX") {
        let from = hundreds.parse::<u16>().ok().filter(|hundreds| (1..=5).contains(hundreds))? * 100;
        return Some((from, from + 99));
    }
    status.parse().ok().map(|status| (status, status))
}

/// The shapes of a document, each written once: most failures share one.
#[derive(Default)]
struct Shapes<'d> {
    numbers: HashMap<String, usize>,
    shapes: Vec<TokenStream>,
    /// Those of schemas that have a name, so many levels deep.
    of_schemas: HashMap<(&'d str, usize), TokenStream>,
}

impl<'d> Shapes<'d> {
    /// The names of the members that a schema knows, `depth` levels of them.
    fn of(&mut self, document: &'d Document, schema: &'d Value, depth: usize) -> TokenStream {
        let Some(name) = reference(schema).and_then(schema_name).filter(|_| depth > 0) else {
            return self.written(document, document.resolve(schema), depth);
        };
        if let Some(known) = self.of_schemas.get(&(name, depth)) {
            return known.clone();
        }
        let shape = self.written(document, document.resolve(schema), depth);
        let shape = if shape.to_string() == quote!(Shape::Anything).to_string() { shape } else { self.named(shape) };
        self.of_schemas.insert((name, depth), shape.clone());
        shape
    }

    fn written(&mut self, document: &'d Document, schema: &'d Value, depth: usize) -> TokenStream {
        if depth == 0 || is_union(schema) || schema.get("additionalProperties").is_some_and(|values| values != false) {
            return quote!(Shape::Anything);
        }
        if let [only] = list(&schema["allOf"]) {
            return self.of(document, only, depth);
        }
        if schema["type"] == "array" {
            let items = self.of(document, &schema["items"], depth - 1);
            return quote!(Shape::List(&#items));
        }
        let mut known = all_members(document, schema);
        if known.is_empty() {
            return quote!(Shape::Anything);
        }
        known.sort_by_key(|(name, member)| wire_name(name, member));
        known.dedup_by_key(|(name, member)| wire_name(name, member));
        let known = known.into_iter().map(|(name, schema)| {
            let name = wire_name(name, schema);
            let shape = self.of(document, schema, depth - 1);
            quote!((#name, #shape))
        });
        let known: Vec<_> = known.collect();
        quote!(Shape::Members(&[#(#known),*]))
    }

    /// The name of the constant that is this shape.
    fn named(&mut self, shape: TokenStream) -> TokenStream {
        let text = shape.to_string();
        if text.starts_with("SHAPE_") {
            return shape;
        }
        let next = self.shapes.len();
        let number = *self.numbers.entry(text).or_insert(next);
        if number == next {
            self.shapes.push(shape);
        }
        let name = format_ident!("SHAPE_{number}");
        quote!(#name)
    }

    fn tokens(&self) -> Vec<TokenStream> {
        let constant = |(number, shape)| {
            let name = format_ident!("SHAPE_{number}");
            quote!(const #name: Shape = #shape;)
        };
        self.shapes.iter().enumerate().map(constant).collect()
    }
}

/// The Rust type of an answer's schema.
fn rust_type(document: &Document, reach: &Reach, schema: &Value) -> TokenStream {
    type_of(Shaper { document, reach, side: Side::Answer }, schema)
}

/// The Rust type of a schema, as the generator writes it.
pub(crate) fn type_of(shaper: Shaper<'_>, schema: &Value) -> TokenStream {
    let document = shaper.document;
    if let Some(name) = reference(schema).and_then(schema_name) {
        let target = document.schema(name);
        if !is_named_type(target) {
            return type_of(shaper, target);
        }
        let name = format_ident!("{}", names::pascal(&shaper.type_name(name)));
        return quote!(types::#name);
    }
    if let [only] = list(&schema["allOf"]) {
        return type_of(shaper, only);
    }
    match text(&schema["type"]) {
        "string" if is_secret(schema) => quote!(crate::Secret),
        "string" => quote!(::std::string::String),
        "boolean" => quote!(bool),
        "integer" => quote!(i64),
        "number" => quote!(f64),
        "array" => {
            let item = type_of(shaper, &schema["items"]);
            quote!(::std::vec::Vec<#item>)
        }
        "object" if schema["additionalProperties"].is_object() => {
            let value = type_of(shaper, &schema["additionalProperties"]);
            quote!(::std::collections::BTreeMap<::std::string::String, #value>)
        }
        _ => quote!(::serde_json::Value),
    }
}

/// The member of a 2xx that tells success from failure: marked on the answer's schema, the answer or the operation.
pub(crate) fn success_member(document: &Document, operation: Operation<'_>) -> Option<(String, String)> {
    let successes = operation.successes(document);
    let of_answers = successes.iter().flat_map(|(_, response)| {
        let of_schemas = contents(response).into_iter().map(|(_, schema)| document.resolve(schema));
        of_schemas.chain([*response])
    });
    let mark = of_answers.chain([operation.value]).find_map(|marked| marked.get("x-success-member"))?;
    let value = match &mark["value"] {
        Value::String(value) => value.clone(),
        other => other.to_string(),
    };
    Some((text(&mark["member"]).to_owned(), value))
}
