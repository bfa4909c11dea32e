//! Reads one level of an object, so that trees of messages need no recursion however deep.

use std::collections::HashSet;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Of<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Of<'a> {
            type Value = Entries<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Of(std::marker::PhantomData))
    }
}

/// The keys of an object; none where the text is no object.
pub(super) fn keys(text: &str) -> Option<HashSet<String>> {
    let Entries(entries) = serde_json::from_str(text).ok()?;
    Some(entries.into_iter().map(|(key, _)| key).collect())
}

/// An object with its field `nested` left out, and the elements of that field: of a list, or the
/// one object that it is.
pub(super) fn split<'a>(
    text: &'a str,
    nested: &str,
) -> Result<(Value, Vec<&'a RawValue>), serde_json::Error> {
    let Entries(entries) = serde_json::from_str(text)?;
    let mut fields = Map::new();
    let mut elements = Vec::new();
    for (key, raw) in entries {
        if key == nested && raw.get().starts_with('[') {
            elements = serde_json::from_str(raw.get())?;
        } else if key == nested && raw.get().starts_with('{') {
            elements = vec![raw];
        } else {
            fields.insert(key, serde_json::from_str(raw.get())?);
        }
    }
    Ok((Value::Object(fields), elements))
}
