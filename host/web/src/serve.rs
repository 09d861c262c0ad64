//! Accepts connections, with limits that hold before a request is read.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::routing::future::RouteFuture;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulConnection;
use rustls::ServerConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::access::{Access, Connection};

/// A client sends the headers of its next request within this time; so long may a connection be idle.
const HEADER_TIME: Duration = Duration::from_secs(30);
/// A client ends the handshake of TLS within this time.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Headers of a request, in bytes.
const HEADER_BYTES: usize = 64 << 10;
/// Requests of one HTTP/2 connection at once.
const STREAMS: u32 = 100;
/// A connection takes no more requests after this time, and is cut if those it has take as long again. That is what ends
/// clients that read an answer byte by byte. Upstream's `--web.read-timeout`.
const CONNECTION_TIME: Duration = Duration::from_mins(5);
/// How long open requests may take once the server is told to stop.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Word for word as upstream, for whoever searches for it.
const PLAIN_HTTP: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Serves connections of the listener until `shutdown` is ready, then lets open requests end. At most `connections` at once;
/// more wait in the system's queue.
///
/// With an `access` that says so, connections are encrypted; without one they never are.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    connections: usize,
    access: Option<Arc<Access>>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let connections = u32::try_from(connections.max(1)).unwrap_or(u32::MAX >> 3);
    let permits = Arc::new(Semaphore::new(connections as usize));
    let (stop, stopped) = watch::channel(false);
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
        let (router, builder, stopped) = (router.clone(), builder.clone(), stopped.clone());
        let (tls, http1_only) = access.as_ref().map_or((None, false), |access| access.connection());
        tokio::spawn(async move {
            let _permit = permit;
            let builder = if http1_only { builder.http1_only() } else { builder };
            let service = Served { router, peer, connection: Connection { tls: tls.is_some() } };
            let served = match tls {
                None => drive(builder.serve_connection(TokioIo::new(stream), service), stopped).await,
                Some(tls) => match encrypted(stream, tls).await {
                    Ok(stream) => drive(builder.serve_connection(TokioIo::new(stream), service), stopped).await,
                    Err(error) => Err(error),
                },
            };
            if let Err(error) = served {
                tracing::debug!(%peer, %error, "a connection broke");
            }
        });
    }
    drop(listener);
    let _ = stop.send(true);
    // All permits are free once all connections are closed.
    if tokio::time::timeout(DRAIN_TIME, permits.acquire_many(connections)).await.is_err() {
        tracing::warn!("requests were still open when the server stopped");
    }
}

/// The handshake. A client that speaks plain HTTP is told so, as upstream does.
async fn encrypted(mut stream: TcpStream, tls: Arc<ServerConfig>) -> Result<TlsStream<TcpStream>, BoxError> {
    let handshake = async {
        let mut first = [0];
        stream.peek(&mut first).await?;
        // Each method begins with a letter, each handshake with 22.
        if first[0].is_ascii_uppercase() {
            stream.write_all(PLAIN_HTTP).await?;
            stream.shutdown().await?;
            return Err("it speaks HTTP without TLS".into());
        }
        Ok(TlsAcceptor::from(tls).accept(stream).await?)
    };
    tokio::time::timeout(HANDSHAKE_TIME, handshake).await.unwrap_or_else(|_| Err("the handshake took too long".into()))
}

/// Runs a connection to its end, or lets it end after its time or when the server stops.
async fn drive<C>(connection: C, mut stopped: watch::Receiver<bool>) -> Result<(), BoxError>
where
    C: GracefulConnection<Error = BoxError>,
{
    tokio::pin!(connection);
    tokio::select! {
        result = connection.as_mut() => return result,
        // An error means that the server is gone, which is a stop too.
        _ = stopped.wait_for(|stop| *stop) => {}
        () = tokio::time::sleep(CONNECTION_TIME) => {}
    }
    connection.as_mut().graceful_shutdown();
    match tokio::time::timeout(CONNECTION_TIME, connection).await {
        Ok(result) => result,
        Err(_) => Err("it was cut after its time".into()),
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

/// The router for one connection; handlers find the client's address among the request's extensions. A layer of the router would
/// make all its routes anew for each connection.
#[derive(Clone)]
struct Served {
    router: Router,
    peer: SocketAddr,
    connection: Connection,
}

impl hyper::service::Service<Request<Incoming>> for Served {
    type Response = axum::response::Response;
    type Error = std::convert::Infallible;
    type Future = RouteFuture<Self::Error>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(ConnectInfo(self.peer));
        request.extensions_mut().insert(self.connection);
        tower_service::Service::call(&mut self.router.clone(), request)
    }
}
