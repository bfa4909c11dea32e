//! The store's contract over the cells.

use std::collections::BTreeSet;

use async_trait::async_trait;
use turngraph::domain::{SessionRow, Timestamp, Uid, Watermark};
use turngraph::stores::projection::{
    BodyPart, ListedSession, ProjectedBodies, ProjectedSession, Write,
};
use turngraph::stores::record::StoreResult;
use turngraph::stores::{ProjectionStore, StoreErrorKind};

use super::{LwwStore, Row, Verdict, error};

#[async_trait]
impl ProjectionStore for LwwStore {
    async fn apply(&self, writes: &[Write]) -> StoreResult<()> {
        let mut stalled = self.stalled.subscribe();
        if *stalled.borrow() {
            self.waiting.send_modify(|n| *n += 1);
            stalled.wait_for(|stalled| !stalled).await.unwrap();
            self.waiting.send_modify(|n| *n -= 1);
        }
        let verdict = match self.judge.lock().unwrap().as_mut() {
            Some(judge) => judge(writes),
            None => Verdict::Pass,
        };
        let count = match verdict {
            Verdict::Pass | Verdict::Unknown => writes.len(),
            Verdict::Half => writes.len().div_ceil(2),
            Verdict::Fail(_) => 0,
        };
        let mut state = self.state.lock().unwrap();
        state.applies += 1;
        for write in &writes[..count] {
            state.write(write);
        }
        match verdict {
            Verdict::Pass => Ok(()),
            Verdict::Fail(kind) => Err(error(kind)),
            Verdict::Half | Verdict::Unknown => Err(error(StoreErrorKind::Timeout)),
        }
    }

    async fn sessions(&self, uids: &[Uid]) -> StoreResult<Vec<SessionRow>> {
        let state = self.state.lock().unwrap();
        Ok(uids.iter().filter_map(|uid| state.session(uid)).collect())
    }

    async fn graphs(&self, uids: &[Uid]) -> StoreResult<Vec<ProjectedSession>> {
        let state = self.state.lock().unwrap();
        let graph = |uid: &Uid| {
            let row = state.session(uid)?;
            let range = Row::Turn(uid.clone(), 0)..=Row::Turn(uid.clone(), i32::MAX);
            let seqs = state.rows.range(range).map(|(row, _)| match row {
                Row::Turn(_, seq) => *seq,
                _ => unreachable!("the range has turns only"),
            });
            let seqs: Vec<i32> = seqs.collect();
            let turns = seqs
                .iter()
                .filter_map(|seq| state.turn_row(uid, *seq))
                .collect();
            let known = |seq: &i32| {
                let place = Row::Turn(uid.clone(), *seq);
                let grave = state.int(&place, "kind") == Some(9);
                grave || state.turn_row(uid, *seq).is_some()
            };
            let complete = (0..row.next_seq).all(|seq| known(&seq));
            Some(ProjectedSession {
                row,
                turns,
                complete,
            })
        };
        Ok(uids.iter().filter_map(graph).collect())
    }

    async fn bodies(
        &self,
        session_uid: &Uid,
        seqs: &[i32],
        part: BodyPart,
    ) -> StoreResult<Vec<(i32, ProjectedBodies)>> {
        let state = self.state.lock().unwrap();
        let seqs: BTreeSet<i32> = seqs.iter().copied().collect();
        let of = |seq: i32| Some((seq, state.bodies_of(session_uid, seq, part)?));
        Ok(seqs.into_iter().filter_map(of).collect())
    }

    async fn listing(
        &self,
        account: &Uid,
        after: Option<&(Timestamp, Uid)>,
        limit: usize,
    ) -> StoreResult<Vec<ListedSession>> {
        let state = self.state.lock().unwrap();
        let mut places: Vec<ListedSession> = Vec::new();
        for row in state.rows.keys() {
            let Row::Listing(of, at, session) = row else {
                continue;
            };
            if of == account
                && let Some(deleted) = state.int(row, "deleted")
            {
                places.push(ListedSession {
                    created_at: Timestamp(*at),
                    session_uid: session.clone(),
                    deleted: deleted == 1,
                });
            }
        }
        let key = |place: &ListedSession| (place.created_at, place.session_uid.clone());
        places.sort_by_key(|place| std::cmp::Reverse(key(place)));
        places.retain(|place| after.is_none_or(|after| key(place) < *after));
        places.truncate(limit);
        Ok(places)
    }

    async fn watermark(&self) -> StoreResult<Option<Watermark>> {
        Ok(self.state.lock().unwrap().watermark.clone())
    }

    async fn set_watermark(&self, watermark: &Watermark) -> StoreResult<()> {
        self.state.lock().unwrap().watermark = Some(watermark.clone());
        Ok(())
    }

    async fn quarantined(&self) -> StoreResult<Vec<Uid>> {
        Ok(self
            .state
            .lock()
            .unwrap()
            .quarantined
            .iter()
            .cloned()
            .collect())
    }

    async fn set_quarantined(&self, session_uid: &Uid, marked: bool) -> StoreResult<()> {
        let mut state = self.state.lock().unwrap();
        if marked {
            state.quarantined.insert(session_uid.clone());
        } else {
            state.quarantined.remove(session_uid);
        }
        Ok(())
    }

    async fn health(&self) -> StoreResult<String> {
        Ok("in memory".to_owned())
    }

    async fn close(&self) {}
}
