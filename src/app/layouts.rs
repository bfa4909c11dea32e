//! The comparison of CQL layouts, on the stores that the configuration names.

use std::sync::Arc;

use anyhow::Context;

use super::App;
use crate::config::Config;
use crate::stores::cql::CqlOptions;
use crate::stores::cql::layouts::{LayoutsPlan, LayoutsReport, compare};

impl App {
    /// Loads conversations of so many turns into both layouts and the record store, and measures
    /// their reads.
    pub async fn compare_layouts(
        config: &Config,
        turns: Vec<i32>,
        repeats: usize,
    ) -> anyhow::Result<LayoutsReport> {
        let url = config.hybrid.cql.as_ref();
        let url = url.context("there is nothing to compare without --cql cql://HOST/KEYSPACE")?;
        let options = CqlOptions::parse(url.expose()).map_err(anyhow::Error::msg)?;
        let app = Self::open(config, true).await?;
        let plan = LayoutsPlan { turns, repeats };
        let report = compare(&options, Arc::clone(&app.record), app.clock, &plan).await;
        app.record.close().await;
        Ok(report?)
    }
}
