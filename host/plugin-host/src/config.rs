//! The `plugins:` section of the configuration.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use model::config::{ConfigError, Node, Section};

use crate::grants::{Grants, plain_host};
use crate::limits::LimitsConfig;

/// What the operator says of all plugins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PluginsConfig {
    /// `dir`: the folder that is watched, as written. The flag `--plugins.dir` wins over it.
    pub dir: Option<PathBuf>,
    /// `override`: embedded plugins that a file may replace.
    pub overrides: Vec<String>,
    /// By name.
    pub plugins: BTreeMap<String, PluginConfig>,
}

/// What the operator says of one plugin.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginConfig {
    /// For errors about the whole.
    pub node: Node,
    /// `sha256`: the only content that is loaded under this name, in lower-case hexadecimal.
    pub sha256: Option<String>,
    /// `grants`.
    pub grants: Grants,
    /// `limits`.
    pub limits: LimitsConfig,
    /// `serve`: where its HTTP handler is mounted.
    pub serve: Option<Serve>,
    /// `config`: for its HTTP handler. Checked against the plugin's schema.
    pub config: Node,
    /// `targets`: what its discovery may make the host contact. None for anything.
    pub targets: Option<Vec<TargetRule>>,
}

/// Where an HTTP handler is mounted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Serve {
    /// Paths of the host's own address, beside `/plugins/<name>/`.
    pub routes: Vec<String>,
    /// An address of its own.
    pub listen: Option<SocketAddr>,
}

/// What discovery may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetRule {
    /// Addresses of a network.
    Network(IpAddr, u8),
    /// A name, or `*.` and a domain.
    Name(String),
}

impl PluginsConfig {
    /// Reads the section. Whether the plugins exist is checked when it is applied.
    pub fn from_node(node: &Node) -> Result<Self, ConfigError> {
        let mut section = Section::new(node)?;
        let dir = section.optional("dir").map(Node::as_str).transpose()?.map(PathBuf::from);
        let overrides = section.optional("override").map_or(Ok(Vec::new()), Node::as_strings)?;
        let mut plugins = BTreeMap::new();
        for (name, _, node) in section.rest() {
            check_name(name).map_err(|message| node.error(message))?;
            plugins.insert(name.to_owned(), PluginConfig::from_node(node)?);
        }
        Ok(Self { dir, overrides, plugins })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&PluginConfig> {
        self.plugins.get(name)
    }
}

/// A plugin's name is its file's name without `.wasm`, and a key of the configuration.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    if matches!(name, "dir" | "override") {
        return Err(format!("{name:?} cannot be the name of a plugin: it is a key of plugins:"));
    }
    if !first || name.len() > 64 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
        return Err(format!("{name:?} cannot be the name of a plugin: write letters, digits, - and _, at most 64"));
    }
    Ok(())
}

impl PluginConfig {
    fn from_node(node: &Node) -> Result<Self, ConfigError> {
        let mut section = Section::new(node)?;
        let config = Self {
            node: node.clone(),
            sha256: section.optional("sha256").map(sha256).transpose()?,
            grants: section.optional("grants").map_or_else(|| Ok(Grants::default()), Grants::from_node)?,
            limits: section.optional("limits").map_or_else(|| Ok(LimitsConfig::default()), LimitsConfig::from_node)?,
            serve: section.optional("serve").map(Serve::from_node).transpose()?,
            config: section.optional("config").cloned().unwrap_or_else(Node::empty_mapping),
            targets: section.optional("targets").map(|node| node.as_sequence()?.iter().map(TargetRule::from_node).collect()).transpose()?,
        };
        section.finish()?;
        Ok(config)
    }
}

fn sha256(node: &Node) -> Result<String, ConfigError> {
    let text = node.as_str()?.to_ascii_lowercase();
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(text);
    }
    Err(node.error("expected the SHA-256 of the file: 64 hexadecimal digits, as sha256sum prints them"))
}

impl Serve {
    fn from_node(node: &Node) -> Result<Self, ConfigError> {
        let mut section = Section::new(node)?;
        let mut routes = Vec::new();
        for entry in section.optional("routes").map_or(Ok(&[][..]), Node::as_sequence)? {
            let route = entry.as_str()?;
            if !route.starts_with('/')
                || route.len() > 1024
                || route.bytes().any(|b| b.is_ascii_whitespace() || matches!(b, b'?' | b'#' | b'{' | b'}' | b'*'))
            {
                return Err(entry.error(format!("{route:?} is not a path: write it as in /api/v1/scrap")));
            }
            routes.push(route.to_owned());
        }
        let listen = section.optional("listen").map(|node| {
            let text = node.as_str()?;
            text.parse().map_err(|_| node.error(format!("{text:?} is not an address to listen on: write it as in \"127.0.0.1:8081\"")))
        });
        let listen = listen.transpose()?;
        section.finish()?;
        Ok(Self { routes, listen })
    }
}

