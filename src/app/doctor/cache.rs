//! The hot cache: whether it answers, its limits, clock and permissions.

use super::{Check, clock};
use crate::domain::{Clock, UuidV7Source};
use crate::stores::SessionCache;
use crate::stores::cache::random::Random;
use crate::stores::redis::{RedisCache, RedisOptions};

pub(super) async fn examine(url: &str, here: &dyn Clock) -> Vec<Check> {
    let random = Random::fresh(&UuidV7Source);
    let redis = match RedisCache::open(RedisOptions::url(url), random).await {
        Ok(redis) => redis,
        Err(error) => return vec![Check::failed("cache", error)],
    };
    let mut checks = vec![match redis.health().await {
        Ok(found) if found.contains("without a limit") || found.contains("set allkeys") => {
            Check::warning("cache", found, "see docs/cache.md")
        }
        Ok(found) => Check::ok("cache", found),
        Err(error) => Check::failed("cache", error),
    }];
    let harm = "entries live longer or shorter than they should";
    checks.push(clock("cache clock", redis.clock(), here, harm).await);
    checks.push(match redis.try_write().await {
        Ok(()) => Check::ok("cache permissions", "may read and write"),
        Err(error) => Check::failed("cache permissions", error),
    });
    redis.close().await;
    checks
}
