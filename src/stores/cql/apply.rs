//! From writes to CQL: which statements a write is, which of them share a batch, what goes first.
//!
//! A batch never leaves its partition and is cut at 50 KiB or one row. Bodies are written before
//! the graph that shows them and removed after it, so that a reader who sees a turn finds its
//! bodies.

use std::collections::HashMap;

use futures_util::future::try_join_all;
use scylla::statement::batch::{Batch, BatchType};

use super::encode::{PROMPT_IDX, bucket, month};
use super::error::store_error;
use super::statements::{Prepared, Statements};
use super::values::{
    Body, BucketGone, Gone, Header, Listing, ListingGone, Month, StepGone, Turn, TurnBodiesGone,
    Values,
};
use super::{Connected, corrupt_number};
use crate::domain::change::TurnChange;
use crate::domain::{Timestamp, Uid};
use crate::stores::projection::Write;
use crate::stores::record::StoreResult;

/// Longest batch in bytes of bound values. Cassandra refuses batches of 50 KiB over several
/// partitions, and one partition's are split by the same measure to spread the work.
const BATCH_BYTES: usize = 50 * 1024;

/// Statements in a batch, at most.
const BATCH_ROWS: usize = 512;

/// Bytes of a row beside its texts: keys, numbers, frame.
const ROW_BYTES: usize = 200;

/// What must be durable before what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Stage {
    Bodies,
    Graph,
    BodiesGone,
}

/// In their order.
const STAGES: [Stage; 3] = [Stage::Bodies, Stage::Graph, Stage::BodiesGone];

/// A partition as writes see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Partition<'a> {
    Graph(&'a str),
    Bodies(&'a str, i32),
    Listing(&'a str, i32),
    Months(&'a str),
}

struct Mutation<'a> {
    stage: Stage,
    partition: Partition<'a>,
    statement: &'a Prepared,
    values: Values<'a>,
    bytes: usize,
}

/// Statements of one partition that go out together.
#[derive(Default)]
struct Group<'a> {
    statements: Vec<&'a Prepared>,
    values: Vec<Values<'a>>,
    bytes: usize,
}

impl Connected {
    /// Applies writes, stage by stage; partitions of a stage go at the same time.
    pub(super) async fn apply(&self, writes: &[Write]) -> StoreResult<()> {
        let mut mutations = self.mutations(writes)?;
        for stage in STAGES {
            let groups = grouped(&mut mutations, stage);
            try_join_all(groups.into_iter().map(|group| self.send(group))).await?;
        }
        Ok(())
    }

    fn mutations<'a>(&'a self, writes: &'a [Write]) -> StoreResult<Vec<Mutation<'a>>> {
        let mut plan = Plan {
            statements: &self.statements,
            mutations: Vec::with_capacity(writes.len() + 4),
        };
        for write in writes {
            plan.add(write)?;
        }
        Ok(plan.mutations)
    }

    /// The statements that [`Connected::apply`] sends, by request.
    pub(super) fn planned<'a>(
        &'a self,
        writes: &'a [Write],
    ) -> StoreResult<Vec<Vec<(&'a Prepared, Values<'a>)>>> {
        let mut mutations = self.mutations(writes)?;
        let groups = STAGES.map(|stage| grouped(&mut mutations, stage));
        let request = |group: Group<'a>| group.statements.into_iter().zip(group.values).collect();
        Ok(groups.into_iter().flatten().map(request).collect())
    }

    async fn send(&self, mut group: Group<'_>) -> StoreResult<()> {
        let _permit = self.permit().await;
        let first = group.statements[0];
        let sent = if group.statements.len() == 1 {
            let values = group.values.pop().expect("a statement has its values");
            self.session.execute_unpaged(&first.statement, values).await
        } else {
            let statements = group.statements.iter();
            let statements = statements.map(|prepared| prepared.statement.clone().into());
            let mut batch = Batch::new_with_statements(BatchType::Unlogged, statements.collect());
            batch.set_is_idempotent(true);
            batch.set_execution_profile_handle(
                first.statement.get_execution_profile_handle().cloned(),
            );
            self.session.batch(&batch, group.values).await
        };
        match sent {
            Ok(_) => Ok(()),
            Err(error) => Err(store_error(first.name, error)),
        }
    }
}

