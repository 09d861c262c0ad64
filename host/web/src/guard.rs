//! What every request passes before a handler sees it: one spelling of each path, a host that is ours, no change of state
//! from another site or on a read-only server. And what every answer carries.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::access::{Access, Refusal, User};
use crate::error::ApiError;
use model::Pattern;

/// Everything comes from here; nothing frames the pages; nothing inline runs.
pub(crate) const POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; \
     connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'";

/// What pages send along with a change.
pub(crate) const TOKEN: HeaderName = HeaderName::from_static("x-skopos-token");

/// What browsers send by themselves, and scripts do not.
const MARKS_OF_BROWSERS: [HeaderName; 3] = [header::ORIGIN, HeaderName::from_static("sec-fetch-site"), header::COOKIE];

/// Why nothing can be changed, and what to do.
const READ_ONLY: &str = "this server is read-only: it listens beyond this machine and has no users. Give it a --web.config.file with \
     basic_auth_users (config/README.md has three lines that do), or listen on a loopback address";

/// What the checks need to know.
pub(crate) struct Guard {
    hosts: Hosts,
    access: Arc<Access>,
    /// Where the API begins, as `/skopos/api/v1/`.
    api: String,
    /// Sites whose pages may read the API's answers.
    readers: Option<Pattern>,
}

impl Guard {
    pub(crate) fn new(listen: &[String], external_url: &str, prefix: &str, access: Arc<Access>, readers: Option<Pattern>) -> Self {
        Self { hosts: Hosts::new(listen, external_url), access, api: format!("{prefix}/api/v1/"), readers }
    }

