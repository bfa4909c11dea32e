//! The hot cache: how large entries are, how often it hits, what a read costs beside PostgreSQL.
//!
//! - `cache --sizes RECORD_URL --account UID`: entries of an account's sessions against their JSON.
//! - `cache --hits (memory | REDIS_URL) --policy NAME [--reads N]`: hit rates under a Zipf load over
//!   100,000 sessions with memory for 5 % of them; of Redis the server's own limit and policy are
//!   set (give it a scratch server).
//! - `cache --loads-from RECORD_URL --redis REDIS_URL --turns N --loads N`: a whole conversation, as
//!   `conversation --prepare` wrote it, from the record store, Redis and the process.
//!
//! `benches/gateway.sh` calls it; README.md has the figures.

#[expect(dead_code, reason = "this benchmark issues no commands")]
mod measure;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use turngraph::app::{App, environment};
use turngraph::config::{Flags, load};
use turngraph::domain::{SessionRow, StepRow, SystemClock, Timestamp, TurnRole, TurnRow, Uid};
use turngraph::stores::cache::random::Random;
use turngraph::stores::cache::{Cached, HotBodies, HotSession, codec};
use turngraph::stores::memory::{MemoryCache, MemoryOptions};
use turngraph::stores::redis::{RedisCache, RedisOptions};
use turngraph::stores::{RecordStore, SessionCache, SessionFilter, SessionListing, SessionOrder};

use measure::{argument, cpu_ticks, number};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SESSIONS: u64 = 100_000;
/// Of them the cache has memory for so many.
const HELD: u64 = SESSIONS / 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    if let Some(record) = argument("--sizes") {
        return sizes(record).await;
    }
    if let Some(engine) = argument("--hits") {
        return hits(&engine).await;
    }
    if let (Some(record), Some(redis)) = (argument("--loads-from"), argument("--redis")) {
        return Box::pin(loads(record, &redis)).await;
    }
    println!("usage: see the head of benches/cache.rs");
    Ok(())
}

async fn record(url: String) -> anyhow::Result<Arc<dyn RecordStore>> {
    let mut flags = Flags::default();
    flags.values.insert("record", url);
    let (config, _) = load(&flags, &environment())?;
    Ok(App::open(&config, false).await?.record)
}

/// A session with everything, as a fill reads it: four round trips.
async fn whole(store: &dyn RecordStore, account: &Uid, uid: &Uid) -> anyhow::Result<HotSession> {
    let keys = std::slice::from_ref(uid);
    let mut rows = store.sessions_by_uid(account, keys).await?;
    let turns = store.turns_by_session(account, keys).await?;
    let turns: Vec<TurnRow> = turns.into_iter().map(|turn| turn.turn).collect();
    let of = |role| -> Vec<Uid> {
        let turns = turns.iter().filter(|turn| turn.role == role);
        turns.map(|turn| turn.uid.clone()).collect()
    };
    let (prompts, steps) = (
        store.prompts(&of(TurnRole::Human)).await?,
        store.steps(&of(TurnRole::Agent)).await?,
    );
    let seqs: BTreeMap<&Uid, i32> = turns.iter().map(|turn| (&turn.uid, turn.seq)).collect();
    let mut bodies = BTreeMap::new();
    for (uid, prompt) in prompts {
        bodies.insert(seqs[&uid], HotBodies::Prompt(prompt));
    }
    for step in steps {
        let body = bodies.entry(seqs[&step.turn_uid]);
        match body.or_insert_with(|| HotBodies::Steps(Vec::new())) {
            HotBodies::Steps(steps) => steps.push(step),
            HotBodies::Prompt(_) => anyhow::bail!("a prompt and steps of one number"),
        }
    }
    anyhow::ensure!(rows.len() == 1, "no session {uid}");
    Ok(HotSession {
        row: rows.remove(0),
        turns,
        bodies,
        as_of: Timestamp(0),
    })
}

