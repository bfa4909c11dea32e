//! Two writers and two who fill, in random interleavings: an old state must never stay.
//!
//! A step is what one of them does between two waits: a writer commits, then invalidates; a filler
//! misses, reads the record, fills. At the end of each run everybody is done, so what the cache
//! has then it keeps: it must be the record's last state, or nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use turngraph::domain::Uid;
use turngraph::stores::cache::random::Random;
use turngraph::stores::cache::{Cached, Generation, HotSession, SessionCache};

use super::{Fixture, conversation, get, numbered};

const RUNS: usize = 3_000;

/// The two rows that the writers change, one each.
type Record = [u32; 2];

enum Step {
    Commit(usize),
    Invalidate,
    Miss(usize),
    Read(usize),
    Fill(usize),
}

#[derive(Default, Clone, Copy)]
struct Filler {
    generation: Option<Generation>,
    read: Record,
}

fn entry(key: &Uid, record: Record) -> Arc<HotSession> {
    let mut session = HotSession::clone(&conversation(key.as_str(), 0, 0));
    session.row.title = Some(format!("{record:?}").into());
    Arc::new(session)
}

/// Each actor's steps in their order, mixed by chance.
fn mixed(random: &Random) -> Vec<Step> {
    use Step::{Commit, Fill, Invalidate, Miss, Read};
    let mut actors = [
        vec![Invalidate, Commit(0)],
        vec![Invalidate, Commit(1)],
        vec![Fill(0), Read(0), Miss(0)],
        vec![Fill(1), Read(1), Miss(1)],
    ];
    let mut steps = Vec::new();
    while actors.iter().any(|left| !left.is_empty()) {
        let actor = random.below(actors.len() as u64) as usize;
        steps.extend(actors[actor].pop());
    }
    steps
}

/// How many runs ended with an old state in the cache, and how many with the last one. With
/// `careless`, fills name the generation of the moment instead of that of their miss.
async fn stale_and_fresh(cache: &dyn SessionCache, careless: bool) -> (usize, usize) {
    let random = Random::seeded(20_260_101);
    let (mut stale, mut fresh) = (0, 0);
    for run in 0..RUNS {
        let key = numbered(run);
        let mut record: Record = [0, 0];
        let mut fillers = [Filler::default(); 2];
        for step in mixed(&random) {
            match step {
                Step::Commit(row) => record[row] += 1,
                Step::Invalidate => cache.invalidate(std::slice::from_ref(&key)).await.unwrap(),
                Step::Miss(who) => {
                    fillers[who].generation = match get(cache, &key).await {
                        Cached::Miss(generation) => Some(generation),
                        _ => None,
                    };
                }
                Step::Read(who) => fillers[who].read = record,
                Step::Fill(who) => {
                    let Filler { generation, read } = fillers[who];
                    let generation = match get(cache, &key).await {
                        Cached::Miss(now) if careless => Some(now),
                        _ => generation,
                    };
                    if let Some(generation) = generation {
                        let session = Some(entry(&key, read));
                        cache.fill(&key, generation, session).await.unwrap();
                    }
                }
            }
        }
        if let Cached::Hit(held, _) = get(cache, &key).await {
            match *held == *entry(&key, record) {
                true => fresh += 1,
                false => stale += 1,
            }
        }
    }
    (stale, fresh)
}

pub(super) async fn no_interleaving_of_writers_and_fills_stays_stale(f: Fixture) {
    let (stale, fresh) = stale_and_fresh(&*f.cache, false).await;
    assert_eq!(stale, 0);
    assert!(
        fresh > RUNS / 10,
        "only {fresh} of {RUNS} runs left an entry"
    );
}

/// The same on threads, so that what one command does in several steps is seen as well.
pub(super) async fn a_storm_of_writers_and_fills_leaves_nothing_stale(f: Fixture) {
    let record = Arc::new([const { AtomicU32::new(0) }; 4]);
    for round in 0..100 {
        let mut actors = tokio::task::JoinSet::new();
        for actor in 0..8 {
            let cache = Arc::clone(if actor % 2 == 0 { &f.cache } else { &f.other });
            let record = Arc::clone(&record);
            actors.spawn(async move {
                for turn in 0..4 {
                    let at = (actor + turn) % record.len();
                    let key = numbered(at);
                    if actor < 3 {
                        record[at].fetch_add(1, Ordering::SeqCst);
                        cache.invalidate(std::slice::from_ref(&key)).await.unwrap();
                    } else if let Cached::Miss(generation) | Cached::Hit(_, generation) =
                        get(&*cache, &key).await
                    {
                        let read = [record[at].load(Ordering::SeqCst), 0];
                        let session = Some(entry(&key, read));
                        cache.fill(&key, generation, session).await.unwrap();
                    }
                }
            });
        }
        while let Some(done) = actors.join_next().await {
            done.unwrap();
        }
        for (at, last) in record.iter().enumerate() {
            let key = numbered(at);
            if let Cached::Hit(held, _) = get(&*f.cache, &key).await {
                let last = [last.load(Ordering::SeqCst), 0];
                assert_eq!(*held, *entry(&key, last), "round {round}");
            }
        }
    }
}

/// Shows that the runs above can find it.
pub(super) async fn a_cache_without_the_rule_stays_stale(f: Fixture) {
    let (stale, _) = stale_and_fresh(&*f.cache, true).await;
    assert!(stale > RUNS / 20, "{stale} of {RUNS}");
}
