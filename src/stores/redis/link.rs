//! `Link`: one multiplexed connection that never makes a caller wait for a server that is gone.
//!
//! While the server cannot be reached every command fails at once; a task of the link's own tries
//! again until it can. Before the link is up again it drops what could not be dropped meanwhile,
//! and learns whether the server is still the same one: a server that was restarted may have
//! loaded an old state from its disk, and one that took over may have missed invalidations, so
//! nothing that was stored under another server's stamp is believed.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Pipeline, RedisError, Value};

use super::error::{error, of_command, of_connecting};
use super::options::RedisOptions;
use super::other;
use super::owed::{Owed, Pair, unlink};
use super::server::{self, Stamp};
use crate::stores::record::StoreResult;
use crate::stores::{StoreError, StoreErrorKind};

/// Answers that stay away in a row after which the connection is given up. One may be a slow
/// moment of the server.
const TIMEOUTS_MAX: u32 = 3;

/// First and longest pause between two attempts to connect.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// A connection that is open, and the server that it leads to.
#[derive(Clone)]
pub(super) struct Open {
    pub(super) connection: MultiplexedConnection,
    pub(super) stamp: Stamp,
    /// Counts the connections, so that a failure of an old one does not close a new one.
    number: u64,
}

enum State {
    Up(Open),
    Down { why: String },
    Closed,
}

struct Inner {
    state: State,
    owed: Owed,
    connections: u64,
}

/// See the module.
pub(super) struct Link {
    client: Client,
    /// Host and port, for messages.
    pub(super) at: String,
    connect_timeout: Duration,
    command_timeout: Duration,
    inner: Mutex<Inner>,
    timeouts: AtomicU32,
}

impl Link {
    /// Connects. With `wait` a server that cannot be reached now is tried again in the background
    /// and the link begins as down; wrong configuration is an error in any case.
    pub(super) async fn open(options: &RedisOptions, wait: bool) -> StoreResult<Arc<Self>> {
        let (client, at) = server::client(options)?;
        let link = Arc::new(Self {
            client,
            at,
            connect_timeout: options.connect_timeout,
            command_timeout: options.command_timeout,
            inner: Mutex::new(Inner {
                state: State::Down {
                    why: "not connected yet".into(),
                },
                owed: Owed::default(),
                connections: 0,
            }),
            timeouts: AtomicU32::new(0),
        });
        match link.connect().await {
            Ok((connection, stamp)) => {
                link.set_up(connection, stamp);
            }
            // Waiting would not make a Redis of it.
            Err((true, _)) if other::is_postgres(&link.at).await => {
                return Err(other::postgres(&link.at));
            }
            Err((true, error)) if wait => {
                link.inner().state = State::Down {
                    why: error.message.clone(),
                };
                tracing::warn!(error = %error, "the hot cache is not there yet");
                link.reconnect();
            }
            Err((_, error)) => return Err(error),
        }
        Ok(link)
    }

    /// Runs a pipeline: each command's answer, or its error. One round trip.
    pub(super) async fn run(
        self: &Arc<Self>,
        action: &'static str,
        open: &Open,
        pipeline: &Pipeline,
    ) -> StoreResult<Vec<Result<Value, RedisError>>> {
        let mut connection = open.connection.clone();
        let asked = pipeline.query_async::<Vec<Result<Value, RedisError>>>(&mut connection);
        let failed = match tokio::time::timeout(self.command_timeout, asked).await {
            Ok(Ok(answers)) => {
                self.timeouts.store(0, Ordering::Relaxed);
                return Ok(answers);
            }
            Ok(Err(failed)) => {
                if failed.is_unrecoverable_error() || failed.is_io_error() {
                    self.lost(open, failed.to_string());
                }
                of_command(action, failed)
            }
            Err(_) => {
                if self.timeouts.fetch_add(1, Ordering::Relaxed) + 1 >= TIMEOUTS_MAX {
                    self.lost(open, "it does not answer".into());
                }
                let waited = self.command_timeout.as_millis();
                let message = format!("{} did not answer within {waited} ms", self.at);
                error(StoreErrorKind::Timeout, action, message)
            }
        };
        Err(failed)
    }

    /// The open connection, or at once why there is none.
    pub(super) fn connection(&self, action: &'static str) -> StoreResult<Open> {
        match &self.inner().state {
            State::Up(open) => Ok(open.clone()),
            other => Err(self.down(action, other)),
        }
    }

