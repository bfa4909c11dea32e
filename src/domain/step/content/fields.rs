//! Reads one JSON object field by field, borrowing from the text, with the key path of what does
//! not fit.
//!
//! Own reading instead of serde's derive, since serde's errors quote the value and a problem must
//! never hold content. It knows JSON kinds only, nothing of step types.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::json::Json;

/// A value that was read, or a sentence that says what does not fit and where.
pub(super) type Read<T> = Result<T, String>;

/// Where a value stands in the content: a list on the stack, so that it costs nothing until a
/// problem is told.
#[derive(Clone, Copy)]
pub(super) enum Path<'p> {
    Root,
    Key(&'p Path<'p>, &'static str),
    Index(&'p Path<'p>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Path::Root, name) => f.write_str(name),
            Self::Key(above, name) => write!(f, "{above}.{name}"),
            Self::Index(above, at) => write!(f, "{above}[{at}]"),
        }
    }
}

/// One JSON value and its place.
#[derive(Clone, Copy)]
pub(super) struct Value<'a, 'p> {
    raw: &'a str,
    path: Path<'p>,
}

impl<'a> Value<'a, '_> {
    /// `raw` is one valid JSON value without white space around it.
    pub(super) fn at_root(raw: &'a str) -> Self {
        Self {
            raw,
            path: Path::Root,
        }
    }

    /// What the value is, for a person.
    pub(super) fn kind(&self) -> &'static str {
        match self.raw.as_bytes().first() {
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b'"') => "a string",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ => "a number",
        }
    }

    /// The problem that this value is not what it must be.
    pub(super) fn not(&self, wanted: &str) -> String {
        let found = self.kind();
        match self.path {
            Path::Root => format!("the content must be {wanted}, found {found}"),
            path => format!("`{path}` must be {wanted}, found {found}"),
        }
    }

    pub(super) fn json(&self) -> Json<'a> {
        Json::new(self.raw)
    }

    pub(super) fn is_text(&self) -> bool {
        self.raw.starts_with('"')
    }

    pub(super) fn is_object(&self) -> bool {
        self.raw.starts_with('{')
    }

    pub(super) fn is_array(&self) -> bool {
        self.raw.starts_with('[')
    }

    /// The string, borrowed unless an escape needs a copy.
    pub(super) fn text(&self) -> Read<Cow<'a, str>> {
        if !self.is_text() {
            return Err(self.not("a string"));
        }
        self.json().text().ok_or_else(|| {
            let path = self.path;
            format!("`{path}` has a \\u escape that is half a surrogate pair")
        })
    }

    /// A whole number of 32 bits. `12.0` is one, as in GraphQL; `"12"` is not.
    pub(super) fn int(&self) -> Read<i32> {
        if let Ok(number) = self.raw.parse() {
            return Ok(number);
        }
        let number = self.float()?;
        let whole =
            number.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number);
        whole
            .then_some(number as i32)
            .ok_or_else(|| format!("`{}` must be a whole number of 32 bits", self.path))
    }

    /// A finite number.
    pub(super) fn float(&self) -> Read<f64> {
        if self.kind() != "a number" {
            return Err(self.not("a number"));
        }
        let number = self.raw.parse::<f64>().ok().filter(|n| n.is_finite());
        number.ok_or_else(|| format!("`{}` is a number out of range", self.path))
    }

    pub(super) fn boolean(&self) -> Read<bool> {
        match self.raw {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.not("a boolean")),
        }
    }

    /// The elements, each read by `read`.
    pub(super) fn list<T>(&self, read: impl Fn(Value<'a, '_>, usize) -> Read<T>) -> Read<Vec<T>> {
        if !self.is_array() {
            return Err(self.not("an array"));
        }
        let elements: Vec<&'a RawValue> =
            serde_json::from_str(self.raw).map_err(|_| self.not("an array that can be read"))?;
        elements
            .into_iter()
            .enumerate()
            .map(|(at, raw)| {
                let path = Path::Index(&self.path, at);
                let raw = raw.get();
                read(Value { raw, path }, at)
            })
            .collect()
    }
}

