//! Reading sessions and bodies back, exactly as the record store has them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use futures_util::future::try_join_all;
use scylla::response::PagingState;
use scylla::response::query_result::QueryRowsResult;
use scylla::serialize::row::SerializeRow;

use super::Connected;
use super::encode::bucket;
use super::error::{corrupt, store_error};
use super::rows::{GraphCells, HeaderCells, Place, TurnCells, add_body, gather_bodies};
use super::statements::{FIRST_PAGE, Prepared};
use crate::domain::{SessionRow, TurnRow, Uid};
use crate::stores::projection::{BodyPart, ProjectedBodies, ProjectedSession};
use crate::stores::record::StoreResult;

/// Numbers in one `in (…)`; Scylla refuses more than 100.
const IN_MAX: usize = 100;

/// Rows of a graph as they come in.
#[derive(Default)]
struct Gathered {
    turns: Vec<TurnRow>,
    graves: i64,
    torn: bool,
    last_seq: Option<i32>,
}

impl Gathered {
    fn add(&mut self, cells: &TurnCells<'_>, next_seq: i32) -> StoreResult<()> {
        // A header without any row comes as one row without a number.
        let Some(seq) = cells.seq else {
            return Ok(());
        };
        self.last_seq = Some(seq);
        match cells.place(seq)? {
            Place::Turn(turn) => self.turns.push(*turn),
            // A grave beyond the header's number is none of the numbers that must be there.
            Place::Grave if seq < next_seq => self.graves += 1,
            Place::Grave => {}
            Place::Torn => self.torn = true,
        }
        Ok(())
    }

    fn finish(self, row: SessionRow) -> ProjectedSession {
        let counted = self.turns.iter().filter(|turn| turn.seq < row.next_seq);
        let counted = i64::try_from(counted.count()).expect("numbers are 32 bits");
        ProjectedSession {
            complete: !self.torn && counted + self.graves == i64::from(row.next_seq),
            row,
            turns: self.turns,
        }
    }
}

impl Connected {
    /// All pages of an answer.
    pub(super) async fn pages(
        &self,
        prepared: &Prepared,
        values: impl SerializeRow + Sync,
    ) -> StoreResult<Vec<QueryRowsResult>> {
        let fail = |error| store_error(prepared.name, error);
        let mut pages = Vec::with_capacity(1);
        let mut place = PagingState::start();
        loop {
            let permit = self.permit().await;
            let (page, next) = self
                .session
                .execute_single_page(&prepared.statement, &values, place)
                .await
                .map_err(fail)?;
            drop(permit);
            let rows = page.into_rows_result();
            pages.push(rows.map_err(|error| corrupt(prepared.name, error))?);
            match next.into_paging_control_flow() {
                ControlFlow::Break(()) => return Ok(pages),
                ControlFlow::Continue(state) => place = state,
            }
        }
    }

    /// One session's header.
    pub(super) async fn header(&self, uid: &Uid) -> StoreResult<Option<SessionRow>> {
        let pages = self.pages(&self.statements.header, (uid.as_str(),)).await?;
        for page in &pages {
            let rows = page.rows::<HeaderCells<'_>>();
            if let Some(cells) = rows.map_err(|error| corrupt("header", error))?.next() {
                return cells.map_err(|error| corrupt("header", error))?.row(uid);
            }
        }
        Ok(None)
    }

    /// One session with its turns: one request up to 256 turns, then one for each 5,000.
    pub(super) async fn graph(&self, uid: &Uid) -> StoreResult<Option<ProjectedSession>> {
        let bad = |error| corrupt("graph", error);
        let mut header = None;
        let mut gathered = Gathered::default();
        let mut rows = 0;
        for page in self.pages(&self.statements.graph, (uid.as_str(),)).await? {
            for cells in page
                .rows::<GraphCells<'_>>()
                .map_err(|error| corrupt("graph", error))?
            {
                let (head, turn) = cells.map_err(bad)?.split();
                if header.is_none() {
                    match head.row(uid)? {
                        Some(row) => header = Some(row),
                        None => return Ok(None),
                    }
                }
                let next_seq = header.as_ref().map_or(0, |row| row.next_seq);
                gathered.add(&turn, next_seq)?;
                rows += 1;
            }
        }
        let Some(header) = header else {
            return Ok(None);
        };
        if let (true, Some(last)) = (rows >= FIRST_PAGE, gathered.last_seq) {
            let rest = &self.statements.graph_rest;
            for page in self.pages(rest, (uid.as_str(), last)).await? {
                for cells in page
                    .rows::<TurnCells<'_>>()
                    .map_err(|error| corrupt("graph", error))?
                {
                    gathered.add(&cells.map_err(bad)?, header.next_seq)?;
                }
            }
        }
        Ok(Some(gathered.finish(header)))
    }

    /// Bodies of turns that lie in one bucket; `seqs` ascend.
    pub(super) async fn bucket_bodies(
        &self,
        session_uid: &Uid,
        seqs: &[i32],
        part: BodyPart,
    ) -> StoreResult<BTreeMap<i32, ProjectedBodies>> {
        let (Some(first), Some(last)) = (seqs.first(), seqs.last()) else {
            return Ok(BTreeMap::new());
        };
        let (session, bucket) = (session_uid.as_str(), bucket(*first));
        let span = usize::try_from(i64::from(*last) - i64::from(*first)).unwrap_or(usize::MAX);
        let all = &self.statements;
        let pages = if span < seqs.len() * 2 {
            let range = match part {
                BodyPart::Whole => &all.bodies_range,
                BodyPart::Heads => &all.heads_range,
            };
            self.pages(range, (session, bucket, first, last)).await?
        } else {
            let of = match part {
                BodyPart::Whole => &all.bodies_of,
                BodyPart::Heads => &all.heads_of,
            };
            let reads = seqs.chunks(IN_MAX);
            let reads = reads.map(|some| self.pages(of, (session, bucket, some)));
            try_join_all(reads).await?.into_iter().flatten().collect()
        };
        let mut found = BTreeMap::new();
        for page in &pages {
            gather_bodies(page, part, &mut |cells| {
                if seqs.binary_search(&cells.seq).is_ok() {
                    add_body(found.entry(cells.seq).or_default(), &cells, part);
                }
            })?;
        }
        Ok(found)
    }
}
