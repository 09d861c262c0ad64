//! Reads `--web.config.file`, key by key and strictly. The format is upstream's
//! (prometheus/exporter-toolkit, docs/web-configuration.md).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue};
use model::config::{ConfigError, Node, Section, nearest};
use rustls::ServerConfig;

use super::tls;

/// A comparison with a hash of this cost takes about a second; each more doubles it.
const COST_MAX: u32 = 14;
/// Names of users, in bytes.
const NAME_BYTES_MAX: usize = 256;
/// Users of one file.
const USERS_MAX: usize = 10_000;

/// What a web configuration says, with its certificates loaded.
#[derive(Clone, Default)]
pub struct WebConfig {
    /// For connections; none without `tls_server_config`.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// `http2: false`
    pub(crate) http1_only: bool,
    /// Headers of every answer.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// bcrypt hashes by name.
    pub(crate) users: BTreeMap<String, String>,
    warnings: Vec<String>,
}

impl WebConfig {
    /// Reads the tree and the files it names, which are relative to `base`. This is all that a check does, too.
    pub fn from_node(node: &Node, base: &Path) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        let mut section = Section::new(node)?;
        let tls = section.optional("tls_server_config");
        if let Some(node) = section.optional("http_server_config") {
            let mut http = Section::new(node)?;
            config.http1_only = !http.optional("http2").map_or(Ok(true), Node::as_bool)?;
            if let Some(node) = http.optional("headers") {
                config.headers = headers(node)?;
            }
            http.finish()?;
        }
        if let Some(node) = section.optional("basic_auth_users") {
            config.users = users(node)?;
        }
        section.finish()?;
        if let Some(node) = tls {
            config.tls = tls::server_config(node, base, !config.http1_only, &mut config.warnings)?.map(Arc::new);
        }
        Ok(config)
    }

    /// The files that a configuration names, also one that is wrong: when they change it is read anew.
    #[must_use]
    pub fn files(node: &Node, base: &Path) -> Vec<PathBuf> {
        let Some(tls) = node.get("tls_server_config") else { return Vec::new() };
        let named = ["cert_file", "key_file", "client_ca_file"].into_iter().filter_map(|key| tls.get(key)?.as_str().ok());
        named.filter(|name| !name.is_empty()).map(|name| base.join(name)).collect()
    }

    /// What is accepted and should be known.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether connections are encrypted.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// How many users there are.
    #[must_use]
    pub fn user_count(&self) -> usize {
        self.users.len()
    }
}

/// The headers that upstream lets an operator set, with the values it takes; none for any.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

fn headers(node: &Node) -> Result<Vec<(HeaderName, HeaderValue)>, ConfigError> {
    let mut headers = Vec::new();
    for (key, position, value) in node.as_mapping()? {
        let unknown = |message: String| ConfigError { path: value.path.clone(), position: *position, message };
        let Some((name, values)) = HEADERS.iter().find(|(name, _)| name == key) else {
            let names = HEADERS.map(|(name, _)| name);
            let hint = nearest(key, names.into_iter()).map_or_else(String::new, |name| format!("; did you mean {name:?}?"));
            return Err(unknown(format!("the header {key:?} cannot be set{hint} There are {}", names.join(", "))));
        };
        let text = value.as_str()?;
        if !values.is_empty() && !values.contains(&text.to_ascii_lowercase().as_str()) {
            return Err(value.error(format!("{name} takes {}, found {text:?}", values.join(" or "))));
        }
        if text.is_empty() {
            continue;
        }
        let name = HeaderName::try_from(*name).map_err(|_| unknown(format!("{name:?} is not the name of a header")))?;
        headers.push((
            name,
            HeaderValue::from_str(text).map_err(|_| value.error("this cannot be sent as a header: it holds a control character"))?,
        ));
    }
    Ok(headers)
}

fn users(node: &Node) -> Result<BTreeMap<String, String>, ConfigError> {
    let entries = node.as_mapping()?;
    if entries.len() > USERS_MAX {
        return Err(node.error(format!("{} users are more than {USERS_MAX}", entries.len())));
    }
    let mut users = BTreeMap::new();
    for (name, position, value) in entries {
        let wrong = |message: &str| ConfigError { path: value.path.clone(), position: *position, message: message.to_owned() };
        if name.is_empty() || name.contains(':') || name.chars().any(char::is_control) {
            return Err(wrong("a user's name is not empty and holds neither colons nor control characters"));
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(wrong("the name of this user is too long"));
        }
        let hash = value.as_str()?;
        // The text itself is a secret, above all if it is a password by mistake.
        let cost = cost_of(hash).ok_or_else(|| {
            value
                .error("this is not a bcrypt hash: `htpasswd -nBC 10 NAME` makes one, and what stands after the colon goes here, in quotes")
        })?;
        if cost > COST_MAX {
            return Err(value.error(format!(
                "a hash of cost {cost} would keep the server busy for {} s with each password tried: make it with a cost of 10 to {COST_MAX}",
                1_u64 << (cost - COST_MAX).min(20)
            )));
        }
        users.insert(name.clone(), hash.to_owned());
    }
    Ok(users)
}

/// The cost of a bcrypt hash, as `$2y$10$` and 53 characters; none if it is not one.
pub(crate) fn cost_of(hash: &str) -> Option<u32> {
    let rest = ["$2a$", "$2b$", "$2x$", "$2y$"].into_iter().find_map(|prefix| hash.strip_prefix(prefix))?;
    let (cost, rest) = rest.split_once('$')?;
    let digits = cost.len() == 2 && cost.bytes().all(|b| b.is_ascii_digit());
    let body = rest.len() == 53 && rest.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/'));
    // What the library cannot read, it would refuse for every password.
    let readable = digits && body && hash.parse::<bcrypt::HashParts>().is_ok();
    cost.parse().ok().filter(|cost| readable && (4..=31).contains(cost))
}
