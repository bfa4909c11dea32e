//! `forkSession`: a new session that begins with copies of another one's turns.

use std::sync::Arc;

use async_trait::async_trait;

use super::fork_plan::{self, ForkScope};
use crate::commands::attempt::{Attempt, Draft, Locked, Stop, Subject};
use crate::commands::execute::{Command, Places};
use crate::commands::idempotency::{InputHash, Key};
use crate::commands::outcome::UserErrorCode;
use crate::commands::rules::{self, Faults};
use crate::commands::{CommandResult, Commands, Outcome, WrittenRows};
use crate::domain::graph::Ix;
use crate::domain::{ForkOrigin, SessionGraph, SessionRow, TurnRole, TurnRow, Uid, UidSource};
use crate::stores::record::NewTurn;

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
        InputHash::of(Fork::NAME)
            .text(self.session.as_str())
            .text(self.turn.as_str())
            .text(self.scope.name())
            .option(self.title.as_deref())
    }
}

struct Fork {
    input: ForkSession,
    uid: Uid,
    uids: Arc<dyn UidSource>,
}

#[async_trait]
impl Command for Fork {
    const NAME: &'static str = "forkSession";

    async fn apply(&self, attempt: &mut Attempt<'_>) -> Result<Draft, Stop> {
        let source = attempt.lock(&self.input.session, &["sessionId"]).await?;
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
        let Some(rev) = attempt.tx.session_insert(&session).await? else {
            let message = "the key made for the new session is taken; try again";
            return Err(Stop::refuse(
                UserErrorCode::Conflict,
                &["sessionId"],
                message,
            ));
        };
        let session = SessionRow { rev, ..session };
        let mut written = WrittenRows::default();
        written.session(&session);
        let turns = fork_plan::copies(graph, at, &chosen, keys, rev.max(attempt.now.0));
        for (sources, copies) in chosen
            .chunks(TURNS_PER_COPY)
            .zip(turns.chunks(TURNS_PER_COPY))
        {
            let content = (graph, sources);
            copy_content(attempt, &session.uid, content, copies, &mut written).await?;
        }
        let mut rows = vec![(session.uid.clone(), rev)];
        rows.extend(turns.iter().map(|turn| (turn.uid.clone(), turn.rev)));
        Ok(Draft {
            graph: Arc::new(SessionGraph::build(turns, session.active_root.clone())),
            session,
            subject: Subject::turn(&forked_at),
            rows,
            written,
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

/// Inserts some of the copies with the prompts and steps of their sources.
async fn copy_content(
    attempt: &mut Attempt<'_>,
    session: &Uid,
    (graph, sources): (&SessionGraph, &[Ix]),
    copies: &[TurnRow],
    written: &mut WrittenRows,
) -> Result<(), Stop> {
    let of_role = |role| -> Vec<Uid> {
        let turns = sources.iter().map(|&ix| graph.turn(ix));
        turns
            .filter(|turn| turn.role == role)
            .map(|turn| turn.uid.clone())
            .collect()
    };
    let mut prompts: std::collections::HashMap<Uid, String> = match of_role(TurnRole::Human) {
        none if none.is_empty() => Default::default(),
        humans => attempt.tx.prompts(&humans).await?.into_iter().collect(),
    };
    let new_turns: Vec<NewTurn> = sources
        .iter()
        .zip(copies)
        .map(|(&ix, copy)| NewTurn {
            turn: copy.clone(),
            // A row of another program may lack its prompt, which reads as an empty one.
            prompt: (copy.role == TurnRole::Human)
                .then(|| prompts.remove(&graph.turn(ix).uid).unwrap_or_default()),
        })
        .collect();
    attempt.tx.turns_insert(session, &new_turns).await?;
    for turn in &new_turns {
        written.turn(session, &turn.turn, turn.prompt.as_deref());
    }
    let agents = of_role(TurnRole::Agent);
    if agents.is_empty() {
        return Ok(());
    }
    let copy_of: std::collections::HashMap<&Uid, &TurnRow> = sources
        .iter()
        .map(|&ix| &graph.turn(ix).uid)
        .zip(copies)
        .collect();
    let mut steps = attempt.tx.steps(&agents).await?;
    let mut seqs = Vec::with_capacity(steps.len());
    for step in &mut steps {
        let copy = copy_of[&step.turn_uid];
        step.turn_uid = copy.uid.clone();
        step.rev = copy.rev;
        seqs.push(copy.seq);
        written.step(session, copy.seq, step);
    }
    if !steps.is_empty() {
        attempt.tx.steps_insert(session, &steps, &seqs).await?;
    }
    Ok(())
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
            uid: self.uids.next(),
            uids: Arc::clone(&self.uids),
        };
        let outcome = self.run(account, &command, key.as_ref()).await?;
        Ok(outcome.map(|written| written.map_subject(|_, places: Places| places.turn())))
    }
}
