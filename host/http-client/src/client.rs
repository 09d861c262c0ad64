use std::error::Error as StdError;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url, Version};

use crate::decode::{BodySink, Progress};
use crate::egress::Refused;
use crate::error::from_reqwest;
use crate::{Egress, HttpConfig, HttpError, Resolver};

/// How long an idle connection is kept: longer than the usual scrape intervals.
const IDLE_KEPT: Duration = Duration::from_secs(300);

/// Idle connections kept to one host.
const IDLE_PER_HOST_MAX: usize = 32;

/// Most headers that a response may have.
const RESPONSE_HEADERS_MAX: usize = 256;

/// Bytes of a body that are held at first; it grows as the body comes.
const BODY_CAPACITY_BYTES: usize = 8 << 10;

/// Sends requests with one configuration under one address policy, and keeps the connections.
pub struct Client {
    inner: reqwest::Client,
    config: HttpConfig,
    egress: Arc<dyn Egress>,
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
    /// `ip:port` of the server or the proxy.
    pub remote_address: String,
    /// `1.0`, `1.1` or `2`.
    pub http_version: &'static str,
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
    /// Reads the certificates that the configuration names. No connection is made.
    pub fn new(config: &HttpConfig, resolver: Arc<Resolver>, egress: Arc<dyn Egress>) -> Result<Self, HttpError> {
        let mut tls = config.tls.client_config()?;
        tls.alpn_protocols = if config.enable_http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
        let proxy_host = config.proxy_url.as_ref().map(|url| url.read()).transpose().map_err(HttpError::Invalid)?;
        let proxy_url = proxy_host.map(|text| Url::parse(&text).map_err(|e| HttpError::Invalid(format!("proxy_url: {e}")))).transpose()?;
        let checked = CheckedResolver {
            resolver,
            egress: Arc::clone(&egress),
            proxy: proxy_url.as_ref().and_then(|url| url.host_str().map(str::to_owned)),
        };
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Arc::new(checked))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .http1_max_headers(RESPONSE_HEADERS_MAX)
            .pool_idle_timeout(IDLE_KEPT)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .user_agent(concat!("Skopos/", env!("CARGO_PKG_VERSION")));
        if let Some(url) = proxy_url {
            builder = builder.proxy(reqwest::Proxy::all(url).map_err(|e| HttpError::Invalid(format!("proxy_url: {e}")))?);
        }
        if !config.enable_http2 {
            builder = builder.http1_only();
        }
        let inner = builder.build().map_err(|e| HttpError::Invalid(format!("failed to set up the HTTP client: {e}")))?;
        Ok(Self { inner, config: config.clone(), egress })
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

