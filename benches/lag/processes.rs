//! CPU time of processes with all their children, from /proc; and the projector as a process.

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};

use anyhow::Context;

/// What is watched, by name.
pub(crate) struct Watched(Vec<(String, u32)>);

/// CPU time in hundredths of a second, by name.
pub(crate) type Ticks = HashMap<String, u64>;

impl Watched {
    /// Reads `name=PID,name=PID`; this process is `load`.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let mut watched = vec![("load".to_owned(), std::process::id())];
        for pair in text.split(',').filter(|pair| !pair.is_empty()) {
            let (name, pid) = pair.split_once('=').context("--watch is NAME=PID,…")?;
            watched.push((name.to_owned(), pid.parse()?));
        }
        Ok(Self(watched))
    }

    /// From now on the projector is that process.
    pub(crate) fn projector(&mut self, pid: u32) {
        self.0.retain(|(name, _)| name != "projector");
        self.0.push(("projector".to_owned(), pid));
    }

    /// CPU time so far. Children of PostgreSQL and of this process's projector count once each.
    pub(crate) fn ticks(&self) -> anyhow::Result<Ticks> {
        let mut stats = HashMap::new();
        for entry in std::fs::read_dir("/proc")?.flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            // A process may end while it is looked at.
            if let Some(stat) = Stat::of(pid) {
                stats.insert(pid, stat);
            }
        }
        let mut ticks: Ticks = self.0.iter().map(|(name, _)| (name.clone(), 0)).collect();
        for pid in stats.keys() {
            let mut at = *pid;
            let owner = loop {
                if let Some((name, _)) = self.0.iter().find(|(_, root)| *root == at) {
                    break Some(name);
                }
                match stats.get(&at) {
                    Some(stat) if stat.parent > 1 => at = stat.parent,
                    _ => break None,
                }
            };
            if let Some(owner) = owner {
                let stat = &stats[pid];
                // Children that have ended are counted by PostgreSQL's first process.
                let ended = if owner == "load" { 0 } else { stat.ended };
                *ticks.entry(owner.clone()).or_default() += stat.own + ended;
            }
        }
        Ok(ticks)
    }
}

struct Stat {
    parent: u32,
    own: u64,
    ended: u64,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may hold spaces; the fields after its closing bracket do not.
        let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
        let field = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Self {
            parent: u32::try_from(field(1)?).ok()?,
            own: field(11)? + field(12)?,
            ended: field(13)? + field(14)?,
        })
    }
}

/// Shares of one core in per cent and microseconds a row, by name; then the load of the machine,
/// since other work on it makes everything late and nothing cheaper.
pub(crate) fn shares(before: &Ticks, after: &Ticks, seconds: f64, rows: usize) -> String {
    let mut names: Vec<&String> = after.keys().collect();
    names.sort();
    let share = |name: &String| {
        let ticks = after[name].saturating_sub(before.get(name).copied().unwrap_or(0)) as f64;
        // The kernel counts in hundredths of a second on every platform that we build for.
        let (share, of_row) = (ticks / seconds, ticks * 10_000.0 / rows as f64);
        format!("{name} {share:.0} % ({of_row:.0} µs)")
    };
    let shares = names.into_iter().map(share).collect::<Vec<_>>().join(", ");
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("unknown");
    format!("{shares}; load average {load}")
}

/// A running `turngraph project`; it ends with this value.
pub(crate) struct Projector(Child);

impl Projector {
    pub(crate) fn start(program: &str, arguments: &[String]) -> anyhow::Result<Self> {
        let child = Command::new(program)
            .arg("project")
            .args(["--listen", "127.0.0.1:0", "--log-level", "warn"])
            .args(arguments)
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("{program} cannot be started"))?;
        Ok(Self(child))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Stops it in order; what is under way is finished.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let mut kill = Command::new("kill");
        kill.args(["-s", "TERM", &self.0.id().to_string()]);
        anyhow::ensure!(kill.status()?.success(), "the projector is gone already");
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Projector {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
