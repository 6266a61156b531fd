//! The limits of request bodies and parameters, as tables that are checked before anything is sent.
//!
//! Answers have no limits: they are read as they come.

use super::{
    diagnostic::{Diagnosed, Diagnostics},
    document::{Document, Operation, children, list, members, reference, schema_name, text, wire_name},
    pattern,
    prepare::is_set_by_us,
    reach::is_choice,
};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Everything a document limits.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    pub(crate) operations: BTreeMap<String, OperationLimits>,
    /// The patterns in use, each once: the table refers to them by number.
    pub(crate) patterns: Vec<String>,
    /// The rules of schemas that have a name, each once: what refers to a schema refers to its rule.
    pub(crate) rules: Vec<Rule>,
}

#[derive(Debug, Default)]
pub(crate) struct OperationLimits {
    pub(crate) body: Option<Rule>,
    /// Place, name and rule of each limited parameter.
    pub(crate) parameters: Vec<(&'static str, String, Rule)>,
}

/// The limits of one value.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Rule {
    /// It is that of a schema with a name, and nothing else.
    named: Option<usize>,
    min_length: Option<u64>,
    max_length: Option<u64>,
    min_items: Option<u64>,
    max_items: Option<u64>,
    minimum: Option<f64>,
    maximum: Option<f64>,
    uuid: bool,
    pattern: Option<usize>,
    items: Option<Box<Rule>>,
    values: Option<Box<Rule>>,
    members: Vec<(String, Rule)>,
}

/// Limits further down than that are the vendor's to check: a schema may contain itself.
const DEEPEST: usize = 5;

/// Limits that no code would check.
const UNCHECKED: &[&str] =
    &["exclusiveMinimum", "exclusiveMaximum", "multipleOf", "uniqueItems", "minProperties", "maxProperties"];

pub(crate) fn of(document: &Document) -> Diagnosed<Limits> {
    let mut reader = Reader {
        document,
        limits: Limits::default(),
        numbers: HashMap::new(),
        named: HashMap::new(),
        written: HashMap::new(),
        diagnostics: Diagnostics::about(&document.file),
    };
    for operation in document.generated() {
        reader.read(operation);
    }
    reader.diagnostics.or(reader.limits)
}

struct Reader<'d> {
    document: &'d Document,
    limits: Limits,
    /// The numbers of the patterns.
    numbers: HashMap<String, usize>,
    /// The numbers of the rules of schemas, as so many references down; `None` if they have none.
    named: HashMap<(&'d str, usize), Option<usize>>,
    /// The numbers of the rules, as they are written.
    written: HashMap<String, usize>,
    diagnostics: Diagnostics,
}

impl<'d> Reader<'d> {
    fn read(&mut self, operation: Operation<'d>) {
        let place = operation.place();
        let mut found = OperationLimits::default();
        let is_json = self.document.resolve(&operation.value["requestBody"]).get("x-body").is_none();
        if let Some((_, schema)) = operation.bodies(self.document).first().filter(|_| is_json) {
            found.body = self.rule(&place, schema, &mut Vec::new());
        }
        for parameter in operation.parameters(self.document) {
            if !is_set_by_us(parameter) {
                found.parameters.extend(self.parameter(&place, parameter));
            }
        }
        self.limits.operations.insert(operation.id().to_owned(), found);
    }

    /// A query object stands for its members.
    fn parameter(&mut self, operation: &str, parameter: &'d Value) -> Vec<(&'static str, String, Rule)> {
        let place = match text(&parameter["in"]) {
            "path" => "Path",
            "query" => "Query",
            _ => "Header",
        };
        let name = text(&parameter["name"]).to_owned();
        match self.rule(operation, &parameter["schema"], &mut Vec::new()) {
            None => Vec::new(),
            Some(rule) => match self.written_out(rule) {
                rule if rule.members.is_empty() => vec![(place, name, rule)],
                rule => rule.members.into_iter().map(|(name, rule)| (place, name, rule)).collect(),
            },
        }
    }

