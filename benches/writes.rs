//! Exchanges written through the commands by many clients at once.
//!
//! `writes --record URL --clients N --seconds S [--steps K] [--lanes L] [--group M]`: every client
//! has sessions of its own and appends a human turn and an agent turn with K steps again and
//! again; a session gets ten exchanges, then the client begins another. At most M commands share a
//! transaction, and L transactions are on their way at once. Prints durable rows a second (inserted
//! turns and steps; new sessions and updates of parents and sessions are not counted), the time of
//! a command, and this process's CPU a row. `benches/writes.sh` adds what PostgreSQL spends.

mod measure;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use turngraph::app::{App, environment};
use turngraph::commands::rules::StepInput;
use turngraph::commands::session::CreateSession;
use turngraph::commands::turn::{AppendAgentTurn, AppendHumanTurn};
use turngraph::commands::{Commands, GroupOptions};
use turngraph::config::{Flags, load};
use turngraph::domain::{StepType, TurnStatus, Uid, UidSource, UuidV7Source};

use measure::{argument, cpu_ticks, done, number};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exchanges in a session.
const EXCHANGES: usize = 10;
/// About the median of a step's content in the shared chat data.
const CONTENT_BYTES: usize = 350;

#[derive(Default)]
struct Counts {
    commands: AtomicU64,
    rows: AtomicU64,
    micros: AtomicU64,
    slowest: AtomicU64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut flags = Flags::default();
    let Some(record) = argument("--record") else {
        // `cargo bench` and `cargo test --benches` start it without arguments.
        println!("usage: writes --record URL --clients N --seconds S [--steps K] [--lanes L]");
        return Ok(());
    };
    flags.values.insert("record", record);
    let (config, _) = load(&flags, &environment())?;
    let app = App::open(&config, true).await?;
    let usual = GroupOptions::default();
    let groups = GroupOptions {
        lanes: number("--lanes").unwrap_or(usual.lanes),
        commands_max: number("--group").unwrap_or(usual.commands_max),
        ..usual
    };
    let commands = app.commands().gathered(groups);
    let (clients, steps) = (
        number("--clients").unwrap_or(16),
        number("--steps").unwrap_or(5),
    );
    let seconds = number("--seconds").unwrap_or(10);
    let counts = Arc::new(Counts::default());
    let (cpu, from) = (cpu_ticks()?, Instant::now());
    let until = from + Duration::from_secs(seconds as u64);
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let (commands, counts) = (commands.clone(), Arc::clone(&counts));
            tokio::spawn(async move { write(&commands, steps, until, &counts).await })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    let took = from.elapsed().as_secs_f64();
    // The kernel counts in hundredths of a second on every platform that we build for.
    let cpu_micros = (cpu_ticks()? - cpu) as f64 * 10_000.0;
    let [commands, rows, micros, slowest] = [
        &counts.commands,
        &counts.rows,
        &counts.micros,
        &counts.slowest,
    ]
    .map(|count| count.load(Ordering::Relaxed) as f64);
    println!(
        "clients={clients} steps={steps} lanes={} group={} commands={commands} rows={rows} \
         rows_per_s={:.0} \
         command_mean_ms={:.2} command_max_ms={:.1} gateway_cpu_us_per_row={:.1}",
        groups.lanes,
        groups.commands_max,
        rows / took,
        micros / commands / 1_000.0,
        slowest / 1_000.0,
        cpu_micros / rows,
    );
    app.record.close().await;
    Ok(())
}

async fn write(
    commands: &Commands,
    steps: usize,
    until: Instant,
    counts: &Counts,
) -> anyhow::Result<()> {
    let account = Uid::parse(UuidV7Source.next().as_str())?;
    let content = format!(
        r#"{{"text":"{}"}}"#,
        "lorem ipsum ".repeat(CONTENT_BYTES / 12)
    );
    while Instant::now() < until {
        let create = CreateSession {
            uid: None,
            title: Some("benchmark".into()),
            first_prompt: None,
        };
        let created = done(commands.create_session(&account, create, None).await?)?;
        let session = created.session.uid.clone();
        let mut parent: Option<Uid> = None;
        for _ in 0..EXCHANGES {
            let begun = Instant::now();
            let human = AppendHumanTurn {
                session: session.clone(),
                uid: None,
                parent: parent.take(),
                prompt: "what is the answer to this?".into(),
                activate: true,
            };
            let asked = done(commands.append_human_turn(&account, human, None).await?)?;
            let question = asked.graph.turn(asked.subject).uid.clone();
            counts.note(begun, 1);
            let begun = Instant::now();
            let agent = AppendAgentTurn {
                session: session.clone(),
                uid: None,
                parent: question,
                steps: (0..steps)
                    .map(|_| StepInput {
                        idx: None,
                        tpe: StepType::Text,
                        content: content.clone().into(),
                    })
                    .collect(),
                model: Some("bench-1".into()),
                status: TurnStatus::Complete,
                finished_at: None,
                usage: None,
                activate: true,
            };
            let answered = done(commands.append_agent_turn(&account, agent, None).await?)?;
            counts.note(begun, 1 + steps as u64);
            parent = Some(answered.graph.turn(answered.subject.turn).uid.clone());
            if Instant::now() >= until {
                break;
            }
        }
    }
    Ok(())
}

impl Counts {
    fn note(&self, begun: Instant, rows: u64) {
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.commands.fetch_add(1, Ordering::Relaxed);
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
        self.slowest.fetch_max(micros, Ordering::Relaxed);
    }
}
