//! Which change feed an installation has, and how it is opened.

use std::sync::Arc;

use async_trait::async_trait;

use crate::cdc::change_log::ChangeLogFeed;
use crate::cdc::postgres::{PgoutputOpener, PgoutputOptions, is_logical};
use crate::cdc::{ChangeFeed, FeedError};
use crate::config::{Config, FeedSource, RecordUrl};
use crate::domain::{Clock, Position};
use crate::projection::FeedOpener;
use crate::stores::ChangeLog;

/// Opens the feed of an installation.
pub enum Feeds {
    /// PostgreSQL's logical replication.
    Pgoutput(PgoutputOpener),
    /// The record store's own table of changes.
    ChangeLog(Arc<dyn ChangeLog>),
    /// A Debezium connector and Kafka.
    #[cfg(feature = "kafka")]
    Kafka(crate::cdc::debezium::KafkaOpener),
}

impl Feeds {
    /// The feed that the configuration names.
    pub async fn of(
        config: &Config,
        log: Arc<dyn ChangeLog>,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        match (&config.record, config.hybrid.feed) {
            (_, FeedSource::Kafka) => kafka(config, log, clock).await,
            (RecordUrl::Sqlite(_), FeedSource::Pgoutput) => {
                anyhow::bail!("the feed `pgoutput` is PostgreSQL's; use auto or change_log")
            }
            (RecordUrl::Postgres(url), source @ (FeedSource::Auto | FeedSource::Pgoutput)) => {
                let options = pgoutput_options(config, url);
                if source == FeedSource::Auto && !is_logical(&options).await? {
                    return Ok(Self::ChangeLog(log));
                }
                Ok(Self::Pgoutput(PgoutputOpener::new(options, clock)?))
            }
            (_, FeedSource::Auto | FeedSource::ChangeLog) => Ok(Self::ChangeLog(log)),
        }
    }

    /// The name of the feed.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pgoutput(_) => FeedSource::Pgoutput.name(),
            Self::ChangeLog(_) => FeedSource::ChangeLog.name(),
            #[cfg(feature = "kafka")]
            Self::Kafka(_) => FeedSource::Kafka.name(),
        }
    }
}

/// Where PostgreSQL's log is read, as the configuration says.
pub fn pgoutput_options(config: &Config, url: &str) -> PgoutputOptions {
    PgoutputOptions {
        slot: config.hybrid.feed_slot.clone(),
        ..PgoutputOptions::url(url)
    }
}

#[cfg(feature = "kafka")]
async fn kafka(
    config: &Config,
    log: Arc<dyn ChangeLog>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Feeds> {
    use crate::cdc::debezium::{KafkaOpener, KafkaOptions};
    let Some(url) = &config.hybrid.kafka else {
        anyhow::bail!(
            "the feed `kafka` needs the setting `kafka`, e.g. kafka://HOST:9092/TOPIC_PREFIX"
        );
    };
    // The topic's positions are those of this record store, or the connector reads another one.
    let store = log.position().await?.store;
    let options = KafkaOptions::url(url.expose(), store)?;
    Ok(Feeds::Kafka(KafkaOpener::new(options, clock)))
}

#[cfg(not(feature = "kafka"))]
async fn kafka(
    _config: &Config,
    _log: Arc<dyn ChangeLog>,
    _clock: Arc<dyn Clock>,
) -> anyhow::Result<Feeds> {
    anyhow::bail!(
        "this turngraph was built without Kafka; build it with `--features kafka`, or use the feed \
         pgoutput or change_log"
    )
}

#[async_trait]
impl FeedOpener for Feeds {
    async fn open(
        &self,
        resume_from: Option<Position>,
        anew: bool,
    ) -> Result<Box<dyn ChangeFeed>, FeedError> {
        match self {
            Self::Pgoutput(opener) => Ok(Box::new(opener.open(resume_from, anew).await?)),
            Self::ChangeLog(log) => Ok(Box::new(ChangeLogFeed::open(Arc::clone(log)).await?)),
            #[cfg(feature = "kafka")]
            Self::Kafka(opener) => Ok(Box::new(opener.open(resume_from, anew).await?)),
        }
    }
}
