//! Reads of the record store: by a direct way for STRONG, through a limit and a breaker where a
//! faster copy should have answered, by a handle of their own for ANALYTICS.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use tokio::time::Instant;

use super::flights::Key;
use super::{Loaded, Pass, Want, logged};
use crate::domain::{Consistency, SessionGraph, Timestamp, TurnRow, Uid};
use crate::reads::builder::Replica;
use crate::reads::context::{Origin, ReadContext};
use crate::reads::fill::What;
use crate::reads::guard::latency::Latencies;
use crate::reads::guard::limiter::{Limiter, Overflow};
use crate::reads::{ReadError, ReadErrorKind, ReadResult, Reads};
use crate::stores::RecordStore;
use crate::stores::cache::Generation;

impl Reads {
    /// The handle that a read of the record goes to.
    pub(in crate::reads) fn record_of(&self, ctx: &ReadContext) -> &dyn RecordStore {
        match &self.stores.analytics {
            // A replica cannot say whether it has a write yet.
            Some((store, _))
                if ctx.consistency() == Consistency::Analytics && ctx.revisions().is_empty() =>
            {
                &**store
            }
            _ => &*self.stores.record,
        }
    }

    /// Where a read of the record that begins now comes from.
    pub(in crate::reads) fn record_origin(&self, ctx: &ReadContext) -> Origin {
        let now = self.clock.now();
        let lags = ctx.consistency() == Consistency::Analytics
            && ctx.revisions().is_empty()
            && matches!(self.stores.analytics, Some((_, Replica::MayLag)));
        Origin::new(self.record_of(ctx).kind(), (!lags).then_some(now), now)
    }

    /// Where the answer of a command that just wrote comes from.
    pub fn written_now(&self) -> Origin {
        let now = self.clock.now();
        Origin::new(self.stores.record.kind(), Some(now), now)
    }

    /// The present instant, by the clock that ages are told by.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Runs a read of [`Self::record_of`] within the deadline and the limit of its kind.
    pub(in crate::reads) async fn guarded<T>(
        &self,
        ctx: &ReadContext,
        read: impl Future<Output = ReadResult<T>>,
    ) -> ReadResult<T> {
        let limiter = match ctx.consistency() {
            Consistency::Strong => None,
            Consistency::Eventual => self.stores.has_copies().then_some(&self.fallbacks),
            Consistency::Analytics => Some(&self.analytics),
        };
        let _place = match limiter {
            Some(limiter) => Some(self.enter(ctx, limiter).await?),
            None => None,
        };
        if ctx.consistency() == Consistency::Eventual && self.stores.has_copies() {
            return self.stores.record_hop.ask(ctx.deadline(), read).await;
        }
        let begun = Instant::now();
        let answer = tokio::time::timeout(ctx.left(), read).await;
        self.latencies_of(ctx).note(begun.elapsed());
        match answer {
            Ok(answer) => answer,
            Err(_) => Err(self.refusal(ctx, ReadErrorKind::Timeout, "no answer in time")),
        }
    }

    fn latencies_of(&self, ctx: &ReadContext) -> &Latencies {
        let own = ctx.consistency() == Consistency::Analytics && ctx.revisions().is_empty();
        if own && self.stores.analytics.is_some() {
            &self.stores.analytics_latencies
        } else {
            self.stores.record_hop.latencies()
        }
    }

