//! The layout that was sketched first: one table a query, one partition a turn.

use std::ops::ControlFlow;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream;
use scylla::client::session::Session;
use scylla::response::PagingState;
use scylla::serialize::row::SerializeRow;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;

use super::cost::bytes_of;
use super::sample::Sample;
use super::{AppendCost, Layout, Operation, PAGE, connected, served};
use crate::domain::{StepRow, TurnRole, Uid};
use crate::stores::cql::CqlOptions;
use crate::stores::cql::error::{corrupt, prepare_error, store_error};
use crate::stores::record::{NewTurn, StoreResult};

/// Reads of partitions under way at once.
const AT_ONCE: usize = 64;

const TABLES: [&str; 5] = [
    "sessions_by_user",
    "recent_conversations",
    "turns_by_session",
    "turns_by_parent",
    "steps_by_turn",
];

const SCHEMA: [&str; 5] = [
    "create table if not exists {k}.sessions_by_user (account_uid text, created_us bigint, session_uid text, title text, last_activity_us bigint, primary key (account_uid, created_us, session_uid)) with clustering order by (created_us desc, session_uid desc)",
    "create table if not exists {k}.recent_conversations (account_uid text, active_us bigint, session_uid text, title text, primary key (account_uid, active_us, session_uid)) with clustering order by (active_us desc, session_uid desc)",
    "create table if not exists {k}.turns_by_session (session_uid text, created_us bigint, turn_uid text, parent_uid text, active_child text, kind tinyint, prompt text, rev bigint, primary key (session_uid, created_us, turn_uid))",
    "create table if not exists {k}.turns_by_parent (parent_uid text, created_us bigint, turn_uid text, session_uid text, kind tinyint, rev bigint, primary key (parent_uid, created_us, turn_uid))",
    "create table if not exists {k}.steps_by_turn (turn_uid text, idx int, tpe int, content text, created_us bigint, rev bigint, primary key (turn_uid, idx))",
];

pub(super) struct Alternative {
    session: Session,
    keyspace: String,
    session_put: PreparedStatement,
    recent_put: PreparedStatement,
    recent_gone: PreparedStatement,
    turn_put: PreparedStatement,
    child_put: PreparedStatement,
    step_put: PreparedStatement,
    turns: PreparedStatement,
    children: PreparedStatement,
    steps: PreparedStatement,
    sessions: PreparedStatement,
}

impl Alternative {
    /// Makes the tables in a keyspace that is there.
    pub(super) async fn prepare(options: &CqlOptions) -> StoreResult<Self> {
        let (session, k) = (connected(options).await?, &options.keyspace);
        for cql in SCHEMA {
            let made = session.query_unpaged(cql.replace("{k}", k), ()).await;
            made.map_err(|error| store_error("bench", error))?;
        }
        let prepare = async |cql: &str| {
            let mut prepared = session
                .prepare(cql.replace("{k}", k))
                .await
                .map_err(|error| prepare_error("bench", error))?;
            prepared.set_is_idempotent(true);
            prepared.set_use_cached_result_metadata(true);
            Ok(prepared)
        };
        Ok(Self {
            session_put: prepare("insert into {k}.sessions_by_user (account_uid, created_us, session_uid, title, last_activity_us) values (?, ?, ?, ?, ?) using timestamp ?").await?,
            recent_put: prepare("insert into {k}.recent_conversations (account_uid, active_us, session_uid, title) values (?, ?, ?, ?) using timestamp ?").await?,
            recent_gone: prepare("delete from {k}.recent_conversations using timestamp ? where account_uid = ? and active_us = ? and session_uid = ?").await?,
            turn_put: prepare("insert into {k}.turns_by_session (session_uid, created_us, turn_uid, parent_uid, active_child, kind, prompt, rev) values (?, ?, ?, ?, ?, ?, ?, ?) using timestamp ?").await?,
            child_put: prepare("insert into {k}.turns_by_parent (parent_uid, created_us, turn_uid, session_uid, kind, rev) values (?, ?, ?, ?, ?, ?) using timestamp ?").await?,
            step_put: prepare("insert into {k}.steps_by_turn (turn_uid, idx, tpe, content, created_us, rev) values (?, ?, ?, ?, ?, ?) using timestamp ?").await?,
            turns: prepare("select created_us, turn_uid, parent_uid, active_child, kind, prompt, rev from {k}.turns_by_session where session_uid = ?").await?,
            children: prepare("select created_us, turn_uid, kind from {k}.turns_by_parent where parent_uid = ?").await?,
            steps: prepare("select idx, tpe, content, created_us, rev from {k}.steps_by_turn where turn_uid = ?").await?,
            sessions: prepare("select created_us, session_uid, title, last_activity_us from {k}.sessions_by_user where account_uid = ? limit ?").await?,
            session,
            keyspace: options.keyspace.clone(),
        })
    }

