//! `renameSession`: another title, or none.

use crate::commands::attempt::Attempt;
use crate::commands::draft::{About, Draft, Needs, Row, Stop, Subject};
use crate::commands::execute::Command;
use crate::commands::rules::{self, Faults};
use crate::commands::{CommandResult, Commands, Outcome};
use crate::domain::Uid;

struct Rename {
    session: Uid,
    title: Option<String>,
}

impl Command for Rename {
    fn name(&self) -> &'static str {
        "renameSession"
    }

    fn needs(&self) -> Needs<'_> {
        Needs::of(About::Session(&self.session))
    }

    fn apply(&self, attempt: &mut Attempt<'_>) -> Result<Draft, Stop> {
        let mut locked = attempt.lock(&self.session, &["id"])?;
        if locked.session.title.as_deref() == self.title.as_deref() {
            locked.reached(Row::Session);
        } else {
            locked.patch.title = Some(self.title.clone());
        }
        Ok(attempt.settle(locked, Subject::default()))
    }
}

impl Commands {
    /// Gives a living session another title, or none. Refusals name `id` and `input.title`.
    pub async fn rename_session(
        &self,
        account: &Uid,
        session: Uid,
        title: Option<String>,
    ) -> CommandResult<()> {
        let mut faults = Faults::default();
        if let Some(title) = &title {
            rules::title(&mut faults, &["input", "title"], title);
        }
        if let Some(errors) = faults.refusal() {
            return Ok(Outcome::Refused(errors));
        }
        let outcome = self.run(account, Rename { session, title }, None).await?;
        Ok(outcome.map(|written| written.map_subject(|_, _| ())))
    }
}
