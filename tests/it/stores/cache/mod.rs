//! The caches of hot sessions: one contract for both engines, and what Redis must survive.
//!
//! A case is an async function of a [`Fixture`]; `contract_on!` makes each a test of an engine.

mod codec;
mod faults;
mod interleavings;
mod opening;
mod sessions;

use std::collections::BTreeMap;
use std::sync::Arc;

use turngraph::domain::clock::ManualClock;
use turngraph::domain::{TurnRow, Uid};
use turngraph::stores::cache::random::Random;
use turngraph::stores::cache::{Cached, Generation, HotBodies, HotSession, SessionCache};
use turngraph::stores::memory::{MemoryCache, MemoryOptions};
use turngraph::stores::redis::{RedisCache, RedisOptions};

use crate::support::redis;
use crate::support::rows::{agent, human, session, step, uid};
use crate::support::sqlite::START;

/// Largest entry of the contract's caches, small so that a test can pass it.
const ENTRY_BYTES_MAX: usize = 64 * 1024;

/// An empty cache.
pub(crate) struct Fixture {
    cache: Arc<dyn SessionCache>,
    /// A second one on the same data, where the engine is shared by processes.
    other: Arc<dyn SessionCache>,
}

async fn redis_fixture() -> Fixture {
    let url = redis::database();
    let open = async |seed| {
        let options = RedisOptions {
            entry_bytes_max: ENTRY_BYTES_MAX,
            // The machine builds and tests other things meanwhile.
            command_timeout: std::time::Duration::from_secs(20),
            ..RedisOptions::url(&url)
        };
        RedisCache::open(options, Random::seeded(seed))
            .await
            .unwrap()
    };
    Fixture {
        cache: Arc::new(open(1).await),
        other: Arc::new(open(2).await),
    }
}

async fn memory_fixture() -> Fixture {
    let options = MemoryOptions {
        entry_bytes_max: ENTRY_BYTES_MAX,
        ..MemoryOptions::default()
    };
    let clock = Arc::new(ManualClock::at(START));
    let cache: Arc<dyn SessionCache> =
        Arc::new(MemoryCache::new(options, clock, Random::seeded(1)));
    Fixture {
        other: Arc::clone(&cache),
        cache,
    }
}

/// Runs every case on the cache that `$open` (an async function) makes.
macro_rules! contract_on {
    ($engine:ident, $open:path) => {
        mod $engine {
            contract_on! { @cases $open:
                interleavings::a_cache_without_the_rule_stays_stale,
                interleavings::a_storm_of_writers_and_fills_leaves_nothing_stale,
                interleavings::no_interleaving_of_writers_and_fills_stays_stale,
                sessions::a_fill_that_began_before_an_invalidation_is_refused,
                sessions::a_generation_of_another_session_does_not_fit,
                sessions::a_hit_is_filled_again_until_the_session_is_invalidated,
                sessions::a_miss_tells_a_generation_and_its_fill_is_a_hit,
                sessions::a_session_whose_turns_alone_are_too_large_is_refused,
                sessions::absence_is_believed_until_the_session_is_invalidated,
                sessions::all_who_missed_together_may_fill,
                sessions::an_invalidation_ends_the_generation_of_all_who_filled_or_wait,
                sessions::an_entry_too_large_keeps_the_newest_bodies,
                sessions::closing_ends_it,
                sessions::emptied_it_has_nothing_and_takes_no_fill_that_began_before,
                sessions::many_are_answered_in_their_order,
                sessions::the_watermark_comes_back,
            }
        }
    };
    (@cases $open:path: $($file:ident::$case:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$file::$case($open().await).await;
            }
        )*
    };
}

contract_on!(in_memory, super::memory_fixture);
contract_on!(in_redis, super::redis_fixture);

/// What the cache says of one session.
async fn get(cache: &dyn SessionCache, key: &Uid) -> Cached {
    let mut found = cache.get(std::slice::from_ref(key)).await.unwrap();
    assert_eq!(found.len(), 1);
    found.remove(0)
}

/// The generation of a session that is not there.
async fn missed(cache: &dyn SessionCache, key: &Uid) -> Generation {
    match get(cache, key).await {
        Cached::Miss(generation) => generation,
        other => panic!("{key} is there: {other:?}"),
    }
}

/// The session that is there.
async fn hit(cache: &dyn SessionCache, key: &Uid) -> Arc<HotSession> {
    match get(cache, key).await {
        Cached::Hit(session, _) => session,
        other => panic!("{key} is not there: {other:?}"),
    }
}

/// A conversation of `exchanges` questions and answers, each of about `bytes`.
fn conversation(key: &str, exchanges: i32, bytes: usize) -> Arc<HotSession> {
    let mut turns: Vec<TurnRow> = Vec::new();
    let mut bodies = BTreeMap::new();
    let mut above: Option<String> = None;
    for at in 0..exchanges {
        let (asked, answered) = (format!("{key}-h{at}"), format!("{key}-a{at}"));
        let text = "Frage – mit \"Zeichen\" ".repeat(bytes / 23 + 1);
        turns.push(human(&asked, above.as_deref(), 2 * at, "").turn);
        turns.push(agent(&answered, Some(&asked), 2 * at + 1).turn);
        let steps = (0..2).map(|idx| step(&answered, idx, &format!("{{\"text\":{text:?}}}")));
        bodies.insert(2 * at + 1, HotBodies::Steps(steps.collect()));
        bodies.insert(2 * at, HotBodies::Prompt(text));
        above = Some(answered);
    }
    let mut row = session("acc", key);
    row.title = Some(format!("{exchanges} exchanges").into());
    row.next_seq = 2 * exchanges;
    row.active_root = turns.first().map(|turn| turn.uid.clone());
    Arc::new(HotSession {
        row,
        turns,
        bodies,
        as_of: START,
    })
}

/// Waits until `ready` says so; what waits for a server that comes back has no event to wait for.
async fn until(what: &str, mut ready: impl AsyncFnMut() -> bool) {
    for _ in 0..6_000 {
        if ready().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{what} did not come about within a minute");
}

/// A key of its own for each number.
fn numbered(number: usize) -> Uid {
    uid(&format!("s-{number}"))
}
