//! `Command`, what a mutation field wants done, and `Outcome`, what came of it.

use crate::commands::erasure::{Erased, ErasureResult};
use crate::commands::session::{CreateSession, ForkSession};
use crate::commands::step::AppendSteps;
use crate::commands::turn::{AppendAgentTurn, AppendHumanTurn};
use crate::commands::{self, CommandError, Commands, StepsOf, UserError, Written};
use crate::domain::graph::Ix;
use crate::domain::{Revision, Uid};
use crate::graphql::data::Data;
use crate::graphql::engine::Failure;
use crate::graphql::error::failure_of;

/// A command with its checked input.
#[derive(Debug)]
pub(crate) enum Command {
    /// The arguments cannot be turned into a command.
    Refuse(Vec<UserError>),
    CreateSession(CreateSession, Option<String>),
    RenameSession(Uid, Option<String>),
    DeleteSession(Uid),
    RestoreSession(Uid),
    PurgeSession(Uid),
    EraseAccount(String, bool),
    ForkSession(ForkSession, Option<String>),
    AppendHumanTurn(AppendHumanTurn, Option<String>),
    AppendAgentTurn(AppendAgentTurn, Option<String>),
    AppendSteps(AppendSteps, Option<String>),
    UpdateStep(Uid, i32, String),
    ActivateTurn(Uid),
    RateAgentTurn(Uid, Option<bool>),
    DeleteTurn(Uid),
    RestoreTurn(Uid),
}

/// What a command was about.
#[derive(Debug)]
pub(crate) enum Subject {
    /// The session alone.
    Session,
    /// One turn.
    Turn(Ix),
    /// Several turns.
    Turns(Vec<Ix>),
    /// Steps of one turn.
    Steps(StepsOf),
}

/// What came of a command.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is written.
    Done {
        /// The session.
        session: Uid,
        /// What of it.
        subject: Subject,
        /// Reading at least this shows the write.
        revision: Revision,
    },
    /// It is removed for good.
    Erased(Box<Erased>),
    /// The caller must put something right.
    Refused(Vec<UserError>),
    /// The store failed.
    Failed(Failure<'static>),
}

impl Command {
    /// Runs the command and enters the session as it is afterwards into `data`.
    pub(crate) async fn run(self, on: &Commands, account: &Uid, data: &mut Data) -> Outcome {
        use Subject::{Session, Steps, Turn, Turns};
        match self {
            Self::Refuse(errors) => Outcome::Refused(errors),
            Self::CreateSession(input, key) => {
                let done = on.create_session(account, input, key.as_deref()).await;
                finish(done, data, |first| first.map_or(Session, Turn))
            }
            Self::RenameSession(uid, title) => {
                finish(on.rename_session(account, uid, title).await, data, |()| {
                    Session
                })
            }
            Self::DeleteSession(uid) => {
                finish(on.delete_session(account, uid).await, data, |()| Session)
            }
            Self::RestoreSession(uid) => {
                finish(on.restore_session(account, uid).await, data, |()| Session)
            }
            Self::PurgeSession(uid) => finish_erasure(on.purge_session(account, &uid).await),
            Self::EraseAccount(uid, block) => {
                finish_erasure(on.erase_account(account, &uid, block).await)
            }
            Self::ForkSession(input, key) => finish(
                on.fork_session(account, input, key.as_deref()).await,
                data,
                Turn,
            ),
            Self::AppendHumanTurn(input, key) => finish(
                on.append_human_turn(account, input, key.as_deref()).await,
                data,
                Turn,
            ),
            Self::AppendAgentTurn(input, key) => finish(
                on.append_agent_turn(account, input, key.as_deref()).await,
                data,
                Steps,
            ),
            Self::AppendSteps(input, key) => finish(
                on.append_steps(account, input, key.as_deref()).await,
                data,
                Steps,
            ),
            Self::UpdateStep(turn, idx, content) => finish(
                on.update_step(account, (turn, idx), content).await,
                data,
                Steps,
            ),
            Self::ActivateTurn(uid) => finish(on.activate_turn(account, uid).await, data, Turn),
            Self::RateAgentTurn(uid, liked) => {
                finish(on.rate_agent_turn(account, uid, liked).await, data, Turn)
            }
            Self::DeleteTurn(uid) => finish(on.delete_turn(account, uid).await, data, Turns),
            Self::RestoreTurn(uid) => finish(on.restore_turn(account, uid).await, data, Turn),
        }
    }
}

fn finish<T>(
    answer: Result<commands::Outcome<Written<T>>, CommandError>,
    data: &mut Data,
    subject: fn(T) -> Subject,
) -> Outcome {
    match answer {
        Ok(commands::Outcome::Done(written)) => {
            let session = written.session.uid.clone();
            data.put_written(written.session, written.graph);
            let subject = subject(written.subject);
            Outcome::Done {
                session,
                subject,
                revision: written.revision,
            }
        }
        Ok(commands::Outcome::Refused(errors)) => Outcome::Refused(errors),
        Err(error) => failed(&error),
    }
}

fn finish_erasure(answer: ErasureResult) -> Outcome {
    match answer {
        Ok(commands::Outcome::Done(erased)) => Outcome::Erased(Box::new(erased)),
        Ok(commands::Outcome::Refused(errors)) => Outcome::Refused(errors),
        Err(error) => failed(&error),
    }
}

fn failed(error: &CommandError) -> Outcome {
    tracing::error!(
        command = error.command,
        error = %error.source,
        kind = ?error.kind(),
        "a command failed"
    );
    Outcome::Failed(failure_of(error.kind()))
}
