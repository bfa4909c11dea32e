//! Content of turns: from where the session's graph came from, and for each turn that is missing
//! or not whole there from the record store.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use futures_util::StreamExt;
use futures_util::future::join3;

use super::{logged, missed};
use crate::domain::step::StepHead;
use crate::domain::{Consistency, StepRow, Uid};
use crate::reads::context::{Origin, ReadContext, Route};
use crate::reads::fill::What;
use crate::reads::{
    Body, BodyAnswers, BodyKind, BodyWant, ReadErrorKind, ReadResult, Reads, Source,
};
use crate::stores::cache::{HotBodies, HotSession};
use crate::stores::projection::{BodyPart, ProjectedBodies};

/// Keys in one statement at most.
const KEYS_MAX: usize = 10_000;
/// Sessions whose bodies are read from the projections at the same time.
const SESSIONS_AT_ONCE: usize = 16;

type Slot = Option<Result<Option<(Body, Origin)>, ReadErrorKind>>;

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
        let unreached = self.unreached(ctx);
        let just_written: HashSet<&Uid> = unreached
            .iter()
            .flat_map(|revision| revision.rows.iter().map(|(uid, _)| uid))
            .collect();
        let quarantined = self.progress.quarantined();
        let mut asked: HashMap<&Uid, Vec<usize>> = HashMap::new();
        {
            let notes = ctx.notes();
            for (place, want) in wants.iter().enumerate() {
                if just_written.contains(&want.turn_uid) {
                    continue;
                }
                let hot = match notes.routes.get(&want.session_uid) {
                    Some(Route::Hot(hot, origin)) => from_hot(hot, want).map(|b| (b, *origin)),
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
            self.projected_bodies(ctx, wants, (asked, slots)).await;
        }
    }

    async fn projected_bodies(
        &self,
        ctx: &ReadContext,
        wants: &[BodyWant],
        (asked, slots): (HashMap<&Uid, Vec<usize>>, &mut [Slot]),
    ) {
        let told = self.progress.current(&self.stores).await;
        let as_of = told.map(|watermark| watermark.as_of);
        let origin = Origin::new(Source::Cql, as_of, self.clock.now());
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
                Ok(bodies) => found.extend(bodies.into_iter().map(|(seq, b)| ((seq, heads), b))),
                Err(error) => ctx.degraded(missed(&error)),
            }
        }
        (places, found)
    }

    /// Fills the slots that are still empty, one statement a kind.
    async fn recorded_bodies(&self, ctx: &ReadContext, wants: &[BodyWant], slots: &mut [Slot]) {
        let left = |kind: BodyKind| -> Vec<Uid> {
            let open = wants.iter().zip(&*slots);
            open.filter(|(want, slot)| slot.is_none() && want.kind == kind)
                .map(|(want, _)| want.turn_uid.clone())
                .collect()
        };
        let origin = self.record_origin(ctx);
        let keys = [BodyKind::Prompt, BodyKind::Steps, BodyKind::Heads].map(left);
        let (mut prompts, mut steps, mut heads) = join3(
            self.prompts(ctx, &keys[0]),
            self.steps(ctx, &keys[1]),
            self.heads(ctx, &keys[2]),
        )
        .await;
        for (want, slot) in wants.iter().zip(slots).filter(|(_, slot)| slot.is_none()) {
            let turn = &want.turn_uid;
            let found = match want.kind {
                BodyKind::Prompt => taken(&mut prompts, turn).map(|b| b.map(Body::Prompt)),
                BodyKind::Steps => taken(&mut steps, turn).map(|b| b.map(Body::Steps)),
                BodyKind::Heads => taken(&mut heads, turn).map(|b| b.map(Body::Heads)),
            };
            *slot = Some(found.map(|body| body.map(|body| (body, origin))));
        }
    }

    async fn prompts(&self, ctx: &ReadContext, turns: &[Uid]) -> Found<String> {
        let mut all = HashMap::new();
        for keys in turns.chunks(KEYS_MAX) {
            let read = self.guarded(ctx, self.record_of(ctx).prompts(keys)).await;
            all.extend(noted(read)?);
        }
        Ok(all)
    }

    async fn steps(&self, ctx: &ReadContext, turns: &[Uid]) -> Found<Vec<StepRow>> {
        let mut all = HashMap::new();
        for keys in turns.chunks(KEYS_MAX) {
            let read = self.guarded(ctx, self.record_of(ctx).steps(keys)).await;
            group(&mut all, noted(read)?, |step| step.turn_uid.clone());
        }
        Ok(all)
    }

    async fn heads(&self, ctx: &ReadContext, turns: &[Uid]) -> Found<Vec<StepHead>> {
        let mut all = HashMap::new();
        for keys in turns.chunks(KEYS_MAX) {
            let read = self
                .guarded(ctx, self.record_of(ctx).step_heads(keys))
                .await;
            group(&mut all, noted(read)?, |head| head.turn_uid.clone());
        }
        Ok(all)
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

type Found<T> = Result<HashMap<Uid, T>, ReadErrorKind>;

fn noted<T>(read: ReadResult<T>) -> Result<T, ReadErrorKind> {
    read.map_err(|error| logged(&error))
}

fn taken<K: Hash + Eq, T>(
    found: &mut Result<HashMap<K, T>, ReadErrorKind>,
    key: &K,
) -> Result<Option<T>, ReadErrorKind> {
    match found {
        Ok(found) => Ok(found.remove(key)),
        Err(kind) => Err(*kind),
    }
}

fn group<T>(all: &mut HashMap<Uid, Vec<T>>, rows: Vec<T>, turn: impl Fn(&T) -> Uid) {
    for row in rows {
        all.entry(turn(&row)).or_default().push(row);
    }
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
