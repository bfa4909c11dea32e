//! Conversations into the record store: one transaction each, so that one is in or out.
//!
//! A session that is there gets what it lacks and keeps everything else as it is, so a second
//! import of the same file changes nothing.

use std::collections::{HashMap, HashSet};

use super::conversation::Conversation;
use crate::domain::score::Target;
use crate::domain::step::StepHead;
use crate::domain::{SessionRow, StepRow, Timestamp, TurnRole, TurnRow, Uid};
use crate::stores::StoreErrorKind;
use crate::stores::record::{
    NewTurn, RecordStore, RecordTransaction, SessionPatch, StoreResult, TurnPatch,
};

/// Attempts of one conversation at most, when other writers are faster.
const ATTEMPTS_MAX: u32 = 5;

/// Rows that were added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::transfer) struct Added {
    /// Human turns.
    pub human_turns: usize,
    /// Agent turns.
    pub agent_turns: usize,
    /// Steps.
    pub steps: usize,
    /// Scores.
    pub scores: usize,
}

/// What became of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::transfer) enum Written {
    /// It is a new session.
    Inserted(Added),
    /// The session was there and got what it lacked.
    Completed(Added),
    /// The session was there with all of it.
    Present,
    /// The account was erased for good, and nothing may be written in it any more.
    Erased,
    /// Its keys belong to something else. Says what to do.
    Refused(String),
}

/// Writes a conversation.
pub(in crate::transfer) async fn write(
    record: &dyn RecordStore,
    now: Timestamp,
    conversation: &Conversation,
) -> StoreResult<Written> {
    let mut attempt = 1;
    loop {
        match attempt_write(record, now, conversation).await {
            Err(error) if error.kind == StoreErrorKind::Conflict && attempt < ATTEMPTS_MAX => {
                attempt += 1;
            }
            result => return result,
        }
    }
}

async fn attempt_write(
    record: &dyn RecordStore,
    now: Timestamp,
    conversation: &Conversation,
) -> StoreResult<Written> {
    let session = &conversation.session;
    let (account, uids) = (&session.account_uid, [session.uid.clone()]);
    if let Some(known) = record
        .sessions_by_uid(account, &uids)
        .await?
        .into_iter()
        .next()
    {
        return complete(record, now, (known, conversation)).await;
    }
    let mut tx = record.begin().await?;
    let row = SessionRow {
        rev: now.0,
        ..session.clone()
    };
    let Some(rev) = tx.session_insert(&row).await? else {
        drop(tx);
        let blocked = match record.erasures() {
            Some(erasures) => erasures.account_blocked(account).await?,
            None => false,
        };
        return Ok(match blocked {
            true => Written::Erased,
            false => refused(&session.uid),
        });
    };
    if let Some(uid) = taken(&mut *tx, &conversation.turns).await? {
        return Ok(refused(&uid));
    }
    let rev = rev.max(now.0);
    let turns = conversation
        .turns
        .iter()
        .map(|turn| with_rev(turn, rev))
        .collect::<Vec<_>>();
    tx.turns_insert(&session.uid, &turns).await?;
    let steps: Vec<StepRow> = conversation
        .steps
        .iter()
        .map(|step| StepRow {
            rev,
            ..step.clone()
        })
        .collect();
    insert_steps(&mut *tx, &session.uid, &steps, &turns).await?;
    tx.scores_insert(&session.uid, &conversation.scores).await?;
    tx.metadata_set(&session.uid, &conversation.metadata)
        .await?;
    tx.commit().await?;
    Ok(Written::Inserted(added(
        &turns,
        steps.len(),
        conversation.scores.len(),
    )))
}

fn refused(uid: &Uid) -> Written {
    Written::Refused(format!(
        "the key {uid} is taken by something else in this store; import into another store"
    ))
}

fn with_rev(turn: &NewTurn, rev: i64) -> NewTurn {
    let mut turn = turn.clone();
    turn.turn.rev = rev;
    turn
}

