//! Connections: one at once where the server is there, and else soon the reason why there is none.
//!
//! The driver's pool takes a refused connection for a server that is just starting, and tries
//! again until its time is up; then it says no more than that. So whoever waits for longer than an
//! instant has the address tried once beside the pool, and fails with what that finds.

use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection, PgConnection, Postgres};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::error::{code_of, failure, store_error};
use super::{CONNECTION_SETTINGS, PgOptions, connect_options};
use crate::stores::record::StoreResult;
use crate::stores::{StoreError, StoreErrorKind};

/// How long a connection may take before it is asked why. A connection to a server that is there
/// takes a few milliseconds.
const PATIENCE: Duration = Duration::from_millis(250);

/// How long an answer to that question holds for all who wait: at most so often is the server
/// asked, also where connections are only scarce.
const ANSWER_HOLDS: Duration = Duration::from_secs(1);

/// A connection that was not used for longer is looked at before it is given out: its server may
/// have gone meanwhile.
const IDLE_TRUSTED: Duration = Duration::from_secs(1);

/// Why the server gives no connection; none while it would give one.
type Refusal = Option<(StoreErrorKind, String)>;

/// The connections of a store.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    /// The driver's pool, for those that need no reason.
    pub(super) pool: PgPool,
    address: Arc<PgConnectOptions>,
    /// Whether the server may be a standby.
    standby: bool,
    /// How long a connection is waited for.
    wait: Duration,
    asked: Arc<Mutex<Option<(Instant, Refusal)>>>,
}

impl Connections {
    /// Connects once, so that an address that cannot be is known now.
    pub(super) async fn open(options: &PgOptions) -> StoreResult<Self> {
        let address = connect_options(&options.url)?;
        let standby = options.standby;
        let mut first = connect("connect", &address, options.acquire_timeout).await?;
        primary(&mut first, &address, standby).await?;
        // It only had to be possible; a failure to say goodbye changes nothing.
        drop(first.close().await);
        let settings = format!(
            "{CONNECTION_SETTINGS}; set statement_timeout = {}",
            options.statement_timeout.as_millis()
        );
        let pool = PgPoolOptions::new()
            .max_connections(options.max_connections.max(1))
            .acquire_timeout(options.acquire_timeout)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    let trusted = meta.idle_for < IDLE_TRUSTED;
                    Ok(trusted || connection.ping().await.is_ok())
                })
            })
            .after_connect(move |connection, _| {
                let settings = sqlx::AssertSqlSafe(settings.clone());
                Box::pin(async move {
                    sqlx::raw_sql(settings).execute(&mut *connection).await?;
                    // Which server an address leads to may change with every connection.
                    if !standby && is_standby(connection).await? {
                        return Err(sqlx::Error::Configuration("a standby".into()));
                    }
                    Ok(())
                })
            })
            .connect_lazy_with(address.clone());
        Ok(Self {
            pool,
            address: Arc::new(address),
            standby,
            wait: options.acquire_timeout,
            asked: Arc::default(),
        })
    }

    /// A connection for one statement named `action`.
    pub(super) async fn acquire(
        &self,
        action: &'static str,
    ) -> StoreResult<PoolConnection<Postgres>> {
        self.soon(action, self.pool.acquire()).await
    }

    /// What begins with a connection of the pool: as soon as there is one, or the reason why there
    /// is none.
    pub(super) async fn soon<T>(
        &self,
        action: &'static str,
        begun: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> StoreResult<T> {
        let mut begun = std::pin::pin!(begun);
        if let Ok(ready) = timeout(PATIENCE, &mut begun).await {
            return ready.map_err(|error| store_error(action, error));
        }
        tokio::select! {
            biased;
            ready = &mut begun => ready.map_err(|error| store_error(action, error)),
            (kind, message) = self.refused() => Err(failure(kind, action, message)),
        }
    }

    /// Returns once the server gives no connection, with the reason.
    async fn refused(&self) -> (StoreErrorKind, String) {
        loop {
            if let Some(refusal) = self.refusal().await {
                return refusal;
            }
            sleep(ANSWER_HOLDS).await;
        }
    }

    /// What the server last said to somebody who asked for a connection.
    async fn refusal(&self) -> Refusal {
        let mut asked = self.asked.lock().await;
        if let Some((at, refusal)) = asked.as_ref().filter(|(at, _)| at.elapsed() < ANSWER_HOLDS) {
            tracing::trace!(since = ?at.elapsed(), "the server was asked just before");
            return refusal.clone();
        }
        let refusal = match connect("connect", &self.address, self.wait).await {
            Ok(mut connection) => {
                let refusal = primary(&mut connection, &self.address, self.standby).await;
                drop(connection.close().await);
                refusal.err().map(|error| (error.kind, error.message))
            }
            // All connections of the server are taken, perhaps by this very pool.
            Err(error) if is_full(&error) => None,
            Err(error) => Some((error.kind, error.message)),
        };
        *asked = Some((Instant::now(), refusal.clone()));
        refusal
    }
}

