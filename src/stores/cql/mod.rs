//! `ProjectionStore` on CQL: Cassandra 5 and ScyllaDB, in the subset that both understand.
//!
//! Tables are described in `cql/` and partitioned by session: a conversation of up to 256 turns is
//! two partition reads. Nothing is read in order to write; every write carries the `rev` of its
//! row as its timestamp, so that order and repetition do not matter.

mod apply;
mod connect;
mod encode;
mod error;
mod flights;
pub mod layouts;
mod listing;
mod options;
mod read;
mod rows;
pub mod schema;
mod statements;
mod values;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use futures_util::future::try_join_all;
use scylla::client::session::Session;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::domain::{Clock, SessionRow, Timestamp, Uid, Watermark};
use crate::stores::projection::{
    BodyPart, ListedSession, ProjectedBodies, ProjectedSession, ProjectionStore, Write,
};
use crate::stores::record::StoreResult;
use crate::stores::{StoreError, StoreErrorKind};
use connect::{Profiles, connect, is_scylla};
use encode::bucket;
use error::{corrupt, failure, store_error};
use flights::Flights;
pub use options::{CqlOptions, ReadConsistency, Replication, TlsFiles};
pub use schema::{CqlCatalog, CqlMigrator, Generation, GenerationState};
use statements::{Statements, Tables};

/// A session of the driver with everything prepared for one generation.
struct Connected {
    session: Session,
    statements: Statements,
    permits: Semaphore,
    generation: i32,
}

impl Connected {
    /// A place among the requests under way.
    async fn permit(&self) -> SemaphorePermit<'_> {
        self.permits
            .acquire()
            .await
            .expect("the semaphore is never closed")
    }
}

/// A number below 0 is an error of whoever made the change.
fn corrupt_number(seq: i32) -> StoreError {
    let message = format!("a turn's number is {seq}; numbers begin at 0");
    failure(StoreErrorKind::Corrupt, "apply", message)
}

/// Bodies of one bucket, as a read that several may share.
type BucketKey = (Uid, Vec<i32>, BodyPart);
type BucketBodies = std::collections::BTreeMap<i32, ProjectedBodies>;

/// Projections of one generation on CQL.
pub struct CqlProjection {
    link: RwLock<Option<Arc<Connected>>>,
    headers: Arc<Flights<Uid, Option<SessionRow>>>,
    graphs: Arc<Flights<Uid, Option<ProjectedSession>>>,
    bodies: Arc<Flights<BucketKey, BucketBodies>>,
    ticker: Ticker,
}

/// Timestamps of what has no `rev`: the present, above every one given before.
struct Ticker {
    clock: Arc<dyn Clock>,
    last: AtomicI64,
}

impl Ticker {
    fn new(clock: Arc<dyn Clock>) -> Self {
        let last = AtomicI64::new(0);
        Self { clock, last }
    }

    fn next(&self) -> i64 {
        let now = self.clock.now().0;
        let order = Ordering::Relaxed;
        let last = self
            .last
            .fetch_update(order, order, |last| Some(now.max(last + 1)));
        now.max(last.expect("there is always a next") + 1)
    }
}

impl CqlProjection {
    /// Connects and prepares every statement. The generation's tables must be there, in this
    /// program's encoding ([`StoreErrorKind::Schema`] says what to do when they are not).
    pub async fn open(
        options: &CqlOptions,
        generation: i32,
        clock: Arc<dyn Clock>,
    ) -> StoreResult<Self> {
        Self::open_under(options, generation, clock, Profiles::of(options)).await
    }

    /// The same with long deadlines and without second tries elsewhere: for rebuilds and repairs,
    /// where nobody waits for a single answer.
    pub async fn open_patient(
        options: &CqlOptions,
        generation: i32,
        clock: Arc<dyn Clock>,
    ) -> StoreResult<Self> {
        Self::open_under(options, generation, clock, Profiles::patient(options)).await
    }

    async fn open_under(
        options: &CqlOptions,
        generation: i32,
        clock: Arc<dyn Clock>,
        profiles: Profiles,
    ) -> StoreResult<Self> {
        let session = connect(options).await?;
        schema::require_generation(&session, options, generation).await?;
        let tables = Tables {
            keyspace: options.keyspace.clone(),
            generation,
        };
        let statements = Statements::prepare(&session, &tables, &profiles).await?;
        let unrouted = statements.unrouted();
        if !unrouted.is_empty() {
            let message = format!("these statements name no partition: {unrouted:?}");
            return Err(failure(StoreErrorKind::Bug, "prepare", message));
        }
        let connected = Connected {
            session,
            statements,
            permits: Semaphore::new(options.requests_max.max(1)),
            generation,
        };
        Ok(Self {
            link: RwLock::new(Some(Arc::new(connected))),
            headers: Flights::new(),
            graphs: Flights::new(),
            bodies: Flights::new(),
            ticker: Ticker::new(clock),
        })
    }

