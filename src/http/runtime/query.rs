//! Parameters of a query, in the styles that documents know.

use super::exposed::{Exposed, text, texts};
use reqwest::RequestBuilder;
use serde::{Serialize, Serializer, ser::Error as _};
use serde_json::Value;

/// A query parameter: left out if it is `None`, repeated if it is a list.
#[derive(Debug)]
pub struct QueryParam<'a, T> {
    name: &'a str,
    value: &'a T,
    style: Style,
}

/// How a list or an object stands in a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A list as several parameters of one name.
    Repeated,
    /// One parameter, its values parted by commas.
    Comma,
    /// One parameter, its values parted by blanks.
    Space,
    /// One parameter, its values parted by `|`.
    Pipe,
    /// A parameter `name[member]` for each member.
    Deep,
    /// A parameter for each member, under the member's own name.
    Members,
    /// One parameter, as JSON.
    Json,
}

impl<'a, T> QueryParam<'a, T> {
    /// One value, or a list as several parameters of one name.
    pub fn new(name: &'a str, value: &'a T) -> Self {
        Self { name, value, style: Style::Repeated }
    }

    /// In a style of the document's.
    pub fn styled(name: &'a str, value: &'a T, style: Style) -> Self {
        Self { name, value, style }
    }
}

/// Puts a parameter into the query. One that is left out costs nothing.
pub fn queried<T: Serialize>(request: RequestBuilder, parameter: &QueryParam<'_, T>) -> RequestBuilder {
    let pairs = match serde_json::to_value(Exposed(parameter.value)) {
        Ok(Value::Null) => return request,
        Ok(value) => pairs(parameter.name, value, parameter.style).ok_or("a parameter is no single value"),
        Err(_) => Err("a parameter"),
    };
    with_pairs(request, pairs)
}

/// What of a parameter does not depend on its type, so that it is compiled once.
fn with_pairs(request: RequestBuilder, pairs: Result<Vec<(String, String)>, &'static str>) -> RequestBuilder {
    match pairs {
        Ok(pairs) if pairs.is_empty() => request,
        Ok(pairs) => request.query(&pairs),
        Err(why) => request.query(&Unwritten(why)),
    }
}

/// Tells why, where the request is built.
struct Unwritten(&'static str);

impl Serialize for Unwritten {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom(self.0))
    }
}

/// Names and values: an empty list for what is left out, `None` for what cannot be written in this style.
fn pairs(name: &str, value: Value, style: Style) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    match (style, value) {
        (Style::Repeated, value) => pairs.extend(texts(value)?.into_iter().map(|value| (name.to_owned(), value))),
        (Style::Comma, value) => pairs.extend(joined(name, value, ",")),
        (Style::Space, value) => pairs.extend(joined(name, value, " ")),
        (Style::Pipe, value) => pairs.extend(joined(name, value, "|")),
        (Style::Members, Value::Object(members)) => {
            members.into_iter().for_each(|(name, value)| deep(&name, value, &mut pairs));
        }
        (Style::Deep | Style::Members, value) => deep(name, value, &mut pairs),
        (Style::Json, value) => pairs.push((name.to_owned(), value.to_string())),
    }
    Some(pairs)
}

/// One parameter for all values; none if there is no value.
fn joined(name: &str, value: Value, by: &str) -> Option<(String, String)> {
    let values: Vec<String> = match value {
        Value::Object(members) => {
            let mut values = Vec::new();
            members.into_iter().for_each(|(name, value)| values.extend([name, text(value)]));
            values
        }
        Value::Array(values) => values.into_iter().map(text).collect(),
        Value::Null => Vec::new(),
        other => vec![text(other)],
    };
    (!values.is_empty()).then(|| (name.to_owned(), values.join(by)))
}

/// `name[member][member]` for whatever stands below.
fn deep(name: &str, value: Value, pairs: &mut Vec<(String, String)>) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            members.into_iter().for_each(|(member, value)| deep(&format!("{name}[{member}]"), value, pairs));
        }
        Value::Array(values) => pairs.extend(values.into_iter().map(|value| (name.to_owned(), text(value)))),
        other => pairs.push((name.to_owned(), text(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn query<T: Serialize>(parameter: QueryParam<'_, T>) -> String {
        let request = queried(reqwest::Client::new().get("https://vendor.example/"), &parameter).build();
        request.expect("a request").url().query().unwrap_or_default().to_owned()
    }

    #[apply(leak_checked!)]
    fn a_query_parameter_is_left_out_or_repeated() {
        assert_eq!(query(QueryParam::new("id", &None::<String>)), "");
        assert_eq!(query(QueryParam::new("id", &Some("k 1&2"))), "id=k+1%262");
        assert_eq!(query(QueryParam::new("ids", &["a", "b,c"])), "ids=a&ids=b%2Cc");
        assert_eq!(query(QueryParam::new("on", &true)), "on=true");
        assert_eq!(query(QueryParam::styled("at", &None::<String>, Style::Json)), "");
        assert_eq!(query(QueryParam::new("token", &Secret::from("hunter2"))), "token=hunter2");
    }
}
