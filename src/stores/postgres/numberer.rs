//! Numbers for the turns of other programs, given under the session's lock.
//!
//! Turns that another transaction holds are never waited for while a session is locked: their
//! owner may be about to change that very session, and would get a deadlock. They are left for
//! the next pass, and with them what hangs on them. Knows no pool: callers bring the transaction.

use std::collections::{HashMap, HashSet};

use sqlx::{PgConnection, Row};

use super::order::{Age, Pending, order};
use super::statements::numbering::{
    NUMBER_DOUBLED, NUMBER_LOCK, NUMBER_LOCK_FREE, NUMBER_PENDING, NUMBER_STEPS_MOVED,
    NUMBER_STEPS_REBORN, NUMBER_WRITE,
};
use crate::domain::{Timestamp, Uid};
use crate::stores::sql::columns::{DbTime, DbUid};

/// How a pass goes about its sessions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pass {
    /// What decides among turns that do not hang on each other.
    pub age: Age,
    /// Whether to wait for sessions that are locked, or leave them out.
    pub wait: bool,
}

/// In the background: leave out what is locked.
pub(super) const BACKGROUND: Pass = Pass {
    age: Age::Arrived,
    wait: false,
};

/// For a command or a read that needs the numbers of one session. Never for several at once: who
/// holds one session and waits for another may be waited for.
pub(super) const WAITING: Pass = Pass {
    age: Age::Arrived,
    wait: true,
};

/// When a database is adopted.
pub(super) const ADOPTION: Pass = Pass {
    age: Age::Created,
    wait: false,
};

/// What a pass did.
#[derive(Debug, Default)]
pub(super) struct Numbered {
    /// Turns that got a number.
    pub turns: u64,
    /// Sessions that were completed, with or without turns.
    pub sessions: u64,
    /// Where cycles of parents were cut.
    pub cycles: Vec<Uid>,
    /// Keys of numbered turns that a turn of the other kind has as well.
    pub doubled: Vec<Uid>,
}

impl Numbered {
    /// Logs what other programs should not have written.
    pub(super) fn tell(&self) {
        if !self.cycles.is_empty() {
            tracing::warn!(cycles = ?self.cycles, "cycles of parents were cut to number turns");
        }
        if !self.doubled.is_empty() {
            tracing::warn!(
                turns = ?self.doubled,
                "another program has given these keys to a human and to an agent turn; rename one \
                 of each pair, or which of the two is found by its key is left to chance"
            );
        }
    }
}

/// A session under lock.
struct Locked {
    next_seq: i32,
    last_activity: Option<i64>,
    created: Option<i64>,
    /// `rev` of the purge of an earlier session of the same key.
    purged: Option<i64>,
}

/// An activity is noted when it is that much later than the noted one, in microseconds: the index
/// on it then seldom moves.
const ACTIVITY_STEP: i64 = 60_000_000;

/// The rows to write, column by column.
#[derive(Default)]
struct Writes {
    human: TurnColumns,
    agent: TurnColumns,
    sessions: SessionColumns,
    reborn: (Vec<String>, Vec<i64>),
}

#[derive(Default)]
struct TurnColumns {
    uids: Vec<String>,
    seqs: Vec<i32>,
    revs: Vec<i64>,
}

#[derive(Default)]
struct SessionColumns {
    uids: Vec<String>,
    from: Vec<i32>,
    next: Vec<i32>,
    active: Vec<DbTime>,
    revs: Vec<i64>,
}

/// Numbers what waits in these sessions, in the transaction of `conn`, and completes the rows of
/// sessions that other programs have created.
pub(super) async fn number(
    conn: &mut PgConnection,
    uids: &[String],
    pass: Pass,
) -> Result<Numbered, sqlx::Error> {
    let sessions = lock(conn, uids, pass.wait).await?;
    if sessions.is_empty() {
        return Ok(Numbered::default());
    }
    let locked: Vec<&str> = sessions.keys().map(Uid::as_str).collect();
    let (mut turns, busy) = pending(conn, &locked).await?;
    let mut writes = Writes::default();
    let mut done = Numbered::default();
    for (uid, session) in &sessions {
        let waiting = turns.remove(uid).unwrap_or_default();
        let ordered = order(&waiting, &busy, pass.age);
        if ordered.places.is_empty() && session.last_activity.is_some() {
            continue;
        }
        done.turns += ordered.places.len() as u64;
        done.sessions += 1;
        let placed: Vec<&Pending> = ordered.places.iter().map(|&ix| &waiting[ix]).collect();
        writes.add(uid, session, &placed);
        done.cycles.extend(ordered.cycles);
    }
    if done.sessions > 0 {
        done.doubled = writes.doubled(conn, pass.age).await?;
        writes.write(conn, pass.age).await?;
    }
    Ok(done)
}

async fn lock(
    conn: &mut PgConnection,
    uids: &[String],
    wait: bool,
) -> Result<HashMap<Uid, Locked>, sqlx::Error> {
    let statement = if wait { NUMBER_LOCK } else { NUMBER_LOCK_FREE };
    let rows = sqlx::query(statement.sql)
        .bind(uids)
        .fetch_all(conn)
        .await?;
    rows.iter()
        .map(|row| {
            let uid: DbUid = row.try_get(0)?;
            let micros = |place: usize| -> Result<Option<i64>, sqlx::Error> {
                Ok(row.try_get::<Option<DbTime>, _>(place)?.map(|at| at.0.0))
            };
            let locked = Locked {
                next_seq: row.try_get(1)?,
                last_activity: micros(2)?,
                created: micros(3)?,
                purged: row.try_get(4)?,
            };
            Ok((uid.into(), locked))
        })
        .collect()
}

