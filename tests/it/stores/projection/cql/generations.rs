//! Generations of tables: a new one is filled beside the one that is served.

use turngraph::domain::TurnRole;
use turngraph::stores::cql::{CqlCatalog, CqlProjection, GenerationState};
use turngraph::stores::projection::{ProjectionStore, Write};
use turngraph::stores::{StoreError, StoreErrorKind};

use super::super::fixture::{turn, turn_write, whole};
use super::{clock, migrate, options};
use crate::support::cassandra::Keyspace;
use crate::support::rows::{session, uid};

async fn refused(options: &turngraph::stores::cql::CqlOptions, generation: i32) -> StoreError {
    let opened = CqlProjection::open(options, generation, clock()).await;
    opened.err().expect("the generation is refused")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generation_is_built_beside_the_served_one_switched_to_and_the_old_one_dropped() {
    let keyspace = Keyspace::new().await;
    let options = options(keyspace.name());
    migrate(&options).await;
    let catalog = CqlCatalog::open(&options, clock()).await.unwrap();
    assert_eq!(
        catalog.active().await.unwrap(),
        None,
        "nothing fills it yet"
    );
    assert_eq!(catalog.building().await.unwrap(), Some(1));
    catalog.switch(1).await.unwrap();
    assert_eq!(catalog.active().await.unwrap(), Some(1));

    let first = CqlProjection::open(&options, 1, clock()).await.unwrap();
    let key = uid("s");
    let header = Write::Header(whole(session("account", "s")));
    first.apply(std::slice::from_ref(&header)).await.unwrap();
    first.set_quarantined(&key, true).await.unwrap();

    assert_eq!(catalog.start().await.unwrap(), 2);
    assert_eq!(catalog.building().await.unwrap(), Some(2));
    assert_eq!(catalog.active().await.unwrap(), Some(1));
    let second = CqlProjection::open(&options, 2, clock()).await.unwrap();
    assert!(
        second
            .sessions(std::slice::from_ref(&key))
            .await
            .unwrap()
            .is_empty()
    );
    assert!(second.quarantined().await.unwrap().is_empty());
    let row = turn_write(&key, turn(TurnRole::Human, 0, 1), None);
    second.apply(&[header, row]).await.unwrap();

    let error = catalog.drop(1).await.unwrap_err();
    assert!(error.message.contains("generation 1 is served"), "{error}");
    assert!(catalog.switch(3).await.is_err());
    catalog.switch(2).await.unwrap();
    assert_eq!(catalog.active().await.unwrap(), Some(2));
    let states: Vec<_> = catalog.generations().await.unwrap();
    let states: Vec<_> = states.iter().map(|g| (g.number, g.state)).collect();
    assert_eq!(
        states,
        [(1, GenerationState::Retired), (2, GenerationState::Active)]
    );
    catalog.drop(1).await.unwrap();
    catalog.drop(1).await.unwrap();
    let error = refused(&options, 1).await;
    assert_eq!(error.kind, StoreErrorKind::Schema);
    // A process that still reads the old one is told that its tables are gone.
    let error = first
        .sessions(std::slice::from_ref(&key))
        .await
        .unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Schema, "{error}");
    assert_eq!(
        catalog.start().await.unwrap(),
        3,
        "numbers are not used again"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generation_of_another_encoding_is_left_to_its_own_program() {
    let keyspace = Keyspace::new().await;
    let options = options(keyspace.name());
    migrate(&options).await;
    let catalog = CqlCatalog::open(&options, clock()).await.unwrap();
    catalog.switch(1).await.unwrap();
    let outside = keyspace.session().await;
    let other =
        "update projection_state set value = 'active 0' where kind = 'generation' and key = '1'";
    outside.query_unpaged(other, ()).await.unwrap();
    let error = refused(&options, 1).await;
    assert_eq!(error.kind, StoreErrorKind::Schema);
    assert!(error.message.contains("turngraph rebuild"), "{error}");
    assert_eq!(catalog.active().await.unwrap(), None);
    // The new program's own generation is made beside it.
    let report = migrate(&options).await;
    assert_eq!(report.applied.len(), 1, "{report}");
    assert_eq!(catalog.building().await.unwrap(), Some(2));
    CqlProjection::open(&options, 2, clock()).await.unwrap();
    let first = catalog.generations().await.unwrap()[0];
    assert_eq!((first.number, first.encoding), (1, 0));
}
