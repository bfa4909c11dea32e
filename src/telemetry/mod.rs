//! Logs and metrics: one subscriber and one recorder for the process. No prompt and no content of a
//! step ever goes there.

mod metrics;

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

pub use metrics::Metrics;

/// Starts logging to standard error, so that reports on standard output stay clean.
pub fn init(config: &Config) -> anyhow::Result<()> {
    // The CQL driver tells of every node that it meets; who wants that names it.
    let quiet = if config.log_level.contains("scylla") {
        config.log_level.clone()
    } else {
        format!("scylla=warn,{}", config.log_level)
    };
    let filter = EnvFilter::try_new(&quiet)
        .with_context(|| format!("`log_level` cannot be {:?}", config.log_level))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // They would be printed to standard error, which is what cannot be written.
        .log_internal_errors(false);
    let started = match config.log_format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|e| anyhow::anyhow!("logging cannot start: {e}"))
}
