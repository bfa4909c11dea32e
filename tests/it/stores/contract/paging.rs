//! Pages of sessions by keyset, held against a sort in memory.

use turngraph::domain::{SessionRow, Timestamp, Uid};
use turngraph::stores::{SessionFilter, SessionListing, SessionOrder};

use super::Fixture;
use crate::support::rows::session_at;
use crate::support::sqlite::START;

const ORDERS: [SessionOrder; 4] = [
    SessionOrder::LastActivityDesc,
    SessionOrder::LastActivityAsc,
    SessionOrder::CreatedDesc,
    SessionOrder::CreatedAsc,
];

fn place(row: &SessionRow, order: SessionOrder) -> (Timestamp, Uid) {
    let at = if order.by_activity() {
        row.last_activity_at
    } else {
        row.created_at
    };
    (at, row.uid.clone())
}

fn sorted(rows: &[SessionRow], order: SessionOrder) -> Vec<SessionRow> {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|row| place(row, order));
    if order.descending() {
        rows.reverse();
    }
    rows
}

fn listing(order: SessionOrder, limit: usize) -> SessionListing {
    SessionListing {
        order,
        after: None,
        before: None,
        limit,
        filter: SessionFilter::default(),
    }
}

/// 40 sessions of `alice` in three instants, so that most are tied, and some of `bob`.
async fn add_tied(f: &Fixture) -> Vec<SessionRow> {
    let start = START.0;
    let rows: Vec<SessionRow> = (0..40)
        .map(|n| {
            let key = format!("{}-{n}", ["b", "B", "ä", "🗝", "a"][n % 5]);
            let n = i64::try_from(n).unwrap();
            session_at("alice", &key, start + n % 3, start + 10 - (n * 7) % 4)
        })
        .collect();
    f.add_sessions(&rows).await;
    f.add_sessions(&[session_at("bob", "bob", start, start)])
        .await;
    rows
}

pub(super) async fn pages_follow_the_keyset_in_every_order_and_direction(f: Fixture) {
    let rows = add_tied(&f).await;
    for order in ORDERS {
        let all = sorted(&rows, order);
        let mut found: Vec<SessionRow> = vec![];
        loop {
            let mut page = listing(order, 7);
            page.after = found.last().map(|row| place(row, order));
            let rows = f.page("alice", &page).await;
            assert!(rows.len() <= 7);
            if rows.is_empty() {
                break;
            }
            found.extend(rows);
            assert!(found.len() <= all.len(), "{order:?}: pages do not end");
        }
        assert_eq!(found, all, "{order:?}");
        // From the end: the reversed order, after the place where the last page began.
        let mut from_end: Vec<SessionRow> = vec![];
        for _ in 0..3 {
            let mut page = listing(order.reversed(), 7);
            page.after = from_end.last().map(|row| place(row, order));
            from_end.extend(f.page("alice", &page).await);
        }
        from_end.reverse();
        assert_eq!(from_end, all[19..], "{order:?} from the end");
        for (after, before) in [(4, 20), (0, 39), (12, 13), (20, 4)] {
            let mut page = listing(order, 100);
            page.after = Some(place(&all[after], order));
            page.before = Some(place(&all[before], order));
            let rows = f.page("alice", &page).await;
            let expected = all.get(after + 1..before).unwrap_or_default();
            assert_eq!(rows, expected, "{order:?} between {after} and {before}");
            page.after = None;
            page.limit = 5;
            let rows = f.page("alice", &page).await;
            assert_eq!(rows, all[..before.min(5)], "{order:?} before {before}");
        }
    }
    assert_eq!(f.page("eve", &listing(ORDERS[0], 5)).await, []);
}

pub(super) async fn ties_are_broken_by_the_bytes_of_keys(f: Fixture) {
    // A locale would put a before B and ä before z; UTF-16 would put 🗝 before U+FF5E.
    let keys = ["A", "B", "Z", "a", "aa", "z", "ä", "д", "\u{ff5e}", "🗝"];
    let start = START.0;
    let rows: Vec<SessionRow> = keys
        .iter()
        .rev()
        .map(|key| session_at("alice", key, start, start))
        .collect();
    f.add_sessions(&rows).await;
    for order in ORDERS {
        let found = f.page("alice", &listing(order, 100)).await;
        let mut found: Vec<&str> = found.iter().map(|row| row.uid.as_str()).collect();
        if order.descending() {
            found.reverse();
        }
        assert_eq!(found, keys, "{order:?}");
    }
}
