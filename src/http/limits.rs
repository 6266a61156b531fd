//! The document's limits of a request, checked before anything is sent.

use super::{
    facts::{Facts, LimitedParameter, ParameterPlace, Pattern, Rule},
    json::named_values,
};
use crate::{Error, ErrorKind, Validation};
use percent_encoding::percent_decode_str;
use reqwest::{Request, header::CONTENT_TYPE};
use serde_json::Value;
use std::borrow::Cow;

/// Refuses a request that breaks a limit, naming every field that does. Values are never named: they may be secrets.
pub(crate) fn check(facts: &Facts, request: &Request) -> Result<(), Error> {
    if facts.parameters.is_empty() && facts.body.is_none() {
        return Ok(());
    }
    let mut broken = Broken::default();
    for parameter in facts.parameters {
        check_parameter(facts, parameter, request, &mut broken);
    }
    if let (Some(rule), Some(body)) = (facts.body, body_of(request)) {
        check_value(rule, &body, "", &mut broken);
    }
    broken.into_result()
}

/// What was refused, in the order of the request.
#[derive(Default)]
struct Broken(Vec<(String, String)>);

impl Broken {
    fn add(&mut self, field: &str, why: impl Into<String>) {
        // A body that is no object has no field to name.
        let field = if field.is_empty() { "body" } else { field };
        self.0.push((field.to_owned(), why.into()));
    }

    fn into_result(self) -> Result<(), Error> {
        let mut all = self.0.into_iter();
        let Some((field, why)) = all.next() else { return Ok(()) };
        if all.len() == 0 {
            return Err(Error::refused_field(&field, &why));
        }
        let others =
            if all.len() == 1 { "1 more value is".to_owned() } else { format!("{} more values are", all.len()) };
        let message = format!("`{field}` {why}, and {others} refused; nothing was sent");
        let mut fields = Validation::new();
        fields.insert(field, vec![why]);
        all.for_each(|(field, why)| fields.entry(field).or_default().push(why));
        Err(Error::new(ErrorKind::Validation, message).with_validation(fields).local())
    }
}

// ---- where values stand ----

fn check_parameter(facts: &Facts, parameter: &LimitedParameter, request: &Request, broken: &mut Broken) {
    let values = match parameter.place {
        ParameterPlace::Path => path_value(facts.path, request.url().path(), parameter.name).into_iter().collect(),
        ParameterPlace::Query => query_values(request, parameter.name),
        ParameterPlace::Header => header_values(request, parameter.name),
    };
    check_texts(&parameter.rule, parameter.name, &values, broken);
}

/// The value that stands in the place of `{name}`. The base URL may have a path of its own in front.
fn path_value(template: &str, path: &str, name: &str) -> Option<String> {
    let mut templates = template.rsplit('/');
    let mut segments = path.rsplit('/');
    let place =
        templates.position(|segment| segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) == Some(name))?;
    segments.nth(place).map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
}

fn query_values(request: &Request, name: &str) -> Vec<String> {
    let named = request.url().query_pairs().filter(|(key, _)| key == name);
    named.map(|(_, value)| value.into_owned()).collect()
}

fn header_values(request: &Request, name: &str) -> Vec<String> {
    let values = request.headers().get_all(name).iter();
    values.filter_map(|value| Some(value.to_str().ok()?.to_owned())).collect()
}

/// A JSON or form body. Any other has no limits.
fn body_of(request: &Request) -> Option<Value> {
    let body = request.body()?.as_bytes()?;
    let media_type = request.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    if media_type.starts_with("application/x-www-form-urlencoded") {
        let fields = url::form_urlencoded::parse(body).map(|(k, v)| (k.into_owned(), Value::from(v.into_owned())));
        return Some(Value::Object(named_values(fields)));
    }
    serde_json::from_slice(body).ok()
}

// ---- values against rules ----

