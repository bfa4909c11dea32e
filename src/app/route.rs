//! `Route`: the settings of reads that are changed while servers run. They are kept in the record
//! store; every server looks there each second.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::config::HybridConfig;
use crate::reads::RouteHandle;
use crate::stores::ProjectionSource;

/// Name of the entry in the record store.
const NAME: &str = "route";

/// How often a server looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What was set; what is none is as each server's configuration says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// Share of EVENTUAL reads that projections answer, in per cent.
    pub cql_share: Option<u8>,
    /// Share of reads from projections that are compared with the record store, in per cent.
    pub shadow_reads: Option<f64>,
}

impl Route {
    /// What is set in the record store.
    pub async fn read(source: &dyn ProjectionSource) -> anyhow::Result<Self> {
        match source.progress(NAME).await? {
            None => Ok(Self::default()),
            Some(text) => serde_json::from_str(&text)
                .context("the route in the record store cannot be read; `turngraph route --reset`"),
        }
    }

    /// Sets it for all servers.
    pub async fn write(&self, source: &dyn ProjectionSource) -> anyhow::Result<()> {
        let text = serde_json::to_string(self)?;
        let unset = *self == Self::default();
        source
            .set_progress(NAME, (!unset).then_some(text.as_str()))
            .await?;
        Ok(())
    }

    /// Applies it, with a server's own configuration where nothing is set.
    pub fn apply(&self, config: &HybridConfig, handle: &RouteHandle) {
        handle.set_cql_share(self.cql_share.unwrap_or(config.cql_share));
        handle.set_shadow_share(self.shadow_reads.unwrap_or(config.shadow_reads));
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = || "as each server's configuration says".to_owned();
        let share = |value: Option<String>| value.map_or_else(own, |v| format!("{v} %"));
        writeln!(
            f,
            "reads from projections: {}",
            share(self.cql_share.map(|v| v.to_string()))
        )?;
        write!(
            f,
            "compared with the record store: {}",
            share(self.shadow_reads.map(|v| v.to_string()))
        )
    }
}

/// Follows what is set until `stop`.
pub async fn follow(
    source: Arc<dyn ProjectionSource>,
    config: HybridConfig,
    handle: RouteHandle,
    stop: CancellationToken,
) {
    loop {
        // While the record store is away everything stays as it was.
        if let Ok(route) = Route::read(&*source).await {
            route.apply(&config, &handle);
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}