impl TargetRule {
    fn from_node(node: &Node) -> Result<Self, ConfigError> {
        let text = node.as_str()?;
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        if let Ok(address) = address.parse::<IpAddr>() {
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Ok(most), str::parse).ok().filter(|bits| *bits <= most);
            return bits
                .map(|bits| Self::Network(address, bits))
                .ok_or_else(|| node.error(format!("{text:?} is not a network: write it as in 10.0.0.0/8")));
        }
        let name = text.strip_prefix("*.").unwrap_or(text);
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
            return Err(node.error(format!("{text:?} is neither a network nor a name: write it as in 10.0.0.0/8 or \"*.example.com\"")));
        }
        Ok(Self::Name(text.trim_end_matches('.').to_ascii_lowercase()))
    }

    /// Whether a target, `host:port` or a URL, is among what this rule allows.
    pub(crate) fn allows(&self, target: &str) -> bool {
        let rest = target.split_once("://").map_or(target, |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let host = match authority.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None if authority.matches(':').count() == 1 => authority.split(':').next().unwrap_or_default(),
            None => authority,
        };
        match self {
            Self::Network(network, bits) => host.parse::<IpAddr>().is_ok_and(|address| in_network(address, *network, *bits)),
            Self::Name(name) => {
                let host = plain_host(host).to_ascii_lowercase();
                name.strip_prefix('*').map_or(host == *name, |domain| host.len() > domain.len() && host.ends_with(domain))
            }
        }
    }
}

fn in_network(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (address.to_canonical(), network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => (u32::from(a) ^ u32::from(n)).checked_shr(32 - u32::from(bits)).unwrap_or(0) == 0,
        (IpAddr::V6(a), IpAddr::V6(n)) => (u128::from(a) ^ u128::from(n)).checked_shr(128 - u32::from(bits)).unwrap_or(0) == 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn read(text: &str) -> Result<PluginsConfig, String> {
        PluginsConfig::from_node(&yaml::parse(text).expect("YAML")).map_err(|e| e.to_string())
    }

    #[test]
    fn the_section_reads_as_the_interfaces_page_shows_it() {
        let config = read(
            "dir: plugins\noverride: [dns]\nopengraph:\n  sha256: 9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08\n  \
             grants: {http: [public, \"http://127.0.0.1:8000/\"]}\n  limits: {timeout: 5s, memory: 64MiB}\n  \
             serve: {routes: [/api/v1/scrap], listen: \"127.0.0.1:8081\"}\n  config: {}\nconsul:\n  targets: [10.0.0.0/8]\n",
        )
        .expect("it reads");
        assert_eq!(config.overrides, ["dns"]);
        let opengraph = config.get("opengraph").expect("it is there");
        assert!(opengraph.sha256.as_deref().is_some_and(|s| s.starts_with("9f86d0")));
        assert_eq!(opengraph.grants.lines(), ["http: public", "http: http://127.0.0.1:8000/"]);
        assert_eq!((opengraph.limits.timeout, opengraph.limits.memory_bytes), (Some(Duration::from_secs(5)), Some(64 << 20)));
        assert_eq!(
            opengraph.serve,
            Some(Serve { routes: vec!["/api/v1/scrap".into()], listen: Some("127.0.0.1:8081".parse().expect("an address")) })
        );
        assert!(
            config.get("consul").is_some_and(|c| c.targets == Some(vec![TargetRule::Network("10.0.0.0".parse().expect("an address"), 8)]))
        );
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (text, expected) in [
            ("a:\n  grant: {}\n", "2:3: a.grant: unknown key \"grant\"; did you mean \"grants\"?"),
            ("a:\n  sha256: abc\n", "2:11: a.sha256: expected the SHA-256"),
            ("a:\n  grants: {http: [everything]}\n", "neither public nor a URL"),
            ("a:\n  limits: {memory: 2GiB}\n", "at most 512MiB"),
            ("a:\n  limits: {timeout: 1h}\n", "at most 5m"),
            ("a:\n  limits: {concurrency: 0}\n", "above 0"),
            ("a:\n  serve: {listen: nowhere}\n", "not an address to listen on"),
            ("a:\n  serve: {routes: [api]}\n", "not a path"),
            ("a:\n  targets: [10.0.0.0/64]\n", "not a network"),
            ("\"../a\": {}\n", "cannot be the name of a plugin"),
        ] {
            let error = read(text).expect_err("it is wrong");
            assert!(error.contains(expected), "{text} gave {error}");
        }
    }

    #[test]
    fn targets_are_held_against_networks_and_names() {
        let network = TargetRule::Network("10.0.0.0".parse().expect("an address"), 8);
        for (target, expected) in [
            ("10.1.2.3:80", true),
            ("11.0.0.1:80", false),
            ("host:80", false),
            ("http://10.0.0.1/x", true),
            ("[::ffff:10.0.0.1]:80", true),
            ("http://10.0.0.1@11.0.0.1/", false),
        ] {
            assert_eq!(network.allows(target), expected, "{target}");
        }
        let name = TargetRule::Name("*.example.com".into());
        for (target, expected) in
            [("a.example.com:80", true), ("example.com:80", false), ("aexample.com", false), ("A.Example.Com.:80", true)]
        {
            assert_eq!(name.allows(target), expected, "{target}");
        }
        assert!(TargetRule::Network("::".parse().expect("an address"), 0).allows("[2001:db8::1]:80"));
    }
}
