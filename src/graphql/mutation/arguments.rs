//! Arguments of the mutations, and the commands that they become.

use async_graphql::{ID, InputObject};

use crate::commands::session::{CreateSession, ForkSession};
use crate::commands::step::AppendSteps;
use crate::commands::turn::{AppendAgentTurn, AppendHumanTurn};
use crate::commands::{UserError, UserErrorCode};
use crate::domain::Uid;
use crate::graphql::engine::CheckedArgs;
use crate::graphql::ids::GlobalId;
use crate::graphql::scalars::{JsonScalar, UidScalar};

use super::command::Command;
use super::inputs::{
    AppendAgentTurnInput, AppendHumanTurnInput, CreateSessionInput, ForkScope, RenameSessionInput,
    StepInput, StepsProgressInput,
};

/// Arguments that become a command. What the command layer must judge (keys, texts, JSON) is
/// passed on as it came; only ids are read here.
pub(super) trait IntoCommand {
    /// The command, or a refusal that names the argument.
    fn command(&self) -> Command {
        self.read()
            .unwrap_or_else(|error| Command::Refuse(vec![error]))
    }

    /// Reads the ids.
    fn read(&self) -> Result<Command, UserError>;
}

fn session(id: &ID, path: &[&str]) -> Result<Uid, UserError> {
    match GlobalId::parse(id) {
        Some(GlobalId::Session(uid)) => Ok(uid),
        _ => Err(not_an_id(path, "session")),
    }
}

fn turn(id: &ID, path: &[&str]) -> Result<Uid, UserError> {
    match GlobalId::parse(id) {
        Some(GlobalId::Turn(uid)) => Ok(uid),
        _ => Err(not_an_id(path, "turn")),
    }
}

fn not_an_id(path: &[&str], kind: &str) -> UserError {
    let message = format!("this is not the id of a {kind}; pass the `id` of one as it was read");
    UserError::new(UserErrorCode::Invalid, path, message)
}

fn json_text(value: &JsonScalar) -> String {
    serde_json::to_string(&value.0).expect("GraphQL values are JSON")
}

