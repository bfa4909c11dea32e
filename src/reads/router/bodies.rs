//! Content of turns: from where the session's graph came from, and for each turn that is missing
//! or not whole there from the record store.

use std::collections::{HashMap, HashSet};

use futures_util::StreamExt;

use super::missed;
use crate::domain::step::StepHead;
use crate::domain::{Consistency, Revision, StepRow, Uid};
use crate::reads::context::{Origin, ReadContext, Route};
use crate::reads::fill::What;
use crate::reads::{Body, BodyAnswers, BodyKind, BodyWant, ReadErrorKind, Reads, Source};
use crate::stores::cache::{HotBodies, HotSession};
use crate::stores::projection::{BodyPart, ProjectedBodies};

/// Sessions whose bodies are read from the projections at the same time.
const SESSIONS_AT_ONCE: usize = 16;

/// An answer, once there is one.
pub(super) type Slot = Option<Result<Option<(Body, Origin)>, ReadErrorKind>>;

impl Reads {
    /// Content of turns that were found in graphs of the same context, in the order of `wants`.
    pub async fn bodies(&self, ctx: &ReadContext, wants: &[BodyWant]) -> BodyAnswers {
        let mut slots: Vec<Slot> = Vec::with_capacity(wants.len());
        slots.resize_with(wants.len(), || None);
        if ctx.consistency() == Consistency::Eventual && self.stores.has_copies() {
            self.copied_bodies(ctx, wants, &mut slots).await;
        }
        self.recorded_bodies(ctx, wants, &mut slots).await;
        if self.stores.cache.is_some() {
            self.gather(ctx, wants, &slots);
        }
        let answer = |slot: Slot| slot.unwrap_or(Ok(None));
        slots.into_iter().map(answer).collect()
    }

    async fn copied_bodies(&self, ctx: &ReadContext, wants: &[BodyWant], slots: &mut [Slot]) {
        // A copy may hold the row of a turn that was just written, and not yet all its content.
        let (projections, cache) = (self.unreached(ctx), self.unreached_by_cache(ctx));
        let just_written = named(&projections);
        let not_yet_hot = named(&cache);
        // In this order: with a watermark come the sessions for which it does not hold.
        let told = match &self.stores.projection {
            Some(_) => self.progress.current(&self.stores).await,
            None => None,
        };
        let quarantined = self.progress.quarantined();
        let mut asked: HashMap<&Uid, Vec<usize>> = HashMap::new();
        {
            let notes = ctx.notes();
            for (place, want) in wants.iter().enumerate() {
                if just_written.contains(&want.turn_uid) {
                    continue;
                }
                let hot = match notes.routes.get(&want.session_uid) {
                    Some(Route::Hot(hot, origin)) => from_hot(hot, want)
                        .filter(|_| !not_yet_hot.contains(&want.turn_uid))
                        .map(|body| (body, *origin)),
                    Some(Route::Projection(_)) => None,
                    Some(Route::Record) | None => continue,
                };
                let projects = || {
                    self.stores.projection.is_some()
                        && self.route.projects(&want.session_uid)
                        && !quarantined.contains(&want.session_uid)
                };
                match hot {
                    Some(found) => slots[place] = Some(Ok(Some(found))),
                    None if projects() => {
                        asked.entry(&want.session_uid).or_default().push(place);
                    }
                    None => {}
                }
            }
        }
        if !asked.is_empty() {
            let as_of = told.map(|watermark| watermark.as_of);
            let origin = Origin::new(Source::Cql, as_of, self.clock.now());
            self.projected_bodies((ctx, origin), wants, (asked, slots))
                .await;
        }
    }

    async fn projected_bodies(
        &self,
        (ctx, origin): (&ReadContext, Origin),
        wants: &[BodyWant],
        (asked, slots): (HashMap<&Uid, Vec<usize>>, &mut [Slot]),
    ) {
        let reads = asked
            .into_iter()
            .map(|(session, places)| self.bodies_of_session(ctx, session, (wants, places)));
        // Boxed, or the compiler does not see that the closures above are general enough.
        let mut reads = futures_util::stream::iter(reads.collect::<Vec<_>>())
            .buffer_unordered(SESSIONS_AT_ONCE)
            .boxed();
        while let Some((places, found)) = reads.next().await {
            for place in places {
                let want = &wants[place];
                let bodies = found.get(&(want.seq, want.kind == BodyKind::Heads));
                // What is missing here may exist: the record store is asked for this turn.
                slots[place] = bodies
                    .and_then(|bodies| from_projection(bodies, want))
                    .map(|body| Ok(Some((body, origin))));
            }
        }
    }