    /// Follows redirects by hand, so that each hop is checked.
    async fn follow(&self, request: Request, body: &mut Vec<u8>) -> Result<Response, HttpError> {
        let begun = Instant::now();
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| HttpError::Invalid(format!("{:?} is not a method", request.method)))?;
        let mut hop = Hop { url: parse_url(&request.url)?, method, headers: self.headers(&request)?, body: request.body, number: 0 };
        let redirects_max = if self.config.follow_redirects { request.redirects_max } else { 0 };
        loop {
            self.check(&hop)?;
            let mut response = self.send_hop(&hop).await?;
            let first_byte = begun.elapsed();
            if hop.number < redirects_max
                && let Some(next) = hop.redirected(&response)?
            {
                hop = next;
                continue;
            }
            let headers = text_headers(response.headers());
            let encoding = response.headers().get(header::CONTENT_ENCODING).and_then(|v| v.to_str().ok()).map(str::to_owned);
            let limits = BodyLimits { bytes_max: request.body_bytes_max, truncate: request.truncate, decode: request.accept_compressed };
            let truncated =
                if hop.method == Method::HEAD { false } else { read_body(&mut response, encoding.as_deref(), limits, body).await? };
            return Ok(Response {
                status: response.status().as_u16(),
                headers,
                body: Vec::new(),
                truncated,
                final_url: hop.url.to_string(),
                redirects: hop.number,
                remote_address: response.remote_addr().map(|a| a.to_string()).unwrap_or_default(),
                http_version: version_text(response.version()),
                first_byte,
                total: begun.elapsed(),
            });
        }
    }

    fn check(&self, hop: &Hop) -> Result<(), HttpError> {
        if !matches!(hop.url.scheme(), "http" | "https") {
            let what = if hop.number == 0 { "the URL" } else { "a redirect" };
            return Err(HttpError::Denied(format!("{what} leads to {}: only http and https are followed", hop.url)));
        }
        self.egress.check_url(&hop.url, hop.number).map_err(HttpError::Denied)?;
        // Names are checked by the resolver, when they have addresses. Through a proxy the proxy is who connects.
        let host = hop.url.host_str().unwrap_or_default();
        match host.trim_start_matches('[').trim_end_matches(']').parse() {
            Ok(address) => self.egress.check_address(host, address).map_err(HttpError::Denied),
            Err(_) => Ok(()),
        }
    }

    /// A kept connection may have been closed by the other side just as it was taken: one more attempt on a fresh one,
    /// for requests that change nothing.
    async fn send_hop(&self, hop: &Hop) -> Result<reqwest::Response, HttpError> {
        match self.inner.execute(hop.to_request()).await {
            Ok(response) => Ok(response),
            Err(error) if is_closed_connection(&error) && matches!(hop.method, Method::GET | Method::HEAD) => {
                self.inner.execute(hop.to_request()).await.map_err(|e| from_reqwest(&e))
            }
            Err(error) => Err(from_reqwest(&error)),
        }
    }

    fn headers(&self, request: &Request) -> Result<HeaderMap, HttpError> {
        let mut headers = HeaderMap::new();
        let own = request.headers.iter().map(|(n, v)| Ok((n.clone(), v.clone())));
        let configured = self.config.headers.iter().map(|(n, v)| Ok((n.clone(), v.read()?)));
        for pair in own.chain(configured) {
            let (name, value): (String, String) = pair.map_err(HttpError::Invalid)?;
            let bad = || HttpError::Invalid(format!("the header {name:?} or its value has characters that headers cannot have"));
            let name_parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            headers.append(name_parsed, HeaderValue::from_str(&value).map_err(|_| bad())?);
        }
        if let Some(authorization) = self.config.authorization().map_err(HttpError::Invalid)? {
            let mut value = HeaderValue::from_str(&authorization)
                .map_err(|_| HttpError::Invalid("the credentials have characters that headers cannot have".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        if request.accept_compressed && !headers.contains_key(header::ACCEPT_ENCODING) {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Ok(headers)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("config", &self.config).finish_non_exhaustive()
    }
}

/// One request of a chain of redirects.
struct Hop {
    url: Url,
    method: Method,
    headers: HeaderMap,
    body: Vec<u8>,
    number: usize,
}

impl Hop {
    fn to_request(&self) -> reqwest::Request {
        let mut request = reqwest::Request::new(self.method.clone(), self.url.clone());
        *request.headers_mut() = self.headers.clone();
        if !self.body.is_empty() {
            *request.body_mut() = Some(self.body.clone().into());
        }
        request
    }

    /// Where a redirect leads, None if the response is none. Another origin gets no credentials and no configured header.
    fn redirected(&self, response: &reqwest::Response) -> Result<Option<Self>, HttpError> {
        let keeps_method = match response.status() {
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => matches!(self.method, Method::GET | Method::HEAD),
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
            _ => return Ok(None),
        };
        let Some(location) = response.headers().get(header::LOCATION) else { return Ok(None) };
        let location = location.to_str().map_err(|_| HttpError::Redirect("the redirect's address is not text".to_owned()))?;
        let url = self.url.join(location).map_err(|e| HttpError::Redirect(format!("the redirect to {location:?} leads nowhere: {e}")))?;
        let mut headers = self.headers.clone();
        if url.origin() != self.url.origin() {
            let kept = [header::ACCEPT, header::ACCEPT_ENCODING, header::USER_AGENT, header::ACCEPT_LANGUAGE];
            headers = headers.into_iter().filter_map(|(n, v)| n.filter(|n| kept.contains(n)).map(|n| (n, v))).collect();
        }
        let (method, body) = if keeps_method { (self.method.clone(), self.body.clone()) } else { (Method::GET, Vec::new()) };
        if !keeps_method {
            headers.remove(header::CONTENT_TYPE);
        }
        Ok(Some(Self { url, method, headers, body, number: self.number + 1 }))
    }
}

#[derive(Clone, Copy)]
struct BodyLimits {
    bytes_max: u64,
    truncate: bool,
    decode: bool,
}

/// Whether the body was cut off.
async fn read_body(
    response: &mut reqwest::Response,
    encoding: Option<&str>,
    limits: BodyLimits,
    body: &mut Vec<u8>,
) -> Result<bool, HttpError> {
    body.clear();
    body.reserve(BODY_CAPACITY_BYTES);
    let mut sink = BodySink::new(encoding, limits.decode, limits.bytes_max, body)?;
    let mut progress = Progress::More;
    while progress == Progress::More {
        match response.chunk().await.map_err(|e| from_reqwest(&e))? {
            Some(bytes) => progress = sink.push(&bytes)?,
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

/// Resolves a name once and hands out only addresses that the policy lets through.
struct CheckedResolver {
    resolver: Arc<Resolver>,
    egress: Arc<dyn Egress>,
    /// The proxy's host: the operator wrote it, the policy is about targets.
    proxy: Option<String>,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = Arc::clone(&self.resolver);
        let egress = Arc::clone(&self.egress);
        let host = name.as_str().to_owned();
        let exempt = self.proxy.as_deref() == Some(host.as_str());
        Box::pin(async move {
            let addresses = resolver.lookup_ips(&host).await?;
            let mut refusal = None;
            let mut allowed: Vec<SocketAddr> = Vec::with_capacity(addresses.len());
            for address in addresses {
                match egress.check_address(&host, address) {
                    Err(reason) if !exempt => refusal = Some(reason),
                    _ => allowed.push(SocketAddr::new(address, 0)),
                }
            }
            match refusal {
                Some(reason) if allowed.is_empty() => Err(Box::new(Refused(reason)) as Box<dyn StdError + Send + Sync>),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

fn parse_url(text: &str) -> Result<Url, HttpError> {
    let url = Url::parse(text).map_err(|e| HttpError::Invalid(format!("{text:?} is not a URL: {e}")))?;
    if !url.has_host() && matches!(url.scheme(), "http" | "https") {
        return Err(HttpError::Invalid(format!("{text:?} names no host")));
    }
    Ok(url)
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

/// hyper says "connection closed before message completed" or passes on a reset or a broken pipe.
fn is_closed_connection(error: &reqwest::Error) -> bool {
    let mut cause: Option<&dyn StdError> = Some(error);
    while let Some(layer) = cause {
        if let Some(io) = layer.downcast_ref::<std::io::Error>() {
            return !error.is_connect()
                && matches!(
                    io.kind(),
                    std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe | std::io::ErrorKind::UnexpectedEof
                );
        }
        if layer.to_string().starts_with("connection closed before message completed") {
            return true;
        }
        cause = layer.source();
    }
    false
}
