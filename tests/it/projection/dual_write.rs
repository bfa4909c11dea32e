//! Dual writes: what a command committed is in the copies when it answers, or the answer says that
//! it may not be; whatever happens to the copies, the command succeeds in time.

use std::sync::Arc;
use std::time::Duration;

use turngraph::commands::session::{CreateSession, ForkScope, ForkSession};
use turngraph::domain::change::Change;
use turngraph::domain::{Clock, Uid};
use turngraph::projection::{Counters, DualWrite, DualWriteOptions, Targets};
use turngraph::stores::projection::BodyPart;
use turngraph::stores::{ProjectionStore, SessionCache, StoreErrorKind};

use super::cache::NotingCache;
use crate::commands::lab::Lab;
use crate::support::lww::{LwwStore, Verdict};
use crate::support::rows::uid;

struct Copies {
    lab: Lab,
    store: LwwStore,
    cache: NotingCache,
    targets: Targets,
}

/// Commands on SQLite with copies beside it.
async fn copies(budget: Duration) -> Copies {
    let (mut lab, store, cache) = (Lab::sqlite().await, LwwStore::new(), NotingCache::new());
    let shared: Arc<dyn SessionCache> = Arc::new(cache.clone());
    let targets = Targets::new(
        Some(store.shared()),
        Some(shared),
        Arc::new(Counters::default()),
    );
    let clock: Arc<dyn Clock> = Arc::<turngraph::domain::clock::ManualClock>::clone(&lab.clock);
    let options = DualWriteOptions {
        budget,
        ..DualWriteOptions::default()
    };
    let listener = Arc::new(DualWrite::new(targets.clone(), clock, options));
    lab.commands = lab.commands.telling(listener);
    Copies {
        lab,
        store,
        cache,
        targets,
    }
}

impl Copies {
    fn counted(&self, name: &str) -> u64 {
        let values = self.targets.counters().values();
        values
            .into_iter()
            .find(|(known, _)| *known == name)
            .unwrap()
            .1
    }

    /// The copy of a session is what the record store holds.
    async fn assert_copied(&self, session: &Uid) {
        let of = std::slice::from_ref(session);
        let row = self
            .lab
            .record
            .sessions_by_uid(&self.lab.account, of)
            .await
            .unwrap();
        let turns = self
            .lab
            .record
            .turns_by_session(&self.lab.account, of)
            .await
            .unwrap();
        let graph = self.store.graphs(of).await.unwrap().remove(0);
        assert_eq!(vec![graph.row], row);
        let turns: Vec<_> = turns.into_iter().map(|turn| turn.turn).collect();
        assert_eq!(graph.turns, turns);
        assert!(graph.complete);
        let seqs: Vec<i32> = turns.iter().map(|turn| turn.seq).collect();
        let bodies = self
            .store
            .bodies(session, &seqs, BodyPart::Whole)
            .await
            .unwrap();
        let keys: Vec<Uid> = turns.iter().map(|turn| turn.uid.clone()).collect();
        let steps = self.lab.record.steps(&keys).await.unwrap();
        let copied: Vec<_> = bodies.iter().flat_map(|(_, b)| b.steps.clone()).collect();
        let by_key = |steps: &mut Vec<turngraph::domain::StepRow>| {
            steps.sort_by(|a, b| (&a.turn_uid, a.idx).cmp(&(&b.turn_uid, b.idx)));
        };
        let (mut copied, mut steps) = (copied, steps);
        by_key(&mut copied);
        by_key(&mut steps);
        assert_eq!(copied, steps);
        let mut prompts: Vec<_> = bodies
            .iter()
            .filter_map(|(_, bodies)| bodies.prompt.clone())
            .collect();
        let mut stored: Vec<_> = self
            .lab
            .record
            .prompts(&keys)
            .await
            .unwrap()
            .into_iter()
            .map(|(_, p)| p)
            .collect();
        prompts.sort();
        stored.sort();
        assert_eq!(prompts, stored);
        self.store.assert_kept_promises();
    }
}

