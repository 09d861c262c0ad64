//! Which proxy a request goes through, if any.

use std::fmt;
use std::net::IpAddr;

use http::header::{HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION};
use model::config::{ConfigError, Node, Section};
use url::Url;

use crate::HttpError;
use crate::auth::basic;

/// `proxy_url`, `no_proxy`, `proxy_from_environment` and `proxy_connect_header`, as in Prometheus.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct ProxySettings {
    from_environment: bool,
    url: Option<Url>,
    no_proxy: Option<NoProxy>,
    /// Sent with CONNECT alone, never to a target.
    connect_headers: Vec<(String, String)>,
}

/// Values of headers and the password of a URL are shown nowhere.
impl fmt::Debug for ProxySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.as_ref().map(|url| url.origin().ascii_serialization());
        f.debug_struct("ProxySettings").field("from_environment", &self.from_environment).field("url", &host).finish_non_exhaustive()
    }
}

impl ProxySettings {
    /// The rules are those of Prometheus.
    pub(crate) fn from_section(section: &mut Section<'_>) -> Result<Self, ConfigError> {
        let from_environment = section.optional("proxy_from_environment").map_or(Ok(false), Node::as_bool)?;
        let url_node = section.optional("proxy_url").filter(|node| node.as_str() != Ok(""));
        let no_proxy_node = section.optional("no_proxy").filter(|node| node.as_str() != Ok(""));
        let header_node = section.optional("proxy_connect_header");
        let connect_headers = header_node.map_or_else(|| Ok(Vec::new()), connect_headers)?;
        if let (true, Some(node)) = (from_environment, url_node) {
            return Err(node.error("if proxy_from_environment is configured, proxy_url must not be configured"));
        }
        if let (true, Some(node)) = (from_environment, no_proxy_node) {
            return Err(node.error("if proxy_from_environment is configured, no_proxy must not be configured: write NO_PROXY there"));
        }
        if let (None, Some(node)) = (url_node, no_proxy_node) {
            return Err(node.error("if no_proxy is configured, proxy_url must also be configured"));
        }
        if let (false, None, Some(node), false) = (from_environment, url_node, header_node, connect_headers.is_empty()) {
            return Err(node.error("if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured"));
        }
        let url = url_node.map(|node| proxy_url(node.as_str()?).map_err(|message| node.error(message))).transpose()?;
        let no_proxy = no_proxy_node.map(|node| node.as_str().map(NoProxy::parse)).transpose()?;
        Ok(Self { from_environment, url, no_proxy, connect_headers })
    }

    /// Ready for use: with what the environment says now, if it was asked for.
    pub(crate) fn prepare(&self, environment: impl Fn(&str) -> Option<String>) -> Result<Proxies, HttpError> {
        let mut connect_headers = HeaderMap::new();
        for (name, value) in &self.connect_headers {
            // Both were checked when the configuration was read.
            let bad = || HttpError::Invalid(format!("proxy_connect_header: {name:?} or its value has characters that headers cannot have"));
            let name_parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            connect_headers.append(name_parsed, HeaderValue::from_str(value).map_err(|_| bad())?);
        }
        if !self.from_environment {
            let proxy = self.url.clone().map(|url| Proxy { url });
            return Ok(Proxies { http: proxy.clone(), https: proxy, no_proxy: self.no_proxy.clone(), connect_headers });
        }
        // The capital name first, as Go's libraries, which upstream uses.
        let read = |name: &str| environment(name).or_else(|| environment(&name.to_lowercase())).filter(|text| !text.trim().is_empty());
        let proxy = |name: &str| {
            let parsed = read(name).map(|text| {
                let text = if text.contains("://") { text } else { format!("http://{text}") };
                proxy_url(&text).map(|url| Proxy { url }).map_err(|e| HttpError::Invalid(format!("the environment's {name}: {e}")))
            });
            parsed.transpose()
        };
        let no_proxy = NoProxy::parse(&read("NO_PROXY").unwrap_or_default());
        Ok(Proxies { http: proxy("HTTP_PROXY")?, https: proxy("HTTPS_PROXY")?, no_proxy: Some(no_proxy), connect_headers })
    }
}

