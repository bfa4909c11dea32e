//! The same workload through each feed, from a real record store into real projections: commands,
//! other programs' SQL, hard deletions, moves between accounts, purges and rebirths; the worker is
//! killed at random places, changes are told twice and out of order. In the end every projection
//! has exactly what the record has.

mod change_log;
mod damage;
mod feeds;
mod image;
mod noise;
mod races;
mod side;
mod together;
mod workload;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use turngraph::cdc::FeedError;
use turngraph::domain::{Clock, SystemClock};
use turngraph::projection::{
    Counters, DualWrite, DualWriteOptions, Projector, ProjectorOptions, Quarantine, Targets,
    Verify, VerifyOptions, VerifyReport, Worker, WorkerOptions, WorkerParts,
};
use turngraph::stores::cql::{CqlMigrator, CqlOptions, CqlProjection};
use turngraph::stores::migration::{SchemaMigrator, UpOptions};
use turngraph::stores::{ProjectionStore, StoreKind};

use self::feeds::Place;
use self::workload::Workload;
use super::equal::assert_projected;
use crate::support::cassandra::Keyspace;
use crate::support::lww::LwwStore;

/// How long anything may take on a machine that builds and tests at once.
const PATIENCE: Duration = Duration::from_secs(180);

/// Kills of the worker in one run.
const KILLS: usize = 4;

/// Steps of the workload between two kills.
const STEPS: usize = 40;

struct Copies {
    lww: LwwStore,
    stores: Vec<Arc<dyn ProjectionStore>>,
    keyspace: Option<Keyspace>,
}

impl Copies {
    fn in_memory() -> Self {
        let lww = LwwStore::new();
        let stores = vec![lww.shared()];
        Self {
            lww,
            stores,
            keyspace: None,
        }
    }

    /// The same on Cassandra beside it.
    async fn on_cassandra() -> Self {
        let keyspace = Keyspace::new().await;
        let url = format!(
            "cql://{}/{}?timeout_ms=20000",
            keyspace.contact(),
            keyspace.name()
        );
        let options = CqlOptions {
            connect_timeout: PATIENCE,
            write_timeout: Duration::from_secs(20),
            ..CqlOptions::parse(&url).unwrap()
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let injected = Arc::clone(&clock);
        let migrator = CqlMigrator::connect(&options, injected).await.unwrap();
        migrator.up(UpOptions::default()).await.unwrap();
        let cql = CqlProjection::open(&options, 1, clock).await.unwrap();
        let mut copies = Self::in_memory();
        // The first is the one that dual writes go to.
        copies.stores.insert(0, Arc::new(cql));
        copies.keyspace = Some(keyspace);
        copies
    }

    fn targets(&self) -> Targets {
        let targets = Targets::new(None, None, Arc::new(Counters::default()));
        targets.set_stores(self.stores.iter().cloned());
        targets
    }
}

struct Running {
    stop: CancellationToken,
    task: JoinHandle<Result<(), FeedError>>,
}

impl Running {
    /// Ends it as a crash does.
    async fn kill(&mut self) {
        self.task.abort();
        (&mut self.task).await.ok();
    }
}

fn start(place: &Place, copies: &Copies) -> Running {
    let options = ProjectorOptions {
        publish_every: Duration::from_millis(20),
        acknowledge_every: Duration::from_millis(50),
        batch_writes: 20,
        ..ProjectorOptions::default()
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let projector = Projector::new(
        Arc::clone(&place.source),
        copies.targets(),
        Arc::clone(&clock),
        options,
    );
    let parts = WorkerParts {
        source: Arc::clone(&place.source),
        projector,
        feeds: Arc::clone(&place.feeds),
        generations: None,
        stores: vec![StoreKind::Cql],
        clock,
    };
    let verify = VerifyOptions {
        repair: true,
        recheck_after: Duration::from_millis(50),
        ..VerifyOptions::default()
    };
    let options = WorkerOptions {
        lease_poll: Duration::from_millis(50),
        generations_poll: Duration::from_millis(50),
        repair_every: Duration::from_millis(200),
        verify,
        ..WorkerOptions::default()
    };
    let (worker, stop) = (Worker::new(parts, options), CancellationToken::new());
    let stopped = stop.clone();
    let task = tokio::spawn(async move { worker.run(&stopped).await });
    Running { stop, task }
}

/// Waits until every store says that it has everything that is committed now.
async fn caught_up(place: &Place, copies: &Copies) {
    let position = place.source.position().await.unwrap();
    let there = async {
        for store in &copies.stores {
            loop {
                let mark = store.watermark().await.unwrap();
                if mark.is_some_and(|mark| mark.position.value >= position.value) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    let waited = tokio::time::timeout(PATIENCE, there).await;
    waited.unwrap_or_else(|_| panic!("the projector does not reach {position:?}"));
}

/// Compares one of the copies as an operator does.
async fn verify(place: &Place, store: &Arc<dyn ProjectionStore>, repair: bool) -> VerifyReport {
    let targets = Targets::new(None, None, Arc::new(Counters::default()));
    targets.set_stores([Arc::clone(store)]);
    let source = Arc::clone(&place.source);
    let quarantine = Quarantine::new(Arc::clone(&source), targets, Arc::new(SystemClock));
    let options = VerifyOptions {
        repair,
        settle: PATIENCE,
        ..VerifyOptions::default()
    };
    let store = Arc::clone(store);
    let verify = Verify::new(source, store, quarantine, Arc::new(SystemClock), options);
    let stop = CancellationToken::new();
    verify.run(&mut |_| (), &stop).await.unwrap()
}

async fn ends_as_the_record_is(place: Place, copies: Copies, seed: u64) {
    let dual = DualWrite::new(
        copies.targets(),
        Arc::new(SystemClock),
        DualWriteOptions::default(),
    );
    let mut workload = Workload::new(&place, Arc::new(dual), seed).await;
    let numbering = workload.keep_numbering();
    for _ in 0..KILLS {
        let mut running = start(&place, &copies);
        for _ in 0..STEPS {
            workload.step().await;
        }
        running.kill().await;
        // The record goes on while nobody projects.
        for _ in 0..STEPS / 4 {
            workload.step().await;
        }
    }
    let running = start(&place, &copies);
    workload.settle().await;
    caught_up(&place, &copies).await;
    for store in &copies.stores {
        let report = verify(&place, store, false).await;
        assert_eq!(
            (report.wrong, report.behind),
            (0, 0),
            "{:?}",
            report.findings
        );
    }
    running.stop.cancel();
    running.task.await.unwrap().unwrap();
    numbering.abort();
    let ever = workload.ever();
    for store in &copies.stores {
        assert_projected(&*place.source, &**store, &ever).await;
    }
    copies.lww.assert_kept_promises();
    assert_eq!(copies.lww.dead_cells(), 0);
    let letters = place.source.dead_letters(100).await.unwrap();
    assert_eq!(letters, [], "nothing was put aside");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_postgres_own_log() {
    ends_as_the_record_is(feeds::pgoutput().await, Copies::on_cassandra().await, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_postgres_own_log_told_twice_and_out_of_order() {
    let mut place = feeds::pgoutput().await;
    place.feeds = noise::noisy(place.feeds);
    ends_as_the_record_is(place, Copies::in_memory(), 2).await;
}
