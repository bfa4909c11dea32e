//! The product's own layout, by the product's own code.

use std::sync::Arc;

use async_trait::async_trait;
use scylla::client::session::Session;

use super::cost::bytes_of;
use super::sample::Sample;
use super::{AppendCost, Layout, Operation, PAGE, connected, served};
use crate::domain::Clock;
use crate::domain::change::{SessionAbsent, SessionChange, TurnAbsent, TurnChange};
use crate::stores::cql::{CqlMigrator, CqlOptions, CqlProjection};
use crate::stores::migration::{SchemaMigrator, UpOptions};
use crate::stores::projection::{BodyPart, ProjectionStore, Write};
use crate::stores::record::{NewTurn, StoreResult};

const TABLES: [&str; 4] = [
    "turns_by_session_1",
    "bodies_by_session_1",
    "sessions_by_user_1",
    "months_by_user_1",
];

/// Writes in one call, as the projector hands them over.
const PIECE: usize = 500;

pub(super) struct Product {
    store: CqlProjection,
    outside: Session,
    keyspace: String,
}

impl Product {
    pub(super) async fn prepare(options: &CqlOptions, clock: Arc<dyn Clock>) -> StoreResult<Self> {
        let migrator = CqlMigrator::connect(options, Arc::clone(&clock)).await?;
        migrator.up(UpOptions::default()).await?;
        Ok(Self {
            store: CqlProjection::open_patient(options, 1, clock).await?,
            outside: connected(options).await?,
            keyspace: options.keyspace.clone(),
        })
    }
}

fn turn(sample: &Sample, new: &NewTurn) -> Write {
    Write::Turn(TurnChange {
        session_uid: sample.session.uid.clone(),
        turn: new.turn.clone(),
        prompt: new.prompt.clone(),
        absent: TurnAbsent::default(),
    })
}

fn session(sample: &Sample) -> [Write; 2] {
    let change = SessionChange {
        row: sample.session.clone(),
        absent: SessionAbsent::default(),
    };
    [Write::Header(change.clone()), Write::Listing(change)]
}

fn step(sample: &Sample, (seq, step): &(i32, crate::domain::StepRow)) -> Write {
    Write::Step {
        session_uid: sample.session.uid.clone(),
        seq: *seq,
        step: step.clone(),
        content_absent: false,
    }
}

#[async_trait]
impl Layout for Product {
    fn name(&self) -> &'static str {
        "a partition a session"
    }

    async fn load(&self, sample: &Sample) -> StoreResult<()> {
        let mut writes = session(sample).to_vec();
        writes.extend(sample.turns.iter().map(|new| turn(sample, new)));
        writes.extend(sample.steps.iter().map(|row| step(sample, row)));
        for piece in writes.chunks(PIECE) {
            self.store.apply(piece).await?;
        }
        Ok(())
    }

    async fn append(&self, sample: &Sample) -> StoreResult<AppendCost> {
        let (turns, steps) = sample.last_exchange();
        let mut writes = session(sample).to_vec();
        writes.extend(turns.iter().map(|new| turn(sample, new)));
        // The new human turn is its parent's active child from now on.
        let parent = turns[0].turn.parent_uid.as_ref();
        let parent = parent.and_then(|uid| sample.turns.iter().find(|t| t.turn.uid == *uid));
        writes.extend(parent.map(|new| {
            let unchanged = NewTurn {
                prompt: None,
                ..new.clone()
            };
            turn(sample, &unchanged)
        }));
        writes.extend(steps.into_iter().map(|row| step(sample, row)));
        let connected = self.store.connected()?;
        connected.apply(&writes).await?;
        let mut cost = AppendCost {
            bytes: Some(0),
            ..AppendCost::default()
        };
        for group in connected.planned(&writes)? {
            cost.requests += 1;
            for (statement, values) in group {
                cost.rows += 1;
                let bytes = bytes_of(&statement.statement, &values)?;
                cost.bytes = cost.bytes.map(|sum| sum + bytes);
            }
        }
        Ok(cost)
    }

    async fn read(&self, operation: Operation, sample: &Sample) -> StoreResult<usize> {
        let uid = &sample.session.uid;
        let uids = std::slice::from_ref(uid);
        match operation {
            Operation::Conversation => {
                let seqs: Vec<i32> = (0..sample.session.next_seq).collect();
                let (graphs, bodies) = tokio::join!(
                    self.store.graphs(uids),
                    self.store.bodies(uid, &seqs, BodyPart::Whole)
                );
                let whole = graphs?.iter().all(|graph| graph.complete);
                let found = bodies?
                    .into_iter()
                    .map(|(_, bodies)| bodies.steps.len() + usize::from(bodies.prompt.is_some()));
                Ok(if whole { found.sum() } else { 0 })
            }
            Operation::History => {
                let account = &sample.session.account_uid;
                let page = self.store.listing(account, None, PAGE).await?;
                let uids: Vec<_> = page.into_iter().map(|listed| listed.session_uid).collect();
                Ok(self.store.sessions(&uids).await?.len())
            }
            Operation::Branches => {
                let parent = &sample.branch().parent_uid;
                let graphs = self.store.graphs(uids).await?;
                let turns = graphs.iter().flat_map(|graph| &graph.turns);
                Ok(turns.filter(|turn| turn.parent_uid == *parent).count())
            }
            Operation::Steps => {
                let seqs = [sample.agent().seq];
                let bodies = self.store.bodies(uid, &seqs, BodyPart::Whole).await?;
                Ok(bodies.iter().map(|(_, bodies)| bodies.steps.len()).sum())
            }
        }
    }

    async fn requests(&self) -> StoreResult<u64> {
        served(&self.outside, &self.keyspace, &TABLES).await
    }
}
