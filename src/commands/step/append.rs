//! `appendSteps`: goes on with an agent turn, and may end it.

use super::update::agent_turn;
use crate::commands::attempt::Attempt;
use crate::commands::draft::{About, Draft, Needs, Stop, Subject};
use crate::commands::execute::{Command, Places};
use crate::commands::idempotency::{InputHash, Key};
use crate::commands::outcome::UserErrorCode;
use crate::commands::rules::{self, Faults, StepDraft, StepInput};
use crate::commands::{CommandResult, Commands, Outcome, StepsOf};
use crate::domain::{StepRow, Timestamp, TurnStatus, Uid};
use crate::stores::record::{TurnPatch, TurnProgress};

/// Input of [`Commands::append_steps`].
#[derive(Debug, Clone, PartialEq)]
pub struct AppendSteps {
    /// The agent turn.
    pub turn: Uid,
    /// The new steps; may be empty where `progress` is given.
    pub steps: Vec<StepInput>,
    /// How far the turn is with these steps; none leaves it as it is.
    pub progress: Option<StepsProgress>,
}

/// Progress that comes with steps, usually the end of a turn that was streaming.
#[derive(Debug, Clone, PartialEq)]
pub struct StepsProgress {
    /// How far.
    pub status: TurnStatus,
    /// When the agent was done; without it now, unless it is still streaming.
    pub finished_at: Option<Timestamp>,
    /// Token usage and cost as a JSON object; none keeps what is stored.
    pub usage: Option<String>,
}

impl AppendSteps {
    fn hash(&self) -> InputHash {
        let progress = self.progress.as_ref();
        InputHash::of(NAME)
            .text(self.turn.as_str())
            .steps(&self.steps)
            .option(progress.map(|p| p.status.as_str()))
            .option_number(progress.and_then(|p| p.finished_at).map(|at| at.0))
            .option(progress.and_then(|p| p.usage.as_deref()))
    }
}

const NAME: &str = "appendSteps";

struct Append {
    turn: Uid,
    steps: Vec<StepDraft>,
    progress: Option<StepsProgress>,
}

impl Command for Append {
    fn name(&self) -> &'static str {
        NAME
    }

    fn needs(&self) -> Needs<'_> {
        Needs {
            steps_of: Some(&self.turn),
            ..Needs::of(About::Turn(&self.turn))
        }
    }

    fn bytes(&self) -> usize {
        self.steps.iter().map(StepDraft::bytes).sum()
    }

    fn apply(&self, attempt: &mut Attempt<'_>) -> Result<Draft, Stop> {
        let mut locked = attempt.lock_of_turn(&self.turn, &["turnId"])?;
        let ix = agent_turn(&locked, &self.turn, &["turnId"])?;
        let stored = attempt.idxs_of(&locked.session.uid, &self.turn);
        let mut faults = Faults::default();
        let idxs = rules::places(&mut faults, &["steps"], &self.steps, &stored);
        if let Some(errors) = faults.refusal() {
            return Err(Stop(errors));
        }
        let (now, rev) = (attempt.now, locked.insert_rev(attempt.now));
        let rows = idxs.iter().zip(&self.steps);
        let rows: Vec<StepRow> = rows
            .map(|(&idx, step)| step.row(&self.turn, idx, now, rev))
            .collect();
        let seq = locked.graph.turn(ix).seq;
        locked.insert_steps(seq, rows);
        if let Some(progress) = &self.progress {
            let done = (progress.status != TurnStatus::Streaming).then_some(now);
            let patch = TurnPatch {
                progress: Some(TurnProgress {
                    status: progress.status,
                    finished_at: progress.finished_at.or(done),
                    usage: progress.usage.clone(),
                }),
                ..TurnPatch::default()
            };
            locked.edit_turn(ix, patch);
        }
        locked.touch(now);
        let subject = Subject {
            idxs,
            ..Subject::turn(&self.turn)
        };
        let mut draft = attempt.settle(locked, subject);
        // A revision names turns and sessions, which a copy may hold without these steps; so only
        // the position of the commit says that they are there.
        draft.rows.clear();
        Ok(draft)
    }
}

impl Commands {
    /// Appends steps to a living agent turn, and sets its progress; the subject is the turn and
    /// the indices of the new steps. Refusals name `turnId`, `steps`, `steps.N.{idx,content}`,
    /// `progress.{finishedAt,usage}` and `idempotencyKey`.
    pub async fn append_steps(
        &self,
        account: &Uid,
        input: AppendSteps,
        idempotency_key: Option<&str>,
    ) -> CommandResult<StepsOf> {
        let mut faults = Faults::default();
        let key = Key::check(&mut faults, idempotency_key, || input.hash());
        if input.steps.is_empty() && input.progress.is_none() {
            let message = "give at least one step, or the progress of the turn";
            faults.add(UserErrorCode::Required, &["steps"], message);
        }
        let steps = rules::steps(&mut faults, &["steps"], input.steps);
        if let Some(progress) = &input.progress {
            check_progress(&mut faults, progress);
        }
        if let Some(errors) = faults.refusal() {
            return Ok(Outcome::Refused(errors));
        }
        let command = Append {
            turn: input.turn,
            steps,
            progress: input.progress,
        };
        let outcome = self.run(account, command, key).await?;
        Ok(outcome.map(|written| written.map_subject(|_, places: Places| places.steps())))
    }
}

fn check_progress(faults: &mut Faults, progress: &StepsProgress) {
    if progress.status == TurnStatus::Streaming && progress.finished_at.is_some() {
        let message = "a turn that is streaming is not finished; leave finishedAt out";
        faults.add(UserErrorCode::Invalid, &["progress", "finishedAt"], message);
    }
    if let Some(usage) = &progress.usage {
        rules::usage(faults, &["progress", "usage"], usage);
    }
}