fn check_value(rule: &Rule, value: &Value, field: &str, broken: &mut Broken) {
    match value {
        // In a form every value is a text, numbers too.
        Value::String(text) => check_text_or_number(rule, text, field, broken),
        Value::Number(number) => check_number(rule, number.as_f64(), field, broken),
        Value::Array(items) => {
            check_count(rule, items.len(), field, broken);
            let Some(of_items) = rule.items else { return };
            for (index, item) in items.iter().enumerate() {
                check_value(of_items, item, &format!("{field}[{index}]"), broken);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                let field = if field.is_empty() { name.clone() } else { format!("{field}.{name}") };
                let declared = rule.members.iter().find(|(declared, _)| declared == name).map(|(_, rule)| rule);
                if let Some(rule) = declared.or(rule.values) {
                    check_value(rule, value, &field, broken);
                }
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// A parameter: a list is sent as several values of one name.
fn check_texts(rule: &Rule, field: &str, values: &[String], broken: &mut Broken) {
    let is_list = rule.items.is_some() || rule.min_items.is_some() || rule.max_items.is_some();
    if !is_list {
        return values.iter().for_each(|value| check_text_or_number(rule, value, field, broken));
    }
    if values.is_empty() {
        return; // left out
    }
    check_count(rule, values.len(), field, broken);
    let Some(of_items) = rule.items else { return };
    for (index, value) in values.iter().enumerate() {
        check_text_or_number(of_items, value, &format!("{field}[{index}]"), broken);
    }
}

fn check_text_or_number(rule: &Rule, text: &str, field: &str, broken: &mut Broken) {
    check_text(rule, text, field, broken);
    check_number(rule, text.parse().ok(), field, broken);
}

fn check_text(rule: &Rule, text: &str, field: &str, broken: &mut Broken) {
    let length = text.chars().count();
    if let Some(min) = rule.min_length.filter(|min| length < *min) {
        broken.add(field, format!("must have at least {min} {}", plural(min, "character")));
    }
    if let Some(max) = rule.max_length.filter(|max| length > *max) {
        broken.add(field, format!("must have at most {max} {}", plural(max, "character")));
    }
    if rule.uuid && !is_uuid(text) {
        broken.add(field, "must be a UUID");
    }
    if let Some(pattern) = rule.pattern.filter(|pattern| !matches(pattern, text)) {
        broken.add(field, format!("must match {}", pattern.source));
    }
}

fn check_number(rule: &Rule, number: Option<f64>, field: &str, broken: &mut Broken) {
    let Some(number) = number else { return };
    if let Some(minimum) = rule.minimum.filter(|minimum| number < *minimum) {
        broken.add(field, format!("must be at least {minimum}"));
    }
    if let Some(maximum) = rule.maximum.filter(|maximum| number > *maximum) {
        broken.add(field, format!("must be at most {maximum}"));
    }
}

fn check_count(rule: &Rule, count: usize, field: &str, broken: &mut Broken) {
    if let Some(min) = rule.min_items.filter(|min| count < *min) {
        broken.add(field, format!("must have at least {min} {}", plural(min, "item")));
    }
    if let Some(max) = rule.max_items.filter(|max| count > *max) {
        broken.add(field, format!("must have at most {max} {}", plural(max, "item")));
    }
}

fn plural(count: usize, word: &str) -> Cow<'_, str> {
    if count == 1 { word.into() } else { format!("{word}s").into() }
}

fn matches(pattern: &Pattern, text: &str) -> bool {
    let Some(text) = text.strip_prefix(pattern.prefix) else { return false };
    let length = text.chars().count();
    let is_long_enough = length >= pattern.min && pattern.max.is_none_or(|max| length <= max);
    is_long_enough && text.chars().all(|character| contains(pattern.ranges, character))
}

/// The ranges are sorted and do not touch.
fn contains(ranges: &[(char, char)], character: char) -> bool {
    let behind = ranges.partition_point(|(from, _)| *from <= character);
    behind > 0 && character <= ranges[behind - 1].1
}

/// The hyphenated form, which is the only one vendors write.
pub(crate) fn is_uuid(text: &str) -> bool {
    let groups = || text.split('-');
    groups().map(str::len).eq([8, 4, 4, 4, 12])
        && groups().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::facts::{Certainty, Step, TenantHeader};
    use serde_json::json;

    /// `^[\p{L}\p{N}_. -]+$`, cut down to what the tests need.
    static NAME: Pattern = Pattern {
        source: "^[\\p{L}_. -]+$",
        prefix: "",
        ranges: &[(' ', ' '), ('-', '.'), ('A', 'Z'), ('_', '_'), ('a', 'z'), ('À', 'ÿ'), ('Ł', 'ł')],
        min: 1,
        max: None,
    };
    static USER: Rule = Rule {
        members: &[
            ("firstName", Rule { pattern: Some(&NAME), ..Rule::ANY }),
            ("phone", Rule { min_length: Some(3), max_length: Some(4), ..Rule::ANY }),
        ],
        ..Rule::ANY
    };
    static BODY: Rule = Rule {
        members: &[
            ("user", Rule { members: USER.members, ..Rule::ANY }),
            (
                "logins",
                Rule {
                    min_items: Some(1),
                    max_items: Some(4),
                    items: Some(&Rule { max_length: Some(3), ..Rule::ANY }),
                    ..Rule::ANY
                },
            ),
            ("duration", Rule { maximum: Some(120.0), ..Rule::ANY }),
            ("tags", Rule { values: Some(&Rule { max_length: Some(1), ..Rule::ANY }), ..Rule::ANY }),
        ],
        ..Rule::ANY
    };
    static FACTS: Facts = Facts {
        operation: "op",
        method: "POST",
        path: "/user/v1/{id}/x",
        roles: &[],
        resend: false,
        secret_url: false,
        certainty: Certainty::Documented,
        step: Step::Call,
        tenant: TenantHeader::Undeclared,
        client: false,
        failures: &[],
        answers: &[],
        body: Some(&BODY),
        parameters: &[
            LimitedParameter { place: ParameterPlace::Path, name: "id", rule: Rule { uuid: true, ..Rule::ANY } },
            LimitedParameter {
                place: ParameterPlace::Query,
                name: "limit",
                rule: Rule { minimum: Some(1.0), ..Rule::ANY },
            },
            LimitedParameter {
                place: ParameterPlace::Query,
                name: "ids",
                rule: Rule { max_items: Some(2), ..Rule::ANY },
            },
            LimitedParameter {
                place: ParameterPlace::Header,
                name: "X-Client",
                rule: Rule { max_length: Some(3), ..Rule::ANY },
            },
        ],
        success: None,
    };
    const ID: &str = "0e8dddc7-9ebf-41f3-b08a-5a3f91f1c3c0";

    fn refused(request: reqwest::RequestBuilder) -> Vec<String> {
        let error = check(&FACTS, &request.build().expect("a request")).err();
        let Some(error) = error else { return Vec::new() };
        assert_eq!((error.kind(), error.status(), error.is_local()), (ErrorKind::Validation, None, true));
        let fields = error.validation().expect("fields").iter();
        fields.map(|(field, whys)| format!("{field} {}", whys.join(", "))).collect()
    }

    fn body(body: Value) -> Vec<String> {
        refused(reqwest::Client::new().post(format!("https://vendor.example/root/user/v1/{ID}/x")).json(&body))
    }

    fn get(rest: &str) -> reqwest::RequestBuilder {
        reqwest::Client::new().get(format!("https://vendor.example/user/v1/{rest}"))
    }

    #[apply(leak_checked!)]
    fn letters_of_every_language_are_letters() {
        assert!(body(json!({ "user": { "firstName": "Łukasz" } })).is_empty());
        assert_eq!(body(json!({ "user": { "firstName": "A!" } })), ["user.firstName must match ^[\\p{L}_. -]+$"]);
        assert_eq!(body(json!({ "user": { "firstName": "" } })).len(), 1);
    }

    #[apply(leak_checked!)]
    fn lengths_are_counted_in_characters() {
        assert!(body(json!({ "user": { "phone": "🦀🦀🦀🦀" } })).is_empty());
        assert_eq!(body(json!({ "user": { "phone": "🦀🦀" } })), ["user.phone must have at least 3 characters"]);
        assert_eq!(body(json!({ "user": { "phone": "12345" } })), ["user.phone must have at most 4 characters"]);
    }

    #[apply(leak_checked!)]
    fn items_are_counted_and_each_is_checked() {
        assert_eq!(body(json!({ "logins": [] })), ["logins must have at least 1 item"]);
        assert_eq!(body(json!({ "logins": ["a", "b", "c", "toolong"] })), ["logins[3] must have at most 3 characters"]);
        assert_eq!(body(json!({ "logins": ["a", "b", "c", "d", "e"] })), ["logins must have at most 4 items"]);
    }

    #[apply(leak_checked!)]
    fn every_broken_field_is_named_and_no_value_is() {
        let request = json!({ "duration": 121, "logins": [], "tags": { "a": "hunter2" } });
        assert_eq!(
            body(request.clone()),
            [
                "duration must be at most 120",
                "logins must have at least 1 item",
                "tags.a must have at most 1 character"
            ]
        );
        let request = get(&format!("{ID}/x")).json(&request).build().expect("a request");
        let error = check(&FACTS, &request).expect_err("refused");
        assert!(!format!("{error:?}").contains("hunter2"));
        assert!(error.to_string().contains("and 2 more values are refused"), "{error}");
    }

    #[apply(leak_checked!)]
    fn what_is_missing_null_or_unknown_is_no_matter_here() {
        assert!(body(json!({})).is_empty());
        assert!(body(json!({ "logins": null, "user": { "phone": null }, "new": "x" })).is_empty());
    }

    #[apply(leak_checked!)]
    fn a_form_is_checked_like_an_object() {
        let form = |body| get(&format!("{ID}/x")).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
        assert!(refused(form("duration=1&tags=x")).is_empty());
        assert_eq!(refused(form("duration=121")), ["duration must be at most 120"]);
    }

    #[apply(leak_checked!)]
    fn parameters_are_checked_where_they_stand() {
        assert!(refused(get(&format!("{ID}/x?limit=1&ids=a&ids=b")).header("x-client", "web")).is_empty());
        assert_eq!(refused(get("a%2Fb/x")), ["id must be a UUID"]);
        assert_eq!(refused(get(&format!("{ID}/x?limit=0"))), ["limit must be at least 1"]);
        assert_eq!(refused(get(&format!("{ID}/x?ids=a&ids=b&ids=c"))), ["ids must have at most 2 items"]);
        assert_eq!(
            refused(get(&format!("{ID}/x")).header("x-client", "android")),
            ["X-Client must have at most 3 characters"]
        );
    }

    #[apply(leak_checked!)]
    fn a_prefix_must_be_there() {
        let pattern =
            Pattern { source: "^config\\.[a-z]+$", prefix: "config.", ranges: &[('a', 'z')], min: 1, max: None };
        assert!(matches(&pattern, "config.theme"));
        for refused in ["config.", "configtheme", "theme", "config.Theme"] {
            assert!(!matches(&pattern, refused), "{refused}");
        }
    }

    #[apply(leak_checked!)]
    fn a_range_ends_where_it_ends() {
        assert!(contains(&[('a', 'c'), ('x', 'x')], 'c'));
        assert!(contains(&[('a', 'c'), ('x', 'x')], 'x'));
        for outside in ['`', 'd', 'w', 'y'] {
            assert!(!contains(&[('a', 'c'), ('x', 'x')], outside), "{outside}");
        }
    }
}
