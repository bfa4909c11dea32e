//! `deleteSession`: soft deletion of a whole session.

use async_trait::async_trait;

use crate::commands::attempt::{Attempt, Draft, Stop, Subject};
use crate::commands::execute::Command;
use crate::commands::{CommandResult, Commands};
use crate::domain::Uid;

struct Delete {
    session: Uid,
}

#[async_trait]
impl Command for Delete {
    const NAME: &'static str = "deleteSession";

    async fn apply(&self, attempt: &mut Attempt<'_>) -> Result<Draft, Stop> {
        let mut locked = attempt.lock_any(&self.session, &["id"]).await?;
        if locked.session.deleted_at.is_some() {
            let rev = locked.session.rev;
            locked.reached(&self.session, rev);
        } else {
            locked.patch.deleted_at = Some(Some(attempt.now));
        }
        attempt.settle(locked, Subject::default()).await
    }
}

impl Commands {
    /// Deletes a session softly: its row is marked, its turns stay as they are. Deleting a deleted
    /// session changes nothing. Refusals name `id`.
    pub async fn delete_session(&self, account: &Uid, session: Uid) -> CommandResult<()> {
        let outcome = self.run(account, &Delete { session }, None).await?;
        Ok(outcome.map(|written| written.map_subject(|_, _| ())))
    }
}
