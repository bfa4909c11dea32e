//! Where the CQL store is and how it is used, read from a URL
//! `cql://[user:password@]host[:port][,host…]/keyspace[?dc=…&rf=…&tls=…]`.
//!
//! Knows no driver. Passwords are never shown.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Port of CQL where the URL names none.
const PORT: u16 = 9042;

/// Names that the URL's query may have, for messages.
const PARAMETERS: &str = "dc, rf, strategy, consistency, timeout_ms, tls, cert, key";

/// How many replicas must answer a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadConsistency {
    /// One replica of the datacenter: faster, and may miss what a quorum has acknowledged.
    LocalOne,
    /// More than half of the replicas of the datacenter: sees every acknowledged write.
    #[default]
    LocalQuorum,
}

/// How `migrate up` replicates a keyspace that it creates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Replication {
    /// `NetworkTopologyStrategy` in one datacenter.
    #[default]
    Topology,
    /// `SimpleStrategy`, for servers that know no datacenters.
    Simple,
}

/// Files for TLS, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates of the authorities that sign the nodes' certificates. Those must name the
    /// nodes' addresses.
    pub authorities: PathBuf,
    /// Certificate and key by which this client shows who it is, where nodes ask for that.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Where the store is and how it is used.
#[derive(Clone, PartialEq, Eq)]
pub struct CqlOptions {
    /// Contact points as `host:port`.
    pub hosts: Vec<String>,
    /// Keyspace: lower-case letters, digits and `_`, at most 48.
    pub keyspace: String,
    /// User and password.
    pub login: Option<(String, String)>,
    /// Datacenter whose nodes are asked; else that of the first node that answers.
    pub datacenter: Option<String>,
    /// Copies of each row in a keyspace that `migrate up` creates; else 3, or fewer where there are
    /// fewer nodes.
    pub replicas: Option<u8>,
    /// How such a keyspace is replicated.
    pub replication: Replication,
    /// TLS; none for plain connections.
    pub tls: Option<TlsFiles>,
    /// How many replicas must answer a read.
    pub consistency: ReadConsistency,
    /// Longest time to open one connection.
    pub connect_timeout: Duration,
    /// Longest time for one read.
    pub read_timeout: Duration,
    /// A read that has no answer after this goes to a second replica too.
    pub speculate_after: Duration,
    /// Longest time for one write.
    pub write_timeout: Duration,
    /// Requests under way at once, at most.
    pub requests_max: usize,
}

impl CqlOptions {
    /// The usual options for contact points and a keyspace; the URL's reader checks both.
    fn new(hosts: Vec<String>, keyspace: String) -> Self {
        Self {
            hosts,
            keyspace,
            login: None,
            datacenter: None,
            replicas: None,
            replication: Replication::default(),
            tls: None,
            consistency: ReadConsistency::default(),
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_millis(150),
            speculate_after: Duration::from_millis(20),
            write_timeout: Duration::from_secs(2),
            requests_max: 256,
        }
    }

    /// Reads a URL; the message says what is wrong with it, without the password.
    pub fn parse(url: &str) -> Result<Self, String> {
        const FORM: &str = "cql://[user:password@]host[:port][,host…]/keyspace[?dc=…&rf=…]";
        let rest = url
            .strip_prefix("cql://")
            .ok_or_else(|| format!("a CQL URL looks like {FORM}"))?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (login, place) = match place.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, place),
        };
        let (hosts, keyspace) = place.split_once('/').unwrap_or((place, ""));
        let hosts = hosts.split(',').map(host).collect::<Result<Vec<_>, _>>()?;
        let mut options = Self::new(hosts, keyspace_name(keyspace)?);
        options.login = login.map(read_login).transpose()?;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| format!("`{pair}` of the CQL URL has no `=`"))?;
            options.set(name, &decode(value)?)?;
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let wrong = |wanted: &str| format!("`{name}={value}` of the CQL URL: {wanted}");
        match name {
            "dc" if value.is_empty() => return Err(wrong("name a datacenter, or leave dc out")),
            "dc" => self.datacenter = Some(value.to_owned()),
            "rf" => {
                let replicas = value.parse().ok().filter(|n| (1..=9).contains(n));
                self.replicas = Some(replicas.ok_or_else(|| wrong("rf is a number from 1 to 9"))?);
            }
            "strategy" => {
                self.replication = match value {
                    "topology" => Replication::Topology,
                    "simple" => Replication::Simple,
                    _ => return Err(wrong("strategy is `topology` or `simple`")),
                }
            }
            "consistency" => {
                self.consistency = match value {
                    "local_one" => ReadConsistency::LocalOne,
                    "local_quorum" => ReadConsistency::LocalQuorum,
                    _ => return Err(wrong("consistency is `local_quorum` or `local_one`")),
                }
            }
            "timeout_ms" => {
                let millis = value.parse().ok().filter(|n| (1..=60_000).contains(n));
                self.read_timeout = Duration::from_millis(
                    millis.ok_or_else(|| wrong("timeout_ms is a number from 1 to 60000"))?,
                );
            }
            "tls" => {
                let client = self.tls.take().and_then(|tls| tls.client);
                let authorities = PathBuf::from(value);
                self.tls = Some(TlsFiles {
                    authorities,
                    client,
                });
            }
            "cert" | "key" => self.set_client(name, value)?,
            _ => {
                return Err(format!(
                    "the CQL URL knows no `{name}`; it knows {PARAMETERS}"
                ));
            }
        }
        Ok(())
    }

    /// `cert` and `key` come one by one and belong together behind `tls`.
    fn set_client(&mut self, name: &str, value: &str) -> Result<(), String> {
        let tls = self.tls.as_mut().ok_or_else(|| {
            format!("`{name}` of the CQL URL comes after tls=FILE, the authorities' certificates")
        })?;
        let (mut cert, mut key) = tls.client.take().unwrap_or_default();
        *(if name == "cert" { &mut cert } else { &mut key }) = PathBuf::from(value);
        tls.client = Some((cert, key));
        Ok(())
    }

    /// Hosts and keyspace for messages.
    pub(super) fn shown(&self) -> String {
        format!("cql://{}/{}", self.hosts.join(","), self.keyspace)
    }
}

