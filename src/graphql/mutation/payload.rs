//! Payloads: what a mutation answers.

use async_graphql::Enum;

use crate::commands::{self, UserErrorCode as DomainCode};
use crate::domain::Revision;
use crate::graphql::data::{Env, SessionView, StepView, TurnView};
use crate::graphql::engine::{At, Entity, Failure, Obj, Str, Type, View, leaf};
use crate::graphql::ids::{Id, IdOf};
use crate::graphql::scalars::Rev;
use crate::graphql::types;
use crate::graphql::types::session::Session;
use crate::graphql::types::step::Step;
use crate::graphql::types::turn::{AgentTurn, HumanTurn, Turn};
use crate::reads::Erasure;

use super::command::{Outcome, Subject};

/// A payload while it is written.
#[derive(Clone, Copy)]
pub(crate) struct PayloadOf<'a> {
    pub(super) env: &'a Env<'a>,
    /// None before the command has run.
    pub(super) outcome: Option<&'a Outcome>,
}

/// The family of payloads.
pub(crate) struct PayloadV;

impl View for PayloadV {
    type Of<'a> = PayloadOf<'a>;
}

impl<'a> PayloadOf<'a> {
    fn done(self) -> Option<(SessionView<'a>, &'a Subject)> {
        match self.outcome {
            Some(Outcome::Done {
                session, subject, ..
            }) => {
                // The session was entered when the command had run.
                self.env
                    .session(session)
                    .ok()
                    .flatten()
                    .map(|session| (session, subject))
            }
            _ => None,
        }
    }

    fn session(self) -> Option<SessionView<'a>> {
        self.done().map(|(session, _)| session)
    }

    fn turn(self) -> Option<TurnView<'a>> {
        let (session, subject) = self.done()?;
        match subject {
            Subject::Turn(ix) => Some(session.turn(*ix)),
            Subject::Steps(steps) => Some(session.turn(steps.turn)),
            Subject::Session | Subject::Turns(_) => None,
        }
    }

    fn deleted(self) -> Option<(SessionView<'a>, &'a [usize])> {
        match self.done()? {
            (session, Subject::Turns(turns)) => Some((session, turns)),
            _ => None,
        }
    }

    /// The steps that were written, in the order of the input.
    fn each_step(self, push: &mut dyn FnMut(StepView<'a>)) {
        let Some((session, Subject::Steps(steps))) = self.done() else {
            return;
        };
        let turn = session.turn(steps.turn);
        let stored = turn.steps().unwrap_or_default();
        for idx in &steps.idxs {
            if let Some((at, row)) = stored.iter().enumerate().find(|(_, row)| row.idx == *idx) {
                push(turn.step(at, row));
            }
        }
    }

    /// Whether the steps that were written could be read back.
    fn steps_loaded(self) -> Result<(), Failure<'a>> {
        match self.done() {
            Some((session, Subject::Steps(steps))) => session.turn(steps.turn).steps().map(drop),
            _ => Ok(()),
        }
    }

    fn step(self) -> Option<StepView<'a>> {
        let mut first = None;
        self.each_step(&mut |step| first = first.or(Some(step)));
        first
    }

    fn revision(self) -> Option<&'a Revision> {
        match self.outcome {
            Some(Outcome::Done { revision, .. }) => Some(revision),
            Some(Outcome::Erased(erased)) => Some(&erased.revision),
            _ => None,
        }
    }

    fn erasure(self) -> Option<&'a Erasure> {
        match self.outcome {
            Some(Outcome::Erased(erased)) => Some(&erased.erasure),
            _ => None,
        }
    }

    fn errors(self) -> &'a [commands::UserError] {
        match self.outcome {
            Some(Outcome::Refused(errors)) => errors,
            _ => &[],
        }
    }
}

/// Declares what every payload has.
fn payload_fields<T: Entity<V = PayloadV>>(t: &mut Type<T>) {
    t.field::<Option<Rev>>("revision", |At(p)| p.revision())
        .doc("Position of this write; opaque. Send it as `atLeast` with the reads that must show the write. Null where nothing was written.");
    t.list::<Obj<UserError>>("userErrors", |At(p), push| p.errors().iter().for_each(push))
        .doc("What the caller must put right; empty where the mutation was carried out.");
}

/// Declares a payload with its own fields.
macro_rules! payload {
    ($name:ident, $mutation:literal, |$t:ident| $fields:block) => {
        #[doc = concat!("What `", $mutation, "` answers.")]
        pub(crate) struct $name;

        impl Entity for $name {
            const NAME: &'static str = stringify!($name);
            type V = PayloadV;

            fn declare($t: &mut Type<Self>) {
                $t.doc(concat!("What `", $mutation, "` answers."));
                $fields
                payload_fields($t);
            }
        }
    };
}

fn session_field<T: Entity<V = PayloadV>>(t: &mut Type<T>) {
    t.field::<Option<Obj<Session>>>("session", |At(p)| p.session())
        .doc("The session after the write; null where nothing was written.");
}

fn erasure_field<T: Entity<V = PayloadV>>(t: &mut Type<T>) {
    t.field::<Option<Obj<types::system::erasure::Erasure>>>("erasure", |At(p)| p.erasure())
        .doc("The receipt; that of the first time where it was gone already.");
}

