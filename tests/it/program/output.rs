//! Output that cannot be written: readers that have gone away, and full disks.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Output, Stdio};

use super::{run, stderr, stdout, turngraph};

/// A conversation that is known to import.
fn conversation() -> String {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/chat-exports");
    let file = data.join("chatgpt-2024/csv-data-analysis-insights.json");
    file.to_str().unwrap().to_owned()
}

/// A pipe that nobody reads any more.
fn gone() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// A device that is always full.
fn full() -> Stdio {
    let device = OpenOptions::new().write(true).open("/dev/full").unwrap();
    device.into()
}

fn run_into(arguments: &[&str], out: Stdio) -> Output {
    let mut command = turngraph(arguments);
    command.stdout(out).stderr(Stdio::piped());
    command.spawn().unwrap().wait_with_output().unwrap()
}

/// Reports of every command that makes some, with a store in which one conversation is.
fn reports(data: &str, file: &str) -> Vec<Vec<String>> {
    let with_store = |words: &[&str]| {
        let all = words.iter().copied().chain(["--data-dir", data]);
        all.map(str::to_owned).collect()
    };
    vec![
        with_store(&["import", "--account", "demo", file]),
        with_store(&["import", "--account", "demo", "--json", file]),
        with_store(&["export", "--account", "demo"]),
        with_store(&["export", "--account", "demo", "--format", "chatgpt"]),
        with_store(&["migrate", "up"]),
        with_store(&["migrate", "status"]),
        with_store(&["migrate", "plan", "--json"]),
        with_store(&["doctor", "--listen", "127.0.0.1:0"]),
        with_store(&["config", "print", "--origin"]),
        with_store(&["schema", "print"]),
        with_store(&["version"]),
    ]
}

#[test]
fn a_reader_that_went_away_ends_no_command() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    for arguments in reports(data, &conversation()) {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = run_into(&arguments, gone());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        assert_eq!(said, "", "{arguments:?}");
    }
    let exported = run(&["export", "--account", "demo", "--data-dir", data]);
    assert_eq!(
        stdout(&exported).lines().count(),
        1,
        "what nobody read about was imported"
    );
}

#[test]
fn a_full_disk_is_said_and_what_was_imported_stays() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    for arguments in reports(data, &conversation()) {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = run_into(&arguments, full());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(
            said.contains("standard output cannot be written: No space left"),
            "{arguments:?}: {said}"
        );
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    }
    let exported = run(&["export", "--account", "demo", "--data-dir", data]);
    assert_eq!(stdout(&exported).lines().count(), 1);
}

#[test]
fn messages_that_nobody_can_read_change_no_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    for nowhere in [gone, full] {
        let code = |arguments: &[&str]| {
            let mut command = turngraph(arguments);
            command.stdout(Stdio::null()).stderr(nowhere());
            command.status().unwrap().code()
        };
        assert_eq!(code(&["doctor", "--record", "mysql://x"]), Some(78));
        let import = ["import", "--account", "demo", "--data-dir", data];
        assert_eq!(code(&[&import[..], &[&conversation()]].concat()), Some(0));
        let export = ["export", "--account", "demo", "--data-dir", data];
        assert_eq!(code(&export), Some(0));
    }
}
