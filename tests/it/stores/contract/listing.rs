//! Filters of listings and counts.

use turngraph::domain::{SessionRow, Timestamp};
use turngraph::stores::{SessionFilter, SessionListing, SessionOrder};

use super::Fixture;
use crate::support::rows::{agent, session, session_at, uid};

async fn keys(f: &Fixture, filter: &SessionFilter) -> Vec<String> {
    let listing = SessionListing {
        order: SessionOrder::CreatedAsc,
        after: None,
        before: None,
        limit: 100,
        filter: filter.clone(),
    };
    let alice = uid("alice");
    let rows = f.store.sessions_page(&alice, &listing).await.unwrap();
    let count = f.store.sessions_count(&alice, filter, 100).await.unwrap();
    assert_eq!(count, rows.len(), "{filter:?}");
    rows.iter().map(|row| row.uid.as_str().to_owned()).collect()
}

/// Sessions `0` to `4`, created at 0..=4 and active at 10..=14; 1 is deleted, 2 has a vote for, 3
/// a vote against, and 4 an agent turn without a vote.
async fn add_five(f: &Fixture) {
    let mut rows: Vec<SessionRow> = (0..5)
        .map(|n| session_at("alice", &n.to_string(), n, 10 + n))
        .collect();
    rows[1].deleted_at = Some(Timestamp(99));
    f.add_sessions(&rows).await;
    f.add_sessions(&[session_at("bob", "bob", 2, 12)]).await;
    for (session, liked) in [("2", Some(true)), ("3", Some(false)), ("4", None)] {
        let mut turn = agent(&format!("t{session}"), None, 0);
        turn.turn.liked = liked;
        f.add_turns(session, &[turn]).await;
    }
}

pub(super) async fn each_filter_holds_alone(f: Fixture) {
    add_five(&f).await;
    let all = SessionFilter::default();
    let at = |n| Some(Timestamp(n));
    let cases = [
        (all.clone(), vec!["0", "2", "3", "4"]),
        (
            SessionFilter {
                include_deleted: true,
                ..all.clone()
            },
            vec!["0", "1", "2", "3", "4"],
        ),
        (
            SessionFilter {
                created_from: at(2),
                ..all.clone()
            },
            vec!["2", "3", "4"],
        ),
        (
            SessionFilter {
                created_to: at(2),
                ..all.clone()
            },
            vec!["0"],
        ),
        (
            SessionFilter {
                has_feedback: Some(true),
                ..all.clone()
            },
            vec!["2", "3"],
        ),
        (
            SessionFilter {
                has_feedback: Some(false),
                ..all.clone()
            },
            vec!["0", "4"],
        ),
        (
            SessionFilter {
                active_after: at(12),
                ..all.clone()
            },
            vec!["3", "4"],
        ),
        (
            SessionFilter {
                active_until: at(12),
                ..all
            },
            vec!["0", "2"],
        ),
    ];
    for (filter, expected) in cases {
        assert_eq!(keys(&f, &filter).await, expected, "{filter:?}");
    }
}

pub(super) async fn filters_hold_together_and_in_counts(f: Fixture) {
    add_five(&f).await;
    let filter = SessionFilter {
        title_contains: None,
        created_from: Some(Timestamp(1)),
        created_to: Some(Timestamp(4)),
        has_feedback: Some(false),
        include_deleted: true,
        active_after: Some(Timestamp(10)),
        active_until: Some(Timestamp(13)),
    };
    assert_eq!(keys(&f, &filter).await, ["1"]);
    let alice = uid("alice");
    let all = SessionFilter::default();
    for (up_to, expected) in [(0, 0), (3, 3), (4, 4), (9, 4)] {
        let count = f.store.sessions_count(&alice, &all, up_to).await;
        assert_eq!(count.unwrap(), expected, "counted to {up_to} at most");
    }
    let none = f.store.sessions_count(&uid("eve"), &all, 9).await;
    assert_eq!(none.unwrap(), 0);
}

pub(super) async fn titles_match_without_case_in_every_script(f: Fixture) {
    let titles = [
        ("1", Some("Öffentliche ÄÖÜ-Liste")),
        ("2", Some("Привет, МИР")),
        ("3", Some("100% of_all \\ things")),
        ("4", None),
    ];
    for (key, title) in titles {
        let mut row = session("alice", key);
        row.title = title.map(Into::into);
        f.add_sessions(&[row]).await;
    }
    for (part, expected) in [
        ("äöü-l", vec!["1"]),
        ("ÖFFENT", vec!["1"]),
        ("мир", vec!["2"]),
        ("ПРИВЕТ", vec!["2"]),
        ("THINGS", vec!["3"]),
        // What patterns mean elsewhere is text here.
        ("0% OF_", vec!["3"]),
        ("%", vec!["3"]),
        ("_", vec!["3"]),
        ("\\", vec!["3"]),
        ("", vec!["1", "2", "3"]),
        ("nothing", vec![]),
    ] {
        let filter = SessionFilter {
            title_contains: Some(part.to_owned()),
            ..SessionFilter::default()
        };
        assert_eq!(keys(&f, &filter).await, expected, "{part}");
    }
    let listing = SessionListing {
        order: SessionOrder::CreatedAsc,
        after: None,
        before: None,
        limit: 1,
        filter: SessionFilter {
            title_contains: Some("l".to_owned()),
            ..SessionFilter::default()
        },
    };
    let page = f
        .store
        .sessions_page(&uid("alice"), &listing)
        .await
        .unwrap();
    assert_eq!(page.len(), 1, "the limit holds for matches");
}
