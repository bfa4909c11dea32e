//! Accounts' lists of recent sessions.

use std::collections::BTreeMap;

use turngraph::domain::{Timestamp, Uid};
use turngraph::stores::cache::random::Random;
use turngraph::stores::cache::{Generation, RECENT_MAX, Recent, RecentSession, SessionCache};

use super::Fixture;
use crate::support::rows::uid;
use crate::support::sqlite::START;

fn place(minute: i64, key: &str) -> RecentSession {
    RecentSession {
        last_activity_at: Timestamp(START.0 + minute * 60_000_000),
        session_uid: uid(key),
    }
}

/// Newest first.
fn sorted(mut places: Vec<RecentSession>) -> Vec<RecentSession> {
    places.sort_by(|a, b| b.cmp(a));
    places
}

async fn generation(cache: &dyn SessionCache, account: &Uid) -> Generation {
    match cache.recent(account, None, 10).await.unwrap() {
        Recent::Miss(generation) => generation,
        other => panic!("the list is there: {other:?}"),
    }
}

/// Fills the list and expects it to be taken.
async fn fill(cache: &dyn SessionCache, account: &Uid, newest: &[RecentSession], whole: bool) {
    let generation = generation(cache, account).await;
    let taken = cache.fill_recent(account, generation, newest, whole).await;
    assert!(taken.unwrap());
}

async fn page(cache: &dyn SessionCache, account: &Uid, limit: usize) -> Vec<RecentSession> {
    match cache.recent(account, None, limit).await.unwrap() {
        Recent::Page(found) => found,
        other => panic!("no page: {other:?}"),
    }
}

pub(super) async fn an_account_without_sessions_has_a_whole_empty_list(f: Fixture) {
    let account = uid("acc");
    fill(&*f.cache, &account, &[], true).await;
    assert_eq!(page(&*f.other, &account, 10).await, []);
    let first = place(1, "s");
    f.other
        .touch_recent(&account, std::slice::from_ref(&first))
        .await
        .unwrap();
    assert_eq!(page(&*f.cache, &account, 10).await, [first]);
    // Of another account nothing is known, and an empty part of a list says nothing.
    let other = uid("other");
    let generation = generation(&*f.cache, &other).await;
    assert!(
        !f.cache
            .fill_recent(&other, generation, &[], false)
            .await
            .unwrap()
    );
}

pub(super) async fn pages_follow_each_other_through_ties(f: Fixture) {
    let account = uid("acc");
    let keys = ["a", "A", "ä", "b", "z", "0", "ab", "a0"];
    let all: Vec<_> = (0..40)
        .map(|at| place(at / 7, &format!("{}{}", keys[at as usize % 8], at / 8)))
        .collect();
    let all = sorted(all);
    fill(&*f.cache, &account, &all, true).await;
    for limit in [1, 3, 7, 40, 50] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let Recent::Page(found) = f
                .cache
                .recent(&account, after.as_ref(), limit)
                .await
                .unwrap()
            else {
                panic!("no page");
            };
            let last = found.len() < limit;
            after = found.last().cloned().or(after);
            seen.extend(found);
            if last {
                break;
            }
        }
        assert_eq!(seen, all, "{limit} a page");
    }
    // A cursor need not be in the list (its session may have moved up since).
    let gone = place(2, "aa");
    let below: Vec<_> = all.iter().filter(|p| **p < gone).cloned().collect();
    let found = f.cache.recent(&account, Some(&gone), 100).await.unwrap();
    assert_eq!(found, Recent::Page(below));
}

pub(super) async fn a_fill_that_began_before_a_touch_or_a_drop_is_refused(f: Fixture) {
    let account = uid("acc");
    let newest = [place(1, "a")];
    let before = generation(&*f.cache, &account).await;
    f.other
        .touch_recent(&account, &[place(2, "b")])
        .await
        .unwrap();
    assert!(
        !f.cache
            .fill_recent(&account, before, &newest, true)
            .await
            .unwrap()
    );
    let before = generation(&*f.cache, &account).await;
    f.other.forget_recent(&account).await.unwrap();
    assert!(
        !f.cache
            .fill_recent(&account, before, &newest, true)
            .await
            .unwrap()
    );
    fill(&*f.cache, &account, &newest, true).await;
    f.other.forget_recent(&account).await.unwrap();
    generation(&*f.cache, &account).await;
}

