//! `updateStep`: replaces the content of a step, e.g. when the result of a tool call arrives.

use crate::commands::attempt::{Attempt, Locked};
use crate::commands::draft::{About, Draft, Needs, Stop, Subject};
use crate::commands::execute::{Command, Places};
use crate::commands::outcome::{UserError, UserErrorCode};
use crate::commands::rules::{self, Faults};
use crate::commands::{CommandResult, Commands, Outcome, StepsOf};
use crate::domain::graph::Ix;
use crate::domain::{TurnRole, Uid};

struct Update {
    turn: Uid,
    idx: i32,
    content: String,
}

impl Command for Update {
    fn name(&self) -> &'static str {
        "updateStep"
    }

    fn needs(&self) -> Needs<'_> {
        Needs::of(About::Turn(&self.turn))
    }

    fn bytes(&self) -> usize {
        self.content.len()
    }

    fn apply(&self, attempt: &mut Attempt<'_>) -> Result<Draft, Stop> {
        let locked = attempt.lock_of_turn(&self.turn, &["id"])?;
        agent_turn(&locked, &self.turn, &["id"])?;
        let message = format_args!("turn {} has no step with index {}", self.turn, self.idx);
        let missing = UserError::new(UserErrorCode::NotFound, &["id"], message);
        let step = (&self.turn, self.idx);
        let provided = attempt.change_step(&locked, step, &self.content, missing);
        let subject = Subject {
            idxs: vec![self.idx],
            ..Subject::turn(&self.turn)
        };
        // The revision is the commit's position alone, as for `appendSteps`.
        Ok(Draft {
            provided,
            ..attempt.settle(locked, subject)
        })
    }
}

impl Commands {
    /// Replaces the content of a step of a living agent turn; the subject is the turn and the
    /// index. Repeating it writes the same content again. Refusals name `id` and `content`.
    pub async fn update_step(
        &self,
        account: &Uid,
        (turn, idx): (Uid, i32),
        content: String,
    ) -> CommandResult<StepsOf> {
        let mut faults = Faults::default();
        rules::content(&mut faults, &["content"], &content);
        if let Some(errors) = faults.refusal() {
            return Ok(Outcome::Refused(errors));
        }
        let outcome = self
            .run(account, Update { turn, idx, content }, None)
            .await?;
        Ok(outcome.map(|written| written.map_subject(|_, places: Places| places.steps())))
    }
}

/// A living agent turn.
pub(super) fn agent_turn(locked: &Locked, uid: &Uid, path: &[&str]) -> Result<Ix, Stop> {
    let ix = locked.living_turn(uid, path)?;
    if locked.graph.turn(ix).role != TurnRole::Agent {
        let message = format_args!("turn {uid} is a human turn; only agent turns have steps");
        return Err(Stop::refuse(UserErrorCode::Invalid, path, message));
    }
    Ok(ix)
}