/// The URL without password and paths.
impl fmt::Debug for CqlOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

fn host(text: &str) -> Result<String, String> {
    // An IPv6 address stands in brackets, so its colons are none of the port's.
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    if name.is_empty() || name.contains(['/', ' ']) {
        return Err(format!("`{text}` of the CQL URL is no host[:port]"));
    }
    match port {
        None => Ok(format!("{name}:{PORT}")),
        Some(port) => match port.parse::<u16>() {
            Ok(port) if port > 0 => Ok(format!("{name}:{port}")),
            _ => Err(format!("`{port}` of the CQL URL is no port (1 to 65535)")),
        },
    }
}

fn keyspace_name(text: &str) -> Result<String, String> {
    let good = (1..=48).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    match (good, text) {
        (true, name) => Ok(name.to_owned()),
        (false, "") => Err("the CQL URL ends with /keyspace, e.g. /turngraph".to_owned()),
        (false, text) => Err(format!(
            "`{text}` is no keyspace: it begins with a lower-case letter and has at most 48 lower-case letters, digits and `_`"
        )),
    }
}

fn read_login(text: &str) -> Result<(String, String), String> {
    let (user, password) = text
        .split_once(':')
        .ok_or("the CQL URL has a user without a password: write user:password@")?;
    Ok((decode(user)?, decode(password)?))
}

/// Percent-decoding.
fn decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let pair = digit().zip(digit()).map(|(high, low)| high * 16 + low);
            // The text may be a password, so the message does not repeat it.
            u8::try_from(pair.ok_or("a `%` of the CQL URL stands before no two hex digits")?)
                .expect("two hex digits are a byte")
        } else {
            byte
        });
    }
    String::from_utf8(bytes).map_err(|_| "a part of the CQL URL is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_everything() {
        let options = CqlOptions::parse(
            "cql://ann:p%40ss%2Fw@a.example:9999,[::1],b/tg_1?dc=eu-west&rf=2&strategy=simple&consistency=local_one&timeout_ms=90&tls=/ca.pem&cert=/c.pem&key=/k.pem",
        )
        .unwrap();
        assert_eq!(options.hosts, ["a.example:9999", "[::1]:9042", "b:9042"]);
        assert_eq!(options.keyspace, "tg_1");
        assert_eq!(options.login, Some(("ann".into(), "p@ss/w".into())));
        assert_eq!(options.datacenter.as_deref(), Some("eu-west"));
        assert_eq!(options.replicas, Some(2));
        assert_eq!(options.replication, Replication::Simple);
        assert_eq!(options.consistency, ReadConsistency::LocalOne);
        assert_eq!(options.read_timeout, Duration::from_millis(90));
        let tls = options.tls.clone().unwrap();
        assert_eq!(tls.client, Some(("/c.pem".into(), "/k.pem".into())));
        assert!(!format!("{options:?}").contains("p@ss"));
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_its_password() {
        for (url, part) in [
            ("http://a/b", "looks like cql://"),
            ("cql://a", "ends with /keyspace"),
            ("cql://a/", "ends with /keyspace"),
            ("cql://a/Upper", "`Upper` is no keyspace"),
            ("cql://a/k;drop", "is no keyspace"),
            ("cql:///k", "is no host"),
            ("cql://a:0/k", "`0` of the CQL URL is no port"),
            ("cql://a:x/k", "is no port"),
            ("cql://ann@a/k", "without a password"),
            ("cql://ann:sec%zzret@a/k", "no two hex digits"),
            ("cql://a/k?rf=0", "1 to 9"),
            ("cql://a/k?rack=1", "knows no `rack`"),
            ("cql://a/k?dc", "has no `=`"),
            ("cql://a/k?key=/k.pem", "comes after tls"),
        ] {
            let message = CqlOptions::parse(url).unwrap_err();
            assert!(message.contains(part), "{url}: {message}");
            assert!(!message.contains("sec"), "{message}");
        }
    }
}
