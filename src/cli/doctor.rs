//! `turngraph doctor`: what is right, what is wrong, and what to do about it.
//!
//! Exit code 0 when nothing is wrong (warnings are not), 1 when something is.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::{Settings, output};
use crate::app::doctor::{Check, Severity, examine};
use crate::http::playground;

pub(super) async fn run(settings: &Settings, json: bool) -> anyhow::Result<u8> {
    let mut checks = of_this_machine(settings);
    checks.extend(examine(settings).await);
    if json {
        output::json(&checks)?;
    } else {
        output::line(checks.iter().map(shown).collect::<Vec<_>>().join("\n"))?;
    }
    Ok(u8::from(checks.iter().any(|check| !check.ok)))
}

fn shown(check: &Check) -> String {
    let sign = match check.severity {
        Severity::Ok => "✔",
        Severity::Warning => "!",
        Severity::Problem => "✖",
    };
    let line = format!("{sign} {:<18} {}", check.name, check.found);
    match &check.hint {
        Some(hint) => format!("{line}\n  {:<18} → {hint}", ""),
        None => line,
    }
}

fn of_this_machine(settings: &Settings) -> Vec<Check> {
    let page = match playground::is_built() {
        true => Check::ok("playground", "built in"),
        false => Check::warning(
            "playground",
            "not built in",
            "npm is there? then: make playground",
        ),
    };
    let listen = match std::net::TcpListener::bind(settings.listen) {
        Ok(_) => Check::ok("listen", format!("{} is free", settings.listen)),
        Err(_) if is_turngraph(settings.listen) => Check::ok(
            "listen",
            format!("turngraph answers at {}", settings.listen),
        ),
        Err(error) => Check::problem(
            "listen",
            format!("{}: {error}", settings.listen),
            "choose another address with --listen, or end what uses it",
        ),
    };
    vec![page, listen]
}

/// How long whatever uses the address may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether what uses the address is a server of ours.
fn is_turngraph(address: SocketAddr) -> bool {
    let asked = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /health/live HTTP/1.0\r\nhost: localhost\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(4_096).read_to_string(&mut answer)?;
        Ok(answer)
    };
    asked().is_ok_and(|answer| answer.contains(" 200 ") && answer.ends_with("\r\n\r\nlive\n"))
}
