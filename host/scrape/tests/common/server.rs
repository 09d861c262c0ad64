//! A small HTTP server that answers what a test wants, bad things above all.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What is sent back.
#[derive(Clone)]
pub(crate) enum Answer {
    /// Status line and headers without `content-length`, which is added, then the body.
    Full(String, Vec<u8>),
    /// Headers, then the piece again and again with pauses.
    Forever(String, Vec<u8>, Duration),
}

pub(crate) fn text(body: impl Into<Vec<u8>>) -> Answer {
    Answer::Full("HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4".to_owned(), body.into())
}

pub(crate) fn typed(content_type: &str, body: &str) -> Answer {
    Answer::Full(format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}"), body.into())
}

pub(crate) fn gzip(body: Vec<u8>) -> Answer {
    Answer::Full("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-encoding: gzip".to_owned(), body)
}

pub(crate) fn redirect(to: &str) -> Answer {
    Answer::Full(format!("HTTP/1.1 302 Found\r\nlocation: {to}"), Vec::new())
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) hits: Arc<AtomicUsize>,
}

impl Server {
    /// Answers each request by its head: request line and headers in lower case.
    pub(crate) async fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let (address, hits) = (listener.local_addr().expect("bound"), Arc::new(AtomicUsize::new(0)));
        let (answer, counter) = (Arc::new(answer), Arc::clone(&hits));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, counter) = (Arc::clone(&answer), Arc::clone(&counter));
                tokio::spawn(async move {
                    // A client that goes away is what many of the tests are about.
                    let _ = serve(stream, answer.as_ref(), &counter).await;
                });
            }
        });
        Self { address, hits }
    }

    pub(crate) fn host(&self) -> String {
        format!("\"{}\"", self.address)
    }

    pub(crate) fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, answer: &(dyn Fn(&str) -> Answer + Send + Sync), hits: &AtomicUsize) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    hits.fetch_add(1, Ordering::SeqCst);
    match answer(&head) {
        Answer::Full(status, body) => {
            stream.write_all(format!("{status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len()).as_bytes()).await?;
            stream.write_all(&body).await?;
        }
        Answer::Forever(status, piece, pause) => {
            stream.write_all(format!("{status}\r\nconnection: close\r\n\r\n").as_bytes()).await?;
            loop {
                stream.write_all(&piece).await?;
                tokio::time::sleep(pause).await;
            }
        }
    }
    stream.shutdown().await
}
