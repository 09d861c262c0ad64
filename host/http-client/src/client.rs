use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use url::Url;

use crate::auth::{Auth, TokenSource, basic};
use crate::connect::{ConnectionInfo, Connector, allowed};
use crate::decode::{BodySink, Progress};
use crate::error::from_layers;
use crate::hop::{Hop, is_closed_connection, parse_url, plain_host};
use crate::proxy::Proxies;
use crate::redact::without;
use crate::tls::Stamp;
use crate::{Egress, HttpConfig, HttpError, Resolver};

/// How long an idle connection is kept: longer than the usual scrape intervals.
const IDLE_KEPT: Duration = Duration::from_secs(300);

/// Idle connections kept to one host.
const IDLE_PER_HOST_MAX: usize = 32;

/// Most headers that a response may have, and the most bytes of them over HTTP/2. Over HTTP/1 they must fit into the buffer
/// of a connection, of which it is never more.
const RESPONSE_HEADERS_MAX: usize = 256;
const RESPONSE_HEADER_BYTES_MAX: u32 = 128 << 10;
const BUFFER_BYTES_MAX: usize = 256 << 10;

/// Bytes of a body that are held at first; it grows as the body comes.
const BODY_CAPACITY_BYTES: usize = 8 << 10;

/// How long a name is looked up that a proxy will look up again.
const LOOKUP_BEHIND_PROXY: Duration = Duration::from_secs(2);

const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("Skopos/", env!("CARGO_PKG_VERSION")));

type Connections = legacy::Client<Connector, Full<Bytes>>;

/// Sends requests with one configuration under one address policy, and keeps the connections.
pub struct Client {
    config: HttpConfig,
    resolver: Arc<Resolver>,
    egress: Arc<dyn Egress>,
    proxies: Arc<Proxies>,
    tokens: Option<TokenSource>,
    /// Made anew when a file that the TLS settings name has changed.
    connections: Mutex<Option<(Vec<Stamp>, Connections)>>,
}

/// What to ask for.
#[derive(Clone, Debug)]
pub struct Request {
    /// In upper case.
    pub method: String,
    /// Absolute, `http` or `https`.
    pub url: String,
    /// Beside what the configuration adds.
    pub headers: Vec<(String, String)>,
    /// Empty for none.
    pub body: Vec<u8>,
    /// For the whole, redirects and body included.
    pub timeout: Duration,
    /// Redirects to follow; the one past it is the response. The configuration's `follow_redirects: false` means 0.
    pub redirects_max: usize,
    /// Most bytes of the decoded body.
    pub body_bytes_max: u64,
    /// What to do with a longer one: cut it off there, or fail.
    pub truncate: bool,
    /// Asks for gzip and decodes it. Without it the body comes as it was sent.
    pub accept_compressed: bool,
    /// The socket to connect to, in place of the URL's host. Proxies and `https` do not go with it.
    pub unix_socket: Option<PathBuf>,
}

impl Request {
    /// GET with 10 redirects, 64 MiB, 10 s, compressed.
    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        Self {
            method: "GET".to_owned(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: Duration::from_secs(10),
            redirects_max: 10,
            body_bytes_max: 64 << 20,
            truncate: false,
            accept_compressed: true,
            unix_socket: None,
        }
    }
}

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case, in the order they came. Values that are not text are left out.
    pub headers: Vec<(String, String)>,
    /// Decoded.
    pub body: Vec<u8>,
    /// Whether the body was cut off at the limit.
    pub truncated: bool,
    /// The URL that answered, after redirects.
    pub final_url: String,
    /// How many redirects were followed.
    pub redirects: usize,
    /// `ip:port` of the server or the proxy, or the path of the socket.
    pub remote_address: String,
    /// `1.0`, `1.1` or `2`.
    pub http_version: &'static str,
    /// When the server's certificate ends, in Unix seconds. None without TLS.
    pub certificate_not_after: Option<i64>,
    /// From the beginning to the response's headers.
    pub first_byte: Duration,
    /// From the beginning to the end of the body.
    pub total: Duration,
}

