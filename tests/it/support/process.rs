//! Server processes of tests: their scratch directories, ports, starts, pauses and ends.
//!
//! No server outlives the run. A [`Process`] ends its server when it is dropped; a watchdog holds
//! the other end of a pipe and does the same when this process is gone, however it went. (The
//! kernel's parent-death signal would not do: it comes with the end of the thread that started the
//! server, and every test has a thread of its own.)

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a server may take to come up while the machine builds and tests other things.
pub(crate) const START_MAX: Duration = Duration::from_secs(180);

/// Cargo's build directory.
pub(crate) fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("cargo's folder for temporary files lies in its build directory")
}

/// A directory of one server; it goes when this is dropped.
pub(crate) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// A new one under `target/test-servers/`.
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{name}-{}-{count}", std::process::id());
        let path = target().join("test-servers").join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file, e.g. a server's configuration; its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// A running server and the watchdog that ends it with this process.
pub(crate) struct Process {
    child: Child,
    watchdog: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a server that writes what it says to `server.log` of its scratch directory.
    pub(crate) fn start(mut command: Command, scratch: &Path) -> Self {
        let log = scratch.join("server.log");
        let out = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
        let watchdog = watchdog(child.id(), scratch);
        Self {
            child,
            watchdog,
            log,
        }
    }

    /// Waits until the server is ready; false when it ended instead.
    pub(crate) fn wait_ready(&mut self, mut ready: impl FnMut() -> bool) -> bool {
        let until = Instant::now() + START_MAX;
        while !ready() {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(
                Instant::now() < until,
                "the server is not ready after {START_MAX:?}; its log:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        true
    }

    /// The end of what the server wrote.
    pub(crate) fn log(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let from = text.len().saturating_sub(8_000);
        String::from_utf8_lossy(&text[from..]).into_owned()
    }

    /// Stops the server where it is, as a machine that hangs: connections stay open, nothing is
    /// answered.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets a paused server go on.
    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    /// Sends a signal, e.g. `INT`, and waits for the end of the server.
    pub(crate) fn end(&mut self, signal: &str) {
        self.signal(signal);
        self.child.wait().unwrap();
    }

    /// Ends the server and every process that it began, as a power cut does. Left to themselves, the
    /// backends of a PostgreSQL server answer for a moment longer than their parent lives.
    pub(crate) fn cut_off(self) {
        // While it stands still it begins no others.
        self.pause();
        let begun = children(self.child.id());
        for child in &begun {
            let mut command = Command::new("kill");
            // One that has just ended by itself is no failure.
            let _ = command
                .args(["-s", "KILL", child])
                .stderr(Stdio::null())
                .status();
        }
        drop(self);
        while begun.iter().any(|child| lives(child)) {
            std::thread::yield_now();
        }
    }

    fn signal(&self, name: &str) {
        let mut command = Command::new("kill");
        command.args(["-s", name, &self.child.id().to_string()]);
        assert!(command.status().unwrap().success(), "{command:?} failed");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The server first: should this process end in between, the watchdog is still there.
        for child in [&mut self.child, &mut self.watchdog] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Process ids of those that a process began.
fn children(parent: u32) -> Vec<String> {
    let parent = parent.to_string();
    let processes = std::fs::read_dir("/proc").unwrap();
    let ids = processes.filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    ids.filter(|id| state(id).is_some_and(|(_, begun_by)| begun_by == parent))
        .collect()
}

/// Whether a process is there and has not ended.
fn lives(id: &str) -> bool {
    state(id).is_some_and(|(state, _)| state != "Z")
}

/// State and parent of a process; none of what is no process.
fn state(id: &str) -> Option<(String, String)> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name in brackets may have spaces and brackets.
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
}

/// Kills the server and removes its scratch directory once the pipe to it is closed.
fn watchdog(server: u32, scratch: &Path) -> Child {
    let script = "
        read -r _
        kill -KILL \"$1\" 2>/dev/null
        while kill -0 \"$1\" 2>/dev/null; do sleep 0.1; done
        rm -rf \"$2\"";
    Command::new("sh")
        .args(["-c", script, "watchdog", &server.to_string()])
        .arg(scratch)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap()
}

/// A port that is free now on 127.0.0.1.
pub(crate) fn free_port() -> u16 {
    free_port_on(&[Ipv4Addr::LOCALHOST])
}

/// A port that is free now on each of these addresses. It is outside the range that the system
/// gives to outgoing connections, so that it stays free while a server of a test is down.
pub(crate) fn free_port_on(addresses: &[Ipv4Addr]) -> u16 {
    loop {
        let random = RandomState::new().hash_one(0_u8);
        let port = 11_000 + (random % 20_000) as u16;
        let free = |address: &Ipv4Addr| TcpListener::bind((*address, port)).is_ok();
        if addresses.iter().all(free) {
            return port;
        }
    }
}

/// Whether something listens there.
pub(crate) fn is_open(address: impl Into<IpAddr>, port: u16) -> bool {
    let address = (address.into(), port).into();
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

/// The first of these programs that is installed.
pub(crate) fn find_program(names: &[&str], package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut candidates = names
        .iter()
        .flat_map(|n| folders.iter().map(move |f| f.join(n)));
    candidates.find(|p| p.is_file()).unwrap_or_else(|| {
        panic!("{names:?} was not found; install it with `apt-get install {package}`")
    })
}
