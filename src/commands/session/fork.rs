//! `forkSession`: a new session that begins with copies of another one's turns.

use std::collections::HashMap;
use std::sync::Arc;

use super::fork_plan::{self, ForkScope};
use crate::commands::attempt::{Attempt, Locked};
use crate::commands::draft::{About, Draft, Needs, Stop, Subject};
use crate::commands::execute::{Command, Places};
use crate::commands::group::Sheet;
use crate::commands::idempotency::{InputHash, Key};
use crate::commands::outcome::{UserError, UserErrorCode};
use crate::commands::rules::{self, Faults};
use crate::commands::{CommandResult, Commands, Outcome, WrittenRows};
use crate::domain::graph::Ix;
use crate::domain::{ForkOrigin, SessionGraph, SessionRow, TurnRole, TurnRow, Uid, UidSource};
use crate::stores::RecordTransaction;
use crate::stores::record::{NewTurn, StoreResult};

/// Turns that one fork copies at most.
pub const FORK_TURNS_MAX: usize = 100_000;

/// Turns whose content is copied at a time, which bounds the memory that a fork takes.
const TURNS_PER_COPY: usize = 500;

/// Input of [`Commands::fork_session`].
#[derive(Debug, Clone, PartialEq)]
pub struct ForkSession {
    /// The session to copy from.
    pub session: Uid,
    /// The turn to fork at: the last one of the copy's active path.
    pub turn: Uid,
    /// What is copied.
    pub scope: ForkScope,
    /// Title of the new session; without it that of the source.
    pub title: Option<String>,
}

impl ForkSession {
    fn hash(&self) -> InputHash {
        InputHash::of(NAME)
            .text(self.session.as_str())
            .text(self.turn.as_str())
            .text(self.scope.name())
            .option(self.title.as_deref())
    }
}

const NAME: &str = "forkSession";

struct Fork {
    input: ForkSession,
    uid: Uid,
    uids: Arc<dyn UidSource>,
}

impl Command for Fork {
    fn name(&self) -> &'static str {
        NAME
    }

    fn needs(&self) -> Needs<'_> {
        Needs::of(About::Session(&self.input.session))
    }

    /// It copies as much as there is.
    fn bytes(&self) -> usize {
        usize::MAX
    }

    fn apply(&self, attempt: &mut Attempt<'_>) -> Result<Draft, Stop> {
        let source = attempt.lock(&self.input.session, &["sessionId"])?;
        let at = source.living_turn(&self.input.turn, &["turnId"])?;
        let graph = &source.graph;
        let chosen = fork_plan::chosen(graph, at, self.input.scope);
        if chosen.len() > FORK_TURNS_MAX {
            let message = format_args!(
                "{} turns are more than the {FORK_TURNS_MAX} that a fork copies; choose a \
                 smaller scope",
                chosen.len()
            );
            return Err(Stop::refuse(
                UserErrorCode::LimitExceeded,
                &["scope"],
                message,
            ));
        }
        let keys: Vec<Uid> = chosen.iter().map(|_| self.uids.next()).collect();
        let key_of = |ix: Ix| {
            chosen
                .iter()
                .position(|&c| c == ix)
                .map(|at| keys[at].clone())
        };
        let session = self.session(attempt, &source, key_of(graph.path_to(at)[0]), chosen.len());
        let forked_at = key_of(at).expect("the turn that is forked at is copied");
        let turns = fork_plan::copies(graph, at, &chosen, keys, attempt.now.0);
        let message = "the key made for the new session is taken; try again";
        let taken = UserError::new(UserErrorCode::Conflict, &["sessionId"], message);
        let sheet = Sheet::copy(session, turns);
        let draft = attempt.create(sheet, Subject::turn(&forked_at), taken)?;
        let source = source.graph;
        Ok(Draft {
            copies: Some(ForkCopies { source, chosen }),
            ..draft
        })
    }
}

impl Fork {
    fn session(
        &self,
        attempt: &Attempt<'_>,
        source: &Locked,
        active_root: Option<Uid>,
        turns: usize,
    ) -> SessionRow {
        let now = attempt.now;
        let given = self.input.title.as_deref().map(Into::into);
        SessionRow {
            uid: self.uid.clone(),
            account_uid: attempt.account.clone(),
            title: given.or_else(|| source.session.title.clone()),
            created_at: now,
            deleted_at: None,
            active_root,
            next_seq: i32::try_from(turns).expect("a fork has at most 100,000 turns"),
            last_activity_at: now,
            forked_from: Some(ForkOrigin {
                session_uid: self.input.session.clone(),
                turn_uid: self.input.turn.clone(),
                at: now,
            }),
            rev: now.0,
        }
    }
}