    async fn enter<'l>(
        &self,
        ctx: &ReadContext,
        limiter: &'l Limiter,
    ) -> ReadResult<tokio::sync::SemaphorePermit<'l>> {
        // Who waits longer than a part of its time would have too little left to be answered.
        limiter.enter(ctx.left() / 4).await.map_err(|overflow| {
            crate::reads::guard::meter::overflowed(overflow);
            let message = match overflow {
                Overflow::QueueFull => "too many reads wait for it; try again",
                Overflow::Waited => "too many reads were before this one; try again",
            };
            self.refusal(ctx, ReadErrorKind::Unavailable, message)
        })
    }

    fn refusal(&self, ctx: &ReadContext, kind: ReadErrorKind, message: &str) -> ReadError {
        ReadError {
            kind,
            store: self.record_of(ctx).kind(),
            action: "read",
            message: message.to_owned(),
            source: None,
        }
    }

    /// Sessions of the record; for graphs two statements at once.
    pub(in crate::reads) async fn recorded(
        &self,
        ctx: &ReadContext,
        uids: &[Uid],
        want: Want,
    ) -> ReadResult<HashMap<Uid, Loaded>> {
        let (record, account) = (self.record_of(ctx), ctx.account());
        let origin = self.record_origin(ctx);
        let read = async {
            let rows = record.sessions_by_uid(account, uids);
            if want == Want::Row {
                return Ok((rows.await?, Vec::new()));
            }
            futures_util::future::try_join(rows, record.turns_by_session(account, uids)).await
        };
        let (rows, turns) = self.guarded(ctx, read).await?;
        let mut turns_of: HashMap<Uid, Vec<TurnRow>> = HashMap::with_capacity(rows.len());
        for turn in turns {
            let of = turns_of.entry(turn.session_uid).or_default();
            of.push(turn.turn);
        }
        let loaded = |row: crate::domain::SessionRow| {
            let graph = (want == Want::Graph).then(|| {
                let turns = turns_of.remove(&row.uid).unwrap_or_default();
                Arc::new(SessionGraph::build(turns, row.active_root.clone()))
            });
            let row = Arc::new(row);
            (row.uid.clone(), Loaded { row, graph, origin })
        };
        Ok(rows.into_iter().map(loaded).collect())
    }
}

impl Pass<'_> {
    /// Answers what is left.
    pub(super) async fn record(&mut self) {
        let left = std::mem::take(&mut self.left);
        if left.is_empty() {
            return;
        }
        // Many may miss the same session at once; one of them reads, the others wait for it.
        let (mut alone, mut keys) = (Vec::new(), Vec::new());
        for session in left {
            match self.missed_under(&session) {
                None => alone.push(session),
                Some(generation) => keys.push(Key {
                    account: self.ctx.account().clone(),
                    session,
                    want: self.want,
                    generation,
                }),
            }
        }
        let (lead, followed) = self.reads.flights.board(keys.into_iter());
        let mut uids: Vec<Uid> = lead.sessions().cloned().collect();
        uids.append(&mut alone);
        if !uids.is_empty() {
            let read = self.reads.recorded(self.ctx, &uids, self.want).await;
            let read = read.map_err(|error| logged(&error));
            lead.land(&read);
            self.enter(uids, read);
        }
        for (key, flight) in followed {
            match flight.landed(self.ctx.left()).await {
                Some(answer) => self.enter_one(key.session, answer),
                None => alone.push(key.session),
            }
        }
        self.read_alone(alone).await;
    }

    /// The generation that the session's miss told; none where it may not be read with others.
    fn missed_under(&self, session: &Uid) -> Option<Generation> {
        if self.ctx.consistency() != Consistency::Eventual || !self.ctx.revisions().is_empty() {
            return None;
        }
        let notes = self.ctx.notes();
        notes.fills.get(session).map(|pending| pending.generation)
    }

    async fn read_alone(&mut self, uids: Vec<Uid>) {
        if uids.is_empty() {
            return;
        }
        let read = self.reads.recorded(self.ctx, &uids, self.want).await;
        self.enter(uids, read.map_err(|error| logged(&error)));
    }

    fn enter(&mut self, uids: Vec<Uid>, read: Result<HashMap<Uid, Loaded>, ReadErrorKind>) {
        match read {
            Ok(mut found) => {
                for uid in uids {
                    let answer = found.remove(&uid);
                    self.enter_one(uid, Ok(answer));
                }
            }
            Err(kind) => uids
                .into_iter()
                .for_each(|uid| self.enter_one(uid, Err(kind))),
        }
    }

    fn enter_one(&mut self, uid: Uid, answer: Result<Option<Loaded>, ReadErrorKind>) {
        match answer {
            Ok(Some(loaded)) => {
                self.note(&uid, (&loaded.row, loaded.graph.as_ref()), loaded.origin);
                self.answers.insert(uid, Ok(loaded));
            }
            Ok(None) => {
                if let Some(pending) = self.ctx.notes().fills.get_mut(&uid) {
                    pending.what = What::NotFound;
                }
            }
            Err(kind) => {
                self.ctx.notes().fills.remove(&uid);
                self.answers.insert(uid, Err(kind));
            }
        }
    }
}