fn proxy_url(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if !matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") => {
            Err(format!("a proxy cannot be reached by {:?}: use http, https or socks5", url.scheme()))
        }
        Ok(url) if url.host_str().is_none_or(str::is_empty) => Err("the proxy's URL names no host".to_owned()),
        Ok(url) => Ok(url),
        // Without the text: a password may be in it.
        Err(error) => Err(format!("the proxy is not a URL: {error}: write it as http://host:port")),
    }
}

fn connect_headers(node: &Node) -> Result<Vec<(String, String)>, ConfigError> {
    let mut headers = Vec::new();
    for (name, _, values) in node.as_mapping()? {
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(values.error(format!("{name:?} is not the name of a header")));
        }
        for value in values.as_strings()? {
            // Without the text: it may be a secret.
            if HeaderValue::from_str(&value).is_err() {
                return Err(values.error(format!("a value of {name:?} has characters that headers cannot have")));
            }
            headers.push((name.clone(), value));
        }
    }
    Ok(headers)
}

/// The proxies of a client.
#[derive(Clone)]
pub(crate) struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    /// None: not even this machine is excepted.
    no_proxy: Option<NoProxy>,
    /// For CONNECT.
    pub(crate) connect_headers: HeaderMap,
}

/// One proxy.
#[derive(Clone)]
pub(crate) struct Proxy {
    /// As written.
    pub(crate) url: Url,
}

impl Proxies {
    /// The proxy for a target; None goes there directly.
    pub(crate) fn of(&self, https: bool, host: &str, port: u16) -> Option<&Proxy> {
        let proxy = if https { self.https.as_ref()? } else { self.http.as_ref()? };
        let excepted = self.no_proxy.as_ref().is_some_and(|rules| rules.covers(host, port));
        (!excepted).then_some(proxy)
    }
}

impl Proxy {
    /// SOCKS, which carries any connection alike.
    pub(crate) fn is_socks(&self) -> bool {
        self.url.scheme().starts_with("socks")
    }

    /// Name and password, decoded.
    pub(crate) fn credentials(&self) -> Option<(String, String)> {
        if self.url.username().is_empty() && self.url.password().is_none() {
            return None;
        }
        Some((decoded(self.url.username()), decoded(self.url.password().unwrap_or_default())))
    }

    /// The header that tells the proxy who asks.
    pub(crate) fn authorization(&self) -> Option<(HeaderName, HeaderValue)> {
        let (username, password) = self.credentials()?;
        let mut value = HeaderValue::from_str(&basic(&username, &password)).ok()?;
        value.set_sensitive(true);
        Some((PROXY_AUTHORIZATION, value))
    }

    /// `host:port`, for errors.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.url.host_str().unwrap_or_default(), self.port())
    }

    pub(crate) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(1080)
    }
}

/// `%xx` of a URL's name and password. What is not such a sequence stays.
pub(crate) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok()).filter(|_| byte == b'%');
        match hex.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(value) => (out.push(value), at += 3).1,
            None => (out.push(byte), at += 1).1,
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What is reached without the proxy: names with all below them, addresses, ranges of addresses, each with a port or
/// without, and in any case this machine. The rules are those of Go's `httpproxy`, which upstream uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NoProxy {
    all: bool,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Net {
        network: IpAddr,
        bits: u8,
    },
    Address {
        address: IpAddr,
        port: Option<u16>,
    },
    /// `suffix` begins with a dot.
    Domain {
        suffix: String,
        itself: bool,
        port: Option<u16>,
    },
}

impl NoProxy {
    pub(crate) fn parse(text: &str) -> Self {
        let mut parsed = Self::default();
        for entry in text.split(',').map(|entry| entry.trim().to_ascii_lowercase()).filter(|entry| !entry.is_empty()) {
            if entry == "*" {
                parsed.all = true;
            } else {
                parsed.rules.extend(Rule::parse(&entry));
            }
        }
        parsed
    }

    fn covers(&self, host: &str, port: u16) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        self.all
            || host == "localhost"
            || address.is_some_and(|address| address.is_loopback())
            || self.rules.iter().any(|rule| rule.covers(&host, address, port))
    }
}

