//! Soft deletion and restoration of turns and sessions, nested and out of order.

use super::lab::{Lab, done, human, refused};

super::on_every_engine! {
    a_deleted_turn_hides_what_is_under_it_and_comes_back,
    the_newest_living_sibling_takes_the_place,
    nested_deletions_are_restored_from_above,
    a_restored_turn_does_not_change_what_is_shown,
    deleted_sessions_refuse_writes_until_restored,
}

async fn a_deleted_turn_hides_what_is_under_it_and_comes_back(lab: Lab) {
    let session = lab.session().await;
    let a = lab.human(&session, None, "a").await;
    let b = lab.agent(&session, &a, &["b"]).await;
    let c = lab.human(&session, Some(&b), "c").await;
    let gone = done(lab.commands.delete_turn(&lab.account, b.clone()).await);
    let uids: Vec<_> = gone
        .subject
        .iter()
        .map(|&ix| gone.graph.turn(ix).uid.clone())
        .collect();
    assert_eq!(uids, [b.clone(), c.clone()]);
    let path = lab.as_stored(&gone).await;
    assert_eq!(path, std::slice::from_ref(&a));
    let marked = gone
        .graph
        .turns()
        .iter()
        .filter(|turn| turn.deleted_at.is_some());
    assert_eq!(marked.count(), 1, "only the turn named is marked");
    let again = done(lab.commands.delete_turn(&lab.account, b.clone()).await);
    assert_eq!(
        again.graph.turns(),
        gone.graph.turns(),
        "deleting again changes nothing"
    );
    assert_eq!(again.subject, gone.subject);
    let back = done(lab.commands.restore_turn(&lab.account, b.clone()).await);
    assert_eq!(back.graph.turn(back.subject).uid, b);
    assert_eq!(lab.as_stored(&back).await, [a, b.clone(), c]);
    let again = done(lab.commands.restore_turn(&lab.account, b).await);
    assert_eq!(
        again.graph.turns(),
        back.graph.turns(),
        "restoring again changes nothing"
    );
}

async fn the_newest_living_sibling_takes_the_place(lab: Lab) {
    let session = lab.session().await;
    let a = lab.human(&session, None, "a").await;
    let old = lab.agent(&session, &a, &["1"]).await;
    let middle = lab.agent(&session, &a, &["2"]).await;
    let new = lab.agent(&session, &a, &["3"]).await;
    done(lab.commands.activate_turn(&lab.account, old.clone()).await);
    // A turn that is not shown leaves the pointer alone.
    let gone = done(lab.commands.delete_turn(&lab.account, new).await);
    assert_eq!(lab.as_stored(&gone).await, [a.clone(), old.clone()]);
    let gone = done(lab.commands.delete_turn(&lab.account, old).await);
    assert_eq!(gone.graph.turn(0).active_child.as_ref(), Some(&middle));
    assert_eq!(lab.as_stored(&gone).await, [a.clone(), middle.clone()]);
    let gone = done(lab.commands.delete_turn(&lab.account, middle).await);
    assert_eq!(gone.graph.turn(0).active_child, None);
    let root = lab.human(&session, None, "root").await;
    let gone = done(lab.commands.delete_turn(&lab.account, root).await);
    assert_eq!(gone.session.active_root.as_ref(), Some(&a));
    let gone = done(lab.commands.delete_turn(&lab.account, a).await);
    assert_eq!(gone.session.active_root, None);
    assert!(lab.as_stored(&gone).await.is_empty());
}

async fn nested_deletions_are_restored_from_above(lab: Lab) {
    let session = lab.session().await;
    let a = lab.human(&session, None, "a").await;
    let b = lab.agent(&session, &a, &["b"]).await;
    let c = lab.human(&session, Some(&b), "c").await;
    let d = lab.agent(&session, &c, &["d"]).await;
    done(lab.commands.delete_turn(&lab.account, d.clone()).await);
    done(lab.commands.delete_turn(&lab.account, b.clone()).await);
    for under in [&c, &d] {
        let restore = lab.commands.restore_turn(&lab.account, under.clone()).await;
        assert_eq!(refused(restore), "id PARENT_DELETED");
    }
    // A turn under a deleted one can be deleted by its own.
    done(lab.commands.delete_turn(&lab.account, c.clone()).await);
    let back = done(lab.commands.restore_turn(&lab.account, b.clone()).await);
    assert_eq!(lab.as_stored(&back).await, [a.clone(), b.clone()]);
    let back = done(lab.commands.restore_turn(&lab.account, c.clone()).await);
    assert_eq!(
        lab.as_stored(&back).await,
        [a.clone(), b.clone(), c.clone()]
    );
    let back = done(lab.commands.restore_turn(&lab.account, d.clone()).await);
    assert_eq!(lab.as_stored(&back).await, [a, b, c, d]);
}

async fn a_restored_turn_does_not_change_what_is_shown(lab: Lab) {
    let session = lab.session().await;
    let a = lab.human(&session, None, "a").await;
    let shown = lab.agent(&session, &a, &["1"]).await;
    let newer = lab.agent(&session, &a, &["2"]).await;
    // Under a deleted parent nothing is shown, so the deletion leaves no pointer behind.
    done(lab.commands.delete_turn(&lab.account, a.clone()).await);
    done(lab.commands.delete_turn(&lab.account, newer.clone()).await);
    let back = done(lab.commands.restore_turn(&lab.account, a.clone()).await);
    assert_eq!(lab.as_stored(&back).await, [a.clone(), shown.clone()]);
    let back = done(lab.commands.restore_turn(&lab.account, newer).await);
    assert_eq!(lab.as_stored(&back).await, [a, shown]);
}

async fn deleted_sessions_refuse_writes_until_restored(lab: Lab) {
    let session = lab.session().await;
    let a = lab.human(&session, None, "a").await;
    let gone = done(
        lab.commands
            .delete_session(&lab.account, session.clone())
            .await,
    );
    assert!(gone.session.deleted_at.is_some());
    lab.as_stored(&gone).await;
    let again = done(
        lab.commands
            .delete_session(&lab.account, session.clone())
            .await,
    );
    assert_eq!(
        again.session, gone.session,
        "deleting again changes nothing"
    );
    let append = lab
        .commands
        .append_human_turn(&lab.account, human(&session, None, "b"), None);
    assert_eq!(refused(append.await), "sessionId SESSION_DELETED");
    let rename = lab
        .commands
        .rename_session(&lab.account, session.clone(), None);
    assert_eq!(refused(rename.await), "id SESSION_DELETED");
    let delete = lab.commands.delete_turn(&lab.account, a.clone());
    assert_eq!(refused(delete.await), "id SESSION_DELETED");
    let back = done(
        lab.commands
            .restore_session(&lab.account, session.clone())
            .await,
    );
    assert_eq!(back.session.deleted_at, None);
    assert_eq!(lab.as_stored(&back).await, [a]);
    lab.human(&session, None, "b").await;
}
