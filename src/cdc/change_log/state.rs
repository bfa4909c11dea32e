//! Where the feed goes on after a restart, noted in the store itself: a copy of the database that
//! is restored brings its own place with it.

use serde::{Deserialize, Serialize};

use super::failed;
use crate::cdc::feed::{FeedError, FeedErrorKind};
use crate::stores::change_log::{ChangeLog, LogMark};

/// Name of the job under which the place is noted.
const JOB: &str = "feed:change_log";

/// Everything below was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Acknowledged {
    /// Identity of the store.
    pub store: String,
    /// Position of the mark.
    pub position: u64,
    /// Place of the mark in the log.
    pub until: i64,
}

impl Acknowledged {
    pub(super) fn of(mark: &LogMark) -> Self {
        Self {
            store: mark.position.store.clone(),
            position: mark.position.value,
            until: mark.until,
        }
    }

    pub(super) async fn read(log: &dyn ChangeLog) -> Result<Option<Self>, FeedError> {
        let Some(text) = log.progress(JOB).await.map_err(failed)? else {
            return Ok(None);
        };
        let read = serde_json::from_str(&text);
        read.map(Some).map_err(|error| FeedError {
            kind: FeedErrorKind::Setup,
            message: format!(
                "the place noted for the job `{JOB}` in projection_progress cannot be read \
                 ({error}); delete that row and rebuild the projections"
            ),
            source: None,
        })
    }

    pub(super) async fn write(&self, log: &dyn ChangeLog) -> Result<(), FeedError> {
        let text = serde_json::to_string(self).expect("texts and numbers are always JSON");
        log.set_progress(JOB, Some(&text)).await.map_err(failed)
    }
}
