//! `deleteSession`: soft deletion of a whole session.

use crate::commands::attempt::Attempt;
use crate::commands::draft::{About, Draft, Needs, Row, Stop, Subject};
use crate::commands::execute::Command;
use crate::commands::{CommandResult, Commands};
use crate::domain::Uid;

struct Delete {
    session: Uid,
}

impl Command for Delete {
    fn name(&self) -> &'static str {
        "deleteSession"
    }

    fn needs(&self) -> Needs<'_> {
        Needs::of(About::Session(&self.session))
    }

    fn apply(&self, attempt: &mut Attempt<'_>) -> Result<Draft, Stop> {
        let mut locked = attempt.lock_any(&self.session, &["id"])?;
        if locked.session.deleted_at.is_some() {
            locked.reached(Row::Session);
        } else {
            locked.patch.deleted_at = Some(Some(attempt.now));
        }
        Ok(attempt.settle(locked, Subject::default()))
    }
}

impl Commands {
    /// Deletes a session softly: its row is marked, its turns stay as they are. Deleting a deleted
    /// session changes nothing. Refusals name `id`.
    pub async fn delete_session(&self, account: &Uid, session: Uid) -> CommandResult<()> {
        let outcome = self.run(account, Delete { session }, None).await?;
        Ok(outcome.map(|written| written.map_subject(|_, _| ())))
    }
}
