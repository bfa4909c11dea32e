//! `appendHumanTurn`: a prompt, as a new root or below an agent turn.

use super::append::{Append, AppendHuman, Kind};
use crate::commands::execute::Places;
use crate::commands::idempotency::{InputHash, Key};
use crate::commands::rules::{self, Faults};
use crate::commands::{CommandResult, Commands, Outcome};
use crate::domain::Uid;
use crate::domain::graph::Ix;

/// Input of [`Commands::append_human_turn`].
#[derive(Debug, Clone, PartialEq)]
pub struct AppendHumanTurn {
    /// The session.
    pub session: Uid,
    /// Key of the new turn; without it one is made.
    pub uid: Option<String>,
    /// The agent turn that is answered; none for a new root. An edited prompt is one more child
    /// of the same parent.
    pub parent: Option<Uid>,
    /// What the person wrote.
    pub prompt: String,
    /// Whether the path through the new turn becomes the active one. Without it, the active path
    /// stays as it is, except that the first child, or the first root, is always shown.
    pub activate: bool,
}

impl AppendHumanTurn {
    fn hash(&self) -> InputHash {
        InputHash::of(AppendHuman::NAME)
            .text(self.session.as_str())
            .option(self.uid.as_deref())
            .option(self.parent.as_ref().map(Uid::as_str))
            .text(&self.prompt)
            .number(i64::from(self.activate))
    }
}

impl Commands {
    /// Appends a human turn; the subject is the turn. Refusals name `sessionId`,
    /// `input.{uid,parentId,prompt}` and `idempotencyKey`.
    pub async fn append_human_turn(
        &self,
        account: &Uid,
        input: AppendHumanTurn,
        idempotency_key: Option<&str>,
    ) -> CommandResult<Ix> {
        let mut faults = Faults::default();
        let key = Key::check(&mut faults, idempotency_key, || input.hash());
        let uid = self.uid_or_new(&mut faults, input.uid.as_deref());
        rules::prompt(&mut faults, &["input", "prompt"], &input.prompt);
        if let Some(errors) = faults.refusal() {
            return Ok(Outcome::Refused(errors));
        }
        let command = AppendHuman(Append {
            session: input.session,
            uid,
            uid_given: input.uid.is_some(),
            parent: input.parent,
            activate: input.activate,
            kind: Kind::Human {
                prompt: input.prompt,
            },
        });
        let outcome = self.run(account, command, key).await?;
        Ok(outcome.map(|written| written.map_subject(|_, places: Places| places.turn())))
    }
}