/// Takes the mutations of a stage and puts those of one partition together.
fn grouped<'a>(mutations: &mut Vec<Mutation<'a>>, stage: Stage) -> Vec<Group<'a>> {
    let (now, later): (Vec<_>, Vec<_>) = std::mem::take(mutations)
        .into_iter()
        .partition(|mutation| mutation.stage == stage);
    *mutations = later;
    let mut open = HashMap::<Partition<'a>, Group<'a>>::new();
    let mut full = Vec::new();
    for mutation in now {
        let group = open.entry(mutation.partition).or_default();
        let too_long = group.bytes + mutation.bytes > BATCH_BYTES;
        if !group.statements.is_empty() && (too_long || group.statements.len() >= BATCH_ROWS) {
            full.push(std::mem::take(group));
        }
        group.statements.push(mutation.statement);
        group.bytes += mutation.bytes;
        group.values.push(mutation.values);
    }
    full.extend(open.into_values());
    full
}

struct Plan<'a> {
    statements: &'a Statements,
    mutations: Vec<Mutation<'a>>,
}

impl<'a> Plan<'a> {
    fn add(&mut self, write: &'a Write) -> StoreResult<()> {
        match write {
            Write::Header(change) => self.graph(
                change.row.uid.as_str(),
                &self.statements.header_put,
                Values::Header(Box::new(Header::from(change))),
                change.row.title.as_deref().map_or(0, str::len),
            ),
            Write::Listing(change) => self.listing(&change.row),
            Write::ListingGone {
                account_uid,
                created_at,
                session_uid,
                rev,
            } => self.listing_gone(account_uid, *created_at, session_uid, *rev),
            Write::Turn(change) => self.turn(change)?,
            Write::Grave {
                session_uid,
                seq,
                rev,
            } => {
                checked(*seq)?;
                let grave = Turn::grave(session_uid, *seq, *rev);
                self.graph(
                    session_uid.as_str(),
                    &self.statements.turn_put,
                    Values::Turn(Box::new(grave)),
                    0,
                );
                self.bodies_gone(session_uid.as_str(), *seq, PROMPT_IDX, *rev);
            }
            Write::Step {
                session_uid,
                seq,
                step,
                content_absent,
            } => {
                checked(*seq)?;
                self.body(Body::step(session_uid, *seq, step, *content_absent));
            }
            Write::StepsGone {
                session_uid,
                seq,
                idx: None,
                rev,
            } => self.bodies_gone(session_uid.as_str(), *seq, PROMPT_IDX + 1, *rev),
            Write::StepsGone {
                session_uid,
                seq,
                idx: Some(idx),
                rev,
            } => self.step_gone(StepGone {
                timestamp: *rev,
                session_uid: session_uid.as_str(),
                bucket: bucket(*seq),
                seq: *seq,
                idx: *idx,
            }),
            Write::SessionGone {
                session_uid,
                next_seq,
                rev,
            } => self.session_gone(session_uid.as_str(), *next_seq, *rev),
            Write::AccountGone { account_uid, rev } => {
                self.account_gone(account_uid.as_str(), *rev);
            }
        }
        Ok(())
    }

    fn push(
        &mut self,
        stage: Stage,
        partition: Partition<'a>,
        statement: &'a Prepared,
        values: Values<'a>,
    ) {
        self.mutations.push(Mutation {
            stage,
            partition,
            statement,
            values,
            bytes: ROW_BYTES,
        });
    }

    fn graph(
        &mut self,
        session: &'a str,
        statement: &'a Prepared,
        values: Values<'a>,
        bytes: usize,
    ) {
        self.push(Stage::Graph, Partition::Graph(session), statement, values);
        self.mutations.last_mut().expect("it was just pushed").bytes += bytes;
    }

    fn body(&mut self, body: Body<'a>) {
        let bytes = match body.content {
            scylla::value::MaybeUnset::Set(content) => content.len(),
            scylla::value::MaybeUnset::Unset => 0,
        };
        self.push(
            Stage::Bodies,
            Partition::Bodies(body.session_uid, body.bucket),
            &self.statements.body_put,
            Values::Body(body),
        );
        self.mutations.last_mut().expect("it was just pushed").bytes += bytes;
    }

