//! The patient reading of an answer.

use super::{
    scalars::{truth_of, whole_number},
    spans::{Items, Members},
};
use serde::{
    Deserializer as _,
    de::{
        self, DeserializeOwned, DeserializeSeed, EnumAccess, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess,
        VariantAccess, Visitor,
    },
    forward_to_deserialize_any,
};
use serde_json::{Error, Number};
use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::HashSet,
    vec,
};

/// Reading, and again without what could not be read, stops after so many bytes: what stands one in the other is read once on
/// each level.
const LONGEST_WORK: usize = 256 * 1024 * 1024;
/// What stands deeper is not read: each level takes room on the stack. It is serde_json's own limit.
const DEEPEST: u8 = 127;
/// An object of more members is not read, also in an answer that makes a session: they would have to be kept side by side.
const MOST_MEMBERS: usize = 64 * 1024;

/// Reads also what keeps to no document: as often as it takes to find everything that cannot be read.
///
/// # Errors
/// What could not be read first, and where, in serde's words: they may quote a value, which `misfit` leaves out.
pub(super) fn read_patiently<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let mut read = None;
    patiently(body, &mut |patient| {
        read = None;
        T::deserialize(patient).map(|value| read = Some(value))
    })?;
    read.ok_or_else(|| de::Error::custom("nothing was read"))
}

