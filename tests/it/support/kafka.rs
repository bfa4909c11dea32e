//! Apache Kafka for tests (KRaft, one node): one broker for the whole run, and private ones that a
//! test may kill.
//!
//! `kafka::server().bootstrap()` is the address for clients; each test takes topics, prefixes and
//! consumer groups of its own (`kafka::unique("name")`). Topics are created by their first use.

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::jars;
use super::process::{Process, Scratch, free_port, is_open};

const LOGGING: &str = "<Configuration status=\"error\"><Appenders><Console name=\"out\">\
    <PatternLayout pattern=\"%d %p %c{1} %m%n\"/></Console></Appenders>\
    <Loggers><Root level=\"warn\"><AppenderRef ref=\"out\"/></Root></Loggers></Configuration>";

/// The broker of this test run; started by the first that asks.
pub(crate) fn server() -> &'static Kafka {
    static SERVER: OnceLock<Kafka> = OnceLock::new();
    SERVER.get_or_init(Kafka::start)
}

/// A name that no other test of this run has.
pub(crate) fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A broker.
pub(crate) struct Kafka {
    port: u16,
    process: Option<Process>,
    // Behind the process, so that it is removed after the process ended.
    scratch: Scratch,
}

impl Kafka {
    /// Starts one and waits until it takes connections.
    pub(crate) fn start() -> Self {
        let (port, controller) = (free_port(), free_port());
        let scratch = Scratch::new("kafka");
        let home = scratch.path().display();
        scratch.write("log4j2.xml", LOGGING);
        let properties = format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
             controller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n\
             log.dirs={home}/data\n\
             offsets.topic.replication.factor=1\n\
             offsets.topic.num.partitions=4\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n\
             share.coordinator.state.topic.replication.factor=1\n\
             share.coordinator.state.topic.min.isr=1\n\
             num.partitions=4\n\
             group.initial.rebalance.delay.ms=0\n\
             log.segment.bytes=67108864\n\
             log.cleaner.dedupe.buffer.size=8388608\n"
        );
        let properties = scratch.write("server.properties", &properties);
        let mut kafka = Self {
            port,
            process: None,
            scratch,
        };
        let mut format = kafka.java("kafka.tools.StorageTool");
        format
            .args(["format", "-t", "dGVzdHMtb2Ytb25lLXJ1bg", "-c"])
            .arg(properties);
        let output = format.output().unwrap();
        assert!(
            output.status.success(),
            "Kafka's storage cannot be made:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        kafka.restart();
        kafka
    }

    /// Starts it on its port with the data that it has; what runs is killed before.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let mut command = self.java("kafka.Kafka");
        command.arg(self.scratch.path().join("server.properties"));
        let mut process = Process::start(command, self.scratch.path());
        let ready = process.wait_ready(|| is_open(Ipv4Addr::LOCALHOST, self.port));
        assert!(ready, "Kafka does not start:\n{}", process.log());
        self.process = Some(process);
    }

    /// Ends it as a power cut does.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Address for clients.
    pub(crate) fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn java(&self, class: &str) -> Command {
        let mut command = jars::java("kafka");
        let logging = self.scratch.path().join("log4j2.xml");
        command.args(["-Xms384m", "-Xmx384m"]);
        command.arg(format!("-Dlog4j2.configurationFile={}", logging.display()));
        command.arg(class);
        command
    }
}
