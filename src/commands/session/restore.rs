//! `restoreSession`: takes the deletion of a session back.

use crate::commands::attempt::Attempt;
use crate::commands::draft::{About, Draft, Needs, Row, Stop, Subject};
use crate::commands::execute::Command;
use crate::commands::{CommandResult, Commands};
use crate::domain::Uid;

struct Restore {
    session: Uid,
}

impl Command for Restore {
    fn name(&self) -> &'static str {
        "restoreSession"
    }

    fn needs(&self) -> Needs<'_> {
        Needs::of(About::Session(&self.session))
    }

    fn apply(&self, attempt: &mut Attempt<'_>) -> Result<Draft, Stop> {
        let mut locked = attempt.lock_any(&self.session, &["id"])?;
        if locked.session.deleted_at.is_none() {
            locked.reached(Row::Session);
        } else {
            locked.patch.deleted_at = Some(None);
        }
        Ok(attempt.settle(locked, Subject::default()))
    }
}

impl Commands {
    /// Takes the deletion of a session back; turns that were deleted on their own stay deleted.
    /// Restoring a living session changes nothing. Refusals name `id`.
    pub async fn restore_session(&self, account: &Uid, session: Uid) -> CommandResult<()> {
        let outcome = self.run(account, Restore { session }, None).await?;
        Ok(outcome.map(|written| written.map_subject(|_, _| ())))
    }
}
