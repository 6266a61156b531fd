//! Reads what vendors write in more ways than their documents say.

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor},
};
use std::{collections::BTreeMap, fmt, marker::PhantomData};

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
    use serde_json::json;

    #[apply(leak_checked!)]
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
}
