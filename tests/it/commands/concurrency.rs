//! Writers that meet: dense numbers, no loss, and an end for every one of them.

use std::collections::HashSet;

use turngraph::domain::Uid;

use super::lab::{Lab, agent, done, human};

super::on_every_engine! {
    eight_writers_on_one_session_lose_nothing,
    writers_on_several_sessions_do_not_meet,
    one_client_key_is_given_once,
}

const WRITERS: usize = 8;
const EACH: usize = 50;

async fn eight_writers_on_one_session_lose_nothing(lab: Lab) {
    let session = lab.session().await;
    let question = lab.human(&session, None, "question").await;
    let tasks: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (lab, session, question) = (lab.clone(), session.clone(), question.clone());
            tokio::spawn(async move {
                let mut uids = Vec::new();
                for n in 0..EACH {
                    let text = format!("{writer}.{n}");
                    uids.push(if writer % 2 == 0 {
                        lab.agent(&session, &question, &[&text]).await
                    } else {
                        lab.human(&session, None, &text).await
                    });
                }
                uids
            })
        })
        .collect();
    let mut written: HashSet<Uid> = HashSet::from([question]);
    for task in tasks {
        written.extend(task.await.unwrap());
    }
    let (row, graph) = lab.read(&session).await;
    let stored: HashSet<Uid> = graph.turns().iter().map(|turn| turn.uid.clone()).collect();
    assert_eq!(stored, written);
    let count = i32::try_from(WRITERS * EACH + 1).unwrap();
    assert!(graph.turns().iter().map(|turn| turn.seq).eq(0..count));
    assert_eq!(row.next_seq, count);
    assert_eq!(graph.damage(), []);
    let agents: Vec<Uid> = graph
        .children(0)
        .map(|ix| graph.turn(ix).uid.clone())
        .collect();
    assert_eq!(
        lab.record.steps(&agents).await.unwrap().len(),
        WRITERS / 2 * EACH
    );
}

async fn writers_on_several_sessions_do_not_meet(lab: Lab) {
    let tasks: Vec<_> = (0..WRITERS)
        .map(|_| {
            let lab = lab.clone();
            tokio::spawn(async move {
                let session = lab.session().await;
                let mut last = None;
                for n in 0..10 {
                    let question = lab.human(&session, last.as_ref(), &n.to_string()).await;
                    last = Some(lab.agent(&session, &question, &["answer"]).await);
                }
                session
            })
        })
        .collect();
    for task in tasks {
        let (row, graph) = lab.read(&task.await.unwrap()).await;
        assert_eq!((row.next_seq, graph.active_path().len()), (20, 20));
    }
}

async fn one_client_key_is_given_once(lab: Lab) {
    let (one, other) = (lab.session().await, lab.session().await);
    let question = lab.human(&other, None, "question").await;
    let mut prompt = human(&one, None, "prompt");
    prompt.uid = Some("the-key".into());
    let mut answer = agent(&other, &question, &[]);
    answer.uid = Some("the-key".into());
    let (first, second) = tokio::join!(
        lab.commands.append_human_turn(&lab.account, prompt, None),
        lab.commands.append_agent_turn(&lab.account, answer, None),
    );
    let (first, second) = (
        first.map(|o| o.map(drop)).unwrap(),
        second.map(|o| o.map(drop)).unwrap(),
    );
    let mut won = 0;
    for outcome in [first, second] {
        match outcome {
            turngraph::commands::Outcome::Done(()) => won += 1,
            turngraph::commands::Outcome::Refused(errors) => {
                assert_eq!(errors[0].code.name(), "CONFLICT");
                assert_eq!(errors[0].path, ["input", "uid"]);
            }
        }
    }
    assert_eq!(won, 1);
    done(lab.commands.rename_session(&lab.account, one, None).await);
}
