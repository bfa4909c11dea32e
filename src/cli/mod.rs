//! The command line: one file a subcommand. `main` parses; everything else is below here.

mod bench;
mod config;
mod copies;
mod dev;
mod doctor;
mod exit;
mod export;
mod import;
mod migrate;
mod output;
mod schema;
mod serve;
mod server;
mod smoke;

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};

use self::copies::{project, rebuild, route, verify};
use crate::app;
use crate::config::{Config as Settings, Flags, load};

pub use exit::{exit_code, said};
pub use output::tell;

/// A GraphQL gateway for AI conversations.
#[derive(Parser)]
#[command(name = "turngraph", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Args, Default)]
struct Common {
    /// Configuration file [default: turngraph.toml, where there is one].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Record store: sqlite://FILE or postgres://USER@HOST/DATABASE [default: a SQLite file in
    /// the data directory].
    #[arg(long, global = true, value_name = "URL")]
    record: Option<String>,
    /// Projections: cql://HOST[:PORT][,HOST…]/KEYSPACE [default: none].
    #[arg(long, global = true, value_name = "URL")]
    cql: Option<String>,
    /// Hot cache: redis://HOST[:PORT] [default: none; SQLite is cached in the process].
    #[arg(long, global = true, value_name = "URL")]
    redis: Option<String>,
    /// Where changes are read from: auto, pgoutput, kafka or change_log [default: auto].
    #[arg(long, global = true, value_name = "SOURCE")]
    feed: Option<String>,
    /// Directory of the embedded store [default: turngraph-data].
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<String>,
    /// Address that a server listens on, and that doctor looks at [default: 127.0.0.1:4000].
    #[arg(long, global = true, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// Which events are logged, e.g. warn or turngraph=debug,info.
    #[arg(long, global = true, value_name = "FILTER")]
    log_level: Option<String>,
    /// How log lines look: text or json.
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Report as JSON where the command reports.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Start the embedded server with demo conversations, for trying out and developing.
    Dev(dev::DevArgs),
    /// Start the server.
    Serve(serve::ServeArgs),
    /// Keep projections and caches up to date with the record store; start it once or twice beside
    /// the servers.
    Project,
    /// Fill new projections from the record store while everything runs, then switch to them.
    Rebuild(rebuild::RebuildArgs),
    /// Compare the projections with the record store, and mend them.
    Verify(verify::VerifyArgs),
    /// Show or change which share of reads projections answer, while servers run.
    Route(route::RouteArgs),
    /// Look at or bring forward the schema of the record store and of the projections.
    #[command(subcommand)]
    Migrate(migrate::MigrateCommand),
    /// Import conversations of ChatGPT, LibreChat, Chatbot UI, Open WebUI, Open Assistant or
    /// turngraph.
    Import(import::ImportArgs),
    /// Export the sessions of an account.
    Export(export::ExportArgs),
    /// Check the configuration, the stores and what may go wrong.
    Doctor,
    /// Prove on a running server that a write reaches every store, and that a removal does.
    Smoke(smoke::SmokeArgs),
    /// The GraphQL schema.
    #[command(subcommand)]
    Schema(schema::SchemaCommand),
    /// The settings in force.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Measure on real servers what the documentation says.
    #[command(subcommand)]
    Bench(bench::BenchCommand),
    /// The version of the program.
    Version,
}

/// Runs the command and returns the exit code of the process.
pub async fn run(cli: Cli) -> anyhow::Result<u8> {
    let Cli { common, command } = cli;
    let (settings, printed) = load(&common.flags(), &app::environment())?;
    crate::telemetry::init(&settings)?;
    match command {
        Command::Dev(args) => dev::run(args, &settings).await,
        Command::Serve(args) => serve::run(args, &settings).await,
        Command::Project => project::run(&settings).await,
        Command::Rebuild(args) => rebuild::run(args, &settings, common.json).await,
        Command::Verify(args) => verify::run(args, &settings, common.json).await,
        Command::Route(args) => route::run(args, &settings, common.json).await,
        Command::Migrate(command) => migrate::run(command, &settings, common.json).await,
        Command::Import(args) => {
            let app = app::App::open(&settings, true).await?;
            let done = import::run(args, Arc::clone(&app.record), app.clock, common.json).await;
            app.record.close().await;
            done
        }
        Command::Export(args) => {
            let app = app::App::open(&settings, false).await?;
            let done = export::run(args, Arc::clone(&app.record), common.json).await;
            app.record.close().await;
            done
        }
        Command::Doctor => doctor::run(&settings, common.json).await,
        Command::Smoke(args) => smoke::run(args, common.json).await,
        Command::Schema(command) => schema::run(&command),
        Command::Config(command) => config::run(&command, &printed, common.json),
        Command::Bench(command) => bench::run(command, &settings, common.json).await,
        Command::Version => {
            output::line(format_args!("turngraph {}", env!("CARGO_PKG_VERSION")))?;
            Ok(0)
        }
    }
}

impl Common {
    fn flags(&self) -> Flags {
        let mut flags = Flags {
            file: self.config.clone(),
            ..Flags::default()
        };
        let given = [
            ("record", &self.record),
            ("cql", &self.cql),
            ("redis", &self.redis),
            ("feed", &self.feed),
            ("data_dir", &self.data_dir),
            ("listen", &self.listen),
            ("log_level", &self.log_level),
            ("log_format", &self.log_format),
        ];
        for (key, value) in given {
            if let Some(value) = value {
                flags.values.insert(key, value.clone());
            }
        }
        flags
    }
}
