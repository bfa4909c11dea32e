//! The router over a real Cassandra and a real Redis behind proxies that cut them off, swallow what
//! is sent to them and slow them down, while a writer goes on: STRONG and reads that name a write show it always,
//! EVENTUAL goes on and says what is amiss, and all comes back by itself.

use std::sync::Arc;
use std::time::Duration;

use turngraph::domain::{Clock, Consistency, Timestamp, Uid, Watermark};
use turngraph::projection::writes::{TurnRun, run_writes, session_writes, whole_session};
use turngraph::reads::{Body, BodyKind, BodyWant, ReadContext, Source};
use turngraph::stores::cache::random::Random;
use turngraph::stores::cql::{CqlMigrator, CqlOptions, CqlProjection};
use turngraph::stores::migration::{SchemaMigrator, UpOptions};
use turngraph::stores::record::SessionPatch;
use turngraph::stores::redis::{RedisCache, RedisOptions};
use turngraph::stores::{ProjectionSource, ProjectionStore, RecordStore, SessionCache};

use super::lab::{ACCOUNT, Lab, all_from, position, revision, settings};
use crate::support::cassandra::Keyspace;
use crate::support::proxy::Proxy;
use crate::support::redis::Redis;
use crate::support::rows::uid;

/// Longest time that anything here may take on a machine that builds and tests at once.
const SOON: Duration = Duration::from_secs(120);

/// What happens to a store, and how.
const FAULTS: [(&str, fn(&Proxy)); 3] = [
    ("cut off", |proxy| proxy.refuse()),
    ("swallowed", |proxy| proxy.black_hole()),
    ("slow", |proxy| proxy.delay(Duration::from_secs(3))),
];

struct Rig {
    lab: Lab,
    cql: Arc<CqlProjection>,
    redis: Option<Hot>,
    proxy: Proxy,
    _keyspace: Keyspace,
}

/// A hot cache behind a proxy of its own.
struct Hot {
    cache: Arc<RedisCache>,
    proxy: Proxy,
    _server: Redis,
}

impl Hot {
    async fn new() -> Self {
        let server = Redis::start();
        let proxy = Proxy::to(server.address());
        let options = RedisOptions::url(format!("redis://{}", proxy.address()));
        let cache = RedisCache::open(options, Random::seeded(7)).await.unwrap();
        Self {
            cache: Arc::new(cache),
            proxy,
            _server: server,
        }
    }
}

impl Rig {
    async fn new(redis: Option<Hot>) -> Self {
        let keyspace = Keyspace::new().await;
        let proxy = Proxy::to(keyspace.contact());
        let url = format!("cql://{}/{}", proxy.address(), keyspace.name());
        let options = CqlOptions::parse(&url).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(turngraph::domain::SystemClock);
        let migrator = CqlMigrator::connect(&options, Arc::clone(&clock))
            .await
            .unwrap();
        migrator.up(UpOptions::default()).await.unwrap();
        let cql = CqlProjection::open_patient(&options, 1, clock)
            .await
            .unwrap();
        let cql = Arc::new(cql);
        let copy = Arc::<CqlProjection>::clone(&cql);
        let hot = redis.as_ref().map(|hot| Arc::clone(&hot.cache));
        let lab = Lab::with(|reads, _, _| {
            let reads = reads.with_settings(settings()).with_projection(copy);
            match hot {
                Some(cache) => reads.with_cache(cache, Source::Redis),
                None => reads,
            }
        })
        .await;
        lab.write(ACCOUNT, "s").await;
        let rig = Self {
            lab,
            cql,
            redis,
            proxy,
            _keyspace: keyspace,
        };
        rig.project().await;
        rig.reached(1).await;
        rig
    }

