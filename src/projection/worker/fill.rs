//! Filling the projection that is read: for the first time, or because changes are missing.
//!
//! Until it is done the projector says nothing about freshness, so that readers use the record
//! store. Versions make it safe to fill the projection in place, beside the stream. After a gap,
//! what went from the record store meanwhile may still be in the projection: then it is filled as
//! a new generation where there are generations, and compared and mended where there are none.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::WorkerParts;
use crate::domain::Uid;
use crate::projection::copy::Copier;
use crate::projection::rebuild::{Rebuild, RebuildError, RebuildOptions, copy_all};
use crate::projection::stream::PROGRESS;
use crate::projection::verify::{Verify, VerifyOptions};
use crate::stores::StoreError;
use crate::stores::record::StoreResult;

/// Name of the progress.
const FILL: &str = "projector-fill";

/// Sessions between two notes.
const CHUNK: usize = 200;

/// Sessions copied at once.
const AT_ONCE: usize = 4;

/// Why the projection must be filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FillReason {
    /// Nothing was ever read from the feed.
    First,
    /// No generation of the projection is read yet, though the feed was read before.
    New,
    /// The feed has lost changes.
    Gap,
}

impl FillReason {
    const ALL: [(Self, &'static str); 3] = [
        (Self::First, "first"),
        (Self::New, "new"),
        (Self::Gap, "gap"),
    ];

    fn name(self) -> &'static str {
        let named = Self::ALL.into_iter().find(|(reason, _)| *reason == self);
        named.expect("ALL has every reason").1
    }

    /// For people.
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::First | Self::New => "the projection is filled for the first time",
            Self::Gap => "the change feed has lost changes; the projection is filled anew",
        }
    }
}

/// One filling.
pub(super) struct Fill<'a> {
    pub(super) parts: &'a WorkerParts,
    pub(super) verify: &'a VerifyOptions,
    pub(super) rebuild: &'a RebuildOptions,
}

impl Fill<'_> {
    /// Notes that it must be filled; what is noted already stays, unless a gap makes it worse.
    pub(super) async fn note(&self, reason: FillReason) -> StoreResult<()> {
        if self.parts.projector.targets().active().is_none() && self.parts.generations.is_none() {
            // A cache is never filled.
            return Ok(());
        }
        match (self.noted().await?, reason) {
            (None, _) | (_, FillReason::Gap) => self.set(Some((reason, None))).await,
            // An earlier start has filled a part, and the feed begins anew after it: what went
            // from the record store in between may be in the projection.
            (Some((_, Some(_))), _) => self.set(Some((FillReason::Gap, None))).await,
            (Some((_, None)), _) => Ok(()),
        }
    }

    /// Whether there is nothing to fill; not when that cannot be asked.
    pub(super) async fn is_done(&self) -> bool {
        matches!(self.noted().await, Ok(None))
    }

    /// Why it must be filled, if it must.
    pub(super) async fn reason(&self) -> Option<FillReason> {
        self.noted().await.ok().flatten().map(|(reason, _)| reason)
    }

    /// Fills it; false when it was stopped.
    pub(super) async fn run(&self, stop: &CancellationToken) -> Result<bool, StoreError> {
        let Some((reason, after)) = self.noted().await? else {
            return Ok(true);
        };
        let unread = match &self.parts.generations {
            Some(generations) => generations.active().await?.is_none(),
            None => false,
        };
        let done = match (reason, &self.parts.generations) {
            // One that nobody reads yet is filled, compared and switched to as a rebuild is, and
            // goes on where a rebuild by hand was stopped.
            (FillReason::Gap, Some(_)) => self.anew(stop).await?,
            (_, Some(_)) if unread => self.anew(stop).await?,
            (FillReason::New, _) => true,
            (FillReason::Gap, None) => {
                self.in_place((reason, after), stop).await? && self.mended(stop).await?
            }
            (FillReason::First, _) => {
                self.in_place((reason, after), stop).await? && self.feed_is_noted().await?
            }
        };
        if done {
            self.set(None).await?;
        }
        Ok(done)
    }

    /// Whether a start after this one goes on in the feed where this one is. Until then what was
    /// filled does not count.
    async fn feed_is_noted(&self) -> StoreResult<bool> {
        Ok(self.parts.source.progress(PROGRESS).await?.is_some())
    }

    async fn in_place(
        &self,
        (reason, mut after): (FillReason, Option<Uid>),
        stop: &CancellationToken,
    ) -> Result<bool, StoreError> {
        // Generations are opened a moment after the start.
        if self.parts.projector.targets().active().is_none() {
            return Ok(false);
        }
        let copier = Copier {
            source: Arc::clone(&self.parts.source),
            targets: self.parts.projector.targets().clone(),
            clock: Arc::clone(&self.parts.clock),
            stop: stop.clone(),
        };
        loop {
            let chunk = self
                .parts
                .source
                .session_uids(after.as_ref(), CHUNK)
                .await?;
            let Some(last) = chunk.last().cloned() else {
                return Ok(true);
            };
            if copy_all(&copier, &chunk, AT_ONCE).await?.is_err() {
                return Ok(false);
            }
            self.set(Some((reason, Some(&last)))).await?;
            after = Some(last);
        }
    }

    async fn anew(&self, stop: &CancellationToken) -> Result<bool, StoreError> {
        let Some(generations) = &self.parts.generations else {
            return Ok(false);
        };
        let rebuild = Rebuild::new(
            Arc::clone(&self.parts.source),
            Arc::clone(generations),
            Arc::clone(&self.parts.clock),
            RebuildOptions {
                verify: self.verify.clone(),
                drop_old: true,
                ..self.rebuild.clone()
            },
        );
        match rebuild.run(&mut |_| (), stop).await {
            Ok(report) => Ok(report.switched),
            Err(RebuildError::Store(error)) => Err(error),
            Err(error) => {
                tracing::warn!(%error, "the projection could not be filled anew yet");
                Ok(false)
            }
        }
    }

    async fn mended(&self, stop: &CancellationToken) -> Result<bool, StoreError> {
        let projector = &self.parts.projector;
        let Some(store) = projector.targets().active() else {
            return Ok(false);
        };
        let verify = Verify::new(
            Arc::clone(&self.parts.source),
            store,
            projector.quarantine().clone(),
            Arc::clone(&self.parts.clock),
            self.verify.clone(),
        )
        .beside(projector.watermark());
        Ok(verify.run(&mut |_| (), stop).await?.finished)
    }

    async fn noted(&self) -> StoreResult<Option<(FillReason, Option<Uid>)>> {
        let noted = self.parts.source.progress(FILL).await?;
        Ok(noted.and_then(|text| {
            let (name, after) = serde_json::from_str::<(String, Option<Uid>)>(&text).ok()?;
            let reason = FillReason::ALL
                .into_iter()
                .find(|(_, known)| *known == name)?;
            Some((reason.0, after))
        }))
    }

    async fn set(&self, noted: Option<(FillReason, Option<&Uid>)>) -> StoreResult<()> {
        let text = noted.map(|(reason, after)| {
            serde_json::to_string(&(reason.name(), after)).expect("texts are always JSON")
        });
        self.parts.source.set_progress(FILL, text.as_deref()).await
    }
}
