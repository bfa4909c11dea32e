//! `appendAgentTurn`: an answer with its steps, whole or to be continued.

use super::append::{Append, AppendAgent, Kind};
use crate::commands::execute::Places;
use crate::commands::idempotency::{InputHash, Key};
use crate::commands::outcome::UserErrorCode;
use crate::commands::rules::{self, Faults, StepInput};
use crate::commands::{CommandResult, Commands, Outcome, StepsOf};
use crate::domain::{Timestamp, TurnStatus, Uid};

/// Input of [`Commands::append_agent_turn`].
#[derive(Debug, Clone, PartialEq)]
pub struct AppendAgentTurn {
    /// The session.
    pub session: Uid,
    /// Key of the new turn; without it one is made.
    pub uid: Option<String>,
    /// The human turn that is answered. A regenerated answer is one more child of it.
    pub parent: Uid,
    /// What the agent did so far; may be empty.
    pub steps: Vec<StepInput>,
    /// Model that answers, where known.
    pub model: Option<String>,
    /// How far the answer is. `Streaming` announces `appendSteps`.
    pub status: TurnStatus,
    /// When the agent was done; without it now, unless it is still streaming.
    pub finished_at: Option<Timestamp>,
    /// Token usage and cost as a JSON object.
    pub usage: Option<String>,
    /// Whether the path through the new turn becomes the active one, see
    /// [`AppendHumanTurn::activate`](super::AppendHumanTurn).
    pub activate: bool,
}

impl AppendAgentTurn {
    fn hash(&self) -> InputHash {
        InputHash::of(AppendAgent::NAME)
            .text(self.session.as_str())
            .option(self.uid.as_deref())
            .text(self.parent.as_str())
            .steps(&self.steps)
            .option(self.model.as_deref())
            .text(self.status.as_str())
            .option_number(self.finished_at.map(|at| at.0))
            .option(self.usage.as_deref())
            .number(i64::from(self.activate))
    }
}

impl Commands {
    /// Appends an agent turn with its steps; the subject is the turn and the indices of the
    /// steps. Refusals name `sessionId`, `input.{uid,parentId,steps.N.{idx,content},model,
    /// finishedAt,usage}` and `idempotencyKey`.
    pub async fn append_agent_turn(
        &self,
        account: &Uid,
        input: AppendAgentTurn,
        idempotency_key: Option<&str>,
    ) -> CommandResult<StepsOf> {
        let mut faults = Faults::default();
        let key = Key::check(&mut faults, idempotency_key, || input.hash());
        let uid = self.uid_or_new(&mut faults, input.uid.as_deref());
        let steps = rules::steps(&mut faults, &["input", "steps"], input.steps);
        // Without stored steps the places depend on the input alone.
        let idxs = rules::places(&mut faults, &["input", "steps"], &steps, &[]);
        if let Some(model) = &input.model {
            rules::model(&mut faults, &["input", "model"], model);
        }
        if input.status == TurnStatus::Streaming && input.finished_at.is_some() {
            let message = "a turn that is streaming is not finished; leave finishedAt out";
            faults.add(UserErrorCode::Invalid, &["input", "finishedAt"], message);
        }
        if let Some(usage) = &input.usage {
            rules::usage(&mut faults, &["input", "usage"], usage);
        }
        if let Some(errors) = faults.refusal() {
            return Ok(Outcome::Refused(errors));
        }
        let command = AppendAgent(Append {
            session: input.session,
            uid,
            uid_given: input.uid.is_some(),
            parent: Some(input.parent),
            activate: input.activate,
            kind: Kind::Agent {
                steps: idxs.into_iter().zip(steps).collect(),
                model: input.model,
                status: input.status,
                finished_at: input.finished_at,
                usage: input.usage,
            },
        });
        let outcome = self.run(account, command, key).await?;
        Ok(outcome.map(|written| written.map_subject(|_, places: Places| places.steps())))
    }
}