/// The content of a fork, copied after its session is there.
pub(in crate::commands) struct ForkCopies {
    source: Arc<SessionGraph>,
    /// Turns of the source, in the order of their copies.
    chosen: Vec<Ix>,
}

impl ForkCopies {
    /// Inserts the copies, given by the key of their session, with prompts and steps.
    pub(in crate::commands) async fn write(
        &self,
        tx: &mut dyn RecordTransaction,
        (session, copies): (&Uid, &[TurnRow]),
        told: &mut WrittenRows,
    ) -> StoreResult<()> {
        for (sources, copies) in self
            .chosen
            .chunks(TURNS_PER_COPY)
            .zip(copies.chunks(TURNS_PER_COPY))
        {
            self.write_some(tx, session, (sources, copies), told)
                .await?;
        }
        Ok(())
    }

    fn of_role(&self, sources: &[Ix], role: TurnRole) -> Vec<Uid> {
        let turns = sources.iter().map(|&ix| self.source.turn(ix));
        turns
            .filter(|turn| turn.role == role)
            .map(|turn| turn.uid.clone())
            .collect()
    }

    async fn write_some(
        &self,
        tx: &mut dyn RecordTransaction,
        session: &Uid,
        (sources, copies): (&[Ix], &[TurnRow]),
        told: &mut WrittenRows,
    ) -> StoreResult<()> {
        let uid_of = |ix: Ix| &self.source.turn(ix).uid;
        let mut prompts: HashMap<Uid, String> = match self.of_role(sources, TurnRole::Human) {
            none if none.is_empty() => HashMap::new(),
            humans => tx.prompts(&humans).await?.into_iter().collect(),
        };
        let new_turns: Vec<NewTurn> = sources
            .iter()
            .zip(copies)
            .map(|(&ix, copy)| NewTurn {
                turn: copy.clone(),
                // A row of another program may lack its prompt, which reads as an empty one.
                prompt: (copy.role == TurnRole::Human)
                    .then(|| prompts.remove(uid_of(ix)).unwrap_or_default()),
            })
            .collect();
        tx.turns_insert(session, &new_turns).await?;
        for new in new_turns {
            told.turn(session, new.turn, new.prompt);
        }
        let agents = self.of_role(sources, TurnRole::Agent);
        if agents.is_empty() {
            return Ok(());
        }
        let copy_of: HashMap<&Uid, &TurnRow> =
            sources.iter().map(|&ix| uid_of(ix)).zip(copies).collect();
        let mut steps = tx.steps(&agents).await?;
        let mut seqs = Vec::with_capacity(steps.len());
        for step in &mut steps {
            let copy = copy_of[&step.turn_uid];
            step.turn_uid = copy.uid.clone();
            step.rev = copy.rev;
            seqs.push(copy.seq);
        }
        if !steps.is_empty() {
            tx.steps_insert(session, &steps, &seqs).await?;
        }
        for (step, seq) in steps.into_iter().zip(seqs) {
            told.step(session, seq, step);
        }
        Ok(())
    }
}

impl Commands {
    /// Copies a part of a living session into a new one of the same account; prompts, steps,
    /// times, votes, models and usage come along under new keys (see [`ForkScope`] for what is
    /// copied). The subject is the copy of the turn that was forked at, which ends the copy's
    /// active path. Refusals name `sessionId`, `turnId`, `scope`, `title` and `idempotencyKey`.
    pub async fn fork_session(
        &self,
        account: &Uid,
        input: ForkSession,
        idempotency_key: Option<&str>,
    ) -> CommandResult<Ix> {
        let mut faults = Faults::default();
        let key = Key::check(&mut faults, idempotency_key, || input.hash());
        if let Some(title) = &input.title {
            rules::title(&mut faults, &["title"], title);
        }
        if let Some(errors) = faults.refusal() {
            return Ok(Outcome::Refused(errors));
        }
        let command = Fork {
            input,
            uid: self.next_uid(),
            uids: Arc::clone(&self.engine.uids),
        };
        let outcome = self.run(account, command, key).await?;
        Ok(outcome.map(|written| written.map_subject(|_, places: Places| places.turn())))
    }
}
