//! A PostgreSQL server of one test, with settings of its own, that may be stopped and killed.
//!
//! `let mut server = Private::start(&["wal_sender_timeout=1s"]);`, then `server.url("postgres")`
//! (role `postgres`, any database) or `server.migrated().await` (a database with turngraph's schema);
//! `stop` (in order), `kill` (power cut), `start_again`, `pause`, `resume`. `wal_level` is `logical`
//! unless a setting says otherwise; later settings win.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use sqlx::{Connection, PgConnection};
use turngraph::stores::migration::{SchemaMigrator, UpOptions};
use turngraph::stores::postgres::PgMigrator;

use super::unprivileged_account;
use super::{as_account, find_binaries, run, scratch_directory_of, socket_directory};
use crate::support::authority::Identity;
use crate::support::process::{Process, free_port};

/// What every private server is started with; the test's settings come behind.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "fsync=off",
    "full_page_writes=off",
    "wal_level=logical",
    "max_replication_slots=20",
    "max_wal_senders=20",
];

/// The server.
pub(crate) struct Private {
    binaries: PathBuf,
    account: Option<&'static str>,
    scratch: PathBuf,
    port: u16,
    settings: Vec<String>,
    process: Option<Process>,
}

impl Private {
    /// Makes a new server with settings as `name=value`, and waits until it takes connections.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let account = unprivileged_account();
        let binaries = find_binaries();
        let port = free_port();
        let scratch =
            scratch_directory_of(&format!("private-{}-{port}", std::process::id()), account);
        run(as_account(account, &binaries.join("initdb"))
            .args(["--no-sync", "--auth=trust", "--username=postgres"])
            .args(["--encoding=UTF8", "--locale=C.UTF-8", "--pgdata"])
            .arg(scratch.join("data")));
        let settings = SETTINGS
            .iter()
            .chain(settings)
            .map(|s| (*s).to_owned())
            .collect();
        let mut server = Self {
            binaries,
            account,
            scratch,
            port,
            settings,
            process: None,
        };
        server.start_again();
        server
    }

    /// Starts it on its port and data; waits until it takes connections. After `kill` this is a
    /// recovery, for which the children of the killed server must be gone first.
    pub(crate) fn start_again(&mut self) {
        let until = std::time::Instant::now() + crate::support::process::START_MAX;
        loop {
            let mut process = Process::start(self.command(), &self.scratch);
            if process.wait_ready(|| self.is_ready()) {
                self.process = Some(process);
                return;
            }
            let log = process.log();
            let early = log.contains("still in use") || log.contains("already exists");
            assert!(
                early && std::time::Instant::now() < until,
                "the private server does not start:\n{log}"
            );
        }
    }

    fn command(&self) -> Command {
        let mut command = as_account(self.account, &self.binaries.join("postgres"));
        command.arg("-D").arg(self.scratch.join("data"));
        command.args(["-c", &format!("port={}", self.port)]);
        let sockets = socket_directory(&self.scratch);
        command.args(["-c", &format!("unix_socket_directories={sockets}")]);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        command
    }

    fn is_ready(&self) -> bool {
        let mut command = Command::new(self.binaries.join("pg_isready"));
        command.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        command.status().unwrap().success()
    }

    /// Starts it again with TLS and this certificate.
    pub(crate) fn present(&mut self, identity: &Identity) {
        use std::os::unix::fs::PermissionsExt;
        self.stop();
        for (name, text) in [
            ("server.crt", &identity.certificate),
            ("server.key", &identity.key),
        ] {
            let file = self.scratch.join("data").join(name);
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
            if let Some(account) = self.account {
                run(Command::new("chown").arg(account).arg(&file));
            }
        }
        self.set("ssl=on");
        self.start_again();
    }

    /// Sets a parameter for the next start, e.g. `max_slot_wal_keep_size=1MB`.
    pub(crate) fn set(&mut self, setting: &str) {
        self.settings.push(setting.to_owned());
    }

    /// Stops it in order (a "fast" shutdown).
    pub(crate) fn stop(&mut self) {
        self.process.take().expect("the server runs").end("INT");
    }

    /// Ends it as a power cut does.
    pub(crate) fn kill(&mut self) {
        self.process.take().expect("the server runs").cut_off();
    }

    /// Stops it where it is: connections stay open, nothing is answered.
    pub(crate) fn pause(&self) {
        self.process.as_ref().expect("the server runs").pause();
    }

    /// Lets a paused server go on.
    pub(crate) fn resume(&self) {
        self.process.as_ref().expect("the server runs").resume();
    }

    /// Where it listens, e.g. for a fault proxy.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Address of a database for the superuser.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@{}/{database}", self.address())
    }

    /// A connection as the superuser.
    pub(crate) async fn connect(&self, database: &str) -> PgConnection {
        PgConnection::connect(&self.url(database)).await.unwrap()
    }

    /// Makes the database `turngraph` with turngraph's schema; its address.
    pub(crate) async fn migrated(&self) -> String {
        let mut connection = self.connect("postgres").await;
        let create = sqlx::raw_sql("create database turngraph");
        create.execute(&mut connection).await.unwrap();
        let url = self.url("turngraph");
        let migrator = PgMigrator::new(&url).unwrap();
        migrator.up(UpOptions::default()).await.unwrap();
        url
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // The process first; its children notice that it is gone by themselves.
        self.process = None;
        let _ = std::fs::remove_dir_all(&self.scratch);
    }
}
