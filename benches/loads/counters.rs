//! Requests that each store has served, as the store itself counts them.

use anyhow::Context;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use sqlx::{Connection, PgConnection};
use turngraph::config::{Config, RecordUrl};
use turngraph::stores::cql::CqlOptions;

/// Connections beside those that are measured.
pub(crate) struct Counters {
    postgres: Option<PgConnection>,
    redis: Option<redis::aio::MultiplexedConnection>,
    cql: Option<(Session, String)>,
}

/// Requests so far; none for a store that is not there, or that does not count (SQLite).
#[derive(Clone, Copy)]
pub(crate) struct Requests {
    postgres: Option<i64>,
    redis: Option<i64>,
    cql: Option<i64>,
}

impl Counters {
    pub(crate) async fn connect(config: &Config) -> anyhow::Result<Self> {
        let postgres = match &config.record {
            RecordUrl::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await?;
                let create = sqlx::query("create extension if not exists pg_stat_statements");
                create.execute(&mut connection).await?;
                Some(connection)
            }
            RecordUrl::Sqlite(_) => None,
        };
        let redis = match &config.hybrid.redis {
            Some(url) => {
                let client = redis::Client::open(url.expose())?;
                Some(client.get_multiplexed_async_connection().await?)
            }
            None => None,
        };
        let cql = match &config.hybrid.cql {
            Some(url) => {
                let options = CqlOptions::parse(url.expose()).map_err(anyhow::Error::msg)?;
                let builder = SessionBuilder::new().known_nodes(&options.hosts);
                Some((builder.build().await?, options.keyspace))
            }
            None => None,
        };
        Ok(Self {
            postgres,
            redis,
            cql,
        })
    }

    pub(crate) async fn read(&mut self) -> anyhow::Result<Requests> {
        let mut requests = Requests {
            postgres: None,
            redis: None,
            cql: None,
        };
        if let Some(connection) = &mut self.postgres {
            // What begins and ends transactions is a statement, too; only this look is none.
            let sum = "select coalesce(sum(calls), 0)::bigint from pg_stat_statements \
                       where query not like '%pg_stat_statements%'";
            requests.postgres = Some(sqlx::query_scalar(sum).fetch_one(connection).await?);
        }
        if let Some(connection) = &mut self.redis {
            let info: String = redis::cmd("INFO")
                .arg("stats")
                .query_async(connection)
                .await?;
            let count = info
                .lines()
                .find_map(|line| line.strip_prefix("total_commands_processed:"));
            requests.redis = Some(count.context("Redis does not count")?.trim().parse()?);
        }
        if let Some((session, keyspace)) = &self.cql {
            let cql = "select keyspace_name, count from system_views.local_read_latency";
            let rows = session.query_unpaged(cql, ()).await?.into_rows_result()?;
            let mut sum = 0;
            for row in rows.rows::<(&str, i64)>()? {
                let (of, count) = row?;
                sum += if of == keyspace { count } else { 0 };
            }
            requests.cql = Some(sum);
        }
        Ok(requests)
    }
}

impl Requests {
    /// A request's share of what was counted since.
    pub(crate) fn since(self, before: &Self, loads: usize) -> String {
        let stores = [
            ("postgres", self.postgres.zip(before.postgres)),
            ("redis", self.redis.zip(before.redis)),
            ("cql", self.cql.zip(before.cql)),
        ];
        let counted = stores.into_iter().filter_map(|(name, counts)| {
            let (now, before) = counts?;
            Some(format!(
                "{name} {:.2}",
                (now - before) as f64 / loads as f64
            ))
        });
        let counted: Vec<String> = counted.collect();
        if counted.is_empty() {
            "in this process".to_owned()
        } else {
            counted.join(" ")
        }
    }
}