fn added(turns: &[NewTurn], steps: usize, scores: usize) -> Added {
    let human = turns
        .iter()
        .filter(|turn| turn.turn.role == TurnRole::Human)
        .count();
    Added {
        human_turns: human,
        agent_turns: turns.len() - human,
        steps,
        scores,
    }
}

async fn taken(tx: &mut dyn RecordTransaction, turns: &[NewTurn]) -> StoreResult<Option<Uid>> {
    let uids: Vec<Uid> = turns.iter().map(|turn| turn.turn.uid.clone()).collect();
    Ok(tx.turn_uids_claim(&uids).await?.into_iter().next())
}

async fn insert_steps(
    tx: &mut dyn RecordTransaction,
    session: &Uid,
    steps: &[StepRow],
    turns: &[NewTurn],
) -> StoreResult<()> {
    let seqs: HashMap<&Uid, i32> = turns.iter().map(|t| (&t.turn.uid, t.turn.seq)).collect();
    let of = |step: &StepRow| seqs[&step.turn_uid];
    let seqs: Vec<i32> = steps.iter().map(of).collect();
    tx.steps_insert(session, steps, &seqs).await
}

/// What a session that is there lacks of a conversation.
struct Missing {
    /// Turns, without numbers of their own yet.
    turns: Vec<NewTurn>,
    /// Steps of those turns, and steps that follow those of turns that are there.
    steps: Vec<StepRow>,
}

impl Missing {
    fn of(conversation: &Conversation, turns: &[TurnRow], heads: &[StepHead]) -> Self {
        let known: HashSet<&Uid> = turns.iter().map(|turn| &turn.uid).collect();
        let mut stored: HashMap<&Uid, Vec<(i32, i32)>> = HashMap::new();
        for head in heads {
            stored
                .entry(&head.turn_uid)
                .or_default()
                .push((head.idx, head.tpe));
        }
        let mut given: HashMap<&Uid, Vec<(i32, i32)>> = HashMap::new();
        for step in &conversation.steps {
            given
                .entry(&step.turn_uid)
                .or_default()
                .push((step.idx, step.tpe));
        }
        // Steps are added to a turn only where it has nothing but the first of them: a turn that
        // was changed here is left alone.
        let grows = |uid: &Uid| {
            let stored = stored.get(uid).map_or(&[][..], Vec::as_slice);
            given
                .get(uid)
                .is_some_and(|given| given.starts_with(stored))
        };
        let have = |uid: &Uid| stored.get(uid).map_or(0, Vec::len);
        let mut seen: HashMap<&Uid, usize> = HashMap::new();
        let mut steps = Vec::new();
        for step in &conversation.steps {
            let nth = seen.entry(&step.turn_uid).or_default();
            let is_new = !known.contains(&step.turn_uid)
                || (*nth >= have(&step.turn_uid) && grows(&step.turn_uid));
            *nth += 1;
            if is_new {
                steps.push(step.clone());
            }
        }
        let turns = conversation
            .turns
            .iter()
            .filter(|turn| !known.contains(&turn.turn.uid));
        Self {
            turns: turns.cloned().collect(),
            steps,
        }
    }
}

fn agents(conversation: &Conversation, turns: &[TurnRow]) -> Vec<Uid> {
    let given: HashSet<&Uid> = conversation
        .turns
        .iter()
        .map(|turn| &turn.turn.uid)
        .collect();
    let agents = turns.iter().filter(|turn| turn.role == TurnRole::Agent);
    agents
        .filter(|turn| given.contains(&turn.uid))
        .map(|turn| turn.uid.clone())
        .collect()
}

