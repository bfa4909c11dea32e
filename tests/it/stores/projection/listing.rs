//! An account's sessions in pages, newest first.

use std::cmp::Reverse;

use turngraph::domain::{SessionRow, Timestamp, Uid};
use turngraph::stores::projection::{ListedSession, Write};

use super::fixture::{Fixture, whole};

const DAY: i64 = 24 * 3_600 * 1_000_000;

fn listed(row: &SessionRow) -> ListedSession {
    ListedSession {
        created_at: row.created_at,
        session_uid: row.uid.clone(),
        deleted: row.deleted_at.is_some(),
    }
}

/// All pages of an account, by following the last place of each.
async fn pages(f: &Fixture, account: &Uid, limit: usize) -> Vec<ListedSession> {
    let mut all = Vec::<ListedSession>::new();
    loop {
        let after = all.last().map(|l| (l.created_at, l.session_uid.clone()));
        let page = f.store.listing(account, after.as_ref(), limit).await;
        let page = page.unwrap();
        assert!(page.len() <= limit);
        let last = page.len() < limit;
        all.extend(page);
        if last {
            return all;
        }
    }
}

async fn expect(f: &Fixture, mut rows: Vec<SessionRow>, limits: &[usize]) {
    let writes: Vec<_> = rows
        .iter()
        .cloned()
        .map(whole)
        .map(Write::Listing)
        .collect();
    f.apply(&writes).await;
    rows.sort_by_key(|row| Reverse((row.created_at, row.uid.clone())));
    let expected: Vec<_> = rows.iter().map(listed).collect();
    for limit in limits {
        assert_eq!(
            pages(f, &f.key("account"), *limit).await,
            expected,
            "{limit}"
        );
    }
}

pub(super) async fn pages_go_over_months_newest_first(f: Fixture) {
    // From before the epoch to the far future: months full, sparse and years apart.
    let times = (-3..40)
        .map(|n| n * 9 * DAY)
        .chain((1..30).map(|n| n * 400 * DAY))
        .chain([i64::MIN, i64::MAX]);
    let rows = times.enumerate().map(|(n, at)| SessionRow {
        created_at: Timestamp(at),
        deleted_at: (n % 3 == 0).then_some(Timestamp(1)),
        ..f.session(&format!("s{n}"), 0, 5)
    });
    expect(&f, rows.collect(), &[1, 7, 20, 1_000]).await;
}

pub(super) async fn sessions_of_one_instant_are_ordered_by_the_bytes_of_their_keys(f: Fixture) {
    let names = ["a", "A", "b", "B", "é", "aa", "0"];
    let rows = names.map(|name| f.session(name, 0, 5));
    expect(&f, rows.to_vec(), &[1, 2, 10]).await;
}

pub(super) async fn an_account_sees_no_session_of_another(f: Fixture) {
    let other = SessionRow {
        account_uid: f.key("other"),
        ..f.session("theirs", 0, 5)
    };
    f.apply(&[Write::Listing(whole(other.clone()))]).await;
    expect(&f, vec![f.session("mine", 0, 5)], &[10]).await;
    let theirs = f.store.listing(&f.key("other"), None, 10).await.unwrap();
    assert_eq!(theirs, [listed(&other)]);
}
