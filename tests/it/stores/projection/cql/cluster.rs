//! Three nodes, of which some are killed, paused and brought back while sessions are written and
//! read.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

use turngraph::domain::{TurnRole, Uid};
use turngraph::stores::cql::{CqlOptions, CqlProjection};
use turngraph::stores::projection::{ProjectionStore, Write};
use turngraph::stores::{StoreError, StoreErrorKind};

use super::super::fixture::{turn, turn_write, whole};
use super::{clock, migrate, options_at};
use crate::support::cassandra::Cluster;
use crate::support::rows::{session, uid};

const PATIENCE: Duration = Duration::from_secs(120);

/// A conversation that grows: every exchange is acknowledged before the next.
struct Conversation<'a> {
    store: &'a CqlProjection,
    uid: Uid,
    acknowledged: AtomicI32,
}

impl Conversation<'_> {
    fn writes(&self, next_seq: i32) -> Vec<Write> {
        let rev = i64::from(next_seq);
        let row = turngraph::domain::SessionRow {
            next_seq,
            rev,
            ..session("account", self.uid.as_str())
        };
        let turn = turn(TurnRole::Human, next_seq - 1, rev);
        vec![
            Write::Header(whole(row)),
            turn_write(&self.uid, turn, Some("prompt")),
        ]
    }

    /// Writes one turn, again and again while nobody can say whether it was written.
    async fn append(&self) {
        let next = self.acknowledged.load(Ordering::Relaxed) + 1;
        let until = Instant::now() + PATIENCE;
        while let Err(error) = self.store.apply(&self.writes(next)).await {
            expect_outage(&error);
            assert!(Instant::now() < until, "still not written: {error}");
        }
        self.acknowledged.store(next, Ordering::Relaxed);
    }

    /// Reads all of it; what was acknowledged before must be there.
    async fn read(&self) -> Result<(), StoreError> {
        let acknowledged = self.acknowledged.load(Ordering::Relaxed);
        let found = self.store.graphs(std::slice::from_ref(&self.uid)).await?;
        let graph = found.first().expect("the session is there");
        assert!(
            graph.row.next_seq >= acknowledged,
            "an acknowledged header is lost"
        );
        assert!(graph.complete, "an acknowledged turn is lost");
        Ok(())
    }

    async fn read_patiently(&self) {
        let until = Instant::now() + PATIENCE;
        while let Err(error) = self.read().await {
            expect_outage(&error);
            assert!(Instant::now() < until, "still not read: {error}");
        }
    }
}

fn expect_outage(error: &StoreError) {
    let kinds = [StoreErrorKind::Unavailable, StoreErrorKind::Timeout];
    assert!(kinds.contains(&error.kind), "{error}");
}

/// Appends and reads at the same time until `during` is over, at least once each.
async fn under_load(conversation: &Conversation<'_>, during: impl Future<Output = ()>) {
    let over = AtomicBool::new(false);
    let writer = async {
        loop {
            conversation.append().await;
            if over.load(Ordering::Relaxed) {
                return;
            }
        }
    };
    let reader = async {
        loop {
            conversation.read_patiently().await;
            if over.load(Ordering::Relaxed) {
                return;
            }
        }
    };
    let fault = async {
        during.await;
        over.store(true, Ordering::Relaxed);
    };
    tokio::join!(writer, reader, fault);
}

fn options(cluster: &Cluster) -> CqlOptions {
    let mut options = options_at(cluster.contact(0), "projections");
    options.hosts = (0..3)
        .map(|node| cluster.contact(node).to_string())
        .collect();
    options.read_timeout = Duration::from_secs(5);
    options.write_timeout = Duration::from_secs(5);
    options
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_of_three_may_be_killed_or_hang_and_nothing_acknowledged_is_lost() {
    let mut cluster = Cluster::start().await;
    let options = options(&cluster);
    let report = migrate(&options).await;
    assert!(
        report.notes.is_empty(),
        "three replicas need no note: {report}"
    );
    let store = CqlProjection::open(&options, 1, clock()).await.unwrap();
    let conversation = Conversation {
        store: &store,
        uid: uid("s"),
        acknowledged: AtomicI32::new(0),
    };
    let appended = |n: i32| {
        let conversation = &conversation;
        async move {
            let from = conversation.acknowledged.load(Ordering::Relaxed);
            while conversation.acknowledged.load(Ordering::Relaxed) < from + n {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    conversation.append().await;
    under_load(&conversation, appended(50)).await;

    // A node hangs: its connections stay open and nothing is answered.
    cluster.pause(2);
    under_load(&conversation, appended(50)).await;
    cluster.resume(2);
    under_load(&conversation, appended(20)).await;

    // A node is lost in the middle, and comes back with what it had.
    under_load(&conversation, async {
        appended(20).await;
        tokio::task::block_in_place(|| cluster.kill(1));
        appended(50).await;
    })
    .await;
    tokio::task::block_in_place(|| cluster.restart(1));
    under_load(&conversation, appended(20)).await;

    // Without a quorum nothing is promised and nothing invented; then it goes on by itself.
    cluster.pause(1);
    cluster.pause(2);
    expect_outage(&conversation.read().await.unwrap_err());
    let next = conversation.acknowledged.load(Ordering::Relaxed) + 1;
    let refused = store.apply(&conversation.writes(next)).await.unwrap_err();
    expect_outage(&refused);
    cluster.resume(1);
    cluster.resume(2);
    under_load(&conversation, appended(20)).await;
    let health = store.health().await.unwrap();
    assert!(health.contains("of 3 nodes connected"), "{health}");
}