impl Response {
    /// The first header of this name, which is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

impl Client {
    /// No connection is made, and no file is read: that comes with the first request, and again when a file has changed.
    pub fn new(config: &HttpConfig, resolver: Arc<Resolver>, egress: Arc<dyn Egress>) -> Result<Self, HttpError> {
        let tokens = match &config.auth {
            Some(Auth::OAuth2(settings)) => {
                // The operator wrote where the token comes from, and it is followed nowhere else.
                let client = Self::new(&settings.http_config(), Arc::clone(&resolver), Arc::new(crate::AnyAddress))?;
                Some(TokenSource::new(settings.as_ref().clone(), Box::new(client)))
            }
            _ => None,
        };
        let proxies = Arc::new(config.proxy.prepare(|name| std::env::var(name).ok())?);
        let client = Self { config: config.clone(), resolver, egress, proxies, tokens, connections: Mutex::default() };
        if client.config.tls.stamps().is_empty() {
            client.connections()?;
        }
        Ok(client)
    }

    /// Sends one request and reads the whole response. Any status is a response.
    pub async fn send(&self, request: Request) -> Result<Response, HttpError> {
        let mut body = Vec::new();
        let mut response = self.send_into(request, &mut body).await?;
        response.body = body;
        Ok(response)
    }

    /// Like [`Client::send`], but the body goes into a buffer of the caller's, which is emptied first.
    pub async fn send_into(&self, request: Request, body: &mut Vec<u8>) -> Result<Response, HttpError> {
        let timeout = request.timeout;
        tokio::time::timeout(timeout, self.follow(request, body)).await.unwrap_or(Err(HttpError::Timeout))
    }

    /// Takes what identifies the caller out of a text in which the other side had a hand, such as an error that quotes an
    /// answer. Reads the files that hold it.
    #[must_use]
    pub fn redact(&self, text: String) -> String {
        match &self.config.auth {
            Some(auth) => without(text, auth.forms()),
            None => text,
        }
    }

