//! What the projector asks of a record store, where both engines take the same statement.
//!
//! Rows that the projector reads and jobs leave: addresses, turns with content, purges, dead
//! letters, progress.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row};

use super::Statement;
use super::columns::{DbTime, DbUid};
use super::record::{RowError, record};
use super::records::TurnRecord;
use super::statements::statements;
use crate::domain::change::{Purge, PurgeKind};
use crate::domain::{StepRow, Uid};
use crate::stores::record::SessionTurn;
use crate::stores::source::{Contested, DeadLetter, SourceTurn, TurnAddress};

/// Longest description of a row in the dead letters, in bytes: it is part of a key.
const ROW_BYTES_MAX: usize = 600;

record! {
    /// A turn that has an address.
    AddressRecord {
        /// Turn.
        uid: DbUid,
        /// Session.
        session_uid: DbUid,
        /// Number.
        seq: i32,
    }
}

impl From<AddressRecord> for TurnAddress {
    fn from(row: AddressRecord) -> Self {
        Self {
            turn_uid: row.uid.into(),
            session_uid: row.session_uid.into(),
            seq: row.seq,
        }
    }
}

/// A turn and one of its steps, or none.
#[derive(Debug)]
pub struct SourceRecord {
    turn: TurnRecord,
    prompt: Option<String>,
    step: Option<StepRow>,
}

impl SourceRecord {
    /// Names of the columns in their order: those of [`TurnRecord`], the prompt, the step.
    pub const COLUMNS: &'static [&'static str] = &[
        "session_uid",
        "uid",
        "agent",
        "parent_uid",
        "active_child",
        "seq",
        "created_at",
        "deleted_at",
        "liked",
        "model",
        "status",
        "finished_at",
        "usage",
        "rev",
        "prompt",
        "step_idx",
        "step_tpe",
        "step_content",
        "step_created_at",
        "step_rev",
    ];
}

/// Reads the columns of either engine's row.
macro_rules! source_record {
    ($row:ty) => {
        impl FromRow<'_, $row> for SourceRecord {
            fn from_row(row: &$row) -> Result<Self, sqlx::Error> {
                let turn = TurnRecord::from_row(row)?;
                let at = TurnRecord::COLUMNS.len();
                let idx: Option<i32> = row.try_get(at + 1)?;
                let step = match idx {
                    None => None,
                    Some(idx) => Some(StepRow {
                        turn_uid: turn.uid.0.clone(),
                        idx,
                        tpe: row.try_get(at + 2)?,
                        content: row.try_get::<Box<str>, _>(at + 3)?,
                        created_at: row.try_get::<DbTime, _>(at + 4)?.into(),
                        rev: row.try_get(at + 5)?,
                    }),
                };
                Ok(Self {
                    prompt: row.try_get(at)?,
                    turn,
                    step,
                })
            }
        }
    };
}

source_record!(PgRow);
source_record!(SqliteRow);

/// Turns with their steps, out of rows that come turn after turn and step after step.
pub fn source_turns(rows: Vec<SourceRecord>) -> Vec<SourceTurn> {
    let mut turns: Vec<SourceTurn> = Vec::new();
    for SourceRecord { turn, prompt, step } in rows {
        let same = |last: &&mut SourceTurn| last.turn.uid == turn.uid.0;
        if let Some(last) = turns.last_mut().filter(same) {
            last.steps.extend(step);
        } else {
            turns.push(SourceTurn {
                turn: SessionTurn::from(turn).turn,
                prompt,
                steps: step.into_iter().collect(),
            });
        }
    }
    turns
}

record! {
    /// A turn's number that cannot stand.
    ContestedRecord {
        /// Session.
        session_uid: DbUid,
        /// Number.
        seq: i32,
        /// Whether two turns have it, or the session would give it again.
        fault: String,
    }
}

impl From<ContestedRecord> for Contested {
    fn from(row: ContestedRecord) -> Self {
        Self {
            session_uid: row.session_uid.into(),
            seq: row.seq,
            twice: row.fault == "twice",
        }
    }
}

record! {
    /// A row of `purge_log`.
    PurgeRecord {
        /// What is gone.
        kind: String,
        /// Session.
        session_uid: Option<DbUid>,
        /// Number.
        seq: Option<i32>,
        /// Key.
        uid: DbUid,
        /// Step.
        idx: Option<i32>,
        /// Account.
        account_uid: Option<DbUid>,
        /// Creation time of what is gone.
        created_at: Option<DbTime>,
        /// Version.
        rev: i64,
    }
}

impl TryFrom<PurgeRecord> for Purge {
    type Error = RowError;

    fn try_from(row: PurgeRecord) -> Result<Self, RowError> {
        let uid = Uid::from(row.uid);
        let kind = PurgeKind::from_stored(&row.kind).ok_or_else(|| RowError {
            row: format!("purge of {uid}"),
            reason: format!("`kind` is `{}`, which this program does not know", row.kind),
        })?;
        Ok(Self {
            kind,
            session_uid: row.session_uid.map(Into::into),
            seq: row.seq,
            uid,
            idx: row.idx,
            account_uid: row.account_uid.map(Into::into),
            created_at: row.created_at.map(Into::into),
            rev: row.rev,
        })
    }
}

