//! Which store answers a read; the API asks here and nowhere else, and knows no store.
//!
//! - STRONG: the record store's primary, always.
//! - EVENTUAL: the cache, then the projections, then the record store, each with a share of the
//!   deadline and a breaker. What a copy cannot vouch for is read from the record store.
//! - ANALYTICS: a handle of the record store of its own (a replica, or its own pool) with a small
//!   limit; where it is down there is no answer, never one from elsewhere.
//!
//! Every part of an answer tells its [`Origin`], and the [`ReadContext`] what was amiss.

mod builder;
mod context;
mod fill;
pub mod guard;
mod listing;
mod pages;
mod renew;
mod router;
mod search;
mod settings;
mod shadow;
mod status;
mod watermark;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::domain::step::StepHead;
use crate::domain::{Clock, SessionGraph, SessionRow, StepRow, Uid};
use crate::stores::{ProjectionSource, ProjectionStore, RecordStore, SessionCache};

pub use crate::stores::StoreKind as Source;
pub use crate::stores::erasure::{ErasedIn, Erasure};
pub use crate::stores::error::{StoreError as ReadError, StoreErrorKind as ReadErrorKind};
pub use crate::stores::listing::{SessionFilter, SessionOrder};
pub use builder::Replica;
pub use context::{CacheUse, DEADLINE, Origin, ReadContext};
pub use listing::{ListingCursor, ListingPage, ListingRequest};
pub use search::{SearchCursor, SearchHit, SearchPage, SearchRequest};
pub use settings::{ReadSettings, RouteHandle};
pub use shadow::ShadowCounts;
pub use status::{StoreState, SystemState};
pub use watermark::PERIOD as WATERMARK_PERIOD;

use guard::Hop;
use guard::latency::Latencies;
use guard::limiter::Limiter;
use router::flights::Flights;
use watermark::Progress;

/// Result of a read.
pub type ReadResult<T> = Result<T, ReadError>;

/// Answers by key; keys that do not exist, or belong to another account, are left out. Why a read
/// failed is in the log.
pub type Answers<T> = HashMap<Uid, Result<T, ReadErrorKind>>;

/// A session's own row.
#[derive(Debug, Clone)]
pub struct SessionFound {
    /// The row.
    pub row: Arc<SessionRow>,
    /// Where it came from.
    pub origin: Origin,
}

/// A session and its turns.
#[derive(Debug, Clone)]
pub struct SessionWithGraph {
    /// The session's own row.
    pub row: Arc<SessionRow>,
    /// Its turns.
    pub graph: Arc<SessionGraph>,
    /// Where both came from.
    pub origin: Origin,
}

/// A kind of content of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BodyKind {
    /// The prompt of a human turn.
    Prompt,
    /// The steps of an agent turn, with content.
    Steps,
    /// The steps of an agent turn, index and type only.
    Heads,
}

/// Content of one turn that is wanted, by the turn's address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BodyWant {
    /// The session.
    pub session_uid: Uid,
    /// The turn's number.
    pub seq: i32,
    /// The turn.
    pub turn_uid: Uid,
    /// What of it.
    pub kind: BodyKind,
}

/// Content of one turn, of the kind that was wanted.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// The prompt.
    Prompt(String),
    /// The steps by `idx`.
    Steps(Vec<StepRow>),
    /// Index and type of the steps by `idx`.
    Heads(Vec<StepHead>),
}

/// Answers to wants of content, in their order; `None` where the turn has none.
pub type BodyAnswers = Vec<Result<Option<(Body, Origin)>, ReadErrorKind>>;

/// Reads, batched: every method takes many keys and needs a number of round trips that does not
/// depend on how many they are.
///
/// ```
/// # use std::sync::Arc;
/// # use turngraph::domain::Clock;
/// # use turngraph::reads::{Reads, ReadSettings, Replica, Source};
/// # use turngraph::stores::{ProjectionSource, ProjectionStore, RecordStore, SessionCache};
/// # fn wire(
/// #     record: Arc<dyn RecordStore>, clock: Arc<dyn Clock>, redis: Arc<dyn SessionCache>,
/// #     cql: Arc<dyn ProjectionStore>, replica: Arc<dyn RecordStore>,
/// #     source: Arc<dyn ProjectionSource>,
/// # ) -> Arc<Reads> {
/// let reads = Reads::new(record, clock)
///     .with_settings(ReadSettings::default())
///     .with_cache(redis, Source::Redis)
///     .with_projection(cql)
///     .with_analytics(replica, Replica::MayLag)
///     .with_all_accounts(source);
/// reads.route().set_cql_share(10);
/// let reads = Arc::new(reads);
/// // One task: `lifecycle.spawn(async move { tokio::select! {
/// //     () = stopping.cancelled() => {}
/// //     () = following.follow() => {}
/// // } })`
/// # reads
/// # }
/// ```
pub struct Reads {
    stores: Stores,
    clock: Arc<dyn Clock>,
    settings: ReadSettings,
    route: RouteHandle,
    progress: Progress,
    flights: Flights,
    renewals: renew::Renewals,
    fallbacks: Limiter,
    analytics: Limiter,
    shadow: shadow::Counters,
    answers: AtomicU64,
}

