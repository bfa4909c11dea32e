//! The plainest projection there is: rows in memory, the newest version of each wins. It is held
//! against the record when a feed has told everything.

use std::collections::{BTreeMap, HashMap};

use turngraph::domain::change::{Change, Purge, PurgeKind};
use turngraph::domain::{SessionRow, StepRow, TurnRow, Uid};
use turngraph::stores::ProjectionSource;
use turngraph::stores::source::SourceTurn;

/// A turn as it was told.
struct Told {
    session: Uid,
    turn: TurnRow,
    prompt: Option<String>,
}

/// Rows and graves.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) sessions: HashMap<Uid, SessionRow>,
    turns: HashMap<Uid, Told>,
    steps: BTreeMap<(Uid, i32), StepRow>,
    /// Versions below which nothing of a session, a turn or a step may come back.
    graves: HashMap<(&'static str, Uid, i32), i64>,
}

impl Model {
    fn grave(&self, kind: &'static str, uid: &Uid, idx: i32) -> i64 {
        let found = self.graves.get(&(kind, uid.clone(), idx));
        found.copied().unwrap_or(i64::MIN)
    }

    /// Applies a change; turns that other programs wrote are read from the record.
    pub(crate) async fn apply(&mut self, change: Change, source: &dyn ProjectionSource) {
        match change {
            Change::Session(change) => self.session(change.row),
            Change::Turn(change) => self.turn(change.session_uid, change.turn, change.prompt),
            Change::Step(change) => self.step(change.step),
            Change::Purge(purge) => self.purge(&purge),
            Change::Numbered {
                session_uid,
                from_seq,
                to_seq,
            } => {
                let turns = source.turns(&session_uid, from_seq, to_seq).await.unwrap();
                self.backfill(&session_uid, turns);
            }
            Change::Suspect { row, .. } => panic!("nothing is suspect here: {row}"),
        }
    }

    /// Takes turns that were read from the record.
    pub(crate) fn backfill(&mut self, session: &Uid, turns: Vec<SourceTurn>) {
        for turn in turns {
            self.turn(session.clone(), turn.turn, turn.prompt);
            turn.steps.into_iter().for_each(|step| self.step(step));
        }
    }

    pub(crate) fn session(&mut self, row: SessionRow) {
        let newer = self
            .sessions
            .get(&row.uid)
            .is_none_or(|old| old.rev <= row.rev);
        if newer && row.rev > self.grave("session", &row.uid, 0) {
            self.sessions.insert(row.uid.clone(), row);
        }
    }

    fn turn(&mut self, session: Uid, turn: TurnRow, prompt: Option<String>) {
        let newer = self
            .turns
            .get(&turn.uid)
            .is_none_or(|old| old.turn.rev <= turn.rev);
        let grave = self
            .grave("turn", &turn.uid, 0)
            .max(self.grave("session", &session, 0));
        if newer && turn.rev > grave {
            let told = Told {
                session,
                turn,
                prompt,
            };
            self.turns.insert(told.turn.uid.clone(), told);
        }
    }

    fn step(&mut self, step: StepRow) {
        let key = (step.turn_uid.clone(), step.idx);
        let newer = self.steps.get(&key).is_none_or(|old| old.rev <= step.rev);
        let grave = self.grave("steps", &step.turn_uid, 0).max(self.grave(
            "step",
            &step.turn_uid,
            step.idx,
        ));
        if newer && step.rev > grave {
            self.steps.insert(key, step);
        }
    }

    fn purge(&mut self, purge: &Purge) {
        let (kind, idx) = match purge.kind {
            PurgeKind::Session => ("session", 0),
            PurgeKind::Turn => ("turn", 0),
            PurgeKind::TurnSteps => ("steps", 0),
            PurgeKind::Step => ("step", purge.idx.unwrap()),
            // Rows are known by their keys here, so only a step's own key can have moved away.
            PurgeKind::Address if purge.idx.is_some() => ("step", purge.idx.unwrap()),
            PurgeKind::Address | PurgeKind::Listing | PurgeKind::Account => return,
        };
        let grave = self.graves.entry((kind, purge.uid.clone(), idx));
        let rev = *grave
            .and_modify(|rev| *rev = purge.rev.max(*rev))
            .or_insert(purge.rev);
        let uid = &purge.uid;
        match kind {
            "session" => {
                self.sessions.retain(|key, row| key != uid || row.rev > rev);
                self.turns
                    .retain(|_, told| told.session != *uid || told.turn.rev > rev);
            }
            "turn" => self
                .turns
                .retain(|key, told| key != uid || told.turn.rev > rev),
            "steps" => self
                .steps
                .retain(|(turn, _), step| turn != uid || step.rev > rev),
            _ => self
                .steps
                .retain(|(turn, at), step| turn != uid || *at != idx || step.rev > rev),
        }
    }

    /// Turns of a session with their content, by number.
    pub(crate) fn turns(&self, session: &Uid) -> Vec<SourceTurn> {
        let mut turns: Vec<SourceTurn> = self
            .turns
            .values()
            .filter(|told| told.session == *session)
            .map(|told| SourceTurn {
                turn: told.turn.clone(),
                prompt: told.prompt.clone(),
                steps: self
                    .steps
                    .range((told.turn.uid.clone(), i32::MIN)..=(told.turn.uid.clone(), i32::MAX))
                    .map(|(_, step)| step.clone())
                    .collect(),
            })
            .collect();
        turns.sort_by_key(|turn| turn.turn.seq);
        turns
    }

    /// Takes everything that the record has now.
    pub(crate) async fn fill(&mut self, source: &dyn ProjectionSource) {
        for uid in all_sessions(source).await {
            let rows = source
                .session_rows(std::slice::from_ref(&uid))
                .await
                .unwrap();
            rows.into_iter().for_each(|row| self.session(row));
            let turns = source.turns(&uid, 0, i32::MAX).await.unwrap();
            self.backfill(&uid, turns);
        }
    }

    /// Fails unless this is what the record has.
    pub(crate) async fn assert_is(&self, source: &dyn ProjectionSource) {
        let uids = all_sessions(source).await;
        let mut known: Vec<&Uid> = self.sessions.keys().collect();
        known.sort();
        assert_eq!(known, uids.iter().collect::<Vec<_>>());
        for uid in &uids {
            let rows = source
                .session_rows(std::slice::from_ref(uid))
                .await
                .unwrap();
            assert_eq!(self.sessions.get(uid), rows.first());
            let turns = source.turns(uid, 0, i32::MAX).await.unwrap();
            assert_eq!(self.turns(uid), turns, "{uid}");
        }
    }
}

async fn all_sessions(source: &dyn ProjectionSource) -> Vec<Uid> {
    source.session_uids(None, usize::MAX).await.unwrap()
}
