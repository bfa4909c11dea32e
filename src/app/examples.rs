//! The page's ready operations with ids of an account's own data: the demo conversations, or what
//! was imported since. For `dev` only, because the list is public and quotes a word of a prompt.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Consistency, TurnRole, Uid};
use crate::http::demo_ids::ids_of;
use crate::http::examples::{Example, examples};
use crate::reads::{
    Body, BodyKind, BodyWant, ListingRequest, Origin, ReadContext, ReadResult, Reads,
    SessionFilter, SessionOrder, SessionWithGraph,
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
    let ctx = &ReadContext::new(account.clone(), Consistency::Strong);
    let listed = reads.listing(ctx, &request).await?.sessions;
    let uids: Vec<Uid> = listed.into_iter().map(|(row, _)| row.uid).collect();
    let read = reads.graphs(ctx, &uids).await.into_values();
    let mut sessions: Vec<SessionWithGraph> = read.filter_map(Result::ok).collect();
    sessions.sort_by_key(|session| uids.iter().position(|uid| *uid == session.row.uid));

    let mut ids = BTreeMap::new();
    if let Some(session) = with_most_branches(&sessions) {
        ids.extend(ids_of(&session.row.uid, &session.graph).unwrap_or_default());
        let prompts = wants(session, TurnRole::Human, BodyKind::Prompt);
        let read = reads.bodies(ctx, &prompts).await;
        let texts: Vec<String> = read.into_iter().filter_map(prompt).collect();
        ids.extend(longest_word(&texts).map(|word| ("demo.word", word)));
    }
    if let Some(uid) = with_most_step_types(reads, ctx, &sessions).await {
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
    ctx: &ReadContext,
    sessions: &[SessionWithGraph],
) -> Option<Uid> {
    let answers: Vec<BodyWant> = sessions
        .iter()
        .flat_map(|it| wants(it, TurnRole::Agent, BodyKind::Heads))
        .collect();
    let mut types: BTreeMap<&Uid, BTreeSet<i32>> = BTreeMap::new();
    let read = reads.bodies(ctx, &answers).await;
    for (want, answer) in answers.iter().zip(read) {
        if let Ok(Some((Body::Heads(heads), _))) = answer {
            let of = types.entry(&want.session_uid).or_default();
            of.extend(heads.iter().map(|head| head.tpe));
        }
    }
    let most = types.into_iter().max_by_key(|(_, types)| types.len());
    most.map(|(session, _)| session.clone())
}

/// Content of the turns on the active path, which is what the examples show.
fn wants(session: &SessionWithGraph, role: TurnRole, kind: BodyKind) -> Vec<BodyWant> {
    let path = session.graph.active_path().iter();
    path.map(|&ix| session.graph.turn(ix))
        .filter(|turn| turn.role == role)
        .map(|turn| BodyWant {
            session_uid: session.row.uid.clone(),
            seq: turn.seq,
            turn_uid: turn.uid.clone(),
            kind,
        })
        .collect()
}

fn prompt<E>(answer: Result<Option<(Body, Origin)>, E>) -> Option<String> {
    match answer {
        Ok(Some((Body::Prompt(text), _))) => Some(text),
        _ => None,
    }
}

/// A word that a search finds something by: a long one says more than a short one.
fn longest_word(texts: &[String]) -> Option<String> {
    let words = texts
        .iter()
        .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()));
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
        let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
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
