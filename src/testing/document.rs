//! A bundled document, read for what a fake needs of it: which operations there are, and the vendor's own examples.

use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::collections::HashMap;

/// What the fakes call a request that is no operation of the document, but at a path which the fake serves beside it.
pub(super) const OTHER: &str = "other";
/// What the fakes call a request that they know nothing of.
pub(super) const UNKNOWN: &str = "unknown";

/// The operations of one surface.
pub(super) struct FakeDocument {
    routes: Vec<Route>,
    /// By operation and status.
    examples: HashMap<(String, u16), Value>,
    /// The security schemes, each of which alone opens an operation.
    schemes: HashMap<String, Vec<String>>,
}

struct Route {
    operation: String,
    method: String,
    template: String,
}

/// Which operation a request means.
pub(super) struct Match {
    pub(super) operation: String,
    /// The path as the document writes it. No secret stands in it.
    pub(super) template: String,
    /// Values of the path's parameters, decoded.
    pub(super) parameters: Vec<String>,
}

impl FakeDocument {
    /// Reads an OpenAPI document. `prefix` is the path of its server, which its own paths leave out.
    pub(super) fn read(json: &str, prefix: &str) -> Self {
        let document: Value = serde_json::from_str(json).expect("the bundled document is JSON");
        let mut read = Self { routes: Vec::new(), examples: HashMap::new(), schemes: HashMap::new() };
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                if let Some(id) = operation["x-name"].as_str().or(operation["operationId"].as_str()) {
                    read = read.also(&snake_case(id), &method.to_uppercase(), &format!("{prefix}{path}"));
                    read.keep_examples(&snake_case(id), &operation["responses"]);
                    let alternatives =
                        operation["security"].as_array().into_iter().flatten().filter_map(Value::as_object);
                    let schemes = alternatives.flat_map(|scheme| scheme.keys().cloned()).collect();
                    read.schemes.insert(snake_case(id), schemes);
                }
            }
        }
        read
    }

    /// Adds a route which the document does not have.
    pub(super) fn also(mut self, operation: &str, method: &str, template: &str) -> Self {
        let (operation, method, template) = (operation.to_owned(), method.to_owned(), template.to_owned());
        self.routes.push(Route { operation, method, template });
        self
    }

    fn keep_examples(&mut self, operation: &str, responses: &Value) {
        for (status, response) in responses.as_object().into_iter().flatten() {
            for content in response["content"].as_object().into_iter().flat_map(|media| media.values()) {
                if let (Ok(status), Some(example)) = (status.parse(), content.get("example")) {
                    self.examples.insert((operation.to_owned(), status), example.clone());
                }
            }
        }
    }

    /// The vendor's own example of an answer.
    pub(super) fn example(&self, operation: &str, status: u16) -> Value {
        let example = self.examples.get(&(operation.to_owned(), status));
        example.unwrap_or_else(|| panic!("the document has no example of `{operation}` answered with {status}")).clone()
    }

    /// Whether a session under this security scheme may make the call.
    pub(super) fn admits(&self, operation: &str, scheme: &str) -> bool {
        self.schemes.get(operation).is_some_and(|schemes| schemes.iter().any(|known| known == scheme))
    }

    /// Panics with a sentence if there is no such operation: a mistyped name must not count as "never called".
    #[track_caller]
    pub(super) fn check(&self, operation: &str) {
        let mut known: Vec<&str> =
            self.routes.iter().map(|route| route.operation.as_str()).chain([OTHER, UNKNOWN]).collect();
        known.sort_unstable();
        known.dedup();
        assert!(known.contains(&operation), "this fake knows no operation `{operation}`, only {}", known.join(", "));
    }

    /// The operation that a request means: the route with the fewest parameters, if several fit. `beside` says which other
    /// paths are served.
    pub(super) fn find(&self, method: &str, path: &str, beside: impl FnOnce() -> bool) -> Match {
        let fitting = self.routes.iter().filter(|route| route.method == method);
        let fitting = fitting.filter_map(|route| Some((route, parameters(&route.template, path)?)));
        match fitting.min_by_key(|(_, parameters)| parameters.len()) {
            Some((route, parameters)) => {
                Match { operation: route.operation.clone(), template: route.template.clone(), parameters }
            }
            None => {
                let operation = if beside() { OTHER } else { UNKNOWN };
                Match { operation: operation.to_owned(), template: self.without_secrets(path), parameters: Vec::new() }
            }
        }
    }

    /// A path that fits no route, cut where a route has a parameter: a token with a bare slash in it must not show.
    fn without_secrets(&self, path: &str) -> String {
        let fixed_parts = self.routes.iter().filter_map(|route| Some(route.template.split_once('{')?.0));
        match fixed_parts.filter(|fixed| path.starts_with(fixed)).max_by_key(|fixed| fixed.len()) {
            Some(fixed) => format!("{fixed}…"),
            None => path.to_owned(),
        }
    }
}

/// The values that make `path` of `template`; none if it does not fit.
pub(super) fn parameters(template: &str, path: &str) -> Option<Vec<String>> {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    if template.len() != path.len() {
        return None;
    }
    let mut parameters = Vec::new();
    for (expected, segment) in template.into_iter().zip(path) {
        if expected.starts_with('{') {
            parameters.push(percent_decode_str(segment).decode_utf8_lossy().into_owned());
        } else if expected != segment {
            return None;
        }
    }
    Some(parameters)
}

/// `getToken` is `get_token`: the names that the typed methods have.
fn snake_case(id: &str) -> String {
    let mut name = String::new();
    for letter in id.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
    }
    name
}