/// The stores, each copy behind its breaker.
struct Stores {
    record: Arc<dyn RecordStore>,
    /// For reads that a copy would have answered.
    record_hop: Hop,
    cache: Option<(Arc<dyn SessionCache>, Hop)>,
    projection: Option<(Arc<dyn ProjectionStore>, Hop)>,
    analytics: Option<(Arc<dyn RecordStore>, Replica)>,
    analytics_latencies: Latencies,
    all_accounts: Option<Arc<dyn ProjectionSource>>,
    cache_kind: Source,
}

impl Stores {
    /// Whether there is any copy of the record.
    fn has_copies(&self) -> bool {
        self.cache.is_some() || self.projection.is_some()
    }
}

impl Reads {
    /// A receipt of the account; always the record store's.
    pub async fn erasure(&self, ctx: &ReadContext, receipt: &Uid) -> ReadResult<Option<Erasure>> {
        match self.stores.record.erasures() {
            Some(erasures) => {
                self.guarded(ctx, erasures.erasure(ctx.account(), receipt))
                    .await
            }
            None => Ok(None),
        }
    }

    /// Sessions without their turns.
    pub async fn sessions(&self, ctx: &ReadContext, uids: &[Uid]) -> Answers<SessionFound> {
        let loaded = self.load(ctx, uids, router::Want::Row).await;
        let found = |loaded: router::Loaded| SessionFound {
            row: loaded.row,
            origin: loaded.origin,
        };
        loaded
            .into_iter()
            .map(|(uid, answer)| (uid, answer.map(found)))
            .collect()
    }

    /// Sessions with their turns.
    pub async fn graphs(&self, ctx: &ReadContext, uids: &[Uid]) -> Answers<SessionWithGraph> {
        let loaded = self.load(ctx, uids, router::Want::Graph).await;
        let with_graph = |loaded: router::Loaded| SessionWithGraph {
            graph: loaded.graph.expect("a graph was asked for"),
            row: loaded.row,
            origin: loaded.origin,
        };
        loaded
            .into_iter()
            .map(|(uid, answer)| (uid, answer.map(with_graph)))
            .collect()
    }

    /// Sessions of turns, as (turn, session). Only the record store knows: copies have addresses.
    pub async fn sessions_by_turn(
        &self,
        ctx: &ReadContext,
        turn_uids: &[Uid],
    ) -> ReadResult<Vec<(Uid, Uid)>> {
        let record = self.record_of(ctx);
        let read = record.sessions_by_turn(ctx.account(), turn_uids);
        self.guarded(ctx, read).await
    }

    /// Number of the account's sessions that pass `filter`, counted to `up_to` at most.
    pub async fn count(
        &self,
        ctx: &ReadContext,
        filter: &SessionFilter,
        up_to: usize,
    ) -> ReadResult<(usize, Origin)> {
        let origin = self.record_origin(ctx);
        let record = self.record_of(ctx);
        let read = record.sessions_count(ctx.account(), filter, up_to);
        Ok((self.guarded(ctx, read).await?, origin))
    }

    /// One page of the account's sessions. The projections have them by creation, newest first;
    /// every other order or filter is the record store's, and while that is away a short list
    /// without a filter still comes from the projections, in any order.
    pub async fn listing(
        &self,
        ctx: &ReadContext,
        request: &ListingRequest,
    ) -> ReadResult<ListingPage> {
        if self.lists_from_projection(ctx, request).await
            && let Some(page) = self.projected_listing(ctx, request).await
        {
            return Ok(page);
        }
        self.recorded_listing(ctx, request).await
    }

    /// One page of turns whose prompt or text contains all words; always the record store's.
    pub async fn search(
        &self,
        ctx: &ReadContext,
        request: &SearchRequest,
    ) -> ReadResult<(SearchPage, Origin)> {
        let origin = self.record_origin(ctx);
        let page = search::page(self.record_of(ctx), ctx.account(), request);
        Ok((self.guarded(ctx, page).await?, origin))
    }
}
