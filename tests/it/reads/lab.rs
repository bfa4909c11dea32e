//! A router with its stores: a session is written to the record, and copied when a test says so.

use std::sync::Arc;
use std::time::Duration;

use turngraph::domain::clock::ManualClock;
use turngraph::domain::{Clock, Consistency, Position, Revision, Timestamp, Uid, Watermark};
use turngraph::reads::guard::breaker::BreakerPolicy;
use turngraph::reads::{
    Body, BodyKind, BodyWant, ReadContext, ReadErrorKind, ReadSettings, Reads, SessionWithGraph,
    Source,
};
use turngraph::stores::projection::{ListedSession, ProjectedBodies, ProjectedSession};
use turngraph::stores::record::NewTurn;
use turngraph::stores::{ProjectionStore, RecordStore, SessionCache};

use super::fakes::{FakeCache, FakeProjection};
use crate::graphql::watched::Watched;
use crate::support::rows;
use crate::support::sqlite::{START, SqliteFixture};

pub(super) const ACCOUNT: &str = "account";

pub(super) struct Lab {
    pub(super) reads: Arc<Reads>,
    pub(super) record: Arc<Watched>,
    pub(super) projection: Arc<FakeProjection>,
    pub(super) cache: Arc<FakeCache>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) kept: SqliteFixture,
}

/// What a read of a conversation came to, in words.
pub(super) type Seen = Result<Vec<String>, ReadErrorKind>;

impl Lab {
    /// Record, projections and cache; session `s` is in the record and in the projections.
    pub(super) async fn new() -> Self {
        let lab = Self::with(|reads, projection, cache| {
            reads
                .with_settings(settings())
                .with_cache(cache, Source::Redis)
                .with_projection(projection)
        })
        .await;
        lab.write(ACCOUNT, "s").await;
        lab.project("s").await;
        lab
    }

    /// Stores as `wire` puts them together, all empty.
    pub(super) async fn with(
        wire: impl FnOnce(Reads, Arc<dyn ProjectionStore>, Arc<dyn SessionCache>) -> Reads,
    ) -> Self {
        let kept = SqliteFixture::new().await;
        let inner: Arc<dyn RecordStore> = Arc::<_>::clone(&kept.store) as _;
        let record = Arc::new(Watched::new(inner));
        let clock = Arc::clone(&kept.clock);
        let projection = Arc::new(FakeProjection::default());
        let cache = Arc::new(FakeCache::default());
        let reads = Reads::new(
            Arc::<Watched>::clone(&record),
            Arc::<ManualClock>::clone(&clock),
        );
        let reads = wire(
            reads,
            Arc::<FakeProjection>::clone(&projection),
            Arc::<FakeCache>::clone(&cache),
        );
        let lab = Self {
            reads: Arc::new(reads),
            record,
            projection,
            cache,
            clock,
            kept,
        };
        lab.reached(0, lab.clock.now());
        lab
    }

    /// The projections have come this far.
    pub(super) fn reached(&self, value: u64, as_of: Timestamp) {
        *self.projection.watermark.lock().unwrap() = Some(Watermark {
            position: position(value),
            as_of,
        });
    }

