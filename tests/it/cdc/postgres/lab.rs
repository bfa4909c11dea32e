//! A server with `wal_level=logical`, a database with turngraph's schema, and a feed on it.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::OnceCell;
use turngraph::cdc::postgres::{PgoutputFeed, PgoutputOpener, PgoutputOptions};
use turngraph::cdc::{ChangeFeed, FeedError, FeedErrorKind, FeedEvent};
use turngraph::domain::Position;
use turngraph::domain::clock::SystemClock;
use turngraph::stores::postgres::{PgOptions, PgRecordStore};

use crate::support::postgres::Private;

/// How long anything may take on a machine that builds and tests at once.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// The publication, where no migration has made it.
const PUBLICATION: &str = "do $$ begin
    if not exists (select from pg_publication where pubname = 'turngraph') then
        create publication turngraph for table sessions, human_turns, agent_turns, steps,
            purge_log, projection_jobs with (publish_via_partition_root = true);
    end if;
end $$";

/// A database on a server of the run's own that all of these tests share: its slots are never in
/// the way of other tests' databases, and go with the server.
pub(super) struct Lab {
    pub(super) url: String,
    pub(super) slot: String,
}

struct Shared {
    server: Private,
    template: String,
}

async fn shared() -> &'static Shared {
    static SHARED: OnceCell<Shared> = OnceCell::const_new();
    SHARED
        .get_or_init(|| async {
            let server = Private::start(&["max_replication_slots=60", "max_wal_senders=60"]);
            let template = server.migrated().await;
            let lab = Lab::of(template.clone(), "template");
            lab.sql(PUBLICATION).await;
            Shared { server, template }
        })
        .await
}

impl Lab {
    /// A database of its own.
    pub(super) async fn new(name: &str) -> Self {
        let shared = shared().await;
        let mut connection = shared.server.connect("postgres").await;
        let create = format!("create database {name} template turngraph");
        // Copies are made one at a time: the template must have no other connection.
        static COPYING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let copying = COPYING.lock().await;
        sqlx::raw_sql(AssertSqlSafe(create))
            .execute(&mut connection)
            .await
            .unwrap();
        drop(copying);
        Self::of(
            shared.template.replace("/turngraph", &format!("/{name}")),
            name,
        )
    }

    /// The database of a server that is only this test's.
    pub(super) async fn on(server: &Private) -> Self {
        let lab = Self::of(server.migrated().await, "turngraph");
        lab.sql(PUBLICATION).await;
        lab
    }

    fn of(url: String, slot: &str) -> Self {
        let slot = slot.to_owned();
        Self { url, slot }
    }

    /// Runs statements as another program does.
    pub(super) async fn sql(&self, sql: impl Into<String>) {
        let mut connection = self.connection().await;
        sqlx::raw_sql(AssertSqlSafe(sql.into()))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }

    pub(super) async fn connection(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    /// One number that a statement answers.
    pub(super) async fn number(&self, sql: &str) -> i64 {
        let mut connection = self.connection().await;
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }

    /// The place after everything that is committed.
    pub(super) async fn here(&self) -> u64 {
        let here = "select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint";
        self.number(here).await.cast_unsigned()
    }

    pub(super) async fn store(&self) -> PgRecordStore {
        let options = PgOptions {
            acquire_timeout: PATIENCE,
            ..PgOptions::url(&self.url)
        };
        PgRecordStore::open(&options).await.unwrap()
    }

    pub(super) fn options(&self) -> PgoutputOptions {
        PgoutputOptions {
            slot: self.slot.clone(),
            heartbeat: Duration::from_millis(200),
            ..PgoutputOptions::url(&self.url)
        }
    }

    pub(super) async fn try_feed(
        &self,
        resume_from: Option<Position>,
    ) -> Result<PgoutputFeed, FeedError> {
        self.opener().open(resume_from, false).await
    }

    /// What opens the feed.
    pub(super) fn opener(&self) -> PgoutputOpener {
        opener(&self.options()).unwrap()
    }

    /// A feed, waiting until the slot is free.
    pub(super) async fn feed(&self, resume_from: Option<Position>) -> PgoutputFeed {
        let opening = async {
            loop {
                match self.try_feed(resume_from.clone()).await {
                    Ok(feed) => return feed,
                    Err(error) if error.kind == FeedErrorKind::Retry => {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, opening).await.unwrap()
    }

    /// Everything that is told until all that is committed now was told.
    pub(super) async fn told(&self, feed: &mut PgoutputFeed) -> Vec<FeedEvent> {
        let here = self.here().await;
        until(feed, |event| place(event).is_some_and(|at| at >= here)).await
    }
}

/// What opens a feed of these options.
pub(super) fn opener(options: &PgoutputOptions) -> Result<PgoutputOpener, FeedError> {
    PgoutputOpener::new(options.clone(), Arc::new(SystemClock))
}

/// The place that an event says was reached.
pub(super) fn place(event: &FeedEvent) -> Option<u64> {
    match event {
        FeedEvent::Commit { position, .. } | FeedEvent::Idle { position, .. } => Some(*position),
        FeedEvent::Change(_) | FeedEvent::Unreadable { .. } => None,
    }
}

/// The next event.
pub(super) async fn next(feed: &mut PgoutputFeed) -> Result<FeedEvent, FeedError> {
    tokio::time::timeout(PATIENCE, feed.next())
        .await
        .expect("something is told")
}

/// Events up to the first for which `last` holds, that one included.
pub(super) async fn until(
    feed: &mut PgoutputFeed,
    last: impl Fn(&FeedEvent) -> bool,
) -> Vec<FeedEvent> {
    let mut events = Vec::new();
    loop {
        let event = next(feed).await.unwrap();
        let done = last(&event);
        events.push(event);
        if done {
            return events;
        }
    }
}

/// The next error, with what was told before it.
pub(super) async fn until_error(feed: &mut PgoutputFeed) -> (Vec<FeedEvent>, FeedError) {
    let mut events = Vec::new();
    loop {
        match next(feed).await {
            Ok(event) => events.push(event),
            Err(error) => return (events, error),
        }
    }
}

/// Places of the commits among events.
pub(super) fn commits(events: &[FeedEvent]) -> Vec<u64> {
    events
        .iter()
        .filter_map(|event| match event {
            FeedEvent::Commit { position, .. } => Some(*position),
            _ => None,
        })
        .collect()
}

/// Keys of the sessions that are told, in order.
pub(super) fn sessions(events: &[FeedEvent]) -> Vec<String> {
    use turngraph::domain::change::Change;
    events
        .iter()
        .filter_map(|event| match event {
            FeedEvent::Change(Change::Session(change)) => Some(change.row.uid.to_string()),
            _ => None,
        })
        .collect()
}

/// A statement that inserts a session as turngraph writes it.
pub(super) fn insert_session(uid: &str) -> String {
    format!(
        "insert into sessions (uid, account_uid, title, created_at, last_activity_at)
         values ('{uid}', 'alice', 'T', now(), now());"
    )
}
