//! What a [`World`] answers as the projector's source, and how its log is told as a feed.

use async_trait::async_trait;
use turngraph::cdc::{ChangeFeed, FeedError, FeedErrorKind, FeedEvent};
use turngraph::domain::change::Purge;
use turngraph::domain::{Position, SessionRow, Timestamp, Uid};
use turngraph::stores::record::StoreResult;
use turngraph::stores::source::{DeadLetter, Lease, ProjectionSource, SourceTurn, TurnAddress};

use super::{STORE, World, WorldFeed};
use crate::support::sqlite::START;

#[async_trait]
impl ProjectionSource for World {
    async fn position(&self) -> StoreResult<Position> {
        Ok(Position {
            store: STORE.to_owned(),
            value: self.end(),
        })
    }

    async fn addresses(&self, turn_uids: &[Uid]) -> StoreResult<Vec<TurnAddress>> {
        let mut rows = self.rows();
        rows.answer()?;
        let all = rows
            .turns
            .iter()
            .filter(|(_, t)| turn_uids.contains(&t.turn.uid));
        let address = |((session, seq), turn): (&(Uid, i32), &SourceTurn)| TurnAddress {
            turn_uid: turn.turn.uid.clone(),
            session_uid: session.clone(),
            seq: *seq,
        };
        Ok(all.map(address).collect())
    }

    async fn session_rows(&self, uids: &[Uid]) -> StoreResult<Vec<SessionRow>> {
        let mut rows = self.rows();
        rows.answer()?;
        Ok(uids
            .iter()
            .filter_map(|uid| rows.sessions.get(uid).cloned())
            .collect())
    }

    async fn turns(&self, of: &Uid, from: i32, to: i32) -> StoreResult<Vec<SourceTurn>> {
        let mut rows = self.rows();
        rows.answer()?;
        let range = rows.turns.range((of.clone(), from)..=(of.clone(), to));
        let twins = rows.twins.range((of.clone(), from)..=(of.clone(), to));
        let all = range.chain(twins);
        Ok(all.map(|(_, turn)| turn.clone()).collect())
    }

    async fn session_uids(&self, after: Option<&Uid>, limit: usize) -> StoreResult<Vec<Uid>> {
        let rows = self.rows();
        let later = rows
            .sessions
            .keys()
            .filter(|uid| after.is_none_or(|after| *uid > after));
        Ok(later.take(limit).cloned().collect())
    }

    async fn session_count_estimate(&self) -> StoreResult<u64> {
        Ok(self.rows().sessions.len() as u64)
    }

    async fn touch(&self, session_uid: &Uid) -> StoreResult<()> {
        let changes = self.touched(session_uid);
        self.log(changes);
        Ok(())
    }

    async fn purges(&self, session_uid: &Uid) -> StoreResult<Vec<Purge>> {
        let rows = self.rows();
        let of = rows
            .purges
            .iter()
            .filter(|p| p.session_uid.as_ref() == Some(session_uid));
        Ok(of.cloned().collect())
    }

    async fn dead_letter_insert(&self, letter: &DeadLetter) -> StoreResult<()> {
        let mut rows = self.rows();
        let id = rows.letters.last().map_or(1, |last| last.id + 1);
        rows.letters.push(DeadLetter {
            id,
            ..letter.clone()
        });
        Ok(())
    }

    async fn dead_letters(&self, limit: usize) -> StoreResult<Vec<DeadLetter>> {
        Ok(self.rows().letters.iter().take(limit).cloned().collect())
    }

    async fn dead_letters_resolve(&self, session_uid: &Uid, up_to_id: i64) -> StoreResult<()> {
        let of = |letter: &DeadLetter| letter.session_uid.as_ref() == Some(session_uid);
        self.rows()
            .letters
            .retain(|letter| !(of(letter) && letter.id <= up_to_id));
        Ok(())
    }

    async fn dead_letter_tried(&self, id: i64) -> StoreResult<()> {
        let mut rows = self.rows();
        for letter in rows.letters.iter_mut().filter(|letter| letter.id == id) {
            letter.attempts += 1;
        }
        Ok(())
    }

    async fn progress(&self, job: &str) -> StoreResult<Option<String>> {
        Ok(self.rows().progress.get(job).cloned())
    }

    async fn set_progress(&self, job: &str, progress: Option<&str>) -> StoreResult<()> {
        let mut rows = self.rows();
        match progress {
            Some(text) => rows.progress.insert(job.to_owned(), text.to_owned()),
            None => rows.progress.remove(job),
        };
        Ok(())
    }

    async fn lease(&self, role: &str) -> StoreResult<Option<Box<dyn Lease>>> {
        let free = {
            let mut rows = self.rows();
            !rows.taken.contains(role) && rows.leases.insert(role.to_owned())
        };
        if !free {
            return Ok(None);
        }
        let lease = WorldLease {
            world: self.clone(),
            role: role.to_owned(),
        };
        Ok(Some(Box::new(lease)))
    }
}

struct WorldLease {
    world: World,
    role: String,
}

#[async_trait]
impl Lease for WorldLease {
    async fn held(&mut self) -> bool {
        self.world.rows().leases.contains(&self.role)
    }
}

impl Drop for WorldLease {
    fn drop(&mut self) {
        self.world.rows().leases.remove(&self.role);
    }
}

#[async_trait]
impl ChangeFeed for WorldFeed {
    fn name(&self) -> &'static str {
        "world"
    }

    fn store(&self) -> &str {
        STORE
    }

    fn doubt(&self) -> Option<&'static str> {
        self.doubtful.then_some("the test says so")
    }

    async fn next(&mut self) -> Result<FeedEvent, FeedError> {
        let mut logged = self.world.logged.subscribe();
        loop {
            let at = usize::try_from(self.transaction).unwrap();
            let told = {
                let rows = self.world.rows();
                rows.log
                    .get(at)
                    .map(|changes| changes.get(self.change).cloned())
            };
            let position = self.transaction;
            match told {
                Some(Some(change)) => {
                    self.change += 1;
                    return Ok(FeedEvent::Change(change));
                }
                Some(None) => {
                    self.transaction += 1;
                    self.change = 0;
                    return Ok(FeedEvent::Commit {
                        position: position + 1,
                        committed_at: Timestamp(START.0 + position as i64 + 1),
                    });
                }
                None if self.idle_at != Some(position) => {
                    self.idle_at = Some(position);
                    return Ok(FeedEvent::Idle {
                        position,
                        as_of: Timestamp(START.0 + position as i64),
                    });
                }
                None => {
                    let more = logged.wait_for(|end| *end > position).await;
                    more.map_err(|_| FeedError {
                        kind: FeedErrorKind::Retry,
                        message: "the world is gone".to_owned(),
                        source: None,
                    })?;
                }
            }
        }
    }

    async fn acknowledge(&mut self, position: u64) -> Result<(), FeedError> {
        let mut rows = self.world.rows();
        assert!(
            position >= rows.acknowledged,
            "an acknowledgement went back"
        );
        rows.acknowledged = position;
        drop(rows);
        self.world.acknowledged.send_replace(position);
        Ok(())
    }
}