async fn is_standby(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let asked = sqlx::query_scalar("select pg_is_in_recovery()");
    asked.fetch_one(connection).await
}

/// Refuses a standby where none may be: what it answered would be taken for the truth, and may be
/// older than what was acknowledged.
async fn primary(
    connection: &mut PgConnection,
    address: &PgConnectOptions,
    standby: bool,
) -> StoreResult<()> {
    if standby {
        return Ok(());
    }
    match is_standby(connection).await {
        Ok(false) => Ok(()),
        Ok(true) => {
            let message = format!(
                "{} is a standby, which may lag behind; the record store must be the primary: \
                 correct the address, or promote the server (a standby may serve as `analytics`)",
                place(address)
            );
            Err(failure(StoreErrorKind::Unavailable, "connect", message))
        }
        Err(error) => Err(store_error("connect", error)),
    }
}

/// Connects to a server, or says why that cannot be and what to do.
pub(super) async fn connect(
    action: &'static str,
    address: &PgConnectOptions,
    wait: Duration,
) -> StoreResult<PgConnection> {
    match timeout(wait, PgConnection::connect_with(address)).await {
        Ok(connected) => connected.map_err(|error| explained(action, address, error)),
        Err(_) => {
            let message = format!(
                "{} does not answer; check the address, the network and the server",
                place(address)
            );
            Err(failure(StoreErrorKind::Unavailable, action, message))
        }
    }
}

/// Host and port, or the socket.
fn place(address: &PgConnectOptions) -> String {
    match address.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", address.get_host(), address.get_port()),
    }
}

/// An error of connecting, with what to do about it. Names no password.
fn explained(action: &'static str, address: &PgConnectOptions, error: sqlx::Error) -> StoreError {
    use std::io::ErrorKind;
    let at = place(address);
    let user = address.get_username();
    let advice = match (&error, code_of(&error).as_deref()) {
        (sqlx::Error::Io(io), _)
            if matches!(
                io.kind(),
                ErrorKind::ConnectionRefused | ErrorKind::NotFound
            ) =>
        {
            let message = format!(
                "nothing listens at {at}; start PostgreSQL there, or correct the address of the \
                 record store"
            );
            return failure(StoreErrorKind::Unavailable, action, message);
        }
        (sqlx::Error::Io(io), _) => {
            let message =
                format!("{at} cannot be reached ({io}); check the address and the network");
            return failure(StoreErrorKind::Unavailable, action, message);
        }
        (_, Some("28P01" | "28000")) => {
            format!("correct user ({user}) and password in the address, or pg_hba.conf at {at}")
        }
        (_, Some("3D000")) => {
            format!("make it with `createdb`, or correct the address, at {at}")
        }
        (_, Some("57P03")) => format!("{at} starts or stops; try again in a moment"),
        (_, Some(FULL)) => {
            format!("give the server at {at} more with max_connections, or this program fewer")
        }
        _ => return store_error(action, error),
    };
    let mut told = store_error(action, error);
    told.message = format!("{}; {advice}", told.message);
    told
}

/// SQLSTATE of a server that has no connection left.
const FULL: &str = "53300";

fn is_full(error: &StoreError) -> bool {
    let source = error.source.as_deref();
    let driver = source.and_then(|source| source.downcast_ref::<sqlx::Error>());
    driver.is_some_and(|error| code_of(error).as_deref() == Some(FULL))
}
