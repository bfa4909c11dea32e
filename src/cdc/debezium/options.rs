//! `KafkaOptions`: where the connector's messages are read, and the address that says it.

use super::broker::setup;
use crate::cdc::FeedError;

/// Where the connector's messages are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaOptions {
    /// Brokers to begin with, `host:port,host:port`.
    pub brokers: String,
    /// The topic that the connector writes everything to.
    pub topic: String,
    /// Consumer group under which the place is kept.
    pub group: String,
    /// Identity of the record store, see [`Position::store`]: messages do not carry it.
    pub store: String,
    /// The connector's `unavailable.value.placeholder`, where it was set. Who writes just this text
    /// into a row that he updates is misunderstood, so it should be one that nobody knows.
    pub placeholder: Option<String>,
}

impl KafkaOptions {
    /// Reads `kafka://HOST:PORT[,HOST:PORT…]/TOPIC[?placeholder=TEXT]`.
    pub fn url(url: &str, store: impl Into<String>) -> Result<Self, FeedError> {
        let wrong = || {
            let example = "kafka://HOST:PORT[,HOST:PORT…]/TOPIC";
            setup(format!("the address of Kafka is not of the form {example}"))
        };
        let rest = url.strip_prefix("kafka://").ok_or_else(wrong)?;
        let (brokers, rest) = rest.split_once('/').ok_or_else(wrong)?;
        let (topic, query) = rest.split_once('?').unwrap_or((rest, ""));
        let placeholder = query.strip_prefix("placeholder=");
        if brokers.is_empty() || topic.is_empty() || placeholder.is_none() && !query.is_empty() {
            return Err(wrong());
        }
        Ok(Self {
            brokers: brokers.to_owned(),
            topic: topic.to_owned(),
            group: "turngraph".to_owned(),
            store: store.into(),
            placeholder: placeholder.map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdc::FeedErrorKind;

    #[test]
    fn addresses_name_brokers_and_topic() {
        let options = KafkaOptions::url("kafka://a:1,b:2/changes?placeholder=xyz", "s").unwrap();
        assert_eq!(options.brokers, "a:1,b:2");
        assert_eq!(options.topic, "changes");
        assert_eq!(options.placeholder.as_deref(), Some("xyz"));
        for url in [
            "kafka://a:1",
            "kafka://a:1/",
            "http://a/b",
            "kafka:///t",
            "kafka://a/t?x=1",
        ] {
            let error = KafkaOptions::url(url, "s").unwrap_err();
            assert_eq!(error.kind, FeedErrorKind::Setup, "{url}");
        }
    }
}
