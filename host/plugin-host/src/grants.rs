//! What a plugin may do: nothing but what the operator wrote.

use std::net::IpAddr;
use std::path::Path;

use http_client::{AddressClass, Url, classify};
use model::config::{ConfigError, Node, Section};

use crate::files::pattern;

/// The grants that hold for a call: those under the plugin's name, those of its section, those of a written target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Where HTTP requests may go.
    pub http: Vec<HttpGrant>,
    /// Names that may be resolved: a full name, `*.` and a domain for all below it, or `*`.
    pub dns: Vec<String>,
    /// `host:port` each. Shown; no import uses them yet.
    pub tcp: Vec<String>,
    /// Likewise.
    pub udp: Vec<String>,
    /// Hosts. Likewise.
    pub icmp: Vec<String>,
    /// Paths of sockets. Likewise.
    pub unix: Vec<String>,
    /// Patterns of paths of files that may be read, see `files/pattern.rs`.
    pub read: Vec<String>,
    /// Facts of the machine.
    pub host_info: bool,
    /// The store that lasts over calls.
    pub kv: bool,
    /// The plugin sees its secrets themselves, in place of tokens.
    pub reveal: bool,
}

/// Where HTTP requests may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpGrant {
    /// Every address that is not loopback, private, link-local or metadata.
    Public,
    /// One origin, and below its path if it has one.
    Below(UrlGrant),
}

/// An origin with a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlGrant {
    scheme: String,
    host: String,
    port: u16,
    path: String,
    /// The path is a secret and is not shown.
    secret: bool,
}

impl UrlGrant {
    /// None if the text is no absolute `http` or `https` URL.
    pub(crate) fn parse(text: &str, secret: bool) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        Some(Self {
            scheme: url.scheme().to_owned(),
            host: plain_host(url.host_str()?).to_owned(),
            port: url.port_or_known_default()?,
            path: url.path().to_owned(),
            secret,
        })
    }

    fn covers(&self, url: &Url) -> bool {
        url.scheme() == self.scheme
            && url.host_str().map(plain_host) == Some(self.host.as_str())
            && url.port_or_known_default() == Some(self.port)
            && self.covers_path(url.path())
    }

    /// `/a` covers `/a` and `/a/b`, not `/ab`. The URL parser has resolved dots, encoded ones included.
    fn covers_path(&self, path: &str) -> bool {
        path.strip_prefix(self.path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/'))
    }

    fn line(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let default = matches!((self.scheme.as_str(), self.port), ("http", 80) | ("https", 443));
        let port = if default { String::new() } else { format!(":{}", self.port) };
        let path = if self.secret { "/<secret>" } else { &self.path };
        format!("http: {}://{host}{port}{path}", self.scheme)
    }
}

/// Without the brackets that stand around IPv6 addresses in URLs, and without the dot that ends a full name.
pub(crate) fn plain_host(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.')
}

/// The line that would grant a request to this URL: its origin.
pub(crate) fn line_for_url(url: &Url) -> String {
    format!("http: {}/", url.origin().ascii_serialization())
}

impl Grants {
    /// Reads `grants:` of a plugin.
    pub(crate) fn from_node(node: &Node) -> Result<Self, ConfigError> {
        let mut section = Section::new(node)?;
        let mut grants = Self::default();
        for entry in section.optional("http").map_or(Ok(&[][..]), Node::as_sequence)? {
            grants.http.push(match entry.as_str()? {
                "public" => HttpGrant::Public,
                text => HttpGrant::Below(UrlGrant::parse(text, false).ok_or_else(|| {
                    entry.error(format!("{text:?} is neither public nor a URL: write public, or as in \"http://127.0.0.1:8000/\""))
                })?),
            });
        }
        let mut list = |key: &str| section.optional(key).map_or(Ok(Vec::new()), Node::as_strings);
        grants.dns = list("dns")?.iter().map(|name| name.trim_end_matches('.').to_ascii_lowercase()).collect();
        (grants.tcp, grants.udp, grants.icmp) = (list("tcp")?, list("udp")?, list("icmp")?);
        (grants.unix, grants.read) = (list("unix")?, list("read")?);
        for entry in section.optional("read").map_or(Ok(&[][..]), Node::as_sequence)? {
            pattern::check(entry.as_str()?).map_err(|message| entry.error(message))?;
        }
        let mut flag = |key: &str| section.optional(key).map_or(Ok(false), Node::as_bool);
        (grants.host_info, grants.kv, grants.reveal) = (flag("host-info")?, flag("kv")?, flag("reveal")?);
        section.finish()?;
        Ok(grants)
    }

    /// With patterns of paths relative to a directory.
    pub(crate) fn based_on(mut self, base: &Path) -> Self {
        for written in &mut self.read {
            *written = pattern::absolute(base, written);
        }
        self
    }

