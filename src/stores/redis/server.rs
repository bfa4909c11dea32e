//! Which server a connection leads to: whether it is one that will do, and which one it is.

use std::collections::HashMap;

use redis::aio::MultiplexedConnection;
use redis::{Client, ErrorKind, IntoConnectionInfo, Pipeline, RedisError, TlsCertificates, Value};
use xxhash_rust::xxh3::xxh3_64;

use super::error::{error, of_connecting};
use super::options::RedisOptions;
use super::{keys, scripts};
use crate::stores::record::StoreResult;
use crate::stores::{StoreError, StoreErrorKind};

/// Oldest version that its makers still mended when this was written.
const VERSION_MIN: (u32, u32) = (6, 2);

/// Stands for one run of one server. Entries of another are not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp(pub(super) [u8; 8]);

/// A client for the address, and the address for messages: without user and password.
pub(super) fn client(options: &RedisOptions) -> StoreResult<(Client, String)> {
    let wrong = |failed| of_connecting("in the configuration", failed).1;
    let info = options.url.as_str().into_connection_info().map_err(wrong)?;
    let at = info.addr().to_string();
    if options.url.starts_with("rediss:") {
        // The driver takes the process' choice of cryptography; whoever chose before is right.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let roots = TlsCertificates {
            client_tls: None,
            root_cert: options.tls_roots.clone(),
        };
        return Ok((Client::build_with_tls(info, roots).map_err(wrong)?, at));
    }
    Ok((Client::open(info).map_err(wrong)?, at))
}

/// Checks the server and loads the scripts. With an error: whether waiting may help.
pub(super) async fn check(
    at: &str,
    connection: &mut MultiplexedConnection,
) -> Result<Stamp, (bool, StoreError)> {
    let mut pipeline = redis::pipe();
    pipeline.cmd("INFO").arg("server");
    pipeline.cmd("INFO").arg("replication");
    let told: Vec<String> = each(pipeline, connection)
        .await
        .map_err(|failed| of_connecting(at, failed))?;
    let [server, replication] = [0, 1].map(|part| told.get(part).map_or("", String::as_str));
    let (server, replication) = (fields(server), fields(replication));
    let unfit = |message: String| Err((false, error(StoreErrorKind::Schema, "open", message)));
    let Some(version) = server.get("redis_version").copied().and_then(parsed) else {
        return unfit(format!(
            "what answers at {at} speaks Redis' protocol but does not say its version; the hot \
             cache needs Redis {}.{} or newer, or Valkey",
            VERSION_MIN.0, VERSION_MIN.1
        ));
    };
    if version < VERSION_MIN {
        return unfit(format!(
            "Redis {}.{} at {at} is too old; the hot cache needs Redis {}.{} or newer, or Valkey",
            version.0, version.1, VERSION_MIN.0, VERSION_MIN.1
        ));
    }
    if server.get("redis_mode") == Some(&"cluster") {
        return unfit(format!(
            "{at} is a node of a Redis cluster, which holds a part of the keys only; name a single \
             primary, or a proxy before the cluster"
        ));
    }
    if replication.get("role") == Some(&"slave") {
        return unfit(format!(
            "{at} is a replica and cannot be written; name the primary's address"
        ));
    }
    let loaded = each::<Value>(scripts::load(), connection).await;
    loaded.map_err(|failed| of_connecting(at, failed))?;
    let run = server.get("run_id").copied().unwrap_or_default();
    Ok(Stamp(xxh3_64(run.as_bytes()).to_le_bytes()))
}

/// All answers of a pipeline, or its first error as the server said it: the driver's own sum of
/// errors does not tell their codes.
async fn each<T: redis::FromRedisValue>(
    mut pipeline: Pipeline,
    connection: &mut MultiplexedConnection,
) -> Result<Vec<T>, RedisError> {
    let answers: Vec<Result<T, RedisError>> =
        pipeline.ignore_errors().query_async(connection).await?;
    answers.into_iter().collect()
}

/// Engine, version and memory, for people.
pub(super) fn described(info: &str) -> String {
    let fields = fields(info);
    let field = |name| fields.get(name).copied().unwrap_or("?");
    let engine = match fields.get("valkey_version") {
        Some(version) => format!("Valkey {version}"),
        None => format!("Redis {}", field("redis_version")),
    };
    let (used, policy) = (field("used_memory_human"), field("maxmemory_policy"));
    match field("maxmemory") {
        "0" => format!(
            "{engine}, {used} used without a limit: set maxmemory, and maxmemory-policy allkeys-lru"
        ),
        _ if policy == "noeviction" || policy.starts_with("volatile") => format!(
            "{engine}, {used} of {} used, maxmemory-policy {policy}: set allkeys-lru, or it \
             refuses writes when it is full",
            field("maxmemory_human")
        ),
        _ => format!(
            "{engine}, {used} of {} used, {policy}",
            field("maxmemory_human")
        ),
    }
}

/// Drops every key of this format, in small parts.
pub(super) async fn drop_all(connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
    let mut cursor = 0u64;
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(keys::all());
        scan.arg("COUNT").arg(1_000);
        let (next, found): (u64, Vec<Vec<u8>>) = scan.query_async(connection).await?;
        if !found.is_empty() {
            let mut drop = redis::cmd("UNLINK");
            drop.arg(found);
            drop.query_async::<()>(connection).await?;
        }
        if next == 0 {
            return Ok(());
        }
        cursor = next;
    }
}

fn fields(info: &str) -> HashMap<&str, &str> {
    let lines = info.lines().filter_map(|line| line.split_once(':'));
    lines.map(|(name, value)| (name, value.trim())).collect()
}

fn parsed(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Whether a command failed because the server forgot the scripts.
pub(super) fn forgot_scripts(failed: &RedisError) -> bool {
    failed.kind() == ErrorKind::Server(redis::ServerErrorKind::NoScript)
}
