//! How many requests a read costs, as the server counts them by table.

use std::collections::BTreeMap;

use scylla::client::session::Session;
use turngraph::domain::{SessionRow, Timestamp, TurnRole};
use turngraph::stores::cql::CqlProjection;
use turngraph::stores::projection::{BodyPart, Write};

use super::super::fixture::{Fixture, step, step_write, turn, turn_write, whole};
use super::{clock, migrate, options};
use crate::support::cassandra::Keyspace;

const MONTH: i64 = 31 * 24 * 3_600 * 1_000_000;

/// Reads of a keyspace's tables so far.
struct Counter {
    session: Session,
    keyspace: Keyspace,
}

impl Counter {
    async fn reads(&self) -> BTreeMap<String, i64> {
        let cql = "select keyspace_name, table_name, count from system_views.local_read_latency";
        let answer = self.session.query_unpaged(cql, ()).await.unwrap();
        let rows = answer.into_rows_result().unwrap();
        let rows = rows.rows::<(String, String, i64)>().unwrap();
        let rows = rows.map(Result::unwrap);
        let own = rows.filter(|(keyspace, ..)| keyspace == self.keyspace.name());
        own.map(|(_, table, count)| (table, count)).collect()
    }

    /// Reads that `act` costs, by table, where there are any.
    async fn cost<T>(&self, act: impl Future<Output = T>) -> (T, BTreeMap<String, i64>) {
        let before = self.reads().await;
        let result = act.await;
        let mut cost = self.reads().await;
        for (table, count) in &mut cost {
            *count -= before.get(table).copied().unwrap_or(0);
        }
        cost.retain(|_, count| *count > 0);
        (result, cost)
    }
}

async fn opened() -> (Fixture, Counter) {
    let keyspace = Keyspace::new().await;
    let mut options = options(keyspace.name());
    migrate(&options).await;
    // A second try elsewhere would be counted too; there is no elsewhere here.
    options.speculate_after = std::time::Duration::from_secs(20);
    let store = CqlProjection::open(&options, 1, clock()).await.unwrap();
    let session = keyspace.session().await;
    let f = Fixture::new(std::sync::Arc::new(store));
    (f, Counter { session, keyspace })
}

fn cost(parts: &[(&str, i64)]) -> BTreeMap<String, i64> {
    let parts = parts.iter();
    parts.map(|(table, n)| (format!("{table}_1"), *n)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_is_two_reads_and_a_huge_one_a_few_pages() {
    let (f, counter) = opened().await;
    for (name, turns) in [("small", 250), ("huge", 10_000)] {
        let session = f.key(name);
        let mut writes = vec![Write::Header(whole(f.session(name, turns, 1)))];
        for seq in 0..turns {
            writes.push(turn_write(&session, turn(TurnRole::Agent, seq, 1), None));
            writes.push(step_write(&session, seq, step(seq, 0, "{}", 1)));
        }
        for piece in writes.chunks(1_000) {
            f.apply(piece).await;
        }
    }
    let (graph, reads) = counter.cost(f.graph("small")).await;
    assert!(graph.complete);
    assert_eq!(reads, cost(&[("turns_by_session", 1)]));
    let all: Vec<i32> = (0..250).collect();
    let (bodies, reads) = counter.cost(f.bodies("small", &all)).await;
    assert_eq!(bodies.len(), 250);
    assert_eq!(reads, cost(&[("bodies_by_session", 1)]));
    // 256 rows with the header, 5,000, and the rest.
    let (graph, reads) = counter.cost(f.graph("huge")).await;
    assert!(graph.complete);
    assert_eq!(reads, cost(&[("turns_by_session", 3)]));
    // A page is what it needs, however long the conversation is.
    let page: Vec<i32> = (9_000..9_020).collect();
    let (bodies, reads) = counter.cost(f.bodies("huge", &page)).await;
    assert_eq!(bodies.len(), 20);
    assert_eq!(reads, cost(&[("bodies_by_session", 1)]));
    let path: Vec<i32> = (0..10_000).step_by(500).collect();
    let session = f.key("huge");
    let heads = f.store.bodies(&session, &path, BodyPart::Heads);
    let (heads, reads) = counter.cost(heads).await;
    assert_eq!(heads.unwrap().len(), 20);
    assert_eq!(reads, cost(&[("bodies_by_session", 20)]), "a bucket a turn");
    let (header, reads) = counter.cost(f.store.sessions(&[session])).await;
    assert_eq!(header.unwrap().len(), 1);
    assert_eq!(reads, cost(&[("turns_by_session", 1)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_an_account_with_very_many_sessions_is_two_reads() {
    let (f, counter) = opened().await;
    let account = f.key("account");
    let at = |n: i64, created: i64| SessionRow {
        created_at: Timestamp(created),
        ..f.session(&format!("s{n}"), 0, 1)
    };
    // 20,000 sessions in each of two months, and then one a month for forty months.
    let dense = (0..40_000).map(|n| at(n, (n % 2) * MONTH + n));
    let sparse = (0..40).map(|n| at(100_000 + n, (n + 10) * MONTH));
    let rows: Vec<_> = dense.chain(sparse).collect();
    for piece in rows.chunks(2_000) {
        let writes: Vec<_> = piece
            .iter()
            .cloned()
            .map(whole)
            .map(Write::Listing)
            .collect();
        f.apply(&writes).await;
    }
    let after = Some((Timestamp(5 * MONTH), f.key("z")));
    for after in [after, Some((Timestamp(MONTH + 9_000), f.key("z")))] {
        let page = f.store.listing(&account, after.as_ref(), 50);
        let (page, reads) = counter.cost(page).await;
        assert_eq!(page.unwrap().len(), 50);
        assert_eq!(
            reads,
            cost(&[("months_by_user", 1), ("sessions_by_user", 1)])
        );
    }
    // Sessions that lie months apart: one, two, four, then eight months at a time.
    let (page, reads) = counter.cost(f.store.listing(&account, None, 10)).await;
    assert_eq!(page.unwrap().len(), 10);
    assert_eq!(
        reads,
        cost(&[("months_by_user", 1), ("sessions_by_user", 15)])
    );
}
