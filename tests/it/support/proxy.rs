//! A TCP proxy that does what networks do: pass, refuse, cut, swallow, delay, break in the middle.
//!
//! `let proxy = Proxy::to(server.address());` listens on a free port of the same address; give
//! `proxy.address()` to the client and switch with `pass`, `refuse`, `black_hole`, `delay`, `limit`
//! and `cut` at any time; what runs changes at once. It lives on a thread of its own, so a test that
//! blocks does not stop it, and goes with the value. It knows nothing of any protocol.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::process::free_port_on;

/// What happens to bytes and to new connections.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Pass,
    Refuse,
    BlackHole,
    Delay(Duration),
    Limit(usize),
    Ended,
}

#[derive(Clone, Copy, Debug)]
struct State {
    mode: Mode,
    /// Grows by each cut; a connection ends when it is no longer what it was at its birth.
    cuts: u64,
}

/// The proxy; it ends when this is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    accepted: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Proxy {
    /// Before a server, on another port of its address; passes everything.
    pub(crate) fn to(upstream: SocketAddr) -> Self {
        let SocketAddr::V4(v4) = upstream else {
            panic!("servers of tests listen on IPv4");
        };
        let port = free_port_on(&[*v4.ip()]);
        Self::at((*v4.ip(), port).into(), upstream)
    }

    /// Before a server, on an address of the test's choice: the nodes of a cluster need the same
    /// port.
    pub(crate) fn at(address: SocketAddr, upstream: SocketAddr) -> Self {
        let (state, seen) = watch::channel(State {
            mode: Mode::Pass,
            cuts: 0,
        });
        let accepted = Arc::new(AtomicU64::new(0));
        let listener = Listener {
            address,
            upstream,
            state: seen,
            accepted: Arc::clone(&accepted),
        };
        let (ready, listening) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(listener.run(ready));
        });
        listening.recv().expect("the proxy listens");
        Self {
            address,
            state,
            accepted,
            thread: Some(thread),
        }
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were taken so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Everything passes; what a black hole held back arrives now.
    pub(crate) fn pass(&self) {
        self.set(Mode::Pass);
    }

    /// As a server that is down: connections are cut, and new ones refused.
    pub(crate) fn refuse(&self) {
        self.set(Mode::Refuse);
        self.cut();
    }

    /// As a network that loses every packet: connections stay and are taken, nothing arrives.
    pub(crate) fn black_hole(&self) {
        self.set(Mode::BlackHole);
    }

    /// Each piece of up to 16 KiB, in each direction, arrives so much later.
    pub(crate) fn delay(&self, by: Duration) {
        self.set(Mode::Delay(by));
    }

    /// A connection is cut after this many more bytes from the server, in the middle of a message.
    pub(crate) fn limit(&self, bytes: usize) {
        self.set(Mode::Limit(bytes));
    }

    /// Cuts the connections there are; new ones are treated as before.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    fn set(&self, mode: Mode) {
        self.state.send_modify(|state| state.mode = mode);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Mode::Ended);
        let thread = self.thread.take().expect("the thread is joined once");
        let _ = thread.join();
    }
}

struct Listener {
    address: SocketAddr,
    upstream: SocketAddr,
    state: watch::Receiver<State>,
    accepted: Arc<AtomicU64>,
}

impl Listener {
    /// Listens while connections are to be taken; a port that is not listened on refuses.
    async fn run(self, ready: std::sync::mpsc::Sender<()>) {
        let mut state = self.state.clone();
        loop {
            let mode = state.borrow_and_update().mode;
            match mode {
                Mode::Ended => return,
                Mode::Refuse => {
                    let _ = state.changed().await;
                }
                _ => {
                    let listener = TcpListener::bind(self.address).await.unwrap();
                    let _ = ready.send(());
                    let closed = |s: &State| matches!(s.mode, Mode::Refuse | Mode::Ended);
                    tokio::select! {
                        _ = state.wait_for(closed) => {}
                        () = self.accept(listener) => {}
                    }
                }
            }
        }
    }

    async fn accept(&self, listener: TcpListener) {
        while let Ok((client, _)) = listener.accept().await {
            self.accepted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(connection(client, self.upstream, self.state.clone()));
        }
    }
}

/// Carries one connection until both sides ended or it is cut.
async fn connection(client: TcpStream, upstream: SocketAddr, state: watch::Receiver<State>) {
    let born = state.borrow().cuts;
    let mut cut = state.clone();
    let carry = async {
        let server = TcpStream::connect(upstream).await?;
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::try_join!(
            pump(from_client, to_server, state.clone(), false),
            pump(from_server, to_client, state.clone(), true),
        )
    };
    tokio::select! {
        _ = carry => {}
        _ = cut.wait_for(|s| s.cuts != born || s.mode == Mode::Ended) => {}
    }
}

/// Carries one direction to its end.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    limited: bool,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    let mut sent = 0;
    loop {
        let read = from.read(&mut buffer).await?;
        // What was read while nothing may arrive waits here, as it would for a retransmission.
        let _ = state.wait_for(|s| s.mode != Mode::BlackHole).await;
        if read == 0 {
            return to.shutdown().await;
        }
        let mode = state.borrow().mode;
        let left = match mode {
            Mode::Limit(limit) if limited => limit.saturating_sub(sent),
            _ => read,
        };
        sent = match mode {
            Mode::Limit(_) => sent + read,
            _ => 0,
        };
        if let Mode::Delay(by) = mode {
            tokio::time::sleep(by).await;
        }
        to.write_all(&buffer[..read.min(left)]).await?;
        if left < read {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
    }
}
