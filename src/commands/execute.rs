//! Runs a command: transaction, idempotency, commit, and another attempt after a lost race.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::attempt::{Attempt, Draft, Stop, Subject};
use super::commit::{Commit, WrittenRows};
use super::idempotency::{Answer, Key};
use super::outcome::{StepsOf, UserError, UserErrorCode};
use super::{CommandError, CommandResult, Commands, Outcome, Written};
use crate::domain::graph::Ix;
use crate::domain::{Revision, SessionGraph, Uid};
use crate::stores::record::IdempotencyRecord;
use crate::stores::{StoreError, StoreErrorKind};

/// Attempts of one command at most.
pub(super) const ATTEMPTS_MAX: u32 = 8;

/// Longest wait before the second attempt; it doubles with each further one.
const BACKOFF_FIRST: Duration = Duration::from_millis(8);

/// A command whose input passed the rules that need no store.
#[async_trait]
pub(super) trait Command: Send + Sync {
    /// Name of the mutation.
    const NAME: &'static str;

    /// Checks the other rules and writes. May be called again after an attempt that lost a race.
    async fn apply(&self, attempt: &mut Attempt<'_>) -> Result<Draft, Stop>;
}

/// What a command was about, as places in the graph of its answer.
pub(super) struct Places {
    turns: Vec<Ix>,
    idxs: Vec<i32>,
}

impl Places {
    /// The one turn of a command that is about one.
    pub(super) fn turn(self) -> Ix {
        self.first()
            .expect("the command names the turn it is about")
    }

    /// The first turn, where there is one.
    pub(super) fn first(&self) -> Option<Ix> {
        self.turns.first().copied()
    }

    /// One turn and its steps.
    pub(super) fn steps(self) -> StepsOf {
        StepsOf {
            turn: self.first().expect("steps are written to a turn"),
            idxs: self.idxs,
        }
    }
}

impl Commands {
    /// Runs a command of an account to its end.
    pub(super) async fn run<C: Command>(
        &self,
        account: &Uid,
        command: &C,
        key: Option<&Key>,
    ) -> CommandResult<Places> {
        let mut failed = 0;
        loop {
            match self.attempt(account, command, key).await {
                Ok(outcome) => return Ok(outcome),
                Err(error) => {
                    failed += 1;
                    if error.kind != StoreErrorKind::Conflict || failed == ATTEMPTS_MAX {
                        return Err(CommandError {
                            command: C::NAME,
                            source: error,
                        });
                    }
                }
            }
            tokio::time::sleep(backoff(failed, &self.uids.next())).await;
        }
    }

    async fn attempt<C: Command>(
        &self,
        account: &Uid,
        command: &C,
        key: Option<&Key>,
    ) -> Result<Outcome<Written<Places>>, StoreError> {
        if let Some(answer) = self.replay(account, key).await? {
            return Ok(answer);
        }
        let mut attempt = Attempt {
            tx: self.record.begin().await?,
            account,
            now: self.clock.now(),
        };
        let draft = match command.apply(&mut attempt).await {
            Ok(draft) => draft,
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Refused(errors)) => {
                // A twin of this very request may have been faster: then its write is what the
                // rules stumble over, and its answer is the right one.
                drop(attempt);
                let twin = self.replay(account, key).await?;
                return Ok(twin.unwrap_or(Outcome::Refused(errors)));
            }
        };
        if let Some(key) = key {
            let record = IdempotencyRecord {
                input_hash: key.input_hash.clone(),
                answer: Answer::of(&draft).to_json(),
            };
            let now = attempt.now;
            attempt
                .tx
                .idempotency_insert(account, &key.text, &record, now)
                .await?;
        }
        let position = attempt.tx.commit().await?;
        let places = places(&draft.graph, &draft.subject)
            .expect("a command is about turns of the session it wrote");
        let commit = Commit {
            session_uid: draft.session.uid.clone(),
            rows: draft.written,
            revision: Revision::of_write(position, draft.rows),
        };
        let copied = self.tell(&commit).await;
        Ok(Outcome::Done(Written {
            session: draft.session,
            graph: draft.graph,
            subject: places,
            revision: commit.revision,
            copied,
            replayed: false,
        }))
    }

