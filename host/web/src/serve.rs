//! Accepts connections, with limits that hold before a request is read.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// A client sends its headers within this time.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// Headers of a request, in bytes.
const HEADER_BYTES: usize = 64 << 10;
/// Requests of one HTTP/2 connection at once.
const STREAMS: u32 = 100;
/// A connection is closed after this time, as upstream's `--web.read-timeout`.
const CONNECTION_TIME: Duration = Duration::from_mins(5);
/// How long open requests may take once the server is told to stop.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Serves connections of the listener until `shutdown` is ready, then lets open requests end. At most `connections` at once;
/// more wait in the system's queue.
pub async fn serve(listener: TcpListener, router: Router, connections: usize, shutdown: impl Future<Output = ()> + Send) {
    let permits = Arc::new(Semaphore::new(connections.max(1)));
    let graceful = GracefulShutdown::new();
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIME).max_buf_size(HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(HEADER_BYTES).unwrap_or(u32::MAX));
    tokio::pin!(shutdown);
    loop {
        let (stream, peer, permit) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        let service = router.clone();
        let service = tower_service(service, peer);
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            let _permit = permit;
            match tokio::time::timeout(CONNECTION_TIME, connection).await {
                Ok(Err(error)) => tracing::debug!(%peer, %error, "a connection broke"),
                Err(_) => tracing::debug!(%peer, "a connection was closed after its time"),
                Ok(Ok(())) => {}
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIME, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still open when the server stopped");
    }
}

/// The next connection, with its permit. What fails (too many open files, a client that is gone) is retried.
async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> (TcpStream, SocketAddr, Option<tokio::sync::OwnedSemaphorePermit>) {
    // The semaphore is never closed, so there is a permit.
    let permit = Arc::clone(permits).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let _ = stream.set_nodelay(true);
                return (stream, peer, permit);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// The router for one connection; handlers find the client's address among the request's extensions.
fn tower_service(
    router: Router,
    peer: SocketAddr,
) -> impl hyper::service::Service<Request<Incoming>, Response = axum::response::Response, Error = std::convert::Infallible, Future: Send>
+ Clone
+ Send {
    let service = router.layer(axum::Extension(ConnectInfo(peer)));
    TowerToHyperService::new(service)
}
