//! A feed that tells changes of the past again in the middle of others, as a reader sees it that
//! falls back to an older place again and again.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use turngraph::cdc::{ChangeFeed, FeedError, FeedEvent};
use turngraph::domain::{Change, Position};
use turngraph::projection::FeedOpener;

/// Changes that are remembered for telling them again.
const REMEMBERED: usize = 40;

/// Wraps what opens a feed.
pub(super) fn noisy(inner: Arc<dyn FeedOpener>) -> Arc<dyn FeedOpener> {
    Arc::new(NoisyOpener(inner))
}

struct NoisyOpener(Arc<dyn FeedOpener>);

#[async_trait]
impl FeedOpener for NoisyOpener {
    async fn open(
        &self,
        resume_from: Option<Position>,
        anew: bool,
    ) -> Result<Box<dyn ChangeFeed>, FeedError> {
        let inner = self.0.open(resume_from, anew).await?;
        Ok(Box::new(Noisy {
            inner,
            past: VecDeque::new(),
            again: None,
            told: 0,
        }))
    }
}

struct Noisy {
    inner: Box<dyn ChangeFeed>,
    past: VecDeque<Change>,
    again: Option<Change>,
    told: usize,
}

#[async_trait]
impl ChangeFeed for Noisy {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn store(&self) -> &str {
        self.inner.store()
    }

    async fn next(&mut self) -> Result<FeedEvent, FeedError> {
        if let Some(change) = self.again.take() {
            return Ok(FeedEvent::Change(change));
        }
        let event = self.inner.next().await?;
        if let FeedEvent::Change(change) = &event {
            self.told += 1;
            self.past.push_back(change.clone());
            if self.past.len() > REMEMBERED {
                self.past.pop_front();
            }
            // An old one follows every other change, from all over what is remembered.
            if self.told.is_multiple_of(2) {
                let at = self.told.wrapping_mul(17) % self.past.len();
                self.again = self.past.get(at).cloned();
            }
        }
        Ok(event)
    }

    async fn acknowledge(&mut self, position: u64) -> Result<(), FeedError> {
        self.inner.acknowledge(position).await
    }
}