record! {
    /// A row of `dead_letters`.
    DeadLetterRecord {
        /// Number.
        id: i64,
        /// Session.
        session_uid: Option<DbUid>,
        /// Table and key.
        row_key: String,
        /// Version.
        row_rev: Option<i64>,
        /// What is wrong.
        problem: String,
        /// Place in the feed.
        feed_position: i64,
        /// When.
        created_at: DbTime,
        /// Repairs tried.
        attempts: i32,
    }
}

impl From<DeadLetterRecord> for DeadLetter {
    fn from(row: DeadLetterRecord) -> Self {
        Self {
            id: row.id,
            session_uid: row.session_uid.map(Into::into),
            row: row.row_key,
            rev: row.row_rev,
            error: row.problem,
            position: row.feed_position.cast_unsigned(),
            at: row.created_at.into(),
            attempts: row.attempts,
        }
    }
}

/// The description of a row, cut where it would be too long for a key.
pub fn row_key(row: &str) -> &str {
    match row
        .char_indices()
        .find(|(at, c)| at + c.len_utf8() > ROW_BYTES_MAX)
    {
        None => row,
        Some((at, _)) => &row[..at],
    }
}

statements! { SOURCE:
    /// Gives the row of session `$1` a new version, by the trigger on updates.
    SESSION_TOUCH(&[]) = "update sessions set rev = rev where uid = $1";

    /// The same for its human turns.
    HUMAN_TURNS_TOUCH(&[]) = "update human_turns set rev = rev where session_uid = $1";

    /// The same for its agent turns.
    AGENT_TURNS_TOUCH(&[]) = "update agent_turns set rev = rev where session_uid = $1";

    /// The same for their steps.
    STEPS_TOUCH(&[]) = "
        update steps set rev = rev
        where agent_turn_uid in (select uid from agent_turns where session_uid = $1)";

    /// Numbers that two turns of a session have, and turns whose number the session would give
    /// again; `$1` at most.
    CONTESTED(ContestedRecord::COLUMNS) = "
        select h.session_uid, h.seq, 'twice' as fault
        from human_turns h join agent_turns a on a.session_uid = h.session_uid and a.seq = h.seq
        union all
        select t.session_uid, t.seq, 'again' as fault
        from human_turns t join sessions s on s.uid = t.session_uid and t.seq >= s.next_seq
        union all
        select t.session_uid, t.seq, 'again' as fault
        from agent_turns t join sessions s on s.uid = t.session_uid and t.seq >= s.next_seq
        limit $1";

    /// Purges logged for session `$1`, oldest first.
    PURGES(PurgeRecord::COLUMNS) = "
        select kind, session_uid, seq, uid, idx, account_uid, created_at, rev
        from purge_log where session_uid = $1 order by id";

    /// Keeps a change that could not be applied: `$1` session, `$2` row, `$3` version, `$4`
    /// problem, `$5` place in the feed, `$6` when, `$7` tries. Told again, it is kept once.
    DEAD_LETTER_INSERT(&[]) = "
        insert into dead_letters (session_uid, row_key, row_rev, problem, feed_position,
            created_at, attempts)
        values ($1, $2, $3, $4, $5, $6, $7)
        on conflict (feed_position, row_key) do nothing";

    /// Dead letters, oldest first, `$1` at most.
    DEAD_LETTERS(DeadLetterRecord::COLUMNS) = "
        select id, session_uid, row_key, row_rev, problem, feed_position, created_at, attempts
        from dead_letters order by id limit $1";

    /// Removes the dead letters of session `$1` up to `$2`.
    DEAD_LETTERS_RESOLVE(&[]) = "
        delete from dead_letters where session_uid = $1 and id <= $2";

    /// Counts one more try of dead letter `$1`.
    DEAD_LETTER_TRIED(&[]) = "
        update dead_letters set attempts = attempts + 1 where id = $1";

    /// Where job `$1` has come to.
    PROGRESS(&["progress"]) = "select progress from projection_progress where job = $1";

    /// Notes where job `$1` has come to: `$2`.
    PROGRESS_SET(&[]) = "
        insert into projection_progress (job, progress) values ($1, $2)
        on conflict (job) do update set
            progress = excluded.progress, updated_at = excluded.updated_at";

    /// Forgets job `$1`.
    PROGRESS_FORGET(&[]) = "delete from projection_progress where job = $1";
}

/// Statements that give a session's rows new versions; the session's own comes first, as in every
/// transaction that writes a session.
pub const TOUCH: [Statement; 4] = [
    SESSION_TOUCH,
    HUMAN_TURNS_TOUCH,
    AGENT_TURNS_TOUCH,
    STEPS_TOUCH,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_description_is_cut_between_two_characters() {
        assert_eq!(row_key("steps a1 0"), "steps a1 0");
        let long = "ü".repeat(ROW_BYTES_MAX);
        assert_eq!(row_key(&long).len(), ROW_BYTES_MAX);
        assert_eq!(row_key(&format!("x{long}")).len(), ROW_BYTES_MAX - 1);
    }
}
