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

/// Five sessions, `u` active last, then `s`, `w`, `v`, `t`, as the projections have them.
async fn active() -> Lab {
    let lab = five().await;
    {
        let mut sessions = lab.projection.sessions.lock().unwrap();
        for (minutes, s) in ["u", "s", "w", "v", "t"].iter().enumerate() {
            let row = &mut sessions.get_mut(&uid(s)).unwrap().row;
            row.last_activity_at = Timestamp(NOW.0 - minutes as i64 * 60_000_000);
        }
    }
    lab
}

#[tokio::test]
async fn a_short_list_goes_on_in_every_order_while_the_record_is_away() {
    let lab = active().await;
    lab.record.break_only(&["sessions_page"]);
    for (order, from_end, wanted) in [
        (SessionOrder::LastActivityDesc, false, "u s w v t"),
        (SessionOrder::LastActivityAsc, false, "t v w s u"),
        (SessionOrder::LastActivityDesc, true, "v t s w u"),
        (SessionOrder::CreatedAsc, false, "s t u v w"),
    ] {
        let (mut keys, mut end) = (Vec::new(), None);
        loop {
            let (after, before) = if from_end {
                (None, end.clone())
            } else {
                (end.clone(), None)
            };
            let request = ListingRequest {
                order,
                from_end,
                after,
                before,
                ..newest(2)
            };
            let ctx = lab.eventual();
            let page = lab.reads.listing(&ctx, &request).await.unwrap();
            assert_eq!(page.origin.source.name(), "CQL");
            assert!(page.origin.as_of.is_some(), "its age is told");
            assert_eq!(ctx.reasons(), ["SQLITE cannot be read"]);
            keys.extend(page.sessions.iter().map(|(row, _)| row.uid.to_string()));
            let last = if from_end {
                page.sessions.first()
            } else {
                page.sessions.last()
            };
            end = last.map(|(_, cursor)| cursor.clone());
            if !(page.has_next && !from_end || page.has_previous && from_end) {
                break;
            }
        }
        assert_eq!(keys.join(" "), wanted, "{order:?}");
    }
}

#[tokio::test]
async fn a_record_store_that_hangs_leaves_time_for_the_list() {
    let lab = active().await;
    let _gate = lab.record.hold("sessions_page");
    let mut request = newest(9);
    request.order = SessionOrder::LastActivityDesc;
    let ctx = lab.eventual().within(std::time::Duration::from_secs(1));
    let page = lab.reads.listing(&ctx, &request).await.unwrap();
    assert_eq!(told(&page), (vec!["u", "s", "w", "v", "t"], false, "CQL"));
    assert_eq!(ctx.reasons(), ["SQLITE did not answer in time"]);
}

#[tokio::test]
async fn a_list_for_which_nothing_vouches_is_an_error_while_the_record_is_away() {
    let lab = active().await;
    lab.record.break_only(&["sessions_page", "sessions_by_uid"]);
    let mut request = newest(9);
    request.order = SessionOrder::LastActivityDesc;
    let fails = async |ctx: &turngraph::reads::ReadContext, request: &ListingRequest| {
        let failed = lab.reads.listing(ctx, request).await.err();
        assert_eq!(failed.map(|e| e.store.name()), Some("SQLITE"));
    };
    fails(&lab.strong(), &request).await;
    let must = || lab.eventual().at_least(vec![revision(7, &[("s", NOW.0)])]);
    fails(&must(), &request).await;
    let mut filtered = request.clone();
    filtered.filter.has_feedback = Some(true);
    fails(&lab.eventual(), &filtered).await;
    lab.reached(7, NOW);
    let page = lab.reads.listing(&must(), &request).await.unwrap();
    assert_eq!(page.sessions.len(), 5);
    // A session without a header, and more sessions than are read whole.
    let header = lab.projection.sessions.lock().unwrap().remove(&uid("v"));
    fails(&lab.eventual(), &request).await;
    {
        let mut sessions = lab.projection.sessions.lock().unwrap();
        sessions.insert(uid("v"), header.unwrap());
    }
    let many = (0..200).map(|n| {
        let place = ListedSession {
            created_at: Timestamp(n),
            session_uid: uid("s"),
            deleted: false,
        };
        (uid(ACCOUNT), place)
    });
    lab.projection.listed.lock().unwrap().extend(many);
    fails(&lab.eventual(), &request).await;
}