    /// The limits of a schema and of all below it; `None` if there are none.
    fn rule(&mut self, operation: &str, schema: &'d Value, path: &mut Vec<&'d str>) -> Option<Rule> {
        if let Some(name) = reference(schema).and_then(schema_name) {
            return self.referred(operation, name, path);
        }
        let mut rule = self.own(operation, schema);
        rule.items = schema.get("items").and_then(|items| self.rule(operation, items, path)).map(Box::new);
        let values = schema.get("additionalProperties").filter(|values| values.is_object());
        rule.values = values.and_then(|values| self.rule(operation, values, path)).map(Box::new);
        for (name, member) in members(&schema["properties"]) {
            let below = self.rule(operation, member, path);
            rule.members.extend(below.map(|below| (wire_name(name, member).to_owned(), below)));
        }
        // The limits of one alternative are none of another's.
        let keys: &[&str] = if is_choice(schema) { &["allOf"] } else { &["allOf", "oneOf", "anyOf"] };
        for key in keys {
            for part in list(&schema[*key]) {
                let Some(part) = self.rule(operation, part, path) else { continue };
                if rule == Rule::default() {
                    rule = part;
                    continue;
                }
                // Alternatives are of different JSON types, so that the limits of one never meet another.
                rule = self.written_out(rule);
                rule.add(self.written_out(part));
            }
        }
        (rule != Rule::default()).then_some(rule)
    }

    /// A rule in its own words.
    fn written_out(&self, rule: Rule) -> Rule {
        rule.named.map_or(rule, |number| self.limits.rules[number].clone())
    }

    fn referred(&mut self, operation: &str, name: &'d str, path: &mut Vec<&'d str>) -> Option<Rule> {
        let schema = self.document.schema(name);
        if self.document.own && path.contains(&name) {
            // A table cannot contain itself. Without a limit inside there is nothing to check for ever.
            if is_limited(self.document, schema, &mut BTreeSet::new()) {
                let what = format!("schema `{name}` contains itself and has limits");
                self.diagnostics.add(operation, what, "describe the limits in words instead");
            }
            return None;
        }
        if !self.document.own && path.len() >= DEEPEST {
            return None;
        }
        // Of a document of others so many references down are left; ours are followed to their end.
        let depth = if self.document.own { 0 } else { path.len() };
        let number = match self.named.get(&(name, depth)) {
            Some(number) => *number,
            None => {
                path.push(name);
                let rule = self.rule(operation, schema, path);
                path.pop();
                let number = rule.map(|rule| self.numbered(rule));
                self.named.insert((name, depth), number);
                number
            }
        };
        number.map(|number| Rule { named: Some(number), ..Rule::default() })
    }

    fn numbered(&mut self, rule: Rule) -> usize {
        if let Some(number) = rule.named {
            return number;
        }
        let next = self.limits.rules.len();
        let number = *self.written.entry(rule.tokens().to_string()).or_insert(next);
        if number == next {
            self.limits.rules.push(rule);
        }
        number
    }

    fn own(&mut self, operation: &str, schema: &Value) -> Rule {
        for limit in UNCHECKED.iter().filter(|limit| schema.get(**limit).is_some()) {
            let what = format!("a request uses `{limit}`, which nobody would check");
            self.diagnostics.add(operation, what, "describe the limit in words instead");
        }
        Rule {
            min_length: schema["minLength"].as_u64(),
            max_length: schema["maxLength"].as_u64(),
            min_items: schema["minItems"].as_u64().filter(|min| *min > 0),
            max_items: schema["maxItems"].as_u64(),
            minimum: schema["minimum"].as_f64(),
            maximum: schema["maximum"].as_f64(),
            uuid: schema["format"] == "uuid",
            pattern: exact_pattern(schema).and_then(|pattern| self.pattern(operation, pattern)),
            ..Rule::default()
        }
    }

    fn pattern(&mut self, operation: &str, pattern: &str) -> Option<usize> {
        if let Err((what, cure)) = pattern::parse(pattern) {
            self.diagnostics.add(operation, what, cure);
            return None;
        }
        let next = self.limits.patterns.len();
        let number = *self.numbers.entry(pattern.to_owned()).or_insert(next);
        if number == next {
            self.limits.patterns.push(pattern.to_owned());
        }
        Some(number)
    }
}