    /// Sends rows of one partition; adds what that costs.
    async fn put<V: SerializeRow + Sync>(
        &self,
        statement: &PreparedStatement,
        rows: &[V],
        cost: &mut AppendCost,
    ) -> StoreResult<()> {
        for values in rows {
            let bytes = bytes_of(statement, values)?;
            cost.bytes = Some(cost.bytes.unwrap_or(0) + bytes);
        }
        cost.rows += rows.len();
        cost.requests += 1;
        let sent = match rows {
            [only] => self.session.execute_unpaged(statement, only).await,
            rows => {
                let statements = rows.iter().map(|_| statement.clone().into()).collect();
                let mut batch = Batch::new_with_statements(BatchType::Unlogged, statements);
                batch.set_is_idempotent(true);
                self.session.batch(&batch, rows).await
            }
        };
        sent.map(drop).map_err(|error| store_error("bench", error))
    }

    /// A session in both of its lists; the recent one under its new time instead of an old one.
    async fn put_session(&self, sample: &Sample, cost: &mut AppendCost) -> StoreResult<()> {
        let row = &sample.session;
        let (account, uid) = (row.account_uid.as_str(), row.uid.as_str());
        let (created, active) = (row.created_at.0, row.last_activity_at.0);
        let title = row.title.as_deref().unwrap_or_default();
        let values = (account, created, uid, title, active, row.rev);
        self.put(&self.session_put, &[values], cost).await?;
        let gone = (row.rev, account, active - 1, uid);
        self.put(&self.recent_gone, &[gone], cost).await?;
        let values = (account, active, uid, title, row.rev);
        self.put(&self.recent_put, &[values], cost).await
    }

    async fn put_turns(
        &self,
        sample: &Sample,
        turns: &[NewTurn],
        cost: &mut AppendCost,
    ) -> StoreResult<()> {
        let session = sample.session.uid.as_str();
        let key = |uid: &Option<Uid>| uid.as_ref().map_or("", Uid::as_str).to_owned();
        let rows: Vec<_> = turns
            .iter()
            .map(|new| {
                let turn = &new.turn;
                (
                    session,
                    turn.created_at.0,
                    turn.uid.as_str(),
                    key(&turn.parent_uid),
                    key(&turn.active_child),
                    i8::from(turn.role == TurnRole::Agent),
                    new.prompt.as_deref().unwrap_or_default(),
                    turn.rev,
                    turn.rev,
                )
            })
            .collect();
        for rows in rows.chunks(100) {
            self.put(&self.turn_put, rows, cost).await?;
        }
        for new in turns {
            let turn = &new.turn;
            // A root has no parent; its session stands for it.
            let parent = turn.parent_uid.as_ref().map_or(session, Uid::as_str);
            let kind = i8::from(turn.role == TurnRole::Agent);
            let uid = turn.uid.as_str();
            let values = (
                parent,
                turn.created_at.0,
                uid,
                session,
                kind,
                turn.rev,
                turn.rev,
            );
            self.put(&self.child_put, &[values], cost).await?;
        }
        Ok(())
    }

    async fn put_steps(&self, steps: &[&StepRow], cost: &mut AppendCost) -> StoreResult<()> {
        let rows: Vec<_> = steps
            .iter()
            .map(|step| {
                let (uid, content) = (step.turn_uid.as_str(), &*step.content);
                (
                    uid,
                    step.idx,
                    step.tpe,
                    content,
                    step.created_at.0,
                    step.rev,
                    step.rev,
                )
            })
            .collect();
        self.put(&self.step_put, &rows, cost).await
    }

