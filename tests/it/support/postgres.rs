//! A PostgreSQL server of the test run's own, and a database of it for each test.
//!
//! The server is started by the first test that needs it, on a free port of the loopback, with its
//! data in a scratch directory. A watchdog process holds the other end of a pipe and ends the
//! server when this process is gone, however it went; then the data goes too.

mod private;

use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};
use turngraph::domain::clock::ManualClock;
use turngraph::stores::migration::{SchemaMigrator, UpOptions};
use turngraph::stores::postgres::{PgMigrator, PgOptions, PgRecordStore};

pub(crate) use self::private::Private;
use super::sqlite::START;

/// How the database is named that others are copied from.
const TEMPLATE: &str = "turngraph_template";

/// A running server.
pub(crate) struct Server {
    binaries: PathBuf,
    port: u16,
    /// Databases are copied one at a time: a template must have no other connection.
    copying: Mutex<()>,
    /// Closed by the end of this process, which tells the watchdog.
    _alive: ChildStdin,
}

/// The server of this test run.
pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let server = Server::start();
        server.make_template();
        server
    })
}

impl Server {
    fn start() -> Self {
        let binaries = find_binaries();
        let account = unprivileged_account();
        let scratch = scratch_directory(account);
        let data = scratch.join("data");
        run(as_account(account, &binaries.join("initdb")).args([
            "--no-sync",
            "--auth=trust",
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--pgdata",
            data.to_str().unwrap(),
        ]));
        for _ in 0..5 {
            if let Some(server) = Self::serve(&binaries, account, &scratch) {
                return server;
            }
        }
        let log = std::fs::read_to_string(scratch.join("server.log")).unwrap_or_default();
        panic!("the server of the tests does not start; its log:\n{log}");
    }

    /// Starts the server on a port that is free now; none when it was taken meanwhile.
    #[expect(
        clippy::zombie_processes,
        reason = "the server outlives this process by a moment; the watchdog ends it"
    )]
    fn serve(binaries: &Path, account: Option<&str>, scratch: &Path) -> Option<Self> {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let log = std::fs::File::create(scratch.join("server.log")).unwrap();
        let mut command = as_account(account, &binaries.join("postgres"));
        command.arg("-D").arg(scratch.join("data"));
        for setting in [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={port}"),
            format!("unix_socket_directories={}", socket_directory(scratch)),
            "fsync=off".to_owned(),
            "full_page_writes=off".to_owned(),
            "max_connections=300".to_owned(),
            "wal_level=logical".to_owned(),
            "max_replication_slots=20".to_owned(),
            "max_wal_senders=20".to_owned(),
            // Part of the server package on Debian; tests count statements with it.
            "shared_preload_libraries=pg_stat_statements".to_owned(),
        ] {
            command.arg("-c").arg(setting);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        let alive = watchdog(child.id(), scratch);
        let until = Instant::now() + Duration::from_secs(60);
        let ready = || {
            let mut command = Command::new(binaries.join("pg_isready"));
            command.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]);
            command.status().unwrap().success()
        };
        while !ready() {
            if child.try_wait().unwrap().is_some() || Instant::now() > until {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self {
            binaries: binaries.to_owned(),
            port,
            copying: Mutex::new(()),
            _alive: alive,
        })
    }

    /// Migrates the template, on a thread of its own because tests call from within a runtime.
    fn make_template(&self) {
        self.psql(&format!("create database {TEMPLATE}"));
        let url = self.url("postgres", TEMPLATE);
        let migrating = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let migrator = PgMigrator::new(&url).unwrap();
                migrator.up(UpOptions::default()).await.unwrap();
            });
        });
        migrating.join().unwrap();
    }

    /// Address of a database for a role.
    pub(crate) fn url(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs a statement on the server's own database.
    pub(crate) fn psql(&self, sql: &str) {
        run(Command::new(self.binaries.join("psql"))
            .args([
                "-X",
                "-q",
                "-v",
                "ON_ERROR_STOP=1",
                "-h",
                "127.0.0.1",
                "-U",
                "postgres",
            ])
            .args(["-p", &self.port.to_string(), "-d", "postgres", "-c", sql]));
    }

    /// Runs a program of the server's package, e.g. `pg_dump`; its standard output.
    pub(crate) fn program(&self, name: &str, arguments: &[&str], input: &str) -> String {
        let mut child = Command::new(self.binaries.join(name))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{name} failed");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// A database of one test; it goes when this is dropped.
pub(crate) struct Database {
    name: String,
}

impl Database {
    /// Without any table.
    pub(crate) fn empty() -> Self {
        Self::copy("template0")
    }

    /// With turngraph's schema.
    pub(crate) fn migrated() -> Self {
        Self::copy(TEMPLATE)
    }

    fn copy(template: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let server = server();
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let copying = server.copying.lock().unwrap_or_else(|e| e.into_inner());
        server.psql(&format!("create database {name} template {template}"));
        drop(copying);
        Self { name }
    }

    /// Address for the server's superuser.
    pub(crate) fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Address for a role.
    pub(crate) fn url_of(&self, role: &str) -> String {
        server().url(role, &self.name)
    }

    /// Name of the database.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A connection as the superuser.
    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }

    /// A store on this database.
    pub(crate) async fn store(&self) -> PgRecordStore {
        let options = PgOptions {
            // A machine that builds and tests at once may stall a connection for seconds.
            acquire_timeout: Duration::from_secs(60),
            ..PgOptions::url(self.url())
        };
        PgRecordStore::open(&options).await.unwrap()
    }

    /// The schema as `pg_dump` writes it, without what differs from run to run.
    pub(crate) fn schema(&self) -> String {
        let url = self.url();
        let dump = server().program("pg_dump", &["--schema-only", "--no-owner", &url], "");
        let kept =
            |line: &&str| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict");
        dump.lines().filter(kept).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        server().psql(&format!("drop database {} with (force)", self.name));
    }
}

/// Ends the server and removes its data once the returned pipe is closed.
#[expect(
    clippy::zombie_processes,
    reason = "the watchdog outlives this process, which is what it is for"
)]
fn watchdog(server: u32, scratch: &Path) -> ChildStdin {
    let script = "
        read -r _
        kill -QUIT \"$1\" 2>/dev/null
        while kill -0 \"$1\" 2>/dev/null; do sleep 0.1; done
        rm -rf \"$2\"";
    let mut child = Command::new("sh")
        .args(["-c", script, "watchdog", &server.to_string()])
        .arg(scratch)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    child.stdin.take().unwrap()
}

