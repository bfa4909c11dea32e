//! One process of Apache Cassandra 5 on Java 17: its configuration, start and end.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::support::jars;
use crate::support::process::{Process, Scratch, free_port, free_port_on, is_open};

/// What of the JDK Cassandra reaches into; without these it ends without a word.
const EXPORTS: &[&str] = &[
    "java.base/jdk.internal.misc",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.sql/java.sql",
    "java.base/java.lang.ref",
    "jdk.unsupported/sun.misc",
];
const OPENS: &[&str] = &[
    "java.base/java.lang.module",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.util.jar",
    "java.base/sun.nio.ch",
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.reflect",
    "java.base/java.util",
    "java.base/java.nio",
    "java.base/java.nio.charset",
    "java.base/java.util.concurrent",
    "jdk.management/com.sun.management.internal",
];

const LOGBACK: &str = r#"<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d %-5level %logger{0} %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="out"/></root>
</configuration>
"#;

/// Where a node lives and which part of the ring is its own.
pub(super) struct Place {
    address: Ipv4Addr,
    seed: Ipv4Addr,
    storage_port: u16,
    cql_port: u16,
    token: i64,
    options: &'static [&'static str],
    auto_bootstrap: bool,
    /// Users must log in and have only the rights that they were given.
    guarded: bool,
}

impl Place {
    /// The only node.
    pub(super) fn alone() -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST,
            seed: Ipv4Addr::LOCALHOST,
            storage_port: free_port(),
            cql_port: free_port(),
            token: 0,
            options: &["-Dcassandra.ring_delay_ms=0"],
            auto_bootstrap: true,
            guarded: false,
        }
    }

    /// Three nodes on three loopback addresses with the same ports; the first is the seed.
    pub(super) fn cluster() -> Vec<Self> {
        static COUNT: AtomicU8 = AtomicU8::new(1);
        let pid = std::process::id().to_be_bytes();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let address = |node: u8| Ipv4Addr::new(127, 100 + count, pid[3], node);
        let addresses = [address(1), address(2), address(3)];
        let storage_port = free_port_on(&addresses);
        let cql_port = free_port_on(&addresses);
        let third = (u64::MAX / 3) as i64;
        let tokens = [i64::MIN, i64::MIN + third, i64::MIN + third + third];
        let places = addresses.iter().zip(tokens).enumerate();
        let places = places.map(|(index, (address, token))| Self {
            address: *address,
            seed: addresses[0],
            storage_port,
            cql_port,
            token,
            // Those that join need a moment of gossip before they look for the seed.
            options: match index {
                0 => &["-Dcassandra.ring_delay_ms=0"],
                _ => &[
                    "-Dcassandra.ring_delay_ms=4000",
                    "-Dcassandra.consistent.rangemovement=false",
                ],
            },
            auto_bootstrap: index == 0,
            guarded: false,
        });
        places.collect()
    }

    /// The whole `cassandra.yaml`.
    fn yaml(&self, home: &Path) -> String {
        let home = home.display();
        let Self {
            address,
            seed,
            storage_port,
            cql_port,
            token,
            auto_bootstrap,
            ..
        } = self;
        let guards = match self.guarded {
            true => {
                "authenticator: PasswordAuthenticator\n\
                 authorizer: CassandraAuthorizer\n\
                 permissions_validity: 100ms\n\
                 roles_validity: 100ms\n"
            }
            false => "",
        };
        format!(
            "cluster_name: tests\n\
             num_tokens: 1\n\
             initial_token: \"{token}\"\n\
             auto_bootstrap: {auto_bootstrap}\n\
             partitioner: org.apache.cassandra.dht.Murmur3Partitioner\n\
             data_file_directories: [\"{home}/data\"]\n\
             commitlog_directory: \"{home}/commitlog\"\n\
             hints_directory: \"{home}/hints\"\n\
             saved_caches_directory: \"{home}/saved_caches\"\n\
             cdc_raw_directory: \"{home}/cdc_raw\"\n\
             commitlog_sync: periodic\n\
             commitlog_sync_period: 10000ms\n\
             commitlog_segment_size: 8MiB\n\
             seed_provider:\n\
             - class_name: org.apache.cassandra.locator.SimpleSeedProvider\n\
             \x20 parameters: [{{seeds: \"{seed}:{storage_port}\"}}]\n\
             listen_address: {address}\n\
             rpc_address: {address}\n\
             storage_port: {storage_port}\n\
             native_transport_port: {cql_port}\n\
             start_native_transport: true\n\
             endpoint_snitch: SimpleSnitch\n\
             auto_snapshot: false\n\
             concurrent_reads: 8\n\
             concurrent_writes: 8\n\
             concurrent_compactors: 1\n\
             memtable_heap_space: 96MiB\n\
             key_cache_size: 0MiB\n\
             file_cache_size: 32MiB\n\
             disk_access_mode: standard\n\
             read_request_timeout: 10s\n\
             range_request_timeout: 20s\n\
             write_request_timeout: 10s\n\
             {guards}"
        )
    }
}