/// Declares arguments and their command.
macro_rules! arguments {
    (
        $(#[$doc:meta])* $name:ident {
            $($(#[$field_doc:meta])* $field:ident: $ty:ty,)*
        }
        |$a:ident| $read:expr
    ) => {
        $(#[$doc])*
        #[derive(InputObject, Clone)]
        pub(super) struct $name {
            $($(#[$field_doc])* $field: $ty,)*
        }

        impl CheckedArgs for $name {}

        impl IntoCommand for $name {
            fn read(&self) -> Result<Command, UserError> {
                let $a = self.clone();
                $read
            }
        }
    };
}

arguments! {
    /// Arguments of `createSession`.
    CreateSessionArgs {
        /// The new session.
        input: CreateSessionInput,
        /// Makes a retry safe: same key, same input, same answer. Any text of up to 200 bytes.
        idempotency_key: Option<String>,
    }
    |a| {
        let CreateSessionInput { uid, title, first_prompt } = a.input;
        let input = CreateSession { uid: uid.map(|uid| uid.0), title, first_prompt };
        Ok(Command::CreateSession(input, a.idempotency_key))
    }
}

arguments! {
    /// Arguments of `renameSession`.
    RenameSessionArgs {
        /// Id of the session.
        id: ID,
        /// What to change.
        input: RenameSessionInput,
    }
    |a| Ok(Command::RenameSession(session(&a.id, &["id"])?, a.input.title))
}

arguments! {
    /// Arguments of `deleteSession`.
    DeleteSessionArgs {
        /// Id of the session.
        id: ID,
    }
    |a| Ok(Command::DeleteSession(session(&a.id, &["id"])?))
}

arguments! {
    /// Arguments of `purgeSession`.
    PurgeSessionArgs {
        /// Id of the session.
        id: ID,
    }
    |a| Ok(Command::PurgeSession(session(&a.id, &["id"])?))
}

arguments! {
    /// Arguments of `eraseAccount`.
    EraseAccountArgs {
        /// Key of your account, so that nobody does this by mistake.
        uid: UidScalar,
        /// Whether nothing can be created or imported in the account any more.
        #[graphql(default = false)]
        block: bool,
    }
    |a| Ok(Command::EraseAccount(a.uid.0, a.block))
}

arguments! {
    /// Arguments of `restoreSession`.
    RestoreSessionArgs {
        /// Id of the session.
        id: ID,
    }
    |a| Ok(Command::RestoreSession(session(&a.id, &["id"])?))
}

arguments! {
    /// Arguments of `forkSession`.
    ForkSessionArgs {
        /// Id of the session to copy from.
        session_id: ID,
        /// Id of the turn to fork at: the last one of the copy's active path.
        turn_id: ID,
        /// What is copied.
        #[graphql(default_with = "ForkScope::Path")]
        scope: ForkScope,
        /// Title of the new session; that of the source unless given.
        title: Option<String>,
        /// Makes a retry safe: same key, same input, same answer. Any text of up to 200 bytes.
        idempotency_key: Option<String>,
    }
    |a| {
        let input = ForkSession {
            session: session(&a.session_id, &["sessionId"])?,
            turn: turn(&a.turn_id, &["turnId"])?,
            scope: a.scope.into(),
            title: a.title,
        };
        Ok(Command::ForkSession(input, a.idempotency_key))
    }
}

arguments! {
    /// Arguments of `appendHumanTurn`.
    AppendHumanTurnArgs {
        /// Id of the session.
        session_id: ID,
        /// The new turn.
        input: AppendHumanTurnInput,
        /// Makes a retry safe: same key, same input, same answer. Any text of up to 200 bytes.
        idempotency_key: Option<String>,
    }
    |a| {
        let parent = a.input.parent_id.as_ref().map(|id| turn(id, &["input", "parentId"]));
        let input = AppendHumanTurn {
            session: session(&a.session_id, &["sessionId"])?,
            uid: a.input.uid.map(|uid| uid.0),
            parent: parent.transpose()?,
            prompt: a.input.prompt,
            activate: a.input.activate,
        };
        Ok(Command::AppendHumanTurn(input, a.idempotency_key))
    }
}

arguments! {
    /// Arguments of `appendAgentTurn`.
    AppendAgentTurnArgs {
        /// Id of the session.
        session_id: ID,
        /// The new turn.
        input: AppendAgentTurnInput,
        /// Makes a retry safe: same key, same input, same answer. Any text of up to 200 bytes.
        idempotency_key: Option<String>,
    }
    |a| {
        let input = AppendAgentTurn {
            session: session(&a.session_id, &["sessionId"])?,
            uid: a.input.uid.map(|uid| uid.0),
            parent: turn(&a.input.parent_id, &["input", "parentId"])?,
            steps: steps(a.input.steps, &["input", "steps"])?,
            model: a.input.model,
            status: a.input.status.into(),
            finished_at: a.input.finished_at.map(|at| at.0),
            usage: a.input.usage.as_ref().map(json_text),
            activate: a.input.activate,
        };
        Ok(Command::AppendAgentTurn(input, a.idempotency_key))
    }
}

arguments! {
    /// Arguments of `appendSteps`.
    AppendStepsArgs {
        /// Id of the agent turn.
        turn_id: ID,
        /// The new steps, at most 1,000 in a request; may be empty where `progress` is given.
        steps: Vec<StepInput>,
        /// How far the turn is with these steps; left as it is unless given.
        progress: Option<StepsProgressInput>,
        /// Makes a retry safe: same key, same input, same answer. Any text of up to 200 bytes.
        idempotency_key: Option<String>,
    }
    |a| {
        let input = AppendSteps {
            turn: turn(&a.turn_id, &["turnId"])?,
            steps: steps(a.steps, &["steps"])?,
            progress: a.progress.map(Into::into),
        };
        Ok(Command::AppendSteps(input, a.idempotency_key))
    }
}

arguments! {
    /// Arguments of `updateStep`.
    UpdateStepArgs {
        /// Id of the step.
        id: ID,
        /// The new content, whole.
        content: JsonScalar,
    }
    |a| match GlobalId::parse(&a.id) {
        Some(GlobalId::Step(turn, idx)) => {
            Ok(Command::UpdateStep(turn, idx, json_text(&a.content)))
        }
        _ => Err(not_an_id(&["id"], "step")),
    }
}

arguments! {
    /// Arguments of `activateTurn`.
    ActivateTurnArgs {
        /// Id of the turn.
        id: ID,
    }
    |a| Ok(Command::ActivateTurn(turn(&a.id, &["id"])?))
}

arguments! {
    /// Arguments of `rateAgentTurn`.
    RateAgentTurnArgs {
        /// Id of the agent turn.
        id: ID,
        /// True likes, false dislikes, null takes the vote back.
        liked: Option<bool>,
    }
    |a| Ok(Command::RateAgentTurn(turn(&a.id, &["id"])?, a.liked))
}

arguments! {
    /// Arguments of `deleteTurn`.
    DeleteTurnArgs {
        /// Id of the turn.
        id: ID,
    }
    |a| Ok(Command::DeleteTurn(turn(&a.id, &["id"])?))
}

arguments! {
    /// Arguments of `restoreTurn`.
    RestoreTurnArgs {
        /// Id of the turn.
        id: ID,
    }
    |a| Ok(Command::RestoreTurn(turn(&a.id, &["id"])?))
}

fn steps(
    given: Vec<StepInput>,
    path: &[&str],
) -> Result<Vec<crate::commands::rules::StepInput>, UserError> {
    let place = |at: usize| at.to_string();
    given
        .into_iter()
        .enumerate()
        .map(|(at, step)| {
            step.read().ok_or_else(|| {
                let place = place(at);
                let path: Vec<&str> = path
                    .iter()
                    .copied()
                    .chain([place.as_str(), "type"])
                    .collect();
                let message = "UNKNOWN is only read, never written; choose one of the 13 types";
                UserError::new(UserErrorCode::Invalid, &path, message)
            })
        })
        .collect()
}
