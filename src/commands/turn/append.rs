//! What appending a human and an agent turn have in common.

use super::active;
use crate::commands::attempt::{Attempt, Locked};
use crate::commands::draft::{About, Draft, Needs, Stop, Subject};
use crate::commands::execute::Command;
use crate::commands::outcome::UserErrorCode;
use crate::commands::rules::StepDraft;
use crate::domain::graph::Ix;
use crate::domain::{StepRow, Timestamp, TurnRole, TurnRow, TurnStatus, Uid};
use crate::stores::record::NewTurn;

const PARENT: &[&str] = &["input", "parentId"];

/// The kinds of turn with what only one of them has.
pub(super) enum Kind {
    Human {
        prompt: String,
    },
    Agent {
        steps: Vec<(i32, StepDraft)>,
        model: Option<String>,
        status: TurnStatus,
        finished_at: Option<Timestamp>,
        usage: Option<String>,
    },
}

/// A turn to append whose input passed the rules that need no store.
pub(super) struct Append {
    pub(super) session: Uid,
    pub(super) uid: Uid,
    /// The client chose the key, so it may be taken.
    pub(super) uid_given: bool,
    pub(super) parent: Option<Uid>,
    pub(super) activate: bool,
    pub(super) kind: Kind,
}

/// `appendHumanTurn`.
pub(super) struct AppendHuman(pub(super) Append);

/// `appendAgentTurn`.
pub(super) struct AppendAgent(pub(super) Append);

impl AppendHuman {
    pub(super) const NAME: &str = "appendHumanTurn";
}

impl AppendAgent {
    pub(super) const NAME: &str = "appendAgentTurn";
}

/// Both are the same command, but for their name.
macro_rules! append {
    ($command:ty) => {
        impl Command for $command {
            fn name(&self) -> &'static str {
                Self::NAME
            }

            fn needs(&self) -> Needs<'_> {
                self.0.needs()
            }

            fn bytes(&self) -> usize {
                self.0.bytes()
            }

            fn apply(&self, attempt: &mut Attempt<'_>) -> Result<Draft, Stop> {
                self.0.apply(attempt)
            }
        }
    };
}

append!(AppendHuman);
append!(AppendAgent);

impl Append {
    fn needs(&self) -> Needs<'_> {
        Needs {
            claim: self.uid_given.then_some(&self.uid),
            ..Needs::of(About::Session(&self.session))
        }
    }

    fn bytes(&self) -> usize {
        match &self.kind {
            Kind::Human { prompt } => prompt.len(),
            Kind::Agent { steps, .. } => steps.iter().map(|(_, step)| step.bytes()).sum(),
        }
    }

    fn apply(&self, attempt: &mut Attempt<'_>) -> Result<Draft, Stop> {
        let mut locked = attempt.lock(&self.session, &["sessionId"])?;
        let parent = self.parent(&locked)?;
        if self.uid_given && attempt.is_taken(&self.uid) {
            return Err(taken(&self.uid));
        }
        if locked.session.next_seq == i32::MAX {
            let message = "the session holds as many turns as can be numbered; fork it to go on";
            return Err(Stop::refuse(
                UserErrorCode::LimitExceeded,
                &["sessionId"],
                message,
            ));
        }
        let turn = self.row(attempt.now, &locked);
        let (seq, rev) = (turn.seq, turn.rev);
        let prompt = match &self.kind {
            Kind::Human { prompt } => Some(prompt.clone()),
            Kind::Agent { .. } => None,
        };
        locked.insert_turn(NewTurn { turn, prompt });
        let steps = self.steps(attempt.now, rev);
        let subject = Subject {
            idxs: steps.iter().map(|step| step.idx).collect(),
            ..Subject::turn(&self.uid)
        };
        locked.insert_steps(seq, steps);
        let root = locked.session.active_root.as_ref();
        let pointers = if self.activate {
            active::show_new(&locked.graph, root, parent, &self.uid)
        } else {
            active::keep(&locked.graph, root, parent)
        };
        active::write(&mut locked, pointers);
        locked.touch(attempt.now);
        Ok(attempt.settle(locked, subject))
    }

    fn role(&self) -> TurnRole {
        match self.kind {
            Kind::Human { .. } => TurnRole::Human,
            Kind::Agent { .. } => TurnRole::Agent,
        }
    }

    /// The parent, found in this session, living and of the other kind.
    fn parent(&self, locked: &Locked) -> Result<Option<Ix>, Stop> {
        let Some(uid) = &self.parent else {
            return Ok(None);
        };
        let ix = locked.turn(uid, PARENT)?;
        if locked.graph.turn(ix).role == self.role() {
            let message = match self.role() {
                TurnRole::Human => format!(
                    "turn {uid} is a human turn; a human turn follows an agent turn or begins \
                     the conversation"
                ),
                TurnRole::Agent => {
                    format!("turn {uid} is an agent turn; an agent turn follows a human turn")
                }
            };
            return Err(Stop::refuse(
                UserErrorCode::ParentRoleMismatch,
                PARENT,
                message,
            ));
        }
        if locked.graph.is_deleted(ix) {
            let message =
                format_args!("turn {uid} or a turn above it is deleted; restore it first");
            return Err(Stop::refuse(UserErrorCode::ParentDeleted, PARENT, message));
        }
        Ok(Some(ix))
    }

    fn row(&self, now: Timestamp, locked: &Locked) -> TurnRow {
        let mut row = human_row(
            self.uid.clone(),
            locked.session.next_seq,
            now,
            locked.insert_rev(now),
        );
        row.parent_uid.clone_from(&self.parent);
        if let Kind::Agent {
            model,
            status,
            finished_at,
            usage,
            ..
        } = &self.kind
        {
            row.role = TurnRole::Agent;
            row.model = model.as_deref().map(Into::into);
            row.status = Some(*status);
            // Without a word from the client, a turn that is done was done now.
            let done = (*status != TurnStatus::Streaming).then_some(now);
            row.finished_at = finished_at.or(done);
            row.usage = usage.as_deref().map(Into::into);
        }
        row
    }

    fn steps(&self, now: Timestamp, rev: i64) -> Vec<StepRow> {
        let Kind::Agent { steps, .. } = &self.kind else {
            return Vec::new();
        };
        let rows = steps.iter();
        rows.map(|(idx, step)| step.row(&self.uid, *idx, now, rev))
            .collect()
    }
}

/// A human turn without parent that was just written.
pub(in crate::commands) fn human_row(uid: Uid, seq: i32, now: Timestamp, rev: i64) -> TurnRow {
    TurnRow {
        uid,
        role: TurnRole::Human,
        parent_uid: None,
        active_child: None,
        seq,
        created_at: now,
        deleted_at: None,
        liked: None,
        model: None,
        status: None,
        finished_at: None,
        usage: None,
        rev,
    }
}

/// Refuses a key that a turn has already, of whatever account: keys are unique over all.
fn taken(uid: &Uid) -> Stop {
    let message = format_args!(
        "the key {uid} is taken; choose another, or leave it out and one is made. To repeat a \
         request safely, send an idempotencyKey with it"
    );
    Stop::refuse(UserErrorCode::Conflict, &["input", "uid"], message)
}
