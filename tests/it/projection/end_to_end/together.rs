//! Every feed out of one record at once, each with a worker and a keyspace of its own: in the end
//! the keyspaces hold the same, row by row.

use std::sync::Arc;

use turngraph::domain::SystemClock;
use turngraph::projection::{DualWrite, DualWriteOptions, FeedOpener};
use turngraph::stores::ProjectionSource;

use super::change_log::ChangeLogFeeds;
use super::feeds::{self, Place};
use super::image::{assert_written_at_its_versions, image};
use super::side::Side;
use super::workload::Workload;
use super::{Copies, KILLS, Running, STEPS, caught_up, start, verify};
use crate::projection::equal::assert_projected;

/// A feed with what it feeds.
struct Fed {
    name: &'static str,
    place: Place,
    copies: Copies,
}

impl Fed {
    async fn of(name: &'static str, place: &Place, feeds: Arc<dyn FeedOpener>) -> Self {
        let record = Arc::clone(&place.source);
        let side: Arc<dyn ProjectionSource> = Arc::new(Side { name, record });
        let place = Place {
            record: Arc::clone(&place.record),
            source: side,
            feeds,
            sql: Arc::clone(&place.sql),
            numbers_foreign_turns: place.numbers_foreign_turns,
            log: Arc::clone(&place.log),
            _keep: Box::new(()),
        };
        let copies = Copies::on_cassandra().await;
        Self {
            name,
            place,
            copies,
        }
    }

    fn start(&self) -> Running {
        start(&self.place, &self.copies)
    }
}

async fn end_alike(place: Place, fed: Vec<Fed>, seed: u64) {
    // Dual writes go to one of them only, and make no difference.
    let targets = fed[0].copies.targets();
    let dual = DualWrite::new(targets, Arc::new(SystemClock), DualWriteOptions::default());
    let mut workload = Workload::new(&place, Arc::new(dual), seed).await;
    let numbering = workload.keep_numbering();
    for kill in 0..KILLS {
        let mut running: Vec<Running> = fed.iter().map(Fed::start).collect();
        for step in 0..STEPS {
            workload.step().await;
            // One after the other dies, at another place each time, and begins again at once.
            if step % 9 == kill {
                let dies = (step / 9) % fed.len();
                running[dies].kill().await;
                running[dies] = fed[dies].start();
            }
        }
        for mut dies in running {
            dies.kill().await;
        }
        for _ in 0..STEPS / 4 {
            workload.step().await;
        }
    }
    let running: Vec<Running> = fed.iter().map(Fed::start).collect();
    workload.settle().await;
    for one in &fed {
        caught_up(&one.place, &one.copies).await;
    }
    for one in &fed {
        for store in &one.copies.stores {
            let report = verify(&one.place, store, false).await;
            let found = (report.wrong, report.behind);
            assert_eq!(found, (0, 0), "{}: {:?}", one.name, report.findings);
        }
    }
    for one in running {
        one.stop.cancel();
        one.task.await.unwrap().unwrap();
    }
    numbering.abort();
    let mut first = None;
    for one in &fed {
        for store in &one.copies.stores {
            assert_projected(&*place.source, &**store, &workload.ever()).await;
        }
        let keyspace = one.copies.keyspace.as_ref().unwrap();
        assert_written_at_its_versions(keyspace).await;
        let image = image(keyspace).await;
        let (name, expected) = first.get_or_insert_with(|| (one.name, image.clone()));
        let only: Vec<_> = expected.difference(&image).collect();
        let more: Vec<_> = image.difference(expected).collect();
        assert!(
            only.is_empty() && more.is_empty(),
            "only {name} has {only:#?}, only {} has {more:#?}",
            one.name
        );
        one.copies.lww.assert_kept_promises();
        assert_eq!(one.copies.lww.dead_cells(), 0);
    }
    let letters = place.source.dead_letters(100).await.unwrap();
    assert_eq!(letters, [], "nothing was put aside");
}

/// The feeds that need nothing but PostgreSQL.
async fn of_postgres(place: &Place) -> Vec<Fed> {
    let log = Arc::clone(&place.log);
    vec![
        Fed::of("pgoutput", place, Arc::clone(&place.feeds)).await,
        Fed::of("change_log", place, Arc::new(ChangeLogFeeds(log))).await,
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_own_log_and_its_table_of_changes_end_alike() {
    let place = feeds::pgoutput().await;
    let fed = of_postgres(&place).await;
    end_alike(place, fed, 11).await;
}

#[cfg(feature = "kafka")]
mod with_kafka {
    use turngraph::cdc::debezium::{KafkaOpener, KafkaOptions};
    use turngraph::cdc::{ChangeFeed, FeedError};
    use turngraph::domain::Position;

    use super::*;
    use crate::support::debezium::Debezium;
    use crate::support::kafka;

    struct KafkaFeeds {
        opener: KafkaOpener,
        _debezium: Debezium,
    }

    #[async_trait::async_trait]
    impl FeedOpener for KafkaFeeds {
        async fn open(
            &self,
            resume_from: Option<Position>,
            anew: bool,
        ) -> Result<Box<dyn ChangeFeed>, FeedError> {
            Ok(Box::new(self.opener.open(resume_from, anew).await?))
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn and_debezium_through_kafka_ends_alike() {
        let (place, url) = feeds::pgoutput_at().await;
        let mut fed = of_postgres(&place).await;
        let (broker, topic) = (kafka::server().bootstrap(), kafka::unique("together"));
        let debezium = Debezium::start(&url, &broker, &topic, &[]).await;
        let store = place.source.position().await.unwrap().store;
        let options = KafkaOptions::url(&format!("kafka://{broker}/{topic}"), store).unwrap();
        let feeds = KafkaFeeds {
            opener: KafkaOpener::new(options, Arc::new(SystemClock)),
            _debezium: debezium,
        };
        fed.push(Fed::of("debezium", &place, Arc::new(feeds)).await);
        end_alike(place, fed, 12).await;
    }
}