/// What the same rows take as JSON with short names, the usual form of such a cache.
fn json(session: &HotSession) -> usize {
    let turn = |turn: &TurnRow| {
        serde_json::json!({
            "uid": turn.uid, "role": turn.role, "parent": turn.parent_uid,
            "child": turn.active_child, "seq": turn.seq, "created": turn.created_at,
            "deleted": turn.deleted_at, "liked": turn.liked, "model": turn.model,
            "status": turn.status, "finished": turn.finished_at, "usage": turn.usage,
            "rev": turn.rev,
        })
    };
    let step = |step: &StepRow| {
        serde_json::json!({
            "turn": step.turn_uid, "idx": step.idx, "type": step.tpe, "content": step.content,
            "created": step.created_at, "rev": step.rev,
        })
    };
    let body = |body: &HotBodies| match body {
        HotBodies::Prompt(prompt) => serde_json::json!(prompt),
        HotBodies::Steps(steps) => steps.iter().map(step).collect(),
    };
    let row = &session.row;
    let bodies: Vec<_> = session
        .bodies
        .iter()
        .map(|(seq, b)| (seq, body(b)))
        .collect();
    let all = serde_json::json!({
        "session": {
            "uid": row.uid, "account": row.account_uid, "title": row.title,
            "created": row.created_at, "root": row.active_root, "next": row.next_seq,
            "active": row.last_activity_at, "rev": row.rev,
        },
        "turns": session.turns.iter().map(turn).collect::<Vec<_>>(),
        "bodies": bodies,
    });
    all.to_string().len()
}

async fn sizes(url: String) -> anyhow::Result<()> {
    let store = record(url).await?;
    let account = Uid::parse(&argument("--account").unwrap_or_else(|| "demo".into()))?;
    let listing = SessionListing {
        order: SessionOrder::CreatedDesc,
        filter: SessionFilter::default(),
        after: None,
        before: None,
        limit: 1_000,
    };
    let (mut text, mut packed, mut memory, mut count) = (0, 0, 0, 0);
    for row in store.sessions_page(&account, &listing).await? {
        let session = whole(&*store, &account, &row.uid).await?;
        text += json(&session);
        packed += codec::encode_entry(Some(&session)).len();
        memory += session.bytes();
        count += 1;
    }
    let part = packed as f64 * 100.0 / text as f64;
    println!("   sessions={count} json={text} entry={packed} ({part:.0} %) in_process={memory}");
    store.close().await;
    Ok(())
}

/// A session of two to twenty exchanges, by its number; small, so that a load of many fits a test
/// machine.
fn made(number: u64) -> Arc<HotSession> {
    let random = Random::seeded(number);
    let key = |place: u64| {
        format!(
            "0191{:04x}-{number:04x}-7000-8000-{place:012x}",
            number >> 16
        )
    };
    let uid = |place| Uid::stored(key(place));
    let at = Timestamp(1_767_225_600_000_000 + number as i64);
    let exchanges = 2 + random.below(19);
    let turn = |seq: u64| TurnRow {
        uid: uid(seq + 1),
        role: if seq.is_multiple_of(2) {
            TurnRole::Human
        } else {
            TurnRole::Agent
        },
        parent_uid: (seq > 0).then(|| uid(seq)),
        active_child: None,
        seq: seq as i32,
        created_at: at,
        deleted_at: None,
        liked: None,
        model: None,
        status: None,
        finished_at: None,
        usage: None,
        rev: at.0,
    };
    let prompt = (0..20)
        .map(|_| format!("{:x} ", random.below(1 << 24)))
        .collect();
    Arc::new(HotSession {
        row: SessionRow {
            uid: uid(0),
            account_uid: Uid::stored("bench"),
            title: None,
            created_at: at,
            deleted_at: None,
            active_root: Some(uid(1)),
            next_seq: 2 * exchanges as i32,
            last_activity_at: at,
            forked_from: None,
            rev: at.0,
        },
        turns: (0..2 * exchanges).map(turn).collect(),
        bodies: BTreeMap::from([(0, HotBodies::Prompt(prompt))]),
        as_of: at,
    })
}

