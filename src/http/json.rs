//! JSON as vendors write it: the one place where answers are read, by sign-ins and by typed calls alike.
//!
//! What keeps to its document is read by serde_json as it is. What does not is read a second time with patience: scalars
//! are read across types, and a member that cannot be read costs that member alone, where it may be missing.

use super::member::named;
use serde::{
    Deserializer as _,
    de::{
        self, DeserializeOwned, DeserializeSeed, EnumAccess, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess,
        VariantAccess, Visitor,
    },
    forward_to_deserialize_any,
};
use serde_json::{Deserializer, Error, Map, Value};
use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::HashSet,
    fmt,
};

/// So much of a failing answer is read as JSON. What stands behind it is worth no memory.
pub(crate) const LONGEST_FAILURE: usize = 64 * 1024;
/// A longer profile is none: it is kept for as long as the session.
const LONGEST_PROFILE: usize = 1024 * 1024;
/// Reading a second time, and again without what could not be read, stops after so many bytes.
const LONGEST_WORK: usize = 64 * 1024 * 1024;
/// What stands deeper is not read: each level takes room on the stack. It is serde_json's own limit.
const DEEPEST: u8 = 127;
/// An object of more members is not read patiently: they would have to be kept side by side.
const MOST_MEMBERS: usize = 64 * 1024;

/// The JSON in a body: some frameworks write a byte order mark in front of it (RFC 8259, 8.1 lets readers ignore one).
pub(crate) fn trimmed(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)
}

/// A whole body as this type.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let body = trimmed(body);
    serde_json::from_slice(body).or_else(|strict| read_patiently(body).ok_or(strict))
}

/// An object as this type. A list would be read member by member, as if its first item were the first member.
pub(crate) fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    if trimmed(body).trim_ascii_start().starts_with(b"[") {
        return serde_json::from_slice::<Map<String, Value>>(b"[]").and_then(|_| Err(de::Error::custom("a list")));
    }
    read(body)
}

/// A body as plain JSON.
pub(crate) fn value(body: &[u8]) -> Option<Value> {
    read(body).ok()
}

/// A body as plain JSON, if it is no longer than the facts about a person are.
pub(crate) fn bounded(body: &[u8]) -> Option<Value> {
    if body.len() <= LONGEST_PROFILE { value(body) } else { failure(body) }
}

/// What a failing answer says: of an object that is too long, or that ends too early, the members before that.
pub(crate) fn failure(body: &[u8]) -> Option<Value> {
    let body = trimmed(body);
    if body.len() <= LONGEST_FAILURE
        && let Some(value) = value(body)
    {
        return Some(value);
    }
    let body = String::from_utf8_lossy(&body[..body.len().min(LONGEST_FAILURE)]);
    let first: Map<_, _> = Members::of(&body)?.map_while(|(name, raw)| Some((name, whole(raw)?))).collect();
    (!first.is_empty()).then_some(Value::Object(first))
}

/// One member of an object, without the memory that the others and what is below it would cost. The last one of a name
/// counts. A list or an object is `null`.
pub(crate) fn member(body: &[u8], name: &str) -> Option<Value> {
    let body = trimmed(body);
    if let Ok(found) = named(body, name) {
        return found;
    }
    // It is torn, or no object, or not in UTF-8: then what can be read of it counts.
    let body = String::from_utf8_lossy(body);
    let named = Members::of(&body)?.filter(|(found, _)| found == name);
    named.last().and_then(|(_, raw)| if raw.starts_with(['[', '{']) { Some(Value::Null) } else { whole(raw) })
}

fn whole(raw: &str) -> Option<Value> {
    serde_json::from_str(raw).ok()
}

// ---- single values, read across types ----

/// A text, also one that was written as a number or a truth.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// A truth, also one that was written as a number or a text.
pub(crate) fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::Number(number) => truth_of(&number.to_string()),
        Value::String(text) => truth_of(text),
        _ => None,
    }
}

/// A whole number, also one that was written with a point or as a text.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| i64::try_from(whole_number(&number.to_string())?).ok()),
        Value::String(text) => i64::try_from(whole_number(text)?).ok(),
        _ => None,
    }
}