impl Rule {
    fn parse(entry: &str) -> Option<Self> {
        if let Some((network, bits)) = entry.split_once('/') {
            let (network, bits) = (network.parse::<IpAddr>().ok()?, bits.parse::<u8>().ok()?);
            return (bits <= if network.is_ipv4() { 32 } else { 128 }).then_some(Self::Net { network, bits });
        }
        if let Ok(address) = entry.trim_start_matches('[').trim_end_matches(']').parse() {
            return Some(Self::Address { address, port: None });
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (entry, None),
        };
        if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse() {
            return Some(Self::Address { address, port });
        }
        let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        match host.strip_prefix('.') {
            Some("") => None,
            Some(_) => Some(Self::Domain { suffix: host.to_owned(), itself: false, port }),
            None if host.is_empty() => None,
            None => Some(Self::Domain { suffix: format!(".{host}"), itself: true, port }),
        }
    }

    fn covers(&self, host: &str, address: Option<IpAddr>, at: u16) -> bool {
        match self {
            Self::Net { network, bits } => address.is_some_and(|address| in_network(address, *network, *bits)),
            Self::Address { address: only, port } => address == Some(*only) && port.is_none_or(|port| port == at),
            Self::Domain { suffix, itself, port } => {
                (host.ends_with(suffix.as_str()) || (*itself && host == &suffix[1..])) && port.is_none_or(|port| port == at)
            }
        }
    }
}

fn in_network(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let (a, n, width) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => (u128::from(u32::from(a)), u128::from(u32::from(n)), 32),
        (IpAddr::V6(a), IpAddr::V6(n)) => (u128::from(a), u128::from(n), 128),
        _ => return false,
    };
    let shift = width - u32::from(bits);
    a.checked_shr(shift) == n.checked_shr(shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_excepts_what_upstream_excepts() {
        let rules =
            NoProxy::parse("10.0.0.0/8, 192.0.2.7, 192.0.2.8:81, example.org, .inner.net, *.star.net, host:8080, fd00::/8, bad/x, ,");
        for (host, port, direct) in [
            ("10.9.8.7", 80, true),
            ("11.0.0.1", 80, false),
            ("192.0.2.7", 5, true),
            ("192.0.2.8", 81, true),
            ("192.0.2.8", 80, false),
            ("example.org", 80, true),
            ("A.Example.ORG", 80, true),
            ("badexample.org", 80, false),
            ("inner.net", 80, false),
            ("x.inner.net", 80, true),
            ("x.star.net", 80, true),
            ("star.net", 80, false),
            ("host", 8080, true),
            ("host", 80, false),
            ("[fd12::1]", 80, true),
            ("[2001:db8::1]", 80, false),
            // Always.
            ("localhost", 80, true),
            ("127.3.2.1", 80, true),
            ("[::1]", 80, true),
        ] {
            assert_eq!(rules.covers(host, port), direct, "{host}:{port}");
        }
        assert!(NoProxy::parse("*").covers("anything", 1));
        assert!(in_network("1.2.3.4".parse().expect("an address"), "9.9.9.9".parse().expect("an address"), 0));
    }

    #[test]
    fn the_environment_says_which() {
        let settings = ProxySettings { from_environment: true, ..ProxySettings::default() };
        let environment = |name: &str| match name {
            "HTTP_PROXY" => Some("proxy.example:3128".to_owned()),
            "https_proxy" => Some("https://u:p%40ss@secure.example".to_owned()),
            "no_proxy" => Some("direct.example".to_owned()),
            _ => None,
        };
        let proxies = settings.prepare(environment).expect("good");
        assert_eq!(proxies.of(false, "a.example", 80).map(Proxy::place), Some("proxy.example:3128".to_owned()));
        let secure = proxies.of(true, "a.example", 443).expect("a proxy");
        assert_eq!(secure.place(), "secure.example:443");
        assert_eq!(secure.credentials(), Some(("u".to_owned(), "p@ss".to_owned())));
        assert!(proxies.of(true, "direct.example", 443).is_none() && proxies.of(false, "127.0.0.1", 80).is_none());
        assert!(settings.prepare(|_| None).expect("good").of(false, "a.example", 80).is_none());
        assert!(settings.prepare(|_| Some("ftp://x".to_owned())).is_err());
    }
}
