//! What generated operations stand on: the pieces that make a request and read its answer.
//!
//! It stands where the generator's own runtime would, so that generated code speaks our [`Error`] from the start and a
//! [`Secret`] is written nowhere but into a request.
use super::{Core, answer::Answer, facts::Facts, segments::climbs};
pub use super::{
    choice::{Alternative, chosen, read},
    outside::{call_for, download},
    upload::{bytes, json_as, multipart, plain},
};
use crate::{
    Error, Secret,
    secret::{take_written, writing},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{
    Request, RequestBuilder, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error as _, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor},
    ser::Error as _,
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    time::Duration,
};

/// A typed answer with its status and headers.
///
/// It can be used like the value in it; [`into_inner`](ResponseValue::into_inner) takes the value out.
pub struct ResponseValue<T> {
    inner: T,
    status: StatusCode,
    headers: HeaderMap,
}

impl<T> ResponseValue<T> {
    /// The value.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.inner
    }

    /// The status: one of 200 to 299.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers of the answer.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}

impl<T: DeserializeOwned> ResponseValue<T> {
    /// For operations whose success is JSON.
    #[doc(hidden)]
    pub fn from_answer(answer: Answer) -> Result<Self, Error> {
        Ok(Self { inner: answer.value()?, status: answer.status, headers: answer.headers })
    }
}

impl ResponseValue<Value> {
    /// For operations of whose body nothing is known: where any JSON will do, nothing does as well.
    #[doc(hidden)]
    pub fn anything(answer: Answer) -> Result<Self, Error> {
        let inner = if answer.is_empty() { Value::Null } else { answer.json()? };
        Ok(Self { inner, status: answer.status, headers: answer.headers })
    }
}

impl ResponseValue<()> {
    /// For operations whose success has no documented body: whatever comes is fine.
    #[doc(hidden)]
    pub fn empty(answer: Answer) -> Self {
        Self { inner: (), status: answer.status, headers: answer.headers }
    }
}

impl ResponseValue<String> {
    /// For operations whose success is a text.
    #[doc(hidden)]
    pub fn text(answer: Answer) -> Result<Self, Error> {
        let inner = String::from_utf8(answer.body.to_vec())
            .map_err(|_| Error::protocol("the answer is no text").with_status(answer.status.as_u16()))?;
        Ok(Self { inner, status: answer.status, headers: answer.headers })
    }
}

impl<T: DeserializeOwned> ResponseValue<Option<T>> {
    /// For operations of whose successes one has a body and another has none.
    #[doc(hidden)]
    pub fn maybe(answer: Answer) -> Result<Self, Error> {
        let inner = if answer.is_empty() { None } else { Some(answer.value()?) };
        Ok(Self { inner, status: answer.status, headers: answer.headers })
    }
}

impl<T> ResponseValue<T> {
    pub(crate) fn of(inner: T, status: StatusCode, headers: HeaderMap) -> Self {
        Self { inner, status, headers }
    }
}

impl<T> Deref for ResponseValue<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for ResponseValue<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

/// Status and type only: what a vendor does not describe is plain JSON, and that may hold a secret.
impl<T> fmt::Debug for ResponseValue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = std::any::type_name::<T>().rsplit("::").next().unwrap_or_default();
        f.debug_struct("ResponseValue").field("status", &self.status).field("of", &what).finish_non_exhaustive()
    }
}