    /// Adds those of another.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.http.extend(other.http.iter().cloned());
        for (mine, theirs) in [
            (&mut self.dns, &other.dns),
            (&mut self.tcp, &other.tcp),
            (&mut self.udp, &other.udp),
            (&mut self.icmp, &other.icmp),
            (&mut self.unix, &other.unix),
            (&mut self.read, &other.read),
        ] {
            mine.extend(theirs.iter().cloned());
        }
        self.host_info |= other.host_info;
        self.kv |= other.kv;
        self.reveal |= other.reveal;
    }

    /// What a target that the operator wrote grants for its call: its origin by either scheme, its name, its address.
    pub(crate) fn of_target(target: &str) -> Self {
        let mut grants = Self::default();
        let with_scheme = target.contains("://");
        let urls = if with_scheme { vec![target.to_owned()] } else { vec![format!("http://{target}/"), format!("https://{target}/")] };
        for url in &urls {
            let Some(mut grant) = UrlGrant::parse(url, false) else { continue };
            grant.path = "/".to_owned();
            if grants.dns.is_empty() {
                grants.dns.push(grant.host.to_ascii_lowercase());
                grants.icmp.push(grant.host.clone());
                let address = format!("{}:{}", grant.host, grant.port);
                grants.tcp.push(address.clone());
                grants.udp.push(address);
            }
            grants.http.push(HttpGrant::Below(grant));
        }
        grants
    }

    /// Whether a request to this URL may be tried. Its address is a matter of [`Grants::allows_address`].
    pub(crate) fn allows_url(&self, url: &Url) -> bool {
        let host = plain_host(url.host_str().unwrap_or_default());
        // A host that is granted for some URLs is not granted for others by `public`: else a name that leads into the
        // private network would be open as a whole once a part of it is.
        self.below().any(|grant| grant.covers(url)) || (self.public() && !self.names(host))
    }

    /// Whether a connection to this address may be made for this host of a URL that is allowed.
    pub(crate) fn allows_address(&self, host: &str, address: IpAddr) -> bool {
        let host = plain_host(host);
        if !self.names(host) {
            return self.public() && classify(address) == AddressClass::Public;
        }
        // An address that was written is granted, whatever it is. A name is granted for where names lead to, which is not
        // this machine and not its link: except the name that means this machine.
        if host.parse() == Ok(address) {
            return true;
        }
        match classify(address) {
            AddressClass::Public | AddressClass::Private => true,
            AddressClass::Loopback => is_localhost(host),
            AddressClass::LinkLocal | AddressClass::Special => false,
        }
    }

    /// Whether requests may go to the socket at this path, written the same.
    pub(crate) fn allows_unix(&self, path: &str) -> bool {
        self.unix.iter().any(|granted| granted == path)
    }

    /// Whether this name may be resolved.
    pub(crate) fn allows_dns(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        self.dns.iter().any(|granted| match granted.strip_prefix('*') {
            Some("") => true,
            Some(domain) if domain.starts_with('.') => name.len() > domain.len() && name.ends_with(domain),
            _ => *granted == name,
        })
    }

    /// Each as the configuration would write it.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .http
            .iter()
            .map(|grant| match grant {
                HttpGrant::Public => "http: public".to_owned(),
                HttpGrant::Below(url) => url.line(),
            })
            .collect();
        for (key, values) in
            [("dns", &self.dns), ("tcp", &self.tcp), ("udp", &self.udp), ("icmp", &self.icmp), ("unix", &self.unix), ("read", &self.read)]
        {
            lines.extend(values.iter().map(|value| format!("{key}: {value}")));
        }
        for (key, given) in [("host-info", self.host_info), ("kv", self.kv), ("reveal", self.reveal)] {
            if given {
                lines.push(format!("{key}: true"));
            }
        }
        lines
    }

    fn public(&self) -> bool {
        self.http.contains(&HttpGrant::Public)
    }

    fn below(&self) -> impl Iterator<Item = &UrlGrant> {
        self.http.iter().filter_map(|grant| match grant {
            HttpGrant::Below(url) => Some(url),
            HttpGrant::Public => None,
        })
    }

    /// Whether a grant names this host.
    fn names(&self, host: &str) -> bool {
        self.below().any(|grant| grant.host == host)
    }
}