/// A node: the process, its directory, and its place.
pub(crate) struct Node {
    place: Place,
    jmx_port: u16,
    process: Mutex<Option<Process>>,
    // Behind the process, so that it is removed after the process ended.
    scratch: Scratch,
}

impl Node {
    /// Starts a node on a new directory and waits until it takes connections.
    pub(super) fn start(place: Place) -> Self {
        let scratch = Scratch::new("cassandra");
        let home = scratch.path();
        for folder in ["data", "commitlog", "hints", "saved_caches", "cdc_raw"] {
            std::fs::create_dir(home.join(folder)).unwrap();
        }
        scratch.write("cassandra.yaml", &place.yaml(home));
        scratch.write("logback.xml", LOGBACK);
        let mut node = Self {
            place,
            jmx_port: free_port(),
            process: Mutex::new(None),
            scratch,
        };
        node.restart();
        node
    }

    /// Starts a node that asks for a login and knows only the administrator `cassandra` with the
    /// password `cassandra`, who comes to be a moment after the port is open.
    pub(crate) fn start_guarded() -> Self {
        Self::start(Place {
            guarded: true,
            ..Place::alone()
        })
    }

    /// Starts the process on the directory as it is and waits until it takes connections.
    pub(super) fn restart(&mut self) {
        let mut process = Process::start(self.command(), self.scratch.path());
        let ready = process.wait_ready(|| is_open(self.place.address, self.place.cql_port));
        assert!(ready, "Cassandra does not start:\n{}", process.log());
        *self.process.get_mut().unwrap() = Some(process);
    }

    pub(super) fn kill(&mut self) {
        *self.process.get_mut().unwrap() = None;
    }

    pub(super) fn pause(&self) {
        self.with_process(Process::pause);
    }

    pub(super) fn resume(&self) {
        self.with_process(Process::resume);
    }

    /// Where it listens for CQL.
    pub(crate) fn address(&self) -> SocketAddr {
        (self.place.address, self.place.cql_port).into()
    }

    /// Folder of a keyspace's files, e.g. to look for what must have gone.
    pub(crate) fn files_of(&self, keyspace: &str) -> PathBuf {
        self.scratch.path().join("data").join(keyspace)
    }

    /// Runs `nodetool`, e.g. `flush KEYSPACE`, `compact KEYSPACE`; what it prints.
    pub(crate) fn nodetool(&self, arguments: &[&str]) -> String {
        let mut command = java();
        command.arg("-Xmx96m").arg(self.logging());
        command.arg("org.apache.cassandra.tools.NodeTool");
        command.args(["-h", "127.0.0.1", "-p", &self.jmx_port.to_string()]);
        let output = command.args(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "nodetool {arguments:?} failed:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn with_process(&self, act: impl FnOnce(&Process)) {
        act(self
            .process
            .lock()
            .unwrap()
            .as_ref()
            .expect("the node runs"));
    }

    fn command(&self) -> Command {
        let home = self.scratch.path().display().to_string();
        let lib = jars::folder("cassandra").display().to_string();
        let mut command = java();
        command
            .args(["-Xms512m", "-Xmx512m", "-XX:MaxDirectMemorySize=256m"])
            .arg(format!("-javaagent:{lib}/jamm-0.4.0.jar"))
            .arg("-Djdk.attach.allowAttachSelf=true")
            .arg("-Dio.netty.tryReflectionSetAccessible=true")
            .arg("-Dcassandra-foreground=yes")
            .arg(format!("-Dcassandra.config=file://{home}/cassandra.yaml"))
            .arg(format!("-Dcassandra.storagedir={home}"))
            .arg("-Dcassandra.libjemalloc=-")
            .arg(format!("-Dcassandra.jmx.local.port={}", self.jmx_port))
            .arg(self.logging())
            // A ring of tests has no others to wait for.
            .arg("-Dcassandra.skip_wait_for_gossip_to_settle=0")
            .arg("-Dcassandra.load_ring_state=false")
            .arg("-Dcassandra.superuser_setup_delay_ms=0")
            .args(self.place.options)
            .arg("org.apache.cassandra.service.CassandraDaemon");
        command
    }

    fn logging(&self) -> String {
        let home = self.scratch.path().display();
        format!("-Dlogback.configurationFile={home}/logback.xml")
    }
}

/// Java with Cassandra's jars and the doors that it needs into the JDK.
fn java() -> Command {
    let mut command = jars::java("cassandra");
    for package in EXPORTS {
        command.args(["--add-exports", &format!("{package}=ALL-UNNAMED")]);
    }
    for package in OPENS {
        command.args(["--add-opens", &format!("{package}=ALL-UNNAMED")]);
    }
    command
}