/// An argument that may be left out: the value itself, an [`Option`] of it, or, for texts and secrets, a `&str`.
#[derive(Debug, Clone)]
pub struct Optional<T>(#[doc(hidden)] pub Option<T>);

impl<T> From<T> for Optional<T> {
    fn from(value: T) -> Self {
        Self(Some(value))
    }
}

impl<T> From<Option<T>> for Optional<T> {
    fn from(value: Option<T>) -> Self {
        Self(value)
    }
}

/// A text of which the document names some values: what may be given as a `&str` where it may be left out.
pub trait OpenText: for<'a> From<&'a str> {}

impl<T: OpenText> From<&str> for Optional<T> {
    fn from(value: &str) -> Self {
        Self(Some(T::from(value)))
    }
}

macro_rules! optional_from {
    ($($given:ty => $wanted:ty),* $(,)?) => {$(
        impl From<$given> for Optional<$wanted> {
            fn from(value: $given) -> Self {
                Self(Some(value.into()))
            }
        }
    )*};
}

optional_from! {
    &str => String,
    &str => Secret,
    String => Secret,
    i32 => i64,
    u32 => i64,
    i32 => f64,
}

/// Sends a generated operation. Every request says that it wants JSON: some servers answer HTML otherwise. `timeout` is the
/// call's own, if it has one.
pub fn call(
    core: &Core,
    mut request: Request,
    facts: &'static Facts,
    timeout: Option<Duration>,
) -> impl Future<Output = Result<Answer, Error>> {
    // Here, and not when the future is polled: on this thread the request was made.
    let carried = take_written();
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(timeout) = timeout {
        *request.timeout_mut() = Some(timeout);
    }
    core.operation(request, facts, carried)
}

/// A refused argument. The generated message reads "`field` why".
pub fn invalid_request(message: String) -> Error {
    match message.strip_prefix('`').and_then(|rest| rest.split_once("` ")) {
        Some((field, why)) => Error::refused_field(field, why),
        None => Error::refused_field("request", message),
    }
}

/// Everything but RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A path value as one segment. Some values cannot be one: the URL would lead to another operation, here, or where a server
/// has decoded it.
pub fn encode_path(name: &str, value: &str) -> Result<String, Error> {
    let encoded = encode_segment(name, value)?;
    if climbs(value.as_bytes()) {
        return Err(Error::refused_field(name, "must hold no `.` or `..` between slashes: it is part of the path"));
    }
    Ok(encoded)
}

/// The vendor's own value as one segment: where it leads is the vendor's affair.
pub fn encode_segment(name: &str, value: &str) -> Result<String, Error> {
    match value {
        "" => Err(Error::refused_field(name, "must not be empty: it is part of the path")),
        "." | ".." => Err(Error::refused_field(name, "must not be `.` or `..`: it is part of the path")),
        _ => Ok(utf8_percent_encode(value, SEGMENT).to_string()),
    }
}

/// A parameter of a document of others. It may be a secret, and is about to be sent.
#[doc(hidden)]
pub trait Parameter {
    /// As it is sent.
    fn text(&self) -> String;
}

impl<T: std::fmt::Display> Parameter for T {
    fn text(&self) -> String {
        self.to_string()
    }
}

#[doc(hidden)]
impl Parameter for Secret {
    fn text(&self) -> String {
        self.to_string()
    }
}

/// A parameter as it is sent.
pub fn text_of(parameter: &impl Parameter) -> String {
    parameter.text()
}

/// A header parameter. It may be a secret, so nobody is to print it.
pub fn header_value(name: &str, value: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| Error::refused_field(name, "holds a character that no header can carry"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A header's name, as the document writes it.
pub fn header_name(name: &'static str) -> Result<HeaderName, Error> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| Error::refused_field(name, "is no header's name"))
}

/// A request body whose secrets may be written.
#[derive(Debug)]
pub struct Exposed<'a, T>(pub &'a T);

impl<T: Serialize> Serialize for Exposed<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        writing(|| self.0.serialize(serializer))
    }
}

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

impl<T: Serialize> Serialize for QueryParam<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = serde_json::to_value(Exposed(self.value)).map_err(|_| S::Error::custom("a parameter"))?;
        let written = match self.style {
            Style::Repeated => {
                texts(value).map(|values| values.into_iter().map(|value| (self.name.to_owned(), value)).collect())
            }
            Style::Comma => Some(joined(self.name, value, ",")),
            Style::Space => Some(joined(self.name, value, " ")),
            Style::Pipe => Some(joined(self.name, value, "|")),
            Style::Deep => Some(deep(self.name, value)),
            Style::Members => match value {
                Value::Object(members) => {
                    Some(members.into_iter().flat_map(|(name, value)| deep(&name, value)).collect())
                }
                other => Some(deep(self.name, other)),
            },
            Style::Json if value.is_null() => Some(Vec::new()),
            Style::Json => Some(vec![(self.name.to_owned(), value.to_string())]),
        };
        match written {
            Some(pairs) => serializer.collect_seq(pairs),
            None => Err(S::Error::custom("a parameter is no single value")),
        }
    }
}

/// One parameter for all values; none if there is no value.
fn joined(name: &str, value: Value, by: &str) -> Vec<(String, String)> {
    let values: Vec<String> = match value {
        Value::Object(members) => members.into_iter().flat_map(|(name, value)| [name, text(value)]).collect(),
        Value::Array(values) => values.into_iter().map(text).collect(),
        Value::Null => Vec::new(),
        other => vec![text(other)],
    };
    if values.is_empty() { Vec::new() } else { vec![(name.to_owned(), values.join(by))] }
}

