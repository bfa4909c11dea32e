//! `restoreTurn`: takes a soft deletion back.

use super::active;
use crate::commands::attempt::Attempt;
use crate::commands::draft::{About, Draft, Needs, Row, Stop, Subject};
use crate::commands::execute::{Command, Places};
use crate::commands::outcome::UserErrorCode;
use crate::commands::{CommandResult, Commands};
use crate::domain::Uid;
use crate::domain::graph::Ix;
use crate::stores::record::TurnPatch;

struct Restore {
    turn: Uid,
}

impl Command for Restore {
    fn name(&self) -> &'static str {
        "restoreTurn"
    }

    fn needs(&self) -> Needs<'_> {
        Needs::of(About::Turn(&self.turn))
    }

    fn apply(&self, attempt: &mut Attempt<'_>) -> Result<Draft, Stop> {
        let mut locked = attempt.lock_of_turn(&self.turn, &["id"])?;
        let ix = locked.turn(&self.turn, &["id"])?;
        let graph = &locked.graph;
        let deleted_above = graph
            .ancestors(ix)
            .into_iter()
            .find(|&above| graph.turn(above).deleted_at.is_some());
        if let Some(above) = deleted_above {
            let message = format_args!(
                "turn {} above it is deleted; restore that one first",
                graph.turn(above).uid
            );
            return Err(Stop::refuse(UserErrorCode::ParentDeleted, &["id"], message));
        }
        let turn = graph.turn(ix);
        if turn.deleted_at.is_none() {
            locked.reached(Row::Turn(self.turn.clone()));
        } else {
            let root = locked.session.active_root.as_ref();
            let pointers = active::keep(graph, root, graph.parent(ix));
            active::write(&mut locked, pointers);
            let patch = TurnPatch {
                deleted_at: Some(None),
                ..TurnPatch::default()
            };
            locked.edit_turn(ix, patch);
        }
        Ok(attempt.settle(locked, Subject::turn(&self.turn)))
    }
}

impl Commands {
    /// Takes the deletion of a turn back; what lies under it lives again, except what was deleted
    /// by its own. The active path stays as it is: the turn comes back beside it, and is shown
    /// only where nothing else was. A turn under a deleted one is refused, since it would stay
    /// hidden. Restoring a living turn changes nothing. The subject is the turn.
    /// Refusals name `id`.
    pub async fn restore_turn(&self, account: &Uid, turn: Uid) -> CommandResult<Ix> {
        let outcome = self.run(account, Restore { turn }, None).await?;
        Ok(outcome.map(|written| written.map_subject(|_, places: Places| places.turn())))
    }
}
