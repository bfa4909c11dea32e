//! Metrics: one recorder for the process, shown as Prometheus text. Everything counts through the
//! `metrics` facade, so no layer needs to know this module.
//!
//! Names begin with `turngraph_`, units are in the name (`_seconds`, `_bytes`, `_total`). Labels
//! never hold keys of sessions or accounts.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Bounds of durations in seconds, from a cache hit to a deadline.
const SECONDS: &[f64] = &[
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0,
];

/// The recorder of the process.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Starts recording. Only the first call of a process records; the handle of a later one
    /// shows nothing.
    pub fn install() -> Self {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)
            .expect("there are bounds")
            .build_recorder();
        let handle = recorder.handle();
        // A second server in one process (tests) leaves the first recorder in its place.
        let _ = metrics::set_global_recorder(recorder);
        Self(handle)
    }

    /// What was recorded, in Prometheus' text format.
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_shown_as_prometheus_text() {
        let shown = Metrics::install();
        metrics::counter!("turngraph_test_total", "kind" => "a").increment(2);
        metrics::histogram!("turngraph_test_seconds").record(0.003);
        let text = shown.render();
        assert!(
            text.contains("turngraph_test_total{kind=\"a\"} 2"),
            "{text}"
        );
        assert!(
            text.contains("turngraph_test_seconds_bucket{le=\"0.005\"} 1"),
            "{text}"
        );
    }
}