    /// With what the files hold now.
    fn connections(&self) -> Result<Connections, HttpError> {
        let stamps = self.config.tls.stamps();
        let mut kept = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, connections)) = kept.as_ref().filter(|(read, _)| *read == stamps) {
            return Ok(connections.clone());
        }
        let mut tls = self.config.tls.client_config()?;
        tls.alpn_protocols = if self.config.enable_http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
        let (resolver, egress) = (Arc::clone(&self.resolver), Arc::clone(&self.egress));
        let connector = Connector::new(resolver, egress, Arc::clone(&self.proxies), tls, self.config.tls.server_name.clone());
        let connections = legacy::Client::builder(TokioExecutor::new())
            .http1_max_headers(RESPONSE_HEADERS_MAX)
            .http1_max_buf_size(BUFFER_BYTES_MAX)
            .http2_max_header_list_size(RESPONSE_HEADER_BYTES_MAX)
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_KEPT)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .build(connector);
        *kept = Some((stamps, connections.clone()));
        Ok(connections)
    }

    /// Follows redirects by hand, so that each hop is checked.
    async fn follow(&self, request: Request, body: &mut Vec<u8>) -> Result<Response, HttpError> {
        let begun = Instant::now();
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| HttpError::Invalid(format!("{:?} is not a method", request.method)))?;
        let url = parse_url(&request.url)?;
        let mut hop = Hop { url, method, headers: self.headers(&request).await?, body: request.body.into(), number: 0 };
        let redirects_max = if self.config.follow_redirects { request.redirects_max } else { 0 };
        loop {
            let mut response = match &request.unix_socket {
                Some(path) => self.send_to_socket(path, &hop).await?,
                None => {
                    self.check(&hop).await?;
                    self.send_hop(&hop).await?
                }
            };
            let first_byte = begun.elapsed();
            if hop.number < redirects_max
                && let Some(next) = hop.redirected(&response)?
            {
                if request.unix_socket.is_some() && next.url.origin() != hop.url.origin() {
                    return Err(HttpError::Redirect(format!(
                        "a redirect leads from the socket to {}",
                        next.url.origin().ascii_serialization()
                    )));
                }
                hop = next;
                continue;
            }
            let headers = text_headers(response.headers());
            let encoding = response.headers().get(header::CONTENT_ENCODING).and_then(|v| v.to_str().ok()).map(str::to_owned);
            let limits = BodyLimits { bytes_max: request.body_bytes_max, truncate: request.truncate, decode: request.accept_compressed };
            let truncated =
                if hop.method == Method::HEAD { false } else { read_body(response.body_mut(), encoding.as_deref(), limits, body).await? };
            let info = response.extensions().get::<ConnectionInfo>().cloned().unwrap_or_default();
            return Ok(Response {
                status: response.status().as_u16(),
                headers,
                body: Vec::new(),
                truncated,
                final_url: hop.url.to_string(),
                redirects: hop.number,
                remote_address: info.remote,
                http_version: version_text(response.version()),
                certificate_not_after: info.certificate_not_after,
                first_byte,
                total: begun.elapsed(),
            });
        }
    }

    /// What is checked, at every hop: the scheme, the URL, and the address where the URL has one. Names are checked by the
    /// resolver once they have addresses, and those very addresses are connected to.
    ///
    /// Through a proxy it is the proxy that connects, to what it makes of the name; it is itself contacted as the operator
    /// wrote it. URL and written addresses are checked all the same. A name is looked up here as well, if the policy wants
    /// that, and refused where it leads to refused addresses only; one that cannot be looked up here is left to the proxy.
    async fn check(&self, hop: &Hop) -> Result<(), HttpError> {
        if !matches!(hop.url.scheme(), "http" | "https") {
            let what = if hop.number == 0 { "the URL" } else { "a redirect" };
            return Err(HttpError::Denied(format!("{what} leads to {}: only http and https are followed", hop.url)));
        }
        self.egress.check_url(&hop.url, hop.number).map_err(HttpError::Denied)?;
        let host = hop.url.host_str().unwrap_or_default();
        if let Ok(address) = plain_host(host).parse::<IpAddr>() {
            return self.egress.check_address(host, address).map_err(HttpError::Denied);
        }
        if self.proxy(&hop.url).is_none() || !self.egress.checks_names_behind_proxy(hop.number) {
            return Ok(());
        }
        match tokio::time::timeout(LOOKUP_BEHIND_PROXY, allowed(&self.resolver, self.egress.as_ref(), host)).await {
            Ok(Err(denied @ HttpError::Denied(_))) => Err(denied),
            Ok(Ok(_) | Err(_)) | Err(_) => Ok(()),
        }
    }

    fn proxy(&self, url: &Url) -> Option<&crate::proxy::Proxy> {
        self.proxies.of(url.scheme() == "https", url.host_str()?, url.port_or_known_default()?)
    }

    /// A kept connection may have been closed by the other side just as it was taken: one more attempt on a fresh one,
    /// for requests that change nothing.
    async fn send_hop(&self, hop: &Hop) -> Result<http::Response<Incoming>, HttpError> {
        let connections = self.connections()?;
        // A proxy that forwards plain HTTP is told who asks with each request.
        let proxy = self.proxy(&hop.url).filter(|proxy| hop.url.scheme() == "http" && !proxy.is_socks());
        let request = || hop.to_request(proxy.and_then(crate::proxy::Proxy::authorization));
        match connections.request(request()?).await {
            Ok(response) => Ok(response),
            Err(error) if is_closed_connection(&error) && matches!(hop.method, Method::GET | Method::HEAD) => {
                connections.request(request()?).await.map_err(|e| from_layers(&e))
            }
            Err(error) => Err(from_layers(&error)),
        }
    }

    /// A connection of its own: such requests are few.
    #[cfg(unix)]
    async fn send_to_socket(&self, path: &Path, hop: &Hop) -> Result<http::Response<Incoming>, HttpError> {
        if hop.url.scheme() != "http" {
            return Err(HttpError::Invalid("requests to a socket of the file system are http".to_owned()));
        }
        let stream = tokio::net::UnixStream::connect(path).await.map_err(|e| HttpError::Connect(format!("{}: {e}", path.display())))?;
        let handshake = hyper::client::conn::http1::Builder::new()
            .max_headers(RESPONSE_HEADERS_MAX)
            .max_buf_size(BUFFER_BYTES_MAX)
            .handshake(TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.map_err(|e| from_layers(&e))?;
        // It ends when sender and response are gone, or with the other side.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        let mut request = hop.to_request(None)?;
        let host = hop.url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
        request.headers_mut().insert(header::HOST, HeaderValue::from_str(&host).map_err(|e| HttpError::Invalid(e.to_string()))?);
        *request.uri_mut() = hop.url[url::Position::BeforePath..url::Position::AfterQuery]
            .parse()
            .map_err(|e| HttpError::Invalid(format!("{}: {e}", hop.url)))?;
        let mut response = sender.send_request(request).await.map_err(|e| from_layers(&e))?;
        response.extensions_mut().insert(ConnectionInfo { remote: path.display().to_string(), certificate_not_after: None });
        Ok(response)
    }

    #[cfg(not(unix))]
    async fn send_to_socket(&self, path: &Path, _: &Hop) -> Result<http::Response<Incoming>, HttpError> {
        Err(HttpError::Connect(format!("{}: this system has no sockets in its file system", path.display())))
    }

    async fn headers(&self, request: &Request) -> Result<HeaderMap, HttpError> {
        let mut headers = HeaderMap::new();
        let own = request.headers.iter().map(|(n, v)| Ok((n.clone(), v.clone())));
        let configured = self.config.headers.iter().map(|(n, v)| Ok((n.clone(), v.read()?)));
        for pair in own.chain(configured) {
            let (name, value): (String, String) = pair.map_err(HttpError::Invalid)?;
            let bad = || HttpError::Invalid(format!("the header {name:?} or its value has characters that headers cannot have"));
            let name_parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            headers.append(name_parsed, HeaderValue::from_str(&value).map_err(|_| bad())?);
        }
        if let Some(authorization) = self.authorization().await? {
            let mut value = HeaderValue::from_str(&authorization)
                .map_err(|_| HttpError::Invalid("the credentials have characters that headers cannot have".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        if request.accept_compressed && !headers.contains_key(header::ACCEPT_ENCODING) {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        headers.entry(header::USER_AGENT).or_insert(USER_AGENT);
        headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        Ok(headers)
    }

    /// The header that identifies the caller, read afresh so that a rotated file takes effect.
    async fn authorization(&self) -> Result<Option<String>, HttpError> {
        if let Some(tokens) = &self.tokens {
            return tokens.header().await.map(Some);
        }
        let header = match &self.config.auth {
            None | Some(Auth::OAuth2(_)) => return Ok(None),
            Some(Auth::Basic { username, password }) => {
                let password = password.as_ref().map_or_else(|| Ok(String::new()), |password| password.read());
                password.and_then(|password| Ok(basic(&username.read()?, &password)))
            }
            Some(Auth::Authorization { scheme, credentials }) => credentials.read().map(|credentials| format!("{scheme} {credentials}")),
        };
        header.map(Some).map_err(HttpError::Invalid)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("config", &self.config).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
struct BodyLimits {
    bytes_max: u64,
    truncate: bool,
    decode: bool,
}

/// Whether the body was cut off.
async fn read_body(incoming: &mut Incoming, encoding: Option<&str>, limits: BodyLimits, body: &mut Vec<u8>) -> Result<bool, HttpError> {
    body.clear();
    body.reserve(BODY_CAPACITY_BYTES);
    let mut sink = BodySink::new(encoding, limits.decode, limits.bytes_max, body)?;
    let mut progress = Progress::More;
    while progress == Progress::More {
        match incoming.frame().await.transpose().map_err(|e| from_layers(&e))? {
            // Trailers carry nothing that is asked for.
            Some(frame) => {
                if let Some(bytes) = frame.data_ref() {
                    progress = sink.push(bytes)?;
                }
            }
            None => {
                progress = sink.finish()?;
                break;
            }
        }
    }
    match progress {
        Progress::More => Ok(false),
        Progress::LimitPassed if limits.truncate => Ok(true),
        Progress::LimitPassed => Err(HttpError::TooLarge { limit: limits.bytes_max }),
    }
}

fn text_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    headers.iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))).collect()
}

fn version_text(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}
