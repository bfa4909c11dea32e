//! Which change feed an installation has, and how it is opened.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::cdc::change_log::ChangeLogFeed;
use crate::cdc::postgres::{
    PgoutputOpener, PgoutputOptions, SlotStatus, check, is_logical, refusal,
};
use crate::cdc::{ChangeFeed, FeedError};
use crate::config::{Config, FeedSource, RecordUrl};
use crate::domain::{Clock, Position};
use crate::projection::FeedOpener;
use crate::stores::ChangeLog;

/// Opens the feed of an installation.
pub enum Feeds {
    /// PostgreSQL's logical replication; the table of changes is switched off where it was on.
    Pgoutput(PgoutputOpener, Arc<dyn ChangeLog>),
    /// The record store's own table of changes.
    ChangeLog(Arc<dyn ChangeLog>),
    /// A Debezium connector and Kafka.
    #[cfg(feature = "kafka")]
    Kafka(crate::cdc::debezium::KafkaOpener, Arc<dyn ChangeLog>),
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
                if let Some(refusal) = refusal(&check(&options).await?) {
                    return Err(refusal.into());
                }
                Ok(Self::Pgoutput(PgoutputOpener::new(options, clock)?, log))
            }
            (_, FeedSource::Auto | FeedSource::ChangeLog) => Ok(Self::ChangeLog(log)),
        }
    }

    /// The state of the slot that the feed reads, as it is looked at; none where there is no slot.
    pub fn slot(&self) -> Option<watch::Receiver<Option<SlotStatus>>> {
        match self {
            Self::Pgoutput(opener, _) => Some(opener.slot()),
            _ => None,
        }
    }

    /// The name of the feed.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pgoutput(..) => FeedSource::Pgoutput.name(),
            Self::ChangeLog(_) => FeedSource::ChangeLog.name(),
            #[cfg(feature = "kafka")]
            Self::Kafka(..) => FeedSource::Kafka.name(),
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
    Ok(Feeds::Kafka(KafkaOpener::new(options, clock), log))
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
            Self::Pgoutput(opener, log) => {
                let feed = opener.open(resume_from, anew).await?;
                switch_off(&**log).await;
                Ok(Box::new(feed))
            }
            Self::ChangeLog(log) => Ok(Box::new(ChangeLogFeed::open(Arc::clone(log)).await?)),
            #[cfg(feature = "kafka")]
            Self::Kafka(opener, log) => {
                let feed = opener.open(resume_from, anew).await?;
                switch_off(&**log).await;
                Ok(Box::new(feed))
            }
        }
    }
}

/// A table of changes that nobody reads would grow for ever. This is done by the one worker that
/// has the lease, once its own feed is open; where it fails, the feed is none the worse.
async fn switch_off(log: &dyn ChangeLog) {
    if let Err(error) = log.log_off().await {
        tracing::warn!(%error, "the table of changes, which this feed does not need, stays on");
    }
}
