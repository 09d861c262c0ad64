//! Makes connections: name, address, proxy, TLS, in this order. hyper-util keeps them and speaks HTTP over them.

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderMap, Uri};
use hyper::rt::ReadBufCursor;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::proxy::SocksV5;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tower_service::Service;

use crate::certificate::Certificate;
use crate::error::from_layers;
use crate::proxy::{Proxies, Proxy};
use crate::{AnyAddress, Egress, HttpError, Resolver};

/// Most that a proxy may say before the tunnel begins.
const TUNNEL_HEAD_BYTES_MAX: usize = 16 << 10;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What TCP, TLS over it, and TLS over that have in common.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects to targets, directly or through proxies.
#[derive(Clone)]
pub(crate) struct Connector(Arc<Means>);

/// Makes plain connections alone.
pub(crate) struct PlainConnector(HttpConnector<CheckedResolver>);

impl PlainConnector {
    pub(crate) fn new(resolver: Arc<Resolver>, egress: Arc<dyn Egress>) -> Self {
        Self(tcp_connector(CheckedResolver { resolver, egress }))
    }

    /// To the host and port of a URL.
    pub(crate) async fn connect(&self, uri: &Uri) -> Result<(tokio::net::TcpStream, SocketAddr), HttpError> {
        tcp(&self.0, uri.clone()).await
    }
}

fn tcp_connector(resolver: CheckedResolver) -> HttpConnector<CheckedResolver> {
    let mut connector = HttpConnector::new_with_resolver(resolver);
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector
}

struct Means {
    /// Asks the policy about every address.
    to_target: HttpConnector<CheckedResolver>,
    /// The operator wrote the proxy's address, and it is contacted as written: the policy is about targets.
    to_proxy: HttpConnector<CheckedResolver>,
    proxies: Arc<Proxies>,
    tls: Arc<ClientConfig>,
    /// For proxies that are reached by TLS: what the target is asked for is none of theirs.
    tls_to_proxy: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
}

/// What is known of a connection, for its responses.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionInfo {
    /// `ip:port` of the target or the proxy.
    pub(crate) remote: String,
    /// When the server's certificate ends, in Unix seconds.
    pub(crate) certificate_not_after: Option<i64>,
}

impl Connector {
    pub(crate) fn new(
        resolver: Arc<Resolver>,
        egress: Arc<dyn Egress>,
        proxies: Arc<Proxies>,
        tls: ClientConfig,
        server_name: Option<ServerName<'static>>,
    ) -> Self {
        let connector = |egress: Arc<dyn Egress>| tcp_connector(CheckedResolver { resolver: Arc::clone(&resolver), egress });
        let mut tls_to_proxy = tls.clone();
        tls_to_proxy.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self(Arc::new(Means {
            to_target: connector(egress),
            to_proxy: connector(Arc::new(AnyAddress)),
            proxies,
            tls: Arc::new(tls),
            tls_to_proxy: Arc::new(tls_to_proxy),
            server_name,
        }))
    }
}

impl Service<Uri> for Connector {
    type Response = Open;
    type Error = HttpError;
    type Future = Boxed<Result<Open, HttpError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), HttpError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let means = Arc::clone(&self.0);
        Box::pin(async move { means.connect(&uri).await })
    }
}

