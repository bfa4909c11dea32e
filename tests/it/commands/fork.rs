//! Forks of a branched session, scope by scope, against a naive expectation.

use std::collections::{BTreeSet, HashMap};

use turngraph::commands::session::{ForkScope, ForkSession};
use turngraph::domain::{SessionGraph, TurnRole, TurnRow, Uid};

use super::lab::{Lab, agent, done, path, text_step};

super::on_every_engine! {
    every_scope_copies_what_it_says,
    a_fork_lives_its_own_life,
    more_turns_than_one_statement_takes_are_copied,
}

/// Two roots; below the first two answers, two follow-ups below each, one branch deleted.
async fn branched(lab: &Lab) -> (Uid, Vec<Uid>) {
    let session = lab.session().await;
    let mut turns = Vec::new();
    for root in ["a", "b"] {
        let root = lab.human(&session, None, root).await;
        turns.push(root.clone());
        for answer in ["1", "2"] {
            let mut input = agent(&session, &root, &[answer, "more"]);
            input.model = Some("model".into());
            input.usage = Some(r#"{"outputTokens": 1}"#.into());
            lab.clock.advance(1_000_000);
            let written = done(
                lab.commands
                    .append_agent_turn(&lab.account, input, None)
                    .await,
            );
            let answer = written.graph.turn(written.subject.turn).uid.clone();
            turns.push(answer.clone());
            for follow_up in ["x", "y"] {
                turns.push(lab.human(&session, Some(&answer), follow_up).await);
            }
        }
    }
    done(
        lab.commands
            .delete_turn(&lab.account, turns[4].clone())
            .await,
    );
    done(
        lab.commands
            .rate_agent_turn(&lab.account, turns[1].clone(), Some(true))
            .await,
    );
    done(
        lab.commands
            .activate_turn(&lab.account, turns[2].clone())
            .await,
    );
    let named = lab
        .commands
        .rename_session(&lab.account, session.clone(), Some("t".into()));
    done(named.await);
    (session, turns)
}

/// What a scope takes along, said once more and in another way: by membership of each turn.
fn expected(graph: &SessionGraph, at: &Uid, scope: ForkScope) -> BTreeSet<Uid> {
    let turns = graph.turns();
    let by_uid: HashMap<_, _> = turns.iter().map(|turn| (&turn.uid, turn)).collect();
    let mut above = vec![at];
    while let Some(parent) = &by_uid[above[above.len() - 1]].parent_uid {
        above.push(parent);
    }
    let living = |uid: &Uid| {
        let mut next = Some(uid);
        while let Some(uid) = next {
            if by_uid[uid].deleted_at.is_some() {
                return false;
            }
            next = by_uid[uid].parent_uid.as_ref();
        }
        true
    };
    let taken = |uid: &Uid| match scope {
        ForkScope::Path => above.contains(&uid),
        ForkScope::PathWithSiblings => above
            .iter()
            .any(|on_path| by_uid[*on_path].parent_uid == by_uid[uid].parent_uid),
        ForkScope::AllBefore => by_uid[uid].seq <= by_uid[at].seq,
    };
    let uids = turns.iter().map(|turn| turn.uid.clone());
    uids.filter(|uid| taken(uid) && living(uid)).collect()
}

async fn contents(lab: &Lab, turn: &Uid) -> String {
    let one = std::slice::from_ref(turn);
    let prompts = lab.record.prompts(one).await.unwrap();
    let steps = lab.steps(turn).await;
    let steps: Vec<_> = steps
        .iter()
        .map(|s| (s.idx, s.tpe, &s.content, s.created_at))
        .collect();
    format!(
        "{:?} {steps:?}",
        prompts.iter().map(|(_, prompt)| prompt).collect::<Vec<_>>()
    )
}

async fn every_scope_copies_what_it_says(lab: Lab) {
    let (session, turns) = branched(&lab).await;
    let (source_row, source) = lab.read(&session).await;
    for (at, scope) in [2, 8, 9, 0]
        .into_iter()
        .flat_map(|at| ForkScope::ALL.map(|s| (at, s)))
    {
        lab.clock.advance(1_000_000);
        let title = (at == 0).then(|| "mine".to_owned());
        let input = ForkSession {
            session: session.clone(),
            turn: turns[at].clone(),
            scope,
            title,
        };
        let fork = done(lab.commands.fork_session(&lab.account, input, None).await);
        let copy_of = assert_copies(&lab, (&source, &turns[at]), scope, &fork.graph).await;
        let to_turn: Vec<Uid> = source
            .path_to(source.find(&turns[at]).unwrap())
            .iter()
            .map(|&ix| copy_of[&source.turn(ix).uid].clone())
            .collect();
        assert_eq!(lab.as_stored(&fork).await, to_turn, "{scope:?} at {at}");
        assert_eq!(&fork.graph.turn(fork.subject).uid, &copy_of[&turns[at]]);
        let origin = fork.session.forked_from.clone().unwrap();
        assert_eq!(
            (&origin.session_uid, &origin.turn_uid),
            (&session, &turns[at])
        );
        assert_eq!(origin.at, fork.session.created_at);
        let title = if at == 0 { "mine" } else { "t" };
        assert_eq!(fork.session.title.as_deref(), Some(title));
        assert_eq!(fork.session.next_seq, i32::try_from(copy_of.len()).unwrap());
    }
    let (row, graph) = lab.read(&session).await;
    assert_eq!(
        (row, graph.turns()),
        (source_row, source.turns()),
        "the source is as it was"
    );
}

/// Asserts that `fork` has the turns that the scope takes along, each as its source is; returns
/// the copies by their sources.
async fn assert_copies(
    lab: &Lab,
    (source, at): (&SessionGraph, &Uid),
    scope: ForkScope,
    fork: &SessionGraph,
) -> HashMap<Uid, Uid> {
    let expected = expected(source, at, scope);
    let taken = |turn: &&TurnRow| expected.contains(&turn.uid);
    let originals: Vec<&TurnRow> = source.turns().iter().filter(taken).collect();
    assert_eq!(fork.len(), originals.len(), "{scope:?} at {at}");
    let pairs = || originals.iter().zip(fork.turns());
    let copy_of: HashMap<Uid, Uid> = pairs()
        .map(|(original, copy)| (original.uid.clone(), copy.uid.clone()))
        .collect();
    for (seq, (original, copy)) in (0..).zip(pairs()) {
        let parent = original.parent_uid.as_ref().map(|parent| &copy_of[parent]);
        assert_eq!((copy.seq, copy.parent_uid.as_ref()), (seq, parent));
        let kept = |t: &TurnRow| {
            let kept = (t.role, t.created_at, t.liked, t.model.clone());
            (kept, t.status, t.finished_at, t.usage.clone(), t.deleted_at)
        };
        assert_eq!(kept(copy), kept(original));
        assert_eq!(
            contents(lab, &copy.uid).await,
            contents(lab, &original.uid).await
        );
    }
    copy_of
}

async fn a_fork_lives_its_own_life(lab: Lab) {
    let (session, turns) = branched(&lab).await;
    let input = ForkSession {
        session: session.clone(),
        turn: turns[1].clone(),
        scope: ForkScope::PathWithSiblings,
        title: None,
    };
    let fork = done(lab.commands.fork_session(&lab.account, input, None).await);
    let copy = fork.graph.turn(fork.subject).uid.clone();
    let next = lab.human(&fork.session.uid, Some(&copy), "on").await;
    done(lab.commands.delete_turn(&lab.account, copy.clone()).await);
    assert!(lab.read(&fork.session.uid).await.1.find(&next).is_some());
    let (_, source) = lab.read(&session).await;
    assert!(!source.is_deleted(source.find(&turns[1]).unwrap()));
    assert!(source.find(&copy).is_none());
}

async fn more_turns_than_one_statement_takes_are_copied(lab: Lab) {
    let (session, last) = lab.chain(1_100).await;
    let input = ForkSession {
        session,
        turn: last,
        scope: ForkScope::Path,
        title: None,
    };
    let fork = done(lab.commands.fork_session(&lab.account, input, None).await);
    assert_eq!(lab.as_stored(&fork).await.len(), 1_100);
    assert!(fork.revision.rows.is_empty(), "too many rows to be named");
    let uids = path(&fork.graph);
    let prompts: HashMap<_, _> = lab
        .record
        .prompts(&uids)
        .await
        .unwrap()
        .into_iter()
        .collect();
    let steps = lab.record.steps(&uids).await.unwrap();
    let steps: HashMap<_, _> = steps
        .into_iter()
        .map(|step| (step.turn_uid, step.content))
        .collect();
    for (seq, uid) in uids.iter().enumerate() {
        let seq = seq.to_string();
        let text = text_step(None, &seq).content;
        let stored = (prompts.get(uid), steps.get(uid));
        let human = fork.graph.turn(fork.graph.find(uid).unwrap()).role == TurnRole::Human;
        assert_eq!(
            stored,
            if human {
                (Some(&seq), None)
            } else {
                (None, Some(&text))
            }
        );
    }
}
