//! The demo conversations: loaded once, with the keys that examples name.

use std::collections::BTreeSet;

use turngraph::domain::SessionGraph;
use turngraph::transfer::SkipKind;
use turngraph::transfer::demo::{WORD, demo_keys, load_demo};

use super::{Lab, account};

#[tokio::test]
async fn the_demo_is_loaded_once_and_has_branches_and_every_step_type() {
    let lab = Lab::new().await;
    let report = load_demo(&lab.ctx, &account()).await.unwrap();
    assert!(
        !report.has_broken() && report.repaired.is_empty(),
        "{report:#?}"
    );
    assert_eq!(report.sessions, 21);
    let again = load_demo(&lab.ctx, &account()).await.unwrap();
    assert_eq!(
        (again.sessions, again.skipped_of(SkipKind::Present)),
        (0, 21)
    );
    let keys = demo_keys(&account());
    for (uid, branches) in [(keys.branched, 5), (keys.all_steps.clone(), 3)] {
        let rows = lab
            .record()
            .sessions_by_uid(&account(), std::slice::from_ref(&uid))
            .await
            .unwrap();
        let turns = lab
            .record()
            .turns_by_session(&account(), &[uid])
            .await
            .unwrap();
        let turns = turns.into_iter().map(|row| row.turn).collect();
        let graph = SessionGraph::build(turns, rows[0].active_root.clone());
        assert_eq!(graph.branches().len(), branches);
    }
    let turns = lab
        .record()
        .turns_by_session(&account(), &[keys.all_steps])
        .await
        .unwrap();
    let turns: Vec<_> = turns.into_iter().map(|row| row.turn.uid).collect();
    let heads = lab.record().step_heads(&turns).await.unwrap();
    let types: BTreeSet<i32> = heads.into_iter().map(|head| head.tpe).collect();
    assert_eq!(types.len(), 13);
    let texts = super::files::texts(&**lab.record(), &account()).await;
    assert!(texts.iter().any(|text| text.contains(WORD)));
    // Another account of the same store gets its own.
    let other = load_demo(&lab.ctx, &crate::support::rows::uid("bob"))
        .await
        .unwrap();
    assert_eq!(other.sessions, 21);
}
