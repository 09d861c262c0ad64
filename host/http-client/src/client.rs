use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Method;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::auth::{Auth, TokenSource, basic};
use crate::config::Secret;
use crate::connect::{Connector, PlainConnector};
use crate::hop::{Hop, parse_url};
use crate::plain::{Plain, Question};
use crate::proxy::Proxies;
use crate::redact::without;
use crate::tls::Stamp;
use crate::{Egress, HttpConfig, HttpError, Resolver};

/// How long an idle connection is kept: longer than the usual scrape intervals.
pub(crate) const IDLE_KEPT: Duration = Duration::from_secs(300);

/// Idle connections kept to one host.
pub(crate) const IDLE_PER_HOST_MAX: usize = 32;

/// Most headers that a response may have, and the most bytes of them over HTTP/2. Over HTTP/1 they must fit into the buffer
/// of a connection, of which it is never more.
pub(crate) const RESPONSE_HEADERS_MAX: usize = 256;
const RESPONSE_HEADER_BYTES_MAX: u32 = 128 << 10;
pub(crate) const BUFFER_BYTES_MAX: usize = 256 << 10;

const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("Skopos/", env!("CARGO_PKG_VERSION")));

pub(crate) type Connections = legacy::Client<Connector, Full<Bytes>>;

/// Sends requests with one configuration under one address policy, and keeps the connections.
pub struct Client {
    pub(crate) config: HttpConfig,
    pub(crate) resolver: Arc<Resolver>,
    pub(crate) egress: Arc<dyn Egress>,
    pub(crate) proxies: Arc<Proxies>,
    tokens: Option<TokenSource>,
    /// Made anew when a file that the TLS settings name has changed.
    connections: Mutex<Option<(Vec<Stamp>, Connections)>>,
    /// For what needs neither TLS nor a proxy.
    pub(crate) connector: PlainConnector,
    pub(crate) plain: Plain,
    /// Whether that is read by ourselves.
    pub(crate) reads_plain: bool,
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

/// A request that is sent again and again: what can be made of it beforehand is.
#[derive(Clone, Debug)]
pub struct Prepared {
    request: Request,
    /// None where a file or a server says who asks.
    hop: Option<Hop>,
    /// None where it goes through hyper.
    question: Option<Question>,
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
        // Only ever used for connections without TLS.
        let connector = PlainConnector::new(Arc::clone(&resolver), Arc::clone(&egress));
        let client = Self {
            config: config.clone(),
            resolver,
            egress,
            proxies,
            tokens,
            connections: Mutex::default(),
            connector,
            plain: Plain::default(),
            reads_plain: true,
        };
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
        let asked = async {
            let hop = self.first_hop(&request, self.headers(&request, self.authorization().await?)?)?;
            self.follow(&request, Cow::Owned(hop), None, body).await
        };
        tokio::time::timeout(request.timeout, asked).await.unwrap_or(Err(HttpError::Timeout))
    }

    /// Makes a request ready to be sent many times. No file is read yet.
    pub fn prepare(&self, request: Request) -> Result<Prepared, HttpError> {
        let is_text = |secret: &Secret| secret.path().is_none();
        let fixed = self.config.headers.iter().all(|(_, value)| is_text(value))
            && match &self.config.auth {
                None => true,
                Some(Auth::OAuth2(_)) => false,
                Some(Auth::Basic { username, password }) => is_text(username) && password.as_ref().is_none_or(is_text),
                Some(Auth::Authorization { credentials, .. }) => is_text(credentials),
            };
        if !fixed {
            return Ok(Prepared { request, hop: None, question: None });
        }
        let hop = self.first_hop(&request, self.headers(&request, self.written_authorization()?)?)?;
        let question = if request.unix_socket.is_none() { self.question(&hop)? } else { None };
        Ok(Prepared { request, hop: Some(hop), question })
    }

    /// Like [`Client::send_into`].
    pub async fn send_prepared(&self, prepared: &Prepared, body: &mut Vec<u8>) -> Result<Response, HttpError> {
        let Prepared { request, hop: Some(hop), question } = prepared else {
            return self.send_into(prepared.request.clone(), body).await;
        };
        let asked = self.follow(request, Cow::Borrowed(hop), question.as_ref(), body);
        tokio::time::timeout(request.timeout, asked).await.unwrap_or(Err(HttpError::Timeout))
    }

    /// Everything through hyper, for tests that compare.
    #[doc(hidden)]
    #[must_use]
    pub fn through_hyper(self) -> Self {
        Self { reads_plain: false, ..self }
    }

    /// How many plain connections are idle.
    #[must_use]
    pub fn idle_connections(&self) -> usize {
        self.plain.idle_count()
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
    pub(crate) fn connections(&self) -> Result<Connections, HttpError> {
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

    fn first_hop(&self, request: &Request, headers: HeaderMap) -> Result<Hop, HttpError> {
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| HttpError::Invalid(format!("{:?} is not a method", request.method)))?;
        Ok(Hop { url: parse_url(&request.url)?, method, headers, body: request.body.clone().into(), number: 0 })
    }

    fn headers(&self, request: &Request, authorization: Option<String>) -> Result<HeaderMap, HttpError> {
        let mut headers = HeaderMap::new();
        let own = request.headers.iter().map(|(n, v)| Ok((n.clone(), v.clone())));
        let configured = self.config.headers.iter().map(|(n, v)| Ok((n.clone(), v.read()?)));
        for pair in own.chain(configured) {
            let (name, value): (String, String) = pair.map_err(HttpError::Invalid)?;
            let bad = || HttpError::Invalid(format!("the header {name:?} or its value has characters that headers cannot have"));
            let name_parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            headers.append(name_parsed, HeaderValue::from_str(&value).map_err(|_| bad())?);
        }
        if let Some(authorization) = authorization {
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
        self.written_authorization()
    }

    fn written_authorization(&self) -> Result<Option<String>, HttpError> {
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

/// How much of a body is taken.
#[derive(Clone, Copy)]
pub(crate) struct BodyLimits {
    pub(crate) bytes_max: u64,
    pub(crate) truncate: bool,
    pub(crate) decode: bool,
}
