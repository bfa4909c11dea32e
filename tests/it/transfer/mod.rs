//! Import and export against real stores: every file counted, nothing lost, nothing twice.

mod demo;
mod files;
mod odd;
mod round_trip;

use std::path::PathBuf;
use std::sync::Arc;

use turngraph::domain::Uid;
use turngraph::domain::clock::ManualClock;
use turngraph::transfer::{Format, ImportReport, ImportRequest, SkipKind, TransferContext, import};

use crate::stores::contract::Fixture;
use crate::support::rows::uid;

/// A store to import into.
pub(crate) struct Lab {
    pub(crate) ctx: TransferContext,
    /// Keeps the database until the test is over.
    _fixture: Fixture,
}

impl Lab {
    pub(crate) async fn new() -> Self {
        Self::on(crate::support::sqlite::contract_fixture().await)
    }

    pub(crate) async fn postgres() -> Self {
        Self::on(crate::support::postgres::contract_fixture().await)
    }

    fn on(fixture: Fixture) -> Self {
        let ctx = TransferContext {
            record: Arc::clone(&fixture.store),
            clock: Arc::<ManualClock>::clone(&fixture.clock),
        };
        Self {
            ctx,
            _fixture: fixture,
        }
    }

    pub(crate) fn record(&self) -> &Arc<dyn turngraph::stores::RecordStore> {
        &self.ctx.record
    }

    pub(crate) async fn import(&self, paths: &[PathBuf], format: Option<Format>) -> ImportReport {
        self.import_for("ada", paths, format).await
    }

    pub(crate) async fn import_for(
        &self,
        account: &str,
        paths: &[PathBuf],
        format: Option<Format>,
    ) -> ImportReport {
        let request = ImportRequest {
            account: uid(account),
            paths: paths.to_vec(),
            format,
        };
        let report = import(&self.ctx, &request, &|_| ()).await.unwrap();
        let skipped: usize = report.skipped.iter().map(|entry| entry.nodes).sum();
        assert_eq!(report.nodes, report.nodes_imported + skipped, "{report:#?}");
        report
    }
}

pub(crate) fn account() -> Uid {
    uid("ada")
}

/// A file of the shared data sets or a hand-written one, below `tests/data`.
pub(crate) fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

/// Every file of the two real sets.
pub(crate) const REAL: [&str; 12] = [
    "oasst-trees/en_100_tree.first67.jsonl",
    "oasst-trees/realistic_seed_data.first50trees.json",
    "chat-exports/chatgpt-2024/amazon-nova-model-strengths.json",
    "chat-exports/chatgpt-2024/csv-data-analysis-insights.json",
    "chat-exports/chatgpt-2024/node-js-network-libraries.json",
    "chat-exports/chatgpt-parser-sample/example-conversation.json",
    "chat-exports/librechat-fixtures/chatgpt-export.json",
    "chat-exports/librechat-fixtures/chatgpt-tree.json",
    "chat-exports/librechat-fixtures/librechat-export.json",
    "chat-exports/librechat-fixtures/librechat-opts-nonr-branches.json",
    "chat-exports/librechat-fixtures/librechat-linear.json",
    "chat-exports/librechat-fixtures/chatbotui-export.json",
];

pub(crate) fn broken(report: &ImportReport) -> usize {
    report.skipped_of(SkipKind::Broken)
}
