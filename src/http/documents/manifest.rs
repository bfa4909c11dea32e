//! Manifests of documents, as build tools write them: `{hash: text}` (graphql-codegen, Relay) and
//! `apollo-persisted-query-manifest`. Pure: whoever reads the file names it in the error.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

/// Documents by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest(pub(super) HashMap<Box<str>, Arc<str>>);

/// What cannot be used as a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Neither form.
    #[error(
        "this is no manifest of documents: it must be a JSON object of texts by id, or \
         {{\"format\": \"apollo-persisted-query-manifest\", \"version\": 1, \"operations\": […]}} ({0})"
    )]
    Form(String),
    /// One id for two texts.
    #[error("the id {0:?} names two different documents")]
    Twice(String),
}

const APOLLO: &str = "apollo-persisted-query-manifest";

#[derive(Deserialize)]
struct Apollo {
    format: String,
    version: u32,
    operations: Vec<ApolloOperation>,
}

#[derive(Deserialize)]
struct ApolloOperation {
    id: String,
    body: String,
}

impl Manifest {
    /// Reads a manifest of either form.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let form = |error: serde_json::Error| {
            // What serde says of values may quote them; where it was is enough.
            ManifestError::Form(format!("line {}, column {}", error.line(), error.column()))
        };
        let value: serde_json::Value = serde_json::from_str(text).map_err(form)?;
        if value.get("format").is_none() {
            let texts: HashMap<Box<str>, Arc<str>> = serde_json::from_value(value).map_err(form)?;
            return Ok(Self(texts));
        }
        let apollo: Apollo = serde_json::from_value(value).map_err(form)?;
        if apollo.format != APOLLO || apollo.version != 1 {
            let other = format!("its format is {:?} {}", apollo.format, apollo.version);
            return Err(ManifestError::Form(other));
        }
        let mut all = Self::default();
        for operation in apollo.operations {
            all.insert(operation.id.into(), operation.body.into())?;
        }
        Ok(all)
    }

    /// Adds the documents of another manifest.
    pub fn extend(&mut self, other: Self) -> Result<(), ManifestError> {
        let mut entries = other.0.into_iter();
        entries.try_for_each(|(id, text)| self.insert(id, text))
    }

    fn insert(&mut self, id: Box<str>, text: Arc<str>) -> Result<(), ManifestError> {
        match self.0.get(&id) {
            Some(known) if *known != text => Err(ManifestError::Twice(id.into())),
            _ => {
                self.0.insert(id, text);
                Ok(())
            }
        }
    }

    /// Whether there is no document.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ids and texts, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(id, text)| (&**id, &**text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_may_be_joined() {
        let mut all = Manifest::parse(r#"{"abc": "{a}", "b": "{b}"}"#).unwrap();
        let apollo = r#"{"format": "apollo-persisted-query-manifest", "version": 1, "operations":
            [{"id": "c", "name": "C", "type": "query", "body": "query C {c}"},
             {"id": "b", "name": "B", "type": "query", "body": "{b}"}]}"#;
        all.extend(Manifest::parse(apollo).unwrap()).unwrap();
        let mut found: Vec<_> = all.iter().collect();
        found.sort_unstable();
        assert_eq!(found, [("abc", "{a}"), ("b", "{b}"), ("c", "query C {c}")]);
        let other = Manifest::parse(r#"{"b": "{other}"}"#).unwrap();
        assert_eq!(all.extend(other), Err(ManifestError::Twice("b".into())));
        assert!(Manifest::parse("{}").unwrap().is_empty());
    }

    #[test]
    fn anything_else_is_refused_with_what_would_do_and_without_its_content() {
        for bad in [
            "",
            "[]",
            "{\"a\": 1}",
            "{\"format\": \"secret\", \"version\": 1, \"operations\": []}",
            "{\"format\": \"apollo-persisted-query-manifest\", \"version\": 2, \"operations\": []}",
            "{\"format\": \"apollo-persisted-query-manifest\", \"version\": 1}",
        ] {
            let why = Manifest::parse(bad).unwrap_err().to_string();
            assert!(why.contains("object of texts by id"), "{bad}: {why}");
        }
    }
}
