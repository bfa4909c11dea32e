//! The proxy that puts faults between a client and a server.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::process::free_port;
use crate::support::proxy::Proxy;

/// A server that sends back what it gets.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
                let _ = to.shutdown().await;
            });
        }
    });
    address
}

/// Sends and reads as much back; what came before the end of the connection.
async fn say(stream: &mut TcpStream, text: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(text).await?;
    let mut got = vec![0; text.len()];
    let mut filled = 0;
    while filled < got.len() {
        match stream.read(&mut got[filled..]).await? {
            0 => break,
            read => filled += read,
        }
    }
    got.truncate(filled);
    Ok(got)
}

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_proxy_passes_and_cuts_and_passes_again() {
    let proxy = Proxy::to(echo().await);
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(say(&mut stream, b"one").await.unwrap(), b"one");
    proxy.cut();
    assert!(
        say(&mut stream, b"two")
            .await
            .is_ok_and(|got| got.is_empty())
            || stream.peek(&mut [0]).await.is_err()
    );
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(say(&mut stream, b"three").await.unwrap(), b"three");
    assert_eq!(proxy.accepted(), 2);
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "an end passes too");
}

#[tokio::test]
async fn a_proxy_refuses_as_a_server_that_is_down() {
    let port = free_port();
    let proxy = Proxy::at((Ipv4Addr::LOCALHOST, port).into(), echo().await);
    proxy.refuse();
    let refused = async {
        while TcpStream::connect(proxy.address()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(60), refused).await.unwrap();
    proxy.pass();
    let taken = async {
        loop {
            if let Ok(mut stream) = TcpStream::connect(proxy.address()).await {
                return say(&mut stream, b"back").await.unwrap();
            }
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(
        timeout(Duration::from_secs(60), taken).await.unwrap(),
        b"back"
    );
}

#[tokio::test]
async fn a_black_hole_gives_back_what_it_held_when_the_network_heals() {
    let proxy = Proxy::to(echo().await);
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(say(&mut stream, b"one").await.unwrap(), b"one");
    proxy.black_hole();
    stream.write_all(b"two").await.unwrap();
    let mut got = [0; 3];
    assert!(timeout(SHORT, stream.read_exact(&mut got)).await.is_err());
    proxy.pass();
    stream.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"two");
}

#[tokio::test]
async fn a_proxy_delays_and_breaks_answers_in_the_middle() {
    let proxy = Proxy::to(echo().await);
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    proxy.delay(SHORT);
    let started = std::time::Instant::now();
    assert_eq!(say(&mut stream, b"late").await.unwrap(), b"late");
    assert!(started.elapsed() >= 2 * SHORT, "there and back");
    proxy.limit(6);
    assert_eq!(say(&mut stream, b"0123456789").await.unwrap(), b"012345");
}
