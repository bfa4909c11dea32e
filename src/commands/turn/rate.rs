//! `rateAgentTurn`: the user's vote on an answer.

use async_trait::async_trait;

use crate::commands::attempt::{Attempt, Draft, Stop, Subject};
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

#[async_trait]
impl Command for Rate {
    const NAME: &'static str = "rateAgentTurn";

    async fn apply(&self, attempt: &mut Attempt<'_>) -> Result<Draft, Stop> {
        let mut locked = attempt.lock_of_turn(&self.turn, &["id"]).await?;
        let ix = locked.living_turn(&self.turn, &["id"])?;
        let turn = locked.graph.turn(ix);
        if turn.role != TurnRole::Agent {
            let message = format_args!("turn {} is a human turn; only answers are rated", turn.uid);
            return Err(Stop::refuse(UserErrorCode::Invalid, &["id"], message));
        }
        if turn.liked == self.liked {
            let rev = turn.rev;
            locked.reached(&self.turn, rev);
        } else {
            let patch = TurnPatch {
                liked: Some(self.liked),
                ..TurnPatch::default()
            };
            attempt.edit_turn(&mut locked, ix, patch).await?;
        }
        attempt.settle(locked, Subject::turn(&self.turn)).await
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
        let outcome = self.run(account, &Rate { turn, liked }, None).await?;
        Ok(outcome.map(|written| written.map_subject(|_, places: Places| places.turn())))
    }
}
