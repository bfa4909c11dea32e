//! Content of turns from the record store: what the copies did not have, one statement a kind.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use futures_util::future::join4;

use super::bodies::Slot;
use super::logged;
use crate::domain::step::StepHead;
use crate::domain::{StepRow, Uid};
use crate::reads::context::{ReadContext, Route};
use crate::reads::{Body, BodyKind, BodyWant, ReadErrorKind, ReadResult, Reads};

/// Keys in one statement at most.
const KEYS_MAX: usize = 10_000;

impl Reads {
    /// Of the sessions whose graph a copy gave and whose content the record store has, those that
    /// are not the asking account's there: a copy may show a session for a moment longer.
    async fn lost(&self, ctx: &ReadContext, sessions: &[Uid]) -> Result<Vec<Uid>, ReadErrorKind> {
        if sessions.is_empty() {
            return Ok(Vec::new());
        }
        let read = self.record_of(ctx).sessions_by_uid(ctx.account(), sessions);
        let rows = noted(self.guarded(ctx, read).await)?;
        let owned: HashSet<&Uid> = rows.iter().map(|row| &row.uid).collect();
        let lost = sessions.iter().filter(|uid| !owned.contains(uid));
        Ok(lost.cloned().collect())
    }

    /// Fills the slots that are still empty, one statement a kind, and one more where a copy said
    /// whose the session is; all at once.
    pub(super) async fn recorded_bodies(
        &self,
        ctx: &ReadContext,
        wants: &[BodyWant],
        slots: &mut [Slot],
    ) {
        let left = |kind: BodyKind| -> Vec<Uid> {
            let open = wants.iter().zip(&*slots);
            open.filter(|(want, slot)| slot.is_none() && want.kind == kind)
                .map(|(want, _)| want.turn_uid.clone())
                .collect()
        };
        let origin = self.record_origin(ctx);
        let keys = [BodyKind::Prompt, BodyKind::Steps, BodyKind::Heads].map(left);
        let copied = copied_sessions(ctx, wants, slots);
        let (lost, mut prompts, mut steps, mut heads) = join4(
            self.lost(ctx, &copied),
            self.prompts(ctx, &keys[0]),
            self.steps(ctx, &keys[1]),
            self.heads(ctx, &keys[2]),
        )
        .await;
        for (want, slot) in wants.iter().zip(slots).filter(|(_, slot)| slot.is_none()) {
            let turn = &want.turn_uid;
            let refused = match &lost {
                Ok(lost) if lost.contains(&want.session_uid) => Some(ReadErrorKind::Conflict),
                Err(kind) if copied.contains(&want.session_uid) => Some(*kind),
                _ => None,
            };
            if let Some(kind) = refused {
                *slot = Some(Err(kind));
                continue;
            }
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
}

/// Sessions with slots that are still empty, whose graph a copy gave.
fn copied_sessions(ctx: &ReadContext, wants: &[BodyWant], slots: &[Slot]) -> Vec<Uid> {
    let notes = ctx.notes();
    let copied = |uid: &&Uid| {
        let route = notes.routes.get(*uid);
        matches!(route, Some(Route::Hot(..) | Route::Projection(_)))
    };
    let open = wants.iter().zip(slots).filter(|(_, slot)| slot.is_none());
    let sessions: HashSet<&Uid> = open
        .map(|(want, _)| &want.session_uid)
        .filter(copied)
        .collect();
    sessions.into_iter().cloned().collect()
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
