//! The way of a request: each hop of a chain of redirects checked, sent, and its answer read.

use std::borrow::Cow;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use url::Url;

use crate::HttpError;
use crate::client::{BUFFER_BYTES_MAX, BodyLimits, Client, RESPONSE_HEADERS_MAX, Request, Response};
use crate::connect::{ConnectionInfo, allowed};
use crate::decode::{BodySink, Progress};
use crate::error::from_layers;
use crate::hop::{Hop, is_closed_connection, plain_host};
use crate::plain::{Answer, Question};

/// Bytes of a body that are held at first; it grows as the body comes.
const BODY_CAPACITY_BYTES: usize = 8 << 10;

/// How long a name is looked up that a proxy will look up again.
const LOOKUP_BEHIND_PROXY: Duration = Duration::from_secs(2);

/// A response of which the head was read.
enum Reply<'a> {
    Plain(Cow<'a, Question>, Answer),
    Hyper(http::Response<Incoming>),
}

impl Reply<'_> {
    fn status(&self) -> StatusCode {
        match self {
            Self::Plain(_, answer) => answer.head.status,
            Self::Hyper(response) => response.status(),
        }
    }

    fn headers(&self) -> &HeaderMap {
        match self {
            Self::Plain(_, answer) => &answer.head.headers,
            Self::Hyper(response) => response.headers(),
        }
    }

    fn version(&self) -> Version {
        match self {
            Self::Plain(_, answer) => answer.head.version,
            Self::Hyper(response) => response.version(),
        }
    }
}

impl Client {
    /// Follows redirects by hand, so that each hop is checked. `question` is the first hop's, where it is known.
    pub(crate) async fn follow(
        &self,
        request: &Request,
        first: Cow<'_, Hop>,
        question: Option<&Question>,
        body: &mut Vec<u8>,
    ) -> Result<Response, HttpError> {
        let begun = Instant::now();
        let mut hop = first;
        let mut question = question.map(Cow::Borrowed);
        let redirects_max = if self.config.follow_redirects { request.redirects_max } else { 0 };
        loop {
            let reply = match &request.unix_socket {
                Some(path) => Reply::Hyper(self.send_to_socket(path, &hop).await?),
                None => {
                    self.check(&hop).await?;
                    if question.is_none() {
                        question = self.question(&hop)?.map(Cow::Owned);
                    }
                    match question.take() {
                        Some(question) => {
                            let answer = self.plain.ask(&self.connector, &question, body).await?;
                            Reply::Plain(question, answer)
                        }
                        None => Reply::Hyper(self.send_hop(&hop).await?),
                    }
                }
            };
            let first_byte = begun.elapsed();
            if hop.number < redirects_max
                && let Some(next) = hop.redirected(reply.status(), reply.headers())?
            {
                if request.unix_socket.is_some() && next.url.origin() != hop.url.origin() {
                    return Err(HttpError::Redirect(format!(
                        "a redirect leads from the socket to {}",
                        next.url.origin().ascii_serialization()
                    )));
                }
                if let Reply::Plain(question, answer) = reply {
                    self.plain.skip_body(&question, answer, body);
                }
                hop = Cow::Owned(next);
                continue;
            }
            let headers = text_headers(reply.headers());
            let (status, version) = (reply.status().as_u16(), version_text(reply.version()));
            let limits = BodyLimits { bytes_max: request.body_bytes_max, truncate: request.truncate, decode: request.accept_compressed };
            let (truncated, info) = match reply {
                Reply::Plain(question, answer) => {
                    let info = ConnectionInfo { remote: answer.remote.to_string(), certificate_not_after: None };
                    (self.plain.read_body(&question, answer, limits, body).await?, info)
                }
                Reply::Hyper(mut response) => {
                    let encoding = response.headers().get(header::CONTENT_ENCODING).and_then(|v| v.to_str().ok()).map(str::to_owned);
                    let truncated = if hop.method == Method::HEAD {
                        false
                    } else {
                        read_body(response.body_mut(), encoding.as_deref(), limits, body).await?
                    };
                    (truncated, response.extensions().get::<ConnectionInfo>().cloned().unwrap_or_default())
                }
            };
            return Ok(Response {
                status,
                headers,
                body: Vec::new(),
                truncated,
                final_url: hop.url.to_string(),
                redirects: hop.number,
                remote_address: info.remote,
                http_version: version,
                certificate_not_after: info.certificate_not_after,
                first_byte,
                total: begun.elapsed(),
            });
        }
    }

    /// The hop as we ask it ourselves. None where it goes through hyper: TLS, proxies, requests with a body.
    pub(crate) fn question(&self, hop: &Hop) -> Result<Option<Question>, HttpError> {
        let direct = self.reads_plain
            && hop.url.scheme() == "http"
            && matches!(hop.method, Method::GET | Method::HEAD)
            && hop.body.is_empty()
            && self.proxy(&hop.url).is_none();
        if direct { Ok(Question::new(&hop.to_request(None)?)) } else { Ok(None) }
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
}

/// Whether the body was cut off.
async fn read_body(incoming: &mut Incoming, encoding: Option<&str>, limits: BodyLimits, body: &mut Vec<u8>) -> Result<bool, HttpError> {
    body.clear();
    body.reserve(BODY_CAPACITY_BYTES);
    let mut sink = BodySink::new(encoding, limits.decode, limits.bytes_max, body)?;
    let mut progress = Progress::More;
    while progress == Progress::More {
        match incoming.frame().await {
            // Trailers carry nothing that is asked for.
            Some(Ok(frame)) => {
                if let Some(bytes) = frame.data_ref() {
                    progress = sink.push(bytes)?;
                }
            }
            Some(Err(error)) => progress = sink.failed(from_layers(&error))?,
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
