//! Connections over TCP.

use std::time::Duration;

use crate::support::{Seen, state};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

const LONG: Duration = Duration::from_secs(30);

async fn exchange(address: std::net::SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    stream.write_all(bytes).await.expect("it reads");
    let mut answer = Vec::new();
    // A server that refuses may reset the connection; what it said before counts.
    let _ = tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await.expect("it answers in time");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn connections_are_served_until_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(web::serve(listener, web::router(state(&Seen::default())), 10, None, async move {
        let _ = stopped.await;
    }));
    let answer = exchange(address, b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("Healthy.\n"), "{answer}");
    // The client's address reaches a plugin.
    let answer = exchange(address, b"GET /api/v1/scrap HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert!(answer.contains("|127.0.0.1:"), "{answer}");
    let mut large = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ".to_vec();
    large.resize(1 << 20, b'a');
    assert!(exchange(address, &large).await.starts_with("HTTP/1.1 431"));
    let twice = b"POST /api/v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde";
    assert!(exchange(address, twice).await.starts_with("HTTP/1.1 400"));
    stop.send(()).expect("the server waits for it");
    tokio::time::timeout(LONG, server).await.expect("it ends").expect("it ends well");
    assert!(TcpStream::connect(address).await.is_err());
}
