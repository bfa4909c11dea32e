//! The page's ready operations with ids of an account's own data: the demo conversations, or what
//! was imported since. For `dev` only, because the list is public and quotes a word of a prompt.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::domain::{TurnRole, Uid};
use crate::http::demo_ids::ids_of;
use crate::http::examples::{Example, examples};
use crate::reads::{
    ListingRequest, ReadResult, Reads, SessionFilter, SessionOrder, SessionWithGraph,
};

/// Sessions that are looked at, oldest first: what the user adds does not change the examples.
const SESSIONS_MAX: usize = 200;

/// The operations with the ids of `account`; five reads, however much data there is. A placeholder
/// that nothing fits says in words what belongs there.
pub(super) async fn filled(reads: &Reads, account: &Uid) -> ReadResult<Vec<Example>> {
    let request = ListingRequest {
        order: SessionOrder::CreatedAsc,
        size: SESSIONS_MAX,
        from_end: false,
        after: None,
        before: None,
        filter: SessionFilter::default(),
    };
    let listed = reads.listing(account, &request).await?.sessions;
    let uids: Vec<Uid> = listed.into_iter().map(|(row, _)| row.uid).collect();
    let sessions = reads.graphs(account, &uids).await?;

    let mut ids = BTreeMap::new();
    if let Some(session) = with_most_branches(&sessions) {
        ids.extend(ids_of(&session.row.uid, &session.graph).unwrap_or_default());
        let prompts: Vec<Uid> = turns(session, TurnRole::Human).cloned().collect();
        let texts = reads.prompts(&prompts).await?;
        ids.extend(longest_word(&texts).map(|word| ("demo.word", word)));
    }
    if let Some(uid) = with_most_step_types(reads, &sessions).await? {
        ids.insert("demo.steps_session", format!("Session:{uid}"));
    }
    Ok(examples(|name| ids.get(name).cloned()))
}

/// The session that shows branching best, of those that have everything the examples name.
fn with_most_branches(sessions: &[SessionWithGraph]) -> Option<&SessionWithGraph> {
    sessions
        .iter()
        .filter(|it| ids_of(&it.row.uid, &it.graph).is_some())
        // The first of equals, where `max_by_key` would give the last.
        .rev()
        .max_by_key(|it| it.graph.branches().len())
}

async fn with_most_step_types(
    reads: &Reads,
    sessions: &[SessionWithGraph],
) -> ReadResult<Option<Uid>> {
    let session_of: HashMap<&Uid, &Uid> = sessions
        .iter()
        .flat_map(|it| turns(it, TurnRole::Agent).map(|turn| (turn, &it.row.uid)))
        .collect();
    let answers: Vec<Uid> = session_of.keys().map(|&turn| turn.clone()).collect();
    let mut types: BTreeMap<&Uid, BTreeSet<i32>> = BTreeMap::new();
    for head in reads.step_heads(&answers).await? {
        if let Some(session) = session_of.get(&head.turn_uid) {
            types.entry(session).or_default().insert(head.tpe);
        }
    }
    let most = types.into_iter().max_by_key(|(_, types)| types.len());
    Ok(most.map(|(session, _)| session.clone()))
}

/// Turns on the active path, which is what the examples show.
fn turns(session: &SessionWithGraph, role: TurnRole) -> impl Iterator<Item = &Uid> {
    let path = session.graph.active_path().iter();
    path.map(|&ix| session.graph.turn(ix))
        .filter(move |turn| turn.role == role)
        .map(|t| &t.uid)
}

/// A word that a search finds something by: a long one says more than a short one.
fn longest_word(texts: &[(Uid, String)]) -> Option<String> {
    let words = texts
        .iter()
        .flat_map(|(_, text)| text.split(|c: char| !c.is_alphanumeric()));
    // Beyond this it is a key or a hash rather than a word.
    let words = words.filter(|word| (1..=20).contains(&word.chars().count()));
    words
        .max_by_key(|word| (word.chars().count(), std::cmp::Reverse(*word)))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn longest(texts: &[&str]) -> Option<String> {
        let texts: Vec<_> = texts
            .iter()
            .map(|&text| (Uid::stored("t"), text.to_owned()))
            .collect();
        longest_word(&texts)
    }

    #[test]
    fn the_word_to_search_for_is_whole_and_not_a_key() {
        let found = longest(&["Which neighbourhood?", "And the Príncipe-Real gardens!"]);
        assert_eq!(found.as_deref(), Some("neighbourhood"));
        let key = "look at deadbeefdeadbeefdeadbeefdeadbeef";
        assert_eq!(longest(&[key]).as_deref(), Some("look"));
        assert_eq!(longest(&["", "?!"]), None);
    }
}