/// Waiting turns by session, locked now, and the keys of those that somebody else has locked.
async fn pending(
    conn: &mut PgConnection,
    uids: &[&str],
) -> Result<(HashMap<Uid, Vec<Pending>>, HashSet<Uid>), sqlx::Error> {
    let rows = sqlx::query(NUMBER_PENDING.sql)
        .bind(uids)
        .fetch_all(conn)
        .await?;
    let mut turns: HashMap<Uid, Vec<Pending>> = HashMap::new();
    let mut busy = HashSet::new();
    for row in &rows {
        let uid = Uid::from(row.try_get::<DbUid, _>(1)?);
        if row.try_get(0)? {
            busy.insert(uid);
            continue;
        }
        let rev: i64 = row.try_get(5)?;
        let created: Option<DbTime> = row.try_get(6)?;
        let parent: Option<DbUid> = row.try_get(4)?;
        let session: DbUid = row.try_get(2)?;
        turns.entry(session.into()).or_default().push(Pending {
            agent: row.try_get(3)?,
            uid,
            parent: parent.map(Into::into),
            rev,
            created: created.map_or(rev, |at| at.0.0),
        });
    }
    Ok((turns, busy))
}

impl Writes {
    fn add(&mut self, uid: &Uid, session: &Locked, turns: &[&Pending]) {
        // Rows of a key that was purged before must win over what went.
        let floor = session.purged.map_or(0, |purged| purged + 1);
        let mut seq = session.next_seq;
        for turn in turns {
            let columns = if turn.agent {
                &mut self.agent
            } else {
                &mut self.human
            };
            columns.uids.push(turn.uid.as_str().to_owned());
            columns.seqs.push(seq);
            columns.revs.push(floor);
            if turn.agent && floor > 0 {
                self.reborn.0.push(turn.uid.as_str().to_owned());
                self.reborn.1.push(floor);
            }
            seq += 1;
        }
        let columns = &mut self.sessions;
        columns.uids.push(uid.as_str().to_owned());
        columns.from.push(session.next_seq);
        columns.next.push(seq);
        columns
            .active
            .push(DbTime(Timestamp(activity(session, turns))));
        let is_new = session.last_activity.is_none();
        columns.revs.push(if is_new { floor } else { 0 });
    }

    /// Keys among these that a turn of the other kind has too: only programs that write without
    /// turngraph can give one twice. Adoption refuses a database that has such keys.
    async fn doubled(&self, conn: &mut PgConnection, age: Age) -> Result<Vec<Uid>, sqlx::Error> {
        if age == Age::Created || (self.human.uids.is_empty() && self.agent.uids.is_empty()) {
            return Ok(Vec::new());
        }
        let doubled: Vec<DbUid> = sqlx::query_scalar(NUMBER_DOUBLED.sql)
            .bind(&self.human.uids)
            .bind(&self.agent.uids)
            .fetch_all(conn)
            .await?;
        Ok(doubled.into_iter().map(Into::into).collect())
    }

    async fn write(self, conn: &mut PgConnection, age: Age) -> Result<(), sqlx::Error> {
        sqlx::query(NUMBER_WRITE.sql)
            .bind(&self.human.uids)
            .bind(&self.human.seqs)
            .bind(&self.human.revs)
            .bind(&self.agent.uids)
            .bind(&self.agent.seqs)
            .bind(&self.agent.revs)
            .bind(&self.sessions.uids)
            .bind(&self.sessions.from)
            .bind(&self.sessions.next)
            .bind(&self.sessions.active)
            .bind(&self.sessions.revs)
            .execute(&mut *conn)
            .await?;
        // At adoption no step carries an address yet, so none can carry an old one.
        if age == Age::Arrived && !self.agent.uids.is_empty() {
            sqlx::query(NUMBER_STEPS_MOVED.sql)
                .bind(&self.agent.uids)
                .execute(&mut *conn)
                .await?;
        }
        if !self.reborn.0.is_empty() {
            sqlx::query(NUMBER_STEPS_REBORN.sql)
                .bind(&self.reborn.0)
                .bind(&self.reborn.1)
                .execute(conn)
                .await?;
        }
        Ok(())
    }
}

/// When something was last added, in microseconds: the newest of the new turns where it is
/// noticeably later than what is noted; for a new session its own creation counts too.
fn activity(session: &Locked, turns: &[&Pending]) -> i64 {
    // An instant that lies ahead of the arrival (`infinity` in the extreme) would keep the session
    // on top of the list for ever.
    let newest = turns.iter().map(|turn| turn.created.min(turn.rev)).max();
    match session.last_activity {
        Some(noted) => newest.map_or(noted, |at| {
            if at > noted.saturating_add(ACTIVITY_STEP) {
                at
            } else {
                noted
            }
        }),
        None => newest
            .into_iter()
            .chain(session.created.filter(|&at| at != i64::MAX))
            .max()
            .unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activity_moves_by_the_minute_and_never_into_the_future() {
        let session = |last_activity| Locked {
            next_seq: 0,
            last_activity,
            created: Some(50),
            purged: None,
        };
        let turn = |created, rev| Pending {
            agent: false,
            uid: Uid::stored("t"),
            parent: None,
            rev,
            created,
        };
        let (early, late) = (turn(40, 200), turn(i64::MAX, ACTIVITY_STEP + 101));
        assert_eq!(activity(&session(None), &[]), 50);
        assert_eq!(activity(&session(None), &[&early]), 50);
        assert_eq!(activity(&session(None), &[&early, &late]), late.rev);
        assert_eq!(activity(&session(Some(100)), &[&early]), 100);
        assert_eq!(activity(&session(Some(101)), &[&late]), 101);
        assert_eq!(activity(&session(Some(100)), &[&late]), late.rev);
    }
}
