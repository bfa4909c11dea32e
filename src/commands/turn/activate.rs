//! `activateTurn`: makes the path through a turn the active one.

use super::active;
use crate::commands::attempt::Attempt;
use crate::commands::draft::{About, Draft, Needs, Row, Stop, Subject};
use crate::commands::execute::{Command, Places};
use crate::commands::{CommandResult, Commands};
use crate::domain::Uid;
use crate::domain::graph::Ix;

struct Activate {
    turn: Uid,
}

impl Command for Activate {
    fn name(&self) -> &'static str {
        "activateTurn"
    }

    fn needs(&self) -> Needs<'_> {
        Needs::of(About::Turn(&self.turn))
    }

    fn apply(&self, attempt: &mut Attempt<'_>) -> Result<Draft, Stop> {
        let mut locked = attempt.lock_of_turn(&self.turn, &["id"])?;
        let ix = locked.living_turn(&self.turn, &["id"])?;
        let root = locked.session.active_root.as_ref();
        let pointers = active::show(&locked.graph, root, ix);
        locked.reached(Row::Turn(self.turn.clone()));
        active::write(&mut locked, pointers);
        Ok(attempt.settle(locked, Subject::turn(&self.turn)))
    }
}

impl Commands {
    /// Makes the path through a living turn the active one, up to the session's active root;
    /// below the turn it goes on by the active children as they were. The subject is the turn.
    /// One statement for each fork that shows another branch than before; none when the path is
    /// active already. Refusals name `id`.
    pub async fn activate_turn(&self, account: &Uid, turn: Uid) -> CommandResult<Ix> {
        let outcome = self.run(account, Activate { turn }, None).await?;
        Ok(outcome.map(|written| written.map_subject(|_, places: Places| places.turn())))
    }
}
