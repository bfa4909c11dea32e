//! Redis for tests: one server for the whole run, and private ones that a test may kill.
//!
//! Most tests: `let url = redis::database();`, an empty database of the server of the run with an
//! own number, so tests do not see each other's keys (channels of publish/subscribe are shared by
//! all databases, and `flushall` is forbidden to tests). Faults: `let mut redis = Redis::start();`,
//! then `kill`, `restart` (on the same port, empty, as a cache that was replaced), `pause`,
//! `resume`; or a `Proxy` before either.
//!
//! Valkey takes its place when `TURNGRAPH_TEST_REDIS` names its program (`scripts/valkey.sh` fetches
//! one; `scripts/test.sh` runs the tests of the cache on both).

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::process::{Process, Scratch, find_program, free_port, is_open};

/// How many tests may have a database.
const DATABASES: u32 = 4_000;

/// The address of an empty database of the run's server.
pub(crate) fn database() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    assert!(
        number < DATABASES,
        "more tests than databases: raise DATABASES"
    );
    format!("{}/{number}", server().url())
}

/// The server of this test run; started by the first that asks.
pub(crate) fn server() -> &'static Redis {
    static SERVER: OnceLock<Redis> = OnceLock::new();
    SERVER.get_or_init(Redis::start)
}

/// A server that keeps nothing on disk.
pub(crate) struct Redis {
    port: u16,
    process: Option<Process>,
    // Behind the process, so that it is removed after the process ended.
    scratch: Scratch,
}

impl Redis {
    /// Starts one and waits until it takes connections.
    pub(crate) fn start() -> Self {
        let mut redis = Self {
            port: free_port(),
            process: None,
            scratch: Scratch::new("redis"),
        };
        redis.restart();
        redis
    }

    /// Starts it on its port again, empty; what runs is killed before.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let mut command = Command::new(program());
        command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--databases", &DATABASES.to_string()])
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
            .arg("--dir")
            .arg(self.scratch.path());
        let mut process = Process::start(command, self.scratch.path());
        let ready = process.wait_ready(|| is_open(Ipv4Addr::LOCALHOST, self.port));
        assert!(ready, "Redis does not start:\n{}", process.log());
        self.process = Some(process);
    }

    /// Ends it as a power cut does.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Stops it where it is: its connections stay open and nothing is answered.
    pub(crate) fn pause(&self) {
        self.process.as_ref().expect("the server runs").pause();
    }

    /// Lets a paused server go on.
    pub(crate) fn resume(&self) {
        self.process.as_ref().expect("the server runs").resume();
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Its address for a client, without a database.
    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address())
    }
}

fn program() -> PathBuf {
    match std::env::var_os("TURNGRAPH_TEST_REDIS") {
        Some(program) => PathBuf::from(program),
        None => find_program(&["redis-server", "valkey-server"], "redis-server"),
    }
}
