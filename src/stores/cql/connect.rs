//! From options to a connected driver session, and the deadlines that statements run under.

mod tls;

use std::sync::Arc;
use std::time::Duration;

use scylla::client::execution_profile::{ExecutionProfile, ExecutionProfileHandle};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::policies::speculative_execution::SimpleSpeculativeExecutionPolicy;
use scylla::statement::Consistency;

use super::error::{connect_error, failure};
use super::options::{CqlOptions, ReadConsistency};
use crate::stores::StoreErrorKind;
use crate::stores::record::StoreResult;

/// A connection that is silent for so long is asked whether it is still there, and given up when
/// it does not say so within the same time: a node that hangs is noticed without its help.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// Longest time for one request of a rebuild or a repair, where nobody waits for the answer.
const PATIENT_MAX: Duration = Duration::from_secs(10);

/// A write that has no answer after this goes to a second coordinator too. A repetition changes
/// nothing, and a node that hangs would else cost each writer its whole deadline.
const WRITE_SPECULATE_AFTER: Duration = Duration::from_millis(200);

/// What statements run under.
#[derive(Clone)]
pub(super) struct Profiles {
    pub(super) read: ExecutionProfileHandle,
    pub(super) write: ExecutionProfileHandle,
}

impl Profiles {
    /// For people who wait: short deadlines, and a second replica asked soon.
    pub(super) fn of(options: &CqlOptions) -> Self {
        let speculation = SimpleSpeculativeExecutionPolicy {
            max_retry_count: 1,
            retry_interval: options.speculate_after,
        };
        let read = profile(options)
            .consistency(match options.consistency {
                ReadConsistency::LocalOne => Consistency::LocalOne,
                ReadConsistency::LocalQuorum => Consistency::LocalQuorum,
            })
            .request_timeout(Some(options.read_timeout))
            .speculative_execution_policy(Some(Arc::new(speculation)));
        let speculation = SimpleSpeculativeExecutionPolicy {
            max_retry_count: 1,
            retry_interval: WRITE_SPECULATE_AFTER,
        };
        let write = profile(options)
            .request_timeout(Some(options.write_timeout))
            .speculative_execution_policy(Some(Arc::new(speculation)));
        Self {
            read: read.build().into_handle(),
            write: write.build().into_handle(),
        }
    }

    /// For rebuilds and repairs.
    pub(super) fn patient(options: &CqlOptions) -> Self {
        let both = profile(options).request_timeout(Some(PATIENT_MAX)).build();
        Self {
            read: both.clone().into_handle(),
            write: both.into_handle(),
        }
    }
}

fn profile(options: &CqlOptions) -> scylla::client::execution_profile::ExecutionProfileBuilder {
    let mut policy = DefaultPolicy::builder().token_aware(true);
    if let Some(datacenter) = &options.datacenter {
        policy = policy.prefer_datacenter(datacenter.clone());
    }
    ExecutionProfile::builder()
        .consistency(Consistency::LocalQuorum)
        .load_balancing_policy(policy.build())
}

/// Connects; the error says why not, and what to do.
pub(super) async fn connect(options: &CqlOptions) -> StoreResult<Session> {
    let tls = options.tls.as_ref().map(tls::tls_config).transpose()?;
    let mut builder = SessionBuilder::new()
        .known_nodes(&options.hosts)
        .tls_context(tls)
        .connection_timeout(options.connect_timeout)
        .keepalive_interval(KEEPALIVE)
        .keepalive_timeout(KEEPALIVE)
        .tcp_nodelay(true)
        // Routing needs to know how this keyspace is replicated, and nothing of the others.
        .keyspaces_to_fetch([&options.keyspace])
        .default_execution_profile_handle(Profiles::patient(options).write);
    if let Some((user, password)) = &options.login {
        builder = builder.user(user, password);
    }
    let session = builder
        .build()
        .await
        .map_err(|error| connect_error(options, error))?;
    if let Some(wanted) = &options.datacenter {
        check_datacenter(&session, wanted)?;
    }
    Ok(session)
}

/// A datacenter that is not there would only show as requests that find no node.
fn check_datacenter(session: &Session, wanted: &str) -> StoreResult<()> {
    let there = datacenters(session);
    if there.iter().any(|datacenter| datacenter == wanted) {
        return Ok(());
    }
    let there = there.join(", ");
    Err(failure(
        StoreErrorKind::Unavailable,
        "connect",
        format!("the cluster has no datacenter `{wanted}`, it has {there}; correct dc="),
    ))
}

/// Names of the cluster's datacenters.
pub(super) fn datacenters(session: &Session) -> Vec<String> {
    let state = session.get_cluster_state();
    let nodes = state.get_nodes_info().iter();
    let mut names: Vec<String> = nodes.filter_map(|node| node.datacenter.clone()).collect();
    names.sort();
    names.dedup();
    names
}

/// Only Scylla's nodes are divided into shards.
pub(super) fn is_scylla(session: &Session) -> bool {
    let state = session.get_cluster_state();
    state
        .get_nodes_info()
        .iter()
        .any(|node| node.sharder().is_some())
}