    fn turn(&mut self, change: &'a TurnChange) -> StoreResult<()> {
        checked(change.turn.seq)?;
        let texts = [&change.turn.model, &change.turn.usage];
        let bytes = texts.iter().filter_map(|text| text.as_deref());
        self.graph(
            change.session_uid.as_str(),
            &self.statements.turn_put,
            Values::Turn(Box::new(Turn::from(change))),
            bytes.map(str::len).sum(),
        );
        if let Some(prompt) = Body::prompt(change) {
            self.body(prompt);
        }
        Ok(())
    }

    fn listing(&mut self, row: &'a crate::domain::SessionRow) {
        let account_uid = row.account_uid.as_str();
        let month = month(row.created_at);
        let listing = Listing {
            account_uid,
            month,
            created_us: row.created_at.0,
            session_uid: row.uid.as_str(),
            deleted: row.deleted_at.is_some(),
            rev: row.rev,
            timestamp: row.rev,
        };
        self.push(
            Stage::Graph,
            Partition::Listing(account_uid, month),
            &self.statements.listing_put,
            Values::Listing(listing),
        );
        let month = Month {
            account_uid,
            month,
            rev: row.rev,
            timestamp: row.rev,
        };
        self.push(
            Stage::Graph,
            Partition::Months(account_uid),
            &self.statements.month_put,
            Values::Month(month),
        );
    }

    fn listing_gone(
        &mut self,
        account_uid: &'a Uid,
        created_at: Timestamp,
        session_uid: &'a Uid,
        rev: i64,
    ) {
        let (account_uid, month) = (account_uid.as_str(), month(created_at));
        let gone = ListingGone {
            timestamp: rev,
            account_uid,
            month,
            created_us: created_at.0,
            session_uid: session_uid.as_str(),
        };
        self.push(
            Stage::Graph,
            Partition::Listing(account_uid, month),
            &self.statements.listing_gone,
            Values::ListingGone(gone),
        );
    }

    fn account_gone(&mut self, account: &'a str, rev: i64) {
        let gone = Gone {
            timestamp: rev,
            key: account,
        };
        self.push(
            Stage::Graph,
            Partition::Months(account),
            &self.statements.months_gone,
            Values::Gone(gone),
        );
    }

    fn step_gone(&mut self, gone: StepGone<'a>) {
        self.push(
            Stage::BodiesGone,
            Partition::Bodies(gone.session_uid, gone.bucket),
            &self.statements.step_gone,
            Values::StepGone(gone),
        );
    }

    fn bodies_gone(&mut self, session_uid: &'a str, seq: i32, from_idx: i32, rev: i64) {
        let bucket = bucket(seq);
        let gone = TurnBodiesGone {
            timestamp: rev,
            session_uid,
            bucket,
            seq,
            from_idx,
        };
        self.push(
            Stage::BodiesGone,
            Partition::Bodies(session_uid, bucket),
            &self.statements.turn_bodies_gone,
            Values::TurnBodiesGone(gone),
        );
    }

    fn session_gone(&mut self, session_uid: &'a str, next_seq: i32, rev: i64) {
        self.graph(
            session_uid,
            &self.statements.graph_gone,
            Values::Gone(Gone {
                timestamp: rev,
                key: session_uid,
            }),
            0,
        );
        for bucket in 0..=bucket(next_seq.saturating_sub(1).max(0)) {
            let gone = BucketGone {
                timestamp: rev,
                session_uid,
                bucket,
            };
            self.push(
                Stage::BodiesGone,
                Partition::Bodies(session_uid, bucket),
                &self.statements.bucket_gone,
                Values::BucketGone(gone),
            );
        }
    }
}

/// Numbers begin at 0; another would lie in a partition that no purge looks at.
fn checked(seq: i32) -> StoreResult<()> {
    if seq >= 0 {
        Ok(())
    } else {
        Err(corrupt_number(seq))
    }
}
