//! The conversations that `turngraph dev` shows: real ones with branches, and one with all steps.
//!
//! They are imported like any file, so their keys are the same for an account wherever and however
//! often they are loaded. `data/SOURCE.md` says where they come from and under which licences.

use super::conversation::Conversation;
use super::formats::ndjson;
use super::import::{ImportError, Importer, TransferContext};
use super::keys;
use super::report::ImportReport;
use crate::domain::score::Target;
use crate::domain::{Timestamp, Uid};

/// Imported as they are. The one that is named last becomes the most recent where none has times.
const FILES: [(&str, &[u8]); 6] = [
    (
        "chatgpt-tree.json",
        include_bytes!("data/chatgpt-tree.json"),
    ),
    ("librechat.json", include_bytes!("data/librechat.json")),
    (
        "chatgpt-libraries.json",
        include_bytes!("data/chatgpt-libraries.json"),
    ),
    (
        "chatgpt-reasoning.json",
        include_bytes!("data/chatgpt-reasoning.json"),
    ),
    (
        "chatgpt-sample.json",
        include_bytes!("data/chatgpt-sample.json"),
    ),
    ("oasst.jsonl", include_bytes!("data/oasst.jsonl")),
];

/// The conversation with all 13 step types; its keys are short and are replaced by derived ones.
const ALL_STEP_TYPES: &str = include_str!("data/all-step-types.json");

/// Tree of Open Assistant about forming habits: branches of prompts and answers, ranked.
const BRANCHED_ID: &str = "f7a53981-0bfd-4595-8ca2-bae2c3b64345";

/// A word that prompts and answers of the demo hold.
pub const WORD: &str = "habit";

/// Keys of demo sessions that examples name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoKeys {
    /// A session with branches of prompts and of answers.
    pub branched: Uid,
    /// The session with all 13 step types.
    pub all_steps: Uid,
}

/// The keys for an account, whether the demo is loaded or not.
pub fn demo_keys(account: &Uid) -> DemoKeys {
    DemoKeys {
        branched: keys::session(account, "oasst", BRANCHED_ID),
        all_steps: keys::session(account, "demo", "all-13-step-types"),
    }
}

/// Loads the demo conversations of an account; those that are there stay as they are.
pub async fn load_demo(ctx: &TransferContext, account: &Uid) -> Result<ImportReport, ImportError> {
    let mut importer = Importer::new(ctx, account, &|_| ());
    for (name, bytes) in FILES {
        let done = importer.file(name, bytes, None).await;
        done.map_err(|source| importer.stopped(source))?;
    }
    let steps = all_step_types(account, ctx.clock.now());
    let done = importer.rows(&steps).await;
    done.map_err(|source| importer.stopped(source))?;
    Ok(importer.into_report())
}

/// The hand-written conversation with keys of the account, ending now.
fn all_step_types(account: &Uid, now: Timestamp) -> Conversation {
    let read = ndjson::read(ALL_STEP_TYPES);
    let (mut demo, _) = read.expect("a test reads the same text");
    let home = demo_keys(account).all_steps;
    let shift = now.0 - demo.session.last_activity_at.0;
    let later = |at: &mut Timestamp| at.0 += shift;
    let key = |uid: &mut Uid| *uid = keys::part(&home, "turn", uid.as_str());
    demo.place = "all-step-types.json".to_owned();
    demo.session.account_uid = account.clone();
    demo.session.active_root.iter_mut().for_each(key);
    later(&mut demo.session.created_at);
    later(&mut demo.session.last_activity_at);
    for turn in &mut demo.turns {
        let turn = &mut turn.turn;
        key(&mut turn.uid);
        turn.parent_uid.iter_mut().for_each(key);
        turn.active_child.iter_mut().for_each(key);
        later(&mut turn.created_at);
        turn.finished_at.iter_mut().for_each(later);
    }
    for step in &mut demo.steps {
        key(&mut step.turn_uid);
        later(&mut step.created_at);
    }
    let target = |target: &mut Target| match target {
        Target::Session { uid } => uid.clone_from(&home),
        Target::Turn { uid } | Target::Step { uid, .. } => key(uid),
    };
    for score in &mut demo.scores {
        score.uid = keys::part(&home, "score", score.uid.as_str());
        target(&mut score.target);
        later(&mut score.created_at);
    }
    demo.metadata
        .iter_mut()
        .for_each(|row| target(&mut row.target));
    demo.session.uid = home.clone();
    demo
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::step::StepContent;
    use crate::domain::{SessionGraph, StepType, TurnRow};

    #[test]
    fn the_hand_written_conversation_has_all_step_types_well_formed_and_branches() {
        let account = Uid::parse("demo").unwrap();
        let demo = all_step_types(&account, Timestamp(0));
        let types: BTreeSet<i32> = demo.steps.iter().map(|step| step.tpe).collect();
        assert_eq!(types.len(), StepType::ALL.len());
        for step in &demo.steps {
            let read = StepContent::parse(step.tpe, &step.content);
            assert!(!matches!(read, StepContent::Malformed(_)), "{read:?}");
        }
        assert!(demo.steps.iter().any(|step| {
            let read = StepContent::parse(step.tpe, &step.content);
            read.tool().is_some_and(|tool| tool.result.is_some())
        }));
        let turns: Vec<TurnRow> = demo.turns.iter().map(|turn| turn.turn.clone()).collect();
        let graph = SessionGraph::build(turns, demo.session.active_root.clone());
        assert_eq!(graph.damage(), []);
        assert_eq!((graph.branches().len(), graph.active_path().len()), (3, 4));
        assert_eq!(demo.session.last_activity_at, Timestamp(0));
    }

    #[test]
    fn keys_are_those_of_the_account() {
        let of = |account: &str| demo_keys(&Uid::parse(account).unwrap());
        assert_eq!(of("demo"), of("demo"));
        assert_ne!(of("demo").all_steps, of("other").all_steps);
    }
}
