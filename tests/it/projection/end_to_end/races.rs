//! Two clients at one session at the same time.

use std::sync::Arc;

use turngraph::commands::Commands;
use turngraph::commands::session::CreateSession;
use turngraph::commands::turn::AppendHumanTurn;
use turngraph::domain::{SystemClock, Uid, UuidV7Source};
use turngraph::projection::{DualWrite, DualWriteOptions};

use super::{Copies, caught_up, feeds, start};
use crate::projection::equal::assert_projected;
use crate::support::rows::uid;

/// Choices of each client.
const CHOICES: usize = 25;

async fn root(commands: &Commands, account: &Uid, session: &Uid, key: &str) -> Uid {
    let input = AppendHumanTurn {
        session: session.clone(),
        uid: Some(key.to_owned()),
        parent: None,
        prompt: key.to_owned(),
        activate: false,
    };
    let appended = commands.append_human_turn(account, input, None).await;
    appended.unwrap();
    uid(key)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_that_choose_branches_at_once_leave_the_last_choice_everywhere() {
    let (place, copies) = (feeds::pgoutput().await, Copies::in_memory());
    let running = start(&place, &copies);
    let options = DualWriteOptions::default();
    let dual = DualWrite::new(copies.targets(), Arc::new(SystemClock), options);
    let commands = Commands::new(
        Arc::clone(&place.record),
        Arc::new(SystemClock),
        Arc::new(UuidV7Source),
    )
    .telling(Arc::new(dual));
    let (account, session) = (uid("alice"), uid("s"));
    let input = CreateSession {
        uid: Some("s".to_owned()),
        title: None,
        first_prompt: Some("first".to_owned()),
    };
    commands
        .create_session(&account, input, None)
        .await
        .unwrap();
    let branches = [
        root(&commands, &account, &session, "left").await,
        root(&commands, &account, &session, "right").await,
    ];
    let clients = branches.map(|branch| {
        let (commands, account) = (commands.clone(), account.clone());
        tokio::spawn(async move {
            for _ in 0..CHOICES {
                let chosen = commands.activate_turn(&account, branch.clone()).await;
                chosen.unwrap();
            }
        })
    });
    for client in clients {
        client.await.unwrap();
    }
    caught_up(&place, &copies).await;
    running.stop.cancel();
    running.task.await.unwrap().unwrap();
    let row = place.source.session_rows(&[session]).await.unwrap();
    let last = row[0].active_root.as_ref().map(Uid::as_str);
    assert!(matches!(last, Some("left" | "right")), "{last:?}");
    assert_projected(&*place.source, &*copies.stores[0], &[]).await;
    copies.lww.assert_kept_promises();
}