impl Means {
    async fn connect(&self, uri: &Uri) -> Result<Open, HttpError> {
        let https = uri.scheme_str() == Some("https");
        let host = uri.host().ok_or_else(|| HttpError::Invalid(format!("{uri} names no host")))?;
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let (stream, remote, proxied): (Box<dyn Stream>, SocketAddr, bool) = match self.proxies.of(https, host, port) {
            None => {
                let (stream, remote) = tcp(&self.to_target, uri.clone()).await?;
                (Box::new(stream), remote, false)
            }
            Some(proxy) => self.through(proxy, https, host, port).await.map_err(|error| at_proxy(error, proxy))?,
        };
        let mut info = ConnectionInfo { remote: remote.to_string(), certificate_not_after: None };
        if !https {
            return Ok(Open { io: TokioIo::new(stream), info, h2: false, proxied });
        }
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => name_of(host)?,
        };
        let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await.map_err(|e| handshake_failed(&e))?;
        let session = stream.get_ref().1;
        let h2 = session.alpn_protocol() == Some(b"h2");
        let certificate = session.peer_certificates().and_then(|chain| Certificate::read(chain.first()?));
        info.certificate_not_after = certificate.map(|certificate| certificate.not_after);
        Ok(Open { io: TokioIo::new(Box::new(stream)), info, h2, proxied: false })
    }

    /// A stream to the target through a proxy, or, for plain HTTP, to the proxy, which is then told the whole URL.
    async fn through(&self, proxy: &Proxy, https: bool, host: &str, port: u16) -> Result<(Box<dyn Stream>, SocketAddr, bool), HttpError> {
        let authority = format!("{}:{}", proxy.url.host_str().unwrap_or_default(), proxy.port());
        let proxy_uri = |scheme: &str| {
            let text = format!("{scheme}://{authority}/");
            text.parse::<Uri>().map_err(|e| HttpError::Invalid(format!("the proxy's address cannot be used: {e}")))
        };
        if proxy.is_socks() {
            let mut socks = SocksV5::new(proxy_uri("http")?, self.to_proxy.clone());
            if let Some((username, password)) = proxy.credentials() {
                socks = socks.with_auth(username, password);
            }
            let target: Uri = format!("http://{host}:{port}/").parse().map_err(|e| HttpError::Invalid(format!("{host}: {e}")))?;
            let stream = socks.call(target).await.map_err(|e| connect_failed(&e))?.into_inner();
            let remote = stream.peer_addr().map_err(|e| HttpError::Connect(e.to_string()))?;
            return Ok((Box::new(stream), remote, false));
        }
        let (stream, remote) = tcp(&self.to_proxy, proxy_uri("http")?).await?;
        let mut stream: Box<dyn Stream> = Box::new(stream);
        if proxy.url.scheme() == "https" {
            let name = name_of(proxy.url.host_str().unwrap_or_default())?;
            let connector = TlsConnector::from(Arc::clone(&self.tls_to_proxy));
            stream = Box::new(connector.connect(name, stream).await.map_err(|e| handshake_failed(&e))?);
        }
        if https {
            let mut headers = self.proxies.connect_headers.clone();
            if let Some((name, value)) = proxy.authorization() {
                headers.entry(name).or_insert(value);
            }
            tunnel(&mut stream, &format!("{host}:{port}"), &headers).await?;
        }
        Ok((stream, remote, !https))
    }
}

fn at_proxy(error: HttpError, proxy: &Proxy) -> HttpError {
    let place = |text: String| format!("the proxy {}: {text}", proxy.place());
    match error {
        HttpError::Connect(text) => HttpError::Connect(place(text)),
        HttpError::Dns(text) => HttpError::Dns(place(text)),
        HttpError::Tls(text) => HttpError::Tls(place(text)),
        HttpError::Protocol(text) => HttpError::Protocol(place(text)),
        other => other,
    }
}

async fn tcp(connector: &HttpConnector<CheckedResolver>, uri: Uri) -> Result<(tokio::net::TcpStream, SocketAddr), HttpError> {
    let stream = connector.clone().call(uri).await.map_err(|e| connect_failed(&e))?.into_inner();
    let remote = stream.peer_addr().map_err(|e| HttpError::Connect(e.to_string()))?;
    Ok((stream, remote))
}

/// What is not one of our own errors is one of connecting.
fn connect_failed(error: &(dyn StdError + 'static)) -> HttpError {
    match from_layers(error) {
        HttpError::Protocol(text) => HttpError::Connect(text),
        other => other,
    }
}

fn handshake_failed(error: &io::Error) -> HttpError {
    match from_layers(error) {
        HttpError::Protocol(_) if error.kind() == io::ErrorKind::UnexpectedEof => {
            HttpError::Tls("the server closed the connection during the handshake".to_owned())
        }
        HttpError::Protocol(text) => HttpError::Tls(format!("the handshake failed: {text}")),
        other => other,
    }
}

fn name_of(host: &str) -> Result<ServerName<'static>, HttpError> {
    let bare = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    ServerName::try_from(bare.to_owned()).map_err(|_| HttpError::Tls(format!("{host:?} is not a name that a certificate can be for")))
}

