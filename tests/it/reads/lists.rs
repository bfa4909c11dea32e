//! Lists of sessions: newest first from the projections, with every header looked at.

use turngraph::domain::Timestamp;
use turngraph::reads::{ListingPage, ListingRequest, SessionFilter, SessionOrder};
use turngraph::stores::projection::ListedSession;

use super::fakes::Mood;
use super::lab::{ACCOUNT, Lab, NOW, revision};
use crate::support::rows::uid;

fn newest(size: usize) -> ListingRequest {
    ListingRequest {
        order: SessionOrder::CreatedDesc,
        size,
        from_end: false,
        after: None,
        before: None,
        filter: SessionFilter::default(),
    }
}

fn told(page: &ListingPage) -> (Vec<&str>, bool, &'static str) {
    let keys = page.sessions.iter().map(|(row, _)| row.uid.as_str());
    (keys.collect(), page.has_next, page.origin.source.name())
}

async fn five() -> Lab {
    let lab = Lab::new().await;
    for s in ["t", "u", "v", "w"] {
        lab.write(ACCOUNT, s).await;
        lab.project(s).await;
    }
    lab.forget();
    lab
}

#[tokio::test]
async fn pages_are_those_of_the_record() {
    let lab = five().await;
    let (mut keys, mut after) = (Vec::new(), None);
    loop {
        let request = ListingRequest {
            after: after.clone(),
            ..newest(2)
        };
        let page = lab.reads.listing(&lab.eventual(), &request).await.unwrap();
        assert_eq!(page.origin.source.name(), "CQL");
        keys.extend(page.sessions.iter().map(|(row, _)| row.uid.to_string()));
        after = page.sessions.last().map(|(_, cursor)| cursor.clone());
        if !page.has_next {
            break;
        }
    }
    assert_eq!(keys, ["w", "v", "u", "t", "s"]);
    assert_eq!(lab.record.calls(), Vec::<&str>::new());
    let strong = lab.reads.listing(&lab.strong(), &newest(9)).await.unwrap();
    assert_eq!(
        told(&strong),
        (vec!["w", "v", "u", "t", "s"], false, "SQLITE")
    );
}

#[tokio::test]
async fn rows_that_their_header_does_not_confirm_are_left_out() {
    let lab = five().await;
    {
        let mut sessions = lab.projection.sessions.lock().unwrap();
        sessions.get_mut(&uid("w")).unwrap().row.account_uid = uid("other");
        sessions.get_mut(&uid("v")).unwrap().row.deleted_at = Some(NOW);
        sessions.get_mut(&uid("u")).unwrap().row.created_at = Timestamp(1);
        // No header yet: the record knows it.
        sessions.remove(&uid("t"));
    }
    let phantom = ListedSession {
        created_at: Timestamp(0),
        session_uid: uid("phantom"),
        deleted: false,
    };
    lab.projection
        .listed
        .lock()
        .unwrap()
        .push((uid(ACCOUNT), phantom));
    for size in [1, 2, 9] {
        let page = lab
            .reads
            .listing(&lab.eventual(), &newest(size))
            .await
            .unwrap();
        let wanted = &["t", "s"][..size.min(2)];
        assert_eq!(told(&page), (wanted.to_vec(), size < 2, "CQL"));
    }
    let mut deleted_too = newest(9);
    deleted_too.filter.include_deleted = true;
    let page = lab
        .reads
        .listing(&lab.eventual(), &deleted_too)
        .await
        .unwrap();
    assert_eq!(told(&page).0, ["v", "t", "s"]);
}

#[tokio::test]
async fn other_orders_ends_and_filters_are_the_records() {
    let lab = five().await;
    let mut requests = vec![newest(9); 4];
    requests[0].order = SessionOrder::LastActivityDesc;
    requests[1].order = SessionOrder::CreatedAsc;
    requests[2].from_end = true;
    requests[3].filter.title_contains = Some("x".into());
    for request in requests {
        let page = lab.reads.listing(&lab.eventual(), &request).await.unwrap();
        assert_eq!(page.origin.source.name(), "SQLITE", "{request:?}");
    }
    assert_eq!(lab.projection.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn a_list_that_must_show_a_write_comes_from_projections_that_reached_it_only() {
    let lab = five().await;
    // The rows are in the list, but so may be others that are not.
    let must = || lab.eventual().at_least(vec![revision(7, &[("s", NOW.0)])]);
    let page = lab.reads.listing(&must(), &newest(9)).await.unwrap();
    assert_eq!(page.origin.source.name(), "SQLITE");
    lab.reached(7, NOW);
    let page = lab.reads.listing(&must(), &newest(9)).await.unwrap();
    assert_eq!(page.origin.source.name(), "CQL");
}

#[tokio::test]
async fn a_list_that_the_projections_cannot_give_is_the_records_and_said() {
    let lab = five().await;
    lab.projection.be(Mood::Down);
    let ctx = lab.eventual();
    let page = lab.reads.listing(&ctx, &newest(2)).await.unwrap();
    assert_eq!(told(&page), (vec!["w", "v"], true, "SQLITE"));
    assert_eq!(ctx.reasons(), ["CQL cannot be read"]);
}
