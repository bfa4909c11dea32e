//! `turngraph serve`: the server of an installation.

use clap::Args;

use super::Settings;
use super::server::{Start, serve};
use crate::app::App;
use crate::http::AccountRule;

/// Options of `serve`.
#[derive(Args)]
pub(super) struct ServeArgs {
    /// Address to listen on [default: 127.0.0.1:4000].
    #[arg(long, value_name = "ADDR:PORT")]
    pub(super) listen: Option<String>,
}

pub(super) async fn run(_: ServeArgs, settings: &Settings) -> anyhow::Result<u8> {
    if !settings.listen.ip().is_loopback() {
        anyhow::bail!(
            "this version has no authentication, so `serve` listens on this machine only; {} is \
             a public address. Put a proxy that authenticates in front of 127.0.0.1.",
            settings.listen
        );
    }
    let app = App::open(settings, false).await?;
    let start = Start {
        account: AccountRule::Fixed(settings.account.clone()),
        examples: app.examples().into(),
    };
    serve(
        app,
        settings,
        start,
        |address| tracing::info!(%address, "listening"),
    )
    .await
}
