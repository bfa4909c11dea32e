//! Debezium's PostgreSQL connector in a Kafka Connect of its own, between a PostgreSQL and a Kafka.
//!
//! `let mut debezium = Debezium::start(&pg_url, &bootstrap, "topic", &[]).await;` carries the changes
//! of turngraph's publication into the one topic, with the configuration of docs/debezium.md;
//! further `name=value` settings of the connector win over it. `kill` and `restart` keep its offsets.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use super::jars;
use super::process::{Process, START_MAX, Scratch, free_port};

/// The connector's part of docs/debezium.md that does not depend on where things are.
const CONNECTOR: &str = include_str!("../../servers/kafka/connector.properties");

/// A running connector.
pub(crate) struct Debezium {
    port: u16,
    process: Option<Process>,
    // Behind the process, so that it is removed after the process ended.
    scratch: Scratch,
}

impl Debezium {
    /// Starts Connect with the connector and waits until its task runs.
    pub(crate) async fn start(pg: &str, bootstrap: &str, prefix: &str, settings: &[&str]) -> Self {
        let port = free_port();
        let scratch = Scratch::new("debezium");
        let home = scratch.path().display();
        std::fs::create_dir(scratch.path().join("plugins")).unwrap();
        let worker = format!(
            "bootstrap.servers={bootstrap}\n\
             key.converter=org.apache.kafka.connect.json.JsonConverter\n\
             value.converter=org.apache.kafka.connect.json.JsonConverter\n\
             key.converter.schemas.enable=false\n\
             value.converter.schemas.enable=false\n\
             offset.storage.file.filename={home}/offsets\n\
             offset.flush.interval.ms=1000\n\
             listeners=http://127.0.0.1:{port}\n\
             plugin.discovery=only_scan\n\
             plugin.path={home}/plugins\n"
        );
        scratch.write("worker.properties", &worker);
        scratch.write("connector.properties", &connector(pg, prefix, settings));
        let mut debezium = Self {
            port,
            process: None,
            scratch,
        };
        debezium.restart().await;
        debezium
    }

    /// Starts it again at the offsets that it noted; what runs is killed before.
    pub(crate) async fn restart(&mut self) {
        self.kill();
        let mut command = jars::java("kafka");
        command
            .args([
                "-Xms256m",
                "-Xmx384m",
                "-Dorg.slf4j.simpleLogger.logFile=System.out",
            ])
            .arg("org.apache.kafka.connect.cli.ConnectStandalone")
            .arg(self.scratch.path().join("worker.properties"))
            .arg(self.scratch.path().join("connector.properties"));
        let mut process = Process::start(command, self.scratch.path());
        let url = format!(
            "http://{}:{}/connectors/turngraph/status",
            Ipv4Addr::LOCALHOST,
            self.port
        );
        let until = Instant::now() + START_MAX;
        while !is_running(&url).await {
            assert!(
                process.wait_ready(|| true) && Instant::now() < until,
                "the connector does not run:\n{}",
                process.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.process = Some(process);
    }

    /// Ends it as a power cut does.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }
}

/// Whether the connector's task runs; panics with the reason when it failed.
async fn is_running(url: &str) -> bool {
    let Ok(answer) = reqwest::get(url).await else {
        return false;
    };
    let status: serde_json::Value = answer.json().await.unwrap_or_default();
    let task = &status["tasks"][0];
    assert!(
        task["state"] != "FAILED",
        "the connector failed: {}",
        task["trace"]
    );
    task["state"] == "RUNNING"
}

fn connector(pg: &str, prefix: &str, settings: &[&str]) -> String {
    let place = pg
        .strip_prefix("postgres://")
        .expect("a URL of a test's server");
    let (user, place) = place.split_once('@').expect("with a role");
    let (address, database) = place.split_once('/').expect("with a database");
    let (host, port) = address.split_once(':').expect("with a port");
    let slot = prefix.replace('-', "_");
    format!(
        "{CONNECTOR}\n\
         database.hostname={host}\n\
         database.port={port}\n\
         database.user={user}\n\
         database.dbname={database}\n\
         topic.prefix={prefix}\n\
         slot.name={slot}\n\
         transforms.one.replacement={prefix}\n\
         {}\n",
        settings.join("\n")
    )
}