fn truth_of(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "1.0" | "yes" => Some(true),
        "false" | "0" | "0.0" | "no" => Some(false),
        _ => None,
    }
}

fn whole_number(text: &str) -> Option<i128> {
    let text = text.trim();
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    // Beyond this a float does not hold every whole number.
    let float: f64 = text.parse().ok()?;
    (float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0).then_some(float as i128)
}

// ---- a second, patient reading ----

fn read_patiently<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    // A text in another encoding than UTF-8 is as little reason to fail as one of another type.
    let body = String::from_utf8_lossy(body);
    // A body that is torn or no JSON at all is not for patience.
    serde_json::from_str::<IgnoredAny>(&body).ok()?;
    let raw = body.trim();
    let broken = BrokenValues::default();
    let mut work = 0;
    while work < LONGEST_WORK {
        work += raw.len().max(1);
        let known = broken.count();
        let read = T::deserialize(Patient { raw, broken: &broken, levels: DEEPEST });
        if broken.has(raw) {
            return None;
        }
        match read {
            Ok(value) if broken.count() == known => return Some(value),
            _ if broken.count() == known => return None,
            // Once more, without what could not be read.
            _ => {}
        }
    }
    None
}

/// Where the values stand that cannot be read.
#[derive(Default)]
struct BrokenValues {
    places: RefCell<HashSet<usize>>,
    /// A value was found broken in this reading, and what is made of it is thrown away.
    blamed: Cell<bool>,
}

impl BrokenValues {
    fn count(&self) -> usize {
        self.blamed.set(false);
        self.places.borrow().len()
    }

    fn has(&self, raw: &str) -> bool {
        self.places.borrow().contains(&(raw.as_ptr() as usize))
    }

    fn add(&self, raw: &str) {
        self.blamed.set(true);
        self.places.borrow_mut().insert(raw.as_ptr() as usize);
    }

    /// The innermost value that may be left out takes the blame for a failure below it.
    fn blame(&self, raw: &str) {
        if !self.blamed.get() {
            self.add(raw);
        }
    }
}

/// One value, as it is written.
#[derive(Clone, Copy)]
struct Patient<'a> {
    raw: &'a str,
    broken: &'a BrokenValues,
    /// So many lists and objects may still stand one in the other.
    levels: u8,
}

/// A scalar as a text: what stands between its quotes, or as it is written.
fn scalar(raw: &str) -> Option<Cow<'_, str>> {
    match raw.as_bytes().first()? {
        b'"' => serde_json::from_str::<String>(raw).ok().map(Cow::Owned),
        b'{' | b'[' | b'n' => None,
        _ => Some(Cow::Borrowed(raw)),
    }
}