/// The newest server that is installed.
fn find_binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, binaries)| binaries.join("initdb").exists())
        .collect();
    found.sort();
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&on_path).find(|p| p.join("initdb").exists());
    found.pop().map(|(_, binaries)| binaries).or(on_path).unwrap_or_else(|| {
        panic!(
            "PostgreSQL's server programs were not found in /usr/lib/postgresql/*/bin or on the \
             PATH; install them with `apt-get install postgresql-15` (or a later version)"
        )
    })
}

/// The account to run the server as: PostgreSQL refuses to run as root.
fn unprivileged_account() -> Option<&'static str> {
    let output = Command::new("id").arg("-u").output().unwrap();
    let root = output.stdout.trim_ascii() == b"0";
    root.then(|| {
        let exists = |name: &&str| {
            let id = Command::new("id").arg(name).stderr(Stdio::null()).output();
            id.unwrap().status.success()
        };
        ["postgres", "nobody"]
            .into_iter()
            .find(exists)
            .unwrap_or_else(|| {
                panic!("tests run as root need an account `postgres` or `nobody` for the server")
            })
    })
}

fn as_account(account: Option<&str>, program: &Path) -> Command {
    match account {
        None => Command::new(program),
        Some(name) => {
            // `setpriv` becomes the program, so the child's id is the server's.
            let mut command = Command::new("setpriv");
            command.args([
                "--reuid",
                name,
                "--regid",
                &group_of(name),
                "--clear-groups",
                "--",
            ]);
            command.arg(program);
            command
        }
    }
}

fn group_of(account: &str) -> String {
    let output = Command::new("id").args(["-g", account]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A directory below the build directory, or below the system's for temporary files where the
/// server's account cannot reach the build directory.
fn scratch_directory(account: Option<&str>) -> PathBuf {
    scratch_directory_of(&format!("postgres-{}", std::process::id()), account)
}

fn scratch_directory_of(name: &str, account: Option<&str>) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let places = [
        target.join("test-servers"),
        std::env::temp_dir().join("turngraph-test-servers"),
    ];
    for place in &places {
        let scratch = place.join(name);
        std::fs::create_dir_all(&scratch).unwrap();
        if let Some(name) = account {
            run(Command::new("chown").arg(name).arg(&scratch));
        }
        let probe = as_account(account, Path::new("test"))
            .arg("-w")
            .arg(&scratch)
            .status();
        if probe.unwrap().success() {
            return scratch;
        }
        std::fs::remove_dir(&scratch).unwrap();
    }
    panic!("no directory is writable for the server's account: {places:?}");
}

/// Where the server's socket goes; nowhere when the path would be too long for a socket.
fn socket_directory(scratch: &Path) -> &str {
    let path = scratch.to_str().unwrap();
    if path.len() < 80 { path } else { "" }
}

fn run(command: &mut Command) {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

/// A store of the contract suite.
pub(crate) async fn contract_fixture() -> crate::stores::contract::Fixture {
    let database = Database::migrated();
    crate::stores::contract::Fixture {
        store: std::sync::Arc::new(database.store().await),
        clock: std::sync::Arc::new(ManualClock::at(START)),
        engine: Box::new(database),
    }
}

#[async_trait::async_trait]
impl crate::stores::contract::Engine for Database {
    async fn run(&self, sql: &'static str) {
        let mut connection = self.connect().await;
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    }

    async fn writer_waits(&self) {
        let waiting = "select exists (select from pg_locks where not granted and database = (
            select oid from pg_database where datname = current_database()))";
        let mut connection = self.connect().await;
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let asked = sqlx::query_scalar(waiting).fetch_one(&mut connection);
            let waits: bool = asked.await.unwrap();
            if waits {
                return;
            }
            assert!(Instant::now() < until, "nobody waits");
        }
    }
}
