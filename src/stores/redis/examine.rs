//! What `doctor` asks a server: its clock, and whether this user may read and write our keys.

use redis::Value;

use super::error::of_command;
use super::{RedisCache, foreign, keys, pipeline};
use crate::domain::Timestamp;
use crate::stores::record::StoreResult;

impl RedisCache {
    /// The server's time.
    pub async fn clock(&self) -> StoreResult<Timestamp> {
        let open = self.link.connection("clock")?;
        let mut calls = pipeline();
        calls.cmd("TIME");
        let answer = self.run("clock", &open, &calls).await?.into_iter().next();
        let told = answer.ok_or_else(|| foreign("clock"))?;
        let told: Value = told.map_err(|failed| of_command("clock", failed))?;
        let told = redis::from_redis_value::<(i64, i64)>(told);
        let (seconds, micros) = told.map_err(|_| foreign("clock"))?;
        Ok(Timestamp(
            seconds.saturating_mul(1_000_000).saturating_add(micros),
        ))
    }

    /// Writes a key that nobody else uses, reads it and drops it.
    pub async fn try_write(&self) -> StoreResult<()> {
        let open = self.link.connection("probe")?;
        let mut calls = pipeline();
        calls.cmd("SET").arg(keys::probe()).arg("doctor");
        calls.cmd("GET").arg(keys::probe());
        calls.cmd("UNLINK").arg(keys::probe());
        let answers = self.run("probe", &open, &calls).await?;
        match answers.into_iter().find_map(Result::err) {
            Some(failed) => Err(of_command("probe", failed)),
            None => Ok(()),
        }
    }
}