impl<'a, 'p> Value<'a, 'p> {
    /// The keys and values.
    pub(super) fn fields(&self) -> Read<Fields<'a, 'p>> {
        if !self.is_object() {
            return Err(self.not("an object"));
        }
        let Entries(entries) =
            serde_json::from_str(self.raw).map_err(|_| self.not("an object that can be read"))?;
        let path = self.path;
        Ok(Fields { entries, path })
    }
}

/// One JSON object and its place.
///
/// A field is looked up by its camelCase name, then by the same name in `snake_case`. Where a key
/// comes twice the last one counts, as everywhere in JavaScript and `serde_json`. Null is the same
/// as missing.
pub(super) struct Fields<'a, 'p> {
    entries: Vec<(Cow<'a, str>, &'a RawValue)>,
    path: Path<'p>,
}

impl<'a> Fields<'a, '_> {
    /// The value of `name`, none when it is missing or null.
    pub(super) fn get(&self, name: &'static str) -> Option<Value<'a, '_>> {
        let last = |is: &dyn Fn(&str) -> bool| self.entries.iter().rev().find(|(key, _)| is(key));
        let (_, raw) = last(&|key| key == name).or_else(|| last(&|key| is_snake_of(key, name)))?;
        let raw = raw.get();
        let path = Path::Key(&self.path, name);
        (raw != "null").then_some(Value { raw, path })
    }

    /// The value of a field that must be there.
    pub(super) fn required(&self, name: &'static str) -> Read<Value<'a, '_>> {
        self.get(name)
            .ok_or_else(|| format!("`{}` is missing", Path::Key(&self.path, name)))
    }

    pub(super) fn text(&self, name: &'static str) -> Read<Option<Cow<'a, str>>> {
        self.get(name).map(|value| value.text()).transpose()
    }

    pub(super) fn required_text(&self, name: &'static str) -> Read<Cow<'a, str>> {
        self.required(name)?.text()
    }

    pub(super) fn int(&self, name: &'static str) -> Read<Option<i32>> {
        self.get(name).map(|value| value.int()).transpose()
    }

    pub(super) fn float(&self, name: &'static str) -> Read<Option<f64>> {
        self.get(name).map(|value| value.float()).transpose()
    }

    pub(super) fn boolean(&self, name: &'static str) -> Read<Option<bool>> {
        self.get(name).map(|value| value.boolean()).transpose()
    }

    pub(super) fn json(&self, name: &'static str) -> Option<Json<'a>> {
        self.get(name).map(|value| value.json())
    }

    /// The elements of a list; none when it is missing.
    pub(super) fn list<T>(
        &self,
        name: &'static str,
        read: impl Fn(Value<'a, '_>, usize) -> Read<T>,
    ) -> Read<Vec<T>> {
        self.get(name)
            .map_or_else(|| Ok(Vec::new()), |value| value.list(read))
    }

    /// All keys and values in their order; a key that comes twice is there twice.
    pub(super) fn members(&self) -> impl Iterator<Item = (&Cow<'a, str>, Json<'a>)> {
        let members = self.entries.iter();
        members.map(|(key, raw)| (key, Json::new(raw.get())))
    }
}

/// Whether `key` is `camel` written in `snake_case`; a name without capitals has no other form.
fn is_snake_of(key: &str, camel: &str) -> bool {
    let mut key = key.bytes();
    let same = camel.bytes().all(|c| match c.is_ascii_uppercase() {
        true => key.next() == Some(b'_') && key.next() == Some(c.to_ascii_lowercase()),
        false => key.next() == Some(c),
    });
    same && key.next().is_none()
}

/// The members of an object, keys and values borrowed from the text.
pub(super) struct Entries<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::with_capacity(4);
        while let Some(Key(key)) = map.next_key()? {
            entries.push((key, map.next_value()?));
        }
        Ok(Entries(entries))
    }
}

/// A key; `Cow` alone would always be owned in serde.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