    /// Copies session `s` as the projector does.
    async fn project(&self) {
        let source = &self.lab.kept.store;
        let session = source.session_rows(&[uid("s")]).await.unwrap().remove(0);
        let run = TurnRun {
            from_seq: 0,
            to_seq: session.next_seq - 1,
            turns: source
                .turns(&session.uid, 0, session.next_seq - 1)
                .await
                .unwrap(),
            purges: Vec::new(),
            session,
        };
        let mut writes = session_writes(&whole_session(&run.session)).to_vec();
        writes.extend(run_writes(&run));
        self.cql.apply(&writes).await.unwrap();
        if let Some(hot) = &self.redis {
            // Owed until the cache takes it, as with the projector.
            while hot.cache.invalidate(&[uid("s")]).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    async fn reached(&self, value: u64) {
        let watermark = Watermark {
            position: position(value),
            as_of: self.lab.clock.now(),
        };
        self.cql.set_watermark(&watermark).await.unwrap();
        self.lags(0).await;
    }

    /// Waits until the router has heard how old the projection is.
    async fn lags(&self, lag_ms: i64) {
        let heard = async {
            while self.lab.reads.lag_ms().await != Some(lag_ms) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let heard = tokio::time::timeout(SOON, heard).await;
        heard.expect("the watermark is heard");
    }

    /// Renames the session; acknowledged when this returns.
    async fn rename(&self, title: &str) -> i64 {
        let mut transaction = self.lab.record.begin().await.unwrap();
        let (account, s) = (uid(ACCOUNT), uid("s"));
        transaction
            .session_lock(&account, &s)
            .await
            .unwrap()
            .unwrap();
        let patch = SessionPatch {
            title: Some(Some(title.to_owned())),
            ..SessionPatch::default()
        };
        let rev = transaction
            .session_update(&s, &patch, Timestamp(self.lab.clock.now().0 + 1))
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        rev
    }

    async fn title(&self, ctx: &turngraph::reads::ReadContext) -> Option<String> {
        let session = self.lab.graph(ctx, "s").await.expect("it exists");
        session.unwrap().row.title.as_deref().map(str::to_owned)
    }

    /// Reads until this store answers again and nothing is amiss.
    async fn recovers(&self, source: &str) {
        let recovered = async {
            loop {
                let ctx = self.lab.eventual();
                let seen = self.lab.conversation(&ctx, "s").await;
                if seen == all_from(source) && ctx.reasons().is_empty() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(SOON, recovered)
            .await
            .expect("it comes back by itself");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_reads_the_same_from_cassandra_and_from_the_record() {
    let rig = Rig::new(None).await;
    rig.recovers("CQL").await;
    let strong = rig
        .lab
        .graph(&rig.lab.strong(), "s")
        .await
        .unwrap()
        .unwrap();
    let ctx = rig.lab.eventual();
    let eventual = rig.lab.graph(&ctx, "s").await.unwrap().unwrap();
    assert_eq!(eventual.row, strong.row);
    assert_eq!(eventual.graph.turns(), strong.graph.turns());
    let want = |kind, seq, turn: &str| BodyWant {
        session_uid: uid("s"),
        seq,
        turn_uid: uid(turn),
        kind,
    };
    let wants = [
        want(BodyKind::Prompt, 0, "s-q"),
        want(BodyKind::Steps, 1, "s-a"),
        want(BodyKind::Heads, 1, "s-a"),
    ];
    let bodies = |answers: turngraph::reads::BodyAnswers| -> Vec<Option<Body>> {
        let body = |answer: Result<Option<(Body, _)>, _>| answer.unwrap().map(|(body, _)| body);
        answers.into_iter().map(body).collect()
    };
    let copied = bodies(rig.lab.reads.bodies(&ctx, &wants).await);
    let recorded = bodies(rig.lab.reads.bodies(&rig.lab.strong(), &wants).await);
    assert_eq!(copied, recorded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cassandra_cut_off_swallowed_or_slow_costs_freshness_labels_and_no_write() {
    let rig = Rig::new(None).await;
    let unread: Vec<Uid> = Vec::new();
    assert_eq!(rig.cql.quarantined().await.unwrap(), unread);
    let mut position = 1;
    for (name, fault) in FAULTS {
        rig.recovers("CQL").await;
        fault(&rig.proxy);
        let mut said = false;
        for n in 0..12 {
            let title = format!("{name} {n}");
            position += 1;
            let rev = rig.rename(&title).await;
            assert_eq!(rig.title(&rig.lab.strong()).await.as_ref(), Some(&title));
            let own = rig.lab.eventual().within(SOON);
            let own = own.at_least(vec![revision(position, &[("s", rev)])]);
            assert_eq!(
                rig.title(&own).await.as_ref(),
                Some(&title),
                "read your writes"
            );
            let ctx = rig.lab.eventual().within(Duration::from_secs(5));
            assert_eq!(
                rig.lab.conversation(&ctx, "s").await,
                all_from("SQLITE"),
                "{name}"
            );
            said |= ctx
                .reasons()
                .iter()
                .any(|reason| reason.starts_with("CQL "));
        }
        assert!(said, "{name}: the answers say what is amiss");
        let breaker = rig.lab.reads.status().await.stores[1].breaker;
        assert_ne!(
            breaker.map(turngraph::reads::guard::breaker::BreakerState::name),
            Some("CLOSED")
        );
        rig.proxy.pass();
        rig.proxy.cut();
        rig.recovers("CQL").await;
        // The copy is old, as nothing was projected; whoever names the write does not see that.
        let own = rig
            .lab
            .eventual()
            .at_least(vec![revision(position, &[("s", i64::MAX)])]);
        assert_eq!(rig.title(&own).await, Some(format!("{name} 11")));
        rig.project().await;
        rig.reached(position).await;
        assert_eq!(
            rig.title(&rig.lab.eventual()).await,
            Some(format!("{name} 11"))
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_cut_off_swallowed_or_slow_is_said_and_nothing_stale_is_left_in_it() {
    let rig = Rig::new(Some(Hot::new().await)).await;
    let hot = rig.redis.as_ref().unwrap();
    let mut position = 1;
    for (name, fault) in FAULTS {
        rig.recovers("REDIS").await;
        fault(&hot.proxy);
        let mut said = false;
        for n in 0..8 {
            let title = format!("{name} {n}");
            position += 1;
            let rev = rig.rename(&title).await;
            assert_eq!(rig.title(&rig.lab.strong()).await.as_ref(), Some(&title));
            let own = rig.lab.eventual().within(SOON);
            let own = own.at_least(vec![revision(position, &[("s", rev)])]);
            assert_eq!(rig.title(&own).await.as_ref(), Some(&title), "{name}");
            let ctx = rig.lab.eventual().within(Duration::from_secs(5));
            let seen = rig.lab.conversation(&ctx, "s").await;
            assert_eq!(seen, all_from("CQL"), "{name}");
            let reasons = ctx.reasons();
            said |= reasons.iter().any(|reason| reason.starts_with("REDIS "));
        }
        assert!(said, "{name}: the answers say what is amiss");
        hot.proxy.pass();
        hot.proxy.cut();
        rig.project().await;
        rig.reached(position).await;
        rig.recovers("REDIS").await;
        let shown = rig.title(&rig.lab.eventual()).await;
        assert_eq!(shown, Some(format!("{name} 7")), "nothing old is hot");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_account_sees_a_session_of_another_through_a_real_cache_or_projection() {
    let rig = Rig::new(Some(Hot::new().await)).await;
    let other = || ReadContext::new(uid("other"), Consistency::Eventual);
    // While only the projection has it, and when it is hot.
    for source in ["CQL", "REDIS"] {
        if source == "REDIS" {
            rig.recovers(source).await;
        }
        for s in ["s", "missing"] {
            let ctx = other();
            assert_eq!(rig.lab.conversation(&ctx, s).await, Ok(vec![]), "{source}");
        }
        let sessions = rig.lab.reads.sessions(&other(), &[uid("s")]).await;
        assert!(sessions.is_empty(), "{source}");
    }
    // What the other account has asked for is still there for its owner.
    rig.recovers("REDIS").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_minute_of_lag_is_told_and_named_writes_are_shown() {
    const LAG: i64 = 30_000_000;
    let rig = Rig::new(None).await;
    rig.recovers("CQL").await;
    let rev = rig.rename("new").await;
    rig.lab.clock.advance(LAG);
    rig.lags(LAG / 1_000).await;
    let ctx = rig.lab.eventual();
    let session = rig.lab.graph(&ctx, "s").await.unwrap().unwrap();
    assert_ne!(session.row.title.as_deref(), Some("new"), "it is old");
    assert_eq!(session.origin.source, Source::Cql);
    assert_eq!(session.origin.lag_ms, Some(LAG / 1_000));
    assert_eq!(rig.title(&rig.lab.strong()).await.as_deref(), Some("new"));
    let own = rig
        .lab
        .eventual()
        .at_least(vec![revision(2, &[("s", rev)])]);
    assert_eq!(rig.title(&own).await.as_deref(), Some("new"));
    rig.project().await;
    rig.reached(2).await;
    assert_eq!(rig.title(&rig.lab.eventual()).await.as_deref(), Some("new"));
}
