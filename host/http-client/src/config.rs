use std::fmt;
use std::path::{Path, PathBuf};

use model::config::{ConfigError, Node, Section};

use crate::auth::Auth;
use crate::proxy::ProxySettings;
use crate::tls::TlsSettings;

/// The HTTP client block of Prometheus' configuration: credentials, TLS, proxy, headers.
///
/// Files that it names are read when they are needed, not when the configuration is checked, and again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    pub(crate) auth: Option<Auth>,
    pub(crate) tls: TlsSettings,
    pub(crate) proxy: ProxySettings,
    pub(crate) follow_redirects: bool,
    pub(crate) enable_http2: bool,
    pub(crate) headers: Vec<(String, Secret)>,
}

/// A text that is shown nowhere, or the file that holds it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    Text(String),
    File(PathBuf),
}

impl Secret {
    /// Reads `key` or `key_file`; both at once are an error.
    pub(crate) fn text_or_file(section: &mut Section<'_>, key: &str, base_dir: &Path) -> Result<Option<Self>, ConfigError> {
        let file_key = format!("{key}_file");
        let text = section.optional(key);
        match (text, section.optional(&file_key)) {
            (Some(_), Some(file)) => Err(file.error(format!("at most one of {key} & {file_key} must be configured"))),
            (Some(text), None) => Ok(Some(Self::Text(text.as_str()?.to_owned()))),
            (None, Some(file)) => Ok(Some(Self::File(base_dir.join(file.as_str()?)))),
            (None, None) => Ok(None),
        }
    }

    /// The file, if it is one.
    pub(crate) fn path(&self) -> Option<&PathBuf> {
        match self {
            Self::Text(_) => None,
            Self::File(path) => Some(path),
        }
    }

    pub(crate) fn read(&self) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(path) => std::fs::read_to_string(path)
                .map(|text| text.trim().to_owned())
                .map_err(|e| format!("failed to read {}: {e}", path.display())),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("<secret>"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            auth: None,
            tls: TlsSettings::default(),
            proxy: ProxySettings::default(),
            follow_redirects: true,
            enable_http2: true,
            headers: Vec::new(),
        }
    }
}

/// Headers that belong to the protocol or the connection, which upstream lets nobody set, in lower case.
pub const RESERVED_HEADERS: [&str; 16] = [
    "host",
    "content-encoding",
    "content-length",
    "content-type",
    "user-agent",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "www-authenticate",
    "accept-encoding",
    "x-prometheus-remote-write-version",
    "x-prometheus-remote-read-version",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-content-sha256",
];
/// Those that have keys of their own in this block.
const OWN_HEADERS: [&str; 2] = ["authorization", "x-prometheus-scrape-timeout-seconds"];

impl HttpConfig {
    /// The keys of the block, for those who hold it among keys of their own.
    pub const KEYS: [&'static str; 13] = [
        "basic_auth",
        "authorization",
        "bearer_token",
        "bearer_token_file",
        "oauth2",
        "tls_config",
        "proxy_url",
        "no_proxy",
        "proxy_from_environment",
        "proxy_connect_header",
        "follow_redirects",
        "enable_http2",
        "http_headers",
    ];

    /// Takes the keys of the block out of the section in which it stands inline. Paths are relative to `base_dir`.
    pub fn from_section(section: &mut Section<'_>, base_dir: &Path) -> Result<Self, ConfigError> {
        let auth = Auth::from_section(section, base_dir)?;
        let tls =
            section.optional("tls_config").map_or_else(|| Ok(TlsSettings::default()), |node| TlsSettings::from_node(node, base_dir))?;
        let proxy = ProxySettings::from_section(section)?;
        let follow_redirects = section.optional("follow_redirects").map_or(Ok(true), Node::as_bool)?;
        let enable_http2 = section.optional("enable_http2").map_or(Ok(true), Node::as_bool)?;
        let headers = section.optional("http_headers").map_or_else(|| Ok(Vec::new()), |node| headers(node, base_dir))?;
        Ok(Self { auth, tls, proxy, follow_redirects, enable_http2, headers })
    }
}

fn headers(node: &Node, base_dir: &Path) -> Result<Vec<(String, Secret)>, ConfigError> {
    let mut headers = Vec::new();
    for (name, _, inner) in node.as_mapping()? {
        let lower = name.to_ascii_lowercase();
        if RESERVED_HEADERS.iter().chain(&OWN_HEADERS).any(|reserved| *reserved == lower) {
            return Err(inner.error(format!("setting header {name:?} is not allowed")));
        }
        if http::header::HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(inner.error(format!("{name:?} is not the name of a header")));
        }
        let mut section = Section::new(inner)?;
        for key in ["values", "secrets"] {
            for value in section.optional(key).map_or_else(|| Ok(Vec::new()), Node::as_strings)? {
                headers.push((name.clone(), Secret::Text(value)));
            }
        }
        for file in section.optional("files").map_or_else(|| Ok(Vec::new()), Node::as_strings)? {
            headers.push((name.clone(), Secret::File(base_dir.join(file))));
        }
        section.finish()?;
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<HttpConfig, ConfigError> {
        let node = yaml::parse(text).expect("the text is YAML");
        let mut section = Section::new(&node)?;
        let config = HttpConfig::from_section(&mut section, Path::new("/etc/skopos"))?;
        section.finish().map(|()| config)
    }

    #[test]
    fn wrong_blocks_are_refused() {
        for (text, part) in [
            ("{basic_auth: {username: a}, authorization: {credentials: b}}", "at most one of"),
            ("{bearer_token: a, bearer_token_file: b}", "at most one of bearer_token"),
            ("{authorization: {type: Basic, credentials: x}}", "basic_auth"),
            ("{tls_config: {cert: x}}", "exactly one of key or key_file"),
            ("{tls_config: {min_version: TLS13, max_version: TLS12}}", "max_version"),
            ("{http_headers: {Authorization: {values: [x]}}}", "not allowed"),
            ("{proxy_url: 'ftp://x'}", "proxy"),
            ("{oauth2: {client_id: x}}", "token_url"),
            ("{oauth2: {client_id: x, token_url: 'http://a', grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer'}}", "grant_type"),
            ("{basic_auth: {username: a}, oauth2: {client_id: x, token_url: 'http://a'}}", "at most one of"),
            ("{basic_auth: {username_ref: a}}", "secret manager"),
            ("{no_proxy: a}", "proxy_url must also be configured"),
            ("{proxy_from_environment: true, proxy_url: 'http://a'}", "proxy_url must not be configured"),
            ("{proxy_from_environment: true, no_proxy: a}", "no_proxy must not be configured"),
            ("{proxy_connect_header: {a: [b]}}", "must also be configured"),
            ("{proxy_url: 'http://p', proxy_connect_header: {a: [\"b\\r\\nc: d\"]}}", "characters that headers cannot have"),
            ("{tls_config: {server_name: 'a b'}}", "server_name"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.message.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn secrets_do_not_print() {
        let text = format!("{:?}", read("{basic_auth: {username: ann, password: s3cret}}").expect("good"));
        assert!(!text.contains("s3cret"), "{text}");
    }
}