impl Patient<'_> {
    /// What the visitor wants, or anything that it takes, so that this reading finds what else is broken.
    fn or<T>(self, read: Option<T>, anything: T) -> T {
        if read.is_none() {
            self.broken.add(self.raw);
        }
        read.unwrap_or(anything)
    }

    fn integer<T: TryFrom<i128>>(self, anything: T) -> T {
        let read = scalar(self.raw).and_then(|text| T::try_from(whole_number(&text)?).ok());
        self.or(read, anything)
    }

    fn is(self, first: u8) -> bool {
        self.raw.as_bytes().first() == Some(&first)
    }

    /// How many levels are left below this one.
    fn below(self) -> Result<u8, Error> {
        self.levels.checked_sub(1).ok_or_else(|| self.mismatch("as shallow as it must be"))
    }

    fn mismatch(self, wanted: &str) -> Error {
        self.broken.add(self.raw);
        de::Error::custom(format_args!("a value is not {wanted}"))
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $kind:ty),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.integer::<$kind>(0))
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Patient<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.raw.as_bytes().first() {
            Some(b'{') => self.deserialize_map(visitor),
            Some(b'[') => self.deserialize_seq(visitor),
            Some(b'"') => visitor.visit_string(scalar(self.raw).unwrap_or_default().into_owned()),
            Some(b'n') => visitor.visit_unit(),
            Some(b't') => visitor.visit_bool(true),
            Some(b'f') => visitor.visit_bool(false),
            _ => match serde_json::from_str(self.raw)? {
                Value::Number(number) => number.deserialize_any(visitor),
                _ => Err(self.mismatch("a number")),
            },
        }
    }

    integers! {
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64, deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64,
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let read = scalar(self.raw).and_then(|text| truth_of(&text));
        visitor.visit_bool(self.or(read, false))
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let read = scalar(self.raw).and_then(|text| text.trim().parse::<f64>().ok()).filter(|read| read.is_finite());
        visitor.visit_f64(self.or(read, 0.0))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let read = scalar(self.raw).map(Cow::into_owned);
        visitor.visit_string(self.or(read, String::new()))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is(b'n') || self.broken.has(self.raw) {
            return visitor.visit_none();
        }
        visitor.visit_some(self).inspect_err(|_| self.broken.blame(self.raw))
    }

    /// A secret is no number and no truth: what is essential is taken as it was promised, or not at all.
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        if name == crate::secret::NAME && !self.is(b'"') {
            return Err(self.mismatch("text"));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let items = Items::of(self.raw).ok_or_else(|| self.mismatch("a list"))?;
        visitor.visit_seq(Read { items, broken: self.broken, levels: self.below()?, next: None })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let levels = self.below()?;
        let members = Members::of(self.raw).ok_or_else(|| self.mismatch("an object"))?;
        let members = members.filter(|(_, raw)| !self.broken.has(raw)).take(MOST_MEMBERS + 1);
        let mut members: Vec<_> = members.collect();
        if members.len() > MOST_MEMBERS {
            return Err(self.mismatch("an object of bearable size"));
        }
        keep_the_last(&mut members);
        visitor.visit_map(Read { items: members.into_iter(), broken: self.broken, levels, next: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match scalar(self.raw) {
            Some(text) => visitor.visit_enum(text.into_owned().into_deserializer()),
            None => {
                let mut members = Members::of(self.raw).ok_or_else(|| self.mismatch("one of several"))?;
                let (variant, raw) = members.next().ok_or_else(|| self.mismatch("one of several"))?;
                let content = Patient { raw, broken: self.broken, levels: self.below()? };
                visitor.visit_enum(Variant { variant, content })
            }
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier }
}

/// A vendor that writes a member twice means the last one, as every JavaScript engine reads it (RFC 8259, 4).
fn keep_the_last(members: &mut Vec<(String, &str)>) {
    let mut seen = HashSet::new();
    let mut latest: Vec<bool> = members.iter().rev().map(|(name, _)| seen.insert(name.clone())).collect();
    members.retain(|_| latest.pop() == Some(true));
}

struct Variant<'a> {
    variant: String,
    content: Patient<'a>,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = Error;
    type Variant = Patient<'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Patient<'a>), Error> {
        let variant: de::value::StringDeserializer<Error> = self.variant.into_deserializer();
        Ok((seed.deserialize(variant)?, self.content))
    }
}

impl<'de> VariantAccess<'de> for Patient<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }
}

/// The items of a list or the members of an object, on their way to a visitor.
struct Read<'a, I> {
    items: I,
    broken: &'a BrokenValues,
    levels: u8,
    next: Option<&'a str>,
}

impl<'a, I> Read<'a, I> {
    fn value<'de, S: DeserializeSeed<'de>>(&self, seed: S, raw: &'a str) -> Result<S::Value, Error> {
        let value = Patient { raw, broken: self.broken, levels: self.levels };
        seed.deserialize(value).inspect_err(|_| self.broken.blame(raw))
    }
}

impl<'de, 'a, I: Iterator<Item = &'a str>> SeqAccess<'de> for Read<'a, I> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let broken = self.broken;
        match self.items.find(|raw| !broken.has(raw)) {
            Some(raw) => self.value(seed, raw).map(Some),
            None => Ok(None),
        }
    }
}

impl<'de, 'a, I: Iterator<Item = (String, &'a str)>> MapAccess<'de> for Read<'a, I> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some((name, raw)) = self.items.next() else { return Ok(None) };
        self.next = Some(raw);
        let name: de::value::StringDeserializer<Error> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let raw = self.next.take().ok_or_else(|| de::Error::custom("a value was asked for before its name"))?;
        self.value(seed, raw)
    }
}

// ---- where values begin and end ----

/// The items of a list, each as it is written.
#[derive(Clone)]
struct Items<'a>(&'a str);

