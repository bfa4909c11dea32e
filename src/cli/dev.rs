//! `turngraph dev`: the embedded server with demo conversations.

use std::sync::Arc;

use clap::Args;

use super::exit::UsageError;
use super::server::{Start, serve};
use super::{Settings, output};
use crate::app::App;
use crate::config::RecordUrl;
use crate::http::{AccountRule, playground};

/// Options of `dev`.
#[derive(Args)]
pub(super) struct DevArgs {
    /// Do not load the demo conversations.
    #[arg(long)]
    no_demo: bool,
}

pub(super) async fn run(args: DevArgs, settings: &Settings) -> anyhow::Result<u8> {
    if !settings.listen.ip().is_loopback() {
        return Err(UsageError(format!(
            "`dev` has no authentication and so listens on this machine only; {} is a public \
             address. Use --listen 127.0.0.1:PORT, or `turngraph serve`.",
            settings.listen
        ))
        .into());
    }
    let app = App::open(settings, true).await?;
    let demo = if args.no_demo {
        "none (--no-demo)".to_owned()
    } else {
        app.load_demo(&settings.account).await?
    };
    let examples = Arc::from(app.examples_of(&settings.account).await?);
    let start = Start {
        account: AccountRule::Header {
            default: settings.account.clone(),
        },
        examples,
        development: true,
        // Nothing else is started beside `dev`.
        with_projector: true,
    };
    let store = match &settings.record {
        RecordUrl::Sqlite(path) => format!("SQLite, {}", path.display()),
        postgres @ RecordUrl::Postgres(_) => postgres.masked(),
    };
    let account = settings.account.clone();
    serve(app, settings, start, move |address| {
        let page = if playground::is_built() {
            ""
        } else {
            "  (page not built: make playground)"
        };
        output::tell(format_args!(
            "turngraph {} is ready\n\
             \x20 playground  http://{address}/{page}\n\
             \x20 GraphQL     http://{address}/graphql\n\
             \x20 health      http://{address}/health/ready\n\
             \x20 store       {store}\n\
             \x20 account     {account}  (header X-Turngraph-Account; no authentication)\n\
             \x20 demo data   {demo}\n\
             \x20 stop with Ctrl-C",
            env!("CARGO_PKG_VERSION")
        ));
    })
    .await
}
