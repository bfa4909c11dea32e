//! What a user gets wrong: one clear message with what to do, and a documented exit code.

use std::net::TcpListener;

use super::{Server, run, stderr, stdout};

fn refused(arguments: &[&str], code: i32, says: &[&str]) {
    let output = run(arguments);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {message}");
    for words in says {
        assert!(
            message.contains(words),
            "{arguments:?}: {words:?} is not in {message:?}"
        );
    }
    assert!(!message.contains("panicked"), "{message}");
}

#[test]
fn wrong_words_are_usage() {
    refused(&["frob"], 64, &["unrecognized subcommand"]);
    refused(&["dev", "--nope"], 64, &["unexpected argument"]);
    refused(&["serve", "--listen", "0.0.0.0:0"], 64, &["public address"]);
    refused(
        &["dev", "--listen", "0.0.0.0:0"],
        64,
        &["--listen 127.0.0.1"],
    );
}

#[test]
fn settings_that_cannot_be_are_configuration_errors() {
    refused(
        &["version", "--config", "/nowhere/t.toml"],
        78,
        &["/nowhere/t.toml"],
    );
    refused(&["doctor", "--listen", "4000"], 78, &["ADDRESS:PORT"]);
    refused(
        &["doctor", "--record", "mysql://x"],
        78,
        &["sqlite://FILE", "postgres://"],
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.toml");
    std::fs::write(&file, "lisen = 1\n").unwrap();
    refused(
        &["version", "--config", file.to_str().unwrap()],
        78,
        &["did you mean `listen`?"],
    );
    std::fs::write(&file, "listen = \n").unwrap();
    refused(
        &["version", "--config", file.to_str().unwrap()],
        78,
        &["not valid TOML"],
    );
}

#[test]
fn a_port_in_use_says_how_to_choose_another() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    refused(
        &["dev", "--no-demo", "--data-dir", data, "--listen", &address],
        73,
        &[&address, "--listen"],
    );
}

#[test]
fn files_that_are_no_database_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("letter.txt");
    std::fs::write(&file, "Dear Sir or Madam, this is no database at all.").unwrap();
    let url = format!("sqlite://{}", file.display());
    refused(
        &["serve", "--record", &url],
        78,
        &["letter.txt", "not a SQLite database"],
    );
    refused(
        &["dev", "--record", &url, "--listen", "127.0.0.1:0"],
        78,
        &["not a SQLite database"],
    );
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("Dear"));
    refused(
        &["dev", "--data-dir", "/proc/nothing/here"],
        69,
        &["/proc/nothing/here"],
    );
}

#[test]
fn a_postgres_that_is_not_there_is_unavailable() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("postgres://me:secret@{free}/chat");
    for command in [&["serve"][..], &["migrate", "status"], &["migrate", "up"]] {
        let mut arguments = command.to_vec();
        arguments.extend(["--record", &url]);
        refused(&arguments, 69, &["nothing listens at", "start PostgreSQL"]);
        assert!(
            !stderr(&run(&arguments)).contains("secret"),
            "the password is never shown"
        );
    }
}

#[tokio::test]
async fn doctor_finds_what_is_wrong_and_what_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let output = run(&[
        "doctor",
        "--json",
        "--data-dir",
        data,
        "--listen",
        "127.0.0.1:0",
    ]);
    assert_eq!(output.status.code(), Some(1), "there is no database yet");
    let checks: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let record = checks
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["name"] == "record store")
        .unwrap();
    assert!(
        record.to_string().contains("turngraph migrate up"),
        "{record}"
    );
    let server = Server::dev(folder.path(), &["--no-demo"]);
    let output = run(&["doctor", "--data-dir", data, "--listen", "127.0.0.1:0"]);
    assert!(output.status.success(), "{}", stdout(&output));
    // An address that turngraph itself listens on is no problem; another program's is.
    let used = server.url.strip_prefix("http://").unwrap();
    let output = run(&["doctor", "--data-dir", data, "--listen", used]);
    assert!(output.status.success(), "{}", stdout(&output));
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let used = other.local_addr().unwrap().to_string();
    let output = run(&["doctor", "--data-dir", data, "--listen", &used]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("choose another address"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn looking_at_a_schema_makes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("new");
    for command in ["plan", "status"] {
        let output = run(&["migrate", command, "--data-dir", data.to_str().unwrap()]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(
            stdout(&output).contains("migrate up"),
            "{}",
            stdout(&output)
        );
        assert!(!data.exists());
    }
}
