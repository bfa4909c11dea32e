//! Search in prompts and answers: the store finds candidates, the words are checked here.
//!
//! A store compares the stored JSON of a step, in which a word may be escaped or may only occur
//! in a key; so candidates are checked against the text that a person reads.

use crate::domain::{Timestamp, TurnRole, Uid};
use crate::stores::listing::{TurnHit, TurnSearch};
use crate::stores::{RecordStore, StoreError};

/// Rounds of candidates at most, so that a word which only occurs in keys ends the search.
const ROUNDS_MAX: usize = 20;

/// What a client asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchRequest {
    /// Words that must all occur, without regard to case.
    pub words: Vec<String>,
    /// Only this session.
    pub session_uid: Option<Uid>,
    /// Turns at most.
    pub size: usize,
    /// Only what comes later in the answer, that is, older turns.
    pub after: Option<SearchCursor>,
}

/// A place in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchCursor {
    at: Timestamp,
    uid: Uid,
}

/// A turn that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchHit {
    /// The turn.
    pub turn_uid: Uid,
    /// Its session.
    pub session_uid: Uid,
    /// Its place.
    pub cursor: SearchCursor,
}

/// One page, newest turn first.
#[derive(Debug, Clone, Default)]
pub struct SearchPage {
    /// What was found.
    pub hits: Vec<SearchHit>,
    /// Whether more may follow.
    pub has_next: bool,
}

impl SearchCursor {
    /// Reads a cursor; `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let (at, uid) = text.split_once('~')?;
        Some(Self {
            at: Timestamp(at.parse().ok()?),
            uid: Uid::parse(uid).ok()?,
        })
    }
}

impl std::fmt::Display for SearchCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}~{}", self.at.0, self.uid)
    }
}

pub(super) async fn page(
    record: &dyn RecordStore,
    account: &Uid,
    request: &SearchRequest,
) -> Result<SearchPage, StoreError> {
    let words: Vec<String> = request.words.iter().map(|w| w.to_lowercase()).collect();
    let mut after = request
        .after
        .as_ref()
        .map(|cursor| (cursor.at, cursor.uid.clone()));
    let mut page = SearchPage::default();
    for _ in 0..ROUNDS_MAX {
        let search = TurnSearch {
            words: words.clone(),
            session_uid: request.session_uid.clone(),
            after: after.clone(),
            limit: request.size + 1,
        };
        let candidates = record.turns_search(account, &search).await?;
        let exhausted = candidates.len() < search.limit;
        after = candidates
            .last()
            .map(|hit| (hit.created_at, hit.uid.clone()));
        for hit in candidates {
            if !contains_all(&hit, &words) {
                continue;
            }
            if page.hits.len() == request.size {
                page.has_next = true;
                return Ok(page);
            }
            let cursor = SearchCursor {
                at: hit.created_at,
                uid: hit.uid.clone(),
            };
            page.hits.push(SearchHit {
                turn_uid: hit.uid,
                session_uid: hit.session_uid,
                cursor,
            });
        }
        if exhausted {
            return Ok(page);
        }
    }
    page.has_next = true;
    Ok(page)
}

/// Whether every word occurs in what a person reads of the turn.
fn contains_all(hit: &TurnHit, words: &[String]) -> bool {
    use crate::domain::StepType;
    use crate::domain::step::content::StepContent;

    let readable = |text: &String| match hit.role {
        TurnRole::Human => text.to_lowercase(),
        TurnRole::Agent => StepContent::parse(StepType::Text.number(), text)
            .plain_text()
            .to_lowercase(),
    };
    let texts: Vec<String> = hit.texts.iter().map(readable).collect();
    words
        .iter()
        .all(|word| texts.iter().any(|text| text.contains(word)))
}