async fn complete(
    record: &dyn RecordStore,
    now: Timestamp,
    (known, conversation): (SessionRow, &Conversation),
) -> StoreResult<Written> {
    let uid = &known.uid;
    // Who deleted a session does not want it back by importing other sessions again.
    if known.deleted_at.is_some() {
        return Ok(Written::Present);
    }
    let uids = [uid.clone()];
    let turns = record.turns_by_session(&known.account_uid, &uids).await?;
    let turns: Vec<TurnRow> = turns.into_iter().map(|row| row.turn).collect();
    let heads = record.step_heads(&agents(conversation, &turns)).await?;
    let stored = record.scores_by_session(&uids).await?;
    let stored: HashSet<Uid> = stored.into_iter().map(|(_, score)| score.uid).collect();
    let scores: Vec<_> = conversation
        .scores
        .iter()
        .filter(|s| !stored.contains(&s.uid))
        .cloned()
        .collect();
    let missing = Missing::of(conversation, &turns, &heads);
    if missing.turns.is_empty() && missing.steps.is_empty() && scores.is_empty() {
        return Ok(Written::Present);
    }
    let mut tx = record.begin().await?;
    let Some(locked) = tx.session_lock(&known.account_uid, uid).await? else {
        return Ok(refused(uid));
    };
    let turns = tx.turns(uid).await?;
    let heads = tx.step_heads(&agents(conversation, &turns)).await?;
    let mut missing = Missing::of(conversation, &turns, &heads);
    if let Some(uid) = taken(&mut *tx, &missing.turns).await? {
        return Ok(refused(&uid));
    }
    let rev = now.0.max(locked.rev);
    for (seq, turn) in (locked.next_seq..).zip(&mut missing.turns) {
        (turn.turn.seq, turn.turn.rev) = (seq, rev);
    }
    missing.steps.iter_mut().for_each(|step| step.rev = rev);
    tx.turns_insert(uid, &missing.turns).await?;
    let all = turns.iter().map(|turn| NewTurn {
        turn: turn.clone(),
        prompt: None,
    });
    let all: Vec<NewTurn> = all.chain(missing.turns.iter().cloned()).collect();
    insert_steps(&mut *tx, uid, &missing.steps, &all).await?;
    point(&mut *tx, now, (&locked, &turns), (conversation, &missing)).await?;
    tx.scores_insert(uid, &scores).await?;
    let new: HashSet<&Uid> = missing.turns.iter().map(|turn| &turn.turn.uid).collect();
    let about_new = conversation
        .metadata
        .iter()
        .filter(|row| match &row.target {
            Target::Session { .. } => false,
            Target::Turn { uid } | Target::Step { uid, .. } => new.contains(uid),
        });
    tx.metadata_set(uid, &about_new.cloned().collect::<Vec<_>>())
        .await?;
    tx.commit().await?;
    Ok(Written::Completed(added(
        &missing.turns,
        missing.steps.len(),
        scores.len(),
    )))
}

/// Shows what is new where nothing was shown before; what a person chose here stays.
async fn point(
    tx: &mut dyn RecordTransaction,
    now: Timestamp,
    (locked, turns): (&SessionRow, &[TurnRow]),
    (conversation, missing): (&Conversation, &Missing),
) -> StoreResult<()> {
    let given: HashMap<&Uid, &Option<Uid>> = conversation
        .turns
        .iter()
        .map(|turn| (&turn.turn.uid, &turn.turn.active_child))
        .collect();
    for turn in turns.iter().filter(|turn| turn.active_child.is_none()) {
        if let Some(Some(child)) = given.get(&turn.uid) {
            let patch = TurnPatch {
                active_child: Some(Some(child.clone())),
                ..TurnPatch::default()
            };
            tx.turn_update((turn.role, &turn.uid), &patch, now).await?;
        }
    }
    let count = i32::try_from(missing.turns.len()).unwrap_or(i32::MAX);
    let latest = conversation.session.last_activity_at;
    let root = &conversation.session.active_root;
    let patch = SessionPatch {
        active_root: (locked.active_root.is_none() && root.is_some()).then(|| root.clone()),
        next_seq: (count > 0).then(|| locked.next_seq.saturating_add(count)),
        last_activity_at: (latest > locked.last_activity_at).then_some(latest),
        ..SessionPatch::default()
    };
    if patch != SessionPatch::default() {
        tx.session_update(&locked.uid, &patch, now).await?;
    }
    Ok(())
}
