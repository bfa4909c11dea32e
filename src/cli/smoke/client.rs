//! The client of `turngraph smoke`: one GraphQL request a connection, over plain HTTP.
//!
//! It speaks HTTP/1.0, so that an answer is neither chunked nor followed by another one. A proxy
//! that ends TLS belongs in front of the server, not in front of this check.

use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest time for one request: more than a read's own deadline, so that its error is seen.
const REQUEST_MAX: Duration = Duration::from_secs(15);

/// How a read is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consistency {
    /// From the record store.
    Strong,
    /// From the nearest copy.
    Eventual,
}

impl Consistency {
    fn header(self) -> &'static str {
        match self {
            Self::Strong => "STRONG",
            Self::Eventual => "EVENTUAL",
        }
    }
}

/// A server's GraphQL endpoint.
#[derive(Debug, Clone)]
pub(super) struct Client {
    /// `host:port`, as it is connected to and as it stands in the `Host` header.
    authority: String,
    path: String,
    /// Value of the `Authorization` header.
    authorization: Option<String>,
}

impl Client {
    /// Takes `http://HOST[:PORT][/PATH]`; the path is `/graphql` unless given.
    pub(super) fn new(url: &str, authorization: Option<String>) -> Result<Self, String> {
        let rest = url
            .strip_prefix("http://")
            .ok_or("use http://HOST:PORT, e.g. http://127.0.0.1:4000")?;
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) => (authority, format!("/{path}")),
            None => (rest, String::new()),
        };
        if authority.is_empty() || authority.contains(['@', ' ']) {
            return Err("use http://HOST:PORT; a token goes into --bearer-file".into());
        }
        // An IPv6 address stands in brackets, so its colons are none of the port's.
        let has_port = authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.ends_with(']'));
        Ok(Self {
            authority: if has_port {
                authority.to_owned()
            } else {
                format!("{authority}:80")
            },
            path: match path.as_str() {
                "" | "/" => "/graphql".to_owned(),
                _ => path,
            },
            authorization,
        })
    }

    /// Sends one operation; the whole answer, with `data`, `errors` and `extensions`.
    pub(super) async fn ask(
        &self,
        query: &str,
        variables: Value,
        consistency: Consistency,
    ) -> anyhow::Result<Value> {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let exchange = tokio::time::timeout(REQUEST_MAX, self.exchange(&body, consistency));
        let answer = match exchange.await {
            Ok(answer) => answer.with_context(|| format!("http://{}", self.authority))?,
            Err(_) => bail!(
                "http://{} did not answer within {} s",
                self.authority,
                REQUEST_MAX.as_secs()
            ),
        };
        let (status, body) = split(&answer)?;
        let parsed: Value = serde_json::from_slice(body).with_context(|| {
            format!("status {status}, and not JSON: is there a turngraph server?")
        })?;
        if let Some(error) = parsed["errors"].get(0) {
            bail!(
                "the server refused: {} ({})",
                error["message"].as_str().unwrap_or("no message"),
                error["extensions"]["code"].as_str().unwrap_or("no code")
            );
        }
        if status != 200 {
            bail!("the server answered with status {status}");
        }
        Ok(parsed)
    }

    async fn exchange(&self, body: &str, consistency: Consistency) -> anyhow::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(&self.authority)
            .await
            .context("cannot connect")?;
        let authorization = match &self.authorization {
            Some(value) => format!("Authorization: {value}\r\n"),
            None => String::new(),
        };
        let head = format!(
            "POST {} HTTP/1.0\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Accept: application/graphql-response+json\r\nContent-Length: {}\r\n\
             X-Turngraph-Consistency: {}\r\n{authorization}Connection: close\r\n\r\n",
            self.path,
            self.authority,
            body.len(),
            consistency.header()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(answer)
    }
}

/// Status and body of an answer.
fn split(answer: &[u8]) -> anyhow::Result<(u16, &[u8])> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.context("the answer is not HTTP")?;
    let head = String::from_utf8_lossy(&answer[..end]);
    let status = head.split(' ').nth(1).and_then(|text| text.parse().ok());
    Ok((
        status.context("the answer is not HTTP")?,
        &answer[end + 4..],
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_port_and_a_path() {
        for (url, authority, path) in [
            ("http://a:4000", "a:4000", "/graphql"),
            ("http://a/", "a:80", "/graphql"),
            ("http://[::1]:1/x/y", "[::1]:1", "/x/y"),
            ("http://[::1]", "[::1]:80", "/graphql"),
        ] {
            let client = Client::new(url, None).unwrap();
            assert_eq!(
                (client.authority.as_str(), client.path.as_str()),
                (authority, path)
            );
        }
        for wrong in ["https://a", "http://", "http://user:secret@a"] {
            let message = Client::new(wrong, None).unwrap_err();
            assert!(message.contains("http://HOST:PORT") && !message.contains("secret"));
        }
    }

    #[test]
    fn an_answer_is_a_status_and_a_body() {
        let answer = b"HTTP/1.0 503 Service Unavailable\r\nA: b\r\n\r\n{\"a\":1}";
        assert_eq!(split(answer).unwrap(), (503, b"{\"a\":1}".as_slice()));
        assert!(split(b"220 ready").is_err());
    }
}
