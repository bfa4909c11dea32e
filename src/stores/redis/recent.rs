//! Accounts' lists of recent sessions: sorted sets, written by scripts only.

use redis::Value;

use super::error::of_command;
use super::scripts;
use super::{RedisCache, call, foreign, keys, millis, pipeline};
use crate::domain::{Timestamp, Uid};
use crate::stores::cache::{Generation, RECENT_MAX, Recent, RecentSession};
use crate::stores::record::StoreResult;

impl RedisCache {
    pub(super) async fn recent_page(
        &self,
        account: &Uid,
        after: Option<&RecentSession>,
        limit: usize,
    ) -> StoreResult<Recent> {
        let open = self.link.connection("recent")?;
        let mut calls = pipeline();
        call(&mut calls, &scripts::RECENT, &keys_of(account));
        calls.arg(&open.stamp.0[..]);
        calls.arg(&self.random.number().to_le_bytes()[..]);
        calls.arg(millis(self.options.generation_lifetime));
        match after {
            Some(place) => calls.arg(place.last_activity_at.0),
            None => calls.arg(""),
        };
        calls.arg(limit);
        let answer = self.run("recent", &open, &calls).await?.into_iter().next();
        let answer = answer.ok_or_else(|| foreign("recent"))?;
        let answer = answer.map_err(|failed| of_command("recent", failed))?;
        page(answer, after, limit).ok_or_else(|| foreign("recent"))
    }

    pub(super) async fn recent_filled(
        &self,
        account: &Uid,
        generation: Generation,
        newest: &[RecentSession],
        whole: bool,
    ) -> StoreResult<bool> {
        let held = &newest[..newest.len().min(RECENT_MAX)];
        let whole = whole && held.len() == newest.len();
        if held.is_empty() && !whole {
            return Ok(false);
        }
        let open = self.link.connection("fill_recent")?;
        let mut calls = pipeline();
        call(&mut calls, &scripts::FILL_RECENT, &keys_of(account));
        calls.arg([&open.stamp.0[..], &generation.0.to_le_bytes()].concat());
        calls.arg(millis(self.random.jittered(self.options.recent_lifetime)));
        let end: &[u8] = if whole { b"W" } else { b"P" };
        calls.arg([b"\0", &open.stamp.0[..], end].concat());
        for place in held {
            calls
                .arg(place.last_activity_at.0)
                .arg(place.session_uid.as_str());
        }
        match self
            .run("fill_recent", &open, &calls)
            .await?
            .into_iter()
            .next()
        {
            Some(Ok(Value::Int(taken))) => Ok(taken == 1),
            Some(Err(failed)) => Err(of_command("fill_recent", failed)),
            _ => Err(foreign("fill_recent")),
        }
    }

    pub(super) async fn recent_touched(
        &self,
        account: &Uid,
        touched: &[RecentSession],
    ) -> StoreResult<()> {
        let failed = match self.link.connection("touch_recent") {
            Err(failed) => failed,
            Ok(open) => {
                let mut calls = pipeline();
                call(&mut calls, &scripts::TOUCH, &keys_of(account));
                calls.arg(&open.stamp.0[..]).arg(RECENT_MAX);
                for place in touched {
                    calls
                        .arg(place.last_activity_at.0)
                        .arg(place.session_uid.as_str());
                }
                match self.run("touch_recent", &open, &calls).await {
                    Err(failed) => failed,
                    Ok(answers) => match answers.into_iter().find_map(Result::err) {
                        None => return Ok(()),
                        Some(failed) => of_command("touch_recent", failed),
                    },
                }
            }
        };
        // A list that misses a session must not be shown.
        self.link.owe(vec![keys_of(account)], &failed.message);
        Err(failed)
    }

    pub(super) async fn recent_forgotten(&self, account: &Uid) -> StoreResult<()> {
        self.link
            .drop_keys("forget_recent", vec![keys_of(account)])
            .await
    }
}

fn keys_of(account: &Uid) -> [String; 2] {
    [keys::recent(account), keys::recent_generation(account)]
}

/// What the script answered; `None` when it has a form that it never has.
fn page(answer: Value, after: Option<&RecentSession>, limit: usize) -> Option<Recent> {
    let Value::Array(parts) = answer else {
        return None;
    };
    match parts.as_slice() {
        [Value::Int(0), Value::BulkString(generation)] => {
            let generation = generation.as_slice().try_into().ok()?;
            Some(Recent::Miss(Generation(u64::from_le_bytes(generation))))
        }
        [
            Value::Int(1),
            Value::Int(whole),
            Value::Array(same),
            Value::Array(below),
        ] => {
            let mut found = places(same)?;
            // Of one time the server knows the order of keys, but not where to begin.
            found.retain(|place| after.is_none_or(|after| place < after));
            found.extend(places(below)?);
            found.truncate(limit);
            Some(match found.len() < limit && *whole == 0 {
                true => Recent::Beyond,
                false => Recent::Page(found),
            })
        }
        _ => None,
    }
}

fn places(flat: &[Value]) -> Option<Vec<RecentSession>> {
    let place = |pair: &[Value]| match pair {
        [Value::BulkString(member), Value::BulkString(score)] => Some(RecentSession {
            last_activity_at: Timestamp(std::str::from_utf8(score).ok()?.parse().ok()?),
            session_uid: Uid::parse(std::str::from_utf8(member).ok()?).ok()?,
        }),
        _ => None,
    };
    flat.chunks(2).map(place).collect()
}