/// Numbers of sessions by rank: the share of rank k falls as k to the power of `exponent`.
struct Zipf {
    shares: Vec<f64>,
}

impl Zipf {
    fn new(exponent: f64) -> Self {
        let mut sum = 0.0;
        let shares = (1..=SESSIONS).map(|rank| {
            sum += (rank as f64).powf(-exponent);
            sum
        });
        Self {
            shares: shares.collect(),
        }
    }

    fn total(&self) -> f64 {
        self.shares[self.shares.len() - 1]
    }

    fn next(&self, random: &Random) -> u64 {
        let at = random.below(1 << 53) as f64 / (1u64 << 53) as f64 * self.total();
        let rank = self.shares.partition_point(|share| *share < at) as u64;
        // Neighbours in rank are not neighbours in number.
        (rank * 48_271) % SESSIONS
    }

    /// What a cache would reach that knew the most wanted sessions beforehand.
    fn best(&self) -> f64 {
        self.shares[HELD as usize - 1] / self.total()
    }
}

/// Reads, or with `writes` of 100 also invalidations, through the cache; the share of hits of the
/// second half of the reads, when the cache is warm.
async fn hit_rate(
    cache: &dyn SessionCache,
    zipf: &Zipf,
    reads: usize,
    writes: u64,
) -> anyhow::Result<f64> {
    let random = Random::seeded(42);
    let (mut hits, mut counted) = (0u32, 0u32);
    for read in 0..reads {
        let session = made(zipf.next(&random));
        let key = std::slice::from_ref(&session.row.uid);
        if random.below(100) < writes {
            cache.invalidate(key).await?;
            continue;
        }
        let found = cache.get(key).await?.remove(0);
        if read >= reads / 2 {
            counted += 1;
            hits += u32::from(matches!(found, Cached::Hit(..)));
        }
        if let Cached::Miss(generation) = found {
            cache
                .fill(&key[0].clone(), generation, Some(session))
                .await?;
        }
    }
    Ok(f64::from(hits) / f64::from(counted))
}

async fn hits(engine: &str) -> anyhow::Result<()> {
    let reads = number("--reads").unwrap_or(400_000);
    for (exponent, writes) in [(0.9, 0), (1.0, 0), (1.1, 0), (1.1, 5), (1.2, 0)] {
        let cache: Box<dyn SessionCache> = match engine {
            "memory" => {
                let all: usize = (0..1_000).map(|n| made(n * 97).bytes()).sum();
                let options = MemoryOptions {
                    bytes_max: all as u64 / 1_000 * HELD,
                    entry_bytes_max: 64 * 1024,
                    ..MemoryOptions::default()
                };
                Box::new(MemoryCache::new(
                    options,
                    Arc::new(SystemClock),
                    Random::seeded(1),
                ))
            }
            url => {
                let cache = redis(url).await?;
                limit(url, &cache).await?;
                Box::new(cache)
            }
        };
        let zipf = Zipf::new(exponent);
        let rate = hit_rate(&*cache, &zipf, reads, writes).await?;
        println!(
            "   {} zipf={exponent} writes={writes}% hits={:.1}% best_fixed_choice={:.1}%",
            argument("--policy").unwrap_or_else(|| engine.into()),
            rate * 100.0,
            zipf.best() * 100.0,
        );
        cache.close().await;
    }
    Ok(())
}

async fn redis(url: &str) -> anyhow::Result<RedisCache> {
    let options = RedisOptions {
        command_timeout: Duration::from_secs(5),
        ..RedisOptions::url(url)
    };
    Ok(RedisCache::open(options, Random::seeded(1)).await?)
}

