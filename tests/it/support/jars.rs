//! The servers that are Java programs: where their jars are, and how Java is started.
//!
//! `scripts/jars.sh` fetches what `tests/servers/NAME/pom.xml` names, once.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::process::{find_program, target};

/// Folder with the jars of `tests/servers/NAME/pom.xml`; fetched when it is missing.
pub(crate) fn folder(name: &str) -> PathBuf {
    let output = Command::new("scripts/jars.sh")
        .arg(name)
        .arg(target())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "scripts/jars.sh {name} failed; what it said is above"
    );
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

/// Java with these jars, sized for tests; the caller adds its own options, then the main class.
pub(crate) fn java(name: &str) -> Command {
    let mut command = Command::new(find_program(&["java"], "default-jdk-headless"));
    command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xss256k"]);
    command.arg("-cp").arg(folder(name).join("*"));
    command
}