    fn connected(&self) -> StoreResult<Arc<Connected>> {
        let link = self.link.read().unwrap_or_else(PoisonError::into_inner);
        link.clone().ok_or_else(|| {
            let message = "the store was closed by this process";
            failure(StoreErrorKind::Unavailable, "connect", message)
        })
    }
}

#[async_trait]
impl ProjectionStore for CqlProjection {
    async fn apply(&self, writes: &[Write]) -> StoreResult<()> {
        self.connected()?.apply(writes).await
    }

    async fn sessions(&self, uids: &[Uid]) -> StoreResult<Vec<SessionRow>> {
        let connected = self.connected()?;
        let reads = uids.iter().map(|uid| {
            let (connected, key) = (Arc::clone(&connected), uid.clone());
            let read = move || async move { connected.header(&key).await };
            self.headers.run(uid.clone(), read)
        });
        Ok(try_join_all(reads).await?.into_iter().flatten().collect())
    }

    async fn graphs(&self, uids: &[Uid]) -> StoreResult<Vec<ProjectedSession>> {
        let connected = self.connected()?;
        let reads = uids.iter().map(|uid| {
            let (connected, key) = (Arc::clone(&connected), uid.clone());
            let read = move || async move { connected.graph(&key).await };
            self.graphs.run(uid.clone(), read)
        });
        Ok(try_join_all(reads).await?.into_iter().flatten().collect())
    }

    async fn bodies(
        &self,
        session_uid: &Uid,
        seqs: &[i32],
        part: BodyPart,
    ) -> StoreResult<Vec<(i32, ProjectedBodies)>> {
        let connected = self.connected()?;
        let mut seqs = seqs.to_vec();
        seqs.sort_unstable();
        seqs.dedup();
        let buckets = seqs.chunk_by(|a, b| bucket(*a) == bucket(*b));
        let reads = buckets.map(|seqs| {
            let key: BucketKey = (session_uid.clone(), seqs.to_vec(), part);
            let (connected, wanted) = (Arc::clone(&connected), key.clone());
            let read = move || async move {
                let (session_uid, seqs, part) = wanted;
                connected.bucket_bodies(&session_uid, &seqs, part).await
            };
            self.bodies.run(key, read)
        });
        Ok(try_join_all(reads).await?.into_iter().flatten().collect())
    }

    async fn listing(
        &self,
        account: &Uid,
        after: Option<&(Timestamp, Uid)>,
        limit: usize,
    ) -> StoreResult<Vec<ListedSession>> {
        self.connected()?.listing(account, after, limit).await
    }

    async fn watermark(&self) -> StoreResult<Option<Watermark>> {
        self.connected()?.watermark().await
    }

    async fn set_watermark(&self, watermark: &Watermark) -> StoreResult<()> {
        let timestamp = self.ticker.next();
        self.connected()?.set_watermark(watermark, timestamp).await
    }

    async fn quarantined(&self) -> StoreResult<Vec<Uid>> {
        self.connected()?.quarantined().await
    }

    async fn set_quarantined(&self, session_uid: &Uid, marked: bool) -> StoreResult<()> {
        let timestamp = self.ticker.next();
        let connected = self.connected()?;
        connected
            .set_quarantined(session_uid, marked, timestamp)
            .await
    }

    async fn health(&self) -> StoreResult<String> {
        let connected = self.connected()?;
        let session = &connected.session;
        let answer = session
            .query_unpaged("select release_version from system.local", ())
            .await
            .map_err(|error| store_error("health", error))?;
        let rows = answer
            .into_rows_result()
            .map_err(|error| corrupt("health", error))?;
        let (version,) = rows
            .first_row::<(String,)>()
            .map_err(|error| corrupt("health", error))?;
        let engine = if is_scylla(session) {
            "ScyllaDB, compatible with Cassandra"
        } else {
            "Cassandra"
        };
        let state = session.get_cluster_state();
        let nodes = state.get_nodes_info();
        let up = nodes.iter().filter(|node| node.is_connected()).count();
        Ok(format!(
            "{engine} {version}, {up} of {} nodes connected, generation {}",
            nodes.len(),
            connected.generation,
        ))
    }

    async fn close(&self) {
        let mut link = self.link.write().unwrap_or_else(PoisonError::into_inner);
        // The driver closes its connections when the last read that is under way lets go of it.
        link.take();
    }
}