payload!(CreateSessionPayload, "createSession", |t| {
    session_field(t);
    t.field::<Option<Obj<HumanTurn>>>("humanTurn", |At(p)| p.turn())
        .doc("The first turn, where `firstPrompt` was given.");
});
payload!(RenameSessionPayload, "renameSession", |t| {
    session_field(t);
});
payload!(DeleteSessionPayload, "deleteSession", |t| {
    t.field::<Option<Id>>("deletedSessionId", |At(p)| {
        p.session()
            .map(|session| IdOf::of("Session", &session.row().uid))
    })
    .doc("Id of the session that is deleted now.");
    session_field(t);
});
payload!(PurgeSessionPayload, "purgeSession", |t| {
    erasure_field(t);
});
payload!(EraseAccountPayload, "eraseAccount", |t| {
    erasure_field(t);
});
payload!(RestoreSessionPayload, "restoreSession", |t| {
    session_field(t);
});
payload!(ForkSessionPayload, "forkSession", |t| {
    session_field(t);
    t.field::<Option<Obj<Turn>>>("turn", |At(p)| p.turn())
        .doc("The copy of the turn that was forked at: the end of the new active path.");
});
payload!(AppendHumanTurnPayload, "appendHumanTurn", |t| {
    t.field::<Option<Obj<HumanTurn>>>("humanTurn", |At(p)| p.turn())
        .doc("The new turn.");
    session_field(t);
});
payload!(AppendAgentTurnPayload, "appendAgentTurn", |t| {
    t.field::<Option<Obj<AgentTurn>>>("agentTurn", |At(p)| p.turn())
        .doc("The new turn.");
    session_field(t);
});
payload!(AppendStepsPayload, "appendSteps", |t| {
    t.list::<Obj<Step>>("steps", |At(p), push| p.each_step(push))
        .guard(|At(p)| p.steps_loaded())
        .doc("The new steps.");
    t.field::<Option<Obj<AgentTurn>>>("agentTurn", |At(p)| p.turn())
        .doc("Their turn.");
});
payload!(UpdateStepPayload, "updateStep", |t| {
    t.field::<Option<Obj<Step>>>("step", |At(p)| p.step())
        .guard(|At(p)| p.steps_loaded())
        .doc("The step after the write.");
});
payload!(ActivateTurnPayload, "activateTurn", |t| {
    session_field(t);
    t.field::<Option<Obj<Turn>>>("turn", |At(p)| p.turn())
        .doc("The turn.");
});
payload!(RateAgentTurnPayload, "rateAgentTurn", |t| {
    t.field::<Option<Obj<AgentTurn>>>("agentTurn", |At(p)| p.turn())
        .doc("The turn after the write.");
});
payload!(DeleteTurnPayload, "deleteTurn", |t| {
    t.list::<Id>("deletedTurnIds", |At(p), push| {
        let Some((session, turns)) = p.deleted() else {
            return;
        };
        turns.iter().for_each(|&ix| push(session.turn(ix).id()));
    })
    .doc("Ids of the turn and of everything under it.");
    session_field(t);
});
payload!(RestoreTurnPayload, "restoreTurn", |t| {
    t.field::<Option<Obj<Turn>>>("turn", |At(p)| p.turn())
        .doc("The turn after the write.");
    session_field(t);
});

/// Declares the codes with their meanings, which are those of the command layer.
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident,)*) => {
        /// What kind of thing the caller must put right.
        #[derive(Enum, Clone, Copy, PartialEq, Eq)]
        #[graphql(remote = "DomainCode")]
        pub(crate) enum UserErrorCode {
            $($(#[doc = $doc])+ $name,)*
        }
    };
}

codes! {
    /// There is no such session, turn or step, or it belongs to another account.
    NotFound,
    /// The value has a form that is not accepted.
    Invalid,
    /// A value that must be given is missing or empty.
    Required,
    /// The text is longer than its limit.
    TooLong,
    /// The key or index is taken.
    Conflict,
    /// A human turn follows an agent turn or nothing, an agent turn follows a human turn.
    ParentRoleMismatch,
    /// The parent, or a turn above it, is deleted.
    ParentDeleted,
    /// The turn, or a turn above it, is deleted.
    TurnDeleted,
    /// The session is deleted.
    SessionDeleted,
    /// The idempotency key was used before with another mutation or another input.
    IdempotencyMismatch,
    /// More than one request, or one session, may hold.
    LimitExceeded,
    /// The account was erased for good, and nothing can be created in it any more.
    AccountErased,
}

leaf!(
    /// A code.
    'a Code, DomainCode, UserErrorCode, |code, out| {
        out.raw(b"\"");
        out.raw(code.name().as_bytes());
        out.raw(b"\"");
    }
);

/// The family of user errors.
pub(crate) struct UserErrorV;

impl View for UserErrorV {
    type Of<'a> = &'a commands::UserError;
}

/// One thing that the caller must put right.
pub(crate) struct UserError;

impl Entity for UserError {
    const NAME: &'static str = "UserError";
    type V = UserErrorV;

    fn declare(t: &mut Type<Self>) {
        t.doc("One thing that the caller must put right.");
        t.field::<Code>("code", |At(e)| e.code)
            .doc("What kind of thing; stable.");
        t.field::<Str>("message", |At(e)| &e.message)
            .doc("What is wrong and what to do.");
        t.list::<Str>("path", |At(e), push| {
            e.path.iter().for_each(|part| push(part))
        })
        .doc("Where in the arguments, e.g. `[\"input\", \"steps\", \"3\", \"idx\"]`.");
    }
}
