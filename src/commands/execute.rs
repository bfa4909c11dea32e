//! Runs a command to its end: with a group, alone where that is better, again after a lost race,
//! and by what is stored where its idempotency key is known.

use std::sync::Arc;
use std::time::Duration;

use super::attempt::Attempt;
use super::draft::{Draft, Needs, Stop, Subject};
use super::group::{Answer, Job, alone, gather};
use super::idempotency::{Answer as KeptAnswer, Key};
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
pub(super) trait Command: Send + Sync + 'static {
    /// Name of the mutation.
    fn name(&self) -> &'static str;

    /// What must be locked and loaded for it.
    fn needs(&self) -> Needs<'_>;

    /// Checks the other rules and settles what is to be written. May be called again, in another
    /// group, after one that was not committed.
    fn apply(&self, attempt: &mut Attempt<'_>) -> Result<Draft, Stop>;

    /// Text that it writes, in bytes; more than a group can hold where it copies.
    fn bytes(&self) -> usize {
        0
    }
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
    pub(super) async fn run(
        &self,
        account: &Uid,
        command: impl Command,
        key: Option<Key>,
    ) -> CommandResult<Places> {
        let job = Arc::new(Job {
            account: account.clone(),
            command: Box::new(command),
            key,
        });
        let (name, key) = (job.command.name(), job.key.as_ref());
        let failed = |source| CommandError {
            command: name,
            source,
        };
        let mut apart = self.engine.lanes.is_large(job.command.bytes());
        let mut tries = 0;
        loop {
            let sent = match apart {
                true => alone(&self.engine, &job),
                false => gather(&self.engine, &job),
            };
            let answer = sent
                .await
                .unwrap_or_else(|_| Answer::Failed(self.stopped()));
            // Whoever met another transaction once does not let a group wait for it again.
            apart = true;
            match answer {
                Answer::Done(written) => return Ok(Outcome::Done(*written)),
                Answer::Refused(errors) => {
                    // A twin of this very request may have been faster: then its write is what
                    // the rules stumble over, and its answer is the right one.
                    let twin = self.replay(account, key).await.map_err(failed)?;
                    return Ok(twin.unwrap_or(Outcome::Refused(errors)));
                }
                Answer::Known(known) => {
                    let key = key.expect("only who has a key is answered by it");
                    let kept = self.answer_again(account, key, &known).await;
                    return kept.map_err(failed);
                }
                Answer::Apart => {}
                Answer::Failed(error) => {
                    tries += 1;
                    if error.kind != StoreErrorKind::Conflict || tries == ATTEMPTS_MAX {
                        return Err(failed(error));
                    }
                    tokio::time::sleep(backoff(tries, &self.next_uid())).await;
                }
            }
        }
    }

    /// The task that carried a command out ended without an answer.
    fn stopped(&self) -> StoreError {
        StoreError {
            kind: StoreErrorKind::Unavailable,
            store: self.engine.record.kind(),
            action: "commit",
            message: "the program stopped, or failed, while it wrote; whether the write is there \
                      is not known, so repeat the request with its idempotencyKey"
                .to_owned(),
            source: None,
        }
    }

    /// The answer of an idempotency key that is known already.
    async fn replay(
        &self,
        account: &Uid,
        key: Option<&Key>,
    ) -> Result<Option<Outcome<Written<Places>>>, StoreError> {
        let Some(key) = key else { return Ok(None) };
        let known = self.engine.record.idempotency(account, &key.text).await?;
        match known {
            Some(known) => self.answer_again(account, key, &known).await.map(Some),
            None => Ok(None),
        }
    }

    /// Answers by what an idempotency key stands for.
    async fn answer_again(
        &self,
        account: &Uid,
        key: &Key,
        known: &IdempotencyRecord,
    ) -> Result<Outcome<Written<Places>>, StoreError> {
        let refuse = |code, message| {
            let error = UserError::new(code, &["idempotencyKey"], message);
            Ok(Outcome::Refused(vec![error]))
        };
        if known.input_hash != key.input_hash {
            let message = "this idempotency key was used with another mutation or another input; \
                           take a new key for a new request";
            return refuse(UserErrorCode::IdempotencyMismatch, message);
        }
        let answer: KeptAnswer =
            serde_json::from_str(&known.answer).map_err(|error| StoreError {
                kind: StoreErrorKind::Corrupt,
                store: self.engine.record.kind(),
                action: "idempotency",
                message: "the stored answer of an idempotency key cannot be read".to_owned(),
                source: Some(error.into()),
            })?;
        match self.read_again(account, answer).await? {
            Some(written) => Ok(Outcome::Done(written)),
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
        answer: KeptAnswer,
    ) -> Result<Option<Written<Places>>, StoreError> {
        // The place of the first commit is not known, but that of a transaction that begins
        // after it is not lower, and a revision that is too high is only waited for.
        let position = self.engine.record.begin().await?.commit().await?;
        let of = std::slice::from_ref(&answer.session);
        let Some(session) = self.engine.record.sessions_by_uid(account, of).await?.pop() else {
            return Ok(None);
        };
        let turns = self.engine.record.turns_by_session(account, of).await?;
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

/// A subject's places in a graph; none where a turn is not in it.
pub(super) fn places(graph: &SessionGraph, subject: &Subject) -> Option<Places> {
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
