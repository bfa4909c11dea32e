//! Steps that find something: `Retrieval` from an index, `WebSearch` on the web.

use std::borrow::Cow;

use chrono::NaiveDate;

use super::fields::{Fields, Read};
use super::json::Json;
use super::lines;
use super::tool::ToolCall;
use crate::domain::Timestamp;

/// Documents fetched from an index.
#[derive(Debug, Clone, PartialEq)]
pub struct Retrieval<'a> {
    /// What was looked for.
    pub query: Option<Cow<'a, str>>,
    /// Where it was looked for.
    pub index: Option<Cow<'a, str>>,
    /// What was found, in the stored order.
    pub documents: Vec<RetrievedDocument<'a>>,
    /// Tool that was used.
    pub tool: Option<ToolCall<'a>>,
}

/// One document that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct RetrievedDocument<'a> {
    /// Its key in the index.
    pub document_id: Option<Cow<'a, str>>,
    /// Its title.
    pub title: Option<Cow<'a, str>>,
    /// Its address.
    pub url: Option<Cow<'a, str>>,
    /// The stretch that fits the query.
    pub snippet: Option<Cow<'a, str>>,
    /// How well it fits, in the measure of the index.
    pub score: Option<f64>,
    /// Its place, from 1; the place in the list where the document does not say.
    pub rank: i32,
    /// What else the index knows; any JSON.
    pub metadata: Option<Json<'a>>,
}

impl<'a> Retrieval<'a> {
    pub(super) fn read(fields: &Fields<'a, '_>) -> Read<Self> {
        Ok(Self {
            query: fields.text("query")?,
            index: fields.text("index")?,
            documents: fields.list("documents", |value, at| {
                let document = value.fields()?;
                Ok(RetrievedDocument {
                    document_id: document.text("documentId")?,
                    title: document.text("title")?,
                    url: document.text("url")?,
                    snippet: document.text("snippet")?,
                    score: document.float("score")?,
                    rank: rank(&document, at)?,
                    metadata: document.json("metadata"),
                })
            })?,
            tool: ToolCall::of(fields)?,
        })
    }

    pub(super) fn plain_text(&self) -> Cow<'_, str> {
        let found = self
            .documents
            .iter()
            .flat_map(|document| [document.title.as_ref(), document.snippet.as_ref()]);
        lines(std::iter::once(self.query.as_ref()).chain(found))
    }
}

/// A search on the web.
#[derive(Debug, Clone, PartialEq)]
pub struct WebSearch<'a> {
    /// What was searched for.
    pub query: Cow<'a, str>,
    /// What was found, in the stored order.
    pub results: Vec<WebResult<'a>>,
    /// Tool that was used.
    pub tool: Option<ToolCall<'a>>,
}

/// One page that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct WebResult<'a> {
    /// Its place, from 1; the place in the list where the result does not say.
    pub rank: i32,
    /// Its title.
    pub title: Option<Cow<'a, str>>,
    /// Its address.
    pub url: Cow<'a, str>,
    /// The stretch that fits the query.
    pub snippet: Option<Cow<'a, str>>,
    /// When it was published. Search engines also say `3 days ago`: text that is neither an
    /// RFC 3339 instant nor a date reads as none.
    pub published_at: Option<Timestamp>,
}

impl<'a> WebSearch<'a> {
    pub(super) fn read(fields: &Fields<'a, '_>) -> Read<Self> {
        Ok(Self {
            query: fields.required_text("query")?,
            results: fields.list("results", |value, at| {
                let result = value.fields()?;
                Ok(WebResult {
                    rank: rank(&result, at)?,
                    title: result.text("title")?,
                    url: result.required_text("url")?,
                    snippet: result.text("snippet")?,
                    published_at: result.text("publishedAt")?.and_then(|text| instant(&text)),
                })
            })?,
            tool: ToolCall::of(fields)?,
        })
    }

    pub(super) fn bare(query: Cow<'a, str>) -> Self {
        Self {
            query,
            results: Vec::new(),
            tool: None,
        }
    }

    pub(super) fn plain_text(&self) -> Cow<'_, str> {
        let found = self
            .results
            .iter()
            .flat_map(|result| [result.title.as_ref(), result.snippet.as_ref()]);
        lines(std::iter::once(Some(&self.query)).chain(found))
    }
}

fn rank(item: &Fields<'_, '_>, at: usize) -> Read<i32> {
    let place = i32::try_from(at).map_or(i32::MAX, |at| at.saturating_add(1));
    Ok(item.int("rank")?.unwrap_or(place))
}

/// An instant, or a date as its midnight in UTC.
fn instant(text: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(text).or_else(|| {
        let date: NaiveDate = text.parse().ok()?;
        Some(Timestamp::from_datetime(
            date.and_hms_opt(0, 0, 0)?.and_utc(),
        ))
    })
}