pub(super) async fn a_late_touch_changes_nothing(f: Fixture) {
    let account = uid("acc");
    let newest = [place(5, "a"), place(3, "b")];
    fill(&*f.cache, &account, &newest, true).await;
    f.cache
        .touch_recent(&account, &[place(4, "a"), place(1, "b")])
        .await
        .unwrap();
    assert_eq!(page(&*f.cache, &account, 10).await, newest);
    f.cache
        .touch_recent(&account, &[place(9, "b")])
        .await
        .unwrap();
    assert_eq!(
        page(&*f.cache, &account, 10).await,
        [place(9, "b"), place(5, "a")]
    );
}

pub(super) async fn a_list_that_is_full_ends_where_it_no_longer_knows(f: Fixture) {
    let account = uid("acc");
    let all: Vec<_> = (0..RECENT_MAX as i64)
        .rev()
        .map(|at| place(10 + at, &format!("s{at}")))
        .collect();
    fill(&*f.cache, &account, &all, true).await;
    let whole = f
        .cache
        .recent(&account, None, RECENT_MAX + 1)
        .await
        .unwrap();
    assert_eq!(whole, Recent::Page(all.clone()));
    // One more pushes the oldest out, and from then on the end is not known.
    f.cache
        .touch_recent(&account, &[place(9_999, "new")])
        .await
        .unwrap();
    let after = f
        .cache
        .recent(&account, None, RECENT_MAX + 1)
        .await
        .unwrap();
    assert_eq!(after, Recent::Beyond);
    let full = page(&*f.cache, &account, RECENT_MAX).await;
    assert_eq!(full[0], place(9_999, "new"));
    assert_eq!(full[1..], all[..RECENT_MAX - 1]);
    // What is older than the oldest does not come in: others between them are not here.
    f.cache
        .touch_recent(&account, &[place(1, "old")])
        .await
        .unwrap();
    assert_eq!(page(&*f.cache, &account, RECENT_MAX).await, full);
}

/// The record has more sessions than the list; whatever page the list answers must be the
/// record's own.
pub(super) async fn any_order_of_touches_gives_the_order_of_the_record(f: Fixture) {
    let mut pages = 0;
    for seed in 0..60u64 {
        let random = Random::seeded(seed);
        let account = uid(&format!("acc-{seed}"));
        let mut record: BTreeMap<Uid, Timestamp> = BTreeMap::new();
        let newest = |record: &BTreeMap<Uid, Timestamp>| -> Vec<RecentSession> {
            let places = record.iter().map(|(key, at)| RecentSession {
                last_activity_at: *at,
                session_uid: key.clone(),
            });
            sorted(places.collect())
        };
        for _ in 0..120 {
            match random.below(8) {
                // A write: mostly of now, and to the minute, so that there are ties.
                0..4 => {
                    let key = uid(&format!("s{}", random.below(12)));
                    let at = place(random.below(10) as i64, key.as_str());
                    let active = record.entry(key).or_insert(at.last_activity_at);
                    *active = at.last_activity_at.max(*active);
                    f.cache.touch_recent(&account, &[at]).await.unwrap();
                }
                4 => {
                    let gone = uid(&format!("s{}", random.below(12)));
                    record.remove(&gone);
                    f.cache.forget_recent(&account).await.unwrap();
                }
                5 => {
                    let all = newest(&record);
                    let held = (random.below(6) as usize).min(all.len());
                    let whole = held == all.len();
                    if let Recent::Miss(generation) =
                        f.cache.recent(&account, None, 3).await.unwrap()
                    {
                        let fill = f
                            .cache
                            .fill_recent(&account, generation, &all[..held], whole);
                        assert!(fill.await.unwrap() || held == 0);
                    }
                }
                _ => {
                    let after = place(random.below(12) as i64, &format!("s{}", random.below(12)));
                    let after = (random.below(2) == 0).then_some(after);
                    let limit = 1 + random.below(5) as usize;
                    let found = f
                        .other
                        .recent(&account, after.as_ref(), limit)
                        .await
                        .unwrap();
                    if let Recent::Page(found) = found {
                        let mut expected = newest(&record);
                        expected.retain(|p| after.as_ref().is_none_or(|after| p < after));
                        expected.truncate(limit);
                        assert_eq!(found, expected, "seed {seed}");
                        pages += 1;
                    }
                }
            }
        }
    }
    assert!(pages > 300, "only {pages} pages were answered");
}