/// `name[member][member]` for whatever stands below.
fn deep(name: &str, value: Value) -> Vec<(String, String)> {
    match value {
        Value::Null => Vec::new(),
        Value::Object(members) => {
            members.into_iter().flat_map(|(member, value)| deep(&format!("{name}[{member}]"), value)).collect()
        }
        Value::Array(values) => values.into_iter().map(|value| (name.to_owned(), text(value))).collect(),
        other => vec![(name.to_owned(), text(other))],
    }
}

/// A value as one text; what is no single value as JSON.
fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// Puts `body` into the request as `application/x-www-form-urlencoded`.
pub fn form<T: Serialize>(request: RequestBuilder, body: &T) -> Result<RequestBuilder, Error> {
    written_form(request, body, texts)
}

/// As [`form`], for documents that put objects into forms: they stand there as JSON.
pub fn form_with_json<T: Serialize>(request: RequestBuilder, body: &T) -> Result<RequestBuilder, Error> {
    written_form(request, body, |value| match value {
        Value::Null => Some(Vec::new()),
        Value::Array(values) => Some(values.into_iter().map(text).collect()),
        other => Some(vec![text(other)]),
    })
}

fn written_form<T: Serialize>(
    request: RequestBuilder,
    body: &T,
    texts: fn(Value) -> Option<Vec<String>>,
) -> Result<RequestBuilder, Error> {
    let cannot = |field: &str| Error::refused_field(field, "cannot be written into a form");
    let Ok(Value::Object(members)) = serde_json::to_value(Exposed(body)) else { return Err(cannot("body")) };
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in members {
        let values = texts(value).ok_or_else(|| cannot(&name))?;
        form.extend_pairs(values.iter().map(|value| (&name, value)));
    }
    Ok(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.finish()))
}

/// A value as the texts that stand for it in a query or form: none, one or several.
fn texts(value: Value) -> Option<Vec<String>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::Array(values) => {
            let nested = values.into_iter().map(texts).collect::<Option<Vec<_>>>()?;
            Some(nested.into_iter().flatten().collect())
        }
        Value::Object(_) => None,
        Value::String(text) => Some(vec![text]),
        other => Some(vec![other.to_string()]),
    }
}

/// A list that may be `null` or hold `null`.
pub fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let values = Option::<Vec<Option<T>>>::deserialize(deserializer)?;
    Ok(values.into_iter().flatten().flatten().collect())
}

/// A map that may be `null` or hold `null`. An empty list is an empty map: that is how PHP writes one.
pub fn map<'de, D, T>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_any(MaybeEmpty(PhantomData))
}

