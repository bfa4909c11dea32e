//! Looking sessions up: asking, reading the answers, replacing entries that cannot be read.

use std::vec::IntoIter;

use redis::{Pipeline, Value};

use super::error::of_command;
use super::link::Open;
use super::{Answer, RedisCache, call, foreign, keys, millis, pipeline, scripts};
use crate::domain::Uid;
use crate::stores::cache::codec::{self, Entry};
use crate::stores::cache::{Cached, Generation};
use crate::stores::record::StoreResult;

impl RedisCache {
    pub(super) async fn sessions(&self, uids: &[Uid]) -> StoreResult<Vec<Cached>> {
        if uids.is_empty() {
            return Ok(Vec::new());
        }
        let open = self.link.connection("get")?;
        let mut calls = pipeline();
        for uid in uids {
            self.ask(&mut calls, uid, &open);
        }
        let answers = self.run("get", &open, &calls).await?;
        let read: Vec<Option<Cached>> = answers
            .into_iter()
            .map(Self::read)
            .collect::<StoreResult<_>>()?;
        let broken: Vec<&Uid> = uids
            .iter()
            .zip(&read)
            .filter_map(|(uid, read)| read.is_none().then_some(uid))
            .collect();
        if broken.is_empty() {
            return Ok(read.into_iter().flatten().collect());
        }
        let mut again = self.replace_broken(&open, &broken).await?;
        read.into_iter()
            .map(|read| read.or_else(|| again.next()).ok_or_else(|| foreign("get")))
            .collect()
    }

    fn ask(&self, calls: &mut Pipeline, uid: &Uid, open: &Open) {
        call(
            calls,
            &scripts::GET,
            &[keys::session(uid), keys::generation(uid)],
        );
        calls.arg(&open.stamp.0[..]);
        calls.arg(&self.random.number().to_le_bytes()[..]);
        calls.arg(millis(self.options.generation_lifetime));
    }

    /// `None` when the entry cannot be read.
    fn read(answer: Answer) -> StoreResult<Option<Cached>> {
        match answer.map_err(|failed| of_command("get", failed))? {
            Value::BulkString(bytes) => Ok(entry(&bytes)),
            Value::Array(told) => match told.as_slice() {
                [Value::BulkString(generation)] => {
                    let generation = generation
                        .as_slice()
                        .try_into()
                        .map_err(|_| foreign("get"))?;
                    Ok(Some(Cached::Miss(Generation(u64::from_le_bytes(
                        generation,
                    )))))
                }
                _ => Err(foreign("get")),
            },
            _ => Err(foreign("get")),
        }
    }

    /// Asks once more for those whose entries could not be read, after dropping them.
    async fn replace_broken(&self, open: &Open, uids: &[&Uid]) -> StoreResult<IntoIter<Cached>> {
        tracing::warn!(
            entries = uids.len(),
            "entries of the hot cache could not be read"
        );
        let mut calls = pipeline();
        for uid in uids {
            calls
                .cmd("UNLINK")
                .arg(keys::session(uid))
                .arg(keys::generation(uid));
            self.ask(&mut calls, uid, open);
        }
        let answers = self.run("get", open, &calls).await?;
        let mut found = Vec::with_capacity(uids.len());
        for (at, answer) in answers.into_iter().enumerate() {
            if at % 2 == 1 {
                found.push(Self::read(answer)?.ok_or_else(|| foreign("get"))?);
            }
        }
        Ok(found.into_iter())
    }
}

/// Stamp, generation, packed session; `None` when it is not that.
fn entry(bytes: &[u8]) -> Option<Cached> {
    let generation = bytes.get(8..16)?.try_into().ok()?;
    Some(match codec::decode_entry(&bytes[16..])? {
        Entry::Absent => Cached::Absent,
        Entry::Session(session) => Cached::Hit(session, Generation(u64::from_le_bytes(generation))),
    })
}
