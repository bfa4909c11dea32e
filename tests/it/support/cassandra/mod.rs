//! Apache Cassandra for tests: one node for the whole run, and clusters of three for node loss.
//!
//! Most tests: `let keyspace = cassandra::Keyspace::new().await;`, then `keyspace.contact()` (an
//! `address:port`) and `keyspace.name()` for the store under test, `keyspace.session().await` for a
//! look from outside. It is dropped with the value. `cassandra::server()` has the node's address for
//! a fault proxy: the driver takes the port of its contact point for every node, so a proxy on the
//! address of the node (`Proxy::to(server().address())`) sees all of the traffic.
//!
//! Node loss: `let mut cluster = cassandra::Cluster::start().await;`, then `kill`, `pause`,
//! `resume` and `restart` by the index of the node, and `wait_whole()` when all must answer again.
//! A cluster takes some 20 s to start and 2.5 GB: put what needs it into few tests.

mod node;

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::statement::{Consistency, Statement};

pub(crate) use self::node::Node;
use self::node::Place;

/// The node of this test run; started by the first that asks.
pub(crate) fn server() -> &'static Node {
    static SERVER: OnceLock<Node> = OnceLock::new();
    SERVER.get_or_init(|| Node::start(Place::alone()))
}

/// Connects a driver.
pub(crate) async fn connect(contact: SocketAddr) -> Session {
    SessionBuilder::new()
        .known_node_addr(contact)
        // A machine that builds and tests at once may stall a server for seconds.
        .connection_timeout(Duration::from_secs(60))
        .build()
        .await
        .unwrap_or_else(|error| panic!("no session with {contact}: {error}"))
}

/// A keyspace of one test on the node of the run; it goes when this is dropped.
pub(crate) struct Keyspace {
    name: String,
}

impl Keyspace {
    /// An empty one with replication factor 1.
    pub(crate) async fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let keyspace = Self { name };
        let session = connect(server().address()).await;
        create_keyspace(&session, &keyspace.name, 1).await;
        keyspace
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A driver that uses this keyspace.
    pub(crate) async fn session(&self) -> Session {
        let session = connect(self.contact()).await;
        session.use_keyspace(&self.name, false).await.unwrap();
        session
    }

    /// Where its node listens.
    pub(crate) fn contact(&self) -> SocketAddr {
        server().address()
    }
}

/// Those of `texts` that the files of a keyspace hold.
pub(crate) fn found_in_files<'t>(keyspace: &str, texts: &[&'t str]) -> Vec<&'t str> {
    let mut folders = vec![server().files_of(keyspace)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                // A file may go while the folder is read; then it holds nothing.
                files.push(std::fs::read(&path).unwrap_or_default());
            }
        }
    }
    let holds = |text: &&&str| {
        let held = |file: &Vec<u8>| file.windows(text.len()).any(|part| part == text.as_bytes());
        files.iter().any(held)
    };
    texts.iter().filter(holds).copied().collect()
}

/// Writes what is in memory to files and rewrites all files into one without what was deleted.
pub(crate) fn flush_and_compact(keyspace: &str) {
    tokio::task::block_in_place(|| {
        server().nodetool(&["flush", keyspace]);
        server().nodetool(&["compact", keyspace]);
    });
}

/// Waits until the files hold none of the texts: the server removes replaced files a moment after
/// it has rewritten them. What is still held after a minute.
pub(crate) async fn left_in_files<'t>(keyspace: &str, texts: &[&'t str]) -> Vec<&'t str> {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let found = found_in_files(keyspace, texts);
        if found.is_empty() || Instant::now() > until {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

impl Drop for Keyspace {
    fn drop(&mut self) {
        let sql = format!("drop keyspace if exists {}", self.name);
        // On a thread of its own, because tests drop this within a runtime.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let session = connect(server().address()).await;
                // A server that does not answer any more has failed its tests by other words.
                let _ = session.query_unpaged(sql, ()).await;
            })
        });
        let _ = dropping.join();
    }
}

/// Creates a keyspace with so many replicas.
pub(crate) async fn create_keyspace(session: &Session, name: &str, replicas: usize) {
    let cql = format!(
        "create keyspace {name} with replication = \
         {{'class': 'NetworkTopologyStrategy', 'datacenter1': {replicas}}}"
    );
    session.query_unpaged(cql, ()).await.unwrap();
}

/// Three nodes of one datacenter, each on an address of its own.
pub(crate) struct Cluster {
    nodes: Vec<Node>,
}

impl Cluster {
    /// Starts the nodes and waits until all of them answer.
    pub(crate) async fn start() -> Self {
        let nodes = Place::cluster().into_iter().map(Node::start).collect();
        let cluster = Self { nodes };
        let session = connect(cluster.contact(0)).await;
        create_keyspace(&session, "whole", 3).await;
        let cql = "create table whole.probe (id int primary key)";
        session.query_unpaged(cql, ()).await.unwrap();
        cluster.wait_whole().await;
        cluster
    }

    /// Where a node listens.
    pub(crate) fn contact(&self, node: usize) -> SocketAddr {
        self.nodes[node].address()
    }

    /// Ends a node as a power cut does.
    pub(crate) fn kill(&mut self, node: usize) {
        self.nodes[node].kill();
    }

    /// Starts a node that was killed, with the data that it has.
    pub(crate) fn restart(&mut self, node: usize) {
        self.nodes[node].restart();
    }

    /// Stops a node where it is: its connections stay open and nothing is answered.
    pub(crate) fn pause(&self, node: usize) {
        self.nodes[node].pause();
    }

    /// Lets a paused node go on.
    pub(crate) fn resume(&self, node: usize) {
        self.nodes[node].resume();
    }

    /// Waits until a write is acknowledged by all three nodes.
    pub(crate) async fn wait_whole(&self) {
        let session = connect(self.contact(0)).await;
        let mut write = Statement::new("insert into whole.probe (id) values (1)");
        write.set_consistency(Consistency::All);
        let until = Instant::now() + super::process::START_MAX;
        while let Err(error) = session.query_unpaged(write.clone(), ()).await {
            assert!(Instant::now() < until, "the cluster is not whole: {error}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // A node may answer for the others before it tells clients of them.
        for node in 0..self.nodes.len() {
            while self.told_by(node).await < self.nodes.len() {
                assert!(
                    Instant::now() < until,
                    "node {node} does not know all others"
                );
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    /// How many nodes a client learns of from this one.
    async fn told_by(&self, node: usize) -> usize {
        let session = connect(self.contact(node)).await;
        let state = session.get_cluster_state();
        let nodes = state.get_nodes_info().iter();
        nodes.filter(|node| node.datacenter.is_some()).count()
    }
}
