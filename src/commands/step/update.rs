//! `updateStep`: replaces the content of a step, e.g. when the result of a tool call arrives.

use async_trait::async_trait;

use crate::commands::attempt::{Attempt, Draft, Locked, Stop, Subject};
use crate::commands::execute::{Command, Places};
use crate::commands::outcome::UserErrorCode;
use crate::commands::rules::{self, Faults};
use crate::commands::{CommandResult, Commands, Outcome, StepsOf};
use crate::domain::graph::Ix;
use crate::domain::{TurnRole, Uid};

struct Update {
    turn: Uid,
    idx: i32,
    content: String,
}

#[async_trait]
impl Command for Update {
    const NAME: &'static str = "updateStep";

    async fn apply(&self, attempt: &mut Attempt<'_>) -> Result<Draft, Stop> {
        let mut locked = attempt.lock_of_turn(&self.turn, &["id"]).await?;
        agent_turn(&locked, &self.turn, &["id"])?;
        let now = attempt.now;
        let rev = attempt
            .tx
            .step_update(&self.turn, self.idx, &self.content, now)
            .await?;
        if rev.is_none() {
            let message = format_args!("turn {} has no step with index {}", self.turn, self.idx);
            return Err(Stop::refuse(UserErrorCode::NotFound, &["id"], message));
        }
        // The store does not tell the step's other values, so the change feed must.
        locked.written.leave_out();
        let subject = Subject {
            idxs: vec![self.idx],
            ..Subject::turn(&self.turn)
        };
        // The revision is the commit's position alone, as for `appendSteps`.
        attempt.settle(locked, subject).await
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
            .run(account, &Update { turn, idx, content }, None)
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