    /// Drops keys, one round trip. On failure they are remembered, the connection is given up, and
    /// they are dropped before it is used again.
    pub(super) async fn drop_keys(
        self: &Arc<Self>,
        action: &'static str,
        keys: Vec<Pair>,
    ) -> StoreResult<()> {
        let open = {
            let mut inner = self.inner();
            match &inner.state {
                State::Up(open) => open.clone(),
                other => {
                    let error = self.down(action, other);
                    inner.owed.add(keys);
                    return Err(error);
                }
            }
        };
        let dropped = self.run(action, &open, &unlink(&keys)).await;
        let failed = match dropped {
            Ok(answers) => match answers.into_iter().find_map(Result::err) {
                None => return Ok(()),
                Some(failed) => of_command(action, failed),
            },
            Err(failed) => failed,
        };
        self.owe(keys, &failed.message);
        Err(failed)
    }

    /// Remembers keys and gives the connection up, whichever it is by now: while something is owed
    /// the link is never up.
    pub(super) fn owe(self: &Arc<Self>, keys: Vec<Pair>, why: &str) {
        {
            let mut inner = self.inner();
            inner.owed.add(keys);
            if !matches!(inner.state, State::Up(_)) {
                return;
            }
            inner.state = State::Down { why: why.into() };
        }
        tracing::warn!(at = %self.at, why, "the hot cache is lost, invalidations are owed");
        self.reconnect();
    }

    /// Ends the link; commands fail from now on.
    pub(super) fn close(&self) {
        self.inner().state = State::Closed;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn down(&self, action: &'static str, state: &State) -> StoreError {
        let message = match state {
            State::Down { why } => format!("not connected to {}: {why}", self.at),
            State::Closed => "closed".into(),
            State::Up(_) => "connected".into(),
        };
        error(StoreErrorKind::Unavailable, action, message)
    }

    /// False when something is owed by now.
    fn set_up(&self, connection: MultiplexedConnection, stamp: Stamp) -> bool {
        let mut inner = self.inner();
        if !inner.owed.is_empty() {
            return false;
        }
        if matches!(inner.state, State::Closed) {
            return true;
        }
        inner.connections += 1;
        inner.state = State::Up(Open {
            connection,
            stamp,
            number: inner.connections,
        });
        self.timeouts.store(0, Ordering::Relaxed);
        true
    }

    /// Gives a connection up and connects anew in the background, once however many notice.
    fn lost(self: &Arc<Self>, lost: &Open, why: String) {
        {
            let mut inner = self.inner();
            match &inner.state {
                State::Up(open) if open.number == lost.number => {}
                _ => return,
            }
            tracing::warn!(at = %self.at, why, "the hot cache is lost");
            inner.state = State::Down { why };
        }
        self.reconnect();
    }

    fn reconnect(self: &Arc<Self>) {
        // The task must not keep a cache alive that nobody has any more.
        let link = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut pause = PAUSE.0;
            loop {
                tokio::time::sleep(pause).await;
                let Some(link) = link.upgrade() else { return };
                if matches!(link.inner().state, State::Closed) || link.try_again().await {
                    return;
                }
                pause = (pause * 2).min(PAUSE.1);
            }
        });
    }

    /// Connects and pays what is owed; true when the link is up.
    async fn try_again(self: &Arc<Self>) -> bool {
        let failed = match self.connect().await {
            Ok((connection, stamp)) => loop {
                if let Err(failed) = self.pay(connection.clone()).await {
                    break failed;
                }
                if self.set_up(connection.clone(), stamp) {
                    tracing::info!(at = %self.at, "the hot cache is back");
                    return true;
                }
            },
            Err((_, failed)) => failed,
        };
        if let State::Down { why } = &mut self.inner().state {
            *why = failed.message;
        }
        false
    }

    /// Drops what is owed by now.
    async fn pay(&self, mut connection: MultiplexedConnection) -> StoreResult<()> {
        let owed = std::mem::take(&mut self.inner().owed);
        let paid = owed.pay(&mut connection).await;
        paid.map_err(|failed| {
            self.inner().owed.take_back(owed);
            of_command("invalidate", failed)
        })
    }

    async fn connect(&self) -> Result<(MultiplexedConnection, Stamp), (bool, StoreError)> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(self.connect_timeout))
            .set_pipeline_buffer_size(1_024);
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        let mut connection = connecting
            .await
            .map_err(|failed| of_connecting(&self.at, failed))?;
        let stamp = server::check(&self.at, &mut connection).await?;
        Ok((connection, stamp))
    }
}
