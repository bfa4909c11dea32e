//! What was purged is in no file any more, once the server has rewritten its files.

use std::path::Path;

use turngraph::domain::change::{SessionAbsent, SessionChange};
use turngraph::domain::{SessionRow, TurnRole, TurnRow};
use turngraph::stores::cql::CqlProjection;
use turngraph::stores::projection::Write;

use super::super::fixture::{Fixture, step, step_write, turn, turn_write};
use super::{clock, migrate, options};
use crate::support::cassandra::{Keyspace, server};

/// Bytes that nothing else has. Files are compressed: they are found before the purge, so the
/// search can find them.
const CANARIES: [&str; 6] = [
    "kq7ZtitleV2x",
    "w9RpromptLm4",
    "Xt3stepsBn8u",
    "pY6modelQa1s",
    "Jd5usageHc0z",
    "Rf2graveMe9k",
];

/// Canaries that the files of a keyspace hold.
fn found(folder: &Path) -> Vec<&'static str> {
    let mut folders = vec![folder.to_owned()];
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                // A file may go while the folder is read; then it holds nothing.
                texts.push(std::fs::read(&path).unwrap_or_default());
            }
        }
    }
    let holds = |canary: &&str| {
        let canary = canary.as_bytes();
        let held = |text: &Vec<u8>| text.windows(canary.len()).any(|part| part == canary);
        texts.iter().any(held)
    };
    CANARIES.into_iter().filter(holds).collect()
}

/// Writes what is in memory to files and rewrites all files into one without what was deleted.
fn flush_and_compact(keyspace: &str) {
    tokio::task::block_in_place(|| {
        server().nodetool(&["flush", keyspace]);
        server().nodetool(&["compact", keyspace]);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purged_session_and_a_deleted_turn_leave_no_text_in_the_files() {
    let keyspace = Keyspace::new().await;
    let options = options(keyspace.name());
    migrate(&options).await;
    let store = CqlProjection::open(&options, 1, clock()).await.unwrap();
    let f = Fixture::new(std::sync::Arc::new(store));
    let [title, prompt, content, model, usage, grave] = CANARIES;
    let row = SessionRow {
        title: Some(title.into()),
        ..f.session("s", 600, 1)
    };
    let header = SessionChange {
        row: row.clone(),
        absent: SessionAbsent::default(),
    };
    let described = TurnRow {
        model: Some(model.into()),
        usage: Some(usage.into()),
        ..turn(TurnRole::Agent, 599, 1)
    };
    let (session, other) = (f.key("s"), f.key("other"));
    f.apply(&[
        Write::Header(header.clone()),
        Write::Listing(header),
        turn_write(&session, turn(TurnRole::Human, 0, 1), Some(prompt)),
        turn_write(&session, described, None),
        step_write(&session, 599, step(599, 0, content, 1)),
        // Another session, of which one turn is deleted for good.
        turn_write(&other, turn(TurnRole::Human, 0, 1), Some(grave)),
        step_write(&other, 1, step(1, 0, "stays-here", 1)),
    ])
    .await;
    let folder = server().files_of(keyspace.name());
    flush_and_compact(keyspace.name());
    assert_eq!(found(&folder), CANARIES, "the search finds what is there");

    f.apply(&[
        Write::ListingGone {
            account_uid: row.account_uid.clone(),
            created_at: row.created_at,
            session_uid: session.clone(),
            rev: 5,
        },
        Write::SessionGone {
            session_uid: session,
            next_seq: 600,
            rev: 5,
        },
        Write::Grave {
            session_uid: other.clone(),
            seq: 0,
            rev: 5,
        },
    ])
    .await;
    flush_and_compact(keyspace.name());
    // The server removes replaced files a moment after it has rewritten them.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !found(&folder).is_empty() && std::time::Instant::now() < until {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(found(&folder), Vec::<&str>::new());
    let kept = f.bodies("other", &[0, 1]).await;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].1.steps, [step(1, 0, "stays-here", 1)]);
}