    /// Bodies of one session by number, and whether only heads were asked for.
    async fn bodies_of_session(
        &self,
        ctx: &ReadContext,
        session: &Uid,
        (wants, places): (&[BodyWant], Vec<usize>),
    ) -> (Vec<usize>, HashMap<(i32, bool), ProjectedBodies>) {
        let mut found = HashMap::new();
        let Some((projection, hop)) = &self.stores.projection else {
            return (places, found);
        };
        let hot = matches!(ctx.notes().routes.get(session), Some(Route::Hot(..)));
        for heads in [false, true] {
            let of_part = |&&place: &&usize| (wants[place].kind == BodyKind::Heads) == heads;
            let seqs = places.iter().filter(of_part).map(|&place| wants[place].seq);
            let mut seqs: Vec<i32> = seqs.collect();
            seqs.sort_unstable();
            seqs.dedup();
            if seqs.is_empty() {
                continue;
            }
            let part = if heads {
                BodyPart::Heads
            } else {
                BodyPart::Whole
            };
            let read = projection.bodies(session, &seqs, part);
            match hop.ask(ctx.deadline(), read).await {
                // Whose the session is was read with its graph, unless that came from elsewhere.
                Ok(_) if hot && !self.is_projected_for(ctx, session).await => {}
                Ok(bodies) => found.extend(bodies.into_iter().map(|(seq, b)| ((seq, heads), b))),
                Err(error) => ctx.degraded(missed(&error)),
            }
        }
        (places, found)
    }

    /// Whether the projections have the session as the asking account's. The cache may show a
    /// session for a moment longer than it is that account's.
    async fn is_projected_for(&self, ctx: &ReadContext, session: &Uid) -> bool {
        let Some((projection, hop)) = &self.stores.projection else {
            return false;
        };
        let read = projection.sessions(std::slice::from_ref(session));
        match hop.ask(ctx.deadline(), read).await {
            Ok(rows) => rows.iter().any(|row| row.account_uid == *ctx.account()),
            Err(error) => {
                ctx.degraded(missed(&error));
                false
            }
        }
    }

    /// Adds what was read to what the cache shall get.
    fn gather(&self, ctx: &ReadContext, wants: &[BodyWant], slots: &[Slot]) {
        let mut notes = ctx.notes();
        for (want, slot) in wants.iter().zip(slots) {
            let Some(pending) = notes.fills.get_mut(&want.session_uid) else {
                continue;
            };
            let What::Read(gathered) = &mut pending.what else {
                continue;
            };
            let max = self.settings.hot_bytes_max;
            match slot {
                Some(Ok(Some((
                    body,
                    Origin {
                        as_of: Some(at), ..
                    },
                )))) => {
                    gathered.add(want.seq, body, *at, max);
                }
                // That a turn has no steps is worth knowing as well.
                Some(Ok(None)) if want.kind == BodyKind::Steps => {
                    gathered.add(want.seq, &Body::Steps(Vec::new()), self.clock.now(), max);
                }
                _ => {}
            }
        }
    }
}

/// The rows that revisions name.
fn named(revisions: &[Revision]) -> HashSet<&Uid> {
    let rows = revisions.iter().flat_map(|revision| &revision.rows);
    rows.map(|(uid, _)| uid).collect()
}

fn heads_of(steps: &[StepRow], turn_uid: &Uid) -> Vec<StepHead> {
    let head = |step: &StepRow| StepHead {
        turn_uid: turn_uid.clone(),
        idx: step.idx,
        tpe: step.tpe,
    };
    steps.iter().map(head).collect()
}

fn from_hot(hot: &HotSession, want: &BodyWant) -> Option<Body> {
    match (hot.bodies.get(&want.seq)?, want.kind) {
        (HotBodies::Prompt(prompt), BodyKind::Prompt) => Some(Body::Prompt(prompt.clone())),
        (HotBodies::Steps(steps), BodyKind::Steps) => Some(Body::Steps(steps.clone())),
        (HotBodies::Steps(steps), BodyKind::Heads) => {
            Some(Body::Heads(heads_of(steps, &want.turn_uid)))
        }
        _ => None,
    }
}

/// The body as the projection has it, unless it is missing or not whole there.
fn from_projection(bodies: &ProjectedBodies, want: &BodyWant) -> Option<Body> {
    let whole = !bodies.partial;
    match want.kind {
        BodyKind::Prompt => bodies.prompt.clone().filter(|_| whole).map(Body::Prompt),
        BodyKind::Steps if whole && !bodies.steps.is_empty() => {
            // A projection addresses a turn by its number and may not know its key.
            let of_turn = |step: &StepRow| StepRow {
                turn_uid: want.turn_uid.clone(),
                ..step.clone()
            };
            Some(Body::Steps(bodies.steps.iter().map(of_turn).collect()))
        }
        BodyKind::Heads if !bodies.steps.is_empty() => {
            Some(Body::Heads(heads_of(&bodies.steps, &want.turn_uid)))
        }
        BodyKind::Steps | BodyKind::Heads => None,
    }
}
