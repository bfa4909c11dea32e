//! Input objects of the mutations.

use async_graphql::{Enum, ID, InputObject};

use crate::commands::rules;
use crate::commands::session::ForkScope as DomainScope;
use crate::commands::step::StepsProgress;
use crate::graphql::scalars::{DateTimeScalar, JsonScalar, StepType, TurnStatus, UidScalar};

/// A new session.
#[derive(InputObject, Clone)]
pub(super) struct CreateSessionInput {
    /// Key that you choose, 1 to 128 bytes; one is made unless given.
    pub(super) uid: Option<UidScalar>,
    /// Title, at most 1,000 characters.
    pub(super) title: Option<String>,
    /// Prompt of a first human turn, at most 16 MiB; the session is empty unless given.
    pub(super) first_prompt: Option<String>,
}

/// What to change of a session.
#[derive(InputObject, Clone)]
pub(super) struct RenameSessionInput {
    /// The new title, at most 1,000 characters; null removes it.
    pub(super) title: Option<String>,
}

/// A new human turn.
#[derive(InputObject, Clone)]
pub(super) struct AppendHumanTurnInput {
    /// Key that you choose, 1 to 128 bytes; one is made unless given.
    pub(super) uid: Option<UidScalar>,
    /// Id of the agent turn that is answered; null for a new root.
    pub(super) parent_id: Option<ID>,
    /// What the person wrote, at most 16 MiB.
    pub(super) prompt: String,
    /// Whether the path through the new turn becomes the active one.
    #[graphql(default = true)]
    pub(super) activate: bool,
}

/// A new agent turn.
#[derive(InputObject, Clone)]
pub(super) struct AppendAgentTurnInput {
    /// Key that you choose, 1 to 128 bytes; one is made unless given.
    pub(super) uid: Option<UidScalar>,
    /// Id of the human turn that is answered.
    pub(super) parent_id: ID,
    /// What the agent did so far: at most 1,000 steps in a request; `appendSteps` adds more.
    #[graphql(default)]
    pub(super) steps: Vec<StepInput>,
    /// Model that answers, at most 200 bytes.
    pub(super) model: Option<String>,
    /// How far the answer is; STREAMING announces `appendSteps`.
    #[graphql(default_with = "TurnStatus::Complete")]
    pub(super) status: TurnStatus,
    /// When the agent was done; now unless given.
    pub(super) finished_at: Option<DateTimeScalar>,
    /// Token usage and cost, a JSON object of at most 64 KiB.
    pub(super) usage: Option<JsonScalar>,
    /// Whether the path through the new turn becomes the active one.
    #[graphql(default = true)]
    pub(super) activate: bool,
}

/// A new step.
#[derive(InputObject, Clone)]
pub(super) struct StepInput {
    /// Place within the turn; after the last step unless given.
    pub(super) idx: Option<i32>,
    /// Type.
    #[graphql(name = "type")]
    pub(super) tpe: StepType,
    /// Content, at most 16 MiB as text. `docs/step-types.md` has the shape of each type.
    pub(super) content: JsonScalar,
}

impl StepInput {
    /// For the command layer; none for `UNKNOWN`.
    pub(super) fn read(self) -> Option<rules::StepInput> {
        Some(rules::StepInput {
            idx: self.idx,
            tpe: self.tpe.to_domain()?,
            content: serde_json::to_string(&self.content.0)
                .expect("GraphQL values are JSON")
                .into(),
        })
    }
}

/// How far an agent turn is.
#[derive(InputObject, Clone)]
pub(super) struct StepsProgressInput {
    /// How far.
    status: TurnStatus,
    /// When the agent was done; now unless given or still streaming.
    finished_at: Option<DateTimeScalar>,
    /// Token usage and cost, a JSON object of at most 64 KiB; kept as it is unless given.
    usage: Option<JsonScalar>,
}

impl From<StepsProgressInput> for StepsProgress {
    fn from(input: StepsProgressInput) -> Self {
        let json =
            |value: JsonScalar| serde_json::to_string(&value.0).expect("GraphQL values are JSON");
        Self {
            status: input.status.into(),
            finished_at: input.finished_at.map(|at| at.0),
            usage: input.usage.map(json),
        }
    }
}

/// How much of a session a fork copies.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "DomainScope")]
pub(super) enum ForkScope {
    /// The path from the root to the turn.
    Path,
    /// That path, and beside each of its turns the alternatives that could be switched to.
    PathWithSiblings,
    /// Every turn up to the turn in the order of writing, all branches included.
    AllBefore,
}
