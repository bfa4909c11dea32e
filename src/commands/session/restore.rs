//! `restoreSession`: takes the deletion of a session back.

use async_trait::async_trait;

use crate::commands::attempt::{Attempt, Draft, Stop, Subject};
use crate::commands::execute::Command;
use crate::commands::{CommandResult, Commands};
use crate::domain::Uid;

struct Restore {
    session: Uid,
}

#[async_trait]
impl Command for Restore {
    const NAME: &'static str = "restoreSession";

    async fn apply(&self, attempt: &mut Attempt<'_>) -> Result<Draft, Stop> {
        let mut locked = attempt.lock_any(&self.session, &["id"]).await?;
        if locked.session.deleted_at.is_none() {
            let rev = locked.session.rev;
            locked.reached(&self.session, rev);
        } else {
            locked.patch.deleted_at = Some(None);
        }
        attempt.settle(locked, Subject::default()).await
    }
}

impl Commands {
    /// Takes the deletion of a session back; turns that were deleted on their own stay deleted.
    /// Restoring a living session changes nothing. Refusals name `id`.
    pub async fn restore_session(&self, account: &Uid, session: Uid) -> CommandResult<()> {
        let outcome = self.run(account, &Restore { session }, None).await?;
        Ok(outcome.map(|written| written.map_subject(|_, _| ())))
    }
}
