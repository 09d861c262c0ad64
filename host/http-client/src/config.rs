use std::fmt;
use std::path::{Path, PathBuf};

use model::config::{ConfigError, Node, Section};

use crate::tls::TlsSettings;

/// The HTTP client block of Prometheus' configuration: credentials, TLS, proxy, headers.
///
/// Files that it names are read when they are needed, not when the configuration is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    pub(crate) auth: Option<Auth>,
    pub(crate) tls: TlsSettings,
    pub(crate) proxy_url: Option<Secret>,
    pub(crate) follow_redirects: bool,
    pub(crate) enable_http2: bool,
    pub(crate) headers: Vec<(String, Secret)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Auth {
    Basic { username: Secret, password: Option<Secret> },
    Authorization { scheme: String, credentials: Secret },
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
            (Some(_), Some(file)) => Err(file.error(format!("at most one of {key} and {file_key} must be configured"))),
            (Some(text), None) => Ok(Some(Self::Text(text.as_str()?.to_owned()))),
            (None, Some(file)) => Ok(Some(Self::File(base_dir.join(file.as_str()?)))),
            (None, None) => Ok(None),
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
        Self { auth: None, tls: TlsSettings::default(), proxy_url: None, follow_redirects: true, enable_http2: true, headers: Vec::new() }
    }
}

/// Headers that the client sets itself, as upstream refuses them.
const RESERVED_HEADERS: [&str; 14] = [
    "authorization",
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
];

impl HttpConfig {
    /// Takes the keys of the block out of the section in which it stands inline. Paths are relative to `base_dir`.
    pub fn from_section(section: &mut Section<'_>, base_dir: &Path) -> Result<Self, ConfigError> {
        let auth = auth(section, base_dir)?;
        if let Some(node) = section.optional("oauth2") {
            return Err(node.error("oauth2 is not supported yet: use authorization with credentials_file"));
        }
        let tls =
            section.optional("tls_config").map_or_else(|| Ok(TlsSettings::default()), |node| TlsSettings::from_node(node, base_dir))?;
        for key in ["no_proxy", "proxy_connect_header"] {
            if let Some(node) = section.optional(key) {
                return Err(node.error(format!("{key} is not supported yet")));
            }
        }
        if let Some(node) = section.optional("proxy_from_environment")
            && node.as_bool()?
        {
            return Err(node.error("proxy_from_environment is not supported yet: write proxy_url"));
        }
        let proxy_url = section.optional("proxy_url").map(proxy_url).transpose()?;
        let follow_redirects = section.optional("follow_redirects").map_or(Ok(true), Node::as_bool)?;
        let enable_http2 = section.optional("enable_http2").map_or(Ok(true), Node::as_bool)?;
        let headers = section.optional("http_headers").map_or_else(|| Ok(Vec::new()), |node| headers(node, base_dir))?;
        Ok(Self { auth, tls, proxy_url, follow_redirects, enable_http2, headers })
    }

    /// The header that identifies the caller, read afresh so that a rotated file takes effect.
    pub(crate) fn authorization(&self) -> Result<Option<String>, String> {
        match &self.auth {
            None => Ok(None),
            Some(Auth::Basic { username, password }) => {
                let password = password.as_ref().map_or_else(|| Ok(String::new()), Secret::read)?;
                Ok(Some(format!("Basic {}", base64(format!("{}:{password}", username.read()?).as_bytes()))))
            }
            Some(Auth::Authorization { scheme, credentials }) => Ok(Some(format!("{scheme} {}", credentials.read()?))),
        }
    }
}

fn auth(section: &mut Section<'_>, base_dir: &Path) -> Result<Option<Auth>, ConfigError> {
    let basic = section.optional("basic_auth");
    let authorization = section.optional("authorization");
    let bearer = Secret::text_or_file(section, "bearer_token", base_dir)?;
    let given = [basic.is_some(), authorization.is_some(), bearer.is_some()];
    if given.iter().filter(|given| **given).count() > 1 {
        return Err(section.node().error("at most one of basic_auth, oauth2, authorization and bearer_token must be configured"));
    }
    if let Some(node) = basic {
        let mut inner = Section::new(node)?;
        let username = Secret::text_or_file(&mut inner, "username", base_dir)?.unwrap_or(Secret::Text(String::new()));
        let password = Secret::text_or_file(&mut inner, "password", base_dir)?;
        inner.finish()?;
        return Ok(Some(Auth::Basic { username, password }));
    }
    if let Some(node) = authorization {
        let mut inner = Section::new(node)?;
        let scheme = inner.optional("type").map_or(Ok("Bearer"), Node::as_str)?.trim().to_owned();
        let credentials = Secret::text_or_file(&mut inner, "credentials", base_dir)?;
        inner.finish()?;
        if scheme.eq_ignore_ascii_case("basic") {
            return Err(node.error(r#"authorization type cannot be set to "basic", use "basic_auth" instead"#));
        }
        let credentials = credentials.ok_or_else(|| node.error("credentials or credentials_file is missing"))?;
        return Ok(Some(Auth::Authorization { scheme, credentials }));
    }
    Ok(bearer.map(|credentials| Auth::Authorization { scheme: "Bearer".to_owned(), credentials }))
}

fn proxy_url(node: &Node) -> Result<Secret, ConfigError> {
    let text = node.as_str()?;
    match reqwest::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") => Ok(Secret::Text(text.to_owned())),
        Ok(url) => Err(node.error(format!("a proxy cannot be reached by {:?}: use http, https or socks5", url.scheme()))),
        Err(error) => Err(node.error(format!("{text:?} is not a URL: {error}"))),
    }
}

fn headers(node: &Node, base_dir: &Path) -> Result<Vec<(String, Secret)>, ConfigError> {
    let mut headers = Vec::new();
    for (name, _, inner) in node.as_mapping()? {
        if RESERVED_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(inner.error(format!("setting header {name:?} is not allowed")));
        }
        if reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_err() {
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

/// RFC 4648, with padding. Twelve lines, for one header.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
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
    fn credentials_make_a_header() {
        let header = |text| read(text).expect("good").authorization().expect("no file is read");
        assert_eq!(header("basic_auth: {username: ann, password: s3cret}"), Some("Basic YW5uOnMzY3JldA==".to_owned()));
        assert_eq!(header("authorization: {credentials: abc}"), Some("Bearer abc".to_owned()));
        assert_eq!(header("bearer_token: abc"), Some("Bearer abc".to_owned()));
        assert_eq!(header("follow_redirects: false"), None);
    }

    #[test]
    fn wrong_blocks_are_refused() {
        for (text, part) in [
            ("{basic_auth: {username: a}, authorization: {credentials: b}}", "at most one of"),
            ("{bearer_token: a, bearer_token_file: b}", "at most one of bearer_token"),
            ("{authorization: {type: Basic, credentials: x}}", "basic_auth"),
            ("{tls_config: {cert: x}}", "needs both"),
            ("{tls_config: {min_version: TLS13, max_version: TLS12}}", "max_version"),
            ("{http_headers: {Authorization: {values: [x]}}}", "not allowed"),
            ("{proxy_url: 'ftp://x'}", "proxy"),
            ("{oauth2: {client_id: x}}", "oauth2"),
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
