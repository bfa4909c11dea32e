//! Rows of sessions, turns, steps and keys as both engines answer them, and their way into the
//! domain. Scores and metadata are in `score`.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row};

use super::columns::{DbTime, DbUid};
use super::record::{RowError, record};
use crate::domain::step::StepHead;
use crate::domain::{SessionRow, StepRow, TurnRole, TurnRow, TurnStatus, Uid};
use crate::stores::listing::TurnHit;
use crate::stores::record::{IdempotencyRecord, SessionTurn, StepVersion};

record! {
    /// A row of `sessions`.
    SessionRecord {
        /// Key.
        uid: DbUid,
        /// Owner.
        account_uid: DbUid,
        /// Title.
        title: Option<Box<str>>,
        /// When it began.
        created_at: DbTime,
        /// Soft deletion.
        deleted_at: Option<DbTime>,
        /// Root that is shown.
        active_root: Option<DbUid>,
        /// Number of the next turn.
        next_seq: i32,
        /// Last activity.
        last_activity_at: DbTime,
        /// Origin of a fork as JSON text.
        forked_from: Option<String>,
        /// Version.
        rev: i64,
    }
}

impl TryFrom<SessionRecord> for SessionRow {
    type Error = RowError;

    fn try_from(row: SessionRecord) -> Result<Self, RowError> {
        let uid = Uid::from(row.uid);
        let forked_from = row
            .forked_from
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|error| RowError {
                row: format!("session {uid}"),
                reason: format!("`forked_from` is not the origin of a fork: {error}"),
            })?;
        Ok(Self {
            uid,
            account_uid: row.account_uid.into(),
            title: row.title,
            created_at: row.created_at.into(),
            deleted_at: row.deleted_at.map(Into::into),
            active_root: row.active_root.map(Into::into),
            next_seq: row.next_seq,
            last_activity_at: row.last_activity_at.into(),
            forked_from,
            rev: row.rev,
        })
    }
}

record! {
    /// A turn of either table, with its session.
    TurnRecord {
        /// Session.
        session_uid: DbUid,
        /// Key.
        uid: DbUid,
        /// Whether the turn is an agent's.
        agent: bool,
        /// Parent.
        parent_uid: Option<DbUid>,
        /// Child that is shown.
        active_child: Option<DbUid>,
        /// Number within the session.
        seq: i32,
        /// When it was written.
        created_at: DbTime,
        /// Soft deletion.
        deleted_at: Option<DbTime>,
        /// Vote.
        liked: Option<bool>,
        /// Model.
        model: Option<Box<str>>,
        /// Progress, as text.
        status: Option<String>,
        /// When the agent was done.
        finished_at: Option<DbTime>,
        /// Usage as JSON text.
        usage: Option<Box<str>>,
        /// Version.
        rev: i64,
    }
}

/// The role that the column `agent` stands for.
pub fn role(agent: bool) -> TurnRole {
    if agent {
        TurnRole::Agent
    } else {
        TurnRole::Human
    }
}

impl From<TurnRecord> for SessionTurn {
    fn from(row: TurnRecord) -> Self {
        Self {
            session_uid: row.session_uid.into(),
            turn: TurnRow {
                uid: row.uid.into(),
                role: role(row.agent),
                parent_uid: row.parent_uid.map(Into::into),
                active_child: row.active_child.map(Into::into),
                seq: row.seq,
                created_at: row.created_at.into(),
                deleted_at: row.deleted_at.map(Into::into),
                liked: row.liked,
                model: row.model,
                status: row.status.as_deref().and_then(TurnStatus::from_stored),
                finished_at: row.finished_at.map(Into::into),
                usage: row.usage,
                rev: row.rev,
            },
        }
    }
}

record! {
    /// A row of `steps`.
    StepRecord {
        /// Turn.
        agent_turn_uid: DbUid,
        /// Place.
        idx: i32,
        /// Type.
        tpe: i32,
        /// Content.
        content: Box<str>,
        /// When it was written.
        created_at: DbTime,
        /// Version.
        rev: i64,
    }
}

impl From<StepRecord> for StepRow {
    fn from(row: StepRecord) -> Self {
        Self {
            turn_uid: row.agent_turn_uid.into(),
            idx: row.idx,
            tpe: row.tpe,
            content: row.content,
            created_at: row.created_at.into(),
            rev: row.rev,
        }
    }
}

record! {
    /// A step whose content was replaced.
    StepVersionRecord {
        /// Turn.
        agent_turn_uid: DbUid,
        /// Place.
        idx: i32,
        /// Type.
        tpe: i32,
        /// When it was written first.
        created_at: DbTime,
        /// New version.
        rev: i64,
    }
}

impl From<StepVersionRecord> for ((Uid, i32), StepVersion) {
    fn from(row: StepVersionRecord) -> Self {
        let version = StepVersion {
            tpe: row.tpe,
            created_at: row.created_at.into(),
            rev: row.rev,
        };
        ((row.agent_turn_uid.into(), row.idx), version)
    }
}

record! {
    /// A row of `steps` without its content.
    StepHeadRecord {
        /// Turn.
        agent_turn_uid: DbUid,
        /// Place.
        idx: i32,
        /// Type.
        tpe: i32,
    }
}

impl From<StepHeadRecord> for StepHead {
    fn from(row: StepHeadRecord) -> Self {
        Self {
            turn_uid: row.agent_turn_uid.into(),
            idx: row.idx,
            tpe: row.tpe,
        }
    }
}

record! {
    /// A turn's key and its session's.
    TurnSessionRecord {
        /// Turn.
        uid: DbUid,
        /// Session.
        session_uid: DbUid,
    }
}

record! {
    /// A human turn's prompt.
    PromptRecord {
        /// Turn.
        uid: DbUid,
        /// Prompt.
        prompt: String,
    }
}

record! {
    /// A single key.
    UidRecord {
        /// Key.
        uid: DbUid,
    }
}

record! {
    /// The version of the row that a statement wrote.
    RevRecord {
        /// Version.
        rev: i64,
    }
}

record! {
    /// A row of `idempotency_keys`.
    IdempotencyKeyRecord {
        /// Hash of the input.
        input_hash: String,
        /// Answer.
        answer: String,
    }
}

impl From<IdempotencyKeyRecord> for IdempotencyRecord {
    fn from(row: IdempotencyKeyRecord) -> Self {
        Self {
            input_hash: row.input_hash,
            answer: row.answer,
        }
    }
}

record! {
    /// A candidate of a search.
    TurnHitRecord {
        /// Turn.
        uid: DbUid,
        /// Session.
        session_uid: DbUid,
        /// Whether the turn is an agent's.
        agent: bool,
        /// When it was written.
        created_at: DbTime,
        /// Prompt of a human turn.
        prompt: Option<String>,
        /// Contents of an agent turn's text steps, as a JSON list of texts.
        contents: Option<String>,
    }
}

impl TryFrom<TurnHitRecord> for TurnHit {
    type Error = RowError;

    fn try_from(row: TurnHitRecord) -> Result<Self, RowError> {
        let uid = Uid::from(row.uid);
        let texts = match (row.prompt, row.contents) {
            (Some(prompt), _) => vec![prompt],
            (None, Some(contents)) => serde_json::from_str(&contents).map_err(|_| RowError {
                row: format!("agent turn {uid}"),
                reason: "the store's list of its text steps is not JSON".to_owned(),
            })?,
            (None, None) => vec![],
        };
        Ok(Self {
            uid,
            session_uid: row.session_uid.into(),
            role: role(row.agent),
            created_at: row.created_at.into(),
            texts,
        })
    }
}