impl Rule {
    fn add(&mut self, other: Rule) {
        self.min_length = self.min_length.max(other.min_length);
        self.max_length = smaller(self.max_length, other.max_length);
        self.min_items = self.min_items.max(other.min_items);
        self.max_items = smaller(self.max_items, other.max_items);
        self.minimum = self.minimum.or(other.minimum);
        self.maximum = self.maximum.or(other.maximum);
        self.uuid |= other.uuid;
        self.pattern = self.pattern.or(other.pattern);
        self.items = self.items.take().or(other.items);
        self.values = self.values.take().or(other.values);
        self.members.extend(other.members);
    }

    /// The rule as a constant of the generated code.
    pub(crate) fn tokens(&self) -> TokenStream {
        if let Some(number) = self.named {
            let name = rule_name(number);
            return quote!(#name);
        }
        let mut fields = Vec::new();
        let counts = [
            ("min_length", self.min_length),
            ("max_length", self.max_length),
            ("min_items", self.min_items),
            ("max_items", self.max_items),
        ];
        for (name, count) in counts {
            let (name, count) = (format_ident!("{name}"), count.and_then(|count| usize::try_from(count).ok()));
            fields.extend(count.map(|count| quote!(#name: Some(#count))));
        }
        fields.extend(self.minimum.map(|minimum| quote!(minimum: Some(#minimum))));
        fields.extend(self.maximum.map(|maximum| quote!(maximum: Some(#maximum))));
        fields.extend(self.uuid.then(|| quote!(uuid: true)));
        fields.extend(self.pattern.map(pattern_name).map(|pattern| quote!(pattern: Some(&#pattern))));
        for (name, below) in [("items", &self.items), ("values", &self.values)] {
            let (name, below) = (format_ident!("{name}"), below.as_ref().map(|below| below.tokens()));
            fields.extend(below.map(|below| quote!(#name: Some(&#below))));
        }
        if !self.members.is_empty() {
            let members = self.members.iter().map(|(name, rule)| (name, rule.tokens()));
            let members = members.map(|(name, rule)| quote!((#name, #rule)));
            fields.push(quote!(members: &[#(#members),*]));
        }
        quote!(Rule { #(#fields,)* ..Rule::ANY })
    }
}

/// Beside a pattern that every tool can read there may be the one that the vendor means: it counts.
fn exact_pattern(schema: &Value) -> Option<&str> {
    schema["x-exact-pattern"].as_str().or(schema["pattern"].as_str())
}

/// `static PATTERN_0: Pattern = …`
pub(crate) fn pattern_tokens(number: usize, source: &str) -> Option<TokenStream> {
    let shape = pattern::parse(source).ok()?;
    let (name, prefix) = (pattern_name(number), shape.prefix);
    let ranges = shape.ranges.iter().map(|(from, to)| quote!((#from, #to)));
    let min = usize::try_from(shape.min).ok()?;
    let max = match shape.max.map(usize::try_from) {
        Some(Ok(max)) => quote!(Some(#max)),
        _ => quote!(None),
    };
    Some(quote! {
        static #name: Pattern = Pattern {
            source: #source,
            prefix: #prefix,
            ranges: &[#(#ranges),*],
            min: #min,
            max: #max,
        };
    })
}

/// `const RULE_0: Rule = …`
pub(crate) fn rule_tokens(number: usize, rule: &Rule) -> TokenStream {
    let (name, rule) = (rule_name(number), rule.tokens());
    quote!(const #name: Rule = #rule;)
}

fn rule_name(number: usize) -> proc_macro2::Ident {
    format_ident!("RULE_{number}")
}

fn pattern_name(number: usize) -> proc_macro2::Ident {
    format_ident!("PATTERN_{number}")
}

fn smaller(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}

fn is_limited<'d>(document: &'d Document, schema: &'d Value, seen: &mut BTreeSet<&'d str>) -> bool {
    if let Some(name) = reference(schema).and_then(schema_name) {
        return seen.insert(name) && is_limited(document, document.schema(name), seen);
    }
    let limits = ["minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "pattern"];
    let here = limits.iter().any(|limit| schema.get(*limit).is_some()) || schema["format"] == "uuid";
    here || children(schema).into_iter().any(|(_, child)| is_limited(document, child, seen))
}