    /// Tells the listener of a commit that changed something; whether every copy has it.
    async fn tell(&self, commit: &Commit) -> bool {
        match &self.listener {
            Some(listener) if commit.rows != WrittenRows::default() => {
                listener.committed(commit).await
            }
            _ => false,
        }
    }

    /// The answer of an idempotency key that is known already.
    async fn replay(
        &self,
        account: &Uid,
        key: Option<&Key>,
    ) -> Result<Option<Outcome<Written<Places>>>, StoreError> {
        let Some(key) = key else { return Ok(None) };
        let Some(known) = self.record.idempotency(account, &key.text).await? else {
            return Ok(None);
        };
        let refuse = |code, message| {
            let error = UserError::new(code, &["idempotencyKey"], message);
            Ok(Some(Outcome::Refused(vec![error])))
        };
        if known.input_hash != key.input_hash {
            let message = "this idempotency key was used with another mutation or another input; \
                           take a new key for a new request";
            return refuse(UserErrorCode::IdempotencyMismatch, message);
        }
        let answer: Answer = serde_json::from_str(&known.answer).map_err(|error| StoreError {
            kind: StoreErrorKind::Corrupt,
            store: self.record.kind(),
            action: "idempotency",
            message: "the stored answer of an idempotency key cannot be read".to_owned(),
            source: Some(error.into()),
        })?;
        match self.read_again(account, answer).await? {
            Some(written) => Ok(Some(Outcome::Done(written))),
            None => refuse(
                UserErrorCode::NotFound,
                "what was written under this idempotency key no longer exists",
            ),
        }
    }

    /// The entities of a stored answer as they are now; none when they were purged.
    async fn read_again(
        &self,
        account: &Uid,
        answer: Answer,
    ) -> Result<Option<Written<Places>>, StoreError> {
        // The place of the first commit is not known, but that of a transaction that begins
        // after it is not lower, and a revision that is too high is only waited for.
        let position = self.record.begin().await?.commit().await?;
        let of = std::slice::from_ref(&answer.session);
        let Some(session) = self.record.sessions_by_uid(account, of).await?.pop() else {
            return Ok(None);
        };
        let turns = self.record.turns_by_session(account, of).await?;
        let turns = turns.into_iter().map(|t| t.turn).collect();
        let graph = Arc::new(SessionGraph::build(turns, session.active_root.clone()));
        Ok(places(&graph, &answer.subject()).map(|places| Written {
            session,
            graph,
            subject: places,
            revision: Revision::of_write(position, answer.rows),
            copied: false,
            replayed: true,
        }))
    }
}

fn places(graph: &SessionGraph, subject: &Subject) -> Option<Places> {
    let turns = subject.turns.iter().map(|uid| graph.find(uid));
    Some(Places {
        turns: turns.collect::<Option<_>>()?,
        idxs: subject.idxs.clone(),
    })
}

/// Between a half and the whole of the step, so that two that collided do not collide again. The
/// fresh key is the source of chance.
pub(super) fn backoff(failed: u32, chance: &Uid) -> Duration {
    let step = BACKOFF_FIRST * 2u32.pow(failed - 1);
    // FNV-1a; the random bits of a key are spread over all of its bytes.
    let hash = chance
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    step / 2 + (step / 2).mul_f64((hash >> 11) as f64 / (1u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_stay_between_half_and_whole() {
        let waits = |failed| (0..200).map(move |n| backoff(failed, &Uid::stored(format!("{n}"))));
        for failed in 1..ATTEMPTS_MAX {
            let step = BACKOFF_FIRST * 2u32.pow(failed - 1);
            assert!(waits(failed).all(|wait| wait >= step / 2 && wait <= step));
        }
        let spread: std::collections::HashSet<_> = waits(3).collect();
        assert!(spread.len() > 100);
    }
}
