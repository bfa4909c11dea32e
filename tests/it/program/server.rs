//! Starting, answering, health and stopping.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use super::{Server, run, stderr, stdout};

#[tokio::test]
async fn dev_starts_with_demo_conversations_and_answers() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::dev(folder.path(), &[]);
    let answer = server
        .ask("{ sessions(first: 50) { nodes { title turnCount activePath(last: 1) { nodes { preview } } } } }")
        .await;
    let sessions = answer["data"]["sessions"]["nodes"].as_array().unwrap();
    assert!(sessions.len() >= 10, "{answer}");
    assert!(
        sessions
            .iter()
            .all(|s| s["turnCount"].as_i64().unwrap() > 0),
        "{answer}"
    );
    assert!(
        server.banner.len() <= 9,
        "the banner is short: {:?}",
        server.banner
    );
}

#[tokio::test]
async fn a_second_start_keeps_the_data_and_loads_no_demo_twice() {
    let folder = tempfile::tempdir().unwrap();
    let count = "{ sessions { totalCount { count } } }";
    let first = {
        let server = Server::dev(folder.path(), &[]);
        server
            .ask("mutation { createSession(input: {title: \"mine\"}) { userErrors { code } } }")
            .await;
        server.ask(count).await
    };
    let server = Server::dev(folder.path(), &[]);
    // When it was asked differs; what was answered does not.
    assert_eq!(server.ask(count).await["data"], first["data"]);
}

#[tokio::test]
async fn without_the_demo_there_is_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::dev(folder.path(), &["--no-demo"]);
    let answer = server.ask("{ sessions { totalCount { count } } }").await;
    assert_eq!(answer["data"]["sessions"]["totalCount"]["count"], 0);
}

#[test]
fn a_signal_ends_the_server_with_code_0_after_the_requests_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::dev(folder.path(), &["--no-demo"]);
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    let body = r#"{"query":"{ viewer { uid } }"}"#;
    let mut request = TcpStream::connect(&address).unwrap();
    write!(
        request,
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         expect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .unwrap();
    let mut answer = BufReader::new(request.try_clone().unwrap());
    let mut line = String::new();
    answer.read_line(&mut line).unwrap();
    assert!(
        line.starts_with("HTTP/1.1 100"),
        "the request is under way: {line}"
    );
    server.signal("TERM");
    // No new connection is taken from here on.
    while TcpStream::connect(&address).is_ok() {
        std::thread::yield_now();
    }
    request.write_all(body.as_bytes()).unwrap();
    let mut rest = String::new();
    answer.read_to_string(&mut rest).unwrap();
    assert!(
        rest.contains("200 OK") && rest.contains(r#""uid":"demo""#),
        "{rest}"
    );
    assert_eq!(server.wait(), Some(0));
}

#[tokio::test]
async fn serve_needs_a_schema_and_then_reads_its_settings_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("t.db").display());
    let file = folder.path().join("turngraph.toml");
    let text = format!(
        "listen = \"127.0.0.1:0\"\nrecord = \"{database}\"\naccount = \"me\"\nlog_format = \"json\"\n"
    );
    std::fs::write(&file, text).unwrap();
    let config = ["--config", file.to_str().unwrap()];
    let refused = run(&["serve", config[0], config[1]]);
    assert_eq!(refused.status.code(), Some(69), "{}", stderr(&refused));
    assert!(
        stderr(&refused).contains("turngraph migrate up"),
        "{}",
        stderr(&refused)
    );
    let up = run(&["migrate", "up", config[0], config[1]]);
    assert!(up.status.success(), "{}", stderr(&up));
    let again = run(&["migrate", "status", "--json", config[0], config[1]]);
    let status: serde_json::Value = serde_json::from_str(&stdout(&again)).unwrap();
    assert!(
        status.as_array().is_some_and(|rows| !rows.is_empty()),
        "{status}"
    );
    let server = Server::start(&["serve", config[0], config[1]], "listening");
    let line: serde_json::Value = serde_json::from_str(server.banner.last().unwrap()).unwrap();
    assert_eq!(line["message"], "listening", "logs are JSON: {line}");
    assert_eq!(
        server.ask("{ viewer { uid } }").await["data"]["viewer"]["uid"],
        "me"
    );
}

#[tokio::test]
async fn health_tells_life_readiness_and_dependencies() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::dev(folder.path(), &["--no-demo"]);
    for (path, wanted) in [
        ("live", "live"),
        ("ready", "ready"),
        ("deps", "\"kind\":\"SQLITE\",\"state\":\"up\""),
    ] {
        let answer = reqwest::get(format!("{}/health/{path}", server.url))
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let text = answer.text().await.unwrap();
        assert!(text.contains(wanted), "{path}: {text}");
    }
}

#[tokio::test]
async fn every_answer_carries_the_id_of_its_request() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::dev(folder.path(), &["--no-demo"]);
    let client = reqwest::Client::new();
    let send = |id: &'static str| {
        let request = client.post(format!("{}/graphql", server.url));
        request
            .header("content-type", "application/json")
            .header("x-request-id", id)
            .body("{\"query\":\"{ nope }\"}")
            .send()
    };
    let answer = send("my-id-1").await.unwrap();
    assert_eq!(answer.headers()["x-request-id"], "my-id-1");
    let body: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(body["errors"][0]["extensions"]["requestId"], "my-id-1");
    let answer = send("<script>").await.unwrap();
    assert_ne!(answer.headers()["x-request-id"], "<script>");
}

#[tokio::test]
async fn the_account_header_separates_accounts_in_dev() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::dev(folder.path(), &[]);
    let ask = |account: &'static str| {
        let url = format!(
            "{}/graphql?query=%7BsessionsX:sessions%7BtotalCount%7Bcount%7D%7D%7D",
            server.url
        );
        reqwest::Client::new()
            .get(url)
            .header("x-turngraph-account", account)
            .send()
    };
    let other = ask("somebody-else").await.unwrap().text().await.unwrap();
    assert!(other.contains("\"count\":0"), "{other}");
    assert_eq!(ask("").await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_page_of_another_site_that_took_this_machines_address_is_refused_in_dev() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::dev(folder.path(), &["--no-demo"]);
    let ask = |host: &'static str| {
        let url = format!("{}/graphql?query=%7Bviewer%7Buid%7D%7D", server.url);
        reqwest::Client::new().get(url).header("host", host).send()
    };
    for host in ["localhost:4000", "127.0.0.1", "[::1]:80"] {
        assert_eq!(ask(host).await.unwrap().status(), 200, "{host}");
    }
    for host in [
        "evil.example",
        "evil.example:4000",
        "127.0.0.1.evil.example",
    ] {
        assert_eq!(ask(host).await.unwrap().status(), 403, "{host}");
    }
}

/// Sends `body` and returns the whole answer.
fn sent(server: &Server, body: &str) -> String {
    let address = server.url.strip_prefix("http://").unwrap();
    let mut request = TcpStream::connect(address).unwrap();
    write!(
        request,
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    request.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_body_that_is_no_json_says_where_and_is_refused_as_graphql() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::dev(folder.path(), &["--no-demo"]);
    let lone = r#"{"query": "\ud800"}"#;
    let number = r#"{"query": 5}"#;
    for (body, says) in [(lone, "hex escape"), (number, "string `query`")] {
        let answer = sent(&server, body);
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        let message = body["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains(says), "{message}");
    }
}
