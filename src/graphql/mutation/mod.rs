//! The mutation root: each field turns its arguments into a command, and the command's outcome
//! into a payload.
//!
//! On the first walk a field wants its command run; on the walks after that the outcome is there.

mod arguments;
mod command;
mod inputs;
mod payload;

pub(crate) use command::{Command, Outcome};

use super::engine::{At, CheckedArgs, Entity, Failure, FieldDef, Obj, Part, Type};
use super::query::RootV;
use arguments::{
    ActivateTurnArgs, AppendAgentTurnArgs, AppendHumanTurnArgs, AppendStepsArgs, CreateSessionArgs,
    DeleteSessionArgs, DeleteTurnArgs, EraseAccountArgs, ForkSessionArgs, IntoCommand,
    PurgeSessionArgs, RateAgentTurnArgs, RenameSessionArgs, RestoreSessionArgs, RestoreTurnArgs,
    UpdateStepArgs,
};
use payload::{
    ActivateTurnPayload, AppendAgentTurnPayload, AppendHumanTurnPayload, AppendStepsPayload,
    CreateSessionPayload, DeleteSessionPayload, DeleteTurnPayload, EraseAccountPayload,
    ForkSessionPayload, PayloadOf, PayloadV, PurgeSessionPayload, RateAgentTurnPayload,
    RenameSessionPayload, RestoreSessionPayload, RestoreTurnPayload, UpdateStepPayload,
};

/// The mutation root.
pub(crate) struct Mutation;

impl Entity for Mutation {
    const NAME: &'static str = "Mutation";
    type V = RootV;

    fn declare(t: &mut Type<Self>) {
        t.doc(
            "Writes. Each is one transaction, answers with the entities after it, and names what \
             the caller did wrong in `userErrors`. With an `idempotencyKey` it is safe to retry. \
             A request's body has at most 40 MiB.",
        );
        sessions(t);
        erasures(t);
        turns(t);
    }
}

fn sessions(t: &mut Type<Mutation>) {
    command::<CreateSessionArgs, CreateSessionPayload>(t, "createSession")
        .doc("A new session, with a first human turn where `firstPrompt` is given.");
    command::<RenameSessionArgs, RenameSessionPayload>(t, "renameSession")
        .doc("Changes the title; null removes it.");
    command::<DeleteSessionArgs, DeleteSessionPayload>(t, "deleteSession")
        .doc("Soft delete; `restoreSession` brings it back.");
    command::<RestoreSessionArgs, RestoreSessionPayload>(t, "restoreSession")
        .doc("Brings a deleted session back.");
    command::<ForkSessionArgs, ForkSessionPayload>(t, "forkSession")
        .doc("A new session that begins with a copy of the turns up to `turnId`.");
}

fn erasures(t: &mut Type<Mutation>) {
    command::<PurgeSessionArgs, PurgeSessionPayload>(t, "purgeSession").doc(
        "Removes a session for good, deleted or not, from every store. There is no way back; \
              asked again, it answers with the receipt of the first time.",
    );
    command::<EraseAccountArgs, EraseAccountPayload>(t, "eraseAccount")
        .doc("Removes everything of your account for good, from every store.");
}

fn turns(t: &mut Type<Mutation>) {
    command::<AppendHumanTurnArgs, AppendHumanTurnPayload>(t, "appendHumanTurn")
        .doc("Appends a prompt. An edited prompt is one more child of the same parent.");
    command::<AppendAgentTurnArgs, AppendAgentTurnPayload>(t, "appendAgentTurn")
        .doc("Appends an answer. A regenerated answer is one more child of the same prompt.");
    command::<AppendStepsArgs, AppendStepsPayload>(t, "appendSteps")
        .doc("Appends steps to an answer, as the agent goes on.");
    command::<UpdateStepArgs, UpdateStepPayload>(t, "updateStep")
        .doc("Replaces a step's content, for example when a tool call's result arrives.");
    command::<ActivateTurnArgs, ActivateTurnPayload>(t, "activateTurn")
        .doc("Makes the path through this turn the active one, the root included.");
    command::<RateAgentTurnArgs, RateAgentTurnPayload>(t, "rateAgentTurn")
        .doc("The user's vote on an answer: true likes, false dislikes, null takes it back.");
    command::<DeleteTurnArgs, DeleteTurnPayload>(t, "deleteTurn")
        .doc("Soft delete of a turn and everything under it; the newest living sibling is shown.");
    command::<RestoreTurnArgs, RestoreTurnPayload>(t, "restoreTurn")
        .doc("Brings a deleted turn back, with what lay under it.");
}

/// Declares a field that runs a command.
fn command<'t, A, P>(t: &'t mut Type<Mutation>, name: &'static str) -> &'t mut FieldDef<Mutation>
where
    A: CheckedArgs + IntoCommand,
    P: Entity<V = PayloadV>,
{
    t.field_with::<A, Part<Obj<P>>>(name, |At(env), args| match env.outcome {
        Some(Outcome::Failed(failure)) => Err::<_, Failure<'_>>(*failure),
        outcome => {
            if outcome.is_none() {
                env.want(args.command());
            }
            Ok(PayloadOf { env, outcome })
        }
    })
    .cost(10)
}
