//! The program as a user meets it: started as a process, asked over HTTP, stopped by a signal.

mod adoption;
mod bad_input;
mod http;
mod hybrid;
mod outage;
mod output;
mod server;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// The program with arguments and a clean environment of settings.
pub(crate) fn turngraph(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_turngraph"));
    command.args(arguments);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TURNGRAPH_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs to the end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    turngraph(arguments).output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A server that was started and told its address; killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// `http://ADDRESS`.
    pub(crate) url: String,
    /// Lines that it wrote to standard error until it was ready.
    pub(crate) banner: Vec<String>,
}

impl Server {
    /// Starts `dev` on a free port with its data in `folder`.
    pub(crate) fn dev(folder: &Path, more: &[&str]) -> Self {
        let mut arguments = vec!["dev", "--listen", "127.0.0.1:0", "--data-dir"];
        arguments.push(folder.to_str().unwrap());
        arguments.extend(more);
        Self::start(&arguments, "stop with")
    }

    /// Starts a server and reads its standard error until a line holds `ready`.
    pub(crate) fn start(arguments: &[&str], ready: &str) -> Self {
        let mut child = turngraph(arguments).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut banner = Vec::new();
        loop {
            let Some(Ok(line)) = lines.next() else {
                panic!("the server ended before it was ready: {banner:?}");
            };
            let is_ready = line.contains(ready);
            banner.push(line);
            if is_ready {
                break;
            }
        }
        // Whatever it writes later must not fill the pipe and block it.
        std::thread::spawn(move || lines.for_each(drop));
        let address = |line: &String| {
            let rest = line.split_once("127.0.0.1:")?.1;
            let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
            Some(format!("http://127.0.0.1:{port}"))
        };
        // What it logged before may name the addresses of stores.
        let url = banner
            .iter()
            .rev()
            .find_map(address)
            .expect("a server says its address");
        Self { child, url, banner }
    }

    /// Sends a signal, e.g. `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &pid])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for the end and returns the exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// The body of a page, e.g. `/metrics`.
    pub(crate) async fn page(&self, path: &str) -> String {
        let answer = reqwest::get(format!("{}{path}", self.url)).await.unwrap();
        answer.text().await.unwrap()
    }

    /// Asks `/graphql`.
    pub(crate) async fn ask(&self, query: &str) -> serde_json::Value {
        let body = serde_json::json!({ "query": query }).to_string();
        let answer = reqwest::Client::new()
            .post(format!("{}/graphql", self.url))
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