/// CONNECT (RFC 9110, 9.3.6). The proxy says nothing after its answer until the client has spoken.
async fn tunnel(stream: &mut Box<dyn Stream>, authority: &str, headers: &HeaderMap) -> Result<(), HttpError> {
    let broken = |e: io::Error| HttpError::Connect(format!("the connection broke before the tunnel was there: {e}"));
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n").into_bytes();
    for (name, value) in headers {
        request.extend_from_slice(name.as_str().as_bytes());
        request.extend_from_slice(b": ");
        request.extend_from_slice(value.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    stream.write_all(&request).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        let length = stream.read(&mut piece).await.map_err(broken)?;
        head.extend_from_slice(&piece[..length]);
        if length == 0 {
            return Err(HttpError::Connect("it closed the connection instead of opening a tunnel".to_owned()));
        }
        if head.len() > TUNNEL_HEAD_BYTES_MAX {
            return Err(HttpError::Protocol(format!("its answer to CONNECT is longer than {TUNNEL_HEAD_BYTES_MAX} bytes")));
        }
    }
    let line = String::from_utf8_lossy(head.split(|b| *b == b'\r').next().unwrap_or_default()).into_owned();
    let mut words = line.splitn(3, ' ');
    match (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next().unwrap_or_default()) {
        (version, code, _) if version.starts_with("HTTP/1.") && code.len() == 3 && code.starts_with('2') => Ok(()),
        (version, "407", _) if version.starts_with("HTTP/1.") => {
            Err(HttpError::Connect("it wants a name and a password (407): write them into proxy_url".to_owned()))
        }
        (version, code, text) if version.starts_with("HTTP/1.") => {
            let text: String = text.chars().filter(|c| !c.is_control()).take(100).collect();
            Err(HttpError::Connect(format!("it does not open a tunnel to {authority}: {code} {text}").trim_end().to_owned()))
        }
        _ => Err(HttpError::Protocol("it does not answer CONNECT as HTTP proxies do".to_owned())),
    }
}

/// A connection that is ready for HTTP.
pub(crate) struct Open {
    io: TokioIo<Box<dyn Stream>>,
    info: ConnectionInfo,
    h2: bool,
    /// The other side is a proxy that wants whole URLs.
    proxied: bool,
}

impl Connection for Open {
    fn connected(&self) -> Connected {
        let connected = Connected::new().proxy(self.proxied).extra(self.info.clone());
        if self.h2 { connected.negotiated_h2() } else { connected }
    }
}

impl hyper::rt::Read for Open {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl hyper::rt::Write for Open {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Resolves a name once and hands out only addresses that the policy lets through.
#[derive(Clone)]
struct CheckedResolver {
    resolver: Arc<Resolver>,
    egress: Arc<dyn Egress>,
}

impl Service<Name> for CheckedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = HttpError;
    type Future = Boxed<Result<Self::Response, HttpError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), HttpError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Self { resolver, egress } = self.clone();
        Box::pin(async move { allowed(&resolver, egress.as_ref(), name.as_str()).await.map(Vec::into_iter) })
    }
}

/// The addresses of a host that the policy lets through, with port 0. Its refusal if there are others only.
pub(crate) async fn allowed(resolver: &Resolver, egress: &dyn Egress, host: &str) -> Result<Vec<SocketAddr>, HttpError> {
    let addresses = resolver.lookup_ips(host).await.map_err(|e| HttpError::Dns(e.to_string()))?;
    let mut refusal = None;
    let mut allowed = Vec::with_capacity(addresses.len());
    for address in addresses {
        match egress.check_address(host, address) {
            Err(reason) => refusal = Some(reason),
            Ok(()) => allowed.push(SocketAddr::new(address, 0)),
        }
    }
    match refusal {
        Some(reason) if allowed.is_empty() => Err(HttpError::Denied(reason)),
        _ => Ok(allowed),
    }
}
