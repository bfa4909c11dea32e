//! One conversation, loaded whole through the gateway again and again.
//!
//! `conversation --record URL --prepare TURNS` writes a conversation of that many turns; with
//! `--turns TURNS --loads N` it is loaded N times. Prints what each load cost: CPU of this
//! process, statements on PostgreSQL, bytes. `benches/gateway.sh` calls it, also under callgrind: the
//! instructions per load are those of 120 loads less those of 20, by 100, so that start-up and
//! the first, unprepared loads do not count.

mod measure;

use turngraph::app::{App, environment};
use turngraph::commands::rules::StepInput;
use turngraph::commands::session::CreateSession;
use turngraph::commands::turn::{AppendAgentTurn, AppendHumanTurn};
use turngraph::config::{Flags, load};
use turngraph::domain::{StepType, TurnStatus, Uid};
use turngraph::graphql::{Gateway, GraphqlRequest};

use measure::{argument, cpu_ticks, done, number};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ACCOUNT: &str = "bench";
const STEPS: usize = 10;
const LOAD: &str = "query($uid: Uid!) { session(uid: $uid) { uid title createdAt \
    turns(first: 1000) { nodes { __typename uid parent { uid } activeChild { uid } createdAt \
    ... on HumanTurn { prompt } \
    ... on AgentTurn { liked steps { nodes { idx type content createdAt } } } } } } }";

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut flags = Flags::default();
    let Some(record) = argument("--record") else {
        // `cargo bench` and `cargo test --benches` start it without arguments.
        println!("usage: conversation --record URL (--prepare TURNS | --turns TURNS --loads N)");
        return Ok(());
    };
    flags.values.insert("record", record);
    let (config, _) = load(&flags, &environment())?;
    let app = App::open(&config, true).await?;
    if let Some(turns) = number("--prepare") {
        return prepare(&app, turns).await;
    }
    let turns = number("--turns").unwrap_or(10);
    let loads = number("--loads").unwrap_or(100);
    let gateway = app.gateway();
    let bytes = run(&gateway, turns, 1).await?;
    let before = cpu_ticks()?;
    run(&gateway, turns, loads).await?;
    let ticks = cpu_ticks()? - before;
    // The kernel counts in hundredths of a second on every platform that we build for.
    let micros = ticks as f64 * 10_000.0 / loads as f64;
    println!("turns={turns} loads={loads} bytes={bytes} gateway_cpu_us={micros:.0}");
    app.record.close().await;
    Ok(())
}

fn session_uid(turns: usize) -> String {
    format!("bench-{turns}")
}

async fn run(gateway: &Gateway, turns: usize, loads: usize) -> anyhow::Result<usize> {
    let mut bytes = 0;
    for _ in 0..loads {
        let response = gateway
            .execute(GraphqlRequest {
                query: LOAD.into(),
                operation_name: None,
                variables: serde_json::json!({ "uid": session_uid(turns) }),
                account: Uid::parse(ACCOUNT)?,
                request_id: "bench".into(),
                freshness: turngraph::graphql::Freshness::default(),
                mutations: false,
            })
            .await;
        anyhow::ensure!(
            response.body.starts_with(b"{\"data\":{\"session\":{"),
            "no session"
        );
        bytes = response.body.len();
    }
    Ok(bytes)
}

/// Prose of `bytes` bytes with what real answers have: quotes, line breaks, UTF-8.
fn prose(bytes: usize) -> String {
    "Ein \"Satz\", wie ihn Leute schreiben – mit Ümläuten,\nZeilen und Zahlen wie 42. "
        .chars()
        .cycle()
        .take(bytes)
        .collect()
}

async fn prepare(app: &App, turns: usize) -> anyhow::Result<()> {
    let commands = app.commands();
    let account = Uid::parse(ACCOUNT)?;
    let uid = Uid::parse(&session_uid(turns))?;
    let input = CreateSession {
        uid: Some(uid.to_string()),
        title: Some(format!("{turns} turns")),
        first_prompt: None,
    };
    done(commands.create_session(&account, input, None).await?)?;
    let mut parent = None;
    for turn in 0..turns {
        let key = format!("bench-{turns}-{turn:08}-0191aaaa-bbbb-7ccc");
        let own = Uid::parse(&key)?;
        if turn % 2 == 0 {
            let input = AppendHumanTurn {
                session: uid.clone(),
                uid: Some(key),
                parent: parent.clone(),
                prompt: prose(150),
                activate: true,
            };
            done(commands.append_human_turn(&account, input, None).await?)?;
        } else {
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
                session: uid.clone(),
                uid: Some(key),
                parent: parent.clone().expect("a human turn came before"),
                steps: steps.collect(),
                model: Some("bench".into()),
                status: TurnStatus::Complete,
                finished_at: None,
                usage: None,
                activate: true,
            };
            done(commands.append_agent_turn(&account, input, None).await?)?;
        }
        parent = Some(own);
    }
    app.record.close().await;
    Ok(())
}
