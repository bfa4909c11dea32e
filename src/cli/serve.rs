//! `turngraph serve`: the server of an installation.

use clap::Args;

use super::Settings;
use super::exit::UsageError;
use super::server::{Start, serve};
use crate::app::App;
use crate::http::AccountRule;

/// Options of `serve`.
#[derive(Args)]
pub(super) struct ServeArgs {
    /// Keep projections and caches up to date in this process too, as `turngraph project` does:
    /// for installations of one machine.
    #[arg(long)]
    with_projector: bool,
}

pub(super) async fn run(args: ServeArgs, settings: &Settings) -> anyhow::Result<u8> {
    if !settings.listen.ip().is_loopback() && !settings.public_without_auth {
        return Err(UsageError(format!(
            "this version has no authentication, so `serve` listens on this machine only; {} is \
             a public address. Put a proxy that authenticates in front of 127.0.0.1, or set \
             `public_without_auth` where a network policy or such a proxy decides who reaches it.",
            settings.listen
        ))
        .into());
    }
    let app = App::open(settings, false).await?;
    let start = Start {
        account: AccountRule::Fixed(settings.account.clone()),
        examples: App::examples()?.into(),
        development: false,
        with_projector: args.with_projector,
    };
    serve(
        app,
        settings,
        start,
        |address| tracing::info!(%address, "listening"),
    )
    .await
}
