//! `activateTurn`: makes the path through a turn the active one.

use async_trait::async_trait;

use super::active;
use crate::commands::attempt::{Attempt, Draft, Stop, Subject};
use crate::commands::execute::{Command, Places};
use crate::commands::{CommandResult, Commands};
use crate::domain::Uid;
use crate::domain::graph::Ix;

struct Activate {
    turn: Uid,
}

#[async_trait]
impl Command for Activate {
    const NAME: &'static str = "activateTurn";

    async fn apply(&self, attempt: &mut Attempt<'_>) -> Result<Draft, Stop> {
        let mut locked = attempt.lock_of_turn(&self.turn, &["id"]).await?;
        let ix = locked.living_turn(&self.turn, &["id"])?;
        let root = locked.session.active_root.as_ref();
        let pointers = active::show(&locked.graph, root, ix);
        let rev = locked.graph.turn(ix).rev;
        locked.reached(&self.turn, rev);
        active::write(attempt, &mut locked, pointers).await?;
        attempt.settle(locked, Subject::turn(&self.turn)).await
    }
}

impl Commands {
    /// Makes the path through a living turn the active one, up to the session's active root;
    /// below the turn it goes on by the active children as they were. The subject is the turn.
    /// One statement for each fork that shows another branch than before; none when the path is
    /// active already. Refusals name `id`.
    pub async fn activate_turn(&self, account: &Uid, turn: Uid) -> CommandResult<Ix> {
        let outcome = self.run(account, &Activate { turn }, None).await?;
        Ok(outcome.map(|written| written.map_subject(|_, places: Places| places.turn())))
    }
}