struct MaybeEmpty<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for MaybeEmpty<T> {
    type Value = BTreeMap<String, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(BTreeMap::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        match items.next_element::<IgnoredAny>()? {
            None => Ok(BTreeMap::new()),
            Some(_) => Err(A::Error::invalid_type(Unexpected::Seq, &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((name, value)) = members.next_entry::<String, Option<T>>()? {
            map.extend(value.map(|value| (name, value)));
        }
        Ok(map)
    }
}

/// A value that may be `null`.
pub fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use serde_json::json;

    fn answer(body: &str) -> Answer {
        Answer {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: body.to_owned().into(),
            carried: Default::default(),
        }
    }

    fn query(parameter: impl Serialize) -> String {
        let request = reqwest::Client::new().get("https://vendor.example/").query(&parameter).build();
        request.expect("a request").url().query().unwrap_or_default().to_owned()
    }

    #[derive(Debug, Deserialize, Serialize)]
    struct Tokens {
        access_token: Secret,
    }

    #[apply(hunted!)]
    fn a_wrong_answer_is_never_quoted() {
        for body in ["", "{\"access_token\":", "<html>hunter2</html>", "{\n\"access_token\": [\"hunter2\"]}"] {
            let error = ResponseValue::<Tokens>::from_answer(answer(body)).expect_err("no tokens");
            assert_eq!((error.kind(), error.status()), (ErrorKind::Protocol, Some(200)));
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[apply(hunted!)]
    fn where_any_json_will_do_nothing_does_as_well() {
        for body in ["", " \r\n"] {
            assert!(ResponseValue::anything(answer(body)).expect("anything").is_null());
            assert!(ResponseValue::<Option<Tokens>>::from_answer(answer(body)).is_err());
        }
        assert!(ResponseValue::anything(answer("<html>")).is_err());
    }

    #[apply(hunted!)]
    fn an_answer_without_a_documented_body_may_have_any() {
        assert_eq!(ResponseValue::empty(answer("<html>")).status(), 200);
    }

    #[apply(hunted!)]
    fn a_refused_argument_names_its_field() {
        let error = invalid_request("`email` is required".to_owned());
        assert_eq!(error.kind(), ErrorKind::Validation);
        assert_eq!(error.validation().expect("a field")["email"], ["is required"]);
    }

    #[apply(hunted!)]
    fn a_path_value_is_one_segment_or_refused() {
        assert_eq!(encode_path("id", "a/b?c#d%e é").expect("a segment"), "a%2Fb%3Fc%23d%25e%20%C3%A9");
        assert_eq!(encode_path("id", "v1.2-x_~").expect("a segment"), "v1.2-x_~");
        assert_eq!(encode_path("id", "...").expect("a segment"), "...");
        for value in ["", ".", "..", "../../user/42", "..%2fadmin", "a/..;x", "a\\..\\b", "%2e%2e", "%252e%252e/a"] {
            let error = encode_path("id", value).expect_err("another path");
            assert!(error.validation().is_some_and(|fields| fields.contains_key("id")), "{error}");
        }
    }

    #[apply(hunted!)]
    fn a_query_parameter_is_left_out_or_repeated() {
        assert_eq!(query(QueryParam::new("id", &None::<String>)), "");
        assert_eq!(query(QueryParam::new("id", &Some("k 1&2"))), "id=k+1%262");
        assert_eq!(query(QueryParam::new("ids", &["a", "b,c"])), "ids=a&ids=b%2Cc");
        assert_eq!(query(QueryParam::new("on", &true)), "on=true");
        assert_eq!(query(QueryParam::new("token", &Secret::from("hunter2"))), "token=hunter2");
    }

    #[apply(hunted!)]
    fn a_secret_is_written_into_a_form_and_nowhere_else() {
        let body = Tokens { access_token: Secret::from("hunter 2") };
        assert!(serde_json::to_string(&body).is_err());
        let request = reqwest::Client::new().post("https://vendor.example/");
        let request = form(request, &body).expect("a form").build().expect("a request");
        assert_eq!(request.headers()[CONTENT_TYPE], "application/x-www-form-urlencoded");
        let sent = request.body().and_then(reqwest::Body::as_bytes).expect("a body");
        assert_eq!(sent, b"access_token=hunter+2");
    }

    #[apply(hunted!)]
    fn a_form_holds_single_values_only() {
        let request = reqwest::Client::new().post("https://vendor.example/");
        let error = form(request, &json!({ "user": { "name": "x" } })).expect_err("nested");
        assert!(error.to_string().contains("`user`"), "{error}");
    }

    #[apply(hunted!)]
    fn lists_and_maps_may_be_null_or_hold_null() {
        #[derive(Deserialize)]
        struct Read {
            #[serde(default, deserialize_with = "list")]
            list: Vec<String>,
            #[serde(default, deserialize_with = "map")]
            map: BTreeMap<String, u8>,
        }
        let read = |value| serde_json::from_value::<Read>(value).expect("readable");
        assert!(read(json!({})).list.is_empty());
        assert!(read(json!({ "list": null, "map": null })).map.is_empty());
        assert!(read(json!({ "map": [] })).map.is_empty());
        assert_eq!(read(json!({ "list": ["a", null] })).list, ["a"]);
        assert_eq!(read(json!({ "map": { "a": 1, "b": null } })).map, BTreeMap::from([("a".to_owned(), 1)]));
    }

    #[apply(hunted!)]
    fn an_optional_argument_may_be_given_in_several_ways() {
        let secret = |given: Optional<Secret>| given.0.map(|secret| secret.expose().to_owned());
        assert_eq!(secret("x".into()), Some("x".to_owned()));
        assert_eq!(secret("x".to_owned().into()), Some("x".to_owned()));
        assert_eq!(secret(Secret::from("x").into()), Some("x".to_owned()));
        assert_eq!(secret(None.into()), None);
        let text: Optional<String> = Some("x".to_owned()).into();
        assert_eq!(text.0.as_deref(), Some("x"));
        let number: Optional<i64> = 5.into();
        assert_eq!(number.0, Some(5));
    }
}
