//! What could not be dropped while the server was away.

use std::collections::HashSet;

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisError, Value};

use super::server;

/// What is dropped in one step: the data and its generation. Were they dropped one after the other,
/// a fill could come in between and leave an old entry behind.
pub(super) type Pair = [String; 2];

/// Pairs that are remembered; with more, everything is dropped.
const PAIRS_MAX: usize = 100_000;

/// Pairs to be dropped as soon as the server can be reached.
#[derive(Default)]
pub(super) struct Owed {
    pairs: HashSet<Pair>,
    all: bool,
}

impl Owed {
    pub(super) fn add(&mut self, pairs: Vec<Pair>) {
        self.pairs.extend(pairs);
        if self.pairs.len() > PAIRS_MAX {
            self.pairs.clear();
            self.all = true;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty() && !self.all
    }

    /// What could not be paid, beside what has come since.
    pub(super) fn take_back(&mut self, owed: Self) {
        self.all |= owed.all;
        self.add(owed.pairs.into_iter().collect());
    }

    /// Drops all of it.
    pub(super) async fn pay(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> Result<(), RedisError> {
        if self.all {
            server::drop_all(connection).await?;
        }
        let pairs: Vec<Pair> = self.pairs.iter().cloned().collect();
        for some in pairs.chunks(1_000) {
            let pipeline = unlink(some);
            let answers: Vec<Result<Value, RedisError>> = pipeline.query_async(connection).await?;
            if let Some(failed) = answers.into_iter().find_map(Result::err) {
                return Err(failed);
            }
        }
        Ok(())
    }
}

/// One command a pair, which has one hash tag: pairs of a cluster live on different servers, and a
/// proxy splits a pipeline but not a command.
pub(super) fn unlink(pairs: &[Pair]) -> Pipeline {
    let mut pipeline = redis::pipe();
    pipeline.ignore_errors();
    for pair in pairs {
        pipeline.cmd("UNLINK").arg(pair);
    }
    pipeline
}
