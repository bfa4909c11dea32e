//! The conversations that are read: human and agent turns alternate, an agent turn has ten steps of
//! 330 characters, every eighth turn is a prompt that was edited once.

use turngraph::app::App;
use turngraph::commands::rules::StepInput;
use turngraph::commands::session::CreateSession;
use turngraph::commands::turn::{AppendAgentTurn, AppendHumanTurn};
use turngraph::domain::{StepType, TurnStatus, Uid};

use crate::ACCOUNT;
use crate::measure::done;

/// Steps of an agent turn.
const STEPS: usize = 10;
/// Sessions of the history beside the conversations.
const HISTORY: usize = 200;
/// Every so many turns there is an edited prompt.
const BRANCH_EVERY: usize = 8;

pub(crate) fn session_uid(turns: usize) -> String {
    format!("bench-{turns}")
}

fn turn_uid(turns: usize, turn: usize) -> String {
    format!("bench-{turns}-{turn:08}-0191aaaa-bbbb-7ccc")
}

/// A human turn in the middle of the active path.
pub(crate) fn middle_turn(turns: usize) -> String {
    let middle = turns / 2;
    turn_uid(turns, middle - middle % 2)
}

/// Prose of so many characters with what real answers have: quotes, line breaks, UTF-8.
fn prose(characters: usize) -> String {
    "Ein \"Satz\", wie ihn Leute schreiben – mit Ümläuten,\nZeilen und Zahlen wie 42. "
        .chars()
        .cycle()
        .take(characters)
        .collect()
}

async fn session(app: &App, uid: &str, title: String) -> anyhow::Result<Uid> {
    let input = CreateSession {
        uid: Some(uid.to_owned()),
        title: Some(title),
        first_prompt: None,
    };
    let account = Uid::parse(ACCOUNT)?;
    done(app.commands().create_session(&account, input, None).await?)?;
    Ok(Uid::parse(uid)?)
}

/// Writes a conversation of so many turns.
pub(crate) async fn conversation(app: &App, turns: usize) -> anyhow::Result<()> {
    let uid = session(app, &session_uid(turns), format!("{turns} turns")).await?;
    let mut parent: Option<Uid> = None;
    for turn in 0..turns {
        let own = turn_uid(turns, turn);
        if turn % 2 == 0 {
            human(app, &uid, &own, parent.clone()).await?;
        } else {
            let before = parent.clone().expect("a human turn came before");
            agent(app, &uid, &own, before).await?;
        }
        // The next turn answers the first of the two, so that the path goes on.
        let edited = turn % BRANCH_EVERY == BRANCH_EVERY - 2 && turn + 2 < turns;
        if edited {
            human(app, &uid, &format!("{own}-edited"), parent).await?;
        }
        parent = Some(Uid::parse(&own)?);
    }
    Ok(())
}

/// Writes the sessions of the history.
pub(crate) async fn history(app: &App) -> anyhow::Result<()> {
    for at in 0..HISTORY {
        let uid = session(app, &format!("bench-of-many-{at}"), format!("session {at}")).await?;
        let own = format!("bench-of-many-{at}-0");
        human(app, &uid, &own, None).await?;
        agent(
            app,
            &uid,
            &format!("bench-of-many-{at}-1"),
            Uid::parse(&own)?,
        )
        .await?;
    }
    Ok(())
}

async fn human(app: &App, session: &Uid, uid: &str, parent: Option<Uid>) -> anyhow::Result<()> {
    let input = AppendHumanTurn {
        session: session.clone(),
        uid: Some(uid.to_owned()),
        parent,
        prompt: prose(150),
        activate: true,
    };
    let account = Uid::parse(ACCOUNT)?;
    done(
        app.commands()
            .append_human_turn(&account, input, None)
            .await?,
    )?;
    Ok(())
}

async fn agent(app: &App, session: &Uid, uid: &str, parent: Uid) -> anyhow::Result<()> {
    let steps = (0..STEPS).map(|at| StepInput {
        idx: None,
        tpe: if at == STEPS - 1 {
            StepType::Text
        } else {
            StepType::Think
        },
        content: serde_json::json!({ "text": prose(330) }).to_string().into(),
    });
    let input = AppendAgentTurn {
        session: session.clone(),
        uid: Some(uid.to_owned()),
        parent,
        steps: steps.collect(),
        model: Some("bench".into()),
        status: TurnStatus::Complete,
        finished_at: None,
        usage: None,
        activate: true,
    };
    let account = Uid::parse(ACCOUNT)?;
    done(
        app.commands()
            .append_agent_turn(&account, input, None)
            .await?,
    )?;
    Ok(())
}
