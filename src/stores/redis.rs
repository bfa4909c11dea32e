//! The hot cache in Redis or Valkey, shared by all processes.
//!
//! An entry and its generation are two keys. A generation is a random number that exists only
//! while a fill may name it: an invalidation drops both in one step, so nothing that was given
//! before it can be named after it, and sessions that nobody reads cost nothing. Entries and generations carry
//! the stamp of the server's run (see `link`), so that what a server loads from its disk after a
//! restart is not believed. Knows nothing of what is cached for whom: that is the router's.

mod error;
mod examine;
mod keys;
mod link;
mod options;
mod other;
mod owed;
mod read;
mod scripts;
mod server;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::{Pipeline, RedisError, Script, Value};

pub use self::options::RedisOptions;

use self::error::of_command;
use self::link::{Link, Open};
use super::cache::codec;
use super::cache::random::Random;
use super::cache::{Cached, Generation, HotSession, SessionCache};
use super::record::StoreResult;
use super::{StoreError, StoreErrorKind, StoreKind};
use crate::domain::{Uid, Watermark};

/// See the module.
pub struct RedisCache {
    link: Arc<Link>,
    random: Random,
    options: RedisOptions,
}

type Answer = Result<Value, RedisError>;

impl RedisCache {
    /// Connects, or says what is wrong and what to do.
    pub async fn open(options: RedisOptions, random: Random) -> StoreResult<Self> {
        let link = Link::open(&options, false).await?;
        Ok(Self {
            link,
            random,
            options,
        })
    }

    /// The same, but a server that cannot be reached now is no error: everything is an error at
    /// once until it can be. Wrong configuration is still told here.
    pub async fn open_or_wait(options: RedisOptions, random: Random) -> StoreResult<Self> {
        let link = Link::open(&options, true).await?;
        Ok(Self {
            link,
            random,
            options,
        })
    }

    /// Runs scripts, one round trip; once more if the server forgot them.
    async fn run(
        &self,
        action: &'static str,
        open: &Open,
        calls: &Pipeline,
    ) -> StoreResult<Vec<Answer>> {
        let answers = self.link.run(action, open, calls).await?;
        let forgot = |answer: &Answer| matches!(answer, Err(e) if server::forgot_scripts(e));
        if !answers.iter().any(forgot) {
            return Ok(answers);
        }
        let mut load = scripts::load();
        self.link.run(action, open, load.ignore_errors()).await?;
        self.link.run(action, open, calls).await
    }
}

#[async_trait]
impl SessionCache for RedisCache {
    async fn get(&self, uids: &[Uid]) -> StoreResult<Vec<Cached>> {
        self.sessions(uids).await
    }

    async fn fill(
        &self,
        uid: &Uid,
        generation: Generation,
        session: Option<Arc<HotSession>>,
    ) -> StoreResult<bool> {
        let lifetime = match session {
            Some(_) => self.options.session_lifetime,
            None => self.options.absent_lifetime,
        };
        let session = match session {
            None => None,
            Some(session) => match HotSession::within(session, self.options.entry_bytes_max) {
                None => return Ok(false),
                within => within,
            },
        };
        let open = self.link.connection("fill")?;
        let generation = [&open.stamp.0[..], &generation.0.to_le_bytes()].concat();
        let entry = [&generation[..], &codec::encode_entry(session.as_deref())].concat();
        let mut calls = pipeline();
        call(
            &mut calls,
            &scripts::FILL,
            &[keys::session(uid), keys::generation(uid)],
        );
        calls.arg(generation).arg(entry);
        calls.arg(millis(self.random.jittered(lifetime)));
        let answers = self.run("fill", &open, &calls).await?;
        match answers.into_iter().next() {
            Some(Ok(Value::Int(taken))) => Ok(taken == 1),
            Some(Err(failed)) => Err(of_command("fill", failed)),
            _ => Err(foreign("fill")),
        }
    }

    async fn invalidate(&self, uids: &[Uid]) -> StoreResult<()> {
        if uids.is_empty() {
            return Ok(());
        }
        let both = |uid: &Uid| [keys::session(uid), keys::generation(uid)];
        let keys = uids.iter().map(both).collect();
        self.link.drop_keys("invalidate", keys).await
    }

    async fn clear(&self) -> StoreResult<()> {
        let mut open = self.link.connection("clear")?;
        let cleared = server::drop_all(&mut open.connection).await;
        cleared.map_err(|failed| of_command("clear", failed))
    }

    async fn set_watermark(&self, watermark: &Watermark) -> StoreResult<()> {
        let open = self.link.connection("set_watermark")?;
        let mut calls = pipeline();
        calls.cmd("SET").arg(keys::watermark());
        calls.arg(codec::encode_watermark(watermark));
        let answers = self.run("set_watermark", &open, &calls).await?;
        match answers.into_iter().find_map(Result::err) {
            Some(failed) => Err(of_command("set_watermark", failed)),
            None => Ok(()),
        }
    }

    async fn watermark(&self) -> StoreResult<Option<Watermark>> {
        let open = self.link.connection("watermark")?;
        let mut calls = pipeline();
        calls.cmd("GET").arg(keys::watermark());
        match self
            .run("watermark", &open, &calls)
            .await?
            .into_iter()
            .next()
        {
            Some(Ok(Value::BulkString(bytes))) => Ok(codec::decode_watermark(&bytes)),
            Some(Ok(Value::Nil)) => Ok(None),
            Some(Err(failed)) => Err(of_command("watermark", failed)),
            _ => Err(foreign("watermark")),
        }
    }

    async fn health(&self) -> StoreResult<String> {
        let open = self.link.connection("health")?;
        let mut calls = pipeline();
        calls.cmd("INFO").arg("server");
        calls.cmd("INFO").arg("memory");
        let mut info = String::new();
        for answer in self.run("health", &open, &calls).await? {
            let part = answer.map_err(|failed| of_command("health", failed))?;
            let part: String = redis::from_redis_value(part).map_err(|_| foreign("health"))?;
            info.push_str(&part);
        }
        Ok(server::described(&info))
    }

    async fn close(&self) {
        self.link.close();
    }
}

fn pipeline() -> Pipeline {
    let mut pipeline = redis::pipe();
    pipeline.ignore_errors();
    pipeline
}

fn call(calls: &mut Pipeline, script: &Script, keys: &[String]) {
    calls.cmd("EVALSHA").arg(script.get_hash()).arg(keys.len());
    calls.arg(keys);
}

fn millis(lifetime: Duration) -> u64 {
    u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX)
}

fn foreign(action: &'static str) -> StoreError {
    StoreError {
        kind: StoreErrorKind::Corrupt,
        store: StoreKind::Redis,
        action,
        message: "the server's answer has a form that no Redis gives; is a proxy before it?".into(),
        source: None,
    }
}