    /// What another site's page is told of an answer of the API, as upstream tells it: whether it may read it. Only where the operator
    /// named sites, and never more than reading; credentials of the browser do not come along.
    fn cors(&self, request: &Request) -> Option<[(HeaderName, HeaderValue); 5]> {
        let readers = self.readers.as_ref()?;
        let origin = request.headers().get(header::ORIGIN)?;
        if !request.uri().path().starts_with(&self.api) {
            return None;
        }
        let allowed = match origin.to_str() {
            _ if readers.source() == ".*" => HeaderValue::from_static("*"),
            Ok(text) if readers.is_match(text) => origin.clone(),
            _ => return None,
        };
        Some([
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Accept, Authorization, Content-Type, Origin")),
            (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS")),
            (header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Date")),
            (header::VARY, HeaderValue::from_static("Origin")),
        ])
    }

    /// Finds out whose request it is, and whether it may pass.
    async fn admit(&self, request: &mut Request) -> Result<(), Response> {
        // Whoever is not known is told nothing else, not even whether a path exists.
        if self.reads_own_metrics(request) {
            return self.check(request).map_err(IntoResponse::into_response);
        }
        let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip());
        let user = self.access.admit(request.headers(), address).await.map_err(refused)?;
        if let Some(user) = user {
            request.extensions_mut().insert(user);
        }
        self.check(request).map_err(IntoResponse::into_response)
    }

    /// The scrape of our own metrics, or of a plugin's, by this process.
    fn reads_own_metrics(&self, request: &Request) -> bool {
        let path = request.uri().path().strip_prefix(self.api.trim_end_matches("/api/v1/")).unwrap_or_default();
        let plugin = path.strip_prefix("/plugins/").and_then(|rest| rest.strip_suffix("/metrics"));
        let metrics = path == "/metrics" || plugin.is_some_and(|name| !name.contains('/'));
        metrics && request.method() == Method::GET && self.access.has_own_pass(request.headers())
    }

    fn check(&self, request: &Request) -> Result<(), ApiError> {
        check_path(request.uri().path())?;
        let host = host_of(request);
        if let Some(host) = &host {
            self.hosts.check(host)?;
        }
        if is_safe(request.method()) {
            return Ok(());
        }
        let reads = request.uri().path().strip_prefix(&self.api).is_some_and(only_reads);
        if reads && self.cors(request).is_some() {
            return Ok(());
        }
        check_origin(request.headers(), host.as_deref(), &self.hosts)?;
        if reads {
            return Ok(());
        }
        if self.access.is_read_only() {
            return Err(ApiError::forbidden(READ_ONLY));
        }
        self.check_token(request)
    }

    /// What a browser sends needs the token, which only this server's own pages can read.
    fn check_token(&self, request: &Request) -> Result<(), ApiError> {
        let headers = request.headers();
        if !MARKS_OF_BROWSERS.iter().any(|name| headers.contains_key(name)) {
            return Ok(());
        }
        let user = request.extensions().get::<User>().map(|User(name)| name.as_str());
        match headers.get(TOKEN) {
            Some(given) if self.access.is_token(user, given.as_bytes()) => Ok(()),
            Some(_) => Err(ApiError::forbidden("the header X-Skopos-Token is not that of this user and this process: load the page again")),
            None => {
                Err(ApiError::forbidden("changes from a browser need the header X-Skopos-Token, with the token of GET /api/v1/session"))
            }
        }
    }
}

/// The middleware.
pub(crate) async fn guard(guard: Arc<Guard>, mut request: Request, next: Next) -> Response {
    let cors = guard.cors(&request);
    let mut response = match guard.admit(&mut request).await {
        Ok(()) => next.run(request).await,
        Err(response) => response,
    };
    let headers = response.headers_mut();
    // What a plugin's document may do is not for the operator's policy to widen.
    let sandboxed = headers.contains_key(header::CONTENT_SECURITY_POLICY);
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in cors.into_iter().flatten() {
        headers.append(name, value);
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    for (name, value) in guard.access.headers() {
        if !(sandboxed && name == header::CONTENT_SECURITY_POLICY) {
            headers.insert(name, value);
        }
    }
    if response.status() == StatusCode::METHOD_NOT_ALLOWED && response.headers().get(header::CONTENT_TYPE).is_none() {
        let allow = response.headers().get(header::ALLOW).cloned();
        let mut answer = ApiError::method("this address does not take that method").into_response();
        std::mem::swap(answer.headers_mut(), response.headers_mut());
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        answer.headers_mut().remove(header::CONTENT_LENGTH);
        if let Some(allow) = allow {
            answer.headers_mut().insert(header::ALLOW, allow);
        }
        return answer;
    }
    response
}

/// In upstream's words, so that scripts that look for them find them.
fn refused(refusal: Refusal) -> Response {
    let text = |status: StatusCode, text: String| (status, [(header::X_CONTENT_TYPE_OPTIONS, "nosniff")], text).into_response();
    let later = |seconds: u64, status: StatusCode, why: &str| {
        let mut response = text(status, format!("{why}: try again in {seconds} s\n"));
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        response
    };
    match refusal {
        Refusal::Unauthorized => {
            let mut response = text(StatusCode::UNAUTHORIZED, "Unauthorized\n".to_owned());
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
            response
        }
        Refusal::Later(wait) => {
            let why = "too many wrong passwords from this address or for this user";
            later(wait.as_secs() + 1, StatusCode::TOO_MANY_REQUESTS, why)
        }
        Refusal::Busy => later(1, StatusCode::SERVICE_UNAVAILABLE, "too many passwords are being looked at"),
    }
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// POSTs that only ask, such as long queries, by what follows the API's place.
fn only_reads(rest: &str) -> bool {
    let parts: Vec<&str> = rest.split('/').collect();
    matches!(
        parts[..],
        ["query" | "query_range" | "query_exemplars" | "series" | "labels" | "format_query" | "parse_query" | "read"]
            | ["dashboards", _, "panels", _, "view"]
    )
}

/// One spelling for each path: no empty or dotted segments, no encoded separators, nothing encoded twice.
fn check_path(path: &str) -> Result<(), ApiError> {
    let refused = || ApiError::not_found("there is nothing at this address: its path is written in a form that is not used here");
    if path.contains("//") || path.contains('\\') || path.split('/').any(|part| part == "." || part.starts_with("..")) {
        return Err(refused());
    }
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut plain_from = 0;
    for (at, _) in path.match_indices('%') {
        let hex = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok()).ok_or_else(refused)?;
        let byte = u8::from_str_radix(hex, 16).map_err(|_| refused())?;
        if byte < 0x20 || matches!(byte, b'/' | b'\\' | b'%' | b'.' | 0x7f) {
            return Err(refused());
        }
        decoded.extend_from_slice(bytes.get(plain_from..at).unwrap_or_default());
        decoded.push(byte);
        plain_from = at + 3;
    }
    decoded.extend_from_slice(bytes.get(plain_from..).unwrap_or_default());
    // Bytes that are no text stand for something else to whoever reads them less strictly.
    if std::str::from_utf8(&decoded).is_err() { Err(refused()) } else { Ok(()) }
}

/// From the `Host` header, or the authority of HTTP/2. None for HTTP/1.0 without one, which no browser sends.
fn host_of(request: &Request) -> Option<String> {
    let authority = request.uri().authority().map(|authority| authority.as_str().to_owned());
    authority.or_else(|| Some(request.headers().get(header::HOST)?.to_str().unwrap_or("?").to_owned()))
}

/// The hosts this server answers for. A page of another site that has pointed its own name at this address (DNS rebinding)
/// is told apart by the name, so that addresses of this machine need no list.
struct Hosts {
    names: Vec<String>,
    addresses: Vec<IpAddr>,
    any_address: bool,
    /// Scheme and host of the external URL.
    external_origin: Option<String>,
}

impl Hosts {
    fn new(listen: &[String], external_url: &str) -> Self {
        let mut hosts = Self { names: vec!["localhost".to_owned()], addresses: Vec::new(), any_address: false, external_origin: None };
        for address in listen {
            hosts.add(split_port(address).0);
        }
        if let Some((scheme, rest)) = external_url.split_once("://") {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default().to_ascii_lowercase();
            hosts.add(split_port(&authority).0);
            hosts.external_origin = Some(format!("{}://{authority}", scheme.to_ascii_lowercase()));
        }
        hosts
    }

    fn add(&mut self, host: &str) {
        match address_of(host) {
            Some(address) if address.is_unspecified() => self.any_address = true,
            Some(address) => self.addresses.push(address),
            None if host.is_empty() => self.any_address = true,
            None => self.names.push(host.to_ascii_lowercase()),
        }
    }

    fn check(&self, authority: &str) -> Result<(), ApiError> {
        let host = split_port(authority).0.trim_end_matches('.').to_ascii_lowercase();
        let known = match address_of(&host) {
            Some(address) => address.is_loopback() || self.any_address || self.addresses.contains(&address),
            None => self.names.contains(&host) || host.ends_with(".localhost"),
        };
        if known {
            return Ok(());
        }
        let shown: String = host.chars().filter(|c| c.is_ascii_graphic()).take(200).collect();
        Err(ApiError::forbidden(format!(
            "this server does not answer for the host {shown:?}: if it should, set --web.external-url=http://{shown}/"
        )))
    }
}

/// Host and port; brackets of an IPv6 address stay with the host.
fn split_port(authority: &str) -> (&str, &str) {
    let end = authority.rfind(']').map_or(0, |at| at + 1);
    match authority[end..].rfind(':') {
        // Two colons without brackets: an IPv6 address without a port.
        Some(at) if end > 0 || authority[..end + at].find(':').is_none() => (&authority[..end + at], &authority[end + at + 1..]),
        _ => (authority, ""),
    }
}

fn address_of(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Refuses what another site's page sends. A request without these headers and without cookies comes from a script.
fn check_origin(headers: &HeaderMap, host: Option<&str>, hosts: &Hosts) -> Result<(), ApiError> {
    let refused = || ApiError::forbidden("requests that change something are only taken from this server's own pages, or from scripts");
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?").to_ascii_lowercase());
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site"))
        && !matches!(site.as_str(), "same-origin" | "none")
    {
        return Err(refused());
    }
    let Some(origin) = text(header::ORIGIN) else {
        // What a browser hides here, the token shows.
        return Ok(());
    };
    let same_host = origin.split_once("://").zip(host).is_some_and(|((_, authority), host)| authority == host.to_ascii_lowercase());
    if same_host || hosts.external_origin.as_ref() == Some(&origin) { Ok(()) } else { Err(refused()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_spelling() {
        for path in ["/", "/api/v1/query", "/api/v1/label/U__a_2e_b/values", "/d/%ED%95%9C", "/assets/index-abc.js"] {
            assert!(check_path(path).is_ok(), "{path}");
        }
        for path in [
            "//api//v1/query",
            "/api/v1/%2e%2e/x",
            "/a/../b",
            "/./a",
            "/a%2fb",
            "/a%5cb",
            "/a%00",
            "/a%252f",
            "/%",
            "/%4",
            "/%zz",
            "/a\\b",
            "/d/..%c0%af",
            "/d/..;/x",
            "/d/%ff",
        ] {
            assert!(check_path(path).is_err(), "{path}");
        }
    }

    #[test]
    fn hosts() {
        let hosts = |listen: &[&str], external: &str| Hosts::new(&listen.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>(), external);
        let loopback = hosts(&["127.0.0.1:9090"], "");
        for host in ["127.0.0.1:9090", "localhost:9090", "LOCALHOST", "[::1]:9090", "127.0.0.5:80", "a.localhost", "localhost."] {
            assert!(loopback.check(host).is_ok(), "{host}");
        }
        for host in ["evil.example:9090", "10.0.0.1:9090", "localhost.evil.example", "", "0x7f.1", "127.0.0.1.evil.example", "::1.evil"] {
            assert!(loopback.check(host).is_err(), "{host}");
        }
        assert!(hosts(&["0.0.0.0:9090"], "").check("10.0.0.1:9090").is_ok());
        assert!(hosts(&["0.0.0.0:9090"], "").check("evil.example").is_err());
        assert!(hosts(&[":9090"], "").check("[fe80::1]:9090").is_ok());
        assert!(hosts(&["box:9090"], "").check("BOX:1").is_ok());
        assert!(hosts(&["127.0.0.1:9090"], "https://mon.example/skopos").check("mon.example").is_ok());
    }

    #[test]
    fn other_sites_change_nothing() {
        let hosts = Hosts::new(&["127.0.0.1:9090".to_owned()], "https://mon.example/x");
        for (headers, expected) in [
            (vec![], true),
            (vec![("origin", "http://127.0.0.1:9090")], true),
            (vec![("origin", "https://mon.example"), ("sec-fetch-site", "same-origin")], true),
            (vec![("origin", "http://evil.example")], false),
            (vec![("origin", "null")], false),
            (vec![("sec-fetch-site", "cross-site")], false),
            (vec![("sec-fetch-site", "same-site")], false),
            (vec![("origin", "http://127.0.0.1:9090"), ("sec-fetch-site", "cross-site")], false),
        ] {
            let map: HeaderMap = headers.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
            assert_eq!(check_origin(&map, Some("127.0.0.1:9090"), &hosts).is_ok(), expected, "{headers:?}");
        }
    }
}