    /// Number of rows of a read, all pages of it, each looked at.
    async fn count<R>(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow + Sync,
    ) -> StoreResult<usize>
    where
        R: for<'frame, 'meta> scylla::deserialize::row::DeserializeRow<'frame, 'meta>,
    {
        let (mut count, mut place) = (0, PagingState::start());
        loop {
            let page = self.session.execute_single_page(statement, &values, place);
            let (page, next) = page.await.map_err(|error| store_error("bench", error))?;
            let page = page
                .into_rows_result()
                .map_err(|error| corrupt("bench", error))?;
            for row in page.rows::<R>().map_err(|error| corrupt("bench", error))? {
                row.map_err(|error| corrupt("bench", error))?;
                count += 1;
            }
            match next.into_paging_control_flow() {
                ControlFlow::Break(()) => return Ok(count),
                ControlFlow::Continue(state) => place = state,
            }
        }
    }

    async fn steps_of(&self, turn: Uid) -> StoreResult<usize> {
        self.count::<(i32, i32, String, i64, i64)>(&self.steps, (turn.as_str(),))
            .await
    }

    async fn conversation(&self, sample: &Sample) -> StoreResult<usize> {
        type Row = (i64, String, String, String, i8, String, i64);
        let session = (sample.session.uid.as_str(),);
        let turns = self.count::<Row>(&self.turns, session).await?;
        let mut agents = Vec::new();
        for new in &sample.turns {
            if new.turn.role == TurnRole::Agent {
                agents.push(new.turn.uid.clone());
            }
        }
        let reads = agents.into_iter().map(|turn| self.steps_of(turn));
        let mut reads = stream::iter(reads).buffer_unordered(AT_ONCE);
        let mut found = turns - sample.turns.len() / 2;
        while let Some(steps) = reads.next().await {
            found += steps?;
        }
        Ok(found)
    }
}

#[async_trait]
impl Layout for Alternative {
    fn name(&self) -> &'static str {
        "a table a query"
    }

    async fn load(&self, sample: &Sample) -> StoreResult<()> {
        let mut cost = AppendCost::default();
        self.put_session(sample, &mut cost).await?;
        self.put_turns(sample, &sample.turns, &mut cost).await?;
        for steps in sample.steps.chunk_by(|(a, _), (b, _)| a == b) {
            let steps: Vec<_> = steps.iter().map(|(_, step)| step).collect();
            self.put_steps(&steps, &mut cost).await?;
        }
        Ok(())
    }

    async fn append(&self, sample: &Sample) -> StoreResult<AppendCost> {
        let (turns, steps) = sample.last_exchange();
        let steps: Vec<_> = steps.into_iter().map(|(_, step)| step).collect();
        let mut cost = AppendCost::default();
        self.put_session(sample, &mut cost).await?;
        // The parent's active child changes with the two new turns.
        let parent = turns[0].turn.seq - 1;
        let from = usize::try_from(parent.max(0)).unwrap_or(0);
        let mut rows = sample.turns[from..].to_vec();
        let changed = rows.len() - turns.len();
        self.put_turns(sample, &rows.split_off(changed), &mut cost)
            .await?;
        for parent in rows {
            let turn = &parent.turn;
            let key = |uid: &Option<Uid>| uid.as_ref().map_or("", Uid::as_str).to_owned();
            let values = (
                sample.session.uid.as_str(),
                turn.created_at.0,
                turn.uid.as_str(),
                key(&turn.parent_uid),
                key(&turn.active_child),
                i8::from(turn.role == TurnRole::Agent),
                parent.prompt.as_deref().unwrap_or_default(),
                turn.rev,
                turn.rev,
            );
            self.put(&self.turn_put, &[values], &mut cost).await?;
        }
        self.put_steps(&steps, &mut cost).await?;
        Ok(cost)
    }

    async fn read(&self, operation: Operation, sample: &Sample) -> StoreResult<usize> {
        match operation {
            Operation::Conversation => self.conversation(sample).await,
            Operation::History => {
                let limit = i32::try_from(PAGE).expect("a page is short");
                let values = (sample.session.account_uid.as_str(), limit);
                self.count::<(i64, String, String, i64)>(&self.sessions, values)
                    .await
            }
            Operation::Branches => {
                let parent = sample.branch().parent_uid.as_ref();
                let parent = parent.unwrap_or(&sample.session.uid);
                self.count::<(i64, String, i8)>(&self.children, (parent.as_str(),))
                    .await
            }
            Operation::Steps => self.steps_of(sample.agent().uid.clone()).await,
        }
    }

    async fn requests(&self) -> StoreResult<u64> {
        served(&self.session, &self.keyspace, &TABLES).await
    }
}