    /// A session with a question `{s}-q` and an answer `{s}-a` of two steps.
    pub(super) async fn write(&self, account: &str, s: &str) {
        let mut session = rows::session(account, s);
        session.next_seq = 2;
        let (question, answer) = (format!("{s}-q"), format!("{s}-a"));
        let turns: [NewTurn; 2] = [
            rows::human(&question, None, 0, "question"),
            rows::agent(&answer, Some(&question), 1),
        ];
        let steps = [0, 1].map(|idx| rows::step(&answer, idx, r#"{"text":"answer"}"#));
        let mut transaction = self.record.begin().await.unwrap();
        let written = transaction.session_insert(&session).await.unwrap();
        written.expect("the key is free");
        transaction
            .turns_insert(&session.uid, &turns)
            .await
            .unwrap();
        transaction
            .steps_insert(&session.uid, &steps, &[1, 1])
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        self.record.calls();
    }

    /// Copies a session as it is now into the projections.
    pub(super) async fn project(&self, s: &str) {
        let uid = rows::uid(s);
        let account = match s.split_once('@') {
            Some((_, account)) => rows::uid(account),
            None => rows::uid(ACCOUNT),
        };
        let of = std::slice::from_ref(&uid);
        let row = self.record.sessions_by_uid(&account, of).await.unwrap();
        let row = row.into_iter().next().expect("the session is written");
        let turns = self.record.turns_by_session(&account, of).await.unwrap();
        let turns: Vec<_> = turns.into_iter().map(|t| t.turn).collect();
        for turn in &turns {
            let of = std::slice::from_ref(&turn.uid);
            let prompt = self.record.prompts(of).await.unwrap().pop();
            let bodies = ProjectedBodies {
                prompt: prompt.map(|(_, prompt)| prompt),
                steps: self.record.steps(of).await.unwrap(),
                partial: false,
            };
            let mut all = self.projection.bodies.lock().unwrap();
            all.insert((uid.clone(), turn.seq), bodies);
        }
        let listed = ListedSession {
            created_at: row.created_at,
            session_uid: uid.clone(),
            deleted: row.deleted_at.is_some(),
        };
        let mut list = self.projection.listed.lock().unwrap();
        list.push((account, listed));
        let newest = |(_, row): &(Uid, ListedSession)| {
            std::cmp::Reverse((row.created_at, row.session_uid.clone()))
        };
        list.sort_by_key(newest);
        let session = ProjectedSession {
            row,
            turns,
            complete: true,
        };
        self.projection
            .sessions
            .lock()
            .unwrap()
            .insert(uid, session);
        self.record.calls();
    }

    pub(super) fn eventual(&self) -> ReadContext {
        ReadContext::new(rows::uid(ACCOUNT), Consistency::Eventual)
    }

    pub(super) fn strong(&self) -> ReadContext {
        ReadContext::new(rows::uid(ACCOUNT), Consistency::Strong)
    }

    /// The session with its turns.
    pub(super) async fn graph(
        &self,
        ctx: &ReadContext,
        s: &str,
    ) -> Option<Result<SessionWithGraph, ReadErrorKind>> {
        self.reads
            .graphs(ctx, &[rows::uid(s)])
            .await
            .remove(&rows::uid(s))
    }

    /// Reads the conversation as the API does, ends the operation, and tells where each part came
    /// from; nothing where there is no such session.
    pub(super) async fn conversation(&self, ctx: &ReadContext, s: &str) -> Seen {
        let Some(session) = self.graph(ctx, s).await else {
            return Ok(Vec::new());
        };
        let session = session?;
        let mut seen = vec![format!("graph {}", session.origin.source.name())];
        let wants: Vec<BodyWant> = session
            .graph
            .turns()
            .iter()
            .map(|turn| BodyWant {
                session_uid: session.row.uid.clone(),
                seq: turn.seq,
                turn_uid: turn.uid.clone(),
                kind: if turn.seq == 0 {
                    BodyKind::Prompt
                } else {
                    BodyKind::Steps
                },
            })
            .collect();
        for answer in self.reads.bodies(ctx, &wants).await {
            seen.push(match answer? {
                Some((Body::Prompt(text), o)) => format!("{text} {}", o.source.name()),
                Some((Body::Steps(steps), o)) => {
                    format!("{} steps {}", steps.len(), o.source.name())
                }
                Some((Body::Heads(_), _)) => unreachable!("no heads were asked for"),
                None => "nothing".into(),
            });
        }
        self.reads.finish(ctx);
        Ok(seen)
    }

    /// Forgets what all stores were asked so far.
    pub(super) fn forget(&self) {
        self.record.calls();
        self.projection.calls();
        self.cache.calls();
    }
}

/// All parts from one store.
pub(super) fn all_from(source: &str) -> Seen {
    let parts = ["graph", "question", "2 steps"];
    Ok(parts.map(|part| format!("{part} {source}")).to_vec())
}

pub(super) fn position(value: u64) -> Position {
    Position {
        store: "db".into(),
        value,
    }
}

/// What a write at `value` tells.
pub(super) fn revision(value: u64, rows: &[(&str, i64)]) -> Revision {
    let rows = rows.iter().map(|(uid, rev)| (rows::uid(uid), *rev));
    Revision::of_write(position(value), rows.collect())
}

/// A breaker that opens at the fourth failure and probes soon.
pub(super) fn settings() -> ReadSettings {
    ReadSettings {
        breaker: BreakerPolicy {
            calls_min: 4,
            pause: Duration::from_millis(20),
            pause_max: Duration::from_millis(40),
            probes: 2,
            slow: Duration::from_secs(5),
            ..BreakerPolicy::default()
        },
        shadow_recheck: Duration::from_millis(1),
        ..ReadSettings::default()
    }
}

/// The instant at which the fixture's clock stands at first.
pub(super) const NOW: Timestamp = START;
