//! `deleteTurn`: soft deletion of one turn, and by derivation of everything under it.

use super::active;
use crate::commands::attempt::Attempt;
use crate::commands::draft::{About, Draft, Needs, Row, Stop, Subject};
use crate::commands::execute::{Command, Places};
use crate::commands::{CommandResult, Commands};
use crate::domain::Uid;
use crate::domain::graph::Ix;
use crate::stores::record::TurnPatch;

struct Delete {
    turn: Uid,
}

impl Command for Delete {
    fn name(&self) -> &'static str {
        "deleteTurn"
    }

    fn needs(&self) -> Needs<'_> {
        Needs::of(About::Turn(&self.turn))
    }

    fn apply(&self, attempt: &mut Attempt<'_>) -> Result<Draft, Stop> {
        let mut locked = attempt.lock_of_turn(&self.turn, &["id"])?;
        let ix = locked.turn(&self.turn, &["id"])?;
        let turn = locked.graph.turn(ix);
        if turn.deleted_at.is_some() {
            locked.reached(Row::Turn(self.turn.clone()));
            return Ok(attempt.settle(locked, Subject::turn(&self.turn)));
        }
        let root = locked.session.active_root.as_ref();
        let next_best = active::leave(&locked.graph, root, ix);
        let patch = TurnPatch {
            deleted_at: Some(Some(attempt.now)),
            ..TurnPatch::default()
        };
        locked.edit_turn(ix, patch);
        match next_best {
            None => {}
            Some(active::NextBest { parent: None, next }) => locked.patch.active_root = Some(next),
            Some(active::NextBest {
                parent: Some(parent),
                next,
            }) => {
                let patch = TurnPatch {
                    active_child: Some(next),
                    ..TurnPatch::default()
                };
                locked.edit_turn(parent, patch);
            }
        }
        Ok(attempt.settle(locked, Subject::turn(&self.turn)))
    }
}

impl Commands {
    /// Deletes a turn softly: `deleted_at` is set on it alone, and what lies under it is deleted
    /// by derivation. Where the turn was the one shown below its parent (or the root shown), the
    /// newest living sibling is shown from now on. Deleting a deleted turn changes nothing.
    ///
    /// The subject is the turn and everything under it, parents first, whether it was deleted
    /// before or not. Refusals name `id`.
    pub async fn delete_turn(&self, account: &Uid, turn: Uid) -> CommandResult<Vec<Ix>> {
        let outcome = self.run(account, Delete { turn }, None).await?;
        Ok(outcome.map(|written| {
            written.map_subject(|graph, places: Places| graph.subtree(places.turn()))
        }))
    }
}