impl<'a> Items<'a> {
    fn of(raw: &'a str) -> Option<Self> {
        raw.trim_start().strip_prefix('[').map(Self)
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (raw, rest) = one_value(self.0)?;
        self.0 = after_comma(rest);
        Some(raw)
    }
}

/// The members of an object, each as it is written.
#[derive(Clone)]
struct Members<'a>(&'a str);

impl<'a> Members<'a> {
    fn of(raw: &'a str) -> Option<Self> {
        raw.trim_start().strip_prefix('{').map(Self)
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (String, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = one_value(self.0)?;
        let name = serde_json::from_str(name).ok()?;
        let (raw, rest) = one_value(rest.trim_start().strip_prefix(':')?)?;
        self.0 = after_comma(rest);
        Some((name, raw))
    }
}

/// The first value of a text and what stands behind it; `None` at the end of a list or an object.
fn one_value(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let mut values = Deserializer::from_str(text).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    let end = values.byte_offset();
    // A number that the text ends with may go on behind it.
    (end < text.len()).then(|| text.split_at(end))
}

fn after_comma(rest: &str) -> &str {
    let rest = rest.trim_start();
    rest.strip_prefix(',').unwrap_or("")
}

impl fmt::Debug for BrokenValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Broken")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Item {
        id: String,
        #[serde(default)]
        last: Option<i64>,
        #[serde(default)]
        online: Option<bool>,
        #[serde(default)]
        share: Option<f64>,
        #[serde(default)]
        kind: Option<Kind>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Web,
        App,
    }

    fn item(text: &str) -> Item {
        read(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn plain() -> Item {
        Item { id: "a".into(), last: None, online: None, share: None, kind: None }
    }

    #[apply(leak_checked!)]
    fn scalars_are_read_across_types() {
        for (text, wanted) in [
            (r#"{"id":"a"}"#, plain()),
            ("\u{feff}{\"id\":\"a\"}", plain()),
            (r#"{"id":7}"#, Item { id: "7".into(), ..plain() }),
            (r#"{"id":"a","last":1700000000.0}"#, Item { last: Some(1_700_000_000), ..plain() }),
            (r#"{"id":"a","last":"600"}"#, Item { last: Some(600), ..plain() }),
            (r#"{"id":"a","online":0}"#, Item { online: Some(false), ..plain() }),
            (r#"{"id":"a","online":"True"}"#, Item { online: Some(true), ..plain() }),
            (r#"{"id":"a","share":"0.5"}"#, Item { share: Some(0.5), ..plain() }),
            (r#"{"id":"b","id":"a"}"#, plain()),
        ] {
            assert_eq!(item(text), wanted, "{text}");
        }
    }

    #[apply(leak_checked!)]
    fn a_broken_member_costs_that_member_alone() {
        for broken in [
            r#""last":"soon""#,
            r#""last":{"at":1}"#,
            r#""last":[1]"#,
            r#""last":1.5"#,
            r#""last":1e30"#,
            r#""online":"maybe""#,
            r#""online":2"#,
            r#""share":"half""#,
            r#""kind":"fridge""#,
            r#""kind":[]"#,
            r#""last":"soon","online":"maybe","share":{},"kind":{}"#,
            r#""kind":"fridge","last":"soon""#,
        ] {
            assert_eq!(item(&format!(r#"{{"id":"a",{broken}}}"#)), plain(), "{broken}");
            assert_eq!(item(&format!(r#"{{{broken},"id":"a"}}"#)), plain(), "{broken}");
        }
        let two: Vec<Option<Item>> = read(br#"[{"id":"a","last":"x"},{"last":1},null,{"id":"b"}]"#).expect("a list");
        assert_eq!(two, [Some(plain()), None, Some(Item { id: "b".into(), ..plain() })]);
        let two: Vec<Item> = read(br#"[{"id":"a","last":"x"},5,{"last":1},{"id":"b"}]"#).expect("a list");
        assert_eq!(two.len(), 2);
        let map: BTreeMap<String, String> = read(br#"{"a":"x","b":1,"c":{"d":1},"e":true}"#).expect("a map");
        assert_eq!(map, BTreeMap::from([("a", "x"), ("b", "1"), ("e", "true")].map(|(a, b)| (a.into(), b.into()))));
    }

    /// Anybody between can send it, and a stack that overflows ends the whole program.
    #[apply(leak_checked!)]
    fn what_is_nested_without_end_is_read_as_deep_as_anybody_nests() {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            for levels in [100, 127, 128, 129, 1000, 9000] {
                let deep = format!("{}1{}", open.repeat(levels), close.repeat(levels));
                let read = value(deep.as_bytes()).map(|value| value.to_string());
                assert_eq!(read.as_deref() == Some(&deep), levels < 128, "{levels}");
                let failed = failure(format!(r#"{{"error":"gone","deep":{deep}}}"#).as_bytes()).expect("an object");
                assert_eq!(failed["error"], "gone");
                assert_eq!(item(&format!(r#"{{"id":"a","last":{deep}}}"#)), plain());
            }
        }
    }

    #[apply(leak_checked!)]
    fn what_is_essential_must_be_there_and_of_its_type() {
        #[derive(Debug, Deserialize)]
        struct Tokens {
            #[allow(dead_code, reason = "it is never read")]
            token: Secret,
        }
        for text in ["", "{", "[]", "5", "null", r#""x""#, "{}", r#"{"id":null}"#, r#"{"id":["a"]}"#, r#"[["a"]]"#] {
            assert!(read::<Item>(text.as_bytes()).is_err(), "{text}");
        }
        for text in [r#"{"token":5}"#, r#"{"token":true}"#, r#"{"token":["x"]}"#, "{}"] {
            assert!(read::<Tokens>(text.as_bytes()).is_err(), "{text}");
        }
        assert!(object::<Tokens>(br#"["x"]"#).is_err());
    }

    #[apply(leak_checked!)]
    fn other_encodings_cost_the_letter() {
        assert_eq!(read::<Item>(b"{\"id\":\"Jos\xe9\"}").expect("an item").id, "Jos\u{fffd}");
    }

    #[apply(leak_checked!)]
    fn a_torn_or_endless_failure_is_read_as_far_as_it_goes() {
        let long = format!(r#"{{"error":"invalid_grant","fields":{{}},"pad":"{}"}}"#, "x".repeat(LONGEST_FAILURE));
        for text in [long.as_str(), r#"{"error":"invalid_grant","fields":{},"pad":12"#] {
            let read = failure(text.as_bytes()).expect("members");
            assert_eq!(read, serde_json::json!({ "error": "invalid_grant", "fields": {} }));
        }
        for nothing in ["", "<html>", "[", "{", r#"{"error":"#, r#"{"error":"inval"#] {
            assert_eq!(failure(nothing.as_bytes()), None, "{nothing}");
        }
    }

    #[apply(leak_checked!)]
    fn one_member_is_found_among_many() {
        let many = format!(r#"{{{}"success":false,"success":true}}"#, r#""":0,"#.repeat(1000));
        assert_eq!(member(many.as_bytes(), "success"), Some(Value::Bool(true)));
        assert_eq!(member(many.as_bytes(), "code"), None);
        assert_eq!(member(b"[1]", "code"), None);
        for (body, wanted) in [
            (r#"{"data":[{"code":1}],"code":"a"}"#, Some(Value::from("a"))),
            (r#"{"c\u006fde":"a"}"#, Some(Value::from("a"))),
            (r#"{"code":"a","code":7}"#, Some(Value::from(7))),
            // What is torn, or has something behind it, is read as far as it goes.
            (r#"{"code":"a","data":["#, Some(Value::from("a"))),
            (r#"{"code":"a"} and more"#, Some(Value::from("a"))),
            (r#"{"code":"a","code":[{"b":1},[]]}"#, Some(Value::Null)),
            (r#"{"code":{"a":{"b":1}},"#, Some(Value::Null)),
            ("{}", None),
            ("", None),
        ] {
            assert_eq!(member(body.as_bytes(), "code"), wanted, "{body}");
        }
        assert_eq!(member(b"{\"name\":\"Jos\xe9\",\"code\":\"a\"}", "code"), Some(Value::from("a")));
        assert_eq!(member("\u{feff}{\"code\":\"a\"}".as_bytes(), "code"), Some(Value::from("a")));
    }
}
