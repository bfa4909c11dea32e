//! The whole store is away for a while, as a network can take it: the caller hears so, and nothing
//! has to be done when it is back.

use std::time::{Duration, Instant};

use turngraph::domain::{Timestamp, TurnRole};
use turngraph::stores::StoreErrorKind;
use turngraph::stores::cql::CqlProjection;
use turngraph::stores::projection::{BodyPart, Write};

use super::super::fixture::{Fixture, turn, turn_write, whole};
use super::{clock, migrate, options, options_at};
use crate::support::cassandra::{Keyspace, server};
use crate::support::proxy::Proxy;

const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_is_said_to_be_and_comes_back_by_itself() {
    let keyspace = Keyspace::new().await;
    migrate(&options(keyspace.name())).await;
    let proxy = Proxy::to(server().address());
    let mut through = options_at(proxy.address(), keyspace.name());
    through.read_timeout = Duration::from_secs(2);
    through.write_timeout = Duration::from_secs(2);
    let store = CqlProjection::open(&through, 1, clock()).await.unwrap();
    let f = Fixture::new(std::sync::Arc::new(store));
    let writes = [
        Write::Header(whole(f.session("s", 1, 1))),
        turn_write(&f.key("s"), turn(TurnRole::Human, 0, 1), Some("prompt")),
    ];
    f.apply(&writes).await;

    // Swallowed: the deadline ends it.
    proxy.black_hole();
    let error = f.store.graphs(&[f.key("s")]).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Timeout, "{error}");
    assert!(!error.message.contains("prompt"));
    // By the second request the driver may have found out for itself.
    let error = f.store.apply(&writes).await.unwrap_err();
    let kinds = [StoreErrorKind::Timeout, StoreErrorKind::Unavailable];
    assert!(kinds.contains(&error.kind), "{error}");

    // Refused: every kind of request hears it at once.
    proxy.refuse();
    proxy.cut();
    let until = Instant::now() + PATIENCE;
    loop {
        let error = f.store.sessions(&[f.key("s")]).await.unwrap_err();
        if error.kind == StoreErrorKind::Unavailable {
            break;
        }
        assert!(Instant::now() < until, "{error}");
    }
    let account = f.key("account");
    let place = (Timestamp(0), f.key("s"));
    for error in [
        f.store.apply(&writes).await.unwrap_err(),
        f.store.graphs(&[f.key("s")]).await.unwrap_err(),
        f.store
            .bodies(&f.key("s"), &[0], BodyPart::Heads)
            .await
            .unwrap_err(),
        f.store
            .listing(&account, Some(&place), 5)
            .await
            .unwrap_err(),
        f.store.watermark().await.unwrap_err(),
        f.store
            .set_quarantined(&f.key("s"), true)
            .await
            .unwrap_err(),
        f.store.health().await.unwrap_err(),
    ] {
        assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
    }

    // Back: nobody calls anything but the store.
    proxy.pass();
    let until = Instant::now() + PATIENCE;
    while let Err(error) = f.store.apply(&writes).await {
        assert!(Instant::now() < until, "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(f.graph("s").await.complete);
}