/// Empties a scratch server and limits its memory to what the sessions to be held take, by a sample.
async fn limit(url: &str, cache: &RedisCache) -> anyhow::Result<()> {
    let client = redis::Client::open(url)?;
    let mut server = client.get_multiplexed_async_connection().await?;
    let mut used = async || -> anyhow::Result<u64> {
        let info: String = redis::cmd("INFO")
            .arg("memory")
            .query_async(&mut server)
            .await?;
        let mut lines = info.lines();
        let line = lines.find_map(|line| line.strip_prefix("used_memory:"));
        Ok(line.unwrap_or_default().trim().parse()?)
    };
    let mut other = client.get_multiplexed_async_connection().await?;
    let mut set = async |limit: u64| -> anyhow::Result<()> {
        let mut config = redis::cmd("CONFIG");
        config.arg("SET").arg("maxmemory").arg(limit);
        config.exec_async(&mut other).await?;
        redis::cmd("FLUSHALL").exec_async(&mut other).await?;
        Ok(())
    };
    set(0).await?;
    let empty = used().await?;
    let sample = 1_000;
    for number in 0..sample {
        let session = made(number * (SESSIONS / sample));
        let uid = session.row.uid.clone();
        if let Cached::Miss(generation) = cache.get(std::slice::from_ref(&uid)).await?.remove(0) {
            cache.fill(&uid, generation, Some(session)).await?;
        }
    }
    let each = (used().await?.saturating_sub(empty)) / sample;
    println!("   a session takes {each} bytes of Redis");
    set(empty + each * HELD).await
}

/// p50 and p99 in microseconds, and CPU of this process a load.
async fn timed(
    name: &str,
    count: usize,
    mut load: impl AsyncFnMut() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for _ in 0..count / 10 {
        load().await?;
    }
    let (cpu, mut took) = (cpu_ticks()?, Vec::with_capacity(count));
    for _ in 0..count {
        let from = Instant::now();
        load().await?;
        took.push(from.elapsed().as_secs_f64() * 1e6);
    }
    // The kernel counts in hundredths of a second on every platform that we build for.
    let cpu = (cpu_ticks()? - cpu) as f64 * 10_000.0 / count as f64;
    took.sort_by(f64::total_cmp);
    let (p50, p99) = (took[count / 2], took[count * 99 / 100]);
    println!("   {name}: p50={p50:.0}us p99={p99:.0}us process_cpu={cpu:.0}us");
    Ok(())
}

async fn loads(url: String, redis_url: &str) -> anyhow::Result<()> {
    let store = record(url).await?;
    let turns = number("--turns").unwrap_or(10);
    let count = number("--loads").unwrap_or(1_000).max(100);
    let (account, uid) = (Uid::parse("bench")?, Uid::parse(&format!("bench-{turns}"))?);
    let session = Arc::new(whole(&*store, &account, &uid).await?);
    let entry = codec::encode_entry(Some(&session)).len();
    println!(
        "   turns={turns} json={} entry={entry} in_process={}",
        json(&session),
        session.bytes()
    );
    let options = MemoryOptions {
        entry_bytes_max: 16 * 1024 * 1024,
        bytes_max: 256 * 1024 * 1024,
        ..MemoryOptions::default()
    };
    let memory = MemoryCache::new(options, Arc::new(SystemClock), Random::seeded(1));
    let options = RedisOptions {
        entry_bytes_max: 16 * 1024 * 1024,
        command_timeout: Duration::from_secs(5),
        ..RedisOptions::url(redis_url)
    };
    let shared = RedisCache::open(options, Random::seeded(2)).await?;
    let key = std::slice::from_ref(&uid);
    let caches: [(&str, &dyn SessionCache); 2] = [("memory", &memory), ("redis", &shared)];
    for (_, cache) in caches {
        cache.invalidate(key).await?;
        if let Cached::Miss(generation) = cache.get(key).await?.remove(0) {
            let taken = cache.fill(&uid, generation, Some(Arc::clone(&session)));
            anyhow::ensure!(taken.await?, "the session was not taken");
        }
    }
    timed("record", count, async || {
        whole(&*store, &account, &uid).await.map(drop)
    })
    .await?;
    for (name, cache) in caches {
        timed(name, count, async || {
            let found = cache.get(key).await?.remove(0);
            anyhow::ensure!(matches!(found, Cached::Hit(..)), "no hit");
            Ok(())
        })
        .await?;
    }
    store.close().await;
    Ok(())
}