/// Whether this could be read in the end, or why not. What is read is no concern here, so that this is compiled once and not for each type.
fn patiently(body: &[u8], read: &mut dyn FnMut(Patient<'_>) -> Result<(), Error>) -> Result<(), Error> {
    // A text in another encoding than UTF-8 is as little reason to fail as one of another type.
    let body = String::from_utf8_lossy(body);
    // A body that is torn or no JSON at all is not for patience.
    serde_json::from_slice::<IgnoredAny>(body.as_bytes())?;
    let raw = body.trim();
    let broken = BrokenValues::default();
    while broken.works_on(raw) {
        let known = broken.count();
        let outcome = read(Patient { raw, broken: &broken, levels: DEEPEST });
        if let Err(why) = &outcome {
            broken.note(end(raw), || why.to_string());
        }
        if broken.has(raw) {
            break;
        }
        if broken.count() != known {
            continue; // once more, without what could not be read
        }
        if outcome.is_ok() {
            return Ok(());
        }
        break;
    }
    Err(broken.first_of(&body))
}

/// Where this value ends, in memory.
fn end(raw: &str) -> usize {
    raw.as_bytes().as_ptr_range().end as usize
}

/// Where serde_json would stand when it sees that this is none of what is wanted: behind it, but before a list or an object.
fn seen(raw: &str) -> usize {
    if raw.starts_with(['[', '{']) { raw.as_ptr() as usize } else { end(raw) }
}

/// Where the values stand that cannot be read.
#[derive(Default)]
struct BrokenValues {
    places: RefCell<HashSet<usize>>,
    /// A value was found broken in this reading, and what is made of it is thrown away.
    blamed: Cell<bool>,
    /// How many bytes were read, in all readings.
    work: Cell<usize>,
    /// What could not be read first, and where.
    first: RefCell<Option<(usize, String)>>,
}

impl BrokenValues {
    /// Counts that this is about to be read, unless too much was.
    fn works_on(&self, raw: &str) -> bool {
        let before = self.work.get();
        self.work.set(before.saturating_add(raw.len().max(1)));
        before < LONGEST_WORK
    }

    fn count(&self) -> usize {
        self.blamed.set(false);
        self.places.borrow().len()
    }

    fn has(&self, raw: &str) -> bool {
        self.places.borrow().contains(&(raw.as_ptr() as usize))
    }

    fn note(&self, at: usize, what: impl FnOnce() -> String) {
        self.first.borrow_mut().get_or_insert_with(|| (at, what()));
    }

    /// What could not be read first, with the line and the column in this body: serde_json takes them out of the text again.
    fn first_of(&self, body: &str) -> Error {
        let first = self.first.borrow();
        let Some((at, what)) = first.as_ref() else { return de::Error::custom("it cannot be read") };
        let before = &body.as_bytes()[..at.saturating_sub(body.as_ptr() as usize).min(body.len())];
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        de::Error::custom(format_args!("{what} at line {line} column {column}"))
    }

    fn add(&self, raw: &str) {
        self.blamed.set(true);
        self.places.borrow_mut().insert(raw.as_ptr() as usize);
    }

    /// The innermost value that may be left out takes the blame for a failure below it.
    fn failed(&self, raw: &str, why: &Error) {
        self.note(end(raw), || why.to_string());
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
        b'"' => serde_json::from_slice::<String>(raw.as_bytes()).ok().map(Cow::Owned),
        b'{' | b'[' | b'n' => None,
        _ => Some(Cow::Borrowed(raw)),
    }
}

impl<'a> Patient<'a> {
    /// What the visitor wants, or anything that it takes, so that this reading finds what else is broken.
    fn or<T>(self, read: Option<T>, wanted: &str, anything: T) -> T {
        if read.is_none() {
            self.refuse(wanted);
        }
        read.unwrap_or(anything)
    }

    fn integer<T: TryFrom<i128>>(self, wanted: &str, anything: T) -> T {
        let read = scalar(self.raw).and_then(|text| T::try_from(whole_number(&text)?).ok());
        self.or(read, wanted, anything)
    }

    fn number(self) -> Result<Number, Error> {
        serde_json::from_slice(self.raw.as_bytes())
    }

    fn is(self, first: u8) -> bool {
        self.raw.as_bytes().first() == Some(&first)
    }

    /// How many levels are left below this one, which is about to be read.
    fn below(self) -> Result<u8, Error> {
        if !self.broken.works_on(self.raw) {
            return Err(self.mismatch("as short as it must be"));
        }
        self.levels.checked_sub(1).ok_or_else(|| self.mismatch("as shallow as it must be"))
    }

    fn items(self) -> Result<PatientRead<'a, Items<'a>>, Error> {
        let items = Items::of(self.raw).ok_or_else(|| self.mismatch("a list"))?;
        Ok(PatientRead { items, broken: self.broken, levels: self.below()?, next: None })
    }

    fn members(self) -> Result<PatientRead<'a, vec::IntoIter<(String, &'a str)>>, Error> {
        let levels = self.below()?;
        let members = Members::of(self.raw).ok_or_else(|| self.mismatch("an object"))?;
        let members = members.filter(|(_, raw)| !self.broken.has(raw)).take(MOST_MEMBERS + 1);
        let mut members: Vec<_> = members.collect();
        if members.len() > MOST_MEMBERS {
            return Err(self.mismatch("an object of bearable size"));
        }
        keep_the_last(&mut members);
        Ok(PatientRead { items: members.into_iter(), broken: self.broken, levels, next: None })
    }

    fn mismatch(self, wanted: &str) -> Error {
        self.refuse(wanted);
        de::Error::custom(format_args!("invalid type: a value, expected {wanted}"))
    }

    /// There may be a great many of these: only of the first one a sentence is made.
    fn refuse(self, wanted: &str) {
        self.broken.add(self.raw);
        self.broken.note(seen(self.raw), || format!("invalid type: a value, expected {wanted}"));
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $kind:ty),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.integer::<$kind>(stringify!($kind), 0))
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
            _ => self.number()?.deserialize_any(visitor),
        }
    }

    integers! {
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64, deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64,
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let read = scalar(self.raw).and_then(|text| truth_of(&text));
        visitor.visit_bool(self.or(read, "a boolean", false))
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let read = scalar(self.raw).and_then(|text| text.trim().parse::<f64>().ok()).filter(|read| read.is_finite());
        visitor.visit_f64(self.or(read, "f64", 0.0))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let read = scalar(self.raw).map(Cow::into_owned);
        visitor.visit_string(self.or(read, "a string", String::new()))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is(b'n') || self.broken.has(self.raw) {
            return visitor.visit_none();
        }
        visitor.visit_some(self).inspect_err(|why| self.broken.failed(self.raw, why))
    }

    /// A secret is no number and no truth: what is essential is taken as it was promised, or not at all.
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        if name == crate::secret::NAME && !self.is(b'"') {
            return Err(self.mismatch("a string"));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(self.items()?)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(self.members()?)
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
struct PatientRead<'a, I> {
    items: I,
    broken: &'a BrokenValues,
    levels: u8,
    next: Option<&'a str>,
}

impl<'a, I> PatientRead<'a, I> {
    fn value<'de, S: DeserializeSeed<'de>>(&self, seed: S, raw: &'a str) -> Result<S::Value, Error> {
        let value = Patient { raw, broken: self.broken, levels: self.levels };
        seed.deserialize(value).inspect_err(|why| self.broken.failed(raw, why))
    }
}

impl<'de, 'a, I: Iterator<Item = &'a str>> SeqAccess<'de> for PatientRead<'a, I> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let broken = self.broken;
        match self.items.find(|raw| !broken.has(raw)) {
            Some(raw) => self.value(seed, raw).map(Some),
            None => Ok(None),
        }
    }
}

impl<'de, 'a, I: Iterator<Item = (String, &'a str)>> MapAccess<'de> for PatientRead<'a, I> {
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
