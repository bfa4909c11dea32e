//! `rateAgentTurn`: the user's vote on an answer.

use crate::commands::attempt::Attempt;
use crate::commands::draft::{About, Draft, Needs, Row, Stop, Subject};
use crate::commands::execute::{Command, Places};
use crate::commands::outcome::UserErrorCode;
use crate::commands::{CommandResult, Commands};
use crate::domain::graph::Ix;
use crate::domain::{TurnRole, Uid};
use crate::stores::record::TurnPatch;

struct Rate {
    turn: Uid,
    liked: Option<bool>,
}

impl Command for Rate {
    fn name(&self) -> &'static str {
        "rateAgentTurn"
    }

    fn needs(&self) -> Needs<'_> {
        Needs::of(About::Turn(&self.turn))
    }

    fn apply(&self, attempt: &mut Attempt<'_>) -> Result<Draft, Stop> {
        let mut locked = attempt.lock_of_turn(&self.turn, &["id"])?;
        let ix = locked.living_turn(&self.turn, &["id"])?;
        let turn = locked.graph.turn(ix);
        if turn.role != TurnRole::Agent {
            let message = format_args!("turn {} is a human turn; only answers are rated", turn.uid);
            return Err(Stop::refuse(UserErrorCode::Invalid, &["id"], message));
        }
        if turn.liked == self.liked {
            locked.reached(Row::Turn(self.turn.clone()));
        } else {
            let patch = TurnPatch {
                liked: Some(self.liked),
                ..TurnPatch::default()
            };
            locked.edit_turn(ix, patch);
        }
        Ok(attempt.settle(locked, Subject::turn(&self.turn)))
    }
}

impl Commands {
    /// Sets the vote on a living agent turn: liked, disliked, or none to take it back. The
    /// subject is the turn. Refusals name `id`.
    pub async fn rate_agent_turn(
        &self,
        account: &Uid,
        turn: Uid,
        liked: Option<bool>,
    ) -> CommandResult<Ix> {
        let outcome = self.run(account, Rate { turn, liked }, None).await?;
        Ok(outcome.map(|written| written.map_subject(|_, places: Places| places.turn())))
    }
}
