//! Bodies that are too large, and defects, over a real socket.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use turngraph::domain::{SystemClock, UuidV7Source};
use turngraph::http::{AccountRule, Dependency, HttpOptions, HttpState, Readiness, router};
use turngraph::limits::RequestLimits;

use super::api::{ACCOUNT, Api};
use crate::support::rows;

/// Bytes that a body may have here. All of a request fits into one packet, so that nothing of it is
/// unread when the answer comes.
const MAX: usize = 1_000;

struct NoStores;

#[async_trait]
impl Readiness for NoStores {
    async fn dependencies(&self) -> Vec<Dependency> {
        Vec::new()
    }
}

/// A query in a body of so many bytes.
fn body(bytes: usize) -> String {
    let with = |blanks: usize| {
        let query = format!("{{viewer{{uid}}}}{}", " ".repeat(blanks));
        json!({ "query": query }).to_string()
    };
    with(bytes - with(0).len())
}

/// Status and JSON of the answer to a request with these headers and this body.
async fn answer(address: std::net::SocketAddr, headers: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\n{headers}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, json) = text.split_once("\r\n\r\n").unwrap();
    (status, serde_json::from_str(json).unwrap())
}

/// A server over the gateway, and where it listens.
async fn serve(
    api: Api,
) -> (
    std::net::SocketAddr,
    tokio::task::JoinHandle<std::io::Result<()>>,
) {
    let state = HttpState {
        gateway: Arc::new(api.gateway),
        readiness: Arc::new(NoStores),
        account: AccountRule::Fixed(rows::uid(ACCOUNT)),
        request_ids: Arc::new(UuidV7Source),
        examples: "[]".into(),
        clock: Arc::new(SystemClock),
        options: Arc::new(HttpOptions {
            limits: RequestLimits {
                body_bytes: MAX,
                ..RequestLimits::default()
            },
            ..HttpOptions::default()
        }),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(axum::serve(listener, router(state)).into_future());
    (address, server)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_defect_gives_a_masked_error_with_the_requests_id_and_the_server_goes_on() {
    let api = Api::with_conversation().await;
    let store = Arc::clone(&api.store);
    let (address, server) = serve(api).await;
    let query = json!({ "query": "{session(uid:\"s\"){title}}" }).to_string();
    let headers = format!("x-request-id: r-7\r\ncontent-length: {}", query.len());
    store.panic_in("sessions_by_uid");
    let (status, json) = answer(address, &headers, &query).await;
    assert_eq!(status, 500);
    assert!(!json.to_string().contains("secret"), "{json}");
    let extensions = &json["errors"][0]["extensions"];
    assert_eq!(extensions["code"], "INTERNAL");
    assert_eq!(extensions["requestId"], "r-7");
    assert_eq!(json.get("data"), None);
    store.panic_in("nothing");
    let (status, json) = answer(address, &headers, &query).await;
    assert_eq!(
        (status, &json["data"]["session"]["title"]),
        (200, &json!("Talk"))
    );
    server.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_above_the_limit_is_refused_however_it_is_sent() {
    let api = Api::new().await;
    let (address, server) = serve(api).await;
    for (bytes, status) in [(MAX, 200), (MAX + 1, 413), (4 * MAX, 413)] {
        let body = body(bytes);
        assert_eq!(body.len(), bytes);
        let whole = format!("content-length: {bytes}");
        let in_chunks = {
            let (first, second) = body.split_at(bytes / 2);
            let chunk = |part: &str| format!("{:x}\r\n{part}\r\n", part.len());
            format!("{}{}0\r\n\r\n", chunk(first), chunk(second))
        };
        for (headers, body) in [(&*whole, &body), ("transfer-encoding: chunked", &in_chunks)] {
            let (found, json) = answer(address, headers, body).await;
            assert_eq!(found, status, "{bytes} bytes, {headers}: {json}");
            if status == 200 {
                assert_eq!(json["data"]["viewer"]["uid"], ACCOUNT);
            } else {
                let error = &json["errors"][0];
                assert_eq!(
                    error["message"],
                    "The body is larger than 1000 bytes; send less at once."
                );
                assert_eq!(error["extensions"]["code"], "REQUEST_TOO_LARGE");
                assert_eq!(error["extensions"]["limit"], MAX);
                assert!(error["extensions"]["requestId"].is_string(), "{json}");
            }
        }
    }
    server.abort();
}