fn is_localhost(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(http: &[&str]) -> Grants {
        let http = http.iter().map(|text| match *text {
            "public" => HttpGrant::Public,
            url => HttpGrant::Below(UrlGrant::parse(url, false).expect("a URL")),
        });
        Grants { http: http.collect(), ..Grants::default() }
    }

    #[test]
    fn urls_are_granted_by_origin_and_below_their_path() {
        let cases: &[(&[&str], &str, bool)] = &[
            (&[], "http://example.com/", false),
            (&["https://hooks.example/services/T/B"], "https://hooks.example/services/T/B", true),
            (&["https://hooks.example/services/T/B"], "https://hooks.example/services/T/B/c?d=1", true),
            (&["https://hooks.example/services/T/B"], "https://hooks.example/services/T/Bx", false),
            (&["https://hooks.example/services/T/B"], "https://hooks.example/services/T/B/../../evil", false),
            (&["https://hooks.example/services/T/B"], "https://hooks.example/services/T/B/%2e%2e/%2E%2e/evil", false),
            (&["https://hooks.example/services/T/B"], "http://hooks.example/services/T/B", false),
            (&["https://hooks.example/"], "https://hooks.example:8443/", false),
            (&["https://hooks.example:443"], "https://hooks.example/a", true),
            (&["http://127.0.0.1:8000/"], "http://127.0.0.1:8000/page", true),
            (&["http://127.0.0.1:8000/"], "http://127.0.0.1:8001/", false),
            (&["http://127.0.0.1:8000/"], "http://2130706433:8000/", true),
            (&["http://127.0.0.1:8000/"], "http://0x7f.1:8000/", true),
            (&["public", "http://inside.example/a"], "http://inside.example/b", false),
            (&["public"], "http://outside.example/b", true),
            (&["http://[::1]:9/"], "http://[::1]:9/x", true),
            (&["http://name.example/"], "http://name.example./", true),
        ];
        for (given, url, expected) in cases {
            assert_eq!(grants(given).allows_url(&Url::parse(url).expect("a URL")), *expected, "{given:?} {url}");
        }
    }

    #[test]
    fn addresses_are_checked_for_what_was_written() {
        let cases: &[(&[&str], &str, &str, bool)] = &[
            (&["public"], "a.example", "93.184.216.34", true),
            (&["public"], "a.example", "127.0.0.1", false),
            (&["public"], "a.example", "10.0.0.1", false),
            (&["public"], "a.example", "100.64.0.1", false),
            (&["public"], "a.example", "169.254.169.254", false),
            (&["public"], "a.example", "::ffff:127.0.0.1", false),
            (&["public"], "a.example", "::ffff:10.1.1.1", false),
            (&["public"], "a.example", "0.0.0.0", false),
            (&["public"], "a.example", "fd00::1", false),
            (&["public"], "127.0.0.1", "127.0.0.1", false),
            (&["public", "http://127.0.0.1:8000/"], "127.0.0.1", "127.0.0.1", true),
            (&["public", "http://127.0.0.1:8000/"], "127.0.0.2", "127.0.0.2", false),
            (&["http://a.example/"], "a.example", "10.0.0.1", true),
            (&["http://a.example/"], "a.example", "127.0.0.1", false),
            (&["http://a.example/"], "a.example", "169.254.169.254", false),
            (&["http://a.example/"], "a.example", "::ffff:169.254.169.254", false),
            (&["http://a.example/"], "a.example", "::1", false),
            (&["http://localhost:9/"], "localhost", "127.0.0.1", true),
            (&["http://localhost:9/"], "localhost", "169.254.169.254", false),
            (&["http://169.254.169.254/"], "169.254.169.254", "169.254.169.254", true),
            (&["http://a.example/"], "b.example", "93.184.216.34", false),
        ];
        for (given, host, address, expected) in cases {
            assert_eq!(grants(given).allows_address(host, address.parse().expect("an address")), *expected, "{given:?} {host} {address}");
        }
    }

    #[test]
    fn names_are_granted_exactly_or_below() {
        let grants = Grants { dns: vec!["a.example".into(), "*.b.example".into()], ..Grants::default() };
        for (name, expected) in [
            ("a.example", true),
            ("A.Example.", true),
            ("x.a.example", false),
            ("x.b.example", true),
            ("b.example", false),
            ("xb.example", false),
        ] {
            assert_eq!(grants.allows_dns(name), expected, "{name}");
        }
        assert!(Grants { dns: vec!["*".into()], ..Grants::default() }.allows_dns("any.thing"));
    }

    #[test]
    fn a_written_target_is_granted_by_origin() {
        let given = Grants::of_target("shop.example:8443");
        assert!(given.allows_url(&Url::parse("https://shop.example:8443/x").expect("a URL")));
        assert!(!given.allows_url(&Url::parse("https://shop.example/x").expect("a URL")));
        assert!(given.allows_dns("shop.example"));
        let given = Grants::of_target("https://shop.example/health");
        assert!(given.allows_url(&Url::parse("https://shop.example/").expect("a URL")));
        assert!(!given.allows_url(&Url::parse("http://shop.example/").expect("a URL")));
        assert_eq!(Grants::of_target("").lines(), Vec::<String>::new());
    }

    #[test]
    fn lines_are_what_the_configuration_would_say() {
        let mut given = grants(&["public", "http://127.0.0.1:8000/"]);
        given.http.push(HttpGrant::Below(UrlGrant::parse("https://hooks.example/T/B/key", true).expect("a URL")));
        given.kv = true;
        assert_eq!(given.lines(), ["http: public", "http: http://127.0.0.1:8000/", "http: https://hooks.example/<secret>", "kv: true"]);
    }
}