/// Long enough for a machine that builds at the same time.
const AMPLE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn each_mutation_is_in_the_copies_when_it_answers() {
    let copies = copies(AMPLE).await;
    let lab = &copies.lab;
    let session = lab.session().await;
    let question = lab.human(&session, None, "why?").await;
    let answer = lab.agent(&session, &question, &["because"]).await;
    copies.assert_copied(&session).await;
    let commands = &lab.commands;
    let account = &lab.account;
    let rated = commands
        .rate_agent_turn(account, answer.clone(), Some(true))
        .await;
    assert!(crate::commands::lab::done(rated).copied);
    copies.assert_copied(&session).await;
    let second = lab.agent(&session, &question, &["because"]).await;
    let activated = commands.activate_turn(account, answer.clone()).await;
    assert!(crate::commands::lab::done(activated).copied);
    let deleted = commands.delete_turn(account, second.clone()).await;
    assert!(crate::commands::lab::done(deleted).copied);
    copies.assert_copied(&session).await;
    crate::commands::lab::done(commands.restore_turn(account, second).await);
    let content = r#"{"text":"on second thought"}"#.to_owned();
    let updated = commands.update_step(account, (answer.clone(), 0), content);
    assert!(crate::commands::lab::done(updated.await).copied);
    copies.assert_copied(&session).await;
    crate::commands::lab::done(commands.delete_session(account, session.clone()).await);
    copies.assert_copied(&session).await;
    crate::commands::lab::done(commands.restore_session(account, session.clone()).await);
    let title = Some("renamed".to_owned());
    crate::commands::lab::done(
        commands
            .rename_session(account, session.clone(), title)
            .await,
    );
    copies.assert_copied(&session).await;
    let fork = ForkSession {
        session: session.clone(),
        turn: answer,
        scope: ForkScope::Path,
        title: None,
    };
    let forked = crate::commands::lab::done(commands.fork_session(account, fork, None).await);
    assert!(forked.copied);
    copies.assert_copied(&forked.session.uid).await;
    assert_eq!(copies.counted("dual_writes_failed"), 0);
    assert!(copies.cache.invalidated(&session) > 5);
}

#[tokio::test]
async fn what_is_refused_or_rolled_back_is_not_told() {
    let copies = copies(AMPLE).await;
    let session = copies.lab.session().await;
    let before = copies.store.applies();
    let commands = &copies.lab.commands;
    let missing = commands
        .rate_agent_turn(&copies.lab.account, uid("nobody"), None)
        .await;
    assert!(matches!(
        missing.unwrap(),
        turngraph::commands::Outcome::Refused(_)
    ));
    let taken = CreateSession {
        uid: Some(session.to_string()),
        ..CreateSession::default()
    };
    let taken = commands
        .create_session(&copies.lab.account, taken, None)
        .await;
    assert!(matches!(
        taken.unwrap(),
        turngraph::commands::Outcome::Refused(_)
    ));
    assert_eq!(copies.store.applies(), before);
}

#[tokio::test]
async fn a_copy_that_fails_does_not_fail_the_command() {
    let copies = copies(AMPLE).await;
    copies
        .store
        .judge(|_| Verdict::Fail(StoreErrorKind::Unavailable));
    let session = copies.lab.session().await;
    let refreshed = copies
        .lab
        .commands
        .delete_session(&copies.lab.account, session.clone())
        .await;
    let written = crate::commands::lab::done(refreshed);
    assert!(!written.copied);
    assert!(written.session.deleted_at.is_some());
    assert!(copies.counted("dual_writes_failed") >= 2);
    assert_eq!(copies.store.sessions(&[session]).await.unwrap(), []);
}

#[tokio::test]
async fn a_copy_that_stalls_costs_the_budget_and_no_more() {
    let copies = copies(Duration::from_millis(30)).await;
    copies.store.stall(true);
    let session = copies.lab.session().await;
    assert_eq!(copies.counted("dual_writes_late"), 1);
    // It goes on by itself.
    copies.store.stall(false);
    while copies
        .store
        .sessions(std::slice::from_ref(&session))
        .await
        .unwrap()
        .is_empty()
    {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_budget_of_zero_only_drops_what_is_cached() {
    let copies = copies(Duration::ZERO).await;
    let session = copies.lab.session().await;
    assert_eq!(copies.store.applies(), 0);
    copies
        .cache
        .wait(|cache| cache.invalidated(&session) == 1)
        .await;
}

#[tokio::test]
async fn a_dual_write_that_lands_after_a_newer_change_loses() {
    let given = super::given::Given::new();
    let key = given.world.conversation("a", "s", 2);
    let older = given
        .world
        .edit(&key, 1, |turn| turn.turn.liked = Some(true));
    let newer = given
        .world
        .edit(&key, 1, |turn| turn.turn.liked = Some(false));
    given.world.log(vec![newer]);
    given.catch_up().await;
    let Change::Turn(turn) = older else {
        unreachable!()
    };
    given
        .store
        .apply(&[turngraph::stores::projection::Write::Turn(*turn)])
        .await
        .unwrap();
    given.assert_equal(&[]).await;
}
