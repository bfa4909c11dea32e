//! What Redis must survive: kills, pauses, evictions, lost and restored memory, foreign entries.
//! It costs misses and typed errors, never an old answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use turngraph::stores::cache::random::Random;
use turngraph::stores::cache::{Cached, HotSession};
use turngraph::stores::redis::{RedisCache, RedisOptions};
use turngraph::stores::{SessionCache, StoreErrorKind};

use super::{conversation, get, hit, missed, numbered, until};
use crate::support::proxy::Proxy;
use crate::support::redis::Redis;
use crate::support::rows::uid;

async fn open(url: &str) -> Arc<RedisCache> {
    Arc::new(
        RedisCache::open(RedisOptions::url(url), Random::seeded(7))
            .await
            .unwrap(),
    )
}

/// One whose answers may take long, for tests that are not about waiting.
async fn patient(url: &str) -> Arc<RedisCache> {
    let options = RedisOptions {
        command_timeout: Duration::from_secs(20),
        ..RedisOptions::url(url)
    };
    Arc::new(RedisCache::open(options, Random::seeded(7)).await.unwrap())
}

async fn client(server: &Redis) -> MultiplexedConnection {
    let client = redis::Client::open(server.url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// Puts a session in.
async fn put(cache: &RedisCache, session: &Arc<HotSession>) {
    let key = &session.row.uid;
    let generation = missed(cache, key).await;
    assert!(
        cache
            .fill(key, generation, Some(Arc::clone(session)))
            .await
            .unwrap()
    );
}

/// The errors that the loss of a server may give.
fn is_loss(kind: StoreErrorKind) -> bool {
    matches!(kind, StoreErrorKind::Unavailable | StoreErrorKind::Timeout)
}

#[tokio::test]
async fn a_session_that_is_there_takes_one_key_and_a_generation_none_of_its_own() {
    let server = Redis::start();
    let cache = patient(&server.url()).await;
    let mut client = client(&server).await;
    let session = conversation("s", 2, 100);
    missed(&*cache, &session.row.uid).await;
    let keys: Vec<String> = client.keys("tg:*").await.unwrap();
    assert_eq!(keys, ["tg:1:g:{s}"]);
    put(&cache, &session).await;
    let keys: Vec<String> = client.keys("tg:*").await.unwrap();
    assert_eq!(keys, ["tg:1:s:{s}"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_under_load_costs_misses_and_typed_errors_only() {
    let mut server = Redis::start();
    let cache = open(&server.url()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let [hits, losses] = [0, 0].map(|_| Arc::new(AtomicUsize::new(0)));
    let mut readers = tokio::task::JoinSet::new();
    for reader in 0..8u64 {
        let (cache, stop) = (Arc::clone(&cache), Arc::clone(&stop));
        let (hits, losses) = (Arc::clone(&hits), Arc::clone(&losses));
        readers.spawn(async move {
            let random = Random::seeded(reader);
            while !stop.load(Ordering::Relaxed) {
                let session = conversation(&format!("s-{}", random.below(50)), 2, 200);
                let key = session.row.uid.clone();
                let asked = async {
                    match cache.get(std::slice::from_ref(&key)).await?.remove(0) {
                        Cached::Hit(found, _) => {
                            assert_eq!(*found, *session);
                            hits.fetch_add(1, Ordering::Relaxed);
                        }
                        Cached::Absent => panic!("nobody said so"),
                        Cached::Miss(generation) => {
                            cache.fill(&key, generation, Some(session)).await?;
                        }
                    }
                    Ok::<_, turngraph::stores::StoreError>(())
                };
                if let Err(failed) = asked.await {
                    assert!(is_loss(failed.kind), "{failed}");
                    losses.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        });
    }
    for _ in 0..3 {
        let seen = hits.load(Ordering::Relaxed);
        until("hits", async || hits.load(Ordering::Relaxed) > seen + 100).await;
        let seen = losses.load(Ordering::Relaxed);
        server.kill();
        until("losses", async || {
            losses.load(Ordering::Relaxed) > seen + 100
        })
        .await;
        server.restart();
    }
    let seen = hits.load(Ordering::Relaxed);
    until("hits", async || hits.load(Ordering::Relaxed) > seen + 100).await;
    stop.store(true, Ordering::Relaxed);
    while let Some(reader) = readers.join_next().await {
        reader.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_given_up_and_what_was_written_meanwhile_is_dropped_first() {
    let server = Redis::start();
    let cache = open(&server.url()).await;
    let session = conversation("s", 3, 200);
    let key = session.row.uid.clone();
    until("the entry", async || {
        match cache
            .get(std::slice::from_ref(&key))
            .await
            .map(|mut found| found.remove(0))
        {
            Ok(Cached::Miss(generation)) => {
                let fill = cache.fill(&key, generation, Some(Arc::clone(&session)));
                fill.await.unwrap_or(false)
            }
            found => matches!(found, Ok(Cached::Hit(_, _))),
        }
    })
    .await;
    server.pause();
    let failed = cache.get(std::slice::from_ref(&key)).await.unwrap_err();
    assert!(is_loss(failed.kind), "{failed}");
    let failed = cache
        .invalidate(std::slice::from_ref(&key))
        .await
        .unwrap_err();
    assert!(is_loss(failed.kind), "{failed}");
    // From now on nobody waits for the server.
    let failed = cache.get(std::slice::from_ref(&key)).await.unwrap_err();
    assert_eq!(failed.kind, StoreErrorKind::Unavailable, "{failed}");
    let failed = cache.invalidate(&[uid("t")]).await.unwrap_err();
    assert_eq!(failed.kind, StoreErrorKind::Unavailable, "{failed}");
    server.resume();
    // The first answer of any kind must be that it is not there.
    until("the cache", async || {
        match cache.get(std::slice::from_ref(&key)).await {
            Err(failed) => {
                assert!(is_loss(failed.kind), "{failed}");
                false
            }
            Ok(found) => {
                assert!(matches!(found[0], Cached::Miss(_)), "{found:?}");
                true
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_break_off_are_errors_and_the_next_ones_are_whole() {
    let server = Redis::start();
    let proxy = Proxy::to(server.address());
    let direct = patient(&server.url()).await;
    let session = conversation("s", 50, 2_000);
    put(&direct, &session).await;
    let cache = patient(&format!("redis://{}", proxy.address())).await;
    for bytes in [100, 5_000, 20_000] {
        proxy.limit(bytes);
        until("a broken answer", async || {
            let found = cache.get(std::slice::from_ref(&session.row.uid)).await;
            if let Ok(found) = &found {
                assert!(matches!(&found[0], Cached::Hit(held, _) if *held == session));
            }
            found.is_err_and(|failed| is_loss(failed.kind))
        })
        .await;
        proxy.pass();
        proxy.cut();
        until("a whole answer", async || {
            let found = cache.get(std::slice::from_ref(&session.row.uid)).await;
            found.is_ok_and(|found| matches!(&found[0], Cached::Hit(held, _) if *held == session))
        })
        .await;
    }
}

#[tokio::test]
async fn what_a_restarted_server_loads_from_its_disk_is_not_believed() {
    let mut server = Redis::start();
    let cache = patient(&server.url()).await;
    let session = conversation("s", 3, 200);
    let (key, pending) = (session.row.uid.clone(), uid("pending"));
    put(&cache, &session).await;
    let before = missed(&*cache, &pending).await;
    let mut raw = client(&server).await;
    let names: Vec<Vec<u8>> = raw.keys("tg:*").await.unwrap();
    let mut saved = Vec::new();
    for name in names {
        let bytes: Vec<u8> = redis::cmd("DUMP")
            .arg(&name)
            .query_async(&mut raw)
            .await
            .unwrap();
        saved.push((name, bytes));
    }
    assert_eq!(saved.len(), 2, "an entry and a generation");
    server.restart();
    let mut raw = client(&server).await;
    for (name, bytes) in &saved {
        let mut restore = redis::cmd("RESTORE");
        restore.arg(name).arg(0).arg(bytes);
        restore.exec_async(&mut raw).await.unwrap();
    }
    until("the cache", async || {
        cache.get(std::slice::from_ref(&key)).await.is_ok()
    })
    .await;
    let after = missed(&*cache, &key).await;
    assert!(!cache.fill(&pending, before, None).await.unwrap());
    assert_ne!(missed(&*cache, &pending).await, before);
    assert!(
        cache
            .fill(&key, after, Some(Arc::clone(&session)))
            .await
            .unwrap()
    );
    assert_eq!(*hit(&*cache, &key).await, *session);
}

#[tokio::test]
async fn evicted_keys_refuse_the_fills_that_named_them() {
    let server = Redis::start();
    let cache = patient(&server.url()).await;
    let session = conversation("s", 1, 10);
    let key = &session.row.uid;
    let before = missed(&*cache, key).await;
    let mut raw = client(&server).await;
    let gone: usize = raw.del("tg:1:g:{s}").await.unwrap();
    assert_eq!(gone, 1);
    assert!(
        !cache
            .fill(key, before, Some(Arc::clone(&session)))
            .await
            .unwrap()
    );
    put(&cache, &session).await;
    // The entry outlives its generation, and the other way round.
    raw.del::<_, ()>("tg:1:g:{s}").await.unwrap();
    let Cached::Hit(_, generation) = get(&*cache, key).await else {
        panic!("the entry is gone");
    };
    assert!(
        cache
            .fill(key, generation, Some(Arc::clone(&session)))
            .await
            .unwrap()
    );
    raw.del::<_, ()>("tg:1:s:{s}").await.unwrap();
    let after = missed(&*cache, key).await;
    assert_ne!(before, after);
}

#[tokio::test]
async fn lost_memory_and_lost_scripts_cost_misses() {
    let server = Redis::start();
    let cache = patient(&server.url()).await;
    let session = conversation("s", 1, 10);
    let key = &session.row.uid;
    put(&cache, &session).await;
    let mut raw = client(&server).await;
    redis::cmd("SCRIPT")
        .arg("FLUSH")
        .exec_async(&mut raw)
        .await
        .unwrap();
    hit(&*cache, key).await;
    let generation = missed(&*cache, &uid("t")).await;
    redis::cmd("FLUSHALL").exec_async(&mut raw).await.unwrap();
    assert!(!cache.fill(&uid("t"), generation, None).await.unwrap());
    put(&cache, &session).await;
    hit(&*cache, key).await;
}

#[tokio::test]
async fn entries_of_another_format_or_none_are_replaced() {
    let server = Redis::start();
    let cache = patient(&server.url()).await;
    let mut raw = client(&server).await;
    let session = conversation("s", 3, 200);
    let other = conversation("t", 3, 200);
    put(&cache, &other).await;
    // Each keeps the server's stamp in front, so that it is the entry itself that is foreign.
    let changes: [fn(&mut Vec<u8>); 4] = [
        |bytes| bytes[18] += 1,
        |bytes| bytes.truncate(30),
        |bytes| bytes.truncate(8),
        |bytes| *bytes.last_mut().unwrap() ^= 1,
    ];
    for change in changes {
        put(&cache, &session).await;
        let mut bytes: Vec<u8> = raw.get("tg:1:s:{s}").await.unwrap();
        change(&mut bytes);
        raw.set::<_, _, ()>("tg:1:s:{s}", bytes).await.unwrap();
        let keys = [other.row.uid.clone(), session.row.uid.clone(), uid("u")];
        let found = cache.get(&keys).await.unwrap();
        assert!(matches!(&found[0], Cached::Hit(held, _) if *held == other));
        assert!(matches!(found[2], Cached::Miss(_)));
        let Cached::Miss(generation) = found[1] else {
            panic!("a foreign entry is shown: {found:?}");
        };
        let filled = cache
            .fill(&keys[1], generation, Some(Arc::clone(&session)))
            .await;
        assert!(filled.unwrap());
        assert_eq!(*hit(&*cache, &keys[1]).await, *session);
        cache.invalidate(&keys[1..2]).await.unwrap();
    }
}

#[tokio::test]
async fn a_full_server_that_may_not_evict_still_answers() {
    let server = Redis::start();
    let cache = patient(&server.url()).await;
    let session = conversation("s", 3, 200);
    put(&cache, &session).await;
    let mut raw = client(&server).await;
    redis::cmd("CONFIG")
        .arg(&["SET", "maxmemory", "1"])
        .exec_async(&mut raw)
        .await
        .unwrap();
    hit(&*cache, &session.row.uid).await;
    let other = conversation("t", 3, 200);
    let generation = missed(&*cache, &other.row.uid).await;
    let filled = cache.fill(&other.row.uid, generation, Some(Arc::clone(&other)));
    assert!(!filled.await.unwrap());
    cache
        .invalidate(std::slice::from_ref(&session.row.uid))
        .await
        .unwrap();
    missed(&*cache, &session.row.uid).await;
}

#[tokio::test]
async fn any_number_of_sessions_is_one_round_trip() {
    let server = Redis::start();
    let cache = patient(&server.url()).await;
    for number in 0..20 {
        put(&cache, &conversation(&format!("s-{number}"), 1, 10)).await;
    }
    let keys: Vec<_> = (0..40).map(numbered).collect();
    let mut raw = client(&server).await;
    let mut reads = async || -> usize {
        let info: String = redis::cmd("INFO")
            .arg("stats")
            .query_async(&mut raw)
            .await
            .unwrap();
        let mut lines = info.lines();
        let line = lines.find_map(|l| l.strip_prefix("total_reads_processed:"));
        line.unwrap().parse().unwrap()
    };
    // Asking for the number is one read by itself.
    let before = reads().await;
    get(&*cache, &keys[0]).await;
    let one = reads().await - before - 1;
    let before = reads().await;
    assert_eq!(cache.get(&keys).await.unwrap().len(), 40);
    let many = reads().await - before - 1;
    assert_eq!((one, many), (1, 1));
}
